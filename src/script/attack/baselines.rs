//! Attacks without gradients, and what attacks are compared with.

use super::Attack;
use crate::attack::{Corrupted, Spsa, UniformNoise};
use crate::data::Variant;
use crate::script::corruption::{Options, corrupting};
use crate::script::{RhaiResultOf, options};
use rhai::Map;
use rhai::plugin::*;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ForCorruption {
    name: String,
    severity: i64,
    variant: Option<Variant>,
    seed: Option<u64>,
    frost: Option<String>,
}

#[export_module]
pub mod functions {
    /// SPSA, as a value: ascends the margin by gradients that are estimated from differences of
    /// logits, so it sees through gradients that are masked. It makes
    /// `2 * samples * steps` forward passes for each image.
    ///
    /// - `eps`: radius of the ball around each image, in pixels of [0, 1]
    /// - `norm` (default `"linf"`): or `"l2"`
    /// - `steps` (default 100): number of steps; torchattacks makes 1
    /// - `samples` (default 128): random directions for each gradient, shared by the batch
    /// - `delta` (default 0.01): how far it looks along each, in pixels
    /// - `lr` (default 0.01): Adam's step, in pixels
    /// - `restarts` (default 1): the worst case over so many runs is kept for each image
    /// - `targeted` (default false): towards the class `y`
    /// - `stop` (default `"broken"`): an image is done as soon as it is broken, and one that is wrong
    ///   already stays as it is; `"never"` goes on with all of them
    /// - `chunk` (default 256): images in one forward pass, at most, or as many as the batch has;
    ///   it bounds the memory and changes nothing else
    /// - `outputs` (default `"class"`), `mode` (default `"eval"`): as for `pgd`
    ///
    /// Errors: an `eps` that is no radius, counts below 1, lengths that are not positive.
    ///
    /// Source: Uesato et al. 2018, <https://arxiv.org/abs/1802.05666>, section 4.
    ///
    /// ```rhai
    /// let w = tensor([[1.0, -1.0], [-1.0, 1.0]]);
    /// let x = tensor([[0.5, 0.5]]);
    /// let attack = spsa(#{ eps: 0.1, steps: 20, samples: 8, stop: "never" });
    /// let x_adv = attack.perturb(|x| x.matmul(w), x, tensor([0]));
    /// assert_close(x_adv, tensor([[0.4, 0.6]]), 1e-5);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn spsa(options: Map) -> RhaiResultOf<Attack> {
        let spsa: Spsa = options::read("spsa", options)?;
        spsa.check()?;
        Ok(Attack::new(spsa))
    }

    /// Random noise in the ball, as a value: what every attack has to beat. With one draw it needs
    /// no classifier.
    ///
    /// - `eps`: radius of the ball around each image, in pixels of [0, 1]
    /// - `norm` (default `"linf"`): or `"l2"`, where the noise is uniform in the ball, too
    /// - `queries` (default 1): draws, of which the worst is kept for each image
    /// - `targeted` (default false), `outputs` (default `"class"`), `mode` (default `"eval"`): as
    ///   for `pgd`; they decide what is worst
    ///
    /// Errors: an `eps` that is no radius, `queries` below 1.
    ///
    /// ```rhai
    /// let x = rand([4, 3, 2, 2]);
    /// let noisy = uniform_noise(#{ eps: px(8) }).perturb(x, tensor([0, 0, 0, 0]));
    /// assert((noisy - x).abs().max().item() <= px(8) + 1e-6);
    ///
    /// let model = sequential([Flatten(), Linear(12, 4)]);
    /// let worst = uniform_noise(#{ eps: 0.5, norm: "l2", queries: 20 });
    /// let x_adv = worst.perturb(model, x, model.predict(x));
    /// assert(perturbation_size(x, x_adv, "l2").max().item() <= 0.5 + 1e-6);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn uniform_noise(options: Map) -> RhaiResultOf<Attack> {
        let noise: UniformNoise = options::read("uniform_noise", options)?;
        noise.check()?;
        Ok(Attack::new(noise))
    }

    /// A corruption of ImageNet-C as a transformation, a value like an attack: what an attack is
    /// compared with, or trained with. The images become 8-bit values.
    ///
    /// - `name`: one of `corruptions()` or `extra_corruptions()`; the value goes by this name
    /// - `severity`: 1 to 5
    /// - `variant`, `seed`, `frost`: as for `corrupt`
    ///
    /// What it draws is drawn anew for each image and call, as for an attack; `split.corrupted`
    /// gives the same corrupted images every time.
    ///
    /// Errors: an unknown name; a severity out of range; images without three channels.
    ///
    /// Source: Hendrycks & Dietterich 2019, <https://arxiv.org/abs/1903.12261>, section 4.1.
    ///
    /// ```rhai
    /// let x = rand([2, 3, 32, 32]);
    /// let fog = corruption(#{ name: "fog", severity: 3 });
    /// print(fog.name);  //> fog
    /// let foggy = fog.perturb(x, tensor([0, 1]));
    /// assert(foggy.shape == x.shape && !foggy.equal(x));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn corruption(context: NativeCallContext, options: Map) -> RhaiResultOf<Attack> {
        let given: ForCorruption = options::read("corruption", options)?;
        let rest = Options {
            variant: given.variant,
            seed: given.seed,
            frost: given.frost,
        };
        let corrupting = corrupting(&context, &given.name, given.severity, rest)?;
        Ok(Attack::new(Corrupted::new(corrupting)))
    }
}
