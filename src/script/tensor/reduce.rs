//! Sums and their kin, over all entries or along dimensions; orders.

use super::args;
use crate::Result;
use crate::script::{RhaiResultOf, options};
use crate::torch::Tensor;
use rhai::plugin::*;
use rhai::{INT, Map};
use serde::Deserialize;

macro_rules! reductions {
    ($(
        $(#[$doc:meta])*
        $module:ident $name:tt: |$x:ident| $whole:expr, |$y:ident, $dim:ident, $keepdim:ident| $along:expr;
    )*) => {
        $(
            #[export_module]
            mod $module {
                use super::*;

                $(#[$doc])*
                #[rhai_fn(name = $name, return_raw)]
                pub fn whole($x: Tensor) -> RhaiResultOf<Tensor> {
                    Ok(($whole)?)
                }

                #[rhai_fn(name = $name, return_raw)]
                pub fn along(x: Tensor, dim: Dynamic) -> RhaiResultOf<Tensor> {
                    keeping(x, dim, false)
                }

                #[rhai_fn(name = $name, return_raw)]
                pub fn keeping($y: Tensor, dim: Dynamic, $keepdim: bool) -> RhaiResultOf<Tensor> {
                    let $dim = &args::ints("dim", &dim)?[..];
                    Ok(($along)?)
                }
            }
        )*

        pub fn register(module: &mut Module) {
            $(combine_with_exported_module!(module, stringify!($module), $module);)*
            combine_with_exported_module!(module, "measures", measures);
            combine_with_exported_module!(module, "orders", orders);
        }
    };
}

reductions! {
    /// The sum of all entries, or along `dim`.
    ///
    /// - `dim`: a dimension or an array of them
    /// - `keepdim` (default false): whether they stay, with size 1
    ///
    /// ```rhai
    /// let x = tensor([[1, 2], [3, 4]]);
    /// print(x.sum().item());             //> 10
    /// print(x.sum(0).to_array());        //> [4, 6]
    /// print(x.sum([0, 1], true).shape);  //> [1, 1]
    /// ```
    sum "sum": |x| x.sum(), |x, dims, keepdim| x.sum_dims(dims, keepdim);

    /// The mean of all entries, or along `dim`; of floating-point tensors.
    ///
    /// - `dim`: a dimension or an array of them
    /// - `keepdim` (default false): whether they stay, with size 1
    ///
    /// ```rhai
    /// let x = tensor([[1.0, 2.0], [3.0, 4.0]]);
    /// print(x.mean().item());       //> 2.5
    /// print(x.mean(1).to_array());  //> [1.5, 3.5]
    /// ```
    mean "mean": |x| x.mean(), |x, dims, keepdim| x.mean_dims(dims, keepdim);

    /// The product of all entries, or along `dim`.
    ///
    /// - `keepdim` (default false): whether the dimension stays, with size 1
    ///
    /// ```rhai
    /// assert(tensor([2, 3, 4]).prod().item() == 24);
    /// ```
    prod "prod": |x| x.prod(), |x, dims, keepdim| x.prod_dim(one(dims)?, keepdim);

    /// The largest of all entries, or along `dim`. Where several are largest, they share the
    /// gradient.
    ///
    /// - `keepdim` (default false): whether the dimension stays, with size 1
    ///
    /// ```rhai
    /// assert(tensor([[1, 5], [3, 2]]).amax(1).to_array() == [5, 3]);
    /// ```
    amax "amax": |x| x.amax(), |x, dims, keepdim| x.amax_dim(one(dims)?, keepdim);

    /// The smallest of all entries, or along `dim`. Where several are smallest, they share the
    /// gradient.
    ///
    /// - `keepdim` (default false): whether the dimension stays, with size 1
    ///
    /// ```rhai
    /// assert(tensor([[1, 5], [3, 2]]).amin(0).to_array() == [1, 2]);
    /// ```
    amin "amin": |x| x.amin(), |x, dims, keepdim| x.amin_dim(one(dims)?, keepdim);

    /// Whether any entry is true (or not 0), of all or along `dim`.
    ///
    /// - `keepdim` (default false): whether the dimension stays, with size 1
    ///
    /// ```rhai
    /// assert((tensor([1, 2]) > 1).any().item());
    /// ```
    any "any": |x| x.any(), |x, dims, keepdim| x.any_dim(one(dims)?, keepdim);

    /// Whether every entry is true (or not 0), of all or along `dim`.
    ///
    /// - `keepdim` (default false): whether the dimension stays, with size 1
    ///
    /// ```rhai
    /// assert(!(tensor([1, 2]) > 1).all().item());
    /// ```
    all "all": |x| x.all(), |x, dims, keepdim| x.all_dim(one(dims)?, keepdim);

    /// The number of entries that are not 0 (or true), of all or along `dim`.
    ///
    /// - `dim`: a dimension or an array of them
    /// - `keepdim` (default false): whether they stay, with size 1
    ///
    /// ```rhai
    /// assert(tensor([0, 3, 4]).count_nonzero().item() == 2);
    /// ```
    count_nonzero "count_nonzero": |x| x.ne(0).and_then(|hits| hits.sum()),
        |x, dims, keepdim| x.ne(0)?.sum_dims(dims, keepdim);

    /// log(sum(exp(x))) of all entries, or along `dim`, computed without overflow.
    ///
    /// - `keepdim` (default false): whether the dimension stays, with size 1
    ///
    /// ```rhai
    /// assert(tensor([1000.0, -1000.0]).logsumexp(0).item() == 1000.0);
    /// ```
    logsumexp "logsumexp": |x| x.reshape(&[-1]).and_then(|x| x.logsumexp(0, false)),
        |x, dims, keepdim| x.logsumexp(one(dims)?, keepdim);

    /// The index of the largest entry, of all (counted in row-major order) or along `dim`.
    ///
    /// - `keepdim` (default false): whether the dimension stays, with size 1
    ///
    /// ```rhai
    /// let logits = tensor([[0.1, 0.9], [0.8, 0.2]]);
    /// assert(logits.argmax(1).to_array() == [1, 0]);
    /// assert(logits.argmax().item() == 1);
    /// ```
    argmax "argmax": |x| x.argmax_all(), |x, dims, keepdim| x.argmax(one(dims)?, keepdim);

    /// The index of the smallest entry, of all (counted in row-major order) or along `dim`.
    ///
    /// - `keepdim` (default false): whether the dimension stays, with size 1
    ///
    /// ```rhai
    /// assert(tensor([[1, 5], [3, 2]]).argmin(1).to_array() == [0, 1]);
    /// ```
    argmin "argmin": |x| x.argmin_all(), |x, dims, keepdim| x.argmin(one(dims)?, keepdim);
}

/// Options of `variance` and `std`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Spread {
    correction: i64,
    keepdim: bool,
}

impl Default for Spread {
    fn default() -> Self {
        Spread {
            correction: 1,
            keepdim: false,
        }
    }
}

#[export_module]
mod measures {
    /// The variance of all entries, or along `dim`.
    ///
    /// (PyTorch's `var`, a reserved word in Rhai.)
    ///
    /// - `dim`: a dimension or an array of them
    /// - `correction` (default 1): the sum of squares is divided by n - `correction`, so 0 gives
    ///   the population's variance
    /// - `keepdim` (default false): whether the dimensions stay, with size 1
    ///
    /// ```rhai
    /// let x = tensor([1.0, 2.0, 3.0]);
    /// assert(x.variance().item() == 1.0);
    /// assert(allclose(x.variance(0, #{ correction: 0 }), tensor(2.0 / 3.0)));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn variance(x: Tensor) -> RhaiResultOf<Tensor> {
        Ok(x.variance(1)?)
    }

    #[rhai_fn(name = "variance", return_raw)]
    pub fn variance_with(x: Tensor, options: Map) -> RhaiResultOf<Tensor> {
        let Spread { correction, .. } = options::read("variance", options)?;
        Ok(x.variance(correction)?)
    }

    #[rhai_fn(name = "variance", return_raw)]
    pub fn variance_along(x: Tensor, dim: Dynamic) -> RhaiResultOf<Tensor> {
        Ok(x.variance_dims(&args::ints("dim", &dim)?, 1, false)?)
    }

    #[rhai_fn(name = "variance", return_raw)]
    pub fn variance_along_with(x: Tensor, dim: Dynamic, options: Map) -> RhaiResultOf<Tensor> {
        let Spread {
            correction,
            keepdim,
        } = options::read("variance", options)?;
        Ok(x.variance_dims(&args::ints("dim", &dim)?, correction, keepdim)?)
    }

    /// The standard deviation of all entries, or along `dim`.
    ///
    /// - `dim`: a dimension or an array of them
    /// - `correction`, `keepdim`: as for `variance`
    ///
    /// ```rhai
    /// let x = tensor([1.0, 3.0]);
    /// assert(x.std(#{ correction: 0 }).item() == 1.0);
    /// assert(allclose(x.std(), tensor(2.0).sqrt()));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn std(x: Tensor) -> RhaiResultOf<Tensor> {
        Ok(x.std(1)?)
    }

    #[rhai_fn(name = "std", return_raw)]
    pub fn std_with(x: Tensor, options: Map) -> RhaiResultOf<Tensor> {
        let Spread { correction, .. } = options::read("std", options)?;
        Ok(x.std(correction)?)
    }

    #[rhai_fn(name = "std", return_raw)]
    pub fn std_along(x: Tensor, dim: Dynamic) -> RhaiResultOf<Tensor> {
        Ok(x.std_dims(&args::ints("dim", &dim)?, 1, false)?)
    }

    #[rhai_fn(name = "std", return_raw)]
    pub fn std_along_with(x: Tensor, dim: Dynamic, options: Map) -> RhaiResultOf<Tensor> {
        let Spread {
            correction,
            keepdim,
        } = options::read("std", options)?;
        Ok(x.std_dims(&args::ints("dim", &dim)?, correction, keepdim)?)
    }

    /// The p-norm of all entries, or along `dim`.
    ///
    /// - `p` (default 2): a number, or `"inf"` for the largest absolute value
    /// - `dim`: a dimension or an array of them
    /// - `keepdim` (default false): whether they stay, with size 1
    ///
    /// ```rhai
    /// let x = tensor([[3.0, -4.0], [0.0, 2.0]]);
    /// print(x[0].norm().item());      //> 5.0
    /// print(x.norm("inf").item());    //> 4.0
    /// print(x.norm(1, 1).to_array()); //> [7.0, 2.0]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn norm(x: Tensor) -> RhaiResultOf<Tensor> {
        Ok(x.norm(2.0)?)
    }

    #[rhai_fn(name = "norm", return_raw)]
    pub fn norm_of(x: Tensor, p: Dynamic) -> RhaiResultOf<Tensor> {
        Ok(x.norm(order(&p)?)?)
    }

    #[rhai_fn(name = "norm", return_raw)]
    pub fn norm_along(x: Tensor, p: Dynamic, dim: Dynamic) -> RhaiResultOf<Tensor> {
        norm_keeping(x, p, dim, false)
    }

    #[rhai_fn(name = "norm", return_raw)]
    pub fn norm_keeping(
        x: Tensor,
        p: Dynamic,
        dim: Dynamic,
        keepdim: bool,
    ) -> RhaiResultOf<Tensor> {
        Ok(x.norm_dims(order(&p)?, &args::ints("dim", &dim)?, keepdim)?)
    }

    /// The median of all entries; of an even number of them, the lower of the middle two.
    ///
    /// ```rhai
    /// assert(tensor([3, 1, 2, 4]).median().item() == 2);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn median(x: Tensor) -> RhaiResultOf<Tensor> {
        Ok(x.median()?)
    }

    /// The running sums along `dim`.
    ///
    /// ```rhai
    /// assert(tensor([1, 2, 3]).cumsum(0).to_array() == [1, 3, 6]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn cumsum(x: Tensor, dim: INT) -> RhaiResultOf<Tensor> {
        Ok(x.cumsum(dim)?)
    }
}

