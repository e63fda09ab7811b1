//! AutoAttack: Croce & Hein 2020, <https://arxiv.org/abs/2003.01690>, section 5, and the versions of
//! the authors' program. Attacks of different kinds, one after the other; each sees the examples
//! that are still classified rightly.

use super::apgd::{Apgd, check_count, hundred, three_quarters};
use super::apgd_t::{ApgdT, nine};
use super::fab::Fab;
use super::norm::Norm;
use super::objective::{Loss, Outputs};
use super::pgd::{check_eps, check_precision};
use super::space::EpsSpace;
use super::square::{Square, five_thousand, four_fifths};
use super::stop::Stop;
use super::survivors::{Found, Survivors};
use super::victim::Victim;
use super::{Attack, Classifier, Draws, Mode, Outcome, check_batch, describe};
use crate::Result;
use crate::torch::{Precision, Tensor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::rc::Rc;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Version {
    /// The four attacks of robustness leaderboards.
    #[default]
    Standard,
    /// Six attacks, with restarts.
    Plus,
    /// For classifiers that draw random numbers: gradients are averaged over 20 passes.
    Rand,
    /// The attacks that are given.
    Custom,
}

impl Version {
    fn attacks(self) -> &'static [&'static str] {
        match self {
            Version::Standard => &["apgd-ce", "apgd-t", "fab-t", "square"],
            Version::Plus => &["apgd-ce", "apgd-dlr", "fab", "square", "apgd-t", "fab-t"],
            Version::Rand => &["apgd-ce", "apgd-dlr"],
            Version::Custom => &[],
        }
    }
}

/// What a user may say; `AutoAttack` is what it comes to.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutoAttackOptions {
    pub eps: f64,
    #[serde(default)]
    pub norm: Norm,
    #[serde(default)]
    pub version: Version,
    /// Of version `"custom"`, by their names in the authors' program.
    #[serde(default)]
    pub attacks: Vec<String>,
    /// Of all attacks but Square.
    #[serde(default = "hundred")]
    pub steps: i64,
    /// Of Square.
    #[serde(default = "five_thousand")]
    pub queries: i64,
    /// Of the targeted attacks.
    #[serde(default = "nine")]
    pub targets: i64,
    #[serde(default)]
    pub mode: Mode,
    /// Of the passes of the search.
    #[serde(default)]
    pub precision: Precision,
    #[serde(default)]
    pub outputs: Outputs,
    #[serde(default)]
    pub stop: Stop,
}

struct Stage<'a> {
    name: String,
    attack: Rc<dyn Attack + 'a>,
}

pub struct AutoAttack<'a> {
    options: AutoAttackOptions,
    stages: Vec<Stage<'a>>,
}

impl<'a> AutoAttack<'a> {
    /// `own` are attacks that do not come by a name, at their places in `attacks`.
    ///
    /// # Errors
    /// `Invalid` for options out of range, attacks where the version brings its own or none
    /// where it does not, and attacks that do not exist.
    pub fn new(
        options: AutoAttackOptions,
        own: BTreeMap<usize, Rc<dyn Attack + 'a>>,
    ) -> Result<Self> {
        check_eps("autoattack", options.eps, options.norm, EpsSpace::Pixel)?;
        check_precision("autoattack", options.precision, options.mode)?;
        for (name, count) in [
            ("steps", options.steps),
            ("queries", options.queries),
            ("targets", options.targets),
        ] {
            check_count("autoattack", name, count)?;
        }
        let custom = options.version == Version::Custom;
        ensure!(
            custom || options.attacks.is_empty(),
            "autoattack: only version \"custom\" takes `attacks`; the others bring their own"
        );
        ensure!(
            !custom || !options.attacks.is_empty(),
            "autoattack: version \"custom\" needs `attacks`, for example [\"apgd-ce\", \"square\"]"
        );
        let brought = options.version.attacks().iter().copied();
        let names = brought.chain(options.attacks.iter().map(String::as_str));
        let stages = names.enumerate().map(|(place, name)| {
            Ok(Stage {
                name: name.to_owned(),
                attack: match own.get(&place) {
                    Some(attack) => attack.clone(),
                    None => options.named(name)?,
                },
            })
        });
        let stages: Vec<Stage> = stages.collect::<Result<_>>()?;
        for stage in &stages {
            ensure!(
                stage.attack.options()["targeted"] != true,
                "autoattack: `{}` is targeted, it would go towards the true class",
                stage.name
            );
        }
        Ok(AutoAttack { options, stages })
    }
}

