//! The domain `data`: data sets, their splits and batches.

use super::host::Host;
use super::{RhaiResultOf, options};
use crate::Result;
use crate::data::{self, BatchOptions, Cache, Corrupting, Corruption, DatasetOptions};
use crate::estimate::{Length, Loop, Probe};
use crate::files::Folder;
use crate::torch::Tensor;
use rhai::plugin::*;
use rhai::{Array, Map};
use serde::Deserialize;
use std::fmt;
use std::iter;
use std::path::Path;
use std::rc::Rc;

/// A data set as scripts hold it.
#[derive(Clone)]
pub struct Dataset(Rc<data::Dataset>);

/// A split, with the names of its classes.
#[derive(Clone)]
pub struct Split {
    images: data::Split,
    set: Rc<data::Dataset>,
}

impl Split {
    pub fn images(&self) -> &data::Split {
        &self.images
    }

    pub fn class_names(&self) -> &[String] {
        &self.set.classes
    }

    /// The images that `done` does not name by their place in the whole data set.
    pub fn without(self, done: impl Fn(usize) -> bool) -> Split {
        Split {
            images: self.images.without(done),
            ..self
        }
    }

    /// The same images under a corruption.
    pub fn corrupted(self, corrupting: Corrupting) -> Split {
        Split {
            images: self.images.corrupted(corrupting),
            ..self
        }
    }

    /// The images that a folder has for these under a corruption.
    pub fn stored(
        self,
        folder: &Folder,
        (corruption, severity): (Corruption, u8),
    ) -> Result<Split> {
        let set = &self.set;
        let images = set.stored_corruption(&self.images, folder, corruption, severity)?;
        Ok(Split { images, ..self })
    }
}

/// The batches of one pass over a split, not begun yet.
#[derive(Clone)]
pub struct Batches {
    split: Split,
    options: BatchOptions,
    /// What ends the loop after the first few, where the script is only probed.
    probe: Option<Probe>,
}

/// Images and labels as tensors.
#[derive(Clone)]
pub struct Batch {
    x: Tensor,
    y: Tensor,
    correct: Option<Vec<Vec<i64>>>,
    indices: Vec<usize>,
    examples: Vec<usize>,
    number: usize,
}

