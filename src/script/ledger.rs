//! The domain `ledger`: what a model made of each example.

use super::attack::Attack;
use super::data::{Batch, Split};
use super::host::Host;
use super::run::Evaluation;
use super::{RhaiResultOf, callback, options};
use crate::Result;
use crate::attack::Norm;
use crate::ledger::{self, About, Judged, Row, judge};
use crate::nn::{Model, check_classes};
use crate::report::{GalleryExample, write_gallery};
use crate::torch::{Precision, Tensor};
use rhai::plugin::*;
use rhai::{Array, FnPtr, Map};
use serde::Deserialize;
use serde_json::json;
use std::cell::{Ref, RefCell};
use std::collections::HashSet;
use std::rc::Rc;

/// A ledger as scripts hold it.
#[derive(Clone)]
pub struct Ledger(Rc<RefCell<ledger::Ledger>>);

impl Ledger {
    fn of(ledger: ledger::Ledger) -> Self {
        Ledger(Rc::new(RefCell::new(ledger)))
    }

    pub fn rows(&self) -> Ref<'_, ledger::Ledger> {
        self.0.borrow()
    }

    pub fn column<T>(&self, value: impl Fn(&Row) -> T) -> Vec<T> {
        self.rows().rows().iter().map(value).collect()
    }

    fn about<T>(&self, read: impl FnOnce(&About) -> T) -> T {
        read(self.0.borrow().about())
    }
}

