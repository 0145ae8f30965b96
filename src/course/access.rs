//! Reading the typed artefacts and the geometry of structures; each file is read once per unit.

use super::{ImageObject, ResolvedDose, Shape, Structure};
use rtpipeline_dicom::rtdose::read_dose;
use rtpipeline_dicom::rtstruct::{StructureSet, read_structure_set};
use rtpipeline_engine::{RootedPath, Roots, UnitContext, UnitError};
use rtpipeline_geometry::dose::{DoseGrid, sum_on_common_grid};
use rtpipeline_geometry::outline::{OutlineOptions, outline_label};
use rtpipeline_geometry::{Contour, Grid, Mask, PlaneStack, StackError, StackOptions, Volume};
use rtpipeline_radiomics::ImageInput;
use rtpipeline_volume_io::{VolumeData, VolumeIoError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::Path;

/// Reads a typed JSON artefact.
pub fn read_json<T: DeserializeOwned>(cx: &UnitContext, path: &RootedPath) -> Result<T, UnitError> {
    read_json_at(&cx.roots, path)
}

/// Reads a typed JSON artefact while planning.
pub fn read_json_at<T: DeserializeOwned>(roots: &Roots, path: &RootedPath) -> Result<T, UnitError> {
    let place = roots.resolve(path).map_err(|e| UnitError::bug(e.to_string()))?;
    let bytes = std::fs::read(place)
        .map_err(|e| UnitError::data(format!("{path} cannot be read: {e}")).hint("run the earlier stages again"))?;
    serde_json::from_slice(&bytes).map_err(|e| {
        UnitError::data(format!("{path} is not what this version writes: {e}"))
            .hint("run again with --force-redo organize")
    })
}

/// The bytes of a typed JSON artefact.
pub fn to_json<T: Serialize>(value: &T) -> Result<Vec<u8>, UnitError> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|e| UnitError::bug(e.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The volume of an image that organize converted.
pub fn read_image(cx: &UnitContext, image: &ImageObject) -> Result<Volume<f32>, UnitError> {
    let path = image.nifti.as_ref().ok_or_else(|| UnitError::data(format!("image {} has no volume", image.id)))?;
    rtpipeline_volume_io::read_f32(&cx.resolve(path)?).map_err(|e| UnitError::data(format!("{path}: {e}")))
}

/// Geometry of structures, whatever their source; keeps the files that it read.
pub struct Geometry<'a> {
    cx: &'a UnitContext,
    sets: BTreeMap<RootedPath, StructureSet>,
    labels: BTreeMap<RootedPath, Volume<u32>>,
    options: StackOptions,
    slices: BTreeMap<String, f64>,
}

impl<'a> Geometry<'a> {
    /// A reader for one unit.
    pub fn new(cx: &'a UnitContext, options: StackOptions) -> Self {
        Self { cx, sets: BTreeMap::new(), labels: BTreeMap::new(), options, slices: BTreeMap::new() }
    }

    /// Takes the slice distance of the image that a structure belongs to as the thickness of a single plane, and as what
    /// the distance of its planes is compared with; the options hold for structures of no known image.
    pub fn with_slices_of(mut self, images: &[ImageObject]) -> Self {
        let of = |i: &ImageObject| Some((i.id.clone(), plane_distance(i.grid.as_ref()?)));
        self.slices = images.iter().filter_map(of).filter(|(_, d)| d.is_finite() && *d > 0.0).collect();
        self
    }

    /// Contours or outlines of the structure as a stack of planes; `None` when it has no closed contour.
    pub fn stack(&mut self, s: &Structure) -> Result<Option<PlaneStack>, UnitError> {
        let mut options = self.options.clone();
        if let Some(distance) = s.image_id.as_ref().and_then(|i| self.slices.get(i)) {
            options.default_thickness = Some(*distance);
        }
        let contours = match &s.shape {
            Shape::Contours { file, roi_number } => {
                let set = self.set(file)?;
                let roi = set.rois.iter().find(|r| r.number == i64::from(*roi_number));
                let roi = roi.ok_or_else(|| UnitError::data(format!("{file} has no ROI {roi_number}")))?;
                roi.contours.clone()
            }
            Shape::Label { file, value } => {
                let labels = self.label_map(file)?;
                // An empty slice inside a mask is empty; it must not be taken for a wider plane spacing.
                options.spacing = Some(plane_distance(&labels.grid));
                outline_label(labels, *value, &OutlineOptions::default())
            }
        };
        contour_stack(&contours, &options).map_err(|e| UnitError::data(format!("{} ({}): {e}", s.name, s.source)))
    }

    /// The structure as a mask on the grid of an image.
    pub fn mask(&mut self, s: &Structure, image: &Volume<f32>) -> Result<Option<Mask>, UnitError> {
        self.mask_on(s, &image.grid)
    }

    /// The structure as a mask on a grid.
    pub fn mask_on(&mut self, s: &Structure, grid: &Grid) -> Result<Option<Mask>, UnitError> {
        match &s.shape {
            Shape::Contours { .. } => Ok(self.stack(s)?.map(|k| k.mask(grid))),
            Shape::Label { file, value } => {
                let labels = self.label_map(file)?;
                if labels.grid.same_as(grid, 1e-3) {
                    Ok(Some(Mask { grid: grid.clone(), data: labels.data.map(|&v| u8::from(v == *value)) }))
                } else {
                    Ok(self.stack(s)?.map(|k| k.mask(grid)))
                }
            }
        }
    }

    fn set(&mut self, file: &RootedPath) -> Result<&StructureSet, UnitError> {
        if !self.sets.contains_key(file) {
            let set =
                read_structure_set(&self.cx.resolve(file)?).map_err(|e| UnitError::data(format!("{file}: {e}")))?;
            self.sets.insert(file.clone(), set);
        }
        Ok(&self.sets[file])
    }

    /// A label map, read once.
    pub fn label_map(&mut self, file: &RootedPath) -> Result<&Volume<u32>, UnitError> {
        if !self.labels.contains_key(file) {
            let v = rtpipeline_volume_io::read_labels(&self.cx.resolve(file)?)
                .map_err(|e| UnitError::data(format!("{file}: {e}")))?;
            self.labels.insert(file.clone(), v);
        }
        Ok(&self.labels[file])
    }
}

/// Distance of the slices along their normal, mm (less than the step between them in a sheared stack).
fn plane_distance(grid: &Grid) -> f64 {
    let d = grid.direction();
    let n = [0, 1, 2].map(|a| {
        let (b, c) = ((a + 1) % 3, (a + 2) % 3);
        d[0][b] * d[1][c] - d[0][c] * d[1][b]
    });
    let length = n.iter().map(|x| x * x).sum::<f64>().sqrt();
    (0..3).map(|a| grid.step[2][a] * n[a] / length).sum::<f64>().abs()
}

/// Contours as a stack of planes; `None` when none of them is closed.
pub fn contour_stack(contours: &[Contour], options: &StackOptions) -> Result<Option<PlaneStack>, StackError> {
    if !contours.iter().any(|c| c.kind.is_closed()) {
        return Ok(None);
    }
    PlaneStack::from_contours(contours, options).map(Some)
}

/// The volume of an image in the type that it is stored in; 64-bit integers, which radiomics does not know, as `F64`.
pub fn read_image_data(path: &Path) -> Result<VolumeData, VolumeIoError> {
    Ok(match rtpipeline_volume_io::read(path)?.data {
        d @ (VolumeData::I64(_) | VolumeData::U64(_)) => VolumeData::F64(d.into_f64()),
        d => d,
    })
}

/// What [`read_image_data`] read, as radiomics wants it; `None` for 64-bit integers.
pub fn image_input(data: &VolumeData) -> Option<ImageInput<'_>> {
    Some(match data {
        VolumeData::U8(v) => v.into(),
        VolumeData::I8(v) => v.into(),
        VolumeData::U16(v) => v.into(),
        VolumeData::I16(v) => v.into(),
        VolumeData::U32(v) => v.into(),
        VolumeData::I32(v) => v.into(),
        VolumeData::F32(v) => v.into(),
        VolumeData::F64(v) => v.into(),
        VolumeData::I64(_) | VolumeData::U64(_) => return None,
    })
}

/// Reads a resolved dose; several components are summed on a common grid.
pub fn load_dose(cx: &UnitContext, d: &ResolvedDose) -> Result<DoseGrid, UnitError> {
    let mut grids = Vec::new();
    for c in &d.components {
        let dose =
            read_dose(&cx.resolve(&c.file.path)?).map_err(|e| UnitError::data(format!("{}: {e}", c.file.path)))?;
        dose.gy_grid().map_err(|e| UnitError::data(format!("{}: {e}", c.file.path)))?;
        grids.extend(dose.grid.map(|grid| (grid, c.weight)));
    }
    match grids.as_slice() {
        [] => Err(UnitError::data("the resolved dose has no component")),
        [(_, w)] if *w == 1.0 => Ok(grids.remove(0).0),
        _ => {
            let parts: Vec<(&DoseGrid, f64)> = grids.iter().map(|(g, w)| (g, *w)).collect();
            sum_on_common_grid(&parts).map_err(|e| UnitError::data(e.to_string()))
        }
    }
}
