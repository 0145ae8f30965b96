//! Every setting: the one list from which parser, schema, commented default and help come.
//!
//! Defaults follow the original program: the mission's document before its shipped configuration before its code.
//! Settings that only say how a run is carried out (workers, time limits, programs, folders) are in [`RunSettings`],
//! whatever section of the file they are written in: no result depends on them, so units must not hold them.

use super::choices::*;
use super::goal::Goal;
use super::keys::{Alias, Key, section};
use super::value::{Auto, Given, Range, Raw, Secret, Workers};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::path::PathBuf;

/// Structure names that are never given to radiomics, whatever `radiomics.skip_rois` adds (lower case).
pub const ALWAYS_SKIPPED_ROIS: &[&str] =
    &["couchsurface", "couchinterior", "couchexterior", "bones", "m1", "m2", "table", "support"];

fn texts(items: &[&str]) -> Vec<String> {
    items.iter().map(|s| (*s).to_owned()).collect()
}

fn not(raw: Raw) -> Result<Raw, String> {
    match raw {
        Raw::Bool(b) => Ok(Raw::Bool(!b)),
        Raw::Text(t) => match t.trim().to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Ok(Raw::Bool(false)),
            "0" | "false" | "no" | "off" => Ok(Raw::Bool(true)),
            _ => Err(format!("expected 0 or 1, found `{t}`")),
        },
        _ => Err("expected 0 or 1".into()),
    }
}

fn hard_links(raw: Raw) -> Result<Raw, String> {
    match raw {
        Raw::Bool(true) => Ok(Raw::Text("link".into())),
        Raw::Bool(false) => Ok(Raw::Text("copy".into())),
        _ => Err("expected true or false".into()),
    }
}

