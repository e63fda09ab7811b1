//! The domain `diagnose`: whether the error under an attack can be trusted.

use super::data::Split;
use super::host::Host;
use super::names::a_type;
use super::{RhaiResultOf, callback, options};
use crate::attack::Classifier;
use crate::data::BatchOptions;
use crate::diagnose::{self, Images, Options, Suspect};
use crate::nn::Model;
use crate::report::{diagnosis_page, diagnosis_table, write_diagnosis};
use crate::torch::{Device, Dtype, Tensor};
use crate::{Error, Result};
use rhai::plugin::*;
use rhai::{Array, FnPtr, Map};
use std::rc::Rc;

/// A diagnosis as scripts hold it.
#[derive(Clone)]
pub struct Diagnosis(Rc<diagnose::Diagnosis>);

pub fn module() -> rhai::Module {
    let mut module = rhai::exported_module!(functions);
    module.set_custom_type::<Diagnosis>("diagnosis");
    module
}

/// What attacks are made on besides: a model or a closure.
enum Source {
    Model(Model),
    Closure(FnPtr),
}

impl Source {
    fn of(given: Dynamic) -> RhaiResultOf<Option<Self>> {
        let given = given.flatten();
        let word = a_type(given.type_name());
        if given.is_unit() {
            return Ok(None);
        }
        if let Some(model) = given.clone().try_cast::<Model>() {
            return Ok(Some(Source::Model(model)));
        }
        match given.try_cast::<FnPtr>() {
            Some(closure) => Ok(Some(Source::Closure(closure))),
            None => Err(format!(
                "option `source` of diagnose must be a model, or a closure from images to logits, \
                 got {word}"
            )
            .into()),
        }
    }

    fn name(&self) -> String {
        match self {
            Source::Model(model) => model.name().to_owned(),
            Source::Closure(_) => "a closure".to_owned(),
        }
    }

    fn classifier<'a>(&'a self, context: &'a NativeCallContext, classes: i64) -> Classifier<'a> {
        match self {
            Source::Model(model) => Classifier::of(model, false),
            Source::Closure(closure) => of_closure(context, closure, classes),
        }
    }
}

fn of_closure<'a>(
    context: &'a NativeCallContext,
    closure: &'a FnPtr,
    classes: i64,
) -> Classifier<'a> {
    let mut classifier = callback::classifier(context, closure);
    classifier.classes = Some(classes);
    classifier
}

/// The images that the options name, as tensors.
fn images(split: &Split, options: &Options, dtype: Dtype, device: Device) -> Result<Images> {
    let n = split.images().len();
    let wanted = options.images;
    ensure!(
        wanted <= n,
        "diagnose: the split has {n} images, `images` asks for {wanted}"
    );
    let all = BatchOptions {
        batch_size: wanted,
        ..BatchOptions::default()
    };
    let Some(batch) = split.images().take(wanted)?.batches(all)?.next() else {
        bail!("diagnose: the split has no images");
    };
    let batch = batch?;
    let shape = [wanted as i64, 3, batch.height as i64, batch.width as i64];
    Ok(Images {
        x: Tensor::from_u8_fractions(&batch.pixels, &shape)?
            .to_dtype(dtype)?
            .to_device(device)?,
        y: Tensor::from_i64(&batch.labels, &[wanted as i64])?.to_device(device)?,
        examples: batch.examples,
    })
}

/// The options, and the other model among them.
fn read(split: &Split, mut given: Map) -> RhaiResultOf<(Options, Option<Source>)> {
    let source = Source::of(given.remove("source").unwrap_or_default())?;
    let limited = given.contains_key("images");
    let mut options: Options = options::read("diagnose", given)?;
    options.source = source.as_ref().map(Source::name);
    if !limited {
        options.images = options.images.min(split.images().len());
    }
    options.validate()?;
    Ok((options, source))
}

/// Runs the checks, shows how far they are, and keeps page and data in the run folder.
fn examine(
    context: &NativeCallContext,
    suspect: Suspect,
    (images, split): (Images, &Split),
    options: &Options,
) -> Result<Diagnosis> {
    let host = Host::of(context);
    let n = options.images as u64;
    let title = format!("{}: diagnosis", options.name);
    let total = n * options.check_count() as u64;
    let mut bar = host.screen().progress(title, total);
    let diagnosis = diagnose::diagnose(
        suspect,
        images,
        &split.to_string(),
        options,
        host.seed(),
        &mut |_| bar.advance(n, &[]),
    )?;
    let (title, took) = bar.finish();
    host.recording(|record| {
        record.add_time(&title, took);
        write_diagnosis(&diagnosis, record.folder())?;
        Ok(())
    })?;
    Ok(Diagnosis(Rc::new(diagnosis)))
}

fn as_data(value: &impl serde::Serialize) -> RhaiResultOf<Dynamic> {
    rhai::serde::to_dynamic(value)
}

