use super::frozen::Plan;
use super::init;
use super::module::{Entry, Module, join};
use crate::Result;
use crate::torch::Tensor;

/// `[n, inputs]` to `[n, outputs]`, with PyTorch's default initialisation.
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// # Errors
    /// `Invalid` for sizes below 1.
    pub fn new(inputs: i64, outputs: i64, bias: bool) -> Result<Self> {
        ensure!(
            inputs > 0 && outputs > 0,
            "`Linear`: inputs and outputs must be positive, got {inputs} and {outputs}"
        );
        init::check_size("Linear", &[inputs, outputs])?;
        let shape = [outputs, inputs];
        let weight = init::kaiming_uniform(&shape)?.leaf()?;
        let bias = match bias {
            true => Some(init::bias(outputs, &shape)?.leaf()?),
            false => None,
        };
        Ok(Linear { weight, bias })
    }
}

impl Module for Linear {
    fn forward(&self, x: &Tensor, _training: bool) -> Result<Tensor> {
        x.linear(&self.weight, self.bias.as_ref())
    }

    fn freeze(&self, plan: &mut Plan) -> Result<bool> {
        plan.linear(&self.weight, self.bias.as_ref())?;
        Ok(true)
    }

    fn visit(&self, prefix: &str, visit: &mut dyn FnMut(String, Entry)) {
        visit(
            join(prefix, "weight"),
            Entry::Parameter(self.weight.clone()),
        );
        if let Some(bias) = &self.bias {
            visit(join(prefix, "bias"), Entry::Parameter(bias.clone()));
        }
    }

    fn describe(&self) -> String {
        let shape = self.weight.shape();
        let bias = if self.bias.is_some() { "" } else { ", no bias" };
        format!("Linear({}, {}{bias})", shape[1], shape[0])
    }
}
