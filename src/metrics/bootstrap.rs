//! How far a number would move with other images: the bootstrap.
//!
//! Efron & Tibshirani 1993, "An Introduction to the Bootstrap", chapters 10 and 13: percentile
//! limits are quantiles of the statistic over resamples; basic limits mirror these about the
//! estimate, `2 estimate - quantile`, and so take out the bias.
//!
//! Which to read: for a mean such as the error, either; for a number that noise enlarges, as it
//! does every measure of spread, the basic ones. `bias` shows which it is.

use crate::{Result, interrupt, seed};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// How to draw resamples, and which share of them the limits enclose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    #[serde(default = "resamples")]
    pub resamples: usize,
    #[serde(default = "level")]
    pub level: f64,
    pub seed: u64,
}

/// The two ends of an interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Limits {
    pub low: f64,
    pub high: f64,
}

/// A number and how sure it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The statistic of the images themselves.
    pub estimate: f64,
    pub percentile: Limits,
    pub basic: Limits,
    /// The sample standard deviation over the resamples.
    pub standard_error: f64,
    /// The mean over the resamples minus the estimate.
    pub bias: f64,
    /// How many of the resamples have the statistic; the others are left out.
    pub resamples: usize,
}

fn resamples() -> usize {
    1000
}

fn level() -> f64 {
    0.95
}

/// The statistic of each is kept: at most 128 MiB.
const MOST_RESAMPLES: usize = 1 << 24;

impl Bootstrap {
    /// 1000 resamples and 95 %.
    pub fn new(seed: u64) -> Self {
        Bootstrap {
            resamples: resamples(),
            level: level(),
            seed,
        }
    }
}

/// The interval of any `statistic` of `n` examples, which is handed the indices of a resample:
/// `n` of them, drawn with replacement; first, for the estimate, all in order.
///
/// Resample `i` draws from the generator of `seed`, "bootstrap" and `i`. Two models are
/// compared by a statistic that looks up both at the same indices. `None` where the images
/// themselves, or all resamples but one, have no such number.
///
/// # Errors
/// `Invalid` for options out of range or a statistic that is not finite; whatever `statistic`
/// raises; `Interrupted`.
pub fn bootstrap(
    n: usize,
    options: &Bootstrap,
    mut statistic: impl FnMut(&[usize]) -> Result<Option<f64>>,
) -> Result<Option<Interval>> {
    let end = end_of(n as u64)?;
    let mut indices: Vec<usize> = (0..n).collect();
    let estimate = if n == 0 { None } else { statistic(&indices)? };
    interval(options, estimate, |rng| {
        indices.fill_with(|| rng.random_range(0..end) as usize);
        statistic(&indices)
    })
}

/// Indices are drawn as 32 bits, the same on every machine.
pub(super) fn end_of(n: u64) -> Result<u32> {
    match u32::try_from(n) {
        Ok(end) => Ok(end),
        Err(_) => bail!("`n` must be below 2^32, got {n}"),
    }
}

/// The interval of what `replicate` makes of each resample's generator.
pub(super) fn interval(
    options: &Bootstrap,
    estimate: Option<f64>,
    mut replicate: impl FnMut(&mut ChaCha8Rng) -> Result<Option<f64>>,
) -> Result<Option<Interval>> {
    let &Bootstrap {
        resamples,
        level,
        seed,
    } = options;
    ensure!(
        (2..=MOST_RESAMPLES).contains(&resamples),
        "`resamples` must lie in 2 .. {MOST_RESAMPLES}, got {resamples}"
    );
    check_level(level)?;
    let finite = |value: f64| {
        ensure!(value.is_finite(), "`statistic` must be finite, got {value}");
        Ok(value)
    };
    let Some(estimate) = estimate.map(finite).transpose()? else {
        return Ok(None);
    };
    let mut values = Vec::new();
    for draw in 0..resamples {
        interrupt::check()?;
        let value = replicate(&mut seed::generator(seed, "bootstrap", &[draw as u64]))?;
        values.extend(value.map(finite).transpose()?);
    }
    if values.len() < 2 {
        return Ok(None);
    }
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let outside = (1.0 - level) / 2.0;
    let (low, high) = (quantile(&values, outside), quantile(&values, 1.0 - outside));
    Ok(Some(Interval {
        estimate,
        percentile: Limits { low, high },
        basic: Limits {
            low: 2.0 * estimate - high,
            high: 2.0 * estimate - low,
        },
        standard_error: (squares / (n - 1.0)).sqrt(),
        bias: mean - estimate,
        resamples: values.len(),
    }))
}

