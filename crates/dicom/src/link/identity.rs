//! Copies of one object, and objects that share a UID without being the same.

use super::class::Class;
use super::facts::Facts;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Account {
    /// Part of a course.
    Used,
    /// The same object again, whatever its encoding.
    Duplicate,
    /// Belongs to nothing that is here.
    Orphan,
    /// Another object with the same SOP Instance UID.
    Conflict,
    /// DICOM, but of a kind that is not handled.
    Unsupported,
    /// DICOM, but damaged.
    Unreadable,
    /// Not DICOM.
    NotDicom,
    /// Left out on purpose.
    Excluded,
    /// An archive, not unpacked.
    Archive,
}

impl Account {
    /// The word used in tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::Duplicate => "duplicate",
            Self::Orphan => "orphan",
            Self::Conflict => "conflict",
            Self::Unsupported => "unsupported",
            Self::Unreadable => "unreadable",
            Self::NotDicom => "not_dicom",
            Self::Excluded => "excluded",
            Self::Archive => "archive",
        }
    }
}

/// The account of one file, with what can be said about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// The account.
    pub account: Account,
    /// Why, in words.
    pub reason: String,
    /// Position of the file that is the same object, or that has the same UID with other content.
    pub same_as: Option<usize>,
    /// UID of an object that it refers to and that is not there.
    pub missing_uid: Option<String>,
}

impl Verdict {
    /// An account and its reason.
    pub(super) fn new(account: Account, reason: impl Into<String>) -> Self {
        Self { account, reason: reason.into(), same_as: None, missing_uid: None }
    }
}

/// Which files stand for which UID.
pub(super) struct Identity {
    /// Account and reason where it is settled before any linking.
    pub(super) settled: Vec<Option<Verdict>>,
    /// Files that may be used, ascending.
    pub(super) live: Vec<usize>,
    /// Live files by SOP Instance UID; more than one where versions were chosen by their folder trees.
    by_uid: BTreeMap<String, Vec<usize>>,
    /// Live files that had to be chosen among versions, with the number of versions.
    pub(super) chosen: BTreeMap<usize, usize>,
    /// All copies of a live file, itself included.
    copies: BTreeMap<usize, Vec<usize>>,
}

impl Identity {
    /// Settles refused files, duplicates and conflicts.
    pub(super) fn new(facts: &[Facts]) -> Self {
        let refused = |f: &Facts| f.refused.as_ref().map(|(account, reason)| Verdict::new(*account, reason.as_str()));
        let mut settled: Vec<Option<Verdict>> = facts.iter().map(refused).collect();
        for (f, s) in facts.iter().zip(&mut settled) {
            if s.is_none() {
                *s = refusal(f);
            }
        }
        let mut by_uid: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        let mut live = BTreeSet::new();
        for (i, f) in facts.iter().enumerate() {
            if settled[i].is_none() {
                if f.sop_instance_uid.is_empty() {
                    live.insert(i);
                } else {
                    by_uid.entry(&f.sop_instance_uid).or_default().push(i);
                }
            }
        }
        let mut out = Self {
            settled,
            live: Vec::new(),
            by_uid: BTreeMap::new(),
            chosen: BTreeMap::new(),
            copies: BTreeMap::new(),
        };
        let referrers = referrers(facts, &out.settled);
        for (uid, files) in by_uid {
            let versions = versions(facts, &files);
            for version in &versions {
                out.settle_copies(facts, version);
            }
            let kept = out.settle_versions(facts, uid, &versions, referrers.get(uid).map_or(&[], Vec::as_slice));
            live.extend(kept.iter().copied());
            out.by_uid.insert(uid.to_owned(), kept);
        }
        out.live = live.into_iter().collect();
        out
    }

    fn settle_copies(&mut self, facts: &[Facts], version: &[usize]) {
        let Some((&first, rest)) = version.split_first() else { return };
        for &i in rest {
            let how = if facts[i].transfer_syntax == facts[first].transfer_syntax {
                "same object"
            } else {
                "same object in another encoding"
            };
            let verdict = Verdict::new(Account::Duplicate, format!("{how} as {}", facts[first].path));
            self.settled[i] = Some(Verdict { same_as: Some(first), ..verdict });
        }
        self.copies.insert(first, version.to_vec());
    }

    /// Chooses among versions of one UID: those that a referring object finds in its own folder tree are kept.
    fn settle_versions(
        &mut self,
        facts: &[Facts],
        uid: &str,
        versions: &[Vec<usize>],
        referrers: &[usize],
    ) -> Vec<usize> {
        let firsts: Vec<usize> = versions.iter().filter_map(|v| v.first().copied()).collect();
        if firsts.len() < 2 {
            return firsts;
        }
        let kept: BTreeSet<usize> = referrers
            .iter()
            .filter_map(|&r| nearest(facts, &facts[r], versions))
            .filter_map(|v| v.first().copied())
            .collect();
        for &i in &firsts {
            if kept.contains(&i) {
                self.chosen.insert(i, firsts.len());
                continue;
            }
            let others: Vec<&str> = firsts.iter().filter(|&&o| o != i).map(|&o| facts[o].path.as_str()).collect();
            let shown = others.iter().take(3).copied().collect::<Vec<_>>().join(", ");
            let why = if kept.is_empty() {
                "no object that refers to it settles which one is meant"
            } else {
                "the objects that refer to it lie in the folder tree of another version"
            };
            let reason = format!("SOP Instance UID {uid} is also that of {shown} with other content; {why}");
            for &copy in self.copies.get(&i).map_or(&[][..], Vec::as_slice) {
                if self.settled[copy].is_none() {
                    let other = kept.first().copied().or_else(|| firsts.iter().copied().find(|&o| o != i));
                    let verdict = Verdict::new(Account::Conflict, reason.as_str());
                    self.settled[copy] = Some(Verdict { same_as: other, ..verdict });
                }
            }
        }
        kept.into_iter().collect()
    }

