//! A file of decoded images: their rows one after the other, then an index, then where the index
//! is. It is written once, under another name until it is complete, and never changed.
//!
//! ```text
//! pixels of image 0, of image 1, ...   R G B for each pixel
//! index                                JSON
//! length of the index                  8 bytes, little-endian
//! CRC-32 of the index and its length   4 bytes, little-endian
//! "rhobust images 1"                   16 bytes
//! ```

use crate::data::image::Image;
use crate::data::part::{Part, Window};
use crate::files::{File, FolderToWrite, NewFile};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::io::{BufWriter, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;

pub(super) const ENDING: &str = "images";

const MAGIC: &[u8; 16] = b"rhobust images 1";

/// What stands behind the index.
const FOOTER: usize = 8 + 4 + MAGIC.len();

/// What identifies the content of an image file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Key {
    /// Its path beneath the folder of the data set.
    pub file: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// When it was changed last: seconds and nanoseconds since 1970.
    pub changed: (i64, i64),
}

/// An image in a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// The file that was decoded.
    pub key: Key,
    pub width: usize,
    pub height: usize,
    /// Where its pixels begin.
    pub at: u64,
    /// CRC-32 of the pixels.
    pub crc: u32,
}

/// A complete segment, open for reading.
#[derive(Debug)]
pub(super) struct Segment {
    file: File,
}

impl Segment {
    /// Reads the index of a segment.
    ///
    /// # Errors
    /// `Invalid` with the path, when it cannot be read or is damaged.
    pub fn open(file: File) -> Result<(Segment, Vec<Entry>)> {
        let segment = Segment { file };
        let length = segment.file.bytes();
        let Some(end) = length.checked_sub(FOOTER as u64) else {
            return Err(segment.damaged("it is too short"));
        };
        let footer = segment.read(end, FOOTER)?;
        let (sized, magic) = footer.split_at(FOOTER - MAGIC.len());
        let (size, crc) = sized.split_at(8);
        if magic != MAGIC {
            return Err(segment.damaged("its end is missing"));
        }
        let bytes = u64::from_le_bytes(size.try_into().expect("these are 8 bytes"));
        let Some(start) = end.checked_sub(bytes) else {
            return Err(segment.damaged("its index is longer than the file"));
        };
        let index = segment.read(start, bytes as usize)?;
        let mut hash = crc32fast::Hasher::new();
        hash.update(&index);
        hash.update(size);
        if crc != hash.finalize().to_le_bytes() {
            return Err(segment.damaged("its index has another check sum"));
        }
        let entries: Vec<Entry> = serde_json::from_slice(&index)
            .map_err(|error| segment.damaged(&format!("its index is not understood: {error}")))?;
        let fits = |it: &Entry| {
            let bytes = it.width.checked_mul(it.height)?.checked_mul(3)? as u64;
            (bytes > 0 && it.at.checked_add(bytes)? <= start).then_some(())
        };
        if let Some(entry) = entries.iter().find(|it| fits(it).is_none()) {
            let what = format!("{} lies outside of it", entry.key.file.display());
            return Err(segment.damaged(&what));
        }
        Ok((segment, entries))
    }

    /// The rows of `entry` that `window` touches; with `whole`, all are read and compared with
    /// their check sum.
    ///
    /// # Errors
    /// `Invalid` with the path, when it cannot be read or is damaged.
    pub fn part(&self, entry: &Entry, window: Window, whole: bool) -> Result<Part> {
        let stride = 3 * entry.width;
        let (first, last) = match whole {
            true => (0, entry.height),
            false => (window.top, window.bottom()),
        };
        let pixels = self.read(entry.at + (first * stride) as u64, (last - first) * stride)?;
        if whole && crc32fast::hash(&pixels) != entry.crc {
            let what = format!(
                "the pixels of {} have another check sum",
                entry.key.file.display()
            );
            return Err(self.damaged(&what));
        }
        Ok(Part {
            image: Image::new(entry.width, last - first, pixels)?,
            left: 0,
            top: first,
        })
    }

    fn read(&self, at: u64, bytes: usize) -> Result<Vec<u8>> {
        let mut read = Vec::with_capacity(bytes);
        while read.len() < bytes {
            let done = read.len();
            let rest = &mut read.spare_capacity_mut()[..bytes - done];
            let place = (at + done as u64) as libc::off_t;
            // Unlike `read_exact_at` this needs no zeroed memory, which takes a tenth of the time.
            // SAFETY: the system writes at most as many bytes as `rest` has.
            let count = unsafe {
                let into = rest.as_mut_ptr().cast();
                libc::pread(self.file.parts().as_raw_fd(), into, rest.len(), place)
            };
            match usize::try_from(count) {
                Ok(0) => return Err(self.damaged("it ends too early")),
                // SAFETY: so many bytes more have been written.
                Ok(count) => unsafe { read.set_len(done + count) },
                Err(_) => {
                    let error = std::io::Error::last_os_error();
                    if error.kind() != std::io::ErrorKind::Interrupted {
                        return Err(Error::io(self.file.shown(), &error));
                    }
                }
            }
        }
        Ok(read)
    }

    fn damaged(&self, what: &str) -> Error {
        Error::invalid(format!(
            "{}: this file of a cache is damaged ({what}); without it the images are decoded anew",
            self.file.shown().display()
        ))
    }
}

/// A segment that is being written. Dropped before it is complete, it leaves nothing behind.
pub(super) struct NewSegment {
    file: BufWriter<NewFile>,
    folder: PathBuf,
    entries: Vec<Entry>,
    length: u64,
}

impl NewSegment {
    /// # Errors
    /// `Invalid` with the folder, when nothing can be written into it.
    pub fn create(folder: &FolderToWrite) -> Result<NewSegment> {
        Ok(NewSegment {
            file: BufWriter::with_capacity(1 << 20, folder.new_file()?),
            folder: folder.shown().to_owned(),
            entries: Vec::new(),
            length: 0,
        })
    }

    /// The bytes of its images.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Adds the image of a file.
    pub fn add(&mut self, key: Key, image: &Image) -> Result<()> {
        self.write(image.pixels())?;
        self.entries.push(Entry {
            key,
            width: image.width(),
            height: image.height(),
            at: self.length,
            crc: crc32fast::hash(image.pixels()),
        });
        self.length += image.pixels().len() as u64;
        Ok(())
    }

    /// Gives the segment its name, from when on it counts. It is not synced: what a power cut
    /// takes away is found by its check sums.
    pub fn finish(mut self) -> Result<()> {
        if self.entries.is_empty() {
            return Ok(());
        }
        let index = serde_json::to_vec(&self.entries)
            .map_err(|error| Error::invalid(format!("the index of a cache: {error}")))?;
        let size = (index.len() as u64).to_le_bytes();
        let mut hash = crc32fast::Hasher::new();
        hash.update(&index);
        hash.update(&size);
        let crc = hash.finalize().to_le_bytes();
        for part in [&index[..], &size, &crc, MAGIC] {
            self.write(part)?;
        }
        let failed = |error: std::io::Error| Error::io(&self.folder, &error);
        let mut file = self
            .file
            .into_inner()
            .map_err(|error| failed(error.into_error()))?;
        // Another process may be writing segments at the same time.
        for number in 1.. {
            if file.name(format!("{number:04}.{ENDING}")).map_err(failed)? {
                break;
            }
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| Error::io(&self.folder, &error))
    }
}
