//! The few functions of probability that the tests and intervals here need.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// What Stirling's formula for ln n! lacks: `ln n! - ln(sqrt(2 pi n) (n/e)^n)`. `n` is at
/// least 1.
///
/// Loader 2000, "Fast and accurate computation of binomial probabilities": kept apart, it lets
/// probabilities be computed without differences of large logarithms.
fn stirling_error(n: u64) -> f64 {
    let x = n as f64;
    if n <= 15 {
        let factorial: f64 = (1..=n).map(|i| i as f64).product();
        return (factorial / (x.powi(n as i32) * (2.0 * PI * x).sqrt())).ln() + x;
    }
    let y = 1.0 / (x * x);
    let series = [12.0, -360.0, 1260.0, -1680.0, 1188.0];
    let series = series
        .iter()
        .rev()
        .fold(-691.0 / 360360.0, |sum, c| sum * y + 1.0 / c);
    // The next term is 1/156 x^-13, below 1e-17 from 16 on.
    series / x
}

/// The probability of `k` heads in `n` throws of a fair coin; `k` is at most `n`.
pub(super) fn fair_binomial(k: u64, n: u64) -> f64 {
    if k == 0 || k == n {
        return 0.5_f64.powf(n as f64);
    }
    let (heads, tails, all) = (k as f64, (n - k) as f64, n as f64);
    // heads ln(2 heads / n) + tails ln(2 tails / n), in a form whose parts do not cancel.
    let d = (heads - tails) / all;
    let deviance = all / 2.0 * ((-d * d).ln_1p() + 2.0 * d * d.atanh());
    let ln = stirling_error(n) - stirling_error(k) - stirling_error(n - k) - deviance;
    (all / (2.0 * PI * heads * tails)).sqrt() * ln.exp()
}

/// The probability of at most `k` heads in `n` throws of a fair coin, for `k` up to `n / 2`,
/// to a relative 1e-12 however small.
pub(super) fn fair_binomial_tail(k: u64, n: u64) -> f64 {
    let mut term = 1.0;
    let mut sum = 0.0;
    for i in (0..=k).rev() {
        sum += term;
        // From `i` heads to one fewer, relative to the first term.
        term *= i as f64 / (n - i + 1) as f64;
        if term < f64::EPSILON * sum / 16.0 {
            break;
        }
    }
    sum * fair_binomial(k, n)
}

/// The probability that a standard normal number exceeds `z`.
pub(super) fn normal_tail(z: f64) -> f64 {
    if z < 0.0 {
        return 1.0 - normal_tail(-z);
    }
    let density = normal_density(z);
    if z < 3.0 {
        // 1/2 - density (z + z^3/3 + z^5/15 + ..): Abramowitz & Stegun 26.2.11.
        let (mut term, mut sum, mut odd) = (z, 0.0, 1.0);
        while term > f64::EPSILON * sum / 16.0 {
            sum += term;
            odd += 2.0;
            term *= z * z / odd;
        }
        return 0.5 - density * sum;
    }
    // density / (z + 1/(z + 2/(z + 3/(z + ..)))): 26.2.14.
    let fraction = (1..=150).rev().fold(z, |below, i| z + i as f64 / below);
    density / fraction
}

/// The number that a standard normal number exceeds with probability `p`, for `p` strictly
/// between 0 and 1.
pub(super) fn normal_quantile(p: f64) -> f64 {
    if p > 0.5 {
        return -normal_quantile(1.0 - p);
    }
    // Abramowitz & Stegun 26.2.22 is right to 3e-3; Newton on ln of the tail does the rest.
    let t = (-2.0 * p.ln()).sqrt();
    let mut z = t - (2.30753 + 0.27061 * t) / (1.0 + t * (0.99229 + 0.04481 * t));
    for _ in 0..5 {
        let tail = normal_tail(z);
        z += (tail / p).ln() * tail / normal_density(z);
    }
    z
}

/// The t that a number of Student's distribution with `freedom` degrees of freedom, at least 1,
/// lies within, `-t .. t`, with probability `level`, strictly between 0 and 1.
pub(super) fn student_quantile(level: f64, freedom: u64) -> f64 {
    // The probability grows with the angle, which is bounded as t is not.
    let (mut low, mut high) = (0.0, PI / 2.0);
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            return (freedom as f64).sqrt() * middle.tan();
        }
        match student_within(middle, freedom) < level {
            true => low = middle,
            false => high = middle,
        }
    }
}

/// The probability of `-t .. t`, with t = sqrt(freedom) tan(angle): Abramowitz & Stegun 26.7.3
/// and 26.7.4, finite sums of positive terms.
fn student_within(angle: f64, freedom: u64) -> f64 {
    let (sine, cosine) = angle.sin_cos();
    let odd = freedom % 2 == 1;
    let mut term = if odd { cosine } else { 1.0 };
    let mut sum = 0.0;
    // From the power k of the cosine to k + 2, up to freedom - 2.
    for k in (freedom % 2..freedom.saturating_sub(1)).step_by(2) {
        sum += term;
        term *= (k + 1) as f64 / (k + 2) as f64 * cosine * cosine;
    }
    match odd {
        true => 2.0 / PI * (angle + sine * sum),
        false => sine * sum,
    }
}

