//! The one place that opens files for a script.

use super::folder::{Folder, Kind};
use super::lasting::LastingFolder;
use super::log::{Access, Content, Log, What};
use super::open::{File, not_ordinary, reading};
use super::real::{check_text, nearest, real, real_or_new};
use super::root::Root;
use super::write::Target;
use crate::{Error, Result, interrupt};
use cap_std::fs::Dir;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Right {
    Read,
    Write,
}

/// What a script wanted and may not do.
pub struct Refusal<'a> {
    pub right: Right,
    /// Why, without what to do about it.
    pub reason: &'a str,
    /// The path that would have to be allowed, as a person would write it.
    pub needed: &'a Path,
    /// Where it leads; none where nothing is there, of which the script is told nothing.
    pub real: Option<&'a Path>,
}

/// What becomes of a refusal: advice for the user, or nothing where a person allowed it.
type Ask = dyn Fn(&Refusal) -> Option<String> + Send + Sync;

/// What may be read and written; clones share it.
#[derive(Clone)]
pub struct Gate(Arc<State>);

struct State {
    read: Mutex<Vec<Arc<Root>>>,
    write: Mutex<Vec<Arc<Root>>>,
    log: Mutex<Log>,
    /// Whether it is kept what is in the files that are read.
    keeps_contents: AtomicBool,
    /// What was allowed by an answer.
    granted: Mutex<Vec<(Right, PathBuf)>>,
    ask: Box<Ask>,
}

impl Gate {
    /// Nothing may be read or written yet. `ask` is told of each refusal.
    pub fn new(ask: impl Fn(&Refusal) -> Option<String> + Send + Sync + 'static) -> Gate {
        Gate(Arc::new(State {
            read: Mutex::default(),
            write: Mutex::default(),
            log: Mutex::default(),
            keeps_contents: AtomicBool::new(false),
            granted: Mutex::default(),
            ask: Box::new(ask),
        }))
    }

    /// Everything may be read and written: for what the user, not a script, names.
    pub fn of_user() -> Result<Gate> {
        let gate = Gate::new(|_| Some("the system refuses it".into()));
        gate.allow(Right::Write, Path::new("/"))?;
        Ok(gate)
    }

    /// Allows a file or folder with all beneath it; one to be written may be new.
    ///
    /// # Errors
    /// `Invalid` with the path where there is nothing of that name.
    pub fn allow(&self, right: Right, path: &Path) -> Result<()> {
        match right {
            Right::Read => self.allow_real(right, real(path)?),
            Right::Write => self.allow_real(right, real_or_new(path)?),
        }
    }

    /// Allows reading what is at a path, or will be.
    ///
    /// # Errors
    /// `Invalid` for what can be no path, or where nobody may look.
    pub fn allow_expected(&self, path: &Path) -> Result<()> {
        let real = real_or_new(path)?;
        match self.may_read(&real) {
            Some(_) => Ok(()),
            None => self.allow_real(Right::Read, real),
        }
    }

    fn allow_real(&self, right: Right, real: PathBuf) -> Result<()> {
        let root = Root::open(real)?;
        held(self.roots(right)).push(Arc::new(root));
        Ok(())
    }

    /// What a person allowed when asked.
    pub fn granted(&self) -> Vec<(Right, PathBuf)> {
        held(&self.0.granted).clone()
    }

    /// What was opened so far, each file and folder once for reading and once for writing.
    pub fn accesses(&self) -> Vec<Access> {
        held(&self.0.log).accesses().to_vec()
    }

    /// From now on it is kept what is in the files that are read.
    pub fn keep_contents(&self) {
        self.0.keeps_contents.store(true, Ordering::Relaxed);
    }

    /// Of how many files it is known so far that they were read.
    pub fn contents_known(&self) -> usize {
        held(&self.0.log).contents().len()
    }

