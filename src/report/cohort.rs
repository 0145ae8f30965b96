//! The page of the cohort: its data and how it is rendered.

use super::assets::deflate_base64;
use super::charts::{bands, missing, run, strip};
use super::cohort_stats::CohortDvh;
use super::course::{Footer, Level, Tile};
use super::render::{self, Block, Page};
use super::{ReportError, text};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Rows of the table that stand in the HTML itself.
const FIRST_ROWS: usize = 60;
/// Most panels of one chart; the rest is named.
const MOST_PANELS: usize = 12;

/// A cause found in one or more courses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CohortFinding {
    /// How bad.
    pub level: Level,
    /// What is, for all of them.
    pub what: String,
    /// What it means.
    pub meaning: String,
    /// Stable code.
    pub code: String,
    /// Courses that have it.
    pub courses: u64,
}

/// A value of one course; the number is its place in [`CohortPage::courses`].
pub type ValueOf = (f64, usize);

/// Distribution of one metric over structures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetricPanel {
    /// `Mean dose by structure`.
    pub title: String,
    /// Axis text with unit: `mean dose (Gy)`.
    pub axis: String,
    /// One row per structure, in the order given.
    pub rows: Vec<MetricRow>,
}

/// Values of one structure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetricRow {
    /// Structure name.
    pub structure: String,
    /// Values that exist.
    pub values: Vec<ValueOf>,
}

/// Agreement of manual and automatic segmentation of one structure over the cohort.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgreementStrip {
    /// Structure name.
    pub structure: String,
    /// Dice coefficients.
    pub dice: Vec<ValueOf>,
    /// HD95, mm.
    pub hd95_mm: Vec<ValueOf>,
}

/// One line of the map of missing values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MissingRow {
    /// Structure or table.
    pub label: String,
    /// For each course, in the order of [`CohortPage::courses`]: is it missing?
    pub missing: Vec<bool>,
}

/// One unit of work that ran.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunInterval {
    /// Stage name.
    pub stage: String,
    /// Seconds after the start of the run.
    pub start: f64,
    /// Seconds after the start of the run.
    pub end: f64,
    /// It ended in a failure.
    pub failed: bool,
}

/// The run over time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunChart {
    /// Stages in the order of the pipeline; stages of intervals that are not named follow.
    pub stages: Vec<String>,
    /// All units.
    pub intervals: Vec<RunInterval>,
    /// (seconds, GB) of memory used, ascending in time; may be empty.
    pub memory: Vec<[f64; 2]>,
}

/// How a column of the table of courses is shown and sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// Text.
    #[default]
    Text,
    /// Number with that many decimals.
    Number(u8),
}

/// A column of the table of courses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Column {
    /// Head with unit: `Dmean PTV (Gy)`.
    pub name: String,
    /// Text or number.
    pub kind: ColumnKind,
    /// Hidden until chosen.
    pub hidden: bool,
}

/// A cell of the table of courses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cell {
    /// Nothing there.
    #[default]
    Empty,
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
}

/// A row of the table of courses. The first two columns, course and state, are made from `name` and `state`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CourseRow {
    /// `P-0007/2024-03`.
    pub name: String,
    /// Path segments from the cohort page to the course's page (`["..", "P-0007", "2024-03", "report.html"]`); empty
    /// when there is none.
    pub link: Vec<String>,
    /// `done`, `findings`, `failed`, … : the filter's values.
    pub state: String,
    /// One cell per column.
    pub cells: Vec<Cell>,
}

/// A unit that failed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FailureRow {
    /// Course.
    pub course: String,
    /// Stage.
    pub stage: String,
    /// Kind of failure (contracts: `Data`, `Resources`, `Program`, `Crash`, `Config`, `Interrupted`, `Bug`).
    pub kind: String,
    /// What happened.
    pub message: String,
    /// How often it was tried.
    pub attempts: u64,
    /// Path segments from the page to the log; shown as path, linked.
    pub log: Vec<String>,
}

