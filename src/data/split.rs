//! The training or the test images of a data set.

use super::batches::{BatchOptions, Batches};
use super::corrupted::{Condition, Corrupting};
use super::image::Image;
use super::part::Picture;
use super::transform::{Fit, Recipe};
use crate::files::Stamp;
use crate::{Error, Result, seed};
use rand::seq::SliceRandom;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// Where images and labels come from. Loading the same index twice gives the same image.
pub(super) trait Source: Send + Sync {
    fn len(&self) -> usize;

    fn label(&self, index: usize) -> i64;

    /// All correct labels of an image, the own one first unless they come from elsewhere (ReaL,
    /// where there may be none); `None` where each image of the source has one.
    fn correct(&self, _index: usize) -> Option<Vec<i64>> {
        None
    }

    /// The image before any transform.
    fn load(&self, index: usize) -> Result<Image>;

    /// The same image, where a part of it may come cheaper.
    fn open(&self, index: usize) -> Result<Box<dyn Picture + '_>> {
        Ok(Box::new(self.load(index)?))
    }

    /// The file of an image beneath the folder of the data set, where each has one.
    fn file(&self, _index: usize) -> Option<&Path> {
        None
    }

    /// What the system says of that file.
    fn stamp(&self, _index: usize) -> Result<Option<Stamp>> {
        Ok(None)
    }

    /// What a person would look for: a file, or the number of a record.
    fn describe(&self, index: usize) -> String;

    /// Whether loading costs so little that threads for it are not worth their while.
    fn is_in_memory(&self) -> bool;
}

/// Some images with their labels, in a fixed order. Clones share the images.
#[derive(Clone)]
pub struct Split {
    name: &'static str,
    source: Arc<dyn Source>,
    /// The images before any corruption.
    original: Arc<dyn Source>,
    /// What `data_set` says, once it was asked; whatever part or corruption of it is looked at.
    identity: Arc<OnceLock<String>>,
    /// The position of each image in `source`.
    chosen: Arc<[usize]>,
    classes: usize,
    fit: Fit,
    seed: u64,
    /// What is done to images after all else.
    corrupting: Option<Arc<Corrupting>>,
    /// The corruption that the images show, made here or stored.
    condition: Option<Arc<Condition>>,
    /// Why there are no images, where there are none.
    absence: Option<Arc<str>>,
}

impl Split {
    pub(super) fn new(
        name: &'static str,
        source: Arc<dyn Source>,
        classes: usize,
        fit: Fit,
        seed: u64,
    ) -> Split {
        Split {
            name,
            chosen: (0..source.len()).collect(),
            original: source.clone(),
            identity: Arc::default(),
            source,
            classes,
            fit,
            seed,
            corrupting: None,
            condition: None,
            absence: None,
        }
    }

    /// A split without images; `reason` is told to whoever asks for one.
    pub(super) fn absent(name: &'static str, fit: Fit, reason: String) -> Split {
        Split {
            absence: Some(reason.into()),
            ..Split::new(name, Arc::new(Nothing), 0, fit, 0)
        }
    }

    /// `train` or `test`.
    pub fn name(&self) -> &str {
        self.name
    }

    pub fn len(&self) -> usize {
        self.chosen.len()
    }

    pub fn is_empty(&self) -> bool {
        self.chosen.is_empty()
    }

    pub fn height(&self) -> usize {
        self.fit.height()
    }

    pub fn width(&self) -> usize {
        self.fit.width()
    }

    /// The class of image `index`.
    ///
    /// # Errors
    /// `Invalid` when there is no such image.
    pub fn label(&self, index: usize) -> Result<i64> {
        Ok(self.source.label(self.position(index)?))
    }

    /// The class of every image, in order.
    pub fn labels(&self) -> Vec<i64> {
        let labels = self.chosen.iter().map(|&i| self.source.label(i));
        labels.collect()
    }

    /// All correct classes of image `index`, its label first.
    ///
    /// # Errors
    /// `Invalid` when there is no such image.
    pub fn correct(&self, index: usize) -> Result<Vec<i64>> {
        let position = self.position(index)?;
        let several = self.source.correct(position);
        Ok(several.unwrap_or_else(|| vec![self.source.label(position)]))
    }

