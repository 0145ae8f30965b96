//! The box of the patient in the image, so that air around it is not stored.

use rtpipeline_geometry::Volume;

/// Voxels of the coarse search grid have about this size, mm.
const COARSE_MM: f64 = 4.0;

/// In-plane box `[i0, i1, j0, j1]` (end exclusive) around the largest connected part above `threshold`, grown by
/// `margin_mm`; the whole plane when nothing is above it.
pub(super) fn body_box(volume: &Volume<f32>, threshold: f32, margin_mm: f64) -> [usize; 4] {
    let [nx, ny, nz] = volume.grid.dims;
    let spacing = volume.grid.spacing();
    let factor = |a: usize| ((COARSE_MM / spacing[a]).round() as usize).max(1);
    let f = [factor(0), factor(1), factor(2)];
    let n = [nx / f[0], ny / f[1], nz.div_ceil(f[2])];
    if n.contains(&0) {
        return [0, nx, 0, ny];
    }
    let values = volume.values();
    let coarse: Vec<bool> = (0..n[2])
        .flat_map(|k| (0..n[1]).flat_map(move |j| (0..n[0]).map(move |i| (i, j, k))))
        .map(|(i, j, k)| {
            let k = (k * f[2] + f[2] / 2).min(nz - 1);
            values[(k * ny + j * f[1] + f[1] / 2) * nx + i * f[0] + f[0] / 2] > threshold
        })
        .collect();
    let Some(part) = largest_part(&coarse, n) else { return [0, nx, 0, ny] };
    let mut b = [usize::MAX, 0, usize::MAX, 0];
    for at in part {
        let (i, j) = (at % n[0], at / n[0] % n[1]);
        b = [b[0].min(i), b[1].max(i + 1), b[2].min(j), b[3].max(j + 1)];
    }
    let grow = |a: usize| (margin_mm / spacing[a]).ceil() as usize + f[a];
    [
        (b[0] * f[0]).saturating_sub(grow(0)),
        (b[1] * f[0] + grow(0)).min(nx),
        (b[2] * f[1]).saturating_sub(grow(1)),
        (b[3] * f[1] + grow(1)).min(ny),
    ]
}

/// Voxels of the largest 6-connected part; of equals the first.
fn largest_part(inside: &[bool], n: [usize; 3]) -> Option<Vec<usize>> {
    let mut seen = vec![false; inside.len()];
    let mut best: Option<Vec<usize>> = None;
    for start in 0..inside.len() {
        if !inside[start] || seen[start] {
            continue;
        }
        seen[start] = true;
        let mut part = vec![start];
        let mut next = 0;
        while next < part.len() {
            let at = part[next];
            next += 1;
            let (i, j, k) = (at % n[0], at / n[0] % n[1], at / (n[0] * n[1]));
            let mut visit = |ok: bool, to: usize| {
                if ok && inside[to] && !seen[to] {
                    seen[to] = true;
                    part.push(to);
                }
            };
            visit(i > 0, at.wrapping_sub(1));
            visit(i + 1 < n[0], at + 1);
            visit(j > 0, at.wrapping_sub(n[0]));
            visit(j + 1 < n[1], at + n[0]);
            visit(k > 0, at.wrapping_sub(n[0] * n[1]));
            visit(k + 1 < n[2], at + n[0] * n[1]);
        }
        if best.as_ref().is_none_or(|b| part.len() > b.len()) {
            best = Some(part);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtpipeline_geometry::Grid;

    #[test]
    fn box_holds_the_patient_and_not_a_detached_wire() {
        let grid = Grid::axis_aligned([100, 80, 10], [0.0; 3], [2.0, 2.0, 3.0]);
        let mut v = Volume::filled(grid, -1000.0f32);
        for k in 0..10 {
            for j in 30..50 {
                for i in 40..70 {
                    v.data[[k, j, i]] = 0.0;
                }
            }
            v.data[[k, 5, 5]] = 2000.0;
        }
        let b = body_box(&v, -400.0, 10.0);
        assert!(b[0] <= 35 && b[0] > 25 && b[1] >= 75 && b[1] < 85 && b[2] <= 25 && b[2] > 15 && b[3] >= 55, "{b:?}");
        let air = Volume::filled(v.grid.clone(), -1000.0f32);
        assert_eq!(body_box(&air, -400.0, 10.0), [0, 100, 0, 80]);
    }
}
