//! When one attack finds more than another, and when that is chance.

use super::check::Verdict;
use crate::Result;
use crate::metrics::{McNemar, mcnemar};

/// A difference counts where chance makes one so large in fewer than 1 of 20 cases: with exact
/// tests, six images that one attack alone breaks are the fewest.
pub const SIGNIFICANT: f64 = 0.05;

/// The fewest images that only one of two attacks breaks, if the other breaks none alone, for
/// which McNemar's exact test says that this is no chance: 2 * 0.5^6 < 0.05.
pub const FEWEST_NO_CHANCE: usize = 6;

/// Of what two attacks break together, the part that the first misses: above this it misses more
/// than it finds, and was misled. Defences with masked gradients lie at 0.9 and more; sound models
/// lie below a quarter (measured here: PGD beside AutoAttack on small networks trained with PGD).
pub const MOST: f64 = 0.5;

/// From here on it is worth a warning.
pub const MUCH: f64 = 1.0 / 3.0;

/// Likewise for gains above this, as a fraction of all images: "often by more than 10 %" are those
/// of AutoAttack on defences that had been evaluated wrongly (Croce & Hein 2020, abstract).
pub const LARGE_GAIN: f64 = 0.10;

/// Two attacks on the same images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paired {
    pub only_first: usize,
    pub only_second: usize,
    /// Of McNemar's exact test, two-sided.
    pub p: f64,
}

impl Paired {
    /// From which images each of two attacks breaks.
    ///
    /// # Errors
    /// `Invalid` for lengths that differ.
    pub fn of(first: &[bool], second: &[bool]) -> Result<Self> {
        // An image that is broken is one that the model gets wrong.
        let right = |broken: &[bool]| broken.iter().map(|it| !it).collect::<Vec<_>>();
        let it = mcnemar(&right(first), &right(second))?;
        Ok(Paired {
            only_first: it.only_b_right as usize,
            only_second: it.only_a_right as usize,
            p: it.p_exact,
        })
    }

    /// From images that one attack breaks alone, where the other can break none alone.
    pub fn one_way(found: usize) -> Self {
        Paired {
            only_first: 0,
            only_second: found,
            p: McNemar::from_counts(0, found as u64, 0, 0).p_exact,
        }
    }

    /// Whether the second attack finds more, and not by chance.
    pub fn second_ahead(&self) -> bool {
        self.only_second > self.only_first && self.p < SIGNIFICANT
    }

    pub fn first_ahead(&self) -> bool {
        self.only_first > self.only_second && self.p < SIGNIFICANT
    }

    /// By how many images the second is ahead.
    pub fn gain(&self) -> usize {
        self.only_second.saturating_sub(self.only_first)
    }

    /// Of the best of so many second attacks, each of which had a chance (Bonferroni).
    pub fn best_of(self, attempts: usize) -> Self {
        Paired {
            p: (self.p * attempts as f64).min(1.0),
            ..self
        }
    }

    /// What the gain of the second attack says about the first, which breaks `found` of `images`.
    pub fn verdict(&self, found: usize, images: usize) -> Verdict {
        let gain = self.gain() as f64;
        let missed = gain / (found as f64 + gain).max(1.0);
        match self.second_ahead() {
            true if missed > MOST => Verdict::Fail,
            true if missed > MUCH || gain > LARGE_GAIN * images as f64 => Verdict::Warn,
            _ => Verdict::Pass,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_images_are_chance_and_small_gains_are_usual() {
        let verdict = |gain, found, images| Paired::one_way(gain).verdict(found, images);
        // Too few to be no chance, though the first attack finds none.
        assert_eq!(verdict(FEWEST_NO_CHANCE - 1, 0, 20), Verdict::Pass);
        assert_eq!(verdict(FEWEST_NO_CHANCE, 0, 20), Verdict::Fail);
        // More than it finds, a third of what both do, and less.
        assert_eq!(verdict(21, 20, 1000), Verdict::Fail);
        assert_eq!(verdict(11, 20, 1000), Verdict::Warn);
        assert_eq!(verdict(9, 20, 1000), Verdict::Pass);
        // A tenth of the images.
        assert_eq!(verdict(10, 60, 100), Verdict::Pass);
        assert_eq!(verdict(11, 60, 100), Verdict::Warn);
    }

    #[test]
    fn the_one_that_breaks_more_is_ahead() -> Result<()> {
        let first = [vec![true; 10], vec![false; 10]].concat();
        let all = vec![true; 20];
        let it = Paired::of(&first, &all)?;
        assert_eq!((it.only_first, it.only_second, it.gain()), (0, 10, 10));
        assert!(it.second_ahead() && !it.first_ahead());
        assert!(Paired::of(&all, &first)?.first_ahead());
        // 2 * 0.5^10 is 0.002: one of 20 attempts may well look like that, one of 100 does.
        assert!(it.best_of(20).second_ahead() && !it.best_of(100).second_ahead());
        Ok(())
    }
}
