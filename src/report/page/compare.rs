//! Two models example by example: whether they differ more than by chance.

use super::block::{Block, Section};
use super::study::Study;
use crate::Result;
use crate::ledger::mcnemar_of;
use crate::report::{Cell, Table};
use maud::html;

const COLUMNS: [&str; 7] = [
    "both right",
    "only A right",
    "only B right",
    "both wrong",
    "B − A, points",
    "p, exact",
    "p, mid",
];

pub fn section(study: &Study, _: &mut Vec<String>) -> Result<Option<Section>> {
    let mut table = Table::new("", COLUMNS.map(str::to_owned).to_vec());
    for condition in study.conditions() {
        let mut rows = Vec::new();
        for (a, b) in study.pairs() {
            let both = a.condition(condition).zip(b.condition(condition));
            // What cannot be compared, the section on differences says.
            let ledgers = both.and_then(|(a, b)| a.with(b));
            let Some(Ok(test)) = ledgers.map(|(a, b)| mcnemar_of(a, b)) else {
                continue;
            };
            rows.push((format!("A {}, B {}", a.name, b.name), test));
        }
        if !rows.is_empty() {
            table.heading(condition);
        }
        for (label, test) in rows {
            let count = |n: u64| Cell::plain(Some(n as f64));
            let cells = vec![
                count(test.both_right),
                count(test.only_a_right),
                count(test.only_b_right),
                count(test.both_wrong),
                Cell::change(test.error_change.map(|it| 100.0 * it)),
                Cell::plain(Some(test.p_exact)),
                Cell::plain(Some(test.p_mid)),
            ];
            table.row(label, cells)?;
        }
    }
    if table.rows.is_empty() {
        return Ok(None);
    }
    Ok(Some(Section {
        id: "examples",
        title: "Example by example",
        blocks: vec![
            Block::Text(html! {
                p {
                    "McNemar's test on the images that both models were given. Were the models \
                     equally good, a difference as large as this one or larger would come up with \
                     probability p. Several tests at once find something by chance: with k of \
                     them, ask for p below 0.05 / k."
                }
            }),
            Block::sheet("mcnemar", "models", table),
        ],
    }))
}
