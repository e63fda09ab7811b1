//! How much smaller one error is than another.

/// `100 * (base - new) / base`, in percent: positive where `new` is the smaller error.
///
/// `None` where `base` is 0, or where the result is no finite number.
pub fn relative_improvement(base: f64, new: f64) -> Option<f64> {
    let percent = 100.0 * (base - new) / base;
    percent.is_finite().then_some(percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_positive_for_a_smaller_error() {
        assert_eq!(relative_improvement(0.5, 0.25), Some(50.0));
        assert_eq!(relative_improvement(0.25, 0.5), Some(-100.0));
        assert_eq!(relative_improvement(0.5, 0.5), Some(0.0));
    }

    #[test]
    fn of_nothing_is_unknown() {
        assert_eq!(relative_improvement(0.0, 0.0), None);
        assert_eq!(relative_improvement(0.0, 0.1), None);
        assert_eq!(relative_improvement(f64::NAN, 0.1), None);
    }
}
