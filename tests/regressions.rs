//! Defects of the original program that must not come back, by their numbers in the list of its defects. Every test drives
//! the program on an export made for it and fails on what the original did.

mod regress_common;

use regress_common::*;
use rtpipeline_dicom::rtstruct::{StructureSet, read_structure_set};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

/// Largest and smallest dose of the target of [`whole`], Gy; between them it rises evenly from right to left.
const DOSE: [f64; 2] = [69.0, 79.0];

const CUSTOM: &str = "
custom_structures:
  - name: Sides
    source_structures: [PTV]
    margin: {anterior_mm: 10, posterior_mm: 4, left_mm: 6, right_mm: 8, superior_mm: 12, inferior_mm: 3}
  - name: Shaved
    source_structures: [PTV]
    margin: {anterior_mm: -6}
  - {name: SlabCopy, source_structures: [Slab]}
  - {name: Part, source_structures: [Slab, NotDrawn]}
";

struct Whole {
    bench: Bench,
    /// SOP Instance UIDs of the structure sets: an older one that no plan refers to, and the plan's.
    sets: [String; 2],
}

/// One course on images with fewer rows than columns; the files are named as the original expected them.
fn fresh() -> Whole {
    let bench = Bench::new();
    let placeholders = [(0x0018, 0x9311, *b"FD", "PITCH..."), (0x0018, 0x9305, *b"FD", "TURN...!")];
    let s = Study::with(&bench.input(), "P1", "plan", "f", &placeholders);
    for e in std::fs::read_dir(bench.input().join("CT_plan")).expect("images") {
        let path = e.expect("an image").path();
        assert_eq!(replace_bytes(&path, b"PITCH...", &0.9_f64.to_le_bytes()), 1);
        assert_eq!(replace_bytes(&path, b"TURN...!", &0.5_f64.to_le_bytes()), 1);
    }
    let old =
        s.structures("RTSTRUCT_0.dcm", "Draft", &[("PTV", "PTV", bars([-4.0, 4.0], [-4.0, 4.0], slices(9..=10)))]);
    let new = s.structures(
        "RTSTRUCT_1.dcm",
        "Final",
        &[
            ("PTV", "PTV", bars([-20.0, 20.0], [-16.0, 16.0], slices(6..=13))),
            ("Slab", "ORGAN", bars([-40.0, 40.0], [-4.0, 4.0], slices(8..=11))),
        ],
    );
    let plan = s.plan("RTPLAN_1.dcm", "Prostate", "20240110", 74.0, 37, &new.sop_instance_uid);
    s.dose("RTDOSE_1.dcm", &plan.sop_instance_uid, |p| 74.0 + 0.25 * p[0]);
    bench.file("custom.yaml", CUSTOM);
    let said = bench.run("--custom-structures custom.yaml --no-segmentation --no-radiomics");
    expect_code(&said, 0);
    Whole { bench, sets: [old.sop_instance_uid, new.sop_instance_uid] }
}

/// The same for all tests that only read, after its first run.
fn whole() -> &'static Whole {
    static ONCE: OnceLock<Whole> = OnceLock::new();
    ONCE.get_or_init(fresh)
}

const COURSE: &str = "P1/2024-01";

fn custom_set(w: &Whole) -> StructureSet {
    read_structure_set(&w.bench.out(&format!("{COURSE}/RS_custom.dcm"))).expect("RS_custom.dcm")
}

/// Extent of a structure of a set, mm.
fn extents(set: &StructureSet, name: &str) -> [[f64; 2]; 3] {
    let roi = set.rois.iter().find(|r| r.name == name).unwrap_or_else(|| panic!("no {name}"));
    [0, 1, 2].map(|a| extent(&roi.contours, a))
}

#[track_caller]
fn near(a: f64, b: f64, tolerance: f64, what: &str) {
    assert!((a - b).abs() <= tolerance, "{what}: {a} instead of {b} ± {tolerance}");
}

