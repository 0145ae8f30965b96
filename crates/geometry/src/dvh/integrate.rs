//! Integration of dose over the slabs of a stack.

use super::surface::{Extrema, surface_extrema};
use super::{Distribution, Dvh, DvhFlag, DvhOptions, DvhProfile, OutsideGrid};
use crate::dose::{CubicSampler, DoseField, DoseGrid};
use crate::planar::{Region, SpanBuffer};
use crate::stack::Plane;
use crate::{PlaneStack, Vec3};
use rayon::prelude::*;

/// Largest sample distance by default, mm (`min(0.5 mm, extent/40)`).
const PITCH_MM: f64 = 0.5;
/// Samples across the smallest extent.
const PER_EXTENT: f64 = 40.0;

/// Visits samples `(u, v, n)` with their volumes (mm³) that fill the slab of one plane.
///
/// Each slab has layers, each layer scan lines at equal distances, each scan line its exact spans, each span equal cells:
/// samples always lie inside and no cell is partly covered. The lines of a layer are displaced together by multiples of
/// the golden section, the depth of each line and the cells of each line by two other irrational steps, so that over all
/// layers the samples of a dose that rises along one axis fill the steps evenly. `index` is the number of the plane in
/// its stack; the samples depend on it and on the slab only.
pub(crate) fn sample_plane(
    index: usize,
    plane: &Plane,
    region: &Region,
    pitch: f64,
    min_layers: usize,
    mut visit: impl FnMut(Vec3, f64),
) {
    // 1/φ, and the plastic number's ρ⁻¹ and ρ⁻².
    const STEPS: [f64; 3] = [0.6180339887498949, 0.7548776662466927, 0.5698402909980532];
    if region.is_empty() {
        return;
    }
    let [lo, hi] = region.bounds();
    let layers = ((plane.thickness() / pitch).ceil() as usize).max(min_layers).max(1);
    // Small loops still get a few lines.
    let lines = (((hi[1] - lo[1]) / pitch).ceil() as usize).max(8);
    let (dn, dv) = (plane.thickness() / layers as f64, (hi[1] - lo[1]) / lines as f64);
    let mut buffer = SpanBuffer::default();
    for layer in 0..layers {
        let turn = (index * layers + layer) as f64;
        let across = (0.5 + turn * STEPS[0]).fract();
        for line in 0..lines {
            let step = line as f64;
            let depth = (0.5 + step * STEPS[1] + turn * STEPS[2]).fract();
            let along = (0.5 + step * STEPS[2] + turn * STEPS[1]).fract();
            let n = plane.lo + (layer as f64 + depth) * dn;
            let v = lo[1] + (step + across) * dv;
            for &(a, b) in region.spans(v, &mut buffer) {
                let cells = ((b - a) / pitch).ceil().max(1.0);
                let du = (b - a) / cells;
                for cell in 0..cells as usize {
                    visit([a + (cell as f64 + along) * du, v, n], du * dv * dn);
                }
            }
        }
    }
}

struct PlaneSamples {
    // Dose (Gy) and volume (mm³) of covered samples.
    inside: Vec<(f64, f64)>,
    count: usize,
    // Sum of all sample volumes, and of those without dose, mm³.
    all: f64,
    outside: f64,
    // Volume of the slab, mm³.
    volume: f64,
    extrema: Extrema,
}

/// The dose-volume histogram of a structure.
///
/// Cost: proportional to the number of samples (plus, for the cubic profile, the dose voxels: with several structures make
/// one [`CubicSampler`] and use [`dvh_of_field`]). Planes are worked on in parallel; results do not depend on the number of
/// threads. Parts without a dose are handled as the options say and reported as `covered_fraction`.
pub fn dvh(stack: &PlaneStack, dose: &DoseGrid, options: &DvhOptions) -> Dvh {
    match options.profile {
        DvhProfile::SlabTrilinear => dvh_of_field(stack, dose, &dose.sampler(), options),
        DvhProfile::SlabCubic => dvh_of_field(stack, dose, &CubicSampler::new(dose), options),
    }
}

