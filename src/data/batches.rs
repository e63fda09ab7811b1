//! Batches of images, decoded and augmented by worker threads ahead of use.
//!
//! Every random choice is derived from the seed, the epoch and the index of the image, and
//! batches are delivered in order, so the pixels do not depend on the number of threads.

use super::image::Image;
use super::split::Split;
use crate::profile::{self, Work};
use crate::{Error, Result, interrupt, seed};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchOptions {
    /// Images in a batch; the last one may have fewer.
    pub batch_size: usize,
    /// Whether the order is drawn anew in each epoch.
    pub shuffle: bool,
    /// Whether images are cut and flipped at random, as for training.
    pub augment: bool,
    /// Whether a last batch with fewer images is left out.
    pub drop_last: bool,
    /// Which pass over the data this is; it changes the random choices.
    pub epoch: u64,
    /// So many batches at the beginning are left out; they are not decoded.
    pub first: usize,
    pub seed: u64,
    /// Worker threads; 0 makes each batch when it is asked for. Left out: as many as there are
    /// cores, beyond 8 a quarter of them, and 0 where images are in memory and not augmented.
    pub threads: Option<usize>,
    /// How many batches are made ahead of use; left out: two more than there are threads.
    pub prefetch: Option<usize>,
}

impl Default for BatchOptions {
    fn default() -> Self {
        BatchOptions {
            batch_size: 64,
            shuffle: false,
            augment: false,
            drop_last: false,
            epoch: 0,
            first: 0,
            seed: 0,
            threads: None,
            prefetch: None,
        }
    }
}

const MAX_THREADS: usize = 256;

impl BatchOptions {
    fn check(&self) -> Result<()> {
        let BatchOptions {
            batch_size,
            threads,
            prefetch,
            ..
        } = *self;
        ensure!(
            batch_size > 0,
            "`batch_size` must be at least 1, got {batch_size}"
        );
        if let Some(threads) = threads {
            ensure!(
                threads <= MAX_THREADS,
                "`threads` must be at most {MAX_THREADS}, got {threads}"
            );
        }
        if let Some(prefetch) = prefetch {
            ensure!(
                prefetch > 0,
                "`prefetch` must be at least 1, got {prefetch}"
            );
        }
        Ok(())
    }

    /// How many worker threads load that many batches of `split`.
    pub fn threads_for(&self, split: &Split, batches: usize) -> usize {
        let threads = self.threads.unwrap_or_else(|| {
            if split.is_in_memory() && !self.augment {
                return 0;
            }
            let cores = thread::available_parallelism().map_or(1, usize::from);
            // Where models compute on these cores, few are enough; a GPU wants more of many.
            cores.min(8).max(cores / 4)
        });
        threads.min(batches)
    }
}

/// Some images and their labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// `[n, 3, height, width]`: of each image the planes R, G, B, 0 to 255.
    pub pixels: Vec<u8>,
    pub height: usize,
    pub width: usize,
    /// The class of each image.
    pub labels: Vec<i64>,
    /// All correct classes of each image, its label first; `None` where the data set gives
    /// each image one.
    pub correct: Option<Vec<Vec<i64>>>,
    /// Which images of the split these are.
    pub indices: Vec<usize>,
    /// Their places in the whole data set, whatever part of it the split is.
    pub examples: Vec<usize>,
    /// The place of the batch in its epoch, from 0.
    pub number: usize,
}

/// The batches of one epoch, in order. Dropping it ends its workers. After an error there is
/// nothing more.
pub struct Batches {
    plan: Arc<Plan>,
    desk: Arc<Desk>,
    workers: Vec<JoinHandle<()>>,
    next: usize,
}