#[test]
fn d01_the_first_run_writes_the_root_trio_and_complete_metadata() {
    let w = whole();
    for name in ["RP.dcm", "RD.dcm", "RS.dcm"] {
        assert!(w.bench.out(&format!("{COURSE}/{name}")).is_file(), "{name}");
    }
    let case = w.bench.json(&format!("{COURSE}/metadata/case_metadata.json"));
    for (key, end) in [("rp_path", "RP.dcm"), ("rd_path", "RD.dcm"), ("rs_path", "RS.dcm")] {
        assert!(case[key].as_str().is_some_and(|p| p.ends_with(end)), "{key}: {}", case[key]);
    }
    assert_eq!(case["planned_fractions"], 37);
    assert_eq!(case["structures"], serde_json::json!(["PTV", "Slab"]));
    assert_eq!((&case["roi_count"], &case["ptv_count"]), (&2.into(), &1.into()));
    assert_eq!(case["patient_sex"], "M");
    let row = &w.bench.table("case_metadata")[0];
    assert_eq!(row["planned_fractions"], "37");
    assert_eq!(number(row, "total_prescription_gy"), 74.0);
}

#[test]
fn d02_derived_structure_sets_are_new_objects_and_manual_structures_stay_manual() {
    let w = fresh();
    let set = custom_set(&w);
    assert!(!w.sets.contains(&set.sop_instance_uid), "the clinical UID was kept");
    // Whatever is called a structure set in the course folder: one UID, one content.
    let mut seen: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let course = w.bench.out(COURSE);
    for file in files_below(&course).iter().filter(|f| f.contains("RS") && f.ends_with(".dcm")) {
        let path = course.join(file);
        let uid = read_structure_set(&path).expect("a structure set").sop_instance_uid;
        let bytes = std::fs::read(&path).expect("a file");
        assert!(seen.insert(uid, bytes.clone()).is_none_or(|b| b == bytes), "{file}: same UID, other content");
    }
    // Everything once more, with RS_custom.dcm lying there, gives the same sources.
    expect_code(&w.bench.run("--custom-structures custom.yaml --no-segmentation --no-radiomics --force-redo"), 0);
    for row in w.bench.table("dvh_metrics").iter().filter(|r| r["Segmentation_Source"] == "Manual") {
        assert_eq!(row["rtstruct_sop_instance_uid"], w.sets[1], "{}", row["ROI_Name"]);
        assert!(["PTV", "Slab"].contains(&row["ROI_Name"].as_str()), "{} is not manual", row["ROI_Name"]);
    }
}

#[test]
fn d03_the_frame_of_reference_groups_courses_and_links_structure_sets() {
    // Two studies in one frame of reference, a plan on each.
    let bench = Bench::new();
    for (study, date) in [("first", "20240110"), ("second", "20240120")] {
        let s = Study::new(&bench.input().join(study), "P1", study, "common");
        let target = bars([-8.0, 8.0], [-8.0, 8.0], slices(6..=13));
        let set = s.structures("RS", study, &[("PTV", "PTV", target)]);
        // The plan of the second study names a structure set that was not exported.
        let named = if study == "first" { set.sop_instance_uid.as_str() } else { "2.25.404" };
        s.plan("RP", study, date, 20.0, 10, named);
    }
    let courses = |merge: &str| {
        let out = format!("out_{merge}");
        expect_code(&bench.run_to(&out, &format!("--stage organize --merge-criteria {merge}")), 0);
        bench.table_of(&out, "case_metadata").len()
    };
    assert_eq!((courses("same_ct_study"), courses("frame_of_reference")), (2, 1));
    let plans = bench.table_of("out_same_ct_study", "plans");
    let link = |name: &str| only(&plans, &[("plan_name", name)])["rtstruct_link"].clone();
    assert_eq!(link("first"), "sop_instance");
    // Linked all the same, and said how: not by its UID.
    assert!(!["", "none", "sop_instance"].contains(&link("second").as_str()), "{}", link("second"));
}

#[test]
fn d04_plan_and_scanner_facts_are_read_from_where_they_are() {
    let case = whole().bench.json(&format!("{COURSE}/metadata/case_metadata.json"));
    assert_eq!(case["plan_intent"], "CURATIVE");
    assert_eq!(case["approval"], "APPROVED");
    assert_eq!(case["review_date"], "20240110");
    assert_eq!(case["approval_status_date"], "20240110");
    assert_eq!(case["beam_energies"], serde_json::json!(["6"]));
    assert_eq!(case["treatment_machine"], "LINAC_1");
    assert_eq!(case["beams_count"], 1);
    assert_eq!(case["ct_pitch_factor"], 0.9);
    assert_eq!(case["ct_rotation_time_s"], 0.5);
}

