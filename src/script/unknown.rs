//! Names that do not exist, in one sentence each with what was probably meant.

use super::declared::{Named, Outline};
use super::docs::docs;
use super::functions::{Form, Functions};
use super::habits;
use super::host::Host;
use super::names::{a_type, did_you_mean, lower_first, nearest, type_word, wrong_count};
use super::resolver::{library_call, library_functions, library_import};
use rhai::Engine;
use std::collections::BTreeSet;

/// What a sentence may look at: the engine's functions, the names in the file.
pub(super) struct Scene<'a> {
    pub engine: &'a Engine,
    pub outline: Option<Outline>,
    /// The line from the place on.
    pub rest: String,
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
            _ => self.misread(name).unwrap_or_else(|| {
                let names = outline
                    .variables
                    .iter()
                    .map(|variable| variable.name.as_str());
                format!("there is no variable `{name}`{}", did_you_mean(name, names))
            }),
        }
    }

    /// What a name was most likely meant for that is no variable here.
    fn misread(&self, name: &str) -> Option<String> {
        let behind = self.rest.strip_prefix(name).unwrap_or("").trim_start();
        if name == "f" && self.rest.starts_with("f\"") {
            let habit = "text with values in it is written `` `x is ${x}` ``";
            return Some(format!("there is no variable `f`; {habit}"));
        }
        let stands_alone = |sign: char| {
            let mut signs = behind.chars();
            signs.next() == Some(sign) && signs.next() != Some(sign)
        };
        if stands_alone(':') {
            return Some(format!(
                "there is no variable `{name}`; a map begins with `#{{`: `#{{ {name}: ... }}`"
            ));
        }
        if stands_alone('=') {
            return Some(format!(
                "there is no variable `{name}` to assign to; `let {name} = ...` declares one; \
                 arguments are given in their order, options in a map, `#{{ {name}: ... }}`"
            ));
        }
        if !Functions::of(self.engine).forms(name).is_empty() {
            return Some(format!(
                "`{name}` is a function, not a value; a closure can be one: `|x| {name}(x)`"
            ));
        }
        let advice = habits::word(name)?;
        Some(format!("there is no `{name}` here; {advice}"))
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
            let near = did_you_mean(function, library_functions(module));
            return format!("module `{module}` has no function `{function}({types})`{near}");
        }
        let outline = self.outline.as_ref();
        if outline.is_some_and(|outline| outline.variables.iter().any(|v| v.name == name)) {
            return format!(
                "`{name}` is a variable, not a function; a closure in it is called as \
                 `{name}.call(...)`, a model as `{name}.forward(x)`"
            );
        }
        let functions = Functions::of(self.engine);
        let forms = functions.forms(name);
        if !forms.is_empty() {
            let alike = |other: &&str| *other != name && other.eq_ignore_ascii_case(name);
            let layer = functions.names().find(alike);
            let hint = layer.map_or(String::new(), |it| format!("; the layer is `{it}`"));
            return format!(
                "`{name}` takes {}, got ({types}){of_nothing}{hint}",
                nearest_forms(name, forms, &given)
            );
        }
        if name.starts_with("anon$") {
            return format!(
                "a closure was called with ({types}), but takes more or fewer arguments, or came out \
                 of a module: there, return `portable(|...| ...)`"
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
        if !functions.forms(&format!("get${name}")).is_empty() {
            return format!("`{name}` is a property, write it without parentheses");
        }
        if let Some(advice) = habits::call(name) {
            return format!("there is no function `{name}`; {advice}");
        }
        let stem = name.strip_suffix('_').unwrap_or("");
        if !functions.forms(stem).is_empty() {
            return format!(
                "there is no function `{name}`: nothing changes a tensor in place, write \
                 `x = x.{stem}(...)`"
            );
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
        let hint = library_import(name)
            .unwrap_or_else(|| did_you_mean(name, names.map(|variable| variable.name.as_str())));
        format!("there is no module `{name}`, `import` has not named one so{hint}")
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
        let functions = Functions::of(self.engine);
        if text.starts_with("No writable") {
            let setter = format!("{property}_");
            let hint = match functions.forms(&setter).is_empty() {
                true => String::new(),
                false => format!("; `{setter}(...)` sets it"),
            };
            return format!(
                "`{property}` of {} cannot be assigned{hint}",
                a_type(of_type)
            );
        }
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

/// The forms of a function that are nearest to the types given: "(float) or (int)"; an argument
/// of any type is named: "(shape)".
fn nearest_forms(name: &str, forms: &[Form], given: &[String]) -> String {
    const SHOWN: usize = 4;
    let misfits = |form: &Form| {
        let differ = form
            .iter()
            .zip(given)
            .filter(|(wanted, given)| wanted.of_type != **given && wanted.of_type != "any")
            .count();
        (form.len().abs_diff(given.len()), differ)
    };
    let mut forms: Vec<_> = forms.iter().collect();
    forms.sort_by_key(|form| misfits(form));
    let mut shown: Vec<_> = forms.into_iter().map(|form| written(name, form)).collect();
    shown.dedup();
    let more = shown.len().saturating_sub(SHOWN);
    shown.truncate(SHOWN);
    if more > 0 {
        shown.push(format!("{more} other forms"));
    }
    shown.join(" or ")
}

fn written(function: &str, form: &Form) -> String {
    let params = form.iter().map(|param| match param.of_type.as_str() {
        "map" => option_map(function).unwrap_or_else(|| "map".into()),
        "any" if !param.name.is_empty() => param.name.clone(),
        of_type => of_type.to_owned(),
    });
    format!("({})", params.collect::<Vec<_>>().join(", "))
}

/// The options that a function needs: `#{ eps, steps, ... }`.
fn option_map(function: &str) -> Option<String> {
    let options = docs().options(function)?;
    let required = options.iter().filter(|option| option.required);
    let names: Vec<&str> = required.map(|option| option.name.as_str()).collect();
    match names.is_empty() {
        true => Some("#{ ... }".into()),
        false => Some(format!("#{{ {}, ... }}", names.join(", "))),
    }
}
