//! What people look at: tables, the paper's comparison, progress.

mod numbers;
mod paper;
mod progress;
mod table;

pub use numbers::{short, thousands};
pub use paper::{Scores, paper_table};
pub use progress::{Progress, Screen};
pub use table::{Cell, Format, Row, Table};
