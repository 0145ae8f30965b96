//! Things that exports hold and that break naive readers: objects are written, changed in memory and read.

mod common;

use common::shared;
use dicom_core::Tag;
use dicom_dictionary_std::tags as t;
use rtpipeline_dicom::guard::{DataSet, Element, Object, Value, Vr};
use rtpipeline_dicom::image::{ImageError, SeriesFile, SeriesOptions, read_series, read_series_with};
use rtpipeline_dicom::rtdose::{DoseUnits, dose};
use rtpipeline_dicom::rtstruct::{read_structure_set, structure_set};
use rtpipeline_dicom::uid;
use rtpipeline_dicom::write::{
    ImageKind, ImageSpec, SourceImages, StructureSetSpec, StructureSpec, write_image_series, write_structure_set,
};
use rtpipeline_geometry::{Contour, Grid, Volume};
use std::path::{Path, PathBuf};

fn set(d: &mut DataSet, tag: Tag, vr: &[u8; 2], v: &str) {
    d.elements.retain(|e| e.tag != tag);
    d.elements.push(Element { tag, vr: Vr(*vr), value: Value::Bytes(v.as_bytes().to_vec()) });
}

fn items(d: &mut DataSet, tag: Tag) -> &mut Vec<DataSet> {
    match d.elements.iter_mut().find(|e| e.tag == tag).map(|e| &mut e.value) {
        Some(Value::Items(i)) => i,
        other => panic!("{tag}: {other:?}"),
    }
}

fn context(series: &str) -> SourceImages {
    SourceImages {
        patient_id: "T".into(),
        study_uid: uid::derived(&["study"]),
        series_uid: uid::derived(&[series]),
        frame_of_reference_uid: uid::derived(&["frame"]),
        normal: [0.0, 0.0, 1.0],
        ..SourceImages::default()
    }
}

fn spec(name: &str, contours: Vec<Contour>) -> StructureSpec {
    StructureSpec {
        name: name.into(),
        contours,
        color: [1, 2, 3],
        interpreted_type: "EXTERNAL".into(),
        algorithm: String::new(),
        number: None,
    }
}

fn square(z: f64) -> Contour {
    Contour::closed(vec![[0.0, 0.0, z], [10.0, 0.0, z], [10.0, 10.0, z], [0.0, 10.0, z]])
}

fn written(structures: &[StructureSpec]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("RS.dcm");
    let s = StructureSetSpec {
        label: "L",
        description: "",
        date: "20240101",
        time: "120000",
        series_number: 1,
        images: &context("ct"),
        structures,
    };
    write_structure_set(&path, &s).unwrap();
    (dir, path)
}

fn codes(f: &[rtpipeline_dicom::Finding]) -> Vec<&str> {
    f.iter().map(|f| f.code.as_str()).collect()
}

