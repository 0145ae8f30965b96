//! PyRadiomics parameter files as a typed value.

use crate::{
    catalogue, names,
    settings::{Resolved, Settings, VoxelSettings},
};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, DeserializeOwned, MapAccess},
    ser::SerializeMap,
};
use std::{fmt, marker::PhantomData};

/// A kind of image that features are computed of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ImageType {
    /// The image itself.
    Original,
    /// Laplacian of Gaussian, one image for each `sigma`.
    LoG,
    /// Sub-bands of a stationary wavelet transform.
    Wavelet,
    /// Squares.
    Square,
    /// Square roots.
    SquareRoot,
    /// Logarithms.
    Logarithm,
    /// Exponentials.
    Exponential,
    /// Gradient magnitude.
    Gradient,
    /// Local binary patterns in planes.
    #[serde(rename = "LBP2D")]
    Lbp2D,
    /// Local binary patterns on spheres.
    #[serde(rename = "LBP3D")]
    Lbp3D,
}

/// A class of features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FeatureClass {
    /// First-order statistics.
    #[serde(rename = "firstorder")]
    Firstorder,
    /// Grey level co-occurrence matrix.
    #[serde(rename = "glcm")]
    Glcm,
    /// Grey level dependence matrix.
    #[serde(rename = "gldm")]
    Gldm,
    /// Grey level run length matrix.
    #[serde(rename = "glrlm")]
    Glrlm,
    /// Grey level size zone matrix.
    #[serde(rename = "glszm")]
    Glszm,
    /// Neighbouring grey tone difference matrix.
    #[serde(rename = "ngtdm")]
    Ngtdm,
    /// Shape in three dimensions.
    #[serde(rename = "shape")]
    Shape,
    /// Shape of a single slice.
    #[serde(rename = "shape2D")]
    Shape2D,
}

impl FeatureClass {
    /// All classes in PyRadiomics' module order.
    pub const ALL: [Self; 8] =
        [Self::Firstorder, Self::Glcm, Self::Gldm, Self::Glrlm, Self::Glszm, Self::Ngtdm, Self::Shape, Self::Shape2D];

    /// The name in parameter files and feature names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Firstorder => "firstorder",
            Self::Glcm => "glcm",
            Self::Gldm => "gldm",
            Self::Glrlm => "glrlm",
            Self::Glszm => "glszm",
            Self::Ngtdm => "ngtdm",
            Self::Shape => "shape",
            Self::Shape2D => "shape2D",
        }
    }

    /// Shape depends on the mask alone and is computed once.
    pub(crate) fn is_shape(self) -> bool {
        matches!(self, Self::Shape | Self::Shape2D)
    }
}

/// A parameter file that says something impossible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct ParamsError {
    /// Where, such as `/setting` or `/imageType/LoG`.
    pub path: String,
    /// What is wrong.
    pub reason: String,
}

/// A PyRadiomics parameter file.
///
/// It is read from any serde format in the layout of PyRadiomics: the maps `setting`, `voxelSetting`, `imageType` and
/// `featureClass`. Unknown keys, wrong types and values out of range are errors that name the path. The order of image
/// types and classes is kept: it is the order of the output.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Params {
    /// General settings.
    pub setting: Settings,
    /// Settings of feature maps (checked, not used).
    pub voxel_setting: VoxelSettings,
    /// Image types with their own settings, which stand above the general ones. Empty means the original image.
    pub image_type: Vec<(ImageType, Settings)>,
    /// Classes with the names of features; no names mean all that are not deprecated. No classes mean all.
    pub feature_class: Vec<(FeatureClass, Vec<String>)>,
}

impl Params {
    /// What PyRadiomics does without a parameter file: the original image and every class except shape2D.
    pub fn default_pyradiomics() -> Self {
        let classes = FeatureClass::ALL.into_iter().filter(|c| *c != FeatureClass::Shape2D);
        Self {
            image_type: vec![(ImageType::Original, Settings::default())],
            feature_class: classes.map(|c| (c, Vec::new())).collect(),
            ..Self::default()
        }
    }

    /// Whether all values are possible; deserialised parameters have been checked.
    pub fn validate(&self) -> Result<(), ParamsError> {
        let check = |path: String, s: &Settings| match s.problem() {
            Some(reason) => Err(ParamsError { path, reason }),
            None => Ok(()),
        };
        check("/setting".to_owned(), &self.setting)?;
        for (n, (kind, settings)) in self.image_type.iter().enumerate() {
            check(format!("/imageType/{kind:?}"), settings)?;
            if self.image_type[..n].iter().any(|(k, _)| k == kind) {
                return Err(ParamsError { path: "/imageType".to_owned(), reason: format!("{kind:?} stands twice") });
            }
        }
        for (n, (class, features)) in self.feature_class.iter().enumerate() {
            let path = format!("/featureClass/{}", class.name());
            if self.feature_class[..n].iter().any(|(c, _)| c == class) {
                return Err(ParamsError { path, reason: "stands twice".to_owned() });
            }
            for f in features {
                let known = catalogue::of(*class).iter().any(|i| i.name == f) || catalogue::is_withdrawn(*class, f);
                if !known {
                    return Err(ParamsError { path, reason: format!("there is no feature '{f}'") });
                }
            }
        }
        Ok(())
    }

