//! Decoded images on disk: a crop of one costs a fraction of decoding it, and has the same pixels.
//!
//! A cache is a folder of segments, each complete in itself. Images that it lacks, and those
//! whose file has changed since, are decoded into a new segment; several programs may do so at
//! the same time. A stop keeps what was decoded so far.

mod segment;
#[cfg(test)]
mod tests;

use super::image::Image;
use super::part::{Part, Picture, Window};
use super::split::{Source, Split};
use super::{Dataset, MayRead, decode::read_image, folder};
use crate::{Error, Result, interrupt};
use segment::{ENDING, Entry, Key, NewSegment, Segment};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Where decoded images are kept, and what it takes to add some.
pub struct Cache<'a> {
    pub folder: &'a Path,
    /// Is asked about links in the folder.
    pub may_read: MayRead<'a>,
    /// Says why nothing may be written into the folder, if that is so.
    pub may_write: &'a dyn Fn() -> Result<()>,
    /// Is told how many of how many images have been decoded.
    pub progress: &'a mut dyn FnMut(usize, usize),
}

impl Dataset {
    /// The same data set with its images in a cache; those that it lacks are added first.
    ///
    /// # Errors
    /// `Invalid` for a data set that is not of image files, with the file that cannot be decoded
    /// or read, or where the cache cannot be written; `Interrupted`.
    pub fn cached(mut self, mut cache: Cache) -> Result<Dataset> {
        let root = PathBuf::from(&self.name);
        let [train, test] = cache.sources(&root, [&self.train, &self.test])?;
        self.train = self.train.through(train);
        self.test = self.test.through(test);
        Ok(self)
    }
}

/// Images that are in memory while a cache is filled.
const TOGETHER: usize = 128;

/// A segment is ended when it has this many bytes: what is lost by pulling the plug.
const SEGMENT: u64 = 4 << 30;

struct Cached {
    segment: Arc<Segment>,
    entry: Entry,
    /// Whether all of its pixels were compared with their check sum, as is done the first time.
    checked: AtomicBool,
}

/// A source of which some images, those that are used, come from a cache.
struct CachedSource {
    source: Arc<dyn Source>,
    images: Vec<Option<Arc<Cached>>>,
}

impl Cache<'_> {
    /// Sources of the images of `splits`, files beneath `root`.
    fn sources<const N: usize>(
        &mut self,
        root: &Path,
        splits: [&Split; N],
    ) -> Result<[Arc<dyn Source>; N]> {
        let mut wanted = Vec::new();
        for split in splits {
            let keys = split.positions().map(|position| {
                let file = split.source().file(position).ok_or_else(|| {
                    Error::invalid("`cache` is for image files, this data set has none")
                })?;
                Ok((position, Key::of(root, file)?))
            });
            wanted.push(keys.collect::<Result<Vec<_>>>()?);
        }
        let mut kept = self.read()?;
        let keys = wanted.iter().flatten().map(|(_, key)| key);
        let missing: Vec<&Key> = keys.filter(|&key| !kept.contains_key(key)).collect();
        if !missing.is_empty() {
            self.add(root, &missing)?;
            kept = self.read()?;
        }
        let mut wanted = wanted.into_iter();
        Ok(splits.map(|split| {
            let mut images = vec![None; split.source().len()];
            for (position, key) in wanted.next().into_iter().flatten() {
                images[position] = kept.get(&key).cloned();
            }
            let source = split.shared_source();
            Arc::new(CachedSource { source, images }) as Arc<dyn Source>
        }))
    }

    /// All images in the cache.
    fn read(&self) -> Result<HashMap<Key, Arc<Cached>>> {
        let mut images = HashMap::new();
        if !self.folder.exists() {
            return Ok(images);
        }
        ensure!(
            self.folder.is_dir(),
            "{}: a cache is a folder, this is a file",
            self.folder.display()
        );
        for (path, is_folder) in folder::entries(self.folder, self.may_read)? {
            interrupt::check()?;
            if is_folder || path.extension().is_none_or(|it| it != ENDING) {
                continue;
            }
            let (segment, entries) = Segment::open(&path)?;
            let segment = Arc::new(segment);
            for entry in entries {
                let key = entry.key.clone();
                let cached = Cached {
                    segment: segment.clone(),
                    entry,
                    checked: AtomicBool::new(false),
                };
                images.insert(key, Arc::new(cached));
            }
        }
        Ok(images)
    }

    /// Decodes the images of `missing` into new segments. What was decoded before an error or a
    /// stop is kept.
    fn add(&mut self, root: &Path, missing: &[&Key]) -> Result<()> {
        (self.may_write)()?;
        fs::create_dir_all(self.folder).map_err(|error| Error::io(self.folder, &error))?;
        let mut segment = NewSegment::create(self.folder)?;
        let added = self.add_to(&mut segment, root, missing);
        segment.finish().and(added)
    }

    fn add_to(&mut self, segment: &mut NewSegment, root: &Path, missing: &[&Key]) -> Result<()> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let mut done = 0;
        (self.progress)(done, missing.len());
        // Not all at once, which would not fit into memory.
        for keys in missing.chunks(TOGETHER) {
            interrupt::check()?;
            for (key, image) in keys.iter().zip(decoded(root, keys, threads)) {
                segment.add((*key).clone(), &image?)?;
            }
            done += keys.len();
            (self.progress)(done, missing.len());
            if segment.length() >= SEGMENT {
                let full = std::mem::replace(segment, NewSegment::create(self.folder)?);
                full.finish()?;
            }
        }
        Ok(())
    }
}

