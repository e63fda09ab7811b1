//! Bytes as fractions of 255.

/// Fills `into` with `bytes`, each divided by 255 and rounded as a division rounds.
pub(super) fn fill(into: &mut [f32], bytes: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: the features were found.
        return unsafe { fill_fused(into, bytes) };
    }
    for (entry, byte) in into.iter_mut().zip(bytes) {
        *entry = f32::from(*byte) / 255.0;
    }
}

/// By multiplications, which take a fraction of the time of divisions.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn fill_fused(into: &mut [f32], bytes: &[u8]) {
    for (entry, byte) in into.iter_mut().zip(bytes) {
        *entry = fused(f32::from(*byte));
    }
}

/// `byte / 255`: a first quotient, improved by what it leaves.
#[cfg(any(test, target_arch = "x86_64"))]
#[inline(always)]
fn fused(byte: f32) -> f32 {
    const INVERSE: f32 = 1.0 / 255.0;
    let near = byte * INVERSE;
    let left = near.mul_add(-255.0, byte);
    left.mul_add(INVERSE, near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_divided_exactly() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut filled = vec![0.0; 256];
        fill(&mut filled, &bytes);
        for byte in 0..=255_u8 {
            let expected = f32::from(byte) / 255.0;
            assert_eq!(filled[usize::from(byte)], expected);
            assert_eq!(fused(f32::from(byte)), expected);
        }
    }
}
