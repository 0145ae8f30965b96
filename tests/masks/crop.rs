//! Cropping for any direction of the axes.

use crate::support::*;
use rtpipeline::course::{Catalogue, Shape};
use rtpipeline::stages::crop_ct::{CropCt, CropOptions, Region};
use rtpipeline::stages::segmentation::{Engine, Segmentation, SegmentationSettings};
use rtpipeline::stages::structures::Structures;
use rtpipeline_dicom::rtstruct::read_structure_set;
use rtpipeline_engine::Policy;
use rtpipeline_geometry::{Grid, PlaneStack, StackOptions, Volume};

/// Brain of 30 mm at z 40 to 70 mm, an eye in front of it.
fn run(grid: &Grid) -> World {
    let mut w = World::new(&Volume::filled(grid.clone(), 0.0_f32));
    w.host.insert("totalsegmentator".into(), stand_in("TotalSegmentator"));
    w.labels(
        "STANDIN_LABELS",
        &label_blocks(
            grid,
            &[
                (90, [-12.0, -4.0, 40.0], [12.0, 16.0, 70.0]),
                (50, [-2.0, 4.0, 0.0], [4.0, 10.0, 39.0]),
                (5, [6.0, -24.0, 50.0], [12.0, -18.0, 60.0]),
            ],
        ),
    );
    let s = SegmentationSettings { engine: Engine::TotalSegmentator, ..Default::default() };
    w.run(&Segmentation::with(s, Policy { host: w.host.clone(), ..Policy::default() })).unwrap();
    w.run(&Structures::default()).unwrap();
    w
}

fn stage() -> CropCt {
    CropCt::with(CropOptions { region: Region::Brain, ..CropOptions::default() }, Policy::default())
}

fn axial() -> Grid {
    Grid::axis_aligned([32, 40, 40], [-31.0, -39.0, -10.0], [2.0, 2.0, 3.0])
}

#[test]
fn patient_positions_are_kept_for_any_direction_of_the_axes() {
    let descending =
        Grid { origin: [-31.0, -39.0, 107.0], step: [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, -3.0]], ..axial() };
    // Prone, feet first: rows and columns run the other way, slices descend.
    let flipped =
        Grid { origin: [31.0, 39.0, 107.0], step: [[-2.0, 0.0, 0.0], [0.0, -2.0, 0.0], [0.0, 0.0, -3.0]], ..axial() };
    let (s, c) = 8f64.to_radians().sin_cos();
    let oblique = Grid {
        origin: [-31.0, -45.0, -14.0],
        step: [[2.0, 0.0, 0.0], [0.0, 2.0 * c, 2.0 * s], [0.0, -3.0 * s, 3.0 * c]],
        ..axial()
    };
    // A box of voxels around a slab reaches as far beyond it as its rows and columns climb.
    let climb = 80.0 * s;
    for (name, grid, climb) in [
        ("axial", axial(), 0.0),
        ("descending", descending, 0.0),
        ("flipped", flipped, 0.0),
        ("oblique", oblique, climb),
    ] {
        let w = run(&grid);
        let out = w.run(&stage()).unwrap().remove(0);
        assert_eq!(out.facts["cropped"], true, "{name}");
        let small = rtpipeline_volume_io::read(&w.out("NIFTI/CT1_cropped.nii.gz")).unwrap();
        let g = small.data.grid().clone();
        assert!(g.dims[2] < grid.dims[2], "{name}: {:?}", g.dims);
        // Every voxel of the region is kept at its place.
        let c: Catalogue = w.json("metadata/structures_cropped.json");
        for structure in &c.structures {
            let Shape::Label { file, value } = &structure.shape else { panic!("no label map") };
            let part = rtpipeline_volume_io::read_mask(&w.roots().resolve(file).unwrap(), *value).unwrap();
            assert!(part.grid.same_as(&g, 1e-3));
            let whole =
                rtpipeline_volume_io::read_mask(&w.out("Segmentation_TotalSegmentator/CT1/CT1--total.nii.gz"), *value)
                    .unwrap();
            if structure.name != "vertebrae_C1" {
                assert_eq!(part.count(), whole.count(), "{name} {}", structure.name);
                assert!(!structure.cropped, "{name} {}", structure.name);
                let (a, b) = (bounds(&part), bounds(&whole));
                for axis in 0..3 {
                    for side in 0..2 {
                        assert!((a[axis][side] - b[axis][side]).abs() < 1e-3, "{name} {}: {a:?} {b:?}", structure.name);
                    }
                }
            } else {
                assert!(part.count() < whole.count() && structure.cropped, "{name}");
            }
        }
        // D5: so does the structure set, which lies in the frame of the full image.
        let set = read_structure_set(&w.out("RS_auto_cropped.dcm")).unwrap();
        for roi in set.rois.iter().filter(|r| r.name != "vertebrae_C1") {
            let normal = grid.direction();
            let options = StackOptions {
                normal: Some([
                    normal[0][1] * normal[1][2] - normal[0][2] * normal[1][1],
                    normal[0][2] * normal[1][0] - normal[0][0] * normal[1][2],
                    normal[0][0] * normal[1][1] - normal[0][1] * normal[1][0],
                ]),
                ..StackOptions::default()
            };
            let back = PlaneStack::from_contours(&roi.contours, &options).unwrap().mask(&grid);
            let value = c.structures.iter().find(|s| s.name == roi.name).map(|s| s.number as u32).unwrap();
            let whole =
                rtpipeline_volume_io::read_mask(&w.out("Segmentation_TotalSegmentator/CT1/CT1--total.nii.gz"), value)
                    .unwrap();
            assert_eq!(back.values(), whole.values(), "{name} {}", roi.name);
        }
        let meta: serde_json::Value = w.json("cropping_metadata.json");
        assert_eq!(meta["region"], "brain");
        let asked = meta["superior_z_mm"].as_f64().unwrap();
        let applied = meta["crop_boundaries_mm"]["applied_superior_mm"].as_f64().unwrap();
        assert!(applied <= asked + 3.0 + climb && applied > 70.0, "{name}: {applied} for {asked}");
    }
}

#[test]
fn a_second_run_changes_nothing() {
    let w = run(&axial());
    w.run(&stage()).unwrap();
    let first = w.files();
    w.run(&stage()).unwrap();
    let second = w.files();
    // D6: no `_cropped_cropped`, the same files with the same bytes.
    assert_eq!(first.keys().collect::<Vec<_>>(), second.keys().collect::<Vec<_>>());
    assert!(first == second, "bytes differ");
    assert!(first.keys().all(|p| !p.to_string_lossy().contains("_cropped_cropped")));
}

#[test]
fn without_a_landmark_the_course_is_not_cropped() {
    let w = run(&axial());
    let s = CropCt::with(CropOptions { region: Region::Abdomen, ..CropOptions::default() }, Policy::default());
    let out = w.run(&s).unwrap().remove(0);
    assert_eq!(out.facts["cropped"], false);
    assert!(!w.out("NIFTI/CT1_cropped.nii.gz").exists());
    let c: Catalogue = w.json("metadata/structures_cropped.json");
    assert_eq!(c.findings[0].code, "crop.no_landmark");
    assert!(c.findings[0].what.contains("L5"), "{}", c.findings[0].what);
}
