//! Image series: bit identity over transfer syntaxes, geometry, SUV.

mod common;

use common::{files, shared};
use rtpipeline_dicom::digest::pixel_digest;
use rtpipeline_dicom::guard::Object;
use rtpipeline_dicom::image::suv::{PetFacts, date_time, day, suv_factor, time_of_day};
use rtpipeline_dicom::image::{
    ImageError, ImageSeries, SeriesFile, SeriesOptions, Unit, read_series, read_series_with,
};
use std::path::{Path, PathBuf};

fn series(paths: &[PathBuf]) -> Result<ImageSeries, ImageError> {
    read_series(&paths.iter().cloned().map(SeriesFile::from).collect::<Vec<_>>())
}

fn folder(rel: &str) -> Option<Result<ImageSeries, ImageError>> {
    Some(series(&files(&shared(rel)?)))
}

fn has(s: &ImageSeries, code: &str) -> bool {
    s.findings.iter().any(|f| f.code == code)
}

fn norm(v: [f64; 3]) -> f64 {
    v.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// MANIFEST §18: one CT in 13 syntaxes.
#[test]
fn one_image_in_all_syntaxes() {
    let Some(root) = shared("dicom_syntax/ct_one_image_all_syntaxes") else { return };
    let all = files(&root);
    let one = |uid: &str| {
        let p = all.iter().find(|p| p.to_string_lossy().ends_with(&format!("__{uid}.dcm"))).unwrap();
        series(std::slice::from_ref(p))
    };
    let plain = one("1.2.840.10008.1.2.1").unwrap();
    assert_eq!(plain.stored_range, [-2000, 2402]);
    for ts in ["1.2.1.99", "1.2.5", "1.2.4.57", "1.2.4.70", "1.2.4.90"] {
        let s = one(&format!("1.2.840.10008.{ts}")).unwrap();
        assert_eq!(s.stored_range, plain.stored_range, "{ts}");
        assert!(s.volume == plain.volume, "{ts}: pixels differ");
    }
    let lossy = one("1.2.840.10008.1.2.4.91").unwrap();
    let worst =
        lossy.volume.values().iter().zip(plain.volume.values()).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
    assert!(worst <= 5.0, "{worst}");
    for ts in ["80", "81", "53", "55"] {
        let uid = format!("1.2.840.10008.1.2.4.{ts}");
        match one(&uid) {
            Err(ImageError::UnsupportedSyntax { uid: u, .. }) => assert_eq!(u, uid),
            other => panic!("{uid}: {other:?}"),
        }
    }
    // 8 and 12 bit versions are rescaled: other values on the same grid.
    for ts in ["50", "51"] {
        let s = one(&format!("1.2.840.10008.1.2.4.{ts}")).unwrap();
        assert_eq!(s.grid, plain.grid, "{ts}");
    }
}

/// The twins of MR_small: implicit, big endian, RLE and JPEG 2000 hold the same pixels.
#[test]
fn twins_of_one_mr() {
    let Some(root) = shared("dicom_syntax/pydicom") else { return };
    let pixels = |n: &str| pixel_digest(&Object::read(&root.join(n)).unwrap()).unwrap();
    let values = |n: &str| series(&[root.join(n)]).unwrap().volume;
    for n in ["MR_small_RLE", "MR_small_bigendian", "MR_small_expb", "MR_small_implicit", "MR_small_jp2klossless"] {
        assert_eq!(pixels("MR_small.dcm"), pixels(&format!("{n}.dcm")), "{n}");
        assert_eq!(values("MR_small.dcm").data, values(&format!("{n}.dcm")).data, "{n}");
    }
    let content = |n: &str| rtpipeline_dicom::digest::content_digest(&root.join(n)).unwrap();
    assert_eq!(content("MR_small.dcm"), content("MR_small_implicit.dcm"));
    assert_eq!(content("MR_small_bigendian.dcm"), content("MR_small_expb.dcm"));
    assert_ne!(content("MR_small.dcm"), content("CT_small.dcm"));
    // Header and pixels in big and little endian (one dose, MANIFEST §18).
    assert_eq!(content("rtdose.dcm"), content("rtdose_expb.dcm"));
}

/// MANIFEST §2: 177 slices, z −139…125 step 1.5, 86×86 of 3.515625 mm.
#[test]
fn head_ct() {
    let Some(root) = shared("varian_proton_head") else { return };
    let ct: Vec<PathBuf> =
        files(&root).into_iter().filter(|p| p.file_name().unwrap().to_string_lossy().starts_with("CT")).collect();
    let s = series(&ct).unwrap();
    assert_eq!(s.grid.dims, [86, 86, 177]);
    assert_eq!(s.unit, Unit::Hu);
    assert!((s.grid.origin[2] + 139.0).abs() < 1e-9 && s.uniform && !s.sheared);
    assert!(s.grid.spacing().iter().zip([3.515625, 3.515625, 1.5]).all(|(a, b)| (a - b).abs() < 1e-9));
    assert!(s.slice_uids.iter().all(|u| !u.is_empty()));
    // The order of the files does not matter.
    let mut reversed = ct;
    reversed.reverse();
    assert_eq!(series(&reversed).unwrap(), s);
}

/// A slice less: the gap is found, filled by interpolation and said.
#[test]
fn missing_slice() {
    let Some(root) = shared("varian_proton_head") else { return };
    let mut ct: Vec<PathBuf> =
        files(&root).into_iter().filter(|p| p.file_name().unwrap().to_string_lossy().starts_with("CT")).collect();
    let whole = series(&ct).unwrap();
    let out = ct.iter().position(|p| *p == whole.planes[40].path).unwrap();
    ct.remove(out);
    let s = series(&ct).unwrap();
    assert!(has(&s, "missing_slices") && !s.uniform);
    assert_eq!(s.interpolated, [40]);
    assert!(s.slice_uids[40].is_empty() && s.grid.same_as(&whole.grid, 1e-9));
    let n = 86 * 86;
    let (a, b, c) = (
        &whole.volume.values()[39 * n..40 * n],
        &s.volume.values()[40 * n..41 * n],
        &whole.volume.values()[41 * n..42 * n],
    );
    for ((x, y), z) in a.iter().zip(b).zip(c) {
        assert!((y - (x + z) / 2.0).abs() < 1e-3);
    }
}

/// MANIFEST §23.
#[test]
fn series_that_are_no_regular_volume() {
    let Some(tilt) = folder("geometry_quirks/gantrytilting/001") else { return };
    let tilt = tilt.unwrap();
    assert!(tilt.sheared && has(&tilt, "gantry_tilt") && !tilt.grid.is_orthogonal(1e-3));
    assert!((tilt.grid.step[2][2] - 5.0).abs() < 1e-9 && tilt.grid.step[2][1].abs() < 1e-9);
    let flat = folder("geometry_quirks/notavolume/001").unwrap();
    assert!(matches!(flat, Err(ImageError::NotAVolume(_))), "{flat:?}");
    let gap = folder("geometry_quirks/sliceincrement/002").unwrap().unwrap();
    assert!(has(&gap, "missing_slices") && gap.grid.dims[2] == 5 && gap.interpolated == [3], "{:?}", gap.findings);
    let few = folder("geometry_quirks/slicecount/001").unwrap().unwrap();
    assert!(has(&few, "few_slices") && few.grid.dims == [128, 128, 2]);
    let two = folder("geometry_quirks/sliceorientation/001").unwrap().unwrap();
    assert!(has(&two, "several_geometries") && two.grid.dims[2] == 2 && two.other_stacks.len() == 1);
}

/// MANIFEST §10: oblique, 50 rows × 100 columns, rows 3.5 mm and columns 2.5 mm apart.
#[test]
fn oblique_non_square() {
    let Some(root) = shared("rtstruct_references/oriented_data") else { return };
    let ct: Vec<PathBuf> = (0..3).map(|n| root.join(format!("{n}.dcm"))).collect();
    let s = series(&ct).unwrap();
    assert_eq!(s.grid.dims, [100, 50, 3]);
    assert!((norm(s.grid.step[0]) - 2.5).abs() < 1e-9 && (norm(s.grid.step[1]) - 3.5).abs() < 1e-9);
    let first = s.planes[0].position;
    assert_eq!(s.grid.origin, first);
    assert!(s.grid.is_orthogonal(1e-6) && !s.sheared);
}

/// MANIFEST §11: three images of one frame of reference; the PET is SUV already.
#[test]
fn ct_pet_mr() {
    let Some(ct) = folder("sts_ct_pet_mr/STS_002/CT/image") else { return };
    let (ct, pet, mr) = (
        ct.unwrap(),
        folder("sts_ct_pet_mr/STS_002/PET/image").unwrap().unwrap(),
        folder("sts_ct_pet_mr/STS_002/MR_T1/image").unwrap().unwrap(),
    );
    assert_eq!((ct.grid.dims, pet.grid.dims, mr.grid.dims), ([161, 143, 48], [30, 27, 48], [115, 90, 35]));
    assert_eq!((ct.unit, pet.unit, mr.unit), (Unit::Hu, Unit::SuvBw, Unit::Arbitrary));
    assert!((ct.grid.spacing()[2] - 3.27).abs() < 1e-6 && ct.integer_valued && !pet.integer_valued);
}

/// MANIFEST §12: raw PET of GE against the SUV images of the same scan: 4116.870093 Bq/ml per SUV, window columns 59…99,
/// rows 45…87; the maximum is 7.9107.
#[test]
fn suv_of_a_real_scan() {
    let Some(raw) = folder("pet_suv/sts_001_raw") else { return };
    let raw = raw.unwrap();
    let reference = folder("pet_suv/sts_001_suv_reference").unwrap().unwrap();
    assert_eq!((raw.unit, reference.unit), (Unit::SuvBw, Unit::SuvBw));
    assert_eq!(reference.grid.dims[..2], [41, 43]);
    let at = |s: &ImageSeries, k: usize, j: usize, i: usize| f64::from(s.volume.data[[k, j, i]]);
    let mut worst: f64 = 0.0;
    let top = reference.volume.values().iter().copied().fold(0f32, f32::max);
    for k in 0..raw.grid.dims[2].min(reference.grid.dims[2]) {
        // Both images are rounded to their own steps; beyond half of each they differ by less than 1e-6.
        let step = |s: &ImageSeries| {
            let slope = [dicom_dictionary_std::tags::RESCALE_SLOPE];
            let text = rtpipeline_dicom::attributes::attributes(&s.planes[k].path, &slope).unwrap();
            text[0].as_ref().unwrap().parse::<f64>().unwrap()
        };
        let rounding = f64::midpoint(step(&raw) / 4116.870093, step(&reference));
        for j in 0..43 {
            for i in 0..41 {
                let (a, b) = (at(&raw, k, j + 45, i + 59), at(&reference, k, j, i));
                worst = worst.max(((a - b).abs() - rounding) / b.max(0.1));
            }
        }
    }
    assert!(worst < 1e-6, "{worst}");
    assert!((f64::from(top) - 7.9107).abs() < 1e-4, "{top}");
    let paths = files(&shared("pet_suv/sts_001_raw").unwrap());
    let keep = SeriesOptions { keep_activity: true, ..SeriesOptions::default() };
    let activity = read_series_with(&paths.iter().cloned().map(SeriesFile::from).collect::<Vec<_>>(), &keep).unwrap();
    assert_eq!(activity.unit, Unit::BqMl);
    let ratio = f64::from(activity.volume.data[[10, 60, 80]]) / f64::from(raw.volume.data[[10, 60, 80]]);
    assert!((ratio / 4116.870093 - 1.0).abs() < 1e-6, "{ratio}");
    // ACRIN: 1682.7976 Bq/ml per SUV.
    let o = Object::read(&shared("pet_suv/acrin_flt_breast/1.dcm").unwrap()).unwrap();
    let f = suv_factor(&PetFacts::of(&o.data), None).unwrap();
    assert!((1.0 / f.factor / 1682.7976 - 1.0).abs() < 1e-6, "{}", 1.0 / f.factor);
}

fn facts(v: &serde_json::Value) -> PetFacts {
    let text = |k: &str| v[k].as_str().map(|t| t.trim().to_owned());
    let number = |k: &str| v[k].as_f64();
    let clock = |d: &str, t: &str| Some(day(&text(d)?)? * 86400.0 + time_of_day(&text(t)?)?);
    let philips = |k: &str| v["PhilipsPETPrivateGroup"][k].as_str().and_then(|t| t.parse().ok());
    PetFacts {
        units: text("Units"),
        decay_correction: text("DecayCorrection"),
        corrected_image: v["CorrectedImage"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c.as_str().unwrap().to_owned())
            .collect(),
        weight_kg: number("PatientWeight"),
        dose_bq: number("RadionuclideTotalDose"),
        half_life_s: number("RadionuclideHalfLife"),
        injection: text("RadiopharmaceuticalStartDateTime").and_then(|t| date_time(&t)),
        injection_time: text("RadiopharmaceuticalStartTime").and_then(|t| time_of_day(&t)),
        series: clock("SeriesDate", "SeriesTime"),
        acquisition: clock("AcquisitionDate", "AcquisitionTime"),
        frame_reference_ms: number("FrameReferenceTime"),
        frame_duration_ms: number("ActualFrameDuration"),
        philips_suv: philips("SUVScaleFactor"),
        philips_activity: philips("ActivityConcentrationScaleFactor"),
        ..PetFacts::default()
    }
}

/// MANIFEST §12: expected factors of calculate-suv.
#[test]
fn suv_factors_of_five_vendors() {
    let Some(root) = shared("pet_suv/suv_factor_metadata") else { return };
    for (name, expected) in [
        ("SIEMENS", 0.00042748316187197236),
        ("GE_MEDICAL_AND_BQML", 0.0005367387681819742),
        ("PHILIPS_CNTS_AND_BQML_SUV", 0.000551),
        ("PHILIPS_CNTS_AND_SUV", 0.000728),
        ("BQML_AC_DT_lessThan_S_DT_SIEMENS", 0.0004069156854009332),
        ("RADIOPHARM_DATETIME_UNDEFINED", 0.0003721089202818729),
    ] {
        let text = std::fs::read_to_string(root.join(format!("{name}-instances.json"))).unwrap();
        let all: Vec<PetFacts> =
            serde_json::from_str::<Vec<serde_json::Value>>(&text).unwrap().iter().map(facts).collect();
        let earliest = all.iter().filter_map(|p| p.acquisition).min_by(f64::total_cmp);
        let f = suv_factor(&all[0], earliest).unwrap();
        assert!((f.factor - expected).abs() < 1e-6 * expected, "{name}: {} instead of {expected}", f.factor);
    }
}

/// MANIFEST §22: a legacy converted CT holds the pixels of its three sources; enhanced MR has its geometry per frame.
#[test]
fn enhanced_images() {
    let Some(single) = folder("seg_and_multiframe/dcmqi/23x38x3/image") else { return };
    let single = single.unwrap();
    let multi = folder("seg_and_multiframe/dcmqi/23x38x3/multiframe").unwrap().unwrap();
    assert_eq!(single.grid.dims, [23, 38, 3]);
    assert!(multi.grid.same_as(&single.grid, 1e-6), "{:?} {:?}", multi.grid, single.grid);
    assert_eq!(multi.volume.data, single.volume.data);
    let mr = series(&[shared("seg_and_multiframe/enhanced/siemens_xa10_6_1.dcm").unwrap()]).unwrap();
    assert_eq!(mr.grid.dims, [64, 64, 6], "{:?}", mr.findings);
    // This one has lost its functional groups.
    let lost = series(&[shared("seg_and_multiframe/enhanced/emri_small.dcm").unwrap()]).unwrap_err();
    assert!(lost.to_string().contains("functional groups"), "{lost}");
}

/// MANIFEST §13: ten images of a cine of 20 phases, number = position × 20 + phase + 1. Each has its own frame of
/// reference and an empty item of functional groups beside its own geometry. Phase 7 (images 48, 68, 88 and 108) is a
/// stack, and so is phase 18, which a reference to its images selects.
#[test]
fn cine_is_split_by_phase() {
    let Some(root) = shared("cardiac_mr_sunnybrook/dicoms/SCD0000101") else { return };
    let file = |n: u32| root.join(format!("{n}.dcm"));
    let all = [47, 48, 59, 60, 68, 79, 88, 99, 108, 119].map(file);
    let names = |s: &ImageSeries| -> Vec<String> {
        let mut v: Vec<String> =
            s.planes.iter().map(|p| p.path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
        v.sort();
        v
    };
    let s = series(&all).unwrap();
    assert_eq!(names(&s), ["108", "48", "68", "88"], "{:?}", s.findings);
    assert_eq!(s.grid.dims, [256, 256, 4]);
    // The manifest's 1.367188 mm; the slices are 10 mm thick without a gap (rounding of the positions: 0.001 mm).
    assert!(s.grid.spacing().iter().zip([1.367188, 1.367188, 10.0]).all(|(a, b)| (a - b).abs() < 2e-3));
    assert!(has(&s, "frame_of_reference_per_image") && s.other_stacks.len() == 3, "{:?}", s.findings);
    let prefer = vec![series(&[file(99)]).unwrap().slice_uids[0].clone()];
    let files: Vec<SeriesFile> = all.iter().cloned().map(SeriesFile::from).collect();
    let s = read_series_with(&files, &SeriesOptions { prefer, ..SeriesOptions::default() }).unwrap();
    assert_eq!(names(&s), ["119", "59", "79", "99"]);
    // One image alone is a volume of one slice, at the place that its own attributes state.
    let one = series(&[file(108)]).unwrap();
    assert_eq!((one.grid.dims, one.grid.origin), ([256, 256, 1], [196.269, 2.29548, 128.308]));
}

/// MANIFEST §18: 12-bit JPEG is the CT rescaled; one frame in several fragments without an offset table is divided where
/// code streams begin.
#[test]
fn extended_jpeg_of_12_bits() {
    let Some(root) = shared("dicom_syntax/ct_one_image_all_syntaxes") else { return };
    let find = |end: &str| {
        common::files(&root).into_iter().find(|p| p.to_string_lossy().ends_with(&format!("_{end}.dcm"))).unwrap()
    };
    let plain = series(&[find("1.2.840.10008.1.2.1")]).unwrap();
    let lossy = series(&[find("1.2.840.10008.1.2.4.51")]).unwrap();
    let (x, y): (Vec<f64>, Vec<f64>) = plain
        .volume
        .values()
        .iter()
        .zip(lossy.volume.values())
        .filter(|(a, _)| **a > -1000.0)
        .map(|(a, b)| (f64::from(*a), f64::from(*b)))
        .unzip();
    let n = x.len() as f64;
    let mean = |v: &[f64]| v.iter().sum::<f64>() / n;
    let (mx, my) = (mean(&x), mean(&y));
    let cov =
        |a: &[f64], ma: f64, b: &[f64], mb: f64| -> f64 { a.iter().zip(b).map(|(p, q)| (p - ma) * (q - mb)).sum() };
    let r = cov(&x, mx, &y, my) / (cov(&x, mx, &x, mx) * cov(&y, my, &y, my)).sqrt();
    // The same picture up to a straight line; a wrong block, table or order would spoil it.
    assert!(r > 0.999, "correlation {r}, {} values", x.len());

    let Some(p) = shared("dicom_syntax/other/CT0012.fragmented_no_bot_jpeg_baseline.51.dcm") else { return };
    let s = series(&[p]).unwrap();
    assert_eq!(s.grid.dims, [512, 512, 2]);
    // Frames differ and each is filled to its last rows: none was cut at a fragment.
    let planes: Vec<_> = s.volume.values().chunks(512 * 512).collect();
    assert_ne!(planes[0], planes[1]);
    for v in planes {
        assert!(v.iter().any(|x| *x > v[0]) && v[500 * 512..].iter().all(|x| (x - v[511]).abs() < 100.0));
    }
}

/// MANIFEST §19: the code stream says another sign than the header.
#[test]
fn sign_of_code_stream() {
    let Some(p) = shared("broken_files/J2K_pixelrep_mismatch.dcm") else { return };
    let s = series(&[p]).unwrap();
    assert!(has(&s, "codestream_sign"), "{:?}", s.findings);
}

#[test]
fn compressed_ct_with_empty_uids() {
    let Some(s) = folder("totalseg_example/example_ct_dicom") else { return };
    let s = s.unwrap();
    assert_eq!(s.grid.dims, [512, 512, 6]);
    assert!((s.grid.spacing()[2] - 2.0).abs() < 1e-6 && s.volume.values().iter().any(|v| *v > 500.0));
    assert!(series(&[Path::new("/nonexistent.dcm").to_owned()]).is_err() && series(&[]).is_err());
}
