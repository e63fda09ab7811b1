//! The names that a script's text declares, and those that a session knew before, for the
//! sentence after "unknown variable".
//!
//! Read from the tokens, because a text with an unknown variable has no syntax tree.

use super::host::Host;
use super::sources::Place;
use super::tokens::tokens;
use rhai::{AST, Engine, Stmt, Token};

/// A variable, and where it is declared.
#[derive(Clone)]
pub struct Declared {
    pub name: String,
    /// At the top of the file, outside of all braces.
    pub global: bool,
    pub kind: Named,
}

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Named {
    Variable,
    Constant,
    /// An imported module.
    Module,
}

/// A `fn` with the number of its parameters.
#[derive(Clone)]
pub struct Function {
    pub name: String,
    pub parameters: usize,
}

#[derive(Clone, Default)]
pub struct Outline {
    pub variables: Vec<Declared>,
    pub functions: Vec<Function>,
    /// Keys of map literals.
    pub keys: Vec<String>,
    /// What the line of the place reads by name: `m.key`, `m["key"]`, `m.get("key")`.
    pub read: Vec<String>,
    /// The name of the `fn` around the place, if any.
    pub within: Option<String>,
}

/// Scans the file of `place`; what the host says was known before comes first.
pub(super) fn outline(engine: &Engine, place: &Place) -> Outline {
    let mut outline = Host::of_engine(engine).known_before();
    let lexemes = tokens(engine, &place.source.text);
    let mut depth = 0_usize;
    // The function whose body is open, and the depth of its braces.
    let mut open: Option<(String, usize)> = None;
    let mut announced: Option<String> = None;
    let mut before = &Token::SemiColon;
    let mut parameters = false;
    for (index, lexeme) in lexemes.iter().enumerate() {
        let after = lexemes.get(index + 1).map(|lexeme| &lexeme.token);
        if (lexeme.line, lexeme.column) <= (place.line, place.column) {
            outline.within = open.as_ref().map(|(name, _)| name.clone());
        }
        match &lexeme.token {
            Token::LeftBrace | Token::MapStart => {
                depth += 1;
                if let (Token::LeftBrace, Some(name)) = (&lexeme.token, announced.take()) {
                    open = Some((name, depth));
                }
            }
            Token::RightBrace => {
                if open.as_ref().is_some_and(|(_, at)| *at == depth) {
                    open = None;
                }
                depth = depth.saturating_sub(1);
            }
            Token::Colon => {
                if let Token::Identifier(key) = before {
                    outline.keys.push(key.to_string());
                }
            }
            Token::Pipe => parameters = !parameters && !ends_value(before),
            Token::StringConstant(text)
                if lexeme.line == place.line
                    && matches!(before, Token::LeftBracket | Token::LeftParen) =>
            {
                outline.read.push(text.to_string());
            }
            Token::Identifier(name) => match before {
                Token::Fn => {
                    outline.functions.push(Function {
                        name: name.to_string(),
                        parameters: 0,
                    });
                    announced = Some(name.to_string());
                }
                Token::Let | Token::For => outline.declare(name, depth == 0, Named::Variable),
                Token::Const => outline.declare(name, depth == 0, Named::Constant),
                Token::As => outline.declare(name, depth == 0, Named::Module),
                Token::LeftParen | Token::Comma if announced.is_some() => {
                    outline.declare(name, false, Named::Variable);
                    if let Some(function) = outline.functions.last_mut() {
                        function.parameters += 1;
                    }
                }
                Token::Pipe | Token::Comma if parameters => {
                    outline.declare(name, false, Named::Variable)
                }
                Token::Period if lexeme.line == place.line && after != Some(&Token::LeftParen) => {
                    outline.read.push(name.to_string());
                }
                _ => {}
            },
            _ => {}
        }
        before = &lexeme.token;
    }
    outline
}

/// The variables and constants that the statements of a text declare outside of all blocks.
pub fn declared_at_top(ast: &AST) -> Vec<String> {
    let statements = ast.statements().iter();
    statements
        .filter_map(|statement| match statement {
            Stmt::Var(var, ..) => Some(var.0.name.to_string()),
            _ => None,
        })
        .collect()
}

/// Whether `|` after this token is an operator, not the start of a closure.
fn ends_value(token: &Token) -> bool {
    matches!(
        token,
        Token::Identifier(..)
            | Token::IntegerConstant(..)
            | Token::True
            | Token::False
            | Token::RightParen
            | Token::RightBracket
    )
}

impl Outline {
    fn declare(&mut self, name: &str, global: bool, kind: Named) {
        self.variables.push(Declared {
            name: name.to_owned(),
            global,
            kind,
        });
    }
}
