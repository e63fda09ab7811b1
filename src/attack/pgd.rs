//! Projected gradient descent: Madry et al. 2018, <https://arxiv.org/abs/1706.06083>,
//! section 2.1; the L2 steps as in torchattacks and foolbox. With its options it is the whole
//! family of iterated gradient steps; `presets` has the names that the others go by.

use super::apgd::{check_count, one};
use super::ascent::laid_out;
use super::ball::Ball;
use super::chase::chase;
use super::landscape::{Landscape, Objective};
use super::momentum::Momentum;
use super::norm::Norm;
use super::objective::{Labels, Outputs};
use super::space::{Clip, EpsSpace};
use super::start::Start;
use super::stop::Stop;
use super::worst::{Run, Worst};
use super::{Attack, Classifier, Draws, Mode, Seen, check_batch};
use crate::torch::{Precision, Tensor, no_grad};
use crate::{Result, interrupt};
use serde::{Deserialize, Serialize};

/// A published way of reading "PGD with eps": sets the options that are not given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Convention {
    /// eps in pixels, clipped to [0, 1], the true class, the class outputs.
    #[default]
    Pixel,
    /// The public notebook of "Label Augmentation for Neural Networks Robustness"
    /// (arXiv 2408.01977): eps after normalisation, no clipping, step size 0.01, the model's
    /// own argmax, all outputs.
    La2024,
}

/// What a user may say; `Pgd` is what it comes to.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PgdOptions {
    pub eps: f64,
    pub steps: i64,
    pub step_size: Option<f64>,
    #[serde(default)]
    pub norm: Norm,
    #[serde(default)]
    pub random_start: Start,
    #[serde(default = "one")]
    pub restarts: i64,
    #[serde(default)]
    pub targeted: bool,
    #[serde(default)]
    pub loss: Objective,
    /// The share of earlier gradients that is left after a step.
    #[serde(default)]
    pub decay: f64,
    /// The gradient is taken where these would lead.
    #[serde(default)]
    pub look_ahead: bool,
    /// So many gradients are averaged in each step.
    #[serde(default = "one")]
    pub eot: i64,
    #[serde(default = "Stop::never")]
    pub stop: Stop,
    #[serde(default)]
    pub convention: Convention,
    #[serde(default)]
    pub mode: Mode,
    #[serde(default)]
    pub precision: Precision,
    pub eps_space: Option<EpsSpace>,
    pub clip: Option<Clip>,
    pub label: Option<Labels>,
    pub outputs: Option<Outputs>,
}

/// A PGD attack with every choice made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pgd {
    /// The name that the attack goes by.
    #[serde(skip)]
    pub name: &'static str,
    pub eps: f64,
    pub steps: i64,
    pub step_size: f64,
    pub norm: Norm,
    pub random_start: Start,
    pub restarts: i64,
    pub targeted: bool,
    pub loss: Objective,
    pub decay: f64,
    pub look_ahead: bool,
    pub eot: i64,
    pub stop: Stop,
    pub convention: Convention,
    pub mode: Mode,
    /// Of the passes of the search.
    pub precision: Precision,
    pub eps_space: EpsSpace,
    pub clip: Clip,
    pub label: Labels,
    pub outputs: Outputs,
}

impl Pgd {
    /// # Errors
    /// `Invalid` for an eps that is no radius in [0, 1] pixels, fewer than one step, and
    /// options that contradict each other.
    pub fn new(options: PgdOptions) -> Result<Self> {
        Self::named("pgd", options)
    }

