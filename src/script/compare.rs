//! Where two values of a script differ, for assertions.

use super::names::a_type;
use crate::Result;
use crate::torch::Tensor;
use rhai::{Dynamic, Map, NativeCallContext};
use std::collections::BTreeSet;

/// The first difference between two values as a sentence; none if they are equal.
///
/// Numbers are equal as in Rhai, `1` and `1.0`; tensors must have one shape and one dtype.
pub(super) fn difference(
    context: &NativeCallContext,
    a: &Dynamic,
    b: &Dynamic,
) -> Result<Option<String>> {
    let equal = |a: &Dynamic, b: &Dynamic| {
        let call = context.call_native_fn::<bool>("==", (a.clone(), b.clone()));
        call.unwrap_or(false)
    };
    walk("", a, b, &|path, a, b| {
        if let (Some(x), Some(y)) = (tensor(a), tensor(b)) {
            let (at, bt) = (x.dtype()?, y.dtype()?);
            if at != bt {
                return Ok(Some(format!(
                    "{}the dtypes are {at} and {bt}",
                    at_path(path)
                )));
            }
            return farthest(path, &x, &y, 0.0);
        }
        match equal(a, b) {
            true => Ok(None),
            false => Ok(Some(differing(path, a, b))),
        }
    })
}

/// The largest difference that is greater than `tolerance`, as a sentence, of the first number
/// or tensor for which there is one.
pub(super) fn distance(a: &Dynamic, b: &Dynamic, tolerance: f64) -> Result<Option<String>> {
    walk("", a, b, &|path, a, b| {
        if let (Some(x), Some(y)) = (number(a), number(b)) {
            let far = (x - y).abs();
            let apart = x != y && beyond(far, tolerance);
            return Ok(apart.then(|| format!("{}, by {far:?}", differing(path, a, b))));
        }
        match (tensor(a), tensor(b)) {
            (Some(x), Some(y)) => farthest(path, &x, &y, tolerance),
            _ if a.is_unit() && b.is_unit() => Ok(None),
            _ => bail!(
                "{}numbers, tensors, and arrays and maps of them can be close, got {} and {}",
                at_path(path),
                a_type(a.type_name()),
                a_type(b.type_name())
            ),
        }
    })
}

/// A NaN is close to nothing.
fn beyond(distance: f64, tolerance: f64) -> bool {
    distance.is_nan() || distance > tolerance
}

type Leaf<'a> = &'a dyn Fn(&str, &Dynamic, &Dynamic) -> Result<Option<String>>;

/// Goes through arrays and maps side by side and asks `leaf` about what is in them.
fn walk(path: &str, a: &Dynamic, b: &Dynamic, leaf: Leaf) -> Result<Option<String>> {
    if let (Ok(x), Ok(y)) = (a.as_array_ref(), b.as_array_ref()) {
        if x.len() != y.len() {
            let (m, n) = (x.len(), y.len());
            return Ok(Some(format!(
                "{}the arrays have {m} and {n} elements",
                at_path(path)
            )));
        }
        for (index, (a, b)) in x.iter().zip(y.iter()).enumerate() {
            if let Some(found) = walk(&format!("{path}[{index}]"), a, b, leaf)? {
                return Ok(Some(found));
            }
        }
        return Ok(None);
    }
    if let (Ok(x), Ok(y)) = (a.as_map_ref(), b.as_map_ref()) {
        return walk_maps(path, &x, &y, leaf);
    }
    leaf(path, a, b)
}

fn walk_maps(path: &str, a: &Map, b: &Map, leaf: Leaf) -> Result<Option<String>> {
    let keys: BTreeSet<_> = a.keys().chain(b.keys()).collect();
    for key in keys {
        let found = match (a.get(key), b.get(key)) {
            (Some(a), Some(b)) => walk(&format!("{path}.{key}"), a, b, leaf)?,
            (one, _) => {
                let which = if one.is_some() { "first" } else { "second" };
                Some(format!("{}only the {which} map has `{key}`", at_path(path)))
            }
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// The entries of two tensors that differ most, if by more than `tolerance`.
fn farthest(path: &str, a: &Tensor, b: &Tensor, tolerance: f64) -> Result<Option<String>> {
    let (shape, other) = (a.shape(), b.shape());
    if shape != other {
        return Ok(Some(format!(
            "{}the shapes are {shape:?} and {other:?}",
            at_path(path)
        )));
    }
    let (x, y) = (a.to_vec_f64()?, b.to_vec_f64()?);
    let far: Vec<(usize, f64)> = std::iter::zip(&x, &y)
        .map(|(x, y)| if x == y { 0.0 } else { (x - y).abs() })
        .enumerate()
        .filter(|(_, far)| beyond(*far, tolerance))
        .collect();
    // NaN counts as the farthest.
    let Some((index, most)) = far
        .iter()
        .copied()
        .max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))
    else {
        return Ok(None);
    };
    Ok(Some(format!(
        "{} of {} entries differ, most at {path}{:?}: {:?} and {:?}, {most:?} apart",
        far.len(),
        x.len(),
        indices(index, &shape),
        x[index],
        y[index]
    )))
}

/// The indices of an entry by its number in row-major order.
fn indices(mut index: usize, shape: &[i64]) -> Vec<usize> {
    let mut indices: Vec<usize> = shape
        .iter()
        .rev()
        .map(|size| {
            let size = *size as usize;
            let here = index % size;
            index /= size;
            here
        })
        .collect();
    indices.reverse();
    indices
}

fn differing(path: &str, a: &Dynamic, b: &Dynamic) -> String {
    let types = match a.type_name() == b.type_name() {
        true => String::new(),
        false => format!(" ({} and {})", a_type(a.type_name()), a_type(b.type_name())),
    };
    format!(
        "{}{} and {} differ{types}",
        at_path(path),
        shown(a),
        shown(b)
    )
}

/// "at .eps: ", or nothing for the values themselves.
fn at_path(path: &str) -> String {
    match path {
        "" => String::new(),
        path => format!("at {path}: "),
    }
}

/// A value in a sentence, shortened where it is long.
pub(super) fn shown(value: &Dynamic) -> String {
    const MOST: usize = 80;
    let text = match value {
        value if value.is_string() => format!("{:?}", value.to_string()),
        value if value.is_unit() => "()".into(),
        value => match tensor(value) {
            Some(tensor) => tensor.signature(),
            None => value.to_string(),
        },
    };
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{} ...", &text[..end]),
        None => text,
    }
}

fn tensor(value: &Dynamic) -> Option<Tensor> {
    value.clone().flatten().try_cast()
}

fn number(value: &Dynamic) -> Option<f64> {
    let int = || value.as_int().ok().map(|n| n as f64);
    value.as_float().ok().or_else(int)
}
