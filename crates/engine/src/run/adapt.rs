//! How many workers a stage may have: halved when memory runs out, grown back with care.

/// Successes for each worker that make a spell calm, at first.
const CALM: usize = 4;
const CALM_MAX: usize = 256;

/// Workers of one stage.
#[derive(Clone, Debug)]
pub(crate) struct Adaptive {
    max: usize,
    now: usize,
    fewest: usize,
    /// Raised with every reduction: units that started before one belong to the same batch of failures.
    generation: u64,
    calm: usize,
    needed: usize,
}

/// Answer to a unit that failed for memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Put it back; the workers were reduced already when another unit of its batch failed.
    PutBack,
    /// Put it back with fewer workers.
    Reduced {
        /// Before.
        from: usize,
        /// Now.
        to: usize,
    },
    /// It had no company in its stage: once more, alone on the machine.
    Alone,
}

impl Adaptive {
    pub(crate) fn new(max: usize) -> Self {
        let max = max.max(1);
        Self { max, now: max, fewest: max, generation: 0, calm: 0, needed: CALM }
    }

    pub(crate) fn now(&self) -> usize {
        self.now
    }

    pub(crate) fn fewest(&self) -> usize {
        self.fewest
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// A unit of the given generation failed for memory while `running` units of its stage, itself included, were at work:
    /// w = min(workers, running); max(1, w/2), or w−1 when that is w.
    pub(crate) fn memory_failure(&mut self, generation: u64, running: usize) -> Answer {
        self.calm = 0;
        let w = self.now.min(running.max(1));
        if generation < self.generation && running > 1 {
            return Answer::PutBack;
        }
        if w <= 1 {
            return Answer::Alone;
        }
        let half = (w / 2).max(1);
        let to = if half == w { w - 1 } else { half };
        let from = self.now;
        self.now = to;
        self.fewest = self.fewest.min(to);
        self.generation += 1;
        self.needed = (self.needed * 2).min(CALM_MAX);
        Answer::Reduced { from, to }
    }

    /// A unit succeeded; returns the new number of workers when the spell has been calm for long enough.
    pub(crate) fn success(&mut self) -> Option<(usize, usize)> {
        if self.now >= self.max {
            return None;
        }
        self.calm += 1;
        if self.calm < self.needed * self.now {
            return None;
        }
        self.calm = 0;
        self.now += 1;
        Some((self.now - 1, self.now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_halved_once_for_a_batch_and_end_alone() {
        let mut a = Adaptive::new(8);
        assert_eq!(a.memory_failure(0, 8), Answer::Reduced { from: 8, to: 4 });
        assert_eq!(a.memory_failure(0, 7), Answer::PutBack);
        assert_eq!(a.memory_failure(1, 3), Answer::Reduced { from: 4, to: 1 });
        assert_eq!(a.memory_failure(2, 1), Answer::Alone);
        assert_eq!((a.now(), a.fewest()), (1, 1));
        let mut b = Adaptive::new(8);
        assert_eq!(b.memory_failure(0, 2), Answer::Reduced { from: 8, to: 1 });
        assert_eq!(Adaptive::new(1).memory_failure(0, 1), Answer::Alone);
    }

    #[test]
    fn workers_grow_back_slower_after_every_setback() {
        let mut a = Adaptive::new(2);
        let calm = |a: &mut Adaptive| (1..10_000).find(|_| a.success().is_some()).unwrap();
        a.memory_failure(0, 2);
        let first = calm(&mut a);
        assert_eq!(a.now(), 2);
        assert_eq!(a.success(), None);
        a.memory_failure(a.generation(), 2);
        assert!(calm(&mut a) > first);
    }
}
