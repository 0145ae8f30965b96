//! Trachea and large bronchi by growth over rising thresholds.

use super::morphology::Block;
use crate::Grid;

/// Air in the trachea is below this value in the seed slices, HU.
const SEED_HU: f32 = -900.0;
/// First threshold of the growth and its step, HU.
const START_HU: f32 = -1000.0;
const STEP_HU: f32 = 10.0;
/// Growth by more than this factor in one step is a leak into the lung.
const LEAK: f64 = 1.6;
/// Largest airway, cm³.
const MOST_CC: f64 = 80.0;
/// Thresholds tried: up to −600 HU.
const STEPS: usize = 40;

/// The airway among the lung candidates: a round pocket of air near the midline in the upper 40 % of the slices,
/// grown at −1000, −990, … HU until the volume jumps or passes 80 cm³. `None` without a seed.
pub(super) fn find_airway(
    values: &[f32],
    lung: &[u8],
    body: &[u8],
    block: &Block,
    grid: &Grid,
    axis: usize,
    upward: bool,
) -> Option<Vec<u8>> {
    let seed = find_seed(values, lung, body, block, grid, axis, upward)?;
    let dims = block.dims;
    let strides = [1, dims[0], dims[0] * dims[1]];
    // The step at which each voxel is reached: the largest threshold on the best way from the seed.
    let level = |v: f32| (((v - START_HU) / STEP_HU).floor().max(-1.0) + 1.0) as usize;
    let mut buckets: Vec<Vec<usize>> = vec![Vec::new(); STEPS + 1];
    let mut reached = vec![false; values.len()];
    for &n in &seed {
        let l = level(values[n]);
        if l <= STEPS {
            reached[n] = true;
            buckets[l].push(n);
        }
    }
    let voxel_cc = grid.voxel_volume_mm3() / 1000.0;
    let mut order: Vec<usize> = Vec::new();
    let mut accepted = 0;
    for step in 0..=STEPS {
        let mut at = 0;
        while at < buckets[step].len() {
            let n = buckets[step][at];
            at += 1;
            order.push(n);
            let p = block.position(n);
            for a in 0..3 {
                for (inside, m) in
                    [(p[a] > 0, n.wrapping_sub(strides[a])), (p[a] + 1 < dims[a], n.wrapping_add(strides[a]))]
                {
                    if inside && !reached[m] && lung[m] != 0 {
                        let l = level(values[m]).max(step);
                        if l <= STEPS {
                            reached[m] = true;
                            buckets[l].push(m);
                        }
                    }
                }
            }
        }
        let before = accepted as f64;
        let now = order.len() as f64;
        // Below 2 cm³ steps are coarse and no leak is possible yet.
        let leak = before * voxel_cc > 2.0 && now > LEAK * before;
        if leak || now * voxel_cc > MOST_CC {
            break;
        }
        accepted = order.len();
    }
    (accepted > 0).then(|| {
        let mut out = vec![0u8; values.len()];
        for &n in &order[..accepted] {
            out[n] = 1;
        }
        out
    })
}

/// Voxels of the first good pocket: 0.8 to 7 cm², compact, within 35 mm of the body's middle in its slice, continued in
/// the slices below over at least 10 mm.
fn find_seed(
    values: &[f32],
    lung: &[u8],
    body: &[u8],
    block: &Block,
    grid: &Grid,
    axis: usize,
    upward: bool,
) -> Option<Vec<usize>> {
    let dims = block.dims;
    let slices = dims[axis];
    let top = (slices as f64 * 0.4).ceil() as usize;
    let need = (10.0 / block.spacing[axis]).ceil() as usize;
    let mut run: Vec<usize> = Vec::new();
    let mut length = 0;
    for n in 0..slices {
        if n >= top + need {
            break;
        }
        let k = if upward { slices - 1 - n } else { n };
        let pockets = pockets(values, lung, body, block, grid, axis, k);
        let stride = [1, dims[0], dims[0] * dims[1]][axis];
        let follows = pockets.iter().find(|p| {
            p.iter().any(|&v| {
                let above = if upward { v + stride } else { v.wrapping_sub(stride) };
                run.contains(&above)
            })
        });
        if let Some(pocket) = follows {
            length += 1;
            run.clone_from(pocket);
            if length >= need {
                return Some(run);
            }
        } else if n < top {
            (run, length) = pockets.into_iter().next().map_or_else(|| (Vec::new(), 0), |p| (p, 1));
        } else {
            return None;
        }
    }
    None
}

