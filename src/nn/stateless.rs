//! Layers without parameters.

use super::frozen::Plan;
use super::module::{Entry, Module};
use crate::Result;
use crate::torch::Tensor;
use std::rc::Rc;

type Function = dyn Fn(&Tensor, bool) -> Result<Tensor>;

/// How far an output entry looks in eval mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// At one entry of the input, in the same place.
    Entry,
    /// At a square of one channel.
    Window { kernel: i64, stride: i64 },
    /// Anywhere.
    All,
}

/// What a frozen network does otherwise.
#[derive(Clone, Copy)]
enum Kind {
    Relu,
    /// Where the cells are of one size, the pooling that says their size is faster.
    Grid(i64),
    Other,
}

/// A function of the input and the mode, with a name.
#[derive(Clone)]
pub struct Stateless {
    text: String,
    kind: Kind,
    reach: Reach,
    function: Rc<Function>,
}

impl Reach {
    fn of_pool(kernel: i64, stride: i64, padding: i64) -> Self {
        match padding {
            0 => Reach::Window { kernel, stride },
            _ => Reach::All,
        }
    }
}

impl Stateless {
    fn new(
        text: impl Into<String>,
        reach: Reach,
        function: impl Fn(&Tensor, bool) -> Result<Tensor> + 'static,
    ) -> Self {
        Stateless {
            text: text.into(),
            kind: Kind::Other,
            reach,
            function: Rc::new(function),
        }
    }

    pub fn relu() -> Self {
        Stateless {
            kind: Kind::Relu,
            ..Self::new("ReLU()", Reach::Entry, |x, _| x.relu())
        }
    }

    pub fn tanh() -> Self {
        Self::new("Tanh()", Reach::Entry, |x, _| x.tanh())
    }

    pub fn sigmoid() -> Self {
        Self::new("Sigmoid()", Reach::Entry, |x, _| x.sigmoid())
    }

    /// `[n, ...]` to `[n, product of the rest]`.
    pub fn flatten() -> Self {
        Self::new("Flatten()", Reach::All, |x, _| x.flatten(1, -1))
    }

    /// Zeroes entries with probability `p` in training and scales the others by 1 / (1 - p).
    pub fn dropout(p: f64) -> Result<Self> {
        ensure!(
            (0.0..=1.0).contains(&p),
            "`Dropout`: `p` must lie in [0, 1], got {p}"
        );
        let text = format!("Dropout({p})");
        Ok(Self::new(text, Reach::Entry, move |x, training| {
            x.dropout(p, training)
        }))
    }

    pub fn max_pool2d(kernel: i64, stride: i64, padding: i64) -> Self {
        let text = format!("MaxPool2d({kernel}, stride {stride}, padding {padding})");
        let reach = Reach::of_pool(kernel, stride, padding);
        Self::new(text, reach, move |x, _| {
            x.max_pool2d(kernel, stride, padding)
        })
    }

    pub fn avg_pool2d(kernel: i64, stride: i64, padding: i64) -> Self {
        let text = format!("AvgPool2d({kernel}, stride {stride}, padding {padding})");
        let reach = Reach::of_pool(kernel, stride, padding);
        Self::new(text, reach, move |x, _| {
            x.avg_pool2d(kernel, stride, padding)
        })
    }

    /// Mean over an even grid of `size` x `size` cells, whatever the input's size.
    pub fn adaptive_avg_pool2d(size: i64) -> Self {
        let text = format!("AdaptiveAvgPool2d({size})");
        Stateless {
            kind: Kind::Grid(size),
            ..Self::new(text, Reach::All, move |x, _| x.adaptive_avg_pool2d(size))
        }
    }

    fn grid_avg_pool2d(size: i64) -> Self {
        let text = format!("AdaptiveAvgPool2d({size})");
        Self::new(text, Reach::All, move |x, _| {
            let (height, width) = (x.dim(-2)?, x.dim(-1)?);
            match size > 1 && height == width && height >= size && height % size == 0 {
                true => x.avg_pool2d(height / size, height / size, 0),
                false => x.adaptive_avg_pool2d(size),
            }
        })
    }
}

impl Module for Stateless {
    fn forward(&self, x: &Tensor, training: bool) -> Result<Tensor> {
        (self.function)(x, training)
    }

    fn freeze(&self, plan: &mut Plan) -> Result<bool> {
        match self.kind {
            Kind::Relu => plan.relu(),
            Kind::Grid(size) => {
                plan.layer(Rc::new(Self::grid_avg_pool2d(size)), self.reach);
            }
            Kind::Other => plan.layer(Rc::new(self.clone()), self.reach),
        }
        Ok(true)
    }

    fn visit(&self, _prefix: &str, _visit: &mut dyn FnMut(String, Entry)) {}

    fn describe(&self) -> String {
        self.text.clone()
    }
}
