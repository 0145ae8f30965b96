//! Settings that are one of a few words.

use super::goal::Goal;
use super::value::{Given, Kind, Raw, Setting};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal $(| $alias:literal)*),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant),* }

        impl $name {
            /// The words, as they are written in a file.
            pub const WORDS: &'static [&'static str] = &[$($word),*];

            /// The word.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }

        impl Setting for $name {
            const KIND: Kind = Kind::Choice(Self::WORDS);
            fn parse(given: Given<'_>) -> Result<Self, String> {
                let Raw::Text(text) = given.raw else {
                    return Err(format!("expected one of {}", Self::WORDS.join(", ")));
                };
                match text.trim().to_ascii_lowercase().as_str() {
                    $($word $(| $alias)* => Ok(Self::$variant),)*
                    other => Err(format!("`{other}` is not allowed: it must be one of {}", Self::WORDS.join(", "))),
                }
            }
        }
    };
}

choice! {
    /// When stages of different courses may run at the same time.
    Scheduler {
        /// A stage of a course starts as soon as what it needs is done.
        Overlapping = "overlapping",
        /// A stage starts when the one before is done for all courses.
        Staged = "staged",
    }
}

choice! {
    /// Where units run.
    Executor {
        /// Threads and child processes of this machine.
        Local = "local",
    }
}

choice! {
    /// How DICOM files get into the course folders.
    FileMode {
        /// Hard link where possible, else symbolic link.
        Link = "link",
        /// Copy.
        Copy = "copy",
        /// Copy that shares blocks where the file system can, else copy.
        Reflink = "reflink",
        /// Not at all.
        None = "none",
    }
}

choice! {
    /// What makes plans of one patient a course.
    MergeCriteria {
        /// The same CT study.
        SameCtStudy = "same_ct_study",
        /// The same frame of reference.
        FrameOfReference = "frame_of_reference",
    }
}

choice! {
    /// Identities in the output.
    Privacy {
        /// Patient IDs as they are.
        None = "none",
        /// A keyed hash in place of the patient ID.
        Pseudonym = "pseudonym",
    }
}

choice! {
    /// What finds structures in images.
    SegmentationEngine {
        /// TotalSegmentator when it is installed, else the classical method.
        Auto = "auto",
        /// The external program TotalSegmentator.
        TotalSegmentator = "totalsegmentator",
        /// Body and lungs by thresholds and morphology, without any other program.
        Classical = "classical",
        /// Nothing.
        None = "none",
    }
}

choice! {
    /// What networks run on.
    Device {
        /// NVIDIA GPU.
        Gpu = "gpu" | "cuda",
        /// Processor.
        Cpu = "cpu",
        /// Apple GPU.
        Mps = "mps",
    }
}

choice! {
    /// Part of the body to which images are cropped.
    Region {
        /// Pelvis.
        Pelvis = "pelvis",
        /// Thorax.
        Thorax = "thorax",
        /// Abdomen.
        Abdomen = "abdomen",
        /// Head and neck.
        HeadNeck = "head_neck",
        /// Brain.
        Brain = "brain",
    }
}

choice! {
    /// The set of rules by which DVHs are made.
    DvhProfile {
        /// As planning systems do it: contours stand for slabs, dose is linear between voxels.
        Comparable = "comparable",
    }
}

choice! {
    /// What the part of a structure outside the dose grid counts for.
    OutsideGrid {
        /// Left out; the coverage column tells how much.
        Exclude = "exclude",
        /// Taken as 0 Gy.
        Zero = "zero",
    }
}

choice! {
    /// How several contours on one plane make an area.
    FillRule {
        /// Inside an odd number of contours; holes and keyholes come out right.
        EvenOdd = "even_odd",
        /// Inside at least one contour.
        Union = "union",
    }
}

choice! {
    /// Which images a report carries.
    ReportImages {
        /// As many as the size limit of a page allows.
        Auto = "auto",
        /// All slices, whatever the size.
        Full = "full",
        /// Key pictures only.
        Key = "key",
        /// None.
        None = "none",
    }
}

