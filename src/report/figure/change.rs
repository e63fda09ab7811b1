//! How the error of each class moves from one model to another.

use super::draw::{columns, fitted, line, n, width};
use super::scale::{Scale, ticks};
use super::{Data, Figure, WIDTH};
use maud::html;

/// What the figure shows.
pub struct Change {
    pub name: String,
    pub title: String,
    pub description: String,
    /// From above to below: the class and by how much its error grows, a fraction.
    pub classes: Vec<(String, f64)>,
    pub data: Data,
}

/// Draws a bar for each class: to the left where the error falls, to the right where it grows.
pub fn change_bars(given: Change) -> Figure {
    const ROW: f64 = 22.0;
    const TOP: f64 = 20.0;
    const VALUE: f64 = 44.0;
    let names = given.classes.iter().map(|it| width(&it.0));
    let left = (names.fold(0.0, f64::max) + 14.0).clamp(40.0, 132.0);
    let bottom = TOP + ROW * given.classes.len() as f64;
    let changes = || given.classes.iter().map(|it| 100.0 * it.1);
    let marks = ticks(changes().fold(0.0, f64::min), changes().fold(0.0, f64::max));
    let right = WIDTH - VALUE - 4.0;
    let x = Scale {
        from: marks[0],
        to: marks[marks.len() - 1],
        low: left + 4.0,
        high: right,
    };
    let zero = x.at(0.0);
    let drawing = html! {
        (columns(&x, &marks, TOP, bottom))
        text.gain x=(n(left + 4.0)) y="12" { "◀ error falls" }
        text class="loss end" x=(n(right)) y="12" { "error grows ▶" }
        @for (at, (name, change)) in given.classes.iter().enumerate() {
            @let y = TOP + ROW * at as f64;
            @let end = x.at(100.0 * change);
            text.end x=(n(left - 3.0)) y=(n(y + 15.0)) {
                title { (name) } (fitted(name, left - 8.0))
            }
            rect class=(if *change > 0.0 { "loss" } else { "gain" }) x=(n(end.min(zero)))
                y=(n(y + 4.0)) width=(n((end - zero).abs())) height=(n(ROW - 8.0)) {}
            text.end x=(n(WIDTH - 2.0)) y=(n(y + 15.0)) { (signed(*change)) }
        }
        (line("axis", (zero, TOP), (zero, bottom)))
        text class="muted middle" x=(n((left + right) / 2.0)) y=(n(bottom + 32.0)) {
            "change of the error, points of %"
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

/// A change in points of %, with its sign.
fn signed(change: f64) -> String {
    let text = format!("{:+.1}", 100.0 * change);
    match text.as_str() {
        "-0.0" | "+0.0" => "0.0".to_owned(),
        _ => text.replace('-', "−"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_go_to_both_sides_of_zero() {
        let figure = change_bars(Change {
            name: "c".into(),
            title: "t".into(),
            description: "d".into(),
            classes: vec![("ab".into(), 0.1), ("<c>".into(), -0.1)],
            data: Data::default(),
        });
        let drawn = figure.drawing.0;
        // From -10 at 44 to +10 at 352: zero at 198.
        assert!(drawn.contains("class=\"loss\" x=\"198\" y=\"24\" width=\"154\" height=\"14\""));
        assert!(drawn.contains("class=\"gain\" x=\"44\" y=\"46\" width=\"154\" height=\"14\""));
        assert!(drawn.contains("&lt;c&gt;") && drawn.contains("−10.0"));
    }

    #[test]
    fn nothing_has_no_sign() {
        assert_eq!([0.0, -0.0001, 0.25].map(signed), ["0.0", "0.0", "+25.0"]);
    }
}
