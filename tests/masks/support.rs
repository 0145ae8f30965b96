//! A small course on disk and what runs a stage on it.

use rtpipeline::course::{Catalogue, Course, CourseFile, CourseManifest, CoursePaths, ImageObject};
use rtpipeline_dicom::write::{
    ImageKind, ImageSpec, SourceImages, StructureSetSpec, StructureSpec, write_image_series, write_structure_set,
};
use rtpipeline_engine::{Cancel, Output, PlanContext, RootedPath, Roots, Stage, Unit, UnitContext, UnitError, UnitId};
use rtpipeline_geometry::{Contour, Grid, Mask, Volume};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) const PATIENT: &str = "P1";
pub(crate) const COURSE: &str = "2024-01";

/// Folders of a test with one course in them.
pub(crate) struct World {
    dir: tempfile::TempDir,
    pub(crate) course: Course,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) host: BTreeMap<String, String>,
    pub(crate) time_limit: Option<Duration>,
    runs: std::cell::Cell<usize>,
}

/// The path of a stand-in.
pub(crate) fn stand_in(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stand_ins").join(name).display().to_string()
}

pub(crate) fn paths() -> CoursePaths {
    CoursePaths::new(PATIENT, COURSE)
}

/// World bounds of the voxel centres of a mask, by axis.
pub(crate) fn bounds(m: &Mask) -> [[f64; 2]; 3] {
    let d = m.grid.dims;
    let mut b = [[f64::INFINITY, f64::NEG_INFINITY]; 3];
    for (n, _) in m.values().iter().enumerate().filter(|(_, v)| **v != 0) {
        let at = m.grid.world([(n % d[0]) as f64, (n / d[0] % d[1]) as f64, (n / (d[0] * d[1])) as f64]);
        for a in 0..3 {
            b[a] = [b[a][0].min(at[a]), b[a][1].max(at[a])];
        }
    }
    b
}

/// 1 where the centre of a voxel lies in the box of patient coordinates.
pub(crate) fn block(grid: &Grid, lo: [f64; 3], hi: [f64; 3]) -> Mask {
    let d = grid.dims;
    let values = (0..grid.len())
        .map(|n| {
            let at = grid.world([(n % d[0]) as f64, (n / d[0] % d[1]) as f64, (n / (d[0] * d[1])) as f64]);
            u8::from((0..3).all(|a| at[a] >= lo[a] - 1e-6 && at[a] <= hi[a] + 1e-6))
        })
        .collect();
    Mask::from_vec(grid.clone(), values)
}

/// A label map of blocks; later ones win.
pub(crate) fn label_blocks(grid: &Grid, blocks: &[(u8, [f64; 3], [f64; 3])]) -> Volume<u8> {
    let mut out = Volume::filled(grid.clone(), 0u8);
    for (value, lo, hi) in blocks {
        for (o, &m) in out.values_mut().iter_mut().zip(block(grid, *lo, *hi).values()) {
            if m != 0 {
                *o = *value;
            }
        }
    }
    out
}

impl World {
    /// A course with one planning CT as DICOM and as NIfTI.
    pub(crate) fn new(hu: &Volume<f32>) -> Self {
        Self::build(Some(hu))
    }

    /// A course without images.
    pub(crate) fn without_image() -> Self {
        Self::build(None)
    }

    fn build(hu: Option<&Volume<f32>>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for d in ["in", "out", "models", "record", "home"] {
            std::fs::create_dir_all(dir.path().join(d)).unwrap();
        }
        let mut course = Course {
            patient_id: PATIENT.into(),
            course_id: COURSE.into(),
            patient_dir: PATIENT.into(),
            ..Course::default()
        };
        if let Some(hu) = hu {
            course.images.push(image(dir.path(), hu));
        }
        let env = BTreeMap::from([
            ("STANDIN_RECORD".to_owned(), dir.path().join("record").display().to_string()),
            ("TOTALSEG_WEIGHTS_PATH".to_owned(), "/weights".to_owned()),
        ]);
        let world = Self {
            dir,
            course,
            env,
            host: BTreeMap::new(),
            time_limit: Some(Duration::from_mins(1)),
            runs: std::cell::Cell::new(0),
        };
        world.save();
        world
    }