    /// The image types that are computed.
    pub(crate) fn images(&self) -> Vec<(ImageType, Settings)> {
        if self.image_type.is_empty() {
            vec![(ImageType::Original, Settings::default())]
        } else {
            self.image_type.clone()
        }
    }

    /// The classes that are computed, with positions in their catalogue in output order.
    pub(crate) fn classes(&self) -> Vec<(FeatureClass, Vec<usize>)> {
        let all = |class: FeatureClass| -> Vec<usize> {
            catalogue::of(class).iter().enumerate().filter(|(_, i)| !i.deprecated).map(|(n, _)| n).collect()
        };
        if self.feature_class.is_empty() {
            return FeatureClass::ALL.into_iter().map(|c| (c, all(c))).collect();
        }
        let named = |class: FeatureClass, names: &[String]| {
            let mut out: Vec<usize> = Vec::new();
            for name in names {
                let at = catalogue::of(class).iter().position(|i| i.name == name);
                out.extend(at.filter(|n| !out.contains(n)));
            }
            out
        };
        self.feature_class
            .iter()
            .map(|(c, names)| (*c, if names.is_empty() { all(*c) } else { named(*c, names) }))
            .collect()
    }

    /// General settings with all defaults.
    pub(crate) fn resolved(&self) -> Resolved {
        Resolved::from(&self.setting)
    }

    /// Names of all features that these parameters can give, in output order.
    ///
    /// The list depends on nothing but the parameters. An extraction may give fewer values: an image can be too small for
    /// a filter, a region can have more than one slice for shape2D.
    pub fn feature_names(&self) -> Vec<String> {
        let classes = self.classes();
        let general = self.resolved();
        let mut out = Vec::new();
        let mut add = |image: &str, class: FeatureClass, at: &[usize]| {
            for &n in at {
                out.push(format!("{image}_{}_{}", class.name(), catalogue::of(class)[n].name));
            }
        };
        for shape in [FeatureClass::Shape, FeatureClass::Shape2D] {
            for (class, at) in classes.iter().filter(|(c, _)| *c == shape) {
                if shape == FeatureClass::Shape || general.force_2d {
                    add("original", *class, at);
                }
            }
        }
        for (kind, own) in self.images() {
            let settings = Resolved::from(&self.setting.overridden(&own));
            for image in names::image_names(kind, &settings) {
                for (class, at) in classes.iter().filter(|(c, _)| !c.is_shape()) {
                    add(&image, *class, at);
                }
            }
        }
        out
    }
}

/// A map whose order is kept; errors of a value name its key.
struct Ordered<K, V>(Vec<(K, V)>);

impl<'de, K: DeserializeOwned + fmt::Debug, V: DeserializeOwned> Deserialize<'de> for Ordered<K, V> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visitor<K, V>(PhantomData<(K, V)>);
        impl<'de, K: DeserializeOwned + fmt::Debug, V: DeserializeOwned> de::Visitor<'de> for Visitor<K, V> {
            type Value = Ordered<K, V>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut out = Vec::new();
                while let Some(key) = map.next_key::<K>()? {
                    let value = map.next_value().map_err(|e| de::Error::custom(format_args!("{key:?}: {e}")))?;
                    out.push((key, value));
                }
                Ok(Ordered(out))
            }
        }
        d.deserialize_map(Visitor(PhantomData))
    }
}

impl<K: Serialize, V: Serialize> Serialize for Ordered<K, V> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(self.0.len()))?;
        for (k, v) in &self.0 {
            map.serialize_entry(k, v)?;
        }
        map.end()
    }
}

impl Serialize for Params {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(4))?;
        map.serialize_entry("setting", &self.setting)?;
        map.serialize_entry("voxelSetting", &self.voxel_setting)?;
        map.serialize_entry("imageType", &Ordered(self.image_type.clone()))?;
        map.serialize_entry("featureClass", &Ordered(self.feature_class.clone()))?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Params;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map with setting, voxelSetting, imageType and featureClass")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Params, A::Error> {
                const KEYS: &[&str] = &["setting", "voxelSetting", "imageType", "featureClass"];
                let mut p = Params::default();
                let mut seen: Vec<String> = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    if seen.contains(&key) {
                        return Err(de::Error::custom(format_args!("key '{key}' stands twice")));
                    }
                    let at = |e: A::Error| de::Error::custom(format_args!("/{key}: {e}"));
                    match key.as_str() {
                        "setting" => p.setting = map.next_value::<Option<_>>().map_err(at)?.unwrap_or_default(),
                        "voxelSetting" => {
                            p.voxel_setting = map.next_value::<Option<_>>().map_err(at)?.unwrap_or_default();
                        }
                        "imageType" => {
                            let m = map.next_value::<Option<Ordered<ImageType, Settings>>>().map_err(at)?;
                            p.image_type = m.map_or_else(Vec::new, |m| m.0);
                        }
                        "featureClass" => {
                            let m =
                                map.next_value::<Option<Ordered<FeatureClass, Option<Vec<String>>>>>().map_err(at)?;
                            let m = m.map_or_else(Vec::new, |m| m.0);
                            p.feature_class = m.into_iter().map(|(c, f)| (c, f.unwrap_or_default())).collect();
                        }
                        other => return Err(de::Error::unknown_field(other, KEYS)),
                    }
                    seen.push(key);
                }
                p.validate().map_err(de::Error::custom)?;
                Ok(p)
            }
        }
        d.deserialize_map(Visitor)
    }
}
