//! Files for installation: compose file, Dockerfile, shipped configuration, structure files and models.

mod regress_common;

use regress_common::*;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

fn text(name: &str) -> String {
    std::fs::read_to_string(project().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// A YAML file with merge keys, as JSON.
fn compose() -> Value {
    serde_saphyr::from_str(&text("docker-compose.yml")).expect("YAML")
}

#[test]
fn the_compose_file_has_the_services_and_limits() {
    let c = compose();
    let services = c["services"].as_object().expect("services");
    // What `docker compose up` starts: services without a profile.
    let default: Vec<&String> = services.iter().filter(|(_, s)| s["profiles"].is_null()).map(|(n, _)| n).collect();
    assert_eq!(default, ["rtpipeline"]);
    let gpu = json!([{"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}]);
    let one = json!([{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]);
    let reservations = |name: &str| &services[name]["deploy"]["resources"]["reservations"];
    assert_eq!(reservations("rtpipeline")["devices"], gpu);
    let cpu = &services["rtpipeline-cpu"];
    assert_eq!(cpu["profiles"], json!(["cpu-only"]));
    assert_eq!(cpu["deploy"]["resources"]["limits"], json!({"cpus": "16.0", "memory": "32G"}));
    assert_eq!(*reservations("rtpipeline-cpu"), json!({"cpus": "4.0", "memory": "8G"}));
    assert_eq!(services["jupyter"]["profiles"], json!(["jupyter"]));
    assert_eq!(reservations("jupyter")["devices"], one);
    for (name, s) in services {
        // A merge key that the parser has not applied would hide the common part.
        let common = if s["<<"].is_object() { &s["<<"] } else { s };
        let restart = if s["restart"].is_null() { &common["restart"] } else { &s["restart"] };
        assert_eq!(restart, "unless-stopped", "{name}");
        if name != "jupyter" {
            assert_eq!(s["shm_size"], "4gb", "{name}");
            let volumes = common["volumes"].as_array().expect("volumes");
            assert!(volumes.iter().any(|v| v.as_str().is_some_and(|v| v.ends_with("/data/input:ro"))), "{volumes:?}");
        }
    }
}

#[test]
fn the_commands_of_the_services_are_commands_of_the_program() {
    let bench = Bench::new();
    let c = compose();
    for name in ["rtpipeline", "rtpipeline-cpu"] {
        let words: Vec<String> = serde_json::from_value(c["services"][name]["command"].clone()).expect("words");
        let local: Vec<String> =
            words.iter().map(|w| w.replace("/data/", &format!("{}/", bench.here().display()))).collect();
        let said = rtpipeline(bench.here(), &[local, vec!["--dry-run".to_owned()]].concat());
        // The folder `input` does not exist here: words are understood, the input lacks.
        expect_code(&said, 4);
        assert!(said.err.contains("input"), "{}", said.err);
    }
}

#[test]
fn the_compose_file_follows_the_compose_specification() {
    let in_python = std::env::var_os("RTPIPELINE_PYTHON").map(PathBuf::from);
    let beside = in_python.as_deref().and_then(Path::parent).map(Path::to_path_buf);
    let on_path = std::env::var_os("PATH").map(|p| std::env::split_paths(&p).collect::<Vec<_>>()).unwrap_or_default();
    let folders = beside.into_iter().chain([project().join("target/python/bin")]).chain(on_path);
    let Some(checker) = folders.map(|f| f.join("check-jsonschema")).find(|f| f.is_file()) else {
        eprintln!("skipped: check-jsonschema is neither beside RTPIPELINE_PYTHON, in target/python/bin, nor on PATH");
        return;
    };
    let mut c = Command::new(&checker);
    c.args(["--builtin-schema", "vendor.compose-spec", "docker-compose.yml"]).current_dir(project());
    let said = said(c);
    expect_code(&said, 0);
}

#[test]
fn everything_that_the_dockerfile_copies_is_there() {
    let ignored = text(".dockerignore");
    let ignored: Vec<&str> = ignored.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let mut copied = Vec::new();
    for line in text("Dockerfile").lines().filter_map(|l| l.strip_prefix("COPY ")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words[0].starts_with("--from=") {
            continue;
        }
        copied.extend(words[..words.len() - 1].iter().map(|w| (*w).to_owned()));
    }
    assert!(copied.len() >= 8, "{copied:?}");
    for source in &copied {
        assert!(project().join(source).exists(), "COPY {source}");
        let first = source.split('/').next().unwrap_or_default();
        assert!(!ignored.contains(&first), "{source} is ignored");
    }
    // The workspace does not build without its members, its benches and what the sources include.
    let manifest = text("Cargo.toml");
    for needed in ["Cargo.toml", "Cargo.lock", "crates", "src"] {
        assert!(copied.iter().any(|c| c == needed), "{needed} is not copied");
    }
    assert!(!manifest.contains("[[bench]]") || copied.iter().any(|c| c == "benches"));
    for file in files_below(&project().join("src")).iter().filter(|f| f.ends_with(".rs")) {
        let path = project().join("src").join(file);
        let source = std::fs::read_to_string(&path).expect("a source");
        for call in ["include_str!(\"", "include_bytes!(\""] {
            for (at, _) in source.match_indices(call) {
                let rest = &source[at + call.len()..];
                let Some(target) = rest.split('"').next().filter(|t| t.starts_with("../")) else { continue };
                let place = path.parent().expect("a folder").join(target).canonicalize().expect(target);
                let rel =
                    place.strip_prefix(project().canonicalize().expect("the project")).expect("inside").to_owned();
                let top = rel.iter().next().expect("a name").to_string_lossy().into_owned();
                assert!(copied.contains(&top), "{file} includes {}, which is not copied", rel.display());
            }
        }
    }
}

#[test]
fn the_shipped_configuration_is_the_default() {
    let said = words(&project(), "config default");
    expect_code(&said, 0);
    assert_eq!(said.out, text("config.yaml"));
    // And is read as what it says.
    let dir = tempfile::tempdir().expect("a folder");
    let values = |line: &str| -> Value {
        let said = words(dir.path(), line);
        expect_code(&said, 0);
        let c: Value = serde_json::from_str(&said.out).expect("JSON");
        c.as_object().expect("a mapping").iter().map(|(k, v)| (k.clone(), v["value"].clone())).collect()
    };
    let shipped = values(&format!("config show --json --config {}", project().join("config.yaml").display()));
    let mut default = values("config show --json");
    // Paths of a file refer to its folder.
    for (key, value) in default.as_object_mut().expect("a mapping") {
        let path = shipped[key].as_str().filter(|s| s.starts_with('/')).map(str::to_owned);
        if let (Some(path), Some(text)) = (path, value.as_str()) {
            assert_eq!(Path::new(&path), project().join(text), "{key}");
            *value = json!(path);
        }
    }
    assert_eq!(shipped, default);
}

#[test]
fn shipped_structure_files_and_models_load() {
    let mut found = 0;
    for name in files_below(&project().join("custom_structures")) {
        if name.ends_with(".yaml") {
            let path = project().join("custom_structures").join(&name);
            let dir = tempfile::tempdir().expect("a folder");
            let said = words(dir.path(), &format!("validate --set custom_structures={}", path.display()));
            expect_code(&said, 0);
            let stem = name.trim_end_matches(".yaml");
            assert_eq!(words(dir.path(), &format!("validate --set custom_structures={stem}")).code, 0, "{stem}");
            found += 1;
        }
    }
    assert!(found >= 4, "{found} structure files");
    let models =
        rtpipeline::stages::segmentation_custom::load_models(&project().join("custom_models")).expect("models");
    assert!(models.len() >= 2);
    for m in &models {
        m.model.check().unwrap_or_else(|e| panic!("{}: {e}", m.folder));
        assert!(!m.model.structures().is_empty(), "{}", m.folder);
        assert_eq!(m.folder, m.model.name);
    }
    for folder in std::fs::read_dir(project().join("custom_models")).expect("a folder").flatten() {
        if folder.path().is_dir() {
            assert!(folder.path().join("custom_model.yaml").is_file(), "{}", folder.path().display());
        }
    }
}