/// A brain with an eye in front of it, found by a stand-in for TotalSegmentator, and the words of a run that crops to it.
fn brain() -> (Bench, String) {
    let bench = Bench::new();
    let s = Study::new(&bench.input(), "P1", "plan", "f");
    let set = s.structures("RS", "s", &[("PTV", "PTV", bars([-8.0, 8.0], [-8.0, 8.0], slices(8..=10)))]);
    let plan = s.plan("RP", "p", "20240110", 20.0, 10, &set.sop_instance_uid);
    s.dose("RD", &plan.sop_instance_uid, |_| 20.0);
    let d = s.grid.dims;
    let inside = |p: [f64; 3], b: [[f64; 2]; 3]| (0..3).all(|a| p[a] > b[a][0] && p[a] < b[a][1]);
    let label = |n: usize| {
        let p = s.grid.world([(n % d[0]) as f64, (n / d[0] % d[1]) as f64, (n / d[0] / d[1]) as f64]);
        match p {
            // Labels of the task `total`: kidney_left stands for a small organ far in front.
            p if inside(p, [[-20.0, 4.0], [-26.0, -18.0], [-6.0, 6.0]]) => 3_u8,
            p if inside(p, [[-12.0, 20.0], [-10.0, 22.0], [-9.0, 9.0]]) => 90,
            _ => 0,
        }
    };
    let labels = rtpipeline_geometry::Volume::from_vec(s.grid.clone(), (0..s.grid.len()).map(label).collect());
    let file = bench.here().join("labels.nii.gz");
    rtpipeline_volume_io::write_nifti(&file, &labels, "labels").expect("written");
    std::fs::create_dir_all(bench.here().join("calls")).expect("a folder");
    let stand_in = project().join("tests/stand_ins/TotalSegmentator");
    let script = format!(
        "#!/bin/sh\nSTANDIN_LABELS='{}' STANDIN_RECORD='{}' exec '{}' \"$@\"\n",
        file.display(),
        bench.here().join("calls").display(),
        stand_in.display()
    );
    let program = bench.script("ts", &script);
    let words = format!(
        "--set segmentation.engine=totalsegmentator --totalseg {} --totalseg-weights {} --totalseg-device cpu \
         --set ct_cropping.enabled=true --set ct_cropping.region=brain --set ct_cropping.use_cropped_for_dvh=true \
         --set custom_structures=none --no-radiomics",
        program.display(),
        bench.here().display()
    );
    (bench, words)
}

#[test]
fn d05_cropped_structures_stay_where_they_are() {
    let (bench, words) = brain();
    expect_code(&bench.run(&words), 0);
    for file in ["RS_auto.dcm", "RS_auto_cropped.dcm"] {
        let set = read_structure_set(&bench.out(COURSE).join(file)).expect(file);
        assert_eq!(extents(&set, "brain")[..2], [[-12.0, 20.0], [-10.0, 22.0]], "{file}");
        // Far in front of the brain: a mirrored y would bring it behind.
        assert_eq!(extents(&set, "kidney_left")[..2], [[-20.0, 4.0], [-26.0, -18.0]], "{file}");
    }
}

#[test]
fn d06_cropping_again_crops_the_whole_image_again() {
    let (bench, words) = brain();
    expect_code(&bench.run(&words), 0);
    let course = bench.out(COURSE);
    let of_crop = || content(&course, |f| f.contains("crop") || f.starts_with("NIFTI"));
    let before = of_crop();
    for wanted in ["_cropped.nii.gz", "cropping_metadata.json", "RS_auto_cropped.dcm"] {
        assert!(before.iter().any(|(f, _)| f.ends_with(wanted)), "{wanted} lacks");
    }
    for _ in 0..2 {
        expect_code(&bench.run(&format!("{words} --force-redo crop_ct")), 0);
        let after = of_crop();
        assert_eq!(before.iter().map(|f| &f.0).collect::<Vec<_>>(), after.iter().map(|f| &f.0).collect::<Vec<_>>());
        assert!(before == after, "the bytes differ");
    }
    assert!(!before.iter().any(|(f, _)| f.contains("_cropped_cropped")));
    for row in bench.table("dvh_metrics") {
        assert!(!row["ROI_Name"].ends_with("_cropped"), "{}", row["ROI_Name"]);
    }
}

