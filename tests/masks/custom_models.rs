//! Custom models and their programs.

use crate::support::*;
use rtpipeline::course::{Catalogue, Shape, Structure, source};
use rtpipeline::stages::segmentation_custom::{LoadedModel, SegmentationCustom, load_models, parse_model};
use rtpipeline_engine::{FailureKind, Policy};
use rtpipeline_geometry::{Grid, Volume};
use std::path::Path;
use std::time::Duration;

const MODEL: &str = "
name: heart
nnunet:
  interface: nnunetv2
  folds: [0, 1]
  env: {nnUNet_results: ./nnUNet_results, EXTRA: 7}
  networks:
    - id: 603
      alias: small
      archive: model603.zip
      trainer: nnUNetTrainerX
      predict_args: [--disable_tta]
      label_order: [Valve, Artery]
    - id: \"605\"
      dataset_directory: Dataset605_Large
      label_order: [Atrium]
  combine:
    ordered_networks: [small, 605]
";

fn grid() -> Grid {
    Grid::axis_aligned([32, 40, 20], [-31.0, -39.0, 10.0], [2.0, 2.0, 3.0])
}

fn world() -> World {
    let mut w = World::new(&Volume::filled(grid(), 0.0_f32));
    w.host.insert("nnunet_predict".into(), stand_in("nnUNetv2_predict"));
    w.host.insert("device".into(), "gpu".into());
    let small = label_blocks(
        &grid(),
        &[(1, [-21.0, -11.0, 22.0], [-1.0, 9.0, 40.0]), (2, [-1.0, -11.0, 22.0], [19.0, 9.0, 40.0])],
    );
    let large = label_blocks(&grid(), &[(1, [9.0, -11.0, 22.0], [25.0, 9.0, 40.0])]);
    w.labels("STANDIN_LABELS_603", &small);
    w.labels("STANDIN_LABELS_605", &large);
    for dir in [
        "Dataset603_Small/nnUNetTrainerX__nnUNetPlans__3d_fullres",
        "Dataset605_Large/nnUNetTrainer__nnUNetPlans__3d_fullres",
    ] {
        let at = w.path("models/heart/nnUNet_results").join(dir);
        std::fs::create_dir_all(at.join("fold_0")).unwrap();
        for f in ["plans.json", "dataset.json", "fold_0/checkpoint_final.pth"] {
            std::fs::write(at.join(f), "x").unwrap();
        }
    }
    w
}

fn stage(w: &World, text: &str) -> SegmentationCustom {
    let model = parse_model(text, "custom_model.yaml").unwrap();
    let policy = Policy { host: w.host.clone(), ..Policy::default() };
    SegmentationCustom::with(vec![LoadedModel { folder: "heart".into(), model }], policy).unwrap()
}

#[test]
fn two_networks_become_one_label_map() {
    let w = world();
    let s = stage(&w, MODEL);
    let unit = w.plan(&s).unwrap().remove(0);
    assert_eq!(unit.part.as_deref(), Some("heart"));
    let weights: Vec<String> = unit.inputs.iter().filter(|i| i.role == "weights").map(|i| i.path.to_string()).collect();
    assert_eq!(
        weights,
        [
            "models:heart/nnUNet_results/Dataset603_Small/nnUNetTrainerX__nnUNetPlans__3d_fullres",
            "models:heart/nnUNet_results/Dataset605_Large/nnUNetTrainer__nnUNetPlans__3d_fullres"
        ]
    );
    w.run(&s).unwrap();
    let first = w.call(1);
    assert!(
        first[0].ends_with("-d 603 -c 3d_fullres -f 0 1 -tr nnUNetTrainerX -device cuda --disable_tta"),
        "{}",
        first[0]
    );
    assert!(w.call(2)[0].contains("-d 605 -c 3d_fullres -f 0 1 -device cuda"), "{}", w.call(2)[0]);
    assert!(first.iter().any(|l| l == "EXTRA=7") && first.iter().any(|l| l == "OMP_NUM_THREADS=2"));
    let results = first.iter().find_map(|l| l.strip_prefix("nnUNet_results=")).unwrap();
    assert!(results.ends_with("models/heart/nnUNet_results"), "{results}");

    let c = w.catalogue("custom_heart");
    let names: Vec<(i32, &str)> = c.structures.iter().map(|s| (s.number, s.name.as_str())).collect();
    assert_eq!(names, [(1, "Valve"), (2, "Artery"), (3, "Atrium")]);
    assert!(c.structures.iter().all(|s| s.source == "CustomModel:heart"));
    let map = rtpipeline_volume_io::read_labels(&w.out("Segmentation_CustomModels/heart/heart.nii.gz")).unwrap();
    let at = |x: f64| {
        let i = map.grid.index([x, 0.0, 31.0]).map(|v| v.round() as usize);
        map.data[[i[2], i[1], i[0]]]
    };
    // Both lie at x = 11 mm: the later network has it.
    assert_eq!([at(-11.0), at(3.0), at(11.0), at(23.0), at(29.0)], [1, 2, 3, 3, 0]);
    assert!(w.out("Segmentation_CustomModels/heart/rtstruct.dcm").is_file());
}

