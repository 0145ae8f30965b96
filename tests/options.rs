//! Every option, configuration key and environment variable of the original program: it works, or it is refused with the
//! sentence that names what replaces it. The lists are written out here, so that they do not follow the program's own.

mod regress_common;

use regress_common::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

/// The effective configuration with these words on the command line.
fn shown(here: &Path, words: &[&str]) -> Value {
    let said = rtpipeline(here, &[&["config", "show", "--json"], words].concat());
    expect_code(&said, 0);
    serde_json::from_str(&said.out).expect("JSON")
}

#[test]
fn options_that_set_something() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("config.yaml"), "segmentation:\n  force_split: false\n").expect("written");
    // Words, key, value.
    let table: &[(&[&str], &str, Value)] = &[
        (&["--dicom-root", "d"], "dicom_root", json!("d")),
        (&["--outdir", "d"], "output_dir", json!("d")),
        (&["--logs", "d"], "logs_dir", json!("d")),
        (&["--merge-criteria", "same_ct_study"], "organize.merge_criteria", json!("same_ct_study")),
        (&["--merge-criteria", "frame_of_reference"], "organize.merge_criteria", json!("frame_of_reference")),
        (&["--max-days", "30"], "organize.max_days", json!(30)),
        (&["--no-segmentation"], "segmentation.enabled", json!(false)),
        (&["--no-dvh"], "dvh.enabled", json!(false)),
        (&["--no-visualize"], "report.enabled", json!(false)),
        (&["--no-radiomics"], "radiomics.enabled", json!(false)),
        (&["--no-metadata"], "organize.metadata", json!(false)),
        (&["--force-segmentation"], "segmentation.force", json!(true)),
        (&["--max-workers", "3"], "run.workers", json!(3)),
        (&["--workers", "3"], "run.workers", json!(3)),
        (&["--workers", "auto"], "run.workers", json!("auto")),
        (&["--seg-workers", "2"], "segmentation.workers", json!(2)),
        (&["--seg-proc-threads", "5"], "segmentation.threads_per_worker", json!(5)),
        (&["--radiomics-proc-threads", "2"], "radiomics.thread_limit", json!(2)),
        (&["--custom-model-workers", "2"], "custom_models.workers", json!(2)),
        (&["--task-timeout", "77"], "run.task_timeout", json!(77.0)),
        (&["--totalseg-timeout", "88"], "segmentation.timeout", json!(88.0)),
        (&["--radiomics-task-timeout", "99"], "radiomics.task_timeout", json!(99.0)),
        (&["--totalseg", "TS"], "segmentation.totalsegmentator", json!("TS")),
        // The key itself is never shown.
        (&["--totalseg-license", "aca_X"], "segmentation.license", json!("(set)")),
        (&["--totalseg-weights", "w"], "segmentation.weights", json!("w")),
        (
            &["--extra-seg-models", "a,b", "--extra-seg-models", "c"],
            "segmentation.extra_models",
            json!(["a", "b", "c"]),
        ),
        (&["--totalseg-fast"], "segmentation.fast", json!(true)),
        (&["--totalseg-roi-subset", "liver,spleen"], "segmentation.roi_subset", json!(["liver", "spleen"])),
        (&["--totalseg-device", "gpu"], "segmentation.device", json!("gpu")),
        (&["--totalseg-device", "cpu"], "segmentation.device", json!("cpu")),
        (&["--totalseg-device", "mps"], "segmentation.device", json!("mps")),
        (&["--totalseg-nr-thr-resamp", "2"], "segmentation.nr_threads_resample", json!(2)),
        (&["--totalseg-nr-thr-saving", "3"], "segmentation.nr_threads_save", json!(3)),
        (&["--totalseg-num-proc-pre", "4"], "segmentation.num_proc_preprocessing", json!(4)),
        (&["--totalseg-num-proc-export", "5"], "segmentation.num_proc_export", json!(5)),
        (&["--totalseg-force-split"], "segmentation.force_split", json!(true)),
        (&["--no-totalseg-force-split"], "segmentation.force_split", json!(false)),
        (&["--totalseg-allow-fallback"], "segmentation.allow_fallback", json!(true)),
        (&["--seg-temp-dir", "t"], "segmentation.temp_dir", json!("t")),
        (&["--custom-models-root", "m"], "custom_models.root", json!("m")),
        (&["--custom-models-root", "m"], "custom_models.enabled", json!(true)),
        (&["--custom-model", "A", "--custom-model", "B"], "custom_models.models", json!(["A", "B"])),
        (&["--custom-model-only", "A"], "custom_models.models", json!(["A"])),
        (&["--custom-model", "A"], "custom_models.enabled", json!(true)),
        (&["--force-custom-models"], "custom_models.force", json!(true)),
        (&["--nnunet-predict", "p"], "custom_models.nnunet_predict", json!("p")),
        (&["--custom-structures", "c.yaml"], "custom_structures", json!("c.yaml")),
        (&["--radiomics-params", "p.yaml"], "radiomics.params_file", json!("p.yaml")),
        (&["--radiomics-params-mr", "p.yaml"], "radiomics.mr_params_file", json!("p.yaml")),
        (&["--sequential-radiomics"], "radiomics.sequential", json!(true)),
        (
            &["--radiomics-skip-roi", "a,b;c", "--radiomics-skip-roi", "d"],
            "radiomics.skip_rois",
            json!(["a", "b", "c", "d"]),
        ),
        (&["--radiomics-max-voxels", "1000"], "radiomics.max_voxels", json!(1000)),
        (&["--radiomics-min-voxels", "10"], "radiomics.min_voxels", json!(10)),
        // Ours (contracts of the command line).
        (&["--no-qc"], "qc.enabled", json!(false)),
        (&["--order", "random:7"], "run.order", json!("random:7")),
        (&["--executor", "local"], "run.executor", json!("local")),
        (&["--set", "dvh.curve_step_gy=0.5"], "dvh.curve_step_gy", json!(0.5)),
    ];
    for (words, key, value) in table {
        let c = shown(dir.path(), words);
        assert_eq!(c[*key]["value"], *value, "{words:?}");
        let origin = c[*key]["origin"].as_str().unwrap_or_default();
        assert!(origin.starts_with("option --"), "{words:?}: {origin}");
        assert!(c.to_string().len() > 2000 && !c.to_string().contains("aca_X"), "{words:?}");
        // `run` knows the same words.
        let run = [&["run"][..], words, &["--dicom-root", "nowhere", "--dry-run"]].concat();
        let run = if words[0] == "--dicom-root" { vec!["run", "--dicom-root", "d", "--dry-run"] } else { run };
        let said = rtpipeline(dir.path(), &run);
        assert!(!said.err.contains("unexpected argument"), "{words:?}: {}", said.err);
    }
}

