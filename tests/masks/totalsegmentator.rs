//! The driver of TotalSegmentator.

use crate::support::*;
use rtpipeline::course::Shape;
use rtpipeline::stages::segmentation::{Engine, Segmentation, SegmentationSettings};
use rtpipeline_dicom::rtstruct::read_structure_set;
use rtpipeline_engine::{FailureKind, Policy, Stage};
use rtpipeline_geometry::{Grid, PlaneStack, StackOptions, Volume};
use std::time::{Duration, Instant};

fn grid() -> Grid {
    Grid::axis_aligned([32, 40, 20], [-31.0, -39.0, 10.0], [2.0, 2.0, 3.0])
}

fn world() -> World {
    let mut w = World::new(&Volume::filled(grid(), 0.0_f32));
    w.host.insert("totalsegmentator".into(), stand_in("TotalSegmentator"));
    w.host.insert("device".into(), "gpu".into());
    // Liver reaches the last row; both kidneys on their sides (LPS: left is +x).
    let labels = label_blocks(
        &grid(),
        &[
            (5, [-21.0, -1.0, 20.0], [5.0, 39.0, 40.0]),
            (2, [-25.0, -25.0, 25.0], [-15.0, -15.0, 37.0]),
            (3, [15.0, -25.0, 25.0], [25.0, -15.0, 37.0]),
        ],
    );
    w.labels("STANDIN_LABELS", &labels);
    w
}

fn stage(w: &World, change: impl FnOnce(&mut SegmentationSettings)) -> Segmentation {
    let mut settings = SegmentationSettings { engine: Engine::TotalSegmentator, ..Default::default() };
    change(&mut settings);
    Segmentation::with(settings, Policy { host: w.host.clone(), env: w.env.clone(), ..Policy::default() })
}

#[test]
fn one_label_map_in_everything_else_written_here() {
    let mut w = world();
    w.env.insert("CUDA_VISIBLE_DEVICES".into(), "3".into());
    let s = stage(&w, |_| {});
    assert_eq!(w.plan(&s).unwrap()[0].resources.gpus, 1);
    let out = w.run(&s).unwrap().remove(0);
    assert!(out.failures.is_empty());

    let call = w.call(1);
    assert!(call[0].starts_with("-i "), "{}", call[0]);
    assert!(call[0].ends_with("--ml -ta total -d gpu -nr 1 -ns 1 -q"), "{}", call[0]);
    for line in ["OMP_NUM_THREADS=2", "nnUNet_def_n_proc=2", "CUDA_VISIBLE_DEVICES=3", "TOTALSEG_WEIGHTS_PATH=/weights"]
    {
        assert!(call.iter().any(|l| l == line), "{line} is missing");
    }
    let home = call.iter().find_map(|l| l.strip_prefix("TOTALSEG_HOME_DIR=")).unwrap();
    assert!(home.contains("/work"), "{home} is not private");

    let c = w.catalogue("segmentation_CT1");
    let names: Vec<(i32, &str, bool)> = c.structures.iter().map(|s| (s.number, s.name.as_str(), s.cropped)).collect();
    assert_eq!(names, [(2, "kidney_right", false), (3, "kidney_left", false), (5, "liver", true)]);
    assert!(c.structures.iter().all(|s| s.source == "AutoTotalSegmentator:total"));
    let Shape::Label { file, value } = &c.structures[2].shape else { panic!("no label map") };
    assert_eq!((file.rel(), *value), ("P1/2024-01/Segmentation_TotalSegmentator/CT1/CT1--total.nii.gz", 5));
    assert!(w.out("Segmentation_TotalSegmentator/CT1/manifest.json").is_file());

    // D8, D9: the structure set of a 32 × 40 image gives every voxel of the mask back.
    let set = read_structure_set(&w.out("RS_auto.dcm")).unwrap();
    assert_eq!(set.rois.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["kidney_right", "kidney_left", "liver"]);
    let map = rtpipeline_volume_io::read_labels(&w.roots().resolve(file).unwrap()).unwrap();
    for (roi, label) in set.rois.iter().zip([2u32, 3, 5]) {
        let stack = PlaneStack::from_contours(&roi.contours, &StackOptions::default()).unwrap();
        let back = stack.mask(&grid());
        let same = back.values().iter().zip(map.values()).all(|(&m, &l)| (m != 0) == (l == label));
        assert!(same, "{} changed on the way through the structure set", roi.name);
    }
    assert!(!set.rois[0].referenced_image_uids.is_empty());
}

#[test]
fn settings_that_decide_results_are_in_the_task_and_the_device_is_not() {
    let mut w = world();
    let text = |w: &World, s: &Segmentation| serde_json::to_string(&w.plan(s).unwrap()[0].task).unwrap();
    let plain = text(&w, &stage(&w, |_| {}));
    for (n, change) in [
        (|s: &mut SegmentationSettings| s.fast = true) as fn(&mut SegmentationSettings),
        |s| s.roi_subset = vec!["liver".into()],
        |s| s.extra_models = vec!["body".into()],
        |s| s.force_split = false,
    ]
    .into_iter()
    .enumerate()
    {
        assert_ne!(plain, text(&w, &stage(&w, change)), "change {n}");
    }
    w.host.insert("device".into(), "cpu".into());
    assert_eq!(plain, text(&w, &stage(&w, |_| {})));
    let s = stage(&w, |s| (s.fast, s.roi_subset) = (true, vec!["liver".into(), "spleen".into()]));
    w.run(&s).unwrap();
    assert!(w.call(1)[0].contains("-d cpu --fast --roi_subset liver spleen -nr"), "{}", w.call(1)[0]);
    assert!(w.call(1).iter().any(|l| l == "CUDA_VISIBLE_DEVICES=-1"));
}

