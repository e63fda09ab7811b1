//! The names that a script's text declares, for the sentence after "unknown variable".
//!
//! Read from the tokens, because a text with an unknown variable has no syntax tree.

use super::sources::Place;
use rhai::{Engine, Token};

/// A name and whether it was declared at the top of the file, outside of all braces.
pub(super) struct Declared {
    pub name: String,
    pub global: bool,
    /// The name of an imported module, not of a value.
    pub module: bool,
}

#[derive(Default)]
pub(super) struct Outline {
    pub variables: Vec<Declared>,
    pub functions: Vec<String>,
    /// Keys of map literals.
    pub keys: Vec<String>,
    /// The name of the `fn` around the place, if any.
    pub within: Option<String>,
}

/// Scans the file of `place`.
pub(super) fn outline(engine: &Engine, place: &Place) -> Outline {
    let mut outline = Outline::default();
    let texts = [place.source.text.as_str()];
    let (tokens, _) = engine.lex(&texts);
    let mut depth = 0_usize;
    // The function whose body is open, and the depth of its braces.
    let mut open: Option<(String, usize)> = None;
    let mut announced: Option<String> = None;
    let mut before = Token::SemiColon;
    let mut parameters = false;
    // At the end of the text the lexer repeats its last token for ever.
    for (token, position) in tokens.take_while(|(token, _)| *token != Token::EOF) {
        let here = (
            position.line().unwrap_or(0),
            position.position().unwrap_or(0),
        );
        if here <= (place.line, place.column) {
            outline.within = open.as_ref().map(|(name, _)| name.clone());
        }
        match &token {
            Token::LeftBrace | Token::MapStart => {
                depth += 1;
                if let (Token::LeftBrace, Some(name)) = (&token, announced.take()) {
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
                if let Token::Identifier(key) = &before {
                    outline.keys.push(key.to_string());
                }
            }
            Token::Pipe => parameters = !parameters && !ends_value(&before),
            Token::Identifier(name) => match before {
                Token::Fn => {
                    outline.functions.push(name.to_string());
                    announced = Some(name.to_string());
                }
                Token::Let | Token::Const | Token::For => outline.declare(name, depth == 0),
                Token::As => outline.variables.push(Declared {
                    name: name.to_string(),
                    global: depth == 0,
                    module: true,
                }),
                Token::LeftParen | Token::Comma if announced.is_some() => {
                    outline.declare(name, false);
                }
                Token::Pipe | Token::Comma if parameters => outline.declare(name, false),
                _ => {}
            },
            _ => {}
        }
        before = token;
    }
    outline
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
    fn declare(&mut self, name: &str, global: bool) {
        self.variables.push(Declared {
            name: name.to_owned(),
            global,
            module: false,
        });
    }
}
