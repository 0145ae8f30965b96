//! A small pipeline over named items whose stages fail on command.

use rtpipeline_engine::program::{ProgramSpec, run_program};
use rtpipeline_engine::store::{self, FailureRecord, Record};
use rtpipeline_engine::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

pub(crate) struct Item(pub(crate) String);

impl Subject for Item {
    fn scope(&self) -> Vec<String> {
        vec![self.0.clone(), "s".into()]
    }
}

pub(crate) fn items(n: usize) -> Vec<Item> {
    (0..n).map(|i| Item(format!("i{i:02}"))).collect()
}

#[derive(Serialize, Deserialize, Clone, Debug, Default)]
#[serde(deny_unknown_fields)]
pub(crate) struct Task {
    setting: String,
    inputs: Vec<RootedPath>,
    to: String,
    /// What goes wrong; has no part in a real task.
    fault: String,
}

/// A stage that digests its inputs into one small file a unit.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) version: u32,
    pub(crate) setting: String,
    pub(crate) parts: usize,
    /// Reads the outputs of this stage, or the item's source file.
    pub(crate) reads: Option<&'static str>,
    pub(crate) reads_parts: usize,
    pub(crate) policy: Policy,
    pub(crate) resources: Resources,
    /// Item or item/part → fault.
    pub(crate) faults: BTreeMap<String, String>,
    /// Fault of all others.
    pub(crate) fault: String,
}

impl Step {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            version: 1,
            setting: "x".into(),
            parts: 0,
            reads: None,
            reads_parts: 0,
            policy: Policy { workers: 4, backoff: Duration::from_millis(5), ..Policy::default() },
            resources: Resources::default(),
            faults: BTreeMap::new(),
            fault: String::new(),
        }
    }

    pub(crate) fn fault(mut self, at: &str, fault: &str) -> Self {
        self.faults.insert(at.into(), fault.into());
        self
    }

    pub(crate) fn isolated(mut self) -> Self {
        self.policy.isolation = Isolation::Process;
        self
    }

    pub(crate) fn reads(mut self, stage: &'static str, parts: usize) -> Self {
        (self.reads, self.reads_parts) = (Some(stage), parts);
        self
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

fn part_names(n: usize) -> Vec<Option<String>> {
    if n == 0 { vec![None] } else { (0..n).map(|i| Some(format!("p{i}"))).collect() }
}

fn output_of(stage: &str, item: &str, part: Option<&str>) -> String {
    part.map_or_else(|| format!("{item}/{stage}.txt"), |p| format!("{item}/{stage}/{p}.txt"))
}

impl Stage for Step {
    type Subject = Item;
    type Task = Task;

    fn name(&self) -> &'static str {
        self.name
    }

    fn version(&self) -> u32 {
        self.version
    }

    fn describe(&self) -> StageDoc {
        StageDoc { title: "digests its inputs", inputs: "text", outputs: "text" }
    }

    fn policy(&self) -> Policy {
        self.policy.clone()
    }

    fn plan(&self, _: &PlanContext<'_>, item: &Item) -> Result<Vec<Unit<Task>>, UnitError> {
        if self.faults.get(&item.0).is_some_and(|f| f == "plan") {
            return Err(UnitError::data("this item cannot be planned"));
        }
        let inputs: Vec<RootedPath> = match self.reads {
            None => vec![RootedPath::new("in", format!("{}.txt", item.0)).unwrap()],
            Some(stage) => part_names(self.reads_parts)
                .iter()
                .map(|p| RootedPath::new("out", output_of(stage, &item.0, p.as_deref())).unwrap())
                .collect(),
        };
        Ok(part_names(self.parts)
            .into_iter()
            .map(|part| {
                let key = part.as_ref().map_or(item.0.clone(), |p| format!("{}/{p}", item.0));
                let fault = self.faults.get(&key).or_else(|| self.faults.get(&item.0)).unwrap_or(&self.fault).clone();
                Unit {
                    task: Task {
                        setting: self.setting.clone(),
                        inputs: inputs.clone(),
                        to: output_of(self.name, &item.0, part.as_deref()),
                        fault,
                    },
                    part,
                    inputs: inputs.iter().map(|p| Input { role: "text".into(), path: p.clone() }).collect(),
                    resources: self.resources,
                }
            })
            .collect())
    }

    fn run(&self, cx: &UnitContext, task: &Task) -> Result<Output, UnitError> {
        perform(cx, task)
    }
}

