//! From a decoded picture to the pixels of a data set: torchvision's transforms.

use super::image::Image;
use super::part::{Part, Window};
use super::resize::{Interpolation, Resizing};
use crate::Result;
use rand::Rng;

/// Up to this side images count as small: they are cut to size without the margin that
/// torchvision leaves around photographs, and augmented by shifts instead of zooms.
pub(super) const SMALL: usize = 64;

/// How far a random shift goes, in pixels.
const PADDING: usize = 4;

/// How the images of a data set come to their common size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// They have this size already; any other is an error.
    Native { width: usize, height: usize },
    /// Resized and cut to a square with this side.
    Square {
        side: usize,
        interpolation: Interpolation,
    },
}

/// What is done to a picture of a certain size.
pub(super) struct Recipe {
    /// `None`: it has its size.
    resizing: Option<Resizing>,
    whole: Window,
    shift: (isize, isize),
    /// Whether the image is mirrored, left to right; one that is resized is mirrored by that.
    flip: bool,
}

impl Fit {
    pub fn width(self) -> usize {
        match self {
            Fit::Native { width, .. } => width,
            Fit::Square { side, .. } => side,
        }
    }

    pub fn height(self) -> usize {
        match self {
            Fit::Native { height, .. } => height,
            Fit::Square { side, .. } => side,
        }
    }

    /// How an image of `width` x `height` is tested: a native one as it is, a photograph through
    /// torchvision's `Resize(256 * side / 224)` and `CenterCrop(side)`, a small one with the same
    /// centre crop but no margin.
    ///
    /// # Errors
    /// `Invalid` when a native image has another size.
    pub fn test(self, (width, height): (usize, usize)) -> Result<Recipe> {
        let resizing = match self {
            Fit::Native {
                width: wanted_width,
                height: wanted_height,
            } => {
                ensure!(
                    (width, height) == (wanted_width, wanted_height),
                    "the images of this data set are {wanted_width} x {wanted_height}, got \
                     {width} x {height}; the option `size` brings all to one size"
                );
                None
            }
            Fit::Square {
                side,
                interpolation,
            } => {
                let margin = if side > SMALL { 256 * side / 224 } else { side };
                Some(resize_and_cut((width, height), margin, side, interpolation))
            }
        };
        Ok(Recipe {
            resizing,
            whole: Window::whole(width, height),
            shift: (0, 0),
            flip: false,
        })
    }

    /// How an image of that size is trained on: for photographs torchvision's
    /// `RandomResizedCrop(side)`, for small images `RandomCrop(size, padding=4)`; both with
    /// `RandomHorizontalFlip()`.
    ///
    /// # Errors
    /// As `test`.
    pub fn train(self, size: (usize, usize), random: &mut impl Rng) -> Result<Recipe> {
        let mut recipe = match self {
            Fit::Square {
                side,
                interpolation,
            } if side > SMALL => {
                let (width, height) = size;
                let part = random_part(width, height, random);
                let all = Window::whole(side, side);
                Recipe {
                    resizing: Some(Resizing::new(interpolation, part, (side, side), all)),
                    whole: Window::whole(width, height),
                    shift: (0, 0),
                    flip: false,
                }
            }
            _ => {
                let mut shift = || random.random_range(0..=2 * PADDING) as isize - PADDING as isize;
                Recipe {
                    shift: (shift(), shift()),
                    ..self.test(size)?
                }
            }
        };
        if random.random() {
            match &mut recipe.resizing {
                Some(resizing) if recipe.shift == (0, 0) => resizing.mirror(),
                _ => recipe.flip = true,
            }
        }
        Ok(recipe)
    }
}

impl Recipe {
    /// The only part of the picture that the result depends on.
    pub fn needed(&self) -> Window {
        match &self.resizing {
            Some(resizing) => resizing.needed(),
            None => self.whole,
        }
    }

    /// `part` must cover what is needed.
    pub fn make(&self, part: Part) -> Image {
        let image = match &self.resizing {
            Some(resizing) => resizing.apply(&part.view(resizing.needed())),
            None => part.image,
        };
        let image = match self.shift {
            (0, 0) => image,
            (left, top) => {
                let (width, height) = (image.width(), image.height());
                image.crop(left, top, width, height)
            }
        };
        if self.flip { image.flip() } else { image }
    }
}

/// torchvision's `Resize(shorter)` followed by `CenterCrop(side)`.
fn resize_and_cut(
    (width, height): (usize, usize),
    shorter: usize,
    side: usize,
    interpolation: Interpolation,
) -> Resizing {
    let whole = Window::whole(width, height);
    let longer = |long: usize, short: usize| ((shorter * long) as f64 / short as f64) as usize;
    let (width, height) = if width <= height {
        (shorter, longer(height, width))
    } else {
        (longer(width, height), shorter)
    };
    // Python's `round` takes a half to the even neighbour.
    let start = |length: usize| ((length - side) as f64 / 2.0).round_ties_even() as usize;
    let window = Window {
        left: start(width),
        top: start(height),
        width: side,
        height: side,
    };
    Resizing::new(interpolation, whole, (width, height), window)
}