/// [`dvh`] with the dose between the voxels of `dose` given by `field`, which should fit the profile of the options.
pub fn dvh_of_field(stack: &PlaneStack, dose: &DoseGrid, field: &impl DoseField, options: &DvhOptions) -> Dvh {
    let volume_cc = stack.volume_cc();
    let (pitch, wide) = choose_pitch(stack, options);
    let mut flags = Vec::new();
    if wide {
        flags.push(DvhFlag::WidePitch);
    }
    if stack.planes.len() < 4 {
        flags.push(DvhFlag::FewPlanes);
    }
    let mut result = Dvh {
        profile: options.profile.as_str().to_owned(),
        volume_cc,
        covered_fraction: 0.0,
        mean: None,
        min: None,
        max: None,
        dose_voxels: 0,
        pitch_mm: pitch,
        samples: 0,
        flags,
        distribution: Distribution::default(),
    };
    if dose.is_single_plane() {
        result.flags.push(DvhFlag::SinglePlaneDose);
        result.flags.push(DvhFlag::OutsideDoseGrid);
        return result;
    }
    if misses(stack, dose) {
        result.flags.push(DvhFlag::OutsideDoseGrid);
        return result;
    }
    let planes: Vec<PlaneSamples> = (0..stack.planes.len())
        .into_par_iter()
        .map(|k| plane_samples(stack, k, field, pitch, options.min_layers))
        .collect();
    let (nodes, node_extrema) = dose_nodes(stack, dose);
    collect(&mut result, &planes, nodes, node_extrema, options);
    let spacing = dose.spacing();
    let b = stack.local_bounds();
    let extent = (0..3).map(|a| b[1][a] - b[0][a]).fold(f64::INFINITY, f64::min);
    if extent < 3.0 * spacing.iter().copied().fold(0.0, f64::max) {
        result.flags.push(DvhFlag::CoarseDoseGrid);
    }
    result
}

fn collect(result: &mut Dvh, planes: &[PlaneSamples], nodes: usize, at_nodes: Extrema, options: &DvhOptions) {
    let mut covered = 0.0;
    let mut total = 0.0;
    let mut extrema = at_nodes;
    for p in planes {
        extrema.merge(&p.extrema);
        result.samples += p.count;
        if p.all > 0.0 {
            total += p.volume;
            covered += p.volume * (p.all - p.outside) / p.all;
        }
    }
    result.dose_voxels = nodes;
    if !(covered > 0.0 && total > 0.0) {
        result.flags.push(DvhFlag::OutsideDoseGrid);
        return;
    }
    // Nothing outside must not become 0.999… by rounding.
    let all_inside = planes.iter().all(|p| p.outside == 0.0);
    result.covered_fraction = if all_inside { 1.0 } else { (covered / total).min(1.0) };
    if !all_inside {
        result.flags.push(DvhFlag::PartlyOutside);
    }
    if nodes < 10 {
        result.flags.push(DvhFlag::FewDoseVoxels);
    }
    let outside_cc = (1.0 - result.covered_fraction) * result.volume_cc;
    let as_zero = (options.outside == OutsideGrid::Zero && outside_cc > 0.0).then_some((0.0, outside_cc));
    if as_zero.is_some() {
        extrema.add(0.0);
    }
    // The samples of each slab are scaled to its exact volume.
    let samples = planes
        .iter()
        .filter(|p| p.all > 0.0)
        .flat_map(|p| {
            let scale = p.volume / p.all / 1000.0;
            p.inside.iter().map(move |&(d, w)| (d, w * scale))
        })
        .chain(as_zero);
    let (mut sum, mut weight) = (0.0, 0.0);
    for (d, w) in samples.clone() {
        sum += d * w;
        weight += w;
    }
    result.mean = Some(sum / weight);
    result.distribution = Distribution::new(samples, extrema.min, extrema.max);
    result.min = Some(extrema.min);
    result.max = Some(extrema.max);
}

