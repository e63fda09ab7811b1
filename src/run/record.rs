//! The folder that a run leaves behind.

use super::checkpoints::{self, Checkpoints, Found};
use super::class_table::ClassTable;
use super::clock::utc;
use super::earlier::Earlier;
use super::guards::{
    check_unchanged, claim, clear_unbegun, refuse_links, refuse_used, remove_leftovers,
};
use super::inputs::{self, Input, Inputs, Output};
use super::ledgers::{Ledgers, Opened};
use super::loops::{Checkpoint, Due, Entry};
use super::machine::Machine;
use super::manifest::{self, Manifest, Recorded, Status};
use super::measurements::{Measurement, Measurements};
use super::pace::{PATIENCE, Pace};
use super::sources::{Source, Sources};
use super::tensorboard::TensorBoard;
use crate::files::{Folder, Lock, write_whole};
use crate::ledger::{self, About};
use crate::metrics::Evaluation;
use crate::{Error, Result};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

const RECORD: &str = manifest::FILE;
pub(super) const METRICS: &str = "metrics.csv";
pub(super) const CLASSES: &str = "classes.csv";
const INPUTS: &str = inputs::FILE;
pub(super) const SCRIPT: &str = "script";
const TENSORBOARD: &str = "tensorboard";
const GALLERY: &str = "gallery";
/// What every record has, whatever the script does.
const ALWAYS: [&str; 4] = [RECORD, METRICS, CLASSES, SCRIPT];
/// What it may have besides.
const RESULTS: [&str; 6] = [
    TENSORBOARD,
    ledger::FOLDER,
    GALLERY,
    INPUTS,
    checkpoints::FOLDER,
    checkpoints::OTHERS,
];

/// A run's folder while the run goes on. Each file in it is complete at any moment, but those for
/// TensorBoard, which grow.
pub struct Record {
    folder: PathBuf,
    recorded: Recorded,
    sources: Sources,
    measurements: Kept<Measurements>,
    classes: Kept<ClassTable>,
    board: TensorBoard,
    ledgers: Ledgers,
    checkpoints: Checkpoints,
    started: Instant,
    /// The seconds that the runs took which this one resumes.
    before: f64,
    /// What the tables show of the run that this one resumes, until they show as much of this one.
    earlier: Option<Earlier>,
    /// The sources of the run that this one resumes, with their hashes.
    sources_then: BTreeMap<String, String>,
    /// What that run had read.
    inputs_then: Inputs,
    /// Keeps other runs out of the folder.
    _lock: Lock,
    /// That of the files with rows.
    written: Pace,
}

/// What a run ended with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    Finished,
    /// With the message that the user saw.
    Failed(String),
    Interrupted,
    /// As if it had been interrupted, with the message that the user saw.
    Limited(String),
}

/// Rows, and whether the file lacks some of them.
#[derive(Default)]
struct Kept<T> {
    rows: T,
    behind: bool,
}

impl Record {
    /// Begins the record of a run in `folder`, which must be new or empty, or left by one that was
    /// killed before it began.
    ///
    /// # Errors
    /// `Invalid` for a folder with something in it, above all another run's record, or one that
    /// cannot be written.
    pub fn create(folder: &Path, manifest: Manifest) -> Result<Self> {
        refuse_used(folder)?;
        fs::create_dir_all(folder).map_err(|error| Error::io(folder, &error))?;
        let lock = Lock::of(folder, "run")?;
        clear_unbegun(folder)?;
        claim(folder)?;
        Record::begin(folder, lock, manifest, None)
    }

    /// Goes on with the run in `folder`, which did not finish: its ledgers are filled up, all
    /// else is made anew.
    ///
    /// # Errors
    /// `Invalid` for a folder without a record, a run that finished or still goes on, and a
    /// script that is another now.
    pub fn resume(folder: &Path, manifest: Manifest) -> Result<Self> {
        let lock = Lock::of(folder, "run")?;
        let earlier = Recorded::read(folder)?;
        let shown = folder.display();
        ensure!(
            earlier.status != Status::Finished,
            "{shown}: this run finished; there is nothing to resume"
        );
        for (what, then) in &earlier.versions {
            let now = manifest.versions.get(what);
            ensure!(
                now == Some(then),
                "{shown}: this run was begun with {what} {then}, this is {}; its numbers would not \
                 go together: run the script anew",
                now.map_or("another", String::as_str)
            );
        }
        for source in &manifest.sources {
            check_unchanged(folder, &earlier.sources, source)?;
        }
        refuse_links(folder)?;
        remove_leftovers(folder)?;
        Record::begin(folder, lock, manifest, Some(earlier))
    }

