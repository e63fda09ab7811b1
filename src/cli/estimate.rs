//! `rhobust estimate`: what a run would take.

use super::options::{Common, script_path};
use super::output::{finish, say};
use crate::script;
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    rhobust estimate scripts/paper.rhai\n  \
    rhobust estimate scripts/adv_plus.rhai --set data=/data/imagenet --device cuda\n  \
    rhobust estimate scripts/adv.rhai --json | jq .total.seconds")]
pub(super) struct Estimate {
    /// The script, a .rhai file
    #[arg(value_parser = script_path())]
    script: PathBuf,

    #[command(flatten)]
    common: Common,

    /// Print the estimate as a JSON object
    #[arg(long)]
    json: bool,

    /// Show what the script prints
    #[arg(short, long)]
    verbose: bool,
}

impl Estimate {
    pub fn run(self) -> i32 {
        let settings = self.common.settings(Some(self.script));
        let (estimate, ending) = script::estimate(settings, self.verbose);
        if let Some(estimate) = &estimate {
            match self.json {
                true => say(&serde_json::json!(estimate).to_string()),
                false => say(estimate.to_string().trim_end()),
            }
        }
        let code = finish(ending, &[]);
        if code != 0 && estimate.is_some() {
            eprintln!(
                "the probe did not reach the end of the script; the estimate is of what came before. \
                 What a few batches give means nothing: a script that depends on it may fail"
            );
        }
        code
    }
}
