use super::*;
use crate::course::{Course, CourseFile, ImageObject, LinkKind, StructureSetObject};
use std::ops::Range;

fn structure(name: &str, source: &str, image: Option<&str>) -> Structure {
    let file = "out:P/C/file".parse().unwrap();
    Structure {
        number: 1,
        name: name.into(),
        original_name: name.into(),
        source: source.into(),
        shape: if source == source::MANUAL {
            Shape::Contours { file, roi_number: 1 }
        } else {
            Shape::Label { file, value: 1 }
        },
        image_id: image.map(str::to_owned),
        structure_set_uid: (source == source::MANUAL).then(|| "1.2".to_owned()),
        color: None,
        interpreted_type: String::new(),
        cropped: false,
        missing_parts: Vec::new(),
        contour_count: None,
    }
}

/// Two images, a CT and an MR, in two frames of reference; a structure set in that of the CT.
fn manifest() -> CourseManifest {
    let image = |id: &str, frame: &str| ImageObject {
        id: id.into(),
        modality: String::new(),
        series_uid: String::new(),
        study_uid: String::new(),
        frame_of_reference_uid: frame.into(),
        description: String::new(),
        date: String::new(),
        files: Vec::new(),
        planning: false,
        nifti: None,
        grid: None,
        unit: String::new(),
        missing_slices: 0,
    };
    let set = StructureSetObject {
        file: CourseFile { path: "in:rs.dcm".parse().unwrap(), sop_instance_uid: "1.2".into() },
        label: String::new(),
        date: String::new(),
        frame_of_reference_uid: "F1".into(),
        image_id: None,
        image_link: LinkKind::FrameOfReference,
        referenced_by_plan: false,
        used: true,
        reason: String::new(),
    };
    let course =
        Course { images: vec![image("CT1", "F1"), image("MR1", "F2")], structure_sets: vec![set], ..Course::default() };
    CourseManifest { course, ..CourseManifest::default() }
}

fn found(list: &[Structure]) -> Vec<String> {
    let of = |p: &Pair<'_>| format!("{}: {} = {}/{}", p.word, p.manual.name, p.automatic.source, p.automatic.name);
    pairs(&manifest(), list).iter().map(of).collect()
}

#[test]
fn names_of_one_meaning_on_one_image_are_pairs() {
    let (ct, mr) = (Some("CT1"), Some("MR1"));
    let list = [
        structure("BODY", source::MANUAL, ct),
        structure("Lung_L", source::MANUAL, ct),
        structure("Lung_R", source::MANUAL, ct),
        structure("PTV_60", source::MANUAL, ct),
        structure("body", source::CLASSICAL, ct),
        structure("lung_left", source::CLASSICAL, ct),
        structure("lung_left", source::CLASSICAL, mr),
        structure("lung_upper_lobe_left", "AutoTotalSegmentator:total", ct),
        structure("Rt Lung", "CustomModel:thorax", ct),
        structure("PTV_60", source::CUSTOM, ct),
    ];
    assert_eq!(
        found(&list),
        [
            "External: BODY = AutoClassical/body",
            "Lung_L: Lung_L = AutoClassical/lung_left",
            "Lung_R: Lung_R = CustomModel:thorax/Rt Lung",
        ]
    );
}

#[test]
fn without_an_image_the_frame_of_reference_decides() {
    let list = [
        structure("Heart", source::MANUAL, None),
        structure("heart", "AutoTotalSegmentator:total", Some("CT1")),
        structure("heart", "AutoTotalSegmentator:total_mr", Some("MR1")),
        structure("heart", "CustomModel:a", None),
    ];
    assert_eq!(found(&list), ["Heart: Heart = AutoTotalSegmentator:total/heart"]);
}

/// Spacing 1, 2 and 3 mm.
fn boxed(x: Range<usize>, y: Range<usize>, z: Range<usize>) -> Mask {
    let mut m = Mask::filled(Grid::axis_aligned([20, 16, 12], [-5.0, 3.0, 7.0], [1.0, 2.0, 3.0]), 0);
    m.data.slice_mut(ndarray::s![z, y, x]).fill(1);
    m
}

