//! `report.html` of each course, filled from its artefacts and rows.

use super::agreement;
use super::gather::Gathered;
use super::goals::score_card;
use super::run_file::RunFile;
use super::words::{count, flag, gy, iso_date, number, text, write_file};
use crate::course::{Catalogue, CourseManifest, CoursePaths, DvhArtefact, Finding, Level, LinkKind, is_target_name};
use crate::index::Inventory;
use crate::records::Row;
use crate::report::{
    Absent, CourseAssets, CoursePage, FileRow, Footer, Goal, ObjectRow, RadiomicsRow, StructureRow, Tile, Use, Verdict,
    render_course,
};
use crate::stages::visualize::PageAssets;
use rayon::prelude::*;
use rtpipeline_engine::{RootedPath, Roots};
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// Renders the page of every course that was organised.
pub(super) fn write_all(
    outdir: &Path,
    inventory: &Inventory,
    g: &Gathered,
    run: &RunFile,
) -> Result<Vec<PathBuf>, String> {
    let written: Vec<Option<PathBuf>> = inventory
        .courses
        .par_iter()
        .map(|c| {
            let paths = CoursePaths::new(&c.patient_dir, &c.course_id);
            let Some(manifest) = artefact::<CourseManifest>(outdir, &paths.manifest()) else { return Ok(None) };
            let made = Artefacts {
                manifest,
                catalogue: artefact(outdir, &paths.catalogue()).unwrap_or_default(),
                dvh: artefact(outdir, &paths.file("metadata/dvh.json")).unwrap_or_default(),
                assets: artefact(outdir, &paths.file("metadata/page_assets.json")),
            };
            let page = page(made, g, run, outdir);
            let html = render_course(&page).map_err(|e| format!("{}/{}: {e}", c.patient_dir, c.course_id))?;
            let path = outdir.join(paths.file("report.html").rel());
            write_file(&path, html.as_bytes())?;
            Ok(Some(path))
        })
        .collect::<Result<_, String>>()?;
    Ok(written.into_iter().flatten().collect())
}

fn artefact<T: DeserializeOwned>(outdir: &Path, path: &RootedPath) -> Option<T> {
    let roots = Roots([("out".to_owned(), outdir.to_path_buf())].into());
    crate::course::read_json_at(&roots, path).ok()
}

/// What stages left of a course.
struct Artefacts {
    manifest: CourseManifest,
    catalogue: Catalogue,
    dvh: DvhArtefact,
    assets: Option<PageAssets>,
}

fn page(made: Artefacts, g: &Gathered, run: &RunFile, outdir: &Path) -> CoursePage {
    let Artefacts { manifest, catalogue, dvh, assets } = made;
    let (m, catalogue) = (&manifest, &catalogue);
    let c = &m.course;
    let (pid, cid) = (c.patient_id.as_str(), c.course_id.as_str());
    let all_rows = g.of_course("dvh_metrics", pid, cid);
    let first = m.resolved_doses.first();
    let rows: Vec<&Row> =
        all_rows.iter().copied().filter(|r| first.is_none_or(|d| text(r, "dose_id") == d.id)).collect();
    let mut findings = findings(m, g, pid, cid);
    findings.extend(assets.iter().flat_map(|a| a.findings.clone()));
    let pairs = g.of_course("agreement", pid, cid);
    let goals = score_card(&run.settings.dvh.goals, &rows, &dvh.curves);
    let assets_missing = assets.is_none();
    let assets = assets.unwrap_or_default().assets;
    CoursePage {
        title: format!("{} · course {}", if pid.is_empty() { &c.patient_dir } else { pid }, c.course_id),
        head: head(m, catalogue),
        tiles: tiles(m, &rows, &goals, &findings, agreement::course_tile(&pairs)),
        absent: absent(m, &assets, assets_missing, catalogue, run, &rows),
        goals,
        structures: structures(&rows, &g.of_course("structures", pid, cid)),
        objects: objects(m),
        agreement: agreement::of_course(&pairs),
        radiomics: radiomics(g, pid, cid),
        assumptions: assumptions(m, &rows, run),
        files: files(outdir, c),
        cohort_link: vec!["..".into(), "..".into(), "_RESULTS".into(), "cohort.html".into()],
        footer: footer(run, m),
        findings: findings
            .into_iter()
            .map(|f| crate::report::Finding { level: level(f.level), what: f.what, meaning: f.meaning, code: f.code })
            .collect(),
        assets,
    }
}

