//! Damaged patients cost themselves alone, and a killed run is resumed to what an undisturbed run gives.

mod common;

use common::{
    Bench, Dice, Row, Snapshot, all, assert_same, expect_code, files_ending, generator, only, parquet_rows, spawn,
};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

const TABLES: [&str; 9] = [
    "case_metadata",
    "doses",
    "dvh_metrics",
    "plans",
    "qc_findings",
    "qc_reports",
    "series",
    "structure_sets",
    "structures",
];

/// Kinds of damage that are run together; every kind that the generator has is in one of them.
const DAMAGES: [(&str, f64); 5] = [
    ("truncate,cut_header,length,seq_length,empty,bad_preamble", 0.15),
    ("swap_uids,swap_series,dup_uid,duplicate,drop", 0.1),
    ("charset,no_preamble,no_meta,odd_uid,padding,foreign,rename,flatten", 0.1),
    ("zip", 0.1),
    ("cut_header", 1.0),
];

#[test]
fn a_damaged_patient_costs_only_itself() {
    let Some(generator) = generator() else { return };
    let bench = Bench::with_cohort(&generator, 3);
    expect_code(&bench.run("clean", "--no-radiomics"), 0);
    let clean = of_others(&bench.snapshot("clean"));
    assert!(clean.keys().any(|k| k.starts_with("PAT1/")) && clean.keys().any(|k| k.starts_with("PAT3/")));
    std::fs::rename(bench.path("in/P2"), bench.path("sound")).expect("moved");
    for (n, (faults, rate)) in DAMAGES.into_iter().enumerate() {
        let (src, dst) = (bench.path("sound"), bench.path("in/P2"));
        let listed = generator.mutate(&src, &dst, faults, rate, 5 + n as u32);
        let out = format!("damaged{n}");
        let run = bench.run(&out, "--no-radiomics");
        assert!(run.code == 0 || run.code == 20, "{faults}: {} {}", run.code, run.err);
        assert_same(&clean, &of_others(&bench.snapshot(&out)), faults);
        for table in TABLES {
            let of = |out: &str| -> Vec<Row> {
                let rows = bench.table(out, table);
                rows.into_iter().filter(|r| r["patient_id"] == "PAT1" || r["patient_id"] == "PAT3").collect()
            };
            assert_eq!(of("clean"), of(&out), "{faults}: {table}");
            assert!(!of(&out).is_empty(), "{table}");
        }
        every_damage_is_named(&bench, &out, &listed);
        std::fs::remove_dir_all(dst).expect("removed");
    }
}

/// Files of an output folder that belong to the sound patients.
fn of_others(all: &Snapshot) -> Snapshot {
    let theirs = |k: &&String| k.starts_with("PAT1/") || k.starts_with("PAT3/");
    all.keys().filter(theirs).map(|k| (k.clone(), all[k].clone())).collect()
}

/// Each file that the generator damaged is in one account, and where the damage takes something away, a row says so.
#[track_caller]
fn every_damage_is_named(bench: &Bench, out: &str, listed: &[Value]) {
    let files = parquet_rows(&bench.path(out).join("_RESULTS/files.parquet"));
    let orphans = bench.table(out, "orphans");
    let failures = bench.table(out, "failures");
    let findings = bench.table(out, "qc_findings");
    let courses = bench.table(out, "case_metadata");
    let flat = listed.iter().any(|f| f["fault"] == "flatten");
    let mut paths = BTreeSet::new();
    assert!(files.iter().all(|r| paths.insert(&r["path"]) && !r["account"].is_empty()), "one account a file");
    assert_eq!(files.len(), files_ending(&bench.path("in"), "").len());
    for f in listed {
        let (fault, file) = (f["fault"].as_str().unwrap_or_default(), f["file"].as_str().unwrap_or_default());
        let path = format!("P2/{file}");
        let account = files.iter().find(|r| r["path"] == path).map_or("", |r| r["account"].as_str());
        let said = |codes: &[&str]| {
            findings.iter().any(|r| codes.iter().any(|c| r["code"].starts_with(c)) && r["subject"].starts_with(&path))
        };
        match fault {
            // Cut between two elements, a header is sound: the failure of its series tells that the pixels lack.
            "cut_header" if account == "used" => {
                assert!(failures.iter().any(|r| r["message"].contains(&path)), "{path}: {failures:#?}");
            }
            "truncate" | "cut_header" | "length" | "empty" | "bad_preamble" => {
                let row = only(&orphans, &[("path", &path)]);
                assert!(["unreadable", "not_dicom"].contains(&row["account"].as_str()), "{row:?}");
                assert!(!row["reason"].is_empty(), "{row:?}");
            }
            // A sequence without a sound length: nothing is lost, or the loss is named, or the file is refused.
            "seq_length" => {
                let named = failures.iter().any(|r| r["message"].contains(&path));
                assert!(
                    account == "unreadable" || named || said(&["file.bad_sequence"]),
                    "{path} is {account}: {findings:#?}"
                );
            }
            "duplicate" => {
                let copy = format!("P2/{}", f["copy"].as_str().unwrap_or_default());
                let both: BTreeSet<&str> =
                    [&path, &copy].iter().map(|p| only(&files, &[("path", p.as_str())])["account"].as_str()).collect();
                // Of one that was in conflict already, the copy is a duplicate all the same.
                assert!(both.contains("duplicate") && both.len() == 2, "{path}: {both:?}");
            }
            "dup_uid" => {
                let copy = format!("P2/{}", f["copy"].as_str().unwrap_or_default());
                let row = only(&orphans, &[("path", &copy)]);
                assert!(["conflict", "unreadable"].contains(&row["account"].as_str()), "{row:?}");
            }
            "zip" => assert_eq!(only(&orphans, &[("path", &path)])["account"], "archive"),
            "foreign" if !flat => assert_eq!(only(&orphans, &[("path", &path)])["account"], "not_dicom"),
            // Still read, each with what was odd about it.
            "no_preamble" | "no_meta" if !flat => {
                assert_eq!(account, "used", "{path}");
                assert!(findings.iter().any(|r| r["code"] == format!("file.{fault}")), "{path}: {findings:#?}");
            }
            _ => {}
        }
    }
    // What the patient lost shows in the patient's own rows.
    let lost = listed.iter().any(|f| ["drop", "zip", "empty", "truncate"].iter().any(|k| f["fault"] == **k));
    if lost {
        let clean = bench.table("clean", "qc_findings");
        let of =
            |rows: &[Row]| all(rows, &[("patient_id", "PAT2")]).iter().map(|r| r["what"].clone()).collect::<Vec<_>>();
        assert!(all(&courses, &[("patient_id", "PAT2")]).is_empty() || of(&clean) != of(&findings), "nothing is said");
    }
}