    /// Whether images may have several correct classes.
    pub fn has_several_correct(&self) -> bool {
        let first = self.chosen.first();
        first.is_some_and(|&i| self.source.correct(i).is_some())
    }

    /// Image `index` as it is tested: resized and cut, not augmented.
    ///
    /// # Errors
    /// `Invalid` when there is no such image, or with the file that cannot be decoded.
    pub fn image(&self, index: usize) -> Result<Image> {
        self.made(index, |size| self.fit.test(size))
    }

    /// Image `index` as it is trained on in `epoch`: a function of the seed, the epoch and the
    /// index alone.
    pub(super) fn augmented(&self, index: usize, seed: u64, epoch: u64) -> Result<Image> {
        let mut random = seed::generator(seed, "augment", &[epoch, index as u64]);
        self.made(index, |size| self.fit.train(size, &mut random))
    }

    /// Image `index` by the recipe for its size.
    fn made(
        &self,
        index: usize,
        recipe: impl FnOnce((usize, usize)) -> Result<Recipe>,
    ) -> Result<Image> {
        let position = self.position(index)?;
        let named = |error: Error| error.context(self.source.describe(position));
        let picture = self.source.open(position)?;
        let recipe = recipe(picture.size()?).map_err(named)?;
        let image = recipe.make(picture.part(recipe.needed())?);
        self.corrupt(image, position).map_err(named)
    }

    /// The file of image `index`, or the number of its record.
    ///
    /// # Errors
    /// `Invalid` when there is no such image.
    pub fn describe(&self, index: usize) -> Result<String> {
        Ok(self.source.describe(self.position(index)?))
    }

    pub(super) fn is_in_memory(&self) -> bool {
        self.source.is_in_memory() && self.corrupting.is_none()
    }

    /// The same images under a corruption, in place of any other.
    pub fn corrupted(&self, corrupting: Corrupting) -> Split {
        Split {
            condition: Some(Arc::new(corrupting.condition())),
            corrupting: Some(Arc::new(corrupting)),
            ..self.clone()
        }
    }

    /// The corruption that the images show, if any.
    pub fn condition(&self) -> Option<&Condition> {
        self.condition.as_deref()
    }

    /// The place of image `index` in the whole data set, whatever part of it this split is.
    ///
    /// # Errors
    /// `Invalid` when there is no such image.
    pub fn example(&self, index: usize) -> Result<usize> {
        self.position(index)
    }

    /// The images whose place in the whole data set is not among those that `done` names.
    pub fn without(&self, done: impl Fn(usize) -> bool) -> Split {
        let left = self.chosen.iter().copied().filter(|&it| !done(it));
        Split {
            chosen: left.collect(),
            ..self.clone()
        }
    }

    /// A hash that says of which images this split is a part, whatever part and whatever they
    /// are under: the names and labels of all, and the pixels of some.
    ///
    /// # Errors
    /// `Invalid` with the file that cannot be decoded.
    pub fn data_set(&self) -> Result<String> {
        /// Enough to notice images that were made or resized in another way.
        const LOOKED_AT: usize = 8;
        if let Some(known) = self.identity.get() {
            return Ok(known.clone());
        }
        let n = self.original.len();
        let mut hasher = blake3::Hasher::new();
        hasher.update(format!("{} {} {n}", self.name, self.classes).as_bytes());
        for position in 0..n {
            let file = self.original.file(position).and_then(Path::file_name);
            hasher.update(format!("{} {file:?}\n", self.original.label(position)).as_bytes());
        }
        for position in (0..n).step_by(n.div_ceil(LOOKED_AT).max(1)) {
            hasher.update(self.original.load(position)?.pixels());
        }
        let identity = hasher.finalize().to_hex().to_string();
        Ok(self.identity.get_or_init(|| identity).clone())
    }

