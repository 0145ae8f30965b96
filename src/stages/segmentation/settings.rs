//! What decides how images are segmented.

use serde::{Deserialize, Serialize};

/// Which program finds structures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// TotalSegmentator where the program is found, else the embedded classical segmentation.
    #[default]
    Auto,
    /// TotalSegmentator; an error where it is not found.
    TotalSegmentator,
    /// Body and lungs by the embedded classical segmentation.
    Classical,
    /// None.
    None,
}

/// Settings of the segmentation stage that decide results; program paths, device and threads are host facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SegmentationSettings {
    /// Which program finds structures.
    pub engine: Engine,
    /// The 3 mm models (`--fast`) for tasks that have one.
    pub fast: bool,
    /// Only these classes (`--roi_subset`), for the task `total` or `total_mr`; empty = all.
    pub roi_subset: Vec<String>,
    /// Further tasks; those that end in `_mr` are run on MR, the others on CT.
    pub extra_models: Vec<String>,
    /// Three chunks along z (`--force_split`), for images that are long enough.
    pub force_split: bool,
    /// One attempt on the CPU after a failure on the GPU, marked in the record.
    pub allow_fallback: bool,
    /// Segment MR series too (TotalSegmentator only).
    pub mr: bool,
    /// Only the planning CT of a course that has one, not its other CT series.
    pub planning_only: bool,
}

impl Default for SegmentationSettings {
    fn default() -> Self {
        Self {
            engine: Engine::Auto,
            fast: false,
            roi_subset: Vec::new(),
            extra_models: Vec::new(),
            force_split: true,
            allow_fallback: false,
            mr: true,
            planning_only: true,
        }
    }
}

impl From<&crate::config::SegmentationSettings> for SegmentationSettings {
    fn from(s: &crate::config::SegmentationSettings) -> Self {
        use crate::config::SegmentationEngine as E;
        let engine = match s.engine {
            _ if !s.enabled => Engine::None,
            E::Auto => Engine::Auto,
            E::TotalSegmentator => Engine::TotalSegmentator,
            E::Classical => Engine::Classical,
            E::None => Engine::None,
        };
        Self {
            engine,
            fast: s.fast,
            roi_subset: s.roi_subset.clone().unwrap_or_default(),
            extra_models: s.extra_models.clone(),
            force_split: s.force_split,
            allow_fallback: s.allow_fallback,
            ..Self::default()
        }
    }
}

impl SegmentationSettings {
    /// What cannot be carried out: unknown tasks and classes, with the nearest known name.
    ///
    /// # Errors
    /// One sentence for the first defect.
    pub fn check(&self) -> Result<(), String> {
        let tasks = crate::course::label_maps::registry::tasks();
        for task in &self.extra_models {
            if !tasks.contains_key(task.as_str()) {
                let near = nearest(task, tasks.keys().copied());
                return Err(format!("TotalSegmentator has no task `{task}`; the nearest is `{near}`"));
            }
        }
        for class in &self.roi_subset {
            let known = ["total", "total_mr"].iter().flat_map(|t| tasks[t].classes.iter().map(|c| c.name));
            if !known.clone().any(|n| n == class) {
                let near = nearest(class, known);
                return Err(format!("the task `total` has no class `{class}`; the nearest is `{near}`"));
            }
        }
        Ok(())
    }
}

/// The known word with the smallest edit distance.
fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> &'a str {
    known.min_by_key(|k| edit_distance(word, k)).unwrap_or_default()
}

fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_tasks_and_classes_are_named_with_the_nearest() {
        let mut s = SegmentationSettings { extra_models: vec!["lung_vesels".into()], ..Default::default() };
        assert!(s.check().unwrap_err().contains("`lung_vessels`"));
        s = SegmentationSettings { roi_subset: vec!["livr".into()], ..Default::default() };
        assert!(s.check().unwrap_err().contains("`liver`"));
        s = SegmentationSettings {
            roi_subset: vec!["liver".into()],
            extra_models: vec!["body".into(), "body_mr".into()],
            ..Default::default()
        };
        assert_eq!(s.check(), Ok(()));
    }

    #[test]
    fn unknown_settings_are_refused() {
        assert!(serde_json::from_str::<SegmentationSettings>(r#"{"fats": true}"#).is_err());
        let s: SegmentationSettings = serde_json::from_str(r#"{"engine": "classical"}"#).unwrap();
        assert_eq!(s.engine, Engine::Classical);
        assert!(s.force_split);
    }
}
