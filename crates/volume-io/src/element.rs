//! The element types of stored volumes.

mod sealed {
    pub trait Sealed {}
}

/// A number type that volumes are stored in.
pub trait Element: sealed::Sealed + Copy + Send + Sync + 'static {
    /// Bytes of one element.
    const SIZE: usize;
    /// NIfTI `datatype` code.
    const NIFTI_CODE: i16;
    /// NRRD `type` name.
    const NRRD_TYPE: &'static str;
    /// Decodes elements of the given byte order.
    fn decode(bytes: &[u8], big_endian: bool) -> Vec<Self>;
    /// Appends the elements in little endian byte order.
    fn encode(values: &[Self], out: &mut Vec<u8>);
    /// The nearest f64.
    fn to_f64(self) -> f64;
    /// The number from text, for NRRD's ASCII encoding.
    fn parse(text: &str) -> Option<Self>;
}

macro_rules! element {
    ($($t:ty, $code:expr, $name:expr;)*) => {$(
        impl sealed::Sealed for $t {}
        impl Element for $t {
            const SIZE: usize = size_of::<$t>();
            const NIFTI_CODE: i16 = $code;
            const NRRD_TYPE: &'static str = $name;
            fn decode(bytes: &[u8], big_endian: bool) -> Vec<Self> {
                let (chunks, _) = bytes.as_chunks::<{ size_of::<$t>() }>();
                if big_endian {
                    chunks.iter().map(|c| <$t>::from_be_bytes(*c)).collect()
                } else {
                    chunks.iter().map(|c| <$t>::from_le_bytes(*c)).collect()
                }
            }
            fn encode(values: &[Self], out: &mut Vec<u8>) {
                out.reserve(values.len() * Self::SIZE);
                for v in values {
                    out.extend_from_slice(&v.to_le_bytes());
                }
            }
            fn to_f64(self) -> f64 {
                self as f64
            }
            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        }
    )*};
}

element! {
    u8, 2, "unsigned char";
    i16, 4, "short";
    i32, 8, "int";
    f32, 16, "float";
    f64, 64, "double";
    i8, 256, "signed char";
    u16, 512, "unsigned short";
    u32, 768, "unsigned int";
    i64, 1024, "long long int";
    u64, 1280, "unsigned long long int";
}
