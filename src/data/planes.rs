//! From R G B for each pixel to a plane for each colour, the order of a tensor.

/// The planes of `pixels`, one after the other, into `planes`, which is as long.
pub(super) fn write(pixels: &[u8], planes: &mut [u8]) {
    let size = pixels.len() / 3;
    let (reds, rest) = planes.split_at_mut(size);
    let (greens, blues) = rest.split_at_mut(size);
    let mut done = 0;
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("ssse3") {
        // SAFETY: the feature was found.
        done = unsafe { by_sixteens(pixels, [reds, greens, blues]) };
    }
    let (rest, _) = pixels[3 * done..].as_chunks::<3>();
    for (i, pixel) in (done..).zip(rest) {
        (reds[i], greens[i], blues[i]) = (pixel[0], pixel[1], pixel[2]);
    }
}

/// Writes as many pixels as come in sixteens, and says how many.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "ssse3")]
fn by_sixteens(pixels: &[u8], planes: [&mut [u8]; 3]) -> usize {
    use std::arch::x86_64::*;
    let load = |bytes: &[u8; 16]| {
        // SAFETY: there are sixteen bytes.
        unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
    };
    // For each colour and each third of 48 bytes, which byte comes where; 128 for none.
    let places: [[__m128i; 3]; 3] = std::array::from_fn(|colour| {
        std::array::from_fn(|third| {
            load(&std::array::from_fn(|i| {
                let place = (3 * i + colour).wrapping_sub(16 * third);
                if place < 16 { place as u8 } else { 128 }
            }))
        })
    });
    let (groups, _) = pixels.as_chunks::<48>();
    let [reds, greens, blues] = planes.map(|plane| plane.as_chunks_mut::<16>().0);
    let into = reds.iter_mut().zip(greens).zip(blues);
    for (group, ((red, green), blue)) in groups.iter().zip(into) {
        let (thirds, _) = group.as_chunks::<16>();
        let thirds = [load(&thirds[0]), load(&thirds[1]), load(&thirds[2])];
        for (into, places) in [red, green, blue].into_iter().zip(&places) {
            let [a, b, c] = [0, 1, 2].map(|i| _mm_shuffle_epi8(thirds[i], places[i]));
            let plane = _mm_or_si128(_mm_or_si128(a, b), c);
            // SAFETY: there are sixteen bytes.
            unsafe { _mm_storeu_si128(into.as_mut_ptr().cast(), plane) };
        }
    }
    16 * groups.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_come_one_after_the_other_whatever_the_number_of_pixels() {
        for n in [1, 15, 16, 17, 100] {
            let pixels: Vec<u8> = (0..3 * n).map(|i| (i * 7) as u8).collect();
            let mut planes = vec![0; 3 * n];
            write(&pixels, &mut planes);
            for i in 0..3 * n {
                assert_eq!(planes[i % 3 * n + i / 3], pixels[i]);
            }
        }
    }
}
