//! Written volumes come back, hostile bytes give errors.

use proptest::prelude::*;
use rtpipeline_geometry::{Grid, Volume};
use rtpipeline_volume_io::{Element, VolumeData, nifti_bytes, nrrd_bytes, read, read_bytes, read_labels, write_nifti};

fn oblique(dims: [usize; 3], spacing: [f64; 3]) -> Grid {
    let (s, c) = (0.3_f64.sin(), 0.3_f64.cos());
    let (s2, c2) = ((-0.2_f64).sin(), (-0.2_f64).cos());
    let direction = [[c, s, 0.0], [-s * c2, c * c2, s2], [s * s2, -c * s2, c2]];
    Grid::new(dims, [-120.5, 33.25, -800.0], spacing, direction).expect("a grid")
}

fn close(a: &Grid, b: &Grid, tolerance: f64) {
    assert!(a.same_as(b, tolerance), "{a:?}\n{b:?}");
}

fn nifti_keeps<T: Element + PartialEq + std::fmt::Debug>(values: Vec<T>, unwrap: fn(VolumeData) -> Option<Volume<T>>) {
    for gz in [false, true] {
        let v = Volume::from_vec(oblique([3, 4, 2], [0.9, 1.1, 3.0]), values.clone());
        let bytes = nifti_bytes(&v, "test", gz).expect("bytes");
        assert_eq!(bytes, nifti_bytes(&v, "test", gz).expect("bytes"), "equal input, equal bytes");
        let file = read_bytes(&bytes).expect("readable");
        assert_eq!(file.description, "test");
        let back = unwrap(file.data).expect("the same type");
        assert_eq!(back.values(), v.values());
        // Single precision at 800 mm: 6e-5 mm.
        close(&back.grid, &v.grid, 2e-4);
    }
}

#[test]
fn nifti_round_trip_of_every_type() {
    let n = 24_u8;
    nifti_keeps((0..n).collect(), |d| if let VolumeData::U8(v) = d { Some(v) } else { None });
    nifti_keeps((0..n).map(|v| -(v as i8)).collect(), |d| if let VolumeData::I8(v) = d { Some(v) } else { None });
    nifti_keeps((0..n).map(|v| v as i16 - 1000).collect(), |d| if let VolumeData::I16(v) = d { Some(v) } else { None });
    nifti_keeps(
        (0..n).map(|v| v as u16 + 65000).collect(),
        |d| if let VolumeData::U16(v) = d { Some(v) } else { None },
    );
    nifti_keeps(
        (0..n).map(|v| v as i32 - 100000).collect(),
        |d| if let VolumeData::I32(v) = d { Some(v) } else { None },
    );
    nifti_keeps((0..n).map(|v| v as u32 + 4000000000).collect(), |d| {
        if let VolumeData::U32(v) = d { Some(v) } else { None }
    });
    nifti_keeps((0..n).map(|v| v as f32 / 7.0).collect(), |d| if let VolumeData::F32(v) = d { Some(v) } else { None });
    nifti_keeps((0..n).map(|v| v as f64 / 7.0).collect(), |d| if let VolumeData::F64(v) = d { Some(v) } else { None });
}

/// qform alone must give the same grid as sform for every orientation of the axes, left-handed ones included.
#[test]
fn qform_agrees_with_sform_for_all_axis_orders() {
    let o = oblique([3, 4, 2], [1.0; 3]).direction();
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let id = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    for axes in [o, id] {
        for order in orders {
            for signs in 0..8_u32 {
                let direction = [0, 1, 2].map(|a: usize| {
                    let s = if signs >> a & 1 == 1 { -1.0 } else { 1.0 };
                    axes[order[a]].map(|c| c * s)
                });
                let grid = Grid::new([3, 4, 2], [10.0, -20.0, 30.0], [0.9, 1.1, 3.0], direction).expect("a grid");
                let mut bytes = nifti_bytes(&Volume::filled(grid.clone(), 7_u8), "", false).expect("bytes");
                bytes[254..256].copy_from_slice(&[0, 0]);
                let back = read_bytes(&bytes).expect("readable");
                // Single precision of a quaternion component: 6e-8 × 20 mm, doubled by the products.
                close(back.data.grid(), &grid, 1e-4);
            }
        }
    }
}

