//! The domain `core`: parameters, options, assertions, units, seeds.

use super::host::Host;
use super::{RhaiResultOf, callback, options, params};
use crate::{Error, interrupt};
use rhai::plugin::*;
use rhai::{Array, EvalAltResult, FnPtr, ImmutableString, Map, Position};
use std::time::{Duration, Instant};

/// How long `sleep` may overlook a Ctrl-C.
const SLICE: Duration = Duration::from_millis(50);

pub fn module() -> rhai::Module {
    rhai::exported_module!(functions)
}

/// What a value holds, with all that is in it.
#[derive(Default)]
struct Sizes {
    elements: usize,
    entries: usize,
    letters: usize,
}

fn sizes(value: &Dynamic) -> Sizes {
    let mut all = Sizes::default();
    let mut add = |inner: &Dynamic| {
        let inner = sizes(inner);
        all.elements += inner.elements;
        all.entries += inner.entries;
        all.letters += inner.letters;
    };
    if let Ok(array) = value.as_array_ref() {
        array.iter().for_each(&mut add);
        all.elements += array.len();
    } else if let Ok(map) = value.as_map_ref() {
        map.values().for_each(&mut add);
        all.entries += map.len();
    } else if let Ok(blob) = value.as_blob_ref() {
        all.elements += blob.len();
    } else if let Ok(text) = value.as_immutable_string_ref() {
        all.letters += text.len();
    }
    all
}

/// What Rhai says of values that grow too large.
fn check_size(what: &str, size: usize, largest: usize) -> RhaiResultOf<()> {
    match size <= largest {
        true => Ok(()),
        false => Err(EvalAltResult::ErrorDataTooLarge(what.to_owned(), Position::NONE).into()),
    }
}

