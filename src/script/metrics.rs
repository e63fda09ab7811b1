//! The domain `metrics`: what predictions say beyond their error.

use super::ledger::Ledger;
use super::run::Evaluation;
use super::{RhaiResultOf, options};
use crate::Result;
use crate::ledger;
use crate::metrics::{self, Bootstrap, Sampling};
use crate::torch::{Dtype, Tensor};
use rhai::plugin::*;
use rhai::{Array, Map};
use serde::{Deserialize, Serialize};

pub fn module() -> Module {
    rhai::exported_module!(functions)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Binning {
    #[serde(default = "fifteen")]
    bins: usize,
}

fn fifteen() -> usize {
    15
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Resampling {
    resamples: usize,
    level: f64,
    seed: u64,
    within_classes: bool,
}

impl Default for Resampling {
    fn default() -> Self {
        let Bootstrap {
            resamples, level, ..
        } = Bootstrap::new(0);
        Resampling {
            resamples,
            level,
            seed: 0,
            within_classes: false,
        }
    }
}

impl Resampling {
    fn read(function: &str, options: Map) -> RhaiResultOf<(Bootstrap, Sampling)> {
        let given: Resampling = options::read(function, options)?;
        let sampling = match given.within_classes {
            true => Sampling::WithinClasses,
            false => Sampling::Examples,
        };
        let bootstrap = Bootstrap {
            resamples: given.resamples,
            level: given.level,
            seed: given.seed,
        };
        Ok((bootstrap, sampling))
    }
}

/// Results as a map; `None` is `()`.
fn shown(value: &impl Serialize) -> RhaiResultOf<Dynamic> {
    rhai::serde::to_dynamic(value)
}

fn moves(moved: &metrics::SpillOver, classes: usize) -> RhaiResultOf<Map> {
    let lost = |class| -> Array {
        let pair = |(to, images): (usize, u64)| -> Dynamic {
            let pair: Array = vec![(to as i64).into(), (images as i64).into()];
            pair.into()
        };
        moved.lost_to(class).into_iter().map(pair).collect()
    };
    let lost_to: Array = (0..classes).map(|class| lost(class).into()).collect();
    Ok(Map::from([
        ("summary".into(), shown(&moved.summary())?),
        ("changes".into(), shown(&moved.changes())?),
        ("lost_to".into(), lost_to.into()),
    ]))
}

fn flags(what: &str, tensor: &Tensor) -> Result<Vec<bool>> {
    ensure!(
        tensor.dtype()? == Dtype::Bool && tensor.ndim() == 1,
        "`{what}` must be bool[n], one for each image, got {}",
        tensor.signature()
    );
    let flags = tensor.to_dtype(Dtype::Int64)?.to_vec_i64()?;
    Ok(flags.into_iter().map(|it| it != 0).collect())
}

fn classes_of(what: &str, tensor: &Tensor) -> Result<Vec<i64>> {
    ensure!(
        tensor.dtype()? == Dtype::Int64 && tensor.ndim() == 1,
        "`{what}` must be int64[n], one class for each image, got {}",
        tensor.signature()
    );
    tensor.to_vec_i64()
}

/// Calibration, intervals, and comparisons of models.
#[export_module]
pub mod functions {
    /// How far confidences are from how often they are right; a map with `ece`, `rms`,
    /// `overconfidence` and the table `bins`, for a reliability diagram.
    ///
    /// - `confidences`: `[n]`, the largest probability of each image
    /// - `correct`: bool `[n]`, whether its prediction is right
    /// - `bins` (default 15): of equal width
    ///
    /// `ece` weighs each bin's |accuracy - mean confidence| by its share of the images, `rms` is
    /// the root of the mean square. Each of `bins` has `from`, `to`, `images`, `accuracy`,
    /// `confidence`.
    ///
    /// Source: Guo et al. 2017, <https://arxiv.org/abs/1706.04599>, section 2.
    ///
    /// ```rhai
    /// let result = calibration(tensor([0.9, 0.9, 0.6]), tensor([true, true, false]));
    /// assert((result.ece - (2.0 * 0.1 + 0.6) / 3.0).abs() < 1e-6);
    /// assert(result.bins.len() == 15);
    /// assert(calibration(tensor([0.5]), tensor([true]), #{ bins: 4 }).bins.len() == 4);
    /// ```
    #[rhai_fn(name = "calibration", return_raw)]
    pub fn calibration(confidences: Tensor, correct: Tensor) -> RhaiResultOf<Dynamic> {
        calibration_with(confidences, correct, Map::new())
    }

    /// The same of the rows of a ledger.
    ///
    /// - `bins` (default 15): of equal width
    ///
    /// ```rhai
    /// import "std/evaluate" as evaluate;
    /// let data = dataset("shapes", #{ train: 10, test: 20 });
    /// let model = sequential([Flatten(), Linear(3072, data.classes)]);
    /// let rows = evaluate::examples(model, data.test, #{});
    /// //> ...
    /// assert(calibration(rows).ece <= 1.0 && calibration(rows, #{ bins: 4 }).bins.len() == 4);
    /// ```
    #[rhai_fn(name = "calibration", return_raw)]
    pub fn calibration_of(rows: Ledger) -> RhaiResultOf<Dynamic> {
        calibration_of_with(rows, Map::new())
    }

    #[rhai_fn(name = "calibration", return_raw)]
    pub fn calibration_of_with(rows: Ledger, options: Map) -> RhaiResultOf<Dynamic> {
        let Binning { bins } = options::read("calibration", options)?;
        let correct = rows.column(|row| row.prediction == row.label);
        let confidences = rows.column(|row| row.confidence);
        shown(&metrics::calibration(&confidences, &correct, bins)?)
    }

    #[rhai_fn(name = "calibration", return_raw)]
    pub fn calibration_with(
        confidences: Tensor,
        correct: Tensor,
        options: Map,
    ) -> RhaiResultOf<Dynamic> {
        let Binning { bins } = options::read("calibration", options)?;
        let correct = flags("correct", &correct)?;
        shown(&metrics::calibration(
            &confidences.to_vec_f64()?,
            &correct,
            bins,
        )?)
    }

    /// The share of images whose label is not among the `k` largest logits; ties count against
    /// the model.
    ///
    /// - `logits`: `[n, classes]`
    /// - `y`: int64 `[n]`
    ///
    /// ```rhai
    /// let logits = tensor([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]]);
    /// assert(top_k_error(logits, tensor([1, 2]), 1) == 1.0);
    /// assert(top_k_error(logits, tensor([1, 2]), 2) == 0.5);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn top_k_error(logits: Tensor, y: Tensor, k: i64) -> RhaiResultOf<Dynamic> {
        let [_, classes] = logits.shape()[..] else {
            let given = logits.signature();
            return Err(format!("`logits` must be [n, classes], got {given}").into());
        };
        let labels = classes_of("y", &y)?;
        let ranks = metrics::label_ranks(&logits.to_vec_f64()?, classes as usize, &labels)?;
        let k = usize::try_from(k).map_err(|_| format!("`k` must be at least 1, got {k}"))?;
        shown(&metrics::top_k_error(&ranks, k)?)
    }

    /// The same of the rows of a ledger.
    ///
    /// ```rhai
    /// import "std/evaluate" as evaluate;
    /// let data = dataset("shapes", #{ train: 10, test: 20 });
    /// let model = sequential([Flatten(), Linear(3072, data.classes)]);
    /// let rows = evaluate::examples(model, data.test, #{});
    /// //> ...
    /// assert(top_k_error(rows, 10) == 0.0);
    /// ```
    #[rhai_fn(name = "top_k_error", return_raw)]
    pub fn top_k_error_of(rows: Ledger, k: i64) -> RhaiResultOf<Dynamic> {
        let k = usize::try_from(k).map_err(|_| format!("`k` must be at least 1, got {k}"))?;
        shown(&metrics::top_k_error(&rows.column(|row| row.rank), k)?)
    }

    /// Whether two models differ on the same images: the exact test of McNemar; a map with the
    /// counts, `error_change`, `p_exact` and `p_mid`.
    ///
    /// - `correct_a`, `correct_b`: bool `[n]`, whether each model is right on each image
    ///
    /// A small `p_exact` says that chance alone seldom gives so different counts of `only_a_right`
    /// and `only_b_right`. `chi_square` is the statistic with continuity correction.
    ///
    /// Source: McNemar 1947; the mid-p value after Fagerland et al. 2013.
    ///
    /// ```rhai
    /// let a = tensor([true, true, true, true, false]);
    /// let b = tensor([true, false, false, false, false]);
    /// let test = mcnemar(a, b);
    /// assert(test.only_a_right == 3 && test.only_b_right == 0);
    /// assert((test.p_exact - 0.25).abs() < 1e-12);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn mcnemar(correct_a: Tensor, correct_b: Tensor) -> RhaiResultOf<Dynamic> {
        let (a, b) = (
            flags("correct_a", &correct_a)?,
            flags("correct_b", &correct_b)?,
        );
        shown(&metrics::mcnemar(&a, &b)?)
    }

    /// The same of the examples that two ledgers have in common.
    ///
    /// Errors: classes or labels that differ, no example in common.
    ///
    /// ```rhai
    /// import "std/evaluate" as evaluate;
    /// let data = dataset("shapes", #{ train: 10, test: 20 });
    /// let model = sequential([Flatten(), Linear(3072, data.classes)]);
    /// let a = evaluate::examples(model, data.test, #{});
    /// let b = evaluate::examples(model, data.test.take(10), #{ attack: fgsm(#{ eps: 0.1 }) });
    /// //> ...
    /// let test = mcnemar(a, b);
    /// assert(test.both_right + test.only_a_right + test.only_b_right + test.both_wrong == 10);
    /// ```
    #[rhai_fn(name = "mcnemar", return_raw)]
    pub fn mcnemar_of(a: Ledger, b: Ledger) -> RhaiResultOf<Dynamic> {
        shown(&ledger::mcnemar_of(&a.rows(), &b.rows())?)
    }

    /// How the error of each class moves from model A to model B, and where lost images go; a map
    /// with `summary`, `changes` and `lost_to`.
    ///
    /// - `y`: int64 `[n]`, the labels
    /// - `predictions_a`, `predictions_b`: int64 `[n]`
    /// - `classes`: how many there are
    ///
    /// Each of `changes` has `class`, `images`, `error_a`, `error_b` and `change`, B less A: below
    /// 0 the class gains. `lost_to` has for each class the predictions of B on images that only A
    /// had right, as `[class, images]`, the most frequent first.
    ///
    /// ```rhai
    /// let y = tensor([0, 0, 1, 1]);
    /// let moved = spill_over(y, tensor([0, 0, 1, 0]), tensor([0, 1, 1, 1]), 2);
    /// assert(moved.summary.gaining == 1 && moved.summary.losing == 1);
    /// assert(moved.changes[0].change == 0.5 && moved.lost_to[0] == [[1, 1]]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn spill_over(
        y: Tensor,
        predictions_a: Tensor,
        predictions_b: Tensor,
        classes: i64,
    ) -> RhaiResultOf<Map> {
        let count = usize::try_from(classes)
            .map_err(|_| format!("`classes` must be at least 1, got {classes}"))?;
        let moved = metrics::SpillOver::new(
            count,
            &classes_of("y", &y)?,
            &classes_of("predictions_a", &predictions_a)?,
            &classes_of("predictions_b", &predictions_b)?,
        )?;
        moves(&moved, count)
    }

    /// The same of the examples that two ledgers have in common.
    ///
    /// Errors: classes or labels that differ, no example in common.
    ///
    /// ```rhai
    /// import "std/evaluate" as evaluate;
    /// let data = dataset("shapes", #{ train: 10, test: 20 });
    /// let model = sequential([Flatten(), Linear(3072, data.classes)]);
    /// let rows = evaluate::examples(model, data.test, #{});
    /// //> ...
    /// assert(spill_over(rows, rows).summary.unchanged == data.classes);
    /// ```
    #[rhai_fn(name = "spill_over", return_raw)]
    pub fn spill_over_of(a: Ledger, b: Ledger) -> RhaiResultOf<Map> {
        let classes = a.rows().about().class_names.len();
        moves(&ledger::spill_over_of(&a.rows(), &b.rows())?, classes)
    }

    /// A bootstrap interval of the error: a map with `estimate`, `percentile` and `basic` limits
    /// (`low`, `high`), `standard_error` and `bias`; `()` without images.
    ///
    /// - `resamples` (default 1000), `level` (default 0.95), `seed` (default 0)
    /// - `within_classes` (default false): draws as many images of each class as there are
    ///
    /// Source: Efron & Tibshirani 1993, chapter 13.
    ///
    /// ```rhai
    /// let result = evaluation(2);
    /// result.add(tensor([0, 0, 1, 1]), tensor([0, 1, 1, 1]), ());
    /// let interval = result.error_interval(#{ resamples: 200 });
    /// assert(interval.estimate == 0.25 && interval.percentile.low <= 0.25);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn error_interval(evaluation: Evaluation, options: Map) -> RhaiResultOf<Dynamic> {
        let (bootstrap, sampling) = Resampling::read("error_interval", options)?;
        let counts = evaluation.counts();
        shown(&metrics::bootstrap_error(&counts, sampling, &bootstrap)?)
    }

    /// A bootstrap interval of the imbalance, the standard deviation of the class errors; options
    /// as for `error_interval`.
    ///
    /// Use the `basic` limits: a resample adds the noise of a finite test set to every class a
    /// second time, so that the `percentile` limits lie too high, far too high for small classes.
    ///
    /// ```rhai
    /// let result = evaluation(2);
    /// result.add(tensor([0, 0, 1, 1]), tensor([0, 1, 1, 1]), ());
    /// let interval = result.imbalance_interval(#{ resamples: 200 });
    /// assert((interval.estimate - result.imbalance).abs() < 1e-12);
    /// assert(interval.basic.low <= interval.estimate);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn imbalance_interval(evaluation: Evaluation, options: Map) -> RhaiResultOf<Dynamic> {
        let (bootstrap, sampling) = Resampling::read("imbalance_interval", options)?;
        let counts = evaluation.counts();
        shown(&metrics::bootstrap_imbalance(
            &counts, sampling, &bootstrap,
        )?)
    }
}
