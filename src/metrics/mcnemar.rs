//! Whether two models differ, from the same examples: McNemar's test.
//!
//! McNemar 1947, <https://doi.org/10.1007/BF02295996>; mid-p: Fagerland et al. 2013,
//! <https://doi.org/10.1186/1471-2288-13-91>. Only the examples that one model gets right and
//! the other wrong say anything about the difference. Were the models equally good, each of
//! those would favour either with probability 1/2.

use super::special::{fair_binomial, fair_binomial_tail, normal_tail};
use crate::Result;
use serde::Serialize;

/// Two models compared example by example.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct McNemar {
    pub both_right: u64,
    pub only_a_right: u64,
    pub only_b_right: u64,
    pub both_wrong: u64,
    /// The error of B minus that of A; `None` without examples.
    pub error_change: Option<f64>,
    /// The exact two-sided p-value; 1 where no example tells the models apart.
    pub p_exact: f64,
    /// The same with half the weight on what was seen: less conservative, and still at its
    /// level in practice.
    pub p_mid: f64,
    /// `max(|only_a_right - only_b_right| - 1, 0)^2 / (only_a_right + only_b_right)`: the
    /// statistic with continuity correction, of one degree of freedom. `None` where no example
    /// tells the models apart.
    pub chi_square: Option<f64>,
    /// The p-value of `chi_square`: good from some 25 examples that tell the models apart.
    pub p_chi_square: Option<f64>,
}

/// Compares models A and B by which of the same examples each gets right.
///
/// # Errors
/// `Invalid` for lengths that differ.
pub fn mcnemar(correct_a: &[bool], correct_b: &[bool]) -> Result<McNemar> {
    let n = correct_a.len();
    ensure!(
        correct_b.len() == n,
        "`correct_b` must be [{n}] like `correct_a`, got [{}]",
        correct_b.len()
    );
    let count = |a: bool, b: bool| {
        let pairs = correct_a.iter().zip(correct_b);
        pairs.filter(|&(&x, &y)| x == a && y == b).count() as u64
    };
    Ok(McNemar::from_counts(
        count(true, true),
        count(true, false),
        count(false, true),
        count(false, false),
    ))
}

