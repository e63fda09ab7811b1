//! Which classes gain and lose from one model to another, and where lost predictions go.

use super::block::{Block, Section};
use super::classes::FEW;
use super::name::slug;
use super::study::{Model, Study};
use crate::Result;
use crate::ledger::spill_over_of;
use crate::metrics::{ClassChange, SpillOver};
use crate::report::figure::{Axis, Change, Curve, Curves, Data, Figure, change_bars, curves};
use crate::report::{Cell, Table};
use maud::html;

/// So many classes of the largest losses are followed.
const LOSSES: usize = 10;

/// Two models under one condition.
struct Move<'a> {
    a: &'a Model,
    b: &'a Model,
    condition: &'a str,
    spill: SpillOver,
}

pub fn section(study: &Study, missing: &mut Vec<String>) -> Result<Option<Section>> {
    if study.models.len() < 2 {
        if !study.models.is_empty() {
            missing.push(
                "Comparison of models: there is one model only; name the folders of several \
                 runs, `rhobust report RUN RUN`."
                    .into(),
            );
        }
        return Ok(None);
    }
    let moves = moves(study, missing)?;
    if moves.is_empty() {
        return Ok(None);
    }
    let names = &study.class_names;
    let few = names.len() <= FEW;
    let figures = moves.iter().map(|it| match few {
        true => bars(it, names),
        false => curve(it, names),
    });
    let mut blocks = vec![
        Block::Text(html! {
            p {
                "B − A on the images that both models were given: a class gains where its error \
                 falls. A lost prediction is one that A gets right and B does not."
            }
        }),
        Block::Panels(figures.collect()),
        Block::sheet("change-summary", "A → B", summary(&moves)?),
    ];
    for it in &moves {
        if let Some(table) = losses(it, names)? {
            blocks.push(Block::Folded(
                html! {
                    (it.a.name) " → " (it.b.name) ", " (it.condition)
                    ": the classes that lose most, and to which"
                },
                vec![Block::sheet(
                    format!("losses-{}", it.slug()),
                    "class",
                    table,
                )],
            ));
        }
    }
    Ok(Some(Section {
        id: "change",
        title: "Differences by class",
        blocks,
    }))
}

fn moves<'a>(study: &'a Study, missing: &mut Vec<String>) -> Result<Vec<Move<'a>>> {
    let mut moves = Vec::new();
    for condition in study.main_conditions() {
        for (a, b) in study.pairs() {
            let (Some(of_a), Some(of_b)) = (a.condition(condition), b.condition(condition)) else {
                continue;
            };
            let Some((ledger_a, ledger_b)) = of_a.with(of_b) else {
                continue;
            };
            match spill_over_of(ledger_a, ledger_b) {
                Ok(spill) => moves.push(Move {
                    a,
                    b,
                    condition,
                    spill,
                }),
                Err(error) => missing.push(format!("Comparison of models: {error}.")),
            }
        }
    }
    Ok(moves)
}

impl Move<'_> {
    fn slug(&self) -> String {
        slug(&format!(
            "{}-{}-{}",
            self.a.name, self.b.name, self.condition
        ))
    }

    fn title(&self) -> String {
        format!("{} → {}, {}", self.a.name, self.b.name, self.condition)
    }

    /// From the largest gain to the largest loss.
    fn sorted(&self) -> Vec<ClassChange> {
        let mut all = self.spill.changes();
        all.sort_by(|x, y| x.change.total_cmp(&y.change));
        all
    }

    fn data(&self, names: &[String]) -> Data {
        let mut data = Data::new(["class", "images", "A, %", "B, %", "B − A, points"]);
        for it in self.sorted() {
            data.rows.push(vec![
                names[it.class].clone(),
                it.images.to_string(),
                Data::percent(Some(it.error_a)),
                Data::percent(Some(it.error_b)),
                Data::percent(Some(it.change)),
            ]);
        }
        data
    }

    fn description(&self) -> String {
        let it = self.spill.summary();
        format!(
            "From {} to {}, the error falls in {} classes, grows in {} and stays in {}.",
            self.a.name, self.b.name, it.gaining, it.losing, it.unchanged
        )
    }
}

fn bars(it: &Move, names: &[String]) -> Figure {
    let sorted = it.sorted();
    let classes = sorted.iter().map(|it| (names[it.class].clone(), it.change));
    change_bars(Change {
        name: format!("change-{}", it.slug()),
        title: it.title(),
        description: it.description(),
        classes: classes.collect(),
        data: it.data(names),
    })
}

fn curve(it: &Move, names: &[String]) -> Figure {
    let sorted = it.sorted();
    let points = sorted.iter().enumerate();
    curves(Curves {
        name: format!("change-{}", it.slug()),
        title: it.title(),
        description: it.description(),
        x: Axis {
            label: "class, from the largest gain to the largest loss".into(),
            reach: vec![1.0],
        },
        y: Axis {
            label: "change of the error, points of %".into(),
            reach: vec![0.0],
        },
        curves: vec![Curve {
            name: it.b.name.clone(),
            slot: it.b.slot,
            points: points
                .map(|(at, it)| ((at + 1) as f64, 100.0 * it.change))
                .collect(),
            ..Curve::default()
        }],
        data: it.data(names),
    })
}

fn summary(moves: &[Move]) -> Result<Table> {
    let columns = [
        "classes that gain",
        "lose",
        "stay",
        "mean gain, points",
        "mean loss, points",
        "error, points",
        "imbalance, points",
        "images lost",
        "images gained",
    ];
    let mut table = Table::new("", columns.map(str::to_owned).to_vec());
    let mut heading = "";
    for it in moves {
        if heading != it.condition {
            heading = it.condition;
            table.heading(heading);
        }
        let of = it.spill.summary();
        let count = |n: u64| Cell::plain(Some(n as f64));
        let points = |change: Option<f64>| Cell::change(change.map(|it| 100.0 * it));
        table.row(
            format!("{} → {}", it.a.name, it.b.name),
            vec![
                count(of.gaining as u64),
                count(of.losing as u64),
                count(of.unchanged as u64),
                points(of.mean_gain.map(|it| -it)),
                points(of.mean_loss),
                points(of.error_change),
                points(of.imbalance_change),
                count(of.lost_images),
                count(of.gained_images),
            ],
        )?;
    }
    table.note("Changes are in points of %.");
    Ok(table)
}

/// `None` where no class loses.
fn losses(it: &Move, names: &[String]) -> Result<Option<Table>> {
    let losing = it.spill.losing();
    if losing.is_empty() {
        return Ok(None);
    }
    let columns = ["A, %", "B, %", "B − A, points", "lost predictions go to"];
    let mut table = Table::new("", columns.map(str::to_owned).to_vec());
    for class in losing.iter().take(LOSSES) {
        let lost = it.spill.lost_to(class.class);
        let all: u64 = lost.iter().map(|it| it.1).sum();
        let mut parts: Vec<String> = lost
            .iter()
            .take(3)
            .map(|(to, images)| format!("{} {images}", names[*to]))
            .collect();
        let shown: u64 = lost.iter().take(3).map(|it| it.1).sum();
        if all > shown {
            parts.push(format!("others {}", all - shown));
        }
        table.row(
            &names[class.class],
            vec![
                Cell::percent(Some(class.error_a)),
                Cell::percent(Some(class.error_b)),
                Cell::change(Some(100.0 * class.change)),
                Cell::Text(parts.join(", ")),
            ],
        )?;
    }
    Ok(Some(table))
}
