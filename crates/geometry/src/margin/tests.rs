use super::*;
use proptest::prelude::*;

fn cube(dims: [usize; 3], lo: [usize; 3], hi: [usize; 3], grid: Grid) -> Mask {
    let mut m = Mask::filled(Grid { dims, ..grid }, 0);
    for k in lo[2]..hi[2] {
        for j in lo[1]..hi[1] {
            for i in lo[0]..hi[0] {
                m.data[[k, j, i]] = 1;
            }
        }
    }
    m
}

fn plain(spacing: [f64; 3]) -> Grid {
    Grid::axis_aligned([1; 3], [-100.0, 50.0, 7.0], spacing)
}

fn extent(m: &Mask) -> [[usize; 2]; 3] {
    bounding_box(m).expect("not empty")
}

#[test]
fn uniform_margin_moves_each_face_by_its_voxels() {
    let m = cube([20, 20, 20], [8, 8, 8], [12, 12, 12], plain([1.0; 3]));
    assert_eq!(extent(&apply(&m, &Margin::uniform(3.0)).unwrap()), [[5, 14]; 3]);
    let big = cube([20, 20, 20], [4, 4, 4], [16, 16, 16], plain([1.0; 3]));
    let small = apply(&big, &Margin::uniform(-3.0)).unwrap();
    assert_eq!((extent(&small), small.count()), ([[7, 12]; 3], 216));
}

// D36: the original grew 15 mm to every side.
#[test]
fn asymmetric_margin_grows_each_side_by_its_own_amount() {
    let m = cube([60, 60, 60], [28, 28, 28], [32, 32, 32], plain([1.0; 3]));
    let margin = Margin { anterior: 10.0, posterior: 5.0, left: 7.0, right: 7.0, superior: 15.0, inferior: 5.0 };
    let grown = apply(&m, &margin).unwrap();
    // x rises to the left, y to the back, z to the head.
    assert_eq!(extent(&grown), [[21, 38], [18, 36], [23, 46]]);
}

// D37: the original ignored a single negative side.
#[test]
fn a_single_negative_side_shrinks_that_side_only() {
    let m = cube([30, 30, 30], [10, 10, 10], [20, 20, 20], plain([1.0; 3]));
    let shrunk = apply(&m, &Margin { anterior: -4.0, ..Margin::default() }).unwrap();
    assert_eq!((extent(&shrunk), shrunk.count()), ([[10, 19], [14, 19], [10, 19]], 600));
    let both = apply(&m, &Margin { anterior: -4.0, left: 3.0, ..Margin::default() }).unwrap();
    assert_eq!((extent(&both), both.count()), ([[10, 22], [14, 19], [10, 19]], 13 * 6 * 10));
}

#[test]
fn zero_margin_changes_nothing() {
    let m = cube([9, 9, 9], [3, 3, 3], [6, 6, 6], plain([1.0, 2.0, 3.0]));
    assert_eq!(apply(&m, &Margin::default()).unwrap(), m);
    assert!(apply(&m, &Margin::uniform(f64::NAN)).is_err());
}

#[test]
fn directions_follow_the_patient_and_not_the_image() {
    // The same voxels on an image whose rows run to the patient's right and whose slices fall.
    let grid =
        Grid::new([40, 40, 40], [20.0, 20.0, 20.0], [1.0; 3], [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]])
            .unwrap();
    let m = cube([40, 40, 40], [18, 18, 18], [22, 22, 22], grid);
    let grown = apply(&m, &Margin { left: 6.0, anterior: 2.0, superior: 1.0, ..Margin::default() }).unwrap();
    assert_eq!(extent(&grown), [[12, 21], [18, 23], [18, 22]]);
}

