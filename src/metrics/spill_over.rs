//! Which classes pay for the gain of others: class errors of model A against those of model B
//! on the same images.

use super::class_errors::ClassErrors;
use super::evaluation::{all_classes, check_classes};
use crate::Result;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// How the errors move from model A to model B.
#[derive(Clone, Debug, PartialEq)]
pub struct SpillOver {
    a: ClassErrors,
    b: ClassErrors,
    /// (class, B's prediction): images that A gets right and B wrong.
    lost: BTreeMap<(usize, usize), u64>,
}

/// The error of one class under both models.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClassChange {
    pub class: usize,
    pub images: u64,
    pub error_a: f64,
    pub error_b: f64,
    /// `error_b - error_a`: negative where the class gains from B. 0 only where both err
    /// equally often.
    pub change: f64,
}

/// All classes in one row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SpillOverSummary {
    /// Classes whose error is smaller under B.
    pub gaining: usize,
    pub losing: usize,
    pub unchanged: usize,
    /// By how much the error falls, in the mean over the classes that gain.
    pub mean_gain: Option<f64>,
    /// By how much the error rises, in the mean over the classes that lose.
    pub mean_loss: Option<f64>,
    /// B's error minus A's, over all images.
    pub error_change: Option<f64>,
    /// B's imbalance minus A's.
    pub imbalance_change: Option<f64>,
    /// Images that A gets right and B wrong.
    pub lost_images: u64,
    /// Images that B gets right and A wrong.
    pub gained_images: u64,
}

impl SpillOver {
    /// Compares the predictions of A and B for images of these labels.
    ///
    /// # Errors
    /// `Invalid` for lengths that differ or for a number that is no class.
    pub fn new(
        classes: usize,
        labels: &[i64],
        predictions_a: &[i64],
        predictions_b: &[i64],
    ) -> Result<Self> {
        check_classes(classes)?;
        let truth = all_classes("labels", labels, classes)?;
        let n = labels.len();
        let predicted = |argument, predictions: &[i64]| {
            ensure!(
                predictions.len() == n,
                "`{argument}` must be [{n}] like `labels`, got [{}]",
                predictions.len()
            );
            all_classes(argument, predictions, classes)
        };
        let by_a = predicted("predictions_a", predictions_a)?;
        let by_b = predicted("predictions_b", predictions_b)?;

        let mut all = SpillOver {
            a: ClassErrors::new(classes),
            b: ClassErrors::new(classes),
            lost: BTreeMap::new(),
        };
        for ((&class, &a), &b) in truth.iter().zip(&by_a).zip(&by_b) {
            all.a.count(class, a != class);
            all.b.count(class, b != class);
            if a == class && b != class {
                *all.lost.entry((class, b)).or_default() += 1;
            }
        }
        Ok(all)
    }

    /// The classes that have images, in their order.
    pub fn changes(&self) -> Vec<ClassChange> {
        let (wrong_a, wrong_b) = (self.a.errors_by_class(), self.b.errors_by_class());
        let counts = self.a.images_by_class().iter().zip(wrong_a).zip(wrong_b);
        counts
            .enumerate()
            .filter(|&(_, ((&images, _), _))| images > 0)
            .map(|(class, ((&images, &a), &b))| ClassChange {
                class,
                images,
                error_a: a as f64 / images as f64,
                error_b: b as f64 / images as f64,
                change: (b as f64 - a as f64) / images as f64,
            })
            .collect()
    }

    /// The classes that gain, the largest gain first, equal ones in the order of classes.
    pub fn gaining(&self) -> Vec<ClassChange> {
        let mut some = self.changes();
        some.retain(|it| it.change < 0.0);
        some.sort_by(|x, y| x.change.total_cmp(&y.change));
        some
    }

    /// The classes that lose, the largest loss first, equal ones in the order of classes.
    pub fn losing(&self) -> Vec<ClassChange> {
        let mut some = self.changes();
        some.retain(|it| it.change > 0.0);
        some.sort_by(|x, y| y.change.total_cmp(&x.change));
        some
    }

    /// What B takes those images of `class` for that A gets right and B wrong: (class, images),
    /// the most frequent first, equal ones in the order of classes.
    pub fn lost_to(&self, class: usize) -> Vec<(usize, u64)> {
        let row = self.lost.range((class, 0)..=(class, usize::MAX));
        let mut others: Vec<(usize, u64)> = row.map(|(&(_, to), &images)| (to, images)).collect();
        others.sort_by_key(|&(_, images)| Reverse(images));
        others
    }

