//! From linked objects to courses, and an account for every file.

use super::class::Technique;
use super::facts::{Facts, day};
use super::graph::Graph;
use super::identity::{Account, Identity, Verdict};
use super::notes::{Note, NoteLevel};
use super::others::{attach, join_registered};
use super::person::Person;
use super::union::Union;
use super::window::windows;
use super::{LinkOptions, Rung};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What joins connected objects of one person into one course.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergeBy {
    /// Study of the planning image (of the structure set, dose or plan where there is none).
    SameCtStudy,
    /// Frame of reference.
    FrameOfReference,
}

/// An image series of a course.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedImage {
    /// `CT`, `MR` or `PT`.
    pub modality: &'static str,
    /// Files.
    pub files: Vec<usize>,
    /// A plan's structure set was drawn on it; without plans, any structure set.
    pub planning: bool,
    /// Images that a structure set names and that are not here.
    pub missing: u32,
}

/// A structure set of a course.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedStructureSet {
    /// The file.
    pub file: usize,
    /// Index of its image in [`LinkedCourse::images`].
    pub image: Option<usize>,
    /// How the image was found.
    pub rung: Rung,
    /// A plan of the course was made on it.
    pub of_plan: bool,
}

/// A plan of a course.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedPlan {
    /// The file.
    pub file: usize,
    /// Index of its structure set in [`LinkedCourse::structure_sets`].
    pub structure_set: Option<usize>,
    /// How the structure set was found.
    pub rung: Rung,
    /// Kind of treatment.
    pub technique: Technique,
}

/// A dose of a course.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedDose {
    /// The file.
    pub file: usize,
    /// Indices of its plans in [`LinkedCourse::plans`].
    pub plans: Vec<usize>,
    /// How the plans were found.
    pub rung: Rung,
}

/// A course: objects of one person that hang together. Numbers are positions in the list given to [`link`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedCourse {
    /// Patient ID as in the files.
    pub patient_id: String,
    /// Set when several persons share the Patient ID (or there is none): a UID that tells this one apart.
    pub stranger: Option<String>,
    /// What grouped the objects: `study:<uid>`, `frame:<uid>`, `object:<uid>`; `#2` … for later windows of time.
    pub key: String,
    /// Earliest plan date, else study date: year, month, day.
    pub date: Option<[u32; 3]>,
    /// Image series.
    pub images: Vec<LinkedImage>,
    /// Structure sets.
    pub structure_sets: Vec<LinkedStructureSet>,
    /// Plans.
    pub plans: Vec<LinkedPlan>,
    /// Doses.
    pub doses: Vec<LinkedDose>,
    /// Everything else that belongs here.
    pub others: Vec<usize>,
    /// What linking has to say.
    pub notes: Vec<Note>,
}

impl LinkedCourse {
    /// Every file of the course.
    pub fn files(&self) -> impl Iterator<Item = usize> {
        let images = self.images.iter().flat_map(|i| i.files.iter().copied());
        let sets = self.structure_sets.iter().map(|s| s.file);
        let plans = self.plans.iter().map(|p| p.file);
        images.chain(sets).chain(plans).chain(self.doses.iter().map(|d| d.file)).chain(self.others.iter().copied())
    }
}

/// What linking made of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linked {
    /// Account and reason of every file, in the order given.
    pub accounts: Vec<Verdict>,
    /// Courses, sorted by Patient ID, date and key.
    pub courses: Vec<LinkedCourse>,
}

