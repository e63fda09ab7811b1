//! Run records: what was run, on what, and what came out.
//!
//! A record is a folder. `record.json` says what ran and how it ended, `script/` holds the
//! script and what it imported, `metrics.csv` and `classes.csv` the numbers. Everything in it
//! that depends on the clock stands in `record.json` and in the events under `tensorboard/`, so
//! the results of two runs can be compared byte by byte.

mod checkpoints;
mod class_table;
mod clock;
pub(crate) mod csv;
mod earlier;
mod guards;
mod inputs;
mod ledgers;
pub mod loops;
mod machine;
mod manifest;
mod measurements;
mod pace;
mod record;
mod sources;
mod tensorboard;
#[cfg(test)]
pub mod testing;

pub use checkpoints::{FOLDER as CHECKPOINTS, Found};
pub use clock::utc;
pub use inputs::{Input, InputFile, Inputs, Output, other_files};
pub use ledgers::Opened;
pub use machine::Machine;
pub use manifest::{Manifest, Recorded, Status};
pub use measurements::Measurement;
pub use pace::{PATIENCE, Pace};
pub use record::{Ending, Record};
pub use sources::{Source, innermost_folder};
