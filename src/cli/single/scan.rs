//! `scan`: what a folder holds and how it hangs together; nothing but a table is written.

use super::super::args::ScanArgs;
use super::super::exit::{Exit, Failure};
use super::show::{aligned, check_table_name, save};
use crate::config::OrganizeSettings;
use crate::course::Course;
use crate::index::{self, Inventory};
use crate::records;
use std::collections::BTreeMap;

/// Files without use that are printed; the rest is in the table.
const SHOWN: usize = 40;

/// `rtpipeline scan`.
pub(in crate::cli) fn scan(args: &ScanArgs) -> Result<Exit, Failure> {
    if let Some(out) = &args.out {
        check_table_name(out, &["csv", "parquet", "xlsx"])?;
    }
    if !args.dir.is_dir() {
        return Err(Failure::input(format!("{} is not a folder that can be read", args.dir.display()))
            .hint("give the folder that holds the export"));
    }
    let inventory = index::build(&args.dir, &OrganizeSettings::default(), None, &|_, _| {})
        .map_err(|e| Failure::input(e.to_string()))?;
    let to_stdout = args.out.as_ref().is_some_and(|o| o.as_os_str() == "-");
    if let Some(out) = &args.out {
        save(out, &records::files(), inventory.file_rows())?;
    }
    if !to_stdout {
        super::super::print_bytes(text(&inventory).as_bytes())?;
    }
    Ok(if inventory.courses.is_empty() { Exit::NoInput } else { Exit::Done })
}

fn text(inventory: &Inventory) -> String {
    let mut t = format!("{} files, {} courses\n", inventory.files.len(), inventory.courses.len());
    if !inventory.courses.is_empty() {
        let heads = [
            ("patient", false),
            ("course", false),
            ("images", false),
            ("structure sets", true),
            ("plans", true),
            ("doses", true),
            ("others", true),
            ("findings", true),
        ];
        let rows: Vec<Vec<String>> = inventory.courses.iter().map(course).collect();
        t.push('\n');
        t.push_str(&aligned(&heads, &rows));
    }
    let mut accounts: BTreeMap<&str, usize> = BTreeMap::new();
    for f in &inventory.files {
        *accounts.entry(&f.account).or_default() += 1;
    }
    let rows: Vec<Vec<String>> = accounts.iter().map(|(a, n)| vec![(*a).to_owned(), n.to_string()]).collect();
    t.push('\n');
    t.push_str(&aligned(&[("account", false), ("files", true)], &rows));
    let unused: Vec<_> = inventory.files.iter().filter(|f| f.account != "used").collect();
    if !unused.is_empty() {
        let rows: Vec<Vec<String>> =
            unused.iter().take(SHOWN).map(|f| vec![f.account.clone(), f.path.clone(), f.reason.clone()]).collect();
        t.push('\n');
        t.push_str(&aligned(&[("not used", false), ("file", false), ("reason", false)], &rows));
        if unused.len() > SHOWN {
            t.push_str(&format!("… and {} more; --out FILE.csv lists every file\n", unused.len() - SHOWN));
        }
    }
    let findings = inventory.findings.iter().map(|f| (String::new(), f));
    let of_courses = inventory
        .courses
        .iter()
        .flat_map(|c| c.findings.iter().map(move |f| (format!("{}/{}", c.patient_dir, c.course_id), f)));
    let rows: Vec<Vec<String>> = findings
        .chain(of_courses)
        .map(|(c, f)| {
            // The file's own name says enough here; its folder is in the table of files.
            let about = f.subject.rsplit('/').next().unwrap_or_default();
            let about = if about.is_empty() { String::new() } else { format!(" ({about})") };
            vec![c, format!("{} {}{about}", f.what, f.meaning)]
        })
        .collect();
    if !rows.is_empty() {
        t.push('\n');
        t.push_str(&aligned(&[("in", false), ("finding", false)], &rows));
    }
    t
}

fn course(c: &Course) -> Vec<String> {
    let image = |i: &crate::course::ImageObject| {
        let planning = if i.planning { " planning" } else { "" };
        let missing = if i.missing_slices > 0 { format!(", {} missing", i.missing_slices) } else { String::new() };
        format!("{} ({} files{planning}{missing})", i.id, i.files.len())
    };
    let images: Vec<String> = c.images.iter().map(image).collect();
    vec![
        c.patient_dir.clone(),
        c.course_id.clone(),
        images.join(" "),
        c.structure_sets.len().to_string(),
        c.plans.len().to_string(),
        c.doses.len().to_string(),
        c.others.len().to_string(),
        c.findings.len().to_string(),
    ]
}
