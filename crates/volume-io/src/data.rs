//! What a volume file holds.

use crate::{Element, error::Reason};
use rtpipeline_geometry::{Grid, Mask, Volume};

/// Voxel values in the type in which the file stores them (or `F32`/`F64` when the file scales them).
#[derive(Clone, Debug, PartialEq)]
pub enum VolumeData {
    /// Unsigned 8 bit.
    U8(Volume<u8>),
    /// Signed 8 bit.
    I8(Volume<i8>),
    /// Unsigned 16 bit.
    U16(Volume<u16>),
    /// Signed 16 bit.
    I16(Volume<i16>),
    /// Unsigned 32 bit.
    U32(Volume<u32>),
    /// Signed 32 bit.
    I32(Volume<i32>),
    /// Unsigned 64 bit.
    U64(Volume<u64>),
    /// Signed 64 bit.
    I64(Volume<i64>),
    /// Single precision.
    F32(Volume<f32>),
    /// Double precision.
    F64(Volume<f64>),
}

/// Runs an expression for the volume of any type.
#[macro_export]
macro_rules! with_volume {
    ($data:expr, $v:ident => $body:expr) => {
        match $data {
            $crate::VolumeData::U8($v) => $body,
            $crate::VolumeData::I8($v) => $body,
            $crate::VolumeData::U16($v) => $body,
            $crate::VolumeData::I16($v) => $body,
            $crate::VolumeData::U32($v) => $body,
            $crate::VolumeData::I32($v) => $body,
            $crate::VolumeData::U64($v) => $body,
            $crate::VolumeData::I64($v) => $body,
            $crate::VolumeData::F32($v) => $body,
            $crate::VolumeData::F64($v) => $body,
        }
    };
}

impl VolumeData {
    /// Where the voxels are.
    pub fn grid(&self) -> &Grid {
        with_volume!(self, v => &v.grid)
    }

    /// Name of the element type as NRRD spells it.
    pub fn type_name(&self) -> &'static str {
        fn name<T: Element>(_: &Volume<T>) -> &'static str {
            T::NRRD_TYPE
        }
        with_volume!(self, v => name(v))
    }

    /// The values as single precision (rounded to nearest).
    pub fn into_f32(self) -> Volume<f32> {
        match self {
            Self::F32(v) => v,
            other => with_volume!(other, v => v.map(|x| x.to_f64() as f32)),
        }
    }

    /// The values as double precision.
    pub fn into_f64(self) -> Volume<f64> {
        match self {
            Self::F64(v) => v,
            other => with_volume!(other, v => v.map(|x| x.to_f64())),
        }
    }

    /// 1 where the value equals `label`, 0 elsewhere.
    pub fn mask(&self, label: u32) -> Mask {
        let want = f64::from(label);
        with_volume!(self, v => v.map(|x| u8::from(x.to_f64() == want)))
    }

    /// The values as labels; fractions, negative numbers and numbers beyond 32 bits are refused.
    pub(crate) fn into_labels(self) -> Result<Volume<u32>, Reason> {
        match self {
            Self::U32(v) => Ok(v),
            Self::U8(v) => Ok(v.map(|&x| u32::from(x))),
            Self::U16(v) => Ok(v.map(|&x| u32::from(x))),
            other => {
                let bad = with_volume!(&other, v => v
                    .values()
                    .iter()
                    .map(|x| x.to_f64())
                    .find(|x| !(x.fract() == 0.0 && *x >= 0.0 && *x <= f64::from(u32::MAX))));
                match bad {
                    Some(x) => Err(format!("holds the value {x}, which is not a label (0, 1, 2, …)")),
                    None => Ok(with_volume!(other, v => v.map(|x| x.to_f64() as u32))),
                }
            }
        }
    }
}

/// A NIfTI header extension, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Code of the kind of data (0 unknown, 2 DICOM, 4 AFNI, 6 comment, …).
    pub code: i32,
    /// The bytes, padding included. TotalSegmentator keeps its label names here as XML.
    pub data: Vec<u8>,
}

/// A volume with what else its file said.
#[derive(Clone, Debug, PartialEq)]
pub struct VolumeFile {
    /// Grid and values.
    pub data: VolumeData,
    /// NIfTI `descrip` or NRRD `content`; empty if absent.
    pub description: String,
    /// NIfTI header extensions.
    pub extensions: Vec<Extension>,
    /// NRRD `key:=value` pairs.
    pub pairs: Vec<(String, String)>,
}