pub(super) fn level(l: Level) -> crate::report::Level {
    match l {
        Level::Error => crate::report::Level::Error,
        Level::Caution => crate::report::Level::Caution,
        Level::Note => crate::report::Level::Note,
    }
}

/// Findings of the course: those of quality control when it ran (they hold all others), else those of organize, and
/// what failed.
fn findings(m: &CourseManifest, g: &Gathered, pid: &str, cid: &str) -> Vec<Finding> {
    let mut all: Vec<Finding> = g
        .of_course("qc_findings", pid, cid)
        .iter()
        .map(|r| {
            let level = match text(r, "level") {
                "error" => Level::Error,
                "caution" => Level::Caution,
                _ => Level::Note,
            };
            Finding::new(level, text(r, "code"), text(r, "what"), text(r, "meaning")).about(text(r, "subject"))
        })
        .collect();
    if all.is_empty() {
        all.clone_from(&m.findings);
    }
    let scope = [m.course.patient_dir.clone(), cid.to_owned()];
    for (id, e) in g.failed.iter().filter(|(id, _)| id.scope == scope) {
        let part = id.part.as_ref().map_or(String::new(), |p| format!(" ({p})"));
        all.push(Finding::new(
            Level::Error,
            "run.failed",
            format!("Stage {}{part} failed.", id.stage),
            e.message.clone(),
        ));
    }
    all.sort();
    all.dedup_by(|b, a| (a.level, &a.code, &a.what) == (b.level, &b.code, &b.what));
    all
}

fn head(m: &CourseManifest, catalogue: &Catalogue) -> Vec<String> {
    let c = &m.course;
    let mut h = Vec::new();
    if let Some(i) = c.images.iter().find(|i| i.planning).or_else(|| c.images.first()) {
        let spacing = i.grid.as_ref().map_or(String::new(), |g| format!(", {:.1} mm", g.spacing()[2]));
        h.push(format!("{} of {} ({} slices{spacing})", i.modality, iso_date(&i.date), i.files.len()));
    }
    let labels: Vec<String> = c.plans.iter().map(|p| format!("“{}”", p.label)).collect();
    if !labels.is_empty() {
        h.push(format!("{} {}", if labels.len() == 1 { "plan" } else { "plans" }, labels.join(", ")));
    }
    match m.resolved_doses.first().and_then(|d| d.prescription.as_ref()) {
        Some(p) => {
            let fractions = p.fractions.map_or(String::new(), |n| format!(" in {n} fractions"));
            h.push(format!("{}{fractions} (from {})", gy(p.total_gy), p.source));
        }
        None => h.push("no prescription".into()),
    }
    let manual = catalogue.structures.iter().filter(|s| s.source == crate::course::source::MANUAL).count();
    h.push(format!("{} ({manual} manual)", count(catalogue.structures.len(), "structure")));
    h
}

/// The target that speaks for the course: of the PTVs (else CTVs, ITVs, GTVs) the one that is covered worst, so that a
/// well covered boost hides nothing; with the number of targets of that kind.
pub(super) fn main_target<'r>(rows: &[&'r Row]) -> Option<(&'r Row, usize)> {
    ["PTV", "CTV", "ITV", "GTV"].iter().find_map(|kind| {
        let targets: Vec<&Row> = rows
            .iter()
            .copied()
            .filter(|r| text(r, "ROI_Name").to_ascii_uppercase().starts_with(kind) && number(r, "D95Gy").is_some())
            .collect();
        let badness = |r: &Row| number(r, "V95%Rx (%)").or_else(|| number(r, "D95Gy")).unwrap_or(f64::INFINITY);
        let worst = targets.iter().copied().min_by(|a, b| badness(a).total_cmp(&badness(b)))?;
        Some((worst, targets.len()))
    })
}

