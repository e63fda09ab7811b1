//! What keeps the folder of a run from being taken or written wrongly.

use super::manifest::{FILE as RECORD, Recorded, Status};
use super::record::SCRIPT;
use super::sources::Source;
use crate::files::is_temporary;
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

/// Refuses a source that an earlier run had with another text: its rows would be of two scripts.
pub(super) fn check_unchanged(
    folder: &Path,
    then: &BTreeMap<String, String>,
    source: &Source,
) -> Result<()> {
    let (path, hash) = source.hashed();
    ensure!(
        then.get(&path).is_none_or(|then| *then == hash),
        "{path} has changed since this run began; restore it from the copy in {}, or start a new \
         run",
        folder.join(SCRIPT).display()
    );
    Ok(())
}

/// Refuses links in the parts of a record that are written below, which may come from others.
pub(super) fn refuse_links(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(|error| Error::io(folder, &error))? {
        let entry = entry.map_err(|error| Error::io(folder, &error))?;
        let path = entry.path();
        let kind = entry
            .file_type()
            .map_err(|error| Error::io(&path, &error))?;
        ensure!(
            !kind.is_symlink(),
            "{}: a link in the folder of a run is not written through; remove it",
            path.display()
        );
        if kind.is_dir() {
            refuse_links(&path)?;
        }
    }
    Ok(())
}

/// Removes what a run that was killed left of files that it was writing.
pub(super) fn remove_leftovers(folder: &Path) -> Result<()> {
    let failed = |path: &Path, error| Error::io(path, &error);
    for entry in fs::read_dir(folder).map_err(|error| failed(folder, error))? {
        let path = entry.map_err(|error| failed(folder, error))?.path();
        if path.is_dir() {
            remove_leftovers(&path)?;
        } else if is_temporary(&path) {
            fs::remove_file(&path).map_err(|error| failed(&path, error))?;
        }
    }
    Ok(())
}

pub(super) fn refuse_used(folder: &Path) -> Result<()> {
    let mut entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io(folder, &error)),
    };
    if entries.next().is_none() || is_unbegun(folder)? {
        return Ok(());
    }
    let shown = folder.display();
    let Ok(text) = fs::read_to_string(folder.join(RECORD)) else {
        bail!("{shown} must be a new or an empty folder to hold a run's record, but is not empty");
    };
    let Ok(other) = serde_json::from_str::<Recorded>(&text) else {
        bail!("{shown} already holds a run's record; choose another folder or remove this one");
    };
    bail!(
        "{shown} already holds the record of a run ({}started {}, {}); {}choose another folder or \
         remove this one",
        other.script.map_or(String::new(), |script| script + ", "),
        other.started,
        other.status,
        match other.status {
            Status::Finished => String::new(),
            _ => format!("rhobust run --resume {shown} goes on with it; else "),
        }
    )
}

/// Whether a folder has nothing but what a run leaves that was killed before it wrote its record.
fn is_unbegun(folder: &Path) -> Result<bool> {
    let failed = |error| Error::io(folder, &error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let empty = || fs::symlink_metadata(&path).is_ok_and(|it| it.is_file() && it.len() == 0);
        let is_record = path.file_name() == Some(RECORD.as_ref());
        let left = is_temporary(&path) || is_record && empty();
        if !left {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Removes that; whoever calls has the folder's lock.
pub(super) fn clear_unbegun(folder: &Path) -> Result<()> {
    if !is_unbegun(folder)? {
        return Ok(());
    }
    let failed = |error| Error::io(folder, &error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        fs::remove_file(&path).map_err(|error| Error::io(&path, &error))?;
    }
    Ok(())
}

/// Of two runs that found the same folder empty, one gets it.
pub(super) fn claim(folder: &Path) -> Result<()> {
    let path = folder.join(RECORD);
    match File::create_new(&path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!(
            "{} already holds a run's record; choose another folder or remove this one",
            folder.display()
        ),
        Err(error) => Err(Error::io(&path, &error)),
        Ok(_) => Ok(()),
    }
}
