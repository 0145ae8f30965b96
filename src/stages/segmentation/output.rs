//! What a unit of segmentation leaves behind: label maps, manifest, catalogue, structure sets.

use super::SegmentationTask;
use crate::course::label_maps::{
    LabelCensus, LabelName, RtRoi, RtStructRequest, census, rtstruct_output, stem, structures_of, write_label_map,
};
use crate::course::{Catalogue, CoursePaths, Finding, Level, Structure, to_json};
use rtpipeline_engine::{Output, PartFailure, UnitContext, UnitError};
use rtpipeline_geometry::Volume;
use serde_json::json;
use std::collections::BTreeMap;

/// Gathers the results of one unit.
pub(super) struct Collector<'a> {
    task: &'a SegmentationTask,
    paths: CoursePaths,
    base: String,
    output: Output,
    catalogue: Catalogue,
    models: Vec<serde_json::Value>,
    skipped: Vec<serde_json::Value>,
    /// Folder of the course for this engine.
    folder: &'static str,
}

/// One label map that was made.
pub(super) struct Made<'a> {
    /// Word in file names: `<base>--<model>.nii.gz`.
    pub(super) model: &'a str,
    /// `Segmentation_Source`.
    pub(super) source: String,
    /// The map.
    pub(super) labels: &'a Volume<u32>,
    /// Its labels.
    pub(super) names: &'a [LabelName],
    /// Offset of the numbers of structures beside that of the image.
    pub(super) offset: i32,
}

impl<'a> Collector<'a> {
    pub(super) fn new(task: &'a SegmentationTask) -> Self {
        Self {
            task,
            paths: CoursePaths::new(&task.patient_dir, &task.course_id),
            base: stem(&task.nifti),
            output: Output::default(),
            catalogue: Catalogue::default(),
            models: Vec::new(),
            skipped: Vec::new(),
            folder: match task.method {
                super::Method::Classical => "Segmentation_Classical",
                super::Method::TotalSegmentator(_) => "Segmentation_TotalSegmentator",
            },
        }
    }

    /// A fact for the record.
    pub(super) fn fact(&mut self, key: &str, value: impl Into<serde_json::Value>) {
        self.output.facts.insert(key.to_owned(), value.into());
    }

    /// A remark for people.
    pub(super) fn finding(&mut self, finding: Finding) {
        self.catalogue.findings.push(finding);
    }

    /// A structure that was wanted and is not there.
    pub(super) fn not_made(&mut self, name: &str, reason: &str) {
        self.catalogue.not_made.push((name.to_owned(), reason.to_owned()));
    }

    /// A model that failed while others of the unit succeeded.
    pub(super) fn failed(&mut self, model: &str, error: UnitError) {
        self.skipped.push(json!({ "model": model, "reason": error.message }));
        self.output.failures.push(PartFailure { part: model.to_owned(), error });
    }

    /// Writes a label map and takes its structures in.
    pub(super) fn label_map(
        &mut self,
        cx: &UnitContext,
        made: &Made<'_>,
    ) -> Result<BTreeMap<u32, LabelCensus>, UnitError> {
        let to = self.paths.file(&format!("{}/{base}/{base}--{}.nii.gz", self.folder, made.model, base = self.base));
        let counts = census(made.labels);
        let file = write_label_map(cx, "label map", to.clone(), made.labels, made.model)?;
        self.output.files.push(file);
        let offset = self.task.number_offset + made.offset;
        let structures = structures_of(&counts, made.names, &to, &made.source, &self.task.image.id, offset);
        let labels: serde_json::Map<String, serde_json::Value> =
            made.names.iter().map(|n| (n.value.to_string(), n.name.clone().into())).collect();
        self.models.push(json!({
            "model": made.model,
            "label_map": to.rel().rsplit('/').next(),
            "labels": labels,
            "found": structures.iter().map(|s| s.name.clone()).collect::<Vec<_>>(),
        }));
        self.catalogue.structures.extend(structures);
        Ok(counts)
    }

    /// Writes a structure set: `RS_auto.dcm` for the planning image, else a file beside the label maps. Without DICOM
    /// images there is none.
    pub(super) fn structure_set(
        &mut self,
        cx: &UnitContext,
        model: &str,
        main: bool,
        rois: Vec<RtRoi>,
    ) -> Result<(), UnitError> {
        let image = &self.task.image;
        if image.files.is_empty() || rois.is_empty() {
            return Ok(());
        }
        let to = if main && self.task.writes_rs_auto {
            self.paths.file("RS_auto.dcm")
        } else {
            self.paths.file(&format!("{}/{base}/{base}--{model}.dcm", self.folder, base = self.base))
        };
        let request = RtStructRequest {
            image,
            label: "RTPIPELINE AUTO",
            description: "automatic structures",
            patient_id: &self.task.patient_id,
            rois,
        };
        match rtstruct_output(cx, "structure set", to, &request) {
            Ok(file) => self.output.files.push(file),
            Err(error) if error.kind == rtpipeline_engine::FailureKind::Data => self.finding(
                Finding::new(
                    Level::Caution,
                    "segmentation.no_structure_set",
                    format!("No DICOM structure set of the automatic structures could be written: {error}."),
                    "The label maps are complete; only the export as RTSTRUCT is missing.",
                )
                .about(image.id.clone()),
            ),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Structures taken in so far that come from one source.
    pub(super) fn of_source(&self, source: &str) -> Vec<Structure> {
        self.catalogue.structures.iter().filter(|s| s.source == source).cloned().collect()
    }

    /// Manifest, catalogue, record.
    pub(super) fn finish(mut self, cx: &UnitContext) -> Result<Output, UnitError> {
        let manifest = json!({
            "source_nifti": self.task.nifti,
            "models": self.models,
            "skipped_models": self.skipped,
        });
        let to = self.paths.file(&format!("{}/{}/manifest.json", self.folder, self.base));
        self.output.files.push(cx.write("manifest", to, &to_json(&manifest)?)?);
        self.catalogue.findings.sort();
        self.catalogue.findings.dedup();
        let to = self.paths.catalogue_of(&format!("segmentation_{}", self.task.image.id));
        self.output.files.push(cx.write("catalogue", to, &to_json(&self.catalogue)?)?);
        self.output.facts.insert("structures".to_owned(), self.catalogue.structures.len().into());
        if !self.catalogue.findings.is_empty() {
            let list = serde_json::to_value(&self.catalogue.findings).map_err(|e| UnitError::bug(e.to_string()))?;
            self.output.facts.insert("findings".to_owned(), list);
        }
        Ok(self.output)
    }
}