#[test]
fn values_that_cannot_be_are_refused_with_what_is_allowed() {
    let dir = tempfile::tempdir().expect("a folder");
    for (option, value, wanted) in [
        ("--merge-criteria", "patient", "frame_of_reference"),
        ("--max-days", "soon", "number"),
        ("--workers", "0", "at least 1"),
        ("--seg-workers", "-1", "at least 1"),
        ("--totalseg-device", "tpu", "gpu, cpu, mps"),
        ("--task-timeout", "0", "at least 1"),
        ("--radiomics-min-voxels", "1.5", "whole number"),
        ("--order", "backwards", "smallest-first"),
        ("--executor", "slurm", "local"),
        ("--stage", "harmonize", "segmentation_custom"),
        ("--set", "radiomics.min_voxles=1", "radiomics.min_voxels"),
        ("--set", "radiomics.min_voxels", "KEY=VALUE"),
    ] {
        let said = rtpipeline(dir.path(), &["run", "--dicom-root", ".", "--outdir", "o", option, value]);
        expect_code(&said, 2);
        assert!(
            said.err.contains(wanted) && said.err.contains(option.trim_start_matches("--")),
            "{option}: {}",
            said.err
        );
        assert!(!dir.path().join("o").exists(), "{option} {value}: something was started");
    }
}

/// Options and sub-commands that are gone, with a word of what replaces them.
const REFUSED: &[(&str, &str)] = &[
    ("run --manifest m.json", "_RUN"),
    ("--dicom-root d --manifest=m.json", "_RUN"),
    ("run --dcm2niix-timeout 300", "converted by the program itself"),
    ("run --dcm2niix dcm2niix", "converted by the program itself"),
    ("run --conda-activate x", "full path"),
    ("run --custom-model-conda-activate x", "full path"),
    ("run --purge-custom-model-weights", "custom_models/README.md"),
    ("doctor --logs Logs", "doctor writes no logs"),
    ("doctor --conda-activate x", "full path"),
    ("doctor --dcm2niix x", "converted by the program itself"),
    ("radiomics-robustness --course-dir c --output o.parquet", "rtpipeline radiomics --batch"),
    ("radiomics-robustness-aggregate --inputs a --output o.xlsx", "rtpipeline radiomics --batch"),
    ("federation contract --contract-id c", "_RESULTS"),
    ("federation export --input a --output b", "_RESULTS"),
    ("federation aggregate --packet a --packet b --output c", "_RESULTS"),
    ("tcia-rider-lung-ct --input-dir d", "--dicom-root"),
    ("rider-manifest --input-dir d --report r", "--dicom-root"),
];

