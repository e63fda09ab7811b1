//! What a finished run measured.

use crate::metrics::{CORRUPTIONS, ClassErrors, SEVERITIES, mean_corruption_error};
use crate::report::{Logged, read_logged};
use crate::run::Recorded;
use crate::{Error, Result};
use serde::Deserialize;
use std::fs;
use std::path::Path;

/// A number, and of what it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    pub of: Quantity,
    pub value: f64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantity {
    pub model: String,
    /// What the model was evaluated under; of what the script logged, the kind.
    pub condition: String,
    /// Such as `error`, `imbalance`, `mCE`, `loss`.
    pub metric: String,
    /// Whether it is a fraction that people read in percent.
    pub share: bool,
    /// Whether it is one of many that another number sums up.
    pub detail: bool,
}

/// A row of `classes.csv`, as far as it counts here.
#[derive(Deserialize)]
struct ClassRow {
    model: String,
    condition: String,
    images: u64,
    errors: u64,
}

/// One model under one condition, with the images and the errors of each class.
struct Block {
    model: String,
    condition: String,
    counts: Vec<(u64, u64)>,
}

/// What the run in `folder` measured: for each model and condition of `classes.csv` the error and
/// the imbalance; where these have all corruptions of ImageNet-C at all severities, the mCE and
/// the plain mean of their errors; of `metrics.csv`, apart from single steps, the last value of
/// each metric for each kind and model.
///
/// # Errors
/// `Invalid` for files that are damaged.
pub fn measured(folder: &Path) -> Result<Vec<Measured>> {
    let blocks = read_blocks(&folder.join("classes.csv"))?;
    let mut all = of_classes(&blocks)?;
    all.extend(of_log(read_logged(&folder.join("metrics.csv"))?));
    Ok(all)
}

fn read_blocks(path: &Path) -> Result<Vec<Block>> {
    let mut blocks: Vec<Block> = Vec::new();
    let recorded = path.parent().map(Recorded::read).and_then(Result::ok);
    if !path.exists() {
        let lacks = recorded.map_or(Ok(()), |it| it.check_lacks("classes.csv"));
        return lacks
            .map(|()| blocks)
            .map_err(|error| error.context(path.display()));
    }
    let damaged =
        |error: csv::Error| Error::invalid(format!("{} is damaged: {error}", path.display()));
    let bytes = fs::read(path).map_err(|error| Error::io(path, &error))?;
    if let Some(recorded) = recorded {
        let intact = recorded.check_result("classes.csv", &bytes);
        intact.map_err(|error| error.context(path.display()))?;
    }
    let mut reader = csv::Reader::from_reader(&bytes[..]);
    for row in reader.deserialize() {
        let row: ClassRow = row.map_err(damaged)?;
        let counts = (row.images, row.errors);
        let same = |it: &&mut Block| it.model == row.model && it.condition == row.condition;
        match blocks.iter_mut().find(same) {
            Some(block) => block.counts.push(counts),
            None => blocks.push(Block {
                model: row.model,
                condition: row.condition,
                counts: vec![counts],
            }),
        }
    }
    Ok(blocks)
}

fn of_classes(blocks: &[Block]) -> Result<Vec<Measured>> {
    let mut models: Vec<&str> = Vec::new();
    for block in blocks {
        if !models.contains(&block.model.as_str()) {
            models.push(&block.model);
        }
    }
    let mut all = Vec::new();
    for model in models {
        let own: Vec<&Block> = blocks.iter().filter(|it| it.model == model).collect();
        let corrupted = corrupted(&own)?;
        for block in own {
            let errors = block.errors();
            let detail = corrupted.is_some() && is_of_corruption(&block.condition);
            for (metric, value) in [("error", errors.error()), ("imbalance", errors.imbalance())] {
                let of = quantity(model, &block.condition, metric);
                let of = Quantity { detail, ..of };
                all.extend(value.map(|value| Measured { of, value }));
            }
        }
        for (metric, value) in corrupted.into_iter().flatten() {
            let of = quantity(model, "corruptions", metric);
            all.push(Measured { of, value });
        }
    }
    Ok(all)
}

fn quantity(model: &str, condition: &str, metric: &str) -> Quantity {
    Quantity {
        model: model.to_owned(),
        condition: condition.to_owned(),
        metric: metric.to_owned(),
        share: true,
        detail: false,
    }
}

impl Block {
    fn errors(&self) -> ClassErrors {
        let mut errors = ClassErrors::new(self.counts.len());
        for (class, &(images, wrong)) in self.counts.iter().enumerate() {
            errors.set(class, images, wrong);
        }
        errors
    }
}

