//! `radiomics`: features of one image and mask, or of a list of cases.

use super::super::args::RadiomicsArgs;
use super::super::exit::{Exit, Failure};
use super::show::{aligned, check_table_name, save};
use crate::course::{image_input, read_image_data};
use crate::records::{Column, ColumnKind, Forms, Row, TableDef, feature_column};
use crate::stages::radiomics::{ParameterSets, column_names};
use crate::ui::Printer;
use rayon::prelude::*;
use rtpipeline_radiomics::{Features, Params, extract};
use std::path::{Path, PathBuf};

/// An image with a mask.
struct Case {
    image: PathBuf,
    mask: PathBuf,
    label: Option<u32>,
    /// Columns of the list, as they are, in its order.
    given: Vec<(String, String)>,
}

/// `rtpipeline radiomics`.
pub(in crate::cli) fn radiomics(args: &RadiomicsArgs) -> Result<Exit, Failure> {
    if let Some(out) = &args.out {
        check_table_name(out, &["csv", "parquet", "xlsx"])?;
    }
    let printer = Printer::default();
    let params = match &args.params {
        Some(path) => ParameterSets::read(path).map_err(Failure::usage)?,
        None => {
            printer.status("Using", "the parameter set for CT that comes with the program (--params takes another)");
            ParameterSets::default().ct
        }
    };
    if let Some(list) = &args.batch {
        let cases = cases(list)?;
        return batch(args, &cases, &params, &printer);
    }
    let (Some(image), Some(mask)) = (&args.image, &args.mask) else {
        return Err(Failure::usage("an image and a mask are needed, or --batch CASES.csv"));
    };
    let case = Case {
        image: image.clone(),
        mask: mask.clone(),
        label: None,
        given: vec![("Image".to_owned(), image.display().to_string()), ("Mask".to_owned(), mask.display().to_string())],
    };
    let found = features(&case, args.label, &params)?;
    for w in &found.warnings {
        printer.warn(w);
    }
    if let Some(out) = &args.out {
        let rows = vec![row(&case, &Ok(found))];
        return save(out, &table(&[case], &params), rows);
    }
    let lines: Vec<Vec<String>> = found
        .diagnostics
        .iter()
        .map(|(n, v)| vec![n.clone(), v.clone()])
        .chain(
            found
                .values
                .iter()
                .map(|(n, v)| vec![n.clone(), if v.is_finite() { v.to_string() } else { String::new() }]),
        )
        .collect();
    super::super::print_bytes(aligned(&[("feature", false), ("value", false)], &lines).as_bytes())
}

fn batch(args: &RadiomicsArgs, cases: &[Case], params: &Params, printer: &Printer) -> Result<Exit, Failure> {
    let found: Vec<Result<Features, Failure>> = cases.par_iter().map(|c| features(c, args.label, params)).collect();
    let mut failed = 0;
    for (c, f) in cases.iter().zip(&found) {
        match f {
            Ok(f) => f.warnings.iter().for_each(|w| printer.warn(&format!("{}: {w}", c.mask.display()))),
            Err(e) => {
                failed += 1;
                printer.failure("Failed", &e.message);
            }
        }
    }
    let rows: Vec<Row> = cases.iter().zip(&found).map(|(c, f)| row(c, f)).collect();
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from("-"));
    save(&out, &table(cases, params), rows)?;
    printer.status("Computed", &format!("{} of {} cases", cases.len() - failed, cases.len()));
    Ok(if failed > 0 { Exit::Failures } else { Exit::Done })
}

