//! Option maps: read into structs of the domain, or merged with defaults in a script.
//!
//! One rule for both: a key that does not exist and a value of another type are errors that
//! name the option, what it wants, what came and, for a key, the nearest valid one.

use super::RhaiResultOf;
use super::names::{a_type, did_you_mean, nearest, type_word};
use crate::Result;
use rhai::serde::DynamicDeserializer;
use rhai::{Dynamic, EvalAltResult, Map};
use serde::de::DeserializeOwned;

/// Reads the option map of `what` (a function as scripts call it) into its struct, which has
/// serde defaults and `deny_unknown_fields`.
pub fn read<T: DeserializeOwned>(what: &str, map: Map) -> RhaiResultOf<T> {
    let value = flatten(map.into());
    serde_path_to_error::deserialize(DynamicDeserializer::new(&value)).map_err(|error| {
        let path = error.path().to_string();
        let given = at_path(&value, &path);
        complaint(what, &path, given.as_ref(), error.inner()).into()
    })
}

/// [`read`] for a function that has only some of the fields of its struct as options.
pub fn read_some<T: DeserializeOwned>(what: &str, map: Map, valid: &[&str]) -> RhaiResultOf<T> {
    match map.keys().find(|key| !valid.contains(&key.as_str())) {
        Some(key) => {
            let hint = unknown_key(key, valid);
            Err(format!("{what} has no option `{key}`{hint}").into())
        }
        None => read(what, map),
    }
}

/// `given` over `defaults`, for functions written in Rhai. A default of `()` accepts any value.
pub fn merge(given: Map, defaults: Map) -> Result<Map> {
    let mut merged = defaults;
    for (key, value) in given {
        let Some(default) = merged.get(&key) else {
            let names: Vec<_> = merged.keys().map(|name| name.as_str()).collect();
            bail!("there is no option `{key}`{}", unknown_key(&key, &names));
        };
        if !default.is_unit() && default.type_name() != value.type_name() {
            bail!(
                "{}",
                wrong_kind(&format!("option `{key}`"), default.type_name(), &value)
            );
        }
        merged.insert(key, value);
    }
    Ok(merged)
}

/// "`eps` must be a float, got the int 8; write 8.0".
pub(super) fn wrong_kind(option: &str, wanted: &str, given: &Dynamic) -> String {
    let hint = match (type_word(wanted).as_str(), given.as_int()) {
        ("float", Ok(0)) => {
            ": `8/255` divides integers and is 0 in Rhai; write 8.0/255.0 or px(8), or 0.0".into()
        }
        ("float", Ok(n)) if option.contains("`eps`") && n > 1 => {
            format!(" (pixels lie in [0, 1]); did you mean {n}.0/255.0, that is px({n})?")
        }
        ("float", Ok(n)) => format!("; write {n}.0"),
        _ => String::new(),
    };
    format!(
        "{option} must be {}, got {}{hint}",
        a_type(wanted),
        describe(given)
    )
}

/// "the int 8", "the string "x"", "a tensor".
pub(super) fn describe(value: &Dynamic) -> String {
    let word = type_word(value.type_name());
    match word.as_str() {
        "int" => format!("the integer {value}"),
        "float" | "bool" => format!("the {word} {value}"),
        "string" => {
            let text: String = value.to_string().chars().take(40).collect();
            format!("the string {text:?}")
        }
        _ => a_type(value.type_name()),
    }
}

pub(super) fn unknown_key(key: &str, valid: &[&str]) -> String {
    let near = did_you_mean(key, valid.iter().copied());
    match valid {
        [] => "; it has no options".into(),
        _ => format!("{near} (options: {})", valid.join(", ")),
    }
}

