//! Content digests, their cache, and fingerprints.

use crate::api::{Input, PathError, RootedPath, Roots};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{File, Metadata};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

/// Content digest and size of a file or folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digest {
    /// BLAKE3, hexadecimal; of a folder: over the sorted names, kinds and digests below it.
    pub blake3: String,
    /// Bytes; of a folder: of all files below it.
    pub size: u64,
}

/// Why a digest could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum DigestError {
    /// Nothing is there.
    #[error("{0} does not exist")]
    Missing(RootedPath),
    /// It cannot be read.
    #[error("{path} cannot be read: {source}")]
    Io {
        /// Where.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The root is not known.
    #[error(transparent)]
    Path(#[from] PathError),
}

/// What tells that a file has not changed since it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    size: u64,
    mtime_ns: i128,
    inode: u64,
    blake3: String,
}

/// Digests of files that have not changed since they were read, by size, time of modification and inode.
#[derive(Debug, Default)]
pub struct DigestCache {
    seen: Mutex<HashMap<String, Seen>>,
}

/// File systems stamp times in steps of a few milliseconds: a file that young may change without a new stamp.
const YOUNG: Duration = Duration::from_millis(20);

impl DigestCache {
    /// Reads a cache file; one that lacks or is damaged is an empty cache.
    pub fn load(path: &Path) -> Self {
        let seen = std::fs::read(path).ok().and_then(|b| serde_json::from_slice(&b).ok()).unwrap_or_default();
        Self { seen: Mutex::new(seen) }
    }

    /// Writes the cache beside its place and renames it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> std::io::Result<()> {
        let seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let sorted: std::collections::BTreeMap<&String, &Seen> = seen.iter().collect();
        let body = serde_json::to_vec(&sorted)?;
        let tmp = path.with_extension(format!("{}.tmp", crate::text::random_suffix()));
        File::create(&tmp).and_then(|mut f| f.write_all(&body))?;
        std::fs::rename(&tmp, path)
    }

    /// Digest of a file or folder.
    ///
    /// # Errors
    /// When it does not exist or cannot be read.
    pub fn digest(&self, roots: &Roots, path: &RootedPath) -> Result<Digest, DigestError> {
        let real = roots.resolve(path)?;
        let meta = match std::fs::metadata(&real) {
            Ok(m) => m,
            Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
                return Err(DigestError::Missing(path.clone()));
            }
            Err(source) => return Err(DigestError::Io { path: path.to_string(), source }),
        };
        self.digest_at(&real, &meta, &path.to_string())
    }

    fn digest_at(&self, real: &Path, meta: &Metadata, key: &str) -> Result<Digest, DigestError> {
        if meta.is_dir() { self.folder(real, key) } else { self.file(real, meta, key) }
    }

    fn folder(&self, real: &Path, key: &str) -> Result<Digest, DigestError> {
        let fail = |source| DigestError::Io { path: key.to_owned(), source };
        let mut names: Vec<_> = std::fs::read_dir(real)
            .map_err(fail)?
            .map(|e| e.map(|e| e.file_name()))
            .collect::<Result<_, _>>()
            .map_err(fail)?;
        names.sort();
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"folder");
        let mut size = 0;
        for name in names {
            let path = real.join(&name);
            let key = format!("{key}/{}", escape(name.as_bytes()));
            let meta = std::fs::metadata(&path).map_err(|source| DigestError::Io { path: key.clone(), source })?;
            let d = self.digest_at(&path, &meta, &key)?;
            field(&mut hasher, name.as_bytes());
            field(&mut hasher, if meta.is_dir() { b"d" } else { b"f" });
            field(&mut hasher, d.blake3.as_bytes());
            size += d.size;
        }
        Ok(Digest { blake3: hasher.finalize().to_hex().to_string(), size })
    }

    fn file(&self, real: &Path, meta: &Metadata, key: &str) -> Result<Digest, DigestError> {
        let mtime_ns = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
        let known = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(key).cloned();
        if let Some(s) = known
            && (s.size, s.mtime_ns, s.inode) == (meta.len(), mtime_ns, meta.ino())
        {
            return Ok(Digest { blake3: s.blake3, size: s.size });
        }
        let hash = hash_file(real).map_err(|source| DigestError::Io { path: key.to_owned(), source })?;
        let blake3 = hash.to_hex().to_string();
        let old_enough =
            meta.modified().ok().and_then(|m| SystemTime::now().duration_since(m).ok()).is_some_and(|age| age >= YOUNG);
        if old_enough {
            let seen = Seen { size: meta.len(), mtime_ns, inode: meta.ino(), blake3: blake3.clone() };
            self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(key.to_owned(), seen);
        }
        Ok(Digest { blake3, size: meta.len() })
    }
}

fn hash_file(path: &Path) -> std::io::Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(hasher.finalize())
}

/// Digest of a file or folder that is not worth caching (it is about to be moved).
pub(crate) fn digest_path(path: &Path) -> Result<Digest, DigestError> {
    let meta =
        std::fs::metadata(path).map_err(|source| DigestError::Io { path: path.display().to_string(), source })?;
    DigestCache::default().digest_at(path, &meta, "")
}

