//! What `record.json` says.

use super::machine::Machine;
use super::sources::Source;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What is known of a run before it begins.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// The script first, then what it imports, as they were read.
    pub sources: Vec<Source>,
    pub command_line: Vec<String>,
    /// The script's parameters with the values in force.
    pub parameters: Map<String, Value>,
    pub seed: u64,
    pub device: String,
    pub threads: usize,
    /// Of rhobust, rhai, tch, libtorch, ...
    pub versions: BTreeMap<String, String>,
}

/// The content of `record.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// The number of this layout, raised when a reader has to know.
    pub format: u32,
    pub status: Status,
    /// Why the run failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// The path of the script that was run.
    pub script: Option<String>,
    /// Its copy, relative to the record's folder.
    pub script_copy: Option<String>,
    pub command_line: Vec<String>,
    pub parameters: Map<String, Value>,
    pub seed: u64,
    pub device: String,
    pub threads: usize,
    pub versions: BTreeMap<String, String>,
    pub machine: Machine,
    /// Conventions, threat models and whatever else the script found worth noting.
    pub notes: Map<String, Value>,
    /// UTC.
    pub started: String,
    pub ended: Option<String>,
    pub wall_seconds: Option<f64>,
    /// The seconds that each loop with a progress bar took, by its title: each epoch of
    /// training and each evaluation, attacks included. Equal titles are summed.
    pub timings: BTreeMap<String, f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Running,
    Finished,
    Failed,
    Interrupted,
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(match self {
            Status::Running => "running",
            Status::Finished => "finished",
            Status::Failed => "failed",
            Status::Interrupted => "interrupted",
        })
    }
}
