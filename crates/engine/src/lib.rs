//! Runs units of work: policies, admission by resources, adaptive workers, isolation, retries, resume, events.
//!
//! A *unit* is a stage applied to a scope (for example `["P001", "2023-01"]`) or to a named part of it. It is data,
//! never a closure: the same unit runs in a thread, in a child process or on another host, and two units are compared by
//! fingerprint. The engine knows nothing of what the units are about.
//!
//! The order of things: implement [`Stage`], put the stages into a [`Pipeline`], call [`init`] as the first statement of
//! `main` and [`run`] afterwards. What was done is read back through [`store`].
#![deny(unsafe_code)]

/// The example in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod api;
mod digest;
mod error;
mod event;
mod isolate;
mod lock;
pub mod machine;
pub mod memory_text;
mod options;
mod pipeline;
pub mod program;
mod report;
mod run;
pub mod store;
#[allow(unsafe_code)]
mod sys;
mod text;
mod usage;
mod watchdog;

pub use api::*;
pub use digest::{Digest, DigestCache, DigestError, canonical_json, fingerprint};
pub use error::EngineError;
pub use event::{EVENT_FORMAT, Event, EventLine, NoObserver, Observer, read_events};
pub use isolate::{
    ChildRunner, EXIT_CONFIG, EXIT_DATA, EXIT_INTERNAL, EXIT_MEMORY, EXIT_OK, EXIT_TRANSIENT, init, run_unit_file,
};
pub use lock::{LockHolder, RunLock};
pub use options::{Force, Order, RunOptions, Scheduler};
pub use pipeline::{ErasedStage, Need, Pipeline, StageEntry};
pub use report::{Decision, PlannedUnit, RunReport, StageReport};
pub use run::run;
