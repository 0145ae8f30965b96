//! Pages of phantoms: a body with a cube of 1000 HU, a box of dose and a square contour at known millimetres.

use rtpipeline::report::*;
use rtpipeline_geometry::{Grid, Vec3, Volume};
use serde_json::{Value, json};
use std::path::Path;

/// A phantom is built along the axes of its image, so that its faces are exact in any orientation.
struct Phantom {
    grid: Grid,
    dirs: [Vec3; 3],
    centre: Vec3,
}

const CUBE: [f64; 3] = [18.0, 14.0, 12.0];
const DOSE: [f64; 3] = [25.0, 22.5, 18.0];
const SQUARE: [f64; 3] = [30.0, 26.0, 12.0];

impl Phantom {
    fn new(dims: [usize; 3], spacing: [f64; 3], dirs: [Vec3; 3]) -> Self {
        let mut grid = Grid::new(dims, [0.0; 3], spacing, dirs).expect("a good grid");
        // The middle of the image lies at a crooked place in the patient.
        let middle = grid.world([dims[0] as f64 / 2.0, dims[1] as f64 / 2.0, dims[2] as f64 / 2.0]);
        let centre = [12.3, -45.6, 78.9];
        grid.origin = [0, 1, 2].map(|c| centre[c] - middle[c]);
        Self { grid, dirs, centre }
    }

    fn local(&self, p: Vec3) -> Vec3 {
        let d = [0, 1, 2].map(|c| p[c] - self.centre[c]);
        self.dirs.map(|e| e[0] * d[0] + e[1] * d[1] + e[2] * d[2])
    }

    fn at(&self, local: Vec3) -> Vec3 {
        [0, 1, 2].map(|c| self.centre[c] + (0..3).map(|a| local[a] * self.dirs[a][c]).sum::<f64>())
    }

    fn image(&self) -> Volume<f32> {
        let [nx, ny, nz] = self.grid.dims;
        let spacing = self.grid.spacing();
        let mut values = Vec::with_capacity(self.grid.len());
        let mut state = 42u64;
        let half = [0, 1].map(|a| self.grid.dims[a] as f64 * spacing[a] * 0.42);
        for k in 0..nz {
            for j in 0..ny {
                for i in 0..nx {
                    let l = self.local(self.grid.world([i as f64, j as f64, k as f64]));
                    state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    let noise = ((state >> 40) as f32 / (1u64 << 24) as f32 - 0.5) * 30.0;
                    let inside = (l[0] / half[0]).hypot(l[1] / half[1]) < 1.0;
                    let cube = (0..3).all(|a| l[a].abs() < CUBE[a]);
                    let lung = ((l[0].abs() - 0.55 * half[0]) / 0.25 / half[0]).hypot(l[1] / 0.5 / half[1]) < 1.0;
                    values.push(match (inside, cube, lung) {
                        (_, true, _) => 1000.0,
                        (true, _, true) => -780.0 + noise,
                        (true, ..) => 20.0 + noise,
                        _ => -1000.0,
                    });
                }
            }
        }
        Volume::from_vec(self.grid.clone(), values)
    }

    /// 20 Gy in a box whose faces lie half way between voxels of a grid that is off the image's grid by fractions.
    fn dose(&self) -> (Grid, Vec<f32>) {
        let (n, step) = ([40usize, 36, 24], [2.5, 2.5, 3.0]);
        let mut grid = Grid::new(n, [0.0; 3], step, self.dirs).expect("a good grid");
        let corner = [0, 1, 2].map(|a| -(n[a] as f64 - 1.0) / 2.0 * step[a]);
        grid.origin = self.at(corner);
        let values = (0..grid.len())
            .map(|m| {
                let l =
                    self.local(grid.world([(m % n[0]) as f64, (m / n[0] % n[1]) as f64, (m / (n[0] * n[1])) as f64]));
                if (0..3).all(|a| l[a].abs() < DOSE[a]) { 20.0 } else { 0.0 }
            })
            .collect();
        (grid, values)
    }

