//! Contours → delta varints in 1/8 pixel of the displayed grid.
//!
//! Stream, for each structure in the order of [`ContourBlock::ids`]: number of planes; per plane: increment of the slice
//! index, number of polygons; per polygon: number of points, then x and y as zigzag deltas from the point before (the
//! first point of a polygon from the last point of the polygon before, starting at 0). All numbers LEB128.

use super::super::ReportError;
use super::pack::{deflate_base64, varint, zigzag_varint};
use super::{StructureContours, StructureGroup};
use rtpipeline_geometry::{Grid, Vec3};
use serde::{Deserialize, Serialize};

/// Largest base64 size of the block, bytes.
const BUDGET: usize = 300_000;
/// Simplification: no point of the contour is farther from the drawn line, mm.
const TOLERANCE_MM: f64 = 0.2;
/// Planes count as parallel to the slices up to this angle, degrees.
const PARALLEL_DEGREES: f64 = 0.5;

/// Encoded contours of one course.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContourBlock {
    /// Structures in the order of the stream.
    pub ids: Vec<String>,
    /// Units of one pixel: 8, or 4 when the block would be too large.
    pub unit: u32,
    /// The stream: raw deflate, base64.
    pub data: String,
    /// Points drawn.
    pub points: usize,
    /// What was drawn of each structure, same order as `ids`.
    pub notes: Vec<ContourNote>,
    /// Ids of structures left out for size.
    pub dropped: Vec<String>,
    /// Where the viewer starts: the plane with the largest target area, else the one with most structures, mm LPS.
    pub start: Option<Vec3>,
}

/// What was drawn of one structure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContourNote {
    /// Slices with a contour.
    pub planes: usize,
    /// Loops that could not be drawn, with the reason: `3 × between slices`.
    pub undrawn: Vec<String>,
    /// Centre of the drawn area, mm LPS.
    pub centre: Option<Vec3>,
}

/// Loops of one structure on slices of the displayed grid, in pixels.
#[derive(Clone, Debug, Default)]
pub(super) struct Placed {
    /// Ascending slice index, loops as index points.
    pub(super) planes: Vec<(usize, Vec<Vec<[f64; 2]>>)>,
    between: usize,
    outside: usize,
    oblique: usize,
    small: usize,
    /// Distance of the last plane taken to its slice, slices.
    last_distance: f64,
}

impl Placed {
    /// Puts loops on the slices of `grid`: the nearest plane within half a slice is taken for each slice.
    pub(super) fn new(loops: &[Vec<Vec3>], grid: &Grid) -> Self {
        let mut out = Self::default();
        let spacing = grid.spacing();
        let mut at: Vec<(f64, Vec<[f64; 2]>)> = Vec::new();
        for points in loops {
            if points.iter().flatten().any(|c| !c.is_finite()) {
                out.small += 1;
                continue;
            }
            let index: Vec<Vec3> = points.iter().map(|p| grid.index(*p)).collect();
            let range = |a: usize| {
                let (low, high) =
                    index.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), p| (l.min(p[a]), h.max(p[a])));
                (high - low) * spacing[a]
            };
            let extent = range(0).hypot(range(1));
            if range(2) > extent * PARALLEL_DEGREES.to_radians().tan() + 0.05 {
                out.oblique += 1;
                continue;
            }
            let flat = index.iter().map(|p| [p[0], p[1]]).collect::<Vec<_>>();
            let simple = simplify(&flat, [spacing[0], spacing[1]]);
            if simple.len() < 3 {
                out.small += 1;
                continue;
            }
            let k = index.iter().map(|p| p[2]).sum::<f64>() / index.len() as f64;
            at.push((k, simple));
        }
        at.sort_by(|a, b| a.0.total_cmp(&b.0));
        let same = 0.02 / spacing[2];
        let mut planes: Vec<(f64, Vec<Vec<[f64; 2]>>)> = Vec::new();
        for (k, points) in at {
            match planes.last_mut() {
                Some((last, loops)) if (k - *last).abs() <= same.max(1e-3) => loops.push(points),
                _ => planes.push((k, vec![points])),
            }
        }
        for (k, loops) in planes {
            let slice = k.round();
            if (k - slice).abs() > 0.5 + 1e-6 || slice < 0.0 || slice >= grid.dims[2] as f64 {
                out.outside += loops.len();
                continue;
            }
            let slice = slice as usize;
            let distance = (k - slice as f64).abs();
            match out.planes.last_mut() {
                Some((taken, kept)) if *taken == slice => {
                    // Two planes for one slice: the nearer one stays; mixing them would turn insides out.
                    if distance < out.last_distance {
                        out.between += kept.len();
                        out.last_distance = distance;
                        *kept = loops;
                    } else {
                        out.between += loops.len();
                    }
                }
                _ => {
                    out.last_distance = distance;
                    out.planes.push((slice, loops));
                }
            }
        }
        out
    }

    fn undrawn(&self) -> Vec<String> {
        [
            (self.between, "between slices"),
            (self.outside, "outside the image"),
            (self.oblique, "not parallel to the slices"),
            (self.small, "with fewer than three points"),
        ]
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, why)| format!("{n} × {why}"))
        .collect()
    }

    /// Area of a plane, pixels², even-odd area taken as the sum of unsigned loop areas.
    fn area(loops: &[Vec<[f64; 2]>]) -> f64 {
        loops.iter().map(|l| signed_area(l).abs()).sum()
    }

    fn centre(loops: &[Vec<[f64; 2]>]) -> Option<[f64; 2]> {
        let mut sum = [0.0; 3];
        for l in loops {
            let a = signed_area(l);
            let c = centroid(l, a);
            let w = a.abs().max(1e-9);
            sum = [sum[0] + w * c[0], sum[1] + w * c[1], sum[2] + w];
        }
        (sum[2] > 0.0).then(|| [sum[0] / sum[2], sum[1] / sum[2]])
    }
}

