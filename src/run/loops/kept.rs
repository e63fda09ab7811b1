//! An object whose values outlive a stop, and the loops that it is made for.

use super::about::About;
use super::file::{Description, Entry, Values, encode};
use super::position::{Course, Position};
use super::snapshot::Snapshot;
use super::value::Value;
use crate::interrupt::Deferral;
use crate::{Result, seed};
use std::cell::{Cell, RefCell};
use std::time::Instant;

/// A journal: what loops added to the record, and where they were.
pub(super) type Journal = Vec<(Position, Entry)>;

pub struct Kept {
    pub(super) name: String,
    /// Its folder beneath that of all checkpoints: one of a kind in a run.
    pub(super) key: String,
    /// What its draws are derived from, beside the seed.
    pub(super) purpose: String,
    /// What its checkpoints belong to; none where none are written.
    pub(super) about: Option<About>,
    pub(super) values: RefCell<Values>,
    pub(super) course: RefCell<Course>,
    /// What the steps of its loops are called, outermost first.
    pub(super) words: RefCell<Vec<String>>,
    /// The images that the step under way is of.
    images: RefCell<Vec<usize>>,
    /// Hashes of what the loops go over, by the loop.
    pub(super) data: RefCell<Vec<(Vec<u64>, String)>>,
    pub(super) journal: RefCell<Journal>,
    /// What a checkpoint had in its journal, for loops that are not begun again yet.
    pub(super) pending: RefCell<Journal>,
    pub(super) snapshot: RefCell<Option<Snapshot>>,
    pub(super) clock: RefCell<Clock>,
    pub(super) ends: Cell<bool>,
    /// Keeps a stop from coming into force within a step.
    pub(super) guard: RefCell<Option<Deferral>>,
}

/// What happened since the last checkpoint.
pub(super) struct Clock {
    pub since: Instant,
    pub steps: u64,
    pub written: Option<Position>,
}

impl Kept {
    pub(super) fn new(name: String, key: String, purpose: String, values: Values) -> Self {
        Kept {
            name,
            key,
            purpose,
            about: None,
            values: RefCell::new(values),
            course: RefCell::new(Course::to(None)),
            words: RefCell::default(),
            images: RefCell::default(),
            data: RefCell::default(),
            journal: RefCell::default(),
            pending: RefCell::default(),
            snapshot: RefCell::default(),
            clock: RefCell::new(Clock {
                since: Instant::now(),
                steps: 0,
                written: None,
            }),
            ends: Cell::new(false),
            guard: RefCell::default(),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn key(&self) -> &str {
        &self.key
    }

    /// The names of the values.
    pub fn names(&self) -> Vec<String> {
        let values = self.values.borrow();
        values.iter().map(|(name, _)| name.clone()).collect()
    }

    pub fn get(&self, name: &str) -> Option<Value> {
        let values = self.values.borrow();
        let found = values.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.clone())
    }

    pub fn set(&self, name: &str, value: Value) {
        let mut values = self.values.borrow_mut();
        match values.iter_mut().find(|(other, _)| other == name) {
            Some((_, own)) => *own = value,
            None => values.push((name.to_owned(), value)),
        }
    }

    /// Lets the innermost loop end after this step.
    pub fn finish(&self) {
        self.ends.set(true);
    }

    pub fn ends(&self) -> bool {
        self.ends.get()
    }

    /// All steps of the innermost loop are done, of `steps` that there were to be.
    pub fn complete(&self, steps: u64) {
        self.course.borrow_mut().finish(steps);
    }

    /// What its checkpoints belong to; none where none are written.
    pub fn about(&self) -> Option<&About> {
        self.about.as_ref()
    }

    /// Says what the innermost loop goes over, by a hash.
    ///
    /// # Errors
    /// `Invalid` where that was something else before a stop, or in an earlier step.
    pub fn goes_over(&self, what: String) -> Result<()> {
        let laps = self.course.borrow().laps();
        let mut data = self.data.borrow_mut();
        match data.iter().find(|(loops, _)| *loops == laps) {
            Some((_, before)) => ensure!(
                *before == what,
                "`{}`: the images are others than before: a file was lost, added or renamed, or \
                 the split is another one. Put the data back as it was; steps of an outer loop that \
                 go over different images need a resumable of their own each",
                self.name
            ),
            None => data.push((laps, what)),
        }
        Ok(())
    }

    /// Whether one of its loops is under way.
    pub fn is_under_way(&self) -> bool {
        self.course.borrow().depth() > 0
    }

    /// A seed for what follows here, by the run's seed: it depends on nothing that was drawn.
    pub fn seed(&self, seed: u64) -> u64 {
        let counters = self.course.borrow().position().counters();
        seed::derive(seed, &self.purpose, &counters)
    }

    /// A step was begun, on these images if they are known: a stop waits for its end.
    pub fn begin_step(&self, images: Vec<usize>) {
        *self.images.borrow_mut() = images;
        *self.guard.borrow_mut() = Deferral::begin();
    }

    /// Where it is, in words: "`Adv` was in epoch 3, batch 17 (images 5, 9)".
    pub(super) fn describe(&self) -> String {
        /// So many images are named.
        const SHOWN: usize = 256;
        let course = self.course.borrow();
        let words = self.words.borrow();
        let position = course.position();
        let places = position.steps().zip(words.iter());
        let places: Vec<String> = places
            .map(|(step, word)| format!("{word} {step}"))
            .collect();
        let images = self.images.borrow();
        let shown: Vec<String> = images.iter().take(SHOWN).map(usize::to_string).collect();
        let more = match images.len() {
            n if n > SHOWN => format!(" and {} more", n - SHOWN),
            _ => String::new(),
        };
        let images = match shown.is_empty() {
            true => String::new(),
            false => format!(" (images {}{more} of the data set)", shown.join(", ")),
        };
        format!(
            "`{}` was in {}{images}, counted from 0",
            self.name,
            places.join(", ")
        )
    }

    /// The bytes of a checkpoint at `position`, with the values of other objects beside its own.
    pub(super) fn encode(
        &self,
        position: &Position,
        others: &[(String, Values)],
    ) -> Result<Option<Vec<u8>>> {
        let Some(about) = &self.about else {
            return Ok(None);
        };
        let description = Description::new(
            about.clone(),
            position.clone(),
            self.journal.borrow().clone(),
            self.data.borrow().clone(),
        );
        encode(description, &self.values.borrow(), others).map(Some)
    }

    /// A checkpoint was written.
    pub fn written(&self, position: Position) {
        *self.clock.borrow_mut() = Clock {
            since: Instant::now(),
            steps: 0,
            written: Some(position),
        };
    }
}
