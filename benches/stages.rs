//! How long the parts of a run take on the synthetic cohort: `cargo bench --bench stages`.
//!
//! Wall time of the fastest of several repetitions, on all threads of the machine. Compare only figures of one machine.

use rtpipeline::config::OrganizeSettings;
use rtpipeline::course::{contour_stack, image_input, read_image_data};
use rtpipeline_dicom::image::{SeriesFile, read_series};
use rtpipeline_dicom::rtdose::read_dose;
use rtpipeline_dicom::rtstruct::read_structure_set;
use rtpipeline_geometry::dvh::{DvhOptions, dvh};
use rtpipeline_geometry::{Mask, StackOptions};
use rtpipeline_radiomics::Params;
use std::path::PathBuf;
use std::time::Instant;

fn time<T>(what: &str, repeat: usize, mut f: impl FnMut() -> T) -> T {
    let mut best = f64::INFINITY;
    let mut last = None;
    for _ in 0..repeat {
        let start = Instant::now();
        last = Some(f());
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{what:<44} {:>9.2} ms", best * 1e3);
    last.expect("at least one repetition")
}

fn main() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let dicom = dir.path().join("dicom");
    time("write the synthetic cohort (1 patient)", 1, || rtpipeline::demo::write_cohort(&dicom, 1).expect("cohort"));
    let inventory = time("scan and link", 5, || {
        rtpipeline::index::build(&dicom, &OrganizeSettings::default(), None, &|_, _| {}).expect("inventory")
    });
    let course = &inventory.courses[0];
    let place = |f: &rtpipeline::course::CourseFile| -> PathBuf { dicom.join(f.path.rel()) };
    let files: Vec<SeriesFile> = course.images[0].files.iter().map(|f| place(f).into()).collect();
    let series = time("read the CT", 5, || read_series(&files).expect("series"));
    let set = time("read the structure set", 5, || {
        read_structure_set(&place(&course.structure_sets[0].file)).expect("structure set")
    });
    let dose = time("read the dose", 5, || read_dose(&place(&course.doses[0].file)).expect("dose"));
    let grid = dose.grid.expect("grid");
    let stacks = time("contours to planes, all structures", 5, || {
        let options = StackOptions::default();
        set.rois.iter().filter_map(|r| contour_stack(&r.contours, &options).ok().flatten()).collect::<Vec<_>>()
    });
    let masks: Vec<Mask> =
        time("masks on the CT, all structures", 5, || stacks.iter().map(|s| s.mask(&series.grid)).collect());
    time("DVHs, all structures", 3, || {
        stacks.iter().map(|s| dvh(s, &grid, &DvhOptions::default()).mean).collect::<Vec<_>>()
    });
    let nifti = dir.path().join("ct.nii.gz");
    time("write the CT as NIfTI", 5, || {
        rtpipeline_volume_io::write_nifti(&nifti, &series.volume, "bench").expect("NIfTI");
    });
    let data = read_image_data(&nifti).expect("volume");
    let image = image_input(&data).expect("image");
    let largest = masks.iter().filter(|m| m.count() < 50_000).max_by_key(|m| m.count()).expect("a structure");
    time("radiomics of one structure, packaged CT set", 1, || {
        rtpipeline_radiomics::extract(&image, largest, &Params::rtpipeline_ct()).expect("features").values.len()
    });
}
