//! The region of interest inside its bounding box.

use crate::image::Picture;
use rtpipeline_geometry::Mask;

/// Lower corner and size of the box around all voxels inside, or nothing.
pub(crate) fn bounding_box(mask: &Mask) -> Option<([usize; 3], [usize; 3])> {
    let [nx, ny, _] = mask.grid.dims;
    if nx == 0 || ny == 0 {
        return None;
    }
    let (mut low, mut high) = ([usize::MAX; 3], [0; 3]);
    let mut any = false;
    for (row, line) in mask.values().chunks_exact(nx).enumerate() {
        let Some(first) = line.iter().position(|&v| v != 0) else { continue };
        let last = line.iter().rposition(|&v| v != 0).unwrap_or(first);
        any = true;
        for (a, from, to) in [(0, first, last), (1, row % ny, row % ny), (2, row / ny, row / ny)] {
            low[a] = low[a].min(from);
            high[a] = high[a].max(to);
        }
    }
    any.then(|| (low, [0, 1, 2].map(|a| high[a] + 1 - low[a])))
}

/// A region: its box in the image, the voxels inside in scan order (z, y, x with x fastest).
pub(crate) struct Roi {
    /// Lower corner of the box in the image.
    pub(crate) start: [usize; 3],
    /// Size of the box.
    pub(crate) dims: [usize; 3],
    /// Voxel size, mm.
    pub(crate) spacing: [f64; 3],
    /// 1 inside, for the voxels of the box.
    pub(crate) mask: Vec<u8>,
    /// Positions in the box of the voxels inside.
    pub(crate) inside: Vec<u32>,
}

impl Roi {
    /// The part of the mask in a box (which need not be the smallest).
    pub(crate) fn new(mask: &Mask, start: [usize; 3], dims: [usize; 3]) -> Self {
        let [nx, ny, _] = mask.grid.dims;
        let all = mask.values();
        let mut data = Vec::with_capacity(dims.iter().product());
        for z in 0..dims[2] {
            for y in 0..dims[1] {
                let at = ((start[2] + z) * ny + start[1] + y) * nx + start[0];
                data.extend(all[at..at + dims[0]].iter().map(|&v| u8::from(v != 0)));
            }
        }
        let inside = data.iter().enumerate().filter(|(_, v)| **v != 0).map(|(i, _)| i as u32).collect();
        Self { start, dims, spacing: mask.grid.spacing(), mask: data, inside }
    }

    /// Number of voxels inside.
    pub(crate) fn len(&self) -> usize {
        self.inside.len()
    }

    /// The image's values inside, in scan order.
    pub(crate) fn gather(&self, image: &Picture<'_>) -> Vec<f64> {
        let [nx, ny, _] = image.grid.dims;
        let mut row = vec![0.0; self.dims[0]];
        let mut out = Vec::with_capacity(self.len());
        for (n, line) in self.mask.chunks_exact(self.dims[0].max(1)).enumerate() {
            if line.iter().all(|&v| v == 0) {
                continue;
            }
            let (y, z) = (self.start[1] + n % self.dims[1], self.start[2] + n / self.dims[1]);
            image.values.copy_row((z * ny + y) * nx + self.start[0], &mut row);
            out.extend(line.iter().zip(&row).filter(|(m, _)| **m != 0).map(|(_, v)| *v));
        }
        out
    }
}
