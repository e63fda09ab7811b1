//! Calls: whether there is such a function with so many arguments, and what it is given.
//!
//! A method that no value has is accepted if its name occurs as a map's entry, which may hold
//! a closure.

use super::super::habits;
use super::super::names::{did_you_mean, wrong_count};
use super::super::resolver::library_call;
use super::files::{Checker, File, Problem, function_alone};
use super::{Severity, options};
use rhai::{AST, ASTNode, Expr, FnAccess, FnCallExpr, FnPtr, Position, Stmt};
use std::collections::{BTreeSet, HashSet};

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

/// A call as it stands in a file.
pub(super) struct Call<'a> {
    pub call: &'a FnCallExpr,
    pub position: Position,
    /// Whether there is a value before a dot, which is an argument too.
    pub method: bool,
}

impl<'a> Call<'a> {
    pub fn of(node: Option<&ASTNode<'a>>) -> Option<Self> {
        let (call, position, method) = match node? {
            ASTNode::Expr(Expr::FnCall(call, at)) => (call, at, false),
            ASTNode::Stmt(Stmt::FnCall(call, at)) => (call, at, false),
            ASTNode::Expr(Expr::MethodCall(call, at)) => (call, at, true),
            _ => return None,
        };
        Some(Call {
            call,
            position: *position,
            method,
        })
    }

    pub fn name(&self) -> &'a str {
        self.call.name.as_str()
    }

    /// `a::b` in `a::b::f()`; empty for `f()`.
    pub fn module(&self) -> Vec<&'a str> {
        let path = &self.call.namespace.path;
        path.iter().map(|segment| segment.as_str()).collect()
    }
}

pub(super) fn check(checker: &Checker, file: &File, found: &mut Vec<Problem>) {
    let Some(ast) = &file.ast else { return };
    let own: Vec<_> = ast
        .iter_functions()
        .map(|f| (f.name, f.params.len()))
        .collect();
    let fail = closures_that_should_fail(ast);
    let functions = ast.iter_functions();
    let bodies = functions
        .filter(|function| !fail.contains(function.name))
        .map(|function| function_alone(ast, function.name, function.params.len()))
        .chain([ast.clone_statements_only()]);
    let mut look = |path: &[ASTNode]| {
        let Some(call) = Call::of(path.last()) else {
            return true;
        };
        if is_caught(path) {
            return true;
        }
        let problem = match (call.module().is_empty(), call.method) {
            _ if call.call.is_operator_call() => None,
            (false, _) => in_module(checker, file, &call),
            (true, true) => method(checker, &own, &call),
            (true, false) => function(checker, &own, &call),
        };
        match problem {
            Some(message) => found.push(Problem {
                position: call.position,
                severity: Severity::Error,
                code: "unknown-function",
                message,
            }),
            None => options::check(checker, file, &call, found),
        }
        true
    };
    for body in bodies {
        body.walk(&mut look);
    }
}

/// The closures that `assert_throws` is given: they are written to fail.
fn closures_that_should_fail(ast: &AST) -> HashSet<String> {
    let mut names = HashSet::new();
    ast.walk(&mut |path: &[ASTNode]| {
        let given = path.iter().any(|node| {
            let call = Call::of(Some(node));
            call.is_some_and(|call| call.name() == "assert_throws")
        });
        if let Some(ASTNode::Expr(Expr::DynamicConstant(value, _))) = path.last()
            && given
            && let Some(closure) = value.read_lock::<FnPtr>()
        {
            names.insert(closure.fn_name().to_owned());
        }
        true
    });
    names
}

/// Whether a failure is caught by `try`.
fn is_caught(path: &[ASTNode]) -> bool {
    let catches = |node: &ASTNode| matches!(node, ASTNode::Stmt(Stmt::TryCatch(..)));
    path.iter().any(catches)
}

fn function(checker: &Checker, own: &[(&str, usize)], call: &Call) -> Option<String> {
    let (name, count) = (call.name(), call.call.args.len());
    let native = checker.functions.forms(name).iter().map(Vec::len);
    let counts: BTreeSet<usize> = counts_of(own, name).chain(native).collect();
    if BUILT_IN.contains(&name) || name.starts_with("anon$") || counts.contains(&count) {
        return None;
    }
    if !counts.is_empty() {
        return Some(wrong_count(name, &counts, count));
    }
    Some(library_call(name).unwrap_or_else(|| {
        let hint = instead(checker, own, name);
        format!("there is no function `{name}`{hint}")
    }))
}

fn method(checker: &Checker, own: &[(&str, usize)], call: &Call) -> Option<String> {
    let (name, count) = (call.name(), call.call.args.len());
    let forms = checker.functions.forms(name);
    let exists = forms.iter().any(|form| form.len() == count + 1)
        || own.contains(&(name, count))
        || checker.entries.contains(name)
        || BUILT_IN.contains(&name);
    if exists {
        return None;
    }
    let native = forms.iter().filter_map(|form| form.len().checked_sub(1));
    let counts: BTreeSet<usize> = counts_of(own, name).chain(native).collect();
    if !counts.is_empty() {
        return Some(wrong_count(name, &counts, count));
    }
    Some(library_call(name).unwrap_or_else(|| {
        let hint = instead(checker, own, name);
        format!("no value has a method `{name}`{hint}")
    }))
}

fn counts_of<'a>(own: &'a [(&str, usize)], name: &'a str) -> impl Iterator<Item = usize> + 'a {
    let same = own.iter().filter(move |(function, _)| *function == name);
    same.map(|(_, count)| *count)
}

/// What was probably meant by a name that does not exist.
fn instead(checker: &Checker, own: &[(&str, usize)], name: &str) -> String {
    if let Some(advice) = habits::call(name) {
        return format!("; {advice}");
    }
    let own = own.iter().map(|(name, _)| *name);
    did_you_mean(name, checker.functions.names().chain(own))
}

/// A call of `module::function`, or of `module::inner::function`.
fn in_module(checker: &Checker, file: &File, call: &Call) -> Option<String> {
    let mut functions = Vec::new();
    for file in modules(checker, file, call)? {
        let public = file.ast.as_ref()?.iter_functions();
        functions.extend(public.filter(|f| f.access == FnAccess::Public));
    }
    let (name, count) = (call.name(), call.call.args.len());
    let module = call.module().join("::");
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

/// The files that the module of a call may be; none if that is not known.
pub(super) fn modules<'a>(
    checker: &'a Checker,
    file: &'a File,
    call: &Call,
) -> Option<Vec<&'a File>> {
    let mut files = vec![file];
    for segment in call.module() {
        let mut next = Vec::new();
        for file in files {
            for location in file.imports.get(segment)? {
                next.push(checker.files.get(location.as_ref()?)?);
            }
        }
        files = next;
    }
    Some(files)
}
