//! Rows of all tables from the records and failure files of a run folder.

use crate::index::Inventory;
use crate::records::{self, RadiomicsLongRow, Row};
use rtpipeline_engine::{FailureKind, UnitError, UnitId, store};
use serde_json::Value;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Duration of a unit, for the run chart.
#[derive(Clone, Debug)]
pub(super) struct UnitTime {
    pub(super) id: UnitId,
    pub(super) seconds: f64,
}

/// What records and failure files say.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// Table → rows.
    pub(super) rows: BTreeMap<String, Vec<Row>>,
    /// Scopes that have a record, by stage.
    pub(super) done: BTreeMap<String, BTreeSet<Vec<String>>>,
    /// Failed and skipped units.
    pub(super) failed: Vec<(UnitId, UnitError)>,
    /// How long units took.
    pub(super) times: Vec<UnitTime>,
}

impl Gathered {
    /// Reads everything that belongs to a course of the inventory.
    pub(super) fn from_records(outdir: &Path, inventory: &Inventory) -> Result<Self, String> {
        let run_dir = outdir.join("_RUN");
        let known: BTreeMap<Vec<String>, &str> = inventory
            .courses
            .iter()
            .map(|c| (vec![c.patient_dir.clone(), c.course_id.clone()], c.patient_id.as_str()))
            .collect();
        let mut g = Self::default();
        g.rows.insert("files".into(), inventory.file_rows());
        g.rows.insert("orphans".into(), inventory.orphan_rows());
        for record in store::current_records(&run_dir).map_err(|e| e.to_string())? {
            let r = record.map_err(|e| e.to_string())?;
            if !known.contains_key(&r.id.scope) {
                continue;
            }
            for (table, rows) in r.rows {
                g.rows.entry(table).or_default().extend(rows);
            }
            for f in r.failures {
                let id = UnitId { part: Some(f.part), ..r.id.clone() };
                g.failed.push((id.clone(), f.error.clone()));
                let row = failure_row(&id, &f.error, None, None, None, known[&r.id.scope]);
                g.rows.entry("failures".into()).or_default().push(row);
            }
            g.done.entry(r.id.stage.clone()).or_default().insert(r.id.scope.clone());
            g.times.push(UnitTime { id: r.id, seconds: r.run.seconds });
        }
        for f in store::current_failures(&run_dir).map_err(|e| e.to_string())? {
            let Some(patient) = known.get(&f.id.scope) else { continue };
            let log = f.fingerprint.as_ref().map(|p| format!("{}/{}.log", f.run.run_id, &p[..16.min(p.len())]));
            let log = log.filter(|_| f.error.kind != FailureKind::Skipped);
            let row = failure_row(&f.id, &f.error, f.cause.as_ref(), Some(i64::from(f.attempts)), log, patient);
            g.rows.entry("failures".into()).or_default().push(row);
            g.failed.push((f.id, f.error));
        }
        Ok(g)
    }

