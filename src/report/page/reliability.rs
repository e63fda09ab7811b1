//! Whether the models are as sure as they are right.

use super::block::{Block, Section};
use super::name::slug;
use super::study::Study;
use crate::Result;
use crate::metrics::{Calibration, calibration};
use crate::report::figure::{Data, Reliability, reliability};
use crate::report::{Cell, Table};
use maud::html;

/// As in the papers.
const BINS: usize = 15;

pub fn section(study: &Study, _: &mut Vec<String>) -> Result<Option<Section>> {
    let columns = ["ECE, %", "RMS, %", "overconfidence, points"];
    let mut table = Table::new("", columns.map(str::to_owned).to_vec());
    let mut figures = Vec::new();
    for condition in study.main_conditions() {
        table.heading(condition);
        for (model, it) in study.under(condition) {
            let confidences: Vec<f64> = it.rows().iter().map(|row| row.confidence).collect();
            let correct: Vec<bool> = it
                .rows()
                .iter()
                .map(|row| row.prediction == row.label)
                .collect();
            let of = calibration(&confidences, &correct, BINS)?;
            let cells = vec![
                Cell::percent(of.ece),
                Cell::percent(of.rms),
                Cell::change(of.overconfidence.map(|it| 100.0 * it)),
            ];
            table.row(&model.name, cells)?;
            figures.push(reliability(Reliability {
                name: format!("reliability-{}-{}", slug(&model.name), slug(condition)),
                title: format!("{}, {condition}", model.name),
                description: "The accuracy of each bin of confidence; the line is that of a \
                              calibrated model."
                    .into(),
                slot: model.slot,
                calibration: &of,
                data: data(&of),
            }));
        }
    }
    if figures.is_empty() {
        return Ok(None);
    }
    Ok(Some(Section {
        id: "reliability",
        title: "Reliability",
        blocks: vec![
            Block::Text(html! {
                p {
                    "Accuracy against confidence, the largest probability, in " (BINS) " bins of \
                     equal width; the outlined part is the gap between the two. ECE weighs the gaps \
                     by images, RMS their squares."
                }
            }),
            Block::Panels(figures),
            Block::sheet("reliability", "model", table),
        ],
    }))
}

fn data(of: &Calibration) -> Data {
    let mut data = Data::new(["from, %", "to, %", "images", "accuracy, %", "confidence, %"]);
    for bin in &of.bins {
        data.rows.push(vec![
            Data::percent(Some(bin.from)),
            Data::percent(Some(bin.to)),
            bin.images.to_string(),
            Data::percent(bin.accuracy),
            Data::percent(bin.confidence),
        ]);
    }
    data
}
