//! The settings as text: commented default, effective values with origins, JSON Schema.

use super::load::{Loaded, Origin};
use super::settings::{SECTIONS, keys};
use serde_json::{Map, Value as Json, json};
use std::fmt::Write as _;

const HEAD: &str = "\
# rtpipeline: every setting with its default.
#
# Copy this file, change what you need and delete the rest: absent keys (and null) take the default.
# Looked for in this order: --config, the variable RTPIPELINE_CONFIGFILE, ./config.custom.yaml, ./config.yaml.
# Stronger than this file are environment variables, and stronger than those the options of the command line.
# Relative paths refer to the folder of the file in which they are written. `rtpipeline config show` tells what is in
# force and where each value comes from.
";

/// Text as YAML writes it, in quotes only where it would otherwise be read as something else.
fn yaml_text(text: &str) -> String {
    let plain = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c))
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n"
        );
    if plain { text.to_owned() } else { json!(text).to_string() }
}

/// A value as YAML writes it on one line.
pub(super) fn yaml_value(value: &Json) -> String {
    match value {
        Json::String(s) => yaml_text(s),
        Json::Array(items) => format!("[{}]", items.iter().map(yaml_value).collect::<Vec<_>>().join(", ")),
        Json::Number(n) => match n.as_f64() {
            // 2.0 reads as 2 for people; both are the same number to the reader.
            Some(x) if n.is_f64() && x.fract() == 0.0 && x.abs() < 1e15 => format!("{x:.0}"),
            _ => n.to_string(),
        },
        other => other.to_string(),
    }
}

/// The commented default: exactly the bytes of `config.yaml` at the top of the project.
pub fn default_yaml() -> String {
    let mut out = String::from(HEAD);
    for (section, title) in SECTIONS {
        let _ = write!(out, "\n# {title}\n");
        let indent = if section.is_empty() { "" } else { "  " };
        // A blank line keeps the title of the top level apart from its first key.
        let _ = if section.is_empty() { writeln!(out) } else { writeln!(out, "{section}:") };
        for k in keys().iter().filter(|k| k.section() == *section) {
            let _ = writeln!(out, "{indent}# {}", k.meaning);
            let mut note = k.allowed();
            if let Some(alias) = k.env.first() {
                let _ = write!(note, "; environment {}", alias.name);
            }
            let _ = writeln!(out, "{indent}# ({note})");
            let _ = writeln!(out, "{indent}{}: {}", k.leaf(), yaml_value(&(k.default)()));
        }
    }
    out
}

/// Every setting with its value and, as a comment, where the value comes from. The text is a valid configuration file.
pub fn show_yaml(loaded: &Loaded) -> String {
    let mut out = String::new();
    for (section, _) in SECTIONS {
        let indent = if section.is_empty() { "" } else { "  " };
        if !section.is_empty() {
            let _ = writeln!(out, "{section}:");
        }
        for k in keys().iter().filter(|k| k.section() == *section) {
            let value = loaded.settings.get(k.key).unwrap_or(Json::Null);
            let line = format!("{indent}{}: {}", k.leaf(), yaml_value(&value));
            let _ = writeln!(out, "{line:<48} # {}", loaded.origin(k.key));
        }
    }
    out
}

/// Every setting as `{"key": {"value": …, "origin": …}}`, for `run.json` and scripts.
pub fn show_json(loaded: &Loaded) -> Json {
    let mut map = Map::new();
    for k in keys() {
        let value = loaded.settings.get(k.key).unwrap_or(Json::Null);
        let origin = match loaded.origin(k.key) {
            Origin::Default => "default".to_owned(),
            other => other.to_string(),
        };
        map.insert(k.key.into(), json!({"value": value, "origin": origin}));
    }
    Json::Object(map)
}

/// JSON Schema (2020-12) of a configuration file.
pub fn schema() -> Json {
    let mut properties = Map::new();
    for (section, title) in SECTIONS {
        let mut inner = Map::new();
        for k in keys().iter().filter(|k| k.section() == *section) {
            let mut entry = Map::new();
            entry.insert("description".into(), k.meaning.into());
            let value = k.kind.schema(k.range);
            if matches!(k.kind, super::value::Kind::Optional(_)) {
                entry.extend(value.as_object().cloned().unwrap_or_default());
            } else {
                // Null counts as absent for every key.
                entry.insert("anyOf".into(), json!([value, {"type": "null"}]));
            }
            entry.insert("default".into(), (k.default)());
            if !k.unit.is_empty() {
                entry.insert("x-unit".into(), k.unit.into());
            }
            entry.insert("x-stage".into(), k.stage.into());
            inner.insert(k.leaf().into(), Json::Object(entry));
        }
        if section.is_empty() {
            properties.extend(inner);
        } else {
            let object = json!({
                "description": title,
                "type": ["object", "null"],
                "properties": inner,
                "additionalProperties": false
            });
            properties.insert((*section).into(), object);
        }
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "rtpipeline configuration",
        "type": "object",
        "properties": properties,
        "additionalProperties": false
    })
}
