use super::*;

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const MR: &str = "1.2.840.10008.5.1.4.1.1.4";
const SET: &str = "1.2.840.10008.5.1.4.1.1.481.3";
const PLAN: &str = "1.2.840.10008.5.1.4.1.1.481.5";
const DOSE: &str = "1.2.840.10008.5.1.4.1.1.481.2";
const REG: &str = "1.2.840.10008.5.1.4.1.1.66.1";
const SR: &str = "1.2.840.10008.5.1.4.1.1.88.33";

fn object(path: &str, class: &str, uid: &str, patient: &str, study: &str, frame: &str) -> Facts {
    Facts {
        path: path.into(),
        sop_class_uid: class.into(),
        sop_instance_uid: uid.into(),
        patient_id: patient.into(),
        study_uid: study.into(),
        series_uid: format!("{uid}.s"),
        frames: if frame.is_empty() { vec![] } else { vec![frame.into()] },
        content: format!("digest of {path}"),
        study_date: "20240115".into(),
        ..Facts::default()
    }
}

fn slice(path: &str, uid: &str, series: &str, z: f64, study: &str, frame: &str) -> Facts {
    let mut f = object(path, CT, uid, "P", study, frame);
    f.series_uid = series.into();
    f.image = Some(ImageFacts { position: Some([0.0, 0.0, z]), orientation: None, size: [4, 4] });
    f
}

/// CT of three slices, structure set, plan, dose of one patient in `study` with `frame`.
fn course_of(tag: &str, study: &str, frame: &str) -> Vec<Facts> {
    let mut out: Vec<Facts> = (0..3)
        .map(|k| {
            slice(
                &format!("{tag}/ct{k}"),
                &format!("{tag}.ct{k}"),
                &format!("{tag}.series"),
                f64::from(k),
                study,
                frame,
            )
        })
        .collect();
    let mut set = object(&format!("{tag}/rs"), SET, &format!("{tag}.rs"), "P", study, frame);
    set.refs.instances = (0..3).map(|k| format!("{tag}.ct{k}")).collect();
    set.refs.series = vec![format!("{tag}.series")];
    let mut plan = object(&format!("{tag}/rp"), PLAN, &format!("{tag}.rp"), "P", study, frame);
    plan.refs.structure_sets = vec![format!("{tag}.rs")];
    plan.date = "20240120".into();
    let mut dose = object(&format!("{tag}/rd"), DOSE, &format!("{tag}.rd"), "P", study, frame);
    dose.refs.plans = vec![format!("{tag}.rp")];
    out.extend([set, plan, dose]);
    out
}

fn run(f: &[Facts]) -> Linked {
    link(f, &LinkOptions::default())
}

fn account(f: &[Facts], l: &Linked, path: &str) -> Account {
    l.accounts[f.iter().position(|x| x.path == path).expect("a file of the test")].account
}

/// The result with positions replaced by paths, to compare runs over differently ordered lists.
fn readable(f: &[Facts], l: &Linked) -> (Vec<String>, Vec<(String, Account, String)>) {
    let p = |i: usize| f[i].path.clone();
    let mut accounts: Vec<_> =
        l.accounts.iter().enumerate().map(|(i, v)| (p(i), v.account, v.reason.clone())).collect();
    accounts.sort();
    let courses = l
        .courses
        .iter()
        .map(|c| {
            let files: Vec<String> = c.files().map(p).collect();
            let sets: Vec<_> = c.structure_sets.iter().map(|s| (p(s.file), s.image, s.rung)).collect();
            let plans: Vec<_> = c.plans.iter().map(|s| (p(s.file), s.structure_set, s.rung)).collect();
            let doses: Vec<_> = c.doses.iter().map(|s| (p(s.file), &s.plans, s.rung)).collect();
            format!(
                "{} {:?} {} {:?} {files:?} {sets:?} {plans:?} {doses:?} {:?}",
                c.patient_id, c.stranger, c.key, c.date, c.notes
            )
        })
        .collect();
    (courses, accounts)
}

