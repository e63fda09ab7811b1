//! Parts of a tensor: indices, slices, masks.

use super::error::with_numbers;
use super::{Device, Dtype, Operand, Scalar, Tensor};
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

impl Index {
    /// How many dimensions of the indexed tensor it looks at.
    pub fn dimensions(&self) -> usize {
        match self {
            Index::Tensor(mask) if matches!(mask.dtype(), Ok(Dtype::Bool)) => mask.ndim(),
            _ => 1,
        }
    }
}

fn raw(picked: &[Option<Tensor>]) -> Vec<Option<&tch::Tensor>> {
    picked.iter().map(|p| p.as_ref().map(|t| &*t.0)).collect()
}

fn tensors(picked: &[Option<Tensor>]) -> Vec<&Tensor> {
    picked.iter().flatten().collect()
}

impl Tensor {
    /// The part that `indices` ask for, one for each leading dimension.
    ///
    /// As in PyTorch, several tensors are read together, entry by entry: with rows and columns
    /// `[n]` the result is `[n]`, not `[n, n]`.
    pub fn index(&self, indices: &[Index]) -> Result<Tensor> {
        let (part, picked) = self.locate(indices)?;
        if picked.is_empty() {
            return Ok(part);
        }
        let result = part.0.f_index(&raw(&picked));
        part.result("index", &tensors(&picked), result)
    }

    /// A copy whose part at `indices` is `value`, broadcast and in this dtype. Gradients pass
    /// through both.
    pub fn with_index(&self, indices: &[Index], value: impl Into<Operand>) -> Result<Tensor> {
        let value = value.into().beside(self)?;
        let dtype = self.dtype()?;
        ensure!(
            dtype.is_float() || !value.dtype()?.is_float(),
            "a tensor of {dtype} cannot hold {} values; make it a floating-point tensor first",
            value.dtype()?
        );
        let value = value.to_like(self)?;
        let copy = self.fresh()?;
        let (part, picked) = copy.locate(indices)?;
        let mut target = part.0.shallow_clone();
        let written = match picked.is_empty() {
            true => target.f_copy_(&value.0),
            false => target
                .f_index_put_(&raw(&picked), &value.0, false)
                .map(drop),
        };
        written.map_err(|error| part.failure("index", &[&value], &error))?;
        Ok(copy)
    }

    /// Integers and slices are applied at once, as views; what tensors pick is left, by
    /// dimension of the view.
    fn locate(&self, indices: &[Index]) -> Result<(Tensor, Vec<Option<Tensor>>)> {
        let consumed: usize = indices.iter().map(Index::dimensions).sum();
        ensure!(
            consumed <= self.ndim(),
            "{consumed} indices for a tensor of shape {:?}, which has {} dimensions",
            self.shape(),
            self.ndim()
        );
        let mut part = self.clone();
        let mut dim = 0;
        let mut picked = Vec::new();
        for index in indices {
            match index {
                Index::At(at) => {
                    part = part.select(dim, *at)?;
                    continue;
                }
                Index::Slice(start, end) => {
                    part = part.slice(dim, *start, *end)?;
                    picked.push(None);
                }
                Index::Tensor(indices) => {
                    part.check_picked(dim, indices)?;
                    picked.push(Some(indices.clone()));
                }
            }
            dim += index.dimensions() as i64;
        }
        if picked.iter().all(Option::is_none) {
            picked.clear();
        }
        Ok((part, picked))
    }

    fn check_picked(&self, dim: i64, indices: &Tensor) -> Result<()> {
        match indices.dtype()? {
            Dtype::Int64 => indices.check_indices("index", self.dim(dim)?, true),
            Dtype::Bool => {
                let from = usize::try_from(dim).unwrap_or(0);
                let masked: Vec<i64> = self.shape().into_iter().skip(from).collect();
                ensure!(
                    indices.ndim() > 0 && masked.starts_with(&indices.shape()),
                    "a mask must be shaped like the dimensions it picks from, {masked:?}, got {}",
                    indices.signature()
                );
                Ok(())
            }
            _ => bail!(
                "a tensor index must be int64 or bool, got {}",
                indices.signature()
            ),
        }
    }

    /// On a GPU an index out of range would poison the whole process: it is looked for there.
    /// On the CPU libtorch looks by itself.
    fn check_indices(&self, what: &str, size: i64, negative: bool) -> Result<()> {
        if self.device() == Device::Cpu || self.numel() == 0 {
            return Ok(());
        }
        let lowest = if negative { -size } else { 0 };
        for found in [self.amin()?.item_i64()?, self.amax()?.item_i64()?] {
            ensure!(
                lowest <= found && found < size,
                "`{what}`: index {found} is out of range for a dimension of size {size}"
            );
        }
        Ok(())
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
        indices.check_indices("index_select", self.dim(dim)?, false)?;
        if dim == 0 && self.ndim() == 4 && !self.0.is_contiguous() {
            // Images whose channels lie side by side: libtorch would lay them out anew.
            let pixels = self.permute(&[0, 2, 3, 1])?;
            if pixels.0.is_contiguous() {
                return pixels.index_select(0, indices)?.permute(&[0, 3, 1, 2]);
            }
        }
        self.result(
            "index_select",
            &[indices],
            self.0.f_index_select(dim, &indices.0),
        )
    }

    /// out[i][j] = self[i][indices[i][j]] for dim 1, and so on.
    pub fn gather(&self, dim: i64, indices: &Tensor) -> Result<Tensor> {
        indices.check_indices("gather", self.dim(dim)?, false)?;
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
        indices.check_indices("scatter", self.dim(dim)?, false)?;
        match values.into() {
            Operand::Tensor(values) => {
                let result = self.0.f_scatter(dim, &indices.0, &values.0);
                self.result("scatter", &[indices, &values], result)
            }
            Operand::Scalar(value) => {
                let scatter = || self.0.f_scatter_value(dim, &indices.0, value.tch());
                self.result("scatter", &[indices], with_numbers(scatter))
            }
        }
    }

    /// The entries where `mask` is true, in one dimension.
    pub fn masked_select(&self, mask: &Tensor) -> Result<Tensor> {
        self.result("masked_select", &[mask], self.0.f_masked_select(&mask.0))
    }

    /// A copy with `value` where `mask` is true.
    pub fn masked_fill(&self, mask: &Tensor, value: impl Into<Scalar>) -> Result<Tensor> {
        let value = value.into();
        let result = with_numbers(|| self.0.f_masked_fill(&mask.0, value.tch()));
        self.result("masked_fill", &[mask], result)
    }

    /// Indices of the entries that are not zero, `[m, dimensions]`.
    pub fn nonzero(&self) -> Result<Tensor> {
        self.result("nonzero", &[], self.0.f_nonzero())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Like, generator, rand};
    use super::*;

    #[test]
    fn chosen_images_are_laid_out_as_they_were() -> Result<()> {
        let _guard = generator();
        let rows = Tensor::from_i64(&[3, 0], &[2])?;
        let x = rand(&[4, 3, 2, 5], Like::default())?;
        let expected = x.index_select(0, &rows)?;
        let chosen = x.channels_last()?.index_select(0, &rows)?;
        assert!(chosen.equal(&expected)?);
        let pixels = chosen.permute(&[0, 2, 3, 1])?;
        assert!(pixels.0.is_contiguous() && expected.0.is_contiguous());
        Ok(())
    }
}