    /// A hash that says which images these are, by names and places, whatever their files are.
    ///
    /// # Errors
    /// As for [`Split::data_set`].
    pub fn choice(&self) -> Result<String> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.data_set()?.as_bytes());
        hasher.update(format!("{:?}", self.condition).as_bytes());
        for &position in self.chosen.iter() {
            hasher.update(&position.to_le_bytes());
        }
        Ok(hasher.finalize().to_hex().to_string())
    }

    /// A hash of what decides these images: the data set, which of its images, their correct
    /// classes, size and corruption, and the length and time of each file. It does not read
    /// all pixels.
    ///
    /// # Errors
    /// As for [`Split::data_set`].
    pub fn fingerprint(&self) -> Result<String> {
        let mut hasher = blake3::Hasher::new();
        let what = (self.data_set()?, self.fit, &self.condition);
        hasher.update(format!("{what:?}").as_bytes());
        for &position in self.chosen.iter() {
            let file = self.source.stamp(position)?;
            let image = (position, self.source.correct(position), file);
            hasher.update(format!("{image:?}").as_bytes());
        }
        Ok(hasher.finalize().to_hex().to_string())
    }

    pub(super) fn source(&self) -> &dyn Source {
        &*self.source
    }

    /// Where in the source the images of this split are.
    pub(super) fn positions(&self) -> impl Iterator<Item = usize> {
        self.chosen.iter().copied()
    }

    /// The same choice from another source, which has the same labels and shows a corruption; its
    /// images have the size of the split.
    pub(super) fn with_source(&self, source: Arc<dyn Source>, condition: Condition) -> Split {
        Split {
            source,
            condition: Some(Arc::new(condition)),
            fit: Fit::Native {
                width: self.width(),
                height: self.height(),
            },
            corrupting: None,
            ..self.clone()
        }
    }

    pub(super) fn shared_source(&self) -> Arc<dyn Source> {
        self.source.clone()
    }

    /// The same images from another source that has them.
    pub(super) fn through(&self, source: Arc<dyn Source>) -> Split {
        Split {
            source,
            ..self.clone()
        }
    }

    fn corrupt(&self, image: Image, position: usize) -> Result<Image> {
        match &self.corrupting {
            Some(corrupting) => corrupting.apply(&image, position as u64),
            None => Ok(image),
        }
    }

    /// `n` of the images, as many from each class as its size allows, chosen by the seed of
    /// the data set and kept in order.
    ///
    /// # Errors
    /// `Invalid` when there are fewer than `n`.
    pub fn take(&self, n: usize) -> Result<Split> {
        self.check_present()?;
        ensure!(
            n <= self.len(),
            "a limit may be at most the number of images, which is {} in `{}`, got {n}",
            self.len(),
            self.name
        );
        let mut by_class = vec![Vec::new(); self.classes];
        for &position in self.chosen.iter() {
            by_class[self.source.label(position) as usize].push(position);
        }
        for (class, members) in by_class.iter_mut().enumerate() {
            members.shuffle(&mut seed::generator(self.seed, "limit", &[class as u64]));
        }
        // One from each class in turn, in an order of classes that favours none in particular,
        // until there are enough.
        by_class.shuffle(&mut seed::generator(self.seed, "limit", &[]));
        let mut kept = Vec::with_capacity(n);
        for round in 0.. {
            if kept.len() == n {
                break;
            }
            let next = by_class.iter().filter_map(|members| members.get(round));
            kept.extend(next.take(n - kept.len()));
        }
        kept.sort_unstable();
        Ok(Split {
            chosen: kept.into(),
            ..self.clone()
        })
    }

    /// The images in batches, decoded ahead of use.
    ///
    /// # Errors
    /// `Invalid` for options out of range, or when the split has no images.
    pub fn batches(&self, options: BatchOptions) -> Result<Batches> {
        self.check_present()?;
        Batches::start(self.clone(), options)
    }

    fn check_present(&self) -> Result<()> {
        if let Some(reason) = &self.absence {
            bail!("there are no `{}` images: {reason}", self.name);
        }
        Ok(())
    }

    fn position(&self, index: usize) -> Result<usize> {
        self.check_present()?;
        let position = self.chosen.get(index).copied();
        position.ok_or_else(|| {
            let (n, name) = (self.len(), self.name);
            Error::invalid(format!(
                "an index must be below the number of images, which is {n} in `{name}`, got \
                 {index}"
            ))
        })
    }
}

