//! Character sets of DICOM text, and tolerant decimal and integer strings.
//!
//! PS3.5 §6.1 and PS3.3 C.12.1.1.2: single-byte repertoires, UTF-8, GB18030, GBK and the ISO 2022 code extensions,
//! segmented escape by escape. Bytes that are invalid in the declared set are shown as the Latin-1 character with the
//! same number, so that nothing is lost and two different byte strings never become equal.

use encoding_rs::Encoding;
use serde::{Deserialize, Serialize};

/// A single-byte or whole-value encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Base {
    /// Nothing declared: ASCII, with UTF-8 or Latin-1 guessed for the upper half.
    #[default]
    Undeclared,
    Latin1,
    Utf8,
    Other(&'static Encoding),
}

/// The character set of a data set.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Charset {
    base: Base,
    iso2022: bool,
}

/// Decoded text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The text.
    pub text: String,
    /// Whether a byte was invalid in the declared character set.
    pub damaged: bool,
}

impl Charset {
    /// From the value of Specific Character Set (0008,0005). Unknown terms are read as undeclared.
    pub fn from_element(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let terms: Vec<&str> = text.split('\\').map(trim).collect();
        let base = term(terms[0]).unwrap_or_default();
        let iso2022 = terms.len() > 1 || terms[0].starts_with("ISO 2022");
        // UTF-8 and GB18030 allow no code extensions.
        let whole = matches!(base, Base::Utf8)
            || matches!(base, Base::Other(e) if e == encoding_rs::GB18030 || e == encoding_rs::GBK);
        Self { base, iso2022: iso2022 && !whole }
    }
}

fn term(t: &str) -> Option<Base> {
    use encoding_rs as e;
    // Spelling varies: ISO_IR 100, ISO-IR 100, ISO IR 100, ISO 2022 IR 100, ISO2022IR100.
    let compact: String = t.chars().filter(|c| c.is_ascii_alphanumeric()).collect::<String>().to_ascii_uppercase();
    let number = compact
        .strip_prefix("ISO2022IR")
        .or_else(|| compact.strip_prefix("ISOIR"))
        .or_else(|| compact.strip_prefix("IR"))
        .unwrap_or(&compact);
    Some(match number {
        "" | "6" => Base::Undeclared,
        "100" | "LATIN1" | "ISO88591" => Base::Latin1,
        "101" => Base::Other(e::ISO_8859_2),
        "109" => Base::Other(e::ISO_8859_3),
        "110" => Base::Other(e::ISO_8859_4),
        "144" => Base::Other(e::ISO_8859_5),
        "127" => Base::Other(e::ISO_8859_6),
        "126" => Base::Other(e::ISO_8859_7),
        "138" => Base::Other(e::ISO_8859_8),
        "148" => Base::Other(e::WINDOWS_1254),
        "203" => Base::Other(e::ISO_8859_15),
        "166" => Base::Other(e::WINDOWS_874),
        "13" => Base::Other(e::SHIFT_JIS),
        "192" | "UTF8" => Base::Utf8,
        "GB18030" => Base::Other(e::GB18030),
        "GBK" => Base::Other(e::GBK),
        "87" | "159" => Base::Undeclared,
        "149" => Base::Undeclared,
        "58" => Base::Undeclared,
        _ => return None,
    })
}

/// What a code area holds at a moment of an ISO 2022 text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Area {
    Base(Base),
    Ascii,
    /// JIS X 0208, two bytes in G0.
    Jis0208,
    /// JIS X 0212, two bytes in G0.
    Jis0212,
    /// JIS X 0201 Katakana in G1.
    Katakana,
    /// KS X 1001, two bytes in G1.
    Korean,
    /// GB 2312, two bytes in G1.
    Chinese,
}

/// Decodes a whole value, which may hold several values divided by backslashes.
pub fn decode(bytes: &[u8], set: &Charset) -> Decoded {
    if bytes.is_ascii() && !(set.iso2022 && bytes.contains(&0x1B)) {
        return Decoded { text: bytes.iter().map(|&b| b as char).collect(), damaged: false };
    }
    if set.iso2022 || bytes.contains(&0x1B) { decode_iso2022(bytes, set.base) } else { decode_base(bytes, set.base) }
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&b| b as char).collect()
}

fn decode_base(bytes: &[u8], base: Base) -> Decoded {
    match base {
        Base::Latin1 => Decoded { text: latin1(bytes), damaged: false },
        Base::Undeclared => match std::str::from_utf8(bytes) {
            Ok(t) => Decoded { text: t.to_owned(), damaged: !bytes.is_ascii() },
            Err(_) => Decoded { text: latin1(bytes), damaged: true },
        },
        Base::Utf8 => {
            let mut text = String::with_capacity(bytes.len());
            let mut damaged = false;
            for chunk in bytes.utf8_chunks() {
                text.push_str(chunk.valid());
                damaged |= !chunk.invalid().is_empty();
                text.extend(chunk.invalid().iter().map(|&b| b as char));
            }
            Decoded { text, damaged }
        }
        Base::Other(e) => match e.decode_without_bom_handling_and_without_replacement(bytes) {
            Some(t) => Decoded { text: t.into_owned(), damaged: false },
            None => piecewise(bytes, e),
        },
    }
}

