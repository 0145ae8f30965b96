//! Which dose is meant: from plans and doses of a course to the doses that metrics are computed from.
//!
//! Contracts §7: sums are made only when complete; a case that can be read in two ways stays unresolved, with the reason.
//! Terms of Dose Summation Type are those of DICOM PS3.3 C.8.8.3 (3004,000A).

use super::words;
use crate::course::{CourseFile, DoseComponent, Finding, Level, Prescription, ResolvedDose};
use std::collections::{BTreeMap, BTreeSet};

/// What resolving needs to know of a plan.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct PlanInfo {
    pub(super) uid: String,
    /// Words for people.
    pub(super) label: String,
    /// Label, name and description, for [`words`].
    pub(super) text: String,
    pub(super) date: String,
    pub(super) approval: String,
    /// Fraction groups: number, planned fractions, numbers of the beams that treat.
    pub(super) groups: Vec<(Option<i64>, Option<u32>, Vec<i64>)>,
    pub(super) rx: Option<Prescription>,
    pub(super) brachy: bool,
    pub(super) ion: bool,
    /// Sessions in the treatment records; `None` when the course has no records at all.
    pub(super) delivered: Option<usize>,
}

impl PlanInfo {
    fn fractions(&self) -> Option<u32> {
        self.groups.iter().map(|g| g.1).sum()
    }
}

/// What resolving needs to know of a dose.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct DoseInfo {
    pub(super) file: CourseFile,
    pub(super) summation: String,
    pub(super) units: String,
    pub(super) dose_type: String,
    pub(super) frame: String,
    pub(super) plans: Vec<String>,
    /// All plans that it names are here.
    pub(super) plans_here: bool,
    pub(super) groups: Vec<i64>,
    pub(super) beams: Vec<i64>,
    /// Highest value, Gy.
    pub(super) max: f64,
    /// Size, geometry and samples, by which two exports of one dose are known.
    pub(super) signature: Signature,
    /// Why it cannot be used, if so.
    pub(super) problem: Option<String>,
}

/// A few thousand values of a dose with its geometry.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Signature {
    /// Size, position and steps of the grid.
    pub(super) geometry: Vec<f64>,
    /// Values at regular positions.
    pub(super) samples: Vec<f64>,
}

impl Signature {
    /// Same grid to 0.01 mm and same values to 0.02 % of the maximum (coarser than any 16-bit scaling).
    fn same(&self, other: &Self) -> bool {
        let top = self.samples.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        let close =
            |a: &[f64], b: &[f64], by: f64| a.len() == b.len() && a.iter().zip(b).all(|(x, y)| (x - y).abs() <= by);
        !self.samples.is_empty()
            && close(&self.geometry, &other.geometry, 0.01)
            && close(&self.samples, &other.samples, 2e-4 * top)
    }
}

/// What was decided.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Resolution {
    /// Resolved doses, the headline first; empty when unresolved.
    pub(super) doses: Vec<ResolvedDose>,
    pub(super) word: String,
    pub(super) reason: String,
    /// Of each dose: used, and why.
    pub(super) fate: Vec<(bool, String)>,
    pub(super) findings: Vec<Finding>,
}

/// The dose of one plan.
#[derive(Clone, Debug)]
struct PlanDose {
    plan: usize,
    parts: Vec<(usize, f64)>,
    word: &'static str,
    reason: String,
}

struct Resolver<'a> {
    plans: &'a [PlanInfo],
    doses: &'a [DoseInfo],
    fate: Vec<(bool, String)>,
    findings: Vec<Finding>,
}

/// Resolves the doses of a course; plans come in order of date.
pub(super) fn resolve(plans: &[PlanInfo], doses: &[DoseInfo]) -> Resolution {
    let mut r = Resolver {
        plans,
        doses,
        fate: doses.iter().map(|d| (false, d.problem.clone().unwrap_or_default())).collect(),
        findings: Vec::new(),
    };
    let (chosen, word, reason) = r.decide();
    for d in &chosen {
        for c in &d.components {
            if let Some(i) = doses.iter().position(|x| x.file == c.file) {
                r.fate[i] = (true, format!("part of the dose \"{}\": {}", d.label, d.reason));
            }
        }
    }
    for f in &mut r.fate {
        if f.1.is_empty() {
            f.1 = if chosen.is_empty() { reason.clone() } else { format!("not needed: {reason}") };
        }
    }
    Resolution { doses: chosen, word, reason, fate: r.fate, findings: r.findings }
}

