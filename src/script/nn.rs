//! The domain `nn`: layers, models and their weights.

use super::host::Host;
use super::label::Outputs;
use super::names::a_type;
use super::{RhaiResultOf, convert, options};
use crate::files;
use crate::nn::{
    self, BatchNorm2d, Depth, Head, Linear, LoadReport, Model, Module as Network, Normalize,
    ResNetOptions, Sequential, Stateless, Stem,
};
use crate::report::Table;
use crate::torch::{self, Dtype, Tensor};
use crate::{Error, Result};
use rhai::plugin::*;
use rhai::{Array, Map};
use serde::Deserialize;
use std::rc::Rc;

/// A layer on its way into a `sequential`.
#[derive(Clone)]
pub struct Layer(Rc<dyn Network>);

impl Layer {
    fn new(layer: impl Network + 'static) -> Self {
        Layer(Rc::new(layer))
    }
}

pub fn module() -> rhai::Module {
    let mut module = rhai::exported_module!(functions);
    module.set_custom_type::<Model>("model");
    module.set_custom_type::<Layer>("layer");
    module
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResNet {
    #[serde(default = "imagenet_classes")]
    outputs: i64,
    classes: Option<i64>,
    #[serde(default)]
    stem: Stem,
    normalize: Option<Normalize>,
    #[serde(default)]
    zero_init_residual: bool,
    dtype: Option<String>,
    device: Option<String>,
    weights: Option<String>,
    #[serde(default)]
    head: Head,
}

fn imagenet_classes() -> i64 {
    ResNetOptions::default().outputs
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Custom {
    classes: Option<i64>,
    normalize: Option<Normalize>,
    dtype: Option<String>,
    device: Option<String>,
    weights: Option<String>,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Loading {
    #[serde(default)]
    head: Head,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Levels {
    #[serde(default = "all_levels")]
    depth: usize,
}

/// More than any network here has.
fn all_levels() -> usize {
    8
}

fn one() -> i64 {
    1
}

fn yes() -> bool {
    true
}

fn residual(
    context: &NativeCallContext,
    what: &str,
    depth: Depth,
    mut map: Map,
) -> RhaiResultOf<Model> {
    Outputs::expand(&mut map);
    let given: ResNet = options::read(what, map)?;
    let defaults = ResNetOptions::default();
    let model = nn::resnet(
        depth,
        &ResNetOptions {
            outputs: given.outputs,
            classes: given.classes,
            stem: given.stem,
            normalize: given.normalize.unwrap_or(defaults.normalize),
            zero_init_residual: given.zero_init_residual,
        },
    )?;
    let host = Host::of(context);
    if let Some(weights) = &given.weights {
        load(&host, &model, weights, given.head)?;
    }
    place(
        &host,
        &model,
        given.dtype.as_deref(),
        given.device.as_deref(),
    )?;
    Ok(model)
}

fn place(host: &Host, model: &Model, dtype: Option<&str>, device: Option<&str>) -> Result<()> {
    let dtype = dtype.map(str::parse::<Dtype>).transpose()?;
    // `--device` is for models that name none, too.
    let device = device.or(host.settings().device.as_deref());
    let device = device.map(|name| host.find_device(name)).transpose()?;
    model.to(dtype, device)
}

/// A head that kept its new weights is worth a line.
fn load(host: &Host, model: &Model, path: &str, head: Head) -> Result<LoadReport> {
    let report = host.reading(path, |real| model.load(real, head))?;
    if !report.kept.is_empty() {
        host.print(&format!(
            "{path}: {} entries loaded into {}; new: {}",
            report.loaded,
            model.name(),
            report.kept.join(", ")
        ));
    }
    Ok(report)
}

/// Layers, each bare (named by its place) or as a pair of name and layer.
fn layers(given: Array) -> Result<Vec<(String, Rc<dyn Network>)>> {
    let mut layers = Vec::new();
    for (at, element) in given.into_iter().enumerate() {
        let kind = element.type_name();
        let refused = || {
            Error::Invalid(format!(
                "`sequential` takes layers, such as ReLU(), or pairs [name, layer]; entry {at} \
                 is {}",
                a_type(kind)
            ))
        };
        if let Some(layer) = element.clone().try_cast::<Layer>() {
            layers.push((at.to_string(), layer.0));
            continue;
        }
        let pair = element.try_cast::<Array>().unwrap_or_default();
        let [name, layer] = <[Dynamic; 2]>::try_from(pair).map_err(|_| refused())?;
        let name = name.into_string().map_err(|_| refused())?;
        let layer = layer.try_cast::<Layer>().ok_or_else(refused)?;
        layers.push((name, layer.0));
    }
    Ok(layers)
}

fn custom(context: &NativeCallContext, given: Array, options: Custom) -> RhaiResultOf<Model> {
    let network = Sequential::new(layers(given)?)?;
    let normalize = options.normalize.unwrap_or_else(Normalize::none);
    let model = Model::new("sequential", Rc::new(network), normalize, None);
    if let Some(classes) = options.classes {
        model.set_classes(classes)?;
    }
    let host = Host::of(context);
    if let Some(weights) = &options.weights {
        load(&host, &model, weights, Head::Strict)?;
    }
    place(
        &host,
        &model,
        options.dtype.as_deref(),
        options.device.as_deref(),
    )?;
    Ok(model)
}

fn pool(what: &str, kernel: i64, map: Map) -> RhaiResultOf<(i64, i64)> {
    let given: Pooling = options::read(what, map)?;
    Ok((given.stride.unwrap_or(kernel), given.padding))
}

/// Layers, networks and their weights.
#[export_module]
pub mod functions {
    /// ResNet-50 as torchvision's v1.5, a model from pixels in [0, 1] to logits.
    ///
    /// - `outputs` (default 1000): length of the logits; `labels.outputs` for K+M of them
    /// - `classes` (default all outputs, or what `labels.outputs` says): how many are classes
    /// - `stem` (default `"imagenet"`): `"small"` is a 3x3 convolution without pooling, for
    ///   images of about 32 pixels
    /// - `normalize` (default `"imagenet"`): `"cifar10"`, `"cifar100"`, `"none"` or
    ///   `[mean, std]`, done inside the model
    /// - `zero_init_residual` (default false): every block begins as the identity, which steadies
    ///   training from scratch (Goyal et al. 2017, <https://arxiv.org/abs/1706.02677>, 5.1)
    /// - `weights` (default none): a safetensors file with torchvision's names
    /// - `head` (default `"strict"`): `"replace"` keeps a new last layer where the file's has
    ///   another number of outputs, `"new"` always
    /// - `dtype` (default `"float32"`): or `"float64"`, `"bfloat16"`; of every parameter
    /// - `device` (default what `--device` says, else `"cpu"`): or `"cuda"`, `"cuda:1"`, `"auto"`
    ///
    /// Starts in train mode, initialised as torchvision does: He et al. for the convolutions,
    /// batch norm with weight 1 and bias 0, drawn in torchvision's order.
    ///
    /// Errors: weights that miss entries, have others or other shapes, listed by name.
    ///
    /// Source: He et al. 2016, <https://arxiv.org/abs/1512.03385>, table 1.
    ///
    /// ```rhai
    /// let model = resnet50(#{ outputs: 10, stem: "small", normalize: "cifar10" });
    /// assert(model.forward(rand([2, 3, 16, 16])).shape == [2, 10]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn resnet50(context: NativeCallContext, options: Map) -> RhaiResultOf<Model> {
        residual(&context, "resnet50", Depth::D50, options)
    }

    /// ResNet-18; options as for `resnet50`.
    ///
    /// ```rhai
    /// let model = resnet18(#{ outputs: 4 });
    /// assert(model.parameters().len() == 62);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn resnet18(context: NativeCallContext, options: Map) -> RhaiResultOf<Model> {
        residual(&context, "resnet18", Depth::D18, options)
    }

    /// ResNet-34; options as for `resnet50`.
    ///
    /// ```rhai
    /// let model = resnet34(#{ outputs: 4 });
    /// assert(model.outputs == 4);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn resnet34(context: NativeCallContext, options: Map) -> RhaiResultOf<Model> {
        residual(&context, "resnet34", Depth::D34, options)
    }

    /// ResNet-101; options as for `resnet50`.
    ///
    /// ```rhai
    /// let model = resnet101(#{ outputs: 4 });
    /// assert(model.outputs == 4);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn resnet101(context: NativeCallContext, options: Map) -> RhaiResultOf<Model> {
        residual(&context, "resnet101", Depth::D101, options)
    }

    /// ResNet-152; options as for `resnet50`.
    ///
    /// ```rhai
    /// let model = resnet152(#{ outputs: 4 });
    /// assert(model.outputs == 4);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn resnet152(context: NativeCallContext, options: Map) -> RhaiResultOf<Model> {
        residual(&context, "resnet152", Depth::D152, options)
    }

    /// A model of layers one after the other.
    ///
    /// - `layers`: an array of layers, or of pairs `[name, layer]`; parameters are then named
    ///   `0.weight` or `name.weight`
    /// - `classes` (default all outputs): how many of the outputs are classes
    /// - `normalize` (default `"none"`), `dtype`, `device`, `weights`: as for `resnet50`
    ///
    /// ```rhai
    /// let model = sequential([Flatten(), Linear(12, 5)]);
    /// assert(model.forward(rand([2, 3, 2, 2])).shape == [2, 5]);
    ///
    /// let layers = [["features", Flatten()], ["head", Linear(12, 5)]];
    /// let named = sequential(layers, #{ normalize: "cifar10", classes: 4 });
    /// assert("head.weight" in named.state_dict());
    /// assert(named.classes == 4);
    /// ```
    #[rhai_fn(name = "sequential", return_raw)]
    pub fn sequential(context: NativeCallContext, layers: Array) -> RhaiResultOf<Model> {
        sequential_with(context, layers, Map::new())
    }

    #[rhai_fn(name = "sequential", return_raw)]
    pub fn sequential_with(
        context: NativeCallContext,
        layers: Array,
        options: Map,
    ) -> RhaiResultOf<Model> {
        custom(&context, layers, options::read("sequential", options)?)
    }

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
        Ok(Layer::new(nn::Conv2d::new(
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

    /// The logits `[n, outputs]` of images `[n, c, h, w]` in [0, 1], in the model's mode.
    ///
    /// `x` must have the model's dtype and device.
    ///
    /// ```rhai
    /// let model = resnet18(#{ outputs: 3, stem: "small" });
    /// assert(model.forward(rand([2, 3, 8, 8])).shape == [2, 3]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn forward(model: Model, x: Tensor) -> RhaiResultOf<Tensor> {
        Ok(model.forward(&x)?)
    }

    /// The class of each image, int64 `[n]`: argmax over the class outputs, in eval mode.
    ///
    /// - `classes` (default those of the model): how many the data has; it is an error if the
    ///   model tells more or fewer apart
    ///
    /// Outputs that belong to transformations of label augmentation are left aside.
    ///
    /// ```rhai
    /// let model = resnet18(#{ outputs: 5, classes: 4, stem: "small" });
    /// let x = rand([2, 3, 8, 8]);
    /// assert(model.predict(x).shape == [2]);
    /// assert(model.predict(x, 4).equal(model.predict(x)));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn predict(model: Model, x: Tensor) -> RhaiResultOf<Tensor> {
        Ok(model.predict(&x)?)
    }

    #[rhai_fn(name = "predict", return_raw)]
    pub fn predict_of(model: Model, x: Tensor, classes: i64) -> RhaiResultOf<Tensor> {
        Ok(model.predict_of(classes, &x)?)
    }

    /// Switches the model to train mode, or with `false` to eval mode; returns it.
    ///
    /// - `training` (default true): false for eval mode
    ///
    /// ```rhai
    /// let model = sequential([ReLU()]);
    /// model.train(false);
    /// assert(!model.training);
    /// model.train();
    /// assert(model.training);
    /// ```
    #[rhai_fn(name = "train")]
    pub fn train(model: Model) -> Model {
        model.set_training(true);
        model
    }

    #[rhai_fn(name = "train")]
    pub fn train_or_not(model: Model, training: bool) -> Model {
        model.set_training(training);
        model
    }

    /// Whether the model is in train mode.
    ///
    /// ```rhai
    /// assert(sequential([ReLU()]).training);
    /// ```
    #[rhai_fn(get = "training", pure)]
    pub fn is_training(model: &mut Model) -> bool {
        model.training()
    }

    /// The length of the logits; `()` for a model made by `sequential`.
    ///
    /// ```rhai
    /// assert(resnet18(#{ outputs: 7 }).outputs == 7);
    /// ```
    #[rhai_fn(get = "outputs", pure)]
    pub fn outputs(model: &mut Model) -> Dynamic {
        model.outputs().map_or(Dynamic::UNIT, Dynamic::from)
    }

    /// How many of the outputs are classes; `()` where that is not known.
    ///
    /// ```rhai
    /// assert(resnet18(#{ outputs: 7, classes: 5 }).classes == 5);
    /// ```
    #[rhai_fn(get = "classes", pure)]
    pub fn classes(model: &mut Model) -> Dynamic {
        model.classes().map_or(Dynamic::UNIT, Dynamic::from)
    }

    /// The device of the parameters.
    ///
    /// ```rhai
    /// assert(resnet18(#{ outputs: 2, device: "cpu" }).device == "cpu");
    /// ```
    #[rhai_fn(get = "device", pure)]
    pub fn device(model: &mut Model) -> String {
        model.device().to_string()
    }

    /// The dtype of the parameters.
    ///
    /// ```rhai
    /// assert(resnet18(#{ outputs: 2, dtype: "float64" }).dtype == "float64");
    /// ```
    #[rhai_fn(get = "dtype", return_raw, pure)]
    pub fn dtype(model: &mut Model) -> RhaiResultOf<String> {
        Ok(model.dtype()?.to_string())
    }

    /// The learned tensors, in PyTorch's order.
    ///
    /// ```rhai
    /// assert(sequential([Linear(3, 2)]).parameters().len() == 2);
    /// ```
    pub fn parameters(model: Model) -> Array {
        let parameters = model.parameters().into_iter();
        parameters
            .map(|(_, tensor)| Dynamic::from(tensor))
            .collect()
    }

    /// Every parameter and buffer by name, as torchvision names them. The tensors are the
    /// model's own.
    ///
    /// ```rhai
    /// let state = resnet18(#{ outputs: 2 }).state_dict();
    /// assert(state["bn1.weight"].shape == [64]);
    /// ```
    pub fn state_dict(model: Model) -> Map {
        let state = model.state_dict().into_iter();
        state
            .map(|(name, tensor)| (name.into(), Dynamic::from(tensor)))
            .collect()
    }

    /// Moves the model to a dtype or a device, in place; returns it.
    ///
    /// - `target`: `"float64"`, `"cuda:0"`, ...
    ///
    /// ```rhai
    /// let model = sequential([Linear(3, 2)]);
    /// model.to("float64");
    /// assert(model.dtype == "float64");
    /// ```
    #[rhai_fn(name = "to", return_raw)]
    pub fn model_to(context: NativeCallContext, model: Model, target: &str) -> RhaiResultOf<Model> {
        match target.parse::<Dtype>() {
            Ok(dtype) => model.to(Some(dtype), None)?,
            Err(_) => model.to(None, Some(Host::of(&context).find_device(target)?))?,
        }
        Ok(model)
    }

    /// Writes every parameter and buffer to a safetensors file, whole or not at all.
    ///
    /// PyTorch reads it with `model.load_state_dict(safetensors.torch.load_file(path))`. A
    /// relative path lies in the run folder.
    ///
    /// ```rhai
    /// let model = sequential([Linear(3, 2)]);
    /// model.save("model.safetensors");
    /// model.load("model.safetensors");
    /// ```
    #[rhai_fn(name = "save", return_raw)]
    pub fn model_save(context: NativeCallContext, model: Model, path: &str) -> RhaiResultOf<()> {
        let path = Host::of(&context).writable(path)?;
        Ok(files::write_whole(&path, &model.to_safetensors()?)?)
    }

    /// Reads weights from a safetensors file with the model's names, all or nothing; returns
    /// `#{ loaded, kept }`: how many entries were read, and the names of those that were not.
    ///
    /// - `path`: a relative one is looked for in the run folder first, one that was given with
    ///   `--set` in the current folder
    /// - `head` (default `"strict"`): with `"replace"` a last layer (`fc`) of another shape is
    ///   left aside and the model keeps its own, with `"new"` always
    ///
    /// Errors: missing, unexpected and mis-shaped entries, listed by name.
    ///
    /// ```rhai
    /// let a = sequential([Linear(3, 2)]);
    /// a.save("model.safetensors");
    /// let b = sequential([Linear(3, 2)]);
    /// b.load("model.safetensors");
    /// let x = rand([1, 3]);
    /// assert(a.forward(x).equal(b.forward(x)));
    /// ```
    ///
    /// ```rhai
    /// resnet18(#{ outputs: 10 }).save("ten.safetensors");
    /// let model = resnet18(#{ outputs: 12 });
    /// let report = model.load("ten.safetensors", #{ head: "replace" });
    /// assert(report.kept == ["fc.weight", "fc.bias"]);
    /// ```
    #[rhai_fn(name = "load", return_raw)]
    pub fn model_load(context: NativeCallContext, model: Model, path: &str) -> RhaiResultOf<Map> {
        model_load_with(context, model, path, Map::new())
    }

    #[rhai_fn(name = "load", return_raw)]
    pub fn model_load_with(
        context: NativeCallContext,
        model: Model,
        path: &str,
        options: Map,
    ) -> RhaiResultOf<Map> {
        let Loading { head } = options::read("load", options)?;
        let report = load(&Host::of(&context), &model, path, head)?;
        let kept: Array = report.kept.into_iter().map(Dynamic::from).collect();
        Ok(Map::from([
            ("loaded".into(), Dynamic::from(report.loaded as i64)),
            ("kept".into(), kept.into()),
        ]))
    }

    /// A table of the layers: what each gives and how many parameters it has. `print(model)`
    /// shows the top level.
    ///
    /// - `shape` (default that of the images which a ResNet was made for: 224 pixels, 32 with
    ///   the small stem; none for `sequential`, whose outputs are then left out): of the input,
    ///   such as `[1, 3, 32, 32]`
    /// - `depth` (default 8 with a shape, 1 without): levels of layers within layers
    ///
    /// The outputs come from a pass of zeros in eval mode without gradients; nothing of the
    /// model changes.
    ///
    /// Errors: whatever a layer says about an input of this shape.
    ///
    /// ```rhai
    /// let model = sequential([Conv2d(3, 8, 3), ReLU(), Flatten(), Linear(288, 10)]);
    /// let table = model.summary([1, 3, 8, 8]);
    /// assert(table.to_string().contains("[1, 8, 6, 6]"));
    ///
    /// let model = resnet18(#{ outputs: 10, stem: "small" });
    /// let blocks = model.summary([1, 3, 32, 32], #{ depth: 2 }).to_string();
    /// assert(blocks.contains("BasicBlock") && !blocks.contains("downsample"));
    /// ```
    #[rhai_fn(name = "summary", return_raw)]
    pub fn summary(model: Model, shape: Array) -> RhaiResultOf<Table> {
        summary_with(model, shape, Map::new())
    }

    #[rhai_fn(name = "summary", return_raw)]
    pub fn summary_of_natural_input(model: Model) -> RhaiResultOf<Table> {
        Ok(model.summary(None, 1)?)
    }

    #[rhai_fn(name = "summary", return_raw)]
    pub fn summary_with(model: Model, shape: Array, options: Map) -> RhaiResultOf<Table> {
        let Levels { depth } = options::read("summary", options)?;
        let shape = convert::integers("shape", shape.into())?;
        Ok(model.summary(Some(&shape), depth)?)
    }

    /// The model as `print` shows it: a table of its layers, outputs and parameter counts.
    ///
    /// ```rhai
    /// let text = resnet18(#{ outputs: 2, stem: "small" }).to_string();
    /// assert(text.contains("ResNet-18") && text.contains("[1, 512, 4, 4]"));
    /// ```
    #[rhai_fn(name = "to_string", name = "print", pure)]
    pub fn model_to_string(model: &mut Model) -> String {
        // A size that does not fit into memory is no reason not to show the rest.
        match model.summary(None, 1) {
            Ok(table) => table.to_string().trim_end().to_owned(),
            Err(_) => model.to_string(),
        }
    }

    /// The model in one line, as it is shown inside of arrays and maps: its kind, outputs,
    /// dtype, device and mode.
    ///
    /// ```rhai
    /// let model = resnet18(#{ outputs: 2 });
    /// assert(model.to_debug() == "ResNet-18(2 classes, float32, cpu, train mode)");
    /// ```
    #[rhai_fn(name = "to_debug", name = "debug", pure)]
    pub fn model_to_debug(model: &mut Model) -> String {
        model.to_string()
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