pub fn module() -> rhai::Module {
    let mut module = rhai::exported_module!(functions);
    module.set_custom_type::<Dataset>("dataset");
    module.set_custom_type::<Split>("split");
    module.set_custom_type::<Batches>("batches");
    module.set_custom_type::<Batch>("batch");
    module.set_iter_result(TypeId::of::<Batches>(), |batches| walk(batches.cast()));
    module
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Loading {
    batch_size: usize,
    shuffle: bool,
    augment: bool,
    drop_last: bool,
    epoch: u64,
    threads: usize,
}

impl Default for Loading {
    fn default() -> Self {
        let usual = BatchOptions::default();
        Loading {
            batch_size: usual.batch_size,
            shuffle: usual.shuffle,
            augment: usual.augment,
            drop_last: usual.drop_last,
            epoch: usual.epoch,
            threads: 0,
        }
    }
}

fn loading(context: &NativeCallContext, map: Map) -> RhaiResultOf<BatchOptions> {
    let given: Loading = options::read("batches", map)?;
    Ok(BatchOptions {
        batch_size: given.batch_size,
        shuffle: given.shuffle,
        augment: given.augment,
        drop_last: given.drop_last,
        epoch: given.epoch,
        first: 0,
        seed: Host::of(context).seed(),
        // 0 lets the loader choose, as it does for a limit of images.
        threads: (given.threads > 0).then_some(given.threads),
        prefetch: None,
    })
}

/// What a loop over batches goes through.
pub type Walk = Box<dyn Iterator<Item = Result<Batch>>>;

fn walk(batches: Batches) -> Box<dyn Iterator<Item = RhaiResultOf<Dynamic>>> {
    match batches.walk(0) {
        Ok(all) => Box::new(all.map(|batch| Ok(Dynamic::from(batch?)))),
        Err(error) => Box::new(iter::once(Err(error.into()))),
    }
}

impl Batch {
    pub fn images(&self) -> &Tensor {
        &self.x
    }

    pub fn labels(&self) -> &Tensor {
        &self.y
    }

    pub fn correct(&self) -> Option<&[Vec<i64>]> {
        self.correct.as_deref()
    }

    /// The place of each image in the whole data set.
    pub fn examples(&self) -> &[usize] {
        &self.examples
    }

    fn new(batch: data::Batch) -> Result<Self> {
        let n = batch.labels.len() as i64;
        let shape = [n, 3, batch.height as i64, batch.width as i64];
        Ok(Batch {
            x: Tensor::from_u8_fractions(&batch.pixels, &shape)?,
            y: Tensor::from_i64(&batch.labels, &[n])?,
            correct: batch.correct,
            indices: batch.indices,
            examples: batch.examples,
            number: batch.number,
        })
    }
}

impl Batches {
    pub fn of(context: &NativeCallContext, split: Split, options: Map) -> RhaiResultOf<Batches> {
        Ok(Batches {
            split,
            options: loading(context, options)?,
            probe: Host::of(context).probe(),
        })
    }

    /// A hash that says of which images they are.
    pub fn choice(&self) -> Result<String> {
        self.split.images.choice()
    }

    /// Goes through them from number `first` on.
    pub fn walk(mut self, first: usize) -> Result<Walk> {
        self.options.first = first;
        let probed = self.begin_probed();
        let all = self.split.images.batches(self.options)?;
        let mut all = all.map(|batch| Batch::new(batch?));
        Ok(match probed {
            None => Box::new(all),
            Some(mut probed) => Box::new(iter::from_fn(move || probed.next(|| all.next()))),
        })
    }

    /// How many there are; none for batches of no images.
    pub fn count(&self) -> Option<usize> {
        let (n, size) = (self.split.images.len(), self.options.batch_size);
        match self.options.drop_last {
            true => n.checked_div(size),
            false => (size > 0).then(|| n.div_ceil(size)),
        }
    }

    /// The loop over these batches, where it is only probed.
    fn begin_probed(&mut self) -> Option<Loop> {
        let (probe, batches) = (self.probe.take()?, self.count()?);
        let (images, batch_size) = (&self.split.images, self.options.batch_size);
        let length = Length {
            images: images.len().min(batches * batch_size),
            batch_size,
            loader_threads: self.options.threads_for(images, batches),
        };
        self.options.threads = Some(0);
        Some(probe.begin(&self.to_string(), length))
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (set, images) = (&self.set, &self.images);
        let (name, n, classes) = (images.name(), images.len(), set.classes.len());
        let size = format!("[3, {}, {}]", set.height, set.width);
        write!(
            f,
            "{name} split of {}: {n} images {size}, {classes} classes",
            set.name
        )
    }
}

impl fmt::Display for Batches {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let options = &self.options;
        let order = match options.shuffle {
            true => format!("shuffled for epoch {}", options.epoch),
            false => "in order".to_owned(),
        };
        write!(
            f,
            "batches({} of {} images, {} split of {}, {order}{})",
            self.count().unwrap_or(0),
            options.batch_size,
            self.split.images.name(),
            self.split.set.name,
            if options.augment { ", augmented" } else { "" }
        )
    }
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (x, y) = (self.x.signature(), self.y.signature());
        write!(f, "batch {}: x {x}, y {y}", self.number)
    }
}

fn cached(host: &Host, set: data::Dataset, folder: &Path) -> Result<data::Dataset> {
    let mut shown = None;
    let mut last = 0;
    let set = set.cached(Cache {
        folder: &host.lasting(folder)?,
        progress: &mut |done, all| {
            let begin = || {
                host.screen()
                    .progress("decoding into the cache", all as u64)
            };
            let progress = shown.get_or_insert_with(begin);
            progress.advance((done - last) as u64, &[]);
            last = done;
        },
    })?;
    if let Some(progress) = shown {
        progress.finish();
    }
    Ok(set)
}

fn names(names: &[String]) -> Array {
    names.iter().map(|name| name.clone().into()).collect()
}