/// Files of a folder whose relative path is wanted, with their bytes.
fn content(dir: &Path, wanted: impl Fn(&str) -> bool) -> Vec<(String, Vec<u8>)> {
    let read = |f: String| {
        let bytes = std::fs::read(dir.join(&f)).expect("a file");
        (f, bytes)
    };
    files_below(dir).into_iter().filter(|f| wanted(f)).map(read).collect()
}

#[test]
fn d07_treatment_records_are_known_by_their_class_not_by_their_name() {
    let case = whole().bench.json(&format!("{COURSE}/metadata/case_metadata.json"));
    assert!(case["fractions_count"].is_null(), "{}", case["fractions_count"]);
    assert!(whole().bench.table("fractions").is_empty());

    let bench = Bench::new();
    let s = Study::new(&bench.input(), "P2", "plan", "f");
    let set = s.structures("a", "s", &[("PTV", "PTV", bars([-8.0, 8.0], [-8.0, 8.0], slices(8..=10)))]);
    let plan = s.plan("b", "p", "20240110", 20.0, 10, &set.sop_instance_uid);
    s.record("one more file", &plan.sop_instance_uid, "20240115", 1);
    s.record("IM0007", &plan.sop_instance_uid, "20240116", 2);
    expect_code(&bench.run("--stage organize"), 0);
    let case = bench.json("P2/2024-01/metadata/case_metadata.json");
    assert_eq!(case["fractions_count"], 2);
    assert_eq!((&case["course_start_date"], &case["course_end_date"]), (&"20240115".into(), &"20240116".into()));
    assert_eq!(bench.table("fractions").len(), 2);
}

#[test]
fn d08_masks_of_images_that_are_not_square_are_whole() {
    let w = whole();
    // Columns 32 to 39 are there, rows and columns are not exchanged.
    assert_eq!(extents(&custom_set(w), "SlabCopy")[..2], [[-40.0, 40.0], [-4.0, 4.0]]);
    let said = words(w.bench.here(), &format!("masks out/{COURSE}/RS.dcm in/CT_plan --out masks --label-map"));
    expect_code(&said, 0);
    let file =
        files_below(&w.bench.here().join("masks")).into_iter().find(|f| f.contains(".nii")).expect("a label map");
    let map = rtpipeline_volume_io::read(&w.bench.here().join("masks").join(file)).expect("a volume");
    let grid = map.data.grid().clone();
    let mut sides = [grid.dims[0], grid.dims[1]];
    sides.sort_unstable();
    assert_eq!((sides, grid.dims[2]), ([32, 40], 20));
    let reach = [grid.world([0.0; 3]), grid.world([0, 1, 2].map(|a| grid.dims[a] as f64 - 1.0))];
    for (axis, wanted) in [39.0, 31.0, 28.5].into_iter().enumerate() {
        let mut ends = reach.map(|p| p[axis]);
        ends.sort_by(f64::total_cmp);
        assert_eq!(ends, [-wanted, wanted], "axis {axis}");
    }
}

#[test]
fn d09_a_mask_written_as_contours_keeps_its_size() {
    let w = whole();
    let set = custom_set(w);
    let [x, y, z] = extents(&set, "SlabCopy");
    // 40 columns and 4 rows of 2 mm on 4 slices: the contours run along the outer edges of the pixels.
    assert_eq!([x[1] - x[0], y[1] - y[0], z[1] - z[0]], [80.0, 8.0, 9.0]);
    let rows = w.bench.table("structures");
    let copy = number(only(&rows, &[("ROI_Name", "SlabCopy")]), "Volume (cm³)");
    near(copy, 80.0 * 8.0 * 12.0 / 1000.0, 1e-9, "volume of the mask");
    near(copy, number(only(&rows, &[("ROI_Name", "Slab")]), "Volume (cm³)"), 1e-6, "volume of the contours");
}

#[test]
fn d11_contours_stay_on_their_planes_whatever_the_planes_of_the_dose() {
    // Slices every 3 mm, dose planes every 4 mm and none on a slice.
    let rows = whole().bench.table("dvh_metrics");
    let ptv = only(&rows, &[("ROI_Name", "PTV")]);
    near(number(ptv, "Volume (cm³)"), 40.0 * 32.0 * 24.0 / 1000.0, 1e-6, "volume");
}

