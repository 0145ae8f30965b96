//! Dose-volume histograms: every structure of every source under every resolved dose of a course.

mod own;
mod rows;

use crate::config::{self, DvhSettings};
use crate::course::{
    Catalogue, Course, CourseManifest, CoursePaths, DvhArtefact, DvhCurve, Finding, Geometry, Level, ResolvedDose,
    Structure, load_dose, read_json, read_json_at, to_json,
};
use rtpipeline_dicom::rtdose::Dose;
use rtpipeline_engine::{
    Input, Output, PlanContext, Policy, Resources, RootedPath, Stage, StageDoc, Unit, UnitContext, UnitError,
};
use rtpipeline_geometry::DoseGrid;
use rtpipeline_geometry::dvh::{DvhOptions, OutsideGrid, dvh};
use rtpipeline_geometry::{FillRule, PlaneStack, StackOptions};
use serde::{Deserialize, Serialize};

/// The stage.
#[derive(Clone, Debug, Default)]
pub struct DvhStage {
    settings: DvhSettings,
    use_cropped: bool,
    policy: Policy,
}

impl DvhStage {
    /// With these settings and this policy; `use_cropped`: automatic structures as crop_ct left them, where it cropped.
    pub fn new(settings: DvhSettings, use_cropped: bool, policy: Policy) -> Self {
        // Goals are judged when pages are made; they must not make DVHs stale.
        Self { settings: DvhSettings { goals: Vec::new(), ..settings }, use_cropped, policy }
    }
}

/// What a unit is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DvhTask {
    patient_id: String,
    course_id: String,
    patient_dir: String,
    manifest: RootedPath,
    catalogue: RootedPath,
    cropped: Option<RootedPath>,
    settings: DvhSettings,
}

impl Stage for DvhStage {
    type Subject = Course;
    type Task = DvhTask;

    fn name(&self) -> &'static str {
        "dvh"
    }

    fn version(&self) -> u32 {
        1
    }

    fn describe(&self) -> StageDoc {
        StageDoc {
            title: "Dose-volume histograms and metrics from contours and dose",
            inputs: "structure catalogue, RTSTRUCT and label maps, RTDOSE",
            outputs: "dvh_metrics.{csv,parquet,xlsx}, metadata/dvh.json; tables dvh_metrics, dvh_curves",
        }
    }

    fn policy(&self) -> Policy {
        self.policy.clone()
    }

    fn plan(&self, cx: &PlanContext<'_>, course: &Course) -> Result<Vec<Unit<DvhTask>>, UnitError> {
        let paths = CoursePaths::new(&course.patient_dir, &course.course_id);
        let manifest: CourseManifest = read_json_at(cx.roots, &paths.manifest())?;
        let catalogue: Catalogue = read_json_at(cx.roots, &paths.catalogue())?;
        let mut inputs = vec![
            Input { role: "course".into(), path: paths.manifest() },
            Input { role: "structures".into(), path: paths.catalogue() },
        ];
        let mut add = |role: &str, path: &RootedPath| {
            if !inputs.iter().any(|i| i.path == *path) {
                inputs.push(Input { role: role.to_owned(), path: path.clone() });
            }
        };
        let cropped = self.use_cropped.then(|| paths.catalogue_of("cropped"));
        let cropped = cropped.filter(|p| cx.has(p));
        let catalogue = match &cropped {
            Some(p) => {
                add("cropped structures", p);
                with_cropped(catalogue, read_json_at(cx.roots, p)?)
            }
            None => catalogue,
        };
        for s in &catalogue.structures {
            add("structure", s.shape.file());
        }
        for d in &manifest.resolved_doses {
            for c in &d.components {
                add("dose", &c.file.path);
            }
        }
        let task = DvhTask {
            patient_id: course.patient_id.clone(),
            course_id: course.course_id.clone(),
            patient_dir: course.patient_dir.clone(),
            manifest: paths.manifest(),
            catalogue: paths.catalogue(),
            cropped,
            settings: self.settings.clone(),
        };
        Ok(vec![Unit { part: None, task, inputs, resources: Resources { memory: 512 << 20, gpus: 0 } }])
    }

    fn run(&self, cx: &UnitContext, task: &DvhTask) -> Result<Output, UnitError> {
        let manifest: CourseManifest = read_json(cx, &task.manifest)?;
        let mut catalogue: Catalogue = read_json(cx, &task.catalogue)?;
        if let Some(p) = &task.cropped {
            catalogue = with_cropped(catalogue, read_json(cx, p)?);
        }
        let case = Case {
            patient_id: &task.patient_id,
            course_id: &task.course_id,
            manifest: &manifest,
            settings: &task.settings,
        };
        let mut result = DvhArtefact::default();
        let doses: Vec<CourseDose<'_>> = manifest
            .resolved_doses
            .iter()
            .map(|d| CourseDose { dose: d, grid: load_dose(cx, d), own: own::stored(cx, d) })
            .collect();
        for CourseDose { dose: d, grid, .. } in &doses {
            if let Err(e) = grid {
                result.findings.push(Finding::new(
                    Level::Error,
                    "dose.not_read",
                    format!("Dose “{}” could not be read.", d.label),
                    format!("It has no metrics: {e}."),
                ));
            }
        }
        let mut geometry = Geometry::new(cx, case.stack_options()).with_slices_of(&manifest.course.images);
        for s in &catalogue.structures {
            structure_rows(&case, s, geometry.stack(s), &doses, &mut result);
        }
        result.findings.sort();
        result.findings.dedup();
        write(cx, task, result)
    }
}

