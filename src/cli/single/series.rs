//! One image series from a folder.

use super::super::exit::Failure;
use rtpipeline_dicom::header::ObjectKind;
use rtpipeline_dicom::image::{ImageSeries, SeriesFile, SeriesOptions, read_series_with};
use rtpipeline_dicom::scan::{ScanOptions, scan_folder};
use std::collections::BTreeMap;
use std::path::Path;

/// What is known of the series besides its volume.
pub(super) struct Found {
    /// The volume.
    pub(super) series: ImageSeries,
    /// CT, MR, PT.
    pub(super) modality: String,
    /// Frame of Reference UID.
    pub(super) frame_of_reference_uid: String,
}

#[derive(Default)]
struct Candidate {
    files: Vec<SeriesFile>,
    modality: String,
    frame: String,
    description: String,
    uids: Vec<String>,
}

/// Reads the only series below the folder, the one with this UID, or the one that holds most of the `prefer`red images.
pub(super) fn read(folder: &Path, series_uid: Option<&str>, prefer: &[String]) -> Result<Found, Failure> {
    let mut candidates = candidates(folder)?;
    if let Some(uid) = series_uid {
        candidates.retain(|k, _| k == uid);
        if candidates.is_empty() {
            return Err(Failure::input(format!("{}: no image series {uid}", folder.display()))
                .hint("`rtpipeline scan` lists what is in a folder"));
        }
    }
    if candidates.len() > 1 {
        let hits = |c: &Candidate| c.uids.iter().filter(|u| prefer.contains(u)).count();
        let most = candidates.values().map(hits).max().unwrap_or(0);
        if most > 0 {
            candidates.retain(|_, c| hits(c) == most);
        }
    }
    let mut left = candidates.into_values();
    let Some(chosen) = left.next() else {
        return Err(Failure::input(format!("{}: no CT, MR or PET images are below this folder", folder.display()))
            .hint("give the folder that holds the images of one series"));
    };
    if let Some(second) = left.next() {
        let all = [&chosen, &second].into_iter().map(|c| format!("{} ({} files)", name(c), c.files.len()));
        let more = left.count();
        let mut list: Vec<String> = all.collect();
        if more > 0 {
            list.push(format!("{more} more"));
        }
        return Err(Failure::input(format!("{} holds several image series: {}", folder.display(), list.join(", ")))
            .hint("give the folder of one series, or --series-uid where the command takes it"));
    }
    let options = SeriesOptions { prefer: prefer.to_vec(), ..SeriesOptions::default() };
    let series = read_series_with(&chosen.files, &options)
        .map_err(|e| Failure::input(e.to_string()).hint("`rtpipeline scan` says what is wrong with single files"))?;
    Ok(Found { series, modality: chosen.modality, frame_of_reference_uid: chosen.frame })
}

fn name(c: &Candidate) -> String {
    if c.description.is_empty() { c.modality.clone() } else { format!("{} \"{}\"", c.modality, c.description) }
}

/// Image series below a folder by Series Instance UID. Copies of an object are taken once.
fn candidates(folder: &Path) -> Result<BTreeMap<String, Candidate>, Failure> {
    let files = scan_folder(folder, &ScanOptions::default(), &|_, _| {})
        .map_err(|e| Failure::input(e.to_string()).hint("give a folder that holds DICOM images"))?;
    let mut out: BTreeMap<String, Candidate> = BTreeMap::new();
    for f in &files {
        let Some(h) = f.sniff.usable() else { continue };
        let modality = match h.kind() {
            ObjectKind::Ct | ObjectKind::EnhancedCt => "CT",
            ObjectKind::Mr | ObjectKind::EnhancedMr => "MR",
            ObjectKind::Pet | ObjectKind::EnhancedPet => "PT",
            _ => continue,
        };
        let c = out.entry(h.series_uid.clone()).or_default();
        if !h.sop_instance_uid.is_empty() && c.uids.contains(&h.sop_instance_uid) {
            continue;
        }
        c.files.push(SeriesFile { path: f.path(folder) });
        c.uids.push(h.sop_instance_uid.clone());
        modality.clone_into(&mut c.modality);
        h.frame_of_reference_uid.clone_into(&mut c.frame);
        if let Some(d) = &h.series_description {
            d.clone_into(&mut c.description);
        }
    }
    Ok(out)
}
