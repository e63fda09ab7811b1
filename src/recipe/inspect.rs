//! What a recipe says of itself, without running it.

use super::archive::{Recipe, SCRIPT};
use super::pack::Origin;
use super::results::{Numbers, Results};
use crate::report::{binary_size, counted, duration, short};
use crate::sweep::quoted;
use serde_json::Value;
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// So many results are told.
const LINES: usize = 40;

impl Recipe {
    /// The text of the script.
    pub fn script(&self) -> String {
        let place = Path::new(SCRIPT).join(&self.about.script);
        let text = self
            .files
            .get(&place)
            .map(Vec::as_slice)
            .unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    }

    /// Its files, with their sizes.
    pub fn holds(&self) -> Vec<String> {
        let files = self.files.iter();
        let files = files
            .map(|(path, it)| format!("{} ({})", path.display(), binary_size(it.len() as u64)));
        files.collect()
    }

    /// What in it says where on a machine the run was made, besides the names of data: parameters, and
    /// files that were written or read elsewhere.
    pub fn places(&self) -> Vec<String> {
        let about = &self.about;
        let is_place = |it: &&str| Path::new(it).is_absolute();
        let within = |value: &Value| match value {
            Value::String(text) => text.split(',').any(|it| is_place(&it)),
            Value::Array(all) => all.iter().filter_map(Value::as_str).any(|it| is_place(&it)),
            _ => false,
        };
        let parameters = about.parameters.iter().filter(|(_, it)| within(it));
        let mut places: Vec<String> = parameters
            .map(|(name, value)| match value.as_str() {
                Some(text) => format!("{name} = {text}"),
                None => format!("{name} = {value}"),
            })
            .collect();
        let written = about.outputs.keys().map(|it| it.display().to_string());
        let read = about.data.iter().map(|it| it.input.path.clone());
        places.extend(written.chain(read).filter(|it| is_place(&it.as_str())));
        places
    }

    /// How it is run, with what has to be given.
    pub fn command(&self, path: &Path) -> String {
        let mut words = vec!["rhobust".into(), "run".into(), path.display().to_string()];
        for (name, _) in self.about.wanted() {
            words.extend(["--data".to_owned(), format!("{name}=PATH")]);
        }
        for datum in &self.about.data {
            if datum.from == Origin::Elsewhere {
                words.extend(["--allow-read".to_owned(), datum.input.path.clone()]);
            }
        }
        quoted(&words)
    }
}

/// The first comment of a script, in one line.
fn purpose(script: &str) -> String {
    let lines = script.lines().map_while(|line| line.strip_prefix("//"));
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    words.join(" ")
}

/// The last of what each metric was; of errors by class their total.
fn expected(results: &Results) -> Vec<String> {
    let by_class = |it: &Numbers| {
        it.values
            .iter()
            .any(|(place, _)| place.starts_with("name "))
    };
    let lines = results.numbers.iter().filter_map(|numbers| {
        if !by_class(numbers) {
            return Some(format!("{}: {}", words(numbers), last(numbers)));
        }
        let images = results.numbers.iter().find(|it| {
            by_class(it)
                && it.metric == "images"
                && (&it.kind, &it.model) == (&numbers.kind, &numbers.model)
        });
        let (images, errors) = (total(images?)?, total(numbers)?);
        (numbers.metric == "errors" && images > 0.0).then(|| {
            let error = 100.0 * errors / images;
            format!(
                "{}: {errors} of {images} images, {error:.2} %",
                words(numbers)
            )
        })
    });
    lines.collect()
}

fn words(numbers: &Numbers) -> String {
    let words = [&numbers.kind, &numbers.model, &numbers.metric];
    let words = words.into_iter().filter(|it| !it.is_empty());
    words.map(String::as_str).collect::<Vec<_>>().join(" ")
}

fn total(numbers: &Numbers) -> Option<f64> {
    let values = numbers
        .values
        .iter()
        .map(|(_, value)| value.parse::<f64>().ok());
    values.sum()
}

