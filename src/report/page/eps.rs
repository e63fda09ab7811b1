//! The error against the radius of the attack.

use super::block::{Block, Section};
use super::condition::Condition;
use super::name::slug;
use super::study::{Model, Study};
use crate::Result;
use crate::metrics::wilson_interval;
use crate::report::figure::{Axis, Curve, Curves, Data, Figure, curves};
use crate::report::short;
use crate::run::csv;
use maud::html;
use serde_json::Value;

/// Attacks that differ in nothing but their radius, and the step that goes with it.
struct Family<'a> {
    threat: Vec<(String, Value)>,
    models: Vec<(&'a Model, Vec<Point>)>,
}

/// An error at a radius, with its limits.
struct Point {
    eps: f64,
    images: u64,
    error: (f64, f64, f64),
}

pub fn section(study: &Study, missing: &mut Vec<String>) -> Result<Option<Section>> {
    let mut families = families(study)?;
    for family in &mut families {
        for (_, points) in &mut family.models {
            points.sort_by(|a, b| a.eps.total_cmp(&b.eps));
        }
    }
    // A line wants two radii, besides none at all.
    families.retain(|it| it.models.iter().any(|it| it.1.len() > 2));
    if families.is_empty() {
        if !study.models.is_empty() {
            missing.push(
                "Error against eps: evaluate the same attack at two radii or more, each as \
                 evaluate::errors(model, split, #{ attack: pgd(#{ eps: ..., steps: ... }) })."
                    .into(),
            );
        }
        return Ok(None);
    }
    let figures: Vec<Figure> = families.iter().map(figure).collect();
    let threats = families.iter().map(Family::description);
    Ok(Some(Section {
        id: "eps",
        title: "Error against eps",
        blocks: vec![
            Block::Text(html! {
                p { "With Wilson's 95 % intervals; eps 0 are the attacked images before the attack." }
                @for threat in threats { p.fine { (threat) } }
            }),
            Block::Panels(figures),
        ],
    }))
}

fn families(study: &Study) -> Result<Vec<Family<'_>>> {
    let mut families: Vec<Family> = Vec::new();
    for model in &study.models {
        let clean = study.clean().and_then(|name| model.condition(name));
        for it in &model.conditions {
            let (Some(attack), Some(eps)) = (&it.about.attack, it.about.eps) else {
                continue;
            };
            let Some(error) = it.error()? else {
                continue;
            };
            let threat = without_radius(attack);
            let at = families.iter().position(|it| it.threat == threat);
            let at = at.unwrap_or_else(|| {
                families.push(Family {
                    threat,
                    models: Vec::new(),
                });
                families.len() - 1
            });
            let of_family = &mut families[at].models;
            if of_family
                .last()
                .is_none_or(|last| last.0.slot != model.slot)
            {
                let mut points = Vec::new();
                if let Some(clean) = clean {
                    points.extend(without_attack(clean, it)?);
                }
                of_family.push((model, points));
            }
            if let Some(last) = of_family.last_mut() {
                last.1.push(Point {
                    eps,
                    images: it.evaluation.top1().images(),
                    error,
                });
            }
        }
    }
    Ok(families)
}

/// The clean error of the examples that were attacked, which may be a part of all.
fn without_attack(clean: &Condition, attacked: &Condition) -> Result<Option<Point>> {
    let examples = attacked.examples.iter().copied().collect();
    let (errors, images) = clean.errors_among(&examples);
    let limits = wilson_interval(errors, images, 0.95)?;
    Ok(limits.map(|it| Point {
        eps: 0.0,
        images,
        error: (errors as f64 / images as f64, it.low, it.high),
    }))
}

/// The options of an attack without those that follow its radius.
fn without_radius(attack: &Value) -> Vec<(String, Value)> {
    let options = attack.as_object().into_iter().flatten();
    options
        .filter(|(key, _)| *key != "eps" && *key != "step_size")
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

impl Family<'_> {
    fn option(&self, key: &str) -> Option<&Value> {
        self.threat.iter().find(|it| it.0 == key).map(|it| &it.1)
    }

    /// `PGD-40, linf`.
    fn name(&self) -> String {
        let text = |key| self.option(key).and_then(Value::as_str);
        let mut name = text("attack").unwrap_or("attack").to_uppercase();
        if let Some(steps) = self.option("steps").and_then(Value::as_u64) {
            name += &format!("-{steps}");
        }
        match text("norm") {
            Some("linf") => name + ", L∞",
            Some("l2") => name + ", L2",
            Some("l1") => name + ", L1",
            _ => name,
        }
    }

    fn description(&self) -> String {
        let options = self.threat.iter().filter(|it| !it.1.is_null());
        let options: Vec<String> = options
            .filter(|it| it.0 != "attack")
            .map(|(key, value)| match value.as_str() {
                Some(text) => format!("{key} {text}"),
                None => format!("{key} {value}"),
            })
            .collect();
        format!("{}: {}.", self.name(), options.join(", "))
    }
}

fn figure(family: &Family) -> Figure {
    let mut data = Data::new([
        "model",
        "eps",
        "images",
        "error, %",
        "error low, %",
        "error high, %",
    ]);
    let mut lines = Vec::new();
    for (model, points) in &family.models {
        for it in points {
            data.rows.push(vec![
                model.name.clone(),
                csv::number(Some(it.eps)),
                it.images.to_string(),
                Data::percent(Some(it.error.0)),
                Data::percent(Some(it.error.1)),
                Data::percent(Some(it.error.2)),
            ]);
        }
        lines.push(Curve {
            name: model.name.clone(),
            slot: model.slot,
            points: points
                .iter()
                .map(|it| (it.eps, 100.0 * it.error.0))
                .collect(),
            limits: points
                .iter()
                .map(|it| (100.0 * it.error.1, 100.0 * it.error.2))
                .collect(),
            marks: true,
            faint: Vec::new(),
        });
    }
    let space = family.option("eps_space").and_then(Value::as_str);
    let most = family.models.iter().flat_map(|it| &it.1).map(|it| it.eps);
    let most = most.fold(0.0, f64::max);
    let label = match space {
        Some("normalized") => "eps, standard deviations".to_owned(),
        _ => format!(
            "eps, pixels of [0, 1] ({} = {}/255)",
            trimmed(most),
            trimmed(255.0 * most)
        ),
    };
    curves(Curves {
        name: format!("eps-{}", slug(&family.name())),
        title: format!("Error against eps, {}", family.name()),
        description: "The error of each model by the radius of the attack.".into(),
        x: Axis {
            label,
            reach: vec![0.0],
        },
        y: Axis {
            label: "error, %".into(),
            reach: vec![0.0, 100.0],
        },
        curves: lines,
        data,
    })
}

/// Four digits at most.
fn trimmed(value: f64) -> String {
    let text = short(value);
    match text.contains('.') && !text.contains('e') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}
