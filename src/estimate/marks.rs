//! Which cells of a table have something in them.

use crate::report::{Cell, Table};

/// In a cell that will be filled; one that stays empty has a table's dash.
pub const FILLED: &str = "✓";

/// The table with marks in the place of its values, which mean nothing after a few batches.
pub fn marked(table: &Table) -> Table {
    let mut marked = table.clone();
    for cell in marked.rows.iter_mut().flat_map(|row| &mut row.cells) {
        let filled = match cell {
            Cell::Number { value, .. } => value.is_some(),
            Cell::Text(text) => !matches!(text.trim(), "" | "–" | "-"),
        };
        *cell = match filled {
            true => Cell::Text(FILLED.to_owned()),
            false => Cell::plain(None),
        };
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_marks() {
        let mut table = Table::new("errors", vec!["clean".into(), "PGD".into(), "class".into()]);
        table.heading("Error, %");
        let cells = vec![
            Cell::percent(Some(0.25)),
            Cell::change(None),
            Cell::Text("cat".into()),
        ];
        table.row("Adv", cells).unwrap();
        table.note("a note");
        let text = marked(&table).to_string();
        assert!(
            text.contains("Error, %") && text.contains("a note"),
            "{text}"
        );
        let row = text.lines().find(|line| line.contains("Adv")).unwrap();
        let row: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(row, ["Adv", "✓", "–", "✓"]);
    }
}
