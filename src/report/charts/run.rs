//! Chart 5: the run over time.

use super::super::cohort::RunChart;
use super::super::text;
use super::{Point, num, path, thin, tick_text, ticks};
use std::fmt::Write as _;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 200.0;
const LEFT: f64 = 40.0;
const RIGHT: f64 = 46.0;
const TOP: f64 = 8.0;
const H: f64 = HEIGHT - TOP - 40.0;
const W: f64 = WIDTH - LEFT - RIGHT;
/// Moments at which running units are averaged.
const MOMENTS: usize = 240;
/// Most ticks for failures.
const MOST_FAILURES: usize = 200;

fn stages(run: &RunChart) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for s in run.stages.iter().chain(run.intervals.iter().map(|i| &i.stage)) {
        if !out.contains(s) && run.intervals.iter().any(|i| i.stage == *s) {
            out.push(s.clone());
        }
    }
    out
}

fn end(run: &RunChart) -> f64 {
    run.intervals.iter().map(|i| i.end).filter(|e| e.is_finite()).fold(1e-3, f64::max)
}

/// A sentence on the stage that took most of the time.
pub(crate) fn slowest(run: &RunChart) -> String {
    let busy = |s: &String| -> f64 {
        run.intervals.iter().filter(|i| i.stage == *s).map(|i| (i.end - i.start).max(0.0)).sum()
    };
    let list = stages(run);
    let Some(worst) = list.iter().max_by(|a, b| busy(a).total_cmp(&busy(b))) else { return String::new() };
    let longest = run.intervals.iter().filter(|i| i.stage == *worst).map(|i| i.end - i.start).fold(0.0, f64::max);
    format!(
        "Slowest: {} with {} of work in all, its longest unit {}.",
        text::short(worst).0,
        text::duration(busy(worst)),
        text::duration(longest)
    )
}

/// Running units per stage, stacked; failures as ticks; memory as a line.
pub(crate) fn figure(run: &RunChart) -> String {
    let list = stages(run);
    if list.is_empty() {
        return String::new();
    }
    let end = end(run);
    let slot = end / MOMENTS as f64;
    let mut load = vec![vec![0.0f64; MOMENTS]; list.len()];
    for i in run.intervals.iter().filter(|i| i.start.is_finite() && i.end >= i.start) {
        let Some(s) = list.iter().position(|s| *s == i.stage) else { continue };
        let first = ((i.start / slot).floor().max(0.0) as usize).min(MOMENTS - 1);
        let last = ((i.end / slot).floor().max(0.0) as usize).min(MOMENTS - 1);
        for m in first..=last {
            let part = i.end.min((m + 1) as f64 * slot) - i.start.max(m as f64 * slot);
            load[s][m] += (part / slot).clamp(0.0, 1.0);
        }
    }
    let total = |m: usize| load.iter().map(|l| l[m]).sum::<f64>();
    let top = (0..MOMENTS).map(total).fold(1.0, f64::max).ceil();
    let point =
        |m: usize, v: f64| -> Point { [LEFT + (m as f64 + 0.5) / MOMENTS as f64 * W, TOP + (1.0 - v / top) * H] };
    let failed = run.intervals.iter().filter(|i| i.failed).count();
    let label = format!("Running units by stage over {}; at most {top} at once; {failed} failed.", text::duration(end));
    let mut out = format!(
        "<figure class=\"card\"><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\"><g class=\"axis\">",
        text::escape(&label)
    );
    let (unit, name) = if end >= 2.0 * 3600.0 {
        (3600.0, "h")
    } else if end >= 120.0 {
        (60.0, "min")
    } else {
        (1.0, "s")
    };
    let steps = ticks(end / unit, 6);
    for t in &steps {
        let _ = write!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{} {name}</text>",
            num(LEFT + t * unit / end * W),
            num(TOP + H + 28.0),
            tick_text(*t, &steps)
        );
    }
    for t in ticks(top, 3) {
        let _ = write!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            num(LEFT - 6.0),
            num(TOP + (1.0 - t / top) * H + 4.0),
            num(t)
        );
    }
    out.push_str("</g>");
    let mut base = vec![0.0f64; MOMENTS];
    for (s, row) in load.iter().enumerate() {
        let upper: Vec<f64> = base.iter().zip(row).map(|(b, v)| b + v).collect();
        let line = |v: &[f64]| thin(&v.iter().enumerate().map(|(m, v)| point(m, *v)).collect::<Vec<_>>(), 0.2);
        let mut ring = line(&upper);
        ring.extend(line(&base).into_iter().rev());
        let _ = write!(
            out,
            "<path class=\"area q{}\" d=\"{}\"><title>{}</title></path>",
            s % 8,
            path(&ring, true),
            text::escape(&text::short(&list[s]).0)
        );
        base = upper;
    }
    for i in run.intervals.iter().filter(|i| i.failed && i.end.is_finite()).take(MOST_FAILURES) {
        let _ = write!(out, "<path class=\"fail\" d=\"M{} {}v8\"/>", num(LEFT + i.end / end * W), num(TOP + H + 2.0));
    }
    let peak = run.memory.iter().map(|m| m[1]).filter(|v| v.is_finite()).fold(0.0, f64::max);
    if peak > 0.0 {
        let line: Vec<Point> = run
            .memory
            .iter()
            .filter(|m| m[0].is_finite() && m[1].is_finite() && m[0] <= end)
            .map(|m| [LEFT + m[0] / end * W, TOP + (1.0 - m[1] / (peak * 1.1)) * H])
            .collect();
        let _ = write!(
            out,
            "<path class=\"memory\" d=\"{}\"/><text class=\"val\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{} GB</text>",
            path(&thin(&line, 0.3), false),
            num(WIDTH - 2.0),
            num(TOP + (1.0 - 1.0 / 1.1) * H + 4.0),
            text::fixed(peak, 1)
        );
    }
    out.push_str("</svg><figcaption class=\"legend\">");
    for (s, name) in list.iter().enumerate() {
        let _ = write!(
            out,
            "<span class=\"q{}\"><svg viewBox=\"0 0 10 10\" aria-hidden=\"true\"><rect width=\"10\" height=\"10\"/></svg>{}</span> ",
            s % 8,
            text::escape(&text::short(name).0)
        );
    }
    if peak > 0.0 {
        out.push_str("<span>line: memory</span>");
    }
    out.push_str("</figcaption></figure>");
    out
}

#[cfg(test)]
mod tests {
    use super::super::super::cohort::RunInterval;
    use super::*;

    #[test]
    fn load_is_stacked_and_the_slowest_named() {
        let unit = |stage: &str, start: f64, end: f64, failed| RunInterval { stage: stage.into(), start, end, failed };
        let run = RunChart {
            stages: vec!["organize".into(), "dvh".into(), "never".into()],
            intervals: vec![
                unit("dvh", 10.0, 100.0, false),
                unit("organize", 0.0, 10.0, false),
                unit("dvh", 20.0, 60.0, true),
            ],
            memory: vec![[0.0, 1.0], [50.0, 3.0]],
        };
        assert_eq!(stages(&run), ["organize", "dvh"]);
        assert!(slowest(&run).starts_with("Slowest: dvh with 2 min 10 s"), "{}", slowest(&run));
        let s = figure(&run);
        assert!(
            s.contains("at most 2 at once; 1 failed") && s.matches("class=\"fail\"").count() == 1 && !s.contains("NaN")
        );
        assert!(figure(&RunChart::default()).is_empty());
    }
}