    /// What was in the files that were read since then, by their real paths. Those of which only
    /// parts were read are read now where `in_full`, unless a stop is asked for. Left out is what is
    /// gone by now, has another size or is larger than files that are read in full may be.
    pub fn contents(&self, in_full: bool) -> BTreeMap<PathBuf, Content> {
        /// In bytes.
        const LARGEST: u64 = 4 << 30;
        let known = held(&self.0.log).contents().clone();
        let mut contents = BTreeMap::new();
        for (real, (bytes, hash)) in known {
            let may = in_full && bytes <= LARGEST && !interrupt::requested();
            let hash = hash.or_else(|| may.then(|| self.hash_now(&real, bytes)).flatten());
            contents.extend(hash.map(|hash| (real, Content { bytes, hash })));
        }
        contents
    }

    fn hash_now(&self, real: &Path, bytes: u64) -> Option<blake3::Hash> {
        // It may have been found behind a link.
        let there = real.canonicalize().ok()?;
        let file = open_file(&*self.may_read(&there)?, &there, real, None).ok()?;
        match file.bytes() == bytes {
            true => file.hash().ok(),
            false => None,
        }
    }

    pub(super) fn opened(&self, real: &Path, bytes: u64) {
        if self.0.keeps_contents.load(Ordering::Relaxed) {
            held(&self.0.log).opened(real, bytes);
        }
    }

    /// All of a file was read.
    pub(super) fn read(&self, real: &Path, content: &[u8]) {
        if self.0.keeps_contents.load(Ordering::Relaxed) && held(&self.0.log).lacks(real) {
            let hash = blake3::hash(content);
            let bytes = content.len() as u64;
            held(&self.0.log).read(real, Content { bytes, hash });
        }
    }

    /// Opens the file `shown`, which is looked for at each of `places`.
    ///
    /// # Errors
    /// `Invalid` where there is none, it may not be read, or it is no ordinary file.
    pub fn file(&self, shown: &Path, places: &[PathBuf]) -> Result<File> {
        let (real, root) = self.find(shown, places)?;
        let file = open_file(&root, &real, shown, Some(self))?;
        let bytes = file.bytes();
        self.log(Right::Read, shown, &real, What::File { bytes });
        Ok(file)
    }

    /// Opens the folder `shown`, which is looked for at each of `places`.
    ///
    /// # Errors
    /// `Invalid` where there is none, or it may not be read.
    pub fn folder(&self, shown: &Path, places: &[PathBuf]) -> Result<Folder> {
        let (real, root) = self.find(shown, places)?;
        let handle = open_folder(&root, &real, shown)?;
        self.log(Right::Read, shown, &real, What::Folder);
        Folder::new(self.clone(), handle, real, shown.to_owned())
    }

    /// The first of `places` that is there and may be read.
    fn find(&self, shown: &Path, places: &[PathBuf]) -> Result<(PathBuf, Arc<Root>)> {
        check_text(shown)?;
        let found: Vec<_> = places.iter().filter_map(|it| real(it).ok()).collect();
        let allowed = |real: &PathBuf| Some((real.clone(), self.may_read(real)?));
        if let Some(found) = found.iter().find_map(allowed) {
            return Ok(found);
        }
        // Of what may not be read it is not told either whether it is there.
        let covered = |real: Result<PathBuf>| real.is_ok_and(|it| self.may_read(&it).is_some());
        let told = |place: &PathBuf| covered(nearest(place)) || covered(real_or_new(place));
        let shown_as = shown.display();
        let reason = match places.iter().filter(|it| told(it)).count() {
            all if all == places.len() => return Err(missing(shown, places)),
            0 => format!("{shown_as}: the script may not read this"),
            _ => format!("{shown_as}: there is no such file or folder that the script may read"),
        };
        match found.first() {
            Some(real) => Ok((real.clone(), self.ask(Right::Read, real, shown, &reason)?)),
            None => Err(self.refused(Right::Read, shown, &reason)),
        }
    }

