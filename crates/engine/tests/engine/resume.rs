//! Records, freshness, explanations, determinism.

use super::Test;
use super::support::*;
use rtpipeline_engine::store::{self, Change, PublishError};
use rtpipeline_engine::*;
use std::sync::Mutex;

pub(crate) const TESTS: &[Test] = &[
    ("resume::a_second_run_does_nothing", a_second_run_does_nothing),
    ("resume::what_changes_is_done_again_and_nothing_else", what_changes_is_done_again_and_nothing_else),
    ("resume::explanations_name_old_and_new", explanations_name_old_and_new),
    ("resume::the_result_does_not_depend_on_workers_or_order", the_result_does_not_depend_on_workers_or_order),
    ("resume::force_and_only", force_and_only),
    ("resume::dropped_parts_are_moved_aside_and_come_back", dropped_parts_are_moved_aside_and_come_back),
    ("resume::a_dry_run_plans_and_writes_nothing", a_dry_run_plans_and_writes_nothing),
    ("resume::duplicates_must_agree", duplicates_must_agree),
    ("resume::two_units_must_not_write_one_file", two_units_must_not_write_one_file),
    ("resume::the_folder_is_locked", the_folder_is_locked),
    ("resume::a_damaged_record_is_done_again", a_damaged_record_is_done_again),
    ("resume::pipelines_without_sense_are_refused", pipelines_without_sense_are_refused),
    ("resume::events_tell_the_run", events_tell_the_run),
    ("resume::folders_as_outputs", folders_as_outputs),
];

fn a_second_run_does_nothing() {
    let w = World::new(3);
    let first = w.run(&chain(three()), 3);
    assert!(first.failures.is_empty() && !first.interrupted);
    let done: Vec<usize> = first.stages.iter().map(|s| s.done).collect();
    assert_eq!(done, [3, 6, 3]);
    assert_eq!(first.current.len(), 12);
    let before = w.snapshot();
    assert_eq!(before.len(), 24);
    let log = w.log().len();
    let second = w.run(&chain(three()), 3);
    assert!(second.all_fresh());
    assert_eq!(second.stages.iter().map(|s| s.fresh).sum::<usize>(), 12);
    assert_eq!(second.current, first.current);
    assert_eq!(w.log().len(), log);
    assert_eq!(w.snapshot(), before);
}

fn what_changes_is_done_again_and_nothing_else() {
    let w = World::new(3);
    let counts = |steps: [Step; 3]| -> Vec<usize> { w.run(&chain(steps), 3).stages.iter().map(|s| s.done).collect() };
    assert_eq!(counts(three()), [3, 6, 3]);
    // An input of one item: its units alone.
    std::fs::write(w.dir.join("in/i01.txt"), "another text").unwrap();
    assert_eq!(counts(three()), [1, 2, 1]);
    // Touched, not changed.
    std::fs::write(w.dir.join("in/i01.txt"), "another text").unwrap();
    assert_eq!(counts(three()), [0, 0, 0]);
    // The version of a stage changes nothing in its outputs here, so that the next stage stays fresh.
    let version = || three().map(|s| if s.name == "b" { s.with(|s| s.version = 2) } else { s });
    assert_eq!(counts(version()), [0, 6, 0]);
    // A setting of the last stage.
    let setting = || version().map(|s| if s.name == "c" { s.with(|s| s.setting = "y".into()) } else { s });
    assert_eq!(counts(setting()), [0, 0, 3]);
    // An output that was damaged, and one that was removed.
    std::fs::write(w.dir.join("out/i00/b/p1.txt"), "scribble").unwrap();
    std::fs::remove_file(w.dir.join("out/i02/c.txt")).unwrap();
    assert_eq!(counts(setting()), [0, 1, 1]);
    assert_eq!(counts(setting()), [0, 0, 0]);
    // The setting back: its outputs were overwritten, so the superseded record cannot be revived.
    assert_eq!(counts(version()), [0, 0, 3]);
    assert_eq!(w.records().len(), 12);
}

