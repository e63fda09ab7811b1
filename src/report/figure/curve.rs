//! Lines over a common axis: training, error against eps, sorted errors.

use super::draw::{columns, fitted, line, n, path, rows, width};
use super::scale::{Scale, spread, ticks};
use super::{Data, Figure, WIDTH, colour};
use maud::{Markup, html};

/// A named axis, and numbers that it must reach whatever the data.
#[derive(Clone, Debug, Default)]
pub struct Axis {
    pub label: String,
    pub reach: Vec<f64>,
}

/// One line.
#[derive(Clone, Debug, Default)]
pub struct Curve {
    pub name: String,
    /// Which colour: the place of the model.
    pub slot: usize,
    pub points: Vec<(f64, f64)>,
    /// Whether the points are marked.
    pub marks: bool,
    /// The lower and upper limit at each point.
    pub limits: Vec<(f64, f64)>,
    /// A thin line behind.
    pub faint: Vec<(f64, f64)>,
}

/// What a figure of lines shows.
pub struct Curves {
    pub name: String,
    pub title: String,
    pub description: String,
    pub x: Axis,
    pub y: Axis,
    pub curves: Vec<Curve>,
    pub data: Data,
}

const TOP: f64 = 24.0;
const PLOT: f64 = 210.0;
const LEFT: f64 = 46.0;
const LABEL_GAP: f64 = 15.0;
/// How much wider bold letters are.
const BOLD: f64 = 1.15;

/// Draws lines, each named at its end where there are several.
pub fn curves(given: Curves) -> Figure {
    let Curves { curves: all, .. } = &given;
    let several = all.len() > 1;
    let names = all.iter().map(|it| (BOLD * width(&it.name)).min(100.0));
    let margin = match several {
        true => names.fold(0.0, f64::max) + 15.0,
        false => 14.0,
    };
    let (right, bottom) = (WIDTH - margin, TOP + PLOT);

    let points = || {
        let lines = all.iter().flat_map(|it| it.points.iter().chain(&it.faint));
        lines.filter(|it| it.0.is_finite() && it.1.is_finite())
    };
    let limits = all.iter().flat_map(|it| &it.limits);
    let x_ticks = axis_ticks(&given.x, points().map(|it| it.0));
    let y_values = points().map(|it| it.1);
    let y_ticks = axis_ticks(&given.y, y_values.chain(limits.flat_map(|it| [it.0, it.1])));
    let scale = |ticks: &[f64], low, high| Scale {
        from: ticks[0],
        to: ticks[ticks.len() - 1],
        low,
        high,
    };
    let x = scale(&x_ticks, LEFT, right);
    let y = scale(&y_ticks, bottom, TOP);

    let at = |it: &(f64, f64)| (x.at(it.0), y.at(it.1));
    let ends: Vec<f64> = all
        .iter()
        .map(|it| it.points.last().map_or(bottom, |it| y.at(it.1)))
        .collect();
    let places = spread(&ends, LABEL_GAP, TOP, bottom);
    let one = |curve: &Curve| -> Markup {
        html! {
            @if !curve.faint.is_empty() { path.faint d=(path(curve.faint.iter().map(at))) {} }
            path.line d=(path(curve.points.iter().map(at))) {}
            @for (point, limits) in curve.points.iter().zip(&curve.limits) {
                (line("whisker", at(&(point.0, limits.0)), at(&(point.0, limits.1))))
            }
            @if curve.marks {
                @for (x, y) in curve.points.iter().map(at) {
                    circle.mark cx=(n(x)) cy=(n(y)) r="3.2" {}
                }
            }
        }
    };
    let drawing = html! {
        text.muted x="2" y="12" { (given.y.label) }
        (columns(&x, &x_ticks, TOP, bottom))
        (rows(&y, &y_ticks, LEFT, right))
        (line("axis", (LEFT, bottom), (right, bottom)))
        @if y_ticks[0] < 0.0 { (line("axis", (LEFT, y.at(0.0)), (right, y.at(0.0)))) }
        text class="muted middle" x=(n((LEFT + right) / 2.0)) y=(n(bottom + 32.0)) {
            (given.x.label)
        }
        @for (curve, place) in all.iter().zip(&places) {
            g class=(colour(curve.slot)) {
                (one(curve))
                @if several {
                    text.named x=(n(right + 7.0)) y=(n(place + 4.0)) {
                        title { (curve.name) } (fitted(&curve.name, (margin - 11.0) / BOLD))
                    }
                }
            }
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

fn axis_ticks(axis: &Axis, values: impl Iterator<Item = f64>) -> Vec<f64> {
    let all = values.chain(axis.reach.iter().copied());
    let (low, high) = all
        .filter(|it| it.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), it| {
            (low.min(it), high.max(it))
        });
    match low == high {
        // One number only: from 0 to it, or around it.
        true if low > 0.0 => ticks(0.0, low),
        true => ticks(low - 1.0, high + 1.0),
        false => ticks(low, high),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(curves_given: Vec<Curve>) -> Figure {
        curves(Curves {
            name: "c".into(),
            title: "t".into(),
            description: "d".into(),
            x: Axis {
                label: "eps".into(),
                reach: vec![0.0, 4.0],
            },
            y: Axis {
                label: "error, %".into(),
                reach: vec![0.0, 100.0],
            },
            curves: curves_given,
            data: Data::default(),
        })
    }

    #[test]
    fn points_stand_where_they_should() {
        let one = Curve {
            points: vec![(0.0, 0.0), (4.0, 100.0)],
            marks: true,
            limits: vec![(0.0, 0.0), (50.0, 100.0)],
            ..Curve::default()
        };
        let drawn = figure(vec![one]).drawing.0;
        // From the lower left of the plot to its upper right.
        assert!(drawn.contains("d=\"M46 234L386 24\""), "{drawn}");
        assert!(drawn.contains("cx=\"386\" cy=\"24\""));
        assert!(drawn.contains("x1=\"386\" y1=\"129\" x2=\"386\" y2=\"24\""));
        assert!(!drawn.contains("named"));
    }

    #[test]
    fn several_lines_are_named_at_their_ends() {
        let of = |name: &str, slot| Curve {
            name: name.into(),
            slot,
            points: vec![(0.0, 1.0), (4.0, 50.0)],
            ..Curve::default()
        };
        let drawn = figure(vec![of("Adv", 0), of("Adv<", 1)]).drawing.0;
        assert!(drawn.contains("class=\"s1\"") && drawn.contains("Adv&lt;"));
        let places: Vec<&str> = drawn.split("class=\"named\"").skip(1).collect();
        let y = |text: &str| -> f64 {
            let from = text.find(" y=\"").unwrap() + 4;
            text[from..].split('"').next().unwrap().parse().unwrap()
        };
        assert_eq!(y(places[1]) - y(places[0]), LABEL_GAP);
    }

    #[test]
    fn no_data_is_no_panic() {
        figure(vec![]);
        let empty = Axis::default();
        assert_eq!(axis_ticks(&empty, [].into_iter()).len(), 6);
        assert_eq!(axis_ticks(&empty, [3.0].into_iter())[0], 0.0);
        assert!(axis_ticks(&empty, [f64::NAN].into_iter()).len() > 2);
    }
}
