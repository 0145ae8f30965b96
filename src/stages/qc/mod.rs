//! Quality control: one report per course, from what the earlier stages wrote.
//!
//! The report keeps the checks and words of the original (`file_existence`, `ct_validation`, …; PASS, WARNING, FAIL), but
//! each check carries a status and each status counts: a course without plan, dose, structures or image never passes.

mod checks;

use crate::config::QcSettings;
use crate::course::{Catalogue, Course, CourseManifest, CoursePaths, DvhArtefact, Finding, Level};
use checks::{Check, Status};
use rtpipeline_engine::{
    Input, Output, PlanContext, Policy, Resources, RootedPath, Stage, StageDoc, Unit, UnitContext, UnitError,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The stage.
#[derive(Clone, Debug, Default)]
pub struct Qc {
    settings: QcSettings,
}

impl Qc {
    /// With these settings.
    pub fn new(settings: QcSettings) -> Self {
        Self { settings }
    }
}

/// What a unit is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QcTask {
    patient_id: String,
    course_id: String,
    patient_dir: String,
    manifest: RootedPath,
    catalogue: Option<RootedPath>,
    cropped: Option<RootedPath>,
    dvh: Option<RootedPath>,
    settings: QcSettings,
}

impl Stage for Qc {
    type Subject = Course;
    type Task = QcTask;

    fn name(&self) -> &'static str {
        "qc"
    }

    fn version(&self) -> u32 {
        1
    }

    fn describe(&self) -> StageDoc {
        StageDoc {
            title: "Checks of files, image, plan, dose, structures and their agreement",
            inputs: "course manifest, structure catalogue, DVH rows",
            outputs: "qc_reports/qc_report_<patient>_<course>.json; tables qc_reports, qc_findings",
        }
    }

    fn policy(&self) -> Policy {
        Policy::default()
    }

    fn plan(&self, cx: &PlanContext<'_>, course: &Course) -> Result<Vec<Unit<QcTask>>, UnitError> {
        let paths = CoursePaths::new(&course.patient_dir, &course.course_id);
        let mut inputs = Vec::new();
        let mut present = |role: &str, path: RootedPath| {
            cx.has(&path).then(|| {
                inputs.push(Input { role: role.to_owned(), path: path.clone() });
                path
            })
        };
        let manifest = present("course", paths.manifest())
            .ok_or_else(|| UnitError::data("the course was not organised: metadata/course.json is missing"))?;
        let catalogue = present("structures", paths.catalogue());
        let cropped = present("cropped structures", paths.catalogue_of("cropped"));
        let dvh = present("dvh", paths.file("metadata/dvh.json"));
        let task = QcTask {
            patient_id: course.patient_id.clone(),
            course_id: course.course_id.clone(),
            patient_dir: course.patient_dir.clone(),
            manifest,
            catalogue,
            cropped,
            dvh,
            settings: self.settings.clone(),
        };
        Ok(vec![Unit { part: None, task, inputs, resources: Resources::default() }])
    }

    fn run(&self, cx: &UnitContext, task: &QcTask) -> Result<Output, UnitError> {
        let manifest: CourseManifest = crate::course::read_json(cx, &task.manifest)?;
        let catalogue: Catalogue = match &task.catalogue {
            Some(p) => crate::course::read_json(cx, p)?,
            None => Catalogue::default(),
        };
        let dvh: DvhArtefact = match &task.dvh {
            Some(p) => crate::course::read_json(cx, p)?,
            None => DvhArtefact::default(),
        };
        let cropped: Catalogue = match &task.cropped {
            Some(p) => crate::course::read_json(cx, p)?,
            None => Catalogue::default(),
        };
        let checks = checks::all(&manifest, &catalogue, &dvh, &task.settings);
        let overall = checks.iter().map(|c| c.status).max().unwrap_or(Status::Error);
        let mut findings: Vec<Finding> = [&manifest.findings, &catalogue.findings, &cropped.findings, &dvh.findings]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        findings.extend(checks.iter().flat_map(Check::findings));
        findings.sort();
        findings.dedup_by(|b, a| (a.level, &a.code, &a.what) == (b.level, &b.code, &b.what));
        report(cx, task, &checks, overall, &findings)
    }
}

fn report(
    cx: &UnitContext,
    task: &QcTask,
    checks: &[Check],
    overall: Status,
    findings: &[Finding],
) -> Result<Output, UnitError> {
    let by_name: Map<String, Value> = checks.iter().map(|c| (c.name.to_owned(), c.to_json())).collect();
    let name = format!("qc_report_{}_{}.json", task.patient_dir, task.course_id);
    let body = json!({
        "patient_id": task.patient_id,
        "course_id": task.course_id,
        "checks": by_name,
        "findings": findings,
        "overall_status": overall.word(),
    });
    let paths = CoursePaths::new(&task.patient_dir, &task.course_id);
    let text = serde_json::to_vec_pretty(&body).map_err(|e| UnitError::bug(e.to_string()))?;
    let file = cx.write("qc_report", paths.file(&format!("qc_reports/{name}")), &text)?;

    let count = |level: Level| findings.iter().filter(|f| f.level == level).count();
    let mut row = Map::new();
    row.insert("patient_id".into(), json!(task.patient_id));
    row.insert("course_id".into(), json!(task.course_id));
    row.insert("report_name".into(), json!(name));
    row.insert("overall_status".into(), json!(overall.word()));
    for c in checks {
        row.insert(format!("{}_status", c.name), json!(c.status.word()));
    }
    row.insert("findings_error".into(), json!(count(Level::Error)));
    row.insert("findings_caution".into(), json!(count(Level::Caution)));
    row.insert("findings_note".into(), json!(count(Level::Note)));
    row.insert("structure_cropping".into(), json!(by_name.get("structure_cropping").map(Value::to_string)));
    row.insert("checks".into(), json!(Value::Object(by_name).to_string()));
    let rows = findings
        .iter()
        .enumerate()
        .map(|(n, f)| {
            let v = json!({
                "patient_id": task.patient_id,
                "course_id": task.course_id,
                "finding_number": n + 1,
                "level": f.level,
                "code": f.code,
                "subject": f.subject,
                "what": f.what,
                "meaning": f.meaning,
            });
            v.as_object().cloned().unwrap_or_default()
        })
        .collect();
    let mut out = Output { files: vec![file], ..Output::default() };
    out.rows.insert("qc_reports".to_owned(), vec![row]);
    out.rows.insert("qc_findings".to_owned(), rows);
    Ok(out)
}