/// What isolated children do: all stages do the same.
pub(crate) fn run_child(stage: &str, cx: &UnitContext, task: Value) -> Result<Output, UnitError> {
    if stage == "nothing" {
        return Ok(Output::default());
    }
    let task: Task = serde_json::from_value(task).map_err(|e| UnitError::bug(e.to_string()))?;
    perform(cx, &task)
}

/// A child that ends before it connects.
pub(crate) fn die_early_if_asked() {
    if std::env::var_os("ENGINE_TEST_DIE_EARLY").is_some() {
        std::process::exit(9);
    }
}

pub(crate) fn side(cx: &UnitContext, name: &str) -> PathBuf {
    cx.resolve(&RootedPath::new("side", name).unwrap()).unwrap()
}

/// One line for each execution, so that tests can count and order them.
fn note(cx: &UnitContext, text: &str) {
    let mut f = std::fs::OpenOptions::new().create(true).append(true).open(side(cx, "log")).unwrap();
    // One write, so that lines of several processes do not mix.
    f.write_all(format!("{text} {}\n", cx.id).as_bytes()).unwrap();
}

fn perform(cx: &UnitContext, task: &Task) -> Result<Output, UnitError> {
    note(cx, "start");
    let result = misbehave(cx, &task.fault).and_then(|()| {
        let mut h = blake3::Hasher::new();
        h.update(cx.id.to_string().as_bytes()).update(task.setting.as_bytes());
        for i in &task.inputs {
            h.update(&std::fs::read(cx.resolve(i)?)?);
        }
        let digest = h.finalize().to_hex().to_string();
        let mut out = Output::default();
        out.files.push(cx.write("digest", RootedPath::new("out", task.to.clone()).unwrap(), digest.as_bytes())?);
        let row = json!({"item": cx.id.scope[0], "digest": digest, "value": 0.1});
        out.rows.insert("rows".into(), vec![row.as_object().unwrap().clone()]);
        out.facts.insert("setting".into(), json!(task.setting));
        if task.fault == "part" {
            out.failures.push(PartFailure { part: "corner".into(), error: UnitError::data("this corner is empty") });
        }
        Ok(out)
    });
    note(cx, "end");
    result
}

static CROWD: Mutex<(usize, usize)> = Mutex::new((0, 0));

fn shell(cx: &UnitContext, script: &str) -> Result<(), UnitError> {
    run_program(cx, &ProgramSpec::new("sh", ["-c", script])).map(|_| ())
}

/// Counts calls over processes; true for the first one of this unit.
fn first_time(cx: &UnitContext) -> bool {
    let name = format!("once-{}", cx.id.to_string().replace('/', "_"));
    std::fs::OpenOptions::new().write(true).create_new(true).open(side(cx, &name)).is_ok()
}

fn misbehave(cx: &UnitContext, fault: &str) -> Result<(), UnitError> {
    let (what, argument) = fault.split_once(':').unwrap_or((fault, ""));
    let number: u64 = argument.parse().unwrap_or(0);
    let myself = || rustix::process::getpid();
    match what {
        "" | "part" => {}
        "once" => {
            if first_time(cx) {
                return misbehave(cx, argument);
            }
        }
        "data" => return Err(UnitError::data("the text is empty").hint("write something")),
        "config" => return Err(UnitError::new(FailureKind::Config, "the setting is wrong")),
        "full" => return Err(UnitError::from(std::io::Error::from(std::io::ErrorKind::StorageFull))),
        "panic" => panic!("no such letter: {}", cx.id.scope[0]),
        "abort" => std::process::abort(),
        "exit" => std::process::exit(3),
        // The first one only removes the handler that looks for stack overflows.
        "segv" => loop {
            rustix::process::kill_process(myself(), rustix::process::Signal::SEGV).unwrap();
        },
        "kill" => rustix::process::kill_process(myself(), rustix::process::Signal::KILL).unwrap(),
        "half" => {
            std::fs::write(cx.work_file("out/half.txt")?, "half a res")?;
            rustix::process::kill_process(myself(), rustix::process::Signal::KILL).unwrap();
        }
        "leak" => {
            let mut all = Vec::new();
            loop {
                all.push(vec![1_u8; 8 << 20]);
                std::hint::black_box(&all);
            }
        }
        "sleep" => std::thread::sleep(Duration::from_millis(number)),
        "hang" => loop {
            std::thread::sleep(Duration::from_secs(1));
            if number > 0 && cx.cancel.level() >= 2 {
                return Err(UnitError::new(FailureKind::Interrupted, "stopped"));
            }
        },
        "grandchild" => {
            let child = std::process::Command::new("sleep").arg("1000").spawn()?;
            std::fs::write(side(cx, "grandchild"), child.id().to_string())?;
            misbehave(cx, "hang")?;
        }
        "waiting-program" => shell(
            cx,
            &format!("sleep 1000 & echo $! > {0}.tmp; mv {0}.tmp {0}; sleep 1000", side(cx, "grandchild").display()),
        )?,
        "cuda" => shell(cx, "echo 'RuntimeError: CUDA out of memory. Tried to allocate 2 GiB' >&2; exit 1")?,
        "program" => shell(cx, argument)?,
        "crowd" => return crowd(number as usize),
        "wrong-output" => std::fs::write(side(cx, &format!("differs-{}", cx.id.scope[0])), "")?,
        other => return Err(UnitError::bug(format!("no fault is called {other}"))),
    }
    Ok(())
}

