//! The closing lines of a run.

use super::status::{Printer, human_bytes, human_time};
use crate::pipeline::Outcome;

/// Prints what was done, what it took and where to look.
pub fn summary(printer: &Printer, outcome: &Outcome, page: Option<&std::path::Path>) {
    let r = &outcome.report;
    let files = outcome.inventory.files.len();
    let unused = outcome.inventory.files.iter().filter(|f| f.account != "used" && f.account != "duplicate").count();
    printer.status(
        "Organized",
        &format!("{} courses from {files} files, {unused} files not used", outcome.inventory.courses.len()),
    );
    for s in r.stages.iter().filter(|s| s.done + s.failed + s.skipped + s.part_failures > 0) {
        let mut parts = vec![format!("{} done", s.done)];
        for (n, word) in
            [(s.fresh, "fresh"), (s.failed, "failed"), (s.skipped, "skipped"), (s.part_failures, "parts failed")]
        {
            if n > 0 {
                parts.push(format!("{n} {word}"));
            }
        }
        let cpu = format!("{} wall, {} CPU", human_time(s.wall_seconds), human_time(s.cpu_seconds));
        printer.status("", &format!("{:<20} {} ({cpu})", s.stage, parts.join(", ")));
    }
    let kept: usize = r.stages.iter().map(|s| s.fresh).sum();
    match (kept, r.all_fresh()) {
        (0, _) => {}
        (_, true) if r.has_failures() => {
            printer.status(
                "Fresh",
                &format!("{kept} units are up to date; nothing was done, failures stand as they were"),
            );
        }
        (_, true) => printer.status("Fresh", &format!("all {kept} units are up to date; nothing was done")),
        (_, false) => printer.status("Fresh", &format!("{kept} units were up to date and were kept")),
    }
    let limited = r.limited_by.iter().max_by(|a, b| a.1.total_cmp(b.1)).filter(|(_, s)| **s > 0.0);
    let limited = limited.map_or(String::new(), |(what, _)| format!(", limited by {what}"));
    printer.status(
        "Finished",
        &format!("in {}, peak memory {}{limited}", human_time(r.seconds), human_bytes(r.peak_memory)),
    );
    let failed: usize = r.stages.iter().map(|s| s.failed + s.skipped + s.part_failures).sum();
    if failed > 0 {
        printer.failure("Failed", &format!("{failed} units; _RESULTS/failures.csv says which, where and why"));
    }
    if r.interrupted {
        printer.warn("interrupted; the same command goes on where this one stopped");
    }
    if let Some(p) = page {
        printer.status("Page", &p.display().to_string());
    }
}
