//! What a training loop needs: the optimiser and its learning rate.

mod schedule;
mod sgd;

pub use schedule::{Schedule, ScheduleKind, ScheduleOptions};
pub use sgd::{Sgd, SgdOptions};
