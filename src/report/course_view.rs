//! From [`CoursePage`] to the values that the template and the viewer read.

use super::assets::{CourseAssets, LineStyle, StructureGroup, decode_curves};
use super::charts::dvh::{self, Curve, Mark};
use super::course::{CoursePage, Goal, Level, StructureRow, Tile, Verdict};
use super::render::{self, Block, Page};
use super::{ReportError, colour, text};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt::Write as _;

/// Most structures shown at first.
const FIRST_SHOWN: usize = 14;
/// Isodose levels, percent of the prescription.
const LEVELS_PERCENT: [f64; 5] = [20.0, 50.0, 80.0, 95.0, 105.0];
/// A dark-to-bright ramp for readers who cannot tell the rainbow's colours apart (five stops of "viridis").
const EVEN_RAMP: [[u8; 3]; 5] = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];

/// A structure of the page: of the assets, or only of the table.
struct Shown {
    name: String,
    source: String,
    group: StructureGroup,
    style: LineStyle,
    original: [u8; 3],
    pair: colour::Pair,
    volume_cc: Option<f64>,
    mean_gy: Option<f64>,
    on: bool,
    outline_of_mask: bool,
}

pub(super) fn render(page: &CoursePage) -> Result<String, ReportError> {
    let assets = &page.assets;
    let (shown, index) = structures(page);
    let mut blocks = Vec::new();
    let viewer = !assets.images.is_empty();
    blocks.push(Block {
        id: "meta".to_owned(),
        mime: "application/json",
        body: text::json_block(&meta(assets, &shown, &index)),
    });
    let mut data = |id: String, body: &String| blocks.push(Block { id, mime: "text/plain", body: body.clone() });
    if let Some(c) = &assets.curves {
        data("dvhd".to_owned(), &c.data);
    }
    if viewer {
        if let Some(c) = &assets.contours {
            data("cont".to_owned(), &c.data);
        }
        for (n, d) in assets.doses.iter().enumerate() {
            data(dose_id(n), &d.data);
        }
        for (n, image) in assets.images.iter().enumerate() {
            for (k, s) in image.slices.iter().enumerate().filter(|(_, s)| !s.is_empty()) {
                data(format!("{}{k}", prefix(n)), s);
            }
        }
    }
    let has_dvh = assets.curves.as_ref().is_some_and(|c| !c.ids.is_empty());
    let svg =
        if has_dvh { dvh::svg(&curves(assets, &shown, &index)?, &marks(&page.goals, &index)) } else { String::new() };
    let view = View::new(page, &index, viewer, has_dvh, &shown);
    render::render(Page::Course, &view, vec![("dvh", svg)], &colours(&shown), blocks)
}

fn dose_id(n: usize) -> String {
    if n == 0 { "dose".to_owned() } else { format!("dose{n}") }
}

fn prefix(n: usize) -> String {
    if n == 0 { "s".to_owned() } else { format!("i{n}_") }
}

/// All structures in order and where each id is.
fn structures(page: &CoursePage) -> (Vec<Shown>, HashMap<String, usize>) {
    let mut shown: Vec<Shown> = Vec::new();
    let mut index = HashMap::new();
    for s in &page.assets.structures {
        index.entry(s.id.clone()).or_insert(shown.len());
        shown.push(Shown {
            name: s.name.clone(),
            source: s.source.clone(),
            group: s.group,
            style: s.style(),
            original: s.color.unwrap_or_else(|| colour::from_name(&s.name)),
            pair: colour::pair(s.color, &s.name),
            volume_cc: s.volume_cc,
            mean_gy: None,
            on: false,
            outline_of_mask: s.outline_of_mask,
        });
    }
    if let Some(c) = &page.assets.curves {
        for (n, id) in c.ids.iter().enumerate() {
            if let Some(s) = index.get(id).and_then(|&at| shown.get_mut(at)) {
                s.mean_gy = c.mean_gy.get(n).copied().flatten();
                s.volume_cc = s.volume_cc.or_else(|| c.volume_cc.get(n).copied().flatten());
            }
        }
    }
    let with_goal: Vec<usize> =
        page.goals.iter().filter_map(|g| g.structure_id.as_ref().and_then(|id| index.get(id)).copied()).collect();
    let mut order: Vec<usize> = (0..shown.len()).filter(|&n| shown[n].group != StructureGroup::Other).collect();
    order.sort_by(|&a, &b| {
        let key = |n: usize| (shown[n].group != StructureGroup::Target, !with_goal.contains(&n));
        let mean = |n: usize| shown[n].mean_gy.unwrap_or(-1.0);
        key(a).cmp(&key(b)).then(mean(b).total_cmp(&mean(a))).then(a.cmp(&b))
    });
    for n in order.into_iter().take(FIRST_SHOWN) {
        shown[n].on = true;
    }
    (shown, index)
}

