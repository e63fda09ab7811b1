//! Where a path really leads.

use crate::{Error, Result};
use std::path::{Component, Path, PathBuf};

/// The path of a file or folder with links and `..` resolved.
pub(super) fn real(path: &Path) -> Result<PathBuf> {
    check_text(path)?;
    path.canonicalize().map_err(|error| Error::io(path, &error))
}

/// The same where there is something, else the path as it is: to compare and to name.
pub fn resolved(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// The real path of something that may not exist yet. Folders on the way that do not exist
/// are kept by name, so they must not contain `..`; a link that leads nowhere is refused,
/// because writing to it would create what it points to.
pub(super) fn real_or_new(path: &Path) -> Result<PathBuf> {
    check_text(path)?;
    if let Ok(real) = path.canonicalize() {
        return Ok(real);
    }
    ensure!(
        path.symlink_metadata().is_err(),
        "{}: this is a link that leads nowhere",
        path.display()
    );
    let Some(Component::Normal(name)) = path.components().next_back() else {
        bail!(
            "{}: a path to write to must not end in `..`",
            path.display()
        );
    };
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => real_or_new(parent)?,
        _ => real(Path::new("."))?,
    };
    Ok(parent.join(name))
}

/// Where a path leads as far as something is there.
pub(super) fn nearest(path: &Path) -> Result<PathBuf> {
    check_text(path)?;
    let full = std::path::absolute(path).map_err(|error| Error::io(path, &error))?;
    let there = |it: &Path| it.canonicalize().ok();
    Ok(full.ancestors().find_map(there).unwrap_or_default())
}

/// Refuses what no path can be.
pub(super) fn check_text(path: &Path) -> Result<()> {
    ensure!(!path.as_os_str().is_empty(), "a path must not be empty");
    ensure!(
        !path.as_os_str().as_encoded_bytes().contains(&0),
        "a path must not contain NUL"
    );
    Ok(())
}
