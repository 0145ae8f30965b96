//! The embedded segmentation as a stage.

use crate::support::*;
use rtpipeline::course::source;
use rtpipeline::stages::segmentation::{Engine, Segmentation, SegmentationSettings};
use rtpipeline_dicom::rtstruct::read_structure_set;
use rtpipeline_engine::Policy;
use rtpipeline_geometry::{Grid, Volume};

fn stage() -> Segmentation {
    Segmentation::with(SegmentationSettings { engine: Engine::Classical, ..Default::default() }, Policy::default())
}

/// A box of water with two boxes of lung.
fn patient() -> Volume<f32> {
    let grid = Grid::axis_aligned([80, 60, 60], [-158.0, -118.0, -147.5], [4.0, 4.0, 5.0]);
    let mut hu = Volume::filled(grid.clone(), -1000.0_f32);
    for (lo, hi, value) in [
        ([-130.0, -90.0, -148.0], [130.0, 90.0, 148.0], 30.0),
        ([-110.0, -60.0, -60.0], [-30.0, 60.0, 90.0], -780.0),
        ([30.0, -60.0, -60.0], [110.0, 60.0, 80.0], -780.0),
    ] {
        for (v, &m) in hu.values_mut().iter_mut().zip(block(&grid, lo, hi).values()) {
            if m != 0 {
                *v = value;
            }
        }
    }
    hu
}

#[test]
fn body_and_lungs_by_patient_side() {
    let w = World::new(&patient());
    let out = w.run(&stage()).unwrap().remove(0);
    assert_eq!(out.facts["engine"], "classical");
    let c = w.catalogue("segmentation_CT1");
    let list: Vec<(i32, &str, &str)> =
        c.structures.iter().map(|s| (s.number, s.name.as_str(), s.interpreted_type.as_str())).collect();
    assert_eq!(list, [(1, "body", "EXTERNAL"), (2, "lung_left", "ORGAN"), (3, "lung_right", "ORGAN")]);
    assert!(c.structures.iter().all(|s| s.source == source::CLASSICAL));
    let set = read_structure_set(&w.out("RS_auto.dcm")).unwrap();
    let x = |name: &str| {
        let roi = set.rois.iter().find(|r| r.name == name).unwrap();
        roi.contours[0].points[0][0]
    };
    assert!(x("lung_left") > 0.0 && x("lung_right") < 0.0);
    assert!(w.out("Segmentation_Classical/CT1/CT1--lungs.nii.gz").is_file());
}

#[test]
fn without_a_patient_or_without_hu_there_is_a_reason_instead_of_a_structure() {
    let grid = Grid::axis_aligned([30, 30, 20], [0.0; 3], [2.0, 2.0, 3.0]);
    let w = World::new(&Volume::filled(grid, -1000.0));
    w.run(&stage()).unwrap();
    let c = w.catalogue("segmentation_CT1");
    assert!(c.structures.is_empty());
    assert_eq!(c.not_made.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>(), ["body", "lung_left", "lung_right"]);
    assert!(c.not_made[0].1.contains("Body volume"), "{:?}", c.not_made);
    assert!(c.findings.iter().any(|f| f.code == "classical.body_volume"));

    let mut w = World::new(&patient());
    w.course.images[0].unit = "a.u.".into();
    w.save();
    w.run(&stage()).unwrap();
    assert!(w.catalogue("segmentation_CT1").structures.is_empty());
}
