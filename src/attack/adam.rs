//! The optimiser of two attacks: Kingma & Ba 2015, <https://arxiv.org/abs/1412.6980>,
//! algorithm 1, with its recommended constants.

use crate::Result;
use crate::torch::Tensor;

const DECAY: (f64, f64) = (0.9, 0.999);
const TINY: f64 = 1e-8;

/// Its state; each tensor has a row for every example.
pub struct Adam {
    rate: f64,
    steps: i32,
    mean: Tensor,
    square: Tensor,
}

impl Adam {
    pub fn new(rate: f64, like: &Tensor) -> Result<Self> {
        Ok(Adam {
            rate,
            steps: 0,
            mean: like.zeros_like()?,
            square: like.zeros_like()?,
        })
    }

    /// What to add to a variable to descend along `gradient`.
    pub fn step(&mut self, gradient: &Tensor) -> Result<Tensor> {
        self.steps += 1;
        let mixed =
            |old: &Tensor, new: Tensor, decay: f64| old.mul(decay)?.add(new.mul(1.0 - decay)?);
        self.mean = mixed(&self.mean, gradient.clone(), DECAY.0)?;
        self.square = mixed(&self.square, gradient.square()?, DECAY.1)?;
        let mean = self.mean.div(1.0 - DECAY.0.powi(self.steps))?;
        let square = self.square.div(1.0 - DECAY.1.powi(self.steps))?;
        mean.mul(-self.rate)?.div(square.sqrt()?.add(TINY)?)
    }

    /// The state of some rows.
    pub fn select(&self, rows: &Tensor) -> Result<Self> {
        Ok(Adam {
            mean: self.mean.index_select(0, rows)?,
            square: self.square.index_select(0, rows)?,
            ..*self
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two steps by hand: with gradients of 2 and then -1 the means are 0.2 / 0.1 and
    /// (0.18 - 0.1) / 0.19, the squares 4 and (0.003996 + 0.001) / 0.001999.
    #[test]
    fn two_steps() -> Result<()> {
        let like = Tensor::from_f64(&[0.0], &[1])?;
        let mut adam = Adam::new(0.1, &like)?;
        let first = adam.step(&Tensor::from_f64(&[2.0], &[1])?)?;
        assert!((first.item()? + 0.1 * 2.0 / (2.0 + 1e-8)).abs() < 1e-15);
        let second = adam.step(&Tensor::from_f64(&[-1.0], &[1])?)?;
        let square: f64 = (0.003996 + 0.001) / 0.001999;
        let expected = -0.1 * (0.08 / 0.19) / (square.sqrt() + 1e-8);
        assert!((second.item()? - expected).abs() < 1e-13);
        Ok(())
    }
}
