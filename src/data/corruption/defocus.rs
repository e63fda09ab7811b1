//! Blur by a disk, as a lens out of focus does.

use super::Setting;
use super::field::{Field, reflect_101};
use crate::data::image::Image;

pub(super) fn defocus_blur(image: &Image, setting: Setting) -> Image {
    let (radius, alias) = setting.pick(
        [(3.0, 0.1), (4.0, 0.5), (6.0, 0.5), (8.0, 0.5), (10.0, 0.5)],
        [(0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1.0, 0.2), (1.5, 0.1)],
    );
    let disk = Disk::new(radius, alias);
    disk.correlate(&Field::of(image)).to_image()
}

/// A disk on a square of 2 `reach` + 1 pixels a side. It is the same upside down and left to
/// right: only the quarter from the centre on is kept.
struct Disk {
    reach: usize,
    /// Rows of `reach + 1` weights.
    quarter: Vec<f64>,
}

impl Disk {
    /// The disk of sum 1, its rim smoothed by a Gaussian of sigma `alias`, both in pixels.
    fn new(radius: f64, alias: f64) -> Disk {
        let (reach, taps) = if radius <= 8.0 {
            (8, 1)
        } else {
            (radius as usize, 2)
        };
        let side = 2 * reach + 1;
        let from_centre = |i: usize| i as f64 - reach as f64;
        let inside = |x, y| from_centre(x).powi(2) + from_centre(y).powi(2) <= radius * radius;
        let area = (0..side * side)
            .filter(|i| inside(i % side, i / side))
            .count();
        // In single precision, as in the scripts: means of whole numbers of which some are
        // whole come out below themselves or not, and are cut.
        let weight = 1.0 / area as f32;
        let disk = (0..side * side).map(|i| {
            if inside(i % side, i / side) {
                weight
            } else {
                0.0
            }
        });
        let disk: Vec<f32> = disk.collect();

        let gaussian: Vec<f64> = (0..=taps)
            .map(|i: isize| (-0.5 / (alias * alias) * (i * i) as f64).exp())
            .collect();
        let sum = gaussian[0] + 2.0 * gaussian[1..].iter().sum::<f64>();
        let gaussian: Vec<f32> = gaussian.iter().map(|it| (it / sum) as f32).collect();
        let smooth = |at: &dyn Fn(usize) -> f32, centre: usize| -> f32 {
            let beside = |i: isize| at(reflect_101(centre as isize + i, side));
            let pairs = (1..=taps).map(|i| gaussian[i as usize] * (beside(-i) + beside(i)));
            pairs.fold(gaussian[0] * at(centre), |sum, pair| sum + pair)
        };
        let across: Vec<f32> = (0..side * side)
            .map(|i| smooth(&|x| disk[i / side * side + x], i % side))
            .collect();
        let quarter = (reach..side)
            .flat_map(|y| (reach..side).map(move |x| (x, y)))
            .map(|(x, y)| f64::from(smooth(&|y| across[y * side + x], y)))
            .collect();
        Disk { reach, quarter }
    }

    /// The border is mirrored about the outermost pixels.
    fn correlate(&self, field: &Field) -> Field {
        let (reach, channels) = (self.reach, field.channels);
        let length = field.width * channels;
        let mut values = vec![0.0; field.values.len()];
        // Two rows at the same distance from the centre have the same weights.
        let mut pair = vec![0.0; length + 2 * reach * channels];
        let columns: Vec<usize> = (-(reach as isize)..(field.width + reach) as isize)
            .map(|x| reflect_101(x, field.width) * channels)
            .collect();
        for (y, sums) in values.chunks_exact_mut(length).enumerate() {
            for (dy, weights) in self.quarter.chunks_exact(reach + 1).enumerate() {
                let Some(last) = weights.iter().rposition(|it| *it != 0.0) else {
                    continue;
                };
                let (y, dy) = (y as isize, dy as isize);
                let above = field.row(reflect_101(y - dy, field.height));
                let below = field.row(reflect_101(y + dy, field.height));
                let share = if dy == 0 { 0.5 } else { 1.0 };
                for (sum, &column) in pair.chunks_exact_mut(channels).zip(&columns) {
                    for (channel, sum) in sum.iter_mut().enumerate() {
                        *sum = share * (above[column + channel] + below[column + channel]);
                    }
                }
                for (dx, weight) in weights[..=last].iter().enumerate() {
                    let left = &pair[(reach - dx) * channels..][..length];
                    let right = &pair[(reach + dx) * channels..][..length];
                    let weight = if dx == 0 { 0.5 * weight } else { *weight };
                    for ((sum, a), b) in sums.iter_mut().zip(left).zip(right) {
                        *sum += weight * (a + b);
                    }
                }
            }
        }
        field.with_values(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_of_less_than_a_pixel_is_its_smoothed_centre() {
        let disk = Disk::new(0.3, 0.4);
        let row: Vec<f64> = disk.quarter[..3].to_vec();
        // OpenCV 5.0: the middle row of GaussianBlur(point, (3, 3), 0.4).
        for (weight, expected) in row.iter().zip([0.844_973_15, 0.037_125_53, 0.0]) {
            assert!((weight - expected).abs() < 1e-6, "{row:?}");
        }
    }

    /// By more than one where the smoothed rim does not fit on the square: OpenCV 5.0 sums to
    /// 1.0107858 for the last, so a large blur brightens.
    #[test]
    fn weights_sum_to_about_one() {
        for (radius, alias, expected) in [
            (3.0, 0.1, 1.0),
            (6.0, 0.5, 1.0),
            (1.5, 0.1, 1.0),
            (10.0, 0.5, 1.010_785_8),
        ] {
            let field = Field::from_fn(30, 4, || 0.5);
            let blurred = Disk::new(radius, alias).correlate(&field);
            let near = |it: &f64| (it - 0.5 * expected).abs() < 1e-6;
            assert!(blurred.values.iter().all(near), "{radius}");
        }
    }
}
