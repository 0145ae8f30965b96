//! Objects and the edges between them.

use super::Rung;
use super::class::Class;
use super::facts::Facts;
use super::identity::{Identity, shared_depth};
use super::notes::{Note, NoteLevel};
use super::series::{Series, series};
use super::union::Union;
use std::collections::{BTreeMap, BTreeSet};

/// A structure set and the series that it was drawn on.
#[derive(Clone, Debug)]
pub(super) struct SetNode {
    pub(super) file: usize,
    /// Series, the best first.
    pub(super) images: Vec<usize>,
    pub(super) rung: Rung,
    /// Images that it names and that are not here, where some of them are.
    pub(super) missing: u32,
}

/// A plan and its structure set.
#[derive(Clone, Debug)]
pub(super) struct PlanNode {
    pub(super) file: usize,
    pub(super) set: Option<usize>,
    pub(super) rung: Rung,
}

/// A dose and its plans.
#[derive(Clone, Debug)]
pub(super) struct DoseNode {
    pub(super) file: usize,
    pub(super) plans: Vec<usize>,
    pub(super) rung: Rung,
}

/// All objects of all patients, linked; joined ones are in one set of `union`.
pub(super) struct Graph<'a> {
    pub(super) facts: &'a [Facts],
    pub(super) identity: &'a Identity,
    pub(super) series: Vec<Series>,
    pub(super) sets: Vec<SetNode>,
    pub(super) plans: Vec<PlanNode>,
    pub(super) doses: Vec<DoseNode>,
    pub(super) union: Union,
    /// Notes by node.
    pub(super) notes: BTreeMap<usize, Vec<Note>>,
    series_of_file: BTreeMap<usize, usize>,
}

impl<'a> Graph<'a> {
    /// Links everything that is live.
    pub(super) fn new(facts: &'a [Facts], identity: &'a Identity) -> Self {
        let series = series(facts, &identity.live);
        let of = |want: &dyn Fn(Class) -> bool| -> Vec<usize> {
            let mut v: Vec<usize> = identity.live.iter().copied().filter(|&i| want(facts[i].class())).collect();
            v.sort_by(|&a, &b| facts[a].path.cmp(&facts[b].path));
            v
        };
        let sets: Vec<SetNode> = of(&|c| c == Class::StructureSet)
            .into_iter()
            .map(|file| SetNode { file, images: Vec::new(), rung: Rung::None, missing: 0 })
            .collect();
        let plans: Vec<PlanNode> = of(&|c| matches!(c, Class::Plan | Class::IonPlan))
            .into_iter()
            .map(|file| PlanNode { file, set: None, rung: Rung::None })
            .collect();
        let doses: Vec<DoseNode> = of(&|c| c == Class::Dose)
            .into_iter()
            .map(|file| DoseNode { file, plans: Vec::new(), rung: Rung::None })
            .collect();
        let series_of_file =
            series.iter().enumerate().flat_map(|(s, g)| g.files.iter().map(move |&f| (f, s))).collect();
        let union = Union::new(series.len() + sets.len() + plans.len() + doses.len());
        let mut g = Self { facts, identity, series, sets, plans, doses, union, notes: BTreeMap::new(), series_of_file };
        g.link_sets();
        g.link_plans();
        g.link_doses();
        g
    }

    pub(super) fn set_node(&self, i: usize) -> usize {
        self.series.len() + i
    }

    pub(super) fn plan_node(&self, i: usize) -> usize {
        self.set_node(self.sets.len()) + i
    }

    pub(super) fn dose_node(&self, i: usize) -> usize {
        self.plan_node(self.plans.len()) + i
    }

    /// Files of a node.
    pub(super) fn files(&self, node: usize) -> Vec<usize> {
        let (a, b, c) = (self.set_node(0), self.plan_node(0), self.dose_node(0));
        if node < a {
            self.series[node].files.clone()
        } else if node < b {
            vec![self.sets[node - a].file]
        } else if node < c {
            vec![self.plans[node - b].file]
        } else {
            vec![self.doses[node - c].file]
        }
    }