    pub(crate) fn path(&self, rel: &str) -> PathBuf {
        self.dir.path().join(rel)
    }

    /// Writes `metadata/course.json`.
    pub(crate) fn save(&self) {
        let manifest = CourseManifest { course: self.course.clone(), ..CourseManifest::default() };
        self.put(&paths().manifest(), &serde_json::to_vec(&manifest).unwrap());
    }

    pub(crate) fn put(&self, to: &RootedPath, bytes: &[u8]) {
        let path = self.roots().resolve(to).unwrap();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub(crate) fn roots(&self) -> Roots {
        Roots(["in", "out", "models"].map(|r| (r.to_owned(), self.path(r))).into())
    }

    /// Writes a label map where stand-ins find it.
    pub(crate) fn labels(&mut self, variable: &str, labels: &Volume<u8>) -> PathBuf {
        let path = self.path(&format!("{variable}.nii.gz"));
        rtpipeline_volume_io::write_nifti(&path, labels, "labels").unwrap();
        self.env.insert(variable.to_owned(), path.display().to_string());
        path
    }

    pub(crate) fn context(&self, stage: &str, part: Option<String>) -> UnitContext {
        let n = self.runs.get();
        self.runs.set(n + 1);
        let work = self.path(&format!("work{n}"));
        std::fs::create_dir_all(&work).unwrap();
        UnitContext {
            id: UnitId { stage: stage.into(), scope: vec![PATIENT.into(), COURSE.into()], part },
            roots: self.roots(),
            log: work.join("unit.log"),
            work,
            threads: 2,
            env: self.env.clone(),
            host: self.host.clone(),
            time_limit: self.time_limit,
            cancel: Cancel::new(),
        }
    }

    pub(crate) fn plan<S: Stage<Subject = Course>>(&self, stage: &S) -> Result<Vec<Unit<S::Task>>, UnitError> {
        stage.plan(&PlanContext::new(&self.roots()), &self.course)
    }

    /// Plans and runs a stage; the task goes through JSON as on the way to a child. Outputs are moved into place.
    pub(crate) fn run<S: Stage<Subject = Course>>(&self, stage: &S) -> Result<Vec<Output>, UnitError> {
        let mut outputs = Vec::new();
        for unit in self.plan(stage)? {
            for input in &unit.inputs {
                let at = self.roots().resolve(&input.path).unwrap();
                assert!(at.exists(), "input {} does not exist", input.path);
            }
            let text = serde_json::to_string(&unit.task).unwrap();
            let task: S::Task = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_string(&task).unwrap(), text);
            let cx = self.context(stage.name(), unit.part);
            let output = stage.run(&cx, &task)?;
            for f in &output.files {
                let to = self.roots().resolve(&f.to).unwrap();
                std::fs::create_dir_all(to.parent().unwrap()).unwrap();
                std::fs::rename(cx.work.join(&f.work), to).unwrap();
            }
            outputs.push(output);
        }
        Ok(outputs)
    }

    /// The error of the only unit.
    pub(crate) fn fail<S: Stage<Subject = Course>>(&self, stage: &S) -> UnitError {
        self.run(stage).expect_err("the unit should fail")
    }

    pub(crate) fn out(&self, rel: &str) -> PathBuf {
        self.path("out").join(PATIENT).join(COURSE).join(rel)
    }

