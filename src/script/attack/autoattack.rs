//! AutoAttack and its parts.

use super::Attack;
use crate::attack::{self, Apgd, ApgdT, AutoAttack, AutoAttackOptions, Fab, Square};
use crate::nn::Model;
use crate::script::{RhaiResultOf, callback, options};
use crate::torch::Tensor;
use rhai::plugin::*;
use rhai::{Array, FnPtr, Map};
use std::collections::BTreeMap;
use std::rc::Rc;

#[export_module]
pub mod functions {
    /// Auto-PGD, as a value: PGD that finds its step sizes by itself. Only images that are
    /// classified rightly are attacked; the others, and those it does not break, stay as they are.
    ///
    /// - `eps`: radius of the ball around each image, in pixels of [0, 1]
    /// - `norm` (default `"linf"`): or `"l2"`, `"l1"`. In L1, where an `eps` of 12 is usual for
    ///   32 x 32 pixels, steps are sparse, and the first six tenths of them are made in balls of
    ///   three and two times `eps`; `rho` has no part in it
    /// - `steps` (default 100): number of gradient steps
    /// - `restarts` (default 1): so many runs, each on what is left
    /// - `loss` (default `"cross_entropy"`): or `"dlr"`, the difference of logits ratio, or
    ///   `"margin"`
    /// - `eot` (default 1): gradients that are averaged in each step, for models that draw
    /// - `rho` (default 0.75): the step is halved where the loss rose in no more than this share
    ///   of a window of steps
    /// - `stop` (default `"broken"`): an image is done as soon as it is broken; with `"never"` it
    ///   goes on and its last success is returned, as in the authors' program. The same images are
    ///   broken, later
    /// - `outputs` (default `"class"`): the attacker sees the class logits; `"all"` shows the
    ///   transformations' too
    /// - `mode` (default `"eval"`): as for `pgd`
    /// - `precision` (default `"float32"`): of the passes of the search, as for `pgd`; in float32 they
    ///   go through a frozen copy, too, which differs from the model in low-order bits. A success
    ///   counts where the model itself is mistaken
    ///
    /// Errors: an `eps` that is no radius in pixels of [0, 1] (`8` for `px(8)`), counts below 1.
    ///
    /// Source: Croce & Hein 2020, <https://arxiv.org/abs/2003.01690>, section 3; in L1 Croce & Hein
    /// 2021, <https://arxiv.org/abs/2103.01208>.
    ///
    /// ```rhai
    /// let model = sequential([Flatten(), Linear(12, 4)]);
    /// let x = rand([4, 3, 2, 2]);
    /// let attack = apgd(#{ eps: px(8), steps: 10, loss: "dlr" });
    /// let x_adv = attack.perturb(model, x, model.predict(x));
    /// assert((x_adv - x).abs().max().item() <= px(8) + 1e-6);
    ///
    /// let x_adv = apgd(#{ eps: 1.5, norm: "l1", steps: 10 }).perturb(model, x, model.predict(x));
    /// assert(perturbation_size(x, x_adv, "l1").max().item() <= 1.5 + 1e-5);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn apgd(options: Map) -> RhaiResultOf<Attack> {
        let apgd: Apgd = options::read("apgd", options)?;
        apgd.check()?;
        Ok(Attack::new(apgd))
    }

    /// Targeted Auto-PGD, as a value: towards one class after the other, by the targeted
    /// difference of logits ratio. `y` is still the true class.
    ///
    /// - `targets` (default 9): how many classes, those ranked second, third, ... at the clean
    ///   image; no more than there are
    /// - `restarts` (default 1): runs towards each class
    /// - `eps`, `norm`, `steps`, `eot`, `rho`, `stop`, `outputs`, `mode`, `precision`: as for `apgd`
    ///
    /// Errors: as for `apgd`; a model with fewer than four outputs.
    ///
    /// Source: Croce & Hein 2020, <https://arxiv.org/abs/2003.01690>, section 4.2.
    ///
    /// ```rhai
    /// let model = sequential([Flatten(), Linear(12, 4)]);
    /// let x = rand([4, 3, 2, 2]);
    /// let x_adv = apgd_t(#{ eps: 0.5, norm: "l2", steps: 10 }).perturb(model, x, model.predict(x));
    /// assert(perturbation_size(x, x_adv, "l2").max().item() <= 0.5 + 1e-6);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn apgd_t(options: Map) -> RhaiResultOf<Attack> {
        let apgd_t: ApgdT = options::read("apgd_t", options)?;
        apgd_t.check()?;
        Ok(Attack::new(apgd_t))
    }

    /// The fast adaptive boundary attack, as a value: it looks for the smallest perturbation that
    /// changes the class, and counts those within `eps`.
    ///
    /// - `eps`: in pixels of [0, 1]
    /// - `targets` (default 9): FAB-T, towards so many classes, one after the other, by rank at the
    ///   clean image; 0 is FAB, towards the nearest boundary of all, which takes a gradient for
    ///   each class in each step
    /// - `steps` (default 100), `restarts` (default 1; those after the first begin at random)
    /// - `alpha_max` (default 0.1): the largest share of the way towards the clean image
    /// - `eta` (default 1.05): how far a step goes, 1 being the linearised boundary
    /// - `beta` (default 0.9): what is left of a perturbation after a success
    /// - `stop` (default `"broken"`): `"never"` looks on for smaller perturbations once one is within
    ///   `eps`
    /// - `norm` (default `"linf"`): or `"l2"`, `"l1"`
    /// - `outputs`, `mode`, `precision`: as for `apgd`
    ///
    /// Errors: as for `apgd`; shares outside of [0, 1].
    ///
    /// Source: Croce & Hein 2020, <https://arxiv.org/abs/1907.02044>, algorithm 1.
    ///
    /// ```rhai
    /// let model = sequential([Flatten(), Linear(12, 4)]);
    /// let x = rand([4, 3, 2, 2]);
    /// let y = model.predict(x);
    /// let x_adv = fab(#{ eps: 0.5, steps: 10, stop: "never" }).perturb(model, x, y);
    /// assert((x_adv - x).abs().max().item() <= 0.5);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn fab(options: Map) -> RhaiResultOf<Attack> {
        let fab: Fab = options::read("fab", options)?;
        fab.check()?;
        Ok(Attack::new(fab))
    }

    /// The Square attack, as a value: a random search that needs no gradient, so it sees through
    /// gradients that are masked.
    ///
    /// - `eps`: in pixels of [0, 1]
    /// - `queries` (default 5000): number of images that are tried
    /// - `restarts` (default 1): so many searches, each on what is left
    /// - `p` (default 0.8): the share of the image that the first squares cover
    /// - `norm` (default `"linf"`): or `"l2"`, `"l1"`
    /// - `outputs`, `mode`: as for `apgd`
    ///
    /// Errors: as for `apgd`; in L2 and L1, images smaller than 5 x 5.
    ///
    /// Source: Andriushchenko et al. 2020, <https://arxiv.org/abs/1912.00049>.
    ///
    /// ```rhai
    /// let model = sequential([Flatten(), Linear(12, 4)]);
    /// let x = rand([4, 3, 2, 2]);
    /// let x_adv = square(#{ eps: 0.1, queries: 20 }).perturb(model, x, model.predict(x));
    /// assert((x_adv - x).abs().max().item() <= 0.1 + 1e-6);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn square(options: Map) -> RhaiResultOf<Attack> {
        let square: Square = options::read("square", options)?;
        square.check()?;
        Ok(Attack::new(square))
    }

    /// AutoAttack, as a value: attacks of different kinds, one after the other, each on the
    /// images that are still classified rightly.
    ///
    /// - `eps`: in pixels of [0, 1]
    /// - `norm` (default `"linf"`): or `"l2"`, `"l1"`
    /// - `version` (default `"standard"`): `"apgd-ce"`, `"apgd-t"`, `"fab-t"` and `"square"`;
    ///   `"plus"` adds `"apgd-dlr"` and `"fab"`, with five restarts; `"rand"` is for models that
    ///   draw, APGD with both losses and 20 gradients a step; `"custom"` runs `attacks`
    /// - `attacks` (default `[]`): names of these six attacks, and attacks as values; what one of
    ///   another threat model finds counts only within `eps`
    /// - `steps` (default 100), `queries` (default 5000), `targets` (default 9): of the attacks
    ///   that have them; less than the default is not AutoAttack any more. In L1 `"standard"`
    ///   has five restarts of `"apgd-ce"` and at most five targets of `"apgd-t"`
    /// - `precision` (default `"float32"`): of all attacks but Square, which stays in float32
    /// - `stop`, `outputs`, `mode`: as for `apgd`
    ///
    /// Errors: as for `apgd`; `attacks` without `"custom"` or the other way round; an attack that
    /// does not exist; a model with fewer than four outputs.
    ///
    /// Source: Croce & Hein 2020, <https://arxiv.org/abs/2003.01690>, section 5.
    ///
    /// ```rhai
    /// let model = sequential([Flatten(), Linear(12, 4)]);
    /// let x = rand([4, 3, 2, 2]);
    /// let attack = autoattack(#{ eps: px(8), steps: 5, queries: 5 });
    /// let x_adv = attack.perturb(model, x, model.predict(x));
    /// assert((x_adv - x).abs().max().item() <= px(8) + 1e-6);
    ///
    /// let own = #{ eps: px(8), version: "custom", attacks: ["apgd-ce", pgd(#{ eps: px(8), steps: 5 })] };
    /// print(autoattack(own).options.attacks.len());  //> 2
    /// ```
    #[rhai_fn(return_raw)]
    pub fn autoattack(options: Map) -> RhaiResultOf<Attack> {
        let (options, own) = without_attacks(options);
        let options: AutoAttackOptions = options::read("autoattack", options)?;
        let plain = own.iter().map(|(place, own)| (*place, own.plain.clone()));
        let plain = AutoAttack::new(options.clone(), plain.collect())?;
        if own.values().all(|own| own.bind.is_none()) {
            return Ok(Attack::new(plain));
        }
        let closures = own.values().flat_map(|own| own.closures.to_vec()).collect();
        Ok(Attack::bound(plain, closures, move |context| {
            let own = own
                .iter()
                .map(|(place, own)| Ok((*place, own.with(context)?)));
            let own = own.collect::<crate::Result<_>>()?;
            Ok(Rc::new(AutoAttack::new(options.clone(), own)?))
        }))
    }

    /// The share of the images that is classified as `y` before an attack and after each of its
    /// parts: `[#{ attack: "clean", robust_accuracy: 0.9 }, ...]`. AutoAttack has several parts,
    /// and stops when no image is left; other attacks have one.
    ///
    /// - `model`, `x`, `y`: as for `perturb`
    ///
    /// ```rhai
    /// let model = sequential([Flatten(), Linear(12, 4)]);
    /// let x = rand([4, 3, 2, 2]);
    /// let attack = autoattack(#{ eps: 0.0001, steps: 5, queries: 5 });
    /// let stages = attack.stages(model, x, model.predict(x));
    /// print(stages[0]);  //> #{"attack": "clean", "robust_accuracy": 1.0}
    /// assert(stages[stages.len() - 1].robust_accuracy <= 1.0);
    /// ```
    #[rhai_fn(name = "stages", return_raw)]
    pub fn stages(
        context: NativeCallContext,
        attack: Attack,
        model: Model,
        x: Tensor,
        y: Tensor,
    ) -> RhaiResultOf<Array> {
        let (attack, draws) = (attack.with(&context)?, attack::Draws::of_batch());
        let outcome = attack::perturb_model_in_stages(&*attack, &model, &x, &y, &draws)?;
        let stages = outcome.robust_accuracy.into_iter();
        Ok(stages.map(stage).collect())
    }

    /// The same for any classifier.
    ///
    /// - `classifier`: a closure from pixels in [0, 1] to logits `[n, k]`
    ///
    /// ```rhai
    /// let w = tensor([[1.0, -1.0], [-1.0, 1.0]]);
    /// let x = tensor([[0.5, 0.45]]);
    /// let stages = fgsm(#{ eps: 0.1 }).stages(|x| x.matmul(w), x, tensor([0]));
    /// print(stages[1]);  //> #{"attack": "fgsm", "robust_accuracy": 0.0}
    /// ```
    #[rhai_fn(name = "stages", return_raw)]
    pub fn stages_of_closure(
        context: NativeCallContext,
        attack: Attack,
        classifier: FnPtr,
        x: Tensor,
        y: Tensor,
    ) -> RhaiResultOf<Array> {
        let (attack, draws) = (attack.with(&context)?, attack::Draws::of_batch());
        let classifier = callback::classifier(&context, &classifier);
        let outcome = attack.perturb_in_stages(&classifier, &x, &y, &draws)?;
        let stages = outcome.robust_accuracy.into_iter();
        Ok(stages.map(stage).collect())
    }
}

fn stage((attack, robust_accuracy): (String, f64)) -> Dynamic {
    Map::from([
        ("attack".into(), attack.into()),
        ("robust_accuracy".into(), robust_accuracy.into()),
    ])
    .into()
}

/// The options with names in place of attacks, and the attacks by their place among the names.
fn without_attacks(mut options: Map) -> (Map, BTreeMap<usize, Attack>) {
    let mut own = BTreeMap::new();
    let attacks = options.get_mut("attacks");
    if let Some(mut attacks) = attacks.and_then(|attacks| attacks.write_lock::<Array>()) {
        for (place, attack) in attacks.iter_mut().enumerate() {
            if let Some(found) = attack.clone().try_cast::<Attack>() {
                *attack = found.plain.name().into();
                own.insert(place, found);
            }
        }
    }
    (options, own)
}
