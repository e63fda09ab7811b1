//! The passes with AVX2: the same integers, so the same bytes.

use super::Filter;
use super::passes::{HALF, Rows};
use super::vectors::{LOW_BITS, PIXEL_PAIRS, RowPair, across_by, down_by};
use crate::data::part::View;
use std::arch::x86_64::*;
use std::mem::MaybeUninit;

/// Whether the machine has what this needs.
pub(super) fn is_here() -> bool {
    is_x86_feature_detected!("avx2")
}

/// See `Passes::across`. Only where `is_here`.
pub(super) fn across(seen: &View, columns: &Filter, into: &mut Rows) {
    // SAFETY: the machine has AVX2.
    unsafe {
        match columns.taps {
            1 | 2 => across_by(seen, columns, into, four_rows::<1>),
            _ => across_by(seen, columns, into, four_rows::<2>),
        }
    }
}

/// See `Passes::down`. Only where `is_here`.
pub(super) fn down(across: &Rows, rows: &Filter, into: &mut [MaybeUninit<u8>]) {
    // SAFETY: the machine has AVX2.
    unsafe { down_by(across, rows, into, one_row) }
}

#[target_feature(enable = "avx2")]
unsafe fn four_rows<const PAIRS: usize>(
    seen: &View,
    columns: &Filter,
    weights: &[[[i32; 2]; PAIRS]],
    steps: usize,
    into: &mut Rows,
    y: usize,
) {
    let half = _mm256_set1_epi32(HALF);
    unsafe {
        let load = |bytes: *const u8| _mm_loadu_si128(bytes.cast());
        let places =
            PIXEL_PAIRS.map(|places| _mm256_broadcastsi128_si256(load(places.as_ptr().cast())));
        let from = seen.bytes.as_ptr().add(y * seen.stride);
        let to = into.bytes.as_mut_ptr().add(y * into.stride);
        let mut weights = weights.as_ptr();
        for (x, start) in columns.starts.iter().enumerate() {
            let mut low = [half; 2];
            let mut high = [_mm256_setzero_si256(); 2];
            let mut pixel = from.add(3 * start);
            for _ in 0..steps {
                for rows in 0..2 {
                    let a = pixel.add(2 * rows * seen.stride);
                    let both = _mm256_inserti128_si256(
                        _mm256_castsi128_si256(load(a)),
                        load(a.add(seen.stride)),
                        1,
                    );
                    for (places, weights) in places.iter().zip(&*weights) {
                        let values = _mm256_shuffle_epi8(both, *places);
                        let [l, h] = weights.map(|it| _mm256_set1_epi32(it));
                        low[rows] = _mm256_add_epi32(low[rows], _mm256_madd_epi16(values, l));
                        high[rows] = _mm256_add_epi32(high[rows], _mm256_madd_epi16(values, h));
                    }
                }
                weights = weights.add(1);
                pixel = pixel.add(6 * PAIRS);
            }
            let a = joined(low[0], high[0]);
            let b = joined(low[1], high[1]);
            let words = _mm256_packs_epi32(a, b);
            let bytes = _mm256_packus_epi16(words, words);
            let (even, odd) = (
                _mm256_castsi256_si128(bytes),
                _mm256_extracti128_si256(bytes, 1),
            );
            // Four bytes each: the fourth is overwritten by the next pixel, or margin.
            let to = to.add(3 * x);
            let store = |row: usize, pixel: i32| {
                to.add(row * into.stride)
                    .cast::<i32>()
                    .write_unaligned(pixel);
            };
            store(0, _mm_extract_epi32(even, 0));
            store(1, _mm_extract_epi32(odd, 0));
            store(2, _mm_extract_epi32(even, 1));
            store(3, _mm_extract_epi32(odd, 1));
        }
    }
}

/// The sums in grey levels, not clamped yet.
#[target_feature(enable = "avx2")]
fn joined(low: __m256i, high: __m256i) -> __m256i {
    let sum = _mm256_add_epi32(low, _mm256_slli_epi32(high, LOW_BITS as i32));
    _mm256_srai_epi32(sum, super::PRECISION_BITS as i32)
}

/// Bytes of a row that `down` computes beside each other.
const BLOCK: usize = 32;

#[target_feature(enable = "avx2")]
unsafe fn one_row(across: &Rows, pairs: &[RowPair], into: &mut [MaybeUninit<u8>]) {
    let zero = _mm256_setzero_si256();
    let half = _mm256_set1_epi32(HALF);
    // The margin behind the pixels of each row is as large as a block.
    let bytes = across.bytes.as_ptr();
    for at in (0..into.len()).step_by(BLOCK) {
        let mut low = [half; 4];
        let mut high = [zero; 4];
        for &(a, b, [low_weights, high_weights]) in pairs {
            let low_weights = _mm256_set1_epi32(low_weights);
            let high_weights = _mm256_set1_epi32(high_weights);
            // SAFETY: both rows have at least 32 bytes from `at` on, their margin included.
            let (a, b) = unsafe {
                let load = |row: usize| _mm256_loadu_si256(bytes.add(row + at).cast());
                (load(a), load(b))
            };
            let (front, back) = (_mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b));
            let values = [
                _mm256_unpacklo_epi8(front, zero),
                _mm256_unpackhi_epi8(front, zero),
                _mm256_unpacklo_epi8(back, zero),
                _mm256_unpackhi_epi8(back, zero),
            ];
            for i in 0..4 {
                low[i] = _mm256_add_epi32(low[i], _mm256_madd_epi16(values[i], low_weights));
                high[i] = _mm256_add_epi32(high[i], _mm256_madd_epi16(values[i], high_weights));
            }
        }
        let sums = [0, 1, 2, 3].map(|i| joined(low[i], high[i]));
        let front = _mm256_packs_epi32(sums[0], sums[1]);
        let back = _mm256_packs_epi32(sums[2], sums[3]);
        // The packing undoes the order that the unpacking made.
        let block = _mm256_packus_epi16(front, back);
        let mut stored = [MaybeUninit::new(0); BLOCK];
        // SAFETY: both places have 32 bytes.
        unsafe {
            match into.get_mut(at..at + BLOCK) {
                Some(whole) => _mm256_storeu_si256(whole.as_mut_ptr().cast(), block),
                None => {
                    _mm256_storeu_si256(stored.as_mut_ptr().cast(), block);
                    let rest = &mut into[at..];
                    rest.copy_from_slice(&stored[..rest.len()]);
                }
            }
        }
    }
}
