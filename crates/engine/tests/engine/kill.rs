//! SIGKILL of the whole parent.

use super::Test;
use super::support::*;
use rtpipeline_engine::*;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

pub(crate) const TESTS: &[Test] = &[
    ("kill::killed_at_random_moments_the_rerun_gives_the_same", killed_at_random_moments_the_rerun_gives_the_same),
    ("kill::children_and_grandchildren_die_with_the_parent", children_and_grandchildren_die_with_the_parent),
    (
        "kill::a_unit_that_takes_the_process_down_is_found_and_isolated",
        a_unit_that_takes_the_process_down_is_found_and_isolated,
    ),
    ("kill::temporary_folders_that_sockets_cannot_use", temporary_folders_that_sockets_cannot_use),
];

const ITEMS: usize = 8;

fn named(which: &str) -> Pipeline<Item> {
    match which {
        "chain" => chain(three().map(|s| s.with(|s| s.fault = "sleep:10".into()).fault("i05", "data"))),
        "hanging" => pipeline(vec![
            (Step::new("t").fault("i00", "waiting-program"), vec![]),
            (Step::new("p").isolated().fault("i00", "grandchild").with(|s| s.name = "p"), vec![]),
        ]),
        "deadly" => pipeline(vec![(Step::new("a").fault("i03", "segv").with(|s| s.policy.workers = 1), vec![])]),
        other => panic!("no pipeline is called {other}"),
    }
}

/// `--pipeline NAME DIR N`: a run in a process of its own.
pub(crate) fn child_pipeline(args: &[String]) -> ExitCode {
    let w = World::at(Path::new(&args[1]));
    let n = args[2].parse().unwrap();
    match run(&named(&args[0]), &items(n), &w.options(), &Cancel::new(), &NoObserver) {
        Ok(_) => ExitCode::SUCCESS,
        Err(e) => {
            println!("{e}");
            ExitCode::FAILURE
        }
    }
}

fn parent(which: &str, w: &World, n: usize) -> Command {
    let mut c = Command::new(std::env::current_exe().unwrap());
    c.args(["--pipeline", which]).arg(&w.dir).arg(n.to_string()).stdout(Stdio::null()).stderr(Stdio::null());
    c
}

fn killed_at_random_moments_the_rerun_gives_the_same() {
    let whole = World::new(ITEMS);
    whole.run(&named("chain"), ITEMS);
    let expected = whole.snapshot();
    assert_eq!(expected.len(), 7 * 8 + 3);
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos();
    for round in 0..10_u32 {
        let w = World::new(ITEMS);
        for again in 0..3_u32 {
            let h = blake3::hash(format!("{seed}/{round}/{again}").as_bytes());
            let wait = u64::from(u16::from_le_bytes([h.as_bytes()[0], h.as_bytes()[1]])) % 400;
            let mut child = parent("chain", &w, ITEMS).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(wait));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let r = w.run(&named("chain"), ITEMS);
        assert!(!r.interrupted && r.failures.len() == 3);
        assert_eq!(w.snapshot(), expected, "seed {seed}, round {round}");
    }
}

fn children_and_grandchildren_die_with_the_parent() {
    for which in [0, 1] {
        let w = World::new(1);
        let mut child = parent("hanging", &w, 1).spawn().unwrap();
        let file = w.dir.join("side/grandchild");
        eventually("the grandchild starts", || {
            std::fs::read_to_string(&file).is_ok_and(|s| s.trim().parse::<u32>().is_ok())
        });
        // Two grandchildren write to one file: wait for both units, then take the groups from /proc.
        eventually("both units are at work", || w.log().iter().filter(|l| l.starts_with("start")).count() == 2);
        std::thread::sleep(Duration::from_millis(300));
        let below = descendants(child.id());
        assert!(below.len() >= 4, "two units, a shell and sleeps: {below:?}");
        if which == 0 {
            child.kill().unwrap();
        } else {
            rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::ABORT)
                .unwrap();
        }
        child.wait().unwrap();
        eventually("everything below is dead", || below.iter().all(|&p| !alive(p)));
    }
}

/// All processes below one.
fn descendants(of: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for e in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = e.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else { continue };
        let stat = std::fs::read_to_string(e.path().join("stat")).unwrap_or_default();
        if let Some(ppid) = stat.rsplit(')').next().and_then(|s| s.split_whitespace().nth(1)?.parse::<u32>().ok()) {
            parents.push((pid, ppid));
        }
    }
    let mut found = vec![of];
    let mut i = 0;
    while i < found.len() {
        let above = found[i];
        found.extend(parents.iter().filter(|p| p.1 == above).map(|p| p.0));
        i += 1;
    }
    found.split_off(1)
}

fn a_unit_that_takes_the_process_down_is_found_and_isolated() {
    let w = World::new(5);
    let status = parent("deadly", &w, 5).status().unwrap();
    assert!(!status.success());
    // The next run does that unit in a child: it costs itself only.
    let status = parent("deadly", &w, 5).status().unwrap();
    assert!(status.success());
    let f = w.failure("a/i03/s");
    assert_eq!(f.error.kind, FailureKind::Crash);
    assert!(f.error.message.contains("SIGSEGV"), "{}", f.error.message);
    assert_eq!(w.records().len(), 4);
    w.check_tidy();
}

fn temporary_folders_that_sockets_cannot_use() {
    let long = World::new(0).dir.join("x".repeat(120));
    let t = tempfile::tempdir().unwrap();
    let deep = t.path().join("y".repeat(120));
    std::fs::create_dir(&deep).unwrap();
    for tmp in [&long, &deep] {
        let w = World::new(2);
        let status = parent("chain", &w, 2).env("TMPDIR", tmp).status().unwrap();
        assert!(status.success() && w.failures().is_empty() && w.records().len() == 8, "{}", tmp.display());
    }
}
