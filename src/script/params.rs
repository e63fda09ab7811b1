//! A script's parameters: declared with their defaults, overridden with `--set key=value`.

use super::host::{Host, Settings};
use super::names::{did_you_mean, type_word};
use crate::Result;
use rhai::{Array, Dynamic, Map};

/// A script's parameters with their values in this run and what the script proposed.
#[derive(Clone, Debug, Default)]
pub struct Params {
    pub values: Map,
    pub defaults: Map,
}

/// Refuses a command line that says two things about one parameter.
pub(super) fn check_once(settings: &Settings) -> Result<()> {
    let seed = settings.seed.map(|seed| seed.to_string());
    for (at, (key, text)) in settings.set.iter().enumerate() {
        let twice = settings.set[..at].iter().find(|(other, _)| other == key);
        if let Some((_, other)) = twice {
            bail!("--set {key} is given twice, with {other} and with {text}; give it once");
        }
        let option = match key.as_str() {
            "seed" => &seed,
            "device" => &settings.device,
            _ => &None,
        };
        if let Some(other) = option.as_ref().filter(|other| *other != text) {
            bail!("--set {key}={text} and --{key} {other} differ; give one of them");
        }
    }
    Ok(())
}

/// Merges what the command line says into the script's `defaults` and remembers the result.
///
/// `--seed` and `--device` stand for the parameters of these names, where the script has them
/// and `--set` does not name them.
pub(super) fn declare(host: &Host, defaults: Map) -> Result<Map> {
    let settings = host.settings();
    let mut values = defaults.clone();
    if let (Some(seed), Some(slot)) = (settings.seed, values.get_mut("seed")) {
        *slot = i64::try_from(seed).unwrap_or(i64::MAX).into();
    }
    if let (Some(device), Some(slot)) = (&settings.device, values.get_mut("device")) {
        *slot = device.into();
    }
    for (key, text) in &settings.set {
        let Some(default) = defaults.get(key.as_str()) else {
            let names: Vec<_> = defaults.keys().map(|name| name.as_str()).collect();
            bail!("{}", unknown("--set", key, &names));
        };
        values.insert(key.as_str().into(), parse("--set", key, text, default)?);
    }
    host.set_params(Params {
        values: values.clone(),
        defaults,
    })?;
    Ok(values)
}

/// The sentence for an `option`, such as `--set`, of a parameter that the script does not have.
pub(super) fn unknown(option: &str, key: &str, valid: &[&str]) -> String {
    match valid {
        [] => format!("{option} {key}: the script has no parameters"),
        _ => format!(
            "{option} {key}: the script has no parameter `{key}`{} (parameters: {})",
            did_you_mean(key, valid.iter().copied()),
            valid.join(", ")
        ),
    }
}

/// The value that `text` means, which an `option` such as `--set` gives, by the parameter's default.
///
/// # Errors
/// `Invalid` with the option, the parameter and what it must be, for a text that is nothing of the
/// default's type.
pub fn parse(option: &str, key: &str, text: &str, default: &Dynamic) -> Result<Dynamic> {
    let refuse = |wanted: &str| -> Result<Dynamic> {
        bail!("{option} {key}={text}: `{key}` must be {wanted}, as its default {default} is")
    };
    if default.is_unit() {
        return Ok(guess(text));
    }
    if default.is_array() {
        let items = default
            .as_array_ref()
            .map(|array| array.clone())
            .unwrap_or_default();
        return parse_array(option, key, text, &items);
    }
    match type_word(default.type_name()).as_str() {
        "int" => match text.parse::<i64>() {
            Ok(n) => Ok(n.into()),
            Err(_) => refuse("an integer"),
        },
        "float" => match parse_float(text) {
            Some(x) => Ok(x.into()),
            None => refuse("a number"),
        },
        "bool" => match text.parse::<bool>() {
            Ok(b) => Ok(b.into()),
            Err(_) => refuse("true or false"),
        },
        "string" => Ok(text.into()),
        other => bail!("{option} {key}: a parameter of type {other} cannot be set from outside"),
    }
}

/// `a,b` or `[a, b]`, each element of the type that the default's elements have.
fn parse_array(option: &str, key: &str, text: &str, default: &Array) -> Result<Dynamic> {
    let inner = text.trim();
    let inner = match inner.strip_prefix('[') {
        Some(rest) => match rest.strip_suffix(']') {
            Some(inner) => inner,
            None => bail!("{option} {key}={text}: the closing bracket is missing"),
        },
        None => inner,
    };
    ensure!(
        !inner.contains('['),
        "{option} {key}={text}: an array within an array cannot be set"
    );
    if inner.trim().is_empty() {
        return Ok(Dynamic::from_array(Array::new()));
    }
    let items = inner.split(',').map(|item| {
        let item = item.trim().trim_matches('"');
        match default.first() {
            Some(first) => parse(option, key, item, first),
            None => Ok(guess(item)),
        }
    });
    Ok(Dynamic::from_array(items.collect::<Result<Array>>()?))
}

