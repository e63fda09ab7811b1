//! What was run, how, on what: parameters, threat models, conventions, machine, versions.

use super::block::{Block, Section};
use super::study::Study;
use crate::Result;
use crate::report::{Cell, Table, binary_size, duration};
use maud::{Markup, html};
use serde_json::Value;
use std::time::Duration;

pub fn section(study: &Study, _: &mut Vec<String>) -> Result<Option<Section>> {
    Ok(Some(Section {
        id: "settings",
        title: "Parameters and conventions",
        blocks: vec![
            Block::Heading("Parameters".into()),
            Block::sheet("parameters", "parameter", parameters(study)?),
            Block::Heading("Threat models".into()),
            Block::Text(threats(study)),
            Block::Heading("Noted by the scripts".into()),
            Block::Text(notes(study)),
            Block::Heading("Conventions".into()),
            Block::Text(conventions()),
            Block::Heading("Machine and versions".into()),
            Block::sheet("machine", "what", machine(study)?),
        ],
    }))
}

/// A row for each name that any run has, in the order in which they come up.
fn table<'a>(study: &'a Study, of_run: impl Fn(usize) -> Vec<(&'a str, String)>) -> Result<Table> {
    let all: Vec<Vec<(&str, String)>> = (0..study.runs.len()).map(of_run).collect();
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in all.iter().flatten() {
        if !names.contains(name) {
            names.push(name);
        }
    }
    let mut table = Table::new("", study.run_names.clone());
    for name in names {
        let value = |run: &Vec<(&str, String)>| {
            let value = run.iter().find(|it| it.0 == name);
            Cell::Text(value.map_or("–".to_owned(), |it| it.1.clone()))
        };
        table.row(name, all.iter().map(value).collect())?;
    }
    Ok(table)
}

fn parameters(study: &Study) -> Result<Table> {
    table(study, |run| {
        let recorded = &study.runs[run].recorded;
        let parameters = recorded.parameters.iter();
        let mut rows = vec![("command", recorded.command_line.join(" "))];
        rows.extend(parameters.map(|(name, value)| (name.as_str(), plain(value))));
        rows
    })
}

fn machine(study: &Study) -> Result<Table> {
    table(study, |run| {
        let it = &study.runs[run].recorded;
        let machine = &it.machine;
        let seconds = it.wall_seconds.filter(|it| it.is_finite() && *it >= 0.0);
        let took = seconds.map_or("–".to_owned(), |it| duration(Duration::from_secs_f64(it)));
        let mut rows = vec![
            ("status", it.status.to_string()),
            ("started", it.started.clone()),
            ("took", took),
            ("seed", it.seed.to_string()),
            ("device", it.device.clone()),
            ("threads", it.threads.to_string()),
            ("processor", machine.cpu.clone()),
            ("cores", machine.cores.to_string()),
            ("instruction sets", machine.instruction_sets.join(", ")),
            ("memory", binary_size(machine.memory_bytes)),
            ("system", machine.os.clone()),
        ];
        let versions = it.versions.iter();
        rows.extend(versions.map(|(name, version)| (name.as_str(), version.clone())));
        rows
    })
}

/// What a script notes a condition's threat model under.
const THREAT: &str = "threat model: ";

/// Each different threat model, with the conditions that were measured under it.
fn threats(study: &Study) -> Markup {
    let mut all: Vec<(String, Vec<&str>)> = Vec::new();
    for name in study.conditions() {
        for (model, it) in study.under(name) {
            let Some(attack) = &it.about.attack else {
                continue;
            };
            // What the script noted says the radius in all its units.
            let notes = &study.runs[model.run].recorded.notes;
            let noted = notes.get(&format!("{THREAT}{name}"));
            let threat = plain(noted.unwrap_or(attack));
            match all.iter_mut().find(|it| it.0 == threat) {
                Some((_, names)) if names.contains(&name) => {}
                Some((_, names)) => names.push(name),
                None => all.push((threat, vec![name])),
            }
        }
    }
    html! {
        @if all.is_empty() { p.fine { "No condition was an attack." } }
        @if !all.is_empty() {
            dl {
                @for (threat, names) in &all { dt { (names.join("; ")) } dd { (threat) } }
            }
        }
    }
}

/// What is not among the threat models.
fn notes(study: &Study) -> Markup {
    let several = study.runs.len() > 1;
    let conditions = study.conditions();
    let other = |key: &str| {
        let condition = key.strip_prefix(THREAT);
        condition.is_none_or(|it| !conditions.contains(&it))
    };
    html! {
        @for (run, name) in study.runs.iter().zip(&study.run_names) {
            @let notes: Vec<_> = run.recorded.notes.iter().filter(|it| other(it.0)).collect();
            @if several { h4 { (name) } }
            @let warnings = &run.recorded.warnings;
            @if notes.is_empty() && warnings.is_empty() { p.fine { "Nothing else." } }
            dl {
                @for (key, value) in notes { dt { (key) } dd { (plain(value)) } }
                @for warning in warnings { dt { "warning" } dd { (warning) } }
            }
        }
    }
}

/// JSON as people read it.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(all) => {
            let all: Vec<String> = all.iter().map(plain).collect();
            format!("[{}]", all.join(", "))
        }
        Value::Object(all) => {
            let set = all.iter().filter(|it| !it.1.is_null());
            let all: Vec<String> = set
                .map(|(key, it)| format!("{key}: {}", plain(it)))
                .collect();
            all.join(", ")
        }
        other => other.to_string(),
    }
}

const CONVENTIONS: [(&str, &str); 8] = [
    (
        "Prediction",
        "the class of the largest of the K class outputs, the first of several; outputs of \
         transformations are left out.",
    ),
    (
        "eps",
        "in pixels of [0, 1] unless a threat model says another space; models normalise inside.",
    ),
    (
        "Imbalance",
        "the population standard deviation of the class errors; classes without images enter \
         none.",
    ),
    (
        "ReaL",
        "a prediction is right if it is any of an image's correct labels; images without one are \
         left out. An image counts for the class of its one label.",
    ),
    (
        "mCE",
        "a corruption's mean error over five severities, divided by AlexNet's on ImageNet-C, the \
         mean over 15 corruptions; the plain mean is always beside it.",
    ),
    (
        "Calibration",
        "confidence is the largest softmax probability over the K classes; 15 bins of equal width.",
    ),
    (
        "Intervals",
        "95 %: Wilson's for errors; basic bootstrap within classes, 1000 resamples, for the \
         imbalance. They speak of other test images, not of other training runs.",
    ),
    (
        "Relative improvement",
        "100 (A − B) / A in %: above 0 where B is the smaller.",
    ),
];

fn conventions() -> Markup {
    html! {
        dl { @for (name, text) in CONVENTIONS { dt { (name) } dd { (text) } } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_reads_as_text() {
        let value = serde_json::json!({ "attack": "pgd", "clip": [0.0, 1.0], "seed": null });
        assert_eq!(plain(&value), "attack: pgd, clip: [0.0, 1.0]");
        assert_eq!(plain(&Value::Null), "none");
    }
}
