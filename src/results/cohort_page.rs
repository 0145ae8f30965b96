//! `cohort.html`: all courses, filled from the rows.

use super::agreement;
use super::course_page::{footer, level, main_target};
use super::gather::Gathered;
use super::run_file::RunFile;
use super::words::{count, number, text, write_file};
use crate::course::{CourseManifest, Level};
use crate::index::Inventory;
use crate::records::Row;
use crate::report::{
    Cell, CohortDvh, CohortPage, Column, ColumnKind, CourseRow, CurveOf, FailureRow, Finding, MetricPanel, MetricRow,
    MissingRow, RunChart, RunInterval, Tile, cohort_dvh, group_findings, render_cohort,
};
use rtpipeline_engine::{Event, UnitId, read_events};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Most structures of a chart.
const MOST_STRUCTURES: usize = 12;

/// Renders the page of the cohort.
pub(super) fn write(outdir: &Path, inventory: &Inventory, g: &Gathered, run: &RunFile) -> Result<PathBuf, String> {
    let page = page(outdir, inventory, g, run);
    let html = render_cohort(&page).map_err(|e| format!("cohort page: {e}"))?;
    let path = outdir.join("_RESULTS/cohort.html");
    write_file(&path, html.as_bytes())?;
    Ok(path)
}

fn page(outdir: &Path, inventory: &Inventory, g: &Gathered, run: &RunFile) -> CohortPage {
    let courses = &inventory.courses;
    let patients: BTreeSet<&str> = courses.iter().map(|c| c.patient_dir.as_str()).collect();
    let names: Vec<String> = courses.iter().map(|c| format!("{}/{}", c.patient_dir, c.course_id)).collect();
    let index = Index::new(inventory);
    let metrics = headline_rows(g);
    let pairs = g.rows.get("agreement").map_or(&[][..], Vec::as_slice);
    let findings: Vec<(String, Finding)> = course_findings(g, &index);
    let failed: BTreeSet<Vec<String>> = g.failed.iter().map(|(id, _)| id.scope.clone()).collect();
    let found: BTreeSet<&str> =
        findings.iter().filter(|(_, f)| f.level != crate::report::Level::Note).map(|(c, _)| c.as_str()).collect();
    let rows: Vec<CourseRow> = courses
        .iter()
        .zip(&names)
        .map(|(c, name)| {
            let scope = vec![c.patient_dir.clone(), c.course_id.clone()];
            let state = if failed.contains(&scope) {
                "failed"
            } else if found.contains(name.as_str()) {
                "findings"
            } else {
                "done"
            };
            let mine: Vec<&Row> = index.of(&metrics, &c.patient_id, &c.course_id);
            course_row(outdir, c, name, state, &mine, g)
        })
        .collect();
    let done = rows.iter().filter(|r| r.state != "failed").count();
    let unused = inventory.files.iter().filter(|f| f.account != "used" && f.account != "duplicate").count();
    let seconds = run.report.get("seconds").and_then(Value::as_f64);
    let mut per_course: BTreeMap<&[String], f64> = BTreeMap::new();
    for t in &g.times {
        *per_course.entry(&t.id.scope).or_default() += t.seconds;
    }
    let mut times: Vec<f64> = per_course.values().copied().collect();
    times.sort_by(f64::total_cmp);
    let tiles = vec![
        Tile::new(done.to_string(), "courses done"),
        Tile::new(rows.iter().filter(|r| r.state == "findings").count().to_string(), "with findings"),
        Tile::new(rows.iter().filter(|r| r.state == "failed").count().to_string(), "with a failed unit"),
        Tile::new(unused.to_string(), "files not used, with reason"),
        agreement::cohort_tile(pairs),
        times.get(times.len() / 2).map_or_else(
            || Tile::missing("time per course"),
            |t| Tile::new(format!("{t:.1} s"), "median time per course"),
        ),
    ];
    let title = format!("Cohort · {} of {}", count(courses.len(), "course"), count(patients.len(), "patient"));
    CohortPage {
        title,
        head: vec![
            format!("run of {}", run.date()),
            seconds.map_or(String::new(), crate::results::words::duration),
            format!("settings {}", run.settings_fingerprint.get(..12).unwrap_or_default()),
            format!("{} files", inventory.files.len()),
        ]
        .into_iter()
        .filter(|t| !t.is_empty())
        .collect(),
        tiles,
        findings: group_findings(findings.iter().map(|(c, f)| (c.as_str(), f))),
        dvh: bands(g),
        metrics: vec![
            panel("Mean dose by structure", "mean dose (Gy)", "DmeanGy", &metrics, &index),
            panel("Volume by structure", "volume (cm³)", "Volume (cm³)", &metrics, &index),
        ]
        .into_iter()
        .filter(|p| !p.rows.is_empty())
        .collect(),
        agreement: agreement::strips(pairs, |r| index.place(r)),
        missing: missing(g, inventory, &metrics, &index),
        radiomics: radiomics(g),
        run: chart(outdir),
        columns: columns(),
        courses: rows,
        failures: failures(g),
        config: serde_json::to_string_pretty(&run.settings).unwrap_or_default(),
        footer: footer(run, &CourseManifest::default()),
    }
}

