//! The domain `resumable`: loops that a resumed run goes on with where they were.

use super::data::{Batches, Split, Walk};
use super::host::Host;
use super::names::a_type;
use super::train::Optimizer;
use super::{Failure, RhaiResultOf, names};
use crate::nn::Model;
use crate::run::loops::{Due, Kept, Value};
use crate::torch::{self, Tensor};
use crate::{Error, Result, interrupt};
use rhai::plugin::*;
use rhai::{Array, Map};
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Instant;

/// An object with values that outlive a stop, as scripts hold it.
#[derive(Clone)]
pub struct Resumable {
    kept: Rc<Kept>,
    host: Host,
}

/// Some steps of a loop, not begun yet.
#[derive(Clone)]
pub struct Steps {
    of: Resumable,
    from: i64,
    count: u64,
    word: String,
}

/// The same, over batches.
#[derive(Clone)]
pub struct KeptBatches {
    of: Resumable,
    batches: Batches,
    count: u64,
}

pub fn module() -> rhai::Module {
    let mut module = rhai::exported_module!(functions);
    module.set_custom_type::<Resumable>("resumable");
    module.set_custom_type::<Steps>("steps");
    module.set_custom_type::<KeptBatches>("keptbatches");
    module.set_iter_result(TypeId::of::<Steps>(), |steps| steps.cast::<Steps>().walk());
    module.set_iter_result(TypeId::of::<KeptBatches>(), |batches| {
        batches.cast::<KeptBatches>().walk()
    });
    module
}

/// What `for` goes through.
type Iter = Box<dyn Iterator<Item = RhaiResultOf<Dynamic>>>;

impl Steps {
    fn walk(self) -> Iter {
        let Steps {
            of,
            from,
            count,
            word,
        } = self;
        match Course::begin(of, count, &word) {
            Ok(course) => Box::new(Fallible::new(course, move |course| {
                let Some(step) = course.rest()? else {
                    return Ok(None);
                };
                course.step(Vec::new());
                Ok(Some(Dynamic::from(from + step as i64)))
            })),
            Err(error) => failing(error),
        }
    }
}

impl KeptBatches {
    fn walk(self) -> Iter {
        let begun = Course::begin(self.of, self.count, "batch").and_then(|course| {
            if course.of.kept.about().is_some() {
                course.of.kept.goes_over(self.batches.choice()?)?;
            }
            let batches = self.batches.walk(course.next.min(self.count) as usize)?;
            Ok((course, batches))
        });
        match begun {
            Ok(state) => Box::new(Fallible::new(state, |state: &mut (Course, Walk)| {
                let (course, batches) = state;
                if course.rest()?.is_none() {
                    return Ok(None);
                }
                match batches.next() {
                    Some(batch) => {
                        let batch = batch?;
                        course.step(batch.examples().to_vec());
                        Ok(Some(Dynamic::from(batch)))
                    }
                    // Only a probe ends before the last batch.
                    None => course.end().map(|()| None),
                }
            })),
            Err(error) => failing(error),
        }
    }
}

fn failing(error: Error) -> Iter {
    Box::new(std::iter::once(Err(error.into())))
}

/// An iterator over what a function gives, until it gives nothing or fails.
struct Fallible<S, F> {
    state: Option<S>,
    next: F,
}

impl<S, F: FnMut(&mut S) -> Result<Option<Dynamic>>> Fallible<S, F> {
    fn new(state: S, next: F) -> Self {
        Fallible {
            state: Some(state),
            next,
        }
    }
}

impl<S, F: FnMut(&mut S) -> Result<Option<Dynamic>>> Iterator for Fallible<S, F> {
    type Item = RhaiResultOf<Dynamic>;

    fn next(&mut self) -> Option<RhaiResultOf<Dynamic>> {
        let given = (self.next)(self.state.as_mut()?);
        if !matches!(given, Ok(Some(_))) {
            self.state = None;
        }
        given.map_err(Failure::from).transpose()
    }
}

/// A loop under way.
struct Course {
    of: Resumable,
    next: u64,
    count: u64,
    under_way: bool,
    over: bool,
}

impl Course {
    fn begin(of: Resumable, count: u64, word: &str) -> Result<Self> {
        let Resumable { kept, host } = &of;
        let (next, again) = host.loops().enter(kept, word);
        let course = Course {
            of: of.clone(),
            next,
            count,
            under_way: false,
            over: false,
        };
        for (tag, entry) in again {
            host.loops().note(&entry, Some((kept, &tag)));
            host.recording(|record| record.enter(entry))?;
        }
        Ok(course)
    }

