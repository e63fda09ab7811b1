//! Frost on the pane: a picture of it is laid over the image.

use super::field::{image as new_image, nearest};
use super::{Setting, Variant, texture};
use crate::data::decode::read_image;
use crate::data::image::Image;
use crate::files::Folder;
use crate::{Result, seed};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::OnceLock;

/// The pictures that the scripts draw from. There is a sixth, `frost6.jpg`, but they never
/// draw it.
const FILES: [&str; 5] = [
    "frost1.png",
    "frost2.png",
    "frost3.png",
    "frost4.jpg",
    "frost5.jpg",
];

/// Where frost comes from; with the seed of a run it decides the results, so it is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrostSource {
    /// Crystals drawn by this program from a seed: no published numbers stand behind them.
    Generated { seed: u64 },
    /// The pictures of ImageNet-C, `frost1.png` to `frost5.jpg`, in this folder.
    Folder { path: PathBuf },
}

/// Five pictures of frost.
#[derive(Debug)]
pub struct Frost {
    source: FrostSource,
    pictures: [OnceLock<Image>; 5],
}

impl Frost {
    /// Textures drawn from `seed`, each when it is first needed.
    pub fn generated(seed: u64) -> Frost {
        Frost {
            source: FrostSource::Generated { seed },
            pictures: Default::default(),
        }
    }

    /// The pictures in `folder`, under the names they have in `hendrycks/robustness`.
    ///
    /// # Errors
    /// `Invalid` with the file that is missing or cannot or may not be read.
    pub fn from_folder(folder: &Folder) -> Result<Frost> {
        let pictures: [OnceLock<Image>; 5] = Default::default();
        for (picture, name) in pictures.iter().zip(FILES) {
            let read = read_image(&folder.file(name)?)?;
            picture.get_or_init(|| read);
        }
        Ok(Frost {
            source: FrostSource::Folder {
                path: folder.real().to_owned(),
            },
            pictures,
        })
    }

    pub fn source(&self) -> &FrostSource {
        &self.source
    }

    fn picture(&self, number: usize) -> &Image {
        self.pictures[number].get_or_init(|| match self.source {
            FrostSource::Generated { seed } => {
                let mut random = seed::generator(seed, "frost", &[number as u64]);
                texture::draw(number, &mut random)
            }
            FrostSource::Folder { .. } => unreachable!("pictures of a folder are read at once"),
        })
    }
}

pub(super) fn frost(
    image: &Image,
    setting: Setting,
    frost: &Frost,
    random: &mut ChaCha8Rng,
) -> Image {
    let (kept, added) = setting.pick(
        [(1.0, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)],
        [
            (1.0, 0.2),
            (1.0, 0.3),
            (0.9, 0.4),
            (0.85, 0.4),
            (0.75, 0.45),
        ],
    );
    let picture = frost.picture(random.random_range(0..FILES.len()));
    let (width, height) = (image.width(), image.height());
    let scale = Scale::new(setting.variant, picture, width, height);
    let mut start = |length: usize, needed: usize| random.random_range(0..=length - needed);
    let top = start(scale.height, height);
    let left = start(scale.width, width);
    let ice = scale.crop(picture, left, top, width, height);
    let pixels = image.pixels().iter().zip(ice);
    let pixels =
        pixels.map(|(&pixel, ice)| (kept * f64::from(pixel) + added * f64::from(ice)) as u8);
    new_image(width, height, pixels.collect())
}

/// How a picture of frost is resized before a part of it is taken.
struct Scale {
    /// The size afterwards.
    width: usize,
    height: usize,
    /// Pixels of the picture for one pixel of the result.
    step: (f64, f64),
}

impl Scale {
    /// Each variant resizes as its script does, and all enlarge what would be too small.
    fn new(variant: Variant, picture: &Image, width: usize, height: usize) -> Scale {
        let (across, down) = (picture.width() as f64, picture.height() as f64);
        let needed = (width as f64 / across).max(height as f64 / down).max(1.0);
        let factor = match variant {
            Variant::ImagenetC => needed,
            Variant::Imagecorruptions => 1.1 * needed,
            Variant::Cifar => (0.2_f64)
                .max(width as f64 / across)
                .max(height as f64 / down),
        };
        let scaled = |length: f64, needed: usize| match variant {
            Variant::Cifar => ((length * factor).round_ties_even() as usize).max(needed),
            _ => ((length * factor).ceil() as usize).max(needed),
        };
        let size = (scaled(across, width), scaled(down, height));
        Scale {
            width: size.0,
            height: size.1,
            step: match variant {
                Variant::Cifar => (1.0 / factor, 1.0 / factor),
                _ => (across / size.0 as f64, down / size.1 as f64),
            },
        }
    }

