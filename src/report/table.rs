//! A table that prints aligned on a terminal and keeps its numbers unrounded as JSON.

use super::numbers::short;
use crate::files::write_whole;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use unicode_width::UnicodeWidthStr;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    pub title: String,
    /// The names of the columns after the one of the labels.
    pub columns: Vec<String>,
    pub rows: Vec<Row>,
    pub notes: Vec<String>,
}

/// A label and a cell for each column; without cells the label is a heading.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub label: String,
    pub cells: Vec<Cell>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cell {
    /// `None` where there is no such number; it is shown as a dash.
    Number {
        value: Option<f64>,
        format: Format,
    },
    Text(String),
}

/// How a number is shown. The number itself keeps its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// A fraction, shown in percent with two decimals.
    Percent,
    /// A change in percent, shown with its sign and two decimals.
    Change,
    /// Four significant digits.
    Plain,
}

/// Stands for a number that there is not.
const NONE: &str = "–";
const GAP: usize = 2;
const NOTE_WIDTH: usize = 80;

impl Cell {
    pub fn percent(fraction: Option<f64>) -> Self {
        Cell::number(fraction, Format::Percent)
    }

    pub fn change(percent: Option<f64>) -> Self {
        Cell::number(percent, Format::Change)
    }

    pub fn plain(value: Option<f64>) -> Self {
        Cell::number(value, Format::Plain)
    }

    /// A number that is not finite counts as none.
    pub fn number(value: Option<f64>, format: Format) -> Self {
        let value = value.filter(|value| value.is_finite());
        Cell::Number { value, format }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Cell::Text(text) => f.write_str(text),
            Cell::Number { value: None, .. } => f.write_str(NONE),
            Cell::Number {
                value: Some(value),
                format,
            } => match format {
                Format::Percent => write!(f, "{:.2}", 100.0 * value),
                Format::Change => write!(f, "{value:+.2}"),
                Format::Plain => f.write_str(&short(*value)),
            },
        }
    }
}

impl Table {
    pub fn new(title: impl Into<String>, columns: Vec<String>) -> Self {
        Table {
            title: title.into(),
            columns,
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Begins a group of rows.
    pub fn heading(&mut self, label: impl Into<String>) {
        self.rows.push(Row {
            label: label.into(),
            cells: Vec::new(),
        });
    }

    /// # Errors
    /// `Invalid` unless there is a cell for each column.
    pub fn row(&mut self, label: impl Into<String>, cells: Vec<Cell>) -> Result<()> {
        let (label, columns) = (label.into(), self.columns.len());
        ensure!(
            cells.len() == columns,
            "row `{label}` must have a cell for each of the {columns} columns, got {}",
            cells.len()
        );
        self.rows.push(Row { label, cells });
        Ok(())
    }

    /// Adds a paragraph below the table.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Writes `<name>.txt`, as it is printed, and `<name>.json` into `folder`.
    pub fn save(&self, folder: &Path, name: &str) -> Result<()> {
        let mut json = serde_json::to_string_pretty(self)
            .map_err(|error| Error::invalid(error.to_string()))?;
        json.push('\n');
        let text = self.to_string();
        write_whole(&folder.join(format!("{name}.txt")), text.as_bytes())?;
        write_whole(&folder.join(format!("{name}.json")), json.as_bytes())
    }

    fn has_headings(&self) -> bool {
        self.rows.iter().any(|row| row.cells.is_empty())
    }

    /// The label as printed: rows stand a little to the right of headings.
    fn label(&self, row: &Row) -> String {
        let indent = self.has_headings() && !row.cells.is_empty();
        format!("{}{}", if indent { "  " } else { "" }, row.label)
    }

    fn label_width(&self) -> usize {
        let labels = self.rows.iter().filter(|row| !row.cells.is_empty());
        labels.map(|row| self.label(row).width()).max().unwrap_or(0)
    }

    /// Each column is as wide as its widest cell, and its name fits into two lines.
    fn column_widths(&self) -> Vec<usize> {
        let widest_cell = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.cells.get(column));
            cells.map(|cell| cell.to_string().width()).max()
        };
        let columns = self.columns.iter().enumerate();
        columns
            .map(|(column, name)| {
                let fits = |width: &usize| wrap(name, *width).len() <= 2;
                let of_name = (0..=name.width()).find(fits).unwrap_or(0);
                let longest_word = name.split_whitespace().map(UnicodeWidthStr::width).max();
                of_name
                    .max(longest_word.unwrap_or(0))
                    .max(widest_cell(column).unwrap_or(0))
            })
            .collect()
    }
}

