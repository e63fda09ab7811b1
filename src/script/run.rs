//! The domain `run`: evaluations, progress, the run's record and its tables.

use super::host::Host;
use super::names::a_type;
use super::{RhaiResultOf, convert, corruption};
use crate::Result;
use crate::estimate::stand_in;
use crate::metrics::{self, ClassErrors, relative_improvement};
use crate::report::{self, Cell, Format, Scores, Table};
use crate::run::Measurement;
use crate::run::loops::Entry;
use crate::torch::Tensor;
use rhai::plugin::*;
use rhai::{Array, Map};
use std::cell::RefCell;
use std::rc::Rc;

/// An evaluation that scripts add batches to.
#[derive(Clone)]
pub struct Evaluation(Rc<RefCell<metrics::Evaluation>>);

impl Evaluation {
    pub fn of(counts: metrics::Evaluation) -> Self {
        Evaluation(Rc::new(RefCell::new(counts)))
    }

    /// The errors by class, by the one label.
    pub fn counts(&self) -> ClassErrors {
        self.0.borrow().top1().clone()
    }
}

/// A progress bar; none once it is finished.
#[derive(Clone)]
pub struct Progress(Rc<RefCell<Option<report::Progress>>>);

pub fn module() -> rhai::Module {
    let mut module = rhai::exported_module!(functions);
    module.set_custom_type::<Evaluation>("evaluation");
    module.set_custom_type::<Progress>("progress");
    module.set_custom_type::<Table>("table");
    module
}

fn fraction(value: Option<f64>) -> Dynamic {
    value.map_or(Dynamic::UNIT, Dynamic::from)
}

fn classes(what: &str, given: &Tensor) -> Result<Vec<i64>> {
    ensure!(
        given.ndim() == 1 && !given.dtype()?.is_float(),
        "`{what}` must be an integer tensor [n], got {}",
        given.signature()
    );
    given.to_vec_i64()
}

fn sets(given: Dynamic) -> Result<Option<Vec<Vec<i64>>>> {
    if given.is_unit() {
        return Ok(None);
    }
    let list = convert::array("correct", given)?;
    let set = |set| convert::integers("correct", set);
    list.into_iter().map(set).collect::<Result<_>>().map(Some)
}