    pub(super) fn named(name: &'static str, options: PgdOptions) -> Result<Self> {
        let PgdOptions { eps, steps, .. } = options;
        let la2024 = options.convention == Convention::La2024;
        let pgd = Pgd {
            name,
            eps,
            steps,
            step_size: options.step_size.unwrap_or(match la2024 {
                true => 0.01,
                false => 2.5 * eps / steps as f64,
            }),
            norm: options.norm,
            random_start: options.random_start,
            restarts: options.restarts,
            targeted: options.targeted,
            loss: options.loss,
            decay: options.decay,
            look_ahead: options.look_ahead,
            eot: options.eot,
            stop: options.stop,
            convention: options.convention,
            mode: options.mode,
            precision: options.precision,
            eps_space: options.eps_space.unwrap_or(match la2024 {
                true => EpsSpace::Normalized,
                false => EpsSpace::Pixel,
            }),
            clip: options.clip.unwrap_or(match la2024 {
                true => Clip(None),
                false => Clip::default(),
            }),
            label: options.label.unwrap_or(match la2024 {
                true => Labels::Predicted,
                false => Labels::True,
            }),
            outputs: options.outputs.unwrap_or(match la2024 {
                true => Outputs::All,
                false => Outputs::Class,
            }),
        };
        pgd.check()?;
        Ok(pgd)
    }

    fn check(&self) -> Result<()> {
        let what = self.name;
        check_eps(what, self.eps, self.norm, self.eps_space)?;
        self.norm.check_dense(what)?;
        check_precision(what, self.precision, self.mode)?;
        check_count(what, "steps", self.steps)?;
        check_count(what, "restarts", self.restarts)?;
        check_count(what, "eot", self.eot)?;
        let (restarts, step_size, decay) = (self.restarts, self.step_size, self.decay);
        ensure!(
            restarts == 1 || self.random_start.is_random(),
            "{what}: {restarts} `restarts` without `random_start` would all be the same"
        );
        ensure!(
            step_size.is_finite() && (step_size > 0.0 || self.eps == 0.0),
            "{what}: `step_size` must be positive, got {step_size}"
        );
        ensure!(
            decay.is_finite() && decay >= 0.0,
            "{what}: `decay` must be at least 0, got {decay}"
        );
        ensure!(
            decay > 0.0 || !self.look_ahead,
            "{what}: `look_ahead` follows the gradients of earlier steps, so it needs a `decay` \
             above 0"
        );
        ensure!(
            self.stop == Stop::Never || self.mode == Mode::Eval,
            "{what}: with `stop` \"broken\" images leave the batch, and in `mode` \"train\" that \
             would change the others"
        );
        ensure!(
            !self.targeted || self.label == Labels::True,
            "{what}: a targeted attack goes to the class that it is given: `label` must be \
             \"true\""
        );
        if self.loss == Objective::Kl {
            ensure!(
                !self.targeted,
                "{what}: the loss \"kl\" has no label: an attack with it cannot be targeted"
            );
            ensure!(
                self.random_start.is_random(),
                "{what}: the loss \"kl\" is flat at the clean image: it needs a `random_start`"
            );
        }
        Ok(())
    }

