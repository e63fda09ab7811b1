//! Loops that a resumed run goes on with where they were.
//!
//! A script runs again from its top, and each loop finds what it kept: the values, how many of its
//! steps are done, the rows that it logged. Between two steps everything of it is at rest; only
//! then is a checkpoint taken, and what a step begun since has changed can mostly be undone.

mod about;
mod file;
mod kept;
mod policy;
mod position;
mod registry;
mod snapshot;
mod value;

pub use about::About;
pub use file::{Checkpoint, Entry};
pub use kept::Kept;
pub use policy::{Every, Policy, Saving};
pub use position::Position;
pub use registry::{Due, Loops};
pub use value::Value;
