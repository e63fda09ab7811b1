//! The domain `train`: the optimiser and the schedule of its learning rate.

use super::callback;
use super::host::Host;
use super::names::a_type;
use super::{RhaiResultOf, options};
use crate::nn::Model;
use crate::torch::{self, Tensor};
use crate::train::{Schedule, ScheduleKind, ScheduleOptions, Sgd, SgdOptions};
use crate::{interrupt, seed};
use rhai::plugin::*;
use rhai::{Array, FnPtr, Map};
use std::rc::Rc;

/// An optimiser as scripts hold it.
#[derive(Clone)]
pub struct Optimizer(pub Rc<Sgd>);

pub fn module() -> rhai::Module {
    let mut module = rhai::exported_module!(functions);
    module.set_custom_type::<Optimizer>("optimizer");
    module.set_custom_type::<Schedule>("schedule");
    module
}

fn optimizer(parameters: Vec<(String, Tensor)>, map: Map) -> RhaiResultOf<Optimizer> {
    let options: SgdOptions = options::read("sgd", map)?;
    Ok(Optimizer(Rc::new(Sgd::new(parameters, options)?)))
}

/// Optimisers and learning rate schedules; the training loop itself is `std/train`.
#[export_module]
pub mod functions {
    /// Stochastic gradient descent as PyTorch defines it, on the parameters of a model or on an
    /// array of tensors that require gradients.
    ///
    /// - `lr`: learning rate
    /// - `momentum` (default 0.0): share of the last step that is taken again
    /// - `weight_decay` (default 0.0): of every parameter
    /// - `nesterov` (default false): looks ahead by the momentum
    ///
    /// Errors: rates out of range, `nesterov` without momentum, nothing to optimise.
    ///
    /// ```rhai
    /// let w = tensor([4.0]).requires_grad_();
    /// sgd([w], #{ lr: 0.5 }).step((w * w).sum());
    /// assert(w.item() == 0.0);
    ///
    /// let model = sequential([Linear(3, 2)]);
    /// let optimizer = sgd(model, #{ lr: 0.1, momentum: 0.9 });
    /// let x = rand([8, 3]);
    /// let before = model.forward(x).square().mean().item();
    /// for i in 0..10 { optimizer.step(model.forward(x).square().mean()); }
    /// assert(model.forward(x).square().mean().item() < before);
    /// ```
    #[rhai_fn(name = "sgd", return_raw)]
    pub fn sgd(model: Model, options: Map) -> RhaiResultOf<Optimizer> {
        optimizer(model.parameters(), options)
    }

    #[rhai_fn(name = "sgd", return_raw)]
    pub fn sgd_on_tensors(tensors: Array, options: Map) -> RhaiResultOf<Optimizer> {
        let mut parameters = Vec::new();
        for (at, tensor) in tensors.into_iter().enumerate() {
            let kind = tensor.type_name();
            let tensor = tensor.try_cast::<Tensor>().ok_or_else(|| {
                format!(
                    "`sgd` takes a model or an array of tensors; entry {at} is {}",
                    a_type(kind)
                )
            })?;
            parameters.push((at.to_string(), tensor));
        }
        optimizer(parameters, options)
    }

    /// Differentiates `loss`, moves every parameter, and returns the loss as a number.
    ///
    /// No gradient is left behind.
    ///
    /// Errors: a loss that is not one finite number, before anything is changed.
    ///
    /// ```rhai
    /// let w = tensor([1.0]).requires_grad_();
    /// let loss = sgd([w], #{ lr: 0.1 }).step((w * 3.0).sum());
    /// assert(loss == 3.0);
    /// assert((w.item() - 0.7).abs() < 1e-6);
    /// ```
    #[rhai_fn(name = "step", return_raw)]
    pub fn step(optimizer: Optimizer, loss: Tensor) -> RhaiResultOf<f64> {
        Ok(optimizer.0.step(&loss)?)
    }