    /// The node of a live file.
    pub(super) fn node_of(&self, file: usize) -> Option<usize> {
        if let Some(&s) = self.series_of_file.get(&file) {
            return Some(s);
        }
        let at = |files: Vec<usize>| files.iter().position(|&f| f == file);
        match self.facts[file].class() {
            Class::StructureSet => at(self.sets.iter().map(|n| n.file).collect()).map(|i| self.set_node(i)),
            Class::Plan | Class::IonPlan => at(self.plans.iter().map(|n| n.file).collect()).map(|i| self.plan_node(i)),
            Class::Dose => at(self.doses.iter().map(|n| n.file).collect()).map(|i| self.dose_node(i)),
            _ => None,
        }
    }

    /// A file that stands for a series.
    pub(super) fn face(&self, s: usize) -> Option<&Facts> {
        self.series[s].files.first().map(|&f| &self.facts[f])
    }

    pub(super) fn note(&mut self, node: usize, note: Note) {
        self.notes.entry(node).or_default().push(note);
    }

    /// Series that may stand in for those that the file names.
    fn series_near(&self, file: usize) -> (Vec<usize>, Rung) {
        stand_ins(&self.facts[file], (0..self.series.len()).filter_map(|s| Some((s, self.face(s)?))))
    }

    fn link_sets(&mut self) {
        for i in 0..self.sets.len() {
            let node = self.set_node(i);
            let (images, rung) = self.images_of(i, node);
            for &s in &images {
                self.union.join(node, s);
            }
            let me = &self.facts[self.sets[i].file];
            if rung == Rung::SopInstance {
                let absent = me
                    .refs
                    .instances
                    .iter()
                    .filter(|u| self.identity.resolve(self.facts, self.sets[i].file, u).is_none());
                self.sets[i].missing = absent.count() as u32;
            }
            self.sets[i].images = images;
            self.sets[i].rung = rung;
        }
    }

    fn images_of(&mut self, i: usize, node: usize) -> (Vec<usize>, Rung) {
        let file = self.sets[i].file;
        let me = &self.facts[file];
        let (path, label) = (me.path.clone(), me.refs.instances.len());
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        for uid in &me.refs.instances {
            if let Some(s) =
                self.identity.resolve(self.facts, file, uid).and_then(|f| self.series_of_file.get(&f).copied())
            {
                *counts.entry(s).or_default() += 1;
            }
        }
        if !counts.is_empty() {
            let mut images: Vec<usize> = counts.keys().copied().collect();
            images.sort_by_key(|s| (std::cmp::Reverse(counts[s]), *s));
            return (images, Rung::SopInstance);
        }
        let by_uid: Vec<usize> = (0..self.series.len())
            .filter(|&s| {
                self.face(s).is_some_and(|f| f.patient_id == me.patient_id && me.refs.series.contains(&f.series_uid))
            })
            .collect();
        if !by_uid.is_empty() {
            let images = self.nearest_of_split(me, by_uid);
            if label > 0 {
                self.note(
                    node,
                    Note::new(
                        NoteLevel::Caution,
                        "link.series",
                        &path,
                        format!("None of the {label} images that the structure set names is in the export, but its series is."),
                        "Contours are placed by their coordinates on the series of that Series Instance UID.",
                    ),
                );
            }
            return (images, Rung::Series);
        }
        let named = !me.refs.series.is_empty() || !me.refs.instances.is_empty();
        let (near, rung) = self.series_near(file);
        let ct: Vec<usize> = near.iter().copied().filter(|&s| self.series[s].modality == "CT").collect();
        let pick = match (near.as_slice(), ct.as_slice()) {
            ([one], _) | (_, [one]) => Some(*one),
            _ => None,
        };
        if let Some(one) = pick {
            let what = if named {
                "The image series that the structure set names is not in the export."
            } else {
                "The structure set names no image series."
            };
            self.note(
                node,
                Note::new(
                    NoteLevel::Caution,
                    evidence(rung).0,
                    &path,
                    what,
                    format!("The only fitting image of the same {} stands in for it.", evidence(rung).1),
                ),
            );
            return (vec![one], rung);
        }
        let stranger = me.refs.instances.iter().any(|u| self.identity.stranger(self.facts, file, u).is_some());
        let meaning = if near.len() > 1 {
            "Several images share its frame of reference; none is chosen, so there are no masks of it."
        } else if stranger {
            "The images are here under another Patient ID; objects of different Patient IDs are never joined."
        } else {
            "There are no voxel masks of these structures; contours and dose can be used."
        };
        let what = if named {
            "The image series of the structure set is not in the export."
        } else {
            "The structure set names no image series."
        };
        self.note(node, Note::new(NoteLevel::Caution, "link.no_image", &path, what, meaning));
        (Vec::new(), Rung::None)
    }