/// Turns what serde and Rhai say into a sentence about the option.
fn complaint(what: &str, path: &str, given: Option<&Dynamic>, error: &EvalAltResult) -> String {
    let option = match path {
        "." | "" => format!("the options of {what}"),
        path => format!("option `{path}` of {what}"),
    };
    let got = given
        .map(|value| format!(", got {}", describe(value)))
        .unwrap_or_default();
    if let (EvalAltResult::ErrorMismatchOutputType(wanted, ..), Some(value)) = (error, given) {
        return wrong_kind(&option, kind_of_rust_type(wanted, value), value);
    }
    let text = match error {
        EvalAltResult::ErrorParsing(kind, _) => kind.to_string(),
        other => other.to_string(),
    };
    let quoted: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
    match (text.as_str(), quoted.as_slice()) {
        (text, [key, valid @ ..]) if text.starts_with("unknown field") => {
            let owner = match path.rsplit_once('.') {
                Some((owner, _)) if !owner.is_empty() => format!("option `{owner}` of {what}"),
                _ => what.to_owned(),
            };
            format!("{owner} has no option `{key}`{}", unknown_key(key, valid))
        }
        (text, [key]) if text.starts_with("missing field") => match path {
            "." | "" => format!("{what} needs the option `{key}`"),
            path => format!("option `{path}` of {what} needs `{key}`"),
        },
        (text, [value, valid @ ..]) if text.starts_with("unknown variant") => {
            let choices: Vec<_> = valid.iter().map(|name| format!("{name:?}")).collect();
            let near = match nearest(value, valid.iter().copied()) {
                Some(name) => format!("; did you mean {name:?}?"),
                None => String::new(),
            };
            format!(
                "{option} must be {}, got the string {value:?}{near}",
                choices.join(" or ")
            )
        }
        (text, _) if text.starts_with("invalid value: integer") && text.contains("usize") => {
            format!("{option} must be at least 0{got}")
        }
        (text, _) if text.starts_with("invalid value: integer") && text.contains("expected u") => {
            format!("{option} must be at least 0{got}")
        }
        (text, _) if text.starts_with("data did not match any variant") => {
            format!("{option} cannot be that{got}")
        }
        // The domain's own checks write whole sentences.
        (text, _) => format!("{option}: {text}"),
    }
}

/// The script word behind the Rust type that was wanted.
fn kind_of_rust_type<'a>(wanted: &'a str, given: &Dynamic) -> &'a str {
    let known = [
        "int", "float", "bool", "string", "char", "array", "map", "any", "blob", "()",
    ];
    if wanted.contains("Vec<") || wanted.starts_with(['[', '(']) && wanted != "()" {
        "array"
    } else if wanted.contains("Map<") {
        "map"
    } else if known.contains(&type_word(wanted).as_str()) {
        wanted
    } else if given.is_string() {
        // A struct; the other named types of options are enumerations, written as strings.
        "map"
    } else {
        "string"
    }
}

/// Values captured by a closure are shared cells, which serde cannot look into.
fn flatten(value: Dynamic) -> Dynamic {
    let value = value.flatten();
    if value.is_map() {
        let map: Map = value.cast();
        Dynamic::from_map(
            map.into_iter()
                .map(|(key, value)| (key, flatten(value)))
                .collect(),
        )
    } else if value.is_array() {
        let array: rhai::Array = value.cast();
        Dynamic::from_array(array.into_iter().map(flatten).collect())
    } else {
        value
    }
}