/// Whether the error under an attack can be trusted.
#[export_module]
pub mod functions {
    /// Looks for masked gradients: whether the error under PGD can be trusted. Returns a diagnosis,
    /// with a `verdict` and its `checks`.
    ///
    /// An attack that follows gradients finds nothing where they are masked, and then reports an
    /// error that is too low. Each of 20 checks compares numbers that would differ: PGD beside one
    /// step, noise, more steps and restarts, other losses, float64, black-box attacks, AutoAttack,
    /// eps that grows without bound; gradients and outputs are looked at themselves. A difference
    /// counts where chance does not make it (exact tests). The run folder keeps a page with
    /// numbers, figures and sources, `diagnosis.html`, and the data, `diagnosis.json`; of another
    /// `name` than `"model"` they are `diagnosis-NAME`.
    ///
    /// - `model`: examined in eval mode through its class outputs; nothing of it is changed
    /// - `classifier`: or a closure, such as a defence around a model: from pixels in [0, 1],
    ///   float32 `[n, 3, h, w]` on the CPU, to logits, of which the first are the classes'
    /// - `split`: such as `data.test`
    /// - `options`: a map
    ///   - `eps` (default 0.03): the radius in question, L-infinity, in pixels of [0, 1]
    ///   - `steps` (default 40): of the PGD in question
    ///   - `many_steps` (default 100), `restarts` (default 5): of the attacks that take more
    ///   - `images` (default 100, or all): so many, evenly by class; at least 20
    ///   - `source` (default none): another model of the same classes, or a closure, from which
    ///     attacks are transferred
    ///   - `queries` (default 500): of each black-box attack
    ///   - `autoattack_steps` (default 50), `targets` (default 3): of Auto-PGD and AutoAttack
    ///   - `checks` (default all): names of those to run, such as `["gradients", "black_box"]`
    ///   - `batch_size` (default 64): does not change the result
    ///   - `name` (default `"model"`): what it is called
    ///
    /// Errors: an `eps` that is no radius in pixels of (0, 1), fewer than 20 images, checks that do
    /// not exist, a model of other classes than the split's, one from which no gradient comes.
    ///
    /// Source: Carlini et al. 2019, <https://arxiv.org/abs/1902.06705>; Athalye et al. 2018,
    /// <https://arxiv.org/abs/1802.00420>; Croce & Hein 2020, <https://arxiv.org/abs/2003.01690>.
    ///
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 40 }).test;
    /// let model = sequential([Flatten(), Linear(3072, test.classes)]);
    /// let found = diagnose(model, test, #{ eps: px(4), checks: ["gradients", "flatness"] });
    /// print(found.checks[0].question);  //> Do all images have a gradient?
    /// assert(found.verdict == "doubt");  // other checks are needed
    ///
    /// let coarse = |x| model.forward((x * 4.0).round() / 4.0);
    /// let found = diagnose(coarse, test, #{ eps: px(4), checks: ["gradients"] });
    /// assert(found.verdict == "masked");
    /// ```
    #[rhai_fn(name = "diagnose", return_raw)]
    pub fn diagnose_model(
        context: NativeCallContext,
        model: Model,
        split: Split,
        options: Map,
    ) -> RhaiResultOf<Diagnosis> {
        let (options, source) = read(&split, options)?;
        let images = images(&split, &options, model.dtype()?, model.device())?;
        let classes = split.class_names().len() as i64;
        // Says which classes there are where they are not the split's.
        model.class_logits_of(classes, &images.x.narrow(0, 0, 1)?)?;
        let suspect = Suspect {
            classifier: Classifier::of(&model, false),
            model: Some(&model),
            source: source.as_ref().map(|it| it.classifier(&context, classes)),
        };
        Ok(examine(&context, suspect, (images, &split), &options)?)
    }

    #[rhai_fn(name = "diagnose", return_raw)]
    pub fn diagnose_closure(
        context: NativeCallContext,
        classifier: FnPtr,
        split: Split,
        options: Map,
    ) -> RhaiResultOf<Diagnosis> {
        let (options, source) = read(&split, options)?;
        let images = images(&split, &options, Dtype::Float32, Device::Cpu)?;
        let classes = split.class_names().len() as i64;
        let suspect = Suspect {
            classifier: of_closure(&context, &classifier, classes),
            model: None,
            source: source.as_ref().map(|it| it.classifier(&context, classes)),
        };
        Ok(examine(&context, suspect, (images, &split), &options)?)
    }

    /// `"trust"`, `"doubt"` or `"masked"`: any check that fails means masked gradients; any that
    /// warns, too few images or checks that are needed and did not run mean doubt.
    ///
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 40 }).test;
    /// let model = sequential([Flatten(), Linear(3072, test.classes)]);
    /// let found = diagnose(model, test, #{ checks: ["flatness"] });
    /// assert(found.verdict == "doubt");  // the other checks are needed
    /// ```
    #[rhai_fn(get = "verdict", pure)]
    pub fn verdict(diagnosis: &mut Diagnosis) -> String {
        diagnosis.0.verdict.word().to_owned()
    }

    /// The verdict in a few sentences, with the numbers.
    ///
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 40 }).test;
    /// let model = sequential([Flatten(), Linear(3072, test.classes)]);
    /// print(diagnose(model, test, #{ checks: ["flatness"] }).summary);
    /// //> ...
    /// ```
    #[rhai_fn(get = "summary", pure)]
    pub fn summary(diagnosis: &mut Diagnosis) -> String {
        diagnosis.0.summary.clone()
    }

    /// What each check found: maps of `name`, `question`, `source`, `verdict` (`"pass"`, `"warn"`,
    /// `"fail"`, `"not_run"`), `evidence` (maps of `name`, `value`, `unit`), `explanation` and
    /// `advice`.
    ///
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 40 }).test;
    /// let model = sequential([Flatten(), Linear(3072, test.classes)]);
    /// let check = diagnose(model, test, #{ checks: ["inference"] }).checks[0];
    /// print(`${check.name}: ${check.verdict}`);  //> inference: pass
    /// print(check.evidence[0].value);            //> 1.0
    /// ```
    #[rhai_fn(get = "checks", return_raw, pure)]
    pub fn checks(diagnosis: &mut Diagnosis) -> RhaiResultOf<Array> {
        diagnosis.0.checks.iter().map(as_data).collect()
    }

    /// The errors: `clean`, `attack` (under the PGD in question) and `worst` (where any attack of
    /// the checks succeeded within eps).
    ///
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 40 }).test;
    /// let model = sequential([Flatten(), Linear(3072, test.classes)]);
    /// let errors = diagnose(model, test, #{ checks: ["noise"] }).errors;
    /// assert(errors.clean <= errors.attack && errors.attack <= errors.worst);
    /// ```
    #[rhai_fn(get = "errors", pure)]
    pub fn errors(diagnosis: &mut Diagnosis) -> Map {
        let it = &diagnosis.0;
        Map::from([
            ("clean".into(), it.clean_error.into()),
            ("attack".into(), it.attack_error.into()),
            ("worst".into(), it.worst_error.into()),
        ])
    }

    /// Writes the page of a diagnosis, or its data: a file that ends in `.html` or `.json`. In a
    /// run both are in the run folder without this.
    ///
    /// - `path`: relative to the run folder; elsewhere needs `--allow-write`
    ///
    /// Errors: another ending; a place that may not be written.
    ///
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 40 }).test;
    /// let model = sequential([Flatten(), Linear(3072, test.classes)]);
    /// diagnose(model, test, #{ checks: ["flatness"] }).save("page.html");
    /// ```
    #[rhai_fn(name = "save", return_raw)]
    pub fn save(context: NativeCallContext, diagnosis: Diagnosis, path: &str) -> RhaiResultOf<()> {
        let text = match path.rsplit_once('.') {
            Some((_, "html")) => diagnosis_page(&diagnosis.0)?,
            Some((_, "json")) => serde_json::to_string_pretty(&*diagnosis.0)
                .map_err(|error| Error::invalid(error.to_string()))?,
            _ => {
                return Err(format!(
                    "the page of a diagnosis ends in .html, its data in .json; got {path:?}"
                )
                .into());
            }
        };
        Ok(Host::of(&context).target(path)?.write(text.as_bytes())?)
    }

    /// The diagnosis as a table: a line for each check, and the reasons.
    ///
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 40 }).test;
    /// let model = sequential([Flatten(), Linear(3072, test.classes)]);
    /// print(diagnose(model, test, #{ checks: ["inference"], name: "linear" }));
    /// //> linear: doubt
    /// //> ...
    /// //> inference: passes for each image 1, gradients for each image 0     pass
    /// //> ...
    /// ```
    #[rhai_fn(name = "to_string", name = "print", return_raw, pure)]
    pub fn diagnosis_to_string(diagnosis: &mut Diagnosis) -> RhaiResultOf<String> {
        let table = diagnosis_table(&diagnosis.0)?;
        Ok(table.to_string().trim_end().to_owned())
    }

    /// The diagnosis in one line, as it is shown inside of arrays and maps.
    ///
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 40 }).test;
    /// let model = sequential([Flatten(), Linear(3072, test.classes)]);
    /// let found = diagnose(model, test, #{ checks: ["flatness"] });
    /// assert(found.to_debug() == "diagnosis(model: doubt, checks: 1)");
    /// ```
    #[rhai_fn(name = "to_debug", name = "debug", pure)]
    pub fn diagnosis_to_debug(diagnosis: &mut Diagnosis) -> String {
        let it = &diagnosis.0;
        format!(
            "diagnosis({}: {}, checks: {})",
            it.name,
            it.verdict.word(),
            it.checks.len()
        )
    }
}
