//! What was logged during training.

use super::block::{Block, Section};
use super::name::{rank, slug, spoken};
use super::read::Logged;
use super::study::Study;
use crate::Result;
use crate::report::figure::{Axis, Curve, Curves, Data, Figure, curves};
use crate::run::csv;
use std::collections::BTreeMap;

/// A line of steps has at most so many points, each the mean of some steps.
const POINTS: usize = 160;

/// Epochs and values.
type Points = Vec<(f64, f64)>;

/// What one model logged.
struct Training<'a> {
    name: String,
    slot: usize,
    rows: Vec<&'a Logged>,
}

pub fn section(study: &Study, missing: &mut Vec<String>) -> Result<Option<Section>> {
    let models = trainings(study);
    let mut metrics: Vec<&str> = Vec::new();
    for (name, _) in models
        .iter()
        .flat_map(|it| &it.rows)
        .flat_map(|it| &it.values)
    {
        if !metrics.contains(&name.as_str()) {
            metrics.push(name);
        }
    }
    let figures = metrics.iter().map(|metric| figure(metric, &models));
    let figures: Vec<Figure> = figures.collect();
    if figures.is_empty() {
        missing.push(
            "Training curves: the runs logged no epochs; train::fit of std/train does, and \
             log_metrics for loops of your own."
                .into(),
        );
        return Ok(None);
    }
    Ok(Some(Section {
        id: "training",
        title: "Training",
        blocks: vec![Block::Panels(figures)],
    }))
}

/// The models in the order and colours of the others on the page; those that were trained and
/// not evaluated follow.
fn trainings(study: &Study) -> Vec<Training<'_>> {
    let mut all = Vec::new();
    for (run, folder) in study.runs.iter().enumerate() {
        let mut names: Vec<&str> = Vec::new();
        for row in &folder.logged {
            if row.epoch.is_some() && !names.contains(&row.model.as_str()) {
                names.push(&row.model);
            }
        }
        for name in names {
            let rows = folder.logged.iter();
            let known = study
                .models
                .iter()
                .find(|it| it.run == run && it.own_name == name);
            let several = study.runs.len() > 1;
            all.push(Training {
                name: match known {
                    Some(model) => model.name.clone(),
                    None if several => format!("{name} ({})", study.run_names[run]),
                    None => name.to_owned(),
                },
                slot: known.map_or(usize::MAX, |it| it.slot),
                rows: rows
                    .filter(|row| row.model == name && row.epoch.is_some())
                    .collect(),
            });
        }
    }
    let evaluated = study.models.len();
    all.sort_by_key(|it: &Training| (it.slot, rank(&it.name)));
    for (at, it) in all
        .iter_mut()
        .filter(|it| it.slot == usize::MAX)
        .enumerate()
    {
        it.slot = evaluated + at;
    }
    all
}

impl Training<'_> {
    /// The values of a metric over the epochs that have passed, after each step and after each
    /// epoch.
    fn points(&self, metric: &str) -> (Points, Points) {
        let is_step = |row: &&&Logged| row.kind == "step";
        let mut in_epoch: BTreeMap<i64, usize> = BTreeMap::new();
        for row in self.rows.iter().filter(is_step) {
            *in_epoch.entry(row.epoch.unwrap_or(0)).or_default() += 1;
        }
        // The last epoch may be under way; it has as many steps as the others.
        let most = in_epoch.values().copied().max().unwrap_or(1) as f64;
        let (mut steps, mut epochs) = (Vec::new(), Vec::new());
        let mut place = (0, 0);
        for row in &self.rows {
            let epoch = row.epoch.unwrap_or(0);
            if row.kind == "step" {
                place = if place.0 == epoch {
                    (epoch, place.1 + 1)
                } else {
                    (epoch, 1)
                };
            }
            let Some(value) = row.values.iter().find(|it| it.0 == metric).map(|it| it.1) else {
                continue;
            };
            match row.kind.as_str() {
                "step" => steps.push((epoch as f64 + f64::from(place.1) / most, value)),
                _ => epochs.push((epoch as f64 + 1.0, value)),
            }
        }
        (thinned(&steps), epochs)
    }
}

/// The means of neighbours, until there are few enough.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let size = points.len().div_ceil(POINTS).max(1);
    let mean = |some: &[(f64, f64)]| {
        let n = some.len() as f64;
        let sum = some
            .iter()
            .fold((0.0, 0.0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
        (sum.0 / n, sum.1 / n)
    };
    points.chunks(size).map(mean).collect()
}

fn figure(metric: &str, models: &[Training]) -> Figure {
    let mut data = Data::new(["model", "of", "epoch", metric]);
    let mut lines = Vec::new();
    for model in models {
        let (steps, epochs) = model.points(metric);
        for (of, points) in [("steps", &steps), ("epoch", &epochs)] {
            for (x, y) in points {
                let numbers = [*x, *y].map(|it| csv::number(Some(it)));
                let row = [model.name.clone(), of.to_owned()].into_iter();
                data.rows.push(row.chain(numbers).collect());
            }
        }
        let (points, faint) = match epochs.len() {
            0 => (steps, Vec::new()),
            _ => (epochs, steps),
        };
        if !points.is_empty() {
            lines.push(Curve {
                name: model.name.clone(),
                slot: model.slot,
                marks: !faint.is_empty() && points.len() <= 40,
                points,
                limits: Vec::new(),
                faint,
            });
        }
    }
    curves(Curves {
        name: format!("training-{}", slug(metric)),
        title: format!("{} in training", spoken(metric)),
        description: "The value after each epoch, and thin behind it the means of steps.".into(),
        x: Axis {
            label: "epoch".into(),
            reach: vec![0.0],
        },
        y: Axis {
            label: spoken(metric),
            reach: vec![0.0],
        },
        curves: lines,
        data,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(kind: &str, epoch: i64, loss: f64) -> Logged {
        Logged {
            kind: kind.into(),
            model: "m".into(),
            epoch: Some(epoch),
            values: vec![("loss".into(), loss)],
        }
    }

    #[test]
    fn steps_stand_within_their_epoch() {
        let rows = [
            row("step", 0, 4.0),
            row("step", 0, 3.0),
            row("epoch", 0, 3.5),
            row("step", 1, 2.0),
        ];
        let training = Training {
            name: "m".into(),
            slot: 0,
            rows: rows.iter().collect(),
        };
        let (steps, epochs) = training.points("loss");
        assert_eq!(steps, [(0.5, 4.0), (1.0, 3.0), (1.5, 2.0)]);
        assert_eq!(epochs, [(1.0, 3.5)]);
        assert_eq!(training.points("lr"), (vec![], vec![]));
    }

    #[test]
    fn many_steps_become_few_points_of_the_same_mean() {
        let points: Vec<(f64, f64)> = (0..1000).map(|it| (it.into(), 2.0)).collect();
        let few = thinned(&points);
        assert!(few.len() <= POINTS && few.iter().all(|it| it.1 == 2.0));
        assert_eq!(few[0].0, 3.0);
    }
}
