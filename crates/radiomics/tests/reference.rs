//! Every frozen PyRadiomics case: all values, in both directions, in the extractor's order.

use rtpipeline_radiomics::{Features, ImageInput, Params, extract};
use rtpipeline_volume_io::{VolumeData, read};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

fn shared() -> Option<PathBuf> {
    let root = std::env::var_os("RTPIPELINE_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let path = root.join("reference/radiomics_ref");
    if path.is_dir() {
        Some(path)
    } else {
        eprintln!("skipped: {} does not exist (set RTPIPELINE_SHARED)", path.display());
        None
    }
}

fn run(dir: &Path, case: &Value) -> (Params, Features) {
    let params: Params = serde_json::from_value(case["parameters"].clone()).expect("parameters");
    let path = |key: &str| {
        let text = case[key].as_str().expect("a path");
        [dir.join("cases").join(text), dir.join("inputs").join(text), dir.join(text)]
            .into_iter()
            .find(|p| p.exists())
            .unwrap_or_else(|| panic!("{text} does not exist"))
    };
    let image = read(&path("image")).expect("image").data;
    let label = params.setting.label.unwrap_or(1);
    let mask = read(&path("mask")).expect("mask").data.mask(label);
    let input = match &image {
        VolumeData::U8(v) => ImageInput::from(v),
        VolumeData::I8(v) => v.into(),
        VolumeData::U16(v) => v.into(),
        VolumeData::I16(v) => v.into(),
        VolumeData::U32(v) => v.into(),
        VolumeData::I32(v) => v.into(),
        VolumeData::F32(v) => v.into(),
        VolumeData::F64(v) => v.into(),
        other => panic!("{}", other.type_name()),
    };
    let features = extract(&input, &mask, &params).expect("features");
    (params, features)
}

/// Diagnostics that are whole numbers or hashes, compared as text; those that only one side has count, too.
///
/// The hash of a mask is left out where the file holds several labels: the extraction sees one of them only.
fn diagnostics_that_differ(case: &Value, found: &Features) -> Vec<String> {
    let several =
        ["prostate_label.nrrd", "tiny_label.nrrd"].iter().any(|f| case["mask"].as_str().unwrap_or("").ends_with(f));
    let exact = |key: &str| {
        ["_Hash", "_Size", "_BoundingBox", "_VoxelNum", "_VolumeNum"].iter().any(|e| key.ends_with(e))
            && !(several && key.ends_with("Mask-original_Hash"))
    };
    let plain = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    let tidy = |t: &str| t.replace(['[', ']', '(', ')', ' '], "");
    let expected = case["diagnostics"].as_object().expect("diagnostics");
    let ours: BTreeMap<&str, &str> = found.diagnostics.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let mut out = Vec::new();
    for (key, value) in expected.iter().filter(|(k, _)| exact(k)) {
        let want = tidy(&plain(value));
        let got = ours.get(key.as_str()).map(|v| tidy(v));
        if got.as_ref() != Some(&want) {
            out.push(format!("{key}: {got:?} instead of {want}"));
        }
    }
    out.extend(ours.keys().filter(|k| exact(k) && !expected.contains_key(**k)).map(|k| format!("{k} is not expected")));
    out
}

/// Relative tolerance of every value. PyRadiomics differs from itself by up to 8e-13 between installations; single
/// precision filters, the eigenvalues of MCC and cancelling moments use up the rest.
const TOLERANCE: f64 = 1e-9;

#[test]
fn every_frozen_value_agrees() {
    let Some(dir) = shared() else { return };
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(dir.join("cases")).expect("cases").flatten().map(|e| e.path()).collect();
    files.sort();
    let only = std::env::var("RADIOMICS_CASE").ok();
    let mut failures = Vec::new();
    let mut worst: BTreeMap<String, (f64, String)> = BTreeMap::new();
    let mut cases = 0;
    for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "json")) {
        let case: Value = serde_json::from_slice(&std::fs::read(file).expect("a case")).expect("JSON");
        let name = case["case"].as_str().expect("a name").to_owned();
        if only.as_ref().is_some_and(|o| !name.starts_with(o.as_str())) {
            continue;
        }
        cases += 1;
        let started = std::time::Instant::now();
        let (params, found) = run(&dir, &case);
        let expected = case["features"].as_object().expect("features");
        let names: Vec<&String> = expected.keys().collect();
        let ours: Vec<&String> = found.values.iter().map(|(n, _)| n).collect();
        if names != ours {
            let missing: Vec<_> = names.iter().filter(|n| !ours.contains(n)).take(5).collect();
            let extra: Vec<_> = ours.iter().filter(|n| !names.contains(n)).take(5).collect();
            failures.push(format!("{name}: names differ: missing {missing:?}, extra {extra:?}"));
        }
        failures.extend(diagnostics_that_differ(&case, &found).into_iter().map(|d| format!("{name}: {d}")));
        let schema = params.feature_names();
        if !found.values.iter().all(|(n, _)| schema.contains(n)) {
            failures.push(format!("{name}: a value is not in feature_names()"));
        }
        let mut bad: Vec<(f64, String)> = Vec::new();
        let mut top = (0.0, String::new());
        for (feature, value) in &found.values {
            let Some(want) = expected.get(feature).and_then(Value::as_f64) else { continue };
            let difference = (value - want).abs();
            let relative = difference / want.abs().max(1e-300);
            // NaN instead of a number must count as the worst.
            let relative = if relative.is_nan() { f64::INFINITY } else { relative };
            let short = feature.split_once('_').map_or("", |p| p.1).to_owned();
            let text = format!("{name} {feature}: {value:e} instead of {want:e} ({relative:.1e})");
            if relative > TOLERANCE {
                bad.push((relative, text.clone()));
            }
            if relative > top.0 {
                top = (relative, feature.clone());
            }
            let w = worst.entry(short).or_default();
            if relative > w.0 {
                *w = (relative, text);
            }
        }
        eprintln!(
            "{name}: {} values, worst {:.1e} ({}), {} beyond tolerance, {:.3} s",
            found.values.len(),
            top.0,
            top.1,
            bad.len(),
            started.elapsed().as_secs_f64()
        );
        bad.sort_by(|a, b| b.0.total_cmp(&a.0));
        failures.extend(bad.into_iter().take(8).map(|b| b.1));
    }
    for (feature, (relative, text)) in worst.iter().filter(|(_, w)| w.0 > 1e-12) {
        eprintln!("{feature}: {relative:.1e}   {text}");
    }
    assert!(only.is_some() || cases == 38, "{cases} cases found");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