impl McNemar {
    /// From the number of examples that both get right, only A, only B, and neither.
    pub fn from_counts(
        both_right: u64,
        only_a_right: u64,
        only_b_right: u64,
        both_wrong: u64,
    ) -> Self {
        let n = only_a_right + only_b_right;
        let fewer = only_a_right.min(only_b_right);
        let even = only_a_right == only_b_right;
        let (p_exact, seen) = match even {
            true => (1.0, fair_binomial(fewer, n) / 2.0),
            false => {
                let twice = 2.0 * fair_binomial_tail(fewer, n);
                (twice.min(1.0), fair_binomial(fewer, n))
            }
        };
        let p_mid = if n == 0 { 1.0 } else { p_exact - seen };
        let apart = only_a_right.abs_diff(only_b_right) as f64;
        let chi_square = (n > 0).then(|| (apart - 1.0).max(0.0).powi(2) / n as f64);
        let all = n + both_right + both_wrong;
        let change = only_a_right as f64 - only_b_right as f64;
        McNemar {
            both_right,
            only_a_right,
            only_b_right,
            both_wrong,
            error_change: (all > 0).then(|| change / all as f64),
            p_exact,
            p_mid,
            chi_square,
            // A chi-square number of one degree of freedom is the square of a normal one.
            p_chi_square: chi_square.map(|it| 2.0 * normal_tail(it.sqrt())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn near(ours: f64, theirs: f64) {
        let off = (ours - theirs).abs() / theirs;
        assert!(off <= 1e-11, "{ours:e} instead of {theirs:e}");
    }

    #[test]
    fn counts_what_each_gets_right() {
        let a = [true, true, true, false, false, true];
        let b = [true, false, false, true, false, true];
        let it = mcnemar(&a, &b).unwrap();
        let counts = (it.both_right, it.only_a_right, it.only_b_right);
        assert_eq!((counts, it.both_wrong), ((2, 2, 1), 1));
        assert_eq!(it.error_change, Some(1.0 / 6.0));
        assert_eq!(
            mcnemar(&a, &b[1..]).unwrap_err().to_string(),
            "`correct_b` must be [6] like `correct_a`, got [5]"
        );
    }

    #[test]
    fn the_children_of_the_paper_on_mid_p() {
        // Fagerland et al. 2013, table 1: 1 and 7 in disagreement.
        let it = McNemar::from_counts(1, 1, 7, 12);
        near(it.p_exact, 18.0 / 256.0);
        near(it.p_mid, 10.0 / 256.0);
        assert_eq!(it.chi_square, Some(25.0 / 8.0));
    }

    #[test]
    fn agrees_with_statsmodels() {
        // statsmodels 0.15.0, mcnemar([[_, b], [c, _]]), exact and with correction; mid-p from
        // scipy 1.17.1, binom.
        for (b, c, exact, mid, statistic, p) in [
            (
                10,
                2,
                0.03857421875,
                0.022460937499999976,
                4.083333333333333,
                0.04330814281079206,
            ),
            (
                30,
                12,
                0.007915897334896727,
                0.0054015726545912895,
                6.880952380952381,
                0.008711912962379598,
            ),
            (
                101,
                150,
                0.0023809925216453512,
                0.0019645905608824668,
                9.179282868525897,
                0.0024476991118625225,
            ),
            (
                1200,
                1000,
                2.1817026407914194e-05,
                1.991641656460151e-05,
                18.000454545454545,
                2.2085222894420412e-05,
            ),
            (
                1520,
                1489,
                0.5844527987142675,
                0.5720544668542531,
                0.29910269192422734,
                0.584445499868077,
            ),
            (
                26000,
                25000,
                9.698852315491856e-06,
                9.503789523968e-06,
                19.56864705882353,
                9.704883503006305e-06,
            ),
        ] {
            let it = McNemar::from_counts(9, b, c, 9);
            near(it.p_exact, exact);
            near(it.p_mid, mid);
            near(it.chi_square.unwrap(), statistic);
            near(it.p_chi_square.unwrap(), p);
        }
    }

    #[test]
    fn nothing_and_a_draw_tell_no_models_apart() {
        let nothing = McNemar::from_counts(0, 0, 0, 0);
        assert_eq!((nothing.p_exact, nothing.p_mid), (1.0, 1.0));
        assert_eq!((nothing.chi_square, nothing.error_change), (None, None));
        let alike = McNemar::from_counts(5, 0, 0, 5);
        assert_eq!((alike.p_exact, alike.error_change), (1.0, Some(0.0)));
        assert_eq!(alike.p_chi_square, None);

        let draw = McNemar::from_counts(0, 1, 1, 0);
        assert_eq!((draw.p_exact, draw.p_mid), (1.0, 0.75));
        assert_eq!((draw.chi_square, draw.p_chi_square), (Some(0.0), Some(1.0)));
    }

    #[test]
    fn what_holds_for_all_counts() {
        for n in 1..60 {
            let mut before = 0.0;
            for b in 0..=n / 2 {
                let (it, turned) = (
                    McNemar::from_counts(3, b, n - b, 4),
                    McNemar::from_counts(3, n - b, b, 4),
                );
                assert_eq!((it.p_exact, it.p_mid), (turned.p_exact, turned.p_mid));
                assert_eq!(it.chi_square, turned.chi_square);
                assert_eq!(it.error_change, turned.error_change.map(|d| -d));
                assert!(0.0 < it.p_mid && it.p_mid < it.p_exact && it.p_exact <= 1.0);
                // The nearer the counts to each other, the less they prove.
                assert!(before < it.p_exact);
                before = it.p_exact;
            }
        }
    }

    #[test]
    fn of_equal_models_few_have_a_small_p_value() {
        // Exactly: over all outcomes of n coins, P(p <= level) <= level.
        for n in [5, 20, 41] {
            let of = |k| McNemar::from_counts(0, k, n - k, 0).p_exact;
            for level in [0.01, 0.05, 0.2] {
                let rejected: f64 = (0..=n)
                    .filter(|&k| of(k) <= level)
                    .map(|k| fair_binomial(k, n))
                    .sum();
                assert!(rejected <= level + 1e-12, "{n} {level} {rejected}");
            }
        }
    }
}
