//! What two runs were made of, as far as it is not the same.

use super::archive::Recipe;
use super::pack::{Datum, parameters_of};
use crate::report::counted;
use crate::run::{Input, InputFile, Machine, Recorded, innermost_folder};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// Something that two runs do not have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub what: String,
    /// `None` where the first run has nothing of the kind.
    pub then: Option<String>,
    pub now: Option<String>,
}

/// The parts of a run that its numbers may hang on.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// Hashes by name.
    sources: BTreeMap<String, String>,
    parameters: BTreeMap<String, String>,
    seed: u64,
    device: String,
    threads: usize,
    versions: BTreeMap<String, String>,
    machine: Machine,
    notes: BTreeMap<String, String>,
    inputs: Vec<Read>,
    /// Each file of them; empty where it is not known.
    files: Vec<InputFile>,
}

/// Something that was read, and the parameters that named it.
#[derive(Clone, Debug)]
struct Read {
    parameters: Vec<String>,
    input: Input,
}

impl Circumstances {
    pub fn of_run(recorded: &Recorded, files: Vec<InputFile>) -> Self {
        Circumstances {
            sources: named_sources(recorded),
            parameters: texts(&recorded.parameters),
            seed: recorded.seed,
            device: recorded.device.clone(),
            threads: recorded.threads,
            versions: recorded.versions.clone(),
            machine: recorded.machine.clone(),
            notes: texts(&recorded.notes),
            inputs: recorded
                .inputs
                .iter()
                .map(|input| Read {
                    parameters: parameters_of(&input.path, &recorded.parameters),
                    input: input.clone(),
                })
                .collect(),
            files,
        }
    }

    pub fn of_recipe(recipe: &Recipe) -> Self {
        let about = &recipe.about;
        Circumstances {
            sources: about.sources.clone(),
            parameters: texts(&about.parameters),
            seed: about.seed,
            device: about.device.clone(),
            threads: about.threads,
            versions: about.versions.clone(),
            machine: about.machine.clone(),
            notes: texts(&about.notes),
            inputs: read_of(&about.data),
            files: recipe.inputs.clone(),
        }
    }

    /// The parameters that say where data lies, with what they were.
    pub fn data(&self) -> impl Iterator<Item = (&str, &str)> {
        self.inputs.iter().flat_map(|it| {
            let names = it.parameters.iter();
            names.map(|name| (name.as_str(), it.input.path.as_str()))
        })
    }

    /// The parameters but those that say where data lies.
    fn own_parameters(&self, other: &Self) -> BTreeMap<String, String> {
        let is_data =
            |of: &Self, name: &String| of.inputs.iter().any(|it| it.parameters.contains(name));
        let mut own = self.parameters.clone();
        own.retain(|name, _| !(is_data(self, name) && is_data(other, name)));
        own
    }
}

fn texts(map: &Map<String, Value>) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    map.iter().map(|(k, v)| (k.clone(), text(v))).collect()
}

impl Difference {
    fn new(what: impl Into<String>, then: Option<String>, now: Option<String>) -> Self {
        Difference {
            what: what.into(),
            then,
            now,
        }
    }
}

/// All there are, those first that most likely explain other numbers.
pub fn differences(then: &Circumstances, now: &Circumstances) -> Vec<Difference> {
    let mut found = Vec::new();
    let same = |it: &String| it.clone();
    let short = |it: &String| it.get(..12).unwrap_or(it).to_owned();
    of_maps(&mut found, "", &then.sources, &now.sources, short);
    let (a, b) = (then.own_parameters(now), now.own_parameters(then));
    of_maps(&mut found, "parameter ", &a, &b, same);
    let single = |it: &Circumstances| -> (BTreeMap<_, _>, BTreeMap<_, _>) {
        let machine = &it.machine;
        let rows = [
            ("seed", it.seed.to_string()),
            ("device", it.device.clone()),
            ("processor", machine.cpu.clone()),
            ("instruction sets", machine.instruction_sets.join(" ")),
            ("threads", it.threads.to_string()),
            ("system", machine.os.clone()),
        ];
        let rows = rows.map(|(name, value)| (name.to_owned(), value));
        rows.into_iter()
            .partition(|(name, _)| name == "seed" || name == "device")
    };
    let ((first, last), (first_now, last_now)) = (single(then), single(now));
    of_maps(&mut found, "", &first, &first_now, same);
    of_inputs(&mut found, then, now);
    of_maps(&mut found, "", &then.versions, &now.versions, same);
    of_maps(&mut found, "", &last, &last_now, same);
    of_maps(&mut found, "note ", &then.notes, &now.notes, same);
    found
}

