//! Structure sets, doses and plans against pydicom 3.0.2 (tests/reference/pydicom.json) and the facts of the data's
//! MANIFEST.

mod common;

use common::shared;
use rtpipeline_dicom::rtdose::{DoseUnits, read_dose};
use rtpipeline_dicom::rtplan::read_plan;
use rtpipeline_dicom::rtstruct::{StructureSet, read_structure_set};
use serde_json::Value;

fn reference() -> Value {
    serde_json::from_str(include_str!("reference/pydicom.json")).unwrap()
}

/// Every structure of every structure set: number, name, number of contours and points, sum of coordinates.
#[test]
fn structures_equal_pydicom() {
    let mut seen = 0;
    for (rel, rois) in reference()["structures"].as_object().unwrap() {
        let Some(path) = shared(rel) else { return };
        let set = read_structure_set(&path).unwrap();
        let rois = rois.as_array().unwrap();
        assert_eq!(set.rois.len(), rois.len(), "{rel}");
        for (ours, theirs) in set.rois.iter().zip(rois) {
            assert_eq!(ours.number, theirs[0].as_i64().unwrap(), "{rel}");
            assert_eq!(ours.original_name, theirs[1].as_str().unwrap(), "{rel}");
            assert_eq!(ours.contours.len() as u64, theirs[2].as_u64().unwrap(), "{rel} {}", ours.name);
            let points: usize = ours.contours.iter().map(|c| c.points.len()).sum();
            assert_eq!(points as u64, theirs[3].as_u64().unwrap(), "{rel} {}", ours.name);
            let sum: f64 = ours.contours.iter().flat_map(|c| c.points.iter().flatten()).sum();
            // The reference is rounded to three decimals; sums reach 1e8 in other orders.
            assert!((sum - theirs[4].as_f64().unwrap()).abs() < 0.01, "{rel} {}: {sum}", ours.name);
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen}");
}

fn set(rel: &str) -> Option<StructureSet> {
    Some(read_structure_set(&shared(rel)?).unwrap())
}

fn planes(s: &StructureSet, name: &str) -> (usize, usize) {
    let r = s.rois.iter().find(|r| r.name == name).unwrap();
    let mut z: Vec<i64> = r.contours.iter().map(|c| (c.points[0][2] * 1000.0).round() as i64).collect();
    z.sort_unstable();
    z.dedup();
    (r.contours.len(), z.len())
}

/// MANIFEST §1: contours and slices.
#[test]
fn breast_structures() {
    let Some(s) = set("breast_boost/rtss.dcm") else { return };
    for (name, contours, slices) in [
        ("BODY", 141, 98),
        ("Borders", 2, 2),
        ("Breast", 48, 47),
        ("Heart", 33, 33),
        ("Lt Lung", 165, 80),
        ("Tumor Bed", 18, 18),
    ] {
        assert_eq!(planes(&s, name), (contours, slices), "{name}");
    }
    let empty: Vec<&str> = s.rois.iter().filter(|r| r.contours.is_empty()).map(|r| r.name.as_str()).collect();
    assert_eq!(empty, ["Areola"]);
}

/// MANIFEST §4: two volumes, fourteen curves, one empty; §5: by SOP class although the Modality says RTDOSE.
#[test]
fn curves_are_not_volumes() {
    let Some(s) = set("brachy_hdr_eclipse/RS.HDR.dcm") else { return };
    let volumes: Vec<&str> = s.rois.iter().filter(|r| r.is_volumetric()).map(|r| r.name.as_str()).collect();
    assert_eq!(volumes, ["Water", "HRCTV"]);
    let empty = s.rois.iter().filter(|r| r.contours.is_empty()).count();
    assert_eq!((s.rois.len() - volumes.len() - empty, empty), (14, 1));
    let phantom = common::files(&shared("opentps_phantom").unwrap());
    let sets: Vec<StructureSet> = phantom.iter().filter_map(|p| read_structure_set(p).ok()).collect();
    assert_eq!(sets.len(), 1);
    assert_eq!(planes(&sets[0], "TargetVolume"), (41, 41));
}

/// Nelms 2015: the cylinder of radius 12 mm and height 24 mm. Every contour is a slab of one spacing, so the sum of the
/// polygon areas × spacing is the MANIFEST's planimetric volume (§7), cm³.
#[test]
fn cylinder_volume() {
    if shared("dvh_analytic_nelms2015/structures").is_none() {
        return;
    }
    for (file, spacing, volume) in
        [("Cylinder_10_0", 1.0, 11.309), ("Cylinder_20_0", 2.0, 11.762), ("Cylinder_30_0", 3.0, 12.214)]
    {
        let path = common::files(&shared("dvh_analytic_nelms2015/structures").unwrap())
            .into_iter()
            .find(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(file)))
            .unwrap();
        let s = read_structure_set(&path).unwrap();
        let r = s.rois.iter().find(|r| r.is_volumetric()).unwrap();
        let area = |p: &[[f64; 3]]| {
            let n = p.len();
            (0..n).map(|i| p[i][0] * p[(i + 1) % n][1] - p[(i + 1) % n][0] * p[i][1]).sum::<f64>().abs() / 2.0
        };
        let v: f64 = r.contours.iter().map(|c| area(&c.points)).sum::<f64>() * spacing / 1000.0;
        assert!((v - volume).abs() < 0.001, "{file}: {v}");
    }
}

