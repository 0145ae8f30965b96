//! Layers: default < configuration file < environment < command line.

use super::error::{ConfigError, ConfigErrors, Place, nearest};
use super::keys::{Alias, Key};
use super::old::{OTHER_VARIABLES, refused, refused_variables};
use super::settings::{Settings, key, keys};
use super::value::{Given, Raw};
use super::yaml::{Node, Position, Value, parse_tree, spot};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Variable that names the configuration file.
pub const FILE_VARIABLE: &str = "RTPIPELINE_CONFIGFILE";

/// Where the value of a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody gave one.
    Default,
    /// A line of a file.
    File {
        /// The file as it was named.
        file: String,
        /// Line, counted from 1.
        line: u64,
    },
    /// An environment variable.
    Environment(String),
    /// An option of the command line.
    Option(String),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { file, line } => write!(f, "{file}:{line}"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Option(name) => write!(f, "option {name}"),
        }
    }
}

/// A value from the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// Dotted key of the setting.
    pub key: String,
    /// Value as text.
    pub value: String,
    /// The option that gave it, for messages, for example `--seg-workers`.
    pub option: String,
}

impl Override {
    /// A value for a setting.
    pub fn new(key: impl Into<String>, value: impl Into<String>, option: impl Into<String>) -> Self {
        Self { key: key.into(), value: value.into(), option: option.into() }
    }
}

/// Settings with where each came from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Origin of every setting that is not the default, by dotted key.
    pub origins: BTreeMap<String, Origin>,
    /// Things to tell once: renamed keys, variables without meaning.
    pub notices: Vec<String>,
    /// The file that was read.
    pub file: Option<PathBuf>,
}

impl Loaded {
    /// Origin of a setting.
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }
}

/// The configuration file: the given one, else the one of [`FILE_VARIABLE`], else `config.custom.yaml`, else
/// `config.yaml` in `folder`.
pub fn find_file(given: Option<&Path>, env: &BTreeMap<String, String>, folder: &Path) -> Option<PathBuf> {
    let named =
        given.map(Path::to_path_buf).or_else(|| env.get(FILE_VARIABLE).filter(|v| !v.is_empty()).map(PathBuf::from));
    named.or_else(|| {
        ["config.custom.yaml", "config.yaml"].iter().map(|name| folder.join(name)).find(|path| path.is_file())
    })
}

impl Settings {
    /// Puts the layers together.
    ///
    /// `file` must be the result of [`find_file`] or `None`; `env` is the process environment (only known names are
    /// looked at); of several `overrides` of one key the last wins, except that lists grow. Relative paths of a file refer
    /// to its folder, others to the current folder.
    ///
    /// # Errors
    /// Everything that is wrong in all layers, in order.
    pub fn load(
        file: Option<&Path>,
        env: &BTreeMap<String, String>,
        overrides: &[Override],
    ) -> Result<Loaded, ConfigErrors> {
        let text = match file {
            None => None,
            Some(path) => Some(std::fs::read_to_string(path).map_err(|e| unreadable(path, &e))?),
        };
        Self::load_text(file.zip(text.as_deref()), env, overrides)
    }

    /// [`Settings::load`] with the text of the file already read.
    ///
    /// # Errors
    /// As there.
    pub fn load_text(
        file: Option<(&Path, &str)>,
        env: &BTreeMap<String, String>,
        overrides: &[Override],
    ) -> Result<Loaded, ConfigErrors> {
        let mut loader = Loader::default();
        if let Some((path, text)) = file {
            loader.loaded.file = Some(path.to_path_buf());
            loader.file(path, text);
        }
        loader.environment(env);
        loader.options(overrides);
        if loader.errors.is_empty() { Ok(loader.loaded) } else { Err(ConfigErrors(loader.errors)) }
    }
}

fn unreadable(path: &Path, e: &std::io::Error) -> ConfigError {
    let (message, hint) = match e.kind() {
        std::io::ErrorKind::NotFound => (
            "there is no such file".to_owned(),
            "`rtpipeline config default > config.yaml` writes one with every setting",
        ),
        std::io::ErrorKind::InvalidData => ("the file is not UTF-8 text".to_owned(), "save it as UTF-8"),
        _ => (format!("the file cannot be read: {e}"), "check its permissions"),
    };
    ConfigError { place: Place::File(path.to_path_buf()), message, hint: Some(hint.into()) }
}

