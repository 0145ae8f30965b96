use crate::testing::{circle, planes, prism, sphere, square};
use crate::{Grid, PlaneStack, StackOptions};
use proptest::prelude::*;

fn stack(c: &[crate::Contour]) -> PlaneStack {
    PlaneStack::from_contours(c, &StackOptions::default()).unwrap()
}

fn sum(v: &crate::Volume<f32>) -> f64 {
    v.values().iter().map(|v| f64::from(*v)).sum::<f64>() * v.grid.voxel_volume_mm3() / 1000.0
}

#[test]
fn edges_on_voxel_centres_are_half_open() {
    // A 10 mm square whose edges run through voxel centres holds exactly 10 × 10 of them, whatever the axes.
    for turn in 0..4 {
        let (c, s) = [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)][turn];
        let grid =
            Grid::new([30, 30, 3], [0.0; 3], [1.0, 1.0, 2.0], [[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]]).unwrap();
        let far = grid.world([29.0, 29.0, 0.0]);
        let low = [far[0].min(0.0) + 5.0, far[1].min(0.0) + 5.0];
        let st = stack(&prism(&square(low[0], low[1], 10.0), &planes(0.0, 2.0, 3)));
        assert_eq!(st.mask(&grid).count(), 300, "{turn}");
    }
}

#[test]
fn neighbours_share_no_voxel_and_leave_none_out() {
    let grid = Grid::axis_aligned([40, 40, 4], [-20.0, -20.0, 0.0], [1.0, 1.0, 3.0]);
    let z = planes(0.0, 3.0, 4);
    let left = stack(&prism(&[[-15.0, -15.0], [3.0, -15.0], [-2.0, 15.0], [-15.0, 15.0]], &z)).mask(&grid);
    let right = stack(&prism(&[[3.0, -15.0], [15.0, -15.0], [15.0, 15.0], [-2.0, 15.0]], &z)).mask(&grid);
    let both = stack(&prism(&square(-15.0, -15.0, 30.0), &z)).mask(&grid);
    assert_eq!(crate::algebra::intersection(&left, &right).unwrap().count(), 0);
    assert_eq!(crate::algebra::union(&left, &right).unwrap(), both);
}

#[test]
fn contours_between_slices_take_the_slab_that_holds_the_centre() {
    let grid = Grid::axis_aligned([20, 20, 8], [0.0; 3], [1.0, 1.0, 2.5]);
    let st = stack(&prism(&square(3.2, 3.2, 10.0), &planes(1.25, 2.5, 5)));
    // Slabs run from 0 to 12.5: centres 0, 2.5, …, 10 are inside, 12.5 is not.
    assert_eq!(st.mask(&grid).count(), 5 * 100);
}

#[test]
fn occupancy_is_exact_for_a_box_and_sums_to_the_volume() {
    let grid = Grid::axis_aligned([20, 20, 12], [0.0; 3], [1.0, 1.0, 2.0]);
    let st = stack(&prism(&square(3.25, 4.0, 7.5), &planes(3.7, 3.0, 4)));
    let o = st.occupancy(&grid);
    assert!((sum(&o) / st.volume_cc() - 1.0).abs() < 1e-6);
    // Column 3 reaches from 2.5 to 3.5, rows 4 to 11; slice 1 from 1 to 3 with the slab from 2.2.
    assert!((o.data[[2, 6, 3]] - 0.25).abs() < 1e-6 && (o.data[[2, 4, 6]] - 0.5).abs() < 1e-6);
    assert!((o.data[[1, 6, 6]] - 0.4).abs() < 1e-6);
    let ball = stack(&sphere(8.0, 1.0, 120));
    let fine = Grid::axis_aligned([20, 20, 20], [-9.5; 3], [1.0; 3]);
    assert!((sum(&ball.occupancy(&fine)) / ball.volume_cc() - 1.0).abs() < 2e-3);
    let (s, c) = 0.5f64.sin_cos();
    let oblique =
        Grid::new([24, 24, 24], [0.0, -12.0, -17.0], [1.0; 3], [[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]]).unwrap();
    let shift = oblique.world([12.0; 3]);
    let moved = Grid { origin: [0, 1, 2].map(|a| oblique.origin[a] - shift[a]), ..oblique };
    // 64 samples per voxel, 900 border voxels: well below 1 %.
    assert!((sum(&ball.occupancy(&moved)) / ball.volume_cc() - 1.0).abs() < 5e-3);
}

#[test]
fn fraction_inside_a_box() {
    let st = stack(&prism(&circle(10.0, 100), &planes(0.0, 2.0, 10)));
    let at = |x: f64| Grid::axis_aligned([40, 40, 20], [x, -19.5, -4.5], [1.0, 1.0, 2.0]);
    assert_eq!(st.fraction_inside(&at(-19.5)), 1.0);
    assert_eq!(st.fraction_inside(&at(30.0)), 0.0);
    // The box starts at x = 0 and cuts the cylinder in half.
    assert!((st.fraction_inside(&at(0.5)) - 0.5).abs() < 5e-3);
    assert_eq!(st.mask(&at(30.0)).count(), 0);
}

#[test]
fn oblique_masks_agree_with_aligned_ones_in_volume() {
    let st = stack(&sphere(12.0, 1.0, 180));
    let (s, c) = 0.6f64.sin_cos();
    for direction in [[[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]], [[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]]] {
        let g = Grid::new([60, 60, 60], [0.0; 3], [0.5; 3], direction).unwrap();
        let m = g.world([29.5; 3]);
        let g = Grid { origin: m.map(|v| -v), ..g };
        let v = st.mask(&g).volume_cc();
        assert!((v / st.volume_cc() - 1.0).abs() < 5e-3, "{v} {}", st.volume_cc());
    }
}

proptest! {
    #[test]
    fn mask_volume_converges(
        radii in prop::collection::vec(6.0f64..14.0, 8..30), dx in -0.5f64..0.5, dy in -0.5f64..0.5,
    ) {
        let n = radii.len();
        let points: Vec<[f64; 2]> = circle(1.0, n).iter().zip(&radii).map(|(p, r)| [p[0] * r + dx, p[1] * r + dy]).collect();
        let st = stack(&prism(&points, &planes(0.5, 1.0, 4)));
        let pitch = 0.125;
        let grid = Grid::axis_aligned([240, 240, 4], [-15.0, -15.0, 0.5], [pitch, pitch, 1.0]);
        let v = st.mask(&grid).volume_cc();
        // Random lattice error of a curve of length L: about pitch²·√(L/pitch) of area; 10 times that is never met.
        prop_assert!((v / st.volume_cc() - 1.0).abs() < 0.01, "{} {}", v, st.volume_cc());
        prop_assert!((sum(&st.occupancy(&grid)) / st.volume_cc() - 1.0).abs() < 2e-3);
        // Turning the grid by 90° about the patient's axis changes no voxel.
        let turned = Grid { dims: [240, 240, 4], origin: grid.world([239.0, 0.0, 0.0]), step: [[0.0, pitch, 0.0], [-pitch, 0.0, 0.0], [0.0, 0.0, 1.0]] };
        prop_assert!((st.mask(&turned).volume_cc() - v).abs() < 1e-9 + 1e-4 * v);
    }
}
