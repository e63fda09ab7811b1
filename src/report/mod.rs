//! What people look at: tables, the paper's comparison, progress, pictures, plots.

pub mod figure;
mod gallery;
mod numbers;
mod page;
mod paper;
pub mod picture;
pub mod plot;
mod progress;
mod table;

pub use gallery::{GALLERY_FILE, Gallery, GalleryExample, write_gallery};
pub use numbers::{binary_size, counted, duration, precise_duration, short, thousands};
pub(crate) use page::{Logged, read_logged};
pub use page::{diagnosis_page, diagnosis_table, write_diagnosis, write_report};
pub use paper::{Scores, paper_table};
pub use progress::{Progress, Screen};
pub use table::{Cell, Format, Row, Table};