/// The catalogue with the structures that crop_ct cut in place of the whole ones.
fn with_cropped(mut all: Catalogue, cropped: Catalogue) -> Catalogue {
    for c in cropped.structures {
        if let Some(s) = all.structures.iter_mut().find(|s| s.source == c.source && s.number == c.number) {
            *s = c;
        }
    }
    all
}

/// What rows are made for: a course, or the single case of `rtpipeline dvh`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case<'a> {
    /// Patient ID of the rows.
    pub(crate) patient_id: &'a str,
    /// Course of the rows.
    pub(crate) course_id: &'a str,
    /// The objects.
    pub(crate) manifest: &'a CourseManifest,
    /// The settings.
    pub(crate) settings: &'a DvhSettings,
}

impl Case<'_> {
    /// How contours become planes.
    pub(crate) fn stack_options(&self) -> StackOptions {
        StackOptions {
            fill: if self.settings.fill == config::FillRule::Union { FillRule::Union } else { FillRule::EvenOdd },
            default_thickness: slice_spacing(self.manifest),
            ..StackOptions::default()
        }
    }
}

/// A resolved dose with its grid and the planning system's own DVHs.
pub(crate) struct CourseDose<'a> {
    /// The dose.
    pub(crate) dose: &'a ResolvedDose,
    /// Its grid, or why there is none.
    pub(crate) grid: Result<DoseGrid, UnitError>,
    /// The object, when it holds DVHs of its own.
    pub(crate) own: Option<Dose>,
}

