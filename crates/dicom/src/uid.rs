//! Deterministic unique identifiers.

/// A UID under the root 2.25 (UUID-derived, PS3.5 annex B.2) from the hash of the parts: the same parts always give the
/// same UID, different ones practically never do.
pub fn derived(parts: &[&str]) -> String {
    let mut h = blake3::Hasher::new();
    for p in parts {
        h.update(&(p.len() as u64).to_le_bytes());
        h.update(p.as_bytes());
    }
    let mut b = [0u8; 16];
    h.finalize_xof().fill(&mut b);
    // The integer has the shape of a version 8 (custom) UUID of RFC 9562, as 2.25 asks for.
    b[6] = (b[6] & 0x0F) | 0x80;
    b[8] = (b[8] & 0x3F) | 0x80;
    format!("2.25.{}", u128::from_be_bytes(b))
}

/// Whether a text is a valid UID (PS3.5 §9.1): at most 64 characters, components of digits without leading zeros.
pub fn is_valid(uid: &str) -> bool {
    uid.len() <= 64
        && uid.split('.').count() >= 2
        && uid
            .split('.')
            .all(|c| !c.is_empty() && c.bytes().all(|b| b.is_ascii_digit()) && (c.len() == 1 || !c.starts_with('0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_uids_are_valid_and_depend_on_every_part() {
        let a = derived(&["1.2.3", "RTSTRUCT"]);
        assert!(is_valid(&a), "{a}");
        assert_eq!(a, derived(&["1.2.3", "RTSTRUCT"]));
        assert_ne!(a, derived(&["1.2.3R", "TSTRUCT"]));
        assert!(!is_valid("1.2.UNKNOWN") && !is_valid("") && !is_valid("1.02") && is_valid("1.0"));
    }
}
