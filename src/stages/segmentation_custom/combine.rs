//! Label maps of several networks become one.

use rtpipeline_geometry::Volume;
use std::collections::BTreeMap;

/// One network's result: the map and the names of its labels 1, 2, ….
pub struct Part<'a> {
    /// The label map.
    pub map: &'a Volume<u32>,
    /// Names of the labels.
    pub labels: &'a [String],
}

/// Joins parts on one grid: value = 1 + position in `structures`. Where two structures lie in one voxel the later
/// network wins; a structure that a later network also has is taken from the later one alone.
pub fn combine(parts: &[Part<'_>], structures: &[String]) -> Option<Volume<u32>> {
    let grid = parts.first()?.map.grid.clone();
    let value: BTreeMap<&str, u32> = structures.iter().zip(1u32..).map(|(s, v)| (s.as_str(), v)).collect();
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    for (n, part) in parts.iter().enumerate() {
        for label in part.labels {
            last.insert(label, n);
        }
    }
    let mut out = Volume::filled(grid, 0u32);
    for (n, part) in parts.iter().enumerate() {
        let table: Vec<u32> = std::iter::once(0)
            .chain(part.labels.iter().map(|l| {
                if last.get(l.as_str()) == Some(&n) { value.get(l.as_str()).copied().unwrap_or(0) } else { 0 }
            }))
            .collect();
        for (to, &from) in out.values_mut().iter_mut().zip(part.map.values()) {
            let v = table.get(from as usize).copied().unwrap_or(0);
            if v != 0 {
                *to = v;
            }
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtpipeline_geometry::Grid;

    #[test]
    fn a_later_network_overrides_an_earlier_one() {
        let grid = Grid::axis_aligned([5, 1, 1], [0.0; 3], [1.0; 3]);
        let a = Volume::from_vec(grid.clone(), vec![1u32, 1, 2, 2, 0]);
        let b = Volume::from_vec(grid, vec![0u32, 2, 0, 1, 2]);
        let (la, lb) = (["Valve".to_owned(), "Artery".to_owned()], ["Atrium".to_owned(), "Valve".to_owned()]);
        let names = ["Valve", "Artery", "Atrium"].map(str::to_owned);
        let parts = [Part { map: &a, labels: &la }, Part { map: &b, labels: &lb }];
        // `Valve` comes from the second network alone, `Artery` yields to `Atrium` where both lie.
        assert_eq!(combine(&parts, &names).unwrap().values(), [0, 1, 2, 3, 1]);
    }
}
