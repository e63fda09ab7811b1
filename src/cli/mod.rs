//! The command line.

mod again;
mod resume;
mod share;
mod sweep;

use crate::info::Info;
use crate::limits::{self, Limits};
use crate::recipe::is_recipe;
use crate::report;
use crate::run::loops::{Every, Policy, Saving};
use crate::script::docs::{Style, docs};
use crate::script::names::did_you_mean;
use crate::script::{self, Checked, Ending, Finding, Settings, Severity};
use crate::sweep::quoted;
use crate::torch::cuda;
use crate::{Error, interrupt, repl, torch};
use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Args, CommandFactory, Parser, Subcommand};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

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
    Run(Run),
    /// Explore interactively; with a script, run it first and keep its variables
    Repl(Repl),
    /// Say which libtorch, devices, threads and instruction sets are in use, and why not others
    Info,
    /// Look for mistakes in a script and what it imports, without running it
    Check(Check),
    /// Probe a few batches of a script: how many passes, bytes and hours a run takes, what it fills
    ///
    /// The script runs in a temporary folder, which is removed. Loops over `split.batches(...)` end
    /// after a few batches: two or more where a loop is the first of its kind, one where it is, say,
    /// a later epoch. What the whole loop takes is extrapolated. Everything else the script does in
    /// full, loops of its own making too.
    Estimate(Estimate),
    /// Run a script at every point of a grid of its parameters, and average over seeds
    Sweep(sweep::Sweep),
    /// Run the tests in scripts: every function test_...() after the statements of its file
    Test(Test),
    /// Run a run or a recipe again, and say whether all its numbers are the same
    Replay(again::Replay),
    /// Make one file of a run, to share: its script, parameters and results, and which data it needs
    Pack(share::Pack),
    /// Say what a recipe reads, writes, takes and should give, without running it
    Inspect(share::Inspect),
    /// Compare the scripts, parameters, data, versions and results of two runs or recipes
    Diff(share::Diff),
    /// Write a page about runs: tables, figures, pictures, to open without a network
    Report(Report),
    /// Show what scripts can call: the topics, or what is known of a name
    Doc(Doc),
}

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    rhobust doc pgd\n  \
    rhobust doc tensor.clamp\n  \
    rhobust doc std/train\n  \
    rhobust doc --search gaussian noise")]
#[group(multiple = false)]
struct Doc {
    /// A function, property, operator or topic: pgd, train::fit, tensor.shape, attack
    name: Option<String>,

    /// List everything that all these words occur in, names first
    #[arg(long, value_name = "WORD", num_args = 1..)]
    search: Vec<String>,

    /// Write the reference into a folder: an index and one Markdown page for each topic
    #[arg(long, value_name = "DIR")]
    markdown: Option<PathBuf>,

    /// Write definitions for the Rhai language server into a folder, best that of the scripts
    #[arg(long, value_name = "DIR")]
    definitions: Option<PathBuf>,
}

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
struct Run {
    /// The script, a .rhai file, or a recipe, a .rhobust file
    #[arg(required_unless_present_any = ["help", "resume"])]
    script: Option<PathBuf>,

    #[command(flatten)]
    common: Common,

    /// The folder for the results, new or empty [default: runs/SCRIPT-TIME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Go on with a run that did not finish: what was trained and evaluated stays, the rest of the
    /// script runs again; --set and the like change it
    #[arg(long, value_name = "RUN", conflicts_with_all = ["script", "out"])]
    resume: Option<PathBuf>,

    #[command(flatten)]
    checkpoints: Checkpoints,

    /// With --resume: use checkpoints although --set has changed what they belong to, for example
    /// a lower learning rate after a training diverged; the record notes it
    #[arg(long, requires = "resume")]
    accept_changes: bool,

    /// Tell at the end where the time went: loading, waiting, attack, training, evaluation, script;
    /// the run folder gets a trace for chrome://tracing or Perfetto, trace.json
    #[arg(long)]
    profile: bool,

