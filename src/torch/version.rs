//! Which libtorch a folder holds. The build script uses this file too.

use std::fs;
use std::path::Path;

/// The version of the libtorch in this folder: a wheel says it in `version.py`, the
/// archive of pytorch.org in `build-version`. `None` where neither is there.
pub fn installed(libtorch: &Path) -> Option<String> {
    if let Ok(module) = fs::read_to_string(libtorch.join("version.py")) {
        let line = module
            .lines()
            .find_map(|line| line.strip_prefix("__version__ = "))?;
        return Some(line.trim_matches(['\'', '"']).to_owned());
    }
    let version = fs::read_to_string(libtorch.join("build-version")).ok()?;
    Some(version.trim().to_owned())
}
