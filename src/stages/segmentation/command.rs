//! Arguments and environment of TotalSegmentator.

use crate::course::label_maps::registry::has_fast;
use rtpipeline_geometry::Grid;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What TotalSegmentator is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TotalSegTaskOptions {
    /// The tasks, `total` or `total_mr` first.
    pub tasks: Vec<String>,
    /// The 3 mm models where they exist.
    pub fast: bool,
    /// Only these classes of the first task.
    pub roi_subset: Vec<String>,
    /// Three chunks along z when the image is long enough.
    pub force_split: bool,
    /// One attempt on the CPU after a failure on the GPU.
    pub allow_fallback: bool,
}

/// Shortest image that is split, in slices of the resampled image: chunks of it keep enough context.
const SPLIT_SLICES: f64 = 150.0;

/// Arguments for one task, program excluded.
pub(super) fn arguments(
    options: &TotalSegTaskOptions,
    task: &str,
    image: &Path,
    grid: &Grid,
    output: &Path,
    device: &str,
    resample_and_save: [usize; 2],
) -> Vec<OsString> {
    let mut args: Vec<OsString> = Vec::new();
    let mut add = |parts: &[&str]| args.extend(parts.iter().map(OsString::from));
    add(&["-i"]);
    args.push(image.into());
    args.push("-o".into());
    args.push(output.into());
    let mut add = |parts: &[&str]| args.extend(parts.iter().map(OsString::from));
    add(&["--ml", "-ta", task, "-d", device]);
    let fast = options.fast && has_fast(task);
    if fast {
        add(&["--fast"]);
    }
    if task.starts_with("total") && !options.roi_subset.is_empty() {
        add(&["--roi_subset"]);
        add(&options.roi_subset.iter().map(String::as_str).collect::<Vec<_>>());
    }
    if options.force_split && resampled_slices(grid, fast) >= SPLIT_SLICES {
        add(&["--force_split"]);
    }
    let [resample, save] = resample_and_save.map(|n| n.max(1).to_string());
    add(&["-nr", &resample, "-ns", &save, "-q"]);
    args
}

/// Slices of the image after TotalSegmentator's resampling (1.5 mm, fast 3 mm) along the patient's long axis.
fn resampled_slices(grid: &Grid, fast: bool) -> f64 {
    let direction = grid.direction();
    let axis = (0..3).max_by(|&a, &b| direction[a][2].abs().total_cmp(&direction[b][2].abs())).unwrap_or(2);
    grid.dims[axis] as f64 * grid.spacing()[axis] / if fast { 3.0 } else { 1.5 }
}

/// Where the weights are: what the environment says, else the tool's default place. It is always passed on, because the
/// tool looks in its home folder otherwise and that one is private to each call.
pub(super) fn weights_folder(env: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    env("TOTALSEG_WEIGHTS_PATH")
        .map(PathBuf::from)
        .or_else(|| env("TOTALSEG_HOME_DIR").map(|h| PathBuf::from(h).join("nnunet/results")))
        .or_else(|| env("HOME").map(|h| PathBuf::from(h).join(".totalsegmentator/nnunet/results")))
}

/// The user's own settings folder of the tool, where a licence may be.
pub(super) fn user_home(env: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    env("TOTALSEG_HOME_DIR")
        .map(PathBuf::from)
        .or_else(|| env("HOME").map(|h| PathBuf::from(h).join(".totalsegmentator")))
}

/// `config.json` of the private home folder: no telemetry, no disclaimer, the licence if there is one. The tool
/// rewrites this file at each run without locking, so calls must not share it.
pub(super) fn home_config(licence: Option<&str>) -> serde_json::Value {
    let mut config = serde_json::json!({
        "totalseg_id": "totalseg_RTPIPELN",
        "send_usage_stats": false,
        "prediction_counter": 0,
        "statistics_disclaimer_shown": true,
    });
    if let Some(licence) = licence {
        config["license_number"] = licence.into();
    }
    config
}