/// Links the files of a folder into courses and gives every file its account.
pub fn link(facts: &[Facts], options: &LinkOptions) -> Linked {
    let identity = Identity::new(facts);
    let mut g = Graph::new(facts, &identity);
    join_registered(&mut g);
    let lone_doses = lone_doses(&mut g);
    let persons = persons(&mut g);
    merge(&mut g, &persons, &lone_doses, options.merge_by);
    let companions = attach(&g);
    let mut courses = Vec::new();
    let mut reasons: BTreeMap<usize, Verdict> = BTreeMap::new();
    for (_, nodes) in components(&mut g) {
        let (a, b, c) = (g.set_node(0), g.plan_node(0), g.dose_node(0));
        let anatomy = nodes.iter().any(|&n| n < b);
        let plans = nodes.iter().any(|&n| (b..c).contains(&n));
        let doses = nodes.iter().any(|&n| n >= c);
        if anatomy || (plans && doses) {
            for (w, part) in windows(&g, &nodes, options.max_days).into_iter().enumerate() {
                courses.push(course(&g, &persons, &companions, options.merge_by, &part, a, w));
            }
        } else {
            for &n in &nodes {
                for f in g.files(n) {
                    reasons.insert(f, orphan_reason(&g, f, n >= c));
                }
            }
        }
    }
    courses.sort_by(|x, y| {
        (&x.patient_id, &x.stranger, x.date, &x.key).cmp(&(&y.patient_id, &y.stranger, y.date, &y.key))
    });
    let accounts = accounts(&g, &courses, reasons);
    Linked { accounts, courses }
}

fn components(g: &mut Graph<'_>) -> BTreeMap<usize, BTreeSet<usize>> {
    let mut out: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for n in 0..g.dose_node(g.doses.len()) {
        out.entry(g.union.find(n)).or_default().insert(n);
    }
    out
}

/// Roots of components that hold doses and nothing else: sharing a study is not enough to join them to a course.
fn lone_doses(g: &mut Graph<'_>) -> BTreeSet<usize> {
    let first = g.dose_node(0);
    components(g).into_iter().filter(|(_, n)| n.iter().all(|&n| n >= first)).map(|(r, _)| r).collect()
}

/// For every node the number of its person and, where a Patient ID has several, a UID that tells this one apart.
struct Persons {
    of: Vec<usize>,
    stranger: BTreeMap<usize, String>,
    shared_id: BTreeSet<usize>,
}

fn persons(g: &mut Graph<'_>) -> Persons {
    let total = g.dose_node(g.doses.len());
    let mut kin: Union = g.union.clone();
    let mut by_uid: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let facts = g.facts;
    for n in 0..total {
        for f in g.files(n) {
            let f = &facts[f];
            for uid in f.frames.iter().chain(std::iter::once(&f.study_uid)).filter(|u| !u.is_empty()) {
                let at = *by_uid.entry((&f.patient_id, uid)).or_insert(n);
                kin.join(at, n);
            }
        }
    }
    let mut groups: BTreeMap<usize, (Person, String, String)> = BTreeMap::new();
    for n in 0..total {
        let entry = groups.entry(kin.find(n)).or_insert_with(|| (Person::default(), String::new(), "~".to_owned()));
        for f in g.files(n) {
            entry.0.see(&facts[f]);
            facts[f].patient_id.clone_into(&mut entry.1);
            for uid in [&facts[f].study_uid, &facts[f].series_uid, &facts[f].sop_instance_uid] {
                if !uid.is_empty() {
                    if *uid < entry.2 {
                        uid.clone_into(&mut entry.2);
                    }
                    break;
                }
            }
        }
    }
    let mut sorted: Vec<(usize, (Person, String, String))> = groups.into_iter().collect();
    sorted.sort_by(|a, b| (&a.1.1, &a.1.2).cmp(&(&b.1.1, &b.1.2)));
    // Persons found so far: what is known, Patient ID, telling UID.
    let mut found: Vec<(Person, String, String)> = Vec::new();
    let mut of_root = BTreeMap::new();
    for (root, (person, id, uid)) in sorted {
        let fits = |p: &(Person, String, String)| {
            p.1 == id && if id.is_empty() { p.0.surely_is(&person) } else { p.0.may_be(&person) }
        };
        let at = found.iter().position(fits).unwrap_or_else(|| {
            found.push((Person::default(), id, uid));
            found.len() - 1
        });
        found[at].0.absorb(&person);
        of_root.insert(root, at);
    }
    let mut stranger = BTreeMap::new();
    let mut shared_id = BTreeSet::new();
    for (k, (_, id, uid)) in found.iter().enumerate() {
        let first = found.iter().position(|f| f.1 == *id) == Some(k);
        let shared = found.iter().filter(|f| f.1 == *id).count() > 1;
        if shared && !id.is_empty() {
            shared_id.insert(k);
        }
        if !first || id.is_empty() {
            stranger.insert(k, uid.clone());
        }
    }
    Persons { of: (0..total).map(|n| of_root[&kin.find(n)]).collect(), stranger, shared_id }
}

