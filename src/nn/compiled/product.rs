//! A matrix product and the way back through it.

use crate::Result;
use crate::torch::{PackedLinear, Tensor};

pub struct Product {
    there: PackedLinear,
    back: PackedLinear,
}

impl Product {
    /// `weight` is `[outputs, inputs]`, for about so many rows.
    pub fn new(weight: &Tensor, bias: Option<&Tensor>, rows: i64) -> Result<Self> {
        let turned = weight.transpose(0, 1)?.contiguous()?;
        Ok(Product {
            there: PackedLinear::new(weight, bias, rows)?,
            back: PackedLinear::new(&turned, None, rows)?,
        })
    }

    /// From `[n, inputs]` to `[n, outputs]`.
    pub fn forward(&self, x: &Tensor, relu: bool) -> Result<Tensor> {
        self.there.forward(x, relu)
    }

    pub fn forward_onto(&self, sum: &Tensor, x: &Tensor) -> Result<Tensor> {
        self.there.forward_onto(sum, x)
    }

    /// The gradient of what went in, added to `sum` if given.
    pub fn backward(&self, gradient: &Tensor, sum: Option<&Tensor>) -> Result<Tensor> {
        match sum {
            Some(sum) => self.back.forward_onto(sum, gradient),
            None => self.back.forward(gradient, false),
        }
    }
}
