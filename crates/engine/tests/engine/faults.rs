//! Every fault costs its unit and those that need it, and is named correctly.

use super::Test;
use super::support::*;
use rtpipeline_engine::*;
use std::time::{Duration, Instant};

pub(crate) const TESTS: &[Test] = &[
    ("faults::each_is_named_and_costs_its_unit", each_is_named_and_costs_its_unit),
    ("faults::the_skip_chain_names_the_first_cause", the_skip_chain_names_the_first_cause),
    ("faults::after_does_not_care_how_it_ended", after_does_not_care_how_it_ended),
    ("faults::crashes_are_tried_again_and_data_is_not", crashes_are_tried_again_and_data_is_not),
    ("faults::data_failures_are_carried_over", data_failures_are_carried_over),
    ("faults::a_missing_input_is_a_data_failure_that_names_it", a_missing_input_is_a_data_failure_that_names_it),
    ("faults::a_repaired_unit_leaves_no_failure", a_repaired_unit_leaves_no_failure),
    ("faults::a_failed_unit_has_no_record", a_failed_unit_has_no_record),
    ("faults::failed_parts_are_counted", failed_parts_are_counted),
    ("faults::a_hanging_child_is_killed_with_its_grandchildren", a_hanging_child_is_killed_with_its_grandchildren),
    ("faults::a_child_that_dies_before_it_connects", a_child_that_dies_before_it_connects),
    ("faults::a_stage_that_cannot_be_planned", a_stage_that_cannot_be_planned),
];

fn one(step: Step) -> Pipeline<Item> {
    pipeline(vec![(step, vec![])])
}

fn each_is_named_and_costs_its_unit() {
    // fault, isolated, kind, part of the message
    let cases = [
        ("panic", false, FailureKind::Bug, "no such letter: i02"),
        ("panic", true, FailureKind::Crash, "no such letter: i02"),
        ("abort", true, FailureKind::Crash, "SIGABRT"),
        ("segv", true, FailureKind::Crash, "SIGSEGV"),
        ("kill", true, FailureKind::Crash, "SIGKILL"),
        ("exit", true, FailureKind::Crash, "exit code 3"),
        ("half", true, FailureKind::Crash, "SIGKILL"),
        ("leak", true, FailureKind::Resources, "out of memory"),
        ("hang", true, FailureKind::Resources, "time limit"),
        ("full", false, FailureKind::Resources, "no storage space"),
        ("data", false, FailureKind::Data, "the text is empty"),
        ("data", true, FailureKind::Data, "the text is empty"),
        ("config", true, FailureKind::Config, "the setting is wrong"),
        ("cuda", false, FailureKind::Resources, "CUDA out of memory"),
        ("cuda", true, FailureKind::Resources, "CUDA out of memory"),
        ("program:echo Zoom in the bathroom; exit 4", false, FailureKind::Program, "exit code 4: Zoom in the bathroom"),
        ("once:panic", true, FailureKind::Crash, "no such letter"),
    ];
    for (fault, isolated, kind, text) in cases {
        let w = World::new(5);
        let mut step = Step::new("a").fault("i02", fault).with(|s| {
            s.policy.memory_limit = isolated.then_some(2 << 30);
            s.policy.time_limit = Some(Duration::from_secs(if fault == "hang" { 1 } else { 60 }));
        });
        if isolated {
            step = step.isolated();
        }
        let after = Step::new("z").reads("a", 0);
        let r = w.run(&pipeline(vec![(step, vec![]), (after, vec![Need::Done("a")])]), 5);
        let label = format!("{fault}, isolated: {isolated}");
        assert_eq!(r.stage("a").unwrap().done, 4, "{label}: {:?}", r.failures);
        assert_eq!(r.stage("z").unwrap().done, 4, "{label}");
        assert_eq!(r.failures.len(), 2, "{label}");
        let f = w.failure("a/i02/s");
        assert_eq!(f.error.kind, kind, "{label}: {}", f.error.message);
        assert!(f.error.message.to_lowercase().contains(&text.to_lowercase()), "{label}: {}", f.error.message);
        let skipped = w.failure("z/i02/s");
        assert_eq!(skipped.error.kind, FailureKind::Skipped);
        assert_eq!(skipped.cause.unwrap().to_string(), "a/i02/s");
        assert!(!w.dir.join("out/i02/a.txt").exists(), "{label}");
        assert_eq!(w.records().len(), 8);
        assert!(!tree(&w.dir).iter().any(|p| p.ends_with("unit.json") || p.ends_with("result.json")), "{label}");
    }
}

