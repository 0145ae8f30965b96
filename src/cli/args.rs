//! The command line as types.

use super::table_args::TableArgs;
use crate::ui::{Color, ProgressMode};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// From a hospital's DICOM-RT export to research data with one command.
#[derive(Debug, Parser)]
#[command(name = "rtpipeline", version, about, arg_required_else_help = true, disable_help_subcommand = false)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the pipeline over a folder (the word `run` may be left out)
    Run(Box<RunArgs>),
    /// Write a synthetic cohort, run the pipeline on it, and say where the page is
    Demo(Box<DemoArgs>),
    /// Show what this machine has and what each thing lets you do
    Doctor(DoctorArgs),
    /// Check configuration, structure files, models and folders; nothing is run
    Validate(ValidateArgs),
    /// Show what is done, failed and missing in an output folder
    Status(StatusArgs),
    /// Say why units of a course are fresh or stale, and what they saw
    Explain(ExplainArgs),
    /// Show the effective or the default configuration, or its schema
    Config(ConfigArgs),
    /// List courses, orphans and broken files of a folder; writes nothing but a table
    Scan(ScanArgs),
    /// Convert one image series to NIfTI or NRRD
    Convert(ConvertArgs),
    /// Turn contours into masks on an image
    Masks(MasksArgs),
    /// Compute the DVH table of one case
    Dvh(DvhArgs),
    /// Compute radiomics of one image and mask, or of a list of cases
    Radiomics(RadiomicsArgs),
    /// Build tables and pages again from records and failure files
    Report(ReportArgs),
    /// Run one unit of work from its file
    Unit(UnitArgs),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// How a command speaks.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Voice {
    /// More detail (twice: everything)
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "Output")]
    pub(super) verbose: u8,
    /// Errors only
    #[arg(short, long, help_heading = "Output")]
    pub(super) quiet: bool,
    /// How progress is shown
    #[arg(long, value_enum, default_value_t, help_heading = "Output")]
    pub(super) progress: ProgressMode,
    /// Colours in the terminal
    #[arg(long, value_enum, default_value_t, help_heading = "Output")]
    pub(super) color: Color,
    /// Log lines as JSON
    #[arg(long, help_heading = "Output")]
    pub(super) json_log: bool,
}

/// Where settings come from.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Sources {
    /// The configuration file [default: config.custom.yaml or config.yaml in this folder]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Any setting by its dotted key
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) set: Vec<String>,
}

#[derive(Args, Debug)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) sources: Sources,
    /// Only this stage and what it needs
    #[arg(long, value_name = "NAME")]
    pub(super) stage: Vec<String>,
    /// Only these patients or courses
    #[arg(long, value_name = "PATIENT[/COURSE]")]
    pub(super) course_filter: Vec<String>,
    /// Do everything again, or one stage
    #[arg(long, value_name = "STAGE", num_args = 0..=1, default_missing_value = "")]
    pub(super) force_redo: Option<String>,
    /// Print the plan and do nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(super) voice: Voice,
    #[command(flatten)]
    pub(super) table: TableArgs,
}

#[derive(Args, Debug)]
pub(super) struct DemoArgs {
    /// Number of patients
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=200))]
    pub(super) patients: u32,
    #[command(flatten)]
    pub(super) run: RunArgs,
}

#[derive(Args, Debug)]
pub(super) struct DoctorArgs {
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Program TotalSegmentator
    #[arg(long, value_name = "PROGRAM")]
    pub(super) totalseg: Option<String>,
    #[command(flatten)]
    pub(super) sources: Sources,
}

#[derive(Args, Debug)]
pub(super) struct ValidateArgs {
    /// The configuration file
    pub(super) file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) sources: Sources,
    /// Folder with DICOM
    #[arg(long, value_name = "DIR")]
    pub(super) dicom_root: Option<PathBuf>,
    /// Missing folders, programs or weights count: exit code 3
    #[arg(long)]
    pub(super) strict: bool,
}

#[derive(Args, Debug)]
pub(super) struct StatusArgs {
    /// Output folder
    #[arg(default_value = "Output")]
    pub(super) outdir: PathBuf,
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Again every two seconds, until the run ends
    #[arg(long)]
    pub(super) watch: bool,
}

#[derive(Args, Debug)]
pub(super) struct ExplainArgs {
    /// Output folder
    pub(super) outdir: PathBuf,
    /// PATIENT or PATIENT/COURSE
    pub(super) course: String,
    /// Only this stage
    pub(super) stage: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    pub(super) what: ConfigWhat,
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigWhat {
    /// The effective configuration with the origin of each value
    Show {
        #[command(flatten)]
        sources: Sources,
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        table: TableArgs,
    },
    /// The commented default
    Default,
    /// JSON Schema of the configuration file
    Schema,
}

#[derive(Args, Debug)]
pub(super) struct ScanArgs {
    /// Folder to look at
    pub(super) dir: PathBuf,
    /// Table of all files (`.csv`, or `-` for standard output)
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct ConvertArgs {
    /// Folder with one image series
    pub(super) series: PathBuf,
    /// `.nii`, `.nii.gz` or `.nrrd`
    pub(super) out: PathBuf,
    /// Series Instance UID, when the folder holds several
    #[arg(long, value_name = "UID")]
    pub(super) series_uid: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct MasksArgs {
    /// The structure set
    pub(super) rtstruct: PathBuf,
    /// Image: a volume file, or a folder with one series
    pub(super) image: PathBuf,
    /// Folder for the masks
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// One label map instead of a file per structure (later structures win where they overlap)
    #[arg(long)]
    pub(super) label_map: bool,
}

#[derive(Args, Debug)]
pub(super) struct DvhArgs {
    /// The structure set
    pub(super) rtstruct: PathBuf,
    /// The dose
    pub(super) rtdose: PathBuf,
    /// The plan, for metrics relative to its prescription
    #[arg(long, value_name = "RTPLAN")]
    pub(super) plan: Option<PathBuf>,
    /// Table (`.csv`, `.parquet`, `.xlsx`, or `-` for standard output)
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Curves too (`.csv` or `.parquet`)
    #[arg(long, value_name = "FILE")]
    pub(super) curves: Option<PathBuf>,
    #[command(flatten)]
    pub(super) sources: Sources,
}

#[derive(Args, Debug)]
pub(super) struct RadiomicsArgs {
    /// Image volume
    #[arg(required_unless_present = "batch")]
    pub(super) image: Option<PathBuf>,
    /// Mask on the same grid
    #[arg(required_unless_present = "batch")]
    pub(super) mask: Option<PathBuf>,
    /// Parameter file in PyRadiomics' form
    #[arg(long, value_name = "FILE")]
    pub(super) params: Option<PathBuf>,
    /// Value of the mask that is the structure
    #[arg(long, value_name = "N")]
    pub(super) label: Option<u32>,
    /// Table (`.csv`, or `-` for standard output)
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// CSV with the columns Image, Mask and optionally Label; paths relative to it
    #[arg(long, value_name = "CASES.csv", conflicts_with_all = ["image", "mask"])]
    pub(super) batch: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct ReportArgs {
    /// Output folder
    pub(super) outdir: PathBuf,
}

#[derive(Args, Debug)]
pub(super) struct UnitArgs {
    /// The unit file
    pub(super) file: PathBuf,
}
