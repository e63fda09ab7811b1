//! The passes with AVX-512: the same integers, so the same bytes.

use super::Filter;
use super::passes::{HALF, Rows};
use super::vectors::{LOW_BITS, PIXEL_PAIRS, RowPair, across_by, down_by};
use crate::data::part::View;
use std::arch::x86_64::*;
use std::mem::MaybeUninit;

/// Whether the machine has what this needs.
pub(super) fn is_here() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vnni")
}

/// See `Passes::across`. Only where `is_here`.
pub(super) fn across(seen: &View, columns: &Filter, into: &mut Rows) {
    // SAFETY: the machine has these vectors.
    unsafe {
        match columns.taps {
            1 | 2 => across_by(seen, columns, into, four_rows::<1>),
            _ => across_by(seen, columns, into, four_rows::<2>),
        }
    }
}

/// See `Passes::down`. Only where `is_here`.
pub(super) fn down(across: &Rows, rows: &Filter, into: &mut [MaybeUninit<u8>]) {
    // SAFETY: the machine has these vectors.
    unsafe { down_by(across, rows, into, one_row) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn four_rows<const PAIRS: usize>(
    seen: &View,
    columns: &Filter,
    weights: &[[[i32; 2]; PAIRS]],
    steps: usize,
    into: &mut Rows,
    y: usize,
) {
    unsafe {
        let load = |bytes: *const u8| _mm_loadu_si128(bytes.cast());
        let places = PIXEL_PAIRS.map(|it| _mm512_broadcast_i32x4(load(it.as_ptr().cast())));
        let from = seen.bytes.as_ptr().add(y * seen.stride);
        let to = into.bytes.as_mut_ptr().add(y * into.stride);
        let mut weights = weights.as_ptr();
        for (x, start) in columns.starts.iter().enumerate() {
            let mut low = _mm512_set1_epi32(HALF);
            let mut high = _mm512_setzero_si512();
            let mut pixel = from.add(3 * start);
            for _ in 0..steps {
                let row = |row: usize| load(pixel.add(row * seen.stride));
                let rows = _mm512_castsi128_si512(row(0));
                let rows = _mm512_inserti32x4(rows, row(1), 1);
                let rows = _mm512_inserti32x4(rows, row(2), 2);
                let rows = _mm512_inserti32x4(rows, row(3), 3);
                for (places, [l, h]) in places.iter().zip(*weights) {
                    let values = _mm512_shuffle_epi8(rows, *places);
                    low = _mm512_dpwssd_epi32(low, values, _mm512_set1_epi32(l));
                    high = _mm512_dpwssd_epi32(high, values, _mm512_set1_epi32(h));
                }
                weights = weights.add(1);
                pixel = pixel.add(6 * PAIRS);
            }
            let pixels = bytes(joined(low, high));
            // Four bytes each: the fourth is overwritten by the next pixel, or margin.
            let to = to.add(3 * x);
            let store = |row: usize, pixel: i32| {
                to.add(row * into.stride)
                    .cast::<i32>()
                    .write_unaligned(pixel);
            };
            store(0, _mm_extract_epi32(pixels, 0));
            store(1, _mm_extract_epi32(pixels, 1));
            store(2, _mm_extract_epi32(pixels, 2));
            store(3, _mm_extract_epi32(pixels, 3));
        }
    }
}

/// The sums in grey levels, not clamped yet.
#[target_feature(enable = "avx512f")]
fn joined(low: __m512i, high: __m512i) -> __m512i {
    let sum = _mm512_add_epi32(low, _mm512_slli_epi32(high, LOW_BITS));
    _mm512_srai_epi32(sum, super::PRECISION_BITS)
}

/// Clamps to 0 to 255.
#[target_feature(enable = "avx512f")]
fn bytes(levels: __m512i) -> __m128i {
    _mm512_cvtusepi32_epi8(_mm512_max_epi32(levels, _mm512_setzero_si512()))
}

/// Bytes of a row that are computed beside each other.
const BLOCK: usize = 64;

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn one_row(across: &Rows, pairs: &[RowPair], into: &mut [MaybeUninit<u8>]) {
    let zero = _mm512_setzero_si512();
    let half = _mm512_set1_epi32(HALF);
    // The margin behind the pixels of each row is as large as a block.
    let bytes = across.bytes.as_ptr();
    for at in (0..into.len()).step_by(BLOCK) {
        let mut low = [half; 4];
        let mut high = [zero; 4];
        for &(a, b, [l, h]) in pairs {
            let (l, h) = (_mm512_set1_epi32(l), _mm512_set1_epi32(h));
            // SAFETY: both rows have at least 64 bytes from `at` on, their margin included.
            let (a, b) = unsafe {
                let load = |row: usize| _mm512_loadu_si512(bytes.add(row + at).cast());
                (load(a), load(b))
            };
            let (front, back) = (_mm512_unpacklo_epi8(a, b), _mm512_unpackhi_epi8(a, b));
            let values = [
                _mm512_unpacklo_epi8(front, zero),
                _mm512_unpackhi_epi8(front, zero),
                _mm512_unpacklo_epi8(back, zero),
                _mm512_unpackhi_epi8(back, zero),
            ];
            for i in 0..4 {
                low[i] = _mm512_dpwssd_epi32(low[i], values[i], l);
                high[i] = _mm512_dpwssd_epi32(high[i], values[i], h);
            }
        }
        let sums = [0, 1, 2, 3].map(|i| joined(low[i], high[i]));
        let front = _mm512_packs_epi32(sums[0], sums[1]);
        let back = _mm512_packs_epi32(sums[2], sums[3]);
        // The packing undoes the order that the unpacking made.
        let block = _mm512_packus_epi16(front, back);
        let room = (into.len() - at).min(BLOCK);
        // SAFETY: as many bytes are written as there are.
        unsafe {
            let mask = u64::MAX >> (BLOCK - room);
            _mm512_mask_storeu_epi8(into.as_mut_ptr().add(at).cast(), mask, block);
        }
    }
}
