//! `doctor`: what this machine has and what each thing lets you do.

use super::args::DoctorArgs;
use super::exit::{Exit, Failure};
use crate::config::{Override, SegmentationEngine, Settings};
use crate::stages::segmentation_custom::SegmentationCustom;
use crate::ui::human_bytes;
use rtpipeline_engine::{Policy, machine};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// One thing that was looked for.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    /// What.
    pub(super) name: String,
    /// It is there.
    pub(super) found: bool,
    /// It was asked for explicitly, so that its absence is an error.
    pub(super) required: bool,
    /// What was found.
    pub(super) detail: String,
    /// What it lets you do, or what is done without it.
    pub(super) meaning: String,
}

/// A program on PATH, or the file itself when a path is given.
pub(super) fn find_program(name: &str) -> Option<PathBuf> {
    let is_program = |p: &Path| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::metadata(p).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    if name.contains('/') {
        let p = PathBuf::from(name);
        return is_program(&p).then_some(p);
    }
    std::env::split_paths(&std::env::var_os("PATH")?).map(|d| d.join(name)).find(|p| is_program(p))
}

/// Programs and weights that the settings may use.
pub(super) fn external(settings: &Settings) -> Vec<Finding> {
    let ts = totalsegmentator(settings);
    let with_weights = ts.found || settings.run.totalsegmentator_weights.is_some();
    let mut all = vec![ts];
    if with_weights {
        all.push(weights(settings));
    }
    all.extend(of_models(settings));
    all
}

/// Programs that a run of these stages (none: all) cannot do without and that are not here.
pub(super) fn lacking(settings: &Settings, stages: &BTreeSet<String>) -> Vec<Finding> {
    let wanted = |stage: &str| stages.is_empty() || stages.contains(stage);
    let mut all = Vec::new();
    if wanted("segmentation") {
        all.push(totalsegmentator(settings));
    }
    if wanted("segmentation_custom") {
        all.extend(of_models(settings));
    }
    all.retain(|f| f.required && !f.found);
    all
}

fn totalsegmentator(settings: &Settings) -> Finding {
    let found = find_program(&settings.run.totalsegmentator);
    Finding {
        name: "TotalSegmentator".into(),
        found: found.is_some(),
        required: settings.segmentation.enabled && settings.segmentation.engine == SegmentationEngine::TotalSegmentator,
        detail: place(found.as_deref(), &settings.run.totalsegmentator),
        meaning: if found.is_some() {
            "about 100 structures on CT and 50 on MR".into()
        } else {
            "segmentation.engine auto uses the embedded classical method: body and lungs on CT".into()
        },
    }
}

/// The configured nnU-Net, and what else enabled custom models start. Models that cannot be read start nothing; `validate`
/// tells what is wrong with them.
fn of_models(settings: &Settings) -> Vec<Finding> {
    let nnunet = &settings.run.nnunet_predict;
    let host = BTreeMap::from([
        ("nnunet_predict".to_owned(), nnunet.clone()),
        ("totalsegmentator".to_owned(), settings.run.totalsegmentator.clone()),
    ]);
    let models = &settings.custom_models;
    let needed = if models.enabled {
        SegmentationCustom::load(models, Policy::default()).map(|m| m.programs(&host)).unwrap_or_default()
    } else {
        BTreeSet::new()
    };
    let others = needed.iter().filter(|n| *n != nnunet && **n != settings.run.totalsegmentator);
    std::iter::once(nnunet)
        .chain(others)
        .map(|name| {
            let found = find_program(name);
            Finding {
                name: if name == nnunet { "nnU-Net".to_owned() } else { name.clone() },
                found: found.is_some(),
                required: needed.contains(name),
                detail: place(found.as_deref(), name),
                meaning: if found.is_some() { "custom models can be run" } else { "custom models cannot be run" }
                    .into(),
            }
        })
        .collect()
}