fn the_skip_chain_names_the_first_cause() {
    let w = World::new(2);
    let r = w.run(&chain(three().map(|s| if s.name == "a" { s.fault("i01", "data") } else { s })), 2);
    let ids: Vec<_> = r
        .failures
        .iter()
        .map(|f| (f.id.to_string(), f.error.kind, f.cause.as_ref().map(ToString::to_string)))
        .collect();
    let cause = Some("a/i01/s".to_owned());
    assert_eq!(
        ids,
        [
            ("a/i01/s".into(), FailureKind::Data, None),
            ("b/i01/s".into(), FailureKind::Skipped, cause.clone()),
            ("c/i01/s".into(), FailureKind::Skipped, cause),
        ]
    );
    assert_eq!(r.failures, w.failures());
    assert_eq!(r.stage("b").unwrap().skipped, 1);
    // One part of several is enough to skip those that need all.
    let w = World::new(1);
    let r = w.run(&chain(three().map(|s| if s.name == "b" { s.fault("i00/p1", "data") } else { s })), 1);
    assert_eq!(r.stage("b").unwrap().done, 1);
    assert_eq!(w.failure("c/i00/s").cause.unwrap().to_string(), "b/i00/s/p1");
}

fn after_does_not_care_how_it_ended() {
    let w = World::new(2);
    let p = pipeline(vec![(Step::new("a").fault("i01", "data"), vec![]), (Step::new("z"), vec![Need::After("a")])]);
    let r = w.run(&p, 2);
    assert_eq!((r.stage("z").unwrap().done, r.failures.len()), (2, 1));
    let log = w.log();
    let at = |l: &str| log.iter().position(|x| x == l).unwrap();
    for i in ["i00", "i01"] {
        assert!(at(&format!("end a/{i}/s")) < at(&format!("start z/{i}/s")));
    }
}

fn crashes_are_tried_again_and_data_is_not() {
    let tries = |fault: &str, attempts: u32| {
        let w = World::new(1);
        let r = w.run(
            &one(Step::new("a").isolated().fault("i00", fault).with(|s| {
                s.policy.attempts = attempts;
                s.policy.time_limit = Some(Duration::from_millis(600));
            })),
            1,
        );
        (
            w.executions("a/i00/s"),
            r.failures.len(),
            r.stages[0].attempts,
            w.failures().first().map_or(0, |f| f.attempts),
        )
    };
    assert_eq!(tries("kill", 3), (3, 1, 3, 3));
    assert_eq!(tries("once:kill", 3), (2, 0, 2, 0));
    assert_eq!(tries("once:hang", 2), (2, 0, 2, 0));
    assert_eq!(tries("program:exit 1", 2), (2, 1, 2, 2));
    assert_eq!(tries("data", 3), (1, 1, 1, 1));
    assert_eq!(tries("config", 3), (1, 1, 1, 1));
}

fn data_failures_are_carried_over() {
    let w = World::new(2);
    let p = || one(Step::new("a").fault("i01", "data"));
    let first = w.run(&p(), 2);
    let second = w.run(&p(), 2);
    assert_eq!(w.executions("a/i01/s"), 1, "not tried again");
    assert_eq!(first.failures, second.failures);
    assert_eq!((second.stages[0].failed, second.stages[0].fresh, second.stages[0].attempts), (1, 1, 0));
    // With another input, or when asked to, it is tried again.
    std::fs::write(w.dir.join("in/i01.txt"), "new").unwrap();
    w.run(&p(), 2);
    assert_eq!(w.executions("a/i01/s"), 2);
    w.run_with(&p(), 2, |o| o.force = Force::All);
    assert_eq!((w.executions("a/i01/s"), w.executions("a/i00/s")), (3, 2));
    // Failures of other kinds are tried again.
    let w = World::new(1);
    let p = || one(Step::new("a").fault("i00", "program:exit 1"));
    w.run(&p(), 1);
    w.run(&p(), 1);
    assert_eq!((w.executions("a/i00/s"), w.failures().len()), (2, 1));
}

