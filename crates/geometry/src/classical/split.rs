//! Telling the left lung from the right.

use super::morphology::{Block, components, erode, part};
use crate::Grid;
use crate::edt::squared_distance;

/// Largest erosion tried to part two lungs that touch, mm.
const MOST_MM: f64 = 15.0;
/// The second part must have this share of the first to be the other lung.
const SHARE: f64 = 0.2;

/// Splits the lung voxels into right and left (in this order; one may be empty). `midline` is the patient x of the
/// middle of the body, mm. `None` when one connected part lies on both sides and does not come apart.
pub(super) fn split_sides(lung: &[u8], block: &Block, grid: &Grid, midline: f64) -> Option<[Vec<u8>; 2]> {
    let dims = block.dims;
    let step = block.spacing.iter().copied().fold(f64::INFINITY, f64::min);
    let mut core = lung.to_vec();
    let mut mm = 0.0;
    let (first, second) = loop {
        let parts = components(&core, dims);
        let mut order: Vec<usize> = (0..parts.sizes.len()).collect();
        order.sort_by_key(|&n| (usize::MAX - parts.sizes[n], n));
        match order.as_slice() {
            [] => return None,
            [a, b, ..] if parts.sizes[*b] as f64 >= SHARE * parts.sizes[*a] as f64 => {
                let (a, b) = (*a as u32 + 1, *b as u32 + 1);
                let (ma, mb) = (part(&parts, a), part(&parts, b));
                let (xa, xb) = (mean_x(&ma, block, grid), mean_x(&mb, block, grid));
                // Two parts of one side (a fissure, a bulla) are not two lungs.
                if (xa - midline) * (xb - midline) < 0.0 {
                    break if xa < xb { (ma, mb) } else { (mb, ma) };
                }
            }
            _ => {}
        }
        mm += step;
        if mm > MOST_MM {
            return one_sided(lung, block, grid, midline);
        }
        core = erode(lung, dims, block.spacing, mm);
    };
    let to_right = squared_distance(&first, dims, block.spacing);
    let to_left = squared_distance(&second, dims, block.spacing);
    let right = (0..lung.len()).map(|n| u8::from(lung[n] != 0 && to_right[n] <= to_left[n])).collect();
    let left = (0..lung.len()).map(|n| u8::from(lung[n] != 0 && to_right[n] > to_left[n])).collect();
    Some([right, left])
}

/// All voxels to one side when hardly any lie beyond the midline.
fn one_sided(lung: &[u8], block: &Block, grid: &Grid, midline: f64) -> Option<[Vec<u8>; 2]> {
    let (mut right, mut left) = (0usize, 0usize);
    for (n, _) in lung.iter().enumerate().filter(|(_, v)| **v != 0) {
        if x_of(n, block, grid) < midline { right += 1 } else { left += 1 }
    }
    let all = (right + left) as f64;
    let none = vec![0u8; lung.len()];
    if all > 0.0 && right as f64 >= 0.8 * all {
        Some([lung.to_vec(), none])
    } else if all > 0.0 && left as f64 >= 0.8 * all {
        Some([none, lung.to_vec()])
    } else {
        None
    }
}

fn x_of(n: usize, block: &Block, grid: &Grid) -> f64 {
    let p = block.position(n);
    grid.world([0, 1, 2].map(|a| (p[a] as isize + block.start[a]) as f64))[0]
}

fn mean_x(mask: &[u8], block: &Block, grid: &Grid) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for (n, _) in mask.iter().enumerate().filter(|(_, v)| **v != 0) {
        sum += x_of(n, block, grid);
        count += 1.0;
    }
    sum / f64::max(count, 1.0)
}
