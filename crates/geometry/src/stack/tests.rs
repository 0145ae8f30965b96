use super::*;
use crate::testing::{circle, planes, prism, square};
use crate::{Contour, ContourKind};

fn stack(contours: &[Contour]) -> PlaneStack {
    PlaneStack::from_contours(contours, &StackOptions::default()).unwrap()
}

fn codes(s: &PlaneStack) -> Vec<FindingCode> {
    s.findings.iter().map(|f| f.code).collect()
}

#[test]
fn box_volume_bounds_and_centroid() {
    let s = stack(&prism(&square(10.0, -5.0, 20.0), &planes(0.0, 3.0, 10)));
    assert!((s.volume_cc() - 400.0 * 30.0 / 1000.0).abs() < 1e-12);
    let (lo, hi) = s.volume_bounds_cc();
    assert!((lo - 400.0 * 27.0 / 1000.0).abs() < 1e-12 && (hi - 400.0 * 33.0 / 1000.0).abs() < 1e-12);
    assert_eq!(s.bounding_box(), [[10.0, -5.0, -1.5], [30.0, 15.0, 28.5]]);
    let c = s.centroid();
    assert!((0..3).all(|a| (c[a] - [20.0, 5.0, 13.5][a]).abs() < 1e-9), "{c:?}");
    assert!(s.findings.is_empty() && s.pieces() == 1);
}

#[test]
fn ring_three_ways_is_one_volume() {
    let z = planes(0.0, 2.0, 5);
    let (outer, inner) = (circle(30.0, 200), circle(12.0, 90));
    let mut nested = prism(&outer, &z);
    nested.extend(prism(&inner, &z));
    let xor: Vec<Contour> =
        nested.iter().map(|c| Contour { kind: ContourKind::ClosedPlanarXor, points: c.points.clone() }).collect();
    let mut key = outer.clone();
    key.push(outer[0]);
    key.extend(&inner);
    key.push(inner[0]);
    let keyhole = prism(&key, &z);
    let truth = (crate::planar::signed_area(&outer) - crate::planar::signed_area(&inner)) * 10.0 / 1000.0;
    for (n, c) in [nested.clone(), xor, keyhole].iter().enumerate() {
        let s = stack(c);
        assert!((s.volume_cc() - truth).abs() < 1e-9 * truth, "{n}: {} {truth}", s.volume_cc());
        // Nested loops are told apart from a keyhole, because a reader by union would fill them.
        assert_eq!(codes(&s).contains(&FindingCode::RuleDisagreement), n < 2);
        assert!(!codes(&s).contains(&FindingCode::PartialOverlap));
    }
    let filled = StackOptions { fill: FillRule::Union, ..StackOptions::default() };
    let s = PlaneStack::from_contours(&nested, &filled).unwrap();
    assert!((s.volume_cc() - crate::planar::signed_area(&outer) * 10.0 / 1000.0).abs() < 1e-9);
}

#[test]
fn partial_overlap_is_flagged() {
    let z = planes(0.0, 2.0, 4);
    let mut c = prism(&square(0.0, 0.0, 10.0), &z);
    c.extend(prism(&square(5.0, 5.0, 10.0), &z));
    let s = stack(&c);
    assert!(codes(&s).contains(&FindingCode::PartialOverlap));
    assert!((s.planes[0].even_odd_mm2 - 150.0).abs() < 1e-9 && (s.planes[0].union_mm2 - 175.0).abs() < 1e-9);
}

#[test]
fn broken_contours_cost_only_themselves() {
    let z = planes(0.0, 3.0, 4);
    let good = prism(&square(0.0, 0.0, 10.0), &z);
    let clean = stack(&good).volume_cc();
    let mut c = good.clone();
    // Repeated end point, other direction and starting point, a jittered copy of a plane's own loop.
    let first = c[0].points[0];
    c[0].points.push(first);
    c[1].points.reverse();
    c[1].points.rotate_left(2);
    let mut copy = good[2].clone();
    copy.points.reverse();
    copy.points.rotate_left(1);
    copy.points.iter_mut().for_each(|p| p[2] += 0.05);
    c.push(copy);
    c.push(Contour::closed(vec![[0.0, 0.0, f64::NAN], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]));
    c.push(Contour::closed(vec![[0.0, 0.0, 3.0], [1.0, 0.0, 3.0]]));
    c.push(Contour::closed(vec![[0.0, 0.0, 3.0], [1.0, 0.0, 3.0], [2.0, 0.0, 3.0]]));
    c.push(Contour { kind: ContourKind::Point, points: vec![[0.0; 3]] });
    c.reverse();
    let s = stack(&c);
    assert!((s.volume_cc() / clean - 1.0).abs() < 1e-12, "{} {clean}", s.volume_cc());
    use FindingCode::*;
    assert_eq!(codes(&s), vec![OpenContour, NotFinite, TooFewPoints, ZeroArea, DuplicateLoop]);
    assert!(s.findings.iter().all(|f| f.count == 1 && !f.text().is_empty() && !f.meaning().is_empty()));
}