    fn begin(
        folder: &Path,
        lock: Lock,
        manifest: Manifest,
        earlier: Option<Recorded>,
    ) -> Result<Self> {
        let script = manifest.sources.first().map(|source| source.path.clone());
        let hashes = manifest.sources.iter().map(Source::hashed).collect();
        let sources = Sources::create(folder.join(SCRIPT), manifest.sources)?;
        let mut recorded = Recorded {
            format: 1,
            status: Status::Running,
            error: None,
            script: script.map(|path| path.display().to_string()),
            script_copy: None,
            sources: hashes,
            directory: manifest.directory,
            command_line: manifest.command_line,
            opens: manifest.opens,
            parameters: manifest.parameters,
            seed: manifest.seed,
            device: manifest.device,
            threads: manifest.threads,
            versions: manifest.versions,
            machine: Machine::read(),
            notes: Map::new(),
            results: BTreeMap::new(),
            warnings: Vec::new(),
            changes: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            started: utc(SystemTime::now()),
            resumed: Vec::new(),
            ended: None,
            wall_seconds: None,
            timings: BTreeMap::new(),
        };
        let resumes = earlier.is_some();
        let mut before = 0.0;
        let mut sources_then = BTreeMap::new();
        let mut inputs_then = Inputs::default();
        let mut shown = None;
        if let Some(earlier) = earlier {
            shown = Some(Earlier::of(folder, &earlier));
            sources_then = earlier.sources;
            // A damaged list is only a shorter one.
            let files = Folder::open(folder).and_then(|it| Inputs::read(&it));
            inputs_then = Inputs {
                inputs: earlier.inputs,
                files: files.unwrap_or_default(),
            };
            recorded.outputs = earlier.outputs;
            let now = std::mem::replace(&mut recorded.started, earlier.started);
            recorded.resumed = earlier.resumed;
            recorded.resumed.push(now);
            recorded.notes = earlier.notes;
            recorded.warnings = earlier.warnings;
            recorded.changes = earlier.changes;
            if earlier.status != Status::Running {
                recorded.results = earlier.results;
            }
            recorded.timings = earlier.timings;
            before = earlier.wall_seconds.unwrap_or(0.0);
        }
        let mut record = Record {
            folder: folder.to_owned(),
            recorded,
            sources,
            measurements: Kept::default(),
            classes: Kept::default(),
            board: TensorBoard::new(folder.join(TENSORBOARD)),
            ledgers: Ledgers::new(folder, resumes),
            checkpoints: Checkpoints::new(folder, resumes),
            started: Instant::now(),
            before,
            earlier: shown,
            sources_then,
            inputs_then,
            written: Pace::default(),
            _lock: lock,
        };
        record.measurements.behind = true;
        record.classes.behind = true;
        record.flush()?;
        Ok(record)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What `record.json` says once it is written.
    pub fn recorded(&self) -> &Recorded {
        &self.recorded
    }

    /// `Invalid` for a path that belongs to the record itself: a script's own files, such as a
    /// model's weights, must not take its place.
    pub fn check_free(&self, path: &Path) -> Result<()> {
        let Ok(inside) = path.strip_prefix(&self.folder) else {
            return Ok(());
        };
        let first = inside.components().next();
        let mut own = ALWAYS.iter().chain(&RESULTS);
        ensure!(
            !own.any(|name| first == Path::new(name).components().next()),
            "`{}` is a name that the run record uses itself; choose another",
            inside.display()
        );
        Ok(())
    }

    /// What the script's parameters are, once it has declared them.
    pub fn set_parameters(&mut self, parameters: Map<String, Value>) -> Result<()> {
        if self
            .earlier
            .as_ref()
            .is_some_and(|it| it.parameters != parameters)
        {
            self.end_earlier()?;
        }
        self.recorded.parameters = parameters;
        self.write_record()
    }

    /// What the run's seed is, once the script says so. It is written with whatever comes next.
    pub fn set_seed(&mut self, seed: u64) {
        self.recorded.seed = seed;
    }

    /// Copies a file that the script imports while it runs.
    ///
    /// # Errors
    /// `Invalid` for a file that the run which this one resumes had with another text.
    pub fn add_source(&mut self, source: Source) -> Result<()> {
        check_unchanged(&self.folder, &self.sources_then, &source)?;
        self.recorded.sources.extend([source.hashed()]);
        self.sources.add(source)
    }

    /// Adds a row to `metrics.csv` and to the model's TensorBoard events, which are written at the
    /// end of each epoch and now and then in between.
    pub fn log(&mut self, measurement: Measurement) -> Result<()> {
        let epoch_ends = measurement.kind == "epoch";
        self.measurements.rows.add(measurement.clone())?;
        self.board.add(&measurement);
        self.measurements.behind = true;
        let patience = if epoch_ends { Duration::ZERO } else { PATIENCE };
        match self.written.is_due(patience) {
            true => self.flush(),
            false => Ok(()),
        }
    }

    /// Adds what a loop logged.
    pub fn enter(&mut self, entry: Entry) -> Result<()> {
        match entry {
            Entry::Row(row) => self.log(row),
            Entry::Classes {
                model,
                condition,
                evaluation,
                names,
            } => self.log_classes(&model, &condition, &evaluation, &names),
        }
    }

    /// Puts an evaluation's class-wise errors into `classes.csv`, in the place of an earlier
    /// one of the same model and condition.
    pub fn log_classes(
        &mut self,
        model: &str,
        condition: &str,
        evaluation: &Evaluation,
        names: &[String],
    ) -> Result<()> {
        self.classes.rows.add(model, condition, evaluation, names)?;
        self.classes.behind = true;
        self.flush()
    }

    /// The ledger for a model under a condition, which a resumed run may have begun before.
    pub fn ledger(&mut self, about: About) -> Result<Opened> {
        self.ledgers.open(about)
    }

    /// The last whole checkpoint of a loop that the run which this one resumes left, if it `fits`;
    /// else that says why not.
    pub fn checkpoint(
        &mut self,
        key: &str,
        fits: &dyn Fn(&Checkpoint) -> std::result::Result<(), String>,
    ) -> Result<Found> {
        self.checkpoints.latest(key, fits)
    }

    /// Writes a checkpoint of a loop; the last ones stay, `keep` in all.
    pub fn keep_checkpoint(&mut self, key: &str, due: &Due, keep: usize) -> Result<()> {
        self.checkpoints.write(key, &due.position, &due.bytes, keep)
    }

    /// The last checkpoint of a loop.
    pub fn last_checkpoint(&self, key: &str) -> Option<PathBuf> {
        self.checkpoints.last(key)
    }

    /// The folder for the pictures of a model under a condition.
    pub fn gallery(&self, model: &str, condition: &str) -> PathBuf {
        let ledger = ledger::path_in(&self.folder, model, condition).with_extension("");
        let inside = ledger.strip_prefix(self.folder.join(ledger::FOLDER));
        self.folder.join(GALLERY).join(inside.unwrap_or(&ledger))
    }

    /// Notes a convention, a threat model or the like under `key`; the last value stays.
    pub fn note(&mut self, key: &str, value: Value) -> Result<()> {
        self.recorded.notes.insert(key.to_owned(), value);
        self.write_record()
    }

    /// Keeps that a loop goes on with other values than it began with.
    pub fn changed(&mut self, change: String) -> Result<()> {
        self.recorded.changes.push(change);
        self.write_record()
    }

    /// Keeps what the user was warned of.
    pub fn warn(&mut self, warning: String) -> Result<()> {
        if !self.recorded.warnings.contains(&warning) {
            self.recorded.warnings.push(warning);
        }
        self.write_record()
    }

    /// What the run read so far. Returns a warning, which is kept, where that was something else
    /// before a stop.
    pub fn set_inputs(&mut self, inputs: Inputs) -> Result<Option<String>> {
        let warning = inputs.changed_since(&self.inputs_then);
        if let Some(warning) = &warning {
            self.warn(warning.clone())?;
        }
        let inputs = inputs.after(self.inputs_then.clone());
        if !inputs.files.is_empty() {
            write_whole(&self.folder.join(INPUTS), &inputs.encode()?)?;
        }
        self.recorded.inputs = inputs.inputs;
        self.write_record()?;
        Ok(warning)
    }

    /// Warnings of files that the run which this one resumes had read, and that are gone or have
    /// another size: what they hold now shows when they are read.
    pub fn inputs_that_changed(&self) -> Vec<String> {
        let of = |input: &Input| {
            let lines = self.inputs_then.files.iter();
            let lines = lines.filter(|it| it.input == input.path);
            let (others, all, first) = inputs::other_files(lines, &input.real)?;
            Some(format!(
                "{others} of {all} files of {} that this run had read are gone or have another \
                 size, first {}",
                input.path,
                first.display()
            ))
        };
        self.inputs_then.inputs.iter().filter_map(of).collect()
    }

    /// What the run wrote. It is written with whatever comes next.
    pub fn set_outputs(&mut self, mut outputs: Vec<Output>) {
        let known = |it: &Output| outputs.iter().any(|now| now.path == it.path);
        let mut before = std::mem::take(&mut self.recorded.outputs);
        before.retain(|it| !known(it));
        outputs.splice(0..0, before);
        self.recorded.outputs = outputs;
    }

    /// Adds to the time that the part `name` took. It is written with whatever comes next.
    pub fn add_time(&mut self, name: &str, took: Duration) {
        *self.recorded.timings.entry(name.to_owned()).or_default() += took.as_secs_f64();
    }

    /// Writes all that is known so far.
    pub fn flush(&mut self) -> Result<()> {
        let began = Instant::now();
        self.write_tables()?;
        self.write_record()?;
        self.written = Pace::since(began);
        Ok(())
    }

    /// Whether there is anything in the folder that the script brought about: rows, or files
    /// besides the record's own.
    pub fn has_results(&self) -> Result<bool> {
        if !self.measurements.rows.is_empty() || !self.classes.rows.is_empty() {
            return Ok(true);
        }
        let failed = |error| Error::io(&self.folder, &error);
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            if !ALWAYS.iter().chain([&INPUTS]).any(|own| name == *own) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Closes the record. Only the first ending counts.
    pub fn end(&mut self, ending: Ending) -> Result<()> {
        if self.recorded.status != Status::Running {
            return Ok(());
        }
        (self.recorded.status, self.recorded.error) = match ending {
            Ending::Finished => {
                if self.earlier.is_some() {
                    self.end_earlier()?;
                }
                (Status::Finished, None)
            }
            Ending::Failed(message) => (Status::Failed, Some(message)),
            Ending::Interrupted => (Status::Interrupted, None),
            Ending::Limited(message) => (Status::Interrupted, Some(message)),
        };
        self.recorded.ended = Some(utc(SystemTime::now()));
        self.flush()
    }

    fn write_tables(&mut self) -> Result<()> {
        let rows = [self.measurements.rows.len(), self.classes.rows.len()];
        match &self.earlier {
            Some(earlier) if earlier.shows_more(rows) => return Ok(()),
            Some(_) => self.end_earlier()?,
            None => {}
        }
        if self.measurements.behind {
            let bytes = self.measurements.rows.encode()?;
            self.write_result(METRICS, &bytes)?;
            self.measurements.behind = false;
        }
        if self.classes.behind {
            let bytes = self.classes.rows.encode()?;
            self.write_result(CLASSES, &bytes)?;
            self.classes.behind = false;
        }
        self.board.flush()
    }

    /// Whole, and with a hash in `record.json`.
    fn write_result(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        write_whole(&self.folder.join(name), bytes)?;
        let hash = blake3::hash(bytes).to_hex().to_string();
        self.recorded.results.insert(name.to_owned(), hash);
        Ok(())
    }

    /// From now on the tables are those of this run alone.
    fn end_earlier(&mut self) -> Result<()> {
        self.earlier = None;
        let board = self.folder.join(TENSORBOARD);
        match fs::remove_dir_all(&board) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io(&board, &error)),
            _ => Ok(()),
        }
    }