/// The environment of one call, on top of the unit's. `home` and `tmp` are private folders of the attempt.
pub(super) fn environment(
    unit_env: &BTreeMap<String, String>,
    env: &dyn Fn(&str) -> Option<String>,
    weights: Option<&Path>,
    home: &Path,
    tmp: &Path,
    device: &str,
    threads: usize,
) -> BTreeMap<String, String> {
    let mut out = unit_env.clone();
    let text = |p: &Path| p.to_string_lossy().into_owned();
    let n = threads.max(1).to_string();
    for name in
        ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS"]
    {
        out.insert(name.to_owned(), n.clone());
    }
    // The tool sets torch's threads to the number of CPUs; nnU-Net takes the minimum of that and this.
    out.insert("nnUNet_def_n_proc".to_owned(), n);
    out.insert("TOTALSEG_HOME_DIR".to_owned(), text(home));
    if let Some(weights) = weights {
        out.insert("TOTALSEG_WEIGHTS_PATH".to_owned(), text(weights));
    }
    out.insert("TMPDIR".to_owned(), text(tmp));
    for (name, value) in [("PYTHONUNBUFFERED", "1"), ("MPLBACKEND", "Agg"), ("LC_ALL", "C.UTF-8")] {
        out.insert(name.to_owned(), value.to_owned());
    }
    if device.starts_with("gpu") {
        out.entry("PYTORCH_CUDA_ALLOC_CONF".to_owned())
            .or_insert_with(|| env("PYTORCH_CUDA_ALLOC_CONF").unwrap_or_else(|| "expandable_segments:True".to_owned()));
    } else if !out.contains_key("CUDA_VISIBLE_DEVICES") && env("CUDA_VISIBLE_DEVICES").is_none() {
        // What a scheduler assigned is never overwritten.
        out.insert("CUDA_VISIBLE_DEVICES".to_owned(), "-1".to_owned());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(nz: usize, dz: f64) -> Grid {
        Grid::axis_aligned([64, 64, nz], [0.0; 3], [1.0, 1.0, dz])
    }

    fn line(o: &TotalSegTaskOptions, task: &str, g: &Grid, device: &str) -> String {
        let args = arguments(o, task, Path::new("/i/ct.nii.gz"), g, Path::new("/o/total.nii.gz"), device, [1, 1]);
        args.iter().map(|a| a.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_argument_list_is_that_of_the_tool() {
        let mut o = TotalSegTaskOptions { force_split: true, ..Default::default() };
        assert_eq!(
            line(&o, "total", &grid(20, 3.0), "gpu"),
            "-i /i/ct.nii.gz -o /o/total.nii.gz --ml -ta total -d gpu -nr 1 -ns 1 -q"
        );
        assert!(line(&o, "total", &grid(200, 3.0), "gpu").contains(" --force_split "));
        o.fast = true;
        o.roi_subset = vec!["liver".into(), "spleen".into()];
        assert_eq!(
            line(&o, "total", &grid(200, 2.0), "cpu"),
            "-i /i/ct.nii.gz -o /o/total.nii.gz --ml -ta total -d cpu --fast --roi_subset liver spleen -nr 1 -ns 1 -q"
        );
        assert_eq!(
            line(&o, "lung_vessels", &grid(20, 2.0), "cpu"),
            "-i /i/ct.nii.gz -o /o/total.nii.gz --ml -ta lung_vessels -d cpu -nr 1 -ns 1 -q"
        );
    }

    #[test]
    fn a_scheduler_s_device_is_never_overwritten() {
        let set = |k: &str| (k == "CUDA_VISIBLE_DEVICES").then(|| "3".to_owned());
        let none = |_: &str| None;
        let call = |env: &dyn Fn(&str) -> Option<String>, unit: &BTreeMap<String, String>, device: &str| {
            environment(unit, env, None, Path::new("/h"), Path::new("/t"), device, 4)
        };
        let empty = BTreeMap::new();
        assert!(!call(&set, &empty, "cpu").contains_key("CUDA_VISIBLE_DEVICES"));
        assert_eq!(call(&none, &empty, "cpu")["CUDA_VISIBLE_DEVICES"], "-1");
        assert!(!call(&none, &empty, "gpu").contains_key("CUDA_VISIBLE_DEVICES"));
        let unit = BTreeMap::from([("CUDA_VISIBLE_DEVICES".to_owned(), "2".to_owned())]);
        let e = call(&none, &unit, "cpu");
        assert_eq!((e["CUDA_VISIBLE_DEVICES"].as_str(), e["OMP_NUM_THREADS"].as_str()), ("2", "4"));
        assert_eq!((e["nnUNet_def_n_proc"].as_str(), e["TOTALSEG_HOME_DIR"].as_str()), ("4", "/h"));
    }

    #[test]
    fn weights_are_found_in_the_order_variable_home_default() {
        let env = |k: &str| (k == "HOME").then(|| "/home/u".to_owned());
        assert_eq!(weights_folder(&env), Some("/home/u/.totalsegmentator/nnunet/results".into()));
        let env = |k: &str| (k == "TOTALSEG_HOME_DIR").then(|| "/ts".to_owned());
        assert_eq!(weights_folder(&env), Some("/ts/nnunet/results".into()));
        let env = |k: &str| (k != "x").then(|| format!("/{k}"));
        assert_eq!(weights_folder(&env), Some("/TOTALSEG_WEIGHTS_PATH".into()));
    }
}
