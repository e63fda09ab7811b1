//! What scripts can call, by name, as the engine knows it.

use super::names::type_word;
use rhai::Engine;
use std::collections::BTreeMap;

/// One way to call a function: the types of its arguments in script words.
pub type Form = Vec<String>;

/// All native functions with their forms.
pub struct Functions(BTreeMap<String, Vec<Form>>);

impl Functions {
    pub fn of(engine: &Engine) -> Self {
        let list = engine.collect_fn_metadata(
            None,
            |info| {
                let names = &info.metadata.params_info;
                let types: Form = (0..info.metadata.num_params)
                    .map(|i| {
                        names
                            .get(i)
                            .map_or("any".into(), |text| name_and_type(text).1)
                    })
                    .collect();
                Some((info.metadata.name.to_string(), types))
            },
            true,
        );
        let mut functions: BTreeMap<String, Vec<Form>> = BTreeMap::new();
        for (name, form) in list {
            functions.entry(name).or_default().push(form);
        }
        // The engine's own order differs from run to run.
        functions.values_mut().for_each(|forms| forms.sort());
        Functions(functions)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0
            .keys()
            .map(String::as_str)
            .filter(|name| !name.contains('$'))
    }

    /// The forms of `name`; none for a function that does not exist.
    pub fn forms(&self, name: &str) -> &[Form] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// The properties that values of a type have.
    pub fn properties(&self, of_type: &str) -> Vec<&str> {
        self.0
            .iter()
            .filter_map(|(name, forms)| Some((name.strip_prefix("get$")?, forms)))
            .filter(|(_, forms)| {
                forms
                    .iter()
                    .any(|form| form.first().is_some_and(|t| t == of_type || t == "any"))
            })
            .map(|(name, _)| name)
            .collect()
    }
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
