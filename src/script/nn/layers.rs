//! Layers for `sequential`.

use crate::nn::{BatchNorm2d, Conv2d, Linear, Module as Network, Stateless};
use crate::script::label::Outputs;
use crate::script::{RhaiResultOf, options};
use crate::torch;
use rhai::Map;
use rhai::plugin::*;
use serde::Deserialize;
use std::rc::Rc;

/// A layer on its way into a `sequential`.
#[derive(Clone)]
pub struct Layer(pub(super) Rc<dyn Network>);

impl Layer {
    fn new(layer: impl Network + 'static) -> Self {
        Layer(Rc::new(layer))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Convolution {
    #[serde(default = "one")]
    stride: i64,
    #[serde(default)]
    padding: i64,
    #[serde(default = "one")]
    dilation: i64,
    #[serde(default = "one")]
    groups: i64,
    #[serde(default = "yes")]
    bias: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Affine {
    #[serde(default = "yes")]
    bias: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pooling {
    stride: Option<i64>,
    #[serde(default)]
    padding: i64,
}

fn one() -> i64 {
    1
}

fn yes() -> bool {
    true
}

fn pool(what: &str, kernel: i64, map: Map) -> RhaiResultOf<(i64, i64)> {
    let given: Pooling = options::read(what, map)?;
    Ok((given.stride.unwrap_or(kernel), given.padding))
}

#[export_module]
pub mod functions {
    /// A layer: convolution from `inputs` to `outputs` channels with a square kernel.
    ///
    /// - `kernel`: height and width of the kernel
    /// - `stride` (default 1): how far the kernel moves between two outputs
    /// - `padding` (default 0): zeros added on each side
    /// - `dilation` (default 1): the distance between the inputs of neighbouring weights
    /// - `groups` (default 1): each group of outputs sees only its group of the inputs
    /// - `bias` (default true): whether a bias is added
    ///
    /// ```rhai
    /// let model = sequential([Conv2d(3, 8, 3)]);
    /// assert(model.forward(rand([1, 3, 5, 5])).shape == [1, 8, 3, 3]);
    ///
    /// let halving = sequential([Conv2d(3, 8, 3, #{ stride: 2, padding: 1 })]);
    /// assert(halving.forward(rand([1, 3, 8, 8])).shape == [1, 8, 4, 4]);
    /// ```
    #[rhai_fn(name = "Conv2d", return_raw)]
    pub fn conv2d_layer(inputs: i64, outputs: i64, kernel: i64) -> RhaiResultOf<Layer> {
        conv2d_layer_with(inputs, outputs, kernel, Map::new())
    }

    #[rhai_fn(name = "Conv2d", return_raw)]
    pub fn conv2d_layer_with(
        inputs: i64,
        outputs: i64,
        kernel: i64,
        options: Map,
    ) -> RhaiResultOf<Layer> {
        let Convolution {
            stride,
            padding,
            dilation,
            groups,
            bias,
        } = options::read("Conv2d", options)?;
        let geometry = torch::Conv2d {
            stride,
            padding,
            dilation,
            groups,
        };
        Ok(Layer::new(Conv2d::new(
            inputs, outputs, kernel, geometry, bias,
        )?))
    }

    /// A layer: `[n, inputs]` times a matrix plus a bias, `[n, outputs]`.
    ///
    /// - `outputs`: a number, or `labels.outputs` for the K+M outputs of label augmentation
    /// - `bias` (default true): whether a bias is added
    ///
    /// ```rhai
    /// assert(sequential([Linear(4, 2)]).forward(rand([3, 4])).shape == [3, 2]);
    /// assert(sequential([Linear(4, 2, #{ bias: false })]).parameters().len() == 1);
    ///
    /// let labels = label_augmentation(10, ["pgd"]);
    /// let model = sequential([Flatten(), Linear(12, labels.outputs)], #{ classes: 10 });
    /// assert(model.forward(rand([1, 3, 2, 2])).shape == [1, 11]);
    /// ```
    #[rhai_fn(name = "Linear", return_raw)]
    pub fn linear_layer(inputs: i64, outputs: i64) -> RhaiResultOf<Layer> {
        Ok(Layer::new(Linear::new(inputs, outputs, true)?))
    }

    #[rhai_fn(name = "Linear", return_raw)]
    pub fn linear_layer_to_labels(inputs: i64, outputs: Outputs) -> RhaiResultOf<Layer> {
        linear_layer(inputs, outputs.total())
    }

    #[rhai_fn(name = "Linear", return_raw)]
    pub fn linear_layer_with(inputs: i64, outputs: i64, options: Map) -> RhaiResultOf<Layer> {
        let Affine { bias } = options::read("Linear", options)?;
        Ok(Layer::new(Linear::new(inputs, outputs, bias)?))
    }

    /// A layer: batch normalisation over channels; weight 1 and bias 0 at the start.
    ///
    /// In train mode it uses the batch's statistics and moves the running ones by 0.1.
    ///
    /// ```rhai
    /// let x = sequential([BatchNorm2d(3)]).forward(rand([8, 3, 4, 4]));
    /// assert(x.mean().abs().item() < 1e-5);
    /// ```
    #[rhai_fn(name = "BatchNorm2d", return_raw)]
    pub fn batch_norm_layer(channels: i64) -> RhaiResultOf<Layer> {
        Ok(Layer::new(BatchNorm2d::new(channels)?))
    }

    /// A layer: max(x, 0).
    ///
    /// ```rhai
    /// assert(sequential([ReLU()]).forward(tensor([-1.0, 2.0])).to_array() == [0.0, 2.0]);
    /// ```
    #[rhai_fn(name = "ReLU")]
    pub fn relu_layer() -> Layer {
        Layer::new(Stateless::relu())
    }

    /// A layer: hyperbolic tangent.
    ///
    /// ```rhai
    /// assert(sequential([Tanh()]).forward(tensor([0.0])).item() == 0.0);
    /// ```
    #[rhai_fn(name = "Tanh")]
    pub fn tanh_layer() -> Layer {
        Layer::new(Stateless::tanh())
    }

    /// A layer: 1 / (1 + exp(-x)).
    ///
    /// ```rhai
    /// assert(sequential([Sigmoid()]).forward(tensor([0.0])).item() == 0.5);
    /// ```
    #[rhai_fn(name = "Sigmoid")]
    pub fn sigmoid_layer() -> Layer {
        Layer::new(Stateless::sigmoid())
    }

    /// A layer: `[n, ...]` to `[n, product of the rest]`.
    ///
    /// ```rhai
    /// assert(sequential([Flatten()]).forward(rand([2, 3, 4])).shape == [2, 12]);
    /// ```
    #[rhai_fn(name = "Flatten")]
    pub fn flatten_layer() -> Layer {
        Layer::new(Stateless::flatten())
    }

    /// A layer: zeroes entries with probability `p` in train mode and scales the others.
    ///
    /// ```rhai
    /// let model = sequential([Dropout(0.5)]);
    /// model.train(false);
    /// assert(model.forward(ones([3])).to_array() == [1.0, 1.0, 1.0]);
    /// ```
    #[rhai_fn(name = "Dropout", return_raw)]
    pub fn dropout_layer(p: f64) -> RhaiResultOf<Layer> {
        Ok(Layer::new(Stateless::dropout(p)?))
    }

    /// A layer: the largest value of each square window.
    ///
    /// - `kernel`: height and width of the window
    /// - `stride` (default `kernel`): how far the window moves; they do not overlap by default
    /// - `padding` (default 0): how far a window may begin outside
    ///
    /// ```rhai
    /// let x = rand([1, 3, 8, 8]);
    /// assert(sequential([MaxPool2d(2)]).forward(x).shape == [1, 3, 4, 4]);
    /// let overlapping = sequential([MaxPool2d(3, #{ stride: 2, padding: 1 })]);
    /// assert(overlapping.forward(x).shape == [1, 3, 4, 4]);
    /// ```
    #[rhai_fn(name = "MaxPool2d", return_raw)]
    pub fn max_pool_layer(kernel: i64) -> RhaiResultOf<Layer> {
        max_pool_layer_with(kernel, Map::new())
    }

    #[rhai_fn(name = "MaxPool2d", return_raw)]
    pub fn max_pool_layer_with(kernel: i64, options: Map) -> RhaiResultOf<Layer> {
        let (stride, padding) = pool("MaxPool2d", kernel, options)?;
        Ok(Layer::new(Stateless::max_pool2d(kernel, stride, padding)))
    }

    /// A layer: the mean of each square window; options as for `MaxPool2d`.
    ///
    /// - `kernel`: height and width of the window
    ///
    /// ```rhai
    /// assert(sequential([AvgPool2d(2)]).forward(ones([1, 1, 2, 2])).item() == 1.0);
    /// let overlapping = sequential([AvgPool2d(2, #{ stride: 1 })]);
    /// assert(overlapping.forward(rand([1, 3, 4, 4])).shape == [1, 3, 3, 3]);
    /// ```
    #[rhai_fn(name = "AvgPool2d", return_raw)]
    pub fn avg_pool_layer(kernel: i64) -> RhaiResultOf<Layer> {
        avg_pool_layer_with(kernel, Map::new())
    }

    #[rhai_fn(name = "AvgPool2d", return_raw)]
    pub fn avg_pool_layer_with(kernel: i64, options: Map) -> RhaiResultOf<Layer> {
        let (stride, padding) = pool("AvgPool2d", kernel, options)?;
        Ok(Layer::new(Stateless::avg_pool2d(kernel, stride, padding)))
    }

    /// A layer: the mean over an even grid of `size` x `size` cells, whatever the input's size.
    ///
    /// ```rhai
    /// let model = sequential([AdaptiveAvgPool2d(1)]);
    /// assert(model.forward(rand([2, 8, 5, 7])).shape == [2, 8, 1, 1]);
    /// ```
    #[rhai_fn(name = "AdaptiveAvgPool2d")]
    pub fn adaptive_avg_pool_layer(size: i64) -> Layer {
        Layer::new(Stateless::adaptive_avg_pool2d(size))
    }

    /// The layer in one line.
    ///
    /// ```rhai
    /// assert(Linear(3, 2).to_string() == "Linear(3, 2)");
    /// ```
    #[rhai_fn(
        name = "to_string",
        name = "to_debug",
        name = "print",
        name = "debug",
        pure
    )]
    pub fn layer_to_string(layer: &mut Layer) -> String {
        layer.0.describe()
    }
}