    fn write_record(&mut self) -> Result<()> {
        self.recorded.wall_seconds = Some(self.before + self.started.elapsed().as_secs_f64());
        let copy = self.sources.main();
        self.recorded.script_copy = copy.map(|path| {
            let inside = path.strip_prefix(&self.folder).unwrap_or(&path);
            inside.display().to_string()
        });
        self.recorded.write(&self.folder)
    }
}

/// A run that nobody ended did not end well; what it measured is kept.
impl Drop for Record {
    fn drop(&mut self) {
        let unknown = Ending::Failed("the run ended without saying how".to_owned());
        // There is nobody left to tell.
        let _ = self.end(unknown);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let source = Source {
            path: "/home/me/scripts/adv.rhai".into(),
            text: "let x = 1;\n".into(),
        };
        let versions = [("rhobust", "0.1.0"), ("libtorch", "2.11.0")];
        Manifest {
            directory: None,
            opens: None,
            sources: vec![source],
            command_line: vec!["rhobust".into(), "run".into(), "scripts/adv.rhai".into()],
            parameters: Map::from_iter([("eps".into(), 0.03.into()), ("data".into(), "s".into())]),
            seed: u64::MAX,
            device: "cpu".into(),
            threads: 2,
            versions: versions.map(|(k, v)| (k.into(), v.into())).into(),
        }
    }