fn weights(settings: &Settings) -> Finding {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let dir =
        settings.run.totalsegmentator_weights.clone().unwrap_or_else(|| home.join(".totalsegmentator/nnunet/results"));
    let datasets = std::fs::read_dir(&dir).map_or(0, |d| {
        d.filter_map(Result::ok).filter(|e| e.file_name().to_string_lossy().starts_with("Dataset")).count()
    });
    Finding {
        name: "TotalSegmentator weights".into(),
        found: datasets > 0,
        required: settings.segmentation.enabled && settings.segmentation.engine == SegmentationEngine::TotalSegmentator,
        detail: if datasets > 0 {
            format!("{datasets} models in {}", dir.display())
        } else {
            format!("no model in {}", dir.display())
        },
        meaning: if datasets > 0 {
            "no download is needed".into()
        } else {
            "TotalSegmentator downloads them at its first start, which needs a network: `totalseg_download_weights -t total`"
                .into()
        },
    }
}

/// Where a program is, or that it is not there.
fn place(found: Option<&Path>, name: &str) -> String {
    found.map_or_else(|| format!("`{name}` is not on PATH"), |p| p.display().to_string())
}

/// `rtpipeline doctor`.
pub(super) fn doctor(args: &DoctorArgs) -> Result<Exit, Failure> {
    let overrides: Vec<Override> =
        args.totalseg.iter().map(|p| Override::new("segmentation.totalsegmentator", p, "--totalseg")).collect();
    let loaded = super::run::load(&args.sources, &overrides)?;
    let settings = &loaded.settings;
    let memory = machine::memory();
    let gpus = machine::gpus();
    let mut all = vec![
        Finding {
            name: "CPU".into(),
            found: true,
            required: false,
            detail: format!("{} usable (affinity and container limits respected)", machine::cpus()),
            meaning: format!("{} workers by default", crate::pipeline::workers(settings)),
        },
        Finding {
            name: "Memory".into(),
            found: true,
            required: false,
            detail: format!("{} usable, limited by the {}", human_bytes(memory.available), memory.limited_by),
            meaning: "units are admitted within this budget".into(),
        },
        Finding {
            name: "GPU".into(),
            found: !gpus.is_empty(),
            required: false,
            detail: if gpus.is_empty() { "none found".into() } else { format!("{} ({})", gpus.len(), gpus.join(", ")) },
            meaning: if gpus.is_empty() {
                "networks run on the CPU and take about an hour per course instead of minutes".into()
            } else {
                "one segmentation per GPU".into()
            },
        },
        own("DICOM, NIfTI, DVH, radiomics", "built in; no Python and no other program is needed"),
    ];
    all.extend(external(settings));
    let here = std::env::current_dir().unwrap_or_default();
    let disk = free_disk(&here);
    all.push(Finding {
        name: "Disk".into(),
        found: true,
        required: false,
        detail: disk.map_or("unknown".into(), |d| format!("{} free in this folder", human_bytes(d))),
        meaning: "DICOM files are linked, not copied; volumes take about 2 bytes per voxel before compression".into(),
    });
    let missing = all.iter().any(|f| f.required && !f.found);
    let text = if args.json {
        let v = serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "cpus": machine::cpus(),
            "memory_bytes": memory.available,
            "gpus": gpus,
            "findings": all,
            "ok": !missing,
        });
        format!("{v:#}\n")
    } else {
        let mut t = format!("rtpipeline {}\n", env!("CARGO_PKG_VERSION"));
        for f in &all {
            let mark = match (f.found, f.required) {
                (true, _) => "✓",
                (false, true) => "✗",
                (false, false) => "–",
            };
            t.push_str(&format!("{mark} {:<28} {}\n  {:<28} {}\n", f.name, f.detail, "", f.meaning));
        }
        t
    };
    super::print_bytes(text.as_bytes())?;
    Ok(if missing { Exit::Environment } else { Exit::Done })
}

/// Free space of the file system that holds a folder.
fn free_disk(dir: &Path) -> Option<u64> {
    let disks = sysinfo::Disks::new_with_refreshed_list().ok()?;
    let holding = disks.iter().filter(|d| dir.starts_with(d.mount_point()));
    holding.max_by_key(|d| d.mount_point().as_os_str().len()).map(sysinfo::Disk::available_space)
}

fn own(name: &str, meaning: &str) -> Finding {
    Finding { name: name.into(), found: true, required: false, detail: "embedded".into(), meaning: meaning.into() }
}
