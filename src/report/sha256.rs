//! SHA-256 (FIPS 180-4), for the hashes of the content security policy only.

/// The fractional parts of the cube roots of the first 64 primes are the round constants, those of the square roots
/// of the first 8 primes the start value (FIPS 180-4, 4.2.2 and 5.3.3); both are computed, so no table can be mistyped.
fn constants() -> ([u32; 64], [u32; 8]) {
    let mut primes = Vec::with_capacity(64);
    let mut n = 2u64;
    while primes.len() < 64 {
        if primes.iter().all(|p| !n.is_multiple_of(*p)) {
            primes.push(n);
        }
        n += 1;
    }
    let k = std::array::from_fn(|i| root_fraction(primes[i], 3));
    let h = std::array::from_fn(|i| root_fraction(primes[i], 2));
    (k, h)
}

/// First 32 bits of the fractional part of the `degree`-th root, by integer bisection on `root · 2³²`.
fn root_fraction(prime: u64, degree: u32) -> u32 {
    let (mut low, mut high) = (0u128, 20u128 << 32);
    while high - low > 1 {
        let mid = u128::midpoint(low, high);
        // mid^degree ≤ prime · 2^(32·degree), compared after dropping 32 bits of the cube that cannot decide.
        let below = if degree == 2 { mid * mid <= (prime as u128) << 64 } else { cube_at_most(mid, prime as u128) };
        if below { low = mid } else { high = mid }
    }
    (low & 0xffff_ffff) as u32
}

/// `m³ ≤ p · 2⁹⁶`, without overflow: m < 2³⁷, so m² < 2⁷⁴ and m³ < 2¹¹¹ fits.
fn cube_at_most(m: u128, p: u128) -> bool {
    m * m * m <= p << 96
}

/// The SHA-256 digest of a byte string.
pub(crate) fn sha256(data: &[u8]) -> [u8; 32] {
    let (k, mut h) = constants();
    let mut message = data.to_vec();
    message.push(0x80);
    while message.len() % 64 != 56 {
        message.push(0);
    }
    message.extend_from_slice(&((data.len() as u64) * 8).to_be_bytes());
    for chunk in message.chunks_exact(64) {
        let mut w = [0u32; 64];
        for (t, word) in chunk.chunks_exact(4).enumerate() {
            w[t] = word.iter().fold(0, |v, &b| v << 8 | b as u32);
        }
        for t in 16..64 {
            let s0 = w[t - 15].rotate_right(7) ^ w[t - 15].rotate_right(18) ^ (w[t - 15] >> 3);
            let s1 = w[t - 2].rotate_right(17) ^ w[t - 2].rotate_right(19) ^ (w[t - 2] >> 10);
            w[t] = w[t - 16].wrapping_add(s0).wrapping_add(w[t - 7]).wrapping_add(s1);
        }
        let mut v = h;
        for t in 0..64 {
            let s1 = v[4].rotate_right(6) ^ v[4].rotate_right(11) ^ v[4].rotate_right(25);
            let choose = (v[4] & v[5]) ^ (!v[4] & v[6]);
            let t1 = v[7].wrapping_add(s1).wrapping_add(choose).wrapping_add(k[t]).wrapping_add(w[t]);
            let s0 = v[0].rotate_right(2) ^ v[0].rotate_right(13) ^ v[0].rotate_right(22);
            let majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
            let t2 = s0.wrapping_add(majority);
            v = [t1.wrapping_add(t2), v[0], v[1], v[2], v[3].wrapping_add(t1), v[4], v[5], v[6]];
        }
        for (a, b) in h.iter_mut().zip(v) {
            *a = a.wrapping_add(b);
        }
    }
    let mut out = [0; 32];
    for (o, word) in out.chunks_exact_mut(4).zip(h) {
        o.copy_from_slice(&word.to_be_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(data: &[u8]) -> String {
        sha256(data).iter().fold(String::new(), |s, b| s + &format!("{b:02x}"))
    }

    /// NIST's examples (csrc.nist.gov, SHA256.pdf, and the one-million-a message of FIPS 180-2).
    #[test]
    fn published_digests() {
        assert_eq!(hex(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(hex(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(
            hex(b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        );
        assert_eq!(hex(&vec![b'a'; 1_000_000]), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    }
}
