//! What a run will take, told from a few of its batches before it starts.

mod cost;
mod files;
mod marks;
mod probe;
mod stand_in;
mod verdict;

pub use cost::Cost;
pub use marks::FILLED;
pub use probe::{Length, Loop, Probe, Probed};
pub use stand_in::stand_in;
pub use verdict::{Circumstances, Estimate, Part};
