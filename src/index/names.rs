//! Folder names of patients and courses: safe, unique on file systems that ignore case, and independent of the order in
//! which files were found.

use crate::course::safe_name;
use rtpipeline_dicom::link::LinkedCourse;
use std::collections::{BTreeMap, BTreeSet};

/// Where a course goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CourseName {
    /// Folder of the patient.
    pub(super) patient_dir: String,
    /// Name of the course, `YYYY-MM[_suffix]`.
    pub(super) course_id: String,
}

/// Folders of the output that no patient may take.
const RESERVED: [&str; 5] = ["_results", "_run", "_demo", "_cache", "logs"];

/// Names the courses, which come sorted by Patient ID, person, date and key.
pub(super) fn name_courses(courses: &[LinkedCourse]) -> Vec<CourseName> {
    let mut dirs: BTreeMap<(&str, Option<&str>), String> = BTreeMap::new();
    let mut taken: BTreeSet<String> = RESERVED.iter().map(|r| (*r).to_owned()).collect();
    let mut persons: Vec<(&str, Option<&str>)> =
        courses.iter().map(|c| (c.patient_id.as_str(), c.stranger.as_deref())).collect();
    persons.sort_unstable();
    persons.dedup();
    for (id, stranger) in persons {
        let base = if id.is_empty() { "no_id".to_owned() } else { safe_name(id) };
        let salt = stranger.unwrap_or(id);
        let name = unique(&base, salt, stranger.is_some(), |n| taken.contains(&n.to_lowercase()));
        taken.insert(name.to_lowercase());
        dirs.insert((id, stranger), name);
    }
    // Tables know a course by its Patient ID and its name, so strangers of one Patient ID never share a name either.
    let mut ids: BTreeSet<(&str, String)> = BTreeSet::new();
    courses
        .iter()
        .map(|c| {
            let patient_dir = dirs.get(&(c.patient_id.as_str(), c.stranger.as_deref())).cloned().unwrap_or_default();
            let month = c.date.map_or_else(|| "0000-00".to_owned(), |[y, m, _]| format!("{y:04}-{m:02}"));
            let full = |n: &str| (c.patient_id.as_str(), n.to_owned());
            let course_id = unique(&month, &c.key, false, |n| ids.contains(&full(n)));
            ids.insert(full(&course_id));
            CourseName { patient_dir, course_id }
        })
        .collect()
}

/// `base`, or `base_<six or more hexadecimal digits of the salt's digest>` when it is taken or a suffix is wanted.
fn unique(base: &str, salt: &str, suffixed: bool, taken: impl Fn(&str) -> bool) -> String {
    if !suffixed && !taken(base) {
        return base.to_owned();
    }
    let digest = blake3::hash(salt.as_bytes()).to_hex();
    let with = |suffix: &str| {
        let room = 64 - suffix.len() - 1;
        format!("{}_{suffix}", base.get(..base.floor_char_boundary(room.min(base.len()))).unwrap_or_default())
    };
    (6..=16).filter_map(|n| digest.get(..n)).map(with).find(|n| !taken(n)).unwrap_or_else(|| {
        (2..u32::MAX).map(|n| with(&format!("{}{n}", &digest[..6]))).find(|n| !taken(n)).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(patient: &str, stranger: Option<&str>, date: Option<[u32; 3]>, key: &str) -> LinkedCourse {
        LinkedCourse {
            patient_id: patient.into(),
            stranger: stranger.map(Into::into),
            key: key.into(),
            date,
            images: vec![],
            structure_sets: vec![],
            plans: vec![],
            doses: vec![],
            others: vec![],
            notes: vec![],
        }
    }

    #[test]
    fn names_are_unique_safe_and_stable() {
        let march = Some([2024, 3, 5]);
        let long = "x".repeat(90);
        let courses = [
            course("", Some("1.2"), None, "study:0"),
            course("../up", None, march, "study:1"),
            course("P1", None, march, "study:2"),
            course("P1", None, Some([2024, 3, 9]), "study:3"),
            course("P1", Some("9.9"), march, "study:4"),
            course("_RUN", None, march, "study:5"),
            course("p1", None, march, "study:6"),
            course(&long, None, march, "study:7"),
            course(&long, Some("7.7"), march, "study:8"),
        ];
        let names = name_courses(&courses);
        assert_eq!(names[2].patient_dir, "P1");
        assert_eq!(names[2].course_id, "2024-03");
        assert!(names[3].course_id.starts_with("2024-03_") && names[3].course_id.len() == 14, "{:?}", names[3]);
        assert_eq!(names[0].course_id, "0000-00");
        let mut whole: Vec<String> =
            names.iter().map(|n| format!("{}/{}", n.patient_dir, n.course_id).to_lowercase()).collect();
        assert!(names.iter().all(|n| n.patient_dir.len() <= 64 && !n.patient_dir.contains('/')), "{names:?}");
        assert!(!names[5].patient_dir.eq_ignore_ascii_case("_RUN"));
        whole.sort();
        whole.dedup();
        assert_eq!(whole.len(), courses.len(), "{names:?}");
    }

    #[test]
    fn strangers_of_one_patient_id_share_no_course_name() {
        let march = Some([2024, 3, 5]);
        let courses = [
            course("", Some("1.2"), None, "object:1"),
            course("", Some("1.3"), None, "object:2"),
            course("P1", None, march, "study:1"),
            course("P1", Some("9.9"), march, "study:2"),
        ];
        let mut keys: Vec<(&str, String)> = name_courses(&courses)
            .into_iter()
            .zip(&courses)
            .map(|(n, c)| (c.patient_id.as_str(), n.course_id))
            .collect();
        assert_eq!(keys[0].1, "0000-00");
        assert_eq!(keys[2].1, "2024-03");
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), courses.len(), "{keys:?}");
    }
}
