//! A program to run, small exports to run it on, and tables to read.

#![allow(dead_code, reason = "every test file uses its part")]

use rtpipeline_dicom::uid::derived;
use rtpipeline_dicom::write::{
    BeamSpec, DoseSpec, ImageKind, ImageSpec, PlanSpec, SourceImages, StructureSetSpec, StructureSpec, Written,
    write_dose, write_image_series, write_plan, write_structure_set,
};
use rtpipeline_geometry::{Contour, DoseGrid, Grid, Volume};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The folder of the project.
pub(crate) fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// What a program said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The program in a folder, without settings of the surroundings.
pub(crate) fn program(here: &Path) -> Command {
    let mut c = Command::new(env!("CARGO_BIN_EXE_rtpipeline"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if ["RTPIPELINE_", "TOTALSEG_", "nnUNet_", "NO_COLOR", "CLICOLOR", "COLUMNS"]
            .iter()
            .any(|p| name.starts_with(p))
        {
            c.env_remove(&*name);
        }
    }
    c.current_dir(here).stdin(Stdio::null());
    c
}

/// Runs a command to its end.
pub(crate) fn said(mut c: Command) -> Said {
    let o = c.output().expect("the program starts");
    Said {
        code: o.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&o.stdout).into_owned(),
        err: String::from_utf8_lossy(&o.stderr).into_owned(),
    }
}

/// Runs the program with arguments.
pub(crate) fn rtpipeline<S: AsRef<std::ffi::OsStr>>(here: &Path, args: &[S]) -> Said {
    let mut c = program(here);
    c.args(args);
    said(c)
}

/// The same, for words that are written here.
pub(crate) fn words(here: &Path, line: &str) -> Said {
    rtpipeline(here, &line.split_whitespace().collect::<Vec<_>>())
}

/// Shows what was said when something is wrong.
#[track_caller]
pub(crate) fn expect_code(s: &Said, code: i32) {
    assert_eq!(s.code, code, "standard output:\n{}\nstandard error:\n{}", s.out, s.err);
}

/// An export, and the output of runs on it.
pub(crate) struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(dir.path().join("in")).expect("a folder");
        Self { dir }
    }

    pub(crate) fn here(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn input(&self) -> PathBuf {
        self.here().join("in")
    }

    /// Writes a file below the folder of the bench.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.here().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, text).expect("written");
        path
    }

    /// Writes an executable script.
    pub(crate) fn script(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.file(name, text);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("permissions");
        path
    }

    /// `rtpipeline run` over `in` to `out` with further words.
    pub(crate) fn run(&self, more: &str) -> Said {
        self.run_to("out", more)
    }

    pub(crate) fn run_to(&self, outdir: &str, more: &str) -> Said {
        words(self.here(), &format!("run --dicom-root in --outdir {outdir} --logs Logs --progress none {more}"))
    }

    pub(crate) fn out(&self, rel: &str) -> PathBuf {
        self.here().join("out").join(rel)
    }

    /// A table of `_RESULTS` by column name.
    pub(crate) fn table(&self, name: &str) -> Vec<BTreeMap<String, String>> {
        self.table_of("out", name)
    }

    pub(crate) fn table_of(&self, outdir: &str, name: &str) -> Vec<BTreeMap<String, String>> {
        csv_table(&self.here().join(outdir).join("_RESULTS").join(format!("{name}.csv")))
    }

    /// A JSON file of the output.
    pub(crate) fn json(&self, rel: &str) -> Value {
        let path = self.out(rel);
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        serde_json::from_slice(&bytes).expect("JSON")
    }
}

pub(crate) type Row = BTreeMap<String, String>;

