//! Errors under corruptions: a field for each corruption and severity.

use super::draw::{fitted, n};
use super::{Data, Figure, WIDTH};
use maud::{Markup, html};

/// What the figure shows: fractions.
pub struct Heat {
    pub name: String,
    pub title: String,
    pub description: String,
    pub columns: Vec<String>,
    pub rows: Vec<HeatRow>,
    pub data: Data,
}

/// A row of fields, and their mean where all are there.
pub struct HeatRow {
    pub name: String,
    pub values: Vec<Option<f64>>,
    pub mean: Option<f64>,
}

const LEFT: f64 = 128.0;
const MEAN: f64 = 52.0;
const TOP: f64 = 22.0;
const ROW: f64 = 23.0;
/// From here on white text stands on the field, in the light scheme, and black in the dark one:
/// at this depth both have a contrast of 4.5, and each more on its own side.
const DEEP: f64 = 0.63;

/// Draws the fields; the deeper the colour, the larger the error, from 0 to 1 in every figure.
pub fn heat_map(given: Heat) -> Figure {
    let cell = (WIDTH - LEFT - MEAN) / given.columns.len().max(1) as f64;
    let left = |column: usize| LEFT + cell * column as f64;
    let field = |value: Option<f64>, x: f64, y: f64| -> Markup {
        let Some(value) = value else {
            return html! {
                rect.nothing x=(n(x + 1.0)) y=(n(y + 1.0)) width=(n(cell - 2.0))
                    height=(n(ROW - 2.0)) {}
                text class="muted middle" x=(n(x + cell / 2.0)) y=(n(y + 16.0)) { "–" }
            };
        };
        let text = if value > DEEP {
            "middle deep"
        } else {
            "middle on"
        };
        html! {
            rect.cell x=(n(x + 0.5)) y=(n(y + 0.5)) width=(n(cell - 1.0)) height=(n(ROW - 1.0))
                fill-opacity=(n(value.clamp(0.0, 1.0))) {}
            text class=(text) x=(n(x + cell / 2.0)) y=(n(y + 16.0)) {
                (format!("{:.0}", 100.0 * value))
            }
        }
    };
    let drawing = html! {
        @for (column, name) in given.columns.iter().enumerate() {
            text class="muted middle" x=(n(left(column) + cell / 2.0)) y="14" { (name) }
        }
        text class="muted end" x=(n(WIDTH - 4.0)) y="14" { "mean" }
        @for (at, row) in given.rows.iter().enumerate() {
            @let y = TOP + ROW * at as f64;
            text.end x=(n(LEFT - 8.0)) y=(n(y + 16.0)) {
                title { (row.name) } (fitted(&row.name, LEFT - 8.0))
            }
            @for (column, value) in row.values.iter().enumerate() {
                (field(*value, left(column), y))
            }
            text.end x=(n(WIDTH - 4.0)) y=(n(y + 16.0)) {
                (row.mean.map_or("–".to_owned(), |it| format!("{:.1}", 100.0 * it)))
            }
        }
    };
    Figure {
        height: TOP + ROW * given.rows.len() as f64 + 4.0,
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
    fn a_field_is_as_deep_as_its_error() {
        let figure = heat_map(Heat {
            name: "h".into(),
            title: "t".into(),
            description: "d".into(),
            columns: ["1", "2"].map(str::to_owned).to_vec(),
            rows: vec![HeatRow {
                name: "fog & mist".into(),
                values: vec![Some(0.75), None],
                mean: None,
            }],
            data: Data::default(),
        });
        let drawn = figure.drawing.0;
        // 220 units for two fields.
        let field = "x=\"128.5\" y=\"22.5\" width=\"109\" height=\"22\" fill-opacity=\"0.75\"";
        assert!(drawn.contains(field), "{drawn}");
        assert!(drawn.contains("middle deep") && drawn.contains(">75<"));
        assert!(drawn.contains("class=\"nothing\" x=\"239\""));
        assert!(drawn.contains("fog &amp; mist"));
        assert_eq!(figure.height, 49.0);
    }
}
