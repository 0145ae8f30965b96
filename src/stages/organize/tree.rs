//! The DICOM files of a course in its output folder.

use crate::config::FileMode;
use crate::course::{Course, CourseFile, CoursePaths, safe_name};
use rtpipeline_dicom::link::Class;
use rtpipeline_engine::{FailureKind, OutputFile, UnitContext, UnitError};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Puts the files of the course below `DICOM/` in the work folder and returns that folder as one output.
///
/// Images are named by position (`CT_00001.dcm`), RT objects keep their names as far as these are safe. `order` holds the
/// files of each image by position. Nothing is done for [`FileMode::None`].
pub(super) fn build(
    cx: &UnitContext,
    paths: &CoursePaths,
    course: &Course,
    mode: FileMode,
    order: &[Vec<PathBuf>],
) -> Result<Option<OutputFile>, UnitError> {
    if mode == FileMode::None {
        return Ok(None);
    }
    let mut taken: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut plan: Vec<(PathBuf, String)> = Vec::new();
    for (image, files) in course.images.iter().zip(order) {
        let folder =
            image.id.strip_suffix('1').filter(|f| !f.ends_with(|c: char| c.is_ascii_digit())).unwrap_or(&image.id);
        for (n, path) in files.iter().enumerate() {
            plan.push((path.clone(), format!("{folder}/{}_{:05}.dcm", image.modality, n + 1)));
        }
    }
    let mut named = |folder: &str, file: &CourseFile| -> Result<(), UnitError> {
        let name = name_in(taken.entry(folder.to_owned()).or_default(), file.path.rel());
        plan.push((cx.resolve(&file.path)?, format!("{folder}/{name}")));
        Ok(())
    };
    for p in &course.plans {
        named("RTPLAN", &p.file)?;
    }
    for d in &course.doses {
        named("RTDOSE", &d.file)?;
    }
    for s in &course.structure_sets {
        named("RTSTRUCT", &s.file)?;
    }
    for o in &course.others {
        named(folder_of(&o.sop_class_uid, &o.modality), &o.file)?;
    }
    if plan.is_empty() {
        return Ok(None);
    }
    let (folder, output) = cx.output("dicom", paths.file("DICOM"))?;
    for (from, rel) in plan {
        place(&from, &folder.join(rel), mode)?;
    }
    Ok(Some(output))
}

/// `RP.dcm`, `RD.dcm`, `RS.dcm` in the course folder: the objects that the results of the course rest on.
pub(super) fn root_file(
    cx: &UnitContext,
    paths: &CoursePaths,
    name: &str,
    file: &CourseFile,
    mode: FileMode,
) -> Result<Option<OutputFile>, UnitError> {
    if mode == FileMode::None {
        return Ok(None);
    }
    let (to, output) = cx.output(name.trim_end_matches(".dcm"), paths.file(name))?;
    place(&cx.resolve(&file.path)?, &to, mode)?;
    Ok(Some(output))
}

fn folder_of(class: &str, modality: &str) -> &'static str {
    match Class::of(class) {
        Class::Registration => "REG",
        Class::Record => "RTRECORD",
        Class::Companion("segmentation") => "SEG",
        Class::Companion("structured report") => "SR",
        Class::Companion("RT image") => "RTIMAGE",
        _ if modality == "REG" => "REG",
        _ => "OTHER",
    }
}

fn name_in(taken: &mut BTreeSet<String>, rel: &str) -> String {
    let name = safe_name(rel.rsplit('/').next().unwrap_or(rel));
    let (stem, ext) = name.rsplit_once('.').map_or((name.as_str(), String::new()), |(s, e)| (s, format!(".{e}")));
    let mut out = name.clone();
    let mut n = 1;
    while !taken.insert(out.to_lowercase()) {
        n += 1;
        out = format!("{stem}_{n}{ext}");
    }
    out
}

/// One file by link or copy. A hard link shares the input's bytes: nothing ever writes to these files again.
fn place(from: &Path, to: &Path, mode: FileMode) -> Result<(), UnitError> {
    let failed = |e: std::io::Error| {
        UnitError::new(FailureKind::Resources, format!("{} cannot be put into the course folder: {e}", from.display()))
            .hint("set organize.files to copy or none")
    };
    if let Some(dir) = to.parent() {
        std::fs::create_dir_all(dir).map_err(failed)?;
    }
    let from = std::path::absolute(from).map_err(failed)?;
    match mode {
        FileMode::None => Ok(()),
        FileMode::Link => link(&from, to).map_err(failed),
        // `io::copy` leaves the work to the kernel, which shares blocks where the file system can.
        FileMode::Copy | FileMode::Reflink => copy(&from, to).map_err(failed),
    }
}

fn link(from: &Path, to: &Path) -> std::io::Result<()> {
    // A hard link to a symbolic link would be one to the link itself on some systems.
    let real = std::fs::canonicalize(from)?;
    if std::fs::hard_link(&real, to).is_ok() {
        return Ok(());
    }
    #[cfg(unix)]
    if std::os::unix::fs::symlink(&real, to).is_ok() {
        return Ok(());
    }
    copy(&real, to)
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    let mut input = std::fs::File::open(from)?;
    let mut output = std::fs::File::create(to)?;
    std::io::copy(&mut input, &mut output)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_a_folder_are_safe_and_differ_in_more_than_case() {
        let mut taken = BTreeSet::new();
        assert_eq!(name_in(&mut taken, "a/RP.dcm"), "RP.dcm");
        assert_eq!(name_in(&mut taken, "b/rp.dcm"), "rp_2.dcm");
        assert_eq!(name_in(&mut taken, "c/.hidden"), "_hidden");
    }

    #[test]
    fn links_and_copies_hold_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("a");
        std::fs::write(&from, b"bytes").unwrap();
        for (name, mode) in [("l", FileMode::Link), ("c", FileMode::Copy), ("r", FileMode::Reflink)] {
            let to = dir.path().join("sub").join(name);
            place(&from, &to, mode).unwrap();
            assert_eq!(std::fs::read(&to).unwrap(), b"bytes");
        }
        place(&from, &dir.path().join("n"), FileMode::None).unwrap();
        assert!(!dir.path().join("n").exists());
    }
}
