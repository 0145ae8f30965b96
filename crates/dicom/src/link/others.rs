//! Objects that say something about others: treatment records, registrations, segmentations, reports.

use super::class::Class;
use super::graph::Graph;
use std::collections::{BTreeMap, BTreeSet};

/// Joins images that a registration maps onto the frame of exactly one part with plan, dose or structures. Two treated
/// parts are never joined by a registration.
pub(super) fn join_registered(g: &mut Graph<'_>) {
    let facts = g.facts;
    for &file in &g.identity.live {
        let me = &facts[file];
        if me.class() != Class::Registration || me.frames.len() < 2 {
            continue;
        }
        let near: Vec<usize> = (0..g.series.len())
            .filter(|&s| g.face(s).is_some_and(|f| f.patient_id == me.patient_id && f.shares_frame(me)))
            .collect();
        let first_treated = g.plan_node(0);
        let treated: BTreeSet<usize> = (first_treated..g.dose_node(g.doses.len())).map(|n| g.union.find(n)).collect();
        let mut main: BTreeSet<usize> = near.iter().map(|&s| g.union.find(s)).collect();
        main.retain(|r| treated.contains(r));
        if let [main] = main.into_iter().collect::<Vec<_>>().as_slice() {
            for s in near {
                if !treated.contains(&g.union.find(s)) {
                    g.union.join(*main, s);
                }
            }
        }
    }
}

/// Where every other live file belongs: the nodes that it refers to, else the images of its frame of reference.
pub(super) fn attach(g: &Graph<'_>) -> BTreeMap<usize, Vec<usize>> {
    let facts = g.facts;
    let mut out = BTreeMap::new();
    for &file in &g.identity.live {
        let me = &facts[file];
        if !matches!(me.class(), Class::Record | Class::Registration | Class::Companion(_)) {
            continue;
        }
        let mut nodes: BTreeSet<usize> =
            me.all_references().filter_map(|u| g.node_of(g.identity.resolve(facts, file, u)?)).collect();
        if nodes.is_empty() {
            nodes.extend((0..g.series.len()).filter(|&s| {
                g.face(s).is_some_and(|f| f.patient_id == me.patient_id && me.refs.series.contains(&f.series_uid))
            }));
        }
        if nodes.is_empty() {
            nodes.extend(
                (0..g.series.len())
                    .filter(|&s| g.face(s).is_some_and(|f| f.patient_id == me.patient_id && f.shares_frame(me))),
            );
        }
        out.insert(file, nodes.into_iter().collect());
    }
    out
}
