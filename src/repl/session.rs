//! What an interactive session knows: its variables, functions, imports and past inputs.
//!
//! Every input is evaluated once. If it fails or is stopped, variables and the random state
//! are put back, so that the same input can be tried again.

use super::results;
use super::scan::{Kind, Piece, scan};
use super::snapshot::Snapshot;
use crate::nn::Model;
use crate::script::declared::{Declared, Function, Named, Outline, declared_at_top};
use crate::script::functions::Functions;
use crate::script::names::type_word;
use crate::script::{self, Host, Params, RhaiResultOf, Settings, errors};
use crate::torch::RandomState;
use crate::{Result, interrupt};
use rhai::{
    AST, Array, Dynamic, Engine, EvalAltResult, Expr, ParseErrorType, Position, Scope, Stmt,
};
use std::cell::{Cell, OnceCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
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
    /// The models whose weights inputs changed, and how many inputs had worked before the first.
    trained: BTreeMap<String, usize>,
    /// Whether an input said `exit()`.
    leaving: Rc<Cell<bool>>,
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
    /// The folder of the script that was loaded.
    pub folder: Option<PathBuf>,
    /// The variables that it declared.
    pub declared: Vec<String>,
    /// Whether it changed the weights of a model that was there before.
    pub trained: bool,
    /// Whether it is a script that failed, of which variables were kept all the same.
    pub failed: bool,
}

/// What a failed input must leave as it was.
struct Moment {
    variables: Snapshot,
    random: RandomState,
    seed: u64,
    params: Option<Params>,
}

/// An expression compiled once.
pub struct Repeatable(AST);

impl Repeatable {
    /// Evaluates it with the variables as they are, which stay so; how long it took.
    pub fn once(&self, session: &mut Session) -> std::result::Result<Duration, Outcome> {
        interrupt::clear();
        let before = session.moment();
        let start = Instant::now();
        let outcome = session
            .engine
            .eval_ast_with_scope::<Dynamic>(&mut session.scope, &self.0);
        let time = start.elapsed();
        session.go_back(before);
        match outcome {
            Ok(_) => Ok(time),
            Err(error) => Err(session.ending(&error)),
        }
    }
}

/// When what an input did to the variables stays.
#[derive(Clone, Copy, PartialEq)]
enum Keeping {
    Never,
    IfItWorks,
    /// What a script made before it failed may have cost an hour.
    Always,
}