pub fn module() -> rhai::Module {
    let mut module = rhai::exported_module!(functions);
    module.set_custom_type::<Ledger>("ledger");
    module
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Naming {
    name: String,
    condition: String,
    precision: Precision,
    /// Taken out before; here so that it is known as an option.
    #[serde(rename = "attack")]
    _attack: (),
}

impl Default for Naming {
    fn default() -> Self {
        Naming {
            name: "model".into(),
            condition: String::new(),
            precision: Precision::Float32,
            _attack: (),
        }
    }
}

/// The threat model that a script names: an attack, a closure, or `()`. What a closure does
/// depends on the script and its parameters, all but the size of batches.
fn threat(host: &Host, given: Option<Dynamic>) -> RhaiResultOf<Option<serde_json::Value>> {
    let given = given.unwrap_or_default();
    let attack = given.clone().flatten().try_cast::<Attack>();
    let mut threat = match &attack {
        Some(attack) => attack.record(),
        None if given.is::<FnPtr>() => {
            let closure = given.clone().flatten().try_cast::<FnPtr>();
            let closures: Vec<String> = closure.iter().map(callback::identity).collect();
            json!({ "attack": "own attack", "closures": closures })
        }
        None if given.is_unit() => return Ok(None),
        None => {
            return Err(
                "`attack` must be an attack, such as pgd(#{ ... }), or a closure |x, y|".into(),
            );
        }
    };
    if attack.is_none_or(|attack| attack.has_closures()) {
        let mut parameters = host.parameters();
        parameters.remove("batch_size");
        threat["parameters"] = json!(parameters);
    }
    Ok(Some(threat))
}

/// `Invalid` unless there is an attacked image for each of the batch.
fn check_attacked(batch: &Batch, x: &Tensor, x_adv: &Tensor) -> Result<()> {
    let n = batch.examples().len() as i64;
    ensure!(
        x_adv.shape() == x.shape() && x.shape().first() == Some(&n),
        "an attack must give an image for each of the {n} of the batch, like {}, got {}",
        x.signature(),
        x_adv.signature()
    );
    Ok(())
}

fn judged(
    context: &NativeCallContext,
    ledger: &Ledger,
    batch: &Batch,
    logits: &Tensor,
    norms: Option<(&[f64], &[f64])>,
) -> Result<()> {
    ensure!(
        logits.ndim() == 2,
        "`logits` must be [n, classes], got {}",
        logits.signature()
    );
    let known = ledger.about(|it| it.class_names.len());
    check_classes(logits, known as i64)?;
    let rows = judge(&Judged {
        examples: batch.examples(),
        labels: &batch.labels().to_vec_i64()?,
        correct: batch.correct(),
        logits: &logits.to_vec_f64()?,
        classes: known,
        norms,
    })?;
    let host = Host::of(context);
    if let Some(probe) = host.probe() {
        probe.count_evaluated(rows.len());
    }
    ledger.0.borrow_mut().add(rows)?;
    host.keep_inputs()
}

fn error_among(ledger: &Ledger, chosen: impl Fn(usize) -> bool) -> Dynamic {
    let error = ledger.rows().error_among(chosen);
    error.map_or(Dynamic::UNIT, Dynamic::from)
}

/// What models made of each example, in files for pandas and DuckDB.
#[export_module]
pub mod functions {
    /// Begins a ledger: what a model makes of each example of a split, or goes on with the one
    /// that a stopped run left.
    ///
    /// - `model`, `split`: which are evaluated; the ledger knows them by hashes
    /// - `options`: a map
    ///   - `name` (default `"model"`): what the model is called in tables
    ///   - `condition` (default `"clean"`, the corruption of the split, or the attack's name and
    ///     eps): what the condition is called
    ///   - `attack` (default none): an attack, or a closure
    ///   - `precision` (default `"float32"`): in which the logits are computed; `about.dtype` says
    ///     what it comes to
    ///
    /// The run folder keeps it as `ledger/<name>/<condition>.parquet`, with the columns `model`,
    /// `condition`, `corruption`, `severity`, `eps`, `example` (place in the data set), `label`,
    /// `prediction`, `real` (the prediction is one of several correct classes), `loss`, `margin`
    /// (the label's logit less the largest other), `confidence`, `rank` (0 where the label's
    /// logit is the largest), `linf`, `l2` (of the perturbation) and `success` (of an attack).
    /// The file is written while rows come in, when the run is stopped, and at `write`.
    ///
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 20 }).test;
    /// let model = sequential([Flatten(), Linear(3072, test.classes)]);
    /// let rows = ledger(model, test, #{ name: "linear" });
    /// for batch in test.without(rows).batches(#{ batch_size: 8 }) {
    ///     rows.add(batch, model.class_logits(batch.x, test.classes));
    /// }
    /// rows.write();
    /// assert(rows.len() == 20 && rows.complete);
    /// print(rows.evaluation);  //> evaluation(20 images, error ...
    /// ```
    #[rhai_fn(name = "ledger", return_raw)]
    pub fn begin(
        context: NativeCallContext,
        model: Model,
        split: Split,
        mut options: Map,
    ) -> RhaiResultOf<Ledger> {
        let host = Host::of(&context);
        let attack = threat(&host, options.insert("attack".into(), Dynamic::UNIT))?;
        let naming: Naming = options::read("ledger", options)?;
        let mut about = About::of(
            &model,
            split.images(),
            split.class_names(),
            attack,
            host.seed(),
        )?;
        about.dtype = model.compute_dtype(naming.precision)?.to_string();
        about.model = naming.name;
        if !naming.condition.is_empty() {
            about.condition = naming.condition;
        }
        Ok(Ledger::of(host.ledger(about)?))
    }

    /// The ledgers that a run kept, by model and condition.
    ///
    /// - `run`: the folder of a run
    ///
    /// Errors: a folder that may not be read; a damaged ledger, by its file.
    ///
    /// ```rhai
    /// for rows in ledgers(".") { print(`${rows.model}, ${rows.condition}: ${rows.error}`); }
    /// ```
    #[rhai_fn(return_raw)]
    pub fn ledgers(context: NativeCallContext, run: &str) -> RhaiResultOf<Array> {
        let host = Host::of(&context);
        let found = ledger::read_all(&host.folder(run)?)?;
        Ok(found
            .into_iter()
            .map(|it| Dynamic::from(Ledger::of(it)))
            .collect())
    }

    /// The worst case for each example over several ledgers of one model, as a ledger that the run
    /// folder keeps: the row with a wrong prediction, of several the one of the highest loss.
    ///
    /// - `ledgers`: an array, of one model and one data set; examples that not all have are left
    ///   out
    /// - `condition`: what the worst case is called
    ///
    /// Errors: a ledger that is not complete; other weights or images.
    ///
    /// ```rhai
    /// import "std/evaluate" as evaluate;
    /// let test = dataset("shapes", #{ test: 20 }).test;
    /// let model = sequential([Flatten(), Linear(3072, test.classes)]);
    /// let a = evaluate::examples(model, test, #{ attack: fgsm(#{ eps: 0.1 }) });
    /// let b = evaluate::examples(model, test, #{ attack: square(#{ eps: 0.1, queries: 10 }) });
    /// let worst = worst_case([a, b], "worst of two");
    /// assert(worst.error >= a.error && worst.error >= b.error);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn worst_case(
        context: NativeCallContext,
        ledgers: Array,
        condition: &str,
    ) -> RhaiResultOf<Ledger> {
        let given = ledgers.into_iter().map(|it| {
            it.try_cast::<Ledger>()
                .ok_or("`ledgers` must be an array of ledgers, as `evaluate::examples` gives them")
        });
        let given = given.collect::<std::result::Result<Vec<Ledger>, _>>()?;
        let rows: Vec<_> = given.iter().map(Ledger::rows).collect();
        let rows: Vec<&ledger::Ledger> = rows.iter().map(|rows| &**rows).collect();
        let (about, worst) = ledger::worst_case(&rows, condition)?;
        let mut kept = Host::of(&context).ledger(about)?;
        if kept.is_empty() {
            kept.add(worst)?;
        }
        kept.write()?;
        Ok(Ledger::of(kept))
    }

    /// Adds what a model said about a batch: a row for each image.
    ///
    /// - `logits`: `[n, classes]`, as from `model.class_logits`
    ///
    /// Errors: logits that are not finite; an example that is there already.
    ///
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 20 }).test;
    /// let model = sequential([Flatten(), Linear(3072, test.classes)]);
    /// let rows = ledger(model, test, #{});
    /// let batch = test.batch(4);
    /// rows.add(batch, model.class_logits(batch.x, test.classes));
    /// assert(rows.len() == 4 && !rows.complete);
    /// ```
    #[rhai_fn(name = "add", return_raw)]
    pub fn add(
        context: NativeCallContext,
        ledger: Ledger,
        batch: Batch,
        logits: Tensor,
    ) -> RhaiResultOf<()> {
        Ok(judged(&context, &ledger, &batch, &logits, None)?)
    }

    /// Adds what a model said about attacked images, with the norms of their perturbations.
    ///
    /// - `logits`: of the attacked images, `[n, classes]`
    /// - `x`, `x_adv`: before and after the attack
    ///
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 4 }).test;
    /// let model = sequential([Flatten(), Linear(3072, test.classes)]);
    /// let attack = fgsm(#{ eps: 0.1 });
    /// let rows = ledger(model, test, #{ attack: attack });
    /// let batch = test.batch(4);
    /// let x_adv = attack.perturb(model, batch.x, batch.y, batch);
    /// rows.add(batch, model.class_logits(x_adv, test.classes), batch.x, x_adv);
    /// assert(rows.column("linf").max().item() < 0.1 + 1e-6);
    /// ```
    #[rhai_fn(name = "add", return_raw)]
    pub fn add_attacked(
        context: NativeCallContext,
        ledger: Ledger,
        batch: Batch,
        logits: Tensor,
        x: Tensor,
        x_adv: Tensor,
    ) -> RhaiResultOf<()> {
        check_attacked(&batch, &x, &x_adv)?;
        if x_adv.isfinite()?.logical_not()?.count_nonzero()? > 0 {
            return Err(
                "`x_adv` must be finite: the attack made pixels that are no numbers".into(),
            );
        }
        let delta = x_adv.sub(&x)?;
        let linf = Norm::Linf.size(&delta)?.to_vec_f64()?;
        let l2 = Norm::L2.size(&delta)?.to_vec_f64()?;
        Ok(judged(
            &context,
            &ledger,
            &batch,
            &logits,
            Some((&linf, &l2)),
        )?)
    }

    /// Keeps pictures of attacked images in the run folder, for the report: the clean image, the
    /// adversarial one and the magnified perturbation.
    ///
    /// - `x`, `x_adv`: `[n, 3, h, w]`, before and after the attack
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 4 }).test;
    /// let model = sequential([Flatten(), Linear(3072, test.classes)]);
    /// let attack = fgsm(#{ eps: 0.1 });
    /// let rows = ledger(model, test, #{ attack: attack });
    /// let batch = test.batch(4);
    /// let x_adv = attack.perturb(model, batch.x, batch.y, batch);
    /// rows.keep_pictures(model, batch, batch.x, x_adv);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn keep_pictures(
        context: NativeCallContext,
        ledger: Ledger,
        model: Model,
        batch: Batch,
        x: Tensor,
        x_adv: Tensor,
    ) -> RhaiResultOf<()> {
        check_attacked(&batch, &x, &x_adv)?;
        let labels = batch.labels().to_vec_i64()?;
        let before = model.predict(&x)?.to_vec_i64()?;
        let after = model.predict(&x_adv)?.to_vec_i64()?;
        let example = |(i, &example): (usize, &usize)| GalleryExample {
            example,
            label: labels[i],
            prediction_clean: before[i],
            prediction: after[i],
        };
        let examples: Vec<_> = batch.examples().iter().enumerate().map(example).collect();
        Ok(Host::of(&context).recording(|record| {
            let folder = ledger.about(|it| record.gallery(&it.model, &it.condition));
            // Some threat models leave the range of pixels, which no picture can show.
            let x_adv = x_adv.clamp(0.0, 1.0)?;
            write_gallery(&folder, &x, &x_adv, &examples)
        })?)
    }

    /// The images that are not in the ledger yet: after a stop, the rest.
    ///
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 20 }).test;
    /// let model = sequential([Flatten(), Linear(3072, test.classes)]);
    /// let rows = ledger(model, test, #{});
    /// let batch = test.batch(4);
    /// rows.add(batch, model.class_logits(batch.x, test.classes));
    /// assert(test.without(rows).len() == 16);
    /// ```
    pub fn without(split: Split, ledger: Ledger) -> Split {
        let rows = ledger.0.borrow();
        split.without(|example| rows.has(example))
    }

    /// Writes the file, in a run that keeps a record.
    ///
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 20 }).test;
    /// ledger(sequential([Flatten(), Linear(3072, test.classes)]), test, #{}).write();
    /// ```
    #[rhai_fn(return_raw)]
    pub fn write(ledger: Ledger) -> RhaiResultOf<()> {
        Ok(ledger.0.borrow_mut().write()?)
    }

    /// How many rows there are.
    ///
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 20 }).test;
    /// let rows = ledger(sequential([Flatten(), Linear(3072, test.classes)]), test, #{});
    /// assert(rows.len() == 0);
    /// ```
    #[rhai_fn(name = "len")]
    pub fn len(ledger: Ledger) -> i64 {
        ledger.0.borrow().len() as i64
    }

    /// Whether there is a row for each image.
    ///
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 20 }).test;
    /// let rows = ledger(sequential([Flatten(), Linear(3072, test.classes)]), test, #{});
    /// assert(!rows.complete);
    /// ```
    #[rhai_fn(get = "complete", pure)]
    pub fn complete(ledger: &mut Ledger) -> bool {
        ledger.0.borrow().is_complete()
    }

    /// The share of wrong predictions among the rows so far; `()` before the first.
    ///
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 20 }).test;
    /// let rows = ledger(sequential([Flatten(), Linear(3072, test.classes)]), test, #{});
    /// assert(rows.error == ());
    /// ```
    #[rhai_fn(get = "error", pure)]
    pub fn error(ledger: &mut Ledger) -> Dynamic {
        let error = ledger.0.borrow().evaluation().error();
        error.map_or(Dynamic::UNIT, Dynamic::from)
    }

    /// The same of some examples only: those that a split or another ledger has.
    ///
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 20 }).test;
    /// let model = sequential([Flatten(), Linear(3072, test.classes)]);
    /// let rows = ledger(model, test, #{});
    /// let batch = test.batch(20);
    /// rows.add(batch, model.class_logits(batch.x, test.classes));
    /// assert(rows.error_on(test) == rows.error && rows.error_on(rows) == rows.error);
    /// assert(rows.error_on(test.take(1)) in [0.0, 1.0]);
    /// ```
    #[rhai_fn(name = "error_on", return_raw)]
    pub fn error_on_split(ledger: Ledger, split: Split) -> RhaiResultOf<Dynamic> {
        let images = split.images();
        let chosen = (0..images.len()).map(|index| images.example(index));
        let chosen = chosen.collect::<Result<HashSet<usize>>>()?;
        Ok(error_among(&ledger, |example| chosen.contains(&example)))
    }

    #[rhai_fn(name = "error_on")]
    pub fn error_on_ledger(ledger: Ledger, other: Ledger) -> Dynamic {
        let other = other.rows();
        error_among(&ledger, |example| other.has(example))
    }

    /// The counts by class of the rows so far, as an evaluation.
    ///
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 20 }).test;
    /// let rows = ledger(sequential([Flatten(), Linear(3072, test.classes)]), test, #{});
    /// assert(rows.evaluation.images == 0);
    /// ```
    #[rhai_fn(get = "evaluation", pure)]
    pub fn evaluation_of(ledger: &mut Ledger) -> Evaluation {
        Evaluation::of(ledger.0.borrow().evaluation().clone())
    }

    /// What the model is called.
    ///
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 20 }).test;
    /// let model = sequential([Flatten(), Linear(3072, test.classes)]);
    /// assert(ledger(model, test, #{ name: "Adv" }).model == "Adv");
    /// ```
    #[rhai_fn(get = "model", pure)]
    pub fn model_name(ledger: &mut Ledger) -> String {
        ledger.about(|it| it.model.clone())
    }

    /// What the condition is called.
    ///
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 20 }).test;
    /// let model = sequential([Flatten(), Linear(3072, test.classes)]);
    /// assert(ledger(model, test.corrupted("fog", 3), #{}).condition == "fog 3");
    /// ```
    #[rhai_fn(get = "condition", pure)]
    pub fn condition(ledger: &mut Ledger) -> String {
        ledger.about(|it| it.condition.clone())
    }

    /// What decides the rows, as a map: `model`, `condition`, `kind` (`"clean"`, `"attack"`,
    /// `"corruption"`), `attack` (the threat model), `eps`, `corruption`, `severity`,
    /// `class_names`, `images`, `real`, `seed`, `dtype`, and hashes of `weights` and `data`.
    ///
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 20 }).test;
    /// let model = sequential([Flatten(), Linear(3072, test.classes)]);
    /// let about = ledger(model, test, #{ attack: fgsm(#{ eps: 0.1 }) }).about;
    /// assert(about.kind == "attack" && about.eps == 0.1 && about.attack.norm == "linf");
    /// ```
    #[rhai_fn(get = "about", return_raw, pure)]
    pub fn about(ledger: &mut Ledger) -> RhaiResultOf<Dynamic> {
        ledger.about(|it| rhai::serde::to_dynamic(it))
    }

    /// One number of every row, `[n]`: int64 of `"example"`, `"label"`, `"prediction"`,
    /// `"rank"`; float64 of `"loss"`, `"margin"`, `"confidence"`, `"linf"`, `"l2"` (NaN where
    /// there is none); bool of `"correct"`, whether the prediction is the label.
    ///
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 20 }).test;
    /// let model = sequential([Flatten(), Linear(3072, test.classes)]);
    /// let rows = ledger(model, test, #{});
    /// let batch = test.batch(4);
    /// rows.add(batch, model.class_logits(batch.x, test.classes));
    /// assert(rows.column("label").equal(batch.y));
    /// assert(rows.column("loss").min().item() > 0.0);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn column(ledger: Ledger, name: &str) -> RhaiResultOf<Tensor> {
        let n = [ledger.0.borrow().len() as i64];
        let integers = |of: fn(&Row) -> i64| Tensor::from_i64(&ledger.column(of), &n);
        let floats = |of: fn(&Row) -> f64| Tensor::from_f64(&ledger.column(of), &n);
        Ok(match name {
            "example" => integers(|row| row.example)?,
            "label" => integers(|row| row.label)?,
            "prediction" => integers(|row| row.prediction)?,
            "rank" => integers(|row| row.rank)?,
            "loss" => floats(|row| row.loss)?,
            "margin" => floats(|row| row.margin)?,
            "confidence" => floats(|row| row.confidence)?,
            "linf" => floats(|row| row.linf.unwrap_or(f64::NAN))?,
            "l2" => floats(|row| row.l2.unwrap_or(f64::NAN))?,
            "correct" => integers(|row| row.prediction)?.eq(&integers(|row| row.label)?)?,
            other => {
                return Err(format!(
                    "`name` must be example, label, prediction, correct, rank, loss, margin, \
                     confidence, linf or l2, got {other:?}"
                )
                .into());
            }
        })
    }

    /// The ledger in one line.
    ///
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 20 }).test;
    /// let rows = ledger(sequential([Flatten(), Linear(3072, test.classes)]), test, #{});
    /// assert(rows.to_string() == "ledger(model, clean: 0 of 20 images)");
    /// ```
    #[rhai_fn(
        name = "to_string",
        name = "to_debug",
        name = "print",
        name = "debug",
        pure
    )]
    pub fn ledger_to_string(ledger: &mut Ledger) -> String {
        let done = ledger.0.borrow().len();
        ledger.about(|it| {
            let (model, condition, images) = (&it.model, &it.condition, it.images);
            format!("ledger({model}, {condition}: {done} of {images} images)")
        })
    }
}