fn explanations_name_old_and_new() {
    let w = World::new(1);
    w.run(&chain(three()), 1);
    let id = UnitId { stage: "c".into(), scope: vec!["i00".into(), "s".into()], part: None };
    let o = w.options();
    let step = || three()[2].name;
    assert_eq!(step(), "c");
    let plan = |s: &Step| ErasedStage::erased_plan(s, &PlanContext::new(&o.roots), &items(1)[0]).unwrap().remove(0);
    let look = |s: &Step, version| {
        let u = plan(s);
        store::explain(&w.run_dir(), &o.roots, &DigestCache::default(), &id, version, &u.task, &u.inputs)
    };
    let [_, _, c] = three();
    let fresh = look(&c, 1).unwrap();
    assert!(fresh.fresh && fresh.changes.is_empty() && fresh.record.is_some());
    std::fs::write(w.dir.join("out/i00/b/p0.txt"), "changed").unwrap();
    let stale = look(&c.with(|s| s.setting = "y".into()), 7).unwrap();
    assert!(!stale.fresh);
    assert!(stale.changes.contains(&Change::StageVersion { old: 1, new: 7 }));
    assert!(stale.changes.contains(&Change::Setting {
        key: "setting".into(),
        old: Some("x".into()),
        new: Some("y".into())
    }));
    let input = stale.changes.iter().find_map(|c| match c {
        Change::Input { path, old: Some(o), new: Some(n), .. } => Some((path.to_string(), o.clone(), n.clone())),
        _ => None,
    });
    let (path, old, new) = input.unwrap();
    assert_eq!(path, "out:i00/b/p0.txt");
    assert_eq!(new, blake3::hash(b"changed").to_hex().to_string());
    assert_ne!(old, new);
    std::fs::remove_file(w.dir.join("out/i00/b/p0.txt")).unwrap();
    let [_, _, c] = three();
    let missing = look(&c, 1).unwrap_err();
    assert_eq!(missing.kind, FailureKind::Data);
    assert!(missing.message.contains("out:i00/b/p0.txt"), "{missing}");
}

fn the_result_does_not_depend_on_workers_or_order() {
    let run = |cpus: usize, order: Order, scheduler: Scheduler| {
        let w = World::new(6);
        let steps = three().map(|s| s.with(|s| s.policy.workers = cpus).fault("i03", "data"));
        let r = w.run_with(&chain(steps), 6, |o| (o.cpus, o.order, o.scheduler) = (cpus, order, scheduler));
        assert_eq!(r.failures.len(), 3);
        w.snapshot()
    };
    let one = run(1, Order::Fifo, Scheduler::Overlapping);
    for order in [Order::Fifo, Order::Random(7), Order::LargestFirst, Order::SmallestFirst] {
        assert_eq!(run(4, order, Scheduler::Overlapping), one);
    }
    assert_eq!(run(4, Order::Fifo, Scheduler::Staged), one);
}

fn force_and_only() {
    let w = World::new(2);
    let done = |r: &RunReport| r.stages.iter().map(|s| (s.stage.clone(), s.done)).collect::<Vec<_>>();
    let r = w.run_with(&chain(three()), 2, |o| o.only = Some(set(&["b"])));
    assert_eq!(done(&r), [("a".into(), 2), ("b".into(), 4)]);
    let r = w.run(&chain(three()), 2);
    assert_eq!(done(&r), [("a".into(), 0), ("b".into(), 0), ("c".into(), 2)]);
    let r = w.run_with(&chain(three()), 2, |o| o.force = Force::Stages(set(&["b"])));
    assert_eq!(done(&r), [("a".into(), 0), ("b".into(), 4), ("c".into(), 0)]);
    let r = w.run_with(&chain(three()), 2, |o| o.force = Force::All);
    assert_eq!(done(&r), [("a".into(), 2), ("b".into(), 4), ("c".into(), 2)]);
    assert_eq!(w.records().len(), 8);
    let e = run(
        &chain(three()),
        &items(2),
        &RunOptions { only: Some(set(&["d"])), ..w.options() },
        &Cancel::new(),
        &NoObserver,
    );
    assert!(matches!(e, Err(EngineError::UnknownStage { .. })));
}

fn dropped_parts_are_moved_aside_and_come_back() {
    let w = World::new(1);
    let parts = |n| pipeline(vec![(Step::new("a").with(|s| s.parts = n).fault("i00/p3", "data"), vec![])]);
    w.run(&parts(4), 1);
    assert_eq!((w.records().len(), w.failures().len()), (3, 1));
    w.run(&parts(2), 1);
    assert_eq!((w.records().len(), w.failures().len()), (2, 0));
    let r = w.run(&parts(3), 1);
    assert_eq!((w.records().len(), r.stages[0].done, r.stages[0].fresh), (3, 0, 3));
    // From parts to one whole unit.
    w.run(&parts(0), 1);
    let ids: Vec<String> = w.records().iter().map(|r| r.id.to_string()).collect();
    assert_eq!(ids, ["a/i00/s"]);
}