fn tiles(m: &CourseManifest, rows: &[&Row], goals: &[Goal], findings: &[Finding], agreement: Tile) -> Vec<Tile> {
    let mut t = Vec::new();
    let valued: Vec<_> = goals.iter().filter(|g| g.verdict != Verdict::NoValue).collect();
    t.push(if goals.is_empty() {
        Tile::missing("goals met: none are set (dvh.goals)")
    } else {
        let met = valued.iter().filter(|g| g.verdict == Verdict::Met).count();
        let without = goals.len() - valued.len();
        let label = if without > 0 { format!("goals met, {without} without value") } else { "goals met".into() };
        Tile::new(format!("{met} of {}", valued.len()), label)
    });
    let target = main_target(rows);
    t.push(match target {
        None => Tile::missing(no_target(m)),
        Some((r, n)) => match number(r, "V95%Rx (%)") {
            Some(v) => {
                Tile::new(format!("{v:.1} %"), format!("{} V95 % of prescription{}", text(r, "ROI_Name"), lowest_of(n)))
            }
            None => Tile::missing("target coverage: no prescription"),
        },
    });
    t.push(match target.and_then(|(r, _)| Some((r, number(r, "D98Gy")?))) {
        None => Tile::missing(no_target(m).replace("coverage", "D98 %")),
        Some((r, v)) => Tile::new(gy(v), format!("{} D98 %", text(r, "ROI_Name"))),
    });
    let organ = rows
        .iter()
        .filter(|r| {
            let n = text(r, "ROI_Name").to_ascii_lowercase();
            let helper = ["body", "external", "couch", "ring", "skin", "iso"].iter().any(|w| n.contains(w));
            !is_target_name(text(r, "ROI_Name")) && !helper && text(r, "Segmentation_Source") == "Manual"
        })
        .filter_map(|r| Some((*r, number(r, "DmeanGy")?)))
        .max_by(|a, b| a.1.total_cmp(&b.1));
    t.push(match organ {
        None => Tile::missing("most irradiated organ: no manual organ with a dose"),
        Some((r, v)) => Tile::new(gy(v), format!("{} mean dose, the highest of the organs", text(r, "ROI_Name"))),
    });
    t.push(agreement);
    let worst = findings.iter().filter(|f| f.level == Level::Error).count();
    t.push(Tile::new(findings.len().to_string(), format!("findings to read, {worst} of them errors")));
    t
}

fn lowest_of(n: usize) -> String {
    if n > 1 { format!(", the lowest of {n} targets") } else { String::new() }
}

fn no_target(m: &CourseManifest) -> String {
    if m.resolved_doses.is_empty() {
        "target coverage: no dose".into()
    } else {
        "target coverage: no target with a dose".into()
    }
}

fn absent(
    m: &CourseManifest,
    assets: &CourseAssets,
    assets_missing: bool,
    catalogue: &Catalogue,
    run: &RunFile,
    rows: &[&Row],
) -> Absent {
    let c = &m.course;
    let image = if !assets.images.is_empty() {
        String::new()
    } else if assets_missing {
        "The stage that draws pictures did not finish for this course.".into()
    } else if c.images.is_empty() {
        "The export holds no image of this course.".into()
    } else if c.images.iter().all(|i| i.nifti.is_none()) {
        "No image of this course could be read as a volume.".into()
    } else {
        "Images are left out by the setting report.images.".into()
    };
    let structures = if catalogue.structures.is_empty() {
        if c.structure_sets.is_empty() {
            "The export holds no structure set of this course, and none was made.".into()
        } else {
            "No structure could be used.".into()
        }
    } else {
        String::new()
    };
    let dose = if !m.resolved_doses.is_empty() {
        String::new()
    } else if c.doses.is_empty() {
        "The export holds no dose of this course.".into()
    } else {
        format!("No dose could be chosen: {}", m.dose_resolution_reason)
    };
    Absent {
        image,
        dose,
        structures,
        goals: if run.settings.dvh.goals.is_empty() {
            "No goals are set (dvh.goals in config.yaml).".into()
        } else {
            String::new()
        },
        agreement: agreement::absent(catalogue),
        radiomics: if rows.is_empty() && c.images.is_empty() { "There is no image.".into() } else { String::new() },
    }
}

fn structures(rows: &[&Row], table: &[&Row]) -> Vec<StructureRow> {
    let same = |a: &Row, b: &Row| ["Segmentation_Source", "ROI_Number"].iter().all(|k| a.get(*k) == b.get(*k));
    rows.iter()
        .map(|r| {
            let mut flags: Vec<String> =
                text(r, "flags").split(';').filter(|f| !f.is_empty()).map(|f| f.replace('_', " ")).collect();
            if flag(r, "structure_cropped") {
                flags.push("touches the edge of the image".into());
            }
            if flag(r, "structure_partial") {
                flags.push("parts were missing".into());
            }
            flags.extend(own_dvh(r));
            StructureRow {
                id: format!("{}|{}", text(r, "Segmentation_Source"), number(r, "ROI_Number").unwrap_or(0.0)),
                name: text(r, "ROI_Name").to_owned(),
                source: text(r, "Segmentation_Source").to_owned(),
                volume_cc: number(r, "Volume (cm³)"),
                planes: table.iter().find(|t| same(t, r)).and_then(|t| number(t, "plane_count")).map(|n| n as u64),
                mean_gy: number(r, "DmeanGy"),
                d98_gy: number(r, "D98Gy"),
                d2_gy: number(r, "D2Gy"),
                flags,
                reason: if text(r, "Status") == "ok" { String::new() } else { text(r, "Reason").to_owned() },
                ..StructureRow::default()
            }
        })
        .collect()
}

