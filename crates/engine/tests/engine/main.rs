//! Tests of whole runs. They have a `main` of their own because isolated children and the watchdog are this executable
//! again; it speaks as much of the usual test protocol as `cargo test` and `cargo nextest` need.

mod faults;
mod kill;
mod memory;
mod programs;
mod random;
mod resume;
mod schedule;
mod support;

use std::panic::catch_unwind;
use std::process::ExitCode;

type Test = (&'static str, fn());

fn main() -> ExitCode {
    support::die_early_if_asked();
    rtpipeline_engine::init(support::run_child);
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|a| a == "--pipeline") {
        return kill::child_pipeline(&args[1..]);
    }
    if args.first().is_some_and(|a| a == "--overhead") {
        support::overhead(
            args.get(1).and_then(|n| n.parse().ok()).unwrap_or(1000),
            args.get(2).is_some_and(|a| a == "isolated"),
        );
        return ExitCode::SUCCESS;
    }
    let tests: Vec<Test> =
        [resume::TESTS, faults::TESTS, memory::TESTS, schedule::TESTS, programs::TESTS, kill::TESTS, random::TESTS]
            .concat();
    let has = |flag: &str| args.iter().any(|a| a == flag);
    if has("--list") {
        if !has("--ignored") {
            for (name, _) in &tests {
                println!("{name}: test");
            }
        }
        return ExitCode::SUCCESS;
    }
    if has("--ignored") {
        return ExitCode::SUCCESS;
    }
    let filters: Vec<&String> = args.iter().filter(|a| !a.starts_with('-')).collect();
    let exact = has("--exact");
    let wanted = |name: &str| {
        filters.is_empty() || filters.iter().any(|f| if exact { f.as_str() == name } else { name.contains(f.as_str()) })
    };
    let mut failed = Vec::new();
    for (name, test) in tests.iter().filter(|t| wanted(t.0)) {
        let started = std::time::Instant::now();
        let ok = catch_unwind(test).is_ok();
        println!("test {name} ... {} ({:.1} s)", if ok { "ok" } else { "FAILED" }, started.elapsed().as_secs_f64());
        if !ok {
            failed.push(*name);
        }
    }
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        println!("failed: {}", failed.join(", "));
        ExitCode::FAILURE
    }
}
