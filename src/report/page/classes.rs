//! The errors of the classes: each model's, sorted and side by side.

use super::block::{Block, Section, Sheet};
use super::name::slug;
use super::study::{Model, Study};
use crate::Result;
use crate::metrics::{ClassErrors, Evaluation};
use crate::report::figure::{Axis, ClassBars, Curve, Curves, Data, Figure, class_bars, curves};
use crate::report::{Cell, Table};
use maud::html;

/// Up to so many classes have a bar and a name of their own.
pub const FEW: usize = 30;
/// How many of the worst and best classes are listed where there are more.
const LISTED: usize = 10;

/// A condition, or its count by sets of correct labels.
struct View<'a> {
    name: String,
    models: Vec<(&'a Model, &'a ClassErrors)>,
}

pub fn section(study: &Study, missing: &mut Vec<String>) -> Result<Option<Section>> {
    let views = views(study);
    if views.is_empty() {
        if !study.models.is_empty() {
            missing.push("Errors by class: no clean and no attacked images were evaluated.".into());
        }
        return Ok(None);
    }
    let few = study.class_names.len() <= FEW;
    let names = &study.class_names;
    let mut blocks = Vec::new();
    if few {
        let figures = views.iter().map(|view| bars(view, names));
        blocks.push(Block::Panels(figures.collect()));
    }
    blocks.push(Block::Panels(views.iter().map(sorted).collect()));
    if !few {
        for view in &views {
            blocks.push(Block::Folded(
                html! { "Worst and best classes, " (view.name) },
                vec![Block::sheet(
                    format!("extremes-{}", slug(&view.name)),
                    "place",
                    extremes(view, &study.class_names)?,
                )],
            ));
        }
    }
    blocks.push(Block::Folded(
        html! { "Every class as a table" },
        vec![Block::Sheet(Sheet {
            name: "classes".into(),
            table: whole(&views, &study.class_names)?,
            labels: "class",
            sortable: true,
        })],
    ));
    Ok(Some(Section {
        id: "classes",
        title: "Errors by class",
        blocks,
    }))
}

fn views(study: &Study) -> Vec<View<'_>> {
    let mut views = Vec::new();
    for condition in study.main_conditions() {
        let mut add = |name: String, of: fn(&Evaluation) -> Option<&ClassErrors>| {
            let models: Vec<_> = study
                .under(condition)
                .into_iter()
                .filter_map(|(model, it)| Some((model, of(&it.evaluation)?)))
                .collect();
            if !models.is_empty() {
                views.push(View { name, models });
            }
        };
        add(condition.to_owned(), |it| Some(it.top1()));
        add(format!("{condition}, ReaL"), Evaluation::real);
    }
    views
}

/// Sorted by the first model, the largest error above.
fn bars(view: &View, names: &[String]) -> Figure {
    let errors: Vec<Vec<Option<f64>>> = view.models.iter().map(|it| it.1.class_errors()).collect();
    let mut order: Vec<usize> = (0..names.len()).collect();
    let key = |class: usize| errors[0][class].unwrap_or(-1.0);
    order.sort_by(|a, b| key(*b).total_cmp(&key(*a)));
    let classes: Vec<(String, Vec<Option<f64>>)> = order
        .iter()
        .map(|class| {
            let row = errors.iter().map(|it| it[*class]).collect();
            (names[*class].clone(), row)
        })
        .collect();
    let models = view.models.iter().map(|it| format!("{}, %", it.0.name));
    let mut data = Data::new(["class".to_owned()].into_iter().chain(models));
    for (name, row) in &classes {
        let fields = row.iter().map(|it| Data::percent(*it));
        data.rows
            .push([name.clone()].into_iter().chain(fields).collect());
    }
    class_bars(ClassBars {
        name: format!("classes-{}", slug(&view.name)),
        title: format!("Error by class, {}", view.name),
        description: format!(
            "Bars of the error of each class, sorted by that of {}.",
            view.models[0].0.name
        ),
        models: view
            .models
            .iter()
            .map(|it| (it.0.name.clone(), it.0.slot))
            .collect(),
        classes,
        data,
    })
}

/// Each model's errors in their own order.
fn sorted(view: &View) -> Figure {
    let mut data = Data::new(["model", "place", "error, %"]);
    let mut lines = Vec::new();
    for (model, errors) in &view.models {
        let worst = errors.worst_classes(errors.classes());
        let points: Vec<(f64, f64)> = worst
            .iter()
            .enumerate()
            .map(|(at, it)| ((at + 1) as f64, 100.0 * it.error))
            .collect();
        for (at, it) in worst.iter().enumerate() {
            data.rows.push(vec![
                model.name.clone(),
                (at + 1).to_string(),
                Data::percent(Some(it.error)),
            ]);
        }
        lines.push(Curve {
            name: model.name.clone(),
            slot: model.slot,
            marks: points.len() <= FEW,
            points,
            ..Curve::default()
        });
    }
    curves(Curves {
        name: format!("sorted-{}", slug(&view.name)),
        title: format!("Class errors sorted, {}", view.name),
        description: "The class errors of each model in its own order, from worst to best: the \
                      flatter, the more balanced."
            .into(),
        x: Axis {
            label: "class, from the worst to the best".into(),
            reach: vec![1.0],
        },
        y: Axis {
            label: "error, %".into(),
            reach: vec![0.0],
        },
        curves: lines,
        data,
    })
}

fn extremes(view: &View, names: &[String]) -> Result<Table> {
    let columns = view.models.iter().map(|it| it.0.name.clone()).collect();
    let mut table = Table::new("", columns);
    let sorted: Vec<_> = view
        .models
        .iter()
        .map(|it| it.1.worst_classes(names.len()))
        .collect();
    let mut rows = |heading: &str, best: bool| {
        table.heading(heading);
        for at in 0..LISTED {
            let cells = sorted.iter().map(|classes| {
                let at = if best {
                    classes.len().checked_sub(at + 1)
                } else {
                    Some(at)
                };
                let it = at.and_then(|at| classes.get(at));
                Cell::Text(it.map_or(String::new(), |it| {
                    format!("{} ({:.1})", names[it.class], 100.0 * it.error)
                }))
            });
            table.row((at + 1).to_string(), cells.collect())?;
        }
        Ok::<(), crate::Error>(())
    };
    rows("Worst classes (error, %)", false)?;
    rows("Best classes (error, %)", true)?;
    Ok(table)
}

fn whole(views: &[View], names: &[String]) -> Result<Table> {
    let mut columns = vec!["images".to_owned()];
    let mut values: Vec<Vec<Option<f64>>> = Vec::new();
    for view in views {
        for (model, errors) in &view.models {
            columns.push(format!("{}, {}", model.name, view.name));
            values.push(errors.class_errors());
        }
    }
    let images = views[0].models[0].1.images_by_class();
    let mut table = Table::new("", columns);
    for (class, name) in names.iter().enumerate() {
        let mut cells = vec![Cell::plain(Some(images[class] as f64))];
        cells.extend(values.iter().map(|it| Cell::percent(it[class])));
        table.row(name, cells)?;
    }
    table.note("Errors in %.");
    Ok(table)
}
