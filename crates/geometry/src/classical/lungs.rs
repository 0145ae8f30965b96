//! Lungs inside a body mask, left and right by patient side.

use super::airway::find_airway;
use super::gates::{Gate, GateCode, accepted};
use super::morphology::{Block, bounding_box, close, components, dilate, fill_holes};
use super::split::split_sides;
use super::{ClassicalError, check_grid, slice_axis};
use crate::{Mask, Volume};

/// Aerated tissue is below this value, HU (best of −300 to −600 against a reference segmentation).
const AIR_HU: f32 = -400.0;
/// Smallest part that can be lung, cm³.
const SMALLEST_CC: f64 = 20.0;
/// Median of a part that can be lung, HU; bowel gas lies below (−965 to −980).
const LUNG_MEDIAN_HU: std::ops::RangeInclusive<f32> = -930.0..=-500.0;
/// Closing that brings vessels back, mm.
const CLOSING_MM: f64 = 8.0;

/// Both lungs and the airway with their quality gates.
#[derive(Clone, Debug, PartialEq)]
pub struct LungSegmentation {
    /// The lung on the patient's left (larger LPS x); `None` when not found or not trusted.
    pub left: Option<Mask>,
    /// The lung on the patient's right.
    pub right: Option<Mask>,
    /// Trachea and large bronchi, taken out of the lungs; `None` when not found or not trusted.
    pub airway: Option<Mask>,
    /// The lungs touch the lowest or highest slice: the scan does not hold them whole.
    pub incomplete: bool,
    /// What was checked.
    pub gates: Vec<Gate>,
}

/// Finds the lungs in a CT: air inside the body in parts over 20 cm³ whose median is that of lung (not of bowel gas),
/// airway removed, split into left and right, closed by 8 mm, holes filled slice by slice.
///
/// # Errors
/// When the grid is sheared or too small, or the mask lies on another grid.
pub fn segment_lungs(hu: &Volume<f32>, body: &Mask) -> Result<LungSegmentation, ClassicalError> {
    let grid = &hu.grid;
    check_grid(grid)?;
    if !body.grid.same_as(grid, 1e-3) {
        return Err(ClassicalError::GridMismatch);
    }
    let mut result = LungSegmentation { left: None, right: None, airway: None, incomplete: false, gates: Vec::new() };
    let air: Vec<u8> = hu.values().iter().zip(body.values()).map(|(&v, &b)| u8::from(b != 0 && v < AIR_HU)).collect();
    let Some(bounds) = bounding_box(&air, grid.dims) else {
        result.gates.push(found_gate(0));
        return Ok(result);
    };
    let (axis, upward) = slice_axis(grid);
    // The closing needs room beyond the lungs, also beyond the image.
    let block = Block::around(bounds, [CLOSING_MM; 3], grid.dims, grid.spacing(), CLOSING_MM);
    let air = block.cut(&air, grid.dims, 0);
    let values = block.cut(hu.values(), grid.dims, 0.0);
    let inside = block.cut(body.values(), grid.dims, 0);
    let voxel_cc = grid.voxel_volume_mm3() / 1000.0;
    let smallest = (SMALLEST_CC / voxel_cc).ceil() as usize;

    let (mut lung, parts) = lung_parts(&air, &values, block.dims, smallest);
    result.gates.push(found_gate(parts));
    if parts == 0 {
        return Ok(result);
    }
    let airway = find_airway(&values, &lung, &inside, &block, grid, axis, upward);
    if let Some(way) = &airway {
        let cc = way.iter().filter(|&&v| v != 0).count() as f64 * voxel_cc;
        let plausible = (5.0..=80.0).contains(&cc);
        result.gates.push(Gate::new(
            GateCode::AirwayVolume,
            plausible,
            false,
            cc,
            format!("Airway volume is {cc:.0} cm³ (5 to 80 cm³)"),
        ));
        if plausible {
            let wide = dilate(way, block.dims, block.spacing, 2.0);
            for n in 0..lung.len() {
                if wide[n] != 0 && values[n] < -600.0 {
                    lung[n] = 0;
                }
            }
            lung = lung_parts(&lung, &values, block.dims, smallest).0;
        }
        if plausible {
            let mut whole = vec![0u8; grid.len()];
            block.paste(way, &mut whole, grid.dims);
            result.airway = Some(Mask::from_vec(grid.clone(), whole));
        }
    }
    let midline = midline_x(&inside, &block, grid);
    let Some(mut sides) = split_sides(&lung, &block, grid, midline) else {
        result.gates.push(Gate::new(
            GateCode::LungSides,
            false,
            true,
            0.0,
            "Left and right lung could not be told apart".to_owned(),
        ));
        return Ok(result);
    };
    let airway_voxels = result.airway.as_ref().map(|m| block.cut(m.values(), grid.dims, 0));
    for side in 0..2 {
        let mut whole = close(&sides[side], block.dims, block.spacing, CLOSING_MM);
        fill_holes(&mut whole, block.dims, axis, [[false; 2]; 3]);
        for n in 0..whole.len() {
            let other = sides[1 - side][n] != 0;
            let way = airway_voxels.as_ref().is_some_and(|a| a[n] != 0);
            let own = sides[side][n] != 0;
            whole[n] = u8::from(own || (whole[n] != 0 && inside[n] != 0 && !other && !way));
        }
        sides[side] = whole;
    }
    result.gates.extend(side_gates(&sides, &values, &block, grid, axis, &mut result.incomplete));
    if accepted(&result.gates) {
        let [right, left] = sides.map(|s| {
            let mut whole = vec![0u8; grid.len()];
            block.paste(&s, &mut whole, grid.dims);
            Some(Mask::from_vec(grid.clone(), whole)).filter(|m| m.values().iter().any(|&v| v != 0))
        });
        (result.left, result.right) = (left, right);
    } else {
        result.airway = None;
    }
    Ok(result)
}

