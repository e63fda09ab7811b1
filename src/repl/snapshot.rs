//! Variables as they were before an input, to go back to if it fails.
//!
//! Tensors, models and other objects of the host are shared, not copied. Of tensors the snapshot
//! knows what is recorded about gradients, of models the mode; weights that an input changed stay
//! changed.

use crate::nn::Model;
use crate::torch::{GradState, Tensor};
use rhai::{Dynamic, Scope};

pub struct Snapshot {
    variables: Vec<Variable>,
    gradients: Vec<GradState>,
    modes: Vec<(Model, bool)>,
}

struct Variable {
    name: String,
    constant: bool,
    value: Dynamic,
    /// What a variable that closures captured held: they share one cell.
    inner: Option<Dynamic>,
}

impl Snapshot {
    pub fn take(scope: &Scope) -> Self {
        // Rhai gives the newest first.
        let mut variables: Vec<_> = scope
            .iter_raw()
            .map(|(name, constant, value)| Variable {
                name: name.to_owned(),
                constant,
                value: value.clone(),
                inner: value.is_shared().then(|| value.flatten_clone()),
            })
            .collect();
        variables.reverse();
        let mut gradients = Vec::new();
        let mut modes = Vec::new();
        // Looked at in place: a clone of a long array costs as much as the array.
        for (_, _, value) in scope.iter_raw() {
            if let Some(tensor) = value.read_lock::<Tensor>() {
                gradients.push(tensor.grad_state());
            } else if let Some(model) = value.read_lock::<Model>() {
                modes.push((model.clone(), model.training()));
            }
        }
        Snapshot {
            variables,
            gradients,
            modes,
        }
    }

    pub fn restore(self) -> Scope<'static> {
        self.gradients.into_iter().for_each(GradState::restore);
        for (model, training) in self.modes {
            model.set_training(training);
        }
        let mut scope = Scope::new();
        for mut variable in self.variables {
            if let Some(inner) = variable.inner
                && let Some(mut cell) = variable.value.write_lock::<Dynamic>()
            {
                *cell = inner;
            }
            match variable.constant {
                true => scope.push_constant_dynamic(variable.name, variable.value),
                false => scope.push_dynamic(variable.name, variable.value),
            };
        }
        scope
    }
}