/// The part that torchvision's `RandomResizedCrop` takes: 8 % to 100 % of the area, sides in a
/// ratio of 3:4 to 4:3, and after ten draws that do not fit the largest part in that range.
fn random_part(width: usize, height: usize, random: &mut impl Rng) -> Window {
    const RATIO: [f64; 2] = [3.0 / 4.0, 4.0 / 3.0];
    let area = (width * height) as f64;
    for _ in 0..10 {
        let target = area * random.random_range(0.08..=1.0);
        let ratio = random.random_range(RATIO[0].ln()..=RATIO[1].ln()).exp();
        let part_width = (target * ratio).sqrt().round_ties_even() as usize;
        let part_height = (target / ratio).sqrt().round_ties_even() as usize;
        if (1..=width).contains(&part_width) && (1..=height).contains(&part_height) {
            return Window {
                top: random.random_range(0..=height - part_height),
                left: random.random_range(0..=width - part_width),
                width: part_width,
                height: part_height,
            };
        }
    }
    let ratio = (width as f64 / height as f64).clamp(RATIO[0], RATIO[1]);
    let part_width = width.min((height as f64 * ratio).round_ties_even() as usize);
    let part_height = height.min((width as f64 / ratio).round_ties_even() as usize);
    Window {
        left: (width - part_width) / 2,
        top: (height - part_height) / 2,
        width: part_width.max(1),
        height: part_height.max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::{fingerprint, pattern};
    use crate::seed;

    fn square(side: usize) -> Fit {
        Fit::Square {
            side,
            interpolation: Interpolation::Bilinear,
        }
    }

    impl Fit {
        fn apply(self, image: Image) -> Result<Image> {
            let size = (image.width(), image.height());
            Ok(self.test(size)?.make(image.into()))
        }

        fn augment(self, image: Image, random: &mut impl Rng) -> Result<Image> {
            let size = (image.width(), image.height());
            Ok(self.train(size, random)?.make(image.into()))
        }
    }

    /// `CenterCrop(side)(Resize(256 * side / 224)(image))` of torchvision, computed with
    /// Pillow 11.0.0 by `tests/images/make.py`.
    #[test]
    fn the_test_transform_is_torchvisions() {
        for (size, side, expected) in KNOWN_FINGERPRINTS {
            let image = square(side).apply(pattern(size.0, size.1)).unwrap();
            assert_eq!((image.width(), image.height()), (side, side));
            assert_eq!(fingerprint(image.pixels()), expected, "{size:?} to {side}");
        }
    }

    const KNOWN_FINGERPRINTS: [((usize, usize), usize, u64); 4] = [
        ((300, 200), 224, 0x5f8f_72bc_43fe_39ef),
        ((131, 257), 96, 0x69c7_3755_6c89_dcc9),
        ((90, 75), 32, 0xe185_25d1_9af8_8f09),
        ((40, 51), 70, 0x3fdd_d93e_4afe_e82b),
    ];

    #[test]
    fn a_native_image_stays_as_it_is() {
        let fit = Fit::Native {
            width: 6,
            height: 4,
        };
        assert_eq!(fit.apply(pattern(6, 4)).unwrap(), pattern(6, 4));
        let error = fit.apply(pattern(4, 6)).unwrap_err().to_string();
        assert!(
            error.contains("are 6 x 4, got 4 x 6; the option `size`"),
            "{error}"
        );
        // A small square that has the size already is not touched either.
        assert_eq!(square(20).apply(pattern(20, 20)).unwrap(), pattern(20, 20));
    }

    #[test]
    fn a_small_image_is_shifted_and_flipped() {
        let image = pattern(12, 12);
        let fit = Fit::Native {
            width: 12,
            height: 12,
        };
        let mut possible = Vec::new();
        for left in -4..=4 {
            for top in -4..=4 {
                let shifted = image.crop(left, top, 12, 12);
                possible.push(shifted.clone().flip());
                possible.push(shifted);
            }
        }
        let mut seen = vec![0; possible.len()];
        for index in 0..3000 {
            let mut random = seed::generator(0, "augment", &[0, index]);
            let augmented = fit.augment(image.clone(), &mut random).unwrap();
            let which = possible.iter().position(|it| *it == augmented).unwrap();
            seen[which] += 1;
        }
        // 18.5 of each on average.
        assert!(seen.iter().all(|count| (1..60).contains(count)), "{seen:?}");
    }

    #[test]
    fn a_random_part_keeps_to_area_and_ratio() {
        let mut random = seed::generator(0, "augment", &[]);
        let mut areas = Vec::new();
        for _ in 0..2000 {
            let part = random_part(400, 300, &mut random);
            assert!(part.left + part.width <= 400 && part.top + part.height <= 300);
            let ratio = part.width as f64 / part.height as f64;
            assert!((0.74..1.35).contains(&ratio), "{part:?}");
            areas.push((part.width * part.height) as f64 / 120_000.0);
        }
        assert!(areas.iter().all(|area| (0.079..1.001).contains(area)));
        let mean = areas.iter().sum::<f64>() / 2000.0;
        // 0.433 by 200,000 draws of the same rule in Python: what does not fit is drawn again.
        assert!((0.42..0.446).contains(&mean), "mean area {mean}");
    }

    #[test]
    fn a_very_long_picture_gives_its_middle() {
        let mut random = seed::generator(0, "augment", &[]);
        let part = random_part(1000, 3, &mut random);
        assert_eq!((part.width, part.height), (4, 3));
        assert_eq!((part.left, part.top), (498, 0));
        let part = random_part(1, 1000, &mut random);
        assert_eq!((part.width, part.height), (1, 1));
        let fit = square(224);
        let image = fit.augment(pattern(1, 500), &mut random).unwrap();
        assert_eq!((image.width(), image.height()), (224, 224));
        assert_eq!(fit.apply(pattern(1, 500)).unwrap().width(), 224);
    }
}
