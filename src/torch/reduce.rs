//! Sums and their kin, over all entries or along a dimension; orders.

use super::error::with_numbers;
use super::{Dtype, Tensor};
use crate::Result;

macro_rules! whole {
    ($($name:ident: |$x:ident| $call:expr;)*) => {
        impl Tensor {$(
            /// Over all entries.
            pub fn $name(&self) -> Result<Tensor> {
                let $x = &self.0;
                self.result(stringify!($name), &[], $call)
            }
        )*}
    };
}

whole! {
    sum: |x| x.f_sum(None::<tch::Kind>);
    prod: |x| x.f_prod(None::<tch::Kind>);
    amax: |x| x.f_amax([0_i64; 0], false);
    amin: |x| x.f_amin([0_i64; 0], false);
    any: |x| x.f_any();
    all: |x| x.f_all();
    argmax_all: |x| x.f_argmax(None, false);
    argmin_all: |x| x.f_argmin(None, false);
    median: |x| x.f_median();
}

macro_rules! along {
    ($($name:ident: |$x:ident, $dim:ident, $keep:ident| $call:expr;)*) => {
        impl Tensor {$(
            /// Along one dimension; it stays with size 1 where `keepdim`.
            pub fn $name(&self, $dim: i64, $keep: bool) -> Result<Tensor> {
                let $x = &self.0;
                self.result(stringify!($name), &[], $call)
            }
        )*}
    };
}

along! {
    sum_dim: |x, dim, keep| x.f_sum_dim_intlist(&[dim][..], keep, None::<tch::Kind>);
    prod_dim: |x, dim, keep| x.f_prod_dim_int(dim, keep, None::<tch::Kind>);
    amax_dim: |x, dim, keep| x.f_amax([dim], keep);
    amin_dim: |x, dim, keep| x.f_amin([dim], keep);
    any_dim: |x, dim, keep| x.f_any_dim(dim, keep);
    all_dim: |x, dim, keep| x.f_all_dim(dim, keep);
    argmax: |x, dim, keep| x.f_argmax(dim, keep);
    argmin: |x, dim, keep| x.f_argmin(dim, keep);
    logsumexp: |x, dim, keep| x.f_logsumexp([dim], keep);
}

impl Tensor {
    /// Sum along several dimensions at once.
    pub fn sum_dims(&self, dims: &[i64], keepdim: bool) -> Result<Tensor> {
        let result = self.0.f_sum_dim_intlist(dims, keepdim, None::<tch::Kind>);
        self.result("sum", &[], result)
    }

    /// Over all entries.
    pub fn mean(&self) -> Result<Tensor> {
        self.check_float("mean")?;
        self.result("mean", &[], self.0.f_mean(None::<tch::Kind>))
    }

    /// Along one dimension; it stays with size 1 where `keepdim`.
    pub fn mean_dim(&self, dim: i64, keepdim: bool) -> Result<Tensor> {
        self.mean_dims(&[dim], keepdim)
    }

    /// Mean along several dimensions at once.
    pub fn mean_dims(&self, dims: &[i64], keepdim: bool) -> Result<Tensor> {
        self.check_float("mean")?;
        self.result(
            "mean",
            &[],
            self.0.f_mean_dim(dims, keepdim, None::<tch::Kind>),
        )
    }

    /// Variance over all entries, divided by n - `correction`.
    pub fn variance(&self, correction: i64) -> Result<Tensor> {
        self.check_float("variance")?;
        let result = with_numbers(|| self.0.f_var_correction(None::<&[i64]>, correction, false));
        self.result("variance", &[], result)
    }

    /// Variance along some dimensions, divided by n - `correction`.
    pub fn variance_dims(&self, dims: &[i64], correction: i64, keepdim: bool) -> Result<Tensor> {
        self.check_float("variance")?;
        let result = with_numbers(|| self.0.f_var_correction(dims, correction, keepdim));
        self.result("variance", &[], result)
    }

