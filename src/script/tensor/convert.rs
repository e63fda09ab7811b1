//! What a tensor is, and its way to other types, devices and out into the script.

use crate::script::Host;
use crate::script::RhaiResultOf;
use crate::torch::{Dtype, Tensor};
use crate::{Error, Result};
use rhai::plugin::*;
use rhai::{Array, FLOAT, INT};

#[export_module]
pub mod functions {
    /// The sizes of the dimensions, an array of integers.
    ///
    /// ```rhai
    /// assert(zeros([2, 3]).shape == [2, 3]);
    /// ```
    #[rhai_fn(get = "shape")]
    pub fn shape(x: Tensor) -> Array {
        x.shape().into_iter().map(Dynamic::from).collect()
    }

    /// The number of dimensions.
    ///
    /// ```rhai
    /// assert(zeros([2, 3]).ndim == 2);
    /// ```
    #[rhai_fn(get = "ndim")]
    pub fn ndim(x: Tensor) -> INT {
        x.ndim() as INT
    }

    /// The type of the entries: `"float32"`, `"float64"`, `"bfloat16"`, `"float16"`, `"int64"`,
    /// `"int32"`, `"int16"`, `"int8"`, `"uint8"` or `"bool"`.
    ///
    /// ```rhai
    /// assert(zeros([2]).dtype == "float32");
    /// ```
    #[rhai_fn(get = "dtype", return_raw)]
    pub fn dtype(x: Tensor) -> RhaiResultOf<String> {
        Ok(x.dtype()?.to_string())
    }

    /// Where the entries lie: `"cpu"`, `"cuda:0"`, ...
    ///
    /// ```rhai
    /// assert(zeros([2]).device == "cpu");
    /// ```
    #[rhai_fn(get = "device")]
    pub fn device(x: Tensor) -> String {
        x.device().to_string()
    }

    /// The number of entries.
    ///
    /// ```rhai
    /// assert(zeros([2, 3]).numel() == 6);
    /// ```
    pub fn numel(x: Tensor) -> INT {
        x.numel() as INT
    }

    /// The number of dimensions; `x.ndim` is the same.
    ///
    /// ```rhai
    /// assert(zeros([2, 3]).dim() == 2);
    /// ```
    pub fn dim(x: Tensor) -> INT {
        x.ndim() as INT
    }

