//! Refusals, degenerate regions and properties that hold for every image.

use proptest::prelude::*;
use rtpipeline_geometry::{Grid, Mask, Volume};
use rtpipeline_radiomics::{Features, ImageFacts, ImageInput, Params, RadiomicsError, extract};

const DIMS: [usize; 3] = [9, 8, 7];

fn grid() -> Grid {
    Grid::axis_aligned(DIMS, [-3.0, 4.0, 5.0], [0.8, 1.1, 2.5])
}

fn image(seed: u32) -> Volume<i16> {
    let values = (0..504_u32).map(|n| ((n ^ seed).wrapping_mul(2654435761) >> 23) as i16 - 200);
    Volume::from_vec(grid(), values.collect())
}

fn mask(inside: impl Fn(usize, usize, usize) -> bool) -> Mask {
    let [nx, ny, nz] = DIMS;
    let mut values = Vec::new();
    for z in 0..nz {
        for y in 0..ny {
            values.extend((0..nx).map(|x| u8::from(inside(x, y, z))));
        }
    }
    Volume::from_vec(grid(), values)
}

fn params(text: &str) -> Params {
    serde_json::from_str(text).expect("parameters")
}

fn run(mask: &Mask, text: &str) -> Result<Features, RadiomicsError> {
    extract(&ImageInput::from(&image(1)), mask, &params(text))
}

