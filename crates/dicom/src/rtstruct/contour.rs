//! Contour items: fast and tolerant reading of ContourData.

use super::Roi;
use crate::finding::note;
use crate::guard::DataSet;
use crate::text::{NumberError, parse_ds};
use dicom_dictionary_std::tags as t;
use rtpipeline_geometry::{Contour, ContourKind, Vec3};
use std::collections::HashSet;

/// Coordinates beyond this are no patient coordinates, mm.
const IMPOSSIBLE_MM: f64 = 10_000.0;
/// Coordinates beyond this are suspicious, mm.
const SUSPICIOUS_MM: f64 = 2_000.0;

/// Appends the contours of one item of ROIContourSequence.
pub(super) fn read_contours(item: &DataSet, r: &mut Roi) {
    let mut images: HashSet<String> = r.referenced_image_uids.iter().cloned().collect();
    for c in item.items(t::CONTOUR_SEQUENCE) {
        r.contour_items += 1;
        let n = r.contour_items;
        for u in c.items(t::CONTOUR_IMAGE_SEQUENCE).iter().filter_map(|i| i.code(t::REFERENCED_SOP_INSTANCE_UID)) {
            if images.insert(u.clone()) {
                r.referenced_image_uids.push(u);
            }
        }
        let Some(data) = c.bytes(t::CONTOUR_DATA) else {
            note(&mut r.findings, "contour_without_data", "a contour has no points");
            continue;
        };
        let numbers = match parse_list(data) {
            Ok(v) => v,
            Err((at, e)) => {
                note(&mut r.findings, "bad_coordinate", format!("contour {n} was dropped: number {} is {e}", at + 1));
                continue;
            }
        };
        let (triples, rest) = numbers.as_chunks::<3>();
        if !rest.is_empty() {
            note(
                &mut r.findings,
                "partial_point",
                format!("contour {n} ends with {} numbers that make no point", rest.len()),
            );
        }
        let stated = c.int(t::NUMBER_OF_CONTOUR_POINTS);
        if stated.is_some_and(|s| s != triples.len() as i64) {
            note(
                &mut r.findings,
                "point_count",
                format!("contour {n} states {} points and holds {}", stated.unwrap_or(0), triples.len()),
            );
        }
        if triples.is_empty() {
            note(&mut r.findings, "contour_without_data", "a contour has no points");
            continue;
        }
        let largest = triples.iter().flatten().fold(0.0_f64, |m, v| m.max(v.abs()));
        if largest > IMPOSSIBLE_MM {
            note(
                &mut r.findings,
                "impossible_coordinate",
                format!("contour {n} was dropped: it reaches {largest:.0} mm"),
            );
            continue;
        }
        if largest > SUSPICIOUS_MM {
            note(&mut r.findings, "suspicious_coordinate", format!("coordinates reach {largest:.0} mm"));
        }
        let points: Vec<Vec3> = triples.to_vec();
        let keyword = c.code(t::CONTOUR_GEOMETRIC_TYPE);
        let kind = match keyword.as_deref().map(|k| (k, ContourKind::from_keyword(k))) {
            Some((_, Some(kind))) => kind,
            None => {
                note(
                    &mut r.findings,
                    "no_geometric_type",
                    "a contour has no geometric type; one of 3 or more points was taken as closed",
                );
                if points.len() >= 3 { ContourKind::ClosedPlanar } else { ContourKind::Point }
            }
            Some((k, None)) => {
                note(
                    &mut r.findings,
                    "unknown_geometric_type",
                    format!("contour {n} of the unknown type {k} was dropped"),
                );
                continue;
            }
        };
        if kind.is_closed() && points.len() < 3 {
            note(&mut r.findings, "degenerate_contour", "closed contours of one or two points bound no area");
        }
        r.contours.push(Contour { kind, points });
    }
}

/// Numbers divided by backslashes; the error names the place of the bad one. A trailing backslash is tolerated.
fn parse_list(data: &[u8]) -> Result<Vec<f64>, (usize, NumberError)> {
    let mut out = Vec::with_capacity(data.len() / 7 + 1);
    let mut parts = data.split(|&b| b == b'\\').peekable();
    while let Some(part) = parts.next() {
        let v = match fast(part) {
            Some(v) => v,
            None => match std::str::from_utf8(part).map_err(|_| NumberError::Malformed).and_then(parse_ds) {
                Ok(v) => v,
                Err(NumberError::Blank) if parts.peek().is_none() => break,
                Err(e) => return Err((out.len(), e)),
            },
        };
        out.push(v);
    }
    Ok(out)
}

/// Plain decimals whose digits and power of ten are exact in binary: then one division rounds correctly.
fn fast(part: &[u8]) -> Option<f64> {
    const POWERS: [f64; 16] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
    let end = part.iter().rposition(|b| !matches!(b, b' ' | 0))? + 1;
    let mut b = &part[..end];
    while let [b' ', rest @ ..] = b {
        b = rest;
    }
    let negative = match b {
        [b'-', rest @ ..] => {
            b = rest;
            true
        }
        [b'+', rest @ ..] => {
            b = rest;
            false
        }
        _ => false,
    };
    if b.is_empty() || b.len() > 16 {
        return None;
    }
    let (mut mantissa, mut decimals, mut digits, mut point) = (0u64, 0usize, 0usize, false);
    for &c in b {
        match c {
            b'0'..=b'9' => {
                mantissa = mantissa * 10 + u64::from(c - b'0');
                digits += 1;
                decimals += usize::from(point);
            }
            b'.' if !point => point = true,
            _ => return None,
        }
    }
    if digits == 0 || digits > 15 {
        return None;
    }
    let v = mantissa as f64 / POWERS[decimals];
    Some(if negative { -v } else { v })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lists() {
        assert_eq!(parse_list(b"1.5\\ -2\\3e1 "), Ok(vec![1.5, -2.0, 30.0]));
        assert_eq!(parse_list(b"1\\2\\3\\"), Ok(vec![1.0, 2.0, 3.0]));
        assert_eq!(parse_list(b"1\\\\3"), Err((1, NumberError::Blank)));
        assert_eq!(parse_list(b"1\\nan\\3"), Err((1, NumberError::NotFinite)));
        assert_eq!(parse_list(b"1,5\\2"), Err((0, NumberError::Comma)));
    }

    proptest! {
        #[test]
        fn fast_equals_the_standard_library(m in -999_999_999_999i64..999_999_999_999, d in 0usize..8) {
            let text = format!("{:.d$}", m as f64 / 10f64.powi(d as i32));
            if let Some(v) = fast(text.as_bytes()) {
                prop_assert_eq!(v, text.parse::<f64>().unwrap());
            }
        }
    }
}