    /// The same, and the gradient of something else from the same backward pass, for example of
    /// the perturbation in free adversarial training; returns `#{ loss, gradient }`.
    ///
    /// - `x`: a tensor that requires a gradient
    ///
    /// ```rhai
    /// let w = tensor([1.0]).requires_grad_();
    /// let x = tensor([3.0]).requires_grad_();
    /// let taken = sgd([w], #{ lr: 0.1 }).step((w * x).sum(), x);
    /// assert(taken.loss == 3.0 && taken.gradient.item() == 1.0);
    /// ```
    #[rhai_fn(name = "step", return_raw)]
    pub fn step_with(optimizer: Optimizer, loss: Tensor, x: Tensor) -> RhaiResultOf<Map> {
        let (loss, mut gradients) = optimizer.0.step_with(&loss, &[&x])?;
        Ok(Map::from([
            ("loss".into(), loss.into()),
            ("gradient".into(), Dynamic::from(gradients.remove(0))),
        ]))
    }

    /// The learning rate of the steps from here on; can be assigned.
    ///
    /// ```rhai
    /// let optimizer = sgd(sequential([Linear(3, 2)]), #{ lr: 0.1 });
    /// optimizer.lr = 0.01;
    /// assert(optimizer.lr == 0.01);
    /// ```
    #[rhai_fn(get = "lr", pure)]
    pub fn lr(optimizer: &mut Optimizer) -> f64 {
        optimizer.0.lr()
    }

    #[rhai_fn(set = "lr", return_raw)]
    pub fn set_lr(optimizer: &mut Optimizer, lr: f64) -> RhaiResultOf<()> {
        Ok(optimizer.0.set_lr(lr)?)
    }

    /// The options that the optimiser was made with, as a map.
    ///
    /// ```rhai
    /// assert(sgd(sequential([Linear(3, 2)]), #{ lr: 0.1 }).options.momentum == 0.0);
    /// ```
    #[rhai_fn(get = "options", return_raw, pure)]
    pub fn optimizer_options(optimizer: &mut Optimizer) -> RhaiResultOf<Dynamic> {
        rhai::serde::to_dynamic(optimizer.0.options())
    }

