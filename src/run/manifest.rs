//! What `record.json` says.

use super::clock::utc;
use super::inputs::{Input, Output};
use super::machine::Machine;
use super::sources::Source;
use crate::files::write_whole;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::time::SystemTime;

/// In the folder of a run.
pub(super) const FILE: &str = "record.json";

/// What is known of a run before it begins.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// The script first, then what it imports, as they were read.
    pub sources: Vec<Source>,
    pub command_line: Vec<String>,
    /// The current folder, which paths are relative to.
    pub directory: Option<String>,
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
    /// Why the run failed, or the limit that it was interrupted at.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// The path of the script that was run.
    pub script: Option<String>,
    /// Its copy, relative to the record's folder.
    pub script_copy: Option<String>,
    /// The script and what it imported, by path, with a hash of each text.
    #[serde(default)]
    pub sources: BTreeMap<String, String>,
    /// The folder that the program was started in.
    #[serde(default)]
    pub directory: Option<String>,
    pub command_line: Vec<String>,
    pub parameters: Map<String, Value>,
    pub seed: u64,
    pub device: String,
    pub threads: usize,
    pub versions: BTreeMap<String, String>,
    pub machine: Machine,
    /// Conventions, threat models and whatever else the script found worth noting.
    pub notes: Map<String, Value>,
    /// What the user was warned of.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub warnings: Vec<String>,
    /// What the run read besides scripts, once it ended; `inputs.csv` has each file.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub inputs: Vec<Input>,
    /// What the script wrote, once it ended.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub outputs: Vec<Output>,
    /// UTC.
    pub started: String,
    /// When the run was resumed, each time.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub resumed: Vec<String>,
    pub ended: Option<String>,
    /// So far, while the run goes on.
    pub wall_seconds: Option<f64>,
    /// The seconds that each loop with a progress bar took, by its title: each epoch of
    /// training and each evaluation, attacks included. Equal titles are summed.
    pub timings: BTreeMap<String, f64>,
}

impl Recorded {
    /// The record of the run in `folder`.
    ///
    /// # Errors
    /// `Invalid` for a folder that holds none, or a damaged one.
    pub fn read(folder: &Path) -> Result<Self> {
        let shown = folder.display();
        let text = match std::fs::read_to_string(folder.join(FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                bail!("{shown} is not the folder of a run: it has no {FILE}")
            }
            Err(error) => return Err(Error::io(&folder.join(FILE), &error)),
        };
        serde_json::from_str(&text)
            .map_err(|error| Error::invalid(format!("{shown}/{FILE} is damaged ({error})")))
    }

    /// Closes the record in `folder` from outside of the run, which cannot do it itself any more.
    ///
    /// # Errors
    /// As for [`Recorded::read`], and where it cannot be written.
    pub fn close(folder: &Path, limit: &str) -> Result<()> {
        let mut recorded = Recorded::read(folder)?;
        recorded.status = Status::Interrupted;
        recorded.error = Some(format!("error: {limit}"));
        recorded.ended = Some(utc(SystemTime::now()));
        recorded.write(folder)
    }

    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|error| Error::invalid(error.to_string()))?;
        text.push('\n');
        write_whole(&folder.join(FILE), text.as_bytes())
    }
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
