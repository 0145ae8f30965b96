//! `doctor` and `validate` on a bare machine, with broken files, without weights and programs.

mod regress_common;

use regress_common::*;
use serde_json::Value;
use std::path::Path;

/// The program on a machine that has nothing: no PATH, an empty home.
fn bare(here: &Path, line: &str) -> Said {
    let mut c = program(here);
    c.args(line.split_whitespace()).env("PATH", here.join("nothing")).env("HOME", here);
    c.env("CUDA_VISIBLE_DEVICES", "");
    said(c)
}

fn finding<'a>(v: &'a Value, name: &str) -> &'a Value {
    let all = v["findings"].as_array().expect("a list");
    all.iter().find(|f| f["name"] == name).unwrap_or_else(|| panic!("no {name} in {v:#}"))
}

#[test]
fn doctor_on_a_bare_machine() {
    let dir = tempfile::tempdir().expect("a folder");
    let said = bare(dir.path(), "doctor");
    expect_code(&said, 0);
    for word in ["CPU", "Memory", "GPU", "TotalSegmentator", "nnU-Net", "classical", "no Python"] {
        assert!(said.out.contains(word), "{word}: {}", said.out);
    }
    assert!(!said.out.contains('✗') && said.err.is_empty(), "{} {}", said.out, said.err);
    let said = bare(dir.path(), "doctor --json");
    expect_code(&said, 0);
    let v: Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!((&v["ok"], &v["version"]), (&true.into(), &env!("CARGO_PKG_VERSION").into()));
    assert!(v["cpus"].as_u64().is_some_and(|n| n >= 1) && v["memory_bytes"].as_u64().is_some_and(|n| n > 1 << 26));
    for name in ["TotalSegmentator", "nnU-Net"] {
        assert_eq!(
            (&finding(&v, name)["found"], &finding(&v, name)["required"]),
            (&false.into(), &false.into()),
            "{name}"
        );
    }
    assert!(std::fs::read_dir(dir.path()).expect("a folder").next().is_none(), "something was written");
}

#[test]
fn doctor_says_what_was_asked_for_and_is_not_there() {
    let bench = Bench::new();
    bench.file("config.yaml", "segmentation:\n  engine: totalsegmentator\n");
    let said = bare(bench.here(), "doctor");
    expect_code(&said, 3);
    assert!(said.out.contains("✗ TotalSegmentator"), "{}", said.out);
    let v: Value = serde_json::from_str(&bare(bench.here(), "doctor --json").out).expect("JSON");
    assert_eq!((&v["ok"], &finding(&v, "TotalSegmentator")["required"]), (&false.into(), &true.into()));
    // The run finds the same, before anything is started.
    Study::new(&bench.input(), "P1", "plan", "f");
    let said = bare(bench.here(), "run --dicom-root in --outdir out --logs Logs");
    expect_code(&said, 3);
    assert!(said.err.contains("TotalSegmentator") && said.err.contains("doctor"), "{}", said.err);
    assert!(!bench.out("").exists());
    // Switched off, it is not asked for.
    bench.file("config.yaml", "segmentation:\n  engine: totalsegmentator\n  enabled: false\n");
    expect_code(&bare(bench.here(), "doctor"), 0);
}

#[test]
fn doctor_finds_programs_and_weights() {
    let bench = Bench::new();
    for name in ["TotalSegmentator", "nnUNetv2_predict"] {
        bench.script(&format!("nothing/{name}"), "#!/bin/sh\n");
    }
    bench.file("config.yaml", "segmentation:\n  engine: totalsegmentator\n");
    // Installed, and no model downloaded.
    let said = bare(bench.here(), "doctor");
    expect_code(&said, 3);
    assert!(said.out.contains("✓ TotalSegmentator") && said.out.contains("✗ TotalSegmentator weights"), "{}", said.out);
    assert!(said.out.contains("totalseg_download_weights"), "{}", said.out);
    bench.file(".totalsegmentator/nnunet/results/Dataset291_TotalSegmentator_part1/plans.json", "{}");
    let said = bare(bench.here(), "doctor --json");
    expect_code(&said, 0);
    let v: Value = serde_json::from_str(&said.out).expect("JSON");
    for name in ["TotalSegmentator", "TotalSegmentator weights", "nnU-Net"] {
        assert_eq!(finding(&v, name)["found"], true, "{name}");
    }
    // A file that cannot be executed is no program.
    bench.file("plain", "");
    let v: Value = serde_json::from_str(&bare(bench.here(), "doctor --json --totalseg ./plain").out).expect("JSON");
    assert_eq!(finding(&v, "TotalSegmentator")["found"], false);
}

#[test]
fn validate_on_a_bare_machine() {
    let bench = Bench::new();
    let said = bare(bench.here(), "validate --dicom-root in");
    expect_code(&said, 0);
    assert!(said.out.contains("organize, segmentation, structures"), "{}", said.out);
    expect_code(&bare(bench.here(), "validate --dicom-root in --strict"), 0);
    let said = bare(bench.here(), "validate --strict");
    expect_code(&said, 3);
    assert!(said.out.contains("dicom_root"), "{}", said.out);
}

