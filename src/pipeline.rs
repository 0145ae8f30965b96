//! Binds settings, stages and engine together: one run over a folder.

use crate::config::{self, Settings, Workers};
use crate::course::Course;
use crate::index::{self, Inventory};
use crate::stages::{
    crop_ct::CropCt,
    dvh::DvhStage,
    organize::Organize,
    qc::Qc,
    radiomics::{ParameterSets, Radiomics},
    segmentation::Segmentation,
    segmentation_custom::SegmentationCustom,
    structures::Structures,
    visualize::Visualize,
};
use rtpipeline_engine::machine;
use rtpipeline_engine::{
    Cancel, EngineError, ErasedStage, Force, Isolation, Need, Observer, Order, Output, Pipeline, Policy, Roots,
    RunLock, RunOptions, RunReport, Scheduler, StageEntry, UnitContext, UnitError,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Names of the stages in their order, as `--stage` takes them.
pub const STAGES: &[&str] = &[
    "organize",
    "segmentation",
    "segmentation_custom",
    "structures",
    "crop_ct",
    "dvh",
    "visualize",
    "radiomics",
    "qc",
];

/// What a run is asked to do, beyond the settings.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Folder with DICOM.
    pub dicom_root: PathBuf,
    /// Output folder.
    pub outdir: PathBuf,
    /// Folder for logs.
    pub logs: PathBuf,
    /// Stages to run (with those they need); empty = all.
    pub stages: BTreeSet<String>,
    /// Patients or `PATIENT/COURSE` to run; empty = all.
    pub courses: Vec<String>,
    /// Do again although fresh: all, or these stages.
    pub force: Option<BTreeSet<String>>,
    /// Only plan.
    pub dry_run: bool,
    /// Name of the run.
    pub run_id: String,
    /// The command line, for `run.json`.
    pub command_line: Vec<String>,
}

/// Why a run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Settings that cannot be followed.
    #[error("{0}")]
    Config(String),
    /// Something that was asked for is not on this machine.
    #[error("{0}")]
    Environment(String),
    /// Nothing to work on.
    #[error("{0}")]
    NoInput(String),
    /// Another run holds the output folder.
    #[error("{0}")]
    Busy(String),
    /// Scanning failed.
    #[error(transparent)]
    Index(#[from] index::IndexError),
    /// The engine could not go on.
    #[error(transparent)]
    Engine(EngineError),
    /// The output folder cannot be written.
    #[error("{place}: {source}")]
    Io {
        /// Which.
        place: String,
        /// Why.
        source: std::io::Error,
    },
    /// Tables or pages could not be written.
    #[error("{0}")]
    Results(String),
}

/// What a run gave.
pub struct Outcome {
    /// Files and courses.
    pub inventory: Inventory,
    /// What the engine did.
    pub report: RunReport,
    /// Written tables and pages; empty for a dry run.
    pub results: Vec<PathBuf>,
}

/// The named roots of a run.
pub fn roots(request: &Request, settings: &Settings) -> Roots {
    let mut map = BTreeMap::new();
    map.insert("in".to_owned(), request.dicom_root.clone());
    map.insert("out".to_owned(), request.outdir.clone());
    map.insert("models".to_owned(), settings.custom_models.root.clone());
    if let config::StructureFile::File(p) = &settings.structures.file
        && let Some(dir) = p.parent()
    {
        map.insert("structures".to_owned(), dir.to_path_buf());
    }
    Roots(map)
}

/// Number of units that may run at once.
pub fn workers(settings: &Settings) -> usize {
    settings.run.workers.value().map_or_else(machine::default_workers, |n| n as usize)
}

