//! Variables and imports that nothing reads.

use super::Severity;
use super::files::{File, Problem, function_alone};
use rhai::{AST, ASTFlags, ASTNode, Expr, Position, Stmt};
use std::collections::{HashMap, HashSet};

/// A `let` or `const`.
struct Variable {
    statement: usize,
    /// The statement around it; none at the top.
    within: Option<usize>,
    position: Position,
    used: bool,
}

/// Names that begin with `_` may be unused; so may what a module shows to its importers, the
/// variable of a `for`, and the parameters of functions, whose number callers decide.
pub(super) fn check(file: &File, found: &mut Vec<Problem>) {
    let Some(ast) = &file.ast else { return };
    // A misspelt name is most likely the use that would be missed here.
    if file.has_unknown_names {
        return;
    }
    let statements = ast.clone_statements_only();
    found.extend(unused_variables(&statements, file.is_script));
    for function in ast.iter_functions() {
        let alone = function_alone(ast, function.name, function.params.len());
        found.extend(unused_variables(&alone, true));
    }
    if file.is_script {
        found.extend(unused_imports(ast));
    }
}

/// Goes through one body in the order of its text. `report_top` says whether variables outside
/// of all blocks count.
fn unused_variables(body: &AST, report_top: bool) -> Vec<Problem> {
    let is_function = body.statements().is_empty();
    let mut variables: HashMap<String, Vec<Variable>> = HashMap::new();
    body.walk(&mut |path: &[ASTNode]| {
        let around = || path.iter().map(address);
        let mut read = |name: &str| {
            let same = variables.get_mut(name);
            // The latest in reach; its own initial value cannot read it.
            let seen = same.into_iter().flatten().rev().find(|it| {
                let in_reach = it
                    .within
                    .is_none_or(|block| around().any(|node| node == block));
                in_reach && around().all(|node| node != it.statement)
            });
            if let Some(variable) = seen {
                variable.used = true;
            }
        };
        match path.last() {
            Some(ASTNode::Expr(Expr::Variable(variable, ..))) if variable.2.is_empty() => {
                read(&variable.1);
            }
            Some(ASTNode::Stmt(Stmt::Export(names, _))) => read(&names.0.name),
            Some(node @ ASTNode::Stmt(Stmt::Var(parts, flags, _))) => {
                let within = path.len().checked_sub(2).map(|at| address(&path[at]));
                let name = parts.0.name.as_str();
                // A constant at the top is `global::NAME`, and what importers see.
                let shown = within.is_none()
                    && !is_function
                    && (flags.intersects(ASTFlags::CONSTANT | ASTFlags::EXPORTED) || !report_top);
                if !name.starts_with('_') && !shown {
                    variables
                        .entry(name.to_owned())
                        .or_default()
                        .push(Variable {
                            statement: address(node),
                            within,
                            position: parts.0.pos,
                            used: false,
                        });
                }
            }
            _ => {}
        }
        true
    });
    let unused = variables.into_iter().flat_map(|(name, all)| {
        let unused = all.into_iter().filter(|variable| !variable.used);
        unused.map(move |variable| (name.clone(), variable.position))
    });
    unused
        .map(|(name, position)| {
            let message = format!("`{name}` is never used; call it `_{name}` if that is meant");
            warning("unused-variable", position, message)
        })
        .collect()
}

fn warning(code: &'static str, position: Position, message: String) -> Problem {
    Problem {
        position,
        severity: Severity::Warning,
        code,
        message,
    }
}

/// Which node of the tree this is.
fn address(node: &ASTNode) -> usize {
    match node {
        ASTNode::Stmt(statement) => std::ptr::from_ref(*statement) as usize,
        ASTNode::Expr(expression) => std::ptr::from_ref(*expression) as usize,
        _ => 0,
    }
}

fn unused_imports(ast: &AST) -> Vec<Problem> {
    let mut imports = Vec::new();
    let mut used = HashSet::new();
    ast.walk(&mut |path: &[ASTNode]| {
        let module = match path.last() {
            Some(ASTNode::Stmt(Stmt::Import(import, _))) => {
                imports.push((import.1.name.to_string(), import.1.pos));
                None
            }
            Some(ASTNode::Expr(Expr::Variable(variable, ..))) => variable.2.path.first(),
            Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _))) => {
                call.namespace.path.first()
            }
            _ => None,
        };
        used.extend(module.map(|name| name.as_str().to_owned()));
        true
    });
    let unused = imports.into_iter().filter(|(name, _)| {
        // `import "x";` without a name runs a module.
        !name.is_empty() && !name.starts_with('_') && !used.contains(name)
    });
    unused
        .map(|(name, position)| {
            let message = format!("module `{name}` is imported and never used");
            warning("unused-import", position, message)
        })
        .collect()
}
