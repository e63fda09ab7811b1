//! `rhobust repl`: a session.

use super::options::{Common, script_path};
use super::signals::end_on_sigterm;
use crate::{interrupt, repl};
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    rhobust repl\n  \
    rhobust repl scripts/quickstart.rhai\n  \
    rhobust repl scripts/adv.rhai --set epochs=1 --seed 1")]
pub(super) struct Repl {
    /// A script to run first
    #[arg(value_parser = script_path())]
    script: Option<PathBuf>,

    #[command(flatten)]
    common: Common,
}

impl Repl {
    pub fn run(self) -> i32 {
        interrupt::keep_running();
        end_on_sigterm();
        repl::repl(self.common.settings(self.script))
    }
}
