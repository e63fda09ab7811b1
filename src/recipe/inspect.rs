//! What a recipe says of itself, without running it.

use super::archive::{Recipe, SCRIPT};
use super::recipe::Origin;
use super::results::Numbers;
use crate::report::{binary_size, duration, short};
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// Metrics of steps and epochs have this many values at least; only the last is shown.
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

    /// How it is run, with what has to be given.
    pub fn command(&self, path: &Path) -> String {
        let mut words = format!("rhobust run {}", path.display());
        for (name, _) in self.about.wanted() {
            words += &format!(" --data {name}=PATH");
        }
        for datum in &self.about.data {
            if datum.from == Origin::Elsewhere {
                words += &format!(" --allow-read {}", datum.input.path);
            }
        }
        words
    }
}

/// The first comment of a script, in one line.
fn purpose(script: &str) -> String {
    let lines = script.lines().map_while(|line| line.strip_prefix("//"));
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    words.join(" ")
}

/// The last of what a metric was.
fn last(numbers: &Numbers) -> String {
    let words = [&numbers.kind, &numbers.model, &numbers.metric];
    let words: Vec<&str> = words
        .into_iter()
        .map(String::as_str)
        .filter(|it| !it.is_empty())
        .collect();
    let shown = |value: &str| value.parse().map_or(value.to_owned(), short);
    let value = match numbers.values.as_slice() {
        [(_, only)] => shown(only),
        [.., (place, value)] => format!(
            "{} ({place}, the last of {})",
            shown(value),
            numbers.values.len()
        ),
        [] => "none".to_owned(),
    };
    format!("{}: {value}", words.join(" "))
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
        let files = self
            .files
            .iter()
            .map(|(path, it)| format!("{} ({})", path.display(), binary_size(it.len() as u64)));
        section("holds", files.collect())?;
        let mut reads: Vec<String> = about
            .data
            .iter()
            .map(|datum| {
                let input = &datum.input;
                let files = match input.files {
                    Some(1) => "1 file, ".to_owned(),
                    Some(n) => format!("{n} files, "),
                    None => String::new(),
                };
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
        let all = &self.expected.numbers;
        let mut expected: Vec<String> = all.iter().take(LINES).map(last).collect();
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
