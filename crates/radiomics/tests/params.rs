//! Parameter files: what is read, what is refused, and the columns they give.

use rtpipeline_radiomics::{FeatureClass, ImageType, Params, Settings, Sigma, catalogue};

fn parse(text: &str) -> Result<Params, String> {
    serde_json::from_str(text).map_err(|e| e.to_string())
}

#[test]
fn unknown_keys_and_impossible_values_name_their_path() {
    for (text, parts) in [
        (r#"{"settings": {}}"#, vec!["settings", "setting"]),
        (r#"{"setting": {"binwidth": 25}}"#, vec!["/setting", "binwidth", "binWidth"]),
        (r#"{"setting": {"binWidth": 0}}"#, vec!["/setting", "binWidth"]),
        (r#"{"setting": {"binCount": 32.0}}"#, vec!["/setting", "32.0"]),
        (r#"{"setting": {"label": 0}}"#, vec!["/setting", "label"]),
        (r#"{"setting": {"distances": []}}"#, vec!["distances"]),
        (r#"{"setting": {"resampledPixelSpacing": [1, 1]}}"#, vec!["resampledPixelSpacing", "3"]),
        (r#"{"setting": {"interpolator": "sitkMagic"}}"#, vec!["sitkMagic"]),
        (r#"{"setting": {"interpolator": 11}}"#, vec!["interpolator"]),
        (r#"{"setting": {"weightingNorm": "cubic"}}"#, vec!["cubic", "euclidean"]),
        (r#"{"setting": {"force2Ddimension": 3}}"#, vec!["force2Ddimension"]),
        (r#"{"imageType": {"LoG": null}}"#, vec!["/imageType", "LoG"]),
        (r#"{"imageType": {"LoG": {"sigma": [0.0]}}}"#, vec!["/imageType/LoG", "sigma"]),
        (r#"{"imageType": {"Wavelet": {"wavelet": "mexh"}}}"#, vec!["/imageType/Wavelet", "mexh"]),
        (r#"{"imageType": {"Median": {}}}"#, vec!["/imageType", "Median", "Original"]),
        (r#"{"featureClass": {"glcm": ["Contrast", "Contrats"]}}"#, vec!["/featureClass/glcm", "Contrats"]),
        (r#"{"featureClass": {"gldzm": []}}"#, vec!["gldzm"]),
        (r#"{"voxelSetting": {"kernelradius": 1}}"#, vec!["/voxelSetting", "kernelradius"]),
        (r#"{"setting": {}, "setting": {}}"#, vec!["twice"]),
    ] {
        let message = parse(text).expect_err(text);
        for p in parts {
            assert!(message.contains(p), "{text}: '{p}' is not in '{message}'");
        }
    }
}

#[test]
fn null_counts_as_absent_and_withdrawn_features_give_nothing() {
    let p = parse(
        r#"{"setting": {"weightingNorm": null, "resampledPixelSpacing": null, "minimumROISize": null, "interpolator": 3},
            "featureClass": {"glcm": ["Homogeneity1", "Contrast"], "firstorder": null}}"#,
    )
    .expect("parameters");
    assert_eq!(p.setting.weighting_norm, None);
    let names = p.feature_names();
    assert_eq!(names[0], "original_glcm_Contrast");
    assert_eq!(names.len(), 1 + 18);
}

#[test]
fn parameters_survive_writing() {
    for p in [
        Params::default_pyradiomics(),
        Params::rtpipeline_ct(),
        Params::rtpipeline_mr(),
        Params::rtpipeline_pet_fdg(),
        Params::rtpipeline_pet_psma(),
    ] {
        p.validate().expect("valid");
        let text = serde_json::to_string(&p).expect("JSON");
        assert_eq!(parse(&text).expect("parameters"), p);
    }
}

#[test]
fn numbers_of_columns() {
    assert_eq!(Params::default_pyradiomics().feature_names().len(), 107);
    // Shape once, then 93 features for the original, four LoG and eight wavelet images.
    assert_eq!(Params::rtpipeline_ct().feature_names().len(), 14 + 93 * 13);
    assert_eq!(Params::rtpipeline_mr().feature_names().len(), 14 + 93 * 4);
    assert_eq!(Params::rtpipeline_pet_fdg().feature_names().len(), 14 + 93 * 12);
    assert_eq!(Params::rtpipeline_mr().setting.normalize, Some(true));
    // An empty file means all classes; shape2D only has values with force2D.
    assert_eq!(parse("{}").expect("parameters").feature_names().len(), 107);
    let flat = parse(r#"{"setting": {"force2D": true}, "imageType": {"Wavelet": {"level": 2}}}"#).expect("parameters");
    let names = flat.feature_names();
    assert_eq!(names.len(), 14 + 9 + 93 * 7);
    assert!(names.contains(&"wavelet2-LL_glcm_MCC".to_owned()));
}

#[test]
fn sigma_keeps_its_spelling() {
    let p = parse(r#"{"imageType": {"LoG": {"sigma": [1, 1.0, 2.5]}}, "featureClass": {"ngtdm": ["Busyness"]}}"#);
    let p = p.expect("parameters");
    assert_eq!(
        p.feature_names(),
        [
            "log-sigma-1-mm-3D_ngtdm_Busyness",
            "log-sigma-1-0-mm-3D_ngtdm_Busyness",
            "log-sigma-2-5-mm-3D_ngtdm_Busyness"
        ]
    );
    let own = Settings { sigma: Some(vec![Sigma::Whole(3)]), ..Settings::default() };
    assert_eq!(p.image_type[0].1.overridden(&own).sigma, own.sigma);
    assert_eq!(p.image_type[0].0, ImageType::LoG);
}

#[test]
fn catalogue_is_complete() {
    let all: Vec<_> = catalogue().collect();
    assert_eq!(all.iter().filter(|f| !f.deprecated).count(), 107 + 9);
    for f in &all {
        assert!(!f.formula.is_empty(), "{f:?}");
        assert!(f.ibsi.is_empty() || f.ibsi.len() == 4, "{f:?}");
    }
    let names: std::collections::BTreeSet<_> = all.iter().map(|f| (f.class.name(), f.name)).collect();
    assert_eq!(names.len(), all.len());
    assert!(all.iter().any(|f| f.class == FeatureClass::Glcm && f.name == "Contrast" && f.ibsi == "ACUI"));
}
