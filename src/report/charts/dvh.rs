//! Chart 1: cumulative dose-volume histogram.

use super::super::assets::{DecodedCurve, LineStyle};
use super::super::course::GoalMark;
use super::super::text::escape;
use super::{Point, num, path, thin, tick_text, ticks};
use std::fmt::Write as _;

const WIDTH: f64 = 740.0;
const HEIGHT: f64 = 470.0;
const LEFT: f64 = 54.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 44.0;

/// A curve to be drawn.
pub(crate) struct Curve {
    /// Index of the structure: colour class and hook for the script.
    pub(crate) index: usize,
    pub(crate) name: String,
    pub(crate) style: LineStyle,
    pub(crate) on: bool,
    pub(crate) step_gy: f64,
    pub(crate) curve: DecodedCurve,
}

/// A goal to be drawn.
pub(crate) struct Mark {
    pub(crate) mark: GoalMark,
    pub(crate) structure: Option<usize>,
    pub(crate) title: String,
}

/// The chart; axis data for the script stand in `data-` attributes.
pub(crate) fn svg(curves: &[Curve], marks: &[Mark]) -> String {
    let top = curves
        .iter()
        .map(|c| c.step_gy * c.curve.values.len().saturating_sub(2) as f64)
        .chain(marks.iter().map(|m| m.mark.dose_gy * 1.05))
        .filter(|v| v.is_finite())
        .fold(0.01, f64::max);
    let (w, h) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    let x = |gy: f64| LEFT + gy / top * w;
    let y = |share: f64| TOP + (1.0 - share) * h;
    let mut out = format!(
        "<svg class=\"dvh\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" tabindex=\"0\" aria-label=\"{}\" data-x0=\"{LEFT}\" data-w=\"{w}\" data-y0=\"{TOP}\" data-h=\"{h}\" data-top=\"{top}\">",
        escape(&label(curves, top))
    );
    let steps = ticks(top, 7);
    out.push_str("<g class=\"grid\">");
    for t in &steps {
        let _ = write!(out, "<path d=\"M{} {}V{}\"/>", num(x(*t)), num(TOP), num(TOP + h));
    }
    for n in 0..=5 {
        let _ = write!(out, "<path d=\"M{LEFT} {}H{}\"/>", num(y(n as f64 / 5.0)), num(LEFT + w));
    }
    out.push_str("</g><g class=\"axis\">");
    for t in &steps {
        let _ = write!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            num(x(*t)),
            num(TOP + h + 18.0),
            tick_text(*t, &steps)
        );
    }
    for n in 0..=5 {
        let _ = write!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            num(LEFT - 7.0),
            num(y(n as f64 / 5.0) + 4.0),
            n * 20
        );
    }
    let _ = write!(
        out,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">dose (Gy)</text><text transform=\"translate(14 {}) rotate(-90)\" text-anchor=\"middle\">volume (%)</text></g>",
        num(LEFT + w / 2.0),
        num(HEIGHT - 7.0),
        num(TOP + h / 2.0)
    );
    for c in curves {
        let points = |values: &[f64]| -> Vec<Point> {
            let raw: Vec<Point> =
                values.iter().enumerate().map(|(n, v)| [x((n as f64 * c.step_gy).min(top)), y(*v)]).collect();
            thin(&raw, 0.25)
        };
        let off = if c.on { "" } else { " off" };
        let _ = write!(
            out,
            "<g class=\"k{}{off}\" data-s=\"{}\"><title>{}</title>",
            c.index,
            c.index,
            escape(&super::super::text::short(&c.name).0)
        );
        if let Some((low, high)) = &c.curve.band {
            let mut ring = points(high);
            ring.extend(points(low).into_iter().rev());
            let _ = write!(out, "<path class=\"band\" d=\"{}\"/>", path(&ring, true));
        }
        let dash = match c.style {
            LineStyle::Solid => "",
            LineStyle::Dashed => " stroke-dasharray=\"6 3\"",
            LineStyle::Dotted => " stroke-dasharray=\"1.5 3\"",
        };
        let _ = write!(out, "<path class=\"line\"{dash} d=\"{}\"/></g>", path(&points(&c.curve.values), false));
    }
    for m in marks {
        if !(m.mark.dose_gy.is_finite() && m.mark.volume_percent.is_finite()) {
            continue;
        }
        let (px, py) = (x(m.mark.dose_gy.max(0.0)), y((m.mark.volume_percent / 100.0).clamp(0.0, 1.0)));
        // To the right and up where the curve has to pass beyond the point, else to the left and down.
        let s = if m.mark.at_least { 1.0 } else { -1.0 };
        let shape = [[px, py], [px - s * 7.0, py - 4.5], [px - s * 7.0, py + 4.5]];
        let class = m.structure.map_or("k".to_owned(), |n| format!("k{n}"));
        let _ = write!(
            out,
            "<path class=\"goal {class}\" d=\"{}\"><title>{}</title></path>",
            path(&shape, true),
            escape(&super::super::text::short(&m.title).0)
        );
    }
    out.push_str("<path class=\"cursor\" visibility=\"hidden\"/><path class=\"tick\" visibility=\"hidden\"/></svg>");
    out
}

fn label(curves: &[Curve], top: f64) -> String {
    let n = curves.len();
    format!(
        "Cumulative dose-volume histogram of {n} structure{}, dose from 0 to {} Gy, volume from 0 to 100 percent; the numbers stand in the table of structures.",
        if n == 1 { "" } else { "s" },
        num(top)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(index: usize, band: bool) -> Curve {
        let values: Vec<f64> =
            (0..331).map(|n| 1.0 / (1.0 + ((n as f64 - 150.0 - 2.0 * index as f64) / 12.0).exp())).collect();
        let band = band
            .then(|| (values.iter().map(|v| v * 0.95).collect(), values.iter().map(|v| (v * 1.05).min(1.0)).collect()));
        Curve {
            index,
            name: format!("<S{index}>"),
            style: LineStyle::Dashed,
            on: index < 14,
            step_gy: 0.2,
            curve: DecodedCurve { values, band },
        }
    }

    #[test]
    fn hundred_structures_with_bands_stay_small_and_escaped() {
        let curves: Vec<Curve> = (0..100).map(|n| curve(n, true)).collect();
        let marks = [Mark {
            mark: GoalMark { dose_gy: 57.0, volume_percent: 95.0, at_least: true },
            structure: Some(3),
            title: "<b>".into(),
        }];
        let s = svg(&curves, &marks);
        assert!(s.len() < 90_000, "{}", s.len());
        assert!(s.contains("&lt;S7&gt;") && !s.contains("<S7>") && !s.contains("<b>") && !s.contains("NaN"));
        assert_eq!(s.matches(" off\"").count(), 86);
    }

    #[test]
    fn nothing_to_draw_is_still_a_chart() {
        let s = svg(&[], &[]);
        assert!(s.starts_with("<svg") && s.ends_with("</svg>") && !s.contains("NaN") && !s.contains("inf"));
    }
}
