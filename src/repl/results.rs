//! `_`, the last result, and `_3`, that of input 3.
//!
//! Neither is a name in Rhai: `_` is a keyword (the last case of `switch`), `_3` is refused by
//! the lexer. Both are turned into names as tokens.

use crate::script::Host;
use rhai::{Engine, LexError, Position, Token};
use std::cell::Cell;

/// Whether a variable of this name holds a result.
pub fn is_name(name: &str) -> bool {
    name.strip_prefix('_')
        .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Lets inputs of this engine use results by name.
pub fn allow_names(engine: &mut Engine, host: Host) {
    // The lexer takes a sign behind what it holds for no value as one of a number.
    let behind_result = Cell::new(false);
    // Rhai marks this as a part that may change; its version is pinned.
    #[allow(deprecated)]
    engine.on_parse_token(move |token, position, _| {
        let behind = behind_result.take();
        let found = match token {
            Token::Underscore if !is_case(&host, position) => "_".to_owned(),
            Token::LexError(error) => match *error {
                LexError::MalformedIdentifier(text) if is_name(&text) => text,
                other => return Token::LexError(other.into()),
            },
            Token::UnaryPlus if behind => return Token::Plus,
            Token::UnaryMinus if behind => return Token::Minus,
            other => return other,
        };
        behind_result.set(true);
        Token::Identifier(Box::new(found.as_str().into()))
    });
}

/// Whether the `_` at this place is the last case of a `switch`.
fn is_case(host: &Host, position: Position) -> bool {
    let Some(place) = host.place(position) else {
        return true;
    };
    let lines = place.source.text.lines().skip(place.line - 1);
    let rest: String = lines.collect::<Vec<_>>().join(" ");
    let behind: String = rest.chars().skip(place.column).collect();
    let behind = behind.trim_start();
    behind.starts_with("=>") || behind.starts_with("if ")
}
