//! Elastic transforms: every pixel comes from somewhere near, and its neighbours from near
//! there.

use super::field::{Field, cut_single, image as new_image, reflect, reflect_101, unit};
use super::gaussian::{Border, smooth};
use super::{Setting, Variant};
use crate::data::image::Image;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

pub(super) fn elastic_transform(image: &Image, setting: Setting, random: &mut ChaCha8Rng) -> Image {
    let picture = Field {
        values: image.pixels().iter().map(|&it| single(unit(it))).collect(),
        ..Field::of(image)
    };
    if setting.variant == Variant::Imagecorruptions {
        return elastic_of_package(&picture, setting, random);
    }
    // Strength, smoothness and shift in pixels: the scripts' fractions of 244 (they mean 224)
    // and of 32, which images of other sizes are given as well.
    let (alpha, sigma, shift) = setting.pick(
        [
            (488.0, 170.8, 24.4),
            (488.0, 19.52, 48.8),
            (12.2, 2.44, 4.88),
            (17.08, 2.44, 4.88),
            (29.28, 2.44, 4.88),
        ],
        [
            (0.0, 0.0, 2.56),
            (1.6, 6.4, 2.24),
            (2.56, 1.92, 1.92),
            (3.2, 1.28, 1.6),
            (3.2, 0.96, 0.96),
        ],
    );
    let picture = shift_three_points(&picture, shift, random);
    displace(&picture, (sigma, sigma), 1.0, alpha, random)
}

/// Without an affine map, and in proportion to the size of the image.
fn elastic_of_package(picture: &Field, setting: Setting, random: &mut ChaCha8Rng) -> Image {
    let strengths = [12.5, 16.25, 21.25, 25.0, 30.0];
    let alpha = setting.pick(strengths, strengths);
    let (width, height) = (picture.width as f64, picture.height as f64);
    displace(
        picture,
        (0.01 * height, 0.01 * width),
        0.005 * height,
        alpha,
        random,
    )
}

/// Moves each pixel by `alpha` times uniform numbers of at most `reach`, smoothed.
fn displace(
    picture: &Field,
    sigma: (f64, f64),
    reach: f64,
    alpha: f64,
    random: &mut ChaCha8Rng,
) -> Image {
    let (width, height) = (picture.width, picture.height);
    let mut displacement = || {
        let drawn = || reach * (2.0 * random.random::<f64>() - 1.0);
        smooth(
            &Field::from_fn(width, height, drawn),
            sigma,
            3.0,
            Border::Reflect,
        )
    };
    let (across, down) = (displacement(), displacement());
    let mut pixels = Vec::with_capacity(picture.values.len());
    for i in 0..width * height {
        let x = (i % width) as f64 + single(alpha * across.values[i]);
        let y = (i / width) as f64 + single(alpha * down.values[i]);
        pixels.extend(sample(picture, x, y, reflect).map(|it| cut_single(it as f32)));
    }
    new_image(width, height, pixels)
}

/// The affine map that moves three points about the middle by at most `shift` pixels along
/// each axis, applied to `picture`.
fn shift_three_points(picture: &Field, shift: f64, random: &mut ChaCha8Rng) -> Field {
    let (width, height) = (picture.width, picture.height);
    let (x, y) = ((width / 2) as f64, (height / 2) as f64);
    let arm = (width.min(height) / 3) as f64;
    let points = [[x + arm, y + arm], [x + arm, y - arm], [x - arm, y - arm]];
    let moved = points.map(|point| point.map(|it| it + random.random_range(-shift..=shift)));
    let Some(map) = affine(moved, points) else {
        return picture.clone();
    };
    let mut values = Vec::with_capacity(picture.values.len());
    for i in 0..width * height {
        let [x, y] = map([(i % width) as f64, (i / width) as f64]);
        values.extend(sample(picture, x, y, reflect_101).map(single));
    }
    picture.with_values(values)
}

/// The affine map that takes the three points `from` to `to`, if they span a triangle.
fn affine(from: [[f64; 2]; 3], to: [[f64; 2]; 3]) -> Option<impl Fn([f64; 2]) -> [f64; 2]> {
    let less = |a: [f64; 2], b: [f64; 2]| [a[0] - b[0], a[1] - b[1]];
    let cross = |a: [f64; 2], b: [f64; 2]| a[0] * b[1] - a[1] * b[0];
    let sides = [less(from[1], from[0]), less(from[2], from[0])];
    let images = [less(to[1], to[0]), less(to[2], to[0])];
    let area = cross(sides[0], sides[1]);
    // Less than a pixel turns images of one or two pixels into anything.
    (area.abs() >= 1.0).then_some(move |point: [f64; 2]| {
        let away = less(point, from[0]);
        let (a, b) = (cross(away, sides[1]) / area, cross(sides[0], away) / area);
        [0, 1].map(|i| to[0][i] + a * images[0][i] + b * images[1][i])
    })
}

/// What lies at (`x`, `y`) of a field of three channels, by linear interpolation.
fn sample(picture: &Field, x: f64, y: f64, border: fn(isize, usize) -> usize) -> [f64; 3] {
    let (left, top) = (x.floor(), y.floor());
    let (right_share, lower_share) = (x - left, y - top);
    let columns = [0, 1].map(|i| border(left as isize + i, picture.width));
    let [upper, lower] = [0, 1].map(|i| picture.row(border(top as isize + i, picture.height)));
    [0, 1, 2].map(|channel| {
        let [left, right] = columns.map(|it| 3 * it + channel);
        (upper[left] * (1.0 - right_share) + upper[right] * right_share) * (1.0 - lower_share)
            + (lower[left] * (1.0 - right_share) + lower[right] * right_share) * lower_share
    })
}

/// Rounded to single precision, which the scripts store in.
fn single(value: f64) -> f64 {
    f64::from(value as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_affine_map_takes_the_points_to_theirs() {
        let from = [[5.0, 5.0], [5.0, 1.0], [1.0, 1.0]];
        let to = [[6.0, 5.5], [4.0, 0.0], [0.0, 2.0]];
        let map = affine(from, to).unwrap();
        for (from, to) in from.iter().zip(to) {
            let [x, y] = map(*from);
            assert!((x - to[0]).abs() < 1e-12 && (y - to[1]).abs() < 1e-12);
        }
        assert!(affine([[1.0, 1.0]; 3], to).is_none());
    }

    #[test]
    fn samples_are_mixtures_of_four() {
        let values = [0.0, 1.0, 2.0, 3.0].iter().flat_map(|&it| [it; 3]);
        let picture = Field {
            width: 2,
            height: 2,
            channels: 3,
            values: values.collect(),
        };
        assert_eq!(sample(&picture, 0.5, 0.5, reflect), [1.5; 3]);
        assert_eq!(sample(&picture, -0.5, 0.0, reflect), [0.0; 3]);
        assert_eq!(sample(&picture, -0.5, 0.0, reflect_101), [0.5; 3]);
    }
}
