//! Parts of a tensor: `x[0]`, `x[1..3]`, `x[[":", -1]]`, masks, gathering.

use super::args::{self, refused};
use crate::Result;
use crate::script::RhaiResultOf;
use crate::torch::{Index, Operand, Scalar, Tensor};
use rhai::plugin::*;
use rhai::{EvalAltResult, INT, ImmutableString, Position};
use std::ops::{Range, RangeInclusive};

#[export_module]
pub mod functions {
    /// A part of a tensor, as in PyTorch: `x[0]`, `x[-1]`, `x[1..3]`, `x[mask]`.
    ///
    /// One index, or an array of them for the leading dimensions. Each is
    /// - an integer: one entry, the dimension disappears; negative counts from the end
    /// - a range `1..3` or `0..=2`, or a slice in Python's notation: `":"`, `"1:"`, `":-1"`
    /// - an int64 tensor or an array of integers: the entries with these indices; several of
    ///   them are read together, so `x[[arange(n), y]]` is one entry of each row
    /// - a bool tensor: the entries where it is true
    /// - `"..."`: all the dimensions that the others leave
    ///
    /// ```rhai
    /// let x = arange(12).reshape([3, 4]);
    /// assert(x[0].to_array() == [0, 1, 2, 3]);
    /// assert(x[-1][1..3].to_array() == [9, 10]);
    /// assert(x[[":", 0]].to_array() == [0, 4, 8]);
    /// assert(x[[arange(3), tensor([0, 1, 2])]].to_array() == [0, 5, 10]);
    /// assert(x[x > 9].to_array() == [10, 11]);
    /// ```
    #[rhai_fn(index_get, return_raw)]
    pub fn entry(x: Tensor, index: INT) -> RhaiResultOf<Tensor> {
        Ok(x.select(0, index)?)
    }

    #[rhai_fn(index_get, return_raw)]
    pub fn part(x: Tensor, index: Dynamic) -> RhaiResultOf<Tensor> {
        check_property(&index, "Unknown property")?;
        Ok(x.index(&indices(&x, index)?)?)
    }

    /// Gives a variable a new tensor with a part replaced: `x[0] = 1`, `x[mask] += y`.
    ///
    /// The part is any that `x[...]` can be. Other variables that hold the same tensor keep it as
    /// it is; the rest of the entries is copied, and gradients pass through.
    ///
    /// - `value`: a tensor, broadcast to the part and brought to the dtype of `x`, a number or a
    ///   boolean
    ///
    /// ```rhai
    /// let x = zeros([2, 3]);
    /// let before = x;
    /// x[[0, "1:"]] = tensor([1, 2]);
    /// assert(x.to_array() == [[0.0, 1.0, 2.0], [0.0, 0.0, 0.0]]);
    /// assert(before.sum().item() == 0.0);
    /// ```
    #[rhai_fn(index_set, return_raw)]
    pub fn replace(x: &mut Tensor, index: Dynamic, value: Dynamic) -> RhaiResultOf<()> {
        check_property(&index, "No writable property")?;
        let value = match value.as_bool() {
            Ok(value) => Operand::Scalar(Scalar::Int(value.into())),
            Err(_) => args::operand("value", value)?,
        };
        *x = x.with_index(&indices(x, index)?, value)?;
        Ok(())
    }

    /// One entry along a dimension, which disappears; negative counts from the end.
    ///
    /// ```rhai
    /// assert(tensor([[1, 2], [3, 4]]).select(1, 0).to_array() == [1, 3]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn select(x: Tensor, dim: INT, index: INT) -> RhaiResultOf<Tensor> {
        Ok(x.select(dim, index)?)
    }

    /// `length` entries along a dimension, from `start` on.
    ///
    /// ```rhai
    /// assert(arange(5).narrow(0, 1, 3).to_array() == [1, 2, 3]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn narrow(x: Tensor, dim: INT, start: INT, length: INT) -> RhaiResultOf<Tensor> {
        Ok(x.narrow(dim, start, length)?)
    }

    /// The entries along a dimension that `indices` names, in its order.
    ///
    /// - `indices`: int64 `[m]`, or an array of integers
    ///
    /// ```rhai
    /// let x = tensor([[1, 2], [3, 4], [5, 6]]);
    /// assert(x.index_select(0, [2, 0]).to_array() == [[5, 6], [1, 2]]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn index_select(x: Tensor, dim: INT, indices: Dynamic) -> RhaiResultOf<Tensor> {
        Ok(x.index_select(dim, &args::indices("indices", indices)?)?)
    }

    /// For dim 1, `out[i][j] = x[i][indices[i][j]]`, and so on.
    ///
    /// - `indices`: int64, with as many dimensions as `x`
    ///
    /// ```rhai
    /// let logits = tensor([[0.1, 0.9], [0.8, 0.2]]);
    /// let y = tensor([0, 0]);
    /// assert(allclose(logits.gather(1, y.unsqueeze(1)).squeeze(1), tensor([0.1, 0.8])));
    /// ```
    #[rhai_fn(return_raw)]
    pub fn gather(x: Tensor, dim: INT, indices: Dynamic) -> RhaiResultOf<Tensor> {
        Ok(x.gather(dim, &args::indices("indices", indices)?)?)
    }

    /// A copy of `x` in which, for dim 1, `out[i][indices[i][j]] = values[i][j]`, and so on.
    ///
    /// - `indices`: int64, with as many dimensions as `x`
    /// - `values`: a tensor shaped like `indices`, or a number
    ///
    /// ```rhai
    /// let x = zeros([2, 3]).scatter(1, tensor([[2], [0]]), 1.0);
    /// assert(x.to_array() == [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn scatter(x: Tensor, dim: INT, indices: Dynamic, values: Dynamic) -> RhaiResultOf<Tensor> {
        let indices = args::indices("indices", indices)?;
        Ok(x.scatter(dim, &indices, args::operand("values", values)?)?)
    }

    /// The entries where `mask` is true, in one dimension.
    ///
    /// ```rhai
    /// let x = tensor([1, 5, 3]);
    /// assert(x.masked_select(x > 2).to_array() == [5, 3]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn masked_select(x: Tensor, mask: Tensor) -> RhaiResultOf<Tensor> {
        Ok(x.masked_select(&mask)?)
    }

    /// A copy of `x` with the number `value` where `mask` is true.
    ///
    /// ```rhai
    /// let x = tensor([1, 5, 3]);
    /// assert(x.masked_fill(x > 2, 0).to_array() == [1, 0, 0]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn masked_fill(x: Tensor, mask: Tensor, value: Dynamic) -> RhaiResultOf<Tensor> {
        Ok(x.masked_fill(&mask, args::scalar("value", &value)?)?)
    }

    /// The indices of the entries that are not 0 (or true): int64 `[m, dimensions]`.
    ///
    /// ```rhai
    /// assert(tensor([[0, 7], [0, 0]]).nonzero().to_array() == [[0, 1]]);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn nonzero(x: Tensor) -> RhaiResultOf<Tensor> {
        Ok(x.nonzero()?)
    }
}

