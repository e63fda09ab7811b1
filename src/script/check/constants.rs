//! Variables whose value the text tells: declared once in a file, never assigned to.

use super::super::constant::constant_with;
use rhai::{AST, ASTNode, Dynamic, Expr, Stmt};
use std::collections::{HashMap, HashSet};

/// The initial values of such variables.
#[derive(Default)]
pub(super) struct Constants(HashMap<String, Expr>);

/// One variable may stand for another so many times.
const LONGEST_CHAIN: usize = 8;

impl Constants {
    pub fn of(ast: &AST) -> Self {
        let mut declared: HashMap<String, Expr> = HashMap::new();
        let mut varies: HashSet<String> = HashSet::new();
        for function in ast.iter_functions() {
            varies.extend(function.params.iter().map(|name| (*name).to_owned()));
        }
        ast.walk(&mut |path: &[ASTNode]| {
            match path.last() {
                Some(ASTNode::Stmt(Stmt::Var(var, ..))) => {
                    let name = var.0.name.to_string();
                    if declared.insert(name.clone(), var.1.clone()).is_some() {
                        varies.insert(name);
                    }
                }
                Some(ASTNode::Stmt(Stmt::For(parts, _))) => {
                    varies.insert(parts.0.name.to_string());
                }
                Some(ASTNode::Stmt(Stmt::Assignment(parts))) => {
                    varies.extend(assigned(&parts.1.lhs));
                }
                _ => {}
            }
            true
        });
        declared.retain(|name, _| !varies.contains(name));
        Constants(declared)
    }

    /// What a variable was declared as.
    pub fn declaration(&self, expression: &Expr) -> Option<&Expr> {
        match expression {
            Expr::Variable(variable, ..) if variable.2.is_empty() => {
                self.0.get(variable.1.as_str())
            }
            _ => None,
        }
    }

    /// What the variable of this name was declared as.
    pub fn of_name(&self, name: &str) -> Option<&Expr> {
        self.0.get(name)
    }

    pub fn value(&self, expression: &Expr) -> Option<Dynamic> {
        self.value_within(expression, LONGEST_CHAIN)
    }

    fn value_within(&self, expression: &Expr, chain: usize) -> Option<Dynamic> {
        let chain = chain.checked_sub(1)?;
        constant_with(expression, &|name| {
            self.value_within(self.0.get(name)?, chain)
        })
    }
}

/// The variable that an assignment changes, as a whole or in a part.
fn assigned(target: &Expr) -> Option<String> {
    match target {
        Expr::Variable(variable, ..) => Some(variable.1.to_string()),
        Expr::Dot(parts, ..) | Expr::Index(parts, ..) => assigned(&parts.lhs),
        _ => None,
    }
}
