//! Runs that are killed at random moments and resumed until they finish: what they leave is what a
//! run leaves that nobody stopped.
//!
//! `make kills N=300` kills more often than the tests do.

use super::stopping::{EVALUATION, TRAINING, differing, results, resume, run, stderr, succeeds};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What became of the kills.
#[derive(Debug, Default)]
struct Tally {
    kills: usize,
    /// Of these, while a checkpoint was being written.
    writing: usize,
    /// Of these, before there was anything to resume.
    early: usize,
    /// Runs that finished, and how many of them had the results of the whole run.
    finished: usize,
    equal: usize,
}

struct Target<'a> {
    script: &'a Path,
    more: &'a [&'a str],
    whole: BTreeMap<PathBuf, Vec<u8>>,
    took: Duration,
}

impl<'a> Target<'a> {
    fn new(script: &'a Path, folder: &Path, more: &'a [&'a str]) -> Self {
        let out = folder.join("whole");
        let mut took = Duration::MAX;
        // The first time, files have to be read from the disk.
        for _ in 0..2 {
            let _ = fs::remove_dir_all(&out);
            let began = Instant::now();
            succeeds(&run(script, &out, more).output().unwrap());
            took = took.min(began.elapsed());
        }
        Target {
            script,
            more,
            whole: results(&out),
            took,
        }
    }

    /// Kills a run `kills` times, at the moments that `random` says; then lets it finish.
    fn kill(&self, folder: &Path, kills: usize, random: &mut ChaCha8Rng, tally: &mut Tally) {
        let out = folder.join("killed");
        let _ = fs::remove_dir_all(&out);
        for _ in 0..kills {
            let mut command = self.command(&out, tally);
            let child = command
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let within = tally.kills.is_multiple_of(2) && !self.more.is_empty();
            let moment = self.took.mul_f64(random.random_range(0.0..1.0));
            let ended = kill(child, moment, within.then(|| out.join("checkpoints")));
            if ended {
                break;
            }
            tally.kills += 1;
            if has_temporary(&out.join("checkpoints")) {
                tally.writing += 1;
            }
        }
        let mut last = self.command(&out, tally);
        let last = last.output().unwrap();
        let finished = stderr(&last).contains("this run finished");
        assert!(last.status.success() || finished, "{}", stderr(&last));
        tally.finished += 1;
        let differing = differing(&results(&out), &self.whole);
        assert!(differing.is_empty(), "{differing:?} differ after {tally:?}");
        tally.equal += 1;
    }

    /// What goes on with a run, or begins it.
    fn command(&self, out: &Path, tally: &mut Tally) -> Command {
        let began = fs::metadata(out.join("record.json")).is_ok_and(|it| it.len() > 0);
        if began {
            return resume(out, &[]);
        }
        if out.exists() {
            tally.early += 1;
            fs::remove_dir_all(out).unwrap();
        }
        run(self.script, out, self.more)
    }
}

/// Kills a program after `moment`, or as soon as it writes into the folder `within` then. Returns
/// whether it had ended before.
fn kill(mut child: Child, moment: Duration, within: Option<PathBuf>) -> bool {
    let began = Instant::now();
    loop {
        if child.try_wait().unwrap().is_some() {
            return true;
        }
        let late = began.elapsed() >= moment;
        if late && within.as_ref().is_none_or(|folder| has_temporary(folder)) {
            break;
        }
        match within.is_some() && late {
            true => std::hint::spin_loop(),
            false => std::thread::sleep(Duration::from_micros(500)),
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    false
}

/// Whether a file in the folder is not complete.
fn has_temporary(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.ends_with(".tmp") || !name.contains('.') && has_temporary(&entry.path())
    })
}

fn killed(text: &str, more: &[&str], default: usize) -> Tally {
    let kills = std::env::var("RHOBUST_KILLS")
        .ok()
        .and_then(|it| it.parse().ok());
    let kills: usize = kills.unwrap_or(default);
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script.rhai");
    fs::write(&script, text).unwrap();
    let target = Target::new(&script, folder.path(), more);
    let mut random = ChaCha8Rng::seed_from_u64(kills as u64);
    let mut tally = Tally::default();
    while tally.kills < kills {
        let times = random.random_range(1..=3).min(kills - tally.kills);
        target.kill(folder.path(), times, &mut random, &mut tally);
    }
    println!("{tally:?}, a whole run takes {:?}", target.took);
    tally
}

#[test]
fn a_killed_training_goes_on_to_the_same_bits() {
    let tally = killed(TRAINING, &["--checkpoint-every", "1"], 6);
    assert!(tally.writing > 0 && tally.finished == tally.equal);
}

#[test]
fn a_killed_evaluation_goes_on_to_the_same_bits() {
    let tally = killed(EVALUATION, &[], 4);
    assert_eq!(tally.finished, tally.equal);
}