/// Key by which components of one person become one course.
fn key(g: &Graph<'_>, nodes: &BTreeSet<usize>, by: MergeBy) -> String {
    let (a, b, c) = (g.set_node(0), g.plan_node(0), g.dose_node(0));
    let of_plans: Vec<usize> = (0..g.plans.len())
        .filter(|&p| nodes.contains(&g.plan_node(p)))
        .filter_map(|p| g.plans[p].set)
        .filter_map(|s| g.sets[s].images.first().copied())
        .collect();
    let of_sets =
        (0..g.sets.len()).filter(|&s| nodes.contains(&g.set_node(s))).filter_map(|s| g.sets[s].images.first().copied());
    let ct = nodes.iter().copied().filter(|&n| n < a && g.series[n].modality == "CT");
    let any = nodes.iter().copied().filter(|&n| n < a);
    let tiers: [Vec<usize>; 7] = [
        of_plans,
        of_sets.collect(),
        ct.collect(),
        any.collect(),
        nodes.range(a..b).copied().collect(),
        nodes.range(c..).copied().collect(),
        nodes.range(b..c).copied().collect(),
    ];
    let least = |uid: &dyn Fn(&Facts) -> String| {
        tiers.iter().find_map(|tier| {
            tier.iter().flat_map(|&n| g.files(n)).map(|f| uid(&g.facts[f])).filter(|u| !u.is_empty()).min()
        })
    };
    let study = || least(&|f| f.study_uid.clone()).map(|u| format!("study:{u}"));
    let frame = || least(&|f| f.frame().to_owned()).map(|u| format!("frame:{u}"));
    let found = match by {
        MergeBy::SameCtStudy => study().or_else(frame),
        MergeBy::FrameOfReference => frame().or_else(study),
    };
    found
        .or_else(|| least(&|f| f.series_uid.clone()).map(|u| format!("object:{u}")))
        .or_else(|| least(&|f| f.sop_instance_uid.clone()).map(|u| format!("object:{u}")))
        .or_else(|| least(&|f| f.path.clone()).map(|p| format!("file:{p}")))
        .unwrap_or_default()
}

fn merge(g: &mut Graph<'_>, persons: &Persons, lone: &BTreeSet<usize>, by: MergeBy) {
    let mut seen: BTreeMap<(usize, String), usize> = BTreeMap::new();
    for (root, nodes) in components(g) {
        if lone.contains(&root) {
            continue;
        }
        let at = *seen.entry((persons.of[root], key(g, &nodes, by))).or_insert(root);
        if g.union.find(at) != g.union.find(root) {
            g.union.join(at, root);
        }
    }
    join_last(g, persons);
}