/// Decodes the longest valid pieces and shows every invalid byte as Latin-1.
fn piecewise(bytes: &[u8], e: &'static Encoding) -> Decoded {
    let mut text = String::new();
    let mut at = 0;
    while at < bytes.len() {
        let step = (1..=4.min(bytes.len() - at)).find_map(|n| {
            let t = e.decode_without_bom_handling_and_without_replacement(&bytes[at..at + n])?;
            Some((n, t.into_owned()))
        });
        match step {
            Some((n, t)) => {
                text.push_str(&t);
                at += n;
            }
            None => {
                text.push(bytes[at] as char);
                at += 1;
            }
        }
    }
    Decoded { text, damaged: true }
}

fn escape(rest: &[u8]) -> Option<(usize, bool, Area)> {
    use encoding_rs as e;
    let g1 = |enc| Some((3, true, Area::Base(Base::Other(enc))));
    match rest {
        [0x1B, b'(', b'B', ..] => Some((3, false, Area::Ascii)),
        [0x1B, b'(', b'J', ..] => Some((3, false, Area::Ascii)),
        [0x1B, b')', b'I', ..] => Some((3, true, Area::Katakana)),
        [0x1B, b'$', b'B' | b'@', ..] => Some((3, false, Area::Jis0208)),
        [0x1B, b'$', b'(', b'D', ..] => Some((4, false, Area::Jis0212)),
        [0x1B, b'$', b')', b'C', ..] => Some((4, true, Area::Korean)),
        [0x1B, b'$', b')', b'A', ..] => Some((4, true, Area::Chinese)),
        [0x1B, b'-', b'A', ..] => Some((3, true, Area::Base(Base::Latin1))),
        [0x1B, b'-', b'B', ..] => g1(e::ISO_8859_2),
        [0x1B, b'-', b'C', ..] => g1(e::ISO_8859_3),
        [0x1B, b'-', b'D', ..] => g1(e::ISO_8859_4),
        [0x1B, b'-', b'L', ..] => g1(e::ISO_8859_5),
        [0x1B, b'-', b'G', ..] => g1(e::ISO_8859_6),
        [0x1B, b'-', b'F', ..] => g1(e::ISO_8859_7),
        [0x1B, b'-', b'H', ..] => g1(e::ISO_8859_8),
        [0x1B, b'-', b'M', ..] => g1(e::WINDOWS_1254),
        [0x1B, b'-', b'b', ..] => g1(e::ISO_8859_15),
        [0x1B, b'-', b'T', ..] => g1(e::WINDOWS_874),
        _ => None,
    }
}

fn decode_iso2022(bytes: &[u8], base: Base) -> Decoded {
    let (mut g0, mut g1) = (Area::Ascii, Area::Base(base));
    let mut out = Decoded { text: String::with_capacity(bytes.len()), damaged: false };
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == 0x1B {
            if let Some((n, upper, area)) = escape(&bytes[at..]) {
                if upper {
                    g1 = area
                } else {
                    g0 = area
                }
                at += n;
            } else {
                out.text.push('\u{1b}');
                out.damaged = true;
                at += 1;
            }
            continue;
        }
        let upper = bytes[at] >= 0x80;
        let area = if upper { g1 } else { g0 };
        let double = matches!(area, Area::Jis0208 | Area::Jis0212);
        // Control characters and the value and component delimiters return to the initial state.
        if !upper && (bytes[at] < 0x20 || (!double && matches!(bytes[at], b'\\' | b'^' | b'='))) {
            (g0, g1) = (Area::Ascii, Area::Base(base));
            out.text.push(bytes[at] as char);
            at += 1;
            continue;
        }
        let stop = |b: u8| {
            b == 0x1B || (b >= 0x80) != upper || b < 0x20 || (!upper && !double && matches!(b, b'\\' | b'^' | b'='))
        };
        let end = bytes[at..].iter().position(|&b| stop(b)).map_or(bytes.len(), |n| at + n);
        let piece = decode_area(&bytes[at..end], area);
        out.text.push_str(&piece.text);
        out.damaged |= piece.damaged;
        at = end;
    }
    out
}

