//! From contours to planes.

use super::{ContourFinding, FindingCode, Plane, PlaneStack, StackError};
use crate::frame::{common_normal, unit};
use crate::grid::dot;
use crate::planar::{self, FillRule, Loop, Point2};
use crate::{Contour, ContourKind, PlaneFrame, Vec3};

/// How contours become planes.
#[derive(Clone, Debug, PartialEq)]
pub struct StackOptions {
    /// Normal of the image slices (row × column); `None` fits the planes of the contours.
    pub normal: Option<Vec3>,
    /// How loops of one plane are combined. `CLOSEDPLANAR_XOR` contours are always combined even-odd.
    pub fill: FillRule,
    /// Slice spacing of the image or contour slab thickness, mm: the thickness of a structure on a single plane
    /// (1 mm when not known; a finding says so in any case).
    pub default_thickness: Option<f64>,
    /// The plane spacing where it is known, mm; `None` takes the median distance of neighbouring planes.
    pub spacing: Option<f64>,
    /// Contours closer than this along the normal share a plane, mm; `None` takes a tenth of the spacing, at most
    /// 0.5 mm and at least 0.05 mm.
    pub plane_tolerance: Option<f64>,
    /// Largest distance of a contour's points from its mean plane, mm.
    pub planar_tolerance: f64,
    /// Gaps up to this many spacings are bridged by the neighbouring slabs; wider ones end the piece.
    pub bridge_spacings: f64,
    /// Coordinates beyond this are refused, mm.
    pub max_coordinate: f64,
}

impl Default for StackOptions {
    fn default() -> Self {
        Self {
            normal: None,
            fill: FillRule::EvenOdd,
            default_thickness: None,
            spacing: None,
            plane_tolerance: None,
            planar_tolerance: 0.25,
            bridge_spacings: 1.5,
            max_coordinate: 10_000.0,
        }
    }
}

struct Notes(Vec<ContourFinding>);

impl Notes {
    fn add(&mut self, code: FindingCode, count: usize, text: impl FnOnce() -> String) {
        if count > 0 {
            self.0.push(ContourFinding { code, count, text: text() });
        }
    }
}

// A closed contour after cleaning, with its index in the input.
struct Clean {
    index: usize,
    xor: bool,
    points: Vec<Vec3>,
}

struct Flat {
    position: f64,
    xor: bool,
    points: Loop,
}

impl PlaneStack {
    /// Groups closed contours into planes. Points and open curves are left out with a finding, as are contours with
    /// coordinates that are not numbers, with fewer than three points, or without area, and repeats of a loop.
    ///
    /// # Errors
    /// When no contour is left, when one is not planar or out of range, or when an option makes no sense.
    pub fn from_contours(contours: &[Contour], options: &StackOptions) -> Result<Self, StackError> {
        check_options(options)?;
        let mut notes = Notes(Vec::new());
        let clean = clean(contours, options, &mut notes)?;
        let fitted = common_normal(clean.iter().map(|c| c.points.as_slice()))
            .ok_or(StackError::Empty { given: contours.len() })?;
        let frame =
            choose_frame(&clean, fitted, options, &mut notes).ok_or(StackError::Empty { given: contours.len() })?;
        let flat = flatten(&clean, &frame, options, &mut notes)?;
        if flat.is_empty() {
            return Err(StackError::Empty { given: contours.len() });
        }
        let any_xor = flat.iter().any(|f| f.xor);
        let rule = if any_xor { FillRule::EvenOdd } else { options.fill };
        let groups = group(flat, options);
        let mut planes = measure_planes(groups, rule, &mut notes);
        if planes.is_empty() {
            return Err(StackError::Empty { given: contours.len() });
        }
        let spacing = slabs(&mut planes, options, &mut notes);
        Ok(Self { frame, planes, rule, spacing, findings: notes.0 })
    }
}

