//! Chance with a memory: the same seed gives the same throws, for ever.
//!
//! A demo that was interrupted goes on by making the same changes again, perhaps with a newer
//! program; so the sequence must not hang on a library's choice of algorithm. This is SplitMix64
//! (Steele, Lea, Flood, 2014). Must never be used where chance must not be guessed.

use std::ops::RangeInclusive;

use uuid::{Builder, Uuid};

/// A sequence of throws.
#[derive(Clone, Debug)]
pub(super) struct Dice {
    state: u64,
}

impl Dice {
    /// The sequence of a seed.
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn throw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`; 0 if that is 0.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        let scaled = (u128::from(self.throw()) * limit as u128) >> 64;
        usize::try_from(scaled).unwrap_or(0)
    }

    /// A number of the range, which must not be empty nor span more than 2^63 numbers.
    pub(super) fn within(&mut self, range: RangeInclusive<i64>) -> i64 {
        let span = i128::from(*range.end()) - i128::from(*range.start()) + 1;
        let scaled = (i128::from(self.throw()) * span) >> 64;
        i64::try_from(i128::from(*range.start()) + scaled).unwrap_or(*range.start())
    }

    /// True so many times in a thousand.
    pub(super) fn chance(&mut self, per_mille: usize) -> bool {
        self.below(1_000) < per_mille
    }

    /// One of the items, of which there must be one.
    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// A random id as databases give them (version 4).
    pub(super) fn id(&mut self) -> Uuid {
        let bits = (u128::from(self.throw()) << 64) | u128::from(self.throw());
        Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_of_a_seed_never_changes() {
        // Reference values of SplitMix64 for seed 1234567.
        let mut dice = Dice::new(1_234_567);
        let throws: Vec<u64> = (0..3).map(|_| dice.throw()).collect();
        assert_eq!(
            throws,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn throws_stay_within_their_range() {
        let mut dice = Dice::new(7);
        let mut seen = [0_usize; 5];
        for _ in 0..1_000 {
            let number = dice.within(-2..=2);
            seen[usize::try_from(number + 2).unwrap()] += 1;
        }
        assert!(seen.iter().all(|count| (100..300).contains(count)), "{seen:?}");
        assert_eq!(dice.below(0), 0);
        assert_eq!(dice.below(1), 0);
        assert_eq!(dice.id().get_version_num(), 4);
    }
}
