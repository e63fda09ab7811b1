//! The report: one page that shows what run folders hold, without a network and without the
//! program; beside it each figure as SVG and the numbers of each as CSV.

mod block;
mod classes;
mod compare;
mod condition;
mod corruptions;
mod curves;
mod diagnosis;
#[cfg(test)]
mod diagnosis_tests;
mod diagnosis_text;
mod document;
mod eps;
mod gallery;
mod measured;
mod name;
mod output;
mod paper;
mod read;
mod reliability;
mod settings;
mod spill;
mod study;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use diagnosis::{diagnosis_page, write_diagnosis};
pub use diagnosis_text::diagnosis_table;
pub(crate) use read::{Logged, read_logged};

use crate::Result;
use block::Section;
use std::path::{Path, PathBuf};
use study::Study;

/// Writes the report on the runs in `folders` to `out`: a file that ends in `.html`, the page
/// alone; or a folder for `index.html`, `figures/` and `data/`. Without `out` it goes to
/// `RUN/report`, and that of several runs to `report`. Returns the page's path. A damaged ledger,
/// metrics or pictures are left out, with a warning on the page and on standard error.
///
/// # Errors
/// `Invalid` for a folder that holds no run or a damaged record, runs whose classes differ, or an `out` that holds something else or cannot be written.
pub fn write_report(folders: &[PathBuf], out: Option<&Path>) -> Result<PathBuf> {
    ensure!(!folders.is_empty(), "a report needs at least one run");
    let out = match (out, folders) {
        (Some(out), _) => out.to_owned(),
        (None, [only]) => only.join("report"),
        (None, _) => PathBuf::from("report"),
    };
    output::check(&out)?;
    let runs = folders.iter().map(|folder| read::read_run(folder));
    let study = Study::new(runs.collect::<Result<_>>()?)?;
    let written = output::write(&page(&study)?, &out)?;
    for damage in study.runs.iter().flat_map(|it| &it.damaged) {
        eprintln!("warning: left out of the report: {damage}");
    }
    Ok(written)
}

/// All sections that there is data for, and a line for each thing that there is none for.
fn page(study: &Study) -> Result<document::Page> {
    let mut missing = Vec::new();
    let mut sections = Vec::new();
    for section in SECTIONS {
        sections.extend(section(study, &mut missing)?);
    }
    Ok(document::Page::new(study, sections, missing))
}

type Make = fn(&Study, &mut Vec<String>) -> Result<Option<Section>>;

/// In the order of the page.
const SECTIONS: [Make; 11] = [
    paper::section,
    measured::section,
    classes::section,
    spill::section,
    corruptions::section,
    eps::section,
    reliability::section,
    compare::section,
    curves::section,
    gallery::section,
    settings::section,
];
