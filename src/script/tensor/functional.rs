//! Layers as functions, with the names of `torch.nn.functional`.

use super::args::{self, refused};
use crate::Result;
use crate::script::{RhaiResultOf, options};
use crate::torch::{BatchNorm, Conv2d, DivergenceReduction, Reduction, Tensor};
use rhai::plugin::*;
use rhai::{INT, Map};
use serde::Deserialize;

#[export_module]
pub mod functions {
    /// exp(x) divided by its sum along `dim`.
    ///
    /// ```rhai
    /// assert(tensor([0.0, 0.0]).softmax(0).to_array() == [0.5, 0.5]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn softmax(x: Tensor, dim: INT) -> RhaiResultOf<Tensor> {
        Ok(x.softmax(dim)?)
    }

    /// The logarithm of `softmax`, computed without overflow.
    ///
    /// ```rhai
    /// let x = tensor([1000.0, 0.0]).log_softmax(0);
    /// assert(x.to_array() == [0.0, -1000.0]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn log_softmax(x: Tensor, dim: INT) -> RhaiResultOf<Tensor> {
        Ok(x.log_softmax(dim)?)
    }

    /// `x` times the transpose of `weight`, plus `bias`: `[..., inputs]` to `[..., outputs]`.
    ///
    /// - `weight`: `[outputs, inputs]`
    /// - `bias` (default `()`, none): `[outputs]`
    ///
    /// ```rhai
    /// let x = tensor([[1.0, 2.0]]);
    /// let weight = tensor([[1.0, 1.0], [0.0, 1.0]]);
    /// assert(linear(x, weight).to_array() == [[3.0, 2.0]]);
    /// assert(linear(x, weight, tensor([10.0, 0.0])).to_array() == [[13.0, 2.0]]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn linear(x: Tensor, weight: Tensor) -> RhaiResultOf<Tensor> {
        Ok(x.linear(&weight, None)?)
    }

    #[rhai_fn(name = "linear", return_raw)]
    pub fn linear_with_bias(x: Tensor, weight: Tensor, bias: Dynamic) -> RhaiResultOf<Tensor> {
        Ok(x.linear(&weight, optional("bias", bias)?.as_ref())?)
    }

    /// Two-dimensional convolution: `[n, c, h, w]` to `[n, outputs, h', w']`.
    ///
    /// - `weight`: `[outputs, c / groups, kh, kw]`
    /// - `bias` (default `()`, none): `[outputs]`
    /// - `stride`, `padding`, `dilation`, `groups`: as for `Conv2d`
    ///
    /// ```rhai
    /// let x = ones([1, 1, 3, 3]);
    /// let weight = ones([1, 1, 2, 2]);
    /// assert(conv2d(x, weight).to_array() == [[[[4.0, 4.0], [4.0, 4.0]]]]);
    /// assert(conv2d(x, weight, #{ stride: 2, padding: 1 }).shape == [1, 1, 2, 2]);
    /// assert(conv2d(x, weight, tensor([0.5])).max().item() == 4.5);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn conv2d(x: Tensor, weight: Tensor) -> RhaiResultOf<Tensor> {
        Ok(x.conv2d(&weight, None, Conv2d::default())?)
    }

    #[rhai_fn(name = "conv2d", return_raw)]
    pub fn conv2d_with(x: Tensor, weight: Tensor, options: Map) -> RhaiResultOf<Tensor> {
        Ok(x.conv2d(&weight, None, options::read("conv2d", options)?)?)
    }

    #[rhai_fn(name = "conv2d", return_raw)]
    pub fn conv2d_bias(x: Tensor, weight: Tensor, bias: Dynamic) -> RhaiResultOf<Tensor> {
        let bias = optional("bias", bias)?;
        Ok(x.conv2d(&weight, bias.as_ref(), Conv2d::default())?)
    }

    #[rhai_fn(name = "conv2d", return_raw)]
    pub fn conv2d_bias_with(
        x: Tensor,
        weight: Tensor,
        bias: Dynamic,
        options: Map,
    ) -> RhaiResultOf<Tensor> {
        let bias = optional("bias", bias)?;
        Ok(x.conv2d(&weight, bias.as_ref(), options::read("conv2d", options)?)?)
    }

    /// Batch normalisation of `[n, c, ...]`: each channel minus its mean, divided by its
    /// standard deviation.
    ///
    /// - `running_mean`, `running_var` (default none): `[c]`; needed unless `training`, updated in
    ///   place if `training`
    /// - `weight`, `bias` (default none): `[c]`; multiplied and added afterwards
    /// - `training` (default false): use the statistics of the batch, not the running ones
    /// - `momentum` (default 0.1): how far the running statistics move towards the batch's
    /// - `eps` (default 1e-5): added to the variance
    ///
    /// ```rhai
    /// let x = tensor([[1.0], [3.0]]);
    /// let y = batch_norm(x, #{ training: true, eps: 0.0 });
    /// assert(y.to_array() == [[-1.0], [1.0]]);
    /// let y = batch_norm(x, #{ running_mean: ones([1]), running_var: ones([1]), eps: 0.0 });
    /// assert(y.to_array() == [[0.0], [2.0]]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn batch_norm(x: Tensor, options: Map) -> RhaiResultOf<Tensor> {
        let mut options = options;
        let mut take = |name: &str| match options.get_mut(name).map(std::mem::take) {
            Some(value) => optional(name, value),
            None => Ok(None),
        };
        let (running_mean, running_var) = (take("running_mean")?, take("running_var")?);
        let (weight, bias) = (take("weight")?, take("bias")?);
        let Normalisation {
            training,
            momentum,
            eps,
            ..
        } = options::read("batch_norm", options)?;
        check_statistics(training, running_mean.is_some() && running_var.is_some())?;
        Ok(x.batch_norm(&BatchNorm {
            weight: weight.as_ref(),
            bias: bias.as_ref(),
            running_mean: running_mean.as_ref(),
            running_var: running_var.as_ref(),
            training,
            momentum,
            eps,
        })?)
    }

    /// The largest entry of each window of `[n, c, h, w]`; options as for `MaxPool2d`.
    ///
    /// - `kernel`: height and width of the window
    ///
    /// ```rhai
    /// let x = arange(16.0).reshape([1, 1, 4, 4]);
    /// print(max_pool2d(x, 2).to_array());  //> [[[[5.0, 7.0], [13.0, 15.0]]]]
    /// print(max_pool2d(x, 3, #{ stride: 2, padding: 1 }).shape);  //> [1, 1, 2, 2]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn max_pool2d(x: Tensor, kernel: INT) -> RhaiResultOf<Tensor> {
        Ok(x.max_pool2d(kernel, kernel, 0)?)
    }

    #[rhai_fn(name = "max_pool2d", return_raw)]
    pub fn max_pool2d_with(x: Tensor, kernel: INT, options: Map) -> RhaiResultOf<Tensor> {
        let Window { stride, padding } = options::read("max_pool2d", options)?;
        Ok(x.max_pool2d(kernel, stride.unwrap_or(kernel), padding)?)
    }

    /// The mean of each window of `[n, c, h, w]`; options as for `MaxPool2d`.
    ///
    /// - `kernel`: height and width of the window
    ///
    /// ```rhai
    /// let x = arange(4.0).reshape([1, 1, 2, 2]);
    /// assert(avg_pool2d(x, 2).to_array() == [[[[1.5]]]]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn avg_pool2d(x: Tensor, kernel: INT) -> RhaiResultOf<Tensor> {
        Ok(x.avg_pool2d(kernel, kernel, 0)?)
    }

    #[rhai_fn(name = "avg_pool2d", return_raw)]
    pub fn avg_pool2d_with(x: Tensor, kernel: INT, options: Map) -> RhaiResultOf<Tensor> {
        let Window { stride, padding } = options::read("avg_pool2d", options)?;
        Ok(x.avg_pool2d(kernel, stride.unwrap_or(kernel), padding)?)
    }

    /// The mean over an even grid of `size` x `size` cells: `[n, c, h, w]` to
    /// `[n, c, size, size]`.
    ///
    /// ```rhai
    /// let x = arange(16.0).reshape([1, 1, 4, 4]);
    /// assert(adaptive_avg_pool2d(x, 1).item() == 7.5);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn adaptive_avg_pool2d(x: Tensor, size: INT) -> RhaiResultOf<Tensor> {
        Ok(x.adaptive_avg_pool2d(size)?)
    }

    /// Each entry set to 0 with probability `p`, the others divided by 1 - `p`.
    ///
    /// - `training` (default true): false leaves `x` as it is
    ///
    /// ```rhai
    /// let x = dropout(ones([100]), 0.5);
    /// assert(((x == 0) | (x == 2)).all().item());
    /// assert(dropout(x, 0.5, false).equal(x));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn dropout(x: Tensor, p: f64) -> RhaiResultOf<Tensor> {
        Ok(x.dropout(p, true)?)
    }

    #[rhai_fn(name = "dropout", return_raw)]
    pub fn dropout_if(x: Tensor, p: f64, training: bool) -> RhaiResultOf<Tensor> {
        Ok(x.dropout(p, training)?)
    }

    /// The last two dimensions with `padding` entries more on each side.
    ///
    /// - `mode` (default `"constant"`): zeros; or `"reflect"`, `"replicate"`
    ///
    /// ```rhai
    /// let x = ones([1, 1, 2, 2]);
    /// assert(pad(x, 1).shape == [1, 1, 4, 4]);
    /// assert(pad(x, 1, "replicate").sum().item() == 16.0);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn pad(x: Tensor, padding: INT) -> RhaiResultOf<Tensor> {
        Ok(x.pad2d(padding, "constant")?)
    }

    #[rhai_fn(name = "pad", return_raw)]
    pub fn pad_mode(x: Tensor, padding: INT, mode: &str) -> RhaiResultOf<Tensor> {
        Ok(x.pad2d(padding, mode)?)
    }

    /// Images minus `mean`, divided by `std`, channel by channel: `[..., c, h, w]`.
    ///
    /// - `mean`, `std`: arrays or tensors of `c` numbers
    ///
    /// ```rhai
    /// let x = ones([2, 3, 4, 4]).normalize([0.5, 0.5, 1.0], [0.5, 0.25, 1.0]);
    /// assert(x[[0, ":", 0, 0]].to_array() == [1.0, 2.0, 0.0]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn normalize(x: Tensor, mean: Dynamic, std: Dynamic) -> RhaiResultOf<Tensor> {
        let (mean, std) = (by_channel(&x, "mean", &mean)?, by_channel(&x, "std", &std)?);
        Ok(x.sub(&mean)?.div(&std)?)
    }

    /// The cross entropy of logits `[n, k]` against classes or distributions.
    ///
    /// - `targets`: classes, int64 `[n]` in 0 .. k (exclusive), or distributions, floats
    ///   `[n, k]`: the loss is then -sum(targets * log_softmax(logits))
    /// - `reduction` (default `"mean"`): or `"sum"`, or `"none"`: one loss for each example
    ///
    /// ```rhai
    /// let logits = zeros([2, 4]);
    /// let loss = cross_entropy(logits, tensor([0, 3]));
    /// assert((loss.item() - 1.3862944).abs() < 1e-6);
    /// assert(cross_entropy(logits, tensor([0, 3]), #{ reduction: "none" }).shape == [2]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn cross_entropy(logits: Tensor, targets: Tensor) -> RhaiResultOf<Tensor> {
        Ok(logits.cross_entropy(&targets, Reduction::Mean)?)
    }

    #[rhai_fn(name = "cross_entropy", return_raw)]
    pub fn cross_entropy_with(
        logits: Tensor,
        targets: Tensor,
        options: Map,
    ) -> RhaiResultOf<Tensor> {
        let Loss { reduction } = options::read("cross_entropy", options)?;
        Ok(logits.cross_entropy(&targets, reduction)?)
    }

    /// The Kullback-Leibler divergence of distributions from log-probabilities, such as
    /// `log_softmax(1)` gives: `targets * (log(targets) - log_probabilities)`, 0 where a target is 0.
    /// Gradients flow to both; that for `targets` is NaN where one is 0, as in PyTorch.
    ///
    /// - `targets`: probabilities, shaped like `log_probabilities`
    /// - `reduction` (default `"mean"`): over all entries, as in PyTorch; or `"batchmean"`, the sum
    ///   divided by the number of examples, which is the divergence; or `"sum"`, `"none"`
    ///
    /// ```rhai
    /// let p = tensor([[0.5, 0.5, 0.0], [0.5, 0.25, 0.25]]);
    /// let q = tensor([[0.25, 0.5, 0.25], [0.5, 0.25, 0.25]]).log();
    /// let divergence = kl_div(q, p, #{ reduction: "batchmean" });
    /// assert((divergence.item() - 0.5 * 2.0.ln() / 2.0).abs() < 1e-6);
    /// ```
    #[rhai_fn(name = "kl_div", return_raw)]
    pub fn kl_div(log_probabilities: Tensor, targets: Tensor) -> RhaiResultOf<Tensor> {
        Ok(log_probabilities.kl_div(&targets, DivergenceReduction::Mean)?)
    }

    #[rhai_fn(name = "kl_div", return_raw)]
    pub fn kl_div_with(
        log_probabilities: Tensor,
        targets: Tensor,
        options: Map,
    ) -> RhaiResultOf<Tensor> {
        let Divergence { reduction } = options::read("kl_div", options)?;
        Ok(log_probabilities.kl_div(&targets, reduction)?)
    }

    /// The negative log-likelihood of classes under log-probabilities `[n, k]`, such as
    /// `log_softmax(1)` gives.
    ///
    /// - `targets`: classes, int64 `[n]` in 0 .. k (exclusive)
    /// - `reduction`: as for `cross_entropy`
    ///
    /// ```rhai
    /// let logits = tensor([[1.0, 2.0]]);
    /// let y = tensor([1]);
    /// let loss = nll_loss(logits.log_softmax(1), y);
    /// assert(allclose(loss, cross_entropy(logits, y)));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn nll_loss(log_probabilities: Tensor, targets: Tensor) -> RhaiResultOf<Tensor> {
        Ok(log_probabilities.nll_loss(&targets, Reduction::Mean)?)
    }

    #[rhai_fn(name = "nll_loss", return_raw)]
    pub fn nll_loss_with(
        log_probabilities: Tensor,
        targets: Tensor,
        options: Map,
    ) -> RhaiResultOf<Tensor> {
        let Loss { reduction } = options::read("nll_loss", options)?;
        Ok(log_probabilities.nll_loss(&targets, reduction)?)
    }
}