/// Colour classes: original, and the variants for light and dark surfaces.
fn colours(shown: &[Shown]) -> String {
    let mut light = String::new();
    let mut dark = String::new();
    for (n, s) in shown.iter().enumerate() {
        let _ = write!(light, ".k{n}{{--c:{};--o:{}}}", colour::hex(s.pair.light), colour::hex(s.original));
        let _ = write!(dark, ".k{n}{{--c:{}}}", colour::hex(s.pair.dark));
    }
    format!("{light}@media screen and (prefers-color-scheme:dark){{{dark}}}")
}

fn curves(assets: &CourseAssets, shown: &[Shown], index: &HashMap<String, usize>) -> Result<Vec<Curve>, ReportError> {
    let Some(block) = &assets.curves else { return Ok(Vec::new()) };
    let decoded = decode_curves(block)?;
    Ok(block
        .ids
        .iter()
        .zip(decoded)
        .filter_map(|(id, curve)| {
            let n = *index.get(id)?;
            let s = shown.get(n)?;
            Some(Curve { index: n, name: s.name.clone(), style: s.style, on: s.on, step_gy: block.step_gy, curve })
        })
        .collect())
}

fn marks(goals: &[Goal], index: &HashMap<String, usize>) -> Vec<Mark> {
    goals
        .iter()
        .filter_map(|g| {
            let mark = g.mark?;
            let structure = g.structure_id.as_ref().and_then(|id| index.get(id)).copied();
            Some(Mark { mark, structure, title: format!("{}: {}", g.structure, g.goal) })
        })
        .collect()
}

/// What the viewer and the chart script read.
fn meta(assets: &CourseAssets, shown: &[Shown], index: &HashMap<String, usize>) -> Value {
    let at = |ids: &[String]| ids.iter().map(|id| index.get(id).copied()).collect::<Vec<_>>();
    let mut centres: Vec<Option<[f64; 3]>> = vec![None; shown.len()];
    if let Some(c) = &assets.contours {
        for (id, note) in c.ids.iter().zip(&c.notes) {
            if let Some(slot) = index.get(id).and_then(|&n| centres.get_mut(n)) {
                *slot = note.centre;
            }
        }
    }
    let list: Vec<Value> = shown
        .iter()
        .zip(&centres)
        .map(|(s, centre)| {
            let (short, full) = text::short(&s.name);
            json!({
                "name": short, "full": full, "source": text::short(&s.source).0, "group": s.group,
                "style": match s.style { LineStyle::Solid => 0, LineStyle::Dashed => 1, LineStyle::Dotted => 2 },
                "color": colour::hex(s.pair.dark), "orig": colour::hex(s.original), "on": s.on,
                "cc": s.volume_cc, "centre": centre, "mask": s.outline_of_mask,
            })
        })
        .collect();
    let images: Vec<Value> = assets
        .images
        .iter()
        .enumerate()
        .map(|(n, i)| {
            json!({
                "prefix": prefix(n), "label": text::short(&i.label).0, "unit": i.unit, "kind": i.kind,
                "dims": i.grid.dims, "origin": i.grid.origin, "step": i.grid.step, "lut": i.companding,
                "windows": i.windows, "same": i.same_frame,
            })
        })
        .collect();
    let doses: Vec<Value> = assets
        .doses
        .iter()
        .enumerate()
        .map(|(n, d)| {
            json!({
                "id": dose_id(n), "label": text::short(&d.label).0, "dims": d.grid.dims, "origin": d.grid.origin,
                "step": d.grid.step, "unit": d.step_gy, "max": d.max_gy, "rx": d.prescription_gy,
                "levels": levels(d.max_gy, d.prescription_gy),
            })
        })
        .collect();
    json!({
        "structures": list, "images": images, "doses": doses,
        "cont": assets.contours.as_ref().map(|c| json!({ "unit": c.unit, "order": at(&c.ids) })),
        "dvh": assets.curves.as_ref().filter(|c| !c.ids.is_empty()).map(|c| json!({
            "bins": c.bins, "step": c.step_gy, "order": at(&c.ids),
        })),
        "start": assets.contours.as_ref().and_then(|c| c.start),
        "ramps": [super::assets::DOSE_RAMP.to_vec(), EVEN_RAMP.to_vec()],
    })
}

