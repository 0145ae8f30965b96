//! NRRD reader (attached headers, raw, gzip and ASCII encoding).
//!
//! Format: teem, "Definition of NRRD File Format", version 5.

use crate::{Element, VolumeData, VolumeFile, error::Reason, gzip};
use rtpipeline_geometry::{Grid, Vec3, Volume};

/// No header is longer than this.
const MAX_HEADER: usize = 1 << 20;

/// True when the bytes begin as a NRRD file does.
pub(crate) fn is_nrrd(bytes: &[u8]) -> bool {
    bytes.starts_with(b"NRRD000")
}

struct Header {
    fields: Vec<(String, String)>,
    pairs: Vec<(String, String)>,
    data_at: usize,
}

impl Header {
    fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }
    fn need(&self, name: &str) -> Result<&str, Reason> {
        self.get(name).ok_or_else(|| format!("NRRD header has no field '{name}'"))
    }
}

fn header(bytes: &[u8]) -> Result<Header, Reason> {
    let mut h = Header { fields: Vec::new(), pairs: Vec::new(), data_at: 0 };
    let mut at = 0;
    loop {
        let rest = bytes.get(at..bytes.len().min(MAX_HEADER)).unwrap_or_default();
        let Some(end) = rest.iter().position(|&b| b == b'\n') else {
            return Err(
                "NRRD header does not end with an empty line (detached data files are not supported)".to_owned()
            );
        };
        let line = String::from_utf8_lossy(&rest[..end]);
        let line = line.trim_end_matches('\r');
        at += end + 1;
        if line.is_empty() {
            h.data_at = at;
            return Ok(h);
        }
        if line.starts_with('#') || line.starts_with("NRRD000") {
            continue;
        }
        if let Some((k, v)) = line.split_once(":=") {
            h.pairs.push((k.to_owned(), v.to_owned()));
        } else if let Some((k, v)) = line.split_once(':') {
            h.fields.push((k.trim().to_ascii_lowercase(), v.trim().to_owned()));
        } else {
            return Err(format!("NRRD header line is neither a field nor a pair: '{line}'"));
        }
    }
}

/// A vector `(a,b,c)`, or `None` for `none`.
fn vector(text: &str) -> Result<Option<Vec3>, Reason> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    let bad = || format!("NRRD vector '{text}' does not hold three numbers");
    let inner = text.strip_prefix('(').and_then(|t| t.strip_suffix(')')).ok_or_else(bad)?;
    let mut out = [0.0; 3];
    let mut n = 0;
    for part in inner.split(',') {
        *out.get_mut(n).ok_or_else(bad)? = part.trim().parse().map_err(|_| bad())?;
        n += 1;
    }
    if n == 3 { Ok(Some(out)) } else { Err(bad()) }
}

/// Splits `(…) (…) none` into its parts; blanks inside the brackets are allowed.
fn vectors(text: &str) -> Result<Vec<Option<Vec3>>, Reason> {
    let mut out = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = if rest.starts_with('(') {
            rest.find(')').map_or(rest.len(), |p| p + 1)
        } else {
            rest.find(char::is_whitespace).unwrap_or(rest.len())
        };
        out.push(vector(&rest[..end])?);
        rest = rest[end..].trim_start();
    }
    Ok(out)
}

/// Signs that turn the file's space into LPS.
fn space_signs(space: Option<&str>) -> Result<Vec3, Reason> {
    let Some(space) = space else { return Ok([1.0; 3]) };
    match space.to_ascii_lowercase().as_str() {
        "left-posterior-superior" | "lps" | "scanner-xyz" | "3d-right-handed" => Ok([1.0; 3]),
        "right-anterior-superior" | "ras" => Ok([-1.0, -1.0, 1.0]),
        "left-anterior-superior" | "las" => Ok([1.0, -1.0, 1.0]),
        other => Err(format!("NRRD space '{other}' is not supported (LPS, RAS and LAS are)")),
    }
}