    /// Between two steps: a checkpoint is written if one is due, and a stop comes into force.
    /// Returns the number of the next step.
    fn rest(&mut self) -> Result<Option<u64>> {
        let Resumable { kept, host } = self.of.clone();
        if std::mem::take(&mut self.under_way) {
            host.loops().advance(&kept);
            self.next += 1;
        }
        if self.next >= self.count || kept.ends() {
            return self.end().map(|()| None);
        }
        self.of.rest(false)?;
        interrupt::check()?;
        Ok(Some(self.next))
    }

    /// A step begins: what it draws depends on nothing that was drawn before.
    fn step(&mut self, images: Vec<usize>) {
        self.under_way = true;
        self.of.seed();
        self.of.kept.begin_step(images);
    }

    /// After the last step.
    fn end(&mut self) -> Result<()> {
        let Resumable { kept, host } = &self.of;
        kept.complete(self.count);
        self.of.rest(true)?;
        self.of.seed();
        host.loops().end(kept);
        self.over = true;
        Ok(())
    }
}

impl Drop for Course {
    fn drop(&mut self) {
        if !self.over {
            self.of.host.loops().leave(&self.of.kept);
        }
    }
}

impl Resumable {
    /// Notes the state between two steps, and writes a checkpoint if one is due.
    fn rest(&self, last: bool) -> Result<()> {
        let Resumable { kept, host } = self;
        let began = Instant::now();
        let Some(due) = host.loops().rest(kept, last)? else {
            return Ok(());
        };
        host.keep_checkpoint(kept, Some(due))?;
        host.recording(|record| {
            record.add_time("checkpoints", began.elapsed());
            Ok(())
        })
    }

    /// Seeds the generators by the place of the loop.
    fn seed(&self) {
        torch::manual_seed(self.kept.seed(self.host.seed()));
    }
}

impl Host {
    fn keep_checkpoint(&self, kept: &Kept, due: Option<Due>) -> Result<()> {
        let (Some(due), Some(policy)) = (due, self.loops().policy()) else {
            return Ok(());
        };
        self.recording(|record| record.keep_checkpoint(kept.key(), &due, policy.keep))?;
        self.keep_inputs()?;
        kept.written(due.position);
        Ok(())
    }

    /// Writes checkpoints of the loops that an error or a stop left, as they were before the step
    /// under way. Returns in words where each was, and the last checkpoint of each.
    pub(super) fn rescue(&self) -> Result<(Vec<String>, Vec<PathBuf>)> {
        let left = self.loops().left();
        let (mut places, mut files) = (Vec::new(), Vec::new());
        for (kept, place) in left {
            places.push(place);
            let due = self.loops().rescue(&kept)?;
            self.keep_checkpoint(&kept, due)?;
            self.recording(|record| {
                files.extend(record.last_checkpoint(kept.key()));
                Ok(())
            })?;
        }
        Ok((places, files))
    }

    fn resumable(&self, name: &str, values: Vec<(String, Value)>) -> Result<Resumable> {
        let kept = self
            .loops()
            .add(name, values, self.seed(), self.parameters())?;
        let it = Resumable {
            kept,
            host: self.clone(),
        };
        it.find()?;
        Ok(it)
    }
}

impl Resumable {
    /// Takes up the last checkpoint, if the run is a resumed one and has one.
    fn find(&self) -> Result<()> {
        let Resumable { kept, host } = self;
        let Some(about) = kept.about() else {
            return Ok(());
        };
        let name = kept.name();
        let accepted = host.loops().policy().is_some_and(|it| it.changed);
        let mut found = None;
        host.recording(|record| {
            found = Some(record.checkpoint(
                kept.key(),
                &|it| match it.about.differences(about) {
                    none if none.is_empty() || accepted => Ok(()),
                    differing => Err(format!(
                        "{name}: begins anew, its checkpoint has other values of {}, which \
                         --accept-changes would use",
                        differing.join(", ")
                    )),
                },
            )?);
            Ok(())
        })?;
        let Some(found) = found else { return Ok(()) };
        for remark in &found.remarks {
            host.print(remark);
        }
        if let Some((path, checkpoint)) = found.checkpoint {
            let differing = checkpoint.about.differences(about).join(", ");
            if !differing.is_empty() {
                let at = path.file_stem().unwrap_or_default().display();
                let change = format!("{name}: goes on from {at} with other values of {differing}");
                host.warn(&change, Position::NONE)?;
                host.recording(|record| record.changed(change.clone()))?;
            }
            let restored = host.loops().restore(kept, checkpoint);
            restored.map_err(|error| error.context(path.display()))?;
            host.print(&format!("{name}: goes on from {}", path.display()));
        }
        Ok(())
    }
}

