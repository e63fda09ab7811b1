//! What belongs to one run of a script: its settings, permissions, parameters, sources.
//!
//! The engine carries the host in its default tag, so every native function reaches it with
//! `Host::of(&context)`, from closures called by native code too. There is no global state.

use super::declared::Outline;
use super::estimate::Probing;
use super::params::Params;
use super::permissions::Permissions;
use super::sources::{Place, Source, Sources};
use crate::estimate::Probe;
use crate::files::{Access, File, Folder, LARGEST_TEXT, LastingFolder, Right, Target, resolved};
use crate::ledger::{About, Ledger};
use crate::limits::{Limits, Reached, Watch};
use crate::report::Screen;
use crate::run::loops::{Entry, Loops, Policy};
use crate::run::{self, Manifest, PATIENCE, Pace, Record, Recorded};
use crate::torch::{self, Device};
use crate::{Error, Result, info, interrupt, memory, notice};
use rhai::{Dynamic, Engine, Map, NativeCallContext, Position};
use std::cell::{Cell, RefCell, RefMut};
use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What the command line says about a run.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The script's path; none in a session that began without one.
    pub script: Option<PathBuf>,
    /// Whether somebody sits before it who can be asked to allow more.
    pub interactive: bool,
    /// `--set key=value`, in their order.
    pub set: Vec<(String, String)>,
    /// What the script may read where it is a path: what a person gave it. By default all that is
    /// in the values of `set`.
    pub opens: Option<Vec<String>>,
    pub seed: Option<u64>,
    pub device: Option<String>,
    pub threads: Option<usize>,
    /// What GPUs may do.
    pub cuda: Vec<torch::cuda::Mode>,
    pub out: Option<PathBuf>,
    /// The folder of a run that did not finish, to go on with.
    pub resume: Option<PathBuf>,
    /// What brings this run about again; by default how the program was called.
    pub command_line: Option<Vec<String>>,
    pub allow_read: Vec<PathBuf>,
    pub allow_write: Vec<PathBuf>,
    pub limits: Limits,
    pub checkpoints: Policy,
    /// Whether to tell where the time went.
    pub profile: bool,
}

/// The host of one run; clones share it.
#[derive(Clone)]
pub struct Host(Rc<State>);

/// Takes each line that a script prints.
type Printer = Box<dyn Fn(&str)>;

struct State {
    settings: Settings,
    permissions: Permissions,
    params: RefCell<Option<Params>>,
    seed: Cell<u64>,
    sources: RefCell<Sources>,
    printer: RefCell<Printer>,
    /// Where progress is shown; nowhere unless the host begins a record.
    screen: RefCell<Screen>,
    /// What is kept of the run; examples and interactive sessions keep nothing.
    record: RefCell<Option<Record>>,
    /// Of how many files it was listed that they were read.
    inputs_listed: Cell<(usize, Pace)>,
    /// The loops that a resumed run goes on with.
    loops: RefCell<Loops>,
    /// What is learnt where the script is only probed.
    probing: RefCell<Option<Probing>>,
    /// The names that a session knows before its next input.
    known: RefCell<Outline>,
    /// What the user was warned of.
    warnings: RefCell<HashSet<String>>,
    /// The steps that the script has taken since the watch over it began.
    operations: Cell<u64>,
    /// Whose record is to be closed if the program has to end.
    recording_in: Arc<Mutex<Option<PathBuf>>>,
}

impl Host {
    pub fn new(settings: Settings) -> Result<Self> {
        let permissions = Permissions::new(&settings)?;
        let host = Host(Rc::new(State {
            permissions,
            params: RefCell::default(),
            seed: Cell::new(settings.seed.unwrap_or(0)),
            sources: RefCell::default(),
            inputs_listed: Cell::default(),
            printer: RefCell::new(Box::new(to_stdout)),
            screen: RefCell::new(Screen::silent()),
            record: RefCell::default(),
            loops: RefCell::default(),
            probing: RefCell::default(),
            known: RefCell::default(),
            warnings: RefCell::default(),
            operations: Cell::default(),
            recording_in: Arc::default(),
            settings,
        }));
        let state = Rc::downgrade(&host.0);
        notice::listen(move |text| {
            if let Some(state) = state.upgrade() {
                // A record that cannot be written fails where results are.
                let _ = Host(state).warn(text, Position::NONE);
            }
        });
        Ok(host)
    }

    /// The host of the engine that calls a native function.
    pub fn of(context: &NativeCallContext) -> Self {
        Self::of_engine(context.engine())
    }

    /// The host of an engine made by `script::engine`.
    pub fn of_engine(engine: &Engine) -> Self {
        engine
            .default_tag()
            .clone()
            .try_cast::<Host>()
            .expect("script::engine sets the tag of every engine")
    }

    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The seed of the run: `--seed`, or what the script's `seed(n)` said last; 0 without either.
    pub fn seed(&self) -> u64 {
        self.0.seed.get()
    }

