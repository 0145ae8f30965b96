//! All assets of a course in one call.

use super::super::ReportError;
use super::{
    CourseAssets, DoseInput, DvhSeries, ImageKind, ImageOptions, KeyPictureInput, StructureContours, StructureGroup,
    encode_contours, encode_curves, encode_dose, encode_image, key_pictures,
};
use rtpipeline_geometry::{Vec3, Volume};

/// Base64 bytes that all further image series together may have.
const FURTHER_IMAGES: usize = 1_500_000;
/// Rung of the ladder at which further series start: 256², quality 80.
const FURTHER_RUNG: usize = 3;

/// What one course has. Empty parts are fine.
#[derive(Clone, Debug, Default)]
pub struct AssetInput<'a> {
    /// Image series, the planning image first; `budget`, `skip_rungs` and `include` of the options are set here.
    pub images: Vec<(&'a Volume<f32>, ImageKind, ImageOptions)>,
    /// All structures, in the order of the lists; those without loops are listed and not drawn.
    pub structures: &'a [StructureContours],
    /// Doses, the one of the tables first.
    pub doses: &'a [DoseInput<'a>],
    /// Histograms of the first dose.
    pub curves: &'a [DvhSeries],
}

/// Encodes everything. What cannot be shown is left out and returned as errors to be told in words on the page; it
/// never costs the other parts.
pub fn build_assets(input: &AssetInput<'_>) -> (CourseAssets, Vec<ReportError>) {
    let mut errors = Vec::new();
    let mut keep = |e: ReportError| errors.push(e);
    let mut assets =
        CourseAssets { structures: input.structures.iter().map(|s| s.info.clone()).collect(), ..Default::default() };
    let further = input.images.len().saturating_sub(1).max(1);
    for (n, (volume, kind, options)) in input.images.iter().enumerate() {
        let mut options = options.clone();
        if n == 0 {
            options.include.extend(corners(input.structures));
        } else {
            options.skip_rungs = options.skip_rungs.max(FURTHER_RUNG);
            options.budget = options.budget.min(FURTHER_IMAGES / further);
        }
        match encode_image(volume, *kind, &options) {
            Ok(block) => assets.images.push(block),
            // Contours lie on the first image: without it no other may take its place.
            Err(e) if n == 0 => {
                keep(e);
                break;
            }
            Err(e) => keep(e),
        }
    }
    if let Some(image) = assets.images.first() {
        match encode_contours(input.structures, &image.grid) {
            Ok(block) => assets.contours = Some(block),
            Err(e) => keep(e),
        }
    }
    let mut first_dose = None;
    for dose in input.doses {
        match encode_dose(dose) {
            Ok(block) => {
                first_dose.get_or_insert(*dose);
                assets.doses.push(block);
            }
            Err(e) => keep(e),
        }
    }
    if !input.curves.is_empty() {
        match encode_curves(input.curves) {
            Ok(block) => assets.curves = Some(block),
            Err(e) => keep(e),
        }
    }
    let image = input.images.first().filter(|_| !assets.images.is_empty()).map(|(v, kind, _)| (*v, *kind));
    if image.is_some() || first_dose.is_some() {
        let point = assets.contours.as_ref().and_then(|c| c.start);
        match key_pictures(&KeyPictureInput { image, dose: first_dose, structures: input.structures, point }) {
            Ok(pictures) => assets.key_pictures = pictures,
            Err(e) => keep(e),
        }
    }
    (assets, errors)
}

/// Corners of the boxes of targets and organs; body outlines and couches must not widen the picture.
fn corners(structures: &[StructureContours]) -> Vec<Vec3> {
    let mut out = Vec::new();
    for s in structures.iter().filter(|s| s.info.group != StructureGroup::Other) {
        let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        for p in s.loops.iter().flatten().filter(|p| p.iter().all(|c| c.is_finite())) {
            for c in 0..3 {
                low[c] = low[c].min(p[c]);
                high[c] = high[c].max(p[c]);
            }
        }
        if low[0] <= high[0] {
            out.extend((0..8).map(|n| std::array::from_fn(|c| if n >> c & 1 == 1 { high[c] } else { low[c] })));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtpipeline_geometry::Grid;

    #[test]
    fn what_cannot_be_shown_costs_nothing_else() {
        let grid = Grid::axis_aligned([40, 40, 4], [0.0; 3], [2.0, 2.0, 3.0]);
        let image = Volume::filled(grid.clone(), 20.0f32);
        let values = vec![5.0f32; grid.len()];
        let empty = vec![0.0f32; grid.len()];
        let dose = |values, label| DoseInput { grid: &grid, values, label, prescription_gy: None };
        let bad = DvhSeries { id: "x".into(), points: vec![[1.0, f64::NAN]], ..Default::default() };
        let doses = [dose(&empty, "empty"), dose(&values, "plan")];
        let input = AssetInput {
            images: vec![(&image, ImageKind::Ct, ImageOptions::default())],
            doses: &doses,
            curves: &[bad],
            ..Default::default()
        };
        let (assets, errors) = build_assets(&input);
        assert_eq!((assets.images.len(), assets.doses.len(), assets.key_pictures.len(), errors.len()), (1, 1, 3, 2));
        assert_eq!(assets.doses[0].label, "plan");
        assert!(errors[0].to_string().contains("empty cannot be shown: it is zero everywhere"), "{}", errors[0]);
        let (nothing, errors) = build_assets(&AssetInput::default());
        assert_eq!((nothing, errors.len()), (CourseAssets::default(), 0));
    }
}