/// The stages with their policies and needs.
///
/// # Errors
/// When a file that the settings name cannot be used.
pub fn build(settings: &Settings) -> Result<Pipeline<Course>, RunError> {
    let p = Policies::new(settings);
    let params = ParameterSets::load(&settings.radiomics).map_err(RunError::Config)?;
    let mut stages = vec![StageEntry::new(Organize::new(settings.organize.clone(), p.parallel()), [])];
    let after_organize = || vec![Need::Done("organize")];
    if settings.segmentation.enabled && settings.segmentation.engine != config::SegmentationEngine::None {
        let stage = Segmentation::new(&settings.segmentation, p.segmentation(settings));
        stages.push(StageEntry::new(stage, after_organize()));
    }
    if settings.custom_models.enabled {
        let stage =
            SegmentationCustom::load(&settings.custom_models, p.custom_models(settings)).map_err(RunError::Config)?;
        stages.push(StageEntry::new(stage, [Need::Done("organize"), Need::After("segmentation")]));
    }
    let structures = Structures::load(&settings.structures, p.parallel()).map_err(RunError::Config)?;
    let needs = [Need::Done("organize"), Need::After("segmentation"), Need::After("segmentation_custom")];
    stages.push(StageEntry::new(structures, needs));
    let after_structures = || vec![Need::Done("structures")];
    if settings.crop.enabled {
        stages.push(StageEntry::new(CropCt::new(&settings.crop, p.parallel()), after_structures()));
    }
    let with_crop = || vec![Need::Done("structures"), Need::After("crop_ct")];
    let cropped = settings.crop.enabled && settings.crop.use_cropped_for_dvh;
    if settings.dvh.enabled {
        stages.push(StageEntry::new(DvhStage::new(settings.dvh.clone(), cropped, p.parallel()), with_crop()));
    }
    if settings.report.enabled {
        let needs = [Need::Done("structures"), Need::After("dvh")];
        stages.push(StageEntry::new(Visualize::new(settings.report.clone(), p.parallel()), needs));
    }
    if settings.radiomics.enabled {
        let stage = Radiomics::new(settings.radiomics.portable(), params, p.radiomics(settings));
        stages.push(StageEntry::new(stage, after_structures()));
    }
    if settings.qc.enabled {
        let needs = ["structures", "crop_ct", "dvh", "radiomics"].map(Need::After);
        let needs = [vec![Need::Done("organize")], needs.to_vec()].concat();
        stages.push(StageEntry::new(Qc::new(settings.qc.clone()), needs));
    }
    Ok(Pipeline { stages })
}

/// Policies of systems.md A.1: workers, threads and isolation by stage.
struct Policies {
    workers: usize,
    limit: Option<Duration>,
    attempts: u32,
}

impl Policies {
    fn new(s: &Settings) -> Self {
        Self { workers: workers(s), limit: s.run.task_timeout.map(Duration::from_secs_f64), attempts: s.run.attempts }
    }

    fn parallel(&self) -> Policy {
        Policy { workers: self.workers, time_limit: self.limit, ..Policy::default() }
    }

    fn programs(&self, s: &Settings, asked: Workers, limit: f64) -> Policy {
        let workers = match asked {
            Workers::Count(n) => n as usize,
            Workers::Auto => machine::gpus().len().max(1),
            Workers::All => self.workers,
        };
        let workers = workers.clamp(1, self.workers);
        // On a GPU the processors only feed it, and other stages need them; without one they do the work.
        let on_gpu = s.segmentation.device == config::Device::Gpu && !machine::gpus().is_empty();
        let free = if on_gpu { self.workers.min(4) } else { self.workers / workers };
        let threads = s.run.segmentation_threads.filter(|t| *t > 0).map_or(free, |t| t as usize);
        Policy {
            workers,
            threads: threads.max(1),
            time_limit: Some(Duration::from_secs_f64(limit)),
            attempts: self.attempts,
            ..Policy::default()
        }
    }

    fn segmentation(&self, s: &Settings) -> Policy {
        let r = &s.run;
        let mut p = self.programs(s, r.segmentation_workers, r.segmentation_timeout);
        p.host.insert("totalsegmentator".into(), r.totalsegmentator.clone());
        p.host.insert("device".into(), s.segmentation.device.to_string());
        p.host.insert("nr_threads_resample".into(), r.nr_threads_resample.to_string());
        p.host.insert("nr_threads_save".into(), r.nr_threads_save.to_string());
        p.env.insert("TOTALSEG_NUM_PROCESSES_PREPROCESSING".into(), r.num_proc_preprocessing.to_string());
        p.env.insert("TOTALSEG_NUM_PROCESSES_SEGMENTATION_EXPORT".into(), r.num_proc_export.to_string());
        if let Some(w) = &r.totalsegmentator_weights {
            p.env.insert("TOTALSEG_WEIGHTS_PATH".into(), w.display().to_string());
        }
        if let Some(l) = &r.totalsegmentator_license {
            p.env.insert("TOTALSEG_LICENSE".into(), l.reveal().to_owned());
        }
        if let Some(t) = &r.segmentation_temp_dir {
            p.host.insert("temp_dir".into(), t.display().to_string());
        }
        p
    }

