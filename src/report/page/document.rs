//! The page around the sections.

use super::block::{Block, Section, Sheet};
use super::study::Study;
use crate::Result;
use crate::report::Cell;
use crate::report::figure::{self, Data, Figure};
use crate::run::Status;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// What tells a report from other pages.
const GENERATOR: &str = "rhobust report";
const STYLE: &str = include_str!("page.css");
/// Sorts tables; without it they stand in the order of classes.
const SORT: &str = include_str!("sort.js");

/// Whether this program made the page.
pub fn is_report(html: &str) -> bool {
    let head = html.split("</head>").next().unwrap_or_default();
    head.contains(&generator().0)
}

fn generator() -> Markup {
    html! { meta name="generator" content=(GENERATOR); }
}

pub struct Page {
    /// What kind of page it is.
    kicker: &'static str,
    title: String,
    subtitle: String,
    /// Of runs that did not finish, and of files that are damaged.
    warnings: Vec<String>,
    sections: Vec<Section>,
    missing: Vec<String>,
    /// What it was made from.
    origin: &'static str,
}

impl Page {
    pub fn new(study: &Study, mut sections: Vec<Section>, missing: Vec<String>) -> Self {
        name_files(&mut sections);
        let models: Vec<&str> = study.models.iter().map(|it| it.name.as_str()).collect();
        let title = match models.len() {
            0 => study.run_names.join(", "),
            1..=4 => models.join(", "),
            n => format!("{n} models"),
        };
        let runs = match &study.run_names[..] {
            [one] => format!("run {one}, started {}", study.runs[0].recorded.started),
            all => format!("runs {}", all.join(", ")),
        };
        let classes = match study.class_names.len() {
            0 => String::new(),
            n => format!(" · {n} classes"),
        };
        Page {
            kicker: "Robustness report",
            title,
            subtitle: format!("{runs}{classes}"),
            warnings: warnings(study),
            sections,
            missing,
            origin: "the runs' ledgers",
        }
    }

    /// The page of a diagnosis.
    pub fn of_diagnosis(title: String, subtitle: String, mut sections: Vec<Section>) -> Self {
        name_files(&mut sections);
        Page {
            kicker: "Are gradients masked?",
            title,
            subtitle,
            warnings: Vec::new(),
            sections,
            missing: Vec::new(),
            origin: "the attacks of one diagnosis",
        }
    }

    pub fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.sections.iter().flat_map(|it| &it.blocks)
    }

    /// # Errors
    /// `Invalid` where data do not fit their columns.
    pub fn html(&self) -> Result<String> {
        let sections: Vec<Markup> = self.sections.iter().map(section).collect::<Result<_>>()?;
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    (generator())
                    title { (self.title) " · " (self.kicker) }
                    style { (PreEscaped(figure::STYLE)) (PreEscaped(STYLE)) }
                }
                body {
                    header {
                        p.kicker { (self.kicker) }
                        h1 { (self.title) }
                        p.muted { (self.subtitle) }
                        @for warning in &self.warnings { p.warning role="status" { (warning) } }
                        nav aria-label="Sections" {
                            @for it in &self.sections { a href={ "#" (it.id) } { (it.title) } }
                            @if !self.missing.is_empty() { a href="#missing" { "Not here" } }
                        }
                    }
                    main {
                        @for it in sections { (it) }
                        @if !self.missing.is_empty() {
                            section id="missing" {
                                h2 { "Not here, and how to get it" }
                                ul { @for line in &self.missing { li { (line) } } }
                            }
                        }
                    }
                    footer {
                        "Computed from " (self.origin) " by rhobust "
                        (env!("CARGO_PKG_VERSION")) "."
                    }
                    script { (PreEscaped(SORT)) }
                }
            }
        };
        Ok(page.into_string())
    }
}

/// So that no two are alike.
fn name_files(sections: &mut [Section]) {
    let mut taken = Vec::new();
    for block in sections.iter_mut().flat_map(|it| &mut it.blocks) {
        block.name_files(&mut taken);
    }
}