#[test]
fn regions_that_pyradiomics_refuses() {
    assert_eq!(run(&mask(|_, _, _| false), "{}"), Err(RadiomicsError::LabelAbsent { label: 1 }));
    assert_eq!(run(&mask(|x, y, z| (x, y, z) == (3, 3, 3)), "{}"), Err(RadiomicsError::SingleVoxel));
    let line = mask(|x, y, z| (2..6).contains(&x) && y == 3 && z == 3);
    assert_eq!(run(&line, "{}"), Err(RadiomicsError::TooFewDimensions { dimensions: 1, minimum: 2 }));
    assert!(run(&line, r#"{"setting": {"minimumROIDimensions": 1}}"#).is_ok());
    let cube = mask(|x, y, z| x < 4 && y < 4 && z < 4);
    // Equality is refused, too.
    let text = r#"{"setting": {"minimumROISize": 64}}"#;
    assert_eq!(run(&cube, text), Err(RadiomicsError::TooSmall { size: 64, minimum: 64 }));
    assert!(run(&cube, r#"{"setting": {"minimumROISize": 63}}"#).is_ok());
    let text = r#"{"setting": {"resegmentRange": [5000]}}"#;
    assert_eq!(run(&cube, text), Err(RadiomicsError::Resegmentation { label: 1, retained: 0 }));
    assert!(matches!(run(&cube, r#"{"setting": {"binWidth": 1e-9}}"#), Err(RadiomicsError::TooManyGreyLevels { .. })));
    let text = r#"{"setting": {"resampledPixelSpacing": [2, 2, 2], "interpolator": "sitkGaussian"}}"#;
    assert!(matches!(run(&cube, text), Err(RadiomicsError::Unsupported { setting: "interpolator", .. })));
}

#[test]
fn grids_that_differ() {
    let source = image(1);
    let input = ImageInput::from(&source);
    let mut shifted = mask(|x, y, z| (2..6).contains(&x) && (2..6).contains(&y) && (2..5).contains(&z));
    let there = extract(&input, &shifted, &params("{}")).expect("features");
    shifted.grid.origin[0] += 1e-4;
    assert!(matches!(
        extract(&input, &shifted, &params("{}")),
        Err(RadiomicsError::GeometryMismatch { what: "origin", .. })
    ));
    let loose = params(r#"{"setting": {"geometryTolerance": 0.001}}"#);
    assert_eq!(extract(&input, &shifted, &loose).expect("features").values, there.values);
    let corrected = extract(&input, &shifted, &params(r#"{"setting": {"correctMask": true}}"#)).expect("features");
    assert_eq!(corrected.values, there.values);

    // A finer mask of the same place is corrected; one that lies outside is refused.
    let fine = Grid::axis_aligned([18, 8, 7], [-3.2, 4.0, 5.0], [0.4, 1.1, 2.5]);
    let at = |n: usize| [n % 18, n / 18 % 8, n / 144];
    let inside = |[x, y, z]: [usize; 3]| (4..12).contains(&x) && (2..6).contains(&y) && (2..5).contains(&z);
    let mut other: Mask = Volume::from_vec(fine, (0..1008).map(|n| u8::from(inside(at(n)))).collect());
    assert!(matches!(extract(&input, &other, &params("{}")), Err(RadiomicsError::SizeMismatch { .. })));
    let correct = params(r#"{"setting": {"correctMask": true}}"#);
    assert_eq!(extract(&input, &other, &correct).expect("features").values, there.values);
    other.grid.origin[2] += 100.0;
    assert!(matches!(extract(&input, &other, &correct), Err(RadiomicsError::OutsideImage { .. })));
}

#[test]
fn what_cannot_be_computed_is_left_out_with_a_reason() {
    let m = mask(|x, y, z| (2..6).contains(&x) && (2..6).contains(&y) && (2..5).contains(&z));
    let text = r#"{"imageType": {"Original": {}, "LoG": {"sigma": [1.0, 50.0]}}, "featureClass": {"shape2D": [], "ngtdm": []}}"#;
    let f = run(&m, text).expect("features");
    assert_eq!(f.values.len(), 2 * 5);
    assert_eq!(f.warnings.len(), 2, "{:?}", f.warnings);
    let mut bad = Volume::from_vec(grid(), image(1).values().iter().map(|&v| f32::from(v)).collect());
    bad.values_mut()[9 * 8 * 3 + 9 * 3 + 3] = f32::NAN;
    let e = extract(&ImageInput::from(&bad), &m, &params("{}")).expect_err("NaN inside");
    assert!(matches!(e, RadiomicsError::NotFinite { .. }));
}

#[test]
fn diagnostics_can_be_shared_or_switched_off() {
    let m = mask(|x, y, z| x < 4 && y < 4 && z < 4);
    let source = image(1);
    let mut input = ImageInput::from(&source);
    let p = params(r#"{"featureClass": {"shape": ["MeshVolume"]}}"#);
    let plain = extract(&input, &m, &p).expect("features");
    let get = |f: &Features, key: &str| f.diagnostics.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone());
    assert_eq!(get(&plain, "diagnostics_Mask-original_VoxelNum").as_deref(), Some("64"));
    assert_eq!(get(&plain, "diagnostics_Mask-original_BoundingBox").as_deref(), Some("(0, 0, 0, 4, 4, 4)"));
    let facts: ImageFacts = input.compute_facts();
    input.facts = Some(&facts);
    assert_eq!(extract(&input, &m, &p).expect("features"), plain);
    let quiet = params(r#"{"setting": {"additionalInfo": false}}"#);
    assert!(extract(&input, &m, &quiet).expect("features").diagnostics.is_empty());
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let m = mask(|x, y, z| x + y + z > 5 && x < 8);
    let p = params(r#"{"imageType": {"Original": {}, "LoG": {"sigma": [1.0, 2.0]}, "Wavelet": {}, "Gradient": {}}}"#);
    let source = image(3);
    let with = |n: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build().expect("a pool");
        pool.install(|| extract(&ImageInput::from(&source), &m, &p).expect("features"))
    };
    let one = with(1);
    let bits = |f: &Features| f.values.iter().map(|(n, v)| (n.clone(), v.to_bits())).collect::<Vec<_>>();
    assert_eq!(bits(&one), bits(&with(2)));
    assert_eq!(bits(&one), bits(&with(5)));
}

fn relative(a: f64, b: f64) -> f64 {
    (a - b).abs() / a.abs().max(b.abs()).max(1e-12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Texture sees grey levels only through bins aligned at multiples of the width; shape does not see them at all.
    #[test]
    fn shifting_by_whole_bins_changes_only_first_order(seed in any::<u32>(), bins in -6..6_i16, cells in any::<u64>()) {
        let m = mask(|x, y, z| (cells >> ((x / 2 + y / 2 * 4 + z / 3 * 16) % 64)) & 1 == 1 || x == 1);
        let a = image(seed);
        let b = a.map(|v| v + bins * 25);
        let p = Params::default_pyradiomics();
        let f = extract(&ImageInput::from(&a), &m, &p).unwrap();
        let g = extract(&ImageInput::from(&b), &m, &p).unwrap();
        for ((name, v), (_, w)) in f.values.iter().zip(&g.values) {
            if !name.contains("firstorder") {
                prop_assert_eq!(v, w, "{}", name);
            }
        }
        let (u, v) = (f.get("original_firstorder_Mean").unwrap(), g.get("original_firstorder_Mean").unwrap());
        prop_assert!((v - u - f64::from(bins) * 25.0).abs() < 1e-9);
    }

    /// Mirroring the volume mirrors nothing that the features see (the mesh's complement rule is not symmetric).
    #[test]
    fn mirroring_changes_no_texture(seed in any::<u32>(), axis in 0..3_usize) {
        let m = mask(|x, y, z| x + 2 * y + z > 6 && x < 8);
        let a = image(seed);
        let flip = |n: usize| {
            let mut c = [n % 9, n / 9 % 8, n / 72];
            c[axis] = DIMS[axis] - 1 - c[axis];
            (c[2] * 8 + c[1]) * 9 + c[0]
        };
        let b = Volume::from_vec(grid(), (0..504).map(|n| a.values()[flip(n)]).collect());
        let n = Volume::from_vec(grid(), (0..504).map(|k| m.values()[flip(k)]).collect());
        let p = Params::default_pyradiomics();
        let f = extract(&ImageInput::from(&a), &m, &p).unwrap();
        let g = extract(&ImageInput::from(&b), &n, &p).unwrap();
        for ((name, v), (_, w)) in f.values.iter().zip(&g.values) {
            let mesh = ["Mesh", "Surface", "Sphericity"].iter().any(|s| name.contains(s));
            // Sums in another order; the third moment cancels.
            prop_assert!(mesh || relative(*v, *w) < 1e-9 || (v - w).abs() < 1e-9, "{} {} {}", name, v, w);
        }
    }

    /// Counts that must add up.
    #[test]
    fn counts_add_up(seed in any::<u32>(), cells in any::<u64>()) {
        let m = mask(|x, y, z| (cells >> ((x + y * 9 + z * 5) % 64)) & 1 == 1 || y == 2);
        let f = extract(&ImageInput::from(&image(seed)), &m, &Params::default_pyradiomics()).unwrap();
        let n = m.count() as f64;
        let get = |name: &str| f.get(name).unwrap();
        prop_assert!(relative(get("original_shape_VoxelVolume"), n * 0.8 * 1.1 * 2.5) < 1e-12);
        let level = get("original_gldm_GrayLevelNonUniformity");
        prop_assert!(relative(level, n * get("original_firstorder_Uniformity")) < 1e-12);
        prop_assert!(get("original_glrlm_RunPercentage") <= 1.0 && get("original_glszm_ZonePercentage") <= 1.0);
        prop_assert!((0.0..=1.0 + 1e-12).contains(&get("original_glcm_MCC")));
        let (slice, whole) = (get("original_shape_Maximum2DDiameterSlice"), get("original_shape_Maximum3DDiameter"));
        prop_assert!(slice <= whole);
    }
}