/// Options of `batch_norm`. The tensors among them are taken out before serde reads the rest;
/// their names stand here for the list of valid ones.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Normalisation {
    #[serde(rename = "running_mean")]
    _running_mean: (),
    #[serde(rename = "running_var")]
    _running_var: (),
    #[serde(rename = "weight")]
    _weight: (),
    #[serde(rename = "bias")]
    _bias: (),
    training: bool,
    momentum: f64,
    eps: f64,
}

impl Default for Normalisation {
    fn default() -> Self {
        Normalisation {
            _running_mean: (),
            _running_var: (),
            _weight: (),
            _bias: (),
            training: false,
            momentum: 0.1,
            eps: 1e-5,
        }
    }
}

/// Options of the poolings.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Window {
    stride: Option<i64>,
    padding: i64,
}

/// Options of the losses.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Loss {
    reduction: Reduction,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Divergence {
    reduction: DivergenceReduction,
}

fn optional(argument: &str, value: Dynamic) -> Result<Option<Tensor>> {
    match value.is_unit() {
        true => Ok(None),
        false => args::tensor(argument, value).map(Some),
    }
}

fn check_statistics(training: bool, running: bool) -> Result<()> {
    ensure!(
        training || running,
        "`batch_norm` needs `running_mean` and `running_var` unless it is `training`"
    );
    Ok(())
}

/// One number for each channel as `[c, 1, 1]`, with the dtype and on the device of `x`.
fn by_channel(x: &Tensor, argument: &str, values: &Dynamic) -> Result<Tensor> {
    let tensor = match values.as_array_ref() {
        Ok(array) => {
            let entry = |value: &Dynamic| args::float(argument, value);
            let numbers = array.iter().map(entry).collect::<Result<Vec<f64>>>()?;
            Tensor::from_f64(&numbers, &[numbers.len() as i64])?
        }
        Err(_) => match values.clone().try_cast::<Tensor>() {
            Some(tensor) => tensor,
            None => return Err(refused(argument, "an array of numbers or a tensor", values)),
        },
    };
    let channels = x.dim(-3)?;
    ensure!(
        tensor.shape() == [channels],
        "`{argument}` must hold {channels} numbers for images {:?}, got {:?}",
        x.shape(),
        tensor.shape()
    );
    tensor.to_like(x)?.reshape(&[channels, 1, 1])
}