fn warnings(study: &Study) -> Vec<String> {
    let runs = study.runs.iter().zip(&study.run_names);
    let warning = |(run, name): (&super::read::RunFolder, &String)| {
        let recorded = &run.recorded;
        match recorded.status {
            Status::Finished => None,
            Status::Running => Some(format!(
                "The run {name} was still going on when this page was made, or was killed: its \
                 numbers may be of a part."
            )),
            Status::Interrupted => Some(format!(
                "The run {name} was interrupted: its numbers may be of a part."
            )),
            Status::Failed => {
                // The lines after the first point into the script.
                let error = recorded.error.as_deref().and_then(|it| it.lines().next());
                let error = error.map_or("nobody knows why", |it| it.trim_start_matches("error: "));
                Some(format!("The run {name} failed: {error}"))
            }
        }
    };
    let damaged = study.runs.iter().flat_map(|it| &it.damaged);
    let damaged = damaged.map(|it| format!("Left out: {it}"));
    runs.filter_map(warning).chain(damaged).collect()
}

fn section(it: &Section) -> Result<Markup> {
    let blocks: Vec<Markup> = it.blocks.iter().map(block).collect::<Result<_>>()?;
    Ok(html! {
        section id=(it.id) {
            h2 { (it.title) }
            @for block in blocks { (block) }
        }
    })
}

fn block(it: &Block) -> Result<Markup> {
    Ok(match it {
        Block::Text(text) => text.clone(),
        Block::Heading(text) => html! { h3 { (text) } },
        Block::Panels(figures) => {
            let figures: Vec<Markup> = figures.iter().map(panel).collect::<Result<_>>()?;
            html! { div.panels { @for it in figures { (it) } } }
        }
        Block::Sheet(it) => sheet(it)?,
        Block::Folded(title, blocks) => {
            let blocks: Vec<Markup> = blocks.iter().map(block).collect::<Result<_>>()?;
            html! { details { summary { (title) } @for it in blocks { (it) } } }
        }
    })
}

fn panel(it: &Figure) -> Result<Markup> {
    let svg = link(&it.name, "svg", "image/svg+xml", it.file().as_bytes());
    Ok(html! {
        figure.panel {
            figcaption { (it.title) }
            (it.inline())
            p.links { (svg) (csv(&it.name, &it.data)?) }
        }
    })
}

fn csv(name: &str, data: &Data) -> Result<Markup> {
    Ok(link(name, "csv", "text/csv", &data.csv()?))
}

fn link(name: &str, ending: &str, kind: &str, bytes: &[u8]) -> Markup {
    let data = format!("data:{kind};base64,{}", BASE64_STANDARD.encode(bytes));
    html! {
        a download=(format!("{name}.{ending}")) href=(data)
            aria-label=(format!("{name} as {}", ending.to_uppercase())) {
            (ending.to_uppercase())
        }
    }
}

fn sheet(it: &Sheet) -> Result<Markup> {
    let table = &it.table;
    // A column stands as text unless it has numbers.
    let of_text = |column: usize| {
        let cells = table.rows.iter().filter_map(|row| row.cells.get(column));
        cells.clone().all(|cell| matches!(cell, Cell::Text(_)))
            && cells.clone().any(|cell| !is_number(&cell.to_string()))
    };
    let classes: Vec<&str> = (0..table.columns.len())
        .map(|column| if of_text(column) { "text" } else { "number" })
        .collect();
    let width = (table.columns.len() + 1).to_string();
    Ok(html! {
        div.scroll tabindex="0" role="region" aria-label=(it.name) {
            table.sortable[it.sortable] {
                thead {
                    tr {
                        th scope="col" { (it.labels) }
                        @for (name, class) in table.columns.iter().zip(&classes) {
                            th scope="col" class=(class) { (name) }
                        }
                    }
                }
                tbody {
                    @for row in &table.rows {
                        @if row.cells.is_empty() && !table.columns.is_empty() {
                            tr.group { th scope="colgroup" colspan=(width) { span { (row.label) } } }
                        } @else {
                            tr {
                                th scope="row" { (row.label) }
                                @for (cell, class) in row.cells.iter().zip(&classes) {
                                    td class=(class) { (shown(cell)) }
                                }
                            }
                        }
                    }
                }
            }
        }
        @for note in &table.notes { p.fine { (note) } }
        p.links { (csv(&it.name, &it.data())?) }
    })
}

/// A cell as figures write it: with a minus, and a dash where there is nothing.
fn shown(cell: &Cell) -> String {
    let text = cell.to_string();
    match (cell, text.strip_prefix('-')) {
        (Cell::Number { .. }, Some(size)) => format!("−{size}"),
        _ if text.is_empty() => "–".to_owned(),
        _ => text,
    }
}

/// Whether a text stands in a column as numbers do: `20`, `20 of 100`, `–`.
fn is_number(text: &str) -> bool {
    text.is_empty() || text == "–" || text.starts_with(|it: char| it.is_ascii_digit())
}