fn decode_area(run: &[u8], area: Area) -> Decoded {
    use encoding_rs as e;
    match area {
        Area::Ascii => Decoded { text: latin1(run), damaged: false },
        Area::Base(b) => decode_base(run, b),
        Area::Jis0208 => {
            let euc: Vec<u8> = run.iter().map(|b| b | 0x80).collect();
            decode_base(&euc, Base::Other(e::EUC_JP))
        }
        Area::Jis0212 => {
            let euc: Vec<u8> =
                run.chunks(2).flat_map(|p| std::iter::once(0x8F).chain(p.iter().map(|b| b | 0x80))).collect();
            decode_base(&euc, Base::Other(e::EUC_JP))
        }
        Area::Katakana => decode_base(run, Base::Other(e::SHIFT_JIS)),
        Area::Korean => decode_base(run, Base::Other(e::EUC_KR)),
        Area::Chinese => decode_base(run, Base::Other(e::GBK)),
    }
}

/// Removes the padding of DICOM strings: blanks, NUL and line ends on both sides.
pub fn trim(t: &str) -> &str {
    t.trim_matches(|c: char| c == '\0' || c.is_whitespace())
}

/// Why a number cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum NumberError {
    /// Nothing is written.
    #[error("no value")]
    Blank,
    /// A comma where DICOM wants a point.
    #[error("a decimal comma")]
    Comma,
    /// Not a finite number.
    #[error("not a finite number")]
    NotFinite,
    /// Not an integer where one is wanted.
    #[error("not an integer")]
    NotInteger,
    /// Not a number.
    #[error("not a number")]
    Malformed,
}

/// Reads a decimal string: blanks and NULs around it, any exponent width, more than 16 characters are all accepted.
pub fn parse_ds(t: &str) -> Result<f64, NumberError> {
    let t = trim(t);
    if t.is_empty() {
        return Err(NumberError::Blank);
    }
    if t.bytes().any(|b| b == b',') {
        return Err(NumberError::Comma);
    }
    match t.parse::<f64>() {
        Ok(v) if v.is_finite() => Ok(v),
        Ok(_) => Err(NumberError::NotFinite),
        Err(_) => Err(NumberError::Malformed),
    }
}

/// Reads an integer string; a decimal such as `30.0` is accepted if it is integral.
pub fn parse_is(t: &str) -> Result<i64, NumberError> {
    let t = trim(t);
    if let Ok(v) = t.parse::<i64>() {
        return Ok(v);
    }
    let v = parse_ds(t)?;
    if v.fract() == 0.0 && v.abs() < 9e15 { Ok(v as i64) } else { Err(NumberError::NotInteger) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(set: &str, bytes: &[u8]) -> String {
        decode(bytes, &Charset::from_element(set.as_bytes())).text
    }

    // Byte strings of PS3.5 annexes H (Japanese), I (Korean), J (Unicode and GB18030), K (Chinese).
    #[test]
    fn standard_examples() {
        let jp = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B";
        assert_eq!(with("\\ISO 2022 IR 87", jp), "Yamada^Tarou=山田^太郎=やまだ^たろう");
        let kr = b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf";
        assert_eq!(with("\\ISO 2022 IR 149", kr), "Hong^Gildong=洪^吉洞=홍^길동");
        let jp13 =
            b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J";
        assert_eq!(with("ISO 2022 IR 13\\ISO 2022 IR 87", jp13), "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう");
        assert_eq!(with("GB18030", b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab="), "Wang^XiaoDong=王^小东=");
        assert_eq!(
            with("\\ISO 2022 IR 58", b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab="),
            "Zhang^XiaoDong=张^小东="
        );
        assert_eq!(with("ISO_IR 100", b"Buc^J\xe9r\xf4me"), "Buc^Jérôme");
    }

    #[test]
    fn invalid_bytes_are_kept_apart() {
        let a = decode(b"M\xfcller", &Charset::from_element(b"ISO_IR 192"));
        assert_eq!(a, Decoded { text: "Müller".into(), damaged: true });
        let b = decode(b"M\xf6ller", &Charset::from_element(b"ISO_IR 192"));
        assert_ne!(a.text, b.text);
        assert_eq!(decode("Müller".as_bytes(), &Charset::default()).text, "Müller");
        let cut = decode(b"\xcd\xf5\xd0", &Charset::from_element(b"GB18030"));
        assert!(cut.damaged && cut.text.starts_with('王'), "{cut:?}");
    }

    #[test]
    fn numbers() {
        assert_eq!(parse_ds(" 9.313226e-009 "), Ok(9.313226e-9));
        assert_eq!(parse_ds("-0\0"), Ok(0.0));
        assert_eq!(parse_ds("+1.5"), Ok(1.5));
        assert_eq!(parse_ds("1,5"), Err(NumberError::Comma));
        assert_eq!(parse_ds("nan"), Err(NumberError::NotFinite));
        assert_eq!(parse_ds("inf"), Err(NumberError::NotFinite));
        assert_eq!(parse_ds("  "), Err(NumberError::Blank));
        assert_eq!(parse_ds("1A"), Err(NumberError::Malformed));
        assert_eq!(parse_is("30.0"), Ok(30));
        assert_eq!(parse_is("30.5"), Err(NumberError::NotInteger));
        assert_eq!(parse_is(" 7 "), Ok(7));
    }
}
