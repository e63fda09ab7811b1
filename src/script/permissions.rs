//! A script is a guest: what it may read and write is decided here, and all its files are opened
//! through the gate that this sets up.
//!
//! It reads its own folder, its run folder and what the command line names; it writes into
//! its run folder. All checks are made on real paths, with links and `..` resolved.

use super::ask;
use super::host::Settings;
use crate::files::{Access, Content, File, Folder, Gate, LastingFolder, Right, Target};
use crate::{Error, Result};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

pub(super) struct Permissions {
    gate: Gate,
    /// The script's folder; where there is no script, the current one.
    home: PathBuf,
    interactive: bool,
    /// What was handed over with --set, as it was written.
    given: Vec<OsString>,
    run: RefCell<Option<PathBuf>>,
}

impl Permissions {
    pub fn new(settings: &Settings) -> Result<Self> {
        let home = match &settings.script {
            Some(script) => real(script)?
                .parent()
                .map(Path::to_path_buf)
                .unwrap_or_default(),
            None => real(Path::new("."))?,
        };
        let all = || settings.set.iter().flat_map(|(_, value)| paths_in(value));
        let given = settings.opens.clone().unwrap_or_else(|| all().collect());
        let permissions = Permissions {
            gate: ask::gate(settings.interactive),
            interactive: settings.interactive,
            given: given.iter().map(OsString::from).collect(),
            run: RefCell::default(),
            home,
        };
        permissions.allow_read(&permissions.home)?;
        for path in given.iter().map(Path::new) {
            // What it is opened for says what is wrong.
            let _ = permissions.gate.allow_expected(path);
        }
        for path in &settings.allow_read {
            let allowed = permissions.allow_read(path);
            allowed.map_err(|error| error.context("--allow-read"))?;
        }
        for path in &settings.allow_write {
            let allowed = permissions.allow_write(path);
            allowed.map_err(|error| error.context("--allow-write"))?;
        }
        Ok(permissions)
    }

    pub fn allow_read(&self, path: &Path) -> Result<()> {
        self.gate.allow(Right::Read, path)
    }

    pub fn allow_write(&self, path: &Path) -> Result<()> {
        self.gate.allow(Right::Write, path)
    }

    /// What a person allowed when asked.
    pub fn granted(&self) -> Vec<(Right, PathBuf)> {
        self.gate.granted()
    }

    /// From now on it is kept what is in the files that are read.
    pub fn keep_contents(&self) {
        self.gate.keep_contents();
    }

    /// What was in the files that were read, all of those of which only parts were where `in_full`.
    pub fn contents(&self, in_full: bool) -> BTreeMap<PathBuf, Content> {
        self.gate.contents(in_full)
    }

    /// Of how many files it is known so far that they were read.
    pub fn contents_known(&self) -> usize {
        self.gate.contents_known()
    }

    /// What was read and written so far.
    pub fn accesses(&self) -> Vec<Access> {
        self.gate.accesses()
    }

    pub fn run_folder(&self) -> Option<PathBuf> {
        self.run.borrow().clone()
    }

    pub fn create_run_folder(&self, settings: &Settings) -> Result<PathBuf> {
        let folder = match (&settings.resume, &settings.out) {
            (Some(earlier), _) => earlier.clone(),
            (None, Some(out)) => {
                std::fs::create_dir_all(out).map_err(|error| Error::io(out, &error))?;
                let mut entries = std::fs::read_dir(out).map_err(|error| Error::io(out, &error))?;
                ensure!(
                    entries.next().is_none(),
                    "{}: the folder for the run's results must be empty or new",
                    out.display()
                );
                out.clone()
            }
            (None, None) => new_run_folder(settings.script.as_deref())?,
        };
        self.set_run_folder(&folder)
    }

    fn set_run_folder(&self, folder: &Path) -> Result<PathBuf> {
        let folder = real(folder)?;
        self.allow_write(&folder)?;
        *self.run.borrow_mut() = Some(folder.clone());
        Ok(folder)
    }

    /// Opens a file that may be read. A relative path is looked for in the run folder (what a
    /// script wrote it can read back), then in the current folder, then in the script's. One that
    /// was handed over with --set is the user's: the current folder comes first, whatever the
    /// script has written.
    pub fn file(&self, path: &Path) -> Result<File> {
        self.gate.file(path, &self.places(path))
    }

    /// Opens a folder that may be read, which is looked for as a file is.
    pub fn folder(&self, path: &Path) -> Result<Folder> {
        self.gate.folder(path, &self.places(path))
    }

    fn places(&self, path: &Path) -> Vec<PathBuf> {
        let run = self.run_folder();
        let mut bases = [run.as_deref(), Some(Path::new("")), Some(&self.home)];
        if self.given.iter().any(|text| text == path.as_os_str()) {
            bases.swap(0, 1);
        }
        let places = bases.into_iter().flatten().map(|base| base.join(path));
        places.collect()
    }