/// Evaluations, progress, what is kept of a run, tables.
#[export_module]
pub mod functions {
    /// An empty evaluation of a classifier of `classes` classes.
    ///
    /// ```rhai
    /// let result = evaluation(3);
    /// result.add(tensor([0, 1, 2, 2]), tensor([0, 1, 2, 0]), ());
    /// print(result.error);         //> 0.25
    /// print(result.class_errors);  //> [0.5, 0.0, 0.0]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn evaluation(classes: i64) -> RhaiResultOf<Evaluation> {
        let classes = usize::try_from(classes)
            .map_err(|_| format!("`classes` must be positive, got {classes}"))?;
        Ok(Evaluation::of(metrics::Evaluation::new(classes)?))
    }

    /// Counts a batch.
    ///
    /// - `predictions`: the predicted classes, int64 `[n]`, as from `model.predict(x)`
    /// - `y`: the labels, int64 `[n]`
    /// - `correct`: for each image an array of all its correct classes, or `()`; in every batch
    ///   or in none
    ///
    /// ```rhai
    /// let result = evaluation(3);
    /// result.add(tensor([0, 1]), tensor([0, 2]), [[0], [1, 2]]);
    /// assert(result.error == 0.5 && result.real_error == 0.0);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn add(
        evaluation: Evaluation,
        predictions: Tensor,
        y: Tensor,
        correct: Dynamic,
    ) -> RhaiResultOf<()> {
        let predictions = classes("predictions", &predictions)?;
        let (labels, correct) = (classes("y", &y)?, sets(correct)?);
        let mut counts = evaluation.0.borrow_mut();
        Ok(counts.add(&predictions, &labels, correct.as_deref())?)
    }

    /// How many images were counted.
    ///
    /// ```rhai
    /// assert(evaluation(3).images == 0);
    /// ```
    #[rhai_fn(get = "images", pure)]
    pub fn images(evaluation: &mut Evaluation) -> i64 {
        evaluation.0.borrow().top1().images() as i64
    }

    /// The share of wrong predictions, in [0, 1]; `()` before the first image.
    ///
    /// ```rhai
    /// let result = evaluation(2);
    /// result.add(tensor([0, 0]), tensor([0, 1]), ());
    /// assert(result.error == 0.5);
    /// ```
    #[rhai_fn(get = "error", pure)]
    pub fn error(evaluation: &mut Evaluation) -> Dynamic {
        fraction(evaluation.0.borrow().error())
    }

    /// The share of predictions that are none of the image's correct classes; `()` without
    /// these. Images without any correct class are left out (Beyer et al. 2020,
    /// <https://arxiv.org/abs/2006.07159>).
    ///
    /// ```rhai
    /// let result = evaluation(2);
    /// result.add(tensor([0, 0]), tensor([1, 1]), [[0, 1], [1]]);
    /// assert(result.real_error == 0.5);
    /// ```
    #[rhai_fn(get = "real_error", pure)]
    pub fn real_error(evaluation: &mut Evaluation) -> Dynamic {
        fraction(evaluation.0.borrow().real_error())
    }

    /// How many images `real_error` is of; `()` without sets of correct classes.
    ///
    /// ```rhai
    /// let result = evaluation(2);
    /// result.add(tensor([0, 0]), tensor([1, 1]), [[0, 1], []]);
    /// assert(result.images == 2 && result.real_images == 1);
    /// ```
    #[rhai_fn(get = "real_images", pure)]
    pub fn real_images(evaluation: &mut Evaluation) -> Dynamic {
        let counts = evaluation.0.borrow();
        counts
            .real()
            .map_or(Dynamic::UNIT, |real| (real.images() as i64).into())
    }

    /// The error of each class, `()` for a class without images.
    ///
    /// ```rhai
    /// let result = evaluation(3);
    /// result.add(tensor([0, 0]), tensor([0, 1]), ());
    /// assert(result.class_errors == [0.0, 1.0, ()]);
    /// ```
    #[rhai_fn(get = "class_errors", pure)]
    pub fn class_errors(evaluation: &mut Evaluation) -> Array {
        let counts = evaluation.0.borrow();
        counts
            .top1()
            .class_errors()
            .into_iter()
            .map(fraction)
            .collect()
    }

    /// The paper's imbalance: the population standard deviation of the class errors. Classes
    /// without images are left out.
    ///
    /// ```rhai
    /// let result = evaluation(2);
    /// result.add(tensor([0, 0]), tensor([0, 1]), ());
    /// assert(result.imbalance == 0.5);
    /// ```
    #[rhai_fn(get = "imbalance", pure)]
    pub fn imbalance(evaluation: &mut Evaluation) -> Dynamic {
        fraction(evaluation.0.borrow().top1().imbalance())
    }

    /// The same with the sample standard deviation (divided by one class fewer).
    ///
    /// ```rhai
    /// let result = evaluation(2);
    /// result.add(tensor([0, 0]), tensor([0, 1]), ());
    /// assert((result.imbalance_sample - 0.5 * 2.0.sqrt()).abs() < 1e-12);
    /// ```
    #[rhai_fn(get = "imbalance_sample", pure)]
    pub fn imbalance_sample(evaluation: &mut Evaluation) -> Dynamic {
        fraction(evaluation.0.borrow().top1().imbalance_sample())
    }

    /// The difference between the largest and the smallest class error.
    ///
    /// ```rhai
    /// let result = evaluation(2);
    /// result.add(tensor([0, 0]), tensor([0, 1]), ());
    /// assert(result.gap == 1.0);
    /// ```
    #[rhai_fn(get = "gap", pure)]
    pub fn gap(evaluation: &mut Evaluation) -> Dynamic {
        fraction(evaluation.0.borrow().top1().gap())
    }

    /// The `k` classes of the largest error, worst first: maps of `class` and `error`.
    ///
    /// ```rhai
    /// let result = evaluation(2);
    /// result.add(tensor([0, 0]), tensor([0, 1]), ());
    /// assert(result.worst(1)[0]["class"] == 1 && result.worst(1)[0].error == 1.0);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn worst(evaluation: Evaluation, k: i64) -> RhaiResultOf<Array> {
        let k = usize::try_from(k).map_err(|_| format!("`k` must be at least 0, got {k}"))?;
        let worst = evaluation.0.borrow().top1().worst_classes(k);
        let entry = |(class, error): (usize, f64)| {
            Map::from([
                ("class".into(), Dynamic::from(class as i64)),
                ("error".into(), error.into()),
            ])
            .into()
        };
        Ok(worst
            .into_iter()
            .map(|it| entry((it.class, it.error)))
            .collect())
    }

    /// The evaluation in one line: images, error, imbalance and the worst class.
    ///
    /// ```rhai
    /// let result = evaluation(2);
    /// result.add(tensor([0, 0]), tensor([0, 1]), ());
    /// let text = "evaluation(2 images, error 50.00 %, imbalance 50.00 %, worst class 1: 100.00 %)";
    /// assert(result.to_string() == text);
    /// ```
    #[rhai_fn(
        name = "to_string",
        name = "to_debug",
        name = "print",
        name = "debug",
        pure
    )]
    pub fn evaluation_to_string(evaluation: &mut Evaluation) -> String {
        let counts = evaluation.0.borrow();
        let top1 = counts.top1();
        let mut parts = vec![format!("{} images", top1.images())];
        let mut add = |name: &str, value: Option<f64>| {
            parts.extend(value.map(|value| format!("{name} {:.2} %", 100.0 * value)));
        };
        add("error", top1.error());
        add("error by all correct labels", counts.real_error());
        add("imbalance", top1.imbalance());
        if let Some(worst) = top1.worst() {
            add(&format!("worst class {}:", worst.class), Some(worst.error));
        }
        format!("evaluation({})", parts.join(", "))
    }

    /// By how many percent `new` lies below `base`: 100 (base - new) / base; `()` for base 0.
    ///
    /// ```rhai
    /// assert((improvement(0.4, 0.3) - 25.0).abs() < 1e-12);
    /// ```
    pub fn improvement(base: f64, new: f64) -> Dynamic {
        fraction(relative_improvement(base, new))
    }

    /// Begins to show the progress of a loop over `images` images: a bar on a terminal, lines
    /// elsewhere.
    ///
    /// ```rhai
    /// let bar = progress("counting", 10);
    /// for i in 0..10 { bar.advance(1, #{ square: i * i }); }
    /// bar.finish();
    /// ```
    #[rhai_fn(name = "progress", return_raw)]
    pub fn begin_progress(
        context: NativeCallContext,
        title: &str,
        images: i64,
    ) -> RhaiResultOf<Progress> {
        let images = u64::try_from(images)
            .map_err(|_| format!("`images` must be at least 0, got {images}"))?;
        let host = Host::of(&context);
        if let Some(probe) = host.probe() {
            probe.begin_title(title);
        }
        let bar = host.screen().progress(title, images);
        Ok(Progress(Rc::new(RefCell::new(Some(bar)))))
    }

    /// Counts `images` that were done before, as by a loop that goes on after a stop: they took none
    /// of the time that the speed is of.
    ///
    /// ```rhai
    /// let bar = progress("training", 64);
    /// bar.skip(32);
    /// assert(bar.to_string() == "training: 32/64 images");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn skip(bar: Progress, images: i64) -> RhaiResultOf<()> {
        let images = u64::try_from(images)
            .map_err(|_| format!("`images` must be at least 0, got {images}"))?;
        if let Some(bar) = bar.0.borrow_mut().as_mut() {
            bar.skip(images);
        }
        Ok(())
    }

    /// Counts `images` more as done and shows the values of a map beside it.
    ///
    /// ```rhai
    /// let bar = progress("training", 64);
    /// bar.advance(64, #{ loss: 0.5 });
    /// bar.finish();
    /// ```
    #[rhai_fn(return_raw)]
    pub fn advance(bar: Progress, images: i64, values: Map) -> RhaiResultOf<()> {
        let images = u64::try_from(images)
            .map_err(|_| format!("`images` must be at least 0, got {images}"))?;
        let values = convert::numbers("values", values)?;
        let values: Vec<(&str, f64)> = values.iter().map(|(name, v)| (name.as_str(), *v)).collect();
        if let Some(bar) = bar.0.borrow_mut().as_mut() {
            bar.advance(images, &values);
        }
        Ok(())
    }

    /// Ends the progress: one line says what was done and how fast, and the run's record keeps
    /// the seconds under the title.
    ///
    /// ```rhai
    /// progress("nothing", 0).finish();
    /// ```
    #[rhai_fn(return_raw)]
    pub fn finish(context: NativeCallContext, bar: Progress) -> RhaiResultOf<()> {
        let Some(bar) = bar.0.borrow_mut().take() else {
            return Ok(());
        };
        let (title, took) = bar.finish();
        let host = Host::of(&context);
        if let Some(probe) = host.probe() {
            probe.end_title(&title);
        }
        Ok(host.recording(|record| {
            record.add_time(&title, took);
            Ok(())
        })?)
    }

    /// How far the loop is, in one line.
    ///
    /// ```rhai
    /// let bar = progress("training", 64);
    /// bar.advance(16, #{});
    /// assert(bar.to_string() == "training: 16/64 images");
    /// bar.finish();
    /// assert(bar.to_string() == "finished");
    /// ```
    #[rhai_fn(
        name = "to_string",
        name = "to_debug",
        name = "print",
        name = "debug",
        pure
    )]
    pub fn progress_to_string(bar: &mut Progress) -> String {
        match &*bar.0.borrow() {
            Some(bar) => bar.to_string(),
            None => "finished".to_owned(),
        }
    }

    /// Adds a row to the run's `metrics.csv`, and to the model's event file for TensorBoard,
    /// `tensorboard/<model>/`, under tags such as `step/loss`.
    ///
    /// - `kind`: `"step"`, `"epoch"`, or a word of one's own
    /// - `values`: numbers by name; `model` (text), `epoch` and `step` have columns of their own
    ///
    /// ```rhai
    /// log_metrics("epoch", #{ model: "Adv", epoch: 0, loss: 0.5 });
    /// ```
    #[rhai_fn(return_raw)]
    pub fn log_metrics(
        context: NativeCallContext,
        kind: &str,
        mut values: Map,
    ) -> RhaiResultOf<()> {
        let model = values.remove("model").map(|it| it.to_string());
        let epoch = values
            .remove("epoch")
            .map(|it| convert::integer("epoch", it));
        let step = values.remove("step").map(|it| convert::integer("step", it));
        let row = Measurement {
            kind: kind.to_owned(),
            model: model.unwrap_or_default(),
            epoch: epoch.transpose()?,
            step: step.transpose()?,
            values: convert::numbers("values", values)?,
        };
        let host = Host::of(&context);
        if let Some(probe) = host.probe() {
            probe.count_logged();
        }
        Ok(host.log(Entry::Row(row))?)
    }

    /// Puts the class-wise errors of an evaluation into the run's `classes.csv`.
    ///
    /// - `model`, `condition`: what the rows are called, such as `"Adv"` and `"PGD-40"`
    /// - `class_names`: a name for each class
    ///
    /// ```rhai
    /// log_classes("Adv", "clean", evaluation(2), ["cat", "dog"]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn log_classes(
        context: NativeCallContext,
        model: &str,
        condition: &str,
        evaluation: Evaluation,
        class_names: Array,
    ) -> RhaiResultOf<()> {
        let entry = Entry::Classes {
            model: model.to_owned(),
            condition: condition.to_owned(),
            evaluation: evaluation.0.borrow().clone(),
            names: convert::strings("class_names", class_names)?,
        };
        Ok(Host::of(&context).log(entry)?)
    }

    /// Notes something about the run in its `record.json`, such as a convention.
    ///
    /// ```rhai
    /// note("threat model", pgd(#{ eps: 0.03, steps: 10 }).to_string());
    /// ```
    #[rhai_fn(return_raw)]
    pub fn note(context: NativeCallContext, key: &str, value: Dynamic) -> RhaiResultOf<()> {
        let value: serde_json::Value =
            rhai::serde::from_dynamic(&value).unwrap_or_else(|_| value.to_string().into());
        Ok(Host::of(&context).recording(|record| record.note(key, value))?)
    }

    /// The paper's table: errors, imbalance and worst class of each model, relative
    /// improvements of `Adv+` over `Adv`, and the published numbers beside them.
    ///
    /// - `scores`: an array of maps `#{ model, clean, attacked }`: a name and two evaluations; and
    ///   `corruptions`, if all 15 were measured: for each name the five errors
    /// - `attack`: what the attacked column is called, such as `"PGD-40"`
    /// - `class_names`: a name for each class
    ///
    /// ```rhai
    /// let counts = evaluation(2);
    /// counts.add(tensor([0, 0]), tensor([0, 1]), ());
    /// let scores = [#{ model: "Adv", clean: counts, attacked: counts }];
    /// let table = paper_table(scores, "PGD-40", ["cat", "dog"]);
    /// assert(table.to_string().contains("50.00"));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn paper_table(
        context: NativeCallContext,
        scores: Array,
        attack: &str,
        class_names: Array,
    ) -> RhaiResultOf<Table> {
        let probed = Host::of(&context).probe().is_some();
        let mut models = Vec::new();
        for entry in scores {
            let mut entry = convert::map("scores", entry)?;
            let mut take = |key: &str| {
                entry.remove(key).ok_or_else(|| {
                    crate::Error::invalid(format!(
                        "each entry of `scores` must be #{{ model, clean, attacked }}, `{key}` is \
                         missing"
                    ))
                })
            };
            let name = take("model")?.to_string();
            let mut counts = |key: &str| -> Result<metrics::Evaluation> {
                let value = take(key)?;
                let kind = value.type_name();
                match value.flatten().try_cast::<Evaluation>() {
                    Some(tally) if probed => stand_in(&tally.0.borrow()),
                    Some(tally) => Ok(tally.0.borrow().clone()),
                    None => bail!("`{key}` must be an evaluation, got {}", a_type(kind)),
                }
            };
            let (clean, attacked) = (counts("clean")?, counts("attacked")?);
            let corrupted = match entry.remove("corruptions") {
                Some(errors) if !errors.is_unit() => {
                    let rows = corruption::rows(convert::map("corruptions", errors)?)?;
                    Some(metrics::mean_corruption_error(&rows)?)
                }
                _ => None,
            };
            models.push((name, clean, attacked, corrupted));
        }
        let scores: Vec<Scores> = models
            .iter()
            .map(|(model, clean, attacked, corrupted)| Scores {
                model,
                clean,
                attacked: Some(attacked),
                corrupted: corrupted.as_ref(),
            })
            .collect();
        let names = convert::strings("class_names", class_names)?;
        let title = "Narrowing class-wise robustness gaps: ours beside the published numbers";
        Ok(report::paper_table(title, attack, &scores, &names)?)
    }

    /// A table of one's own.
    ///
    /// - `columns`: their names
    /// - `rows`: arrays of a label and a number, text or `()` for each column
    ///
    /// ```rhai
    /// print(table("errors", ["clean", "PGD"], [["Adv", 0.25, 0.5], ["Adv+", 0.2, ()]]));
    /// //> ...
    /// //> clean     PGD
    /// //> ...
    /// //> Adv   0.2500  0.5000
    /// //> Adv+  0.2000       –
    /// //> ...
    /// ```
    #[rhai_fn(name = "table", return_raw)]
    pub fn own_table(title: &str, columns: Array, rows: Array) -> RhaiResultOf<Table> {
        let mut table = Table::new(title, convert::strings("columns", columns)?);
        for row in rows {
            let mut cells = convert::array("rows", row)?.into_iter();
            let label = cells.next().map(|it| it.to_string()).unwrap_or_default();
            let cells = cells.map(|it| match (it.as_float(), it.as_int()) {
                (Ok(value), _) => Cell::number(Some(value), Format::Plain),
                (_, Ok(value)) => Cell::number(Some(value as f64), Format::Plain),
                _ if it.is_unit() => Cell::plain(None),
                _ => Cell::Text(it.to_string()),
            });
            table.row(label, cells.collect())?;
        }
        Ok(table)
    }

    /// Prints a table and keeps it in the run folder as `table.txt` and `table.json`.
    ///
    /// ```rhai
    /// report(table("errors", ["clean"], [["Adv", 0.25]]));
    /// ```
    #[rhai_fn(name = "report", return_raw)]
    pub fn report_table(context: NativeCallContext, table: Table) -> RhaiResultOf<()> {
        let host = Host::of(&context);
        if let Some(probe) = host.probe() {
            probe.report(&table);
        }
        host.print(&table.to_string());
        Ok(host.recording(|record| table.save(record.folder(), "table"))?)
    }

    /// The table as text, in lines.
    ///
    /// ```rhai
    /// assert(table("errors", ["clean"], [["Adv", 0.25]]).to_string().contains("errors"));
    /// ```
    #[rhai_fn(name = "to_string", name = "print", pure)]
    pub fn table_to_string(table: &mut Table) -> String {
        table.to_string().trim_end().to_owned()
    }

    /// The table in one line, as it is shown inside of arrays and maps.
    ///
    /// ```rhai
    /// let t = table("errors", ["clean"], [["Adv", 0.25]]);
    /// assert(t.to_debug() == "table \"errors\": 1 x 1");
    /// ```
    #[rhai_fn(name = "to_debug", name = "debug", pure)]
    pub fn table_to_debug(table: &mut Table) -> String {
        let (rows, columns) = (table.rows.len(), table.columns.len());
        format!("table {:?}: {rows} x {columns}", table.title)
    }
}
