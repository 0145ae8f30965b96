//! Tests of the tables and their forms.
// The macro makes public row types, and this one is not for others.
#![allow(unreachable_pub)]

use super::*;
use crate::records::row::row;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::Path;

row! {
    /// A row of a test.
    pub ProbeRow: "probe", key ["name", "number"], Forms::ALL;
    name: String = "name", "", "Name.", "(0010,0020)";
    number: Option<i64> = "number", "", "Number.", "";
    dose: Option<f64> = "dose (Gy)", "Gy", "Dose.", "formula";
    good: Option<bool> = "good", "", "Good.", "";
    parts: Texts = "parts", "", "Parts.", "";
    volumes: Span<2, 4> = "V{}Gy (cm³)", "cm³", "Volume at {} Gy.", "";
    more: Named = "", "", "Columns named by the caller.", "";
}

fn probe(name: &str, number: i64, dose: f64) -> Row {
    ProbeRow { name: name.into(), number: Some(number), dose: Some(dose), good: Some(true), ..ProbeRow::default() }
        .to_map()
}

fn rows() -> Vec<Row> {
    vec![
        probe("b", 2, 0.1 + 0.2),
        probe("a", 10, 1e300),
        probe("a", 9, f64::NAN),
        probe("a", 9, 5.0),
        ProbeRow { name: "=1+1".into(), parts: ["x", "y"].into_iter().collect(), ..ProbeRow::default() }.to_map(),
        ProbeRow { name: "c".into(), volumes: Span::from_fn(|gy| Some(gy as f64)), ..ProbeRow::default() }.to_map(),
    ]
}

/// A small RFC 4180 reader of our own, so that the writer is not checked with its own library.
fn read_csv(text: &str) -> Vec<Vec<String>> {
    let mut table = vec![vec![String::new()]];
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let row = table.last_mut().expect("never empty");
        let cell = row.last_mut().expect("never empty");
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(String::new()),
            '\n' if !quoted => table.push(vec![String::new()]),
            c => cell.push(c),
        }
    }
    assert_eq!(table.pop(), Some(vec![String::new()]), "the text ends with a line feed");
    table
}

fn csv_of(dir: &Path, table: &TableDef) -> Vec<Vec<String>> {
    read_csv(&std::fs::read_to_string(dir.join(format!("{}.csv", table.name))).expect("CSV"))
}

#[test]
fn csv_holds_what_was_given() {
    let dir = tempfile::tempdir().expect("folder");
    let table = ProbeRow::table();
    write_table(dir.path(), &table, rows()).expect("written");
    let csv = csv_of(dir.path(), &table);
    assert_eq!(csv[0], ["name", "number", "dose (Gy)", "good", "parts", "V2Gy (cm³)", "V3Gy (cm³)", "V4Gy (cm³)"]);
    assert_eq!(csv[1], ["'=1+1", "", "", "", "x;y", "", "", ""]);
    assert_eq!(csv[2], ["a", "9", "", "true", "", "", "", ""], "NaN is missing; 9 comes before 10");
    assert_eq!(csv[3][2], "5.0");
    assert_eq!(csv[4][2].parse::<f64>(), Ok(1e300));
    assert_eq!(csv[5][2], "0.30000000000000004", "shortest digits that read back");
    assert_eq!(csv[6][5..], ["2.0", "3.0", "4.0"]);
}

#[test]
fn bytes_do_not_depend_on_the_order_of_rows() {
    let table = ProbeRow::table();
    let mut orders = vec![rows(), rows().into_iter().rev().collect::<Vec<_>>()];
    orders.push(rows().into_iter().cycle().skip(3).take(rows().len()).collect());
    // Keys within a row in another order, too.
    orders.push(rows().into_iter().map(|r| r.into_iter().rev().collect()).collect());
    let bytes: HashSet<Vec<Vec<u8>>> = orders
        .into_iter()
        .map(|order| {
            let dir = tempfile::tempdir().expect("folder");
            let files = write_table(dir.path(), &table, order).expect("written");
            assert_eq!(files.len(), 3);
            files.iter().map(|f| std::fs::read(f).expect("file")).collect()
        })
        .collect();
    assert_eq!(bytes.len(), 1);
}

