//! `rhobust report`: a page about runs.

use super::output::{finish, refused, say};
use crate::script::{Ending, Left};
use crate::{Error, report};
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    rhobust report runs/first\n  \
    rhobust report runs/adv runs/adv_plus --out reports/both\n  \
    rhobust report runs/first --out first.html")]
pub(super) struct Report {
    /// The folders of one or more runs
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,

    /// A folder for the page, each figure as SVG and its numbers as CSV; or a file that ends in
    /// .html, the page alone [default: RUN/report, of several runs: report]
    #[arg(long, value_name = "FILE_OR_DIR")]
    out: Option<PathBuf>,
}

impl Report {
    pub fn run(self) -> i32 {
        match report::write_report(&self.runs, self.out.as_deref()) {
            Ok(page) => {
                say(&page.display().to_string());
                0
            }
            Err(Error::Interrupted) => finish(Ending::Interrupted(Left::default()), &[]),
            Err(error) => refused(&error),
        }
    }
}
