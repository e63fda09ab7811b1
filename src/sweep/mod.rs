//! Sweeps: one script run at every point of a grid of its parameters, each run a process and a
//! folder of its own, and a table of what came out.
//!
//! The folder of a sweep has `sweep.json`, the plan; for each run its folder and beside it what
//! the run printed, `NAME.log`; and the table, `table.txt`, `table.csv` and `table.json`. Whether a
//! run has finished is said by its own record alone, so runs that something else started count too.

mod grid;
mod measured;
mod plan;
mod process;
mod shell;
mod state;
mod table;
mod texts;

pub use grid::{Axis, Point, points};
pub use plan::{Plan, Run};
pub use process::{Hands, Outcome, Watch, Work, run_all};
pub use shell::quoted;
pub use state::{State, state};
pub use table::{Means, means};
pub use texts::Texts;
