//! Image types: filters of the whole current image.

mod gradient;
mod laplacian;
mod lbp2d;
mod lbp3d;
mod point;
mod taps;
pub(crate) mod wavelet;

use crate::{
    error::RadiomicsError,
    image::{Image, Picture},
    names,
    params::ImageType,
    settings::Resolved,
};
use rtpipeline_geometry::Mask;

/// A derived image and the name of its features; `None` stands for the unfiltered image.
pub(crate) struct Derived {
    pub(crate) name: String,
    pub(crate) image: Option<Image>,
}

/// All images of one type, in output order. What cannot be computed is left out with a warning, as PyRadiomics does.
pub(crate) fn derive(
    kind: ImageType,
    picture: &Picture<'_>,
    mask: &Mask,
    settings: &Resolved,
    warnings: &mut Vec<String>,
) -> Result<Vec<Derived>, RadiomicsError> {
    let one = |image: Image| {
        let name = names::image_names(kind, settings).into_iter().next().unwrap_or_default();
        vec![Derived { name, image: Some(image) }]
    };
    Ok(match kind {
        ImageType::Original => vec![Derived { name: "original".to_owned(), image: None }],
        ImageType::LoG => laplacian::all(picture, settings, warnings),
        ImageType::Wavelet => wavelet::all(picture, settings)?,
        ImageType::Square => one(point::square(picture)),
        ImageType::SquareRoot => one(point::square_root(picture)),
        ImageType::Logarithm => one(point::logarithm(picture)),
        ImageType::Exponential => one(point::exponential(picture)),
        ImageType::Gradient => one(gradient::magnitude(picture, settings.gradient_use_spacing)),
        ImageType::Lbp2D => one(lbp2d::patterns(picture, settings)),
        ImageType::Lbp3D => lbp3d::all(picture, mask, settings),
    })
}
