//! A network at given images, ready to say what it gives where each image changes in one window:
//! only what the change reaches is computed, layer by layer, as far as the layers look at
//! neighbourhoods.

use super::frozen::{Frozen, Step, through};
use super::stateless::Reach;
use crate::Result;
use crate::torch::{self, Index, Tensor};

/// Rows and columns of images, ends exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub rows: (i64, i64),
    pub columns: (i64, i64),
}

impl Window {
    pub fn square(row: i64, column: i64, side: i64) -> Self {
        Window {
            rows: (row, row + side),
            columns: (column, column + side),
        }
    }

    pub fn index(&self) -> [Index; 4] {
        let span = |(start, end)| Index::Slice(Some(start), Some(end));
        let all = || Index::Slice(None, None);
        [all(), all(), span(self.rows), span(self.columns)]
    }

    /// This part of `images`, a view.
    pub fn of(&self, images: &Tensor) -> Result<Tensor> {
        let ((top, bottom), (left, right)) = (self.rows, self.columns);
        let rows = images.narrow(2, top, bottom - top)?;
        rows.narrow(3, left, right - left)
    }

    fn map(self, of: impl Fn((i64, i64), usize) -> (i64, i64)) -> Self {
        Window {
            rows: of(self.rows, 2),
            columns: of(self.columns, 3),
        }
    }
}

/// How a layer slides over its input, along both axes alike.
#[derive(Clone, Copy)]
struct Slide {
    kernel: i64,
    stride: i64,
    padding: i64,
}

impl Slide {
    /// `None` for a step that looks at more than a neighbourhood.
    fn of(step: &Step) -> Option<Self> {
        let each = Slide {
            kernel: 1,
            stride: 1,
            padding: 0,
        };
        match step {
            Step::Conv {
                weight, geometry, ..
            } => {
                let shape = weight.shape();
                (shape[2] == shape[3]).then(|| Slide {
                    kernel: geometry.dilation * (shape[2] - 1) + 1,
                    stride: geometry.stride,
                    padding: geometry.padding,
                })
            }
            Step::Affine(..) | Step::Relu | Step::Layer(_, Reach::Entry) => Some(each),
            Step::Layer(_, Reach::Window { kernel, stride }) => Some(Slide {
                kernel: *kernel,
                stride: *stride,
                padding: 0,
            }),
            Step::Linear { .. } | Step::Layer(_, Reach::All) | Step::Sum(..) => None,
        }
    }

    /// The outputs, of `length`, that look at any of the inputs `changed`; never none.
    fn reached(self, (start, end): (i64, i64), length: i64) -> (i64, i64) {
        let last = ((end - 1 + self.padding) / self.stride + 1).clamp(1, length);
        let first = (start + self.padding - self.kernel).div_euclid(self.stride) + 1;
        (first.clamp(0, last - 1), last)
    }

    /// The inputs that the outputs `reached` look at; some may lie in the padding.
    fn needed(self, (first, last): (i64, i64)) -> (i64, i64) {
        let start = first * self.stride - self.padding;
        (start, (last - 1) * self.stride - self.padding + self.kernel)
    }
}

/// A step that only spreads a change to the neighbourhood, and its input.
struct Local {
    at: usize,
    slide: Slide,
    input: Tensor,
    /// Rows and columns of the output.
    output: [i64; 2],
    /// What came last: where the input was changed, and to what.
    change: Option<(Window, Tensor)>,
}

pub struct Around<'a> {
    frozen: &'a Frozen,
    local: Vec<Local>,
    /// The input of the steps after those, and the last change of it.
    rest: Tensor,
    last: Option<(Window, Tensor)>,
}

impl<'a> Around<'a> {
    /// At `x`, `[n, c, h, w]`; `None` where already the first step looks at all of an image.
    pub fn new(frozen: &'a Frozen, x: &Tensor) -> Result<Option<Self>> {
        if x.ndim() != 4 {
            return Ok(None);
        }
        let mut input = frozen.first_input(x)?;
        let mut local = Vec::new();
        for (at, step) in frozen.steps.iter().enumerate() {
            let Some(slide) = Slide::of(step).filter(|_| input.ndim() == 4) else {
                break;
            };
            let output = step.forward(&input)?;
            let shape = output.shape();
            local.push(Local {
                at,
                slide,
                input: std::mem::replace(&mut input, output),
                output: [shape[2], shape[3]],
                change: None,
            });
        }
        torch::count_forward(x.shape()[0], false);
        Ok((!local.is_empty()).then_some(Around {
            frozen,
            local,
            rest: input,
            last: None,
        }))
    }

    /// Logits where the pixels in `window` are `pixels`.
    pub fn changed(&mut self, window: Window, pixels: &Tensor) -> Result<Tensor> {
        let mut change = (window, self.frozen.first_input(pixels)?);
        for local in &mut self.local {
            let step = &self.frozen.steps[local.at];
            let next = local.spread(step, &change)?;
            local.change = Some(std::mem::replace(&mut change, next));
        }
        let rest = self.rest.copy()?;
        change.0.of(&rest)?.assign(&change.1)?;
        self.last = Some(change);
        let steps = &self.frozen.steps[self.local.len()..];
        let logits = through(steps, &rest)?;
        torch::count_forward(rest.shape()[0], false);
        Ok(logits)
    }