/// Parameters, options, seeds, assertions, units.
#[export_module]
pub mod functions {
    /// Declares the script's parameters with their defaults; returns them with their values.
    ///
    /// - `defaults`: a map; `--set key=value` on the command line overrides an entry with a
    ///   value of the same type, a default of `()` takes any
    ///
    /// `--seed` and `--device` override entries of these names. `rhobust run SCRIPT --help` lists
    /// the parameters, each with the comment at the end of its line.
    ///
    /// Errors: a `--set` of a parameter that is not declared, or to a value of another type; a
    /// second call in a run.
    ///
    /// ```rhai
    /// let p = params(#{ epochs: 10, eps: 0.03, device: "auto" });
    /// assert(p.epochs == 10);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn params(context: NativeCallContext, defaults: Map) -> RhaiResultOf<Map> {
        Ok(params::declare(&Host::of(&context), defaults)?)
    }

    /// The closure, so that it can be called outside of the module in which it was written: what a
    /// module's function returns as a closure, or keeps in a map, must be made so.
    ///
    /// ```rhai
    /// // In a module of its own: fn adder(n) { portable(|x| x + n) }
    /// let add = portable(|x| x + 2);
    /// print(add.call(40));  //> 42
    /// ```
    #[rhai_fn(return_raw)]
    pub fn portable(context: NativeCallContext, closure: FnPtr) -> RhaiResultOf<FnPtr> {
        callback::portable(&context, closure)
    }

    /// Merges the options given to a function over its defaults; returns the complete map.
    ///
    /// - `given`: what the caller passed
    /// - `defaults`: every option with its default; one of `()` takes any value
    ///
    /// Errors: an option that is not among the defaults, with the nearest that is; one of
    /// another type than its default.
    ///
    /// ```rhai
    /// fn fit(given) {
    ///     let o = options(given, #{ epochs: 10, lr: 0.01 });
    ///     o.epochs
    /// }
    /// assert(fit(#{ epochs: 3 }) == 3);
    /// assert(fit(#{}) == 10);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn options(given: Map, defaults: Map) -> RhaiResultOf<Map> {
        Ok(options::merge(given, defaults)?)
    }

    /// Lengthens a string with copies of another behind it, the last one cut where it is enough, or
    /// an array with copies of an item.
    ///
    /// - `length`: of the whole, in characters or items; what has as many stays as it is
    /// - `padding`: a string that is not empty, or an item
    ///
    /// ```rhai
    /// let name = "eps";
    /// name.pad(6, ".-");
    /// assert(name == "eps.-.");
    /// let sizes = [3];
    /// sizes.pad(3, 1);
    /// assert(sizes == [3, 1, 1]);
    /// ```
    #[rhai_fn(name = "pad", return_raw)]
    pub fn pad_text(
        context: NativeCallContext,
        text: &mut ImmutableString,
        length: i64,
        padding: &str,
    ) -> RhaiResultOf<()> {
        // Rhai's own loops for ever where nothing is added.
        if padding.is_empty() {
            return Err("`padding` must not be empty".into());
        }
        let lacking = usize::try_from(length).unwrap_or(0);
        let lacking = lacking.saturating_sub(text.chars().count());
        check_size("string", lacking, context.engine().max_string_size())?;
        text.make_mut()
            .extend(padding.chars().cycle().take(lacking));
        Ok(())
    }

    #[rhai_fn(name = "pad", return_raw)]
    pub fn pad_array(
        context: NativeCallContext,
        array: &mut Array,
        length: i64,
        padding: Dynamic,
    ) -> RhaiResultOf<()> {
        let length = usize::try_from(length).unwrap_or(0);
        let lacking = length.saturating_sub(array.len());
        // Rhai's own multiplies them without a look at whether that fits a number.
        let engine = context.engine();
        let each = sizes(&padding);
        let all = |of_each: usize| of_each.saturating_mul(lacking);
        check_size("array", all(each.elements + 1), engine.max_array_size())?;
        check_size("map", all(each.entries), engine.max_map_size())?;
        check_size("string", all(each.letters), engine.max_string_size())?;
        array.resize(array.len() + lacking, padding);
        Ok(())
    }

    /// Ends the script with an error unless the condition holds.
    ///
    /// ```rhai
    /// assert(1 + 1 == 2);
    /// ```
    #[rhai_fn(name = "assert", return_raw)]
    pub fn assert_holds(condition: bool) -> RhaiResultOf<()> {
        match condition {
            true => Ok(()),
            false => Err("the assertion does not hold".into()),
        }
    }

    /// Ends the script with an error that says `message` unless the condition holds.
    ///
    /// ```rhai
    /// let eps = 0.03;
    /// assert(eps <= 1.0, "eps is a fraction of the pixel range");
    /// ```
    #[rhai_fn(name = "assert", return_raw)]
    pub fn assert_with_message(condition: bool, message: &str) -> RhaiResultOf<()> {
        match condition {
            true => Ok(()),
            false => Err(format!("the assertion does not hold: {message}").into()),
        }
    }

    /// The fraction of the pixel range that is `n` grey levels, n/255.
    ///
    /// ```rhai
    /// print(px(8));  //> 0.03137254901960784
    /// assert(px(0.5) == 0.5 / 255.0);
    /// ```
    #[rhai_fn(name = "px")]
    pub fn px_of_int(n: i64) -> f64 {
        n as f64 / 255.0
    }

    #[rhai_fn(name = "px")]
    pub fn px_of_float(n: f64) -> f64 {
        n / 255.0
    }

    /// Sets the run's seed, from which every random draw after it is derived.
    ///
    /// - `n`: an integer of at least 0; without a call it is what `--seed` says, or 0
    ///
    /// ```rhai
    /// seed(7);
    /// assert(seed() == 7);
    /// ```
    #[rhai_fn(name = "seed", return_raw)]
    pub fn set_seed(context: NativeCallContext, n: i64) -> RhaiResultOf<()> {
        let seed = u64::try_from(n)
            .map_err(|_| Error::invalid(format!("`seed` must be at least 0, got {n}")))?;
        Host::of(&context).set_seed(seed);
        Ok(())
    }

    /// The run's seed.
    ///
    /// ```rhai
    /// seed(3);
    /// assert(seed() == 3);
    /// ```
    pub fn seed(context: NativeCallContext) -> i64 {
        Host::of(&context).seed() as i64
    }

    /// A number as text with a fixed count of digits after the point.
    ///
    /// - `digits`: 0 to 17
    ///
    /// ```rhai
    /// print(fixed(2.0 / 3.0, 3));  //> 0.667
    /// print(fixed(2, 1));          //> 2.0
    /// ```
    #[rhai_fn(return_raw)]
    pub fn fixed(x: f64, digits: i64) -> RhaiResultOf<String> {
        match usize::try_from(digits) {
            Ok(digits @ 0..=17) => Ok(format!("{x:.digits$}")),
            _ => Err(format!("`digits` must be 0 to 17, got {digits}").into()),
        }
    }

    #[rhai_fn(name = "fixed", return_raw)]
    pub fn fixed_int(x: i64, digits: i64) -> RhaiResultOf<String> {
        fixed(x as f64, digits)
    }

    /// Waits for a number of seconds; Ctrl-C ends it.
    ///
    /// ```rhai
    /// sleep(0.01);
    /// ```
    #[rhai_fn(name = "sleep", return_raw)]
    pub fn sleep_float(seconds: f64) -> RhaiResultOf<()> {
        let Ok(wanted) = Duration::try_from_secs_f64(seconds) else {
            return Err(format!("`seconds` must be at least 0, got {seconds}").into());
        };
        let start = Instant::now();
        while let Some(left) = wanted.checked_sub(start.elapsed()).filter(|d| !d.is_zero()) {
            interrupt::check()?;
            std::thread::sleep(left.min(SLICE));
        }
        Ok(())
    }

    #[rhai_fn(name = "sleep", return_raw)]
    pub fn sleep_int(seconds: i64) -> RhaiResultOf<()> {
        sleep_float(seconds as f64)
    }
}