    /// Sets the seed of the run, and libtorch's generators to it.
    pub fn set_seed(&self, seed: u64) {
        self.0.seed.set(seed);
        self.loops().seeded();
        torch::manual_seed(seed);
        if let Some(record) = self.0.record.borrow_mut().as_mut() {
            record.set_seed(seed);
        }
    }

    /// What `--device` says; `auto` without it.
    pub fn device(&self) -> &str {
        self.0.settings.device.as_deref().unwrap_or("auto")
    }

    /// The device that a script names: `auto` is what `--device` says, else the best here.
    pub fn find_device(&self, name: &str) -> Result<Device> {
        match name {
            "auto" => self.device().parse(),
            name => name.parse(),
        }
    }

    /// The script's parameters with their values, once it has declared them.
    pub fn params(&self) -> Option<Params> {
        self.0.params.borrow().clone()
    }

    /// Goes back to the parameters of before.
    pub fn restore_params(&self, params: Option<Params>) {
        *self.0.params.borrow_mut() = params;
    }

    /// The same as data; empty before they are declared.
    pub(super) fn parameters(&self) -> serde_json::Map<String, serde_json::Value> {
        let params = self.params();
        params.map_or_else(serde_json::Map::new, |it| all_as_json(it.values))
    }

    pub(super) fn set_params(&self, params: Params) -> Result<()> {
        let mut slot = self.0.params.borrow_mut();
        ensure!(
            slot.is_none() || self.0.settings.interactive,
            "`params` may be called once in a run, this is the second call"
        );
        let values = params.values.clone();
        *slot = Some(params);
        self.recording(|record| record.set_parameters(all_as_json(values)))
    }

    /// Opens a file that the script may read.
    pub fn file(&self, path: impl AsRef<Path>) -> Result<File> {
        let path = path.as_ref();
        if let Some(probing) = &*self.0.probing.borrow()
            && let Some(place) = self.moved(probing, path)
        {
            return File::open(&place);
        }
        self.0.permissions.file(path)
    }

    /// Where the probe wrote what a run would have written to `path`.
    fn moved(&self, probing: &Probing, path: &Path) -> Option<PathBuf> {
        let target = self.0.permissions.target(path).ok()?;
        probing.moved(target.real())
    }

    /// Opens a folder that the script may read.
    pub fn folder(&self, path: impl AsRef<Path>) -> Result<Folder> {
        self.0.permissions.folder(path.as_ref())
    }

    /// What was read and written so far.
    pub fn accesses(&self) -> Vec<Access> {
        self.0.permissions.accesses()
    }

    /// What a person allowed when asked.
    pub fn granted(&self) -> Vec<(Right, PathBuf)> {
        self.0.permissions.granted()
    }

    /// Opens a file or folder for reading, because the user says so.
    pub fn allow_read(&self, path: &Path) -> Result<()> {
        self.0.permissions.allow_read(path)
    }

    /// Opens a file or folder, which may be new, for writing, because the user says so.
    pub fn allow_write(&self, path: &Path) -> Result<()> {
        self.0.permissions.allow_write(path)
    }

    /// Where the script may create or replace a file. A relative path lies in the run folder.
    pub fn target(&self, path: impl AsRef<Path>) -> Result<Target> {
        let target = self.0.permissions.target(path.as_ref())?;
        self.recording(|record| record.check_free(target.real()))?;
        match (&*self.0.probing.borrow(), self.run_folder()) {
            (Some(probing), Some(run)) => match probing.place_for(target.real(), &run)? {
                Some(moved) => self.0.permissions.target(&moved),
                None => Ok(target),
            },
            _ => Ok(target),
        }
    }

    /// A folder, perhaps a new one, that outlives the run, if the script may read or write it. A
    /// relative path lies in the current folder.
    pub fn lasting(&self, path: impl AsRef<Path>) -> Result<LastingFolder> {
        let folder = self.0.permissions.lasting(path.as_ref())?;
        self.recording(|record| record.check_free(folder.real()))?;
        Ok(folder)
    }

    /// The folder that the run writes into, if it has one yet.
    pub fn run_folder(&self) -> Option<PathBuf> {
        self.0.permissions.run_folder()
    }

    /// Makes the run folder: `--out`, or a new folder beneath `runs`.
    pub fn create_run_folder(&self) -> Result<PathBuf> {
        self.0.permissions.create_run_folder(&self.0.settings)
    }

