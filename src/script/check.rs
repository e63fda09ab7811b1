//! `rhobust check`: finds unknown variables, functions and modules in a script and all that it
//! imports, executing nothing.
//!
//! It reports only what certainly fails when it is reached. A method that no value has is
//! accepted if the name occurs as a map's entry, which may hold a closure.

use super::errors::snippet;
use super::functions::Functions;
use super::host::{self, Host, Settings};
use super::names::{did_you_mean, wrong_count};
use super::resolver::{Location, library_call, locate};
use super::sentences::sentence;
use super::spans::Span;
use super::{Failure, engine, ensure_size, thread};
use rhai::{
    AST, ASTNode, Engine, EvalAltResult, Expr, FnAccess, FnCallExpr, Module, ParseErrorType,
    Position, Scope, Stmt,
};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

/// Checks the script at `path`; `Ok` says what was checked, `Err` is the report of everything
/// found.
pub fn check(path: &Path) -> Result<String, String> {
    let script = path.to_owned();
    let checked = thread::with_large_stack(move || check_here(&script));
    checked.unwrap_or_else(|message| Err(format!("error: {message}\n")))
}

fn check_here(script: &Path) -> Result<String, String> {
    let settings = Settings {
        script: Some(script.to_owned()),
        ..Settings::default()
    };
    let host = Host::new(settings).map_err(|error| format!("error: {error}\n"))?;
    let mut checker = Checker {
        functions: Functions::of(&engine(host.clone())),
        host,
        files: HashMap::new(),
        open: Vec::new(),
        findings: BTreeSet::new(),
        entries: HashSet::new(),
    };
    let location = Location::File(
        script
            .canonicalize()
            .map_err(|e| format!("error: {}\n", crate::Error::io(script, &e)))?,
    );
    let text = host::read_script(script).map_err(|error| format!("error: {error}\n"))?;
    checker.visit(location, &script.display().to_string(), text);
    checker.check_calls();
    match checker.findings.is_empty() {
        true => Ok(format!(
            "{}{}: no mistakes found",
            script.display(),
            match checker.files.len() {
                1 => String::new(),
                2 => " and 1 import".to_owned(),
                n => format!(" and {} imports", n - 1),
            }
        )),
        false => Err(checker
            .findings
            .into_iter()
            .map(|finding| finding.text)
            .collect()),
    }
}

/// A mistake, ordered by where it is.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    line: usize,
    column: usize,
    text: String,
}

/// A file after parsing.
struct File {
    /// None if its syntax is wrong.
    ast: Option<AST>,
    /// What each name of `import ... as name` stands for; `None` if it is computed.
    imports: HashMap<String, Vec<Option<Location>>>,
}

struct Checker {
    host: Host,
    functions: Functions,
    files: HashMap<Location, File>,
    /// The chain of imports that is being followed.
    open: Vec<Location>,
    findings: BTreeSet<Finding>,
    /// Names under which a map may hold a closure.
    entries: HashSet<String>,
}

/// Functions that Rhai handles before looking one up.
const BUILT_IN: [&str; 10] = [
    "call",
    "curry",
    "Fn",
    "is_def_fn",
    "is_def_var",
    "is_shared",
    "type_of",
    "print",
    "debug",
    "import",
];

impl Checker {
    fn report(&mut self, message: &str, position: Position) {
        let span = self.host.place(position).map(Span::token);
        self.add(message, position, span);
    }

    fn add(&mut self, message: &str, position: Position, span: Option<Span>) {
        let shown = span.map(|span| snippet(&span)).unwrap_or_default();
        self.findings.insert(Finding {
            line: position.line().unwrap_or(0),
            column: position.position().unwrap_or(0),
            text: format!("error: {message}\n{shown}"),
        });
    }