fn normal_density(z: f64) -> f64 {
    FRAC_1_SQRT_2 / PI.sqrt() * (-z * z / 2.0).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn near(ours: f64, theirs: f64, relative: f64) {
        let off = (ours - theirs).abs() / theirs.abs();
        assert!(off <= relative, "{ours:e} instead of {theirs:e}");
    }

    #[test]
    fn coins_by_counting() {
        // Pascal's triangle, whose numbers are exact up to row 56.
        let mut row = vec![1.0];
        for n in 0..=56_u64 {
            let mut sum = 0.0;
            for (k, ways) in row.iter().enumerate() {
                let (k, p) = (k as u64, ways * 0.5_f64.powi(n as i32));
                near(fair_binomial(k, n), p, 1e-13);
                sum += p;
                if 2 * k <= n {
                    near(fair_binomial_tail(k, n), sum, 1e-13);
                }
            }
            let next = row.windows(2).map(|pair| pair[0] + pair[1]);
            row = [1.0].into_iter().chain(next).chain([1.0]).collect();
        }
    }

    #[test]
    fn many_coins() {
        // mpmath 1.4.1, 50 digits: the tail, then the single probability.
        for (k, n, tail, single) in [
            (40, 100, 2.844_396_682_049_04e-2, 1.084_386_671_163_799e-2),
            (460, 1000, 6.222_073_138_585_89e-3, 1.028_007_355_507_98e-3),
            (
                24_000,
                50_000,
                1.928_734_975_515_91e-19,
                1.501_017_926_833_519e-20,
            ),
            (
                499_000,
                1_000_000,
                2.280_414_993_269_104e-2,
                1.079_819_780_189_152e-4,
            ),
        ] {
            near(fair_binomial_tail(k, n), tail, 1e-12);
            near(fair_binomial(k, n), single, 1e-12);
        }
        assert_eq!(fair_binomial_tail(100, 3000), 0.0);
        assert_eq!(fair_binomial_tail(0, 0), 1.0);
    }

    #[test]
    fn normal_numbers() {
        // mpmath 1.4.1, 50 digits; the last digit of z = 20 and 35 hangs on exp.
        for (z, tail) in [
            (0.0, 0.5),
            (0.1, 0.460_172_162_722_971),
            (1.0, 0.158_655_253_931_457_05),
            (1.96, 2.499_789_514_822_043_6e-2),
            (2.999, 1.354_336_533_727_106_2e-3),
            (3.0, 1.349_898_031_630_094_5e-3),
            (5.0, 2.866_515_718_791_939e-7),
            (20.0, 2.753_624_118_606_234e-89),
            (35.0, 1.124_910_706_472_406e-268),
        ] {
            near(normal_tail(z), tail, 1e-12);
            near(normal_tail(-z), 1.0 - tail, 1e-15);
        }
        assert_eq!(normal_tail(40.0), 0.0);
        // scipy 1.17.1, norm.isf.
        for (p, z) in [
            (0.25, 0.674_489_750_196_081_7),
            (0.025, 1.959_963_984_540_054_5),
            (0.005, 2.575_829_303_548_901),
            (1e-6, 4.753_424_308_822_899),
            (1e-20, 9.262_340_089_798_409),
            (0.999, -3.090_232_306_167_813),
        ] {
            near(normal_quantile(p), z, 1e-13);
        }
        assert!(normal_quantile(0.5).abs() < 1e-15);
    }

    #[test]
    fn student_numbers() {
        // In closed form for one, two and four degrees of freedom.
        for level in [0.1, 0.5, 0.9, 0.95, 0.99, 0.999] {
            let one = (PI / 2.0 * level).tan();
            near(student_quantile(level, 1), one, 1e-12);
            let two = level * (2.0 / (1.0 - level * level)).sqrt();
            near(student_quantile(level, 2), two, 1e-12);
            let alpha: f64 = 1.0 - level * level;
            let angle = alpha.sqrt().acos() / 3.0;
            let four = 2.0 * (angle.cos() / alpha.sqrt() - 1.0).sqrt();
            near(student_quantile(level, 4), four, 1e-12);
        }
        // mpmath 1.3.0, 50 digits: the root of the incomplete beta function.
        for (level, freedom, t) in [
            (0.95, 1, 12.706204736174705),
            (0.95, 2, 4.302652729749464),
            (0.95, 3, 3.1824463052837095),
            (0.95, 4, 2.7764451051977943),
            (0.95, 5, 2.5705818356363155),
            (0.95, 9, 2.2621571627982053),
            (0.95, 10, 2.228138851986275),
            (0.95, 29, 2.0452296421327043),
            (0.95, 100, 1.9839715185235522),
            (0.95, 1000, 1.9623390808264085),
            (0.99, 3, 5.840909309733357),
            (0.99, 6, 3.70742802132478),
            (0.5, 7, 0.7111417780817864),
            (0.999, 3, 12.923978636687483),
        ] {
            near(student_quantile(level, freedom), t, 1e-12);
        }
        // Cornish and Fisher: the normal quantile z, relatively (z^2 + 1) / (4 freedom) larger.
        let z = normal_quantile(0.025);
        let many = z * (1.0 + (z * z + 1.0) / 400_000.0);
        near(student_quantile(0.95, 100_000), many, 1e-9);
    }
}
