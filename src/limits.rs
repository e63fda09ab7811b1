//! How long a script may run, how much memory it may take and how many steps: a watch over it,
//! which asks it to stop and ends the program where it does not.

use crate::{interrupt, memory};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What the command line says; none is no limit but what the machine has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    pub time: Option<Duration>,
    /// Bytes of the whole process.
    pub memory: Option<u64>,
    /// Of the script's own; what native functions do counts as one.
    pub operations: Option<u64>,
}

/// A limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reached {
    Time(Duration),
    Memory(u64),
    /// Nobody set this one.
    Machine(u64),
    Operations(u64),
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Reached::Time(limit) => {
                let limit = shown_duration(*limit);
                write!(
                    f,
                    "the script reached its limit of time, {limit}; --max-time sets another"
                )
            }
            Reached::Memory(limit) => {
                let limit = shown_size(*limit);
                write!(
                    f,
                    "the script reached its limit of memory, {limit}; --max-memory sets another"
                )
            }
            Reached::Machine(limit) => {
                let limit = shown_size(*limit);
                write!(
                    f,
                    "the script needs more memory than a program should take here, {limit}; \
                     --max-memory sets another limit"
                )
            }
            Reached::Operations(limit) => write!(
                f,
                "the script reached its limit of {limit} steps; --max-operations sets another"
            ),
        }
    }
}

/// How often the watch looks. Memory can be filled at some 10 GB/s.
const PERIOD: Duration = Duration::from_millis(10);

/// A step that was begun may go on for this time after a stop was asked for. Then it is stopped, too;
/// and if that takes as long again, the program ends.
const GRACE: Duration = Duration::from_secs(10);

/// While it lives, the script is watched.
pub struct Watch {
    ended: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Watches what this thread does next. A script that does not stop when it is asked to ends
    /// with the program, after `tell`; a `patient` watch does that only where memory runs out.
    pub fn begin(limits: Limits, patient: bool, tell: impl Fn(&Reached) + Send + 'static) -> Watch {
        let (ended, end) = mpsc::channel();
        let work = move || {
            let began = Instant::now();
            let mut asked: Option<(Reached, Instant)> = None;
            let mut insisted = false;
            while end.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                let Some((reached, at)) = &asked else {
                    if let Some(reached) = limits.reached(began) {
                        interrupt::stop_at(reached.to_string());
                        asked = Some((reached, Instant::now()));
                    }
                    continue;
                };
                if at.elapsed() > GRACE && !insisted {
                    interrupt::insist();
                    insisted = true;
                }
                if (!patient && at.elapsed() > 2 * GRACE) || is_far_beyond(reached) {
                    tell(reached);
                    // SAFETY: nothing else of this process is to run; its threads are busy.
                    unsafe { libc::_exit(1) };
                }
            }
        };
        let thread = thread::Builder::new().name("watch".into()).spawn(work);
        Watch {
            ended: Some(ended),
            // Without threads there is no watch, and not much of a run.
            thread: thread.ok(),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.ended = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Limits {
    /// These, and those of `others` where there is none here.
    pub fn or(self, others: Limits) -> Limits {
        Limits {
            time: self.time.or(others.time),
            memory: self.memory.or(others.memory),
            operations: self.operations.or(others.operations),
        }
    }

    /// The words of a command line that say them.
    pub fn words(&self) -> Vec<String> {
        let options = [
            ("--max-time", self.time.map(shown_duration)),
            ("--max-memory", self.memory.map(|it| it.to_string())),
            ("--max-operations", self.operations.map(|it| it.to_string())),
        ];
        let given = options
            .into_iter()
            .filter_map(|(name, value)| Some([name.to_owned(), value?]));
        given.flatten().collect()
    }

    /// The bytes that the process may have.
    pub fn memory_or_usual(&self) -> u64 {
        self.memory.unwrap_or_else(memory::usual_limit)
    }

    fn reached(&self, began: Instant) -> Option<Reached> {
        if let Some(limit) = self.time.filter(|limit| began.elapsed() >= *limit) {
            return Some(Reached::Time(limit));
        }
        let limit = memory::limit();
        if memory::resident() > limit {
            memory::trim();
        }
        (memory::resident() > limit).then_some(match self.memory {
            Some(_) => Reached::Memory(limit),
            None => Reached::Machine(limit),
        })
    }
}

/// Whether so much more memory is taken that there is no time to wait.
fn is_far_beyond(reached: &Reached) -> bool {
    match reached {
        Reached::Memory(limit) | Reached::Machine(limit) => {
            memory::resident() > limit.saturating_add(limit / 20)
        }
        _ => false,
    }
}

/// `90s`, `10m`, `1.5h`.
///
/// # Errors
/// What a duration looks like.
pub fn duration(text: &str) -> Result<Duration, String> {
    let units = [
        ("ms", 1e-3),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3600.0),
        ("d", 86_400.0),
    ];
    let seconds = with_unit(text, &units).filter(|it| *it > 0.0);
    seconds
        .and_then(|it| Duration::try_from_secs_f64(it).ok())
        .ok_or_else(|| "write a number with its unit, such as 90s, 10m or 2h".to_owned())
}

/// `512M`, `8G`, `1.5T`; bytes without a unit.
///
/// # Errors
/// What a size looks like.
pub fn size(text: &str) -> Result<u64, String> {
    let units = [
        ("K", 1024.0),
        ("M", 1024.0 * 1024.0),
        ("G", 1024.0 * 1024.0 * 1024.0),
        ("T", 1024.0 * 1024.0 * 1024.0 * 1024.0),
        ("", 1.0),
    ];
    let text = text
        .strip_suffix("iB")
        .or(text.strip_suffix('B'))
        .unwrap_or(text);
    let bytes = with_unit(text, &units).filter(|it| *it >= 1.0);
    bytes
        .map(|it| it as u64)
        .ok_or_else(|| "write a number with its unit, such as 512M or 8G".to_owned())
}

fn with_unit(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let number = |(unit, factor): &(&str, f64)| {
        let number = text.trim().strip_suffix(unit)?.trim_end();
        Some(number.parse::<f64>().ok()? * factor)
    };
    units.iter().find_map(number).filter(|it| it.is_finite())
}

/// As [`duration`] reads it.
pub fn shown_duration(duration: Duration) -> String {
    format!("{}s", duration.as_secs_f64())
}

/// As [`size`] reads it, to about a hundredth.
pub fn shown_size(bytes: u64) -> String {
    let units = [(1_u64 << 30, "G"), (1 << 20, "M"), (1 << 10, "K"), (1, "")];
    let fits = |(unit, _): &&(u64, &str)| bytes >= *unit;
    let (unit, name) = units.iter().find(fits).unwrap_or(&(1, ""));
    let number = format!("{:.2}", bytes as f64 / *unit as f64);
    format!(
        "{}{name}",
        number.trim_end_matches('0').trim_end_matches('.')
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_have_units() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1.5h"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        for wrong in ["90", "s", "-1s", "0s", "1e400h", "NaNs", "ten m"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert_eq!(size("8G"), Ok(8 << 30));
        assert_eq!(size("512MiB"), Ok(512 << 20));
        assert_eq!(size("1000"), Ok(1000));
        for wrong in ["G", "-1G", "0", "8X", "inf"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
        assert_eq!(shown_size(3 << 29), "1.5G");
        assert_eq!(size(&shown_size(20 << 20)), Ok(20 << 20));
        assert_eq!(shown_size(100), "100");
        assert_eq!(
            duration(&shown_duration(Duration::from_millis(1500))),
            Ok(Duration::from_millis(1500))
        );
    }
}
