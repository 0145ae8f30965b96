//! Where the weights of a network are, and what to say when they are not there.

use super::command::architecture;
use super::model::{CustomModel, Interface, Network};
use rtpipeline_engine::{FailureKind, UnitError};
use std::path::{Path, PathBuf};

/// Folder that nnU-Net takes its results from.
pub(super) fn results_folder(model: &CustomModel, net: &Network, folder: &Path) -> PathBuf {
    let named = ["nnUNet_results", "RESULTS_FOLDER"]
        .iter()
        .find_map(|key| net.env.get(*key).or_else(|| model.nnunet.env.get(*key)));
    let rel = named.map_or_else(|| "nnUNet_results".to_owned(), ToString::to_string);
    folder.join(rel.trim_start_matches("./"))
}

/// Folder of the trained network; `None` when the interface finds its weights by itself.
///
/// # Errors
/// `Config`, naming the place that was looked at and the archive to be unpacked.
pub(super) fn locate(model: &CustomModel, net: &Network, folder: &Path) -> Result<Option<PathBuf>, UnitError> {
    let results = results_folder(model, net, folder);
    let missing = |place: &Path, what: &str| {
        let shown = place.strip_prefix(folder).unwrap_or(place).display();
        let error = UnitError::new(
            FailureKind::Config,
            format!("model {}: {what} of network {} is missing: {shown} in the model's folder", model.name, net.key()),
        );
        match &net.archive {
            Some(archive) => error.hint(format!("get {archive} (custom_models/README.md) and unpack it there")),
            None => error.hint("put the weights there (custom_models/README.md), or set `enabled: false`"),
        }
    };
    match model.nnunet.interface {
        Interface::Totalsegmentator | Interface::MedsamBoxprompt => Ok(None),
        Interface::Nnunetv2 => {
            let dataset = match &net.dataset_directory {
                Some(d) => results.join(d),
                None => dataset_by_id(&results, &net.id.to_string())
                    .ok_or_else(|| missing(&results.join(dataset_name(&net.id.to_string())), "the data set"))?,
            };
            let trained = dataset.join(format!(
                "{}__{}__{}",
                net.trainer.as_deref().unwrap_or("nnUNetTrainer"),
                net.plans.as_deref().unwrap_or("nnUNetPlans"),
                architecture(model, net)
            ));
            complete(&trained).then(|| Some(trained.clone())).ok_or_else(|| missing(&trained, "the trained network"))
        }
        Interface::Nnunetv2Modelfolder => {
            let places = [
                net.source_directory.as_ref().map(|d| folder.join(d.trim_start_matches("./"))),
                net.dataset_directory.as_ref().map(|d| results.join(d)),
            ];
            let found = places.iter().flatten().find(|p| complete(p));
            let first = places.iter().flatten().next().cloned().unwrap_or(results);
            found.cloned().map(Some).ok_or_else(|| missing(&first, "the model folder"))
        }
        Interface::Nnunetv1 => {
            let task = net.task.as_ref().unwrap_or(&net.id).to_string();
            let place = match &net.dataset_directory {
                Some(d) => results.join(d),
                None => results.join("nnUNet").join(architecture(model, net)).join(task),
            };
            place.is_dir().then(|| Some(place.clone())).ok_or_else(|| missing(&place, "the trained network"))
        }
    }
}

/// A model folder of version 2 with at least one checkpoint.
fn complete(folder: &Path) -> bool {
    let checkpoint = |fold: PathBuf| {
        std::fs::read_dir(fold)
            .is_ok_and(|mut e| e.any(|f| f.is_ok_and(|f| f.file_name().to_string_lossy().starts_with("checkpoint_"))))
    };
    folder.join("plans.json").is_file()
        && folder.join("dataset.json").is_file()
        && std::fs::read_dir(folder).is_ok_and(|entries| {
            entries.flatten().any(|e| e.file_name().to_string_lossy().starts_with("fold_") && checkpoint(e.path()))
        })
}

fn dataset_name(id: &str) -> String {
    id.parse::<u32>().map_or_else(|_| id.to_owned(), |n| format!("Dataset{n:03}_*"))
}

fn dataset_by_id(results: &Path, id: &str) -> Option<PathBuf> {
    let Ok(number) = id.parse::<u32>() else {
        return Some(results.join(id)).filter(|p| p.is_dir());
    };
    let prefix = format!("Dataset{number:03}_");
    let mut found: Vec<PathBuf> = std::fs::read_dir(results)
        .ok()?
        .flatten()
        .filter(|e| e.file_name().to_string_lossy().starts_with(&prefix))
        .map(|e| e.path())
        .collect();
    found.sort();
    found.into_iter().next()
}
