//! JPEG extended sequential with 12-bit samples (process 4 of ISO/IEC 10918-1), which the codec of dicom-rs does not know:
//! Huffman coding, one component.

/// A Huffman table (annexes C and F.2.2.3).
#[derive(Clone, Debug, Default)]
struct Huffman {
    /// Per code length from 1: first code, number of codes, index of the first symbol.
    lengths: [(u32, u32, usize); 16],
    symbols: Vec<u8>,
}

impl Huffman {
    fn new(counts: &[u8], symbols: &[u8]) -> Self {
        let mut lengths = [(0, 0, 0); 16];
        let (mut code, mut index) = (0u32, 0usize);
        for (slot, &n) in lengths.iter_mut().zip(counts) {
            *slot = (code, u32::from(n), index);
            code = (code + u32::from(n)) << 1;
            index += usize::from(n);
        }
        Self { lengths, symbols: symbols.to_vec() }
    }
}

/// Reads the bits of an entropy-coded segment; a marker ends it.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    current: u8,
    left: u8,
}

impl Bits<'_> {
    fn bit(&mut self) -> Result<u32, &'static str> {
        if self.left == 0 {
            self.current = *self.data.get(self.at).ok_or(CUT)?;
            self.at += 1;
            if self.current == 0xFF {
                // A data byte FF is followed by a stuffed 0.
                if self.data.get(self.at) != Some(&0) {
                    return Err(CUT);
                }
                self.at += 1;
            }
            self.left = 8;
        }
        self.left -= 1;
        Ok(u32::from(self.current >> self.left) & 1)
    }

    fn symbol(&mut self, h: &Huffman) -> Result<u8, &'static str> {
        let mut code = 0;
        for &(first, count, index) in &h.lengths {
            code = code << 1 | self.bit()?;
            if code >= first && code - first < count {
                return h.symbols.get(index + (code - first) as usize).copied().ok_or("a Huffman table is cut");
            }
        }
        Err("a Huffman code is unknown")
    }

    /// A signed value of `size` bits (F.2.2.1, RECEIVE and EXTEND).
    fn value(&mut self, size: u8) -> Result<i32, &'static str> {
        if size > 15 {
            return Err("a coefficient has too many bits");
        }
        let mut v = 0i32;
        for _ in 0..size {
            v = v << 1 | self.bit()? as i32;
        }
        Ok(if size > 0 && v < 1 << (size - 1) { v - (1 << size) + 1 } else { v })
    }

    /// Passes over a restart marker.
    fn restart(&mut self) -> Result<(), &'static str> {
        self.left = 0;
        while self.data.get(self.at) == Some(&0xFF) && self.data.get(self.at + 1) == Some(&0xFF) {
            self.at += 1;
        }
        match (self.data.get(self.at), self.data.get(self.at + 1)) {
            (Some(0xFF), Some(0xD0..=0xD7)) => {
                self.at += 2;
                Ok(())
            }
            _ => Err("a restart marker is missing"),
        }
    }
}

const CUT: &str = "the code stream ends early";

/// Natural index of each coefficient in zigzag order (figure A.6).
const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

#[derive(Default)]
struct Decoder {
    quantization: [Option<[f32; 64]>; 4],
    dc: [Option<Huffman>; 4],
    ac: [Option<Huffman>; 4],
    restart: usize,
    quantization_index: usize,
    size: Option<(usize, usize)>,
}

/// Whether a JPEG code stream is extended sequential with 12 bits.
pub(super) fn is(b: &[u8]) -> bool {
    segments(b).any(|(m, s, _)| m == 0xC1 && s.first() == Some(&12))
}

/// Marker segments up to the first scan, which is the last of them: marker, content, what follows.
fn segments(b: &[u8]) -> impl Iterator<Item = (u8, &[u8], &[u8])> {
    let mut at = 2;
    let mut done = !b.starts_with(&[0xFF, 0xD8]);
    std::iter::from_fn(move || {
        while !done && b.get(at + 1) == Some(&0xFF) {
            at += 1;
        }
        let head = b.get(at..at + 4).filter(|h| !done && h[0] == 0xFF)?;
        let end = at + 2 + usize::from(u16::from_be_bytes([head[2], head[3]]));
        let body = b.get(at + 4..end)?;
        at = end;
        done = head[1] == 0xDA;
        Some((head[1], body, &b[end..]))
    })
}