/// The value at `a.b[2]`.
fn at_path(value: &Dynamic, path: &str) -> Option<Dynamic> {
    let mut value = value.clone();
    for step in path
        .split(['.', '['])
        .map(|step| step.trim_end_matches(']'))
    {
        if step.is_empty() {
            continue;
        }
        value = match step.parse::<usize>() {
            Ok(index) if value.is_array() => value.as_array_ref().ok()?.get(index)?.clone(),
            _ => value.as_map_ref().ok()?.get(step)?.clone(),
        };
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rhai::Engine;
    use serde::Deserialize;

    #[derive(Deserialize, Debug)]
    #[serde(rename_all = "lowercase")]
    enum Norm {
        Linf,
        L2,
    }

    #[derive(Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Pgd {
        eps: f64,
        #[serde(default)]
        steps: usize,
        #[serde(default)]
        step_size: Option<f64>,
        #[serde(default)]
        norm: Option<Norm>,
        #[serde(default)]
        mean: Vec<f64>,
        #[serde(default)]
        inner: Option<Inner>,
    }

    #[derive(Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Inner {
        warmup: i64,
    }

    fn map(source: &str) -> Map {
        Engine::new().eval(source).unwrap()
    }

    fn refusal(source: &str) -> String {
        match *read::<Pgd>("pgd", map(source)).unwrap_err() {
            EvalAltResult::ErrorRuntime(text, _) => text.to_string(),
            other => other.to_string(),
        }
    }

    #[test]
    fn options_become_a_struct() {
        let pgd: Pgd = read(
            "pgd",
            map("#{eps: 0.03, steps: 10, norm: \"l2\", mean: [0.5]}"),
        )
        .unwrap();
        assert_eq!((pgd.eps, pgd.steps, pgd.mean), (0.03, 10, vec![0.5]));
        assert!(matches!(pgd.norm, Some(Norm::L2)));
    }

    #[test]
    fn captured_values_are_read_like_others() {
        let map = map("let e = 0.5; let f = || e; f.call(); let m = #{}; m.eps = e; m");
        assert_eq!(read::<Pgd>("pgd", map).unwrap().eps, 0.5);
    }

    #[test]
    fn refusals_name_the_option_and_the_way_out() {
        let cases = [
            (
                "#{eps: 8}",
                "option `eps` of pgd must be a float, got the integer 8 (pixels lie in [0, 1]); did you \
                 mean 8.0/255.0, that is px(8)?",
            ),
            (
                "#{eps: 8/255}",
                "option `eps` of pgd must be a float, got the integer 0: `8/255` divides integers \
                 and is 0 in Rhai; write 8.0/255.0 or px(8), or 0.0",
            ),
            (
                "#{eps: \"a\"}",
                "option `eps` of pgd must be a float, got the string \"a\"",
            ),
            ("#{steps: 1}", "pgd needs the option `eps`"),
            (
                "#{eps: 0.1, step: 1}",
                "pgd has no option `step`; did you mean `steps`? (options: eps, steps, step_size, \
                 norm, mean, inner)",
            ),
            (
                "#{eps: 0.1, steps: 1.5}",
                "option `steps` of pgd must be an int, got the float 1.5",
            ),
            (
                "#{eps: 0.1, steps: -1}",
                "option `steps` of pgd must be at least 0, got the integer -1",
            ),
            (
                "#{eps: 0.1, norm: \"linff\"}",
                "option `norm` of pgd must be \"linf\" or \"l2\", got the string \"linff\"; did you \
                 mean \"linf\"?",
            ),
            (
                "#{eps: 0.1, norm: 2}",
                "option `norm` of pgd must be a string, got the integer 2",
            ),
            (
                "#{eps: 0.1, mean: 0.5}",
                "option `mean` of pgd must be an array, got the float 0.5",
            ),
            (
                "#{eps: 0.1, mean: [0.5, 1]}",
                "option `mean[1]` of pgd must be a float, got the integer 1; write 1.0",
            ),
            (
                "#{eps: 0.1, inner: #{warm: 1}}",
                "option `inner` of pgd has no option `warm`; did you mean `warmup`? (options: warmup)",
            ),
            (
                "#{eps: 0.1, inner: \"x\"}",
                "option `inner` of pgd must be a map, got the string \"x\"",
            ),
        ];
        for (source, expected) in cases {
            assert_eq!(refusal(source), expected, "{source}");
        }
    }

    #[test]
    fn merging_keeps_the_rules() {
        let defaults = || map("#{epochs: 10, lr: 0.1, loss: ()}");
        let merged = merge(map("#{epochs: 3, loss: |x| x}"), defaults()).unwrap();
        assert_eq!(merged["epochs"].as_int(), Ok(3));
        assert_eq!(merged["lr"].as_float(), Ok(0.1));
        let refusal = |source| merge(map(source), defaults()).unwrap_err().to_string();
        assert_eq!(
            refusal("#{epoch: 3}"),
            "there is no option `epoch`; did you mean `epochs`? (options: epochs, loss, lr)"
        );
        assert_eq!(
            refusal("#{lr: 1}"),
            "option `lr` must be a float, got the integer 1; write 1.0"
        );
        assert_eq!(
            refusal("#{epochs: \"x\"}"),
            "option `epochs` must be an int, got the string \"x\""
        );
    }
}
