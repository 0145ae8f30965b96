//! Sub-commands: help, wrong arguments, exit codes, completions, a reader that goes away.

mod regress_common;

use regress_common::*;
use std::io::Read as _;
use std::process::Stdio;

/// Every sub-command, and a word of its help.
const COMMANDS: &[(&str, &str)] = &[
    ("run", "--dicom-root"),
    ("demo", "--patients"),
    ("doctor", "--json"),
    ("validate", "--strict"),
    ("status", "--watch"),
    ("explain", "COURSE"),
    ("config", "schema"),
    ("config show", "--json"),
    ("config default", "--help"),
    ("config schema", "--help"),
    ("scan", "--out"),
    ("convert", "--series-uid"),
    ("masks", "--label-map"),
    ("dvh", "--plan"),
    ("radiomics", "--batch"),
    ("report", "OUTDIR"),
    ("unit", "FILE"),
    ("completions", "SHELL"),
];

#[test]
fn every_command_has_help_and_refuses_what_it_does_not_know() {
    let dir = tempfile::tempdir().expect("a folder");
    let overview = words(dir.path(), "--help");
    expect_code(&overview, 0);
    for (command, word) in COMMANDS {
        let said = words(dir.path(), &format!("{command} --help"));
        expect_code(&said, 0);
        assert!(said.out.contains(word) && said.err.is_empty(), "{command}: {}", said.out);
        let first = command.split(' ').next().unwrap_or_default();
        assert!(overview.out.lines().any(|l| l.trim_start().starts_with(first)), "{first} is not in the overview");
        let said = words(dir.path(), &format!("{command} --no-such-option"));
        expect_code(&said, 2);
        assert!(said.err.contains("--no-such-option") && said.err.contains("Usage"), "{command}: {}", said.err);
        assert!(said.out.is_empty() && !said.err.contains("panicked"), "{command}");
    }
    expect_code(&words(dir.path(), "--version"), 0);
    let said = words(dir.path(), "organise");
    expect_code(&said, 2);
    assert!(said.err.contains("organise"), "{}", said.err);
    assert!(std::fs::read_dir(dir.path()).expect("a folder").next().is_none(), "something was written");
}

#[test]
fn arguments_that_lack_or_name_nothing_end_with_their_code() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("text"), "no DICOM").expect("written");
    for (line, code, word) in [
        ("run", 2, "--dicom-root"),
        ("run --dicom-root", 2, "--dicom-root"),
        ("run --dicom-root nowhere", 4, "nowhere"),
        ("run --dicom-root text", 4, "text"),
        ("run --config nowhere.yaml --dicom-root .", 2, "nowhere.yaml"),
        ("demo --patients 0", 2, "--patients"),
        ("demo --dicom-root x", 2, "own input"),
        ("validate nowhere.yaml", 2, "nowhere.yaml"),
        ("status nowhere", 4, "nowhere"),
        ("explain nowhere P", 4, "nowhere"),
        ("explain", 2, "OUTDIR"),
        ("config", 2, "config"),
        ("scan", 2, "DIR"),
        ("scan nowhere", 4, "nowhere"),
        ("convert nowhere o.nii.gz", 4, "nowhere"),
        ("convert . o.nii.gz", 4, "image"),
        ("masks nowhere . --out m", 4, "nowhere"),
        ("masks text . --out m", 4, "text"),
        ("dvh nowhere nowhere", 4, "nowhere"),
        ("dvh text text", 4, "text"),
        ("radiomics nowhere nowhere", 4, "nowhere"),
        ("radiomics --batch nowhere.csv", 2, "nowhere.csv"),
        ("radiomics a b --batch c.csv", 2, "--batch"),
        ("radiomics", 2, "IMAGE"),
        ("report nowhere", 4, "nowhere"),
        ("unit nowhere", 2, "nowhere"),
        ("completions dos", 2, "dos"),
    ] {
        let said = words(dir.path(), line);
        assert_eq!(said.code, code, "{line}: {} {}", said.out, said.err);
        assert!(said.err.to_lowercase().contains(&word.to_lowercase()), "{line}: {}", said.err);
        assert!(!said.err.contains("panicked") && !said.err.contains("RUST_BACKTRACE"), "{line}: {}", said.err);
    }
}

