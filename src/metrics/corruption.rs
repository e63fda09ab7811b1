//! The mean corruption error of ImageNet-C.
//!
//! Hendrycks & Dietterich 2019, <https://arxiv.org/abs/1903.12261>, section 4. AlexNet's
//! errors, the mean over the five severities for each corruption, are those that one of the
//! benchmark's authors published in `google-research/augmix`, `imagenet.py`.

use crate::Result;
use serde::Serialize;

pub const SEVERITIES: usize = 5;

/// The 15 corruptions in the order of the benchmark, with AlexNet's mean error.
pub const CORRUPTIONS: [(&str, f64); 15] = [
    ("gaussian_noise", 0.886428),
    ("shot_noise", 0.894468),
    ("impulse_noise", 0.922640),
    ("defocus_blur", 0.819880),
    ("glass_blur", 0.826268),
    ("motion_blur", 0.785948),
    ("zoom_blur", 0.798360),
    ("snow", 0.866816),
    ("frost", 0.826572),
    ("fog", 0.819324),
    ("brightness", 0.564592),
    ("contrast", 0.853204),
    ("elastic_transform", 0.646056),
    ("pixelate", 0.717840),
    ("jpeg_compression", 0.606500),
];

/// Errors under corruption, with AlexNet as the measure and without. All are fractions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CorruptionError {
    /// For each corruption: the mean error over the severities, divided by AlexNet's.
    pub by_corruption: Vec<f64>,
    /// The mCE: the mean of `by_corruption`.
    pub mce: f64,
    /// The plain mean of all errors, which some papers also call mCE.
    pub mean_error: f64,
}

/// The mCE and the plain mean of `errors`, one row of five severities for each of the 15
/// corruptions, in the order of `CORRUPTIONS`.
///
/// # Errors
/// `Invalid` unless there are 15 rows of 5 fractions.
pub fn mean_corruption_error(errors: &[Vec<f64>]) -> Result<CorruptionError> {
    let corruptions = CORRUPTIONS.len();
    ensure!(
        errors.len() == corruptions,
        "`errors` must have a row for each of the {corruptions} corruptions, got {} rows",
        errors.len()
    );
    let mut means = Vec::with_capacity(corruptions);
    for ((name, _), row) in CORRUPTIONS.iter().zip(errors) {
        means.push(severity_mean(name, row)?);
    }
    let by_corruption: Vec<f64> = means
        .iter()
        .zip(&CORRUPTIONS)
        .map(|(mean, (_, alexnet))| mean / alexnet)
        .collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / corruptions as f64;
    Ok(CorruptionError {
        mce: mean(&by_corruption),
        mean_error: mean(&means),
        by_corruption,
    })
}

/// The mean of a corruption's errors over the severities, after a look at them.
pub(super) fn severity_mean(name: &str, row: &[f64]) -> Result<f64> {
    ensure!(
        row.len() == SEVERITIES,
        "`errors` must have {SEVERITIES} severities for {name}, got {}",
        row.len()
    );
    if let Some(wrong) = row.iter().find(|error| !(0.0..=1.0).contains(*error)) {
        bail!("`errors` must be fractions from 0 to 1, got {wrong} for {name}");
    }
    Ok(row.iter().sum::<f64>() / SEVERITIES as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alexnet_itself_has_an_mce_of_one() {
        let alexnet: Vec<Vec<f64>> = CORRUPTIONS.iter().map(|it| vec![it.1; 5]).collect();
        let own = mean_corruption_error(&alexnet).unwrap();
        assert!((own.mce - 1.0).abs() < 1e-15);
        assert!(own.by_corruption.iter().all(|it| (it - 1.0).abs() < 1e-15));
    }

    #[test]
    fn refuses_what_is_no_table_of_errors() {
        let refused = |errors: &[Vec<f64>]| mean_corruption_error(errors).unwrap_err().to_string();
        let mut errors = vec![vec![0.5; 5]; 15];
        assert_eq!(
            refused(&errors[..14]),
            "`errors` must have a row for each of the 15 corruptions, got 14 rows"
        );
        errors[9][0] = 50.0;
        assert_eq!(
            refused(&errors),
            "`errors` must be fractions from 0 to 1, got 50 for fog"
        );
        errors[9].pop();
        assert_eq!(
            refused(&errors),
            "`errors` must have 5 severities for fog, got 4"
        );
        errors[9] = vec![0.5, 0.5, f64::NAN, 0.5, 0.5];
        assert!(refused(&errors).contains("got NaN for fog"));
    }
}