section! {
    /// How a run is carried out: folders, workers, limits, programs. No result depends on these.
    RunSettings for "run" {
        /// Folder that is read recursively for DICOM; there is no default: give it here or as --dicom-root.
        dicom_root: Option<PathBuf> = None, "dicom_root";
        /// Output folder.
        output_dir: PathBuf = PathBuf::from("Output"), "output_dir";
        /// Folder of the logs.
        logs_dir: PathBuf = PathBuf::from("Logs"), "logs_dir";
        /// Units that may run at once; auto is the processors that this process may use, less one.
        workers: Auto<u32> = Auto::Auto, "run.workers", range = Range::min(1.0),
            old = &[Alias::same("workers"), Alias::same("max_workers")], env = &[Alias::same("RTPIPELINE_MAX_WORKERS")];
        /// Threads that read file headers; auto follows the workers.
        index_workers: Auto<u32> = Auto::Auto, "run.index_workers", range = Range::within(1.0, 64.0),
            env = &[Alias::same("RTPIPELINE_INDEX_WORKERS")];
        /// Order in which courses are taken up.
        order: Order = Order::Fifo, "run.order";
        /// Whether stages of different courses may run at the same time.
        scheduler: Scheduler = Scheduler::Overlapping, "run.scheduler";
        /// Where units run.
        executor: Executor = Executor::Local, "run.executor";
        /// Memory that all units together may use; auto is what the machine or its container allows.
        memory: Auto<f64> = Auto::Auto, "run.memory", unit = "GiB", range = Range::min(0.25);
        /// Memory that is reckoned for a worker of which nothing better is known.
        memory_per_worker_gb: f64 = 2.0, "run.memory_per_worker_gb", unit = "GiB", range = Range::min(0.1),
            env = &[Alias::same("RTPIPELINE_MEMORY_PER_WORKER_GB")];
        /// Attempts at a unit whose failure may pass.
        attempts: u32 = 3, "run.attempts", range = Range::within(1.0, 20.0);
        /// Time limit of a unit that has none of its own.
        task_timeout: Option<f64> = None, "run.task_timeout", unit = "s", range = Range::min(1.0);
        /// Time between asking a program to end and ending it.
        grace: f64 = 2.0, "run.grace", unit = "s", range = Range::within(0.0, 600.0);

        /// Courses segmented at once.
        segmentation_workers: Workers = Workers::Count(1), "segmentation.workers", range = Range::min(1.0),
            old = &[Alias::same("segmentation.max_workers")];
        /// Threads of a segmentation program; 0 or null is up to 4 beside a GPU, else the processors shared among its workers.
        segmentation_threads: Option<u32> = None, "segmentation.threads_per_worker";
        /// Time limit of one call of the segmentation program.
        segmentation_timeout: f64 = 3600.0, "segmentation.timeout", unit = "s", range = Range::min(1.0),
            env = &[Alias::same("TOTALSEG_TIMEOUT")];
        /// Segment again even where a result is fresh.
        force_segmentation: bool = false, "segmentation.force";
        /// Program TotalSegmentator: a name on PATH or a path.
        totalsegmentator: String = "TotalSegmentator".into(), "segmentation.totalsegmentator";
        /// Licence key of TotalSegmentator; never shown or stored.
        totalsegmentator_license: Option<Secret> = None, "segmentation.license", env = &[Alias::same("TOTALSEG_LICENSE")];
        /// Folder of the weights of TotalSegmentator; null leaves the choice to it.
        totalsegmentator_weights: Option<PathBuf> = None, "segmentation.weights",
            env = &[Alias::same("TOTALSEG_WEIGHTS_PATH")];
        /// Threads of TotalSegmentator for resampling.
        nr_threads_resample: u32 = 1, "segmentation.nr_threads_resample", range = Range::min(1.0);
        /// Threads of TotalSegmentator for saving.
        nr_threads_save: u32 = 1, "segmentation.nr_threads_save", range = Range::min(1.0);
        /// Processes of TotalSegmentator for preprocessing.
        num_proc_preprocessing: u32 = 1, "segmentation.num_proc_preprocessing", range = Range::min(1.0);
        /// Processes of TotalSegmentator for export.
        num_proc_export: u32 = 1, "segmentation.num_proc_export", range = Range::min(1.0);
        /// Folder for temporary files of segmentation; null is the attempt's own folder.
        segmentation_temp_dir: Option<PathBuf> = None, "segmentation.temp_dir";

        /// Courses given to custom models at once.
        custom_model_workers: Workers = Workers::Count(1), "custom_models.workers", range = Range::min(1.0),
            old = &[Alias::same("custom_models.max_workers")];
        /// Time limit of one call of a custom model's program.
        custom_model_timeout: f64 = 1800.0, "custom_models.timeout", unit = "s", range = Range::min(1.0);
        /// Run custom models again even where a result is fresh.
        force_custom_models: bool = false, "custom_models.force";
        /// Program that predicts with nnU-Net: a name on PATH or a path.
        nnunet_predict: String = "nnUNetv2_predict".into(), "custom_models.nnunet_predict";

        /// Structures of which radiomics is computed at once; auto is the processors less one.
        radiomics_workers: Auto<u32> = Auto::Auto, "radiomics.workers", range = Range::min(1.0),
            env = &[Alias::same("RTPIPELINE_RADIOMICS_WORKERS")];
        /// One structure at a time.
        radiomics_sequential: bool = false, "radiomics.sequential",
            env = &[
                Alias::same("RTPIPELINE_RADIOMICS_SEQUENTIAL"),
                Alias::converted("RTPIPELINE_USE_PARALLEL_RADIOMICS", not),
                Alias::same("RTPIPELINE_DISABLE_PARALLEL_RADIOMICS"),
            ];
        /// Threads of one radiomics process; 0 or null is 1.
        radiomics_threads: Option<u32> = None, "radiomics.thread_limit",
            env = &[Alias::same("RTPIPELINE_RADIOMICS_THREAD_LIMIT")];
        /// Time limit of one structure.
        radiomics_timeout: f64 = 600.0, "radiomics.task_timeout", unit = "s", range = Range::min(1.0),
            env = &[Alias::same("RTPIPELINE_RADIOMICS_TASK_TIMEOUT")];
    }
}

section! {
    /// Finding files, linking them to courses, building the course folders.
    OrganizeSettings for "organize" {
        /// Identities in everything written; pseudonym replaces the patient ID by a keyed hash and links no input file.
        privacy: Privacy = Privacy::None, "privacy";
        /// How DICOM files get into the course folders; link is a hard link where possible, else a symbolic link.
        files: FileMode = FileMode::Link, "organize.files",
            old = &[Alias::converted("organize.use_hardlinks", hard_links)];
        /// What makes plans of one patient a course.
        merge_criteria: MergeCriteria = MergeCriteria::SameCtStudy, "organize.merge_criteria";
        /// A plan later than this after the first one of its course starts a new course; null never does.
        max_days: Option<u32> = None, "organize.max_days", unit = "days";
        /// Write the tables of plans, doses, structure sets, series and fractions.
        metadata: bool = true, "organize.metadata";
    }
}

impl OrganizeSettings {
    /// How DICOM files really get into the course folders: with pseudonyms no file of the input does.
    pub fn file_mode(&self) -> FileMode {
        match self.privacy {
            Privacy::None => self.files,
            Privacy::Pseudonym => FileMode::None,
        }
    }
}