/// Places of courses by patient and course id.
struct Index {
    place: BTreeMap<(String, String), usize>,
    names: Vec<String>,
}

impl Index {
    fn new(inventory: &Inventory) -> Self {
        let place = inventory
            .courses
            .iter()
            .enumerate()
            .map(|(n, c)| ((c.patient_id.clone(), c.course_id.clone()), n))
            .collect();
        let names = inventory.courses.iter().map(|c| format!("{}/{}", c.patient_dir, c.course_id)).collect();
        Self { place, names }
    }

    fn place(&self, r: &Row) -> Option<usize> {
        self.place.get(&(text(r, "patient_id").to_owned(), text(r, "course_id").to_owned())).copied()
    }

    fn name(&self, r: &Row) -> Option<&str> {
        self.place(r).map(|n| self.names[n].as_str())
    }

    fn of<'r>(&self, rows: &[&'r Row], patient: &str, course: &str) -> Vec<&'r Row> {
        rows.iter().copied().filter(|r| text(r, "patient_id") == patient && text(r, "course_id") == course).collect()
    }
}

/// Rows of the first dose of each course (that of the headline tables).
fn headline_rows(g: &Gathered) -> Vec<&Row> {
    let mut first: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    let rows: Vec<&Row> = g.rows.get("dvh_metrics").into_iter().flatten().collect();
    for r in &rows {
        first.entry((text(r, "patient_id"), text(r, "course_id"))).or_insert(text(r, "dose_id"));
    }
    rows.into_iter().filter(|r| first[&(text(r, "patient_id"), text(r, "course_id"))] == text(r, "dose_id")).collect()
}

fn course_findings(g: &Gathered, index: &Index) -> Vec<(String, Finding)> {
    let rows = g.rows.get("qc_findings").into_iter().flatten();
    rows.filter_map(|r| {
        let l = match text(r, "level") {
            "error" => Level::Error,
            "caution" => Level::Caution,
            _ => Level::Note,
        };
        let f = Finding {
            level: level(l),
            what: text(r, "what").to_owned(),
            meaning: text(r, "meaning").to_owned(),
            code: text(r, "code").to_owned(),
        };
        Some((index.name(r)?.to_owned(), f))
    })
    .collect()
}

fn columns() -> Vec<Column> {
    let text = |name: &str, hidden: bool| Column { name: name.into(), kind: ColumnKind::Text, hidden };
    let num = |name: &str, digits: u8| Column { name: name.into(), kind: ColumnKind::Number(digits), hidden: false };
    vec![
        text("quality", false),
        text("target", false),
        num("target D95 (Gy)", 2),
        num("target D98 (Gy)", 2),
        num("prescription (Gy)", 2),
        num("structures", 0),
        text("dose", false),
        num("images", 0),
        text("plans", true),
    ]
}