#[test]
fn a_broken_configuration_has_a_position() {
    let bench = Bench::new();
    for (text, place, word) in [
        ("segmentation:\n  device: tpu\n", "c.yaml:2:11", "gpu, cpu, mps"),
        ("segmentation:\n\tdevice: cpu\n", "c.yaml:2:", "tab"),
        ("run:\n  workers: 0\n", "c.yaml:2:12", "at least 1"),
        ("run: [1]\n", "c.yaml:1:6", "section"),
        ("run:\n  workers: 1\n  workers: 2\n", "c.yaml:3:3", "workers"),
        ("a: &a [*a]\n", "c.yaml:1:", ""),
    ] {
        bench.file("c.yaml", text);
        for command in ["validate c.yaml", "doctor --config c.yaml"] {
            let said = bare(bench.here(), command);
            expect_code(&said, 2);
            assert!(said.err.contains(place) && said.err.to_lowercase().contains(word), "{text}: {}", said.err);
            assert!(said.out.is_empty(), "{command}: {}", said.out);
        }
    }
    // Several at once.
    bench.file("c.yaml", "dvh:\n  profile: old\nqc:\n  enabled: 7\n");
    let said = bare(bench.here(), "validate c.yaml");
    assert!(said.err.contains("c.yaml:2:12") && said.err.contains("c.yaml:4:12"), "{}", said.err);
    std::fs::write(bench.here().join("c.yaml"), b"dvh: \xff\xfe\n").expect("written");
    let said = bare(bench.here(), "validate c.yaml");
    expect_code(&said, 2);
    assert!(said.err.contains("UTF-8"), "{}", said.err);
}

#[test]
fn files_that_the_settings_name_are_checked() {
    let bench = Bench::new();
    bench.file("s.yaml", "custom_structures:\n  - {name: A, source_structures: [B], margins: 3}\n");
    let said = bare(bench.here(), "validate --set custom_structures=s.yaml");
    expect_code(&said, 2);
    let all = format!("{}{}", said.out, said.err);
    assert!(all.contains("s.yaml") && all.contains("margin"), "{all}");
    bench.file(
        "s.yaml",
        "custom_structures:\n  - {name: A, source_structures: [B]}\n  - {name: B, source_structures: [A]}\n",
    );
    let said = bare(bench.here(), "validate --set custom_structures=s.yaml");
    expect_code(&said, 2);
    assert!(said.out.contains("circle"), "{}", said.out);
    bench.file("p.yaml", "setting:\n  binWidth: -5\n");
    let said = bare(bench.here(), "validate --set radiomics.params_file=p.yaml");
    expect_code(&said, 2);
    assert!(said.out.contains("p.yaml"), "{}", said.out);
    for missing in ["custom_structures=no.yaml", "radiomics.params_file=no.yaml", "radiomics.mr_params_file=no.yaml"] {
        let said = bare(bench.here(), &format!("validate --set {missing}"));
        expect_code(&said, 2);
        assert!(said.out.contains("no.yaml"), "{missing}: {}", said.out);
    }
    let said = bare(bench.here(), "validate --set custom_models.enabled=true --set custom_models.root=no_folder");
    expect_code(&said, 2);
    assert!(said.out.contains("no_folder"), "{}", said.out);
}

const MODEL: &str = "
name: levels
nnunet:
  interface: nnunetv2
  model: 3d_fullres
  folds: [0]
  env: {nnUNet_results: ./nnUNet_results}
  networks:
    - id: 101
      archive: levels.zip
      dataset_directory: Dataset101_Levels
      label_order: [Level_1]
";

#[test]
fn weights_that_lack_are_warnings_and_strictly_errors_of_the_environment() {
    let bench = Bench::new();
    bench.file("models/levels/custom_model.yaml", MODEL);
    bench.file("config.yaml", "dicom_root: in\ncustom_models:\n  enabled: true\n  root: models\n");
    // So that only the weights lack.
    bench.script("nothing/nnUNetv2_predict", "#!/bin/sh\n");
    let said = bare(bench.here(), "validate");
    expect_code(&said, 0);
    let line = said.out.lines().find(|l| l.starts_with("warning")).unwrap_or_default();
    assert!(line.contains("levels") && line.contains("nnUNet_results/Dataset101_Levels"), "{}", said.out);
    assert!(said.out.contains("levels.zip"), "{}", said.out);
    expect_code(&bare(bench.here(), "validate --strict"), 3);
    // With them, nothing is missing.
    let trained = "models/levels/nnUNet_results/Dataset101_Levels/nnUNetTrainer__nnUNetPlans__3d_fullres";
    for file in ["plans.json", "dataset.json", "fold_0/checkpoint_final.pth"] {
        bench.file(&format!("{trained}/{file}"), "{}");
    }
    let said = bare(bench.here(), "validate --strict");
    expect_code(&said, 0);
    assert!(!said.out.contains("warning"), "{}", said.out);
    // Without the program.
    std::fs::remove_file(bench.here().join("nothing/nnUNetv2_predict")).expect("removed");
    expect_code(&bare(bench.here(), "validate --strict"), 3);
    let said = bare(bench.here(), "doctor");
    expect_code(&said, 3);
    assert!(said.out.contains("✗ nnU-Net"), "{}", said.out);
}

#[test]
fn a_broken_model_file_is_an_error() {
    let bench = Bench::new();
    bench.file("config.yaml", "dicom_root: in\ncustom_models:\n  enabled: true\n  root: models\n");
    bench.file("models/levels/custom_model.yaml", &MODEL.replace("label_order", "label_ordre"));
    let said = bare(bench.here(), "validate");
    expect_code(&said, 2);
    assert!(said.out.contains("custom_model.yaml:") && said.out.contains("label_ordre"), "{}", said.out);
}
