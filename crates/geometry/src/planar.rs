//! Regions of a plane bounded by loops: filling rules, scan lines, exact areas.

use serde::{Deserialize, Serialize};

/// A point in the frame of a contour plane, mm.
pub type Point2 = [f64; 2];

/// A closed loop; the last point is joined to the first and does not repeat it.
pub type Loop = Vec<Point2>;

/// How several loops of one plane make an area.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FillRule {
    /// A point is inside when a ray from it crosses the loops an odd number of times (exclusive or of the loops).
    #[default]
    EvenOdd,
    /// A point is inside when it is inside at least one loop, each loop taken by itself with the even-odd rule.
    Union,
}

#[derive(Clone, Copy, Debug)]
struct Edge {
    u0: f64,
    v0: f64,
    u1: f64,
    v1: f64,
    owner: u32,
}

impl Edge {
    // Both ends give their own u exactly, so that shared vertices never open a gap.
    fn at(&self, v: f64) -> f64 {
        if v >= self.v1 { self.u1 } else { self.u0 + (v - self.v0) / (self.v1 - self.v0) * (self.u1 - self.u0) }
    }
}

// Upward edges without the horizontal ones. The direction is dropped: the two walks along a keyhole's bridge become
// equal edges and cancel exactly.
fn edges_of(loops: &[Loop]) -> Vec<Edge> {
    let mut edges = Vec::with_capacity(loops.iter().map(Vec::len).sum());
    for (owner, points) in loops.iter().enumerate() {
        let mut last = match points.last() {
            Some(&p) => p,
            None => continue,
        };
        for &p in points {
            let (a, b) = if last[1] <= p[1] { (last, p) } else { (p, last) };
            if a[1] < b[1] {
                edges.push(Edge { u0: a[0], v0: a[1], u1: b[0], v1: b[1], owner: owner as u32 });
            }
            last = p;
        }
    }
    edges
}

/// Working memory of [`Region::spans`]; reuse one per thread.
#[derive(Debug, Default)]
pub struct SpanBuffer {
    crossings: Vec<(f64, u32)>,
    spans: Vec<(f64, f64)>,
    parity: Vec<bool>,
}

/// Loops prepared for scan lines and point tests.
#[derive(Debug)]
pub struct Region {
    edges: Vec<Edge>,
    first: Vec<u32>,
    members: Vec<u32>,
    low: f64,
    per_mm: f64,
    bounds: [Point2; 2],
    rule: FillRule,
    loops: usize,
}

impl Region {
    /// Prepares the loops. Cost: proportional to the number of points.
    pub fn new(loops: &[Loop], rule: FillRule) -> Self {
        let edges = edges_of(loops);
        let bounds = bounds(loops);
        let low = bounds[0][1];
        let height = (bounds[1][1] - low).max(0.0);
        let count = if edges.is_empty() { 0 } else { (edges.len() / 4).clamp(1, 4096) };
        let per_mm = if height > 0.0 { count as f64 / height } else { 0.0 };
        let slot = |v: f64| (((v - low) * per_mm) as usize).min(count.saturating_sub(1));
        let mut first = vec![0u32; count + 1];
        for e in &edges {
            for s in slot(e.v0)..=slot(e.v1) {
                first[s + 1] += 1;
            }
        }
        for s in 0..count {
            first[s + 1] += first[s];
        }
        let mut next = first.clone();
        let mut members = vec![0u32; first[count] as usize];
        for (n, e) in edges.iter().enumerate() {
            for s in slot(e.v0)..=slot(e.v1) {
                members[next[s] as usize] = n as u32;
                next[s] += 1;
            }
        }
        Self { edges, first, members, low, per_mm, bounds, rule, loops: loops.len() }
    }

    /// Lower and upper corner of the loops; lower above upper when there are none.
    pub fn bounds(&self) -> [Point2; 2] {
        self.bounds
    }

    /// True when the loops enclose nothing that a scan line could meet.
    pub fn is_empty(&self) -> bool {
        self.edges.is_empty()
    }