#[test]
fn d12_dose_metrics_have_no_bins() {
    let rows = whole().bench.table("dvh_metrics");
    let ptv = only(&rows, &[("ROI_Name", "PTV")]);
    let at = |part: f64| DOSE[0] + part * (DOSE[1] - DOSE[0]);
    // The dose is linear, so that interpolation is exact; a bin of 1 cGy would be off by half its width or more.
    let exact =
        [("DmeanGy", at(0.5)), ("DmaxGy", DOSE[1]), ("DminGy", DOSE[0]), ("D50Gy", at(0.5)), ("D95Gy", at(0.05))];
    for (column, truth) in exact.into_iter().chain([("D98Gy", at(0.02)), ("D2Gy", at(0.98))]) {
        near(number(ptv, column), truth, 2e-3, column);
    }
    near(number(ptv, "V70Gy (%)"), 90.0, 0.02, "V70Gy (%)");
}

#[test]
fn d13_volumes_are_given_beyond_60_gy() {
    let rows = whole().bench.table("dvh_metrics");
    let ptv = only(&rows, &[("ROI_Name", "PTV")]);
    for (gy, percent) in [(60, 100.0), (65, 100.0), (69, 100.0), (74, 50.0), (78, 10.0), (80, 0.0), (150, 0.0)] {
        near(number(ptv, &format!("V{gy}Gy (%)")), percent, 0.02, &format!("V{gy}Gy (%)"));
    }
}

#[test]
fn d14_a_structure_has_one_row_per_source_and_keeps_its_source() {
    let rows = whole().bench.table("dvh_metrics");
    let mut names: Vec<(&str, &str)> =
        rows.iter().map(|r| (r["Segmentation_Source"].as_str(), r["ROI_Name"].as_str())).collect();
    names.sort_unstable();
    let custom = ["Part", "Shaved", "Sides", "SlabCopy"].map(|n| ("Custom", n));
    assert_eq!(names, [&custom[..], &[("Manual", "PTV"), ("Manual", "Slab")]].concat());
}

#[test]
fn d20_the_structure_set_that_the_plan_refers_to_is_used() {
    let w = whole();
    let case = w.bench.json(&format!("{COURSE}/metadata/case_metadata.json"));
    let set = read_structure_set(&w.bench.out(&format!("{COURSE}/RS.dcm"))).expect("RS.dcm");
    assert_eq!(set.sop_instance_uid, w.sets[1]);
    assert!(case["rs_path"].as_str().is_some());
    let rows = w.bench.table("dvh_metrics");
    let ptv = only(&rows, &[("ROI_Name", "PTV")]);
    assert_eq!(ptv["rtstruct_sop_instance_uid"], w.sets[1]);
    assert_eq!(ptv["rtstruct_resolution"], "referenced_by_plan");
    // The other one is accounted for.
    let sets = w.bench.table("structure_sets");
    assert_eq!(sets.len(), 2);
}

#[test]
fn d36_every_side_has_its_own_margin() {
    // Voxels of 2 × 2 × 3 mm; contours lie on slice centres, so that their extent along z is one slice less.
    let [x, y, z] = extents(&custom_set(whole()), "Sides");
    assert_eq!(x, [-20.0 - 8.0, 20.0 + 6.0]);
    assert_eq!(y, [-16.0 - 10.0, 16.0 + 4.0]);
    assert_eq!(z, [slices(6..=6)[0] - 3.0, slices(13..=13)[0] + 12.0]);
}

#[test]
fn d37_a_single_negative_side_shrinks_that_side_alone() {
    let [x, y, z] = extents(&custom_set(whole()), "Shaved");
    assert_eq!(x, [-20.0, 20.0]);
    assert_eq!(y, [-16.0 + 6.0, 16.0]);
    assert_eq!(z, [slices(6..=6)[0], slices(13..=13)[0]]);
}

