use super::*;
use serde_json::Value;
use std::ops::Range;

fn fill(m: &mut Mask, x: Range<usize>, y: Range<usize>, z: Range<usize>, v: u8) {
    m.data.slice_mut(ndarray::s![z, y, x]).fill(v);
}

fn ball(m: &mut Mask, c: [f64; 3], r: f64) {
    let (g, s) = (m.grid.dims, m.grid.spacing());
    for (n, v) in m.values_mut().iter_mut().enumerate() {
        let p = [n % g[0], n / g[0] % g[1], n / g[0] / g[1]];
        *v = u8::from((0..3).map(|a| (p[a] as f64 * s[a] - c[a]).powi(2)).sum::<f64>() <= r * r);
    }
}

// The masks that the descriptions of the reference file name.
fn masks(name: &str, spacing: [f64; 3]) -> Option<(Mask, Mask)> {
    let empty = || Mask::filled(Grid::axis_aligned([24, 24, 12], [0.0; 3], spacing), 0);
    let (mut a, mut b) = (empty(), empty());
    let cube = |m: &mut Mask| fill(m, 6..16, 6..16, 3..9, 1);
    match name {
        "cube_shift2" | "cube_shift2_aniso" => {
            cube(&mut a);
            fill(&mut b, 8..18, 6..16, 3..9, 1);
        }
        "single_voxels" => {
            fill(&mut a, 10..11, 10..11, 5..6, 1);
            fill(&mut b, 13..14, 10..11, 5..6, 1);
        }
        "sphere_5_6" => {
            ball(&mut a, [11.5, 11.5, 5.5], 5.0);
            ball(&mut b, [11.5, 11.5, 5.5], 4.0);
        }
        "sphere_aniso" => {
            ball(&mut a, [11.2, 11.7, 14.0], 8.0);
            ball(&mut b, [12.7, 11.7, 15.2], 7.5);
        }
        "cube_with_hole" => {
            cube(&mut a);
            cube(&mut b);
            fill(&mut b, 9..13, 9..13, 4..8, 0);
        }
        "touching_border" => {
            fill(&mut a, 0..6, 0..6, 0..5, 1);
            fill(&mut b, 0..7, 0..6, 0..5, 1);
        }
        "empty_b" => cube(&mut a),
        "both_empty" => {}
        "identical" => {
            cube(&mut a);
            cube(&mut b);
        }
        _ => return None,
    }
    Some((a, b))
}

fn near(name: &str, what: &str, got: Option<f64>, truth: &Value) {
    match (got, truth.as_f64()) {
        (None, None) => {}
        // Distances are single precision.
        (Some(g), Some(t)) if (g - t).abs() <= 2e-6 * t.abs().max(1.0) => {}
        _ => panic!("{name} {what}: {got:?} instead of {truth}"),
    }
}

#[test]
fn agrees_with_the_reference_values() {
    let shared = std::env::var_os("RTPIPELINE_SHARED").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        std::path::PathBuf::from,
    );
    let path = shared.join("reference/agreement_ref.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("not run: {} is not there", path.display());
        return;
    };
    let file: Value = serde_json::from_str(&text).unwrap();
    let mut seen = 0;
    for (name, r) in file["cases"].as_object().unwrap() {
        let spacing: Vec<f64> = r["spacing_mm"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        let (a, b) = masks(name, [spacing[0], spacing[1], spacing[2]]).unwrap_or_else(|| panic!("unknown case {name}"));
        let o = overlap(&a, &b).unwrap();
        assert_eq!(
            (o.voxels_a as u64, o.voxels_b as u64),
            (r["voxels_a"].as_u64().unwrap(), r["voxels_b"].as_u64().unwrap())
        );
        near(name, "dice", o.dice(), &r["dice"]);
        near(name, "jaccard", o.jaccard(), &r["jaccard"]);
        let s = surface_distances(&a, &b).unwrap();
        assert_eq!(s.is_some(), r["hd95"].is_number(), "{name}");
        if let Some(s) = s {
            near(name, "asd a", Some(s.averages().0), &r["asd_a_to_b"]);
            near(name, "asd b", Some(s.averages().1), &r["asd_b_to_a"]);
            near(name, "hd50", Some(s.hausdorff(50.0)), &r["hd50"]);
            near(name, "hd95", Some(s.hausdorff(95.0)), &r["hd95"]);
            near(name, "hd100", Some(s.hausdorff(100.0)), &r["hd100"]);
            near(name, "area a", Some(s.areas().0), &r["surface_area_a_mm2"]);
            near(name, "area b", Some(s.areas().1), &r["surface_area_b_mm2"]);
            for t in ["0.5", "1", "2", "3"] {
                let tau: f64 = t.parse().unwrap();
                near(name, t, Some(s.surface_dice(tau)), &r[format!("surface_dice_{t}mm")]);
                near(name, t, Some(s.surface_overlap(tau).0), &r[format!("surface_overlap_{t}mm")][0]);
                near(name, t, Some(s.surface_overlap(tau).1), &r[format!("surface_overlap_{t}mm")][1]);
            }
        }
        let v = &r["voxel_border"];
        match border_distances(&a, &b).unwrap() {
            Some(d) => {
                near(name, "border hd", Some(d.hausdorff), &v["hd"]);
                near(name, "border hd95 max", Some(d.hd95_max), &v["hd95_max"]);
                near(name, "border hd95 pooled", Some(d.hd95_pooled), &v["hd95_pooled"]);
                near(name, "border assd", Some(d.pooled_mean), &v["assd"]);
                near(name, "border mean of means", Some(d.mean_of_means), &v["mean_of_means"]);
            }
            None => assert!(!v["hd"].is_number(), "{name}"),
        }
        seen += 1;
    }
    assert_eq!(seen, 10);
}

#[test]
fn different_or_sheared_grids_are_refused() {
    let a = Mask::filled(Grid::axis_aligned([4; 3], [0.0; 3], [1.0; 3]), 1);
    let b = Mask::filled(Grid::axis_aligned([4; 3], [1.0, 0.0, 0.0], [1.0; 3]), 1);
    assert!(dice(&a, &b).is_err() && matches!(surface_distances(&a, &b), Err(AgreementError::Grids(_))));
    let grid = Grid { dims: [4; 3], origin: [0.0; 3], step: [[1.0, 0.0, 0.0], [0.3, 1.0, 0.0], [0.0, 0.0, 1.0]] };
    let c = Mask::filled(grid, 1);
    assert_eq!(border_distances(&c, &c), Err(AgreementError::Sheared));
}

#[test]
fn pooled_mean_lies_between_the_averages() {
    let (a, b) = masks("sphere_aniso", [0.9765625, 0.9765625, 2.5]).unwrap();
    let s = surface_distances(&a, &b).unwrap().unwrap();
    let (x, y) = s.averages();
    assert!(s.pooled_mean() > x.min(y) && s.pooled_mean() < x.max(y) && (s.mean() - 0.5 * (x + y)).abs() < 1e-12);
}
