//! The tensor itself: what it is, where it is, how its entries get in and out.

use super::error::failed;
use super::node::raw;
use super::{Device, Dtype, fractions};
use crate::Result;
use std::ffi::c_void;
use std::rc::Rc;
use tch::TchError;

unsafe extern "C" {
    fn rhobust_bump_version(x: *const c_void);
    fn rhobust_address(x: *const c_void) -> *const c_void;
}

/// See [`Tensor::stamp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp(usize, i64);

/// A number as PyTorch knows it: an integer leaves the dtype of an integer tensor alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar {
    Int(i64),
    Float(f64),
}

impl Scalar {
    pub(super) fn tch(self) -> tch::Scalar {
        match self {
            Scalar::Int(value) => value.into(),
            Scalar::Float(value) => value.into(),
        }
    }

    pub fn to_f64(self) -> f64 {
        match self {
            Scalar::Int(value) => value as f64,
            Scalar::Float(value) => value,
        }
    }
}

impl Scalar {
    /// A tensor without dimensions: int64 or float32, as PyTorch makes of a number.
    pub fn to_tensor(self, device: Device) -> Result<Tensor> {
        let dtype = match self {
            Scalar::Int(_) => Dtype::Int64,
            Scalar::Float(_) => Dtype::Float32,
        };
        super::full(&[], self, super::Like { dtype, device })
    }
}

impl From<f64> for Scalar {
    fn from(value: f64) -> Self {
        Scalar::Float(value)
    }
}

impl From<i64> for Scalar {
    fn from(value: i64) -> Self {
        Scalar::Int(value)
    }
}

/// The other side of a binary operation.
#[derive(Clone, Debug)]
pub enum Operand {
    Tensor(Tensor),
    Scalar(Scalar),
}

impl Operand {
    /// The tensor, or a number as a tensor without dimensions that leaves the dtype of `other`
    /// alone where arithmetic would.
    pub fn beside(self, other: &Tensor) -> Result<Tensor> {
        let value = match self {
            Operand::Tensor(tensor) => return Ok(tensor),
            Operand::Scalar(value) => value,
        };
        let own = other.dtype()?;
        match value {
            Scalar::Float(_) if !own.is_float() => value.to_tensor(other.device()),
            Scalar::Int(_) if own == Dtype::Bool => value.to_tensor(other.device()),
            _ => super::full(&[], value, other.like()?),
        }
    }
}

impl<T: Into<Scalar>> From<T> for Operand {
    fn from(value: T) -> Self {
        Operand::Scalar(value.into())
    }
}

impl From<&Tensor> for Operand {
    fn from(tensor: &Tensor) -> Self {
        Operand::Tensor(tensor.clone())
    }
}

impl From<Tensor> for Operand {
    fn from(tensor: Tensor) -> Self {
        Operand::Tensor(tensor)
    }
}

/// A multi-dimensional array in libtorch. A clone shares the entries; nothing changes them
/// in place but [`Tensor::assign`] and [`super::sgd_step`], for parameters and buffers.
#[derive(Clone)]
pub struct Tensor(pub(super) Rc<tch::Tensor>);

fn check_entries(given: usize, shape: &[i64]) -> Result<()> {
    let expected: i64 = shape.iter().product();
    ensure!(
        usize::try_from(expected) == Ok(given),
        "{given} values do not fill a tensor of shape {shape:?}"
    );
    Ok(())
}

impl Tensor {
    pub(super) fn wrap(tensor: tch::Tensor) -> Self {
        Tensor(Rc::new(tensor))
    }

    /// The result of `operation` on this tensor and `others`, its error made readable.
    pub(super) fn result(
        &self,
        operation: &str,
        others: &[&Tensor],
        result: Result<tch::Tensor, TchError>,
    ) -> Result<Tensor> {
        result
            .map(Tensor::wrap)
            .map_err(|error| self.failure(operation, others, &error))
    }

    pub(super) fn failure(
        &self,
        operation: &str,
        others: &[&Tensor],
        error: &TchError,
    ) -> crate::Error {
        let mut involved = vec![self];
        involved.extend(others);
        failed(operation, &involved, error)
    }

    /// Entries of `data` in row-major order, as float64 on the CPU.
    pub fn from_f64(data: &[f64], shape: &[i64]) -> Result<Tensor> {
        Self::from_data(data, shape)
    }

    /// Entries of `data` in row-major order, as float32 on the CPU.
    pub fn from_f32(data: &[f32], shape: &[i64]) -> Result<Tensor> {
        Self::from_data(data, shape)
    }

