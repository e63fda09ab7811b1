//! `rhobust sweep`: a script at every point of a grid of its parameters.

use super::options::{Checkpoints, Common, script_path};
use super::output::{FAILED, INTERRUPTED, failed, refused, say};
use super::resume;
use crate::report;
use crate::run::{Recorded, utc};
use crate::script;
use crate::sweep::{
    Axis, Hands, Outcome, Plan, Run, State, Texts, Watch, Work, means, quoted, run_all, state,
};
use crate::torch::{Device, cuda};
use crate::{Error, Result, files};
use clap::Args;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

#[derive(Args)]
#[command(after_help = "\
A table gives the mean of each number that the runs measured, with its sample deviation and its 95 % \
interval by Student's t, for each combination of the parameters but those averaged over. Runs that \
finished are not done again: the same command with the same --out goes on, and so does --resume; a \
grid with more values adds runs.

Examples:
  rhobust sweep scripts/adv_plus.rhai --grid delta=0.01,0.03,0.1 --grid seed=0..5 --jobs 2
  rhobust sweep scripts/adv.rhai --grid eps=4/255,8/255 --grid seed=0..=4 --devices cuda:0,cuda:1
  rhobust sweep --resume sweeps/adv_plus-2026-01-31T12-00-00
  rhobust sweep --table sweeps/adv_plus-2026-01-31T12-00-00 --over delta,seed
  rhobust sweep scripts/adv.rhai --grid seed=0..8 --out sweeps/a --dry-run | parallel -j 2
  rhobust sweep scripts/adv.rhai --grid seed=0..8 --out sweeps/a --dry-run > jobs.txt
      (and in a Slurm array 1-8: eval \"$(sed -n \"${SLURM_ARRAY_TASK_ID}p\" jobs.txt)\"; the same \
command without --dry-run then makes the table)")]
pub(super) struct Sweep {
    /// The script, a .rhai file
    #[arg(required_unless_present_any = ["resume", "table"], value_parser = script_path())]
    script: Option<PathBuf>,

    /// A parameter and its values, for every combination with the others; 0..4 is 0, 1, 2, 3 as in
    /// scripts, and 0..=4 has 4 too. `seed` is the seed of the run, with or without a parameter of
    /// that name
    #[arg(long, value_name = "NAME=V1,V2,...", value_parser = axis,
        required_unless_present_any = ["resume", "table"])]
    grid: Vec<Axis>,

    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    checkpoints: Checkpoints,

    /// So many runs at once [default: one for each of --devices, else 1]; they share the cores
    /// unless --threads is given, and take turns on all GPUs unless it is said which
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1024))]
    jobs: Option<u64>,

    /// What runs that go on at once compute on, in turn: cuda:0,cuda:1
    #[arg(
        long,
        value_name = "DEVICE,...",
        value_delimiter = ',',
        conflicts_with = "device"
    )]
    devices: Vec<String>,

    /// The folder for the runs and the table; one that is there is gone on with
    /// [default: sweeps/SCRIPT-TIME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Parameters to average over [default: seed]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    over: Vec<String>,

    /// Go on with a sweep: do what has not finished
    #[arg(long, value_name = "DIR", conflicts_with_all = ["script", "grid", "out", "set", "data",
        "seed", "cuda"])]
    resume: Option<PathBuf>,

    /// Print the table of a sweep as far as it is, and run nothing
    #[arg(long, value_name = "DIR", conflicts_with_all = ["script", "grid", "out", "resume", "set",
        "data", "seed", "cuda", "allow_read", "allow_write", "device", "devices", "jobs", "threads",
        "checkpoint_every", "keep_checkpoints", "dry_run"])]
    table: Option<PathBuf>,

    /// Print the commands that would be run, one a line as a shell takes them, and run nothing
    #[arg(long)]
    dry_run: bool,
}

fn axis(text: &str) -> std::result::Result<Axis, String> {
    text.parse().map_err(|error: Error| error.to_string())
}

/// A sweep before its runs.
struct Prepared {
    folder: PathBuf,
    plan: Plan,
    runs: Vec<(Run, State)>,
    texts: Texts,
}

impl Sweep {
    pub fn run(self) -> i32 {
        if let Some(folder) = &self.table {
            return told(show_table(folder, self.over).map(|()| 0));
        }
        let dry = self.dry_run;
        match prepare(self) {
            Err(report) => failed(&report),
            Ok(prepared) if dry => {
                prepared.commands().iter().for_each(|line| say(line));
                0
            }
            Ok(prepared) => told(prepared.run()),
        }
    }
}

fn told(code: Result<i32>) -> i32 {
    code.unwrap_or_else(|error| refused(&error))
}

