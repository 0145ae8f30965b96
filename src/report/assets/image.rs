//! Image series → one grey JPEG per slice of values companded to 8 bits.

use super::super::ReportError;
use super::body::body_box;
use super::pack::base64;
use jpeg_encoder::{ColorType, Encoder};
use rayon::prelude::*;
use rtpipeline_geometry::{Grid, Vec3, Volume};
use serde::{Deserialize, Serialize};

/// What the values of an image mean; decides companding and windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageKind {
    /// Hounsfield units.
    #[default]
    Ct,
    /// Arbitrary units; 0.5 to 99.5 percentiles are shown.
    Mr,
    /// SUVbw (or the stored unit when that is not known).
    Pet,
}

/// A display window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Button text.
    pub name: String,
    /// Centre, image unit.
    pub level: f64,
    /// Width, image unit.
    pub width: f64,
}

/// One step of the size ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    /// Largest in-plane matrix; larger ones are averaged in blocks.
    pub matrix: usize,
    /// JPEG quality.
    pub quality: u8,
    /// Every n-th slice is kept.
    pub every: usize,
}

const fn rung(matrix: usize, quality: u8, every: usize) -> Rung {
    Rung { matrix, quality, every }
}

/// From best to smallest; the first that fits the budget is taken.
pub(super) const LADDER: [Rung; 9] = [
    rung(512, 90, 1),
    rung(512, 80, 1),
    rung(256, 90, 1),
    rung(256, 80, 1),
    rung(256, 80, 2),
    rung(256, 80, 4),
    rung(128, 80, 4),
    rung(128, 80, 8),
    rung(128, 60, 16),
];

/// How an image is encoded.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageOptions {
    /// Shown above the picture; no dates or names where privacy forbids them.
    pub label: String,
    /// Largest sum of the base64 texts, bytes.
    pub budget: usize,
    /// Rungs of the ladder to skip: 0 for the planning image, 3 (256², quality 80) for further series.
    pub skip_rungs: usize,
    /// Cut to the box of the patient and 10 mm.
    pub crop: bool,
    /// Points that must stay inside when cropped (for instance corners of structures), mm LPS.
    pub include: Vec<Vec3>,
    /// Slices of the volume that the series does not have; they are hatched.
    pub missing_slices: Vec<usize>,
    /// True when dose and contours may be laid over this image (same frame of reference).
    pub same_frame: bool,
}

impl Default for ImageOptions {
    fn default() -> Self {
        Self {
            label: String::new(),
            budget: 6_500_000,
            skip_rungs: 0,
            crop: true,
            include: Vec::new(),
            missing_slices: Vec::new(),
            same_frame: true,
        }
    }
}

/// An encoded image series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageBlock {
    /// Meaning of the values.
    pub kind: ImageKind,
    /// Label as given.
    pub label: String,
    /// Unit of the values: `HU`, `SUV` or empty.
    pub unit: String,
    /// Grid of the stored slices: cropped, averaged, orthogonal.
    pub grid: Grid,
    /// Companding: value → code, linear between the points, ascending.
    pub companding: Vec<(f64, u8)>,
    /// Presets, the first is used at start.
    pub windows: Vec<Window>,
    /// JPEG quality and size of the rung taken.
    pub rung: Rung,
    /// One sentence on what was done to the image: size of a pixel, JPEG, slices left out, tilt resampled.
    pub remark: String,
    /// Overlays may be drawn on it.
    pub same_frame: bool,
    /// One base64 JPEG per slice; empty where the series has no slice.
    pub slices: Vec<String>,
}

impl ImageBlock {
    /// Bytes of base64.
    pub fn size(&self) -> usize {
        self.slices.iter().map(String::len).sum()
    }
}

/// Companding of CT: 3.3 HU a step in soft tissue, 20 in lung, 23 in bone, 131 in metal.
pub(super) const CT_COMPANDING: [(f64, u8); 5] =
    [(-1024.0, 0), (-200.0, 41), (300.0, 191), (1500.0, 243), (3071.0, 255)];

