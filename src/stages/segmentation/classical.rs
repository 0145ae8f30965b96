//! Body and lungs without any program.

use super::SegmentationTask;
use super::output::{Collector, Made};
use crate::course::label_maps::{LabelName, rois_of_labels};
use crate::course::{Finding, Level, source};
use rtpipeline_engine::{UnitContext, UnitError};
use rtpipeline_geometry::classical::{Gate, segment_body, segment_lungs};
use rtpipeline_geometry::{Mask, Volume};

const BODY: &str = "body";
const LUNGS: [&str; 2] = ["lung_left", "lung_right"];

/// The image does not allow it (a scout, a handful of slices, a tilted gantry): said, and no failure of the course.
fn not_suited(task: &SegmentationTask, out: &mut Collector<'_>, names: &[&str], reason: &str) -> Result<(), UnitError> {
    out.finding(
        Finding::new(
            Level::Caution,
            "segmentation.image_not_suited",
            format!("Image {} does not allow automatic segmentation: {reason}.", task.image.id),
            "There are no automatic structures on this image.",
        )
        .about(task.image.id.clone()),
    );
    for name in names {
        out.not_made(name, reason);
    }
    Ok(())
}

/// Segments one CT.
pub(super) fn run(cx: &UnitContext, task: &SegmentationTask, out: &mut Collector<'_>) -> Result<(), UnitError> {
    out.fact("engine", "classical");
    if task.image.unit != "HU" {
        let reason = format!("the values of {} are {}, not HU", task.image.id, task.image.unit);
        out.finding(
            Finding::new(
                Level::Caution,
                "segmentation.not_hu",
                format!("Image {} has no calibrated HU, so body and lungs were not searched.", task.image.id),
                "There are no automatic structures on this image.",
            )
            .about(task.image.id.clone()),
        );
        for name in std::iter::once(BODY).chain(LUNGS) {
            out.not_made(name, &reason);
        }
        return Ok(());
    }
    let hu = rtpipeline_volume_io::read_f32(&cx.resolve(&task.nifti)?)
        .map_err(|e| UnitError::data(format!("{}: {e}", task.nifti)))?;
    let body = match segment_body(&hu) {
        Ok(body) => body,
        Err(e) => return not_suited(task, out, &[BODY, LUNGS[0], LUNGS[1]], &e.to_string()),
    };
    gates(out, task, &body.gates, BODY);
    let Some(body_mask) = body.mask else {
        let reason = failed(&body.gates);
        out.not_made(BODY, &reason);
        for name in LUNGS {
            out.not_made(name, "no body was found");
        }
        return Ok(());
    };
    let body_map = body_mask.map(|&v| u32::from(v));
    let body_name = [label(1, BODY, [238, 190, 158], "EXTERNAL")];
    let source = source::CLASSICAL.to_owned();
    let counts = out.label_map(
        cx,
        &Made { model: "body", source: source.clone(), labels: &body_map, names: &body_name, offset: 0 },
    )?;

    let lungs = match segment_lungs(&hu, &body_mask) {
        Ok(lungs) => lungs,
        Err(e) => return not_suited(task, out, &LUNGS, &e.to_string()),
    };
    gates(out, task, &lungs.gates, "lungs");
    let mut rois = rois_of_labels(&body_map, &counts, &out.of_source(&source));
    let mut lung_map = Volume::filled(hu.grid.clone(), 0u32);
    let mut names = Vec::new();
    let found: [Option<&Mask>; 2] = [lungs.left.as_ref(), lungs.right.as_ref()];
    for (n, (mask, name)) in found.into_iter().zip(LUNGS).enumerate() {
        match mask {
            Some(mask) => {
                let value = n as u32 + 1;
                for (to, &inside) in lung_map.values_mut().iter_mut().zip(mask.values()) {
                    if inside != 0 {
                        *to = value;
                    }
                }
                names.push(label(value, name, [[197, 165, 145], [202, 164, 140]][n], "ORGAN"));
            }
            None => out.not_made(name, &failed(&lungs.gates)),
        }
    }
    if !names.is_empty() {
        let made = Made { model: "lungs", source: source.clone(), labels: &lung_map, names: &names, offset: 1 };
        let counts = out.label_map(cx, &made)?;
        let structures: Vec<_> = out.of_source(&source).into_iter().filter(|s| s.name != BODY).collect();
        rois.extend(rois_of_labels(&lung_map, &counts, &structures));
    }
    out.structure_set(cx, "classical", true, rois)
}

fn label(value: u32, name: &str, color: [u8; 3], interpreted_type: &'static str) -> LabelName {
    LabelName { value, name: name.to_owned(), color: Some(color), interpreted_type }
}

fn failed(gates: &[Gate]) -> String {
    let texts: Vec<&str> = gates.iter().filter(|g| !g.passed && g.decisive).map(|g| g.text.as_str()).collect();
    if texts.is_empty() { "not found".to_owned() } else { texts.join("; ") }
}

fn gates(out: &mut Collector<'_>, task: &SegmentationTask, gates: &[Gate], what: &str) {
    for gate in gates.iter().filter(|g| !g.passed) {
        let (level, meaning) = if gate.decisive {
            (Level::Caution, format!("The automatic segmentation of the {what} was not trusted and is left out."))
        } else {
            (Level::Note, format!("The automatic segmentation of the {what} is kept; look at it."))
        };
        let text = format!("{} on {}.", gate.text, task.image.id);
        out.finding(Finding::new(level, gate.code.code(), text, meaning).about(what));
    }
}
