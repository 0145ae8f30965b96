//! `custom_model.yaml`: a segmentation model that the user brings.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A custom model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomModel {
    /// Its name, as in `CustomModel:<name>`.
    pub name: String,
    /// For people.
    #[serde(default, alias = "summary", skip_serializing)]
    pub description: String,
    /// Taken into account.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Parts of the body that the image must show: `HEAD_NECK`, `THORAX`, `ABDOMEN`, `PELVIS`.
    #[serde(default, alias = "required_regions")]
    pub required_body_regions: Vec<BodyRegion>,
    /// Confidence that each of them must reach, 0 to 1.
    #[serde(default = "half")]
    pub min_region_confidence: f64,
    /// How it is run.
    pub nnunet: Nnunet,
}

fn yes() -> bool {
    true
}

fn half() -> f64 {
    0.5
}

/// A part of the body that a CT shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BodyRegion {
    /// Head and neck.
    HeadNeck,
    /// Thorax.
    Thorax,
    /// Abdomen.
    Abdomen,
    /// Pelvis.
    Pelvis,
}

/// By which program a model is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interface {
    /// `nnUNetv2_predict`.
    #[default]
    Nnunetv2,
    /// `nnUNet_predict` of version 1.
    Nnunetv1,
    /// `nnUNetv2_predict_from_modelfolder`.
    #[serde(rename = "nnunetv2_modelfolder")]
    Nnunetv2Modelfolder,
    /// A task of TotalSegmentator.
    Totalsegmentator,
    /// MedSAM with a box of another model; not supported.
    #[serde(rename = "medsam_boxprompt")]
    MedsamBoxprompt,
}

/// How a model is run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nnunet {
    /// By which program.
    #[serde(default)]
    pub interface: Interface,
    /// Another program than the configured one; words are arguments that come first.
    #[serde(default)]
    pub command: Option<String>,
    /// Configuration (`-c`, `-m`) of networks that name none.
    #[serde(default = "full_resolution")]
    pub model: String,
    /// Folds of networks that name none.
    #[serde(default)]
    pub folds: Option<Folds>,
    /// Environment; relative folders are taken from the model's folder.
    #[serde(default)]
    pub env: BTreeMap<String, Text>,
    /// The networks.
    pub networks: Vec<Network>,
    /// How their results are joined.
    #[serde(default)]
    pub combine: Option<Combine>,
    /// Joining of probabilities (version 1).
    #[serde(default)]
    pub ensemble: Option<Ensemble>,
}

fn full_resolution() -> String {
    "3d_fullres".to_owned()
}

/// A text that may be written as a number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Text {
    /// A whole number.
    Int(i64),
    /// A yes or no.
    Bool(bool),
    /// A number with a fraction.
    Float(f64),
    /// A text.
    Str(String),
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int(v) => write!(f, "{v}"),
            Self::Bool(v) => write!(f, "{v}"),
            Self::Float(v) => write!(f, "{v}"),
            Self::Str(v) => f.write_str(v),
        }
    }
}

/// Folds: `all`, one, or a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Folds {
    /// Several.
    Many(Vec<Text>),
    /// One, or `all`.
    One(Text),
}

impl Folds {
    /// As arguments.
    pub fn words(&self) -> Vec<String> {
        match self {
            Self::Many(v) => v.iter().map(ToString::to_string).collect(),
            Self::One(v) => v.to_string().split([' ', ',']).filter(|w| !w.is_empty()).map(str::to_owned).collect(),
        }
    }
}

