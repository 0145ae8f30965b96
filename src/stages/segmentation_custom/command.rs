//! Argument lists of the programs behind custom models.

use super::model::{CustomModel, Folds, Interface, Network, Nnunet};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Program of an interface unless the model or the host names another.
pub(super) fn default_program(interface: Interface, host: &BTreeMap<String, String>) -> String {
    let (key, fallback) = match interface {
        Interface::Nnunetv2 => ("nnunet_predict", "nnUNetv2_predict"),
        Interface::Nnunetv1 => ("nnunet_v1_predict", "nnUNet_predict"),
        Interface::Nnunetv2Modelfolder => ("nnunet_predict_modelfolder", "nnUNetv2_predict_from_modelfolder"),
        Interface::Totalsegmentator => ("totalsegmentator", "TotalSegmentator"),
        Interface::MedsamBoxprompt => ("medsam", "MedSAM"),
    };
    host.get(key).filter(|v| !v.is_empty()).cloned().unwrap_or_else(|| fallback.to_owned())
}

/// Program and leading arguments of a model: its `command` (a bare standard name means the configured program).
pub(super) fn program(nnunet: &Nnunet, host: &BTreeMap<String, String>) -> (String, Vec<OsString>) {
    let configured = default_program(nnunet.interface, host);
    let standard = default_program(nnunet.interface, &BTreeMap::new());
    let mut words = nnunet.command.as_deref().unwrap_or_default().split_whitespace();
    match words.next() {
        None => (configured, Vec::new()),
        Some(first) if first == standard => (configured, words.map(OsString::from).collect()),
        Some(first) => (first.to_owned(), words.map(OsString::from).collect()),
    }
}

fn folds<'a>(model: &'a CustomModel, net: &'a Network) -> Option<&'a Folds> {
    net.folds.as_ref().or(model.nnunet.folds.as_ref())
}

/// Configuration of a network.
pub(super) fn architecture<'a>(model: &'a CustomModel, net: &'a Network) -> &'a str {
    net.architecture.as_deref().unwrap_or(&model.nnunet.model)
}

/// Arguments for one network. `input` and `output` are folders, except for TotalSegmentator, where they are files.
pub(super) fn arguments(
    model: &CustomModel,
    net: &Network,
    input: &Path,
    output: &Path,
    model_folder: Option<&Path>,
    device: &str,
) -> Vec<OsString> {
    let mut args: Vec<OsString> = vec!["-i".into(), input.into(), "-o".into(), output.into()];
    let mut add = |flag: &str, values: &[String]| {
        if !values.is_empty() {
            args.push(flag.into());
            args.extend(values.iter().map(OsString::from));
        }
    };
    let one = |v: &Option<String>| v.iter().cloned().collect::<Vec<_>>();
    let fold_words = folds(model, net).map(Folds::words).unwrap_or_default();
    let task = || net.task.as_ref().unwrap_or(&net.id).to_string();
    let arch = architecture(model, net).to_owned();
    let user: Vec<String> = net.predict_args.iter().map(ToString::to_string).collect();
    let named = |flag: &str| user.iter().any(|a| a == flag);
    let torch = if device.starts_with("gpu") { "cuda" } else { device }.to_owned();
    match model.nnunet.interface {
        Interface::Nnunetv2 => {
            add("-d", &[net.id.to_string()]);
            add("-c", &[arch]);
            add("-f", &fold_words);
            add("-tr", &one(&net.trainer));
            add("-p", &one(&net.plans));
            if !named("-chk") {
                add("-chk", &checkpoint_name(net));
            }
            if !named("-device") {
                add("-device", &[torch]);
            }
        }
        Interface::Nnunetv2Modelfolder => {
            add("-m", &model_folder.iter().map(|p| p.to_string_lossy().into_owned()).collect::<Vec<_>>());
            add("-f", &fold_words);
            if !named("-chk") {
                add("-chk", &checkpoint_name(net));
            }
            if !named("-device") {
                add("-device", &[torch]);
            }
        }
        Interface::Nnunetv1 => {
            add("-m", &[arch]);
            add("-t", &[task()]);
            add("-f", &fold_words);
            add("-tr", &one(&net.trainer));
            add("-ctr", &one(&net.cascade_trainer));
            add("-p", &one(&net.plans));
            if model.nnunet.ensemble.is_some() {
                args.push("--save_npz".into());
            }
        }
        Interface::Totalsegmentator => {
            args.push("--ml".into());
            let mut add = |flag: &str, value: &str| args.extend([flag.into(), OsString::from(value)]);
            add("-ta", &task());
            add("-d", device);
            add("-nr", "1");
            add("-ns", "1");
            args.push("-q".into());
        }
        Interface::MedsamBoxprompt => {}
    }
    args.extend(user.iter().map(OsString::from));
    args
}

/// `-chk` takes a file name inside the folds, never a path.
fn checkpoint_name(net: &Network) -> Vec<String> {
    net.checkpoint
        .as_deref()
        .and_then(|c| Path::new(c).file_name())
        .map(|n| vec![n.to_string_lossy().into_owned()])
        .unwrap_or_default()
}

/// Arguments of `nnUNet_ensemble`.
pub(super) fn ensemble_arguments(inputs: &[PathBuf], output: &Path, postprocessing: Option<&Path>) -> Vec<OsString> {
    let mut args: Vec<OsString> = vec!["-f".into()];
    args.extend(inputs.iter().map(|p| p.as_os_str().to_owned()));
    args.extend(["-o".into(), output.into()]);
    if let Some(p) = postprocessing {
        args.extend(["-pp".into(), p.into()]);
    }
    args
}

/// Environment of a network: the unit's, threads, then the model's and the network's own; relative folders are taken
/// from the model's folder. The three folders of nnU-Net are always set.
pub(super) fn environment(
    unit_env: &BTreeMap<String, String>,
    model: &CustomModel,
    net: &Network,
    folder: &Path,
    tmp: &Path,
    threads: usize,
) -> BTreeMap<String, String> {
    let text = |p: PathBuf| p.to_string_lossy().into_owned();
    let mut out = unit_env.clone();
    let n = threads.max(1).to_string();
    for name in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"] {
        out.insert(name.to_owned(), n.clone());
    }
    out.insert("nnUNet_def_n_proc".to_owned(), n);
    out.insert("TMPDIR".to_owned(), text(tmp.to_owned()));
    for (name, value) in [("PYTHONUNBUFFERED", "1"), ("MPLBACKEND", "Agg"), ("LC_ALL", "C.UTF-8")] {
        out.insert(name.to_owned(), value.to_owned());
    }
    for name in ["nnUNet_results", "nnUNet_raw", "nnUNet_preprocessed"] {
        out.insert(name.to_owned(), text(folder.join(name)));
    }
    for (name, value) in model.nnunet.env.iter().chain(&net.env) {
        let value = value.to_string();
        let is_folder = value.starts_with('.') || name.starts_with("nnUNet_") || name.ends_with("_FOLDER");
        let value = if is_folder { text(folder.join(value.trim_start_matches("./"))) } else { value };
        out.insert(name.clone(), value);
    }
    // Version 1 knows the folders by other names.
    for (old, new) in [("RESULTS_FOLDER", "nnUNet_results"), ("nnUNet_raw_data_base", "nnUNet_raw")] {
        if !out.contains_key(old) {
            let value = out[new].clone();
            out.insert(old.to_owned(), value);
        }
    }
    out
}
