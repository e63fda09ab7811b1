//! Frost for those who do not have the pictures of ImageNet-C: feathers of ice that grow from
//! random points over clouded glass. Their brightness and contrast are about those of the
//! pictures; errors measured with them are not comparable with published ones.

use super::field::{Field, image as new_image};
use super::fog::plasma;
use super::gaussian::{Border, smooth};
use crate::data::image::Image;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::f64::consts::{FRAC_PI_3, TAU};

/// Width and height, a power of two for the clouds.
const SIDE: usize = 512;

/// The colour of clear glass and of ice for each of the five textures: as different as the
/// pictures are.
const COLOURS: [([f64; 3], [f64; 3]); 5] = [
    ([10.0, 90.0, 110.0], [185.0, 245.0, 255.0]),
    ([120.0, 127.0, 140.0], [255.0, 255.0, 255.0]),
    ([120.0, 127.0, 140.0], [255.0, 255.0, 255.0]),
    ([60.0, 78.0, 92.0], [255.0, 255.0, 255.0]),
    ([20.0, 33.0, 47.0], [255.0, 255.0, 255.0]),
];

/// Feathers of ice on one texture.
const FEATHERS: usize = 90;

/// Texture `number` of the five.
pub(super) fn draw(number: usize, random: &mut ChaCha8Rng) -> Image {
    let clouds = plasma(SIDE, 1.6, random);
    let mut ice = Field::from_fn(SIDE, SIDE, || 0.0);
    for _ in 0..FEATHERS {
        let mut place = || random.random_range(0.0..SIDE as f64);
        let start = [place(), place()];
        let angle = random.random_range(0.0..TAU);
        let length = random.random_range(40.0..220.0);
        let strength = random.random_range(0.5..1.0);
        grow(
            &mut ice,
            Needle {
                start,
                angle,
                length,
                strength,
            },
            2,
            random,
        );
    }
    let ice = smooth(&ice, (0.6, 0.6), 4.0, Border::Reflect);
    let (glass, white) = COLOURS[number % COLOURS.len()];
    let tones = clouds.iter().zip(&ice.values);
    let pixels = tones.flat_map(|(cloud, ice)| {
        let tone = (0.4 * f64::from(*cloud) + 0.9 * ice).min(1.0);
        [0, 1, 2].map(|i| (glass[i] + tone * (white[i] - glass[i])).round() as u8)
    });
    new_image(SIDE, SIDE, pixels.collect())
}

#[derive(Clone, Copy)]
struct Needle {
    start: [f64; 2],
    angle: f64,
    length: f64,
    strength: f64,
}

/// Draws a needle that bends a little and, `order` times, the needles that grow from it on both
/// sides, shorter towards its tip.
fn grow(ice: &mut Field, needle: Needle, order: u32, random: &mut ChaCha8Rng) {
    let bend = random.random_range(-0.6..0.6) / needle.length;
    let gap = random.random_range(4.0..9.0_f64);
    let [mut x, mut y] = needle.start;
    let mut angle = needle.angle;
    let mut next_branch = gap;
    for step in 0..needle.length as usize {
        let left = 1.0 - step as f64 / needle.length;
        let at = |position: f64| position.rem_euclid(SIDE as f64) as usize % SIDE;
        let drawn = &mut ice.values[at(y) * SIDE + at(x)];
        *drawn = drawn.max(needle.strength * (0.4 + 0.6 * left));
        if order > 0 && step as f64 >= next_branch {
            next_branch += gap;
            for side in [-1.0, 1.0] {
                // Ice has angles of 60 degrees.
                let branch = Needle {
                    start: [x, y],
                    angle: angle + side * FRAC_PI_3,
                    length: needle.length * left * random.random_range(0.15..0.4),
                    strength: 0.8 * needle.strength,
                };
                if branch.length >= 2.0 {
                    grow(ice, branch, order - 1, random);
                }
            }
        }
        let (sine, cosine) = angle.sin_cos();
        x += cosine;
        y += sine;
        angle += bend;
    }
}
