//! The fast gradient sign method: Goodfellow et al. 2015, <https://arxiv.org/abs/1412.6572>,
//! section 4. One whole step from the clean image.

use super::norm::Norm;
use super::objective::{Labels, Loss, Outputs};
use super::pgd::{Pgd, check_eps, check_precision};
use super::space::{Clip, EpsSpace};
use super::start::Start;
use super::stop::Stop;
use super::{Attack, Classifier, Draws, Mode};
use crate::Result;
use crate::torch::{Precision, Tensor};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fgsm {
    pub eps: f64,
    #[serde(default)]
    pub norm: Norm,
    #[serde(default)]
    pub targeted: bool,
    #[serde(default)]
    pub loss: Loss,
    #[serde(default)]
    pub mode: Mode,
    /// Of the passes of the search.
    #[serde(default)]
    pub precision: Precision,
    #[serde(default)]
    pub eps_space: EpsSpace,
    #[serde(default)]
    pub clip: Clip,
    #[serde(default)]
    pub label: Labels,
    #[serde(default)]
    pub outputs: Outputs,
}

impl Fgsm {
    /// # Errors
    /// `Invalid` for an eps that is no radius.
    pub fn check(&self) -> Result<()> {
        check_eps("fgsm", self.eps, self.norm, self.eps_space)?;
        self.norm.check_dense("fgsm")?;
        check_precision("fgsm", self.precision, self.mode)?;
        ensure!(
            !self.targeted || self.label == Labels::True,
            "fgsm: a targeted attack goes to the class that it is given: `label` must be \"true\""
        );
        Ok(())
    }
}

impl Attack for Fgsm {
    fn name(&self) -> &'static str {
        "fgsm"
    }

    fn perturb(
        &self,
        classifier: &Classifier,
        x: &Tensor,
        y: &Tensor,
        draws: &Draws,
    ) -> Result<Tensor> {
        // PGD of one step of length eps without a random start is this attack.
        let step = Pgd {
            name: "fgsm",
            eps: self.eps,
            steps: 1,
            step_size: self.eps,
            norm: self.norm,
            random_start: Start::Clean,
            restarts: 1,
            targeted: self.targeted,
            loss: self.loss.into(),
            decay: 0.0,
            look_ahead: false,
            eot: 1,
            stop: Stop::Never,
            convention: Default::default(),
            mode: self.mode,
            precision: self.precision,
            eps_space: self.eps_space,
            clip: self.clip,
            label: self.label,
            outputs: self.outputs,
        };
        step.perturb(classifier, x, y, draws)
    }

    fn mode(&self) -> Mode {
        self.mode
    }

    fn options(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}