/// A value that can be kept, with the path to it for errors.
fn value(path: &str, given: Dynamic) -> Result<Value> {
    value_within(path, given, 0)
}

/// The same, `depth` arrays and maps deep.
fn value_within(path: &str, given: Dynamic, depth: usize) -> Result<Value> {
    /// What is nested deeper could be written and not be read again.
    const DEEPEST: usize = 32;
    ensure!(
        depth <= DEEPEST,
        "`{path}` lies more than {DEEPEST} arrays and maps deep, which no checkpoint holds"
    );
    let given = given.flatten();
    let kind = given.type_name();
    Ok(match given {
        it if it.is_unit() => Value::Unit,
        it if it.is_bool() => Value::Bool(it.cast()),
        it if it.is_int() => Value::Int(it.cast()),
        it if it.is_float() => Value::Float(it.cast()),
        it if it.is_char() => Value::Char(it.cast()),
        it if it.is_string() => Value::Text(it.to_string()),
        it if it.is_array() => {
            let each = it.cast::<Array>().into_iter().enumerate();
            let each = each.map(|(at, it)| value_within(&format!("{path}[{at}]"), it, depth + 1));
            Value::List(each.collect::<Result<_>>()?)
        }
        it if it.is_map() => Value::Map(values(path, it.cast(), depth + 1)?),
        it if it.is::<Model>() => Value::Model(it.cast()),
        it if it.is::<Optimizer>() => Value::Optimizer(it.cast::<Optimizer>().0),
        it if it.is::<Tensor>() => {
            let tensor: Tensor = it.cast();
            ensure!(
                !tensor.requires_grad() || tensor.is_leaf(),
                "`{path}` cannot be kept with what it was computed from; keep `detach()` or \
                 `item()` of it"
            );
            Value::Tensor(tensor)
        }
        _ => bail!(
            "`{path}` must be something that a file can hold (numbers, text, (), arrays, maps, \
             tensors, models, optimizers), got {}; the script can make it again instead",
            a_type(kind)
        ),
    })
}

fn values(path: &str, map: Map, depth: usize) -> Result<Vec<(String, Value)>> {
    let dot = if path.is_empty() { "" } else { "." };
    let each = map.into_iter().map(|(key, it)| {
        let it = value_within(&format!("{path}{dot}{key}"), it, depth)?;
        Ok((key.to_string(), it))
    });
    each.collect()
}

fn dynamic(value: Value) -> Dynamic {
    match value {
        Value::Unit => Dynamic::UNIT,
        Value::Bool(it) => it.into(),
        Value::Int(it) => it.into(),
        Value::Float(it) => it.into(),
        Value::Char(it) => it.into(),
        Value::Text(it) => it.into(),
        Value::List(it) => it.into_iter().map(dynamic).collect::<Array>().into(),
        Value::Map(it) => {
            let each = it.into_iter().map(|(key, it)| (key.into(), dynamic(it)));
            each.collect::<Map>().into()
        }
        Value::Tensor(it) => Dynamic::from(it),
        Value::Model(it) => Dynamic::from(it),
        Value::Optimizer(it) => Dynamic::from(Optimizer(it)),
    }
}

fn steps(of: Resumable, from: i64, to: i64, word: &str) -> Steps {
    Steps {
        of,
        from,
        count: to
            .checked_sub(from)
            .and_then(|n| u64::try_from(n).ok())
            .unwrap_or(0),
        word: word.to_owned(),
    }
}

