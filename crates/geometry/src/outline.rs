//! From masks to closed contours.
//!
//! Contours run half-way between voxel centres inside and outside (marching squares at 0.5), so no half pixel is lost and
//! rasterising them again by the voxel-centre rule gives the same mask.

use crate::{Contour, Grid, Mask, Vec3, Volume};
use rayon::prelude::*;

/// How contours are drawn from masks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutlineOptions {
    /// Follow the edges of the voxels (staircase with the exact voxel area) instead of cutting the corners at 45°
    /// between edge mid-points.
    pub pixel_edges: bool,
}

/// The contours of one slice of a grid.
#[derive(Clone, Debug, PartialEq)]
pub struct SliceOutline {
    /// Index of the slice along `k`.
    pub slice: usize,
    /// Outer contours and holes, each a loop of its own; even-odd filling gives the mask back.
    pub contours: Vec<Contour>,
}

/// Contours of a mask, slices in rising order, see [`outline_slices`].
pub fn outline(mask: &Mask, options: &OutlineOptions) -> Vec<Contour> {
    flatten(outline_slices(mask, options))
}

/// Contours of one label of a label map, see [`outline_slices`].
pub fn outline_label<T: Copy + PartialEq + Sync>(
    labels: &Volume<T>,
    label: T,
    options: &OutlineOptions,
) -> Vec<Contour> {
    flatten(outline_label_slices(labels, label, options))
}

fn flatten(slices: Vec<SliceOutline>) -> Vec<Contour> {
    slices.into_iter().flat_map(|s| s.contours).collect()
}

/// Contours of a mask slice by slice, without empty slices. Voxels that touch only at a corner stay separate, collinear
/// points are dropped, points are in mm LPS; the order depends on the mask only.
pub fn outline_slices(mask: &Mask, options: &OutlineOptions) -> Vec<SliceOutline> {
    trace_slices(&mask.grid, options, |n| mask.values()[n] != 0)
}

/// [`outline_slices`] for one label of a label map.
pub fn outline_label_slices<T: Copy + PartialEq + Sync>(
    labels: &Volume<T>,
    label: T,
    options: &OutlineOptions,
) -> Vec<SliceOutline> {
    let values = labels.values();
    trace_slices(&labels.grid, options, |n| values[n] == label)
}

fn trace_slices(grid: &Grid, options: &OutlineOptions, inside: impl Fn(usize) -> bool + Sync) -> Vec<SliceOutline> {
    let [nx, ny, nz] = grid.dims;
    (0..nz)
        .into_par_iter()
        .map(|k| {
            let base = k * nx * ny;
            let slice: Vec<bool> = (0..nx * ny).map(|n| inside(base + n)).collect();
            let contours = trace(&slice, nx, ny, options.pixel_edges)
                .into_iter()
                .map(|points| {
                    let world = |p: &[f64; 2]| -> Vec3 { grid.world([p[0], p[1], k as f64]) };
                    Contour::closed(points.iter().map(world).collect())
                })
                .collect();
            SliceOutline { slice: k, contours }
        })
        .filter(|s| !s.contours.is_empty())
        .collect()
}

// Directions right, down (rising j), left, up; a border piece is a pixel inside and the direction to a pixel outside.
const STEP: [[isize; 2]; 4] = [[1, 0], [0, 1], [-1, 0], [0, -1]];

// Loops in pixel coordinates. The walk keeps the inside pixel on one side; at each corner it looks at the two pixels
// ahead. When both ahead and inside is empty it turns around its own pixel: diagonal neighbours stay separate.
fn trace(slice: &[bool], nx: usize, ny: usize, pixel_edges: bool) -> Vec<Vec<[f64; 2]>> {
    let at = |p: [isize; 2]| {
        p[0] >= 0 && p[1] >= 0 && p[0] < nx as isize && p[1] < ny as isize && slice[p[1] as usize * nx + p[0] as usize]
    };
    let add = |p: [isize; 2], d: usize| [p[0] + STEP[d][0], p[1] + STEP[d][1]];
    // Every loop has a piece whose outside lies above (at j − 1), so only these need a mark.
    let mut seen = vec![false; slice.len()];
    let mut loops = Vec::new();
    for start in 0..slice.len() {
        let first = [(start % nx) as isize, (start / nx) as isize];
        if !slice[start] || seen[start] || at(add(first, 3)) {
            continue;
        }
        let mut pieces: Vec<([isize; 2], usize)> = Vec::new();
        let (mut p, mut d) = (first, 3);
        loop {
            if d == 3 {
                seen[p[1] as usize * nx + p[0] as usize] = true;
            }
            pieces.push((p, d));
            let ahead = (d + 1) % 4;
            let (near, far) = (add(p, ahead), add(add(p, ahead), d));
            if !at(near) {
                d = ahead;
            } else if at(far) {
                p = far;
                d = (d + 3) % 4;
            } else {
                p = near;
            }
            if (p, d) == (first, 3) {
                break;
            }
        }
        loops.push(if pixel_edges { corners(&pieces) } else { middles(&pieces) });
    }
    loops
}

