//! What scripts can call, by name, as the engine knows it.

use super::names::type_word;
use rhai::Engine;
use std::collections::BTreeMap;

/// One way to call a function.
pub type Form = Vec<Param>;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Param {
    /// In a script's word, `tensor`.
    pub of_type: String,
    pub name: String,
}

/// All native functions with their forms.
pub struct Functions {
    forms: BTreeMap<String, Vec<Form>>,
    /// What a function of this name returns for each type of its first argument.
    results: BTreeMap<(String, String), String>,
}

impl Functions {
    pub fn of(engine: &Engine) -> Self {
        let list = engine.collect_fn_metadata(
            None,
            |info| {
                let names = &info.metadata.params_info;
                let form: Form = (0..info.metadata.num_params)
                    .map(|i| {
                        let text = names.get(i).map_or("", |text| text.as_str());
                        let (name, of_type) = name_and_type(text);
                        Param { of_type, name }
                    })
                    .collect();
                let result = result_type(&info.metadata.return_type);
                Some((info.metadata.name.to_string(), form, result))
            },
            true,
        );
        let mut forms: BTreeMap<String, Vec<Form>> = BTreeMap::new();
        let mut results = BTreeMap::new();
        for (name, form, result) in list {
            let first = form.first().map_or("", |param| &param.of_type);
            results.insert((name.clone(), first.to_owned()), result);
            forms.entry(name).or_default().push(form);
        }
        // The engine's own order differs from run to run.
        forms.values_mut().for_each(|forms| forms.sort());
        Functions { forms, results }
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.forms
            .keys()
            .map(String::as_str)
            .filter(|name| !name.contains('$'))
    }

    /// The forms of `name`; none for a function that does not exist.
    pub fn forms(&self, name: &str) -> &[Form] {
        self.forms.get(name).map_or(&[], Vec::as_slice)
    }

    /// The properties that values of a type have.
    pub fn properties(&self, of_type: &str) -> Vec<&str> {
        self.forms
            .iter()
            .filter_map(|(name, forms)| Some((name.strip_prefix("get$")?, forms)))
            .filter(|(_, forms)| {
                forms
                    .iter()
                    .filter_map(|form| form.first())
                    .any(|first| [of_type, "any"].contains(&first.of_type.as_str()))
            })
            .map(|(name, _)| name)
            .collect()
    }

    /// The functions that can be called as methods of a value of this type.
    pub fn methods(&self, of_type: &str) -> Vec<&str> {
        let takes = |forms: &[Form]| {
            forms
                .iter()
                .any(|form| form.first().is_some_and(|first| first.of_type == of_type))
        };
        self.names()
            .filter(|name| takes(self.forms(name)))
            .collect()
    }

    /// The type of what `name` returns, as far as it is known: for a first argument of
    /// `first` where that is given, else where all its forms agree.
    pub fn result(&self, name: &str, first: Option<&str>) -> Option<&str> {
        let mut results = self
            .results
            .iter()
            .filter(|((function, of_type), _)| {
                function == name && first.is_none_or(|first| first == of_type)
            })
            .map(|(_, result)| result.as_str());
        let result = results.next()?;
        let known = result != "any" && results.all(|other| other == result);
        known.then_some(result)
    }
}

/// `RhaiResultOf<Tensor>` is `tensor`.
fn result_type(text: &str) -> String {
    let inner = text
        .trim()
        .strip_prefix("RhaiResultOf<")
        .and_then(|rest| rest.strip_suffix('>'))
        .unwrap_or(text);
    type_word(inner)
}

/// `x: &mut Tensor` is `x`, a `tensor`.
pub(super) fn name_and_type(text: &str) -> (String, String) {
    let (name, of_type) = match text.split_once(':') {
        Some((name, of_type)) => (name, type_word(of_type)),
        None => (text, "any".into()),
    };
    let name = name.trim().trim_start_matches("mut ");
    (name.to_owned(), of_type)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{Host, Settings, engine};

    /// Rhai's own packages have nothing of the kind, and what a later one brings is noticed.
    #[test]
    fn nothing_leads_out_of_the_program() {
        const OUTSIDE: [&str; 30] = [
            "chmod", "command", "connect", "copy", "curl", "delete", "dlopen", "download", "env",
            "environ", "exec", "fetch", "fork", "getenv", "http", "kill", "link", "listen", "open",
            "popen", "process", "remove", "rename", "setenv", "shell", "socket", "spawn",
            "symlink", "system", "url",
        ];
        let host = Host::new(Settings::default()).unwrap();
        let functions = Functions::of(&engine(host));
        assert!(functions.names().count() > 300);
        let leads_out = |name: &&str| {
            // Of arrays and maps.
            let of_values = ["remove"].contains(name);
            !of_values && name.split('_').any(|word| OUTSIDE.contains(&word))
        };
        let found: Vec<&str> = functions.names().filter(leads_out).collect();
        assert_eq!(found, [""; 0]);
    }
}
