//! What a setting can hold, and how text from a file, the environment or the command line becomes it.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};

/// A value as it was written, before a setting gives it a type.
#[derive(Clone, Debug, PartialEq)]
pub enum Raw {
    /// YAML null: the key counts as absent.
    Null,
    /// `true`, `false` and the YAML 1.1 words.
    Bool(bool),
    /// Whole number.
    Int(i64),
    /// Number with a fraction or exponent, or beyond the range of `Int`.
    Float(f64),
    /// Text.
    Text(String),
    /// List.
    Seq(Vec<Raw>),
    /// Mapping; only as a mistake, since no setting holds one.
    Map,
}

impl Raw {
    fn described(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Int(_) => "a whole number",
            Self::Float(_) => "a number with a fraction",
            Self::Text(_) => "text",
            Self::Seq(_) => "a list",
            Self::Map => "a mapping",
        }
    }
}

/// A [`Raw`] value with what is needed to understand it.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// The value.
    pub raw: &'a Raw,
    /// From the environment or the command line, where everything is text.
    pub untyped: bool,
    /// Folder to which relative paths refer; `None` leaves them relative to the current folder.
    pub base: Option<&'a Path>,
}

impl<'a> Given<'a> {
    fn wrong<T>(&self, expected: &str) -> Result<T, String> {
        match (self.untyped, self.raw) {
            (true, Raw::Text(t)) => Err(format!("expected {expected}, found `{t}`")),
            _ => Err(format!("expected {expected}, found {}", self.raw.described())),
        }
    }

    fn with(&self, raw: &'a Raw) -> Self {
        Self { raw, ..*self }
    }
}

/// The shape of a setting's value, for the schema and the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// Whole number.
    Int,
    /// Number.
    Number,
    /// Text.
    Text,
    /// File or folder; relative to the file in which it is written.
    Path,
    /// One of some words.
    Choice(&'static [&'static str]),
    /// One of some words, or something that is written as text (the sentence says what).
    Word(&'static [&'static str], &'static str),
    /// A word or a number.
    WordOr(&'static [&'static str], &'static Kind),
    /// List of texts.
    List,
    /// Value or null.
    Optional(&'static Kind),
}

impl Kind {
    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::Bool => "true or false".into(),
            Self::Int => "whole number".into(),
            Self::Number => "number".into(),
            Self::Text => "text".into(),
            Self::Path => "path".into(),
            Self::Choice(c) => c.join(" | "),
            Self::Word(c, other) => format!("{} | {other}", c.join(" | ")),
            Self::WordOr(c, k) => format!("{} | {}", c.join(" | "), k.words()),
            Self::List => "list".into(),
            Self::Optional(k) => format!("{} or null", k.words()),
        }
    }

    /// JSON Schema of the value; `range` applies to numbers.
    pub fn schema(&self, range: Range) -> Json {
        let number = |kind: &str| {
            let mut m = serde_json::Map::new();
            m.insert("type".into(), kind.into());
            if let Some(lo) = range.min {
                m.insert("minimum".into(), lo.into());
            }
            if let Some(hi) = range.max {
                m.insert("maximum".into(), hi.into());
            }
            Json::Object(m)
        };
        match self {
            Self::Bool => serde_json::json!({"type": "boolean"}),
            Self::Int => number("integer"),
            Self::Number => number("number"),
            Self::Text | Self::Path | Self::Word(..) => serde_json::json!({"type": "string"}),
            Self::Choice(c) => serde_json::json!({"enum": c}),
            Self::WordOr(c, k) => serde_json::json!({"anyOf": [{"enum": c}, k.schema(range)]}),
            Self::List => {
                serde_json::json!({"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]})
            }
            Self::Optional(k) => serde_json::json!({"anyOf": [k.schema(range), {"type": "null"}]}),
        }
    }
}

/// Bounds of a number, both included.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Range {
    /// Least allowed value.
    pub min: Option<f64>,
    /// Greatest allowed value.
    pub max: Option<f64>,
}

impl Range {
    /// No bounds.
    pub const ANY: Self = Self { min: None, max: None };

    /// At least `min`.
    pub const fn min(min: f64) -> Self {
        Self { min: Some(min), max: None }
    }

    /// From `min` to `max`.
    pub const fn within(min: f64, max: f64) -> Self {
        Self { min: Some(min), max: Some(max) }
    }

