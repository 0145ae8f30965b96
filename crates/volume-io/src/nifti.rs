//! NIfTI reader.
//!
//! Cox et al., "A (sort of) new image data format standard: NIfTI-1", 2004; NIfTI-2, 2011. The field offsets are those of
//! `nifti1.h` and `nifti2.h`.

use crate::{Element, Extension, VolumeData, VolumeFile, error::Reason, gzip};
use rtpipeline_geometry::{Grid, Vec3, Volume};

/// Bytes of a NIfTI-1 header.
const HEADER_1: usize = 348;
/// Bytes of a NIfTI-2 header.
pub(crate) const HEADER_2: usize = 540;
/// Extensions beyond this many bytes are not kept.
const MAX_EXTENSIONS: usize = 64 << 20;

/// Where the bytes come from.
pub(crate) enum Source<'a> {
    /// The file as it is.
    Plain(&'a [u8]),
    /// A gzip file and its first decoded bytes.
    Gzip { bytes: &'a [u8], start: &'a [u8] },
}

struct Header {
    big_endian: bool,
    dim: [i64; 8],
    datatype: i16,
    pixdim: [f64; 8],
    vox_offset: usize,
    slope: f64,
    inter: f64,
    description: String,
    qform_code: i32,
    sform_code: i32,
    quatern: [f64; 3],
    qoffset: [f64; 3],
    srow: [[f64; 4]; 3],
    single_file: bool,
    size: usize,
}

/// Fields at fixed offsets in the byte order of the file.
struct Fields<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

impl Fields<'_> {
    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut out = [0; N];
        if let Some(s) = self.bytes.get(at..at + N) {
            out.copy_from_slice(s);
        }
        if self.big_endian {
            out.reverse();
        }
        out
    }
    fn i16(&self, at: usize) -> i16 {
        i16::from_le_bytes(self.array(at))
    }
    fn i32(&self, at: usize) -> i32 {
        i32::from_le_bytes(self.array(at))
    }
    fn i64(&self, at: usize) -> i64 {
        i64::from_le_bytes(self.array(at))
    }
    fn f32(&self, at: usize) -> f64 {
        f64::from(f32::from_le_bytes(self.array(at)))
    }
    fn f64(&self, at: usize) -> f64 {
        f64::from_le_bytes(self.array(at))
    }
    fn text(&self, at: usize, len: usize) -> String {
        let raw = self.bytes.get(at..at + len).unwrap_or_default();
        let end = raw.iter().position(|&b| b == 0).unwrap_or(raw.len());
        String::from_utf8_lossy(&raw[..end]).trim_end().to_owned()
    }
}

fn header(start: &[u8]) -> Result<Header, Reason> {
    let not = || "neither NIfTI nor NRRD: the first bytes are those of no supported volume format".to_owned();
    let size: [u8; 4] = start.get(..4).and_then(|s| s.try_into().ok()).ok_or_else(not)?;
    let (size, big_endian) = match (i32::from_le_bytes(size), i32::from_be_bytes(size)) {
        (348, _) => (HEADER_1, false),
        (_, 348) => (HEADER_1, true),
        (540, _) => (HEADER_2, false),
        (_, 540) => (HEADER_2, true),
        _ => return Err(not()),
    };
    if start.len() < size {
        return Err(format!("NIfTI header is cut off after {} of {size} bytes", start.len()));
    }
    let f = Fields { bytes: start, big_endian };
    let h = if size == HEADER_1 {
        Header {
            big_endian,
            dim: std::array::from_fn(|n| i64::from(f.i16(40 + 2 * n))),
            datatype: f.i16(70),
            pixdim: std::array::from_fn(|n| f.f32(76 + 4 * n)),
            vox_offset: offset(f.f32(108)),
            slope: f.f32(112),
            inter: f.f32(116),
            description: f.text(148, 80),
            qform_code: i32::from(f.i16(252)),
            sform_code: i32::from(f.i16(254)),
            quatern: std::array::from_fn(|n| f.f32(256 + 4 * n)),
            qoffset: std::array::from_fn(|n| f.f32(268 + 4 * n)),
            srow: std::array::from_fn(|r| std::array::from_fn(|c| f.f32(280 + 16 * r + 4 * c))),
            single_file: start.get(344..347) == Some(b"n+1"),
            size,
        }
    } else {
        Header {
            big_endian,
            dim: std::array::from_fn(|n| f.i64(16 + 8 * n)),
            datatype: f.i16(12),
            pixdim: std::array::from_fn(|n| f.f64(104 + 8 * n)),
            vox_offset: offset(f.i64(168) as f64),
            slope: f.f64(176),
            inter: f.f64(184),
            description: f.text(240, 80),
            qform_code: f.i32(344),
            sform_code: f.i32(348),
            quatern: std::array::from_fn(|n| f.f64(352 + 8 * n)),
            qoffset: std::array::from_fn(|n| f.f64(376 + 8 * n)),
            srow: std::array::from_fn(|r| std::array::from_fn(|c| f.f64(400 + 32 * r + 8 * c))),
            single_file: start.get(4..7) == Some(b"n+2"),
            size,
        }
    };
    if start.get(344..347) == Some(b"ni1") || (size == HEADER_2 && start.get(4..7) == Some(b"ni2")) {
        return Err("detached NIfTI header (.hdr with .img) is not supported; convert it to one .nii file".to_owned());
    }
    if !h.single_file {
        return Err("NIfTI magic is missing (ANALYZE 7.5 headers have no geometry and are not supported)".to_owned());
    }
    Ok(h)
}