/// Kills at moments spread over the whole of a run, at random within their share, and starts again; `RTPIPELINE_KILLS` asks
/// for more than the three of an ordinary test run.
#[test]
fn a_killed_run_is_resumed_to_the_same_bytes() {
    let Some(generator) = generator() else { return };
    let asked = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    let kills = asked("RTPIPELINE_KILLS").unwrap_or(3);
    let seed = asked("RTPIPELINE_KILL_SEED").unwrap_or(20);
    let bench = Bench::with_cohort(&generator, 2);
    let few = "--radiomics-params few.yaml --workers 2";
    let input = bench.path("in");
    let start = Instant::now();
    expect_code(&bench.run("clean", few), 0);
    let whole = start.elapsed();
    let wanted = bench.snapshot("clean");
    let mut dice = Dice(seed);
    for n in 0..kills {
        let out = format!("killed{n}");
        let moment = whole.mul_f64((n as f64 + dice.roll()) / kills as f64);
        let mark = format!("{}-{n}", bench.path("killed").display());
        let mut command = bench.command(&input, &out, few);
        command.env("KILL_DRILL", &mark);
        let mut child = spawn(command);
        std::thread::sleep(moment);
        child.kill().expect("killed or already over");
        child.wait().expect("it ends");
        assert_eq!(left_over(&mark), Vec::<String>::new(), "processes after a kill at {moment:?}");
        if bench.path(&out).is_dir() {
            no_half_files(&wanted, &bench.snapshot(&out), &format!("kill {n} at {moment:?}"));
        }
        expect_code(&bench.run(&out, few), 0);
        assert_same(&wanted, &bench.snapshot(&out), &format!("kill {n} at {moment:?} of {whole:?}, seed {seed}"));
        for scratch in ["_RUN/attempts", "_RUN"] {
            let end = if scratch == "_RUN" { ".tmp" } else { "" };
            let left = files_ending(&bench.path(&out).join(scratch), end);
            assert!(left.is_empty(), "scratch of dead attempts: {left:?}");
        }
    }
}

/// What is there under its final name is whole: it has the bytes that an undisturbed run gives. Tables are made anew at the
/// end of a run, from the units that are done by then, so they may be of the run before; half written they may not be.
fn no_half_files(wanted: &Snapshot, got: &Snapshot, when: &str) {
    for (path, digest) in got.iter().filter(|(p, _)| !p.starts_with("_RESULTS/")) {
        let scratch = path.rsplit('/').next().is_some_and(|name| name.starts_with('.'));
        assert!(scratch || wanted.get(path) == Some(digest), "{when}: {path} is not whole");
    }
}

/// Living processes that inherited the mark, waited for a little: the system ends them when it gets to it.
fn left_over(mark: &str) -> Vec<String> {
    let entry = format!("KILL_DRILL={mark}");
    let living = || -> Vec<String> {
        let alive = |dir: &Path| {
            let stat = std::fs::read_to_string(dir.join("stat")).unwrap_or_default();
            stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['Z', 'X']))
        };
        let marked = |dir: &Path| {
            let environ = std::fs::read(dir.join("environ")).unwrap_or_default();
            environ.split(|b| *b == 0).any(|e| e == entry.as_bytes())
        };
        let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        all.map(|e| e.path()).filter(|p| marked(p) && alive(p)).map(|p| p.display().to_string()).collect()
    };
    let start = Instant::now();
    loop {
        let found = living();
        if found.is_empty() || start.elapsed() > Duration::from_secs(20) {
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
