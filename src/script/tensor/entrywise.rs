//! Functions of each entry, and of two tensors entry by entry.

use super::args;
use crate::Result;
use crate::script::RhaiResultOf;
use crate::torch::{Operand, Tensor};
use rhai::plugin::*;

macro_rules! entrywise {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        #[export_module]
        pub mod functions {
            use super::*;
            $(
                $(#[$doc])*
                #[rhai_fn(return_raw)]
                pub fn $name(x: Tensor) -> RhaiResultOf<Tensor> {
                    Ok(x.$name()?)
                }
            )*
        }
    };
}

entrywise! {
    /// The absolute value of each entry.
    ///
    /// ```rhai
    /// assert(tensor([-1, 2]).abs().to_array() == [1, 2]);
    /// ```
    abs;

    /// The sign of each entry: -1, 0 or 1.
    ///
    /// ```rhai
    /// assert(tensor([-0.5, 0.0, 2.0]).sign().to_array() == [-1.0, 0.0, 1.0]);
    /// ```
    sign;

    /// e raised to each entry.
    ///
    /// ```rhai
    /// assert(tensor([0]).exp().to_array() == [1.0]);
    /// ```
    exp;

    /// The natural logarithm of each entry.
    ///
    /// ```rhai
    /// assert(tensor([1.0]).log().to_array() == [0.0]);
    /// ```
    log;

    /// The square root of each entry; NaN where it is negative.
    ///
    /// ```rhai
    /// assert(tensor([4, 9]).sqrt().to_array() == [2.0, 3.0]);
    /// ```
    sqrt;

    /// The square of each entry.
    ///
    /// ```rhai
    /// assert(tensor([-2, 3]).square().to_array() == [4, 9]);
    /// ```
    square;

    /// The sine of each entry, in radians.
    ///
    /// ```rhai
    /// assert(tensor([0.0]).sin().to_array() == [0.0]);
    /// ```
    sin;

    /// The cosine of each entry, in radians.
    ///
    /// ```rhai
    /// assert(tensor([0.0]).cos().to_array() == [1.0]);
    /// ```
    cos;

    /// The hyperbolic tangent of each entry.
    ///
    /// ```rhai
    /// assert(tensor([0.0]).tanh().to_array() == [0.0]);
    /// ```
    tanh;

    /// 1 / (1 + exp(-x)) of each entry x.
    ///
    /// ```rhai
    /// assert(tensor([0.0]).sigmoid().to_array() == [0.5]);
    /// ```
    sigmoid;

    /// The nearest whole number to each entry; halves go to the even one.
    ///
    /// ```rhai
    /// assert(tensor([0.5, 1.5, 2.4]).round().to_array() == [0.0, 2.0, 2.0]);
    /// ```
    round;

    /// The largest whole number that is not above each entry.
    ///
    /// ```rhai
    /// assert(tensor([-0.5, 1.5]).floor().to_array() == [-1.0, 1.0]);
    /// ```
    floor;

    /// The smallest whole number that is not below each entry.
    ///
    /// ```rhai
    /// assert(tensor([0.5, 1.0]).ceil().to_array() == [1.0, 1.0]);
    /// ```
    ceil;

    /// Whether each entry is NaN.
    ///
    /// ```rhai
    /// assert(tensor([-1.0, 1.0]).sqrt().isnan().to_array() == [true, false]);
    /// ```
    isnan;

    /// Whether each entry is neither NaN nor infinite.
    ///
    /// ```rhai
    /// assert(tensor([0.0, 1.0]).log().isfinite().to_array() == [false, true]);
    /// ```
    isfinite;

    /// Each entry where it is positive, else 0.
    ///
    /// ```rhai
    /// assert(tensor([-1.0, 2.0]).relu().to_array() == [0.0, 2.0]);
    /// ```
    relu;

    /// Each entry where it is positive, else 0.01 of it.
    ///
    /// ```rhai
    /// assert(tensor([-100.0, 2.0]).leaky_relu().to_array() == [-1.0, 2.0]);
    /// ```
    leaky_relu;

    /// The Gaussian error linear unit: x times the normal distribution function of x.
    ///
    /// ```rhai
    /// assert(tensor([0.0]).gelu().to_array() == [0.0]);
    /// ```
    gelu;

    /// log(1 + exp(x)) of each entry x.
    ///
    /// ```rhai
    /// let x = tensor([0.0]).softplus();
    /// assert((x.item() - 0.6931472).abs() < 1e-6);
    /// ```
    softplus;
}