fn grid(h: &Header, sizes: &[usize]) -> Result<(Grid, bool), Reason> {
    let signs = space_signs(h.get("space"))?;
    let sign = |v: Vec3| [v[0] * signs[0] + 0.0, v[1] * signs[1] + 0.0, v[2] * signs[2] + 0.0];
    let mut dims = Vec::new();
    let mut step = Vec::new();
    let mut extra = false;
    if let Some(text) = h.get("space directions") {
        let all = vectors(text)?;
        if all.len() != sizes.len() {
            return Err(format!("NRRD has {} sizes but {} space directions", sizes.len(), all.len()));
        }
        for (&n, v) in sizes.iter().zip(&all) {
            match v {
                Some(v) => {
                    dims.push(n);
                    step.push(sign(*v));
                }
                None if n == 1 => extra = true,
                None => return Err(format!("NRRD holds {n} values per voxel; one is supported")),
            }
        }
    } else {
        let spacings: Vec<f64> = match h.get("spacings") {
            Some(t) => t
                .split_whitespace()
                .map(|p| p.parse().map_err(|_| format!("NRRD spacing '{p}' is not a number")))
                .collect::<Result<_, _>>()?,
            None => vec![1.0; sizes.len()],
        };
        if spacings.len() != sizes.len() {
            return Err(format!("NRRD has {} sizes but {} spacings", sizes.len(), spacings.len()));
        }
        for (a, (&n, &s)) in sizes.iter().zip(&spacings).enumerate().take(3) {
            let s = if s.is_finite() && s != 0.0 { s.abs() } else { 1.0 };
            let mut v = [0.0; 3];
            v[a] = s;
            dims.push(n);
            step.push(sign(v));
        }
    }
    if dims.len() == 2 {
        dims.push(1);
        let [a, b]: [Vec3; 2] = [step[0], step[1]];
        let c = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
        let n = (c[0] * c[0] + c[1] * c[1] + c[2] * c[2]).sqrt();
        step.push(c.map(|x| x / n));
    }
    let (Ok(dims), Ok(step)) = (<[usize; 3]>::try_from(dims), <[Vec3; 3]>::try_from(step)) else {
        return Err(format!("NRRD of sizes {sizes:?} is not one 3-D volume"));
    };
    let origin = match h.get("space origin") {
        Some(t) => sign(vector(t)?.ok_or("NRRD space origin is 'none'")?),
        None => [0.0; 3],
    };
    let g = Grid { dims, origin, step }.checked().map_err(|e| format!("NRRD geometry cannot be used: {e}"))?;
    Ok((g, extra))
}

/// Reads an NRRD file with attached data.
pub(crate) fn parse(bytes: &[u8]) -> Result<VolumeFile, Reason> {
    let h = header(bytes)?;
    if h.get("data file").or_else(|| h.get("datafile")).is_some() {
        return Err("NRRD header with a detached data file is not supported; save it as one .nrrd file".to_owned());
    }
    let sizes: Vec<usize> = h
        .need("sizes")?
        .split_whitespace()
        .map(|p| p.parse().ok().filter(|&n| n > 0).ok_or_else(|| format!("NRRD size '{p}' is not a positive number")))
        .collect::<Result<_, _>>()?;
    let dimension = h.need("dimension")?;
    if dimension.parse() != Ok(sizes.len()) {
        return Err(format!("NRRD dimension is {dimension}, but there are {} sizes", sizes.len()));
    }
    if !(2..=4).contains(&sizes.len()) {
        return Err(format!("NRRD of sizes {sizes:?} is not one 3-D volume"));
    }
    let (grid, _) = grid(&h, &sizes)?;
    let kind = h.need("type")?.to_ascii_lowercase();
    let values = Values { h: &h, bytes: &bytes[h.data_at..], grid };
    let data = match kind.as_str() {
        "signed char" | "int8" | "int8_t" => VolumeData::I8(values.read()?),
        "uchar" | "unsigned char" | "uint8" | "uint8_t" => VolumeData::U8(values.read()?),
        "short" | "short int" | "signed short" | "signed short int" | "int16" | "int16_t" => {
            VolumeData::I16(values.read()?)
        }
        "ushort" | "unsigned short" | "unsigned short int" | "uint16" | "uint16_t" => VolumeData::U16(values.read()?),
        "int" | "signed int" | "int32" | "int32_t" => VolumeData::I32(values.read()?),
        "uint" | "unsigned int" | "uint32" | "uint32_t" => VolumeData::U32(values.read()?),
        "longlong"
        | "long long"
        | "long long int"
        | "signed long long"
        | "signed long long int"
        | "int64"
        | "int64_t" => VolumeData::I64(values.read()?),
        "ulonglong" | "unsigned long long" | "unsigned long long int" | "uint64" | "uint64_t" => {
            VolumeData::U64(values.read()?)
        }
        "float" => VolumeData::F32(values.read()?),
        "double" => VolumeData::F64(values.read()?),
        other => return Err(format!("NRRD type '{other}' is not supported")),
    };
    let description = h.get("content").unwrap_or_default().trim_matches('"').to_owned();
    Ok(VolumeFile { data, description, extensions: Vec::new(), pairs: h.pairs })
}