/// `+1.5 %`, with a true minus sign.
fn signed(percent: f64) -> String {
    format!("{percent:+.1} %").replace('-', "−")
}

/// The planning system's own DVH beside ours, in words.
fn own_dvh(r: &Row) -> Option<String> {
    let pair = |column: &str, own: &str| Some((number(r, own)?, 100.0 * (number(r, column)? / number(r, own)? - 1.0)));
    let (volume, dv) = pair("Volume (cm³)", "tps_Volume (cm³)")?;
    let (mean, dm) = pair("DmeanGy", "tps_DmeanGy")?;
    let (max, dx) = pair("DmaxGy", "tps_DmaxGy")?;
    Some(format!(
        "planning system: {volume:.2} cc, mean {mean:.2} Gy, maximum {max:.2} Gy (ours differs by {}, {}, {})",
        signed(dv),
        signed(dm),
        signed(dx)
    ))
}

fn objects(m: &CourseManifest) -> Vec<ObjectRow> {
    let c = &m.course;
    let mut all = Vec::new();
    for i in &c.images {
        let spacing = i.grid.as_ref().map_or(String::new(), |g| {
            let s = g.spacing();
            format!(", {}×{}×{} voxels of {:.2}×{:.2}×{:.2} mm", g.dims[0], g.dims[1], g.dims[2], s[0], s[1], s[2])
        });
        all.push(ObjectRow {
            kind: "image".into(),
            label: if i.description.is_empty() { i.id.clone() } else { format!("{} {}", i.id, i.description) },
            detail: format!("{}, {} slices{spacing}", i.modality, i.files.len()),
            used: if i.nifti.is_some() { Use::Used } else { Use::NotUsed },
            reason: if i.planning { "planning image".into() } else { String::new() },
        });
    }
    for s in &c.structure_sets {
        let link = match s.image_link {
            LinkKind::SopInstance => "image by its slices",
            LinkKind::Series => "image by its series",
            LinkKind::FrameOfReference => "image by frame of reference",
            LinkKind::Study => "image by study",
            LinkKind::None => "no image",
        };
        all.push(ObjectRow {
            kind: "structure set".into(),
            label: s.label.clone(),
            detail: link.into(),
            used: if s.used { Use::Used } else { Use::NotUsed },
            reason: s.reason.clone(),
        });
    }
    for p in &c.plans {
        let used = m.resolved_doses.iter().any(|d| d.plan_uids.contains(&p.file.sop_instance_uid));
        all.push(ObjectRow {
            kind: "plan".into(),
            label: p.label.clone(),
            detail: [p.technique.as_str(), p.intent.as_str(), p.approval.as_str()]
                .iter()
                .filter(|t| !t.is_empty())
                .copied()
                .collect::<Vec<_>>()
                .join(", "),
            used: if used { Use::Used } else { Use::NotUsed },
            reason: if used { String::new() } else { "no dose of it is used".into() },
        });
    }
    let headline = m.resolved_doses.first();
    for d in &c.doses {
        let summed =
            headline.is_some_and(|h| h.components.len() > 1 && h.components.iter().any(|k| k.file.path == d.file.path));
        all.push(ObjectRow {
            kind: "dose".into(),
            label: d.summation.clone(),
            detail: format!("{}, {}", d.units, d.dose_type),
            used: if summed {
                Use::Summed
            } else if d.used {
                Use::Used
            } else {
                Use::NotUsed
            },
            reason: d.reason.clone(),
        });
    }
    all
}

