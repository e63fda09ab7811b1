//! The command line: a file for each command, and what they have in common.

mod again;
mod check;
mod doc;
mod estimate;
mod options;
mod output;
mod repl;
mod report;
mod resume;
mod run;
mod share;
mod signals;
mod sweep;
mod test;

use crate::info::Info;
use crate::{script, torch};
use clap::{Parser, Subcommand};

/// A scripting host for adversarial-robustness experiments.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:\n  \
    rhobust run scripts/quickstart.rhai\n  \
    rhobust run scripts/adv_plus.rhai --set epochs=2 --set eps=8/255 --out runs/first\n  \
    rhobust run scripts/adv_plus.rhai --help\n  \
    rhobust check scripts/adv_plus.rhai\n  \
    rhobust estimate scripts/paper.rhai --set epochs=10\n  \
    rhobust sweep scripts/adv_plus.rhai --grid delta=0.01,0.03 --grid seed=0..3\n  \
    rhobust test tests/stdlib\n  \
    rhobust report runs/first\n  \
    rhobust replay runs/first\n  \
    rhobust pack runs/first\n  \
    rhobust doc pgd"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a script; with --help after the script, list its parameters
    Run(run::Run),
    /// Explore interactively; with a script, run it first and keep its variables
    Repl(repl::Repl),
    /// Say which libtorch, devices, threads and instruction sets are in use, and why not others
    Info,
    /// Look for mistakes in a script and what it imports, without running it
    Check(check::Check),
    /// Probe a few batches of a script: how many passes, bytes and hours a run takes, what it fills
    ///
    /// The script runs in a temporary folder, which is removed. Loops over `split.batches(...)` end
    /// after a few batches: two or more where a loop is the first of its kind, one where it is, say,
    /// a later epoch. What the whole loop takes is extrapolated. Everything else the script does in
    /// full, loops of its own making too.
    Estimate(estimate::Estimate),
    /// Run a script at every point of a grid of its parameters, and average over seeds
    Sweep(sweep::Sweep),
    /// Run the tests in scripts: every function test_...() after the statements of its file
    Test(test::Test),
    /// Run a run or a recipe again, and say whether all its numbers are the same
    Replay(again::Replay),
    /// Make one file of a run, to share: its script, parameters and results, and which data it needs
    Pack(share::Pack),
    /// Say what a recipe reads, writes, takes and should give, without running it
    Inspect(share::Inspect),
    /// Compare the scripts, parameters, data, versions and results of two runs or recipes
    Diff(share::Diff),
    /// Write a page about runs: tables, figures, pictures, to open without a network
    Report(report::Report),
    /// Show what scripts can call: the topics, or what is known of a name
    Doc(doc::Doc),
}

/// Runs the program; returns its exit code.
pub fn main() -> i32 {
    script::name_closures_alike();
    let cli = Cli::parse();
    signals::interrupt_on_ctrl_c();
    match cli.command {
        Command::Run(given) => given.run(),
        Command::Repl(given) => given.run(),
        Command::Info => {
            torch::use_threads(None);
            output::say(Info::gather().to_string().trim_end());
            0
        }
        Command::Check(given) => given.run(),
        Command::Estimate(given) => given.run(),
        Command::Sweep(given) => given.run(),
        Command::Test(given) => given.run(),
        Command::Replay(given) => given.run(),
        Command::Pack(given) => given.run(),
        Command::Inspect(given) => given.run(),
        Command::Diff(given) => given.run(),
        Command::Report(given) => given.run(),
        Command::Doc(given) => given.run(),
    }
}
