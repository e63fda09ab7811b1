//! The columns of a ledger's file: their names, types, and the fields that they hold.

use super::about::About;
use super::rows::Row;

/// Where a column's values come from. Text and whole numbers of `About` are the same in every
/// row: they are there so that the files of many conditions are one table.
pub(super) enum Field {
    /// Of the condition.
    Text(fn(&About) -> Option<&str>),
    Whole(fn(&About) -> Option<i64>),
    Number(fn(&About) -> Option<f64>),
    /// Of each row.
    Integer(fn(&Row) -> Option<i64>),
    Float(fn(&Row) -> Option<f64>),
    Flag(fn(&Row) -> Option<bool>),
}

impl Field {
    /// The type in Parquet's schema language.
    fn parquet(&self) -> (&'static str, &'static str) {
        match self {
            Field::Text(_) => ("BYTE_ARRAY", " (UTF8)"),
            Field::Whole(_) | Field::Integer(_) => ("INT64", ""),
            Field::Number(_) | Field::Float(_) => ("DOUBLE", ""),
            Field::Flag(_) => ("BOOLEAN", ""),
        }
    }
}

pub(super) const COLUMNS: [(&str, Field); 16] = [
    ("model", Field::Text(|it| Some(&it.model))),
    ("condition", Field::Text(|it| Some(&it.condition))),
    ("corruption", Field::Text(|it| it.corruption.as_deref())),
    ("severity", Field::Whole(|it| it.severity.map(i64::from))),
    ("eps", Field::Number(|it| it.eps)),
    ("example", Field::Integer(|row| Some(row.example))),
    ("label", Field::Integer(|row| Some(row.label))),
    ("prediction", Field::Integer(|row| Some(row.prediction))),
    ("real", Field::Flag(|row| row.real)),
    ("loss", Field::Float(|row| Some(row.loss))),
    ("margin", Field::Float(|row| Some(row.margin))),
    ("confidence", Field::Float(|row| Some(row.confidence))),
    ("rank", Field::Integer(|row| Some(row.rank))),
    ("linf", Field::Float(|row| row.linf)),
    ("l2", Field::Float(|row| row.l2)),
    ("success", Field::Flag(|row| row.success)),
];

/// The schema of a file: every column may lack values.
pub(super) fn schema() -> String {
    let columns = COLUMNS.iter().map(|(name, field)| {
        let (kind, meaning) = field.parquet();
        format!("OPTIONAL {kind} {name}{meaning};")
    });
    format!("message ledger {{ {} }}", columns.collect::<String>())
}
