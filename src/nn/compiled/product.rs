//! A matrix product and the way back through it.

use crate::Result;
use crate::torch::{PackedLinear, Tensor};

/// From rows `[n, inputs]` to rows `[n, outputs]`.
pub enum Product {
    /// With weights packed for the processor.
    Packed {
        there: PackedLinear,
        back: PackedLinear,
    },
    Plain {
        weight: Tensor,
        bias: Option<Tensor>,
    },
}

impl Product {
    /// `weight` is `[outputs, inputs]`, for about so many rows.
    pub fn new(weight: &Tensor, bias: Option<&Tensor>, rows: i64) -> Result<Self> {
        Self::packed(weight, bias, rows).or_else(|_| {
            Ok(Product::Plain {
                weight: weight.clone(),
                bias: bias.cloned(),
            })
        })
    }

    /// # Errors
    /// `Invalid` where there is no oneDNN, as on a GPU.
    pub fn packed(weight: &Tensor, bias: Option<&Tensor>, rows: i64) -> Result<Self> {
        let turned = weight.transpose(0, 1)?.contiguous()?;
        Ok(Product::Packed {
            there: PackedLinear::new(weight, bias, rows)?,
            back: PackedLinear::new(&turned, None, rows)?,
        })
    }

    pub fn forward(&self, x: &Tensor, relu: bool) -> Result<Tensor> {
        match self {
            Product::Packed { there, .. } => there.forward(x, relu),
            Product::Plain { weight, bias } => {
                let out = x.linear(weight, bias.as_ref())?;
                if relu { out.into_relu() } else { Ok(out) }
            }
        }
    }

    pub fn forward_onto(&self, sum: &Tensor, x: &Tensor) -> Result<Tensor> {
        match self {
            Product::Packed { there, .. } => there.forward_onto(sum, x),
            Product::Plain { weight, bias } => x.linear(weight, bias.as_ref())?.into_sum(sum),
        }
    }

    /// The gradient of what went in, added to `sum` if given.
    pub fn backward(&self, gradient: &Tensor, sum: Option<&Tensor>) -> Result<Tensor> {
        match (self, sum) {
            (Product::Packed { back, .. }, Some(sum)) => back.forward_onto(sum, gradient),
            (Product::Packed { back, .. }, None) => back.forward(gradient, false),
            (Product::Plain { weight, .. }, Some(sum)) => gradient.matmul(weight)?.into_sum(sum),
            (Product::Plain { weight, .. }, None) => gradient.matmul(weight),
        }
    }
}
