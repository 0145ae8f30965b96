//! The options of the command line as data: those of the original program, its older generation, and ours.

use super::load::Override;

/// What follows an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing.
    Flag,
    /// A value; the text names it in help.
    Value(&'static str),
    /// A value that may be left out.
    Optional(&'static str),
}

/// What an option does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// Sets a setting to the value that was given.
    Set(&'static str),
    /// Sets a setting to a fixed value.
    Fixed(&'static str, &'static str),
    /// Sets a setting to the given value and switches another on.
    SetAndEnable(&'static str, &'static str),
    /// The same as another option.
    Same(&'static str),
    /// Acts on this run only; the command line holds it.
    Run(&'static str),
    /// Refused; the sentence names what replaces it.
    Refused(&'static str),
}

/// Where an option belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// `run`.
    Run,
    /// A sub-command of its own.
    Sub(&'static str),
}

/// One option.
#[derive(Clone, Copy, Debug)]
pub struct OptionRow {
    /// Where it belongs.
    pub command: Command,
    /// With its dashes; a sub-command that is refused as a whole has an empty name.
    pub option: &'static str,
    /// What follows it.
    pub takes: Takes,
    /// It may be given more than once.
    pub repeatable: bool,
    /// Known to the original program (either generation).
    pub original: bool,
    /// What it does.
    pub binding: Binding,
}

use Binding::{Fixed, Refused, Run, Same, Set, SetAndEnable};
use Takes::{Flag, Optional, Value};

const fn theirs(option: &'static str, takes: Takes, binding: Binding) -> OptionRow {
    OptionRow { command: Command::Run, option, takes, repeatable: false, original: true, binding }
}
const fn ours(option: &'static str, takes: Takes, binding: Binding) -> OptionRow {
    OptionRow { command: Command::Run, option, takes, repeatable: false, original: false, binding }
}
const fn sub(name: &'static str, option: &'static str, takes: Takes, binding: Binding) -> OptionRow {
    OptionRow { command: Command::Sub(name), option, takes, repeatable: false, original: true, binding }
}
const fn many(row: OptionRow) -> OptionRow {
    OptionRow { repeatable: true, ..row }
}

const NO_SHELL: &str =
    "programs are started without a shell: activate the environment before, or give the program's full path";
const OWN_NIFTI: &str = "images are converted by the program itself";
const OWN_WEIGHTS: &str = "weights lie unpacked in the folders of their models (custom_models/README.md): the program neither unpacks nor deletes them";
const NO_ROBUSTNESS: &str = "feature robustness is not part of this version: compute radiomics on your own perturbed masks with `rtpipeline radiomics --batch`";
const NO_FEDERATION: &str =
    "federation packets are not part of this version: share the tables of _RESULTS, which are CSV and Parquet";
const NO_DOWNLOAD: &str = "public collections are not downloaded: fetch them with the archive's own program and give the folder as --dicom-root";

const TABLE: &[OptionRow] = &[
    theirs("--dicom-root", Value("DIR"), Set("dicom_root")),
    theirs("--outdir", Value("DIR"), Set("output_dir")),
    theirs("--logs", Value("DIR"), Set("logs_dir")),
    theirs(
        "--manifest",
        Value("FILE"),
        Refused("the inventory of the last run in OUTDIR/_RUN is reused by itself where files have not changed"),
    ),
    theirs("--merge-criteria", Value("RULE"), Set("organize.merge_criteria")),
    theirs("--max-days", Value("N"), Set("organize.max_days")),
    many(theirs("--stage", Value("NAME"), Run("only these stages and what they need"))),
    theirs("--no-segmentation", Flag, Fixed("segmentation.enabled", "false")),
    theirs("--no-dvh", Flag, Fixed("dvh.enabled", "false")),
    theirs("--no-visualize", Flag, Fixed("report.enabled", "false")),
    theirs("--no-radiomics", Flag, Fixed("radiomics.enabled", "false")),
    theirs("--no-metadata", Flag, Fixed("organize.metadata", "false")),
    theirs("--force-segmentation", Flag, Fixed("segmentation.force", "true")),
    theirs("--force-redo", Optional("STAGE"), Run("do everything again, or one stage and what depends on it")),
    many(theirs("--course-filter", Value("PATIENT[/COURSE]"), Run("only these patients or courses"))),
    theirs("--max-workers", Value("N"), Same("--workers")),
    theirs("--workers", Value("N|auto"), Set("run.workers")),
    theirs("--seg-workers", Value("N"), Set("segmentation.workers")),
    theirs("--seg-proc-threads", Value("N"), Set("segmentation.threads_per_worker")),
    theirs("--radiomics-proc-threads", Value("N"), Set("radiomics.thread_limit")),
    theirs("--custom-model-workers", Value("N"), Set("custom_models.workers")),
    theirs("--task-timeout", Value("SECONDS"), Set("run.task_timeout")),
    theirs("--totalseg-timeout", Value("SECONDS"), Set("segmentation.timeout")),
    theirs("--dcm2niix-timeout", Value("SECONDS"), Refused(OWN_NIFTI)),
    theirs("--radiomics-task-timeout", Value("SECONDS"), Set("radiomics.task_timeout")),
    theirs("--totalseg", Value("PROGRAM"), Set("segmentation.totalsegmentator")),
    theirs("--totalseg-license", Value("KEY"), Set("segmentation.license")),
    theirs("--totalseg-weights", Value("DIR"), Set("segmentation.weights")),
    many(theirs("--extra-seg-models", Value("TASKS"), Set("segmentation.extra_models"))),
    theirs("--totalseg-fast", Flag, Fixed("segmentation.fast", "true")),
    theirs("--totalseg-roi-subset", Value("STRUCTURES"), Set("segmentation.roi_subset")),
    theirs("--totalseg-device", Value("gpu|cpu|mps"), Set("segmentation.device")),
    theirs("--totalseg-nr-thr-resamp", Value("N"), Set("segmentation.nr_threads_resample")),
    theirs("--totalseg-nr-thr-saving", Value("N"), Set("segmentation.nr_threads_save")),
    theirs("--totalseg-num-proc-pre", Value("N"), Set("segmentation.num_proc_preprocessing")),
    theirs("--totalseg-num-proc-export", Value("N"), Set("segmentation.num_proc_export")),
    theirs("--totalseg-force-split", Flag, Fixed("segmentation.force_split", "true")),
    theirs("--no-totalseg-force-split", Flag, Fixed("segmentation.force_split", "false")),
    theirs("--totalseg-allow-fallback", Flag, Fixed("segmentation.allow_fallback", "true")),
    theirs("--seg-temp-dir", Value("DIR"), Set("segmentation.temp_dir")),
    theirs("--custom-models-root", Value("DIR"), SetAndEnable("custom_models.root", "custom_models.enabled")),
    many(theirs("--custom-model", Value("NAME"), SetAndEnable("custom_models.models", "custom_models.enabled"))),
    many(theirs("--custom-model-only", Value("NAME"), Same("--custom-model"))),
    theirs("--force-custom-models", Flag, Fixed("custom_models.force", "true")),
    theirs("--custom-model-conda-activate", Value("PREFIX"), Refused(NO_SHELL)),
    theirs("--nnunet-predict", Value("PROGRAM"), Set("custom_models.nnunet_predict")),
    theirs("--purge-custom-model-weights", Flag, Refused(OWN_WEIGHTS)),
    theirs("--custom-structures", Value("FILE"), Set("custom_structures")),
    theirs("--conda-activate", Value("PREFIX"), Refused(NO_SHELL)),
    theirs("--dcm2niix", Value("PROGRAM"), Refused(OWN_NIFTI)),
    theirs("--radiomics-params", Value("FILE"), Set("radiomics.params_file")),
    theirs("--radiomics-params-mr", Value("FILE"), Set("radiomics.mr_params_file")),
    theirs("--sequential-radiomics", Flag, Fixed("radiomics.sequential", "true")),
    many(theirs("--radiomics-skip-roi", Value("NAMES"), Set("radiomics.skip_rois"))),
    theirs("--radiomics-max-voxels", Value("N"), Set("radiomics.max_voxels")),
    theirs("--radiomics-min-voxels", Value("N"), Set("radiomics.min_voxels")),
    many(theirs("--verbose", Flag, Run("more detail in log and terminal; short form -v"))),
    ours("--config", Value("FILE"), Run("the configuration file")),
    ours("--no-qc", Flag, Fixed("qc.enabled", "false")),
    ours("--order", Value("RULE"), Set("run.order")),
    ours("--executor", Value("NAME"), Set("run.executor")),
    ours("--dry-run", Flag, Run("print the plan and do nothing")),
    ours("--quiet", Flag, Run("errors only; short form -q")),
    ours("--progress", Value("auto|bar|plain|none"), Run("how progress is shown")),
    ours("--color", Value("auto|always|never"), Run("colours in the terminal")),
    ours("--json-log", Flag, Run("log lines as JSON")),
    many(ours("--set", Value("KEY=VALUE"), Run("any setting by its dotted key"))),
    sub("doctor", "--logs", Value("DIR"), Refused("doctor writes no logs")),
    sub("doctor", "--conda-activate", Value("PREFIX"), Refused(NO_SHELL)),
    sub("doctor", "--dcm2niix", Value("PROGRAM"), Refused(OWN_NIFTI)),
    sub("doctor", "--totalseg", Value("PROGRAM"), Set("segmentation.totalsegmentator")),
    sub("validate", "--dicom-root", Value("DIR"), Set("dicom_root")),
    sub("validate", "--config", Value("FILE"), Run("the configuration file; it may also stand without --config")),
    sub("validate", "--strict", Flag, Run("missing folders, programs or weights count: exit code 3")),
    sub("radiomics-robustness", "", Flag, Refused(NO_ROBUSTNESS)),
    sub("radiomics-robustness-aggregate", "", Flag, Refused(NO_ROBUSTNESS)),
    sub("federation", "", Flag, Refused(NO_FEDERATION)),
    sub("tcia-rider-lung-ct", "", Flag, Refused(NO_DOWNLOAD)),
    sub("rider-manifest", "", Flag, Refused(NO_DOWNLOAD)),
];

/// Every option of `run` and every option and sub-command of the original program.
pub fn option_table() -> &'static [OptionRow] {
    TABLE
}

/// What an option of `run` sets, given its value (ignored for flags); empty when it sets nothing.
///
/// # Errors
/// The sentence with which the option is refused, or that it is not known.
pub fn assignments(option: &str, value: &str) -> Result<Vec<Override>, String> {
    let row = TABLE
        .iter()
        .find(|r| r.command == Command::Run && r.option == option)
        .ok_or_else(|| format!("there is no option {option}"))?;
    Ok(match row.binding {
        Set(key) => vec![Override::new(key, value, option)],
        Fixed(key, fixed) => vec![Override::new(key, fixed, option)],
        SetAndEnable(key, switch) => vec![Override::new(key, value, option), Override::new(switch, "true", option)],
        Same(other) => {
            assignments(other, value)?.into_iter().map(|o| Override { option: option.to_owned(), ..o }).collect()
        }
        Run(_) => Vec::new(),
        Refused(instead) => return Err(format!("{option} is no longer an option: {instead}")),
    })
}
