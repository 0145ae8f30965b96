use super::*;
use crate::testing::{circle, dose, planes, prism, sphere, square};
use crate::{Contour, ContourKind, DoseGrid, Grid, PlaneStack, StackOptions, Vec3};
use std::f64::consts::PI;

fn stack(c: &[Contour]) -> PlaneStack {
    PlaneStack::from_contours(c, &StackOptions::default()).unwrap()
}

fn calc(c: &[Contour], d: &DoseGrid) -> Dvh {
    dvh(&stack(c), d, &DvhOptions::default())
}

fn wide(step: f64) -> Grid {
    let n = (90.0 / step) as usize + 1;
    Grid::axis_aligned([n; 3], [-44.3, -45.1, -44.7], [step; 3])
}

// Solves f(x) = y for falling f by bisection.
fn solve(mut lo: f64, mut hi: f64, f: impl Fn(f64) -> f64, y: f64) -> f64 {
    for _ in 0..200 {
        let mid = 0.5 * (lo + hi);
        if f(mid) > y { lo = mid } else { hi = mid }
    }
    0.5 * (lo + hi)
}

// Share of a disc of radius r with x above t.
fn segment(r: f64, t: f64) -> f64 {
    ((t / r).acos() - t / r * (1.0 - t * t / (r * r)).sqrt()) / PI
}

fn near(a: Option<f64>, b: f64, tolerance: f64, what: &str) {
    let a = a.unwrap_or(f64::NAN);
    assert!((a - b).abs() <= tolerance, "{what}: {a} instead of {b}");
}

// The cylinder of the Nelms set (2 cm long, 2.4 cm wide, gradient 1 Gy/mm here) in gradients along each axis.
#[test]
fn cylinder_in_linear_gradients() {
    let (r, h) = (12.0, 20.0);
    let c = prism(&circle(r, 720), &planes(-9.0, 2.0, 10));
    let polygon = 720.0 / (2.0 * PI) * (2.0 * PI / 720.0).sin();
    for (axis, step) in [(0, 1.0), (1, 2.5), (2, 3.0), (2, 2.0)] {
        let d = calc(&c, &dose(&wide(step), |p| 30.0 + p[axis]));
        assert!((d.volume_cc - PI * r * r * h / 1000.0 * polygon).abs() < 1e-9);
        assert_eq!(d.covered_fraction, 1.0);
        near(d.mean, 30.0, 0.01, "mean");
        let quantile = |x: f64| {
            if axis == 2 { 30.0 + h / 2.0 - h * x / 100.0 } else { 30.0 + solve(-r, r, |t| segment(r, t), x / 100.0) }
        };
        for x in [99.0, 98.0, 95.0, 50.0, 5.0, 2.0, 1.0] {
            // 0.02 Gy is 0.02 mm of this gradient and 0.05 % of the maximum.
            near(d.dose_at_percent(x), quantile(x), 0.02, &format!("axis {axis} grid {step} D{x}"));
        }
        let reach = if axis == 2 { h / 2.0 } else { r };
        near(d.min, 30.0 - reach, 1e-3, "min");
        near(d.max, 30.0 + reach, 1e-3, "max");
        let cc = 0.03 / d.volume_cc * 100.0;
        near(d.dose_at_cc(0.03), quantile(cc), 0.03, "D0.03cc");
        near(
            Some(d.volume_at_dose_cc(33.0) / d.volume_cc),
            solve(0.0, 1.0, |x| quantile(100.0 * x), 33.0),
            2e-3,
            "V33",
        );
    }
}

#[test]
fn oblique_gradient_in_a_box() {
    // Along (1, 1, 0)/√2 the dose over a square is a triangle distribution.
    let c = prism(&square(-10.0, -10.0, 20.0), &planes(-9.0, 2.0, 10));
    let d = calc(&c, &dose(&wide(2.0), |p| 30.0 + (p[0] + p[1]) / 2f64.sqrt()));
    let reach = 20.0 / 2f64.sqrt();
    for x in [98.0, 95.0, 50.0, 5.0, 2.0] {
        let f = x / 100.0f64;
        let t = if f <= 0.5 { reach * (1.0 - (2.0 * f).sqrt()) } else { -reach * (1.0 - (2.0 * (1.0 - f)).sqrt()) };
        near(d.dose_at_percent(x), 30.0 + t, 0.02, &format!("D{x}"));
    }
    near(d.min, 30.0 - reach, 1e-3, "min");
    near(d.max, 30.0 + reach, 1e-3, "max");
}

