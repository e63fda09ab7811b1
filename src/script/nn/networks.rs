//! Networks from their options: the ResNets, and `sequential`.

use super::{Layer, load};
use crate::nn::{
    self, Depth, Head, Model, Module as Network, Normalize, ResNetOptions, Sequential, Stem,
};
use crate::script::host::Host;
use crate::script::label::Outputs;
use crate::script::names::a_type;
use crate::script::{RhaiResultOf, options};
use crate::torch::Dtype;
use crate::{Error, Result};
use rhai::plugin::*;
use rhai::{Array, Map};
use serde::Deserialize;
use std::rc::Rc;

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
}
