//! A script is a guest: what it may read and write is decided here, in one place.
//!
//! It reads its own folder, its run folder and what the command line names; it writes into
//! its run folder. All checks are made on real paths, with links and `..` resolved.

use super::host::Settings;
use crate::{Error, Result};
use std::cell::RefCell;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

pub(super) struct Permissions {
    /// The script's folder; where there is no script, the current one.
    home: PathBuf,
    read: RefCell<Vec<PathBuf>>,
    write: RefCell<Vec<PathBuf>>,
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
        // A path handed over with --set was given to the script to read, and so was each of a
        // list with commas.
        let given = || {
            settings
                .set
                .iter()
                .flat_map(|(_, value)| whole_and_parts(value))
        };
        let paths = given().filter_map(|value| real(Path::new(value)).ok());
        let permissions = Permissions {
            read: RefCell::new(std::iter::once(home.clone()).chain(paths).collect()),
            home,
            write: RefCell::default(),
            interactive: settings.interactive,
            given: given().map(OsString::from).collect(),
            run: RefCell::default(),
        };
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
        self.read.borrow_mut().push(real(path)?);
        Ok(())
    }

    pub fn allow_write(&self, path: &Path) -> Result<()> {
        self.write.borrow_mut().push(real_or_new(path)?);
        Ok(())
    }

    /// What the user can do about a refusal.
    fn advice(&self, right: &str, path: &Path) -> String {
        let path = path.display();
        match self.interactive {
            true => format!("`:{right} {path}` allows it"),
            false => format!("start it with --{right} {path} if it should"),
        }
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
            (None, None) => new_folder_beneath(Path::new("runs"), settings.script.as_deref())?,
        };
        let folder = real(&folder)?;
        *self.run.borrow_mut() = Some(folder.clone());
        Ok(folder)
    }

    /// The real path of `path` if it exists and may be read. A relative path is looked for in
    /// the run folder (what a script wrote it can read back), then in the current folder, then
    /// in the script's. One that was handed over with --set is the user's: the current folder
    /// comes first, whatever the script has written.
    pub fn readable(&self, path: &Path) -> Result<PathBuf> {
        check_text(path)?;
        let run = self.run_folder();
        let mut bases = [run.as_deref(), Some(Path::new("")), Some(&self.home)];
        if self.given.iter().any(|text| text == path.as_os_str()) {
            bases.swap(0, 1);
        }
        let found: Vec<_> = bases
            .into_iter()
            .flatten()
            .filter_map(|base| real(&base.join(path)).ok())
            .collect();
        if let Some(allowed) = found.iter().find(|real| self.may_read(real)) {
            regular(path, allowed)?;
            return Ok(allowed.clone());
        }
        match found.first() {
            Some(_) => bail!(
                "{}: the script may not read this; {}",
                path.display(),
                self.advice("allow-read", path)
            ),
            None => bail!("{}: there is no such file or folder", path.display()),
        }
    }

    /// Refuses what lies outside of all that may be read once links are followed: a data set
    /// in a folder that may be read can hold links to anywhere.
    pub fn check_read(&self, path: &Path) -> Result<()> {
        let real = real(path)?;
        let folder = match real.is_dir() {
            true => &real,
            false => real.parent().unwrap_or(&real),
        };
        ensure!(
            self.may_read(&real),
            "{}: this leads to {}, which the script may not read; {}",
            path.display(),
            real.display(),
            self.advice("allow-read", folder)
        );
        regular(path, &real)
    }

    /// The real path at which the script may create or replace `path`.
    pub fn writable(&self, path: &Path) -> Result<PathBuf> {
        check_text(path)?;
        ensure!(
            path.file_name().is_some(),
            "{}: a file needs a name",
            path.display()
        );
        let full = match self.run_folder() {
            Some(run) => run.join(path),
            None => path.to_owned(),
        };
        let target = real_or_new(&full)?;
        if self.may_write(&target) {
            regular(path, &target)?;
            return Ok(target);
        }
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
        bail!(
            "{}: the script may write only into {}; {}",
            path.display(),
            match self.interactive {
                true => "the folder that the session was started in",
                false => "its run folder",
            },
            self.advice("allow-write", folder.unwrap_or(Path::new(".")))
        )
    }

    /// The real path of a folder that outlives the run, not of one in the run folder: a relative
    /// path starts in the current folder. It may be new where the script may write.
    pub fn lasting(&self, path: &Path) -> Result<PathBuf> {
        check_text(path)?;
        let real = real_or_new(path)?;
        if !(real.exists() && self.may_read(&real)) {
            self.check_write(&real)?;
        }
        regular(path, &real)?;
        Ok(real)
    }

    /// Refuses what lies outside of all that may be written to.
    pub fn check_write(&self, real: &Path) -> Result<()> {
        ensure!(
            self.may_write(real),
            "{}: the script may not write here; {}",
            real.display(),
            self.advice("allow-write", real)
        );
        Ok(())
    }

    fn may_read(&self, real: &Path) -> bool {
        let read = self.read.borrow();
        read.iter().any(|folder| real.starts_with(folder)) || self.may_write(real)
    }

    fn may_write(&self, real: &Path) -> bool {
        let (run, write) = (self.run.borrow(), self.write.borrow());
        write
            .iter()
            .chain(run.iter())
            .any(|folder| real.starts_with(folder))
    }
}