#[test]
fn a_complete_course_is_linked_by_uids() {
    let f = course_of("a", "1", "F");
    let l = run(&f);
    assert_eq!(l.courses.len(), 1);
    let c = &l.courses[0];
    assert_eq!((c.images.len(), c.images[0].files.len(), c.images[0].planning), (1, 3, true));
    assert_eq!((c.structure_sets[0].rung, c.structure_sets[0].of_plan), (Rung::SopInstance, true));
    assert_eq!((c.plans[0].structure_set, c.plans[0].rung), (Some(0), Rung::SopInstance));
    assert_eq!((c.doses[0].plans.clone(), c.doses[0].rung), (vec![0], Rung::SopInstance));
    assert_eq!((c.date, c.key.as_str()), (Some([2024, 1, 20]), "study:1"));
    assert!(c.notes.is_empty(), "{:?}", c.notes);
    assert!(l.accounts.iter().all(|a| a.account == Account::Used));
}

#[test]
fn the_order_of_files_changes_nothing() {
    let mut f = course_of("a", "1", "F");
    f.extend(course_of("b", "2", "G"));
    f.push(object("x/sr", SR, "sr", "P", "9", ""));
    let mut copy = f[0].clone();
    copy.path = "copy".into();
    f.push(copy);
    let expected = readable(&f, &run(&f));
    for turn in 1..f.len() {
        let mut g = f.clone();
        g.rotate_left(turn);
        if turn % 2 == 0 {
            g.reverse();
        }
        assert_eq!(readable(&g, &run(&g)), expected, "turned by {turn}");
    }
}

#[test]
fn copies_are_duplicates_and_blank_uids_are_not() {
    let mut f = course_of("a", "1", "F");
    let mut copy = f[0].clone();
    copy.path = "zz/copy".into();
    copy.transfer_syntax = "1.2.840.10008.1.2.4.90".into();
    f.push(copy);
    for k in 0..3 {
        let mut s = slice(&format!("blank/{k}"), "", "", f64::from(k), "", "E");
        s.patient_id = String::new();
        s.content = "the same".into();
        f.push(s);
    }
    let l = run(&f);
    assert_eq!(account(&f, &l, "zz/copy"), Account::Duplicate);
    let blank = l.courses.iter().find(|c| c.patient_id.is_empty()).expect("a course without Patient ID");
    assert_eq!(blank.images.len(), 1);
    assert_eq!(blank.images[0].files.len(), 3);
}

#[test]
fn of_two_versions_the_one_beside_its_referrer_is_used_and_said() {
    let mut f = course_of("a", "1", "F");
    let mut other = f[3].clone();
    other.path = "elsewhere/rs".into();
    other.content = "edited".into();
    f.push(other);
    let l = run(&f);
    assert_eq!(account(&f, &l, "a/rs"), Account::Used);
    assert_eq!(account(&f, &l, "elsewhere/rs"), Account::Conflict);
    assert!(l.courses[0].notes.iter().any(|n| n.code == "identity.conflict"));

    // Without a referrer that settles it, both are quarantined.
    let f: Vec<Facts> = f.into_iter().filter(|x| x.sop_class_uid != PLAN).collect();
    let l = run(&f);
    assert_eq!(account(&f, &l, "a/rs"), Account::Conflict);
    assert_eq!(account(&f, &l, "elsewhere/rs"), Account::Conflict);
}

#[test]
fn patients_are_never_joined() {
    let mut f = course_of("a", "1", "F");
    let mut foreign = object("a/foreign", DOSE, "foreign", "Q", "1", "F");
    foreign.refs.plans = vec!["a.rp".into()];
    f.push(foreign);
    let l = run(&f);
    let i = f.len() - 1;
    assert_eq!(l.accounts[i].account, Account::Orphan);
    assert!(l.accounts[i].reason.contains("another Patient ID"), "{}", l.accounts[i].reason);
    assert_eq!(l.courses[0].doses.len(), 1);
}

#[test]
fn the_plan_decides_which_structure_set_is_meant() {
    // D20 of the original: the first structure set of patient and study was taken.
    let mut f = course_of("a", "1", "F");
    let mut early = f[3].clone();
    early.path = "a/0_first".into();
    early.sop_instance_uid = "a.rs0".into();
    early.content = "early".into();
    f.push(early);
    let l = run(&f);
    let c = &l.courses[0];
    let set = c.plans[0].structure_set.expect("linked");
    assert_eq!(f[c.structure_sets[set].file].sop_instance_uid, "a.rs");
    assert_eq!(c.structure_sets.iter().filter(|s| s.of_plan).count(), 1);
}