fn course_row(
    outdir: &Path,
    c: &crate::course::Course,
    name: &str,
    state: &str,
    mine: &[&Row],
    g: &Gathered,
) -> CourseRow {
    let page = outdir.join(&c.patient_dir).join(&c.course_id).join("report.html");
    let link = if page.is_file() {
        ["..", &c.patient_dir, &c.course_id, "report.html"].iter().map(|s| (*s).to_owned()).collect()
    } else {
        Vec::new()
    };
    let target = main_target(mine).map(|(r, _)| r);
    let num = |v: Option<f64>| v.map_or(Cell::Empty, Cell::Number);
    let words = |t: &str| if t.is_empty() { Cell::Empty } else { Cell::Text(t.to_owned()) };
    let qc = g.of_course("qc_reports", &c.patient_id, &c.course_id);
    let plans: Vec<&str> = c.plans.iter().map(|p| p.label.as_str()).collect();
    CourseRow {
        name: name.to_owned(),
        link,
        state: state.to_owned(),
        cells: vec![
            words(qc.first().map_or("", |r| text(r, "overall_status"))),
            words(target.map_or("", |r| text(r, "ROI_Name"))),
            num(target.and_then(|r| number(r, "D95Gy"))),
            num(target.and_then(|r| number(r, "D98Gy"))),
            num(mine.iter().find_map(|r| number(r, "rx_dose_gy"))),
            num(Some(mine.len() as f64)),
            words(mine.first().map_or("", |r| text(r, "dose_resolution"))),
            num(Some(c.images.len() as f64)),
            words(&plans.join(", ")),
        ],
    }
}

/// Bands over manual structures; automatic ones where nobody drew any.
fn bands(g: &Gathered) -> Vec<CohortDvh> {
    let mut first: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    let rows: Vec<&Row> = g.rows.get("dvh_curves").into_iter().flatten().collect();
    for r in &rows {
        first.entry((text(r, "patient_id"), text(r, "course_id"))).or_insert(text(r, "dose_id"));
    }
    let curves: Vec<CurveOf> = rows
        .iter()
        .filter(|r| first[&(text(r, "patient_id"), text(r, "course_id"))] == text(r, "dose_id"))
        .filter(|r| !text(r, "Segmentation_Source").starts_with("Auto"))
        .map(|r| CurveOf {
            structure: text(r, "ROI_Name").to_owned(),
            course: format!("{}/{}", text(r, "patient_id"), text(r, "course_id")),
            points: match r.get("volume_percent") {
                Some(Value::Array(v)) => {
                    let step = number(r, "step_gy").unwrap_or(0.1);
                    v.iter().enumerate().filter_map(|(n, p)| Some([n as f64 * step, p.as_f64()? / 100.0])).collect()
                }
                _ => Vec::new(),
            },
        })
        .collect();
    cohort_dvh(&curves)
}

/// The structures that most courses have, by name.
fn frequent<'r>(rows: &[&'r Row]) -> Vec<&'r str> {
    let mut n: BTreeMap<&str, BTreeSet<(&str, &str)>> = BTreeMap::new();
    for r in rows.iter().filter(|r| !text(r, "Segmentation_Source").starts_with("Auto")) {
        n.entry(text(r, "ROI_Name")).or_default().insert((text(r, "patient_id"), text(r, "course_id")));
    }
    let mut names: Vec<(&str, usize)> = n.into_iter().map(|(k, v)| (k, v.len())).collect();
    names.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    names.into_iter().take(MOST_STRUCTURES).map(|(k, _)| k).collect()
}

fn panel(title: &str, axis: &str, column: &str, rows: &[&Row], index: &Index) -> MetricPanel {
    let rows = frequent(rows)
        .into_iter()
        .map(|s| MetricRow {
            structure: s.to_owned(),
            values: rows
                .iter()
                .filter(|r| text(r, "ROI_Name") == s && !text(r, "Segmentation_Source").starts_with("Auto"))
                .filter_map(|r| Some((number(r, column)?, index.place(r)?)))
                .collect(),
        })
        .filter(|r: &MetricRow| !r.values.is_empty())
        .collect();
    MetricPanel { title: title.to_owned(), axis: axis.to_owned(), rows }
}

