//! Resizing with the same bytes as Pillow's (`Image.resize(size, BILINEAR)` or `BICUBIC`, which
//! is what torchvision's `Resize` does to a Pillow image): a filter as wide as the reduction,
//! applied to rows and then to columns, in 22-bit fixed point, rounded to 8 bits between the
//! two. After `src/libImaging/Resample.c` of Pillow.
//!
//! Pillow 13 takes the columns of pictures more than twice as tall as wide first, which differs
//! by a grey level here and there; this is what all versions before it do.

mod passes;
#[cfg(target_arch = "x86_64")]
mod passes_avx2;
#[cfg(target_arch = "x86_64")]
mod passes_avx512;
#[cfg(target_arch = "x86_64")]
mod vectors;

use super::image::Image;
use super::part::{View, Window};
use passes::Passes;
use serde::{Deserialize, Serialize};

const PRECISION_BITS: u32 = 32 - 8 - 2;

/// How photographs are resized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// Pillow's `BILINEAR`, torchvision's usual choice.
    #[default]
    Bilinear,
    /// Pillow's `BICUBIC`.
    Bicubic,
}

/// How much an input position counts for an output position at some distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kernel {
    /// Less and less; Pillow's `BILINEAR`.
    Triangle,
    /// Keys' cubic with a = -0.5; Pillow's `BICUBIC`.
    Cubic,
    /// All the same within half a step; Pillow's `BOX`.
    Box,
}

impl From<Interpolation> for Kernel {
    fn from(interpolation: Interpolation) -> Kernel {
        match interpolation {
            Interpolation::Bilinear => Kernel::Triangle,
            Interpolation::Bicubic => Kernel::Cubic,
        }
    }
}

impl Kernel {
    /// How far it reaches, in steps of the coarser grid.
    fn support(self) -> f64 {
        match self {
            Kernel::Triangle => 1.0,
            Kernel::Cubic => 2.0,
            Kernel::Box => 0.5,
        }
    }

    /// What it is at `distance`, in the same steps. In the order of Pillow's operations, which
    /// decides the last bit.
    fn weight(self, distance: f64) -> f64 {
        let x = distance.abs();
        match self {
            Kernel::Triangle => (1.0 - x).max(0.0),
            Kernel::Cubic => {
                const A: f64 = -0.5;
                if x < 1.0 {
                    ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
                } else if x < 2.0 {
                    (((x - 5.0) * x + 8.0) * x - 4.0) * A
                } else {
                    0.0
                }
            }
            Kernel::Box if distance > -0.5 && distance <= 0.5 => 1.0,
            Kernel::Box => 0.0,
        }
    }
}

/// `image` resized to `width` x `height` with means of whole pixels, which are squares of one
/// colour when it is enlarged.
pub(super) fn resize_box(image: &Image, width: usize, height: usize) -> Image {
    let frame = Window::whole(image.width(), image.height());
    let all = Window::whole(width, height);
    Resizing::with_kernel(Kernel::Box, frame, (width, height), all).apply(&View::from(image))
}

/// What makes a picture from a part of another.
pub(super) struct Resizing {
    needed: Window,
    columns: Filter,
    rows: Filter,
}

impl Resizing {
    /// Resizes what lies within `frame` to `size`, width and height, and cuts `window` out of
    /// that.
    pub fn new(
        interpolation: Interpolation,
        frame: Window,
        size: (usize, usize),
        window: Window,
    ) -> Resizing {
        Resizing::with_kernel(interpolation.into(), frame, size, window)
    }

    fn with_kernel(
        kernel: Kernel,
        frame: Window,
        (width, height): (usize, usize),
        window: Window,
    ) -> Resizing {
        let columns = Filter::new(kernel, frame.width, width, window.left, window.width);
        let rows = Filter::new(kernel, frame.height, height, window.top, window.height);
        Resizing {
            needed: Window {
                left: frame.left + columns.first,
                top: frame.top + rows.first,
                width: columns.reach,
                height: rows.reach,
            },
            columns,
            rows,
        }
    }

    /// Mirrors the result, left to right.
    pub fn mirror(&mut self) {
        self.columns.reverse();
    }

