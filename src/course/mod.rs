//! What stages know of a course: the typed artefacts through which they meet.
//!
//! [`Course`] is what linking found (headers only). The organize stage writes a [`CourseManifest`] beside the course's
//! metadata; every later stage reads that file, never another stage. Each stage that makes structures writes a
//! [`Catalogue`]; the structures stage merges them.

mod access;
mod catalogue;
mod dvh;
mod finding;
pub mod label_maps;
mod manifest;
mod paths;

pub use access::{
    Geometry, contour_stack, image_input, load_dose, read_image, read_image_data, read_json, read_json_at, to_json,
};
pub use catalogue::{Catalogue, NO_SOURCE, Shape, Structure, is_target_name, source};
pub use dvh::{DvhArtefact, DvhCurve, curve_points, curve_row};
pub use finding::{Finding, Level};
pub use manifest::{
    Course, CourseFile, CourseManifest, DoseComponent, DoseObject, ImageObject, LinkKind, OtherObject, PlanObject,
    Prescription, ResolvedDose, StructureSetObject,
};
pub use paths::{CoursePaths, safe_name};
