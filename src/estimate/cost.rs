//! What a piece of a run costs, and where that is read.

use crate::torch;
use serde::Serialize;
use std::fs;
use std::ops::{Add, AddAssign, Mul, Sub};
use std::sync::OnceLock;
use std::time::Instant;

/// Extrapolated costs are no whole numbers, so none of these is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Cost {
    pub seconds: f64,
    /// Images that passed forward through a model.
    pub forward: f64,
    /// Images that a gradient was computed for.
    pub backward: f64,
    /// Bytes read from files.
    pub bytes_read: f64,
    /// Rows of `metrics.csv`.
    #[serde(skip)]
    pub logged: f64,
    /// Rows of ledgers: images whose predictions were counted.
    #[serde(skip)]
    pub counted: f64,
}

impl Cost {
    /// All that this thread, and what files are read, the whole program, has spent so far.
    pub fn so_far() -> Cost {
        static START: OnceLock<Instant> = OnceLock::new();
        let passes = torch::passes();
        Cost {
            seconds: START.get_or_init(Instant::now).elapsed().as_secs_f64(),
            forward: passes.forward as f64,
            backward: passes.backward as f64,
            bytes_read: own_figure("/proc/self/io", "rchar:").unwrap_or(0.0),
            ..Cost::default()
        }
    }

    /// With everything that is counted as a whole number.
    pub fn whole(self) -> Cost {
        Cost {
            seconds: self.seconds,
            ..self.with(self, |a, _| a.round())
        }
    }

    fn with(self, other: Cost, f: impl Fn(f64, f64) -> f64) -> Cost {
        Cost {
            seconds: f(self.seconds, other.seconds),
            forward: f(self.forward, other.forward),
            backward: f(self.backward, other.backward),
            bytes_read: f(self.bytes_read, other.bytes_read),
            logged: f(self.logged, other.logged),
            counted: f(self.counted, other.counted),
        }
    }
}

impl Add for Cost {
    type Output = Cost;
    fn add(self, other: Cost) -> Cost {
        self.with(other, |a, b| a + b)
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Cost) {
        *self = *self + other;
    }
}

impl Sub for Cost {
    type Output = Cost;
    fn sub(self, other: Cost) -> Cost {
        self.with(other, |a, b| a - b)
    }
}

impl Mul<f64> for Cost {
    type Output = Cost;
    fn mul(self, factor: f64) -> Cost {
        self.with(self, |a, _| a * factor)
    }
}

impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Cost>>(costs: I) -> Cost {
        costs.fold(Cost::default(), Add::add)
    }
}

/// The most memory that this program has held so far, in bytes, where the system tells.
pub fn peak_memory() -> Option<f64> {
    Some(1024.0 * own_figure("/proc/self/status", "VmHWM:")?)
}

/// The first number behind `name` in a file of the kernel's.
fn own_figure(file: &str, name: &str) -> Option<f64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