/// `vox_offset` as a number of bytes; nonsense becomes 0, which later means "right after the header".
fn offset(v: f64) -> usize {
    if v.is_finite() && v > 0.0 { v as usize } else { 0 }
}

fn dims(h: &Header) -> Result<[usize; 3], Reason> {
    let n = h.dim[0];
    if !(1..=7).contains(&n) {
        return Err(format!("NIfTI header announces {n} dimensions (1 to 7 are possible)"));
    }
    let mut out = [1; 3];
    for a in 1..=n as usize {
        let d = h.dim[a];
        if d < 1 && !(d == 0 && a > 3) {
            return Err(format!("NIfTI header gives size {d} for dimension {a}"));
        }
        if a <= 3 {
            out[a - 1] = usize::try_from(d).map_err(|_| format!("size {d} is too large"))?;
        } else if d > 1 {
            return Err(format!(
                "volume has {n} dimensions ({:?}); only one 3-D volume is supported",
                &h.dim[1..=n as usize]
            ));
        }
    }
    Ok(out)
}

fn bytes_of(dims: [usize; 3], size: usize) -> Result<usize, Reason> {
    dims.iter()
        .try_fold(size, |n, &d| n.checked_mul(d))
        .filter(|&n| isize::try_from(n).is_ok())
        .ok_or_else(|| format!("volume of {dims:?} voxels is too large"))
}

/// Step vectors (RAS) of the quaternion form; voxel sizes that are no positive number count as 1 mm.
fn qform(h: &Header) -> [Vec3; 3] {
    let [b, c, d] = h.quatern.map(|v| if v.is_finite() { v } else { 0.0 });
    let mut s = b * b + c * c + d * d;
    let (mut b, mut c, mut d) = (b, c, d);
    let a = if s > 1.0 - 1e-7 {
        // Rounding may push the vector part beyond 1: it is a half turn then.
        let n = s.sqrt();
        (b, c, d) = (b / n, c / n, d / n);
        s = 1.0;
        (1.0 - s).sqrt()
    } else {
        (1.0 - s).sqrt()
    };
    let r = [
        [a * a + b * b - c * c - d * d, 2.0 * (b * c - a * d), 2.0 * (b * d + a * c)],
        [2.0 * (b * c + a * d), a * a + c * c - b * b - d * d, 2.0 * (c * d - a * b)],
        [2.0 * (b * d - a * c), 2.0 * (c * d + a * b), a * a + d * d - b * b - c * c],
    ];
    let qfac = if h.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
    let size = spacing(h);
    [0, 1, 2].map(|col| {
        let scale = size[col] * if col == 2 { qfac } else { 1.0 };
        [0, 1, 2].map(|row: usize| r[row][col] * scale)
    })
}

/// Voxel sizes of `pixdim`; what is no positive number counts as 1 mm.
fn spacing(h: &Header) -> [f64; 3] {
    [1, 2, 3].map(|a: usize| {
        let v = h.pixdim[a].abs();
        if v.is_finite() && v > 0.0 { v } else { 1.0 }
    })
}

fn grid(h: &Header, dims: [usize; 3]) -> Result<Grid, Reason> {
    let lps = |v: Vec3| [-v[0] + 0.0, -v[1] + 0.0, v[2] + 0.0];
    if h.sform_code > 0 {
        let step = [0, 1, 2].map(|c: usize| lps([0, 1, 2].map(|r: usize| h.srow[r][c])));
        let origin = lps([0, 1, 2].map(|r: usize| h.srow[r][3]));
        if let Ok(g) = (Grid { dims, origin, step }).checked() {
            return Ok(snapped(g, h));
        }
        if h.qform_code <= 0 {
            return Err("sform matrix is degenerate or not finite, and there is no qform".to_owned());
        }
    }
    let (step, origin) = if h.qform_code > 0 {
        (qform(h).map(lps), lps(h.qoffset))
    } else {
        // "Method 1" of the standard: voxel sizes only.
        let s = spacing(h);
        ([lps([s[0], 0.0, 0.0]), lps([0.0, s[1], 0.0]), lps([0.0, 0.0, s[2]])], [0.0; 3])
    };
    Grid { dims, origin, step }.checked().map_err(|e| format!("NIfTI geometry cannot be used: {e}"))
}

