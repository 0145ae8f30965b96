use super::*;
use crate::course::LinkKind;

/// The folder of shared test data, or `None` with the reason printed.
fn shared(set: &str) -> Option<PathBuf> {
    let root = std::env::var_os("RTPIPELINE_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let dir = root.join("data").join(set);
    if !dir.is_dir() {
        eprintln!("skipped: {} is not there", dir.display());
        return None;
    }
    Some(dir)
}

fn look(set: &str) -> Option<Inventory> {
    let dir = shared(set)?;
    Some(build(&dir, &OrganizeSettings::default(), None, &|_, _| {}).expect("a folder that can be scanned"))
}

fn count(i: &Inventory, account: &str) -> usize {
    i.files.iter().filter(|f| f.account == account).count()
}

/// Images, structure sets, plans, doses of each course.
fn shape(i: &Inventory) -> Vec<[usize; 4]> {
    i.courses.iter().map(|c| [c.images.len(), c.structure_sets.len(), c.plans.len(), c.doses.len()]).collect()
}

fn file<'a>(i: &'a Inventory, path: &str) -> &'a FileRow {
    i.files.iter().find(|f| f.path == path).expect("a file of the set")
}

fn dump(i: &Inventory) -> String {
    let mut t = String::new();
    for f in i.files.iter().filter(|f| f.account != "used") {
        t.push_str(&format!("{:12} {} [{}] {}\n", f.account, f.path, f.patient_id, f.reason));
    }
    for c in &i.courses {
        t.push_str(&format!("COURSE {}/{} '{}' {}\n", c.patient_dir, c.course_id, c.patient_id, c.course_key));
        for x in &c.images {
            t.push_str(&format!(
                "  {} {} files planning {} missing {}\n",
                x.id,
                x.files.len(),
                x.planning,
                x.missing_slices
            ));
        }
        for x in &c.structure_sets {
            t.push_str(&format!(
                "  set {} {:?} {:?} plan {} used {} {}\n",
                x.file.path, x.image_id, x.image_link, x.referenced_by_plan, x.used, x.reason
            ));
        }
        for x in &c.plans {
            t.push_str(&format!("  plan {} {} {:?}\n", x.file.path, x.technique, x.structure_set_link));
        }
        for x in &c.doses {
            t.push_str(&format!("  dose {} {} {:?}\n", x.file.path, x.summation, x.plan_link));
        }
        for x in &c.others {
            t.push_str(&format!("  other {}\n", x.file.path));
        }
        for x in &c.findings {
            t.push_str(&format!("  {:?} {} [{}] {} {}\n", x.level, x.code, x.subject, x.what, x.meaning));
        }
    }
    t
}

#[test]
fn the_whole_shared_folder() {
    let Some(i) = look("") else { return };
    if let Some(to) = std::env::var_os("RTPIPELINE_TEST_DUMP") {
        std::fs::write(to, dump(&i)).expect("a place to write to");
    }
    let known =
        ["used", "duplicate", "orphan", "conflict", "unsupported", "unreadable", "not_dicom", "excluded", "archive"];
    for f in &i.files {
        assert!(known.contains(&f.account.as_str()) && !f.reason.is_empty(), "{f:?}");
        assert_eq!(f.account == "used", !f.course_ids.is_empty(), "{f:?}");
    }
}

#[test]
fn breast_boost() {
    let Some(i) = look("breast_boost") else { return };
    assert_eq!((shape(&i), count(&i, "used"), count(&i, "orphan")), (vec![[1, 1, 1, 1]], 4, 1));
    let c = &i.courses[0];
    assert_eq!((c.patient_id.as_str(), c.course_id.as_str()), ("123456", "1901-01"));
    assert_eq!((c.images[0].files.len(), c.images[0].missing_slices, c.images[0].planning), (1, 97, true));
    assert_eq!(c.structure_sets[0].image_link, LinkKind::SopInstance);
    let foreign = file(&i, "eyeplan_rtdose_1frame.dcm");
    assert!(foreign.reason.contains("another Patient ID") && foreign.reason.contains("9896 Gy"), "{}", foreign.reason);
    assert!(i.findings.iter().any(|f| f.code == "dose.implausible"));
}

#[test]
fn varian_proton_head() {
    let Some(i) = look("varian_proton_head") else { return };
    assert_eq!((shape(&i), count(&i, "orphan")), (vec![[1, 1, 1, 0]], 2));
    let c = &i.courses[0];
    assert_eq!((c.patient_id.as_str(), c.images[0].files.len()), ("E2E_test_PG1_1", 177));
    assert_eq!(
        (c.structure_sets[0].image_link, c.plans[0].structure_set_link),
        (LinkKind::Series, LinkKind::FrameOfReference)
    );
    for code in ["link.series", "link.frame_of_reference"] {
        assert!(c.findings.iter().any(|f| f.code == code), "{code}");
    }
    assert_eq!(c.plans[0].technique, "ion");
}

