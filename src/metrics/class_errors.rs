//! Errors counted by class, and the numbers that sum them up.

use serde::{Deserialize, Serialize};

/// How many images of each class there were and how many of them were classified wrongly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassErrors {
    images: Vec<u64>,
    errors: Vec<u64>,
}

/// All that a table says about one set of class-wise errors.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    pub images: u64,
    pub error: Option<f64>,
    pub class_error_mean: Option<f64>,
    pub imbalance: Option<f64>,
    pub imbalance_sample: Option<f64>,
    pub worst: Option<Worst>,
    pub best: Option<f64>,
    pub gap: Option<f64>,
}

/// A class and its error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Worst {
    pub class: usize,
    pub error: f64,
}

impl ClassErrors {
    pub fn new(classes: usize) -> Self {
        ClassErrors {
            images: vec![0; classes],
            errors: vec![0; classes],
        }
    }

    /// Counts one image. `class` lies below the number of classes.
    pub(super) fn count(&mut self, class: usize, wrong: bool) {
        self.images[class] += 1;
        self.errors[class] += u64::from(wrong);
    }

    /// Makes the counts of one class these. `class` lies below the number of classes.
    pub fn set(&mut self, class: usize, images: u64, errors: u64) {
        self.images[class] = images;
        self.errors[class] = errors;
    }

    pub fn classes(&self) -> usize {
        self.images.len()
    }

    /// The number of images of each class.
    pub fn images_by_class(&self) -> &[u64] {
        &self.images
    }

    /// The number of wrongly classified images of each class.
    pub fn errors_by_class(&self) -> &[u64] {
        &self.errors
    }

    pub fn images(&self) -> u64 {
        self.images.iter().sum()
    }

    pub fn errors(&self) -> u64 {
        self.errors.iter().sum()
    }

    /// The share of all images that were classified wrongly.
    pub fn error(&self) -> Option<f64> {
        share(self.errors(), self.images())
    }

    /// The error of each class; `None` for a class without images.
    pub fn class_errors(&self) -> Vec<Option<f64>> {
        let counts = self.errors.iter().zip(&self.images);
        counts.map(|(&wrong, &all)| share(wrong, all)).collect()
    }

    /// The mean of the class errors: each class counts the same, however many images it has.
    pub fn mean(&self) -> Option<f64> {
        mean(&self.rates())
    }

    /// The paper's imbalance: the population standard deviation of the class errors.
    pub fn imbalance(&self) -> Option<f64> {
        self.standard_deviation(0)
    }

    /// The sample standard deviation of the class errors, with one class fewer in the
    /// denominator; `None` where fewer than two classes have images.
    pub fn imbalance_sample(&self) -> Option<f64> {
        self.standard_deviation(1)
    }

    /// The class of the largest error, the first of several.
    pub fn worst(&self) -> Option<Worst> {
        self.worst_classes(1).first().copied()
    }

    /// The `k` classes of the largest errors, worst first, equal ones in the order of classes.
    pub fn worst_classes(&self, k: usize) -> Vec<Worst> {
        let mut classes: Vec<Worst> = self
            .class_errors()
            .into_iter()
            .enumerate()
            .filter_map(|(class, error)| error.map(|error| Worst { class, error }))
            .collect();
        classes.sort_by(|a, b| b.error.total_cmp(&a.error));
        classes.truncate(k);
        classes
    }

    /// The smallest class error.
    pub fn best(&self) -> Option<f64> {
        self.rates().into_iter().min_by(f64::total_cmp)
    }

    /// The largest class error minus the smallest.
    pub fn gap(&self) -> Option<f64> {
        Some(self.worst()?.error - self.best()?)
    }

    pub fn summary(&self) -> Summary {
        Summary {
            images: self.images(),
            error: self.error(),
            class_error_mean: self.mean(),
            imbalance: self.imbalance(),
            imbalance_sample: self.imbalance_sample(),
            worst: self.worst(),
            best: self.best(),
            gap: self.gap(),
        }
    }

    /// The errors of the classes that have images.
    fn rates(&self) -> Vec<f64> {
        self.class_errors().into_iter().flatten().collect()
    }