#[export_module]
mod orders {
    /// The largest of all entries; along `dim`, a map with `values` and `indices`.
    ///
    /// - `keepdim` (default false): whether the dimension stays, with size 1
    ///
    /// ```rhai
    /// let x = tensor([[1, 5], [3, 2]]);
    /// assert(x.max().item() == 5);
    /// assert(x.max(1).values.to_array() == [5, 3]);
    /// assert(x.max(1).indices.to_array() == [1, 0]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn max(x: Tensor) -> RhaiResultOf<Tensor> {
        Ok(x.amax()?)
    }

    #[rhai_fn(name = "max", return_raw)]
    pub fn max_along(x: Tensor, dim: INT) -> RhaiResultOf<Map> {
        Ok(pair(x.max_dim(dim, false)?))
    }

    #[rhai_fn(name = "max", return_raw)]
    pub fn max_keeping(x: Tensor, dim: INT, keepdim: bool) -> RhaiResultOf<Map> {
        Ok(pair(x.max_dim(dim, keepdim)?))
    }

    /// The smallest of all entries; along `dim`, a map with `values` and `indices`.
    ///
    /// - `keepdim` (default false): whether the dimension stays, with size 1
    ///
    /// ```rhai
    /// let x = tensor([[1, 5], [3, 2]]);
    /// assert(x.min().item() == 1);
    /// assert(x.min(1).indices.to_array() == [0, 1]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn min(x: Tensor) -> RhaiResultOf<Tensor> {
        Ok(x.amin()?)
    }

    #[rhai_fn(name = "min", return_raw)]
    pub fn min_along(x: Tensor, dim: INT) -> RhaiResultOf<Map> {
        Ok(pair(x.min_dim(dim, false)?))
    }

    #[rhai_fn(name = "min", return_raw)]
    pub fn min_keeping(x: Tensor, dim: INT, keepdim: bool) -> RhaiResultOf<Map> {
        Ok(pair(x.min_dim(dim, keepdim)?))
    }

    /// The `k` largest entries along `dim` in order: a map with `values` and `indices`.
    ///
    /// - `dim` (default -1, the last)
    /// - `largest` (default true): false for the smallest
    ///
    /// ```rhai
    /// let top = tensor([1, 9, 5]).topk(2);
    /// assert(top.values.to_array() == [9, 5]);
    /// assert(top.indices.to_array() == [1, 2]);
    /// assert(tensor([1, 9, 5]).topk(1, 0, false).values.to_array() == [1]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn topk(x: Tensor, k: INT) -> RhaiResultOf<Map> {
        Ok(pair(x.topk(k, -1, true)?))
    }

    #[rhai_fn(name = "topk", return_raw)]
    pub fn topk_along(x: Tensor, k: INT, dim: INT) -> RhaiResultOf<Map> {
        Ok(pair(x.topk(k, dim, true)?))
    }

    #[rhai_fn(name = "topk", return_raw)]
    pub fn topk_of(x: Tensor, k: INT, dim: INT, largest: bool) -> RhaiResultOf<Map> {
        Ok(pair(x.topk(k, dim, largest)?))
    }

    /// The entries in ascending order along `dim`: a map with `values` and `indices`. Equal
    /// entries keep their order.
    ///
    /// - `dim` (default -1, the last)
    /// - `descending` (default false)
    ///
    /// ```rhai
    /// let sorted = tensor([3, 1, 2]).sort();
    /// assert(sorted.values.to_array() == [1, 2, 3]);
    /// assert(sorted.indices.to_array() == [1, 2, 0]);
    /// assert(tensor([3, 1, 2]).sort(0, true).values.to_array() == [3, 2, 1]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn sort(x: Tensor) -> RhaiResultOf<Map> {
        Ok(pair(x.sort(-1, false)?))
    }

    #[rhai_fn(name = "sort", return_raw)]
    pub fn sort_along(x: Tensor, dim: INT) -> RhaiResultOf<Map> {
        Ok(pair(x.sort(dim, false)?))
    }

    #[rhai_fn(name = "sort", return_raw)]
    pub fn sort_by(x: Tensor, dim: INT, descending: bool) -> RhaiResultOf<Map> {
        Ok(pair(x.sort(dim, descending)?))
    }
}

fn pair((values, indices): (Tensor, Tensor)) -> Map {
    let entries = [("values", values), ("indices", indices)];
    entries
        .map(|(name, tensor)| (name.into(), Dynamic::from(tensor)))
        .into_iter()
        .collect()
}

fn one(dims: &[i64]) -> Result<i64> {
    match dims {
        [dim] => Ok(*dim),
        dims => bail!("`dim` must be one dimension here, got {dims:?}"),
    }
}

fn order(p: &Dynamic) -> Result<f64> {
    match p.read_lock::<rhai::ImmutableString>() {
        Some(text) if *text == "inf" => Ok(f64::INFINITY),
        Some(_) => Err(args::refused("p", "a number or \"inf\"", p)),
        None => args::float("p", p),
    }
}
