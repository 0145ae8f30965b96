use super::super::assets::inflate_base64;
use super::super::{CurveOf, cohort_dvh};
use super::*;

fn page(n: usize, text: &str) -> CohortPage {
    let t = || text.to_owned();
    let curves: Vec<CurveOf> = (0..n.min(50))
        .map(|c| CurveOf {
            structure: t(),
            course: format!("{text}{c}"),
            points: (0..80)
                .map(|d| [d as f64, 1.0 / (1.0 + ((d as f64 - 20.0 - c as f64 / 5.0) / 4.0).exp())])
                .collect(),
        })
        .collect();
    CohortPage {
        title: t(),
        head: vec![t()],
        tiles: vec![Tile::new("1", t())],
        findings: vec![CohortFinding { what: t(), meaning: t(), code: t(), courses: 3, level: Level::Error }],
        dvh: cohort_dvh(&curves),
        metrics: vec![MetricPanel {
            title: t(),
            axis: t(),
            rows: vec![MetricRow {
                structure: t(),
                values: (0..n).map(|c| ((c * 7919 % 1000) as f64 / 10.0, c)).collect(),
            }],
        }],
        agreement: vec![AgreementStrip { structure: t(), dice: (0..n).map(|c| (0.9, c)).collect(), hd95_mm: vec![] }],
        missing: vec![MissingRow { label: t(), missing: (0..n).map(|c| c % 3 == 0).collect() }],
        radiomics: vec![t()],
        run: RunChart {
            intervals: vec![RunInterval { stage: t(), start: 0.0, end: 4.0, failed: true }],
            ..Default::default()
        },
        columns: vec![
            Column { name: t(), ..Default::default() },
            Column { name: t(), kind: ColumnKind::Number(1), hidden: false },
        ],
        courses: (0..n)
            .map(|c| CourseRow {
                name: format!("{text}{c}"),
                link: vec!["..".into(), t(), "2024-03".into(), "report.html".into()],
                state: t(),
                cells: vec![Cell::Text(t()), Cell::Number(c as f64 / 3.0)],
            })
            .collect(),
        failures: vec![FailureRow { course: t(), stage: t(), kind: t(), message: t(), attempts: 3, log: vec![t()] }],
        config: format!("a: 1\n\tb: {text}"),
        footer: Footer::default(),
    }
}

#[test]
fn hostile_texts_leave_the_same_document() {
    let count = |h: &str| ["<script", "<svg", "<a ", "<table", "<tr", "<style", "<img"].map(|t| h.matches(t).count());
    let harmless = render_cohort(&page(20, "harmless")).unwrap();
    for text in super::super::course::hostile_texts() {
        let html = render_cohort(&page(20, &text)).unwrap();
        let short: String = text.chars().take(30).collect();
        assert_eq!(count(&html), count(&harmless), "{short}");
        assert!(!html.contains("href=\"javascript:") && !html.contains('\u{202e}') && !html.contains('\0'), "{short}");
    }
}

#[test]
fn two_thousand_courses_stay_small() {
    let html = render_cohort(&page(2000, "P-0001_name")).unwrap();
    assert!(html.len() < 260_000, "{}", html.len());
    assert!(html.matches("<tr").count() < 90);
    let table = html.split("id=\"tbl\">").nth(1).unwrap().split("</script>").next().unwrap();
    let t: serde_json::Value = serde_json::from_slice(&inflate_base64(table, "x").unwrap()).unwrap();
    assert_eq!(t["name"].as_array().unwrap().len(), 2000);
    assert_eq!(t["data"][1][3].as_f64(), Some(1.0));
}

#[test]
fn an_empty_cohort_says_so() {
    let html = render_cohort(&CohortPage::default()).unwrap();
    for s in [
        "There are no courses.",
        "No unit failed.",
        "No course has a finding.",
        "No course has a histogram.",
        "all results were fresh",
    ] {
        assert!(html.contains(s), "{s}");
    }
    assert_eq!(html, render_cohort(&CohortPage::default()).unwrap());
    let back: CohortPage = serde_json::from_str(&serde_json::to_string(&page(3, "x")).unwrap()).unwrap();
    assert_eq!(back, page(3, "x"));
}
