//! The Gaussian filter of scipy, one axis after the other.

use super::field::{Field, nearest, reflect};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Border {
    /// The outermost value goes on.
    Nearest,
    /// Mirrored, the outermost value twice.
    Reflect,
}

/// `field` smoothed along each axis; `sigma` is in pixels, (down, across). The kernel ends at
/// `truncate` sigmas.
pub(super) fn smooth(field: &Field, sigma: (f64, f64), truncate: f64, border: Border) -> Field {
    let down = smooth_down(field, sigma.0, truncate, border);
    smooth_down(&down.transposed(), sigma.1, truncate, border).transposed()
}

fn smooth_down(field: &Field, sigma: f64, truncate: f64, border: Border) -> Field {
    let radius = (truncate * sigma + 0.5) as usize;
    if radius == 0 {
        return field.clone();
    }
    let weights = half_kernel(sigma, radius);
    if radius >= field.height {
        return smooth_down_folded(field, &weights, border);
    }
    let mut values = Vec::with_capacity(field.values.len());
    for y in 0..field.height {
        let start = values.len();
        values.extend(field.row(y).iter().map(|it| it * weights[0]));
        let sums = &mut values[start..];
        // From the outside in, as scipy adds, so that the same results get cut.
        for j in (1..=radius).rev() {
            let (y, j) = (y as isize, j as isize);
            let above = field.row(border.inside(y - j, field.height));
            let below = field.row(border.inside(y + j, field.height));
            let weight = weights[j as usize];
            for ((sum, a), b) in sums.iter_mut().zip(above).zip(below) {
                *sum += (a + b) * weight;
            }
        }
    }
    field.with_values(values)
}

/// For a kernel that reaches beyond both ends: the weights of all positions that are the same
/// row are added up first.
fn smooth_down_folded(field: &Field, weights: &[f64], border: Border) -> Field {
    let n = field.height;
    let radius = weights.len() as isize - 1;
    let mut values = Vec::with_capacity(field.values.len());
    let mut folded = vec![0.0; n];
    for y in 0..n {
        folded.fill(0.0);
        for j in -radius..=radius {
            folded[border.inside(y as isize + j, n)] += weights[j.unsigned_abs()];
        }
        let start = values.len();
        values.resize(start + field.width * field.channels, 0.0);
        let sums = &mut values[start..];
        for (row, weight) in folded.iter().enumerate() {
            for (sum, value) in sums.iter_mut().zip(field.row(row)) {
                *sum += value * weight;
            }
        }
    }
    field.with_values(values)
}

/// The weights of the centre and of each distance up to `radius`; the whole kernel sums to 1.
fn half_kernel(sigma: f64, radius: usize) -> Vec<f64> {
    let falling = (0..=radius).map(|j| (-0.5 / (sigma * sigma) * (j * j) as f64).exp());
    let mut weights: Vec<f64> = falling.collect();
    let sum = sum_as_numpy((1..=radius).rev().chain(0..=radius).map(|j| weights[j]));
    for weight in &mut weights {
        *weight /= sum;
    }
    weights
}

/// Eight sums that are added up at the end, then the rest: what another order changes in the
/// last digit decides where whole numbers get cut.
fn sum_as_numpy(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    let (blocks, rest) = values.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for block in blocks {
        for (sum, value) in sums.iter_mut().zip(block) {
            *sum += value;
        }
    }
    let [a, b, c, d, e, f, g, h] = sums;
    let sum = ((a + b) + (c + d)) + ((e + f) + (g + h));
    rest.iter().fold(sum, |sum, value| sum + value)
}

impl Border {
    fn inside(self, i: isize, n: usize) -> usize {
        match self {
            Border::Nearest => nearest(i, n),
            Border::Reflect => reflect(i, n),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(values: &[f64]) -> Field {
        let mut next = values.iter();
        Field::from_fn(values.len(), 1, || *next.next().unwrap())
    }

    #[test]
    fn a_point_becomes_the_kernel() {
        // scipy 1.17: gaussian_filter1d([0, 0, 1, 0, 0], 0.5, mode="nearest").
        let expected = [0.000263865083, 0.106450771974, 0.786570725887];
        let smoothed = smooth(
            &line(&[0.0, 0.0, 1.0, 0.0, 0.0]),
            (0.0, 0.5),
            4.0,
            Border::Nearest,
        );
        for (value, expected) in smoothed.values.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-9, "{value} {expected}");
        }
    }

    #[test]
    fn a_wide_kernel_sees_the_mirror_images() {
        // scipy 1.17: gaussian_filter1d([1, 5, 2], 2, mode=..., truncate=4).
        for (border, expected) in [
            (
                Border::Nearest,
                [1.928369952722, 2.198161267527, 2.303880359472],
            ),
            (
                Border::Reflect,
                [2.610717342393, 2.666992565968, 2.722290091639],
            ),
        ] {
            let smoothed = smooth(&line(&[1.0, 5.0, 2.0]), (0.0, 2.0), 4.0, border);
            for (value, expected) in smoothed.values.iter().zip(expected) {
                assert!((value - expected).abs() < 1e-9, "{value} {expected}");
            }
        }
    }

    #[test]
    fn a_constant_stays() {
        let field = Field::from_fn(9, 7, || 0.25);
        for sigma in [0.05, 0.7, 3.0, 50.0] {
            let smoothed = smooth(&field, (sigma, sigma), 4.0, Border::Reflect);
            assert!(smoothed.values.iter().all(|it| (it - 0.25).abs() < 1e-12));
        }
    }
}
