//! Scanning: what every file of the shared data becomes.

mod common;

use common::{files, shared};
use rtpipeline_dicom::header::{ObjectKind, Sniff, sniff};
use rtpipeline_dicom::scan::{ScanOptions, ScannedFile, escape, scan_folder, unescape};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn scan(root: &Path) -> Vec<ScannedFile> {
    scan_folder(root, &ScanOptions::default(), &|_, _| {}).unwrap()
}

fn codes(s: &Sniff) -> Vec<String> {
    s.header().map(|h| h.findings.iter().map(|f| f.code.clone()).collect()).unwrap_or_default()
}

/// MANIFEST §19: the column "should become".
#[test]
fn broken_files_get_their_reason() {
    let Some(root) = shared("broken_files") else { return };
    let all = scan(&root);
    assert_eq!(all.len(), 35);
    let by: BTreeMap<&str, &Sniff> = all.iter().map(|f| (f.rel_path.as_str(), &f.sniff)).collect();
    let unreadable = |name: &str, word: &str, header: bool| {
        let Sniff::Unreadable { reason, header: h } = by[name] else { panic!("{name}: {:?}", by[name]) };
        assert!(reason.contains(word), "{name}: {reason}");
        assert_eq!(h.is_some(), header, "{name}");
    };
    unreadable("MR_truncated.dcm", "declare 8192 bytes, 8130", true);
    unreadable("meta_missing_tsyntax.dcm", "SOP Class", false);
    unreadable("emri_small_jpeg_2k_lossless_too_short.dcm", "truncated", true);
    unreadable("made/ct_cut_in_header.dcm", "truncated", true);
    unreadable("made/ct_cut_in_pixels.dcm", "32768", true);
    unreadable("made/ct_bad_length_rows.dcm", "byte", true);
    unreadable("made/rtplan_cut_in_sequence.dcm", "truncated", true);
    for name in ["no_meta.dcm", "made/ct_preamble_only.dcm"] {
        assert!(matches!(by[name], Sniff::NotDicom { .. }), "{name}: {:?}", by[name]);
    }
    let usable = |name: &str, kind: ObjectKind, code: &str| {
        let h = by[name].usable().unwrap_or_else(|| panic!("{name}: {:?}", by[name]));
        assert_eq!(h.kind(), kind, "{name}");
        assert!(code.is_empty() || codes(by[name]).iter().any(|c| c == code), "{name}: {:?}", h.findings);
    };
    usable("ExplVR_BigEndNoMeta.dcm", ObjectKind::RtIonPlan, "no_preamble");
    usable("badVR.dcm", ObjectKind::RtDose, "bad_number");
    usable("J2K_pixelrep_mismatch.dcm", ObjectKind::Ct, "");
    usable("JPEG2000-embedded-sequence-delimiter.dcm", ObjectKind::OtherImage, "");
    usable("MR_small_padded.dcm", ObjectKind::Mr, "");
    usable("bad_sequence.dcm", ObjectKind::Ct, "");
    usable("explicit_VR-UN.dcm", ObjectKind::Ct, "");
    usable("made/ct_garbage_tail.dcm", ObjectKind::Ct, "trailing_bytes");
    usable("made/ct_no_preamble.dcm", ObjectKind::Ct, "no_preamble");
    usable("dcmjs/no-meta-length-test.dcm", ObjectKind::OtherImage, "");
    for (name, s) in &by {
        if name.starts_with("fo-dicom/") {
            assert!(s.usable().is_some(), "{name}: {s:?}");
        }
    }
}

/// MANIFEST §20: all 14 are skipped with a reason.
#[test]
fn files_that_are_not_dicom() {
    let Some(root) = shared("not_dicom") else { return };
    let all = scan(&root);
    assert_eq!(all.len(), 14);
    for f in &all {
        match &f.sniff {
            Sniff::NotDicom { reason } => assert!(!reason.is_empty()),
            Sniff::Archive { kind } => assert!(["zip", "gzip"].contains(&kind.as_str()), "{kind}"),
            other => panic!("{}: {other:?}", f.rel_path),
        }
    }
}

