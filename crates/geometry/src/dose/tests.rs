use super::*;

fn linear(p: Vec3) -> f64 {
    20.0 + 0.3 * p[0] - 0.2 * p[1] + 0.5 * p[2]
}

fn grid(dims: [usize; 3], origin: Vec3, step: f64, offsets: Vec<f64>, f: impl Fn(Vec3) -> f64) -> DoseGrid {
    let values = Array3::zeros((dims[2], dims[1], dims[0]));
    let mut g = DoseGrid::new(origin, [step, 0.0, 0.0], [0.0, step, 0.0], [0.0, 0.0, 1.0], offsets, values).unwrap();
    for k in 0..dims[2] {
        for j in 0..dims[1] {
            for i in 0..dims[0] {
                g.values[[k, j, i]] = f(g.voxel_centre([i, j, k])) as f32;
            }
        }
    }
    g
}

#[test]
fn trilinear_reproduces_a_linear_dose_on_uneven_planes() {
    let g = grid([5, 6, 4], [-3.0, 2.0, 10.0], 2.5, vec![0.0, 3.0, 4.5, 9.0], linear);
    for p in [[-3.0, 2.0, 10.0], [0.4, 5.1, 12.2], [7.0, 14.5, 19.0], [1.0, 3.0, 14.49]] {
        assert!((g.sample_trilinear(p).unwrap() - linear(p)).abs() < 1e-5, "{p:?}");
    }
    for p in [[-3.1, 2.0, 10.0], [0.0, 2.0, 9.9], [0.0, 2.0, 19.1], [f64::NAN, 2.0, 12.0]] {
        assert_eq!(g.sample_trilinear(p), None, "{p:?}");
    }
    assert!(g.grid().is_none());
}

#[test]
fn falling_slices_become_rising_planes() {
    let grid =
        Grid { dims: [3, 3, 3], origin: [0.0, 0.0, 30.0], step: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, -2.0]] };
    let mut values = Array3::zeros((3, 3, 3));
    for k in 0..3 {
        values.slice_mut(ndarray::s![k, .., ..]).fill(k as f32);
    }
    let g = DoseGrid::from_grid(&grid, values).unwrap();
    assert_eq!(g.sample_trilinear([1.0, 1.0, 27.0]), Some(1.5));
    assert!(g.grid().unwrap().same_as(&grid, 1e-9));
}

#[test]
fn single_plane_is_read_in_its_plane_only() {
    let g = grid([4, 4, 1], [0.0; 3], 1.0, vec![5.0], |p| p[0]);
    assert_eq!(g.sample_trilinear([1.5, 1.0, 5.0]), Some(1.5));
    assert_eq!(g.sample_trilinear([1.5, 1.0, 5.5]), None);
    assert!(g.is_single_plane() && g.grid().is_none());
}

#[test]
fn bad_grids_are_refused() {
    let v = || Array3::<f32>::zeros((2, 2, 2));
    let make =
        |offsets: Vec<f64>, row: Vec3| DoseGrid::new([0.0; 3], row, [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], offsets, v());
    assert!(matches!(make(vec![0.0, 0.0], [1.0, 0.0, 0.0]), Err(DoseError::Offsets { plane: 1, .. })));
    assert!(matches!(make(vec![0.0], [1.0, 0.0, 0.0]), Err(DoseError::Shape { .. })));
    assert!(matches!(make(vec![0.0, 1.0], [0.0, 1.0, 0.0]), Err(DoseError::Axes)));
    assert!(matches!(make(vec![0.0, f64::NAN], [1.0, 0.0, 0.0]), Err(DoseError::Offsets { .. })));
}

#[test]
fn equal_grids_add_exactly() {
    let a = grid([3, 3, 3], [0.0; 3], 2.0, vec![0.0, 2.0, 4.0], |p| p[0]);
    let b = grid([3, 3, 3], [0.0; 3], 2.0, vec![0.0, 2.0, 4.0], |p| p[1]);
    let s = sum_on_common_grid(&[(&a, 1.0), (&b, 0.5)]).unwrap();
    assert_eq!(s.values[[1, 2, 1]], 2.0 + 0.5 * 4.0);
    assert!(matches!(sum_on_common_grid(&[]), Err(DoseError::Nothing)));
    assert!(matches!(sum_on_common_grid(&[(&a, f64::NAN)]), Err(DoseError::Weight(_))));
}

#[test]
fn shifted_grids_add_where_both_are_known() {
    let offsets = |n: usize, s: f64| (0..n).map(|k| k as f64 * s).collect::<Vec<_>>();
    let a = grid([11, 11, 11], [0.0; 3], 2.0, offsets(11, 2.0), linear);
    let b = grid([11, 11, 6], [5.3, 0.7, 2.0], 1.0, offsets(6, 3.0), linear);
    let s = sum_on_common_grid(&[(&a, 1.0), (&b, 2.0)]).unwrap();
    assert_eq!(s.spacing(), [1.0, 1.0, 2.0]);
    let p = [9.4, 5.2, 9.1];
    assert!((s.sample_trilinear(p).unwrap() - 3.0 * linear(p)).abs() < 1e-4);
    // Inside the first, outside the second: not known, and not the first alone.
    assert_eq!(s.sample_trilinear([1.5, 5.2, 9.1]), None);
    assert!(s.values.iter().any(|v| v.is_nan()));
    assert!(s.maximum().unwrap().0 > 0.0);
}

#[test]
fn unknown_neighbours_without_weight_do_not_matter() {
    let mut a = grid([3, 3, 3], [0.0; 3], 1.0, vec![0.0, 1.0, 2.0], |p| p[0]);
    a.values[[0, 0, 2]] = f32::NAN;
    assert_eq!(a.sample_trilinear([1.0, 0.0, 0.0]), Some(1.0));
    assert_eq!(a.sample_trilinear([1.5, 0.0, 0.0]), None);
    assert_eq!(a.sample_trilinear([1.5, 1.0, 0.0]), Some(1.5));
    assert_eq!(a.maximum().unwrap(), (2.0, [2.0, 1.0, 0.0]));
}