/// Steps whose length is that of `pixdim` where both agree to single precision: the matrix is stored in single precision
/// and its columns are therefore a little off. ITK takes the sizes from `pixdim`, too.
fn snapped(mut g: Grid, h: &Header) -> Grid {
    let len = g.spacing();
    for a in 0..3 {
        let want = h.pixdim[a + 1];
        if want > 0.0 && len[a] != want && ((len[a] - want) / want).abs() < 1e-5 {
            g.step[a] = g.step[a].map(|c| c / len[a] * want);
        }
    }
    g
}

fn extensions(bytes: &[u8], big_endian: bool) -> Vec<Extension> {
    // Four bytes say whether extensions follow; each begins with its size (a multiple of 16) and code.
    let mut out = Vec::new();
    if bytes.first().is_none_or(|&b| b == 0) {
        return out;
    }
    let f = Fields { bytes, big_endian };
    let mut at = 4;
    while at + 8 <= bytes.len() {
        let Ok(size) = usize::try_from(f.i32(at)) else { break };
        if size < 8 || at + size > bytes.len() {
            break;
        }
        out.push(Extension { code: f.i32(at + 4), data: bytes[at + 8..at + size].to_vec() });
        at += size;
    }
    out
}

/// Reads a NIfTI file of any byte order.
pub(crate) fn parse(source: &Source<'_>) -> Result<VolumeFile, Reason> {
    let start = match source {
        Source::Plain(b) => &b[..b.len().min(HEADER_2)],
        Source::Gzip { start, .. } => start,
    };
    let h = header(start)?;
    let dims = dims(&h)?;
    let size = match h.datatype {
        2 | 256 => 1,
        4 | 512 => 2,
        8 | 16 | 768 => 4,
        64 | 1024 | 1280 => 8,
        other => return Err(format!("NIfTI datatype {other} is not supported (whole numbers, float and double are)")),
    };
    let count = bytes_of(dims, size)?;
    let at = h.vox_offset.max(h.size);
    let total = at.checked_add(count).ok_or_else(|| "volume is too large".to_owned())?;
    let owned;
    let bytes: &[u8] = match source {
        Source::Plain(b) => b,
        Source::Gzip { bytes, .. } => {
            owned = gzip::inflate(bytes, total)?;
            &owned
        }
    };
    let values = bytes.get(at..total).ok_or_else(|| {
        format!("file is cut off: {} bytes, {total} are needed for {dims:?} voxels of {size} bytes", bytes.len())
    })?;
    let grid = grid(&h, dims)?;
    let between = &bytes[h.size..at];
    let extensions = if between.len() <= MAX_EXTENSIONS { extensions(between, h.big_endian) } else { Vec::new() };
    Ok(VolumeFile { data: decode(&h, grid, values), description: h.description, extensions, pairs: Vec::new() })
}

fn decode(h: &Header, grid: Grid, bytes: &[u8]) -> VolumeData {
    let scaled = h.slope.is_finite() && h.inter.is_finite() && h.slope != 0.0 && (h.slope, h.inter) != (1.0, 0.0);
    fn plain<T: Element>(grid: Grid, bytes: &[u8], h: &Header) -> Volume<T> {
        Volume::from_vec(grid, T::decode(bytes, h.big_endian))
    }
    fn single<T: Element>(grid: Grid, bytes: &[u8], h: &Header) -> VolumeData {
        VolumeData::F32(plain::<T>(grid, bytes, h).map(|v| (v.to_f64() * h.slope + h.inter) as f32))
    }
    fn double<T: Element>(grid: Grid, bytes: &[u8], h: &Header) -> VolumeData {
        VolumeData::F64(plain::<T>(grid, bytes, h).map(|v| v.to_f64() * h.slope + h.inter))
    }
    match (h.datatype, scaled) {
        (2, false) => VolumeData::U8(plain(grid, bytes, h)),
        (256, false) => VolumeData::I8(plain(grid, bytes, h)),
        (512, false) => VolumeData::U16(plain(grid, bytes, h)),
        (4, false) => VolumeData::I16(plain(grid, bytes, h)),
        (768, false) => VolumeData::U32(plain(grid, bytes, h)),
        (8, false) => VolumeData::I32(plain(grid, bytes, h)),
        (1280, false) => VolumeData::U64(plain(grid, bytes, h)),
        (1024, false) => VolumeData::I64(plain(grid, bytes, h)),
        (16, false) => VolumeData::F32(plain(grid, bytes, h)),
        (_, false) => VolumeData::F64(plain(grid, bytes, h)),
        (2, true) => single::<u8>(grid, bytes, h),
        (256, true) => single::<i8>(grid, bytes, h),
        (512, true) => single::<u16>(grid, bytes, h),
        (4, true) => single::<i16>(grid, bytes, h),
        (16, true) => single::<f32>(grid, bytes, h),
        (768, true) => double::<u32>(grid, bytes, h),
        (8, true) => double::<i32>(grid, bytes, h),
        (1280, true) => double::<u64>(grid, bytes, h),
        (1024, true) => double::<i64>(grid, bytes, h),
        (_, true) => double::<f64>(grid, bytes, h),
    }
}