/// MANIFEST §21: 81 images found by walking, 8 directories that are no images, 2 texts.
#[test]
fn media_directories() {
    let Some(root) = shared("dicomdir_sets") else { return };
    let all = scan(&root);
    let count = |f: fn(&Sniff) -> bool| all.iter().filter(|x| f(&x.sniff)).count();
    assert_eq!(count(|s| s.usable().is_some()), 81);
    assert_eq!(count(|s| matches!(s, Sniff::DicomDir)), 8);
    assert_eq!(count(|s| matches!(s, Sniff::NotDicom { .. })), 2);
    let patients: BTreeSet<&str> = all.iter().filter_map(|f| Some(f.sniff.usable()?.patient_id.as_str())).collect();
    assert_eq!(patients.into_iter().collect::<Vec<_>>(), ["12345678", "77654033", "98890234"]);
}

/// MANIFEST §18: every transfer syntax is found; the ones without a decoder say so by UID.
#[test]
fn transfer_syntaxes() {
    let Some(root) = shared("dicom_syntax/ct_one_image_all_syntaxes") else { return };
    for f in scan(&root) {
        let uid = f.rel_path.split("__").nth(1).unwrap().trim_end_matches(".dcm").to_owned();
        let h = f.sniff.header().unwrap();
        assert_eq!(h.transfer_syntax, uid);
        let lacking = ["80", "81", "53", "55"].iter().any(|e| uid == format!("1.2.840.10008.1.2.4.{e}"));
        match &f.sniff {
            Sniff::Unsupported { reason, .. } => assert!(lacking && reason.contains(&uid), "{reason}"),
            Sniff::Dicom { .. } => assert!(!lacking, "{uid}"),
            other => panic!("{uid}: {other:?}"),
        }
    }
}

/// MANIFEST §1–6, 9, 10: kinds, links and identities.
#[test]
fn links_of_real_courses() {
    let Some(root) = shared("breast_boost") else { return };
    let all = scan(&root);
    let h = |name: &str| all.iter().find(|f| f.rel_path == name).and_then(|f| f.sniff.usable()).unwrap();
    let (dose, plan, set) = (h("rtdose.dcm"), h("rtplan.dcm"), h("rtss.dcm"));
    assert_eq!(dose.referenced_plans, std::slice::from_ref(&plan.sop_instance_uid));
    assert_eq!(plan.referenced_structure_sets, std::slice::from_ref(&set.sop_instance_uid));
    let s = set.structure_set.as_ref().unwrap();
    assert_eq!(s.structure_count, 10);
    assert_eq!(set.referenced_series[0].image_uids.len(), 98);
    let d = dose.dose.as_ref().unwrap();
    assert_eq!((d.summation_type.as_deref(), d.units.as_deref(), d.dvh_count), (Some("PLAN"), Some("GY"), 9));
    let p = plan.plan.as_ref().unwrap();
    assert_eq!((p.label.as_deref(), p.beam_count, p.fraction_groups[0].fractions_planned), (Some("B1"), 4, Some(7)));
    assert_eq!(h("eyeplan_rtdose_1frame.dcm").patient_id, "1234");

    let phantom = scan(&shared("opentps_phantom").unwrap());
    let rs = phantom.iter().filter_map(|f| f.sniff.usable()).find(|h| h.kind() == ObjectKind::RtStruct).unwrap();
    assert_eq!(rs.modality, "RTDOSE");
    assert_eq!(
        phantom.iter().filter_map(|f| f.sniff.usable()).filter(|h| h.kind() == ObjectKind::RtIonPlan).count(),
        1
    );

    let proton = scan(&shared("varian_proton_head").unwrap());
    let proton: Vec<_> = proton.iter().filter_map(|f| f.sniff.usable()).collect();
    let ct: BTreeSet<&str> =
        proton.iter().filter(|h| h.kind() == ObjectKind::Ct).map(|h| h.sop_instance_uid.as_str()).collect();
    assert_eq!(ct.len(), 177);
    let rs = proton.iter().find(|h| h.kind() == ObjectKind::RtStruct).unwrap();
    assert!(rs.referenced_series.iter().flat_map(|s| &s.image_uids).all(|u| !ct.contains(u.as_str())));
    assert!(proton.iter().any(|h| h.kind() == ObjectKind::Ct && h.series_uid == rs.referenced_series[0].series_uid));

    let orphan = shared("rtstruct_references/mock_data/non_existent_reference_rt.dcm").unwrap();
    let s = sniff(&orphan);
    let h = s.usable().unwrap();
    assert!(h.referenced_series.is_empty());
    assert_eq!(h.structure_set.as_ref().unwrap().contour_image_uids.len(), 3);
}

