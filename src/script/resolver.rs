//! `import "std/..."` from the library compiled in, everything else from files beside the
//! importing script, and only from folders that the script may read.

use super::host::{self, Host};
use super::names::did_you_mean;
use super::sources::Source;
use super::{Failure, RhaiResultOf, compile};
use crate::{Error, Result};
use rhai::{AST, Engine, EvalAltResult, Module, ModuleResolver, Position, Scope, Shared};
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

include!(concat!(env!("OUT_DIR"), "/stdlib.rs"));

/// The library modules' names as scripts import them, with their texts.
pub fn stdlib() -> &'static [(&'static str, &'static str)] {
    STDLIB
}

/// How a function of a library module is called, where there is one of this name.
pub(super) fn library_call(name: &str) -> Option<String> {
    let definition = format!("\nfn {name}(");
    let (module, text) = STDLIB.iter().find(|(_, text)| text.contains(&definition))?;
    let alias = module.rsplit('/').next().unwrap_or(module);
    let (_, arguments) = text.split_once(&definition)?;
    let (arguments, _) = arguments.split_once(')')?;
    Some(format!(
        "`{name}` is a function of the module \"{module}\": write `import \"{module}\" as \
         {alias};` and `{alias}::{name}({arguments})`"
    ))
}

/// The functions of the library module that is usually called `alias`.
pub(super) fn library_functions(alias: &str) -> impl Iterator<Item = &'static str> {
    let module = format!("std/{alias}");
    let found = STDLIB.iter().find(|(name, _)| *name == module);
    let lines = found.map_or("", |(_, text)| text).lines();
    lines.filter_map(|line| Some(line.strip_prefix("fn ")?.split_once('(')?.0))
}

/// How the library module that is usually called `alias` is imported.
pub(super) fn library_import(alias: &str) -> Option<String> {
    let module = format!("std/{alias}");
    let known = STDLIB.iter().any(|(name, _)| *name == module);
    known.then(|| format!("; write `import \"{module}\" as {alias};` before"))
}

/// The library module that a file's name without a folder was most likely meant to be.
fn library_near(path: &str) -> String {
    let module = format!("std/{path}");
    let names = || STDLIB.iter().map(|(name, _)| *name);
    match names().find(|name| *name == module) {
        Some(name) => format!("; did you mean `{name}`?"),
        None => did_you_mean(&module, names()),
    }
}

/// A module that was found: the same file under two names is the same module.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Location {
    Library(&'static str),
    File(PathBuf),
}

/// Finds what `import "<path>"` in the file `importer` means.
pub(super) fn locate(host: &Host, path: &str, importer: Option<&Source>) -> Result<Location> {
    if path.starts_with("std/") {
        let names = || STDLIB.iter().map(|(name, _)| *name);
        return match names().find(|name| *name == path) {
            Some(name) => Ok(Location::Library(name)),
            None => Err(Error::invalid(format!(
                "there is no library module \"{path}\"{} (modules: {})",
                did_you_mean(path, names()),
                names().collect::<Vec<_>>().join(", ")
            ))),
        };
    }
    ensure!(!path.is_empty(), "`import` needs the path of a module");
    let mut file = PathBuf::from(path);
    if file.extension().is_none_or(|extension| extension != "rhai") {
        file.as_mut_os_string().push(".rhai");
    }
    let file = match importer.and_then(Source::folder) {
        Some(folder) => folder.join(file),
        None => file,
    };
    let opened = host.file(&file).map_err(|error| {
        let near = match path.contains('/') {
            true => String::new(),
            false => library_near(path),
        };
        Error::invalid(format!("cannot import \"{path}\": {error}{near}"))
    })?;
    Ok(Location::File(opened.real().to_owned()))
}

impl Location {
    pub fn text(&self, host: &Host) -> Result<String> {
        match self {
            Location::Library(name) => {
                let entry = STDLIB.iter().find(|(library, _)| library == name);
                Ok(entry.map_or("", |(_, text)| text).to_owned())
            }
            Location::File(path) => host::read_script(&host.file(path)?),
        }
    }

    /// As errors show it.
    pub fn name(&self) -> String {
        match self {
            Location::Library(name) => (*name).to_owned(),
            Location::File(path) => shown(path),
        }
    }

    fn compile(&self, host: &Host, engine: &Engine) -> RhaiResultOf<AST> {
        let path = match self {
            Location::Library(_) => None,
            Location::File(path) => Some(path.clone()),
        };
        compile(host, engine, &self.name(), path, self.text(host)?)
    }
}

/// Relative to the current folder where it lies beneath it.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().and_then(|here| here.canonicalize());
    let relative = here
        .ok()
        .and_then(|here| path.strip_prefix(here).ok().map(Path::to_path_buf));
    relative.as_deref().unwrap_or(path).display().to_string()
}

/// Evaluates each module once, however often it is imported.
#[derive(Default)]
pub(super) struct Resolver {
    ready: RefCell<HashMap<Location, Shared<Module>>>,
    loading: RefCell<Vec<Location>>,
}

impl Resolver {
    fn load(
        &self,
        engine: &Engine,
        path: &str,
        position: Position,
    ) -> RhaiResultOf<Shared<Module>> {
        let host = Host::of_engine(engine);
        let importer = host.place(position).map(|place| place.source);
        let location = locate(&host, path, importer.as_deref())?;
        if let Some(module) = self.ready.borrow().get(&location) {
            return Ok(module.clone());
        }
        self.check_chain(&host, &location)?;
        self.loading.borrow_mut().push(location.clone());
        let module = location
            .compile(&host, engine)
            .and_then(|ast| Module::eval_ast_as_new(Scope::new(), &ast, engine))
            .map_err(|error| in_module(path, error, position));
        self.loading.borrow_mut().pop();
        let module: Shared<Module> = module?.into();
        self.ready.borrow_mut().insert(location, module.clone());
        Ok(module)
    }

    /// A module must not need itself, and chains of imports end somewhere.
    fn check_chain(&self, host: &Host, location: &Location) -> Result<()> {
        const LONGEST: usize = 16;
        let script = host
            .sources()
            .first()
            .and_then(|source| source.path.clone());
        let loading = self.loading.borrow();
        let chain: Vec<_> = script
            .map(Location::File)
            .into_iter()
            .chain(loading.iter().cloned())
            .collect();
        if let Some(start) = chain.iter().position(|other| other == location) {
            let mut names: Vec<_> = chain[start..].iter().map(Location::name).collect();
            names.push(location.name());
            let circle = names.join(" -> ");
            return Err(Error::invalid(format!(
                "modules import each other in a circle: {circle}"
            )));
        }
        ensure!(
            loading.len() < LONGEST,
            "a chain of imports may have {LONGEST} modules"
        );
        Ok(())
    }
}

/// Stops stay stops; everything else says which import it came through.
fn in_module(path: &str, error: Failure, position: Position) -> Failure {
    match *error {
        EvalAltResult::ErrorTerminated(..) => error,
        _ => EvalAltResult::ErrorInModule(path.to_owned(), error, position).into(),
    }
}

impl ModuleResolver for Resolver {
    fn resolve(
        &self,
        engine: &Engine,
        _source: Option<&str>,
        path: &str,
        position: Position,
    ) -> RhaiResultOf<Shared<Module>> {
        self.load(engine, path, position).map_err(|mut error| {
            if error.position().is_none() {
                error.set_position(position);
            }
            error
        })
    }
}
