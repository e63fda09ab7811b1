//! Layers without parameters.

use super::module::{Entry, Module};
use crate::Result;
use crate::torch::Tensor;

type Function = dyn Fn(&Tensor, bool) -> Result<Tensor>;

/// A function of the input and the mode, with a name.
pub struct Stateless {
    text: String,
    function: Box<Function>,
}

impl Stateless {
    fn new(
        text: impl Into<String>,
        function: impl Fn(&Tensor, bool) -> Result<Tensor> + 'static,
    ) -> Self {
        Stateless {
            text: text.into(),
            function: Box::new(function),
        }
    }

    pub fn relu() -> Self {
        Self::new("ReLU()", |x, _| x.relu())
    }

    pub fn tanh() -> Self {
        Self::new("Tanh()", |x, _| x.tanh())
    }

    pub fn sigmoid() -> Self {
        Self::new("Sigmoid()", |x, _| x.sigmoid())
    }

    /// `[n, ...]` to `[n, product of the rest]`.
    pub fn flatten() -> Self {
        Self::new("Flatten()", |x, _| x.flatten(1, -1))
    }

    /// Zeroes entries with probability `p` in training and scales the others by 1 / (1 - p).
    pub fn dropout(p: f64) -> Result<Self> {
        ensure!(
            (0.0..=1.0).contains(&p),
            "`Dropout`: `p` must lie in [0, 1], got {p}"
        );
        Ok(Self::new(format!("Dropout({p})"), move |x, training| {
            x.dropout(p, training)
        }))
    }

    pub fn max_pool2d(kernel: i64, stride: i64, padding: i64) -> Self {
        let text = format!("MaxPool2d({kernel}, stride {stride}, padding {padding})");
        Self::new(text, move |x, _| x.max_pool2d(kernel, stride, padding))
    }

    pub fn avg_pool2d(kernel: i64, stride: i64, padding: i64) -> Self {
        let text = format!("AvgPool2d({kernel}, stride {stride}, padding {padding})");
        Self::new(text, move |x, _| x.avg_pool2d(kernel, stride, padding))
    }

    /// Mean over an even grid of `size` x `size` cells, whatever the input's size.
    pub fn adaptive_avg_pool2d(size: i64) -> Self {
        let text = format!("AdaptiveAvgPool2d({size})");
        Self::new(text, move |x, _| x.adaptive_avg_pool2d(size))
    }
}

impl Module for Stateless {
    fn forward(&self, x: &Tensor, training: bool) -> Result<Tensor> {
        (self.function)(x, training)
    }

    fn visit(&self, _prefix: &str, _visit: &mut dyn FnMut(String, Entry)) {}

    fn describe(&self) -> String {
        self.text.clone()
    }
}
