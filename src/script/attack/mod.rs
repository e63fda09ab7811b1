//! The domain `attack`: attacks and random transformations as values.

mod autoattack;
mod baselines;
mod family;
mod minimal;
mod own;

use super::data::{Batch, Split};
use super::host::Host;
use super::{RhaiResultOf, callback, options};
use crate::attack::{
    self, Blur, Brightness, Classifier, Draws, EpsSpace, Fgsm, GaussianNoise, Norm, Pgd, Rotation,
};
use crate::nn::Model;
use crate::torch::{Precision, Tensor};
use rhai::plugin::*;
use rhai::{FnPtr, Map};
use serde_json::json;
use std::rc::Rc;

/// An attack as scripts hold it.
#[derive(Clone)]
pub struct Attack {
    /// What it is, and the attack itself unless closures are part of it.
    plain: Rc<dyn attack::Attack>,
    /// Makes the attack whose closures run in the script that calls.
    bind: Option<Rc<Bind>>,
    /// Which closures these are.
    closures: Rc<[String]>,
    /// What is likely not meant in it.
    doubts: Rc<[String]>,
}

type Bind = dyn for<'c> Fn(&'c NativeCallContext<'c>) -> crate::Result<Rc<dyn attack::Attack + 'c>>;

impl Attack {
    fn new(attack: impl attack::Attack + 'static) -> Self {
        Attack {
            doubts: attack::doubts(&attack).into(),
            plain: Rc::new(attack),
            bind: None,
            closures: Rc::default(),
        }
    }

    /// An attack with `closures` in it; `plain` only says what it is.
    fn bound(
        plain: impl attack::Attack + 'static,
        closures: Vec<String>,
        bind: impl for<'c> Fn(&'c NativeCallContext<'c>) -> crate::Result<Rc<dyn attack::Attack + 'c>>
        + 'static,
    ) -> Self {
        Attack {
            bind: Some(Rc::new(bind)),
            closures: closures.into(),
            ..Attack::new(plain)
        }
    }

    /// The attack, ready for use in the script that calls, which is warned of what is likely not
    /// meant.
    fn with<'c>(
        &self,
        context: &'c NativeCallContext<'c>,
    ) -> crate::Result<Rc<dyn attack::Attack + 'c>> {
        for doubt in &*self.doubts {
            let warning = format!("{}: {doubt}", self.plain.name());
            Host::of(context).warn(&warning, context.call_position())?;
        }
        match &self.bind {
            Some(bind) => bind(context),
            None => Ok(self.plain.clone()),
        }
    }

    /// Whether closures are part of it, which do what the script and its parameters say.
    pub fn has_closures(&self) -> bool {
        self.bind.is_some()
    }

    /// The threat model as data, with the attack's name in it.
    pub fn record(&self) -> serde_json::Value {
        let mut options = self.plain.options();
        if let Some(options) = options.as_object_mut() {
            options.insert("attack".to_owned(), self.plain.name().into());
            if !self.closures.is_empty() {
                options.insert("closures".to_owned(), json!(*self.closures));
            }
        }
        options
    }

    fn description(&self, model: Option<&Model>) -> String {
        let options = self.plain.options();
        let space = match options["eps_space"].as_str() {
            Some("normalized") => EpsSpace::Normalized,
            _ => EpsSpace::Pixel,
        };
        let mut text = attack::describe(&*self.plain);
        if let Some(eps) = options["eps"].as_f64() {
            let forms = attack::describe_eps(eps, space, model.map(Model::normalize));
            text += &format!(", eps {forms}");
        }
        let precision = serde_json::from_value::<Precision>(options["precision"].clone());
        if let (Ok(Precision::Auto), Some(model)) = (precision, model)
            && let Ok(own) = model.dtype()
        {
            let used = Precision::Auto.dtype(own, model.device());
            text += &format!(", searched in {used}");
        }
        text
    }
}