/// Everything that `cohort.html` shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CohortPage {
    /// `Cohort · 2,000 courses of 1,963 patients`.
    pub title: String,
    /// Parts of the line below, joined by ` · `.
    pub head: Vec<String>,
    /// Six tiles: done, with findings, failed, files not used, median agreement, median time.
    pub tiles: Vec<Tile>,
    /// Causes with their counts ([`group_findings`](super::group_findings)).
    pub findings: Vec<CohortFinding>,
    /// Bands ([`cohort_dvh`](super::cohort_dvh)), the first twelve are drawn.
    pub dvh: Vec<CohortDvh>,
    /// Distributions.
    pub metrics: Vec<MetricPanel>,
    /// Agreement by structure.
    pub agreement: Vec<AgreementStrip>,
    /// Missing values.
    pub missing: Vec<MissingRow>,
    /// Radiomics over the cohort: one sentence per fact; no histograms.
    pub radiomics: Vec<String>,
    /// The run.
    pub run: RunChart,
    /// Columns after course and state.
    pub columns: Vec<Column>,
    /// Courses, sorted by name.
    pub courses: Vec<CourseRow>,
    /// Failed units.
    pub failures: Vec<FailureRow>,
    /// The effective configuration as text.
    pub config: String,
    /// Foot.
    pub footer: Footer,
}

/// Renders the cohort's page as one self-contained HTML text.
///
/// # Errors
/// When a template or the compression of the table fails.
pub fn render_cohort(page: &CohortPage) -> Result<String, ReportError> {
    let links = Links::new(page);
    let mut metrics = String::new();
    for panel in &page.metrics {
        metrics += &strip::figure(&panel.title, &panel.axis, &panel.rows, &links.of_course, None);
    }
    let mut agreement = String::new();
    for (title, axis, pick) in [
        ("Dice", "Dice coefficient, manual against automatic", 0),
        ("HD95", "95th percentile of the surface distance (mm)", 1),
    ] {
        let mut rows: Vec<MetricRow> = page
            .agreement
            .iter()
            .map(|a| MetricRow {
                structure: a.structure.clone(),
                values: if pick == 0 { a.dice.clone() } else { a.hd95_mm.clone() },
            })
            .filter(|r| !r.values.is_empty())
            .collect();
        rows.sort_by(|a, b| {
            let m = |r: &MetricRow| strip::median(&r.values);
            m(b).total_cmp(&m(a)).then_with(|| a.structure.cmp(&b.structure))
        });
        if !rows.is_empty() {
            agreement += &strip::figure(title, axis, &rows, &links.of_course, (pick == 0).then_some(1.0));
        }
    }
    let parts = vec![
        ("bands", bands::figures(page.dvh.iter().take(MOST_PANELS), &links.by_name)),
        ("metrics", metrics),
        ("agreement", agreement),
        ("missing", missing::figure(&page.missing)),
        ("run", run::figure(&page.run)),
    ];
    let blocks = vec![Block {
        id: "tbl".to_owned(),
        mime: "text/plain",
        body: deflate_base64(table(page).to_string().as_bytes(), "the table of courses")?,
    }];
    render::render(Page::Cohort, &view(page), parts, "", blocks)
}

/// Where the pages of courses are.
struct Links {
    of_course: Vec<String>,
    by_name: std::collections::HashMap<String, String>,
}

impl Links {
    fn new(page: &CohortPage) -> Self {
        let of_course: Vec<String> =
            page.courses.iter().map(|c| text::link(c.link.iter().map(String::as_str))).collect();
        let by_name = page.courses.iter().zip(&of_course).map(|(c, l)| (c.name.clone(), l.clone())).collect();
        Self { of_course, by_name }
    }
}

