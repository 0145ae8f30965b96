//! The guard against hostile bytes: no panic, no runaway, whatever comes.

mod common;

use common::shared;
use proptest::prelude::*;
use rtpipeline_dicom::guard::{Fault, Object, OpenError};
use rtpipeline_dicom::header::{Sniff, sniff_bytes};
use rtpipeline_dicom::{rtdose, rtplan, rtstruct};
use std::path::Path;

fn everything(bytes: Vec<u8>) {
    let _ = sniff_bytes(&bytes);
    if let Ok(o) = Object::from_bytes(Path::new("mutated"), bytes) {
        let _ = rtstruct::structure_set(&o);
        let _ = rtdose::dose(&o);
        let _ = rtplan::plan(&o);
        let _ = rtplan::treatment_record(&o);
        let _ = rtpipeline_dicom::digest::digest(&o);
    }
}

fn seeds() -> Vec<Vec<u8>> {
    [
        "dicom_syntax/pydicom/rtplan.dcm",
        "dicom_syntax/pydicom/rtstruct.dcm",
        "dicom_syntax/pydicom/rtdose_expb.dcm",
        "dicom_syntax/pydicom/rtdose_rle_1frame.dcm",
        "dicom_syntax/pydicom/MR_small_jp2klossless.dcm",
        "broken_files/UN_sequence.dcm",
        "dicom_syntax/pydicom/image_dfl.dcm",
        "seg_and_multiframe/enhanced/siemens_xa10_6_1.dcm",
    ]
    .iter()
    .filter_map(|p| std::fs::read(shared(p)?).ok())
    .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn mutated_objects(which in 0usize..8, edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12), cut in prop::option::of(any::<prop::sample::Index>())) {
        let seeds = seeds();
        if seeds.is_empty() {
            return Ok(());
        }
        let mut b = seeds[which % seeds.len()].clone();
        // Mostly the header: that is where lengths are.
        let reach = b.len().min(6000);
        for (at, v) in edits {
            let i = at.index(reach);
            b[i] = v;
        }
        if let Some(c) = cut {
            b.truncate(c.index(b.len()));
        }
        everything(b);
    }

    #[test]
    fn arbitrary_bytes(mut b in prop::collection::vec(any::<u8>(), 0..600), dicm in any::<bool>()) {
        if dicm && b.len() > 140 {
            b[128..132].copy_from_slice(b"DICM");
        }
        everything(b);
    }
}

/// Truncation at every 512 bytes: an image is never taken as whole.
#[test]
fn truncated_everywhere() {
    let Some(p) = shared("dicom_syntax/pydicom/CT_small.dcm") else { return };
    let whole = std::fs::read(p).unwrap();
    for n in (512..whole.len() - 200).step_by(512) {
        let usable = match sniff_bytes(&whole[..n]) {
            Sniff::Dicom { header } => header.image.as_ref().is_some_and(|i| i.has_pixels),
            _ => false,
        };
        assert!(!usable, "{n} of {} bytes", whole.len());
    }
}

fn element(group: u16, el: u16, vr: &[u8; 2], value: &[u8]) -> Vec<u8> {
    let mut b = Vec::new();
    b.extend_from_slice(&group.to_le_bytes());
    b.extend_from_slice(&el.to_le_bytes());
    b.extend_from_slice(vr);
    b.extend_from_slice(&(value.len() as u16).to_le_bytes());
    b.extend_from_slice(value);
    b
}

fn start() -> Vec<u8> {
    let mut b = element(8, 0x16, b"UI", b"1.2.840.10008.5.1.4.1.1.481.3\0");
    b.extend(element(8, 0x18, b"UI", b"1.2.3\0"));
    b
}

/// A length of 4 GiB costs nothing and is named.
#[test]
fn forged_length() {
    let mut b = start();
    b.extend_from_slice(&[0x10, 0x00, 0x10, 0x40, b'U', b'T', 0, 0, 0xFE, 0xFF, 0xFF, 0xFF]);
    b.extend_from_slice(b"short");
    match Object::from_bytes(Path::new("x"), b) {
        Err(OpenError::Damaged { fault: Fault::Truncated { need, left, .. }, .. }) => {
            assert_eq!((need, left), (0xFFFF_FFFE, 5))
        }
        other => panic!("{other:?}"),
    }
}

/// A million nested sequences end in a reason, not in a stack overflow.
#[test]
fn nested_without_end() {
    let mut b = start();
    for _ in 0..1_000_000 {
        b.extend_from_slice(&[0x06, 0x30, 0x39, 0x00, b'S', b'Q', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
        b.extend_from_slice(&[0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF]);
    }
    match Object::from_bytes(Path::new("x"), b.clone()) {
        Err(OpenError::Damaged { fault, .. }) => assert_eq!(fault, Fault::TooDeep),
        other => panic!("{other:?}"),
    }
    assert!(matches!(sniff_bytes(&b), Sniff::Unreadable { .. }));
}

/// A deflated data set that would grow a thousandfold is refused.
#[test]
fn deflate_bomb() {
    use std::io::Write;
    let mut e = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    e.write_all(&start()).unwrap();
    let zeros = vec![0u8; 1 << 20];
    for _ in 0..100 {
        e.write_all(&zeros).unwrap();
    }
    let packed = e.finish().unwrap();
    let mut b = vec![0u8; 128];
    b.extend_from_slice(b"DICM");
    b.extend(element(2, 0x10, b"UI", b"1.2.840.10008.1.2.1.99"));
    b.extend(packed);
    match Object::from_bytes(Path::new("x"), b) {
        Err(OpenError::Damaged { fault: Fault::Inflate(why), .. }) => assert!(why.contains("grows"), "{why}"),
        other => panic!("{:?}", other.map(|o| o.body.len())),
    }
}

/// UN with undefined length holds implicit items (correction proposal 246); a missing sequence delimiter is tolerated.
#[test]
fn unknown_sequences() {
    let mut b = start();
    // (3006,0020) as UN, undefined length, one item with ROI Number and Name in implicit VR.
    b.extend_from_slice(&[0x06, 0x30, 0x20, 0x00, b'U', b'N', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
    let mut item = vec![0x06, 0x30, 0x22, 0x00, 2, 0, 0, 0];
    item.extend_from_slice(b"7 ");
    item.extend_from_slice(&[0x06, 0x30, 0x26, 0x00, 4, 0, 0, 0]);
    item.extend_from_slice(b"Lung");
    b.extend_from_slice(&[0xFE, 0xFF, 0x00, 0xE0]);
    b.extend_from_slice(&(item.len() as u32).to_le_bytes());
    b.extend(item);
    b.extend_from_slice(&[0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
    let o = Object::from_bytes(Path::new("x"), b).unwrap();
    let s = rtstruct::structure_set(&o).unwrap();
    assert_eq!((s.rois[0].number, s.rois[0].name.as_str()), (7, "Lung"));
}