#[test]
fn re_exported_images_are_found_by_series_then_by_frame() {
    let mut f = course_of("a", "1", "F");
    for s in &mut f[..3] {
        s.sop_instance_uid.push_str(".new");
    }
    let c = run(&f).courses.remove(0);
    assert_eq!((c.structure_sets[0].rung, c.structure_sets[0].image), (Rung::Series, Some(0)));
    assert!(c.notes.iter().any(|n| n.code == "link.series"));
    for s in &mut f[..3] {
        s.series_uid = "other".into();
    }
    let c = run(&f).courses.remove(0);
    assert_eq!((c.structure_sets[0].rung, c.structure_sets[0].image), (Rung::FrameOfReference, Some(0)));
    assert!(c.notes.iter().any(|n| n.code == "link.frame_of_reference"));
    // Two CT of that frame: nothing tells which, so none.
    let again: Vec<Facts> =
        (0..3).map(|k| slice(&format!("b/ct{k}"), &format!("b{k}"), "third", f64::from(k), "1", "F")).collect();
    f.extend(again);
    let c = run(&f).courses.remove(0);
    assert_eq!((c.structure_sets[0].rung, c.structure_sets[0].image), (Rung::None, None));
    assert!(c.images.iter().all(|i| !i.planning));
}

#[test]
fn missing_slices_are_counted() {
    let mut f = course_of("a", "1", "F");
    f.remove(1);
    let c = run(&f).courses.remove(0);
    assert_eq!((c.structure_sets[0].rung, c.images[0].missing), (Rung::SopInstance, 1));
}

#[test]
fn a_boost_on_the_same_ct_joins_and_a_gap_in_time_splits() {
    let mut f = course_of("a", "1", "F");
    let mut boost = f[4].clone();
    boost.path = "a/rp2".into();
    boost.sop_instance_uid = "a.rp2".into();
    boost.content = "boost".into();
    boost.study_uid = "7".into();
    boost.date = "20240220".into();
    let mut late = boost.clone();
    late.path = "a/rp3".into();
    late.sop_instance_uid = "a.rp3".into();
    late.content = "late".into();
    late.date = "20240601".into();
    f.extend([boost, late]);
    let l = run(&f);
    assert_eq!((l.courses.len(), l.courses[0].plans.len()), (1, 3));
    let l = link(&f, &LinkOptions { max_days: Some(25), ..LinkOptions::default() });
    let dates: Vec<_> = l.courses.iter().map(|c| (c.date, c.key.as_str(), c.images.len())).collect();
    assert_eq!(
        dates,
        [
            (Some([2024, 1, 20]), "study:1", 1),
            (Some([2024, 2, 20]), "study:1#2", 1),
            (Some([2024, 6, 1]), "study:1#3", 1)
        ]
    );
    assert_eq!(l.courses[0].doses.len(), 1);
    assert!(l.courses[1].doses.is_empty() && l.courses[2].doses.is_empty());
    let l = link(&f, &LinkOptions { max_days: Some(40), ..LinkOptions::default() });
    assert_eq!(l.courses.len(), 2);
}

#[test]
fn branches_are_chosen_per_patient() {
    // D30 of the original: one plan anywhere hid the courses without plan of all others.
    let mut f = course_of("a", "1", "F");
    let mut alone = object("q/rs", SET, "q.rs", "Q", "5", "Z");
    alone.refs.series = vec!["gone".into()];
    f.push(alone);
    let mut mr = object("r/mr", MR, "r.mr", "R", "6", "Y");
    mr.image = Some(ImageFacts::default());
    f.push(mr);
    let l = run(&f);
    let ids: Vec<&str> = l.courses.iter().map(|c| c.patient_id.as_str()).collect();
    assert_eq!(ids, ["P", "Q", "R"]);
}

#[test]
fn lone_plans_and_doses_are_orphans_and_qa_plans_are_left_out() {
    let mut plan = object("rp", PLAN, "1", "P", "1", "F");
    plan.refs.structure_sets = vec!["gone".into()];
    let mut qa = object("qa", PLAN, "2", "P", "1", "F");
    qa.intent = "MACHINE_QA".into();
    let mut dose = object("rd", DOSE, "3", "Q", "1", "F");
    dose.refs.plans = vec!["gone".into()];
    let f = [plan, qa, dose];
    let l = run(&f);
    assert!(l.courses.is_empty());
    assert_eq!(
        l.accounts.iter().map(|a| a.account).collect::<Vec<_>>(),
        [Account::Orphan, Account::Excluded, Account::Orphan]
    );
    assert!(l.accounts[0].reason.contains("gone"), "{}", l.accounts[0].reason);
}