fn a_dry_run_plans_and_writes_nothing() {
    let w = World::new(2);
    let r = w.run_with(&chain(three()), 2, |o| o.dry_run = true);
    assert!(!w.run_dir().exists() && !w.dir.join("logs").exists());
    let known: Vec<_> = r.planned.iter().filter(|p| !p.estimated).map(|p| (p.id.to_string(), p.fresh)).collect();
    assert_eq!(known, [("a/i00/s".into(), false), ("a/i01/s".into(), false)]);
    assert_eq!(r.planned.iter().filter(|p| p.estimated).count(), 4);
    w.run(&chain(three()), 2);
    std::fs::write(w.dir.join("in/i01.txt"), "new").unwrap();
    let before = tree(&w.dir);
    let r = w.run_with(&chain(three()), 2, |o| o.dry_run = true);
    assert_eq!(tree(&w.dir), before);
    let stale: Vec<_> = r.planned.iter().filter(|p| !p.fresh).map(|p| (p.id.to_string(), p.estimated)).collect();
    assert_eq!(stale, [("a/i01/s".into(), false), ("b/i01/s".into(), true), ("c/i01/s".into(), true)]);
    assert!(r.planned.iter().any(|p| p.reason.contains("in:i01.txt")));
}

fn duplicates_must_agree() {
    let w = World::new(1);
    w.run(&pipeline(vec![(Step::new("a"), vec![])]), 1);
    let mut r = w.records().remove(0);
    r.run.seconds += 1.0;
    assert!(!store::publish_record(&w.run_dir(), &r).unwrap(), "an equal result is no error");
    r.outputs[0].blake3 = blake3::hash(b"other").to_hex().to_string();
    let e = store::publish_record(&w.run_dir(), &r).unwrap_err();
    assert!(matches!(e, PublishError::DuplicateDiffers { .. }));
    assert!(e.to_string().contains("duplicate differs") && e.to_string().contains("out:i00/a.txt"), "{e}");
    // The first one stays.
    assert_eq!(
        w.records()[0].outputs[0].blake3,
        blake3::hash(&std::fs::read(w.dir.join("out/i00/a.txt")).unwrap()).to_hex().to_string()
    );
}

fn two_units_must_not_write_one_file() {
    struct Clash;
    impl Stage for Clash {
        type Subject = Item;
        type Task = ();
        fn name(&self) -> &'static str {
            "clash"
        }
        fn version(&self) -> u32 {
            1
        }
        fn describe(&self) -> StageDoc {
            StageDoc { title: "", inputs: "", outputs: "" }
        }
        fn policy(&self) -> Policy {
            Policy::default()
        }
        fn plan(&self, _: &PlanContext<'_>, _: &Item) -> Result<Vec<Unit<()>>, UnitError> {
            Ok(vec![Unit { part: None, task: (), inputs: vec![], resources: Resources::default() }])
        }
        fn run(&self, cx: &UnitContext, (): &()) -> Result<Output, UnitError> {
            let file = cx.write("x", RootedPath::new("out", "same").unwrap(), cx.id.to_string().as_bytes())?;
            Ok(Output { files: vec![file], ..Output::default() })
        }
    }
    let w = World::new(2);
    let r = w.run(&Pipeline { stages: vec![StageEntry::new(Clash, [])] }, 2);
    assert_eq!((r.stages[0].done, r.failures.len()), (1, 1));
    assert_eq!(r.failures[0].error.kind, FailureKind::Bug);
    assert!(r.failures[0].error.message.contains("out:same"));
    assert_eq!(std::fs::read_to_string(w.dir.join("out/same")).unwrap(), "clash/i00/s");
}

fn the_folder_is_locked() {
    let w = World::new(1);
    let held = RunLock::take(&w.run_dir()).unwrap();
    let e = run(&chain(three()), &items(1), &w.options(), &Cancel::new(), &NoObserver).unwrap_err();
    let EngineError::Locked { holder, .. } = &e else { panic!("{e}") };
    assert_eq!(holder.pid, std::process::id());
    assert!(
        e.to_string().contains(&std::process::id().to_string()) && !holder.host.is_empty() && !e.hints().is_empty()
    );
    assert_eq!(RunLock::holder(&w.run_dir()).unwrap().map(|h| h.pid), Some(std::process::id()));
    drop(held);
    assert_eq!(RunLock::holder(&w.run_dir()).unwrap(), None);
    assert!(w.run(&chain(three()), 1).failures.is_empty());
}

fn a_damaged_record_is_done_again() {
    let w = World::new(2);
    w.run(&chain(three()), 2);
    let before = w.snapshot();
    let path = tree(&w.run_dir().join("units/b/i01")).remove(0);
    std::fs::write(&path, "{ half a rec").unwrap();
    std::fs::write(w.run_dir().join("digests.json"), "nonsense").unwrap();
    let r = w.run(&chain(three()), 2);
    assert_eq!(r.stages.iter().map(|s| s.done).collect::<Vec<_>>(), [0, 1, 0]);
    assert_eq!(w.snapshot(), before);
}