#[test]
fn jittered_positions_share_a_plane() {
    let mut c = Vec::new();
    for (n, z) in planes(0.0, 2.0, 6).into_iter().enumerate() {
        let d = if n % 2 == 0 { 0.08 } else { -0.08 };
        c.extend(prism(&square(0.0, 0.0, 10.0), &[z]));
        c.extend(prism(&square(20.0, 0.0, 10.0), &[z + d]));
    }
    let s = stack(&c);
    assert_eq!(s.planes.len(), 6);
    assert!((s.volume_cc() - 200.0 * 12.0 / 1000.0).abs() < 200.0 * 0.2 / 1000.0);
}

#[test]
fn gaps_split_and_single_planes_are_flagged() {
    let mut z = planes(0.0, 3.0, 5);
    z.extend(planes(27.0, 3.0, 5));
    let s = stack(&prism(&square(0.0, 0.0, 10.0), &z));
    assert_eq!((s.pieces(), codes(&s)), (2, vec![FindingCode::PlaneGap]));
    assert!((s.volume_cc() - 100.0 * 30.0 / 1000.0).abs() < 1e-12);
    assert_eq!(s.plane_at(20.0), None);
    let bridged = StackOptions { bridge_spacings: 6.0, ..StackOptions::default() };
    let s = PlaneStack::from_contours(&prism(&square(0.0, 0.0, 10.0), &z), &bridged).unwrap();
    assert!((s.volume_cc() - 100.0 * 42.0 / 1000.0).abs() < 1e-12);

    let one = StackOptions { default_thickness: Some(2.5), ..StackOptions::default() };
    let s = PlaneStack::from_contours(&prism(&square(0.0, 0.0, 10.0), &[7.0]), &one).unwrap();
    assert_eq!((s.planes[0].lo, s.planes[0].hi, codes(&s)), (5.75, 8.25, vec![FindingCode::SinglePlane]));

    // Drawn on every second slice: the volume stays, and it is said.
    let z = planes(0.0, 5.0, 6);
    let s = PlaneStack::from_contours(&prism(&square(0.0, 0.0, 10.0), &z), &one).unwrap();
    assert!((s.volume_cc() - 100.0 * 30.0 / 1000.0).abs() < 1e-12);
    assert_eq!(codes(&s), vec![FindingCode::SparsePlanes]);
}

#[test]
fn a_small_sliver_changes_nothing() {
    let z = planes(0.0, 3.0, 4);
    let mut c = prism(&circle(20.0, 100), &z);
    let clean = stack(&c).volume_cc();
    c.extend(prism(&[[1.0, 1.0], [1.12, 1.0], [1.12, 1.12], [1.0, 1.12]], &z[1..2]));
    assert!((stack(&c).volume_cc() / clean - 1.0).abs() < 1e-4);
}

#[test]
fn planes_of_any_direction() {
    let base = prism(&circle(15.0, 60), &planes(-20.0, 4.0, 9));
    let truth = stack(&base).volume_cc();
    let (s, c) = 0.4f64.sin_cos();
    let maps: [fn(Vec3) -> Vec3; 3] = [|p| [p[2], p[0], p[1]], |p| [p[0], p[2], -p[1]], |p| [-p[2], -p[1], -p[0]]];
    for map in maps {
        let turned: Vec<Contour> =
            base.iter().map(|k| Contour::closed(k.points.iter().map(|p| map(*p)).collect())).collect();
        // The image is axial; the contours are not.
        let options = StackOptions { normal: Some([0.0, 0.0, 1.0]), ..StackOptions::default() };
        let st = PlaneStack::from_contours(&turned, &options).unwrap();
        assert!((st.volume_cc() / truth - 1.0).abs() < 1e-12);
        assert!(codes(&st).contains(&FindingCode::NotImagePlane));
    }
    let tilted: Vec<Contour> = base
        .iter()
        .map(|k| {
            Contour::closed(k.points.iter().map(|p| [p[0], c * p[1] - s * p[2] + 80.0, s * p[1] + c * p[2]]).collect())
        })
        .collect();
    let st = stack(&tilted);
    assert!((st.volume_cc() / truth - 1.0).abs() < 1e-9);
    assert!(st.frame.n[1].abs() - s < 1e-12);
}

#[test]
fn what_cannot_be_a_stack_is_refused() {
    let mut c = prism(&square(0.0, 0.0, 10.0), &planes(0.0, 3.0, 4));
    c[2].points[1][2] += 2.0;
    let e = PlaneStack::from_contours(&c, &StackOptions::default()).unwrap_err();
    assert!(matches!(e, StackError::NonPlanar { contour: 2, .. }), "{e}");
    let mut c = prism(&square(0.0, 0.0, 10.0), &planes(0.0, 3.0, 4));
    c[0].points[0][0] = 1e6;
    assert!(matches!(
        PlaneStack::from_contours(&c, &StackOptions::default()),
        Err(StackError::OutOfRange { contour: 0, .. })
    ));
    assert!(matches!(PlaneStack::from_contours(&[], &StackOptions::default()), Err(StackError::Empty { given: 0 })));
    let point = Contour { kind: ContourKind::Point, points: vec![[0.0; 3]] };
    assert!(matches!(
        PlaneStack::from_contours(&[point], &StackOptions::default()),
        Err(StackError::Empty { given: 1 })
    ));
    let bad = StackOptions { planar_tolerance: f64::NAN, ..StackOptions::default() };
    assert!(matches!(PlaneStack::from_contours(&c, &bad), Err(StackError::BadOption { .. })));
}
