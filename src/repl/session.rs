//! What an interactive session knows: its variables, functions, imports and past inputs.
//!
//! Every input is evaluated once. If it fails or is stopped, variables and the random state
//! are put back, so that the same input can be tried again.

use super::results;
use super::scan::{Kind, Piece, scan};
use super::snapshot::Snapshot;
use crate::script::declared::{Declared, Function, Named, Outline};
use crate::script::functions::Functions;
use crate::script::names::type_word;
use crate::script::{self, Host, RhaiResultOf, Settings, errors};
use crate::torch::RandomState;
use crate::{Result, interrupt};
use rhai::{AST, Dynamic, Engine, EvalAltResult, Expr, Scope, Stmt};
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How many results stay available as `_1`, `_2` ...: each keeps its memory.
const RESULTS_KEPT: usize = 100;

pub struct Session {
    settings: Settings,
    host: Host,
    engine: Engine,
    scope: Scope<'static>,
    /// All functions and closures that were defined, without statements.
    functions: AST,
    /// What each name of `import ... as name` stands for.
    imports: BTreeMap<String, Import>,
    /// The inputs that worked, in their order.
    accepted: Vec<Accepted>,
    count: usize,
    /// What can be called, read from the engine when it is first asked for.
    native: OnceCell<Functions>,
}

/// What `import path as name` made known.
struct Import {
    path: String,
    functions: BTreeSet<String>,
}

/// An input that worked.
pub struct Accepted {
    pub number: usize,
    pub text: String,
    /// Whether its value is kept as `_number`.
    pub has_result: bool,
}

/// An expression compiled once.
pub struct Repeatable(AST);

impl Repeatable {
    /// Evaluates it with the variables as they are, which stay so; how long it took.
    pub fn once(&self, session: &Session) -> std::result::Result<Duration, Outcome> {
        let mut scope = session.scope.clone();
        let start = Instant::now();
        let outcome = session
            .engine
            .eval_ast_with_scope::<Dynamic>(&mut scope, &self.0);
        let time = start.elapsed();
        match outcome {
            Ok(_) => Ok(time),
            Err(error) => Err(session.ending(&error)),
        }
    }
}

/// What becomes of the variables when an input fails.
#[derive(Clone, Copy)]
enum Failing {
    /// They are as before.
    PutsBack,
    /// What a script made before it failed may have cost an hour.
    Keeps,
}

/// How an input ended.
pub enum Outcome {
    /// A value, and the name it is kept under.
    Value(Dynamic, String),
    /// Done, with nothing to show.
    Done,
    /// With the report for the user.
    Failed(String),
    Interrupted,
    /// The input asked to leave.
    Exit,
}

impl Session {
    /// # Errors
    /// What `Host::new` says of the settings.
    pub fn new(settings: Settings) -> Result<Self> {
        let host = Host::new(settings.clone())?;
        host.show_progress();
        host.set_seed(host.seed());
        let mut engine = script::engine(host.clone());
        results::allow_names(&mut engine, host.clone());
        Ok(Session {
            settings,
            host,
            engine,
            scope: Scope::new(),
            functions: AST::empty(),
            imports: BTreeMap::new(),
            accepted: Vec::new(),
            count: 0,
            native: OnceCell::new(),
        })
    }

    /// Forgets everything but what the command line said.
    pub fn reset(&mut self) -> Result<()> {
        *self = Session::new(self.settings.clone())?;
        Ok(())
    }

    /// Opens a file or folder for reading, also after `reset`.
    pub fn allow_read(&mut self, path: &Path) -> Result<()> {
        self.host.allow_read(path)?;
        self.settings.allow_read.push(path.to_owned());
        Ok(())
    }

    /// Opens a file or folder for writing, also after `reset`.
    pub fn allow_write(&mut self, path: &Path) -> Result<()> {
        self.host.allow_write(path)?;
        self.settings.allow_write.push(path.to_owned());
        Ok(())
    }

    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The number of the next input.
    pub fn next_number(&self) -> usize {
        self.count + 1
    }

    pub fn accepted(&self) -> &[Accepted] {
        &self.accepted
    }

    /// The variables with their values, oldest first, results not among them.
    pub fn variables(&self) -> Vec<(String, Dynamic)> {
        self.scope
            .iter()
            .filter(|(name, ..)| !results::is_name(name))
            .map(|(name, _, value)| (name.to_owned(), value))
            .collect()
    }

    /// The value of a variable or of a result such as `_` or `_3`.
    pub fn value(&self, name: &str) -> Option<Dynamic> {
        self.scope.get(name).map(Dynamic::flatten_clone)
    }

    /// The type of a value in a script's word, `tensor`.
    pub fn type_word(&self, value: &Dynamic) -> String {
        type_word(self.engine.map_type_name(value.type_name()))
    }

