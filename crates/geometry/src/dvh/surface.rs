//! Extrema of the dose on the surface of a slab.

use crate::PlaneStack;
use crate::dose::DoseField;
use crate::planar::{Region, SpanBuffer};
use crate::stack::Plane;

/// Running minimum and maximum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extrema {
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Default for Extrema {
    fn default() -> Self {
        Self { min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

impl Extrema {
    pub(super) fn add(&mut self, d: f64) {
        self.min = self.min.min(d);
        self.max = self.max.max(d);
    }

    pub(super) fn merge(&mut self, o: &Self) {
        self.min = self.min.min(o.min);
        self.max = self.max.max(o.max);
    }
}

/// Takes in the dose at contour vertices and along contour edges, on the contour plane and on both faces of the slab,
/// and over the faces that are end caps.
pub(super) fn surface_extrema(
    stack: &PlaneStack,
    plane: &Plane,
    region: &Region,
    field: &impl DoseField,
    pitch: f64,
    extrema: &mut Extrema,
) {
    let mut at = |u: f64, v: f64, n: f64| {
        if let Some(d) = field.dose_at(stack.frame.world([u, v, n])) {
            extrema.add(d);
        }
    };
    // Along an edge the dose is quadratic within a dose cell; steps of the pitch leave nothing of size.
    let step = pitch.max(0.25);
    for points in &plane.loops {
        let mut last = match points.last() {
            Some(&p) => p,
            None => continue,
        };
        for &p in points {
            let length = (p[0] - last[0]).hypot(p[1] - last[1]);
            let parts = (length / step).ceil().max(1.0);
            for q in 1..=parts as usize {
                let t = q as f64 / parts;
                let (u, v) = (last[0] + t * (p[0] - last[0]), last[1] + t * (p[1] - last[1]));
                for n in [plane.lo, plane.position, plane.hi] {
                    at(u, v, n);
                }
            }
            last = p;
        }
    }
    let [lo, hi] = region.bounds();
    let mut buffer = SpanBuffer::default();
    for (open, n) in [(plane.open_lo, plane.lo), (plane.open_hi, plane.hi)] {
        if !open {
            continue;
        }
        let lines = ((hi[1] - lo[1]) / pitch).ceil().max(8.0) as usize;
        for line in 0..lines {
            let v = lo[1] + (line as f64 + 0.5) / lines as f64 * (hi[1] - lo[1]);
            for &(a, b) in region.spans(v, &mut buffer) {
                let cells = ((b - a) / pitch).ceil().max(1.0);
                for c in 0..=cells as usize {
                    at(a + c as f64 / cells * (b - a), v, n);
                }
            }
        }
    }
}
