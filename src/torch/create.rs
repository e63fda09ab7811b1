//! New tensors.

use super::error::{failed, with_numbers};
use super::{Device, Dtype, Scalar, Stamp, Tensor};
use crate::{Result, interrupt};
use std::cell::RefCell;
use std::rc::Rc;

/// dtype and device of a new tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Like {
    pub dtype: Dtype,
    pub device: Device,
}

impl Default for Like {
    fn default() -> Self {
        Like {
            dtype: Dtype::Float32,
            device: Device::Cpu,
        }
    }
}

impl Like {
    fn options(self) -> (tch::Kind, tch::Device) {
        (self.dtype.kind(), self.device.tch())
    }
}

/// More entries than any machine here holds: refused before libtorch tries.
const LARGEST: i64 = 1 << 40;

fn check_shape(what: &str, shape: &[i64]) -> Result<()> {
    ensure!(
        shape.iter().all(|&size| size >= 0),
        "`{what}`: a shape has no negative sizes, got {shape:?}"
    );
    let entries = shape.iter().try_fold(1_i64, |n, &size| n.checked_mul(size));
    ensure!(
        entries.is_some_and(|n| n <= LARGEST),
        "`{what}`: a tensor of shape {shape:?} does not fit in memory"
    );
    Ok(())
}

fn made(what: &str, result: Result<tch::Tensor, tch::TchError>) -> Result<Tensor> {
    result
        .map(Tensor::wrap)
        .map_err(|error| failed(what, &[], &error))
}

pub fn zeros(shape: &[i64], like: Like) -> Result<Tensor> {
    check_shape("zeros", shape)?;
    made("zeros", tch::Tensor::f_zeros(shape, like.options()))
}

pub fn ones(shape: &[i64], like: Like) -> Result<Tensor> {
    check_shape("ones", shape)?;
    made("ones", tch::Tensor::f_ones(shape, like.options()))
}

pub fn full(shape: &[i64], value: Scalar, like: Like) -> Result<Tensor> {
    check_shape("full", shape)?;
    let full = || tch::Tensor::f_full(shape, value.tch(), like.options());
    made("full", with_numbers(full))
}

/// Entries that are drawn in a fraction of a second; a multiple of 16, because libtorch draws
/// normal numbers by sixteens.
const PART: i64 = 1 << 22;

/// A tensor on the CPU that `fill` fills, part by part, so that Ctrl-C comes between two.
fn drawn(
    what: &str,
    shape: &[i64],
    like: Like,
    part: i64,
    fill: impl Fn(tch::Tensor) -> Result<tch::Tensor, tch::TchError>,
) -> Result<Tensor> {
    let all = made(
        what,
        tch::Tensor::f_empty(shape, (like.dtype.kind(), tch::Device::Cpu)),
    )?;
    let entries = all.numel() as i64;
    // The last part is at least a whole one: libtorch draws fewer than 16 numbers in another way.
    let parts = (entries / part).max(1);
    let flat = all.reshape(&[entries])?;
    for at in 0..parts {
        interrupt::check()?;
        let end = if at + 1 == parts {
            entries
        } else {
            (at + 1) * part
        };
        let share = flat.0.f_narrow(0, at * part, end - at * part);
        made(what, share.and_then(&fill))?;
    }
    Ok(all)
}

/// Uniform on [0, 1). Drawn on the CPU, then moved: the same numbers on every device.
pub fn rand(shape: &[i64], like: Like) -> Result<Tensor> {
    check_shape("rand", shape)?;
    ensure!(
        like.dtype.is_float(),
        "`rand`: `dtype` must be a floating-point type"
    );
    let fill = |mut part: tch::Tensor| part.f_uniform_(0.0, 1.0);
    drawn("rand", shape, like, PART, fill)?.to_device(like.device)
}

/// Standard normal. Drawn on the CPU, then moved.
pub fn randn(shape: &[i64], like: Like) -> Result<Tensor> {
    check_shape("randn", shape)?;
    ensure!(
        like.dtype.is_float(),
        "`randn`: `dtype` must be a floating-point type"
    );
    let fill = |mut part: tch::Tensor| part.f_normal_(0.0, 1.0);
    drawn("randn", shape, like, PART, fill)?.to_device(like.device)
}

