//! Gzip in memory: bounded reading, deterministic writing.

use crate::error::Reason;
use flate2::bufread::MultiGzDecoder;
use std::io::Read;

/// No deflate stream expands further than this (zlib technical details: 1032:1).
const MAX_EXPANSION: usize = 1040;

/// True when the bytes begin as a gzip member does.
pub(crate) fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// True when `compressed` bytes could hold `expected` bytes.
pub(crate) fn could_hold(compressed: usize, expected: usize) -> bool {
    compressed.saturating_mul(MAX_EXPANSION).saturating_add(MAX_EXPANSION) >= expected
}

/// The first `count` bytes, or fewer if the stream is shorter.
pub(crate) fn head(bytes: &[u8], count: usize) -> Result<Vec<u8>, Reason> {
    let mut out = Vec::new();
    MultiGzDecoder::new(bytes)
        .take(count as u64)
        .read_to_end(&mut out)
        .map_err(|e| format!("gzip stream is damaged near its start: {e}"))?;
    Ok(out)
}

/// The first `expected` bytes of all members; shorter streams and wrong checksums are errors.
pub(crate) fn inflate(bytes: &[u8], expected: usize) -> Result<Vec<u8>, Reason> {
    if !could_hold(bytes.len(), expected) {
        return Err(format!("{expected} bytes are announced, more than {} compressed bytes can hold", bytes.len()));
    }
    // libdeflate is twice as fast but decodes one member into a buffer of exactly known size; all else is streamed.
    let mut out = vec![0_u8; expected];
    if libdeflater::Decompressor::new().gzip_decompress(bytes, &mut out) == Ok(expected) {
        return Ok(out);
    }
    out.clear();
    let mut reader = MultiGzDecoder::new(bytes);
    let damaged = |e: std::io::Error, at: usize| format!("gzip stream is damaged after {at} bytes of content: {e}");
    reader.by_ref().take(expected as u64).read_to_end(&mut out).map_err(|e| damaged(e, out.len()))?;
    if out.len() < expected {
        return Err(format!("gzip stream ends after {} of {expected} bytes", out.len()));
    }
    // The checksum stands at the end of a member: read on, within reason, so that it is compared.
    let mut rest = [0_u8; 4096];
    for _ in 0..16 {
        if reader.read(&mut rest).map_err(|e| damaged(e, expected))? == 0 {
            break;
        }
    }
    Ok(out)
}

/// One gzip member at level 1 without name and time, so that equal content gives equal bytes.
pub(crate) fn deflate(bytes: &[u8]) -> Result<Vec<u8>, Reason> {
    let level = libdeflater::CompressionLvl::new(1).map_err(|_| "compression level 1 is not known".to_owned())?;
    let mut compressor = libdeflater::Compressor::new(level);
    let mut out = vec![0_u8; compressor.gzip_compress_bound(bytes.len())];
    let n = compressor.gzip_compress(bytes, &mut out).map_err(|e| format!("compression failed: {e}"))?;
    out.truncate(n);
    out.shrink_to_fit();
    Ok(out)
}
