//! The relatives of PGD, by the names they are published under.

use super::Attack;
use crate::attack::Preset;
use crate::script::{RhaiResultOf, options};
use rhai::Map;
use rhai::plugin::*;

fn preset(preset: Preset, given: Map) -> RhaiResultOf<Attack> {
    let options = options::read_some(preset.name(), given, &preset.options())?;
    Ok(Attack::new(preset.attack(options)?))
}

#[export_module]
pub mod functions {
    /// FGSM again and again (BIM, also I-FGSM), as a value: PGD from the clean image.
    ///
    /// - `eps`: radius of the ball around each image, in pixels of [0, 1]
    /// - `steps` (default 10): number of gradient steps; the paper takes
    ///   `min(eps + 4, 1.25 * eps)`, eps in grey levels, with steps of one grey level
    /// - `step_size` (default `2.5 * eps / steps`): px(2) at px(8) and 10 steps, as in torchattacks
    /// - `norm`, `targeted`, `loss`, `stop`, `eps_space`, `clip`, `label`, `outputs`, `mode`,
    ///   `precision`: as for `pgd`
    ///
    /// Errors: as for `pgd`.
    ///
    /// Source: Kurakin et al. 2017, <https://arxiv.org/abs/1607.02533>, section 2.2.
    ///
    /// ```rhai
    /// let w = tensor([[1.0, -1.0], [-1.0, 1.0]]);
    /// let x = tensor([[0.5, 0.5]]);
    /// let x_adv = bim(#{ eps: 0.1, steps: 5 }).perturb(|x| x.matmul(w), x, tensor([0]));
    /// assert(x_adv.allclose(tensor([[0.4, 0.6]])));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn bim(options: Map) -> RhaiResultOf<Attack> {
        preset(Preset::Bim, options)
    }

    /// FGSM after a random step (R+FGSM), as a value: a step of `step_size` in each pixel, up or
    /// down at random, then gradient steps.
    ///
    /// - `eps`: in pixels of [0, 1]
    /// - `steps` (default 10): as in torchattacks; the paper's attack is `steps: 1` with half of
    ///   `eps` as `step_size`
    /// - `restarts` (default 1): the worst case over so many runs is kept for each image
    /// - `step_size`, `norm`, `targeted`, `loss`, `stop`, `eps_space`, `clip`, `label`, `outputs`,
    ///   `mode`, `precision`: as for `bim`
    ///
    /// In L2 the random step goes in any direction, over a length of `step_size`.
    ///
    /// Source: Tramèr et al. 2018, <https://arxiv.org/abs/1705.07204>, section 4.1.
    ///
    /// ```rhai
    /// let x = rand([2, 3, 8, 8]);
    /// let attack = rfgsm(#{ eps: px(8), steps: 1, step_size: px(4) });
    /// let x_adv = attack.perturb(sequential([Flatten(), Linear(192, 4)]), x, tensor([0, 1]));
    /// assert((x_adv - x).abs().max().item() <= px(8) + 1e-6);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn rfgsm(options: Map) -> RhaiResultOf<Attack> {
        preset(Preset::Rfgsm, options)
    }

    /// FGSM with momentum (MI-FGSM), as a value: what it finds carries over to other models more
    /// often.
    ///
    /// - `eps`: in pixels of [0, 1]
    /// - `decay` (default 1.0): of the sum of the gradients of earlier steps
    /// - `steps` (default 10), `step_size` (default `2.5 * eps / steps`): as for `bim`; the paper
    ///   takes steps of `eps / steps`
    /// - `norm`, `targeted`, `loss`, `stop`, `eps_space`, `clip`, `label`, `outputs`, `mode`,
    ///   `precision`: as for `pgd`
    ///
    /// Source: Dong et al. 2018, <https://arxiv.org/abs/1710.06081>, algorithm 1.
    ///
    /// ```rhai
    /// print(mifgsm(#{ eps: px(8) }).options.decay);  //> 1.0
    /// let x = rand([2, 3, 8, 8]);
    /// let model = sequential([Flatten(), Linear(192, 4)]);
    /// let x_adv = mifgsm(#{ eps: px(8) }).perturb(model, x, tensor([0, 1]));
    /// assert((x_adv - x).abs().max().item() <= px(8) + 1e-6);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn mifgsm(options: Map) -> RhaiResultOf<Attack> {
        preset(Preset::Mifgsm, options)
    }

    /// FGSM with Nesterov's momentum (NI-FGSM), as a value: `mifgsm` with the gradient taken where
    /// the sum of earlier ones leads.
    ///
    /// - `eps`: in pixels of [0, 1]
    /// - `decay`, `steps`, `step_size`, `norm`, `targeted`, `loss`, `stop`, `eps_space`, `clip`,
    ///   `label`, `outputs`, `mode`, `precision`: as for `mifgsm`
    ///
    /// With `stop: "broken"` each step takes a pass more: the gradient is taken elsewhere than at
    /// the image.
    ///
    /// As in torchattacks, each gradient is divided by its mean absolute value; the paper divides
    /// by the sum, so it looks less far ahead.
    ///
    /// Source: Lin et al. 2020, <https://arxiv.org/abs/1908.06281>, section 3.1.
    ///
    /// ```rhai
    /// let x = rand([2, 3, 8, 8]);
    /// let model = sequential([Flatten(), Linear(192, 4)]);
    /// let x_adv = nifgsm(#{ eps: px(8), decay: 0.9 }).perturb(model, x, tensor([0, 1]));
    /// assert((x_adv - x).abs().max().item() <= px(8) + 1e-6);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn nifgsm(options: Map) -> RhaiResultOf<Attack> {
        preset(Preset::Nifgsm, options)
    }

    /// PGD away from the clean prediction, as a value: the inner attack of TRADES. It ascends the
    /// Kullback-Leibler divergence, so `y` says no more than which of several `restarts` is kept and
    /// what is broken.
    ///
    /// - `eps`: in pixels of [0, 1]
    /// - `restarts` (default 1): the worst case over so many runs is kept for each image
    /// - `steps` (default 10), `step_size` (default `2.5 * eps / steps`), `norm`, `stop`,
    ///   `eps_space`, `clip`, `outputs`, `mode`, `precision`: as for `bim`
    ///
    /// It begins with normal noise of standard deviation 0.001.
    ///
    /// Source: Zhang et al. 2019, <https://arxiv.org/abs/1901.08573>, algorithm 1.
    ///
    /// ```rhai
    /// let x = rand([2, 3, 8, 8]);
    /// let model = sequential([Flatten(), Linear(192, 4)]);
    /// let x_adv = tpgd(#{ eps: px(8) }).perturb(model, x, tensor([0, 0]));
    /// assert((x_adv - x).abs().max().item() <= px(8) + 1e-6);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn tpgd(options: Map) -> RhaiResultOf<Attack> {
        preset(Preset::Tpgd, options)
    }

    /// PGD on the expectation over a model's random numbers, as a value: each step follows the
    /// mean of several gradients. For models that draw, as with dropout (`mode: "train"`) or noise.
    ///
    /// - `eps`: in pixels of [0, 1]
    /// - `eot` (default 2): gradients in each step
    /// - `random_start` (default true): begin at a random point of the ball
    /// - `restarts` (default 1): the worst case over so many runs is kept for each image
    /// - `steps`, `step_size`, `norm`, `targeted`, `loss`, `stop`, `eps_space`, `clip`, `label`,
    ///   `outputs`, `mode`, `precision`: as for `bim`
    ///
    /// With `stop: "broken"` the last of the passes of a step tells whether an image is broken.
    ///
    /// Source: Athalye et al. 2018, <https://arxiv.org/abs/1802.00420>, section 4.2.
    ///
    /// ```rhai
    /// let w = tensor([[1.0, -1.0], [-1.0, 1.0]]);
    /// let noisy = |x| (x + 0.1 * randn_like(x)).matmul(w);
    /// let x = tensor([[0.5, 0.5]]);
    /// let x_adv = eot_pgd(#{ eps: 0.1, eot: 4 }).perturb(noisy, x, tensor([0]));
    /// assert(x_adv.allclose(tensor([[0.4, 0.6]])));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn eot_pgd(options: Map) -> RhaiResultOf<Attack> {
        preset(Preset::EotPgd, options)
    }
}