/// Encodes closed loops on the grid of the displayed image ([`ImageBlock::grid`](super::ImageBlock::grid)).
///
/// When the block exceeds 300 kB the unit becomes 1/4 pixel; when that does not help, structures are left out from the
/// end of the order targets, organs, others, automatic, and named in [`ContourBlock::dropped`].
///
/// # Errors
/// When the grid has no slice.
pub fn encode_contours(structures: &[StructureContours], grid: &Grid) -> Result<ContourBlock, ReportError> {
    if grid.is_empty() {
        return Err(ReportError::input("contours", "the image they lie on has no voxel"));
    }
    let placed: Vec<Placed> = structures.iter().map(|s| Placed::new(&s.loops, grid)).collect();
    let mut order: Vec<usize> = (0..structures.len()).collect();
    order.sort_by_key(|&n| structures[n].info.group);
    let mut keep = order.len();
    loop {
        let mut chosen = order[..keep].to_vec();
        chosen.sort_unstable();
        for unit in [8, 4] {
            let data = deflate_base64(&stream(&chosen, &placed, unit), "contours")?;
            if data.len() <= BUDGET || (unit == 4 && keep == 0) {
                return Ok(block(structures, grid, &placed, &chosen, unit, data));
            }
        }
        keep -= (keep / 8).max(1);
    }
}

fn block(
    structures: &[StructureContours],
    grid: &Grid,
    placed: &[Placed],
    chosen: &[usize],
    unit: u32,
    data: String,
) -> ContourBlock {
    let notes = chosen.iter().map(|&n| note(&placed[n], grid)).collect();
    ContourBlock {
        ids: chosen.iter().map(|&n| structures[n].info.id.clone()).collect(),
        unit,
        data,
        points: chosen.iter().flat_map(|&n| &placed[n].planes).flat_map(|p| &p.1).map(Vec::len).sum(),
        notes,
        dropped: (0..structures.len()).filter(|n| !chosen.contains(n)).map(|n| structures[n].info.id.clone()).collect(),
        start: start(structures, placed, grid),
    }
}

fn note(placed: &Placed, grid: &Grid) -> ContourNote {
    let mut sum = [0.0; 4];
    for (slice, loops) in &placed.planes {
        if let Some(c) = Placed::centre(loops) {
            let w = Placed::area(loops).max(1e-9);
            sum = [sum[0] + w * c[0], sum[1] + w * c[1], sum[2] + w * *slice as f64, sum[3] + w];
        }
    }
    let centre = (sum[3] > 0.0).then(|| grid.world([sum[0] / sum[3], sum[1] / sum[3], sum[2] / sum[3]]));
    ContourNote { planes: placed.planes.len(), undrawn: placed.undrawn(), centre }
}

