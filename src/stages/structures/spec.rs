//! The custom-structure file: its schema and its rules.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A custom-structure file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomStructureFile {
    /// The structures, in any order.
    #[serde(default)]
    pub custom_structures: Vec<CustomStructure>,
}

/// How the sources are joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// In any source.
    #[default]
    Union,
    /// In all sources.
    Intersection,
    /// In the first source and in none of the others.
    Subtract,
    /// In an odd number of sources.
    Xor,
}

impl Operation {
    /// The word of the file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Union => "union",
            Self::Intersection => "intersection",
            Self::Subtract => "subtract",
            Self::Xor => "xor",
        }
    }
}

/// What to do when a source is not in the course (or is empty).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MissingSources {
    /// Build from the rest and flag the result: the rule for `union`.
    Flag,
    /// Build from the rest and say nothing: for lists of names of which few are expected.
    Ignore,
    /// Do not build: the rule for the other operations.
    Skip,
}

/// One structure to be built.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomStructure {
    /// Its name.
    pub name: String,
    /// How the sources are joined.
    #[serde(default)]
    pub operation: Operation,
    /// Names of structures of the course, or of other structures of the file.
    pub source_structures: Vec<String>,
    /// Margin applied after the operation, mm; negative numbers shrink.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<MarginSpec>,
    /// What to do about missing sources; left out: `flag` for unions, `skip` for the rest. The first source of a
    /// subtraction and at least one source of the others are always needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_sources: Option<MissingSources>,
    /// For people.
    #[serde(default)]
    pub description: String,
}

impl CustomStructure {
    /// The rule for missing sources that holds for this structure.
    pub fn missing_rule(&self) -> MissingSources {
        self.missing_sources.unwrap_or(match self.operation {
            Operation::Union => MissingSources::Flag,
            _ => MissingSources::Skip,
        })
    }
}

/// A margin as written in the file.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MarginSpec {
    /// The same in all directions, mm.
    Uniform(f64),
    /// By patient direction, mm.
    Sides(MarginSides),
}

/// A margin by patient direction, mm. A side that is left out takes `uniform_mm`, or 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarginSides {
    /// All sides that are not named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uniform_mm: Option<f64>,
    /// Towards the patient's front.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anterior_mm: Option<f64>,
    /// Towards the back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posterior_mm: Option<f64>,
    /// Towards the patient's left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_mm: Option<f64>,
    /// Towards the patient's right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub right_mm: Option<f64>,
    /// Towards the head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superior_mm: Option<f64>,
    /// Towards the feet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inferior_mm: Option<f64>,
}

/// A margin per patient direction in mm, signs kept: right, left, anterior, posterior, inferior, superior, that is
/// LPS x−, x+, y−, y+, z−, z+.
pub type SixMargins = [f64; 6];

impl MarginSpec {
    /// The six sides.
    pub fn sides(&self) -> SixMargins {
        match *self {
            Self::Uniform(m) => [m; 6],
            Self::Sides(s) => {
                let rest = s.uniform_mm.unwrap_or(0.0);
                [s.right_mm, s.left_mm, s.anterior_mm, s.posterior_mm, s.inferior_mm, s.superior_mm]
                    .map(|v| v.unwrap_or(rest))
            }
        }
    }
}

/// Largest margin that is accepted, mm: beyond it a typing error is likelier than a wish.
pub const MAX_MARGIN_MM: f64 = 200.0;

/// What is wrong with a custom-structure file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// A structure has no name.
    #[error("custom structure number {0} has an empty name")]
    NoName(usize),
    /// Two structures have one name.
    #[error("custom structure `{0}` is defined twice")]
    Twice(String),
    /// Nothing to build from.
    #[error("custom structure `{0}` has no source_structures")]
    NoSource(String),
    /// A margin is not a number of millimetres that can be meant.
    #[error("custom structure `{0}`: margin {1} mm is not a number between −200 and 200")]
    Margin(String, String),
    /// The definitions go round in a circle.
    #[error("custom structures depend on each other in a circle: {}", .0.join(" → "))]
    Cycle(Vec<String>),
}

impl CustomStructureFile {
    /// Checks names, sources and margins, and puts every structure behind those that it is built from; apart from that
    /// the order of the file is kept.
    ///
    /// # Errors
    /// The first defect, among them a circle of definitions.
    pub fn checked(self) -> Result<Self, SpecError> {
        let mut names: BTreeMap<String, usize> = BTreeMap::new();
        for (i, s) in self.custom_structures.iter().enumerate() {
            if s.name.trim().is_empty() {
                return Err(SpecError::NoName(i + 1));
            }
            if s.source_structures.is_empty() {
                return Err(SpecError::NoSource(s.name.clone()));
            }
            if names.insert(s.name.clone(), i).is_some() {
                return Err(SpecError::Twice(s.name.clone()));
            }
            if let Some(m) = &s.margin {
                for v in m.sides() {
                    if !v.is_finite() || v.abs() > MAX_MARGIN_MM {
                        return Err(SpecError::Margin(s.name.clone(), v.to_string()));
                    }
                }
            }
        }
        let order = dependency_order(&self.custom_structures, &names)?;
        let mut slots: Vec<Option<CustomStructure>> = self.custom_structures.into_iter().map(Some).collect();
        Ok(Self { custom_structures: order.into_iter().filter_map(|i| slots[i].take()).collect() })
    }
}

