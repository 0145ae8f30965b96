//! Small helpers: UTC time stamps, random suffixes, host name, tails of logs.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// UTC time in RFC 3339, seconds.
pub(crate) fn utc(time: SystemTime) -> String {
    let s = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    let (days, rest) = (s / 86_400, s % 86_400);
    // Civil date from days since 1970-01-01, proleptic Gregorian calendar, eras of 400 years from March 1st.
    let z = days + 719_468;
    let era = z / 146_097;
    let doe = z % 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Seconds since 1970, for event lines.
pub(crate) fn epoch(time: SystemTime) -> f64 {
    let d = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    (d.as_micros() as f64) / 1e6
}

/// Eight hexadecimal digits that no other process or call gets with any likelihood; not for secrets.
pub(crate) fn random_suffix() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut h = blake3::Hasher::new();
    h.update(&std::process::id().to_le_bytes());
    h.update(&COUNT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    h.update(&SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_nanos().to_le_bytes());
    h.finalize().to_hex()[..8].to_owned()
}

/// Name of this host.
pub(crate) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Keeps the end of a stream of lines.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    lines: VecDeque<String>,
    bytes: usize,
}

impl Tail {
    const LIMIT: usize = 4096;

    pub(crate) fn push(&mut self, line: &str) {
        let line: String = line.chars().take(Self::LIMIT / 4).collect();
        self.bytes += line.len() + 1;
        self.lines.push_back(line);
        while self.bytes > Self::LIMIT {
            match self.lines.pop_front() {
                Some(l) => self.bytes -= l.len() + 1,
                None => break,
            }
        }
    }

    pub(crate) fn text(&self) -> String {
        self.lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    /// The last `n` lines that hold anything.
    pub(crate) fn last(&self, n: usize) -> String {
        let mut l: Vec<&str> =
            self.lines.iter().rev().map(String::as_str).filter(|l| !l.trim().is_empty()).take(n).collect();
        l.reverse();
        l.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::{Tail, utc};
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn dates_agree_with_the_calendar() {
        // `date -u -d @N`
        for (s, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_210_096, "2024-02-29T12:34:56Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(UNIX_EPOCH + Duration::from_secs(s)), text);
        }
    }

    #[test]
    fn a_tail_keeps_the_end_and_stays_small() {
        let mut t = Tail::default();
        for i in 0..10_000 {
            t.push(&format!("line {i}"));
        }
        assert!(t.text().len() <= 4096);
        assert_eq!(t.last(1), "line 9999");
    }
}
