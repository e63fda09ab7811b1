//! Files: the one place through which those of a script are opened, and writing them whole or
//! not at all.
//!
//! A path is resolved once, to where it really leads; then the file is opened beneath the handle
//! of an allowed folder, without following a link. So a link that is exchanged between the check
//! and the use leads to an error and never out. The domain is handed open files and folders and
//! knows nothing of what is allowed.

mod folder;
mod gate;
mod lasting;
mod lock;
mod log;
mod name;
mod open;
mod real;
mod root;
mod special;
#[cfg(test)]
mod tests;
mod write;

pub use folder::{Folder, Kind, Stamp};
pub use gate::{Gate, Refusal, Right};
pub use lasting::{FolderToWrite, LastingFolder};
pub use lock::Lock;
pub use log::{Access, Content, What};
pub use name::plain_name;
pub use open::{File, LARGEST_IMAGE, LARGEST_TEXT};
pub use real::resolved;
pub use write::{NewFile, Target, is_temporary, write_whole};
