//! Order, overlap, admission, interrupts.

use super::Test;
use super::support::*;
use rtpipeline_engine::*;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

pub(crate) const TESTS: &[Test] = &[
    ("schedule::needs_are_kept_and_scopes_overlap", needs_are_kept_and_scopes_overlap),
    ("schedule::staged_runs_have_barriers", staged_runs_have_barriers),
    ("schedule::limits_are_never_exceeded", limits_are_never_exceeded),
    ("schedule::gpus_are_pinned_one_each", gpus_are_pinned_one_each),
    ("schedule::random_order_follows_the_seed", random_order_follows_the_seed),
    ("schedule::an_interrupt_lets_running_units_finish", an_interrupt_lets_running_units_finish),
    ("schedule::after_the_grace_time_running_units_are_ended", after_the_grace_time_running_units_are_ended),
    ("schedule::a_second_interrupt_ends_at_once", a_second_interrupt_ends_at_once),
    ("schedule::no_subjects_no_work", no_subjects_no_work),
];

fn position(log: &[String], line: &str) -> usize {
    log.iter().position(|l| l == line).unwrap_or_else(|| panic!("{line} did not happen"))
}

fn needs_are_kept_and_scopes_overlap() {
    let w = World::new(4);
    let [a, b, c] = three();
    // The first stage is slow for the last item: the others get through without it.
    let a = a.fault("i03", "sleep:1500");
    let r = w.run(&chain([a, b, c]), 4);
    assert!(r.failures.is_empty());
    let log = w.log();
    for i in ["i00", "i01", "i02", "i03"] {
        for p in ["p0", "p1"] {
            assert!(position(&log, &format!("end a/{i}/s")) < position(&log, &format!("start b/{i}/s/{p}")));
            assert!(position(&log, &format!("end b/{i}/s/{p}")) < position(&log, &format!("start c/{i}/s")));
        }
    }
    assert!(position(&log, "end c/i00/s") < position(&log, "end a/i03/s"), "stages of different scopes overlap");
}

fn staged_runs_have_barriers() {
    let w = World::new(3);
    let [a, b, c] = three();
    let r = w.run_with(&chain([a.fault("i02", "sleep:300"), b.fault("i01", "data"), c]), 3, |o| {
        o.scheduler = Scheduler::Staged
    });
    assert_eq!(r.failures.len(), 3);
    let log = w.log();
    let last = |s: &str| log.iter().rposition(|l| l.starts_with(&format!("end {s}/"))).unwrap();
    let first = |s: &str| log.iter().position(|l| l.starts_with(&format!("start {s}/"))).unwrap();
    assert!(last("a") < first("b") && last("b") < first("c"));
}

/// Largest number of units of each stage, and of all, that were at work at the same time.
fn crowds(log: &[String]) -> BTreeMap<String, usize> {
    let mut now: BTreeMap<String, usize> = BTreeMap::new();
    let mut most: BTreeMap<String, usize> = BTreeMap::new();
    for l in log {
        let (what, id) = l.split_once(' ').unwrap();
        let stage = id.split('/').next().unwrap().to_owned();
        for key in [stage, "all".into()] {
            let n = now.entry(key.clone()).or_default();
            if what == "start" {
                *n += 1
            } else {
                *n -= 1
            }
            let m = most.entry(key).or_default();
            *m = (*m).max(*n);
        }
    }
    most
}

fn limits_are_never_exceeded() {
    let w = World::new(12);
    let slow = |name, workers, threads| {
        Step::new(name).with(|s| {
            s.policy.workers = workers;
            s.policy.threads = threads;
            s.fault = "sleep:15".into();
        })
    };
    let p = pipeline(vec![(slow("one", 1, 1), vec![]), (slow("two", 2, 1), vec![]), (slow("wide", 8, 2), vec![])]);
    let r = w.run_with(&p, 12, |o| o.cpus = 5);
    assert!(r.failures.is_empty());
    let most = crowds(&w.log());
    assert_eq!(most["one"], 1);
    assert!(most["two"] <= 2);
    assert!(most["wide"] <= 2, "two threads each on five CPUs: {most:?}");
    assert!(most["all"] <= 5);
    assert!(r.limited_by.contains_key("workers"), "{:?}", r.limited_by);
}

