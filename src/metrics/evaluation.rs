//! Counts of what a classifier got right and wrong under one condition.

use super::class_errors::ClassErrors;
use crate::Result;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The predictions of one model under one condition, counted batch by batch.
///
/// Where label sets come along (ImageNet-ReaL: Beyer et al. 2020,
/// <https://arxiv.org/abs/2006.07159>), a second count calls every prediction right that lies
/// in the image's set. An image still belongs to the class of its one label there; images
/// with an empty set are left out of that count, and their number is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evaluation {
    top1: ClassErrors,
    real: Option<ClassErrors>,
    without_correct_label: u64,
    #[serde(with = "pairs")]
    confusion: BTreeMap<(usize, usize), u64>,
}

/// A list: the keys of a map in JSON are text.
mod pairs {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::collections::BTreeMap;

    type Counts = BTreeMap<(usize, usize), u64>;

    pub fn serialize<S: Serializer>(counts: &Counts, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(counts)
    }

    pub fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Counts, D::Error> {
        Vec::deserialize(from).map(Counts::from_iter)
    }
}

/// More classes than any data set has, and few enough to count in memory.
const MOST_CLASSES: usize = 1 << 24;

impl Evaluation {
    /// # Errors
    /// `Invalid` for fewer than one class.
    pub fn new(classes: usize) -> Result<Self> {
        check_classes(classes)?;
        Ok(Evaluation {
            top1: ClassErrors::new(classes),
            real: None,
            without_correct_label: 0,
            confusion: BTreeMap::new(),
        })
    }

    /// Counts a batch: the predicted class of each image, its label, and (in every batch or in
    /// none) the set of classes that are right for it.
    ///
    /// # Errors
    /// `Invalid` for lengths that differ, for a number that is no class, or where only some
    /// batches have sets. Nothing of the batch is counted then.
    pub fn add(
        &mut self,
        predictions: &[i64],
        labels: &[i64],
        correct_sets: Option<&[Vec<i64>]>,
    ) -> Result<()> {
        let n = labels.len();
        let classes = self.classes();
        if let Some(sets) = correct_sets {
            ensure!(
                sets.len() == n,
                "`correct_sets` must have one set for each of the {n} images, got {}",
                sets.len()
            );
            for set in sets {
                all_classes("correct_sets", set, classes)?;
            }
        }
        let verdict = |(set, prediction): (&Vec<i64>, &i64)| {
            (!set.is_empty()).then(|| set.contains(prediction))
        };
        let verdicts: Option<Vec<_>> =
            correct_sets.map(|sets| sets.iter().zip(predictions).map(verdict).collect());
        self.add_judged(predictions, labels, verdicts.as_deref())
    }

    /// Counts a batch of which it is known whether each prediction lies in the image's set of
    /// correct classes: `None` for an image whose set is empty.
    ///
    /// # Errors
    /// As for [`Evaluation::add`].
    pub fn add_judged(
        &mut self,
        predictions: &[i64],
        labels: &[i64],
        verdicts: Option<&[Option<bool>]>,
    ) -> Result<()> {
        let n = labels.len();
        ensure!(
            predictions.len() == n,
            "`predictions` must be [{n}] like `labels`, got [{}]",
            predictions.len()
        );
        let classes = self.classes();
        let predicted = all_classes("predictions", predictions, classes)?;
        let truth = all_classes("labels", labels, classes)?;
        if n == 0 {
            return Ok(());
        }
        ensure!(
            self.top1.images() == 0 || self.real.is_some() == verdicts.is_some(),
            "`correct_sets` must come with every batch of an evaluation or with none"
        );

        for (&class, &prediction) in truth.iter().zip(&predicted) {
            self.top1.count(class, prediction != class);
            *self.confusion.entry((class, prediction)).or_default() += 1;
        }
        if let Some(verdicts) = verdicts {
            let real = self.real.get_or_insert_with(|| ClassErrors::new(classes));
            for (&class, verdict) in truth.iter().zip(verdicts) {
                match verdict {
                    None => self.without_correct_label += 1,
                    Some(right) => real.count(class, !right),
                }
            }
        }
        Ok(())
    }

    pub fn classes(&self) -> usize {
        self.top1.classes()
    }

    /// The count by the one label of each image.
    pub fn top1(&self) -> &ClassErrors {
        &self.top1
    }

    /// The count by sets of correct labels, where those came along.
    pub fn real(&self) -> Option<&ClassErrors> {
        self.real.as_ref()
    }

    /// The share of wrong predictions, by the one label.
    pub fn error(&self) -> Option<f64> {
        self.top1.error()
    }

    /// The share of predictions that lie in no set of correct labels.
    pub fn real_error(&self) -> Option<f64> {
        self.real.as_ref()?.error()
    }

    /// The number of images that `real` leaves out because no label is correct for them.
    pub fn without_correct_label(&self) -> u64 {
        self.without_correct_label
    }

