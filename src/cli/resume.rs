//! `rhobust run --resume RUN`: how the run was called, and what is to be different.

use super::options::Common;
use super::output::notice;
use super::run::Run;
use super::{Cli, Command};
use crate::run::Recorded;
use crate::script::{Settings, paths_in};
use crate::{Error, Result};
use clap::Parser;
use std::path::{Path, PathBuf};

/// The settings of the run in `folder`, with those of `now` over them.
///
/// # Errors
/// `Invalid` for a folder that holds no run of a script, and where it was started in another
/// folder than this one.
pub(super) fn settings(now: Run, folder: PathBuf) -> Result<Settings> {
    let recorded = Recorded::read(&folder)?;
    check_directory(&recorded, &folder)?;
    let mut then = called(&recorded, &folder)?;
    take_allowed(&mut then.common);
    let given = now.common.given();
    let opens = match recorded.opens {
        Some(then) => {
            tell_opened(&then);
            Some(then.into_iter().chain(given).collect())
        }
        None => {
            tell_given_then(&then.common, &now.common);
            None
        }
    };
    let mut run = merged(then, now);
    let threads = run.common.threads.or(as_many(recorded.threads));
    if threads != as_many(recorded.threads) {
        notice(&format!(
            "this run computed with {} threads until now: with another number the last digits may \
             be others",
            recorded.threads
        ));
    }
    run.common.threads = threads;
    Ok(Settings {
        opens,
        resume: Some(folder),
        out: None,
        command_line: Some(command_line(&run)),
        ..run.plain_settings()
    })
}

/// How the run in `folder` was called.
///
/// # Errors
/// `Invalid` for a record of something else than `rhobust run`.
pub(super) fn called(recorded: &Recorded, folder: &Path) -> Result<Run> {
    match Cli::try_parse_from(&recorded.command_line).map(|it| it.command) {
        Ok(Command::Run(mut then)) => {
            then.common.set = then.common.values();
            then.common.data.clear();
            Ok(then)
        }
        _ => bail!(
            "{}: this run was not made by `rhobust run`",
            folder.display()
        ),
    }
}

/// What a run could open goes on only if somebody says so again: its folder may come from somebody
/// else.
pub(super) fn take_allowed(then: &mut Common) {
    not_again("run", &mut then.allow_read, &mut then.allow_write);
}

/// What was given then is read again, and said: the record may come from somebody else.
pub(super) fn tell_given_then(then: &Common, now: &Common) {
    let now = now.values();
    let again = then.values().into_iter();
    let again = again.filter(|(key, _)| now.iter().all(|(other, _)| other != key));
    let paths: Vec<String> = again.flat_map(|(_, value)| paths_in(&value)).collect();
    tell_opened(&paths);
}

/// Says which of them are there and not beneath the current folder.
fn tell_opened(paths: &[String]) {
    let real = |path: &Path| path.canonicalize().ok();
    let here = real(Path::new(".")).unwrap_or_default();
    let elsewhere = |path: &&String| real(Path::new(path)).is_some_and(|it| !it.starts_with(&here));
    for path in paths.iter().filter(elsewhere) {
        notice(&format!("this run may read {path}, as it was given then"));
    }
}

/// Empties both, and tells what was in them.
pub(super) fn not_again(what: &str, read: &mut Vec<PathBuf>, write: &mut Vec<PathBuf>) {
    for (option, paths) in [("--allow-read", read), ("--allow-write", write)] {
        for path in paths.drain(..) {
            notice(&format!(
                "this {what} was started with {option} {}: say so again if it may",
                path.display()
            ));
        }
    }
}

/// Paths on the command line and in the script are relative to where it was started.
fn check_directory(recorded: &Recorded, folder: &Path) -> Result<()> {
    let here = std::env::current_dir().map_err(|error| Error::io(Path::new("."), &error))?;
    match &recorded.directory {
        Some(there) if Path::new(there) != here => bail!(
            "{}: this run was started in {there}; resume it there",
            folder.display()
        ),
        Some(_) => Ok(()),
        None => bail!(
            "{}: its record does not say in which folder it was started, so it cannot go on; \
             `rhobust replay` runs it anew",
            folder.display()
        ),
    }
}

/// The run of `then`, with what `now` says over it.
pub(super) fn merged(then: Run, now: Run) -> Run {
    Run {
        common: merged_common(then.common, now.common),
        checkpoints: now
            .checkpoints
            .saving()
            .or(then.checkpoints.saving())
            .into(),
        accept_changes: now.accept_changes,
        profile: now.profile,
        ..then
    }
}

fn merged_common(mut then: Common, now: Common) -> Common {
    let values = now.values();
    let again = |key: &String| values.iter().any(|(other, _)| other == key);
    then.set.retain(|(key, _)| !again(key));
    then.set.extend(values);
    then.allow_read.extend(now.allow_read);
    then.allow_write.extend(now.allow_write);
    Common {
        device: now.device.or(then.device),
        seed: now.seed.or(then.seed),
        threads: now.threads.or(then.threads),
        cuda: if now.cuda.is_empty() {
            then.cuda
        } else {
            now.cuda
        },
        bounds: now.bounds.limits().or(then.bounds.limits()).into(),
        ..then
    }
}

/// What `--threads` can be.
pub(super) fn as_many(threads: usize) -> Option<u64> {
    let threads = threads as u64;
    (1..=4096).contains(&threads).then_some(threads)
}

/// The words that make `run` again.
pub(super) fn command_line(run: &Run) -> Vec<String> {
    let common = &run.common;
    let mut words = vec!["rhobust".to_owned(), "run".to_owned()];
    words.extend(run.script.as_ref().map(|it| it.display().to_string()));
    let mut option = |name: &str, value: String| words.extend([format!("--{name}"), value]);
    for (key, value) in common.values() {
        option("set", format!("{key}={value}"));
    }
    for (name, value) in [
        ("device", common.device.clone()),
        ("seed", common.seed.map(|it| it.to_string())),
        ("threads", common.threads.map(|it| it.to_string())),
    ] {
        if let Some(value) = value {
            option(name, value);
        }
    }
    for mode in &common.cuda {
        option("cuda", mode.to_string());
    }
    words.extend(common.allowed());
    words.extend(common.bounds.limits().words());
    words.extend(run.checkpoints.saving().words());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Run {
        let words = ["rhobust", "run"].iter().chain(words);
        match Cli::try_parse_from(words).map(|it| it.command) {
            Ok(Command::Run(run)) => run,
            _ => panic!("these words call a run"),
        }
    }

    #[test]
    fn what_is_said_now_counts_and_can_be_said_again() {
        let then = parsed(&["s.rhai", "--set", "a=1", "--set", "b=x y", "--seed", "3"]);
        let now = [
            "--resume",
            "r",
            "--set",
            "a=2",
            "--checkpoint-every",
            "120s",
        ];
        let both = merged(then, parsed(&now));
        let words = command_line(&both);
        assert_eq!(
            words[2..],
            [
                "s.rhai",
                "--set",
                "b=x y",
                "--set",
                "a=2",
                "--seed",
                "3",
                "--checkpoint-every",
                "2m"
            ]
        );
        let words: Vec<&str> = words[2..].iter().map(String::as_str).collect();
        assert_eq!(parsed(&words).common.set, both.common.set);
    }
}