    /// Where the script may create or replace `path`, relative to its run folder.
    pub fn target(&self, path: &Path) -> Result<Target> {
        let full = match self.run_folder() {
            Some(run) => run.join(path),
            None => path.to_owned(),
        };
        let where_to = match self.interactive {
            true => "the folder that the session was started in",
            false => "its run folder",
        };
        self.gate.target(path, &full, where_to)
    }

    /// A folder that outlives the run, not one in the run folder: a relative path starts in the
    /// current folder. It may be new where the script may write.
    pub fn lasting(&self, path: &Path) -> Result<LastingFolder> {
        self.gate.lasting(path)
    }
}

/// What a person who gives a parameter this value gives a script to read: the path that it is, and
/// each that is there of a list with commas. Names that a recipe brings along may have commas, too:
/// they are no lists.
pub fn paths_in(value: &str) -> Vec<String> {
    let is_there = |part: &&str| *part != value && Path::new(part).exists();
    let parts = value.split(',').filter(is_there);
    std::iter::once(value)
        .chain(parts)
        .map(str::to_owned)
        .collect()
}

fn real(path: &Path) -> Result<PathBuf> {
    path.canonicalize().map_err(|error| Error::io(path, &error))
}

/// A new folder for the results of a run of `script`, beneath `runs`.
///
/// # Errors
/// `Invalid` with the path where it cannot be made.
pub fn new_run_folder(script: Option<&Path>) -> Result<PathBuf> {
    new_folder_beneath(Path::new("runs"), script)
}

/// `runs/<script>-<time>`, with `-2`, `-3` ... behind it where that exists: a run never
/// writes into the folder of another.
fn new_folder_beneath(runs: &Path, script: Option<&Path>) -> Result<PathBuf> {
    std::fs::create_dir_all(runs).map_err(|error| Error::io(runs, &error))?;
    let stem = script
        .and_then(Path::file_stem)
        .map_or("session".into(), |s| s.to_string_lossy());
    let name = format!("{stem}-{}", local_time());
    for attempt in 1.. {
        let folder = match attempt {
            1 => runs.join(&name),
            n => runs.join(format!("{name}-{n}")),
        };
        match std::fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io(&folder, &error)),
        }
    }
    unreachable!("the loop ends only by returning")
}

