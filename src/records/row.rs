//! Typed rows: one declaration gives the struct and its table.

use super::table::{Column, ColumnKind, Row};
use serde_json::{Number, Value};

/// A field of a row: one column, or a group of columns.
pub trait Field {
    /// Its columns, given the declared name, unit, meaning and source.
    fn columns(name: &'static str, unit: &'static str, meaning: &'static str, source: &'static str) -> Vec<Column>;
    /// Puts its values into a row.
    fn put(&self, name: &'static str, row: &mut Row);
}

macro_rules! single {
    ($($t:ty, $kind:ident, |$v:ident| $value:expr;)*) => {$(
        impl Field for $t {
            fn columns(name: &'static str, unit: &'static str, meaning: &'static str, source: &'static str) -> Vec<Column> {
                vec![Column::new(name, ColumnKind::$kind, unit, meaning, source)]
            }
            fn put(&self, name: &'static str, row: &mut Row) {
                let $v = self;
                row.insert(name.to_owned(), $value);
            }
        }
    )*};
}

fn number(x: f64) -> Value {
    Number::from_f64(x).map_or(Value::Null, Value::Number)
}

single! {
    String, Text, |v| Value::String(v.clone());
    Option<String>, Text, |v| v.clone().map_or(Value::Null, Value::String);
    Option<&'static str>, Text, |v| v.map_or(Value::Null, |s| Value::String(s.to_owned()));
    f64, Float, |v| number(*v);
    Option<f64>, Float, |v| v.map_or(Value::Null, number);
    i64, Int, |v| Value::from(*v);
    Option<i64>, Int, |v| v.map_or(Value::Null, Value::from);
    bool, Bool, |v| Value::Bool(*v);
    Option<bool>, Bool, |v| v.map_or(Value::Null, Value::Bool);
    Texts, Text, |v| if v.0.is_empty() { Value::Null } else { Value::String(v.0.join(";")) };
    JsonText, Text, |v| if v.0.is_null() { Value::Null } else { Value::String(v.0.to_string()) };
}

/// Several texts in one cell, separated by `;`; none is null.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts(pub Vec<String>);

impl<S: Into<String>> FromIterator<S> for Texts {
    fn from_iter<I: IntoIterator<Item = S>>(items: I) -> Self {
        Self(items.into_iter().map(Into::into).collect())
    }
}

/// A nested value in one cell, as JSON.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JsonText(pub Value);

/// Columns of one pattern, whose name holds `{}` for a whole number from `FROM` to `TO`; missing values are null.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Span<const FROM: usize, const TO: usize>(pub Vec<Option<f64>>);

impl<const FROM: usize, const TO: usize> Span<FROM, TO> {
    /// A value for each number.
    pub fn from_fn(value: impl FnMut(usize) -> Option<f64>) -> Self {
        Self((FROM..=TO).map(value).collect())
    }
}

impl<const FROM: usize, const TO: usize> Field for Span<FROM, TO> {
    fn columns(name: &'static str, unit: &'static str, meaning: &'static str, source: &'static str) -> Vec<Column> {
        let filled = |text: &str, i: usize| text.replace("{}", &i.to_string());
        (FROM..=TO).map(|i| Column::new(filled(name, i), ColumnKind::Float, unit, filled(meaning, i), source)).collect()
    }
    fn put(&self, name: &'static str, row: &mut Row) {
        for (at, i) in (FROM..=TO).enumerate() {
            let value = self.0.get(at).copied().flatten().map_or(Value::Null, number);
            row.insert(name.replace("{}", &i.to_string()), value);
        }
    }
}

/// Columns that the caller names, such as features; their table gets them by `TableDef::with_columns`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Named(pub Vec<(String, Value)>);

impl Named {
    /// A number; NaN and infinities become null.
    pub fn push(&mut self, name: impl Into<String>, value: f64) {
        self.0.push((name.into(), number(value)));
    }
}

impl Field for Named {
    fn columns(_: &'static str, _: &'static str, _: &'static str, _: &'static str) -> Vec<Column> {
        Vec::new()
    }
    fn put(&self, _: &'static str, row: &mut Row) {
        for (name, value) in &self.0 {
            row.insert(name.clone(), value.clone());
        }
    }
}

/// Declares a row type and its table.
///
/// ```text
/// row! {
///     /// What one row is.
///     pub PlanRow: "plans", key ["patient_id", "course_id"], Forms::ALL {
///         patient_id: String = "patient_id", "", "Patient ID.", "(0010,0020)";
///         dose: Option<f64> = "dose_gy", "Gy", "Prescribed dose.", "(300A,0026)";
///     }
/// }
/// ```
///
/// The struct gets `table()` and `to_map()`; field types implement [`Field`].
macro_rules! row {
    (
        #[doc = $title:literal]
        $(#[$more:meta])*
        pub $name:ident : $table:literal, key [$($key:literal),* $(,)?], $forms:expr ;
        $( $field:ident : $ty:ty = $column:literal, $unit:literal, $meaning:literal, $source:literal ; )*
    ) => {
        #[doc = $title]
        $(#[$more])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            $( #[doc = $meaning] pub $field: $ty, )*
        }

        impl $name {
            /// The table of these rows.
            pub fn table() -> $crate::records::TableDef {
                let groups = [
                    $( <$ty as $crate::records::Field>::columns($column, $unit, $meaning, $source), )*
                ];
                $crate::records::TableDef {
                    name: $table.into(),
                    title: $title.trim().into(),
                    key: [$($key),*].into_iter().map(std::borrow::Cow::Borrowed).collect(),
                    columns: groups.into_iter().flatten().collect(),
                    forms: $forms,
                }
            }

            /// Column name → value, in the order of the columns.
            pub fn to_map(&self) -> $crate::records::Row {
                let mut row = $crate::records::Row::new();
                $( $crate::records::Field::put(&self.$field, $column, &mut row); )*
                row
            }
        }
    };
}
pub(super) use row;