    /// Of parts of one series that were split by folder, those in the nearest folder; all when it was not split.
    fn nearest_of_split(&self, me: &Facts, series: Vec<usize>) -> Vec<usize> {
        if !series.iter().all(|&s| self.series[s].split_by_folder) {
            return series;
        }
        let depth = |s: usize| self.face(s).map_or(0, |f| shared_depth(me.folder(), f.folder()));
        let best = series.iter().map(|&s| depth(s)).max().unwrap_or(0);
        series.into_iter().filter(|&s| depth(s) == best).collect()
    }

    fn link_plans(&mut self) {
        let set_of_file: BTreeMap<usize, usize> = self.sets.iter().enumerate().map(|(i, s)| (s.file, i)).collect();
        for i in 0..self.plans.len() {
            let file = self.plans[i].file;
            let me = &self.facts[file];
            let node = self.plan_node(i);
            let found: Vec<usize> = me
                .refs
                .structure_sets
                .iter()
                .filter_map(|u| set_of_file.get(&self.identity.resolve(self.facts, file, u)?).copied())
                .collect();
            if let Some(&set) = found.first() {
                self.plans[i].set = Some(set);
                self.plans[i].rung = Rung::SopInstance;
                self.union.join(node, self.set_node(set));
                continue;
            }
            let what = if me.refs.structure_sets.is_empty() {
                "The plan names no structure set."
            } else {
                "The structure set that the plan names is not in the export."
            };
            let path = me.path.clone();
            let (near, rung) = stand_ins(me, self.sets.iter().enumerate().map(|(k, s)| (k, &self.facts[s.file])));
            match near.as_slice() {
                [set] => {
                    let target = self.set_node(*set);
                    self.plans[i].set = Some(*set);
                    self.plans[i].rung = rung;
                    self.union.join(node, target);
                    let (code, words) = evidence(rung);
                    let meaning = format!("The only structure set of the same patient and {words} stands in for it.");
                    self.note(node, Note::new(NoteLevel::Caution, code, &path, what, meaning));
                }
                [] => {
                    for s in self.series_near(file).0 {
                        self.union.join(node, s);
                    }
                    let meaning = "The plan has no structures.";
                    self.note(node, Note::new(NoteLevel::Caution, "link.no_structure_set", &path, what, meaning));
                }
                many => {
                    for &set in many {
                        let target = self.set_node(set);
                        self.union.join(node, target);
                    }
                    let meaning = format!(
                        "{} structure sets share its frame of reference; which one it was made on is not known.",
                        many.len()
                    );
                    self.note(
                        node,
                        Note::new(NoteLevel::Caution, "link.ambiguous_structure_set", &path, what, meaning),
                    );
                }
            }
        }
    }