section! {
    /// Automatic segmentation.
    SegmentationSettings for "segmentation" {
        /// Find structures automatically.
        enabled: bool = true, "segmentation.enabled";
        /// What finds them; auto is TotalSegmentator when it is installed, else the classical method.
        engine: SegmentationEngine = SegmentationEngine::Auto, "segmentation.engine";
        /// What networks run on.
        device: Device = Device::Gpu, "segmentation.device";
        /// TotalSegmentator's fast (3 mm) model.
        fast: bool = false, "segmentation.fast";
        /// Structures that TotalSegmentator is asked for; null is all.
        roi_subset: Option<Vec<String>> = None, "segmentation.roi_subset";
        /// Further tasks of TotalSegmentator.
        extra_models: Vec<String> = Vec::new(), "segmentation.extra_models";
        /// Let TotalSegmentator work on large images in parts.
        force_split: bool = true, "segmentation.force_split";
        /// Try once more on the processor when the GPU fails; the table tells when that happened.
        allow_fallback: bool = false, "segmentation.allow_fallback";
    }
}

section! {
    /// Custom nnU-Net models.
    CustomModelSettings for "segmentation_custom" {
        /// Run custom models.
        enabled: bool = false, "custom_models.enabled";
        /// Folder with one folder per model, each with a custom_model.yaml.
        root: PathBuf = PathBuf::from("custom_models"), "custom_models.root";
        /// Names of the models to run; empty is every enabled one.
        models: Vec<String> = Vec::new(), "custom_models.models";
    }
}

section! {
    /// Derived structures.
    StructureSettings for "structures" {
        /// Derived structures: a template of the program, a YAML file, or none.
        file: StructureFile = StructureFile::Template("pelvic"), "custom_structures";
    }
}

section! {
    /// Cropping images to a part of the body.
    CropSettings for "crop_ct" {
        /// Crop images to a part of the body.
        enabled: bool = false, "ct_cropping.enabled";
        /// The part.
        region: Region = Region::Pelvis, "ct_cropping.region";
        /// Added beyond the upper landmark; null is the region's own margin (brain 1, others 2, pelvis 0).
        superior_margin_cm: Option<f64> = None, "ct_cropping.superior_margin_cm", unit = "cm",
            range = Range::within(0.0, 100.0);
        /// Added beyond the lower landmark; null is the region's own margin (brain 1, others 2, pelvis 10).
        inferior_margin_cm: Option<f64> = None, "ct_cropping.inferior_margin_cm", unit = "cm",
            range = Range::within(0.0, 100.0);
        /// Compute DVHs of automatic structures from the cropped ones.
        use_cropped_for_dvh: bool = false, "ct_cropping.use_cropped_for_dvh";
    }
}

section! {
    /// Dose-volume histograms.
    DvhSettings for "dvh" {
        /// Compute DVHs.
        enabled: bool = true, "dvh.enabled";
        /// Rules by which DVHs are made.
        profile: DvhProfile = DvhProfile::Comparable, "dvh.profile";
        /// What the part of a structure outside the dose grid counts for.
        outside_grid: OutsideGrid = OutsideGrid::Exclude, "dvh.outside_grid";
        /// How several contours on one plane make an area.
        fill: FillRule = FillRule::EvenOdd, "dvh.fill";
        /// Step of the dose axis in dvh_curves.
        curve_step_gy: f64 = 0.1, "dvh.curve_step_gy", unit = "Gy", range = Range::within(0.001, 10.0);
        /// Dose goals shown in reports, each as "STRUCTURE: METRIC RELATION VALUE UNIT", for example "PTV*: V95% >= 95 %".
        goals: Vec<Goal> = Vec::new(), "dvh.goals";
    }
}

section! {
    /// Radiomics.
    RadiomicsSettings for "radiomics" {
        /// Compute radiomics.
        enabled: bool = true, "radiomics.enabled";
        /// Parameter file for CT in PyRadiomics' form; null is the one that comes with the program.
        params_file: Option<PathBuf> = None, "radiomics.params_file";
        /// Parameter file for MR; null is the one that comes with the program.
        mr_params_file: Option<PathBuf> = None, "radiomics.mr_params_file";
        /// Parameter file for PET; null is the one that comes with the program.
        pet_params_file: Option<PathBuf> = None, "radiomics.pet_params_file";
        /// Structures left out, besides couch parts, bones, m1, m2, table and support, which always are; case does not matter.
        skip_rois: Vec<String> = texts(&["body", "couchsurface", "couchinterior", "couchexterior", "bones", "m1", "m2"]),
            "radiomics.skip_rois";
        /// Structures larger than this get first-order and shape features only, at 2 mm.
        max_voxels: u64 = 1_500_000_000, "radiomics.max_voxels", unit = "voxels", range = Range::min(1.0);
        /// Structures smaller than this get a row with the reason and no features.
        min_voxels: u64 = 64, "radiomics.min_voxels", unit = "voxels", range = Range::min(1.0);
    }
}

