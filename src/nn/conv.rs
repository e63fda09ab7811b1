use super::frozen::Plan;
use super::init;
use super::module::{Entry, Module, join};
use crate::Result;
use crate::torch::{self, Device, Tensor};

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
        let torch::Conv2d {
            stride,
            padding,
            dilation,
            groups,
        } = geometry;
        ensure!(
            stride > 0 && dilation > 0 && padding >= 0,
            "`Conv2d`: stride and dilation must be positive and padding at least 0, got {stride}, \
             {dilation} and {padding}"
        );
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

/// Places of an image up to which a convolution that looks at one of them is faster as a matrix
/// product on a processor, and one that looks at several.
const FEW: (i64, i64) = (16, 4);

impl Conv2d {
    /// The same as one matrix product, for images of few places on a processor: there the gradient
    /// of the weights takes oneDNN up to eighteen times as long as that of a product.
    fn as_product(&self, x: &Tensor) -> Result<Option<Tensor>> {
        let (images, weights) = (x.shape(), self.weight.shape());
        let (&[_, inputs, height, width], &[outputs, of_group, k, other_k]) =
            (images.as_slice(), weights.as_slice())
        else {
            return Ok(None);
        };
        let torch::Conv2d {
            stride,
            padding,
            dilation,
            groups,
        } = self.geometry;
        let few = if k == 1 { FEW.0 } else { FEW.1 };
        let usual = k == other_k && dilation == 1 && groups == 1 && inputs == of_group;
        if !usual || height * width > few || x.device() != Device::Cpu {
            return Ok(None);
        }
        let (Some(down), Some(right)) = (
            Taps::of(height, k, stride, padding),
            Taps::of(width, k, stride, padding),
        ) else {
            return Ok(None);
        };
        let padded = if padding > 0 {
            x.pad2d(padding, "constant")?
        } else {
            x.clone()
        };
        let mut seen = Vec::new();
        for row in down.all() {
            for column in right.all() {
                let places = padded
                    .narrow(2, row, stride * (down.outputs - 1) + 1)?
                    .narrow(3, column, stride * (right.outputs - 1) + 1)?;
                seen.push(
                    places
                        .every(2, stride)?
                        .every(3, stride)?
                        .permute(&[0, 2, 3, 1])?,
                );
            }
        }
        let taps = seen.len() as i64;
        let rows = torch::cat(&seen, 3)?.reshape(&[-1, taps * inputs])?;
        let weight = self.weight.narrow(2, down.first, down.count)?;
        let weight = weight.narrow(3, right.first, right.count)?;
        let weight = weight
            .permute(&[0, 2, 3, 1])?
            .reshape(&[outputs, taps * inputs])?;
        let out = rows.linear(&weight, self.bias.as_ref())?;
        let out = out.reshape(&[-1, down.outputs, right.outputs, outputs])?;
        out.permute(&[0, 3, 1, 2]).map(Some)
    }
}

/// The taps of a kernel along one side that see more than padding, and how often it is applied.
struct Taps {
    first: i64,
    count: i64,
    outputs: i64,
}

impl Taps {
    /// `None` where it is never applied.
    fn of(length: i64, k: i64, stride: i64, padding: i64) -> Option<Self> {
        let outputs = (length + 2 * padding - k).div_euclid(stride) + 1;
        let sees = |tap: &i64| {
            (0..outputs).any(|out| (0..length).contains(&(out * stride + tap - padding)))
        };
        let first = (0..k).find(sees)?;
        let last = (0..k).rev().find(sees)?;
        Some(Taps {
            first,
            count: last - first + 1,
            outputs,
        })
    }

    fn all(&self) -> std::ops::Range<i64> {
        self.first..self.first + self.count
    }
}

impl Module for Conv2d {
    fn forward(&self, x: &Tensor, _training: bool) -> Result<Tensor> {
        if torch::is_autocast()
            && let Some(out) = self.as_product(x)?
        {
            return Ok(out);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torch::{Dtype, Like, generator, manual_seed, randn};

    /// Outputs and both gradients in float64.
    #[test]
    fn a_convolution_of_few_places_is_a_product() -> Result<()> {
        let _guard = generator();
        manual_seed(8);
        let like = Like {
            dtype: Dtype::Float64,
            ..Like::default()
        };
        for (k, stride, padding, side) in [
            (1, 1, 0, 4),
            (1, 2, 0, 4),
            (1, 2, 0, 3),
            (3, 1, 1, 1),
            (3, 1, 1, 2),
            (3, 2, 1, 2),
            (5, 1, 2, 2),
            (2, 1, 0, 2),
        ] {
            let geometry = torch::Conv2d {
                stride,
                padding,
                ..torch::Conv2d::default()
            };
            let mut conv = Conv2d::new(3, 4, k, geometry, true)?;
            conv.weight = randn(&[4, 3, k, k], like)?.leaf()?;
            conv.bias = Some(randn(&[4], like)?);
            let x = randn(&[2, 3, side, side], like)?.channels_last()?.leaf()?;
            let product = conv.as_product(&x)?.expect("there are few places");
            let expected = conv.forward(&x, true)?;
            let what = format!("{k} {stride} {padding} {side}");
            assert!(product.all_close(&expected, 1e-12, 1e-12)?, "{what}");
            for of in [&x, &conv.weight] {
                let slope = |out: &Tensor| out.square()?.sum()?.gradient_keeping(of);
                assert!(
                    slope(&product)?.all_close(&slope(&expected)?, 1e-11, 1e-11)?,
                    "{what}"
                );
            }
        }
        Ok(())
    }
}