fn pipelines_without_sense_are_refused() {
    let w = World::new(1);
    let refuse = |p: Pipeline<Item>, subjects: &[Item]| {
        run(&p, subjects, &w.options(), &Cancel::new(), &NoObserver).unwrap_err().to_string()
    };
    let late = pipeline(vec![(Step::new("a"), vec![Need::Done("b")]), (Step::new("b"), vec![])]);
    assert!(refuse(late, &items(1)).contains("stage a needs b"));
    let none = pipeline(vec![(Step::new("a"), vec![Need::Done("z")])]);
    assert!(refuse(none, &items(1)).contains("needs z, which is not in the pipeline"));
    let twice = pipeline(vec![(Step::new("a"), vec![]), (Step::new("a"), vec![])]);
    assert!(refuse(twice, &items(1)).contains("two stages"));
    assert!(refuse(chain(three()), &[Item("../x".into())]).contains("file name"));
    assert!(refuse(chain(three()), &[Item("x".into()), Item("x".into())]).contains("two subjects"));
    assert!(!w.run_dir().exists());
    // A stage that only comes after an absent one is fine.
    assert_eq!(w.run(&pipeline(vec![(Step::new("a"), vec![Need::After("z")])]), 1).stages[0].done, 1);
}

fn events_tell_the_run() {
    struct Keep(Mutex<Vec<Event>>);
    impl Observer for Keep {
        fn event(&self, e: &Event) {
            self.0.lock().unwrap().push(e.clone());
        }
    }
    let w = World::new(2);
    let keep = Keep(Mutex::default());
    let steps = three().map(|s| s.fault("i01", "data"));
    run(&chain(steps), &items(2), &w.options(), &Cancel::new(), &keep).unwrap();
    let events = keep.0.into_inner().unwrap();
    let read: Vec<Event> = read_events(&w.run_dir()).unwrap().into_iter().map(|l| l.event).collect();
    assert_eq!(read, events);
    assert!(matches!(&events[0], Event::RunStarted { format: EVENT_FORMAT, subjects: 2, .. }));
    assert!(matches!(
        events.last(),
        Some(Event::RunFinished { done: 4, failed: 1, skipped: 2, interrupted: false, .. })
    ));
    assert!(
        events.iter().any(|e| matches!(e, Event::Skipped { unit, cause } if unit.stage == "c" && cause.stage == "a"))
    );
    // A second run starts anew, also after half a line.
    std::fs::OpenOptions::new()
        .append(true)
        .open(w.run_dir().join("events.jsonl"))
        .and_then(|mut f| std::io::Write::write_all(&mut f, b"{\"t\":1,"))
        .unwrap();
    w.run(&chain(three()), 2);
    let again = read_events(&w.run_dir()).unwrap();
    assert!(matches!(&again[0].event, Event::RunStarted { .. }));
    assert!(matches!(again.last().map(|l| &l.event), Some(Event::RunFinished { done: 4, fresh: 4, .. })));
}

fn folders_as_outputs() {
    struct Folder(u32);
    impl Stage for Folder {
        type Subject = Item;
        type Task = u32;
        fn name(&self) -> &'static str {
            "folder"
        }
        fn version(&self) -> u32 {
            1
        }
        fn describe(&self) -> StageDoc {
            StageDoc { title: "", inputs: "", outputs: "" }
        }
        fn policy(&self) -> Policy {
            Policy::default()
        }
        fn plan(&self, _: &PlanContext<'_>, _: &Item) -> Result<Vec<Unit<u32>>, UnitError> {
            Ok(vec![Unit { part: None, task: self.0, inputs: vec![], resources: Resources::default() }])
        }
        fn run(&self, cx: &UnitContext, n: &u32) -> Result<Output, UnitError> {
            let (path, out) = cx.output("slices", RootedPath::new("out", format!("{}/slices", cx.id.scope[0]))?)?;
            std::fs::create_dir_all(path.join("deep"))?;
            for i in 0..*n {
                std::fs::write(path.join(format!("deep/{i}")), i.to_string())?;
            }
            Ok(Output { files: vec![out], ..Output::default() })
        }
    }
    let w = World::new(1);
    let p = |n| Pipeline { stages: vec![StageEntry::new(Folder(n), [])] };
    assert!(w.run(&p(3), 1).failures.is_empty());
    assert_eq!(tree(&w.dir.join("out/i00")).len(), 3);
    assert!(w.run(&p(3), 1).all_fresh());
    assert!(w.run(&p(2), 1).failures.is_empty());
    assert_eq!(tree(&w.dir.join("out/i00")).len(), 2, "the folder is replaced, not mixed");
    std::fs::write(w.dir.join("out/i00/slices/deep/extra"), "").unwrap();
    assert_eq!(w.run(&p(2), 1).stages[0].done, 1);
    assert_eq!(tree(&w.dir.join("out/i00")).len(), 2);
}
