//! What a label map holds: one pass over runs of equal labels.

use rtpipeline_geometry::{Vec3, Volume};
use std::collections::BTreeMap;

/// One label of a map.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelCensus {
    /// Voxels.
    pub voxels: usize,
    /// First and last index along i, j, k.
    pub bounds: [[usize; 2]; 3],
    /// Mean of the voxel centres, mm LPS.
    pub centroid: Vec3,
    /// Lowest and highest edge along the patient's z, mm (voxels counted with their extent).
    pub z_range: [f64; 2],
    /// Some voxel lies in the first or last slice, row or column of the image.
    pub touches_face: bool,
}

impl LabelCensus {
    /// Volume, cm³.
    pub fn volume_cc(&self, voxel_mm3: f64) -> f64 {
        self.voxels as f64 * voxel_mm3 / 1000.0
    }

    /// Slices (index k) that it spans.
    pub fn planes(&self) -> usize {
        self.bounds[2][1] - self.bounds[2][0] + 1
    }
}

struct Sum {
    voxels: usize,
    index: [f64; 3],
    bounds: [[usize; 2]; 3],
    z: [f64; 2],
}

/// Counts, bounds and positions of all labels but 0.
pub fn census(labels: &Volume<u32>) -> BTreeMap<u32, LabelCensus> {
    let grid = &labels.grid;
    let d = grid.dims;
    let mut sums: BTreeMap<u32, Sum> = BTreeMap::new();
    for (row, line) in labels.values().chunks_exact(d[0].max(1)).enumerate() {
        let (j, k) = (row % d[1], row / d[1]);
        let mut from = 0;
        while from < line.len() {
            let label = line[from];
            let mut to = from;
            while to + 1 < line.len() && line[to + 1] == label {
                to += 1;
            }
            if label != 0 {
                let n = to - from + 1;
                let s = sums.entry(label).or_insert(Sum {
                    voxels: 0,
                    index: [0.0; 3],
                    bounds: [[usize::MAX, 0]; 3],
                    z: [f64::INFINITY, f64::NEG_INFINITY],
                });
                s.voxels += n;
                let middle = (from + to) as f64 / 2.0;
                for (a, v) in [middle, j as f64, k as f64].into_iter().enumerate() {
                    s.index[a] += n as f64 * v;
                }
                for (a, lo, hi) in [(0, from, to), (1, j, j), (2, k, k)] {
                    s.bounds[a] = [s.bounds[a][0].min(lo), s.bounds[a][1].max(hi)];
                }
                for i in [from, to] {
                    let z = grid.world([i as f64, j as f64, k as f64])[2];
                    s.z = [s.z[0].min(z), s.z[1].max(z)];
                }
            }
            from = to + 1;
        }
    }
    let half = grid.step.iter().map(|s| s[2].abs()).sum::<f64>() / 2.0;
    sums.into_iter()
        .map(|(label, s)| {
            let mean = s.index.map(|v| v / s.voxels as f64);
            let touches_face = (0..3).any(|a| s.bounds[a][0] == 0 || s.bounds[a][1] + 1 == d[a]);
            let c = LabelCensus {
                voxels: s.voxels,
                bounds: s.bounds,
                centroid: grid.world(mean),
                z_range: [s.z[0] - half, s.z[1] + half],
                touches_face,
            };
            (label, c)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtpipeline_geometry::Grid;

    #[test]
    fn positions_are_those_of_the_patient_also_when_slices_descend() {
        let up = Grid::axis_aligned([8, 6, 10], [-10.0, -20.0, 5.0], [1.0, 2.0, 3.0]);
        let mut down = up.clone();
        down.origin[2] = 32.0;
        down.step[2][2] = -3.0;
        for (grid, ks) in [(up, [3usize, 4]), (down, [6, 5])] {
            let mut v = Volume::filled(grid, 0u32);
            for k in ks {
                v.data[[k, 2, 4]] = 7;
                v.data[[k, 2, 5]] = 7;
            }
            v.data[[0, 0, 0]] = 2;
            let c = census(&v);
            assert_eq!(c[&7].voxels, 4);
            assert_eq!(c[&7].z_range, [12.5, 18.5]);
            assert_eq!(c[&7].centroid, [-5.5, -16.0, 15.5]);
            assert!(!c[&7].touches_face && c[&2].touches_face);
            assert_eq!(c[&7].planes(), 2);
        }
    }
}
