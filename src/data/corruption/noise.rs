//! Noise on each value of its own: the channels of a pixel are independent.

use super::Setting;
use super::field::{cut, image, unit};
use super::normal::normals;
use crate::data::image::Image;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Adds normal noise.
pub(super) fn gaussian_noise(image: &Image, setting: Setting, random: &mut ChaCha8Rng) -> Image {
    let sigma = setting.pick(
        [0.08, 0.12, 0.18, 0.26, 0.38],
        [0.04, 0.06, 0.08, 0.09, 0.1],
    );
    let mut normal = normals(random);
    each_value(image, |value| cut(unit(value) + sigma * normal()))
}

/// Adds normal noise in proportion to the value.
pub(super) fn speckle_noise(image: &Image, setting: Setting, random: &mut ChaCha8Rng) -> Image {
    let sigma = setting.pick([0.15, 0.2, 0.35, 0.45, 0.6], [0.06, 0.1, 0.12, 0.16, 0.2]);
    let mut normal = normals(random);
    each_value(image, |value| {
        let value = unit(value);
        cut(value + value * sigma * normal())
    })
}

/// Counts photons: a Poisson number whose mean is the value times that of full brightness.
pub(super) fn shot_noise(image: &Image, setting: Setting, random: &mut ChaCha8Rng) -> Image {
    let photons = setting.pick(
        [60.0, 25.0, 12.0, 5.0, 3.0],
        [500.0, 250.0, 100.0, 75.0, 50.0],
    );
    // There are but 256 means.
    let mut tables: Vec<Option<Poisson>> = (0..256).map(|_| None).collect();
    each_value(image, |value| {
        let table =
            tables[usize::from(value)].get_or_insert_with(|| Poisson::new(unit(value) * photons));
        cut(table.draw(random.random()) as f64 / photons)
    })
}

/// Sets a share of the values to full brightness or to none, with equal chances.
pub(super) fn impulse_noise(image: &Image, setting: Setting, random: &mut ChaCha8Rng) -> Image {
    let share = setting.pick(
        [0.03, 0.06, 0.09, 0.17, 0.27],
        [0.01, 0.02, 0.03, 0.05, 0.07],
    );
    each_value(image, |value| match random.random::<f64>() / share {
        part if part > 1.0 => value,
        part if part > 0.5 => 255,
        _ => 0,
    })
}

fn each_value(given: &Image, noisy: impl FnMut(u8) -> u8) -> Image {
    let pixels = given.pixels().iter().copied().map(noisy).collect();
    image(given.width(), given.height(), pixels)
}

/// The distribution function of a Poisson number, up to where it is 1 in double precision.
struct Poisson {
    up_to: Vec<f64>,
}

impl Poisson {
    fn new(mean: f64) -> Poisson {
        let mut term = (-mean).exp();
        let mut sum = term;
        let mut up_to = vec![sum];
        while term > 1e-17 || (up_to.len() as f64) < mean {
            term *= mean / up_to.len() as f64;
            sum += term;
            up_to.push(sum);
        }
        Poisson { up_to }
    }

    /// The number whose step of the distribution function holds `share`, in [0, 1).
    fn draw(&self, share: f64) -> usize {
        self.up_to
            .partition_point(|&it| it <= share)
            .min(self.up_to.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_of_a_poisson_number_are_its_probabilities() {
        let table = Poisson::new(2.0);
        // e^-2 = 0.1353, 0.4060 and 0.6767 with one and two more.
        for (share, expected) in [(0.0, 0), (0.135, 0), (0.136, 1), (0.405, 1), (0.407, 2)] {
            assert_eq!(table.draw(share), expected, "{share}");
        }
        assert_eq!(Poisson::new(0.0).draw(0.999_999), 0);
        for mean in [1e-9, 3.0, 60.0, 500.0] {
            let table = Poisson::new(mean);
            let below: f64 = table.up_to.iter().map(|it| 1.0 - it).sum();
            assert!(
                (below - mean).abs() < 1e-6 * mean.max(1.0),
                "{below} {mean}"
            );
        }
    }
}
