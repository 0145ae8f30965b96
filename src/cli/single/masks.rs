//! `masks`: contours of a structure set as masks on an image.

use super::super::args::MasksArgs;
use super::super::exit::{Exit, Failure};
use super::series;
use super::show::{aligned, number};
use crate::course::{contour_stack, safe_name};
use crate::records::escape_formula;
use crate::ui::Printer;
use rtpipeline_dicom::rtstruct::{Roi, StructureSet, read_structure_set};
use rtpipeline_geometry::{Grid, Mask, StackOptions, Volume};
use rtpipeline_volume_io::write_nifti;
use std::collections::BTreeSet;
use std::path::Path;

/// Least part of a structure that must lie inside the image to go without a remark.
const WHOLE: f64 = 0.9995;

/// `rtpipeline masks`.
pub(in crate::cli) fn masks(args: &MasksArgs) -> Result<Exit, Failure> {
    let printer = Printer::default();
    let set = read_structure_set(&args.rtstruct)
        .map_err(|e| Failure::input(e.to_string()).hint("the first argument is the RT structure set"))?;
    let grid = grid(args, &set, &printer)?;
    std::fs::create_dir_all(&args.out).map_err(|e| {
        Failure::usage(format!("{}: {e}", args.out.display())).hint("choose a folder that can be written")
    })?;
    let mut out =
        Written { label_map: args.label_map.then(|| Volume::filled(grid.clone(), 0_u16)), ..Written::default() };
    for roi in &set.rois {
        out.add(roi, &grid, &args.out)?;
    }
    let file = if args.label_map { "label" } else { "file" };
    let heads = [
        ("number", true),
        ("structure", false),
        (file, false),
        ("voxels", true),
        ("mask cm³", true),
        ("contours cm³", true),
        ("remark", false),
    ];
    super::super::print_bytes(aligned(&heads, &out.rows).as_bytes())?;
    if out.made == 0 {
        return Err(Failure::input(format!("{}: no structure gives a mask on this image", args.rtstruct.display()))
            .hint("the table above says why; the image must be the one that the structures were drawn on"));
    }
    if let Some(map) = &out.label_map {
        let path = args.out.join("labels.nii.gz");
        // One byte is what most programs expect where it is enough.
        let small = map.values().iter().all(|&v| v <= 255);
        let done = if small {
            write_nifti(&path, &map.map(|&v| v as u8), "labels")
        } else {
            write_nifti(&path, map, "labels")
        };
        done.map_err(not_written)?;
        out.write_names(&args.out.join("labels.csv"))?;
    }
    printer.status("Wrote", &format!("{} structures to {}", out.made, args.out.display()));
    Ok(Exit::Done)
}

/// The grid of a volume file, or of the series that the structure set refers to.
fn grid(args: &MasksArgs, set: &StructureSet, printer: &Printer) -> Result<Grid, Failure> {
    if !args.image.is_dir() {
        let file = rtpipeline_volume_io::read(&args.image).map_err(|e| {
            Failure::input(e.to_string())
                .hint("the second argument is a NIfTI or NRRD volume, or a folder with one series")
        })?;
        return Ok(file.data.grid().clone());
    }
    let mut prefer: Vec<String> = set.referenced_series.iter().flat_map(|s| s.image_uids.clone()).collect();
    prefer.extend(set.rois.iter().flat_map(|r| r.referenced_image_uids.clone()));
    let found = series::read(&args.image, None, &prefer)?;
    let frame = &found.frame_of_reference_uid;
    if !frame.is_empty() && !set.frames_of_reference.is_empty() && !set.frames_of_reference.contains(frame) {
        printer.warn("image and structures are in different frames of reference; coordinates are taken as they are");
    }
    Ok(found.series.grid)
}

fn not_written(e: rtpipeline_volume_io::VolumeIoError) -> Failure {
    Failure::usage(e.to_string()).hint("choose a folder that can be written")
}

#[derive(Default)]
struct Written {
    made: usize,
    rows: Vec<Vec<String>>,
    names: BTreeSet<String>,
    label_map: Option<Volume<u16>>,
}

impl Written {
    fn add(&mut self, roi: &Roi, grid: &Grid, folder: &Path) -> Result<(), Failure> {
        let (mask, cc, remark) = match mask(roi, grid) {
            Ok(m) => m,
            Err(reason) => {
                self.rows.push(vec![
                    roi.number.to_string(),
                    roi.name.clone(),
                    String::new(),
                    String::new(),
                    String::new(),
                    String::new(),
                    reason,
                ]);
                return Ok(());
            }
        };
        let place = if let Some(map) = &mut self.label_map {
            let label = u16::try_from(self.made + 1)
                .map_err(|_| Failure::input("more than 65535 structures do not fit a label map".to_owned()))?;
            for (to, from) in map.values_mut().iter_mut().zip(mask.values()) {
                if *from != 0 {
                    *to = label;
                }
            }
            label.to_string()
        } else {
            let name = self.unique(&roi.name);
            let path = folder.join(&name);
            write_nifti(&path, &mask, "mask").map_err(not_written)?;
            name
        };
        self.made += 1;
        self.rows.push(vec![
            roi.number.to_string(),
            roi.name.clone(),
            place,
            mask.count().to_string(),
            number(Some(mask.volume_cc()), 3),
            number(Some(cc), 3),
            remark,
        ]);
        Ok(())
    }

    /// Which label is which structure.
    fn write_names(&self, path: &Path) -> Result<(), Failure> {
        let fail = |e: csv::Error| {
            Failure::usage(format!("{}: {e}", path.display())).hint("choose a folder that can be written")
        };
        let mut w = csv::Writer::from_path(path).map_err(fail)?;
        w.write_record(["label", "ROI_Number", "ROI_Name"]).map_err(fail)?;
        for r in self.rows.iter().filter(|r| !r[2].is_empty()) {
            w.write_record([r[2].as_str(), r[0].as_str(), &escape_formula(&r[1])]).map_err(fail)?;
        }
        w.flush().map_err(|e| fail(e.into()))
    }

    /// A file name that is safe and differs from the others also where case does not count.
    fn unique(&mut self, roi: &str) -> String {
        let base = safe_name(roi);
        let mut name = base.clone();
        let mut n = 1;
        while !self.names.insert(name.to_lowercase()) {
            n += 1;
            name = format!("{base}_{n}");
        }
        format!("{name}.nii.gz")
    }
}

/// Mask, volume of the contours in cm³ and a remark, or why there is no mask.
fn mask(roi: &Roi, grid: &Grid) -> Result<(Mask, f64, String), String> {
    let options = StackOptions { default_thickness: Some(grid.spacing()[2]), ..StackOptions::default() };
    let stack = contour_stack(&roi.contours, &options)
        .map_err(|e| e.to_string())?
        .ok_or_else(|| "no closed planar contour".to_owned())?;
    let mask = stack.mask(grid);
    if mask.count() == 0 {
        return Err("covers no voxel centre of the image".to_owned());
    }
    let inside = stack.fraction_inside(grid);
    let remark =
        if inside < WHOLE { format!("{:.1} % lie outside the image", 100.0 * (1.0 - inside)) } else { String::new() };
    Ok((mask, stack.volume_cc(), remark))
}
