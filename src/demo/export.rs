//! DICOM objects of a patient, laid out as exports are: three habits of naming, patients in turn.

use super::image;
use super::phantom::{Patient, RadialDose, hash};
use super::structures::draw;
use super::{CourseFacts, DemoError, io};
use rtpipeline_dicom::uid::derived;
use rtpipeline_dicom::write::{
    BeamSpec, DoseSpec, ImageKind, ImageSpec, PlanSpec, SourceImage, SourceImages, StructureSetSpec, Written,
    write_dose, write_image_series, write_plan, write_structure_set,
};
use rtpipeline_geometry::{DoseGrid, Vec3};
use std::path::{Path, PathBuf};

const CT_CLASS: &str = "1.2.840.10008.5.1.4.1.1.2";
const MACHINE: &str = "LINAC_3";
const TIME: &str = "103000";
/// Turns of the oblique images about x and z, degrees.
const OBLIQUE: (f64, f64) = (8.0, -5.0);
/// Distance of dose points, mm, and size of the grid.
const DOSE_STEP: f64 = 3.0;
const DOSE_DIMS: [usize; 3] = [120, 82, 65];

/// One treatment that is planned.
struct Treatment {
    label: &'static str,
    name: &'static str,
    total: f64,
    fractions: i64,
    date: String,
    /// Margin between the tumour's surface and the half of the dose, mm.
    reach: f64,
    /// Shift of the dose grid, so that no two lie alike, mm.
    shift: Vec3,
}

/// A course to be written.
struct Course {
    patient: u32,
    number: u32,
    /// Which anatomy of formulas.
    anatomy: u32,
    oblique: bool,
    treatments: Vec<Treatment>,
}

fn id(n: u32) -> String {
    format!("DEMO-{n:03}")
}

/// Writes all courses of a patient and counts the files.
pub(super) fn patient(dir: &Path, n: u32) -> Result<(Vec<CourseFacts>, usize), DemoError> {
    let mut written = Vec::new();
    let mut files = 0;
    for c in courses(n) {
        let (facts, count) = course(dir, &c)?;
        written.push(facts);
        files += count;
    }
    if n == 1 {
        // Somebody saved one slice twice.
        let copy = dir.join("export_1/Copy of IM00031");
        std::fs::copy(dir.join("export_1/IM00031"), &copy).map_err(io(&copy))?;
        files += 1;
    }
    Ok((written, files))
}

fn courses(n: u32) -> Vec<Course> {
    let year = 2021 + n % 3;
    let month = 1 + n * 5 % 12;
    let primary = Treatment {
        label: "RUL_60Gy",
        name: "Lung R upper lobe",
        total: 60.0,
        fractions: 30,
        date: format!("{year}{month:02}12"),
        reach: 23.0,
        shift: [0.7, -0.4, 1.1],
    };
    let mut first = Course { patient: n, number: 1, anatomy: n, oblique: false, treatments: vec![primary] };
    if n % 3 == 2 {
        first.treatments.push(Treatment {
            label: "RUL_Boost",
            name: "Boost GTV",
            total: 6.0,
            fractions: 3,
            date: format!("{year}{month:02}26"),
            reach: 12.0,
            shift: [-0.9, 0.8, -0.6],
        });
    }
    let mut out = vec![first];
    if n.is_multiple_of(3) {
        let retreatment = Treatment {
            label: "RLL_50Gy",
            name: "Lung R second course",
            total: 50.0,
            fractions: 25,
            date: format!("{}{month:02}05", year + 2),
            reach: 21.0,
            shift: [0.3, 1.2, -1.4],
        };
        out.push(Course { patient: n, number: 2, anatomy: n + 1000, oblique: true, treatments: vec![retreatment] });
    }
    out
}