    /// The functions that were defined here, with the names of their parameters.
    pub fn own_functions(&self) -> Vec<(String, Vec<String>)> {
        self.functions
            .iter_functions()
            .filter(|function| !function.name.starts_with("anon$"))
            .map(|function| {
                let params = function.params.iter().map(|it| it.to_string()).collect();
                (function.name.to_owned(), params)
            })
            .collect()
    }

    /// The native functions.
    pub fn functions(&self) -> &Functions {
        self.native.get_or_init(|| Functions::of(&self.engine))
    }

    /// The names of imported modules.
    pub fn imports(&self) -> impl Iterator<Item = &str> {
        self.imports.keys().map(String::as_str)
    }

    /// The imported modules: the name, and what was imported.
    pub fn modules(&self) -> impl Iterator<Item = (&str, &str)> {
        self.imports
            .iter()
            .map(|(alias, import)| (alias.as_str(), import.path.as_str()))
    }

    /// Evaluates an input typed by the user.
    pub fn input(&mut self, text: &str) -> Outcome {
        self.count += 1;
        let name = format!("input {}", self.count);
        let outcome = self.evaluate(&name, None, text, Failing::PutsBack);
        self.settle(text, outcome)
    }

    /// Runs a script in the session; its variables stay, even if it fails.
    pub fn load(&mut self, path: &Path) -> Outcome {
        let text = match self
            .host
            .reading(&path.display().to_string(), script::read_script)
        {
            Ok(text) => text,
            Err(error) => return Outcome::Failed(format!("error: {error}\n")),
        };
        self.count += 1;
        let outcome = self.evaluate(
            &path.display().to_string(),
            path.canonicalize().ok(),
            &text,
            Failing::Keeps,
        );
        // A script's last value is no result.
        let silent = outcome.map(|_| Dynamic::UNIT);
        self.settle(&text, silent)
    }

    /// The value of an expression; it is not kept as a result.
    pub fn value_of(&mut self, text: &str) -> std::result::Result<Dynamic, Outcome> {
        self.evaluate("expression", None, text, Failing::PutsBack)
            .map_err(|error| self.ending(&error))
    }

    /// The text in which a value is shown.
    pub fn shown(&self, value: &Dynamic) -> String {
        let mut scope = Scope::new();
        scope.push_dynamic("value", value.clone());
        let method = if value.is_string() {
            "to_debug"
        } else {
            "to_string"
        };
        // The script's own function, so that a custom type shows itself as `print` shows it.
        self.engine
            .eval_with_scope::<String>(&mut scope, &format!("value.{method}()"))
            .unwrap_or_else(|_| value.to_string())
    }

    /// A text compiled to be evaluated many times.
    pub fn repeatable(&mut self, text: &str) -> std::result::Result<Repeatable, Outcome> {
        let ast = self
            .compile("expression", None, text)
            .map_err(|error| self.ending(&error))?;
        Ok(Repeatable(self.functions.merge(&ast)))
    }

    /// The function that is called at the end of `pieces`, as its documentation names it.
    pub fn called(&self, input: &str, pieces: &[Piece]) -> Option<String> {
        let (name, before) = pieces.split_last()?;
        if name.kind != Kind::Name {
            return None;
        }
        let name = name.text(input);
        match before {
            [.., alias, separator] if separator.text(input) == "::" => {
                let module = self.module(alias.text(input))?;
                Some(format!("{module}::{name}"))
            }
            _ => Some(name.to_owned()),
        }
    }

    /// The name under which something is documented: `t::fit` after `import "std/train" as t` is
    /// `train::fit`.
    pub fn documented(&self, name: &str) -> String {
        let found = name.split_once("::");
        match found.and_then(|(alias, function)| Some((self.module(alias)?, function))) {
            Some((module, function)) => format!("{module}::{function}"),
            None => name.to_owned(),
        }
    }

    /// What the library module imported as `alias` is called in the documentation.
    fn module(&self, alias: &str) -> Option<&str> {
        self.imports.get(alias)?.path.strip_prefix("std/")
    }

    /// The functions of the module imported as `alias`.
    pub fn module_functions(&self, alias: &str) -> BTreeSet<String> {
        self.imports
            .get(alias)
            .map_or_else(BTreeSet::new, |import| import.functions.clone())
    }

    fn evaluate(
        &mut self,
        name: &str,
        path: Option<PathBuf>,
        text: &str,
        failing: Failing,
    ) -> RhaiResultOf<Dynamic> {
        // A Ctrl-C that came too late for the last input is not meant for this one.
        interrupt::clear();
        self.host.set_known_before(self.outline());
        let ast = self.compile(name, path, text)?;
        let before = Snapshot::take(&self.scope);
        let (random, seed) = (RandomState::now(), self.host.seed());
        let ast = self.functions.merge(&ast);
        let outcome = self.engine.eval_ast_with_scope(&mut self.scope, &ast);
        match (&outcome, failing) {
            (Ok(_), _) | (Err(_), Failing::Keeps) => {
                self.keep_imports(&ast);
                self.functions = ast.clone_functions_only();
                self.forget_shadowed();
            }
            (Err(_), Failing::PutsBack) => {
                self.scope = before.restore();
                self.host.set_seed(seed);
                random.restore();
            }
        }
        outcome
    }

