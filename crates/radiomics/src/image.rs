//! Images in their own element type.

use crate::{error::RadiomicsError, numeric, sha1};
use rtpipeline_geometry::{Grid, Volume};

/// Voxel values in the type in which they are stored, `i` fastest.
///
/// The type matters: resampled integers are truncated, single precision images are filtered in single precision.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// Unsigned 8 bit.
    U8(&'a [u8]),
    /// Signed 8 bit.
    I8(&'a [i8]),
    /// Unsigned 16 bit.
    U16(&'a [u16]),
    /// Signed 16 bit.
    I16(&'a [i16]),
    /// Unsigned 32 bit.
    U32(&'a [u32]),
    /// Signed 32 bit.
    I32(&'a [i32]),
    /// Single precision.
    F32(&'a [f32]),
    /// Double precision.
    F64(&'a [f64]),
}

/// Runs an expression on the slice of any type.
///
/// The expression converts with `f64::from`, which is the identity in one of the arms.
macro_rules! each {
    ($values:expr, $v:ident => $body:expr) => {
        match $values {
            Values::U8($v) => $body,
            Values::I8($v) => $body,
            Values::U16($v) => $body,
            Values::I16($v) => $body,
            Values::U32($v) => $body,
            Values::I32($v) => $body,
            Values::F32($v) => $body,
            #[allow(clippy::useless_conversion, reason = "the other types need it")]
            Values::F64($v) => $body,
        }
    };
}

/// What the diagnostics say about a whole image. Compute it once when many regions of one image are described.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageFacts {
    /// SHA-1 of the little endian pixel buffer, hexadecimal.
    pub hash: String,
    /// Mean of all voxels.
    pub mean: f64,
    /// Smallest value.
    pub minimum: f64,
    /// Largest value.
    pub maximum: f64,
}

/// An image to be described: a grid and values in their own type, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct ImageInput<'a> {
    /// Where the voxels are.
    pub grid: &'a Grid,
    /// The values, `i` fastest.
    pub values: Values<'a>,
    /// Facts for the diagnostics if the caller has them already.
    pub facts: Option<&'a ImageFacts>,
}

macro_rules! from_volume {
    ($($t:ty, $variant:ident;)*) => {$(
        impl<'a> From<&'a Volume<$t>> for ImageInput<'a> {
            fn from(v: &'a Volume<$t>) -> Self {
                Self { grid: &v.grid, values: Values::$variant(v.values()), facts: None }
            }
        }
    )*};
}

from_volume! {
    u8, U8; i8, I8; u16, U16; i16, I16; u32, U32; i32, I32; f32, F32; f64, F64;
}

impl ImageInput<'_> {
    /// Facts about all voxels, for [`ImageInput::facts`].
    pub fn compute_facts(&self) -> ImageFacts {
        let (mean, minimum, maximum) = statistics(self.values);
        ImageFacts { hash: hash(self.values), mean, minimum, maximum }
    }

    pub(crate) fn checked(&self) -> Result<(), RadiomicsError> {
        let n = self.values.len();
        if n == self.grid.len() { Ok(()) } else { Err(RadiomicsError::WrongLength { values: n, dims: self.grid.dims }) }
    }
}

/// SHA-1 of the values as little endian bytes.
fn hash(values: Values<'_>) -> String {
    let mut h = sha1::Sha1::new();
    each!(values, v => for x in v {
        h.update(&x.to_le_bytes());
    });
    h.hex()
}

/// Mean, minimum and maximum of all values.
pub(crate) fn statistics(values: Values<'_>) -> (f64, f64, f64) {
    each!(values, v => {
        let n = v.len() as f64;
        let (mut lo, mut hi) = (f64::INFINITY, f64::NEG_INFINITY);
        for &x in v {
            lo = lo.min(f64::from(x));
            hi = hi.max(f64::from(x));
        }
        (numeric::sum_by(v, &|x| f64::from(x)) / n, lo, hi)
    })
}

/// The element type of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Whole numbers in a range.
    Integer { low: i64, high: i64 },
    /// Single precision.
    Single,
    /// Double precision.
    Double,
}

impl Kind {
    /// The value as ITK stores the result of an interpolation: clamped and truncated for integers.
    pub(crate) fn cast(self, v: f64) -> f64 {
        match self {
            Self::Integer { low, high } => {
                if v < low as f64 {
                    low as f64
                } else if v > high as f64 {
                    high as f64
                } else {
                    v.trunc()
                }
            }
            Self::Single => f64::from(v as f32),
            Self::Double => v,
        }
    }
}

impl Values<'_> {
    pub(crate) fn len(&self) -> usize {
        each!(self, v => v.len())
    }

    pub(crate) fn kind(&self) -> Kind {
        let integer = |low: i64, high: i64| Kind::Integer { low, high };
        match self {
            Self::U8(_) => integer(0, i64::from(u8::MAX)),
            Self::I8(_) => integer(i64::from(i8::MIN), i64::from(i8::MAX)),
            Self::U16(_) => integer(0, i64::from(u16::MAX)),
            Self::I16(_) => integer(i64::from(i16::MIN), i64::from(i16::MAX)),
            Self::U32(_) => integer(0, i64::from(u32::MAX)),
            Self::I32(_) => integer(i64::from(i32::MIN), i64::from(i32::MAX)),
            Self::F32(_) => Kind::Single,
            Self::F64(_) => Kind::Double,
        }
    }

    /// The values at linear indices `start..start + out.len()`.
    pub(crate) fn copy_row(&self, start: usize, out: &mut [f64]) {
        each!(self, v => for (o, &x) in out.iter_mut().zip(&v[start..]) {
            *o = f64::from(x);
        });
    }
}

/// A grid with values of a given type, borrowed: the current image of the pipeline.
#[derive(Clone, Copy)]
pub(crate) struct Picture<'a> {
    pub(crate) grid: &'a Grid,
    pub(crate) kind: Kind,
    pub(crate) values: Values<'a>,
}

impl<'a> From<&ImageInput<'a>> for Picture<'a> {
    fn from(i: &ImageInput<'a>) -> Self {
        Self { grid: i.grid, kind: i.values.kind(), values: i.values }
    }
}

impl Picture<'_> {
    /// The voxels of a box, converted.
    pub(crate) fn crop(&self, start: [usize; 3], dims: [usize; 3]) -> Image {
        let [nx, ny, _] = self.grid.dims;
        let mut data = vec![0.0; dims.iter().product()];
        for (row, out) in data.chunks_exact_mut(dims[0].max(1)).enumerate() {
            let (y, z) = (start[1] + row % dims[1], start[2] + row / dims[1]);
            self.values.copy_row((z * ny + y) * nx + start[0], out);
        }
        Image { grid: self.grid.window(start, dims), kind: self.kind, data }
    }

    /// All voxels, converted.
    pub(crate) fn whole(&self) -> Image {
        self.crop([0; 3], self.grid.dims)
    }
}

/// A derived image: values as f64, of a type that may be narrower.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) grid: Grid,
    pub(crate) kind: Kind,
    pub(crate) data: Vec<f64>,
}

impl Image {
    pub(crate) fn picture(&self) -> Picture<'_> {
        Picture { grid: &self.grid, kind: self.kind, values: Values::F64(&self.data) }
    }
}