    pub fn summary(&self) -> SpillOverSummary {
        let (gaining, losing) = (self.gaining(), self.losing());
        let mean = |some: &[ClassChange]| {
            let sum: f64 = some.iter().map(|it| it.change.abs()).sum();
            (!some.is_empty()).then(|| sum / some.len() as f64)
        };
        let difference = |a: Option<f64>, b: Option<f64>| Some(b? - a?);
        let lost_images = self.lost.values().sum();
        SpillOverSummary {
            gaining: gaining.len(),
            losing: losing.len(),
            unchanged: self.changes().len() - gaining.len() - losing.len(),
            mean_gain: mean(&gaining),
            mean_loss: mean(&losing),
            error_change: difference(self.a.error(), self.b.error()),
            imbalance_change: difference(self.a.imbalance(), self.b.imbalance()),
            lost_images,
            gained_images: lost_images + self.a.errors() - self.b.errors(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed;
    use rand::Rng;

    fn random(draw: u64) -> [Vec<i64>; 3] {
        let mut rng = seed::generator(0, "spill-over test", &[draw]);
        [(); 3].map(|()| (0..120).map(|_| rng.random_range(0..6)).collect())
    }

    #[test]
    fn closed_form() {
        // Class 0 loses two of four images to 2 and 1, class 1 gains one of two, class 2 keeps
        // its error with other images, class 3 has none.
        let labels = [0, 0, 0, 0, 1, 1, 2, 2];
        let a = [0, 0, 0, 1, 0, 1, 2, 0];
        let b = [0, 2, 2, 1, 1, 1, 1, 2];
        let it = SpillOver::new(4, &labels, &a, &b).unwrap();
        let changes: Vec<f64> = it.changes().iter().map(|it| it.change).collect();
        assert_eq!(changes, [0.5, -0.5, 0.0]);
        let lost = ClassChange {
            class: 0,
            images: 4,
            error_a: 0.25,
            error_b: 0.75,
            change: 0.5,
        };
        assert_eq!(it.losing(), [lost]);
        assert_eq!(it.gaining()[0].class, 1);
        assert_eq!(it.lost_to(0), [(2, 2)]);
        assert_eq!((it.lost_to(1), it.lost_to(2)), (vec![], vec![(1, 1)]));
        let summary = it.summary();
        assert_eq!(
            (summary.gaining, summary.losing, summary.unchanged),
            (1, 1, 1)
        );
        assert_eq!(
            (summary.mean_gain, summary.mean_loss),
            (Some(0.5), Some(0.5))
        );
        assert_eq!(summary.error_change, Some(0.125));
        assert_eq!((summary.lost_images, summary.gained_images), (3, 2));
        // From 1/4, 1/2, 1/2 to 3/4, 0, 1/2.
        let imbalance = (7.0_f64 / 72.0).sqrt() - (1.0_f64 / 72.0).sqrt();
        assert!((summary.imbalance_change.unwrap() - imbalance).abs() < 1e-15);
    }

    #[test]
    fn the_largest_and_among_equals_the_first_comes_first() {
        let labels = [0, 1, 1, 2, 3, 3, 4, 4, 4, 4];
        let right = labels;
        let wrong = [1, 0, 1, 3, 0, 0, 1, 3, 0, 3];
        let classes =
            |some: Vec<ClassChange>| -> Vec<usize> { some.iter().map(|it| it.class).collect() };
        let it = SpillOver::new(5, &labels, &right, &wrong).unwrap();
        assert_eq!(classes(it.losing()), [0, 2, 3, 4, 1]);
        assert_eq!(it.lost_to(4), [(3, 2), (0, 1), (1, 1)]);
        let turned = SpillOver::new(5, &labels, &wrong, &right).unwrap();
        assert_eq!(classes(turned.gaining()), [0, 2, 3, 4, 1]);
    }

    #[test]
    fn nothing_moves_nowhere() {
        let nothing = SpillOver::new(3, &[], &[], &[]).unwrap().summary();
        assert_eq!(
            (nothing.error_change, nothing.imbalance_change),
            (None, None)
        );
        assert_eq!((nothing.unchanged, nothing.mean_gain), (0, None));
        let [labels, a, _] = random(0);
        let same = SpillOver::new(6, &labels, &a, &a).unwrap().summary();
        assert_eq!(
            (same.unchanged, same.lost_images, same.gained_images),
            (6, 0, 0)
        );
        assert_eq!((same.error_change, same.mean_loss), (Some(0.0), None));
    }

    #[test]
    fn what_holds_for_all_predictions() {
        for draw in 0..50 {
            let [mut labels, mut a, mut b] = random(draw);
            let it = SpillOver::new(6, &labels, &a, &b).unwrap();
            let (summary, changes) = (it.summary(), it.changes());
            // The classes' changes, weighed by images, make the change of the whole.
            let whole: f64 = changes.iter().map(|it| it.change * it.images as f64).sum();
            let stated = summary.error_change.unwrap() * 120.0;
            assert!((whole - stated).abs() < 1e-10);
            let moved = summary.lost_images as f64 - summary.gained_images as f64;
            assert!((moved - stated).abs() < 1e-10);

            // Back from B to A all signs turn.
            let back = SpillOver::new(6, &labels, &b, &a).unwrap().summary();
            assert_eq!(
                (back.gaining, back.losing),
                (summary.losing, summary.gaining)
            );
            assert_eq!(back.mean_gain, summary.mean_loss);
            assert_eq!(back.imbalance_change, summary.imbalance_change.map(|d| -d));

            // The order of the images changes nothing.
            for it in [&mut labels, &mut a, &mut b] {
                it.rotate_left(31);
            }
            assert_eq!(SpillOver::new(6, &labels, &a, &b).unwrap(), it);
        }
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let refused = |labels: &[i64], a: &[i64], b: &[i64]| {
            SpillOver::new(3, labels, a, b).unwrap_err().to_string()
        };
        assert_eq!(
            refused(&[0, 1], &[0, 1], &[0]),
            "`predictions_b` must be [2] like `labels`, got [1]"
        );
        assert_eq!(
            refused(&[0, 1], &[0, 3], &[0, 1]),
            "`predictions_a` must be classes from 0 to 2, got 3"
        );
        for classes in [0, usize::MAX] {
            assert!(SpillOver::new(classes, &[], &[], &[]).is_err());
        }
    }
}
