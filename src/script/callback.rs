//! Script closures as functions of the domain.

use super::Failure;
use crate::attack::Classifier;
use crate::torch::{Precision, with_precision};
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
    checked(context, closure.call_within_context(context, args))
}

/// A closure from pixels in [0, 1] to logits, as attacks see it: in float32 whoever calls them.
pub fn classifier<'a>(context: &'a NativeCallContext, closure: &'a FnPtr) -> Classifier<'a> {
    Classifier::new(|x| with_precision(Precision::Float32, || call(context, closure, (x.clone(),))))
}

/// Calls it where the closure keeps what it wants to remember in the map `this`.
pub fn call_with_memory<T: Variant + Clone>(
    context: &NativeCallContext,
    closure: &FnPtr,
    memory: &mut Dynamic,
    mut args: Vec<Dynamic>,
) -> Result<T> {
    memory.set_tag(MEMORY);
    checked(context, closure.call_raw(context, Some(memory), &mut args))
}

/// Says which closure it is: its code, by the name that the language derives from it, and what it
/// captured as far as that is short.
pub fn identity(closure: &FnPtr) -> String {
    let captured = closure.iter_curry().map(|value| {
        let value = value.clone().flatten();
        match value.type_name() {
            "i64" | "f64" | "bool" | "string" | "char" => value.to_string(),
            other => super::names::type_word(other),
        }
    });
    let captured: Vec<String> = captured.collect();
    format!("{}({})", closure.fn_name(), captured.join(", "))
}

/// A closure that can be called where the module that it was written in is not known: it brings the
/// module's functions and imports along.
pub fn portable(context: &NativeCallContext, closure: FnPtr) -> super::RhaiResultOf<FnPtr> {
    let home = context.global_runtime_state().clone();
    let call = move |caller: NativeCallContext, args: &mut [&mut Dynamic]| {
        let mut global = home.clone();
        // The limit of nested calls counts the caller's.
        global.level = global.level.max(caller.global_runtime_state().level);
        let (engine, position) = (caller.engine(), caller.call_position());
        let at_home = NativeCallContext::new_with_all_fields(
            engine,
            closure.fn_name(),
            None,
            &global,
            position,
        );
        let mut this = None;
        let mut own = args.iter_mut().peekable();
        // Native code gets `this` as an argument.
        if own.peek().is_some_and(|it| it.tag() == MEMORY) {
            this = own.next().map(|it| &mut **it);
        }
        let args: Vec<Dynamic> = own.map(|it| std::mem::take(*it)).collect();
        closure.call_raw(&at_home, this, args)
    };
    // "Deprecated" stands for "may change" in rhai; the version is pinned.
    #[allow(deprecated)]
    FnPtr::from_fn("portable", call)
}

/// Whether a script's error is that of an allocator without room.
pub fn is_lack_of_memory(message: &Dynamic) -> bool {
    message.tag() == OUT_OF_MEMORY
}

/// Marks the message of a lack of memory, for those that can do with less.
const OUT_OF_MEMORY: i32 = 0x726f_6f6d;

/// Marks the map that is `this` for a closure.
const MEMORY: i32 = 0x6d65_6d6f;

fn checked<T: Variant + Clone>(
    context: &NativeCallContext,
    returned: std::result::Result<Dynamic, Failure>,
) -> Result<T> {
    let value = returned.map_err(raised)?;
    let given = value.type_name();
    value.try_cast_result::<T>().map_err(|_| {
        let engine = context.engine();
        let wanted = super::names::a_type(engine.map_type_name(std::any::type_name::<T>()));
        let given = super::names::a_type(engine.map_type_name(given));
        Error::Invalid(format!("the closure must return {wanted}, got {given}"))
    })
}

