//! Fog, thicker here and thinner there.

use super::Setting;
use super::field::{cut, image as new_image, unit};
use crate::data::image::Image;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

pub(super) fn fog(image: &Image, setting: Setting, random: &mut ChaCha8Rng) -> Image {
    let (amount, decay) = setting.pick(
        [(1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4)],
        [(0.2, 3.0), (0.5, 3.0), (0.75, 2.5), (1.0, 2.0), (1.5, 1.75)],
    );
    let (width, height) = (image.width(), image.height());
    let side = width.max(height).max(2).next_power_of_two();
    let clouds = plasma(side, decay, random);
    let brightest = unit(image.pixels().iter().copied().max().unwrap_or(0));
    let (colours, _) = image.pixels().as_chunks::<3>();
    let pixels = colours.iter().enumerate().flat_map(|(i, colour)| {
        let cloud = f64::from(clouds[i / width * side + i % width]);
        colour.map(|it| cut((unit(it) + amount * cloud) * brightest / (brightest + amount)))
    });
    new_image(width, height, pixels.collect())
}

/// A map of `side` x `side` heights from 0 to 1 by the diamond-square rule, on a torus. `side`
/// is a power of two from 2 on; heights vary by `decay` times less from one octave to the next.
pub(super) fn plasma(side: usize, decay: f64, random: &mut ChaCha8Rng) -> Vec<f32> {
    let mut map = vec![0.0_f32; side * side];
    let mut step = side;
    let mut wobble = 100.0;
    while step >= 2 {
        // The scripts multiply by it twice, so that the decay acts as its square.
        let reach = (wobble * wobble) as f32;
        let half = step / 2;
        // The middle of each square, then those of the sides across and down.
        fill(
            &mut map,
            side,
            (half, half),
            half,
            [(-1, -1), (1, -1), (-1, 1), (1, 1)],
            reach,
            random,
        );
        let cross = [(-1, 0), (1, 0), (0, -1), (0, 1)];
        fill(&mut map, side, (half, 0), half, cross, reach, random);
        fill(&mut map, side, (0, half), half, cross, reach, random);
        step = half;
        wobble /= decay;
    }
    let lowest = map.iter().copied().fold(f32::INFINITY, f32::min);
    let highest = map.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for height in &mut map {
        *height = (*height - lowest) / (highest - lowest);
    }
    map
}

/// Sets every second point, in units of `half`, from `start` on: the mean of four neighbours
/// plus a uniform number of at most `reach`.
fn fill(
    map: &mut [f32],
    side: usize,
    start: (usize, usize),
    half: usize,
    neighbours: [(isize, isize); 4],
    reach: f32,
    random: &mut ChaCha8Rng,
) {
    let mask = side - 1;
    let beside = |at: usize, by: isize| at.wrapping_add_signed(by * half as isize) & mask;
    for y in (start.1..side).step_by(2 * half) {
        for x in (start.0..side).step_by(2 * half) {
            let around = neighbours.map(|(dx, dy)| map[beside(y, dy) * side + beside(x, dx)]);
            let mean = around.iter().sum::<f32>() / 4.0;
            map[y * side + x] = mean + reach * (2.0 * random.random::<f32>() - 1.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed;

    #[test]
    fn a_map_reaches_from_zero_to_one_and_joins_at_its_ends() {
        let mut random = seed::generator(0, "plasma", &[]);
        let map = plasma(64, 2.0, &mut random);
        assert_eq!(map.iter().copied().fold(1.0, f32::min), 0.0);
        assert_eq!(map.iter().copied().fold(0.0, f32::max), 1.0);
        let row = |y: usize| &map[y * 64..(y + 1) * 64];
        let step = |a: &[f32], b: &[f32]| -> f32 {
            a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f32>() / 64.0
        };
        assert!(step(row(63), row(0)) < 2.0 * step(row(30), row(31)));
        assert!(step(row(0), row(32)) > 3.0 * step(row(0), row(1)));
    }
}