type Decision = (Vec<ResolvedDose>, String, String);

fn unresolved(reason: impl Into<String>) -> Decision {
    (Vec::new(), "unresolved".to_owned(), reason.into())
}

impl Resolver<'_> {
    fn decide(&mut self) -> Decision {
        if self.doses.is_empty() {
            return unresolved("The course has no dose.");
        }
        self.set_copies_aside();
        let live = self.live();
        if live.is_empty() {
            let why: BTreeSet<&str> = self.doses.iter().filter_map(|d| d.problem.as_deref()).collect();
            return unresolved(format!("No dose can be used: {}.", why.into_iter().collect::<Vec<_>>().join("; ")));
        }
        let mut of_plans = Vec::new();
        let mut trouble = Vec::new();
        for p in 0..self.plans.len() {
            match self.of_plan(p, &live) {
                Ok(Some(d)) => of_plans.push(d),
                Ok(None) => {}
                Err(why) => trouble.push(why),
            }
        }
        if let Some(decision) = self.multi_plan(&live, &of_plans) {
            return decision;
        }
        if !trouble.is_empty() {
            return unresolved(trouble.join(" "));
        }
        match of_plans.len() {
            0 => self.unlinked(&live),
            1 => {
                let head = self.resolved(&of_plans[0], "plan1");
                let mut reason = head.reason.clone();
                let others = self.plans.len() - 1;
                if others > 0 {
                    reason.push_str(&format!(
                        " {others} other plan{} of the course without dose.",
                        if others == 1 { " is" } else { "s are" }
                    ));
                    self.findings.push(Finding::new(
                        Level::Caution,
                        "dose.plan_without_dose",
                        format!("{others} of {} plans have no dose.", self.plans.len()),
                        "If they were delivered, the dose of the course is higher than shown.",
                    ));
                }
                (vec![ResolvedDose { reason: reason.clone(), ..head.clone() }], head.resolution, reason)
            }
            _ => self.several(of_plans),
        }
    }

    /// Doses without a problem.
    fn live(&self) -> Vec<usize> {
        (0..self.doses.len()).filter(|&i| self.fate[i].1.is_empty()).collect()
    }

    fn set_copies_aside(&mut self) {
        let live = self.live();
        for (n, &i) in live.iter().enumerate() {
            if let Some(&first) = live[..n].iter().find(|&&j| self.fate[j].1.is_empty() && self.copies(i, j)) {
                let what = format!("the same dose as {} again", self.doses[first].file.path.rel());
                self.findings.push(
                    Finding::new(
                        Level::Note,
                        "dose.copy",
                        "A dose was exported twice under two UIDs.",
                        "It is counted once.",
                    )
                    .about(self.doses[i].file.path.rel()),
                );
                self.fate[i].1 = what;
            }
        }
    }

    fn copies(&self, i: usize, j: usize) -> bool {
        let (a, b) = (&self.doses[i], &self.doses[j]);
        let kind = |d: &DoseInfo| {
            (d.summation.clone(), d.units.clone(), d.dose_type.clone(), d.beams.clone(), d.groups.clone())
        };
        a.frame == b.frame && kind(a) == kind(b) && a.plans == b.plans && a.signature.same(&b.signature)
    }

    /// Doses of one Dose Summation Type that name this plan and no other.
    fn typed(&self, live: &[usize], p: usize, types: &[&str]) -> Vec<usize> {
        let only = |i: &&usize| self.doses[**i].plans == [self.plans[p].uid.clone()];
        live.iter().filter(only).copied().filter(|&i| types.contains(&self.doses[i].summation.as_str())).collect()
    }

    /// The dose of one plan: PLAN, else BRACHY, else the complete set of BEAM, else FRACTION.
    fn of_plan(&mut self, p: usize, live: &[usize]) -> Result<Option<PlanDose>, String> {
        let plan = &self.plans[p];
        let name = format!("plan \"{}\"", plan.label);
        let word = if plan.brachy { "brachy_dose" } else { "plan_dose" };
        for types in [&["PLAN", ""][..], &["BRACHY"]] {
            let found = self.typed(live, p, types);
            let one = match found.as_slice() {
                [] => continue,
                [one] => *one,
                many => self.by_type(p, many).ok_or_else(|| {
                    format!("There are {} different doses of {name}, and nothing says which one is meant.", many.len())
                })?,
            };
            let d = &self.doses[one];
            let word = if d.summation == "BRACHY" { "brachy_dose" } else { word };
            let reason = match d.summation.as_str() {
                "" => format!("The only dose of {name}; it does not say what it sums over."),
                t => format!("The {t} dose of {name}."),
            };
            return Ok(Some(PlanDose { plan: p, parts: vec![(one, 1.0)], word, reason }));
        }
        let beams = self.typed(live, p, &["BEAM"]);
        if !beams.is_empty() {
            return self.beams(p, &beams).map(Some);
        }
        let fractions = self.typed(live, p, &["FRACTION", "FRACTION_SESSION"]);
        if !fractions.is_empty() {
            return self.fractions(p, &fractions).map(Some);
        }
        Ok(None)
    }

    /// Of doses that differ in Dose Type alone: EFFECTIVE for ions, PHYSICAL for the rest.
    fn by_type(&mut self, p: usize, many: &[usize]) -> Option<usize> {
        let wanted = if self.plans[p].ion { "EFFECTIVE" } else { "PHYSICAL" };
        let fit: Vec<usize> = many.iter().copied().filter(|&i| self.doses[i].dose_type == wanted).collect();
        let types: BTreeSet<&str> = many.iter().map(|&i| self.doses[i].dose_type.as_str()).collect();
        let [one] = fit.as_slice() else { return None };
        if types.len() != many.len() {
            return None;
        }
        self.findings.push(Finding::new(
            Level::Caution,
            "dose.type_chosen",
            format!("The plan has doses of several types; the {wanted} one is used."),
            "Physical and effective dose are never mixed.",
        ));
        Some(*one)
    }

    fn alike(&self, parts: &[usize]) -> bool {
        let kind = |i: usize| (&self.doses[i].units, &self.doses[i].dose_type, &self.doses[i].frame);
        parts.windows(2).all(|w| kind(w[0]) == kind(w[1]))
    }

    fn beams(&self, p: usize, found: &[usize]) -> Result<PlanDose, String> {
        let plan = &self.plans[p];
        let wanted: BTreeSet<i64> = plan.groups.iter().flat_map(|g| g.2.iter().copied()).collect();
        let mut seen: BTreeMap<i64, usize> = BTreeMap::new();
        for &i in found {
            for &b in &self.doses[i].beams {
                *seen.entry(b).or_default() += 1;
            }
        }
        let complete = !wanted.is_empty()
            && seen.values().all(|&n| n == 1)
            && seen.keys().copied().collect::<BTreeSet<_>>() == wanted
            && found.iter().all(|&i| !self.doses[i].beams.is_empty());
        if !complete {
            return Err(format!(
                "The beam doses of plan \"{}\" are not a complete set (beams {wanted:?} are planned, doses of {:?} are here).",
                plan.label,
                seen.keys().collect::<Vec<_>>()
            ));
        }
        if !self.alike(found) {
            return Err(format!(
                "The beam doses of plan \"{}\" differ in units, type or frame of reference.",
                plan.label
            ));
        }
        Ok(PlanDose {
            plan: p,
            parts: found.iter().map(|&i| (i, 1.0)).collect(),
            word: "beam_doses_summed",
            reason: format!("Sum of the doses of all {} beams of plan \"{}\".", wanted.len(), plan.label),
        })
    }

    /// FRACTION is by the standard the dose of a whole fraction group, but systems also write that of one fraction: the
    /// prescription tells which. FRACTION_SESSION is one fraction by definition.
    fn fractions(&self, p: usize, found: &[usize]) -> Result<PlanDose, String> {
        let plan = &self.plans[p];
        let name = format!("plan \"{}\"", plan.label);
        if !self.alike(found) {
            return Err(format!("The fraction doses of {name} differ in units, type or frame of reference."));
        }
        let mut parts = Vec::new();
        let mut how = BTreeSet::new();
        for (number, fractions, _) in &plan.groups {
            let mine: Vec<usize> = found
                .iter()
                .copied()
                .filter(|&i| {
                    let g = &self.doses[i].groups;
                    number.is_some_and(|n| g == &[n]) || (plan.groups.len() == 1 && g.is_empty())
                })
                .collect();
            let ([one], Some(n)) = (mine.as_slice(), fractions) else {
                return Err(format!("The fraction doses of {name} are not one for each of its fraction groups."));
            };
            let n = f64::from(*n);
            let weight = if n == 1.0 || self.doses[*one].summation == "FRACTION_SESSION" {
                n
            } else {
                let rx = plan.rx.as_ref().map(|r| r.total_gy).filter(|_| plan.groups.len() == 1);
                let near = |v: f64| rx.is_some_and(|rx| (0.7..=1.7).contains(&(v / rx)));
                match (near(self.doses[*one].max), near(self.doses[*one].max * n)) {
                    (true, false) => 1.0,
                    (false, true) => n,
                    _ => {
                        return Err(format!(
                            "The FRACTION dose of {name} may be that of one fraction or of all {n}; the prescription does not tell."
                        ));
                    }
                }
            };
            how.insert(if weight == 1.0 {
                "taken as the whole fraction group".to_owned()
            } else {
                format!("times {weight} fractions")
            });
            parts.push((*one, weight));
        }
        if parts.len() != found.len() || parts.is_empty() {
            return Err(format!("The fraction doses of {name} are not one for each of its fraction groups."));
        }
        Ok(PlanDose {
            plan: p,
            parts,
            word: "fraction_doses_summed",
            reason: format!("FRACTION dose of {name}, {}.", how.into_iter().collect::<Vec<_>>().join("; ")),
        })
    }

    fn resolved(&self, d: &PlanDose, id: &str) -> ResolvedDose {
        let plan = &self.plans[d.plan];
        ResolvedDose {
            id: id.to_owned(),
            label: if plan.label.is_empty() { id.to_owned() } else { plan.label.clone() },
            resolution: d.word.to_owned(),
            reason: d.reason.clone(),
            components: self.components(&d.parts),
            plan_uids: vec![plan.uid.clone()],
            frame_of_reference_uid: d.parts.first().map(|p| self.doses[p.0].frame.clone()).unwrap_or_default(),
            prescription: plan.rx.clone(),
        }
    }

    fn components(&self, parts: &[(usize, f64)]) -> Vec<DoseComponent> {
        parts.iter().map(|&(i, weight)| DoseComponent { file: self.doses[i].file.clone(), weight }).collect()
    }

    /// Doses of the single plans behind a headline dose, `plan1` …
    fn each(&self, of_plans: &[PlanDose]) -> Vec<ResolvedDose> {
        of_plans.iter().enumerate().map(|(n, d)| self.resolved(d, &format!("plan{}", n + 1))).collect()
    }

    /// The sum of prescriptions, when every plan has one.
    fn rx_sum(&self, plans: &[usize], source: &str) -> Option<Prescription> {
        let all: Vec<&Prescription> = plans.iter().map(|&p| self.plans[p].rx.as_ref()).collect::<Option<_>>()?;
        (!all.is_empty()).then(|| Prescription {
            total_gy: all.iter().map(|r| r.total_gy).sum(),
            fractions: all.iter().map(|r| r.fractions).sum(),
            source: source.to_owned(),
        })
    }

    fn multi_plan(&mut self, live: &[usize], of_plans: &[PlanDose]) -> Option<Decision> {
        let several = |d: &DoseInfo| d.plans.len() > 1 && matches!(d.summation.as_str(), "PLAN" | "");
        let multi: Vec<usize> = live
            .iter()
            .copied()
            .filter(|&i| {
                matches!(self.doses[i].summation.as_str(), "MULTI_PLAN" | "PLAN_SUM") || several(&self.doses[i])
            })
            .collect();
        let most = multi.iter().map(|&i| self.doses[i].plans.len()).max()?;
        let top: Vec<usize> = multi.into_iter().filter(|&i| self.doses[i].plans.len() == most).collect();
        let [one] = top.as_slice() else {
            return Some(unresolved(format!(
                "There are {} different doses over several plans, and nothing says which one is meant.",
                top.len()
            )));
        };
        let d = &self.doses[*one];
        let plans: Vec<usize> = (0..self.plans.len()).filter(|&p| d.plans.contains(&self.plans[p].uid)).collect();
        let left: Vec<&PlanInfo> =
            of_plans.iter().map(|x| &self.plans[x.plan]).filter(|p| !d.plans.contains(&p.uid)).collect();
        let reason = format!("The planning system's own dose over {} plans.", d.plans.len().max(1));
        if !left.is_empty() && !d.plans.is_empty() {
            let labels: Vec<&str> = left.iter().map(|p| p.label.as_str()).collect();
            self.findings.push(Finding::new(
                Level::Caution,
                "dose.plan_outside_sum",
                format!("The dose over several plans does not hold plan {}.", labels.join(", ")),
                "If it was delivered, the dose of the course is higher than shown.",
            ));
        }
        let prescription = d.plans_here.then(|| self.rx_sum(&plans, "sum of the plans' prescriptions")).flatten();
        let head = ResolvedDose {
            id: "total".to_owned(),
            label: self.sum_label(&plans),
            resolution: "multi_plan_dose".to_owned(),
            reason: reason.clone(),
            components: self.components(&[(*one, 1.0)]),
            plan_uids: d.plans.clone(),
            frame_of_reference_uid: d.frame.clone(),
            prescription,
        };
        let mut out = vec![head];
        out.extend(self.each(of_plans));
        Some((out, "multi_plan_dose".to_owned(), reason))
    }

    fn sum_label(&self, plans: &[usize]) -> String {
        let labels: Vec<&str> = plans.iter().map(|&p| self.plans[p].label.as_str()).filter(|l| !l.is_empty()).collect();
        if labels.is_empty() { "Sum of plans".to_owned() } else { format!("Sum of {}", labels.join(", ")) }
    }

    fn unlinked(&mut self, live: &[usize]) -> Decision {
        let whole: Vec<usize> = live
            .iter()
            .copied()
            .filter(|&i| matches!(self.doses[i].summation.as_str(), "PLAN" | "" | "BRACHY" | "MULTI_PLAN" | "PLAN_SUM"))
            .collect();
        match (whole.as_slice(), live.len()) {
            ([one], 1) => {
                let d = &self.doses[*one];
                let reason = "The only dose of the course; its plan is not here.".to_owned();
                let dose = ResolvedDose {
                    id: "dose1".to_owned(),
                    label: "Dose without plan".to_owned(),
                    resolution: "single_unlinked_dose".to_owned(),
                    reason: reason.clone(),
                    components: self.components(&[(*one, 1.0)]),
                    plan_uids: d.plans.clone(),
                    frame_of_reference_uid: d.frame.clone(),
                    prescription: None,
                };
                (vec![dose], "single_unlinked_dose".to_owned(), reason)
            }
            (_, 1) => {
                let t = &self.doses[live[0]].summation;
                unresolved(format!(
                    "The only dose is of type {t} and its plan is not here, so what part it is of the whole is not known."
                ))
            }
            (_, n) => unresolved(format!("There are {n} doses and no plan that says how they belong together.")),
        }
    }

    /// Several plans with a dose each: re-plans are left to the plan that they replace, delivered or boost plans are added.
    fn several(&mut self, of_plans: Vec<PlanDose>) -> Decision {
        let approved = |d: &PlanDose| self.plans[d.plan].approval.eq_ignore_ascii_case("APPROVED");
        let mut why = Vec::new();
        let mut kept = of_plans.clone();
        let (yes, no): (Vec<PlanDose>, Vec<PlanDose>) = of_plans.iter().cloned().partition(approved);
        if !yes.is_empty() && !no.is_empty() {
            why.push(format!("{} of {} plans are approved; the others are left out.", yes.len(), of_plans.len()));
            kept = yes;
        }
        let delivered = |d: &PlanDose| {
            let p = &self.plans[d.plan];
            p.delivered.zip(p.fractions()).is_some_and(|(n, planned)| n >= planned as usize)
        };
        let all_delivered = kept.iter().all(delivered);
        if !all_delivered {
            let word = |d: &PlanDose| words::replan(&self.plans[d.plan].text);
            let (replans, rest): (Vec<PlanDose>, Vec<PlanDose>) = kept.iter().cloned().partition(|d| word(d).is_some());
            if !replans.is_empty() && !rest.is_empty() {
                let labels: Vec<&str> = replans.iter().map(|d| self.plans[d.plan].label.as_str()).collect();
                why.push(format!(
                    "By its label (word \"{}\") {} replaces another plan; the dose is that of the plans as first intended.",
                    replans.first().and_then(word).unwrap_or_default(),
                    labels.join(", ")
                ));
                self.findings.push(Finding::new(
                    Level::Caution,
                    "dose.replan",
                    format!("Plan {} is a re-plan.", labels.join(", ")),
                    "How many fractions were given with each plan is not known; the dose is that of the first intention.",
                ));
                kept = rest;
            }
        }
        if let [one] = kept.as_slice() {
            let head = self.resolved(one, "plan1");
            why.insert(0, head.reason.clone());
            let reason = why.join(" ");
            let word = head.resolution.clone();
            let mut out = vec![ResolvedDose { reason: reason.clone(), ..head }];
            let rest: Vec<PlanDose> = of_plans.iter().filter(|d| d.plan != one.plan).cloned().collect();
            out.extend(rest.iter().enumerate().map(|(n, d)| self.resolved(d, &format!("plan{}", n + 2))));
            return (out, word, reason);
        }
        let parts: Vec<(usize, f64)> = kept.iter().flat_map(|d| d.parts.iter().copied()).collect();
        let files: Vec<usize> = parts.iter().map(|p| p.0).collect();
        if !self.alike(&files) {
            return unresolved(
                "The doses of several plans differ in units, type or frame of reference and are not added; no registration is applied.",
            );
        }
        let boosts: Vec<Option<&str>> = kept.iter().map(|d| words::boost(&self.plans[d.plan].text)).collect();
        let some = boosts.iter().any(Option::is_some) && boosts.iter().any(Option::is_none);
        if all_delivered {
            why.push("Treatment records show that all of them were delivered completely.".to_owned());
        } else if some {
            let word = boosts.iter().flatten().next().copied().unwrap_or_default();
            why.push(format!("By the word \"{word}\" in a label, a boost is added to its primary plan."));
        } else {
            return unresolved(format!(
                "{} plans have a dose each; neither approval, treatment records nor labels say whether they were given one after the other or one in place of the other.",
                kept.len()
            ));
        }
        let plans: Vec<usize> = kept.iter().map(|d| d.plan).collect();
        why.insert(0, format!("Sum of the doses of {} plans.", plans.len()));
        let reason = why.join(" ");
        self.findings.push(Finding::new(
            Level::Note,
            "dose.summed",
            format!("The dose is the sum of {} plans, made here.", plans.len()),
            "It is only known where all grids overlap.",
        ));
        let head = ResolvedDose {
            id: "total".to_owned(),
            label: self.sum_label(&plans),
            resolution: "plan_doses_summed".to_owned(),
            reason: reason.clone(),
            components: self.components(&parts),
            plan_uids: plans.iter().map(|&p| self.plans[p].uid.clone()).collect(),
            frame_of_reference_uid: files.first().map(|&i| self.doses[i].frame.clone()).unwrap_or_default(),
            prescription: self.rx_sum(&plans, "sum of the plans' prescriptions"),
        };
        let mut out = vec![head];
        out.extend(self.each(&of_plans));
        (out, "plan_doses_summed".to_owned(), reason)
    }
}
