use super::module::Module;
use crate::torch::Tensor;
use crate::{Result, interrupt};
use std::fmt::Display;

/// Follows a forward pass from layer to layer, or only lets it through.
pub struct Watch(Option<Seen>);

#[derive(Default)]
struct Seen {
    /// The names of the layers that the pass is in.
    path: Vec<String>,
    outputs: Vec<Output>,
}

/// What a layer gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// The layer's names from the top, joined by dots as its parameters' are.
    pub path: String,
    pub shape: Vec<i64>,
}

impl Watch {
    /// Lets a pass through.
    pub fn nothing() -> Self {
        Watch(None)
    }

    /// Notes the shape that each layer gives.
    pub fn shapes() -> Self {
        Watch(Some(Seen::default()))
    }

    /// The output of `layer`, a part of the network called `name`.
    pub fn through(
        &mut self,
        name: impl Display,
        layer: &dyn Module,
        x: &Tensor,
        training: bool,
    ) -> Result<Tensor> {
        // A layer of a large batch takes most of a second.
        interrupt::check()?;
        let Some(seen) = &mut self.0 else {
            return layer.forward(x, training);
        };
        seen.path.push(name.to_string());
        let output = layer.forward_watched(x, training, self)?;
        if let Some(seen) = &mut self.0 {
            seen.outputs.push(Output {
                path: seen.path.join("."),
                shape: output.shape(),
            });
            seen.path.pop();
        }
        Ok(output)
    }

    /// What was noted, in the order in which the layers were done.
    pub fn outputs(self) -> Vec<Output> {
        self.0.map_or_else(Vec::new, |seen| seen.outputs)
    }
}
