//! One convolution, in the way that is fastest for images of one size. All ways compute the same
//! sums, added up in another order.

use crate::Result;
use crate::torch::{self, Dtype, Packed, PackedTransposed, Tensor};

/// A folded convolution: float32 weights `[outputs, inputs, k, k]` and a bias `[outputs]`.
pub struct Folded<'a> {
    pub weight: &'a Tensor,
    pub bias: Option<&'a Tensor>,
    pub geometry: torch::Conv2d,
    pub relu: bool,
}

/// A convolution and the ReLU right after it, for images of one size.
pub struct Conv {
    kernel: Kernel,
    pub relu: bool,
    /// Channels, rows and columns of what goes in and of what comes out.
    input: [i64; 3],
    output: [i64; 3],
}

enum Kernel {
    /// As libtorch does it.
    Plain {
        weight: Tensor,
        bias: Option<Tensor>,
        geometry: torch::Conv2d,
    },
    Packed {
        there: Packed,
        back: Back,
    },
    /// A matrix product for each place, `[outputs, inputs]`.
    Places {
        weight: Tensor,
        bias: Option<Tensor>,
        stride: i64,
    },
    /// A matrix product for each image, `[places * outputs, places * inputs]`.
    Whole {
        weight: Tensor,
        bias: Option<Tensor>,
    },
}

enum Back {
    /// Without a stride it is a convolution, too.
    Conv(Packed),
    Transposed(PackedTransposed),
}

/// Sides of images up to which a convolution that looks at one place is best a matrix product.
const SMALL: i64 = 16;

impl Conv {
    /// For images of the shape `input`, `[n, c, h, w]`, in `dtype`.
    pub fn new(conv: &Folded, input: [i64; 4], dtype: Dtype) -> Result<Self> {
        let weight = conv.weight.to_dtype(dtype)?;
        let bias = conv.bias.map(|bias| bias.to_dtype(dtype)).transpose()?;
        let torch::Conv2d {
            stride,
            padding,
            dilation,
            groups,
        } = conv.geometry;
        let [_, channels, height, width] = input;
        let shape = weight.shape();
        let (outputs, k) = (shape[0], shape[2]);
        let side =
            |length: i64, k: i64| (length + 2 * padding - dilation * (k - 1) - 1) / stride + 1;
        let output = [outputs, side(height, k), side(width, shape[3])];
        let usual = dilation == 1 && groups == 1 && k == shape[3] && padding < k;
        let plain = || -> Result<Kernel> {
            Ok(Kernel::Plain {
                weight: weight.channels_last()?,
                bias: bias.clone(),
                geometry: conv.geometry,
            })
        };
        let kernel = if !usual {
            plain()?
        } else if k == 1 && (stride > 1 || height.max(width) <= SMALL) {
            Kernel::Places {
                weight: weight.reshape(&[outputs, channels])?.contiguous()?,
                bias,
                stride,
            }
        } else if height * width <= k * k {
            // No more products than the convolution has, which multiplies its padding, too.
            Kernel::Whole {
                weight: whole(&weight, (stride, padding), [height, width], &output)?,
                bias: bias
                    .map(|bias| bias.repeat(&[output[1] * output[2]]))
                    .transpose()?,
            }
        } else {
            let packed = packed(&weight, bias.as_ref(), (stride, padding), input, output);
            packed.or_else(|_| plain())?
        };
        Ok(Conv {
            kernel,
            relu: conv.relu,
            input: [channels, height, width],
            output,
        })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if let Kernel::Packed { there, .. } = &self.kernel {
            return there.forward(x, self.relu);
        }
        let sums = self.sums(x)?;
        if self.relu {
            sums.into_relu()
        } else {
            Ok(sums)
        }
    }

    /// The sum of `sum` and the convolution, then a ReLU if `relu`.
    pub fn forward_onto(&self, sum: Tensor, x: &Tensor, relu: bool) -> Result<Tensor> {
        if let Kernel::Packed { there, .. } = &self.kernel {
            return there.forward_onto(sum, x, relu);
        }
        let sum = self.sums(x)?.into_sum(&sum)?;
        if relu { sum.into_relu() } else { Ok(sum) }
    }