/// The last resort: the only plan of a person, with nothing of its own, and the only part with structures, made of
/// structure sets that state no frame of reference.
fn join_last(g: &mut Graph<'_>, persons: &Persons) {
    let (a, b, c) = (g.set_node(0), g.plan_node(0), g.dose_node(0));
    let mut by_person: BTreeMap<usize, Vec<BTreeSet<usize>>> = BTreeMap::new();
    for (root, nodes) in components(g) {
        by_person.entry(persons.of[root]).or_default().push(nodes);
    }
    for parts in by_person.values() {
        let treated: Vec<&BTreeSet<usize>> = parts.iter().filter(|n| n.iter().any(|&n| n >= a)).collect();
        let [x, y] = treated.as_slice() else { continue };
        for (structures, plan) in [(x, y), (y, x)] {
            let alone = plan.len() == 1 && plan.iter().all(|n| (b..c).contains(n));
            let frameless = structures.iter().all(|&n| n < b)
                && structures.range(a..b).all(|&n| g.facts[g.sets[n - a].file].frames.is_empty());
            if let (true, true, Some(&p), Some(&s)) = (alone, frameless, plan.first(), structures.range(a..b).next()) {
                g.union.join(p, s);
                let path = g.files(p).first().map(|&f| g.facts[f].path.clone()).unwrap_or_default();
                g.note(
                    p,
                    Note::new(
                        NoteLevel::Caution,
                        "link.patient_only",
                        &path,
                        "The plan and the structures share nothing but the patient.",
                        "They stand in one course because there are no others; which structures the plan was made on is not known.",
                    ),
                );
            }
        }
    }
}

fn course(
    g: &Graph<'_>,
    persons: &Persons,
    companions: &BTreeMap<usize, Vec<usize>>,
    by: MergeBy,
    nodes: &BTreeSet<usize>,
    first_set: usize,
    window: usize,
) -> LinkedCourse {
    let facts = g.facts;
    let (b, c) = (g.plan_node(0), g.dose_node(0));
    let series: Vec<usize> = nodes.iter().copied().filter(|&n| n < first_set).collect();
    let sets: Vec<usize> = nodes.range(first_set..b).map(|n| n - first_set).collect();
    let plans: Vec<usize> = nodes.range(b..c).map(|n| n - b).collect();
    let doses: Vec<usize> = nodes.range(c..).map(|n| n - c).collect();
    let of_plan = |s: usize| plans.iter().any(|&p| g.plans[p].set == Some(s));
    let planned = sets.iter().any(|&s| of_plan(s));
    let drawn = |image: usize| {
        sets.iter()
            .filter(move |&&s| g.sets[s].images.first() == Some(&image))
            .filter(move |&&s| !planned || of_plan(s))
    };
    let images = series
        .iter()
        .map(|&s| LinkedImage {
            modality: g.series[s].modality,
            files: g.series[s].files.clone(),
            planning: drawn(s).next().is_some(),
            missing: sets
                .iter()
                .filter(|&&k| g.sets[k].images.first() == Some(&s))
                .map(|&k| g.sets[k].missing)
                .max()
                .unwrap_or(0),
        })
        .collect();
    let at = |list: &[usize], x: usize| list.iter().position(|&y| y == x);
    let structure_sets = sets
        .iter()
        .map(|&s| LinkedStructureSet {
            file: g.sets[s].file,
            image: g.sets[s].images.iter().find_map(|&i| at(&series, i)),
            rung: g.sets[s].rung,
            of_plan: of_plan(s),
        })
        .collect();
    let linked_plans = plans
        .iter()
        .map(|&p| LinkedPlan {
            file: g.plans[p].file,
            structure_set: g.plans[p].set.and_then(|s| at(&sets, s)),
            rung: g.plans[p].rung,
            technique: facts[g.plans[p].file].technique.unwrap_or(Technique::Photon),
        })
        .collect();
    let linked_doses = doses
        .iter()
        .map(|&d| LinkedDose {
            file: g.doses[d].file,
            plans: g.doses[d].plans.iter().filter_map(|&p| at(&plans, p)).collect(),
            rung: g.doses[d].rung,
        })
        .collect();
    let person = nodes.first().map_or(0, |&n| persons.of[n]);
    let mut notes: Vec<Note> = nodes.iter().filter_map(|n| g.notes.get(n)).flatten().cloned().collect();
    notes.extend(conflict_notes(g, nodes));
    if persons.shared_id.contains(&person) {
        notes.push(Note::new(
            NoteLevel::Caution,
            "patient.id_shared",
            "",
            "Other persons have the same Patient ID in this folder.",
            "They are kept apart by name, birth date and sex; tables that are grouped by Patient ID alone would mix them.",
        ));
    }
    notes.sort();
    notes.dedup();
    let mut others: Vec<usize> =
        companions.iter().filter(|(_, at)| at.iter().any(|n| nodes.contains(n))).map(|(&f, _)| f).collect();
    others.sort_by(|&x, &y| facts[x].path.cmp(&facts[y].path));
    let plan_day = plans.iter().filter_map(|&p| day(&facts[g.plans[p].file].date)).min();
    let study_day = nodes.iter().flat_map(|&n| g.files(n)).filter_map(|f| day(&facts[f].study_date)).min();
    let suffix = if window == 0 { String::new() } else { format!("#{}", window + 1) };
    LinkedCourse {
        patient_id: nodes
            .first()
            .and_then(|&n| g.files(n).first().map(|&f| facts[f].patient_id.clone()))
            .unwrap_or_default(),
        stranger: persons.stranger.get(&person).cloned(),
        key: format!("{}{suffix}", key(g, nodes, by)),
        date: plan_day.or(study_day),
        images,
        structure_sets,
        plans: linked_plans,
        doses: linked_doses,
        others,
        notes,
    }
}

