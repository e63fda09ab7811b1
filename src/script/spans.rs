//! What an error underlines: the token at its place, or where a token is missing.

use super::sources::Place;
use super::tokens::{token_length, tokens};
use rhai::{Engine, EvalAltResult, ParseErrorType};

/// Characters of one line.
pub(super) struct Span {
    pub place: Place,
    /// At least 1.
    pub width: usize,
}

impl Span {
    /// What `error`, which Rhai raised at `place`, is about.
    pub fn of(engine: &Engine, error: &EvalAltResult, place: Place) -> Self {
        if let EvalAltResult::ErrorParsing(ParseErrorType::MissingToken(token, _), _) = error
            && [";", ",", ")", "]", "}"].contains(&token.as_str())
        {
            return Self::behind_the_token_before(engine, place);
        }
        Self::token(place)
    }

    /// The token at `place`: a name, an operator, a whole string.
    pub fn token(place: Place) -> Self {
        let line = place.text();
        let from = byte_of(line, place.column);
        let width = line[from..][..token_length(&line[from..])].chars().count();
        Span {
            place,
            width: width.max(1),
        }
    }

    /// Rhai says that something is missing at the token that it found instead, which may be
    /// lines further down.
    fn behind_the_token_before(engine: &Engine, place: Place) -> Self {
        let text = place.source.text.as_str();
        let starts = line_starts(text);
        let end = tokens(engine, text)
            .iter()
            .take_while(|it| (it.line, it.column) < (place.line, place.column))
            .filter_map(|it| {
                let line = *starts.get(it.line - 1)?;
                let at = line + byte_of(&text[line..], it.column);
                Some(at + token_length(&text[at..]))
            })
            .max()
            .unwrap_or(0);
        let line = starts.partition_point(|start| *start <= end).max(1);
        let column = text[starts[line - 1]..end].chars().count() + 1;
        Span {
            place: Place {
                line,
                column,
                ..place
            },
            width: 1,
        }
    }
}

/// Where in `text` the character number `column` of its first line begins.
fn byte_of(text: &str, column: usize) -> usize {
    let mut characters = text.char_indices().map(|(at, _)| at);
    characters.nth(column - 1).unwrap_or(text.len())
}

/// The byte at which each line begins.
fn line_starts(text: &str) -> Vec<usize> {
    let ends = text.match_indices('\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(ends).collect()
}