section! {
    /// Pages.
    ReportSettings for "visualize" {
        /// Write a page per course and one for the cohort.
        enabled: bool = true, "report.enabled";
        /// Images in a course's page; auto takes as many as fit 6.5 MB, key takes key pictures only.
        images: ReportImages = ReportImages::Auto, "report.images";
    }
}

section! {
    /// Quality control.
    QcSettings for "qc" {
        /// Check every course.
        enabled: bool = true, "qc.enabled";
        /// Part of a target volume that the dose grid must cover.
        min_target_coverage_pct: f64 = 99.0, "qc.min_target_coverage_pct", unit = "%", range = Range::within(0.0, 100.0);
        /// Structures smaller than this are reported.
        min_structure_cc: f64 = 0.03, "qc.min_structure_cc", unit = "cm³", range = Range::min(0.0);
        /// Difference between a target's median dose and its prescription that is reported.
        prescription_tolerance_pct: f64 = 10.0, "qc.prescription_tolerance_pct", unit = "%",
            range = Range::within(0.0, 100.0);
        /// Dose above which a dose file is reported as implausible.
        max_plausible_dose_gy: f64 = 150.0, "qc.max_plausible_dose_gy", unit = "Gy", range = Range::min(1.0);
    }
}

macro_rules! assemble {
    ($( #[doc = $doc:literal] $field:ident : $ty:ident ),* $(,)?) => {
        /// Every setting of the program.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct Settings {
            $( #[doc = $doc] pub $field: $ty, )*
        }

        impl Settings {
            /// The value of a setting as JSON, by its dotted key.
            pub fn get(&self, key: &str) -> Option<Json> {
                None $( .or_else(|| self.$field.get(key)) )*
            }

            /// Sets a value; `None` when no setting has that key. `add`: lists grow instead of being replaced.
            pub(super) fn set(&mut self, key: &str, given: Given<'_>, add: bool) -> Option<Result<(), String>> {
                $( if let Some(done) = self.$field.set(key, given, add) { return Some(done); } )*
                None
            }
        }

        /// Every setting in the order in which it is shown: by section, and in a section those that decide results first.
        pub fn keys() -> &'static [Key] {
            static KEYS: std::sync::LazyLock<Vec<Key>> = std::sync::LazyLock::new(|| {
                let mut keys: Vec<Key> = [$( $ty::KEYS ),*].concat();
                keys.sort_by_key(|k| {
                    let section = SECTIONS.iter().position(|(name, _)| *name == k.section());
                    (section, k.stage == "run" && !matches!(k.section(), "" | "run"))
                });
                keys
            });
            &KEYS
        }
    };
}

assemble! {
    /// How the run is carried out.
    run: RunSettings,
    /// Stage organize.
    organize: OrganizeSettings,
    /// Stage segmentation.
    segmentation: SegmentationSettings,
    /// Stage segmentation_custom.
    custom_models: CustomModelSettings,
    /// Stage structures.
    structures: StructureSettings,
    /// Stage crop_ct.
    crop: CropSettings,
    /// Stage dvh.
    dvh: DvhSettings,
    /// Stage radiomics.
    radiomics: RadiomicsSettings,
    /// Stage visualize.
    report: ReportSettings,
    /// Stage qc.
    qc: QcSettings,
}

/// Sections of a file in the order in which they are shown, with a title; the first is the top level.
pub(super) const SECTIONS: &[(&str, &str)] = &[
    ("", "Folders and what is written"),
    ("run", "The run: workers, order, limits"),
    ("organize", "Files, courses, folders"),
    ("segmentation", "Automatic segmentation"),
    ("custom_models", "Custom nnU-Net models"),
    ("ct_cropping", "Cropping to a part of the body"),
    ("dvh", "Dose-volume histograms"),
    ("radiomics", "Radiomics"),
    ("report", "Pages"),
    ("qc", "Quality control"),
];

/// The setting with this dotted key.
pub fn key(name: &str) -> Option<&'static Key> {
    keys().iter().find(|k| k.key == name)
}