/// Every file below a path, or the path itself.
pub(crate) fn files_below(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut todo = vec![path.to_owned()];
    while let Some(p) = todo.pop() {
        if std::fs::symlink_metadata(&p)?.is_dir() {
            for e in std::fs::read_dir(&p)? {
                todo.push(e?.path());
            }
        }
        files.push(p);
    }
    Ok(files)
}

fn escape(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(s) if !s.contains('%') => s.to_owned(),
        _ => bytes.iter().fold(String::new(), |mut s, &b| {
            if b.is_ascii_graphic() && b != b'%' {
                s.push(b as char);
            } else {
                let _ = write!(s, "%{b:02x}");
            }
            s
        }),
    }
}

/// A field whose end cannot be mistaken for the beginning of the next one.
fn field(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

/// JSON with sorted keys and no white space, so that equal values have equal text.
pub fn canonical_json(value: &Value) -> String {
    let mut out = String::new();
    canonical(value, &mut out);
    out
}

fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            out.push('{');
            for (i, k) in keys.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                let _ = write!(out, "{}:", Value::String(k.clone()));
                canonical(&map[k], out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (i, v) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                canonical(v, out);
            }
            out.push(']');
        }
        leaf => {
            let _ = write!(out, "{leaf}");
        }
    }
}

/// Fingerprint of a unit: BLAKE3 over stage name, stage version, canonical task, and the sorted (role, digest) pairs of
/// its inputs. Where the inputs lie does not matter.
pub fn fingerprint(stage: &str, version: u32, task: &Value, inputs: &[(Input, Digest)]) -> String {
    let mut hasher = blake3::Hasher::new();
    field(&mut hasher, stage.as_bytes());
    field(&mut hasher, &version.to_le_bytes());
    field(&mut hasher, canonical_json(task).as_bytes());
    let mut pairs: Vec<(&str, &str)> = inputs.iter().map(|(i, d)| (i.role.as_str(), d.blake3.as_str())).collect();
    pairs.sort_unstable();
    for (role, digest) in pairs {
        field(&mut hasher, role.as_bytes());
        field(&mut hasher, digest.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn canonical_text_does_not_depend_on_the_order_of_keys() {
        let a = json!({"b": [1, 2.5, {"y": null, "x": "ü\n"}], "a": true});
        let b = json!({"a": true, "b": [1, 2.5, {"x": "ü\n", "y": null}]});
        assert_eq!(canonical_json(&a), canonical_json(&b));
        assert_eq!(canonical_json(&a), "{\"a\":true,\"b\":[1,2.5,{\"x\":\"ü\\n\",\"y\":null}]}");
    }

    #[test]
    fn digests_follow_content_and_names_but_not_times() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots([("out".to_owned(), dir.path().to_owned())].into());
        let cache = DigestCache::default();
        let at = |rel: &str| RootedPath::new("out", rel).unwrap();
        std::fs::create_dir_all(dir.path().join("d/e")).unwrap();
        std::fs::write(dir.path().join("d/e/f"), b"one").unwrap();
        let first = cache.digest(&roots, &at("d")).unwrap();
        assert_eq!(first.size, 3);
        std::thread::sleep(Duration::from_millis(30));
        std::fs::write(dir.path().join("d/e/f"), b"one").unwrap();
        assert_eq!(cache.digest(&roots, &at("d")).unwrap(), first);
        std::fs::write(dir.path().join("d/e/f"), b"two").unwrap();
        let second = cache.digest(&roots, &at("d")).unwrap();
        assert_ne!(second, first);
        std::fs::rename(dir.path().join("d/e/f"), dir.path().join("d/e/g")).unwrap();
        assert_ne!(cache.digest(&roots, &at("d")).unwrap(), second);
        assert_eq!(cache.digest(&roots, &at("d/e/g")).unwrap().blake3, blake3::hash(b"two").to_hex().to_string());
        assert!(matches!(cache.digest(&roots, &at("d/none")), Err(DigestError::Missing(_))));
    }

    #[test]
    fn the_cache_survives_being_saved_and_a_damaged_file_is_an_empty_cache() {
        let dir = tempfile::tempdir().unwrap();
        let roots = Roots([("out".to_owned(), dir.path().to_owned())].into());
        let file = RootedPath::new("out", "x").unwrap();
        std::fs::write(dir.path().join("x"), b"content").unwrap();
        std::thread::sleep(Duration::from_millis(40));
        let cache = DigestCache::default();
        let d = cache.digest(&roots, &file).unwrap();
        let at = dir.path().join("digests.json");
        cache.save(&at).unwrap();
        let again = DigestCache::load(&at);
        assert_eq!(again.seen.lock().unwrap().len(), 1);
        assert_eq!(again.digest(&roots, &file).unwrap(), d);
        std::fs::write(&at, b"{ half").unwrap();
        assert_eq!(DigestCache::load(&at).seen.lock().unwrap().len(), 0);
    }
}