    /// The names that are known now, for reports of errors in the next input.
    fn outline(&self) -> Outline {
        let declared = |name: &str, kind: Named| Declared {
            name: name.to_owned(),
            global: true,
            kind,
        };
        let variables = self.scope.iter_raw().map(|(name, constant, _)| {
            let kind = if constant {
                Named::Constant
            } else {
                Named::Variable
            };
            declared(name, kind)
        });
        let modules = self.imports().map(|name| declared(name, Named::Module));
        let functions = self.own_functions().into_iter();
        Outline {
            variables: variables.chain(modules).collect(),
            functions: functions
                .map(|(name, params)| Function {
                    name,
                    parameters: params.len(),
                })
                .collect(),
            ..Outline::default()
        }
    }

    /// A function sees the constants of its own input as `global::NAME`. Those of earlier inputs
    /// are declared again, on a line before the input.
    fn compile(&self, name: &str, path: Option<PathBuf>, text: &str) -> RhaiResultOf<AST> {
        let constants: String = self
            .scope
            .iter_raw()
            .filter(|(name, constant, _)| *constant && !results::is_name(name))
            .map(|(name, ..)| format!("const {name} = {name};"))
            .collect();
        let padded = script::padded(&self.host, name, path, text.to_owned())?;
        let ast = self
            .engine
            .compile_with_scope(&self.scope, format!("{constants}{padded}"))?;
        Ok(ast)
    }

    /// Modules imported by an input are known to all that follow.
    fn keep_imports(&mut self, ast: &AST) {
        let imports: Vec<_> = ast
            .statements()
            .iter()
            .filter_map(|statement| match statement {
                Stmt::Import(import, _) => match &import.0 {
                    Expr::StringConstant(path, at) => {
                        Some((import.1.name.to_string(), path.to_string(), *at))
                    }
                    _ => None,
                },
                _ => None,
            })
            .collect();
        for (alias, path, at) in imports {
            let module = self
                .engine
                .module_resolver()
                .resolve(&self.engine, None, &path, at);
            // It was resolved a moment ago, and the resolver keeps its modules.
            if let Ok(module) = module {
                let functions = module
                    .gen_fn_signatures_with_mapper(|text| text.into())
                    .filter_map(|signature| Some(signature.split_once('(')?.0.to_owned()))
                    .filter(|name| !name.contains('$'))
                    .collect();
                self.imports
                    .insert(alias.clone(), Import { path, functions });
                self.engine.register_static_module(&alias, module);
            }
        }
    }

    /// Of variables declared more than once the last is the one that is seen.
    fn forget_shadowed(&mut self) {
        let mut kept = Scope::new();
        // Rhai gives the newest first.
        let all: Vec<_> = self.scope.iter_raw().collect();
        for (at, (name, constant, value)) in all.iter().enumerate().rev() {
            if all[..at].iter().any(|(later, ..)| later == name) {
                continue;
            }
            match constant {
                true => kept.push_constant_dynamic(*name, (*value).clone()),
                false => kept.push_dynamic(*name, (*value).clone()),
            };
        }
        self.scope = kept;
    }

    fn keep_result(&mut self, name: &str, value: Dynamic) {
        self.scope.push_dynamic(name, value.clone());
        self.scope.push_dynamic("_", value);
        self.forget_shadowed();
        let oldest = self.count.saturating_sub(RESULTS_KEPT);
        let _ = self.scope.remove::<Dynamic>(&format!("_{oldest}"));
    }

    fn settle(&mut self, text: &str, outcome: RhaiResultOf<Dynamic>) -> Outcome {
        let value = match outcome {
            Ok(value) => value,
            Err(error) => return self.ending(&error),
        };
        self.accepted.push(Accepted {
            number: self.count,
            text: text.to_owned(),
            has_result: !value.is_unit(),
        });
        if value.is_unit() {
            return Outcome::Done;
        }
        let name = format!("_{}", self.count);
        self.keep_result(&name, value.clone());
        match silenced(text) {
            true => Outcome::Done,
            false => Outcome::Value(value, name),
        }
    }

    fn ending(&self, error: &EvalAltResult) -> Outcome {
        if matches!(error, EvalAltResult::Exit(..)) {
            return Outcome::Exit;
        }
        match interrupt::requested() {
            true => {
                interrupt::clear();
                Outcome::Interrupted
            }
            false => Outcome::Failed(errors::report(&self.engine, error)),
        }
    }
}

/// Whether an input ends in a semicolon, comments aside.
fn silenced(text: &str) -> bool {
    let pieces = scan(text);
    let last = pieces
        .iter()
        .rev()
        .find(|piece| piece.kind != Kind::Comment);
    last.is_some_and(|piece| piece.text(text) == ";")
}