fn course(dir: &Path, c: &Course) -> Result<(CourseFacts, usize), DemoError> {
    let n = c.patient;
    let layout = Layout::new(dir, n, c.number);
    let body = Patient::new(c.anatomy);
    let grid = image::grid(c.oblique.then_some(OBLIQUE));
    let volume = image::ct(&body, &grid, u64::from(c.anatomy));
    let date = c.treatments[0].date.clone();
    let scan_date = format!("{}{}", &date[..6], "02");
    let mut context = SourceImages {
        patient_name: format!("DEMO^{n:03}"),
        patient_id: id(n),
        patient_birth_date: format!("19{:02}0{}17", 41 + hash(u64::from(n)) % 25, 1 + n % 9),
        patient_sex: if n.is_multiple_of(2) { "F" } else { "M" }.to_owned(),
        study_uid: derived(&["demo", "study", &id(n), &c.number.to_string()]),
        study_date: scan_date,
        study_time: TIME.to_owned(),
        study_id: format!("{}", 1000 * n + c.number),
        frame_of_reference_uid: derived(&["demo", "frame", &id(n), &c.number.to_string()]),
        normal: grid.direction()[2],
        ..SourceImages::default()
    };
    let spec = ImageSpec {
        kind: ImageKind::Ct,
        context: &context,
        volume: &volume,
        series_number: 2,
        description: if c.oblique { "Thorax 3.0 tilted" } else { "Thorax 3.0 B30f" },
        patient_position: "HFS",
        extra: &[],
    };
    let images = write_image_series(&layout.scratch(), &spec)?;
    if let Some(first) = images.first() {
        context.series_uid.clone_from(&first.series_uid);
    }
    context.images = images
        .iter()
        .enumerate()
        .map(|(k, w)| SourceImage {
            sop_class_uid: CT_CLASS.to_owned(),
            sop_instance_uid: w.sop_instance_uid.clone(),
            position: grid.world([0.0, 0.0, k as f64]),
        })
        .collect();
    let drawn = draw(&body, &grid);
    let set = write_structure_set(
        &layout.scratch().join("RS"),
        &StructureSetSpec {
            label: if c.number == 1 { "Thorax" } else { "Thorax_2" },
            description: "ARIA RadOnc Structure Sets",
            date: &context.study_date,
            time: TIME,
            series_number: 3,
            images: &context,
            structures: &drawn.specs,
        },
    )?;
    let mut objects: Vec<(&str, Written)> = images.into_iter().map(|w| ("CT", w)).collect();
    objects.push(("RS", set.clone()));
    for (k, t) in c.treatments.iter().enumerate() {
        let path = layout.scratch().join(format!("RP{k}"));
        let plan = plan(&path, t, &context, &set.sop_instance_uid, body.gtv.centre)?;
        let dose = dose(&body, t)?;
        let dose = write_dose(
            &layout.scratch().join(format!("RD{k}")),
            &DoseSpec {
                images: &context,
                grid: &dose,
                summation_type: "PLAN",
                dose_type: "PHYSICAL",
                plan_uids: std::slice::from_ref(&plan.sop_instance_uid),
                description: t.label,
                series_number: 5 + k as i64,
            },
        )?;
        objects.push(("RP", plan));
        objects.push(("RD", dose));
    }
    layout.place(&objects)?;
    let facts = CourseFacts {
        patient_id: id(n),
        course_id: format!("{}-{}", &date[..4], &date[4..6]),
        oblique: c.oblique,
        prescriptions_gy: c.treatments.iter().map(|t| t.total).collect(),
        volumes: drawn.volumes,
    };
    Ok((facts, objects.len()))
}

/// Gantry angles of two arcs, clockwise: a full one and one that leaves out the back.
fn arcs() -> [Vec<f64>; 2] {
    let arc = |from: f64, points: u32| (0..points).map(|k| (from + 4.0 * f64::from(k)) % 360.0).collect();
    [arc(182.0, 90), arc(200.0, 81)]
}

fn plan(path: &Path, t: &Treatment, images: &SourceImages, set: &str, isocentre: Vec3) -> Result<Written, DemoError> {
    let arcs = arcs();
    let dose = t.total / t.fractions as f64 / arcs.len() as f64;
    let beams: Vec<BeamSpec<'_>> = arcs
        .iter()
        .zip([("1 CW", 10.0, 131.0), ("2 CW", 350.0, 118.0)])
        .map(|(angles, (name, collimator_angle, units))| BeamSpec {
            name,
            energy: 6.0,
            gantry_angles: angles,
            collimator_angle,
            couch_angle: 0.0,
            jaws: [45.0, 45.0],
            dose,
            meterset: units * dose,
        })
        .collect();
    Ok(write_plan(
        path,
        &PlanSpec {
            images,
            label: t.label,
            name: t.name,
            date: &t.date,
            time: TIME,
            intent: "CURATIVE",
            approval: "APPROVED",
            structure_set_uid: set,
            prescription: t.total,
            target: "PTV",
            fractions: t.fractions,
            isocentre,
            patient_position: "HFS",
            machine: MACHINE,
            beams: &beams,
            series_number: 4,
        },
    )?)
}

/// The dose of a treatment on its own axial grid; nothing outside the body. The grid ends below the lungs, so that the
/// lower part of the liver has no dose.
fn dose(body: &Patient, t: &Treatment) -> Result<DoseGrid, DemoError> {
    let radial = RadialDose { centre: body.gtv.centre, top: 1.06 * t.total, half: body.gtv.radii[0] + t.reach };
    let [columns, rows, planes] = DOSE_DIMS;
    let origin = [-178.5 + t.shift[0], -121.5 + t.shift[1], -92.0 + t.shift[2]];
    let at = |i: usize, j: usize, k: usize| {
        let p = [0, 1, 2].map(|a| origin[a] + DOSE_STEP * [i, j, k][a] as f64);
        if body.body.holds(p) { radial.at(p) as f32 } else { 0.0 }
    };
    let values = ndarray::Array3::from_shape_fn((planes, rows, columns), |(k, j, i)| at(i, j, k));
    let offsets = (0..planes).map(|k| DOSE_STEP * k as f64).collect();
    let steps = [[DOSE_STEP, 0.0, 0.0], [0.0, DOSE_STEP, 0.0]];
    Ok(DoseGrid::new(origin, steps[0], steps[1], [0.0, 0.0, 1.0], offsets, values)?)
}

