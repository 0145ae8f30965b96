use super::resolve::*;
use crate::course::{CourseFile, Prescription};
use rtpipeline_engine::RootedPath;

fn plan(uid: &str, label: &str, rx: f64, fractions: u32) -> PlanInfo {
    PlanInfo {
        uid: uid.into(),
        label: label.into(),
        text: label.into(),
        date: "20240101".into(),
        approval: "APPROVED".into(),
        groups: vec![(Some(1), Some(fractions), vec![1, 2])],
        rx: Some(Prescription { total_gy: rx, fractions: Some(fractions), source: "DoseReferenceSequence".into() }),
        ..PlanInfo::default()
    }
}

fn dose(uid: &str, summation: &str, plans: &[&str], max: f64) -> DoseInfo {
    DoseInfo {
        file: CourseFile { path: RootedPath::new("in", uid).expect("a plain name"), sop_instance_uid: uid.into() },
        summation: summation.into(),
        units: "GY".into(),
        dose_type: "PHYSICAL".into(),
        frame: "F".into(),
        plans: plans.iter().map(|p| (*p).to_owned()).collect(),
        plans_here: true,
        groups: vec![],
        beams: vec![],
        max,
        signature: Signature { geometry: vec![2.0, 2.0], samples: vec![max, max / 2.0, uid.len() as f64] },
        problem: None,
    }
}

fn beam(uid: &str, plan: &str, beam: i64, max: f64) -> DoseInfo {
    DoseInfo { beams: vec![beam], groups: vec![1], ..dose(uid, "BEAM", &[plan], max) }
}

fn parts(r: &Resolution) -> Vec<(&str, f64)> {
    r.doses[0].components.iter().map(|c| (c.file.sop_instance_uid.as_str(), c.weight)).collect()
}

#[test]
fn a_plan_dose_is_taken_and_beats_beam_doses() {
    let r = resolve(
        &[plan("p", "A", 60.0, 30)],
        &[beam("b1", "p", 1, 30.0), dose("d", "PLAN", &["p"], 62.0), beam("b22", "p", 2, 31.0)],
    );
    assert_eq!((r.word.as_str(), parts(&r)), ("plan_dose", vec![("d", 1.0)]));
    assert_eq!(r.fate.iter().map(|f| f.0).collect::<Vec<_>>(), [false, true, false]);
    assert!(r.fate.iter().all(|f| !f.1.is_empty()), "{:?}", r.fate);
    assert_eq!(r.doses[0].prescription.as_ref().map(|p| p.total_gy), Some(60.0));
}

#[test]
fn beam_doses_are_summed_only_when_complete() {
    let p = [plan("p", "A", 60.0, 30)];
    let all = [beam("b1", "p", 1, 30.0), beam("b22", "p", 2, 31.0)];
    let r = resolve(&p, &all);
    assert_eq!((r.word.as_str(), parts(&r)), ("beam_doses_summed", vec![("b1", 1.0), ("b22", 1.0)]));
    for incomplete in [
        vec![all[0].clone()],
        vec![all[0].clone(), beam("b333", "p", 1, 20.0)],
        vec![all[0].clone(), all[1].clone(), beam("b4444", "p", 3, 1.0)],
        vec![all[0].clone(), DoseInfo { dose_type: "EFFECTIVE".into(), ..all[1].clone() }],
        vec![all[0].clone(), DoseInfo { frame: "G".into(), ..all[1].clone() }],
    ] {
        let r = resolve(&p, &incomplete);
        assert_eq!(r.word, "unresolved", "{incomplete:?}");
        assert!(r.doses.is_empty() && r.reason.contains("beam doses"), "{}", r.reason);
    }
}

