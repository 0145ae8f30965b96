//! Tests of the settings.

use super::*;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

type Env = BTreeMap<String, String>;

fn env(pairs: &[(&str, &str)]) -> Env {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn from_text(text: &str) -> Result<Loaded, ConfigErrors> {
    Settings::load_text(Some((Path::new("folder/config.yaml"), text)), &Env::new(), &[])
}

fn errors(text: &str) -> Vec<ConfigError> {
    from_text(text).expect_err("should be refused").0
}

fn only_error(text: &str) -> ConfigError {
    let mut all = errors(text);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// A value of the setting that is not its default: as written in YAML, as text of an option, and as JSON afterwards.
fn other_value(k: &Key) -> (String, String, Json) {
    fn by_kind(kind: &Kind, default: &Json, range: Range) -> (String, String, Json) {
        match kind {
            Kind::Bool => {
                let v = !default.as_bool().expect("bool");
                (v.to_string(), v.to_string(), json!(v))
            }
            Kind::Int | Kind::Number => {
                let now = default.as_f64().unwrap_or(1.0);
                let v = if range.max.is_some_and(|hi| now + 1.0 > hi) { now - 1.0 } else { now + 1.0 };
                let v = range.min.map_or(v, |lo| v.max(lo));
                let json = if *kind == Kind::Int { json!(v as u64) } else { json!(v) };
                (json.to_string(), json.to_string(), json)
            }
            Kind::Text => ("other".into(), "other".into(), json!("other")),
            Kind::Path => ("sub/other".into(), "sub/other".into(), json!("folder/sub/other")),
            Kind::Choice(words) => {
                let v = words.iter().find(|w| json!(w) != *default).copied();
                let v = v.unwrap_or(words[0]);
                (v.into(), v.into(), json!(v))
            }
            Kind::Word(words, _) => {
                let v = words.iter().find(|w| json!(w) != *default).expect("a further word");
                ((*v).into(), (*v).into(), json!(v))
            }
            Kind::WordOr(_, number) => by_kind(number, &json!(6), range),
            Kind::List => ("[Alpha, \"Be ta\"]".into(), "Alpha; Be ta".into(), json!(["Alpha", "Be ta"])),
            Kind::Optional(inner) => by_kind(inner, default, range),
        }
    }
    let default = (k.default)();
    match k.key {
        "dvh.goals" => ("[\"PTV: Dmean >= 1 Gy\"]".into(), "PTV: Dmean >= 1 Gy".into(), json!(["PTV: Dmean >= 1 Gy"])),
        "segmentation.license" => ("other".into(), "other".into(), json!("(set)")),
        _ => by_kind(&k.kind, &default, k.range),
    }
}

fn nested(key: &str, value: &str) -> String {
    match key.split_once('.') {
        Some((section, leaf)) => format!("{section}:\n  {leaf}: {value}\n"),
        None => format!("{key}: {value}\n"),
    }
}

#[test]
fn every_key_is_read_from_a_file_and_from_an_option_and_changes_nothing_else() {
    let defaults = Settings::default();
    for k in keys() {
        let (yaml, text, expected) = other_value(k);
        let loaded = from_text(&nested(k.key, &yaml)).unwrap_or_else(|e| panic!("{}: {e}", k.key));
        assert_eq!(loaded.settings.get(k.key), Some(expected.clone()), "{}", k.key);
        let line = if k.key.contains('.') { 2 } else { 1 };
        assert_eq!(loaded.origin(k.key), Origin::File { file: "folder/config.yaml".into(), line });
        for other in keys().iter().filter(|o| o.key != k.key) {
            assert_eq!(loaded.settings.get(other.key), defaults.get(other.key), "{} changed {}", k.key, other.key);
            assert_eq!(loaded.origin(other.key), Origin::Default);
        }
        let by_option = Settings::load(None, &Env::new(), &[Override::new(k.key, text, "--set")]).expect(k.key);
        // Paths of options refer to the current folder, those of files to the folder of the file.
        let here = match expected.as_str().and_then(|s| s.strip_prefix("folder/")) {
            Some(relative) => json!(relative),
            None => expected,
        };
        assert_eq!(by_option.settings.get(k.key), Some(here), "{}", k.key);
    }
}

#[test]
fn every_environment_variable_is_read() {
    for k in keys() {
        for alias in k.env {
            let (_, text, _) = other_value(k);
            let loaded = Settings::load(None, &env(&[(alias.name, &text)]), &[])
                .unwrap_or_else(|e| panic!("{}: {e}", alias.name));
            assert_eq!(loaded.origin(k.key), Origin::Environment(alias.name.into()));
            assert_eq!(loaded.notices, Vec::<String>::new());
        }
    }
    let sequential = |name: &str, value: &str| {
        Settings::load(None, &env(&[(name, value)]), &[]).expect("loads").settings.run.radiomics_sequential
    };
    assert!(sequential("RTPIPELINE_RADIOMICS_SEQUENTIAL", "1"));
    assert!(!sequential("RTPIPELINE_USE_PARALLEL_RADIOMICS", "1"));
    assert!(sequential("RTPIPELINE_USE_PARALLEL_RADIOMICS", "0"));
    assert!(sequential("RTPIPELINE_DISABLE_PARALLEL_RADIOMICS", "1"));
}

#[test]
fn every_variable_of_the_original_has_a_meaning_or_a_notice() {
    let names = "RTPIPELINE_CONFIGFILE RTPIPELINE_MAX_WORKERS RTPIPELINE_INDEX_WORKERS RTPIPELINE_MEMORY_PER_WORKER_GB \
        RTPIPELINE_RADIOMICS_TASK_TIMEOUT RTPIPELINE_RADIOMICS_THREAD_LIMIT RTPIPELINE_RADIOMICS_MP_START \
        RTPIPELINE_RADIOMICS_SEQUENTIAL RTPIPELINE_USE_PARALLEL_RADIOMICS RTPIPELINE_DISABLE_PARALLEL_RADIOMICS \
        RTPIPELINE_RADIOMICS_ENV RTPIPELINE_CONDA_EXE RTPIPELINE_RADIOMICS_WORKERS RTPIPELINE_RADIOMICS_BATCH \
        RTPIPELINE_IMAGE_CACHE_SIZE RTPIPELINE_IMAGE_CACHE_AGE_SEC RTPIPELINE_ROBUSTNESS_COURSE_TIMEOUT \
        RTPIPELINE_ROBUSTNESS_PROGRESS_TIMEOUT RTPIPELINE_ALLOW_DESTRUCTIVE_CT_CLEAR RTPIPELINE_CLINICAL_ROOT TOTALSEG_TIMEOUT \
        DCM2NIIX_TIMEOUT";
    for name in names.split_whitespace() {
        let loaded = Settings::load(None, &env(&[(name, "1")]), &[]).expect(name);
        let used = loaded.origins.len() + usize::from(OTHER_VARIABLES.contains(&name));
        assert_eq!(used + loaded.notices.len(), 1, "{name}: {loaded:?}");
    }
    let typo = Settings::load(None, &env(&[("RTPIPELINE_MAX_WORKER", "1")]), &[]).expect("loads");
    assert_eq!(
        typo.notices,
        ["the environment variable RTPIPELINE_MAX_WORKER is not known: did you mean RTPIPELINE_MAX_WORKERS?"]
    );
}

/// Keys of the original's `config.yaml`, both generations, with a value.
const ORIGINAL_KEYS: &[(&str, &str)] = &[
    ("dicom_root", "Input"),
    ("output_dir", "Output"),
    ("logs_dir", "Logs"),
    ("max_workers", "3"),
    ("workers", "auto"),
    ("snakemake_job_threads", "2"),
    ("container_mode", "false"),
    ("container_env_prefix", "opt/conda/envs"),
    ("environments.main", "rtpipeline"),
    ("environments.radiomics", "rtpipeline-radiomics"),
    ("scheduler.reserved_cores", "1"),
    ("scheduler.parallel_courses", "2"),
    ("scheduler.dvh_threads_per_job", "4"),
    ("scheduler.radiomics_threads_per_job", "4"),
    ("scheduler.qc_threads_per_job", "2"),
    ("scheduler.crop_ct_threads_per_job", "1"),
    ("scheduler.robustness_threads_per_job", "1"),
    ("scheduler.prioritize_short_courses", "true"),
    ("segmentation.device", "cpu"),
    ("segmentation.fast", "false"),
    ("segmentation.force", "false"),
    ("segmentation.roi_subset", "liver,spleen"),
    ("segmentation.extra_models", "[lung_nodules]"),
    ("segmentation.max_workers", "2"),
    ("segmentation.workers", "all"),
    ("segmentation.threads_per_worker", "4"),
    ("segmentation.force_split", "true"),
    ("segmentation.nr_threads_resample", "1"),
    ("segmentation.nr_threads_save", "1"),
    ("segmentation.num_proc_preprocessing", "1"),
    ("segmentation.num_proc_export", "1"),
    ("segmentation.temp_dir", "tmp"),
    ("custom_models.enabled", "false"),
    ("custom_models.root", "custom_models"),
    ("custom_models.models", "[cardiac_STOPSTORM]"),
    ("custom_models.max_workers", "1"),
    ("custom_models.workers", "1"),
    ("custom_models.force", "false"),
    ("custom_models.nnunet_predict", "nnUNetv2_predict"),
    ("custom_models.conda_activate", "conda activate x"),
    ("custom_models.retain_weights", "true"),
    ("radiomics.enabled", "true"),
    ("radiomics.sequential", "false"),
    ("radiomics.params_file", "radiomics_params.yaml"),
    ("radiomics.mr_params_file", "radiomics_params_mr.yaml"),
    ("radiomics.thread_limit", "4"),
    ("radiomics.skip_rois", "[body]"),
    ("radiomics.max_voxels", "1500000000"),
    ("radiomics.min_voxels", "64"),
    ("radiomics.max_parallel_courses", "1"),
    ("radiomics_robustness.enabled", "false"),
    ("radiomics_robustness.modes", "[segmentation_perturbation]"),
    ("ct_cropping.enabled", "false"),
    ("ct_cropping.region", "pelvis"),
    ("ct_cropping.superior_margin_cm", "2.0"),
    ("ct_cropping.inferior_margin_cm", "10.0"),
    ("ct_cropping.use_cropped_for_dvh", "false"),
    ("ct_cropping.use_cropped_for_radiomics", "false"),
    ("ct_cropping.keep_original", "true"),
    ("organize.dedup_by_sop_uid", "true"),
    ("organize.use_hardlinks", "false"),
    ("organize.verify_checksum", "false"),
    ("organize.cache_headers", "true"),
    ("organize.do_segment_all_series", "false"),
    ("organize.all_series_segment_classes", "cbct"),
    ("organize.all_series_fourdct_single_representative", "false"),
    ("organize.all_series_materialize_classes", "cbct"),
    ("organize.inventory_db_path", "x.sqlite"),
    ("organize.inventory_scan_run_id", "run"),
    ("organize.inventory_patient_ids", "[P1]"),
    ("pet.do_ingest_pet_suv", "false"),
    ("pet.suv_decay_guard_tol", "0.02"),
    ("pet.suv_zextent_primary_fraction", "0.90"),
    ("pet.pet_clinical_weight_window_days", "30"),
    ("aggregation.threads", "auto"),
    ("custom_structures", "custom_structures_pelvic.yaml"),
    ("qc.enabled", "true"),
];

#[test]
fn every_key_of_the_original_works_or_is_refused_with_what_replaces_it() {
    let (mut worked, mut renamed, mut refused) = (0, 0, 0);
    for (name, value) in ORIGINAL_KEYS {
        match from_text(&nested(name, value)) {
            Ok(loaded) => {
                worked += 1;
                renamed += loaded.notices.len();
                assert_eq!(loaded.origins.len(), 1, "{name} must set exactly one setting");
                let set = loaded.origins.keys().next().expect("one");
                let told = loaded.notices.iter().any(|n| n.contains(name) && n.contains(set.as_str()));
                assert_eq!(told, set != name, "{name} → {set}: {:?}", loaded.notices);
            }
            Err(e) => {
                refused += 1;
                let error = &e.0[0];
                assert!(error.message.contains("has no meaning here"), "{name}: {error}");
                assert!(error.hint.as_ref().is_some_and(|h| h.len() > 15), "{name}: {error}");
            }
        }
    }
    assert_eq!(worked + refused, ORIGINAL_KEYS.len());
    assert_eq!(renamed, 5, "workers, max_workers, segmentation.max_workers, custom_models.max_workers, use_hardlinks");
}

#[test]
fn null_in_a_key_of_the_original_is_as_if_it_were_absent() {
    let loaded =
        from_text("container_env_prefix: null\nmax_workers:\nradiomics_robustness: ~\nsegmentation:\n  device:\n")
            .expect("loads");
    assert_eq!(loaded.settings, Settings::default());
    assert_eq!(loaded.notices, Vec::<String>::new());
}

#[test]
fn unknown_key_has_position_caret_and_suggestion() {
    let e = only_error("# comment\nsegmentation:\n  devise: cpu\n");
    assert_eq!((e.line(), e.column()), (Some(3), Some(3)));
    let expected = "folder/config.yaml:3:3: unknown key `segmentation.devise`\n  |\n3 |   devise: cpu\n  |   ^^^^^^\n\
         hint: did you mean `segmentation.device`?";
    assert_eq!(e.to_string(), expected);
    assert_eq!(only_error("segmentaton:\n  device: cpu\n").hint.as_deref(), Some("did you mean `segmentation`?"));
    assert_eq!(
        only_error("radiomics:\n  roi_subset: x\n").hint.as_deref(),
        Some("did you mean `segmentation.roi_subset`?")
    );
    assert_eq!(only_error("qc:\n  enabld: true\n").hint.as_deref(), Some("did you mean `qc.enabled`?"));
    assert_eq!(only_error("zzzzzz: 1\n").hint.as_deref(), Some("`rtpipeline config default` lists every key"));
}

#[test]
fn wrong_values_have_position_and_what_is_allowed() {
    for (text, at, message) in [
        ("run:\n  workers: many\n", (2, 12), "`run.workers`: expected `auto` or a whole number, found text"),
        ("run:\n  workers: 0\n", (2, 12), "`run.workers`: 0 is not allowed: it must be at least 1"),
        ("run:\n  workers: -3\n", (2, 12), "`run.workers`: -3 is not allowed: it must be from 0 to 4294967295"),
        ("run:\n  grace: 1e9\n", (2, 10), "`run.grace`: 1000000000.0 is not allowed: it must be from 0 to 600"),
        ("run:\n  grace: fast\n", (2, 10), "`run.grace`: expected a number, found text"),
        ("segmentation:\n  fast: maybe\n", (2, 9), "`segmentation.fast`: expected true or false, found text"),
        (
            "segmentation: {device: tpu}\n",
            (1, 24),
            "`segmentation.device`: `tpu` is not allowed: it must be one of gpu, cpu, mps",
        ),
        ("dvh:\n  goals: [\"PTV V95% > 3\"]\n", (2, 10), "no colon after the structure"),
        (
            "radiomics:\n  skip_rois: [a, 3]\n",
            (2, 14),
            "`radiomics.skip_rois`: expected text (put it in quotes), found a whole number",
        ),
        (
            "radiomics:\n  min_voxels: 1.5\n",
            (2, 15),
            "`radiomics.min_voxels`: expected a whole number, found a number with a fraction",
        ),
        ("output_dir: [a]\n", (1, 13), "`output_dir`: expected a path, found a list"),
        (
            "run:\n  order: random\n",
            (2, 10),
            "`run.order`: `random` is not allowed: it must be one of fifo, random:SEED",
        ),
        ("run:\n  workers:\n    a: 1\n", (2, 3), "`run.workers`: expected `auto` or a whole number, found a mapping"),
        ("segmentation: cpu\n", (1, 15), "`segmentation` is a section: expected keys below it"),
        ("- a\n- b\n", (1, 1), "expected a mapping of keys to values"),
    ] {
        let e = only_error(text);
        assert_eq!((e.line(), e.column()), (Some(at.0), Some(at.1)), "{e}");
        assert!(e.message.contains(message), "{e}");
    }
}

#[test]
fn all_errors_are_listed_in_the_order_of_the_file() {
    let all = errors("run:\n  grace: x\n  gracee: 3\nsegmentation:\n  device: tpu\nnonsense: 1\n");
    assert_eq!(all.iter().map(|e| e.line().unwrap_or(0)).collect::<Vec<_>>(), [2, 3, 5, 6]);
    let text = ConfigErrors(all).to_string();
    assert_eq!(text.matches("config.yaml:").count(), 4);
}

#[test]
fn broken_yaml_is_an_error_with_position() {
    for (text, line) in [
        ("run:\n  workers: [1, 2\n", 3),
        ("run:\n\tworkers: 1\n", 2),
        ("run:\n  workers: 1\nrun:\n  grace: 2\n", 3),
        ("run: {}\n---\nrun: {}\n", 2),
    ] {
        let e = only_error(text);
        assert!(e.line().is_some_and(|l| l.abs_diff(line) <= 1), "{text:?}: {e}");
    }
}

#[test]
fn hostile_files_are_refused_quickly() {
    for text in [
        "[".repeat(20_000),
        "{a: ".repeat(20_000),
        format!("a: &x [1]\n{}", "b: *x\n".repeat(3)).replace("b:", "b: [*x, *x, *x]\nb2:"),
        format!("x: {}", "y".repeat(17 << 20)),
    ] {
        let e = errors(&text);
        assert!(!e.is_empty());
        assert!(e.iter().all(|e| e.to_string().len() < 2000), "messages stay short");
    }
    assert!(parse_typed::<Json>(&"[".repeat(20_000), "f").is_err());
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for c in b'b'..=b'k' {
        let before = vec![format!("*{}", (c - 1) as char); 9].join(", ");
        bomb.push_str(&format!("{0}: &{0} [{before}]\n", c as char));
    }
    assert!(parse_typed::<Json>(&bomb, "f").is_err(), "aliases do not multiply without end");
}

#[test]
fn messages_hold_no_control_characters() {
    let e = only_error("\"a\\eb\u{7f}\": 1\n");
    assert!(!e.to_string().lines().skip(1).any(|l| l.chars().any(char::is_control)), "{e:?}");
}

#[test]
fn the_old_and_the_new_name_together_are_an_error() {
    let e = only_error("workers: 2\nrun:\n  workers: 3\n");
    assert_eq!(e.message, "`run.workers` and `workers` are the same setting, and both are given");
    assert_eq!(e.line(), Some(3));
}

#[test]
fn old_values_are_converted() {
    let mode =
        |v: &str| from_text(&format!("organize:\n  use_hardlinks: {v}\n")).expect("loads").settings.organize.files;
    assert_eq!(mode("true"), FileMode::Link);
    assert_eq!(mode("false"), FileMode::Copy);
    assert_eq!(from_text("workers: auto\n").expect("loads").settings.run.workers, Auto::Auto);
    assert_eq!(
        from_text("segmentation:\n  max_workers: all\n").expect("loads").settings.run.segmentation_workers,
        Workers::All
    );
}

#[test]
fn layers_and_origins() {
    let text = "run:\n  workers: 2\n  attempts: 5\nradiomics:\n  workers: 7\n  skip_rois: [a]\n";
    let environment = env(&[("RTPIPELINE_MAX_WORKERS", "3"), ("RTPIPELINE_RADIOMICS_WORKERS", "4")]);
    let options = [
        Override::new("run.workers", "4", "--workers"),
        Override::new("radiomics.skip_rois", "b,c", "--radiomics-skip-roi"),
        Override::new("radiomics.skip_rois", "d", "--radiomics-skip-roi"),
    ];
    let loaded = Settings::load_text(Some((Path::new("c.yaml"), text)), &environment, &options).expect("loads");
    let s = &loaded.settings;
    assert_eq!(s.run.workers, Auto::Value(4));
    assert_eq!(s.run.radiomics_workers, Auto::Value(4));
    assert_eq!(s.run.attempts, 5);
    assert_eq!(s.radiomics.skip_rois, ["b", "c", "d"], "an option replaces the file; the option again adds");
    let origin = |k: &str| loaded.origin(k).to_string();
    assert_eq!(origin("run.workers"), "option --workers");
    assert_eq!(origin("radiomics.workers"), "environment RTPIPELINE_RADIOMICS_WORKERS");
    assert_eq!(origin("run.attempts"), "c.yaml:3");
    assert_eq!(origin("run.grace"), "default");
    let show = show_yaml(&loaded);
    assert!(show.lines().any(|l| l.starts_with("  workers: 4 ") && l.ends_with("# option --workers")), "{show}");
    assert_eq!(show_json(&loaded)["run.attempts"], json!({"value": 5, "origin": "c.yaml:3"}));
    let again =
        Settings::load_text(Some((Path::new(""), &show)), &Env::new(), &[]).expect("what is shown is a configuration");
    assert_eq!(again.settings, loaded.settings);
}

#[test]
fn errors_of_environment_and_options_name_their_origin() {
    let e = Settings::load(
        None,
        &env(&[("TOTALSEG_TIMEOUT", "soon")]),
        &[Override::new("run.workers", "x", "--workers"), Override::new("run.worker", "1", "--set")],
    )
    .expect_err("wrong");
    let text = e.to_string();
    assert_eq!(e.0.len(), 3);
    assert!(text.contains("environment variable TOTALSEG_TIMEOUT: expected a number, found `soon`"), "{text}");
    assert!(text.contains("option --workers: expected `auto` or a whole number, found `x`"), "{text}");
    assert!(text.contains("did you mean `run.workers`?"), "{text}");
}

#[test]
fn paths_are_relative_to_the_file_and_variables_are_not_expanded() {
    let loaded =
        from_text("dicom_root: in/x\noutput_dir: /abs\nlogs_dir: ${HOME}/logs\ncustom_structures: mine.yaml\n")
            .expect("loads");
    let run = &loaded.settings.run;
    assert_eq!(run.dicom_root, Some(PathBuf::from("folder/in/x")));
    assert_eq!(run.output_dir, PathBuf::from("/abs"));
    assert_eq!(run.logs_dir, PathBuf::from("folder/${HOME}/logs"));
    assert_eq!(loaded.settings.structures.file, StructureFile::File("folder/mine.yaml".into()));
    assert_eq!(loaded.settings.structures.portable().file, StructureFile::File(PathBuf::new()));
}

#[test]
fn files_are_looked_for_in_order() {
    let dir = tempfile::tempdir().expect("folder");
    let none = Env::new();
    assert_eq!(find_file(None, &none, dir.path()), None);
    std::fs::write(dir.path().join("config.yaml"), "").expect("file");
    assert_eq!(find_file(None, &none, dir.path()), Some(dir.path().join("config.yaml")));
    std::fs::write(dir.path().join("config.custom.yaml"), "").expect("file");
    assert_eq!(find_file(None, &none, dir.path()), Some(dir.path().join("config.custom.yaml")));
    let named = env(&[(FILE_VARIABLE, "named.yaml")]);
    assert_eq!(find_file(None, &named, dir.path()), Some("named.yaml".into()));
    assert_eq!(find_file(Some(Path::new("given.yaml")), &named, dir.path()), Some("given.yaml".into()));
    let missing = Settings::load(Some(&dir.path().join("no.yaml")), &none, &[]).expect_err("missing");
    assert!(missing.to_string().contains("there is no such file"), "{missing}");
    std::fs::write(dir.path().join("latin1.yaml"), b"run: {order: f\xefo}").expect("file");
    let latin = Settings::load(Some(&dir.path().join("latin1.yaml")), &none, &[]).expect_err("not UTF-8");
    assert!(latin.to_string().contains("not UTF-8"), "{latin}");
}

#[test]
fn config_yaml_is_the_default() {
    let file = include_str!("../../config.yaml");
    assert!(file == default_yaml(), "config.yaml differs from `rtpipeline config default`; write it anew");
    let loaded = Settings::load_text(Some((Path::new("config.yaml"), file)), &Env::new(), &[]).expect("loads");
    assert_eq!(loaded.settings, Settings::default());
    for k in keys() {
        let is_null = (k.default)().is_null();
        assert_eq!(loaded.origins.contains_key(k.key), !is_null, "{} is in the file", k.key);
    }
    let empty = from_text("").expect("an empty file is a configuration");
    assert_eq!(empty.settings, Settings::default());
}

#[test]
fn schema_lists_every_key() {
    let schema = schema();
    for k in keys() {
        let pointer = match k.key.split_once('.') {
            Some((section, leaf)) => format!("/properties/{section}/properties/{leaf}"),
            None => format!("/properties/{}", k.key),
        };
        let entry = schema.pointer(&pointer).unwrap_or_else(|| panic!("{} lacks", k.key));
        assert_eq!(entry["default"], (k.default)(), "{}", k.key);
        assert_eq!(entry["description"], json!(k.meaning));
    }
    assert_eq!(schema["additionalProperties"], json!(false));
}

#[test]
fn keys_are_sound() {
    let mut names = std::collections::BTreeSet::new();
    for k in keys() {
        assert!(names.insert(k.key), "{} twice", k.key);
        for alias in k.old {
            assert!(names.insert(alias.name), "{} twice", alias.name);
        }
        assert!(k.meaning.ends_with('.'), "{}", k.key);
        assert!(refused_keys().iter().all(|r| r.key != k.key), "{} is refused", k.key);
        assert_eq!(Settings::default().get(k.key), Some((k.default)()), "{}", k.key);
    }
}

#[test]
fn sections_go_through_json_and_refuse_unknown_fields() {
    let s = Settings::default();
    let text = serde_json::to_string(&s).expect("JSON");
    assert_eq!(serde_json::from_str::<Settings>(&text).expect("back"), s);
    assert!(
        serde_json::from_str::<DvhSettings>("{\"enabled\": true}").is_err(),
        "fields are not optional in task files"
    );
    let mut wrong = serde_json::to_value(&s.dvh).expect("JSON");
    wrong["extra"] = json!(1);
    assert!(serde_json::from_value::<DvhSettings>(wrong).is_err());
}

#[test]
fn secrets_are_never_shown() {
    let loaded = Settings::load(None, &env(&[("TOTALSEG_LICENSE", "aca_SECRET")]), &[]).expect("loads");
    assert_eq!(loaded.settings.run.totalsegmentator_license.as_ref().map(Secret::reveal), Some("aca_SECRET"));
    for text in [
        show_yaml(&loaded),
        show_json(&loaded).to_string(),
        format!("{loaded:?}"),
        serde_json::to_string(&loaded.settings).expect("JSON"),
    ] {
        assert!(!text.contains("SECRET"), "{text}");
    }
}

/// Options of the original, both generations, and whether they take a value.
const ORIGINAL_OPTIONS: &str = "--dicom-root= --outdir= --logs= --manifest= --merge-criteria= --max-days= --stage= --no-segmentation \
    --no-dvh --no-visualize --no-radiomics --force-segmentation --force-redo --course-filter= --max-workers= --seg-workers= \
    --custom-model-workers= --task-timeout= --totalseg-timeout= --dcm2niix-timeout= --radiomics-task-timeout= --totalseg= \
    --totalseg-license= --totalseg-weights= --extra-seg-models= --totalseg-fast --totalseg-roi-subset= --totalseg-device= \
    --totalseg-nr-thr-resamp= --totalseg-nr-thr-saving= --totalseg-num-proc-pre= --totalseg-num-proc-export= \
    --totalseg-force-split --no-totalseg-force-split --totalseg-allow-fallback --seg-temp-dir= --custom-models-root= \
    --custom-model= --custom-model-only= --force-custom-models --custom-model-conda-activate= --nnunet-predict= \
    --purge-custom-model-weights --custom-structures= --conda-activate= --dcm2niix= --radiomics-params= --radiomics-params-mr= \
    --sequential-radiomics --radiomics-skip-roi= --radiomics-max-voxels= --radiomics-min-voxels= --no-metadata --verbose \
    --workers= --seg-proc-threads= --radiomics-proc-threads=";

#[test]
fn every_option_of_the_original_works_or_is_refused() {
    for word in ORIGINAL_OPTIONS.split_whitespace() {
        let (name, takes_value) = word.strip_suffix('=').map_or((word, false), |n| (n, true));
        let row = option_table()
            .iter()
            .find(|r| r.command == Command::Run && r.option == name)
            .unwrap_or_else(|| panic!("{name} lacks"));
        assert!(row.original, "{name}");
        assert_eq!(matches!(row.takes, Takes::Value(_)), takes_value, "{name}");
        if let Binding::Refused(instead) = row.binding {
            assert!(instead.len() > 20, "{name}");
            assert!(assignments(name, "x").is_err_and(|m| m.contains(instead)), "{name}");
            continue;
        }
        let sample = |set: &Override| key(&set.key).map(other_value).map(|(_, text, _)| text);
        let named = assignments(name, "x").expect(name);
        for set in named {
            let k = key(&set.key).unwrap_or_else(|| panic!("{name}: no setting {}", set.key));
            let value = if set.value == "x" { sample(&set).expect("value") } else { set.value.clone() };
            let loaded = Settings::load(None, &Env::new(), &[Override { value, ..set.clone() }])
                .unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(loaded.origin(k.key), Origin::Option(name.into()));
        }
    }
}

#[test]
fn options_are_sound() {
    let mut seen = std::collections::BTreeSet::new();
    for row in option_table() {
        let command = match row.command {
            Command::Run => "run",
            Command::Sub(name) => name,
        };
        assert!(seen.insert((command, row.option)), "{command} {} twice", row.option);
        let keys: &[&str] = match &row.binding {
            Binding::Set(k) | Binding::Fixed(k, _) => &[k],
            Binding::SetAndEnable(a, b) => &[a, b],
            Binding::Same(other) => {
                assert!(option_table().iter().any(|r| r.command == row.command && r.option == *other));
                &[]
            }
            _ => &[],
        };
        assert!(keys.iter().all(|k| key(k).is_some()), "{}: {keys:?}", row.option);
        if let Binding::Fixed(k, v) = row.binding {
            Settings::load(None, &Env::new(), &[Override::new(k, v, row.option)]).expect(row.option);
        }
    }
    assert_eq!(assignments("--custom-model-only", "m").expect("known")[1].key, "custom_models.enabled");
    assert!(assignments("--nonsense", "").is_err());
}

#[test]
fn goals_are_read_and_written() {
    for (text, back) in [
        ("PTV*: V95% >= 95 %", "PTV*: V95% >= 95 %"),
        ("PTV*: V95% >= 95", "PTV*: V95% >= 95 %"),
        ("SpinalCord:D0.03cc<=45Gy", "SpinalCord: D0.03cc <= 45 Gy"),
        ("Lung: V20Gy < 30%", "Lung: V20Gy < 30 %"),
        ("Heart: Dmean <= 10", "Heart: Dmean <= 10 Gy"),
        ("a:b: D98% > 90 %", "a:b: D98% > 90 %"),
        ("Liver: Volume > 700 cc", "Liver: Volume > 700 cc"),
    ] {
        let goal: Goal = text.parse().expect(text);
        assert_eq!(goal.to_string(), back);
        assert_eq!(back.parse::<Goal>().expect(back), goal);
    }
    for wrong in [
        "PTV V95% >= 95",
        ": V95% > 1",
        "PTV: V95%",
        "PTV: X5 > 1",
        "PTV: D101% > 1",
        "PTV: V20Gy > 3 Gy",
        "PTV: Dmean > 3 cc",
        "PTV: Dmean > -3",
        "PTV: Dmean > NaN",
        "PTV: V > 1",
        "PTV: D > 1",
    ] {
        assert!(wrong.parse::<Goal>().is_err(), "{wrong}");
    }
    let applies =
        |pattern: &str, name: &str| format!("{pattern}: Dmean > 1").parse::<Goal>().expect(pattern).applies_to(name);
    for (pattern, name) in [
        ("PTV*", "ptv_60"),
        ("*", "x"),
        ("lung*l*", "Lung_L"),
        ("PTV", " PTV "),
        ("*cord", "SpinalCord"),
        ("a*a", "aa"),
    ] {
        assert!(applies(pattern, name), "{pattern} {name}");
    }
    for (pattern, name) in [("PTV*", "xPTV"), ("PTV", "PTV1"), ("*cord", "cord1"), ("a*b*a", "aa"), ("a*a", "a")] {
        assert!(!applies(pattern, name), "{pattern} {name}");
    }
    assert!(Relation::AtMost.holds(45.0, 45.0) && !Relation::Less.holds(45.0, 45.0));
    assert!(Relation::AtLeast.holds(45.0, 45.0) && !Relation::Greater.holds(45.0, 45.0));
}

#[test]
fn typed_files_name_the_nearest_field() {
    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Shape {
        name: String,
        #[serde(default)]
        margin_mm: f64,
    }
    let shapes: Vec<Shape> = parse_typed("- name: a\n  margin_mm: 3\n", "s.yaml").expect("reads");
    assert_eq!(shapes[0].margin_mm, 3.0);
    let e = parse_typed::<Vec<Shape>>("- name: a\n  margin_m: 3\n", "s.yaml").expect_err("unknown field");
    assert_eq!((e.line(), e.column()), (Some(2), Some(3)), "{e}");
    assert_eq!(e.hint.as_deref(), Some("did you mean `margin_mm`?"), "{e}");
    assert!(e.to_string().contains("2 |   margin_m: 3\n  |   ^^^^^^^^\n"), "{e}");
    let e = parse_typed::<Vec<Shape>>("- name: a\n  margin_mm: wide\n", "s.yaml").expect_err("wrong type");
    assert_eq!((e.line(), e.column()), (Some(2), Some(14)), "{e}");
    let e = parse_typed::<Vec<Shape>>("- margin_mm: 1\n", "s.yaml").expect_err("missing field");
    assert!(e.message.contains("name"), "{e}");
}