    /// Entries of `data` in row-major order, as int64 on the CPU.
    pub fn from_i64(data: &[i64], shape: &[i64]) -> Result<Tensor> {
        Self::from_data(data, shape)
    }

    /// Entries of `data` in row-major order, as uint8 on the CPU.
    pub fn from_u8(data: &[u8], shape: &[i64]) -> Result<Tensor> {
        Self::from_data(data, shape)
    }

    /// Entries of `data` in row-major order as fractions of 255, float32 on the CPU: what
    /// torchvision's `ToTensor` gives, in one pass over memory.
    pub fn from_u8_fractions(data: &[u8], shape: &[i64]) -> Result<Tensor> {
        check_entries(data.len(), shape)?;
        let float = (tch::Kind::Float, tch::Device::Cpu);
        let all = tch::Tensor::f_empty(shape, float);
        let all = all.map_err(|error| failed("tensor", &[], &error))?;
        if data.is_empty() {
            return Ok(Tensor::wrap(all));
        }
        // SAFETY: the tensor is new, so that nobody else sees it, dense, and has as many entries
        // as `data`, which float32 aligns.
        let entries =
            unsafe { std::slice::from_raw_parts_mut(all.data_ptr().cast::<f32>(), data.len()) };
        fractions::fill(entries, data);
        Ok(Tensor::wrap(all))
    }

    /// Entries of `data` in row-major order, as bool on the CPU.
    pub fn from_bool(data: &[bool], shape: &[i64]) -> Result<Tensor> {
        Self::from_data(data, shape)
    }

    /// Little-endian bytes of entries of `dtype`, on the CPU.
    pub fn from_bytes(data: &[u8], shape: &[i64], dtype: Dtype) -> Result<Tensor> {
        tch::Tensor::f_from_data_size(data, shape, dtype.kind())
            .map(Tensor::wrap)
            .map_err(|error| failed("tensor", &[], &error))
    }

    fn from_data<T: tch::kind::Element>(data: &[T], shape: &[i64]) -> Result<Tensor> {
        check_entries(data.len(), shape)?;
        tch::Tensor::f_from_slice(data)
            .and_then(|flat| flat.f_reshape(shape))
            .map(Tensor::wrap)
            .map_err(|error| failed("tensor", &[], &error))
    }

    pub fn shape(&self) -> Vec<i64> {
        self.0.size()
    }

    /// Number of dimensions.
    pub fn ndim(&self) -> usize {
        self.0.dim()
    }

    /// Number of entries.
    pub fn numel(&self) -> usize {
        self.0.numel()
    }

    /// The size of dimension `dim`, counted from the end where it is negative.
    pub fn dim(&self, dim: i64) -> Result<i64> {
        let shape = self.shape();
        let n = shape.len() as i64;
        let at = if dim < 0 { dim + n } else { dim };
        usize::try_from(at)
            .ok()
            .and_then(|at| shape.get(at))
            .copied()
            .ok_or_else(|| {
                crate::Error::Invalid(format!(
                    "a tensor of shape {shape:?} has no dimension {dim}"
                ))
            })
    }

    pub fn dtype(&self) -> Result<Dtype> {
        self.0
            .f_kind()
            .map_err(|error| failed("dtype", &[], &error))
            .and_then(Dtype::of)
    }

    pub fn device(&self) -> Device {
        Device::of(self.0.device())
    }

    /// `float32[2, 3]`, with the device where it is not the CPU.
    pub fn signature(&self) -> String {
        let dtype = self.dtype().map_or("?", Dtype::name);
        match self.device() {
            Device::Cpu => format!("{dtype}{:?}", self.shape()),
            device => format!("{dtype}{:?} on {device}", self.shape()),
        }
    }

    pub fn to_dtype(&self, dtype: Dtype) -> Result<Tensor> {
        self.result("to", &[], self.0.f_to_kind(dtype.kind()))
    }

    pub fn to_device(&self, device: Device) -> Result<Tensor> {
        self.result("to", &[], self.0.f_to_device(device.tch()))
    }

    /// On the device and with the dtype of `other`.
    pub fn to_like(&self, other: &Tensor) -> Result<Tensor> {
        self.to_device(other.device())?.to_dtype(other.dtype()?)
    }

    /// A copy of the entries through which gradients pass.
    pub fn fresh(&self) -> Result<Tensor> {
        let copy = self.0.f_to_dtype(self.dtype()?.kind(), false, true);
        self.result("clone", &[], copy)
    }

