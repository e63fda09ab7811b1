//! Names that Rhai looks up only when they are reached: constants of the file as `global::NAME`,
//! and the script's parameters.

use super::super::declared::declared_at_top;
use super::super::names::did_you_mean;
use super::Severity;
use super::files::{File, Problem};
use rhai::{AST, ASTNode, Expr, Position, Stmt};
use std::collections::BTreeSet;

pub(super) fn check(file: &File, found: &mut Vec<Problem>) {
    let Some(ast) = &file.ast else { return };
    let constants = declared_at_top(ast);
    let parameters = parameters(file, ast);
    let mut problem = |position: Position, message: String| {
        found.push(Problem {
            position,
            severity: Severity::Error,
            code: "unknown-name",
            message,
        });
    };
    ast.walk(&mut |path: &[ASTNode]| {
        match path.last() {
            Some(ASTNode::Expr(Expr::Variable(variable, _, at)))
                if is_global(&variable.2) && !constants.iter().any(|it| *it == variable.1) =>
            {
                let name = &variable.1;
                let near = did_you_mean(name, constants.iter().map(String::as_str));
                let message = format!("there is no constant `{name}` at the top of the file{near}");
                problem(*at, message);
            }
            Some(ASTNode::Expr(Expr::Dot(parts, ..))) => {
                if let (Expr::Variable(variable, ..), Some(property)) =
                    (&parts.lhs, first_property(&parts.rhs))
                    && let Some((name, keys)) = &parameters
                    && variable.2.is_empty()
                    && variable.1 == *name
                    && !keys.contains(property.0)
                {
                    let near = did_you_mean(property.0, keys.iter().map(String::as_str));
                    let message = format!("the script has no parameter `{}`{near}", property.0);
                    problem(property.1, message);
                }
            }
            _ => {}
        }
        true
    });
}

fn is_global(namespace: &rhai::Namespace) -> bool {
    let names: Vec<_> = namespace.path.iter().map(|it| it.as_str()).collect();
    names == ["global"]
}

/// The property that is read first: `a` in `a.b.c`.
fn first_property(expression: &Expr) -> Option<(&str, Position)> {
    match expression {
        Expr::Property(property, at) => Some((property.2.as_str(), *at)),
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => first_property(&parts.lhs),
        _ => None,
    }
}

/// `let p = params(#{ ... })` that stays so: `p` and the keys.
fn parameters(file: &File, ast: &AST) -> Option<(String, BTreeSet<String>)> {
    ast.statements().iter().find_map(|statement| {
        let Stmt::Var(var, ..) = statement else {
            return None;
        };
        let name = var.0.name.to_string();
        let Expr::FnCall(call, _) = file.constants.of_name(&name)? else {
            return None;
        };
        let [Expr::Map(map, _)] = call.args.as_slice() else {
            return None;
        };
        let keys = map.0.iter().map(|(key, _)| key.name.to_string());
        (call.name == "params" && call.namespace.is_empty()).then(|| (name, keys.collect()))
    })
}
