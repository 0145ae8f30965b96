//! Building custom structures on a voxel grid.

use super::spec::{CustomStructure, MissingSources, Operation};
use rtpipeline_geometry::{Grid, Margin, Mask, algebra, margin};

/// A mask with what is known of its making.
#[derive(Clone, Debug)]
pub(super) struct Built {
    /// The voxels.
    pub(super) mask: Mask,
    /// Sources that were missing or empty.
    pub(super) missing: Vec<String>,
    /// A source touches a face of its image.
    pub(super) cropped: bool,
}

/// One source of a structure.
pub(super) struct Source {
    /// Name in the file.
    pub(super) name: String,
    /// The voxels, `None` when the course has no such structure or it is empty.
    pub(super) built: Option<Built>,
}

/// Joins the sources and applies the margin. `Err` holds the reason why there is nothing.
pub(super) fn build(spec: &CustomStructure, sources: Vec<Source>, grid: &Grid) -> Result<Built, String> {
    let rule = spec.missing_rule();
    let absent: Vec<String> = sources.iter().filter(|s| s.built.is_none()).map(|s| s.name.clone()).collect();
    let first_missing = sources.first().is_some_and(|s| s.built.is_none());
    if absent.len() == sources.len() {
        return Err(format!("{} ({})", crate::course::NO_SOURCE, absent.join(", ")));
    }
    if !absent.is_empty() && rule == MissingSources::Skip {
        return Err(format!("missing sources: {}", absent.join(", ")));
    }
    if spec.operation == Operation::Subtract && first_missing {
        return Err(format!("missing source: {}", absent.join(", ")));
    }
    let mut missing = if rule == MissingSources::Flag { absent } else { Vec::new() };
    let mut cropped = false;
    let mut mask: Option<Mask> = None;
    for (n, source) in sources.into_iter().enumerate() {
        let Some(built) = source.built else { continue };
        // What was lacking in a part lacks in the whole.
        missing.extend(built.missing.into_iter().map(|m| format!("{}: {m}", source.name)));
        cropped |= built.cropped && (spec.operation != Operation::Subtract || n == 0);
        mask = Some(match mask {
            None => built.mask,
            Some(so_far) => {
                let join = match spec.operation {
                    Operation::Union => algebra::union,
                    Operation::Intersection => algebra::intersection,
                    Operation::Subtract => algebra::subtract,
                    Operation::Xor => algebra::xor,
                };
                join(&so_far, &built.mask).map_err(|e| e.to_string())?
            }
        });
    }
    let mut mask = mask.ok_or_else(|| "no source".to_owned())?;
    if let Some(m) = &spec.margin {
        let [right, left, anterior, posterior, inferior, superior] = m.sides();
        let m = Margin { left, right, anterior, posterior, superior, inferior };
        mask = margin::apply(&mask, &m).map_err(|e| e.to_string())?;
    }
    if mask.count() == 0 {
        return Err(match spec.operation {
            Operation::Union => "the result is empty".to_owned(),
            other => format!("the {} of its sources is empty", other.word()),
        });
    }
    cropped |= touches_face(&mask, grid.dims);
    Ok(Built { mask, missing, cropped })
}