    /// How many images of `class` were predicted as `predicted`.
    pub fn confusion(&self, class: usize, predicted: usize) -> u64 {
        self.confusion
            .get(&(class, predicted))
            .copied()
            .unwrap_or(0)
    }

    /// What the images of `class` were taken for, itself left out: (class, images), the most
    /// frequent first, equal ones in the order of classes.
    pub fn taken_for(&self, class: usize) -> Vec<(usize, u64)> {
        let row = self.confusion.range((class, 0)..=(class, usize::MAX));
        let mut others: Vec<(usize, u64)> = row
            .map(|(&(_, predicted), &images)| (predicted, images))
            .filter(|&(predicted, _)| predicted != class)
            .collect();
        others.sort_by_key(|&(_, images)| std::cmp::Reverse(images));
        others
    }
}

/// Refuses a number of classes that cannot be counted.
pub(super) fn check_classes(classes: usize) -> Result<()> {
    ensure!(
        (1..=MOST_CLASSES).contains(&classes),
        "`classes` must lie in 1 .. {MOST_CLASSES}, got {classes}"
    );
    Ok(())
}

/// `numbers` as indices of classes.
pub(super) fn all_classes(argument: &str, numbers: &[i64], classes: usize) -> Result<Vec<usize>> {
    let class_of = |&number: &i64| match usize::try_from(number) {
        Ok(class) if class < classes => Ok(class),
        _ => bail!(
            "`{argument}` must be classes from 0 to {}, got {number}",
            classes - 1
        ),
    };
    numbers.iter().map(class_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_label_by_set_and_by_confusion() {
        let mut some = Evaluation::new(3).unwrap();
        let sets = [vec![0], vec![0, 1], vec![], vec![2]];
        some.add(&[0, 1, 1, 1], &[0, 0, 0, 2], Some(&sets)).unwrap();
        assert_eq!(some.top1().errors_by_class(), [2, 0, 1]);
        assert_eq!(some.error(), Some(0.75));
        assert_eq!(some.real().unwrap().images_by_class(), [2, 0, 1]);
        assert_eq!(some.real_error(), Some(1.0 / 3.0));
        assert_eq!(some.without_correct_label(), 1);
        assert_eq!(some.confusion(0, 1), 2);
        assert_eq!(some.confusion(1, 0), 0);
        assert_eq!(some.taken_for(0), [(1, 2)]);
        assert_eq!(some.taken_for(1), []);
    }

    #[test]
    fn the_size_of_the_batches_changes_nothing() {
        let labels: Vec<i64> = (0..60).map(|i| i % 7).collect();
        let predictions: Vec<i64> = (0..60).map(|i| i * i % 7).collect();
        let sets: Vec<Vec<i64>> = (0..60).map(|i| (0..i % 3).collect()).collect();
        let in_batches = |size: usize| {
            let mut all = Evaluation::new(7).unwrap();
            for from in (0..60).step_by(size) {
                let batch = from..60.min(from + size);
                let sets = Some(&sets[batch.clone()]);
                all.add(&predictions[batch.clone()], &labels[batch], sets)
                    .unwrap();
            }
            all
        };
        assert_eq!(in_batches(60), in_batches(1));
        assert_eq!(in_batches(60), in_batches(16));
    }

    #[test]
    fn a_set_of_the_one_label_gives_the_same_error() {
        let labels = [0, 1, 2, 2, 1];
        let sets: Vec<Vec<i64>> = labels.iter().map(|&label| vec![label]).collect();
        let mut all = Evaluation::new(3).unwrap();
        all.add(&[0, 2, 2, 0, 1], &labels, Some(&sets)).unwrap();
        assert_eq!(all.real(), Some(all.top1()));
    }

    #[test]
    fn refuses_a_bad_batch_and_counts_nothing_of_it() {
        let mut all = Evaluation::new(3).unwrap();
        all.add(&[0], &[0], None).unwrap();
        let before = all.clone();
        let mut refused = |predictions: &[i64], labels: &[i64], sets: Option<&[Vec<i64>]>| {
            let error = all.add(predictions, labels, sets).unwrap_err();
            assert_eq!(all, before);
            error.to_string()
        };
        assert_eq!(
            refused(&[0, 1], &[0], None),
            "`predictions` must be [1] like `labels`, got [2]"
        );
        assert_eq!(
            refused(&[0, 1], &[0, 3], None),
            "`labels` must be classes from 0 to 2, got 3"
        );
        assert_eq!(
            refused(&[0, -1], &[0, 0], None),
            "`predictions` must be classes from 0 to 2, got -1"
        );
        assert_eq!(
            refused(&[0], &[0], Some(&[vec![9]])),
            "`correct_sets` must be classes from 0 to 2, got 9"
        );
        assert_eq!(
            refused(&[0], &[0], Some(&[])),
            "`correct_sets` must have one set for each of the 1 images, got 0"
        );
        assert_eq!(
            refused(&[0], &[0], Some(&[vec![0]])),
            "`correct_sets` must come with every batch of an evaluation or with none"
        );
        assert!(Evaluation::new(0).is_err());
    }
}
