//! Byte-level helpers of the blocks: raw deflate, base64, varints, zigzag.

use super::super::ReportError;
use base64::Engine as _;
use std::io::Write as _;

/// Raw deflate (RFC 1951) at the highest level, then base64.
pub(crate) fn deflate_base64(bytes: &[u8], what: &'static str) -> Result<String, ReportError> {
    let fail = |source| ReportError::Deflate { what, source };
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).map_err(fail)?;
    Ok(base64(&encoder.finish().map_err(fail)?))
}

/// Standard base64 with padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// The inverse of [`deflate_base64`].
pub(crate) fn inflate_base64(text: &str, what: &'static str) -> Result<Vec<u8>, ReportError> {
    let fail = |source| ReportError::Deflate { what, source };
    let raw = base64::engine::general_purpose::STANDARD.decode(text).map_err(|e| fail(std::io::Error::other(e)))?;
    let mut decoder = flate2::write::DeflateDecoder::new(Vec::new());
    decoder.write_all(&raw).map_err(fail)?;
    decoder.finish().map_err(fail)
}

/// Appends an unsigned LEB128 number.
pub(crate) fn varint(out: &mut Vec<u8>, mut v: u64) {
    while v >= 0x80 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

/// Appends a signed number as zigzag LEB128.
pub(crate) fn zigzag_varint(out: &mut Vec<u8>, v: i64) {
    varint(out, (v << 1 ^ v >> 63) as u64);
}

/// Reads an unsigned LEB128 number.
#[cfg(test)]
pub(crate) fn read_varint(bytes: &mut &[u8]) -> u64 {
    let mut v = 0;
    let mut shift = 0;
    while let Some((&b, rest)) = bytes.split_first() {
        *bytes = rest;
        v |= ((b & 0x7f) as u64) << shift;
        if b < 0x80 {
            break;
        }
        shift += 7;
    }
    v
}

/// Reads a signed zigzag LEB128 number.
#[cfg(test)]
pub(crate) fn read_zigzag(bytes: &mut &[u8]) -> i64 {
    let v = read_varint(bytes);
    (v >> 1) as i64 ^ -((v & 1) as i64)
}

/// Low bytes, then high bytes of 16-bit words: deflate finds more in them than in pairs.
pub(crate) fn split_bytes(words: &[u16]) -> Vec<u8> {
    words.iter().map(|w| *w as u8).chain(words.iter().map(|w| (w >> 8) as u8)).collect()
}

/// The inverse of [`split_bytes`].
pub(crate) fn join_bytes(bytes: &[u8]) -> Vec<u16> {
    let (low, high) = bytes.split_at(bytes.len() / 2);
    low.iter().zip(high).map(|(&l, &h)| l as u16 | (h as u16) << 8).collect()
}

/// Signed difference as an unsigned word with small values for small differences.
pub(crate) fn zigzag16(d: i16) -> u16 {
    ((d << 1) ^ (d >> 15)) as u16
}

/// The inverse of [`zigzag16`].
pub(crate) fn unzigzag16(v: u16) -> i16 {
    (v >> 1) as i16 ^ -((v & 1) as i16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let values = [0i64, 1, -1, 63, -64, 64, 8191, -8192, i64::from(i32::MAX), i64::from(i32::MIN)];
        let mut bytes = Vec::new();
        for v in values {
            zigzag_varint(&mut bytes, v);
        }
        let mut rest = bytes.as_slice();
        for v in values {
            assert_eq!(read_zigzag(&mut rest), v);
        }
        for d in [0i16, 1, -1, 300, i16::MIN, i16::MAX] {
            assert_eq!(unzigzag16(zigzag16(d)), d);
        }
        let words = [0u16, 1, 0xff00, 0xffff];
        assert_eq!(join_bytes(&split_bytes(&words)), words);
        assert_eq!(inflate_base64(&deflate_base64(b"abcabc", "x").unwrap(), "x").unwrap(), b"abcabc");
    }
}
