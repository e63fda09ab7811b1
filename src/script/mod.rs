//! The host of scripts: Rhai, and one file of bindings for each domain.
//!
//! Bindings only translate. They report errors with `?`: a domain's `Error` becomes a Rhai
//! error, to which Rhai adds the position of the call.

mod ask;
mod attack;
pub mod callback;
mod check;
mod compare;
mod constant;
mod convert;
mod core;
mod corruption;
mod data;
pub mod declared;
mod diagnose;
pub mod docs;
mod engine;
pub mod errors;
mod estimate;
pub mod functions;
mod habits;
mod help;
mod host;
mod label;
mod launch;
mod ledger;
mod metrics;
pub mod names;
mod nn;
pub mod options;
mod params;
mod permissions;
mod resolver;
mod resumable;
mod run;
mod sentences;
mod show;
mod sources;
mod spans;
mod tensor;
mod test;
mod testing;
pub mod thread;
mod tokens;
mod train;
mod unknown;

pub use check::{Checked, Finding, Severity, check};
pub use engine::{MAX_SOURCE, engine, name_closures_alike};
pub use estimate::estimate;
pub use host::{Host, Settings, read_script};
pub use launch::{Ending, Left, describe, meanings, run};
pub use params::{Params, parse as parse_parameter};
pub use permissions::{new_run_folder, paths_in};
pub use resolver::stdlib;
pub use sources::{Place, Source};
pub use test::{Outcome, test};

use crate::Result;
use crate::files::File;
use rhai::{AST, Engine, EvalAltResult};
use std::path::{Path, PathBuf};

/// What goes wrong in a script, as Rhai carries it.
pub type Failure = Box<EvalAltResult>;

/// Named so that definitions and help print `-> Tensor`.
pub type RhaiResultOf<T> = std::result::Result<T, Failure>;

/// A group of functions: its name in the reference, and how to make its module.
pub type Domain = (&'static str, fn() -> rhai::Module);

/// Every group of functions that scripts can call, in the order of the reference.
pub fn domains() -> Vec<Domain> {
    vec![
        ("core", core::module),
        ("tensor", tensor::module),
        ("nn", nn::module),
        ("attack", attack::module),
        ("diagnose", diagnose::module),
        ("label", label::module),
        ("train", train::module),
        ("data", data::module),
        ("resumable", resumable::module),
        ("corruption", corruption::module),
        ("metrics", metrics::module),
        ("ledger", ledger::module),
        ("run", run::module),
        ("show", show::module),
        ("testing", testing::module),
    ]
}

/// Compiles a file for `engine`, whose errors will name it as `name`.
pub fn compile(
    host: &Host,
    engine: &Engine,
    name: &str,
    path: Option<PathBuf>,
    text: String,
) -> RhaiResultOf<AST> {
    let mut ast = engine.compile(padded(host, name, path, text)?)?;
    ast.set_source(name);
    Ok(ast)
}

/// The text of a file or an input as it is to be compiled: behind empty lines, so that its
/// positions say which of the run's texts they belong to.
pub fn padded(host: &Host, name: &str, path: Option<PathBuf>, text: String) -> Result<String> {
    ensure_size(name, &text)?;
    Ok(host.add_source(name, path, text)?.1)
}

/// Compiles the script at `path`.
pub fn compile_file(host: &Host, engine: &Engine, path: &Path) -> RhaiResultOf<AST> {
    let text = host::read_script(&File::open(path)?)?;
    let real = path.canonicalize().ok();
    compile(host, engine, &path.display().to_string(), real, text)
}

fn ensure_size(name: &str, text: &str) -> Result<()> {
    let size = text.len();
    ensure!(
        size <= MAX_SOURCE,
        "{name}: a script may have {MAX_SOURCE} bytes, this one has {size}"
    );
    Ok(())
}
