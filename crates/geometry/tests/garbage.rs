//! Contours from outside may be anything: the answer is a result or an error, never a panic, and always finite.

use proptest::prelude::*;
use rtpipeline_geometry::dvh::{DvhOptions, OutsideGrid, dvh};
use rtpipeline_geometry::{Contour, ContourKind, DoseGrid, FillRule, Grid, PlaneStack, StackOptions};

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        20 => -30.0f64..30.0,
        10 => (-6i32..6).prop_map(|v| f64::from(v) * 5.0),
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(1e7),
        1 => Just(-0.0),
    ]
}

fn contour() -> impl Strategy<Value = Contour> {
    let kind = prop_oneof![
        8 => Just(ContourKind::ClosedPlanar),
        2 => Just(ContourKind::ClosedPlanarXor),
        1 => Just(ContourKind::OpenPlanar),
        1 => Just(ContourKind::Point),
    ];
    let plane = prop_oneof![Just(None), (-4i32..4).prop_map(|k| Some(f64::from(k) * 3.0))];
    (kind, plane, prop::collection::vec((number(), number(), number()), 0..12)).prop_map(|(kind, plane, points)| {
        let points = points.into_iter().map(|(x, y, z)| [x, y, plane.unwrap_or(z)]).collect();
        Contour { kind, points }
    })
}

fn tame() -> impl Strategy<Value = Contour> {
    let point = || (-6i32..6).prop_map(|v| f64::from(v) * 5.0);
    ((-3i32..3), prop::collection::vec((point(), point()), 3..12)).prop_map(|(k, points)| {
        let z = f64::from(k) * 3.0;
        Contour::closed(points.into_iter().map(|(x, y)| [x, y, z]).collect())
    })
}

fn dose() -> DoseGrid {
    let grid = Grid::axis_aligned([11, 11, 9], [-20.0, -25.0, -12.0], [5.0, 5.0, 3.0]);
    let values = ndarray::Array3::from_shape_fn(grid.shape(), |(k, j, i)| (i + 2 * j + 3 * k) as f32);
    DoseGrid::from_grid(&grid, values).unwrap()
}

fn check(contours: &[Contour], fill: FillRule) -> Result<(), TestCaseError> {
    let options = StackOptions { fill, ..StackOptions::default() };
    let stack = match PlaneStack::from_contours(contours, &options) {
        Ok(s) => s,
        Err(e) => {
            prop_assert!(!e.to_string().is_empty());
            return Ok(());
        }
    };
    let volume = stack.volume_cc();
    let (lo, hi) = stack.volume_bounds_cc();
    prop_assert!(volume > 0.0 && volume.is_finite() && lo <= volume && volume <= hi);
    for p in &stack.planes {
        // Exclusive or covers no more than the union, and both no less than nothing.
        prop_assert!(p.even_odd_mm2 >= -1e-9 && p.even_odd_mm2 <= p.union_mm2 * (1.0 + 1e-9) + 1e-9);
        prop_assert!(p.lo < p.position && p.position < p.hi);
    }
    for (a, b) in stack.planes.iter().zip(stack.planes.iter().skip(1)) {
        prop_assert!(a.hi <= b.lo + 1e-9);
    }
    let grid = Grid::axis_aligned([33, 33, 17], [-32.0, -32.0, -16.0], [2.0; 3]);
    let oblique =
        Grid::new([9, 9, 9], [-20.0; 3], [4.0; 3], [[0.8, 0.0, 0.6], [0.0, 1.0, 0.0], [-0.6, 0.0, 0.8]]).unwrap();
    for g in [&grid, &oblique] {
        let inside = stack.fraction_inside(g);
        prop_assert!((0.0..=1.0).contains(&inside));
        let count = stack.mask(g).count();
        prop_assert!(count <= g.len());
    }
    prop_assert!(stack.occupancy(&grid).values().iter().all(|v| (0.0..=1.0).contains(v)));
    for outside in [OutsideGrid::Exclude, OutsideGrid::Zero] {
        let options = DvhOptions { outside, max_samples: 4000, ..DvhOptions::default() };
        let d = dvh(&stack, &dose(), &options);
        prop_assert!((0.0..=1.0).contains(&d.covered_fraction));
        prop_assert_eq!(d.mean.is_some(), d.covered_fraction > 0.0);
        if let (Some(mean), Some(min), Some(max)) = (d.mean, d.min, d.max) {
            prop_assert!(min <= mean + 1e-9 && mean <= max + 1e-9, "{} {} {}", min, mean, max);
            let d95 = d.dose_at_percent(95.0).unwrap();
            prop_assert!(min <= d95 && d95 <= max);
            let expected = if outside == OutsideGrid::Zero { volume } else { volume * d.covered_fraction };
            prop_assert!((d.reference_volume_cc() - expected).abs() <= 1e-6 * volume);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn anything(contours in prop::collection::vec(contour(), 0..8), union: bool) {
        check(&contours, if union { FillRule::Union } else { FillRule::EvenOdd })?;
    }

    #[test]
    fn tangles_on_a_lattice(contours in prop::collection::vec(tame(), 1..10), union: bool) {
        check(&contours, if union { FillRule::Union } else { FillRule::EvenOdd })?;
    }
}
