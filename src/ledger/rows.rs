use super::about::About;
use super::file;
use crate::files::{File, write_whole};
use crate::memory;
use crate::metrics::Evaluation;
use crate::{Error, Result};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What a model made of one example.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The place of the image in the whole data set, whatever part of it is evaluated.
    pub example: i64,
    pub label: i64,
    /// The class of the largest logit, the first of several.
    pub prediction: i64,
    /// Whether the prediction is one of the image's correct classes; `None` for an image
    /// without any, and where the data has one label for each image only.
    pub real: Option<bool>,
    /// Cross entropy of the class logits at the label, in nats.
    pub loss: f64,
    /// The label's logit less the largest other.
    pub margin: f64,
    /// The largest of the classes' probabilities.
    pub confidence: f64,
    /// How many other classes have a logit at least as large as the label's.
    pub rank: i64,
    /// The norms of the perturbation, in pixels of [0, 1], where there is one.
    pub linf: Option<f64>,
    pub l2: Option<f64>,
    /// Whether an attack led to another class than the label; `None` without an attack.
    pub success: Option<bool>,
}

/// The rows of one model under one condition, and their file if they have one.
///
/// The file is written again now and then while rows come in, and when the ledger is dropped;
/// it is complete at any moment.
pub struct Ledger {
    about: About,
    rows: Vec<Row>,
    counts: Evaluation,
    seen: HashSet<i64>,
    file: Option<PathBuf>,
    /// Whether another ledger took its place, which must not be overwritten.
    superseded: Arc<AtomicBool>,
    behind: bool,
    written: Instant,
    took: Duration,
}

/// Rows wait at least this long before the file is written again.
const PATIENCE: Duration = Duration::from_secs(5);
/// Writing takes at most this part of the time.
const SHARE: u32 = 50;

impl Ledger {
    /// A ledger without rows, kept at `file` if there is one.
    ///
    /// # Errors
    /// `Invalid` for no classes.
    pub fn new(about: About, file: Option<PathBuf>) -> Result<Self> {
        Ok(Ledger {
            counts: Evaluation::new(about.class_names.len())?,
            about,
            rows: Vec::new(),
            seen: HashSet::new(),
            file,
            superseded: Arc::default(),
            behind: true,
            written: Instant::now(),
            took: Duration::ZERO,
        })
    }

    /// The ledger that `file` holds. Reading changes nothing on disk.
    ///
    /// # Errors
    /// `Invalid` with the path for a file that is missing, no ledger, or damaged.
    pub fn read(file: &File) -> Result<Self> {
        let bytes = file.read(memory::most_of_a_file())?;
        let read = || {
            let (about, rows) = file::decode(bytes)?;
            let mut ledger = Ledger::new(about, None)?;
            ledger.add(rows)?;
            ledger.behind = false;
            Ok(ledger)
        };
        read().map_err(|error: Error| error.context(file.shown().display()))
    }

    /// From now on what is added goes to `file`, too.
    pub fn keep_at(&mut self, file: PathBuf) {
        self.file = Some(file);
    }

    /// Set, it keeps this ledger from writing: another one has taken its place.
    pub fn superseded(&self) -> Arc<AtomicBool> {
        self.superseded.clone()
    }

    pub fn about(&self) -> &About {
        &self.about
    }

    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn is_complete(&self) -> bool {
        self.rows.len() == self.about.images
    }

    pub fn has(&self, example: usize) -> bool {
        self.seen.contains(&(example as i64))
    }

    /// The counts by class that all tables are made from.
    pub fn evaluation(&self) -> &Evaluation {
        &self.counts
    }

    /// The share of wrong predictions among the examples that are `chosen`.
    pub fn error_among(&self, chosen: impl Fn(usize) -> bool) -> Option<f64> {
        let rows = self.rows.iter().filter(|row| chosen(row.example as usize));
        let wrong: Vec<bool> = rows.map(|row| row.prediction != row.label).collect();
        let errors = wrong.iter().filter(|it| **it).count();
        (!wrong.is_empty()).then(|| errors as f64 / wrong.len() as f64)
    }

    /// Adds rows; the file follows after a while.
    ///
    /// # Errors
    /// `Invalid` for an example that is there already, more rows than images, or a class out of
    /// range; nothing is added then.
    pub fn add(&mut self, rows: Vec<Row>) -> Result<()> {
        let (all, most) = (self.rows.len() + rows.len(), self.about.images);
        ensure!(
            all <= most,
            "the ledger is of {most} images, got rows of {all}"
        );
        let mut new = HashSet::with_capacity(rows.len());
        for row in &rows {
            ensure!(
                !self.seen.contains(&row.example) && new.insert(row.example),
                "example {} is in the ledger already",
                row.example
            );
        }
        let predictions: Vec<i64> = rows.iter().map(|row| row.prediction).collect();
        let labels: Vec<i64> = rows.iter().map(|row| row.label).collect();
        let verdicts: Vec<Option<bool>> = rows.iter().map(|row| row.real).collect();
        let verdicts = self.about.real.then_some(verdicts.as_slice());
        self.counts.add_judged(&predictions, &labels, verdicts)?;
        self.seen.extend(new);
        self.rows.extend(rows);
        self.behind = true;
        let due = self.written.elapsed() >= PATIENCE.max(self.took * SHARE);
        if due { self.write() } else { Ok(()) }
    }

