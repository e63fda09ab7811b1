//! A frozen network made ready for images of one size: each layer in the way that is fastest, in
//! float32 or bfloat16, with a derivative by pixels of its own instead of libtorch's record of every
//! operation.

mod conv;
mod product;
mod shuffled;

use super::frozen::Step;
use super::module::Module;
use crate::Result;
use crate::torch::{self, Device, Dtype, Like, Tensor, no_grad, with_grad};
use conv::{Conv, Folded};
use product::Product;
use std::rc::Rc;

/// From normalised images to logits.
pub struct Compiled {
    dtype: Dtype,
    ops: Vec<Op>,
}

enum Op {
    Conv(Conv),
    Affine(Tensor, Tensor),
    Relu,
    /// A matrix product, and the ReLU after it.
    Linear(Product, bool),
    /// From here on in float32: logits must not be rounded to eight bits.
    Single(Dtype),
    Layer(Rc<dyn Module>),
    /// Two ways side by side, added, and the ReLU after that.
    Sum {
        one: Vec<Op>,
        other: Vec<Op>,
        relu: bool,
    },
}

/// What the way back through an operation needs.
enum Kept {
    Nothing,
    /// The output of a ReLU.
    Output(Tensor),
    /// Input and output of a layer that libtorch differentiates.
    Layer(Tensor, Tensor),
    Sum(Vec<Kept>, Vec<Kept>, Option<Tensor>),
}

/// What is kept of a pass, for each operation.
pub struct Tape(Vec<Kept>);

fn has_conv(step: &Step) -> bool {
    match step {
        Step::Conv { .. } => true,
        Step::Sum(one, other) => one.iter().chain(other).any(has_conv),
        Step::Affine(..) | Step::Relu | Step::Linear { .. } | Step::Layer(..) => false,
    }
}

impl Compiled {
    /// For images of the shape `input`, `[n, c, h, w]`; up to the last convolution in `dtype`.
    pub fn new(steps: &[Step], input: [i64; 4], (dtype, device): (Dtype, Device)) -> Result<Self> {
        // The ReLU of the last convolution or sum belongs to it.
        let mut last = steps.iter().rposition(has_conv).map_or(0, |at| at + 1);
        if matches!(steps.get(last), Some(Step::Relu)) {
            last += 1;
        }
        let (body, tail) = steps.split_at(last);
        let [n, channels, height, width] = input;
        let like = Like { dtype, device };
        // The outline of one image goes along to see what shape each layer makes of it.
        let one = outline(&[1, channels, height, width], like)?;
        no_grad(|| {
            let (mut ops, one) = compiled(body, one, (n, dtype))?;
            ops.push(Op::Single(dtype));
            let one = one.to_dtype(Dtype::Float32)?;
            ops.extend(compiled(tail, one, (n, Dtype::Float32))?.0);
            Ok(Compiled { dtype, ops })
        })
    }

    /// Logits `[n, outputs]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        forward(&self.ops, self.first(x)?, None)
    }

    /// The same, and what the way back needs.
    pub fn record(&self, x: &Tensor) -> Result<(Tensor, Tape)> {
        let mut kept = Vec::new();
        let logits = forward(&self.ops, self.first(x)?, Some(&mut kept))?;
        Ok((logits, Tape(kept)))
    }

    /// The gradient of what went in, float32, from that of the logits.
    pub fn pull_back(&self, tape: &Tape, gradient: &Tensor) -> Result<Tensor> {
        backward(&self.ops, &tape.0, gradient.clone())?.to_dtype(Dtype::Float32)
    }

    fn first(&self, x: &Tensor) -> Result<Tensor> {
        x.to_dtype(self.dtype)?.channels_last()
    }
}

/// A tensor of which only the shape counts: a zero everywhere.
fn outline(shape: &[i64], like: Like) -> Result<Tensor> {
    torch::zeros(&[1], like)?.expand(shape)
}

/// The operations for `n` images like the one outlined in `x`, and the outline of what they make
/// of it.
fn compiled(steps: &[Step], mut x: Tensor, (n, dtype): (i64, Dtype)) -> Result<(Vec<Op>, Tensor)> {
    let mut ops = Vec::new();
    let mut steps = steps.iter().peekable();
    while let Some(step) = steps.next() {
        let op = match step {
            Step::Conv {
                weight,
                bias,
                geometry,
                relu,
            } => {
                let folded = Folded {
                    weight,
                    bias: bias.as_ref(),
                    geometry: *geometry,
                    relu: *relu,
                };
                let shape = x.shape();
                let conv = Conv::new(&folded, [n, shape[1], shape[2], shape[3]], dtype)?;
                let [channels, height, width] = conv.output;
                x = outline(&[1, channels, height, width], x.like()?)?;
                Op::Conv(conv)
            }
            Step::Affine(scale, shift) => {
                Op::Affine(scale.to_dtype(dtype)?, shift.to_dtype(dtype)?)
            }
            Step::Relu => Op::Relu,
            Step::Linear { weight, bias } => {
                let (weight, bias) = (weight.to_dtype(dtype)?, bias.as_ref());
                let bias = bias.map(|bias| bias.to_dtype(dtype)).transpose()?;
                let relu = steps.next_if(|next| matches!(next, Step::Relu)).is_some();
                x = outline(&[1, weight.dim(0)?], x.like()?)?;
                Op::Linear(Product::new(&weight, bias.as_ref(), n)?, relu)
            }
            Step::Layer(layer, _) => {
                x = layer.forward(&x, false)?;
                Op::Layer(layer.clone())
            }
            Step::Sum(one, other) => {
                let other = compiled(other, x.clone(), (n, dtype))?.0;
                let (one, sum) = compiled(one, x, (n, dtype))?;
                x = sum;
                let relu = steps.next_if(|next| matches!(next, Step::Relu)).is_some();
                Op::Sum { one, other, relu }
            }
        };
        ops.push(op);
    }
    Ok((ops, x))
}

