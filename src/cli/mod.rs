//! The command line: arguments, sub-commands, exit codes, rendering of errors. The only room that prints results.

mod args;
mod config_cmd;
mod demo;
mod doctor;
mod exit;
mod inspect;
mod logging;
mod run;
mod single;
mod table_args;
mod validate;

pub use exit::{Exit, Failure};

use crate::ui::Printer;
use args::{Cli, Command};
use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _};
use std::ffi::OsString;
use std::process::ExitCode;

/// Parses the command line, does what it says, and returns the exit code (contracts §2).
pub fn main() -> ExitCode {
    let argv: Vec<OsString> = std::env::args_os().collect();
    match dispatch(argv) {
        Ok(code) => code.into(),
        Err(f) => {
            Printer::default().error(&f.message, &f.hints);
            f.exit.into()
        }
    }
}

fn dispatch(argv: Vec<OsString>) -> Result<Exit, Failure> {
    table_args::refuse_replaced(&argv)?;
    let argv = table_args::with_run(argv);
    let matches = match Cli::command().try_get_matches_from(argv) {
        Ok(m) => m,
        Err(e) => {
            let asked = matches!(e.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            // A reader that went away (`| head`) is no error.
            let _ = e.print();
            return Ok(if asked { Exit::Done } else { Exit::Usage });
        }
    };
    let cli = Cli::from_arg_matches(&matches).map_err(|e| Failure::usage(e.to_string()))?;
    match cli.command {
        Command::Run(a) => run::run(&a),
        Command::Demo(a) => demo::demo(&a),
        Command::Doctor(a) => doctor::doctor(&a),
        Command::Validate(a) => validate::validate(&a),
        Command::Status(a) => inspect::status(&a),
        Command::Explain(a) => inspect::explain(&a),
        Command::Config(a) => config_cmd::config(&a),
        Command::Scan(a) => single::scan(&a),
        Command::Convert(a) => single::convert(&a),
        Command::Masks(a) => single::masks(&a),
        Command::Dvh(a) => single::dvh(&a),
        Command::Radiomics(a) => single::radiomics(&a),
        Command::Report(a) => run::report(&a),
        Command::Unit(a) => run::unit(&a),
        Command::Completions { shell } => {
            let mut bytes = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "rtpipeline", &mut bytes);
            print_bytes(&bytes)
        }
    }
}

/// Writes to standard output; a reader that has gone away is no error.
fn print_bytes(bytes: &[u8]) -> Result<Exit, Failure> {
    use std::io::Write as _;
    let mut out = anstream::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(Exit::Done),
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(Exit::Done),
        Err(e) => Err(Failure::usage(format!("standard output cannot be written: {e}"))
            .hint("make room there, or write to a file with --out")),
    }
}
