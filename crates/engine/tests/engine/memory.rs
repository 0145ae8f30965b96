//! Adaptive halving and admission by memory.

use super::Test;
use super::support::*;
use rtpipeline_engine::*;

pub(crate) const TESTS: &[Test] = &[
    ("memory::workers_are_halved_until_it_fits", workers_are_halved_until_it_fits),
    ("memory::the_last_try_is_alone_and_then_it_is_a_failure", the_last_try_is_alone_and_then_it_is_a_failure),
    ("memory::true_estimates_need_no_halving", true_estimates_need_no_halving),
    ("memory::out_of_memory_once_is_not_an_attempt", out_of_memory_once_is_not_an_attempt),
    ("memory::a_large_unit_is_not_starved", a_large_unit_is_not_starved),
];

fn workers_are_halved_until_it_fits() {
    let w = World::new(12);
    let r = w.run_with(
        &pipeline(vec![(Step::new("a").with(|s| (s.policy.workers, s.fault) = (8, "crowd:1".into())), vec![])]),
        12,
        |o| o.cpus = 8,
    );
    assert!(r.failures.is_empty(), "{:?}", r.failures);
    assert_eq!(r.stages[0].done, 12);
    assert_eq!(r.stages[0].fewest_workers, 1);
    let first = r.decisions.iter().find(|d| d.to < d.from).expect("the company must have been seen");
    assert_eq!((first.from, first.stage.as_str()), (8, "a"));
    assert!(first.reason.contains("out of memory"));
    // Halving goes on from what was left, never below one.
    assert!(
        r.decisions.iter().filter(|d| d.to < d.from).all(|d| d.to >= 1 && (d.to <= d.from / 2 || d.to == d.from - 1))
    );
}

fn the_last_try_is_alone_and_then_it_is_a_failure() {
    let w = World::new(4);
    let r =
        w.run(&pipeline(vec![(Step::new("a").fault("i01", "cuda").with(|s| s.fault = "sleep:30".into()), vec![])]), 4);
    assert_eq!((r.stages[0].done, r.failures.len()), (3, 1));
    assert_eq!(r.failures[0].error.kind, FailureKind::Resources);
    assert!(r.failures[0].error.is_memory());
    assert!(w.executions("a/i01/s") >= 2);
    assert!(r.decisions.iter().any(|d| d.reason.contains("alone on the machine")), "{:?}", r.decisions);
    // Nothing else was at work during its last try.
    let log = w.log();
    let last = log.iter().rposition(|l| l == "start a/i01/s").unwrap();
    let open = log[..last].iter().filter(|l| l.starts_with("start")).count()
        - log[..last].iter().filter(|l| l.starts_with("end")).count();
    assert_eq!(open, 0);
    assert_eq!(log[last + 1], "end a/i01/s");
}

fn true_estimates_need_no_halving() {
    let w = World::new(8);
    let step = Step::new("a").with(|s| {
        s.resources.memory = 600;
        (s.policy.workers, s.fault) = (8, "crowd:1".into());
    });
    let r = w.run_with(&pipeline(vec![(step, vec![])]), 8, |o| (o.cpus, o.memory) = (8, 1000));
    assert!(r.failures.is_empty() && r.decisions.is_empty(), "{:?}", r.decisions);
    assert!(r.limited_by.contains_key("memory"), "{:?}", r.limited_by);
}

fn out_of_memory_once_is_not_an_attempt() {
    let w = World::new(3);
    let r =
        w.run(&pipeline(vec![(Step::new("a").fault("i01", "once:cuda").with(|s| s.policy.attempts = 1), vec![])]), 3);
    assert!(r.failures.is_empty());
    assert_eq!(r.stages[0].done, 3);
    assert_eq!(w.executions("a/i01/s"), 2);
    assert!(w.failures().is_empty());
}

fn a_large_unit_is_not_starved() {
    // One that needs nearly all of the memory, planned first, among many small ones that always fit beside each other.
    let w = World::new(150);
    let small = Step::new("a").with(|s| {
        s.resources.memory = 100;
        s.fault = "sleep:1".into();
    });
    let large = Step::new("big").with(|s| s.resources.memory = 950);
    let r = w.run_with(&pipeline(vec![(small, vec![]), (large, vec![])]), 150, |o| o.memory = 1000);
    assert_eq!((r.stages[0].done, r.stages[1].done), (150, 150));
    let log = w.log();
    let first_large = log.iter().position(|l| l.starts_with("start big/")).unwrap();
    let last_small = log.iter().rposition(|l| l.starts_with("start a/")).unwrap();
    assert!(first_large < last_small, "room was made for the large ones before the small ones were over");
}
