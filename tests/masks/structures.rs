//! The merged catalogue and custom structures.

use crate::support::*;
use rtpipeline::course::{Catalogue, Shape, source};
use rtpipeline::stages::segmentation::{Engine, Segmentation, SegmentationSettings};
use rtpipeline::stages::structures::spec::CustomStructureFile;
use rtpipeline::stages::structures::{Structures, TEMPLATES, parse};
use rtpipeline_dicom::rtstruct::read_structure_set;
use rtpipeline_engine::Policy;
use rtpipeline_geometry::outline::{OutlineOptions, outline};
use rtpipeline_geometry::{Contour, Grid, Volume};

/// 32 columns, 40 rows.
fn grid() -> Grid {
    Grid::axis_aligned([32, 40, 20], [-31.0, -39.0, 10.0], [2.0, 2.0, 3.0])
}

fn contours(lo: [f64; 3], hi: [f64; 3]) -> Vec<Contour> {
    outline(&block(&grid(), lo, hi), &OutlineOptions { pixel_edges: true })
}

/// PTV and a heart by hand, liver and kidneys by the stand-in of TotalSegmentator.
fn world() -> World {
    let mut w = World::new(&Volume::filled(grid(), 0.0_f32));
    w.add_structure_set(&[
        ("PTV", "PTV", contours([-9.0, -19.0, 28.0], [11.0, 1.0, 46.0])),
        ("Heart", "ORGAN", contours([-31.0, 11.0, 28.0], [-11.0, 31.0, 40.0])),
        ("Marker", "MARKER", Vec::new()),
    ]);
    w.host.insert("totalsegmentator".into(), stand_in("TotalSegmentator"));
    w.labels(
        "STANDIN_LABELS",
        &label_blocks(
            &grid(),
            &[(51, [-9.0, 11.0, 28.0], [1.0, 21.0, 40.0]), (5, [-5.0, -5.0, 28.0], [21.0, 25.0, 40.0])],
        ),
    );
    let s = SegmentationSettings { engine: Engine::TotalSegmentator, ..Default::default() };
    w.run(&Segmentation::with(s, Policy { host: w.host.clone(), ..Policy::default() })).unwrap();
    w
}

fn stage(yaml: &str) -> Structures {
    Structures::with(parse(yaml, "test.yaml").unwrap(), Policy::default()).unwrap()
}

fn mask(w: &World, c: &Catalogue, name: &str) -> rtpipeline_geometry::Mask {
    let s =
        c.structures.iter().find(|s| s.name == name && s.source == source::CUSTOM).unwrap_or_else(|| panic!("{name}"));
    let Shape::Label { file, value } = &s.shape else { panic!("no label map") };
    rtpipeline_volume_io::read_mask(&w.roots().resolve(file).unwrap(), *value).unwrap()
}

const FILE: &str = "
custom_structures:
  - {name: Ring, operation: subtract, source_structures: [PTV_6, PTV]}
  - {name: PTV_6, source_structures: [ptv], margin: 6}
  - name: Sides
    source_structures: [PTV]
    margin: {anterior_mm: 10, posterior_mm: 4, left_mm: 6, right_mm: 2, superior_mm: 6, inferior_mm: 3}
  - {name: Heart_minus, operation: subtract, source_structures: [Heart, liver]}
  - {name: Overlap, operation: intersection, source_structures: [PTV, liver]}
  - {name: Either, operation: xor, source_structures: [PTV, liver]}
  - {name: Part, source_structures: [liver, spleen]}
  - {name: Nothing, operation: intersection, source_structures: [PTV, spleen]}
";

#[test]
fn all_sources_in_one_catalogue_and_custom_structures_on_the_image() {
    let w = world();
    let out = w.run(&stage(FILE)).unwrap().remove(0);
    let c: Catalogue = w.json("metadata/structures.json");
    let list: Vec<String> = c.structures.iter().map(|s| format!("{}/{}", s.source, s.name)).collect();
    assert_eq!(
        list,
        [
            "Manual/PTV",
            "Manual/Heart",
            "Manual/Marker",
            "AutoTotalSegmentator:total/liver",
            "AutoTotalSegmentator:total/heart",
            "Custom/Ring",
            "Custom/PTV_6",
            "Custom/Sides",
            "Custom/Heart_minus",
            "Custom/Overlap",
            "Custom/Either",
            "Custom/Part"
        ]
    );
    // D36: each side its own margin, in patient directions (x+ is left, y+ is posterior).
    assert_eq!(bounds(&mask(&w, &c, "Sides")), [[-11.0, 17.0], [-29.0, 5.0], [25.0, 52.0]]);
    let ptv = block(&grid(), [-9.0, -19.0, 28.0], [11.0, 1.0, 46.0]).count();
    let liver = block(&grid(), [-5.0, -5.0, 28.0], [21.0, 25.0, 40.0]).count();
    let both = block(&grid(), [-5.0, -5.0, 28.0], [11.0, 1.0, 40.0]).count();
    assert_eq!(mask(&w, &c, "Overlap").count(), both);
    assert_eq!(mask(&w, &c, "Either").count(), ptv + liver - 2 * both);
    assert_eq!(mask(&w, &c, "Ring").count(), mask(&w, &c, "PTV_6").count() - ptv);
    // The manual `Heart` is taken, not the automatic `heart`.
    assert_eq!(bounds(&mask(&w, &c, "Heart_minus"))[0], [-31.0, -11.0]);
    // D65: the name stays, flags tell.
    let part = c.structures.iter().find(|s| s.name == "Part").unwrap();
    assert_eq!(part.missing_parts, ["spleen"]);
    assert!(c.not_made.iter().any(|(n, r)| n == "Nothing" && r.contains("spleen")));
    assert!(c.structures.iter().all(|s| !s.name.contains("__partial")));

    let rows = &out.rows["structures"];
    let row = |source: &str, name: &str| {
        rows.iter()
            .find(|r| r["Segmentation_Source"] == source && r["ROI_Name"] == name)
            .unwrap_or_else(|| panic!("{name}"))
    };
    let volume = row(source::MANUAL, "PTV")["Volume (cm³)"].as_f64().unwrap();
    // 11 × 11 pixels of 2 mm on 7 planes of 3 mm; the contours follow the voxel edges.
    assert!((volume - 22.0 * 22.0 * 21.0 / 1000.0).abs() < 1e-6, "{volume}");
    assert_eq!(row(source::MANUAL, "Marker")["Status"], "no_closed_contour");
    assert_eq!(row(source::MANUAL, "Heart")["structure_cropped"], true);
    assert_eq!(row(source::MANUAL, "PTV")["structure_cropped"], false);
    assert_eq!(row(source::CUSTOM, "Part")["structure_partial"], true);
    assert_eq!(row(source::CUSTOM, "Nothing")["Status"], "not_made");
    assert_eq!(row("AutoTotalSegmentator:total", "liver")["tg263_name"], "Liver");
    assert!(w.out("metadata/custom_structure_warnings.json").is_file());
}

