//! Normal numbers by the method of Box and Muller.

use rand::Rng;
use std::f64::consts::TAU;

/// Standard normal numbers drawn from `random`.
pub(super) fn normals(random: &mut impl Rng) -> impl FnMut() -> f64 {
    let mut spare = None;
    move || {
        spare.take().unwrap_or_else(|| {
            // In (0, 1], whose logarithm is finite.
            let share = 1.0 - random.random::<f64>();
            let radius = (-2.0 * share.ln()).sqrt();
            let (sine, cosine) = (TAU * random.random::<f64>()).sin_cos();
            spare = Some(radius * sine);
            radius * cosine
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed;

    #[test]
    fn the_moments_are_those_of_a_standard_normal() {
        let mut random = seed::generator(0, "normals", &[]);
        let mut normal = normals(&mut random);
        let n = 100_000;
        let mut sums = [0.0; 4];
        for _ in 0..n {
            let value = normal();
            for (power, sum) in sums.iter_mut().enumerate() {
                *sum += value.powi(power as i32 + 1) / f64::from(n);
            }
        }
        for (moment, expected) in sums.iter().zip([0.0, 1.0, 0.0, 3.0]) {
            assert!((moment - expected).abs() < 0.05, "{sums:?}");
        }
    }
}
