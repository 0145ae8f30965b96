//! Local binary patterns in planes (Ojala et al. 2002), as scikit-image computes them.

use crate::{
    image::{Image, Kind, Picture},
    settings::{LbpMethod, Resolved},
};
use std::f64::consts::TAU;

/// Patterns of every plane across `force2Ddimension`; the result has the element type of the image.
pub(super) fn patterns(picture: &Picture<'_>, settings: &Resolved) -> Image {
    let source = picture.whole();
    let dims = source.grid.dims;
    let stride = [1, dims[0], dims[0] * dims[1]];
    // Axes (0 = x) across the planes, of the rows and of the columns, as numpy's swapaxes leaves them.
    let [across, rows, columns] = match settings.force_2d_dimension {
        0 => [2, 1, 0],
        1 => [1, 2, 0],
        _ => [0, 1, 2],
    };
    let n = settings.lbp2d_samples as usize;
    let radius = settings.lbp2d_radius;
    let round = |v: f64| (v * 1e5).round_ties_even() / 1e5;
    let samples: Vec<[f64; 2]> = (0..n)
        .map(|p| {
            let angle = TAU * p as f64 / n as f64;
            [round(-radius * angle.sin()), round(radius * angle.cos())]
        })
        .collect();
    let mut out = vec![0.0; source.data.len()];
    let mut texture = vec![0.0; n];
    for plane in 0..dims[across] {
        let base = plane * stride[across];
        let pixel = |r: i64, c: i64| {
            if r < 0 || c < 0 || r >= dims[rows] as i64 || c >= dims[columns] as i64 {
                0.0
            } else {
                source.data[base + r as usize * stride[rows] + c as usize * stride[columns]]
            }
        };
        for r in 0..dims[rows] {
            for c in 0..dims[columns] {
                for (t, [dr, dc]) in texture.iter_mut().zip(&samples) {
                    *t = bilinear(&pixel, r as f64 + dr, c as f64 + dc);
                }
                let centre = pixel(r as i64, c as i64);
                let code = pattern(&texture, centre, settings.lbp2d_method);
                out[base + r * stride[rows] + c * stride[columns]] = match source.kind {
                    Kind::Integer { .. } => code.trunc(),
                    Kind::Single => f64::from(code as f32),
                    Kind::Double => code,
                };
            }
        }
    }
    Image { grid: source.grid, kind: source.kind, data: out }
}

fn bilinear(pixel: &impl Fn(i64, i64) -> f64, r: f64, c: f64) -> f64 {
    let (r0, c0, r1, c1) = (r.floor(), c.floor(), r.ceil(), c.ceil());
    let (dr, dc) = (r - r0, c - c0);
    let at = |r: f64, c: f64| pixel(r as i64, c as i64);
    let top = (1.0 - dc) * at(r0, c0) + dc * at(r0, c1);
    let bottom = (1.0 - dc) * at(r1, c0) + dc * at(r1, c1);
    (1.0 - dr) * top + dr * bottom
}

fn pattern(texture: &[f64], centre: f64, method: LbpMethod) -> f64 {
    let n = texture.len();
    let above: Vec<bool> = texture.iter().map(|t| t - centre >= 0.0).collect();
    match method {
        LbpMethod::Uniform => {
            let changes = above.windows(2).filter(|w| w[0] != w[1]).count();
            if changes <= 2 { above.iter().filter(|a| **a).count() as f64 } else { (n + 1) as f64 }
        }
        LbpMethod::Var => {
            let (mut sum, mut squares) = (0.0, 0.0);
            for t in texture {
                sum += t;
                squares += t * t;
            }
            let v = (squares - sum * sum / n as f64) / n as f64;
            if v == 0.0 { f64::NAN } else { v }
        }
        LbpMethod::Default => code(&above, 0),
        LbpMethod::Ror => (0..n).map(|shift| code(&above, shift)).fold(f64::INFINITY, f64::min),
    }
}

/// The bits as a number, rotated.
fn code(above: &[bool], shift: usize) -> f64 {
    let n = above.len();
    (0..n).filter(|&k| above[(k + shift) % n]).map(|k| (k as f64).exp2()).sum()
}