/// Decodes a picture of the given size to 16-bit samples, little endian.
pub(super) fn decode(b: &[u8], rows: usize, columns: usize) -> Result<Vec<u8>, &'static str> {
    let mut d = Decoder::default();
    for (marker, s, data) in segments(b) {
        match marker {
            0xDB => d.quantization_tables(s)?,
            0xC4 => d.huffman_tables(s)?,
            0xDD => d.restart = s.get(..2).map(|v| usize::from(u16::from_be_bytes([v[0], v[1]]))).ok_or(CUT)?,
            0xC1 => d.frame(s)?,
            0xDA => {
                if d.size != Some((rows, columns)) {
                    return Err("the size of the picture is not that of the object");
                }
                return d.scan(s, data, rows, columns);
            }
            _ => {}
        }
    }
    Err("the picture has no scan")
}

impl Decoder {
    fn quantization_tables(&mut self, mut s: &[u8]) -> Result<(), &'static str> {
        while let Some((&head, rest)) = s.split_first() {
            let wide = head >> 4 != 0;
            let n = if wide { 128 } else { 64 };
            let values = rest.get(..n).ok_or(CUT)?;
            let mut table = [0.0; 64];
            for (k, &place) in ZIGZAG.iter().enumerate() {
                table[place] = if wide {
                    f32::from(u16::from_be_bytes([values[2 * k], values[2 * k + 1]]))
                } else {
                    f32::from(values[k])
                };
            }
            *self.quantization.get_mut(usize::from(head & 15)).ok_or("a table has no place")? = Some(table);
            s = &rest[n..];
        }
        Ok(())
    }

    fn huffman_tables(&mut self, mut s: &[u8]) -> Result<(), &'static str> {
        while let Some((&head, rest)) = s.split_first() {
            let counts = rest.get(..16).ok_or(CUT)?;
            let n: usize = counts.iter().map(|&c| usize::from(c)).sum();
            let symbols = rest.get(16..16 + n).ok_or(CUT)?;
            let tables = if head >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            *tables.get_mut(usize::from(head & 15)).ok_or("a table has no place")? =
                Some(Huffman::new(counts, symbols));
            s = &rest[16 + n..];
        }
        Ok(())
    }

    fn frame(&mut self, s: &[u8]) -> Result<(), &'static str> {
        let [12, y1, y0, x1, x0, 1, _, _, table] = *s else { return Err("not one component of 12 bits") };
        self.size = Some((u16::from_be_bytes([y1, y0]).into(), u16::from_be_bytes([x1, x0]).into()));
        self.quantization_index = table.into();
        Ok(())
    }

    fn scan(&self, header: &[u8], data: &[u8], rows: usize, columns: usize) -> Result<Vec<u8>, &'static str> {
        let [1, _, tables, ..] = *header else { return Err("not one component in the scan") };
        fn pick<T>(tables: &[Option<T>], k: usize) -> Result<&T, &'static str> {
            tables.get(k).and_then(Option::as_ref).ok_or("a table is missing")
        }
        let dc = pick(&self.dc, usize::from(tables >> 4))?;
        let ac = pick(&self.ac, usize::from(tables & 15))?;
        let quantization = pick(&self.quantization, self.quantization_index)?;
        let cosines = cosines();
        let mut bits = Bits { data, at: 0, current: 0, left: 0 };
        let mut out = vec![0u8; rows * columns * 2];
        let (wide, high) = (columns.div_ceil(8), rows.div_ceil(8));
        let mut last = 0i32;
        for n in 0..wide * high {
            if self.restart > 0 && n > 0 && n.is_multiple_of(self.restart) {
                bits.restart()?;
                last = 0;
            }
            let mut block = [0f32; 64];
            let size = bits.symbol(dc)?;
            last = last.wrapping_add(bits.value(size)?);
            block[0] = last as f32 * quantization[0];
            let mut k = 1;
            while k < 64 {
                let symbol = bits.symbol(ac)?;
                let (run, size) = (usize::from(symbol >> 4), symbol & 15);
                if size == 0 {
                    if run != 15 {
                        break;
                    }
                    k += 16;
                    continue;
                }
                k += run;
                let place = *ZIGZAG.get(k).ok_or("a block has too many coefficients")?;
                block[place] = bits.value(size)? as f32 * quantization[place];
                k += 1;
            }
            let samples = inverse(&block, &cosines);
            let (top, left) = (n / wide * 8, n % wide * 8);
            for (y, line) in samples.as_chunks::<8>().0.iter().enumerate().take(rows - top) {
                let at = ((top + y) * columns + left) * 2;
                for (x, v) in line.iter().enumerate().take(columns - left) {
                    let v = (v + 2048.0).round().clamp(0.0, 4095.0) as u16;
                    out[at + 2 * x..at + 2 * x + 2].copy_from_slice(&v.to_le_bytes());
                }
            }
        }
        Ok(out)
    }
}

