//! Offsets to neighbours.

/// Offset (dz, dy, dx) between two voxels.
pub(crate) type Offset = [i32; 3];

/// All offsets whose Chebyshev norm is one of `distances`, `dz` slowest, each component from `+d` down to `−d`; only the
/// first half (one of each pair of opposites) unless `both`.
///
/// Offsets that leave a box of `dims` (x, y, z) in every case are left out; `flat` names the axis (0 = z, 1 = y, 2 = x)
/// along which no step is allowed.
pub(crate) fn offsets(dims: [usize; 3], distances: &[u32], both: bool, flat: Option<u8>) -> Vec<Offset> {
    let far = distances.iter().copied().max().unwrap_or(0) as i32;
    let size = [dims[2], dims[1], dims[0]].map(|n| n as i64);
    let mut all = Vec::new();
    for dz in (-far..=far).rev() {
        for dy in (-far..=far).rev() {
            for dx in (-far..=far).rev() {
                let o = [dz, dy, dx];
                let norm = o.iter().map(|c| c.unsigned_abs()).max().unwrap_or(0);
                if norm > 0 && distances.contains(&norm) {
                    all.push(o);
                }
            }
        }
    }
    if !both {
        all.truncate(all.len() / 2);
    }
    all.retain(|o| {
        o.iter().zip(size).all(|(&c, n)| i64::from(c.abs()) < n) && flat.is_none_or(|f| o[usize::from(f).min(2)] == 0)
    });
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_order_of_pyradiomics() {
        let d = [9; 3];
        assert_eq!(
            offsets(d, &[1], false, None),
            [
                [1, 1, 1],
                [1, 1, 0],
                [1, 1, -1],
                [1, 0, 1],
                [1, 0, 0],
                [1, 0, -1],
                [1, -1, 1],
                [1, -1, 0],
                [1, -1, -1],
                [0, 1, 1],
                [0, 1, 0],
                [0, 1, -1],
                [0, 0, 1]
            ]
        );
        assert_eq!(offsets(d, &[1, 2], false, None).len(), 62);
        assert_eq!(offsets(d, &[1, 2], true, None).len(), 124);
        assert_eq!(offsets(d, &[1], true, None).len(), 26);
        assert_eq!(offsets([9, 9, 1], &[1], false, None).len(), 4);
        assert_eq!(offsets(d, &[1], false, Some(0)), [[0, 1, 1], [0, 1, 0], [0, 1, -1], [0, 0, 1]]);
    }
}
