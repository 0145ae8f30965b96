//! The structure set: organs, targets, and what makes structure sets difficult.

use super::phantom::{Patient, PlaneOf, Solid};
use rtpipeline_dicom::write::StructureSpec;
use rtpipeline_geometry::outline::{OutlineOptions, outline};
use rtpipeline_geometry::{Contour, ContourKind, Grid, Mask, Vec3, Volume};

/// Margins of clinical and planning target volume around the gross tumour, mm.
const MARGINS: [f64; 2] = [6.0, 11.0];
/// Inner and outer margin of the ring around the tumour, mm.
const RING: [f64; 2] = [15.0, 30.0];

/// What is true of a structure by its formula.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct TrueVolume {
    /// Name.
    pub name: String,
    /// Volume of the solid, cm³. Contours are cuts through it; their slabs differ from it by some percent.
    pub cc: f64,
}

/// Structures with their true volumes where a formula gives them.
pub(super) struct Drawn {
    pub(super) specs: Vec<StructureSpec>,
    pub(super) volumes: Vec<TrueVolume>,
}

/// Draws everything in the planes of the image.
pub(super) fn draw(p: &Patient, grid: &Grid) -> Drawn {
    let [ctv, ptv] = MARGINS.map(|m| p.gtv.grown(m));
    let mut out = Drawn { specs: Vec::new(), volumes: Vec::new() };
    let mut add = |number: i64, name: &str, kind: &str, color: [u8; 3], contours: Vec<Contour>| {
        out.specs.push(StructureSpec {
            name: name.to_owned(),
            contours,
            color,
            interpreted_type: kind.to_owned(),
            algorithm: if name.starts_with("Lung") || name == "BODY" { "SEMIAUTOMATIC" } else { "MANUAL" }.to_owned(),
            number: Some(number),
        });
    };
    let loops = |s: &Solid, n: usize| -> Vec<Contour> {
        planes(grid).filter_map(|plane| plane.outline(s, n)).map(Contour::closed).collect()
    };
    // Numbers have gaps, as after structures were deleted.
    add(1, "BODY", "EXTERNAL", [0, 190, 0], loops(&p.body, 96));
    add(2, "Lung_L", "ORGAN", [70, 130, 220], lung(p, &p.lung_l, grid));
    add(3, "Lung_R", "ORGAN", [110, 170, 240], lung(p, &p.lung_r, grid));
    add(4, "Heart", "ORGAN", [230, 120, 120], loops(&p.heart, 64));
    add(5, "SpinalCord", "ORGAN", [250, 220, 60], loops(&p.cord, 24));
    add(7, "Esophagus", "ORGAN", [200, 150, 90], loops(&p.esophagus, 28));
    add(8, "Liver", "ORGAN", [160, 90, 60], loops(&p.liver, 64));
    add(9, "A_Aorta", "ORGAN", [220, 40, 40], loops(&p.aorta, 28));
    add(11, "GTV", "GTV", [255, 60, 60], loops(&p.gtv, 48));
    add(12, "CTV", "CTV", [255, 150, 30], loops(&ctv, 48));
    add(13, "PTV", "PTV", [255, 40, 160], loops(&ptv, 56));
    add(14, "PTV_Ring", "CONTROL", [150, 60, 200], ring(p, grid, false));
    add(15, "PTV_RingKeyhole", "CONTROL", [110, 60, 170], ring(p, grid, true));
    let nodes = islands(p);
    add(18, "LN_Mediastinum", "ORGAN", [60, 200, 180], nodes.iter().flat_map(|s| loops(s, 32)).collect());
    add(21, "zz_help1", "", [128, 128, 128], Vec::new());
    add(
        22,
        "Iso",
        "ISOCENTER",
        [255, 255, 255],
        vec![Contour { kind: ContourKind::Point, points: vec![p.gtv.centre] }],
    );
    let mut truth = |name: &str, cc: f64| out.volumes.push(TrueVolume { name: name.to_owned(), cc });
    truth("Heart", ellipsoid_cc(&p.heart));
    truth("GTV", ellipsoid_cc(&p.gtv));
    truth("CTV", ellipsoid_cc(&ctv));
    truth("PTV", ellipsoid_cc(&ptv));
    let [inner, outer] = RING.map(|m| ellipsoid_cc(&p.gtv.grown(m)));
    truth("PTV_Ring", outer - inner);
    truth("PTV_RingKeyhole", outer - inner);
    truth("LN_Mediastinum", nodes.iter().map(ellipsoid_cc).sum());
    out
}

