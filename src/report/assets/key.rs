//! Key pictures: three planes with dose and contours burnt in, for print, for pages without script, and for the first
//! moments of the viewer.

use super::super::{ReportError, colour, text};
use super::body::body_box;
use super::contours::Placed;
use super::image::{ImageKind, Scale, straighten};
use super::pack::base64;
use super::{DoseInput, StructureContours, StructureGroup};
use jpeg_encoder::{ColorType, Encoder};
use rtpipeline_geometry::{Grid, Vec3, Volume};
use serde::{Deserialize, Serialize};

/// Longer side of a picture, pixels.
const SIZE: usize = 420;
/// Most structures drawn into the pictures.
const MOST: usize = 14;
/// Opacity of the dose wash.
const WASH: f64 = 0.4;
/// Dose below this share of the reference is not coloured.
const WASH_FROM: f64 = 0.1;

/// Dose colours from low to high: blue, cyan, green, yellow, red.
pub(crate) const DOSE_RAMP: [[u8; 3]; 8] = [
    [44, 22, 112],
    [42, 92, 230],
    [30, 178, 230],
    [44, 220, 146],
    [152, 235, 62],
    [246, 202, 44],
    [240, 112, 28],
    [176, 18, 16],
];

/// A picture with its sentence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyPicture {
    /// Plane and position: `axial, z 93.0 mm`.
    pub label: String,
    /// Base64 JPEG.
    pub jpeg: String,
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
}

/// What the pictures are made of; without an image the ground is black.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyPictureInput<'a> {
    /// Planning image and what its values mean.
    pub image: Option<(&'a Volume<f32>, ImageKind)>,
    /// Dose of the tables.
    pub dose: Option<DoseInput<'a>>,
    /// Structures; targets and organs are drawn first.
    pub structures: &'a [StructureContours],
    /// Where the planes cross, mm LPS ([`ContourBlock::start`](super::ContourBlock::start)); without one the dose
    /// maximum, else the middle.
    pub point: Option<Vec3>,
}

/// Axial, coronal and sagittal pictures through the point.
///
/// # Errors
/// When there is neither image nor dose, or a picture cannot be encoded.
pub fn key_pictures(input: &KeyPictureInput<'_>) -> Result<Vec<KeyPicture>, ReportError> {
    let straight = match input.image {
        Some((v, _)) => straighten(v).map_err(|r| ReportError::input("the image", r))?,
        None => None,
    };
    let image = input.image.map(|(v, kind)| (straight.as_ref().unwrap_or(v), kind)).filter(|(v, _)| !v.grid.is_empty());
    let grid = match (image, input.dose) {
        (Some((v, _)), _) => &v.grid,
        (None, Some(d)) if d.grid.len() == d.values.len() && !d.grid.is_empty() => d.grid,
        _ => return Err(ReportError::input("key pictures", "there is neither an image nor a dose")),
    };
    let scale = image.map(|(v, kind)| Scale::of(v, kind));
    let window = match (image, &scale) {
        (Some((v, _)), Some(s)) => body_box(v, s.body, 10.0),
        _ => [0, grid.dims[0], 0, grid.dims[1]],
    };
    let scene = Scene {
        grid,
        window: [[window[0], window[1]], [window[2], window[3]], [0, grid.dims[2]]],
        image: image.map(|(v, _)| v),
        scale,
        dose: input.dose.filter(|d| d.grid.len() == d.values.len()).map(Dose::new),
        structures: chosen(input.structures, grid),
        at: cross(input, grid),
    };
    let axes = patient_axes(grid);
    [
        ("axial", "z", axes[0], axes[1], axes[2]),
        ("coronal", "y", axes[0], axes[2], axes[1]),
        ("sagittal", "x", axes[1], axes[2], axes[0]),
    ]
    .into_iter()
    .map(|(name, letter, x, y, normal)| {
        let flip_y = name != "axial";
        let mm = grid.world(scene.at)[normal.patient];
        scene.picture(
            x,
            Axis { sign: if flip_y { -y.sign } else { y.sign }, ..y },
            normal.axis,
            format!("{name}, {letter} {} mm", text::fixed(mm, 1)),
        )
    })
    .collect()
}

/// An image axis, the patient axis (0 left, 1 posterior, 2 superior) it is nearest to, and its sign.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Axis {
    axis: usize,
    patient: usize,
    sign: f64,
}