    /// The bytes of a part of the resized `picture`, by cubic interpolation as OpenCV does it;
    /// where a pixel of the result is the middle of one of the picture, it is that one.
    fn crop(
        &self,
        picture: &Image,
        left: usize,
        top: usize,
        width: usize,
        height: usize,
    ) -> Vec<u8> {
        let columns: Vec<_> = (left..left + width)
            .map(|x| cubic(x, self.step.0, picture.width()))
            .collect();
        let across = |y: usize| -> Vec<f32> {
            let (pixels, _) = picture.row(y).as_chunks::<3>();
            let seen = columns.iter().flat_map(|taps| {
                [0, 1, 2].map(|channel| {
                    let terms = taps.iter().map(|(x, w)| w * f32::from(pixels[*x][channel]));
                    terms.sum::<f32>()
                })
            });
            seen.collect()
        };
        // Rows of the picture, each made when it is first seen.
        let mut rows: Vec<Option<Vec<f32>>> = vec![None; picture.height()];
        let mut bytes = Vec::with_capacity(3 * width * height);
        for y in top..top + height {
            let mut sums = vec![0.0_f32; 3 * width];
            for (row, weight) in cubic(y, self.step.1, picture.height()) {
                if weight == 0.0 {
                    continue;
                }
                let row = rows[row].get_or_insert_with(|| across(row));
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += weight * *value;
                }
            }
            bytes.extend(sums.iter().map(|it| it.round() as u8));
        }
        bytes
    }
}

/// The four of `n` positions, and their weights, that make number `i` of a row in which each
/// stands for `step` of them.
fn cubic(i: usize, step: f64, n: usize) -> [(usize, f32); 4] {
    const A: f64 = -0.75;
    let position = (i as f64 + 0.5) * step - 0.5;
    let first = position.floor();
    let share = position - first;
    let near = |d: f64| ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0;
    let far = |d: f64| ((A * d - 5.0 * A) * d + 8.0 * A) * d - 4.0 * A;
    let weights = [
        far(1.0 + share),
        near(share),
        near(1.0 - share),
        far(2.0 - share),
    ];
    let place = |j: usize| nearest(first as isize + j as isize - 1, n);
    [0, 1, 2, 3].map(|j| (place(j), weights[j] as f32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::image::write_png;

    #[test]
    fn whole_pixels_are_taken_as_they_are() {
        let picture = Image::from_fn(60, 50, |x, y| [x as u8, y as u8, 9]).unwrap();
        let scale = Scale::new(Variant::ImagenetC, &picture, 20, 20);
        assert_eq!((scale.width, scale.height), (60, 50));
        assert_eq!(scale.crop(&picture, 7, 3, 2, 1), [7, 3, 9, 8, 3, 9]);
        // A fifth: the middle one of every five.
        let scale = Scale::new(Variant::Cifar, &picture, 10, 10);
        assert_eq!((scale.width, scale.height), (12, 10));
        assert_eq!(scale.crop(&picture, 1, 2, 2, 1), [7, 12, 9, 12, 12, 9]);
        // Too small a picture is enlarged to cover the image.
        let scale = Scale::new(Variant::Imagecorruptions, &picture, 90, 100);
        assert_eq!((scale.width, scale.height), (132, 111));
    }

    #[test]
    fn a_folder_needs_the_five_pictures() {
        let folder = tempfile::tempdir().unwrap();
        let picture = Image::from_fn(40, 40, |_, _| [100, 110, 120]).unwrap();
        for name in &FILES[..4] {
            // The content decides what kind of file it is.
            write_png(&folder.path().join(name), &picture).unwrap();
        }
        let open = || Frost::from_folder(&Folder::open(folder.path()).unwrap());
        let error = open().unwrap_err().to_string();
        assert!(
            error.ends_with("frost5.jpg: there is no such file or folder"),
            "{error}"
        );
        write_png(&folder.path().join(FILES[4]), &picture).unwrap();
        let pictures = open().unwrap();

        let image = Image::from_fn(30, 20, |_, _| [10, 20, 200]).unwrap();
        let setting = Setting {
            severity: 2,
            variant: Variant::ImagenetC,
        };
        let mut random = seed::generator(0, "test", &[]);
        let frosted = frost(&image, setting, &pictures, &mut random);
        // 0.8 of the image and 0.6 of the picture, cut.
        assert_eq!(frosted.pixels()[..3], [68, 82, 232]);
    }
}