impl Batches {
    pub(super) fn start(split: Split, options: BatchOptions) -> Result<Batches> {
        options.check()?;
        let plan = Arc::new(Plan::new(split, options));
        let threads = plan.options.threads_for(&plan.split, plan.len());
        let prefetch = plan.options.prefetch.unwrap_or(threads + 2);
        let first = plan.options.first.min(plan.len());
        let desk = Arc::new(Desk::new(prefetch, first));
        let mut batches = Batches {
            plan,
            desk,
            workers: Vec::with_capacity(threads),
            next: first,
        };
        for _ in 0..threads {
            let (plan, desk) = (batches.plan.clone(), batches.desk.clone());
            let worker = thread::Builder::new().name("loader".to_owned());
            let worker = worker.spawn(move || work(&plan, &desk)).map_err(|error| {
                Error::invalid(format!("a loader thread cannot be started: {error}"))
            })?;
            batches.workers.push(worker);
        }
        Ok(batches)
    }

    /// Ends the workers and the iteration.
    fn finish(&mut self) {
        self.next = self.plan.len();
        self.desk.close();
        for worker in self.workers.drain(..) {
            // A worker's panics are caught where they are; there is nothing else to learn.
            let _ = worker.join();
        }
    }
}

impl Iterator for Batches {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        if self.next == self.plan.len() {
            return None;
        }
        let batch = interrupt::check().and_then(|()| match self.workers.is_empty() {
            true => self.plan.make(self.next, &|| false),
            false => {
                let _span = profile::span(Work::Wait);
                self.desk.take(self.next)
            }
        });
        self.next += 1;
        if batch.is_err() {
            self.finish();
        }
        Some(batch)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.plan.len() - self.next;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Batches {}

impl Drop for Batches {
    fn drop(&mut self) {
        self.finish();
    }
}

/// What there is to do: everything about an epoch that is known before it.
struct Plan {
    split: Split,
    options: BatchOptions,
    /// The images in the order of their batches.
    order: Vec<usize>,
}

impl Plan {
    fn new(split: Split, options: BatchOptions) -> Plan {
        let mut order: Vec<usize> = (0..split.len()).collect();
        if options.shuffle {
            let mut random = seed::generator(options.seed, "shuffle", &[options.epoch]);
            order.shuffle(&mut random);
        }
        if options.drop_last {
            order.truncate(order.len() / options.batch_size * options.batch_size);
        }
        Plan {
            split,
            options,
            order,
        }
    }

    /// The number of batches.
    fn len(&self) -> usize {
        self.order.len().div_ceil(self.options.batch_size)
    }

    /// Batch `number`; given up as interrupted as soon as `stopped` says so.
    fn make(&self, number: usize, stopped: &dyn Fn() -> bool) -> Result<Batch> {
        let _span = profile::span(Work::Load);
        let split = &self.split;
        let start = number * self.options.batch_size;
        let end = self.order.len().min(start + self.options.batch_size);
        let indices = &self.order[start..end];

        let image_bytes = 3 * split.height() * split.width();
        let mut pixels = Vec::with_capacity(indices.len() * image_bytes);
        for &index in indices {
            interrupt::check()?;
            if stopped() {
                return Err(Error::Interrupted);
            }
            let image = self.image(index)?;
            // Image by image, while they are in the processor's cache.
            let start = pixels.len();
            pixels.resize(start + image_bytes, 0);
            image.write_planes(&mut pixels[start..]);
        }
        let each = indices.iter();
        Ok(Batch {
            pixels,
            height: split.height(),
            width: split.width(),
            labels: each
                .clone()
                .map(|&i| split.label(i))
                .collect::<Result<_>>()?,
            correct: match split.has_several_correct() {
                true => Some(each.map(|&i| split.correct(i)).collect::<Result<_>>()?),
                false => None,
            },
            indices: indices.to_vec(),
            examples: indices
                .iter()
                .map(|&i| split.example(i))
                .collect::<Result<_>>()?,
            number,
        })
    }

