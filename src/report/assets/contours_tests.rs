use super::super::StructureInfo;
use super::super::pack::{inflate_base64, read_varint, read_zigzag};
use super::*;

/// Slice index and loops in pixels, as the viewer decodes them.
fn decode(block: &ContourBlock) -> Vec<Vec<(usize, Vec<Vec<[f64; 2]>>)>> {
    let bytes = inflate_base64(&block.data, "contours").unwrap();
    let mut rest = bytes.as_slice();
    let unit = f64::from(block.unit);
    let out = (0..block.ids.len())
        .map(|_| {
            let mut slice = 0;
            let mut last = [0i64; 2];
            (0..read_varint(&mut rest))
                .map(|_| {
                    slice += read_varint(&mut rest) as usize;
                    let loops = (0..read_varint(&mut rest))
                        .map(|_| {
                            (0..read_varint(&mut rest))
                                .map(|_| {
                                    last = last.map(|v| v + read_zigzag(&mut rest));
                                    last.map(|v| v as f64 / unit)
                                })
                                .collect()
                        })
                        .collect();
                    (slice, loops)
                })
                .collect()
        })
        .collect();
    assert!(rest.is_empty());
    out
}

fn structure(id: &str, group: StructureGroup, loops: Vec<Vec<Vec3>>) -> StructureContours {
    StructureContours { info: StructureInfo { id: id.into(), name: id.into(), group, ..Default::default() }, loops }
}

fn square(grid: &Grid, low: f64, high: f64, k: f64) -> Vec<Vec3> {
    [[low, low], [high, low], [high, high], [low, high]].iter().map(|p| grid.world([p[0], p[1], k])).collect()
}

fn oblique() -> Grid {
    let (s, c) = 0.3f64.sin_cos();
    Grid::new([50, 60, 12], [-20.0, 33.3, -410.0], [0.9, 1.1, 3.0], [[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
        .unwrap()
}

#[test]
fn corners_come_back_within_a_sixteenth_of_a_pixel() {
    let grid = oblique();
    let loops = vec![square(&grid, 10.03, 30.77, 2.0), square(&grid, 12.0, 20.0, 2.0), square(&grid, 11.5, 25.2, 7.0)];
    let block = encode_contours(&[structure("a", StructureGroup::Target, loops)], &grid).unwrap();
    let back = decode(&block);
    assert_eq!(back[0].iter().map(|p| p.0).collect::<Vec<_>>(), [2, 7]);
    assert_eq!(back[0][0].1.len(), 2);
    let truth = [[10.03, 10.03], [30.77, 10.03], [30.77, 30.77], [10.03, 30.77]];
    for (p, t) in back[0][0].1[0].iter().zip(truth) {
        assert!((p[0] - t[0]).abs() <= 1.0 / 16.0 + 1e-9 && (p[1] - t[1]).abs() <= 1.0 / 16.0 + 1e-9, "{p:?}");
    }
    let start = grid.index(block.start.unwrap());
    assert!((start[2] - 2.0).abs() < 1e-6, "the larger plane is slice 2: {start:?}");
}

#[test]
fn simplification_stays_within_its_tolerance() {
    let grid = oblique();
    let circle: Vec<[f64; 2]> = (0..400)
        .map(|n| {
            let t = n as f64 / 400.0 * std::f64::consts::TAU;
            [25.0 + 15.0 * t.cos(), 30.0 + 15.0 * t.sin()]
        })
        .collect();
    let spacing = [0.9, 1.1];
    let simple = simplify(&circle, spacing);
    assert!(simple.len() < 80 && simple.len() > 12, "{}", simple.len());
    for p in &circle {
        let d = simple
            .iter()
            .zip(simple.iter().cycle().skip(1))
            .map(|(a, b)| {
                let (dx, dy) = ((b[0] - a[0]) * spacing[0], (b[1] - a[1]) * spacing[1]);
                let (px, py) = ((p[0] - a[0]) * spacing[0], (p[1] - a[1]) * spacing[1]);
                let t = ((px * dx + py * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
                (px - t * dx).hypot(py - t * dy)
            })
            .fold(f64::INFINITY, f64::min);
        assert!(d <= TOLERANCE_MM + 1e-9, "{d}");
    }
    let loops = vec![circle.iter().map(|p| grid.world([p[0], p[1], 3.0])).collect()];
    assert!(encode_contours(&[structure("c", StructureGroup::Organ, loops)], &grid).unwrap().points == simple.len());
}

#[test]
fn what_cannot_be_drawn_is_counted_by_reason() {
    let grid = oblique();
    let mut tilted = square(&grid, 5.0, 40.0, 4.0);
    tilted[2][2] += 5.0;
    let loops = vec![
        square(&grid, 5.0, 20.0, 4.4),
        square(&grid, 5.0, 20.0, 3.9),
        square(&grid, 5.0, 20.0, 40.0),
        tilted,
        vec![grid.world([1.0, 1.0, 1.0])],
        vec![[f64::NAN; 3]; 4],
    ];
    let block = encode_contours(&[structure("a", StructureGroup::Organ, loops)], &grid).unwrap();
    assert_eq!(
        block.notes[0].undrawn,
        [
            "1 × between slices",
            "1 × outside the image",
            "1 × not parallel to the slices",
            "2 × with fewer than three points"
        ]
    );
    assert_eq!(decode(&block)[0].len(), 1);
}

#[test]
fn too_many_points_drop_automatic_structures_first_and_name_them() {
    let grid = Grid::axis_aligned([512, 512, 100], [0.0; 3], [1.0, 1.0, 3.0]);
    let mut state = 7u64;
    let mut ragged = |k: usize| {
        (0..400)
            .map(|n| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let r = 100.0 + (state >> 40) as f64 / (1u64 << 24) as f64 * 60.0;
                let t = n as f64 / 400.0 * std::f64::consts::TAU;
                grid.world([256.0 + r * t.cos(), 256.0 + r * t.sin(), k as f64])
            })
            .collect::<Vec<_>>()
    };
    let mut all = Vec::new();
    for n in 0..12 {
        let group = if n == 11 { StructureGroup::Target } else { StructureGroup::Automatic };
        all.push(structure(&format!("s{n}"), group, (0..60).map(&mut ragged).collect()));
    }
    let block = encode_contours(&all, &grid).unwrap();
    assert!(block.data.len() <= BUDGET);
    assert_eq!(block.unit, 4);
    assert!(block.ids.contains(&"s11".to_owned()) && !block.dropped.is_empty());
    assert_eq!(block.ids.len() + block.dropped.len(), 12);
}

#[test]
fn nothing_to_draw_is_no_error() {
    let block = encode_contours(&[], &oblique()).unwrap();
    assert!(block.ids.is_empty() && block.start.is_none());
}
