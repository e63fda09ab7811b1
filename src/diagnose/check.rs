//! What a check found, and what all of them together come to.

use super::options::Options;
use serde::{Deserialize, Serialize};

/// What one check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    NotRun,
    /// No sign of masked gradients.
    Pass,
    /// A sign that has other causes too, or a number that is somewhat too good.
    Warn,
    /// The attack was misled: its error is too low.
    Fail,
}

impl Verdict {
    pub fn word(self) -> &'static str {
        match self {
            Verdict::NotRun => "not run",
            Verdict::Pass => "pass",
            Verdict::Warn => "warn",
            Verdict::Fail => "fail",
        }
    }
}

/// What all checks say about the error under attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// Nothing says that gradients are masked.
    Trust,
    /// Something does, or too little was seen.
    Doubt,
    /// Gradients are masked, and the number says nothing.
    Masked,
}

impl Trust {
    pub fn word(self) -> &'static str {
        match self {
            Trust::Trust => "trust",
            Trust::Doubt => "doubt",
            Trust::Masked => "masked",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A fraction of the images, or of something else that `name` says.
    Share,
    Count,
    Number,
}

/// A number that a check rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    pub name: String,
    /// None where there is no such number.
    pub value: Option<f64>,
    pub unit: Unit,
}

/// One question about a classifier, answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// As the option `checks` names it.
    pub name: String,
    pub question: String,
    /// Who asked it first.
    pub source: String,
    pub verdict: Verdict,
    pub evidence: Vec<Evidence>,
    /// What was seen.
    pub explanation: String,
    /// What to do about it, where something is to be done.
    pub advice: Option<String>,
}

/// What a check comes to, before it has its name.
pub struct Finding {
    pub verdict: Verdict,
    pub evidence: Vec<Evidence>,
    pub explanation: String,
    pub advice: Option<String>,
    pub plots: Vec<Plot>,
}

impl Finding {
    pub fn new(verdict: Verdict, explanation: impl Into<String>) -> Self {
        Finding {
            verdict,
            evidence: Vec::new(),
            explanation: explanation.into(),
            advice: None,
            plots: Vec::new(),
        }
    }

    pub fn not_run(explanation: impl Into<String>, advice: impl Into<String>) -> Self {
        Finding {
            advice: Some(advice.into()),
            ..Finding::new(Verdict::NotRun, explanation)
        }
    }

    pub fn share(self, name: impl Into<String>, value: f64) -> Self {
        self.with(name, Some(value), Unit::Share)
    }

    pub fn count(self, name: impl Into<String>, value: usize) -> Self {
        self.with(name, Some(value as f64), Unit::Count)
    }

    pub fn number(self, name: impl Into<String>, value: Option<f64>) -> Self {
        self.with(name, value, Unit::Number)
    }

    fn with(mut self, name: impl Into<String>, value: Option<f64>, unit: Unit) -> Self {
        self.evidence.push(Evidence {
            name: name.into(),
            // JSON has no infinities.
            value: value.filter(|it| it.is_finite()),
            unit,
        });
        self
    }

    /// What to do, unless the check passed.
    pub fn advise(mut self, advice: &str) -> Self {
        if self.verdict > Verdict::Pass {
            self.advice = Some(advice.to_owned());
        }
        self
    }

    pub fn plot(mut self, plot: Plot) -> Self {
        self.plots.push(plot);
        self
    }
}

/// Numbers that are worth drawing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plot {
    pub name: String,
    pub title: String,
    pub description: String,
    pub x: String,
    pub y: String,
    pub shape: Shape,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    Lines(Vec<Line>),
    /// A value for each pair of places, one row for each of `ys`.
    Grid {
        xs: Vec<f64>,
        ys: Vec<f64>,
        values: Vec<Vec<f64>>,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// The whole of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// What was diagnosed.
    pub name: String,
    pub data: String,
    pub verdict: Trust,
    /// The verdict in a few sentences.
    pub summary: String,
    pub options: Options,
    pub seed: u64,
    pub images: usize,
    pub clean_error: f64,
    /// Under the attack whose number is in question.
    pub attack: String,
    pub attack_error: f64,
    /// Where any attack here within eps succeeded.
    pub worst_error: f64,
    /// The smallest gain, as a fraction of the images, that would be told from chance.
    pub resolution: f64,
    pub checks: Vec<Check>,
    pub plots: Vec<Plot>,
}

impl Diagnosis {
    pub fn with(&self, verdict: Verdict) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(move |it| it.verdict == verdict)
    }
}
