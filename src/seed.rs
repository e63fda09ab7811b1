//! Randomness is derived, not carried: each draw comes from a generator seeded by the run's
//! seed, a purpose and counters (epoch, step, index). So a run that resumes at step n draws
//! what the uninterrupted run drew, and the number of loader threads changes nothing.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// A 64-bit seed for `purpose` at `counters` of the run seeded by `seed`.
///
/// FNV-1a over the purpose, then one SplitMix64 step for each number: neighbouring counters
/// give unrelated seeds.
pub fn derive(seed: u64, purpose: &str, counters: &[u64]) -> u64 {
    let mut h = 0xcbf2_9ce4_8422_2325_u64;
    for byte in purpose.bytes() {
        h = (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    h = mix(h ^ mix(seed));
    for &counter in counters {
        h = mix(h ^ mix(counter));
    }
    h
}

/// The generator for `purpose` at `counters`; its stream is the same on every machine.
pub fn generator(seed: u64, purpose: &str, counters: &[u64]) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(derive(seed, purpose, counters))
}

fn mix(z: u64) -> u64 {
    let z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_part_changes_the_seed() {
        let mut seen = HashSet::new();
        for seed in 0..10 {
            for purpose in ["shuffle", "augment"] {
                for epoch in 0..10 {
                    for step in 0..10 {
                        seen.insert(derive(seed, purpose, &[epoch, step]));
                    }
                }
            }
        }
        assert_eq!(seen.len(), 2000);
    }
}