#[test]
fn cone_dose_in_a_cylinder_counts_rings() {
    // D = 60 − ρ: V(D ≥ d) = π(60 − d)²h up to the radius. Trilinear interpolation lowers the apex only.
    let c = prism(&circle(15.0, 720), &planes(-9.5, 1.0, 20));
    let d = calc(&c, &dose(&wide(1.0), |p| 60.0 - p[0].hypot(p[1])));
    near(d.mean, 50.0, 0.02, "mean");
    for x in [98.0, 95.0, 50.0, 10.0] {
        near(d.dose_at_percent(x), 60.0 - 15.0 * (x / 100.0f64).sqrt(), 0.03, &format!("D{x}"));
    }
    near(d.min, 45.0, 0.02, "min");
}

#[test]
fn sphere_by_slabs_converges_to_the_sphere() {
    let r = 10.0;
    let d = calc(&sphere(r, 0.5, 360), &dose(&wide(2.0), |p| 30.0 + p[2]));
    // Midpoint rule over a sphere: relative error (dz/R)²/8.
    assert!((d.volume_cc / (4.0 / 3.0 * PI * r.powi(3) / 1000.0) - 1.0).abs() < 1e-3);
    let above = |t: f64| (r - t).powi(2) * (2.0 * r + t) / (4.0 * r.powi(3));
    for x in [95.0, 50.0, 5.0] {
        near(d.dose_at_percent(x), 30.0 + solve(-r, r, above, x / 100.0), 0.03, &format!("D{x}"));
    }
}

#[test]
fn ring_three_ways_gives_one_dvh() {
    let z = planes(-9.0, 2.0, 10);
    let (outer, inner) = (circle(25.0, 180), circle(11.0, 90));
    let mut nested = prism(&outer, &z);
    nested.extend(prism(&inner, &z));
    let xor: Vec<Contour> =
        nested.iter().map(|c| Contour { kind: ContourKind::ClosedPlanarXor, points: c.points.clone() }).collect();
    let mut key = outer.clone();
    key.push(outer[0]);
    key.extend(&inner);
    key.push(inner[0]);
    let field = dose(&wide(2.5), |p| 40.0 + 0.6 * p[0] - 0.3 * p[1] + 0.2 * p[2]);
    let all = [calc(&nested, &field), calc(&xor, &field), calc(&prism(&key, &z), &field)];
    for d in &all[1..] {
        assert!((d.volume_cc / all[0].volume_cc - 1.0).abs() < 1e-9);
        near(d.mean, all[0].mean.unwrap(), 1e-6, "mean");
        for x in [98.0, 95.0, 50.0, 2.0] {
            near(d.dose_at_percent(x), all[0].dose_at_percent(x).unwrap(), 1e-4, "Dx");
        }
    }
    near(all[0].mean, 40.0, 0.01, "mean of a ring");
}

// Row and column directions of the eight patient positions; slices run along their vector product.
const POSITIONS: [[Vec3; 2]; 8] = [
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
    [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]],
    [[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]],
    [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]],
    [[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
    [[1.0, 0.0, 0.0], [0.0, -1.0, 0.0]],
    [[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0]],
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]],
];

fn curved(p: Vec3) -> f64 {
    60.0 * (-((p[0] - 5.0).powi(2) + (p[1] + 3.0).powi(2) + p[2].powi(2)) / 800.0).exp()
}