#[test]
fn d42_stages_that_are_switched_off_are_not_run() {
    let w = whole();
    let run = |out: &str, more: &str| w.bench.run_to(out, &format!("{more} --custom-structures none"));
    expect_code(&run("off", "--no-segmentation --no-dvh --no-visualize --no-radiomics"), 0);
    let files = files_below(&w.bench.here().join("off"));
    assert!(!files.iter().any(|f| f.contains("Segmentation_") || f.ends_with(".html")), "{files:#?}");
    for table in ["dvh_metrics", "radiomics_ct"] {
        assert!(w.bench.table_of("off", table).is_empty(), "{table} has rows");
    }
    // Both at once is a contradiction that is told, not resolved in silence.
    let both = run("both", "--stage dvh --no-dvh");
    expect_code(&both, 2);
    assert!(both.err.contains("dvh") && both.err.contains("switched off"), "{}", both.err);
    assert!(!w.bench.here().join("both").exists(), "something was started");
}

#[test]
fn d63_a_broken_configuration_stops_the_run_and_says_where() {
    let bench = Bench::new();
    Study::new(&bench.input(), "P1", "plan", "f");
    for (text, wanted) in [
        ("radiomics:\n  min_voxles: 10\n", ["c.yaml:2:3", "min_voxles", "radiomics.min_voxels"]),
        ("segmentation:\n  device: gpu\n fast: [true\n", ["c.yaml:", "error", "c.yaml:"]),
        ("dvh:\n  enabled: perhaps\n", ["c.yaml:2:12", "dvh.enabled", "true or false"]),
    ] {
        bench.file("c.yaml", text);
        let said = bench.run("--config c.yaml");
        expect_code(&said, 2);
        for w in wanted {
            assert!(said.err.contains(w), "{w} in:\n{}", said.err);
        }
        assert!(!bench.out("").exists(), "something was started");
    }
}

#[test]
fn d65_an_incomplete_structure_keeps_its_name_and_is_flagged() {
    let w = whole();
    let rows = w.bench.table("structures");
    let part = only(&rows, &[("ROI_Name", "Part")]);
    assert_eq!((part["structure_partial"].as_str(), part["missing_parts"].as_str()), ("true", "NotDrawn"));
    assert_eq!(only(&rows, &[("ROI_Name", "SlabCopy")])["structure_partial"], "false");
    let dvh = w.bench.table("dvh_metrics");
    assert_eq!(only(&dvh, &[("ROI_Name", "Part")])["structure_partial"], "true");
    let names = rows.iter().chain(&dvh).map(|r| r["ROI_Name"].clone()).collect::<Vec<_>>();
    assert!(names.iter().all(|n| !n.contains("__partial")), "{names:?}");
    assert!(custom_set(w).rois.iter().all(|r| !r.name.contains("__partial")));
}

/// A complete course of a patient in a folder of its own.
fn patient(bench: &Bench, id: &str) -> Study {
    let s = Study::new(&bench.input().join(id), id, "plan", "f");
    let set = s.structures("RS", "s", &[("PTV", "PTV", bars([-8.0, 8.0], [-8.0, 8.0], slices(8..=10)))]);
    let plan = s.plan("RP", "p", "20240110", 20.0, 10, &set.sop_instance_uid);
    s.dose("RD", &plan.sop_instance_uid, |_| 20.0);
    s
}

const QUICK: &str = "--no-segmentation --no-radiomics --custom-structures none";

