//! Ledgers: what a model made of each example under one condition (clean, an attack, a
//! corruption of some severity). All tables are counted from their rows, so two models can be
//! compared example by example, and an evaluation that was stopped goes on where it was.
//!
//! A ledger is one Parquet file, which pandas and DuckDB read; several of them are one table.

mod about;
mod columns;
mod file;
mod folder;
mod judge;
mod pair;
mod rows;
mod worst;

pub use about::{About, Kind};
pub use folder::{FOLDER, files, path_in, read_all};
pub use judge::{Judged, judge};
pub use pair::{mcnemar_of, pairs, spill_over_of};
pub use rows::{Ledger, Row};
pub use worst::worst_case;