    /// What is attacked, and the images as it has them.
    fn landscape<'a>(
        &self,
        classifier: &'a Classifier<'a>,
        x: &Tensor,
        y: &Tensor,
    ) -> Result<(Landscape<'a>, Tensor)> {
        self.clip.check(x)?;
        let transform = self.eps_space.transform(classifier)?;
        let z = transform.forward(x)?;
        let label = self.label.of(self.outputs, classifier, x, y)?;
        let bounds = self.clip.bounds(&transform, &z)?;
        let landscape = Landscape::new(
            classifier,
            (self.loss, self.outputs, self.targeted),
            (x, label, y),
            (transform, bounds),
            self.precision,
        )?;
        Ok((landscape, z))
    }

    /// Where a run begins. Images are in the space of eps, here and below.
    pub(super) fn start(&self, landscape: &Landscape, z: &Tensor, draws: &Draws) -> Result<Tensor> {
        let lengths = (self.eps, self.step_size);
        let start = match self.random_start.noise(self.norm, lengths, z, draws)? {
            None => z.clone(),
            Some(noise) => landscape.bounds.clamp(&z.add(noise)?)?,
        };
        // The layout in which networks compute: so the step need not turn gradients round.
        laid_out(&start)
    }

    /// Where the next gradient is taken.
    pub(super) fn place(&self, momentum: &Momentum, z_adv: &Tensor) -> Result<Tensor> {
        match self.look_ahead {
            true => no_grad(|| momentum.ahead(z_adv, self.step_size)),
            false => Ok(z_adv.clone()),
        }
    }

    /// The images after a step along `gradient` and those before it.
    pub(super) fn step(
        &self,
        landscape: &Landscape,
        momentum: &mut Momentum,
        (z, z_adv): (&Tensor, &Tensor),
        gradient: Tensor,
    ) -> Result<Tensor> {
        let ball = Ball {
            norm: self.norm,
            eps: self.eps,
            bounds: &landscape.bounds,
        };
        no_grad(|| {
            let uphill = momentum.add(gradient)?;
            ball.step(z_adv, z, &uphill, self.step_size)
        })
    }

    /// One run from one start.
    fn ascend(&self, landscape: &Landscape, z: &Tensor, draws: &Draws) -> Result<Tensor> {
        let mut z_adv = self.start(landscape, z, draws)?;
        let z = &laid_out(z)?;
        let mut momentum = Momentum::new(self.decay);
        for _ in 0..self.steps {
            interrupt::check()?;
            let place = self.place(&momentum, &z_adv)?;
            let (gradient, _) = landscape.slope(&place, self.eot)?;
            z_adv = self.step(landscape, &mut momentum, (z, &z_adv), gradient)?;
        }
        z_adv.detach()?.contiguous()
    }

    /// Changed images, and the logits of their classes where these are known.
    fn attack(
        &self,
        classifier: &Classifier,
        x: &Tensor,
        y: &Tensor,
        draws: &Draws,
    ) -> Result<(Tensor, Option<Tensor>)> {
        check_batch(self.name, x, y)?;
        let x = x.detach()?;
        if self.eps == 0.0 || x.numel() == 0 {
            return Ok((x, None));
        }
        let (landscape, z) = self.landscape(classifier, &x, y)?;
        match self.stop {
            Stop::Never => {
                let z_adv = self.worst(&landscape, &z, draws)?;
                Ok((landscape.transform.inverse(&z_adv)?, None))
            }
            Stop::Broken => {
                let seen = chase(self, &landscape, &x, &z, draws)?;
                Ok((seen.x_adv, Some(seen.classes)))
            }
        }
    }

    /// The worst of all runs.
    fn worst(&self, landscape: &Landscape, z: &Tensor, draws: &Draws) -> Result<Tensor> {
        if self.restarts == 1 {
            return self.ascend(landscape, z, draws);
        }
        let mut worst = Worst::default();
        for _ in 0..self.restarts {
            let images = self.ascend(landscape, z, draws)?;
            let view = landscape.look(&images)?;
            worst.keep(Run {
                images,
                success: view.success,
                loss: view.height,
            })?;
        }
        Ok(worst.images().unwrap_or_else(|| z.clone()))
    }
}

impl Attack for Pgd {
    fn name(&self) -> &str {
        self.name
    }

    fn perturb(
        &self,
        classifier: &Classifier,
        x: &Tensor,
        y: &Tensor,
        draws: &Draws,
    ) -> Result<Tensor> {
        Ok(self.attack(classifier, x, y, draws)?.0)
    }

    fn perturb_seen(
        &self,
        classifier: &Classifier,
        x: &Tensor,
        y: &Tensor,
        draws: &Draws,
    ) -> Result<Seen> {
        match self.attack(classifier, x, y, draws)? {
            (x_adv, Some(classes)) => Ok(Seen { x_adv, classes }),
            (x_adv, None) => Seen::at(classifier, x_adv),
        }
    }

    fn mode(&self) -> Mode {
        self.mode
    }

    fn images_leave(&self) -> bool {
        self.stop == Stop::Broken
    }