/// The image axes nearest to left, posterior and superior: each image axis once, best fit first.
fn patient_axes(grid: &Grid) -> [Axis; 3] {
    let d = grid.direction();
    let mut out = [Axis { axis: 0, patient: 0, sign: 1.0 }; 3];
    let mut free = [[true; 3]; 2];
    for _ in 0..3 {
        let mut best = (-1.0, 0, 0);
        for axis in 0..3 {
            for patient in 0..3 {
                if free[0][axis] && free[1][patient] && d[axis][patient].abs() > best.0 {
                    best = (d[axis][patient].abs(), axis, patient);
                }
            }
        }
        let (_, axis, patient) = best;
        free[0][axis] = false;
        free[1][patient] = false;
        out[patient] = Axis { axis, patient, sign: if d[axis][patient] < 0.0 { -1.0 } else { 1.0 } };
    }
    out
}

fn chosen(structures: &[StructureContours], grid: &Grid) -> Vec<([u8; 3], Placed)> {
    let mut order: Vec<&StructureContours> =
        structures.iter().filter(|s| s.info.group != StructureGroup::Other && !s.loops.is_empty()).collect();
    order.sort_by_key(|s| s.info.group);
    order.truncate(MOST);
    order.into_iter().map(|s| (colour::pair(s.info.color, &s.info.name).dark, Placed::new(&s.loops, grid))).collect()
}

fn cross(input: &KeyPictureInput<'_>, grid: &Grid) -> [f64; 3] {
    // The middle of the hottest part, not one of its voxels.
    let hottest = || {
        let d = input.dose.filter(|d| d.grid.len() == d.values.len())?;
        let max = d.values.iter().copied().filter(|v| v.is_finite()).fold(0.0f32, f32::max);
        let n = d.grid.dims;
        let mut sum = [0.0; 4];
        for (at, _) in d.values.iter().enumerate().filter(|v| *v.1 >= 0.95 * max && max > 0.0) {
            for (s, v) in sum.iter_mut().zip([at % n[0], at / n[0] % n[1], at / (n[0] * n[1]), 1]) {
                *s += v as f64;
            }
        }
        (sum[3] > 0.0).then(|| d.grid.world([sum[0] / sum[3], sum[1] / sum[3], sum[2] / sum[3]]))
    };
    let middle = || grid.world(grid.dims.map(|n| (n - 1) as f64 / 2.0));
    let p = input.point.filter(|p| p.iter().all(|c| c.is_finite())).or_else(hottest).unwrap_or_else(middle);
    let at = grid.index(p);
    [0, 1, 2].map(|a| at[a].clamp(0.0, (grid.dims[a] - 1) as f64).round())
}

struct Dose<'a> {
    grid: &'a Grid,
    values: &'a [f32],
    inverse: [Vec3; 3],
    reference: f64,
}

impl<'a> Dose<'a> {
    fn new(d: DoseInput<'a>) -> Self {
        let max = d.values.iter().copied().filter(|v| v.is_finite()).fold(0.0f32, f32::max) as f64;
        let reference = d.prescription_gy.filter(|p| *p > 0.0).map_or(max, |p| p * 1.05);
        Self { grid: d.grid, values: d.values, inverse: d.grid.inverse(), reference: reference.max(1e-9) }
    }

    /// Trilinear dose; 0 outside the grid.
    fn at(&self, p: Vec3) -> f64 {
        let d = [0, 1, 2].map(|c| p[c] - self.grid.origin[c]);
        let index = self.inverse.map(|r| r[0] * d[0] + r[1] * d[1] + r[2] * d[2]);
        trilinear(self.values, self.grid.dims, index).unwrap_or(0.0)
    }
}

/// Trilinear value at an index; the outer half voxel repeats the border; `None` beyond it.
fn trilinear(values: &[f32], n: [usize; 3], index: [f64; 3]) -> Option<f64> {
    let mut low = [0usize; 3];
    let mut high = [0usize; 3];
    let mut w = [0.0; 3];
    for a in 0..3 {
        if !(index[a] >= -0.5 && index[a] <= n[a] as f64 - 0.5) {
            return None;
        }
        let x = index[a].clamp(0.0, (n[a] - 1) as f64);
        low[a] = x.floor() as usize;
        high[a] = (low[a] + 1).min(n[a] - 1);
        w[a] = x - low[a] as f64;
    }
    let v = |i: usize, j: usize, k: usize| values[(k * n[1] + j) * n[0] + i] as f64;
    let line = |j: usize, k: usize| v(low[0], j, k) * (1.0 - w[0]) + v(high[0], j, k) * w[0];
    let plane = |k: usize| line(low[1], k) * (1.0 - w[1]) + line(high[1], k) * w[1];
    Some(plane(low[2]) * (1.0 - w[2]) + plane(high[2]) * w[2])
}