/// Rows, curves and findings of one structure under every dose.
pub(crate) fn structure_rows(
    case: &Case<'_>,
    s: &Structure,
    stack: Result<Option<PlaneStack>, UnitError>,
    doses: &[CourseDose<'_>],
    result: &mut DvhArtefact,
) {
    let key =
        rows::Key { patient_id: case.patient_id, course_id: case.course_id, structure: s, manifest: case.manifest };
    let stack = match stack {
        Ok(Some(k)) => k,
        Ok(None) => {
            let reason = "the structure has no closed planar contour";
            return rows::without_value(&key, doses.iter().map(|d| d.dose), "no_contours", reason, result);
        }
        Err(e) => return rows::without_value(&key, doses.iter().map(|d| d.dose), "unreadable", &e.message, result),
    };
    if doses.is_empty() {
        return result.rows.push(rows::volume_only(&key, &stack, &case.manifest.dose_resolution_reason).to_map());
    }
    let frame = rows::structure_frame(case.manifest, s);
    for CourseDose { dose: d, grid, own } in doses {
        let grid = match grid {
            Ok(g) => g,
            Err(e) => {
                rows::without_value(&key, std::iter::once(*d), "dose_unreadable", &e.message, result);
                continue;
            }
        };
        if !frame.is_empty() && !d.frame_of_reference_uid.is_empty() && frame != d.frame_of_reference_uid {
            let reason = "structure and dose are in different frames of reference, and no registration is applied";
            rows::without_value(&key, std::iter::once(*d), "frame_of_reference", reason, result);
            continue;
        }
        let zero = case.settings.outside_grid == config::OutsideGrid::Zero;
        let outside = if zero { OutsideGrid::Zero } else { OutsideGrid::Exclude };
        let h = dvh(&stack, grid, &DvhOptions { outside, ..DvhOptions::default() });
        let cover = h.covered_fraction;
        // Several doses of a course have much the same grid: the one that tables and pages use speaks for all.
        let headline = doses.first().is_some_and(|first| first.dose.id == d.id);
        if cover < 0.9995 && headline {
            let policy = if zero { "It counts as 0 Gy there." } else { "Its metrics describe the covered part only." };
            let percent = 100.0 * (1.0 - cover);
            // The outline of the patient and the couch reach beyond the dose as a rule.
            let outline = s.interpreted_type.eq_ignore_ascii_case("EXTERNAL") || {
                let name = s.name.to_ascii_lowercase();
                ["body", "external", "couch", "skin"].iter().any(|w| name.contains(w))
            };
            let level = match cover {
                _ if outline => Level::Note,
                c if c < 0.5 => Level::Error,
                _ => Level::Caution,
            };
            let what = format!("The dose grid ends inside {}: {percent:.1} % of its volume has no dose.", s.name);
            result.findings.push(Finding::new(level, "dose.grid_coverage", what, policy).about(s.name.clone()));
        }
        let mut row = rows::metrics(&key, d, &stack, &h);
        row.dvh_profile = Some(case.settings.profile.to_string());
        if let Some(own) = own.as_ref().and_then(|o| own::of_structure(o, s)) {
            row.own_volume = own.volume_cc;
            row.own_mean = own.mean_gy;
            row.own_max = own.max_gy;
        }
        result.rows.push(row.to_map());
        if h.max.is_some() {
            let step = case.settings.curve_step_gy;
            result.curves.push(DvhCurve {
                dose_id: d.id.clone(),
                roi_number: s.number,
                roi_name: s.name.clone(),
                source: s.source.clone(),
                volume_cc: h.reference_volume_cc(),
                step_gy: step,
                volume_percent: h.curve(step),
            });
        }
    }
}

fn write(cx: &UnitContext, task: &DvhTask, result: DvhArtefact) -> Result<Output, UnitError> {
    let paths = CoursePaths::new(&task.patient_dir, &task.course_id);
    let mut out = Output::default();
    out.files.push(cx.write("dvh", paths.file("metadata/dvh.json"), &to_json(&result)?)?);
    let def = crate::records::dvh_metrics();
    crate::stages::course_tables(cx, &paths, &def, &result.rows, &mut out)?;
    let curve_rows =
        result.curves.iter().map(|c| crate::course::curve_row(&task.patient_id, &task.course_id, c)).collect();
    out.rows.insert("dvh_metrics".into(), result.rows);
    out.rows.insert("dvh_curves".into(), curve_rows);
    Ok(out)
}

fn slice_spacing(m: &CourseManifest) -> Option<f64> {
    let image = m.course.images.iter().find(|i| i.planning)?;
    image.grid.as_ref().map(|g| g.spacing()[2])
}
