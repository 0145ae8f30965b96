//! What a run shows while it goes: status lines, progress bars or plain lines, and the closing summary.

mod progress;
mod status;
mod summary;

pub use progress::{Progress, ProgressMode};
pub use status::{Color, Printer, human_bytes, human_time};
pub use summary::summary;
