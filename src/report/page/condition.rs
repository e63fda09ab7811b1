//! A model under one condition.

use crate::Result;
use crate::ledger::{About, Kind, Ledger, Row};
use crate::metrics::{Evaluation, wilson_interval};
use std::collections::BTreeMap;

/// What a ledger says, counted.
pub struct Condition {
    pub about: About,
    pub evaluation: Evaluation,
    /// The examples; of corruptions, which no section looks at one by one, none are kept.
    pub rows: Vec<Row>,
    pub done: usize,
}

/// The same examples under two models.
pub struct Pairs {
    pub labels: Vec<i64>,
    pub a: Vec<i64>,
    pub b: Vec<i64>,
}

impl Condition {
    pub fn of(ledger: &Ledger) -> Self {
        let about = ledger.about().clone();
        let rows = match about.kind {
            Kind::Corruption => Vec::new(),
            Kind::Clean | Kind::Attack => ledger.rows().to_vec(),
        };
        Condition {
            about,
            evaluation: ledger.evaluation().clone(),
            rows,
            done: ledger.len(),
        }
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

    /// The predictions of this and another condition on the examples that both have; `None`
    /// where they have none in common or their labels differ.
    pub fn pairs(&self, other: &Condition) -> Option<Pairs> {
        let theirs: BTreeMap<_, &Row> = other.rows.iter().map(|it| (it.example, it)).collect();
        let both = self
            .rows
            .iter()
            .filter_map(|it| Some((it, *theirs.get(&it.example)?)));
        let mut pairs = Pairs {
            labels: Vec::new(),
            a: Vec::new(),
            b: Vec::new(),
        };
        for (a, b) in both {
            if a.label != b.label {
                return None;
            }
            pairs.labels.push(a.label);
            pairs.a.push(a.prediction);
            pairs.b.push(b.prediction);
        }
        (!pairs.labels.is_empty()).then_some(pairs)
    }
}