/// The table by columns, for the script.
fn table(page: &CohortPage) -> Value {
    let columns: Vec<Value> = page
        .columns
        .iter()
        .map(|c| {
            let decimals = match c.kind {
                ColumnKind::Text => None,
                ColumnKind::Number(d) => Some(d.min(6)),
            };
            json!({ "name": text::short(&c.name).0, "decimals": decimals, "hidden": c.hidden })
        })
        .collect();
    let data: Vec<Vec<Value>> = (0..page.columns.len())
        .map(|n| {
            page.courses
                .iter()
                .map(|row| match row.cells.get(n) {
                    Some(Cell::Text(t)) => json!(text::visible(t)),
                    Some(Cell::Number(v)) => json!(v),
                    _ => Value::Null,
                })
                .collect()
        })
        .collect();
    json!({
        "columns": columns,
        "data": data,
        "name": page.courses.iter().map(|c| text::visible(&c.name)).collect::<Vec<_>>(),
        "state": page.courses.iter().map(|c| text::visible(&c.state)).collect::<Vec<_>>(),
        "link": page.courses.iter().map(|c| text::link(c.link.iter().map(String::as_str))).collect::<Vec<_>>(),
    })
}

fn view(page: &CohortPage) -> Value {
    let shown: Vec<usize> = (0..page.columns.len()).filter(|&n| !page.columns[n].hidden).collect();
    let rows: Vec<Value> = page
        .courses
        .iter()
        .take(FIRST_ROWS)
        .map(|c| {
            let cells: Vec<Value> = shown
                .iter()
                .map(|&n| match (c.cells.get(n), page.columns[n].kind) {
                    (Some(Cell::Text(t)), _) => json!({ "text": t, "n": false }),
                    (Some(Cell::Number(v)), ColumnKind::Number(d)) => {
                        json!({ "text": text::fixed(*v, d.min(6) as usize), "n": true })
                    }
                    (Some(Cell::Number(v)), ColumnKind::Text) => json!({ "text": text::fixed(*v, 2), "n": true }),
                    _ => json!({ "text": "—", "n": false }),
                })
                .collect();
            json!({
                "name": c.name, "state": c.state, "href": text::link(c.link.iter().map(String::as_str)), "cells": cells,
            })
        })
        .collect();
    let mut findings: Vec<&CohortFinding> = page.findings.iter().collect();
    findings.sort_by(|a, b| a.level.cmp(&b.level).then(b.courses.cmp(&a.courses)).then_with(|| a.code.cmp(&b.code)));
    let findings: Vec<Value> = findings
        .iter()
        .map(|f| {
            json!({
                "level": f.level.word(), "what": f.what, "meaning": f.meaning, "code": f.code, "courses": f.courses,
            })
        })
        .collect();
    let failures: Vec<Value> = page
        .failures
        .iter()
        .map(|f| {
            json!({
                "course": f.course, "stage": f.stage, "kind": f.kind, "message": f.message, "attempts": f.attempts,
                "log": f.log.last(), "href": text::link(f.log.iter().map(String::as_str)),
            })
        })
        .collect();
    let empty = Tile::default();
    let tiles: Vec<&Tile> = (0..6).map(|n| page.tiles.get(n).unwrap_or(&empty)).collect();
    let more: Vec<String> =
        page.dvh.iter().skip(MOST_PANELS).map(|d| format!("{} (n = {})", text::short(&d.structure).0, d.n)).collect();
    json!({
        "title": text::short(&page.title).0, "head": page.head, "tiles": tiles, "findings": findings, "rows": rows,
        "total": page.courses.len(), "columns": shown.iter().map(|&n| json!({
            "name": page.columns[n].name, "n": page.columns[n].kind != ColumnKind::Text,
        })).collect::<Vec<_>>(),
        "has_dvh": !page.dvh.is_empty(), "more": more.join(", "), "has_metrics": !page.metrics.is_empty(),
        "has_agreement": page.agreement.iter().any(|a| !a.dice.is_empty() || !a.hd95_mm.is_empty()),
        "has_missing": !page.missing.is_empty(), "radiomics": page.radiomics,
        "has_run": !page.run.intervals.is_empty(), "slowest": run::slowest(&page.run), "failures": failures,
        "config": page.config.lines().map(|l| l.replace('\t', "    ")).collect::<Vec<_>>(), "footer": page.footer,
    })
}

#[cfg(test)]
#[path = "cohort_tests.rs"]
mod tests;
