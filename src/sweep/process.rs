//! Runs as child processes, several at once.

use super::shell::quoted;
use crate::run::{Recorded, Status};
use crate::{Error, Result, interrupt};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often the children are looked at.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
/// So many lines of what a run printed are told where it does not say why it failed.
const LAST_LINES: usize = 8;
/// The exit code of a run that was interrupted.
const INTERRUPTED: i32 = 130;

/// What runs are done with.
pub struct Hands {
    pub program: PathBuf,
    /// So many runs at once, at least one.
    pub jobs: usize,
    /// The k-th of those that go on at once gets the k-th device, in turn.
    pub devices: Vec<String>,
}

/// A run to do.
pub struct Work {
    pub name: String,
    /// Its folder; what it prints goes beside it.
    pub folder: PathBuf,
    /// Whether it goes on with what is there.
    pub resumed: bool,
    /// What the program is given.
    pub words: Vec<String>,
}

impl Work {
    /// Where what the run prints is kept.
    pub fn log(&self) -> PathBuf {
        let mut name = self.folder.clone().into_os_string();
        name.push(".log");
        name.into()
    }
}

/// What became of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Finished,
    /// Because all were asked to stop.
    Stopped,
    /// With what is known of why.
    Failed(String),
}

/// Is told how it goes.
pub trait Watch {
    /// An error keeps this run and all later ones from being started.
    fn may_start(&mut self) -> Result<()>;
    fn started(&mut self, work: &Work);
    fn ended(&mut self, work: &Work, outcome: &Outcome, took: Duration);
    /// So many runs were asked to stop, or killed.
    fn stopping(&mut self, running: usize, killed: bool);
}

/// Does the runs in their order; returns whether it was interrupted.
///
/// Ctrl-C asks those that go on to stop, and waits for them; a second one kills them. If this
/// program dies, they are asked to stop where the system can tell them.
///
/// # Errors
/// What kept a run from being started, when those that went on have ended. A run that fails is no
/// error.
pub fn run_all(hands: &Hands, works: &[Work], watch: &mut dyn Watch) -> Result<bool> {
    interrupt::keep_running();
    let mut waiting = works.iter().peekable();
    let mut running: Vec<Running> = Vec::new();
    let mut interrupted = false;
    let mut refused = None;
    loop {
        if interrupt::requested() {
            interrupt::clear();
            running.iter_mut().for_each(|it| it.stop(interrupted));
            watch.stopping(running.len(), interrupted);
            interrupted = true;
        }
        while !interrupted
            && refused.is_none()
            && running.len() < hands.jobs
            && let Some(work) = waiting.next()
        {
            let slot = (0..).find(|slot| running.iter().all(|it| it.slot != *slot));
            let slot = slot.expect("there are more numbers than runs");
            match watch.may_start().and_then(|()| start(hands, work, slot)) {
                Ok(started) => {
                    watch.started(work);
                    running.push(started);
                }
                Err(error) => refused = Some(error),
            }
        }
        let mut going = Vec::new();
        for mut it in running {
            match it.process.try_wait() {
                Ok(None) => going.push(it),
                Ok(Some(status)) => {
                    let outcome = outcome(it.work, status, interrupted);
                    watch.ended(it.work, &outcome, it.since.elapsed());
                }
                Err(error) => {
                    let outcome = Outcome::Failed(format!("the system lost it: {error}"));
                    watch.ended(it.work, &outcome, it.since.elapsed());
                }
            }
        }
        running = going;
        let done = interrupted || refused.is_some() || waiting.peek().is_none();
        if running.is_empty() && done {
            break;
        }
        if running.len() == hands.jobs || done {
            thread::sleep(BETWEEN_LOOKS);
        }
    }
    match refused {
        Some(error) => Err(error),
        None => Ok(interrupted),
    }
}

struct Running<'a> {
    work: &'a Work,
    slot: usize,
    process: Child,
    since: Instant,
}

impl Running<'_> {
    fn stop(&mut self, kill: bool) {
        // One that has ended in the meantime is not waited for yet, so its number is still its own.
        let number = self.process.id() as libc::pid_t;
        let signal = if kill { libc::SIGKILL } else { libc::SIGINT };
        // SAFETY: `kill` takes any numbers.
        unsafe { libc::kill(number, signal) };
    }
}

fn start<'a>(hands: &Hands, work: &'a Work, slot: usize) -> Result<Running<'a>> {
    let mut words = work.words.clone();
    if !hands.devices.is_empty() {
        let device = &hands.devices[slot % hands.devices.len()];
        words.extend(["--device".to_owned(), device.clone()]);
    }
    let log = work.log();
    let failed = |error: std::io::Error| Error::io(&log, &error);
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        // The folder may come from others: what a link leads to is not written to.
        .custom_flags(libc::O_NOFOLLOW)
        .open(&log)
        .map_err(failed)?;
    let program = hands.program.display().to_string();
    writeln!(file, "$ {} {}", quoted(&[program]), quoted(&words)).map_err(failed)?;
    let mut command = Command::new(&hands.program);
    command
        .args(&words)
        .stdin(Stdio::null())
        .stdout(file.try_clone().map_err(failed)?)
        .stderr(file)
        // The terminal's Ctrl-C is for this program, which passes it on once.
        .process_group(0);
    stop_with_parent(&mut command);
    let process = command
        .spawn()
        .map_err(|error| Error::io(&hands.program, &error))?;
    Ok(Running {
        work,
        slot,
        process,
        since: Instant::now(),
    })
}

#[cfg(target_os = "linux")]
fn stop_with_parent(command: &mut Command) {
    // SAFETY: `prctl` is async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGINT);
            Ok(())
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn stop_with_parent(_: &mut Command) {}

fn outcome(work: &Work, status: ExitStatus, asked: bool) -> Outcome {
    match (status.code(), status.signal()) {
        (Some(0), _) => Outcome::Finished,
        (Some(INTERRUPTED), _) | (None, _) if asked => Outcome::Stopped,
        (Some(INTERRUPTED), _) => Outcome::Failed("it was interrupted".to_owned()),
        (Some(code), _) => Outcome::Failed(reason(work, code)),
        (None, signal) => {
            let signal = signal.unwrap_or_default();
            Outcome::Failed(format!("signal {signal} ended it\n{}", last_lines(work)))
        }
    }
}

/// What the run's record says, else the last lines that it printed.
fn reason(work: &Work, code: i32) -> String {
    match Recorded::read(&work.folder) {
        Ok(Recorded {
            status: Status::Failed,
            error: Some(error),
            ..
        }) => error,
        _ => format!("exit code {code}\n{}", last_lines(work)),
    }
}

/// Of the last time that the run was started.
fn last_lines(work: &Work) -> String {
    let bytes = fs::read(work.log()).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let begun = lines.iter().rposition(|line| line.starts_with("$ "));
    let lines = &lines[begun.map_or(0, |at| at + 1)..];
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}