    /// The size of one dimension, counted from the end where it is negative.
    ///
    /// ```rhai
    /// assert(zeros([2, 3]).size(-1) == 3);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn size(x: Tensor, dim: INT) -> RhaiResultOf<INT> {
        Ok(x.dim(dim)?)
    }

    /// The size of the first dimension: how often `for row in x` goes round.
    ///
    /// ```rhai
    /// assert(len(zeros([2, 3])) == 2);
    /// let sum = 0;
    /// for row in tensor([[1, 2], [3, 4]]) {
    ///     sum += row[0].item();
    /// }
    /// assert(sum == 4);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn len(x: Tensor) -> RhaiResultOf<INT> {
        Ok(x.dim(0)?)
    }

    /// The only entry as a number: an integer, a boolean or a float, as the dtype says.
    ///
    /// ```rhai
    /// assert(tensor([1, 2]).sum().item() == 3);
    /// assert(tensor(0.5).item() == 0.5);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn item(x: Tensor) -> RhaiResultOf<Dynamic> {
        Ok(match x.dtype()? {
            Dtype::Bool => (x.item_i64()? != 0).into(),
            dtype if dtype.is_float() => x.item()?.into(),
            _ => x.item_i64()?.into(),
        })
    }

    /// The entries as arrays in arrays; of a tensor without dimensions, the number.
    ///
    /// ```rhai
    /// assert(arange(4).reshape([2, 2]).to_array() == [[0, 1], [2, 3]]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn to_array(context: NativeCallContext, x: Tensor) -> RhaiResultOf<Dynamic> {
        let most = context.engine().max_array_size();
        if most > 0 && x.numel() > most {
            let given = x.signature();
            return Err(
                format!("`to_array`: arrays hold {most} values at most, got {given}").into(),
            );
        }
        Ok(nested(&entries(&x)?, &x.shape()))
    }

    /// The same entries with another dtype, on another device, or with both as `y` has them.
    ///
    /// - `to`: a dtype (`"float64"`), a device (`"cpu"`, `"cuda"`, `"cuda:1"`, `"auto"`) or a
    ///   tensor
    ///
    /// ```rhai
    /// let x = tensor([1, 2]);
    /// assert(x.to("float64").dtype == "float64");
    /// assert(x.to("cpu").device == "cpu");
    /// assert(x.to(zeros([1])).dtype == "float32");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn to(context: NativeCallContext, x: Tensor, to: &str) -> RhaiResultOf<Tensor> {
        if let Ok(dtype) = to.parse::<Dtype>() {
            return Ok(x.to_dtype(dtype)?);
        }
        let device = Host::of(&context)
            .find_device(to)
            .map_err(|error| match to {
                "cpu" | "cuda" | "auto" => error,
                to if to.starts_with("cuda:") => error,
                to => Error::invalid(format!(
                    "`to` takes a dtype like \"float64\" or a device like \"cuda\", got {to:?}"
                )),
            })?;
        Ok(x.to_device(device)?)
    }

    #[rhai_fn(name = "to", return_raw)]
    pub fn to_like(x: Tensor, y: Tensor) -> RhaiResultOf<Tensor> {
        Ok(x.to_like(&y)?)
    }

    /// The same entries as float32.
    ///
    /// ```rhai
    /// assert(tensor([1, 2]).float().dtype == "float32");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn float(x: Tensor) -> RhaiResultOf<Tensor> {
        Ok(x.to_dtype(Dtype::Float32)?)
    }

    /// The same entries as float64.
    ///
    /// ```rhai
    /// assert(tensor([1, 2]).double().dtype == "float64");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn double(x: Tensor) -> RhaiResultOf<Tensor> {
        Ok(x.to_dtype(Dtype::Float64)?)
    }

    /// The same entries as int64, cut towards 0.
    ///
    /// ```rhai
    /// assert(tensor([-1.5, 2.5]).long().to_array() == [-1, 2]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn long(x: Tensor) -> RhaiResultOf<Tensor> {
        Ok(x.to_dtype(Dtype::Int64)?)
    }

    /// Whether each entry is other than 0.
    ///
    /// ```rhai
    /// assert(tensor([0, 2]).bool().to_array() == [false, true]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn bool(x: Tensor) -> RhaiResultOf<Tensor> {
        Ok(x.to_dtype(Dtype::Bool)?)
    }

    /// The tensor as text, as `print` shows it: dtype, shape and a few values, of large ones
    /// the device, the range and how many entries are NaN.
    ///
    /// ```rhai
    /// assert(tensor([1, 2]).to_string() == "tensor(int64, [2], [1, 2])");
    /// ```
    pub fn to_string(x: Tensor) -> String {
        x.to_string()
    }

    /// The tensor in one line, as it is shown inside of arrays and maps.
    ///
    /// ```rhai
    /// assert(tensor([1, 2]).to_debug() == "tensor(int64, [2], [1, 2])");
    /// assert(eye(9).to_debug() == "tensor(float32, [9, 9], cpu, 0.0000 .. 1.0000)");
    /// ```
    pub fn to_debug(x: Tensor) -> String {
        format!("{x:?}")
    }
}

fn entries(x: &Tensor) -> Result<Vec<Dynamic>> {
    Ok(match x.dtype()? {
        Dtype::Bool => x
            .to_vec_u8()?
            .into_iter()
            .map(|value| (value != 0).into())
            .collect(),
        dtype if dtype.is_float() => x.to_vec_f64()?.into_iter().map(FLOAT::into).collect(),
        _ => x.to_vec_i64()?.into_iter().map(INT::into).collect(),
    })
}

/// Row-major entries as arrays in arrays.
fn nested(entries: &[Dynamic], shape: &[i64]) -> Dynamic {
    let Some((&rows, rest)) = shape.split_first() else {
        return entries.first().cloned().unwrap_or_default();
    };
    let rows = usize::try_from(rows).unwrap_or(0);
    let each = entries.len() / rows.max(1);
    let row = |at: usize| nested(&entries[at * each..(at + 1) * each], rest);
    (0..rows).map(row).collect::<Array>().into()
}