    fn step(step: i64) -> Measurement {
        Measurement {
            kind: "step".into(),
            model: "adv".into(),
            epoch: Some(1),
            step: Some(step),
            values: vec![("loss".into(), 1.0 / step as f64)],
        }
    }

    fn read(folder: &Path) -> Recorded {
        serde_json::from_str(&text(folder, RECORD)).unwrap()
    }

    fn text(folder: &Path, name: &str) -> String {
        fs::read_to_string(folder.join(name)).unwrap()
    }

    #[test]
    fn a_folder_whose_run_did_not_begin_is_free() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(RECORD), "").unwrap();
        fs::write(folder.path().join(".record.json.5.tmp"), "half").unwrap();
        Record::create(folder.path(), manifest()).unwrap();
        assert!(Record::create(folder.path(), manifest()).is_err());
        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join(RECORD), "").unwrap();
        fs::write(other.path().join("notes.txt"), "mine").unwrap();
        assert!(Record::create(other.path(), manifest()).is_err());
    }

    #[test]
    fn a_whole_run() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("runs/first");
        let mut record = Record::create(&folder, manifest()).unwrap();
        assert_eq!(read(&folder).status, Status::Running);
        assert_eq!(text(&folder, "script/adv.rhai"), "let x = 1;\n");

        for n in 1..=3 {
            record.log(step(n)).unwrap();
        }
        record
            .note("eps", serde_json::json!({ "pixels": 0.03 }))
            .unwrap();
        record.add_time("attack", Duration::from_secs(2));
        record.add_time("attack", Duration::from_secs(1));
        let mut clean = Evaluation::new(2).unwrap();
        clean.add(&[0, 1], &[0, 0], None).unwrap();
        let names = ["a".to_owned(), "b".to_owned()];
        record.log_classes("adv", "clean", &clean, &names).unwrap();
        record.end(Ending::Finished).unwrap();

        let recorded = read(&folder);
        assert_eq!(recorded, record.recorded);
        assert_eq!(recorded.status, Status::Finished);
        assert_eq!(
            recorded.script.as_deref(),
            Some("/home/me/scripts/adv.rhai")
        );
        assert_eq!(recorded.script_copy.as_deref(), Some("script/adv.rhai"));
        assert_eq!(recorded.seed, u64::MAX);
        assert_eq!(recorded.notes["eps"]["pixels"], 0.03);
        assert_eq!(recorded.timings["attack"], 3.0);
        assert!(recorded.wall_seconds.is_some() && recorded.ended.is_some());
        assert_eq!(
            text(&folder, METRICS),
            "kind,model,epoch,step,loss\nstep,adv,1,1,1.0\nstep,adv,1,2,0.5\n\
             step,adv,1,3,0.3333333333333333\n"
        );
        let events: Vec<_> = fs::read_dir(folder.join("tensorboard/adv"))
            .unwrap()
            .collect();
        assert_eq!(events.len(), 1);
        assert_eq!(
            text(&folder, CLASSES),
            "model,condition,class,name,images,errors,error\n\
             adv,clean,0,a,2,1,0.5\nadv,clean,1,b,0,0,\n"
        );
    }

    #[test]
    fn the_rows_are_there_however_a_run_ends() {
        let parent = tempfile::tempdir().unwrap();
        let ended = |name: &str, ending: Option<Ending>| {
            let folder = parent.path().join(name);
            let mut record = Record::create(&folder, manifest()).unwrap();
            record.log(step(1)).unwrap();
            if let Some(ending) = ending {
                record.end(ending).unwrap();
            }
            drop(record);
            assert_eq!(text(&folder, METRICS).lines().count(), 2);
            read(&folder)
        };
        let failed = ended("failed", Some(Ending::Failed("line 3: no".into())));
        assert_eq!(failed.status, Status::Failed);
        assert_eq!(failed.error.as_deref(), Some("line 3: no"));
        let interrupted = ended("interrupted", Some(Ending::Interrupted));
        assert_eq!(interrupted.status, Status::Interrupted);
        let dropped = ended("dropped", None);
        assert_eq!(dropped.status, Status::Failed);
        assert!(dropped.error.is_some());
    }

    #[test]
    fn an_epoch_is_written_at_once_and_steps_wait() {
        let folder = tempfile::tempdir().unwrap();
        let mut record = Record::create(folder.path(), manifest()).unwrap();
        record.written = Pace::at(Instant::now());
        record.log(step(1)).unwrap();
        assert_eq!(text(folder.path(), METRICS).lines().count(), 1);
        let epoch = Measurement {
            kind: "epoch".into(),
            ..step(1)
        };
        record.log(epoch).unwrap();
        assert_eq!(text(folder.path(), METRICS).lines().count(), 3);
    }

    #[test]
    fn a_used_folder_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let first = parent.path().join("first");
        let again = || {
            Record::create(&first, manifest())
                .err()
                .unwrap()
                .to_string()
        };
        Record::create(&first, manifest())
            .unwrap()
            .end(Ending::Finished)
            .unwrap();
        let before = text(&first, RECORD);
        let message = again();
        assert!(
            message.contains(
                "first already holds the record of a run (/home/me/scripts/adv.rhai, started"
            ),
            "{message}"
        );
        assert!(
            message.contains("Z, finished); choose another folder"),
            "{message}"
        );
        assert_eq!(text(&first, RECORD), before);

        fs::write(first.join(RECORD), "{ damaged").unwrap();
        assert!(again().contains("first already holds a run's record; choose"));
        fs::remove_file(first.join(RECORD)).unwrap();
        assert!(again().contains("must be a new or an empty folder"));
        let file = parent.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(Record::create(&file, manifest()).is_err());
    }

    #[test]
    fn a_script_s_own_files_stay_off_the_record() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::create(folder.path(), manifest()).unwrap();
        assert!(!record.has_results().unwrap());
        fs::write(folder.path().join("model.safetensors"), "").unwrap();
        assert!(record.has_results().unwrap());
        for taken in [
            "record.json",
            "metrics.csv",
            "classes.csv",
            "script/x",
            "tensorboard",
        ] {
            let message = record.check_free(&folder.path().join(taken));
            let message = message.unwrap_err().to_string();
            assert!(message.contains("uses itself"), "{message}");
        }
        for free in ["model.safetensors", "a/record.json", "../record.json"] {
            record.check_free(&folder.path().join(free)).unwrap();
        }
    }
}
