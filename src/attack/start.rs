//! Where PGD and its relatives begin.

use super::Draws;
use super::norm::Norm;
use crate::Result;
use crate::torch::Tensor;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// The clean image.
    Clean,
    /// A random point of the ball (Madry et al. 2018).
    #[default]
    Ball,
    /// A step in a random direction: in L-infinity the sign of normal noise (Tramèr et al. 2018).
    Sign,
    /// Normal noise of standard deviation 0.001 (Zhang et al. 2019).
    Normal,
}

/// The deviation of the authors of TRADES.
const DEVIATION: f64 = 0.001;

impl Start {
    pub fn is_random(self) -> bool {
        self != Start::Clean
    }

    /// What is added to the images `z` at first, drawn as torchattacks draws; None for nothing.
    pub fn noise(
        self,
        norm: Norm,
        (eps, step_size): (f64, f64),
        z: &Tensor,
        draws: &Draws,
    ) -> Result<Option<Tensor>> {
        Ok(match self {
            Start::Clean => None,
            Start::Ball => Some(norm.random(z, eps, draws)?),
            Start::Sign => {
                let direction = norm.ascent(&draws.normal(z, 0.0, 1.0)?)?;
                Some(direction.mul(step_size)?)
            }
            Start::Normal => Some(draws.normal(z, 0.0, 1.0)?.mul(DEVIATION)?),
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Switch(bool),
    Kind(String),
}

impl Serialize for Start {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Start::Clean => Written::Switch(false),
            Start::Ball => Written::Switch(true),
            Start::Sign => Written::Kind("sign".to_owned()),
            Start::Normal => Written::Kind("normal".to_owned()),
        }
        .serialize(serializer)
    }
}

/// `true` for a point of the ball, `false` for the clean image, `"sign"` or `"normal"`.
impl<'de> Deserialize<'de> for Start {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Written::deserialize(deserializer) {
            Ok(Written::Switch(true)) => Ok(Start::Ball),
            Ok(Written::Switch(false)) => Ok(Start::Clean),
            Ok(Written::Kind(kind)) if kind == "sign" => Ok(Start::Sign),
            Ok(Written::Kind(kind)) if kind == "normal" => Ok(Start::Normal),
            _ => Err(D::Error::custom(
                "`random_start` must be true, false, \"sign\" or \"normal\"",
            )),
        }
    }
}
