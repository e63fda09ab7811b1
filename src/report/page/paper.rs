//! The paper's table, ours beside the published numbers.

use super::block::{Block, Section};
use super::study::{Model, Study};
use crate::Result;
use crate::report::{Scores, Table, paper_table};

pub fn section(study: &Study, missing: &mut Vec<String>) -> Result<Option<Section>> {
    if study.models.is_empty() {
        missing.push(
            "No ledgers, so nothing to compute tables from: evaluate::errors, measure and \
             corruptions of std/evaluate write one for each model and condition."
                .into(),
        );
        return Ok(None);
    }
    let Some(clean) = study.clean() else {
        missing.push("The paper's table: no model was evaluated on clean images.".into());
        return Ok(None);
    };
    if study.attack().is_none() {
        missing.push(
            "Errors under attack: give evaluate::errors an `attack`, or use evaluate::measure, \
             which runs PGD-40."
                .into(),
        );
    }
    // Where several runs have an Adv or Adv+, each run is compared in itself.
    let clash = study.models.iter().any(|it| it.name != it.own_name);
    let mut blocks = Vec::new();
    if clash && study.runs.len() > 1 {
        for (run, name) in study.run_names.iter().enumerate() {
            let models: Vec<&Model> = study.models.iter().filter(|it| it.run == run).collect();
            let names = models.iter().map(|it| it.own_name.as_str()).collect();
            if let Some(table) = table(study, &models, names, clean)? {
                blocks.push(Block::Heading(name.clone()));
                blocks.push(Block::sheet(format!("paper-{}", run + 1), "measure", table));
            }
        }
    } else {
        let models: Vec<&Model> = study.models.iter().collect();
        let names = models.iter().map(|it| it.name.as_str()).collect();
        if let Some(table) = table(study, &models, names, clean)? {
            blocks.push(Block::sheet("paper", "measure", table));
        }
    }
    Ok(Some(Section {
        id: "paper",
        title: "The paper's table",
        blocks,
    }))
}

fn table(study: &Study, models: &[&Model], names: Vec<&str>, clean: &str) -> Result<Option<Table>> {
    let corruptions = models.iter().map(|it| it.corruption_error());
    let corruptions: Vec<_> = corruptions.collect::<Result<_>>()?;
    let attack = study.attack();
    let scores: Vec<Scores> = models
        .iter()
        .zip(names)
        .zip(&corruptions)
        .filter_map(|((it, name), corruptions)| {
            let attacked = attack.and_then(|attack| it.condition(attack));
            Some(Scores {
                model: name,
                clean: &it.condition(clean)?.evaluation,
                attacked: attacked.map(|it| &it.evaluation),
                corrupted: corruptions.as_ref(),
            })
        })
        .collect();
    if scores.is_empty() {
        return Ok(None);
    }
    paper_table("", attack.unwrap_or_default(), &scores, &study.class_names).map(Some)
}
