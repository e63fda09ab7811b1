//! Rhai's errors in one sentence of plain words each.

use super::declared::{Named, Outline, outline};
use super::functions::{Form, Functions};
use super::host::Host;
use super::names::{a_type, did_you_mean, nearest, type_word, wrong_count};
use super::resolver::library_call;
use super::sources::Place;
use rhai::{Dynamic, Engine, EvalAltResult, LexError, ParseErrorType};
use std::collections::BTreeSet;

/// The sentence for an error without its surroundings; `place` is where it was raised.
pub(super) fn sentence(engine: &Engine, error: &EvalAltResult, place: Option<&Place>) -> String {
    use EvalAltResult::*;
    let scene = Scene {
        engine,
        outline: place.map(|place| outline(engine, place)),
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
            format!(
                "{} cannot be indexed with {}",
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
            format!("`{name}` changes its value, which is a constant here")
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
        _ => format!("`{token}` is missing {purpose}"),
    }
}

/// The forms of a function that are nearest to the types given: "(float) or (int)".
fn nearest_forms(forms: &[Form], given: &[String]) -> String {
    const SHOWN: usize = 4;
    let misfits = |form: &Form| {
        let differ = form
            .iter()
            .zip(given)
            .filter(|(wanted, given)| wanted != given && *wanted != "any")
            .count();
        (form.len().abs_diff(given.len()), differ)
    };
    let mut forms: Vec<_> = forms.iter().collect();
    forms.sort_by_key(|form| misfits(form));
    forms.dedup();
    let more = forms.len().saturating_sub(SHOWN);
    let mut shown: Vec<_> = forms
        .iter()
        .take(SHOWN)
        .map(|form| format!("({})", form.join(", ")))
        .collect();
    if more > 0 {
        shown.push(format!("{more} other forms"));
    }
    shown.join(" or ")
}

fn reserved_eval() -> String {
    "`eval` is reserved; a model's evaluation mode is `model.train(false)`".into()
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// What a sentence may look at: the engine's functions, the names in the file.
struct Scene<'a> {
    engine: &'a Engine,
    outline: Option<Outline>,
    /// Whether the error is behind the last line of the file.
    at_end: bool,
}

impl Scene<'_> {
    fn unknown_variable(&self, name: &str) -> String {
        let Some(outline) = &self.outline else {
            return format!("there is no variable `{name}`");
        };
        if let Some(name) = name.strip_prefix("global::") {
            return self.unknown_constant(outline, name);
        }
        let same = outline
            .variables
            .iter()
            .find(|variable| variable.name == name);
        match (same, &outline.within) {
            (Some(variable), _) if variable.kind == Named::Module => {
                format!("`{name}` is a module; its functions are called as `{name}::function(...)`")
            }
            (Some(variable), Some(function)) if variable.global => {
                let way = match variable.kind {
                    Named::Constant => format!("a constant of the file is `global::{name}` there"),
                    _ => "pass it as an argument or write a closure".into(),
                };
                format!(
                    "`{name}` is declared outside of function `{function}`, and a `fn` sees no \
                     outer variables; {way}"
                )
            }
            (Some(_), _) => {
                format!("`{name}` does not exist here: it is declared later or in another block")
            }
            _ if outline
                .functions
                .iter()
                .any(|function| function.name == name) =>
            {
                format!("`{name}` is a function; a variable can hold it as `Fn(\"{name}\")`")
            }
            _ => {
                let names = outline
                    .variables
                    .iter()
                    .map(|variable| variable.name.as_str());
                format!("there is no variable `{name}`{}", did_you_mean(name, names))
            }
        }
    }

    /// `global::NAME` stands for a constant at the top of the file, once it has its value.
    fn unknown_constant(&self, outline: &Outline, name: &str) -> String {
        let mut globals = outline.variables.iter().filter(|it| it.global);
        match globals.clone().find(|it| it.name == name) {
            Some(it) if it.kind == Named::Constant => {
                format!("`global::{name}` has no value yet: the constant is declared further down")
            }
            Some(_) => format!(
                "`global::{name}` must be a constant: declare it with `const`, or pass it as an \
                 argument"
            ),
            None => {
                let constants = globals.by_ref().filter(|it| it.kind == Named::Constant);
                let near = did_you_mean(name, constants.map(|it| it.name.as_str()));
                format!("there is no constant `{name}` at the top of the file{near}")
            }
        }
    }

    /// `signature` is Rhai's: "clamp (f64, &str | ImmutableString | String)".
    fn unknown_function(&self, signature: &str) -> String {
        let (name, types) = signature.split_once(" (").unwrap_or((signature, ""));
        let given: Vec<_> = types
            .strip_suffix(')')
            .unwrap_or(types)
            .split(", ")
            .filter(|name| !name.is_empty())
            .map(type_word)
            .collect();
        let types = given.join(", ");
        let of_nothing = match given.iter().any(|word| word == "()") {
            true => self.where_nothing_comes_from(),
            false => String::new(),
        };
        if !name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            return match given.as_slice() {
                [a, b] => format!(
                    "`{name}` is not defined for {} and {}{of_nothing}",
                    a_type(a),
                    a_type(b)
                ),
                _ => format!("`{name}` is not defined for {types}{of_nothing}"),
            };
        }
        if let Some((module, function)) = name.rsplit_once("::") {
            return format!("module `{module}` has no function `{function}({types})`");
        }
        let outline = self.outline.as_ref();
        if outline.is_some_and(|outline| outline.variables.iter().any(|v| v.name == name)) {
            return format!(
                "`{name}` is a variable; a closure in it is called as `{name}.call(...)`"
            );
        }
        let functions = Functions::of(self.engine);
        let forms = functions.forms(name);
        if !forms.is_empty() {
            return format!(
                "`{name}` takes {}, got ({types}){of_nothing}",
                nearest_forms(forms, &given)
            );
        }
        let own = outline.map_or(&[][..], |outline| &outline.functions);
        let counts: BTreeSet<usize> = own
            .iter()
            .filter(|function| function.name == name)
            .map(|function| function.parameters)
            .collect();
        if !counts.is_empty() {
            return wrong_count(name, &counts, given.len());
        }
        if let Some(advice) = library_call(name) {
            return advice;
        }
        let names = own.iter().map(|function| function.name.as_str());
        format!(
            "there is no function `{name}({types})`{}",
            did_you_mean(name, functions.names().chain(names))
        )
    }

    /// A note for an operation on `()`: most often a map's key is misspelt.
    fn where_nothing_comes_from(&self) -> String {
        let keys = self.known_keys();
        let functions = Functions::of(self.engine);
        let read = self.outline.iter().flat_map(|outline| &outline.read);
        let misspelt = read
            .filter(|name| !keys.contains(*name))
            .filter(|name| functions.forms(&format!("get${name}")).is_empty())
            .find_map(|name| Some((name, nearest(name, keys.iter().map(String::as_str))?)));
        match misspelt {
            Some((name, near)) => {
                format!("; () is what a map gives that has no `{name}`; did you mean `{near}`?")
            }
            None => "; () is what a missing entry of a map gives, and a function that ends in `;`"
                .into(),
        }
    }

    /// Keys of the map literals in the file, and the script's parameters.
    fn known_keys(&self) -> Vec<String> {
        let params = Host::of_engine(self.engine).params().unwrap_or_default();
        let keys = self.outline.iter().flat_map(|outline| &outline.keys);
        keys.cloned()
            .chain(params.values.keys().map(|key| key.to_string()))
            .collect()
    }

    fn unknown_module(&self, name: &str) -> String {
        let names = self.outline.iter().flat_map(|outline| &outline.variables);
        format!(
            "there is no module `{name}`, `import` has not named one so{}",
            did_you_mean(name, names.map(|variable| variable.name.as_str()))
        )
    }

    fn missing_key(&self, name: &str) -> String {
        let keys = self.known_keys();
        let near = did_you_mean(name, keys.iter().map(String::as_str));
        format!("the map has no entry `{name}`{near}")
    }

    /// Rhai says "Unknown property 'x' - a getter is not registered for type 'T'".
    fn unknown_property(&self, text: &str) -> String {
        let quoted: Vec<&str> = text.split('\'').skip(1).step_by(2).collect();
        let [property, of_type, ..] = quoted.as_slice() else {
            return lower_first(text);
        };
        if text.starts_with("No writable") {
            return format!("`{property}` of {} cannot be assigned", a_type(of_type));
        }
        let functions = Functions::of(self.engine);
        let valid = functions.properties(&type_word(of_type));
        let hint = match functions
            .forms(property)
            .iter()
            .any(|form| !form.is_empty())
        {
            true => format!("; it is a function, write `{property}()`"),
            false => did_you_mean(property, valid),
        };
        format!("{} has no property `{property}`{hint}", a_type(of_type))
    }

    fn too_large(&self, what: &str) -> String {
        let engine = self.engine;
        let (what, most, unit) = match what.to_lowercase() {
            kind if kind.contains("string") => ("string", engine.max_string_size(), "characters"),
            kind if kind.contains("map") => ("map", engine.max_map_size(), "entries"),
            _ => ("array", engine.max_array_size(), "elements"),
        };
        format!("the {what} is too large: it may have {most} {unit}, with all that it contains")
    }

    fn syntax(&self, kind: &ParseErrorType) -> String {
        use ParseErrorType::*;
        match kind {
            UnexpectedEOF => "the script ends in the middle of something".into(),
            BadInput(LexError::ImproperSymbol(name, _)) if name == "eval" => reserved_eval(),
            BadInput(LexError::UnterminatedString) => "the string has no closing quote".into(),
            BadInput(LexError::UnexpectedInput(text)) => format!("`{text}` does not belong here"),
            BadInput(LexError::MalformedNumber(text)) => format!("`{text}` is not a number"),
            BadInput(other) => lower_first(&other.to_string()),
            MissingToken(..) if self.at_end => {
                "the script ends in the middle of something; is a closing brace missing?".into()
            }
            MismatchedType(wanted, given) => {
                format!("{given} cannot stand here, where {wanted} is needed")
            }
            MissingToken(token, purpose) => missing(token, purpose),
            VariableUndefined(name) => self.unknown_variable(name),
            ModuleUndefined(name) => self.unknown_module(name),
            Reserved(name) if name == "eval" => reserved_eval(),
            Reserved(name) => format!("`{name}` is a reserved word"),
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
