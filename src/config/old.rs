//! Keys of the original program that no longer mean anything, each with what replaces it. Renamed keys are with the
//! setting that they became (`old` in the declaration).

/// A key, or a whole section, that is refused.
#[derive(Clone, Copy, Debug)]
pub struct RefusedKey {
    /// Dotted key; a section covers everything below it.
    pub key: &'static str,
    /// Sentence that names what replaces it.
    pub instead: &'static str,
}

const WORKERS: &str = "one scheduler gives every stage what it needs: limit it with run.workers and run.memory";
const ALL_SERIES: &str = "every series of a course is listed in the table `series`; series outside courses are not segmented by a run: convert them with `rtpipeline convert`";

/// All refused keys.
pub fn refused_keys() -> &'static [RefusedKey] {
    const fn row(key: &'static str, instead: &'static str) -> RefusedKey {
        RefusedKey { key, instead }
    }
    const ROWS: &[RefusedKey] = &[
        row("snakemake_job_threads", "there is no Snakemake: set run.workers"),
        row("container_mode", "there are no separate environments: the program is one binary, in a container or not"),
        row("container_env_prefix", "there are no separate environments: the program is one binary"),
        row(
            "environments",
            "there are no conda environments: external programs are named by segmentation.totalsegmentator and custom_models.nnunet_predict",
        ),
        row("scheduler.prioritize_short_courses", "set run.order: smallest-first"),
        row("scheduler.reserved_cores", "run.workers: auto leaves one processor free; set a number for another share"),
        row("scheduler", WORKERS),
        row("aggregation", "cohort tables are always made with all workers: set run.workers"),
        row(
            "custom_models.conda_activate",
            "programs are started without a shell: give the full path in custom_models.nnunet_predict",
        ),
        row(
            "custom_models.retain_weights",
            "weights lie unpacked in the folders of their models (custom_models/README.md): the program neither unpacks nor deletes them",
        ),
        row("radiomics.max_parallel_courses", "structures of all courses share the workers: set radiomics.workers"),
        row("radiomics_robustness", "feature robustness is not part of this version: leave the section out"),
        row(
            "ct_cropping.use_cropped_for_radiomics",
            "radiomics always uses the whole image, since features near a cut would be wrong",
        ),
        row("ct_cropping.keep_original", "the whole image is always kept beside the cropped one"),
        row(
            "organize.dedup_by_sop_uid",
            "files of one SOP Instance UID are always told apart by content: see the table `files`",
        ),
        row("organize.verify_checksum", "the content of every file that is used is always digested"),
        row("organize.cache_headers", "the inventory of the last run is always reused where files have not changed"),
        row("organize.do_segment_all_series", ALL_SERIES),
        row("organize.all_series_segment_classes", ALL_SERIES),
        row("organize.all_series_fourdct_single_representative", ALL_SERIES),
        row("organize.all_series_materialize_classes", ALL_SERIES),
        row("organize.inventory_db_path", "the inventory is the table `files` in _RESULTS"),
        row("organize.inventory_scan_run_id", "the inventory is the table `files` in _RESULTS"),
        row("organize.inventory_patient_ids", "choose patients with --course-filter"),
        row(
            "pet",
            "PET series are organized as they are; their own settings are not part of this version: leave the section out",
        ),
    ];
    ROWS
}

/// The row that covers a dotted key; the longest one wins.
pub(super) fn refused(key: &str) -> Option<&'static RefusedKey> {
    refused_keys()
        .iter()
        .filter(|row| key == row.key || key.strip_prefix(row.key).is_some_and(|rest| rest.starts_with('.')))
        .max_by_key(|row| row.key.len())
}

/// An environment variable of the original program that no longer means anything.
#[derive(Clone, Copy, Debug)]
pub struct RefusedVariable {
    /// Name.
    pub name: &'static str,
    /// Sentence that names what replaces it.
    pub instead: &'static str,
}

/// All such variables; one that is set gives a notice, since it may be there for another program.
pub fn refused_variables() -> &'static [RefusedVariable] {
    const fn row(name: &'static str, instead: &'static str) -> RefusedVariable {
        RefusedVariable { name, instead }
    }
    const ROWS: &[RefusedVariable] = &[
        row("RTPIPELINE_RADIOMICS_MP_START", "every structure gets a fresh process"),
        row("RTPIPELINE_RADIOMICS_ENV", "radiomics is part of the program"),
        row("RTPIPELINE_CONDA_EXE", "no conda is used"),
        row("RTPIPELINE_RADIOMICS_BATCH", "every structure is a unit of its own"),
        row("RTPIPELINE_IMAGE_CACHE_SIZE", "images are shared without a cache of their own"),
        row("RTPIPELINE_IMAGE_CACHE_AGE_SEC", "images are shared without a cache of their own"),
        row("RTPIPELINE_ROBUSTNESS_COURSE_TIMEOUT", "feature robustness is not part of this version"),
        row("RTPIPELINE_ROBUSTNESS_PROGRESS_TIMEOUT", "feature robustness is not part of this version"),
        row("RTPIPELINE_ALLOW_DESTRUCTIVE_CT_CLEAR", "no input and no finished result is ever deleted"),
        row("RTPIPELINE_CLINICAL_ROOT", "only the DICOM headers are read"),
        row("DCM2NIIX_TIMEOUT", "images are converted by the program itself"),
    ];
    ROWS
}

/// Variables with a meaning that is not a setting.
pub const OTHER_VARIABLES: &[&str] = &["RTPIPELINE_CONFIGFILE", "RTPIPELINE_SHARED"];