/// Runs out of memory when more than `limit` units are at work; waits for company so that it can be seen.
fn crowd(limit: usize) -> Result<(), UnitError> {
    let enter = || {
        let mut c = CROWD.lock().unwrap();
        c.0 += 1;
        c.1 = c.1.max(c.0);
    };
    enter();
    let until = Instant::now() + Duration::from_millis(150);
    let mut seen = 0;
    while Instant::now() < until && seen <= limit {
        seen = seen.max(CROWD.lock().unwrap().0);
        std::thread::sleep(Duration::from_millis(2));
    }
    if seen > limit {
        // The others must be able to see this one, too.
        std::thread::sleep(Duration::from_millis(50));
    }
    CROWD.lock().unwrap().0 -= 1;
    if seen > limit { Err(UnitError::memory(format!("{seen} at once"))) } else { Ok(()) }
}

/// Folders of one test.
pub(crate) struct World {
    pub(crate) dir: PathBuf,
    _keep: Option<tempfile::TempDir>,
}

impl World {
    pub(crate) fn new(n: usize) -> Self {
        let t = tempfile::tempdir().unwrap();
        let w = Self { dir: t.path().to_owned(), _keep: Some(t) };
        w.fill(n);
        w
    }

    pub(crate) fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), _keep: None }
    }

    pub(crate) fn fill(&self, n: usize) {
        for d in ["in", "out", "side"] {
            std::fs::create_dir_all(self.dir.join(d)).unwrap();
        }
        for i in items(n) {
            std::fs::write(self.dir.join(format!("in/{}.txt", i.0)), format!("text of {}", i.0)).unwrap();
        }
    }

    pub(crate) fn options(&self) -> RunOptions {
        let roots = ["in", "out", "side"].into_iter().map(|r| (r.to_owned(), self.dir.join(r))).collect();
        RunOptions {
            logs_dir: self.dir.join("logs"),
            cpus: 4,
            memory: 0,
            gpus: Vec::new(),
            grace: Duration::from_millis(300),
            ..RunOptions::new(Roots(roots), "run")
        }
    }

    pub(crate) fn run_dir(&self) -> PathBuf {
        self.dir.join("out/_RUN")
    }

    pub(crate) fn run(&self, pipeline: &Pipeline<Item>, n: usize) -> RunReport {
        self.run_with(pipeline, n, |_| {})
    }

    pub(crate) fn run_with(
        &self,
        pipeline: &Pipeline<Item>,
        n: usize,
        change: impl FnOnce(&mut RunOptions),
    ) -> RunReport {
        let mut o = self.options();
        change(&mut o);
        let report = run(pipeline, &items(n), &o, &Cancel::new(), &NoObserver).unwrap();
        self.check_tidy();
        report
    }

    /// Nothing but failure files in the attempt folders, no half-written records.
    pub(crate) fn check_tidy(&self) {
        for p in tree(&self.run_dir().join("attempts")) {
            assert_eq!(p.file_name().unwrap(), "failure.json", "scratch left: {}", p.display());
        }
        for p in tree(&self.run_dir().join("units")) {
            assert!(!p.to_string_lossy().ends_with(".tmp"), "{}", p.display());
        }
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        store::current_records(&self.run_dir()).unwrap().map(Result::unwrap).collect()
    }

    pub(crate) fn failures(&self) -> Vec<FailureRecord> {
        store::current_failures(&self.run_dir()).unwrap()
    }

    /// Everything that a run decides: records without `run`, failures without `run`, outputs.
    pub(crate) fn snapshot(&self) -> BTreeMap<String, String> {
        let mut s = BTreeMap::new();
        for r in self.records() {
            let r = Record { run: store::RunInfo::default(), ..r };
            let old = s.insert(format!("record {}", r.id), serde_json::to_string(&r).unwrap());
            assert!(old.is_none(), "two current records of {}", r.id);
        }
        for f in self.failures() {
            let f = FailureRecord { run: store::RunInfo::default(), attempts: 0, ..f };
            s.insert(format!("failure {}", f.id), serde_json::to_string(&f).unwrap());
        }
        let out = self.dir.join("out");
        for p in tree(&out).into_iter().filter(|p| !p.starts_with(self.run_dir())) {
            s.insert(format!("file {}", p.strip_prefix(&out).unwrap().display()), std::fs::read_to_string(&p).unwrap());
        }
        s
    }

    /// Lines of executions: `start id` and `end id`.
    pub(crate) fn log(&self) -> Vec<String> {
        std::fs::read_to_string(self.dir.join("side/log")).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    pub(crate) fn executions(&self, id: &str) -> usize {
        self.log().iter().filter(|l| **l == format!("start {id}")).count()
    }

    pub(crate) fn failure(&self, id: &str) -> FailureRecord {
        self.failures().into_iter().find(|f| f.id.to_string() == id).unwrap_or_else(|| panic!("{id} has not failed"))
    }
}

