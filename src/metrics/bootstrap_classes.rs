//! The bootstrap of what is counted by class: without going through the images where that can
//! be avoided.
//!
//! Of the imbalance, read the basic limits: noise spreads the class errors, and a resample adds
//! the same noise once more. With 50 images in a class, as in ImageNet, all resamples may exceed
//! the estimate. In simulations (100 or 1000 such classes, 200 test sets) 95 % percentile limits
//! then held the true imbalance in at most 1 of 200 cases, basic ones in 85 to 94 of 100.

use super::bootstrap::{Bootstrap, Interval, end_of, interval};
use super::class_errors::ClassErrors;
use crate::Result;
use rand::Rng;
use serde::{Deserialize, Serialize};

/// What a resample keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// The number of images: another test set could have more images of one class and fewer of
    /// another.
    Examples,
    /// The number of images of each class (stratified): right for a test set that was made with
    /// so many of each, as ImageNet's and CIFAR's were.
    WithinClasses,
}

/// The interval of any number that hangs on the class errors alone; as `bootstrap` of the
/// images in the order of classes, right ones first, without going through them.
///
/// # Errors
/// As `bootstrap`.
pub fn bootstrap_classes(
    errors: &ClassErrors,
    sampling: Sampling,
    options: &Bootstrap,
    statistic: impl Fn(&ClassErrors) -> Option<f64>,
) -> Result<Option<Interval>> {
    let end = end_of(errors.images())?;
    let (images, wrong) = (errors.images_by_class(), errors.errors_by_class());
    let classes = errors.classes();
    let mut again = ClassErrors::new(classes);
    if sampling == Sampling::WithinClasses {
        return interval(options, statistic(errors), |rng| {
            for class in 0..classes {
                let (all, wrong) = (images[class], wrong[class]);
                // Without a right or a wrong image there is nothing to draw.
                let drawn = match wrong == 0 || wrong == all {
                    true => wrong,
                    false => {
                        let right = (all - wrong) as u32;
                        let draws = (0..all).filter(|_| rng.random_range(0..all as u32) >= right);
                        draws.count() as u64
                    }
                };
                again.set(class, all, drawn);
            }
            Ok(statistic(&again))
        });
    }

    // Twice the class, and one more for a wrong prediction.
    let mut kinds: Vec<u32> = Vec::new();
    for class in 0..classes {
        let right = images[class] - wrong[class];
        kinds.extend((0..images[class]).map(|i| 2 * class as u32 + u32::from(i >= right)));
    }
    let mut counts = vec![0_u64; 2 * classes];
    interval(options, statistic(errors), |rng| {
        counts.fill(0);
        for _ in 0..end {
            counts[kinds[rng.random_range(0..end) as usize] as usize] += 1;
        }
        for (class, count) in counts.chunks_exact(2).enumerate() {
            again.set(class, count[0] + count[1], count[1]);
        }
        Ok(statistic(&again))
    })
}

/// The interval of the share of wrong predictions.
///
/// # Errors
/// As `bootstrap`.
pub fn bootstrap_error(
    errors: &ClassErrors,
    sampling: Sampling,
    options: &Bootstrap,
) -> Result<Option<Interval>> {
    bootstrap_classes(errors, sampling, options, ClassErrors::error)
}

/// The interval of the imbalance, of which `basic` is the one to read: see `bias`.
///
/// # Errors
/// As `bootstrap`.
pub fn bootstrap_imbalance(
    errors: &ClassErrors,
    sampling: Sampling,
    options: &Bootstrap,
) -> Result<Option<Interval>> {
    bootstrap_classes(errors, sampling, options, ClassErrors::imbalance)
}

#[cfg(test)]
mod tests {
    use super::super::bootstrap::{Limits, bootstrap};
    use super::*;
    use crate::seed;

    fn few(resamples: usize, seed: u64) -> Bootstrap {
        Bootstrap {
            resamples,
            ..Bootstrap::new(seed)
        }
    }

    fn counted(counts: &[(u64, u64)]) -> ClassErrors {
        let mut all = ClassErrors::new(counts.len());
        for (class, &(images, errors)) in counts.iter().enumerate() {
            all.set(class, images, errors);
        }
        all
    }

    #[test]
    fn counts_stand_for_the_images_themselves() {
        let errors = counted(&[(5, 2), (0, 0), (9, 0), (3, 3), (20, 7)]);
        let mut images = Vec::new();
        for (class, (&all, &wrong)) in errors
            .images_by_class()
            .iter()
            .zip(errors.errors_by_class())
            .enumerate()
        {
            images.extend((0..all).map(|i| (class, i >= all - wrong)));
        }
        let count = |indices: &[usize]| {
            let mut all = ClassErrors::new(5);
            indices
                .iter()
                .for_each(|&i| all.count(images[i].0, images[i].1));
            all
        };
        let slow = bootstrap(37, &few(50, 3), |it| Ok(count(it).imbalance())).unwrap();
        let fast = bootstrap_imbalance(&errors, Sampling::Examples, &few(50, 3)).unwrap();
        assert_eq!(slow, fast);
        assert_eq!(fast.unwrap().estimate, errors.imbalance().unwrap());
    }

