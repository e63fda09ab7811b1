//! Lines and bars as plain text: what they say is there without colours.

use super::numbers::short;
use super::table::pad_right;
use crate::Result;
use unicode_width::UnicodeWidthStr;

/// Points that belong together. Those that are not finite are gaps.
pub struct Series {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// Characters of the plot, axes and labels included across but not down.
#[derive(Clone, Copy)]
pub struct Size {
    pub width: usize,
    pub height: usize,
}

/// What the series are drawn with where there are several.
const MARKS: [char; 8] = ['*', '+', 'o', 'x', '#', '@', '%', '='];
/// Shown of a title, a name or a label.
const LONGEST: usize = 32;
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

impl Size {
    /// # Errors
    /// `Invalid` where nothing could be seen, or nobody could look at it.
    pub fn new(width: usize, height: usize) -> Result<Self> {
        ensure!(
            (20..=1000).contains(&width),
            "`width` must lie in 20 .. 1000 characters, got {width}"
        );
        ensure!(
            (2..=200).contains(&height),
            "`height` must lie in 2 .. 200 lines, got {height}"
        );
        Ok(Size { width, height })
    }
}

/// Lines through the points of each series: one in dots of Braille, several each with a mark
/// of its own, which the last line explains.
///
/// # Errors
/// `Invalid` for more series than marks, or none with a finite point.
pub fn lines(series: &[Series], size: Size) -> Result<String> {
    ensure!(
        series.len() <= MARKS.len(),
        "a plot shows {} lines at most, got {}",
        MARKS.len(),
        series.len()
    );
    let points = || series.iter().flat_map(|it| &it.points).filter(finite);
    let Some(x) = Range::of(points().map(|it| it.0)) else {
        bail!("there is nothing to plot: no value is a finite number")
    };
    let y = Range::of(points().map(|it| it.1)).unwrap_or(x);
    let (top, bottom) = (short(y.high), short(y.low));
    let margin = top.width().max(bottom.width());
    let mut grid = Grid::new(size.width.saturating_sub(margin + 2).max(1), size.height);
    match series {
        [one] => grid.braille(&one.points, x, y),
        all => {
            for (series, mark) in all.iter().zip(MARKS) {
                grid.marks(&series.points, x, y, mark);
            }
        }
    }
    let mut text = Vec::new();
    for (at, row) in grid.rows().enumerate() {
        let label = match at {
            0 => &top,
            _ if at + 1 == size.height => &bottom,
            _ => "",
        };
        let axis = if label.is_empty() { '│' } else { '┤' };
        let row: String = row.iter().collect();
        text.push(format!("{label:>margin$} {axis}{}", row.trim_end()));
    }
    text.push(format!("{:margin$} └{}", "", "─".repeat(grid.width)));
    let (first, last) = (short(x.low), short(x.high));
    let between = grid.width.saturating_sub(first.width() + last.width());
    let between = " ".repeat(between.max(1));
    text.push(format!("{:margin$}  {first}{between}{last}", ""));
    if series.len() > 1 {
        let names = series.iter().zip(MARKS);
        let names: Vec<_> = names
            .map(|(it, mark)| format!("{mark} {}", cut(&it.name)))
            .collect();
        text.push(format!("{:margin$}  {}", "", names.join("   ")));
    }
    Ok(text.join("\n"))
}

/// A horizontal bar for each value, from 0, with its label and the number. A value that is not
/// finite has none.
pub fn bars(bars: &[(String, f64)], size: Size) -> String {
    let labels: Vec<String> = bars.iter().map(|(label, _)| cut(label)).collect();
    let numbers: Vec<String> = bars.iter().map(|(_, value)| number(*value)).collect();
    let widest = |texts: &[String]| texts.iter().map(|it| it.width()).max().unwrap_or(0);
    let (margin, figures) = (widest(&labels), widest(&numbers));
    let room = size.width.saturating_sub(margin + figures + 3).max(8);
    let finite = || bars.iter().map(|it| it.1).filter(|it| it.is_finite());
    let (low, high) = (finite().fold(0.0, f64::min), finite().fold(0.0, f64::max));
    let span = high - low;
    let length = |value: f64| match value.is_finite() && span > 0.0 {
        true => value / span * room as f64,
        false => 0.0,
    };
    let left = length(-low).round() as usize;
    let line = |((label, number), (_, value)): ((&String, &String), &(String, f64))| {
        let length = length(*value);
        let bar = match length < 0.0 {
            true => format!("{:>left$}", "█".repeat((-length).round() as usize)),
            false => format!("{:left$}{}", "", bar(length)),
        };
        format!("{} │{bar} {number}", pad_right(label, margin))
    };
    let parts = labels.iter().zip(&numbers).zip(bars);
    parts.map(line).collect::<Vec<_>>().join("\n")
}

/// A bar of `length` characters, to an eighth.
fn bar(length: f64) -> String {
    let eighths = (length * 8.0).round() as usize;
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

fn number(value: f64) -> String {
    match value.is_nan() {
        true => "–".to_owned(),
        false => short(value),
    }
}

/// The beginning of a text that is too long.
fn cut(text: &str) -> String {
    match text.chars().count() > LONGEST {
        true => text.chars().take(LONGEST - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

fn finite(point: &&(f64, f64)) -> bool {
    point.0.is_finite() && point.1.is_finite()
}

#[derive(Clone, Copy)]
struct Range {
    low: f64,
    high: f64,
}

impl Range {
    fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        values.fold(None, |range, value| {
            let Range { low, high } = range.unwrap_or(Range {
                low: value,
                high: value,
            });
            Some(Range {
                low: low.min(value),
                high: high.max(value),
            })
        })
    }

    /// Which of `count` places a value has; the middle where all values are the same.
    fn place(self, value: f64, count: usize) -> f64 {
        // Halves, because the whole range of the floats is no float.
        let share = (value / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0);
        let share = if share.is_finite() { share } else { 0.5 };
        share * (count - 1) as f64
    }
}

struct Grid {
    width: usize,
    height: usize,
    characters: Vec<char>,
}

/// The bits of the dots of a Braille character, by row and column.
const DOTS: [[u32; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
const BRAILLE: u32 = 0x2800;

impl Grid {
    fn new(width: usize, height: usize) -> Self {
        Grid {
            width,
            height,
            characters: vec![' '; width * height],
        }
    }

    fn rows(&self) -> impl Iterator<Item = &[char]> {
        self.characters.chunks_exact(self.width)
    }

    fn marks(&mut self, points: &[(f64, f64)], x: Range, y: Range, mark: char) {
        for (column, row) in trace(points, x, y, self.width, self.height) {
            self.characters[row * self.width + column] = mark;
        }
    }

    fn braille(&mut self, points: &[(f64, f64)], x: Range, y: Range) {
        for (column, row) in trace(points, x, y, 2 * self.width, 4 * self.height) {
            let character = &mut self.characters[row / 4 * self.width + column / 2];
            let dots = u32::from(*character).saturating_sub(BRAILLE) | DOTS[row % 4][column % 2];
            *character = char::from_u32(BRAILLE + dots).expect("Braille has all 256 patterns");
        }
    }
}

/// The places, counted from the upper left, of a line through the points.
fn trace(
    points: &[(f64, f64)],
    x: Range,
    y: Range,
    width: usize,
    height: usize,
) -> Vec<(usize, usize)> {
    let place = |point: &(f64, f64)| {
        let column = x.place(point.0, width);
        (column, (height - 1) as f64 - y.place(point.1, height))
    };
    let mut places = Vec::new();
    let runs = points.split(|point| !finite(&point));
    for run in runs.filter(|run| !run.is_empty()) {
        let mut from = place(&run[0]);
        for to in run.iter().map(place) {
            let steps = (to.0 - from.0).abs().max((to.1 - from.1).abs()).ceil();
            for step in 0..=steps as usize {
                let share = if steps > 0.0 {
                    step as f64 / steps
                } else {
                    0.0
                };
                let between = |a: f64, b: f64| (a + (b - a) * share).round() as usize;
                places.push((between(from.0, to.0), between(from.1, to.1)));
            }
            from = to;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, values: &[f64]) -> Series {
        let points = values.iter().enumerate();
        Series {
            name: name.to_owned(),
            points: points.map(|(at, y)| (at as f64, *y)).collect(),
        }
    }

    fn size(width: usize, height: usize) -> Size {
        Size::new(width, height).unwrap()
    }

    #[test]
    fn one_line_in_braille() {
        let text = lines(&[series("", &[0.0, 1.0, 2.0, 3.0])], size(20, 4)).unwrap();
        assert_eq!(
            text,
            "3 ┤             ⣀⠤⠒⠉\n  │        ⢀⡠⠔⠒⠉\n  │    ⣀⠤⠔⠊⠁\n0 ┤⣀⠤⠒⠉\n  └─────────────────\n   0               3"
        );
    }

    #[test]
    fn several_lines_with_marks_and_gaps() {
        let two = [
            series("Adv", &[1.0, 1.0, f64::NAN, 1.0]),
            series("Adv+", &[0.0, 0.0, 0.0, 0.0]),
        ];
        assert_eq!(
            lines(&two, size(20, 2)).unwrap(),
            "1 ┤******          *\n0 ┤+++++++++++++++++\n  └─────────────────\n   \
             0               3\n   * Adv   + Adv+"
        );
        let flat = lines(&[series("", &[5.0])], size(20, 3)).unwrap();
        assert!(flat.lines().nth(1).unwrap().contains('⠠'), "{flat}");
    }

    #[test]
    fn bars_with_labels_and_numbers() {
        let some = [("cat", 0.5), ("a dog", 0.25), ("eel", f64::NAN)];
        let some = some.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(
            bars(&some, size(22, 2)),
            "cat   │████████ 0.5000\na dog │████ 0.2500\neel   │ –"
        );
        let both = [("a", -1.0), ("b", 0.5)].map(|(name, value)| (name.to_owned(), value));
        assert_eq!(
            bars(&both, size(20, 2)),
            "a │███████ -1\nb │       ███▍ 0.5000"
        );
    }

    #[test]
    fn nothing_to_see_is_an_error() {
        let error = lines(&[series("", &[f64::NAN])], size(20, 2))
            .err()
            .unwrap();
        assert!(error.to_string().contains("no value is a finite number"));
        assert!(Size::new(5, 5).is_err() && Size::new(50, 1).is_err());
        let text = bars(&[("none".to_owned(), 0.0)], size(20, 2));
        assert_eq!(text, "none │ 0");
    }

    #[test]
    fn the_ends_of_the_floats_fit_into_a_plot() {
        for ends in [[-f64::MAX, f64::MAX], [-5e-324, 5e-324], [0.0, 5e-324]] {
            let named = ends.map(|value| ("it".to_owned(), value));
            let plot = lines(&[series("", &ends)], size(40, 9)).unwrap();
            let text = format!("{}\n{plot}", bars(&named, size(40, 2)));
            assert!(
                text.lines().all(|line| line.chars().count() <= 41),
                "{text}"
            );
        }
    }
}
