//! Areas of surface elements in a 2 × 2 × 2 neighbourhood.
//!
//! The surface passes half-way between voxels in and out (marching cubes on a binary mask). On each face of the cube the
//! corners inside are cut off; the cuts join to loops, and every loop is a fan of triangles. The fan starts where its area
//! in the unit cube is largest: this gives the areas of the table that the `surface-distance` reference values were made
//! with.

/// Corner offsets and unit positions in cubes: corner `c` is at bits 0, 1, 2 of `c`.
type Point = [f64; 3];

/// Element area for each of the 256 neighbourhoods (bit `c` set: corner `c` inside), mm².
pub(super) fn areas(spacing: [f64; 3]) -> [f64; 256] {
    std::array::from_fn(|code| loops(code).iter().map(|l| loop_area(l, spacing)).sum())
}

// The corners of the six faces in cyclic order.
fn faces() -> [[usize; 4]; 6] {
    std::array::from_fn(|f| {
        let (axis, side) = (f / 2, f % 2);
        let (b, c) = ((axis + 1) % 3, (axis + 2) % 3);
        [[0, 0], [1, 0], [1, 1], [0, 1]].map(|[p, q]| side << axis | p << b | q << c)
    })
}

// Loops of edge mid-points between corners inside and outside.
fn loops(code: usize) -> Vec<Vec<Point>> {
    let inside = |c: usize| code >> c & 1 == 1;
    // Each crossed edge, named by its two corners, is an end of one cut on each of its two faces.
    let edge = |a: usize, b: usize| (a.min(b), a.max(b));
    let mut cuts: Vec<((usize, usize), (usize, usize))> = Vec::new();
    for face in faces() {
        for k in 0..4 {
            if !inside(face[k]) || inside(face[(k + 3) % 4]) {
                continue;
            }
            let mut last = k;
            while inside(face[(last + 1) % 4]) && last < k + 3 {
                last += 1;
            }
            cuts.push((edge(face[k], face[(k + 3) % 4]), edge(face[last % 4], face[(last + 1) % 4])));
        }
    }
    let mut out = Vec::new();
    while let Some((first, mut end)) = cuts.pop() {
        let mut corners = vec![first];
        while end != first {
            corners.push(end);
            let Some(n) = cuts.iter().position(|c| c.0 == end || c.1 == end) else { break };
            let c = cuts.swap_remove(n);
            end = if c.0 == end { c.1 } else { c.0 };
        }
        let position = |c: usize| [0, 1, 2].map(|a| (c >> a & 1) as f64);
        out.push(
            corners
                .iter()
                .map(|&(a, b)| {
                    let (p, q) = (position(a), position(b));
                    [0, 1, 2].map(|x| 0.5 * (p[x] + q[x]))
                })
                .collect(),
        );
    }
    out
}

fn loop_area(points: &[Point], spacing: [f64; 3]) -> f64 {
    let scaled: Vec<Point> = points.iter().map(|p| [0, 1, 2].map(|a| p[a] * spacing[a])).collect();
    let mut best = (f64::NEG_INFINITY, 0.0);
    for start in 0..points.len() {
        let (unit, real) = (fan(points, start), fan(&scaled, start));
        // Equal fans in the unit cube: the smaller one, so that the order of the loop does not matter.
        if unit > best.0 + 1e-9 || (unit > best.0 - 1e-9 && real < best.1) {
            best = (unit, real);
        }
    }
    best.1
}

fn fan(points: &[Point], start: usize) -> f64 {
    let n = points.len();
    let at = |k: usize| points[(start + k) % n];
    (1..n - 1)
        .map(|k| {
            let (a, b) = (crate::grid::sub(at(k), at(0)), crate::grid::sub(at(k + 1), at(0)));
            0.5 * crate::grid::norm(crate::grid::cross(a, b))
        })
        .sum()
}
