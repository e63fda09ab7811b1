//! The same entries in another arrangement.

use super::Tensor;
use crate::Result;

impl Tensor {
    /// Another shape for the same entries; one size may be -1, which is then worked out.
    pub fn reshape(&self, shape: &[i64]) -> Result<Tensor> {
        self.result("reshape", &[], self.0.f_reshape(shape))
    }

    pub fn permute(&self, dims: &[i64]) -> Result<Tensor> {
        self.result("permute", &[], self.0.f_permute(dims))
    }

    pub fn transpose(&self, dim0: i64, dim1: i64) -> Result<Tensor> {
        self.result("transpose", &[], self.0.f_transpose(dim0, dim1))
    }

    /// Without any dimension of size 1.
    pub fn squeeze(&self) -> Result<Tensor> {
        self.result("squeeze", &[], self.0.f_squeeze())
    }

    /// Without dimension `dim`, where its size is 1.
    pub fn squeeze_dim(&self, dim: i64) -> Result<Tensor> {
        self.result("squeeze", &[], self.0.f_squeeze_dim(dim))
    }

    pub fn unsqueeze(&self, dim: i64) -> Result<Tensor> {
        self.result("unsqueeze", &[], self.0.f_unsqueeze(dim))
    }

    /// Repeats dimensions of size 1 without copying; -1 keeps a size.
    pub fn expand(&self, shape: &[i64]) -> Result<Tensor> {
        self.result("expand", &[], self.0.f_expand(shape, false))
    }

    pub fn repeat(&self, times: &[i64]) -> Result<Tensor> {
        self.result("repeat", &[], self.0.f_repeat(times))
    }

    /// Joins dimensions `start` to `end` (included).
    pub fn flatten(&self, start: i64, end: i64) -> Result<Tensor> {
        self.result("flatten", &[], self.0.f_flatten(start, end))
    }

    pub fn flip(&self, dims: &[i64]) -> Result<Tensor> {
        self.result("flip", &[], self.0.f_flip(dims))
    }

    /// The same `[n, c, h, w]` with the channels of a pixel side by side in memory.
    pub fn channels_last(&self) -> Result<Tensor> {
        self.permute(&[0, 2, 3, 1])?
            .contiguous()?
            .permute(&[0, 3, 1, 2])
    }

    /// Every `step`-th entry along `dim`, a view.
    pub fn every(&self, dim: i64, step: i64) -> Result<Tensor> {
        let view = self.0.f_slice(dim, None::<i64>, None::<i64>, step);
        self.result("slice", &[], view)
    }

    /// Parts of `size` entries along `dim`; the last may be smaller.
    pub fn split(&self, size: i64, dim: i64) -> Result<Vec<Tensor>> {
        ensure!(size > 0, "`split`: `size` must be positive, got {size}");
        let parts = self.0.f_split(size, dim);
        let parts = parts.map_err(|error| self.failure("split", &[], &error))?;
        Ok(parts.into_iter().map(Tensor::wrap).collect())
    }

    /// `[n]` to `[n, 1, 1, ...]`, so that it broadcasts over examples shaped like `other`.
    pub fn broadcast_to_examples(&self, other: &Tensor) -> Result<Tensor> {
        let mut shape = vec![1; other.ndim()];
        if let Some(first) = shape.first_mut() {
            *first = -1;
        }
        self.reshape(&shape)
    }
}
