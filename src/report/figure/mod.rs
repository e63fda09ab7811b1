//! Figures as SVG that need no program and no network, each with the numbers it shows.
//!
//! A figure is 400 units wide and made to be read at about that many pixels, so that one fills
//! a phone and several stand side by side on a desk. Its colours are CSS variables: the page
//! that holds it, or the style that a file of its own carries, gives them for light and dark.

mod bars;
mod change;
mod curve;
mod draw;
mod grid;
mod heat;
mod reliability;
mod scale;

pub use bars::{ClassBars, class_bars};
pub use change::{Change, change_bars};
pub use curve::{Axis, Curve, Curves, curves};
pub use grid::{Grid, grid};
pub use heat::{Heat, HeatRow, heat_map};
pub use reliability::{Reliability, reliability};

use crate::Result;
use crate::run::csv;
use maud::{Markup, PreEscaped, html};

/// The style of all figures; it ends up in the page, and in each file.
pub const STYLE: &str = include_str!("figure.css");

/// The width of every figure, in units.
pub const WIDTH: f64 = 400.0;

/// How many colours there are; the models beyond take them again, with dashes.
pub const COLOURS: usize = 6;

/// A drawing and what it shows.
pub struct Figure {
    /// The name of its files without ending: letters, digits and dashes.
    pub name: String,
    pub title: String,
    /// What it shows in a sentence, for those who do not see it.
    pub description: String,
    pub height: f64,
    pub drawing: Markup,
    pub data: Data,
}

/// The numbers of a figure, each in the unit that its column names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Data {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Figure {
    /// For a page that has [`STYLE`].
    pub fn inline(&self) -> Markup {
        self.svg(html! {})
    }

    /// A file of its own.
    pub fn file(&self) -> String {
        let ground = html! {
            style { (PreEscaped(STYLE)) }
            rect.ground width="100%" height="100%" {}
            text.heading x="0" y="14" transform="translate(8 6)" { (self.title) }
        };
        let svg = self.svg(ground);
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}\n", svg.0)
    }

    /// With something beneath the drawing, which then begins lower.
    fn svg(&self, beneath: Markup) -> Markup {
        let top = if beneath.0.is_empty() { 0.0 } else { 28.0 };
        let size = format!("0 0 {WIDTH} {}", draw::n(self.height + top));
        html! {
            svg.figure xmlns="http://www.w3.org/2000/svg" viewBox=(size) role="img"
                aria-label=(format!("{}. {}", self.title, self.description)) {
                title { (self.title) }
                desc { (self.description) }
                (beneath)
                g transform=(format!("translate(0 {top})")) { (self.drawing) }
            }
        }
    }
}

impl Data {
    pub fn new<Column: Into<String>>(columns: impl IntoIterator<Item = Column>) -> Self {
        Data {
            columns: columns.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
        }
    }

    /// A fraction as a field of a column in %; nothing for no number.
    pub fn percent(fraction: Option<f64>) -> String {
        Data::number(fraction.map(|it| 100.0 * it))
    }

    /// A number without what binary fractions add: 57.7, not 57.699999999999996. Ten decimals
    /// are more than any measurement has.
    pub fn number(value: Option<f64>) -> String {
        csv::number(value.map(|it| (it * 1e10).round() / 1e10))
    }

    /// # Errors
    /// `Invalid` where a row has not as many fields as there are columns.
    pub fn csv(&self) -> Result<Vec<u8>> {
        let columns: Vec<&str> = self.columns.iter().map(String::as_str).collect();
        csv::encode(&columns, self.rows.iter().cloned())
    }
}

/// The class of a series' colour, and of its dashes.
fn colour(slot: usize) -> String {
    let dashed = if slot < COLOURS { "" } else { " dashed" };
    format!("s{}{dashed}", slot % COLOURS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_carries_its_style_and_escapes_text() {
        let figure = Figure {
            name: "a".into(),
            title: "<b> & co".into(),
            description: "\"x\" < y".into(),
            height: 50.0,
            drawing: html! { text { "<script>" } },
            data: Data::new(["x"]),
        };
        let file = figure.file();
        assert!(file.starts_with("<?xml") && file.contains("prefers-color-scheme"));
        assert!(file.contains("viewBox=\"0 0 400 78\""));
        assert!(file.contains("&lt;b&gt; &amp; co") && file.contains("&lt;script&gt;"));
        assert!(!file.contains("<b>") && !file.contains("<script"));
        // What is not XML would not open as a file.
        assert!(!STYLE.contains(['<', '&', '>']));
        let inline = figure.inline().0;
        assert!(!inline.contains("<style") && inline.contains("viewBox=\"0 0 400 50\""));
    }

    #[test]
    fn more_models_than_colours_are_dashed() {
        assert_eq!((colour(1), colour(7)), ("s1".into(), "s1 dashed".into()));
    }
}
