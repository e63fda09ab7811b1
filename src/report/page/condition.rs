//! A model under one condition.

use crate::Result;
use crate::ledger::{About, Kind, Ledger, Row};
use crate::metrics::{Evaluation, wilson_interval};
use std::collections::HashSet;

/// What a ledger says, counted.
pub struct Condition {
    pub about: About,
    pub evaluation: Evaluation,
    pub done: usize,
    /// The rows; of corruptions, which no section looks at one by one, none are kept.
    pub ledger: Option<Ledger>,
    /// Which examples they are of.
    pub examples: Vec<i64>,
}

impl Condition {
    pub fn of(ledger: Ledger) -> Self {
        Condition {
            about: ledger.about().clone(),
            evaluation: ledger.evaluation().clone(),
            done: ledger.len(),
            examples: ledger.rows().iter().map(|row| row.example).collect(),
            ledger: (ledger.about().kind != Kind::Corruption).then_some(ledger),
        }
    }

    pub fn rows(&self) -> &[Row] {
        self.ledger.as_ref().map_or(&[], Ledger::rows)
    }

    /// The ledgers of this condition and another's, where both are kept.
    pub fn with<'a>(&'a self, other: &'a Condition) -> Option<(&'a Ledger, &'a Ledger)> {
        self.ledger.as_ref().zip(other.ledger.as_ref())
    }

    /// The wrong ones of these examples, and how many of them there are here.
    pub fn errors_among(&self, examples: &HashSet<i64>) -> (u64, u64) {
        let rows = self.rows().iter();
        let same = rows.filter(|row| examples.contains(&row.example));
        same.fold((0, 0), |(wrong, all), row| {
            (wrong + u64::from(row.prediction != row.label), all + 1)
        })
    }

    pub fn name(&self) -> &str {
        &self.about.condition
    }

    pub fn complete(&self) -> bool {
        self.done >= self.about.images
    }

    /// `100`, or `20 of 100` while images are missing.
    pub fn images(&self) -> String {
        match self.complete() {
            true => self.done.to_string(),
            false => format!("{} of {}", self.done, self.about.images),
        }
    }

    /// The error with the ends of its 95 % interval.
    pub fn error(&self) -> Result<Option<(f64, f64, f64)>> {
        let counts = self.evaluation.top1();
        let limits = wilson_interval(counts.errors(), counts.images(), 0.95)?;
        Ok(counts
            .error()
            .zip(limits)
            .map(|(error, limits)| (error, limits.low, limits.high)))
    }
}
