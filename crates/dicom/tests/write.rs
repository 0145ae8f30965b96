//! Written objects come back as they were given, and dciodvfy finds no error in them.

mod common;

use dicom_dictionary_std::tags as t;
use rtpipeline_dicom::image::{SeriesFile, read_series};
use rtpipeline_dicom::rtdose::read_dose;
use rtpipeline_dicom::rtplan::read_plan;
use rtpipeline_dicom::rtstruct::read_structure_set;
use rtpipeline_dicom::uid;
use rtpipeline_dicom::write::{
    BeamSpec, DoseSpec, ImageKind, ImageSpec, PlanSpec, SourceImages, StructureSetSpec, StructureSpec, write_dose,
    write_image_series, write_plan, write_structure_set,
};
use rtpipeline_geometry::{Contour, ContourKind, DoseGrid, Grid, Volume};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Errors of dciodvfy (Debian dicom3tools); none if it is not installed.
fn verify(path: &Path) {
    let Ok(out) = Command::new("dciodvfy").arg(path).output() else {
        println!("skipped: dciodvfy is not installed");
        return;
    };
    let text = String::from_utf8_lossy(&out.stderr).into_owned() + &String::from_utf8_lossy(&out.stdout);
    let errors: Vec<&str> = text.lines().filter(|l| l.starts_with("Error")).collect();
    assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
}

fn context() -> SourceImages {
    SourceImages {
        patient_name: "Müller^Test".into(),
        patient_id: "T-1".into(),
        patient_birth_date: "19600102".into(),
        patient_sex: "F".into(),
        study_uid: uid::derived(&["study"]),
        study_date: "20240305".into(),
        study_time: "101112".into(),
        study_id: "1".into(),
        frame_of_reference_uid: uid::derived(&["frame"]),
        normal: [0.0, 0.0, 1.0],
        ..SourceImages::default()
    }
}

/// An oblique grid of non-square pixels.
fn grid() -> Grid {
    let (s, c) = (12f64.to_radians().sin(), 12f64.to_radians().cos());
    Grid::new([20, 16, 6], [-31.25, 17.5, -44.125], [1.0, 1.7, 2.5], [[1.0, 0.0, 0.0], [0.0, c, s], [0.0, -s, c]])
        .unwrap()
}

fn images(dir: &Path, kind: ImageKind) -> (Vec<PathBuf>, Volume<i16>) {
    let g = grid();
    let values = (0..g.len()).map(|n| ((n * 37) % 3000) as i16 - 1000).collect();
    let volume = Volume::from_vec(g, values);
    let spec = ImageSpec {
        kind,
        context: &context(),
        volume: &volume,
        series_number: 2,
        description: "synthetic",
        patient_position: "HFS",
        extra: &[],
    };
    let written = write_image_series(dir, &spec).unwrap();
    (written.into_iter().map(|w| w.path).collect(), volume)
}

#[test]
fn images_round_trip() {
    for kind in [ImageKind::Ct, ImageKind::Mr] {
        let dir = tempfile::tempdir().unwrap();
        let (paths, volume) = images(dir.path(), kind);
        for p in &paths {
            verify(p);
        }
        let s = read_series(&paths.iter().cloned().map(SeriesFile::from).collect::<Vec<_>>()).unwrap();
        // Positions have at most 16 characters.
        assert!(s.grid.same_as(&volume.grid, 1e-9), "{:?}", s.grid);
        assert!(s.volume.values().iter().zip(volume.values()).all(|(a, b)| *a == f32::from(*b)));
        assert!(s.integer_valued && s.uniform && !s.sheared);
        let again = tempfile::tempdir().unwrap();
        let (second, _) = images(again.path(), kind);
        assert_eq!(std::fs::read(&paths[3]).unwrap(), std::fs::read(&second[3]).unwrap());
    }
}

