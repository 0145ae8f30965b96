//! Image series: files that belong to one stack of slices, as far as headers tell.

use super::class::Class;
use super::facts::Facts;
use std::collections::{BTreeMap, BTreeSet};

/// The files of one image series.
#[derive(Clone, Debug)]
pub(super) struct Series {
    /// `CT`, `MR` or `PT`, by SOP class.
    pub(super) modality: &'static str,
    /// Files, by path.
    pub(super) files: Vec<usize>,
    /// Other stacks of the same Series Instance UID and frame were split off by folder.
    pub(super) split_by_folder: bool,
}

/// Groups live images. Series Instance UID, Patient ID, kind and frame of reference must agree; images without a Series
/// Instance UID are grouped by study, folder, frame and in-plane geometry. Where every image of a series has a frame of its
/// own, as some anonymizers leave it, the frames divide nothing. A series whose slices coincide in space is split
/// by folder when every folder alone is free of coincidences (several exports under one UID).
pub(super) fn series(facts: &[Facts], live: &[usize]) -> Vec<Series> {
    let scattered = scattered(facts, live);
    let mut groups: BTreeMap<Vec<String>, (&'static str, Vec<usize>)> = BTreeMap::new();
    for &i in live {
        let f = &facts[i];
        let Class::Image(modality) = f.class() else { continue };
        let frame = if scattered.contains(&by_uid(f, modality)) { "" } else { f.frame() };
        let mut key = vec![f.patient_id.clone(), modality.to_owned(), frame.to_owned()];
        if f.series_uid.is_empty() {
            key.extend([String::new(), f.study_uid.clone(), f.folder().to_owned(), in_plane(f)]);
        } else {
            key.push(f.series_uid.clone());
        }
        groups.entry(key).or_insert((modality, Vec::new())).1.push(i);
    }
    let mut out = Vec::new();
    for (_, (modality, mut files)) in groups {
        files.sort_by(|&a, &b| facts[a].path.cmp(&facts[b].path));
        match split(facts, &files) {
            Some(parts) => {
                out.extend(parts.into_iter().map(|files| Series { modality, files, split_by_folder: true }));
            }
            None => out.push(Series { modality, files, split_by_folder: false }),
        }
    }
    out.sort_by(|a, b| first_path(facts, a).cmp(first_path(facts, b)));
    out
}

/// Patient, kind and Series Instance UID.
type ByUid<'a> = [&'a str; 3];

fn by_uid<'a>(f: &'a Facts, modality: &'a str) -> ByUid<'a> {
    [&f.patient_id, modality, &f.series_uid]
}

/// Series of at least three single images, no two of which share a frame of reference.
fn scattered<'a>(facts: &'a [Facts], live: &[usize]) -> BTreeSet<ByUid<'a>> {
    let mut frames: BTreeMap<ByUid<'_>, (usize, BTreeSet<&str>)> = BTreeMap::new();
    for f in live.iter().map(|&i| &facts[i]).filter(|f| !f.series_uid.is_empty()) {
        let Class::Image(modality) = f.class() else { continue };
        let entry = frames.entry(by_uid(f, modality)).or_default();
        entry.0 += 1;
        // Multi-frame images have no position of their own; each is a volume in its frame.
        if f.image.as_ref().is_some_and(|i| i.position.is_some()) {
            entry.1.insert(f.frame());
        }
    }
    frames.into_iter().filter(|(_, (n, seen))| *n > 2 && seen.len() == *n).map(|(key, _)| key).collect()
}

fn first_path<'a>(facts: &'a [Facts], s: &Series) -> &'a str {
    s.files.first().map_or("", |&i| facts[i].path.as_str())
}

fn in_plane(f: &Facts) -> String {
    let Some(image) = &f.image else { return String::new() };
    let orientation = image.orientation.map(|o| o.map(|v| (v * 1e3).round() as i64));
    format!("{orientation:?} {:?}", image.size)
}

fn split(facts: &[Facts], files: &[usize]) -> Option<Vec<Vec<usize>>> {
    if !coincide(facts, files) {
        return None;
    }
    let mut folders: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for &i in files {
        folders.entry(facts[i].folder()).or_default().push(i);
    }
    (folders.len() > 1 && folders.values().all(|f| !coincide(facts, f))).then(|| folders.into_values().collect())
}

/// True when two images lie at the same place, to 0.01 mm.
fn coincide(facts: &[Facts], files: &[usize]) -> bool {
    let mut seen = BTreeSet::new();
    files
        .iter()
        .filter_map(|&i| facts[i].image.as_ref()?.position)
        .any(|p| !seen.insert(p.map(|v| (v * 100.0).round() as i64)))
}
