//! Splitting a course by time.

use super::facts::{day, day_number};
use super::graph::Graph;
use std::collections::BTreeSet;

/// Splits the nodes of a course into windows: a plan dated more than `max_days` after the first plan of its window opens
/// the next one. Doses go with their plans; structure sets and images go with every window whose plans use them; what
/// belongs to no plan stays in the first window. Plans without a date stay there too.
pub(super) fn windows(g: &Graph<'_>, nodes: &BTreeSet<usize>, max_days: Option<u32>) -> Vec<BTreeSet<usize>> {
    let Some(max_days) = max_days else { return vec![nodes.clone()] };
    let plans: Vec<usize> = (0..g.plans.len()).filter(|&p| nodes.contains(&g.plan_node(p))).collect();
    let date = |p: usize| {
        let f = &g.facts[g.plans[p].file];
        day(&f.date).or_else(|| day(&f.study_date)).map(day_number)
    };
    let mut days: Vec<i64> = plans.iter().filter_map(|&p| date(p)).collect();
    days.sort_unstable();
    let mut starts: Vec<i64> = Vec::new();
    for d in days {
        if starts.last().is_none_or(|s| d - s > i64::from(max_days)) {
            starts.push(d);
        }
    }
    if starts.len() < 2 {
        return vec![nodes.clone()];
    }
    let window = |p: usize| date(p).map_or(0, |d| starts.partition_point(|&s| s <= d).saturating_sub(1));
    let mut out = vec![BTreeSet::new(); starts.len()];
    let mut placed = BTreeSet::new();
    for &p in &plans {
        let mut mine = vec![g.plan_node(p)];
        if let Some(set) = g.plans[p].set {
            mine.push(g.set_node(set));
            mine.extend(&g.sets[set].images);
        }
        mine.extend((0..g.doses.len()).filter(|&d| g.doses[d].plans.contains(&p)).map(|d| g.dose_node(d)));
        placed.extend(mine.iter().copied());
        out[window(p)].extend(mine);
    }
    out[0].extend(nodes.difference(&placed));
    out
}
