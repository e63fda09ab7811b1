//! Errors under any corruptions, the benchmark's 15 or some of them, and others.
//!
//! Relative corruption error: Hendrycks & Dietterich 2019, <https://arxiv.org/abs/1903.12261>,
//! section 4: how much a corruption adds to the clean error, measured by what it adds to
//! AlexNet's.

use super::corruption::{CORRUPTIONS, SEVERITIES, severity_mean};
use crate::Result;
use serde::Serialize;

/// AlexNet's error on the clean validation set, torchvision's weights.
pub const ALEXNET_CLEAN_ERROR: f64 = 0.43478;

/// Errors under corruptions as fractions. The means are over those of the benchmark that were
/// given, each counting the same, and `None` where none was.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CorruptionTable {
    /// The benchmark's in its order, then the others in theirs.
    pub corruptions: Vec<CorruptionRow>,
    /// The mean of `ce`: the mCE if nothing is missing.
    pub mce: Option<f64>,
    /// The mean of `relative_ce`.
    pub relative_mce: Option<f64>,
    pub mean_error: Option<f64>,
    /// The mean error of each severity, from 1 to 5.
    pub by_severity: Option<[f64; SEVERITIES]>,
    /// Corruptions of the benchmark that were not given. The means then compare only with
    /// those of the same corruptions.
    pub missing: Vec<&'static str>,
    /// Corruptions that were given beyond the benchmark's, for which no error of AlexNet is
    /// published; they enter no mean.
    pub extra: Vec<String>,
}

/// One corruption.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CorruptionRow {
    pub name: String,
    /// The error at each severity, from 1 to 5.
    pub errors: [f64; SEVERITIES],
    pub mean_error: f64,
    /// `mean_error` divided by AlexNet's.
    pub ce: Option<f64>,
    /// `mean_error` minus the clean error, divided by the same of AlexNet. Negative for a
    /// model that errs less under the corruption than without.
    pub relative_ce: Option<f64>,
}

/// The table of `errors`, five severities for each named corruption. With the model's clean
/// error, there are relative errors too.
///
/// # Errors
/// `Invalid` unless all are fractions, five for each name, and no name comes twice.
pub fn corruption_table<Name: AsRef<str>>(
    errors: &[(Name, Vec<f64>)],
    clean_error: Option<f64>,
) -> Result<CorruptionTable> {
    if let Some(clean) = clean_error {
        ensure!(
            (0.0..=1.0).contains(&clean),
            "`clean_error` must be a fraction from 0 to 1, got {clean}"
        );
    }
    let place = |name: &str| CORRUPTIONS.iter().position(|it| it.0 == name);
    let mut corruptions: Vec<CorruptionRow> = Vec::with_capacity(errors.len());
    for (name, row) in errors {
        let name = name.as_ref();
        ensure!(
            corruptions.iter().all(|it| it.name != name),
            "`errors` must have each corruption once, got {name} twice"
        );
        let mean_error = severity_mean(name, row)?;
        let alexnet = place(name).map(|at| CORRUPTIONS[at].1);
        corruptions.push(CorruptionRow {
            name: name.to_owned(),
            errors: std::array::from_fn(|severity| row[severity]),
            mean_error,
            ce: alexnet.map(|alexnet| mean_error / alexnet),
            relative_ce: alexnet
                .zip(clean_error)
                .map(|(alexnet, clean)| (mean_error - clean) / (alexnet - ALEXNET_CLEAN_ERROR)),
        });
    }
    corruptions.sort_by_key(|it| place(&it.name).unwrap_or(CORRUPTIONS.len()));

    let (known, extra) = corruptions.split_at(corruptions.partition_point(|it| it.ce.is_some()));
    let mean = |of: &dyn Fn(&CorruptionRow) -> Option<f64>| {
        let values: Option<Vec<f64>> = known.iter().map(of).collect();
        values
            .filter(|values| !values.is_empty())
            .map(|values| values.iter().sum::<f64>() / values.len() as f64)
    };
    let severity = |at: usize| mean(&|it| Some(it.errors[at])).unwrap_or_default();
    let missing = CORRUPTIONS.iter().map(|it| it.0);
    Ok(CorruptionTable {
        mce: mean(&|it| it.ce),
        relative_mce: mean(&|it| it.relative_ce),
        mean_error: mean(&|it| Some(it.mean_error)),
        by_severity: (!known.is_empty()).then(|| std::array::from_fn(severity)),
        missing: missing
            .filter(|&name| known.iter().all(|it| it.name != name))
            .collect(),
        extra: extra.iter().map(|it| it.name.clone()).collect(),
        corruptions,
    })
}

