//! Values of scripts as values of the domain; what does not fit is named.

use super::names::a_type;
use crate::{Error, Result};
use rhai::{Array, Dynamic, Map};

fn refused(what: &str, wanted: &str, given: &Dynamic) -> Error {
    Error::invalid(format!(
        "`{what}` must be {wanted}, got {}",
        a_type(given.type_name())
    ))
}

pub fn array(what: &str, value: Dynamic) -> Result<Array> {
    let error = refused(what, "an array", &value);
    value.flatten().try_cast().ok_or(error)
}

pub fn map(what: &str, value: Dynamic) -> Result<Map> {
    let error = refused(what, "a map", &value);
    value.flatten().try_cast().ok_or(error)
}

pub fn integer(what: &str, value: Dynamic) -> Result<i64> {
    value.as_int().map_err(|_| refused(what, "an int", &value))
}

pub fn integers(what: &str, value: Dynamic) -> Result<Vec<i64>> {
    array(what, value)?
        .into_iter()
        .map(|it| integer(what, it))
        .collect()
}

pub fn strings(what: &str, values: Array) -> Result<Vec<String>> {
    let text = |it: Dynamic| {
        let error = refused(what, "an array of strings", &it);
        it.into_string().map_err(|_| error)
    };
    values.into_iter().map(text).collect()
}

/// Integers, floats and truth values by name, as floats.
pub fn numbers(what: &str, values: Map) -> Result<Vec<(String, f64)>> {
    let number = |name: &str, it: Dynamic| match (it.as_float(), it.as_int(), it.as_bool()) {
        (Ok(value), ..) => Ok(value),
        (_, Ok(value), _) => Ok(value as f64),
        (.., Ok(value)) => Ok(f64::from(u8::from(value))),
        // Not measured: the cell stays empty.
        _ if it.is_unit() => Ok(f64::NAN),
        _ => Err(refused(&format!("{what}.{name}"), "a number", &it)),
    };
    values
        .into_iter()
        .map(|(name, it)| Ok((name.to_string(), number(&name, it)?)))
        .filter(|entry| !matches!(entry, Ok((_, value)) if value.is_nan()))
        .collect()
}
