//! Random pipelines with random faults: the invariants hold in all of them.

use super::Test;
use super::support::*;
use rtpipeline_engine::*;
use std::collections::BTreeMap;

pub(crate) const TESTS: &[Test] = &[("random::invariants_of_random_pipelines", invariants_of_random_pipelines)];

const NAMES: [&str; 5] = ["s0", "s1", "s2", "s3", "s4"];

/// A stream of numbers from a seed.
struct Numbers(u64, u64);

impl Numbers {
    fn below(&mut self, n: usize) -> usize {
        self.1 += 1;
        let h = blake3::hash(format!("{}/{}", self.0, self.1).as_bytes());
        u32::from_le_bytes([h.as_bytes()[0], h.as_bytes()[1], h.as_bytes()[2], h.as_bytes()[3]]) as usize % n
    }
}

struct Plan {
    needs: Vec<Vec<Need>>,
    parts: Vec<usize>,
    faults: Vec<BTreeMap<String, String>>,
    workers: Vec<usize>,
    isolated: Vec<bool>,
    items: usize,
    cpus: usize,
}

fn draw(seed: u64) -> Plan {
    let mut n = Numbers(seed, 0);
    let stages = 2 + n.below(4);
    let items = 1 + n.below(5);
    let mut p = Plan {
        needs: vec![],
        parts: vec![],
        faults: vec![],
        workers: vec![],
        isolated: vec![],
        items,
        cpus: 1 + n.below(4),
    };
    for s in 0..stages {
        let mut needs = Vec::new();
        for name in &NAMES[..s] {
            match n.below(4) {
                0 => needs.push(Need::Done(name)),
                1 => needs.push(Need::After(name)),
                _ => {}
            }
        }
        p.needs.push(needs);
        p.parts.push(n.below(3));
        p.workers.push(1 + n.below(4));
        p.isolated.push(n.below(4) == 0);
        let mut faults = BTreeMap::new();
        for i in 0..items {
            let fault = ["data", "panic", "once:cuda", "program:exit 1", "plan"].get(n.below(12));
            if let Some(f) = fault {
                faults.insert(format!("i{i:02}"), (*f).to_owned());
            }
        }
        p.faults.push(faults);
    }
    p
}

fn build(p: &Plan) -> Pipeline<Item> {
    let stages = (0..p.needs.len())
        .map(|s| {
            let step = Step::new(NAMES[s]).with(|x| {
                x.parts = p.parts[s];
                x.policy.workers = p.workers[s];
                x.faults = p.faults[s].clone();
            });
            (if p.isolated[s] { step.isolated() } else { step }, p.needs[s].clone())
        })
        .collect();
    pipeline(stages)
}

fn invariants_of_random_pipelines() {
    for seed in 0..40 {
        let p = draw(seed);
        let w = World::new(p.items);
        let r = w.run_with(&build(&p), p.items, |o| o.cpus = p.cpus);
        let label = format!("seed {seed}");
        assert!(!r.interrupted, "{label}");
        check(&p, &w, &r, &label);
        // Another order and number of CPUs: the same result; a second run does nothing that cannot help.
        let other = World::new(p.items);
        other.run_with(&build(&p), p.items, |o| (o.cpus, o.order) = (4, Order::Random(seed)));
        assert_eq!(other.snapshot(), w.snapshot(), "{label}");
        let again = w.run_with(&build(&p), p.items, |o| o.cpus = p.cpus);
        assert_eq!(again.stages.iter().map(|s| s.done).sum::<usize>(), 0, "{label}");
        assert_eq!(again.current, r.current, "{label}");
    }
}

fn check(p: &Plan, w: &World, r: &RunReport, label: &str) {
    let records: Vec<String> = w.records().iter().map(|r| r.id.to_string()).collect();
    let failures: BTreeMap<String, FailureKind> =
        w.failures().into_iter().map(|f| (f.id.to_string(), f.error.kind)).collect();
    assert_eq!(r.current.iter().map(ToString::to_string).collect::<Vec<_>>().len(), records.len(), "{label}");
    let mut open: BTreeMap<String, bool> = BTreeMap::new();
    for s in 0..p.needs.len() {
        for i in 0..p.items {
            let item = format!("i{i:02}");
            let whole = format!("{}/{item}/s", NAMES[s]);
            let blocked = p.needs[s].iter().any(|n| matches!(n, Need::Done(d) if open[&format!("{d}/{item}")]));
            let fault = p.faults[s].get(&item).map(String::as_str);
            let units: Vec<String> = if p.parts[s] == 0 {
                vec![whole.clone()]
            } else {
                (0..p.parts[s]).map(|k| format!("{whole}/p{k}")).collect()
            };
            let fails = matches!(fault, Some("data" | "panic" | "program:exit 1" | "plan"));
            open.insert(format!("{}/{item}", NAMES[s]), blocked || fails);
            if blocked {
                assert_eq!(failures.get(&whole), Some(&FailureKind::Skipped), "{label}: {whole}");
                assert!(units.iter().all(|u| !records.contains(u) && w.executions(u) == 0), "{label}: {whole}");
            } else if fault == Some("plan") {
                assert_eq!(failures.get(&whole), Some(&FailureKind::Data), "{label}: {whole}");
            } else {
                for u in &units {
                    let executed = w.executions(u);
                    assert_eq!(records.contains(u), !fails, "{label}: {u}");
                    assert_eq!(failures.contains_key(u), fails, "{label}: {u}");
                    assert_eq!(executed, if fault == Some("once:cuda") { 2 } else { 1 }, "{label}: {u}");
                }
            }
        }
    }
}