/// Refuses a confidence level that is no fraction strictly between 0 and 1.
pub(super) fn check_level(level: f64) -> Result<()> {
    ensure!(
        0.0 < level && level < 1.0,
        "`level` must lie between 0 and 1, got {level}"
    );
    Ok(())
}

/// The quantile `q` of `sorted` numbers, linear between neighbours as numpy's is.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn few(resamples: usize, seed: u64) -> Bootstrap {
        Bootstrap {
            resamples,
            ..Bootstrap::new(seed)
        }
    }

    #[test]
    fn agrees_with_scipy_on_a_median() {
        // scipy 1.17.1, bootstrap(.., n_resamples=200000, method=..), of the odd numbers from 1
        // to 49 squared: the median lies in 225 .. 1225,
        // standard error 244.2.
        let x: Vec<f64> = (0..25)
            .map(|i| f64::from((2 * i + 1) * (2 * i + 1)))
            .collect();
        let it = bootstrap(25, &few(4000, 0), |indices| {
            let mut drawn: Vec<f64> = indices.iter().map(|&i| x[i]).collect();
            drawn.sort_by(f64::total_cmp);
            Ok(Some(drawn[12]))
        });
        let it = it.unwrap().unwrap();
        let odd = |value: f64| value.abs().sqrt();
        assert!((odd(it.percentile.low) - 15.0).abs() <= 2.0, "{it:?}");
        assert!((odd(it.percentile.high) - 35.0).abs() <= 2.0, "{it:?}");
        assert!((it.standard_error / 244.2 - 1.0).abs() < 0.05, "{it:?}");
    }

    #[test]
    fn quantiles_are_those_of_numpy() {
        // numpy 2.4.6, quantile.
        let some = [1.0, 2.0, 4.0, 8.0, 16.0];
        for (q, value) in [
            (0.0, 1.0),
            (0.1, 1.4),
            (0.5, 4.0),
            (0.975, 15.2),
            (1.0, 16.0),
        ] {
            assert!((quantile(&some, q) - value).abs() < 1e-12);
        }
    }

    #[test]
    fn refuses_nonsense_and_hands_errors_on() {
        let refused = |options: &Bootstrap, value: f64| {
            let it = bootstrap(3, options, |_| Ok(Some(value)));
            it.unwrap_err().to_string()
        };
        assert_eq!(
            refused(&few(1, 0), 0.5),
            "`resamples` must lie in 2 .. 16777216, got 1"
        );
        let percent = Bootstrap {
            level: 95.0,
            ..few(9, 0)
        };
        assert_eq!(
            refused(&percent, 0.5),
            "`level` must lie between 0 and 1, got 95"
        );
        assert_eq!(
            refused(&few(9, 0), f64::NAN),
            "`statistic` must be finite, got NaN"
        );
        let own = bootstrap(3, &few(9, 0), |_| bail!("`x` is odd"));
        assert_eq!(own.unwrap_err().to_string(), "`x` is odd");
    }

    #[test]
    fn fewer_resamples_are_the_first_of_many() {
        let first = |resamples| {
            let mut seen = Vec::new();
            bootstrap(9, &few(resamples, 0), |indices| {
                seen.push(indices.to_vec());
                Ok(Some(0.0))
            })
            .unwrap();
            seen
        };
        assert_eq!(first(5), first(20)[..6]);
    }

    #[test]
    fn nothing_has_no_interval() {
        assert_eq!(bootstrap(0, &few(9, 0), |_| Ok(Some(1.0))).unwrap(), None);
        assert_eq!(bootstrap(3, &few(9, 0), |_| Ok(None)).unwrap(), None);
    }
}