#[test]
fn strangers_under_one_id_are_told_apart() {
    let mut f = course_of("a", "1", "F");
    let mut g = course_of("b", "2", "G");
    for x in &mut f {
        x.patient_name_digest = "jane".into();
        x.sex = "F".into();
    }
    for x in &mut g {
        x.patient_name_digest = "john".into();
        x.sex = "M".into();
    }
    f.extend(g);
    let l = run(&f);
    assert_eq!(l.courses.len(), 2);
    assert_eq!(l.courses.iter().filter(|c| c.stranger.is_some()).count(), 1);
    assert!(l.courses.iter().all(|c| c.notes.iter().any(|n| n.code == "patient.id_shared")));
    // The same birth date speaks for one person whose name changed.
    for x in &mut f {
        x.birth_date = "19600101".into();
        x.sex = "F".into();
    }
    assert!(run(&f).courses.iter().all(|c| c.stranger.is_none()));
}

#[test]
fn a_registration_brings_the_registered_image_along() {
    let mut f = course_of("a", "1", "F");
    let mut mr = object("mr", MR, "mr", "P", "4", "M");
    mr.image = Some(ImageFacts::default());
    f.push(mr);
    assert_eq!(run(&f).courses.len(), 2);
    let mut reg = object("reg", REG, "reg", "P", "4", "F");
    reg.frames.push("M".into());
    f.push(reg);
    let l = run(&f);
    assert_eq!(l.courses.len(), 1);
    assert_eq!((l.courses[0].images.len(), l.courses[0].others.len()), (2, 1));
}

#[test]
fn several_exports_under_one_series_uid_are_split_by_folder() {
    let mut f = Vec::new();
    for (folder, step) in [("one", 1.0), ("two", 2.0)] {
        for k in 0..3 {
            let z = f64::from(k) * step;
            f.push(slice(&format!("{folder}/{k}"), &format!("{folder}{k}"), "shared", z, "1", "F"));
        }
    }
    let mut set = object("structures/rs", SET, "rs", "P", "1", "F");
    set.refs.instances = (0..3).map(|k| format!("two{k}")).collect();
    f.push(set);
    let c = run(&f).courses.remove(0);
    assert_eq!(c.images.len(), 2);
    let image = c.structure_sets[0].image.expect("linked");
    assert!(c.images[image].files.iter().all(|&i| f[i].path.starts_with("two/")));
}

#[test]
fn days_are_counted_across_months_and_leap_years() {
    use super::facts::{day, day_number};
    let n = |t: &str| day_number(day(t).expect("a date"));
    assert_eq!(n("20240301") - n("20240228"), 2);
    assert_eq!(n("20230301") - n("20230228"), 1);
    assert_eq!(n("20240101") - n("20231231"), 1);
    assert_eq!(n("1997.04.24"), n("19970424"));
    assert_eq!(day("20120000"), None);
    assert_eq!(day(""), None);
}

/// Sunnybrook's cine series: an anonymizer gave every image a frame of reference of its own.
#[test]
fn a_frame_for_every_image_divides_nothing() {
    let images = |frame: fn(usize) -> String, n: usize| -> Vec<Facts> {
        (0..n).map(|k| slice(&format!("a/{k}"), &format!("a{k}"), "series", k as f64, "1", &frame(k))).collect()
    };
    let files =
        |f: &[Facts]| -> Vec<usize> { run(f).courses.iter().flat_map(|c| &c.images).map(|i| i.files.len()).collect() };
    assert_eq!(files(&images(|k| format!("F{k}"), 4)), [4]);
    // Two registered halves of one series stay two.
    assert_eq!(files(&images(|k| format!("F{}", k / 2), 4)), [2, 2]);
    // Multi-frame images are volumes in their own frames.
    let mut multi = images(|k| format!("F{k}"), 3);
    for f in &mut multi {
        f.image = Some(ImageFacts { position: None, orientation: None, size: [4, 4] });
    }
    assert_eq!(files(&multi), [1, 1, 1]);
}