/// Colour of a share 0…1 on the dose ramp.
fn ramp(share: f64) -> [f64; 3] {
    let x = share.clamp(0.0, 1.0) * (DOSE_RAMP.len() - 1) as f64;
    let n = (x as usize).min(DOSE_RAMP.len() - 2);
    let t = x - n as f64;
    [0, 1, 2].map(|c| DOSE_RAMP[n][c] as f64 * (1.0 - t) + DOSE_RAMP[n + 1][c] as f64 * t)
}

struct Scene<'a> {
    grid: &'a Grid,
    window: [[usize; 2]; 3],
    image: Option<&'a Volume<f32>>,
    scale: Option<Scale>,
    dose: Option<Dose<'a>>,
    structures: Vec<([u8; 3], Placed)>,
    at: [f64; 3],
}

/// A picture being drawn: maps index coordinates of two image axes to pixels.
struct Canvas {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
    x: (usize, f64, f64),
    y: (usize, f64, f64),
}

impl Canvas {
    fn place(&self, index: [f64; 3]) -> [f64; 2] {
        [(index[self.x.0] - self.x.1) * self.x.2, (index[self.y.0] - self.y.1) * self.y.2]
    }

    fn dot(&mut self, x: f64, y: f64, c: [u8; 3]) {
        let (x, y) = (x.floor(), y.floor());
        if x >= 0.0 && y >= 0.0 && x < self.width as f64 && y < self.height as f64 {
            let at = (y as usize * self.width + x as usize) * 3;
            self.rgb[at..at + 3].copy_from_slice(&c);
        }
    }

    fn line(&mut self, a: [f64; 2], b: [f64; 2], c: [u8; 3]) {
        let n = ((b[0] - a[0]).abs().max((b[1] - a[1]).abs()) * 1.5).ceil().clamp(1.0, 4000.0);
        for s in 0..=n as usize {
            let t = s as f64 / n;
            self.dot(a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, c);
        }
    }
}

