//! Driving TotalSegmentator: one call per task, one label map in, everything else written by ourselves.

use super::command::{TotalSegTaskOptions, arguments, environment, home_config, user_home, weights_folder};
use super::output::{Collector, Made};
use super::{HOST_DEVICE, HOST_PROGRAM, HOST_RESAMPLE_THREADS, HOST_SAVE_THREADS, HOST_TEMP, SegmentationTask};
use crate::course::label_maps::registry::{has_fast, names_in_extension, tasks};
use crate::course::label_maps::{LabelCensus, LabelName, read_program_labels, rois_of_labels};
use crate::course::{Finding, Level, source};
use rtpipeline_engine::program::{ProgramReport, ProgramSpec, run_program};
use rtpipeline_engine::{FailureKind, UnitContext, UnitError};
use rtpipeline_geometry::{Grid, Volume};
use std::collections::BTreeMap;
use std::path::PathBuf;

const PROGRAM: &str = "TotalSegmentator";

/// Segments one image with every task. The first task decides about the unit; later ones fail by themselves.
pub(super) fn run(
    cx: &UnitContext,
    task: &SegmentationTask,
    options: &TotalSegTaskOptions,
    out: &mut Collector<'_>,
) -> Result<(), UnitError> {
    out.fact("engine", "totalsegmentator");
    let grid = image_grid(cx, task)?;
    // The tool's reader refuses axes that are not at right angles.
    if !grid.is_orthogonal(1e-3) {
        return Err(UnitError::data(format!(
            "image {} has sheared axes (a tilted gantry), which TotalSegmentator cannot read",
            task.image.id
        ))
        .hint("resample the series to a regular grid, or set segmentation.engine to classical or none"));
    }
    for (n, name) in options.tasks.iter().enumerate() {
        match one_task(cx, task, options, name, &grid, out) {
            Ok(()) => {}
            Err(error) if n == 0 || error.kind == FailureKind::Interrupted => return Err(error),
            Err(error) => out.failed(name, error),
        }
    }
    Ok(())
}

fn image_grid(cx: &UnitContext, task: &SegmentationTask) -> Result<Grid, UnitError> {
    // The file, not the manifest, is what the tool reads.
    let file = rtpipeline_volume_io::read(&cx.resolve(&task.nifti)?)
        .map_err(|e| UnitError::data(format!("{}: {e}", task.nifti)))?;
    Ok(file.data.grid().clone())
}

fn one_task(
    cx: &UnitContext,
    task: &SegmentationTask,
    options: &TotalSegTaskOptions,
    name: &str,
    grid: &Grid,
    out: &mut Collector<'_>,
) -> Result<(), UnitError> {
    let asked = device(cx);
    let mut used = asked.clone();
    let mut result = call(cx, task, options, name, grid, &asked);
    if let Err(error) = &result
        && options.allow_fallback
        && asked != "cpu"
        && may_help(error)
    {
        tracing::warn!(unit = %cx.id, "{name} failed on {asked}, trying the CPU: {error}");
        out.finding(
            Finding::new(
                Level::Note,
                "segmentation.cpu_fallback",
                format!("TotalSegmentator failed on the GPU for {name} and was repeated on the CPU."),
                "The result is the same; it took longer.",
            )
            .about(task.image.id.clone()),
        );
        out.fact(&format!("{name}_fallback_reason"), error.message.clone());
        "cpu".clone_into(&mut used);
        result = call(cx, task, options, name, grid, "cpu");
    }
    let (path, report) = result?;
    if report.tail.contains("No GPU detected") || report.tail.contains("running on the CPU") {
        "cpu".clone_into(&mut used);
    }
    out.fact(&format!("{name}_device"), used);
    out.fact(&format!("{name}_fast"), options.fast && has_fast(name));

    let (labels, file) = read_program_labels(&path, grid, PROGRAM)?;
    let names = label_names(name, &labels, &file.extensions)?;
    let source = source::totalsegmentator(name);
    let counts =
        out.label_map(cx, &Made { model: name, source: source.clone(), labels: &labels, names: &names, offset: 0 })?;
    if counts.is_empty() {
        let text = format!("TotalSegmentator found nothing with the task {name}");
        if name.starts_with("total") {
            return Err(UnitError::new(FailureKind::Program, format!("{text} on {}", task.image.id)).hint(
                "the image may be empty, of a part of the body that is not in the subset, or not in HU; look at it",
            ));
        }
        out.finding(
            Finding::new(
                Level::Note,
                "segmentation.empty",
                format!("{text}."),
                "There are no structures of this task.",
            )
            .about(task.image.id.clone()),
        );
    }
    if let Some(finding) = side_finding(name, &names, &counts, &task.image.id) {
        out.finding(finding);
    }
    let structures = out.of_source(&source);
    if !structures.is_empty() {
        let main = options.tasks.first().is_some_and(|t| t == name);
        out.structure_set(cx, name, main, rois_of_labels(&labels, &counts, &structures))?;
    }
    // Label maps of the tool are large; the attempt's folder need not keep them.
    let _ = std::fs::remove_file(&path);
    Ok(())
}

