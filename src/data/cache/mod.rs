//! Decoded images on disk: a crop of one costs a fraction of decoding it, and has the same pixels.
//!
//! A cache is a folder of segments, each complete in itself. Images that it lacks, and those
//! whose file has changed since, are decoded into a new segment; several programs may do so at
//! the same time. A stop keeps what was decoded so far.

mod segment;
#[cfg(test)]
mod tests;

use super::Dataset;
use super::image::Image;
use super::part::{Part, Picture, Window};
use super::split::{Source, Split};
use crate::files::{FolderToWrite, Kind, LastingFolder, Stamp};
use crate::{Error, Result, interrupt};
use segment::{ENDING, Entry, Key, NewSegment, Segment};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Where decoded images are kept, and what it takes to add some.
pub struct Cache<'a> {
    pub folder: &'a LastingFolder,
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
        let [train, test] = cache.sources([&self.train, &self.test])?;
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

/// An image that the cache lacks.
struct Missing {
    key: Key,
    source: Arc<dyn Source>,
    position: usize,
}

/// A source of which some images, those that are used, come from a cache.
struct CachedSource {
    source: Arc<dyn Source>,
    images: Vec<Option<Arc<Cached>>>,
}

impl Cache<'_> {
    /// Sources of the images of `splits`.
    fn sources<const N: usize>(&mut self, splits: [&Split; N]) -> Result<[Arc<dyn Source>; N]> {
        let mut wanted = Vec::new();
        for split in splits {
            let keys = split.positions().map(|position| {
                let key = key(split.source(), position)?;
                Ok((position, key))
            });
            wanted.push(keys.collect::<Result<Vec<_>>>()?);
        }
        let mut kept = self.read()?;
        let of_split = |(split, keys): (&Split, &Vec<(usize, Key)>)| {
            let lacks = keys.iter().filter(|(_, key)| !kept.contains_key(key));
            let missing = lacks.map(|(position, key)| Missing {
                key: key.clone(),
                source: split.shared_source(),
                position: *position,
            });
            missing.collect::<Vec<_>>()
        };
        let missing: Vec<_> = splits.into_iter().zip(&wanted).flat_map(of_split).collect();
        if !missing.is_empty() {
            self.add(&missing)?;
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
        let Some(folder) = self.folder.to_read()? else {
            return Ok(images);
        };
        for (path, kind) in folder.entries("")? {
            interrupt::check()?;
            if kind == Kind::Folder || path.extension().is_none_or(|it| it != ENDING) {
                continue;
            }
            let (segment, entries) = Segment::open(folder.file(&path)?)?;
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
    fn add(&mut self, missing: &[Missing]) -> Result<()> {
        let folder = self.folder.to_write()?;
        let mut segment = NewSegment::create(&folder)?;
        let added = self.add_to(&mut segment, &folder, missing);
        segment.finish().and(added)
    }

    fn add_to(
        &mut self,
        segment: &mut NewSegment,
        folder: &FolderToWrite,
        missing: &[Missing],
    ) -> Result<()> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let mut done = 0;
        (self.progress)(done, missing.len());
        // Not all at once, which would not fit into memory.
        for images in missing.chunks(TOGETHER) {
            interrupt::check()?;
            for (missing, image) in images.iter().zip(decoded(images, threads)) {
                segment.add(missing.key.clone(), &image?)?;
            }
            done += images.len();
            (self.progress)(done, missing.len());
            if segment.length() >= SEGMENT {
                let full = std::mem::replace(segment, NewSegment::create(folder)?);
                full.finish()?;
            }
        }
        Ok(())
    }
}

/// What identifies the file of an image.
fn key(source: &dyn Source, position: usize) -> Result<Key> {
    match (source.file(position), source.stamp(position)?) {
        (Some(file), Some(Stamp { bytes, changed })) => Ok(Key {
            file: file.to_owned(),
            bytes,
            changed,
        }),
        _ => bail!("`cache` is for image files, this data set has none"),
    }
}

/// The images of some files, decoded by `threads` threads.
fn decoded(images: &[Missing], threads: usize) -> Vec<Result<Image>> {
    let share = images.len().div_ceil(threads);
    let decode = |images: &[Missing]| -> Vec<Result<Image, String>> {
        // An error of ours does not go from one thread to another, its text does.
        let read = |it: &Missing| it.source.load(it.position).map_err(|it| it.to_string());
        images.iter().map(read).collect()
    };
    let parts = thread::scope(|scope| {
        let workers = images
            .chunks(share)
            .map(|images| scope.spawn(move || decode(images)));
        let workers: Vec<_> = workers.collect();
        workers
            .into_iter()
            .zip(images.chunks(share))
            .map(|(worker, images)| {
                worker.join().unwrap_or_else(|_| {
                    let what = "decoding failed inside the program (a bug)";
                    let named = |it: &Missing| Err(format!("{}: {what}", it.key.file.display()));
                    images.iter().map(named).collect()
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

    fn stamp(&self, index: usize) -> Result<Option<Stamp>> {
        self.source.stamp(index)
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