fn integers(values: impl IntoIterator<Item = i64>) -> Array {
    values.into_iter().map(Dynamic::from).collect()
}

fn position(split: &Split, index: i64) -> RhaiResultOf<usize> {
    let n = split.images.len();
    match usize::try_from(index) {
        Ok(at) if at < n => Ok(at),
        _ => Err(format!("`index` must lie in 0 .. {n} (exclusive), got {index}").into()),
    }
}

/// Data sets, their splits and batches.
#[export_module]
pub mod functions {
    #[rhai_fn(name = "dataset", return_raw)]
    pub fn dataset(context: NativeCallContext, name_or_path: &str) -> RhaiResultOf<Dataset> {
        dataset_with(context, name_or_path, Map::new())
    }

    /// Opens a data set: the built-in one, or a folder.
    ///
    /// - `name_or_path`: `"shapes"`, or a folder with CIFAR-10 or CIFAR-100 binary files, or with
    ///   images in `train/<class>/`, `test/<class>/` (or `val`), or in `<class>/`; ImageNet's flat
    ///   `val/` needs `LOC_val_solution.csv`, a list of synsets, or `val.txt` beside it
    /// - `train`, `test` (default 0, all): so many images, as many of each class
    /// - `size` (default 0): the side to which images are resized and cut; by default images of
    ///   at most 64 pixels keep theirs and others get 224, as torchvision does
    /// - `interpolation` (default `"bilinear"`): how photographs are resized, with Pillow's bytes;
    ///   `"bicubic"` is the other
    /// - `cache` (default none): a folder that keeps decoded images, for image files; those that it
    ///   lacks and those whose file has changed are decoded first. The pixels are the same, loading
    ///   is several times faster, and an image takes three bytes for each pixel on the disk. The
    ///   folder needs `--allow-write` to be filled; a relative path lies in the current folder
    /// - `seed` (default the run's): which images a limit keeps and what `"shapes"` draws
    /// - `real` (default none): a file with all correct classes of each test image, a JSON list of
    ///   lists: ImageNet's ReaL labels, `real.json`, which go by the number in the file names; for
    ///   other data one list for each test image in their order
    /// - `test_fraction` (default 0.2): share of each class for a folder without splits
    ///
    /// Errors: a damaged file, in the data set or the cache, by its name; a link in the folder that
    /// leads out of what the script may read, unless it was started with `--allow-read` for the
    /// folder that it leads to.
    ///
    /// ```rhai
    /// assert(dataset("shapes").classes == 10);
    /// let data = dataset("shapes", #{ train: 100, test: 50 });
    /// assert(data.train.len() == 100 && data.test.len() == 50);
    /// ```
    #[rhai_fn(name = "dataset", return_raw)]
    pub fn dataset_with(
        context: NativeCallContext,
        name_or_path: &str,
        mut options: Map,
    ) -> RhaiResultOf<Dataset> {
        let host = Host::of(&context);
        for limit in ["train", "test", "size"] {
            if options.get(limit).is_some_and(|it| it.as_int() == Ok(0)) {
                options.remove(limit);
            }
        }
        let own_seed = options.contains_key("seed");
        let mut options: DatasetOptions = options::read("dataset", options)?;
        if !own_seed {
            options.seed = host.seed();
        }
        let real = options.real.as_ref().map(|path| host.file(path));
        let real = real.transpose()?;
        let mut set = match name_or_path {
            data::SHAPES => data::Dataset::shapes(&options, real.as_ref())?,
            path => data::Dataset::open(&host.folder(path)?, &options, real.as_ref())?,
        };
        if let Some(folder) = &options.cache {
            set = cached(&host, set, folder)?;
        }
        Ok(Dataset(Rc::new(set)))
    }

    /// The name or path that the data set was opened by.
    ///
    /// ```rhai
    /// assert(dataset("shapes").name == "shapes");
    /// ```
    #[rhai_fn(get = "name", pure)]
    pub fn dataset_name(data: &mut Dataset) -> String {
        data.0.name.clone()
    }

    /// How many classes there are.
    ///
    /// ```rhai
    /// assert(dataset("shapes").classes == 10);
    /// ```
    #[rhai_fn(get = "classes", pure)]
    pub fn dataset_classes(data: &mut Dataset) -> i64 {
        data.0.classes.len() as i64
    }