/// The local time as `20250314-155926`.
fn local_time() -> String {
    // SAFETY: `tm` is plain data, and both pointers are valid for the calls.
    let tm = unsafe {
        let now = libc::time(std::ptr::null_mut());
        let mut tm: libc::tm = std::mem::zeroed();
        libc::localtime_r(&now, &mut tm);
        tm
    };
    format!(
        "{:04}{:02}{:02}-{:02}{:02}{:02}",
        tm.tm_year + 1900,
        tm.tm_mon + 1,
        tm.tm_mday,
        tm.tm_hour,
        tm.tm_min,
        tm.tm_sec
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    struct World {
        _root: tempfile::TempDir,
        root: PathBuf,
        permissions: Permissions,
    }

    /// `home/script.rhai`, an empty `run` folder, `secret/key`; links from home to secret.
    fn world(allow: impl FnOnce(&Path, &mut Settings)) -> World {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().canonicalize().unwrap();
        for folder in ["home/data", "secret", "run"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for file in ["home/script.rhai", "home/data/a.txt", "secret/key"] {
            fs::write(root.join(file), "x").unwrap();
        }
        std::os::unix::fs::symlink(root.join("secret"), root.join("home/link")).unwrap();
        std::os::unix::fs::symlink(root.join("nowhere"), root.join("run/dangling")).unwrap();
        let mut settings = Settings {
            script: Some(root.join("home/script.rhai")),
            ..Settings::default()
        };
        allow(&root, &mut settings);
        let permissions = Permissions::new(&settings).unwrap();
        permissions.set_run_folder(&root.join("run")).unwrap();
        World {
            _root: temp,
            root,
            permissions,
        }
    }

    #[test]
    fn a_script_reads_its_own_folder_and_nothing_else() {
        let World {
            root, permissions, ..
        } = &world(|_, _| {});
        let read = |path: &str| {
            let file = permissions.file(Path::new(path));
            file.map(|it| it.real().to_owned())
                .map_err(|e| e.to_string())
        };
        assert_eq!(read("data/a.txt").unwrap(), root.join("home/data/a.txt"));
        for outside in ["../secret/key", "link/key", "data/../../secret/key"] {
            assert!(
                read(outside).unwrap_err().contains("--allow-read"),
                "{outside}"
            );
        }
        let absolute = root.join("secret/key");
        assert!(permissions.file(&absolute).is_err());
        assert!(read("data/b.txt").unwrap_err().contains("no such file"));
        assert!(read("").is_err());
        assert!(read("a\0b").is_err());
    }

    #[test]
    fn a_session_is_told_how_to_allow_more_and_can() {
        let World {
            root, permissions, ..
        } = &world(|_, settings| settings.interactive = true);
        let key = root.join("secret/key");
        let refused = permissions.file(&key).unwrap_err().to_string();
        let command = format!("`:allow-read {}` allows it", key.display());
        assert!(refused.contains(&command), "{refused}");
        permissions.allow_read(&key).unwrap();
        assert_eq!(permissions.file(&key).unwrap().real(), key);
        assert!(permissions.target(&key).is_err());
        permissions.allow_write(&root.join("secret")).unwrap();
        assert_eq!(permissions.target(&key).unwrap().real(), key);
        assert!(permissions.allow_read(&root.join("nowhere")).is_err());
    }

    #[test]
    fn flags_and_parameters_open_more() {
        let flag = world(|root, settings| settings.allow_read.push(root.join("secret")));
        assert!(flag.permissions.file(&flag.root.join("secret/key")).is_ok());
        let set = world(|root, settings| {
            let path = root.join("secret").to_string_lossy().into_owned();
            settings.set.push(("data".into(), path));
        });
        assert!(set.permissions.file(&set.root.join("secret/key")).is_ok());
    }

    #[test]
    fn a_list_that_a_person_gives_is_several_paths_and_a_name_of_a_recipe_is_one() {
        let list = |root: &Path| format!("nothing,{}/secret/key,x", root.display());
        let set = world(|root, settings| settings.set.push(("data".into(), list(root))));
        assert!(set.permissions.file(&set.root.join("secret/key")).is_ok());
        let named = world(|root, settings| {
            settings.opens = Some(vec![list(root)]);
            settings.set.push(("data".into(), list(root)));
        });
        assert!(
            named
                .permissions
                .file(&named.root.join("secret/key"))
                .is_err()
        );
    }

    #[test]
    fn a_script_writes_into_its_run_folder_and_nowhere_else() {
        let World {
            root, permissions, ..
        } = &world(|_, _| {});
        let write = |path: &str| {
            let target = permissions.target(Path::new(path));
            target
                .map(|it| it.real().to_owned())
                .map_err(|e| e.to_string())
        };
        assert_eq!(write("a.txt").unwrap(), root.join("run/a.txt"));
        for outside in [
            "../home/a.txt",
            "new/../../a.txt",
            "/etc/passwd",
            "dangling",
            "..",
            "/",
        ] {
            assert!(write(outside).is_err(), "{outside}");
        }
        fs::write(root.join("run/a.txt"), "x").unwrap();
        assert!(
            permissions.file(Path::new("a.txt")).is_ok(),
            "what it wrote it can read"
        );
    }

    #[test]
    fn a_lasting_folder_may_be_new_where_the_script_may_write() {
        let World {
            root, permissions, ..
        } = &world(|root, settings| settings.allow_write.push(root.join("kept")));
        let lasting = |path: &str| permissions.lasting(&root.join(path));
        for path in ["kept", "kept/new/deep"] {
            let folder = lasting(path).unwrap();
            assert!(folder.to_read().unwrap().is_none(), "{path} is new");
            folder.to_write().unwrap();
            assert!(root.join(path).is_dir() && folder.to_read().unwrap().is_some());
        }
        // What may be read only is there already.
        let data = lasting("home/data").unwrap();
        assert!(data.to_read().unwrap().is_some() && data.to_write().is_err());
        for path in ["secret", "home/new", "home/../secret"] {
            let error = lasting(path).unwrap_err().to_string();
            assert!(error.contains("start it with --allow-write"), "{error}");
        }
    }

    #[test]
    fn devices_are_no_data() {
        let World { permissions, .. } = &world(|_, settings| settings.allow_read.push("/".into()));
        for path in ["/dev/zero", "/proc/self/environ", "/sys/kernel"] {
            let path = Path::new(path);
            let file = permissions.file(path).unwrap_err().to_string();
            let folder = permissions.folder(path).unwrap_err().to_string();
            assert!(file.contains("file"), "{file}");
            assert!(folder.contains("folder"), "{folder}");
        }
        let error = permissions.file(Path::new("/dev/zero")).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("must be an ordinary file or folder")
        );
    }

    #[test]
    fn run_folders_are_never_shared() {
        let temp = tempfile::tempdir().unwrap();
        let script = Path::new("adv.rhai");
        let folders: std::collections::HashSet<_> = (0..3)
            .map(|_| new_folder_beneath(temp.path(), Some(script)).unwrap())
            .collect();
        assert_eq!(folders.len(), 3);
    }
}