    /// The only part of the picture that the result depends on.
    pub fn needed(&self) -> Window {
        self.needed
    }

    /// `seen` is what is needed.
    pub fn apply(&self, seen: &View) -> Image {
        self.apply_with(Passes::of_this_machine(), seen)
    }

    fn apply_with(&self, passes: Passes, seen: &View) -> Image {
        let across = passes.across(seen, &self.columns);
        let pixels = passes.down(&across, &self.rows);
        let (width, height) = (self.columns.len(), self.rows.len());
        Image::new(width, height, pixels).expect("three bytes were made for each pixel")
    }
}

/// For each output position, the first input position that it sees, counted from the first that
/// any sees, and the weights of those from there on.
struct Filter {
    starts: Vec<usize>,
    /// `taps` for each output position, of which the last may be zero.
    weights: Vec<i32>,
    taps: usize,
    /// The first input position that any output position sees, and how many there are from it to
    /// the last.
    first: usize,
    reach: usize,
}

impl Filter {
    /// From `from` positions to `to`, for the `count` output positions from `start` on.
    fn new(kernel: Kernel, from: usize, to: usize, start: usize, count: usize) -> Filter {
        if from == to {
            return Filter {
                starts: (0..count).collect(),
                weights: vec![1 << PRECISION_BITS; count],
                taps: 1,
                first: start,
                reach: count,
            };
        }
        let scale = from as f64 / to as f64;
        // A step of the coarser grid, in input positions.
        let step = scale.max(1.0);
        let support = kernel.support() * step;
        // `as` truncates towards zero and stops at 0, as the original does.
        let seen = |i: usize| {
            let centre = (i as f64 + 0.5) * scale;
            let first = (centre - support + 0.5) as usize;
            (centre, first, ((centre + support + 0.5) as usize).min(from))
        };
        let outputs: Vec<_> = (start..start + count).map(seen).collect();
        let (first, end) = (outputs[0].1, outputs[count - 1].2);
        let taps = outputs.iter().map(|(_, here, last)| last - here).max();
        let taps = taps.expect("a picture has at least one pixel");

        let inverse = 1.0 / step;
        let mut weights = vec![0; count * taps];
        let mut exact = vec![0.0; taps];
        for (&(centre, here, last), weights) in outputs.iter().zip(weights.chunks_exact_mut(taps)) {
            let exact = &mut exact[..last - here];
            for (exact, j) in exact.iter_mut().zip(here..last) {
                *exact = kernel.weight((j as f64 - centre + 0.5) * inverse);
            }
            let sum: f64 = exact.iter().sum();
            for (weight, exact) in weights.iter_mut().zip(exact) {
                *weight = fixed_point(*exact / sum);
            }
        }
        let starts = outputs.iter().map(|(_, here, _)| here - first).collect();
        Filter {
            starts,
            weights,
            taps,
            first,
            reach: end - first,
        }
    }

    /// Turns the order of the output positions around.
    fn reverse(&mut self) {
        self.starts.reverse();
        // Those of one position stay in their order.
        self.weights.reverse();
        self.weights
            .chunks_exact_mut(self.taps)
            .for_each(<[i32]>::reverse);
    }

    /// How many output positions there are.
    fn len(&self) -> usize {
        self.starts.len()
    }

    /// The output positions: what each sees first, and its weights.
    fn outputs(&self) -> impl Iterator<Item = (usize, &[i32])> {
        self.starts
            .iter()
            .copied()
            .zip(self.weights.chunks_exact(self.taps))
    }
}

