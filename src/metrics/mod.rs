//! What is measured: errors, how unequally they fall on the classes, and comparisons.
//!
//! Pure functions of labels and predictions. Rates are fractions in `[0, 1]`; a rate of
//! nothing (a class without images) is `None` and enters no summary.

mod bootstrap;
mod bootstrap_classes;
mod calibration;
mod class_errors;
mod corruption;
mod corruption_table;
mod evaluation;
mod improvement;
mod mcnemar;
mod mean;
mod special;
mod spill_over;
mod top_k;
mod wilson;

pub use bootstrap::{Bootstrap, Interval, Limits, bootstrap};
pub use bootstrap_classes::{Sampling, bootstrap_classes, bootstrap_error, bootstrap_imbalance};
pub use calibration::{Calibration, CalibrationBin, calibration};
pub use class_errors::{ClassErrors, Summary, Worst};
pub use corruption::{CORRUPTIONS, CorruptionError, SEVERITIES, mean_corruption_error};
pub use corruption_table::{ALEXNET_CLEAN_ERROR, CorruptionRow, CorruptionTable, corruption_table};
pub use evaluation::Evaluation;
pub use improvement::relative_improvement;
pub use mcnemar::{McNemar, mcnemar};
pub use mean::{Mean, mean_interval};
pub use spill_over::{ClassChange, SpillOver, SpillOverSummary};
pub use top_k::{label_ranks, top_k_error};
pub use wilson::wilson_interval;