/// Encodes a volume: tilted stacks become orthogonal, air around the patient is cut off, values become 8-bit codes,
/// every slice a grey JPEG; the first rung of the ladder that fits the budget is taken.
///
/// # Errors
/// When the image has no voxel, when its in-plane axes are not perpendicular, or when no rung fits.
pub fn encode_image(volume: &Volume<f32>, kind: ImageKind, options: &ImageOptions) -> Result<ImageBlock, ReportError> {
    let what = || if options.label.is_empty() { "the image".to_owned() } else { options.label.clone() };
    if volume.grid.is_empty() {
        return Err(ReportError::input(what(), "it has no voxel"));
    }
    let straight = straighten(volume).map_err(|reason| ReportError::input(what(), reason))?;
    let (volume, tilted) = straight.as_ref().map_or((volume, false), |v| (v, true));
    let scale = Scale::of(volume, kind);
    let window = if options.crop { crop_box(volume, &scale, options) } else { whole(&volume.grid) };
    for rung in LADDER.iter().skip(options.skip_rungs.min(LADDER.len() - 1)) {
        let plan = Plan::new(&volume.grid, window, *rung);
        if plan.estimate(volume, &scale)? > options.budget + options.budget / 16 {
            continue;
        }
        let slices = plan.encode(volume, &scale, &options.missing_slices)?;
        if slices.iter().map(String::len).sum::<usize>() > options.budget {
            continue;
        }
        let remark = plan.remark(volume.grid.dims[2], tilted);
        return Ok(ImageBlock {
            kind,
            label: options.label.clone(),
            unit: match kind {
                ImageKind::Ct => "HU",
                ImageKind::Mr => "",
                ImageKind::Pet => "SUV",
            }
            .to_owned(),
            grid: plan.grid(&volume.grid),
            companding: scale.points,
            windows: scale.windows,
            rung: *rung,
            remark,
            same_frame: options.same_frame,
            slices,
        });
    }
    Err(ReportError::input(what(), format!("no rung of the size ladder fits {} bytes", options.budget)))
}

fn whole(grid: &Grid) -> [usize; 4] {
    [0, grid.dims[0], 0, grid.dims[1]]
}

fn crop_box(volume: &Volume<f32>, scale: &Scale, options: &ImageOptions) -> [usize; 4] {
    let mut b = body_box(volume, scale.body, 10.0);
    let [nx, ny, _] = volume.grid.dims;
    for p in &options.include {
        let [i, j, _] = volume.grid.index(*p);
        if i.is_finite() && j.is_finite() {
            b[0] = b[0].min(i.floor().clamp(0.0, (nx - 1) as f64) as usize);
            b[1] = b[1].max((i.ceil().clamp(0.0, (nx - 1) as f64) as usize) + 1);
            b[2] = b[2].min(j.floor().clamp(0.0, (ny - 1) as f64) as usize);
            b[3] = b[3].max((j.ceil().clamp(0.0, (ny - 1) as f64) as usize) + 1);
        }
    }
    b
}

/// Value range, companding table and windows of one image.
pub(super) struct Scale {
    pub(super) points: Vec<(f64, u8)>,
    pub(super) windows: Vec<Window>,
    /// Values above belong to the patient.
    pub(super) body: f32,
}

impl Scale {
    pub(super) fn of(volume: &Volume<f32>, kind: ImageKind) -> Self {
        let win = |name: &str, level: f64, width: f64| Window { name: name.to_owned(), level, width };
        match kind {
            ImageKind::Ct => Self {
                points: CT_COMPANDING.to_vec(),
                windows: vec![
                    win("soft tissue", 40.0, 400.0),
                    win("lung", -600.0, 1500.0),
                    win("bone", 400.0, 1800.0),
                    win("brain", 40.0, 80.0),
                ],
                body: -400.0,
            },
            ImageKind::Mr => {
                let [low, high] = percentiles(volume, [0.005, 0.995]);
                let high = if high > low { high } else { low + 1.0 };
                let (low, high) = (low as f64, high as f64);
                Self {
                    points: vec![(low, 0), (high, 255)],
                    windows: vec![
                        win("full range", f64::midpoint(low, high), high - low),
                        win("darker half", low + 0.25 * (high - low), 0.5 * (high - low)),
                        win("brighter half", low + 0.75 * (high - low), 0.5 * (high - low)),
                    ],
                    body: (low + 0.1 * (high - low)) as f32,
                }
            }
            ImageKind::Pet => {
                let [p] = percentiles(volume, [0.999]);
                let top = (p as f64).max(20.0);
                // A square root scale, piecewise linear: fine steps where uptake is low.
                let points = (0..=16).map(|n| (top * (n as f64 / 16.0).powi(2), (n * 255 / 16) as u8)).collect();
                Self {
                    points,
                    windows: vec![win("0 to 10", 5.0, 10.0), win("0 to 5", 2.5, 5.0), win("0 to 20", 10.0, 20.0)],
                    body: f32::NEG_INFINITY,
                }
            }
        }
    }

