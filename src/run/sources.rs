//! The copies of a script and of what it imported.

use crate::files::write_whole;
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// A script file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// From the root of the file system; of a module of the library `std/<name>.rhai`.
    pub path: PathBuf,
    pub text: String,
}

impl Source {
    /// Its path and a hash of its text.
    pub fn hashed(&self) -> (String, String) {
        let hash = blake3::hash(self.text.as_bytes()).to_hex().to_string();
        (self.path.display().to_string(), hash)
    }
}

/// The copies under one folder. They keep their places relative to each other, so that the
/// copied script finds its imports where the original found them; the library lies beneath `std`.
pub struct Sources {
    folder: PathBuf,
    /// The script that was run, as its path was given.
    main: Option<PathBuf>,
    /// By plain path.
    texts: BTreeMap<PathBuf, String>,
}

impl Sources {
    /// The first of `sources` is the script itself.
    pub fn create(folder: PathBuf, sources: Vec<Source>) -> Result<Self> {
        let mut all = Sources {
            folder,
            main: None,
            texts: BTreeMap::new(),
        };
        for Source { path, text } in sources {
            let path = plain(&path);
            all.main.get_or_insert_with(|| path.clone());
            all.texts.insert(path, text);
        }
        all.write_all()?;
        Ok(all)
    }

    /// Adds an import that became known later.
    pub fn add(&mut self, source: Source) -> Result<()> {
        let path = plain(&source.path);
        if self.texts.get(&path) == Some(&source.text) {
            return Ok(());
        }
        let root_before = self.root();
        self.texts.insert(path.clone(), source.text);
        self.main.get_or_insert_with(|| path.clone());
        if self.root() == root_before {
            return self.write(&path);
        }
        // The new file lies outside of what was copied so far: all places shift.
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io(&self.folder, &error))
            }
            _ => self.write_all(),
        }
    }

    /// Where the script's copy lies.
    pub fn main(&self) -> Option<PathBuf> {
        self.main.as_ref().map(|main| self.place(main))
    }

    fn write_all(&self) -> Result<()> {
        self.texts.keys().try_for_each(|path| self.write(path))
    }

    fn write(&self, path: &Path) -> Result<()> {
        let place = self.place(path);
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder).map_err(|error| Error::io(folder, &error))?;
        }
        write_whole(&place, self.texts[path].as_bytes())
    }

    fn place(&self, path: &Path) -> PathBuf {
        let root = self.root();
        self.folder.join(path.strip_prefix(root).unwrap_or(path))
    }

    fn root(&self) -> PathBuf {
        let own = self.texts.keys().map(PathBuf::as_path);
        innermost_folder(own).unwrap_or(Path::new("")).to_owned()
    }
}

/// The innermost folder that holds all of these files, those with relative paths left out.
pub fn innermost_folder<'a>(files: impl Iterator<Item = &'a Path>) -> Option<&'a Path> {
    let files = files.filter(|path| path.is_absolute());
    files.filter_map(Path::parent).reduce(|mut root, folder| {
        while !folder.starts_with(root) {
            root = root.parent().unwrap_or(Path::new(""));
        }
        root
    })
}

/// `path` without `.` and `..`, links not followed.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source {
            path: path.into(),
            text: text.into(),
        }
    }

    #[test]
    fn copies_keep_their_places_to_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script");
        let read = |name: &str| fs::read_to_string(script.join(name)).ok();
        let main = source("/home/me/scripts/paper.rhai", "main");
        let beside = source("/home/me/scripts/parts/loop.rhai", "loop");
        let library = source("std/train.rhai", "train");
        let mut all = Sources::create(script.clone(), vec![main, beside, library]).unwrap();
        assert_eq!(read("std/train.rhai").as_deref(), Some("train"));
        assert_eq!(all.main(), Some(script.join("paper.rhai")));
        assert_eq!(read("parts/loop.rhai").as_deref(), Some("loop"));

        // An import from above: the layout moves one folder down.
        let above = source("/home/me/scripts/parts/../../lib/own.rhai", "own");
        all.add(above).unwrap();
        assert_eq!(all.main(), Some(script.join("scripts/paper.rhai")));
        assert_eq!(read("scripts/paper.rhai").as_deref(), Some("main"));
        assert_eq!(read("scripts/parts/loop.rhai").as_deref(), Some("loop"));
        assert_eq!(read("lib/own.rhai").as_deref(), Some("own"));
        assert_eq!(read("paper.rhai"), None);
    }

    #[test]
    fn no_script_no_copies() {
        let folder = tempfile::tempdir().unwrap();
        let all = Sources::create(folder.path().join("script"), Vec::new()).unwrap();
        assert_eq!(all.main(), None);
        assert!(!folder.path().join("script").exists());
    }
}