/// Depth-first order. A source that bears the structure's own name means the structure of the course, not itself, and
/// only exact names bind two definitions: anything else is looked up in the course.
fn dependency_order(list: &[CustomStructure], names: &BTreeMap<String, usize>) -> Result<Vec<usize>, SpecError> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; list.len()];
    let mut order = Vec::with_capacity(list.len());
    for root in 0..list.len() {
        let mut stack = vec![(root, 0usize)];
        while let Some((at, next)) = stack.pop() {
            if next == 0 {
                if marks[at] == Mark::Done {
                    continue;
                }
                marks[at] = Mark::Open;
            }
            match list[at].source_structures.get(next) {
                None => {
                    marks[at] = Mark::Done;
                    order.push(at);
                }
                Some(source) => {
                    stack.push((at, next + 1));
                    match names.get(source) {
                        Some(&to) if to != at && marks[to] == Mark::New => stack.push((to, 0)),
                        Some(&to) if to != at && marks[to] == Mark::Open => {
                            let from = stack.iter().position(|&(n, _)| n == to).unwrap_or(0);
                            let mut circle: Vec<String> =
                                stack[from..].iter().map(|&(n, _)| list[n].name.clone()).collect();
                            circle.push(list[to].name.clone());
                            return Err(SpecError::Cycle(circle));
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(name: &str, sources: &[&str]) -> CustomStructure {
        CustomStructure {
            name: name.into(),
            operation: Operation::Union,
            source_structures: sources.iter().map(|s| (*s).to_owned()).collect(),
            margin: None,
            missing_sources: None,
            description: String::new(),
        }
    }

    fn names(f: &CustomStructureFile) -> Vec<&str> {
        f.custom_structures.iter().map(|s| s.name.as_str()).collect()
    }

    #[test]
    fn sources_come_first_whatever_the_order_of_the_file() {
        let f = CustomStructureFile {
            custom_structures: vec![s("ring", &["b10", "b3"]), s("b10", &["b3"]), s("b3", &["PTV"]), s("x", &["y"])],
        };
        assert_eq!(names(&f.checked().unwrap()), ["b3", "b10", "ring", "x"]);
    }

    #[test]
    fn circles_are_refused_and_named() {
        let f = CustomStructureFile { custom_structures: vec![s("a", &["b"]), s("b", &["c"]), s("c", &["a"])] };
        let e = f.checked().unwrap_err();
        assert_eq!(e, SpecError::Cycle(vec!["a".into(), "b".into(), "c".into(), "a".into()]));
        // A structure may refine the structure of the course that has its name.
        let own = CustomStructureFile { custom_structures: vec![s("PTV", &["PTV"])] };
        assert!(own.checked().is_ok());
        let diamond = CustomStructureFile {
            custom_structures: vec![s("top", &["l", "r"]), s("l", &["base"]), s("r", &["base"]), s("base", &["PTV"])],
        };
        assert_eq!(names(&diamond.checked().unwrap()), ["base", "l", "r", "top"]);
    }

    #[test]
    fn defects_are_refused() {
        for (f, want) in [
            (vec![s("a", &["x"]), s("a", &["y"])], SpecError::Twice("a".into())),
            (vec![s("a", &[])], SpecError::NoSource("a".into())),
            (vec![s(" ", &["x"])], SpecError::NoName(1)),
        ] {
            assert_eq!(CustomStructureFile { custom_structures: f }.checked().unwrap_err(), want);
        }
        let mut m = s("a", &["x"]);
        m.margin = Some(MarginSpec::Uniform(f64::NAN));
        assert!(CustomStructureFile { custom_structures: vec![m] }.checked().is_err());
    }

    #[test]
    fn margins_keep_their_sides_and_signs() {
        let m = MarginSpec::Sides(MarginSides {
            anterior_mm: Some(10.0),
            posterior_mm: Some(5.0),
            left_mm: Some(7.0),
            right_mm: Some(6.0),
            superior_mm: Some(15.0),
            inferior_mm: Some(-4.0),
            uniform_mm: None,
        });
        assert_eq!(m.sides(), [6.0, 7.0, 10.0, 5.0, -4.0, 15.0]);
        let u = MarginSpec::Sides(MarginSides { uniform_mm: Some(3.0), left_mm: Some(0.0), ..MarginSides::default() });
        assert_eq!(u.sides(), [3.0, 0.0, 3.0, 3.0, 3.0, 3.0]);
    }
}