fn fixed_point(weight: f64) -> i32 {
    let scaled = weight * f64::from(1 << PRECISION_BITS);
    // `as` truncates towards zero, as the original does.
    if weight < 0.0 {
        (scaled - 0.5) as i32
    } else {
        (scaled + 0.5) as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::part::Part;
    use crate::data::testing::{fingerprint, pattern};

    const KNOWN_PIXELS: [u8; 18] = [
        176, 22, 12, 149, 102, 25, 54, 182, 37, 54, 22, 34, 81, 102, 48, 176, 182, 63,
    ];

    type Size = (usize, usize);

    const KNOWN_FINGERPRINTS: [(Size, Size, [u64; 2]); 6] = [
        (
            (64, 48),
            (23, 17),
            [0x9cee_04f2_72b5_31dd, 0x73de_d78d_e742_a285],
        ),
        (
            (23, 17),
            (64, 48),
            [0x0680_596f_a242_4186, 0xed73_1302_a483_3ac0],
        ),
        (
            (40, 30),
            (40, 11),
            [0x03a1_fc23_66cf_c1ce, 0x4e65_0e5b_860d_21ed],
        ),
        (
            (40, 30),
            (11, 30),
            [0x7667_1221_c314_c013, 0x083a_f228_f767_3c48],
        ),
        (
            (40, 30),
            (40, 30),
            [0xac02_f488_8202_5ed9, 0xac02_f488_8202_5ed9],
        ),
        (
            (300, 7),
            (5, 90),
            [0x1029_30ce_3dc8_8cce, 0xaaa9_f3a3_f52b_b386],
        ),
    ];

    fn whole(image: &Image, to: Size, interpolation: Interpolation) -> Resizing {
        let frame = Window::whole(image.width(), image.height());
        Resizing::new(interpolation, frame, to, Window::whole(to.0, to.1))
    }

    fn resize(image: &Image, width: usize, height: usize) -> Image {
        whole(image, (width, height), Interpolation::Bilinear).apply(&image.into())
    }

    /// `Image.resize((3, 2), Image.BILINEAR)` of Pillow 11.0.0 on `pattern(5, 4)`.
    #[test]
    fn known_pixels() {
        let small = resize(&pattern(5, 4), 3, 2);
        assert_eq!(small.pixels(), KNOWN_PIXELS);
    }

    /// The same on other sizes, bilinear and bicubic, by `tests/images/make.py`.
    #[test]
    fn known_fingerprints() {
        for (from, to, expected) in KNOWN_FINGERPRINTS {
            let image = pattern(from.0, from.1);
            for (interpolation, expected) in [Interpolation::Bilinear, Interpolation::Bicubic]
                .into_iter()
                .zip(expected)
            {
                let resized = whole(&image, to, interpolation).apply(&(&image).into());
                assert_eq!((resized.width(), resized.height()), to);
                let found = fingerprint(resized.pixels());
                assert_eq!(found, expected, "{from:?} to {to:?}, {interpolation:?}");
            }
        }
    }

    #[test]
    fn a_mirrored_result_is_the_flipped_one() {
        let image = pattern(61, 47);
        let mut mirrored = whole(&image, (33, 50), Interpolation::Bilinear);
        mirrored.mirror();
        let expected = resize(&image, 33, 50).flip();
        assert_eq!(mirrored.apply(&(&image).into()), expected);
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
        let frame = Window::whole(61, 47);
        let resizing = Resizing::new(Interpolation::Bilinear, frame, (33, 29), window);
        let needed = resizing.needed();
        assert!(needed.width < 45 && needed.height < 25, "{needed:?}");
        let part = Part {
            image: image.crop(5, 10, 50, 30),
            left: 5,
            top: 10,
        };
        let made = resizing.apply(&part.view(needed));
        assert_eq!(made, whole.crop(4, 9, 20, 11));
    }

    /// Plain loops against what this machine has; sizes with every kind of remainder, and
    /// pictures smaller than what is read at once.
    #[test]
    fn all_passes_give_the_same_bytes() {
        let sizes = [
            (1, 1),
            (2, 9),
            (5, 3),
            (13, 4),
            (40, 37),
            (131, 66),
            (224, 224),
        ];
        for from in sizes {
            let image = pattern(from.0, from.1);
            for to in sizes {
                for kernel in [Kernel::Triangle, Kernel::Cubic, Kernel::Box] {
                    let frame = Window::whole(from.0, from.1);
                    let all = Window::whole(to.0, to.1);
                    let resizing = Resizing::with_kernel(kernel, frame, to, all);
                    let mut made = Passes::all()
                        .into_iter()
                        .map(|passes| resizing.apply_with(passes, &(&image).into()));
                    let first = made.next().unwrap();
                    assert!(made.all(|it| it == first), "{kernel:?}, {from:?} to {to:?}");
                }
            }
        }
    }
}