#[export_module]
pub mod pairs {
    /// `x` raised to `exponent`, a tensor or a number, entry by entry: `x ** exponent`.
    ///
    /// ```rhai
    /// assert(tensor([1, 2]).pow(3).to_array() == [1, 8]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn pow(x: Tensor, exponent: Dynamic) -> RhaiResultOf<Tensor> {
        Ok(x.pow(args::operand("exponent", exponent)?)?)
    }

    /// The larger of each two entries; `y` is a tensor or a number.
    ///
    /// ```rhai
    /// assert(maximum(tensor([1, 5]), tensor([3, 3])).to_array() == [3, 5]);
    /// assert(tensor([1, 5]).maximum(3).to_array() == [3, 5]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn maximum(x: Tensor, y: Dynamic) -> RhaiResultOf<Tensor> {
        Ok(x.maximum(args::operand("y", y)?)?)
    }

    /// The smaller of each two entries; `y` is a tensor or a number.
    ///
    /// ```rhai
    /// assert(minimum(tensor([1, 5]), tensor([3, 3])).to_array() == [1, 3]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn minimum(x: Tensor, y: Dynamic) -> RhaiResultOf<Tensor> {
        Ok(x.minimum(args::operand("y", y)?)?)
    }

    /// `x` with what is below `low` raised to it and what is above `high` lowered to it.
    ///
    /// - `low`, `high`: numbers or tensors; `()` for no bound
    ///
    /// ```rhai
    /// let x = tensor([-0.5, 0.5, 1.5]);
    /// assert(x.clamp(0, 1).to_array() == [0.0, 0.5, 1.0]);
    /// assert(x.clamp(zeros([3]), ()).to_array() == [0.0, 0.5, 1.5]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn clamp(x: Tensor, low: f64, high: f64) -> RhaiResultOf<Tensor> {
        Ok(x.clamp(low, high)?)
    }

    #[rhai_fn(name = "clamp", return_raw)]
    pub fn clamp_with(x: Tensor, low: Dynamic, high: Dynamic) -> RhaiResultOf<Tensor> {
        let (low, high) = (bound("low", low)?, bound("high", high)?);
        Ok(match (low, high) {
            (Some(Operand::Scalar(low)), Some(Operand::Scalar(high))) => x.clamp(low, high)?,
            (low, high) => {
                let x = low.map_or(Ok(x.clone()), |low| raised(&x, low))?;
                high.map_or(Ok(x.clone()), |high| lowered(&x, high))?
            }
        })
    }

    /// `x` with what is below `low`, a number or a tensor, raised to it.
    ///
    /// ```rhai
    /// assert(tensor([-0.5, 0.5]).clamp_min(0).to_array() == [0.0, 0.5]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn clamp_min(x: Tensor, low: Dynamic) -> RhaiResultOf<Tensor> {
        Ok(raised(&x, args::operand("low", low)?)?)
    }

    /// `x` with what is above `high`, a number or a tensor, lowered to it.
    ///
    /// ```rhai
    /// assert(tensor([0.5, 1.5]).clamp_max(1).to_array() == [0.5, 1.0]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn clamp_max(x: Tensor, high: Dynamic) -> RhaiResultOf<Tensor> {
        Ok(lowered(&x, args::operand("high", high)?)?)
    }

    /// Entries of `x` where `condition` is true, of `y` elsewhere, with broadcasting.
    ///
    /// - `condition`: a bool tensor
    /// - `x`, `y`: tensors or numbers
    ///
    /// ```rhai
    /// let x = tensor([1, 2, 3]);
    /// assert(where(x > 1, x, 0).to_array() == [0, 2, 3]);
    /// ```
    #[rhai_fn(name = "where", return_raw)]
    pub fn choose(condition: Tensor, x: Dynamic, y: Dynamic) -> RhaiResultOf<Tensor> {
        let (x, y) = match (args::operand("x", x)?, args::operand("y", y)?) {
            (Operand::Tensor(x), y) => (x.clone(), y.beside(&x)?),
            (x, Operand::Tensor(y)) => (x.beside(&y)?, y),
            (Operand::Scalar(x), Operand::Scalar(y)) => {
                let device = condition.device();
                (x.to_tensor(device)?, y.to_tensor(device)?)
            }
        };
        Ok(x.where_(&condition, &y)?)
    }

    /// The matrix product; with more than two dimensions, of each pair of matrices.
    ///
    /// ```rhai
    /// let x = tensor([[1.0, 2.0], [3.0, 4.0]]);
    /// assert(x.matmul(eye(2)).equal(x));
    /// assert(rand([5, 2, 3]).matmul(rand([5, 3, 4])).shape == [5, 2, 4]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn matmul(x: Tensor, y: Tensor) -> RhaiResultOf<Tensor> {
        Ok(x.matmul(&y)?)
    }

    /// The sum of the products of two vectors.
    ///
    /// ```rhai
    /// assert(dot(tensor([1, 2]), tensor([3, 4])).item() == 11);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn dot(x: Tensor, y: Tensor) -> RhaiResultOf<Tensor> {
        Ok(x.dot(&y)?)
    }

    /// Whether two tensors have the same shape, dtype and entries: one boolean.
    ///
    /// ```rhai
    /// assert(tensor([1, 2]).equal(tensor([1, 2])));
    /// assert(!tensor([1, 2]).equal(tensor([1.0, 2.0])));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn equal(x: Tensor, y: Tensor) -> RhaiResultOf<bool> {
        Ok(x.equal(&y)?)
    }

    /// Whether |x - y| <= atol + rtol * |y| everywhere: one boolean.
    ///
    /// - `rtol` (default 1e-5), `atol` (default 1e-8)
    ///
    /// ```rhai
    /// assert(allclose(tensor([1.0]), tensor([1.000001])));
    /// assert(!allclose(tensor([1.0]), tensor([1.1])));
    /// assert(allclose(tensor([1.0]), tensor([1.1]), 0.0, 0.2));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn allclose(x: Tensor, y: Tensor) -> RhaiResultOf<bool> {
        Ok(x.all_close(&y, 1e-5, 1e-8)?)
    }

    #[rhai_fn(name = "allclose", return_raw)]
    pub fn allclose_within(x: Tensor, y: Tensor, rtol: f64, atol: f64) -> RhaiResultOf<bool> {
        Ok(x.all_close(&y, rtol, atol)?)
    }
}

fn bound(argument: &str, value: Dynamic) -> Result<Option<Operand>> {
    match value.is_unit() {
        true => Ok(None),
        false => args::operand(argument, value).map(Some),
    }
}

fn raised(x: &Tensor, low: Operand) -> Result<Tensor> {
    match low {
        Operand::Scalar(low) => x.clamp_min(low),
        Operand::Tensor(low) => x.maximum(low),
    }
}

fn lowered(x: &Tensor, high: Operand) -> Result<Tensor> {
    match high {
        Operand::Scalar(high) => x.clamp_max(high),
        Operand::Tensor(high) => x.minimum(high),
    }
}