fn conflict_notes(g: &Graph<'_>, nodes: &BTreeSet<usize>) -> Vec<Note> {
    let chosen = nodes.iter().flat_map(|&n| g.files(n)).filter_map(|f| Some((f, *g.identity.chosen.get(&f)?)));
    chosen
        .map(|(f, n)| {
            Note::new(
                NoteLevel::Caution,
                "identity.conflict",
                &g.facts[f].path,
                format!("{n} objects with other content have its SOP Instance UID."),
                "The one in the folder tree of the objects that refer to it is used.",
            )
        })
        .collect()
}

fn orphan_reason(g: &Graph<'_>, file: usize, dose: bool) -> Verdict {
    let f = &g.facts[file];
    let refs = if dose { &f.refs.plans } else { &f.refs.structure_sets };
    let kind = if dose { "plan" } else { "structure set" };
    let missing_uid = missing(g, file);
    if let Some(s) = f.all_references().find_map(|u| g.identity.stranger(g.facts, file, u)) {
        let reason = format!(
            "refers to {}, which has another Patient ID: objects of different Patient IDs are never joined",
            g.facts[s].path
        );
        return Verdict { missing_uid, ..Verdict::new(Account::Orphan, reason) };
    }
    let named = match refs.as_slice() {
        [] => format!("names no {kind}"),
        [one] => format!("its {kind} {one} is not in the export"),
        many => format!("none of the {} objects that it names ({kind}) is in the export", many.len()),
    };
    let rest = if dose {
        "no contours or images of the same patient and frame of reference are there"
    } else {
        "no structure set, dose or image of the same patient fits it"
    };
    Verdict { missing_uid, ..Verdict::new(Account::Orphan, format!("{named}, and {rest}")) }
}

/// First object that the file names and that is not there under its Patient ID.
fn missing(g: &Graph<'_>, file: usize) -> Option<String> {
    g.facts[file].all_references().find(|u| g.identity.resolve(g.facts, file, u).is_none()).map(str::to_owned)
}

fn accounts(g: &Graph<'_>, courses: &[LinkedCourse], mut reasons: BTreeMap<usize, Verdict>) -> Vec<Verdict> {
    let mut used: BTreeMap<usize, usize> = BTreeMap::new();
    for c in courses {
        for f in c.files() {
            *used.entry(f).or_default() += 1;
        }
    }
    (0..g.facts.len())
        .map(|i| {
            if let Some(settled) = &g.identity.settled[i] {
                return settled.clone();
            }
            match used.get(&i) {
                Some(1) => Verdict::new(Account::Used, "part of a course"),
                Some(n) => Verdict::new(Account::Used, format!("part of {n} courses")),
                None => reasons.remove(&i).unwrap_or_else(|| Verdict {
                    missing_uid: missing(g, i),
                    ..Verdict::new(Account::Orphan, "refers to nothing that is in a course")
                }),
            }
        })
        .collect()
}
