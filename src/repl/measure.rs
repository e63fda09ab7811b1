//! `:bench` and `:mem`.

use super::session::{Outcome, Session};
use super::who;
use crate::report::{binary_size, precise_duration};
use std::fmt;
use std::time::{Duration, Instant};

/// How long `:bench` repeats, and how often at least and at most.
const LONG: Duration = Duration::from_secs(1);
const LEAST: usize = 3;
const MOST: usize = 10_000;

/// Evaluates `text` again and again, each time with the variables as they are now.
pub fn bench(session: &mut Session, text: &str) -> Result<String, Outcome> {
    let repeat = session.repeatable(text)?;
    repeat.once(session)?;
    let start = Instant::now();
    let mut times = Vec::new();
    while times.len() < LEAST || (start.elapsed() < LONG && times.len() < MOST) {
        times.push(repeat.once(session)?);
    }
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    Ok(format!(
        "{} (median of {}; a tenth below {}, a tenth above {})\n",
        precise_duration(at(0.5)),
        times.len(),
        precise_duration(at(0.1)),
        precise_duration(at(0.9)),
    ))
}

/// Bytes, as far as the system tells.
pub struct Memory {
    resident: Option<u64>,
    peak: Option<u64>,
    variables: u64,
}

impl Memory {
    pub fn read(session: &Session) -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim()
                .strip_suffix(" kB")?
                .parse::<u64>()
                .ok()
                .map(|kibibytes| kibibytes * 1024)
        };
        let variables = session.variables();
        let bytes = variables.iter().filter_map(|(_, value)| who::bytes(value));
        Memory {
            resident: field("VmRSS:"),
            peak: field("VmHWM:"),
            variables: bytes.sum::<usize>() as u64,
        }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let shown = |bytes: Option<u64>| bytes.map_or("unknown".into(), binary_size);
        writeln!(
            f,
            "process    {} (at most {})",
            shown(self.resident),
            shown(self.peak)
        )?;
        writeln!(
            f,
            "variables  {} in tensors and models",
            binary_size(self.variables)
        )
    }
}
