//! Charts 4 and 8: distribution of a value by structure: half violin, box, far outliers as links.

use super::super::cohort::{MetricRow, ValueOf};
use super::super::cohort_stats::quantile;
use super::super::text;
use super::{Point, num, path, thin, tick_text, ticks};
use std::fmt::Write as _;

const WIDTH: f64 = 600.0;
const LEFT: f64 = 130.0;
const RIGHT: f64 = 52.0;
const ROW: f64 = 30.0;
const TOP: f64 = 8.0;
/// Most dots of one figure.
const MOST_DOTS: usize = 40;
/// Points of a violin's edge.
const SAMPLES: usize = 60;

/// Median of the finite values.
pub(crate) fn median(values: &[ValueOf]) -> f64 {
    quantile(&sorted(values), 0.5)
}

fn sorted(values: &[ValueOf]) -> Vec<f64> {
    let mut v: Vec<f64> = values.iter().map(|v| v.0).filter(|v| v.is_finite()).collect();
    v.sort_by(f64::total_cmp);
    v
}

/// A figure with one row per structure. `links` are the pages of the courses; `limit` fixes the end of the axis.
pub(crate) fn figure(title: &str, axis: &str, rows: &[MetricRow], links: &[String], limit: Option<f64>) -> String {
    let lists: Vec<Vec<f64>> = rows.iter().map(|r| sorted(&r.values)).collect();
    let all = || lists.iter().flatten().copied();
    let top = limit.unwrap_or_else(|| all().fold(0.0, f64::max) * 1.05).max(1.0);
    // Where the end is fixed (Dice), the axis starts at the tenth below the smallest value, else at zero.
    let low = match limit {
        Some(l) => (all().fold(l - 0.1, f64::min) * 10.0).floor() / 10.0,
        None => all().fold(0.0, f64::min) * 1.05,
    };
    let w = WIDTH - LEFT - RIGHT;
    let x = |v: f64| LEFT + (v - low) / (top - low) * w;
    let height = TOP + ROW * rows.len() as f64 + 34.0;
    let bottom = TOP + ROW * rows.len() as f64;
    let label = format!("{title}: {axis}, {} structures; medians stand at the right.", rows.len());
    let mut out = format!(
        "<figure class=\"card\"><figcaption><b>{}</b></figcaption><svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\"><g class=\"grid\">",
        text::name_html(title),
        text::escape(&label)
    );
    let steps: Vec<f64> = ticks(top - low.max(0.0), 6).iter().map(|t| t + low.max(0.0)).collect();
    for t in &steps {
        let _ = write!(out, "<path d=\"M{} {TOP}V{}\"/>", num(x(*t)), num(bottom));
    }
    out.push_str("</g><g class=\"axis\">");
    for t in &steps {
        let _ = write!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            num(x(*t)),
            num(bottom + 15.0),
            tick_text(*t, &ticks(top - low.max(0.0), 6))
        );
    }
    let _ = write!(
        out,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text></g>",
        num(LEFT + w / 2.0),
        num(bottom + 30.0),
        text::escape(&text::short(axis).0)
    );
    let mut dots = 0;
    for (n, (row, list)) in rows.iter().zip(&lists).enumerate() {
        let y = TOP + ROW * (n as f64 + 0.62);
        let (short, full) = text::short(&row.structure);
        let tight: String =
            if short.chars().count() > 18 { short.chars().take(17).chain(['…']).collect() } else { short.clone() };
        let _ = write!(
            out,
            "<g class=\"q{}\"><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}<title>{} n = {}</title></text>",
            n % 8,
            num(LEFT - 8.0),
            num(y + 4.0),
            text::escape(&tight),
            text::escape(&full.unwrap_or(short)),
            list.len()
        );
        if list.is_empty() {
            out.push_str("</g>");
            continue;
        }
        let q = [0.05, 0.25, 0.5, 0.75, 0.95].map(|q| quantile(list, q));
        if list.len() >= 5 {
            let _ = write!(out, "<path class=\"violin\" d=\"{}\"/>", path(&violin(list, &x, y - 3.0), true));
        }
        let p = q.map(|v| num(x(v)));
        let _ = write!(
            out,
            "<path class=\"whisker\" d=\"M{} {yy}H{}\"/><path class=\"box\" d=\"M{} {yy}H{}\"/><path class=\"mid\" d=\"M{} {}V{}\"/>",
            p[0],
            p[4],
            p[1],
            p[3],
            p[2],
            num(y - 5.0),
            num(y + 7.0),
            yy = num(y + 1.0)
        );
        let iqr = q[3] - q[1];
        for (value, course) in &row.values {
            let far = *value < q[1] - 3.0 * iqr || *value > q[3] + 3.0 * iqr;
            if !(value.is_finite() && far && list.len() >= 5 && dots < MOST_DOTS) {
                continue;
            }
            dots += 1;
            let dot = format!("<circle cx=\"{}\" cy=\"{}\" r=\"2.6\"/>", num(x(value.min(top))), num(y + 1.0));
            match links.get(*course).filter(|l| !l.is_empty()) {
                Some(l) => {
                    let _ = write!(out, "<a href=\"{}\">{dot}</a>", text::escape(l));
                }
                None => out.push_str(&dot),
            }
        }
        let _ = write!(
            out,
            "<text class=\"val\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text></g>",
            num(WIDTH - 4.0),
            num(y + 4.0),
            text::fixed(q[2], if top <= 2.0 { 3 } else { 1 })
        );
    }
    out.push_str("</svg></figure>");
    out
}

