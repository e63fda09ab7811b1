//! How far a classifier's confidence lies from its accuracy.
//!
//! Expected calibration error: Guo et al. 2017, <https://arxiv.org/abs/1706.04599>, section 2.
//! RMS calibration error: Hendrycks et al. 2019, <https://arxiv.org/abs/1812.04606>, section
//! 4.2, which fills its bins with equally many images; here both use bins of equal width.

use crate::Result;
use serde::Serialize;

/// A classifier's confidence against its accuracy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    pub images: u64,
    /// The expected calibration error: the mean of |accuracy - confidence| over the bins, each
    /// weighed by its images. `None` without images.
    pub ece: Option<f64>,
    /// The root of the mean of (accuracy - confidence)², weighed alike.
    pub rms: Option<f64>,
    /// The mean confidence minus the accuracy, over all images: positive for a classifier that
    /// is too sure of itself.
    pub overconfidence: Option<f64>,
    /// The rows of a reliability diagram, from low confidence to high.
    pub bins: Vec<CalibrationBin>,
}

/// The images whose confidence lies in `(from, to]`; 0 lies in the first bin.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CalibrationBin {
    pub from: f64,
    pub to: f64,
    pub images: u64,
    pub accuracy: Option<f64>,
    /// The mean confidence.
    pub confidence: Option<f64>,
}

/// More bins than a diagram shows or an estimate bears.
const MOST_BINS: usize = 1 << 16;

/// The calibration of predictions, each made with a confidence in `[0, 1]` (the largest
/// probability) and correct or not, in `bins` bins of equal width. The papers use 15.
///
/// # Errors
/// `Invalid` for lengths that differ, a confidence outside `[0, 1]` or NaN, or without bins.
pub fn calibration(confidences: &[f64], correct: &[bool], bins: usize) -> Result<Calibration> {
    let n = confidences.len();
    ensure!(
        correct.len() == n,
        "`correct` must be [{n}] like `confidences`, got [{}]",
        correct.len()
    );
    ensure!(
        (1..=MOST_BINS).contains(&bins),
        "`bins` must lie in 1 .. {MOST_BINS}, got {bins}"
    );
    if let Some(wrong) = confidences.iter().find(|it| !(0.0..=1.0).contains(*it)) {
        bail!("`confidences` must lie in 0 .. 1, got {wrong}");
    }

    // Images, correct ones, and the sum of confidences of each bin.
    let mut sums = vec![(0_u64, 0_u64, 0.0); bins];
    for (&confidence, &correct) in confidences.iter().zip(correct) {
        let sum = &mut sums[bin_of(confidence, bins)];
        sum.0 += 1;
        sum.1 += u64::from(correct);
        sum.2 += confidence;
    }
    // Each bin's share of the images times a function of its gap.
    let total = |of: fn(f64) -> f64| {
        let parts = sums
            .iter()
            .filter(|it| it.0 > 0)
            .map(|&(images, right, sum)| {
                let gap = (sum - right as f64) / images as f64;
                images as f64 / n as f64 * of(gap)
            });
        (n > 0).then(|| parts.sum::<f64>())
    };
    Ok(Calibration {
        images: n as u64,
        ece: total(f64::abs),
        rms: total(|gap| gap * gap).map(f64::sqrt),
        overconfidence: total(|gap| gap),
        bins: (0..bins)
            .zip(&sums)
            .map(|(bin, &(images, right, sum))| CalibrationBin {
                from: edge(bin, bins),
                to: edge(bin + 1, bins),
                images,
                accuracy: (images > 0).then(|| right as f64 / images as f64),
                confidence: (images > 0).then(|| sum / images as f64),
            })
            .collect(),
    })
}

fn edge(bin: usize, bins: usize) -> f64 {
    bin as f64 / bins as f64
}