#[test]
fn failures_of_the_program_are_told_apart() {
    for (mode, kind, word) in [
        ("oom", FailureKind::Resources, "out of memory"),
        ("hang", FailureKind::Resources, "time limit"),
        ("partial", FailureKind::Program, "cannot be read"),
        ("nothing", FailureKind::Program, "missing"),
    ] {
        let mut w = world();
        w.env.insert("STANDIN_MODE".into(), mode.into());
        if mode == "hang" {
            w.time_limit = Some(Duration::from_millis(500));
        }
        let e = w.fail(&stage(&w, MODEL));
        assert_eq!(e.kind, kind, "{mode}: {e}");
        assert!(e.message.to_lowercase().contains(word), "{mode}: {e}");
        assert!(e.message.contains("heart") && e.message.contains("small"), "{e}");
        assert!(!w.path("record/late").exists());
    }
}

#[test]
fn missing_weights_name_the_archive_and_too_many_labels_the_order() {
    let w = world();
    std::fs::remove_dir_all(w.path("models/heart/nnUNet_results/Dataset603_Small")).unwrap();
    let e = w.fail(&stage(&w, MODEL));
    assert_eq!(e.kind, FailureKind::Config);
    assert!(e.message.contains("Dataset603_") && e.hints[0].contains("model603.zip"), "{e} {:?}", e.hints);
    assert_eq!(w.calls(), 0);

    let mut w = world();
    let labels = label_blocks(&grid(), &[(3, [-21.0, -11.0, 22.0], [-1.0, 9.0, 40.0])]);
    w.labels("STANDIN_LABELS_603", &labels);
    let e = w.fail(&stage(&w, MODEL));
    assert!(e.message.contains("label 3") && e.message.contains("2 names"), "{e}");
}

#[test]
fn a_model_for_another_part_of_the_body_is_not_run() {
    let gated =
        MODEL.replace("name: heart\n", "name: heart\nrequired_body_regions: [THORAX]\nmin_region_confidence: 0.6\n");
    let w = world();
    let reason = |w: &World| {
        w.run(&stage(w, &gated)).unwrap();
        let c = w.catalogue("custom_heart");
        assert!(c.structures.is_empty());
        assert_eq!(c.not_made.len(), 3);
        c.not_made[0].1.clone()
    };
    assert!(reason(&w).contains("no automatic structures"), "{}", reason(&w));

    // Two of three vertebrae and no organ: 0.47.
    let vertebra = |value: u8, z: f64| (value, [-10.0, 10.0, z], [10.0, 30.0, z + 5.0]);
    let put = |w: &World, labels: &Volume<u8>, names: &[(u32, &str)]| {
        let file: rtpipeline_engine::RootedPath = "out:P1/2024-01/seg.nii.gz".parse().unwrap();
        w.put(&file, &rtpipeline_volume_io::nifti_bytes(labels, "", true).unwrap());
        let structures = names
            .iter()
            .map(|(value, name)| Structure {
                number: *value as i32,
                name: (*name).into(),
                original_name: (*name).into(),
                source: source::totalsegmentator("total"),
                shape: Shape::Label { file: file.clone(), value: *value },
                image_id: Some("CT1".into()),
                structure_set_uid: None,
                color: None,
                interpreted_type: String::new(),
                cropped: false,
                missing_parts: Vec::new(),
                contour_count: None,
            })
            .collect();
        let c = Catalogue { structures, ..Catalogue::default() };
        w.put(&paths().catalogue_of("segmentation_CT1"), &serde_json::to_vec(&c).unwrap());
    };
    let names = [(41u32, "vertebrae_T1"), (40, "vertebrae_T2"), (39, "vertebrae_T3")];
    put(&w, &label_blocks(&grid(), &[vertebra(41, 40.0), vertebra(40, 30.0)]), &names);
    assert!(reason(&w).contains("Thorax 0.47"), "{}", reason(&w));
    assert_eq!(w.calls(), 0);
    put(&w, &label_blocks(&grid(), &[vertebra(41, 40.0), vertebra(40, 30.0), vertebra(39, 20.0)]), &names);
    w.run(&stage(&w, &gated)).unwrap();
    assert_eq!(w.catalogue("custom_heart").structures.len(), 3);
}