    pub(crate) fn catalogue(&self, maker: &str) -> Catalogue {
        self.json(&format!("metadata/structures_{maker}.json"))
    }

    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self, rel: &str) -> T {
        serde_json::from_slice(&std::fs::read(self.out(rel)).unwrap()).unwrap()
    }

    /// Arguments (first line) and environment of a stand-in's call.
    pub(crate) fn call(&self, n: usize) -> Vec<String> {
        let text = std::fs::read_to_string(self.path(&format!("record/call{n}"))).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    pub(crate) fn calls(&self) -> usize {
        std::fs::read_dir(self.path("record")).unwrap().count()
    }

    /// All files of the course with their bytes.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut out = BTreeMap::new();
        let mut todo = vec![self.path("out")];
        while let Some(d) = todo.pop() {
            for e in std::fs::read_dir(d).unwrap() {
                let p = e.unwrap().path();
                if p.is_dir() {
                    todo.push(p);
                } else {
                    out.insert(p.clone(), std::fs::read(&p).unwrap());
                }
            }
        }
        out
    }

    /// Adds a structure set to the course.
    pub(crate) fn add_structure_set(&mut self, structures: &[(&str, &str, Vec<Contour>)]) -> String {
        let specs: Vec<StructureSpec> = structures
            .iter()
            .map(|(name, kind, contours)| StructureSpec {
                name: (*name).into(),
                contours: contours.clone(),
                color: [10, 200, 30],
                interpreted_type: (*kind).into(),
                algorithm: "MANUAL".into(),
                number: None,
            })
            .collect();
        let files: Vec<PathBuf> =
            self.course.images.iter().flat_map(|i| &i.files).map(|f| self.roots().resolve(&f.path).unwrap()).collect();
        let images = if files.is_empty() { context() } else { SourceImages::read(&files).unwrap() };
        let written = write_structure_set(
            &self.path("in/rs.dcm"),
            &StructureSetSpec {
                label: "clinical",
                description: "",
                date: "20240105",
                time: "",
                series_number: 2,
                images: &images,
                structures: &specs,
            },
        )
        .unwrap();
        self.course.structure_sets.push(rtpipeline::course::StructureSetObject {
            file: CourseFile { path: "in:rs.dcm".parse().unwrap(), sop_instance_uid: written.sop_instance_uid.clone() },
            label: "clinical".into(),
            date: "20240105".into(),
            frame_of_reference_uid: images.frame_of_reference_uid,
            image_id: self.course.images.first().map(|i| i.id.clone()),
            image_link: rtpipeline::course::LinkKind::SopInstance,
            referenced_by_plan: false,
            used: true,
            reason: String::new(),
        });
        self.save();
        written.sop_instance_uid
    }
}

fn context() -> SourceImages {
    SourceImages {
        patient_id: PATIENT.into(),
        patient_name: "Test^Patient".into(),
        study_uid: "1.2.826.0.1.3680043.8.498.1".into(),
        study_date: "20240105".into(),
        frame_of_reference_uid: "1.2.826.0.1.3680043.8.498.2".into(),
        normal: [0.0, 0.0, 1.0],
        ..SourceImages::default()
    }
}

fn image(dir: &Path, hu: &Volume<f32>) -> ImageObject {
    let folder = dir.join("in/ct");
    std::fs::create_dir_all(&folder).unwrap();
    let stored = hu.map(|&v| v.round() as i16);
    let written = write_image_series(
        &folder,
        &ImageSpec {
            kind: ImageKind::Ct,
            context: &context(),
            volume: &stored,
            series_number: 1,
            description: "planning",
            patient_position: "HFS",
            extra: &[],
        },
    )
    .unwrap();
    let nifti: RootedPath = format!("out:{PATIENT}/{COURSE}/NIFTI/CT1.nii.gz").parse().unwrap();
    let path = dir.join("out").join(PATIENT).join(COURSE).join("NIFTI/CT1.nii.gz");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    rtpipeline_volume_io::write_nifti(&path, &stored, "CT").unwrap();
    ImageObject {
        id: "CT1".into(),
        modality: "CT".into(),
        series_uid: written[0].series_uid.clone(),
        study_uid: context().study_uid,
        frame_of_reference_uid: context().frame_of_reference_uid,
        description: "planning".into(),
        date: "20240105".into(),
        files: written
            .iter()
            .map(|w| CourseFile {
                path: format!("in:ct/{}", w.path.file_name().unwrap().to_string_lossy()).parse().unwrap(),
                sop_instance_uid: w.sop_instance_uid.clone(),
            })
            .collect(),
        planning: true,
        nifti: Some(nifti),
        grid: Some(hu.grid.clone()),
        unit: "HU".into(),
        missing_slices: 0,
    }
}