    fn visit(&mut self, location: Location, name: &str, text: String) {
        let path = match &location {
            Location::File(path) => Some(path.clone()),
            Location::Library(_) => None,
        };
        let added = ensure_size(name, &text).and_then(|()| self.host.add_source(name, path, text));
        let ast = match added {
            Ok((_, padded)) => self.parse(&padded),
            Err(error) => {
                self.report(&error.to_string(), Position::NONE);
                None
            }
        };
        let imports = ast
            .as_ref()
            .map(|ast| self.imports(ast, &location))
            .unwrap_or_default();
        self.files.insert(location, File { ast, imports });
    }

    /// Parses until no unknown name is left: each is reported and then made known.
    fn parse(&mut self, text: &str) -> Option<AST> {
        const MOST: usize = 50;
        let mut engine = engine(self.host.clone());
        let mut scope = Scope::new();
        for _ in 0..MOST {
            let error = match engine.compile_with_scope(&scope, text) {
                Ok(ast) => return Some(ast),
                Err(error) => error,
            };
            let position = error.position();
            let known = match error.err_type() {
                ParseErrorType::VariableUndefined(name) => {
                    scope.push(name.clone(), ());
                    true
                }
                ParseErrorType::ModuleUndefined(name) => {
                    engine.register_static_module(name.as_str(), Module::new().into());
                    true
                }
                _ => false,
            };
            let failure: Failure = error.into();
            self.report_failure(&engine, &failure, position);
            if !known {
                return None;
            }
        }
        None
    }

    fn report_failure(&mut self, engine: &Engine, failure: &EvalAltResult, position: Position) {
        let place = self.host.place(position);
        let message = sentence(engine, failure, place.as_ref());
        let span = place.map(|place| Span::of(engine, failure, place));
        self.add(&message, position, span);
    }

    /// Follows the imports of a file.
    fn imports(&mut self, ast: &AST, from: &Location) -> HashMap<String, Vec<Option<Location>>> {
        let mut statements = Vec::new();
        let entries = &mut self.entries;
        ast.walk(&mut |path: &[ASTNode]| {
            match path.last() {
                Some(ASTNode::Stmt(Stmt::Import(import, _))) => {
                    let path = match &import.0 {
                        Expr::StringConstant(path, position) => Some((path.clone(), *position)),
                        _ => None,
                    };
                    statements.push((path, import.1.name.to_string()));
                }
                Some(ASTNode::Expr(Expr::Map(map, _))) => {
                    entries.extend(map.0.iter().map(|(key, _)| key.name.to_string()));
                }
                Some(ASTNode::Expr(Expr::Property(property, _))) => {
                    entries.insert(property.2.to_string());
                }
                Some(ASTNode::Expr(Expr::StringConstant(text, _))) => {
                    entries.insert(text.to_string());
                }
                _ => {}
            }
            true
        });
        self.open.push(from.clone());
        let mut imports: HashMap<String, Vec<_>> = HashMap::new();
        for (path, alias) in statements {
            let location = path.and_then(|(path, position)| self.follow(&path, position));
            imports.entry(alias).or_default().push(location);
        }
        self.open.pop();
        imports
    }

    fn follow(&mut self, path: &str, position: Position) -> Option<Location> {
        let importer = self.host.place(position).map(|place| place.source);
        let location = match locate(&self.host, path, importer.as_deref()) {
            Ok(location) => location,
            Err(error) => {
                self.report(&error.to_string(), position);
                return None;
            }
        };
        if self.open.contains(&location) {
            self.report(
                &format!("modules import each other in a circle: \"{path}\""),
                position,
            );
            return None;
        }
        if !self.files.contains_key(&location) {
            match location.text() {
                Ok(text) => self.visit(location.clone(), &location.name(), text),
                Err(error) => self.report(&error.to_string(), position),
            }
        }
        Some(location)
    }