#[test]
fn every_key_of_the_original_is_read() {
    let all = r"
name: m
summary: words
enabled: false
required_regions: [HEAD_NECK]
min_region_confidence: 0.4
nnunet:
  interface: nnunetv1
  command: nnUNet_predict --verbose
  model: 2d
  folds: all
  env: {A: b}
  networks:
    - {dataset: Task1, name: a, weights: w.zip, checkpoint_path: model_best.model, dataset_dir: d, source_dir: s,
       structures: [X], env: {B: 1.5}, model: 2d, trainer: T, cascade_trainer: C, plans: P, folds: 0, task: Task1,
       extra_args: [--x, 3], prompt: {source: s, model: m, structure: t, margin_voxels: 4},
       postprocessing: {confine_to_lung_mask: true, min_component_volume_cm3: 1, anchor_source: specialist_reference,
         anchor_max_distance_cm: 4, anchor_glob: g, dice_reference_glob: h, anchor_manifest_path: i}}
    - {id: 2, architecture: 3d_fullres, archive: w.zip, checkpoint: c, dataset_directory: d, source_directory: s,
       labels: [X], predict_args: []}
  combine: {order: [a]}
  ensemble: {command: nnUNet_ensemble, inputs: [a, 2], postprocessing_json: p.json, label_order: [X]}
";
    let m = parse_model(all, "m.yaml").unwrap();
    assert!(!m.enabled && m.nnunet.networks.len() == 2);
    let e = parse_model(&all.replace("trainer: T", "triner: T"), "m.yaml").unwrap_err();
    assert!(e.contains("triner") && e.contains("m.yaml:"), "{e}");
    for (change, word) in [
        (("interface: nnunetv2", "interface: medsam_boxprompt"), "medsam_boxprompt is not supported"),
        (("ordered_networks: [small, 605]", "ordered_networks: [big]"), "`big`"),
        (("label_order: [Atrium]", "label_order: [Atrium, Atrium]"), "label_order"),
        (("name: heart", "name: ../heart"), "folder name"),
    ] {
        let model = parse_model(&MODEL.replace(change.0, change.1), "m.yaml").unwrap();
        let e = model.check().unwrap_err();
        assert!(e.contains(word), "{e}");
    }
}

#[test]
fn the_models_that_come_with_the_program_are_right_and_disabled() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("custom_models");
    let models = load_models(&root).unwrap();
    assert_eq!(models.iter().map(|m| m.folder.as_str()).collect::<Vec<_>>(), ["HN_lymph_nodes", "cardiac_STOPSTORM"]);
    for m in &models {
        assert!(!m.model.enabled);
        assert_eq!(m.model.check(), Ok(()));
    }
    assert_eq!(models[0].model.structures().len(), 20);
    assert_eq!(models[1].model.structures().len(), 16);
    // Folders that start with an underscore are no models.
    let d = tempfile::tempdir().unwrap();
    for name in ["_off", "on"] {
        std::fs::create_dir(d.path().join(name)).unwrap();
        std::fs::write(d.path().join(name).join("custom_model.yaml"), MODEL).unwrap();
    }
    assert_eq!(load_models(d.path()).unwrap().len(), 1);
}
