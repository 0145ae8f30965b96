//! Voxel data together with their grid.

use crate::Grid;
use ndarray::Array3;

/// Voxel values on a [`Grid`]; `data` has shape `(k, j, i)` in standard layout, `i` fastest.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume<T> {
    /// Where the voxels are.
    pub grid: Grid,
    /// The values, shape `(k, j, i)`.
    pub data: Array3<T>,
}

/// A binary mask: 1 inside, 0 outside.
pub type Mask = Volume<u8>;

impl<T> Volume<T> {
    /// Joins a grid and values given with `i` fastest.
    ///
    /// # Panics
    /// When the number of values is not the number of voxels.
    pub fn from_vec(grid: Grid, values: Vec<T>) -> Self {
        let data = Array3::from_shape_vec(grid.shape(), values).expect("as many values as voxels");
        Self { grid, data }
    }

    /// The values with `i` fastest.
    pub fn values(&self) -> &[T] {
        self.data.as_slice().expect("standard layout")
    }

    /// The values with `i` fastest, to be changed.
    pub fn values_mut(&mut self) -> &mut [T] {
        self.data.as_slice_mut().expect("standard layout")
    }

    /// Applies a function to every voxel.
    pub fn map<U>(&self, f: impl FnMut(&T) -> U) -> Volume<U> {
        Volume { grid: self.grid.clone(), data: self.data.map(f) }
    }
}

impl<T: Clone> Volume<T> {
    /// A volume with one value everywhere.
    pub fn filled(grid: Grid, value: T) -> Self {
        let data = Array3::from_elem(grid.shape(), value);
        Self { grid, data }
    }
}

impl Mask {
    /// Number of voxels inside.
    pub fn count(&self) -> usize {
        self.values().iter().filter(|&&v| v != 0).count()
    }

    /// Volume of the voxels inside, cm³.
    pub fn volume_cc(&self) -> f64 {
        self.count() as f64 * self.grid.voxel_volume_mm3() / 1000.0
    }
}