fn forward(ops: &[Op], mut x: Tensor, mut tape: Option<&mut Vec<Kept>>) -> Result<Tensor> {
    for op in ops {
        x = op.forward(x, tape.as_deref_mut())?;
    }
    Ok(x)
}

fn backward(ops: &[Op], kept: &[Kept], mut gradient: Tensor) -> Result<Tensor> {
    for (op, kept) in ops.iter().zip(kept).rev() {
        gradient = op.backward(kept, gradient, None)?;
    }
    Ok(gradient)
}

impl Op {
    /// What is passed by value is written over where nobody else holds it.
    fn forward(&self, x: Tensor, mut tape: Option<&mut Vec<Kept>>) -> Result<Tensor> {
        let mut kept = Kept::Nothing;
        let out = match self {
            Op::Conv(conv) => {
                let out = conv.forward(&x)?;
                if conv.relu {
                    kept = Kept::Output(out.clone());
                }
                out
            }
            Op::Affine(scale, shift) => x.mul(scale)?.add(shift)?,
            Op::Relu => {
                let out = x.into_relu()?;
                kept = Kept::Output(out.clone());
                out
            }
            Op::Linear(product, relu) => {
                let out = product.forward(&x, *relu)?;
                if *relu {
                    kept = Kept::Output(out.clone());
                }
                out
            }
            Op::Single(_) => x.to_dtype(Dtype::Float32)?,
            Op::Layer(layer) => match tape {
                None => layer.forward(&x, false)?,
                Some(_) => {
                    let leaf = x.leaf()?;
                    let out = with_grad(|| layer.forward(&leaf, false))?;
                    kept = Kept::Layer(leaf, out.clone());
                    out.detach()?
                }
            },
            Op::Sum { one, other, relu } => {
                let mut tapes = tape.as_ref().map(|_| (Vec::new(), Vec::new()));
                let (ours, theirs) = tapes
                    .as_mut()
                    .map_or((None, None), |(a, b)| (Some(a), Some(b)));
                let beside = forward(other, x.clone(), theirs)?;
                let out = sum(one, x, ours, beside, *relu)?;
                if let Some((ours, theirs)) = tapes {
                    kept = Kept::Sum(ours, theirs, relu.then(|| out.clone()));
                }
                out
            }
        };
        if let Some(tape) = &mut tape {
            tape.push(kept);
        }
        Ok(out)
    }

    /// The gradient of what went in, added to `onto` if given.
    fn backward(&self, kept: &Kept, gradient: Tensor, onto: Option<Tensor>) -> Result<Tensor> {
        let back = match (self, kept) {
            (Op::Conv(conv), Kept::Output(out)) => {
                return conv.backward(&gradient.into_relu_gradient(out)?, onto);
            }
            (Op::Conv(conv), _) => return conv.backward(&gradient, onto),
            (Op::Affine(scale, _), _) => gradient.mul(scale)?,
            (Op::Relu, Kept::Output(out)) => gradient.into_relu_gradient(out)?,
            (Op::Linear(product, _), kept) => {
                let gradient = match kept {
                    Kept::Output(out) => gradient.into_relu_gradient(out)?,
                    _ => gradient,
                };
                product.backward(&gradient, None)?
            }
            (Op::Single(dtype), _) => gradient.to_dtype(*dtype)?.channels_last()?,
            (Op::Layer(_), Kept::Layer(x, out)) => out.pull_back(x, &gradient)?,
            (Op::Sum { one, other, .. }, Kept::Sum(ours, theirs, out)) => {
                let gradient = match out {
                    Some(out) => gradient.into_relu_gradient(out)?,
                    None => gradient,
                };
                let beside = backward(other, theirs, gradient.clone())?;
                sum_backward(one, ours, gradient, beside)?
            }
            _ => bail!("what was kept of a pass is not of this network"),
        };
        match onto {
            Some(onto) => back.into_sum(&onto),
            None => Ok(back),
        }
    }
}

/// What `ops` make of `x`, added to `beside`.
fn sum(
    ops: &[Op],
    x: Tensor,
    mut tape: Option<&mut Vec<Kept>>,
    beside: Tensor,
    relu: bool,
) -> Result<Tensor> {
    let (last, rest) = match ops.split_last() {
        Some((Op::Conv(last), rest)) if !last.relu => (last, rest),
        _ => {
            let sum = forward(ops, x, tape)?.into_sum(&beside)?;
            return if relu { sum.into_relu() } else { Ok(sum) };
        }
    };
    let x = forward(rest, x, tape.as_deref_mut())?;
    if let Some(tape) = tape {
        tape.push(Kept::Nothing);
    }
    last.forward_onto(beside, &x, relu)
}

/// The gradient of what went into `ops`, added to `beside`.
fn sum_backward(ops: &[Op], kept: &[Kept], gradient: Tensor, beside: Tensor) -> Result<Tensor> {
    match (ops.split_first(), kept.split_first()) {
        (Some((first, ops)), Some((of_first, kept))) => {
            let gradient = backward(ops, kept, gradient)?;
            first.backward(of_first, gradient, Some(beside))
        }
        _ => beside.into_sum(&gradient),
    }
}
