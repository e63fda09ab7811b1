use crate::Result;
use crate::nn::class_logits;
use crate::profile;
use crate::torch::{Dtype, Tensor};
use serde::Serialize;

/// The name, and in a tensor of indices -1, of the identity: it has no label of its own.
pub const CLEAN: &str = "clean";

const MOST_CLASSES: i64 = 1 << 24;

/// Targets of K classes and M transformations for a network with K+M outputs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelAugmentation {
    classes: i64,
    transforms: Vec<String>,
    delta: f64,
}

/// Which transformation made the images of a batch.
#[derive(Clone, Debug)]
pub enum Transform {
    /// All by one, or `clean`.
    Named(String),
    /// Each by its own: indices into the transformations, int64 `[n]`, -1 for clean.
    Each(Tensor),
}

impl LabelAugmentation {
    /// `delta` is the share of the target that goes to the transformation, the paper's 0.03.
    ///
    /// # Errors
    /// `Invalid` for no classes, a delta outside [0, 1], or names that are empty, come twice
    /// or are `clean`.
    pub fn new(classes: i64, transforms: Vec<String>, delta: f64) -> Result<Self> {
        ensure!(
            (1..=MOST_CLASSES).contains(&classes),
            "`classes` must lie in 1 .. {MOST_CLASSES}, got {classes}"
        );
        ensure!(
            (0.0..=1.0).contains(&delta),
            "`delta` must lie in [0, 1], got {delta}"
        );
        for (at, name) in transforms.iter().enumerate() {
            ensure!(
                !name.is_empty() && name != CLEAN,
                "a transformation needs a name other than {CLEAN:?} (clean images have no label \
                 of their own), got {name:?}"
            );
            ensure!(
                !transforms[..at].contains(name),
                "two transformations have the name {name:?}"
            );
        }
        Ok(LabelAugmentation {
            classes,
            transforms,
            delta,
        })
    }

    pub fn classes(&self) -> i64 {
        self.classes
    }

    /// K + M.
    pub fn outputs(&self) -> i64 {
        self.classes + self.transforms.len() as i64
    }

    pub fn transforms(&self) -> &[String] {
        &self.transforms
    }

    pub fn delta(&self) -> f64 {
        self.delta
    }

    /// `Concat[(1-delta) * onehot_K(y), delta * onehot_M(z)]`, `[n, K+M]` in `dtype`; for
    /// clean images `onehot_K(y)` padded with zeros.
    ///
    /// # Errors
    /// `Invalid` for misshapen or out-of-range `y` or `z`, or a name that is not known.
    pub fn targets(&self, y: &Tensor, z: &Transform, dtype: Dtype) -> Result<Tensor> {
        ensure!(
            y.ndim() == 1 && y.dtype()? == Dtype::Int64,
            "`y` must be int64[n], one class for each image, got {}",
            y.signature()
        );
        y.check_range("y", self.classes)?;
        let z = self.indices(y, z)?;
        let transformed = z.ge(0_i64)?;
        let share = transformed.to_dtype(dtype)?.mul(self.delta)?.unsqueeze(1)?;
        let class = y.one_hot(self.classes, dtype)?.mul(share.rsub(1.0)?)?;
        if self.transforms.is_empty() {
            return Ok(class);
        }
        let m = self.transforms.len() as i64;
        let transform = z.clamp_min(0_i64)?.one_hot(m, dtype)?.mul(&share)?;
        crate::torch::cat(&[class, transform], 1)
    }

    /// `-sum(target * log_softmax(logits))`, the mean over the batch.
    ///
    /// # Errors
    /// As `targets`, and for logits that are not `[n, K+M]`.
    pub fn loss(&self, logits: &Tensor, y: &Tensor, z: &Transform) -> Result<Tensor> {
        self.loss_each(logits, y, z)?.mean()
    }

    /// The same loss for each image, `[n]`.
    pub fn loss_each(&self, logits: &Tensor, y: &Tensor, z: &Transform) -> Result<Tensor> {
        let _span = profile::forward(logits.requires_grad());
        let (n, outputs) = (y.dim(0)?, self.outputs());
        ensure!(
            logits.shape() == [n, outputs],
            "`logits` must be [{n}, {outputs}], that is {} classes and {} transformations, got {}",
            self.classes,
            self.transforms.len(),
            logits.signature()
        );
        soft_nll(logits, &self.targets(y, z, logits.dtype()?)?)
    }

    /// The class of each image: argmax over the first K logits.
    pub fn predict(&self, logits: &Tensor) -> Result<Tensor> {
        class_logits(logits, Some(self.classes))?.argmax(1, false)
    }

    /// An index for each image; -1 is clean.
    fn indices(&self, y: &Tensor, z: &Transform) -> Result<Tensor> {
        let m = self.transforms.len() as i64;
        match z {
            Transform::Named(name) if name == CLEAN => y.mul(0_i64)?.sub(1_i64),
            Transform::Named(name) => {
                let Some(at) = self.transforms.iter().position(|known| known == name) else {
                    bail!(
                        "there is no transformation {name:?} among these labels; they are {:?} \
                         and {CLEAN:?}",
                        self.transforms
                    )
                };
                y.mul(0_i64)?.add(at as i64)
            }
            Transform::Each(z) => {
                ensure!(
                    z.dtype()? == Dtype::Int64 && z.shape() == y.shape(),
                    "`z` must be int64{:?} like `y`, got {}",
                    y.shape(),
                    z.signature()
                );
                z.add(1_i64)?.check_range("z + 1", m + 1).map_err(|_| {
                    crate::Error::Invalid(format!(
                        "`z` must lie in -1 (clean) .. {m} (exclusive), the number of \
                         transformations"
                    ))
                })?;
                z.to_device(y.device())
            }
        }
    }
}

/// Negative log-likelihood under target distributions: `-sum(target * log_softmax(logits))`
/// for each example, `[n, k]` to `[n]`.
pub fn soft_nll(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    targets
        .mul(logits.log_softmax(1)?)?
        .sum_dim(1, false)?
        .neg()
}
