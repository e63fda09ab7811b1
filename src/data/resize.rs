//! Bilinear resizing with the same bytes as Pillow's (`Image.resize(size, BILINEAR)`, which
//! is what torchvision's `Resize` does to a Pillow image): a triangle filter as wide as the
//! reduction, applied to rows and then to columns, in 22-bit fixed point, rounded to 8 bits
//! between the two. After `src/libImaging/Resample.c` of Pillow.
//!
//! Pillow 13 takes the columns of pictures more than twice as tall as wide first, which differs
//! by a grey level here and there; this is what all versions before it do.

use super::image::Image;

const PRECISION_BITS: u32 = 32 - 8 - 2;

/// How much an input position counts for an output position at some distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kernel {
    /// Less and less; Pillow's `BILINEAR`.
    Triangle,
    /// All the same within half a step; Pillow's `BOX`.
    Box,
}

impl Kernel {
    /// How far it reaches and what it is at `distance`, in steps of the coarser grid.
    fn support(self) -> f64 {
        match self {
            Kernel::Triangle => 1.0,
            Kernel::Box => 0.5,
        }
    }

    fn weight(self, distance: f64) -> f64 {
        match self {
            Kernel::Triangle => (1.0 - distance.abs()).max(0.0),
            Kernel::Box if distance > -0.5 && distance <= 0.5 => 1.0,
            Kernel::Box => 0.0,
        }
    }
}

/// What part of the resized image is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub left: usize,
    pub top: usize,
    pub width: usize,
    pub height: usize,
}

/// `image` resized to `width` x `height`.
pub(super) fn resize(image: &Image, width: usize, height: usize) -> Image {
    let whole = Window {
        left: 0,
        top: 0,
        width,
        height,
    };
    resize_window(image, width, height, whole)
}

/// `image` resized to `width` x `height` with means of whole pixels, which are squares of one
/// colour when it is enlarged.
pub(super) fn resize_box(image: &Image, width: usize, height: usize) -> Image {
    let columns = Filter::new(Kernel::Box, image.width(), width, 0, width);
    let rows = Filter::new(Kernel::Box, image.height(), height, 0, height);
    apply(image, &columns, &rows)
}

/// The `window` of `image` resized to `width` x `height`, without computing the rest.
pub(super) fn resize_window(image: &Image, width: usize, height: usize, window: Window) -> Image {
    let kernel = Kernel::Triangle;
    let columns = Filter::new(kernel, image.width(), width, window.left, window.width);
    let rows = Filter::new(kernel, image.height(), height, window.top, window.height);
    apply(image, &columns, &rows)
}

fn apply(image: &Image, columns: &Filter, rows: &Filter) -> Image {
    let (width, height) = (columns.taps.len(), rows.taps.len());
    let (first, last) = rows.reach();

    let mut across = Vec::with_capacity(3 * width * (last - first));
    for y in first..last {
        columns.apply_to_row(image.row(y), &mut across);
    }
    let mut pixels = Vec::with_capacity(3 * width * height);
    rows.apply_to_columns(&across, 3 * width, first, &mut pixels);
    Image::new(width, height, pixels).expect("three bytes were made for each pixel")
}

/// For each output position, the first input position that it sees and the weights of those
/// from there on.
struct Filter {
    taps: Vec<(usize, Vec<i32>)>,
}

impl Filter {
    /// From `from` positions to `to`, for the `count` output positions from `start` on.
    fn new(kernel: Kernel, from: usize, to: usize, start: usize, count: usize) -> Filter {
        if from == to {
            let one = vec![1 << PRECISION_BITS];
            let taps = (start..start + count).map(|i| (i, one.clone()));
            return Filter {
                taps: taps.collect(),
            };
        }
        let scale = from as f64 / to as f64;
        // A step of the coarser grid, in input positions.
        let step = scale.max(1.0);
        let support = kernel.support() * step;
        let taps = (start..start + count).map(|i| {
            let centre = (i as f64 + 0.5) * scale;
            // `as` truncates towards zero and stops at 0, as the original does.
            let first = (centre - support + 0.5) as usize;
            let last = ((centre + support + 0.5) as usize).min(from);
            let weights: Vec<f64> = (first..last)
                .map(|j| kernel.weight((j as f64 - centre + 0.5) * (1.0 / step)))
                .collect();
            let sum: f64 = weights.iter().sum();
            (
                first,
                weights.iter().map(|w| fixed_point(w / sum)).collect(),
            )
        });
        Filter {
            taps: taps.collect(),
        }
    }

