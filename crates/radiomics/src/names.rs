//! Names of images, as they begin the names of features.

use crate::{
    params::ImageType,
    settings::{Resolved, Sigma},
};

/// Names of all images of a type, in output order.
pub(crate) fn image_names(kind: ImageType, settings: &Resolved) -> Vec<String> {
    let one = |name: &str| vec![name.to_owned()];
    match kind {
        ImageType::Original => one("original"),
        ImageType::LoG => settings.sigma.iter().map(log_name).collect(),
        ImageType::Wavelet => wavelet_names(settings),
        ImageType::Square => one("square"),
        ImageType::SquareRoot => one("squareroot"),
        ImageType::Logarithm => one("logarithm"),
        ImageType::Exponential => one("exponential"),
        ImageType::Gradient => one("gradient"),
        ImageType::Lbp2D => one("lbp-2D"),
        ImageType::Lbp3D => lbp3d_names(settings),
    }
}

/// `log-sigma-1-0-mm-3D` for 1.0 mm.
pub(crate) fn log_name(sigma: &Sigma) -> String {
    format!("log-sigma-{}-mm-3D", sigma.to_string().replace('.', "-"))
}

/// `wavelet-LLH` … `wavelet2-HHH`, and the last approximation.
pub(crate) fn wavelet_names(settings: &Resolved) -> Vec<String> {
    let axes = if settings.force_2d { 2 } else { 3 };
    let prefix = |level: u32| if level == 1 { "wavelet".to_owned() } else { format!("wavelet{level}") };
    let mut out = Vec::new();
    for level in 1..=settings.level {
        for code in 1..1_u32 << axes {
            let letters: String = (0..axes).rev().map(|bit| if code >> bit & 1 == 1 { 'H' } else { 'L' }).collect();
            out.push(format!("{}-{letters}", prefix(level)));
        }
    }
    out.push(format!("{}-{}", prefix(settings.level), "L".repeat(axes)));
    out
}

/// `lbp-3D-m1` … and the kurtosis.
pub(crate) fn lbp3d_names(settings: &Resolved) -> Vec<String> {
    let mut out: Vec<String> = (1..=settings.lbp3d_levels).map(|l| format!("lbp-3D-m{l}")).collect();
    out.push("lbp-3D-k".to_owned());
    out
}