#[test]
fn what_is_gone_is_refused_with_what_replaces_it() {
    let dir = tempfile::tempdir().expect("a folder");
    for (line, instead) in REFUSED {
        let said = words(dir.path(), line);
        expect_code(&said, 2);
        assert!(said.err.contains(instead), "{line}: {}", said.err);
        assert!(said.err.contains("no longer an option") || said.err.contains("not a command"), "{line}: {}", said.err);
        assert!(said.out.is_empty() && std::fs::read_dir(dir.path()).expect("a folder").next().is_none(), "{line}");
    }
}

#[test]
fn options_of_doctor_and_validate() {
    let bench = Bench::new();
    let program = bench.script("mine", "#!/bin/sh\n");
    let said = words(bench.here(), &format!("doctor --json --totalseg {}", program.display()));
    assert!(said.out.contains(&program.display().to_string()), "{}", said.out);
    let config = bench.file("c.yaml", "dvh:\n  curve_step_gy: 0.2\n");
    for line in ["validate --config c.yaml", "validate c.yaml"] {
        let said = words(bench.here(), &format!("{line} --dicom-root in"));
        expect_code(&said, 0);
        assert!(said.out.contains("c.yaml") && said.out.contains("input folder in"), "{line}: {}", said.out);
    }
    let said = words(bench.here(), "validate --dicom-root nowhere");
    expect_code(&said, 0);
    assert!(said.out.contains("warning") && said.out.contains("nowhere"), "{}", said.out);
    expect_code(&words(bench.here(), "validate --dicom-root nowhere --strict"), 3);
    expect_code(&words(bench.here(), &format!("validate c.yaml --config {}", config.display())), 2);
}