#[test]
fn sphere_on_an_oblique_grid_grows_to_the_larger_sphere() {
    let (s, c) = 0.4f64.sin_cos();
    let grid = Grid::new([70, 70, 70], [0.0; 3], [0.5; 3], [[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]]).unwrap();
    let centre = grid.world([34.5; 3]);
    let ball = |r: f64| {
        let mut m = Mask::filled(grid.clone(), 0);
        for (n, v) in m.values_mut().iter_mut().enumerate() {
            let p = grid.world([(n % 70) as f64, (n / 70 % 70) as f64, (n / 4900) as f64]);
            *v = u8::from((0..3).map(|a| (p[a] - centre[a]).powi(2)).sum::<f64>() <= r * r);
        }
        m
    };
    let grown = apply(&ball(8.0), &Margin::uniform(5.0)).unwrap();
    // Centre-to-centre growth stays within half a voxel of the true sphere.
    let truth = 4.0 / 3.0 * std::f64::consts::PI * 13f64.powi(3) / 1000.0;
    assert!((grown.volume_cc() / truth - 1.0).abs() < 0.06, "{} {truth}", grown.volume_cc());
    // One side only, oblique: the far end moves by the margin, the other sides by at most half a voxel.
    let one = apply(&ball(8.0), &Margin { left: 6.0, ..Margin::default() }).unwrap();
    let (mut far, mut near, mut side) = (0.0f64, 0.0f64, 0.0f64);
    for (n, v) in one.values().iter().enumerate() {
        if *v != 0 {
            let p = grid.world([(n % 70) as f64, (n / 70 % 70) as f64, (n / 4900) as f64]);
            far = far.max(p[0] - centre[0]);
            near = near.max(centre[0] - p[0]);
            side = side.max((p[1] - centre[1]).abs());
        }
    }
    // The lattice has a point within 0.75 mm of the end of any such tube, and the ball's own end is up to half a voxel in.
    assert!(far < 14.01 && far > 13.0 && (near - 8.0).abs() < 0.5 && (side - 8.0).abs() < 0.5, "{far} {near} {side}");
}

proptest! {
    #[test]
    fn equals_brute_force_on_flipped_anisotropic_grids(
        seed in prop::collection::vec(0u8..20, 7 * 6 * 5), spacing in prop::array::uniform3(0.7f64..3.0),
        flip: [bool; 3], sides in prop::array::uniform6(-4.0f64..6.0), uniform: bool,
    ) {
        let axis = |a: usize| { let mut v = [0.0; 3]; v[a] = if flip[a] { -1.0 } else { 1.0 }; v };
        // Rows along y, columns along x: image axes are not patient axes.
        let grid = Grid::new([7, 6, 5], [0.0; 3], spacing, [axis(1), axis(0), axis(2)]).unwrap();
        let mask = Mask::from_vec(grid.clone(), seed.iter().map(|&v| u8::from(v == 0)).collect());
        let s = if uniform { [sides[0]; 6] } else { sides };
        let margin = Margin { right: s[0], left: s[1], anterior: s[2], posterior: s[3], inferior: s[4], superior: s[5] };
        let at = |n: usize| grid.world([(n % 7) as f64, (n / 7 % 6) as f64, (n / 42) as f64]);
        let dilate = |m: &[u8], sides: [[f64; 2]; 3]| -> Vec<u8> {
            (0..m.len()).map(|n| u8::from((0..m.len()).any(|q| m[q] != 0 && {
                let (a, b) = (at(n), at(q));
                (0..3).map(|c| {
                    let d = a[c] - b[c];
                    let r = sides[c][usize::from(d > 0.0)];
                    if d.abs() < 1e-9 { 0.0 } else if r > 0.0 { (d / r).powi(2) } else { f64::INFINITY }
                }).sum::<f64>() <= 1.0
            }))).collect()
        };
        let sides = [[s[0], s[1]], [s[2], s[3]], [s[4], s[5]]];
        let mut truth = dilate(mask.values(), sides.map(|v| v.map(|x| x.max(0.0))));
        invert(&mut truth);
        truth = dilate(&truth, sides.map(|v| [(-v[1]).max(0.0), (-v[0]).max(0.0)]));
        invert(&mut truth);
        let got = apply(&mask, &margin).unwrap();
        prop_assert_eq!(got.values(), &truth[..]);
    }
}