/// The device asked for, as the tool spells it.
fn device(cx: &UnitContext) -> String {
    cx.host.get(HOST_DEVICE).filter(|d| !d.is_empty()).cloned().unwrap_or_else(|| "gpu".to_owned())
}

/// Failures that the CPU may not have.
fn may_help(error: &UnitError) -> bool {
    let text = error.message.to_lowercase();
    let gpu_words = ["cuda", "cudnn", "cublas", "gpu", "nvidia", "out of memory"];
    matches!(error.kind, FailureKind::Resources | FailureKind::Program | FailureKind::Crash)
        && gpu_words.iter().any(|w| text.contains(w))
}

/// One call; returns the label map's path.
fn call(
    cx: &UnitContext,
    task: &SegmentationTask,
    options: &TotalSegTaskOptions,
    name: &str,
    grid: &Grid,
    device: &str,
) -> Result<(PathBuf, ProgramReport), UnitError> {
    let program = cx.host.get(HOST_PROGRAM).filter(|p| !p.is_empty()).map_or(PROGRAM, String::as_str);
    let image = cx.resolve(&task.nifti)?;
    let output = cx.work_file(&format!("totalseg/{name}.nii.gz"))?;
    if output.exists() {
        std::fs::remove_file(&output)?;
    }
    let home = cx.work.join("totalseg_home");
    // A folder of the user's choice is shared: the attempt gets one of its own there.
    let tmp = match cx.host.get(HOST_TEMP).filter(|t| !t.is_empty()) {
        Some(dir) => PathBuf::from(dir).join(cx.work.file_name().unwrap_or_default()),
        None => cx.work.join("tmp"),
    };
    std::fs::create_dir_all(&home)?;
    std::fs::create_dir_all(&tmp)?;
    let env = |key: &str| cx.env.get(key).cloned().or_else(|| std::env::var(key).ok()).filter(|v| !v.is_empty());
    let config =
        serde_json::to_vec(&home_config(licence(&env).as_deref())).map_err(|e| UnitError::bug(e.to_string()))?;
    std::fs::write(home.join("config.json"), config)?;
    let weights = weights_folder(&env);
    let threads = [HOST_RESAMPLE_THREADS, HOST_SAVE_THREADS]
        .map(|key| cx.host.get(key).and_then(|v| v.parse().ok()).unwrap_or(1));
    let args = arguments(options, name, &image, grid, &output, device, threads);
    let mut spec = ProgramSpec::new(program, args);
    spec.env = environment(&cx.env, &env, weights.as_deref(), &home, &tmp, device, cx.threads);
    let result = run_program(cx, &spec).map_err(|e| explain(e, name));
    let _ = std::fs::remove_dir_all(&tmp);
    Ok((output, result?))
}

/// The licence number: that of the environment, else that of the user's own settings of the tool.
fn licence(env: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    env("TOTALSEG_LICENSE").or_else(|| {
        let text = std::fs::read(user_home(env)?.join("config.json")).ok()?;
        let config: serde_json::Value = serde_json::from_slice(&text).ok()?;
        config.get("license_number")?.as_str().filter(|v| !v.is_empty()).map(str::to_owned)
    })
}

/// Adds what is known of the tool's messages.
fn explain(error: UnitError, task: &str) -> UnitError {
    const KNOWN: [(&[&str], &str); 6] = [
        (
            &["requires a license", "license number", "license has not been set"],
            "this task needs a licence of TotalSegmentator: set segmentation.license",
        ),
        (
            &["max retries exceeded", "connectionerror", "badzipfile", "incompleteread", "urlopen error"],
            "the weights are missing and could not be downloaded: fetch them once with \
             `totalseg_download_weights -t <task>` and set segmentation.weights",
        ),
        (
            &["unexpected bus error", "background workers died", "background workers are no longer alive"],
            "shared memory or host memory was too small: in a container use --shm-size 4g or more",
        ),
        (&["no space left on device"], "the disk of the output folder is full"),
        (
            &["no module named", "importerror", "undefined symbol"],
            "the Python environment of TotalSegmentator is broken: install it again",
        ),
        (&["orthonormal direction cosines"], "the image axes are not at right angles"),
    ];
    let text = error.message.to_lowercase();
    let mut error = error;
    for (words, hint) in KNOWN {
        if words.iter().any(|w| text.contains(w)) {
            error = error.hint(hint.replace("<task>", task));
        }
    }
    error.message = format!("task {task}: {}", error.message);
    error
}

