//! Errors of configuration: what, where, and what to do.

use std::fmt;
use std::path::PathBuf;

/// A position in a file, with the text that stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Name of the file as it was given.
    pub file: String,
    /// Line, counted from 1.
    pub line: u64,
    /// Column in characters, counted from 1.
    pub column: u64,
    /// The whole line.
    pub text: String,
    /// How many characters are at fault, at least 1.
    pub width: usize,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A position in a file.
    Spot(Spot),
    /// A file as a whole.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// An option of the command line.
    Option(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spot(s) => write!(f, "{}:{}:{}", s.file, s.line, s.column),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Option(name) => write!(f, "option {name}"),
        }
    }
}

/// One thing that is wrong in a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// Where.
    pub place: Place,
    /// What.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl ConfigError {
    /// Line in the file, when it is known.
    pub fn line(&self) -> Option<u64> {
        match &self.place {
            Place::Spot(s) => Some(s.line),
            _ => None,
        }
    }

    /// Column in the file, when it is known.
    pub fn column(&self) -> Option<u64> {
        match &self.place {
            Place::Spot(s) => Some(s.column),
            _ => None,
        }
    }
}

/// Longest piece of a line that is shown, in characters.
const SHOWN: usize = 120;

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)?;
        if let Place::Spot(spot) = &self.place {
            let number = spot.line.to_string();
            let margin = " ".repeat(number.len());
            // One character for each, so that the caret stands right; control characters must not reach a terminal.
            let clean = |c: char| {
                if c == '\t' {
                    ' '
                } else if c.is_control() {
                    '\u{fffd}'
                } else {
                    c
                }
            };
            let chars: Vec<char> = spot.text.chars().map(clean).collect();
            let column = (spot.column.max(1) as usize - 1).min(chars.len());
            let first = if chars.len() > SHOWN { column.saturating_sub(SHOWN / 2) } else { 0 };
            let shown: String = chars.iter().skip(first).take(SHOWN).collect();
            let width = spot.width.clamp(1, shown.chars().count().saturating_sub(column - first).max(1));
            write!(f, "\n{margin} |\n{number} | {shown}\n{margin} | ")?;
            write!(f, "{}{}", " ".repeat(column - first), "^".repeat(width))?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

/// Everything that is wrong in a configuration, in the order of the file; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

/// Edits (insert, delete, replace, swap of neighbours) between two words, case ignored.
pub(super) fn edit_distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().collect();
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

/// The candidate nearest to `word`, when it is near enough to be what was meant.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Nobody misspells a name of hundreds of letters, and the distance costs the product of the lengths.
    if word.chars().count() > 200 {
        return None;
    }
    let allowed = (word.chars().count() / 3).clamp(1, 4);
    candidates
        .into_iter()
        .map(|c| (edit_distance(word, c), c))
        .filter(|(d, _)| *d <= allowed)
        .min_by_key(|(d, _)| *d)
        .map(|(_, c)| c)
}
