//! The type of the expression before a dot, without evaluating anything.

use super::scan::{Kind, Piece, partner};
use super::session::Session;
use rhai::Dynamic;

/// What is known of an expression.
#[derive(Clone, Debug)]
pub enum Known {
    /// A variable's value, or an entry of a map in one.
    Value(Dynamic),
    /// The type in a script's word, `tensor`.
    Type(String),
}

impl Known {
    pub fn type_word(&self, session: &Session) -> String {
        match self {
            Known::Value(value) => session.type_word(value),
            Known::Type(word) => word.clone(),
        }
    }
}

/// What is known of the expression that ends before `pieces[end]`.
pub fn before(session: &Session, input: &str, pieces: &[Piece], end: usize) -> Option<Known> {
    let scene = Scene {
        session,
        input,
        pieces,
    };
    scene.ending_at(end.checked_sub(1)?)
}

struct Scene<'a> {
    session: &'a Session,
    input: &'a str,
    pieces: &'a [Piece],
}

impl Scene<'_> {
    fn text(&self, at: usize) -> &str {
        self.pieces[at].text(self.input)
    }

    /// The expression whose last piece is at `at`.
    fn ending_at(&self, at: usize) -> Option<Known> {
        let piece = &self.pieces[at];
        match piece.kind {
            Kind::String => Some(Known::Type("string".into())),
            Kind::Number => {
                let float = self.text(at).contains('.');
                Some(Known::Type(if float { "float" } else { "int" }.into()))
            }
            Kind::Name => self.name(at),
            Kind::Symbol if self.text(at) == "_" => self.session.value("_").map(Known::Value),
            Kind::Close => match self.text(at) {
                ")" => self.parentheses(at),
                "]" => self.brackets(at),
                _ => {
                    let open = partner(self.pieces, at)?;
                    (self.text(open) == "#{").then(|| Known::Type("map".into()))
                }
            },
            _ => None,
        }
    }

    /// A variable, or a property of what stands before it.
    fn name(&self, at: usize) -> Option<Known> {
        let name = self.text(at);
        match at.checked_sub(1).map(|before| self.text(before)) {
            Some(".") => match self.ending_at(at.checked_sub(2)?)? {
                Known::Value(value) if value.is_map() => {
                    let map = value.as_map_ref().ok()?;
                    Some(Known::Value(map.get(name)?.flatten_clone()))
                }
                receiver => self.result(&format!("get${name}"), Some(receiver)),
            },
            Some("::") => None,
            _ => self
                .declared_before(at)
                .or_else(|| self.session.value(name).map(Known::Value)),
        }
    }

    /// What `let name = ...;` in the same input says of the name at `at`.
    fn declared_before(&self, at: usize) -> Option<Known> {
        let is = |index: usize, text: &str| {
            self.pieces
                .get(index)
                .is_some_and(|_| self.text(index) == text)
        };
        let name = self.text(at);
        let declared = (0..at.checked_sub(3)?)
            .rev()
            .find(|index| is(*index, "let") && is(index + 1, name) && is(index + 2, "="))?;
        let end = (declared..at).find(|index| is(*index, ";"))?;
        self.ending_at(end.checked_sub(1)?)
    }

    /// A call, or an expression in parentheses: then the type of its last operand.
    fn parentheses(&self, close: usize) -> Option<Known> {
        let open = partner(self.pieces, close)?;
        let called = open
            .checked_sub(1)
            .filter(|before| self.pieces[*before].kind == Kind::Name);
        let Some(called) = called else {
            return self.ending_at(close.checked_sub(1)?);
        };
        let name = self.text(called);
        match called.checked_sub(1).map(|before| self.text(before)) {
            Some(".") => {
                let receiver = self.ending_at(called.checked_sub(2)?)?;
                self.result(name, Some(receiver))
            }
            Some("::") => None,
            _ => self.result(name, None),
        }
    }

    /// An element, or an array.
    fn brackets(&self, close: usize) -> Option<Known> {
        let open = partner(self.pieces, close)?;
        let indexed = open
            .checked_sub(1)
            .filter(|before| matches!(self.pieces[*before].kind, Kind::Name | Kind::Close));
        let Some(indexed) = indexed else {
            return Some(Known::Type("array".into()));
        };
        match self.ending_at(indexed)? {
            Known::Value(value) if value.is_array() => {
                let array = value.as_array_ref().ok()?;
                Some(Known::Value(array.first()?.flatten_clone()))
            }
            receiver => self.result("index$get$", Some(receiver)),
        }
    }

    fn result(&self, function: &str, receiver: Option<Known>) -> Option<Known> {
        let first = receiver.map(|receiver| receiver.type_word(self.session));
        let result = self
            .session
            .functions()
            .result(function, first.as_deref())?;
        Some(Known::Type(result.to_owned()))
    }
}
