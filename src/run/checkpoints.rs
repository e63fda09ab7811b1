//! The checkpoints of a run: `checkpoints/<loop>/<position>.checkpoint`.

use super::loops::{Checkpoint, Position};
use crate::files::write_whole;
use crate::{Error, Result};
use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Below the run's folder.
pub const FOLDER: &str = "checkpoints";
/// Beside it: checkpoints of other parameters, which a resumed run did not use.
pub const OTHERS: &str = "checkpoints.other";
const EXTENSION: &str = "checkpoint";

/// The files of all loops in a run's folder.
pub(super) struct Checkpoints {
    folder: PathBuf,
    /// Whether those from before may lie in the folder.
    resumed: bool,
    /// The ones of each loop that belong to this run, oldest first.
    good: HashMap<String, Vec<Position>>,
}

/// What is found of a loop, and what a person should know about it.
pub struct Found {
    pub checkpoint: Option<(PathBuf, Checkpoint)>,
    pub remarks: Vec<String>,
}

impl Checkpoints {
    pub fn new(run: &Path, resumed: bool) -> Self {
        Checkpoints {
            folder: run.join(FOLDER),
            resumed,
            good: HashMap::new(),
        }
    }

    /// The last checkpoint of a loop that is whole and that `fits`, which else says why not.
    pub fn latest(
        &mut self,
        key: &str,
        fits: &dyn Fn(&Checkpoint) -> std::result::Result<(), String>,
    ) -> Result<Found> {
        let mut found = Found {
            checkpoint: None,
            remarks: Vec::new(),
        };
        if !self.resumed {
            return Ok(found);
        }
        let folder = self.folder.join(key);
        let mut positions = positions(&folder, Some(EXTENSION))?;
        positions.sort();
        while let Some(position) = positions.pop() {
            let path = file(&folder, &position);
            let read = fs::read(&path).map_err(|error| Error::io(&path, &error));
            let read = read.and_then(|bytes| {
                Checkpoint::decode(&bytes).map_err(|error| error.context(path.display()))
            });
            match read {
                Err(error) => found
                    .remarks
                    .push(format!("{error}; the one before is used")),
                Ok(checkpoint) => match fits(&checkpoint) {
                    Ok(()) => {
                        positions.push(position);
                        self.good.insert(key.to_owned(), positions);
                        found.checkpoint = Some((path, checkpoint));
                        return Ok(found);
                    }
                    // It is of use to whoever goes back to what it belongs to.
                    Err(why) => {
                        let aside = self.put_aside(key)?;
                        let remark = format!("{why}; it is kept in {}", aside.display());
                        found.remarks.push(remark);
                        return Ok(found);
                    }
                },
            }
        }
        if let Some(last) = found.remarks.last_mut() {
            *last = last.replace(
                "the one before is used",
                "there is none before: it begins anew",
            );
        }
        Ok(found)
    }

    /// Moves what a loop has to where nothing is written or removed; returns where.
    fn put_aside(&self, key: &str) -> Result<PathBuf> {
        let others = self.folder.with_file_name(OTHERS);
        let names = (1..).map(|n| match n {
            1 => others.join(key),
            n => others.join(format!("{key}-{n}")),
        });
        let mut free = names.filter(|it| !it.exists());
        let aside = free.next().unwrap_or_else(|| others.join(key));
        // One within a step of an outer loop lies deeper.
        let parent = aside.parent().unwrap_or(&others);
        fs::create_dir_all(parent).map_err(|error| Error::io(parent, &error))?;
        let folder = self.folder.join(key);
        fs::rename(&folder, &aside).map_err(|error| Error::io(&folder, &error))?;
        Ok(aside)
    }

    /// Writes a checkpoint of a loop; of those before it the last stay, `keep` in all. Where the
    /// disk is full, older ones make room.
    pub fn write(
        &mut self,
        key: &str,
        position: &Position,
        bytes: &[u8],
        keep: usize,
    ) -> Result<()> {
        let folder = self.folder.join(key);
        fs::create_dir_all(&folder).map_err(|error| Error::io(&folder, &error))?;
        let path = file(&folder, position);
        let good = self.good.entry(key.to_owned()).or_default();
        good.retain(|it| it != position);
        while let Err(error) = write_whole(&path, bytes) {
            if good.len() < 2 || !error.is_lack_of_space() {
                return Err(error);
            }
            let _ = fs::remove_file(file(&folder, &good.remove(0)));
        }
        good.push(position.clone());
        let older = good.len().saturating_sub(keep.max(1));
        good.drain(..older);
        remove_others(&folder, good)
    }

    /// The last one of a loop that was written or used.
    pub fn last(&self, key: &str) -> Option<PathBuf> {
        let position = self.good.get(key)?.last()?;
        Some(file(&self.folder.join(key), position))
    }
}

fn file(folder: &Path, position: &Position) -> PathBuf {
    folder.join(format!("{position}.{EXTENSION}"))
}

/// Files of other positions go, and so do the folders of inner loops within steps that are done in
/// every checkpoint that stays.
fn remove_others(folder: &Path, good: &[Position]) -> Result<()> {
    let failed = |path: &Path, error| Error::io(path, &error);
    for position in positions(folder, Some(EXTENSION))? {
        if !good.contains(&position) {
            let path = file(folder, &position);
            fs::remove_file(&path).map_err(|error| failed(&path, error))?;
        }
    }
    for position in positions(folder, None)? {
        if good
            .first()
            .is_some_and(|oldest| position.is_done_at(oldest))
        {
            let path = folder.join(position.to_string());
            fs::remove_dir_all(&path).map_err(|error| failed(&path, error))?;
        }
    }
    Ok(())
}

/// The positions that files with an extension, or folders, are named by.
fn positions(folder: &Path, extension: Option<&str>) -> Result<Vec<Position>> {
    let failed = |error| Error::io(folder, &error);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        let name = name.to_string_lossy();
        let stem = match extension {
            Some(extension) => name
                .strip_suffix(extension)
                .and_then(|it| it.strip_suffix('.')),
            None => Some(&*name).filter(|it| !it.ends_with(EXTENSION)),
        };
        found.extend(stem.and_then(|it| it.parse().ok()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Position {
        text.parse().unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|it| it.unwrap().file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn the_last_ones_stay_with_the_inner_loops_that_they_need() {
        let run = tempfile::tempdir().unwrap();
        let mut all = Checkpoints::new(run.path(), false);
        let folder = run.path().join(FOLDER).join("outer");
        for step in 0..4 {
            let position = at(&format!("00000{step}"));
            all.write("outer", &position, b"x", 2).unwrap();
            all.write(&format!("outer/{position}/inner"), &at("000001"), b"x", 2)
                .unwrap();
        }
        let stay = ["000002", "000002.checkpoint", "000003", "000003.checkpoint"];
        assert_eq!(names(&folder), stay);
        // What an earlier attempt left is no part of this one.
        let mut anew = Checkpoints::new(run.path(), true);
        anew.write("outer", &at("000001"), b"x", 2).unwrap();
        assert_eq!(names(&folder), ["000001.checkpoint", "000002", "000003"]);
        assert_eq!(
            anew.last("outer").unwrap(),
            folder.join("000001.checkpoint")
        );
    }
}
