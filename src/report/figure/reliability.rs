//! Accuracy against confidence.

use super::draw::{columns, line, n, rows};
use super::scale::{Scale, ticks};
use super::{Data, Figure, WIDTH, colour};
use crate::metrics::Calibration;
use maud::html;

/// What the figure shows.
pub struct Reliability<'a> {
    pub name: String,
    pub title: String,
    pub description: String,
    pub slot: usize,
    pub calibration: &'a Calibration,
    pub data: Data,
}

const TOP: f64 = 24.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = WIDTH - 14.0;
const BOTTOM: f64 = TOP + 220.0;
/// The bars that say how many images a bin has.
const COUNTS: f64 = 44.0;

/// Draws the accuracy of each bin, the gap to its confidence, and how many images it has.
pub fn reliability(given: Reliability) -> Figure {
    let it = given.calibration;
    let marks = ticks(0.0, 100.0);
    let (x, y) = (
        Scale {
            from: 0.0,
            to: 100.0,
            low: LEFT,
            high: RIGHT,
        },
        Scale {
            from: 0.0,
            to: 100.0,
            low: BOTTOM,
            high: TOP,
        },
    );
    let most = it
        .bins
        .iter()
        .map(|bin| bin.images)
        .max()
        .unwrap_or(0)
        .max(1) as f64;
    let base = BOTTOM + 24.0 + COUNTS;
    let drawing = html! {
        text.muted x="2" y="12" { "accuracy, %" }
        (columns(&x, &marks, TOP, BOTTOM))
        (rows(&y, &marks, LEFT, RIGHT))
        g class=(colour(given.slot)) {
            @for bin in &it.bins {
                @let (from, to) = (x.at(100.0 * bin.from), x.at(100.0 * bin.to));
                @if let (Some(accuracy), Some(confidence)) = (bin.accuracy, bin.confidence) {
                    @let (top, ideal) = (y.at(100.0 * accuracy), y.at(100.0 * confidence));
                    rect.mark x=(n(from + 0.75)) y=(n(top)) width=(n(to - from - 1.5))
                        height=(n(BOTTOM - top)) {}
                    rect.gap x=(n(from + 0.75)) y=(n(top.min(ideal))) width=(n(to - from - 1.5))
                        height=(n((top - ideal).abs())) {}
                    @let height = COUNTS * bin.images as f64 / most;
                    rect.mark x=(n(from + 0.75)) y=(n(base - height))
                        width=(n(to - from - 1.5)) height=(n(height)) {
                        title { (bin.images) " images" }
                    }
                }
            }
        }
        (line("ideal", (LEFT, BOTTOM), (RIGHT, TOP)))
        (line("axis", (LEFT, BOTTOM), (RIGHT, BOTTOM)))
        (line("axis", (LEFT, base), (RIGHT, base)))
        text x=(n(LEFT + 10.0)) y=(n(TOP + 18.0)) { "ECE " (percent(it.ece)) }
        text x=(n(LEFT + 10.0)) y=(n(TOP + 35.0)) { "RMS " (percent(it.rms)) }
        text.muted x="0" y=(n(base - COUNTS / 2.0 + 4.0)) { "images" }
        text class="muted middle" x=(n((LEFT + RIGHT) / 2.0)) y=(n(base + 17.0)) {
            "confidence, %"
        }
    };
    Figure {
        height: base + 26.0,
        name: given.name,
        title: given.title,
        description: given.description,
        drawing,
        data: given.data,
    }
}

fn percent(value: Option<f64>) -> String {
    value.map_or("–".to_owned(), |it| format!("{:.2} %", 100.0 * it))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::calibration;

    #[test]
    fn a_bar_is_as_high_as_the_accuracy() {
        let confidences = [0.75, 0.75, 0.75, 0.75];
        let it = calibration(&confidences, &[true, true, false, false], 2).unwrap();
        let figure = reliability(Reliability {
            name: "r".into(),
            title: "t".into(),
            description: "d".into(),
            slot: 0,
            calibration: &it,
            data: Data::default(),
        });
        let drawn = figure.drawing.0;
        // The upper bin: half of 220 units high, a quarter of them missing.
        assert!(
            drawn.contains("class=\"mark\" x=\"216.75\" y=\"134\" width=\"168.5\" height=\"110\"")
        );
        assert!(
            drawn.contains("class=\"gap\" x=\"216.75\" y=\"79\" width=\"168.5\" height=\"55\"")
        );
        assert!(drawn.contains("ECE 25.00 %"));
    }
}
