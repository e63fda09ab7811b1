//! `rhobust run`: a script, a recipe, or on with a run that did not finish.

use super::again;
use super::options::{Checkpoints, Common};
use super::output::{failed, finish, refused, say};
use super::{Cli, resume, share};
use crate::Result;
use crate::recipe::is_recipe;
use crate::run::loops::Policy;
use crate::script::{self, Settings};
use clap::{Args, CommandFactory};
use std::path::PathBuf;

#[derive(Args)]
#[command(
    disable_help_flag = true,
    after_help = "Examples:\n  \
    rhobust run scripts/adv.rhai --set epochs=2 --set eps=8/255\n  \
    rhobust run scripts/adv.rhai --seed 1 --device cuda:0 --out runs/seed1\n  \
    rhobust run scripts/adv.rhai --set data=/data/imagenet\n  \
    rhobust run scripts/adv.rhai --set epochs=1 --profile\n  \
    rhobust run --resume runs/evaluate-20260131-120000 --set batch_size=16"
)]
pub(super) struct Run {
    /// The script, a .rhai file, or a recipe, a .rhobust file
    #[arg(required_unless_present_any = ["help", "resume"])]
    pub script: Option<PathBuf>,

    #[command(flatten)]
    pub common: Common,

    /// The folder for the results, new or empty [default: runs/SCRIPT-TIME]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Go on with a run that did not finish: what was trained and evaluated stays, the rest of the
    /// script runs again; --set and the like change it
    #[arg(long, value_name = "RUN", conflicts_with_all = ["script", "out"])]
    pub resume: Option<PathBuf>,

    #[command(flatten)]
    pub checkpoints: Checkpoints,

    /// With --resume: use checkpoints although --set has changed what they belong to, for example
    /// a lower learning rate after a training diverged; the record notes it
    #[arg(long, requires = "resume")]
    pub accept_changes: bool,

    /// Tell at the end where the time went: loading, waiting, attack, training, evaluation, script;
    /// the run folder gets a trace for chrome://tracing or Perfetto, trace.json
    #[arg(long)]
    pub profile: bool,

    /// Show this, and the parameters of the script if one is named
    #[arg(short, long)]
    pub help: bool,
}

impl Run {
    pub fn run(self) -> i32 {
        if self.help {
            return self.tell_help();
        }
        if let Some(recipe) = self.script.clone().filter(|it| is_recipe(it)) {
            return again::run_recipe(&recipe, self);
        }
        let allowed = self.common.allowed();
        match self.settings() {
            Ok(settings) => finish(script::run(settings), &allowed),
            Err(error) => refused(&error),
        }
    }

    /// One that has nothing else set.
    pub fn of(common: Common, checkpoints: Checkpoints, out: Option<PathBuf>) -> Self {
        Run {
            script: None,
            common,
            checkpoints,
            out,
            resume: None,
            accept_changes: false,
            profile: false,
            help: false,
        }
    }

    fn settings(self) -> Result<Settings> {
        ensure!(
            self.resume.is_some() || !self.accept_changes,
            "--accept-changes is for a run that goes on: it needs --resume"
        );
        match self.resume.clone() {
            Some(folder) => resume::settings(self, folder),
            None => Ok(self.plain_settings()),
        }
    }

    /// As they would be without `resume`.
    pub fn plain_settings(self) -> Settings {
        Settings {
            checkpoints: Policy {
                changed: self.accept_changes,
                ..self.checkpoints.saving().into()
            },
            out: self.out,
            profile: self.profile,
            ..self.common.settings(self.script)
        }
    }

    fn tell_help(self) -> i32 {
        let mut command = Cli::command();
        command.build();
        let usage = command
            .find_subcommand_mut("run")
            .map(|it| it.render_help().to_string());
        match self.script {
            None => say(&usage.unwrap_or_default()),
            Some(recipe) if is_recipe(&recipe) => return share::describe(&recipe),
            Some(script) => match script::describe(&script) {
                Ok(text) => say(&format!("{text}\n{}", usage.unwrap_or_default())),
                Err(report) => return failed(&report),
            },
        }
        0
    }
}
