//! The patient's outline without couch.

use super::gates::{Gate, GateCode, accepted};
use super::morphology::{Block, bounding_box, components, dilate, erode, fill_holes, largest_part};
use super::{ClassicalError, check_grid, slice_axis};
use crate::{Grid, Mask, Volume};

/// Tissue is above this value, HU; anything from −400 to −250 gives the same outline.
const TISSUE_HU: f32 = -300.0;
/// Radius of the opening that cuts couch, cables and blankets off, mm.
const OPENING_MM: f64 = 6.0;

/// The body with its quality gates.
#[derive(Clone, Debug, PartialEq)]
pub struct BodySegmentation {
    /// The body, holes (lungs, bowel gas) filled; `None` when a decisive gate failed.
    pub mask: Option<Mask>,
    /// What was checked.
    pub gates: Vec<Gate>,
    /// Volume of what looked like tissue and was left out (couch, accessories), cm³.
    pub removed_cc: f64,
}

/// Finds the body in a CT: threshold, opening by 6 mm, largest part, holes filled slice by slice.
///
/// `hu` must be calibrated in HU. Sides of the image that cut the body (more than 30 % of the side is tissue) close the
/// outline, so that lungs cut by a small field of view count as inside.
///
/// # Errors
/// When the grid is sheared or has fewer than three voxels along an axis.
pub fn segment_body(hu: &Volume<f32>) -> Result<BodySegmentation, ClassicalError> {
    let grid = &hu.grid;
    check_grid(grid)?;
    let mut gates = Vec::new();
    let tissue: Vec<u8> = hu.values().iter().map(|&v| u8::from(v > TISSUE_HU)).collect();
    let Some(bounds) = bounding_box(&tissue, grid.dims) else {
        gates.push(volume_gate(0.0));
        return Ok(BodySegmentation { mask: None, gates, removed_cc: 0.0 });
    };
    let block = Block::around(bounds, [1.0; 3], grid.dims, grid.spacing(), 0.0);
    let threshold = block.cut(&tissue, grid.dims, 0);
    let mut body = opened_body(&threshold, &block, grid);
    let (axis, _) = slice_axis(grid);
    let voxel_cc = grid.voxel_volume_mm3() / 1000.0;
    let count = |m: &[u8]| m.iter().filter(|&&v| v != 0).count() as f64 * voxel_cc;
    // Couch and accessories: tissue-like voxels that are neither body nor enclosed by it.
    let cut_sides = cut_sides(&body, &block, grid.dims, axis);
    fill_holes(&mut body, block.dims, axis, cut_sides);
    let left_out: Vec<u8> = threshold.iter().zip(&body).map(|(&t, &b)| u8::from(t != 0 && b == 0)).collect();
    let removed_cc = count(&left_out);
    let mut whole = vec![0u8; grid.len()];
    block.paste(&body, &mut whole, grid.dims);
    let body_cc = count(&whole);

    gates.push(volume_gate(body_cc));
    gates.extend(slice_gates(&whole, grid, axis));
    let share = if body_cc > 0.0 { removed_cc / body_cc } else { 0.0 };
    gates.push(Gate::new(
        GateCode::CouchVolume,
        share < 0.25,
        true,
        share,
        format!("Tissue-like matter outside the body is {:.0} % of its volume (limit 25 %)", share * 100.0),
    ));
    gates.push(air_gate(hu, &whole));
    let ok = accepted(&gates);
    Ok(BodySegmentation { mask: ok.then(|| Mask::from_vec(grid.clone(), whole)), gates, removed_cc })
}

fn opened_body(threshold: &[u8], block: &Block, grid: &Grid) -> Vec<u8> {
    let spacing = block.spacing;
    let core = erode(threshold, block.dims, spacing, OPENING_MM);
    let Some(core) = largest_part(&core, block.dims) else {
        // Thinner than the opening everywhere (a phantom, one slice of paper): take the largest part as it is.
        return largest_part(threshold, block.dims).unwrap_or_else(|| threshold.to_vec());
    };
    let reach = OPENING_MM + 1.5 * spacing.iter().copied().fold(0.0, f64::max);
    let mut body = dilate(&core, block.dims, spacing, reach);
    for (b, &t) in body.iter_mut().zip(threshold) {
        *b &= t;
    }
    remove_slabs(&mut body, &core, block, grid);
    largest_part(&body, block.dims).unwrap_or(body)
}

