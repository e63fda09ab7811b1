//! The domain `label`: label augmentation.

use super::names::a_type;
use super::{RhaiResultOf, options};
use crate::label::{LabelAugmentation as Labels, Transform};
use crate::torch::{Dtype, Tensor};
use crate::{Error, Result};
use rhai::plugin::*;
use rhai::{Array, Map};
use serde::Deserialize;

/// K classes and M transformations: an integer, K+M, that remembers its parts, so that a
/// model made with it knows which of its outputs are classes.
#[derive(Clone, Copy)]
pub struct Outputs {
    classes: i64,
    total: i64,
}

impl Outputs {
    /// K+M.
    pub fn total(self) -> i64 {
        self.total
    }

    /// Replaces the option `outputs` by its total, and `classes`, unless given, by its classes.
    pub fn expand(map: &mut Map) {
        let given = map.get("outputs").cloned().map(Dynamic::flatten);
        if let Some(outputs) = given.and_then(Dynamic::try_cast::<Outputs>) {
            map.insert("outputs".into(), outputs.total.into());
            map.entry("classes".into())
                .or_insert_with(|| outputs.classes.into());
        }
    }
}

pub fn module() -> rhai::Module {
    let mut module = rhai::exported_module!(functions);
    module.set_custom_type::<Labels>("labels");
    module.set_custom_type::<Outputs>("outputs");
    module
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    #[serde(default = "paper")]
    delta: f64,
}

/// The paper's share for the transformation.
fn paper() -> f64 {
    0.03
}

/// A name, or an index for each image.
fn transform(z: Dynamic) -> Result<Transform> {
    let kind = z.type_name();
    match z.flatten().try_cast_result::<Tensor>() {
        Ok(each) => Ok(Transform::Each(each)),
        Err(z) => z.into_string().map(Transform::Named).map_err(|_| {
            Error::Invalid(format!(
                "`z` must be the name of a transformation or an int64 tensor of indices, got {}",
                a_type(kind)
            ))
        }),
    }
}

/// Label augmentation: outputs for transformations beside those for classes.
#[export_module]
pub mod functions {
    #[rhai_fn(name = "label_augmentation", return_raw)]
    pub fn label_augmentation(classes: i64, transforms: Array) -> RhaiResultOf<Labels> {
        label_augmentation_with(classes, transforms, Map::new())
    }

    /// Labels of K classes and M transformations, for a model with K+M outputs.
    ///
    /// - `classes`: K
    /// - `transforms`: M names; `"clean"` is always there besides and has no output
    /// - `delta` (default 0.03): share of the target that goes to the transformation, in [0, 1]
    ///
    /// Source: Amerehi & Healy, <https://arxiv.org/abs/2503.16179> and
    /// <https://arxiv.org/abs/2408.01977>.
    ///
    /// ```rhai
    /// assert(label_augmentation(10, ["pgd"]).delta == 0.03);
    /// let labels = label_augmentation(10, ["pgd", "blur"], #{ delta: 0.1 });
    /// let model = resnet18(#{ outputs: labels.outputs });
    /// assert(model.outputs == 12 && model.classes == 10);
    /// ```
    #[rhai_fn(name = "label_augmentation", return_raw)]
    pub fn label_augmentation_with(
        classes: i64,
        transforms: Array,
        options: Map,
    ) -> RhaiResultOf<Labels> {
        let Options { delta } = options::read("label_augmentation", options)?;
        let mut names = Vec::new();
        for name in transforms {
            let kind = name.type_name();
            names.push(name.into_string().map_err(|_| {
                format!(
                    "`transforms` must hold names of transformations, got {}",
                    a_type(kind)
                )
            })?);
        }
        Ok(Labels::new(classes, names, delta)?)
    }

