//! Times the kernels on generated structures; the best of five runs each.

use rtpipeline_geometry::dvh::dvh;
use rtpipeline_geometry::margin::{self, Margin};
use rtpipeline_geometry::outline::{OutlineOptions, outline};
use rtpipeline_geometry::{Contour, DoseGrid, DvhOptions, Grid, PlaneStack, StackOptions, edt};
use std::hint::black_box;
use std::time::Instant;

fn time<T>(what: &str, mut run: impl FnMut() -> T) {
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        black_box(run());
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{what:<60} {:>9.2} ms", best * 1e3);
}

// Thirty ragged organs of 100 planes with 200 points.
fn organs() -> Vec<Vec<Contour>> {
    (0..30)
        .map(|n| {
            let (cx, cy, r) =
                (f64::from(n % 6) * 40.0 - 100.0, f64::from(n / 6) * 40.0 - 80.0, 20.0 + f64::from(n % 7));
            (0..100)
                .map(|k| {
                    let points = (0..200)
                        .map(|q| {
                            let a = f64::from(q) * std::f64::consts::TAU / 200.0;
                            let rho = r * (1.0 + 0.1 * (7.0 * a).sin() + 0.05 * (f64::from(k) * 0.3).cos());
                            [cx + rho * a.cos(), cy + rho * a.sin(), f64::from(k) * 2.5 - 125.0]
                        })
                        .collect();
                    Contour::closed(points)
                })
                .collect()
        })
        .collect()
}

fn main() {
    let organs = organs();
    let options = StackOptions::default();
    let build = |c: &Vec<Contour>| PlaneStack::from_contours(c, &options).expect("good contours");
    time("30 stacks of 100 planes, 600,000 points", || organs.iter().map(build).collect::<Vec<_>>());
    let stacks: Vec<PlaneStack> = organs.iter().map(build).collect();
    let ct = Grid::axis_aligned([512, 512, 100], [-250.0, -250.0, -125.0], [0.9765625, 0.9765625, 2.5]);
    time("30 masks on 512 x 512 x 100", || stacks.iter().map(|s| s.mask(&ct).count()).sum::<usize>());
    let grid = Grid::axis_aligned([160, 130, 90], [-200.0, -160.0, -130.0], [2.5, 2.5, 3.0]);
    let values = ndarray::Array3::from_shape_fn(grid.shape(), |(k, j, i)| {
        (60.0 * ((i + j + k) as f64 * 0.02).sin().abs()) as f32
    });
    let dose = DoseGrid::from_grid(&grid, values).expect("good grid");
    time("30 dose-volume histograms", || {
        stacks.iter().map(|s| dvh(s, &dose, &DvhOptions::default()).samples).sum::<usize>()
    });
    let mask = stacks[0].mask(&ct);
    time("outline of one mask", || outline(&mask, &OutlineOptions::default()).len());
    time("10 mm margin", || margin::apply(&mask, &Margin::uniform(10.0)).expect("good margin").count());
    let sides = Margin { anterior: 10.0, posterior: 5.0, left: 7.0, right: 7.0, superior: 15.0, inferior: 5.0 };
    time("margin of 5 to 15 mm", || margin::apply(&mask, &sides).expect("good margin").count());
    time("distance transform of 512 x 512 x 100", || edt::squared_distance(mask.values(), ct.dims, ct.spacing()));
}