fn a_missing_input_is_a_data_failure_that_names_it() {
    let w = World::new(2);
    std::fs::remove_file(w.dir.join("in/i00.txt")).unwrap();
    let r = w.run(&one(Step::new("a")), 2);
    assert_eq!((r.stages[0].done, r.stages[0].failed, w.executions("a/i00/s")), (1, 1, 0));
    let f = w.failure("a/i00/s");
    assert_eq!((f.error.kind, f.attempts), (FailureKind::Data, 0));
    assert!(f.error.message.contains("in:i00.txt does not exist"), "{}", f.error.message);
    std::fs::write(w.dir.join("in/i00.txt"), "there").unwrap();
    let r = w.run(&one(Step::new("a")), 2);
    assert_eq!((r.stages[0].done, r.failures.len(), w.failures().len()), (1, 0, 0));
}

fn a_repaired_unit_leaves_no_failure() {
    let w = World::new(1);
    let p = || chain(three().map(|s| if s.name == "a" { s.fault("i00", "once:program:exit 1") } else { s }));
    assert_eq!(w.run(&p(), 1).failures.len(), 3);
    assert_eq!(w.run(&p(), 1).failures.len(), 0);
    assert!(w.failures().is_empty());
    assert!(!w.run_dir().join("attempts/a").exists());
}

fn a_failed_unit_has_no_record() {
    let w = World::new(1);
    w.run(&chain(three()), 1);
    assert_eq!(w.records().len(), 4);
    // Its input changes and it fails: the record of before is no longer current, nor are those of the skipped ones.
    std::fs::write(w.dir.join("in/i00.txt"), "new").unwrap();
    let broken = || chain(three().map(|s| if s.name == "a" { s.fault("i00", "program:exit 1") } else { s }));
    let r = w.run(&broken(), 1);
    assert_eq!((r.failures.len(), r.current.len(), w.records().len()), (3, 0, 0));
    // Back to the old input: what was superseded is taken up again without work.
    std::fs::write(w.dir.join("in/i00.txt"), "text of i00").unwrap();
    let r = w.run(&chain(three()), 1);
    assert!(r.all_fresh() && w.failures().is_empty());
    assert_eq!(w.records().len(), 4);
}

fn failed_parts_are_counted() {
    let w = World::new(2);
    let p = || one(Step::new("a").fault("i01", "part"));
    let r = w.run(&p(), 2);
    assert_eq!((r.stages[0].done, r.stages[0].part_failures, r.failures.len()), (2, 1, 0));
    assert!(r.has_failures());
    let r = w.run(&p(), 2);
    assert!(r.all_fresh() && r.has_failures());
    assert_eq!(w.records()[1].failures[0].part, "corner");
}

fn a_hanging_child_is_killed_with_its_grandchildren() {
    let w = World::new(1);
    let r = w.run(
        &one(Step::new("a")
            .isolated()
            .fault("i00", "grandchild")
            .with(|s| s.policy.time_limit = Some(Duration::from_millis(800)))),
        1,
    );
    assert_eq!(r.failures[0].error.kind, FailureKind::Resources);
    let pid: u32 = std::fs::read_to_string(w.dir.join("side/grandchild")).unwrap().parse().unwrap();
    eventually("the grandchild dies", || !alive(pid));
}

fn a_child_that_dies_before_it_connects() {
    let w = World::new(2);
    let started = Instant::now();
    let r = w.run(
        &one(Step::new("a").isolated().with(|s| {
            s.policy.env.insert("ENGINE_TEST_DIE_EARLY".into(), "1".into());
            s.policy.attempts = 2;
        })),
        2,
    );
    assert_eq!(r.failures.len(), 2);
    assert_eq!(r.failures[0].error.kind, FailureKind::Crash);
    assert!(
        r.failures[0].error.message.contains("before it connected (exit code 9)"),
        "{}",
        r.failures[0].error.message
    );
    assert!(started.elapsed() < Duration::from_secs(25), "the parent must not wait for its start limit");
    // The next run is not harmed.
    assert!(w.run(&one(Step::new("a").isolated()), 2).failures.is_empty());
}

fn a_stage_that_cannot_be_planned() {
    let w = World::new(2);
    let r = w.run(&chain(three().map(|s| if s.name == "b" { s.fault("i01", "plan") } else { s })), 2);
    assert_eq!(r.failures.len(), 2);
    assert_eq!(w.failure("b/i01/s").error.message, "this item cannot be planned");
    assert_eq!(w.failure("c/i01/s").cause.unwrap().to_string(), "b/i01/s");
    assert_eq!(r.stage("c").unwrap().done, 1);
}