#[test]
fn brachytherapy_without_ct() {
    if let Some(i) = look("oncentra_brachy") {
        assert_eq!((shape(&i), count(&i, "used")), (vec![[0, 1, 1, 1]], 3));
        assert_eq!(i.courses[0].plans[0].structure_set_link, LinkKind::FrameOfReference);
        assert!(i.courses[0].findings.iter().any(|f| f.code == "link.frame_of_reference"));
        assert_eq!(i.courses[0].plans[0].technique, "brachy");
    }
    if let Some(i) = look("brachy_hdr_eclipse") {
        assert_eq!(shape(&i), [[0, 1, 1, 0]]);
        assert_eq!(i.courses[0].plans[0].structure_set_link, LinkKind::SopInstance);
    }
}

#[test]
fn opentps_phantom_is_classified_by_sop_class() {
    let Some(i) = look("opentps_phantom") else { return };
    let mut ids: Vec<(&str, [usize; 4])> = i.courses.iter().map(|c| c.patient_id.as_str()).zip(shape(&i)).collect();
    ids.sort_unstable();
    assert_eq!(ids, [("ANONYMOUS", [1, 0, 0, 0]), ("exported_simple_patient", [0, 1, 1, 0])]);
    assert!(i.courses.iter().any(|c| c.findings.iter().any(|f| f.code == "link.patient_only")));
}

#[test]
fn structure_sets_alone_and_with_bad_references() {
    if let Some(i) = look("srs_brain_structures") {
        assert_eq!(shape(&i), [[0, 1, 0, 0]]);
    }
    if let Some(i) = look("rtstruct_references") {
        assert_eq!((count(&i, "conflict"), count(&i, "duplicate")), (2, 2), "{}", dump(&i));
        let phantom = i.courses.iter().find(|c| c.patient_id == "PHANTOM_EXAMPLE").expect("a course");
        assert_eq!((phantom.images[0].files.len(), phantom.structure_sets.len()), (2, 1));
        assert_eq!(phantom.structure_sets[0].image_link, LinkKind::SopInstance);
    }
}

#[test]
fn doses_that_share_a_uid_are_quarantined_not_dropped() {
    let Some(i) = look("dvh_analytic_nelms2015") else { return };
    assert_eq!(count(&i, "conflict"), 6);
    let c = &i.courses[0];
    let sizes: Vec<usize> = c.images.iter().map(|x| x.files.len()).collect();
    assert_eq!((i.courses.len(), sizes, c.structure_sets.len()), (1, vec![60, 30, 20], 15));
    let folder = |id: &str| {
        let image = c.images.iter().find(|x| x.id == id).expect("an image");
        image.files[0].path.rel().split('/').next().unwrap_or_default().to_owned()
    };
    for s in &c.structure_sets {
        let spacing = s.file.path.rel().split('_').nth(1).unwrap_or_default();
        let expected = match spacing {
            "10" => "ct_1mm",
            "20" => "ct_2mm",
            "30" => "ct_3mm",
            _ => continue,
        };
        assert_eq!(folder(s.image_id.as_deref().unwrap_or_default()), expected, "{}", s.file.path);
    }
}

#[test]
fn vendor_plans_are_orphans() {
    let Some(i) = look("vendor_plans_orphan") else { return };
    assert!(i.courses.is_empty());
    assert_eq!((count(&i, "orphan"), count(&i, "excluded"), count(&i, "duplicate")), (3, 1, 1), "{}", dump(&i));
    assert!(i.orphan_rows().len() == 4);
}

#[test]
fn several_images_in_one_study() {
    if let Some(i) = look("sts_ct_pet_mr") {
        assert_eq!(shape(&i), [[3, 3, 0, 0]]);
        let c = &i.courses[0];
        let pairs: Vec<(&str, &str)> = c
            .structure_sets
            .iter()
            .map(|s| {
                (s.image_id.as_deref().unwrap_or_default(), s.file.path.rel().split('/').nth(1).unwrap_or_default())
            })
            .collect();
        for (image, folder) in pairs {
            assert_eq!(image, format!("{}1", &folder.replace("PET", "PT")[..2]));
        }
        assert!(c.structure_sets.iter().all(|s| s.used && s.image_link == LinkKind::Series));
        assert_eq!(c.images[0].id, "CT1");
    }
    if let Some(i) = look("pet_suv/sts_001_raw") {
        assert_eq!((shape(&i), count(&i, "used")), (vec![[1, 0, 0, 0]], 36));
    }
}

