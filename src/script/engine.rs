//! The Rhai engine: its limits, its switches and everything scripts can call.

use super::host::Host;
use super::resolver::Resolver;
use crate::interrupt;
use rhai::{Engine, OptimizationLevel};

/// Limits, all set explicitly, so that debug and release builds agree. What remains possible
/// within them fits the stack of `thread::with_large_stack`.
mod limits {
    /// Nested calls. Closures called by native code (an attack within a training loop within
    /// `no_grad`) need a few levels each.
    pub const CALL_LEVELS: usize = 128;
    /// Nesting of statements and expressions, at the top and in functions alike. A pair of
    /// parentheses counts twice.
    pub const EXPRESSION_DEPTH: usize = 128;
    /// Characters of one string, 16 Mi.
    pub const STRING: usize = 1 << 24;
    /// Elements of one array, those of nested arrays included. Tensors are not arrays.
    pub const ARRAY: usize = 1 << 22;
    /// Entries of one map, those of nested maps included.
    pub const MAP: usize = 1 << 20;
    pub const VARIABLES: usize = 4096;
    pub const FUNCTIONS: usize = 4096;
    pub const MODULES: usize = 256;
    /// Rhai's word for unlimited: the host counts them, those within native functions too.
    pub const OPERATIONS: u64 = 0;
}

/// The largest script in bytes. Rhai's parser compares each variable with all those before it
/// and cannot be stopped; a script of this size that does nothing but declare variables takes
/// about three seconds.
pub const MAX_SOURCE: usize = 128 * 1024;

/// Gives closures the same names in every run of a script: Rhai names them by hashes, and a ledger
/// tells by them whether an attack is the one that it was begun with. To be called before anything
/// else of Rhai.
pub fn name_closures_alike() {
    // It fails where it was done before.
    let _ = rhai::config::hashing::set_hashing_seed(Some([1, 2, 3, 4]));
}

/// An engine for `host`, with all domains registered.
pub fn engine(host: Host) -> Engine {
    let mut engine = Engine::new();
    engine
        .set_max_call_levels(limits::CALL_LEVELS)
        .set_max_expr_depths(limits::EXPRESSION_DEPTH, limits::EXPRESSION_DEPTH)
        .set_max_string_size(limits::STRING)
        .set_max_array_size(limits::ARRAY)
        .set_max_map_size(limits::MAP)
        .set_max_variables(limits::VARIABLES)
        .set_max_functions(limits::FUNCTIONS)
        .set_max_modules(limits::MODULES)
        .set_max_operations(limits::OPERATIONS)
        .set_strict_variables(true)
        .set_fail_on_invalid_map_property(true)
        // Positions and names stay as the user wrote them.
        .set_optimization_level(OptimizationLevel::None)
        // Text that is made into code at run time has no file to point to.
        .disable_symbol("eval")
        .set_module_resolver(Resolver::default());
    let counting = host.clone();
    engine.on_progress(move |_| {
        counting.count_operation();
        interrupt::requested().then(|| "interrupted".into())
    });
    let printer = host.clone();
    engine.on_print(move |text| printer.print(text));
    let places = host.clone();
    engine.on_debug(move |text, _, position| {
        let line = match places.place(position) {
            Some(place) => format!("{place}: {text}"),
            None => text.to_owned(),
        };
        match places.probe() {
            Some(_) => places.print(&line),
            None => eprintln!("{line}"),
        }
    });
    engine.set_default_tag(rhai::Dynamic::from(host));
    for (_, module) in super::domains() {
        engine.register_global_module(module().into());
    }
    engine
}