/// `cosines()[x][u]`: the one-dimensional basis with its norm.
fn cosines() -> [[f32; 8]; 8] {
    std::array::from_fn(|x| {
        std::array::from_fn(|u| {
            let norm = if u == 0 { 0.5f64.sqrt() / 2.0 } else { 0.5 };
            let angle = (2 * x + 1) as f64 * u as f64 * std::f64::consts::PI / 16.0;
            (norm * angle.cos()) as f32
        })
    })
}

/// Inverse cosine transform (A.3.3), rows, then columns.
fn inverse(block: &[f32; 64], cosines: &[[f32; 8]; 8]) -> [f32; 64] {
    let mut half = [0f32; 64];
    for (row, out) in block.as_chunks::<8>().0.iter().zip(half.as_chunks_mut::<8>().0) {
        for (v, basis) in out.iter_mut().zip(cosines) {
            *v = row.iter().zip(basis).map(|(a, b)| a * b).sum();
        }
    }
    let mut out = [0f32; 64];
    for (line, basis) in out.as_chunks_mut::<8>().0.iter_mut().zip(cosines) {
        for (row, weight) in half.as_chunks::<8>().0.iter().zip(basis) {
            for (v, a) in line.iter_mut().zip(row) {
                *v += a * weight;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transform_of_single_coefficients() {
        let c = cosines();
        let mut block = [0f32; 64];
        block[0] = 80.0;
        // A DC coefficient is eight times the mean.
        assert!(inverse(&block, &c).iter().all(|v| (v - 10.0).abs() < 1e-4));
        block = [0.0; 64];
        block[8] = 1.0;
        let v = inverse(&block, &c);
        // Vertical frequency 1: constant along a row, odd from top to bottom.
        assert!((v[0] - v[7]).abs() < 1e-6 && (v[0] + v[56]).abs() < 1e-6 && v[0] > 0.1);
    }

    /// One component of 16 × 8 pixels, all quantization 8; the code 0 means a DC difference of 4 bits or the end of a
    /// block.
    fn picture(data: &[u8]) -> Vec<u8> {
        let mut b = vec![0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0];
        b.extend([8; 64]);
        for (class, symbol) in [(0x00, 4), (0x10, 0)] {
            b.extend([0xFF, 0xC4, 0, 20, class, 1]);
            b.extend([0; 15]);
            b.push(symbol);
        }
        b.extend([0xFF, 0xC1, 0, 11, 12, 0, 8, 0, 16, 1, 1, 0x11, 0]);
        b.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0]);
        b.extend(data);
        b
    }

    /// Bits 0 1010 0: difference 10, × 8 / 8 above 2048. Bits 0 0101 0: difference 5 − 15 = −10.
    #[test]
    fn two_blocks_by_hand() {
        let b = picture(&[0b0101_0000, 0b1010_1111, 0xFF, 0xD9]);
        assert!(is(&b));
        let out = decode(&b, 8, 16).unwrap();
        let values: Vec<u16> = out.as_chunks::<2>().0.iter().map(|c| u16::from_le_bytes(*c)).collect();
        for line in values.as_chunks::<16>().0 {
            assert!(line[..8].iter().all(|v| *v == 2058) && line[8..].iter().all(|v| *v == 2048), "{line:?}");
        }
        assert_eq!(decode(&picture(&[0b0101_0000, 0xFF, 0xD9]), 8, 16), Err(CUT));
    }

    proptest::proptest! {
        #[test]
        fn forged_streams_do_not_panic(data: Vec<u8>, place in 0usize..170, byte: u8) {
            let mut b = picture(&data);
            if let Some(v) = b.get_mut(place) {
                *v = byte;
            }
            let _ = decode(&b, 8, 16);
        }
    }

    #[test]
    fn damage_is_an_error() {
        assert!(decode(&[0xFF, 0xD8, 0xFF, 0xD9], 8, 8).is_err());
        // A frame of 8 × 8 whose scan has no tables and no data.
        let frame = [0xFF, 0xC1, 0, 11, 12, 0, 8, 0, 8, 1, 1, 0x11, 0];
        let scan = [0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0];
        let b = [&[0xFF, 0xD8][..], &frame, &scan].concat();
        assert!(is(&b));
        assert_eq!(decode(&b, 8, 8), Err("a table is missing"));
        assert_eq!(decode(&b, 9, 8), Err("the size of the picture is not that of the object"));
    }
}