    fn image(&self, index: usize) -> Result<Image> {
        let load = || match self.options.augment {
            true => self
                .split
                .augmented(index, self.options.seed, self.options.epoch),
            false => self.split.image(index),
        };
        // A bug in a decoder must neither leave the training loop waiting for ever nor end a
        // session; and the file that shows it is worth knowing.
        panic::catch_unwind(AssertUnwindSafe(load)).unwrap_or_else(|panic| {
            let what = self.split.describe(index)?;
            let panic = words_of(panic.as_ref());
            Err(Error::invalid(format!(
                "{what}: reading it failed inside the program ({panic})"
            )))
        })
    }
}

fn words_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

/// A worker's life: takes the number of the next batch, makes it, puts it on the desk.
fn work(plan: &Plan, desk: &Desk) {
    while let Some(number) = desk.next_job(plan.len()) {
        let batch = plan.make(number, &|| desk.is_closed());
        desk.put(number, batch.map_err(Failure::from));
    }
}

/// An error on its way between threads: one of ours may hold a callback's, which stays on the
/// thread of the script.
enum Failure {
    Interrupted,
    Text(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        match error {
            Error::Interrupted => Failure::Interrupted,
            other => Failure::Text(other.to_string()),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        match failure {
            Failure::Interrupted => Error::Interrupted,
            Failure::Text(message) => Error::Invalid(message),
        }
    }
}

/// Where workers and the consumer meet.
struct Desk {
    /// How many batches may be under way or wait for the consumer.
    room: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    started: usize,
    taken: usize,
    made: BTreeMap<usize, Result<Batch, Failure>>,
    closed: bool,
}

impl Desk {
    /// How often the waiting consumer looks for Ctrl-C.
    const GLANCE: Duration = Duration::from_millis(50);

