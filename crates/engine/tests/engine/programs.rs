//! External programs driven from a unit.

use super::Test;
use super::support::*;
use rtpipeline_engine::program::{ProgramSpec, THREAD_VARIABLES, run_program};
use rtpipeline_engine::*;
use std::time::{Duration, Instant};

pub(crate) const TESTS: &[Test] = &[
    ("programs::output_goes_to_the_log_and_the_tail", output_goes_to_the_log_and_the_tail),
    ("programs::environment_is_that_of_the_unit", environment_is_that_of_the_unit),
    ("programs::failures_are_told_apart", failures_are_told_apart),
    ("programs::a_time_out_kills_the_whole_group", a_time_out_kills_the_whole_group),
    ("programs::arguments_are_never_seen_by_a_shell", arguments_are_never_seen_by_a_shell),
    ("programs::what_is_left_in_the_group_dies_with_it", what_is_left_in_the_group_dies_with_it),
];

fn context(dir: &std::path::Path) -> UnitContext {
    UnitContext {
        id: UnitId { stage: "p".into(), scope: vec!["i".into()], part: None },
        roots: Roots::default(),
        work: dir.to_owned(),
        log: dir.join("unit.log"),
        threads: 3,
        env: [("FROM_POLICY".to_owned(), "yes".to_owned())].into(),
        host: Default::default(),
        time_limit: None,
        cancel: Cancel::new(),
    }
}

fn sh(script: &str) -> ProgramSpec {
    ProgramSpec::new("sh", ["-c", script])
}

fn output_goes_to_the_log_and_the_tail() {
    let d = tempfile::tempdir().unwrap();
    let cx = context(d.path());
    let r = run_program(&cx, &sh("echo out; echo err >&2; printf 'step 1\\rstep 2'; seq 5000")).unwrap();
    let log = std::fs::read_to_string(&cx.log).unwrap();
    assert!(log.contains("out\n") && log.contains("err\n") && log.contains("\n4999\n"));
    assert!(r.tail.ends_with("\n5000") && r.tail.len() <= 4096);
    assert!(r.cpu_seconds >= 0.0 && r.seconds > 0.0);
}

fn environment_is_that_of_the_unit() {
    let d = tempfile::tempdir().unwrap();
    let cx = context(d.path());
    let r = run_program(&cx, &sh("pwd; env").env("MINE", "1").env("MKL_NUM_THREADS", "7")).unwrap();
    assert!(std::fs::read_to_string(&cx.log).unwrap().contains(d.path().to_str().unwrap()));
    let log = std::fs::read_to_string(&cx.log).unwrap();
    for v in THREAD_VARIABLES {
        let n = if v == "MKL_NUM_THREADS" { 7 } else { 3 };
        assert!(log.contains(&format!("\n{v}={n}\n")), "{v}: {}", r.tail);
    }
    assert!(log.contains("\nFROM_POLICY=yes\n") && log.contains("\nMINE=1\n"));
}

fn failures_are_told_apart() {
    let d = tempfile::tempdir().unwrap();
    let cx = context(d.path());
    let fail = |spec: &ProgramSpec| run_program(&cx, spec).unwrap_err();
    let e = fail(&sh("echo Zoom; echo 'no such series' >&2; exit 12"));
    assert_eq!(e.kind, FailureKind::Program);
    assert!(e.message.contains("exit code 12") && e.message.contains("no such series"), "{e}");
    let e = fail(&sh("echo 'torch.cuda.OutOfMemoryError: CUDA out of memory.' >&2; exit 1"));
    assert!(e.is_memory() && e.kind == FailureKind::Resources, "{e}");
    // A program that says so and goes on to succeed has succeeded.
    assert!(run_program(&cx, &sh("echo 'CUDA out of memory, trying in pieces'")).is_ok());
    let e = fail(&sh("kill -SEGV $$"));
    assert!(e.kind == FailureKind::Program && e.message.contains("SIGSEGV"), "{e}");
    let e = fail(&ProgramSpec::new("no-such-program-here", [""; 0]));
    assert!(e.kind == FailureKind::Program && !e.hints.is_empty(), "{e:?}");
    cx.cancel.raise();
    assert!(run_program(&cx, &sh("exit 0")).is_ok(), "at level 1 running units may finish");
    cx.cancel.raise();
    assert_eq!(fail(&sh("sleep 100")).kind, FailureKind::Interrupted);
}

fn a_time_out_kills_the_whole_group() {
    let d = tempfile::tempdir().unwrap();
    let cx = UnitContext { time_limit: Some(Duration::from_millis(300)), ..context(d.path()) };
    let started = Instant::now();
    let e = run_program(&cx, &sh("sleep 1000 & echo $! > grandchild; sleep 1000")).unwrap_err();
    assert!(e.kind == FailureKind::Resources && !e.is_memory() && e.message.contains("time limit"), "{e}");
    assert!(started.elapsed() < Duration::from_secs(30));
    let pid = std::fs::read_to_string(d.path().join("grandchild")).unwrap().trim().parse().unwrap();
    eventually("the grandchild dies", || !alive(pid));
    // One that does not listen to TERM.
    let e = run_program(&cx, &sh("trap '' TERM; while true; do sleep 0.1; done")).unwrap_err();
    assert!(e.message.contains("time limit"));
}

fn arguments_are_never_seen_by_a_shell() {
    let d = tempfile::tempdir().unwrap();
    let cx = context(d.path());
    let r = run_program(&cx, &ProgramSpec::new("printf", ["%s\n", "$(touch x); `touch y`", "a b"])).unwrap();
    assert_eq!(r.tail, "$(touch x); `touch y`\na b");
    assert!(!d.path().join("x").exists() && !d.path().join("y").exists());
}

fn what_is_left_in_the_group_dies_with_it() {
    let d = tempfile::tempdir().unwrap();
    let cx = context(d.path());
    run_program(&cx, &sh("sleep 1000 & echo $! > left; exit 0")).unwrap();
    let pid = std::fs::read_to_string(d.path().join("left")).unwrap().trim().parse().unwrap();
    eventually("what was left dies", || !alive(pid));
}