fn of_maps(
    found: &mut Vec<Difference>,
    prefix: &str,
    then: &BTreeMap<String, String>,
    now: &BTreeMap<String, String>,
    shown: impl Fn(&String) -> String,
) {
    let keys = then
        .keys()
        .chain(now.keys().filter(|it| !then.contains_key(*it)));
    for key in keys {
        let (then, now) = (then.get(key), now.get(key));
        if then != now {
            let what = format!("{prefix}{key}");
            found.push(Difference::new(what, then.map(&shown), now.map(&shown)));
        }
    }
}

/// What each datum is, once for all parameters that it is the value of.
fn read_of(data: &[Datum]) -> Vec<Read> {
    let mut all: Vec<Read> = Vec::new();
    for datum in data {
        let parameter = datum.from.parameter().map(str::to_owned);
        match all.iter_mut().find(|it| it.input == datum.input) {
            Some(known) => known.parameters.extend(parameter),
            None => all.push(Read {
                parameters: parameter.into_iter().collect(),
                input: datum.input.clone(),
            }),
        }
    }
    all
}

/// Hashes of the script, of what it imported and of the library, by names that do not hang on
/// where the script lies.
pub(super) fn named_sources(recorded: &Recorded) -> BTreeMap<String, String> {
    let all = recorded.sources.keys().map(Path::new);
    let root = innermost_folder(all).unwrap_or(Path::new("/"));
    let name = |path: &str| {
        let inside = Path::new(path).strip_prefix(root);
        inside.map_or(path.to_owned(), |it| it.display().to_string())
    };
    let sources = recorded.sources.iter();
    sources
        .map(|(path, hash)| (name(path), hash.clone()))
        .collect()
}

/// Data is the same wherever it lies.
fn of_inputs(found: &mut Vec<Difference>, then: &Circumstances, now: &Circumstances) {
    let (a, b) = (&then.inputs, &now.inputs);
    let mut unmatched: Vec<&Read> = b.iter().collect();
    let mut take = |is: &dyn Fn(&Read) -> bool| {
        let at = unmatched.iter().position(|it| is(it))?;
        Some(&unmatched.remove(at).input)
    };
    let mut lost = Vec::new();
    for read in a {
        if take(&|it| it.input.blake3 == read.input.blake3).is_none() {
            lost.push(read);
        }
    }
    for Read { parameters, input } in lost {
        let other = take(&|it| it.input.path == input.path)
            .or_else(|| take(&|it| it.parameters.iter().any(|name| parameters.contains(name))));
        let mut what = format!("data {}", input.path);
        if let Some(other) = other {
            let (then, now) = (of_input(&then.files, input), of_input(&now.files, other));
            what.extend(first_other(&then, &now));
        }
        found.push(Difference::new(what, Some(told(input)), other.map(told)));
    }
    for Read { input, .. } in unmatched {
        let what = format!("data {}", input.path);
        found.push(Difference::new(what, None, Some(told(input))));
    }
}

fn of_input<'a>(files: &'a [InputFile], input: &Input) -> Vec<&'a InputFile> {
    files.iter().filter(|it| it.input == input.path).collect()
}

