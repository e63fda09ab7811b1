//! Every model under every condition, with how sure the numbers are.

use super::block::{Block, Section};
use super::study::Study;
use crate::Result;
use crate::ledger::Kind;
use crate::metrics::{Bootstrap, Sampling, bootstrap_imbalance};
use crate::report::{Cell, Table};
use maud::html;

const COLUMNS: [&str; 10] = [
    "images",
    "error, %",
    "error low, %",
    "error high, %",
    "top 5, %",
    "ReaL, %",
    "imbalance, %",
    "imbalance low, %",
    "imbalance high, %",
    "worst class",
];

pub fn section(study: &Study, missing: &mut Vec<String>) -> Result<Option<Section>> {
    let conditions = study.conditions();
    if conditions.is_empty() {
        return Ok(None);
    }
    let mut table = Table::new("", COLUMNS.map(str::to_owned).to_vec());
    let mut real = false;
    for condition in conditions {
        table.heading(condition);
        for (model, it) in study.under(condition) {
            let error = it.error()?;
            let counts = it.evaluation.top1();
            let sure = Bootstrap {
                resamples: 1000,
                level: 0.95,
                seed: 0,
            };
            let imbalance = bootstrap_imbalance(counts, Sampling::WithinClasses, &sure)?;
            let limits = imbalance.as_ref().map(|it| it.basic);
            // Mirrored about the estimate, the lower end can fall below what is possible.
            let low = limits.map(|it| it.low.max(0.0));
            let top5 = it.rows().iter().filter(|row| row.rank >= 5).count();
            let has_five = study.class_names.len() > 5 && !it.rows().is_empty();
            let top5 = has_five.then(|| top5 as f64 / it.rows().len() as f64);
            let worst = counts.worst().and_then(|worst| {
                let name = study.class_names.get(worst.class)?;
                Some(format!("{name} ({:.1})", 100.0 * worst.error))
            });
            let cells = vec![
                Cell::Text(it.images()),
                Cell::percent(error.map(|it| it.0)),
                Cell::percent(error.map(|it| it.1)),
                Cell::percent(error.map(|it| it.2)),
                Cell::percent(top5),
                Cell::percent(it.evaluation.real_error()),
                Cell::percent(counts.imbalance()),
                Cell::percent(low),
                Cell::percent(limits.map(|it| it.high)),
                Cell::Text(worst.unwrap_or_default()),
            ];
            table.row(&model.name, cells)?;
            real |= it.evaluation.real().is_some();
        }
    }
    if !real {
        missing.push(
            "ReaL: the data have no sets of correct labels; for ImageNet, \
             dataset(path, #{ real: \"real.json\" }) adds them."
                .into(),
        );
    }
    for model in &study.models {
        let parts = model.conditions.iter().filter(|it| !it.complete());
        for it in parts.filter(|it| it.about.kind != Kind::Corruption) {
            missing.push(format!(
                "{}, {}: {} images; run the evaluation again into the same folder to complete it.",
                model.name,
                it.name(),
                it.images()
            ));
        }
    }
    Ok(Some(Section {
        id: "measured",
        title: "All measurements",
        blocks: vec![
            Block::Text(html! {
                p {
                    "Top-1 error with Wilson's 95 % interval; imbalance, the population standard \
                     deviation of the class errors, with the basic bootstrap interval of 1000 \
                     resamples within classes. Of few images in each class the imbalance is larger \
                     by chance alone; the interval makes up for that and can lie below it."
                }
            }),
            Block::sheet("measured", "model", table),
        ],
    }))
}
