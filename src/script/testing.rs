//! The domain `testing`: assertions that say what differs.

use super::compare::{difference, distance, shown};
use super::errors::message;
use super::{Failure, RhaiResultOf};
use crate::Error;
use rhai::plugin::*;
use rhai::{EvalAltResult, FnPtr};

pub fn module() -> rhai::Module {
    rhai::exported_module!(functions)
}

/// The sentence of the error that a closure throws; none if it throws none.
fn thrown_by(context: &NativeCallContext, closure: &FnPtr) -> RhaiResultOf<Option<String>> {
    match closure.call_within_context::<Dynamic>(context, ()) {
        Ok(_) => Ok(None),
        // An interrupt or `exit()` is no error of the closure.
        Err(stop) if is_stop(&stop) => Err(stop),
        Err(error) => Ok(Some(message(context.engine(), &error))),
    }
}

fn is_stop(error: &Failure) -> bool {
    matches!(
        error.unwrap_inner(),
        EvalAltResult::ErrorTerminated(..) | EvalAltResult::Exit(..)
    )
}

fn number(value: &Dynamic) -> RhaiResultOf<f64> {
    let tolerance = value
        .as_float()
        .or_else(|_| value.as_int().map(|n| n as f64))
        .unwrap_or(f64::NAN);
    match tolerance >= 0.0 {
        true => Ok(tolerance),
        false => {
            let given = shown(value);
            Err(format!("`tolerance` must be a number of at least 0, got {given}").into())
        }
    }
}

/// Assertions that say what differs, for tests; `rhobust test` runs them.
#[export_module]
pub mod functions {
    /// Ends the script with an error that says what differs unless two values are equal.
    ///
    /// - `a`, `b`: numbers, strings, tensors, or arrays and maps with all that is in them;
    ///   `1` equals `1.0`, tensors need one shape, one dtype and equal entries
    ///
    /// ```rhai
    /// assert_eq(1 + 1, 2);
    /// assert_eq(tensor([1, 2]) * 2, tensor([2, 4]));
    /// assert_throws(|| assert_eq([1, 2], [1, 3]), "at [1]: 2 and 3 differ");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn assert_eq(context: NativeCallContext, a: Dynamic, b: Dynamic) -> RhaiResultOf<()> {
        match difference(&context, &a, &b)? {
            None => Ok(()),
            Some(what) => Err(format!("the values are not equal: {what}").into()),
        }
    }

    /// Ends the script with an error if two values are equal.
    ///
    /// - `a`, `b`: as for `assert_eq`
    ///
    /// ```rhai
    /// assert_ne(1, 2);
    /// assert_ne(rand([3]), rand([3]));
    /// assert_throws(|| assert_ne("a", "a"), "both values are \"a\"");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn assert_ne(context: NativeCallContext, a: Dynamic, b: Dynamic) -> RhaiResultOf<()> {
        match difference(&context, &a, &b)? {
            Some(_) => Ok(()),
            None => Err(format!("both values are {}", shown(&a)).into()),
        }
    }

    /// Ends the script with an error that names the largest difference and its place unless
    /// two values are equal up to `tolerance`.
    ///
    /// - `a`, `b`: numbers, tensors of one shape, or arrays and maps of them
    /// - `tolerance`: largest absolute difference that is allowed, at least 0
    ///
    /// A NaN is close to nothing.
    ///
    /// ```rhai
    /// assert_close(0.1 + 0.2, 0.3, 1e-12);
    /// assert_close(tensor([1.0, 2.0]), tensor([1.0, 2.01]), 0.1);
    /// let far = || assert_close(tensor([[1.0, 2.0]]), tensor([[1.0, 2.5]]), 0.1);
    /// assert_throws(far, "1 of 2 entries differ, most at [0, 1]: 2.0 and 2.5, 0.5 apart");
    /// ```
    #[rhai_fn(return_raw)]
    pub fn assert_close(a: Dynamic, b: Dynamic, tolerance: Dynamic) -> RhaiResultOf<()> {
        let tolerance = number(&tolerance)?;
        match distance(&a, &b, tolerance)? {
            None => Ok(()),
            Some(what) => {
                let most = format!("the tolerance is {tolerance:?}");
                Err(format!("the values are not close: {what} ({most})").into())
            }
        }
    }

    /// Ends the script with an error unless a closure throws one; returns its message.
    ///
    /// - `closure`: without arguments
    ///
    /// ```rhai
    /// assert(assert_throws(|| 1 / 0).contains("division by zero"));
    /// ```
    #[rhai_fn(name = "assert_throws", return_raw)]
    pub fn assert_throws_any(context: NativeCallContext, closure: FnPtr) -> RhaiResultOf<String> {
        match thrown_by(&context, &closure)? {
            Some(message) => Ok(message),
            None => Err("the closure throws no error".into()),
        }
    }

    /// Ends the script with an error unless a closure throws one that says `part`; returns its
    /// message.
    ///
    /// - `closure`: without arguments
    /// - `part`: what the message must contain
    ///
    /// ```rhai
    /// assert_throws(|| tensor([1, 2]).reshape([3]), "reshape");
    /// ```
    #[rhai_fn(name = "assert_throws", return_raw)]
    pub fn assert_throws(
        context: NativeCallContext,
        closure: FnPtr,
        part: &str,
    ) -> RhaiResultOf<String> {
        match thrown_by(&context, &closure)? {
            Some(message) if message.contains(part) => Ok(message),
            Some(message) => Err(Error::invalid(format!(
                "the closure throws another error than one that says {part:?}: {message}"
            ))
            .into()),
            None => Err(format!("the closure throws no error that says {part:?}").into()),
        }
    }
}
