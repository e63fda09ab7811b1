//! Script closures as functions of the domain.

use super::Failure;
use crate::{Error, Result};
use rhai::{Dynamic, EvalAltResult, FnPtr, FuncArgs, NativeCallContext, Position, Variant};

/// Calls a script's closure from domain code.
///
/// What the closure raises travels through the domain as `Error::Callback` and comes out
/// again, with its own position, where the binding turns the domain's error into a script's.
pub fn call<T: Variant + Clone>(
    context: &NativeCallContext,
    closure: &FnPtr,
    args: impl FuncArgs,
) -> Result<T> {
    let value: Dynamic = closure.call_within_context(context, args).map_err(raised)?;
    let given = value.type_name();
    value.try_cast_result::<T>().map_err(|_| {
        let engine = context.engine();
        let wanted = super::names::a_type(engine.map_type_name(std::any::type_name::<T>()));
        let given = super::names::a_type(engine.map_type_name(given));
        Error::Invalid(format!("the closure must return {wanted}, got {given}"))
    })
}

fn raised(error: Failure) -> Error {
    match *error {
        EvalAltResult::ErrorTerminated(..) => Error::Interrupted,
        _ => Error::Callback(Box::new(error)),
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            // `try ... catch` cannot swallow this one.
            Error::Interrupted => {
                EvalAltResult::ErrorTerminated("interrupted".into(), Position::NONE).into()
            }
            Error::Callback(payload) => match payload.downcast::<Failure>() {
                Ok(inner) => *inner,
                Err(_) => "a callback failed".into(),
            },
            Error::Invalid(message) => message.into(),
        }
    }
}
