//! What sections consist of.

use crate::Result;
use crate::report::figure::{Data, Figure};
use crate::report::table::Format;
use crate::report::{Cell, Table};
use crate::run::csv;
use maud::Markup;

/// A part of the page with its heading.
pub struct Section {
    /// Where links go.
    pub id: &'static str,
    pub title: &'static str,
    pub blocks: Vec<Block>,
}

pub enum Block {
    Text(Markup),
    /// A heading within a section.
    Heading(String),
    /// Figures side by side.
    Panels(Vec<Figure>),
    Sheet(Sheet),
    /// What opens on request, beneath its title.
    Folded(Markup, Vec<Block>),
}

/// A table with its numbers for download.
pub struct Sheet {
    /// The name of its file without ending.
    pub name: String,
    pub table: Table,
    /// What the labels of the rows are.
    pub labels: &'static str,
    /// Whether its columns can be sorted.
    pub sortable: bool,
}

impl Block {
    pub fn sheet(name: impl Into<String>, labels: &'static str, table: Table) -> Self {
        Block::Sheet(Sheet {
            name: name.into(),
            table,
            labels,
            sortable: false,
        })
    }

    /// Names the files within, so that no two are alike.
    pub fn name_files(&mut self, taken: &mut Vec<String>) {
        match self {
            Block::Text(_) | Block::Heading(_) => {}
            Block::Panels(figures) => figures.iter_mut().for_each(|it| free(&mut it.name, taken)),
            Block::Sheet(sheet) => free(&mut sheet.name, taken),
            Block::Folded(_, blocks) => blocks.iter_mut().for_each(|it| it.name_files(taken)),
        }
    }

    /// Calls `figure` and `sheet` for all within.
    pub fn visit(
        &self,
        figure: &mut dyn FnMut(&Figure) -> Result<()>,
        sheet: &mut dyn FnMut(&Sheet) -> Result<()>,
    ) -> Result<()> {
        match self {
            Block::Text(_) | Block::Heading(_) => Ok(()),
            Block::Panels(figures) => figures.iter().try_for_each(figure),
            Block::Sheet(it) => sheet(it),
            Block::Folded(_, blocks) => blocks.iter().try_for_each(|it| it.visit(figure, sheet)),
        }
    }
}

fn free(name: &mut String, taken: &mut Vec<String>) {
    let first = name.clone();
    let mut number = 1;
    while taken.contains(name) {
        number += 1;
        *name = format!("{first}-{number}");
    }
    taken.push(name.clone());
}

impl Sheet {
    /// The table's numbers, each in the unit of its column; the heading above a row is its
    /// `group`.
    pub fn data(&self) -> Data {
        let grouped = self.table.rows.iter().any(|row| row.cells.is_empty());
        let columns = (0..self.table.columns.len()).map(|it| self.with_unit(it));
        let group = grouped.then_some("group");
        let first = group.into_iter().chain([self.labels]).map(str::to_owned);
        let mut data = Data::new(first.chain(columns));
        let mut heading = "";
        for row in &self.table.rows {
            if row.cells.is_empty() && !self.table.columns.is_empty() {
                heading = &row.label;
                continue;
            }
            let group = grouped.then(|| heading.to_owned());
            let fields = group.into_iter().chain([row.label.clone()]);
            data.rows
                .push(fields.chain(row.cells.iter().map(field)).collect());
        }
        data
    }

    /// The name of a column; of percentages it says so, if only a note or a heading did.
    fn with_unit(&self, column: usize) -> String {
        let name = &self.table.columns[column];
        let mut cells = self
            .table
            .rows
            .iter()
            .filter_map(|row| row.cells.get(column));
        let percent = cells.any(|cell| match cell {
            Cell::Number { format, .. } => *format != Format::Plain,
            Cell::Text(_) => false,
        });
        let said = name.contains('%') || name.contains("points");
        match percent && !said {
            true => format!("{name}, %"),
            false => name.clone(),
        }
    }
}

fn field(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => text.clone(),
        Cell::Number { value, format } => match (format, value) {
            (Format::Percent, _) => Data::percent(*value),
            (Format::Change, _) => Data::number(*value),
            // A count.
            (Format::Plain, Some(n)) if n.fract() == 0.0 && n.abs() < 1e15 => format!("{n:.0}"),
            (Format::Plain, _) => csv::number(*value),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_of_a_table_is_in_the_unit_of_its_column() {
        let mut table = Table::new(
            "",
            ["A", "change, points", "n", "class"]
                .map(str::to_owned)
                .to_vec(),
        );
        table.heading("Error, %");
        let cells = vec![
            Cell::percent(Some(0.577)),
            Cell::change(Some(100.0 * 0.29)),
            Cell::plain(Some(10.0)),
            Cell::Text("a, b".into()),
        ];
        table.row("clean", cells).unwrap();
        let Block::Sheet(sheet) = Block::sheet("x", "condition", table) else {
            panic!("it is a sheet");
        };
        let text = String::from_utf8(sheet.data().csv().unwrap()).unwrap();
        assert_eq!(
            text,
            "group,condition,\"A, %\",\"change, points\",n,class\n\
             \"Error, %\",clean,57.7,29.0,10,\"a, b\"\n"
        );
    }

    #[test]
    fn no_two_files_have_one_name() {
        let mut taken = Vec::new();
        let mut all: Vec<Block> = (0..3)
            .map(|_| Block::sheet("x", "", Table::new("", vec![])))
            .collect();
        all.iter_mut().for_each(|it| it.name_files(&mut taken));
        assert_eq!(taken, ["x", "x-2", "x-3"]);
    }
}