/// The planes of an image.
fn planes(grid: &Grid) -> impl Iterator<Item = PlaneOf> + '_ {
    let [row, column, _] = grid.direction();
    (0..grid.dims[2]).map(move |k| PlaneOf { origin: grid.world([0.0, 0.0, k as f64]), row, column })
}

fn ellipsoid_cc(s: &Solid) -> f64 {
    s.radii.iter().product::<f64>() * std::f64::consts::PI * 4.0 / 3000.0
}

/// A lung as a threshold would find it: voxel outlines, the heart left out.
fn lung(p: &Patient, side: &Solid, grid: &Grid) -> Vec<Contour> {
    let mut mask: Mask = Volume::filled(grid.clone(), 0);
    let [columns, rows, _] = grid.dims;
    for (n, v) in mask.values_mut().iter_mut().enumerate() {
        let at = grid.world([(n % columns) as f64, (n / columns % rows) as f64, (n / columns / rows) as f64]);
        *v = u8::from(side.holds(at) && p.in_lung(at) && !p.gtv.holds(at));
    }
    outline(&mask, &OutlineOptions::default())
}

/// The ring around the tumour: two loops per plane, or one loop that runs in and out through a slit without width.
fn ring(p: &Patient, grid: &Grid, keyhole: bool) -> Vec<Contour> {
    let [inner, outer] = RING.map(|m| p.gtv.grown(m));
    let mut out = Vec::new();
    for plane in planes(grid) {
        let Some(mut line) = plane.outline(&outer, 64) else { continue };
        let hole = plane.outline(&inner, 48);
        match (hole, keyhole) {
            (None, _) => out.push(Contour::closed(line)),
            (Some(hole), false) => {
                out.push(Contour::closed(line));
                out.push(Contour::closed(hole));
            }
            (Some(hole), true) => {
                // Both begin in the same direction, so the slit is radial and crosses nothing.
                let close = |points: &[Vec3]| points.first().copied();
                line.extend(close(&line));
                line.extend(close(&hole));
                line.extend(hole.iter().rev());
                out.push(Contour::closed(line));
            }
        }
    }
    out
}

/// Lymph nodes: one structure of separate pieces.
fn islands(p: &Patient) -> [Solid; 3] {
    let x = p.esophagus.centre[0];
    [
        Solid::ellipsoid([x + 14.0, 12.0, 44.0], [9.0, 7.0, 10.0]),
        Solid::ellipsoid([x - 18.0, 20.0, 31.0], [7.0, 8.0, 12.0]),
        Solid::ellipsoid([x + 6.0, -6.0, 66.0], [8.0, 6.0, 9.0]),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::image;
    use super::*;
    use rtpipeline_geometry::{PlaneStack, StackOptions};

    /// Slabs of 3 mm and chords against the formula: 3 % for solids of more than 3 planes' radius.
    #[test]
    fn drawn_volumes_are_those_of_the_formulas_in_axial_and_oblique_planes() {
        let p = Patient::new(2);
        for turn in [None, Some((8.0, -5.0))] {
            let drawn = draw(&p, &image::grid(turn));
            for truth in &drawn.volumes {
                let spec = drawn.specs.iter().find(|s| s.name == truth.name).expect("drawn");
                let stack = PlaneStack::from_contours(&spec.contours, &StackOptions::default()).expect("a solid");
                let cc = stack.volume_cc();
                assert!((cc / truth.cc - 1.0).abs() < 0.03, "{} {turn:?}: {cc} for {}", truth.name, truth.cc);
            }
        }
    }
}