#[test]
fn structure_set_traps() {
    let all: Vec<StructureSpec> =
        ["A", "B", "C", "D", "E"].iter().map(|n| spec(n, vec![square(0.0), square(1.0)])).collect();
    let (_dir, path) = written(&all);
    let mut o = Object::read(&path).unwrap();
    // The two sequences in opposite order: joined by number.
    items(&mut o.data, t::ROI_CONTOUR_SEQUENCE).reverse();
    // A second "A"; a contour item that nobody owns.
    set(&mut items(&mut o.data, t::STRUCTURE_SET_ROI_SEQUENCE)[1], t::ROI_NAME, b"LO", "a");
    set(&mut items(&mut o.data, t::ROI_CONTOUR_SEQUENCE)[0], t::REFERENCED_ROI_NUMBER, b"IS", "77");
    // In C (third from both ends): not a number, one value too many, a wrong count.
    let c = items(&mut items(&mut o.data, t::ROI_CONTOUR_SEQUENCE)[2], t::CONTOUR_SEQUENCE);
    set(&mut c[0], t::CONTOUR_DATA, b"DS", "1\\2\\nan\\4\\5\\6\\7\\8\\9");
    set(&mut c[1], t::CONTOUR_DATA, b"DS", "1\\ 2 \\3e0\\4\\5\\6\\7\\8\\9\\10");
    set(&mut c[1], t::NUMBER_OF_CONTOUR_POINTS, b"IS", "4.0");
    // In D: centimetres gone wrong and an unknown type.
    let d = items(&mut items(&mut o.data, t::ROI_CONTOUR_SEQUENCE)[1], t::CONTOUR_SEQUENCE);
    set(&mut d[0], t::CONTOUR_DATA, b"DS", "1e6\\0\\0\\0\\1\\0\\1\\1\\0");
    set(&mut d[1], t::CONTOUR_GEOMETRIC_TYPE, b"CS", "SPLINE");
    let s = structure_set(&o).unwrap();
    let names: Vec<&str> = s.rois.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(names, ["A", "a~2", "C", "D", "E"]);
    assert_eq!(s.rois[0].contours.len(), 2);
    assert_eq!(s.rois[2].contours.len(), 1);
    assert_eq!(s.rois[2].contours[0].points, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]);
    for code in ["bad_coordinate", "partial_point", "point_count"] {
        assert!(codes(&s.rois[2].findings).contains(&code), "{code}: {:?}", s.rois[2].findings);
    }
    for code in ["impossible_coordinate", "unknown_geometric_type", "no_contours"] {
        assert!(codes(&s.rois[3].findings).contains(&code), "{code}: {:?}", s.rois[3].findings);
    }
    assert!(s.rois[4].contours.is_empty());
    assert!(codes(&s.findings).contains(&"orphan_contours") && codes(&s.findings).contains(&"several_external"));
}

/// 600 000 points in one set.
#[test]
fn many_points() {
    let ring = |z: usize| {
        Contour::closed(
            (0..3000)
                .map(|n| {
                    let a = f64::from(n) / 3000.0 * std::f64::consts::TAU;
                    [200.0 * a.cos(), 150.0 * a.sin(), z as f64]
                })
                .collect(),
        )
    };
    let (_dir, path) = written(&[spec("skin", (0..200).map(ring).collect())]);
    let start = std::time::Instant::now();
    let s = read_structure_set(&path).unwrap();
    println!("600 000 points in {:?}", start.elapsed());
    assert_eq!(s.rois[0].contours.iter().map(|c| c.points.len()).sum::<usize>(), 600_000);
}

#[test]
fn dose_traps() {
    let Some(path) = shared("dicom_syntax/pydicom/rtdose.dcm") else { return };
    let o = Object::read(&path).unwrap();
    let right = dose(&o).unwrap();
    let with = |change: &dyn Fn(&mut DataSet)| {
        let mut o = o.clone();
        change(&mut o.data);
        dose(&o)
    };
    let drop = |tag: Tag| with(&|d| d.elements.retain(|e| e.tag != tag));
    assert!(drop(t::DOSE_GRID_SCALING).unwrap_err().to_string().contains("DoseGridScaling"));
    assert!(drop(t::GRID_FRAME_OFFSET_VECTOR).unwrap_err().to_string().contains("GridFrameOffsetVector"));
    assert!(with(&|d| set(d, t::DOSE_GRID_SCALING, b"DS", "0")).is_err());
    assert!(with(&|d| set(d, t::DOSE_GRID_SCALING, b"DS", "-1e-3")).is_err());
    let relative = with(&|d| set(d, t::DOSE_UNITS, b"CS", "RELATIVE")).unwrap();
    assert!(relative.units == DoseUnits::Relative && relative.gy_grid().is_err());
    // Absolute offsets: the first value is the z of the image position.
    let z = right.grid.as_ref().unwrap().origin[2];
    let offsets: Vec<f64> = o.data.numbers(t::GRID_FRAME_OFFSET_VECTOR).into_iter().flatten().collect();
    let list = |add: f64| offsets.iter().map(|v| (v + add).to_string()).collect::<Vec<_>>().join("\\");
    let absolute = with(&|d| set(d, t::GRID_FRAME_OFFSET_VECTOR, b"DS", &list(z))).unwrap();
    let (a, b) = (absolute.grid.unwrap(), right.grid.clone().unwrap());
    assert!(a.offsets.iter().zip(&b.offsets).all(|(x, y)| (x - y).abs() < 1e-9) && a.values == b.values);
    assert!(with(&|d| set(d, t::GRID_FRAME_OFFSET_VECTOR, b"DS", &list(z + 5.0))).is_err());
    // Scaled out of all proportion.
    let gray = |scaling: &str| {
        with(&|d| {
            set(d, t::DOSE_UNITS, b"CS", "GY");
            set(d, t::DOSE_GRID_SCALING, b"DS", scaling);
        })
        .unwrap()
    };
    assert!(codes(&gray("1").findings).contains(&"implausible_dose"));
    let plausible = gray("1e-6");
    assert!(!codes(&plausible.findings).contains(&"implausible_dose") && plausible.gy_grid().is_ok());
    let skew = with(&|d| set(d, t::IMAGE_ORIENTATION_PATIENT, b"DS", "1\\0\\0\\0.1\\1\\0"));
    assert!(skew.unwrap_err().to_string().contains("orthonormal"));
}

