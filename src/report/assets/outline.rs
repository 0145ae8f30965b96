//! Outlines of masks, for structures whose contours cannot be drawn on the slices.

use rtpipeline_geometry::{Mask, Vec3};

/// Closed loops along the voxel edges of a mask, slice by slice, mm LPS. Regions are kept to the right of the line;
/// voxels that touch at a corner only are separate loops; even-odd filling gives back the mask.
pub fn outlines_of_mask(mask: &Mask) -> Vec<Vec<Vec3>> {
    let [nx, ny, nz] = mask.grid.dims;
    let values = mask.values();
    let mut out = Vec::new();
    for k in 0..nz {
        let plane = &values[k * nx * ny..(k + 1) * nx * ny];
        if plane.iter().all(|v| *v == 0) {
            continue;
        }
        for corners in loops(plane, nx, ny) {
            let points =
                corners.into_iter().map(|[x, y]| mask.grid.world([x as f64 - 0.5, y as f64 - 0.5, k as f64])).collect();
            out.push(points);
        }
    }
    out
}

/// Directions of an edge: right, down, left, up.
const STEP: [[i64; 2]; 4] = [[1, 0], [0, 1], [-1, 0], [0, -1]];

/// Follows the edges between inside and outside; vertices are pixel corners, corner (x, y) is the upper left of
/// pixel (x, y). Only corners where the direction changes are kept.
fn loops(plane: &[u8], nx: usize, ny: usize) -> Vec<Vec<[i64; 2]>> {
    let inside =
        |x: i64, y: i64| x >= 0 && y >= 0 && x < nx as i64 && y < ny as i64 && plane[y as usize * nx + x as usize] != 0;
    // An edge of direction d that leaves corner (x, y) has the inside on its right hand (image y points down).
    let is_edge = |x: i64, y: i64, d: usize| match d {
        0 => inside(x, y) && !inside(x, y - 1),
        1 => inside(x - 1, y) && !inside(x, y),
        2 => inside(x - 1, y - 1) && !inside(x - 1, y),
        _ => inside(x, y - 1) && !inside(x - 1, y - 1),
    };
    // Every loop has an upper edge (direction 0), so marking those is enough.
    let mut used = vec![false; nx * ny];
    let mut out = Vec::new();
    for y in 0..ny as i64 {
        for x in 0..nx as i64 {
            if used[y as usize * nx + x as usize] || !is_edge(x, y, 0) {
                continue;
            }
            let mut points = Vec::new();
            let (mut at, mut d) = ([x, y], 0);
            loop {
                if d == 0 {
                    used[at[1] as usize * nx + at[0] as usize] = true;
                }
                at = [at[0] + STEP[d][0], at[1] + STEP[d][1]];
                // Turning towards the inside first keeps voxels that touch at a corner apart.
                let Some(next) = [(d + 1) % 4, d, (d + 3) % 4].into_iter().find(|&n| is_edge(at[0], at[1], n)) else {
                    break;
                };
                if next != d {
                    points.push(at);
                }
                d = next;
                if at == [x, y] && d == 0 {
                    break;
                }
            }
            out.push(points);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtpipeline_geometry::Grid;

    fn crossings(loops: &[Vec<[i64; 2]>], x: f64, y: f64) -> usize {
        loops
            .iter()
            .flat_map(|l| l.iter().zip(l.iter().cycle().skip(1)))
            .filter(|(a, b)| {
                let (ya, yb) = (a[1] as f64, b[1] as f64);
                (ya > y) != (yb > y) && a[0] as f64 > x
            })
            .count()
    }

    #[test]
    fn even_odd_filling_gives_back_any_mask() {
        let (nx, ny) = (23, 17);
        let mut state = 11u64;
        for _ in 0..50 {
            let plane: Vec<u8> = (0..nx * ny)
                .map(|_| {
                    state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    u8::from(state >> 62 == 0)
                })
                .collect();
            let found = loops(&plane, nx, ny);
            for y in 0..ny {
                for x in 0..nx {
                    let odd = crossings(&found, x as f64 + 0.5, y as f64 + 0.5) % 2 == 1;
                    assert_eq!(odd, plane[y * nx + x] != 0, "{x} {y}");
                }
            }
        }
    }

    #[test]
    fn a_square_has_four_corners_at_voxel_edges() {
        let grid = Grid::axis_aligned([8, 8, 2], [10.0, 20.0, 30.0], [2.0, 2.0, 5.0]);
        let mut mask = Mask::filled(grid, 0);
        for j in 2..5 {
            for i in 3..6 {
                mask.data[[1, j, i]] = 1;
            }
        }
        let found = outlines_of_mask(&mask);
        assert_eq!(found.len(), 1);
        let mut xs: Vec<f64> = found[0].iter().map(|p| p[0]).collect();
        xs.sort_by(f64::total_cmp);
        assert_eq!(xs, [15.0, 15.0, 21.0, 21.0]);
        assert!(found[0].iter().all(|p| p[2] == 35.0));
    }
}
