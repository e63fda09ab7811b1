//! Attacks with a loss, a step or a projection of somebody's own, and the rest built in.

use super::apgd::{check_count, one};
use super::ball::Ball;
use super::norm::Norm;
use super::objective::{Loss, Outputs};
use super::pgd::check_eps;
use super::space::{Bounds, EpsSpace};
use super::victim::{Sight, Victim};
use super::worst::{Run, Worst};
use super::{Attack, Classifier, Draws, Mode, ready};
use crate::torch::{Precision, Tensor, no_grad, with_grad};
use crate::{Result, interrupt};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnOptions {
    #[serde(default = "own")]
    pub name: String,
    pub eps: Option<f64>,
    #[serde(default)]
    pub norm: Norm,
    pub steps: i64,
    pub step_size: Option<f64>,
    pub random_start: Option<bool>,
    #[serde(default = "one")]
    pub restarts: i64,
    #[serde(default)]
    pub loss: Loss,
    #[serde(default)]
    pub mode: Mode,
    #[serde(default)]
    pub outputs: Outputs,
    /// Options, too, but functions: see [`Parts`].
    #[serde(default, skip_serializing)]
    pub step: (),
    #[serde(default, skip_serializing)]
    pub search: (),
    #[serde(default, skip_serializing)]
    pub project: (),
}

fn own() -> String {
    "own".to_owned()
}

/// From two batches to a third.
pub type OfTwo<'a> = Box<dyn Fn(&Tensor, &Tensor) -> Result<Tensor> + 'a>;
/// From `x_adv`, the gradient there and `x` to the next `x_adv`.
pub type Stepper<'a> = Box<dyn FnMut(&Tensor, &Tensor, &Tensor) -> Result<Tensor> + 'a>;
/// From the best `x_adv` so far and `x` to the next one to try.
pub type Searcher<'a> = Box<dyn FnMut(&Tensor, &Tensor) -> Result<Tensor> + 'a>;

/// The parts that are somebody's own.
#[derive(Default)]
pub struct Parts<'a> {
    /// From logits `[n, outputs]` and `y` to what is ascended, `[n]`.
    pub loss: Option<OfTwo<'a>>,
    /// Makes a step for each run, so that it may remember what went before in its run. What it
    /// returns is projected.
    pub step: Option<Box<dyn Fn() -> Stepper<'a> + 'a>>,
    /// The same without a gradient.
    pub search: Option<Box<dyn Fn() -> Searcher<'a> + 'a>>,
    /// From an `x_adv` and `x` to the nearest image that the threat model allows.
    pub project: Option<OfTwo<'a>>,
}

/// An attack of these parts.
pub struct Own<'a> {
    options: OwnOptions,
    parts: Parts<'a>,
    step_size: f64,
    random_start: bool,
}

impl<'a> Own<'a> {
    /// # Errors
    /// `Invalid` for an eps that is no radius, or none where the projection is built in; counts
    /// below 1; a step and a search at once; what needs eps, without one.
    pub fn new(options: OwnOptions, parts: Parts<'a>) -> Result<Self> {
        let what = &options.name;
        ensure!(
            !what.is_empty(),
            "own_attack: `name` must not be empty, it is what tables show"
        );
        match options.eps {
            Some(eps) => check_eps(what, eps, options.norm, EpsSpace::Pixel)?,
            None => ensure!(
                parts.project.is_some(),
                "{what}: `eps` must be given, or `project`, a closure |x_adv, x| to the nearest \
                 image that is allowed"
            ),
        }
        options.norm.check_dense(what)?;
        check_count(what, "steps", options.steps)?;
        check_count(what, "restarts", options.restarts)?;
        ensure!(
            parts.step.is_none() || parts.search.is_none(),
            "{what}: `step` follows a gradient and `search` needs none: give one of them"
        );
        let random_start = options.random_start.unwrap_or(options.eps.is_some());
        ensure!(
            !random_start || options.eps.is_some(),
            "{what}: `random_start` needs `eps`, the radius within which it lies"
        );
        ensure!(
            options.restarts == 1 || random_start || parts.search.is_some(),
            "{what}: {} `restarts` without `random_start` would all be the same",
            options.restarts
        );
        let own_step = parts.step.is_some() || parts.search.is_some();
        let by_eps = options.eps.map(|eps| 2.5 * eps / options.steps as f64);
        let step_size = match options.step_size.or(by_eps) {
            Some(step_size) => step_size,
            None if own_step => 0.0,
            None => {
                bail!("{what}: `step_size` must be given, or `eps`, from which it would follow")
            }
        };
        ensure!(
            step_size.is_finite() && (step_size > 0.0 || own_step || options.eps == Some(0.0)),
            "{what}: `step_size` must be positive, got {step_size}"
        );
        Ok(Own {
            options,
            parts,
            step_size,
            random_start,
        })
    }