/// Isodose levels: percent of the prescription, else round steps of the maximum.
fn levels(max_gy: f64, prescription: Option<f64>) -> Vec<Value> {
    if let Some(rx) = prescription {
        return LEVELS_PERCENT.iter().map(|p| json!({ "gy": rx * p / 100.0, "label": text::fixed(*p, 0) })).collect();
    }
    let rough = max_gy / 5.0;
    let decade = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].iter().map(|m| m * decade).find(|s| *s >= rough * 0.999).unwrap_or(rough);
    let decimals = usize::from(step < 1.0) * (-step.log10().floor()).max(0.0) as usize;
    (1..=9)
        .map(|n| n as f64 * step)
        .take_while(|gy| *gy < max_gy)
        .map(|gy| json!({ "gy": gy, "label": format!("{} Gy", text::fixed(gy, decimals)) }))
        .collect()
}

#[derive(Serialize)]
struct View<'a> {
    title: String,
    head: &'a [String],
    cohort: String,
    tiles: Vec<&'a Tile>,
    findings: Vec<&'a super::Finding>,
    viewer: bool,
    keys: &'a [super::KeyPicture],
    remarks: Vec<String>,
    no_dvh: String,
    has_dvh: bool,
    dvh_note: String,
    absent: &'a super::Absent,
    goals: Vec<Value>,
    structures: Vec<Value>,
    agreement: Vec<&'a super::AgreementRow>,
    objects: &'a [super::ObjectRow],
    radiomics: &'a [super::RadiomicsRow],
    assumptions: &'a [String],
    files: Vec<Value>,
    footer: &'a super::Footer,
}

impl<'a> View<'a> {
    fn new(page: &'a CoursePage, index: &HashMap<String, usize>, viewer: bool, has_dvh: bool, shown: &[Shown]) -> Self {
        static EMPTY: Tile = Tile { value: None, label: String::new() };
        let mut findings: Vec<_> = page.findings.iter().collect();
        findings.sort_by_key(|f| f.level);
        let mut agreement: Vec<_> = page.agreement.iter().collect();
        agreement.sort_by(|a, b| a.dice.unwrap_or(2.0).total_cmp(&b.dice.unwrap_or(2.0)));
        let sentence = |own: &str, usual: &str| if own.is_empty() { usual.to_owned() } else { own.to_owned() };
        let no_dvh = match (has_dvh, page.assets.doses.is_empty(), shown.is_empty()) {
            (true, ..) => String::new(),
            (_, true, _) => sentence(&page.absent.dose, "There is no dose, so there is no histogram."),
            (_, _, true) => sentence(&page.absent.structures, "There are no structures, so there is no histogram."),
            _ => "No histogram was computed.".to_owned(),
        };
        let off = shown.iter().filter(|s| !s.on).count();
        let dvh_note = if has_dvh && off > 0 {
            format!("The first {FIRST_SHOWN} structures are drawn: targets, those with a goal, then by mean dose.")
        } else {
            String::new()
        };
        Self {
            title: text::short(&page.title).0,
            head: &page.head,
            cohort: text::link(page.cohort_link.iter().map(String::as_str)),
            tiles: (0..6).map(|n| page.tiles.get(n).unwrap_or(&EMPTY)).collect(),
            findings,
            viewer,
            keys: &page.assets.key_pictures,
            remarks: remarks(page, viewer, shown, index),
            no_dvh,
            has_dvh,
            dvh_note,
            absent: &page.absent,
            goals: page.goals.iter().map(goal).collect(),
            structures: page.structures.iter().map(|s| structure(s, index)).collect(),
            agreement,
            objects: &page.objects,
            radiomics: &page.radiomics,
            assumptions: &page.assumptions,
            files: page
                .files
                .iter()
                .map(|f| json!({ "kind": f.kind, "count": f.count, "href": text::link(f.link.iter().map(String::as_str)) }))
                .collect(),
            footer: &page.footer,
        }
    }
}

