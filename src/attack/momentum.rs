//! Gradients of earlier steps: Dong et al. 2018, <https://arxiv.org/abs/1710.06081>, algorithm 1;
//! with a look ahead, Lin et al. 2020, <https://arxiv.org/abs/1908.06281>, section 3.1.

use crate::Result;
use crate::torch::{Tensor, cat};

/// A gradient of zeros must stay one.
const SMALLEST: f64 = 1e-30;

pub struct Momentum {
    /// The share of the sum that is left after a step; 0 for no momentum at all.
    pub decay: f64,
    sum: Option<Tensor>,
}

impl Momentum {
    pub fn new(decay: f64) -> Self {
        Momentum { decay, sum: None }
    }

    /// Where the sum would lead from `z` in the next step of length `step_size`.
    pub fn ahead(&self, z: &Tensor, step_size: f64) -> Result<Tensor> {
        match &self.sum {
            None => Ok(z.clone()),
            Some(sum) => z.add(sum.mul(self.decay * step_size)?),
        }
    }

    /// The same for some rows of the batch.
    pub fn select(&self, rows: &Tensor) -> Result<Self> {
        let sum = self.sum.as_ref().map(|sum| sum.index_select(0, rows));
        Ok(Momentum {
            decay: self.decay,
            sum: sum.transpose()?,
        })
    }

    /// That of the images of both; each must have seen a gradient, or neither.
    pub fn and(self, other: Self) -> Result<Self> {
        let sum = match (self.sum, other.sum) {
            (Some(one), Some(two)) => Some(cat(&[one, two], 0)?),
            _ => None,
        };
        Ok(Momentum {
            decay: self.decay,
            sum,
        })
    }

    /// The direction after `gradient`, whose size is brought to 1 for each image: to a mean
    /// absolute value of 1 as in torchattacks. The paper takes the sum of the absolute values,
    /// which gives the same directions, and another look ahead.
    pub fn add(&mut self, gradient: Tensor) -> Result<Tensor> {
        if self.decay == 0.0 {
            return Ok(gradient);
        }
        let dims: Vec<i64> = (1..gradient.ndim() as i64).collect();
        let size = gradient.abs()?.mean_dims(&dims, true)?;
        let unit = gradient.div(size.clamp_min(SMALLEST)?)?;
        let sum = match &self.sum {
            None => unit,
            Some(sum) => unit.add(sum.mul(self.decay)?)?,
        };
        self.sum = Some(sum.clone());
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earlier_gradients_decay_and_each_counts_alike() -> Result<()> {
        let mut momentum = Momentum::new(0.5);
        let z = Tensor::from_f64(&[0.0, 0.0, 1.0, 1.0], &[2, 2])?;
        assert!(momentum.ahead(&z, 0.1)?.equal(&z)?);
        // The images' gradients have mean absolute values of 2 and 0.
        let first = Tensor::from_f64(&[1.0, -3.0, 0.0, 0.0], &[2, 2])?;
        let sum = momentum.add(first)?;
        assert_eq!(sum.to_vec_f64()?, [0.5, -1.5, 0.0, 0.0]);
        assert_eq!(
            momentum.ahead(&z, 2.0)?.to_vec_f64()?,
            [0.5, -1.5, 1.0, 1.0]
        );
        let second = Tensor::from_f64(&[10.0, 10.0, -1.0, 1.0], &[2, 2])?;
        assert_eq!(momentum.add(second)?.to_vec_f64()?, [1.25, 0.25, -1.0, 1.0]);
        Ok(())
    }
}