/// Parts that are large enough and whose median is that of lung, and their number.
fn lung_parts(air: &[u8], values: &[f32], dims: [usize; 3], smallest: usize) -> (Vec<u8>, usize) {
    let parts = components(air, dims);
    let mut lists: Vec<Vec<f32>> =
        parts.sizes.iter().map(|&s| if s >= smallest { Vec::with_capacity(s) } else { Vec::new() }).collect();
    for (&label, &v) in parts.labels.iter().zip(values) {
        if label > 0 && parts.sizes[label as usize - 1] >= smallest {
            lists[label as usize - 1].push(v);
        }
    }
    let keep: Vec<bool> = lists
        .iter_mut()
        .map(|list| {
            let mid = list.len() / 2;
            !list.is_empty() && LUNG_MEDIAN_HU.contains(list.select_nth_unstable_by(mid, f32::total_cmp).1)
        })
        .collect();
    let mask = parts.labels.iter().map(|&l| u8::from(l > 0 && keep[l as usize - 1])).collect();
    (mask, keep.iter().filter(|&&k| k).count())
}

/// Patient x (LPS, mm) of the middle of the body, the mean over all its voxels.
fn midline_x(inside: &[u8], block: &Block, grid: &crate::Grid) -> f64 {
    let (mut sum, mut count) = ([0.0; 3], 0.0);
    for (n, _) in inside.iter().enumerate().filter(|(_, v)| **v != 0) {
        let [i, j, k] = block.position(n);
        sum = [sum[0] + i as f64, sum[1] + j as f64, sum[2] + k as f64];
        count += 1.0;
    }
    let mean = [0, 1, 2].map(|a| sum[a] / f64::max(count, 1.0) + block.start[a] as f64);
    grid.world(mean)[0]
}

fn found_gate(parts: usize) -> Gate {
    Gate::new(
        GateCode::LungFound,
        parts > 0,
        true,
        parts as f64,
        format!("{parts} parts of the body have the size and the values of lung (at least 1)"),
    )
}

/// Gates on both lungs together; `sides` is right, left.
fn side_gates(
    sides: &[Vec<u8>; 2],
    values: &[f32],
    block: &Block,
    grid: &crate::Grid,
    axis: usize,
    incomplete: &mut bool,
) -> Vec<Gate> {
    let voxel_l = grid.voxel_volume_mm3() / 1e6;
    let litres = [0, 1].map(|s| sides[s].iter().filter(|&&v| v != 0).count() as f64 * voxel_l);
    let total = litres[0] + litres[1];
    let (mut low, mut high, mut sum, mut count) = (false, false, 0.0, 0.0);
    for (n, &value) in values.iter().enumerate() {
        if sides[0][n] == 0 && sides[1][n] == 0 {
            continue;
        }
        let at = block.position(n)[axis] as isize + block.start[axis];
        low |= at == 0;
        high |= at == grid.dims[axis] as isize - 1;
        sum += f64::from(value);
        count += 1.0;
    }
    *incomplete = low || high;
    let mean = sum / f64::max(count, 1.0);
    // A scan of the abdomen holds the bases only.
    let smallest = if *incomplete { 0.05 } else { 1.0 };
    let mut gates = vec![
        Gate::new(
            GateCode::LungVolume,
            (smallest..=9.0).contains(&total),
            true,
            total,
            format!("Lung volume is {total:.2} L ({smallest} to 9 L)"),
        ),
        Gate::new(
            GateCode::LungMeanHu,
            (-900.0..=-500.0).contains(&mean),
            true,
            mean,
            format!("Mean of the lungs is {mean:.0} HU (−900 to −500 HU)"),
        ),
        Gate::new(
            GateCode::LungFieldOfView,
            !*incomplete,
            false,
            f64::from(u8::from(low)) + f64::from(u8::from(high)),
            if *incomplete {
                "The lungs reach the first or last slice of the scan".to_owned()
            } else {
                "The scan holds both lungs whole".to_owned()
            },
        ),
    ];
    let ratio = litres[0] / litres[1];
    if ratio.is_finite() && ratio > 0.0 {
        gates.push(Gate::new(
            GateCode::LungRatio,
            (0.7..=1.8).contains(&ratio),
            !*incomplete,
            ratio,
            format!("Right lung has {ratio:.2} times the volume of the left (0.7 to 1.8)"),
        ));
    } else {
        gates.push(Gate::new(GateCode::LungRatio, false, false, ratio, "Only one lung was found".to_owned()));
    }
    gates
}
