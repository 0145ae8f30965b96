//! Exit codes and errors of the program (contracts §2).

use crate::config::ConfigErrors;
use crate::pipeline::RunError;
use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything asked for is done.
    Done,
    /// Usage or configuration error; nothing was started.
    Usage,
    /// Something that was asked for is not on this machine.
    Environment,
    /// No usable input.
    NoInput,
    /// The output folder is in use.
    Busy,
    /// Finished, but units failed.
    Failures,
    /// A defect of the program.
    Internal,
    /// Interrupted; the run can be resumed.
    Interrupted,
    /// A code of `rtpipeline unit` (house.md §3.4).
    Unit(u8),
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Usage => 2,
            Self::Environment => 3,
            Self::NoInput => 4,
            Self::Busy => 5,
            Self::Failures => 20,
            Self::Internal => 70,
            Self::Interrupted => 130,
            Self::Unit(c) => c,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(e: Exit) -> Self {
        Self::from(e.code())
    }
}

/// An error that ends the program.
#[derive(Debug)]
pub struct Failure {
    /// Exit code.
    pub exit: Exit,
    /// What happened, where.
    pub message: String,
    /// What to do next.
    pub hints: Vec<String>,
}

impl Failure {
    /// With an exit code.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hints: Vec::new() }
    }

    /// The command line or a file cannot be followed.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// The input cannot be used.
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(Exit::NoInput, message)
    }

    /// A defect, or a failure of the system.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Exit::Internal, message)
    }

    /// Adds what to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl From<ConfigErrors> for Failure {
    fn from(e: ConfigErrors) -> Self {
        Self::usage(e.to_string())
    }
}

impl From<RunError> for Failure {
    fn from(e: RunError) -> Self {
        let exit = match &e {
            RunError::Config(_) | RunError::Index(crate::index::IndexError::Setting(_)) | RunError::Io { .. } => {
                Exit::Usage
            }
            RunError::Environment(_) => Exit::Environment,
            RunError::NoInput(_) | RunError::Index(_) => Exit::NoInput,
            RunError::Busy(_) => Exit::Busy,
            RunError::Engine(_) | RunError::Results(_) => Exit::Internal,
        };
        let hints = match &e {
            RunError::Engine(x) => x.hints(),
            RunError::Io { .. } => vec!["choose a folder that can be written: --outdir DIR".to_owned()],
            RunError::Environment(_) => vec!["`rtpipeline doctor` shows what this machine has".to_owned()],
            RunError::Busy(_) => {
                vec!["wait for it (`rtpipeline status OUTDIR --watch`), or give another --outdir".to_owned()]
            }
            RunError::NoInput(_) => {
                vec!["`rtpipeline scan DIR` lists the patients, courses and other files of a folder".to_owned()]
            }
            _ => Vec::new(),
        };
        Self { exit, message: e.to_string(), hints }
    }
}
