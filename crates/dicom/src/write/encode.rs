//! Objects under construction and their files, encoded by dicom-object.

use super::{WriteError, Written};
use crate::uid;
use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, Length, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::{tags as t, uids};
use dicom_encoding::transfer_syntax::TransferSyntaxIndex;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use std::io::Write;
use std::path::Path;

/// Implicit VR little endian.
pub(super) const IMPLICIT: &str = uids::IMPLICIT_VR_LITTLE_ENDIAN;
/// Explicit VR little endian.
pub(super) const EXPLICIT: &str = uids::EXPLICIT_VR_LITTLE_ENDIAN;

/// A data set under construction.
#[derive(Clone, Debug)]
pub(super) struct Build {
    data: InMemDicomObject,
}

impl Default for Build {
    fn default() -> Self {
        Self { data: InMemDicomObject::new_empty() }
    }
}

impl Build {
    fn put(&mut self, tag: Tag, vr: VR, value: impl Into<PrimitiveValue>) -> &mut Self {
        self.data.put(DataElement::new(tag, vr, value.into()));
        self
    }
    /// A text element, cut to what its value representation allows.
    pub(super) fn text(&mut self, tag: Tag, vr: VR, v: &str) -> &mut Self {
        let most = match vr {
            VR::SH | VR::CS | VR::AE => 16,
            VR::LO | VR::PN => 64,
            _ => usize::MAX,
        };
        // Specific Character Set holds for these value representations only.
        let wide = matches!(vr, VR::SH | VR::LO | VR::ST | VR::LT | VR::UC | VR::UT | VR::PN);
        let allowed = |c: &char| !c.is_control() && (wide || c.is_ascii());
        let v: Vec<String> = v.split('\\').map(|v| v.chars().filter(allowed).take(most).collect()).collect();
        self.put(tag, vr, v.join("\\"))
    }
    /// A text of one value: backslashes, which divide values, become slashes.
    pub(super) fn one(&mut self, tag: Tag, vr: VR, v: &str) -> &mut Self {
        self.text(tag, vr, &v.replace('\\', "/"))
    }
    pub(super) fn uid(&mut self, tag: Tag, v: &str) -> &mut Self {
        self.put(tag, VR::UI, v)
    }
    pub(super) fn u16(&mut self, tag: Tag, v: u16) -> &mut Self {
        self.put(tag, VR::US, PrimitiveValue::from(v))
    }
    pub(super) fn int(&mut self, tag: Tag, v: i64) -> &mut Self {
        self.put(tag, VR::IS, v.to_string())
    }
    /// A pointer to another attribute.
    pub(super) fn pointer(&mut self, tag: Tag, v: Tag) -> &mut Self {
        self.put(tag, VR::AT, PrimitiveValue::from(v))
    }
    /// Decimal strings with as many digits as fit.
    pub(super) fn decimals(&mut self, tag: Tag, v: &[f64]) -> Result<&mut Self, String> {
        let texts: Option<Vec<String>> = v.iter().map(|x| super::precise(*x)).collect();
        let texts = texts.ok_or_else(|| format!("a value of {tag} is not finite"))?;
        Ok(self.decimal_text(tag, texts.join("\\")))
    }
    /// Decimal strings that are formatted already, each of at most 16 bytes, divided by backslashes.
    pub(super) fn decimal_text(&mut self, tag: Tag, v: String) -> &mut Self {
        self.put(tag, VR::DS, v)
    }
    /// Native pixel data of 16 or 32 bits, little endian.
    pub(super) fn pixels(&mut self, v: Vec<u8>) -> Result<&mut Self, String> {
        // An even number below the value that means an unknown length.
        if v.len() as u64 >= u64::from(u32::MAX) - 1 {
            return Err(format!("{} bytes of pixels do not fit one object", v.len()));
        }
        Ok(self.put(t::PIXEL_DATA, VR::OW, PrimitiveValue::U8(v.into())))
    }
    pub(super) fn items(&mut self, tag: Tag, items: Vec<Build>) -> &mut Self {
        let items: Vec<InMemDicomObject> = items.into_iter().map(|b| b.data).collect();
        self.data.put(DataElement::new(tag, VR::SQ, DataSetSequence::new(items, Length::UNDEFINED)));
        self
    }
    pub(super) fn has(&self, tag: Tag) -> bool {
        self.data.get(tag).is_some()
    }
    /// The text of an element, if it is there and not empty.
    pub(super) fn code(&self, tag: Tag) -> Option<String> {
        let text = self.data.get(tag)?.to_str().ok()?.trim().to_owned();
        (!text.is_empty()).then_some(text)
    }
}

