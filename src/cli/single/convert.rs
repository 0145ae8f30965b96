//! `convert`: one image series as NIfTI or NRRD.

use super::super::args::ConvertArgs;
use super::super::exit::{Exit, Failure};
use super::series;
use crate::stages::organize::images::{unit_word, whole_numbers};
use crate::ui::Printer;
use rtpipeline_volume_io::{write_nifti, write_nrrd};
use std::path::Path;

/// Formats of volumes, by the end of the name.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Format {
    Nifti,
    Nrrd,
}

impl Format {
    /// The format of a file name.
    pub(super) fn of(path: &Path) -> Result<Self, Failure> {
        let name = path.file_name().map(|n| n.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        if name.ends_with(".nii") || name.ends_with(".nii.gz") {
            Ok(Self::Nifti)
        } else if name.ends_with(".nrrd") {
            Ok(Self::Nrrd)
        } else {
            Err(Failure::usage(format!("{}: the format is not known by this name", path.display()))
                .hint("use a name that ends in .nii, .nii.gz or .nrrd"))
        }
    }
}

/// `rtpipeline convert`.
pub(in crate::cli) fn convert(args: &ConvertArgs) -> Result<Exit, Failure> {
    let format = Format::of(&args.out)?;
    let found = series::read(&args.series, args.series_uid.as_deref(), &[])?;
    let printer = Printer::default();
    let s = &found.series;
    for left in &s.other_stacks {
        printer.warn(&format!("left out: {left}"));
    }
    for f in &s.findings {
        printer.warn(&f.text);
    }
    if !s.interpolated.is_empty() {
        printer.warn(&format!("the slices are not equally spaced; {} were interpolated", s.interpolated.len()));
    }
    let unit = unit_word(s.unit);
    let description = format!("{} {unit}", found.modality);
    let written = match (format, whole_numbers(s)) {
        (Format::Nifti, Some(v)) => write_nifti(&args.out, &v, &description),
        (Format::Nifti, None) => write_nifti(&args.out, &s.volume, &description),
        (Format::Nrrd, Some(v)) => write_nrrd(&args.out, &v),
        (Format::Nrrd, None) => write_nrrd(&args.out, &s.volume),
    };
    written.map_err(|e| Failure::usage(e.to_string()).hint("choose a folder that exists and can be written"))?;
    let [i, j, k] = s.grid.dims;
    let mm = s.grid.spacing().map(|v| format!("{}", (v * 1e4).round() / 1e4)).join(" × ");
    printer.status("Wrote", &format!("{}: {i} × {j} × {k} voxels of {mm} mm, {unit}", args.out.display()));
    Ok(Exit::Done)
}
