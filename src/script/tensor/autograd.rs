//! Gradients.

use super::args;
use crate::Result;
use crate::script::{RhaiResultOf, options};
use crate::torch::{self, Tensor, autograd};
use rhai::plugin::*;
use rhai::{Array, FnPtr, Map};
use serde::Deserialize;

#[export_module]
pub mod functions {
    /// Whether operations on the tensor are recorded, so that gradients can be taken.
    ///
    /// ```rhai
    /// assert(!zeros([2]).requires_grad);
    /// ```
    #[rhai_fn(get = "requires_grad")]
    pub fn requires_grad(x: Tensor) -> bool {
        x.requires_grad()
    }

    /// What `backward()` added up for this tensor; `()` before the first.
    ///
    /// ```rhai
    /// let x = tensor([1.0, 2.0]).requires_grad_();
    /// assert(x.grad == ());
    /// (x * x).sum().backward();
    /// assert(x.grad.to_array() == [2.0, 4.0]);
    /// ```
    #[rhai_fn(get = "grad")]
    pub fn accumulated(x: Tensor) -> Dynamic {
        x.grad().map_or(Dynamic::UNIT, Dynamic::from)
    }

    /// Records operations on this tensor from here on (or no longer, with false); returns it.
    ///
    /// In place: every variable that holds this tensor sees it.
    ///
    /// ```rhai
    /// let x = tensor([1.0, 2.0]).requires_grad_();
    /// assert(x.requires_grad);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn requires_grad_(x: Tensor) -> RhaiResultOf<Tensor> {
        Ok(x.with_requires_grad(true)?)
    }

    #[rhai_fn(name = "requires_grad_", return_raw)]
    pub fn set_requires_grad_(x: Tensor, required: bool) -> RhaiResultOf<Tensor> {
        Ok(x.with_requires_grad(required)?)
    }

    /// Writes the entries of `values` over this tensor's, unrecorded; returns it.
    ///
    /// In place: every variable, model and optimiser that holds this tensor sees it. For
    /// updating parameters by hand.
    ///
    /// ```rhai
    /// let w = tensor([1.0, 2.0]).requires_grad_();
    /// w.assign_(w * 0.5);
    /// assert(w.to_array() == [0.5, 1.0] && w.requires_grad);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn assign_(x: Tensor, values: Tensor) -> RhaiResultOf<Tensor> {
        x.assign(&values)?;
        Ok(x)
    }

    /// Adds d loss / d x to the `grad` of every x under this one-entry tensor that requires it.
    ///
    /// ```rhai
    /// let x = tensor([3.0]).requires_grad_();
    /// x.square().sum().backward();
    /// assert(x.grad.item() == 6.0);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn backward(loss: Tensor) -> RhaiResultOf<()> {
        Ok(loss.backward()?)
    }

    /// Sets what `backward()` added up for this tensor to zero.
    ///
    /// ```rhai
    /// let x = tensor([3.0]).requires_grad_();
    /// x.square().sum().backward();
    /// x.zero_grad_();
    /// assert(x.grad.item() == 0.0);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn zero_grad_(x: Tensor) -> RhaiResultOf<()> {
        Ok(x.zero_grad()?)
    }

    /// The same entries, cut off from what they were computed from.
    ///
    /// ```rhai
    /// let x = tensor([3.0]).requires_grad_();
    /// assert(!(x * 2).detach().requires_grad);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn detach(x: Tensor) -> RhaiResultOf<Tensor> {
        Ok(x.detach()?)
    }

    /// A copy with entries of its own; gradients pass through it.
    ///
    /// Tensors do not change, so a copy is seldom needed: a parameter's value before an
    /// optimiser's step is one, `weight.detach().clone()`.
    ///
    /// ```rhai
    /// let x = tensor([1, 2]);
    /// assert(x.clone().equal(x));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn clone(x: Tensor) -> RhaiResultOf<Tensor> {
        Ok(x.fresh()?)
    }

    /// d `loss` / d `x`, shaped like `x`; for an array of tensors, an array of gradients.
    ///
    /// Nothing is added up anywhere: `x.grad` stays as it is. Zeros where `loss` does not
    /// depend on `x`.
    ///
    /// - `loss`: a tensor of one entry
    /// - `x`: a tensor that had `requires_grad_()` before `loss` was computed, or an array of
    ///   them
    /// - `create_graph` (default false): whether the result can be differentiated again
    ///
    /// ```rhai
    /// let x = tensor([1.0, 2.0]).requires_grad_();
    /// print(grad((x ** 3).sum(), x).to_array());  //> [3.0, 12.0]
    ///
    /// let slope = grad((x ** 3).sum(), x, #{ create_graph: true });
    /// print(grad(slope.sum(), x).to_array());     //> [6.0, 12.0]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn grad(loss: Tensor, x: Dynamic) -> RhaiResultOf<Dynamic> {
        Ok(differentiate(&loss, x, false)?)
    }

    #[rhai_fn(name = "grad", return_raw)]
    pub fn grad_with(loss: Tensor, x: Dynamic, options: Map) -> RhaiResultOf<Dynamic> {
        let Differentiation { create_graph } = options::read("grad", options)?;
        Ok(differentiate(&loss, x, create_graph)?)
    }

    /// Calls a closure without recording anything for gradients; returns what it returns.
    ///
    /// ```rhai
    /// let w = tensor([1.0]).requires_grad_();
    /// let y = no_grad(|| w * 2);
    /// assert(!y.requires_grad);
    /// assert((w * 2).requires_grad);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn no_grad(context: NativeCallContext, body: FnPtr) -> RhaiResultOf<Dynamic> {
        torch::no_grad(|| body.call_within_context(&context, ()))
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Differentiation {
    create_graph: bool,
}

fn differentiate(loss: &Tensor, x: Dynamic, create_graph: bool) -> Result<Dynamic> {
    let gradients = |inputs: &[Tensor]| {
        let inputs: Vec<&Tensor> = inputs.iter().collect();
        match create_graph {
            true => autograd::gradients_with_graph(loss, &inputs),
            false => autograd::gradients(loss, &inputs),
        }
    };
    match x.try_cast_result::<Array>() {
        Ok(array) => {
            let found = gradients(&args::tensors("x", array)?)?;
            Ok(found
                .into_iter()
                .map(Dynamic::from)
                .collect::<Array>()
                .into())
        }
        Err(single) => {
            let mut found = gradients(&[args::tensor("x", single)?])?;
            Ok(Dynamic::from(found.remove(0)))
        }
    }
}