/// Loops that a run which was stopped goes on with where they were.
#[export_module]
pub mod functions {
    /// Keeps values for a loop, so that a run which was stopped goes on with it where it was.
    ///
    /// - `name`: of its checkpoints in the run folder, `checkpoints/<name>/`
    /// - `values`: a map of what the loop changes: models, optimizers, tensors, numbers, text,
    ///   arrays, maps
    ///
    /// The values are properties of what is returned. A run that is resumed (`rhobust run --resume
    /// RUN`) runs the script again from the top; where there is a checkpoint of this name, the
    /// models and optimizers in the map get their weights and momentum back, the other values are
    /// those that were kept, and the loop over `steps` or `batches` begins where it was. Rows of
    /// `log_metrics` and `log_classes` within the loop come again by themselves. So everything
    /// that a step needs from the steps before it belongs into the map.
    ///
    /// A checkpoint is written between two steps, every ten minutes or as `--checkpoint-every`
    /// says, at the end of the loop, and when the run is stopped by Ctrl-C or an error. It holds
    /// the values of objects without a loop of their own, too: what a closure remembers from call
    /// to call it can keep in one.
    ///
    /// Errors: a value that no file can hold, such as a closure.
    ///
    /// ```rhai
    /// let model = sequential([Linear(3, 2)]);
    /// let kept = resumable("search", #{ model: model, best: 1e9, history: [] });
    /// for step in kept.steps(20) {
    ///     let x = rand([8, 3]);
    ///     let loss = model.forward(x).square().mean().item();
    ///     if loss < kept.best { kept.best = loss; }
    ///     kept.history.push(loss);
    /// }
    /// assert(kept.history.len() == 20 && kept.best in kept.history);
    /// assert_throws(|| resumable("x", #{ f: |x| x }), "`f` must be something that a file can hold");
    /// ```
    #[rhai_fn(name = "resumable", return_raw)]
    pub fn make(context: NativeCallContext, name: &str, values: Map) -> RhaiResultOf<Resumable> {
        let values = super::values("", values, 0)?;
        Ok(Host::of(&context).resumable(name, values)?)
    }

    /// The steps of a loop, for `for`: the numbers from 0, or a range. A resumed run begins with
    /// the first that is not done.
    ///
    /// - `n`: how many; or a range such as `1..=10`
    /// - `word` (default `"step"`): what a step is called in messages
    ///
    /// What a step draws at random depends on the run's seed, the name and the step alone, and
    /// Ctrl-C waits for its end; a second one does not. Loops within loops: an inner one over
    /// `steps` or `batches` of the same object goes on in the middle of a step; what stands before
    /// it in the step runs again then. `break` leaves a loop without a last checkpoint; `finish`
    /// is better.
    ///
    /// ```rhai
    /// let kept = resumable("sum", #{ total: 0 });
    /// for round in kept.steps(1..=2, "round") {
    ///     for step in kept.steps(3) { kept.total += round * step; }
    /// }
    /// assert(kept.total == 9);
    /// ```
    #[rhai_fn(name = "steps")]
    pub fn steps_of(kept: Resumable, n: i64) -> Steps {
        steps(kept, 0, n, "step")
    }

    #[rhai_fn(name = "steps")]
    pub fn steps_with_word(kept: Resumable, n: i64, word: &str) -> Steps {
        steps(kept, 0, n, word)
    }

    #[rhai_fn(name = "steps")]
    pub fn steps_in(kept: Resumable, range: Range<i64>) -> Steps {
        steps(kept, range.start, range.end, "step")
    }

    #[rhai_fn(name = "steps")]
    pub fn steps_in_with_word(kept: Resumable, range: Range<i64>, word: &str) -> Steps {
        steps(kept, range.start, range.end, word)
    }

    #[rhai_fn(name = "steps")]
    pub fn steps_up_to(kept: Resumable, range: RangeInclusive<i64>) -> Steps {
        steps(kept, *range.start(), range.end().saturating_add(1), "step")
    }

    #[rhai_fn(name = "steps")]
    pub fn steps_up_to_with_word(kept: Resumable, range: RangeInclusive<i64>, word: &str) -> Steps {
        steps(kept, *range.start(), range.end().saturating_add(1), word)
    }