#[test]
fn blank_uids_make_one_series() {
    let Some(i) = look("totalseg_example") else { return };
    assert_eq!((shape(&i), count(&i, "used"), count(&i, "duplicate")), (vec![[1, 0, 0, 0]], 6, 0));
    assert_eq!(i.courses[0].images[0].files.len(), 6);
}

#[test]
fn dicomdir_sets_hold_three_patients() {
    let Some(i) = look("dicomdir_sets") else { return };
    let mut ids: Vec<&str> = i.courses.iter().map(|c| c.patient_id.as_str()).collect();
    ids.dedup();
    assert_eq!(ids, ["12345678", "77654033", "98890234"]);
    assert_eq!((count(&i, "excluded"), count(&i, "unsupported"), count(&i, "used")), (8, 3, 78));
}

#[test]
fn what_is_not_dicom_is_listed_with_a_reason() {
    let Some(i) = look("not_dicom") else { return };
    assert!(i.courses.is_empty());
    assert_eq!(i.files.len(), 14);
    assert!(
        i.files.iter().all(|f| f.account != "used" && f.account != "orphan" && !f.reason.is_empty()),
        "{}",
        dump(&i)
    );
}

#[test]
fn segmentations_go_with_their_images() {
    let Some(i) = look("seg_and_multiframe") else { return };
    let liver = i.courses.iter().find(|c| c.patient_id == "123456").expect("a course");
    assert_eq!((liver.images.len(), liver.others.len()), (2, 1));
    assert_eq!(count(&i, "unreadable") + count(&i, "excluded"), 0);
}

#[test]
fn strangers_of_one_patient_id_are_kept_apart() {
    let Some(i) = look("") else { return };
    let dirs: BTreeSet<&str> =
        i.courses.iter().filter(|c| c.patient_id == "123456").map(|c| c.patient_dir.as_str()).collect();
    assert_eq!(dirs.len(), 2, "{dirs:?}");
    assert!(i.findings.iter().any(|f| f.code == "patient.id_shared" && f.subject == "123456"));
}

#[test]
fn the_inventory_is_saved_reused_and_left_out_of_the_next_scan() {
    let Some(from) = shared("brachy_hdr_eclipse") else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    for e in std::fs::read_dir(&from).expect("readable").flatten() {
        std::fs::copy(e.path(), dir.path().join(e.file_name())).expect("copied");
    }
    let run = dir.path().join("out/_RUN");
    let settings = OrganizeSettings::default();
    let first = build(dir.path(), &settings, Some(&run), &|_, _| {}).expect("scanned");
    first.save(&run).expect("saved");
    assert_eq!(Inventory::load(&run).expect("loaded"), first);
    let again = build(dir.path(), &settings, Some(&run), &|_, _| {}).expect("scanned again");
    assert_eq!(again, first);
    // Seen from another run, the files of an output folder are no input either.
    let other = build(dir.path(), &settings, None, &|_, _| {}).expect("scanned");
    assert_eq!(other.courses, first.courses);
    assert!(other.files.iter().filter(|f| f.path.starts_with("out/")).all(|f| f.account == "excluded"));
    for (rows, table) in
        [(first.file_rows(), crate::records::tables::files()), (first.orphan_rows(), crate::records::tables::orphans())]
    {
        table.cells(rows).expect("rows fit their table");
    }
}

#[test]
fn logs_below_the_input_do_not_grow_the_account() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    };
    write("notes.log", "a log of somebody else");
    write("Logs/rtpipeline.log", "text");
    write("Logs/run-1/run.log", "text");
    write("Logs/kept.txt", "what is no log stays in the account");
    let logs = dir.path().join("Logs");
    let i =
        build_beside_logs(dir.path(), &OrganizeSettings::default(), None, Some(&logs), &|_, _| {}).expect("scanned");
    let paths: Vec<_> = i.files.iter().map(|f| f.path.as_str()).collect();
    assert_eq!(paths, ["Logs/kept.txt", "notes.log"]);
}

#[test]
fn one_image_in_many_encodings_is_one_object() {
    let Some(i) = look("dicom_syntax/ct_one_image_all_syntaxes") else { return };
    // Deflated, RLE, JPEG 14, 14 SV1 and JPEG 2000 lossless are twins of the plain file; lossy ones have UIDs of their own.
    let twins: Vec<&FileRow> = i.files.iter().filter(|f| f.account == "duplicate").collect();
    assert_eq!((twins.len(), count(&i, "conflict"), count(&i, "used")), (5, 0, 4), "{}", dump(&i));
    assert!(twins.iter().all(|f| f.same_as.as_deref().is_some_and(|s| s.starts_with("LittleEndianExplicit"))));
}