fn last(numbers: &Numbers) -> String {
    let shown = |value: &str| value.parse().map_or(value.to_owned(), short);
    match numbers.values.as_slice() {
        [(_, only)] => shown(only),
        [.., (place, value)] => {
            let of = numbers.values.len();
            format!("{} ({place}, the last of {of})", shown(value))
        }
        [] => "none".to_owned(),
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let about = &self.about;
        let mut section = |name: &str, lines: Vec<String>| -> fmt::Result {
            for (at, line) in lines.iter().enumerate() {
                let name = if at == 0 { name } else { "" };
                writeln!(f, "{name:<12}{line}")?;
            }
            Ok(())
        };
        let script = self.script();
        let purpose = purpose(&script);
        section(
            "recipe",
            vec![about.name(), purpose]
                .into_iter()
                .filter(|it| !it.is_empty())
                .collect(),
        )?;
        section("holds", self.holds())?;
        let mut reads: Vec<String> = about
            .data
            .iter()
            .map(|datum| {
                let input = &datum.input;
                let files = input.files.map(|n| counted(n, "file") + ", ");
                let files = files.unwrap_or_default();
                let what = format!("{} ({files}{})", input.path, binary_size(input.bytes));
                match &datum.from {
                    Origin::Parameter(name) => format!("{what}: give it with --data {name}=PATH"),
                    Origin::Inside(name) => {
                        format!("{what}: in the recipe, as the parameter {name}")
                    }
                    Origin::Beside => format!("{what}: in the recipe, beside the script"),
                    Origin::Elsewhere => {
                        format!("{what}: at this path, with --allow-read {}", input.path)
                    }
                }
            })
            .collect();
        if reads.is_empty() {
            reads.push("nothing besides itself".to_owned());
        }
        section("reads", reads)?;
        let mut writes = vec!["tables and figures into its run folder".to_owned()];
        writes.extend(
            about
                .outputs
                .iter()
                .map(|(path, bytes)| format!("{} ({})", path.display(), binary_size(*bytes))),
        );
        section("writes", writes)?;
        let seconds = about.wall_seconds.filter(|it| it.is_finite() && *it >= 0.0);
        let took = seconds.map_or("unknown".to_owned(), |it| {
            duration(Duration::from_secs_f64(it.min(1e12)))
        });
        let machine = &about.machine;
        section(
            "took",
            vec![format!(
                "{took} on {} with {} threads, {}",
                about.device, about.threads, machine.cpu
            )],
        )?;
        let versions = about
            .versions
            .iter()
            .map(|(name, it)| format!("{name} {it}"));
        section("made by", vec![versions.collect::<Vec<_>>().join(", ")])?;
        let given = about
            .set
            .iter()
            .map(|(name, value)| format!("{name} = {value}"));
        let mut given: Vec<String> = given.collect();
        given.push(format!("seed {}", about.seed));
        section("given", given)?;
        let parameters = about
            .parameters
            .iter()
            .map(|(name, value)| format!("{name} = {value}"));
        section("parameters", parameters.collect())?;
        let notes = about
            .notes
            .iter()
            .map(|(name, value)| match value.as_str() {
                Some(text) => format!("{name}: {text}"),
                None => format!("{name}: {value}"),
            });
        section("notes", notes.collect())?;
        let all = expected(&self.expected);
        let mut expected: Vec<String> = all.iter().take(LINES).cloned().collect();
        if all.len() > LINES {
            expected.push(format!("and {} more", all.len() - LINES));
        }
        section("expects", expected)?;
        section(
            "tolerance",
            vec![match about.tolerance {
                0.0 => "none: every number to its last bit".to_owned(),
                tolerance => format!("{tolerance:?}, times the number where that is larger than 1"),
            }],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_by_class_are_told_in_total() {
        let numbers = |metric: &str, values: &[(&str, &str)]| Numbers {
            kind: "clean".into(),
            model: "adv".into(),
            metric: metric.into(),
            values: values
                .iter()
                .map(|(a, b)| ((*a).into(), (*b).into()))
                .collect(),
        };
        let results = Results {
            numbers: vec![
                numbers("loss", &[("epoch 0", "2.5"), ("epoch 1", "1.25")]),
                numbers("images", &[("name a", "6"), ("name b", "2")]),
                numbers("errors", &[("name a", "1"), ("name b", "1")]),
                numbers("error", &[("name a", "0.1"), ("name b", "0.5")]),
            ],
            ..Results::default()
        };
        assert_eq!(
            expected(&results),
            [
                "clean adv loss: 1.250 (epoch 1, the last of 2)",
                "clean adv errors: 2 of 8 images, 25.00 %"
            ]
        );
    }

    #[test]
    fn a_recipe_says_what_it_needs() {
        let recipe = crate::recipe::pack::made_up();
        let text = recipe.to_string();
        for line in [
            "recipe      a\n",
            "reads       pictures (1 file, 3 bytes): give it with --data data=PATH\n",
            "given       epochs = 2\n            seed 5\n",
            "tolerance   0.005",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        let mut elsewhere = crate::recipe::pack::made_up();
        assert_eq!(elsewhere.places(), [""; 0]);
        let parameters = &mut elsewhere.about.parameters;
        parameters.insert("log".into(), "/home/me/log".into());
        assert_eq!(elsewhere.places(), ["log = /home/me/log"]);
        let command = recipe.command(Path::new("a.rhobust"));
        assert_eq!(command, "rhobust run a.rhobust --data data=PATH");
    }
}
