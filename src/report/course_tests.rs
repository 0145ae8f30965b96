use super::super::*;
use super::*;
use rtpipeline_geometry::{Grid, Volume};

/// The texts of §4.5 of the page rules.
pub(crate) fn hostile() -> Vec<String> {
    let mut out: Vec<String> = [
        "<script>window.hit=1</script>",
        "\"><img src=x onerror=window.hit=1>",
        "' onmouseover='window.hit=1",
        "</script><script>window.hit=1</script>",
        "</title><svg onload=window.hit=1>",
        "<!--<script>",
        "]]>",
        "javascript:window.hit=1",
        "&lt;b&gt;",
        "left\u{202e}right",
        "nul\0esc\u{1b}",
        "＜script＞window.hit=1＜/script＞",
        "<style>*{display:none}</style>",
        "${7*7}{{7*7}}{% raw %}",
        "=HYPERLINK(1)",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
        "line\r\nbreak",
    ]
    .iter()
    .map(|s| (*s).to_owned())
    .collect();
    out.push("x".repeat(10_000));
    out.push(String::from_utf8_lossy(b"bad \xff\xfe bytes").into_owned());
    out
}

/// A small course; every text from outside is `text`.
fn page(text: &str, structures: usize) -> CoursePage {
    let grid = Grid::axis_aligned([60, 50, 6], [-60.0, -50.0, 0.0], [2.0, 2.0, 3.0]);
    let mut volume = Volume::filled(grid.clone(), -1000.0f32);
    for k in 0..6 {
        for j in 10..40 {
            for i in 10..50 {
                volume.data[[k, j, i]] = 30.0;
            }
        }
    }
    let image =
        encode_image(&volume, ImageKind::Ct, &ImageOptions { label: text.to_owned(), ..Default::default() }).unwrap();
    let list: Vec<StructureContours> = (0..structures)
        .map(|n| {
            let d = n as f64 % 7.0;
            let loops = (1..5)
                .map(|k| {
                    [[-20.0 - d, -10.0], [20.0, -10.0], [20.0, 10.0 + d]].map(|p| [p[0], p[1], 3.0 * k as f64]).to_vec()
                })
                .collect();
            let info = StructureInfo {
                id: format!("s{n}"),
                name: text.to_owned(),
                source: text.to_owned(),
                group: if n == 0 { StructureGroup::Target } else { StructureGroup::Organ },
                volume_cc: Some(12.0),
                ..Default::default()
            };
            StructureContours { info, loops }
        })
        .collect();
    let values = vec![20.0f32; grid.len()];
    let dose = DoseInput { grid: &grid, values: &values, label: text, prescription_gy: Some(20.0) };
    let series: Vec<DvhSeries> = (0..structures)
        .map(|n| {
            let points: Vec<[f64; 2]> = (0..200)
                .map(|d| [d as f64 / 3.0, 1.0 / (1.0 + ((d as f64 - 60.0 - 3.0 * n as f64) / 9.0).exp())])
                .collect();
            DvhSeries {
                id: format!("s{n}"),
                low: Some(points.clone()),
                high: Some(points.clone()),
                points,
                volume_cc: Some(12.0),
                mean_gy: Some(20.0),
            }
        })
        .collect();
    let input =
        KeyPictureInput { image: Some((&volume, ImageKind::Ct)), dose: Some(dose), structures: &list, point: None };
    let assets = CourseAssets {
        structures: list.iter().map(|s| s.info.clone()).collect(),
        contours: Some(encode_contours(&list, &image.grid).unwrap()),
        key_pictures: key_pictures(&input).unwrap(),
        images: vec![image],
        doses: vec![encode_dose(&dose).unwrap()],
        curves: Some(encode_curves(&series).unwrap()),
    };
    let t = || text.to_owned();
    CoursePage {
        title: t(),
        head: vec![t()],
        tiles: vec![Tile::new(t(), t())],
        findings: vec![Finding { level: Level::Error, what: t(), meaning: t(), code: t() }],
        goals: vec![Goal {
            structure: t(),
            structure_id: Some("s0".into()),
            goal: t(),
            unit: t(),
            reason: t(),
            mark: Some(GoalMark { dose_gy: 19.0, volume_percent: 95.0, at_least: true }),
            ..Default::default()
        }],
        structures: (0..structures)
            .map(|n| StructureRow {
                id: format!("s{n}"),
                name: t(),
                source: t(),
                flags: vec![t()],
                reason: t(),
                ..Default::default()
            })
            .collect(),
        agreement: vec![AgreementRow { structure: t(), a: t(), b: t(), reason: t(), ..Default::default() }],
        objects: vec![ObjectRow { kind: t(), label: t(), detail: t(), reason: t(), ..Default::default() }],
        radiomics: vec![RadiomicsRow { structure: t(), source: t(), image: t(), reason: t(), ..Default::default() }],
        assumptions: vec![t()],
        files: vec![FileRow { kind: t(), count: 1, link: vec![t()] }],
        cohort_link: vec!["..".into(), "..".into(), "_RESULTS".into(), "cohort.html".into()],
        footer: Footer { version: t(), date: t(), settings: t(), schema: t(), inputs: vec![t()] },
        absent: Absent::default(),
        assets,
    }
}

