//! The same bytes whatever the number of workers, the order, or interruptions; a second run does nothing; one run at a time.

mod common;

use common::{Bench, assert_same, expect_code, files_ending, generator, parquet_rows, said, signal, spawn};
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant, SystemTime};

const FEW: &str = "--radiomics-params few.yaml";

#[test]
fn workers_and_order_change_no_byte() {
    let Some(generator) = generator() else { return };
    let bench = Bench::with_cohort(&generator, 2);
    expect_code(&bench.run("one", &format!("{FEW} --workers 1")), 0);
    let wanted = bench.snapshot("one");
    assert!(wanted.keys().any(|k| k.ends_with("report.html")) && wanted.contains_key("_RESULTS/radiomics_ct.xlsx"));
    for (out, more) in [
        ("two", "--workers 2"),
        ("four", "--workers 4"),
        ("shuffled", "--workers 2 --order random:1"),
        ("staged", "--workers 3 --order smallest-first --set run.scheduler=staged"),
    ] {
        expect_code(&bench.run(out, &format!("{FEW} {more}")), 0);
        assert_same(&wanted, &bench.snapshot(out), more);
    }
    // Not only equal, but full.
    let features = bench.table("one", "radiomics_ct");
    assert!(features.iter().filter(|r| r["Status"] == "ok").count() >= 6, "{features:?}");
    assert_eq!(bench.table("one", "dvh_metrics").iter().filter(|r| r["Status"] == "ok").count(), 14);
    let curves = parquet_rows(&bench.path("one/_RESULTS/dvh_curves.parquet"));
    assert!(curves.len() > 1000, "{}", curves.len());
}

#[test]
fn a_second_run_does_nothing_and_says_so() {
    let Some(generator) = generator() else { return };
    let bench = Bench::with_cohort(&generator, 2);
    expect_code(&bench.run("out", FEW), 0);
    let (wanted, records) = (bench.snapshot("out"), times(&bench.path("out/_RUN/units")));
    assert!(records.len() >= 20, "{records:?}");
    let second = bench.run("out", FEW);
    expect_code(&second, 0);
    assert!(second.err.contains("up to date; nothing was done"), "{}", second.err);
    assert_same(&wanted, &bench.snapshot("out"), "second run");
    assert_eq!(records, times(&bench.path("out/_RUN/units")), "records were written again");
    // Tables and pages can be made again from the records alone.
    for table in files_ending(&bench.path("out/_RESULTS"), ".csv") {
        std::fs::remove_file(table).expect("removed");
    }
    let mut report = std::process::Command::new(env!("CARGO_BIN_EXE_rtpipeline"));
    report.arg("report").arg(bench.path("out")).current_dir(bench.path("."));
    expect_code(&said(report), 0);
    assert_same(&wanted, &bench.snapshot("out"), "report");
}

#[test]
fn an_interrupted_run_is_resumed_to_the_same_bytes() {
    let Some(generator) = generator() else { return };
    let bench = Bench::with_cohort(&generator, 2);
    expect_code(&bench.run("whole", FEW), 0);
    let input = bench.path("in");
    // Interrupted as soon as one unit is done, so that there is something to keep and something to do.
    let child = spawn(bench.command(&input, "out", &format!("{FEW} --workers 1")));
    wait_for(|| !files_ending(&bench.path("out/_RUN/units"), ".json").is_empty());
    signal(&child, "INT");
    let status = end(child);
    assert_eq!(status.code(), Some(130), "{status:?}");
    let kept = times(&bench.path("out/_RUN/units"));
    assert!(!kept.is_empty());
    let resumed = bench.run("out", FEW);
    expect_code(&resumed, 0);
    assert_same(&bench.snapshot("whole"), &bench.snapshot("out"), "resumed");
    let now = times(&bench.path("out/_RUN/units"));
    assert!(kept.iter().all(|k| now.contains(k)), "finished units were done again");
}

#[test]
fn one_run_at_a_time() {
    let Some(generator) = generator() else { return };
    let bench = Bench::with_cohort(&generator, 2);
    let input = bench.path("in");
    let first = spawn(bench.command(&input, "out", FEW));
    wait_for(|| std::fs::metadata(bench.path("out/_RUN/lock")).is_ok_and(|m| m.len() > 0));
    signal(&first, "STOP");
    // The second run comes with another input: nothing of it may get into the state of the first.
    std::fs::create_dir(bench.path("other")).expect("a folder");
    let second = said(bench.command(&bench.path("other"), "out", FEW));
    let mut report = std::process::Command::new(env!("CARGO_BIN_EXE_rtpipeline"));
    report.arg("report").arg(bench.path("out"));
    let report = said(report);
    signal(&first, "CONT");
    let id = first.id().to_string();
    let status = end(first);
    expect_code(&second, 5);
    assert!(second.err.contains(&format!("process {id} on ")), "{}", second.err);
    expect_code(&report, 5);
    assert_eq!(status.code(), Some(0), "{status:?}");
    expect_code(&bench.run("alone", FEW), 0);
    assert_same(&bench.snapshot("alone"), &bench.snapshot("out"), "the first of two runs");
}

/// Modification times of the records by path.
fn times(dir: &Path) -> Vec<(String, SystemTime)> {
    files_ending(dir, ".json")
        .into_iter()
        .map(|p| {
            let time = std::fs::metadata(&p).and_then(|m| m.modified()).expect("a time");
            (p.display().to_string(), time)
        })
        .collect()
}

/// Waits for something that happens soon; a limit only so that a defect does not hang the tests.
fn wait_for(mut happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < Duration::from_mins(2), "it never happened");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn end(mut child: std::process::Child) -> ExitStatus {
    child.wait().expect("it ends")
}