    fn check_calls(&mut self) {
        let mut found = Vec::new();
        for file in self.files.values() {
            let Some(ast) = &file.ast else { continue };
            let own: Vec<_> = ast
                .iter_functions()
                .map(|f| (f.name, f.params.len()))
                .collect();
            ast.walk(&mut |path: &[ASTNode]| {
                let (call, position, method) = match path.last() {
                    Some(ASTNode::Expr(Expr::FnCall(call, at))) => (call, at, false),
                    Some(ASTNode::Stmt(Stmt::FnCall(call, at))) => (call, at, false),
                    Some(ASTNode::Expr(Expr::MethodCall(call, at))) => (call, at, true),
                    _ => return true,
                };
                let problem = match (call.is_operator_call(), call.namespace.is_empty(), method) {
                    (true, ..) => None,
                    (_, false, _) => self.in_module(file, call),
                    (_, _, true) => self.method(&own, call),
                    (_, _, false) => self.function(&own, call),
                };
                found.extend(problem.map(|message| (message, *position)));
                true
            });
        }
        for (message, position) in found {
            self.report(&message, position);
        }
    }

    fn function(&self, own: &[(&str, usize)], call: &FnCallExpr) -> Option<String> {
        let (name, count) = (call.name.as_str(), call.args.len());
        let native = self.functions.forms(name).iter().map(Vec::len);
        let counts: BTreeSet<usize> = own
            .iter()
            .filter(|(function, _)| *function == name)
            .map(|(_, count)| *count)
            .chain(native)
            .collect();
        if BUILT_IN.contains(&name) || name.starts_with("anon$") || counts.contains(&count) {
            return None;
        }
        if !counts.is_empty() {
            return Some(wrong_count(name, &counts, count));
        }
        if let Some(advice) = library_call(name) {
            return Some(advice);
        }
        let names = self
            .functions
            .names()
            .chain(own.iter().map(|(name, _)| *name));
        Some(format!(
            "there is no function `{name}`{}",
            did_you_mean(name, names)
        ))
    }

    fn method(&self, own: &[(&str, usize)], call: &FnCallExpr) -> Option<String> {
        let (name, count) = (call.name.as_str(), call.args.len());
        let forms = self.functions.forms(name);
        let exists = forms.iter().any(|form| form.len() == count + 1)
            || own.contains(&(name, count))
            || self.entries.contains(name)
            || BUILT_IN.contains(&name);
        if exists {
            return None;
        }
        let counts: BTreeSet<usize> = forms
            .iter()
            .filter_map(|form| form.len().checked_sub(1))
            .chain(
                own.iter()
                    .filter(|(function, _)| *function == name)
                    .map(|(_, count)| *count),
            )
            .collect();
        if !counts.is_empty() {
            return Some(wrong_count(name, &counts, count));
        }
        if let Some(advice) = library_call(name) {
            return Some(advice);
        }
        let names = self
            .functions
            .names()
            .chain(own.iter().map(|(name, _)| *name));
        Some(format!(
            "no value has a method `{name}`{}",
            did_you_mean(name, names)
        ))
    }

    /// A call of `module::function`, or of `module::inner::function`.
    fn in_module(&self, file: &File, call: &FnCallExpr) -> Option<String> {
        let mut files = vec![file];
        for segment in &call.namespace.path {
            let mut next = Vec::new();
            for file in files {
                for location in file.imports.get(segment.as_str())? {
                    next.push(self.files.get(location.as_ref()?)?);
                }
            }
            files = next;
        }
        let mut functions = Vec::new();
        for file in files {
            let public = file.ast.as_ref()?.iter_functions();
            functions.extend(public.filter(|f| f.access == FnAccess::Public));
        }
        let (name, count) = (call.name.as_str(), call.args.len());
        let path: Vec<_> = call
            .namespace
            .path
            .iter()
            .map(|segment| segment.as_str())
            .collect();
        let module = path.join("::");
        let counts: BTreeSet<usize> = functions
            .iter()
            .filter(|f| f.name == name)
            .map(|f| f.params.len())
            .collect();
        if counts.contains(&count) {
            return None;
        }
        if !counts.is_empty() {
            return Some(wrong_count(&format!("{module}::{name}"), &counts, count));
        }
        let names = functions
            .iter()
            .map(|f| f.name)
            .filter(|name| !name.starts_with("anon$"));
        Some(format!(
            "module `{module}` has no function `{name}`{}",
            did_you_mean(name, names)
        ))
    }
}
