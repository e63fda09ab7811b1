//! Parts of a tensor: indices, slices, masks.

use super::{Dtype, Operand, Scalar, Tensor};
use crate::Result;

/// What one position of `x[[...]]` asks for.
#[derive(Clone, Debug)]
pub enum Index {
    /// One entry along the dimension, which disappears; negative counts from the end.
    At(i64),
    /// From start to end (exclusive), negative counts from the end; `None` is the border.
    Slice(Option<i64>, Option<i64>),
    /// The entries that an int64 tensor names, or where a bool tensor is true.
    Tensor(Tensor),
}

impl Tensor {
    /// The part that `indices` ask for, one for each leading dimension.
    pub fn index(&self, indices: &[Index]) -> Result<Tensor> {
        let consumed: usize = indices
            .iter()
            .map(|index| match index {
                Index::Tensor(mask) if matches!(mask.dtype(), Ok(Dtype::Bool)) => mask.ndim(),
                _ => 1,
            })
            .sum();
        ensure!(
            consumed <= self.ndim(),
            "{consumed} indices for a tensor of shape {:?}, which has {} dimensions",
            self.shape(),
            self.ndim()
        );
        let mut part = self.clone();
        let mut dim = 0;
        for index in indices {
            match index {
                Index::At(at) => part = part.select(dim, *at)?,
                Index::Slice(start, end) => {
                    part = part.slice(dim, *start, *end)?;
                    dim += 1;
                }
                Index::Tensor(picked) => {
                    part = part.pick(dim, picked)?;
                    dim += 1;
                }
            }
        }
        Ok(part)
    }

    fn pick(&self, dim: i64, picked: &Tensor) -> Result<Tensor> {
        match picked.dtype()? {
            Dtype::Bool | Dtype::Int64 => {}
            _ => bail!(
                "a tensor index must be int64 or bool, got {}",
                picked.signature()
            ),
        }
        let mut indices: Vec<Option<&tch::Tensor>> = vec![None; usize::try_from(dim).unwrap_or(0)];
        indices.push(Some(&picked.0));
        self.result("index", &[picked], self.0.f_index(&indices))
    }

    /// Entry `at` along `dim`, which disappears.
    pub fn select(&self, dim: i64, at: i64) -> Result<Tensor> {
        let size = self.dim(dim)?;
        ensure!(
            -size <= at && at < size,
            "index {at} is out of range for dimension {dim} of size {size} (shape {:?})",
            self.shape()
        );
        self.result("select", &[], self.0.f_select(dim, at))
    }

    /// Entries start .. end (exclusive) along `dim`; ends beyond the border are cut.
    pub fn slice(&self, dim: i64, start: Option<i64>, end: Option<i64>) -> Result<Tensor> {
        self.result("slice", &[], self.0.f_slice(dim, start, end, 1))
    }

    pub fn narrow(&self, dim: i64, start: i64, length: i64) -> Result<Tensor> {
        self.result("narrow", &[], self.0.f_narrow(dim, start, length))
    }

    /// Entries along `dim` in the order of the int64 `indices`.
    pub fn index_select(&self, dim: i64, indices: &Tensor) -> Result<Tensor> {
        self.result(
            "index_select",
            &[indices],
            self.0.f_index_select(dim, &indices.0),
        )
    }

    /// out[i][j] = self[i][indices[i][j]] for dim 1, and so on.
    pub fn gather(&self, dim: i64, indices: &Tensor) -> Result<Tensor> {
        self.result(
            "gather",
            &[indices],
            self.0.f_gather(dim, &indices.0, false),
        )
    }

    /// A copy in which self[i][indices[i][j]] = values[i][j] for dim 1, and so on.
    pub fn scatter(
        &self,
        dim: i64,
        indices: &Tensor,
        values: impl Into<Operand>,
    ) -> Result<Tensor> {
        match values.into() {
            Operand::Tensor(values) => {
                let result = self.0.f_scatter(dim, &indices.0, &values.0);
                self.result("scatter", &[indices, &values], result)
            }
            Operand::Scalar(value) => {
                let result = self.0.f_scatter_value(dim, &indices.0, value.tch());
                self.result("scatter", &[indices], result)
            }
        }
    }

    /// The entries where `mask` is true, in one dimension.
    pub fn masked_select(&self, mask: &Tensor) -> Result<Tensor> {
        self.result("masked_select", &[mask], self.0.f_masked_select(&mask.0))
    }

    /// A copy with `value` where `mask` is true.
    pub fn masked_fill(&self, mask: &Tensor, value: impl Into<Scalar>) -> Result<Tensor> {
        self.result(
            "masked_fill",
            &[mask],
            self.0.f_masked_fill(&mask.0, value.into().tch()),
        )
    }

    /// Indices of the entries that are not zero, `[m, dimensions]`.
    pub fn nonzero(&self) -> Result<Tensor> {
        self.result("nonzero", &[], self.0.f_nonzero())
    }
}