    /// The dimensions from that whose entries lie farthest apart in memory to that whose entries
    /// are neighbours.
    pub fn memory_order(&self) -> Vec<i64> {
        let strides = self.0.stride();
        let mut order: Vec<i64> = (0..strides.len() as i64).collect();
        order.sort_by_key(|&dim| std::cmp::Reverse(strides[dim as usize]));
        order
    }

    /// How often the entries were changed in place.
    pub fn version(&self) -> i64 {
        self.0.f_internal_version().unwrap_or(0)
    }

    /// Where the entries lie and how often they were changed: as long as neither changes, they are
    /// the same.
    pub fn stamp(&self) -> Stamp {
        // SAFETY: the pointer is to a live tensor.
        let address = unsafe { rhobust_address(raw(self)) };
        Stamp(address as usize, self.version())
    }

    /// A copy that shares nothing.
    pub fn copy(&self) -> Result<Tensor> {
        let mut copy = self
            .0
            .f_empty_like()
            .map_err(|e| self.failure("copy", &[], &e))?;
        let source = self
            .0
            .f_detach()
            .map_err(|e| self.failure("copy", &[], &e))?;
        copy.f_copy_(&source)
            .map_err(|e| self.failure("copy", &[], &e))?;
        Ok(Tensor::wrap(copy))
    }

    /// Writes the entries of `source` over this tensor's, outside of autograd.
    pub fn assign(&self, source: &Tensor) -> Result<()> {
        ensure!(
            self.shape() == source.shape(),
            "`assign` needs values of shape {:?}, got {}",
            self.shape(),
            source.signature()
        );
        let _guard = super::NoGrad::new();
        self.0
            .shallow_clone()
            .f_copy_(&source.0)
            .map_err(|error| self.failure("assign", &[source], &error))
    }

    /// Replaces storage, dtype and device by those of `source`, keeping the identity that
    /// other holders of this tensor share.
    pub fn replace(&self, source: &Tensor) -> Result<()> {
        let replaced = self.0.shallow_clone().f_set_data(&source.0);
        replaced.map_err(|error| self.failure("to", &[source], &error))?;
        // SAFETY: the pointer is to a live tensor.
        unsafe { rhobust_bump_version(raw(self)) };
        Ok(())
    }

    /// The only entry as a number.
    pub fn item(&self) -> Result<f64> {
        let entry = self.only_entry()?.0.f_double_value(&[0]);
        entry.map_err(|error| self.failure("item", &[], &error))
    }

    /// The only entry as an integer.
    pub fn item_i64(&self) -> Result<i64> {
        let entry = self.only_entry()?.0.f_int64_value(&[0]);
        entry.map_err(|error| self.failure("item", &[], &error))
    }

    /// This tensor of one entry with the shape `[1]`.
    fn only_entry(&self) -> Result<Tensor> {
        ensure!(
            self.numel() == 1,
            "`item` needs a tensor of one entry, got {}",
            self.signature()
        );
        self.result("item", &[], self.0.f_reshape([1]))
    }

    /// All entries in row-major order, as float64.
    pub fn to_vec_f64(&self) -> Result<Vec<f64>> {
        self.copy_out(Dtype::Float64)
    }

    /// All entries in row-major order, as int64.
    pub fn to_vec_i64(&self) -> Result<Vec<i64>> {
        self.copy_out(Dtype::Int64)
    }

    /// All entries in row-major order, as uint8.
    pub fn to_vec_u8(&self) -> Result<Vec<u8>> {
        self.copy_out(Dtype::UInt8)
    }

    /// All entries in row-major order, as little-endian bytes of the tensor's own dtype.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let flat = self.detach()?.to_device(Device::Cpu)?.contiguous()?;
        let bytes = flat.numel() * flat.dtype()?.size();
        let mut out = vec![0; bytes];
        flat.0
            .f_copy_data_u8(&mut out, flat.numel())
            .map_err(|error| self.failure("to_bytes", &[], &error))?;
        Ok(out)
    }

    fn copy_out<T: tch::kind::Element + Default + Clone>(&self, dtype: Dtype) -> Result<Vec<T>> {
        let flat = self
            .detach()?
            .to_device(Device::Cpu)?
            .to_dtype(dtype)?
            .contiguous()?;
        let mut out = vec![T::default(); flat.numel()];
        flat.0
            .f_copy_data(&mut out, flat.numel())
            .map_err(|error| self.failure("to_array", &[], &error))?;
        Ok(out)
    }

    pub fn contiguous(&self) -> Result<Tensor> {
        self.result("contiguous", &[], self.0.f_contiguous())
    }
}