    /// In words, for example `from 0 to 1`.
    pub fn words(&self) -> Option<String> {
        match (self.min, self.max) {
            (Some(a), Some(b)) => Some(format!("from {a} to {b}")),
            (Some(a), None) => Some(format!("at least {a}")),
            (None, Some(b)) => Some(format!("at most {b}")),
            (None, None) => None,
        }
    }

    /// Checks a number; anything else passes.
    pub fn check(&self, value: &Json) -> Result<(), String> {
        let Some(x) = value.as_f64() else { return Ok(()) };
        if self.min.is_some_and(|lo| x < lo) || self.max.is_some_and(|hi| x > hi) {
            return Err(format!("{value} is not allowed: it must be {}", self.words().unwrap_or_default()));
        }
        Ok(())
    }
}

/// A type that a setting can have.
pub trait Setting: Sized + Serialize + DeserializeOwned {
    /// Shape of the value.
    const KIND: Kind;

    /// From what was written; the error is a sentence without position.
    fn parse(given: Given<'_>) -> Result<Self, String>;

    /// A further value from the same layer: replaces, and lists grow.
    fn add(&mut self, more: Self) {
        *self = more;
    }

    /// Forgets where a file lies on this machine, for use in unit tasks (the file itself is an input of the unit).
    fn forget_path(&mut self) {}
}

impl Setting for bool {
    const KIND: Kind = Kind::Bool;
    fn parse(given: Given<'_>) -> Result<Self, String> {
        match given.raw {
            Raw::Bool(b) => Ok(*b),
            Raw::Int(1) if given.untyped => Ok(true),
            Raw::Int(0) if given.untyped => Ok(false),
            Raw::Text(t) if given.untyped => match t.trim().to_ascii_lowercase().as_str() {
                "1" | "true" | "yes" | "on" => Ok(true),
                "0" | "false" | "no" | "off" => Ok(false),
                _ => given.wrong("true or false"),
            },
            _ => given.wrong("true or false"),
        }
    }
}

macro_rules! whole_number {
    ($($t:ty),*) => {$(
        impl Setting for $t {
            const KIND: Kind = Kind::Int;
            fn parse(given: Given<'_>) -> Result<Self, String> {
                let n = match given.raw {
                    Raw::Int(n) => *n,
                    Raw::Float(x) if x.fract() == 0.0 && x.abs() < 9e15 => *x as i64,
                    Raw::Text(t) if given.untyped => match t.trim().parse() {
                        Ok(n) => n,
                        Err(_) => return given.wrong("a whole number"),
                    },
                    _ => return given.wrong("a whole number"),
                };
                <$t>::try_from(n).map_err(|_| format!("{n} is not allowed: it must be from {} to {}", <$t>::MIN, <$t>::MAX))
            }
        }
    )*};
}
whole_number!(u32, u64);

impl Setting for f64 {
    const KIND: Kind = Kind::Number;
    fn parse(given: Given<'_>) -> Result<Self, String> {
        let x = match given.raw {
            Raw::Int(n) => *n as f64,
            Raw::Float(x) => *x,
            Raw::Text(t) if given.untyped => match t.trim().parse() {
                Ok(x) => x,
                Err(_) => return given.wrong("a number"),
            },
            _ => return given.wrong("a number"),
        };
        if x.is_finite() { Ok(x) } else { Err(format!("{x} is not a finite number")) }
    }
}

impl Setting for String {
    const KIND: Kind = Kind::Text;
    fn parse(given: Given<'_>) -> Result<Self, String> {
        match given.raw {
            Raw::Text(t) if t.trim().is_empty() => Err("expected text, found nothing".into()),
            Raw::Text(t) => Ok(t.clone()),
            Raw::Int(_) | Raw::Float(_) | Raw::Bool(_) => given.wrong("text (put it in quotes)"),
            _ => given.wrong("text"),
        }
    }
}

impl Setting for PathBuf {
    const KIND: Kind = Kind::Path;
    fn parse(given: Given<'_>) -> Result<Self, String> {
        let text = String::parse(given).map_err(|m| m.replace("expected text", "expected a path"))?;
        Ok(match given.base {
            Some(base) => base.join(text),
            None => Self::from(text),
        })
    }
    fn forget_path(&mut self) {
        self.clear();
    }
}

impl Setting for Vec<String> {
    const KIND: Kind = Kind::List;
    fn parse(given: Given<'_>) -> Result<Self, String> {
        match given.raw {
            Raw::Seq(items) => items.iter().map(|i| String::parse(given.with(i))).collect(),
            Raw::Text(t) => {
                Ok(t.split([',', ';']).map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect())
            }
            _ => given.wrong("a list of texts"),
        }
    }
    fn add(&mut self, more: Self) {
        self.extend(more);
    }
}

impl<T: Setting> Setting for Option<T>
where
    T: OptionalKind,
{
    const KIND: Kind = Kind::Optional(&<T as Setting>::KIND);
    fn parse(given: Given<'_>) -> Result<Self, String> {
        match given.raw {
            Raw::Null => Ok(None),
            Raw::Text(t) if given.untyped && matches!(t.trim(), "" | "null" | "none" | "~") => Ok(None),
            _ => T::parse(given).map(Some),
        }
    }
    fn add(&mut self, more: Self) {
        match (self, more) {
            (Some(a), Some(b)) => a.add(b),
            (slot, more) => *slot = more,
        }
    }
    fn forget_path(&mut self) {
        if let Some(v) = self {
            v.forget_path();
        }
    }
}

/// Types that may be absent.
pub trait OptionalKind {}
impl OptionalKind for u32 {}
impl OptionalKind for u64 {}
impl OptionalKind for f64 {}
impl OptionalKind for String {}
impl OptionalKind for PathBuf {}
impl OptionalKind for Vec<String> {}
impl OptionalKind for Secret {}

/// A number, or `auto`: the program decides from the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Auto<T> {
    /// Decided when the run starts.
    #[default]
    Auto,
    /// As given.
    Value(T),
}