    /// Standard deviation over all entries, from the sum divided by n - `correction`.
    pub fn std(&self, correction: i64) -> Result<Tensor> {
        self.check_float("std")?;
        let result = with_numbers(|| self.0.f_std_correction(None::<&[i64]>, correction, false));
        self.result("std", &[], result)
    }

    /// Standard deviation along some dimensions.
    pub fn std_dims(&self, dims: &[i64], correction: i64, keepdim: bool) -> Result<Tensor> {
        self.check_float("std")?;
        let result = with_numbers(|| self.0.f_std_correction(dims, correction, keepdim));
        self.result("std", &[], result)
    }

    /// The p-norm over all entries; infinity gives the largest absolute value.
    pub fn norm(&self, p: f64) -> Result<Tensor> {
        self.reshape(&[-1])?.norm_dims(p, &[0], false)
    }

    /// The p-norm along some dimensions.
    pub fn norm_dims(&self, p: f64, dims: &[i64], keepdim: bool) -> Result<Tensor> {
        let result = with_numbers(|| self.0.f_norm_scalaropt_dim(p, dims, keepdim));
        self.result("norm", &[], result)
    }

    /// The p-norm of each example, `[n, ...]` to `[n]`.
    pub fn norm_each(&self, p: f64) -> Result<Tensor> {
        let n = self.dim(0)?;
        self.reshape(&[n, -1])?.norm_dims(p, &[1], false)
    }

    /// The smallest and the largest entry, in one pass; NaN where there is one.
    pub fn amin_amax(&self) -> Result<(Tensor, Tensor)> {
        let flat = self.detach()?.reshape(&[-1])?;
        flat.pair("aminmax", flat.0.f_aminmax(None, false))
    }

    /// Largest entries along a dimension, and where they are.
    pub fn max_dim(&self, dim: i64, keepdim: bool) -> Result<(Tensor, Tensor)> {
        self.pair("max", self.0.f_max_dim(dim, keepdim))
    }

    /// Smallest entries along a dimension, and where they are.
    pub fn min_dim(&self, dim: i64, keepdim: bool) -> Result<(Tensor, Tensor)> {
        self.pair("min", self.0.f_min_dim(dim, keepdim))
    }

    /// The k largest (or smallest) entries along a dimension, in order, and where they are.
    pub fn topk(&self, k: i64, dim: i64, largest: bool) -> Result<(Tensor, Tensor)> {
        let found = self.abandonable(move |x| x.f_topk(k, dim, largest, true))?;
        self.pair("topk", found)
    }

    /// Entries in order along a dimension, and where they were; equal ones keep their order.
    pub fn sort(&self, dim: i64, descending: bool) -> Result<(Tensor, Tensor)> {
        let sorted = self.abandonable(move |x| x.f_sort_stable(true, dim, descending))?;
        self.pair("sort", sorted)
    }

    pub fn cumsum(&self, dim: i64) -> Result<Tensor> {
        self.result("cumsum", &[], self.0.f_cumsum(dim, None::<tch::Kind>))
    }

    /// Number of entries that are not zero, or true.
    pub fn count_nonzero(&self) -> Result<i64> {
        self.ne(0_i64)?.to_dtype(Dtype::Int64)?.sum()?.item_i64()
    }

    fn check_float(&self, what: &str) -> Result<()> {
        ensure!(
            self.dtype()?.is_float(),
            "`{what}` takes a floating-point tensor, got {}; `float()` makes it one",
            self.signature()
        );
        Ok(())
    }

    fn pair(
        &self,
        operation: &str,
        result: std::result::Result<(tch::Tensor, tch::Tensor), tch::TchError>,
    ) -> Result<(Tensor, Tensor)> {
        result
            .map(|(values, indices)| (Tensor::wrap(values), Tensor::wrap(indices)))
            .map_err(|error| self.failure(operation, &[], &error))
    }
}