    /// The names of the classes; a label is a place in this array.
    ///
    /// ```rhai
    /// assert(dataset("shapes").class_names.len() == 10);
    /// ```
    #[rhai_fn(get = "class_names", pure)]
    pub fn dataset_class_names(data: &mut Dataset) -> Array {
        names(&data.0.classes)
    }

    /// The larger side of the images, in pixels.
    ///
    /// ```rhai
    /// assert(dataset("shapes").size == 32);
    /// ```
    #[rhai_fn(get = "size", pure)]
    pub fn dataset_size(data: &mut Dataset) -> i64 {
        data.0.height.max(data.0.width) as i64
    }

    /// The training split.
    ///
    /// ```rhai
    /// assert(dataset("shapes", #{ train: 30 }).train.len() == 30);
    /// ```
    #[rhai_fn(get = "train", pure)]
    pub fn dataset_train(data: &mut Dataset) -> Split {
        Split {
            images: data.0.train.clone(),
            set: data.0.clone(),
        }
    }

    /// The test split.
    ///
    /// ```rhai
    /// assert(dataset("shapes", #{ test: 20 }).test.len() == 20);
    /// ```
    #[rhai_fn(get = "test", pure)]
    pub fn dataset_test(data: &mut Dataset) -> Split {
        Split {
            images: data.0.test.clone(),
            set: data.0.clone(),
        }
    }

