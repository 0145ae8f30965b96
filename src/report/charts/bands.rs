//! Chart 3: histogram bands of the cohort, one small panel per structure.

use super::super::cohort_stats::CohortDvh;
use super::super::text;
use super::{Point, num, path, thin, tick_text, ticks};
use std::collections::HashMap;
use std::fmt::Write as _;

const WIDTH: f64 = 380.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 34.0;
const TOP: f64 = 8.0;
const W: f64 = WIDTH - LEFT - 10.0;
const H: f64 = HEIGHT - TOP - 24.0;

/// All panels; `links` maps course names to their pages.
pub(crate) fn figures<'a>(panels: impl Iterator<Item = &'a CohortDvh>, links: &HashMap<String, String>) -> String {
    panels.enumerate().map(|(n, p)| figure(n, p, links)).collect()
}

fn figure(n: usize, p: &CohortDvh, links: &HashMap<String, String>) -> String {
    let top = p.step_gy * p.median.len().saturating_sub(1).max(1) as f64;
    let point = |n: usize, v: f64| -> Point { [LEFT + n as f64 * p.step_gy / top * W, TOP + (1.0 - v) * H] };
    let line = |v: &[f64]| thin(&v.iter().enumerate().map(|(n, v)| point(n, *v)).collect::<Vec<_>>(), 0.25);
    let ring = |b: &[Vec<f64>; 2]| {
        let mut r = line(&b[1]);
        r.extend(line(&b[0]).into_iter().rev());
        path(&r, true)
    };
    let name = text::short(&p.structure).0;
    let d50 = p.median.iter().position(|v| *v < 0.5).map_or(top, |n| n as f64 * p.step_gy);
    let label =
        format!("{name}: bands of {} histograms; half of the volume gets {d50:.1} Gy or more in the median.", p.n);
    let mut out = format!(
        "<figure class=\"panel q{}\"><figcaption><b>{}</b> n = {}</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\"><g class=\"grid\">",
        n % 8,
        text::name_html(&p.structure),
        text::count(p.n as u64),
        text::escape(&label)
    );
    let steps = ticks(top, 4);
    for t in &steps {
        let x = num(LEFT + t / top * W);
        let _ = write!(out, "<path d=\"M{x} {TOP}V{}\"/>", num(TOP + H));
    }
    for v in [0.0, 0.5, 1.0] {
        let _ = write!(out, "<path d=\"M{LEFT} {}H{}\"/>", num(TOP + (1.0 - v) * H), num(LEFT + W));
    }
    out.push_str("</g><g class=\"axis\">");
    for t in &steps {
        let _ = write!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            num(LEFT + t / top * W),
            num(HEIGHT - 8.0),
            tick_text(*t, &steps)
        );
    }
    for v in [0.0, 0.5, 1.0] {
        let _ = write!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            num(LEFT - 5.0),
            num(TOP + (1.0 - v) * H + 4.0),
            num(v * 100.0)
        );
    }
    let _ = write!(
        out,
        "</g><path class=\"most\" d=\"{}\"/><path class=\"middle\" d=\"{}\"/><path class=\"median\" d=\"{}\"/>",
        ring(&p.most),
        ring(&p.middle),
        path(&line(&p.median), false)
    );
    for (course, values) in &p.outliers {
        let shape = format!(
            "<path class=\"out\" d=\"{}\"><title>{}</title></path>",
            path(&line(values), false),
            text::escape(&text::short(course).0)
        );
        match links.get(course).filter(|l| !l.is_empty()) {
            Some(l) => {
                let _ = write!(out, "<a href=\"{}\">{shape}</a>", text::escape(l));
            }
            None => out.push_str(&shape),
        }
    }
    out.push_str("</svg></figure>");
    out
}