    fn active(&self, v: f64) -> impl Iterator<Item = &Edge> {
        let count = self.first.len() - 1;
        let range = if count == 0 || !(v >= self.low && v <= self.bounds[1][1]) {
            0..0
        } else {
            let s = (((v - self.low) * self.per_mm) as usize).min(count - 1);
            self.first[s] as usize..self.first[s + 1] as usize
        };
        self.members[range].iter().map(|&n| &self.edges[n as usize]).filter(move |e| e.v0 <= v && v < e.v1)
    }

    /// Intervals `[u0, u1)` of the scan line at height `v` that are inside, in rising order. Edges are half-open in
    /// `v`: a line through a vertex counts the edges above it.
    pub fn spans<'b>(&self, v: f64, buffer: &'b mut SpanBuffer) -> &'b [(f64, f64)] {
        buffer.spans.clear();
        buffer.crossings.clear();
        buffer.crossings.extend(self.active(v).map(|e| (e.at(v), e.owner)));
        buffer.crossings.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        match self.rule {
            FillRule::EvenOdd => {
                for pair in buffer.crossings.chunks_exact(2) {
                    let (a, b) = (pair[0].0, pair[1].0);
                    match buffer.spans.last_mut() {
                        // The bridge of a keyhole parts a span in two that touch.
                        Some(last) if last.1 == a => last.1 = b,
                        _ if a < b => buffer.spans.push((a, b)),
                        _ => {}
                    }
                }
            }
            FillRule::Union => {
                buffer.parity.clear();
                buffer.parity.resize(self.loops, false);
                let mut depth = 0usize;
                let mut start = 0.0;
                for &(u, owner) in &buffer.crossings {
                    let inside = &mut buffer.parity[owner as usize];
                    *inside = !*inside;
                    if *inside {
                        if depth == 0 {
                            start = u;
                        }
                        depth += 1;
                    } else {
                        depth -= 1;
                        if depth == 0 && start < u {
                            buffer.spans.push((start, u));
                        }
                    }
                }
            }
        }
        &buffer.spans
    }

    /// True when the point is inside by the half-open rule of [`Region::spans`].
    pub fn contains(&self, p: Point2, buffer: &mut SpanBuffer) -> bool {
        if p[0] < self.bounds[0][0] || p[0] >= self.bounds[1][0] {
            return false;
        }
        match self.rule {
            FillRule::EvenOdd => self.active(p[1]).filter(|e| e.at(p[1]) <= p[0]).count() % 2 == 1,
            FillRule::Union => self.spans(p[1], buffer).iter().any(|&(a, b)| a <= p[0] && p[0] < b),
        }
    }
}

/// Lower and upper corner of loops; lower above upper when there are no points.
pub fn bounds(loops: &[Loop]) -> [Point2; 2] {
    let mut b = [[f64::INFINITY; 2], [f64::NEG_INFINITY; 2]];
    for p in loops.iter().flatten() {
        for a in 0..2 {
            b[0][a] = b[0][a].min(p[a]);
            b[1][a] = b[1][a].max(p[a]);
        }
    }
    b
}

/// Exact areas of the loops of one plane.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measure {
    /// Area under the even-odd rule, mm².
    pub even_odd: f64,
    /// Area of the union of the loops, mm².
    pub union: f64,
    /// Centroid of the even-odd area.
    pub centroid_even_odd: Point2,
    /// Centroid of the union.
    pub centroid_union: Point2,
    /// Two different loops cross (they overlap without one containing the other).
    pub loops_cross: bool,
    /// A loop crosses itself.
    pub self_crossing: bool,
}

impl Measure {
    /// The area under a rule, mm².
    pub fn area(&self, rule: FillRule) -> f64 {
        match rule {
            FillRule::EvenOdd => self.even_odd,
            FillRule::Union => self.union,
        }
    }