impl Scene<'_> {
    fn picture(&self, x: Axis, y: Axis, normal: usize, label: String) -> Result<KeyPicture, ReportError> {
        let spacing = self.grid.spacing();
        let span = |a: Axis| (self.window[a.axis][1] - self.window[a.axis][0]).max(1) as f64;
        let (w_mm, h_mm) = (span(x) * spacing[x.axis], span(y) * spacing[y.axis]);
        let per_mm = SIZE as f64 / w_mm.max(h_mm);
        let side = |mm: f64| ((mm * per_mm).round() as usize).clamp(8, SIZE);
        let (width, height) = (side(w_mm), side(h_mm));
        let edge = |a: Axis, pixels: usize| {
            let [low, high] = self.window[a.axis].map(|v| v as f64 - 0.5);
            (a.axis, if a.sign > 0.0 { low } else { high }, a.sign * pixels as f64 / span(a))
        };
        let mut canvas =
            Canvas { width, height, rgb: vec![0; width * height * 3], x: edge(x, width), y: edge(y, height) };
        self.ground(&mut canvas);
        for (colour, placed) in &self.structures {
            self.contours(&mut canvas, *colour, placed, normal);
        }
        let mut bytes = Vec::new();
        let encoder = Encoder::new(&mut bytes, 80);
        encoder
            .encode(&canvas.rgb, width as u16, height as u16, ColorType::Rgb)
            .map_err(|e| ReportError::Jpeg { what: format!("the key picture ({label})"), message: e.to_string() })?;
        Ok(KeyPicture { label, jpeg: base64(&bytes), width, height })
    }

    fn ground(&self, canvas: &mut Canvas) {
        let window = self.scale.as_ref().and_then(|s| s.windows.first());
        for py in 0..canvas.height {
            for px in 0..canvas.width {
                let mut index = self.at;
                index[canvas.x.0] = canvas.x.1 + (px as f64 + 0.5) / canvas.x.2;
                index[canvas.y.0] = canvas.y.1 + (py as f64 + 0.5) / canvas.y.2;
                let grey = match (self.image, window) {
                    (Some(v), Some(w)) => trilinear(v.values(), v.grid.dims, index)
                        .map_or(0.0, |v| ((v - w.level) / w.width + 0.5).clamp(0.0, 1.0) * 255.0),
                    _ => 0.0,
                };
                let mut c = [grey; 3];
                if let Some(d) = &self.dose {
                    let share = d.at(self.grid.world(index)) / d.reference;
                    if share >= WASH_FROM {
                        let r = ramp(share);
                        c = [0, 1, 2].map(|n| c[n] * (1.0 - WASH) + r[n] * WASH);
                    }
                }
                let at = (py * canvas.width + px) * 3;
                for n in 0..3 {
                    canvas.rgb[at + n] = c[n].round().clamp(0.0, 255.0) as u8;
                }
            }
        }
    }

    fn contours(&self, canvas: &mut Canvas, colour: [u8; 3], placed: &Placed, normal: usize) {
        for (slice, loops) in &placed.planes {
            let k = *slice as f64;
            if normal == 2 {
                if k == self.at[2] {
                    for l in loops {
                        for (a, b) in l.iter().zip(l.iter().cycle().skip(1)) {
                            let (a, b) = (canvas.place([a[0], a[1], k]), canvas.place([b[0], b[1], k]));
                            canvas.line(a, b, colour);
                        }
                    }
                }
                continue;
            }
            // The plane cuts the loops in a row (normal j) or column (normal i); edges are drawn as high as the slice.
            let across = 1 - normal;
            let mut cuts: Vec<f64> = Vec::new();
            for l in loops {
                for (a, b) in l.iter().zip(l.iter().cycle().skip(1)) {
                    let w = self.at[normal];
                    if (a[normal] > w) != (b[normal] > w) {
                        cuts.push(a[across] + (w - a[normal]) / (b[normal] - a[normal]) * (b[across] - a[across]));
                    }
                }
            }
            for cut in cuts {
                let mut from = [0.0; 3];
                from[across] = cut;
                let mut to = from;
                (from[2], to[2]) = (k - 0.5, k + 0.5);
                let (a, b) = (canvas.place(from), canvas.place(to));
                canvas.line(a, b, colour);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::StructureInfo;
    use super::*;

    #[test]
    fn axes_are_found_for_any_orientation() {
        let prone =
            Grid::new([4; 3], [0.0; 3], [1.0; 3], [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]]).unwrap();
        let a = patient_axes(&prone);
        assert_eq!(a.map(|v| (v.axis, v.sign as i32)), [(0, -1), (1, -1), (2, 1)]);
        let sagittal =
            Grid::new([4; 3], [0.0; 3], [1.0; 3], [[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]]).unwrap();
        assert_eq!(patient_axes(&sagittal).map(|v| (v.axis, v.sign as i32)), [(2, 1), (0, 1), (1, -1)]);
    }

    #[test]
    fn pictures_show_dose_without_an_image_and_are_deterministic() {
        let grid = Grid::axis_aligned([30, 20, 10], [0.0; 3], [2.0, 2.0, 3.0]);
        let mut values = vec![0.0f32; grid.len()];
        values[(5 * 20 + 10) * 30 + 15] = 50.0;
        let dose = DoseInput { grid: &grid, values: &values, label: "plan", prescription_gy: None };
        let square =
            [[12.0, 8.0], [18.0, 8.0], [18.0, 12.0], [12.0, 12.0]].iter().map(|p| grid.world([p[0], p[1], 5.0]));
        let structures = [StructureContours {
            info: StructureInfo { name: "PTV".into(), group: StructureGroup::Target, ..Default::default() },
            loops: vec![square.collect()],
        }];
        let input = KeyPictureInput { dose: Some(dose), structures: &structures, ..Default::default() };
        let pictures = key_pictures(&input).unwrap();
        assert_eq!(pictures.len(), 3);
        assert_eq!((pictures[0].width, pictures[0].height), (420, 280));
        assert!(pictures[0].label.starts_with("axial, z 15.0 mm"), "{}", pictures[0].label);
        assert_eq!(pictures, key_pictures(&input).unwrap());
        assert!(key_pictures(&KeyPictureInput::default()).is_err());
    }
}