/// Where the objects of a course go.
struct Layout {
    dir: PathBuf,
    patient: u32,
    course: u32,
}

impl Layout {
    fn new(dir: &Path, patient: u32, course: u32) -> Self {
        Self { dir: dir.to_path_buf(), patient, course }
    }

    /// Objects are written here first.
    fn scratch(&self) -> PathBuf {
        self.dir.join(format!(".new-{}-{}", self.patient, self.course))
    }

    /// Moves the objects to their names: numbers without extension in one folder; folders by kind with UIDs; or an archive's
    /// bare UIDs in parcels.
    fn place(&self, objects: &[(&str, Written)]) -> Result<(), DemoError> {
        let mut shuffled: Vec<&(&str, Written)> = objects.iter().collect();
        shuffled.sort_by_key(|(_, w)| derived(&["order", &w.sop_instance_uid]));
        for (k, (kind, w)) in shuffled.into_iter().enumerate() {
            let uid = &w.sop_instance_uid;
            let to = match self.patient % 3 {
                1 => self.dir.join(format!("export_{}/IM{:05}", self.patient, k + 1)),
                2 if *kind == "CT" => self.dir.join(format!("{}/CT/CT.{uid}.dcm", id(self.patient))),
                2 => self.dir.join(format!("{}/{kind}.{uid}.dcm", id(self.patient))),
                _ => self.dir.join(format!("archive_{}/{}{:02}/{uid}", self.patient, self.course, k / 30)),
            };
            let folder = to.parent().unwrap_or(&self.dir);
            std::fs::create_dir_all(folder).map_err(io(folder))?;
            std::fs::rename(&w.path, &to).map_err(io(&to))?;
        }
        let scratch = self.scratch();
        std::fs::remove_dir_all(&scratch).map_err(io(&scratch))
    }
}

/// What else is found in exports: a log, and a plan whose structure set was not exported.
pub(super) fn odds_and_ends(dir: &Path) -> Result<usize, DemoError> {
    let log = dir.join("export.log");
    std::fs::write(&log, "10:31:02 export started\n10:33:47 1 object could not be sent: RTSTRUCT not found\n")
        .map_err(io(&log))?;
    let context = SourceImages {
        patient_name: "DEMO^900".to_owned(),
        patient_id: id(900),
        study_uid: derived(&["demo", "study", "orphan"]),
        study_date: "20200317".to_owned(),
        study_time: TIME.to_owned(),
        frame_of_reference_uid: derived(&["demo", "frame", "orphan"]),
        ..SourceImages::default()
    };
    let lost = Treatment {
        label: "Brain_30Gy",
        name: "Whole brain",
        total: 30.0,
        fractions: 10,
        date: "20200318".to_owned(),
        reach: 0.0,
        shift: [0.0; 3],
    };
    plan(&dir.join("misc/RP7"), &lost, &context, &derived(&["demo", "lost structure set"]), [0.0; 3])?;
    Ok(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boosts_second_courses_and_dates() {
        let all: Vec<Course> = (1..=6).flat_map(courses).collect();
        assert_eq!(all.iter().filter(|c| c.treatments.len() == 2).map(|c| c.patient).collect::<Vec<_>>(), [2, 5]);
        assert_eq!(all.iter().filter(|c| c.oblique).map(|c| c.patient).collect::<Vec<_>>(), [3, 6]);
        for c in &all {
            let date = &c.treatments[0].date;
            assert!(date.len() == 8 && (1..=12).contains(&date[4..6].parse::<u32>().expect("a month")), "{date}");
        }
    }

    #[test]
    fn the_dose_covers_the_target_and_ends_inside_the_liver() {
        for c in courses(3) {
            let body = Patient::new(c.anatomy);
            let t = &c.treatments[0];
            let grid = dose(&body, t).expect("a grid");
            let r = body.gtv.radii[0] + 11.0;
            let edge = [body.gtv.centre[0] + r, body.gtv.centre[1], body.gtv.centre[2]];
            let at = |p| grid.sample_trilinear(p).expect("inside the grid");
            assert!(at(body.gtv.centre) > t.total && at(edge) > 0.95 * t.total, "{} {}", at(body.gtv.centre), at(edge));
            let low = [body.liver.centre[0], body.liver.centre[1], body.liver.centre[2] - body.liver.radii[2] + 3.0];
            assert_eq!(grid.sample_trilinear(low), None);
        }
    }
}