#[test]
fn sheared_grids_have_no_qform_and_survive() {
    let grid =
        Grid { dims: [4, 3, 5], origin: [1.0, 2.0, 3.0], step: [[1.0, 0.0, 0.0], [0.0, 1.5, 0.0], [0.0, 0.6, 2.5]] };
    let bytes = nifti_bytes(&Volume::filled(grid.clone(), 1_i16), "", true).expect("bytes");
    close(read_bytes(&bytes).expect("readable").data.grid(), &grid, 1e-5);
    let plain = nifti_bytes(&Volume::filled(grid.clone(), 1_i16), "", false).expect("bytes");
    assert_eq!(&plain[252..256], &[0, 0, 1, 0]);
    let bytes = nrrd_bytes(&Volume::filled(grid.clone(), 1_i16)).expect("bytes");
    assert_eq!(read_bytes(&bytes).expect("readable").data.grid(), &grid);
}

#[test]
fn ras_is_written_once() {
    let g = Grid::axis_aligned([2, 2, 2], [10.0, 20.0, 30.0], [1.0, 2.0, 3.0]);
    let b = nifti_bytes(&Volume::filled(g, 0_u8), "", false).expect("bytes");
    let f = |at: usize| f32::from_le_bytes(b[at..at + 4].try_into().expect("four bytes"));
    assert_eq!([f(280), f(292), f(300), f(308), f(320), f(324)], [-1.0, -10.0, -2.0, -20.0, 3.0, 30.0]);
}

#[test]
fn big_endian_scaling_extensions_and_bad_pixdim() {
    // A big endian header made by hand: 2×1×1 int16, slope 0.5, intercept −3, one extension, pixdim 0.
    let mut h = vec![0_u8; 352];
    h[0..4].copy_from_slice(&348_i32.to_be_bytes());
    for (n, v) in [3_i16, 2, 1, 1, 1, 1, 1, 1].into_iter().enumerate() {
        h[40 + 2 * n..42 + 2 * n].copy_from_slice(&v.to_be_bytes());
    }
    h[70..72].copy_from_slice(&4_i16.to_be_bytes());
    h[72..74].copy_from_slice(&16_i16.to_be_bytes());
    h[108..112].copy_from_slice(&384_f32.to_be_bytes());
    h[112..116].copy_from_slice(&0.5_f32.to_be_bytes());
    h[116..120].copy_from_slice(&(-3_f32).to_be_bytes());
    h[344..348].copy_from_slice(b"n+1\0");
    h[348] = 1;
    h.extend(32_i32.to_be_bytes());
    h.extend(6_i32.to_be_bytes());
    h.extend(b"liver=5\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    h.extend([5_i16, -2].iter().flat_map(|v| v.to_be_bytes()));
    let file = read_bytes(&h).expect("readable");
    let VolumeData::F32(v) = &file.data else { panic!("scaled int16 becomes float: {:?}", file.data) };
    assert_eq!(v.values(), [-0.5, -4.0]);
    assert_eq!(v.grid.spacing(), [1.0; 3]);
    assert_eq!((file.extensions.len(), file.extensions[0].code), (1, 6));
    assert!(file.extensions[0].data.starts_with(b"liver=5"));
}

#[test]
fn nrrd_variants() {
    let head = |extra: &str| format!("NRRD0005\n# comment\ntype: int16\ndimension: 3\nsizes: 2 1 2\n{extra}\n");
    let values: Vec<u8> = [1_i16, -2, 300, 4].iter().flat_map(|v| v.to_be_bytes()).collect();
    let ras = "space: right-anterior-superior\nspace directions: (1,0,0) (0,2,0) (0,0,3)\nspace origin: (10,20,30)\n";
    let mut raw = head(&format!("{ras}endian: big\nencoding: raw\nkey:=value\n")).into_bytes();
    raw.extend(&values);
    let file = read_bytes(&raw).expect("readable");
    let VolumeData::I16(v) = &file.data else { panic!("int16 stays int16") };
    assert_eq!(v.values(), [1, -2, 300, 4]);
    assert_eq!(
        (v.grid.origin, v.grid.step[0], v.grid.step[1]),
        ([-10.0, -20.0, 30.0], [-1.0, 0.0, 0.0], [0.0, -2.0, 0.0])
    );
    assert_eq!(file.pairs, [("key".to_owned(), "value".to_owned())]);

    let mut ascii = head("spacings: 1 2 3\nencoding: ascii\n").into_bytes();
    ascii.extend(b"1 -2\n300 4\n");
    let file = read_bytes(&ascii).expect("readable");
    assert_eq!(file.data.into_f64().values(), [1.0, -2.0, 300.0, 4.0]);

    for bad in ["encoding: bzip2\n", "data file: x.raw\nencoding: raw\n", "space: moon\nencoding: raw\n"] {
        let mut b = head(bad).into_bytes();
        b.extend(&values);
        assert!(read_bytes(&b).is_err(), "{bad}");
    }
}

#[test]
fn concatenated_members_and_damage() {
    let v = Volume::from_vec(
        Grid::axis_aligned([50, 40, 30], [0.0; 3], [1.0; 3]),
        (0..60000_u32).map(|v| v as f32).collect(),
    );
    let plain = nifti_bytes(&v, "", false).expect("bytes");
    let mut members = Vec::new();
    for part in plain.chunks(70000) {
        let mut e = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut e, part).expect("memory");
        members.extend(e.finish().expect("memory"));
    }
    assert_eq!(read_bytes(&members).expect("readable").data, VolumeData::F32(v.clone()));

    let gz = nifti_bytes(&v, "", true).expect("bytes");
    assert!(read_bytes(&gz[..gz.len() / 2]).is_err());
    let mut flipped = gz.clone();
    let n = flipped.len();
    flipped[n - 6] ^= 0x40;
    assert!(read_bytes(&flipped).is_err(), "the checksum is compared");
}

