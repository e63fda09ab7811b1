//! The way back through a convolution with a stride from few channels, the first one of a network.
//! oneDNN's is slow there: its blocks of channels stay nearly empty. With s the stride, the s x s
//! places that one step passes over become channels of one place, and all of them are found by one
//! convolution without a stride.

use crate::Result;
use crate::torch::{self, Packed, Tensor};

pub struct Shuffled {
    conv: Packed,
    /// Rows and columns of the result before its first place that counts.
    cut: i64,
    stride: i64,
    /// Channels, rows and columns of the images.
    output: [i64; 3],
}

impl Shuffled {
    /// Channels that still fill no block of oneDNN's.
    pub const CHANNELS: i64 = 16;

    /// `weight` is `[outputs, inputs, k, k]` of a convolution of images of `size`; `gradient` is the
    /// shape of what comes back.
    pub fn new(
        weight: &Tensor,
        (stride, padding): (i64, i64),
        [height, width]: [i64; 2],
        gradient: [i64; 4],
    ) -> Result<Self> {
        let shape = weight.shape();
        let (outputs, inputs, k) = (shape[0], shape[1], shape[2]);
        // The place `stride * at + r` was reached through the tap `(r + padding) % stride +
        // stride * j` from the output `at + (r + padding) / stride - j`.
        let taps = |r: i64| {
            let (first, ahead) = ((r + padding) % stride, (r + padding) / stride);
            (first..k)
                .step_by(stride as usize)
                .enumerate()
                .map(move |(j, tap)| (tap, ahead - j as i64))
        };
        let offsets = || (0..stride).flat_map(taps).map(|(_, offset)| offset);
        let (Some(least), Some(most)) = (offsets().min(), offsets().max()) else {
            bail!("a convolution without taps");
        };
        let around = (-least).max(most).max(0);
        let size = most - least + 1;
        let reach = |length: i64, out: i64| out + around - most >= (length + stride - 1) / stride;
        ensure!(
            reach(height, gradient[2]) && reach(width, gradient[3]),
            "places that no step passes over"
        );
        let kernel = torch::zeros(
            &[stride, stride, inputs, outputs, size, size],
            weight.like()?,
        )?;
        for (down, right) in pairs(stride) {
            let of_place = kernel.select(0, down)?.select(0, right)?;
            for (y, row) in taps(down) {
                for (x, column) in taps(right) {
                    let tap = weight.select(3, x)?.select(2, y)?.transpose(0, 1)?;
                    let at = of_place.select(2, row - least)?.select(2, column - least)?;
                    at.assign(&tap)?;
                }
            }
        }
        let channels = stride * stride * inputs;
        let kernel = kernel
            .reshape(&[channels, outputs, size, size])?
            .channels_last()?;
        Ok(Shuffled {
            conv: Packed::new(&kernel, None, (1, around), gradient)?,
            cut: around + least,
            stride,
            output: [inputs, height, width],
        })
    }

    pub fn forward(&self, gradient: &Tensor) -> Result<Tensor> {
        let [channels, height, width] = self.output;
        let s = self.stride;
        let (rows, columns) = ((height + s - 1) / s, (width + s - 1) / s);
        let found = self.conv.forward(gradient, false)?;
        let found = found
            .narrow(2, self.cut, rows)?
            .narrow(3, self.cut, columns)?;
        // Few values from here on.
        let found = found.reshape(&[-1, s, s, channels, rows, columns])?;
        let images = found
            .permute(&[0, 4, 1, 5, 2, 3])?
            .reshape(&[-1, rows * s, columns * s, channels])?
            .permute(&[0, 3, 1, 2])?;
        images
            .narrow(2, 0, height)?
            .narrow(3, 0, width)?
            .channels_last()
    }
}

fn pairs(n: i64) -> impl Iterator<Item = (i64, i64)> {
    (0..n).flat_map(move |a| (0..n).map(move |b| (a, b)))
}
