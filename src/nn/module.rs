use super::frozen::Plan;
use super::watch::Watch;
use crate::Result;
use crate::torch::Tensor;

/// A tensor that a module owns.
#[derive(Clone)]
pub enum Entry {
    /// Learned by the optimiser.
    Parameter(Tensor),
    /// Part of the state, not learned (running statistics).
    Buffer(Tensor),
}

impl Entry {
    pub fn tensor(&self) -> &Tensor {
        match self {
            Entry::Parameter(tensor) | Entry::Buffer(tensor) => tensor,
        }
    }
}

/// A layer, or a network of layers.
pub trait Module {
    /// The output for a batch. `training` decides what dropout and batch normalisation do.
    fn forward(&self, x: &Tensor, training: bool) -> Result<Tensor>;

    /// The same output; a network shows `watch` what each of its layers gives.
    fn forward_watched(&self, x: &Tensor, training: bool, _watch: &mut Watch) -> Result<Tensor> {
        self.forward(x, training)
    }

    /// The shape of the input that it was made for, where that is known.
    fn natural_input(&self) -> Option<Vec<i64>> {
        None
    }

    /// Adds to `plan` what this does in eval mode with its weights of now; false where it can only
    /// be taken as it is.
    fn freeze(&self, _plan: &mut Plan) -> Result<bool> {
        Ok(false)
    }

    /// Calls `visit` with the name and tensor of each parameter and buffer, in the order of
    /// PyTorch's `state_dict`.
    fn visit(&self, prefix: &str, visit: &mut dyn FnMut(String, Entry));

    /// One line: the type and what decides its shape, as PyTorch prints it.
    fn describe(&self) -> String;

    /// The layers directly inside, by name.
    fn children(&self) -> Vec<(String, &dyn Module)> {
        Vec::new()
    }
}

/// Names and tensors of a module, in the order of PyTorch's `state_dict`.
pub fn entries(module: &dyn Module) -> Vec<(String, Entry)> {
    let mut found = Vec::new();
    module.visit("", &mut |name, entry| found.push((name, entry)));
    found
}

/// `prefix.name`, or `name` alone at the top.
pub(super) fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}.{name}")
    }
}
