//! Words for people: the nearest valid name, and Rhai's types as scripts call them.

use std::collections::BTreeSet;

/// The name among `valid` that `given` was most likely meant to be: a few slips away for its
/// length, or one that begins with it.
pub fn nearest<'a>(given: &str, valid: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = given.to_lowercase();
    let slips = |name: &str| {
        let distance = strsim::damerau_levenshtein(&folded, &name.to_lowercase());
        let length = given.chars().count().max(name.chars().count());
        let begins = given.chars().count() >= 3 && name.starts_with(given);
        (distance <= length / 3 || begins).then_some(distance)
    };
    valid
        .into_iter()
        .filter(|name| *name != given)
        .filter_map(|name| Some((slips(name)?, name)))
        .min()
        .map(|(_, name)| name)
}

/// `; did you mean ...?`, or nothing where no name is near.
pub fn did_you_mean<'a>(given: &str, valid: impl IntoIterator<Item = &'a str>) -> String {
    match nearest(given, valid) {
        Some(name) => format!("; did you mean `{name}`?"),
        None => String::new(),
    }
}

/// A Rhai or Rust type name in the words of a script: `i64` is `int`.
pub fn type_word(name: &str) -> String {
    let name = name
        .trim()
        .trim_start_matches("&mut ")
        .trim_start_matches('&')
        .trim();
    match name {
        "i8" | "i16" | "i32" | "i64" | "i128" | "u8" | "u16" | "u32" | "u64" | "u128" | "usize"
        | "isize" | "INT" => "int".into(),
        "f32" | "f64" | "FLOAT" => "float".into(),
        "str"
        | "&str | ImmutableString | String"
        | "str | ImmutableString | String"
        | "ImmutableString"
        | "String"
        | "string" => "string".into(),
        "Fn" | "FnPtr" | "Closure" => "closure".into(),
        "Array" | "array" => "array".into(),
        "Map" | "map" => "map".into(),
        "Dynamic" | "?" | "_" => "any".into(),
        "()" => "()".into(),
        "bool" | "char" => name.into(),
        "Blob" | "blob" => "blob".into(),
        other => {
            // Of `range<i64>` the word is `range`.
            let outer = other.split('<').next().unwrap_or(other);
            let last = outer.rsplit("::").next().unwrap_or(outer).trim();
            last.to_lowercase()
        }
    }
}

/// With its article: "an int", "a tensor", "nothing" for `()`.
pub fn a_type(name: &str) -> String {
    let word = type_word(name);
    match word.as_str() {
        "()" => "nothing, ()".into(),
        word if word.starts_with(['a', 'e', 'i', 'o', 'u']) => format!("an {word}"),
        word => format!("a {word}"),
    }
}

/// "`fit` takes 2 or 3 arguments, got 1".
pub(super) fn wrong_count(name: &str, counts: &BTreeSet<usize>, given: usize) -> String {
    let counts: Vec<_> = counts.iter().map(usize::to_string).collect();
    let noun = if counts == ["1"] {
        "argument"
    } else {
        "arguments"
    };
    format!("`{name}` takes {} {noun}, got {given}", counts.join(" or "))
}

/// A sentence that goes on.
pub(super) fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let valid = ["eps", "steps", "step_size", "random_start"];
        assert_eq!(nearest("step", valid), Some("steps"));
        assert_eq!(nearest("Eps", valid), Some("eps"));
        assert_eq!(nearest("stepsize", valid), Some("step_size"));
        assert_eq!(nearest("momentum", valid), None);
        assert_eq!(nearest("random", valid), Some("random_start"));
        assert_eq!(nearest("x", ["k", "xs"]), None);
        assert_eq!(nearest("rand", ["tanh", "grad"]), None);
    }

    #[test]
    fn types_are_named_as_in_scripts() {
        assert_eq!(type_word("i64"), "int");
        assert_eq!(type_word("&str | ImmutableString | String"), "string");
        assert_eq!(type_word("rhobust::torch::Tensor"), "tensor");
        assert_eq!(a_type("array"), "an array");
    }
}
