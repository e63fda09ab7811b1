//! What a probe comes to, for people and as data.

use super::cost::{Cost, peak_memory};
use super::files::bytes_written;
use super::marks::FILLED;
use super::probe::{Probe, Probed, words};
use crate::Result;
use crate::report::{Cell, Table, binary_size, duration, precise_duration, thousands};
use crate::run::utc;
use serde::Serialize;
use std::fmt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// What a run will take on this machine.
#[derive(Clone, Debug, Serialize)]
pub struct Estimate {
    #[serde(flatten)]
    pub circumstances: Circumstances,
    /// Why the probe did not reach the end of the script, where it did not.
    pub stopped: Option<String>,
    /// The loops over batches; equal ones, such as epochs, are one part.
    pub parts: Vec<Part>,
    /// What is done outside of such loops, which the probe did in full.
    pub elsewhere: Cost,
    pub total: Cost,
    /// Into the run's folder.
    pub bytes_written: f64,
    /// Of the probe; the run has batches of the same size.
    pub peak_memory_bytes: Option<f64>,
    pub probe_seconds: f64,
    /// UTC, if the run starts now.
    pub would_end: String,
    /// The tables that the run reports, with marks for their values.
    pub tables: Vec<Table>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Circumstances {
    pub script: String,
    pub device: String,
    pub threads: usize,
}

/// Loops of one kind.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    pub title: String,
    pub loops: usize,
    pub batches: usize,
    /// How many of the batches were computed; the rest is extrapolated.
    pub probed_batches: usize,
    pub images: usize,
    #[serde(flatten)]
    pub cost: Cost,
}

impl Estimate {
    /// `folder` is where the probe wrote as the run would.
    pub fn new(
        probe: &Probe,
        folder: &Path,
        circumstances: Circumstances,
        stopped: Option<String>,
    ) -> Self {
        let (total, measured) = (probe.total(), probe.measured());
        let loops = probe.loops();
        let in_loops: Cost = loops.iter().map(|it| it.cost).sum();
        let took = Duration::try_from_secs_f64(total.seconds).unwrap_or_default();
        let end = SystemTime::now().checked_add(took);
        Estimate {
            circumstances,
            stopped,
            parts: parts(&loops),
            elsewhere: (total - in_loops).whole(),
            total: total.whole(),
            bytes_written: bytes_written(folder, measured, total).round(),
            peak_memory_bytes: peak_memory(),
            probe_seconds: measured.seconds,
            would_end: end.map_or("never".to_owned(), utc),
            tables: probe.tables(),
        }
    }

    fn table(&self) -> Result<Table> {
        let Circumstances {
            script,
            device,
            threads,
        } = &self.circumstances;
        let s = if *threads == 1 { "" } else { "s" };
        let title = format!("{script} on {device} with {threads} thread{s}, estimated");
        let columns = [
            "loops",
            "batches",
            "of them probed",
            "images",
            "forward",
            "backward",
            "time",
        ];
        let mut table = Table::new(title, columns.map(str::to_owned).into());
        for part in &self.parts {
            let counts = [part.loops, part.batches, part.probed_batches, part.images];
            table.row(&part.title, cells(&counts.map(Some), part.cost))?;
        }
        table.row("everything else", cells(&[None; 4], self.elsewhere))?;
        let sum = |count: fn(&Part) -> usize| Some(self.parts.iter().map(count).sum());
        let counts = [
            sum(|it| it.loops),
            sum(|it| it.batches),
            sum(|it| it.probed_batches),
            sum(|it| it.images),
        ];
        table.row("in all", cells(&counts, self.total))?;
        table.note(
            "Forward and backward are the passes of models, in images. Of each loop the probe ran \
             the first batches and extrapolated from them by the images, without the first batch \
             in loops of a new kind, which warms up. Everything else it did in full.",
        );
        Ok(table)
    }
}