#[test]
fn the_exported_set_is_a_new_object_that_holds_every_source() {
    let w = world();
    w.run(&stage(FILE)).unwrap();
    let set = read_structure_set(&w.out("RS_custom.dcm")).unwrap();
    // D2: never the UID of the clinical object.
    assert_ne!(set.sop_instance_uid, w.course.structure_sets[0].file.sop_instance_uid);
    assert_ne!(set.series_uid, w.course.images[0].series_uid);
    assert_eq!(set.frames_of_reference, [w.course.images[0].frame_of_reference_uid.clone()]);
    let names: Vec<&str> = set.rois.iter().map(|r| r.name.as_str()).collect();
    for wanted in ["PTV", "Heart", "liver", "Ring", "Sides"] {
        assert!(names.contains(&wanted), "{wanted} in {names:?}");
    }
    // D8: nothing of a 32 × 40 image is lost or turned.
    let heart = set.rois.iter().find(|r| r.name == "Heart").unwrap();
    let y = heart.contours.iter().flat_map(|c| &c.points).map(|p| p[1]).fold(f64::NEG_INFINITY, f64::max);
    assert!((y - 32.0).abs() < 1e-3, "{y}");
}

#[test]
fn the_same_work_gives_the_same_bytes() {
    let (a, b) = (world(), world());
    a.run(&stage(FILE)).unwrap();
    b.run(&stage(FILE)).unwrap();
    let strip = |w: &World| {
        w.files().into_iter().map(|(p, b)| (p.strip_prefix(w.path("out")).unwrap().to_owned(), b)).collect::<Vec<_>>()
    };
    assert_eq!(strip(&a), strip(&b));
}

#[test]
fn without_an_image_structures_are_built_around_the_contours() {
    let mut w = World::without_image();
    w.add_structure_set(&[("PTV", "PTV", contours([-9.0, -19.0, 28.0], [11.0, 1.0, 46.0]))]);
    w.run(&stage("custom_structures: [{name: PTV_5, source_structures: [PTV], margin: 5}]")).unwrap();
    let c: Catalogue = w.json("metadata/structures.json");
    let m = mask(&w, &c, "PTV_5");
    let b = bounds(&m);
    // Edges at −10…12, −20…2 and 26.5…47.5 mm, 5 mm more, to within a voxel of 1 × 1 × 3 mm.
    for (a, (lo, hi, step)) in [(-15.0, 17.0, 1.0), (-25.0, 7.0, 1.0), (21.5, 52.5, 3.0)].into_iter().enumerate() {
        assert!((b[a][0] - step / 2.0 - lo).abs() <= step && (b[a][1] + step / 2.0 - hi).abs() <= step, "{a}: {b:?}");
    }
    assert!(!w.out("RS_custom.dcm").exists());
}

#[test]
fn templates_are_right_and_define_what_they_use() {
    let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("custom_structures");
    for (name, text) in TEMPLATES {
        assert_eq!(std::fs::read_to_string(shipped.join(format!("{name}.yaml"))).unwrap(), text);
        let file: CustomStructureFile = parse(text, name).unwrap();
        assert!(file.custom_structures.len() >= 5, "{name}");
    }
    // D68: sources that look like results of the file are results of the file.
    let example = parse(TEMPLATES[3].1, "example").unwrap();
    let names: Vec<&str> = example.custom_structures.iter().map(|s| s.name.as_str()).collect();
    for s in &example.custom_structures {
        for used in s.source_structures.iter().filter(|u| u.contains("mm")) {
            assert!(names.contains(&used.as_str()), "{used} is defined nowhere");
        }
    }
    assert!(parse("custom_structures: [{name: a, source_structures: [b], margn: 3}]", "x.yaml").is_err());
    assert!(parse("custom_structures: [{name: a, source_structures: [b], margin: {anterior: 3}}]", "x.yaml").is_err());
    assert!(
        parse("custom_structures: [{name: a, source_structures: [b]}, {name: b, source_structures: [a]}]", "x")
            .unwrap_err()
            .contains("circle")
    );
}