fn whole_and_parts(value: &str) -> impl Iterator<Item = &str> {
    let parts = value
        .split(',')
        .filter(move |part| *part != value && !part.is_empty());
    std::iter::once(value).chain(parts)
}

fn real(path: &Path) -> Result<PathBuf> {
    path.canonicalize().map_err(|error| Error::io(path, &error))
}

/// The real path of something that may not exist yet. Folders on the way that do not exist
/// are kept by name, so they must not contain `..`; a link that leads nowhere is refused,
/// because writing to it would create what it points to.
fn real_or_new(path: &Path) -> Result<PathBuf> {
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

/// Devices, sockets and the kernel's own file systems are no data.
fn regular(shown: &Path, real: &Path) -> Result<()> {
    let special = ["/dev", "/proc", "/sys"]
        .iter()
        .any(|root| real.starts_with(root));
    let kind = std::fs::metadata(real).map(|meta| meta.is_file() || meta.is_dir());
    ensure!(
        !special && kind.unwrap_or(true),
        "{}: this must be an ordinary file or folder",
        shown.display()
    );
    Ok(())
}

fn check_text(path: &Path) -> Result<()> {
    ensure!(!path.as_os_str().is_empty(), "a path must not be empty");
    ensure!(
        !path.as_os_str().as_encoded_bytes().contains(&0),
        "a path must not contain NUL"
    );
    Ok(())
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

/// The local time as `20250314-159265`.
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
        *permissions.run.borrow_mut() = Some(root.join("run"));
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
            permissions
                .readable(Path::new(path))
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
        assert!(permissions.readable(&absolute).is_err());
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
        let refused = permissions.readable(&key).unwrap_err().to_string();
        let command = format!("`:allow-read {}` allows it", key.display());
        assert!(refused.contains(&command), "{refused}");
        permissions.allow_read(&key).unwrap();
        assert_eq!(permissions.readable(&key).unwrap(), key);
        assert!(permissions.writable(&key).is_err());
        permissions.allow_write(&root.join("secret")).unwrap();
        assert_eq!(permissions.writable(&key).unwrap(), key);
        assert!(permissions.allow_read(&root.join("nowhere")).is_err());
    }

    #[test]
    fn flags_and_parameters_open_more() {
        let flag = world(|root, settings| settings.allow_read.push(root.join("secret")));
        assert!(
            flag.permissions
                .readable(&flag.root.join("secret/key"))
                .is_ok()
        );
        let set = world(|root, settings| {
            let path = root.join("secret").to_string_lossy().into_owned();
            settings.set.push(("data".into(), path));
        });
        assert!(
            set.permissions
                .readable(&set.root.join("secret/key"))
                .is_ok()
        );
    }

    #[test]
    fn a_script_writes_into_its_run_folder_and_nowhere_else() {
        let World {
            root, permissions, ..
        } = &world(|_, _| {});
        let write = |path: &str| {
            permissions
                .writable(Path::new(path))
                .map_err(|e| e.to_string())
        };
        assert_eq!(write("new/a.txt").unwrap(), root.join("run/new/a.txt"));
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
            permissions.readable(Path::new("a.txt")).is_ok(),
            "what it wrote it can read"
        );
    }

    #[test]
    fn a_lasting_folder_may_be_new_where_the_script_may_write() {
        let World {
            root, permissions, ..
        } = &world(|root, settings| settings.allow_write.push(root.join("kept")));
        let lasting = |path: &str| permissions.lasting(&root.join(path));
        assert_eq!(lasting("kept").unwrap(), root.join("kept"));
        assert_eq!(lasting("kept/new").unwrap(), root.join("kept/new"));
        // What may be read only is there already.
        let data = lasting("home/data").unwrap();
        for path in ["secret", "home/new", "home/../secret"] {
            let error = lasting(path).unwrap_err().to_string();
            assert!(error.contains("start it with --allow-write"), "{error}");
        }
        assert!(permissions.check_write(&data).is_err());
        assert!(permissions.check_write(&root.join("kept/new")).is_ok());
    }

    #[test]
    fn devices_are_no_data() {
        let World { permissions, .. } = &world(|_, settings| settings.allow_read.push("/".into()));
        for path in ["/dev/zero", "/proc/self/environ", "/sys/kernel"] {
            let error = permissions
                .readable(Path::new(path))
                .unwrap_err()
                .to_string();
            assert!(error.contains("ordinary file"), "{error}");
        }
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
