//! The page of a diagnosis: whether the error under an attack can be trusted, and why not.

use super::block::{Block, Section};
use super::diagnosis_text::shown;
use super::document::Page;
use crate::attack::{EpsSpace, describe_eps};
use crate::diagnose::{Check, Diagnosis, Evidence, Plot, Shape, Trust, Unit, Verdict};
use crate::files::{plain_name, write_whole};
use crate::metrics::wilson_interval;
use crate::report::figure::{Axis, Curve, Curves, Data, Figure, Grid, curves, grid};
use crate::report::{Cell, Format, Table};
use crate::{Error, Result};
use maud::{Markup, html};
use std::path::{Path, PathBuf};

/// The text of the page.
///
/// # Errors
/// None for a diagnosis that there can be.
pub fn diagnosis_page(diagnosis: &Diagnosis) -> Result<String> {
    let title = format!("{}: {}", diagnosis.name, diagnosis.verdict.word());
    let subtitle = format!(
        "PGD-{}, L∞, eps {} · {} images of {} · seed {}",
        diagnosis.options.steps,
        describe_eps(diagnosis.options.eps, EpsSpace::Pixel, None),
        diagnosis.images,
        diagnosis.data,
        diagnosis.seed
    );
    let sections = [
        Some(verdict(diagnosis)?),
        reasons(diagnosis),
        Some(checks(diagnosis)?),
        figures(diagnosis),
        missing(diagnosis),
        Some(settings(diagnosis)),
    ];
    Page::of_diagnosis(title, subtitle, sections.into_iter().flatten().collect()).html()
}

/// Writes the page and the data, `diagnosis.html` and `diagnosis.json`, into `folder`; of another
/// name than `"model"`, `diagnosis-NAME`. Returns the page's path.
///
/// # Errors
/// `Invalid` for a folder that cannot be written.
pub fn write_diagnosis(diagnosis: &Diagnosis, folder: &Path) -> Result<PathBuf> {
    let name = match diagnosis.name.as_str() {
        "model" => "diagnosis".to_owned(),
        name => plain_name(&format!("diagnosis-{name}")),
    };
    let mut json =
        serde_json::to_vec_pretty(diagnosis).map_err(|error| Error::invalid(error.to_string()))?;
    json.push(b'\n');
    write_whole(&folder.join(format!("{name}.json")), &json)?;
    let page = folder.join(format!("{name}.html"));
    write_whole(&page, diagnosis_page(diagnosis)?.as_bytes())?;
    Ok(page)
}

fn cell(it: &Evidence) -> Cell {
    match it.unit {
        Unit::Share => Cell::Text(shown(it)),
        Unit::Count | Unit::Number => Cell::number(it.value, Format::Plain),
    }
}

