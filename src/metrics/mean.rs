//! The mean of a few numbers, such as those of runs that differ in the seed, and how sure it is.

use super::bootstrap::{Limits, check_level};
use super::special::student_quantile;
use crate::Result;
use serde::Serialize;

/// A mean with the spread of what it is of.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mean {
    pub n: usize,
    pub mean: f64,
    /// The sample standard deviation; `None` of fewer than two numbers.
    pub deviation: Option<f64>,
    /// Where the mean of endlessly many such numbers lies; `None` of fewer than two.
    pub limits: Option<Limits>,
}

/// The mean of `values`, their sample standard deviation `s`, with n - 1 in the denominator, and
/// Student's limits of the mean, `mean +- t s / sqrt(n)`: t is what Student's distribution with
/// n - 1 degrees of freedom lies within with probability `level` (0.95, say). `None` of nothing.
///
/// The limits take the values for independent draws of a normal distribution. Student 1908, "The
/// probable error of a mean", <https://doi.org/10.1093/biomet/6.1.1>; NIST/SEMATECH e-Handbook of
/// Statistical Methods, section 1.3.5.2.
///
/// # Errors
/// `Invalid` for a value that is not finite, or a level that does not lie between 0 and 1.
pub fn mean_interval(values: &[f64], level: f64) -> Result<Option<Mean>> {
    check_level(level)?;
    if let Some(odd) = values.iter().find(|value| !value.is_finite()) {
        bail!("`values` must be finite, got {odd}");
    }
    let Some(&first) = values.first() else {
        return Ok(None);
    };
    let n = values.len() as f64;
    // Relative to the first, so that equal values have exactly themselves as mean.
    let mean = first + values.iter().map(|value| value - first).sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let deviation = (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt());
    let limits = deviation.map(|deviation| {
        let half = student_quantile(level, values.len() as u64 - 1) * deviation / n.sqrt();
        Limits {
            low: mean - half,
            high: mean + half,
        }
    });
    Ok(Some(Mean {
        n: values.len(),
        mean,
        deviation,
        limits,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Mean {
        mean_interval(values, 0.95).unwrap().unwrap()
    }

    #[track_caller]
    fn near(ours: f64, theirs: f64, within: f64) {
        assert!(
            (ours - theirs).abs() <= within,
            "{ours} instead of {theirs}"
        );
    }

    #[test]
    fn two_numbers_in_closed_form() {
        // Half their distance is s / sqrt(2), and t is tan(0.95 pi / 2).
        let it = of(&[1.0, 3.0]);
        let half = (0.95 * std::f64::consts::FRAC_PI_2).tan();
        let limits = it.limits.unwrap();
        assert_eq!((it.n, it.mean), (2, 2.0));
        near(it.deviation.unwrap(), 2.0_f64.sqrt(), 1e-15);
        near(limits.low, 2.0 - half, 1e-11);
        near(limits.high, 2.0 + half, 1e-11);
    }

    #[test]
    fn five_numbers_by_the_table() {
        // t of 4 degrees of freedom is 2.776 in every table, and sqrt(2.5 / 5) is exact here.
        let it = of(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        near(it.deviation.unwrap(), 2.5_f64.sqrt(), 1e-15);
        near(it.limits.unwrap().high, 3.0 + 2.776 * 0.5_f64.sqrt(), 5e-4);
    }

    #[test]
    fn agrees_with_nist() {
        // The e-Handbook's ZARR13.DAT, 1.3.5.2: n 195, mean 9.261460, s 0.022789, limits
        // 9.258242 and 9.264679. These are other numbers of the same mean and deviation.
        let (mean, deviation) = (9.261460, 0.022789);
        let mut values = vec![mean];
        values.extend([mean - deviation, mean + deviation].repeat(97));
        let it = of(&values);
        near(it.deviation.unwrap(), deviation, 1e-12);
        near(it.limits.unwrap().low, 9.258242, 2e-6);
        near(it.limits.unwrap().high, 9.264679, 2e-6);
    }

    #[test]
    fn one_number_has_no_spread_and_equal_ones_none_either() {
        let one = of(&[0.3]);
        assert_eq!((one.mean, one.deviation, one.limits), (0.3, None, None));
        let same = of(&[0.1; 3]);
        assert_eq!((same.mean, same.deviation), (0.1, Some(0.0)));
        assert_eq!(same.limits.map(|it| (it.low, it.high)), Some((0.1, 0.1)));
        assert_eq!(mean_interval(&[], 0.95).unwrap(), None);
    }

    #[test]
    fn refuses_nonsense() {
        let refused = |values: &[f64], level| mean_interval(values, level).unwrap_err().to_string();
        assert_eq!(
            refused(&[1.0, f64::NAN], 0.95),
            "`values` must be finite, got NaN"
        );
        assert_eq!(
            refused(&[1.0], 95.0),
            "`level` must lie between 0 and 1, got 95"
        );
    }
}
