//! `rhobust test`: the tests in scripts.

use super::options::{Bounds, script_path};
use super::output::{FAILED, failed, finish, say};
use crate::script::{self, Ending, Settings};
use crate::{interrupt, torch};
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    rhobust test my_library.rhai\n  \
    rhobust test tests/stdlib --filter schedule")]
pub(super) struct Test {
    /// A .rhai file, or a folder with such files
    #[arg(value_parser = script_path())]
    path: PathBuf,

    /// Run only tests with this in their file's path or their name
    #[arg(
        long,
        value_name = "WORD",
        default_value = "",
        hide_default_value = true
    )]
    filter: String,

    /// Where to compute: auto, cpu, cuda, cuda:1
    #[arg(long)]
    device: Option<String>,

    /// Threads that libtorch computes with; by default all cores
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    threads: Option<u64>,

    /// Let the tests read a file or folder besides their own folder
    #[arg(long, value_name = "PATH")]
    allow_read: Vec<PathBuf>,

    #[command(flatten)]
    bounds: Bounds,
}

impl Test {
    pub fn run(self) -> i32 {
        torch::use_threads(self.threads.map(|it| it as usize));
        let settings = Settings {
            device: self.device,
            allow_read: self.allow_read,
            limits: self.bounds.limits(),
            ..Settings::default()
        };
        let tell = |result: &str| say(result.trim_end());
        match script::test(self.path, self.filter, settings, tell) {
            Err(_) if interrupt::requested() => {
                finish(Ending::Interrupted(script::Left::default()), &[])
            }
            Err(error) => failed(&format!("error: {error}\n")),
            Ok(outcome) if outcome == script::Outcome::default() => {
                failed("error: no test was found: a test is a function `test_...()` of a script\n")
            }
            Ok(script::Outcome { passed, failed }) => {
                say(&format!("{passed} passed, {failed} failed"));
                if failed == 0 { 0 } else { FAILED }
            }
        }
    }
}