/// Start tags outside of script and style elements, names only.
fn tags(html: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '!')).collect();
        if name == "script" || name == "style" {
            rest = &rest[rest.find(&format!("</{name}")).expect("it is closed")..];
        }
        out.push(name);
    }
    out
}

#[test]
fn hostile_texts_leave_the_same_document() {
    let harmless = render_course(&page("harmless", 3)).unwrap();
    for text in hostile() {
        let html = render_course(&page(&text, 3)).unwrap();
        // Cut names carry a span, the only element that may be added.
        let plain = |h: &str| tags(h).into_iter().filter(|t| t != "span" && t != "/span").collect::<Vec<_>>();
        let short: String = text.chars().take(30).collect();
        assert_eq!(plain(&html), plain(&harmless), "{short}");
        assert_eq!(html.matches("<script").count(), harmless.matches("<script").count(), "{short}");
        assert!(!html.contains("onerror=window") || html.contains("&lt;img src=x onerror=window"), "{short}");
        assert!(
            html.chars().all(|c| !('\u{202a}'..='\u{202e}').contains(&c) && c != '\0' && c != '\u{1b}' && c != '\r'),
            "{short}"
        );
        assert!(!html.contains("href=\"javascript:"), "{short}");
    }
}

#[test]
fn page_is_deterministic_and_carries_its_policy_first() {
    let p = page("PTV", 5);
    let html = render_course(&p).unwrap();
    assert_eq!(html, render_course(&p).unwrap());
    let again: CoursePage = serde_json::from_str(&serde_json::to_string(&p).unwrap()).unwrap();
    assert_eq!(html, render_course(&again).unwrap());
    let head = &html[html.find("<head>").unwrap()..];
    assert!(head.trim_start_matches("<head>").trim_start().starts_with("<meta http-equiv=\"Content-Security-Policy\""));
    // The hashes are those of the script and styles as they stand in the page.
    for (tag, end) in [("<style>", "</style>"), ("<script>", "</script>")] {
        let mut rest = html.as_str();
        let mut found = 0;
        while let Some(at) = rest.find(tag) {
            let body = &rest[at + tag.len()..];
            let body = &body[..body.find(end).unwrap()];
            assert!(html.contains(&super::super::render::hash_source(body)), "{tag}");
            rest = &rest[at + tag.len()..];
            found += 1;
        }
        assert_eq!(found, if tag == "<style>" { 2 } else { 1 });
    }
    assert!(
        !html.contains("style=") && !html.contains("http://")
            || html.matches("http://").count() == html.matches("http://www.w3.org/2000/svg").count()
    );
}

#[test]
fn thirty_structures_stay_within_the_budget_for_text() {
    let html = render_course(&page("Structure_name_of_usual_length", 30)).unwrap();
    let data: usize =
        html.split("<script type=\"text/plain\"").skip(1).map(|p| p.find("</script>").unwrap_or(0)).sum::<usize>()
            + html.split("data:image/jpeg;base64,").skip(1).map(|p| p.find('"').unwrap_or(0)).sum::<usize>();
    let text = html.len() - data;
    assert!(text <= 150_000, "{text} bytes");
}

#[test]
fn empty_parts_are_said_in_words() {
    let html = render_course(&CoursePage::default()).unwrap();
    for sentence in [
        "No image is shown.",
        "There is no dose.",
        "There are no structures.",
        "Radiomics was not computed.",
        "No structure set refers to this image.",
    ] {
        assert!(html.contains(sentence), "{sentence}");
    }
    assert_eq!(html.matches("<h1").count(), 1);
    assert!(!html.contains("id=\"viewer\"") && !html.contains("<svg class=\"dvh\""));
    let mut with = page("x", 2);
    with.assets.doses.clear();
    with.assets.curves = None;
    with.absent.dose = "No dose in the export.".into();
    let html = render_course(&with).unwrap();
    assert!(html.contains("No dose in the export.") && html.contains("id=\"viewer\""));
}

#[test]
fn sections_stand_in_order_with_unique_ids() {
    let html = render_course(&page("x", 2)).unwrap();
    let order = [
        "summary",
        "findings",
        "images",
        "dvh",
        "structures",
        "agreement",
        "doses",
        "radiomics",
        "assumptions",
        "files",
        "footer",
    ];
    let at: Vec<usize> =
        order.iter().map(|id| html.find(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("{id}"))).collect();
    assert!(at.is_sorted());
    let mut ids: Vec<&str> = html.split(" id=\"").skip(1).map(|p| p.split('"').next().unwrap()).collect();
    let n = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), n);
    assert_eq!(html.matches("<table").count(), html.matches("<caption>").count());
}

#[test]
fn damaged_curves_are_an_error_not_a_panic() {
    let mut p = page("x", 2);
    p.assets.curves.as_mut().unwrap().data = "AAAA".into();
    assert!(render_course(&p).is_err());
}
