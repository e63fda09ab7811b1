//! What the passes in vectors share.
//!
//! A weight has up to 23 bits and the fast multiplication takes 16, so each is split:
//! `weight = high * 2^15 + low`. `madd` multiplies a pair of pixels by a pair of weights and adds
//! the two. Sums wrap, as those of 32 bits may: the final one is in range.

use super::Filter;
use super::passes::{Rows, across_row};
use crate::data::part::View;
use std::mem::MaybeUninit;

/// Bits of the low part of a weight.
pub(super) const LOW_BITS: u32 = 15;

/// Two weights as the two halves of a number, for `madd`.
fn pair(a: i32, b: i32) -> i32 {
    (a & 0xffff) | (b << 16)
}

/// Low and high parts of two weights.
pub(super) fn split(a: i32, b: i32) -> [i32; 2] {
    let low = |weight: i32| weight & ((1 << LOW_BITS) - 1);
    [pair(low(a), low(b)), pair(a >> LOW_BITS, b >> LOW_BITS)]
}

/// Rows that `across` computes beside each other.
const TOGETHER: usize = 4;

/// What one load takes, five pixels and a byte.
const LOAD: usize = 16;

/// Computes rows `y` to `y + 3`, with `PAIRS` pairs of taps in each of some steps.
///
/// # Safety
/// The machine must have the vectors; the four rows must be there in `into`, and may be read in
/// `seen` a whole load beyond the last pixel that any output position sees.
pub(super) type FourRows<const PAIRS: usize> = unsafe fn(
    seen: &View,
    columns: &Filter,
    weights: &[[[i32; 2]; PAIRS]],
    steps: usize,
    into: &mut Rows,
    y: usize,
);

/// `Passes::across`, four rows at a time as long as these can be read.
///
/// # Safety
/// The machine must have the vectors of `four_rows`.
pub(super) unsafe fn across_by<const PAIRS: usize>(
    seen: &View,
    columns: &Filter,
    into: &mut Rows,
    four_rows: FourRows<PAIRS>,
) {
    let taps = 2 * PAIRS;
    let steps = columns.taps.div_ceil(taps);
    let weights: Vec<[[i32; 2]; PAIRS]> = columns
        .outputs()
        .flat_map(|(_, weights)| {
            let at = move |i: usize| weights.get(i).copied().unwrap_or(0);
            let pair = move |i: usize| split(at(i), at(i + 1));
            (0..steps).map(move |step| std::array::from_fn(|i| pair(taps * step + 2 * i)))
        })
        .collect();
    // What the last load of a row reads, from the beginning of the row.
    let last = columns.starts.iter().max().map_or(0, |start| 3 * start);
    let reads = last + 3 * taps * (steps - 1) + LOAD;
    let safe = match seen.bytes.len().checked_sub(reads) {
        Some(room) => (room / seen.stride + 1).min(seen.height),
        None => 0,
    };
    let safe = safe / TOGETHER * TOGETHER;
    for y in (0..safe).step_by(TOGETHER) {
        // SAFETY: all four rows are safe to read, as computed above, and `into` has as many rows
        // as `seen`, each with a margin behind its pixels.
        unsafe { four_rows(seen, columns, &weights, steps, into, y) };
    }
    for y in safe..seen.height {
        let row = &mut into.bytes[y * into.stride..];
        across_row(seen.row(y), columns, row);
    }
}

/// Two rows to be mixed: where they begin, and their split weights.
pub(super) type RowPair = (usize, usize, [i32; 2]);

/// `Passes::down`, a row at a time, by the pairs of rows that it is mixed from.
///
/// # Safety
/// The machine must have the vectors of `one_row`.
pub(super) unsafe fn down_by(
    across: &Rows,
    rows: &Filter,
    into: &mut [MaybeUninit<u8>],
    one_row: unsafe fn(&Rows, &[RowPair], &mut [MaybeUninit<u8>]),
) {
    let height = across.bytes.len() / across.stride;
    let mut pairs = Vec::with_capacity(rows.taps.div_ceil(2));
    for ((start, weights), into) in rows.outputs().zip(into.chunks_exact_mut(3 * across.width)) {
        pairs.clear();
        pairs.extend(weights.chunks(2).enumerate().map(|(i, weights)| {
            // Beyond the last row weights are 0.
            let row = |y: usize| y.min(height - 1) * across.stride;
            let (a, b) = (weights[0], weights.get(1).copied().unwrap_or(0));
            let y = start + 2 * i;
            (row(y), row(y + 1), split(a, b))
        }));
        // SAFETY: the places in `pairs` are those of rows.
        unsafe { one_row(across, &pairs, into) };
    }
}

/// Of sixteen bytes, pixels 0 and 1 as pairs of 16 bits (r0 r1, g0 g1, b0 b1, nothing), and pixels 2
/// and 3.
pub(super) const PIXEL_PAIRS: [[i8; LOAD]; 2] = {
    const NO: i8 = -1;
    [
        [0, NO, 3, NO, 1, NO, 4, NO, 2, NO, 5, NO, NO, NO, NO, NO],
        [6, NO, 9, NO, 7, NO, 10, NO, 8, NO, 11, NO, NO, NO, NO, NO],
    ]
};