    /// The 8-bit code of a value; not a number is code 0.
    pub(super) fn code(&self, value: f32) -> u8 {
        let v = value as f64;
        let Some(upper) = self.points.iter().position(|p| v < p.0) else {
            return if v.is_nan() { 0 } else { self.points.last().map_or(0, |p| p.1) };
        };
        if upper == 0 {
            return self.points[0].1;
        }
        let (a, b) = (self.points[upper - 1], self.points[upper]);
        (a.1 as f64 + (v - a.0) / (b.0 - a.0) * (b.1 as f64 - a.1 as f64)).round() as u8
    }

    /// The value in the middle of a code.
    #[cfg(test)]
    pub(super) fn value(&self, code: u8) -> f64 {
        let upper = self.points.iter().position(|p| code <= p.1).unwrap_or(self.points.len() - 1).max(1);
        let (a, b) = (self.points[upper - 1], self.points[upper]);
        a.0 + (code as f64 - a.1 as f64) / (b.1 as f64 - a.1 as f64) * (b.0 - a.0)
    }
}

/// Percentiles of the finite values of at most about 200,000 evenly spaced voxels.
fn percentiles<const N: usize>(volume: &Volume<f32>, at: [f64; N]) -> [f32; N] {
    let values = volume.values();
    let stride = (values.len() / 200_000).max(1);
    let mut sample: Vec<f32> = values.iter().step_by(stride).copied().filter(|v| v.is_finite()).collect();
    sample.sort_by(f32::total_cmp);
    at.map(|q| sample.get((q * sample.len().saturating_sub(1) as f64).round() as usize).copied().unwrap_or(0.0))
}

/// Crop, block size and slice stride of one rung.
struct Plan {
    window: [usize; 4],
    factor: usize,
    rung: Rung,
    dims: [usize; 3],
    spacing: [f64; 3],
}

impl Plan {
    fn new(grid: &Grid, window: [usize; 4], rung: Rung) -> Self {
        let factor = grid.dims[0].max(grid.dims[1]).div_ceil(rung.matrix).max(1);
        let side = |low: usize, high: usize| ((high - low) / factor).max(1);
        let dims = [side(window[0], window[1]), side(window[2], window[3]), grid.dims[2].div_ceil(rung.every)];
        let s = grid.spacing();
        let spacing = [s[0] * factor as f64, s[1] * factor as f64, s[2] * rung.every as f64];
        Self { window, factor, rung, dims, spacing }
    }

    fn grid(&self, full: &Grid) -> Grid {
        let centre = (self.factor as f64 - 1.0) / 2.0;
        let f = self.factor as f64;
        Grid {
            dims: self.dims,
            origin: full.world([self.window[0] as f64 + centre, self.window[2] as f64 + centre, 0.0]),
            step: [
                full.step[0].map(|c| c * f),
                full.step[1].map(|c| c * f),
                full.step[2].map(|c| c * self.rung.every as f64),
            ],
        }
    }

    fn codes(&self, volume: &Volume<f32>, scale: &Scale, slice: usize) -> Vec<u8> {
        let [nx, ny, _] = volume.grid.dims;
        let plane = &volume.values()[slice * nx * ny..(slice + 1) * nx * ny];
        let f = self.factor;
        let mut out = Vec::with_capacity(self.dims[0] * self.dims[1]);
        for j in 0..self.dims[1] {
            for i in 0..self.dims[0] {
                let (x, y) = (self.window[0] + i * f, self.window[2] + j * f);
                let mut sum = 0.0f64;
                let mut n = 0u32;
                for row in y..(y + f).min(ny) {
                    for v in &plane[row * nx + x..row * nx + (x + f).min(nx)] {
                        sum += *v as f64;
                        n += 1;
                    }
                }
                out.push(scale.code((sum / n as f64) as f32));
            }
        }
        out
    }

