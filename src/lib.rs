//! rtpipeline: from a hospital's DICOM-RT export to research data with one command.
//!
//! The crate binds the rooms together: settings ([`config`]), stages ([`stages`]), tables ([`records`]), pages
//! ([`report`]) and the run itself ([`pipeline`]). ARCHITECTURE.md is the map.

pub mod cli;
pub mod config;
pub mod course;
pub mod demo;
pub mod index;
pub mod pipeline;
pub mod records;
pub mod report;
pub mod results;
pub mod stages;
pub mod ui;