    fn sums(&self, x: &Tensor) -> Result<Tensor> {
        match &self.kernel {
            Kernel::Packed { there, .. } => there.forward(x, false),
            Kernel::Plain {
                weight,
                bias,
                geometry,
            } => x.conv2d(weight, bias.as_ref(), *geometry),
            Kernel::Places {
                weight,
                bias,
                stride,
            } => {
                let x = match stride {
                    1 => x.clone(),
                    stride => x.every(2, *stride)?.every(3, *stride)?,
                };
                let rows = rows(&x, self.input[0])?;
                images(&rows.linear(weight, bias.as_ref())?, self.output)
            }
            Kernel::Whole { weight, bias } => {
                let rows = rows(x, self.input.iter().product())?;
                images(&rows.linear(weight, bias.as_ref())?, self.output)
            }
        }
    }

    /// The gradient of the input, added to `sum` if given, from that of the output before its ReLU.
    pub fn backward(&self, gradient: &Tensor, sum: Option<Tensor>) -> Result<Tensor> {
        let back = match &self.kernel {
            Kernel::Packed {
                back: Back::Conv(back),
                ..
            } => {
                return match sum {
                    Some(sum) => back.forward_onto(sum, gradient, false),
                    None => back.forward(gradient, false),
                };
            }
            Kernel::Packed {
                back: Back::Transposed(back),
                ..
            } => back.forward(gradient)?,
            Kernel::Plain {
                weight, geometry, ..
            } => gradient.conv2d_input_gradient(weight, self.input, *geometry)?,
            Kernel::Places { weight, stride, .. } => {
                let rows = rows(gradient, self.output[0])?;
                let back = rows.matmul(weight)?;
                if *stride > 1 {
                    let [_, height, width] = self.output;
                    let grid = images(&back, [self.input[0], height, width])?;
                    let sum = match sum {
                        Some(sum) => sum,
                        None => self.no_images(gradient)?,
                    };
                    return sum.into_sum_on_grid(&grid, *stride);
                }
                images(&back, self.input)?
            }
            Kernel::Whole { weight, .. } => {
                let rows = rows(gradient, self.output.iter().product())?;
                images(&rows.matmul(weight)?, self.input)?
            }
        };
        match sum {
            Some(sum) => back.into_sum(&sum),
            None => Ok(back),
        }
    }

    /// Zeros, as many images of the input as `gradient` has.
    fn no_images(&self, gradient: &Tensor) -> Result<Tensor> {
        let [channels, height, width] = self.input;
        let zeros = torch::zeros(
            &[gradient.dim(0)?, height, width, channels],
            gradient.like()?,
        )?;
        zeros.permute(&[0, 3, 1, 2])
    }
}

/// Images with their channels side by side as rows of `length` entries.
fn rows(x: &Tensor, length: i64) -> Result<Tensor> {
    x.permute(&[0, 2, 3, 1])?.reshape(&[-1, length])
}

/// The way back: rows of any length as images of this size.
fn images(rows: &Tensor, [channels, height, width]: [i64; 3]) -> Result<Tensor> {
    rows.reshape(&[-1, height, width, channels])?
        .permute(&[0, 3, 1, 2])
}

/// The convolution as one matrix for all places of an image at once.
fn whole(
    weight: &Tensor,
    (stride, padding): (i64, i64),
    [height, width]: [i64; 2],
    &[outputs, rows, columns]: &[i64; 3],
) -> Result<Tensor> {
    let (inputs, k) = (weight.dim(1)?, weight.dim(2)?);
    let shape = [rows, columns, outputs, height, width, inputs];
    let matrix = torch::zeros(&shape, weight.like()?)?;
    let inside = |out: i64, tap: i64, length: i64| {
        let at = out * stride - padding + tap;
        (0..length).contains(&at).then_some(at)
    };
    for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
        let of_place = matrix.select(0, row)?.select(0, column)?;
        for (down, right) in (0..k).flat_map(|down| (0..k).map(move |right| (down, right))) {
            if let (Some(y), Some(x)) = (inside(row, down, height), inside(column, right, width)) {
                let tap = weight.select(3, right)?.select(2, down)?;
                of_place.select(1, y)?.select(1, x)?.assign(&tap)?;
            }
        }
    }
    matrix.reshape(&[rows * columns * outputs, height * width * inputs])
}