/// The bin `b` with `edge(b) < confidence <= edge(b + 1)`.
fn bin_of(confidence: f64, bins: usize) -> usize {
    let guess = (confidence * bins as f64).ceil() as usize;
    let mut bin = guess.saturating_sub(1).min(bins - 1);
    // The product is rounded: 0.07 * 100 lies above 7.
    if bin > 0 && confidence <= edge(bin, bins) {
        bin -= 1;
    } else if confidence > edge(bin + 1, bins) {
        bin += 1;
    }
    bin
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed;
    use rand::Rng;

    /// `n` predictions of which a share `accuracy(confidence)` is correct.
    fn random(n: usize, draw: u64, accuracy: impl Fn(f64) -> f64) -> (Vec<f64>, Vec<bool>) {
        let mut rng = seed::generator(0, "calibration test", &[draw]);
        let one = |_| {
            let confidence: f64 = rng.random();
            (confidence, rng.random_bool(accuracy(confidence)))
        };
        (0..n).map(one).unzip()
    }

    #[test]
    fn closed_form() {
        // Bins of a quarter: two images (accuracy 1/2, confidence 1/8), one image (1, 3/4),
        // one image (0, 1).
        let it = calibration(&[0.0, 0.25, 0.75, 1.0], &[true, false, true, false], 4).unwrap();
        assert_eq!(it.ece, Some((2.0 * 0.375 + 0.25 + 1.0) / 4.0));
        let squares = (2.0 * 0.375 * 0.375 + 0.0625 + 1.0) / 4.0;
        assert_eq!(it.rms, Some(f64::sqrt(squares)));
        assert_eq!(it.overconfidence, Some(0.0));
        let images: Vec<u64> = it.bins.iter().map(|bin| bin.images).collect();
        assert_eq!(images, [2, 0, 1, 1]);
        let empty = CalibrationBin {
            from: 0.25,
            to: 0.5,
            images: 0,
            accuracy: None,
            confidence: None,
        };
        assert_eq!(it.bins[1], empty);
        let nothing = calibration(&[], &[], 15).unwrap();
        assert_eq!((nothing.ece, nothing.rms, nothing.images), (None, None, 0));
        assert_eq!(nothing.bins.len(), 15);
    }

    #[test]
    fn agrees_with_scipy() {
        // scipy 1.17.1, binned_statistic over 10 bins of 40 confidences `((7 i + 3) mod 41) / 41`,
        // correct where `i mod 3` is not 0.
        let confidences: Vec<f64> = (0..40)
            .map(|i| f64::from((7 * i + 3) % 41) / 41.0)
            .collect();
        let correct: Vec<bool> = (0..40).map(|i| i % 3 != 0).collect();
        let it = calibration(&confidences, &correct, 10).unwrap();
        assert!((it.ece.unwrap() - 0.3823170731707317).abs() < 1e-14);
        assert!((it.rms.unwrap() - 0.43731544080334145).abs() < 1e-14);
    }

    #[test]
    fn an_edge_belongs_to_the_bin_below() {
        for bins in [1, 2, 3, 7, 10, 15, 49, 100, 1000] {
            assert_eq!(bin_of(0.0, bins), 0);
            for bin in 0..bins {
                assert_eq!(bin_of(edge(bin + 1, bins), bins), bin, "{bins}");
                assert_eq!(bin_of(edge(bin, bins).next_up(), bins), bin, "{bins}");
            }
        }
    }

    #[test]
    fn a_calibrated_classifier_has_little_error_and_a_perfect_one_none() {
        let perfect = calibration(&[0.5, 0.5, 1.0, 0.0], &[true, false, true, false], 5).unwrap();
        assert_eq!((perfect.ece, perfect.rms), (Some(0.0), Some(0.0)));
        let (confidences, correct) = random(20_000, 0, |confidence| confidence);
        let it = calibration(&confidences, &correct, 10).unwrap();
        assert!(it.ece.unwrap() < 0.02, "{:?}", it.ece);
        let (confidences, correct) = random(20_000, 1, |_| 0.5);
        // |c - 1/2| has mean 1/4 and mean square 1/12.
        let it = calibration(&confidences, &correct, 100).unwrap();
        assert!((it.ece.unwrap() - 0.25).abs() < 0.02, "{:?}", it.ece);
        assert!((it.rms.unwrap() - 12_f64.sqrt().recip()).abs() < 0.02);
    }

    #[test]
    fn what_holds_for_all_predictions() {
        for draw in 0..50 {
            let (mut confidences, mut correct) = random(200, draw, |it| it * it);
            let it = calibration(&confidences, &correct, 15).unwrap();
            let (ece, rms) = (it.ece.unwrap(), it.rms.unwrap());
            assert!(it.overconfidence.unwrap().abs() <= ece + 1e-15);
            assert!(ece <= rms + 1e-15 && rms <= 1.0);
            assert_eq!(it.bins.iter().map(|bin| bin.images).sum::<u64>(), 200);
            for bin in &it.bins {
                let mean = bin.confidence.unwrap_or(bin.to);
                assert!(bin.from - 1e-15 <= mean && mean <= bin.to + 1e-15);
            }
            confidences.rotate_left(77);
            correct.rotate_left(77);
            let turned = calibration(&confidences, &correct, 15).unwrap();
            assert!((turned.ece.unwrap() - ece).abs() < 1e-14);
            assert!((turned.rms.unwrap() - rms).abs() < 1e-14);
        }
    }

    #[test]
    fn refuses_what_is_no_confidence() {
        let refused = |confidences: &[f64], correct: &[bool], bins| {
            let error = calibration(confidences, correct, bins).unwrap_err();
            error.to_string()
        };
        assert_eq!(
            refused(&[0.5], &[], 15),
            "`correct` must be [1] like `confidences`, got [0]"
        );
        assert_eq!(
            refused(&[0.5], &[true], 0),
            "`bins` must lie in 1 .. 65536, got 0"
        );
        assert_eq!(
            refused(&[50.0], &[true], 15),
            "`confidences` must lie in 0 .. 1, got 50"
        );
        assert!(refused(&[0.5, f64::NAN], &[true; 2], 15).ends_with("got NaN"));
    }
}
