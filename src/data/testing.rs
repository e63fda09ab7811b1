//! What the tests of this folder share.

use super::image::Image;

/// A picture with slopes, edges and fine detail; `tests/images/make.py` draws the same one.
pub(super) fn pattern(width: usize, height: usize) -> Image {
    Image::from_fn(width, height, |x, y| {
        let square = if (x / 3 + y / 2) % 2 == 0 { 200 } else { 30 };
        let slope = 255 * x / width;
        let detail = (7 * x + 13 * y + x * y) % 256;
        [square as u8, slope as u8, detail as u8]
    })
    .unwrap()
}

/// FNV-1a of 64 bits.
pub(super) fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
