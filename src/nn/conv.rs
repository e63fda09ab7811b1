use super::frozen::Plan;
use super::init;
use super::module::{Entry, Module, join};
use crate::Result;
use crate::torch::{self, Tensor};

/// A convolution over `[n, c, h, w]`, with PyTorch's default initialisation.
pub struct Conv2d {
    pub weight: Tensor,
    bias: Option<Tensor>,
    geometry: torch::Conv2d,
}

impl Conv2d {
    /// # Errors
    /// `Invalid` for sizes below 1 or channels that the groups do not divide.
    pub fn new(
        inputs: i64,
        outputs: i64,
        kernel: i64,
        geometry: torch::Conv2d,
        bias: bool,
    ) -> Result<Self> {
        let groups = geometry.groups;
        ensure!(
            inputs > 0 && outputs > 0 && kernel > 0,
            "`Conv2d`: channels and kernel size must be positive, got {inputs}, {outputs} and \
             {kernel}"
        );
        ensure!(
            groups > 0 && inputs % groups == 0 && outputs % groups == 0,
            "`Conv2d`: `groups` must divide both numbers of channels, got {groups} for {inputs} \
             and {outputs}"
        );
        init::check_size("Conv2d", &[inputs, outputs, kernel, kernel])?;
        let shape = [outputs, inputs / groups, kernel, kernel];
        let weight = init::kaiming_uniform(&shape)?.channels_last()?.leaf()?;
        let bias = match bias {
            true => Some(init::bias(outputs, &shape)?.leaf()?),
            false => None,
        };
        Ok(Conv2d {
            weight,
            bias,
            geometry,
        })
    }
}

impl Module for Conv2d {
    fn forward(&self, x: &Tensor, _training: bool) -> Result<Tensor> {
        x.conv2d(&self.weight, self.bias.as_ref(), self.geometry)
    }

    fn freeze(&self, plan: &mut Plan) -> Result<bool> {
        plan.conv(&self.weight, self.bias.as_ref(), self.geometry)?;
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
        let torch::Conv2d {
            stride,
            padding,
            dilation,
            groups,
        } = self.geometry;
        let mut text = format!("Conv2d({}, {}, {}", shape[1] * groups, shape[0], shape[2]);
        let defaults = torch::Conv2d::default();
        for (name, value, usual) in [
            ("stride", stride, defaults.stride),
            ("padding", padding, defaults.padding),
            ("dilation", dilation, defaults.dilation),
            ("groups", groups, defaults.groups),
        ] {
            if value != usual {
                text += &format!(", {name} {value}");
            }
        }
        if self.bias.is_none() {
            text += ", no bias";
        }
        text + ")"
    }
}
