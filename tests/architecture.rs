//! Holds the walls of ARCHITECTURE.md: which room may use which, where `unsafe` and printing are allowed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(dir: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut todo = vec![dir.to_path_buf()];
    while let Some(d) = todo.pop() {
        for e in std::fs::read_dir(&d).expect("readable folder") {
            let p = e.expect("entry").path();
            if p.is_dir() {
                todo.push(p);
            } else if p.extension().is_some_and(|x| x == "rs") {
                let text = std::fs::read_to_string(&p).expect("UTF-8 source");
                found.push((p, text));
            }
        }
    }
    found.sort();
    found
}

/// Lines of code, comments and documentation left out.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|l| !l.trim_start().starts_with("//"))
}

/// The part of a source file that is not tests; tests may look into any room.
fn library<'t>(path: &Path, text: &'t str) -> &'t str {
    let is_tests = path.file_name().is_some_and(|n| n.to_string_lossy().ends_with("tests.rs"))
        || path.components().any(|c| c.as_os_str() == "tests");
    if is_tests { "" } else { text.split("#[cfg(test)]\nmod ").next().unwrap_or_default() }
}

/// Rooms of the root package that a line uses.
fn rooms_used(line: &str) -> Vec<String> {
    line.match_indices("crate::")
        .filter(|(at, _)| !line[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$'))
        .map(|(at, m)| line[at + m.len()..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
        .collect()
}

#[test]
fn rooms_of_the_root_package_use_only_what_they_may() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("config", &["config"][..]),
        ("records", &["records"]),
        ("report", &["report"]),
        ("course", &["course"]),
        ("index", &["index", "course", "config", "records"]),
        ("stages", &["stages", "course", "config", "records", "report"]),
        ("results", &["results", "course", "config", "records", "report", "index", "stages", "pipeline"]),
        ("demo", &["demo", "course"]),
        ("ui", &["ui", "pipeline"]),
    ]);
    let mut wrong = Vec::new();
    for (room, may) in &allowed {
        for (path, text) in sources(&root().join("src").join(room)) {
            for line in code(library(&path, &text)) {
                for used in rooms_used(line) {
                    let is_room = root().join("src").join(&used).exists() || used == "pipeline";
                    if is_room && !may.contains(&used.as_str()) {
                        wrong.push(format!("{}: {room} uses {used}: {}", path.display(), line.trim()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn stages_do_not_use_one_another() {
    let stages = root().join("src/stages");
    let names: Vec<String> = std::fs::read_dir(&stages)
        .expect("stages")
        .map(|e| e.expect("entry"))
        .filter(|e| e.path().is_dir())
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    assert!(names.len() >= 9, "{names:?}");
    let mut wrong = Vec::new();
    for own in &names {
        for (path, text) in sources(&stages.join(own)) {
            for line in code(&text) {
                for other in names.iter().filter(|n| *n != own) {
                    if line.contains(&format!("stages::{other}")) || line.contains(&format!("super::super::{other}")) {
                        wrong.push(format!("{}: {}", path.display(), line.trim()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn crates_depend_only_downwards() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("engine", &[][..]),
        ("geometry", &[]),
        ("volume-io", &["geometry"]),
        ("radiomics", &["geometry"]),
        ("dicom", &["geometry"]),
    ]);
    for (name, may) in allowed {
        let manifest = std::fs::read_to_string(root().join("crates").join(name).join("Cargo.toml")).expect(name);
        // Tests may read files through other crates; the library may not.
        let library = manifest.split("[dev-dependencies]").next().unwrap_or_default();
        for line in library.lines().filter(|l| l.starts_with("rtpipeline-")) {
            let used = line.trim_start_matches("rtpipeline-").split(['.', ' ', '=']).next().unwrap_or_default();
            assert!(may.contains(&used), "crates/{name} may not depend on {used}");
        }
    }
}

#[test]
fn the_engine_knows_nothing_of_radiotherapy() {
    let words = ["dicom", "dose", "rtstruct", "contour", "patient", "radiomic", "segmentation", "totalseg"];
    let mut wrong = Vec::new();
    for (path, text) in sources(&root().join("crates/engine/src")) {
        for line in text.lines() {
            let l = line.to_lowercase();
            if let Some(w) = words.iter().find(|w| l.contains(**w)) {
                wrong.push(format!("{}: `{w}`: {}", path.display(), line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unsafe_code_is_in_the_system_room_alone() {
    let sys = root().join("crates/engine/src/sys");
    let mut wrong = Vec::new();
    for dir in ["src", "crates"] {
        for (path, text) in sources(&root().join(dir)) {
            let tests = path.components().any(|c| c.as_os_str() == "tests" || c.as_os_str() == "examples");
            if path.starts_with(&sys) || tests {
                continue;
            }
            for line in code(&text) {
                if line.contains("unsafe {") || line.contains("unsafe fn") || line.contains("unsafe impl") {
                    wrong.push(format!("{}: {}", path.display(), line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn kernels_do_no_input_or_output_and_libraries_do_not_print() {
    let mut wrong = Vec::new();
    for name in ["geometry", "radiomics"] {
        for (path, text) in sources(&root().join("crates").join(name).join("src")) {
            for line in code(library(&path, &text)) {
                if line.contains("std::fs") || line.contains("ThreadPoolBuilder") {
                    wrong.push(format!("{}: {}", path.display(), line.trim()));
                }
            }
        }
    }
    for dir in ["crates", "src"] {
        for (path, text) in sources(&root().join(dir)) {
            let p = path.to_string_lossy().into_owned();
            let outside_library = p.contains("/tests") || p.contains("/examples/") || p.contains("/benches/");
            if outside_library || p.contains("src/cli/") || p.contains("src/ui/") {
                continue;
            }
            for line in code(library(&path, &text)) {
                if line.contains("println!(") || line.contains("eprintln!(") || line.contains("dbg!(") {
                    wrong.push(format!("{p}: {}", line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
