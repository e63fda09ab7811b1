//! The script and its modules, read and parsed; what that alone tells.

use super::super::functions::Functions;
use super::super::resolver::{Location, locate};
use super::super::sentences::sentence;
use super::super::spans::Span;
use super::super::{Failure, Host, engine, ensure_size};
use super::constants::Constants;
use super::{Finding, Severity};
use rhai::{
    AST, ASTNode, Engine, EvalAltResult, Expr, Module, ParseErrorType, Position, Scope, Stmt,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Nobody reads more findings than this.
const MOST: usize = 200;

/// What is wrong at a position.
pub(super) struct Problem {
    pub position: Position,
    pub severity: Severity,
    pub code: &'static str,
    pub message: String,
}

/// A file after parsing.
pub(super) struct File {
    /// None if its syntax is wrong.
    pub ast: Option<AST>,
    /// What each name of `import ... as name` stands for; `None` if it is computed.
    pub imports: HashMap<String, Vec<Option<Location>>>,
    /// What its variables stand for.
    pub constants: Constants,
    /// Whether it names a variable or module that does not exist.
    pub has_unknown_names: bool,
    /// Whether it was named on the command line.
    pub is_script: bool,
}

pub(super) struct Checker {
    pub host: Host,
    pub engine: Engine,
    pub functions: Functions,
    pub files: HashMap<Location, File>,
    /// Names under which a map may hold a closure.
    pub entries: HashSet<String>,
    script: PathBuf,
    /// The chain of imports that is being followed.
    open: Vec<Location>,
    /// By line, column and message.
    findings: BTreeMap<(usize, usize, String), Finding>,
}

/// Where a position comes in the files of a run.
fn order(position: Position) -> (usize, usize) {
    let column = position.position();
    (position.line().unwrap_or(0), column.unwrap_or(0))
}

/// The functions of a file named `name` with so many parameters, and nothing else.
pub(super) fn function_alone(ast: &AST, name: &str, parameters: usize) -> AST {
    let mut alone = ast.clone_functions_only();
    alone.retain_functions(|_, _, own, count| own == name && count == parameters);
    alone
}

impl Checker {
    pub fn new(host: Host, script: &Path) -> Self {
        let engine = engine(host.clone());
        Checker {
            functions: Functions::of(&engine),
            engine,
            host,
            files: HashMap::new(),
            entries: HashSet::new(),
            script: script.to_owned(),
            open: Vec::new(),
            findings: BTreeMap::new(),
        }
    }

    pub fn into_findings(self) -> Vec<Finding> {
        self.findings.into_values().collect()
    }

    /// Reports problems, but for the last warnings where there are very many.
    pub fn report_all(&mut self, mut problems: Vec<Problem>) {
        problems.sort_by_key(|problem| (problem.severity, order(problem.position)));
        for problem in problems.into_iter().take(MOST) {
            let span = self.host.place(problem.position).map(Span::token);
            self.add(problem, span);
        }
    }

    fn add(&mut self, problem: Problem, span: Option<Span>) {
        let Problem {
            position,
            severity,
            code,
            message,
        } = problem;
        let (line, column) = order(position);
        let finding = Finding::new(&self.script, severity, code, message.clone(), span);
        self.findings.insert((line, column, message), finding);
    }

    fn error(&mut self, code: &'static str, message: String, position: Position) {
        self.report_all(vec![Problem {
            position,
            severity: Severity::Error,
            code,
            message,
        }]);
    }

    pub fn visit_script(&mut self, path: PathBuf, text: String) {
        let name = self.script.display().to_string();
        self.visit(Location::File(path), &name, text);
    }

    fn visit(&mut self, location: Location, name: &str, text: String) {
        let path = match &location {
            Location::File(path) => Some(path.clone()),
            Location::Library(_) => None,
        };
        let added = ensure_size(name, &text).and_then(|()| self.host.add_source(name, path, text));
        let before = self.findings.len();
        let ast = match added {
            Ok((_, padded)) => self.parse(&padded),
            Err(error) => {
                self.error("file", error.to_string(), Position::NONE);
                None
            }
        };
        let has_unknown_names = self.findings.len() > before;
        let is_script = self.open.is_empty();
        let imports = ast
            .as_ref()
            .map(|ast| self.imports(ast, &location))
            .unwrap_or_default();
        let file = File {
            constants: ast.as_ref().map(Constants::of).unwrap_or_default(),
            ast,
            imports,
            has_unknown_names,
            is_script,
        };
        self.files.insert(location, file);
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
            let (code, known) = match error.err_type() {
                ParseErrorType::VariableUndefined(name) => {
                    scope.push(name.clone(), ());
                    ("unknown-variable", true)
                }
                ParseErrorType::ModuleUndefined(name) => {
                    engine.register_static_module(name.as_str(), Module::new().into());
                    ("unknown-module", true)
                }
                _ => ("syntax", false),
            };
            let failure: Failure = error.into();
            self.report_failure(&engine, &failure, code, position);
            if !known {
                return None;
            }
        }
        None
    }

    fn report_failure(
        &mut self,
        engine: &Engine,
        failure: &EvalAltResult,
        code: &'static str,
        position: Position,
    ) {
        let place = self.host.place(position);
        let problem = Problem {
            position,
            severity: Severity::Error,
            code,
            message: sentence(engine, failure, place.as_ref()),
        };
        let span = place.map(|place| Span::of(engine, failure, place));
        self.add(problem, span);
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
                self.error("import", error.to_string(), position);
                return None;
            }
        };
        if self.open.contains(&location) {
            let message = format!("modules import each other in a circle: \"{path}\"");
            self.error("import", message, position);
            return None;
        }
        if !self.files.contains_key(&location) {
            match location.text(&self.host) {
                Ok(text) => self.visit(location.clone(), &location.name(), text),
                Err(error) => self.error("import", error.to_string(), position),
            }
        }
        Some(location)
    }
}