/// One network of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Number or name of the data set (`-d`, `-t`), or task of TotalSegmentator.
    #[serde(alias = "dataset")]
    pub id: Text,
    /// Name by which `combine` and `ensemble` refer to it.
    #[serde(default, alias = "name")]
    pub alias: Option<String>,
    /// Archive of the weights, to be unpacked once by the user.
    #[serde(default, alias = "weights")]
    pub archive: Option<String>,
    /// Name or path of the checkpoint file.
    #[serde(default, alias = "checkpoint_path")]
    pub checkpoint: Option<String>,
    /// Folder of the data set below `nnUNet_results`, or the model folder.
    #[serde(default, alias = "dataset_dir")]
    pub dataset_directory: Option<String>,
    /// Folder of the weights in the model's folder.
    #[serde(default, alias = "source_dir")]
    pub source_directory: Option<String>,
    /// Names of the labels 1, 2, ….
    #[serde(alias = "structures", alias = "labels")]
    pub label_order: Vec<String>,
    /// Environment of this network alone.
    #[serde(default)]
    pub env: BTreeMap<String, Text>,
    /// Configuration (`-c`, `-m`).
    #[serde(default, alias = "model")]
    pub architecture: Option<String>,
    /// Trainer (`-tr`).
    #[serde(default)]
    pub trainer: Option<String>,
    /// Trainer of the cascade (`-ctr`, version 1).
    #[serde(default)]
    pub cascade_trainer: Option<String>,
    /// Plans (`-p`).
    #[serde(default)]
    pub plans: Option<String>,
    /// Folds (`-f`).
    #[serde(default)]
    pub folds: Option<Folds>,
    /// Task (version 1, TotalSegmentator) when it is not the id.
    #[serde(default)]
    pub task: Option<Text>,
    /// Further arguments.
    #[serde(default, alias = "extra_args")]
    pub predict_args: Vec<Text>,
    /// Box of another model (MedSAM).
    #[serde(default)]
    pub prompt: Option<Prompt>,
    /// What is done to the result.
    #[serde(default)]
    pub postprocessing: Option<Postprocessing>,
}

/// Where a box for MedSAM comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prompt {
    /// Kind of source.
    #[serde(default, alias = "source")]
    pub prompt_source: Option<String>,
    /// The other model.
    #[serde(default)]
    pub model: Option<String>,
    /// Its structure.
    #[serde(default)]
    pub structure: Option<String>,
    /// Margin around the box, voxels.
    #[serde(default = "five_voxels", alias = "margin_voxels")]
    pub bbox_margin_voxels: u32,
}

fn five_voxels() -> u32 {
    5
}

/// What is done to the result of a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Postprocessing {
    /// Keep only what lies in the lungs.
    #[serde(default)]
    pub confine_to_lung_mask: bool,
    /// Drop connected parts smaller than this, cm³.
    #[serde(default = "half")]
    pub min_component_volume_cm3: f64,
    /// Where the anchor comes from.
    #[serde(default)]
    pub anchor_source: Option<String>,
    /// Drop parts farther than this from the anchor, cm.
    #[serde(default = "five_cm")]
    pub anchor_max_distance_cm: f64,
    /// Files of the anchor.
    #[serde(default)]
    pub anchor_glob: Option<String>,
    /// Files to compare with.
    #[serde(default)]
    pub dice_reference_glob: Option<String>,
    /// A table of anchors.
    #[serde(default)]
    pub anchor_manifest_path: Option<String>,
}

fn five_cm() -> f64 {
    5.0
}

/// Joining of label maps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Combine {
    /// Networks in order; a later one overrides an earlier one where structures of both lie.
    #[serde(alias = "order", alias = "networks")]
    pub ordered_networks: Vec<Text>,
}

/// Joining of probabilities by `nnUNet_ensemble` (version 1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ensemble {
    /// Program.
    #[serde(default = "ensemble_program")]
    pub command: String,
    /// Networks whose probabilities are joined.
    pub inputs: Vec<Text>,
    /// Postprocessing file.
    #[serde(default)]
    pub postprocessing_json: Option<String>,
    /// Names of the labels 1, 2, ….
    #[serde(default)]
    pub label_order: Vec<String>,
}

fn ensemble_program() -> String {
    "nnUNet_ensemble".to_owned()
}

/// The name by which an ensemble is referred to in `combine`.
pub(super) const ENSEMBLE: &str = "ensemble";

impl Network {
    /// Name by which it is referred to: its alias, else its id.
    pub fn key(&self) -> String {
        self.alias.clone().unwrap_or_else(|| self.id.to_string())
    }
}