struct Values<'a> {
    h: &'a Header,
    bytes: &'a [u8],
    grid: Grid,
}

impl Values<'_> {
    fn read<T: Element>(self) -> Result<Volume<T>, Reason> {
        let count = self.grid.dims.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
        let size = count
            .and_then(|n| n.checked_mul(T::SIZE))
            .filter(|&n| isize::try_from(n).is_ok())
            .ok_or_else(|| format!("volume of {:?} voxels is too large", self.grid.dims))?;
        let big = match self.h.get("endian").map(str::to_ascii_lowercase).as_deref() {
            Some("big") => true,
            Some("little") | None => false,
            Some(other) => return Err(format!("NRRD endian '{other}' is neither little nor big")),
        };
        if self.h.get("line skip").or_else(|| self.h.get("lineskip")).is_some_and(|v| v != "0") {
            return Err("NRRD 'line skip' is not supported".to_owned());
        }
        let skip = self.h.get("byte skip").or_else(|| self.h.get("byteskip")).unwrap_or("0");
        let skip: i64 = skip.parse().map_err(|_| format!("NRRD byte skip '{skip}' is not a number"))?;
        let encoding = self.h.need("encoding")?.to_ascii_lowercase();
        let values = match encoding.as_str() {
            "raw" => {
                let at = if skip < 0 { self.bytes.len().checked_sub(size) } else { Some(skip as usize) };
                let part = at.and_then(|a| self.bytes.get(a..)?.get(..size));
                T::decode(part.ok_or_else(|| cut_off(self.bytes.len(), size))?, big)
            }
            "gzip" | "gz" => {
                let skip = usize::try_from(skip).map_err(|_| "byte skip −1 needs raw encoding".to_owned())?;
                let total = size.checked_add(skip).ok_or("byte skip is too large")?;
                T::decode(&gzip::inflate(self.bytes, total)?[skip..], big)
            }
            "ascii" | "text" | "txt" => {
                let count = size / T::SIZE;
                // Every number takes at least a digit and a blank.
                if count > self.bytes.len().div_ceil(2) {
                    return Err(cut_off(self.bytes.len(), size));
                }
                let text = String::from_utf8_lossy(self.bytes);
                let parsed: Option<Vec<T>> = text.split_whitespace().take(count).map(T::parse).collect();
                parsed
                    .filter(|v| v.len() == count)
                    .ok_or_else(|| format!("NRRD text does not hold {count} numbers of type {}", T::NRRD_TYPE))?
            }
            other => return Err(format!("NRRD encoding '{other}' is not supported (raw, gzip and ascii are)")),
        };
        Ok(Volume::from_vec(self.grid, values))
    }
}

fn cut_off(have: usize, need: usize) -> Reason {
    format!("file is cut off: {have} bytes of values, {need} are needed")
}
