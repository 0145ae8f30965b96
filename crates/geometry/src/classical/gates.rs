//! Quality gates: what was checked of a result, with the number and the verdict.

/// Which check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the text of each gate says it")]
pub enum GateCode {
    BodyVolume,
    BodyContinuous,
    BodyAreaChange,
    CouchVolume,
    AirValue,
    LungFound,
    LungVolume,
    LungRatio,
    LungMeanHu,
    LungSides,
    LungFieldOfView,
    AirwayVolume,
}

impl GateCode {
    /// Stable code for findings.
    pub fn code(self) -> &'static str {
        match self {
            Self::BodyVolume => "classical.body_volume",
            Self::BodyContinuous => "classical.body_continuous",
            Self::BodyAreaChange => "classical.body_area_change",
            Self::CouchVolume => "classical.couch_volume",
            Self::AirValue => "classical.air_value",
            Self::LungFound => "classical.lung_found",
            Self::LungVolume => "classical.lung_volume",
            Self::LungRatio => "classical.lung_ratio",
            Self::LungMeanHu => "classical.lung_mean_hu",
            Self::LungSides => "classical.lung_sides",
            Self::LungFieldOfView => "classical.lung_field_of_view",
            Self::AirwayVolume => "classical.airway_volume",
        }
    }
}

/// One check of a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// Which check.
    pub code: GateCode,
    /// It was met.
    pub passed: bool,
    /// When not met, the structure is not returned.
    pub decisive: bool,
    /// The number that was judged.
    pub value: f64,
    /// One sentence with the number, its unit and the limits.
    pub text: String,
}

impl Gate {
    pub(super) fn new(code: GateCode, passed: bool, decisive: bool, value: f64, text: String) -> Self {
        Self { code, passed, decisive, value, text }
    }
}

/// True when no decisive gate failed.
pub(super) fn accepted(gates: &[Gate]) -> bool {
    gates.iter().all(|g| g.passed || !g.decisive)
}