#[test]
fn structure_sets_round_trip() {
    let dir = tempfile::tempdir().unwrap();
    let (paths, volume) = images(&dir.path().join("ct"), ImageKind::Ct);
    let source = SourceImages::read(&paths).unwrap();
    let at = |i: f64, j: f64, k: f64| volume.grid.world([i, j, k]);
    let ring = |n: usize, k: f64| -> Vec<[f64; 3]> {
        (0..n)
            .map(|m| {
                let a = m as f64 / n as f64 * std::f64::consts::TAU;
                at(9.0 + 6.0 * a.cos(), 8.0 + 5.0 * a.sin(), k)
            })
            .collect()
    };
    let spec = |name: &str, contours: Vec<Contour>| StructureSpec {
        name: name.into(),
        contours,
        color: [200, 10, 5],
        interpreted_type: "ORGAN".into(),
        algorithm: "AUTOMATIC".into(),
        number: None,
    };
    let structures = [
        // More than 65 534 bytes in one element: only implicit VR can hold it.
        spec("Länge", vec![Contour::closed(ring(6000, 2.0)), Contour::closed(ring(40, 3.0))]),
        spec("GTV", vec![Contour::closed(ring(12, 1.0))]),
        spec("gtv", vec![Contour { kind: ContourKind::Point, points: vec![at(3.0, 4.0, 2.0)] }]),
        spec("empty", vec![Contour::closed(ring(2, 1.0))]),
        StructureSpec { number: Some(2), ..spec(&"x".repeat(80), vec![]) },
    ];
    let set = StructureSetSpec {
        label: "a label of more than 16 characters",
        description: "test",
        date: "",
        time: "",
        series_number: 9,
        images: &source,
        structures: &structures,
    };
    let path = dir.path().join("RS.dcm");
    let written = write_structure_set(&path, &set).unwrap();
    verify(&path);
    let back = read_structure_set(&path).unwrap();
    assert_eq!(back.sop_instance_uid, written.sop_instance_uid);
    assert!(uid::is_valid(&written.sop_instance_uid) && uid::is_valid(&written.series_uid));
    let names: Vec<&str> = back.rois.iter().map(|r| r.original_name.as_str()).collect();
    assert_eq!(names[..4], ["Länge", "GTV", "gtv_2", "empty"]);
    assert_eq!(names[4].len(), 64);
    let mut numbers: Vec<i64> = back.rois.iter().map(|r| r.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 5);
    assert_eq!(back.rois[4].number, 2);
    for (r, s) in back.rois.iter().zip(&structures) {
        let kept: Vec<&Contour> = s.contours.iter().filter(|c| !c.kind.is_closed() || c.points.len() >= 3).collect();
        assert_eq!(r.contours.len(), kept.len(), "{}", r.name);
        for (a, b) in r.contours.iter().zip(kept) {
            assert_eq!((a.kind, a.points.len()), (b.kind, b.points.len()));
            for (p, q) in a.points.iter().flatten().zip(b.points.iter().flatten()) {
                assert!((p - q).abs() <= 5e-5 + 1e-12, "half of the last of four decimals");
            }
        }
    }
    assert_eq!(back.referenced_series[0].image_uids.len(), 6);
    // Contours refer to the slice they lie on: slices 2 and 3.
    let wanted = [&source.images[2].sop_instance_uid, &source.images[3].sop_instance_uid];
    assert!(back.rois[0].referenced_image_uids.iter().eq(wanted));
    assert_eq!(back.rois[0].color, Some([200, 10, 5]));
    // dicom-object reads the file without this crate's guard.
    let object = dicom_object::open_file(&path).unwrap();
    assert_eq!(object.meta().transfer_syntax(), "1.2.840.10008.1.2");
    assert_eq!(object.meta().media_storage_sop_instance_uid(), written.sop_instance_uid);
    let mut values = 0;
    for roi in object.element(t::ROI_CONTOUR_SEQUENCE).unwrap().items().unwrap() {
        for contour in roi.get(t::CONTOUR_SEQUENCE).and_then(|s| s.items()).unwrap_or(&[]) {
            let text = contour.element(t::CONTOUR_DATA).unwrap().to_multi_str().unwrap();
            // PS3.5 table 6.2-1: a decimal string has at most 16 bytes.
            assert!(text.iter().all(|v| v.len() <= 16 && v.trim().parse::<f64>().is_ok()));
            values += text.len();
        }
    }
    let points: usize = back.rois.iter().flat_map(|r| &r.contours).map(|c| c.points.len()).sum();
    assert_eq!(values, 3 * points);
    let second = dir.path().join("RS2.dcm");
    write_structure_set(&second, &set).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(&second).unwrap());
}