    /// The live file that `from` means by a SOP Instance UID, of the same Patient ID.
    pub(super) fn resolve(&self, facts: &[Facts], from: usize, uid: &str) -> Option<usize> {
        let files = self.by_uid.get(uid)?;
        let same: Vec<usize> =
            files.iter().copied().filter(|&f| f != from && facts[f].patient_id == facts[from].patient_id).collect();
        match same.as_slice() {
            [] => None,
            [one] => Some(*one),
            many => {
                let versions: Vec<Vec<usize>> =
                    many.iter().map(|f| self.copies.get(f).cloned().unwrap_or_else(|| vec![*f])).collect();
                nearest(facts, &facts[from], &versions)?.first().copied()
            }
        }
    }

    /// A live file with this UID that belongs to another Patient ID.
    pub(super) fn stranger(&self, facts: &[Facts], from: usize, uid: &str) -> Option<usize> {
        self.by_uid.get(uid)?.iter().copied().find(|&f| facts[f].patient_id != facts[from].patient_id)
    }
}

/// Objects that never take part, whatever refers to them.
fn refusal(f: &Facts) -> Option<Verdict> {
    let refuse = |account, reason: String| Some(Verdict::new(account, reason));
    match f.class() {
        Class::Directory => refuse(Account::Excluded, "DICOMDIR: an index of files, not an object of a patient".into()),
        Class::OtherImage(what) => {
            refuse(Account::Unsupported, format!("{what}: not a CT, MR or PET image with a place in the patient"))
        }
        Class::Unknown if f.sop_class_uid.is_empty() => {
            refuse(Account::Unsupported, "no SOP Class UID: the kind of object is unknown".into())
        }
        Class::Unknown => refuse(Account::Unsupported, format!("SOP Class {} is not handled", f.sop_class_uid)),
        Class::Plan | Class::IonPlan if f.intent.trim().eq_ignore_ascii_case("MACHINE_QA") => {
            refuse(Account::Excluded, "plan for machine quality assurance (Plan Intent MACHINE_QA)".into())
        }
        _ => None,
    }
}

/// Groups files of one UID by content; in each group the one that is easiest to read comes first, then by path.
fn versions(facts: &[Facts], files: &[usize]) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<(&str, &str, &str), Vec<usize>> = BTreeMap::new();
    for &i in files {
        let f = &facts[i];
        // Without a digest nothing shows that two files are the same.
        let lone = if f.content.is_empty() { f.path.as_str() } else { "" };
        groups.entry((f.sop_class_uid.as_str(), f.content.as_str(), lone)).or_default().push(i);
    }
    let mut out: Vec<Vec<usize>> = groups.into_values().collect();
    for g in &mut out {
        g.sort_by_key(|&i| (encoding_cost(&facts[i].transfer_syntax), facts[i].path.as_str()));
    }
    out.sort_by_key(|g| g.first().map(|&i| facts[i].path.as_str()));
    out
}

fn encoding_cost(transfer_syntax: &str) -> u8 {
    match transfer_syntax {
        "1.2.840.10008.1.2.1" => 0,
        "1.2.840.10008.1.2" | "" => 1,
        "1.2.840.10008.1.2.2" => 2,
        "1.2.840.10008.1.2.1.99" => 3,
        "1.2.840.10008.1.2.5" => 4,
        _ => 5,
    }
}

fn referrers<'a>(facts: &'a [Facts], settled: &[Option<Verdict>]) -> BTreeMap<&'a str, Vec<usize>> {
    let mut out: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, f) in facts.iter().enumerate().filter(|(i, _)| settled[*i].is_none()) {
        for uid in f.all_references() {
            out.entry(uid).or_default().push(i);
        }
    }
    out
}

/// The version that shares the longest folder path with `from`, when it is only one.
fn nearest<'a>(facts: &[Facts], from: &Facts, versions: &'a [Vec<usize>]) -> Option<&'a Vec<usize>> {
    let depth = |v: &Vec<usize>| v.iter().map(|&i| shared_depth(from.folder(), facts[i].folder())).max().unwrap_or(0);
    let best = versions.iter().map(depth).max()?;
    let mut at = versions.iter().filter(|v| depth(v) == best);
    let first = at.next()?;
    at.next().is_none().then_some(first)
}

/// Number of leading folders that two folder paths share.
pub(super) fn shared_depth(a: &str, b: &str) -> usize {
    let parts = |p: &'_ str| p.split('/').filter(|c| !c.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    parts(a).iter().zip(&parts(b)).take_while(|(x, y)| x == y).count()
}