/// Round pockets of air near the midline in one slice, nearest to the midline first.
fn pockets(
    values: &[f32],
    lung: &[u8],
    body: &[u8],
    block: &Block,
    grid: &Grid,
    axis: usize,
    k: usize,
) -> Vec<Vec<usize>> {
    let dims = block.dims;
    let strides = [1, dims[0], dims[0] * dims[1]];
    let (u, v) = ((axis + 1) % 3, (axis + 2) % 3);
    let area = block.spacing[u] * block.spacing[v] / 100.0;
    let base = k * strides[axis];
    let at = |p: usize, q: usize| base + p * strides[u] + q * strides[v];
    let x_of = |n: usize| {
        let p = block.position(n);
        grid.world([0, 1, 2].map(|a| (p[a] as isize + block.start[a]) as f64))[0]
    };
    let (mut lo, mut hi) = (f64::INFINITY, f64::NEG_INFINITY);
    for q in 0..dims[v] {
        for p in 0..dims[u] {
            if body[at(p, q)] != 0 {
                let x = x_of(at(p, q));
                (lo, hi) = (lo.min(x), hi.max(x));
            }
        }
    }
    if lo > hi {
        return Vec::new();
    }
    let middle = f64::midpoint(lo, hi);
    let is_air = |n: usize| lung[n] != 0 && values[n] < SEED_HU;
    let mut seen = vec![false; dims[u] * dims[v]];
    let mut found: Vec<(f64, Vec<usize>)> = Vec::new();
    for q0 in 0..dims[v] {
        for p0 in 0..dims[u] {
            if seen[q0 * dims[u] + p0] || !is_air(at(p0, q0)) {
                continue;
            }
            let mut list = vec![(p0, q0)];
            seen[q0 * dims[u] + p0] = true;
            let mut next = 0;
            while next < list.len() {
                let (p, q) = list[next];
                next += 1;
                let mut visit = |p: usize, q: usize, list: &mut Vec<(usize, usize)>| {
                    if !seen[q * dims[u] + p] && is_air(at(p, q)) {
                        seen[q * dims[u] + p] = true;
                        list.push((p, q));
                    }
                };
                if p > 0 {
                    visit(p - 1, q, &mut list);
                }
                if p + 1 < dims[u] {
                    visit(p + 1, q, &mut list);
                }
                if q > 0 {
                    visit(p, q - 1, &mut list);
                }
                if q + 1 < dims[v] {
                    visit(p, q + 1, &mut list);
                }
            }
            if !(0.8..=7.0).contains(&(list.len() as f64 * area)) || !compact(&list, block.spacing[u], block.spacing[v])
            {
                continue;
            }
            let voxels: Vec<usize> = list.iter().map(|&(p, q)| at(p, q)).collect();
            let x = voxels.iter().map(|&n| x_of(n)).sum::<f64>() / voxels.len() as f64;
            if (x - middle).abs() <= 35.0 {
                found.push(((x - middle).abs(), voxels));
            }
        }
    }
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found.into_iter().map(|(_, v)| v).collect()
}

/// Fills at least 45 % of its box, and the box is at most 2.5 times as long as wide.
fn compact(list: &[(usize, usize)], su: f64, sv: f64) -> bool {
    let (mut p, mut q) = ([usize::MAX, 0], [usize::MAX, 0]);
    for &(a, b) in list {
        p = [p[0].min(a), p[1].max(a)];
        q = [q[0].min(b), q[1].max(b)];
    }
    let (w, h) = ((p[1] - p[0] + 1) as f64, (q[1] - q[0] + 1) as f64);
    let (wide, high) = (w * su, h * sv);
    list.len() as f64 >= 0.45 * w * h && wide.max(high) <= 2.5 * wide.min(high)
}