fn features(case: &Case, label: Option<u32>, params: &Params) -> Result<Features, Failure> {
    let label = case.label.or(label).or(params.setting.label).unwrap_or(1);
    let mut params = params.clone();
    params.setting.label = Some(label);
    let data = read_image_data(&case.image)
        .map_err(|e| Failure::input(e.to_string()).hint("the image is a NIfTI or NRRD volume"))?;
    let mask = rtpipeline_volume_io::read_mask(&case.mask, label).map_err(|e| {
        Failure::input(e.to_string()).hint("the mask is a NIfTI or NRRD volume on the grid of the image")
    })?;
    let input = image_input(&data).ok_or_else(|| Failure::internal("an image type that radiomics does not know"))?;
    extract(&input, &mask, &params).map_err(|e| {
        Failure::input(format!("{} with {} (label {label}): {e}", case.image.display(), case.mask.display()))
    })
}

/// Reads the list; paths are relative to it, columns beside Image, Mask and Label are carried along.
fn cases(list: &Path) -> Result<Vec<Case>, Failure> {
    let fail = |e: String| {
        Failure::usage(format!("{}: {e}", list.display())).hint(
            "the list is a CSV file with the columns Image and Mask, and Label where masks hold several structures",
        )
    };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(list).map_err(|e| fail(e.to_string()))?;
    let heads: Vec<String> = reader
        .headers()
        .map_err(|e| fail(e.to_string()))?
        .iter()
        .map(|h| h.trim_start_matches('\u{feff}').to_owned())
        .collect();
    let at = |name: &str| heads.iter().position(|h| h.eq_ignore_ascii_case(name));
    let image = at("Image").ok_or_else(|| fail("there is no column Image".into()))?;
    let mask = at("Mask").ok_or_else(|| fail("there is no column Mask".into()))?;
    let label = at("Label");
    let folder = list.parent().unwrap_or(Path::new(""));
    let mut out = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| fail(e.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let field = |n: usize| record.get(n).unwrap_or_default();
        for (n, name) in [(image, "Image"), (mask, "Mask")] {
            if field(n).is_empty() {
                return Err(fail(format!("line {line} has no {name}")));
            }
        }
        let label = match label.map(field).filter(|t| !t.is_empty()) {
            None => None,
            Some(t) => Some(t.parse().map_err(|_| fail(format!("line {line}: `{t}` is no label (0, 1, 2, …)")))?),
        };
        let given = heads.iter().enumerate().map(|(n, h)| (h.clone(), field(n).to_owned())).collect();
        out.push(Case { image: folder.join(field(image)), mask: folder.join(field(mask)), label, given });
    }
    if out.is_empty() {
        return Err(Failure::input(format!("{}: the list has no case", list.display())));
    }
    Ok(out)
}

fn row(case: &Case, found: &Result<Features, Failure>) -> Row {
    let mut row: Row = case
        .given
        .iter()
        .map(|(k, v)| (k.clone(), if v.is_empty() { serde_json::Value::Null } else { v.clone().into() }))
        .collect();
    match found {
        Ok(f) => {
            row.insert("Status".into(), "ok".into());
            row.extend(f.diagnostics.iter().map(|(n, v)| (n.clone(), v.clone().into())));
            row.extend(f.values.iter().map(|(n, v)| (n.clone(), (*v).into())));
        }
        Err(e) => {
            row.insert("Status".into(), "failed".into());
            row.insert("Reason".into(), e.message.clone().into());
        }
    }
    row
}

/// The list's own columns, status, then features in PyRadiomics' order; the schema does not depend on what was found.
fn table(cases: &[Case], params: &Params) -> TableDef {
    let given = cases.first().map_or_else(Vec::new, |c| c.given.iter().map(|g| g.0.clone()).collect::<Vec<_>>());
    let text = |name: String, meaning: &'static str| Column::new(name, ColumnKind::Text, "", meaning, "");
    let columns: Vec<Column> = given
        .iter()
        .map(|n| text(n.clone(), "As in the list of cases."))
        .chain([text("Status".into(), "ok or failed."), text("Reason".into(), "Why there are no features.")])
        .collect();
    TableDef {
        name: "radiomics".into(),
        title: "One row per case.".into(),
        key: given.into_iter().map(Into::into).collect(),
        columns,
        forms: Forms::ALL,
    }
    .with_columns(column_names(params).iter().map(|n| feature_column(n)))
}
