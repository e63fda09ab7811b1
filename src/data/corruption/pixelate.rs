//! Fewer, larger pixels.

use super::Setting;
use super::field::image as new_image;
use crate::data::image::Image;
use crate::data::resize::resize_box;

pub(super) fn pixelate(image: &Image, setting: Setting) -> Image {
    let factor = setting.pick([0.6, 0.5, 0.4, 0.3, 0.25], [0.95, 0.9, 0.85, 0.75, 0.65]);
    let (width, height) = (image.width(), image.height());
    let fewer = |length: usize| ((length as f64 * factor) as usize).max(1);
    let small = resize_box(image, fewer(width), fewer(height));
    if setting.is_package() {
        return enlarge(&small, width, height);
    }
    resize_box(&small, width, height)
}

/// Pillow's `resize(size, NEAREST)`.
fn enlarge(image: &Image, width: usize, height: usize) -> Image {
    let columns = seen_positions(image.width(), width);
    let pixels = seen_positions(image.height(), height)
        .into_iter()
        .flat_map(|y| {
            columns
                .iter()
                .flat_map(move |x| &image.row(y)[3 * x..3 * x + 3])
        });
    new_image(width, height, pixels.copied().collect())
}

/// Which of `from` positions each of `to` shows. Pillow adds up a running sum: where a position
/// falls between two pixels, its rounding errors decide.
fn seen_positions(from: usize, to: usize) -> Vec<usize> {
    let step = from as f64 / to as f64;
    let mut position = step * 0.5;
    let mut positions = Vec::with_capacity(to);
    for _ in 0..to {
        positions.push((position as usize).min(from - 1));
        position += step;
    }
    positions
}