    /// Begins the record of this run in its folder, and to show progress.
    pub fn begin_record(&self) -> Result<()> {
        let folder = self.create_run_folder()?;
        let settings = self.settings();
        let called = || std::env::args().collect();
        let manifest = Manifest {
            sources: self.sources().iter().map(|it| copied(it)).collect(),
            command_line: settings.command_line.clone().unwrap_or_else(called),
            opens: settings.opens.clone(),
            directory: std::env::current_dir()
                .ok()
                .map(|it| it.display().to_string()),
            parameters: serde_json::Map::new(),
            seed: self.seed(),
            device: self.device().parse::<Device>()?.to_string(),
            threads: settings.threads.unwrap_or_else(torch::num_threads),
            versions: info::versions(),
        };
        let record = match settings.resume {
            Some(_) => Record::resume(&folder, manifest)?,
            None => Record::create(&folder, manifest)?,
        };
        let warnings = record.inputs_that_changed();
        *self.0.record.borrow_mut() = Some(record);
        for warning in warnings {
            self.warn(&warning, Position::NONE)?;
        }
        self.0.permissions.keep_contents();
        *held(&self.0.recording_in) = Some(folder);
        if self.probe().is_none() {
            self.show_progress();
            self.loops().keep(self.settings().checkpoints);
        }
        Ok(())
    }

    /// Whether this run keeps a record.
    pub fn has_record(&self) -> bool {
        self.0.record.borrow().is_some()
    }

    /// Closes the record of this run. A run that did not finish and has no results leaves no
    /// folder behind beneath `runs`; one that `--out` names stays.
    pub fn end_record(&self, ending: run::Ending) -> Result<()> {
        let Some(mut record) = self.0.record.borrow_mut().take() else {
            return Ok(());
        };
        let finished = ending == run::Ending::Finished;
        *held(&self.0.recording_in) = None;
        // What was computed counts, whatever becomes of the list of files.
        record.set_outputs(self.outputs(record.folder()));
        match record.set_inputs(self.inputs(record.folder(), finished)) {
            Ok(Some(warning)) => self.print(&format!("warning: {warning}")),
            Err(error) if finished => {
                record.warn(format!("the files that were read are not listed: {error}"))?
            }
            _ => {}
        }
        record.end(ending)?;
        let named = self.settings().out.is_some() || self.settings().resume.is_some();
        if finished || named || record.has_results()? {
            return Ok(());
        }
        let folder = record.folder();
        std::fs::remove_dir_all(folder).map_err(|error| Error::io(folder, &error))
    }

    /// Lists what was read so far, now and then while that becomes more: a run that is killed does
    /// not do it at its end.
    pub(super) fn keep_inputs(&self) -> Result<()> {
        let known = self.0.permissions.contents_known();
        let (listed, pace) = self.0.inputs_listed.get();
        if listed == known || !pace.is_due(PATIENCE) {
            return Ok(());
        }
        let began = Instant::now();
        self.recording(|record| {
            let inputs = self.inputs(record.folder(), false);
            record.set_inputs(inputs).map(drop)
        })?;
        self.0.inputs_listed.set((known, Pace::since(began)));
        Ok(())
    }

    /// What this run, whose folder is given, read besides its scripts.
    fn inputs(&self, folder: &Path, in_full: bool) -> run::Inputs {
        let permissions = &self.0.permissions;
        let (accesses, contents) = (permissions.accesses(), permissions.contents(in_full));
        let mut own = BTreeSet::from([resolved(folder)]);
        own.extend(self.sources().iter().filter_map(|it| it.path.clone()));
        run::Inputs::of(&accesses, &contents, &own)
    }

    /// What it wrote.
    fn outputs(&self, folder: &Path) -> Vec<run::Output> {
        let (accesses, folder) = (self.0.permissions.accesses(), resolved(folder));
        let written = accesses.iter().filter(|it| it.right == Right::Write);
        let outputs = written.filter_map(|it| run::Output::of(&it.real, &folder));
        outputs.collect()
    }

    /// The ledger for a model under a condition; in memory where no record is kept.
    pub fn ledger(&self, about: About) -> Result<Ledger> {
        let mut record = self.0.record.borrow_mut();
        let Some(record) = record.as_mut() else {
            return Ledger::new(about, None);
        };
        let opened = record.ledger(about)?;
        if let Some(remark) = &opened.remark {
            self.print(remark);
        }
        Ok(opened.ledger)
    }

    /// Does something with the run's record; nothing where none is kept.
    pub fn recording(&self, f: impl FnOnce(&mut Record) -> Result<()>) -> Result<()> {
        match self.0.record.borrow_mut().as_mut() {
            Some(record) => f(record),
            None => Ok(()),
        }
    }

