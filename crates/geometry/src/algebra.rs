//! Boolean operations on masks.

use crate::Mask;

/// A Boolean operation on two masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// In either.
    Union,
    /// In both.
    Intersection,
    /// In the first but not in the second.
    Subtract,
    /// In exactly one.
    Xor,
}

/// Two masks lie on different grids.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "masks lie on different grids: {first:?} voxels from {first_origin:?} mm, {second:?} voxels from \
     {second_origin:?} mm; resample one of them first"
)]
pub struct GridMismatch {
    /// Voxels of the first mask.
    pub first: [usize; 3],
    /// Origin of the first mask, mm.
    pub first_origin: [f64; 3],
    /// Voxels of the second mask.
    pub second: [usize; 3],
    /// Origin of the second mask, mm.
    pub second_origin: [f64; 3],
}

/// Largest distance of voxel centres of grids that count as one, mm.
const SAME_MM: f64 = 1e-3;

pub(crate) fn check_same(a: &Mask, b: &Mask) -> Result<(), GridMismatch> {
    if a.grid.same_as(&b.grid, SAME_MM) {
        Ok(())
    } else {
        Err(GridMismatch {
            first: a.grid.dims,
            first_origin: a.grid.origin,
            second: b.grid.dims,
            second_origin: b.grid.origin,
        })
    }
}

/// Applies an operation voxel by voxel; the result holds 0 and 1 on the grid of the first mask.
///
/// # Errors
/// When the grids differ.
pub fn combine(a: &Mask, b: &Mask, operation: Operation) -> Result<Mask, GridMismatch> {
    check_same(a, b)?;
    let rule = |x: bool, y: bool| match operation {
        Operation::Union => x || y,
        Operation::Intersection => x && y,
        Operation::Subtract => x && !y,
        Operation::Xor => x != y,
    };
    let values = a.values().iter().zip(b.values()).map(|(&x, &y)| u8::from(rule(x != 0, y != 0))).collect();
    Ok(Mask::from_vec(a.grid.clone(), values))
}

/// Voxels in either mask, see [`combine`].
pub fn union(a: &Mask, b: &Mask) -> Result<Mask, GridMismatch> {
    combine(a, b, Operation::Union)
}

/// Voxels in both masks, see [`combine`].
pub fn intersection(a: &Mask, b: &Mask) -> Result<Mask, GridMismatch> {
    combine(a, b, Operation::Intersection)
}

/// Voxels in `a` but not in `b`, see [`combine`].
pub fn subtract(a: &Mask, b: &Mask) -> Result<Mask, GridMismatch> {
    combine(a, b, Operation::Subtract)
}

/// Voxels in exactly one of the masks, see [`combine`].
pub fn xor(a: &Mask, b: &Mask) -> Result<Mask, GridMismatch> {
    combine(a, b, Operation::Xor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Grid;

    #[test]
    fn truth_tables() {
        let grid = Grid::axis_aligned([4, 1, 1], [0.0; 3], [1.0; 3]);
        let a = Mask::from_vec(grid.clone(), vec![0, 0, 1, 1]);
        let b = Mask::from_vec(grid, vec![0, 1, 0, 1]);
        assert_eq!(union(&a, &b).unwrap().values(), &[0, 1, 1, 1]);
        assert_eq!(intersection(&a, &b).unwrap().values(), &[0, 0, 0, 1]);
        assert_eq!(subtract(&a, &b).unwrap().values(), &[0, 0, 1, 0]);
        assert_eq!(xor(&a, &b).unwrap().values(), &[0, 1, 1, 0]);
    }

    #[test]
    fn different_grids_are_refused() {
        let a = Mask::filled(Grid::axis_aligned([4, 1, 1], [0.0; 3], [1.0; 3]), 1);
        let b = Mask::filled(Grid::axis_aligned([4, 1, 1], [0.5, 0.0, 0.0], [1.0; 3]), 1);
        assert!(union(&a, &b).unwrap_err().to_string().contains("different grids"));
    }
}