/// True when a voxel of the mask lies in the first or last slice, row or column.
pub(super) fn touches_face(mask: &Mask, dims: [usize; 3]) -> bool {
    let d = dims;
    mask.values().chunks_exact(d[0].max(1)).enumerate().any(|(row, line)| {
        let (j, k) = (row % d[1], row / d[1]);
        if j == 0 || j + 1 == d[1] || k == 0 || k + 1 == d[2] {
            line.iter().any(|&v| v != 0)
        } else {
            line[0] != 0 || line[d[0] - 1] != 0
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::spec::{MarginSides, MarginSpec};
    use super::*;

    fn grid() -> Grid {
        Grid::axis_aligned([60, 60, 60], [-30.0; 3], [1.0; 3])
    }

    fn cube(grid: &Grid, lo: [f64; 3], hi: [f64; 3]) -> Mask {
        let mut m = Mask::filled(grid.clone(), 0);
        let d = grid.dims;
        for n in 0..grid.len() {
            let at = grid.world([(n % d[0]) as f64, (n / d[0] % d[1]) as f64, (n / (d[0] * d[1])) as f64]);
            if (0..3).all(|a| at[a] >= lo[a] && at[a] <= hi[a]) {
                m.values_mut()[n] = 1;
            }
        }
        m
    }

    fn source(name: &str, mask: Option<Mask>) -> Source {
        Source { name: name.into(), built: mask.map(|mask| Built { mask, missing: Vec::new(), cropped: false }) }
    }

    fn spec(operation: Operation, margin: Option<MarginSpec>) -> CustomStructure {
        CustomStructure {
            name: "x".into(),
            operation,
            source_structures: Vec::new(),
            margin,
            missing_sources: None,
            description: String::new(),
        }
    }

    /// World bounds of the voxel centres.
    fn bounds(m: &Mask) -> [[f64; 2]; 3] {
        let d = m.grid.dims;
        let mut b = [[f64::INFINITY, f64::NEG_INFINITY]; 3];
        for (n, _) in m.values().iter().enumerate().filter(|(_, v)| **v != 0) {
            let at = m.grid.world([(n % d[0]) as f64, (n / d[0] % d[1]) as f64, (n / (d[0] * d[1])) as f64]);
            for a in 0..3 {
                b[a] = [b[a][0].min(at[a]), b[a][1].max(at[a])];
            }
        }
        b
    }

    #[test]
    fn each_side_grows_by_its_own_margin() {
        // D36: the original grew 15 mm in every direction. Patient directions, also when the image is flipped.
        let margin = MarginSpec::Sides(MarginSides {
            anterior_mm: Some(10.0),
            posterior_mm: Some(5.0),
            left_mm: Some(7.0),
            right_mm: Some(6.0),
            superior_mm: Some(15.0),
            inferior_mm: Some(4.0),
            uniform_mm: None,
        });
        let up = grid();
        let flipped =
            Grid { dims: up.dims, origin: [29.0; 3], step: [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]] };
        for g in [up, flipped] {
            let c = cube(&g, [-5.0; 3], [5.0; 3]);
            let b = build(&spec(Operation::Union, Some(margin)), vec![source("GTV", Some(c))], &g).unwrap();
            assert_eq!(bounds(&b.mask), [[-11.0, 12.0], [-15.0, 10.0], [-9.0, 20.0]]);
            assert!(!b.cropped);
        }
    }

    #[test]
    fn one_negative_side_shrinks_that_side() {
        // D37: the original left the structure as it was.
        let g = grid();
        let margin = MarginSpec::Sides(MarginSides { posterior_mm: Some(-3.0), ..MarginSides::default() });
        let c = cube(&g, [-5.0; 3], [5.0; 3]);
        let b = build(&spec(Operation::Union, Some(margin)), vec![source("GTV", Some(c.clone()))], &g).unwrap();
        assert_eq!(bounds(&b.mask), [[-5.0, 5.0], [-5.0, 2.0], [-5.0, 5.0]]);
        let all = build(&spec(Operation::Union, Some(MarginSpec::Uniform(-3.0))), vec![source("GTV", Some(c))], &g);
        assert_eq!(bounds(&all.unwrap().mask), [[-2.0, 2.0]; 3]);
    }

    #[test]
    fn a_uniform_margin_is_a_ball_not_a_box() {
        let g = grid();
        let c = cube(&g, [-5.0; 3], [5.0; 3]);
        let b = build(&spec(Operation::Union, Some(MarginSpec::Uniform(6.0))), vec![source("x", Some(c))], &g).unwrap();
        assert_eq!(bounds(&b.mask), [[-11.0, 11.0]; 3]);
        let at = |x: f64, y: f64, z: f64| {
            let i = g.index([x, y, z]).map(|v| v.round() as usize);
            b.mask.data[[i[2], i[1], i[0]]]
        };
        assert_eq!((at(11.0, 0.0, 0.0), at(9.0, 9.0, 5.0), at(10.0, 10.0, 5.0), at(11.0, 11.0, 11.0)), (1, 1, 0, 0));
    }

    #[test]
    fn operations_and_missing_sources() {
        let g = grid();
        let a = cube(&g, [-5.0; 3], [5.0; 3]);
        let b = cube(&g, [0.0, -5.0, -5.0], [10.0, 5.0, 5.0]);
        let two =
            |op| build(&spec(op, None), vec![source("a", Some(a.clone())), source("b", Some(b.clone()))], &g).unwrap();
        assert_eq!(two(Operation::Union).mask.count(), 16 * 121);
        assert_eq!(two(Operation::Intersection).mask.count(), 6 * 121);
        assert_eq!(two(Operation::Subtract).mask.count(), 5 * 121);
        assert_eq!(two(Operation::Xor).mask.count(), 10 * 121);
        let partial = |op| build(&spec(op, None), vec![source("a", Some(a.clone())), source("b", None)], &g);
        // D65: the name stays, the flag says it.
        assert_eq!(partial(Operation::Union).unwrap().missing, ["b"]);
        assert!(partial(Operation::Subtract).unwrap_err().contains("missing sources: b"));
        let mut lenient = spec(Operation::Subtract, None);
        lenient.missing_sources = Some(MissingSources::Ignore);
        assert!(build(&lenient, vec![source("a", Some(a.clone())), source("b", None)], &g).unwrap().missing.is_empty());
        assert!(build(&lenient, vec![source("a", None), source("b", Some(b.clone()))], &g).is_err());
        assert!(build(&spec(Operation::Union, None), vec![source("a", None)], &g).unwrap_err().contains("none of"));
        let far = cube(&g, [20.0; 3], [25.0; 3]);
        let none =
            build(&spec(Operation::Intersection, None), vec![source("a", Some(a)), source("far", Some(far))], &g);
        assert!(none.unwrap_err().contains("intersection"));
    }

    #[test]
    fn what_reaches_the_border_is_flagged() {
        let g = grid();
        let c = cube(&g, [20.0; 3], [25.0; 3]);
        let b = build(&spec(Operation::Union, Some(MarginSpec::Uniform(5.0))), vec![source("x", Some(c))], &g).unwrap();
        assert!(b.cropped);
    }
}
