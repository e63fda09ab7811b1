//! Pictures in a terminal: in its own graphics where it has some, else as coloured half blocks.

mod blocks;
mod canvas;
mod layout;
mod sixel;
mod terminal;

pub use layout::{Picture, draw};
pub use terminal::{Colours, Protocol, Terminal};
