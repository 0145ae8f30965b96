//! Disjoint sets whose representative is always the smallest member.

/// Disjoint sets over `0..n`.
#[derive(Clone, Debug)]
pub(super) struct Union(Vec<usize>);

impl Union {
    /// Every element alone.
    pub(super) fn new(n: usize) -> Self {
        Self((0..n).collect())
    }

    /// Smallest member of the set of `a`.
    pub(super) fn find(&mut self, a: usize) -> usize {
        let mut root = a;
        while self.0[root] != root {
            root = self.0[root];
        }
        let mut at = a;
        while self.0[at] != root {
            at = std::mem::replace(&mut self.0[at], root);
        }
        root
    }

    /// Joins two sets.
    pub(super) fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.find(a), self.find(b));
        let (low, high) = (a.min(b), a.max(b));
        self.0[high] = low;
    }
}