fn show_table(folder: &Path, over: Vec<String>) -> Result<()> {
    let mut plan = planned(folder)?;
    if !over.is_empty() {
        plan.over = over;
    }
    let means = means(&plan, folder)?;
    means.save(folder)?;
    say(means.table()?.to_string().trim_end());
    Ok(())
}

/// The plan of a sweep that must be there.
fn planned(folder: &Path) -> Result<Plan> {
    match Plan::read(folder)? {
        Some(plan) => Ok(plan),
        None => bail!(
            "{} is not the folder of a sweep: it has no sweep.json",
            folder.display()
        ),
    }
}

/// Everything that can be found out before the first run. The error is a report for the user.
fn prepare(given: Sweep) -> std::result::Result<Prepared, String> {
    let told = |error: Error| format!("error: {error}\n");
    let (folder, plan) = match given.resume.clone() {
        Some(folder) => resumed(given, &folder).map(|plan| (folder, plan)),
        None => begun(given),
    }
    .map_err(told)?;
    let runs = plan.runs().map_err(told)?;
    let meanings = meanings(&plan)?;
    check_values(&plan, &meanings).map_err(told)?;
    let mut texts = Texts::now(&plan.script);
    let with_state = |run: Run| {
        let given = plan.set.iter().chain(&run.point);
        let expected = given.filter_map(|given| {
            let (_, meaning) = meanings.iter().find(|it| it.0 == *given)?;
            Some((given.0.clone(), meaning.clone()?))
        });
        let expected: Vec<_> = expected.collect();
        let state = state(&folder.join(&run.name), &expected, &mut texts)?;
        Ok((run, state))
    };
    let runs = runs.into_iter().map(with_state).collect::<Result<Vec<_>>>();
    let runs = runs.map_err(told)?;
    check_folder(&folder, &runs).map_err(told)?;
    Ok(Prepared {
        folder,
        plan,
        runs,
        texts,
    })
}

/// The plan that the command line describes, and its folder.
fn begun(given: Sweep) -> Result<(PathBuf, Plan)> {
    let Some(script) = given.script else {
        bail!("no script was named");
    };
    let common = given.common;
    let set = common.values();
    let here = std::env::current_dir().map_err(|error| Error::io(Path::new("."), &error))?;
    let in_grid = |name: &str| given.grid.iter().any(|axis| axis.name == name);
    let devices = match common.device {
        Some(device) => vec![device],
        None => given.devices,
    };
    for (name, option, is_given) in [
        ("seed", "--seed", common.seed.is_some()),
        ("device", "--device", !devices.is_empty()),
    ] {
        ensure!(
            !(in_grid(name) && is_given),
            "`{name}` is in the grid and given with {option}; leave one of them out"
        );
    }
    if let Some((name, _)) = set.iter().find(|(name, _)| in_grid(name)) {
        bail!("`{name}` is in the grid and given with --set or --data; leave one of them out");
    }
    let over = match given.over.is_empty() && in_grid("seed") {
        true => vec!["seed".to_owned()],
        false => given.over,
    };
    let folder = given.out.unwrap_or_else(|| new_folder(&script));
    let plan = Plan {
        set,
        seed: common.seed,
        cuda: common.cuda.iter().map(ToString::to_string).collect(),
        allow_read: common.allow_read,
        allow_write: common.allow_write,
        limits: common.bounds.limits(),
        checkpoints: given.checkpoints.saving(),
        over,
        jobs: given.jobs.map_or(devices.len().max(1), |n| n as usize),
        devices,
        threads: common.threads.map(|n| n as usize),
        ..Plan::new(script, here, given.grid)
    };
    if let Some(earlier) = Plan::read(&folder)? {
        plan.check_goes_on(&earlier, &folder)?;
    }
    Ok((folder, plan))
}

/// The plan of the sweep in `folder`, with what is said now of how to do it.
fn resumed(given: Sweep, folder: &Path) -> Result<Plan> {
    let mut plan = planned(folder)?;
    let here = std::env::current_dir().map_err(|error| Error::io(Path::new("."), &error))?;
    ensure!(
        plan.directory == here,
        "{}: this sweep was started in {}; resume it there",
        folder.display(),
        plan.directory.display()
    );
    resume::not_again("sweep", &mut plan.allow_read, &mut plan.allow_write);
    plan.allow_read = given.common.allow_read;
    plan.allow_write = given.common.allow_write;
    let devices = match given.common.device {
        Some(device) => vec![device],
        None => given.devices,
    };
    if !devices.is_empty() {
        plan.jobs = devices.len();
        plan.devices = devices;
    }
    if let Some(jobs) = given.jobs {
        plan.jobs = jobs as usize;
    }
    if let Some(threads) = given.common.threads {
        plan.threads = Some(threads as usize);
    }
    plan.limits = given.common.bounds.limits().or(plan.limits);
    plan.checkpoints = given.checkpoints.saving().or(plan.checkpoints);
    if !given.over.is_empty() {
        plan.over = given.over;
    }
    Ok(plan)
}

