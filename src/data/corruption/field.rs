//! Real numbers on the pixels of an image.

use crate::data::image::Image;

/// Rows from the top, `channels` numbers for each position.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    pub width: usize,
    pub height: usize,
    pub channels: usize,
    pub values: Vec<f64>,
}

impl Field {
    /// One channel; `value` is asked for each position, row by row.
    pub fn from_fn(width: usize, height: usize, mut value: impl FnMut() -> f64) -> Field {
        Field {
            width,
            height,
            channels: 1,
            values: (0..width * height).map(|_| value()).collect(),
        }
    }

    /// The three channels of `image`, from 0 to 1.
    pub fn of(image: &Image) -> Field {
        Field {
            width: image.width(),
            height: image.height(),
            channels: 3,
            values: image.pixels().iter().map(|&it| unit(it)).collect(),
        }
    }

    /// A field of this shape.
    pub fn with_values(&self, values: Vec<f64>) -> Field {
        debug_assert_eq!(values.len(), self.values.len());
        Field { values, ..*self }
    }

    /// The image of these numbers from 0 to 1.
    pub fn to_image(&self) -> Image {
        image(
            self.width,
            self.height,
            self.values.iter().map(|&it| cut(it)).collect(),
        )
    }

    pub fn row(&self, y: usize) -> &[f64] {
        let length = self.width * self.channels;
        &self.values[y * length..(y + 1) * length]
    }

    /// The `width` x `height` part whose upper left corner is at (`left`, `top`).
    pub fn crop(&self, left: usize, top: usize, width: usize, height: usize) -> Field {
        let columns = left * self.channels..(left + width) * self.channels;
        let rows = (top..top + height).flat_map(|y| &self.row(y)[columns.clone()]);
        Field {
            width,
            height,
            channels: self.channels,
            values: rows.copied().collect(),
        }
    }

    /// Rows become columns.
    pub fn transposed(&self) -> Field {
        let (width, height, channels) = (self.width, self.height, self.channels);
        let mut values = vec![0.0; self.values.len()];
        for y in 0..height {
            for (x, pixel) in self.row(y).chunks_exact(channels).enumerate() {
                let at = (x * height + y) * channels;
                values[at..at + channels].copy_from_slice(pixel);
            }
        }
        Field {
            width: height,
            height: width,
            channels,
            values,
        }
    }
}

/// A byte as a fraction of 255.
pub(super) fn unit(byte: u8) -> f64 {
    f64::from(byte) / 255.0
}

/// The byte of a fraction, clipped and cut: what `np.uint8(np.clip(x, 0, 1) * 255)` is.
pub(super) fn cut(fraction: f64) -> u8 {
    (fraction.clamp(0.0, 1.0) * 255.0) as u8
}

/// `cut` in the single precision that some corruptions are computed in.
pub(super) fn cut_single(fraction: f32) -> u8 {
    (fraction.clamp(0.0, 1.0) * 255.0) as u8
}

/// The image with these `pixels`, of which there are three bytes for each position.
pub(super) fn image(width: usize, height: usize, pixels: Vec<u8>) -> Image {
    Image::new(width, height, pixels).expect("a corruption makes as many pixels as it is given")
}

/// Which of `n` positions stands for `i`, beyond the ends: the nearest.
pub(super) fn nearest(i: isize, n: usize) -> usize {
    i.clamp(0, n as isize - 1) as usize
}

/// ..., mirrored with the end repeated: c b a | a b c | c b a.
pub(super) fn reflect(i: isize, n: usize) -> usize {
    let n = n as isize;
    let i = i.rem_euclid(2 * n);
    i.min(2 * n - 1 - i) as usize
}

/// ..., mirrored about the end: c b | a b c | b a.
pub(super) fn reflect_101(i: isize, n: usize) -> usize {
    let n = n as isize;
    if n == 1 {
        return 0;
    }
    let i = i.rem_euclid(2 * n - 2);
    i.min(2 * n - 2 - i) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_repeat_and_mirror_however_far() {
        let seen = |rule: fn(isize, usize) -> usize| -> Vec<usize> {
            (-5..8).map(|i| rule(i, 3)).collect()
        };
        assert_eq!(seen(nearest), [0, 0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 2]);
        assert_eq!(seen(reflect), [1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1]);
        assert_eq!(seen(reflect_101), [1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1]);
        assert_eq!(reflect_101(-7, 1), 0);
    }

    #[test]
    fn every_byte_survives_both_precisions() {
        for byte in 0..=255 {
            assert_eq!(cut(unit(byte)), byte);
            assert_eq!(cut_single(f32::from(byte) / 255.0), byte);
        }
        assert_eq!(cut(0.999), 254);
        assert_eq!((cut(-1.0), cut(2.0), cut(f64::NAN)), (0, 255, 0));
    }

    #[test]
    fn two_transpositions_give_the_field_back() {
        let mut next = 0.0;
        let field = Field::from_fn(4, 3, || {
            next += 1.0;
            next
        });
        assert_eq!(field.transposed().row(1), [2.0, 6.0, 10.0]);
        assert_eq!(field.transposed().transposed(), field);
        assert_eq!(field.crop(1, 1, 2, 2).values, [6.0, 7.0, 10.0, 11.0]);
    }
}
