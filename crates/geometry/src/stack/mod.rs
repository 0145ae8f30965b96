//! A structure as a stack of parallel planes.

mod build;
mod finding;
mod locate;

pub use build::StackOptions;
pub use finding::{ContourFinding, FindingCode, StackError};
pub(crate) use locate::Locator;

use crate::planar::{self, FillRule, Loop};
use crate::{PlaneFrame, Vec3};

/// One plane of a stack and the slab that it stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Plane {
    /// Position along the normal, mm.
    pub position: f64,
    /// Lower face of the slab, mm along the normal.
    pub lo: f64,
    /// Upper face of the slab, mm along the normal.
    pub hi: f64,
    /// Nothing of the structure touches the lower face: it is an end cap.
    pub open_lo: bool,
    /// Nothing of the structure touches the upper face: it is an end cap.
    pub open_hi: bool,
    /// The loops in the frame of the stack, mm.
    pub loops: Vec<Loop>,
    /// Exact area under the even-odd rule, mm².
    pub even_odd_mm2: f64,
    /// Exact area of the union of the loops, mm².
    pub union_mm2: f64,
    /// Centroid of the area under the rule of the stack.
    pub centroid: [f64; 2],
}

impl Plane {
    /// Thickness of the slab, mm.
    pub fn thickness(&self) -> f64 {
        self.hi - self.lo
    }

    /// Area under a rule, mm².
    pub fn area_mm2(&self, rule: FillRule) -> f64 {
        match rule {
            FillRule::EvenOdd => self.even_odd_mm2,
            FillRule::Union => self.union_mm2,
        }
    }
}

/// Closed contours grouped into parallel planes with slabs; planes rise along the normal.
///
/// The solid is the union of the slabs: every plane reaches half-way to its neighbours, ends reach half a spacing
/// beyond their contour (the midpoint rule, what systems that paint voxels produce).
#[derive(Clone, Debug, PartialEq)]
pub struct PlaneStack {
    /// Axes of the planes.
    pub frame: PlaneFrame,
    /// The planes in rising order, never empty.
    pub planes: Vec<Plane>,
    /// How the loops of one plane are filled.
    pub rule: FillRule,
    /// Median distance of neighbouring planes, mm; the assumed thickness for a single plane.
    pub spacing: f64,
    /// What was noticed.
    pub findings: Vec<ContourFinding>,
}

impl PlaneStack {
    /// Volume by the slab rule, cm³: area × slab thickness summed.
    pub fn volume_cc(&self) -> f64 {
        self.planes.iter().map(|p| p.area_mm2(self.rule) * p.thickness()).sum::<f64>() / 1000.0
    }

    /// Lower and upper bound of the volume under other readings of the ends, cm³: nothing beyond the last contours,
    /// and every end extended by one full spacing.
    pub fn volume_bounds_cc(&self) -> (f64, f64) {
        let (mut lower, mut upper) = (0.0, 0.0);
        for p in &self.planes {
            let a = p.area_mm2(self.rule);
            let (below, above) = (p.position - p.lo, p.hi - p.position);
            lower += a * (if p.open_lo { 0.0 } else { below } + if p.open_hi { 0.0 } else { above });
            upper += a * (below * if p.open_lo { 2.0 } else { 1.0 } + above * if p.open_hi { 2.0 } else { 1.0 });
        }
        (lower / 1000.0, upper / 1000.0)
    }

    /// Centre of mass of the slabs, mm LPS.
    pub fn centroid(&self) -> Vec3 {
        let (mut sum, mut weight) = ([0.0; 3], 0.0);
        for p in &self.planes {
            let w = p.area_mm2(self.rule) * p.thickness();
            let c = [p.centroid[0], p.centroid[1], 0.5 * (p.lo + p.hi)];
            for a in 0..3 {
                sum[a] += w * c[a];
            }
            weight += w;
        }
        if weight > 0.0 {
            self.frame.world(sum.map(|s| s / weight))
        } else {
            let b = self.local_bounds();
            self.frame.world([0, 1, 2].map(|a| 0.5 * (b[0][a] + b[1][a])))
        }
    }

    /// Lower and upper corner in the frame `(u, v, n)`, slabs included, mm.
    pub fn local_bounds(&self) -> [Vec3; 2] {
        let mut out = [[f64::INFINITY; 3], [f64::NEG_INFINITY; 3]];
        for p in &self.planes {
            let b = planar::bounds(&p.loops);
            for (a, (lo, hi)) in [(b[0][0], b[1][0]), (b[0][1], b[1][1]), (p.lo, p.hi)].into_iter().enumerate() {
                out[0][a] = out[0][a].min(lo);
                out[1][a] = out[1][a].max(hi);
            }
        }
        out
    }

    /// Lower and upper corner in patient axes, slabs included, mm LPS.
    pub fn bounding_box(&self) -> [Vec3; 2] {
        let mut out = [[f64::INFINITY; 3], [f64::NEG_INFINITY; 3]];
        for p in &self.planes {
            for q in p.loops.iter().flatten() {
                for n in [p.lo, p.hi] {
                    let w = self.frame.world([q[0], q[1], n]);
                    for a in 0..3 {
                        out[0][a] = out[0][a].min(w[a]);
                        out[1][a] = out[1][a].max(w[a]);
                    }
                }
            }
        }
        out
    }

    /// The loops as closed curves in patient coordinates, one entry per loop, plane by plane.
    pub fn contours(&self) -> Vec<Vec<Vec3>> {
        self.planes
            .iter()
            .flat_map(|p| {
                p.loops
                    .iter()
                    .map(move |l| l.iter().map(|q| self.frame.world([q[0], q[1], p.position])).collect::<Vec<_>>())
            })
            .collect()
    }

    /// Number of pieces: runs of planes without a gap.
    pub fn pieces(&self) -> usize {
        self.planes.iter().filter(|p| p.open_lo).count()
    }

    /// Index of the plane whose slab `[lo, hi)` holds position `n`.
    pub fn plane_at(&self, n: f64) -> Option<usize> {
        // Positions that are equal but for rounding fall on the same side.
        let n = n + 1e-6;
        let after = self.planes.partition_point(|p| p.lo <= n);
        let k = after.checked_sub(1)?;
        (n < self.planes[k].hi).then_some(k)
    }
}

#[cfg(test)]
mod tests;