/// MANIFEST §16: empty UIDs in the data set; the meta information tells the files apart.
#[test]
fn empty_uids() {
    let Some(root) = shared("totalseg_example/example_ct_dicom") else { return };
    let uids: BTreeSet<String> =
        scan(&root).iter().map(|f| f.sniff.usable().unwrap().sop_instance_uid.clone()).collect();
    assert_eq!(uids.len(), 6);
}

#[test]
fn whole_tree_is_the_same_with_any_number_of_threads_and_from_the_cache() {
    let Some(root) = shared("") else { return };
    let with = |n: usize, opts: &ScanOptions<'_>| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(n)
            .build()
            .unwrap()
            .install(|| scan_folder(&root, opts, &|_, _| {}).unwrap())
    };
    let one = with(1, &ScanOptions::default());
    assert_eq!(one.len(), files(&root).len());
    assert_eq!(one, with(4, &ScanOptions::default()));
    let dir = tempfile::tempdir().unwrap();
    let opts = ScanOptions { cache: Some(dir.path().join("cache.json")), ..ScanOptions::default() };
    assert_eq!(one, with(2, &opts));
    let text = std::fs::read_to_string(dir.path().join("cache.json")).unwrap();
    // The name of the patient of CT_small: names are not cached.
    assert!(!text.contains("CompressedSamples^CT1"));
    assert_eq!(one, with(2, &opts));
}

#[cfg(unix)]
#[test]
fn odd_names_links_and_loops() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"a\xff%b");
    std::fs::write(dir.path().join(odd), b"x").unwrap();
    std::os::unix::fs::symlink(".", dir.path().join("loop")).unwrap();
    let out = dir.path().join("out");
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join("report"), b"x").unwrap();
    let opts = ScanOptions { exclude: vec![out.clone()], ..ScanOptions::default() };
    let all = scan_folder(dir.path(), &opts, &|_, _| {}).unwrap();
    let names: Vec<&str> = all.iter().map(|f| f.rel_path.as_str()).collect();
    assert_eq!(names, ["a%FF%25b", "loop"]);
    assert_eq!(all[0].path(dir.path()), dir.path().join(odd));
    let follow = ScanOptions { follow_links: true, ..opts };
    let all = scan_folder(dir.path(), &follow, &|_, _| {}).unwrap();
    let looped = all.iter().find(|f| f.rel_path == "loop").unwrap();
    assert!(matches!(&looped.sniff, Sniff::Unreadable { reason, .. } if reason.contains("leads back")), "{looped:?}");
    assert_eq!(unescape(&escape(Path::new("x/ü%/y"))), Path::new("x/ü%/y"));
    assert!(scan_folder(&dir.path().join("none"), &opts_none(), &|_, _| {}).is_err());
}

#[cfg(unix)]
fn opts_none() -> ScanOptions<'static> {
    ScanOptions::default()
}

/// MANIFEST §18 charset: the names as pydicom 3.0.2 decodes them.
#[test]
fn character_sets() {
    let Some(root) = shared("dicom_syntax/charset") else { return };
    let name = |file: &str| {
        rtpipeline_dicom::attributes::attributes(&root.join(file), &[dicom_dictionary_std::tags::PATIENT_NAME]).unwrap()
            [0]
        .clone()
        .unwrap_or_default()
    };
    for (file, expected) in [
        ("chrArab.dcm", "قباني^لنزار"),
        ("chrFren.dcm", "Buc^Jérôme"),
        ("chrFrenMulti.dcm", "Buc^Jérôme"),
        ("chrGerm.dcm", "Äneas^Rüdiger"),
        ("chrH31.dcm", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("chrH32.dcm", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
        ("chrHbrw.dcm", "שרון^דבורה"),
        ("chrI2.dcm", "Hong^Gildong=洪^吉洞=홍^길동"),
        ("chrJapMulti.dcm", "やまだ^たろう"),
        ("chrJapMultiExplicitIR6.dcm", "やまだ^たろう"),
        ("chrRuss.dcm", "Люкceмбypг"),
        ("chrX1.dcm", "Wang^XiaoDong=王^小東"),
    ] {
        assert_eq!(name(file).trim_end_matches('='), expected, "{file}");
    }
}