fn phase(dir: &Path, number: &str, add: i16) -> Vec<PathBuf> {
    let g = Grid::axis_aligned([8, 6, 5], [0.0, 0.0, 10.0], [1.0, 2.0, 3.0]);
    let volume = Volume::from_vec(g.clone(), (0..g.len()).map(|n| n as i16 + add).collect());
    let spec = ImageSpec {
        kind: ImageKind::Ct,
        context: &context("4d"),
        volume: &volume,
        series_number: 1,
        description: "4D",
        patient_position: "HFS",
        extra: &[(t::TEMPORAL_POSITION_IDENTIFIER, *b"IS", number)],
    };
    write_image_series(dir, &spec).unwrap().into_iter().map(|w| w.path).collect()
}

/// Two phases in one series: one is read, the other is named; the referenced one wins.
#[test]
fn phases_are_not_merged() {
    let dir = tempfile::tempdir().unwrap();
    let one = phase(&dir.path().join("1"), "1", 0);
    let two = phase(&dir.path().join("2"), "2", 1000);
    let all: Vec<SeriesFile> = one.iter().chain(&two).cloned().map(SeriesFile::from).collect();
    let s = read_series(&all).unwrap();
    assert_eq!((s.grid.dims, s.other_stacks.len(), s.volume.values()[0]), ([8, 6, 5], 1, 0.0));
    assert!(codes(&s.findings).contains(&"split_stack"));
    let second = read_series(&two.iter().cloned().map(SeriesFile::from).collect::<Vec<_>>()).unwrap();
    let options = SeriesOptions { prefer: second.slice_uids.clone(), ..SeriesOptions::default() };
    assert_eq!(read_series_with(&all, &options).unwrap().volume.values()[0], 1000.0);
    // The same files twice are one stack.
    let twice: Vec<SeriesFile> = one.iter().chain(&one).cloned().map(SeriesFile::from).collect();
    let s = read_series(&twice).unwrap();
    assert!(s.other_stacks.is_empty() && codes(&s.findings).contains(&"repeated_instances"));
    // A truncated slice is left out and leaves a gap.
    let bytes = std::fs::read(&one[2]).unwrap();
    std::fs::write(&one[2], &bytes[..bytes.len() - 20]).unwrap();
    let cut = read_series(&one.iter().cloned().map(SeriesFile::from).collect::<Vec<_>>()).unwrap();
    assert!(codes(&cut.findings).contains(&"file_left_out") && cut.interpolated == [2], "{:?}", cut.findings);
    assert!(matches!(read_series(&[]), Err(ImageError::Empty { .. })));
}