/// Sentences under the images: how they are shown, what is not drawn and why.
fn remarks(page: &CoursePage, viewer: bool, shown: &[Shown], index: &HashMap<String, usize>) -> Vec<String> {
    let assets = &page.assets;
    let mut out = Vec::new();
    for image in &assets.images {
        let label = if image.label.is_empty() { "Image".to_owned() } else { text::short(&image.label).0 };
        out.push(format!("{label}: {}.", image.remark));
    }
    if !viewer {
        out.push(if page.absent.image.is_empty() {
            "No image is shown.".to_owned()
        } else {
            page.absent.image.clone()
        });
    }
    if assets.structures.is_empty() {
        out.push(if page.absent.structures.is_empty() {
            "No structure set refers to this image.".to_owned()
        } else {
            page.absent.structures.clone()
        });
    }
    if assets.doses.is_empty() {
        out.push(if page.absent.dose.is_empty() { "There is no dose.".to_owned() } else { page.absent.dose.clone() });
    }
    let name =
        |id: &String| index.get(id).and_then(|&n| shown.get(n)).map_or("?".to_owned(), |s| text::short(&s.name).0);
    if let Some(c) = &assets.contours {
        let lost: Vec<String> = c
            .ids
            .iter()
            .zip(&c.notes)
            .filter(|(_, n)| !n.undrawn.is_empty())
            .map(|(id, n)| format!("{} ({})", name(id), n.undrawn.join(", ")))
            .collect();
        if !lost.is_empty() {
            out.push(format!("Contours not drawn: {}.", list(&lost, 12)));
        }
        if !c.dropped.is_empty() {
            let names: Vec<String> = c.dropped.iter().map(name).collect();
            out.push(format!("Left out of the pictures for size: {}.", list(&names, 12)));
        }
    }
    let masks: Vec<String> = shown.iter().filter(|s| s.outline_of_mask).map(|s| text::short(&s.name).0).collect();
    if !masks.is_empty() {
        out.push(format!("Outline of mask: {}.", list(&masks, 12)));
    }
    out
}

fn list(names: &[String], most: usize) -> String {
    let mut text = names.iter().take(most).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > most {
        let _ = write!(text, " and {} more", names.len() - most);
    }
    text
}

fn goal(g: &Goal) -> Value {
    let number = |v: f64| match g.unit.as_str() {
        "%" => text::percent(v),
        "cc" => text::cc(v),
        _ => text::gy(v),
    };
    let value = g.value.filter(|v| v.is_finite()).map_or("—".to_owned(), |v| format!("{} {}", number(v), g.unit));
    let unit = if g.unit == "%" { "pt" } else { &g.unit };
    let margin = match g.margin.filter(|v| v.is_finite()) {
        Some(m) if g.value.is_some() => {
            format!("{}{} {unit}", if m > 0.0 { "+" } else { "" }, number(m))
        }
        _ => g.reason.clone(),
    };
    let (class, word) = match g.verdict {
        Verdict::Met => ("met", "✓ met"),
        Verdict::NotMet => ("missed", "✗ not met"),
        Verdict::Open => ("open", "≈ open"),
        Verdict::NoValue => ("none", "? no value"),
    };
    json!({ "structure": g.structure, "goal": g.goal, "value": value, "class": class, "word": word, "margin": margin })
}

fn structure(s: &StructureRow, index: &HashMap<String, usize>) -> Value {
    let mean = match (s.mean_gy, s.mean_bounds_gy) {
        (_, Some([low, high])) => format!("{} to {}", text::gy(low), text::gy(high)),
        (Some(m), None) => text::gy(m),
        (None, None) => "—".to_owned(),
    };
    let words: Vec<&str> =
        s.flags.iter().map(String::as_str).chain((!s.reason.is_empty()).then_some(s.reason.as_str())).collect();
    json!({
        "colour": index.get(&s.id), "name": s.name, "source": s.source, "volume_cc": s.volume_cc, "planes": s.planes,
        "mean": mean, "d98_gy": s.d98_gy, "d2_gy": s.d2_gy, "remarks": words.join("; "),
    })
}

impl Level {
    /// Word for the level.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Caution => "caution",
            Self::Note => "note",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn isodose_levels_follow_the_prescription_or_round_steps() {
        let p = levels(64.0, Some(60.0));
        assert_eq!(p.len(), 5);
        assert!((p[3]["gy"].as_f64().unwrap() - 57.0).abs() < 1e-9 && p[4]["label"] == "105");
        let g = levels(64.0, None);
        assert_eq!(g[0]["label"], "20 Gy");
        assert_eq!(g.len(), 3);
        assert_eq!(levels(1.3, None)[0]["label"], "0.5 Gy");
        assert!(levels(2043.0, None).len() >= 4);
    }

    #[test]
    fn goals_have_sign_unit_and_word() {
        let g = Goal {
            value: Some(61.27),
            unit: "Gy".into(),
            margin: Some(1.73),
            verdict: Verdict::Met,
            ..Default::default()
        };
        let v = goal(&g);
        assert_eq!((v["value"].as_str().unwrap(), v["margin"].as_str().unwrap()), ("61.27 Gy", "+1.73 Gy"));
        let n = goal(&Goal { reason: "structure not found".into(), ..Default::default() });
        assert_eq!((n["value"].as_str().unwrap(), n["margin"].as_str().unwrap()), ("—", "structure not found"));
    }
}