    /// What a link in a folder leads to, at `path`; nothing where it leads nowhere.
    pub(super) fn linked_kind(&self, shown: &Path, path: &Path) -> Result<Option<Kind>> {
        match path.canonicalize() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(shown, &error)),
            Ok(real) => {
                let root = self.linked(shown, &real)?;
                match real.is_dir() {
                    true => open_folder(&root, &real, shown).map(|_| Some(Kind::Folder)),
                    false => open_file(&root, &real, shown, None).map(|_| Some(Kind::File)),
                }
            }
        }
    }

    /// Opens the file that a link in a folder leads to.
    pub(super) fn linked_file(&self, shown: &Path, path: &Path) -> Result<File> {
        let real = path
            .canonicalize()
            .map_err(|error| Error::io(shown, &error))?;
        let file = open_file(&*self.linked(shown, &real)?, &real, shown, Some(self))?;
        // What was read belongs to the folder with the link, wherever it lies.
        Ok(file.found_at(path))
    }

    /// Opens the folder that a link in a folder leads to.
    pub(super) fn linked_folder(&self, shown: &Path, path: &Path) -> Result<Dir> {
        let real = path
            .canonicalize()
            .map_err(|error| Error::io(shown, &error))?;
        open_folder(&*self.linked(shown, &real)?, &real, shown)
    }

    fn linked(&self, shown: &Path, real: &Path) -> Result<Arc<Root>> {
        if let Some(root) = self.may_read(real) {
            return Ok(root);
        }
        let needed = match real.is_dir() {
            true => real,
            false => real.parent().unwrap_or(real),
        };
        let (shown, leads) = (shown.display(), real.display());
        let reason = format!("{shown}: this leads to {leads}, which the script may not read");
        self.ask(Right::Read, needed, needed, &reason)
    }

    /// The place at `path` where a file may be created or replaced. `where_to` says where the
    /// script may write.
    ///
    /// # Errors
    /// `Invalid` where that is not so, or something else than a file is there.
    pub fn target(&self, shown: &Path, path: &Path, where_to: &str) -> Result<Target> {
        check_text(shown)?;
        let shown_as = shown.display();
        ensure!(
            shown.file_name().is_some(),
            "{shown_as}: a file needs a name"
        );
        let reason = format!("{shown_as}: the script may write only into {where_to}");
        let folder = shown.parent().filter(|it| !it.as_os_str().is_empty());
        let needed = folder.unwrap_or(Path::new("."));
        let Some(real) = self.real_to_write(shown, path)? else {
            return Err(self.refused(Right::Write, needed, &reason));
        };
        let root = match self.may_write(&real) {
            Some(root) => root,
            None => {
                let asked = real.parent().unwrap_or(&real);
                self.ask(Right::Write, asked, needed, &reason)?
            }
        };
        Target::new(self.clone(), root, real, shown.to_owned())
    }

    /// Where something would be written; none where that cannot be told and may not be.
    fn real_to_write(&self, shown: &Path, path: &Path) -> Result<Option<PathBuf>> {
        match real_or_new(path) {
            Ok(real) => Ok(Some(real)),
            Err(error) if nearest(path).is_ok_and(|it| self.may_write(&it).is_some()) => {
                Err(error.with_path_as(path, shown))
            }
            Err(_) => Ok(None),
        }
    }

    /// A folder, perhaps a new one, that may be read or written.
    ///
    /// # Errors
    /// `Invalid` where neither is so.
    pub fn lasting(&self, shown: &Path) -> Result<LastingFolder> {
        check_text(shown)?;
        let Some(real) = self.real_to_write(shown, shown)? else {
            return Err(self.refused(Right::Write, shown, &not_here(shown)));
        };
        if !real.exists() || self.may_read(&real).is_none() {
            self.to_write(shown, &real)?;
        }
        Ok(LastingFolder::new(self.clone(), real, shown.to_owned()))
    }

    /// What covers a folder that is to be written.
    pub(super) fn to_write(&self, shown: &Path, real: &Path) -> Result<Arc<Root>> {
        match self.may_write(real) {
            Some(root) => Ok(root),
            None => self.ask(Right::Write, real, shown, &not_here(shown)),
        }
    }

    /// Tells of a refusal. Where a person allows it, what covers `real` from now on.
    fn ask(&self, right: Right, real: &Path, needed: &Path, reason: &str) -> Result<Arc<Root>> {
        match self.advice(right, Some(real), needed, reason) {
            Some(advice) => bail!("{reason}; {advice}"),
            None => {
                let root = Arc::new(Root::open(real.to_owned())?);
                held(self.roots(right)).push(root.clone());
                held(&self.0.granted).push((right, real.to_owned()));
                Ok(root)
            }
        }
    }

    /// What a script is told where nobody is asked, because nothing is there: the same.
    fn refused(&self, right: Right, needed: &Path, reason: &str) -> Error {
        let advice = self.advice(right, None, needed, reason);
        Error::invalid(format!("{reason}; {}", advice.unwrap_or_default()))
    }

    fn advice(
        &self,
        right: Right,
        real: Option<&Path>,
        needed: &Path,
        reason: &str,
    ) -> Option<String> {
        (self.0.ask)(&Refusal {
            right,
            reason,
            needed,
            real,
        })
    }

    fn may_read(&self, real: &Path) -> Option<Arc<Root>> {
        covering(&self.0.read, real).or_else(|| self.may_write(real))
    }

    fn may_write(&self, real: &Path) -> Option<Arc<Root>> {
        covering(&self.0.write, real)
    }

    fn roots(&self, right: Right) -> &Mutex<Vec<Arc<Root>>> {
        match right {
            Right::Read => &self.0.read,
            Right::Write => &self.0.write,
        }
    }

    pub(super) fn log(&self, right: Right, shown: &Path, real: &Path, what: What) {
        held(&self.0.log).add(right, shown, real, what);
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("gate")
    }
}

