//! The description of a setting, and the macro that makes typed sections of a declaration.

use super::value::{Kind, Range, Raw};
use serde_json::Value as Json;

/// Another name of a setting: an old key or an environment variable.
#[derive(Clone, Copy, Debug)]
pub struct Alias {
    /// The name.
    pub name: &'static str,
    /// Makes the value of the setting from the value of the other name.
    pub convert: fn(Raw) -> Result<Raw, String>,
}

impl Alias {
    /// A name with the same values.
    pub const fn same(name: &'static str) -> Self {
        Self { name, convert: Ok }
    }

    /// A name with other values.
    pub const fn converted(name: &'static str, convert: fn(Raw) -> Result<Raw, String>) -> Self {
        Self { name, convert }
    }
}

/// Everything there is to say about one setting.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Dotted name, as it nests in a file.
    pub key: &'static str,
    /// One line of meaning.
    pub meaning: &'static str,
    /// Stage whose results depend on it, or `run` when no result does.
    pub stage: &'static str,
    /// Unit of a number; empty when it has none.
    pub unit: &'static str,
    /// Bounds of a number.
    pub range: Range,
    /// Shape of the value.
    pub kind: Kind,
    /// Older names in files.
    pub old: &'static [Alias],
    /// Environment variables.
    pub env: &'static [Alias],
    /// The default, as it would be written in JSON.
    pub default: fn() -> Json,
}

fn no_default() -> Json {
    Json::Null
}

impl Key {
    pub(super) const BASE: Self = Self {
        key: "",
        meaning: "",
        stage: "",
        unit: "",
        range: Range::ANY,
        kind: Kind::Text,
        old: &[],
        env: &[],
        default: no_default,
    };

    /// First part of the dotted name; empty for keys at the top level.
    pub fn section(&self) -> &'static str {
        self.key.split_once('.').map_or("", |(s, _)| s)
    }

    /// Last part of the dotted name.
    pub fn leaf(&self) -> &'static str {
        self.key.rsplit_once('.').map_or(self.key, |(_, l)| l)
    }

    /// Allowed values and unit in words, for example `number, mm, at least 0`.
    pub fn allowed(&self) -> String {
        let mut text = self.kind.words();
        if !self.unit.is_empty() {
            text.push_str(", ");
            text.push_str(self.unit);
        }
        if let Some(range) = self.range.words() {
            text.push_str(", ");
            text.push_str(&range);
        }
        text
    }
}

/// Declares a section: a typed struct and the description of each of its settings, from one list.
///
/// `field: Type = default, "dotted.key" [, attribute = value]*;` with one line of documentation, which is also the meaning
/// shown to users. Attributes are the fields of [`Key`]: `unit`, `range`, `old`, `env`.
macro_rules! section {
    (
        $(#[$struct_doc:meta])*
        $name:ident for $stage:literal {
            $( #[doc = $meaning:literal] $field:ident : $ty:ty = $default:expr, $key:literal $(, $attr:ident = $val:expr)* ; )*
        }
    ) => {
        $(#[$struct_doc])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $( #[doc = $meaning] pub $field: $ty, )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }

        impl $name {
            /// The settings of this section.
            pub const KEYS: &'static [$crate::config::Key] = &[
                $( $crate::config::Key {
                    key: $key,
                    meaning: $meaning.trim_ascii(),
                    stage: $stage,
                    kind: <$ty as $crate::config::Setting>::KIND,
                    default: || {
                        let value: $ty = $default;
                        serde_json::to_value(value).unwrap_or_default()
                    },
                    $( $attr: $val, )*
                    ..$crate::config::Key::BASE
                }, )*
            ];

            /// The same without paths of this machine: what a unit's task may hold. The files themselves are inputs.
            pub fn portable(&self) -> Self {
                let mut copy = self.clone();
                $( $crate::config::Setting::forget_path(&mut copy.$field); )*
                copy
            }

            fn get(&self, key: &str) -> Option<serde_json::Value> {
                match key {
                    $( $key => serde_json::to_value(&self.$field).ok(), )*
                    _ => None,
                }
            }

            fn set(
                &mut self,
                key: &str,
                given: $crate::config::Given<'_>,
                add: bool,
            ) -> Option<Result<(), String>> {
                match key {
                    $( $key => Some(<$ty as $crate::config::Setting>::parse(given).and_then(|value| {
                        let range: $crate::config::Range = Self::KEYS
                            .iter()
                            .find(|k| k.key == $key)
                            .map_or($crate::config::Range::ANY, |k| k.range);
                        range.check(&serde_json::to_value(&value).unwrap_or_default())?;
                        if add {
                            $crate::config::Setting::add(&mut self.$field, value);
                        } else {
                            self.$field = value;
                        }
                        Ok(())
                    })), )*
                    _ => None,
                }
            }
        }
    };
}
pub(super) use section;