fn start(structures: &[StructureContours], placed: &[Placed], grid: &Grid) -> Option<Vec3> {
    let mut area = vec![0.0; grid.dims[2]];
    let mut count = vec![0.0; grid.dims[2]];
    for (s, p) in structures.iter().zip(placed) {
        for (slice, loops) in &p.planes {
            count[*slice] += 1.0;
            if s.info.group == StructureGroup::Target {
                area[*slice] += Placed::area(loops);
            }
        }
    }
    let targets = area.iter().any(|a| *a > 0.0);
    let score = if targets { &area } else { &count };
    let best = score.iter().copied().fold(0.0, f64::max);
    if best <= 0.0 {
        return None;
    }
    // The middle one of equally good slices.
    let good: Vec<usize> = (0..score.len()).filter(|&k| score[k] >= best * 0.999).collect();
    let slice = good[good.len() / 2];
    let loops: Vec<Vec<[f64; 2]>> = structures
        .iter()
        .zip(placed)
        .filter(|(s, _)| !targets || s.info.group == StructureGroup::Target)
        .flat_map(|(_, p)| p.planes.iter().filter(|(k, _)| *k == slice).flat_map(|(_, l)| l.clone()))
        .collect();
    let c = Placed::centre(&loops)?;
    Some(grid.world([c[0], c[1], slice as f64]))
}

fn stream(chosen: &[usize], placed: &[Placed], unit: u32) -> Vec<u8> {
    let mut out = Vec::new();
    for &n in chosen {
        let planes = &placed[n].planes;
        varint(&mut out, planes.len() as u64);
        let mut slice = 0;
        let mut last = [0i64; 2];
        for (k, loops) in planes {
            varint(&mut out, (*k - slice) as u64);
            slice = *k;
            varint(&mut out, loops.len() as u64);
            for points in loops {
                varint(&mut out, points.len() as u64);
                for p in points {
                    for a in 0..2 {
                        let q = (p[a] * unit as f64).round().clamp(-1e9, 1e9) as i64;
                        zigzag_varint(&mut out, q - last[a]);
                        last[a] = q;
                    }
                }
            }
        }
    }
    out
}

/// Douglas-Peucker on a closed loop: split at the point farthest from the first, both halves simplified.
fn simplify(points: &[[f64; 2]], spacing: [f64; 2]) -> Vec<[f64; 2]> {
    let mut open: Vec<[f64; 2]> = Vec::with_capacity(points.len());
    for p in points {
        if open.last() != Some(p) {
            open.push(*p);
        }
    }
    while open.len() > 1 && open.first() == open.last() {
        open.pop();
    }
    if open.len() < 4 {
        return open;
    }
    let distance = |a: [f64; 2], b: [f64; 2]| ((a[0] - b[0]) * spacing[0]).hypot((a[1] - b[1]) * spacing[1]);
    let mut far = 0;
    for n in 1..open.len() {
        if distance(open[0], open[n]) > distance(open[0], open[far]) {
            far = n;
        }
    }
    let mut keep = vec![false; open.len() + 1];
    keep[0] = true;
    keep[far] = true;
    open.push(open[0]);
    let last = open.len() - 1;
    let mut spans = vec![(0, far), (far, last)];
    while let Some((from, to)) = spans.pop() {
        if to <= from + 1 {
            continue;
        }
        let (a, b) = (open[from], open[to]);
        let (dx, dy) = ((b[0] - a[0]) * spacing[0], (b[1] - a[1]) * spacing[1]);
        let length2 = dx * dx + dy * dy;
        let (mut worst, mut at) = (TOLERANCE_MM, 0);
        for n in from + 1..to {
            let (px, py) = ((open[n][0] - a[0]) * spacing[0], (open[n][1] - a[1]) * spacing[1]);
            let t = if length2 > 0.0 { ((px * dx + py * dy) / length2).clamp(0.0, 1.0) } else { 0.0 };
            let d = (px - t * dx).hypot(py - t * dy);
            if d > worst {
                (worst, at) = (d, n);
            }
        }
        if at > 0 {
            keep[at] = true;
            spans.push((from, at));
            spans.push((at, to));
        }
    }
    open.iter().zip(&keep).take(last).filter(|(_, k)| **k).map(|(p, _)| *p).collect()
}

fn signed_area(points: &[[f64; 2]]) -> f64 {
    let next = points.iter().cycle().skip(1);
    points.iter().zip(next).map(|(a, b)| a[0] * b[1] - b[0] * a[1]).sum::<f64>() / 2.0
}

fn centroid(points: &[[f64; 2]], area: f64) -> [f64; 2] {
    if area.abs() < 1e-9 {
        let n = points.len().max(1) as f64;
        return [0, 1].map(|a| points.iter().map(|p| p[a]).sum::<f64>() / n);
    }
    let next = points.iter().cycle().skip(1);
    let sum = points.iter().zip(next).fold([0.0; 2], |s, (a, b)| {
        let w = a[0] * b[1] - b[0] * a[1];
        [s[0] + (a[0] + b[0]) * w, s[1] + (a[1] + b[1]) * w]
    });
    sum.map(|v| v / (6.0 * area))
}

#[cfg(test)]
#[path = "contours_tests.rs"]
mod tests;
