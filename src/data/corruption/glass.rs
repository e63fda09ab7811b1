//! A view through frosted glass: blurred, shuffled within a small reach, blurred again.

use super::Setting;
use super::field::{Field, image as new_image};
use super::gaussian::{Border, smooth};
use crate::data::image::Image;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

pub(super) fn glass_blur(image: &Image, setting: Setting, random: &mut ChaCha8Rng) -> Image {
    let (sigma, reach, passes) = setting.pick(
        [
            (0.7, 1, 2),
            (0.9, 2, 1),
            (1.0, 2, 3),
            (1.1, 3, 2),
            (1.5, 4, 2),
        ],
        [
            (0.05, 1, 1),
            (0.25, 1, 1),
            (0.4, 1, 1),
            (0.25, 1, 2),
            (0.4, 1, 2),
        ],
    );
    let blurred =
        |image: &Image| smooth(&Field::of(image), (sigma, sigma), 4.0, Border::Nearest).to_image();
    let (width, height) = (image.width(), image.height());
    let mut pixels = blurred(image).pixels().to_vec();
    let shift = |at: usize, random: &mut ChaCha8Rng| at + random.random_range(0..2 * reach) - reach;
    for _ in 0..passes {
        for y in (reach + 1..=height.saturating_sub(reach)).rev() {
            for x in (reach + 1..=width.saturating_sub(reach)).rev() {
                let from_x = shift(x, random);
                let from_y = shift(y, random);
                // The scripts mean to swap the two, but numpy's tuple assignment of two views
                // overwrites itself: it is a copy, and the benchmark was made with it.
                let from = 3 * (from_y * width + from_x);
                pixels.copy_within(from..from + 3, 3 * (y * width + x));
            }
        }
    }
    blurred(&new_image(width, height, pixels))
}
