//! What the output says about the input: sizes, spacings, hashes, boxes.

use crate::{
    discretise::Levels,
    image::{ImageFacts, ImageInput, Picture, statistics},
    params::Params,
    roi, sha1, zones,
};
use rtpipeline_geometry::{Grid, Mask};

/// Diagnostics in PyRadiomics' order and with its keys; versions are ours.
pub(crate) struct Diagnostics {
    pub(crate) values: Vec<(String, String)>,
}

/// Numbers as Python prints a tuple.
fn tuple<T: std::fmt::Debug>(v: &[T]) -> String {
    let parts: Vec<String> = v.iter().map(|x| format!("{x:?}")).collect();
    format!("({})", parts.join(", "))
}

impl Diagnostics {
    pub(crate) fn new(params: &Params) -> Self {
        let mut d = Self { values: Vec::new() };
        d.put("Versions_rtpipeline-radiomics", env!("CARGO_PKG_VERSION").to_owned());
        let json = serde_json::to_value(params).unwrap_or_default();
        d.put("Configuration_Settings", json["setting"].to_string());
        d.put("Configuration_EnabledImageTypes", json["imageType"].to_string());
        d
    }

    fn put(&mut self, key: &str, value: String) {
        self.values.push((format!("diagnostics_{key}"), value));
    }

    /// The image as it was given.
    pub(crate) fn original(&mut self, input: &ImageInput<'_>) {
        let computed;
        let facts: &ImageFacts = match input.facts {
            Some(f) => f,
            None => {
                computed = input.compute_facts();
                &computed
            }
        };
        self.put("Image-original_Hash", facts.hash.clone());
        self.put("Image-original_Dimensionality", "3D".to_owned());
        self.image_numbers("original", input.grid, (facts.mean, facts.minimum, facts.maximum));
    }

    /// The image after a step.
    pub(crate) fn image(&mut self, prefix: &str, picture: &Picture<'_>) {
        self.image_numbers(prefix, picture.grid, statistics(picture.values));
    }

    fn image_numbers(&mut self, prefix: &str, grid: &Grid, (mean, low, high): (f64, f64, f64)) {
        self.put(&format!("Image-{prefix}_Spacing"), tuple(&grid.spacing()));
        self.put(&format!("Image-{prefix}_Size"), tuple(&grid.dims));
        self.put(&format!("Image-{prefix}_Mean"), format!("{mean:?}"));
        self.put(&format!("Image-{prefix}_Minimum"), format!("{low:?}"));
        self.put(&format!("Image-{prefix}_Maximum"), format!("{high:?}"));
    }

    /// The mask after a step; with the image, also the values inside. `label` is written into the hashed buffer.
    pub(crate) fn mask(&mut self, prefix: &str, mask: &Mask, picture: Option<&Picture<'_>>, label: u32) {
        if prefix == "original" {
            let mut h = sha1::Sha1::new();
            for &v in mask.values() {
                h.update(&(u32::from(v != 0) * label).to_le_bytes());
            }
            self.put("Mask-original_Hash", h.hex());
        }
        self.put(&format!("Mask-{prefix}_Spacing"), tuple(&mask.grid.spacing()));
        self.put(&format!("Mask-{prefix}_Size"), tuple(&mask.grid.dims));
        let Some((low, size)) = roi::bounding_box(mask) else { return };
        let region = roi::Roi::new(mask, low, size);
        self.put(&format!("Mask-{prefix}_BoundingBox"), tuple(&[low, size].concat()));
        self.put(&format!("Mask-{prefix}_VoxelNum"), region.len().to_string());
        let one_level = vec![1_u32; region.len()];
        if let Ok(levels) = Levels::new(&region, &one_level, 1, "") {
            self.put(&format!("Mask-{prefix}_VolumeNum"), zones::parts(&levels).to_string());
        }
        let mut sum = [0_u64; 3];
        for &p in &region.inside {
            let p = p as usize;
            let c = [p % size[0], p / size[0] % size[1], p / (size[0] * size[1])];
            for a in 0..3 {
                sum[a] += (c[a] + low[a]) as u64;
            }
        }
        let centre = sum.map(|s| s as f64 / region.len() as f64);
        self.put(&format!("Mask-{prefix}_CenterOfMassIndex"), tuple(&centre));
        self.put(&format!("Mask-{prefix}_CenterOfMass"), tuple(&mask.grid.world(centre)));
        if let Some(picture) = picture {
            let x = region.gather(picture);
            let (mean, low, high) = statistics(crate::image::Values::F64(&x));
            self.put(&format!("Mask-{prefix}_Mean"), format!("{mean:?}"));
            self.put(&format!("Mask-{prefix}_Minimum"), format!("{low:?}"));
            self.put(&format!("Mask-{prefix}_Maximum"), format!("{high:?}"));
        }
    }
}