/// Rhai asks the indexer for a property that it does not find: `x.foo` comes as `x["foo"]`.
/// The answer is then what Rhai says where there is no indexer.
fn check_property(index: &Dynamic, problem: &str) -> RhaiResultOf<()> {
    match index.read_lock::<ImmutableString>() {
        Some(name) if name.chars().all(|c| c.is_alphanumeric() || c == '_') => {
            let text = format!(
                "{problem} '{}' - a getter is not registered for type 'tensor'",
                *name
            );
            Err(EvalAltResult::ErrorDotExpr(text, Position::NONE).into())
        }
        _ => Ok(()),
    }
}

/// What one entry of an index asks for.
enum Item {
    Of(Index),
    /// `"..."`: as many whole dimensions as the others leave.
    Rest,
}

const WHOLE: Index = Index::Slice(None, None);

fn indices(x: &Tensor, index: Dynamic) -> Result<Vec<Index>> {
    let items = match index.try_cast_result::<rhai::Array>() {
        Ok(array) => array
            .into_iter()
            .enumerate()
            .map(|(at, index)| item(&format!("index[{at}]"), index))
            .collect::<Result<Vec<_>>>()?,
        Err(single) => vec![item("index", single)?],
    };
    let taken: usize = items
        .iter()
        .map(|item| match item {
            Item::Of(index) => index.dimensions(),
            Item::Rest => 0,
        })
        .sum();
    let rests = items
        .iter()
        .filter(|item| matches!(item, Item::Rest))
        .count();
    ensure!(rests <= 1, "an index may have one \"...\", got {rests}");
    let left = x.ndim().saturating_sub(taken);
    Ok(items
        .into_iter()
        .flat_map(|item| match item {
            Item::Of(index) => vec![index],
            Item::Rest => vec![WHOLE; left],
        })
        .collect())
}

fn item(argument: &str, index: Dynamic) -> Result<Item> {
    const WANTED: &str = "an integer, a range, a slice like \"1:\", a tensor or an array of these";
    let index = index.flatten();
    Ok(Item::Of(if let Ok(at) = index.as_int() {
        Index::At(at)
    } else if let Some(range) = index.read_lock::<Range<INT>>() {
        Index::Slice(Some(range.start), Some(range.end))
    } else if let Some(range) = index.read_lock::<RangeInclusive<INT>>() {
        // Behind -1, the last, there is nothing: not index 0.
        let end = Some(range.end().saturating_add(1)).filter(|&end| end != 0);
        Index::Slice(Some(*range.start()), end)
    } else if let Some(text) = index.read_lock::<ImmutableString>() {
        match text.trim() {
            "..." => return Ok(Item::Rest),
            text => match slice(text) {
                Some(slice) => slice,
                None => return Err(refused(argument, WANTED, &index)),
            },
        }
    } else if index.is_array() {
        Index::Tensor(args::indices(argument, index)?)
    } else {
        match index.try_cast_result::<Tensor>() {
            Ok(tensor) => Index::Tensor(tensor),
            Err(index) => return Err(refused(argument, WANTED, &index)),
        }
    }))
}

/// `"1:3"`, either side empty for the border.
fn slice(text: &str) -> Option<Index> {
    let (start, end) = text.split_once(':')?;
    let side = |text: &str| match text.trim() {
        "" => Some(None),
        text => text.parse().ok().map(Some),
    };
    Some(Index::Slice(side(start)?, side(end)?))
}
