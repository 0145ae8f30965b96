//! The embedded segmentation against a reference segmentation of the same CT, and on made images.

use rtpipeline_geometry::classical::{GateCode, segment_body, segment_lungs};
use rtpipeline_geometry::{Grid, Mask, Volume};
use std::path::PathBuf;

fn shared(rel: &str) -> Option<PathBuf> {
    let base = std::env::var_os("RTPIPELINE_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let path = base.join(rel);
    if path.exists() {
        Some(path)
    } else {
        eprintln!("skipped: {} is not there (set RTPIPELINE_SHARED)", path.display());
        None
    }
}

fn dice(a: &[u8], b: &[u8]) -> f64 {
    let count = |m: &[u8]| m.iter().filter(|&&v| v != 0).count() as f64;
    let both = a.iter().zip(b).filter(|(x, y)| **x != 0 && **y != 0).count() as f64;
    2.0 * both / (count(a) + count(b))
}

#[test]
fn lungs_agree_with_the_reference_segmentation() {
    let (Some(ct), Some(seg)) =
        (shared("data/totalseg_example/example_ct_sm.nii.gz"), shared("data/totalseg_example/example_seg.nii.gz"))
    else {
        return;
    };
    let hu = rtpipeline_volume_io::read_f32(&ct).unwrap();
    let labels = rtpipeline_volume_io::read_labels(&seg).unwrap();
    let body = segment_body(&hu).unwrap();
    for g in &body.gates {
        eprintln!("{:?} {} {}", g.code, g.passed, g.text);
    }
    let mask = body.mask.expect("a body");
    // Everything that the reference labels is inside the patient.
    let outside = labels.values().iter().zip(mask.values()).filter(|(l, b)| **l != 0 && **b == 0).count();
    let labelled = labels.values().iter().filter(|l| **l != 0).count();
    assert!((outside as f64) < 0.001 * labelled as f64, "{outside} of {labelled} labelled voxels outside the body");

    let lungs = segment_lungs(&hu, &mask).unwrap();
    for g in &lungs.gates {
        eprintln!("{:?} {} {}", g.code, g.passed, g.text);
    }
    // Lobes: 10 and 11 left, 12 to 14 right (TotalSegmentator `total`).
    let reference = |range: std::ops::RangeInclusive<u32>| -> Vec<u8> {
        labels.values().iter().map(|l| u8::from(range.contains(l))).collect()
    };
    let (left, right) = (lungs.left.expect("left lung"), lungs.right.expect("right lung"));
    let both: Vec<u8> = left.values().iter().zip(right.values()).map(|(a, b)| a | b).collect();
    let all = dice(&both, &reference(10..=14));
    let (l, r) = (dice(left.values(), &reference(10..=11)), dice(right.values(), &reference(12..=14)));
    eprintln!(
        "Dice {all:.3}, left {l:.3}, right {r:.3}; left {:.1} cc, right {:.1} cc",
        left.volume_cc(),
        right.volume_cc()
    );
    assert!(all >= 0.90, "Dice {all}");
    assert!(l >= 0.85 && r >= 0.85, "Dice left {l}, right {r}");
    assert!(lungs.incomplete, "only the bases are in the scan");
}

/// A patient of ellipses: body, two lungs, a trachea, a pocket of bowel gas, a table below.
fn patient(grid: &Grid) -> Volume<f32> {
    let mut v = Volume::filled(grid.clone(), -1000.0_f32);
    let d = grid.dims;
    for k in 0..d[2] {
        for j in 0..d[1] {
            for i in 0..d[0] {
                let [x, y, z] = grid.world([i as f64, j as f64, k as f64]);
                let e = |c: [f64; 3], r: [f64; 3]| {
                    ((x - c[0]) / r[0]).powi(2) + ((y - c[1]) / r[1]).powi(2) + ((z - c[2]) / r[2]).powi(2) <= 1.0
                };
                let mut hu = -1000.0;
                if (x / 180.0).powi(2) + (y / 120.0).powi(2) <= 1.0 && z.abs() < 190.0 {
                    hu = 40.0;
                }
                if e([-85.0, 0.0, 30.0], [55.0, 80.0, 110.0]) || e([80.0, 5.0, 30.0], [50.0, 75.0, 105.0]) {
                    hu = -790.0;
                }
                // Through the mediastinum down into a common bronchus that opens into both lungs.
                if x.hypot(y + 10.0) < 9.0 && z > 20.0 && z < 190.0 {
                    hu = -985.0;
                }
                if (z - 30.0).hypot(y + 10.0) < 6.0 && x.abs() < 40.0 {
                    hu = -985.0;
                }
                if e([60.0, -40.0, -130.0], [40.0, 30.0, 30.0]) {
                    hu = -975.0;
                }
                if y > 126.0 && y < 140.0 && x.abs() < 240.0 {
                    hu = -150.0;
                }
                v.data[[k, j, i]] = hu;
            }
        }
    }
    v
}

#[test]
fn couch_bowel_gas_and_airway_are_left_out_and_sides_are_the_patient_s() {
    // The same patient in an ordinary axial stack and in one that descends, with x and y flipped.
    let up = Grid::axis_aligned([125, 78, 78], [-248.0, -156.0, -192.5], [4.0, 4.0, 5.0]);
    let flipped = Grid {
        dims: up.dims,
        origin: [248.0, 152.0, 192.5],
        step: [[-4.0, 0.0, 0.0], [0.0, -4.0, 0.0], [0.0, 0.0, -5.0]],
    };
    for grid in [up, flipped] {
        let hu = patient(&grid);
        let body = segment_body(&hu).unwrap();
        let mask = body.mask.clone().unwrap_or_else(|| panic!("no body: {:?}", body.gates));
        let truth = std::f64::consts::PI * 180.0 * 120.0 * 380.0 / 1000.0;
        assert!((mask.volume_cc() / truth - 1.0).abs() < 0.02, "{} of {truth} cc", mask.volume_cc());
        assert!(body.removed_cc > 2000.0, "couch of {} cc", body.removed_cc);
        let lungs = segment_lungs(&hu, &mask).unwrap();
        let (left, right) = match (&lungs.left, &lungs.right) {
            (Some(l), Some(r)) => (l, r),
            _ => panic!("{:?}", lungs.gates),
        };
        let ball = |r: [f64; 3]| 4.0 / 3.0 * std::f64::consts::PI * r[0] * r[1] * r[2] / 1000.0;
        let (l, r) = (ball([50.0, 75.0, 105.0]), ball([55.0, 80.0, 110.0]));
        // Closing, voxels of 4×4×5 mm and the bronchus at the hilum: a few percent.
        assert!((left.volume_cc() / l - 1.0).abs() < 0.06, "left {} of {l} cc", left.volume_cc());
        assert!((right.volume_cc() / r - 1.0).abs() < 0.06, "right {} of {r} cc", right.volume_cc());
        let centre = |m: &Mask| {
            let n = m.values().iter().position(|&v| v != 0).unwrap();
            grid.world([(n % 125) as f64, (n / 125 % 78) as f64, (n / (125 * 78)) as f64])[0]
        };
        assert!(centre(left) > 20.0 && centre(right) < -20.0, "patient's left is +x");
        assert!(lungs.airway.is_some(), "{:?}", lungs.gates);
    }
}

#[test]
fn an_image_without_a_patient_gives_no_structure_and_says_why() {
    let grid = Grid::axis_aligned([20, 20, 20], [0.0; 3], [2.0; 3]);
    let air = Volume::filled(grid.clone(), -1000.0_f32);
    let body = segment_body(&air).unwrap();
    assert!(body.mask.is_none());
    assert!(body.gates.iter().any(|g| g.code == GateCode::BodyVolume && !g.passed && g.decisive));
    // Water without lungs.
    let water = Volume::filled(Grid::axis_aligned([80, 80, 80], [0.0; 3], [2.5; 3]), 0.0_f32);
    let body = segment_body(&water).unwrap();
    let lungs = segment_lungs(&water, &body.mask.unwrap()).unwrap();
    assert!(lungs.left.is_none() && lungs.right.is_none());
    assert!(segment_body(&Volume::filled(Grid::axis_aligned([2, 9, 9], [0.0; 3], [1.0; 3]), 0.0)).is_err());
}
