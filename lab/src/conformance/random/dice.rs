//! Random choices, the same for the same seed.

use proptest::prelude::Rng;
use proptest::test_runner::TestRng;

/// Throws dice.
pub(super) struct Dice<'a>(pub(super) &'a mut TestRng);

impl Dice<'_> {
    /// One of `0..bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        // The remainder is not quite fair, which matters to nobody here.
        usize::try_from(self.0.next_u32()).unwrap_or_default() % bound.max(1)
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(super) fn pick<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of.get(self.below(of.len())).copied().unwrap_or_default()
    }

    /// One of these by weight.
    pub(super) fn weighted<T: Copy>(&mut self, of: &[(usize, T)]) -> Option<T> {
        let mut at = self.below(of.iter().map(|(weight, _)| weight).sum());
        of.iter()
            .find(|(weight, _)| {
                let found = at < *weight;
                at = at.saturating_sub(*weight);
                found
            })
            .map(|(_, value)| *value)
    }
}
