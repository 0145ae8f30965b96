//! Triangle mesh of a mask: surface area, enclosed volume, surface points.

use super::table::{CORNERS, EDGES, TRIANGLES};
use crate::roi::Roi;

/// What the mesh gives.
pub(super) struct Mesh {
    /// Enclosed volume, mm³.
    pub(super) volume: f64,
    /// Surface, mm².
    pub(super) area: f64,
    /// Mid-points of the edges that the surface cuts, (z, y, x) in half voxels; each once.
    pub(super) points: Vec<[i32; 3]>,
}

/// How often an index occurs, and the sums of the positions (z, y, x) of its cells.
#[derive(Clone, Copy, Default)]
struct Tally {
    count: u64,
    at: [u64; 3],
}

/// Marching cubes over the mask with a border of one voxel.
///
/// The triangles depend only on the cell's index, so cells are tallied in whole numbers and the geometry is done once per
/// index: volume `Σ det(a,b,c)/6` splits into a term of the index and one linear in the cell's position.
pub(super) fn measure(roi: &Roi) -> Mesh {
    let [nx, ny, nz] = roi.dims;
    let (px, py) = (nx + 2, ny + 2);
    let mut padded = vec![0_u8; px * py * (nz + 2)];
    for (row, line) in roi.mask.chunks_exact(nx.max(1)).enumerate() {
        let at = ((row / ny + 1) * py + row % ny + 1) * px + 1;
        padded[at..at + nx].copy_from_slice(line);
    }
    let mut tally = [Tally::default(); 256];
    let mut points = Vec::new();
    for z in 0..=nz {
        for y in 0..=ny {
            let row = |dz: usize, dy: usize| {
                let at = ((z + dz) * py + y + dy) * px;
                &padded[at..at + px]
            };
            let (r00, r01, r10, r11) = (row(0, 0), row(0, 1), row(1, 0), row(1, 1));
            for x in 0..=nx {
                let near = r00[x] | r01[x] << 3 | r10[x] << 4 | r11[x] << 7;
                let far = r00[x + 1] << 1 | r01[x + 1] << 2 | r10[x + 1] << 5 | r11[x + 1] << 6;
                let index = near | far;
                if index == 0 || index == 255 {
                    continue;
                }
                let t = &mut tally[usize::from(index)];
                t.count += 1;
                for (s, v) in t.at.iter_mut().zip([z, y, x]) {
                    *s += v as u64;
                }
                // The three edges that meet in corner 7: every cut edge belongs to one cell in this way.
                let c = if index & 0x80 != 0 { !index } else { index };
                let o = [z as i32 * 2, y as i32 * 2, x as i32 * 2];
                for (bit, d) in [(0x40, [2, 2, 1]), (0x10, [2, 1, 0]), (0x08, [1, 2, 0])] {
                    if c & bit != 0 {
                        points.push([o[0] + d[0], o[1] + d[1], o[2] + d[2]]);
                    }
                }
            }
        }
    }
    let [sx, sy, sz] = roi.spacing;
    let spacing = [sz, sy, sx];
    let (mut volume, mut area) = (0.0, 0.0);
    for (index, t) in tally.iter().enumerate().filter(|(_, t)| t.count > 0) {
        let (row, sign) = if index & 0x80 != 0 { (255 - index, -1.0) } else { (index, 1.0) };
        let g = geometry(TRIANGLES[row], spacing);
        area += t.count as f64 * g.area;
        let shift: f64 = (0..3).map(|a| g.normal[a] * spacing[a] * t.at[a] as f64).sum();
        volume += sign * (t.count as f64 * g.determinant + shift);
    }
    Mesh { volume: volume / 6.0, area, points }
}

/// Sums over the triangles of one index, in mm.
struct Geometry {
    area: f64,
    determinant: f64,
    normal: [f64; 3],
}

fn geometry(edges: &[u8], spacing: [f64; 3]) -> Geometry {
    let point = |e: u8| -> [f64; 3] {
        let [p, q] = EDGES[usize::from(e)].map(|c| CORNERS[c]);
        std::array::from_fn(|a| (p[a] + q[a]) as f64 * 0.5 * spacing[a])
    };
    let cross =
        |a: [f64; 3], b: [f64; 3]| [a[1] * b[2] - b[1] * a[2], a[2] * b[0] - b[2] * a[0], a[0] * b[1] - b[0] * a[1]];
    let mut g = Geometry { area: 0.0, determinant: 0.0, normal: [0.0; 3] };
    for t in edges.as_chunks::<3>().0 {
        let [a, b, c] = t.map(point);
        let (ab, bc, ca) = (cross(a, b), cross(b, c), cross(c, a));
        g.determinant += ab[0] * c[0] + ab[1] * c[1] + ab[2] * c[2];
        for n in 0..3 {
            g.normal[n] += ab[n] + bc[n] + ca[n];
        }
        let u: [f64; 3] = std::array::from_fn(|n| a[n] - c[n]);
        let v: [f64; 3] = std::array::from_fn(|n| b[n] - c[n]);
        g.area += 0.5 * cross(u, v).iter().map(|x| x * x).sum::<f64>().sqrt();
    }
    g
}