    fn link_doses(&mut self) {
        let plan_of_file: BTreeMap<usize, usize> = self.plans.iter().enumerate().map(|(i, p)| (p.file, i)).collect();
        let mut dosed = BTreeSet::new();
        let mut loose = Vec::new();
        for i in 0..self.doses.len() {
            let file = self.doses[i].file;
            let me = &self.facts[file];
            let node = self.dose_node(i);
            for uid in &me.refs.structure_sets {
                if let Some(n) = self.identity.resolve(self.facts, file, uid).and_then(|f| self.node_of(f)) {
                    self.union.join(node, n);
                }
            }
            let mut plans: Vec<usize> = me
                .refs
                .plans
                .iter()
                .filter_map(|u| plan_of_file.get(&self.identity.resolve(self.facts, file, u)?).copied())
                .collect();
            plans.sort_unstable();
            plans.dedup();
            if plans.is_empty() {
                loose.push(i);
                continue;
            }
            if plans.len() < me.refs.plans.len() {
                let note = Note::new(
                    NoteLevel::Caution,
                    "link.missing_plan",
                    &me.path,
                    format!("{} of the {} plans of this dose are in the export.", plans.len(), me.refs.plans.len()),
                    "The prescription of the whole dose is not known from the plans.",
                );
                self.note(node, note);
            }
            for &p in &plans {
                dosed.insert(p);
                let target = self.plan_node(p);
                self.union.join(node, target);
            }
            self.doses[i].plans = plans;
            self.doses[i].rung = Rung::SopInstance;
        }
        for i in loose {
            self.link_loose_dose(i, &dosed);
        }
    }

    /// A dose whose plan is not here: the only undosed plan of its frame, else contours or images of its frame.
    fn link_loose_dose(&mut self, i: usize, dosed: &BTreeSet<usize>) {
        let file = self.doses[i].file;
        let me = &self.facts[file];
        let node = self.dose_node(i);
        let path = me.path.clone();
        let what = if me.refs.plans.is_empty() {
            "The dose names no plan."
        } else {
            "The plan that the dose names is not in the export."
        };
        let (plans, rung) = stand_ins(me, self.plans.iter().enumerate().map(|(k, p)| (k, &self.facts[p.file])));
        let (sets, _) = stand_ins(me, self.sets.iter().enumerate().map(|(k, s)| (k, &self.facts[s.file])));
        let sets: Vec<usize> = sets.into_iter().map(|k| self.set_node(k)).collect();
        let (images, _) = self.series_near(file);
        if let [plan] = plans.as_slice()
            && !dosed.contains(plan)
        {
            let target = self.plan_node(*plan);
            self.doses[i].plans = vec![*plan];
            self.doses[i].rung = rung;
            self.union.join(node, target);
            let (code, words) = evidence(rung);
            let meaning = format!("The only plan of the same patient and {words} stands in for it.");
            self.note(node, Note::new(NoteLevel::Caution, code, &path, what, meaning));
            return;
        }
        for &n in sets.iter().chain(&images) {
            self.union.join(node, n);
        }
        for &p in &plans {
            let target = self.plan_node(p);
            self.union.join(node, target);
        }
        let meaning = "It is joined to what shares its frame of reference; its prescription is not known.";
        self.note(node, Note::new(NoteLevel::Caution, "link.no_plan", &path, what, meaning));
    }
}

/// Objects of the same patient that may stand in for one that is named and absent: those of the same frame of reference
/// (of the same study alone, when there are any); where a frame is not stated, those of the same study.
fn stand_ins<'f>(me: &Facts, all: impl Iterator<Item = (usize, &'f Facts)>) -> (Vec<usize>, Rung) {
    let all: Vec<(usize, &Facts)> = all.filter(|(_, f)| f.patient_id == me.patient_id).collect();
    let frame: Vec<&(usize, &Facts)> = all.iter().filter(|(_, f)| f.shares_frame(me)).collect();
    if frame.is_empty() {
        let blank = |f: &Facts| f.frames.is_empty() || me.frames.is_empty();
        let study = all.iter().filter(|(_, f)| f.shares_study(me) && blank(f)).map(|(i, _)| *i).collect();
        return (study, Rung::Study);
    }
    let near: Vec<usize> = frame.iter().filter(|(_, f)| f.shares_study(me)).map(|(i, _)| *i).collect();
    let near = if near.is_empty() { frame.into_iter().map(|(i, _)| *i).collect() } else { near };
    (near, Rung::FrameOfReference)
}

/// Code and words for a link that is not by UID.
fn evidence(rung: Rung) -> (&'static str, &'static str) {
    match rung {
        Rung::Study => ("link.study", "study, where no frame of reference is stated"),
        _ => ("link.frame_of_reference", "frame of reference"),
    }
}
