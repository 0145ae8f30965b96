//! From loose slices to one stack with a grid.

use super::ImageError;
use super::fill::Source;
use super::slice::{Keys, Slice};
use crate::Finding;
use crate::finding::note;
use crate::geometry::{dot, norm, scale, sub};
use rtpipeline_geometry::Grid;
use std::collections::HashSet;

/// Images closer than this along the normal are at one position, mm.
const SAME_POSITION_MM: f64 = 0.01;
/// Cosine and spacing differences below this are rounding.
const SAME_DIRECTION: f64 = 1e-3;
/// Relative tolerance of slice distances.
const RELATIVE: f64 = 0.01;

/// Slices of one geometry at different positions, sorted along the normal.
#[derive(Clone, Debug)]
pub(super) struct Stack {
    pub(super) slices: Vec<Slice>,
    /// What sets it apart, for messages.
    label: String,
}

/// The grid of a stack.
pub(super) struct LaidOut {
    pub(super) grid: Grid,
    pub(super) sheared: bool,
    /// For unequal distances: from which slices each regular slice comes.
    pub(super) resample: Option<Vec<Source>>,
}

fn offset(s: &Slice, from: &Slice) -> f64 {
    dot(sub(s.plane.origin, from.plane.origin), from.plane.normal)
}

fn same_geometry(a: &Slice, b: &Slice) -> bool {
    let close = |x: [f64; 3], y: [f64; 3]| norm(sub(x, y)) <= SAME_DIRECTION * norm(x);
    a.rows == b.rows
        && a.columns == b.columns
        && a.frame_of_reference == b.frame_of_reference
        && close(a.plane.row_step, b.plane.row_step)
        && close(a.plane.col_step, b.plane.col_step)
}

/// Divides slices into stacks and takes the one with most preferred images, then with most slices.
pub(super) fn choose(
    mut slices: Vec<Slice>,
    prefer: &[String],
    findings: &mut Vec<Finding>,
) -> Result<(Stack, Vec<String>), ImageError> {
    let total = slices.len();
    // Some anonymizers give every image a frame of reference of its own.
    let frames: HashSet<&str> = slices.iter().map(|s| s.frame_of_reference.as_str()).collect();
    if total > 2 && frames.len() == total {
        let text = format!("each of the {total} images has a frame of reference of its own; they were taken as one");
        note(findings, "frame_of_reference_per_image", text);
        for s in &mut slices {
            s.frame_of_reference.clear();
        }
    }
    let mut groups: Vec<Vec<Slice>> = Vec::new();
    for s in slices {
        match groups.iter_mut().find(|g| same_geometry(&g[0], &s)) {
            Some(g) => g.push(s),
            None => groups.push(vec![s]),
        }
    }
    if groups.len() > 1 {
        let sizes: Vec<String> = groups.iter().map(|g| g.len().to_string()).collect();
        let text = format!(
            "{} geometries (size, spacing, orientation or frame of reference) in one series: {} slices",
            groups.len(),
            sizes.join(" + ")
        );
        note(findings, "several_geometries", text);
    }
    let mut stacks = Vec::new();
    for g in groups {
        stacks.extend(split(g, findings)?);
    }
    let prefer: HashSet<&str> = prefer.iter().map(String::as_str).collect();
    let score = |s: &Stack| {
        let wanted: HashSet<&str> = s.slices.iter().map(|x| x.uid.as_str()).filter(|u| prefer.contains(u)).collect();
        (wanted.len(), s.slices.len())
    };
    // The first of equals, so that the choice does not depend on chance.
    let best = (0..stacks.len())
        .max_by(|&a, &b| score(&stacks[a]).cmp(&score(&stacks[b])).then(b.cmp(&a)))
        .ok_or_else(|| ImageError::NotAVolume("no slices".into()))?;
    let stack = stacks.remove(best);
    let others: Vec<String> = stacks.iter().map(|s| format!("{} slices{}", s.slices.len(), s.label)).collect();
    if stack.slices.len() == 1 && total > 1 {
        return Err(ImageError::NotAVolume(format!(
            "{total} images, but no two of them lie at different positions of one stack"
        )));
    }
    if !others.is_empty() {
        let text = format!("read: {} slices{}; left out: {}", stack.slices.len(), stack.label, others.join("; "));
        note(findings, "stacks_left_out", text);
    }
    Ok((stack, others))
}

fn sort(slices: &mut [Slice]) {
    let Some(first) = slices.first().cloned() else { return };
    slices.sort_by(|a, b| offset(a, &first).total_cmp(&offset(b, &first)));
}

