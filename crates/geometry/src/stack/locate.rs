//! Point tests in a stack.

use super::PlaneStack;
use crate::Vec3;
use crate::planar::{Region, SpanBuffer};

/// A stack prepared for point tests.
pub(crate) struct Locator<'a> {
    stack: &'a PlaneStack,
    regions: Vec<Region>,
}

impl<'a> Locator<'a> {
    pub(crate) fn new(stack: &'a PlaneStack) -> Self {
        let regions = stack.planes.iter().map(|p| Region::new(&p.loops, stack.rule)).collect();
        Self { stack, regions }
    }

    /// True when a point given in the frame of the stack is inside.
    pub(crate) fn contains_local(&self, p: Vec3, buffer: &mut SpanBuffer) -> bool {
        self.stack.plane_at(p[2]).is_some_and(|k| self.regions[k].contains([p[0], p[1]], buffer))
    }
}
