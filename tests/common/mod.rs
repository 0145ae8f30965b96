//! What the integration tests share: the program, shared material, small cohorts, tables, and pictures of an output folder.

#![allow(dead_code, reason = "every test file uses its part")]

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A row of a table by column name; missing values are empty.
pub(crate) type Row = BTreeMap<String, String>;

/// What the program said.
#[derive(Debug)]
pub(crate) struct Said {
    /// Exit code; −1 after a signal.
    pub(crate) code: i32,
    /// Standard error.
    pub(crate) err: String,
}

/// Folder with shared test material, or `None` after saying that it lacks.
pub(crate) fn shared() -> Option<PathBuf> {
    let dir = std::env::var_os("RTPIPELINE_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    if dir.join("data/MANIFEST.md").is_file() {
        return dir.canonicalize().ok();
    }
    println!("skipped: no shared material in {} (RTPIPELINE_SHARED)", dir.display());
    None
}

/// A Python that has numpy and pydicom, or `None` after saying that it lacks.
pub(crate) fn python() -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python");
    let candidates = [std::env::var_os("RTPIPELINE_PYTHON").map(PathBuf::from), Some(own), Some("python3".into())];
    let works = |p: &PathBuf| {
        let mut c = Command::new(p);
        c.args(["-c", "import numpy, pydicom"]).stdout(Stdio::null()).stderr(Stdio::null());
        c.status().is_ok_and(|s| s.success())
    };
    let found = candidates.into_iter().flatten().find(works);
    if found.is_none() {
        println!("skipped: no Python with numpy and pydicom (RTPIPELINE_PYTHON)");
    }
    found
}

/// The generator of synthetic exports, or `None` after saying what lacks.
pub(crate) fn generator() -> Option<Generator> {
    let script = shared()?.join("tools/gen_rt.py");
    if !script.is_file() {
        println!("skipped: {} is not there", script.display());
        return None;
    }
    Some(Generator { python: python()?, script })
}

/// `gen_rt.py` with its interpreter.
pub(crate) struct Generator {
    python: PathBuf,
    script: PathBuf,
}

impl Generator {
    fn run(&self, args: &[&str]) {
        let out = Command::new(&self.python).arg(&self.script).args(args).output().expect("the generator starts");
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    }

    /// A small course: CT of 14 slices, four structures, a plan and a dose.
    pub(crate) fn course(&self, dir: &Path, patient_id: &str, seed: u32) {
        let (dir, seed) = (dir.display().to_string(), seed.to_string());
        let fixed = "--slices 14 --size 56 --dz 7 --structures 4 --points 3000 --dose-spacing 9 --no-truth";
        let mut args = vec!["course", &dir, "--patient-id", patient_id, "--seed", &seed];
        args.extend(fixed.split_whitespace());
        self.run(&args);
    }

    /// Copies a folder with damage; gives the list of damages that the generator wrote.
    pub(crate) fn mutate(&self, src: &Path, dst: &Path, faults: &str, rate: f64, seed: u32) -> Vec<Value> {
        let log = dst.with_extension("faults.json");
        let text = [src, dst, &log].map(|p| p.display().to_string());
        let (rate, seed) = (rate.to_string(), seed.to_string());
        self.run(&[
            "mutate", &text[0], &text[1], "--faults", faults, "--rate", &rate, "--seed", &seed, "--log", &text[2],
        ]);
        let body: Value = serde_json::from_slice(&std::fs::read(&log).expect("the list of faults")).expect("JSON");
        // It is no part of the export.
        std::fs::remove_file(log).expect("removed");
        body["faults"].as_array().expect("a list").clone()
    }
}

/// Original image, first-order and shape features only.
const FEW_FEATURES: &str =
    "imageType:\n  Original: {}\nfeatureClass:\n  firstorder: []\n  shape: []\nsetting:\n  binWidth: 25\n";

/// A folder with inputs and outputs of runs.
pub(crate) struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("few.yaml"), FEW_FEATURES).expect("written");
        Self { dir }
    }

    /// With a cohort of `n` patients `PAT1`… in `in/P1`….
    pub(crate) fn with_cohort(generator: &Generator, n: u32) -> Self {
        let bench = Self::new();
        for k in 1..=n {
            generator.course(&bench.path(&format!("in/P{k}")), &format!("PAT{k}"), k);
        }
        bench
    }

    pub(crate) fn path(&self, rel: &str) -> PathBuf {
        self.dir.path().join(rel)
    }

    /// A run from `input` to `out` here, with further words; settings of the surroundings have no part in it.
    pub(crate) fn command(&self, input: &Path, out: &str, more: &str) -> Command {
        let mut c = Command::new(env!("CARGO_BIN_EXE_rtpipeline"));
        for (name, _) in std::env::vars_os() {
            if ["RTPIPELINE_", "TOTALSEG_", "nnUNet_"].iter().any(|p| name.to_string_lossy().starts_with(p)) {
                c.env_remove(name);
            }
        }
        c.current_dir(self.dir.path()).stdin(Stdio::null()).arg("run").arg("--dicom-root").arg(input);
        c.args(["--outdir", out, "--logs", &format!("{out}.logs"), "--progress", "none"]);
        // What is installed on the machine must not decide what the tests see.
        c.args(["--set", "segmentation.engine=classical"]).args(more.split_whitespace());
        c
    }

    /// Runs over `in`.
    pub(crate) fn run(&self, out: &str, more: &str) -> Said {
        said(self.command(&self.path("in"), out, more))
    }

    /// Rows of a table of `_RESULTS`, from its CSV form.
    pub(crate) fn table(&self, out: &str, name: &str) -> Vec<Row> {
        csv_rows(&self.path(out).join("_RESULTS").join(format!("{name}.csv")))
    }

    /// What an output folder holds.
    pub(crate) fn snapshot(&self, out: &str) -> Snapshot {
        snapshot(&self.path(out))
    }
}

