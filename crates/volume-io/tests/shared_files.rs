//! Files of other programs against known facts about them.

use rtpipeline_volume_io::{VolumeData, read, read_labels, read_mask};
use std::path::PathBuf;

/// The folder of shared test data, or nothing with a printed reason.
fn shared(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("RTPIPELINE_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let path = root.join(path);
    if path.exists() {
        Some(path)
    } else {
        eprintln!("skipped: {} does not exist (set RTPIPELINE_SHARED)", path.display());
        None
    }
}

#[test]
fn totalsegmentator_example() {
    let Some(dir) = shared("data/totalseg_example") else { return };
    let ct = read(&dir.join("example_ct_sm.nii.gz")).expect("CT");
    assert_eq!(ct.data.grid().dims, [122, 101, 30]);
    assert!(ct.data.grid().spacing().iter().all(|s| (s - 3.0).abs() < 1e-6));
    // RAS axes: towards right and anterior is towards smaller x and y in LPS.
    let d = ct.data.grid().direction();
    assert!(d[0][0] < -0.99 && d[1][1] < -0.99 && d[2][2] > 0.99, "{d:?}");
    assert!(matches!(ct.data, VolumeData::I16(_)));

    let file = read(&dir.join("example_seg.nii.gz")).expect("labels");
    assert!(file.data.grid().same_as(ct.data.grid(), 1e-3));
    let count = |name: &str, label: u32| read_mask(&dir.join(name), label).expect("mask").count();
    for (name, liver, colon, spleen, labels) in [
        ("example_seg.nii.gz", 38634, 12993, 9452, 41),
        ("example_seg_fast.nii.gz", 39350, 12772, 9630, 40),
        ("example_seg_fast_body_seg.nii.gz", 39345, 12019, 9636, 40),
    ] {
        assert_eq!((count(name, 5), count(name, 20), count(name, 1)), (liver, colon, spleen), "{name}");
        let map = read_labels(&dir.join(name)).expect("labels");
        let mut seen: Vec<u32> = map.values().to_vec();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len() - 1, labels, "{name}");
    }
    assert_eq!(count("example_seg_fast/liver.nii.gz", 1), 39350);
    assert_eq!(count("example_seg_roi_subset.nii.gz", 5), 38631);
    let mr = read(&dir.join("example_mr_sm.nii.gz")).expect("MR");
    assert_eq!(mr.data.grid().dims, [117, 91, 20]);
    let all = read(&dir.join("example_seg_dicom.nii.gz")).expect("labels");
    assert_eq!(all.data.grid().dims, [512, 512, 20]);
    let d = all.data.grid().direction();
    assert!(d[0][0] > 0.99 && d[1][1] < -0.99 && d[2][2] > 0.99, "LAS axes: {d:?}");
}

#[test]
fn lung_ct_and_its_mask_on_another_grid() {
    let Some(dir) = shared("data/lung_ct_nifti") else { return };
    let ct = read(&dir.join("ct_cropped.nii.gz")).expect("CT").data;
    assert_eq!(ct.grid().dims, [122, 102, 112]);
    let VolumeData::I16(v) = &ct else { panic!("int16") };
    assert_eq!((v.values().iter().min(), v.values().iter().max()), (Some(&-1064), Some(&3343)));
    let heart = read(&dir.join("heart.nii.gz")).expect("mask").data;
    assert_eq!(heart.grid().dims, [233, 167, 191]);
    assert!(!heart.grid().same_as(ct.grid(), 1.0));
}

#[test]
fn nd_volume() {
    let Some(path) = shared("data/nd_volume/volume_same_data.nii.gz") else { return };
    let VolumeData::I16(v) = read(&path).expect("volume").data else { panic!("int16") };
    assert_eq!(v.grid.dims, [64, 64, 30]);
    let sum: i64 = v.values().iter().map(|&x| i64::from(x)).sum();
    assert_eq!(sum, -7081711);
    assert_eq!((v.values().iter().min(), v.values().iter().max()), (Some(&-1100), Some(&1207)));
}

#[test]
fn pyradiomics_nrrd() {
    let Some(dir) = shared("data/pyradiomics") else { return };
    for (name, dims, voxels) in [
        ("brain1_image.nrrd", [256, 256, 25], None),
        ("brain1_label.nrrd", [256, 256, 25], Some(4137)),
        ("breast1_image.nrrd", [45, 120, 21], None),
        ("breast1_label.nrrd", [45, 120, 21], Some(143)),
        ("lung1_label_crop.nrrd", [80, 80, 26], Some(837)),
        ("prostate_phantom_subvolume.nrrd", [82, 67, 13], None),
    ] {
        let file = read(&dir.join(name)).expect(name);
        assert_eq!(file.data.grid().dims, dims, "{name}");
        if let Some(n) = voxels {
            assert_eq!(file.data.mask(1).count(), n, "{name}");
        }
    }
    // The digits of the header, more than a literal may have.
    let number = |text: &str| text.parse::<f64>().expect("a number");
    let brain = read(&dir.join("brain1_image.nrrd")).expect("image").data;
    assert_eq!(brain.grid().origin, ["-99.609374999999986", "99.609374999999986", "-77.999999999999957"].map(number));
    assert_eq!(brain.grid().step[1], [0.0, number("-0.78124999999999989"), 0.0]);
    assert_eq!(brain.type_name(), "short");
    let phantom = read(&dir.join("prostate_phantom_subvolume.nrrd")).expect("image").data;
    assert_eq!(phantom.grid().step[0], [-0.5, 0.0, 0.0]);
    assert!(matches!(phantom, VolumeData::U16(_)));
}

#[test]
fn ibsi_response_maps_are_scaled() {
    let Some(dir) = shared("data/ibsi") else { return };
    let phantom = read(&dir.join("ibsi_1_digital_phantom/nifti/image/phantom.nii.gz"));
    if let Ok(p) = phantom {
        assert_eq!(p.data.grid().dims, [5, 4, 4]);
    }
    let maps = std::fs::read_dir(dir.join("ibsi_2_reference_response_maps")).expect("maps");
    let mut scaled = 0;
    for map in maps.flatten().filter(|m| m.path().to_string_lossy().contains(".nii")) {
        let file = read(&map.path()).expect("map");
        assert!(matches!(file.data, VolumeData::F32(_) | VolumeData::F64(_)), "{}", map.path().display());
        scaled += 1;
    }
    assert!(scaled > 0);
}