fn packed(
    weight: &Tensor,
    bias: Option<&Tensor>,
    (stride, padding): (i64, i64),
    input: [i64; 4],
    [outputs, height, width]: [i64; 3],
) -> Result<Kernel> {
    let weight = weight.channels_last()?;
    let there = Packed::new(&weight, bias, (stride, padding), input)?;
    let gradient = [input[0], outputs, height, width];
    let k = weight.dim(2)?;
    let back = match stride {
        1 => {
            let turned = weight.transpose(0, 1)?.flip(&[2, 3])?.channels_last()?;
            Back::Conv(Packed::new(&turned, None, (1, k - 1 - padding), gradient)?)
        }
        stride => {
            // What the steps leave over at the end; PyTorch has one for both sides.
            let left = |length, out| length + 2 * padding - k - (out - 1) * stride;
            let left = (left(input[2], height), left(input[3], width));
            ensure!(left.0 == left.1, "a side of its own for each direction");
            let geometry = (stride, padding, left.0);
            Back::Transposed(PackedTransposed::new(&weight, geometry, gradient)?)
        }
    };
    Ok(Kernel::Packed { there, back })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torch::{Like, generator, manual_seed, rand, randn};

    /// Every way there is, forward and back, beside libtorch's own derivative in float32.
    #[test]
    fn all_ways_compute_the_convolution() -> Result<()> {
        let _guard = generator();
        manual_seed(3);
        let like = Like::default();
        for (k, stride, padding, dilation, groups, side) in [
            (1, 1, 0, 1, 1, 4),
            (1, 1, 0, 1, 1, 20),
            (1, 2, 0, 1, 1, 7),
            (3, 1, 1, 1, 1, 1),
            (3, 1, 1, 1, 1, 2),
            (3, 2, 1, 1, 1, 2),
            (3, 2, 1, 1, 1, 3),
            (3, 1, 1, 1, 1, 9),
            (3, 1, 0, 1, 1, 9),
            (3, 2, 1, 1, 1, 9),
            (3, 2, 1, 1, 1, 8),
            (5, 3, 2, 1, 1, 11),
            (3, 1, 2, 2, 1, 9),
            (3, 1, 1, 1, 4, 9),
            (7, 2, 3, 1, 1, 16),
        ] {
            let weight = randn(&[8, 4 / groups, k, k], like)?;
            let bias = rand(&[8], like)?;
            let geometry = torch::Conv2d {
                stride,
                padding,
                dilation,
                groups,
            };
            let x = randn(&[3, 4, side, side], like)?.channels_last()?.leaf()?;
            for relu in [false, true] {
                let folded = Folded {
                    weight: &weight,
                    bias: Some(&bias),
                    geometry,
                    relu,
                };
                let input = [3, 4, side, side];
                let conv = Conv::new(&folded, input, Dtype::Float32)?;
                let apart = x.detach()?;
                let (got, sums) = (
                    conv.forward(&apart)?,
                    x.conv2d(&weight, Some(&bias), geometry)?,
                );
                let what = format!("{k} {stride} {padding} {dilation} {groups} {side}");
                let expected = if relu { sums.relu()? } else { sums.clone() };
                // Sums of at most 200 products of float32.
                assert!(got.all_close(&expected, 1e-4, 1e-4)?, "{what}");
                let beside = randn(&sums.shape(), like)?.channels_last()?;
                let onto = conv.forward_onto(beside.copy()?, &apart, relu)?;
                let sum = sums.detach()?.add(&beside)?;
                let sum = if relu { sum.relu()? } else { sum };
                assert!(onto.all_close(&sum, 1e-4, 1e-4)?, "{what}");

                let slope = randn(&sums.shape(), like)?.channels_last()?;
                let expected = sums.mul(&slope)?.sum()?.gradient(&x)?;
                let back = conv.backward(&slope, None)?;
                assert!(back.all_close(&expected, 1e-4, 1e-4)?, "{what} back");
                let beside = randn(&x.shape(), like)?.channels_last()?;
                let onto = conv.backward(&slope, Some(beside.copy()?))?;
                assert!(
                    onto.all_close(&expected.add(&beside)?, 1e-4, 1e-4)?,
                    "{what} onto"
                );
            }
        }
        Ok(())
    }
}
