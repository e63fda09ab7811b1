//! What a model can do: compute, change its mode, move, save and load.

use super::load;
use crate::nn::{Head, Model};
use crate::report::Table;
use crate::script::host::Host;
use crate::script::{RhaiResultOf, callback, convert, options};
use crate::torch::{self, Dtype, Precision, Tensor};
use rhai::plugin::*;
use rhai::{Array, FnPtr, Map};
use serde::Deserialize;

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

#[export_module]
pub mod functions {
    /// The logits `[n, outputs]` of images `[n, c, h, w]` in [0, 1], in the model's mode.
    ///
    /// `x` must have the model's dtype and device. `with_precision` makes it faster.
    ///
    /// ```rhai
    /// let model = resnet18(#{ outputs: 3, stem: "small" });
    /// assert(model.forward(rand([2, 3, 8, 8])).shape == [2, 3]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn forward(model: Model, x: Tensor) -> RhaiResultOf<Tensor> {
        Ok(model.forward(&x)?)
    }

    /// Calls a closure in which `model.forward(x)` computes in lower precision; returns what it
    /// returns. `train::fit` does this for its option `precision`.
    ///
    /// - `precision`: `"bfloat16"`, convolutions and matrix products of networks in bfloat16, sums
    ///   of them in float32; `"auto"`, this where the device has instructions for it; or
    ///   `"float32"`, the network as it is
    /// - `work`: a closure without arguments
    ///
    /// Weights, logits and gradients stay float32, so a training goes on as usual, about twice as
    /// fast. Models of another dtype are left alone, and so are `predict` and `class_logits`. Attacks
    /// have a `precision` of their own: what they call computes as it does outside of `work`.
    ///
    /// Source: Micikevicius et al. 2018, <https://arxiv.org/abs/1710.03740>, section 3.1; with
    /// bfloat16 nothing must be scaled: Kalamkar et al. 2019, <https://arxiv.org/abs/1905.12322>.
    ///
    /// ```rhai
    /// let model = sequential([Linear(64, 10)]);
    /// let optimizer = sgd(model, #{ lr: 0.1 });
    /// let x = rand([8, 64]);
    /// let exact = model.forward(x);
    /// let close = with_precision("bfloat16", || model.forward(x));
    /// assert(close.dtype == "float32" && !close.equal(exact));
    /// assert_close(close, exact, 0.05);
    /// with_precision("bfloat16", || optimizer.step(model.forward(x).square().mean()));
    /// assert(model.dtype == "float32");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn with_precision(
        context: NativeCallContext,
        precision: &str,
        work: FnPtr,
    ) -> RhaiResultOf<Dynamic> {
        let precision = precision.parse::<Precision>()?;
        Ok(torch::with_precision(precision, || {
            callback::call(&context, &work, ())
        })?)
    }

    /// In which numbers the convolutions and matrix products of `model.forward(x)` compute under
    /// `with_precision`: what `"auto"` comes to.
    ///
    /// - `precision`: as for `with_precision`
    ///
    /// ```rhai
    /// let model = sequential([Linear(3, 2)]);
    /// print(model.compute_dtype("bfloat16"));           //> bfloat16
    /// print(model.to("float64").compute_dtype("auto")); //> float64
    /// ```
    #[rhai_fn(return_raw)]
    pub fn compute_dtype(model: Model, precision: &str) -> RhaiResultOf<String> {
        Ok(model.compute_dtype(precision.parse()?)?.to_string())
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

    /// The logits of the classes, `[n, classes]`, in eval mode and without gradient; outputs that
    /// belong to transformations of label augmentation are left aside.
    ///
    /// - `classes`: how many the data has; it is an error if the model tells more or fewer apart
    /// - `precision` (default `"float32"`): `"bfloat16"` computes convolutions in bfloat16, on a frozen
    ///   copy with batch norm folded in; `"auto"` where the device has instructions for it
    ///
    /// ```rhai
    /// let model = resnet18(#{ outputs: 5, classes: 4, stem: "small" });
    /// let x = rand([2, 3, 8, 8]);
    /// let logits = model.class_logits(x, 4);
    /// assert(logits.shape == [2, 4]);
    /// assert_close(model.class_logits(x, 4, "bfloat16"), logits, 0.1);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn class_logits(model: Model, x: Tensor, classes: i64) -> RhaiResultOf<Tensor> {
        Ok(model.class_logits_of(classes, &x)?)
    }

    #[rhai_fn(name = "class_logits", return_raw)]
    pub fn class_logits_in(
        model: Model,
        x: Tensor,
        classes: i64,
        precision: &str,
    ) -> RhaiResultOf<Tensor> {
        Ok(model.class_logits_in(classes, &x, precision.parse()?)?)
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
    /// - `target`: `"float32"`, `"float64"`, `"bfloat16"`, `"cpu"`, `"cuda"`, `"cuda:1"`
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
        let target = Host::of(&context).target(path)?;
        Ok(target.write(&model.to_safetensors()?)?)
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
}
