use super::*;

fn noisy(dims: [usize; 3]) -> Volume<f32> {
    let grid = Grid::axis_aligned(dims, [-100.0, -100.0, 0.0], [1.0, 1.0, 3.0]);
    let mut state = 1u64;
    let mut v = Volume::filled(grid, -1000.0);
    let (cx, cy) = (dims[0] as f64 / 2.0, dims[1] as f64 / 2.0);
    for k in 0..dims[2] {
        for j in 0..dims[1] {
            for i in 0..dims[0] {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let noise = ((state >> 40) as f32 / (1u64 << 24) as f32 - 0.5) * 40.0;
                if ((i as f64 - cx) / (0.35 * cx)).hypot((j as f64 - cy) / (0.3 * cy)) < 1.0 {
                    v.data[[k, j, i]] = 40.0 + noise;
                }
            }
        }
    }
    v
}

#[test]
fn codes_are_within_half_a_code_before_jpeg() {
    let scale = Scale::of(&noisy([8, 8, 1]), ImageKind::Ct);
    for hu in -1024..=3071 {
        let c = scale.code(hu as f32);
        let (lower, upper) = (scale.value(c.saturating_sub(1)), scale.value(c.saturating_add(1)));
        let half = ((upper - lower) / 2.0).max(0.5);
        assert!((scale.value(c) - hu as f64).abs() <= half, "{hu} {c}");
    }
    assert_eq!((scale.code(f32::NAN), scale.code(-3000.0), scale.code(9000.0)), (0, 0, 255));
    assert!((scale.value(scale.code(40.0)) - 40.0).abs() < 2.0);
}

#[test]
fn jpeg_keeps_the_picture_and_crop_keeps_positions() {
    let volume = noisy([200, 180, 3]);
    let block = encode_image(&volume, ImageKind::Ct, &ImageOptions::default()).unwrap();
    assert!(block.grid.dims[0] < 120 && block.grid.dims[1] < 110, "{:?}", block.grid.dims);
    let raw = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, &block.slices[1]).unwrap();
    assert_eq!(&raw[..3], &[0xff, 0xd8, 0xff]);
    // The centre of the ellipse lies in the stored grid where it lies in the patient.
    let centre = volume.grid.world([100.0, 90.0, 1.0]);
    let at = block.grid.index(centre);
    assert!((at[0] - at[0].round()).abs() < 1e-9 && (at[2] - 1.0).abs() < 1e-9);
    assert!(block.remark.contains("1 mm"), "{}", block.remark);
}

#[test]
fn ladder_takes_the_first_rung_that_fits_and_is_deterministic() {
    let volume = noisy([600, 520, 6]);
    let base = encode_image(&volume, ImageKind::Ct, &ImageOptions { crop: false, ..Default::default() }).unwrap();
    // 600 columns exceed 512, so blocks of two are averaged even on the first rung.
    assert_eq!(base.grid.dims, [300, 260, 6]);
    let mut last = base.size();
    for divisor in [2, 4, 8] {
        let options = ImageOptions { crop: false, budget: base.size() / divisor, ..Default::default() };
        let block = encode_image(&volume, ImageKind::Ct, &options).unwrap();
        assert!(block.size() <= options.budget && block.size() < last);
        last = block.size();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let single = pool.install(|| encode_image(&volume, ImageKind::Ct, &options)).unwrap();
        assert_eq!(single, block);
    }
    let none = encode_image(&volume, ImageKind::Ct, &ImageOptions { budget: 10, ..Default::default() });
    assert!(matches!(none, Err(ReportError::Input { .. })));
}

#[test]
fn missing_slices_stay_empty_and_every_second_slice_keeps_its_place() {
    let volume = noisy([64, 64, 9]);
    let options = ImageOptions { missing_slices: vec![4], crop: false, ..Default::default() };
    let block = encode_image(&volume, ImageKind::Ct, &options).unwrap();
    assert!(block.slices[4].is_empty() && !block.slices[3].is_empty());
    let plan = Plan::new(&volume.grid, whole(&volume.grid), Rung { matrix: 64, quality: 80, every: 2 });
    let grid = plan.grid(&volume.grid);
    assert_eq!(grid.dims[2], 5);
    assert_eq!(grid.world([0.0, 0.0, 2.0]), volume.grid.world([0.0, 0.0, 4.0]));
    assert!(plan.remark(9, false).contains("every 2nd of 9"));
}

#[test]
fn tilted_gantry_becomes_upright_and_a_straight_rod_stays_in_place() {
    // Slices step 1.5 mm in y for 3 mm in z; a rod along z in the patient moves through the columns.
    let grid = Grid {
        dims: [40, 60, 12],
        origin: [-20.0, -30.0, 0.0],
        step: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.5, 3.0]],
    };
    let mut volume = Volume::filled(grid.clone(), -1000.0f32);
    for k in 0..12 {
        for j in 0..60 {
            for i in 0..40 {
                let p = grid.world([i as f64, j as f64, k as f64]);
                if p[0].abs() <= 2.1 && (p[1] - 5.0).abs() <= 2.1 {
                    volume.data[[k, j, i]] = 1000.0;
                }
            }
        }
    }
    let upright = straighten(&volume).unwrap().expect("it is tilted");
    assert!(upright.grid.is_orthogonal(1e-9));
    for k in 0..12 {
        let at = upright.grid.index([0.0, 5.0, 3.0 * k as f64]);
        let v = upright.data[[at[2].round() as usize, at[1].round() as usize, at[0].round() as usize]];
        assert!((at[2] - k as f64).abs() < 1e-9 && v > 900.0, "slice {k}: {v}");
    }
    assert!(straighten(&noisy([4, 4, 4])).unwrap().is_none());
}

#[test]
fn mr_and_pet_have_their_own_scales() {
    let mut volume = noisy([50, 50, 4]);
    for (n, v) in volume.values_mut().iter_mut().enumerate() {
        *v = (n % 1000) as f32;
    }
    let mr = Scale::of(&volume, ImageKind::Mr);
    assert!(mr.code(5.0) < 3 && mr.code(995.0) > 252 && (mr.code(500.0) as i32 - 128).abs() < 3);
    let pet = Scale::of(&Volume::filled(volume.grid.clone(), 1.0), ImageKind::Pet);
    assert_eq!(pet.points.last().unwrap().0, 20.0);
    assert_eq!(pet.code(5.0), 127);
}