    /// The centroid under a rule.
    pub fn centroid(&self, rule: FillRule) -> Point2 {
        match rule {
            FillRule::EvenOdd => self.centroid_even_odd,
            FillRule::Union => self.centroid_union,
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Moments {
    m00: f64,
    m10: f64,
    m01: f64,
}

impl Moments {
    // The trapezoid between two straight sides, from height v over dv; exact.
    fn add(&mut self, left: [f64; 2], right: [f64; 2], v: f64, dv: f64) {
        let (w0, w1) = (right[0] - left[0], right[1] - left[1]);
        let square = |x: [f64; 2]| (x[0] * x[0] + x[0] * x[1] + x[1] * x[1]) / 3.0;
        self.m00 += 0.5 * (w0 + w1) * dv;
        self.m10 += 0.5 * (square(right) - square(left)) * dv;
        self.m01 += (0.5 * (w0 + w1) * v + (w0 + 2.0 * w1) * dv / 6.0) * dv;
    }

    fn centroid(&self, origin: Point2) -> Point2 {
        if self.m00 > 0.0 { [origin[0] + self.m10 / self.m00, origin[1] + self.m01 / self.m00] } else { origin }
    }
}

/// Exact areas and centroids of loops that may nest, overlap and cross themselves: the plane is cut into trapezoids
/// between the heights of all vertices and crossings.
pub fn measure(loops: &[Loop]) -> Measure {
    let b = bounds(loops);
    if !(b[0][0] < b[1][0] && b[0][1] < b[1][1]) {
        return Measure::default();
    }
    // A local origin keeps digits: areas of a few mm² may lie hundreds of mm from the patient origin.
    let origin = [0.5 * (b[0][0] + b[1][0]), 0.5 * (b[0][1] + b[1][1])];
    let mut edges = edges_of(loops);
    for e in &mut edges {
        e.u0 -= origin[0];
        e.u1 -= origin[0];
        e.v0 -= origin[1];
        e.v1 -= origin[1];
    }
    edges.sort_unstable_by(|a, b| a.v0.total_cmp(&b.v0));
    let mut heights: Vec<f64> = edges.iter().flat_map(|e| [e.v0, e.v1]).collect();
    heights.sort_unstable_by(f64::total_cmp);
    heights.dedup();

    let mut out = Measure::default();
    let (mut eo, mut un) = (Moments::default(), Moments::default());
    let mut next = 0;
    let mut active: Vec<Edge> = Vec::new();
    let mut sides: Vec<([f64; 2], u32)> = Vec::new();
    let mut cuts: Vec<f64> = Vec::new();
    let mut parity = vec![false; loops.len()];
    for w in heights.windows(2) {
        let (v0, v1) = (w[0], w[1]);
        active.retain(|e| e.v1 > v0);
        while next < edges.len() && edges[next].v0 <= v0 {
            active.push(edges[next]);
            next += 1;
        }
        if active.is_empty() {
            continue;
        }
        sides.clear();
        sides.extend(active.iter().map(|e| ([e.at(v0), e.at(v1)], e.owner)));
        sides.sort_by(|a, b| a.0[0].total_cmp(&b.0[0]).then(a.0[1].total_cmp(&b.0[1])));
        cuts.clear();
        if sides.windows(2).any(|s| s[1].0[1] < s[0].0[1]) {
            for i in 0..sides.len() {
                for j in i + 1..sides.len() {
                    let (a, b) = (sides[i].0, sides[j].0);
                    let (before, after) = (b[0] - a[0], a[1] - b[1]);
                    if after > 0.0 && before > 0.0 {
                        let t = before / (before + after);
                        if t > 0.0 && t < 1.0 {
                            cuts.push(t);
                            if sides[i].1 == sides[j].1 {
                                out.self_crossing = true;
                            } else {
                                out.loops_cross = true;
                            }
                        }
                    }
                }
            }
            cuts.sort_unstable_by(f64::total_cmp);
            cuts.dedup();
        }
        let mut t0 = 0.0;
        for n in 0..=cuts.len() {
            let t1 = cuts.get(n).copied().unwrap_or(1.0);
            let lerp = |s: [f64; 2], t: f64| if t >= 1.0 { s[1] } else { s[0] + t * (s[1] - s[0]) };
            let (h0, dh) = (v0 + t0 * (v1 - v0), (t1 - t0) * (v1 - v0));
            if !cuts.is_empty() {
                let mid = 0.5 * (t0 + t1);
                sides.sort_by(|a, b| lerp(a.0, mid).total_cmp(&lerp(b.0, mid)));
            }
            let piece = |s: [f64; 2]| [lerp(s, t0), lerp(s, t1)];
            for pair in sides.chunks_exact(2) {
                eo.add(piece(pair[0].0), piece(pair[1].0), h0, dh);
            }
            if loops.len() > 1 {
                parity.fill(false);
                let mut depth = 0usize;
                let mut left = [0.0; 2];
                for &(s, owner) in &sides {
                    let inside = &mut parity[owner as usize];
                    *inside = !*inside;
                    if *inside {
                        if depth == 0 {
                            left = s;
                        }
                        depth += 1;
                    } else {
                        depth -= 1;
                        if depth == 0 {
                            un.add(piece(left), piece(s), h0, dh);
                        }
                    }
                }
            }
            t0 = t1;
        }
    }
    if loops.len() <= 1 {
        un = eo;
    }
    out.even_odd = eo.m00;
    out.union = un.m00;
    out.centroid_even_odd = eo.centroid(origin);
    out.centroid_union = un.centroid(origin);
    out
}

/// Signed area of one loop by Green's theorem, mm²; positive when counter-clockwise. Not the enclosed area when the
/// loop crosses itself.
pub fn signed_area(points: &[Point2]) -> f64 {
    let Some(&o) = points.first() else { return 0.0 };
    let mut sum = 0.0;
    for n in 1..points.len().saturating_sub(1) {
        let (a, b) = (points[n], points[n + 1]);
        sum += (a[0] - o[0]) * (b[1] - o[1]) - (b[0] - o[0]) * (a[1] - o[1]);
    }
    0.5 * sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn square(x: f64, y: f64, s: f64) -> Loop {
        vec![[x, y], [x + s, y], [x + s, y + s], [x, y + s]]
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-9 * b.abs().max(1.0)
    }

    #[test]
    fn nested_and_overlapping_squares() {
        let m = measure(&[square(0.0, 0.0, 10.0), square(2.0, 2.0, 5.0)]);
        assert!(close(m.even_odd, 75.0) && close(m.union, 100.0) && !m.loops_cross);
        let m = measure(&[square(0.0, 0.0, 4.0), square(2.0, 2.0, 4.0)]);
        assert!(close(m.even_odd, 24.0) && close(m.union, 28.0));
        let diamond = vec![[2.0, -1.0], [5.0, 2.0], [2.0, 5.0], [-1.0, 2.0]];
        let m = measure(&[square(0.0, 0.0, 4.0), diamond]);
        // Four corners of the square (legs 1) stick out of the diamond (area 18), and four tips of the diamond
        // (height 1, base 2) out of the square.
        assert!(close(m.union, 18.0 + 4.0 * 0.5) && close(m.even_odd, 4.0 * 0.5 + 4.0), "{m:?}");
        assert!(m.loops_cross && !m.self_crossing);
    }

    #[test]
    fn figure_eight_counts_both_lobes() {
        let m = measure(&[vec![[0.0, 0.0], [4.0, 4.0], [4.0, 0.0], [0.0, 4.0]]]);
        assert!(close(m.even_odd, 8.0) && m.self_crossing);
        assert!(close(m.centroid_even_odd[0], 2.0) && close(m.centroid_even_odd[1], 2.0));
        assert!(signed_area(&[[0.0, 0.0], [4.0, 4.0], [4.0, 0.0], [0.0, 4.0]]).abs() < 1e-12);
    }

    #[test]
    fn keyhole_is_outer_minus_inner() {
        let keyhole = vec![
            [0.0, 0.0],
            [10.0, 0.0],
            [10.0, 10.0],
            [0.0, 10.0],
            [0.0, 5.0],
            [3.0, 5.3],
            [3.0, 7.0],
            [7.0, 7.0],
            [7.0, 3.0],
            [3.0, 3.0],
            [3.0, 5.3],
            [0.0, 5.0],
        ];
        let m = measure(std::slice::from_ref(&keyhole));
        assert!(close(m.even_odd, 84.0), "{m:?}");
        let region = Region::new(&[keyhole], FillRule::EvenOdd);
        let mut buffer = SpanBuffer::default();
        // A scan line through the bridge meets it twice at the same place.
        assert_eq!(region.spans(5.1, &mut buffer), &[(0.0, 3.0), (7.0, 10.0)]);
    }

    #[test]
    fn two_separate_triangles_have_the_mean_centroid() {
        let t = |x: f64| vec![[x, 0.0], [x + 3.0, 0.0], [x, 3.0]];
        let m = measure(&[t(0.0), t(10.0)]);
        assert!(close(m.even_odd, 9.0) && close(m.centroid_even_odd[0], 6.0) && close(m.centroid_even_odd[1], 1.0));
    }

    #[test]
    fn union_spans_merge_and_even_odd_spans_do_not() {
        let loops = [square(0.0, 0.0, 4.0), square(2.0, 0.0, 4.0)];
        let mut buffer = SpanBuffer::default();
        assert_eq!(Region::new(&loops, FillRule::Union).spans(1.0, &mut buffer), &[(0.0, 6.0)]);
        assert_eq!(Region::new(&loops, FillRule::EvenOdd).spans(1.0, &mut buffer), &[(0.0, 2.0), (4.0, 6.0)]);
    }

    fn star(n: usize, radii: &[f64], turn: f64, reverse: bool, start: usize) -> Loop {
        let mut out: Loop = (0..n)
            .map(|k| {
                let a = turn + std::f64::consts::TAU * k as f64 / n as f64;
                [radii[k] * a.cos(), radii[k] * a.sin()]
            })
            .collect();
        if reverse {
            out.reverse();
        }
        out.rotate_left(start % n);
        out
    }

    proptest! {
        #[test]
        fn area_does_not_depend_on_turn_shift_direction_or_start(
            radii in prop::collection::vec(5.0f64..30.0, 5..40), turn in 0.0f64..6.3, dx in -400.0f64..400.0,
            dy in -400.0f64..400.0, reverse: bool, start in 0usize..40,
        ) {
            let n = radii.len();
            let wedge = (std::f64::consts::TAU / n as f64).sin();
            let truth: f64 = (0..n).map(|k| 0.5 * wedge * radii[k] * radii[(k + 1) % n]).sum();
            let mut p = star(n, &radii, turn, reverse, start);
            for q in &mut p { q[0] += dx; q[1] += dy; }
            let m = measure(&[p.clone()]);
            prop_assert!((m.even_odd - truth).abs() < 1e-8 * truth, "{} {}", m.even_odd, truth);
            prop_assert!((signed_area(&p).abs() - truth).abs() < 1e-8 * truth);
        }

        #[test]
        fn even_odd_area_of_random_tangles_matches_scan_lines(
            points in prop::collection::vec((0.0f64..20.0, 0.0f64..20.0), 3..12),
            others in prop::collection::vec((0.0f64..20.0, 0.0f64..20.0), 3..12),
        ) {
            let loops: Vec<Loop> = [points, others].into_iter().map(|l| l.into_iter().map(|(x, y)| [x, y]).collect()).collect();
            let m = measure(&loops);
            for rule in [FillRule::EvenOdd, FillRule::Union] {
                let region = Region::new(&loops, rule);
                let mut buffer = SpanBuffer::default();
                let n = 20_000;
                let dv = 20.0 / n as f64;
                let sum: f64 = (0..n)
                    .map(|k| region.spans((k as f64 + 0.5) * dv, &mut buffer).iter().map(|s| s.1 - s.0).sum::<f64>() * dv)
                    .sum();
                // Midpoint rule over a piecewise linear width: at most dv·width per kink.
                prop_assert!((sum - m.area(rule)).abs() < 0.02, "{rule:?} {sum} {}", m.area(rule));
            }
        }
    }
}