/// A parameter with a text for its value, and what the script takes that for, as far as it tells.
type Meaning = ((String, String), Option<Value>);

/// What all values mean to the script.
fn meanings(plan: &Plan) -> std::result::Result<Vec<Meaning>, String> {
    let mut given = Vec::new();
    for (name, value) in &plan.set {
        given.push(("--set", name.clone(), value.clone()));
    }
    let mut seeds = Vec::new();
    for axis in &plan.grid {
        for value in &axis.values {
            match axis.name.as_str() {
                "seed" => seeds.push(seed(value)?),
                _ => given.push(("--grid", axis.name.clone(), value.clone())),
            }
        }
    }
    let meanings = script::meanings(&plan.script, given.clone())?;
    let texts = given.into_iter().map(|(_, name, value)| (name, value));
    let mut all: Vec<Meaning> = texts.zip(meanings).collect();
    all.extend(seeds);
    Ok(all)
}

fn seed(text: &str) -> std::result::Result<Meaning, String> {
    let seed = text.parse::<i64>().ok().filter(|seed| *seed >= 0);
    let refused =
        || format!("error: --grid seed={text}: a seed must be an integer that is at least 0\n");
    let seed = seed.ok_or_else(refused)?;
    Ok((("seed".to_owned(), text.to_owned()), Some(seed.into())))
}

/// Refuses values of a grid that are the same to the script, and an average over what is not there.
fn check_values(plan: &Plan, meanings: &[Meaning]) -> Result<()> {
    for axis in &plan.grid {
        let of_axis: Vec<&Meaning> = meanings.iter().filter(|it| it.0.0 == axis.name).collect();
        for (at, ((name, text), meaning)) in of_axis.iter().enumerate() {
            let same = |it: &&&Meaning| meaning.is_some() && it.1 == *meaning;
            if let Some(((_, other), _)) = of_axis[..at].iter().find(same) {
                bail!("--grid {name}: {other} and {text} are the same value; leave one out");
            }
        }
    }
    for name in &plan.over {
        ensure!(
            plan.grid.iter().any(|axis| axis.name == *name),
            "--over {name}: the grid has no parameter `{name}`"
        );
    }
    Ok(())
}

/// Refuses a folder with something in it that is no sweep.
fn check_folder(folder: &Path, runs: &[(Run, State)]) -> Result<()> {
    let known = Plan::read(folder)?.is_some() || runs.iter().any(|(_, state)| *state != State::New);
    let used = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    ensure!(
        known || !used,
        "{}: the folder for a sweep must be new, empty or a sweep's, but holds something else",
        folder.display()
    );
    Ok(())
}

/// `sweeps/SCRIPT-TIME`, which is new unless two sweeps are begun within a second.
fn new_folder(script: &Path) -> PathBuf {
    let script = script.file_stem().unwrap_or_default().to_string_lossy();
    let time = utc(SystemTime::now()).replace(':', "-");
    let name = files::plain_name(&format!("{script}-{}", time.trim_end_matches('Z')));
    Path::new("sweeps").join(name)
}

impl Prepared {
    fn words(&self, run: &Run, state: State) -> Vec<String> {
        match state {
            State::New => self.plan.start(run, &self.folder),
            State::Stopped | State::Finished => self.plan.go_on(run, &self.folder),
        }
    }

    fn unfinished(&self) -> impl Iterator<Item = &(Run, State)> {
        let runs = self.runs.iter();
        runs.filter(|(_, state)| *state != State::Finished)
    }

    /// What a shell would be given, a line for each run.
    fn commands(&self) -> Vec<String> {
        let program = std::env::args().next();
        let program = program.unwrap_or_else(|| "rhobust".to_owned());
        let devices = &self.plan.devices;
        self.unfinished()
            .enumerate()
            .map(|(at, (run, state))| {
                let mut words = vec![program.clone()];
                words.extend(self.words(run, *state));
                if !devices.is_empty() {
                    let device = &devices[at % devices.len()];
                    words.extend(["--device".to_owned(), device.clone()]);
                }
                quoted(&words)
            })
            .collect()
    }

