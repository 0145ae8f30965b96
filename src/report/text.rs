//! Text as pages show it: escaping, visible control characters, short names, number formats, links.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Longest name shown in full, characters.
pub const NAME_LIMIT: usize = 64;
/// Longest remark in a table shown in full, characters.
pub const REMARK_LIMIT: usize = 300;
/// Longest text put into a `title` attribute, characters.
const TITLE_LIMIT: usize = 10_000;

/// Replaces characters that act instead of being seen: C0 and C1 controls, bidirectional overrides and isolates, line
/// and paragraph separators, byte order marks. C0 become their Unicode pictures (`␀`…`␟`, `␡`), the others `␦`.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(picture).collect())
}

fn acts(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn picture(c: char) -> char {
    match c {
        '\0'..='\u{1f}' => char::from_u32(0x2400 + c as u32).unwrap_or('␦'),
        '\u{7f}' => '␡',
        c if acts(c) => '␦',
        c => c,
    }
}

/// The one escaping function for HTML text and quoted attributes; control characters become visible first.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(picture(c)),
        }
    }
    out
}

/// Text cut at [`NAME_LIMIT`] characters; the second value is the full text when something was cut.
pub fn short(text: &str) -> (String, Option<String>) {
    cut(text, NAME_LIMIT)
}

fn cut(text: &str, limit: usize) -> (String, Option<String>) {
    let clean = visible(text);
    if clean.chars().count() <= limit {
        return (clean.into_owned(), None);
    }
    let cut = clean.chars().take(limit - 1).chain(std::iter::once('…')).collect();
    (cut, Some(clean.chars().take(TITLE_LIMIT).collect()))
}

/// A name as HTML: cut, escaped, full text in `title`.
pub fn name_html(text: &str) -> String {
    html(cut(text, NAME_LIMIT))
}

/// A remark as HTML: as a name, but cut at [`REMARK_LIMIT`].
pub fn remark_html(text: &str) -> String {
    html(cut(text, REMARK_LIMIT))
}

fn html(cut: (String, Option<String>)) -> String {
    match cut {
        (s, None) => escape(&s),
        (s, Some(full)) => format!("<span title=\"{}\">{}</span>", escape(&full), escape(&s)),
    }
}

/// JSON for an inert script block: `<`, U+2028 and U+2029 as escapes, so that no text can end the block.
pub fn json_block(value: &serde_json::Value) -> String {
    let raw = value.to_string();
    let mut out = String::with_capacity(raw.len());
    for c in raw.chars() {
        match c {
            '<' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out
}

/// One segment of a relative link, percent-encoded as `encodeURIComponent` does.
pub fn encode_segment(segment: &str) -> String {
    let mut out = String::new();
    for b in segment.bytes() {
        if b.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&b) {
            out.push(b as char);
        } else {
            let _ = write!(out, "%{b:02X}");
        }
    }
    out
}

/// A relative link from path segments; empty and `.` segments are dropped.
pub fn link<'a>(segments: impl IntoIterator<Item = &'a str>) -> String {
    segments
        .into_iter()
        .filter(|s| !s.is_empty() && *s != ".")
        .map(|s| if s == ".." { s.to_owned() } else { encode_segment(s) })
        .collect::<Vec<_>>()
        .join("/")
}

/// A number with fixed decimals, true minus sign and comma groups from 10,000; `—` when it is not finite.
pub fn fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return "—".to_owned();
    }
    let text = format!("{:.decimals$}", value.abs());
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let zero = text.bytes().all(|b| matches!(b, b'0' | b'.'));
    let sign = if value < 0.0 && !zero { "−" } else { "" };
    format!("{sign}{}{rest}", grouped(whole))
}

/// A count with comma groups from 10,000.
pub fn count(value: u64) -> String {
    grouped(&value.to_string())
}

fn grouped(digits: &str) -> String {
    if digits.len() < 5 {
        return digits.to_owned();
    }
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (n, c) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// Dose in Gy, two decimals, without the unit.
pub fn gy(value: f64) -> String {
    fixed(value, 2)
}

/// Volume in cc: three significant digits, not finer than 0.01.
pub fn cc(value: f64) -> String {
    let a = value.abs();
    fixed(value, if a >= 99.95 { 0 } else { 1 + usize::from(a < 9.995) })
}

/// Percent with one decimal from a value already in percent, without the sign.
pub fn percent(value: f64) -> String {
    fixed(value, 1)
}

/// Seconds as words: `0.4 s`, `66 s`, `4 min 5 s`, `2 h 58 min`.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "—".to_owned();
    }
    if seconds < 9.95 {
        return format!("{} s", fixed(seconds, 1));
    }
    let s = seconds.round() as u64;
    match s {
        0..120 => format!("{s} s"),
        120..3600 => format!("{} min {} s", s / 60, s % 60),
        _ => {
            let minutes = (s + 30) / 60;
            format!("{} h {} min", count(minutes / 60), minutes % 60)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_the_page_rules() {
        assert_eq!(fixed(-1.734, 2), "−1.73");
        assert_eq!(fixed(-0.001, 2), "0.00");
        assert_eq!(fixed(1234567.0, 0), "1,234,567");
        assert_eq!(fixed(9999.94, 1), "9999.9");
        assert_eq!(fixed(f64::NAN, 1), "—");
        assert_eq!(
            (cc(0.0312), cc(9.996), cc(47.93), cc(186.32)),
            ("0.03".into(), "10.0".into(), "47.9".into(), "186".into())
        );
        assert_eq!(duration(66.2), "66 s");
        assert_eq!(duration(10_680.0), "2 h 58 min");
        assert_eq!(duration(245.0), "4 min 5 s");
        assert_eq!(count(20_000), "20,000");
    }

    #[test]
    fn hostile_text_neither_acts_nor_vanishes() {
        let e = escape("\"><img src=x onerror='a'>&lt;\u{202e}\0\u{1b}\r\n\u{85}");
        assert_eq!(e, "&quot;&gt;&lt;img src=x onerror=&#39;a&#39;&gt;&amp;lt;␦␀␛␍␊␦");
        assert_eq!(escape("＜script＞"), "＜script＞");
        assert_eq!(escape("山田^太郎=やまだ"), "山田^太郎=やまだ");
        let long = "x".repeat(10_000);
        let html = name_html(&long);
        assert!(html.starts_with("<span title=\"") && html.contains(&format!("\">{}…<", "x".repeat(63))));
        assert_eq!(name_html(&"é".repeat(64)), "é".repeat(64));
    }

    #[test]
    fn json_cannot_end_its_block() {
        let j = json_block(&serde_json::json!({"a": "</script><!--<script>\u{2028}"}));
        assert!(!j.contains('<') && !j.contains('\u{2028}'));
        let back: serde_json::Value = serde_json::from_str(&j).unwrap();
        assert_eq!(back["a"], "</script><!--<script>\u{2028}");
    }

    #[test]
    fn links_survive_any_folder_name() {
        assert_eq!(link(["..", "A#1 ü%", "2024-03?", "report.html"]), "../A%231%20%C3%BC%25/2024-03%3F/report.html");
        assert_eq!(link(["javascript:alert(1)"]), "javascript%3Aalert(1)");
    }
}
