//! What all figures are drawn with.

use super::scale::{Scale, tick_texts};
use maud::{Markup, html};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The width that a letter takes on average, at the size of the figures' text.
const LETTER: f64 = 6.7;

/// A length with at most two decimals, as short as can be.
pub fn n(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0" } else { text }.to_owned()
}

/// The width of a text, about.
pub fn width(text: &str) -> f64 {
    text.width() as f64 * LETTER
}

/// The text, cut where it does not fit into `room`.
pub fn fitted(text: &str, room: f64) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut used = LETTER; // of the sign that stands for the rest
    let fits = |letter: &char| {
        used += letter.width().unwrap_or(0) as f64 * LETTER;
        used <= room
    };
    let start: String = text.chars().take_while(fits).collect();
    format!("{}…", start.trim_end())
}

/// A straight line.
pub fn line(class: &str, from: (f64, f64), to: (f64, f64)) -> Markup {
    html! {
        line class=(class) x1=(n(from.0)) y1=(n(from.1)) x2=(n(to.0)) y2=(n(to.1)) {}
    }
}

/// A line through points; one that is no number interrupts it.
pub fn path(points: impl IntoIterator<Item = (f64, f64)>) -> String {
    let mut path = String::new();
    let mut begins = true;
    for (x, y) in points {
        if !(x.is_finite() && y.is_finite()) {
            begins = true;
            continue;
        }
        let command = if begins { 'M' } else { 'L' };
        path += &format!("{command}{} {}", n(x), n(y));
        begins = false;
    }
    path
}

/// The lines and numbers of a horizontal axis, between the heights `top` and `bottom`.
pub fn columns(scale: &Scale, ticks: &[f64], top: f64, bottom: f64) -> Markup {
    html! {
        @for (tick, text) in ticks.iter().zip(tick_texts(ticks)) {
            (line("grid", (scale.at(*tick), top), (scale.at(*tick), bottom)))
            text class="muted middle" x=(n(scale.at(*tick))) y=(n(bottom + 15.0)) { (text) }
        }
    }
}

/// The lines and numbers of a vertical axis, between `left` and `right`.
pub fn rows(scale: &Scale, ticks: &[f64], left: f64, right: f64) -> Markup {
    html! {
        @for (tick, text) in ticks.iter().zip(tick_texts(ticks)) {
            (line("grid", (left, scale.at(*tick)), (right, scale.at(*tick))))
            text class="muted end" x=(n(left - 6.0)) y=(n(scale.at(*tick) + 4.0)) { (text) }
        }
    }
}

/// Coloured names in lines of at most `room`, from the place (left, top) down; also the height
/// they take.
pub fn legend(names: &[(String, String)], left: f64, top: f64, room: f64) -> (Markup, f64) {
    const ROW: f64 = 18.0;
    let (mut x, mut y) = (0.0, 0.0);
    let mut places = Vec::new();
    for (class, name) in names {
        let text = fitted(name, room - 18.0);
        let needs = width(&text) + 34.0;
        if x > 0.0 && x + needs > room + 16.0 {
            (x, y) = (0.0, y + ROW);
        }
        places.push((class, name, text, left + x, top + y));
        x += needs;
    }
    let drawn = html! {
        @for (class, name, text, x, y) in places {
            g class=(class) {
                rect.mark x=(n(x)) y=(n(y + 2.0)) width="12" height="12" rx="2" {}
                text x=(n(x + 17.0)) y=(n(y + 12.0)) { title { (name) } (text) }
            }
        }
    };
    (drawn, y + ROW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [1.0, 0.125, -0.001, 12.3456, 100.0].map(n),
            ["1", "0.12", "0", "12.35", "100"]
        );
    }

    #[test]
    fn a_gap_begins_a_new_line() {
        let points = [(0.0, 0.0), (1.0, 2.5), (2.0, f64::NAN), (3.0, 4.0)];
        assert_eq!(path(points), "M0 0L1 2.5M3 4");
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(fitted("great white shark", 80.0), "great whit…");
        assert_eq!(fitted("cat", 80.0), "cat");
        assert_eq!(fitted("cat", 0.0), "…");
    }

    #[test]
    fn a_legend_breaks_into_lines() {
        let names: Vec<(String, String)> = ["Standard", "Adv", "Adv+"]
            .map(|name| ("s0".into(), name.into()))
            .into();
        assert_eq!(legend(&names, 0.0, 0.0, 380.0).1, 18.0);
        assert_eq!(legend(&names, 0.0, 0.0, 100.0).1, 36.0);
    }
}