fn unique_positions(sorted: &[Slice]) -> bool {
    sorted.windows(2).all(|w| offset(&w[1], &w[0]) > SAME_POSITION_MM)
}

/// Divides slices of one geometry so that no two are at one position.
fn split(mut slices: Vec<Slice>, findings: &mut Vec<Finding>) -> Result<Vec<Stack>, ImageError> {
    sort(&mut slices);
    if unique_positions(&slices) {
        return Ok(vec![Stack { slices, label: String::new() }]);
    }
    // The same instance twice (two copies of one file) is one slice.
    let mut seen = HashSet::new();
    let before = slices.len();
    slices.retain(|s| s.uid.is_empty() || seen.insert((s.uid.clone(), s.frame)));
    if slices.len() < before {
        note(
            findings,
            "repeated_instances",
            format!("{} files repeat an instance and were left out", before - slices.len()),
        );
    }
    if unique_positions(&slices) {
        return Ok(vec![Stack { slices, label: String::new() }]);
    }
    type Key = fn(&Keys) -> Option<String>;
    let keys: [(&str, Key); 9] = [
        ("temporal position", |k| k.temporal.map(|v| format!("{v:012}"))),
        ("acquisition number", |k| k.acquisition.map(|v| format!("{v:012}"))),
        ("echo", |k| k.echo.map(|v| format!("{v:020.6}"))),
        ("b-value", |k| k.b_value.map(|v| format!("{v:020.6}"))),
        ("phase of the heart cycle", |k| k.phase.map(|v| format!("{v:012}"))),
        ("trigger time", |k| k.trigger.map(|v| format!("{v:020.6}"))),
        ("image type", |k| Some(k.image_type.clone())),
        ("image comment", |k| k.comments.clone()),
        ("acquisition time", |k| k.acquisition_time.clone()),
    ];
    for (name, key) in keys {
        let mut stacks: Vec<(String, Vec<Slice>)> = Vec::new();
        for s in &slices {
            let v = key(&s.keys).unwrap_or_default();
            match stacks.iter_mut().find(|x| x.0 == v) {
                Some(x) => x.1.push(s.clone()),
                None => stacks.push((v, vec![s.clone()])),
            }
        }
        if stacks.len() > 1 && stacks.iter().all(|x| unique_positions(&x.1)) {
            stacks.sort_by(|a, b| a.0.cmp(&b.0));
            let text = format!("several images at one position; told apart by {name}: {} stacks", stacks.len());
            note(findings, "split_stack", text);
            return Ok(stacks
                .into_iter()
                .map(|(v, slices)| Stack { slices, label: format!(" of {name} {}", short(&v)) })
                .collect());
        }
    }
    by_rank(slices, findings)
}

fn short(v: &str) -> String {
    let t = v.trim_start_matches('0');
    let t = if t.contains('.') { t.trim_end_matches('0').trim_end_matches('.') } else { t };
    if t.is_empty() { "0".into() } else { t.to_owned() }
}

/// Last resort: the same number of images at every position, taken in the order of their instance numbers.
fn by_rank(slices: Vec<Slice>, findings: &mut Vec<Finding>) -> Result<Vec<Stack>, ImageError> {
    let mut places: Vec<Vec<Slice>> = Vec::new();
    for s in slices {
        match places.last_mut() {
            Some(p) if offset(&s, &p[0]) <= SAME_POSITION_MM => p.push(s),
            _ => places.push(vec![s]),
        }
    }
    let n = places[0].len();
    if places.len() > 1 && places.iter().any(|p| p.len() != n) {
        let counts: Vec<usize> = places.iter().map(Vec::len).collect();
        let (lo, hi) = (counts.iter().min().unwrap_or(&0), counts.iter().max().unwrap_or(&0));
        return Err(ImageError::NotAVolume(format!(
            "between {lo} and {hi} images at one position, and nothing tells them apart"
        )));
    }
    for p in &mut places {
        p.sort_by(|a, b| {
            (&a.keys.content_time, a.keys.instance, &a.path).cmp(&(&b.keys.content_time, b.keys.instance, &b.path))
        });
    }
    note(
        findings,
        "split_by_order",
        format!(
            "{n} images at every position without an attribute that tells them apart; they were divided by instance number"
        ),
    );
    Ok((0..n)
        .map(|i| Stack {
            slices: places.iter().map(|p| p[i].clone()).collect(),
            label: format!(" ({} of {n} at each position)", i + 1),
        })
        .collect())
}

