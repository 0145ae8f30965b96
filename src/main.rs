//! The `rtpipeline` program. Children start here too: the first statement turns them into workers.

use std::process::ExitCode;

fn main() -> ExitCode {
    rtpipeline_engine::init(rtpipeline::pipeline::run_child);
    rtpipeline::cli::main()
}
