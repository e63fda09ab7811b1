//! The two passes of a resize, as plain loops and as the fastest that the machine has.

use super::{Filter, PRECISION_BITS};
use crate::data::part::View;
use std::cell::Cell;
use std::mem::MaybeUninit;
use std::sync::LazyLock;

/// Rows of RGB pixels, `stride` bytes from one to the next. The bytes behind each row are a margin
/// for whoever reads or writes several pixels at once.
pub(super) struct Rows {
    pub bytes: Vec<u8>,
    pub stride: usize,
    pub width: usize,
}

impl Rows {
    /// More than any single load or store takes.
    const MARGIN: usize = 64;

    /// With any content.
    pub fn new(width: usize, height: usize) -> Rows {
        let stride = (3 * width).next_multiple_of(16) + Self::MARGIN;
        let mut bytes = SPARE.take();
        bytes.resize(stride * height, 0);
        Rows {
            bytes,
            stride,
            width,
        }
    }

    pub fn row(&self, y: usize) -> &[u8] {
        &self.bytes[y * self.stride..][..3 * self.width]
    }
}

thread_local! {
    /// The memory of the last rows: to clear new memory for each image takes longer than the pass
    /// that reads it.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Drop for Rows {
    fn drop(&mut self) {
        SPARE.set(std::mem::take(&mut self.bytes));
    }
}

/// One way to compute the passes; all give the same bytes.
#[derive(Clone, Copy)]
pub(super) struct Passes {
    across: fn(&View, &Filter, &mut Rows),
    /// Writes all of the pixels.
    down: fn(&Rows, &Filter, &mut [MaybeUninit<u8>]),
}

impl Passes {
    /// The fastest ones here.
    pub fn of_this_machine() -> Passes {
        static FASTEST: LazyLock<Passes> = LazyLock::new(|| Passes::all()[0]);
        *FASTEST
    }

    /// Those that run here, the fastest first.
    pub fn all() -> Vec<Passes> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            use super::{passes_avx2 as avx2, passes_avx512 as avx512};
            if avx512::is_here() {
                let (across, down) = (avx512::across, avx512::down);
                all.push(Passes { across, down });
            }
            if avx2::is_here() {
                let (across, down) = (avx2::across, avx2::down);
                all.push(Passes { across, down });
            }
        }
        all.push(Passes { across, down });
        all
    }

    /// Each row of `seen`, filtered to as many pixels as the filter has outputs.
    pub fn across(&self, seen: &View, columns: &Filter) -> Rows {
        let mut rows = Rows::new(columns.len(), seen.height);
        (self.across)(seen, columns, &mut rows);
        rows
    }

    /// Each column of `across` likewise; the rows of the result follow each other.
    pub fn down(&self, across: &Rows, rows: &Filter) -> Vec<u8> {
        let bytes = 3 * across.width * rows.len();
        let mut pixels = Vec::with_capacity(bytes);
        (self.down)(across, rows, &mut pixels.spare_capacity_mut()[..bytes]);
        // SAFETY: so many have been written.
        unsafe { pixels.set_len(bytes) };
        pixels
    }
}

/// One half, so that the shift in `to_byte` rounds.
pub(super) const HALF: i32 = 1 << (PRECISION_BITS - 1);

fn to_byte(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

fn across(seen: &View, columns: &Filter, into: &mut Rows) {
    for y in 0..seen.height {
        let row = &mut into.bytes[y * into.stride..];
        across_row(seen.row(y), columns, row);
    }
}

pub(super) fn across_row(row: &[u8], columns: &Filter, into: &mut [u8]) {
    let (into, _) = into.as_chunks_mut::<3>();
    for (pixel, (start, weights)) in into.iter_mut().zip(columns.outputs()) {
        *pixel = one_across(&row[3 * start..], weights);
    }
}

/// One pixel from those that `seen` begins with. Weights beyond the end of a row are 0.
fn one_across(seen: &[u8], weights: &[i32]) -> [u8; 3] {
    let mut sums = [HALF; 3];
    for (pixel, weight) in seen.as_chunks::<3>().0.iter().zip(weights) {
        for (sum, value) in sums.iter_mut().zip(pixel) {
            *sum += i32::from(*value) * weight;
        }
    }
    sums.map(to_byte)
}

fn down(across: &Rows, rows: &Filter, into: &mut [MaybeUninit<u8>]) {
    let bytes = 3 * across.width;
    let mut sums = vec![HALF; bytes];
    let height = across.bytes.len() / across.stride;
    for ((start, weights), into) in rows.outputs().zip(into.chunks_exact_mut(bytes)) {
        sums.fill(HALF);
        for (y, weight) in (start..height).zip(weights) {
            for (sum, value) in sums.iter_mut().zip(across.row(y)) {
                *sum += i32::from(*value) * weight;
            }
        }
        for (byte, sum) in into.iter_mut().zip(&sums) {
            byte.write(to_byte(*sum));
        }
    }
}
