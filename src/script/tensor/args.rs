//! Arguments as scripts pass them, turned into what `torch` wants.

use crate::script::options::{self, describe};
use crate::script::{Host, RhaiResultOf};
use crate::torch::{Device, Dtype, Like, Operand, Scalar, Tensor};
use crate::{Error, Result};
use rhai::{Array, Dynamic, Map, NativeCallContext};
use serde::Deserialize;

/// "`dim` must be an integer, got the string "x"".
pub(super) fn refused(argument: &str, wanted: &str, given: &Dynamic) -> Error {
    Error::invalid(format!(
        "`{argument}` must be {wanted}, got {}",
        describe(given)
    ))
}

pub(super) fn scalar(argument: &str, value: &Dynamic) -> Result<Scalar> {
    match number(value) {
        Some(value) => Ok(value),
        None => Err(refused(argument, "a number", value)),
    }
}

pub(super) fn operand(argument: &str, value: Dynamic) -> Result<Operand> {
    if let Some(value) = number(&value) {
        return Ok(Operand::Scalar(value));
    }
    match value.try_cast_result::<Tensor>() {
        Ok(tensor) => Ok(Operand::Tensor(tensor)),
        Err(value) => Err(refused(argument, "a tensor or a number", &value)),
    }
}

fn number(value: &Dynamic) -> Option<Scalar> {
    let int = value.as_int().ok().map(Scalar::Int);
    int.or_else(|| value.as_float().ok().map(Scalar::Float))
}

pub(super) fn float(argument: &str, value: &Dynamic) -> Result<f64> {
    scalar(argument, value).map(Scalar::to_f64)
}

pub(super) fn tensor(argument: &str, value: Dynamic) -> Result<Tensor> {
    value
        .try_cast_result::<Tensor>()
        .map_err(|value| refused(argument, "a tensor", &value))
}

pub(super) fn tensors(argument: &str, values: Array) -> Result<Vec<Tensor>> {
    let entry = |(at, value)| tensor(&format!("{argument}[{at}]"), value);
    values.into_iter().enumerate().map(entry).collect()
}

/// One integer or an array of them: a shape, or dimensions.
pub(super) fn ints(argument: &str, value: &Dynamic) -> Result<Vec<i64>> {
    if let Ok(single) = value.as_int() {
        return Ok(vec![single]);
    }
    let Ok(array) = value.as_array_ref() else {
        return Err(refused(argument, "an array of integers", value));
    };
    let entry = |(at, value): (usize, &Dynamic)| {
        let int = value.as_int();
        int.map_err(|_| refused(&format!("{argument}[{at}]"), "an integer", value))
    };
    array.iter().enumerate().map(entry).collect()
}

/// An int64 tensor, or an array of integers as one.
pub(super) fn indices(argument: &str, value: Dynamic) -> Result<Tensor> {
    let tensor = match value.is_array() {
        true => {
            let indices = ints(argument, &value)?;
            Tensor::from_i64(&indices, &[indices.len() as i64])?
        }
        false => value.try_cast_result::<Tensor>().map_err(|value| {
            refused(argument, "an int64 tensor or an array of integers", &value)
        })?,
    };
    ensure!(
        tensor.dtype()? == Dtype::Int64,
        "`{argument}` must be an int64 tensor, got {}",
        tensor.signature()
    );
    Ok(tensor)
}

/// The options of every function that makes a tensor.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Creation {
    dtype: Option<String>,
    device: Option<String>,
    requires_grad: bool,
}

/// How a new tensor is to be: read from the options, with PyTorch's defaults.
#[derive(Default)]
pub(super) struct New {
    pub dtype: Option<Dtype>,
    pub device: Option<Device>,
    requires_grad: bool,
}

impl New {
    pub fn read(context: &NativeCallContext, what: &str, options: Map) -> RhaiResultOf<Self> {
        let Creation {
            dtype,
            device: place,
            requires_grad,
        } = options::read(what, options)?;
        let dtype = dtype.as_deref().map(str::parse).transpose();
        let place = place
            .as_deref()
            .map(|name| Host::of(context).find_device(name))
            .transpose();
        Ok(New {
            dtype: dtype.map_err(|e: Error| e.context(format!("option `dtype` of {what}")))?,
            device: place.map_err(|e| e.context(format!("option `device` of {what}")))?,
            requires_grad,
        })
    }

    /// dtype and device, `usual` where the script names none.
    pub fn like(&self, usual: Like) -> Like {
        Like {
            dtype: self.dtype.unwrap_or(usual.dtype),
            device: self.device.unwrap_or(usual.device),
        }
    }

    pub fn finish(&self, tensor: Tensor) -> Result<Tensor> {
        match self.requires_grad {
            true => tensor.with_requires_grad(true),
            false => Ok(tensor),
        }
    }
}