    fn jpeg(&self, codes: &[u8]) -> Result<String, ReportError> {
        let fail = |message: String| ReportError::Jpeg { what: "a slice".to_owned(), message };
        let side = |n: usize| u16::try_from(n).map_err(|e| fail(e.to_string()));
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, self.rung.quality);
        encoder.set_optimized_huffman_tables(true);
        encoder
            .encode(codes, side(self.dims[0])?, side(self.dims[1])?, ColorType::Luma)
            .map_err(|e| fail(e.to_string()))?;
        Ok(base64(&bytes))
    }

    /// Size of all slices from at most twelve evenly spaced ones.
    fn estimate(&self, volume: &Volume<f32>, scale: &Scale) -> Result<usize, ReportError> {
        let n = self.dims[2];
        let some = n.min(12);
        let sizes: Result<Vec<usize>, ReportError> = (0..some)
            .into_par_iter()
            .map(|s| {
                let slice = (s * n / some) * self.rung.every;
                self.jpeg(&self.codes(volume, scale, slice)).map(|t| t.len())
            })
            .collect();
        Ok(sizes?.iter().sum::<usize>() * n / some.max(1))
    }

    fn encode(&self, volume: &Volume<f32>, scale: &Scale, missing: &[usize]) -> Result<Vec<String>, ReportError> {
        (0..self.dims[2])
            .into_par_iter()
            .map(|s| {
                let slice = s * self.rung.every;
                if missing.contains(&slice) {
                    return Ok(String::new());
                }
                self.jpeg(&self.codes(volume, scale, slice))
            })
            .collect()
    }

    fn remark(&self, slices: usize, tilted: bool) -> String {
        let size = |v: f64| format!("{v:.2}").trim_end_matches('0').trim_end_matches('.').to_owned();
        let mut text = if (self.spacing[0] - self.spacing[1]).abs() < 1e-3 {
            format!("shown at {} mm, JPEG", size(self.spacing[0]))
        } else {
            format!("shown at {} × {} mm, JPEG", size(self.spacing[0]), size(self.spacing[1]))
        };
        if self.rung.every > 1 {
            text += &format!(", every {}th of {slices} slices", self.rung.every).replace("2th", "2nd");
        }
        if tilted {
            text += ", tilted slices set upright";
        }
        text
    }
}

fn dot(a: Vec3, b: Vec3) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// An orthogonal copy of a sheared stack (tilted gantry): every slice is shifted in its own plane, bilinearly. `None`
/// when the stack is orthogonal already (all cosines below 1e-3).
pub(super) fn straighten(volume: &Volume<f32>) -> Result<Option<Volume<f32>>, String> {
    let grid = &volume.grid;
    if grid.is_orthogonal(1e-3) {
        return Ok(None);
    }
    let d = grid.direction();
    if dot(d[0], d[1]).abs() > 1e-3 {
        return Err("the rows and columns of its slices are not perpendicular".to_owned());
    }
    let spacing = grid.spacing();
    let shift = [dot(grid.step[2], d[0]) / spacing[0], dot(grid.step[2], d[1]) / spacing[1]];
    let [nx, ny, nz] = grid.dims;
    let total = shift.map(|s| s * (nz - 1) as f64);
    let pad = total.map(|t| t.abs().ceil() as usize);
    let low = total.map(|t| t.min(0.0).floor());
    if pad[0] > 2 * nx || pad[1] > 2 * ny {
        return Err("its slices are sheared by more than twice their size".to_owned());
    }
    let dims = [nx + pad[0], ny + pad[1], nz];
    let normal = [0, 1, 2].map(|c| grid.step[2][c] - shift[0] * grid.step[0][c] - shift[1] * grid.step[1][c]);
    let upright = Grid { dims, origin: grid.world([low[0], low[1], 0.0]), step: [grid.step[0], grid.step[1], normal] };
    let fill = volume.values().iter().copied().filter(|v| v.is_finite()).fold(f32::INFINITY, f32::min);
    let fill = if fill.is_finite() { fill } else { 0.0 };
    let source = volume.values();
    let mut out = vec![fill; dims[0] * dims[1] * dims[2]];
    out.par_chunks_mut(dims[0] * dims[1]).enumerate().for_each(|(k, plane)| {
        let at = |i: i64, j: i64| {
            let inside = i >= 0 && j >= 0 && i < nx as i64 && j < ny as i64;
            if inside { source[(k * ny + j as usize) * nx + i as usize] } else { fill }
        };
        let offset = [0, 1].map(|a| low[a] - shift[a] * k as f64);
        for j in 0..dims[1] {
            for i in 0..dims[0] {
                let (x, y) = (i as f64 + offset[0], j as f64 + offset[1]);
                let (x0, y0) = (x.floor(), y.floor());
                let (u, v) = ((x - x0) as f32, (y - y0) as f32);
                let (a, b) = (x0 as i64, y0 as i64);
                plane[j * dims[0] + i] = (at(a, b) * (1.0 - u) + at(a + 1, b) * u) * (1.0 - v)
                    + (at(a, b + 1) * (1.0 - u) + at(a + 1, b + 1) * u) * v;
            }
        }
    });
    Ok(Some(Volume::from_vec(upright, out)))
}

#[cfg(test)]
#[path = "image_tests.rs"]
mod tests;
