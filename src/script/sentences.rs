//! Rhai's errors in one sentence of plain words each.

use super::callback;
use super::declared::outline;
use super::habits;
use super::names::{a_type, lower_first, type_word};
use super::sources::Place;
use super::unknown::Scene;
use rhai::{Dynamic, Engine, EvalAltResult, LexError, ParseErrorType};

/// The sentence for an error without its surroundings; `place` is where it was raised.
pub(super) fn sentence(engine: &Engine, error: &EvalAltResult, place: Option<&Place>) -> String {
    use EvalAltResult::*;
    let scene = Scene {
        engine,
        outline: place.map(|place| outline(engine, place)),
        rest: place.map_or_else(String::new, |place| {
            place.text().chars().skip(place.column - 1).collect()
        }),
        at_end: place.is_some_and(|place| place.line > place.source.text.lines().count()),
    };
    match error {
        ErrorRuntime(value, _) => thrown(value),
        ErrorTerminated(..) => "interrupted".into(),
        ErrorParsing(kind, _) => scene.syntax(kind),
        ErrorFunctionNotFound(signature, _) => scene.unknown_function(signature),
        ErrorVariableNotFound(name, _) => scene.unknown_variable(name),
        ErrorModuleNotFound(name, _) => scene.unknown_module(name),
        ErrorPropertyNotFound(name, _) => scene.missing_key(name),
        ErrorIndexNotFound(index, _) => format!("there is no element {index}"),
        ErrorDotExpr(text, _) => scene.unknown_property(text),
        ErrorIndexingType(text, _) => {
            let (of_type, index) = text.split_once('[').unwrap_or((text, ""));
            let index = index.split(']').next().unwrap_or("");
            let hint = match type_word(of_type).as_str() {
                "split" => "; `.image(0)` is an image and `.label(0)` its class",
                _ => "",
            };
            format!(
                "{} cannot be indexed with {}{hint}",
                a_type(of_type),
                a_type(index)
            )
        }
        ErrorMismatchDataType(wanted, given, _) | ErrorMismatchOutputType(wanted, given, _) => {
            match (wanted.as_str(), given.as_str()) {
                ("", given) => format!("{} cannot be used here", a_type(given)),
                (wanted, "") => format!("this must be {}", a_type(wanted)),
                ("bool", given) if type_word(given) == "tensor" => {
                    "this must be a bool, got a tensor; `x.equal(y)` compares two tensors as a \
                     whole, `x.all().item()` makes one bool of many"
                        .into()
                }
                (wanted, given) => {
                    format!("this must be {}, got {}", a_type(wanted), a_type(given))
                }
            }
        }
        ErrorArrayBounds(0, ..) => "the array is empty, it has no element to take".into(),
        ErrorArrayBounds(len, index, _) => {
            format!("the array has {len} elements, counted from 0; there is none at {index}")
        }
        ErrorStringBounds(len, index, _) => {
            format!("the string has {len} characters, counted from 0; there is none at {index}")
        }
        ErrorBitFieldBounds(len, index, _) => format!("the integer has {len} bits, not {index}"),
        ErrorFor(_) => "`for` needs something to go through: an array, a range, a map".into(),
        ErrorVariableExists(name, _) => format!("`{name}` is declared already"),
        ErrorForbiddenVariable(name, _) => format!("`{name}` cannot be the name of a variable"),
        ErrorAssignmentToConstant(name, _) => format!("`{name}` is a constant and cannot change"),
        ErrorNonPureMethodCallOnConstant(name, _) if name.starts_with("index$set") => {
            "this changes a part of a constant".into()
        }
        ErrorNonPureMethodCallOnConstant(name, _) => {
            let name = name.strip_prefix("get$").unwrap_or(name);
            format!("`{name}` is not for constants; declare the value with `let`")
        }
        ErrorUnboundThis(_) => "`this` has a value only in a function called as a method".into(),
        ErrorDataRace(name, _) => format!(
            "{name} is captured by a closure and the receiver of the same call; pass it \
             differently or copy it first"
        ),
        ErrorArithmetic(text, _) => arithmetic(text),
        ErrorStackOverflow(_) => format!(
            "calls are nested more than {} deep; does a function call itself without an end?",
            engine.max_call_levels()
        ),
        ErrorTooManyOperations(_) => "the script takes too many steps".into(),
        ErrorTooManyVariables(_) => {
            format!(
                "a script may have {} variables at a time",
                engine.max_variables()
            )
        }
        ErrorTooManyModules(_) => format!("a script may import {} modules", engine.max_modules()),
        ErrorDataTooLarge(what, _) => scene.too_large(what),
        LoopBreak(true, ..) => "`break` outside of a loop".into(),
        LoopBreak(false, ..) => "`continue` outside of a loop".into(),
        ErrorSystem(text, inner) if text.is_empty() => inner.to_string(),
        ErrorSystem(text, inner) => format!("{text}: {inner}"),
        other => lower_first(&other.to_string()),
    }
}

/// What `throw` was given, or a native function's own sentence.
fn thrown(value: &Dynamic) -> String {
    match value {
        value if value.is_unit() => "the script gave up with `throw`".into(),
        value if callback::is_lack_of_memory(value) => {
            format!("{value}; where that is a batch, a smaller `batch_size` needs less")
        }
        value if value.is_string() => value.to_string(),
        // A caught error that is thrown again arrives as the map that `catch` received.
        value => match value
            .as_map_ref()
            .ok()
            .and_then(|map| map.get("message").cloned())
        {
            Some(message) => caught(&message.to_string()),
            None => format!("the script threw {value}"),
        },
    }
}