    /// One run from one start.
    fn run(&self, victim: &Victim, x: &Tensor, y: &Tensor, draws: &Draws) -> Result<Tensor> {
        let mut x_adv = x.clone();
        if let (true, Some(eps)) = (self.random_start, self.options.eps) {
            let noise = self.options.norm.random(x, eps, draws)?;
            x_adv = no_grad(|| self.project(&x.add(noise)?, x))?;
        }
        let mut step = self.parts.step.as_ref().map(|make| make());
        let mut search = self.parts.search.as_ref().map(|make| make());
        let mut best_loss = None;
        for _ in 0..self.options.steps {
            interrupt::check()?;
            x_adv = match &mut search {
                Some(search) => no_grad(|| {
                    let before = match best_loss.take() {
                        Some(loss) => loss,
                        None => self.look(victim, &x_adv, y)?.1,
                    };
                    let tried = self.shaped("search", search(&x_adv, x)?, x)?;
                    let tried = self.project(&tried, x)?;
                    let loss = self.look(victim, &tried, y)?.1;
                    let better = loss.gt(&before)?;
                    best_loss = Some(loss.where_(&better, &before)?);
                    tried.where_(&better.broadcast_to_examples(x)?, &x_adv)
                })?,
                None => {
                    let [uphill] = victim.classifier.in_parts(x.dim(0)?, |part| {
                        let (leaf, y) = (part.of(&x_adv)?.leaf()?, part.of(y)?);
                        with_grad(|| {
                            let loss = self.look(victim, &leaf, &y)?.1;
                            Ok([loss.sum()?.gradient(&leaf)?])
                        })
                    })?;
                    no_grad(|| self.step(step.as_mut(), &x_adv, &uphill, x))?
                }
            };
        }
        ensure!(
            x_adv.isfinite()?.logical_not()?.count_nonzero()? == 0,
            "{}: the attack made pixels that are no numbers; look at what its closures divide by",
            self.options.name
        );
        x_adv.detach()
    }

    /// What the classifier says, and what is ascended, `[n]`.
    fn look(&self, victim: &Victim, x_adv: &Tensor, y: &Tensor) -> Result<(Sight, Tensor)> {
        let sight = victim.exact_sight(x_adv)?;
        let Some(own) = &self.parts.loss else {
            let loss = self.options.loss.each(&sight.logits, y)?;
            return Ok((sight, loss));
        };
        let loss = own(&sight.logits, y)?;
        let n = y.shape()[0];
        ensure!(
            loss.shape() == [n] && loss.dtype()?.is_float(),
            "{}: `loss` must give one number for each image, [{n}], got {}; with \
             `reduction: \"none\"` a loss is not averaged",
            self.options.name,
            loss.signature()
        );
        Ok((sight, loss))
    }

    fn step(
        &self,
        own: Option<&mut Stepper>,
        x_adv: &Tensor,
        uphill: &Tensor,
        x: &Tensor,
    ) -> Result<Tensor> {
        let norm = self.options.norm;
        if let (None, None, Some(eps)) = (&own, &self.parts.project, self.options.eps) {
            let bounds = &Bounds::Numbers(0.0, 1.0);
            return Ball { norm, eps, bounds }.step(x_adv, x, uphill, self.step_size);
        }
        let moved = match own {
            Some(own) => self.shaped("step", own(x_adv, uphill, x)?, x)?,
            None => x_adv.add(norm.ascent(uphill)?.mul(self.step_size)?)?,
        };
        self.project(&moved, x)
    }

