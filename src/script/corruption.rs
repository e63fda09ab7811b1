//! The domain `corruption`: the corruptions of ImageNet-C.

use super::data::Split;
use super::host::Host;
use super::{RhaiResultOf, options};
use crate::Result;
use crate::data::{self, Corrupting, Corruption, Frost, Image, Variant};
use crate::metrics;
use crate::torch::Tensor;
use rhai::plugin::*;
use rhai::{Array, Map};
use serde::Deserialize;

pub fn module() -> Module {
    rhai::exported_module!(functions)
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Options {
    pub variant: Option<Variant>,
    pub seed: Option<u64>,
    pub frost: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ForImages {
    first: u64,
    variant: Option<Variant>,
    seed: Option<u64>,
    frost: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ForSplit {
    folder: Option<String>,
    variant: Option<Variant>,
    seed: Option<u64>,
    frost: Option<String>,
}

pub(super) fn corrupting(
    context: &NativeCallContext,
    name: &str,
    severity: i64,
    options: Options,
) -> Result<Corrupting> {
    let host = Host::of(context);
    let seed = options.seed.unwrap_or(host.seed());
    let frost = match options.frost {
        None => Frost::generated(seed),
        Some(folder) => Frost::from_folder(&host.folder(&folder)?)?,
    };
    Corrupting::new(
        name.parse::<Corruption>()?,
        severity,
        options.variant,
        seed,
        frost,
    )
}

fn names(corruptions: &[Corruption]) -> Array {
    corruptions.iter().map(|it| it.name().into()).collect()
}

/// Images as an evaluation under common corruptions sees them.
#[export_module]
pub mod functions {
    /// The names of the 15 corruptions of ImageNet-C, in its order.
    ///
    /// ```rhai
    /// assert(corruptions().len() == 15 && corruptions()[0] == "gaussian_noise");
    /// ```
    pub fn corruptions() -> Array {
        names(Corruption::BENCHMARK)
    }

    /// The names of the 4 corruptions that ImageNet-C sets aside for validation.
    ///
    /// ```rhai
    /// assert("spatter" in extra_corruptions());
    /// ```
    pub fn extra_corruptions() -> Array {
        names(&Corruption::ALL[Corruption::BENCHMARK.len()..])
    }

    /// Corrupted images, as ImageNet-C's and CIFAR-10-C's: shaped like `images`, 8-bit values.
    ///
    /// - `images`: `[3, h, w]` or `[n, 3, h, w]`, in [0, 1]; rounded to 8 bits first
    /// - `name`: one of `corruptions()` or `extra_corruptions()`
    /// - `severity`: 1 to 5
    /// - `variant` (default by the size, `"cifar"` up to 64 pixels): whose parameters;
    ///   `"imagenet_c"` and `"cifar"` are the scripts that made ImageNet-C and CIFAR-10-C,
    ///   `"imagecorruptions"` is the Python package
    /// - `seed` (default the run's): of what is drawn
    /// - `first` (default 0): the number of the first image; each draws by its own number
    /// - `frost` (default none): a folder with the pictures of frost of ImageNet-C, `frost1.png`
    ///   to `frost5.jpg`; without it crystals are drawn, whose errors are not those published
    ///
    /// Errors: an unknown name; a severity out of range; images outside of [0, 1].
    ///
    /// Source: Hendrycks & Dietterich 2019, <https://arxiv.org/abs/1903.12261>, section 4.1.
    ///
    /// ```rhai
    /// let images = full([2, 3, 32, 32], 0.5);
    /// let foggy = corrupt(images, "fog", 3);
    /// assert(foggy.shape == images.shape && !foggy.equal(images));
    /// assert(corrupt(images[1], "fog", 3, #{ first: 1 }).equal(foggy[1]));
    /// ```
    #[rhai_fn(name = "corrupt", return_raw)]
    pub fn corrupt(
        context: NativeCallContext,
        images: Tensor,
        name: &str,
        severity: i64,
    ) -> RhaiResultOf<Tensor> {
        corrupt_with(context, images, name, severity, Map::new())
    }

    #[rhai_fn(name = "corrupt", return_raw)]
    pub fn corrupt_with(
        context: NativeCallContext,
        images: Tensor,
        name: &str,
        severity: i64,
        options: Map,
    ) -> RhaiResultOf<Tensor> {
        let given: ForImages = options::read("corrupt", options)?;
        let options = Options {
            variant: given.variant,
            seed: given.seed,
            frost: given.frost,
        };
        let corrupting = corrupting(&context, name, severity, options)?;
        let shape = images.shape();
        if !matches!(shape[..], [3, _, _] | [_, 3, _, _]) {
            let given = images.signature();
            return Err(format!("`images` must be [3, h, w] or [n, 3, h, w], got {given}").into());
        }
        let pictures = data::images("images", &images)?;
        let corrupted = (given.first..)
            .zip(&pictures)
            .map(|(number, image)| corrupting.apply(image, number))
            .collect::<Result<Vec<Image>>>()?;
        Ok(data::batch(&corrupted)?.reshape(&shape)?.to_like(&images)?)
    }

    /// The same images under a corruption, made when they are read, after they were brought to
    /// their size.
    ///
    /// Labels and order stay. What an image draws depends on its place in the whole data set:
    /// limits and batch sizes change nothing.
    ///
    /// - `name`, `severity`: as for `corrupt`
    /// - `variant`, `seed`, `frost`: as for `corrupt`
    /// - `folder` (default none, they are made): where the corrupted images lie: ImageNet-C's
    ///   `<corruption>/<severity>/<class>/`, as it is or below `noise`, `blur` and so on, or the
    ///   arrays `<corruption>.npy` and `labels.npy` of CIFAR-10-C and CIFAR-100-C. They are not
    ///   resized
    ///
    /// Errors: a folder without the corruption, a class or an image; labels or sizes that are not
    /// those of the split.
    ///
    /// ```rhai
    /// let test = dataset("shapes", #{ test: 20 }).test;
    /// let noisy = test.corrupted("gaussian_noise", 5);
    /// assert(noisy.len() == 20 && noisy.label(3) == test.label(3));
    /// assert(!noisy.image(3).equal(test.image(3)));
    /// assert(noisy.take(10).batch(10).x.shape == [10, 3, 32, 32]);
    /// ```
    #[rhai_fn(name = "corrupted", return_raw)]
    pub fn corrupted(
        context: NativeCallContext,
        split: Split,
        name: &str,
        severity: i64,
    ) -> RhaiResultOf<Split> {
        corrupted_with(context, split, name, severity, Map::new())
    }

    #[rhai_fn(name = "corrupted", return_raw)]
    pub fn corrupted_with(
        context: NativeCallContext,
        split: Split,
        name: &str,
        severity: i64,
        options: Map,
    ) -> RhaiResultOf<Split> {
        let given: ForSplit = options::read("corrupted", options)?;
        let Some(folder) = given.folder else {
            let options = Options {
                variant: given.variant,
                seed: given.seed,
                frost: given.frost,
            };
            return Ok(split.corrupted(corrupting(&context, name, severity, options)?));
        };
        let host = Host::of(&context);
        let which = (name.parse()?, data::severity(severity)?);
        Ok(split.stored(&host.folder(&folder)?, which)?)
    }

    /// Errors under corruptions, the 15 of ImageNet-C or some of them, as a map: `mce`,
    /// `relative_mce`, `mean_error`, `by_severity`, `missing`, `extra`, and for each of
    /// `corruptions` its `name`, `errors`, `mean_error`, `ce`, `relative_ce`.
    ///
    /// `ce` divides by AlexNet's mean error under the corruption, `relative_ce` what it adds to
    /// the clean error by what it adds to AlexNet's. The means are over those of the 15 that were
    /// given; `()` where there is none.
    ///
    /// - `errors`: for each name the five errors, severity 1 first, as fractions
    /// - `clean_error`: of the same model
    ///
    /// Source: Hendrycks & Dietterich 2019, <https://arxiv.org/abs/1903.12261>, section 4.
    ///
    /// ```rhai
    /// let result = corruption_table(#{ fog: [0.1, 0.2, 0.3, 0.4, 0.5] }, 0.1);
    /// assert_close(result.mean_error, 0.3, 1e-12);
    /// assert_close(result.mce, 0.3 / 0.819324, 1e-12);
    /// assert_close(result.relative_mce, 0.2 / (0.819324 - 0.43478), 1e-12);
    /// assert(result.missing.len() == 14);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn corruption_table(errors: Map, clean_error: f64) -> RhaiResultOf<Dynamic> {
        let rows = errors.iter().map(|(name, row)| {
            let row = fractions(name, row)?;
            Ok((name.to_string(), row))
        });
        let rows = rows.collect::<Result<Vec<_>>>()?;
        rhai::serde::to_dynamic(metrics::corruption_table(&rows, Some(clean_error))?)
    }

    /// The mean corruption error of ImageNet-C, and the plain mean beside it; a map of both and
    /// of the errors by corruption, as fractions.
    ///
    /// `mce` divides the mean error under each corruption by AlexNet's and is the mean of the 15;
    /// AlexNet's were measured on ImageNet at 224 pixels and mean nothing elsewhere. `mean_error`
    /// is the mean of all errors as they are, which some papers call mCE, too.
    ///
    /// - `errors`: for each of `corruptions()` the five errors, severity 1 first
    ///
    /// Source: Hendrycks & Dietterich 2019, <https://arxiv.org/abs/1903.12261>, section 4.2.
    ///
    /// ```rhai
    /// let errors = #{};
    /// for name in corruptions() { errors[name] = [0.5, 0.5, 0.5, 0.5, 0.5]; }
    /// let result = mean_corruption_error(errors);
    /// assert(result.mean_error == 0.5);
    /// assert(result.mce > 0.6 && result.mce < 0.7);
    /// assert(result.by_corruption.fog > 0.61);
    /// ```
    #[rhai_fn(return_raw)]
    pub fn mean_corruption_error(errors: Map) -> RhaiResultOf<Map> {
        let rows: Vec<Vec<f64>> = rows(errors)?;
        let result = metrics::mean_corruption_error(&rows)?;
        let each = Corruption::BENCHMARK.iter().zip(result.by_corruption);
        let by_corruption: Map = each
            .map(|(it, error)| (it.name().into(), error.into()))
            .collect();
        Ok(Map::from([
            ("mce".into(), result.mce.into()),
            ("mean_error".into(), result.mean_error.into()),
            ("by_corruption".into(), by_corruption.into()),
        ]))
    }
}

/// The rows of a map in the order of the benchmark.
pub fn rows(mut errors: Map) -> Result<Vec<Vec<f64>>> {
    let rows = Corruption::BENCHMARK.iter().map(|corruption| {
        let name = corruption.name();
        let Some(row) = errors.remove(name) else {
            bail!("`errors` must have all 15 corruptions, `{name}` is missing");
        };
        fractions(name, &row)
    });
    let rows = rows.collect::<Result<Vec<_>>>()?;
    if let Some(name) = errors.keys().next() {
        let name: Corruption = name.parse()?;
        bail!("`errors`: {name} is none of the 15 corruptions of the benchmark");
    }
    Ok(rows)
}

fn fractions(name: &str, row: &Dynamic) -> Result<Vec<f64>> {
    rhai::serde::from_dynamic(row)
        .map_err(|_| crate::Error::invalid(format!("`errors.{name}` must be an array of floats")))
}