    /// For batches from number `first` on.
    fn new(room: usize, first: usize) -> Desk {
        let state = State {
            started: first,
            taken: first,
            ..State::default()
        };
        Desk {
            room,
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in this file panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the next batch to make, as soon as there is room for it.
    fn next_job(&self, batches: usize) -> Option<usize> {
        let no_room = |it: &mut State| {
            !it.closed && it.started < batches && it.started >= it.taken + self.room
        };
        let waited = self.changed.wait_while(self.lock(), no_room);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        if state.closed || state.started == batches {
            return None;
        }
        state.started += 1;
        Some(state.started - 1)
    }

    fn put(&self, number: usize, batch: Result<Batch, Failure>) {
        self.lock().made.insert(number, batch);
        self.changed.notify_all();
    }

    /// Batch `number`, waited for.
    fn take(&self, number: usize) -> Result<Batch> {
        let mut state = self.lock();
        loop {
            if let Some(batch) = state.made.remove(&number) {
                state.taken += 1;
                self.changed.notify_all();
                return batch.map_err(Error::from);
            }
            interrupt::check()?;
            let waited = self.changed.wait_timeout(state, Self::GLANCE);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn is_closed(&self) -> bool {
        self.lock().closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::Numbers;
    use std::collections::HashSet;

    fn options() -> BatchOptions {
        BatchOptions {
            batch_size: 8,
            ..BatchOptions::default()
        }
    }

    fn all(split: &Split, options: &BatchOptions) -> Vec<Batch> {
        let batches = split.batches(options.clone()).unwrap();
        let length = batches.len();
        let batches: Vec<Batch> = batches.collect::<Result<_>>().unwrap();
        assert_eq!(batches.len(), length);
        batches
    }

    #[test]
    fn batches_come_in_order_with_their_images() {
        let split = Numbers::split((0..20).collect());
        let batches = all(&split, &options());
        let sizes: Vec<usize> = batches.iter().map(|it| it.labels.len()).collect();
        assert_eq!(sizes, [8, 8, 4]);
        for (number, batch) in batches.iter().enumerate() {
            assert_eq!(batch.number, number);
            assert_eq!((batch.height, batch.width), (5, 6));
            assert_eq!(batch.pixels.len(), batch.labels.len() * 90);
            for (i, image) in batch.pixels.chunks(90).enumerate() {
                let index = 8 * number + i;
                assert_eq!(batch.indices[i], index);
                assert_eq!(batch.labels[i], index as i64);
                assert!(image[..30].iter().all(|&red| red == index as u8));
                assert_eq!(image[60..63], [0, 1, 2]);
            }
        }
        let whole = BatchOptions {
            drop_last: true,
            ..options()
        };
        assert_eq!(all(&split, &whole).len(), 2);
        assert!(all(&Numbers::split(vec![]), &options()).is_empty());
    }

    #[test]
    fn an_epoch_shows_every_image_once_in_an_order_of_its_own() {
        let split = Numbers::split((0..100).collect());
        let order = |epoch, seed| -> Vec<usize> {
            let options = BatchOptions {
                shuffle: true,
                epoch,
                seed,
                ..options()
            };
            let batches = all(&split, &options);
            batches.into_iter().flat_map(|it| it.indices).collect()
        };
        let mut seen = HashSet::new();
        for (epoch, seed) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            let order = order(epoch, seed);
            assert!(!order.is_sorted());
            assert_eq!(order.iter().collect::<HashSet<_>>().len(), 100);
            assert!(seen.insert(order));
        }
        assert!(seen.contains(&order(1, 0)));
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let split = Numbers::split((0..300).collect());
        for augment in [false, true] {
            let with = |threads, prefetch| {
                let options = BatchOptions {
                    shuffle: true,
                    augment,
                    threads,
                    prefetch,
                    ..options()
                };
                all(&split, &options)
            };
            let inline = with(Some(0), None);
            for threads in [1, 2, 4, 9] {
                assert_eq!(with(Some(threads), None), inline, "{threads} threads");
            }
            assert_eq!(with(Some(4), Some(1)), inline);
            assert_eq!(with(None, None), inline);
        }
    }

    #[test]
    fn dropping_early_ends_the_workers() {
        let split = Numbers::split((0..1000).collect());
        let options = BatchOptions {
            threads: Some(3),
            ..options()
        };
        let mut batches = split.batches(options).unwrap();
        batches.next().unwrap().unwrap();
        let desk = Arc::downgrade(&batches.desk);
        drop(batches);
        assert!(desk.upgrade().is_none(), "a worker still holds the desk");
    }

    #[test]
    fn workers_stay_within_their_room() {
        let split = Numbers::split((0..1000).collect());
        let options = BatchOptions {
            threads: Some(3),
            prefetch: Some(2),
            ..options()
        };
        let mut batches = split.batches(options).unwrap();
        for taken in 1..20 {
            batches.next().unwrap().unwrap();
            thread::sleep(Duration::from_millis(2));
            assert!(batches.desk.lock().started <= taken + 2);
        }
    }

    #[test]
    fn an_image_that_cannot_be_read_is_named() {
        let broken = |broken: Vec<usize>, panics: Vec<usize>| {
            Numbers {
                labels: (0..40).collect(),
                broken,
                panics,
            }
            .into_split()
        };
        let cases = [
            (broken(vec![17], vec![]), "number 17: broken"),
            (
                broken(vec![], vec![17]),
                "number 17: reading it failed inside the program (a bug)",
            ),
        ];
        for (split, expected) in cases {
            for threads in [0, 3] {
                let options = BatchOptions {
                    threads: Some(threads),
                    ..options()
                };
                let mut batches = split.batches(options).unwrap();
                assert!(batches.next().unwrap().is_ok());
                assert!(batches.next().unwrap().is_ok());
                let error = batches.next().unwrap().unwrap_err();
                assert_eq!(error.to_string(), expected);
                assert!(batches.next().is_none());
            }
        }
    }

    #[test]
    fn options_out_of_range_are_refused() {
        let split = Numbers::split(vec![0]);
        let refuse = |options: BatchOptions| split.batches(options).err().unwrap().to_string();
        let error = refuse(BatchOptions {
            batch_size: 0,
            ..options()
        });
        assert_eq!(error, "`batch_size` must be at least 1, got 0");
        let error = refuse(BatchOptions {
            threads: Some(1000),
            ..options()
        });
        assert_eq!(error, "`threads` must be at most 256, got 1000");
        let error = refuse(BatchOptions {
            prefetch: Some(0),
            ..options()
        });
        assert_eq!(error, "`prefetch` must be at least 1, got 0");
    }
}