    /// Rows of a table in the order of their keys.
    pub(super) fn sorted(&self, table: &str, key: &[Cow<'static, str>]) -> Vec<&Row> {
        let mut rows: Vec<&Row> = self.rows.get(table).into_iter().flatten().collect();
        sort_rows(&mut rows, key);
        rows
    }

    /// Rows of a table that belong to a course.
    pub(super) fn of_course(&self, table: &str, patient_id: &str, course_id: &str) -> Vec<&Row> {
        let is = |r: &Row, k: &str, v: &str| r.get(k).and_then(Value::as_str).unwrap_or_default() == v;
        let mine = |r: &&Row| is(r, "patient_id", patient_id) && is(r, "course_id", course_id);
        self.rows.get(table).into_iter().flatten().filter(mine).collect()
    }
}

fn failure_row(
    id: &UnitId,
    error: &UnitError,
    cause: Option<&UnitId>,
    attempts: Option<i64>,
    log: Option<String>,
    patient_id: &str,
) -> Row {
    records::FailureRow {
        patient_id: Some(patient_id.to_owned()),
        course_id: id.scope.get(1).cloned(),
        stage: id.stage.clone(),
        unit: id.to_string(),
        kind: format!("{:?}", error.kind),
        message: Some(error.message.clone()),
        hint: (!error.hints.is_empty()).then(|| error.hints.join("; ")),
        caused_by: cause.map(ToString::to_string),
        attempts,
        log,
    }
    .to_map()
}

/// Orders rows by their key columns: null, then numbers, then text.
pub(super) fn sort_rows(rows: &mut [&Row], key: &[Cow<'static, str>]) {
    let rank = |v: Option<&Value>| match v {
        None | Some(Value::Null) => 0,
        Some(Value::Number(_)) => 1,
        _ => 2,
    };
    let order = |a: Option<&Value>, b: Option<&Value>| match (a, b) {
        (Some(Value::Number(x)), Some(Value::Number(y))) => {
            x.as_f64().unwrap_or_default().total_cmp(&y.as_f64().unwrap_or_default())
        }
        (Some(Value::String(x)), Some(Value::String(y))) => x.cmp(y),
        _ => rank(a).cmp(&rank(b)),
    };
    rows.sort_by(|a, b| {
        key.iter().map(|k| order(a.get(k.as_ref()), b.get(k.as_ref()))).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
    });
}

/// Rows of `radiomics_long` from a row of a wide table, by feature name.
pub(super) fn long_rows(wide: &Row) -> Vec<Row> {
    let text = |k: &str| wide.get(k).and_then(Value::as_str).map(str::to_owned);
    let mut features: Vec<(&String, f64)> = wide
        .iter()
        .filter(|(name, _)| !name.starts_with("diagnostics_") && name.matches('_').count() >= 2)
        .filter_map(|(name, v)| Some((name, v.as_f64()?)))
        .filter(|(name, _)| feature_parts(name).is_some())
        .collect();
    features.sort_by(|a, b| a.0.cmp(b.0));
    features
        .into_iter()
        .filter_map(|(name, value)| {
            let (image_type, class) = feature_parts(name)?;
            let row = RadiomicsLongRow {
                patient_id: text("patient_id").unwrap_or_default(),
                course_id: text("course_id").unwrap_or_default(),
                modality: text("modality"),
                image_id: text("image_id"),
                segmentation_source: text("segmentation_source"),
                roi_number: wide.get("roi_number").and_then(Value::as_i64),
                roi_name: text("roi_name"),
                image_type: Some(image_type.to_owned()),
                feature_class: Some(class.to_owned()),
                feature: Some(name.clone()),
                value: Some(value),
            };
            Some(row.to_map())
        })
        .collect()
}

/// Whether a column is a feature.
pub(super) fn long_feature(name: &str) -> bool {
    feature_parts(name).is_some()
}

/// Image type and class of a feature's name, `None` for other columns.
fn feature_parts(name: &str) -> Option<(&str, &str)> {
    let (rest, _) = name.rsplit_once('_')?;
    let (image_type, class) = rest.rsplit_once('_')?;
    let classes = ["shape", "shape2D", "firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm"];
    classes.contains(&class).then_some((image_type, class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_row_unfolds_into_its_features_alone() {
        let wide: Row = serde_json::from_str(
            r#"{"patient_id":"P","course_id":"C","roi_number":3,"voxel_count":10,
                "original_glcm_Contrast":1.5,"log-sigma-1-0-mm-3D_firstorder_Mean":null,"original_shape_MeshVolume":2.0}"#,
        )
        .expect("row");
        let rows = long_rows(&wide);
        let names: Vec<_> = rows.iter().map(|r| r["feature"].as_str().unwrap_or_default()).collect();
        assert_eq!(names, ["original_glcm_Contrast", "original_shape_MeshVolume"]);
        assert_eq!(rows[0]["feature_class"], "glcm");
    }
}