/// How many files differ, and the first of them.
fn first_other(then: &[&InputFile], now: &[&InputFile]) -> Option<String> {
    let now: BTreeMap<_, _> = now.iter().map(|it| (&it.file, &it.blake3)).collect();
    let others = then
        .iter()
        .filter(|it| now.get(&it.file) != Some(&&it.blake3));
    let others: Vec<_> = others.collect();
    let first = others.first().filter(|_| then.len() > 1)?;
    let (n, of) = (others.len(), then.len());
    Some(format!(
        " ({n} of {of} files, first {})",
        first.file.display()
    ))
}

fn told(input: &Input) -> String {
    let files = input.files.map(|n| counted(n, "file") + ", ");
    let files = files.unwrap_or_default();
    let hash = input.blake3.get(..12).unwrap_or(&input.blake3);
    format!("{files}{} bytes, BLAKE3 {hash}", input.bytes)
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let shown = |it: &Option<String>| it.clone().unwrap_or_else(|| "none".to_owned());
        write!(
            f,
            "{}: {}, now {}",
            self.what,
            shown(&self.then),
            shown(&self.now)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::testing::recorded;

    fn told(then: &Recorded, now: &Recorded) -> Vec<String> {
        let of = |recorded| Circumstances::of_run(recorded, Vec::new());
        let found = differences(&of(then), &of(now));
        found.iter().map(ToString::to_string).collect()
    }

    fn input(path: &str, hash: char) -> Input {
        Input {
            path: path.into(),
            real: path.into(),
            files: Some(2),
            bytes: 30,
            blake3: hash.to_string().repeat(64),
        }
    }

    #[test]
    fn only_what_differs_is_told() {
        let mut then = recorded();
        then.inputs = vec![input("/a/cifar10", '1')];
        assert_eq!(told(&then, &then), [""; 0]);
        let mut now = then.clone();
        now.parameters.insert("eps".into(), 0.1.into());
        now.seed = 7;
        now.versions.insert("libtorch".into(), "3".into());
        // The same data elsewhere.
        now.inputs = vec![input("/b/data", '1')];
        let lines = told(&then, &now);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[0].starts_with("parameter eps: ") && lines[0].ends_with(", now 0.1"));
        assert!(lines[1].ends_with(", now 7"));
        assert!(lines[2].starts_with("libtorch: "));
        now = then.clone();
        for run in [&mut then, &mut now] {
            let path = run.inputs[0].path.clone();
            run.parameters.insert("data".into(), path.into());
        }
        now.inputs = vec![input("/b/data", '2')];
        now.parameters.insert("data".into(), "/b/data".into());
        let lines = told(&then, &now);
        assert_eq!(
            lines,
            [
                "data /a/cifar10: 2 files, 30 bytes, BLAKE3 111111111111, now 2 files, 30 bytes, \
              BLAKE3 222222222222"
            ]
        );
    }

    /// A script that was copied elsewhere is the same; one with another text is not.
    #[test]
    fn scripts_go_by_their_places_to_each_other() {
        let (one, two) = ("1".repeat(64), "2".repeat(64));
        let placed = |home: &str, hash: &str| {
            let mut it = recorded();
            it.script = Some(format!("{home}/s.rhai"));
            it.sources = [
                (format!("{home}/s.rhai"), one.clone()),
                (format!("{home}/lib/own.rhai"), hash.to_owned()),
                ("std/train.rhai".to_owned(), one.clone()),
            ]
            .into();
            it
        };
        assert_eq!(told(&placed("/a", &one), &placed("/b/c", &one)), [""; 0]);
        let lines = told(&placed("/a", &one), &placed("/b/c", &two));
        assert_eq!(lines, ["lib/own.rhai: 111111111111, now 222222222222"]);
    }

    #[test]
    fn the_first_file_that_differs_is_named() {
        let file = |name: &str, hash: &str| InputFile {
            input: "d".into(),
            file: name.into(),
            bytes: 1,
            blake3: hash.into(),
        };
        let (a, b, c) = (file("a", "1"), file("b", "1"), file("b", "2"));
        assert_eq!(
            first_other(&[&a, &b], &[&a, &c]).as_deref(),
            Some(" (1 of 2 files, first b)")
        );
        assert_eq!(first_other(&[&a, &b], &[&a, &b]), None);
    }
}