/// What a corruption at a severity is called.
fn condition_of(corruption: &str, severity: usize) -> String {
    format!("{corruption} {severity}")
}

fn is_of_corruption(condition: &str) -> bool {
    let mut names = CORRUPTIONS.iter();
    names.any(|(name, _)| (1..=SEVERITIES).any(|it| condition == condition_of(name, it)))
}

/// The mCE and the plain mean of a model's errors under all corruptions, if it has them all.
fn corrupted(blocks: &[&Block]) -> Result<Option<[(&'static str, f64); 2]>> {
    let error = |condition: String| {
        let block = blocks.iter().find(|it| it.condition == condition)?;
        block.errors().error()
    };
    let of_corruption = |(name, _): &(&str, f64)| -> Option<Vec<f64>> {
        let severities = 1..=SEVERITIES;
        severities.map(|it| error(condition_of(name, it))).collect()
    };
    let Some(errors) = CORRUPTIONS
        .iter()
        .map(of_corruption)
        .collect::<Option<Vec<_>>>()
    else {
        return Ok(None);
    };
    let means = mean_corruption_error(&errors)?;
    Ok(Some([("mCE", means.mce), ("mean error", means.mean_error)]))
}

fn of_log(rows: Vec<Logged>) -> Vec<Measured> {
    let mut all: Vec<Measured> = Vec::new();
    for row in rows.into_iter().filter(|row| row.kind != "step") {
        for (metric, value) in row.values {
            let of = Quantity {
                share: false,
                ..quantity(&row.model, &row.kind, &metric)
            };
            match all.iter_mut().find(|it| it.of == of) {
                Some(earlier) => earlier.value = value,
                None => all.push(Measured { of, value }),
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn found(classes: &str, metrics: &str) -> Vec<(String, f64)> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("classes.csv"), classes).unwrap();
        fs::write(folder.path().join("metrics.csv"), metrics).unwrap();
        let all = measured(folder.path()).unwrap().into_iter();
        all.map(|Measured { of, value }| {
            let detail = if of.detail { " (detail)" } else { "" };
            let Quantity {
                model,
                condition,
                metric,
                ..
            } = of;
            (format!("{model}/{condition}/{metric}{detail}"), value)
        })
        .collect()
    }

    const CLASSES: &str = "model,condition,class,name,images,errors,error\n";

    #[test]
    fn errors_by_hand_and_the_last_of_what_was_logged() {
        // Class errors 0.5 and 0: 1 of 6 images wrong, a population deviation of 0.25.
        let classes = format!("{CLASSES}a,clean,0,cat,2,1,0.5\na,clean,1,dog,4,0,0.0\n");
        let metrics = "kind,model,epoch,step,loss,mine\nstep,a,0,0,9.0,\nepoch,a,0,,2.5,\n\
                       epoch,a,1,,1.5,\nfinal,,,,,7.0\n";
        let expected = [
            ("a/clean/error", 1.0 / 6.0),
            ("a/clean/imbalance", 0.25),
            ("a/epoch/loss", 1.5),
            ("/final/mine", 7.0),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(found(&classes, metrics), expected);
    }

    #[test]
    fn all_corruptions_are_summed_up() {
        let mut classes = CLASSES.to_owned();
        for (name, _) in CORRUPTIONS {
            for severity in 1..=SEVERITIES {
                classes += &format!("a,{name} {severity},0,cat,10,{severity},\n");
            }
        }
        let metrics = "kind,model,epoch,step\n";
        let all = found(&classes, metrics);
        let value = |name: &str| all.iter().find(|it| it.0 == name).unwrap().1;
        let alexnet = CORRUPTIONS.map(|(_, error)| 0.3 / error);
        let mce = alexnet.iter().sum::<f64>() / 15.0;
        assert!((value("a/corruptions/mCE") - mce).abs() < 1e-12);
        assert!((value("a/corruptions/mean error") - 0.3).abs() < 1e-12);
        assert_eq!(value("a/fog 3/error (detail)"), 0.3);
        // One fewer, and each stands for itself.
        let fewer = classes.replace("a,fog 3,0,cat,10,3,\n", "");
        let all = found(&fewer, metrics);
        assert!(all.iter().any(|it| it.0 == "a/fog 4/error"));
        assert!(all.iter().all(|it| !it.0.contains("mCE")));
    }

    #[test]
    fn damaged_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("classes.csv");
        fs::write(&path, format!("{CLASSES}a,clean,0,cat,many,1,0.5\n")).unwrap();
        let error = measured(folder.path()).unwrap_err().to_string();
        assert!(error.contains("classes.csv is damaged"), "{error}");
    }
}