    fn loops(&self, half: Vec3, round: bool) -> Vec<Vec<Vec3>> {
        let step = self.grid.spacing()[2];
        // Slice centres in local millimetres lie at multiples of the step (the centre is a voxel centre along k).
        let odd = self.grid.dims[2] % 2 == 1;
        let offset = if odd { step / 2.0 } else { 0.0 };
        let planes = (half[2] / step) as i64 + 1;
        (-planes..=planes)
            .map(|k| k as f64 * step + offset)
            .filter(|z| z.abs() < half[2])
            .map(|z| {
                let points: Vec<[f64; 2]> = if round {
                    let f = (1.0 - (z / half[2]).powi(2)).sqrt();
                    (0..90)
                        .map(|n| (n as f64 * 4.0).to_radians())
                        .map(|t| [half[0] * f * t.cos(), half[1] * f * t.sin()])
                        .collect()
                } else {
                    vec![[-half[0], -half[1]], [half[0], -half[1]], [half[0], half[1]], [-half[0], half[1]]]
                };
                points.iter().map(|p| self.at([p[0], p[1], z])).collect()
            })
            .collect()
    }

    /// Face centres and outward normals of a box around the centre.
    fn faces(&self, half: Vec3) -> Vec<Value> {
        (0..6)
            .map(|n| {
                let (a, s) = (n / 2, if n % 2 == 0 { 1.0 } else { -1.0 });
                let mut l = [0.0; 3];
                l[a] = s * half[a];
                json!({ "at": self.at(l), "out": self.dirs[a].map(|c| c * s), "axis": a })
            })
            .collect()
    }

    fn truth(&self) -> Value {
        json!({
            "centre": self.centre, "cube": self.faces(CUBE), "dose": self.faces(DOSE), "square": self.faces(SQUARE),
            "spacing": self.grid.spacing(), "dirs": self.dirs,
        })
    }
}

fn info(id: &str, name: &str, source: &str, color: Option<[u8; 3]>) -> StructureInfo {
    StructureInfo {
        id: id.into(),
        name: name.into(),
        source: source.into(),
        group: StructureGroup::of("", name, source),
        color,
        volume_cc: Some(86.5),
        ..Default::default()
    }
}

fn sigmoid(id: &str, at: f64, width: f64, band: f64) -> DvhSeries {
    let curve = |shift: f64| -> Vec<[f64; 2]> {
        (0..240).map(|n| n as f64 * 0.3).map(|d| [d, 1.0 / (1.0 + ((d - at - shift) / width).exp())]).collect()
    };
    DvhSeries {
        id: id.into(),
        points: curve(0.0),
        low: (band > 0.0).then(|| curve(-band)),
        high: (band > 0.0).then(|| curve(band)),
        volume_cc: Some(86.5),
        mean_gy: Some(at),
    }
}

/// What a course page is made with.
#[derive(Clone, Copy)]
struct Kind {
    image: bool,
    dose: bool,
    structures: usize,
    more_images: bool,
    missing: bool,
}

const RICH: Kind = Kind { image: true, dose: true, structures: 12, more_images: false, missing: false };