#[test]
fn all_patient_positions_give_the_same_dvh() {
    let c = sphere(14.0, 2.0, 120);
    let base = wide(2.5);
    let reference = calc(&c, &dose(&base, curved));
    let far = base.world(base.dims.map(|d| d as f64 - 1.0));
    for [row, col] in POSITIONS {
        let n = crate::grid::cross(row, col);
        // The same voxels in patient space, stored in another order.
        let origin = [0, 1, 2].map(|a| if row[a] + col[a] + n[a] < 0.0 { far[a] } else { base.origin[a] });
        let grid = Grid::new(base.dims, origin, [2.5; 3], [row, col, n]).unwrap();
        let options = StackOptions { normal: Some(n), ..StackOptions::default() };
        let st = PlaneStack::from_contours(&c, &options).unwrap();
        let d = dvh(&st, &dose(&grid, curved), &DvhOptions::default());
        assert!((d.volume_cc / reference.volume_cc - 1.0).abs() < 1e-12);
        // The doses are rounded to single precision.
        for (a, b) in [(d.mean, reference.mean), (d.min, reference.min), (d.max, reference.max)] {
            near(a, b.unwrap(), 2e-5, "moments");
        }
        for x in [98.0, 95.0, 50.0, 2.0] {
            near(d.dose_at_percent(x), reference.dose_at_percent(x).unwrap(), 1e-4, "Dx");
        }
    }
}

#[test]
fn turned_as_a_whole_gives_the_same_dvh() {
    let c = sphere(14.0, 2.0, 120);
    let base = wide(2.5);
    let reference = calc(&c, &dose(&base, curved));
    let (s, k) = 0.5f64.sin_cos();
    let turn = |p: Vec3| [k * p[0] + s * p[2], p[1], -s * p[0] + k * p[2]];
    let turned: Vec<Contour> = c.iter().map(|l| Contour::closed(l.points.iter().map(|p| turn(*p)).collect())).collect();
    let grid = Grid { dims: base.dims, origin: turn(base.origin), step: base.step.map(turn) };
    let back = |p: Vec3| [k * p[0] - s * p[2], p[1], s * p[0] + k * p[2]];
    let d = calc(&turned, &dose(&grid, |p| curved(back(p))));
    assert!((d.volume_cc / reference.volume_cc - 1.0).abs() < 1e-9);
    for x in [98.0, 95.0, 50.0, 2.0] {
        near(d.dose_at_percent(x), reference.dose_at_percent(x).unwrap(), 0.01, "Dx");
    }
    near(d.mean, reference.mean.unwrap(), 0.003, "mean");
}

#[test]
fn outside_the_grid_is_not_zero_dose() {
    let c = prism(&square(-10.0, -10.0, 20.0), &planes(-9.0, 2.0, 10));
    let far = dose(&Grid::axis_aligned([10; 3], [200.0; 3], [2.0; 3]), |_| 10.0);
    let d = calc(&c, &far);
    assert_eq!((d.covered_fraction, d.mean, d.min, d.max), (0.0, None, None, None));
    assert_eq!((d.dose_at_percent(50.0), d.dose_at_cc(0.1), d.volume_at_dose_cc(0.0)), (None, None, 0.0));
    assert!(d.curve(0.1).is_empty() && d.integral_dose_gycc().is_none() && d.flags.contains(&DvhFlag::OutsideDoseGrid));
    assert!((d.volume_cc - 8.0).abs() < 1e-9);

    // The dose ends at x = 0.
    let half = dose(&Grid::axis_aligned([21, 41, 41], [-40.0, -40.0, -40.0], [2.0; 3]), |_| 10.0);
    let d = calc(&c, &half);
    assert!((d.covered_fraction - 0.5).abs() < 2e-3, "{}", d.covered_fraction);
    near(d.mean, 10.0, 1e-9, "mean of the covered part");
    near(d.dose_at_percent(98.0), 10.0, 1e-9, "D98");
    assert!(d.flags.contains(&DvhFlag::PartlyOutside));
    assert!(d.dose_at_cc(5.0).is_none(), "the covered part has 4 cc");
    let options = DvhOptions { outside: OutsideGrid::Zero, ..DvhOptions::default() };
    let d = dvh(&stack(&c), &half, &options);
    near(d.mean, 5.0, 0.02, "mean with zeros");
    near(d.dose_at_percent(60.0), 0.0, 1e-3, "D60");
    near(d.min, 0.0, 0.0, "min");
    near(Some(d.reference_volume_cc()), 8.0, 1e-6, "volume");
}