    /// The batches of a split, for `for`, as `split.batches`; a resumed run begins with the first
    /// that is not done, and those before it are not decoded.
    ///
    /// - `split`: such as `data.train`
    /// - `options`: a map
    ///   - `batch_size` (default 64): images in each
    ///   - `shuffle` (default false): in a random order
    ///   - `augment` (default false): random crop and flip
    ///   - `drop_last` (default false): leaves out a last batch that is not full
    ///   - `epoch` (default 0): random choices depend on the run's seed and on this
    ///   - `threads` (default 0, by the number of cores): decode ahead of use
    ///
    /// ```rhai
    /// let data = dataset("shapes", #{ train: 40, test: 10 });
    /// let model = sequential([AvgPool2d(4), Flatten(), Linear(192, data.classes)]);
    /// let optimizer = sgd(model, #{ lr: 0.1, momentum: 0.9 });
    /// let kept = resumable("mine", #{ model: model, optimizer: optimizer, losses: [] });
    /// for epoch in kept.steps(2, "epoch") {
    ///     let loading = #{ batch_size: 20, shuffle: true, epoch: epoch };
    ///     for batch in kept.batches(data.train, loading) {
    ///         kept.losses.push(optimizer.step(cross_entropy(model.forward(batch.x), batch.y)));
    ///     }
    /// }
    /// assert(kept.losses.len() == 4);
    /// ```
    #[rhai_fn(name = "batches", return_raw)]
    pub fn batches_of(
        context: NativeCallContext,
        kept: Resumable,
        split: Split,
        options: Map,
    ) -> RhaiResultOf<KeptBatches> {
        let batches = Batches::of(&context, split, options)?;
        let Some(count) = batches.count() else {
            return Err("`batch_size` must be at least 1, got 0".into());
        };
        Ok(KeptBatches {
            of: kept,
            batches,
            count: count as u64,
        })
    }

    /// Ends the innermost loop of `kept` after this step, with a last checkpoint.
    ///
    /// ```rhai
    /// let kept = resumable("search", #{ x: 1 });
    /// for step in kept.steps(100) {
    ///     kept.x *= 2;
    ///     if kept.x > 20 { kept.finish(); }
    /// }
    /// assert(kept.x == 32);
    /// ```
    #[rhai_fn(name = "finish")]
    pub fn finish_loop(kept: Resumable) {
        kept.kept.finish();
    }

    /// A value, by its name.
    ///
    /// ```rhai
    /// let kept = resumable("search", #{ best: 1.0 });
    /// kept.best = 0.5;
    /// assert(kept.best == 0.5 && kept["best"] == 0.5);
    /// ```
    #[rhai_fn(index_get, return_raw)]
    pub fn kept_value(kept: &mut Resumable, name: &str) -> RhaiResultOf<Dynamic> {
        match kept.kept.get(name) {
            Some(value) => Ok(dynamic(value)),
            None => {
                let known = kept.kept.names();
                let near = names::did_you_mean(name, known.iter().map(String::as_str));
                Err(format!("nothing is kept as `{name}`{near}").into())
            }
        }
    }

    #[rhai_fn(index_set, return_raw)]
    pub fn keep_value(kept: &mut Resumable, name: &str, new: Dynamic) -> RhaiResultOf<()> {
        kept.kept.set(name, value(name, new)?);
        Ok(())
    }

    /// The steps in one line: how many, and of which loop.
    ///
    /// ```rhai
    /// assert(resumable("search", #{}).steps(3).to_string() == "steps(3 of search)");
    /// ```
    #[rhai_fn(
        name = "to_string",
        name = "to_debug",
        name = "print",
        name = "debug",
        pure
    )]
    pub fn steps_to_string(steps: &mut Steps) -> String {
        format!("steps({} of {})", steps.count, steps.of.kept.name())
    }

    /// The batches in one line, and of which loop they are.
    ///
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 50 }).test;
    /// let batches = resumable("search", #{}).batches(test, #{ batch_size: 20 });
    /// assert(batches.to_string().ends_with("in order) of search"));
    /// ```
    #[rhai_fn(
        name = "to_string",
        name = "to_debug",
        name = "print",
        name = "debug",
        pure
    )]
    pub fn keptbatches_to_string(batches: &mut KeptBatches) -> String {
        format!("{} of {}", batches.batches, batches.of.kept.name())
    }

    /// The object in one line: its name and the names of its values.
    ///
    /// ```rhai
    /// assert(resumable("search", #{ best: 1.0 }).to_string() == "resumable(search: best)");
    /// ```
    #[rhai_fn(
        name = "to_string",
        name = "to_debug",
        name = "print",
        name = "debug",
        pure
    )]
    pub fn resumable_to_string(kept: &mut Resumable) -> String {
        let kept = &kept.kept;
        format!("resumable({}: {})", kept.name(), kept.names().join(", "))
    }
}
