//! Names that do not exist, in one sentence each with what was probably meant.

use super::declared::{Named, Outline};
use super::functions::{Form, Functions};
use super::host::Host;
use super::names::{a_type, did_you_mean, lower_first, nearest, type_word, wrong_count};
use super::resolver::library_call;
use rhai::Engine;
use std::collections::BTreeSet;

/// What a sentence may look at: the engine's functions, the names in the file.
pub(super) struct Scene<'a> {
    pub engine: &'a Engine,
    pub outline: Option<Outline>,
    /// Whether the word `eval` stands at the place.
    pub before_eval: bool,
    /// Whether the error is behind the last line of the file.
    pub at_end: bool,
}

impl Scene<'_> {
    pub fn unknown_variable(&self, name: &str) -> String {
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
    pub fn unknown_function(&self, signature: &str) -> String {
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
            None => "; () is what a missing entry of a map gives, and a function without a result"
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

    pub fn unknown_module(&self, name: &str) -> String {
        let names = self.outline.iter().flat_map(|outline| &outline.variables);
        format!(
            "there is no module `{name}`, `import` has not named one so{}",
            did_you_mean(name, names.map(|variable| variable.name.as_str()))
        )
    }

    pub fn missing_key(&self, name: &str) -> String {
        let keys = self.known_keys();
        let near = did_you_mean(name, keys.iter().map(String::as_str));
        format!("the map has no entry `{name}`{near}")
    }

    /// Rhai says "Unknown property 'x' - a getter is not registered for type 'T'".
    pub fn unknown_property(&self, text: &str) -> String {
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