#[test]
fn uniform_and_zero_dose() {
    let c = prism(&circle(10.0, 90), &planes(-9.0, 3.0, 7));
    for level in [50.0, 0.0] {
        let d = calc(&c, &dose(&wide(3.0), |_| level));
        for v in [d.mean, d.min, d.max, d.dose_at_percent(100.0), d.dose_at_percent(0.0), d.dose_at_percent(95.0)] {
            near(v, level, 1e-9, "uniform");
        }
        assert!((d.volume_at_dose_cc(level) - d.volume_cc).abs() < 1e-9);
        assert_eq!(d.volume_at_dose_cc(level + 1e-6), 0.0);
        assert_eq!(d.distribution.points().count(), 2, "one vertical step");
        let curve = d.curve(10.0);
        assert_eq!((curve.first().copied(), curve.last().copied()), (Some(100.0), Some(0.0)));
        near(d.geud(8.0).or(Some(0.0)), level, 1e-9, "gEUD");
        near(d.integral_dose_gycc(), level * d.volume_cc, 1e-6, "integral dose");
    }
}

#[test]
fn small_structures_keep_their_volume_and_lack_what_they_cannot_have() {
    let d = calc(&sphere(1.5, 1.0, 60), &dose(&wide(5.0), |p| 30.0 + p[0]));
    assert!(d.volume_cc > 0.0 && d.dose_at_cc(0.03).is_none());
    near(d.mean, 30.0, 0.01, "mean");
    near(d.dose_at_percent(50.0), 30.0, 0.02, "median");
    assert!(d.flags.contains(&DvhFlag::FewDoseVoxels) && d.flags.contains(&DvhFlag::CoarseDoseGrid));
    assert!(d.flags.contains(&DvhFlag::FewPlanes));
}

#[test]
fn thin_shell() {
    // A 5 mm skin: ring of 35 to 40 mm, a dose that falls radially.
    let z = planes(-18.0, 4.0, 10);
    let mut c = prism(&circle(40.0, 360), &z);
    c.extend(prism(&circle(35.0, 360), &z));
    let d = calc(&c, &dose(&wide(1.0), |p| 60.0 - p[0].hypot(p[1])));
    let truth = PI * (1600.0 - 1225.0) * 40.0 / 1000.0;
    assert!((d.volume_cc / truth - 1.0).abs() < 1e-3);
    near(d.dose_at_percent(50.0), 60.0 - (0.5f64 * (1600.0 + 1225.0)).sqrt(), 0.03, "median");
    near(d.max, 25.0, 0.03, "max");
}

#[test]
fn large_organs_stay_within_the_sample_limit_and_agree_with_finer_sampling() {
    let c = prism(&circle(35.0, 200), &planes(-38.0, 4.0, 20));
    let field = dose(&wide(2.5), curved);
    let st = stack(&c);
    let coarse = dvh(&st, &field, &DvhOptions { max_samples: 100_000, ..DvhOptions::default() });
    let fine = dvh(&st, &field, &DvhOptions::default());
    assert!(coarse.samples < 150_000 && coarse.flags.contains(&DvhFlag::WidePitch), "{}", coarse.samples);
    for x in [95.0, 50.0, 5.0] {
        near(coarse.dose_at_percent(x), fine.dose_at_percent(x).unwrap(), 0.05, &format!("D{x}"));
    }
    near(coarse.mean, fine.mean.unwrap(), 0.01, "mean");
}