impl AutoAttackOptions {
    /// One of the authors' attacks with the parameters that it has in this version.
    fn named(&self, name: &str) -> Result<Rc<dyn Attack>> {
        let restarts = match (self.version, self.norm) {
            (Version::Plus | Version::Custom, _) | (Version::Standard, Norm::L1) => 5,
            (Version::Standard | Version::Rand, _) => 1,
        };
        // In L1 the standard version spends its time on restarts instead.
        let targets = match (self.version, self.norm) {
            (Version::Standard, Norm::L1) => self.targets.min(5),
            _ => self.targets,
        };
        let attack: Rc<dyn Attack> = match name {
            "apgd-ce" => Rc::new(self.apgd(Loss::CrossEntropy, restarts)),
            "apgd-dlr" => Rc::new(self.apgd(Loss::Dlr, restarts)),
            "apgd-t" => Rc::new(ApgdT {
                eps: self.eps,
                norm: self.norm,
                steps: self.steps,
                restarts: 1,
                targets,
                eot: 1,
                rho: three_quarters(),
                mode: self.mode,
                precision: self.precision,
                outputs: self.outputs,
                stop: self.stop,
            }),
            "fab" => Rc::new(self.fab(0, restarts)),
            "fab-t" => Rc::new(self.fab(self.targets, 1)),
            "square" => Rc::new(Square {
                eps: self.eps,
                norm: self.norm,
                queries: self.queries,
                restarts: 1,
                p: four_fifths(),
                mode: self.mode,
                outputs: self.outputs,
            }),
            _ => bail!(
                "autoattack: there is no attack {name:?}; there are \"apgd-ce\", \"apgd-dlr\", \
                 \"apgd-t\", \"fab\", \"fab-t\", \"square\", and any attack as a value"
            ),
        };
        Ok(attack)
    }

    fn apgd(&self, loss: Loss, restarts: i64) -> Apgd {
        Apgd {
            eps: self.eps,
            norm: self.norm,
            steps: self.steps,
            restarts,
            loss,
            eot: if self.version == Version::Rand { 20 } else { 1 },
            rho: three_quarters(),
            mode: self.mode,
            precision: self.precision,
            outputs: self.outputs,
            stop: self.stop,
        }
    }

    fn fab(&self, targets: i64, restarts: i64) -> Fab {
        Fab {
            restarts,
            targets,
            steps: self.steps,
            norm: self.norm,
            mode: self.mode,
            precision: self.precision,
            outputs: self.outputs,
            stop: self.stop,
            ..Fab::within(self.eps)
        }
    }
}

impl Attack for AutoAttack<'_> {
    fn name(&self) -> &'static str {
        "autoattack"
    }

    fn perturb(
        &self,
        classifier: &Classifier,
        x: &Tensor,
        y: &Tensor,
        draws: &Draws,
    ) -> Result<Tensor> {
        Ok(self.perturb_in_stages(classifier, x, y, draws)?.x_adv)
    }

    fn perturb_in_stages(
        &self,
        classifier: &Classifier,
        x: &Tensor,
        y: &Tensor,
        draws: &Draws,
    ) -> Result<Outcome> {
        check_batch("autoattack", x, y)?;
        let x = x.detach()?;
        if x.numel() == 0 {
            return Ok(Outcome {
                x_adv: x,
                robust_accuracy: Vec::new(),
            });
        }
        let victim = Victim {
            classifier,
            outputs: self.options.outputs,
            precision: self.options.precision,
        };
        let mut survivors = Survivors::of(&victim, &x, y)?;
        let share = |left: &Survivors| left.count() as f64 / x.shape()[0] as f64;
        let mut robust_accuracy = vec![("clean".to_owned(), share(&survivors))];
        let start = draws.mark();
        for stage in &self.stages {
            if survivors.count() == 0 {
                break;
            }
            draws.rewind(&start);
            survivors.attack(draws, |x, y, draws| {
                let x_adv = stage.attack.perturb(classifier, x, y, draws)?;
                // What an attack of another threat model finds counts only within this one.
                let size = self.options.norm.size(&x_adv.sub(x)?)?;
                let within = size.le(self.options.eps * (1.0 + 1e-5) + 1e-6)?;
                let broken = victim.wrong(&x_adv, y)?.logical_and(&within)?;
                Ok(Found { x_adv, broken })
            })?;
            robust_accuracy.push((stage.name.clone(), share(&survivors)));
        }
        Ok(Outcome {
            x_adv: survivors.images(),
            robust_accuracy,
        })
    }

    fn mode(&self) -> Mode {
        self.options.mode
    }

    fn images_leave(&self) -> bool {
        true
    }

    fn options(&self) -> serde_json::Value {
        let mut options = serde_json::to_value(&self.options).unwrap_or_default();
        let stages = self.stages.iter().map(|stage| match self.options.version {
            Version::Custom => describe(&*stage.attack),
            _ => stage.name.clone(),
        });
        options["attacks"] = stages.collect();
        options
    }
}