#[test]
fn completions_know_commands_and_options() {
    let dir = tempfile::tempdir().expect("a folder");
    for shell in ["bash", "zsh", "fish"] {
        let said = words(dir.path(), &format!("completions {shell}"));
        expect_code(&said, 0);
        for word in ["rtpipeline", "doctor", "radiomics", "seg-workers"] {
            assert!(said.out.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let dir = tempfile::tempdir().expect("a folder");
    for line in ["config default", "config schema", "completions zsh", "run --help", "config show", "doctor"] {
        let mut c = program(dir.path());
        c.args(line.split(' ')).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = c.spawn().expect("the program starts");
        // Closed before a byte was read.
        drop(child.stdout.take());
        let mut err = String::new();
        child.stderr.take().expect("a pipe").read_to_string(&mut err).expect("text");
        let status = child.wait().expect("an end");
        assert_eq!((status.code(), err.as_str()), (Some(0), ""), "{line}");
    }
}

fn one_patient() -> Bench {
    let bench = Bench::new();
    let s = Study::new(&bench.input(), "P1", "plan", "f");
    let set = s.structures("RS", "s", &[("PTV", "PTV", bars([-8.0, 8.0], [-8.0, 8.0], slices(8..=10)))]);
    let plan = s.plan("RP", "p", "20240110", 20.0, 10, &set.sop_instance_uid);
    s.dose("RD", &plan.sop_instance_uid, |_| 20.0);
    bench
}

const QUICK: &str = "--no-segmentation --no-radiomics --no-visualize --custom-structures none";

#[test]
fn exit_codes_of_runs() {
    // 0: done, and fresh the second time; the word `run` may be left out.
    let bench = one_patient();
    expect_code(&bench.run(QUICK), 0);
    let again = words(bench.here(), &format!("--dicom-root in --outdir out --logs Logs {QUICK}"));
    expect_code(&again, 0);
    assert!(again.err.contains("nothing was done"), "{}", again.err);
    // 5: the folder is held by another process, which is named.
    let lock = rtpipeline_engine::RunLock::take(&bench.out("_RUN")).expect("the lock");
    let busy = bench.run(QUICK);
    expect_code(&busy, 5);
    assert!(busy.err.contains(&std::process::id().to_string()), "{}", busy.err);
    drop(lock);
    expect_code(&bench.run(QUICK), 0);
    // 4: no usable input, in an empty folder and in one without DICOM; the accounts are written.
    let empty = Bench::new();
    let said = empty.run(QUICK);
    expect_code(&said, 4);
    assert!(said.err.contains("no course was found"), "{}", said.err);
    empty.file("in/notes.txt", "nothing of use\n");
    expect_code(&empty.run(QUICK), 4);
    assert_eq!(only(&empty.table("orphans"), &[("path", "notes.txt")])["account"], "not_dicom");
    // 3: a program that is asked for by name and not there.
    let said = bench.run_to("other", "--set segmentation.engine=totalsegmentator --totalseg no_such_program");
    expect_code(&said, 3);
    assert!(said.err.contains("no_such_program"), "{}", said.err);
    // 20: finished, and a unit failed.
    let program = bench.script("broken", "#!/bin/sh\necho 'it broke' >&2\nexit 1\n");
    let said = bench.run_to(
        "failed",
        &format!(
            "--no-radiomics --no-visualize --set segmentation.engine=totalsegmentator --totalseg {} --set run.attempts=1",
            program.display()
        ),
    );
    expect_code(&said, 20);
    let rows = bench.table_of("failed", "failures");
    let row = only(&rows, &[("stage", "segmentation")]);
    assert_eq!(row["kind"], "Program", "{row:#?}");
    assert!(row["message"].contains("it broke"), "{row:#?}");
    assert!(!bench.table_of("failed", "dvh_metrics").is_empty(), "the DVH does not depend on it");
}

#[test]
fn a_folder_that_cannot_be_written_is_told_before_any_work() {
    let bench = one_patient();
    bench.file("out", "a file where the folder should be");
    let said = bench.run(QUICK);
    expect_code(&said, 2);
    assert!(said.err.contains("out/_RUN") && said.err.contains("--outdir"), "{}", said.err);
}

#[test]
fn output_and_input_may_lie_anywhere_but_not_in_one_place() {
    let bench = one_patient();
    // A path that climbs is a path like any other.
    std::fs::create_dir_all(bench.here().join("deep")).expect("a folder");
    expect_code(&bench.run_to("deep/../climbed", QUICK), 0);
    assert!(!bench.table_of("climbed", "dvh_metrics").is_empty());
    // In the input folder itself the results would become input.
    let said = bench.run_to("in", QUICK);
    expect_code(&said, 2);
    assert!(said.err.contains("hint"), "{}", said.err);
    assert!(!bench.input().join("_RUN").exists(), "something was written");
}
