//! Entry by entry: arithmetic with broadcasting, comparison, elementary functions.

use super::error::with_numbers;
use super::{Operand, Scalar, Tensor};
use crate::Result;

macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident: $tensor:ident, $scalar:ident;)*) => {
        impl Tensor {$(
            $(#[$doc])*
            pub fn $name(&self, other: impl Into<Operand>) -> Result<Tensor> {
                match other.into() {
                    Operand::Tensor(other) => {
                        let result = self.0.$tensor(&other.0);
                        self.result(stringify!($name), &[&other], result)
                    }
                    Operand::Scalar(other) => {
                        let result = with_numbers(|| self.0.$scalar(other.tch()));
                        self.result(stringify!($name), &[], result)
                    }
                }
            }
        )*}
    };
}

/// The same, but a number is made a tensor here where that saves libtorch a conversion.
macro_rules! arithmetic {
    ($($name:ident: $tensor:ident, $scalar:ident;)*) => {
        impl Tensor {$(
            pub fn $name(&self, other: impl Into<Operand>) -> Result<Tensor> {
                match other.into() {
                    Operand::Tensor(other) => {
                        let result = self.0.$tensor(&other.0);
                        self.result(stringify!($name), &[&other], result)
                    }
                    Operand::Scalar(other) => {
                        let result = match self.number_beside(other) {
                            Some(number) => self.0.$tensor(&number),
                            None => with_numbers(|| self.0.$scalar(other.tch())),
                        };
                        self.result(stringify!($name), &[], result)
                    }
                }
            }
        )*}
    };
}

arithmetic! {
    add: f_add, f_add_scalar;
    sub: f_sub, f_sub_scalar;
    mul: f_mul, f_mul_scalar;
    div: f_div, f_div_scalar;
}

binary! {
    /// The remainder with the sign of the divisor, as Python's `%`.
    remainder: f_remainder_tensor, f_remainder;
    pow: f_pow, f_pow_tensor_scalar;
    eq: f_eq_tensor, f_eq;
    ne: f_ne_tensor, f_ne;
    lt: f_lt_tensor, f_lt;
    le: f_le_tensor, f_le;
    gt: f_gt_tensor, f_gt;
    ge: f_ge_tensor, f_ge;
}

macro_rules! unary {
    ($($name:ident: $call:ident;)*) => {
        impl Tensor {$(
            pub fn $name(&self) -> Result<Tensor> {
                self.result(stringify!($name), &[], self.0.$call())
            }
        )*}
    };
}

unary! {
    neg: f_neg;
    abs: f_abs;
    sign: f_sign;
    exp: f_exp;
    log: f_log;
    sqrt: f_sqrt;
    square: f_square;
    sin: f_sin;
    cos: f_cos;
    tanh: f_tanh;
    sigmoid: f_sigmoid;
    round: f_round;
    floor: f_floor;
    ceil: f_ceil;
    isnan: f_isnan;
    isfinite: f_isfinite;
    logical_not: f_logical_not;
}

impl Tensor {
    /// scalar - self.
    pub fn rsub(&self, scalar: impl Into<Scalar>) -> Result<Tensor> {
        let scalar = scalar.into();
        let result = with_numbers(|| self.0.f_rsub_scalar(scalar.tch()));
        self.result("sub", &[], result)
    }

    /// scalar / self: the quotient, rounded once.
    pub fn rdiv(&self, scalar: impl Into<Scalar>) -> Result<Tensor> {
        match scalar.into() {
            Scalar::Float(1.0) | Scalar::Int(1) => self.result("div", &[], self.0.f_reciprocal()),
            scalar => Operand::Scalar(scalar).beside(self)?.div(self),
        }
    }

    /// scalar % self, with the sign of self.
    pub fn rremainder(&self, scalar: impl Into<Scalar>) -> Result<Tensor> {
        Operand::Scalar(scalar.into()).beside(self)?.remainder(self)
    }

    /// scalar raised to each entry.
    pub fn rpow(&self, scalar: impl Into<Scalar>) -> Result<Tensor> {
        let scalar = scalar.into();
        let result = with_numbers(|| tch::Tensor::f_pow_scalar(scalar.tch(), &self.0));
        self.result("pow", &[], result)
    }

    /// The larger of each two entries.
    pub fn maximum(&self, other: impl Into<Operand>) -> Result<Tensor> {
        let other = other.into().beside(self)?;
        self.result("maximum", &[&other], self.0.f_maximum(&other.0))
    }

    /// The smaller of each two entries.
    pub fn minimum(&self, other: impl Into<Operand>) -> Result<Tensor> {
        let other = other.into().beside(self)?;
        self.result("minimum", &[&other], self.0.f_minimum(&other.0))
    }

    /// Entries below `low` become `low`, entries above `high` become `high`.
    pub fn clamp(&self, low: impl Into<Scalar>, high: impl Into<Scalar>) -> Result<Tensor> {
        let (low, high) = (low.into(), high.into());
        let result = with_numbers(|| self.0.f_clamp(low.tch(), high.tch()));
        self.result("clamp", &[], result)
    }

