//! One convolution, in the way that is fastest for images of one size. All ways compute the same
//! sums, added up in another order.

use super::product::Product;
use super::shuffled::Shuffled;
use crate::Result;
use crate::torch::{self, Device, Dtype, Packed, PackedTransposed, Tensor};

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
    pub output: [i64; 3],
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
    /// A matrix product for each place, or for those of a grid.
    Places(Product, i64),
    /// One for each image, of all places at once.
    Whole(Product),
}

enum Back {
    /// Without a stride it is a convolution, too.
    Conv(Packed),
    Transposed(PackedTransposed),
    Shuffled(Shuffled),
}

/// Places of an image up to which a convolution that looks at one of them is best a matrix product.
const FEW: i64 = 9;

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
        let [n, channels, height, width] = input;
        let shape = weight.shape();
        let (outputs, k) = (shape[0], shape[2]);
        let side =
            |length: i64, k: i64| (length + 2 * padding - dilation * (k - 1) - 1) / stride + 1;
        let output = [outputs, side(height, k), side(width, shape[3])];
        ensure!(
            output.iter().all(|&side| side > 0),
            "`conv2d`: images of {height} x {width} are smaller than the kernel of {k} x {k}"
        );
        let usual = dilation == 1 && groups == 1 && k == shape[3] && padding < k;
        let fast = || -> Result<Kernel> {
            ensure!(
                usual && weight.device() == Device::Cpu,
                "there are no ways of our own for this convolution"
            );
            if k == 1 && (stride > 1 || height * width <= FEW) {
                let weight = weight.reshape(&[outputs, channels])?.contiguous()?;
                let rows = n * output[1] * output[2];
                return Ok(Kernel::Places(
                    Product::packed(&weight, bias.as_ref(), rows)?,
                    stride,
                ));
            }
            // No more products than the convolution has, which multiplies its padding, too.
            if height * width <= k * k {
                let weight = whole(&weight, (stride, padding), [height, width], &output)?;
                let bias = bias.as_ref().map(|it| it.repeat(&[output[1] * output[2]]));
                let product = Product::packed(&weight, bias.transpose()?.as_ref(), n)?;
                return Ok(Kernel::Whole(product));
            }
            packed(&weight, bias.as_ref(), (stride, padding), input, output)
        };
        let kernel = match fast() {
            Ok(kernel) => kernel,
            Err(_) => Kernel::Plain {
                weight: weight.channels_last()?,
                bias,
                geometry: conv.geometry,
            },
        };
        Ok(Conv {
            kernel,
            relu: conv.relu,
            input: [channels, height, width],
            output,
        })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match &self.kernel {
            Kernel::Packed { there, .. } => there.forward(x, self.relu),
            Kernel::Plain {
                weight,
                bias,
                geometry,
            } => {
                let sums = x.conv2d(weight, bias.as_ref(), *geometry)?;
                if self.relu {
                    sums.into_relu()
                } else {
                    Ok(sums)
                }
            }
            Kernel::Places(product, stride) => {
                let out = product.forward(&self.places(x, *stride)?, self.relu)?;
                images(&out, self.output)
            }
            Kernel::Whole(product) => {
                let x = rows(x, self.input.iter().product())?;
                images(&product.forward(&x, self.relu)?, self.output)
            }
        }
    }

    /// What the products for each place are given.
    fn places(&self, x: &Tensor, stride: i64) -> Result<Tensor> {
        let x = match stride {
            1 => x.clone(),
            stride => x.every(2, stride)?.every(3, stride)?,
        };
        rows(&x, self.input[0])
    }

    /// The sum of `sum` and the convolution, then a ReLU if `relu`.
    pub fn forward_onto(&self, sum: Tensor, x: &Tensor, relu: bool) -> Result<Tensor> {
        let sum = match &self.kernel {
            Kernel::Packed { there, .. } => return there.forward_onto(sum, x, relu),
            Kernel::Plain {
                weight,
                bias,
                geometry,
            } => x.conv2d(weight, bias.as_ref(), *geometry)?.into_sum(&sum)?,
            Kernel::Places(product, stride) => {
                let sum = rows(&sum, self.output[0])?;
                let out = product.forward_onto(&sum, &self.places(x, *stride)?)?;
                images(&out, self.output)?
            }
            Kernel::Whole(product) => {
                let sum = rows(&sum, self.output.iter().product())?;
                let x = rows(x, self.input.iter().product())?;
                images(&product.forward_onto(&sum, &x)?, self.output)?
            }
        };
        if relu { sum.into_relu() } else { Ok(sum) }
    }

    /// The gradient of the input, added to `sum` if given, from that of the output before its ReLU.
    pub fn backward(&self, gradient: &Tensor, sum: Option<Tensor>) -> Result<Tensor> {
        let back = match &self.kernel {
            Kernel::Packed { back, .. } => match (back, sum) {
                (Back::Conv(back), Some(sum)) => return back.forward_onto(sum, gradient, false),
                (Back::Conv(back), None) => return back.forward(gradient, false),
                (Back::Transposed(back), sum) => (back.forward(gradient)?, sum),
                (Back::Shuffled(back), sum) => (back.forward(gradient)?, sum),
            },
            Kernel::Plain {
                weight, geometry, ..
            } => {
                let back = gradient.conv2d_input_gradient(weight, self.input, *geometry)?;
                (back, sum)
            }
            Kernel::Places(product, 1) => {
                let sum = sum.map(|sum| rows(&sum, self.input[0])).transpose()?;
                let back = product.backward(&rows(gradient, self.output[0])?, sum.as_ref())?;
                return images(&back, self.input);
            }
            Kernel::Places(product, stride) => {
                let back = product.backward(&rows(gradient, self.output[0])?, None)?;
                let [_, height, width] = self.output;
                let grid = images(&back, [self.input[0], height, width])?;
                let sum = match sum {
                    Some(sum) => sum,
                    None => self.no_images(gradient)?,
                };
                return sum.into_sum_on_grid(&grid, *stride);
            }
            Kernel::Whole(product) => {
                let length = self.input.iter().product();
                let sum = sum.map(|sum| rows(&sum, length)).transpose()?;
                let gradient = rows(gradient, self.output.iter().product())?;
                return images(&product.backward(&gradient, sum.as_ref())?, self.input);
            }
        };
        match back {
            (back, Some(sum)) => back.into_sum(&sum),
            (back, None) => Ok(back),
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
        stride if stride * stride * weight.dim(1)? <= Shuffled::CHANNELS => {
            let size = [input[2], input[3]];
            Back::Shuffled(Shuffled::new(&weight, (stride, padding), size, gradient)?)
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