    #[test]
    fn the_error_moves_as_the_binomial_distribution_says() {
        // scipy 1.17.1, binom(400, 0.2).ppf([0.025, 0.975]): 65 and 96; deviation 0.02.
        let some = counted(&[(300, 30), (100, 50)]);
        let it = bootstrap_error(&some, Sampling::Examples, &few(4000, 0))
            .unwrap()
            .unwrap();
        let (low, high) = (it.percentile.low * 400.0, it.percentile.high * 400.0);
        assert!(
            (low - 65.0).abs() <= 1.0 && (high - 96.0).abs() <= 1.0,
            "{it:?}"
        );
        assert!((it.standard_error - 0.02).abs() < 0.001, "{it:?}");
        assert!(it.bias.abs() < 0.001 && it.resamples == 4000);
        assert!((it.basic.low + it.percentile.high - 0.4).abs() < 1e-12);
        // Within classes: sqrt(300 * 0.1 * 0.9 + 100 * 0.5 * 0.5) / 400 = 0.018028.
        let it = bootstrap_error(&some, Sampling::WithinClasses, &few(4000, 0))
            .unwrap()
            .unwrap();
        assert!((it.standard_error - 0.018028).abs() < 0.0008, "{it:?}");
    }

    #[test]
    fn limits_of_the_error_hold_the_truth_nearly_as_often_as_they_say() {
        let mut held = 0;
        for draw in 0..200 {
            let mut rng = seed::generator(1, "bootstrap test", &[draw]);
            let wrong = (0..200).filter(|_| rng.random_bool(0.3)).count();
            let all = counted(&[(200, wrong as u64)]);
            let it = bootstrap_error(&all, Sampling::Examples, &few(200, draw))
                .unwrap()
                .unwrap();
            held += i32::from(it.percentile.low <= 0.3 && 0.3 <= it.percentile.high);
        }
        // 190 are expected; 3 standard deviations and the bootstrap's own error are allowed.
        assert!((178..=199).contains(&held), "{held}");
    }

    #[test]
    fn basic_limits_hold_the_imbalance_where_percentile_limits_do_not() {
        // 200 classes of 50 images; true errors from 0.1 to 0.3.
        let truth: Vec<f64> = (0..200).map(|i| 0.1 + 0.2 * f64::from(i) / 199.0).collect();
        let mean = truth.iter().sum::<f64>() / 200.0;
        let imbalance = (truth.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / 200.0).sqrt();
        let (mut percentile, mut basic) = (0, 0);
        for draw in 0..10 {
            let mut rng = seed::generator(2, "bootstrap test", &[draw]);
            let mut wrong = |p| (0..50).filter(|_| rng.random_bool(p)).count() as u64;
            let counts: Vec<(u64, u64)> = truth.iter().map(|&p| (50, wrong(p))).collect();
            let errors = counted(&counts);
            let it = bootstrap_imbalance(&errors, Sampling::WithinClasses, &few(100, draw));
            let it = it.unwrap().unwrap();
            let holds = |at: Limits| i32::from(at.low <= imbalance && imbalance <= at.high);
            percentile += holds(it.percentile);
            basic += holds(it.basic);
            assert!(it.bias > 0.0);
        }
        assert!(percentile == 0 && basic >= 6, "{percentile} {basic}");
    }

    #[test]
    fn hangs_on_the_seed_and_on_nothing_else() {
        let some = counted(&[(30, 4), (40, 20), (10, 1)]);
        for sampling in [Sampling::Examples, Sampling::WithinClasses] {
            let with = |seed| bootstrap_imbalance(&some, sampling, &few(100, seed)).unwrap();
            assert_eq!(with(7), with(7));
            assert_ne!(with(7), with(8));
        }
    }

    #[test]
    fn a_wider_level_gives_wider_limits() {
        let some = counted(&[(50, 9), (50, 21)]);
        let width = |level| {
            let options = Bootstrap {
                level,
                ..few(300, 0)
            };
            let it = bootstrap_error(&some, Sampling::Examples, &options)
                .unwrap()
                .unwrap();
            it.percentile.high - it.percentile.low
        };
        assert!(width(0.5) < width(0.9) && width(0.9) < width(0.99));
    }

    #[test]
    fn what_has_no_number_has_no_interval() {
        let nothing = ClassErrors::new(3);
        for sampling in [Sampling::Examples, Sampling::WithinClasses] {
            assert_eq!(
                bootstrap_error(&nothing, sampling, &few(9, 0)).unwrap(),
                None
            );
        }
        // A sample deviation needs two classes, which some resamples lack.
        let two = counted(&[(1, 0), (1, 1)]);
        let deviation = ClassErrors::imbalance_sample;
        let it = bootstrap_classes(&two, Sampling::Examples, &few(100, 0), deviation);
        let defined = it.unwrap().unwrap().resamples;
        assert!((30..70).contains(&defined), "{defined}");
    }
}