#[test]
fn a_fraction_dose_is_multiplied_only_when_the_prescription_tells() {
    let p = [plan("p", "A", 60.0, 30)];
    for (max, weight) in [(2.1, Some(30.0)), (63.0, Some(1.0)), (15.0, None)] {
        let r = resolve(&p, &[dose("d", "FRACTION", &["p"], max)]);
        match weight {
            Some(w) => assert_eq!((r.word.as_str(), parts(&r)), ("fraction_doses_summed", vec![("d", w)])),
            None => assert_eq!(r.word, "unresolved"),
        }
    }
    let no_rx = PlanInfo { rx: None, ..p[0].clone() };
    assert_eq!(resolve(std::slice::from_ref(&no_rx), &[dose("d", "FRACTION", &["p"], 2.0)]).word, "unresolved");
    assert_eq!(parts(&resolve(&[no_rx], &[dose("d", "FRACTION_SESSION", &["p"], 2.0)])), [("d", 30.0)]);
}

#[test]
fn primary_and_boost_are_added_and_each_is_kept() {
    let plans = [plan("p", "Primary", 50.0, 25), plan("q", "Boost", 10.0, 5)];
    let doses = [dose("d", "PLAN", &["p"], 52.0), dose("e2", "PLAN", &["q"], 11.0)];
    let r = resolve(&plans, &doses);
    assert_eq!((r.word.as_str(), parts(&r)), ("plan_doses_summed", vec![("d", 1.0), ("e2", 1.0)]));
    let rx = r.doses[0].prescription.clone().expect("both plans have one");
    assert_eq!((rx.total_gy, rx.fractions), (60.0, Some(30)));
    assert_eq!(r.doses.iter().map(|d| d.id.as_str()).collect::<Vec<_>>(), ["total", "plan1", "plan2"]);
    assert_eq!(r.doses[2].prescription.as_ref().map(|p| p.total_gy), Some(10.0));
    // One of them without prescription: nothing is invented for the sum.
    let r = resolve(&[plans[0].clone(), PlanInfo { rx: None, ..plans[1].clone() }], &doses);
    assert_eq!(r.doses[0].prescription, None);
    // Another frame of reference: not added.
    let r = resolve(&plans, &[doses[0].clone(), DoseInfo { frame: "G".into(), ..doses[1].clone() }]);
    assert_eq!(r.word, "unresolved");
}

#[test]
fn what_can_be_read_in_two_ways_stays_unresolved() {
    // D17 of the original: different prescriptions alone made a boost, equal ones a re-plan.
    for rx in [(50.0, 50.0), (60.0, 30.0)] {
        let plans = [plan("p", "A", rx.0, 25), plan("q", "B", rx.1, 25)];
        let r = resolve(&plans, &[dose("d", "PLAN", &["p"], rx.0), dose("e2", "PLAN", &["q"], rx.1)]);
        assert_eq!(r.word, "unresolved");
        assert!(r.doses.is_empty());
        assert!(r.reason.contains("2 plans"), "{}", r.reason);
        assert!(r.fate.iter().all(|f| !f.0 && f.1 == r.reason));
    }
    let r = resolve(&[plan("p", "A", 60.0, 30)], &[dose("d", "PLAN", &["p"], 60.0), dose("e2", "PLAN", &["p"], 58.0)]);
    assert_eq!(r.word, "unresolved");
}

#[test]
fn a_replan_leaves_the_first_intention_and_keeps_a_boost() {
    let plans = [plan("p", "Lung", 60.0, 30), plan("q", "Lung replan", 60.0, 30), plan("b", "Lung boost", 6.0, 3)];
    let doses = [dose("d", "PLAN", &["p"], 62.0), dose("e2", "PLAN", &["q"], 61.0), dose("f33", "PLAN", &["b"], 7.0)];
    let r = resolve(&plans[..2], &doses[..2]);
    assert_eq!((r.word.as_str(), parts(&r)), ("plan_dose", vec![("d", 1.0)]));
    assert!(r.reason.contains("replan"), "{}", r.reason);
    assert_eq!(r.doses.len(), 2);
    // D17: one hit of a re-plan lost the boost.
    let r = resolve(&plans, &doses);
    assert_eq!((r.word.as_str(), parts(&r)), ("plan_doses_summed", vec![("d", 1.0), ("f33", 1.0)]));
}

