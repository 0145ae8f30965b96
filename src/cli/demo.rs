//! `demo`.
use super::args::DemoArgs;
use super::exit::{Exit, Failure};
pub(super) fn demo(_: &DemoArgs) -> Result<Exit, Failure> { Err(Failure::internal("being written")) }