#[test]
fn announced_sizes_are_not_believed() {
    let v = Volume::filled(Grid::axis_aligned([4, 4, 4], [0.0; 3], [1.0; 3]), 1_u8);
    for gz in [false, true] {
        let mut b = nifti_bytes(&v, "", false).expect("bytes");
        for a in 0..3 {
            b[42 + 2 * a..44 + 2 * a].copy_from_slice(&i16::MAX.to_le_bytes());
        }
        if gz {
            let mut e = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            std::io::Write::write_all(&mut e, &b).expect("memory");
            b = e.finish().expect("memory");
        }
        assert!(read_bytes(&b).is_err());
    }
}

#[test]
fn labels_and_files() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a.nii.gz");
    let grid = Grid::axis_aligned([2, 2, 1], [0.0; 3], [1.0; 3]);
    write_nifti(&path, &Volume::from_vec(grid.clone(), vec![0.0_f32, 1.0, 7.0, 3.0]), "").expect("written");
    assert_eq!(read_labels(&path).expect("labels").values(), [0, 1, 7, 3]);
    assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 1, "nothing is left behind");
    write_nifti(&path, &Volume::from_vec(grid, vec![0.0_f32, 1.5, 7.0, 3.0]), "").expect("written");
    let text = read_labels(&path).expect_err("1.5 is no label").to_string();
    assert!(text.contains("1.5") && text.contains("a.nii.gz"), "{text}");
    assert!(read(&dir.path().join("absent.nii")).is_err());
}

proptest! {
    #[test]
    fn any_bytes_give_an_answer(tail in proptest::collection::vec(any::<u8>(), 0..900), kind in 0..4_u8) {
        let mut b: Vec<u8> = match kind {
            0 => 348_i32.to_le_bytes().to_vec(),
            1 => 540_i32.to_be_bytes().to_vec(),
            2 => b"NRRD0004\ntype: short\ndimension: 3\nsizes: 9 9 9\nencoding: gzip\n\n".to_vec(),
            _ => vec![0x1f, 0x8b, 8, 0],
        };
        b.extend(tail);
        let _ = read_bytes(&b);
    }

    #[test]
    fn mutated_headers_give_an_answer(at in 0..352_usize, value in any::<u8>()) {
        let v = Volume::filled(Grid::axis_aligned([3, 3, 3], [0.0; 3], [1.0; 3]), 1_i16);
        let mut b = nifti_bytes(&v, "", false).expect("bytes");
        b[at] = value;
        if let Ok(file) = read_bytes(&b) {
            prop_assert!(file.data.grid().len() * 8 <= 27 * 8 * 2);
        }
    }
}
