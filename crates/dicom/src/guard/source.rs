//! Bounded random access to the bytes of a file or a buffer.

use super::Fault;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

/// Bytes read at once at the start of a file and when parsing goes on inside a window.
const WINDOW: usize = 64 * 1024;
/// Bytes read after a jump over a long value.
const SMALL_WINDOW: usize = 8 * 1024;

/// Bytes that can be looked at in any place.
pub(crate) trait Source {
    /// Number of bytes.
    fn len(&self) -> u64;
    /// The `len` bytes at `off`; the caller has checked that they exist.
    fn read(&mut self, off: u64, len: usize) -> Result<&[u8], Fault>;
}

/// A buffer.
pub(crate) struct MemSource<'a>(pub(crate) &'a [u8]);

impl Source for MemSource<'_> {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }
    fn read(&mut self, off: u64, len: usize) -> Result<&[u8], Fault> {
        usize::try_from(off)
            .ok()
            .and_then(|o| self.0.get(o..o.checked_add(len)?))
            .ok_or_else(|| Fault::Io("read beyond the end of the buffer".into()))
    }
}

/// A file seen through a moving window, so that long values which nobody wants are never read.
pub(crate) struct FileSource {
    file: File,
    len: u64,
    window: Vec<u8>,
    start: u64,
}

impl FileSource {
    /// Wraps an open file whose length is `len`.
    pub(crate) fn new(file: File, len: u64) -> Self {
        Self { file, len, window: Vec::new(), start: 0 }
    }

    fn fill(&mut self, off: u64, len: usize) -> Result<(), Fault> {
        let near = off <= self.start + self.window.len() as u64;
        let want = len.max(if near { WINDOW } else { SMALL_WINDOW }) as u64;
        let want = want.min(self.len.saturating_sub(off)) as usize;
        self.file.seek(SeekFrom::Start(off)).map_err(|e| Fault::Io(e.to_string()))?;
        self.window.resize(want, 0);
        self.start = off;
        let mut got = 0;
        while got < want {
            match self.file.read(&mut self.window[got..]) {
                Ok(0) => break,
                Ok(n) => got += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => {
                    self.window.clear();
                    return Err(Fault::Io(e.to_string()));
                }
            }
        }
        self.window.truncate(got);
        if got < len { Err(Fault::Io("the file became shorter while it was read".into())) } else { Ok(()) }
    }
}

impl Source for FileSource {
    fn len(&self) -> u64 {
        self.len
    }
    fn read(&mut self, off: u64, len: usize) -> Result<&[u8], Fault> {
        if off.checked_add(len as u64).is_none_or(|e| e > self.len) {
            return Err(Fault::Io("read beyond the end of the file".into()));
        }
        let inside = off >= self.start && off + len as u64 <= self.start + self.window.len() as u64;
        if !inside {
            self.fill(off, len)?;
        }
        let at = (off - self.start) as usize;
        self.window.get(at..at + len).ok_or_else(|| Fault::Io("the file became shorter while it was read".into()))
    }
}
