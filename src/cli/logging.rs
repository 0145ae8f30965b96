//! Log files of a run: `Logs/rtpipeline.log` (by day, kept for a while) and `Logs/<run>/run.log`.

use super::exit::Failure;
use std::path::Path;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt};

/// Keeps the writers alive; lines are flushed when it is dropped.
pub(super) struct Logs {
    _guards: Vec<WorkerGuard>,
}

/// Old daily logs that are kept.
const KEPT: usize = 30;

/// Starts logging to files.
pub(super) fn start(dir: &Path, run_id: &str, json: bool, verbose: u8) -> Result<Logs, Failure> {
    let run_dir = dir.join(run_id);
    let hint = "choose a folder that can be written: --logs DIR";
    std::fs::create_dir_all(&run_dir)
        .map_err(|e| Failure::usage(format!("the log folder {} cannot be made: {e}", run_dir.display())).hint(hint))?;
    let daily = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("rtpipeline")
        .filename_suffix("log")
        .max_log_files(KEPT)
        .latest_symlink("rtpipeline.log")
        .build(dir)
        .map_err(|e| Failure::usage(format!("the log in {} cannot be opened: {e}", dir.display())).hint(hint))?;
    let own = tracing_appender::rolling::never(&run_dir, "run.log");
    // A lossy queue would drop the lines that matter most, those of a burst of failures.
    let (daily, g1) = NonBlockingBuilder::default().lossy(false).finish(daily);
    let (own, g2) = NonBlockingBuilder::default().lossy(false).finish(own);
    let level = || {
        EnvFilter::try_from_env("RTPIPELINE_LOG")
            .unwrap_or_else(|_| EnvFilter::new(if verbose > 0 { "debug" } else { "info" }))
    };
    let layers = if json {
        let a = fmt::layer().json().with_writer(daily).with_filter(level()).boxed();
        let b = fmt::layer().json().with_writer(own).with_filter(level()).boxed();
        vec![a, b]
    } else {
        let a = fmt::layer().with_ansi(false).with_writer(daily).with_filter(level()).boxed();
        let b = fmt::layer().with_ansi(false).with_writer(own).with_filter(level()).boxed();
        vec![a, b]
    };
    // A second start in one process (demo) keeps the first subscriber.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layers));
    Ok(Logs { _guards: vec![g1, g2] })
}