fn check_options(o: &StackOptions) -> Result<(), StackError> {
    let positive: [(&'static str, f64); 5] = [
        ("default_thickness", o.default_thickness.unwrap_or(1.0)),
        ("spacing", o.spacing.unwrap_or(1.0)),
        ("plane_tolerance", o.plane_tolerance.unwrap_or(1.0)),
        ("planar_tolerance", o.planar_tolerance),
        ("max_coordinate", o.max_coordinate),
    ];
    for (option, value) in positive {
        if !(value.is_finite() && value > 0.0) {
            return Err(StackError::BadOption { option, value, expected: "a positive number of mm" });
        }
    }
    if o.bridge_spacings.is_nan() || o.bridge_spacings < 1.0 {
        return Err(StackError::BadOption {
            option: "bridge_spacings",
            value: o.bridge_spacings,
            expected: "at least 1 spacing",
        });
    }
    Ok(())
}

fn clean(contours: &[Contour], options: &StackOptions, notes: &mut Notes) -> Result<Vec<Clean>, StackError> {
    let mut out = Vec::with_capacity(contours.len());
    let (mut open, mut nan, mut few) = (0, 0, 0);
    for (index, c) in contours.iter().enumerate() {
        if !c.kind.is_closed() {
            open += 1;
            continue;
        }
        if c.points.iter().flatten().any(|v| !v.is_finite()) {
            nan += 1;
            continue;
        }
        if let Some(&value) = c.points.iter().flatten().find(|v| v.abs() > options.max_coordinate) {
            return Err(StackError::OutOfRange { contour: index, value_mm: value, limit_mm: options.max_coordinate });
        }
        let mut points = c.points.clone();
        while points.len() > 1 && same(points[0], points[points.len() - 1]) {
            points.pop();
        }
        points.dedup_by(|a, b| a == b);
        if points.len() < 3 {
            few += 1;
            continue;
        }
        out.push(Clean { index, xor: c.kind == ContourKind::ClosedPlanarXor, points });
    }
    notes.add(FindingCode::OpenContour, open, || {
        format!("{open} points or open curves bound no volume and were left out.")
    });
    notes.add(FindingCode::NotFinite, nan, || {
        format!("{nan} contours hold coordinates that are not numbers and were left out.")
    });
    notes.add(FindingCode::TooFewPoints, few, || {
        format!("{few} contours have fewer than three distinct points and were left out.")
    });
    if out.is_empty() { Err(StackError::Empty { given: contours.len() }) } else { Ok(out) }
}

fn same(a: Vec3, b: Vec3) -> bool {
    (0..3).all(|c| (a[c] - b[c]).abs() <= 1e-4)
}

fn residual(points: &[Vec3], n: Vec3) -> (f64, f64) {
    let (mut lo, mut hi, mut sum) = (f64::INFINITY, f64::NEG_INFINITY, 0.0);
    for p in points {
        let d = dot(n, *p);
        lo = lo.min(d);
        hi = hi.max(d);
        sum += d;
    }
    let mean = sum / points.len() as f64;
    (mean, (hi - mean).max(mean - lo))
}

// The image normal where the contours follow it; otherwise their own plane.
fn choose_frame(clean: &[Clean], fitted: Vec3, options: &StackOptions, notes: &mut Notes) -> Option<PlaneFrame> {
    let Some(given) = options.normal.and_then(unit) else { return PlaneFrame::from_normal(fitted) };
    let worst = |n: Vec3| clean.iter().map(|c| residual(&c.points, n).1).fold(0.0, f64::max);
    if worst(given) <= options.planar_tolerance || worst(fitted) > options.planar_tolerance {
        return PlaneFrame::from_normal(given);
    }
    let angle = dot(given, fitted).abs().min(1.0).acos().to_degrees();
    notes.add(FindingCode::NotImagePlane, clean.len(), || {
        format!("The contour planes are turned by {angle:.1}° against the image slices; their own planes are used.")
    });
    PlaneFrame::from_normal(fitted)
}

fn flatten(
    clean: &[Clean],
    frame: &PlaneFrame,
    options: &StackOptions,
    notes: &mut Notes,
) -> Result<Vec<Flat>, StackError> {
    let mut out = Vec::with_capacity(clean.len());
    let mut zero = 0;
    for c in clean {
        let (position, off) = residual(&c.points, frame.n);
        if off > options.planar_tolerance {
            return Err(StackError::NonPlanar {
                contour: c.index,
                residual_mm: off,
                allowed_mm: options.planar_tolerance,
            });
        }
        let points: Loop = c.points.iter().map(|p| frame.local(*p)).map(|q| [q[0], q[1]]).collect();
        // A figure eight of two equal lobes has signed area 0 but encloses both.
        if planar::signed_area(&points).abs() < 1e-6 && planar::measure(std::slice::from_ref(&points)).even_odd < 1e-6 {
            zero += 1;
            continue;
        }
        out.push(Flat { position, xor: c.xor, points });
    }
    notes.add(FindingCode::ZeroArea, zero, || format!("{zero} contours enclose no area and were left out."));
    Ok(out)
}

fn group(mut flat: Vec<Flat>, options: &StackOptions) -> Vec<Vec<Flat>> {
    // A stable sort keeps the order of the file within a plane.
    flat.sort_by(|a, b| a.position.total_cmp(&b.position));
    let positions: Vec<f64> = flat.iter().map(|f| f.position).collect();
    let tolerance = options.plane_tolerance.unwrap_or_else(|| {
        let spacing = options.spacing.or_else(|| median_gap(&positions, 0.05)).unwrap_or(0.0);
        // Contours that differ by 0.1 mm look like planes 0.1 mm apart until a wider spacing is found.
        let spacing = median_gap(&positions, (0.1 * spacing).max(0.11)).unwrap_or(spacing);
        (0.1 * spacing).clamp(0.05, 0.5)
    });
    let mut groups: Vec<(f64, Vec<Flat>)> = Vec::new();
    for f in flat {
        match groups.last_mut() {
            Some((first, members)) if f.position - *first <= tolerance => members.push(f),
            _ => groups.push((f.position, vec![f])),
        }
    }
    groups.into_iter().map(|(_, members)| members).collect()
}

// Median of the gaps wider than `least` in sorted positions.
fn median_gap(positions: &[f64], least: f64) -> Option<f64> {
    let mut gaps: Vec<f64> = positions.windows(2).map(|w| w[1] - w[0]).filter(|g| *g > least).collect();
    median(&mut gaps)
}

fn median(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let m = values.len() / 2;
    Some(if values.len() % 2 == 1 { values[m] } else { 0.5 * (values[m - 1] + values[m]) })
}

fn measure_planes(groups: Vec<Vec<Flat>>, rule: FillRule, notes: &mut Notes) -> Vec<Plane> {
    let mut duplicates = 0;
    let (mut crossing, mut overlap, mut disagree) = (0, 0, 0);
    let (mut overlap_mm2, mut even_odd, mut union) = (0.0, 0.0, 0.0);
    let mut planes = Vec::with_capacity(groups.len());
    for members in groups {
        let mut position = 0.0;
        let mut loops: Vec<Loop> = Vec::with_capacity(members.len());
        let mut kinds: Vec<bool> = Vec::with_capacity(members.len());
        for f in members {
            // Two equal loops of the exclusive-or kind are meant to cancel.
            if !f.xor && loops.iter().zip(&kinds).any(|(l, x)| !x && same_loop(l, &f.points)) {
                duplicates += 1;
                continue;
            }
            position += f.position;
            loops.push(f.points);
            kinds.push(f.xor);
        }
        position /= loops.len().max(1) as f64;
        let m = planar::measure(&loops);
        let limit = 1e-3 * m.union;
        if m.union - m.even_odd > limit {
            disagree += 1;
            even_odd += m.even_odd;
            union += m.union;
            if m.loops_cross || partly_overlap(&loops) {
                overlap += 1;
                overlap_mm2 += m.union - m.even_odd;
            }
        }
        crossing += usize::from(m.self_crossing);
        if m.area(rule) <= 0.0 {
            continue;
        }
        planes.push(Plane {
            position,
            lo: position,
            hi: position,
            open_lo: false,
            open_hi: false,
            loops,
            even_odd_mm2: m.even_odd,
            union_mm2: m.union,
            centroid: m.centroid(rule),
        });
    }
    notes.add(FindingCode::DuplicateLoop, duplicates, || {
        format!("{duplicates} contours repeat another contour of their plane and were removed.")
    });
    notes.add(FindingCode::SelfCrossing, crossing, || {
        format!("On {crossing} planes a contour crosses itself; the even-odd rule was used.")
    });
    notes.add(FindingCode::RuleDisagreement, disagree, || {
        format!(
            "On {disagree} planes the reading of nested or overlapping contours matters: {even_odd:.1} mm² even-odd, \
             {union:.1} mm² as union."
        )
    });
    notes.add(FindingCode::PartialOverlap, overlap, || {
        format!(
            "On {overlap} planes contours overlap without one containing the other ({overlap_mm2:.1} mm² in question)."
        )
    });
    planes
}

// Two loops share area and neither contains the other. (Crossings alone do not tell: edges may meet in vertices.)
fn partly_overlap(loops: &[Loop]) -> bool {
    const MOST: usize = 32;
    let boxes: Vec<[Point2; 2]> = loops.iter().map(|l| planar::bounds(std::slice::from_ref(l))).collect();
    let meet = |a: &[Point2; 2], b: &[Point2; 2]| (0..2).all(|c| a[0][c] < b[1][c] && b[0][c] < a[1][c]);
    let areas: Vec<f64> = loops.iter().map(|l| planar::measure(std::slice::from_ref(l)).even_odd).collect();
    (0..loops.len().min(MOST)).any(|i| {
        (i + 1..loops.len().min(MOST)).any(|j| {
            let limit = 1e-3 * areas[i].min(areas[j]);
            let shared = || areas[i] + areas[j] - planar::measure(&[loops[i].clone(), loops[j].clone()]).union;
            meet(&boxes[i], &boxes[j]) && {
                let s = shared();
                s > limit && s < areas[i].min(areas[j]) - limit
            }
        })
    })
}

// The same points up to the starting point and the direction, within the rounding of a file.
fn same_loop(a: &[Point2], b: &[Point2]) -> bool {
    const TOLERANCE: f64 = 5e-3;
    let n = a.len();
    if n != b.len() {
        return false;
    }
    let near = |p: Point2, q: Point2| (p[0] - q[0]).abs() <= TOLERANCE && (p[1] - q[1]).abs() <= TOLERANCE;
    (0..n)
        .filter(|&s| near(a[0], b[s]))
        .any(|s| (0..n).all(|k| near(a[k], b[(s + k) % n])) || (0..n).all(|k| near(a[k], b[(s + n - k) % n])))
}

// Sets the slab faces; returns the spacing.
fn slabs(planes: &mut [Plane], options: &StackOptions, notes: &mut Notes) -> f64 {
    let positions: Vec<f64> = planes.iter().map(|p| p.position).collect();
    let Some(median) = median_gap(&positions, 0.0) else {
        let h = options.spacing.or(options.default_thickness).unwrap_or(1.0);
        planes[0].lo = positions[0] - 0.5 * h;
        planes[0].hi = positions[0] + 0.5 * h;
        planes[0].open_lo = true;
        planes[0].open_hi = true;
        notes.add(FindingCode::SinglePlane, 1, || {
            format!("The structure lies on one plane; a thickness of {h} mm is assumed.")
        });
        return h;
    };
    let spacing = options.spacing.unwrap_or(median);
    let limit = options.bridge_spacings * spacing * (1.0 + 1e-9);
    let last = planes.len() - 1;
    let (mut gaps, mut widest, mut uneven) = (0, 0.0f64, 0);
    for k in 0..=last {
        let below = (k > 0).then(|| positions[k] - positions[k - 1]);
        let above = (k < last).then(|| positions[k + 1] - positions[k]);
        let bridged = |g: Option<f64>| g.filter(|g| *g <= limit);
        // An end reaches as far as the slab on its other side, so that locally different spacings keep their caps.
        let end = 0.5 * bridged(above).or(bridged(below)).unwrap_or(spacing);
        let p = &mut planes[k];
        p.open_lo = bridged(below).is_none();
        p.open_hi = bridged(above).is_none();
        p.lo = if p.open_lo { p.position - end } else { 0.5 * (positions[k] + positions[k - 1]) };
        p.hi = if p.open_hi { p.position + end } else { 0.5 * (positions[k] + positions[k + 1]) };
        if let Some(g) = above {
            if g > limit {
                gaps += 1;
                widest = widest.max(g);
            } else if (g - spacing).abs() > 0.05 * spacing + 0.02 {
                uneven += 1;
            }
        }
    }
    notes.add(FindingCode::PlaneGap, gaps, || {
        format!(
            "{gaps} gaps between contour planes (widest {widest:.1} mm at a spacing of {spacing:.2} mm) are not bridged."
        )
    });
    notes.add(FindingCode::UnevenSpacing, uneven, || {
        format!("{uneven} plane distances differ from the spacing of {spacing:.2} mm by more than 5 %.")
    });
    if let Some(slice) = options.default_thickness.filter(|s| median > 1.5 * s) {
        notes.add(FindingCode::SparsePlanes, planes.len(), || {
            format!("Contours are {median:.2} mm apart while the image slices are {slice:.2} mm apart.")
        });
    }
    spacing
}
