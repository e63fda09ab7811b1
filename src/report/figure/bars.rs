//! The error of each class, the models' bars beside each other.

use super::draw::{columns, fitted, legend, line, n, width};
use super::scale::{Scale, ticks};
use super::{Data, Figure, WIDTH, colour};
use maud::html;

/// What the figure shows: fractions, one of each model for each class.
pub struct ClassBars {
    pub name: String,
    pub title: String,
    pub description: String,
    /// Each model's name and colour.
    pub models: Vec<(String, usize)>,
    /// From above to below: the class and its errors.
    pub classes: Vec<(String, Vec<Option<f64>>)>,
    pub data: Data,
}

const RIGHT: f64 = WIDTH - 14.0;

/// Draws a group of bars for each class.
pub fn class_bars(given: ClassBars) -> Figure {
    let models = given.models.len();
    let bar = match models {
        0 | 1 => 13.0,
        2 => 10.0,
        3 => 8.0,
        _ => 6.0,
    };
    let between = 8.0;
    let row = models as f64 * bar + between;
    let names = given.classes.iter().map(|it| width(&it.0));
    let left = (names.fold(0.0, f64::max) + 14.0).clamp(40.0, 132.0);
    let named: Vec<(String, String)> = given
        .models
        .iter()
        .map(|(name, slot)| (colour(*slot), name.clone()))
        .collect();
    let (key, top) = match models {
        0 => (html! {}, 4.0),
        _ => {
            let (key, height) = legend(&named, 2.0, 0.0, WIDTH - 4.0);
            (key, height + 8.0)
        }
    };
    let bottom = top + row * given.classes.len() as f64;
    let values = given.classes.iter().flat_map(|it| it.1.iter().flatten());
    let marks = ticks(0.0, 100.0 * values.copied().fold(0.0, f64::max));
    let x = Scale {
        from: 0.0,
        to: marks[marks.len() - 1],
        low: left,
        high: RIGHT,
    };
    let drawing = html! {
        (key)
        (columns(&x, &marks, top, bottom))
        @for (at, (name, errors)) in given.classes.iter().enumerate() {
            @let y = top + row * at as f64 + between / 2.0;
            @let middle = y + (row - between) / 2.0;
            text.end x=(n(left - 7.0)) y=(n(middle + 4.0)) {
                title { (name) } (fitted(name, left - 10.0))
            }
            @for (model, error) in errors.iter().enumerate() {
                @if let Some(error) = error {
                    @let end = x.at(100.0 * error);
                    g class=(colour(given.models[model].1)) {
                        rect.mark x=(n(left)) y=(n(y + model as f64 * bar))
                            width=(n(end - left)) height=(n(bar - 1.0)) {
                            title {
                                (given.models[model].0) ", " (name) ": "
                                (format!("{:.2} %", 100.0 * error))
                            }
                        }
                    }
                }
            }
        }
        (line("axis", (left, top), (left, bottom)))
        text class="muted middle" x=(n((left + RIGHT) / 2.0)) y=(n(bottom + 32.0)) { "error, %" }
    };
    Figure {
        height: bottom + 40.0,
        name: given.name,
        title: given.title,
        description: given.description,
        drawing,
        data: given.data,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_bar_is_the_error() {
        let figure = class_bars(ClassBars {
            name: "b".into(),
            title: "t".into(),
            description: "d".into(),
            models: vec![("A".into(), 0), ("B<".into(), 3)],
            classes: vec![
                ("ab".into(), vec![Some(1.0), Some(0.5)]),
                ("<i>".into(), vec![None, Some(0.0)]),
            ],
            data: Data::default(),
        });
        let drawn = figure.drawing.0;
        // The axis goes from 40 to 386, and to 100 %.
        assert!(drawn.contains("x=\"40\" y=\"30\" width=\"346\" height=\"9\""));
        assert!(drawn.contains("x=\"40\" y=\"40\" width=\"173\" height=\"9\""));
        assert!(drawn.contains("B&lt;, ab: 50.00 %") && drawn.contains("&lt;i&gt;"));
        assert!(!drawn.contains("<i>"));
        assert_eq!(figure.height, 26.0 + 2.0 * 28.0 + 40.0);
    }
}