impl CustomModel {
    /// Checks what serde cannot: names, labels, references, and what is not supported.
    ///
    /// # Errors
    /// One sentence for the first defect.
    pub fn check(&self) -> Result<(), String> {
        let n = &self.nnunet;
        let fail = |text: String| Err(format!("model `{}`: {text}", self.name));
        if crate::course::safe_name(&self.name) != self.name {
            return fail("the name cannot be a folder name; use letters, digits, `_` and `-`".to_owned());
        }
        if !(0.0..=1.0).contains(&self.min_region_confidence) {
            return fail("min_region_confidence must lie between 0 and 1".to_owned());
        }
        if n.interface == Interface::MedsamBoxprompt {
            return fail(
                "the interface medsam_boxprompt is not supported; use nnunetv2, nnunetv2_modelfolder, nnunetv1 or \
                 totalsegmentator, or set `enabled: false`"
                    .to_owned(),
            );
        }
        if n.networks.is_empty() {
            return fail("nnunet.networks is empty".to_owned());
        }
        let mut keys = BTreeSet::new();
        for net in &n.networks {
            if !keys.insert(net.key()) {
                return fail(format!("two networks are called `{}`; give each an alias", net.key()));
            }
            let mut labels = BTreeSet::new();
            if net.label_order.is_empty() || net.label_order.iter().any(|l| l.trim().is_empty() || !labels.insert(l)) {
                return fail(format!("label_order of network `{}` is empty or holds a name twice", net.key()));
            }
            if net.prompt.is_some() {
                return fail(format!(
                    "network `{}`: prompt belongs to medsam_boxprompt, which is not supported",
                    net.key()
                ));
            }
            let anchored = net.postprocessing.as_ref().is_some_and(|p| {
                p.anchor_source.is_some() || p.anchor_manifest_path.is_some() || p.anchor_glob.is_some()
            });
            if anchored {
                return fail(format!(
                    "network `{}`: anchors in postprocessing are not supported; remove the anchor_ keys to keep all parts",
                    net.key()
                ));
            }
        }
        if let Some(e) = &n.ensemble {
            if n.interface != Interface::Nnunetv1 {
                return fail("an ensemble needs the interface nnunetv1".to_owned());
            }
            for i in &e.inputs {
                if !keys.contains(&i.to_string()) {
                    return fail(format!("ensemble input `{i}` is no network of the model"));
                }
            }
            if e.inputs.is_empty() {
                return fail("ensemble.inputs is empty".to_owned());
            }
        }
        for key in self.order() {
            let known = keys.contains(&key) || (key == ENSEMBLE && n.ensemble.is_some());
            if !known {
                return fail(format!("combine names `{key}`, which is no network of the model"));
            }
        }
        Ok(())
    }

    /// Networks whose results are joined, in order: `combine`, else the ensemble if there is one, else all.
    pub fn order(&self) -> Vec<String> {
        match (&self.nnunet.combine, &self.nnunet.ensemble) {
            (Some(c), _) => c.ordered_networks.iter().map(ToString::to_string).collect(),
            (None, Some(_)) => vec![ENSEMBLE.to_owned()],
            (None, None) => self.nnunet.networks.iter().map(Network::key).collect(),
        }
    }

    /// Label names of a network or of the ensemble.
    pub fn labels(&self, key: &str) -> &[String] {
        let n = &self.nnunet;
        if key == ENSEMBLE
            && let Some(e) = &n.ensemble
        {
            if !e.label_order.is_empty() {
                return &e.label_order;
            }
            let first = e.inputs.first().map(ToString::to_string).unwrap_or_default();
            return n.networks.iter().find(|w| w.key() == first).map_or(&[], |w| &w.label_order);
        }
        n.networks.iter().find(|w| w.key() == key).map_or(&[], |w| &w.label_order)
    }

    /// All structures in the order of the result, each once.
    pub fn structures(&self) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        for key in self.order() {
            for label in self.labels(&key) {
                if !out.contains(label) {
                    out.push(label.clone());
                }
            }
        }
        out
    }
}
