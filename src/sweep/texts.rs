//! That all runs of a sweep are of one script.

use crate::Result;
use crate::files::File;
use crate::run::Recorded;
use std::collections::BTreeMap;

use std::path::Path;

/// The hashes of a script and of what it imports, as they were first seen.
#[derive(Default)]
pub struct Texts(BTreeMap<String, String>);

impl Texts {
    /// The script as it is now.
    pub fn now(script: &Path) -> Self {
        let real = script.canonicalize();
        let real = real.as_deref().unwrap_or(script).display().to_string();
        Texts([(real.clone(), hash(&real))].into())
    }

    /// Learns what the run in `folder` was of.
    ///
    /// # Errors
    /// `Invalid` if it had other texts than those that are known, or than the files have.
    pub fn learn(&mut self, folder: &Path, recorded: &Recorded) -> Result<()> {
        // Modules of the library have no file; their texts are those of the program's version.
        let files = recorded
            .sources
            .iter()
            .filter(|(path, _)| Path::new(path).is_absolute());
        for (path, then) in files {
            let known = self.0.entry(path.clone()).or_insert_with(|| hash(path));
            ensure!(
                known == then,
                "{path} is not what {} was run with, and the numbers would not go together; restore \
                 it from the copy there (script/), or begin another sweep with --out, or remove that \
                 folder to do the run again",
                folder.display()
            );
        }
        Ok(())
    }

    /// # Errors
    /// `Invalid` for a file that has changed since it was first seen.
    pub fn check(&self) -> Result<()> {
        for (path, then) in &self.0 {
            ensure!(
                hash(path) == *then,
                "{path} has changed since the sweep began; no more runs are started. Restore it to go \
                 on"
            );
        }
        Ok(())
    }
}

/// Empty for a file that cannot be read, which is none of any text.
fn hash(path: &str) -> String {
    let hash = File::open(Path::new(path)).and_then(|it| it.hash());
    hash.map_or(String::new(), |it| it.to_hex().to_string())
}