impl fmt::Debug for Split {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Split")
            .field("name", &self.name)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// The source of a split without images.
struct Nothing;

impl Source for Nothing {
    fn len(&self) -> usize {
        0
    }

    fn label(&self, index: usize) -> i64 {
        unreachable!("no split has chosen image {index} of nothing")
    }

    fn load(&self, index: usize) -> Result<Image> {
        unreachable!("no split has chosen image {index} of nothing")
    }

    fn describe(&self, index: usize) -> String {
        unreachable!("no split has chosen image {index} of nothing")
    }

    fn is_in_memory(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::Numbers;
    use crate::data::{Corruption, Frost};

    fn split(labels: Vec<i64>) -> Split {
        Numbers::split(labels)
    }

    fn count(split: &Split, class: i64) -> usize {
        split.labels().iter().filter(|&&it| it == class).count()
    }

    #[test]
    fn a_limit_changes_nothing_in_what_a_corruption_draws() {
        let all = split((0..40).map(|i| i % 4).collect());
        let fog = || {
            let frost = Frost::generated(0);
            Corrupting::new(Corruption::GaussianNoise, 3, None, 7, frost).unwrap()
        };
        let noisy = all.corrupted(fog());
        let some = noisy.take(8).unwrap();
        let of = |split: &Split, index: usize| split.image(index).unwrap();
        for index in 0..some.len() {
            let position = some.chosen[index];
            assert_eq!(of(&some, index), of(&noisy, position));
            assert_ne!(of(&some, index), of(&all, position));
        }
        let (again, other) = (all.corrupted(fog()), noisy.corrupted(fog()));
        assert_eq!(of(&again, 3), of(&noisy, 3));
        assert_eq!(of(&other, 3), of(&noisy, 3));
        assert!(!noisy.is_in_memory());
    }

    #[test]
    fn a_limit_takes_as_many_of_each_class() {
        let labels: Vec<i64> = (0..100).map(|i| i % 4).collect();
        let some = split(labels).take(20).unwrap();
        assert_eq!(some.len(), 20);
        for class in 0..4 {
            assert_eq!(count(&some, class), 5);
        }
        assert!(some.chosen.is_sorted());
        let uneven = some.take(6).unwrap();
        for class in 0..4 {
            assert!((1..=2).contains(&count(&uneven, class)));
        }
    }

    #[test]
    fn a_small_class_leaves_its_share_to_the_others() {
        let labels = [vec![0; 50], vec![1; 3]].concat();
        let some = split(labels).take(20).unwrap();
        assert_eq!((count(&some, 0), count(&some, 1)), (17, 3));
    }

    #[test]
    fn a_limit_is_the_same_every_time_and_another_for_another_seed() {
        let labels: Vec<i64> = (0..100).map(|i| i / 50).collect();
        let one = split(labels.clone()).take(10).unwrap();
        let again = split(labels.clone()).take(10).unwrap();
        assert_eq!(one.chosen, again.chosen);
        let mut other = split(labels);
        other.seed = 1;
        assert_ne!(one.chosen, other.take(10).unwrap().chosen);
        // A larger limit keeps the images of the smaller one.
        let more = split((0..100).map(|i| i / 50).collect()).take(20).unwrap();
        assert!(one.chosen.iter().all(|it| more.chosen.contains(it)));
    }

    #[test]
    fn what_is_not_there_is_said() {
        let some = split(vec![0, 1]);
        let error = some.take(3).unwrap_err().to_string();
        assert!(error.ends_with("which is 2 in `train`, got 3"), "{error}");
        assert!(some.label(2).unwrap_err().to_string().ends_with("got 2"));

        let none = Split::absent("train", some.fit, "it has only `val`".to_owned());
        assert!(none.is_empty() && none.labels().is_empty());
        for error in [
            none.take(0).unwrap_err(),
            none.image(0).unwrap_err(),
            none.batches(BatchOptions::default()).err().unwrap(),
        ] {
            let expected = "there are no `train` images: it has only `val`";
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn without_more_the_label_is_the_correct_one() {
        let some = split(vec![3, 1]);
        assert!(!some.has_several_correct());
        assert_eq!(some.correct(0).unwrap(), [3]);
    }
}
