//! SHA-1 (FIPS 180-4), as an identifier of pixel buffers. PyRadiomics prints it; it protects nothing here.

use std::fmt::Write as _;

/// Running state of a SHA-1 computation.
pub(crate) struct Sha1 {
    state: [u32; 5],
    block: [u8; 64],
    used: usize,
    length: u64,
}

impl Sha1 {
    pub(crate) fn new() -> Self {
        let state = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
        Self { state, block: [0; 64], used: 0, length: 0 }
    }

    /// Takes more bytes.
    #[inline]
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for &b in bytes {
            self.block[self.used] = b;
            self.used += 1;
            if self.used == 64 {
                self.compress();
                self.used = 0;
            }
        }
        self.length += bytes.len() as u64;
    }

    /// The digest in hexadecimal digits.
    pub(crate) fn hex(mut self) -> String {
        let bits = self.length * 8;
        self.update(&[0x80]);
        while self.used != 56 {
            self.update(&[0]);
        }
        self.update(&bits.to_be_bytes());
        let mut out = String::with_capacity(40);
        for w in self.state {
            // Writing to a string cannot fail.
            let _ = write!(out, "{w:08x}");
        }
        out
    }

    fn compress(&mut self) {
        let mut w = [0_u32; 80];
        for (w, c) in w.iter_mut().zip(self.block.as_chunks::<4>().0) {
            *w = u32::from_be_bytes(*c);
        }
        for i in 16..80 {
            w[i] = (w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16]).rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = self.state;
        for (i, &w) in w.iter().enumerate() {
            let (f, k) = match i / 20 {
                0 => ((b & c) | (!b & d), 0x5a827999_u32),
                1 => (b ^ c ^ d, 0x6ed9eba1),
                2 => ((b & c) | (b & d) | (c & d), 0x8f1bbcdc),
                _ => (b ^ c ^ d, 0xca62c1d6),
            };
            let t = a.rotate_left(5).wrapping_add(f).wrapping_add(e).wrapping_add(k).wrapping_add(w);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, t);
        }
        for (s, v) in self.state.iter_mut().zip([a, b, c, d, e]) {
            *s = s.wrapping_add(v);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_fips_180() {
        let hex = |s: &[u8]| {
            let mut h = Sha1::new();
            h.update(s);
            h.hex()
        };
        assert_eq!(hex(b"abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(
            hex(b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1"
        );
        assert_eq!(hex(b""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    }
}