    /// The nearest image that the threat model allows, within [0, 1].
    fn project(&self, x_adv: &Tensor, x: &Tensor) -> Result<Tensor> {
        let allowed = match (&self.parts.project, self.options.eps) {
            (Some(own), _) => self.shaped("project", own(x_adv, x)?, x)?,
            (None, Some(eps)) => x.add(self.options.norm.project(&x_adv.sub(x)?, eps)?)?,
            (None, None) => x_adv.clone(),
        };
        allowed.clamp(0.0, 1.0)
    }

    /// What a part returned, if it is images like `x`.
    fn shaped(&self, part: &str, images: Tensor, x: &Tensor) -> Result<Tensor> {
        ensure!(
            images.shape() == x.shape() && images.dtype()? == x.dtype()?,
            "{}: `{part}` must give images like `x`, {}, got {}",
            self.options.name,
            x.signature(),
            images.signature()
        );
        images.detach()
    }
}

impl Attack for Own<'_> {
    fn name(&self) -> &str {
        &self.options.name
    }

    fn perturb(
        &self,
        classifier: &Classifier,
        x: &Tensor,
        y: &Tensor,
        draws: &Draws,
    ) -> Result<Tensor> {
        let (x, idle) = ready(&self.options.name, self.options.eps, x, y)?;
        if idle {
            return Ok(x);
        }
        let victim = Victim {
            classifier,
            outputs: self.options.outputs,
            precision: Precision::Float32,
        };
        if self.options.restarts == 1 {
            return self.run(&victim, &x, y, draws);
        }
        let mut worst = Worst::default();
        for _ in 0..self.options.restarts {
            let images = self.run(&victim, &x, y, draws)?;
            let (sight, loss) = no_grad(|| self.look(&victim, &images, y))?;
            worst.keep(Run {
                images,
                success: sight.wrong(y)?,
                loss,
            })?;
        }
        Ok(worst.images().unwrap_or(x))
    }

    fn mode(&self) -> Mode {
        self.options.mode
    }

    fn options(&self) -> serde_json::Value {
        let mut options = serde_json::to_value(&self.options).unwrap_or_default();
        if let Some(options) = options.as_object_mut() {
            options.shift_remove("name");
        }
        options["step_size"] = self.step_size.into();
        options["random_start"] = self.random_start.into();
        let Parts {
            loss,
            step,
            search,
            project,
        } = &self.parts;
        for (name, own) in [
            ("loss", loss.is_some()),
            ("step", step.is_some()),
            ("search", search.is_some()),
            ("project", project.is_some()),
        ] {
            if own {
                options[name] = "closure".into();
            }
        }
        options
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Pgd, PgdOptions};
    use super::*;
    use crate::torch::{Like, generator, manual_seed, rand, randn};
    use serde_json::json;

    fn options(more: serde_json::Value) -> OwnOptions {
        let mut options = json!({ "eps": 0.05, "steps": 6 });
        for (key, value) in more.as_object().expect("a map") {
            options[key] = value.clone();
        }
        serde_json::from_value(options).expect("the options are right")
    }

    struct Problem {
        weight: Tensor,
        x: Tensor,
        y: Tensor,
    }

    impl Problem {
        fn new() -> Result<Self> {
            manual_seed(3);
            Ok(Problem {
                weight: randn(&[12, 5], Like::default())?,
                x: rand(&[8, 12], Like::default())?,
                y: Tensor::from_i64(&[0, 1, 2, 3, 4, 0, 1, 2], &[8])?,
            })
        }

        fn attacked(&self, attack: &dyn Attack) -> Result<Tensor> {
            manual_seed(5);
            let classifier = Classifier::new(|x| x.mul(9.0)?.sin()?.matmul(&self.weight));
            attack.perturb(&classifier, &self.x, &self.y, &Draws::of_batch())
        }
    }

    /// With parts that do what the built-in ones do, it is PGD, bit for bit.
    #[test]
    fn pgd_of_own_parts_is_pgd() -> Result<()> {
        let _guard = generator();
        let problem = Problem::new()?;
        for restarts in [1, 3] {
            let pgd: PgdOptions =
                serde_json::from_value(json!({ "eps": 0.05, "steps": 6, "restarts": restarts }))
                    .expect("the options are right");
            let expected = problem.attacked(&Pgd::new(pgd)?)?;
            let step_size = 2.5 * 0.05 / 6.0;
            let loss = || -> Option<OfTwo> {
                Some(Box::new(|logits, y| Loss::CrossEntropy.each(logits, y)))
            };
            let step = || -> Option<Box<dyn Fn() -> Stepper<'static>>> {
                Some(Box::new(move || {
                    Box::new(move |x_adv, gradient, _| x_adv.add(gradient.sign()?.mul(step_size)?))
                }))
            };
            let project = || -> Option<OfTwo> {
                Some(Box::new(|x_adv, x| {
                    x.add(x_adv.sub(x)?.clamp(-0.05, 0.05)?)
                }))
            };
            for parts in [
                Parts::default(),
                Parts {
                    loss: loss(),
                    ..Parts::default()
                },
                Parts {
                    step: step(),
                    ..Parts::default()
                },
                Parts {
                    project: project(),
                    ..Parts::default()
                },
                Parts {
                    loss: loss(),
                    step: step(),
                    project: project(),
                    search: None,
                },
            ] {
                let own = Own::new(options(json!({ "restarts": restarts })), parts)?;
                assert!(problem.attacked(&own)?.equal(&expected)?);
            }
        }
        Ok(())
    }

    /// A search keeps what raises the loss, so more steps never lower it.
    #[test]
    fn a_search_only_climbs() -> Result<()> {
        let _guard = generator();
        let problem = Problem::new()?;
        let loss_after = |steps: i64| -> Result<Tensor> {
            let search = || -> Searcher<'static> {
                Box::new(|best, _| best.add(best.uniform_like(-0.02, 0.02)?))
            };
            let parts = Parts {
                search: Some(Box::new(search)),
                ..Parts::default()
            };
            let own = Own::new(options(json!({ "steps": steps })), parts)?;
            let x_adv = problem.attacked(&own)?;
            assert!(x_adv.sub(&problem.x)?.abs()?.amax()?.item()? <= 0.05 + 1e-6);
            let logits = x_adv.mul(9.0)?.sin()?.matmul(&problem.weight)?;
            Loss::CrossEntropy.each(&logits, &problem.y)
        };
        let few = loss_after(3)?;
        let many = loss_after(30)?;
        assert_eq!(many.lt(&few)?.count_nonzero()?, 0);
        assert!(many.gt(&few)?.count_nonzero()? > 0);
        Ok(())
    }

    #[test]
    fn parts_that_do_not_fit_are_named() -> Result<()> {
        let _guard = generator();
        let problem = Problem::new()?;
        let message = |parts: Parts, more: serde_json::Value| {
            let attack = Own::new(options(more), parts);
            let attacked = attack.and_then(|attack| problem.attacked(&attack));
            attacked
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default()
        };
        let mean: OfTwo = Box::new(|logits, y| Loss::CrossEntropy.each(logits, y)?.mean());
        let parts = Parts {
            loss: Some(mean),
            ..Parts::default()
        };
        assert!(
            message(parts, json!({})).contains("`loss` must give one number for each image, [8]")
        );
        let step = || -> Stepper<'static> { Box::new(|x_adv, _, _| x_adv.sum()) };
        let parts = Parts {
            step: Some(Box::new(step)),
            ..Parts::default()
        };
        assert!(message(parts, json!({})).contains("`step` must give images like `x`"));
        let none = json!({ "eps": null });
        assert!(message(Parts::default(), none).contains("`eps` must be given, or `project`"));
        let twice = json!({ "restarts": 2, "random_start": false });
        assert!(message(Parts::default(), twice).contains("would all be the same"));
        Ok(())
    }
}
