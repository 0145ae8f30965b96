//! Connected components and holes.

use crate::Mask;

/// Which voxels touch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Connectivity {
    /// Across faces.
    #[default]
    Six,
    /// Across faces and edges.
    Eighteen,
    /// Across faces, edges and corners.
    TwentySix,
}

/// Connected parts of a mask; label 1 is the part whose first voxel comes first (`i` fastest).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Components {
    /// Label of each voxel, 0 outside.
    pub labels: Vec<u32>,
    /// Number of voxels of each label, label 1 first.
    pub sizes: Vec<usize>,
    /// First and last index along `i`, `j`, `k` of each label.
    pub boxes: Vec<[[usize; 2]; 3]>,
}

impl Components {
    /// Label of the largest part, the first of equals; `None` for an empty mask.
    pub fn largest(&self) -> Option<u32> {
        (0..self.sizes.len()).max_by_key(|&n| (self.sizes[n], usize::MAX - n)).map(|n| n as u32 + 1)
    }
}

struct Run {
    row: usize,
    start: usize,
    end: usize,
}

/// Connected parts across faces, see [`label`].
pub fn label_components(mask: &[u8], dims: [usize; 3]) -> Components {
    label(mask, dims, Connectivity::Six)
}

/// Labels the connected parts of a mask with `i` fastest: runs along rows, joined by union-find.
///
/// # Panics
/// When the mask does not have `dims[0]·dims[1]·dims[2]` values.
pub fn label(mask: &[u8], dims: [usize; 3], connectivity: Connectivity) -> Components {
    let [nx, ny, nz] = dims;
    assert_eq!(mask.len(), nx * ny * nz, "one value per voxel");
    if mask.is_empty() {
        return Components::default();
    }
    let mut runs: Vec<Run> = Vec::new();
    let mut first = Vec::with_capacity(ny * nz + 1);
    for (row, line) in mask.chunks(nx).enumerate() {
        first.push(runs.len());
        let mut i = 0;
        while i < nx {
            if line[i] == 0 {
                i += 1;
                continue;
            }
            let start = i;
            while i < nx && line[i] != 0 {
                i += 1;
            }
            runs.push(Run { row, start, end: i });
        }
    }
    first.push(runs.len());

    let mut parent: Vec<u32> = (0..runs.len() as u32).collect();
    // Earlier rows that touch a row: steps in j and k, and whether diagonal contact along i counts.
    let (near, far) = match connectivity {
        Connectivity::Six => (0, None),
        Connectivity::Eighteen => (1, Some(0)),
        Connectivity::TwentySix => (1, Some(1)),
    };
    let mut earlier: Vec<(isize, isize, usize)> = vec![(-1, 0, near), (0, -1, near)];
    if let Some(slack) = far {
        earlier.extend([(-1, -1, slack), (1, -1, slack)]);
    }
    for row in 0..ny * nz {
        let (j, k) = ((row % ny) as isize, (row / ny) as isize);
        for &(dj, dk, slack) in &earlier {
            let (oj, ok) = (j + dj, k + dk);
            if oj < 0 || ok < 0 || oj >= ny as isize {
                continue;
            }
            let other = ok as usize * ny + oj as usize;
            let (mut a, mut b) = (first[other], first[row]);
            while a < first[other + 1] && b < first[row + 1] {
                if runs[a].start < runs[b].end + slack && runs[b].start < runs[a].end + slack {
                    join(&mut parent, a as u32, b as u32);
                }
                if runs[a].end < runs[b].end { a += 1 } else { b += 1 }
            }
        }
    }

    let mut out = Components { labels: vec![0; mask.len()], sizes: Vec::new(), boxes: Vec::new() };
    let mut name = vec![0u32; runs.len()];
    for n in 0..runs.len() {
        let root = find(&mut parent, n as u32) as usize;
        let r = &runs[n];
        let (j, k) = (r.row % ny, r.row / ny);
        if name[root] == 0 {
            out.sizes.push(0);
            out.boxes.push([[r.start, r.start], [j, j], [k, k]]);
            name[root] = out.sizes.len() as u32;
        }
        let part = name[root] as usize - 1;
        out.sizes[part] += r.end - r.start;
        let b = &mut out.boxes[part];
        for (axis, lo, hi) in [(0, r.start, r.end - 1), (1, j, j), (2, k, k)] {
            b[axis][0] = b[axis][0].min(lo);
            b[axis][1] = b[axis][1].max(hi);
        }
        out.labels[r.row * nx + r.start..r.row * nx + r.end].fill(name[root]);
    }
    out
}

fn find(parent: &mut [u32], mut n: u32) -> u32 {
    while parent[n as usize] != n {
        let up = parent[parent[n as usize] as usize];
        parent[n as usize] = up;
        n = up;
    }
    n
}

// The smaller index becomes the root: labels follow the scan order.
fn join(parent: &mut [u32], a: u32, b: u32) {
    let (a, b) = (find(parent, a), find(parent, b));
    if a != b {
        parent[a.max(b) as usize] = a.min(b);
    }
}

