//! Texts by which programs say that memory ran out.

/// Lower-case fragments; each must stand between characters that are not letters or digits, so that `oom` does not
/// match `zoom`, `room` or `bloom`.
const PATTERNS: [&str; 19] = [
    "out of memory",
    "cuda out of memory",
    "cublas status alloc failed",
    "cublas_status_alloc_failed",
    "std::bad_alloc",
    "cannot allocate memory",
    "failed to allocate",
    "not enough memory",
    "mmap failed",
    "oom",
    "oom-kill",
    "cuda error: out of memory",
    "cudamalloc failed",
    "cufft error",
    "cudnn status alloc failed",
    "cudnn_status_alloc_failed",
    "allocator ran out of memory",
    "ran out of gpu memory",
    "memoryerror",
];

/// The text by which the Rust runtime reports a failed allocation: `memory allocation of N bytes failed`.
const ALLOCATION: &str = "memory allocation of ";

/// The first memory error named in a text, in the pattern's spelling.
pub fn find(text: &str) -> Option<&'static str> {
    let lower = text.to_lowercase();
    if let Some(at) = lower.find(ALLOCATION)
        && lower[at..].contains("bytes failed")
    {
        return Some("memory allocation failed");
    }
    PATTERNS.into_iter().find(|p| has_word(&lower, p))
}

fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    })
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn every_known_text_is_found_and_look_alikes_are_not() {
        for text in [
            "RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB",
            "torch.OutOfMemoryError: CUDA error: out of memory",
            "terminate called after throwing an instance of 'std::bad_alloc'",
            "OSError: [Errno 12] Cannot allocate memory",
            "cuBLAS status alloc failed",
            "slurmstepd: error: Detected 1 oom-kill event(s)",
            "killed by OOM",
            "memory allocation of 4294967296 bytes failed",
            "CUDNN_STATUS_ALLOC_FAILED",
            "MemoryError: Unable to allocate 3 GiB",
        ] {
            assert!(find(text).is_some(), "{text}");
        }
        for text in [
            "Zoom level 3",
            "bathroom",
            "a room with a bloom",
            "memory is fine",
            "kaboom",
            "OOMPA",
            "memory allocation of tasks",
        ] {
            assert!(find(text).is_none(), "{text}");
        }
    }
}
