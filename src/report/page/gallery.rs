//! Clean and adversarial images with what was added, enlarged.

use super::block::{Block, Section};
use super::read::{Picture, Pictures};
use super::study::Study;
use crate::Result;
use crate::report::short;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use maud::{Markup, html};

pub fn section(study: &Study, missing: &mut Vec<String>) -> Result<Option<Section>> {
    let mut blocks = Vec::new();
    let mut all: Vec<(usize, String, &Pictures)> = Vec::new();
    for (run, folder) in study.runs.iter().enumerate() {
        for pictures in folder.pictures.iter().filter(|it| !it.examples.is_empty()) {
            let models = study.models.iter().filter(|it| it.run == run);
            let known = models
                .flat_map(|model| model.conditions.iter().map(move |it| (model, it)))
                .find(|(model, it)| pictures.are_of(&model.own_name, it.name()));
            all.push(match known {
                Some((model, it)) => (
                    model.slot,
                    format!("{}, {}", model.name, it.name()),
                    pictures,
                ),
                None => (
                    usize::MAX,
                    format!("{}, {}", pictures.model, pictures.condition),
                    pictures,
                ),
            });
        }
    }
    all.sort_by_key(|it| it.0);
    for (_, name, pictures) in all {
        blocks.push(Block::Heading(name));
        blocks.push(Block::Text(cards(pictures, &study.class_names)));
    }
    if blocks.is_empty() {
        if study.attack().is_some() {
            missing.push(
                "Gallery: the runs kept no pictures of attacked images; see `pictures` of \
                 evaluate::errors."
                    .into(),
            );
        }
        return Ok(None);
    }
    Ok(Some(Section {
        id: "gallery",
        title: "Gallery",
        blocks,
    }))
}

fn cards(pictures: &Pictures, names: &[String]) -> Markup {
    let name = |class: i64| -> String {
        let known = usize::try_from(class).ok().and_then(|it| names.get(it));
        known.cloned().unwrap_or_else(|| class.to_string())
    };
    let times = short(pictures.magnified);
    html! {
        p.fine {
            "Left to right: clean, adversarial, and the perturbation " (times) " times enlarged \
             around grey."
            @if pictures.more > 0 { " " (pictures.more) " more are in the run's folder." }
        }
        div.gallery {
            @for it in &pictures.examples { (card(it, &name, &times)) }
        }
    }
}

fn card(it: &Picture, name: &dyn Fn(i64) -> String, times: &str) -> Markup {
    let about = &it.about;
    let (label, before, after) = (
        name(about.label),
        name(about.prediction_clean),
        name(about.prediction),
    );
    let verdict = |prediction: i64| {
        if prediction == about.label {
            "right"
        } else {
            "wrong"
        }
    };
    let picture = |bytes: &[u8], what: &str| {
        let data = format!("data:image/png;base64,{}", BASE64_STANDARD.encode(bytes));
        html! { img src=(data) alt=(format!("{label}, {what}")); }
    };
    html! {
        figure.card {
            div.triple {
                (picture(&it.clean, "clean"))
                (picture(&it.adversarial, "adversarial"))
                (picture(&it.perturbation, &format!("perturbation, {times} times enlarged")))
            }
            figcaption {
                b { (label) } span.muted { " (image " (about.example) ")" } br;
                "clean: " span class=(verdict(about.prediction_clean)) { (before) }
                " · attacked: " span class=(verdict(about.prediction)) { (after) }
            }
        }
    }
}
