//! Stage organize: the course folder, its volumes, its resolved doses, its metadata.
//!
//! Linking has already been done on headers ([`crate::index`]); here the objects of one course are read. What cannot be read
//! is a failure of that part alone: the course goes on without it.

mod case;
pub(crate) mod images;
mod objects;
mod plans;
mod records;
mod resolve;
#[cfg(test)]
mod resolve_tests;
mod structures;
#[cfg(test)]
mod tests;
mod tree;
mod words;

use crate::config::{FileMode, OrganizeSettings};
use crate::course::{Course, CourseManifest, CoursePaths, Finding, Level, to_json};
use crate::records::{Row, TableError, tables, write_table};
use objects::Objects;
use rtpipeline_engine::{
    FailureKind, Input, Output, PlanContext, Policy, Resources, Stage, StageDoc, Unit, UnitContext, UnitError,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The stage.
#[derive(Clone, Debug, Default)]
pub struct Organize {
    settings: OrganizeSettings,
    policy: Policy,
}

impl Organize {
    /// With these settings and this policy.
    pub fn new(settings: OrganizeSettings, policy: Policy) -> Self {
        Self { settings, policy }
    }
}

/// Everything that decides the result besides the files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrganizeTask {
    /// What linking found.
    pub course: Course,
    /// How DICOM files get into the course folder.
    pub files: FileMode,
    /// Write the tables of plans, doses, structure sets, series and fractions.
    pub metadata: bool,
}

/// Bytes of an uncompressed slice that is not known better.
const SLICE: u64 = 512 * 512 * 4;

impl Stage for Organize {
    type Subject = Course;
    type Task = OrganizeTask;

    fn name(&self) -> &'static str {
        "organize"
    }

    fn version(&self) -> u32 {
        1
    }

    fn describe(&self) -> StageDoc {
        StageDoc {
            title: "Builds the course folder: DICOM by content, volumes, resolved doses, case metadata.",
            inputs: "The DICOM files that linking put into the course.",
            outputs: "DICOM/, RP.dcm, RD.dcm, RS.dcm, NIFTI/, metadata/course.json, metadata/structures_manual.json, \
                      metadata/case_metadata.{json,xlsx}; rows of case_metadata, plans, doses, structure_sets, series, fractions",
        }
    }

    fn policy(&self) -> Policy {
        self.policy.clone()
    }

    fn plan(&self, _: &PlanContext<'_>, course: &Course) -> Result<Vec<Unit<OrganizeTask>>, UnitError> {
        let largest = course.images.iter().map(|i| i.files.len()).max().unwrap_or(0) as u64;
        let task =
            OrganizeTask { course: course.clone(), files: self.settings.files, metadata: self.settings.metadata };
        // Stored values, 32-bit values and the encoded volume of one series at a time.
        let resources = Resources { memory: 3 * SLICE * largest + (256 << 20), gpus: 0 };
        Ok(vec![Unit { part: None, inputs: inputs(course), task, resources }])
    }

    fn run(&self, cx: &UnitContext, task: &OrganizeTask) -> Result<Output, UnitError> {
        run(cx, task)
    }
}

fn inputs(course: &Course) -> Vec<Input> {
    let input = |role: &str, f: &crate::course::CourseFile| Input { role: role.to_owned(), path: f.path.clone() };
    let images = course.images.iter().flat_map(|i| i.files.iter().map(|f| input(&i.id, f)));
    let plans = course.plans.iter().map(|p| input("plan", &p.file));
    let doses = course.doses.iter().map(|d| input("dose", &d.file));
    let sets = course.structure_sets.iter().map(|s| input("structure_set", &s.file));
    let others = course.others.iter().map(|o| input("other", &o.file));
    images.chain(plans).chain(doses).chain(sets).chain(others).collect()
}

/// A length in mm without needless digits.
fn short(v: f64) -> String {
    ((v * 1e4).round() / 1e4).to_string()
}