/// The grid of a sorted stack, with checks of distances and shear.
pub(super) fn lay_out(stack: &Stack, findings: &mut Vec<Finding>) -> Result<LaidOut, ImageError> {
    let slices = &stack.slices;
    let (first, last) = (&slices[0], &slices[slices.len() - 1]);
    for f in slices.iter().flat_map(|s| &s.plane.findings) {
        note(findings, &f.code, f.text.clone());
    }
    let n = slices.len();
    let dims = |k| [first.columns, first.rows, k];
    let grid = |k, step: [f64; 3]| {
        Grid { dims: dims(k), origin: first.plane.origin, step: [first.plane.row_step, first.plane.col_step, step] }
            .checked()
            .map_err(|e| ImageError::NotAVolume(e.to_string()))
    };
    if n == 1 {
        let thickness = first.thickness.filter(|t| *t > 0.0);
        let text = match thickness {
            Some(t) => format!("one slice only; the slice distance was taken from the slice thickness, {t} mm"),
            None => "one slice only, without a slice thickness; 1 mm was taken".to_owned(),
        };
        note(findings, "single_slice", text);
        let step = scale(first.plane.normal, thickness.unwrap_or(1.0));
        return Ok(LaidOut { grid: grid(1, step)?, sheared: false, resample: None });
    }
    if n < 4 {
        note(findings, "few_slices", format!("only {n} slices"));
    }
    let offsets: Vec<f64> = slices.iter().map(|s| offset(s, first)).collect();
    let mut gaps: Vec<f64> = offsets.windows(2).map(|w| w[1] - w[0]).collect();
    let in_order = gaps.clone();
    gaps.sort_by(f64::total_cmp);
    let median = gaps[(gaps.len() - 1) / 2];
    let tolerance = f64::max(0.01, RELATIVE * median);
    let span = offsets[n - 1];
    // The walk of the positions, per millimetre along the normal.
    let walk = scale(sub(last.plane.origin, first.plane.origin), 1.0 / span);
    let lateral = sub(walk, first.plane.normal);
    let pixel = norm(first.plane.row_step).min(norm(first.plane.col_step));
    let stray = slices
        .iter()
        .zip(&offsets)
        .map(|(s, &o)| norm(sub(sub(s.plane.origin, first.plane.origin), scale(walk, o))))
        .fold(0.0, f64::max);
    if stray > f64::max(0.05, 0.1 * pixel) {
        return Err(ImageError::NotAVolume(format!(
            "the slices wander sideways by up to {stray:.2} mm off a straight line"
        )));
    }
    let sheared = norm(lateral) > SAME_DIRECTION;
    let along = if sheared { walk } else { first.plane.normal };
    if sheared {
        let angle = norm(lateral).atan().to_degrees();
        note(
            findings,
            "gantry_tilt",
            format!("the stack is sheared by {angle:.2}° (gantry tilt); the sheared grid is kept"),
        );
    }
    if in_order.iter().all(|g| (g - median).abs() <= tolerance) {
        let step = scale(along, span / (n - 1) as f64);
        return Ok(LaidOut { grid: grid(n, step)?, sheared, resample: None });
    }
    let multiple = |g: f64| (g / median).round();
    let whole =
        in_order.iter().all(|&g| multiple(g) >= 1.0 && (g - multiple(g) * median).abs() <= tolerance * multiple(g));
    let z = |k: usize| {
        let p = slices[k].plane.origin;
        format!("({:.2}, {:.2}, {:.2})", p[0], p[1], p[2])
    };
    let places: Vec<String> = (0..n - 1)
        .filter(|&k| (in_order[k] - median).abs() > tolerance)
        .map(|k| format!("{:.2} mm between {} and {}", in_order[k], z(k), z(k + 1)))
        .collect();
    let shown = places.iter().take(5).cloned().collect::<Vec<_>>().join("; ");
    let more = if places.len() > 5 { format!("; {} more", places.len() - 5) } else { String::new() };
    let count = (span / median).round() as usize + 1;
    if count > 2 * n {
        return Err(ImageError::NotAVolume(format!(
            "{n} slices, but {count} would be needed at their usual distance of {median:.3} mm: {shown}{more}"
        )));
    }
    if whole {
        note(
            findings,
            "missing_slices",
            format!(
                "{} slices are missing at a distance of {median:.3} mm: {shown}{more}; they were interpolated",
                count - n
            ),
        );
    } else {
        note(
            findings,
            "irregular_spacing",
            format!(
                "slice distances differ from {median:.3} mm: {shown}{more}; the volume was interpolated to equal distances"
            ),
        );
    }
    let distance = span / (count - 1) as f64;
    let sources = (0..count).map(|k| Source::at(k as f64 * distance, &offsets, tolerance)).collect();
    Ok(LaidOut { grid: grid(count, scale(along, distance))?, sheared, resample: Some(sources) })
}