/// Runs a command to its end.
pub(crate) fn said(mut c: Command) -> Said {
    let o = c.output().expect("the program starts");
    Said { code: o.status.code().unwrap_or(-1), err: String::from_utf8_lossy(&o.stderr).into_owned() }
}

/// Starts a command and takes no notice of what it says.
pub(crate) fn spawn(mut c: Command) -> Child {
    c.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
}

/// Sends a signal by its name.
#[cfg(unix)]
pub(crate) fn signal(child: &Child, name: &str) {
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {}", child.id())]).status();
    assert!(status.expect("a shell").success(), "no signal {name}");
}

/// Shows what was said when the exit code is another one.
#[track_caller]
pub(crate) fn expect_code(s: &Said, code: i32) {
    assert_eq!(s.code, code, "{}", s.err);
}

pub(crate) fn csv_rows(path: &Path) -> Vec<Row> {
    let mut r = csv::Reader::from_path(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let head = r.headers().expect("a header").clone();
    r.records()
        .map(|l| head.iter().map(str::to_owned).zip(l.expect("a row").iter().map(str::to_owned)).collect())
        .collect()
}

/// Rows of a Parquet file.
pub(crate) fn parquet_rows(path: &Path) -> Vec<Row> {
    let file = File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let reader = SerializedFileReader::new(file).expect("Parquet");
    let text = |f: &Field| match f {
        Field::Null => String::new(),
        Field::Str(s) => s.clone(),
        other => other.to_string(),
    };
    reader
        .get_row_iter(None)
        .expect("rows")
        .map(|r| r.expect("a row").get_column_iter().map(|(k, v)| (k.clone(), text(v))).collect())
        .collect()
}

/// Digests of all files of an output folder by their path, without what may differ between two runs of the same: machine
/// state (`_RUN`), `run.json`, the cohort page, which shows when and how long the run was, and the attempt and log columns
/// of `failures.csv`.
pub(crate) type Snapshot = BTreeMap<String, String>;

pub(crate) fn snapshot(out: &Path) -> Snapshot {
    let mut found = Snapshot::new();
    let mut todo = vec![out.to_path_buf()];
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
            let path = entry.expect("an entry").path();
            let rel = path.strip_prefix(out).expect("below").to_string_lossy().into_owned();
            if path.is_dir() && !path.is_symlink() {
                if rel != "_RUN" {
                    todo.push(path);
                }
            } else if rel == "_RESULTS/failures.csv" {
                let rows = csv_rows(&path).into_iter().map(|mut r| {
                    r.retain(|k, _| k != "attempts" && k != "log");
                    r
                });
                found.insert(rel, format!("{:?}", rows.collect::<Vec<_>>()));
            } else if rel != "_RESULTS/run.json" && rel != "_RESULTS/cohort.html" {
                let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                found.insert(rel, blake3::hash(&bytes).to_hex().to_string());
            }
        }
    }
    found
}

/// Fails with the names of the files that differ.
#[track_caller]
pub(crate) fn assert_same(wanted: &Snapshot, got: &Snapshot, when: &str) {
    let differing: Vec<&String> = wanted.keys().chain(got.keys()).filter(|k| wanted.get(*k) != got.get(*k)).collect();
    assert!(differing.is_empty(), "{when}: {differing:?}");
    assert!(wanted.len() > 30, "an output folder has tables and courses: {:?}", wanted.keys());
}

/// The only row with these values.
#[track_caller]
pub(crate) fn only<'a>(rows: &'a [Row], wanted: &[(&str, &str)]) -> &'a Row {
    let found = all(rows, wanted);
    assert_eq!(found.len(), 1, "{wanted:?}: {found:#?} of {} rows", rows.len());
    found[0]
}

/// The rows with these values.
pub(crate) fn all<'a>(rows: &'a [Row], wanted: &[(&str, &str)]) -> Vec<&'a Row> {
    rows.iter().filter(|r| wanted.iter().all(|(k, v)| r.get(*k).map(String::as_str) == Some(*v))).collect()
}

#[track_caller]
pub(crate) fn number(row: &Row, column: &str) -> f64 {
    let text = row.get(column).unwrap_or_else(|| panic!("no column {column}"));
    text.parse().unwrap_or_else(|_| panic!("{column} is {text:?}"))
}

/// Regular files whose name ends so, anywhere below a folder.
pub(crate) fn files_ending(dir: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![dir.to_path_buf()];
    while let Some(d) = todo.pop() {
        for e in std::fs::read_dir(d).into_iter().flatten().flatten() {
            let p = e.path();
            if p.is_dir() && !p.is_symlink() {
                todo.push(p);
            } else if p.to_string_lossy().ends_with(end) {
                found.push(p);
            }
        }
    }
    found.sort();
    found
}

/// Pseudo-random numbers in [0, 1) from a seed (`SplitMix64`, Steele, Lea and Flood 2014).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}