/// The text for a terminal. Every line ends, the last one too.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (label_width, widths) = (self.label_width(), self.column_widths());
        let total = label_width + widths.iter().map(|width| GAP + width).sum::<usize>();
        let mut line = |label: &str, cells: &[String]| {
            let mut line = pad_right(label, label_width);
            for (cell, width) in cells.iter().zip(&widths) {
                line += &" ".repeat(GAP + width.saturating_sub(cell.width()));
                line += cell;
            }
            writeln!(f, "{}", line.trim_end())
        };

        if !self.title.is_empty() {
            line(&self.title, &[])?;
            line("", &[])?;
        }
        // A name of two lines has the second one next to the numbers.
        let columns = self.columns.iter().zip(&widths);
        let names: Vec<Vec<String>> = columns.map(|(name, width)| wrap(name, *width)).collect();
        let height = names.iter().map(Vec::len).max().unwrap_or(0);
        for from_below in (0..height).rev() {
            let part = |name: &Vec<String>| name.iter().rev().nth(from_below).cloned();
            let parts: Vec<String> = names
                .iter()
                .map(|name| part(name).unwrap_or_default())
                .collect();
            line("", &parts)?;
        }
        let rule = "─".repeat(total);
        line(&rule, &[])?;
        for row in &self.rows {
            let cells: Vec<String> = row.cells.iter().map(Cell::to_string).collect();
            line(&self.label(row), &cells)?;
        }
        line(&rule, &[])?;
        for note in &self.notes {
            for part in wrap(note, total.max(NOTE_WIDTH)) {
                line(&part, &[])?;
            }
        }
        Ok(())
    }
}

pub(super) fn pad_right(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

/// The words of `text` in lines of at most `width`; a longer word has its own line.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Table {
        let columns = ["Adv", "Adv+", "Adv+ over Adv"].map(str::to_owned);
        let mut table = Table::new("Two models, in %", columns.to_vec());
        table.heading("Error of the two, a heading wider than all labels");
        let numbers = vec![
            Cell::percent(Some(0.25)),
            Cell::percent(Some(1.0)),
            Cell::change(Some(-300.0)),
        ];
        table.row("clean", numbers).unwrap();
        let odd = vec![
            Cell::percent(None),
            Cell::Text("犬".into()),
            Cell::plain(Some(f64::NAN)),
        ];
        table.row("größte", odd).unwrap();
        table.note("A note.");
        table
    }

    #[test]
    fn prints_aligned() {
        let expected = "\
Two models, in %

                             Adv+
            Adv    Adv+  over Adv
─────────────────────────────────
Error of the two, a heading wider than all labels
  clean   25.00  100.00   -300.00
  größte      –      犬         –
─────────────────────────────────
A note.
";
        assert_eq!(example().to_string(), expected);
    }

    #[test]
    fn json_keeps_the_numbers_whole_and_reads_back() {
        let mut table = example();
        let third = Some(1.0 / 3.0);
        table
            .row(
                "thirds",
                vec![
                    Cell::percent(third),
                    Cell::plain(third),
                    Cell::change(third),
                ],
            )
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        table.save(folder.path(), "table").unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read("table.txt"), table.to_string());
        let json = read("table.json");
        assert!(json.contains("0.3333333333333333"));
        assert_eq!(serde_json::from_str::<Table>(&json).unwrap(), table);
    }

    #[test]
    fn a_row_has_a_cell_for_each_column() {
        let error = example().row("short", vec![]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "row `short` must have a cell for each of the 3 columns, got 0"
        );
    }

    #[test]
    fn an_empty_table_prints() {
        assert_eq!(Table::new("", Vec::new()).to_string(), "\n\n");
    }
}