    /// Show this, and the parameters of the script if one is named
    #[arg(short, long)]
    help: bool,
}

/// What scripts and sessions are given alike.
#[derive(Args)]
struct Common {
    /// Give a parameter of the script another value than its default
    #[arg(long, value_name = "NAME=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,

    /// Data to read, by the name of the parameter that says where it is
    #[arg(long, value_name = "NAME=PATH", value_parser = key_and_value)]
    data: Vec<(String, String)>,

    /// Where to compute: auto, cpu, cuda, cuda:1
    #[arg(long)]
    device: Option<String>,

    /// The seed that all random draws are derived from
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=i64::MAX as u64))]
    seed: Option<u64>,

    /// How many CPU threads to compute with [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=4096))]
    threads: Option<u64>,

    /// What a GPU may do: tf32 (float32 products with fewer bits), benchmark (cuDNN tries out its
    /// algorithms), deterministic (the same bits each time; what cannot is an error)
    #[arg(long, value_name = "MODE", value_parser = cuda_mode)]
    cuda: Vec<cuda::Mode>,

    /// Let the script read a file or folder besides its own folder and those given with --set or --data
    #[arg(long, value_name = "PATH")]
    allow_read: Vec<PathBuf>,

    /// Let the script write a file or into a folder besides its run folder
    #[arg(long, value_name = "PATH")]
    allow_write: Vec<PathBuf>,

    #[command(flatten)]
    bounds: Bounds,
}

/// What loops keep, to go on from.
#[derive(Args, Clone, Copy, Debug, Default, PartialEq)]
struct Checkpoints {
    /// How often a loop writes a checkpoint: a number of steps, a time such as 30s, 10m or 2h, or
    /// never [default: 10m]
    #[arg(long, value_name = "STEPS_OR_TIME", value_parser = every)]
    checkpoint_every: Option<Every>,

    /// So many of the last checkpoints of each loop stay [default: 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    keep_checkpoints: Option<u64>,
}

impl From<Saving> for Checkpoints {
    fn from(saving: Saving) -> Self {
        Checkpoints {
            checkpoint_every: saving.every,
            keep_checkpoints: saving.keep,
        }
    }
}

impl Checkpoints {
    fn saving(self) -> Saving {
        Saving {
            every: self.checkpoint_every,
            keep: self.keep_checkpoints,
        }
    }
}

/// What a script may take. It ends there as at a Ctrl-C: what was computed is kept.
#[derive(Args, Clone, Copy, Debug, Default, PartialEq)]
struct Bounds {
    /// Stop the script (in a session each input, in a test each test) after this time: 90s, 10m, 2h
    #[arg(long, value_name = "DURATION", value_parser = limits::duration)]
    max_time: Option<Duration>,

    /// Stop it when the program takes more memory than this: 512M, 8G [default: nine tenths of what
    /// is free]
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    max_memory: Option<u64>,

    /// Stop it after so many steps, those of native functions not counted
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_operations: Option<u64>,
}

impl From<Limits> for Bounds {
    fn from(limits: Limits) -> Self {
        Bounds {
            max_time: limits.time,
            max_memory: limits.memory,
            max_operations: limits.operations,
        }
    }
}

impl Bounds {
    fn limits(self) -> Limits {
        Limits {
            time: self.max_time,
            memory: self.max_memory,
            operations: self.max_operations,
        }
    }
}

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    rhobust repl\n  \
    rhobust repl scripts/quickstart.rhai\n  \
    rhobust repl scripts/adv.rhai --set epochs=1 --seed 1")]
struct Repl {
    /// A script to run first
    #[arg(value_parser = script_path())]
    script: Option<PathBuf>,

    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    rhobust estimate scripts/paper.rhai\n  \
    rhobust estimate scripts/adv_plus.rhai --set data=/data/imagenet --device cuda\n  \
    rhobust estimate scripts/adv.rhai --json | jq .total.seconds")]
struct Estimate {
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

#[derive(Args)]
struct Check {
    /// The script, a .rhai file
    #[arg(value_parser = script_path())]
    script: PathBuf,