fn gpus_are_pinned_one_each() {
    let w = World::new(6);
    let step = Step::new("g").with(|s| {
        s.resources.gpus = 1;
        s.policy.workers = 4;
        s.fault = format!("program:echo $CUDA_VISIBLE_DEVICES >> {}; sleep 0.1", w.dir.join("side/gpus").display());
    });
    let r = w.run_with(&pipeline(vec![(step, vec![])]), 6, |o| o.gpus = vec!["0".into(), "3".into()]);
    assert!(r.failures.is_empty(), "{:?}", r.failures);
    let seen = std::fs::read_to_string(w.dir.join("side/gpus")).unwrap();
    let mut seen: Vec<&str> = seen.lines().collect();
    seen.sort_unstable();
    assert_eq!(seen.len(), 6);
    assert!(seen.iter().all(|g| ["0", "3"].contains(g)), "{seen:?}");
    assert_eq!((seen[0], seen[5]), ("0", "3"));
    assert!(crowds(&w.log())["g"] <= 2);
    assert!(r.limited_by.contains_key("gpu"));
}

fn random_order_follows_the_seed() {
    let order = |seed| {
        let w = World::new(10);
        let p = pipeline(vec![(Step::new("a").with(|s| s.policy.workers = 1), vec![])]);
        w.run_with(&p, 10, |o| (o.cpus, o.order) = (1, Order::Random(seed)));
        w.log().into_iter().filter(|l| l.starts_with("start")).collect::<Vec<_>>()
    };
    // Planning and work alternate, so the first places may depend on timing; the bulk follows the seed.
    let same = |a: &[String], b: &[String]| a.iter().zip(b).filter(|(x, y)| x == y).count();
    let (a, b, c) = (order(1), order(1), order(2));
    assert!(same(&a, &b) >= 8, "{a:?} {b:?}");
    assert!(same(&a, &c) < 8);
}

fn interrupt_when(
    w: &World,
    p: &Pipeline<Item>,
    n: usize,
    raises: usize,
    ready: impl Fn() -> bool + Send,
) -> (RunReport, Duration) {
    let cancel = Cancel::new();
    std::thread::scope(|s| {
        let c = cancel.clone();
        let at = s.spawn(move || {
            eventually("the moment of the interrupt", ready);
            for _ in 0..raises {
                c.raise();
            }
            Instant::now()
        });
        let r = run(p, &items(n), &w.options(), &cancel, &NoObserver).unwrap();
        (r, at.join().unwrap().elapsed())
    })
}

fn an_interrupt_lets_running_units_finish() {
    let w = World::new(30);
    let p = || chain(three().map(|s| s.with(|s| s.fault = "sleep:20".into())));
    let (r, _) = interrupt_when(&w, &p(), 30, 1, || w.log().len() > 12);
    assert!(r.interrupted && r.failures.is_empty(), "{:?}", r.failures);
    let log = w.log();
    assert_eq!(
        log.iter().filter(|l| l.starts_with("start")).count(),
        log.iter().filter(|l| l.starts_with("end")).count()
    );
    assert!(w.failures().is_empty());
    w.check_tidy();
    let r = w.run(&p(), 30);
    assert!(!r.interrupted && r.failures.is_empty());
    let whole = World::new(30);
    whole.run(&p(), 30);
    assert_eq!(w.snapshot(), whole.snapshot());
}

fn after_the_grace_time_running_units_are_ended() {
    for fault in ["grandchild", "waiting-program"] {
        let w = World::new(1);
        let step = Step::new("a").fault("i00", fault);
        let step = if fault == "grandchild" { step.isolated() } else { step };
        let file = w.dir.join("side/grandchild");
        let (r, took) = interrupt_when(&w, &pipeline(vec![(step, vec![])]), 1, 1, || file.exists());
        assert!(r.interrupted && r.failures.is_empty(), "{fault}: {:?}", r.failures);
        assert!(took < Duration::from_secs(15), "{fault}: {took:?}");
        let pid: u32 = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
        eventually("the grandchild dies", || !alive(pid));
        w.check_tidy();
        assert!(w.failures().is_empty());
    }
}

fn a_second_interrupt_ends_at_once() {
    let w = World::new(2);
    let p = pipeline(vec![(Step::new("a").isolated().fault("i00", "hang").fault("i01", "once:sleep:1"), vec![])]);
    let (r, took) = interrupt_when(&w, &p, 2, 2, || w.executions("a/i00/s") == 1);
    assert!(r.interrupted && r.failures.is_empty());
    assert!(took < Duration::from_secs(15), "{took:?}");
    // A unit on a thread sees the flag.
    let w = World::new(1);
    let (r, _) = interrupt_when(&w, &pipeline(vec![(Step::new("a").fault("i00", "hang:1"), vec![])]), 1, 2, || {
        w.executions("a/i00/s") == 1
    });
    assert!(r.interrupted && r.failures.is_empty() && w.failures().is_empty());
}

fn no_subjects_no_work() {
    let w = World::new(0);
    let r = w.run(&chain(three()), 0);
    assert!(r.all_fresh() && !r.interrupted && r.stages.len() == 3);
}