    fn options(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// `Invalid` unless `eps` is a radius; above 1 in L-infinity it was meant in grey levels.
pub(super) fn check_eps(what: &str, eps: f64, norm: Norm, space: EpsSpace) -> Result<()> {
    ensure!(
        eps.is_finite() && eps >= 0.0,
        "{what}: `eps` must be at least 0, got {eps}"
    );
    ensure!(
        eps <= 1.0 || norm != Norm::Linf || space != EpsSpace::Pixel,
        "{what}: `eps` must be at most 1, pixels lie in [0, 1], got {eps}; did you mean \
         {eps:?}/255.0, that is px({eps})?"
    );
    Ok(())
}

/// `Invalid` where a frozen copy, which is in eval mode, would be asked for train mode.
pub(super) fn check_precision(what: &str, precision: Precision, mode: Mode) -> Result<()> {
    ensure!(
        mode == Mode::Eval || precision == Precision::Float32,
        "{what}: a `precision` below float32 attacks a frozen copy in eval mode, and `mode` is \"train\""
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(eps: f64, steps: i64) -> PgdOptions {
        let json = serde_json::json!({ "eps": eps, "steps": steps });
        serde_json::from_value(json).expect("the other options have defaults")
    }

    /// On a linear model the worst point of an L-infinity ball is a corner.
    #[test]
    fn reaches_the_corner_on_a_linear_model() -> Result<()> {
        let _guard = crate::torch::generator();
        let weight = Tensor::from_f64(&[1.0, -1.0, -1.0, 1.0], &[2, 2])?;
        let x = Tensor::from_f64(&[0.5, 0.5], &[1, 2])?;
        let classifier = Classifier::new(|x| x.matmul(&weight));
        let y = Tensor::from_i64(&[0], &[1])?;
        let x_adv = Pgd::new(options(0.1, 10))?.perturb(&classifier, &x, &y, &Draws::of_batch())?;
        assert!(x_adv.all_close(&Tensor::from_f64(&[0.4, 0.6], &[1, 2])?, 0.0, 1e-15)?);
        Ok(())
    }

    /// In L2 it is the point of the sphere in the direction of the gradient.
    #[test]
    fn reaches_the_sphere_in_l2() -> Result<()> {
        let _guard = crate::torch::generator();
        let weight = Tensor::from_f64(&[3.0, 0.0, 4.0, 0.0], &[2, 2])?;
        let x = Tensor::from_f64(&[0.5, 0.5], &[1, 2])?;
        let classifier = Classifier::new(|x| x.matmul(&weight));
        let y = Tensor::from_i64(&[0], &[1])?;
        let attack = Pgd::new(PgdOptions {
            norm: Norm::L2,
            step_size: Some(0.1),
            ..options(0.1, 60)
        })?;
        let x_adv = attack.perturb(&classifier, &x, &y, &Draws::of_batch())?;
        assert!(x_adv.all_close(&Tensor::from_f64(&[0.44, 0.42], &[1, 2])?, 0.0, 1e-6)?);
        Ok(())
    }

    #[test]
    fn more_restarts_never_lower_the_loss() -> Result<()> {
        let _guard = crate::torch::generator();
        crate::torch::manual_seed(3);
        let weight = crate::torch::randn(&[12, 5], crate::torch::Like::default())?;
        let classifier = Classifier::new(|x| x.mul(9.0)?.sin()?.matmul(&weight));
        let x = crate::torch::rand(&[16, 12], crate::torch::Like::default())?;
        let y = crate::torch::zeros(&[16], crate::torch::Like::default())?
            .to_dtype(crate::torch::Dtype::Int64)?;
        let mut before = f64::NEG_INFINITY;
        for restarts in 1..6 {
            crate::torch::manual_seed(5);
            let attack = Pgd::new(PgdOptions {
                restarts,
                ..options(0.2, 3)
            })?;
            let logits =
                classifier.logits(&attack.perturb(&classifier, &x, &y, &Draws::of_batch())?)?;
            let broken = logits.argmax(1, false)?.ne(&y)?.count_nonzero()? as f64;
            assert!(broken >= before);
            before = broken;
        }
        Ok(())
    }
}