    pub fn clamp_min(&self, low: impl Into<Scalar>) -> Result<Tensor> {
        let low = low.into();
        let result = with_numbers(|| self.0.f_clamp_min(low.tch()));
        self.result("clamp_min", &[], result)
    }

    pub fn clamp_max(&self, high: impl Into<Scalar>) -> Result<Tensor> {
        let high = high.into();
        let result = with_numbers(|| self.0.f_clamp_max(high.tch()));
        self.result("clamp_max", &[], result)
    }

    /// Entries clamped between those of two tensors.
    pub fn clamp_between(&self, low: &Tensor, high: &Tensor) -> Result<Tensor> {
        self.maximum(low)?.minimum(high)
    }

    pub fn logical_and(&self, other: &Tensor) -> Result<Tensor> {
        self.result("logical_and", &[other], self.0.f_logical_and(&other.0))
    }

    pub fn logical_or(&self, other: &Tensor) -> Result<Tensor> {
        self.result("logical_or", &[other], self.0.f_logical_or(&other.0))
    }

    pub fn logical_xor(&self, other: &Tensor) -> Result<Tensor> {
        self.result("logical_xor", &[other], self.0.f_logical_xor(&other.0))
    }

    /// The sum of the products of two vectors.
    pub fn dot(&self, other: &Tensor) -> Result<Tensor> {
        self.result("dot", &[other], self.0.f_dot(&other.0))
    }

    pub fn matmul(&self, other: &Tensor) -> Result<Tensor> {
        let product = match self.matmul_in_parts(other)? {
            Some(product) => product,
            None => self.product(other)?,
        };
        product.stoppable()
    }

    pub(super) fn product(&self, other: &Tensor) -> Result<Tensor> {
        self.result("matmul", &[other], self.0.f_matmul(&other.0))
    }

    /// Entries of `self` where `condition` holds, of `other` elsewhere.
    pub fn where_(&self, condition: &Tensor, other: &Tensor) -> Result<Tensor> {
        self.result(
            "where",
            &[condition, other],
            self.0.f_where_self(&condition.0, &other.0),
        )
    }

    /// Whether |self - other| <= atol + rtol * |other| everywhere.
    pub fn all_close(&self, other: &Tensor, rtol: f64, atol: f64) -> Result<bool> {
        self.0
            .f_allclose(&other.0, rtol, atol, false)
            .map_err(|error| self.failure("allclose", &[other], &error))
    }

    /// Same shape, dtype and entries.
    pub fn equal(&self, other: &Tensor) -> Result<bool> {
        if self.shape() != other.shape() || self.dtype()? != other.dtype()? {
            return Ok(false);
        }
        self.0
            .f_equal(&other.0)
            .map_err(|error| self.failure("equal", &[other], &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torch::Dtype;

    /// The reference is libtorch's own operation with a plain number, which the script host's
    /// arithmetic equals bit for bit, NaN included.
    #[test]
    fn numbers_are_converted_as_libtorch_does() {
        let numbers = [
            Scalar::Float(0.1),
            Scalar::Float(1e300),
            Scalar::Float(-1e-50),
            Scalar::Float(f64::NAN),
            Scalar::Float(0.0),
            Scalar::Int(3),
            Scalar::Int((1 << 24) + 1),
            Scalar::Int(i64::MIN + 1),
        ];
        let wide = tch::Tensor::from_slice(&[0.3_f64, -2.5, 1e30, 0.0, 7.0]);
        let kinds = [
            tch::Kind::Float,
            tch::Kind::Double,
            tch::Kind::BFloat16,
            tch::Kind::Int64,
        ];
        for kind in kinds {
            for number in numbers {
                let x = Tensor::wrap(wide.to_kind(kind));
                let plain = || number.tch();
                let cases = [
                    (x.add(number), x.0.f_add_scalar(plain())),
                    (x.sub(number), x.0.f_sub_scalar(plain())),
                    (x.mul(number), x.0.f_mul_scalar(plain())),
                    (x.div(number), x.0.f_div_scalar(plain())),
                ];
                for (ours, theirs) in cases {
                    let (ours, theirs) = (ours.unwrap().0, theirs.unwrap());
                    assert_eq!(ours.kind(), theirs.kind(), "{kind:?} {number:?}");
                    let same = ours.f_eq_tensor(&theirs).unwrap();
                    let nan = ours.isnan().logical_and(&theirs.isnan());
                    assert!(bool::try_from(same.logical_or(&nan).all()).unwrap());
                }
            }
        }
    }

    #[test]
    fn gradients_pass_beside_numbers() {
        let x = Tensor::wrap(tch::Tensor::from_slice(&[2.0_f32, 4.0]).set_requires_grad(true));
        let y = x.mul(3.0).unwrap().div(2.0).unwrap().sub(1.0).unwrap();
        assert_eq!(y.dtype().unwrap(), Dtype::Float32);
        y.0.sum(tch::Kind::Float).backward();
        assert_eq!(Vec::<f32>::try_from(&x.0.grad()).unwrap(), [1.5, 1.5]);
    }
}
