//! Settings: one declaration from which come the typed structs, the parser, JSON Schema, the commented default, and the
//! origin of each value.
//!
//! ```text
//! default < configuration file < environment < command line
//! ```
//!
//! [`Settings::load`] puts the layers together. A setting is declared once, in `settings.rs`. Structs of a stage may be
//! embedded in unit tasks (use `portable()`); [`RunSettings`] must not, since no result depends on it.

mod choices;
mod error;
mod goal;
mod keys;
mod load;
mod old;
mod options;
mod render;
mod settings;
#[cfg(test)]
mod tests;
mod value;
mod yaml;

pub use choices::{
    Device, DvhProfile, Executor, FileMode, FillRule, MergeCriteria, Order, OutsideGrid, Privacy, Region, ReportImages,
    STRUCTURE_TEMPLATES, Scheduler, SegmentationEngine, StructureFile,
};
pub use error::{ConfigError, ConfigErrors, Place, Spot};
pub use goal::{Goal, GoalUnit, Metric, Relation};
pub use keys::{Alias, Key};
pub use load::{FILE_VARIABLE, Loaded, Origin, Override, find_file};
pub use old::{OTHER_VARIABLES, RefusedKey, RefusedVariable, refused_keys, refused_variables};
pub use options::{Binding, Command, OptionRow, Takes, assignments, option_table};
pub use render::{default_yaml, schema, show_json, show_yaml};
pub use settings::{
    ALWAYS_SKIPPED_ROIS, CropSettings, CustomModelSettings, DvhSettings, OrganizeSettings, QcSettings,
    RadiomicsSettings, ReportSettings, RunSettings, SegmentationSettings, Settings, StructureSettings, key, keys,
};
pub use value::{Auto, Given, Kind, Range, Raw, Secret, Setting, Workers};
pub use yaml::parse_typed;