fn near(got: Option<f64>, want: f64) {
    let got = got.expect("a value");
    assert!((got - want).abs() < 1e-6, "{got} instead of {want}");
}

#[test]
fn two_boxes_have_their_closed_forms() {
    // 10 × 5 × 4 voxels of 6 mm³, the second 4 mm further along x: 6 of 10 columns are in both.
    let (a, b) = (boxed(3..13, 4..9, 2..6), boxed(7..17, 4..9, 2..6));
    let mut row = AgreementRow::default();
    compare(&mut row, &a, &b).unwrap();
    near(row.volume_a, 1.2);
    near(row.volume_b, 1.2);
    near(row.volume_difference_pct, 0.0);
    near(row.dice, 0.6);
    near(row.jaccard, 6.0 / 14.0);
    near(row.hd100, 4.0);
    near(row.hd95, 4.0);
    near(row.centroid_distance, 4.0);
    assert_eq!(row.status.as_deref(), Some("ok"));
    let (s1, s2, s3) = (row.surface_dice_1.unwrap(), row.surface_dice_2.unwrap(), row.surface_dice_3.unwrap());
    assert!(0.0 < s1 && s1 < s2 && s2 < s3 && s3 < 1.0, "{s1} {s2} {s3}");
    // No part of either surface is farther than the shift, and some is on the other.
    assert!(row.assd.unwrap() > 0.0 && row.assd.unwrap() < 4.0);

    let mut same = AgreementRow::default();
    compare(&mut same, &a, &a).unwrap();
    for (got, want) in [(same.dice, 1.0), (same.surface_dice_1, 1.0), (same.hd100, 0.0), (same.assd, 0.0)] {
        near(got, want);
    }

    // Half of the height is missing: Dice 2·½ / (1 + ½).
    let mut half = AgreementRow::default();
    compare(&mut half, &a, &boxed(3..13, 4..9, 2..4)).unwrap();
    near(half.dice, 2.0 / 3.0);
    near(half.volume_difference_pct, -50.0);
    near(half.hd100, 6.0);
    near(half.centroid_distance, 3.0);
}

#[test]
fn empty_masks_have_a_reason_and_no_distances() {
    let (a, none) = (boxed(3..13, 4..9, 2..6), boxed(0..0, 0..0, 0..0));
    for (x, y, dice) in [(&a, &none, Some(0.0)), (&none, &a, Some(0.0)), (&none, &none, None)] {
        let mut row = AgreementRow::default();
        compare(&mut row, x, y).unwrap();
        assert_eq!((row.dice, row.surface_dice_2, row.hd95, row.centroid_distance), (dice, dice, None, None));
        assert_eq!(row.status.as_deref(), Some("empty"));
        assert!(row.reason.is_some());
    }
}

#[test]
fn sheared_grids_have_overlap_without_distances() {
    let mut a = boxed(3..13, 4..9, 2..6);
    a.grid.step[2][1] = 0.8;
    let mut row = AgreementRow::default();
    compare(&mut row, &a, &a).unwrap();
    near(row.dice, 1.0);
    assert_eq!((row.hd95, row.status.as_deref()), (None, Some("no_distances")));
}

#[test]
fn windows_hold_both_and_stay_on_the_grid() {
    let dims = [20, 16, 12];
    assert_eq!(around([Some(([3, 4, 2], [10, 5, 4])), None], dims), Some(([2, 3, 1], [12, 7, 6])));
    assert_eq!(
        around([Some(([0, 4, 2], [1, 1, 1])), Some(([17, 0, 5], [3, 2, 7]))], dims),
        Some(([0, 0, 1], [20, 6, 11]))
    );
    assert_eq!(around([None, None], dims), None);
    // A window of a label map is that part of it.
    let mask = boxed(3..13, 4..9, 2..6);
    let labels = mask.map(|&v| u32::from(v) * 7);
    let window = ([2, 3, 1], [12, 7, 6]);
    let cut = part(&labels, 7, window, labels.grid.window(window.0, window.1));
    assert_eq!((cut.count(), centroid(&cut)), (200, centroid(&mask)));
}
