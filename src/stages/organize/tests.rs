use super::*;
use crate::course::Catalogue;
use crate::index::{Inventory, build};
use rtpipeline_engine::{Cancel, Roots, UnitId};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

fn shared(rel: &str) -> Option<PathBuf> {
    let root = std::env::var_os("RTPIPELINE_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let path = root.join(rel);
    if !path.exists() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

/// A generated folder; `None` with the reason printed when the generator cannot be run.
fn generate(arguments: &[&str]) -> Option<tempfile::TempDir> {
    let script = shared("tools/gen_rt.py")?;
    let dir = tempfile::tempdir().expect("a temporary folder");
    let python = std::env::var_os("RTPIPELINE_PYTHON").unwrap_or_else(|| "python3".into());
    let run = Command::new(python).arg(script).args(arguments).arg(dir.path().join("made")).output();
    match run {
        Ok(o) if o.status.success() => Some(dir),
        Ok(o) => {
            let said = String::from_utf8_lossy(&o.stderr).into_owned();
            assert!(said.contains("No module named"), "the generator failed: {said}");
            eprintln!("skipped: the generator needs numpy and pydicom: {said}");
            None
        }
        Err(e) => {
            eprintln!("skipped: no Python to run the generator: {e}");
            None
        }
    }
}

struct Organised {
    inventory: Inventory,
    units: Vec<(CourseManifest, Catalogue, Output)>,
    _work: tempfile::TempDir,
    work: PathBuf,
}

fn organise_with(root: &Path, settings: &OrganizeSettings) -> Organised {
    let inventory = build(root, settings, None, &|_, _| {}).expect("a folder that can be scanned");
    let tmp = tempfile::tempdir().expect("a temporary folder");
    let work = tmp.path().to_path_buf();
    let roots = Roots(BTreeMap::from([("in".to_owned(), root.to_path_buf()), ("out".to_owned(), work.join("out"))]));
    let stage = Organize::new(settings.clone(), Policy::default());
    let units = inventory
        .courses
        .iter()
        .enumerate()
        .map(|(n, course)| {
            let unit = stage.plan(&PlanContext::new(&roots), course).expect("a plan").remove(0);
            let cx = UnitContext {
                id: UnitId { stage: "organize".into(), scope: vec![], part: None },
                roots: roots.clone(),
                work: work.join(n.to_string()),
                log: work.join("log"),
                threads: 1,
                env: BTreeMap::new(),
                host: BTreeMap::new(),
                time_limit: None,
                cancel: Cancel::new(),
            };
            std::fs::create_dir_all(&cx.work).expect("a folder");
            // The task must survive the way through a file.
            let task: OrganizeTask =
                serde_json::from_slice(&serde_json::to_vec(&unit.task).expect("to JSON")).expect("from JSON");
            let out = stage.run(&cx, &task).expect("a course is organised whatever its parts are");
            for f in &out.files {
                assert!(cx.work.join(&f.work).exists(), "{} was not made", f.work);
            }
            for (table, rows) in &out.rows {
                let def = tables::by_name(table).expect("a known table");
                def.cells(rows.clone()).unwrap_or_else(|e| panic!("{table}: {e}"));
            }
            let read = |role: &str| {
                let f = out.files.iter().find(|f| f.role == role).expect("written");
                std::fs::read(cx.work.join(&f.work)).expect("readable")
            };
            let manifest = serde_json::from_slice(&read("manifest")).expect("a manifest");
            let catalogue = serde_json::from_slice(&read("structures_manual")).expect("a catalogue");
            (manifest, catalogue, out)
        })
        .collect();
    Organised { inventory, units, _work: tmp, work }
}

fn organise(root: &Path) -> Organised {
    organise_with(root, &OrganizeSettings::default())
}

fn roles(out: &Output) -> Vec<&str> {
    out.files.iter().map(|f| f.role.as_str()).collect()
}

#[test]
fn breast_boost_is_complete_on_the_first_run() {
    let Some(dir) = shared("data/breast_boost") else { return };
    let o = organise(&dir);
    let (m, c, out) = &o.units[0];
    assert_eq!(m.dose_resolution, "plan_dose");
    let rx = m.resolved_doses[0].prescription.clone().expect("14 Gy to the breast");
    assert!((rx.total_gy - 14.0).abs() < 1e-9 && rx.fractions == Some(7), "{rx:?}");
    assert_eq!(c.structures.len(), 10);
    assert_eq!(c.structures.iter().find(|s| s.name == "Areola").and_then(|s| s.contour_count), Some(0));
    assert_eq!(c.structures.iter().find(|s| s.name == "Heart").and_then(|s| s.contour_count), Some(33));
    assert!(m.findings.iter().any(|f| f.code == "image.missing_slices"));
    // D1 of the original: the root trio was missing on the first run, and most metadata with it.
    for role in ["RP", "RD", "RS", "dicom", "case_metadata"] {
        assert!(roles(out).contains(&role), "{role}");
    }
    let row = &out.rows["case_metadata"][0];
    for (key, value) in
        [("planned_fractions", 7.0), ("total_prescription_gy", 14.0), ("beams_count", 4.0), ("roi_count", 10.0)]
    {
        assert_eq!(row[key].as_f64(), Some(value), "{key}");
    }
    for key in
        ["rp_path", "rd_path", "rs_path", "treatment_machine", "beam_energies", "patient_sex", "dose_grid", "ct_kvp"]
    {
        assert!(!row[key].is_null(), "{key}");
    }
    let filled = row.values().filter(|v| !v.is_null()).count();
    assert!(filled > 46, "only {filled} keys; the original gave about 46 on a first run");
    // D7: plans and doses are no treatment records.
    assert!(out.rows["fractions"].is_empty() && row["fractions_count"].is_null());
    let max = out.rows["doses"][0]["max_dose_gy"].as_f64().expect("a dose in Gy");
    assert!((max - 14.680764).abs() < 1e-5, "{max}");
}

#[test]
fn every_set_of_the_shared_folder_is_organised() {
    let Some(dir) = shared("data") else { return };
    let o = organise_with(&dir, &OrganizeSettings { files: FileMode::None, ..OrganizeSettings::default() });
    assert!(o.inventory.courses.len() > 30);
    let mut text = String::new();
    for (m, c, out) in &o.units {
        let volumes: Vec<String> = m
            .course
            .images
            .iter()
            .map(|i| {
                i.grid.as_ref().map_or_else(|| format!("{} -", i.id), |g| format!("{} {:?} {}", i.id, g.dims, i.unit))
            })
            .collect();
        text.push_str(&format!(
            "{}/{} {} [{}] {} structures; {volumes:?}\n",
            m.course.patient_dir,
            m.course.course_id,
            m.dose_resolution,
            m.dose_resolution_reason,
            c.structures.len()
        ));
        for f in &out.failures {
            text.push_str(&format!("   FAILED {}: {}\n", f.part, f.error.message));
        }
        // What has no volume says why.
        let lacking = m.course.images.iter().filter(|i| i.nifti.is_none()).count();
        let failed = out.failures.iter().filter(|f| f.part.starts_with("image ")).count();
        assert_eq!(lacking, failed, "{}", m.course.patient_dir);
        assert!(!roles(out).contains(&"dicom") && !roles(out).contains(&"RP"));
    }
    if let Some(to) = std::env::var_os("RTPIPELINE_TEST_DUMP2") {
        std::fs::write(to, &text).expect("a place to write to");
    }
    let of = |id: &str| o.units.iter().find(|u| u.0.course.patient_id == id).expect("a course");
    assert_eq!(of("ANON93124").0.dose_resolution, "brachy_dose");
    assert_eq!(of("E2E_test_PG1_1").0.dose_resolution, "unresolved");
    assert_eq!(of("E2E_test_PG1_1").1.structures.len(), 11);
    let hdr = &of("UNKNOWN").1;
    let volumetric: Vec<&str> =
        hdr.structures.iter().filter(|s| s.contour_count > Some(0)).map(|s| s.name.as_str()).collect();
    assert_eq!((hdr.structures.len(), volumetric), (17, vec!["Water", "HRCTV"]));
    let sts = &of("STS_002").0.course;
    let dims: Vec<Option<[usize; 3]>> = sts.images.iter().map(|i| i.grid.as_ref().map(|g| g.dims)).collect();
    assert_eq!(dims, [Some([161, 143, 48]), Some([115, 90, 35]), Some([30, 27, 48])]);
    let numbers: BTreeSet<i32> = of("STS_002").1.structures.iter().map(|s| s.number).collect();
    assert_eq!(numbers.len(), 3);
}

#[test]
fn a_generated_course_is_linked_and_its_tree_is_by_content() {
    let Some(dir) =
        generate(&["course", "--slices", "12", "--size", "32", "--plans", "2", "--no-truth", "--points", "3000"])
    else {
        return;
    };
    let o = organise(dir.path());
    let (m, c, out) = &o.units[0];
    assert_eq!(o.units.len(), 1);
    assert!(c.structures.len() >= 28, "{}", c.structures.len());
    assert_eq!(m.course.images[0].grid.as_ref().map(|g| g.dims), Some([32, 32, 12]));
    assert_eq!(m.course.images[0].unit, "HU");
    eprintln!("{} {}", m.dose_resolution, m.dose_resolution_reason);
    let dicom = o.work.join("0").join(&out.files.iter().find(|f| f.role == "dicom").expect("DICOM").work);
    for k in 1..=12 {
        assert!(dicom.join(format!("CT/CT_{k:05}.dcm")).is_file(), "{k}");
    }
    for folder in ["RTPLAN", "RTDOSE", "RTSTRUCT"] {
        assert!(dicom.join(folder).is_dir(), "{folder}");
    }
    assert_eq!(m.dose_resolution, "plan_doses_summed", "{}", m.dose_resolution_reason);
    assert_eq!(m.resolved_doses[0].components.len(), 2);
    let rx: f64 = m.resolved_doses[1..].iter().filter_map(|d| d.prescription.as_ref()).map(|p| p.total_gy).sum();
    assert_eq!(m.resolved_doses[0].prescription.as_ref().map(|p| p.total_gy), Some(rx));
}

#[test]
fn dose_variants_of_the_generator() {
    let common = ["--slices", "8", "--size", "24", "--no-truth", "--points", "2000", "--omit"];
    for (more, omit, word) in [
        (&["--plans", "2", "--plan-sum"][..], "none", "multi_plan_dose"),
        (&["--plans", "2", "--only-sum"], "none", "multi_plan_dose"),
        (&["--beam-doses"], "none", "plan_dose"),
        (&[], "plan", "single_unlinked_dose"),
        (&[], "refplan", "plan_dose"),
        (&[], "dose", "unresolved"),
        (&[], "refstruct,refseries", "plan_dose"),
        (&[], "ct", "plan_dose"),
    ] {
        let mut arguments = vec!["course"];
        arguments.extend(more);
        arguments.extend(common);
        arguments.push(omit);
        let Some(dir) = generate(&arguments) else { return };
        let o = organise(dir.path());
        assert_eq!(o.units.len(), 1, "{arguments:?}");
        let (m, c, _) = &o.units[0];
        assert_eq!(m.dose_resolution, word, "{arguments:?}: {}", m.dose_resolution_reason);
        assert!(!c.structures.is_empty());
        if omit.contains("refstruct") {
            assert!(m.findings.iter().any(|f| f.code.starts_with("link.")), "{arguments:?}");
        }
    }
}

#[test]
fn damage_costs_only_what_is_damaged() {
    let Some(clean) = generate(&["course", "--slices", "10", "--size", "24", "--no-truth", "--points", "2000"]) else {
        return;
    };
    let source = clean.path().to_string_lossy().into_owned();
    let faults = "truncate,cut_header,duplicate,rename,foreign,padding,empty,no_preamble";
    let Some(dir) = generate(&["mutate", "--faults", faults, "--rate", "0.1", &source]) else { return };
    let o = organise(dir.path());
    assert!(!o.units.is_empty());
    let accounts: BTreeSet<&str> = o.inventory.files.iter().map(|f| f.account.as_str()).collect();
    assert!(accounts.contains("unreadable") && accounts.contains("duplicate"), "{accounts:?}");
    for f in &o.inventory.files {
        assert!(!f.reason.is_empty());
    }
}

/// What users see of a course, without paths of the input.
fn essence(o: &Organised) -> Vec<String> {
    let mut all = Vec::new();
    for (n, (m, c, out)) in o.units.iter().enumerate() {
        let mut rows = out.rows.clone();
        for row in rows.values_mut().flatten() {
            row.retain(|k, _| !k.ends_with("path") && !k.ends_with("paths_all") && k != "dicom_related_files");
        }
        let volumes: Vec<(String, blake3::Hash)> = out
            .files
            .iter()
            .filter(|f| f.role.starts_with("nifti"))
            .map(|f| {
                (
                    f.to.to_string(),
                    blake3::hash(&std::fs::read(o.work.join(n.to_string()).join(&f.work)).expect("written")),
                )
            })
            .collect();
        let names: Vec<(i32, &str)> = c.structures.iter().map(|s| (s.number, s.name.as_str())).collect();
        let doses: Vec<(&str, usize)> = m.resolved_doses.iter().map(|d| (d.id.as_str(), d.components.len())).collect();
        let codes: BTreeSet<&str> = m.findings.iter().map(|f| f.code.as_str()).collect();
        let rows = serde_json::to_string(&rows).expect("JSON");
        all.push(format!(
            "{}/{} {rows} {volumes:?} {names:?} {doses:?} {codes:?}",
            m.course.patient_dir, m.course.course_id
        ));
    }
    all
}

#[test]
fn names_folders_and_copies_of_files_change_nothing() {
    let arguments = ["course", "--slices", "8", "--size", "24", "--no-truth", "--points", "2000", "--plans", "2"];
    let Some(tidy) = generate(&arguments) else { return };
    let scrambled = tempfile::tempdir().expect("a temporary folder");
    let mut files: Vec<PathBuf> = Vec::new();
    let mut todo = vec![tidy.path().to_path_buf()];
    while let Some(dir) = todo.pop() {
        for e in std::fs::read_dir(dir).expect("readable").flatten() {
            if e.path().is_dir() { todo.push(e.path()) } else { files.push(e.path()) }
        }
    }
    files.sort();
    for (n, f) in files.iter().enumerate() {
        // Names by a digest: no order, no extension; every third file twice.
        let name = blake3::hash(format!("salt {n}").as_bytes()).to_hex().to_string();
        std::fs::copy(f, scrambled.path().join(&name[..20])).expect("copied");
        if n % 3 == 0 {
            std::fs::copy(f, scrambled.path().join(&name[20..40])).expect("copied");
        }
    }
    let (a, b) = (organise(tidy.path()), organise(scrambled.path()));
    assert_eq!(essence(&a), essence(&b));
    assert!(b.inventory.files.iter().any(|f| f.account == "duplicate"));
}