fn positive(option: &str, count: i64) -> RhaiResultOf<usize> {
    match usize::try_from(count) {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(format!("`{option}` must be at least 1, got {count}").into()),
    }
}

pub fn module() -> rhai::Module {
    let mut module = rhai::exported_module!(functions);
    module.set_custom_type::<Attack>("attack");
    combine_with_exported_module!(&mut module, "autoattack", autoattack::functions);
    combine_with_exported_module!(&mut module, "baselines", baselines::functions);
    combine_with_exported_module!(&mut module, "family", family::functions);
    combine_with_exported_module!(&mut module, "minimal", minimal::functions);
    combine_with_exported_module!(&mut module, "own", own::functions);
    module
}

/// Attacks and random transformations, as values.
#[export_module]
pub mod functions {
    /// Projected gradient descent: the attack of adversarial training, as a value.
    ///
    /// - `eps`: radius of the ball around each image, in pixels of [0, 1] (see `eps_space`)
    /// - `steps`: number of gradient steps
    /// - `step_size` (default `2.5 * eps / steps`): length of a step, in the units of `eps`
    /// - `norm` (default `"linf"`): or `"l2"`
    /// - `random_start` (default true): begin at a random point of the ball; false at the clean
    ///   image, `"sign"` a step in a random direction (see `rfgsm`), `"normal"` with normal noise of
    ///   standard deviation 0.001 (see `tpgd`)
    /// - `restarts` (default 1): the worst case over so many runs is kept for each image
    /// - `targeted` (default false): go towards the class `y` instead of away from it
    /// - `loss` (default `"cross_entropy"`): or `"margin"`, the largest other logit minus the
    ///   label's, or `"dlr"`, the margin in units of the distance between logits (see `apgd`), or
    ///   `"kl"`, the divergence from the clean prediction (see `tpgd`)
    /// - `decay` (default 0.0): of the gradients of earlier steps, which are added up (see `mifgsm`)
    /// - `look_ahead` (default false): the gradient is taken where these lead (see `nifgsm`)
    /// - `eot` (default 1): gradients that are averaged in each step, for models that draw (see
    ///   `eot_pgd`)
    /// - `stop` (default `"never"`): all steps are made and the last image counts, as in torchattacks.
    ///   With `"broken"` an image is done as soon as the model is wrong about it (with `targeted`,
    ///   right), the clean image included: several times faster. The error is then of any image on
    ///   the way, so never lower than that of the last ones
    /// - `convention` (default `"pixel"`): `"la2024"` sets the next four options, and `step_size`
    ///   0.01, as the notebook of arXiv 2408.01977 does
    /// - `eps_space` (default `"pixel"`): `"normalized"` measures eps after the model's
    ///   normalisation
    /// - `clip` (default true): keeps pixels in [0, 1]; `false` does not, `[low, high]` in another
    ///   range
    /// - `label` (default `"true"`): whose loss is ascended; `"predicted"` is the model's own argmax
    /// - `outputs` (default `"class"`): the attacker sees the class logits; `"all"` shows the
    ///   transformations' too
    /// - `mode` (default `"eval"`): of the model under attack; its own mode, buffers and
    ///   gradients stay as they are
    /// - `precision` (default `"float32"`): `"bfloat16"` searches on a frozen copy of the model, with
    ///   batch norm folded in and convolutions in bfloat16, three to four times as fast; `"auto"` does
    ///   so where the device has instructions for it, and takes the copy in float32 elsewhere. The
    ///   model itself says what is misclassified. Models that are not float32 and closures are
    ///   searched as they are
    ///
    /// Errors: an `eps` that is no radius in pixels of [0, 1] (`8` for `px(8)`), no steps, options
    /// that contradict each other.
    ///
    /// Source: Madry et al. 2018, <https://arxiv.org/abs/1706.06083>, section 2.1.
    ///
    /// ```rhai
    /// let attack = pgd(#{ eps: px(8), steps: 10 });
    /// let model = resnet18(#{ outputs: 10, stem: "small" });
    /// let x = rand([2, 3, 8, 8]);
    /// let x_adv = attack.perturb(model, x, tensor([3, 5]));
    /// assert((x_adv - x).abs().max().item() <= px(8) + 1e-6);
    ///
    /// // What is wrong from the beginning stays as it is.
    /// let quick = pgd(#{ eps: px(8), steps: 10, stop: "broken" });
    /// let wrong = (model.predict(x) + 1) % 10;
    /// assert(quick.perturb(model, x, wrong).equal(x));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn pgd(options: Map) -> RhaiResultOf<Attack> {
        Ok(Attack::new(Pgd::new(options::read("pgd", options)?)?))
    }

    /// One update of L-infinity PGD, for attacks written in scripts: a step along the sign of the
    /// gradient, back to at most `eps` from `x`, back into [0, 1]; in one pass over memory on the
    /// CPU. The result carries no gradient.
    ///
    /// - `x_adv`, `x`, `gradient`: of one shape; `x` is the clean image
    /// - `eps`, `step_size`: in pixels of [0, 1]
    ///
    /// Source: Madry et al. 2018, <https://arxiv.org/abs/1706.06083>, section 2.1.
    ///
    /// ```rhai
    /// let x = tensor([0.5, 0.5, 0.995]);
    /// let x_adv = pgd_step(x, x, tensor([2.0, -0.1, 1.0]), 0.03, 0.01);
    /// assert_close(x_adv, tensor([0.51, 0.49, 1.0]), 1e-6);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn pgd_step(
        x_adv: Tensor,
        x: Tensor,
        gradient: Tensor,
        eps: f64,
        step_size: f64,
    ) -> RhaiResultOf<Tensor> {
        Ok(attack::linf_step(&x_adv, &x, &gradient, eps, step_size)?)
    }

    /// The fast gradient sign method, as a value: one step of length `eps`.
    ///
    /// - `eps`: in pixels of [0, 1]
    /// - `norm`, `targeted`, `loss`, `eps_space`, `clip`, `label`, `outputs`, `mode`, `precision`: as
    ///   for `pgd`
    ///
    /// Source: Goodfellow et al. 2015, <https://arxiv.org/abs/1412.6572>, section 4.
    ///
    /// ```rhai
    /// let w = tensor([[1.0, -1.0], [-1.0, 1.0]]);
    /// let x = tensor([[0.5, 0.5]]);
    /// let x_adv = fgsm(#{ eps: 0.1 }).perturb(|x| x.matmul(w), x, tensor([0]));
    /// assert(x_adv.allclose(tensor([[0.4, 0.6]])));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn fgsm(options: Map) -> RhaiResultOf<Attack> {
        let fgsm: Fgsm = options::read("fgsm", options)?;
        fgsm.check()?;
        Ok(Attack::new(fgsm))
    }

    /// A transformation that adds normal noise to every value and clips to [0, 1].
    ///
    /// - `std`: standard deviation, in pixels of [0, 1]
    ///
    /// ```rhai
    /// let x = full([1, 3, 8, 8], 0.5);
    /// let noisy = gaussian_noise(#{ std: 0.1 }).perturb(x, tensor([0]));
    /// assert(noisy.shape == x.shape && !noisy.equal(x));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn gaussian_noise(options: Map) -> RhaiResultOf<Attack> {
        let noise: GaussianNoise = options::read("gaussian_noise", options)?;
        noise.check()?;
        Ok(Attack::new(noise))
    }

    /// A transformation that blurs with a Gaussian; borders are reflected.
    ///
    /// - `sigma`: standard deviation, in pixels of the image
    ///
    /// ```rhai
    /// let x = rand([1, 3, 8, 8]);
    /// let soft = blur(#{ sigma: 1.0 }).perturb(x, tensor([0]));
    /// assert(soft.std().item() < x.std().item());
    /// ```
    #[rhai_fn(return_raw)]
    pub fn blur(options: Map) -> RhaiResultOf<Attack> {
        let blur: Blur = options::read("blur", options)?;
        blur.check()?;
        Ok(Attack::new(blur))
    }

    /// A transformation that adds one number, uniform within `amount`, to each image and clips.
    ///
    /// - `amount`: largest change, in pixels of [0, 1]
    ///
    /// ```rhai
    /// let x = full([1, 3, 2, 2], 0.5);
    /// let y = brightness(#{ amount: 0.2 }).perturb(x, tensor([0]));
    /// assert((y - x).abs().max().item() <= 0.2);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn brightness(options: Map) -> RhaiResultOf<Attack> {
        let brightness: Brightness = options::read("brightness", options)?;
        brightness.check()?;
        Ok(Attack::new(brightness))
    }

    /// A transformation that turns each image by an angle uniform within `degrees`.
    ///
    /// - `degrees`: largest angle; what comes in from outside is black
    ///
    /// ```rhai
    /// let x = rand([1, 3, 8, 8]);
    /// let same = rotation(#{ degrees: 0.0 }).perturb(x, tensor([0]));
    /// assert(same.allclose(x));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn rotation(options: Map) -> RhaiResultOf<Attack> {
        let rotation: Rotation = options::read("rotation", options)?;
        rotation.check()?;
        Ok(Attack::new(rotation))
    }

    /// Changed images, shaped like `x`, without gradient.
    ///
    /// - `model`: attacked in eval mode through its class outputs unless the attack says
    ///   otherwise; nothing of it is changed
    /// - `x`: images `[n, c, h, w]` in [0, 1], of the model's dtype and device
    /// - `y`: true classes (the wanted ones of a targeted attack), int64 `[n]`
    ///
    /// ```rhai
    /// let model = sequential([Flatten(), Linear(12, 4)]);
    /// let x = rand([2, 3, 2, 2]);
    /// let x_adv = pgd(#{ eps: 0.0, steps: 1 }).perturb(model, x, tensor([0, 1]));
    /// assert(x_adv.equal(x));
    /// ```
    #[rhai_fn(name = "perturb", return_raw)]
    pub fn perturb(
        context: NativeCallContext,
        attack: Attack,
        model: Model,
        x: Tensor,
        y: Tensor,
    ) -> RhaiResultOf<Tensor> {
        let (attack, draws) = (attack.with(&context)?, Draws::of_batch());
        Ok(attack::perturb_model(&*attack, &model, &x, &y, &draws)?)
    }

    /// Changed images whose random numbers depend on each image's place in the data set, not on
    /// the batch that it comes in: for evaluations.
    ///
    /// - `batch`: where `x` and `y` come from
    ///
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 20 }).test;
    /// let model = sequential([Flatten(), Linear(3072, 10)]);
    /// let attack = pgd(#{ eps: 0.1, steps: 2 });
    /// let few = test.batch(2);
    /// let more = test.batch(5);
    /// let a = attack.perturb(model, few.x, few.y, few);
    /// let b = attack.perturb(model, more.x, more.y, more);
    /// assert(a.allclose(b[[0..2]]));
    /// ```
    #[rhai_fn(name = "perturb", return_raw)]
    pub fn perturb_examples(
        context: NativeCallContext,
        attack: Attack,
        model: Model,
        x: Tensor,
        y: Tensor,
        batch: Batch,
    ) -> RhaiResultOf<Tensor> {
        let seed = Host::of(&context).seed();
        let draws = Draws::of_examples(seed, "evaluate", batch.examples());
        let attack = attack.with(&context)?;
        Ok(attack::perturb_model(&*attack, &model, &x, &y, &draws)?)
    }

    /// What an evaluation needs: `#{ x_adv, logits }`, changed images as from `perturb` with a
    /// batch, and what the model says of them in eval mode, `[n, classes]`. An attack that has
    /// looked at the images does not look again.
    ///
    /// - `batch`: where `x` and `y` come from
    /// - `batch_size`: so many images go through the model at once; it does not change the result.
    ///   Images that the attack is done with make room for others, so that passes stay full while
    ///   the batch has more (see `images_held`)
    ///
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 20 }).test;
    /// let model = sequential([Flatten(), Linear(3072, 10)]);
    /// let batch = test.batch(20);
    /// let attack = pgd(#{ eps: 0.1, steps: 5, stop: "broken" });
    /// let it = attack.outcome(model, batch.x, batch.y, batch, 8);
    /// assert(it.logits.allclose(model.class_logits(it.x_adv, 10), 1e-4, 1e-4));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn outcome(
        context: NativeCallContext,
        attack: Attack,
        model: Model,
        x: Tensor,
        y: Tensor,
        batch: Batch,
        batch_size: i64,
    ) -> RhaiResultOf<Map> {
        let batch_size = positive("batch_size", batch_size)?;
        let seed = Host::of(&context).seed();
        let draws = Draws::of_examples(seed, "evaluate", batch.examples());
        let attack = attack.with(&context)?;
        let seen = attack::perturb_model_seen(&*attack, &model, &x, &y, &draws, batch_size)?;
        Ok(Map::from([
            ("x_adv".into(), Dynamic::from(seen.x_adv)),
            ("logits".into(), Dynamic::from(seen.classes)),
        ]))
    }

    /// How many images of a split an evaluation gives the attack at once where `batch_size` go
    /// through the model: more, up to 32 times, where images leave the attack one by one.
    ///
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 20 }).test;
    /// let threat = #{ eps: 0.1, steps: 5 };
    /// print(pgd(threat).images_held(test, 64));                         //> 64
    /// print(pgd(threat + #{ stop: "broken" }).images_held(test, 64));   //> 2048
    /// ```
    #[rhai_fn(return_raw)]
    pub fn images_held(attack: Attack, split: Split, batch_size: i64) -> RhaiResultOf<i64> {
        let batch_size = positive("batch_size", batch_size)?;
        let images = split.images();
        let image_bytes = 3 * images.height() * images.width() * size_of::<f32>();
        let held = attack::images_held(&*attack.plain, batch_size, image_bytes);
        Ok(held as i64)
    }

    /// Changed images for any classifier.
    ///
    /// - `classifier`: a closure from pixels in [0, 1] to logits `[n, k]`
    ///
    /// ```rhai
    /// let w = tensor([[1.0, -1.0], [-1.0, 1.0]]);
    /// let attack = pgd(#{ eps: 0.1, steps: 10 });
    /// let x_adv = attack.perturb(|x| x.matmul(w), tensor([[0.5, 0.5]]), tensor([0]));
    /// assert(x_adv.allclose(tensor([[0.4, 0.6]])));
    /// ```
    #[rhai_fn(name = "perturb", return_raw)]
    pub fn perturb_closure(
        context: NativeCallContext,
        attack: Attack,
        classifier: FnPtr,
        x: Tensor,
        y: Tensor,
    ) -> RhaiResultOf<Tensor> {
        let (attack, draws) = (attack.with(&context)?, Draws::of_batch());
        let classifier = callback::classifier(&context, &classifier);
        Ok(attack::perturb_function(
            &*attack,
            &classifier,
            &x,
            &y,
            &draws,
        )?)
    }

    /// Changed images, by a transformation that needs no classifier.
    ///
    /// ```rhai
    /// let x = rand([2, 3, 8, 8]);
    /// let turned = rotation(#{ degrees: 30.0 }).perturb(x, tensor([0, 1]));
    /// assert(turned.shape == x.shape);
    /// ```
    #[rhai_fn(name = "perturb", return_raw)]
    pub fn transform(
        context: NativeCallContext,
        attack: Attack,
        x: Tensor,
        y: Tensor,
    ) -> RhaiResultOf<Tensor> {
        let (attack, draws) = (attack.with(&context)?, Draws::of_batch());
        let name = attack.name();
        let none = |_: &Tensor| bail!("{name} needs a classifier: `attack.perturb(model, x, y)`");
        Ok(attack.perturb(&Classifier::new(none), &x, &y, &draws)?)
    }

    /// The attack's name: `"pgd"`, `"blur"`, ...
    ///
    /// ```rhai
    /// assert(fgsm(#{ eps: 0.1 }).name == "fgsm");
    /// ```
    #[rhai_fn(get = "name", pure)]
    pub fn name(attack: &mut Attack) -> String {
        attack.plain.name().to_owned()
    }

    /// The whole threat model as a map, with every default filled in.
    ///
    /// ```rhai
    /// let options = pgd(#{ eps: 0.1, steps: 5 }).options;
    /// print(options.step_size);  //> 0.05
    /// print(options.norm);       //> linf
    /// ```
    #[rhai_fn(get = "options", return_raw, pure)]
    pub fn attack_options(attack: &mut Attack) -> RhaiResultOf<Dynamic> {
        rhai::serde::to_dynamic(attack.plain.options())
    }

    /// The threat model in words, eps in all three units: pixels, grey levels and standard
    /// deviations of the model's normalisation.
    ///
    /// ```rhai
    /// let model = resnet18(#{ outputs: 10 });
    /// print(pgd(#{ eps: 0.03, steps: 10 }).describe(model));
    /// //> pgd(eps: 0.03, steps: 10, ...), eps 0.03 = 7.65/255 = 0.133 standard deviations
    /// ```
    #[rhai_fn(name = "describe")]
    pub fn describe(attack: Attack, model: Model) -> String {
        attack.description(Some(&model))
    }

    /// The norm of each image's perturbation, `[n]`.
    ///
    /// - `norm`: `"linf"`, `"l2"` or `"l1"`
    ///
    /// ```rhai
    /// let x = zeros([1, 4]);
    /// let x_adv = full([1, 4], 0.5);
    /// print(perturbation_size(x, x_adv, "l2").to_array());    //> [1.0]
    /// print(perturbation_size(x, x_adv, "linf").to_array());  //> [0.5]
    /// print(perturbation_size(x, x_adv, "l1").to_array());    //> [2.0]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn perturbation_size(x: Tensor, x_adv: Tensor, norm: &str) -> RhaiResultOf<Tensor> {
        let norm = match norm {
            "linf" => Norm::Linf,
            "l2" => Norm::L2,
            "l1" => Norm::L1,
            other => {
                let wanted = "\"linf\", \"l2\" or \"l1\"";
                return Err(format!("`norm` must be {wanted}, got {other:?}").into());
            }
        };
        Ok(norm.size(&x_adv.sub(&x)?)?)
    }

    /// The attack in one line, eps as a fraction and in grey levels.
    ///
    /// ```rhai
    /// assert(fgsm(#{ eps: px(8) }).to_string().contains("8/255"));
    /// ```
    #[rhai_fn(
        name = "to_string",
        name = "to_debug",
        name = "print",
        name = "debug",
        pure
    )]
    pub fn attack_to_string(attack: &mut Attack) -> String {
        attack.description(None)
    }

    /// Whether two attacks are the same threat model.
    ///
    /// ```rhai
    /// assert(fgsm(#{ eps: 0.1 }) == fgsm(#{ eps: 0.1 }));
    /// ```
    #[rhai_fn(name = "==")]
    pub fn same_attack(a: Attack, b: Attack) -> bool {
        a.plain.name() == b.plain.name()
            && a.plain.options() == b.plain.options()
            && a.closures == b.closures
    }

    /// Whether two attacks are different threat models.
    ///
    /// ```rhai
    /// assert(fgsm(#{ eps: 0.1 }) != fgsm(#{ eps: 0.2 }));
    /// ```
    #[rhai_fn(name = "!=")]
    pub fn other_attack(a: Attack, b: Attack) -> bool {
        !same_attack(a, b)
    }
}
