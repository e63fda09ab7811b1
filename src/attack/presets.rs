//! The family of PGD under the names of its members, each with what makes it that one.

use super::Mode;
use super::landscape::Objective;
use super::norm::Norm;
use super::objective::{Labels, Outputs};
use super::pgd::{Convention, Pgd, PgdOptions};
use super::space::{Clip, EpsSpace};
use super::start::Start;
use super::stop::Stop;
use crate::Result;
use crate::torch::Precision;
use serde::Deserialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// A random step first: Tramèr et al. 2018, <https://arxiv.org/abs/1705.07204>, section 4.1,
    /// which makes one step after it; torchattacks makes several.
    Rfgsm,
    /// FGSM again and again: Kurakin et al. 2017, <https://arxiv.org/abs/1607.02533>, section 2.2.
    Bim,
    /// Momentum: Dong et al. 2018, <https://arxiv.org/abs/1710.06081>, algorithm 1.
    Mifgsm,
    /// Momentum with a look ahead: Lin et al. 2020, <https://arxiv.org/abs/1908.06281>,
    /// section 3.1.
    Nifgsm,
    /// Away from the clean prediction, the inner attack of TRADES: Zhang et al. 2019,
    /// <https://arxiv.org/abs/1901.08573>, algorithm 1.
    Tpgd,
    /// The gradient of an expectation: Athalye et al. 2018, <https://arxiv.org/abs/1802.00420>,
    /// section 4.2, on PGD as Zimmermann 2019, <https://arxiv.org/abs/1907.00895>.
    EotPgd,
}

/// What the members have in common, and what only some have.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PresetOptions {
    eps: f64,
    #[serde(default = "ten")]
    steps: i64,
    step_size: Option<f64>,
    #[serde(default)]
    norm: Norm,
    #[serde(default)]
    targeted: bool,
    loss: Option<Objective>,
    decay: Option<f64>,
    eot: Option<i64>,
    #[serde(default = "Stop::never")]
    stop: Stop,
    random_start: Option<bool>,
    restarts: Option<i64>,
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    precision: Precision,
    eps_space: Option<EpsSpace>,
    clip: Option<Clip>,
    label: Option<Labels>,
    outputs: Option<Outputs>,
}

const OF_ALL: [&str; 10] = [
    "eps",
    "steps",
    "step_size",
    "norm",
    "eps_space",
    "clip",
    "outputs",
    "mode",
    "precision",
    "stop",
];

fn ten() -> i64 {
    10
}