#[test]
fn formulas_are_escaped_and_come_back() {
    for (text, escaped) in [
        ("=1+1", "'=1+1"),
        ("+cmd", "'+cmd"),
        ("-x", "'-x"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("'=1", "''=1"),
        ("-5.5", "-5.5"),
        ("+1e3", "+1e3"),
        ("-inf", "'-inf"),
        ("'quoted'", "'quoted'"),
        ("PTV-1", "PTV-1"),
        ("", ""),
    ] {
        assert_eq!(escape_formula(text), escaped, "{text:?}");
        let back = escaped
            .strip_prefix('\'')
            .filter(|r| r.trim_start_matches('\'').starts_with(['=', '+', '-', '@', '\t', '\r']));
        assert_eq!(back.unwrap_or(escaped), text, "the rule of the dictionary brings {escaped:?} back");
    }
}

#[test]
fn parquet_reads_back() {
    let dir = tempfile::tempdir().expect("folder");
    let table = ProbeRow::table();
    write_table(dir.path(), &table, rows()).expect("written");
    let file = std::fs::File::open(dir.path().join("probe.parquet")).expect("file");
    let reader = SerializedFileReader::new(file).expect("Parquet");
    let meta = reader.metadata().file_metadata();
    assert_eq!(meta.created_by(), Some("rtpipeline"));
    let pairs = meta.key_value_metadata().expect("metadata");
    assert!(pairs.iter().any(|kv| kv.key == "schema_version" && kv.value.as_deref() == Some("1")));
    let names: Vec<&str> = meta.schema_descr().columns().iter().map(|c| c.name()).collect();
    assert_eq!(names, table.columns.iter().map(|c| c.name.as_ref()).collect::<Vec<_>>());
    let read: Vec<_> = reader.get_row_iter(None).expect("rows").map(|r| r.expect("row")).collect();
    assert_eq!(read.len(), 6);
    assert_eq!(read[0].get_string(0).expect("text"), "=1+1", "Parquet holds the text as it is");
    assert!(read[0].get_long(1).is_err(), "missing");
    assert_eq!(read[1].get_long(1).expect("int"), 9);
    assert!(read[1].get_double(2).is_err(), "NaN is missing");
    assert_eq!(read[4].get_double(2).expect("float"), 0.1 + 0.2);
    assert!(read[4].get_bool(3).expect("bool"));
    assert_eq!(read[5].get_double(7).expect("float"), 4.0);
}

#[test]
fn stream_gives_the_bytes_of_the_table() {
    let table = DvhCurveRow::table();
    let row = |i: usize| {
        DvhCurveRow {
            patient_id: "P".into(),
            course_id: "2024-01".into(),
            dose: Some(i as f64 * 0.1),
            volume_pct: Some(100.0 / (1.0 + i as f64)),
            ..DvhCurveRow::default()
        }
        .to_map()
    };
    let (one, two) = (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
    // More than one row group.
    let count = 70_000;
    let whole = write_table(one.path(), &table, (0..count).map(row).collect()).expect("written");
    let mut stream = ParquetStream::create(two.path(), &table).expect("begun");
    for i in 0..count {
        stream.push(row(i)).expect("row");
    }
    assert!(!two.path().join("dvh_curves.parquet").exists(), "the name appears at the end");
    let streamed = stream.finish().expect("finished");
    assert_eq!(std::fs::read(&whole[0]).expect("file"), std::fs::read(streamed).expect("file"));
    let left: Vec<_> = std::fs::read_dir(two.path()).expect("folder").collect();
    assert_eq!(left.len(), 1, "no temporary file is left");
}

#[test]
fn xlsx_has_frozen_filtered_header_notes_and_texts() {
    let dir = tempfile::tempdir().expect("folder");
    let table = ProbeRow::table();
    write_table(dir.path(), &table, rows()).expect("written");
    let book = std::fs::read(dir.path().join("probe.xlsx")).expect("file");
    let parts = unzip(&book);
    let part = |name: &str| {
        parts.iter().find(|(n, _)| n == name).map(|(_, t)| t.as_str()).unwrap_or_else(|| panic!("no {name}"))
    };
    let sheet = part("xl/worksheets/sheet1.xml");
    assert!(sheet.contains("<autoFilter ref=\"A1:H7\"/>"), "{sheet}");
    assert!(sheet.contains("state=\"frozen\""));
    assert!(!sheet.contains("<f>"), "no formula");
    assert!(part("xl/sharedStrings.xml").contains("=1+1"), "the text is held as it is");
    assert!(part("xl/comments1.xml").contains("Unit: cm³"));
    assert!(part("xl/workbook.xml").contains("name=\"probe\""));
    assert!(part("docProps/core.xml").contains("2000-01-01T00:00:00Z"));
    assert!(sheet.contains("0.30000000000000004"));
}

/// Members of a zip file by its central directory, as text.
fn unzip(bytes: &[u8]) -> Vec<(String, String)> {
    let u16_at = |i: usize| usize::from(u16::from_le_bytes([bytes[i], bytes[i + 1]]));
    let u32_at = |i: usize| u32::from_le_bytes([bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]]) as usize;
    let end = (0..bytes.len() - 21).rev().find(|&i| bytes[i..].starts_with(b"PK\x05\x06")).expect("zip");
    let mut at = u32_at(end + 16);
    let mut members = Vec::new();
    for _ in 0..u16_at(end + 10) {
        let (method, size, name_len, extra, comment) =
            (u16_at(at + 10), u32_at(at + 20), u16_at(at + 28), u16_at(at + 30), u16_at(at + 32));
        let (local, name) = (u32_at(at + 42), &bytes[at + 46..at + 46 + name_len]);
        let data = local + 30 + u16_at(local + 26) + u16_at(local + 28);
        let raw = &bytes[data..data + size];
        let mut text = String::new();
        match method {
            0 => text.push_str(&String::from_utf8_lossy(raw)),
            _ => {
                use std::io::Read;
                flate2::read::DeflateDecoder::new(raw).read_to_string(&mut text).expect("deflate");
            }
        }
        members.push((String::from_utf8_lossy(name).into_owned(), text));
        at += 46 + name_len + extra + comment;
    }
    members
}

#[test]
fn xlsx_is_split_over_sheets() {
    let table = ProbeRow::table();
    let cells = table.cells((0..7).map(|i| probe("a", i, 1.0)).collect()).expect("cells");
    let mut book = xlsx_form::workbook(&table, &cells, 3).expect("workbook");
    let names: Vec<String> = book.worksheets().iter().map(rust_xlsxwriter::Worksheet::name).collect();
    assert_eq!(names, ["probe", "probe_2", "probe_3"]);
    let parts = unzip(&book.save_to_buffer().expect("saved"));
    let filter = |n: usize, text: &str| {
        parts.iter().any(|(name, t)| *name == format!("xl/worksheets/sheet{n}.xml") && t.contains(text))
    };
    assert!(filter(1, "A1:H4") && filter(3, "A1:H2"));
}

#[test]
fn xlsx_cuts_only_what_a_cell_cannot_hold() {
    let dir = tempfile::tempdir().expect("folder");
    let long = "ä".repeat(40_000);
    let row = ProbeRow { name: long.clone(), ..ProbeRow::default() }.to_map();
    let table = ProbeRow::table();
    write_table(dir.path(), &table, vec![row]).expect("written");
    assert_eq!(csv_of(dir.path(), &table)[1][0], long);
    let parts = unzip(&std::fs::read(dir.path().join("probe.xlsx")).expect("file"));
    let strings = &parts.iter().find(|(n, _)| n == "xl/sharedStrings.xml").expect("strings").1;
    assert!(strings.contains("(cut; whole in the CSV and Parquet files)"));
}

#[test]
fn empty_tables_have_all_their_columns() {
    let dir = tempfile::tempdir().expect("folder");
    for table in tables::all() {
        let files = write_table(dir.path(), &table, Vec::new()).expect("written");
        assert_eq!(files.len(), table.forms.extensions().len());
        for file in files {
            match file.extension().and_then(|e| e.to_str()) {
                Some("csv") => {
                    let header = &csv_of(dir.path(), &table)[0];
                    assert_eq!(*header, table.columns.iter().map(|c| c.name.to_string()).collect::<Vec<_>>());
                }
                Some("parquet") => {
                    let reader = SerializedFileReader::new(std::fs::File::open(&file).expect("file")).expect("Parquet");
                    assert_eq!(reader.metadata().file_metadata().schema_descr().num_columns(), table.columns.len());
                    assert_eq!(reader.metadata().file_metadata().num_rows(), 0);
                }
                _ => assert!(std::fs::metadata(&file).expect("file").len() > 1000),
            }
        }
    }
}

#[test]
fn unknown_columns_and_wrong_types_are_errors() {
    let dir = tempfile::tempdir().expect("folder");
    let table = ProbeRow::table();
    let with = |name: &str, value: Value| {
        let mut row = probe("a", 1, 1.0);
        row.insert(name.into(), value);
        write_table(dir.path(), &table, vec![row]).map(|_| ()).map_err(|e| e.to_string())
    };
    assert_eq!(with("doze", json!(1)), Err("table `probe` has no column `doze`".into()));
    assert_eq!(with("number", json!("x")), Err("table `probe`, column `number`: expected int, found \"x\"".into()));
    assert_eq!(with("number", json!(1.5)), Err("table `probe`, column `number`: expected int, found 1.5".into()));
    assert_eq!(with("name", json!(1)), Err("table `probe`, column `name`: expected text, found 1".into()));
    assert_eq!(with("good", json!("yes")), Err("table `probe`, column `good`: expected bool, found \"yes\"".into()));
    assert_eq!(std::fs::read_dir(dir.path()).expect("folder").count(), 0, "nothing was written");
    assert_eq!(with("number", json!(2.0)), Ok(()), "a whole number is one in either spelling");
}

#[test]
fn dvh_metrics_keeps_the_columns_of_the_original() {
    let mut expected: Vec<String> = [
        "DmeanGy",
        "DmaxGy",
        "DminGy",
        "D95Gy",
        "D98Gy",
        "D2Gy",
        "D50Gy",
        "HI",
        "SpreadGy",
        "D1ccGy",
        "D0.1ccGy",
        "Dmean%",
        "Dmax%",
        "Dmin%",
        "D95%",
        "D98%",
        "D2%",
        "D50%",
        "HI%",
        "Spread%",
        "Volume (cm³)",
        "IntegralDose_Gycm3",
        "V95%Rx (cm³)",
        "V95%Rx (%)",
        "V100%Rx (cm³)",
        "V100%Rx (%)",
    ]
    .map(String::from)
    .to_vec();
    expected.extend((1..=60).map(|gy| format!("V{gy}Gy (cm³)")));
    expected.extend((1..=60).map(|gy| format!("V{gy}Gy (%)")));
    expected.extend(
        [
            "ROI_Number",
            "ROI_Name",
            "ROI_OriginalName",
            "Segmentation_Source",
            "structure_cropped",
            "rtstruct_sop_instance_uid",
            "rtstruct_path",
            "rx_source",
            "dose_resolution",
            "dose_resolution_reason",
            "dose_sop_instance_uid",
            "dose_summation_type",
            "source_dose_sop_instance_uids",
            "source_dose_summation_types",
            "source_plan_sop_instance_uids",
            "rtstruct_resolution",
            "rtstruct_resolution_reason",
            "plan_referenced_rtstruct_sop_instance_uids",
        ]
        .map(String::from),
    );
    assert_eq!(expected.len(), 164);
    let table = tables::dvh_metrics();
    let names: Vec<&str> = table.columns.iter().map(|c| c.name.as_ref()).collect();
    assert_eq!(names[..164], expected);
    for name in [
        "patient_id",
        "course_id",
        "D2ccGy",
        "D0.03ccGy",
        "dose_coverage (%)",
        "V61Gy (cm³)",
        "V150Gy (%)",
        "D98Gy comparable",
    ] {
        assert!(names.contains(&name), "{name}");
    }
}

#[test]
fn tables_are_sound() {
    for table in tables::all() {
        let mut seen = HashSet::new();
        for c in &table.columns {
            assert!(seen.insert(c.name.clone()), "{}: column {} twice", table.name, c.name);
            assert!(!c.meaning.trim().is_empty(), "{}: {} has no meaning", table.name, c.name);
        }
        for k in &table.key {
            assert!(table.column(k).is_some(), "{}: key {k} is no column", table.name);
        }
        assert!(seen.contains("patient_id") || table.name == "files", "{}: no patient_id", table.name);
    }
}

#[test]
fn rows_and_tables_agree() {
    // The map of a row has exactly the columns of its table, in their order.
    macro_rules! agree {
        ($($row:ident),*) => {$(
            let names: Vec<String> = $row::default().to_map().into_iter().map(|(k, _)| k).collect();
            assert_eq!(names, $row::table().columns.iter().map(|c| c.name.to_string()).collect::<Vec<_>>(), stringify!($row));
        )*};
    }
    agree!(
        AgreementRow,
        CaseMetadataRow,
        DoseRow,
        DvhCurveRow,
        DvhMetricsRow,
        FailureRow,
        FileRow,
        FractionRow,
        OrphanRow,
        PlanRow,
        QcFindingRow,
        QcReportRow,
        RadiomicsLongRow,
        RadiomicsRow,
        SeriesRow,
        StructureRow,
        StructureSetRow
    );
}

#[test]
fn case_metadata_has_the_keys_of_the_original() {
    let keys = "patient_id course_key course_id rp_path rd_path rs_path rs_auto_path seg_dicom_path seg_dir \
        segmentation_original_dir segmentation_original_manifest segmentation_totalseg_manifests ct_dir primary_nifti nifti_files \
        dicom_related_files dicom_related_count plan_sop_uid dose_sop_uid source_plan_uids source_dose_uids ct_study_uid plan_name \
        plan_date plan_time plan_intent approval approval_status_date approval_status_time review_date review_time reviewer_name \
        planned_fractions total_prescription_gy prescriptions prescriptions_by_roi beams_count beam_energies treatment_machine \
        beam_info beam_geometry technique_inferred total_meterset meterset_by_beam course_start_date course_end_date \
        fractions_count fractions_file dose_units dose_type dose_grid ct_manufacturer ct_model ct_institution ct_kvp \
        ct_convolution_kernel ct_reconstruction_algorithm ct_slice_thickness ct_slice_increment ct_tube_current_mA ct_pitch_factor \
        ct_rotation_time_s ct_matrix_size ct_field_of_view_mm ct_pixel_spacing ct_contrast_agent ct_contrast_flow_rate \
        ct_contrast_total_volume ct_contrast_phase patient_name patient_sex patient_birth_date patient_weight_kg patient_height_m \
        patient_bmi patient_age_at_plan physicians_of_record referring_physician performing_physician operators_name structures \
        roi_count ptv_count ctv_count oar_count";
    let table = tables::case_metadata();
    for key in keys.split_whitespace() {
        assert!(table.column(key).is_some(), "{key}");
    }
}

#[test]
fn radiomics_columns_come_from_the_caller() {
    let dir = tempfile::tempdir().expect("folder");
    let names = ["diagnostics_Versions_PyRadiomics", "original_glcm_Contrast", "original_glcm_Contrast"];
    let table = tables::radiomics("mr", names);
    assert_eq!(table.name, "radiomics_mr");
    assert_eq!(table.columns.iter().filter(|c| c.name == "original_glcm_Contrast").count(), 1);
    let mut row = RadiomicsRow { patient_id: "P".into(), course_id: "C".into(), ..RadiomicsRow::default() };
    row.features.push("original_glcm_Contrast", 1.5);
    write_table(dir.path(), &table, vec![row.to_map()]).expect("written");
    let csv = csv_of(dir.path(), &table);
    let at = csv[0].iter().position(|n| n == "original_glcm_Contrast").expect("column");
    assert_eq!(csv[1][at], "1.5");
    row.features.push("original_glcm_Nothing", 1.0);
    assert!(write_table(dir.path(), &table, vec![row.to_map()]).is_err());
}

#[test]
fn dictionary_lists_every_column() {
    let dir = tempfile::tempdir().expect("folder");
    let known = tables::all();
    let (table, rows) = data_dictionary(&known);
    write_table(dir.path(), &table, rows).expect("written");
    let csv = csv_of(dir.path(), &table);
    assert_eq!(csv[0], ["table", "column", "position", "type", "unit", "meaning", "source"]);
    for t in &known {
        for (i, c) in t.columns.iter().enumerate() {
            let found: Vec<_> = csv.iter().filter(|r| r[0] == t.name && r[1] == c.name).collect();
            assert_eq!(found.len(), 1, "{} {}", t.name, c.name);
            assert_eq!(found[0][2], (i + 1).to_string());
            assert_eq!(found[0][3], c.kind.word());
        }
    }
    assert!(csv.iter().any(|r| r[0] == "*" && r[5] == CSV_ESCAPE_RULE), "the escape rule is told");
}

#[cfg(unix)]
#[test]
fn files_have_the_permissions_of_ordinary_files() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("folder");
    std::fs::write(dir.path().join("ordinary"), "x").expect("file");
    let mode = |name: &str| std::fs::metadata(dir.path().join(name)).expect("file").permissions().mode() & 0o777;
    write_table(dir.path(), &ProbeRow::table(), Vec::new()).expect("written");
    assert_eq!(mode("probe.csv"), mode("ordinary"));
}