#[test]
fn doses_equal_pydicom() {
    let mut seen = 0;
    for (rel, r) in reference()["doses"].as_object().unwrap() {
        let Some(path) = shared(rel) else { return };
        let d = read_dose(&path).unwrap();
        let g = d.grid.as_ref().unwrap();
        let shape: Vec<u64> = r["shape"].as_array().unwrap().iter().map(|v| v.as_u64().unwrap()).collect();
        assert_eq!(g.values.shape().iter().map(|&v| v as u64).collect::<Vec<_>>(), shape, "{rel}");
        let max = r["max"].as_f64().unwrap();
        assert!((d.maximum.unwrap() / max - 1.0).abs() < 1e-12, "{rel}: {:?}", d.maximum);
        let mean = g.values.iter().map(|v| f64::from(*v)).sum::<f64>() / g.values.len() as f64;
        // Values are kept in single precision: 6e-8 relative each, less in the mean.
        assert!((mean / r["mean"].as_f64().unwrap() - 1.0).abs() < 1e-6, "{rel}: {mean}");
        // The place of the maximum (one of them: several voxels may share it).
        let at: Vec<f64> = r["at"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        let top = g.values.iter().copied().fold(0f32, f32::max);
        let found = g.values.indexed_iter().filter(|(_, v)| **v == top).any(|((k, j, i), _)| {
            let p = g.voxel_centre([i, j, k]);
            p.iter().zip(&at).all(|(a, b)| (a - b).abs() < 1e-4)
        });
        assert!(found, "{rel}: the maximum is not at {at:?}");
        seen += 1;
    }
    assert!(seen >= 12, "{seen}");
}

/// MANIFEST §8: no meta, implicit, descending offsets, non-square pixels. Place of the maximum from pydicom: frame 18,
/// row 40, column 50.
#[test]
fn headless_descending_dose() {
    let Some(path) = shared("dose_oddities/nonsquare_no_meta_descending_gfov.dcm") else { return };
    let d = read_dose(&path).unwrap();
    let g = d.gy_grid().unwrap();
    assert_eq!(g.values.dim(), (77, 65, 77));
    assert!((d.maximum.unwrap() - 749.4).abs() < 1e-9);
    assert!(g.offsets.windows(2).all(|w| w[1] > w[0]));
    let s = g.spacing();
    assert!((s[0] - 1.00789473684210).abs() < 1e-12 && (s[1] - 1.03125).abs() < 1e-12, "{s:?}");
    let ((k, j, i), _) = g.values.indexed_iter().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
    let p = g.voxel_centre([i, j, k]);
    let expected =
        [-36.36781311035 + 50.0 * 1.0078947368421, -68.439962291717 + 40.0 * 1.03125, 18.5 - 18.0 * 1.0197368421052];
    assert!(p.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{p:?} {expected:?}");
    assert!(d.findings.iter().any(|f| f.code == "descending_offsets"));
}

/// MANIFEST §8: feet first, columns towards −x, normal (0, 0, −1); the maximum at frame 13, row 7, column 60.
#[test]
fn feet_first_dose() {
    let Some(path) = shared("dose_oddities/eclipse_ffs_iop_reversed_14frames.dcm") else { return };
    let d = read_dose(&path).unwrap();
    let g = d.gy_grid().unwrap();
    assert_eq!((g.row_step, g.normal), ([-2.0, 0.0, 0.0], [0.0, 0.0, -1.0]));
    assert!((d.maximum.unwrap() - 1.6211).abs() < 5e-5);
    let ((k, j, i), _) = g.values.indexed_iter().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
    assert_eq!((k, j, i), (13, 7, 60));
    assert!((g.voxel_centre([60, 7, 13])[2] - (15.0 - 2.5 * 13.0)).abs() < 1e-9);
}

/// MANIFEST §18: implicit, big endian and RLE copies of one dose are equal; §1: the DVHs of the planning system.
#[test]
fn dose_codings_and_dvhs() {
    let Some(root) = shared("dicom_syntax/pydicom") else { return };
    let dose = |n: &str| read_dose(&root.join(n)).unwrap();
    assert_eq!(dose("rtdose.dcm").grid, dose("rtdose_expb.dcm").grid);
    assert_eq!(dose("rtdose_1frame.dcm").grid, dose("rtdose_rle_1frame.dcm").grid);
    let d = read_dose(&shared("breast_boost/rtdose.dcm").unwrap()).unwrap();
    assert!((d.maximum.unwrap() - 14.680764).abs() < 1e-9);
    assert_eq!((d.dvhs.len(), d.units), (9, DoseUnits::Gy));
    assert!(d.findings.iter().any(|f| f.code == "dvh_statistics"), "per cent of 14 Gy are noted");
    let heart = d.dvhs.iter().find(|h| h.roi_numbers == [5]).unwrap();
    assert!((heart.volumes[0] - 437.46).abs() < 0.01 && (heart.maximum.unwrap() * 0.14 - 3.095).abs() < 0.001);
    let foreign = read_dose(&shared("breast_boost/eyeplan_rtdose_1frame.dcm").unwrap()).unwrap();
    assert!(foreign.findings.iter().any(|f| f.code == "implausible_dose"));
    assert!(foreign.grid.unwrap().is_single_plane());
    // Three-digit exponent of the scaling (MANIFEST §3).
    let brachy =
        common::files(&shared("oncentra_brachy").unwrap()).into_iter().find_map(|p| read_dose(&p).ok()).unwrap();
    assert!((brachy.maximum.unwrap() - 40.000001).abs() < 1e-6);
    let bad = read_dose(&shared("broken_files/badVR.dcm").unwrap()).unwrap_err();
    assert!(bad.to_string().contains("1A"), "{bad}");
}

#[test]
fn plans_equal_pydicom() {
    for (rel, r) in reference()["plans"].as_object().unwrap() {
        let Some(path) = shared(rel) else { return };
        let p = read_plan(&path).unwrap();
        assert_eq!(p.label.clone().unwrap_or_default(), r["label"].as_str().unwrap().trim(), "{rel}");
        assert_eq!(p.beams.len() as u64, r["beams"].as_u64().unwrap(), "{rel}");
        let groups = r["groups"].as_array().unwrap();
        assert_eq!(p.fraction_groups.len(), groups.len(), "{rel}");
        for (g, x) in p.fraction_groups.iter().zip(groups) {
            assert_eq!(g.fractions_planned, x[0].as_i64(), "{rel}");
            assert_eq!(g.beams.len() as u64, x[1].as_u64().unwrap(), "{rel}");
            let dose: f64 = g.beams.iter().filter_map(|b| b.dose).sum();
            assert!((dose - x[2].as_f64().unwrap()).abs() < 1e-4, "{rel}: {dose}");
        }
    }
}

#[test]
fn prescriptions() {
    let Some(root) = shared("") else { return };
    let rx =
        |rel: &str| read_plan(&root.join(rel)).unwrap().prescription().map(|p| (p.total_gy, p.source, p.fractions));
    let (total, source, fractions) = rx("breast_boost/rtplan.dcm").unwrap();
    assert_eq!((total, source.as_str(), fractions), (14.0, "DoseReferenceSequence", Some(7)));
    // Brachy: the dose references are points of unspecified type; 5 × 5 Gy by the application setup.
    let brachy = common::files(&root.join("oncentra_brachy")).into_iter().find_map(|p| read_plan(&p).ok()).unwrap();
    let p = brachy.prescription().unwrap();
    assert!((p.total_gy - 25.0).abs() < 1e-6 && p.source == "FractionGroupSequence" && p.fractions == Some(5), "{p:?}");
    assert_eq!(brachy.brachy.as_ref().unwrap().technique.as_deref(), Some("INTRACAVITARY"));
    assert!(brachy.is_brachy && brachy.beams.is_empty());
    let (total, source, fractions) = rx("vendor_plans_orphan/pinnacle9_three_prescriptions.dcm").unwrap();
    let sum = 26.0 * 1.579 + 10.0 * 1.5621 + 13.0 * 1.5788;
    assert!((total - sum).abs() < 0.01, "{total}");
    assert_eq!((source.as_str(), fractions), ("FractionGroupSequence", Some(49)));
    assert_eq!(rx("vendor_plans_orphan/monaco_no_meta.dcm").unwrap().0, 2.0);
    assert_eq!(rx("vendor_plans_orphan/brainlab/RS.dcm").unwrap().0, 21.0);
    let qa = common::files(&root.join("vendor_plans_orphan/brainlab_machine_qa"));
    assert_eq!(read_plan(&qa[0]).unwrap().intent.as_deref(), Some("MACHINE_QA"));
    // The HDR plan prescribes by its setup only.
    let p = read_plan(&root.join("brachy_hdr_eclipse/RP.HDR.dcm")).unwrap();
    assert!((p.prescription().unwrap().total_gy - 6.0016).abs() < 1e-4);
    assert_eq!(p.approval_status.as_deref(), Some("UNAPPROVED"));
    let breast = read_plan(&root.join("breast_boost/rtplan.dcm")).unwrap();
    assert!(breast.beams.iter().all(|b| !b.energies.is_empty() && b.machine.is_some()));
    assert!(read_plan(&root.join("breast_boost/rtdose.dcm")).is_err());
}
