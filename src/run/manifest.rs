//! What `record.json` says.

use super::clock::utc;
use super::inputs::{Input, Output};
use super::machine::Machine;
use super::sources::Source;
use crate::files::{File, write_whole};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::time::SystemTime;

/// In the folder of a run.
pub(super) const FILE: &str = "record.json";

/// What stands before the hash of the file, which is its last entry.
const HASH: &str = ",\n  \"hash\": \"";

fn ending(before: &str) -> String {
    format!("{}\"\n}}\n", blake3::hash(before.as_bytes()).to_hex())
}

/// What is known of a run before it begins.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// The script first, then what it imports, as they were read.
    pub sources: Vec<Source>,
    pub command_line: Vec<String>,
    /// The values of parameters that the script may read where they are paths, if not all.
    pub opens: Option<Vec<String>>,
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
    /// The values of parameters that a person gave, where others come from a recipe: only those may
    /// be read where they are paths.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub opens: Option<Vec<String>>,
    pub parameters: Map<String, Value>,
    pub seed: u64,
    pub device: String,
    pub threads: usize,
    pub versions: BTreeMap<String, String>,
    pub machine: Machine,
    /// Conventions, threat models and whatever else the script found worth noting.
    pub notes: Map<String, Value>,
    /// Hashes of the tables, by file.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub results: BTreeMap<String, String>,
    /// What the user was warned of.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub warnings: Vec<String>,
    /// Loops that went on with other values than they had begun with, because somebody said so: to
    /// run the script again gives other results.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<String>,
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
        ensure!(
            !folder.is_file(),
            "{shown}: the folder of a run is needed here, this is a file"
        );
        let text = match std::fs::read_to_string(folder.join(FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                bail!("{shown} is not the folder of a run: it has no {FILE}")
            }
            Err(error) => return Err(Error::io(&folder.join(FILE), &error)),
        };
        ensure!(
            !text.is_empty(),
            "{shown}: this run was stopped before it began; start it again with the same --out"
        );
        let damaged = |how: &str| Error::invalid(format!("{shown}/{FILE} is damaged ({how})"));
        let recorded = serde_json::from_str(&text).map_err(|error| damaged(&error.to_string()))?;
        match text.rsplit_once(HASH) {
            // Of a version that wrote none.
            None => Ok(recorded),
            Some((before, hash)) if hash == ending(before) => Ok(recorded),
            Some(_) => Err(damaged(
                "its text and its hash do not belong together; if it was changed by hand, remove its last \
                 entry, `hash`, and it is used as it is",
            )),
        }
    }

    /// The text of the file, with a hash of all before it.
    fn encode(&self) -> Result<String> {
        let text = serde_json::to_string_pretty(self);
        let text = text.map_err(|error| Error::invalid(error.to_string()))?;
        let before = text.strip_suffix("\n}").unwrap_or(&text);
        Ok(format!("{before}{HASH}{}", ending(before)))
    }

    /// Whether the script and what it imported are what they were when they were run.
    pub fn has_its_sources(&self) -> bool {
        // The library is a part of the program.
        let files = self.sources.iter();
        let mut files = files.filter(|(path, _)| Path::new(path).is_absolute());
        files.all(|(path, hash)| {
            let now = File::open(Path::new(path)).and_then(|it| it.hash());
            now.is_ok_and(|now| now.to_hex().as_str() == hash)
        })
    }

    /// Refuses that there is none of a table that the run had.
    pub fn check_lacks(&self, name: &str) -> Result<()> {
        ensure!(
            self.status == Status::Running || !self.results.contains_key(name),
            "this file is missing: the run wrote one"
        );
        Ok(())
    }

    /// Refuses a table that is not as the run left it. While a run goes on, the table may be newer
    /// than the record.
    pub fn check_result(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let hash = self.results.get(name);
        let known = hash.filter(|_| self.status != Status::Running);
        ensure!(
            known.is_none_or(|hash| *hash == *blake3::hash(bytes).to_hex()),
            "this file is damaged: it is not what the run wrote"
        );
        Ok(())
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
        write_whole(&folder.join(FILE), self.encode()?.as_bytes())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Ending, Record};
    use std::fs;

    #[test]
    fn a_record_that_was_changed_is_told_from_an_older_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut record = Record::create(folder.path(), Manifest::default()).unwrap();
        record
            .end(Ending::Failed("no, \"hash\": no".into()))
            .unwrap();
        drop(record);
        let path = folder.path().join(FILE);
        let text = fs::read_to_string(&path).unwrap();
        let read = |text: &str| {
            fs::write(&path, text).unwrap();
            Recorded::read(folder.path()).map_err(|error| error.to_string())
        };
        let recorded = read(&text).unwrap();
        assert_eq!(recorded.encode().unwrap(), text);
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["status"], "failed");
        assert!(
            recorded
                .check_result("metrics.csv", b"kind,model,epoch,step\n")
                .is_ok()
        );
        assert!(
            recorded
                .check_result("metrics.csv", b"kind,model,epoch,stop\n")
                .is_err()
        );

        let changed = text.replace("\"threads\": 0", "\"threads\": 8");
        assert_ne!(changed, text);
        assert!(
            read(&changed)
                .unwrap_err()
                .contains("remove its last entry, `hash`")
        );
        let (before, _) = changed.rsplit_once(HASH).unwrap();
        assert_eq!(read(&format!("{before}\n}}\n")).unwrap().threads, 8);
        assert!(read("").unwrap_err().contains("stopped before it began"));
    }
}
