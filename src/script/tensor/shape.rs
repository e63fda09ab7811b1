//! The same entries in another arrangement.

use super::args;
use crate::script::RhaiResultOf;
use crate::torch::Tensor;
use rhai::Array;
use rhai::plugin::*;

#[export_module]
pub mod functions {
    /// Another shape for the same entries; one size may be -1, which is then worked out.
    ///
    /// ```rhai
    /// assert(arange(6).reshape([2, -1]).shape == [2, 3]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn reshape(x: Tensor, shape: Dynamic) -> RhaiResultOf<Tensor> {
        Ok(x.reshape(&args::ints("shape", &shape)?)?)
    }

    /// The dimensions in another order.
    ///
    /// ```rhai
    /// assert(zeros([2, 3, 4]).permute([2, 0, 1]).shape == [4, 2, 3]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn permute(x: Tensor, dims: Array) -> RhaiResultOf<Tensor> {
        Ok(x.permute(&args::ints("dims", &dims.into())?)?)
    }

    /// Two dimensions exchanged.
    ///
    /// ```rhai
    /// assert(zeros([2, 3, 4]).transpose(0, -1).shape == [4, 3, 2]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn transpose(x: Tensor, dim0: i64, dim1: i64) -> RhaiResultOf<Tensor> {
        Ok(x.transpose(dim0, dim1)?)
    }

    /// The transpose of a matrix.
    ///
    /// ```rhai
    /// assert(tensor([[1, 2], [3, 4]]).t().to_array() == [[1, 3], [2, 4]]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn t(x: Tensor) -> RhaiResultOf<Tensor> {
        match x.ndim() {
            0 | 1 => Ok(x),
            2 => Ok(x.transpose(0, 1)?),
            _ => Err(format!("`t` takes a matrix, got {}; see `transpose`", x.signature()).into()),
        }
    }

    /// Without the dimensions of size 1, or without `dim` if its size is 1.
    ///
    /// ```rhai
    /// assert(zeros([1, 3, 1]).squeeze().shape == [3]);
    /// assert(zeros([1, 3, 1]).squeeze(0).shape == [3, 1]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn squeeze(x: Tensor) -> RhaiResultOf<Tensor> {
        Ok(x.squeeze()?)
    }

    #[rhai_fn(name = "squeeze", return_raw)]
    pub fn squeeze_dim(x: Tensor, dim: i64) -> RhaiResultOf<Tensor> {
        Ok(x.squeeze_dim(dim)?)
    }

    /// With a new dimension of size 1 at `dim`.
    ///
    /// ```rhai
    /// assert(zeros([3]).unsqueeze(0).shape == [1, 3]);
    /// assert(zeros([3]).unsqueeze(-1).shape == [3, 1]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn unsqueeze(x: Tensor, dim: i64) -> RhaiResultOf<Tensor> {
        Ok(x.unsqueeze(dim)?)
    }

    /// Dimensions of size 1 made larger by repetition, without copying; -1 keeps a size.
    ///
    /// ```rhai
    /// assert(tensor([[1], [2]]).expand([-1, 3]).to_array() == [[1, 1, 1], [2, 2, 2]]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn expand(x: Tensor, shape: Array) -> RhaiResultOf<Tensor> {
        Ok(x.expand(&args::ints("shape", &shape.into())?)?)
    }

    /// The whole repeated along each dimension.
    ///
    /// - `times`: how often, one number for each dimension
    ///
    /// ```rhai
    /// assert(tensor([1, 2]).repeat([2]).to_array() == [1, 2, 1, 2]);
    /// assert(zeros([2, 3]).repeat([1, 2]).shape == [2, 6]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn repeat(x: Tensor, times: Dynamic) -> RhaiResultOf<Tensor> {
        Ok(x.repeat(&args::ints("times", &times)?)?)
    }

    /// Dimensions `start` to `end` (included) joined into one.
    ///
    /// - `start` (default 0), `end` (default -1, the last)
    ///
    /// ```rhai
    /// assert(zeros([2, 3, 4]).flatten().shape == [24]);
    /// assert(zeros([2, 3, 4]).flatten(1).shape == [2, 12]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn flatten(x: Tensor) -> RhaiResultOf<Tensor> {
        Ok(x.flatten(0, -1)?)
    }

    #[rhai_fn(name = "flatten", return_raw)]
    pub fn flatten_from(x: Tensor, start: i64) -> RhaiResultOf<Tensor> {
        Ok(x.flatten(start, -1)?)
    }

    #[rhai_fn(name = "flatten", return_raw)]
    pub fn flatten_between(x: Tensor, start: i64, end: i64) -> RhaiResultOf<Tensor> {
        Ok(x.flatten(start, end)?)
    }

    /// The entries in reverse order along one dimension or several.
    ///
    /// ```rhai
    /// assert(tensor([1, 2, 3]).flip(0).to_array() == [3, 2, 1]);
    /// assert(tensor([[1, 2], [3, 4]]).flip([0, 1]).to_array() == [[4, 3], [2, 1]]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn flip(x: Tensor, dims: Dynamic) -> RhaiResultOf<Tensor> {
        Ok(x.flip(&args::ints("dims", &dims)?)?)
    }

    /// An array of parts with `size` entries along a dimension (default 0); the last may be
    /// smaller.
    ///
    /// ```rhai
    /// let parts = arange(5).split(2);
    /// assert(parts.len() == 3);
    /// assert(parts[2].to_array() == [4]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn split(x: Tensor, size: i64) -> RhaiResultOf<Array> {
        Ok(x.split(size, 0)?.into_iter().map(Dynamic::from).collect())
    }

    #[rhai_fn(name = "split", return_raw)]
    pub fn split_along(x: Tensor, size: i64, dim: i64) -> RhaiResultOf<Array> {
        Ok(x.split(size, dim)?.into_iter().map(Dynamic::from).collect())
    }

    /// The entries in row-major order in memory, which some operations read faster.
    ///
    /// ```rhai
    /// assert(zeros([2, 3]).t().contiguous().shape == [3, 2]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn contiguous(x: Tensor) -> RhaiResultOf<Tensor> {
        Ok(x.contiguous()?)
    }
}
