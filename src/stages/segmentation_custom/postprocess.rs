//! What is done to the label map of a network.

use super::model::Postprocessing;
use rtpipeline_geometry::components::{Connectivity, label};
use rtpipeline_geometry::{Mask, Volume};

/// Keeps what lies in the lungs and drops parts that are too small, label by label.
pub(super) fn apply(map: &mut Volume<u32>, rules: &Postprocessing, lungs: Option<&Mask>) {
    if let Some(lungs) = lungs.filter(|_| rules.confine_to_lung_mask) {
        for (v, &inside) in map.values_mut().iter_mut().zip(lungs.values()) {
            if inside == 0 {
                *v = 0;
            }
        }
    }
    let smallest = rules.min_component_volume_cm3 * 1000.0 / map.grid.voxel_volume_mm3();
    if smallest <= 1.0 {
        return;
    }
    let labels: std::collections::BTreeSet<u32> = map.values().iter().copied().filter(|&v| v != 0).collect();
    for value in labels {
        let mask: Vec<u8> = map.values().iter().map(|&v| u8::from(v == value)).collect();
        let parts = label(&mask, map.grid.dims, Connectivity::TwentySix);
        for (v, &part) in map.values_mut().iter_mut().zip(&parts.labels) {
            if part > 0 && (parts.sizes[part as usize - 1] as f64) < smallest {
                *v = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtpipeline_geometry::Grid;

    #[test]
    fn small_parts_and_what_lies_outside_the_lungs_go() {
        let grid = Grid::axis_aligned([10, 1, 1], [0.0; 3], [10.0, 10.0, 10.0]);
        let mut map = Volume::from_vec(grid.clone(), vec![1, 1, 0, 1, 0, 2, 2, 2, 0, 2]);
        let lungs = Mask::from_vec(grid, vec![1, 1, 1, 1, 1, 1, 1, 0, 0, 0]);
        let mut rules: Postprocessing = serde_json::from_str("{}").unwrap();
        rules.min_component_volume_cm3 = 2.0;
        let mut whole = map.clone();
        apply(&mut whole, &rules, Some(&lungs));
        assert_eq!(whole.values(), [1, 1, 0, 0, 0, 2, 2, 2, 0, 0]);
        rules.confine_to_lung_mask = true;
        apply(&mut map, &rules, Some(&lungs));
        assert_eq!(map.values(), [1, 1, 0, 0, 0, 2, 2, 0, 0, 0]);
    }
}
