//! The stages of a run with their needs, checked once.

use crate::api::{Policy, Subject, UnitId};
use crate::error::EngineError;
use crate::options::{Order, RunOptions};
use crate::pipeline::{ErasedStage, Need, Pipeline};
use std::collections::{BTreeMap, BTreeSet};

/// One stage of the run.
pub(crate) struct StageInfo<'a, S> {
    pub(crate) stage: &'a dyn ErasedStage<S>,
    pub(crate) name: &'static str,
    pub(crate) version: u32,
    pub(crate) policy: Policy,
    /// Indices of the stages whose success it needs.
    pub(crate) done: Vec<usize>,
    /// Indices of the stages that it only comes after.
    pub(crate) after: Vec<usize>,
    /// Names of all stages of the pipeline that it needs or comes after, those that this run leaves out included: their
    /// results still count.
    pub(crate) earlier: Vec<&'static str>,
}

/// Stages × subjects.
pub(crate) struct Graph<'a, S> {
    pub(crate) stages: Vec<StageInfo<'a, S>>,
    pub(crate) subjects: &'a [S],
    pub(crate) scopes: Vec<Vec<String>>,
    /// Place of each subject in the order of the run.
    pub(crate) rank: Vec<usize>,
}

impl<'a, S: Subject> Graph<'a, S> {
    pub(crate) fn new(pipeline: &'a Pipeline<S>, subjects: &'a [S], options: &RunOptions) -> Result<Self, EngineError> {
        if !options.roots.0.contains_key("out") {
            return Err(EngineError::Pipeline("no root is called `out`".into()));
        }
        let names: Vec<&'static str> = pipeline.stages.iter().map(|e| e.stage.erased_name()).collect();
        check_names(&names)?;
        for (i, e) in pipeline.stages.iter().enumerate() {
            for n in &e.needs {
                match names.iter().position(|x| *x == n.stage()) {
                    Some(at) if at < i => {}
                    Some(_) => {
                        return Err(EngineError::Pipeline(format!(
                            "stage {} needs {}, which does not come before it",
                            names[i],
                            n.stage()
                        )));
                    }
                    None if matches!(n, Need::After(_)) => {}
                    None => {
                        return Err(EngineError::Pipeline(format!(
                            "stage {} needs {}, which is not in the pipeline",
                            names[i],
                            n.stage()
                        )));
                    }
                }
            }
        }
        let selected = select(pipeline, &names, options)?;
        let index: BTreeMap<&str, usize> = selected.iter().enumerate().map(|(new, &old)| (names[old], new)).collect();
        let stages = selected
            .iter()
            .map(|&i| {
                let e = &pipeline.stages[i];
                let of = |want: fn(&Need) -> bool| {
                    e.needs.iter().filter(|n| want(n)).filter_map(|n| index.get(n.stage()).copied()).collect()
                };
                StageInfo {
                    stage: e.stage.as_ref(),
                    name: names[i],
                    version: e.stage.erased_version(),
                    policy: e.stage.erased_policy(),
                    done: of(|n| matches!(n, Need::Done(_))),
                    after: of(|n| matches!(n, Need::After(_))),
                    earlier: e.needs.iter().map(Need::stage).filter(|n| names.contains(n)).collect(),
                }
            })
            .collect();
        let scopes: Vec<Vec<String>> = subjects.iter().map(Subject::scope).collect();
        check_scopes(&scopes)?;
        Ok(Self { stages, subjects, rank: ranks(subjects.len(), options.order), scopes })
    }

    /// The unit that stands for a whole stage in a scope.
    pub(crate) fn whole(&self, stage: usize, subject: usize) -> UnitId {
        UnitId { stage: self.stages[stage].name.to_owned(), scope: self.scopes[subject].clone(), part: None }
    }
}

fn check_names(names: &[&'static str]) -> Result<(), EngineError> {
    let mut seen = BTreeSet::new();
    for n in names {
        if !is_file_name(n) {
            return Err(EngineError::Pipeline(format!("`{n}` cannot be the name of a stage")));
        }
        if !seen.insert(n) {
            return Err(EngineError::Pipeline(format!("two stages are called {n}")));
        }
    }
    Ok(())
}

fn check_scopes(scopes: &[Vec<String>]) -> Result<(), EngineError> {
    let mut seen = BTreeSet::new();
    for s in scopes {
        if s.is_empty() || !s.iter().all(|c| is_file_name(c)) {
            return Err(EngineError::Pipeline(format!(
                "`{}` cannot be a scope: every part must be usable as a file name",
                s.join("/")
            )));
        }
        if !seen.insert(s) {
            return Err(EngineError::Pipeline(format!("two subjects have the scope {}", s.join("/"))));
        }
    }
    Ok(())
}

/// Usable as one component of a path.
pub(crate) fn is_file_name(s: &str) -> bool {
    !s.is_empty() && s.len() <= 255 && s != "." && s != ".." && !s.contains(['/', '\0'])
}

/// Indices of the stages to be run: those asked for and, in turn, those whose success they need.
fn select<S>(pipeline: &Pipeline<S>, names: &[&'static str], options: &RunOptions) -> Result<Vec<usize>, EngineError> {
    let unknown = |name: &String| EngineError::UnknownStage {
        name: name.clone(),
        known: names.iter().map(|n| (*n).to_owned()).collect(),
    };
    if let crate::options::Force::Stages(s) = &options.force
        && let Some(n) = s.iter().find(|n| !names.contains(&n.as_str()))
    {
        return Err(unknown(n));
    }
    let Some(only) = &options.only else { return Ok((0..names.len()).collect()) };
    let mut wanted = BTreeSet::new();
    let mut todo = Vec::new();
    for n in only {
        todo.push(names.iter().position(|x| x == n).ok_or_else(|| unknown(n))?);
    }
    while let Some(i) = todo.pop() {
        if wanted.insert(i) {
            for n in &pipeline.stages[i].needs {
                if let Need::Done(d) = n {
                    todo.extend(names.iter().position(|x| x == d));
                }
            }
        }
    }
    Ok(wanted.into_iter().collect())
}

/// Rank of every subject: its own place, or a place drawn by the seed.
fn ranks(n: usize, order: Order) -> Vec<usize> {
    let Order::Random(seed) = order else { return (0..n).collect() };
    let mut shuffled: Vec<usize> = (0..n).collect();
    shuffled.sort_by_key(|&i| {
        let mut h = blake3::Hasher::new();
        h.update(&seed.to_le_bytes()).update(&(i as u64).to_le_bytes());
        *h.finalize().as_bytes()
    });
    let mut rank = vec![0; n];
    for (place, i) in shuffled.into_iter().enumerate() {
        rank[i] = place;
    }
    rank
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_a_permutation_that_the_seed_decides() {
        let a = ranks(50, Order::Random(1));
        assert_eq!(a, ranks(50, Order::Random(1)));
        assert_ne!(a, ranks(50, Order::Random(2)));
        let mut sorted = a;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
    }
}
