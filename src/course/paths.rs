//! Names of folders and files of a course.

use rtpipeline_engine::RootedPath;
use unicode_normalization::UnicodeNormalization;

/// Where the files of one course are, relative to `out:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoursePaths {
    base: String,
}

impl CoursePaths {
    /// Paths of the course in `<patient>/<course>`.
    pub fn new(patient_dir: &str, course_id: &str) -> Self {
        Self { base: format!("{patient_dir}/{course_id}") }
    }

    /// A file or folder of the course. The name must come from this program or through [`safe_name`].
    pub fn file(&self, rel: &str) -> RootedPath {
        RootedPath::new("out", format!("{}/{rel}", self.base)).expect("names of course files never climb")
    }

    /// `metadata/course.json`, written by organize.
    pub fn manifest(&self) -> RootedPath {
        self.file("metadata/course.json")
    }

    /// `metadata/structures.json`, the merged catalogue, written by structures.
    pub fn catalogue(&self) -> RootedPath {
        self.file("metadata/structures.json")
    }

    /// `metadata/structures_<maker>.json`, the catalogue of one maker (`manual`, `segmentation`, `custom_models`).
    pub fn catalogue_of(&self, maker: &str) -> RootedPath {
        self.file(&format!("metadata/structures_{maker}.json"))
    }
}

/// Makes a text safe as one component of a path on every file system: NFC, no reserved characters or names, no leading
/// dot, at most 64 bytes; never empty.
pub fn safe_name(text: &str) -> String {
    let mut out = String::new();
    for c in text.trim().nfc() {
        let c =
            if c.is_control() || "/\\:*?\"<>|".contains(c) || ('\u{202a}'..='\u{202e}').contains(&c) { '_' } else { c };
        if out.len() + c.len_utf8() > 64 {
            break;
        }
        out.push(c);
    }
    let trimmed = out.trim_end_matches(['.', ' ']).trim_start_matches([' ']);
    let mut name = trimmed.to_owned();
    if name.starts_with('.') {
        name.replace_range(0..1, "_");
    }
    let stem = name.split('.').next().unwrap_or_default().to_ascii_uppercase();
    let reserved = ["CON", "PRN", "AUX", "NUL"].contains(&stem.as_str())
        || ((stem.starts_with("COM") || stem.starts_with("LPT"))
            && stem.len() == 4
            && stem.as_bytes()[3].is_ascii_digit());
    if name.is_empty() || reserved {
        name.insert(0, '_');
        name.truncate(name.floor_char_boundary(64));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_become_one_harmless_component() {
        for t in
            ["../../etc", "CON", "nul.txt", "", ".hidden", "a/b\\c", "x\u{202e}y", "é".repeat(80).as_str(), "trail. "]
        {
            let n = safe_name(t);
            assert!(!n.is_empty() && n.len() <= 64 && !n.starts_with('.') && !n.contains(['/', '\\']), "{t} -> {n}");
            assert_eq!(safe_name(&n), n, "{t}: not stable");
        }
        assert_eq!(safe_name("P001"), "P001");
    }
}