impl Preset {
    pub fn name(self) -> &'static str {
        match self {
            Preset::Rfgsm => "rfgsm",
            Preset::Bim => "bim",
            Preset::Mifgsm => "mifgsm",
            Preset::Nifgsm => "nifgsm",
            Preset::Tpgd => "tpgd",
            Preset::EotPgd => "eot_pgd",
        }
    }

    /// # Errors
    /// `Invalid` for options of another member of the family, and as [`Pgd::new`].
    pub fn attack(self, options: PresetOptions) -> Result<Pgd> {
        self.check(&options)?;
        let has_momentum = matches!(self, Preset::Mifgsm | Preset::Nifgsm);
        let loss = match self {
            Preset::Tpgd => Objective::Kl,
            _ => options.loss.unwrap_or_default(),
        };
        let eot = if self == Preset::EotPgd { 2 } else { 1 };
        let pgd = PgdOptions {
            eps: options.eps,
            steps: options.steps,
            step_size: options.step_size,
            norm: options.norm,
            random_start: self.start(options.random_start.unwrap_or(true)),
            restarts: options.restarts.unwrap_or(1),
            targeted: options.targeted,
            loss,
            decay: options.decay.unwrap_or(f64::from(has_momentum)),
            look_ahead: self == Preset::Nifgsm,
            eot: options.eot.unwrap_or(eot),
            stop: options.stop,
            convention: Convention::Pixel,
            mode: options.mode,
            precision: options.precision,
            eps_space: options.eps_space,
            clip: options.clip,
            label: options.label,
            outputs: options.outputs,
        };
        Pgd::named(self.name(), pgd)
    }

    fn start(self, random: bool) -> Start {
        match self {
            Preset::Rfgsm => Start::Sign,
            Preset::Bim | Preset::Mifgsm | Preset::Nifgsm => Start::Clean,
            Preset::Tpgd => Start::Normal,
            Preset::EotPgd if random => Start::Ball,
            Preset::EotPgd => Start::Clean,
        }
    }

    /// The names of the options that it has.
    pub fn options(self) -> Vec<&'static str> {
        let own: &[&str] = match self {
            Preset::Bim => &[],
            Preset::Rfgsm | Preset::Tpgd => &["restarts"],
            Preset::Mifgsm | Preset::Nifgsm => &["decay"],
            Preset::EotPgd => &["eot", "random_start", "restarts"],
        };
        let of_label: &[&str] = match self {
            Preset::Tpgd => &[],
            _ => &["targeted", "loss", "label"],
        };
        [&OF_ALL, of_label, own].concat()
    }

    /// `Invalid` for an option that would make it another attack.
    fn check(self, options: &PresetOptions) -> Result<()> {
        let given = [
            ("targeted", options.targeted),
            ("loss", options.loss.is_some()),
            ("label", options.label.is_some()),
            ("decay", options.decay.is_some()),
            ("eot", options.eot.is_some()),
            ("random_start", options.random_start.is_some()),
            ("restarts", options.restarts.is_some()),
        ];
        for (option, given) in given {
            ensure!(
                !given || self.options().contains(&option),
                "{} has no option `{option}`",
                self.name()
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attack::{Attack, Classifier, Draws};
    use crate::torch::Tensor;
    use serde_json::{Value, json};

    fn made(preset: Preset, options: Value) -> Result<Pgd> {
        preset.attack(serde_json::from_value(options).expect("the options are right"))
    }

    const ALL: [Preset; 6] = [
        Preset::Rfgsm,
        Preset::Bim,
        Preset::Mifgsm,
        Preset::Nifgsm,
        Preset::Tpgd,
        Preset::EotPgd,
    ];

    /// On a linear model with two classes all of them end in a corner; the one without a label in
    /// either of two.
    #[test]
    fn each_reaches_the_corner_on_a_linear_model() -> Result<()> {
        let _guard = crate::torch::generator();
        crate::torch::manual_seed(1);
        let weight = Tensor::from_f64(&[1.0, -1.0, -1.0, 1.0], &[2, 2])?;
        let x = Tensor::from_f64(&[0.5, 0.5], &[1, 2])?;
        let classifier = Classifier::new(|x| x.matmul(&weight));
        let y = Tensor::from_i64(&[0], &[1])?;
        for preset in ALL {
            let attack = made(preset, json!({ "eps": 0.1 }))?;
            assert_eq!(attack.name(), preset.name());
            let x_adv = attack.perturb(&classifier, &x, &y, &Draws::of_batch())?;
            let corner = |low: f64, high: f64| {
                x_adv.all_close(&Tensor::from_f64(&[low, high], &[1, 2])?, 0.0, 1e-15)
            };
            let either = preset == Preset::Tpgd && corner(0.6, 0.4)?;
            assert!(corner(0.4, 0.6)? || either, "{preset:?}");
        }
        Ok(())
    }

    /// px(2) at px(8) and 10 steps, to the last bit.
    #[test]
    fn the_defaults_of_torchattacks() -> Result<()> {
        for preset in ALL {
            let pgd = made(preset, json!({ "eps": 8.0 / 255.0 }))?;
            assert_eq!((pgd.steps, pgd.step_size), (10, 2.0 / 255.0));
            let momentum = matches!(preset, Preset::Mifgsm | Preset::Nifgsm);
            assert_eq!(pgd.decay, f64::from(momentum));
            assert_eq!(pgd.look_ahead, preset == Preset::Nifgsm);
            assert_eq!(pgd.eot, if preset == Preset::EotPgd { 2 } else { 1 });
        }
        Ok(())
    }

    #[test]
    fn options_of_another_attack_are_refused() {
        for (preset, options) in [
            (Preset::Bim, json!({ "eps": 0.1, "decay": 1.0 })),
            (Preset::Bim, json!({ "eps": 0.1, "restarts": 2 })),
            (Preset::Mifgsm, json!({ "eps": 0.1, "eot": 2 })),
            (Preset::Tpgd, json!({ "eps": 0.1, "loss": "margin" })),
            (Preset::Tpgd, json!({ "eps": 0.1, "targeted": true })),
            (Preset::Nifgsm, json!({ "eps": 0.1, "decay": 0.0 })),
            (Preset::Rfgsm, json!({ "eps": 8.0 })),
        ] {
            let error = made(preset, options.clone()).expect_err(&options.to_string());
            assert!(error.to_string().starts_with(preset.name()), "{error}");
        }
    }
}