    fn custom_models(&self, s: &Settings) -> Policy {
        let r = &s.run;
        let mut p = self.programs(s, r.custom_model_workers, r.custom_model_timeout);
        p.host.insert("nnunet_predict".into(), r.nnunet_predict.clone());
        p.host.insert("totalsegmentator".into(), r.totalsegmentator.clone());
        p.host.insert("device".into(), s.segmentation.device.to_string());
        p
    }

    fn radiomics(&self, s: &Settings) -> Policy {
        let r = &s.run;
        let asked = r.radiomics_workers.value().map_or_else(machine::default_workers, |n| n as usize);
        // An explicit number of workers is taken at its word; the scheduler still admits units by their memory.
        let per_worker = r.memory_per_worker_gb * f64::from(1 << 30);
        let by_memory = match r.radiomics_workers.value() {
            Some(_) => usize::MAX,
            None => (machine::memory().available as f64 / per_worker) as usize,
        };
        Policy {
            workers: if r.radiomics_sequential { 1 } else { asked.clamp(1, self.workers).min(by_memory.max(1)) },
            threads: r.radiomics_threads.filter(|t| *t > 0).unwrap_or(1) as usize,
            isolation: Isolation::Process,
            time_limit: Some(Duration::from_secs_f64(r.radiomics_timeout)),
            attempts: self.attempts,
            ..Policy::default()
        }
    }
}

/// Runs one unit in a child or on another host: the stage is built afresh, the task tells it everything.
///
/// # Errors
/// Those of the stage; a `Bug` when no stage has that name.
pub fn run_child(stage: &str, cx: &UnitContext, task: serde_json::Value) -> Result<Output, UnitError> {
    let stage: Box<dyn ErasedStage<Course>> = match stage {
        "organize" => Box::new(Organize::default()),
        "segmentation" => Box::new(Segmentation::default()),
        "segmentation_custom" => Box::new(SegmentationCustom::default()),
        "structures" => Box::new(Structures::default()),
        "crop_ct" => Box::new(CropCt::default()),
        "dvh" => Box::new(DvhStage::default()),
        "visualize" => Box::new(Visualize::default()),
        "radiomics" => Box::new(Radiomics::default()),
        "qc" => Box::new(Qc::default()),
        other => return Err(UnitError::bug(format!("no stage is called `{other}`"))),
    };
    stage.erased_run(cx, &task)
}

/// Scans, links, runs the stages, writes tables and pages.
///
/// # Errors
/// When the run cannot be started or its results cannot be written; failures of units are in the report.
pub fn run(
    request: &Request,
    settings: &Settings,
    origins: &serde_json::Value,
    cancel: &Cancel,
    observer: &dyn Observer,
    scanned: &(dyn Fn(usize, usize) + Sync),
) -> Result<Outcome, RunError> {
    let pipeline = build(settings)?;
    let present: BTreeSet<&str> = pipeline.stages.iter().map(|e| e.stage.erased_name()).collect();
    let asked = request.stages.iter().chain(request.force.iter().flatten());
    if let Some(off) = asked.map(String::as_str).find(|s| !present.contains(s)) {
        return Err(RunError::Config(format!("the stage {off} is asked for, and switched off by {}", switch(off))));
    }
    if !request.dicom_root.is_dir() {
        return Err(RunError::NoInput(format!("{} is not a folder that can be read", request.dicom_root.display())));
    }
    let run_dir = request.outdir.join("_RUN");
    if !request.dry_run {
        std::fs::create_dir_all(&run_dir)
            .map_err(|source| RunError::Io { place: run_dir.display().to_string(), source })?;
    }
    // Held until the tables are written: inventory and results belong to one run at a time, like its units.
    let lock = if request.dry_run { None } else { Some(Arc::new(lock(&run_dir)?)) };
    let cache = (!request.dry_run).then_some(run_dir.as_path());
    let threads = settings.run.index_workers.value().map_or_else(|| workers(settings), |n| n as usize);
    let readers = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|e| RunError::Environment(format!("threads for reading headers: {e}")))?;
    let inventory = readers.install(|| {
        index::build_beside_logs(&request.dicom_root, &settings.organize, cache, Some(&request.logs), scanned)
    })?;
    if inventory.courses.is_empty() {
        if !request.dry_run {
            crate::results::write_without_courses(request, settings, origins, &inventory).map_err(RunError::Results)?;
        }
        return Err(RunError::NoInput(format!(
            "no course was found in {} ({} files looked at; {} says what became of each)",
            request.dicom_root.display(),
            inventory.files.len(),
            request.outdir.join("_RESULTS/orphans.csv").display()
        )));
    }
    let subjects: Vec<Course> = inventory.courses.iter().filter(|c| wanted(c, &request.courses)).cloned().collect();
    if subjects.is_empty() {
        return Err(RunError::NoInput(format!("no course matches {}", request.courses.join(", "))));
    }
    if !request.dry_run {
        inventory.save(&run_dir)?;
    }
    let mut options = options(request, settings, &run_dir, &present);
    options.held = lock;
    let report = rtpipeline_engine::run(&pipeline, &subjects, &options, cancel, observer).map_err(engine_error)?;
    let results = if request.dry_run {
        Vec::new()
    } else {
        crate::results::write(request, settings, origins, &inventory, &report).map_err(RunError::Results)?
    };
    Ok(Outcome { inventory, report, results })
}

