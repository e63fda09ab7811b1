//! Snow: large flakes out of noise, streaked by the wind, over a whitened image.

use super::Setting;
use super::field::{Field, cut, image as new_image, unit};
use super::motion::{Streak, imagemagick_byte};
use super::normal::normals;
use super::zoom::{middle, zoom};
use crate::data::image::Image;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

#[derive(Clone, Copy)]
struct Snowfall {
    mean: f64,
    sigma: f64,
    zoom: f64,
    /// What is below is no flake.
    threshold: f64,
    radius: usize,
    streak: f64,
    /// How much of the image stays as it is.
    kept: f32,
}

/// The parameters as the scripts list them.
const fn snowfall(
    (mean, sigma, zoom, threshold, radius, streak, kept): (f64, f64, f64, f64, usize, f64, f32),
) -> Snowfall {
    Snowfall {
        mean,
        sigma,
        zoom,
        threshold,
        radius,
        streak,
        kept,
    }
}

const IMAGENET: [Snowfall; 5] = [
    snowfall((0.1, 0.3, 3.0, 0.5, 10, 4.0, 0.8)),
    snowfall((0.2, 0.3, 2.0, 0.5, 12, 4.0, 0.7)),
    snowfall((0.55, 0.3, 4.0, 0.9, 12, 8.0, 0.7)),
    snowfall((0.55, 0.3, 4.5, 0.85, 12, 8.0, 0.65)),
    snowfall((0.55, 0.3, 2.5, 0.85, 12, 12.0, 0.55)),
];

const CIFAR: [Snowfall; 5] = [
    snowfall((0.1, 0.2, 1.0, 0.6, 8, 3.0, 0.95)),
    snowfall((0.1, 0.2, 1.0, 0.5, 10, 4.0, 0.9)),
    snowfall((0.15, 0.3, 1.75, 0.55, 10, 4.0, 0.9)),
    snowfall((0.25, 0.3, 2.25, 0.6, 12, 6.0, 0.85)),
    snowfall((0.3, 0.3, 1.25, 0.65, 14, 12.0, 0.8)),
];

pub(super) fn snow(image: &Image, setting: Setting, random: &mut ChaCha8Rng) -> Image {
    let snowfall = setting.pick(IMAGENET, CIFAR);
    let (width, height) = (image.width(), image.height());
    let flakes = flakes(width, height, snowfall, setting.is_package(), random);

    let n = width * height;
    let (colours, _) = image.pixels().as_chunks::<3>();
    let pixels = colours.iter().enumerate().flat_map(|(i, colour)| {
        let colour = colour.map(|it| unit(it) as f32);
        let grey = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2];
        // The second layer is the first upside down.
        let snow = flakes[i] + flakes[n - 1 - i];
        colour.map(|value| {
            let white = value.max(1.5 * grey + 0.5);
            let whitened = snowfall.kept * value + (1.0 - snowfall.kept) * white;
            cut(f64::from(whitened) + snow)
        })
    });
    new_image(width, height, pixels.collect())
}

/// One layer of snow, in whole 255ths.
fn flakes(
    width: usize,
    height: usize,
    snowfall: Snowfall,
    is_package: bool,
    random: &mut ChaCha8Rng,
) -> Vec<f64> {
    let noise = {
        let mut normal = normals(random);
        Field::from_fn(width, height, || snowfall.mean + snowfall.sigma * normal())
    };
    let mut layer = zoom(&noise, snowfall.zoom);
    if !is_package {
        layer = middle(&layer, width, height);
    }
    for value in &mut layer.values {
        let is_flake = *value >= snowfall.threshold;
        *value = if is_flake { value.clamp(0.0, 1.0) } else { 0.0 };
        if !is_package {
            // ImageMagick is given a picture.
            *value = unit(cut(*value));
        }
    }
    let streak = Streak {
        radius: snowfall.radius,
        sigma: snowfall.streak,
        angle: random.random_range(-135.0..-45.0),
        stops_at_border: is_package,
    };
    let layer = streak.blur(&layer).crop(0, 0, width, height);
    let to_byte = |it: &f64| {
        if is_package {
            (it * 255.0).round() / 255.0
        } else {
            unit(imagemagick_byte(*it))
        }
    };
    layer.values.iter().map(to_byte).collect()
}