/// What an input came to.
struct Evaluated {
    value: RhaiResultOf<Dynamic>,
    /// The variables that its statements declare.
    declared: Vec<String>,
    /// Whether it changed the weights of a model that was there before.
    trained: bool,
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
        let leaving = Rc::new(Cell::new(false));
        stop_at_exit(&mut engine, &leaving);
        Ok(Session {
            settings,
            host,
            engine,
            scope: Scope::new(),
            functions: AST::empty(),
            imports: BTreeMap::new(),
            accepted: Vec::new(),
            trained: BTreeMap::new(),
            leaving,
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

    /// What the command line said, and what was allowed since.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The models whose weights inputs changed, and how many inputs had worked before the first.
    pub fn trained(&self) -> &BTreeMap<String, usize> {
        &self.trained
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
        let evaluated = self.evaluate(&name, None, text, Keeping::IfItWorks);
        self.settle(text, None, evaluated)
    }

    /// Runs a script in the session; its variables stay, even if it fails.
    pub fn load(&mut self, path: &Path) -> Outcome {
        let text = match self
            .host
            .file(path)
            .and_then(|file| script::read_script(&file))
        {
            Ok(text) => text,
            Err(error) => return Outcome::Failed(format!("error: {error}\n")),
        };
        self.count += 1;
        let mut evaluated = self.evaluate(
            &path.display().to_string(),
            path.canonicalize().ok(),
            &text,
            Keeping::Always,
        );
        // A script's last value is no result.
        evaluated.value = evaluated.value.map(|_| Dynamic::UNIT);
        let folder = path.parent().map(Path::to_path_buf);
        match self.settle(&text, folder, evaluated) {
            Outcome::Interrupted => {
                Outcome::Failed("interrupted; what the script had declared so far stays\n".into())
            }
            outcome => outcome,
        }
    }

    /// The value of an expression; nothing of it is kept.
    pub fn value_of(&mut self, text: &str) -> std::result::Result<Dynamic, Outcome> {
        let evaluated = self.evaluate("expression", None, text, Keeping::Never);
        evaluated.value.map_err(|error| self.ending(&error))
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
        let text = self
            .engine
            .eval_with_scope::<String>(&mut scope, &format!("value.{method}()"))
            .unwrap_or_else(|_| value.to_string());
        match value.read_lock::<Array>() {
            Some(array) => shortened(text, array.len()),
            None => text,
        }
    }

    /// A text compiled to be evaluated many times.
    pub fn repeatable(&mut self, text: &str) -> std::result::Result<Repeatable, Outcome> {
        let ast = self
            .compile("expression", None, text)
            .map_err(|error| self.ending(&error))?;
        Ok(Repeatable(self.functions.merge(&ast)))
    }

    /// Whether a text is right in its syntax, whatever its names stand for.
    pub fn is_valid(&self, text: &str) -> bool {
        use ParseErrorType::{ModuleUndefined, VariableUndefined};
        match self.engine.compile_with_scope(&self.scope, text) {
            Ok(_) => true,
            Err(error) => matches!(*error.0, VariableUndefined(_) | ModuleUndefined(_)),
        }
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
        keeping: Keeping,
    ) -> Evaluated {
        // A Ctrl-C that came too late for the last input is not meant for this one.
        interrupt::clear();
        self.host.set_known_before(self.outline());
        let ast = match self.compile(name, path, text) {
            Ok(ast) => ast,
            Err(error) => {
                return Evaluated {
                    value: Err(error),
                    declared: Vec::new(),
                    trained: false,
                };
            }
        };
        let declared = declared_at_top(&ast);
        let weights = self.weights();
        let before = self.moment();
        let ast = self.functions.merge(&ast);
        let watch = self.host.watch();
        let mut value = self.engine.eval_ast_with_scope(&mut self.scope, &ast);
        drop(watch);
        // Not everything that runs long hears of a Ctrl-C before it has ended.
        if value.is_ok() && interrupt::requested() {
            let stopped = EvalAltResult::ErrorTerminated(Dynamic::UNIT, Position::NONE);
            value = Err(stopped.into());
        }
        let trained = self.note_trained(&weights);
        if keeping == Keeping::Always || (keeping == Keeping::IfItWorks && value.is_ok()) {
            self.keep_imports(&ast);
            self.functions = ast.clone_functions_only();
            self.forget_shadowed();
            // A model of that name is another one now.
            self.trained.retain(|name, _| !declared.contains(name));
        } else {
            self.go_back(before);
        }
        Evaluated {
            value,
            declared,
            trained,
        }
    }

    /// What a failed input must leave as it was.
    fn moment(&self) -> Moment {
        Moment {
            variables: Snapshot::take(&self.scope),
            random: RandomState::now(),
            seed: self.host.seed(),
            params: self.host.params(),
        }
    }

    fn go_back(&mut self, moment: Moment) {
        self.scope = moment.variables.restore();
        self.host.set_seed(moment.seed);
        moment.random.restore();
        self.host.restore_params(moment.params);
    }

    /// The models among the variables, with a number that grows when their weights change.
    fn weights(&self) -> Vec<(String, Model, i64)> {
        let variables = self.scope.iter_raw();
        let named = variables.filter(|(name, ..)| !results::is_name(name));
        named
            .filter_map(|(name, _, value)| {
                let model = value.read_lock::<Model>()?;
                Some((name.to_owned(), model.clone(), model.version()))
            })
            .collect()
    }

    /// Remembers which models an input has trained; whether there was any.
    fn note_trained(&mut self, before: &[(String, Model, i64)]) -> bool {
        let changed = before
            .iter()
            .filter(|(_, model, version)| model.version() != *version);
        let names: Vec<_> = changed.map(|(name, ..)| name.clone()).collect();
        let worked = self.accepted.len();
        for name in &names {
            self.trained.entry(name.clone()).or_insert(worked);
        }
        !names.is_empty()
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

    fn settle(&mut self, text: &str, folder: Option<PathBuf>, evaluated: Evaluated) -> Outcome {
        let Evaluated {
            value,
            declared,
            trained,
        } = evaluated;
        let loaded = folder.is_some();
        let accepted = |has_result, failed| Accepted {
            number: self.count,
            text: text.to_owned(),
            has_result,
            folder,
            declared,
            trained,
            failed,
        };
        let value = match value {
            Ok(value) => {
                self.accepted.push(accepted(!value.is_unit(), false));
                value
            }
            Err(error) => {
                if loaded {
                    self.accepted.push(accepted(false, true));
                }
                return self.ending(&error);
            }
        };
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
        if self.leaving.get() {
            return Outcome::Exit;
        }
        let limited = interrupt::limit().is_some();
        let report = || Outcome::Failed(errors::report(&self.engine, error));
        match interrupt::requested() {
            true => {
                let outcome = if limited {
                    report()
                } else {
                    Outcome::Interrupted
                };
                interrupt::clear();
                outcome
            }
            false => report(),
        }
    }
}

/// The beginning of a very long array's text; `print` shows all of it.
fn shortened(text: String, elements: usize) -> String {
    const MOST: usize = 2000;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{} ... ({elements} elements)", &text[..end]),
        None => text,
    }
}

/// Rhai takes `exit()` for success; a session wants to know of it.
fn stop_at_exit(engine: &mut Engine, leaving: &Rc<Cell<bool>>) {
    let leave = |leaving: Rc<Cell<bool>>| -> RhaiResultOf<()> {
        leaving.set(true);
        Err(EvalAltResult::ErrorTerminated(Dynamic::UNIT, Position::NONE).into())
    };
    let (bare, with_value) = (leaving.clone(), leaving.clone());
    engine.register_fn("exit", move || leave(bare.clone()));
    engine.register_fn("exit", move |_: Dynamic| leave(with_value.clone()));
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
