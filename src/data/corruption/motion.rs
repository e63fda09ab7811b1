//! Blur along a line, as of a camera that moves.
//!
//! ImageMagick's rule (`-motion-blur`, <https://imagemagick.org/script/command-line-options.php#motion-blur>):
//! each pixel is a weighted mean of those that lie from it in one direction, with the weights
//! of half a Gaussian; pixels beyond the border are the nearest ones.

use super::Setting;
use super::field::{Field, image as new_image, nearest};
use crate::data::image::Image;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

pub(super) fn motion_blur(image: &Image, setting: Setting, random: &mut ChaCha8Rng) -> Image {
    let (radius, sigma) = setting.pick(
        [(10, 3.0), (15, 5.0), (15, 8.0), (15, 12.0), (20, 15.0)],
        [(6, 1.0), (6, 1.5), (6, 2.0), (8, 2.0), (9, 2.5)],
    );
    let streak = Streak {
        radius,
        sigma,
        angle: random.random_range(-45.0..45.0),
        stops_at_border: setting.is_package(),
    };
    let blurred = streak.blur(&Field::of(image));
    if setting.is_package() {
        return blurred.to_image();
    }
    from_imagemagick(&blurred)
}

fn from_imagemagick(field: &Field) -> Image {
    let pixels = field.values.iter().map(|&it| imagemagick_byte(it));
    new_image(field.width, field.height, pixels.collect())
}

/// The byte of a fraction as ImageMagick writes it to a PNG file: rounded to the 16 bits that
/// it counts in, then cut to 8.
pub(super) fn imagemagick_byte(fraction: f64) -> u8 {
    ((fraction.clamp(0.0, 1.0) * 65535.0).round() / 257.0) as u8
}

pub(super) struct Streak {
    /// Half the length, in pixels.
    pub radius: usize,
    /// Of the Gaussian whose half gives the weights, in pixels.
    pub sigma: f64,
    /// In degrees, clockwise from the direction of rows.
    pub angle: f64,
    /// `imagecorruptions` leaves out the pixels from where one of them is beyond the border
    /// of all, and so darkens small images.
    pub stops_at_border: bool,
}

impl Streak {
    pub fn blur(&self, field: &Field) -> Field {
        let steps = 2 * self.radius + 1;
        let weights: Vec<f64> = (0..steps)
            .map(|i| (-0.5 * (i as f64 / self.sigma).powi(2)).exp())
            .collect();
        let total: f64 = weights.iter().sum();
        let (sine, cosine) = self.angle.to_radians().sin_cos();
        // As long as the streak and then scaled: whole angles fall on halves, and how they are
        // rounded hangs on it.
        let (down, across) = (steps as f64 * sine, steps as f64 * cosine);
        let length = down.hypot(across);

        let mut values = vec![0.0; field.values.len()];
        for (i, weight) in weights.iter().enumerate() {
            let along = |part: f64| (i as f64 * part / length - 0.5).ceil() as isize;
            let (dx, dy) = (along(across), along(down));
            let beyond = dx.unsigned_abs() >= field.width || dy.unsigned_abs() >= field.height;
            if beyond && self.stops_at_border {
                break;
            }
            add_shifted(&mut values, field, dx, dy, weight / total);
        }
        field.with_values(values)
    }
}

/// Adds to each position `weight` times what lies (`dx`, `dy`) from it.
fn add_shifted(values: &mut [f64], field: &Field, dx: isize, dy: isize, weight: f64) {
    let (width, c) = (field.width, field.channels);
    // From which position on, and up to which, the shifted one lies in the row.
    let first = dx.min(0).unsigned_abs().min(width);
    let last = width - dx.max(0).unsigned_abs().min(width);
    for (y, sums) in values.chunks_exact_mut(width * c).enumerate() {
        let row = field.row(nearest(y as isize + dy, field.height));
        for (x, sum) in sums.chunks_exact_mut(c).enumerate() {
            if x < first || x >= last {
                let from = nearest(x as isize + dx, width) * c;
                for (sum, value) in sum.iter_mut().zip(&row[from..from + c]) {
                    *sum += weight * value;
                }
            }
        }
        if first < last {
            let from = (first as isize + dx) as usize;
            let seen = &row[from * c..];
            for (sum, value) in sums[first * c..last * c].iter_mut().zip(seen) {
                *sum += weight * value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::{fingerprint, pattern};

    fn streak(angle: f64) -> Streak {
        Streak {
            radius: 1,
            sigma: 1.0,
            angle,
            stops_at_border: false,
        }
    }

    #[test]
    fn a_row_is_a_mean_of_what_comes_after() {
        let mut next = [0.0, 0.0, 0.0, 1.0].into_iter();
        let row = Field::from_fn(4, 1, || next.next().unwrap());
        // exp(0), exp(-1/2) and exp(-2) over their sum: 0.574, 0.348 and 0.078.
        let expected = [0.0, 0.077_696, 0.425_903, 1.0];
        for (value, expected) in streak(0.0).blur(&row).values.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-6, "{value}");
        }
        // Nothing above or below.
        assert_eq!(streak(90.0).blur(&row).values[..3], [0.0; 3]);
        let column = row.transposed();
        let down = streak(90.0).blur(&column).values;
        assert!((down[2] - 0.425_903).abs() < 1e-6, "{down:?}");
    }

    #[test]
    fn the_package_stops_at_the_border() {
        let field = Field::from_fn(2, 1, || 1.0);
        let whole = streak(0.0).blur(&field);
        assert!((whole.values[0] - 1.0).abs() < 1e-12);
        let stopped = Streak {
            stops_at_border: true,
            ..streak(0.0)
        };
        let expected = 1.0 - 0.077_696;
        assert!((stopped.blur(&field).values[0] - expected).abs() < 1e-6);
    }

    /// By ImageMagick 6.9.11-60 through `tests/images/corruptions.py`.
    #[test]
    fn colours_are_those_of_imagemagick() {
        for (width, height, radius, sigma, angle, expected) in [
            (23, 17, 6, 2.0, 30.0, 0xf0fc_a330_578f_416e),
            (23, 17, 10, 3.0, -45.0, 0xc4a5_6d23_d2ac_d1ad),
            (40, 9, 12, 8.0, -100.0, 0xedf5_e1f4_fe61_102a),
            (7, 30, 15, 5.0, 12.0, 0xaa70_f22c_be12_16ea),
        ] {
            let streak = Streak {
                radius,
                sigma,
                angle,
                stops_at_border: false,
            };
            let blurred = from_imagemagick(&streak.blur(&Field::of(&pattern(width, height))));
            assert_eq!(fingerprint(blurred.pixels()), expected, "{angle}");
        }
    }
}