fn run(cx: &UnitContext, task: &OrganizeTask) -> Result<Output, UnitError> {
    let mut course = task.course.clone();
    let paths = CoursePaths::new(&course.patient_dir, &course.course_id);
    let mut out = Output::default();
    let objects = Objects::read(cx, &course)?;
    let resolution = resolve::resolve(&objects.plan_infos(&course), &objects.doses);
    for (d, (used, reason)) in course.doses.iter_mut().zip(&resolution.fate) {
        d.used = *used;
        d.reason.clone_from(reason);
    }
    let mut findings = course.findings.clone();
    findings.extend(resolution.findings.clone());
    findings.extend(objects.findings.iter().cloned());
    if resolution.word == "unresolved" && !course.doses.is_empty() {
        findings.push(Finding::new(
            Level::Error,
            "dose.unresolved",
            resolution.reason.clone(),
            "No dose is chosen, so there are no dose values; all doses are listed with the reason.",
        ));
    }
    if resolution.doses.first().is_some_and(|d| d.prescription.is_none()) {
        findings.push(Finding::new(
            Level::Caution,
            "dose.no_prescription",
            "No prescription is known for the dose.",
            "Metrics relative to the prescription are empty.",
        ));
    }

    if resolution.doses.is_empty() && course.plans.len() > 1 {
        findings.push(Finding::new(
            Level::Caution,
            "metadata.plan_not_decided",
            format!("Case metadata of the plan are those of the earliest of {} plans.", course.plans.len()),
            "No prescription of the course is given; the table of plans has those of each plan.",
        ));
    }

    // Volumes.
    let snapshot = course.clone();
    let sets: Vec<_> = structures::used(&snapshot, &objects).collect();
    let mut names = BTreeSet::new();
    let mut order = Vec::new();
    let mut series_rows: Vec<Row> = Vec::new();
    for image in &mut course.images {
        let done = images::convert(cx, &paths, image, &sets, &mut names)?;
        series_rows.push(images::row(&snapshot.patient_id, &snapshot.course_id, image, done.failure.as_ref()).to_map());
        order.push(done.order);
        out.files.extend(done.files);
        findings.extend(done.findings);
        out.failures.extend(done.failure);
    }

    // DICOM tree and root trio.
    let tree = tree::build(cx, &paths, &course, task.files, &order)?;
    let has_dicom = tree.is_some();
    out.files.extend(tree);
    let head = resolution.doses.first();
    let plan = head
        .and_then(|d| d.plan_uids.iter().find_map(|u| course.plans.iter().position(|p| p.file.sop_instance_uid == *u)))
        .or_else(|| (!course.plans.is_empty()).then_some(0));
    let dose = head
        .and_then(|d| d.components.first())
        .and_then(|c| course.doses.iter().position(|d| d.file == c.file))
        .or_else(|| (course.doses.len() == 1).then_some(0));
    // A sum that was made here has no file of its own: RD.dcm would be one of its parts.
    let root_dose = dose.filter(|_| head.is_none_or(|d| d.components.len() == 1 && d.components[0].weight == 1.0));
    let set = plan
        .and_then(|p| course.plans[p].structure_set_uid.clone())
        .and_then(|u| course.structure_sets.iter().position(|s| s.used && s.file.sop_instance_uid == u))
        .or_else(|| course.structure_sets.iter().position(|s| s.used));
    let mut root = [None; 3];
    let trio = [
        ("RP.dcm", plan.map(|i| &course.plans[i].file)),
        ("RD.dcm", root_dose.map(|i| &course.doses[i].file)),
        ("RS.dcm", set.map(|i| &course.structure_sets[i].file)),
    ];
    for (slot, (name, file)) in root.iter_mut().zip(trio) {
        if let Some(file) = file
            && let Some(placed) = tree::root_file(cx, &paths, name, file, task.files)?
        {
            out.files.push(placed);
            *slot = Some(name);
        }
    }

    // Structures.
    let (catalogue, notes) = structures::catalogue(&course, &objects);
    findings.extend(notes);
    out.files.push(cx.write("structures_manual", paths.catalogue_of("manual"), &to_json(&catalogue)?)?);

    // Metadata and tables.
    let fractions = records::rows(&course, &objects);
    let case = case::Case {
        course: &course,
        paths: &paths,
        objects: &objects,
        resolution: &resolution,
        catalogue: &catalogue,
        fractions: &fractions,
        plan,
        dose,
        set,
        root,
        has_dicom,
    };
    let (case_row, case_json) = case::build(cx, &case)?;
    out.files.push(cx.write("case_metadata", paths.file("metadata/case_metadata.json"), &to_json(&case_json)?)?);
    write_xlsx(cx, &paths, &case_row, &mut out)?;
    out.failures.extend(objects.failures.clone());
    findings.sort();
    findings.dedup();
    let manifest = CourseManifest {
        resolved_doses: resolution.doses.clone(),
        dose_resolution: resolution.word.clone(),
        dose_resolution_reason: resolution.reason.clone(),
        case_metadata: case_row.clone().into_iter().collect(),
        findings,
        course,
    };
    out.files.push(cx.write("manifest", paths.manifest(), &to_json(&manifest)?)?);
    out.rows.insert("case_metadata".to_owned(), vec![case_row]);
    if task.metadata {
        let c = &manifest.course;
        let plan_rows = c.plans.iter().zip(&objects.plans);
        let dose_rows = c.doses.iter().zip(&objects.grids);
        let set_rows = c.structure_sets.iter().zip(&objects.sets);
        out.rows.insert(
            "plans".to_owned(),
            plan_rows.map(|(p, x)| plans::plan_row(c, p, x.as_ref(), &resolution).to_map()).collect(),
        );
        out.rows
            .insert("doses".to_owned(), dose_rows.map(|(d, g)| plans::dose_row(c, d, g.as_ref()).to_map()).collect());
        out.rows.insert(
            "structure_sets".to_owned(),
            set_rows.map(|(s, x)| structures::row(c, s, x.as_ref()).to_map()).collect(),
        );
        out.rows.insert("series".to_owned(), series_rows);
        out.rows.insert("fractions".to_owned(), fractions.iter().map(crate::records::FractionRow::to_map).collect());
    }
    out.facts.insert("dose_resolution".to_owned(), resolution.word.into());
    out.facts.insert("images".to_owned(), manifest.course.images.iter().filter(|i| i.nifti.is_some()).count().into());
    out.facts.insert("structures".to_owned(), catalogue.structures.len().into());
    Ok(out)
}

/// `metadata/case_metadata.xlsx`: the row of the course as a table.
fn write_xlsx(cx: &UnitContext, paths: &CoursePaths, row: &Row, out: &mut Output) -> Result<(), UnitError> {
    let mut table = tables::case_metadata();
    table.forms = crate::records::Forms { csv: false, parquet: false, xlsx: true };
    let (path, file) = cx.output("case_metadata", paths.file("metadata/case_metadata.xlsx"))?;
    let dir = path.parent().ok_or_else(|| UnitError::bug("the work folder has no parent"))?;
    write_table(dir, &table, vec![row.clone()]).map_err(|e| match e {
        TableError::Io { .. } => UnitError::new(FailureKind::Resources, e.to_string()),
        other => UnitError::bug(other.to_string()),
    })?;
    out.files.push(file);
    Ok(())
}