pub(crate) fn csv_table(path: &Path) -> Vec<Row> {
    let mut r = csv::Reader::from_path(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let head = r.headers().expect("a header").clone();
    r.records()
        .map(|l| head.iter().map(str::to_owned).zip(l.expect("a row").iter().map(str::to_owned)).collect())
        .collect()
}

/// The only row with these values.
#[track_caller]
pub(crate) fn only<'a>(rows: &'a [Row], wanted: &[(&str, &str)]) -> &'a Row {
    let found: Vec<&Row> =
        rows.iter().filter(|r| wanted.iter().all(|(k, v)| r.get(*k).map(String::as_str) == Some(*v))).collect();
    assert_eq!(found.len(), 1, "{wanted:?}: {found:#?} of {} rows", rows.len());
    found[0]
}

#[track_caller]
pub(crate) fn number(row: &Row, column: &str) -> f64 {
    let text = row.get(column).unwrap_or_else(|| panic!("no column {column}"));
    text.parse().unwrap_or_else(|_| panic!("{column} is {text:?}"))
}

/// All files below a folder, by relative path.
pub(crate) fn files_below(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut todo = vec![dir.to_path_buf()];
    while let Some(d) = todo.pop() {
        for e in std::fs::read_dir(d).into_iter().flatten().flatten() {
            let p = e.path();
            if p.is_dir() {
                todo.push(p);
            } else {
                found.push(p.strip_prefix(dir).expect("below").to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

/// Extent of contour points along an axis, mm.
pub(crate) fn extent(contours: &[Contour], axis: usize) -> [f64; 2] {
    let all = contours.iter().flat_map(|c| &c.points).map(|p| p[axis]);
    all.fold([f64::INFINITY, f64::NEG_INFINITY], |[lo, hi], v| [lo.min(v), hi.max(v)])
}

/// A rectangle on every plane.
pub(crate) fn bars(x: [f64; 2], y: [f64; 2], planes: impl IntoIterator<Item = f64>) -> Vec<Contour> {
    planes
        .into_iter()
        .map(|z| Contour::closed(vec![[x[0], y[0], z], [x[1], y[0], z], [x[1], y[1], z], [x[0], y[1], z]]))
        .collect()
}

/// One CT study that other objects refer to.
pub(crate) struct Study {
    pub(crate) dir: PathBuf,
    pub(crate) patient: String,
    pub(crate) grid: Grid,
    pub(crate) images: SourceImages,
}

/// 40 columns and 32 rows of 2 mm, 20 slices of 3 mm: pixels reach from −40 to 40, −32 to 32, −30 to 30 mm.
pub(crate) fn oblong() -> Grid {
    Grid::axis_aligned([40, 32, 20], [-39.0, -31.0, -28.5], [2.0, 2.0, 3.0])
}

/// Centres of the slices of [`oblong`].
pub(crate) fn slices(range: std::ops::RangeInclusive<usize>) -> Vec<f64> {
    range.map(|k| -28.5 + 3.0 * k as f64).collect()
}

impl Study {
    /// Water in air, written to a folder as `<folder>/CT…`; studies of one `frame` share their frame of reference.
    pub(crate) fn new(dir: &Path, patient: &str, study: &str, frame: &str) -> Self {
        Self::with(dir, patient, study, frame, &[])
    }

    /// The same, with further text attributes in the images: group, element, value representation, value.
    pub(crate) fn with(
        dir: &Path,
        patient: &str,
        study: &str,
        frame: &str,
        extra: &[(u16, u16, [u8; 2], &str)],
    ) -> Self {
        let grid = oblong();
        let d = grid.dims;
        let hu = |n: usize| {
            let at = grid.world([(n % d[0]) as f64, (n / d[0] % d[1]) as f64, (n / d[0] / d[1]) as f64]);
            if at[0].abs() < 36.0 && at[1].abs() < 28.0 { 0 } else { -1000 }
        };
        let volume = Volume::from_vec(grid.clone(), (0..grid.len()).map(hu).collect());
        let context = SourceImages {
            patient_name: "Test^Case".into(),
            patient_id: patient.into(),
            patient_birth_date: "19500102".into(),
            patient_sex: "M".into(),
            study_uid: derived(&["regression", "study", patient, study]),
            study_date: "20240105".into(),
            study_time: "101500".into(),
            frame_of_reference_uid: derived(&["regression", "frame", patient, frame]),
            normal: [0.0, 0.0, 1.0],
            ..SourceImages::default()
        };
        let extra: Vec<_> = extra.iter().map(|(g, e, vr, v)| ((*g, *e).into(), *vr, *v)).collect();
        let spec = ImageSpec {
            kind: ImageKind::Ct,
            context: &context,
            volume: &volume,
            series_number: 1,
            description: study,
            patient_position: "HFS",
            extra: &extra,
        };
        let written = write_image_series(&dir.join(format!("CT_{study}")), &spec).expect("images");
        let paths: Vec<&PathBuf> = written.iter().map(|w| &w.path).collect();
        let images = SourceImages::read(&paths).expect("their headers");
        Self { dir: dir.to_path_buf(), patient: patient.into(), grid, images }
    }

    /// Structures: name, type, contours.
    pub(crate) fn structures(&self, file: &str, label: &str, list: &[(&str, &str, Vec<Contour>)]) -> Written {
        let specs: Vec<StructureSpec> = list
            .iter()
            .map(|(name, kind, contours)| StructureSpec {
                name: (*name).into(),
                contours: contours.clone(),
                color: [200, 30, 30],
                interpreted_type: (*kind).into(),
                algorithm: "MANUAL".into(),
                number: None,
            })
            .collect();
        let spec = StructureSetSpec {
            label,
            description: label,
            date: "",
            time: "",
            series_number: 2,
            images: &self.images,
            structures: &specs,
        };
        write_structure_set(&self.dir.join(file), &spec).expect("a structure set")
    }

    /// A plan of one field of 6 MV.
    pub(crate) fn plan(&self, file: &str, label: &str, date: &str, gy: f64, fractions: i64, set: &str) -> Written {
        let beam = BeamSpec {
            name: "AP",
            energy: 6.0,
            gantry_angles: &[0.0],
            collimator_angle: 0.0,
            couch_angle: 0.0,
            jaws: [50.0, 50.0],
            dose: gy / fractions as f64,
            meterset: 100.0,
        };
        let spec = PlanSpec {
            images: &self.images,
            label,
            name: label,
            date,
            time: "120000",
            intent: "CURATIVE",
            approval: "APPROVED",
            structure_set_uid: set,
            prescription: gy,
            target: "PTV",
            fractions,
            isocentre: [0.0; 3],
            patient_position: "HFS",
            machine: "LINAC_1",
            beams: &[beam],
            series_number: 3,
        };
        write_plan(&self.dir.join(file), &spec).expect("a plan")
    }

    /// The dose of a plan: a function of the place on a grid of 4 mm whose planes lie off the image slices.
    pub(crate) fn dose(&self, file: &str, plan: &str, gy: impl Fn([f64; 3]) -> f64) -> Written {
        let origin = [-58.0, -50.0, -49.1];
        let value = |(k, j, i): (usize, usize, usize)| {
            gy([origin[0] + 4.0 * i as f64, origin[1] + 4.0 * j as f64, origin[2] + 4.0 * k as f64]) as f32
        };
        let values = ndarray::Array3::from_shape_fn((26, 26, 30), value);
        let offsets = (0..26).map(|k| 4.0 * k as f64).collect();
        let grid =
            DoseGrid::new(origin, [4.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 1.0], offsets, values).expect("a grid");
        let spec = DoseSpec {
            images: &self.images,
            grid: &grid,
            summation_type: "PLAN",
            dose_type: "PHYSICAL",
            plan_uids: &[plan.to_owned()],
            description: "dose",
            series_number: 4,
        };
        write_dose(&self.dir.join(file), &spec).expect("a dose")
    }

    /// A treatment record of one fraction: explicit little endian, as few elements as say what it is.
    pub(crate) fn record(&self, file: &str, plan: &str, date: &str, fraction: u32) {
        const CLASS: &str = "1.2.840.10008.5.1.4.1.1.481.4";
        let uid = derived(&["regression", "record", &self.patient, date]);
        let mut meta = Vec::new();
        element(&mut meta, (0x0002, 0x0002), b"UI", CLASS);
        element(&mut meta, (0x0002, 0x0003), b"UI", &uid);
        element(&mut meta, (0x0002, 0x0010), b"UI", "1.2.840.10008.1.2.1");
        let mut reference = Vec::new();
        element(&mut reference, (0x0008, 0x1150), b"UI", "1.2.840.10008.5.1.4.1.1.481.5");
        element(&mut reference, (0x0008, 0x1155), b"UI", plan);
        let mut beam = Vec::new();
        element(&mut beam, (0x3008, 0x0022), b"IS", &fraction.to_string());
        element(&mut beam, (0x3008, 0x002A), b"CS", "NORMAL");
        element(&mut beam, (0x3008, 0x0250), b"DA", date);
        element(&mut beam, (0x3008, 0x0251), b"TM", "091500");
        let mut d = Vec::new();
        element(&mut d, (0x0008, 0x0016), b"UI", CLASS);
        element(&mut d, (0x0008, 0x0018), b"UI", &uid);
        element(&mut d, (0x0008, 0x0060), b"CS", "RTRECORD");
        element(&mut d, (0x0010, 0x0010), b"PN", "Test^Case");
        element(&mut d, (0x0010, 0x0020), b"LO", &self.patient);
        element(&mut d, (0x0020, 0x000D), b"UI", &self.images.study_uid);
        element(&mut d, (0x0020, 0x000E), b"UI", &derived(&["regression", "records", &self.patient]));
        sequence(&mut d, (0x3008, 0x0040), &beam);
        element(&mut d, (0x3008, 0x0250), b"DA", date);
        element(&mut d, (0x3008, 0x0251), b"TM", "091500");
        sequence(&mut d, (0x300C, 0x0002), &reference);
        let mut file_bytes = vec![0; 128];
        file_bytes.extend(b"DICM");
        file_bytes.extend([0x02, 0, 0, 0, b'U', b'L', 4, 0]);
        file_bytes.extend((meta.len() as u32).to_le_bytes());
        file_bytes.extend(meta);
        file_bytes.extend(d);
        std::fs::write(self.dir.join(file), file_bytes).expect("written");
    }
}

fn element(out: &mut Vec<u8>, tag: (u16, u16), vr: &[u8; 2], value: &str) {
    let mut bytes = value.as_bytes().to_vec();
    if bytes.len() % 2 == 1 {
        bytes.push(if vr == b"UI" { 0 } else { b' ' });
    }
    out.extend(tag.0.to_le_bytes());
    out.extend(tag.1.to_le_bytes());
    out.extend(vr);
    out.extend((bytes.len() as u16).to_le_bytes());
    out.extend(bytes);
}

/// A sequence of one item.
fn sequence(out: &mut Vec<u8>, tag: (u16, u16), item: &[u8]) {
    out.extend(tag.0.to_le_bytes());
    out.extend(tag.1.to_le_bytes());
    out.extend(b"SQ\0\0");
    out.extend((item.len() as u32 + 8).to_le_bytes());
    out.extend([0xFE, 0xFF, 0x00, 0xE0]);
    out.extend((item.len() as u32).to_le_bytes());
    out.extend(item);
}

/// Replaces bytes of a file by as many others, wherever they occur; says how often.
pub(crate) fn replace_bytes(path: &Path, old: &[u8], new: &[u8]) -> usize {
    assert_eq!(old.len(), new.len());
    let mut bytes = std::fs::read(path).expect("a file");
    let mut n = 0;
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(old.len()).position(|w| w == old) {
        bytes[at + found..at + found + new.len()].copy_from_slice(new);
        at += found + new.len();
        n += 1;
    }
    std::fs::write(path, bytes).expect("written");
    n
}