/// Takes away what the re-growth picked up of a couch top: flat wide parts outside the opened body.
fn remove_slabs(body: &mut [u8], core: &[u8], block: &Block, grid: &Grid) {
    let opened = dilate(core, block.dims, block.spacing, OPENING_MM);
    let rest: Vec<u8> = body.iter().zip(&opened).map(|(&b, &o)| u8::from(b != 0 && o == 0)).collect();
    let parts = components(&rest, block.dims);
    let direction = grid.direction();
    let along = |c: usize| (0..3).max_by(|&a, &b| direction[a][c].abs().total_cmp(&direction[b][c].abs())).unwrap_or(c);
    let (x, y) = (along(0), along(1));
    let wide: Vec<bool> = parts
        .boxes
        .iter()
        .map(|b| {
            let extent = |a: usize| (b[a][1] - b[a][0] + 1) as f64 * block.spacing[a];
            extent(x) > 300.0 && extent(y) < 60.0
        })
        .collect();
    if wide.iter().any(|&w| w) {
        for (b, &label) in body.iter_mut().zip(&parts.labels) {
            if label > 0 && wide[label as usize - 1] {
                *b = 0;
            }
        }
    }
}

/// Faces of the image (low and high side of each axis) that cut the body: over 30 % of the side's lines are body.
fn cut_sides(body: &[u8], block: &Block, dims: [usize; 3], slice_axis: usize) -> [[bool; 2]; 3] {
    let mut out = [[false; 2]; 3];
    let bd = block.dims;
    for axis in (0..3).filter(|&a| a != slice_axis) {
        for (side, flag) in out[axis].iter_mut().enumerate() {
            let at = if side == 0 { 0 } else { bd[axis] - 1 };
            let on_face = block.start[axis] + at as isize == if side == 0 { 0 } else { dims[axis] as isize - 1 };
            if !on_face {
                continue;
            }
            let (mut total, mut inside) = (0usize, 0usize);
            let (u, v) = ((axis + 1) % 3, (axis + 2) % 3);
            for p in 0..bd[u] {
                for q in 0..bd[v] {
                    let mut at3 = [0; 3];
                    (at3[axis], at3[u], at3[v]) = (at, p, q);
                    total += 1;
                    inside += usize::from(body[block.at(at3)] != 0);
                }
            }
            *flag = inside as f64 > 0.3 * total as f64;
        }
    }
    out
}

fn volume_gate(cc: f64) -> Gate {
    let litres = cc / 1000.0;
    let ok = (2.0..=250.0).contains(&litres);
    Gate::new(GateCode::BodyVolume, ok, true, litres, format!("Body volume is {litres:.1} L (2 to 250 L)"))
}

/// No empty slice inside, and no sudden change of area except at the ends.
fn slice_gates(body: &[u8], grid: &Grid, axis: usize) -> [Gate; 2] {
    let d = grid.dims;
    let mut area = vec![0usize; d[axis]];
    for (n, &v) in body.iter().enumerate() {
        if v != 0 {
            let at = [n % d[0], n / d[0] % d[1], n / (d[0] * d[1])];
            area[at[axis]] += 1;
        }
    }
    let first = area.iter().position(|&a| a > 0).unwrap_or(0);
    let last = area.iter().rposition(|&a| a > 0).unwrap_or(0);
    let gaps = area[first..=last].iter().filter(|&&a| a == 0).count();
    let dz = grid.spacing()[axis];
    // Ends are rounded: the top of a head grows by more than a third from slice to slice.
    let ends = (12.0 / dz).ceil() as usize;
    let limit = 0.35 * (dz / 5.0).max(1.0);
    let mut worst = 0.0_f64;
    for k in first + ends..last.saturating_sub(ends) {
        let (a, b) = (area[k] as f64, area[k + 1] as f64);
        if a > 0.0 && b > 0.0 {
            worst = worst.max((a - b).abs() / a.max(b));
        }
    }
    [
        Gate::new(
            GateCode::BodyContinuous,
            gaps == 0,
            true,
            gaps as f64,
            format!("{gaps} slices between the ends of the body are empty (limit 0)"),
        ),
        Gate::new(
            GateCode::BodyAreaChange,
            worst < limit,
            true,
            worst,
            format!(
                "Body area changes by at most {:.0} % between neighbouring slices (limit {:.0} %)",
                worst * 100.0,
                limit * 100.0
            ),
        ),
    ]
}

/// Air around the body should be near −1000 HU; padding values are taken as air.
fn air_gate(hu: &Volume<f32>, body: &[u8]) -> Gate {
    let mut air: Vec<f32> =
        hu.values().iter().zip(body).filter(|(v, b)| **b == 0 && v.is_finite()).map(|(&v, _)| v.max(-1000.0)).collect();
    if air.is_empty() {
        return Gate::new(GateCode::AirValue, true, false, f64::NAN, "No voxel lies outside the body".to_owned());
    }
    let mid = air.len() / 2;
    let (_, median, _) = air.select_nth_unstable_by(mid, f32::total_cmp);
    let median = f64::from(*median);
    Gate::new(
        GateCode::AirValue,
        (-1100.0..=-900.0).contains(&median),
        false,
        median,
        format!("Median outside the body is {median:.0} HU (−1100 to −900 HU)"),
    )
}
