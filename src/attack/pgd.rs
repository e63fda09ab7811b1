//! Projected gradient descent: Madry et al. 2018, <https://arxiv.org/abs/1706.06083>,
//! section 2.1; the L2 steps as in torchattacks and foolbox.

use super::ball::Ball;
use super::norm::Norm;
use super::objective::{Labels, Loss, Outputs};
use super::space::{Bounds, Clip, EpsSpace};
use super::worst::{Run, Worst};
use super::{Attack, Classifier, Draws, Mode, check_batch};
use crate::nn::{Normalize, class_logits};
use crate::torch::{Tensor, no_grad, with_grad};
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
    #[serde(default = "yes")]
    pub random_start: bool,
    #[serde(default = "one")]
    pub restarts: i64,
    #[serde(default)]
    pub targeted: bool,
    #[serde(default)]
    pub loss: Loss,
    #[serde(default)]
    pub convention: Convention,
    #[serde(default)]
    pub mode: Mode,
    pub eps_space: Option<EpsSpace>,
    pub clip: Option<Clip>,
    pub label: Option<Labels>,
    pub outputs: Option<Outputs>,
}

fn yes() -> bool {
    true
}

fn one() -> i64 {
    1
}

/// A PGD attack with every choice made.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pgd {
    pub eps: f64,
    pub steps: i64,
    pub step_size: f64,
    pub norm: Norm,
    pub random_start: bool,
    pub restarts: i64,
    pub targeted: bool,
    pub loss: Loss,
    pub convention: Convention,
    pub mode: Mode,
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
        let PgdOptions {
            eps,
            steps,
            restarts,
            random_start,
            targeted,
            convention,
            ..
        } = options;
        let la2024 = convention == Convention::La2024;
        let eps_space = options.eps_space.unwrap_or(match la2024 {
            true => EpsSpace::Normalized,
            false => EpsSpace::Pixel,
        });
        check_eps("pgd", eps, options.norm, eps_space)?;
        ensure!(steps >= 1, "pgd: `steps` must be at least 1, got {steps}");
        ensure!(
            restarts >= 1,
            "pgd: `restarts` must be at least 1, got {restarts}"
        );
        ensure!(
            restarts == 1 || random_start,
            "pgd: {restarts} `restarts` without `random_start` would all be the same"
        );
        let step_size = options.step_size.unwrap_or(match la2024 {
            true => 0.01,
            false => 2.5 * eps / steps as f64,
        });
        ensure!(
            step_size.is_finite() && (step_size > 0.0 || eps == 0.0),
            "pgd: `step_size` must be positive, got {step_size}"
        );
        let label = options.label.unwrap_or(match la2024 {
            true => Labels::Predicted,
            false => Labels::True,
        });
        ensure!(
            !targeted || label == Labels::True,
            "pgd: a targeted attack goes to the class that it is given: `label` must be \"true\""
        );
        let clip = options
            .clip
            .unwrap_or(if la2024 { Clip(None) } else { Clip::default() });
        let outputs = options.outputs.unwrap_or(match la2024 {
            true => Outputs::All,
            false => Outputs::Class,
        });
        Ok(Pgd {
            eps,
            steps,
            step_size,
            norm: options.norm,
            random_start,
            restarts,
            targeted,
            loss: options.loss,
            convention,
            mode: options.mode,
            eps_space,
            clip,
            label,
            outputs,
        })
    }

    /// One run from one start. `z` and what comes back are in the space of eps.
    fn ascend(&self, target: &Target, z: &Tensor, draws: &Draws) -> Result<Tensor> {
        let mut z_adv = z.clone();
        if self.random_start {
            z_adv = target
                .bounds
                .clamp(&z.add(self.norm.random(z, self.eps, draws)?)?)?;
        }
        for _ in 0..self.steps {
            interrupt::check()?;
            let leaf = z_adv.leaf()?;
            let gradient = with_grad(|| target.losses(&leaf)?.sum()?.gradient(&leaf))?;
            let ball = Ball {
                norm: self.norm,
                eps: self.eps,
                bounds: &target.bounds,
            };
            z_adv = no_grad(|| ball.step(&z_adv, z, &gradient, self.step_size))?;
        }
        z_adv.detach()
    }
}

impl Attack for Pgd {
    fn name(&self) -> &'static str {
        "pgd"
    }

    fn perturb(
        &self,
        classifier: &Classifier,
        x: &Tensor,
        y: &Tensor,
        draws: &Draws,
    ) -> Result<Tensor> {
        check_batch("pgd", x, y)?;
        let x = x.detach()?;
        if self.eps == 0.0 || x.numel() == 0 {
            return Ok(x);
        }
        self.clip.check(&x)?;
        let transform = self.eps_space.transform(classifier)?;
        let z = transform.forward(&x)?;
        let target = Target {
            classifier,
            y: self.label.of(self.outputs, classifier, &x, y)?,
            class: y.clone(),
            loss: self.loss,
            outputs: self.outputs,
            targeted: self.targeted,
            bounds: self.clip.bounds(&transform, &z)?,
            transform,
        };
        let mut worst = Worst::default();
        for _ in 0..self.restarts {
            let z_adv = self.ascend(&target, &z, draws)?;
            if self.restarts == 1 {
                return target.transform.inverse(&z_adv);
            }
            worst.keep(target.judge(z_adv)?)?;
        }
        match worst.images() {
            Some(z_adv) => target.transform.inverse(&z_adv),
            None => Ok(x),
        }
    }

    fn mode(&self) -> Mode {
        self.mode
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

/// The loss landscape of one batch.
struct Target<'a> {
    classifier: &'a Classifier<'a>,
    /// The label whose loss is ascended.
    y: Tensor,
    /// The class that was passed.
    class: Tensor,
    loss: Loss,
    outputs: Outputs,
    targeted: bool,
    bounds: Bounds,
    transform: Normalize,
}

impl Target<'_> {
    fn logits(&self, z: &Tensor) -> Result<Tensor> {
        self.outputs
            .of(self.classifier, &self.transform.inverse(z)?)
    }

    /// What the attack ascends, for each image: high is good for the attacker.
    fn losses(&self, z: &Tensor) -> Result<Tensor> {
        self.signed(&self.logits(z)?)
    }

    fn signed(&self, logits: &Tensor) -> Result<Tensor> {
        let each = self.loss.each(logits, &self.y)?;
        if self.targeted { each.neg() } else { Ok(each) }
    }

    /// What a run came to.
    fn judge(&self, images: Tensor) -> Result<Run> {
        no_grad(|| {
            let logits = self.logits(&images)?;
            // A success is a changed class, whatever other outputs the attacker sees.
            let classes = class_logits(&logits, self.classifier.classes)?;
            let hit = classes.argmax(1, false)?.eq(&self.class)?;
            Ok(Run {
                images,
                success: if self.targeted {
                    hit
                } else {
                    hit.logical_not()?
                },
                loss: self.signed(&logits)?,
            })
        })
    }
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
