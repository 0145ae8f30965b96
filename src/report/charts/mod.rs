//! Static SVG charts. Text is escaped by [`text::escape`](super::text::escape); colours are classes, because the pages
//! allow no inline styles.

pub(crate) mod bands;
pub(crate) mod dvh;
pub(crate) mod missing;
pub(crate) mod run;
pub(crate) mod strip;

use std::fmt::Write as _;

/// A point of a path in SVG units.
pub(crate) type Point = [f64; 2];

/// Drops points that lie within `tolerance` of the line through their kept neighbours (monotone charts need no more).
pub(crate) fn thin(points: &[Point], tolerance: f64) -> Vec<Point> {
    let mut out: Vec<Point> = Vec::with_capacity(points.len());
    let mut from = 0;
    let mut at = 1;
    if let Some(p) = points.first() {
        out.push(*p);
    }
    while at < points.len() {
        let far = (from + 1..at).any(|n| distance(points[n], points[from], points[at]) > tolerance);
        if far {
            out.push(points[at - 1]);
            from = at - 1;
        } else {
            at += 1;
        }
    }
    if points.len() > 1 {
        out.push(points[points.len() - 1]);
    }
    out
}

fn distance(p: Point, a: Point, b: Point) -> f64 {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let length = dx.hypot(dy);
    if length < 1e-12 {
        (p[0] - a[0]).hypot(p[1] - a[1])
    } else {
        ((p[0] - a[0]) * dy - (p[1] - a[1]) * dx).abs() / length
    }
}

/// Path data through points, one decimal, relative after the first.
pub(crate) fn path(points: &[Point], close: bool) -> String {
    let mut out = String::new();
    let mut last = [0i64; 2];
    for (n, p) in points.iter().enumerate() {
        let q = p.map(|v| (v * 10.0).round() as i64);
        let d = if n == 0 { q } else { [q[0] - last[0], q[1] - last[1]] };
        if n > 0 && d == [0, 0] {
            continue;
        }
        let _ = write!(out, "{}{} {}", if n == 0 { "M" } else { "l" }, tenth(d[0]), tenth(d[1]));
        last = q;
    }
    if close && !out.is_empty() {
        out.push('z');
    }
    out
}

/// A number of tenths without a needless zero.
fn tenth(v: i64) -> String {
    if v % 10 == 0 { (v / 10).to_string() } else { format!("{}", v as f64 / 10.0) }
}

/// One decimal, without a needless zero.
pub(crate) fn num(v: f64) -> String {
    tenth((v * 10.0).round() as i64)
}

/// Round steps that divide `0…top` into about `wanted` parts.
pub(crate) fn ticks(top: f64, wanted: usize) -> Vec<f64> {
    if !(top > 0.0 && top.is_finite()) {
        return vec![0.0];
    }
    let rough = top / wanted.max(1) as f64;
    let decade = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].iter().map(|m| m * decade).find(|s| *s >= rough * 0.999).unwrap_or(rough);
    (0..=wanted * 2).map(|n| n as f64 * step).take_while(|v| *v <= top * 1.0001).collect()
}

/// Text of a tick: no more decimals than its step needs.
pub(crate) fn tick_text(value: f64, ticks: &[f64]) -> String {
    let step = ticks.get(1).copied().unwrap_or(1.0);
    let decimals = (0..4).find(|d| {
        let f = 10f64.powi(*d) * step;
        (f - f.round()).abs() < 1e-6 * f.max(1.0)
    });
    super::text::fixed(value, decimals.unwrap_or(4) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_the_line_within_its_tolerance() {
        let points: Vec<Point> =
            (0..500).map(|n| [n as f64, 100.0 / (1.0 + (-(n as f64 - 250.0) / 20.0).exp())]).collect();
        let thinned = thin(&points, 0.25);
        assert!(thinned.len() < 60, "{}", thinned.len());
        for p in &points {
            let near =
                thinned.windows(2).filter(|w| w[0][0] <= p[0] && p[0] <= w[1][0]).map(|w| distance(*p, w[0], w[1]));
            assert!(near.fold(f64::INFINITY, f64::min) <= 0.26);
        }
    }

    #[test]
    fn paths_and_ticks_are_short() {
        assert_eq!(path(&[[1.0, 2.0], [3.5, 2.0], [3.52, 2.0]], true), "M1 2l2.5 0z");
        assert_eq!(ticks(66.0, 6), [0.0, 20.0, 40.0, 60.0]);
        assert_eq!(tick_text(0.5, &[0.0, 0.5]), "0.5");
        assert_eq!(tick_text(10_000.0, &[0.0, 5000.0]), "10,000");
    }
}