/// Upper half of a violin: a Gaussian kernel estimate with Silverman's rule, from the 1st to the 99th percentile.
fn violin(list: &[f64], x: &impl Fn(f64) -> f64, base: f64) -> Vec<Point> {
    let n = list.len() as f64;
    let mean = list.iter().sum::<f64>() / n;
    let sd = (list.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
    let iqr = quantile(list, 0.75) - quantile(list, 0.25);
    let spread = if iqr > 0.0 { sd.min(iqr / 1.34) } else { sd };
    let width = (0.9 * spread * n.powf(-0.2)).max(1e-9);
    let (a, b) = (quantile(list, 0.01) - width, quantile(list, 0.99) + width);
    // A thousand values give the shape as well as all of them.
    let stride = (list.len() / 1000).max(1);
    let at: Vec<(f64, f64)> = (0..=SAMPLES)
        .map(|s| {
            let v = a + (b - a) * s as f64 / SAMPLES as f64;
            (v, list.iter().step_by(stride).map(|p| (-((v - p) / width).powi(2) / 2.0).exp()).sum())
        })
        .collect();
    let peak = at.iter().map(|p: &(f64, f64)| p.1).fold(1e-12, f64::max);
    let mut out: Vec<Point> = at.iter().map(|(v, d)| [x(*v), base - d / peak * (ROW * 0.5)]).collect();
    out = thin(&out, 0.2);
    out.push([x(b), base]);
    out.push([x(a), base]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outliers_link_and_values_never_become_one_node_each() {
        let mut values: Vec<ValueOf> = (0..2000).map(|n| (20.0 + (n % 97) as f64 / 10.0, n)).collect();
        values.push((90.0, 1));
        let rows =
            [MetricRow { structure: "<Heart>".into(), values }, MetricRow { structure: "none".into(), values: vec![] }];
        let s = figure("Mean", "mean dose (Gy)", &rows, &["a".into(), "../P%231/report.html".into()], None);
        assert!(s.contains("href=\"../P%231/report.html\"") && s.matches("<circle").count() == 1);
        assert!(s.contains("&lt;Heart&gt;") && !s.contains("NaN") && s.len() < 8000, "{}", s.len());
    }
}