#[derive(Default)]
struct Loader {
    loaded: Loaded,
    errors: Vec<ConfigError>,
    /// Keys given by the file, with the name under which they were given.
    given: BTreeMap<&'static str, String>,
    /// Old names that have been told.
    told: BTreeSet<&'static str>,
}

/// The file while it is walked through.
struct Source<'a> {
    name: String,
    text: &'a str,
    base: PathBuf,
}

impl Source<'_> {
    fn error(&self, at: Position, message: String, hint: Option<String>) -> ConfigError {
        ConfigError { place: spot(self.text, &self.name, at), message, hint }
    }
}

fn with_old_name(name: &str) -> Option<(&'static Key, &'static Alias)> {
    keys().iter().find_map(|k| k.old.iter().find(|o| o.name == name).map(|o| (k, o)))
}

/// Whether `name` is a section: something known, old or refused lies below it.
fn is_section(name: &str) -> bool {
    let below = |key: &str| key.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
    keys().iter().any(|k| below(k.key) || k.old.iter().any(|o| below(o.name)))
        || super::old::refused_keys().iter().any(|r| below(r.key))
}

fn suggestion(path: &str) -> Option<String> {
    let known: Vec<&str> = keys().iter().map(|k| k.key).collect();
    let sections = super::settings::SECTIONS.iter().map(|(s, _)| *s).filter(|s| !s.is_empty());
    let near = nearest(path, known.iter().copied().chain(sections)).or_else(|| {
        // The right word in the wrong section.
        let leaf = path.rsplit('.').next()?;
        let mut same = keys().iter().filter(|k| k.leaf() == leaf);
        match (same.next(), same.next()) {
            (Some(only), None) => Some(only.key),
            _ => None,
        }
    });
    let near = near.or_else(|| {
        let (section, leaf) = path.rsplit_once('.')?;
        let leaves = keys().iter().filter(|k| k.section() == section);
        let word = nearest(leaf, leaves.clone().map(Key::leaf))?;
        leaves.into_iter().find(|k| k.leaf() == word).map(|k| k.key)
    });
    near.map(|n| format!("did you mean `{n}`?")).or_else(|| Some("`rtpipeline config default` lists every key".into()))
}

impl Loader {
    fn file(&mut self, path: &Path, text: &str) {
        let name = path.display().to_string();
        let base = path.parent().map(Path::to_path_buf).unwrap_or_default();
        let tree = match parse_tree(text, &name) {
            Ok(tree) => tree,
            Err(error) => return self.errors.push(error),
        };
        let source = Source { name, text, base };
        match tree.value {
            Value::Map(entries) => self.section("", entries, &source),
            Value::Plain(Raw::Null) => {}
            Value::Plain(_) => self.errors.push(source.error(
                tree.at,
                "expected a mapping of keys to values".into(),
                Some("for example `segmentation:` and below it, indented, `device: cpu`".into()),
            )),
        }
    }

    fn section(&mut self, prefix: &str, entries: Vec<(String, Position, Node)>, source: &Source<'_>) {
        for (word, at, node) in entries {
            let path = if prefix.is_empty() { word } else { format!("{prefix}.{word}") };
            self.entry(&path, at, node, source);
        }
    }

    fn entry(&mut self, path: &str, at: Position, node: Node, source: &Source<'_>) {
        let null = matches!(node.value, Value::Plain(Raw::Null));
        if let Some(k) = key(path) {
            if !null {
                self.value(k, None, path, at, &node, source);
            }
        } else if let Some((k, alias)) = with_old_name(path) {
            if !null {
                self.value(k, Some(alias), path, at, &node, source);
            }
        } else if let (true, Value::Map(entries)) = (is_section(path), &node.value) {
            self.section(path, entries.clone(), source);
        } else if let Some(row) = refused(path) {
            if !null {
                self.errors.push(source.error(at, format!("`{path}` has no meaning here"), Some(row.instead.into())));
            }
        } else if is_section(path) {
            if !null {
                self.errors.push(source.error(node.at, format!("`{path}` is a section: expected keys below it"), None));
            }
        } else {
            self.errors.push(source.error(at, format!("unknown key `{path}`"), suggestion(path)));
        }
    }

