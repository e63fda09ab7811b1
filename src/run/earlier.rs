//! What a resumed run finds in its folder and had better not replace by less.

use super::manifest::Recorded;
use super::record::{CLASSES, METRICS};
use serde_json::{Map, Value};
use std::fs;
use std::path::Path;

/// The tables of the run before: its rows come again, and until all of them are there, what lies in
/// the folder says more.
pub(super) struct Earlier {
    rows: [usize; 2],
    /// With other ones the rows are others.
    pub parameters: Map<String, Value>,
}

impl Earlier {
    pub fn of(folder: &Path, recorded: &Recorded) -> Self {
        // Less the names of the columns.
        let rows = |name: &str| {
            let text = fs::read_to_string(folder.join(name)).unwrap_or_default();
            text.lines().count().saturating_sub(1)
        };
        Earlier {
            rows: [METRICS, CLASSES].map(rows),
            parameters: recorded.parameters.clone(),
        }
    }

    /// Whether one of the tables has more rows than `rows`.
    pub fn shows_more(&self, rows: [usize; 2]) -> bool {
        self.rows
            .iter()
            .zip(rows)
            .any(|(earlier, now)| *earlier > now)
    }
}