    /// `freedom` is what the denominator has less than there are classes.
    fn standard_deviation(&self, freedom: usize) -> Option<f64> {
        let rates = self.rates();
        let centre = mean(&rates)?;
        let squares: f64 = rates.iter().map(|rate| (rate - centre).powi(2)).sum();
        let denominator = rates.len().checked_sub(freedom).filter(|&n| n > 0)?;
        Some((squares / denominator as f64).sqrt())
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed;
    use rand::Rng;

    /// From (images, errors) of each class.
    fn counted(counts: &[(u64, u64)]) -> ClassErrors {
        ClassErrors {
            images: counts.iter().map(|it| it.0).collect(),
            errors: counts.iter().map(|it| it.1).collect(),
        }
    }

    fn random(draw: u64) -> ClassErrors {
        let mut rng = seed::generator(0, "metrics test", &[draw]);
        let classes = rng.random_range(1..20);
        let mut all = ClassErrors::new(classes);
        for _ in 0..rng.random_range(1..300) {
            all.count(rng.random_range(0..classes), rng.random_bool(0.3));
        }
        all
    }

    #[test]
    fn closed_forms() {
        // Errors 0, 1/2, 1 and a class without images: mean 1/2, squares 1/2 in sum.
        let some = counted(&[(4, 0), (2, 1), (0, 0), (2, 2)]);
        assert_eq!(some.error(), Some(3.0 / 8.0));
        assert_eq!(some.class_errors(), [Some(0.0), Some(0.5), None, Some(1.0)]);
        assert_eq!(some.mean(), Some(0.5));
        assert_eq!(some.imbalance(), Some((0.5_f64 / 3.0).sqrt()));
        assert_eq!(some.imbalance_sample(), Some(0.5));
        assert_eq!(some.gap(), Some(1.0));
        let worst: Vec<usize> = some.worst_classes(9).iter().map(|it| it.class).collect();
        assert_eq!(worst, [3, 1, 0]);
    }

    #[test]
    fn of_equal_errors_the_first_class_is_the_worst() {
        let same = counted(&[(2, 0), (2, 1), (4, 2)]);
        let worst = Worst {
            class: 1,
            error: 0.5,
        };
        assert_eq!(same.worst(), Some(worst));
    }

    #[test]
    fn nothing_has_no_error_and_one_class_no_sample_deviation() {
        let nothing = ClassErrors::new(3).summary();
        assert_eq!(nothing.images, 0);
        assert_eq!(
            (nothing.error, nothing.worst, nothing.gap),
            (None, None, None)
        );
        assert_eq!((nothing.imbalance, nothing.best), (None, None));

        let one = counted(&[(0, 0), (8, 2)]);
        assert_eq!(one.imbalance(), Some(0.0));
        assert_eq!(one.imbalance_sample(), None);
    }

    #[test]
    fn what_holds_for_all_counts() {
        for draw in 0..200 {
            let it = random(draw);
            let (best, worst) = (it.best().unwrap(), it.worst().unwrap().error);
            for inside in [it.error().unwrap(), it.mean().unwrap()] {
                assert!(best <= inside + 1e-12 && inside <= worst + 1e-12);
            }
            // Popoviciu: a deviation is at most half of the range.
            assert!(it.imbalance().unwrap() <= it.gap().unwrap() / 2.0 + 1e-12);
            if let Some(sample) = it.imbalance_sample() {
                assert!(sample >= it.imbalance().unwrap());
            }

            // The order of the classes changes nothing, nor does twice the same data.
            let mut turned = it.clone();
            turned.images.rotate_left(1);
            turned.errors.rotate_left(1);
            let mut twice = it.clone();
            twice.images.iter_mut().for_each(|n| *n *= 2);
            twice.errors.iter_mut().for_each(|n| *n *= 2);
            for other in [turned, twice] {
                assert_eq!(other.error(), it.error());
                assert!((other.imbalance().unwrap() - it.imbalance().unwrap()).abs() < 1e-12);
                assert_eq!(other.gap(), it.gap());
            }
        }
    }
}