    /// Print a JSON array of {file, line, column, end_column, severity, message, code}
    #[arg(long)]
    json: bool,

    /// Exit with 1 for warnings too
    #[arg(long)]
    deny_warnings: bool,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    rhobust test my_library.rhai\n  \
    rhobust test tests/stdlib --filter schedule")]
struct Test {
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

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    rhobust report runs/first\n  \
    rhobust report runs/adv runs/adv_plus --out reports/both\n  \
    rhobust report runs/first --out first.html")]
struct Report {
    /// The folders of one or more runs
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,

    /// A folder for the page, each figure as SVG and its numbers as CSV; or a file that ends in
    /// .html, the page alone [default: RUN/report, of several runs: report]
    #[arg(long, value_name = "FILE_OR_DIR")]
    out: Option<PathBuf>,
}

/// Exit codes: what a shell or a scheduler can tell apart. Wrong usage is 2, by clap.
const FAILED: i32 = 1;
const INTERRUPTED: i32 = 130;

/// Runs the program; returns its exit code.
pub fn main() -> i32 {
    script::name_closures_alike();
    let cli = Cli::parse();
    interrupt_on_ctrl_c();
    match cli.command {
        Command::Run(run) if run.help => help_for_run(run),
        Command::Run(run) if run.recipe().is_some() => run_recipe(run),
        Command::Run(run) => {
            let allowed = run.common.allowed();
            match run.settings() {
                Ok(settings) => finish(script::run(settings), &allowed),
                Err(error) => refused(&error),
            }
        }
        Command::Repl(repl) => {
            interrupt::keep_running();
            end_on_sigterm();
            repl::repl(repl.common.settings(repl.script))
        }
        Command::Info => {
            torch::use_threads(None);
            print!("{}", Info::gather());
            0
        }
        Command::Check(check) => run_check(&check),
        Command::Estimate(estimate) => run_estimate(estimate),
        Command::Sweep(given) => sweep::run(given),
        Command::Test(test) => run_tests(test),
        Command::Replay(given) => given.run(),
        Command::Pack(given) => given.run(),
        Command::Inspect(given) => given.run(),
        Command::Diff(given) => given.run(),
        Command::Report(given) => match report::write_report(&given.runs, given.out.as_deref()) {
            Ok(page) => {
                say(&page.display().to_string());
                0
            }
            Err(Error::Interrupted) => finish(Ending::Interrupted(script::Left::default()), &[]),
            Err(error) => refused(&error),
        },
        Command::Doc(doc) => match doc.answer() {
            Ok(text) => {
                // A closed pipe (`rhobust doc | head`) is no mistake.
                let _ = std::io::stdout().write_all(text.as_bytes());
                0
            }
            Err(text) => failed(&text),
        },
    }
}

impl Doc {
    fn answer(self) -> Result<String, String> {
        let (docs, style) = (docs(), Style::of_stdout());
        let written = |what: &str, files: crate::Result<usize>, folder: PathBuf| match files {
            Ok(files) => Ok(format!("{what}: {files} files in {}\n", folder.display())),
            Err(error) => Err(format!("error: {error}\n")),
        };
        match self {
            Doc {
                markdown: Some(folder),
                ..
            } => written("reference", docs.write_markdown(&folder), folder),
            Doc {
                definitions: Some(folder),
                ..
            } => written("definitions", docs.write_definitions(&folder), folder),
            Doc { search: words, .. } if !words.is_empty() => {
                let words = words.join(" ");
                match docs.found(&words, &style) {
                    nothing if nothing.is_empty() => {
                        Err(format!("error: nothing is about `{words}`\n"))
                    }
                    found => Ok(found),
                }
            }
            Doc {
                name: Some(name), ..
            } => docs.page(&name, &style).ok_or_else(|| {
                let near = did_you_mean(&name, docs.nearest(&name));
                let found = docs.found(&name, &style);
                format!("error: there is no documentation of `{name}`{near}\n{found}")
            }),
            _ => Ok(format!(
                "{}\nrhobust doc NAME shows a topic or a name, rhobust doc --search WORD looks for a \
                 word.\n",
                docs.overview(&style)
            )),
        }
    }
}

fn run_check(check: &Check) -> i32 {
    let Checked { findings, imports } = script::check(&check.script);
    if check.json {
        say(&serde_json::json!(findings).to_string());
    } else if findings.is_empty() {
        let imports = match imports {
            0 => String::new(),
            1 => " and 1 import".to_owned(),
            n => format!(" and {n} imports"),
        };
        say(&format!(
            "{}{imports}: no mistakes found",
            check.script.display()
        ));
    }
    if !check.json {
        findings.iter().for_each(|finding| eprint!("{finding}"));
    }
    let fails = |finding: &Finding| finding.severity == Severity::Error || check.deny_warnings;
    if findings.iter().any(fails) {
        FAILED
    } else {
        0
    }
}

fn run_estimate(given: Estimate) -> i32 {
    let settings = given.common.settings(Some(given.script));
    let (estimate, ending) = script::estimate(settings, given.verbose);
    if let Some(estimate) = &estimate {
        match given.json {
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

fn run_tests(test: Test) -> i32 {
    torch::use_threads(test.threads.map(|it| it as usize));
    let settings = Settings {
        device: test.device,
        allow_read: test.allow_read,
        limits: test.bounds.limits(),
        ..Settings::default()
    };
    let tell = |result: &str| say(result.trim_end());
    match script::test(test.path, test.filter, settings, tell) {
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

fn run_recipe(run: Run) -> i32 {
    let path = run.script.clone().unwrap_or_default();
    again::run_recipe(&path, run)
}

impl Run {
    /// The recipe that is run, if it is none but a script.
    fn recipe(&self) -> Option<&Path> {
        self.script.as_deref().filter(|it| is_recipe(it))
    }

    /// One that has nothing else set.
    fn of(common: Common, checkpoints: Checkpoints, out: Option<PathBuf>) -> Self {
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

    fn settings(self) -> crate::Result<Settings> {
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
    fn plain_settings(self) -> Settings {
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
}

impl Common {
    /// All values of parameters: for a script, data is one of them.
    fn values(&self) -> Vec<(String, String)> {
        [self.set.as_slice(), &self.data].concat()
    }

    /// The words of a command line that say what it may open.
    fn allowed(&self) -> Vec<String> {
        let all = [
            ("--allow-read", &self.allow_read),
            ("--allow-write", &self.allow_write),
        ];
        let words = all.into_iter().flat_map(|(option, paths)| {
            let each = paths.iter();
            each.flat_map(move |it| [option.to_owned(), it.display().to_string()])
        });
        words.collect()
    }

    fn settings(self, script: Option<PathBuf>) -> Settings {
        Settings {
            script,
            interactive: false,
            set: self.values(),
            opens: None,
            seed: self.seed,
            device: self.device,
            threads: self.threads.map(|n| n as usize),
            cuda: self.cuda,
            out: None,
            resume: None,
            command_line: None,
            allow_read: self.allow_read,
            allow_write: self.allow_write,
            limits: self.bounds.limits(),
            checkpoints: Policy::default(),
            profile: false,
        }
    }
}

/// A closed pipe (`rhobust test . | head`) is no reason to fail.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn help_for_run(run: Run) -> i32 {
    let mut command = Cli::command();
    command.build();
    let usage = command
        .find_subcommand_mut("run")
        .map(|run| run.render_help().to_string());
    match run.script {
        None => println!("{}", usage.unwrap_or_default()),
        Some(recipe) if is_recipe(&recipe) => return share::describe(&recipe),
        Some(script) => match script::describe(&script) {
            Ok(text) => println!("{text}\n{}", usage.unwrap_or_default()),
            Err(report) => return failed(&report),
        },
    }
    0
}

/// Tells how it ended; what it was `allowed` has to be said again to go on.
fn finish(ending: Ending, allowed: &[String]) -> i32 {
    match ending {
        Ending::Finished => 0,
        Ending::Failed(report) => failed(&report),
        Ending::Interrupted(left) => {
            eprintln!("interrupted");
            tell_what_is_left(left, allowed);
            INTERRUPTED
        }
        Ending::Limited(report, left) => {
            failed(&report);
            tell_what_is_left(left, allowed);
            FAILED
        }
    }
}

fn tell_what_is_left(left: script::Left, allowed: &[String]) {
    for file in left.checkpoints {
        eprintln!("checkpoint: {}", file.display());
    }
    if let Some(folder) = left.resumable {
        let mut words = ["rhobust", "run", "--resume"].map(str::to_owned).to_vec();
        words.push(folder.display().to_string());
        words.extend_from_slice(allowed);
        eprintln!("to go on: {}", quoted(&words));
    }
}

fn failed(report: &str) -> i32 {
    eprint!("{report}");
    FAILED
}

fn refused(error: &Error) -> i32 {
    notice(&format!("error: {error}"));
    FAILED
}

/// Prints what may come from somebody else.
fn tell(text: &str) {
    say(&harmless(text));
}

/// The same, beside the results.
fn notice(text: &str) {
    eprintln!("{}", harmless(text));
}

/// Without what moves the cursor or hides a line.
fn harmless(text: &str) -> String {
    let visible = |it: char| match it {
        '\n' | '\t' => it,
        it if it.is_control() => '\u{fffd}',
        it => it,
    };
    text.chars().map(visible).collect()
}

fn cuda_mode(text: &str) -> Result<cuda::Mode, String> {
    text.parse().map_err(|error: Error| error.to_string())
}

/// A script where a recipe will not do.
fn script_path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| match is_recipe(&path) {
        false => Ok(path),
        true => Err(format!(
            "this is a recipe: `rhobust run` and `rhobust replay` run it, `rhobust inspect {} \
             --extract DIR` gives its script",
            path.display()
        )),
    })
}

fn memory(text: &str) -> Result<u64, String> {
    /// The program itself takes more.
    const LEAST: u64 = 64 << 20;
    match limits::size(text)? {
        size if size >= LEAST => Ok(size),
        _ => Err("the program itself takes some 100M; write a unit, as in 8G".to_owned()),
    }
}

fn every(text: &str) -> Result<Every, String> {
    text.parse().map_err(|error: Error| error.to_string())
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().into(), value.into())),
        _ => Err("write NAME=VALUE, for example --set epochs=3".into()),
    }
}

/// The first Ctrl-C asks running loops to stop; a second one ends the program at once, unless
/// it is a session.
fn interrupt_on_ctrl_c() {
    const STOPPING: &[u8] = b"\nstopping after this step; a second Ctrl-C ends at once\n";
    extern "C" fn on_signal(_: i32) {
        // SAFETY: `_exit` and `write` are async-signal-safe, and the text is a static.
        unsafe {
            match interrupt::request() {
                interrupt::Next::StopLater => {
                    libc::write(
                        libc::STDERR_FILENO,
                        STOPPING.as_ptr().cast(),
                        STOPPING.len(),
                    );
                }
                interrupt::Next::EndAtOnce => libc::_exit(INTERRUPTED),
                interrupt::Next::Stop | interrupt::Next::GoOn => {}
            }
        }
    }
    // SAFETY: the handler uses atomic flags and async-signal-safe functions only.
    unsafe {
        let handler = on_signal as *const () as libc::sighandler_t;
        libc::signal(libc::SIGINT, handler);
        libc::signal(libc::SIGTERM, handler);
    }
}

/// A session, which Ctrl-C does not end, ends when the system asks for it.
fn end_on_sigterm() {
    // SAFETY: this restores what the system does by default.
    unsafe { libc::signal(libc::SIGTERM, libc::SIG_DFL) };
}