fn missing(g: &Gathered, inventory: &Inventory, metrics: &[&Row], index: &Index) -> Vec<MissingRow> {
    let n = inventory.courses.len();
    let mut all = Vec::new();
    let mut add = |label: String, present: BTreeSet<usize>| {
        all.push(MissingRow { label, missing: (0..n).map(|k| !present.contains(&k)).collect() });
    };
    for (label, has) in [
        ("image", (|c: &crate::course::Course| !c.images.is_empty()) as fn(&crate::course::Course) -> bool),
        ("structure set", |c| !c.structure_sets.is_empty()),
        ("plan", |c| !c.plans.is_empty()),
        ("dose", |c| !c.doses.is_empty()),
    ] {
        add(label.into(), inventory.courses.iter().enumerate().filter(|(_, c)| has(c)).map(|(k, _)| k).collect());
    }
    for s in frequent(metrics) {
        let there = metrics
            .iter()
            .filter(|r| text(r, "ROI_Name") == s && number(r, "Volume (cm³)").is_some())
            .filter_map(|r| index.place(r))
            .collect();
        add(s.to_owned(), there);
    }
    let with_features = ["radiomics_ct", "radiomics_mr", "radiomics_pet"]
        .iter()
        .flat_map(|t| g.rows.get(*t).into_iter().flatten())
        .filter(|r| text(r, "Status") == "ok")
        .filter_map(|r| index.place(r))
        .collect();
    add("radiomics".into(), with_features);
    all
}

fn radiomics(g: &Gathered) -> Vec<String> {
    let mut facts = Vec::new();
    for (table, label) in [("radiomics_ct", "CT"), ("radiomics_mr", "MR"), ("radiomics_pet", "PET")] {
        let rows: Vec<&Row> = g.rows.get(table).into_iter().flatten().collect();
        if rows.is_empty() {
            continue;
        }
        let ok = rows.iter().filter(|r| text(r, "Status") == "ok").count();
        let reduced = rows.iter().filter(|r| text(r, "Status") == "reduced").count();
        let skipped = rows.iter().filter(|r| text(r, "Status") == "skipped").count();
        facts.push(format!(
            "{label}: {ok} structures with all features, {reduced} with first order and shape only, {skipped} left out \
             with a reason in the table."
        ));
    }
    facts
}

fn chart(outdir: &Path) -> RunChart {
    let events = read_events(&outdir.join("_RUN")).unwrap_or_default();
    let mut chart = RunChart::default();
    let mut begun = 0.0;
    let mut open: BTreeMap<UnitId, f64> = BTreeMap::new();
    for line in events {
        match line.event {
            Event::RunStarted { stages, .. } => {
                begun = line.t;
                chart.stages = stages;
            }
            Event::Started { unit, .. } => {
                open.insert(unit, line.t - begun);
            }
            Event::Finished { unit, .. } => close(&mut chart, &mut open, &unit, line.t - begun, false),
            Event::Failed { unit, .. } | Event::Retry { unit, .. } => {
                close(&mut chart, &mut open, &unit, line.t - begun, true);
            }
            Event::Memory { resident, .. } => chart.memory.push([line.t - begun, resident as f64 / 1e9]),
            _ => {}
        }
    }
    chart
}

fn close(chart: &mut RunChart, open: &mut BTreeMap<UnitId, f64>, unit: &UnitId, end: f64, failed: bool) {
    if let Some(start) = open.remove(unit) {
        chart.intervals.push(RunInterval { stage: unit.stage.clone(), start, end, failed });
    }
}

fn failures(g: &Gathered) -> Vec<FailureRow> {
    let rows = g.rows.get("failures").into_iter().flatten();
    let mut all: Vec<FailureRow> = rows
        .map(|r| FailureRow {
            course: format!("{}/{}", text(r, "patient_id"), text(r, "course_id")),
            stage: text(r, "unit").to_owned(),
            kind: text(r, "kind").to_owned(),
            message: text(r, "message").to_owned(),
            attempts: number(r, "attempts").unwrap_or(0.0) as u64,
            log: Vec::new(),
        })
        .collect();
    all.sort_by(|a, b| (&a.course, &a.stage).cmp(&(&b.course, &b.stage)));
    all
}
