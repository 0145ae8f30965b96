//! The only place that knows a YAML crate.

use super::error::{ConfigError, Place, Spot, nearest};
use super::value::Raw;
use serde::de::{DeserializeOwned, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::{DuplicateKeyPolicy, Location, MessageFormatter, Options, Spanned, UserMessageFormatter};

/// Deepest nesting that is read; no file of ours needs more than six levels.
const MAX_DEPTH: usize = 64;
/// Largest file that is read, in bytes.
const MAX_BYTES: usize = 16 << 20;

/// A position in the file that was parsed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) line: u64,
    pub(super) column: u64,
    pub(super) width: usize,
}

impl From<Location> for Position {
    fn from(at: Location) -> Self {
        Self { line: at.line(), column: at.column(), width: 1 }
    }
}

/// A YAML value with its position.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: Position,
    pub(super) value: Value,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Plain(Raw),
    Map(Vec<(String, Position, Node)>),
}

fn node(spanned: Spanned<Value>) -> Node {
    Node { at: spanned.referenced.into(), value: spanned.value }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Value;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a YAML value")
            }
            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Plain(Raw::Null))
            }
            fn visit_none<E>(self) -> Result<Value, E> {
                Ok(Value::Plain(Raw::Null))
            }
            fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
                Ok(Value::Plain(Raw::Bool(v)))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
                Ok(Value::Plain(Raw::Int(v)))
            }
            fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
                Ok(Value::Plain(i64::try_from(v).map_or(Raw::Float(v as f64), Raw::Int)))
            }
            fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
                Ok(Value::Plain(Raw::Float(v)))
            }
            fn visit_str<E>(self, v: &str) -> Result<Value, E> {
                Ok(Value::Plain(Raw::Text(v.to_owned())))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element::<Value>()? {
                    items.push(match item {
                        Value::Plain(raw) => raw,
                        Value::Map(_) => Raw::Map,
                    });
                }
                Ok(Value::Plain(Raw::Seq(items)))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(key) = map.next_key::<Spanned<String>>()? {
                    let mut at = Position::from(key.referenced);
                    at.width = key.value.chars().count();
                    entries.push((key.value, at, node(map.next_value::<Spanned<Value>>()?)));
                }
                Ok(Value::Map(entries))
            }
        }
        d.deserialize_any(Any)
    }
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH, flow_nesting_limit: MAX_DEPTH, max_documents: 1 },
        duplicate_keys: DuplicateKeyPolicy::Error,
    }
}

/// The position in `text` as part of an error.
pub(super) fn spot(text: &str, file: &str, at: Position) -> Place {
    let line = text.lines().nth((at.line.max(1) - 1) as usize).unwrap_or_default().to_owned();
    let rest = line.chars().count().saturating_sub(at.column.max(1) as usize - 1);
    let width = at.width.clamp(1, rest.max(1));
    Place::Spot(Spot { file: file.to_owned(), line: at.line.max(1), column: at.column.max(1), text: line, width })
}

/// The word that a message calls unknown, and the words that it says are known.
fn unknown_word(message: &str) -> Option<(&str, Vec<&str>)> {
    let at = message.find("unknown field").or_else(|| message.find("unknown variant"))?;
    let (_, rest) = message[at..].split_once('`')?;
    let (word, rest) = rest.split_once('`')?;
    let (_, known) = rest.split_once("expected")?;
    let known = known.trim_start().trim_start_matches("one of").split(&[',', ' '][..]);
    Some((word, known.map(|w| w.trim_matches('`')).filter(|w| !w.is_empty() && *w != "or").collect()))
}

/// Length of the word or quoted text that begins at a position: what the caret should underline.
fn token_width(text: &str, at: Position) -> usize {
    let line = text.lines().nth((at.line.max(1) - 1) as usize).unwrap_or_default();
    let rest: Vec<char> = line.chars().skip(at.column.max(1) as usize - 1).collect();
    let end = match rest.first() {
        Some(q @ ('"' | '\'')) => rest.iter().skip(1).position(|c| c == q).map(|p| p + 2),
        Some('[') => rest.iter().position(|c| *c == ']').map(|p| p + 1),
        _ => {
            let stop = |i: usize, c: char| {
                matches!(c, ',' | ']' | '}')
                    || (c == '#' && i > 0 && rest[i - 1].is_whitespace())
                    || (c == ':' && rest.get(i + 1).is_none_or(|n| n.is_whitespace()))
            };
            let end = (0..rest.len()).find(|&i| stop(i, rest[i])).unwrap_or(rest.len());
            (0..end).rev().find(|&i| !rest[i].is_whitespace()).map(|i| i + 1)
        }
    };
    end.unwrap_or(rest.len()).max(1)
}

fn located(error: &serde_saphyr::Error, text: &str, file: &str) -> ConfigError {
    let mut at = error.location().map(Position::from).unwrap_or_default();
    at.width = token_width(text, at);
    let bare = error.without_snippet();
    let message = UserMessageFormatter.format_message(bare).into_owned();
    let hint = unknown_word(&message).and_then(|(word, known)| match nearest(word, known.iter().copied()) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None if known.is_empty() => None,
        None => Some(format!("known here: {}", known.join(", "))),
    });
    ConfigError { place: spot(text, file, at), message, hint }
}

fn bounded(text: &str, file: &str) -> Result<(), ConfigError> {
    if text.len() <= MAX_BYTES {
        return Ok(());
    }
    Err(ConfigError {
        place: Place::File(file.into()),
        message: format!("the file has {} bytes; at most {MAX_BYTES} are read", text.len()),
        hint: Some("is this the right file?".into()),
    })
}

/// Reads a YAML text as `T`. Types should deny unknown fields; then the nearest known one is suggested.
///
/// # Errors
/// With file, line, column and the line itself, at the first thing that is wrong. Nesting deeper than 64 levels, more
/// than one document, duplicate keys and files beyond 16 MiB are refused.
pub fn parse_typed<T: DeserializeOwned>(text: &str, file: &str) -> Result<T, ConfigError> {
    bounded(text, file)?;
    serde_saphyr::from_str_with_options(text, options()).map_err(|e| located(&e, text, file))
}

/// Reads a YAML text as a tree with positions.
pub(super) fn parse_tree(text: &str, file: &str) -> Result<Node, ConfigError> {
    let spanned: Spanned<Value> = parse_typed(text, file)?;
    Ok(widened(node(spanned), text))
}

fn widened(mut tree: Node, text: &str) -> Node {
    match &mut tree.value {
        Value::Map(entries) => {
            for (_, _, child) in entries {
                *child = widened(child.clone(), text);
            }
        }
        Value::Plain(_) => tree.at.width = token_width(text, tree.at),
    }
    tree
}