    /// Targets `[n, K+M]` in float32: `Concat[(1-delta) onehot(y), delta onehot(z)]`.
    ///
    /// - `y`: classes, int64 `[n]`
    /// - `z`: the transformation that made the images: its name, `"clean"`, or int64 `[n]` of
    ///   indices into the transformations, -1 for clean. A clean image has the target
    ///   `onehot(y)` padded with zeros.
    ///
    /// ```rhai
    /// let labels = label_augmentation(2, ["pgd"], #{ delta: 0.25 });
    /// let y = tensor([1]);
    /// print(labels.targets(y, "pgd").to_array());    //> [[0.0, 0.75, 0.25]]
    /// print(labels.targets(y, "clean").to_array());  //> [[0.0, 1.0, 0.0]]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn targets(labels: Labels, y: Tensor, z: Dynamic) -> RhaiResultOf<Tensor> {
        Ok(labels.targets(&y, &transform(z)?, Dtype::Float32)?)
    }

    /// `-sum(target * log_softmax(logits))`, the mean over the batch: one number.
    ///
    /// - `logits`: `[n, K+M]`
    /// - `y`, `z`: as for `targets`
    ///
    /// ```rhai
    /// let labels = label_augmentation(2, ["pgd"]);
    /// let loss = labels.loss(zeros([4, 3]), tensor([0, 1, 0, 1]), "pgd");
    /// assert((loss - 3.0.ln()).abs().item() < 1e-6);
    /// ```
    #[rhai_fn(name = "loss", return_raw)]
    pub fn loss(labels: Labels, logits: Tensor, y: Tensor, z: Dynamic) -> RhaiResultOf<Tensor> {
        Ok(labels.loss(&logits, &y, &transform(z)?)?)
    }

    /// The class of each image, int64 `[n]`: argmax over the first K of the logits.
    ///
    /// ```rhai
    /// let labels = label_augmentation(2, ["pgd"]);
    /// assert(labels.predict(tensor([[0.0, 1.0, 9.0]])).item() == 1);
    /// ```
    #[rhai_fn(name = "predict", return_raw)]
    pub fn predict_labels(labels: Labels, logits: Tensor) -> RhaiResultOf<Tensor> {
        Ok(labels.predict(&logits)?)
    }

    /// K+M, for the option `outputs` of a model, which then knows that K of them are classes.
    ///
    /// ```rhai
    /// assert(label_augmentation(10, ["pgd"]).outputs == 11);
    /// ```
    #[rhai_fn(get = "outputs", pure)]
    pub fn labels_outputs(labels: &mut Labels) -> Outputs {
        Outputs {
            classes: labels.classes(),
            total: labels.outputs(),
        }
    }

    /// K.
    ///
    /// ```rhai
    /// assert(label_augmentation(10, ["pgd"]).classes == 10);
    /// ```
    #[rhai_fn(get = "classes", pure)]
    pub fn labels_classes(labels: &mut Labels) -> i64 {
        labels.classes()
    }

    /// The names of the M transformations.
    ///
    /// ```rhai
    /// assert(label_augmentation(10, ["pgd"]).transforms == ["pgd"]);
    /// ```
    #[rhai_fn(get = "transforms", pure)]
    pub fn labels_transforms(labels: &mut Labels) -> Array {
        labels
            .transforms()
            .iter()
            .map(|name| name.clone().into())
            .collect()
    }

    /// The share of the target that goes to the transformation.
    ///
    /// ```rhai
    /// assert(label_augmentation(10, ["pgd"], #{ delta: 0.5 }).delta == 0.5);
    /// ```
    #[rhai_fn(get = "delta", pure)]
    pub fn labels_delta(labels: &mut Labels) -> f64 {
        labels.delta()
    }

    /// The labels in one line.
    ///
    /// ```rhai
    /// assert(label_augmentation(10, ["pgd"]).to_string().contains("10 classes"));
    /// ```
    #[rhai_fn(
        name = "to_string",
        name = "to_debug",
        name = "print",
        name = "debug",
        pure
    )]
    pub fn labels_to_string(labels: &mut Labels) -> String {
        format!(
            "label_augmentation({} classes, transformations {:?}, delta {})",
            labels.classes(),
            labels.transforms(),
            labels.delta()
        )
    }

    /// K+M as an integer.
    ///
    /// ```rhai
    /// assert(label_augmentation(10, ["pgd"]).outputs.to_int() == 11);
    /// ```
    #[rhai_fn(name = "to_int")]
    pub fn outputs_to_int(outputs: Outputs) -> i64 {
        outputs.total
    }

    /// K+M as text.
    ///
    /// ```rhai
    /// assert(label_augmentation(10, ["pgd"]).outputs.to_string() == "11");
    /// ```
    #[rhai_fn(
        name = "to_string",
        name = "to_debug",
        name = "print",
        name = "debug",
        pure
    )]
    pub fn outputs_to_string(outputs: &mut Outputs) -> String {
        outputs.total.to_string()
    }

    /// Whether K+M is `n`.
    ///
    /// ```rhai
    /// assert(label_augmentation(10, ["pgd"]).outputs == 11);
    /// ```
    #[rhai_fn(name = "==")]
    pub fn outputs_equal(outputs: Outputs, n: i64) -> bool {
        outputs.total == n
    }

    #[rhai_fn(name = "==")]
    pub fn equal_outputs(n: i64, outputs: Outputs) -> bool {
        outputs.total == n
    }

    #[rhai_fn(name = "==")]
    pub fn both_equal(a: Outputs, b: Outputs) -> bool {
        a.total == b.total
    }

    #[rhai_fn(name = "!=")]
    pub fn different_outputs(n: i64, outputs: Outputs) -> bool {
        outputs.total != n
    }

    #[rhai_fn(name = "!=")]
    pub fn both_different(a: Outputs, b: Outputs) -> bool {
        a.total != b.total
    }

    /// Whether K+M is not `n`.
    ///
    /// ```rhai
    /// assert(label_augmentation(10, ["pgd"]).outputs != 10);
    /// ```
    #[rhai_fn(name = "!=")]
    pub fn outputs_differ(outputs: Outputs, n: i64) -> bool {
        outputs.total != n
    }
}
