//! Single steps: one folder, series, case or image at a time, by the same code as the stages.

mod convert;
mod dvh;
mod masks;
mod radiomics;
mod scan;
mod series;
mod show;

pub(super) use convert::convert;
pub(super) use dvh::dvh;
pub(super) use masks::masks;
pub(super) use radiomics::radiomics;
pub(super) use scan::scan;