pub(crate) fn tree(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(d) = todo.pop() {
        for e in std::fs::read_dir(&d).into_iter().flatten() {
            let p = e.unwrap().path();
            if p.is_dir() { todo.push(p) } else { files.push(p) }
        }
    }
    files.sort();
    files
}

pub(crate) fn pipeline(stages: Vec<(Step, Vec<Need>)>) -> Pipeline<Item> {
    Pipeline { stages: stages.into_iter().map(|(s, n)| StageEntry::new(s, n)).collect() }
}

/// `a` (thread) → `b` (two parts, isolated) → `c`.
pub(crate) fn three() -> [Step; 3] {
    [Step::new("a"), Step::new("b").with(|s| s.parts = 2).isolated().reads("a", 0), Step::new("c").reads("b", 2)]
}

pub(crate) fn chain([a, b, c]: [Step; 3]) -> Pipeline<Item> {
    pipeline(vec![(a, vec![]), (b, vec![Need::Done("a")]), (c, vec![Need::Done("b")])])
}

/// Does a process with this id live (zombies do not count)?
pub(crate) fn alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|s| !s.rsplit(')').next().unwrap_or("").trim_start().starts_with('Z'))
}

/// Waits until something is so.
pub(crate) fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !so() {
        assert!(Instant::now() < until, "it never came about: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

/// `--overhead N [isolated]`: prints what units without work cost.
pub(crate) fn overhead(n: usize, isolated: bool) {
    struct Nothing(bool);
    impl Stage for Nothing {
        type Subject = Item;
        type Task = String;
        fn name(&self) -> &'static str {
            "nothing"
        }
        fn version(&self) -> u32 {
            1
        }
        fn describe(&self) -> StageDoc {
            StageDoc { title: "", inputs: "", outputs: "" }
        }
        fn policy(&self) -> Policy {
            Policy {
                workers: 2,
                isolation: if self.0 { Isolation::Process } else { Isolation::Thread },
                ..Policy::default()
            }
        }
        fn plan(&self, _: &PlanContext<'_>, item: &Item) -> Result<Vec<Unit<String>>, UnitError> {
            Ok(vec![Unit { part: None, task: item.0.clone(), inputs: vec![], resources: Resources::default() }])
        }
        fn run(&self, _: &UnitContext, _: &String) -> Result<Output, UnitError> {
            Ok(Output::default())
        }
    }
    let w = World::new(0);
    let p = Pipeline { stages: vec![StageEntry::new(Nothing(isolated), [])] };
    for what in ["done", "fresh"] {
        let t = Instant::now();
        let r = run(&p, &items(n), &RunOptions { cpus: 2, ..w.options() }, &Cancel::new(), &NoObserver).unwrap();
        for f in &r.failures {
            println!("{}: {}", f.id, f.error);
        }
        let us = t.elapsed().as_secs_f64() * 1e6 / n as f64;
        println!(
            "{what}: {} units, {us:.0} us each, {:.0} MB",
            r.stages[0].done + r.stages[0].fresh,
            r.peak_memory as f64 / 1e6
        );
    }
}
