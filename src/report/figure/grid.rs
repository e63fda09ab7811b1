//! A value over two directions: the surface of a loss.

use super::draw::{line, n};
use super::scale::{Scale, tick_texts, ticks};
use super::{Data, Figure, WIDTH};
use maud::html;

/// What the figure shows: a row of values for each of `ys`, from below to above.
pub struct Grid {
    pub name: String,
    pub title: String,
    pub description: String,
    pub x: String,
    pub y: String,
    pub xs: Vec<f64>,
    pub ys: Vec<f64>,
    pub values: Vec<Vec<f64>>,
    pub data: Data,
}

const TOP: f64 = 24.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = WIDTH - 70.0;
const PLOT: f64 = 230.0;
/// How wide the key is.
const KEY: f64 = 14.0;
/// Fields of the key.
const STEPS: usize = 12;

/// Draws a field for each pair: the deeper its colour, the larger its value, from the least to
/// the most of this figure.
pub fn grid(given: Grid) -> Figure {
    let bottom = TOP + PLOT;
    let finite = || {
        given
            .values
            .iter()
            .flatten()
            .copied()
            .filter(|it| it.is_finite())
    };
    let (low, high) = (
        finite().fold(f64::INFINITY, f64::min),
        finite().fold(f64::NEG_INFINITY, f64::max),
    );
    let depth = Scale {
        from: low,
        to: high,
        low: 0.0,
        high: 1.0,
    };
    let (wide, tall) = (
        (RIGHT - LEFT) / given.xs.len().max(1) as f64,
        PLOT / given.ys.len().max(1) as f64,
    );
    // The middle of the first and of the last field.
    let axis = |of: &[f64], low: f64, high: f64| Scale {
        from: of.first().copied().unwrap_or(0.0),
        to: of.last().copied().unwrap_or(0.0),
        low,
        high,
    };
    let x = axis(&given.xs, LEFT + wide / 2.0, RIGHT - wide / 2.0);
    let y = axis(&given.ys, bottom - tall / 2.0, TOP + tall / 2.0);
    let named = |scale: &Scale| -> Vec<(f64, String)> {
        let marks = ticks(scale.from, scale.to);
        let texts = tick_texts(&marks);
        let inside = |it: &(f64, String)| it.0 >= scale.from && it.0 <= scale.to;
        let all = std::iter::zip(marks, texts);
        all.filter(inside)
            .map(|it| (scale.at(it.0), it.1))
            .collect()
    };
    let step = PLOT / STEPS as f64;
    let drawing = html! {
        text.muted x="2" y="12" { (given.y) }
        @for (row, values) in given.values.iter().enumerate() {
            @for (column, value) in values.iter().enumerate() {
                rect.cell x=(n(LEFT + wide * column as f64))
                    y=(n(bottom - tall * (row + 1) as f64))
                    width=(n(wide + 0.2)) height=(n(tall + 0.2))
                    fill-opacity=(n(depth.at(*value).clamp(0.0, 1.0))) {}
            }
        }
        (line("axis", (LEFT, bottom), (RIGHT, bottom)))
        (line("axis", (LEFT, TOP), (LEFT, bottom)))
        @for (at, text) in named(&x) {
            text class="muted middle" x=(n(at)) y=(n(bottom + 16.0)) { (text) }
        }
        @for (at, text) in named(&y) {
            text class="muted end" x=(n(LEFT - 6.0)) y=(n(at + 4.0)) { (text) }
        }
        text class="muted middle" x=(n((LEFT + RIGHT) / 2.0)) y=(n(bottom + 32.0)) { (given.x) }
        @for part in 0..STEPS {
            rect.cell x=(n(RIGHT + 12.0)) y=(n(bottom - step * (part + 1) as f64)) width=(n(KEY))
                height=(n(step + 0.2)) fill-opacity=(n(part as f64 / (STEPS - 1) as f64)) {}
        }
        @if low.is_finite() {
            text.muted x=(n(RIGHT + KEY + 16.0)) y=(n(TOP + 10.0)) { (key(high)) }
            text.muted x=(n(RIGHT + KEY + 16.0)) y=(n(bottom)) { (key(low)) }
        }
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

/// Short enough to stand beside the key.
fn key(value: f64) -> String {
    match value.abs() {
        size if size >= 1e4 || (size > 0.0 && size < 1e-2) => format!("{value:.0e}"),
        size if size >= 100.0 => format!("{value:.0}"),
        _ => n(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(values: Vec<Vec<f64>>) -> String {
        let sides = vec![-1.0, 0.0, 1.0];
        let figure = grid(Grid {
            name: "g".into(),
            title: "t".into(),
            description: "d".into(),
            x: "x".into(),
            y: "y".into(),
            xs: sides.clone(),
            ys: sides,
            values,
            data: Data::default(),
        });
        figure.drawing.0
    }

    #[test]
    fn the_least_is_pale_and_the_most_is_deep() {
        let drawn = drawn(vec![vec![5.0, 6.0, 7.0]; 3]);
        let first = drawn.find("fill-opacity=\"0\"").unwrap();
        let middle = drawn.find("fill-opacity=\"0.5\"").unwrap();
        let last = drawn.find("fill-opacity=\"1\"").unwrap();
        assert!(first < middle && middle < last);
        assert!(drawn.contains(">7<") && drawn.contains(">5<"), "{drawn}");
    }

    #[test]
    fn a_flat_surface_and_none_are_no_panic() {
        drawn(vec![vec![1.0; 3]; 3]);
        drawn(vec![]);
        drawn(vec![vec![f64::NAN; 3]; 3]);
    }
}
