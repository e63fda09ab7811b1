//! Files that are written whole or not at all.

use crate::profile::{self, Work};
use crate::{Error, Result};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes `bytes` to `path`: into a temporary file of the same folder, which is synced and
/// then takes the name. Whoever reads `path` finds the old content or the new, never a part.
///
/// # Errors
/// `Invalid` with the path and what the system said; the old file is then still there.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let _span = profile::span(Work::Write);
    let temporary = temporary_beside(path);
    let written = write_synced(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        // It may not exist; what went wrong first is what the user needs to read.
        let _ = fs::remove_file(&temporary);
        return Err(Error::io(path, &error));
    }
    sync_folder_of(path);
    Ok(())
}

/// A name as a file or folder may have it everywhere, alone in its folder. One that has to be
/// altered gets a hash, so that two names never meet.
pub fn plain_name(name: &str) -> String {
    /// In bytes; file systems allow 255, and temporary files have longer names.
    const LONGEST: usize = 120;
    let allowed = |it: char| it.is_alphanumeric() || " +-_.,=()".contains(it);
    let mut kept = String::new();
    for letter in name.chars() {
        if kept.len() + letter.len_utf8() > LONGEST {
            break;
        }
        kept.push(if allowed(letter) { letter } else { '_' });
    }
    let kept = kept.trim_matches(['.', ' ']);
    match kept == name && !kept.is_empty() {
        true => kept.to_owned(),
        false => format!("{kept}-{}", &blake3::hash(name.as_bytes()).to_hex()[..8]),
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Whether a file has a name like those that are written before they are complete.
pub fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') && name.ends_with(".tmp")
}

/// A name in the folder of `path` that no other write uses, in this process or another.
fn temporary_beside(path: &Path) -> PathBuf {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let write = WRITES.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!(".{name}.{}-{write}.tmp", process::id()))
}

/// Makes the new name last through a power cut. Not every file system can; the file itself is
/// complete either way.
fn sync_folder_of(path: &Path) {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    if let Ok(folder) = File::open(folder.unwrap_or(Path::new("."))) {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn the_new_content_takes_the_place_of_the_old() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("numbers.csv");
        write_whole(&path, b"a longer first content").unwrap();
        write_whole(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(names(folder.path()), ["numbers.csv"]);
    }

    #[test]
    fn names_become_files_of_their_own() {
        assert_eq!(plain_name("PGD-40, eps 0.03"), "PGD-40, eps 0.03");
        let long = "日".repeat(100);
        for odd in ["../../x", "a/b", "", "..", ".", " ", "a\nb", &long] {
            let plain = plain_name(odd);
            assert_eq!(Path::new(&plain).components().count(), 1, "{plain:?}");
            assert!(plain.len() < 140 && !plain.starts_with('.'), "{plain:?}");
        }
        assert_ne!(plain_name("a/b"), plain_name("a_b"));
        assert_ne!(plain_name("a/b"), plain_name("a:b"));
    }

    #[test]
    fn a_failed_write_leaves_what_was_there_and_no_litter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir_all(path.join("by a folder")).unwrap();
        let error = write_whole(&path, b"content").unwrap_err();
        assert!(error.to_string().starts_with(&path.display().to_string()));
        assert_eq!(names(folder.path()), ["taken"]);

        let nowhere = folder.path().join("missing/numbers.csv");
        let error = write_whole(&nowhere, b"content").unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("there is no such file or folder")
        );
    }
}