fn plane_samples(
    stack: &PlaneStack,
    index: usize,
    field: &impl DoseField,
    pitch: f64,
    min_layers: usize,
) -> PlaneSamples {
    let plane = &stack.planes[index];
    let region = Region::new(&plane.loops, stack.rule);
    let volume = plane.area_mm2(stack.rule) * plane.thickness();
    let mut out =
        PlaneSamples { inside: Vec::new(), count: 0, all: 0.0, outside: 0.0, volume, extrema: Extrema::default() };
    sample_plane(index, plane, &region, pitch, min_layers, |p, w| {
        out.count += 1;
        out.all += w;
        match field.dose_at(stack.frame.world(p)) {
            Some(d) => {
                out.extrema.add(d);
                out.inside.push((d, w));
            }
            None => out.outside += w,
        }
    });
    surface_extrema(stack, plane, &region, field, pitch, &mut out.extrema);
    out
}

// The bounding boxes do not meet: no need to sample.
fn misses(stack: &PlaneStack, dose: &DoseGrid) -> bool {
    let sampler = dose.sampler();
    let corners = stack.local_corners().map(|c| sampler.coordinates(stack.frame.world(c)));
    let d = dose.dims();
    let ends = [d[0] as f64 - 1.0, d[1] as f64 - 1.0, dose.offsets[d[2] - 1]];
    let starts = [0.0, 0.0, dose.offsets[0]];
    (0..3).any(|a| corners.iter().all(|c| c[a] < starts[a] - 1e-3) || corners.iter().all(|c| c[a] > ends[a] + 1e-3))
}

fn choose_pitch(stack: &PlaneStack, options: &DvhOptions) -> (f64, bool) {
    let b = stack.local_bounds();
    let extent = (0..3).map(|a| b[1][a] - b[0][a]).fold(f64::INFINITY, f64::min);
    let wanted = options.pitch_mm.filter(|p| p.is_finite() && *p > 0.0).unwrap_or((extent / PER_EXTENT).min(PITCH_MM));
    let wanted = wanted.max(1e-3);
    let needed = |p: f64| -> f64 {
        stack
            .planes
            .iter()
            .map(|q| {
                let layers = (q.thickness() / p).ceil().max(options.min_layers as f64);
                q.area_mm2(stack.rule) / (p * p) * layers
            })
            .sum()
    };
    let most = options.max_samples.max(1000) as f64;
    let mut pitch = wanted;
    while needed(pitch) > most {
        pitch *= 1.05;
    }
    (pitch, pitch > wanted)
}

// Dose voxels inside, and the extrema of their values: maxima of a trilinear dose sit on its nodes.
fn dose_nodes(stack: &PlaneStack, dose: &DoseGrid) -> (usize, Extrema) {
    let mut extrema = Extrema::default();
    let mut count = 0;
    let mut note = |inside: bool, value: f32| {
        if inside {
            count += 1;
            if value.is_finite() {
                extrema.add(f64::from(value));
            }
        }
    };
    let mut visit = |grid: &crate::Grid, first: usize| {
        let Some((start, dims)) = stack.window(grid, 0.0) else { return };
        let mask = stack.mask(&grid.window(start, dims));
        for ((k, j, i), m) in mask.data.indexed_iter() {
            note(*m != 0, dose.values[[first + start[2] + k, start[1] + j, start[0] + i]]);
        }
    };
    if let Some(grid) = dose.grid() {
        visit(&grid, 0);
    } else {
        for k in 0..dose.offsets.len() {
            let [nx, ny, _] = dose.dims();
            let step = [dose.row_step, dose.col_step, dose.normal];
            visit(&crate::Grid { dims: [nx, ny, 1], origin: dose.voxel_centre([0, 0, k]), step }, k);
        }
    }
    (count, extrema)
}