    fn run(self) -> Result<i32> {
        let program = std::env::current_exe().map_err(|error| Error::io(Path::new(""), &error))?;
        let hands = Hands {
            program,
            jobs: self.plan.jobs,
            devices: devices(&self.plan)?,
        };
        fs::create_dir_all(&self.folder).map_err(|error| Error::io(&self.folder, &error))?;
        let _lock = files::Lock::of(&self.folder, "sweep")?;
        self.plan.write(&self.folder)?;
        let work = |(run, state): &(Run, State)| Work {
            name: run.name.clone(),
            folder: self.folder.join(&run.name),
            resumed: *state == State::Stopped,
            words: self.words(run, *state),
        };
        let works: Vec<Work> = self.unfinished().map(work).collect();
        let mut screen = Screen::new(self.runs.len(), &works, self.texts);
        let shown = self.folder.display();
        if !works.is_empty() {
            let jobs = self.plan.jobs;
            eprintln!("{shown}: {}, {jobs} at once", screen.tally());
            eprintln!("what a run prints is in {shown}/NAME.log");
        }
        let ran = run_all(&hands, &works, &mut screen);
        let means = means(&self.plan, &self.folder)?;
        means.save(&self.folder)?;
        if screen.finished > 0 {
            say(means.table()?.to_string().trim_end());
        }
        let interrupted = ran?;
        if let Some(error) = screen.refused {
            return Err(error);
        }
        eprintln!("{shown}: {}", screen.tally());
        let again = format!("rhobust sweep --resume {}", quoted(&[shown.to_string()]));
        Ok(match (interrupted, screen.failed) {
            (true, _) => {
                eprintln!("interrupted\nto go on: {again}");
                INTERRUPTED
            }
            (false, 0) => 0,
            (false, _) => {
                eprintln!("to try again what failed: {again}");
                FAILED
            }
        })
    }
}

/// What the runs that go on at once compute on. Several take all GPUs, unless it is said which.
fn devices(plan: &Plan) -> Result<Vec<String>> {
    cuda::load();
    let free = match plan.devices.as_slice() {
        [] => !plan.grid.iter().any(|axis| axis.name == "device"),
        [one] => one == "auto" || one == "cuda",
        _ => false,
    };
    let gpus = cuda::device_count();
    if free && plan.jobs > 1 && gpus > 1 {
        return Ok((0..gpus).map(|gpu| format!("cuda:{gpu}")).collect());
    }
    for device in &plan.devices {
        device.parse::<Device>()?;
    }
    Ok(plan.devices.clone())
}

/// Tells how it goes.
struct Screen {
    total: usize,
    finished: usize,
    failed: usize,
    running: usize,
    /// Those of the total that were to do, and how many of them have ended.
    to_do: usize,
    ended: usize,
    since: Instant,
    stopping: bool,
    texts: Texts,
    /// Why no more runs are started.
    refused: Option<Error>,
}

impl Screen {
    fn new(total: usize, works: &[Work], texts: Texts) -> Self {
        Screen {
            total,
            finished: total - works.len(),
            failed: 0,
            running: 0,
            to_do: works.len(),
            ended: 0,
            since: Instant::now(),
            stopping: false,
            texts,
            refused: None,
        }
    }

    /// `3 of 12 runs finished, 1 failed, 2 running, about 5 min 10 s left`
    fn tally(&self) -> String {
        let mut parts = vec![format!("{} of {} runs finished", self.finished, self.total)];
        for (count, what) in [(self.failed, "failed"), (self.running, "running")] {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        let left = self.to_do - self.ended;
        if self.ended > 0 && left > 0 && !self.stopping {
            let each = self.since.elapsed().div_f64(self.ended as f64);
            parts.push(format!(
                "about {} left",
                report::duration(each.mul_f64(left as f64))
            ));
        }
        parts.join(", ")
    }
}

impl Watch for Screen {
    fn may_start(&mut self) -> Result<()> {
        match self.refused.take() {
            Some(error) => Err(error),
            None => self.texts.check(),
        }
    }

    fn started(&mut self, work: &Work) {
        self.running += 1;
        let how = if work.resumed { "goes on" } else { "begins" };
        eprintln!("{} {how}", work.name);
    }

    fn ended(&mut self, work: &Work, outcome: &Outcome, took: Duration) {
        self.running -= 1;
        self.ended += 1;
        let took = report::duration(took);
        let how = match outcome {
            Outcome::Finished => {
                self.finished += 1;
                format!("finished in {took}")
            }
            Outcome::Stopped => "stopped".to_owned(),
            Outcome::Failed(reason) => {
                self.failed += 1;
                let reason = reason.trim_end().replace('\n', "\n    ");
                format!(
                    "failed after {took}:\n    {reason}\n    folder: {}\n    log: {}\n ",
                    work.folder.display(),
                    work.log().display()
                )
            }
        };
        eprintln!("{} {how} ({})", work.name, self.tally());
        // What it imported was not known before.
        if let Ok(recorded) = Recorded::read(&work.folder)
            && let Err(error) = self.texts.learn(&work.folder, &recorded)
        {
            self.refused = Some(error);
        }
    }

    fn stopping(&mut self, running: usize, killed: bool) {
        self.stopping = true;
        let runs = if running == 1 { "run" } else { "runs" };
        match killed {
            false => {
                eprintln!("stopping {running} {runs} after this step; a second Ctrl-C ends at once")
            }
            true => eprintln!("ending {running} {runs} at once"),
        }
    }
}