#[test]
fn d69_failed_courses_change_the_exit_code_and_doses_without_plan_do_not_vanish() {
    let bench = Bench::new();
    patient(&bench, "GOOD");
    let bad = patient(&bench, "BAD");
    // Half of the pixels of the dose are gone.
    let file = bad.dir.join("RD");
    let bytes = std::fs::read(&file).expect("the dose");
    std::fs::write(&file, &bytes[..bytes.len() / 2]).expect("written");
    // A dose whose plan was not exported, of a patient of whom nothing else is here.
    let lost = Study::new(&bench.here().join("elsewhere"), "LOST", "plan", "f");
    lost.dose("RD", "2.25.404", |_| 20.0);
    std::fs::rename(bench.here().join("elsewhere/RD"), bench.input().join("RD")).expect("moved");
    let said = bench.run(QUICK);
    let orphans = bench.table("orphans");
    let row = only(&orphans, &[("path", "BAD/RD")]);
    assert!(row["account"] == "unreadable" && row["reason"].contains("truncated"), "{row:#?}");
    expect_code(&said, 0);
    let row = only(&orphans, &[("path", "RD")]);
    assert_eq!((row["account"].as_str(), row["missing_uid"].as_str()), ("orphan", "2.25.404"));
    // The other patient is complete.
    assert_eq!(
        bench.table("dvh_metrics").iter().filter(|r| r["patient_id"] == "GOOD" && r["Status"] == "ok").count(),
        1
    );

    // A course of which a stage fails: the scaling of its dose is no number.
    let bench = Bench::new();
    patient(&bench, "GOOD");
    let bad = patient(&bench, "BAD");
    let file = bad.dir.join("RD");
    let mut bytes = std::fs::read(&file).expect("the dose");
    let at = bytes.windows(4).position(|w| w == [0x04, 0x30, 0x0E, 0x00]).expect("Dose Grid Scaling");
    bytes[at + 8..at + 12].copy_from_slice(b"none");
    std::fs::write(&file, bytes).expect("written");
    let said = bench.run(QUICK);
    expect_code(&said, 20);
    let failures = bench.table("failures");
    let row = failures.iter().find(|r| r["kind"] == "Data").expect("a failed unit");
    assert_eq!((row["patient_id"].as_str(), row["stage"].as_str()), ("BAD", "organize"), "{failures:#?}");
    assert!(row["message"].contains("RD") && !row["hint"].is_empty(), "{row:#?}");
    assert!(failures.iter().all(|r| r["patient_id"] == "BAD"), "{failures:#?}");
    assert!(said.err.contains("failed") && said.err.contains("failures.csv"), "{}", said.err);
    assert_eq!(
        bench.table("dvh_metrics").iter().filter(|r| r["patient_id"] == "GOOD" && r["Status"] == "ok").count(),
        1
    );
    // The same again: what cannot succeed is not tried, and not forgotten.
    expect_code(&bench.run(QUICK), 20);
    assert_eq!(bench.table("failures").len(), failures.len());
}

#[test]
fn d70_what_has_no_dvh_is_not_a_success() {
    // No dose at all: every structure has a row that says so, and quality control does not pass the course.
    let bench = Bench::new();
    let s = Study::new(&bench.input(), "P1", "plan", "f");
    let set = s.structures("RS", "s", &[("PTV", "PTV", bars([-8.0, 8.0], [-8.0, 8.0], slices(8..=10)))]);
    s.plan("RP", "p", "20240110", 20.0, 10, &set.sop_instance_uid);
    expect_code(&bench.run(QUICK), 0);
    let rows = bench.table("dvh_metrics");
    let ptv = only(&rows, &[("ROI_Name", "PTV")]);
    assert_eq!((ptv["Status"].as_str(), ptv["DmeanGy"].as_str()), ("no_dose", ""));
    assert!(!ptv["Reason"].is_empty());
    let qc = bench.table("qc_reports");
    assert!(["FAIL", "ERROR"].contains(&qc[0]["overall_status"].as_str()), "{:?}", qc[0]);

    // A course whose DVH and pictures could not be made, because a file lies where its folder should be: that fails,
    // the rest is skipped and says why, and the program says so at its end.
    let bench = Bench::new();
    patient(&bench, "GOOD");
    patient(&bench, "BAD");
    bench.file("out/BAD", "in the way");
    expect_code(&bench.run(QUICK), 20);
    let failures = bench.table("failures");
    let failed = only(&failures, &[("stage", "organize")]);
    // The input is not to blame, so that the next run tries again.
    assert_eq!((failed["kind"].as_str(), failed["patient_id"].as_str()), ("Resources", "BAD"), "{failed:#?}");
    assert!(failed["message"].contains("BAD/2024-01"), "{failed:#?}");
    for stage in ["dvh", "visualize"] {
        let row = only(&failures, &[("stage", stage), ("kind", "Skipped"), ("patient_id", "BAD")]);
        assert!(!row["caused_by"].is_empty(), "{row:#?}");
    }
    assert_eq!(
        bench.table("dvh_metrics").iter().filter(|r| r["patient_id"] == "GOOD" && r["Status"] == "ok").count(),
        1
    );
    // Out of the way, it is made up for.
    std::fs::remove_file(bench.out("BAD")).expect("removed");
    expect_code(&bench.run(QUICK), 0);
    assert!(bench.table("failures").is_empty());
    assert_eq!(bench.table("dvh_metrics").iter().filter(|r| r["Status"] == "ok").count(), 2);
}