/// The first line of what `catch` was told, without the place that Rhai names in its own words.
fn caught(message: &str) -> String {
    let first = message.lines().next().unwrap_or("");
    lower_first(first.split(" @ '").next().unwrap_or(first))
}

fn arithmetic(text: &str) -> String {
    match text.split_once(": ") {
        Some(("Division by zero", terms)) => format!("division by zero: {terms}"),
        Some((what, terms)) if what.ends_with("overflow") => {
            format!("the result of {terms} does not fit an int")
        }
        Some((what, terms)) => format!("{}: {terms}", lower_first(what)),
        None => lower_first(text),
    }
}

/// `purpose` is Rhai's: "to separate the items of this array literal".
fn missing(token: &str, purpose: &str) -> String {
    let of = |words: &[&str]| words.iter().any(|word| purpose.contains(word));
    match (token, purpose) {
        (";", _) => "`;` is missing at the end of this statement".into(),
        (",", _) if of(&["array"]) => "`,` or `]` is missing in this array".into(),
        (",", _) if of(&["map", "switch"]) => format!("`,` or `}}` is missing {purpose}"),
        (",", _) if of(&["argument", "parameters"]) => format!("`,` or `)` is missing {purpose}"),
        ("]", _) if of(&["index"]) => {
            "`]` is missing behind this index; several dimensions are indexed with an array, \
             `x[[0, \":\"]]`; if `[` begins an element of an array, a `,` is missing before it"
                .into()
        }
        _ => format!("`{token}` is missing {purpose}"),
    }
}

fn reserved_eval() -> String {
    "`eval` is reserved; a model's evaluation mode is `model.train(false)`".into()
}

impl Scene<'_> {
    fn too_large(&self, what: &str) -> String {
        let engine = self.engine;
        let (what, most, unit) = match what.to_lowercase() {
            kind if kind.contains("string") => ("string", engine.max_string_size(), "characters"),
            kind if kind.contains("map") => ("map", engine.max_map_size(), "entries"),
            _ => ("array", engine.max_array_size(), "elements"),
        };
        format!("the {what} is too large: it may have {most} {unit}, with all that it contains")
    }

    /// What stands in a place where `token` is missing, and how it is written.
    fn instead(&self, token: &str) -> &'static str {
        let starts = |text: &str| self.rest.starts_with(text);
        match token {
            ";" if starts("(") => {
                "; what a call gives is not called again: a closure has `.call(...)`, an attack \
                 `.perturb(model, x, y)`"
            }
            ";" if starts(")") || starts("]") || starts("}") => "; or this bracket is one too many",
            ";" if starts(",") => "; each variable has its own `let`",
            ";" | "," | ")" if starts("if ") => {
                "; a choice is written `if c { a } else { b }`, as a value too"
            }
            _ => "",
        }
    }

    /// What to write for a word at the place that only Python has.
    fn habit(&self) -> Option<String> {
        let ends = |c: char| !c.is_alphanumeric() && c != '_';
        let word = self.rest.split(ends).next()?;
        let advice = habits::word(word)?;
        Some(format!("`{word}` is not a word of the language; {advice}"))
    }

    fn syntax(&self, kind: &ParseErrorType) -> String {
        use ParseErrorType::*;
        match kind {
            UnexpectedEOF => "the script ends in the middle of something".into(),
            BadInput(LexError::ImproperSymbol(name, _)) if name == "eval" => reserved_eval(),
            BadInput(LexError::UnterminatedString) => "the string has no closing quote".into(),
            BadInput(LexError::UnexpectedInput(text)) => format!("`{text}` does not belong here"),
            BadInput(LexError::MalformedChar(text)) => {
                format!("'{text}' is not one character; a string stands in double quotes")
            }
            BadInput(LexError::MalformedNumber(text)) => format!("`{text}` is not a number"),
            BadInput(other) => lower_first(&other.to_string()),
            MissingToken(..) if self.at_end => {
                "the script ends in the middle of something; is a closing bracket missing?".into()
            }
            MismatchedType(wanted, given) => {
                format!("{given} cannot stand here, where {wanted} is needed")
            }
            MissingToken(token, purpose) => self
                .habit()
                .unwrap_or_else(|| missing(token, purpose) + self.instead(token)),
            VariableUndefined(name) => self.unknown_variable(name),
            ModuleUndefined(name) => self.unknown_module(name),
            Reserved(name) if name == "eval" => reserved_eval(),
            PropertyExpected if self.rest.starts_with("eval") => reserved_eval(),
            Reserved(name) => match habits::word(name) {
                Some(advice) => format!("`{name}` is a reserved word; {advice}"),
                None => format!("`{name}` is a reserved word"),
            },
            UnknownOperator(name) => match habits::word(name) {
                Some(advice) => format!("`{name}` is no operator; {advice}"),
                None => format!("`{name}` is no operator"),
            },
            ExprTooDeep => format!(
                "expressions and blocks may be nested {} deep; name a part of this with `let`",
                self.engine.max_expr_depth()
            ),
            LiteralTooLarge(..) => self.too_large(&kind.to_string()),
            DuplicatedProperty(name) => format!("the map has two entries `{name}`"),
            FnDuplicatedDefinition(name, count) => {
                format!("there are two functions `{name}` with {count} parameters")
            }
            AssignmentToConstant(name) => format!("`{name}` is a constant and cannot change"),
            LoopBreak => "`break` and `continue` belong into a loop".into(),
            TooManyFunctions => {
                format!(
                    "a script may define {} functions",
                    self.engine.max_functions()
                )
            }
            other => lower_first(&other.to_string()),
        }
    }
}
