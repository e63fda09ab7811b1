use crate::torch::Tensor;
use crate::{Error, Result};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// (x - mean) / std for each channel: from pixels in [0, 1] to what a network was made for.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalize {
    name: Option<&'static str>,
    pub mean: Vec<f64>,
    pub std: Vec<f64>,
}

/// Means and standard deviations of the training images, as torchvision's documentation and
/// the usual CIFAR recipes give them.
const NAMED: [(&str, [f64; 3], [f64; 3]); 3] = [
    ("imagenet", [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    (
        "cifar10",
        [0.4914, 0.4822, 0.4465],
        [0.2470, 0.2435, 0.2616],
    ),
    (
        "cifar100",
        [0.5071, 0.4865, 0.4409],
        [0.2673, 0.2564, 0.2762],
    ),
];

impl Normalize {
    /// Pixels as they are.
    pub fn none() -> Self {
        Normalize {
            name: Some("none"),
            mean: Vec::new(),
            std: Vec::new(),
        }
    }

    /// # Errors
    /// `Invalid` for a name that is not known.
    pub fn named(name: &str) -> Result<Self> {
        if name == "none" {
            return Ok(Self::none());
        }
        match NAMED.iter().find(|(known, ..)| *known == name) {
            Some((known, mean, std)) => Ok(Normalize {
                name: Some(known),
                mean: mean.to_vec(),
                std: std.to_vec(),
            }),
            None => bail!(
                "`normalize` must be \"imagenet\", \"cifar10\", \"cifar100\", \"none\" or \
                 [mean, std], got {name:?}"
            ),
        }
    }

    /// One mean and one standard deviation for each channel.
    ///
    /// # Errors
    /// `Invalid` for different lengths or a deviation that is not positive.
    pub fn new(mean: Vec<f64>, std: Vec<f64>) -> Result<Self> {
        ensure!(
            !mean.is_empty() && mean.len() == std.len(),
            "`normalize`: mean and std must have one entry for each channel, got {} and {}",
            mean.len(),
            std.len()
        );
        ensure!(
            std.iter().all(|&s| s > 0.0) && mean.iter().all(|m| m.is_finite()),
            "`normalize`: every std must be positive, got {std:?}"
        );
        Ok(Normalize {
            name: None,
            mean,
            std,
        })
    }

    pub fn is_none(&self) -> bool {
        self.mean.is_empty()
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self.constants(x)? {
            Some((mean, std)) => x.sub(&mean)?.div(&std),
            None => Ok(x.clone()),
        }
    }

    /// The gradient of pixels, from that of what [`Normalize::forward`] makes of them.
    pub fn pull_back(&self, gradient: &Tensor) -> Result<Tensor> {
        match self.constants(gradient)? {
            Some((_, std)) => gradient.div(&std),
            None => Ok(gradient.clone()),
        }
    }

    pub fn inverse(&self, x: &Tensor) -> Result<Tensor> {
        match self.constants(x)? {
            Some((mean, std)) => x.mul(&std)?.add(&mean),
            None => Ok(x.clone()),
        }
    }

    /// Mean and deviation as `[c, 1, 1]`, on the device and in the dtype of `x`.
    fn constants(&self, x: &Tensor) -> Result<Option<(Tensor, Tensor)>> {
        if self.is_none() {
            return Ok(None);
        }
        let channels = self.mean.len() as i64;
        ensure!(
            x.ndim() == 4 && x.shape()[1] == channels,
            "images must be [n, {channels}, h, w], got {}{}",
            x.signature(),
            match x.shape()[..] {
                [first, _, _] if first == channels => "; `x.unsqueeze(0)` makes a batch of one",
                _ => "",
            }
        );
        let tensor =
            |values: &[f64]| Tensor::from_f64(values, &[channels, 1, 1]).and_then(|t| t.to_like(x));
        Ok(Some((tensor(&self.mean)?, tensor(&self.std)?)))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Name(String),
    Each(Vec<Vec<f64>>),
    All(Vec<f64>),
}

impl Serialize for Normalize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.name {
            Some(name) => Written::Name(name.to_owned()).serialize(serializer),
            None => Written::Each(vec![self.mean.clone(), self.std.clone()]).serialize(serializer),
        }
    }
}

/// A name, `[mean, std]` with numbers (for three equal channels) or with an array each.
impl<'de> Deserialize<'de> for Normalize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let usage = "`normalize` must be a name or [mean, std], mean and std a float or an array \
                     of floats";
        let written = Written::deserialize(deserializer).map_err(|_| D::Error::custom(usage))?;
        let made = match written {
            Written::Name(name) => Normalize::named(&name),
            Written::Each(pair) => match <[Vec<f64>; 2]>::try_from(pair) {
                Ok([mean, std]) => Normalize::new(mean, std),
                Err(_) => Err(Error::invalid(usage)),
            },
            Written::All(pair) => match pair[..] {
                [mean, std] => Normalize::new(vec![mean; 3], vec![std; 3]),
                _ => Err(Error::invalid(usage)),
            },
        };
        made.map_err(D::Error::custom)
    }
}