/// The images of some files, decoded by `threads` threads.
fn decoded(root: &Path, keys: &[&Key], threads: usize) -> Vec<Result<Image>> {
    let share = keys.len().div_ceil(threads);
    let decode = |keys: &[&Key]| -> Vec<Result<Image, String>> {
        // An error of ours does not go from one thread to another, its text does.
        let read = |key: &&Key| read_image(&root.join(&key.file)).map_err(|it| it.to_string());
        keys.iter().map(read).collect()
    };
    let parts = thread::scope(|scope| {
        let workers = keys
            .chunks(share)
            .map(|keys| scope.spawn(move || decode(keys)));
        let workers: Vec<_> = workers.collect();
        workers
            .into_iter()
            .zip(keys.chunks(share))
            .map(|(worker, keys)| {
                worker.join().unwrap_or_else(|_| {
                    let what = "decoding failed inside the program (a bug)";
                    let named = |key: &&Key| Err(format!("{}: {what}", key.file.display()));
                    keys.iter().map(named).collect()
                })
            })
            .collect::<Vec<_>>()
    });
    let all = parts.into_iter().flatten();
    all.map(|image| image.map_err(Error::Invalid)).collect()
}

impl Source for CachedSource {
    fn len(&self) -> usize {
        self.source.len()
    }

    fn label(&self, index: usize) -> i64 {
        self.source.label(index)
    }

    fn correct(&self, index: usize) -> Option<Vec<i64>> {
        self.source.correct(index)
    }

    fn load(&self, index: usize) -> Result<Image> {
        let picture = self.open(index)?;
        let (width, height) = picture.size()?;
        Ok(picture.part(Window::whole(width, height))?.image)
    }

    fn open(&self, index: usize) -> Result<Box<dyn Picture + '_>> {
        match &self.images[index] {
            Some(cached) => Ok(Box::new(&**cached)),
            None => self.source.open(index),
        }
    }

    fn file(&self, index: usize) -> Option<&Path> {
        self.source.file(index)
    }

    fn describe(&self, index: usize) -> String {
        self.source.describe(index)
    }

    fn is_in_memory(&self) -> bool {
        false
    }
}

impl Picture for &Cached {
    fn size(&self) -> Result<(usize, usize)> {
        Ok((self.entry.width, self.entry.height))
    }

    fn part(self: Box<Self>, needed: Window) -> Result<Part> {
        let whole = !self.checked.load(Ordering::Relaxed);
        let part = self.segment.part(&self.entry, needed, whole)?;
        self.checked.store(true, Ordering::Relaxed);
        Ok(part)
    }
}