fn raised(error: Failure) -> Error {
    match error.unwrap_inner() {
        EvalAltResult::ErrorRuntime(message, _) if is_lack_of_memory(message) => {
            return Error::OutOfMemory(message.to_string());
        }
        _ => {}
    }
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
            Error::OutOfMemory(message) => {
                let mut message = Dynamic::from(message);
                message.set_tag(OUT_OF_MEMORY);
                EvalAltResult::ErrorRuntime(message, Position::NONE).into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{Host, RhaiResultOf, Settings, engine};
    use rhai::Engine;
    use std::cell::RefCell;
    use std::rc::Rc;

    /// An engine in which `apply(f)` calls a closure through a domain that wants an int.
    fn with_apply() -> Engine {
        let mut engine = engine(Host::new(Settings::default()).unwrap());
        let apply = |context: NativeCallContext, f: FnPtr| -> RhaiResultOf<i64> {
            let domain = |g: &dyn Fn() -> Result<i64>| g();
            Ok(domain(&|| call(&context, &f, ()))?)
        };
        engine.register_fn("apply", apply);
        engine
    }

    #[test]
    fn a_closure_error_keeps_its_own_position() {
        let error = with_apply().eval::<i64>("apply(||\n  1 / 0)").unwrap_err();
        assert_eq!(error.position().line(), Some(1), "{error:?}");
        assert_eq!(error.unwrap_inner().position().line(), Some(2), "{error:?}");
    }

    #[test]
    fn a_lack_of_memory_comes_out_of_a_closure_as_one() {
        let mut engine = with_apply();
        engine.register_fn("large", || -> RhaiResultOf<()> {
            Err(Error::OutOfMemory("no room".into()))?
        });
        let fits = |context: NativeCallContext, f: FnPtr| !matches!(call::<i64>(&context, &f, ()), Err(Error::OutOfMemory(it)) if it == "no room");
        engine.register_fn("fits", fits);
        assert!(!engine.eval::<bool>("fits(|| { large(); 1 })").unwrap());
        assert!(engine.eval::<bool>("fits(|| 1 / 0)").unwrap());
        let error = engine.eval::<i64>("apply(|| { large(); 1 })").unwrap_err();
        assert!(error.to_string().contains("no room"), "{error}");
    }

    /// An attack on a closure goes on with fewer images at once, and the user is told.
    #[test]
    fn a_closure_without_room_sees_fewer_images() {
        let host = Host::new(Settings::default()).unwrap();
        let told = Rc::new(RefCell::new(Vec::new()));
        let mut engine = engine(host);
        let heard = told.clone();
        crate::notice::listen(move |text| heard.borrow_mut().push(text.to_owned()));
        let crowded = |x: crate::torch::Tensor| -> RhaiResultOf<crate::torch::Tensor> {
            match x.shape()[0] > 2 {
                true => Err(Error::OutOfMemory("no room".into()))?,
                false => Ok(x),
            }
        };
        engine.register_fn("crowded", crowded);
        let script = "let w = tensor([[1.0, -1.0], [-1.0, 1.0]]);
            let x = tensor([[0.5, 0.4], [0.5, 0.4], [0.3, 0.2], [0.3, 0.3], [0.8, 0.1]]);
            let y = tensor([0, 0, 0, 1, 0]);
            let attack = pgd(#{ eps: 0.1, steps: 3, random_start: false });
            let expected = attack.perturb(|x| x.matmul(w), x, y);
            attack.perturb(|x| crowded(x).matmul(w), x, y).allclose(expected)";
        assert!(engine.eval::<bool>(script).unwrap());
        let told = told.borrow();
        assert_eq!(told.len(), 1);
        assert!(told[0].contains("goes on with 2 at once"), "{told:?}");
    }

    #[test]
    fn a_closure_must_return_what_is_wanted() {
        assert_eq!(with_apply().eval::<i64>("apply(|| 41) + 1").unwrap(), 42);
        let error = with_apply()
            .eval::<i64>("apply(|| \"x\")")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("the closure must return an int, got a string"),
            "{error}"
        );
    }
}