/// A sentence in which backticks stand around code.
fn prose(text: &str) -> Markup {
    html! {
        @for (at, part) in text.split('`').enumerate() {
            @if at % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Warn => "warn",
        Verdict::Fail => "fail",
        Verdict::NotRun => "none",
    }
}

fn badge(verdict: Verdict) -> Markup {
    html! { span class={ "badge " (class(verdict)) } { (verdict.word()) } }
}

fn verdict(diagnosis: &Diagnosis) -> Result<Section> {
    let (class, says) = match diagnosis.verdict {
        Trust::Trust => ("pass", "The number can be trusted"),
        Trust::Doubt => ("warn", "There is reason to doubt the number"),
        Trust::Masked => ("fail", "Gradients are masked: the number says nothing"),
    };
    let n = diagnosis.images as u64;
    let mut table = Table::new(
        "",
        ["error, %", "95 % low", "95 % high"]
            .map(str::to_owned)
            .into(),
    );
    for (name, error) in [
        ("clean".to_owned(), diagnosis.clean_error),
        (
            format!("PGD-{}, the number in question", diagnosis.options.steps),
            diagnosis.attack_error,
        ),
        (
            "worst case over all attacks here".to_owned(),
            diagnosis.worst_error,
        ),
    ] {
        let errors = (error * n as f64).round() as u64;
        let limits = wilson_interval(errors.min(n), n, 0.95)?;
        let cells = vec![
            Cell::percent(Some(error)),
            Cell::percent(limits.as_ref().map(|it| it.low)),
            Cell::percent(limits.as_ref().map(|it| it.high)),
        ];
        table.row(name, cells)?;
    }
    table.note("With Wilson's 95 % intervals for so many images.");
    let counts = [Verdict::Fail, Verdict::Warn, Verdict::Pass, Verdict::NotRun]
        .map(|it| (it, diagnosis.with(it).count()));
    Ok(Section {
        id: "verdict",
        title: "Verdict",
        blocks: vec![
            Block::Text(html! {
                div class={ "verdict " (class) } {
                    p.says { (says) }
                    p { (diagnosis.summary) }
                    p.tally {
                        @for (verdict, count) in counts.into_iter().filter(|it| it.1 > 0) {
                            (badge(verdict)) " " (count) " "
                        }
                    }
                }
            }),
            Block::sheet("errors", "under", table),
        ],
    })
}

/// What speaks against the number, worst first.
fn reasons(diagnosis: &Diagnosis) -> Option<Section> {
    let found: Vec<&Check> = diagnosis
        .with(Verdict::Fail)
        .chain(diagnosis.with(Verdict::Warn))
        .collect();
    let list = |it: &Check| {
        html! {
            li {
                (badge(it.verdict)) " " b { (it.question) } " " (prose(&it.explanation))
                @if let Some(advice) = &it.advice { br; span.muted { (prose(advice)) } }
            }
        }
    };
    (!found.is_empty()).then(|| Section {
        id: "reasons",
        title: "Why",
        blocks: vec![Block::Text(html! {
            ul.reasons { @for it in found { (list(it)) } }
        })],
    })
}

fn checks(diagnosis: &Diagnosis) -> Result<Section> {
    let mut blocks = vec![Block::Text(html! {
        p {
            "A check passes unless its numbers differ by more than chance among so many images \
             (exact tests, level 0.05) and by more than sound models differ. Each opens to its \
             numbers and its source."
        }
    })];
    for check in diagnosis
        .checks
        .iter()
        .filter(|it| it.verdict != Verdict::NotRun)
    {
        blocks.push(folded(check)?);
    }
    Ok(Section {
        id: "checks",
        title: "Checks",
        blocks,
    })
}

fn folded(check: &Check) -> Result<Block> {
    let mut within = Vec::new();
    if let Some(advice) = &check.advice {
        within.push(Block::Text(html! { p { (prose(advice)) } }));
    }

    if !check.evidence.is_empty() {
        let mut table = Table::new("", vec!["value".into()]);
        for it in &check.evidence {
            table.row(it.name.clone(), vec![cell(it)])?;
        }
        within.push(Block::sheet(
            format!("check-{}", check.name.replace('_', "-")),
            "what",
            table,
        ));
    }
    within.push(Block::Text(html! { p.fine { "Source: " (check.source) } }));
    Ok(Block::Folded(
        html! {
            (badge(check.verdict)) " " (check.question) br;
            span.muted { (prose(&check.explanation)) }
        },
        within,
    ))
}

fn figures(diagnosis: &Diagnosis) -> Option<Section> {
    let figures: Vec<Figure> = diagnosis.plots.iter().map(figure).collect();
    (!figures.is_empty()).then(|| Section {
        id: "figures",
        title: "Figures",
        blocks: vec![Block::Panels(figures)],
    })
}

fn figure(plot: &Plot) -> Figure {
    match &plot.shape {
        Shape::Lines(lines) => {
            let mut data = Data::new(["line", plot.x.as_str(), plot.y.as_str()]);
            for line in lines {
                for (x, y) in &line.points {
                    let field = |it: &f64| Data::number(Some(*it));
                    data.rows.push(vec![line.name.clone(), field(x), field(y)]);
                }
            }
            let percent = plot.y.contains('%');
            let of = |(slot, line): (usize, &crate::diagnose::Line)| Curve {
                name: line.name.clone(),
                slot,
                points: line.points.clone(),
                marks: line.points.len() <= MARKED,
                ..Curve::default()
            };
            curves(Curves {
                name: plot.name.clone(),
                title: plot.title.clone(),
                description: plot.description.clone(),
                x: Axis {
                    label: plot.x.clone(),
                    reach: Vec::new(),
                },
                y: Axis {
                    label: plot.y.clone(),
                    reach: if percent { vec![0.0, 100.0] } else { vec![0.0] },
                },
                curves: lines.iter().enumerate().map(of).collect(),
                data,
            })
        }
        Shape::Grid { xs, ys, values } => {
            let mut data = Data::new([plot.x.as_str(), plot.y.as_str(), "cross-entropy"]);
            for (y, row) in ys.iter().zip(values) {
                for (x, value) in xs.iter().zip(row) {
                    data.rows
                        .push([x, y, value].map(|it| Data::number(Some(*it))).to_vec());
                }
            }
            grid(Grid {
                name: plot.name.clone(),
                title: plot.title.clone(),
                description: plot.description.clone(),
                x: plot.x.clone(),
                y: plot.y.clone(),
                xs: xs.clone(),
                ys: ys.clone(),
                values: values.clone(),
                data,
            })
        }
    }
}

/// Points of a line that are few enough to be marked.
const MARKED: usize = 12;

fn missing(diagnosis: &Diagnosis) -> Option<Section> {
    let all: Vec<&Check> = diagnosis.with(Verdict::NotRun).collect();
    (!all.is_empty()).then(|| Section {
        id: "not-run",
        title: "Not run, and how to run it",
        blocks: vec![Block::Text(html! {
            ul {
                @for it in all {
                    li {
                        b { (it.question) } " " (prose(&it.explanation)) " "
                        @if let Some(advice) = &it.advice { (prose(advice)) }
                    }
                }
            }
        })],
    })
}

fn settings(diagnosis: &Diagnosis) -> Section {
    let options = serde_json::to_value(&diagnosis.options).unwrap_or_default();
    let options: Vec<(String, String)> = options
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, value)| !value.is_null() && *key != "name")
        .map(|(key, value)| match (value.as_str(), value.as_array()) {
            (Some(text), _) => (key.clone(), text.to_owned()),
            (_, Some(list)) if list.is_empty() => (key.clone(), "all".to_owned()),
            _ => (key.clone(), value.to_string()),
        })
        .collect();
    Section {
        id: "settings",
        title: "Settings",
        blocks: vec![Block::Text(html! {
            dl {
                dt { "attack in question" } dd { (diagnosis.attack) }
                dt { "images" } dd { (diagnosis.images) " of " (diagnosis.data) }
                @for (key, value) in options.iter().filter(|it| it.0 != "images") {
                    dt { (key) } dd { (value) }
                }
            }
        })],
    }
}