fn course(phantom: &Phantom, kind: Kind, text: &dyn Fn(&str) -> String) -> CoursePage {
    let volume = phantom.image();
    let (dose_grid, values) = phantom.dose();
    let label = text("Plan dose");
    let dose = DoseInput { grid: &dose_grid, values: &values, label: &label, prescription_gy: Some(20.0) };
    let mut structures = Vec::new();
    for n in 0..kind.structures {
        let (name, source, half) = match n {
            0 => ("PTV_20".to_owned(), "Manual", SQUARE),
            1 => ("Heart".to_owned(), "Manual", [40.0, 30.0, 21.0]),
            2 => ("Heart".to_owned(), "AutoTotalSegmentator:total", [38.0, 33.0, 21.0]),
            3 => ("Ring".to_owned(), "Custom", [46.0, 40.0, 24.0]),
            _ => (
                format!("organ_{n}"),
                "AutoTotalSegmentator:total",
                [20.0 + n as f64 % 13.0, 24.0 - n as f64 % 9.0, 15.0],
            ),
        };
        let color = [Some([255, 0, 255]), Some([255, 255, 0]), None, Some([0, 0, 128])][n % 4];
        structures.push(StructureContours {
            info: info(&format!("s{n}"), &text(&name), source, color),
            loops: phantom.loops(half, n > 0),
        });
    }
    let options = ImageOptions {
        label: text("CT of 2024-03-11"),
        missing_slices: if kind.missing { vec![3, 4] } else { vec![] },
        ..Default::default()
    };
    let mut images = Vec::new();
    if kind.image {
        images.push(encode_image(&volume, ImageKind::Ct, &options).expect("image"));
    }
    if kind.more_images {
        let other = |kind, label: &str, same_frame| {
            let options = ImageOptions { label: text(label), skip_rungs: 3, same_frame, ..Default::default() };
            encode_image(&volume.map(|v| (v + 1000.0) / 100.0), kind, &options).expect("image")
        };
        images.push(other(ImageKind::Pet, "PET", true));
        images.push(other(ImageKind::Mr, "MR T1", false));
    }
    let contours = images.first().map(|i| encode_contours(&structures, &i.grid).expect("contours"));
    let keys = KeyPictureInput {
        image: kind.image.then_some((&volume, ImageKind::Ct)),
        dose: kind.dose.then_some(dose),
        structures: &structures,
        point: contours.as_ref().and_then(|c| c.start),
    };
    let series: Vec<DvhSeries> = (0..kind.structures)
        .map(|n| {
            sigmoid(&format!("s{n}"), 40.0 / (1.0 + n as f64 * 0.4), 1.0 + n as f64 / 4.0, f64::from(u8::from(n < 6)))
        })
        .collect();
    let list: Vec<StructureInfo> = structures.iter().map(|s| s.info.clone()).collect();
    CoursePage {
        title: text("P-0007 · course 2024-03"),
        head: [
            format!("CT of 2024-03-11 ({} slices, 3.0 mm)", phantom.grid.dims[2]),
            "plan “LIVER_20”".into(),
            "20.0 Gy in 5 fractions (from the plan's dose reference)".into(),
        ]
        .iter()
        .map(|s| text(s))
        .collect(),
        tiles: vec![
            Tile::new("1 of 2", "goals met, 1 without value"),
            Tile::new("100.0 %", text("PTV_20 V19Gy")),
            Tile::new("19.43 Gy", text("PTV_20 D98%")),
            Tile::new("14.61 Gy", text("Heart mean dose")),
            Tile::new("0.941", text("Heart Dice, manual / auto")),
            Tile::missing("findings: none counted"),
        ],
        findings: vec![
            Finding {
                level: Level::Caution,
                what: text("Two plans could be meant; the approved one was used."),
                meaning: text("The other is of the same day."),
                code: "plan.choice".into(),
            },
            Finding {
                level: Level::Error,
                what: text("The dose grid ends inside organ_4."),
                meaning: text("4.1 % of its volume has no dose; Dmean is given as a range."),
                code: "dose.grid_coverage".into(),
            },
        ],
        goals: if kind.dose {
            vec![
                Goal {
                    structure: text("PTV_20"),
                    structure_id: Some("s0".into()),
                    goal: "V19Gy ≥ 95 %".into(),
                    value: Some(100.0),
                    unit: "%".into(),
                    margin: Some(5.0),
                    verdict: Verdict::Met,
                    mark: Some(GoalMark { dose_gy: 19.0, volume_percent: 95.0, at_least: true }),
                    ..Default::default()
                },
                Goal {
                    structure: text("Heart"),
                    structure_id: Some("s1".into()),
                    goal: "Dmean ≤ 10 Gy".into(),
                    value: Some(14.61),
                    unit: "Gy".into(),
                    margin: Some(-4.61),
                    verdict: Verdict::NotMet,
                    ..Default::default()
                },
                Goal {
                    structure: text("Lung_L"),
                    goal: "V5Gy ≤ 40 %".into(),
                    value: Some(39.8),
                    unit: "%".into(),
                    margin: Some(0.2),
                    verdict: Verdict::Open,
                    reason: "band straddles the limit".into(),
                    ..Default::default()
                },
                Goal {
                    structure: text("Parotid_L"),
                    goal: "Dmean ≤ 26 Gy".into(),
                    reason: text("structure not found"),
                    ..Default::default()
                },
            ]
        } else {
            vec![]
        },
        structures: list
            .iter()
            .enumerate()
            .map(|(n, s)| StructureRow {
                id: s.id.clone(),
                name: s.name.clone(),
                source: s.source.clone(),
                volume_cc: Some(86.5 + 31.7 * n as f64),
                planes: Some(12),
                mean_gy: kind.dose.then_some(40.0 / (1.0 + n as f64 * 0.4)),
                d98_gy: kind.dose.then_some(3.2),
                d2_gy: kind.dose.then_some(41.1),
                mean_bounds_gy: (n == 4).then_some([3.1, 4.7]),
                flags: if n == 3 { vec![text("built from incomplete parts")] } else { vec![] },
                ..Default::default()
            })
            .collect(),
        agreement: if kind.structures > 2 {
            vec![AgreementRow {
                structure: text("Heart"),
                a: "Manual".into(),
                b: "AutoTotalSegmentator:total".into(),
                dice: Some(0.9412),
                hd95_mm: Some(4.21),
                mean_distance_mm: Some(1.13),
                volume_difference_cc: Some(-12.4),
                ..Default::default()
            }]
        } else {
            vec![]
        },
        objects: vec![
            ObjectRow {
                kind: "plan".into(),
                label: text("LIVER_20"),
                detail: "5 fractions, approved".into(),
                used: Use::Used,
                reason: text("the only approved plan"),
            },
            ObjectRow {
                kind: "dose".into(),
                label: text("PLAN"),
                detail: "40 × 36 × 24, max 20.00 Gy".into(),
                used: Use::Summed,
                reason: String::new(),
            },
            ObjectRow {
                kind: "dose".into(),
                label: text("BEAM 1"),
                detail: "beam dose".into(),
                used: Use::NotUsed,
                reason: "part of the plan dose".into(),
            },
        ],
        radiomics: vec![RadiomicsRow {
            structure: text("PTV_20"),
            source: "Manual".into(),
            image: "CT".into(),
            voxels: Some(48_211),
            features: Some(107),
            missing: Some(0),
            ..Default::default()
        }],
        assumptions: vec![
            text("End caps reach half a slice beyond the first and last contour."),
            "Dose is trilinear between voxel centres.".into(),
        ],
        files: vec![
            FileRow { kind: "dvh_metrics".into(), count: 3, link: vec!["dvh_metrics.csv".into()] },
            FileRow { kind: "NIFTI".into(), count: 14, link: vec![] },
        ],
        cohort_link: vec!["cohort.html".into()],
        footer: Footer {
            version: "0.1.0".into(),
            date: "2026-11-21".into(),
            settings: "3f9c00e1".into(),
            schema: "1".into(),
            inputs: vec!["1.2.826.0.1.3680043.2.1125.1".into()],
        },
        absent: Absent {
            image: if kind.image {
                String::new()
            } else {
                "No image series has the frame of reference of the dose.".into()
            },
            dose: if kind.dose { String::new() } else { "There is no dose in the export.".into() },
            structures: if kind.structures > 0 {
                String::new()
            } else {
                "No structure set refers to this image.".into()
            },
            ..Default::default()
        },
        assets: CourseAssets {
            structures: list,
            images,
            contours,
            doses: if kind.dose { vec![encode_dose(&dose).expect("dose")] } else { vec![] },
            curves: (kind.dose && kind.structures > 0).then(|| encode_curves(&series).expect("curves")),
            key_pictures: if kind.image || kind.dose { key_pictures(&keys).expect("key pictures") } else { vec![] },
        },
    }
}