/// Uniform integers in [low, high). Drawn on the CPU, then moved.
pub fn randint(low: i64, high: i64, shape: &[i64], like: Like) -> Result<Tensor> {
    check_shape("randint", shape)?;
    ensure!(
        low < high,
        "`randint`: `low` must be below `high`, got {low} and {high}"
    );
    let options = (like.dtype.kind(), tch::Device::Cpu);
    made(
        "randint",
        tch::Tensor::f_randint_low(low, high, shape, options),
    )?
    .to_device(like.device)
}

/// A random order of 0 .. n-1, int64. Drawn on the CPU, then moved.
pub fn randperm(n: i64, device: Device) -> Result<Tensor> {
    check_shape("randperm", &[n])?;
    let options = (tch::Kind::Int64, tch::Device::Cpu);
    made("randperm", tch::Tensor::f_randperm(n, options))?.to_device(device)
}

/// start, start + step, ... below end.
pub fn arange(start: Scalar, end: Scalar, step: Scalar, like: Like) -> Result<Tensor> {
    let (from, to, by) = (start.to_f64(), end.to_f64(), step.to_f64());
    ensure!(
        by != 0.0 && (to - from) / by >= 0.0,
        "`arange`: `step` leads from {from} away from {to}"
    );
    check_shape("arange", &[((to - from) / by).ceil() as i64])?;
    let made_of = tch::Tensor::f_arange_start_step;
    let arange = || made_of(start.tch(), end.tch(), step.tch(), like.options());
    made("arange", with_numbers(arange))
}

/// `steps` numbers from start to end, both included.
pub fn linspace(start: f64, end: f64, steps: i64, like: Like) -> Result<Tensor> {
    check_shape("linspace", &[steps])?;
    made(
        "linspace",
        with_numbers(|| tch::Tensor::f_linspace(start, end, steps, like.options())),
    )
}

/// The identity matrix.
pub fn eye(n: i64, like: Like) -> Result<Tensor> {
    check_shape("eye", &[n, n])?;
    made("eye", tch::Tensor::f_eye(n, like.options()))
}

/// Joins tensors along an existing dimension.
pub fn cat(tensors: &[Tensor], dim: i64) -> Result<Tensor> {
    ensure!(!tensors.is_empty(), "`cat` needs at least one tensor");
    let raw: Vec<&tch::Tensor> = tensors.iter().map(|t| &*t.0).collect();
    let involved: Vec<&Tensor> = tensors.iter().take(4).collect();
    tch::Tensor::f_cat(&raw, dim)
        .map(Tensor::wrap)
        .map_err(|e| failed("cat", &involved, &e))
}

/// Joins tensors of one shape along a new dimension.
pub fn stack(tensors: &[Tensor], dim: i64) -> Result<Tensor> {
    ensure!(!tensors.is_empty(), "`stack` needs at least one tensor");
    let raw: Vec<&tch::Tensor> = tensors.iter().map(|t| &*t.0).collect();
    let involved: Vec<&Tensor> = tensors.iter().take(4).collect();
    tch::Tensor::f_stack(&raw, dim)
        .map(Tensor::wrap)
        .map_err(|e| failed("stack", &involved, &e))
}

impl Tensor {
    /// dtype and device of this tensor, for new ones.
    pub fn like(&self) -> Result<Like> {
        Ok(Like {
            dtype: self.dtype()?,
            device: self.device(),
        })
    }

    pub fn zeros_like(&self) -> Result<Tensor> {
        zeros(&self.shape(), self.like()?)
    }

    /// Uniform on [low, high), one draw in the shape of this tensor.
    ///
    /// Drawn on the CPU with `uniform_`, whose numbers torchattacks' PGD draws too.
    pub fn uniform_like(&self, low: f64, high: f64) -> Result<Tensor> {
        let mut drawn = self.empty_on_cpu()?;
        let filled = drawn.f_uniform_(low, high);
        self.result("uniform", &[], filled)?
            .to_device(self.device())
    }

