//! The interval of an error without resampling.

use super::bootstrap::{Limits, check_level};
use super::special::normal_quantile;
use crate::Result;

/// Wilson's limits of the true error, after `errors` of `images` predictions were wrong, at the
/// confidence `level` (0.95, say); `None` without images.
///
/// Unlike the bootstrap, they stay honest for few images and for no errors at all, where every
/// resample has none either. Wilson 1927, <https://doi.org/10.1080/01621459.1927.10502953>.
///
/// # Errors
/// `Invalid` for more errors than images, or a level that does not lie between 0 and 1.
pub fn wilson_interval(errors: u64, images: u64, level: f64) -> Result<Option<Limits>> {
    ensure!(
        errors <= images,
        "`errors` must be at most the {images} images, got {errors}"
    );
    check_level(level)?;
    if images == 0 {
        return Ok(None);
    }
    let n = images as f64;
    let error = errors as f64 / n;
    let z = normal_quantile((1.0 - level) / 2.0);
    let centre = error + z * z / (2.0 * n);
    let half = z * (error * (1.0 - error) / n + (z / (2.0 * n)).powi(2)).sqrt();
    let scale = 1.0 + z * z / n;
    // The ends are exact in theory where nothing or everything is wrong.
    Ok(Some(Limits {
        low: if errors == 0 {
            0.0
        } else {
            (centre - half) / scale
        },
        high: if errors == images {
            1.0
        } else {
            (centre + half) / scale
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_statsmodels() {
        // statsmodels 0.15.0, proportion_confint(.., method="wilson").
        for (errors, images, level, low, high) in [
            (0, 10, 0.95, 0.0, 0.2775327998628892),
            (10, 10, 0.95, 0.7224672001371107, 1.0),
            (3, 17, 0.95, 0.06191126637620997, 0.41029458568834126),
            (3817, 50000, 0.95, 0.07404487907832333, 0.0787002148183252),
            (250, 1000, 0.99, 0.21645462945665608, 0.2868409529950474),
            (1, 50, 0.9, 0.00447456410650985, 0.08480529424830949),
        ] {
            let ours = wilson_interval(errors, images, level).unwrap().unwrap();
            assert!((ours.low - low).abs() < 1e-14, "{ours:?}");
            assert!((ours.high - high).abs() < 1e-14, "{ours:?}");
        }
    }

    #[test]
    fn mirrors_right_and_wrong_and_holds_the_error() {
        for images in 1..40 {
            for errors in 0..=images {
                let limits = |errors| wilson_interval(errors, images, 0.9).unwrap().unwrap();
                let (ours, turned) = (limits(errors), limits(images - errors));
                assert!((ours.low - (1.0 - turned.high)).abs() < 1e-14);
                let error = errors as f64 / images as f64;
                assert!(0.0 <= ours.low && ours.low <= error);
                assert!(error <= ours.high && ours.high <= 1.0);
            }
        }
    }

    #[test]
    fn nothing_has_no_interval_and_nonsense_is_refused() {
        assert_eq!(wilson_interval(0, 0, 0.95).unwrap(), None);
        let refused = |errors, level| wilson_interval(errors, 4, level).unwrap_err().to_string();
        assert_eq!(
            refused(5, 0.95),
            "`errors` must be at most the 4 images, got 5"
        );
        assert_eq!(refused(1, 95.0), "`level` must lie between 0 and 1, got 95");
        assert!(refused(1, f64::NAN).ends_with("got NaN"));
    }
}