fn covering(roots: &Mutex<Vec<Arc<Root>>>, real: &Path) -> Option<Arc<Root>> {
    held(roots).iter().find(|it| it.covers(real)).cloned()
}

/// A list whose last holder panicked is as good as before: all that happens to it is a push.
fn held<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

fn not_here(shown: &Path) -> String {
    format!("{}: the script may not write here", shown.display())
}

/// Why there is nothing at places of which a script may know everything.
fn missing(shown: &Path, places: &[PathBuf]) -> Error {
    let locked = |place: &PathBuf| {
        let error = place.canonicalize().err()?;
        (error.kind() == std::io::ErrorKind::PermissionDenied).then(|| Error::io(shown, &error))
    };
    let none = || Error::io(shown, &std::io::ErrorKind::NotFound.into());
    places.iter().find_map(locked).unwrap_or_else(none)
}

fn open_file(root: &Root, real: &Path, shown: &Path, gate: Option<&Gate>) -> Result<File> {
    let open = || {
        let (folder, name) = root.parent(real)?;
        // To open some devices is to do something with them.
        let kind = folder.symlink_metadata(name)?.file_type();
        match kind.is_file() || kind.is_dir() {
            true => folder.open_with(name, &reading(false)).map(Some),
            false => Ok(None),
        }
    };
    match open().map_err(|error: std::io::Error| Error::io(shown, &error))? {
        Some(file) => File::ordinary(file.into_std(), shown.to_owned(), real.to_owned(), gate),
        None => Err(not_ordinary(shown)),
    }
}

fn open_folder(root: &Root, real: &Path, shown: &Path) -> Result<Dir> {
    root.folder(real).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotADirectory => Error::invalid(format!(
            "{}: a folder is needed here, this is a file",
            shown.display()
        )),
        _ => Error::io(shown, &error),
    })
}