    /// Normal in the shape of this tensor, drawn on the CPU with `normal_`.
    pub fn normal_like(&self, mean: f64, std: f64) -> Result<Tensor> {
        let mut drawn = self.empty_on_cpu()?;
        let filled = drawn.f_normal_(mean, std);
        self.result("normal", &[], filled)?.to_device(self.device())
    }

    fn empty_on_cpu(&self) -> Result<tch::Tensor> {
        let options = (self.dtype()?.kind(), tch::Device::Cpu);
        tch::Tensor::f_empty(self.shape(), options).map_err(|e| self.failure("empty", &[], &e))
    }

    /// 1 at the index given by each entry, 0 elsewhere: `[...]` to `[..., classes]`.
    pub fn one_hot(&self, classes: i64, dtype: Dtype) -> Result<Tensor> {
        ensure!(
            self.dtype()? == Dtype::Int64,
            "`one_hot` needs int64 indices, got {}",
            self.signature()
        );
        ensure!(
            classes > 0,
            "`one_hot`: `classes` must be positive, got {classes}"
        );
        self.check_range("one_hot", classes)?;
        self.result("one_hot", &[], self.0.f_one_hot(classes))?
            .to_dtype(dtype)
    }

    /// `Invalid` unless every entry lies in 0 .. end.
    ///
    /// The tensor that was looked at last is not looked at again: the labels of an attack are the
    /// same in every step, and on a GPU each look waits for all that was begun.
    pub fn check_range(&self, what: &str, end: i64) -> Result<()> {
        let stamp = self.stamp();
        let known = LOOKED_AT.with_borrow(|last| {
            let same = |(tensor, seen, within): &(Tensor, Stamp, i64)| {
                Rc::ptr_eq(&tensor.0, &self.0) && *seen == stamp && *within <= end
            };
            last.as_ref().is_some_and(same)
        });
        if known || self.numel() == 0 {
            return Ok(());
        }
        let low = self.amin()?.item_i64()?;
        let high = self.amax()?.item_i64()?;
        let bad = if low < 0 { low } else { high };
        ensure!(
            low >= 0 && high < end,
            "`{what}`: indices must lie in 0 .. {end} (exclusive), got {bad}"
        );
        LOOKED_AT.set(Some((self.clone(), stamp, end)));
        Ok(())
    }
}

thread_local! {
    /// A tensor whose entries lay in 0 .. end.
    static LOOKED_AT: RefCell<Option<(Tensor, Stamp, i64)>> = const { RefCell::new(None) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torch::{generator, manual_seed};

    #[test]
    fn what_changed_is_looked_at_again() -> Result<()> {
        let y = Tensor::from_i64(&[0, 3], &[2])?;
        assert!(y.check_range("y", 4).is_ok() && y.check_range("y", 5).is_ok());
        assert!(y.check_range("y", 3).is_err());
        assert!(y.check_range("y", 4).is_ok());
        y.assign(&Tensor::from_i64(&[0, 4], &[2])?)?;
        assert!(y.check_range("y", 4).is_err());
        Ok(())
    }

    #[test]
    fn numbers_drawn_in_parts_are_those_drawn_at_once() {
        let _guard = generator();
        let like = Like::default();
        let in_parts = |normal: bool| {
            drawn("test", &[1000], like, 64, |mut part| match normal {
                true => part.f_normal_(0.0, 1.0),
                false => part.f_uniform_(0.0, 1.0),
            })
        };
        for normal in [false, true] {
            manual_seed(3);
            let parts = in_parts(normal).unwrap();
            manual_seed(3);
            let options = (tch::Kind::Float, tch::Device::Cpu);
            let once = match normal {
                true => tch::Tensor::f_randn([1000], options),
                false => tch::Tensor::f_rand([1000], options),
            };
            assert!(parts.equal(&Tensor::wrap(once.unwrap())).unwrap());
        }
    }
}