    /// The last change stays in the images where `mask`, bool `[n]`.
    pub fn keep(&self, mask: &Tensor) -> Result<()> {
        let changes = self.local.iter().map(|it| (&it.input, &it.change));
        for (input, change) in changes.chain([(&self.rest, &self.last)]) {
            if let Some((window, values)) = change {
                let part = window.of(input)?;
                let mask = mask.broadcast_to_examples(&part)?;
                part.assign(&values.where_(&mask, &part)?)?;
            }
        }
        Ok(())
    }

    /// Only these images, int64 `[m]`, from here on.
    pub fn select(&mut self, rows: &Tensor) -> Result<()> {
        for local in &mut self.local {
            local.input = local.input.index_select(0, rows)?;
            local.change = None;
        }
        self.rest = self.rest.index_select(0, rows)?;
        self.last = None;
        Ok(())
    }
}

impl Local {
    /// What the step makes of a changed input: where its output changes, and to what.
    fn spread(&self, step: &Step, (window, values): &(Window, Tensor)) -> Result<(Window, Tensor)> {
        let slide = self.slide;
        if slide.kernel == 1 && slide.stride == 1 && slide.padding == 0 {
            return Ok((*window, step.forward(values)?));
        }
        let shape = self.input.shape();
        let reached = window.map(|range, axis| slide.reached(range, self.output[axis - 2]));
        let needed = reached.map(|range, _| slide.needed(range));
        let inside = needed.map(|(start, end), axis| (start.max(0), end.min(shape[axis])));
        // The changed input around it, with the padding where that is looked at.
        let seen = |window: Window| {
            window.map(|(start, end), axis| match axis {
                2 => (start - needed.rows.0, end - needed.rows.0),
                _ => (start - needed.columns.0, end - needed.columns.0),
            })
        };
        let region = if inside == needed {
            inside.of(&self.input)?.copy()?
        } else {
            let (rows, columns) = (needed.rows, needed.columns);
            let size = [shape[0], shape[1], rows.1 - rows.0, columns.1 - columns.0];
            let region = torch::zeros(&size, self.input.like()?)?.channels_last()?;
            seen(inside).of(&region)?.assign(&inside.of(&self.input)?)?;
            region
        };
        // A stride may pass by the last of the changed inputs.
        let met = Window {
            rows: (
                window.rows.0.max(inside.rows.0),
                window.rows.1.min(inside.rows.1),
            ),
            columns: (
                window.columns.0.max(inside.columns.0),
                window.columns.1.min(inside.columns.1),
            ),
        };
        if met.rows.0 < met.rows.1 && met.columns.0 < met.columns.1 {
            let part = met.map(|(start, end), axis| match axis {
                2 => (start - window.rows.0, end - window.rows.0),
                _ => (start - window.columns.0, end - window.columns.0),
            });
            seen(met).of(&region)?.assign(&part.of(values)?)?;
        }
        Ok((reached, step.forward_unpadded(&region)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::testing::{noisy_resnet, noisy_sequential};
    use crate::torch::{Dtype, Like, Precision, generator, rand};

    /// Changes at corners, edges and inside, kept in some images and not in others.
    #[test]
    fn a_changed_window_gives_what_the_changed_image_gives() -> Result<()> {
        let _guard = generator();
        let like = Like {
            dtype: Dtype::Float64,
            ..Like::default()
        };
        for model in [noisy_sequential()?, noisy_resnet()?] {
            model.to(Some(Dtype::Float64), None)?;
            let frozen = model.frozen(Precision::Float32)?;
            let mut x = rand(&[4, 3, 16, 16], like)?;
            let mut around = Around::new(&frozen, &x)?.expect("it begins with a convolution");
            let mask = Tensor::from_bool(&[true, false, true, true], &[4])?;
            for (row, column, side) in [
                (0, 0, 3),
                (13, 13, 3),
                (5, 8, 1),
                (0, 15, 1),
                (15, 4, 1),
                (2, 3, 9),
                (0, 0, 16),
            ] {
                let window = Window {
                    rows: (row, row + side),
                    columns: (column, column + side),
                };
                let pixels = rand(&[4, 3, side, side], like)?;
                let tried = x.copy()?;
                window.of(&tried)?.assign(&pixels)?;
                let logits = around.changed(window, &pixels)?;
                let expected = frozen.forward(&tried)?;
                // The same sums, maybe in another order.
                assert!(
                    logits.all_close(&expected, 1e-10, 1e-10)?,
                    "{model} {window:?}"
                );
                around.keep(&mask)?;
                x = tried.where_(&mask.broadcast_to_examples(&x)?, &x)?;
            }
            let rows = Tensor::from_i64(&[3, 1], &[2])?;
            around.select(&rows)?;
            let window = Window {
                rows: (4, 6),
                columns: (7, 9),
            };
            let pixels = rand(&[2, 3, 2, 2], like)?;
            let tried = x.index_select(0, &rows)?;
            window.of(&tried)?.assign(&pixels)?;
            let logits = around.changed(window, &pixels)?;
            assert!(logits.all_close(&frozen.forward(&tried)?, 1e-10, 1e-10)?);
        }
        Ok(())
    }
}