#[test]
fn threads_do_not_change_the_result() {
    let c = sphere(12.0, 2.0, 100);
    let field = dose(&wide(2.5), curved);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| calc(&c, &field))
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn metrics_are_consistent_and_survive_storage() {
    let d = calc(&sphere(12.0, 2.0, 100), &dose(&wide(2.5), curved));
    let mut last = f64::INFINITY;
    for n in 0..=100 {
        let x = d.dose_at_percent(f64::from(n)).unwrap();
        assert!(x <= last + 1e-12);
        last = x;
        let back = d.volume_at_dose_percent(x).unwrap();
        assert!((back - f64::from(n)).abs() < 1e-6, "{n} {x} {back}");
    }
    assert_eq!((d.dose_at_percent(-1.0), d.dose_at_percent(f64::NAN), d.dose_at_cc(-1.0)), (None, None, None));
    assert_eq!(d.dose_at_percent(100.0), d.min);
    assert_eq!(d.dose_at_percent(0.0), d.max);
    near(d.geud(1.0), d.mean.unwrap(), 1e-3, "gEUD of 1 is the mean");
    assert!(d.geud(-10.0).unwrap() < d.mean.unwrap() && d.geud(10.0).unwrap() > d.mean.unwrap());
}

#[test]
fn single_plane_dose_gives_no_metrics() {
    let g = DoseGrid::new(
        [-40.0, -40.0, 0.0],
        [2.0, 0.0, 0.0],
        [0.0, 2.0, 0.0],
        [0.0, 0.0, 1.0],
        vec![0.0],
        ndarray::Array3::from_elem((1, 41, 41), 10.0),
    )
    .unwrap();
    let d = calc(&sphere(10.0, 2.0, 60), &g);
    assert!(d.mean.is_none() && d.flags.contains(&DvhFlag::SinglePlaneDose));
}

// A Gaussian of 12 mm on a 3 mm grid: trilinear interpolation loses h²/12·D″ on average over each axis.
#[test]
fn cubic_dose_follows_a_peak_that_trilinear_cuts() {
    let c = sphere(6.0, 0.5, 180);
    let field = dose(&wide(3.0), |p| 60.0 * (-(p[0] * p[0] + p[1] * p[1] + p[2] * p[2]) / 288.0).exp());
    let st = stack(&c);
    let run = |profile| dvh(&st, &field, &DvhOptions { profile, ..DvhOptions::default() });
    let (linear, cubic) = (run(DvhProfile::SlabTrilinear), run(DvhProfile::SlabCubic));
    assert_eq!((linear.profile.as_str(), cubic.profile.as_str()), ("slab_trilinear", "slab_cubic"));
    // Mean over the ball of radius 6 by the shell integral of r²·exp(−r²/288).
    let n = 20_000;
    let shell = |r: f64| r * r * (-r * r / 288.0).exp();
    let integral: f64 = (0..n).map(|k| shell((f64::from(k) + 0.5) * 6.0 / f64::from(n)) * 6.0 / f64::from(n)).sum();
    let truth = 60.0 * integral * 3.0 / 216.0;
    let (a, b) = ((linear.mean.unwrap() - truth).abs(), (cubic.mean.unwrap() - truth).abs());
    assert!(a > 0.3 && b < 0.05, "{a} {b}");
    near(cubic.dose_at_percent(50.0), 60.0 * (-(36.0 * 0.5f64.powf(2.0 / 3.0)) / 288.0).exp(), 0.05, "D50");
    // One coefficient set serves several structures.
    let spline = crate::dose::CubicSampler::new(&field);
    let again =
        dvh_of_field(&st, &field, &spline, &DvhOptions { profile: DvhProfile::SlabCubic, ..DvhOptions::default() });
    assert_eq!(again, cubic);
}

#[test]
fn cubic_dose_does_not_leave_the_range_of_its_neighbours() {
    let c = prism(&square(-10.0, -10.0, 20.0), &planes(-9.0, 2.0, 10));
    let step = dose(&wide(2.5), |p| if p[0] > 1.0 { 50.0 } else { 0.0 });
    let d = dvh(&stack(&c), &step, &DvhOptions { profile: DvhProfile::SlabCubic, ..DvhOptions::default() });
    assert_eq!((d.min, d.max), (Some(0.0), Some(50.0)));
}