    /// The range of input positions that any output position sees.
    fn reach(&self) -> (usize, usize) {
        let first = self.taps.iter().map(|(first, _)| *first).min();
        let last = self.taps.iter().map(|(first, w)| first + w.len()).max();
        (first.unwrap_or(0), last.unwrap_or(0))
    }

    fn apply_to_row(&self, row: &[u8], into: &mut Vec<u8>) {
        for (first, weights) in &self.taps {
            let (seen, _) = row[3 * first..].as_chunks::<3>();
            let mut sums = [HALF; 3];
            for (pixel, weight) in seen.iter().zip(weights) {
                for (sum, value) in sums.iter_mut().zip(pixel) {
                    *sum += i32::from(*value) * weight;
                }
            }
            into.extend(sums.map(to_byte));
        }
    }

    /// `rows` are rows of `bytes` bytes, the first being number `offset` of the input.
    fn apply_to_columns(&self, rows: &[u8], bytes: usize, offset: usize, into: &mut Vec<u8>) {
        let mut sums = vec![HALF; bytes];
        for (first, weights) in &self.taps {
            sums.fill(HALF);
            let seen = rows[(first - offset) * bytes..].chunks_exact(bytes);
            for (row, weight) in seen.zip(weights) {
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += i32::from(*value) * weight;
                }
            }
            into.extend(sums.iter().map(|&sum| to_byte(sum)));
        }
    }
}

/// One half, so that the shift in `to_byte` rounds.
const HALF: i32 = 1 << (PRECISION_BITS - 1);

fn fixed_point(weight: f64) -> i32 {
    (0.5 + weight * f64::from(1 << PRECISION_BITS)) as i32
}

fn to_byte(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::{fingerprint, pattern};

    const KNOWN_PIXELS: [u8; 18] = [
        176, 22, 12, 149, 102, 25, 54, 182, 37, 54, 22, 34, 81, 102, 48, 176, 182, 63,
    ];

    type Size = (usize, usize);

    const KNOWN_FINGERPRINTS: [(Size, Size, u64); 6] = [
        ((64, 48), (23, 17), 0x9cee_04f2_72b5_31dd),
        ((23, 17), (64, 48), 0x0680_596f_a242_4186),
        ((40, 30), (40, 11), 0x03a1_fc23_66cf_c1ce),
        ((40, 30), (11, 30), 0x7667_1221_c314_c013),
        ((40, 30), (40, 30), 0xac02_f488_8202_5ed9),
        ((300, 7), (5, 90), 0x1029_30ce_3dc8_8cce),
    ];

    /// `Image.resize((3, 2), Image.BILINEAR)` of Pillow 11.0.0 on `pattern(5, 4)`.
    #[test]
    fn known_pixels() {
        let small = resize(&pattern(5, 4), 3, 2);
        assert_eq!(small.pixels(), KNOWN_PIXELS);
    }

    /// The same on other sizes, by `tests/images/make.py`.
    #[test]
    fn known_fingerprints() {
        for (from, to, expected) in KNOWN_FINGERPRINTS {
            let resized = resize(&pattern(from.0, from.1), to.0, to.1);
            assert_eq!((resized.width(), resized.height()), to);
            assert_eq!(
                fingerprint(resized.pixels()),
                expected,
                "{from:?} to {to:?}"
            );
        }
    }

    #[test]
    fn a_window_is_a_part_of_the_whole() {
        let image = pattern(61, 47);
        let whole = resize(&image, 33, 29);
        let window = Window {
            left: 4,
            top: 9,
            width: 20,
            height: 11,
        };
        let part = resize_window(&image, 33, 29, window);
        assert_eq!(part, whole.crop(4, 9, 20, 11));
    }
}
