//! How the learning rate goes from the first step to the last.

use crate::Result;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleKind {
    /// 0.5 * (1 + cos(pi * s / T)): Loshchilov & Hutter 2017, equation 5 without restarts.
    Cosine,
    /// Times `gamma` at each milestone.
    Step,
    Constant,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleOptions {
    /// T: the number of steps (or epochs) in all, warm-up included.
    pub total: i64,
    /// The rate rises linearly to its full value over this many steps first.
    #[serde(default)]
    pub warmup: i64,
    /// Steps (or epochs) at which `step` multiplies by `gamma`.
    #[serde(default)]
    pub milestones: Vec<i64>,
    #[serde(default = "tenth")]
    pub gamma: f64,
}

fn tenth() -> f64 {
    0.1
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Schedule {
    kind: ScheduleKind,
    #[serde(flatten)]
    options: ScheduleOptions,
}

impl Schedule {
    /// # Errors
    /// `Invalid` for a total below 1, a warm-up as long as that, or `step` without milestones.
    pub fn new(kind: ScheduleKind, options: ScheduleOptions) -> Result<Self> {
        let ScheduleOptions {
            total,
            warmup,
            milestones,
            gamma,
        } = &options;
        ensure!(
            *total >= 1,
            "schedule: `total` must be at least 1, got {total}"
        );
        ensure!(
            (0..*total).contains(warmup),
            "schedule: `warmup` must lie in 0 .. {total} (exclusive), got {warmup}"
        );
        ensure!(
            gamma.is_finite() && *gamma >= 0.0,
            "schedule: `gamma` must be at least 0, got {gamma}"
        );
        ensure!(
            kind != ScheduleKind::Step || !milestones.is_empty(),
            "schedule: \"step\" needs `milestones`, such as [{}, {}]",
            total / 2,
            total / 4 * 3
        );
        Ok(Schedule { kind, options })
    }

    /// The share of the full rate that step `s` (from 0) uses; at `total` and beyond, the
    /// rate after the last step.
    pub fn factor(&self, s: i64) -> f64 {
        let ScheduleOptions {
            total,
            warmup,
            milestones,
            gamma,
        } = &self.options;
        if s < *warmup {
            return (s + 1) as f64 / *warmup as f64;
        }
        match self.kind {
            ScheduleKind::Constant => 1.0,
            ScheduleKind::Cosine => {
                let done = (s.min(*total) - warmup) as f64 / (total - warmup) as f64;
                0.5 * (1.0 + (PI * done).cos())
            }
            ScheduleKind::Step => {
                let passed = milestones.iter().filter(|&&at| s >= at).count();
                gamma.powi(i32::try_from(passed).unwrap_or(i32::MAX))
            }
        }
    }
}

/// The options that this kind heeds: `step(total: 20, milestones: [10, 15], gamma: 0.1)`.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let ScheduleOptions {
            total,
            warmup,
            milestones,
            gamma,
        } = &self.options;
        let kind = match self.kind {
            ScheduleKind::Cosine => "cosine",
            ScheduleKind::Step => "step",
            ScheduleKind::Constant => "constant",
        };
        write!(f, "{kind}(total: {total}, warmup: {warmup}")?;
        match self.kind {
            ScheduleKind::Step => write!(f, ", milestones: {milestones:?}, gamma: {gamma})"),
            _ => f.write_str(")"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(kind: ScheduleKind, warmup: i64, milestones: Vec<i64>) -> Schedule {
        let options = ScheduleOptions {
            total: 20,
            warmup,
            milestones,
            gamma: 0.1,
        };
        Schedule::new(kind, options).expect("the options are in range")
    }

    #[test]
    fn known_values() {
        let cosine = schedule(ScheduleKind::Cosine, 0, vec![]);
        assert_eq!(cosine.factor(0), 1.0);
        assert!((cosine.factor(10) - 0.5).abs() < 1e-15);
        assert_eq!(cosine.factor(20), 0.0);
        assert_eq!(cosine.factor(25), 0.0);
        let warm = schedule(ScheduleKind::Cosine, 4, vec![]);
        assert_eq!([0, 1, 2, 3].map(|s| warm.factor(s)), [0.25, 0.5, 0.75, 1.0]);
        assert_eq!(warm.factor(4), 1.0);
        assert!((warm.factor(12) - 0.5).abs() < 1e-15);
        let step = schedule(ScheduleKind::Step, 0, vec![5, 15]);
        assert_eq!([4, 5, 14].map(|s| step.factor(s)), [1.0, 0.1, 0.1]);
        assert!((step.factor(15) - 0.01).abs() < 1e-17);
        assert_eq!(schedule(ScheduleKind::Constant, 0, vec![]).factor(19), 1.0);
    }
}
