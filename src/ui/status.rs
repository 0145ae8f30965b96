//! Status lines: a right-aligned verb of one colour, then what happened.

use anstyle::{AnsiColor, Style};
use std::io::{IsTerminal as _, Write as _};

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On terminals, unless the environment says otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Makes the choice known to all streams of the process.
    pub fn apply(self) {
        match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

/// Writes status lines to standard error.
#[derive(Clone, Copy, Debug, Default)]
pub struct Printer {
    /// Only errors.
    pub quiet: bool,
    /// 0 plain, 1 units, 2 everything.
    pub verbose: u8,
}

const WIDTH: usize = 12;

impl Printer {
    /// `   Organized 12 courses …`
    pub fn status(&self, verb: &str, text: &str) {
        if !self.quiet {
            self.line(AnsiColor::Green, verb, text);
        }
    }

    /// A line that deserves a look.
    pub fn warn(&self, text: &str) {
        if !self.quiet {
            self.line(AnsiColor::Yellow, "Warning", text);
        }
    }

    /// A failure of a unit; always shown.
    pub fn failure(&self, verb: &str, text: &str) {
        self.line(AnsiColor::Red, verb, text);
    }

    /// An error that ends the program, with hints.
    pub fn error(&self, text: &str, hints: &[String]) {
        let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
        let cyan = Style::new().bold().fg_color(Some(AnsiColor::Cyan.into()));
        let mut e = anstream::stderr().lock();
        let _ = writeln!(e, "{red}error{red:#}: {text}");
        for h in hints {
            let _ = writeln!(e, " {cyan}hint{cyan:#}: {h}");
        }
    }

    fn line(&self, color: AnsiColor, verb: &str, text: &str) {
        let style = Style::new().bold().fg_color(Some(color.into()));
        let _ = writeln!(anstream::stderr().lock(), "{style}{verb:>WIDTH$}{style:#} {text}");
    }

    /// Whether a person may be looking.
    pub fn is_terminal() -> bool {
        std::io::stderr().is_terminal()
    }
}

/// `1.2 GiB`.
pub fn human_bytes(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut v = bytes as f64;
    let mut n = 0;
    while v >= 1024.0 && n + 1 < units.len() {
        v /= 1024.0;
        n += 1;
    }
    if n == 0 { format!("{bytes} B") } else { format!("{v:.1} {}", units[n]) }
}

/// `2.1s`, `3m 05s`, `2h 58m`.
pub fn human_time(seconds: f64) -> String {
    let s = seconds.max(0.0);
    if s < 60.0 {
        format!("{s:.1}s")
    } else if s < 3600.0 {
        format!("{}m {:02}s", (s / 60.0) as u64, (s % 60.0) as u64)
    } else {
        format!("{}h {:02}m", (s / 3600.0) as u64, (s % 3600.0 / 60.0) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_read_well() {
        assert_eq!(human_time(2.14), "2.1s");
        assert_eq!(human_time(185.9), "3m 05s");
        assert_eq!(human_time(10680.0), "2h 58m");
        assert_eq!(human_bytes(512), "512 B");
        assert_eq!(human_bytes(3 << 29), "1.5 GiB");
    }
}