/// What becomes of a key of a configuration file.
enum Fate {
    /// It sets this key to this value.
    Sets(&'static str, Value),
    /// It is refused; a word of the sentence.
    Gone(&'static str),
}
use Fate::{Gone, Sets};

/// Every key of the original's configuration, as YAML flow text, and what becomes of it.
fn keys() -> Vec<(&'static str, &'static str, Fate)> {
    let same = |key: &'static str, yaml: &'static str, value: Value| (key, yaml, Sets(key, value));
    let moved = |key: &'static str, yaml: &'static str, to: &'static str, value: Value| (key, yaml, Sets(to, value));
    let gone = |key: &'static str, yaml: &'static str, word: &'static str| (key, yaml, Gone(word));
    vec![
        same("dicom_root", "Input", json!("Input")),
        same("output_dir", "Output2", json!("Output2")),
        same("logs_dir", "Logs2", json!("Logs2")),
        moved("max_workers", "6", "run.workers", json!(6)),
        moved("workers", "6", "run.workers", json!(6)),
        gone("snakemake_job_threads", "4", "run.workers"),
        gone("container_mode", "true", "one binary"),
        gone("container_env_prefix", "/opt/conda/envs", "one binary"),
        gone("environments.main", "rtpipeline", "segmentation.totalsegmentator"),
        gone("environments.radiomics", "rtpipeline-radiomics", "segmentation.totalsegmentator"),
        gone("scheduler.reserved_cores", "1", "run.workers"),
        gone("scheduler.parallel_courses", "2", "run.workers"),
        gone("scheduler.dvh_threads_per_job", "4", "run.workers"),
        gone("scheduler.radiomics_threads_per_job", "4", "run.workers"),
        gone("scheduler.qc_threads_per_job", "2", "run.workers"),
        gone("scheduler.crop_ct_threads_per_job", "2", "run.workers"),
        gone("scheduler.robustness_threads_per_job", "2", "run.workers"),
        gone("scheduler.prioritize_short_courses", "true", "smallest-first"),
        same("segmentation.device", "cpu", json!("cpu")),
        same("segmentation.fast", "true", json!(true)),
        same("segmentation.force", "true", json!(true)),
        same("segmentation.roi_subset", "[liver, spleen]", json!(["liver", "spleen"])),
        same("segmentation.roi_subset", "\"liver,spleen\"", json!(["liver", "spleen"])),
        same("segmentation.extra_models", "[body]", json!(["body"])),
        moved("segmentation.max_workers", "2", "segmentation.workers", json!(2)),
        same("segmentation.workers", "2", json!(2)),
        same("segmentation.workers", "auto", json!("auto")),
        same("segmentation.workers", "all", json!("all")),
        same("segmentation.threads_per_worker", "3", json!(3)),
        same("segmentation.force_split", "false", json!(false)),
        same("segmentation.nr_threads_resample", "2", json!(2)),
        same("segmentation.nr_threads_save", "2", json!(2)),
        same("segmentation.num_proc_preprocessing", "2", json!(2)),
        same("segmentation.num_proc_export", "2", json!(2)),
        same("segmentation.temp_dir", "/scratch", json!("/scratch")),
        same("custom_models.enabled", "true", json!(true)),
        same("custom_models.root", "models", json!("models")),
        same("custom_models.models", "[A, B]", json!(["A", "B"])),
        moved("custom_models.max_workers", "2", "custom_models.workers", json!(2)),
        same("custom_models.workers", "2", json!(2)),
        same("custom_models.force", "true", json!(true)),
        same("custom_models.nnunet_predict", "predict", json!("predict")),
        gone("custom_models.conda_activate", "x", "custom_models.nnunet_predict"),
        gone("custom_models.retain_weights", "false", "custom_models/README.md"),
        same("radiomics.enabled", "false", json!(false)),
        same("radiomics.sequential", "true", json!(true)),
        same("radiomics.params_file", "p.yaml", json!("p.yaml")),
        same("radiomics.mr_params_file", "p.yaml", json!("p.yaml")),
        same("radiomics.thread_limit", "4", json!(4)),
        same("radiomics.skip_rois", "[body, bones]", json!(["body", "bones"])),
        same("radiomics.max_voxels", "15000000", json!(15_000_000)),
        same("radiomics.min_voxels", "120", json!(120)),
        gone("radiomics.max_parallel_courses", "1", "radiomics.workers"),
        gone("radiomics_robustness.enabled", "true", "not part of this version"),
        gone("radiomics_robustness.modes", "[segmentation_perturbation]", "not part of this version"),
        gone(
            "radiomics_robustness.segmentation_perturbation.apply_to_structures",
            "[GTV*]",
            "not part of this version",
        ),
        gone("radiomics_robustness.segmentation_perturbation.small_volume_changes", "[0]", "not part of this version"),
        gone("radiomics_robustness.segmentation_perturbation.large_volume_changes", "[0]", "not part of this version"),
        gone("radiomics_robustness.segmentation_perturbation.max_translation_mm", "4", "not part of this version"),
        gone(
            "radiomics_robustness.segmentation_perturbation.n_random_contour_realizations",
            "2",
            "not part of this version",
        ),
        gone(
            "radiomics_robustness.segmentation_perturbation.contour_randomization_mm",
            "0",
            "not part of this version",
        ),
        gone("radiomics_robustness.segmentation_perturbation.noise_levels", "[0]", "not part of this version"),
        gone("radiomics_robustness.segmentation_perturbation.intensity", "standard", "not part of this version"),
        gone("radiomics_robustness.metrics.icc.implementation", "pingouin", "not part of this version"),
        gone("radiomics_robustness.metrics.icc.icc_type", "ICC3", "not part of this version"),
        gone("radiomics_robustness.metrics.icc.ci", "true", "not part of this version"),
        gone("radiomics_robustness.metrics.cov.enabled", "true", "not part of this version"),
        gone("radiomics_robustness.metrics.qcd.enabled", "true", "not part of this version"),
        gone("radiomics_robustness.thresholds.icc.robust", "0.9", "not part of this version"),
        gone("radiomics_robustness.thresholds.icc.acceptable", "0.75", "not part of this version"),
        gone("radiomics_robustness.thresholds.cov.robust_pct", "10", "not part of this version"),
        gone("radiomics_robustness.thresholds.cov.acceptable_pct", "20", "not part of this version"),
        same("ct_cropping.enabled", "true", json!(true)),
        same("ct_cropping.region", "pelvis", json!("pelvis")),
        same("ct_cropping.region", "thorax", json!("thorax")),
        same("ct_cropping.region", "abdomen", json!("abdomen")),
        same("ct_cropping.region", "head_neck", json!("head_neck")),
        same("ct_cropping.region", "brain", json!("brain")),
        same("ct_cropping.superior_margin_cm", "3", json!(3.0)),
        same("ct_cropping.inferior_margin_cm", "10", json!(10.0)),
        same("ct_cropping.use_cropped_for_dvh", "true", json!(true)),
        gone("ct_cropping.use_cropped_for_radiomics", "true", "whole image"),
        gone("ct_cropping.keep_original", "true", "always kept"),
        gone("organize.dedup_by_sop_uid", "true", "files"),
        moved("organize.use_hardlinks", "true", "organize.files", json!("link")),
        moved("organize.use_hardlinks", "false", "organize.files", json!("copy")),
        gone("organize.verify_checksum", "true", "digested"),
        gone("organize.cache_headers", "true", "reused"),
        gone("organize.do_segment_all_series", "true", "rtpipeline convert"),
        gone("organize.all_series_segment_classes", "CT", "rtpipeline convert"),
        gone("organize.all_series_fourdct_single_representative", "true", "rtpipeline convert"),
        gone("organize.all_series_materialize_classes", "CT", "rtpipeline convert"),
        gone("organize.inventory_db_path", "i.sqlite", "files"),
        gone("organize.inventory_scan_run_id", "1", "files"),
        gone("organize.inventory_patient_ids", "[a]", "--course-filter"),
        gone("pet.do_ingest_pet_suv", "true", "not part of this version"),
        gone("pet.suv_decay_guard_tol", "0.02", "not part of this version"),
        gone("pet.suv_zextent_primary_fraction", "0.9", "not part of this version"),
        gone("pet.pet_clinical_weight_window_days", "30", "not part of this version"),
        gone("aggregation.threads", "auto", "run.workers"),
        same("custom_structures", "mine.yaml", json!("mine.yaml")),
        same("qc.enabled", "false", json!(false)),
    ]
}

/// `a.b.c: value` as nested mappings; the innermost key is on the last line.
fn nested(key: &str, value: &str) -> String {
    let words: Vec<&str> = key.split('.').collect();
    let mut text = String::new();
    for (depth, word) in words.iter().enumerate() {
        let end = if depth + 1 == words.len() { format!(": {value}\n") } else { ":\n".to_owned() };
        text.push_str(&format!("{}{word}{end}", "  ".repeat(depth)));
    }
    text
}

#[test]
fn every_configuration_key_of_the_original() {
    let bench = Bench::new();
    for (key, yaml, fate) in keys() {
        bench.file("c.yaml", &nested(key, yaml));
        let said = words(bench.here(), "config show --json --config c.yaml");
        match fate {
            Sets(target, value) => {
                expect_code(&said, 0);
                let c: Value = serde_json::from_str(&said.out).expect("JSON");
                assert_eq!(c[target]["value"], value, "{key}: {yaml}");
                let line = key.split('.').count();
                assert_eq!(c[target]["origin"], format!("c.yaml:{line}"), "{key}");
                if key != target {
                    let told = words(bench.here(), "validate c.yaml");
                    assert!(told.out.contains(key) && told.out.contains(target), "{key}: {}", told.out);
                }
            }
            Gone(word) => {
                expect_code(&said, 2);
                assert!(said.err.contains("c.yaml:") && said.err.contains(word), "{key}: {}", said.err);
                assert!(said.out.is_empty(), "{key}");
            }
        }
    }
}

#[test]
fn unknown_keys_are_errors_with_line_column_and_the_nearest_known_key() {
    let bench = Bench::new();
    for (text, place, near) in [
        ("dvh:\n  enabled: true\nradiomics:\n  min_voxles: 10\n", "c.yaml:4:3", "radiomics.min_voxels"),
        ("segmentaton:\n  device: cpu\n", "c.yaml:1:1", "segmentation"),
        ("dvh: {curve_stepp_gy: 0.1}\n", "c.yaml:1:7", "dvh.curve_step_gy"),
        ("# one\n\nskip_rois: [a]\n", "c.yaml:3:1", "radiomics.skip_rois"),
        ("quite_another_thing: 1\n", "c.yaml:1:1", "rtpipeline config default"),
    ] {
        bench.file("c.yaml", text);
        for command in
            ["config show --config c.yaml", "validate c.yaml", "run --dicom-root in --outdir o --config c.yaml"]
        {
            let said = words(bench.here(), command);
            expect_code(&said, 2);
            assert!(said.err.contains(place) && said.err.contains(near), "{command}: {}", said.err);
            assert!(said.err.contains('^'), "the line is not underlined: {}", said.err);
        }
        assert!(!bench.here().join("o").exists());
    }
}

#[test]
fn layers_command_line_over_environment_over_file_over_default() {
    let bench = Bench::new();
    bench.file("config.yaml", "radiomics:\n  task_timeout: 11\nrun:\n  workers: 2\n");
    let show = |env: Option<&str>, words: &[&str]| {
        let mut c = program(bench.here());
        c.args(["config", "show", "--json"]).args(words);
        if let Some(v) = env {
            c.env("RTPIPELINE_RADIOMICS_TASK_TIMEOUT", v);
        }
        let said = said(c);
        expect_code(&said, 0);
        let c: Value = serde_json::from_str(&said.out).expect("JSON");
        (
            c["radiomics.task_timeout"]["value"].as_f64().expect("a number"),
            c["radiomics.task_timeout"]["origin"].clone(),
        )
    };
    assert_eq!(show(None, &["--config", "/dev/null"]), (600.0, json!("default")));
    assert_eq!(show(None, &[]).0, 11.0);
    assert_eq!(show(Some("22"), &[]), (22.0, json!("environment RTPIPELINE_RADIOMICS_TASK_TIMEOUT")));
    let option = show(Some("22"), &["--radiomics-task-timeout", "33"]);
    assert_eq!(option, (33.0, json!("option --radiomics-task-timeout")));
    // config.custom.yaml goes before config.yaml, and the variable before both.
    bench.file("config.custom.yaml", "radiomics:\n  task_timeout: 44\n");
    assert_eq!(show(None, &[]).0, 44.0);
    let named = bench.file("named.yaml", "radiomics:\n  task_timeout: 55\n");
    let mut c = program(bench.here());
    c.args(["config", "show", "--json"]).env("RTPIPELINE_CONFIGFILE", named);
    let c: Value = serde_json::from_str(&said(c).out).expect("JSON");
    assert_eq!(c["radiomics.task_timeout"]["value"], 55.0);
}

#[test]
fn environment_variables_of_the_original() {
    let bench = Bench::new();
    let with = |name: &str, value: &str, words: &[&str]| {
        let mut c = program(bench.here());
        c.args(words).env(name, value);
        said(c)
    };
    for (name, value, key, wanted) in [
        ("RTPIPELINE_MAX_WORKERS", "3", "run.workers", json!(3)),
        ("RTPIPELINE_INDEX_WORKERS", "8", "run.index_workers", json!(8)),
        ("RTPIPELINE_MEMORY_PER_WORKER_GB", "1.5", "run.memory_per_worker_gb", json!(1.5)),
        ("RTPIPELINE_RADIOMICS_TASK_TIMEOUT", "60", "radiomics.task_timeout", json!(60.0)),
        ("RTPIPELINE_RADIOMICS_THREAD_LIMIT", "2", "radiomics.thread_limit", json!(2)),
        ("RTPIPELINE_RADIOMICS_SEQUENTIAL", "1", "radiomics.sequential", json!(true)),
        ("RTPIPELINE_USE_PARALLEL_RADIOMICS", "0", "radiomics.sequential", json!(true)),
        ("RTPIPELINE_DISABLE_PARALLEL_RADIOMICS", "1", "radiomics.sequential", json!(true)),
        ("RTPIPELINE_RADIOMICS_WORKERS", "5", "radiomics.workers", json!(5)),
        ("TOTALSEG_TIMEOUT", "70", "segmentation.timeout", json!(70.0)),
        ("TOTALSEG_LICENSE", "aca_X", "segmentation.license", json!("(set)")),
        ("TOTALSEG_WEIGHTS_PATH", "w", "segmentation.weights", json!("w")),
    ] {
        let said = with(name, value, &["config", "show", "--json"]);
        expect_code(&said, 0);
        let c: Value = serde_json::from_str(&said.out).expect("JSON");
        assert_eq!(c[key]["value"], wanted, "{name}");
        assert_eq!(c[key]["origin"], format!("environment {name}"));
    }
    for (name, word) in [
        ("RTPIPELINE_RADIOMICS_MP_START", "fresh process"),
        ("RTPIPELINE_RADIOMICS_ENV", "part of the program"),
        ("RTPIPELINE_CONDA_EXE", "no conda"),
        ("RTPIPELINE_RADIOMICS_BATCH", "unit of its own"),
        ("RTPIPELINE_IMAGE_CACHE_SIZE", "cache"),
        ("RTPIPELINE_IMAGE_CACHE_AGE_SEC", "cache"),
        ("RTPIPELINE_ROBUSTNESS_COURSE_TIMEOUT", "not part of this version"),
        ("RTPIPELINE_ROBUSTNESS_PROGRESS_TIMEOUT", "not part of this version"),
        ("RTPIPELINE_ALLOW_DESTRUCTIVE_CT_CLEAR", "ever deleted"),
        ("RTPIPELINE_CLINICAL_ROOT", "DICOM headers"),
        ("DCM2NIIX_TIMEOUT", "by the program itself"),
        ("RTPIPELINE_MAX_WORKER", "RTPIPELINE_MAX_WORKERS"),
    ] {
        let said = with(name, "1", &["validate"]);
        expect_code(&said, 0);
        let line = said.out.lines().find(|l| l.starts_with("warning") && l.contains(name)).unwrap_or_default();
        assert!(line.contains(word), "{name}: {}", said.out);
    }
    expect_code(&with("RTPIPELINE_MAX_WORKERS", "many", &["config", "show"]), 2);
}

/// Two patients, quick to run.
fn two() -> Bench {
    let bench = Bench::new();
    for id in ["P1", "P2"] {
        let s = Study::new(&bench.input().join(id), id, "plan", "f");
        let set = s.structures("RS", "s", &[("PTV", "PTV", bars([-8.0, 8.0], [-8.0, 8.0], slices(8..=10)))]);
        let plan = s.plan("RP", "p", "20240110", 20.0, 10, &set.sop_instance_uid);
        s.dose("RD", &plan.sop_instance_uid, |_| 20.0);
    }
    bench
}

const QUICK: &str = "--no-segmentation --no-radiomics --custom-structures none";

/// Stages that have records, and how many units the last run did and found fresh.
fn stages_and_counts(bench: &Bench, outdir: &str) -> (Vec<String>, [u64; 2]) {
    let said = words(bench.here(), &format!("status {outdir} --json"));
    expect_code(&said, 0);
    let v: Value = serde_json::from_str(&said.out).expect("JSON");
    let stages = v["done"].as_object().expect("a mapping").keys().cloned().collect();
    let events = std::fs::read_to_string(bench.here().join(outdir).join("_RUN/events.jsonl")).expect("events");
    let last = events.lines().rev().find(|l| l.contains("\"run_finished\"")).expect("a finished run");
    let e: Value = serde_json::from_str(last).expect("JSON");
    (stages, ["done", "fresh"].map(|k| e[k].as_u64().expect("a count")))
}

#[test]
fn options_that_act_on_one_run() {
    let bench = two();
    // --dry-run: the plan, and nothing is written.
    let said = bench.run(&format!("{QUICK} --dry-run"));
    expect_code(&said, 0);
    assert!(said.out.contains("organize/P1/2024-01") && said.out.contains("2 courses"), "{}", said.out);
    assert!(!bench.out("").exists() && !bench.here().join("Logs").exists());
    // --stage: that stage and what it needs, in the fixed order whatever the order given.
    for (out, stages) in [("o1", "--stage dvh"), ("o2", "--stage dvh --stage organize")] {
        expect_code(&bench.run_to(out, &format!("{QUICK} {stages}")), 0);
        assert_eq!(stages_and_counts(&bench, out).0, ["dvh", "organize", "structures"], "{stages}");
    }
    // The alias of the original.
    std::fs::create_dir(bench.here().join("models")).expect("a folder");
    let alias = "--stage segmentation_custom_models --custom-models-root models";
    expect_code(&bench.run_to("o3", &format!("{QUICK} {alias}")), 0);
    assert_eq!(stages_and_counts(&bench, "o3").0, ["organize"]);
    // --course-filter: a patient, a course, both; and a name that fits nothing.
    for (out, filter, wanted) in [
        ("f1", "--course-filter P2", vec!["P2"]),
        ("f2", "--course-filter P1/2024-01", vec!["P1"]),
        ("f3", "--course-filter P1 --course-filter P2/2024-01", vec!["P1", "P2"]),
    ] {
        expect_code(&bench.run_to(out, &format!("{QUICK} --stage organize {filter}")), 0);
        let found: Vec<String> = bench.table_of(out, "case_metadata").iter().map(|r| r["patient_id"].clone()).collect();
        assert_eq!(found, wanted, "{filter}");
    }
    let none = bench.run_to("f4", &format!("{QUICK} --course-filter P3"));
    expect_code(&none, 4);
    assert!(none.err.contains("P3"), "{}", none.err);
}

#[test]
fn force_redo_does_fresh_units_again() {
    let bench = two();
    let run = |more: &str| {
        expect_code(&bench.run(&format!("{QUICK} --no-visualize --no-qc {more}")), 0);
        stages_and_counts(&bench, "out").1
    };
    assert_eq!(run(""), [6, 0]);
    assert_eq!(run(""), [0, 6]);
    assert_eq!(run("--force-redo"), [6, 0]);
    assert_eq!(run("--force-redo dvh"), [2, 4]);
    let said = bench.run(&format!("{QUICK} --force-redo harmonize"));
    expect_code(&said, 2);
    // A stage that is forced by a setting and switched off is no contradiction worth stopping for.
    expect_code(&bench.run(&format!("{QUICK} --no-visualize --no-qc --force-segmentation --force-custom-models")), 0);
}

#[test]
fn voice_and_tables() {
    let bench = two();
    let base = format!("{QUICK} --no-visualize --stage organize");
    let run_in = |out: &str, more: &str| {
        let said = words(bench.here(), &format!("run --dicom-root in --outdir {out} --logs {out}_logs {base} {more}"));
        expect_code(&said, 0);
        let dir = bench.here().join(format!("{out}_logs"));
        let log = files_below(&dir).into_iter().find(|f| f.ends_with("run.log")).expect("a log");
        (said, std::fs::read_to_string(dir.join(log)).expect("a log"))
    };
    let (plain, log) = run_in("a", "");
    assert!(plain.err.contains("Organized 2 courses") && !plain.err.contains('\x1b'), "{}", plain.err);
    let lines = log.lines().count();
    for verbose in ["-v", "--verbose", "-vv"] {
        let (_, log) = run_in(&format!("b{}", verbose.len()), verbose);
        assert!(log.contains("DEBUG") && log.lines().count() > lines, "{verbose}: {log}");
    }
    for quiet in ["-q", "--quiet"] {
        let (said, _) = run_in(&format!("c{}", quiet.len()), quiet);
        assert_eq!((said.out.as_str(), said.err.as_str()), ("", ""), "{quiet}");
    }
    let (_, log) = run_in("d", "--json-log");
    assert!(log.lines().count() > 1 && log.lines().all(|l| serde_json::from_str::<Value>(l).is_ok()), "{log}");
    let (colour, _) = run_in("e", "--color always");
    assert!(colour.err.contains('\x1b'), "{}", colour.err);
    let (lines, _) = run_in("f", "--progress plain");
    assert!(lines.err.contains("Organize: 2/2"), "{}", lines.err);
    let (still, _) = run_in("g", "--progress none");
    assert!(!still.err.contains("Organize:"), "{}", still.err);
    assert_eq!(bench.table_of("a", "plans").len(), 2);
    run_in("h", "--no-metadata");
    assert!(bench.table_of("h", "plans").is_empty() && bench.table_of("h", "case_metadata").len() == 2);
}

/// Every declared setting is read by something other than the settings themselves.
#[test]
fn no_setting_is_declared_in_vain() {
    let source = std::fs::read_to_string(project().join("src/config/settings.rs")).expect("the settings");
    let mut fields = BTreeSet::new();
    for line in source.lines() {
        // `name: Type = default, "key"` eight spaces deep.
        let Some(rest) = line.strip_prefix("        ").filter(|r| !r.starts_with(' ')) else { continue };
        if let Some((name, tail)) = rest.split_once(": ")
            && tail.contains(" = ")
            && name.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())
        {
            fields.insert(name.to_owned());
        }
    }
    assert!(fields.len() > 60, "{fields:?}");
    // The only value that it can have is what the program does.
    fields.remove("executor");
    for file in files_below(&project().join("src")).iter().filter(|f| f.ends_with(".rs") && !f.starts_with("config/")) {
        let text = std::fs::read_to_string(project().join("src").join(file)).expect("a source");
        let whole = |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        fields.retain(|f| {
            let pattern = format!(".{f}");
            !text.match_indices(&pattern).any(|(at, p)| whole(text[at + p.len()..].chars().next()))
        });
    }
    assert!(fields.is_empty(), "read by nothing: {fields:?}");
}