    /// The optimiser in one line: its options, the learning rate as it is now, parameters.
    ///
    /// ```rhai
    /// let text = sgd(sequential([Linear(3, 2)]), #{ lr: 0.1 }).to_string();
    /// assert(text.starts_with("sgd(lr: 0.1,") && text.ends_with("8 parameters in 2 tensors"));
    /// ```
    #[rhai_fn(
        name = "to_string",
        name = "to_debug",
        name = "print",
        name = "debug",
        pure
    )]
    pub fn optimizer_to_string(optimizer: &mut Optimizer) -> String {
        optimizer.0.to_string()
    }

    /// Writes the momentum of every parameter to a safetensors file, whole or not at all.
    ///
    /// ```rhai
    /// let model = sequential([Linear(3, 2)]);
    /// let optimizer = sgd(model, #{ lr: 0.1, momentum: 0.9 });
    /// optimizer.step(model.forward(rand([4, 3])).sum());
    /// optimizer.save("optimizer.safetensors");
    /// optimizer.load("optimizer.safetensors");
    /// ```
    #[rhai_fn(name = "save", return_raw)]
    pub fn save_optimizer(
        context: NativeCallContext,
        optimizer: Optimizer,
        path: &str,
    ) -> RhaiResultOf<()> {
        let target = Host::of(&context).target(path)?;
        let bytes = torch::safetensors::to_bytes(&optimizer.0.state_dict())?;
        Ok(target.write(&bytes)?)
    }

    /// Takes up the momentum that `save` wrote.
    ///
    /// ```rhai
    /// let model = sequential([Linear(3, 2)]);
    /// let optimizer = sgd(model, #{ lr: 0.1, momentum: 0.9 });
    /// optimizer.save("optimizer.safetensors");
    /// optimizer.load("optimizer.safetensors");
    /// ```
    #[rhai_fn(name = "load", return_raw)]
    pub fn load_optimizer(
        context: NativeCallContext,
        optimizer: Optimizer,
        path: &str,
    ) -> RhaiResultOf<()> {
        let state = torch::safetensors::load(&Host::of(&context).file(path)?)?;
        Ok(optimizer.0.load_state_dict(state)?)
    }

    /// How the learning rate goes from the first step to the last, as a value.
    ///
    /// - `kind`: `"cosine"` (to 0), `"step"` (times `gamma` at each of `milestones`) or
    ///   `"constant"`
    /// - `total`: number of steps, or of epochs, in all
    /// - `warmup` (default 0): the rate rises linearly over this many first
    /// - `milestones` (default none), `gamma` (default 0.1): for `"step"`
    ///
    /// Source: Loshchilov & Hutter 2017, <https://arxiv.org/abs/1608.03983>, equation 5.
    ///
    /// ```rhai
    /// let cosine = schedule("cosine", #{ total: 10 });
    /// for step in [0, 5, 10] { print(cosine.factor(step)); }
    /// //> 1.0
    /// //> 0.5
    /// //> 0.0
    /// ```
    #[rhai_fn(return_raw)]
    pub fn schedule(kind: &str, options: Map) -> RhaiResultOf<Schedule> {
        let kind = match kind {
            "cosine" => ScheduleKind::Cosine,
            "step" => ScheduleKind::Step,
            "constant" => ScheduleKind::Constant,
            other => {
                return Err(format!(
                    "`kind` must be \"cosine\", \"step\" or \"constant\", got {other:?}"
                )
                .into());
            }
        };
        let options: ScheduleOptions = options::read("schedule", options)?;
        Ok(Schedule::new(kind, options)?)
    }

    /// The share of the full learning rate that step `s` (from 0) uses.
    ///
    /// ```rhai
    /// let s = schedule("step", #{ total: 10, milestones: [5], gamma: 0.5 });
    /// print(s.factor(4));  //> 1.0
    /// print(s.factor(5));  //> 0.5
    /// ```
    pub fn factor(schedule: Schedule, s: i64) -> f64 {
        schedule.factor(s)
    }

    /// The schedule in one line.
    ///
    /// ```rhai
    /// let cosine = schedule("cosine", #{ total: 10 });
    /// assert(cosine.to_string() == "cosine(total: 10, warmup: 0)");
    /// ```
    #[rhai_fn(
        name = "to_string",
        name = "to_debug",
        name = "print",
        name = "debug",
        pure
    )]
    pub fn schedule_to_string(schedule: &mut Schedule) -> String {
        schedule.to_string()
    }

    /// Runs a closure to its end before a Ctrl-C stops the run, such as one training step;
    /// returns what it returns. A second Ctrl-C ends the program at once. In an interactive
    /// session a Ctrl-C does not wait.
    ///
    /// ```rhai
    /// assert(uninterrupted(|| 6 * 7) == 42);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn uninterrupted(context: NativeCallContext, work: FnPtr) -> RhaiResultOf<Dynamic> {
        Ok(interrupt::deferred(|| callback::call(&context, &work, ()))?)
    }

    /// Seeds libtorch's generator for one step: by the run's seed, a purpose and two counters.
    ///
    /// What a step draws then depends on nothing that was drawn before, so that a run which
    /// resumes there draws the same.
    ///
    /// ```rhai
    /// seed_step("train", 0, 5);
    /// let a = rand([3]);
    /// seed_step("train", 0, 5);
    /// assert(rand([3]).equal(a));
    /// ```
    pub fn seed_step(context: NativeCallContext, purpose: &str, epoch: i64, step: i64) {
        let counters = [epoch as u64, step as u64];
        torch::manual_seed(seed::derive(Host::of(&context).seed(), purpose, &counters));
    }
}