#[test]
fn doses_and_plans_round_trip() {
    let dir = tempfile::tempdir().unwrap();
    let (paths, volume) = images(&dir.path().join("ct"), ImageKind::Ct);
    let source = SourceImages::read(&paths).unwrap();
    let values = ndarray::Array3::from_shape_fn(volume.grid.shape(), |(k, j, i)| {
        40.0 + 0.2 * i as f32 + 0.1 * j as f32 + 0.3 * k as f32
    });
    let dose = DoseGrid::from_grid(&volume.grid, values).unwrap();
    let plan_path = dir.path().join("RP.dcm");
    let arc: Vec<f64> = (0..60).map(|n| (182.0 + 5.0 * f64::from(n)) % 360.0).collect();
    let beam = |name, angles| BeamSpec {
        name,
        energy: 6.0,
        gantry_angles: angles,
        collimator_angle: 10.0,
        couch_angle: 0.0,
        jaws: [50.0, 60.0],
        dose: 1.0,
        meterset: 123.5,
    };
    let beams = [beam("arc", &arc), beam("static", &[90.0])];
    let plan = PlanSpec {
        images: &source,
        label: "P1",
        name: "plan",
        date: "20240306",
        time: "120000",
        intent: "CURATIVE",
        approval: "APPROVED",
        structure_set_uid: &uid::derived(&["rs"]),
        prescription: 50.0,
        target: "PTV",
        fractions: 25,
        isocentre: [1.5, -2.0, 3.0],
        patient_position: "HFS",
        machine: "TB1",
        beams: &beams,
        series_number: 3,
    };
    let written = write_plan(&plan_path, &plan).unwrap();
    verify(&plan_path);
    let p = read_plan(&plan_path).unwrap();
    let rx = p.prescription().unwrap();
    assert_eq!((rx.total_gy, rx.fractions, rx.source.as_str()), (50.0, Some(25), "DoseReferenceSequence"));
    assert_eq!(p.group_dose(&p.fraction_groups[0]), Some(50.0));
    assert!(p.beams[0].is_arc() && !p.beams[1].is_arc());
    assert!((p.beams[0].gantry_span - 295.0).abs() < 1e-9, "{}", p.beams[0].gantry_span);
    assert_eq!((p.beams[0].energies.clone(), p.machines.clone()), (vec![6.0], vec!["TB1".to_owned()]));

    let path = dir.path().join("RD.dcm");
    let spec = DoseSpec {
        images: &source,
        grid: &dose,
        summation_type: "PLAN",
        dose_type: "PHYSICAL",
        plan_uids: std::slice::from_ref(&written.sop_instance_uid),
        description: "dose",
        series_number: 4,
    };
    write_dose(&path, &spec).unwrap();
    verify(&path);
    let back = read_dose(&path).unwrap();
    assert_eq!(back.referenced_plans, [written.sop_instance_uid]);
    let g = back.gy_grid().unwrap();
    for index in [[0, 0, 0], [19, 0, 0], [0, 15, 0], [0, 0, 5], [19, 15, 5]] {
        let (a, b) = (g.voxel_centre(index), dose.voxel_centre(index));
        assert!(a.iter().zip(b).all(|(x, y)| (x - y).abs() < 1e-6), "{a:?} {b:?}");
        let [i, j, k] = index;
        assert!((g.values[[k, j, i]] - dose.values[[k, j, i]]).abs() <= 1e-5);
    }
}
