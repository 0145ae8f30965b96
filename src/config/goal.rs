//! Dose goals: `structure: metric relation value unit`.

use std::fmt;
use std::str::FromStr;

/// A dose goal, for example `PTV*: V95% >= 95 %` or `SpinalCord: D0.03cc <= 45 Gy`.
#[derive(Clone, Debug, PartialEq)]
pub struct Goal {
    /// Structure name; `*` stands for any text, case does not matter.
    pub structure: String,
    /// What is measured.
    pub metric: Metric,
    /// How it is compared.
    pub relation: Relation,
    /// The limit.
    pub value: f64,
    /// Unit of the limit.
    pub unit: GoalUnit,
}

/// What a goal is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Metric {
    /// Mean dose.
    MeanDose,
    /// Highest dose.
    MaxDose,
    /// Lowest dose.
    MinDose,
    /// Dose to the hottest part, whose size is in % of the volume.
    DoseToPercent(f64),
    /// Dose to the hottest part, whose size is in cm³.
    DoseToVolume(f64),
    /// Volume that gets at least this dose, in % of the prescription.
    VolumeAtPercent(f64),
    /// Volume that gets at least this dose, in Gy.
    VolumeAtDose(f64),
    /// Volume of the structure.
    Volume,
}

/// Comparison of a goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

/// Unit of a goal's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoalUnit {
    /// Gray.
    Gray,
    /// Percent: of the prescription for a dose, of the structure for a volume.
    Percent,
    /// cm³.
    Cc,
}

impl Goal {
    /// Whether the goal is about a structure of this name.
    pub fn applies_to(&self, name: &str) -> bool {
        let (pattern, name) = (self.structure.to_lowercase(), name.trim().to_lowercase());
        let mut parts = pattern.split('*');
        let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
        let mut parts: Vec<&str> = parts.collect();
        let Some(last) = parts.pop() else { return rest.is_empty() };
        // Between two stars the earliest place will do: it leaves the most for the rest.
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

impl Metric {
    /// Whether the result is a dose (else a volume).
    pub fn is_dose(&self) -> bool {
        matches!(self, Self::MeanDose | Self::MaxDose | Self::MinDose | Self::DoseToPercent(_) | Self::DoseToVolume(_))
    }
}

impl Relation {
    /// Whether `value` meets the limit.
    pub fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Less => value < limit,
            Self::AtMost => value <= limit,
            Self::Greater => value > limit,
            Self::AtLeast => value >= limit,
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MeanDose => f.write_str("Dmean"),
            Self::MaxDose => f.write_str("Dmax"),
            Self::MinDose => f.write_str("Dmin"),
            Self::DoseToPercent(x) => write!(f, "D{x}%"),
            Self::DoseToVolume(x) => write!(f, "D{x}cc"),
            Self::VolumeAtPercent(x) => write!(f, "V{x}%"),
            Self::VolumeAtDose(x) => write!(f, "V{x}Gy"),
            Self::Volume => f.write_str("Volume"),
        }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
        })
    }
}

impl fmt::Display for GoalUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gray => "Gy",
            Self::Percent => "%",
            Self::Cc => "cc",
        })
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {} {} {}", self.structure, self.metric, self.relation, self.value, self.unit)
    }
}

const FORM: &str = "write it as `STRUCTURE: METRIC RELATION VALUE UNIT`, for example `SpinalCord: D0.03cc <= 45 Gy`";

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|x: &f64| x.is_finite() && *x >= 0.0)
}

fn metric(text: &str) -> Option<Metric> {
    match text.to_ascii_lowercase().as_str() {
        "dmean" => return Some(Metric::MeanDose),
        "dmax" => return Some(Metric::MaxDose),
        "dmin" => return Some(Metric::MinDose),
        "volume" => return Some(Metric::Volume),
        _ => {}
    }
    let percent = |x: f64| (x <= 100.0).then_some(x);
    if let Some(rest) = text.strip_prefix(['D', 'd']) {
        if let Some(x) = rest.strip_suffix('%') {
            return number(x).and_then(percent).map(Metric::DoseToPercent);
        }
        return number(rest.strip_suffix("cc").or_else(|| rest.strip_suffix("cm³"))?).map(Metric::DoseToVolume);
    }
    let rest = text.strip_prefix(['V', 'v'])?;
    match rest.strip_suffix('%') {
        Some(x) => number(x).map(Metric::VolumeAtPercent),
        None => number(rest.strip_suffix("Gy")?).map(Metric::VolumeAtDose),
    }
}

impl FromStr for Goal {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("goal `{}` is not understood ({why}): {FORM}", text.trim());
        // The last colon: names of structures may hold colons, metrics never do.
        let (structure, rule) = text.rsplit_once(':').ok_or_else(|| wrong("no colon after the structure"))?;
        if structure.trim().is_empty() {
            return Err(wrong("no structure"));
        }
        let at = rule.find(['<', '>']).ok_or_else(|| wrong("no <, <=, > or >="))?;
        let (left, right) = rule.split_at(at);
        let (relation, right) = match (right.strip_prefix("<="), right.strip_prefix(">=")) {
            (Some(rest), _) => (Relation::AtMost, rest),
            (_, Some(rest)) => (Relation::AtLeast, rest),
            _ if right.starts_with('<') => (Relation::Less, &right[1..]),
            _ => (Relation::Greater, &right[1..]),
        };
        let metric = metric(left.trim()).ok_or_else(|| wrong(&format!("no metric `{}`", left.trim())))?;
        let right = right.trim();
        let (digits, unit) = [("Gy", GoalUnit::Gray), ("%", GoalUnit::Percent), ("cc", GoalUnit::Cc)]
            .into_iter()
            .find_map(|(word, unit)| right.strip_suffix(word).map(|d| (d, Some(unit))))
            .unwrap_or((right, None));
        let value = number(digits).ok_or_else(|| wrong(&format!("no limit `{right}`")))?;
        let unit = unit.unwrap_or(match metric {
            Metric::Volume => GoalUnit::Cc,
            m if m.is_dose() => GoalUnit::Gray,
            _ => GoalUnit::Percent,
        });
        let fits = match unit {
            GoalUnit::Gray => metric.is_dose(),
            GoalUnit::Percent => metric != Metric::Volume,
            GoalUnit::Cc => !metric.is_dose(),
        };
        if !fits {
            return Err(wrong(&format!("{metric} is not measured in {unit}")));
        }
        Ok(Self { structure: structure.trim().to_owned(), metric, relation, value, unit })
    }
}
