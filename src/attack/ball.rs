//! Where an attack may go: within eps of an image, and within the range of pixels.

use super::norm::Norm;
use super::space::Bounds;
use crate::Result;
use crate::torch::{Tensor, no_grad};

pub struct Ball<'a> {
    pub norm: Norm,
    pub eps: f64,
    pub bounds: &'a Bounds,
}

impl Ball<'_> {
    /// One step of length `step_size` along the gradient, then back into the ball around `x` and
    /// into the bounds.
    pub fn step(
        &self,
        x_adv: &Tensor,
        x: &Tensor,
        gradient: &Tensor,
        step_size: f64,
    ) -> Result<Tensor> {
        if let (Norm::Linf, Some(range)) = (self.norm, self.bounds.numbers())
            && let Some(fused) = x_adv.linf_step(gradient, x, step_size, self.eps, range)
        {
            return Ok(fused);
        }
        let step = self.norm.ascent(gradient)?.mul(step_size)?;
        let delta = self.norm.project(&x_adv.add(&step)?.sub(x)?, self.eps)?;
        self.bounds.clamp(&x.add(&delta)?)
    }
}

/// The update of L-infinity PGD for attacks written in scripts: pixels stay in [0, 1].
///
/// # Errors
/// `Invalid` for shapes that differ, or an eps or step that is no length.
pub fn linf_step(
    x_adv: &Tensor,
    x: &Tensor,
    gradient: &Tensor,
    eps: f64,
    step_size: f64,
) -> Result<Tensor> {
    for (name, value) in [("eps", eps), ("step_size", step_size)] {
        ensure!(
            (0.0..=1.0).contains(&value),
            "`{name}` must lie in [0, 1], a fraction of the pixel range, got {value}"
        );
    }
    for (name, tensor) in [("x_adv", x_adv), ("gradient", gradient)] {
        ensure!(
            tensor.shape() == x.shape(),
            "`{name}` must be shaped like `x`, {:?}, got {:?}",
            x.shape(),
            tensor.shape()
        );
    }
    let ball = Ball {
        norm: Norm::Linf,
        eps,
        bounds: &Bounds::Numbers(0.0, 1.0),
    };
    no_grad(|| ball.step(x_adv, x, gradient, step_size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torch::{Dtype, Like, cat, generator, manual_seed, rand, randn};

    /// The fused step has the bits of the separate operations, NaN and the corners included.
    #[test]
    fn the_fused_step_is_the_step() -> Result<()> {
        let _guard = generator();
        manual_seed(4);
        let odd = Tensor::from_f64(&[0.0, -0.0, f64::NAN, f64::INFINITY], &[4])?;
        for dtype in [Dtype::Float32, Dtype::Float64] {
            let x = rand(&[4000], Like::default())?.to_dtype(dtype)?;
            let x_adv = x
                .add(rand(&[4000], Like::default())?.sub(0.5)?.mul(0.1)?)?
                .to_dtype(dtype)?;
            let gradient = randn(&[3996], Like::default())?.to_dtype(dtype)?;
            let gradient = cat(&[gradient, odd.to_dtype(dtype)?], 0)?;
            for (step, eps) in [(0.01, 0.03), (1.0 / 3.0, 8.0 / 255.0), (0.0, 0.0)] {
                let fused = x_adv.linf_step(&gradient, &x, step, eps, (0.0, 1.0));
                let moved = x_adv.add(gradient.sign()?.mul(step)?)?.sub(&x)?;
                let expected = x.add(moved.clamp(-eps, eps)?)?.clamp(0.0, 1.0)?;
                let fused = fused.expect("both are alike and on the CPU");
                assert_eq!(
                    fused.to_bytes()?,
                    expected.to_bytes()?,
                    "{dtype} {step} {eps}"
                );
            }
        }
        Ok(())
    }

    #[test]
    fn what_is_not_alike_is_computed_apart() -> Result<()> {
        let _guard = generator();
        let x = rand(&[2, 3], Like::default())?;
        let turned = rand(&[3, 2], Like::default())?.transpose(0, 1)?;
        assert!(x.linf_step(&turned, &x, 0.1, 0.1, (0.0, 1.0)).is_none());
        let ball = Ball {
            norm: Norm::Linf,
            eps: 0.1,
            bounds: &Bounds::Numbers(0.0, 1.0),
        };
        assert_eq!(ball.step(&x, &x, &turned, 0.1)?.shape(), [2, 3]);
        Ok(())
    }
}
