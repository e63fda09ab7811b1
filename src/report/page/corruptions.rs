//! Errors under corruptions: 15 times 5, the mCE by AlexNet's errors and the plain mean.

use super::block::{Block, Section};
use super::name::{slug, spoken};
use super::study::{Model, Study};
use crate::Result;
use crate::ledger::Kind;
use crate::metrics::{CORRUPTIONS, CorruptionTable, SEVERITIES};
use crate::report::figure::{Data, Figure, Heat, HeatRow, heat_map};
use crate::report::{Cell, Table};
use maud::html;

type Rows = Vec<(String, [Option<f64>; SEVERITIES])>;

pub fn section(study: &Study, missing: &mut Vec<String>) -> Result<Option<Section>> {
    let measured: Vec<(&Model, Rows)> = study
        .models
        .iter()
        .map(|it| (it, in_order(it.corruption_errors())))
        .filter(|it| !it.1.is_empty())
        .collect();
    if measured.is_empty() {
        if !study.models.is_empty() {
            missing.push(
                "Corruptions: evaluate::corruptions(model, split, #{ ... }) measures all 15 at \
                 five severities."
                    .into(),
            );
        }
        return Ok(None);
    }
    let mut tables = Vec::new();
    for (model, _) in &measured {
        let table = model.corruption_table(study.clean())?;
        let lacking = table
            .as_ref()
            .map_or(CORRUPTIONS.len(), |it| it.missing.len());
        if lacking > 0 {
            missing.push(format!(
                "{}: {lacking} of the 15 corruptions do not have all five severities, so its \
                 means compare with no one else's.",
                model.name
            ));
        }
        tables.push((*model, table));
    }
    let parts = parts(study);
    let figures = measured.iter().map(|(model, rows)| heat(model, rows));
    Ok(Some(Section {
        id: "corruptions",
        title: "Corruptions",
        blocks: vec![
            Block::Text(html! {
                p {
                    "Error in % at severities 1 to 5. The mCE divides each corruption's mean error by AlexNet's on ImageNet-C and says little of other \
                     data; the plain mean, which some papers call mCE, stands beside it."
                }
                @if !parts.is_empty() {
                    p.warning { "On a part of the images so far: " (parts.join("; ")) "." }
                }
            }),
            Block::Panels(figures.collect()),
            Block::sheet("corruptions", "mean", means(&tables)?),
            Block::Folded(
                html! { "Each corruption beside AlexNet's" },
                vec![Block::sheet(
                    "corruption-errors",
                    "corruption",
                    each(&tables)?,
                )],
            ),
        ],
    }))
}

/// The benchmark's first, in its order.
fn in_order(mut rows: Rows) -> Rows {
    let place = |name: &str| CORRUPTIONS.iter().position(|it| it.0 == name);
    rows.sort_by_key(|it| place(&it.0).unwrap_or(CORRUPTIONS.len()));
    rows
}

fn heat(model: &Model, rows: &Rows) -> Figure {
    let severities: Vec<String> = (1..=SEVERITIES).map(|it| it.to_string()).collect();
    let mut data = Data::new(["corruption", "severity", "error, %"]);
    for (name, errors) in rows {
        for (severity, error) in severities.iter().zip(errors) {
            let fields = vec![name.clone(), severity.clone(), Data::percent(*error)];
            data.rows.push(fields);
        }
    }
    let row = |(name, errors): &(String, [Option<f64>; SEVERITIES])| {
        let all: Option<Vec<f64>> = errors.iter().copied().collect();
        HeatRow {
            name: spoken(name),
            values: errors.to_vec(),
            mean: all.map(|it| it.iter().sum::<f64>() / it.len() as f64),
        }
    };
    heat_map(Heat {
        name: format!("corruptions-{}", slug(&model.name)),
        title: format!("{}: error under corruptions, %", model.name),
        description: "A field for each corruption and severity; deeper is worse.".into(),
        columns: severities,
        rows: rows.iter().map(row).collect(),
        data,
    })
}

/// What a row is called, and its value of a model.
type MeanRow<'a> = (String, &'a dyn Fn(&CorruptionTable) -> Option<f64>);

type Tables<'a> = [(&'a Model, Option<CorruptionTable>)];

/// A table with a column for each model, to be filled row by row.
fn filled(tables: &Tables, rows: &[MeanRow]) -> Result<Table> {
    let tables: Vec<(&Model, &CorruptionTable)> = tables
        .iter()
        .filter_map(|it| Some((it.0, it.1.as_ref()?)))
        .collect();
    let columns = tables.iter().map(|it| it.0.name.clone()).collect();
    let mut table = Table::new("", columns);
    for (label, value) in rows {
        let values: Vec<Option<f64>> = tables.iter().map(|it| value(it.1)).collect();
        if values.iter().any(Option::is_some) {
            table.row(label, values.into_iter().map(Cell::percent).collect())?;
        }
    }
    Ok(table)
}

fn means(tables: &Tables) -> Result<Table> {
    let severities: Vec<_> = (0..SEVERITIES)
        .map(|at| move |it: &CorruptionTable| it.by_severity.map(|all| all[at]))
        .collect();
    let mut rows: Vec<MeanRow> = vec![
        ("mCE, by AlexNet's errors".into(), &|it| it.mce),
        ("plain mean of the errors".into(), &|it| it.mean_error),
        ("relative mCE".into(), &|it| it.relative_mce),
    ];
    for (at, severity) in severities.iter().enumerate() {
        rows.push((format!("plain mean, severity {}", at + 1), severity));
    }
    let mut table = filled(tables, &rows)?;
    table.note(
        "All in %. Relative mCE: what is added to the clean error, divided by what is added to \
         AlexNet's. The means are over those of the 15 corruptions that have all five severities.",
    );
    Ok(table)
}

fn each(tables: &Tables) -> Result<Table> {
    let values: Vec<_> = CORRUPTIONS
        .iter()
        .map(|(name, _)| {
            move |it: &CorruptionTable| it.corruptions.iter().find(|it| it.name == *name)?.ce
        })
        .collect();
    let rows: Vec<MeanRow> = CORRUPTIONS
        .iter()
        .zip(&values)
        .map(|((name, _), value)| (spoken(name), value as _))
        .collect();
    let mut table = filled(tables, &rows)?;
    table.note("A corruption's mean error divided by AlexNet's, in %.");
    Ok(table)
}

/// Corruptions that were measured on a part of the images so far.
fn parts(study: &Study) -> Vec<String> {
    const NAMED: usize = 6;
    let mut parts = Vec::new();
    for model in &study.models {
        let some = model.conditions.iter();
        let some = some.filter(|it| it.about.kind == Kind::Corruption && !it.complete());
        parts.extend(some.map(|it| format!("{}, {}: {}", model.name, it.name(), it.images())));
    }
    if parts.len() > NAMED {
        let more = parts.len() - NAMED;
        parts.truncate(NAMED);
        parts.push(format!("and {more} more"));
    }
    parts
}
