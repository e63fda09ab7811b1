//! Attacks that look for the smallest perturbation.

use super::Attack;
use crate::attack::{Cw, Ddn, DeepFool, Fmn};
use crate::script::{RhaiResultOf, options};
use rhai::Map;
use rhai::plugin::*;

#[export_module]
pub mod functions {
    /// The attack of Carlini and Wagner, as a value: the smallest L2 perturbation that changes the
    /// class, by Adam on its length plus `c` times the margin. Images it does not break, and those
    /// that are wrong already, stay as they are.
    ///
    /// - `eps` (default none): only perturbations of at most this L2 norm count; without it the
    ///   smallest that was found is returned
    /// - `steps` (default 1000): of each descent; the authors make up to 10000
    /// - `search_steps` (default 9): so many values of `c` are tried for each image, the first ones
    ///   ten times as large each, then halfway between what failed and what succeeded
    /// - `c` (default 0.001): the first one
    /// - `confidence` (default 0.0): by how much the wanted logit must lead, at least
    /// - `lr` (default 0.01): Adam's step
    /// - `abort_early` (default true): ends a descent, image by image, that comes no further in a
    ///   tenth of its steps
    /// - `squeeze` (default 0.000001): how far black and white are drawn into the range at first;
    ///   with 0.0 they never change
    /// - `targeted` (default false): towards the class `y`
    /// - `outputs` (default `"class"`), `mode` (default `"eval"`): as for `pgd`
    ///
    /// The CW of torchattacks is `#{ search_steps: 1, c: 1.0, steps: 50, squeeze: 0.0,
    /// abort_early: false }`, except that it stops all images where their common loss rises.
    ///
    /// Errors: counts below 1, rates that are not positive, a negative `confidence`.
    ///
    /// Source: Carlini & Wagner 2017, <https://arxiv.org/abs/1608.04644>, section 6.A.
    ///
    /// ```rhai
    /// // The boundary is 0.1 away, where both values are 0.5.
    /// let w = tensor([[1.0, -1.0], [-1.0, 1.0]]);
    /// let x = tensor([[0.6, 0.5]]);
    /// let attack = cw(#{ steps: 100, search_steps: 5 });
    /// let x_adv = attack.perturb(|x| x.matmul(w), x, tensor([0]));
    /// assert_close(perturbation_size(x, x_adv, "l2")[0], tensor(0.1 / sqrt(2.0)), 1e-3);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn cw(options: Map) -> RhaiResultOf<Attack> {
        let cw: Cw = options::read("cw", options)?;
        cw.check()?;
        Ok(Attack::new(cw))
    }

    /// DeepFool, as a value: over the nearest linearised boundary, again and again, until the class
    /// changes. Images it does not break, and those that are wrong already, stay as they are.
    ///
    /// - `eps` (default none): only perturbations within it count, in pixels of [0, 1]
    /// - `norm` (default `"l2"`): or `"linf"`
    /// - `steps` (default 50): at most
    /// - `overshoot` (default 0.02): the share by which a step goes beyond the boundary
    /// - `candidates` (default 10): so many classes are looked at, the first by rank at the clean
    ///   image, the class itself among them; each takes a gradient in each step
    /// - `extra` (default 0.0001): what is added to the length of a step, as the authors' program
    ///   and foolbox do; with 0.0, as in torchattacks, images that meet the ends of the range are
    ///   often missed
    /// - `mode` (default `"eval"`): as for `pgd`
    ///
    /// Errors: no steps, fewer than two candidates, negative lengths.
    ///
    /// Source: Moosavi-Dezfooli et al. 2016, <https://arxiv.org/abs/1511.04599>, algorithm 2.
    ///
    /// ```rhai
    /// let w = tensor([[1.0, -1.0], [-1.0, 1.0]]);
    /// let x = tensor([[0.6, 0.5]]);
    /// let x_adv = deepfool(#{ overshoot: 0.01, extra: 0.0 }).perturb(|x| x.matmul(w), x, tensor([0]));
    /// assert_close(x_adv, tensor([[0.6 - 0.0505, 0.5 + 0.0505]]), 1e-6);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn deepfool(options: Map) -> RhaiResultOf<Attack> {
        let deepfool: DeepFool = options::read("deepfool", options)?;
        deepfool.check()?;
        Ok(Attack::new(deepfool))
    }

    /// The fast minimum-norm attack, as a value: gradient steps on a ball that shrinks while the
    /// class is changed and grows while it is not. Images it does not break, and those that are
    /// wrong already, stay as they are.
    ///
    /// - `eps` (default none): only perturbations within it count, in pixels of [0, 1]; without it
    ///   the smallest that was found is returned
    /// - `norm` (default `"linf"`): or `"l2"`
    /// - `steps` (default 100): number of gradient steps
    /// - `first_step` (default 1.0): its L2 length, whatever the norm is; the last has a hundredth of it
    /// - `gamma` (default 0.05): the share by which the ball changes at first
    /// - `targeted` (default false): towards the class `y`
    /// - `outputs` (default `"class"`), `mode` (default `"eval"`): as for `pgd`
    ///
    /// Until the class is changed for the first time, the ball reaches to the linearised boundary,
    /// as in the paper, but grows by `gamma` where it would not grow by that: where the range of
    /// pixels takes a part of each step, the paper's comes nearer to the boundary for ever.
    ///
    /// Errors: no steps, lengths that are not positive, a `gamma` outside of (0, 1).
    ///
    /// Source: Pintor et al. 2021, <https://arxiv.org/abs/2102.12827>, algorithm 1.
    ///
    /// ```rhai
    /// let w = tensor([[1.0, -1.0], [-1.0, 1.0]]);
    /// let x = tensor([[0.6, 0.5]]);
    /// let x_adv = fmn(#{ norm: "l2" }).perturb(|x| x.matmul(w), x, tensor([0]));
    /// assert_close(perturbation_size(x, x_adv, "l2")[0], tensor(0.1 / sqrt(2.0)), 1e-3);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn fmn(options: Map) -> RhaiResultOf<Attack> {
        let fmn: Fmn = options::read("fmn", options)?;
        fmn.check()?;
        Ok(Attack::new(fmn))
    }

    /// The attack of decoupled direction and norm, as a value: the smallest L2 perturbation, by
    /// gradient steps on a sphere that shrinks while the class is changed and grows while it is
    /// not. Images it does not break, and those that are wrong already, stay as they are.
    ///
    /// - `first_eps` (default 1.0): radius of the first sphere
    /// - `gamma` (default 0.05): the share by which it changes
    /// - `eps`, `steps`, `targeted`, `outputs`, `mode`: as for `fmn`
    ///
    /// Errors: as for `fmn`.
    ///
    /// Source: Rony et al. 2019, <https://arxiv.org/abs/1811.09600>, algorithm 1.
    ///
    /// ```rhai
    /// let w = tensor([[1.0, -1.0], [-1.0, 1.0]]);
    /// let x = tensor([[0.6, 0.5]]);
    /// let x_adv = ddn(#{ first_eps: 0.1 }).perturb(|x| x.matmul(w), x, tensor([0]));
    /// let size = perturbation_size(x, x_adv, "l2")[0].item();
    /// assert(size >= 0.0707 && size < 0.075);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn ddn(options: Map) -> RhaiResultOf<Attack> {
        let ddn: Ddn = options::read("ddn", options)?;
        ddn.check()?;
        Ok(Attack::new(ddn))
    }
}