#[cfg(test)]
mod tests {
    use super::super::corruption::mean_corruption_error;
    use super::*;

    fn rows(names: &[&'static str]) -> Vec<(&'static str, Vec<f64>)> {
        let row = |at: usize| (1..=5).map(|s| (at * 5 + s) as f64 / 100.0).collect();
        names
            .iter()
            .enumerate()
            .map(|(at, &name)| (name, row(at)))
            .collect()
    }

    #[test]
    fn the_whole_benchmark_is_what_the_mce_is() {
        let names = CORRUPTIONS.map(|it| it.0);
        let errors = rows(&names);
        let it = corruption_table(&errors, None).unwrap();
        let plain: Vec<Vec<f64>> = errors.iter().map(|it| it.1.clone()).collect();
        let mce = mean_corruption_error(&plain).unwrap();
        assert_eq!(
            (it.mce, it.mean_error),
            (Some(mce.mce), Some(mce.mean_error))
        );
        assert_eq!(it.relative_mce, None);
        assert!(it.missing.is_empty() && it.extra.is_empty());
        // In whatever order.
        let mut turned = errors;
        turned.rotate_left(4);
        turned.swap(1, 9);
        assert_eq!(corruption_table(&turned, None).unwrap(), it);
    }

    #[test]
    fn alexnet_has_relative_errors_of_one() {
        let alexnet: Vec<(&str, Vec<f64>)> = CORRUPTIONS
            .iter()
            .map(|&(name, error)| (name, vec![error; 5]))
            .collect();
        let it = corruption_table(&alexnet, Some(ALEXNET_CLEAN_ERROR)).unwrap();
        assert!((it.relative_mce.unwrap() - 1.0).abs() < 1e-14);
        assert!((it.mce.unwrap() - 1.0).abs() < 1e-14);
    }

    #[test]
    fn a_part_has_means_of_its_own_and_others_enter_none() {
        let errors = rows(&["saturate", "fog", "snow", "spatter"]);
        let it = corruption_table(&errors, Some(0.1)).unwrap();
        let names: Vec<&str> = it.corruptions.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["snow", "fog", "saturate", "spatter"]);
        assert_eq!(it.extra, ["saturate", "spatter"]);
        assert_eq!((it.missing.len(), it.missing[0]), (13, "gaussian_noise"));
        // Means 0.13 for snow and 0.08 for fog.
        let near = |ours: Option<f64>, theirs: f64| (ours.unwrap() - theirs).abs() < 1e-14;
        assert!(near(it.mean_error, 0.105));
        assert!(near(it.mce, (0.13 / 0.866816 + 0.08 / 0.819324) / 2.0));
        let relative = 0.03 / (0.866816 - 0.43478) - 0.02 / (0.819324 - 0.43478);
        assert!(near(it.relative_mce, relative / 2.0));
        let by_severity = it.by_severity.unwrap();
        assert!(near(Some(by_severity[0]), 0.085) && near(Some(by_severity[4]), 0.125));
        let other = &it.corruptions[3];
        assert_eq!((other.ce, other.relative_ce), (None, None));
        assert!(near(Some(other.mean_error), 0.18));

        let none = corruption_table(&rows(&["saturate"]), Some(0.1)).unwrap();
        assert_eq!(
            (none.mce, none.relative_mce, none.mean_error),
            (None, None, None)
        );
        assert_eq!((none.by_severity, none.missing.len()), (None, 15));
    }

    #[test]
    fn refuses_what_is_no_table_of_errors() {
        let refused = |errors: &[(&str, Vec<f64>)], clean| {
            corruption_table(errors, clean).unwrap_err().to_string()
        };
        let mut errors = rows(&["fog", "snow", "fog"]);
        assert_eq!(
            refused(&errors, None),
            "`errors` must have each corruption once, got fog twice"
        );
        errors[1].1[3] = 55.0;
        assert_eq!(
            refused(&errors, None),
            "`errors` must be fractions from 0 to 1, got 55 for snow"
        );
        errors[1].1.pop();
        assert_eq!(
            refused(&errors, None),
            "`errors` must have 5 severities for snow, got 4"
        );
        assert_eq!(
            refused(&errors, Some(23.9)),
            "`clean_error` must be a fraction from 0 to 1, got 23.9"
        );
    }
}