fn random(state: &mut u64) -> f64 {
    *state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
    (*state >> 11) as f64 / (1u64 << 53) as f64
}

fn cohort(n: usize, text: &dyn Fn(&str) -> String) -> CohortPage {
    let names = ["Bladder", "Rectum", "Femur_L", "Femur_R", "Bowel", "PTV_60", "PenileBulb"];
    let mut s = 5u64;
    // Folder names that a careless link would break.
    let folder = |c: usize| match c {
        0 => "P#1 ü%20?".to_owned(),
        c => format!("P-{c:05}"),
    };
    let mut curves = Vec::new();
    let mut rows: Vec<Vec<(f64, usize)>> = vec![Vec::new(); names.len()];
    let mut lacks = vec![vec![false; n]; names.len()];
    for c in 0..n {
        for (m, name) in names.iter().enumerate() {
            let at = if m == 5 {
                60.0 + random(&mut s)
            } else {
                12.0 + 4.0 * m as f64 + 12.0 * (random(&mut s) + random(&mut s))
            };
            lacks[m][c] = random(&mut s) < [0.0, 0.01, 0.0, 0.0, 0.14, 0.0, 0.55][m];
            if lacks[m][c] {
                continue;
            }
            rows[m].push((if c == 17 && m == 0 { 80.0 } else { at }, c));
            if c < 300 {
                let w = if m == 5 { 0.6 } else { 3.5 };
                let points =
                    (0..140).map(|d| d as f64 * 0.5).map(|d| [d, 1.0 / (1.0 + ((d - at) / w).exp())]).collect();
                curves.push(CurveOf { structure: text(name), course: format!("{}/2024-03", folder(c)), points });
            }
        }
    }
    let stages = ["organize", "segmentation", "custom", "dvh", "visualize", "radiomics", "qc"];
    let mut intervals = Vec::new();
    for c in 0..n.min(400) {
        for (m, stage) in stages.iter().enumerate() {
            let start = c as f64 * 20.0 + m as f64 * 900.0;
            intervals.push(RunInterval {
                stage: (*stage).into(),
                start,
                end: start + 30.0 + 500.0 * random(&mut s),
                failed: c % 90 == 7 && m == 3,
            });
        }
    }
    CohortPage {
        title: text(&format!("Cohort · {n} courses")),
        head: vec!["run of 2026-11-21".into(), "2 h 58 min".into(), "14 workers".into(), text("settings 3f9c…e1")],
        tiles: vec![
            Tile::new(n.to_string(), "courses done"),
            Tile::new("333", "with findings"),
            Tile::new("166", "failed units' courses"),
            Tile::new("1204", "files not used, with reason"),
            Tile::new("0.91", "median Dice manual / auto"),
            Tile::new("66 s", "median time per course"),
        ],
        findings: if n == 0 {
            vec![]
        } else {
            vec![
                CohortFinding {
                    level: Level::Error,
                    what: text("No dose in the export."),
                    meaning: "Dose columns are empty.".into(),
                    code: "dose.none".into(),
                    courses: 121,
                },
                CohortFinding {
                    level: Level::Caution,
                    what: text("PenileBulb is missing."),
                    meaning: "Statistics of it stand on the others.".into(),
                    code: "structure.missing".into(),
                    courses: 1100,
                },
            ]
        },
        dvh: cohort_dvh(&curves),
        metrics: if n == 0 {
            vec![]
        } else {
            vec![MetricPanel {
                title: "Mean dose by structure".into(),
                axis: "mean dose (Gy)".into(),
                rows: names
                    .iter()
                    .zip(&rows)
                    .map(|(name, values)| MetricRow { structure: text(name), values: values.clone() })
                    .collect(),
            }]
        },
        agreement: if n == 0 {
            vec![]
        } else {
            names[..4]
                .iter()
                .enumerate()
                .map(|(m, name)| AgreementStrip {
                    structure: text(name),
                    dice: (0..n).map(|c| (0.97 - 0.04 * m as f64 - 0.1 * random(&mut s) * random(&mut s), c)).collect(),
                    hd95_mm: (0..n).map(|c| (2.0 + m as f64 + 6.0 * random(&mut s), c)).collect(),
                })
                .collect()
        },
        missing: if n == 0 {
            vec![]
        } else {
            names.iter().zip(lacks).map(|(name, missing)| MissingRow { label: text(name), missing }).collect()
        },
        radiomics: vec!["1,502 features of 7 structures; 0.3 % have no value.".into()],
        run: RunChart {
            stages: stages.iter().map(|s| (*s).into()).collect(),
            memory: (0..100).map(|t| [t as f64 * 150.0, 20.0 + 8.0 * (t as f64 / 9.0).sin()]).collect(),
            intervals,
        },
        columns: vec![
            Column { name: text("diagnosis"), ..Default::default() },
            Column { name: "Dmean Bladder (Gy)".into(), kind: ColumnKind::Number(2), ..Default::default() },
            Column { name: "slices".into(), kind: ColumnKind::Number(0), ..Default::default() },
            Column { name: "time (s)".into(), kind: ColumnKind::Number(1), hidden: true },
        ],
        courses: (0..n)
            .map(|c| CourseRow {
                name: format!("{}/2024-03", folder(c)),
                link: vec![folder(c), "2024-03".into(), "report.html".into()],
                state: ["done", "findings", "failed"][c % 7 % 3].into(),
                cells: vec![
                    Cell::Text(text("C61")),
                    if c % 9 == 4 { Cell::Empty } else { Cell::Number(10.0 + 40.0 * random(&mut s)) },
                    Cell::Number((80 + c % 60) as f64),
                    Cell::Number(60.0),
                ],
            })
            .collect(),
        failures: if n < 2 {
            vec![]
        } else {
            vec![FailureRow {
                course: folder(7),
                stage: "dvh".into(),
                kind: "Data".into(),
                message: text("structure set refers to another CT"),
                attempts: 1,
                log: vec!["Logs".into(), "a#b.log".into()],
            }]
        },
        config: "organize:\n  files: link\ndvh:\n  grid: auto".into(),
        footer: Footer {
            version: "0.1.0".into(),
            date: "2026-11-21".into(),
            settings: "3f9c00e1".into(),
            schema: "1".into(),
            inputs: vec![],
        },
    }
}

