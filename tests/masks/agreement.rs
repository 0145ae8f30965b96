//! Manual structures against those of a segmentation, through the stage.

use crate::support::*;
use rtpipeline::stages::segmentation::{Engine, Segmentation, SegmentationSettings};
use rtpipeline::stages::structures::Structures;
use rtpipeline_engine::Policy;
use rtpipeline_geometry::outline::{OutlineOptions, outline};
use rtpipeline_geometry::{Contour, Grid, Volume};

fn grid() -> Grid {
    Grid::axis_aligned([32, 40, 20], [-31.0, -39.0, 10.0], [2.0, 2.0, 3.0])
}

fn contours(lo: [f64; 3], hi: [f64; 3]) -> Vec<Contour> {
    outline(&block(&grid(), lo, hi), &OutlineOptions { pixel_edges: true })
}

/// A heart by hand and one 4 mm to its left, a liver that nobody drew, a cord without contours and a lobe of a lung.
#[test]
fn a_manual_structure_meets_the_label_of_its_meaning() {
    let mut w = World::new(&Volume::filled(grid(), 0.0_f32));
    let uid = w.add_structure_set(&[
        ("HEART", "ORGAN", contours([-11.0, -19.0, 28.0], [9.0, 1.0, 46.0])),
        ("Spinal Cord", "ORGAN", Vec::new()),
        ("Lung_L", "ORGAN", contours([-31.0, -39.0, 10.0], [-21.0, -29.0, 22.0])),
    ]);
    w.host.insert("totalsegmentator".into(), stand_in("TotalSegmentator"));
    w.labels(
        "STANDIN_LABELS",
        &label_blocks(
            &grid(),
            &[
                (51, [-7.0, -19.0, 28.0], [13.0, 1.0, 46.0]),
                (5, [15.0, -5.0, 28.0], [25.0, 25.0, 40.0]),
                (79, [-1.0, 21.0, 10.0], [3.0, 25.0, 67.0]),
                (10, [-31.0, -39.0, 10.0], [-21.0, -29.0, 22.0]),
            ],
        ),
    );
    let s = SegmentationSettings { engine: Engine::TotalSegmentator, ..Default::default() };
    w.run(&Segmentation::with(s, Policy { host: w.host.clone(), ..Policy::default() })).unwrap();
    let out = w.run(&Structures::default()).unwrap().remove(0);
    let rows = &out.rows["agreement"];
    let names: Vec<_> = rows.iter().map(|r| (r["roi_name_a"].as_str(), r["roi_name_b"].as_str())).collect();
    assert_eq!(names, [(Some("HEART"), Some("heart")), (Some("Spinal Cord"), Some("spinal_cord"))]);

    // 11 × 11 × 7 voxels of 12 mm³ each; 9 of 11 columns are in both.
    let heart = &rows[0];
    for (column, want) in [
        ("volume_a (cm³)", 10.164),
        ("volume_b (cm³)", 10.164),
        ("dice", 9.0 / 11.0),
        ("jaccard", 9.0 / 13.0),
        ("hd_mm", 4.0),
        ("centroid_distance_mm", 4.0),
    ] {
        let got = heart[column].as_f64().unwrap_or(f64::NAN);
        assert!((got - want).abs() < 1e-6, "{column}: {got} instead of {want}");
    }
    assert_eq!((heart["structure"].as_str(), heart["Status"].as_str()), (Some("Heart"), Some("ok")));
    assert_eq!(heart["source_b"], "AutoTotalSegmentator:total");
    assert_eq!(heart["rtstruct_sop_instance_uid_a"], uid.as_str());

    let cord = &rows[1];
    assert_eq!((cord["Status"].as_str(), cord["dice"].as_f64()), (Some("empty"), Some(0.0)));
    assert_eq!(cord["Reason"], "The manual structure has no closed planar contour.");
    assert!(cord["hd95_mm"].is_null());
}