    /// The data set in one line: name, classes, size, images in each split.
    ///
    /// ```rhai
    /// let data = dataset("shapes", #{ train: 30, test: 20 });
    /// assert(data.to_string().contains("30 training images"));
    /// ```
    #[rhai_fn(
        name = "to_string",
        name = "to_debug",
        name = "print",
        name = "debug",
        pure
    )]
    pub fn dataset_to_string(data: &mut Dataset) -> String {
        let set = &data.0;
        format!(
            "{}: {} classes, {}x{}, {} training images, {} test images",
            set.name,
            set.classes.len(),
            set.width,
            set.height,
            set.train.len(),
            set.test.len()
        )
    }

    /// The split in one line: its name and data set, images, classes.
    ///
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 20 }).test;
    /// assert(test.to_string() == "test split of shapes: 20 images [3, 32, 32], 10 classes");
    /// ```
    #[rhai_fn(
        name = "to_string",
        name = "to_debug",
        name = "print",
        name = "debug",
        pure
    )]
    pub fn split_to_string(split: &mut Split) -> String {
        split.to_string()
    }

    /// The batches in one line: how many of which size, from which split, in which order.
    ///
    /// ```rhai
    /// let batches = dataset("shapes", #{ test: 50 }).test.batches(#{ batch_size: 20 });
    /// assert(batches.to_string().starts_with("batches(3 of 20 images, test split of shapes"));
    /// ```
    #[rhai_fn(
        name = "to_string",
        name = "to_debug",
        name = "print",
        name = "debug",
        pure
    )]
    pub fn batches_to_string(batches: &mut Batches) -> String {
        batches.to_string()
    }

    /// The batch in one line: its place in the pass, the images and the labels.
    ///
    /// ```rhai
    /// let batch = dataset("shapes").test.batch(4);
    /// assert(batch.to_string() == "batch 0: x float32[4, 3, 32, 32], y int64[4]");
    /// ```
    #[rhai_fn(
        name = "to_string",
        name = "to_debug",
        name = "print",
        name = "debug",
        pure
    )]
    pub fn batch_to_string(batch: &mut Batch) -> String {
        batch.to_string()
    }

    /// How many images there are.
    ///
    /// ```rhai
    /// assert(dataset("shapes", #{ test: 20 }).test.len() == 20);
    /// ```
    #[rhai_fn(name = "len")]
    pub fn split_len(split: Split) -> i64 {
        split.images.len() as i64
    }

    /// `"train"` or `"test"`.
    ///
    /// ```rhai
    /// assert(dataset("shapes").test.name == "test");
    /// ```
    #[rhai_fn(get = "name", pure)]
    pub fn split_name(split: &mut Split) -> String {
        split.images.name().to_owned()
    }

    /// How many classes there are.
    ///
    /// ```rhai
    /// assert(dataset("shapes").test.classes == 10);
    /// ```
    #[rhai_fn(get = "classes", pure)]
    pub fn split_classes(split: &mut Split) -> i64 {
        split.set.classes.len() as i64
    }

    /// The names of the classes.
    ///
    /// ```rhai
    /// assert(dataset("shapes").test.class_names.len() == 10);
    /// ```
    #[rhai_fn(get = "class_names", pure)]
    pub fn split_class_names(split: &mut Split) -> Array {
        names(&split.set.classes)
    }

    /// The labels of all images, int64 `[n]`.
    ///
    /// ```rhai
    /// assert(dataset("shapes", #{ test: 20 }).test.labels.shape == [20]);
    /// ```
    #[rhai_fn(get = "labels", return_raw, pure)]
    pub fn split_labels(split: &mut Split) -> RhaiResultOf<Tensor> {
        let labels = split.images.labels();
        Ok(Tensor::from_i64(&labels, &[labels.len() as i64])?)
    }

    /// The first `n` images, as many of each class.
    ///
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 40 }).test;
    /// assert(test.take(20).len() == 20);
    /// ```
    #[rhai_fn(name = "take", return_raw)]
    pub fn split_take(split: Split, n: i64) -> RhaiResultOf<Split> {
        let n = usize::try_from(n).map_err(|_| format!("`n` must be at least 0, got {n}"))?;
        Ok(Split {
            images: split.images.take(n)?,
            set: split.set,
        })
    }

    /// One image, `[3, h, w]` in [0, 1], as in a test batch.
    ///
    /// ```rhai
    /// assert(dataset("shapes").test.image(0).shape == [3, 32, 32]);
    /// ```
    #[rhai_fn(name = "image", return_raw)]
    pub fn split_image(split: Split, index: i64) -> RhaiResultOf<Tensor> {
        let image = split.images.image(position(&split, index)?)?;
        let (height, width) = (image.height(), image.width());
        let mut planes = vec![0; 3 * height * width];
        image.write_planes(&mut planes);
        let shape = [3, height as i64, width as i64];
        Ok(Tensor::from_u8_fractions(&planes, &shape)?)
    }

    /// The label of one image.
    ///
    /// ```rhai
    /// let test = dataset("shapes").test;
    /// assert(test.label(0) in test.correct(0));
    /// ```
    #[rhai_fn(name = "label", return_raw)]
    pub fn split_label(split: Split, index: i64) -> RhaiResultOf<i64> {
        Ok(split.images.label(position(&split, index)?)?)
    }

    /// All correct classes of one image; its label alone where the set gives each image one.
    ///
    /// ```rhai
    /// assert(dataset("shapes").test.correct(0).len() >= 1);
    /// ```
    #[rhai_fn(name = "correct", return_raw)]
    pub fn split_correct(split: Split, index: i64) -> RhaiResultOf<Array> {
        Ok(integers(split.images.correct(position(&split, index)?)?))
    }

    /// The batches of one pass, for a `for` loop; each has `x`, `y`, `correct`, `indices`,
    /// `examples`, `number`.
    ///
    /// - `batch_size` (default 64): images in each
    /// - `shuffle` (default false): in a random order
    /// - `augment` (default false): random crop and flip
    /// - `drop_last` (default false): leaves out a last batch that is not full
    /// - `epoch` (default 0): random choices depend on the run's seed and on this
    /// - `threads` (default 0, by the number of cores): decode ahead of use; no effect on the pixels
    ///
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 50 }).test;
    /// for batch in test.batches(#{ batch_size: 20 }) { print(batch.x.shape); }
    /// //> [20, 3, 32, 32]
    /// //> [20, 3, 32, 32]
    /// //> [10, 3, 32, 32]
    /// ```
    #[rhai_fn(return_raw)]
    pub fn batches(
        context: NativeCallContext,
        split: Split,
        options: Map,
    ) -> RhaiResultOf<Batches> {
        Batches::of(&context, split, options)
    }

    /// How many batches there are in one pass; options as for `batches`.
    ///
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 50 }).test;
    /// assert(test.batch_count(#{ batch_size: 20 }) == 3);
    /// assert(test.batch_count(#{ batch_size: 20, drop_last: true }) == 2);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn batch_count(
        context: NativeCallContext,
        split: Split,
        options: Map,
    ) -> RhaiResultOf<i64> {
        match Batches::of(&context, split, options)?.count() {
            Some(count) => Ok(count as i64),
            None => Err("`batch_size` must be at least 1, got 0".into()),
        }
    }

    /// The first `n` images as one batch.
    ///
    /// ```rhai
    /// let batch = dataset("shapes").test.batch(4);
    /// assert(batch.x.shape == [4, 3, 32, 32] && batch.y.shape == [4]);
    /// ```
    #[rhai_fn(name = "batch", return_raw)]
    pub fn first_batch(split: Split, n: i64) -> RhaiResultOf<Batch> {
        let n = usize::try_from(n)
            .ok()
            .filter(|n| *n > 0 && *n <= split.images.len());
        let Some(batch_size) = n else {
            return Err(format!("`n` must lie in 1 .. {}", split.images.len()).into());
        };
        let options = BatchOptions {
            batch_size,
            ..BatchOptions::default()
        };
        match split.images.batches(options)?.next() {
            Some(batch) => Ok(Batch::new(batch?)?),
            None => Err("the split has no images".into()),
        }
    }

    /// The images, `[n, 3, h, w]` in [0, 1], float32 on the CPU.
    ///
    /// ```rhai
    /// assert(dataset("shapes").test.batch(2).x.max().item() <= 1.0);
    /// ```
    #[rhai_fn(get = "x", pure)]
    pub fn batch_x(batch: &mut Batch) -> Tensor {
        batch.x.clone()
    }

    /// The classes, int64 `[n]` on the CPU.
    ///
    /// ```rhai
    /// assert(dataset("shapes").test.batch(2).y.dtype == "int64");
    /// ```
    #[rhai_fn(get = "y", pure)]
    pub fn batch_y(batch: &mut Batch) -> Tensor {
        batch.y.clone()
    }

    /// For each image an array of all its correct classes; `()` where the data set gives each
    /// image one label.
    ///
    /// ```rhai
    /// assert(dataset("shapes").test.batch(2).correct.len() == 2);
    /// ```
    #[rhai_fn(get = "correct", pure)]
    pub fn batch_correct(batch: &mut Batch) -> Dynamic {
        match &batch.correct {
            Some(sets) => {
                let sets = sets.iter().map(|set| integers(set.iter().copied()).into());
                sets.collect::<Array>().into()
            }
            None => Dynamic::UNIT,
        }
    }

    /// Which images of the split these are.
    ///
    /// ```rhai
    /// assert(dataset("shapes").test.batch(2).indices == [0, 1]);
    /// ```
    #[rhai_fn(get = "indices", pure)]
    pub fn batch_indices(batch: &mut Batch) -> Array {
        integers(batch.indices.iter().map(|&index| index as i64))
    }

    /// The place of each image in the whole data set, whatever part of it the split is.
    ///
    /// ```rhai
    /// assert(dataset("shapes").test.batch(2).examples == [0, 1]);
    /// ```
    #[rhai_fn(get = "examples", pure)]
    pub fn batch_examples(batch: &mut Batch) -> Array {
        integers(batch.examples.iter().map(|&index| index as i64))
    }

    /// The place of the batch in its pass, from 0.
    ///
    /// ```rhai
    /// assert(dataset("shapes").test.batch(2).number == 0);
    /// ```
    #[rhai_fn(get = "number", pure)]
    pub fn batch_number(batch: &mut Batch) -> i64 {
        batch.number as i64
    }

    /// How many images the batch has.
    ///
    /// ```rhai
    /// assert(dataset("shapes").test.batch(3).len() == 3);
    /// ```
    #[rhai_fn(name = "len")]
    pub fn batch_len(batch: Batch) -> i64 {
        batch.indices.len() as i64
    }
}