    fn value(
        &mut self,
        k: &'static Key,
        alias: Option<&'static Alias>,
        path: &str,
        at: Position,
        node: &Node,
        source: &Source<'_>,
    ) {
        if let Some(earlier) = self.given.insert(k.key, path.to_owned()) {
            let message = format!("`{path}` and `{earlier}` are the same setting, and both are given");
            return self.errors.push(source.error(at, message, Some(format!("keep `{}`", k.key))));
        }
        let raw = match &node.value {
            Value::Plain(raw) => raw.clone(),
            Value::Map(_) => Raw::Map,
        };
        let raw = match alias {
            None => Ok(raw),
            Some(alias) => {
                if self.told.insert(alias.name) {
                    self.loaded.notices.push(format!("`{}` is now called `{}`", alias.name, k.key));
                }
                (alias.convert)(raw)
            }
        };
        let done = raw.and_then(|raw| {
            let given = Given { raw: &raw, untyped: false, base: Some(&source.base) };
            self.loaded.settings.set(k.key, given, false).unwrap_or(Ok(()))
        });
        match done {
            Ok(()) => {
                let origin = Origin::File { file: source.name.clone(), line: at.line };
                self.loaded.origins.insert(k.key.into(), origin);
            }
            Err(message) => {
                let place = if matches!(node.value, Value::Map(_)) { at } else { node.at };
                let hint = format!("{}: {}", k.allowed(), k.meaning);
                self.errors.push(source.error(place, format!("`{path}`: {message}"), Some(hint)));
            }
        }
    }

    fn environment(&mut self, env: &BTreeMap<String, String>) {
        for k in keys() {
            for alias in k.env {
                let Some(text) = env.get(alias.name).filter(|t| !t.trim().is_empty()) else { continue };
                let done = (alias.convert)(Raw::Text(text.clone())).and_then(|raw| {
                    self.loaded
                        .settings
                        .set(k.key, Given { raw: &raw, untyped: true, base: None }, false)
                        .unwrap_or(Ok(()))
                });
                match done {
                    Ok(()) => {
                        self.loaded.origins.insert(k.key.into(), Origin::Environment(alias.name.into()));
                    }
                    Err(message) => self.errors.push(ConfigError {
                        place: Place::Environment(alias.name.into()),
                        message,
                        hint: Some(format!("{}: {}", k.allowed(), k.meaning)),
                    }),
                }
            }
        }
        for (name, _) in env.iter().filter(|(name, value)| name.starts_with("RTPIPELINE_") && !value.is_empty()) {
            let known: Vec<&str> =
                keys().iter().flat_map(|k| k.env).map(|a| a.name).chain(OTHER_VARIABLES.iter().copied()).collect();
            if known.contains(&name.as_str()) || refused_variables().iter().any(|r| r.name == name) {
                continue;
            }
            let near = nearest(name, known).map(|n| format!(": did you mean {n}?")).unwrap_or_default();
            self.loaded.notices.push(format!("the environment variable {name} is not known{near}"));
        }
        for row in refused_variables() {
            if env.get(row.name).is_some_and(|v| !v.is_empty()) {
                self.loaded
                    .notices
                    .push(format!("the environment variable {} has no meaning here: {}", row.name, row.instead));
            }
        }
    }

    fn options(&mut self, overrides: &[Override]) {
        let mut seen = BTreeSet::new();
        for o in overrides {
            let raw = Raw::Text(o.value.clone());
            let add = !seen.insert(o.key.as_str());
            let given = Given { raw: &raw, untyped: true, base: None };
            let place = Place::Option(o.option.clone());
            match self.loaded.settings.set(&o.key, given, add) {
                Some(Ok(())) => {
                    self.loaded.origins.insert(o.key.clone(), Origin::Option(o.option.clone()));
                }
                Some(Err(message)) => {
                    let hint = key(&o.key).map(|k| format!("{}: {}", k.allowed(), k.meaning));
                    self.errors.push(ConfigError { place, message, hint });
                }
                None => {
                    let message = format!("unknown key `{}`", o.key);
                    self.errors.push(ConfigError { place, message, hint: suggestion(&o.key) });
                }
            }
        }
    }
}