/// Order in which courses are taken up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// By patient and course name.
    Fifo,
    /// Shuffled by a seed.
    Random(u64),
    /// Most data first.
    LargestFirst,
    /// Least data first.
    SmallestFirst,
}

const ORDER_WORDS: &[&str] = &["fifo", "largest-first", "smallest-first"];

impl std::fmt::Display for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fifo => f.write_str("fifo"),
            Self::Random(seed) => write!(f, "random:{seed}"),
            Self::LargestFirst => f.write_str("largest-first"),
            Self::SmallestFirst => f.write_str("smallest-first"),
        }
    }
}

impl std::str::FromStr for Order {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "fifo" => Ok(Self::Fifo),
            "largest-first" => Ok(Self::LargestFirst),
            "smallest-first" => Ok(Self::SmallestFirst),
            other => other
                .strip_prefix("random:")
                .and_then(|seed| seed.trim().parse().ok())
                .map(Self::Random)
                .ok_or_else(|| {
                    format!(
                        "`{other}` is not allowed: it must be one of fifo, random:SEED, largest-first, smallest-first"
                    )
                }),
        }
    }
}

impl Setting for Order {
    const KIND: Kind = Kind::Word(ORDER_WORDS, "random:SEED");
    fn parse(given: Given<'_>) -> Result<Self, String> {
        match given.raw {
            Raw::Text(t) => t.parse(),
            _ => Err("expected one of fifo, random:SEED, largest-first, smallest-first".into()),
        }
    }
}

/// The file of derived structures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StructureFile {
    /// No derived structures.
    None,
    /// A template that comes with the program: `pelvic`, `thorax`, `stopstorm` or `example`.
    Template(&'static str),
    /// A YAML file.
    File(PathBuf),
}

/// Names of the templates of derived structures.
pub const STRUCTURE_TEMPLATES: &[&str] = &["pelvic", "thorax", "stopstorm", "example"];

impl std::fmt::Display for StructureFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Template(name) => f.write_str(name),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

impl std::str::FromStr for StructureFile {
    type Err = std::convert::Infallible;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match (text, STRUCTURE_TEMPLATES.iter().find(|t| **t == text)) {
            ("none", _) => Self::None,
            (_, Some(name)) => Self::Template(name),
            _ => Self::File(text.into()),
        })
    }
}

impl Setting for StructureFile {
    const KIND: Kind = Kind::Word(&["none", "pelvic", "thorax", "stopstorm", "example"], "path");
    fn parse(given: Given<'_>) -> Result<Self, String> {
        let text = String::parse(given)?;
        Ok(match text.trim().parse() {
            Ok(Self::File(path)) => Self::File(given.base.map_or(path.clone(), |b| b.join(path))),
            Ok(other) => other,
        })
    }
    fn forget_path(&mut self) {
        if let Self::File(path) = self {
            path.clear();
        }
    }
}

macro_rules! serde_by_text {
    ($($t:ty),*) => {$(
        impl Serialize for $t {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $t {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
serde_by_text!(Order, StructureFile, Goal);

impl Setting for Vec<Goal> {
    const KIND: Kind = Kind::List;
    fn parse(given: Given<'_>) -> Result<Self, String> {
        match given.raw {
            Raw::Seq(items) => items
                .iter()
                .map(|item| match item {
                    Raw::Text(t) => t.parse(),
                    _ => Err("expected a goal as text, for example \"PTV*: V95% >= 95 %\"".to_owned()),
                })
                .collect(),
            Raw::Text(t) => t.split(';').filter(|g| !g.trim().is_empty()).map(str::parse).collect(),
            _ => Err("expected a list of goals, for example [\"PTV*: V95% >= 95 %\"]".into()),
        }
    }
    fn add(&mut self, more: Self) {
        self.extend(more);
    }
}