/// Marker texts; if any of them runs, `window.hit` is set.
const HOSTILE: [&str; 10] = [
    "<script>window.hit=1</script>",
    "\"><img src=x onerror=window.hit=1>",
    "' onmouseover='window.hit=1",
    "</script><script>window.hit=1</script>",
    "</title><svg onload=window.hit=1>",
    "<!--<script>",
    "\u{202e}nul\0esc\u{1b}",
    "<style>*{display:none}</style>",
    "${7*7}{{7*7}}",
    "山田^太郎",
];

/// Writes all pages and, beside each phantom, the truth as JSON.
pub(crate) fn write_all(dir: &Path) {
    let plain = |s: &str| s.to_owned();
    let write = |name: &str, html: String| std::fs::write(dir.join(name), html).expect("page is written");
    let put = |name: &str, phantom: &Phantom, kind: Kind| {
        write(&format!("{name}.html"), render_course(&course(phantom, kind, &plain)).expect("page"));
        std::fs::write(dir.join(format!("{name}.json")), phantom.truth().to_string()).expect("truth is written");
    };
    let x = [1.0, 0.0, 0.0];
    let y = [0.0, 1.0, 0.0];
    let z = [0.0, 0.0, 1.0];
    let minus = |v: Vec3| v.map(|c| -c);
    let small = |dirs| Phantom::new([160, 140, 30], [1.5, 1.5, 3.0], dirs);
    let (s, c) = 0.35f64.sin_cos();
    put("course_hfs", &small([x, y, z]), RICH);
    put("course_hfp", &small([minus(x), minus(y), z]), RICH);
    put("course_ffs", &small([minus(x), y, minus(z)]), RICH);
    put("course_oblique", &small([[c, s, 0.0], [-s, c, 0.0], z]), RICH);
    // Sagittal acquisition: columns to posterior, rows to inferior, slices to the left.
    put("course_sagittal", &small([y, minus(z), minus(x)]), RICH);
    let p = small([x, y, z]);
    put("course_no_dose", &p, Kind { dose: false, ..RICH });
    put("course_no_structures", &p, Kind { structures: 0, ..RICH });
    put("course_no_image", &p, Kind { image: false, ..RICH });
    put("course_nothing", &p, Kind { image: false, dose: false, structures: 0, ..RICH });
    put("course_images", &p, Kind { more_images: true, missing: true, ..RICH });
    put("course_100", &p, Kind { structures: 100, ..RICH });
    let big = std::env::var("RTPIPELINE_PAGES_BIG").is_ok();
    let rich = if big {
        Phantom::new([512, 512, 100], [0.9, 0.9, 3.0], [x, y, z])
    } else {
        Phantom::new([256, 256, 50], [1.6, 1.6, 3.0], [x, y, z])
    };
    put("course_rich", &rich, Kind { structures: 24, ..RICH });
    let counter = std::cell::Cell::new(0usize);
    let hostile = |_: &str| {
        counter.set(counter.get() + 1);
        format!("{} {}", HOSTILE[counter.get() % HOSTILE.len()], counter.get())
    };
    write("course_hostile.html", render_course(&course(&p, RICH, &hostile)).expect("page"));
    for n in [0, 1, 2000, 20_000].into_iter().take(if big { 4 } else { 3 }) {
        write(&format!("cohort_{n}.html"), render_cohort(&cohort(n, &plain)).expect("page"));
    }
    write("cohort_hostile.html", render_cohort(&cohort(40, &hostile)).expect("page"));
    // The target of a link whose folder name needs encoding.
    let odd = dir.join("P#1 ü%20?").join("2024-03");
    std::fs::create_dir_all(&odd).expect("folder");
    std::fs::write(odd.join("report.html"), "<!DOCTYPE html><title>found</title>").expect("page");
}