/// Names of the labels: those that the file brings with it, else those of the table. Labels without a name are refused.
fn label_names(
    task: &str,
    labels: &Volume<u32>,
    extensions: &[rtpipeline_volume_io::Extension],
) -> Result<Vec<LabelName>, UnitError> {
    let table = tasks().get(task);
    let own: BTreeMap<u32, String> =
        extensions.iter().map(|e| names_in_extension(&e.data)).find(|n| !n.is_empty()).unwrap_or_default();
    let mut names: Vec<LabelName> = if own.is_empty() {
        let classes = table.map(|t| t.classes.as_slice()).unwrap_or_default();
        classes
            .iter()
            .map(|c| LabelName { value: c.index, name: c.name.to_owned(), color: c.color, interpreted_type: "ORGAN" })
            .collect()
    } else {
        own.into_iter()
            .map(|(value, name)| {
                let known = table.and_then(|t| t.classes.iter().find(|c| c.name == name));
                LabelName { value, color: known.and_then(|c| c.color), name, interpreted_type: "ORGAN" }
            })
            .collect()
    };
    names.sort_by_key(|n| n.value);
    let known: std::collections::BTreeSet<u32> = names.iter().map(|n| n.value).collect();
    if let Some(label) = labels.values().iter().find(|l| **l != 0 && !known.contains(l)) {
        return Err(UnitError::new(
            FailureKind::Program,
            format!("the label map of task {task} holds the label {label}, which the task does not have"),
        )
        .hint("the version of TotalSegmentator may be newer than this program; please report it"));
    }
    Ok(names)
}

/// Left and right organs lie on the wrong sides of each other: the image is mirrored, or its orientation is wrong.
fn side_finding(task: &str, names: &[LabelName], counts: &BTreeMap<u32, LabelCensus>, image: &str) -> Option<Finding> {
    let at = |name: &str| names.iter().find(|n| n.name == name).and_then(|n| counts.get(&n.value));
    let (mut pairs, mut swapped) = (0, 0);
    for left in names.iter().filter(|n| n.name.contains("left")) {
        if let (Some(l), Some(r)) = (at(&left.name), at(&left.name.replace("left", "right")))
            && !l.touches_face
            && !r.touches_face
        {
            pairs += 1;
            // LPS: the patient's left is +x.
            swapped += usize::from(l.centroid[0] < r.centroid[0]);
        }
    }
    (pairs >= 2 && 2 * swapped > pairs).then(|| {
        Finding::new(
            Level::Error,
            "segmentation.sides_swapped",
            format!(
                "{swapped} of {pairs} pairs of organs of task {task} lie on the wrong side of each other on {image}."
            ),
            "The image may be mirrored: left and right must not be trusted until somebody has looked.",
        )
        .about(image)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_must_be_known() {
        let grid = Grid::axis_aligned([2, 1, 1], [0.0; 3], [1.0; 3]);
        let good = Volume::from_vec(grid.clone(), vec![0u32, 5]);
        let names = label_names("total", &good, &[]).unwrap();
        assert_eq!(names.iter().find(|n| n.value == 5).unwrap().name, "liver");
        let bad = Volume::from_vec(grid, vec![0u32, 200]);
        assert!(label_names("total", &bad, &[]).unwrap_err().message.contains("200"));
        // Names in the file win over the table.
        let xml = br#"<Label Key="5"><![CDATA[spleen]]></Label>"#.to_vec();
        let own = [rtpipeline_volume_io::Extension { code: 0, data: xml }];
        let names = label_names("total", &good, &own).unwrap();
        assert_eq!((names.len(), names[0].name.as_str(), names[0].color), (1, "spleen", Some([50, 170, 60])));
    }

    #[test]
    fn known_messages_get_a_hint() {
        let e = UnitError::new(FailureKind::Program, "ERROR: this model requires a license");
        assert!(explain(e, "tissue_types").hints[0].contains("segmentation.license"));
        let plain = explain(UnitError::new(FailureKind::Program, "exit 1"), "total");
        assert!(plain.hints.is_empty() && plain.message.starts_with("task total: "));
    }

    #[test]
    fn the_cpu_is_tried_for_gpu_failures_only() {
        assert!(may_help(&UnitError::memory("CUDA out of memory")));
        assert!(may_help(&UnitError::new(FailureKind::Program, "cuDNN error: not initialised")));
        assert!(!may_help(&UnitError::new(FailureKind::Program, "this model requires a license")));
        assert!(!may_help(&UnitError::new(FailureKind::Interrupted, "cuda")));
    }

    #[test]
    fn swapped_sides_are_reported() {
        let names: Vec<LabelName> = [(2, "kidney_right"), (3, "kidney_left"), (75, "femur_left"), (76, "femur_right")]
            .into_iter()
            .map(|(value, n)| LabelName { value, name: n.into(), color: None, interpreted_type: "ORGAN" })
            .collect();
        let c = |x: f64| LabelCensus {
            voxels: 1,
            bounds: [[1, 1]; 3],
            centroid: [x, 0.0, 0.0],
            z_range: [0.0, 1.0],
            touches_face: false,
        };
        let right = BTreeMap::from([(2, c(-40.0)), (3, c(40.0)), (75, c(60.0)), (76, c(-60.0))]);
        assert!(side_finding("total", &names, &right, "CT1").is_none());
        let wrong = BTreeMap::from([(2, c(40.0)), (3, c(-40.0)), (75, c(-60.0)), (76, c(60.0))]);
        assert_eq!(side_finding("total", &names, &wrong, "CT1").unwrap().level, Level::Error);
    }
}