fn cells(counts: &[Option<usize>; 4], cost: Cost) -> Vec<Cell> {
    let count = |it: &Option<usize>| it.map_or(Cell::plain(None), |n| Cell::Text(thousands(n)));
    let passes = [cost.forward, cost.backward].map(|it| Some(it.max(0.0).round() as usize));
    let mut cells: Vec<Cell> = counts.iter().chain(&passes).map(count).collect();
    cells.push(Cell::Text(time(cost.seconds)));
    cells
}

/// Loops of one kind together, in the order of their first.
fn parts(loops: &[Probed]) -> Vec<Part> {
    let mut parts: Vec<(&str, Part)> = Vec::new();
    for it in loops {
        let known = parts.iter_mut().find(|(kind, _)| *kind == it.kind);
        let part = match known {
            Some((_, part)) => part,
            None => {
                let part = Part {
                    title: it.title.clone(),
                    loops: 0,
                    batches: 0,
                    probed_batches: 0,
                    images: 0,
                    cost: Cost::default(),
                };
                parts.push((&it.kind, part));
                &mut parts.last_mut().expect("one was pushed").1
            }
        };
        part.title = common(&part.title, &it.title);
        part.loops += 1;
        part.batches += it.batches;
        part.probed_batches += it.probed;
        part.images += it.images;
        part.cost += it.cost.whole();
    }
    parts.into_iter().map(|(_, part)| part).collect()
}

/// Two titles of one kind as one: `epoch */10` for `epoch 1/10` and `epoch 2/10`.
fn common(a: &str, b: &str) -> String {
    let pairs = words(a).into_iter().zip(words(b));
    pairs.map(|(a, b)| if a == b { a } else { "*" }).collect()
}

fn time(seconds: f64) -> String {
    let time = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX);
    match seconds {
        ..60.0 => precise_duration(time),
        86_400.0.. => format!("{:.1} days", seconds / 86_400.0),
        _ => duration(time),
    }
}

fn size(bytes: f64) -> String {
    binary_size(bytes.max(0.0) as u64)
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let table = self.table().map_err(|_| fmt::Error)?;
        writeln!(f, "{table}")?;
        write!(f, "It will take {}", time(self.total.seconds))?;
        if self.total.seconds >= 60.0 {
            write!(f, " ({:.2} hours)", self.total.seconds / 3600.0)?;
        }
        writeln!(f, "; started now, it would end at {}.", self.would_end)?;
        write!(
            f,
            "It reads {} and leaves {} in its folder",
            size(self.total.bytes_read),
            size(self.bytes_written)
        )?;
        if let Some(peak) = self.peak_memory_bytes {
            write!(f, "; the probe needed up to {} of memory", size(peak))?;
        }
        writeln!(f, ".\nThe probe took {}.", time(self.probe_seconds))?;
        if !self.tables.is_empty() {
            writeln!(
                f,
                "\nCells marked {FILLED} will be filled; a dash stays empty, unless only the few \
                 images of the probe left it so.\n"
            )?;
        }
        for table in &self.tables {
            writeln!(f, "{table}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_that_differ_in_numbers_are_one() {
        assert_eq!(
            common("Adv: epoch 1/10", "Adv: epoch 1/10"),
            "Adv: epoch 1/10"
        );
        let two = common("Adv: epoch 1/10", "Adv: epoch 2/10");
        assert_eq!(two, "Adv: epoch */10");
        assert_eq!(common(&two, "Adv: epoch 10/10"), "Adv: epoch */10");
        assert_eq!(common("fog 1", "fog 5"), "fog *");
        assert_eq!(common("", ""), "");
    }

    #[test]
    fn long_times_are_days() {
        assert_eq!(time(0.5), "500 ms");
        assert_eq!(time(90.0), "1 min 30 s");
        assert_eq!(time(7.0 * 3600.0), "7 h 00 min");
        assert_eq!(time(86_400.0 * 2.5), "2.5 days");
    }
}