/// The largest connected part of a mask (the first of equals); empty for an empty mask.
pub fn largest_component(mask: &Mask, connectivity: Connectivity) -> Mask {
    let parts = label(mask.values(), mask.grid.dims, connectivity);
    let keep = parts.largest().unwrap_or(u32::MAX);
    Mask::from_vec(mask.grid.clone(), parts.labels.iter().map(|&l| u8::from(l == keep)).collect())
}

/// Fills what the mask encloses in space: parts of the background (6-connected) that touch no face of the grid.
pub fn fill_holes(mask: &Mask) -> Mask {
    let mut out = mask.clone();
    fill(out.values_mut(), mask.grid.dims, [true; 3]);
    out
}

/// Fills what the mask encloses in each slice `k` (background 4-connected).
pub fn fill_holes_by_slice(mask: &Mask) -> Mask {
    let mut out = mask.clone();
    let [nx, ny, _] = mask.grid.dims;
    if nx * ny > 0 {
        for slice in out.values_mut().chunks_mut(nx * ny) {
            fill(slice, [nx, ny, 1], [true, true, false]);
        }
    }
    out
}

// Sets background parts that reach no end of the axes named.
fn fill(mask: &mut [u8], dims: [usize; 3], ends: [bool; 3]) {
    let background: Vec<u8> = mask.iter().map(|&m| u8::from(m == 0)).collect();
    let parts = label_components(&background, dims);
    let enclosed: Vec<bool> =
        parts.boxes.iter().map(|b| (0..3).all(|a| !ends[a] || (b[a][0] > 0 && b[a][1] + 1 < dims[a]))).collect();
    for (m, &l) in mask.iter_mut().zip(&parts.labels) {
        if l > 0 && enclosed[l as usize - 1] {
            *m = 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Grid;
    use proptest::prelude::*;

    fn flood(mask: &[u8], dims: [usize; 3], connectivity: Connectivity) -> Vec<u32> {
        let most = match connectivity {
            Connectivity::Six => 1,
            Connectivity::Eighteen => 2,
            Connectivity::TwentySix => 3,
        };
        let mut out = vec![0; mask.len()];
        let mut next = 0;
        for start in 0..mask.len() {
            if mask[start] == 0 || out[start] != 0 {
                continue;
            }
            next += 1;
            let mut stack = vec![start];
            out[start] = next;
            while let Some(n) = stack.pop() {
                let at = [n % dims[0], n / dims[0] % dims[1], n / dims[0] / dims[1]];
                for d in 0..27usize {
                    let step = [d % 3, d / 3 % 3, d / 9].map(|s| s as isize - 1);
                    let to: [isize; 3] = std::array::from_fn(|a| at[a] as isize + step[a]);
                    if step.iter().filter(|s| **s != 0).count() > most
                        || (0..3).any(|a| to[a] < 0 || to[a] >= dims[a] as isize)
                    {
                        continue;
                    }
                    let m = (to[2] as usize * dims[1] + to[1] as usize) * dims[0] + to[0] as usize;
                    if mask[m] != 0 && out[m] == 0 {
                        out[m] = next;
                        stack.push(m);
                    }
                }
            }
        }
        out
    }

    proptest! {
        #[test]
        fn equals_flood_fill(
            dims in prop::array::uniform3(1usize..8), fill in 1u8..5, seed in prop::collection::vec(0u8..5, 343),
        ) {
            let n = dims.iter().product::<usize>();
            let mask: Vec<u8> = seed[..n].iter().map(|&v| u8::from(v < fill)).collect();
            for c in [Connectivity::Six, Connectivity::Eighteen, Connectivity::TwentySix] {
                let got = label(&mask, dims, c);
                prop_assert_eq!(&got.labels, &flood(&mask, dims, c), "{:?}", c);
                for (n, &size) in got.sizes.iter().enumerate() {
                    prop_assert_eq!(size, got.labels.iter().filter(|&&l| l as usize == n + 1).count());
                }
            }
        }
    }

    #[test]
    fn holes_in_space_and_in_slices() {
        let grid = Grid::axis_aligned([5, 5, 5], [0.0; 3], [1.0; 3]);
        let mut mask = Mask::filled(grid, 0);
        for k in 0..5 {
            for j in 0..5 {
                for i in 0..5 {
                    // A tube along k with a lid at k = 0 only.
                    let wall = !(1..4).contains(&i) || !(1..4).contains(&j);
                    mask.data[[k, j, i]] = u8::from(wall || k == 0);
                }
            }
        }
        assert_eq!(fill_holes(&mask).count(), mask.count());
        assert_eq!(fill_holes_by_slice(&mask).count(), 125);
        mask.data.slice_mut(ndarray::s![4, .., ..]).fill(1);
        assert_eq!(fill_holes(&mask).count(), 125);
    }

    #[test]
    fn largest_part_is_kept() {
        let grid = Grid::axis_aligned([6, 1, 1], [0.0; 3], [1.0; 3]);
        let mask = Mask::from_vec(grid, vec![1, 0, 1, 1, 0, 1]);
        assert_eq!(largest_component(&mask, Connectivity::Six).values(), &[0, 0, 1, 1, 0, 0]);
    }
}