/// Digest of a data set, from which UIDs are derived.
fn hash(b: &Build) -> Result<String, String> {
    let syntax = TransferSyntaxRegistry.get(IMPLICIT).ok_or("implicit VR is not available")?;
    let mut hasher = blake3::Hasher::new();
    // Elements are encoded in small pieces, which would be slow to digest one by one.
    let mut buffered = std::io::BufWriter::with_capacity(1 << 16, &mut hasher);
    b.data.write_dataset_with_ts(&mut buffered, syntax).map_err(|e| chain(&e))?;
    buffered.flush().map_err(|e| e.to_string())?;
    drop(buffered);
    Ok(hasher.finalize().to_hex().to_string())
}

/// Sets Series and SOP Instance UIDs that follow from the content; `parent` is the series from which the object derives.
pub(super) fn identify(b: &mut Build, class: &str, parent: &str) -> Result<(), String> {
    let digest = hash(b)?;
    b.uid(t::SERIES_INSTANCE_UID, &uid::derived(&["series", class, parent, &digest]));
    b.uid(t::SOP_INSTANCE_UID, &uid::derived(&["instance", class, parent, &digest]));
    Ok(())
}

/// An error with its causes: the outermost alone does not say which element was refused.
fn chain(e: &dyn std::error::Error) -> String {
    let mut text = e.to_string();
    let mut source = e.source();
    while let Some(s) = source {
        text += &format!(": {s}");
        source = s.source();
    }
    text
}

/// Derives the SOP Instance UID from the content (unless it is set), encodes and writes the file.
pub(super) fn finish(path: &Path, class: &str, syntax: &str, mut b: Build) -> Result<Written, WriteError> {
    let invalid = |what: String| WriteError::Invalid { path: path.to_owned(), what };
    b.uid(t::SOP_CLASS_UID, class);
    let sop_instance_uid = match b.code(t::SOP_INSTANCE_UID) {
        Some(u) => u,
        None => {
            let u = uid::derived(&["instance", class, &hash(&b).map_err(invalid)?]);
            b.uid(t::SOP_INSTANCE_UID, &u);
            u
        }
    };
    let series_uid = b.code(t::SERIES_INSTANCE_UID).unwrap_or_default();
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(syntax)
        .implementation_class_uid(uid::derived(&["implementation", "rtpipeline"]))
        .implementation_version_name("RTPIPELINE");
    // The SOP class and instance of the meta group are those of the object.
    let object = b.data.with_meta(meta).map_err(|e| invalid(chain(&e)))?;
    let mut out = Vec::new();
    object.write_all(&mut out).map_err(|e| invalid(chain(&e)))?;
    let io = |source: std::io::Error| WriteError::Io { path: path.to_owned(), source };
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir).map_err(io)?;
    let mut tmp = tempfile::NamedTempFile::new_in(dir).map_err(io)?;
    tmp.write_all(&out).map_err(io)?;
    tmp.as_file().sync_data().map_err(io)?;
    tmp.persist(path).map_err(|e| io(e.error))?;
    Ok(Written { path: path.to_owned(), sop_instance_uid, series_uid })
}