#[test]
fn memory_on_the_gpu_is_a_matter_of_resources() {
    let mut w = world();
    w.env.insert("STANDIN_MODE".into(), "oom".into());
    let e = w.fail(&stage(&w, |_| {}));
    assert_eq!(e.kind, FailureKind::Resources, "{e}");
    assert!(e.is_memory() && e.message.contains("total"), "{e}");
    assert_eq!(w.calls(), 1);
}

#[test]
fn the_cpu_is_tried_once_when_allowed_and_the_record_says_so() {
    let mut w = world();
    w.env.insert("STANDIN_MODE".into(), "oom_on_gpu".into());
    let out = w.run(&stage(&w, |s| s.allow_fallback = true)).unwrap().remove(0);
    assert_eq!(w.calls(), 2);
    assert!(w.call(2)[0].contains("-d cpu"));
    assert_eq!(out.facts["total_device"], "cpu");
    assert!(out.facts["total_fallback_reason"].as_str().unwrap().contains("CUDA out of memory"));
    assert!(w.catalogue("segmentation_CT1").findings.iter().any(|f| f.code == "segmentation.cpu_fallback"));
    // On the CPU already: no second call.
    let mut w = world();
    w.env.insert("STANDIN_MODE".into(), "oom".into());
    w.host.insert("device".into(), "cpu".into());
    w.fail(&stage(&w, |s| s.allow_fallback = true));
    assert_eq!(w.calls(), 1);
}

#[test]
fn a_hang_ends_with_the_time_limit_and_leaves_nobody_behind() {
    let mut w = world();
    w.env.insert("STANDIN_MODE".into(), "hang".into());
    w.time_limit = Some(Duration::from_millis(800));
    let started = Instant::now();
    let e = w.fail(&stage(&w, |_| {}));
    assert_eq!(e.kind, FailureKind::Resources, "{e}");
    assert!(e.message.contains("time limit"), "{e}");
    assert!(started.elapsed() < Duration::from_mins(1), "not ended by the limit");
    assert!(!w.path("record/late").exists());
}

#[test]
fn an_exit_without_an_error_is_not_believed() {
    for (mode, word) in [("partial", "cannot be read"), ("nothing", "missing")] {
        let mut w = world();
        w.env.insert("STANDIN_MODE".into(), mode.into());
        let e = w.fail(&stage(&w, |_| {}));
        assert_eq!(e.kind, FailureKind::Program, "{mode}: {e}");
        assert!(e.message.contains(word), "{mode}: {e}");
    }
    // Another grid, a label that the task has not, nothing found at all.
    let moved = Grid { origin: [-31.0, -39.0, 10.01], ..grid() };
    for (labels, word) in [
        (label_blocks(&moved, &[(5, [-21.0, -1.0, 20.0], [5.0, 39.0, 40.0])]), "image has"),
        (label_blocks(&grid(), &[(250, [-21.0, -1.0, 20.0], [5.0, 39.0, 40.0])]), "label 250"),
        (label_blocks(&grid(), &[]), "found nothing"),
    ] {
        let mut w = world();
        w.labels("STANDIN_LABELS", &labels);
        let e = w.fail(&stage(&w, |_| {}));
        assert_eq!(e.kind, FailureKind::Program, "{word}: {e}");
        assert!(e.message.contains(word), "{word}: {e}");
    }
}

#[test]
fn an_extra_task_fails_by_itself() {
    let mut w = world();
    w.env.insert("STANDIN_MODE".into(), "licence".into());
    w.env.insert("STANDIN_TASK".into(), "tissue_types".into());
    let out = w.run(&stage(&w, |s| s.extra_models = vec!["tissue_types".into(), "body_mr".into()])).unwrap().remove(0);
    assert_eq!(out.failures.len(), 1);
    assert_eq!(out.failures[0].part, "tissue_types");
    assert!(out.failures[0].error.hints.iter().any(|h| h.contains("segmentation.license")), "{:?}", out.failures);
    assert_eq!(w.catalogue("segmentation_CT1").structures.len(), 3);
    assert_eq!(w.calls(), 2, "MR tasks are not run on CT");
}

#[test]
fn auto_takes_the_program_only_where_it_is() {
    let mut w = world();
    let kind = |w: &World| {
        let s = stage(w, |s| s.engine = Engine::Auto);
        serde_json::to_value(&w.plan(&s).unwrap()[0].task).unwrap()["method"].clone()
    };
    assert!(kind(&w).get("total_segmentator").is_some(), "{}", kind(&w));
    w.host.insert("totalsegmentator".into(), "no-such-program-here".into());
    assert_eq!(kind(&w), "classical");
    assert!(w.plan(&stage(&w, |s| s.engine = Engine::None)).unwrap().is_empty());
    let wrong = stage(&w, |s| s.extra_models = vec!["totall".into()]);
    let e = w.plan(&wrong).unwrap_err();
    assert_eq!((e.kind, wrong.name()), (FailureKind::Config, "segmentation"));
    assert!(e.message.contains("nearest is `total`"), "{e}");
    // Asked for and not there.
    let e = w.fail(&stage(&w, |_| {}));
    assert_eq!(e.kind, FailureKind::Program);
    assert!(e.message.contains("cannot be started"), "{e}");
}