#[test]
fn approval_and_delivery_come_before_words() {
    let mut plans = [plan("p", "A", 50.0, 2), plan("q", "B", 50.0, 3)];
    let doses = [dose("d", "PLAN", &["p"], 50.0), dose("e2", "PLAN", &["q"], 51.0)];
    plans[1].approval = "REJECTED".into();
    assert_eq!(parts(&resolve(&plans, &doses)), [("d", 1.0)]);
    plans[1].approval = "APPROVED".into();
    plans[0].delivered = Some(2);
    plans[1].delivered = Some(3);
    assert_eq!(resolve(&plans, &doses).word, "plan_doses_summed");
    plans[1].delivered = Some(1);
    assert_eq!(resolve(&plans, &doses).word, "unresolved");
}

#[test]
fn the_systems_own_sum_comes_first() {
    let plans = [plan("p", "A", 50.0, 25), plan("q", "B", 10.0, 5)];
    let doses = [
        dose("d", "PLAN", &["p"], 50.0),
        dose("e2", "PLAN", &["q"], 10.0),
        dose("sum", "MULTI_PLAN", &["p", "q"], 60.0),
    ];
    let r = resolve(&plans, &doses);
    assert_eq!((r.word.as_str(), parts(&r), r.doses.len()), ("multi_plan_dose", vec![("sum", 1.0)], 3));
    assert_eq!(r.doses[0].prescription.as_ref().map(|p| p.total_gy), Some(60.0));
    // Only the sum, one of its plans missing: no prescription is made up.
    let only = [DoseInfo { plans_here: false, ..doses[2].clone() }];
    let r = resolve(&plans[..1], &only);
    assert_eq!((r.word.as_str(), r.doses[0].prescription.clone()), ("multi_plan_dose", None));
}

#[test]
fn a_copy_is_counted_once() {
    let plans = [plan("p", "A", 60.0, 30)];
    let first = dose("d", "PLAN", &["p"], 62.0);
    let mut copy = dose("e2", "PLAN", &["p"], 62.0);
    copy.signature = first.signature.clone();
    let r = resolve(&plans, &[first, copy]);
    assert_eq!((r.word.as_str(), parts(&r)), ("plan_dose", vec![("d", 1.0)]));
    assert!(r.fate[1].1.contains("again"), "{:?}", r.fate);
}

#[test]
fn doses_without_plan() {
    let r = resolve(&[], &[dose("d", "PLAN", &["gone"], 40.0)]);
    assert_eq!((r.word.as_str(), r.doses[0].prescription.clone()), ("single_unlinked_dose", None));
    assert_eq!(resolve(&[], &[dose("d", "PLAN", &[], 40.0), dose("e2", "PLAN", &[], 41.0)]).word, "unresolved");
    assert_eq!(resolve(&[], &[beam("b", "gone", 1, 3.0)]).word, "unresolved");
    let r = resolve(&[], &[]);
    assert_eq!((r.word.as_str(), r.doses.len()), ("unresolved", 0));
    let relative = DoseInfo { problem: Some("its units are RELATIVE".into()), ..dose("d", "PLAN", &["p"], 100.0) };
    let r = resolve(&[plan("p", "A", 60.0, 30)], &[relative]);
    assert!(r.word == "unresolved" && r.reason.contains("RELATIVE"), "{}", r.reason);
}

#[test]
fn brachytherapy_and_dose_types() {
    let brachy = PlanInfo { brachy: true, ..plan("p", "HDR", 30.0, 5) };
    assert_eq!(resolve(&[brachy], &[dose("d", "PLAN", &["p"], 40.0)]).word, "brachy_dose");
    let both = [
        dose("d", "PLAN", &["p"], 60.0),
        DoseInfo { dose_type: "EFFECTIVE".into(), ..dose("e2", "PLAN", &["p"], 66.0) },
    ];
    assert_eq!(parts(&resolve(&[plan("p", "A", 60.0, 30)], &both)), [("d", 1.0)]);
    let ion = PlanInfo { ion: true, ..plan("p", "A", 60.0, 30) };
    assert_eq!(parts(&resolve(&[ion], &both)), [("e2", 1.0)]);
}