/// Numbers as people write radii: `0.03`, `1e-3`, `8/255`.
fn parse_float(text: &str) -> Option<f64> {
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|x| x.is_finite());
    match text.split_once('/') {
        Some((a, b)) => number(a)
            .zip(number(b))
            .map(|(a, b)| a / b)
            .filter(|x| x.is_finite()),
        None => number(text),
    }
}

fn guess(text: &str) -> Dynamic {
    if let Ok(n) = text.parse::<i64>() {
        return n.into();
    }
    if let Some(x) = parse_float(text) {
        return x.into();
    }
    match text.parse::<bool>() {
        Ok(b) => b.into(),
        Err(_) => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    fn run(set: &[(&str, &str)]) -> Result<Map> {
        let set = set
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect();
        let host = Host::new(Settings {
            set,
            ..Settings::default()
        })?;
        let defaults = rhai::Engine::new()
            .eval("#{epochs: 10, lr: 0.1, aug: true, name: \"x\", eps: [0.1, 0.2], limit: ()}")
            .unwrap();
        declare(&host, defaults)
    }

    #[test]
    fn values_take_the_type_of_the_default() {
        let map = run(&[
            ("epochs", "3"),
            ("lr", "1"),
            ("aug", "false"),
            ("name", "7"),
            ("eps", "8/255, 1"),
            ("limit", "5"),
        ])
        .unwrap();
        assert_eq!(map["epochs"].as_int(), Ok(3));
        assert_eq!(map["lr"].as_float(), Ok(1.0));
        assert_eq!(map["aug"].as_bool(), Ok(false));
        assert_eq!(map["name"].to_string(), "7");
        let eps = map["eps"].as_array_ref().unwrap();
        assert_eq!(
            (eps[0].as_float(), eps[1].as_float()),
            (Ok(8.0 / 255.0), Ok(1.0))
        );
        assert_eq!(map["limit"].as_int(), Ok(5));
    }

    #[test]
    fn wrong_values_and_keys_are_refused_by_name() {
        let refusal = |key, value| run(&[(key, value)]).unwrap_err().to_string();
        assert_eq!(
            refusal("epochs", "abc"),
            "--set epochs=abc: `epochs` must be an integer, as its default 10 is"
        );
        assert!(refusal("lr", "1/0").contains("must be a number"));
        assert!(refusal("lr", "nan").contains("must be a number"));
        assert!(refusal("aug", "yes").contains("must be true or false"));
        assert!(refusal("eps", "[0.1").contains("closing bracket"));
        assert!(refusal("epoch", "1").contains("did you mean `epochs`?"));
    }

    #[test]
    fn parameters_are_declared_once() {
        let host = Host::new(Settings::default()).unwrap();
        declare(&host, Map::new()).unwrap();
        assert!(declare(&host, Map::new()).is_err());
    }

    #[test]
    fn what_is_said_twice_is_refused() {
        let check = |set: &[(&str, &str)]| {
            let set = set.iter().map(|(k, v)| (k.to_string(), v.to_string()));
            check_once(&Settings {
                set: set.collect(),
                seed: Some(7),
                device: Some("cpu".into()),
                ..Settings::default()
            })
            .map_err(|error| error.to_string())
        };
        assert_eq!(
            check(&[("seed", "7"), ("device", "cpu"), ("lr", "8")]),
            Ok(())
        );
        assert_eq!(
            check(&[("seed", "8")]).unwrap_err(),
            "--set seed=8 and --seed 7 differ; give one of them"
        );
        assert!(
            check(&[("device", "cuda")])
                .unwrap_err()
                .contains("--device cpu")
        );
        assert_eq!(
            check(&[("lr", "1"), ("eps", "2"), ("lr", "3")]).unwrap_err(),
            "--set lr is given twice, with 1 and with 3; give it once"
        );
    }

    #[test]
    fn seed_and_device_of_the_command_line_reach_the_parameters() {
        let settings = Settings {
            seed: Some(7),
            device: Some("cpu".into()),
            ..Default::default()
        };
        let host = Host::new(settings).unwrap();
        let defaults = rhai::Engine::new()
            .eval("#{seed: 0, device: \"auto\"}")
            .unwrap();
        let map = declare(&host, defaults).unwrap();
        assert_eq!(map["seed"].as_int(), Ok(7));
        assert_eq!(map["device"].to_string(), "cpu");
    }
}