// Mid-points of the border pieces without those on a straight line.
fn middles(pieces: &[([isize; 2], usize)]) -> Vec<[f64; 2]> {
    let n = pieces.len();
    // Twice the coordinates are whole numbers: the test for straight lines is exact.
    let twice = |&(p, d): &([isize; 2], usize)| [2 * p[0] + STEP[d][0], 2 * p[1] + STEP[d][1]];
    (0..n)
        .filter_map(|k| {
            let (a, b, c) = (twice(&pieces[(k + n - 1) % n]), twice(&pieces[k]), twice(&pieces[(k + 1) % n]));
            let turn = (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0]);
            (turn != 0).then(|| b.map(|v| v as f64 / 2.0))
        })
        .collect()
}

// Corners of the pixels where the direction changes.
fn corners(pieces: &[([isize; 2], usize)]) -> Vec<[f64; 2]> {
    let n = pieces.len();
    (0..n)
        .filter(|&k| pieces[k].1 != pieces[(k + 1) % n].1)
        .map(|k| {
            let (p, d) = pieces[k];
            let e = (d + 1) % 4;
            [0, 1].map(|a| p[a] as f64 + 0.5 * (STEP[d][a] + STEP[e][a]) as f64)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PlaneStack, StackOptions};
    use proptest::prelude::*;

    fn options(spacing: f64) -> StackOptions {
        StackOptions { spacing: Some(spacing), ..StackOptions::default() }
    }

    fn mask_of(grid: &Grid, f: impl Fn([f64; 3]) -> bool) -> Mask {
        let mut m = Mask::filled(grid.clone(), 0);
        let [nx, ny, _] = grid.dims;
        for (n, v) in m.values_mut().iter_mut().enumerate() {
            *v = u8::from(f([(n % nx) as f64, (n / nx % ny) as f64, (n / nx / ny) as f64]));
        }
        m
    }

    #[test]
    fn single_pixel_is_a_diamond_or_a_square() {
        let grid = Grid::axis_aligned([3, 3, 1], [0.0; 3], [1.0; 3]);
        let m = mask_of(&grid, |p| p == [1.0, 1.0, 0.0]);
        let diamond = outline(&m, &OutlineOptions::default());
        assert_eq!(diamond.len(), 1);
        assert_eq!(diamond[0].points, [[1.0, 0.5, 0.0], [1.5, 1.0, 0.0], [1.0, 1.5, 0.0], [0.5, 1.0, 0.0]]);
        let square = outline(&m, &OutlineOptions { pixel_edges: true });
        assert_eq!(square[0].points, [[1.5, 0.5, 0.0], [1.5, 1.5, 0.0], [0.5, 1.5, 0.0], [0.5, 0.5, 0.0]]);
    }

    #[test]
    fn diagonal_pixels_stay_separate_and_holes_are_loops() {
        let grid = Grid::axis_aligned([5, 5, 1], [0.0; 3], [1.0; 3]);
        let diagonal = mask_of(&grid, |p| p[0] == p[1] && p[0] < 2.0);
        assert_eq!(outline(&diagonal, &OutlineOptions::default()).len(), 2);
        let ring = mask_of(&grid, |p| p[0] != 2.0 || p[1] != 2.0);
        assert_eq!(outline(&ring, &OutlineOptions::default()).len(), 2);
    }

    // The area ratios of reference/segmentation.md §7.1 lie at 0.985 to 1 for marching squares and at 1 for pixel edges.
    #[test]
    fn area_is_kept_on_an_oblique_grid() {
        let (s, c) = 0.3f64.sin_cos();
        let grid =
            Grid::new([50, 60, 8], [-20.0, 10.0, 5.0], [0.9, 1.1, 2.5], [[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
                .unwrap();
        let m = mask_of(&grid, |p| {
            let r = ((p[0] - 25.0).powi(2) + (p[1] - 30.0).powi(2)).sqrt();
            r < 20.0 && r > 6.0 && p[2] > 0.0 && p[2] < 7.0
        });
        for (pixel_edges, least) in [(false, 0.99), (true, 1.0 - 1e-9)] {
            let stack =
                PlaneStack::from_contours(&outline(&m, &OutlineOptions { pixel_edges }), &options(2.5)).unwrap();
            let ratio = stack.volume_cc() / m.volume_cc();
            assert!(ratio >= least && ratio <= 1.0 + 1e-9, "{ratio}");
            assert_eq!(stack.mask(&grid), m);
        }
    }

    proptest! {
        #[test]
        fn round_trip_is_identical(
            seed in prop::collection::vec(any::<bool>(), 9 * 8 * 4), turn in 0.0f64..6.3, tilt in 0.0f64..1.5,
            edges: bool,
        ) {
            let (s, c) = turn.sin_cos();
            let (t, d) = tilt.sin_cos();
            let direction = [[c, s, 0.0], [-s * d, c * d, t], [s * t, -c * t, d]];
            let grid = Grid::new([9, 8, 4], [100.0, -30.0, 12.0], [1.5, 0.8, 3.0], direction).unwrap();
            let m = Mask::from_vec(grid.clone(), seed.iter().map(|&v| u8::from(v)).collect());
            prop_assume!(m.count() > 0);
            let contours = outline(&m, &OutlineOptions { pixel_edges: edges });
            prop_assert!(contours.iter().all(|c| c.points.len() >= 4));
            let normal = Some(direction[2]);
            let stack = PlaneStack::from_contours(&contours, &StackOptions { normal, ..options(3.0) }).unwrap();
            prop_assert_eq!(stack.mask(&grid), m.clone());
            if edges {
                prop_assert!((stack.volume_cc() / m.volume_cc() - 1.0).abs() < 1e-9);
            }
        }
    }
}