impl<T: Copy> Auto<T> {
    /// The given number, if any.
    pub fn value(&self) -> Option<T> {
        match self {
            Self::Auto => None,
            Self::Value(v) => Some(*v),
        }
    }
}

impl<T: Serialize> Serialize for Auto<T> {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => s.serialize_str("auto"),
            Self::Value(v) => v.serialize(s),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Auto<T> {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        match Json::deserialize(d)? {
            Json::String(s) if s == "auto" => Ok(Self::Auto),
            other => T::deserialize(other).map(Self::Value).map_err(serde::de::Error::custom),
        }
    }
}

impl<T: Setting> Setting for Auto<T> {
    const KIND: Kind = Kind::WordOr(&["auto"], &<T as Setting>::KIND);
    fn parse(given: Given<'_>) -> Result<Self, String> {
        match given.raw {
            Raw::Text(t) if t.trim().eq_ignore_ascii_case("auto") => Ok(Self::Auto),
            _ => T::parse(given).map(Self::Value).map_err(|m| m.replacen("expected ", "expected `auto` or ", 1)),
        }
    }
}

/// How many units of a stage may run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    /// What suits the machine: the GPUs for a GPU stage, else the workers of the run.
    Auto,
    /// As many as the run has workers.
    All,
    /// As given, at most the workers of the run.
    Count(u32),
}

impl Serialize for Workers {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => s.serialize_str("auto"),
            Self::All => s.serialize_str("all"),
            Self::Count(n) => s.serialize_u32(*n),
        }
    }
}

impl<'de> Deserialize<'de> for Workers {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let raw = match Json::deserialize(d)? {
            Json::String(s) => Raw::Text(s),
            Json::Number(n) => Raw::Int(n.as_i64().unwrap_or(-1)),
            _ => Raw::Null,
        };
        Self::parse(Given { raw: &raw, untyped: false, base: None }).map_err(serde::de::Error::custom)
    }
}

impl Setting for Workers {
    const KIND: Kind = Kind::WordOr(&["auto", "all"], &Kind::Int);
    fn parse(given: Given<'_>) -> Result<Self, String> {
        if let Raw::Text(t) = given.raw {
            match t.trim().to_ascii_lowercase().as_str() {
                "auto" => return Ok(Self::Auto),
                "all" => return Ok(Self::All),
                _ => {}
            }
        }
        match u32::parse(given) {
            Ok(n) => Ok(Self::Count(n)),
            Err(m) => Err(m.replacen("expected ", "expected `auto`, `all` or ", 1)),
        }
    }
}

/// A word that must not be written anywhere: it is shown and stored as `(set)`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Secret(String);

impl Secret {
    /// The word itself, for handing it to the program that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(set)")
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str("(set)")
    }
}

impl Setting for Secret {
    const KIND: Kind = Kind::Text;
    fn parse(given: Given<'_>) -> Result<Self, String> {
        // The text itself must not appear in a message.
        String::parse(given).map(Self).map_err(|_| "expected text".into())
    }
}