/// Takes the lock of a run folder.
///
/// # Errors
/// [`RunError::Busy`] with the holder when another run has it.
pub fn lock(run_dir: &Path) -> Result<RunLock, RunError> {
    RunLock::take(run_dir).map_err(engine_error)
}

fn engine_error(e: EngineError) -> RunError {
    if matches!(e, EngineError::Locked { .. }) { RunError::Busy(e.to_string()) } else { RunError::Engine(e) }
}

/// The setting that leaves a stage out of the pipeline.
fn switch(stage: &str) -> &'static str {
    match stage {
        "segmentation" => "segmentation.enabled or segmentation.engine",
        "segmentation_custom" => "custom_models.enabled",
        "crop_ct" => "ct_cropping.enabled",
        "dvh" => "dvh.enabled",
        "visualize" => "report.enabled",
        "radiomics" => "radiomics.enabled",
        "qc" => "qc.enabled",
        _ => "the settings",
    }
}

fn options(request: &Request, settings: &Settings, run_dir: &Path, present: &BTreeSet<&str>) -> RunOptions {
    let r = &settings.run;
    let mut o = RunOptions::new(roots(request, settings), request.run_id.clone());
    o.run_dir = run_dir.to_path_buf();
    o.logs_dir.clone_from(&request.logs);
    o.cpus = workers(settings);
    if let Some(gib) = r.memory.value() {
        o.memory = (gib * f64::from(1 << 30)) as u64;
    }
    o.order = match r.order {
        config::Order::Fifo => Order::Fifo,
        config::Order::Random(seed) => Order::Random(seed),
        config::Order::LargestFirst => Order::LargestFirst,
        config::Order::SmallestFirst => Order::SmallestFirst,
    };
    o.scheduler = match r.scheduler {
        config::Scheduler::Overlapping => Scheduler::Overlapping,
        config::Scheduler::Staged => Scheduler::Staged,
    };
    let mut forced = match &request.force {
        None => BTreeSet::new(),
        Some(s) if s.is_empty() => STAGES.iter().map(|s| (*s).to_owned()).collect(),
        Some(s) => s.clone(),
    };
    if r.force_segmentation {
        forced.insert("segmentation".into());
    }
    if r.force_custom_models {
        forced.insert("segmentation_custom".into());
    }
    forced.retain(|s| present.contains(s.as_str()));
    o.force = if forced.is_empty() { Force::None } else { Force::Stages(forced) };
    o.only = (!request.stages.is_empty()).then(|| request.stages.clone());
    o.dry_run = request.dry_run;
    o.grace = Duration::from_secs_f64(r.grace);
    o
}

fn wanted(c: &Course, filters: &[String]) -> bool {
    filters.is_empty()
        || filters.iter().any(|f| {
            let (patient, course) = f.split_once('/').map_or((f.as_str(), None), |(p, c)| (p, Some(c)));
            (c.patient_id == patient || c.patient_dir == patient) && course.is_none_or(|x| c.course_id == x)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_share_the_processors_unless_threads_are_asked_for() {
        let p = Policies { workers: 12, limit: None, attempts: 1 };
        let mut s = Settings::default();
        s.segmentation.device = config::Device::Cpu;
        assert_eq!(p.segmentation(&s).threads, 12);
        s.run.segmentation_workers = Workers::Count(3);
        assert_eq!((p.segmentation(&s).workers, p.segmentation(&s).threads), (3, 4));
        s.run.segmentation_threads = Some(2);
        assert_eq!(p.segmentation(&s).threads, 2);
        s.run.segmentation_threads = Some(0);
        assert_eq!(p.segmentation(&s).threads, 4);
    }
}