    /// Watches over the limits while what is returned lives.
    pub fn watch(&self) -> Watch {
        let limits = self.settings().limits;
        self.0.operations.set(0);
        torch::bound_memory(memory::set_limit(limits.memory_or_usual()));
        let recording_in = self.0.recording_in.clone();
        Watch::begin(limits, self.settings().interactive, move |reached| {
            let message = format!("{reached} (a native call did not stop)");
            eprintln!("error: {message}");
            if let Some(folder) = &*held(&recording_in)
                && let Err(error) = Recorded::close(folder, &message)
            {
                eprintln!("error: {error}");
            }
        })
    }

    /// Counts a step of the script, which may be the last that it may take.
    pub(super) fn count_operation(&self) {
        let count = self.0.operations.get() + 1;
        self.0.operations.set(count);
        if let Some(limit) = self.settings().limits.operations
            && count == limit.saturating_add(1)
        {
            interrupt::stop_at(Reached::Operations(limit).to_string());
        }
    }

    /// From now on loops over batches end after the first few, and nothing is written out of the
    /// run folder.
    pub(super) fn begin_probing(&self, probing: Probing) {
        *self.0.probing.borrow_mut() = Some(probing);
    }

    /// What learns of loops and tables, where the script is only probed.
    pub fn probe(&self) -> Option<Probe> {
        let probing = self.0.probing.borrow();
        probing.as_ref().map(|it| it.probe.clone())
    }

    /// Shows progress, in a session that keeps no record.
    pub fn show_progress(&self) {
        *self.0.screen.borrow_mut() = Screen::stderr();
    }

    /// The loops that a resumed run goes on with.
    pub fn loops(&self) -> RefMut<'_, Loops> {
        self.0.loops.borrow_mut()
    }

    /// Adds to the run's record, and to what the loops under way will have added.
    pub fn log(&self, entry: Entry) -> Result<()> {
        self.loops().note(&entry, None);
        self.recording(|record| record.enter(entry))
    }

    /// What error reports may take as declared before the text at hand.
    pub fn set_known_before(&self, names: Outline) {
        *self.0.known.borrow_mut() = names;
    }

    pub(super) fn known_before(&self) -> Outline {
        self.0.known.borrow().clone()
    }

    /// Where progress is shown.
    pub fn screen(&self) -> Screen {
        self.0.screen.borrow().clone()
    }

    /// Writes a line where `print` does.
    pub fn print(&self, text: &str) {
        self.screen().aside(|| (self.0.printer.borrow())(text));
    }

    /// Tells of something that is likely not meant, once: on standard error and in the record.
    pub fn warn(&self, warning: &str, position: Position) -> Result<()> {
        if !self.0.warnings.borrow_mut().insert(warning.to_owned()) {
            return Ok(());
        }
        let place = self.place(position);
        let at = place.map_or_else(String::new, |place| {
            format!("{}:{}: ", place.source.name, place.line)
        });
        let warning = format!("{at}{warning}");
        self.screen().aside(|| eprintln!("warning: {warning}"));
        self.recording(|record| record.warn(warning))
    }

    /// Replaces where `print` writes to: a test's buffer, a terminal with a progress bar.
    pub fn set_printer(&self, printer: impl Fn(&str) + 'static) {
        *self.0.printer.borrow_mut() = Box::new(printer);
    }

    /// The script and everything it imported so far, in the order of loading.
    pub fn sources(&self) -> Vec<Rc<Source>> {
        self.0.sources.borrow().files().to_vec()
    }

    /// The file, line and column of a position.
    pub fn place(&self, position: Position) -> Option<Place> {
        self.0.sources.borrow().place(position)
    }

    pub(super) fn add_source(
        &self,
        name: &str,
        path: Option<PathBuf>,
        text: String,
    ) -> Result<(Rc<Source>, String)> {
        let added = self.0.sources.borrow_mut().add(name, path, text)?;
        self.recording(|record| record.add_source(copied(&added.0)))?;
        Ok(added)
    }
}

fn held<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A script file for the record; library modules are kept beneath `std`.
fn copied(source: &Source) -> run::Source {
    let library = || PathBuf::from(format!("{}.rhai", source.name));
    run::Source {
        path: source.path.clone().unwrap_or_else(library),
        text: source.text.clone(),
    }
}

/// Values of parameters as data.
fn all_as_json(values: Map) -> serde_json::Map<String, serde_json::Value> {
    let named = |(name, value): (rhai::Identifier, _)| (name.to_string(), as_json(value));
    values.into_iter().map(named).collect()
}

/// A value as data; what is no data is kept as its text.
pub(super) fn as_json(value: Dynamic) -> serde_json::Value {
    let text = value.to_string();
    rhai::serde::from_dynamic(&value).unwrap_or_else(|_| text.into())
}

/// A closed pipe (`rhobust run x.rhai | head`) is no reason to stop a run.
fn to_stdout(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Reads a script, which must be text.
pub fn read_script(file: &File) -> Result<String> {
    file.text(LARGEST_TEXT)
}
