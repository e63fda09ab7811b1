//! Running again: what a run gave, what it was made of, and both in one file to share.

mod archive;
mod circumstances;
mod comparison;
mod inspect;
mod made;
mod pack;
mod results;
mod unified;

pub use archive::{Recipe, SCRIPT, is_recipe};
pub use circumstances::{Circumstances, Difference, differences};
pub use comparison::{Comparison, Verdict};
pub use made::Made;
pub use pack::{About, Datum, Origin, Packing, pack};
pub use results::Results;
pub use unified::unified;