fn radiomics(g: &Gathered, pid: &str, cid: &str) -> Vec<RadiomicsRow> {
    ["radiomics_ct", "radiomics_mr", "radiomics_pet"]
        .iter()
        .flat_map(|t| g.of_course(t, pid, cid))
        .map(|r| {
            let is_feature = |k: &str| super::gather::long_feature(k);
            let with = r.iter().filter(|(k, v)| is_feature(k) && v.is_number()).count() as u64;
            let without = r.iter().filter(|(k, v)| is_feature(k) && v.is_null()).count() as u64;
            RadiomicsRow {
                structure: text(r, "roi_name").to_owned(),
                source: text(r, "segmentation_source").to_owned(),
                image: text(r, "image_id").to_owned(),
                voxels: number(r, "voxel_count").map(|v| v as u64),
                features: Some(with),
                missing: Some(without),
                reason: text(r, "Reason").to_owned(),
            }
        })
        .collect()
}

fn assumptions(m: &CourseManifest, rows: &[&Row], run: &RunFile) -> Vec<String> {
    let mut a = Vec::new();
    let s = &run.settings;
    if let Some(d) = m.resolved_doses.first() {
        a.push(format!("Dose: {} ({}). {}", d.label, d.resolution, d.reason));
        match &d.prescription {
            Some(p) => a.push(format!("Prescription: {} from {}.", gy(p.total_gy), p.source)),
            None => a.push("Prescription: none is stated, so metrics relative to it are empty.".into()),
        }
    }
    if let Some(r) = rows.iter().find(|r| !text(r, "dvh_method").is_empty()) {
        a.push(format!("DVH: profile {}: contours stand for slabs half-way to their neighbours and half a spacing at the ends; dose is interpolated linearly between voxel centres; nothing is counted on voxels.", text(r, "dvh_profile")));
    }
    if rows.iter().any(|r| number(r, "tps_Volume (cm³)").is_some()) {
        a.push("The planning system's own DVHs stand in the remarks. Differences in volume come from end slices (here half a slice beyond the last contour; many systems give less), from voxel counting, and, where a structure reaches beyond the treated region, from parts without dose that the planning system leaves out; differences in dose follow from those in volume and from dose bins.".into());
    }
    a.push(format!(
        "Several contours on a plane: {} rule.",
        if s.dvh.fill == crate::config::FillRule::Union { "union" } else { "even-odd" }
    ));
    a.push(match s.dvh.outside_grid {
        crate::config::OutsideGrid::Zero => "Parts of structures outside the dose grid count as 0 Gy.".to_owned(),
        crate::config::OutsideGrid::Exclude => {
            "Parts of structures outside the dose grid are left out; the share inside is in the table.".to_owned()
        }
    });
    a.push("Masks: a voxel belongs to a structure when its centre does; contours of masks are drawn half a voxel outside the outermost centres.".into());
    a
}

fn files(outdir: &Path, c: &crate::course::Course) -> Vec<FileRow> {
    let base = outdir.join(&c.patient_dir).join(&c.course_id);
    let mut all = Vec::new();
    for name in ["dvh_metrics.csv", "dvh_metrics.xlsx"] {
        if base.join(name).is_file() {
            all.push(FileRow { kind: name.to_owned(), count: 1, link: vec![name.to_owned()] });
        }
    }
    for dir in [
        "DICOM",
        "NIFTI",
        "MR",
        "Segmentation_TotalSegmentator",
        "Segmentation_Classical",
        "Segmentation_CustomModels",
        "Segmentation_Custom",
        "metadata",
        "qc_reports",
    ] {
        let n = files_below(&base.join(dir));
        if n > 0 {
            all.push(FileRow { kind: dir.to_owned(), count: n, link: vec![dir.to_owned()] });
        }
    }
    all
}

fn files_below(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    entries.filter_map(Result::ok).map(|e| if e.path().is_dir() { files_below(&e.path()) } else { 1 }).sum()
}

/// The foot of all pages of a run; course pages carry no time, so that their bytes do not depend on it.
pub(super) fn footer(run: &RunFile, m: &CourseManifest) -> Footer {
    let c = &m.course;
    let mut inputs: Vec<String> = c
        .structure_sets
        .iter()
        .map(|s| &s.file)
        .chain(c.plans.iter().map(|p| &p.file))
        .chain(c.doses.iter().map(|d| &d.file))
        .map(|f| f.sop_instance_uid.clone())
        .filter(|u| !u.is_empty())
        .collect();
    inputs.sort();
    Footer {
        version: format!("rtpipeline {}", run.version),
        date: run.date().to_owned(),
        settings: run.settings_fingerprint.get(..12).unwrap_or_default().to_owned(),
        schema: run.schema_version.to_string(),
        inputs,
    }
}