    /// Writes the file, if there is one and it lacks something.
    pub fn write(&mut self) -> Result<()> {
        let superseded = self.superseded.load(Ordering::Relaxed);
        let Some(file) = self.file.as_ref().filter(|_| self.behind && !superseded) else {
            return Ok(());
        };
        let began = Instant::now();
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, &error))?;
        }
        write_whole(file, &file::encode(&self.about, &self.rows)?)?;
        self.behind = false;
        self.written = Instant::now();
        self.took = began.elapsed();
        Ok(())
    }
}

/// What was evaluated until an error or Ctrl-C is kept.
impl Drop for Ledger {
    fn drop(&mut self) {
        if !self.rows.is_empty() {
            // There is nobody left to tell.
            let _ = self.write();
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::ledger::Kind;

    pub(in crate::ledger) fn about(images: usize) -> About {
        About {
            model: "Adv+".into(),
            condition: "PGD-40".into(),
            kind: Kind::Attack,
            attack: Some(serde_json::json!({ "attack": "pgd", "eps": 0.1 })),
            eps: Some(0.1),
            corruption: None,
            severity: None,
            class_names: vec!["cat".into(), "dog".into()],
            images,
            real: true,
            seed: 3,
            dtype: "float32".into(),
            weights: "w".into(),
            data_set: "s".into(),
            data: "d".into(),
        }
    }

    pub(in crate::ledger) fn row(example: i64) -> Row {
        Row {
            example,
            label: example % 2,
            prediction: 0,
            real: [None, Some(true), Some(false)][example as usize % 3],
            loss: 0.1 * example as f64,
            margin: -1.0 / 3.0,
            confidence: 1.0,
            rank: example % 2,
            linf: (example > 2).then_some(0.03),
            l2: None,
            success: Some(example % 2 == 1),
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger/m/c.parquet");
        let mut ledger = Ledger::new(about(10), Some(path.clone())).unwrap();
        ledger.add((0..7).map(row).collect()).unwrap();
        let counts = ledger.evaluation().clone();
        assert_eq!(counts.top1().errors_by_class(), [0, 3]);
        assert_eq!(counts.real().unwrap().images(), 4);
        // As an error in a script does.
        drop(ledger);

        let read = || Ledger::read(&File::open(&path).unwrap());
        let mut earlier = read().unwrap();
        assert_eq!(earlier.about(), &about(10));
        assert_eq!(earlier.rows(), (0..7).map(row).collect::<Vec<_>>());
        assert_eq!(earlier.evaluation(), &counts);
        earlier.keep_at(path.clone());
        let mut ledger = earlier;
        assert!(ledger.has(6) && !ledger.has(7) && !ledger.is_complete());
        ledger.add(vec![row(9), row(7), row(8)]).unwrap();
        ledger.write().unwrap();
        assert!(ledger.is_complete() && read().unwrap().is_complete());
    }

    #[test]
    fn rows_that_do_not_belong_are_refused() {
        let mut ledger = Ledger::new(about(3), None).unwrap();
        ledger.add(vec![row(0)]).unwrap();
        let mut refused = |rows: Vec<Row>| ledger.add(rows).unwrap_err().to_string();
        assert_eq!(
            refused(vec![row(1), row(0)]),
            "example 0 is in the ledger already"
        );
        assert_eq!(
            refused((1..5).map(row).collect()),
            "the ledger is of 3 images, got rows of 5"
        );
        let odd = Row { label: 2, ..row(1) };
        assert!(refused(vec![odd]).contains("from 0 to 1, got 2"));
        ledger.add(vec![row(1)]).unwrap();
        assert_eq!(ledger.len(), 2);
    }

    #[test]
    fn damage_is_noticed_wherever_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.parquet");
        let mut ledger = Ledger::new(about(40), Some(path.clone())).unwrap();
        ledger.add((0..40).map(row).collect()).unwrap();
        ledger.write().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let read = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            Ledger::read(&File::open(&path).unwrap())
        };
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << (at % 8);
            let error = read(&bytes).err().map(|it| it.to_string());
            assert!(
                error.is_some_and(|it| it.contains("c.parquet: this is no")),
                "byte {at}"
            );
        }
        for length in (0..bytes.len()).step_by(97) {
            assert!(read(&bytes[..length]).is_err(), "cut to {length}");
        }
    }

    #[test]
    fn two_descriptions_differ_by_name() {
        let other = About {
            weights: "v".into(),
            seed: 4,
            ..about(3)
        };
        assert_eq!(about(3).differences(&other), ["seed", "weights"]);
    }
}
