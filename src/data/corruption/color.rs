//! Brightness, contrast and saturation.

use super::Setting;
use super::field::{Field, cut, image as new_image, unit};
use crate::data::image::Image;

/// Adds to the V of HSV.
pub(super) fn brightness(image: &Image, setting: Setting) -> Image {
    let more = setting.pick([0.1, 0.2, 0.3, 0.4, 0.5], [0.05, 0.1, 0.15, 0.2, 0.3]);
    in_hsv(image, |[h, s, v]| [h, s, (v + more).clamp(0.0, 1.0)])
}

/// Scales the S of HSV and adds to it.
pub(super) fn saturate(image: &Image, setting: Setting) -> Image {
    let (factor, more) = setting.pick(
        [(0.3, 0.0), (0.1, 0.0), (2.0, 0.0), (5.0, 0.1), (20.0, 0.2)],
        [(0.3, 0.0), (0.1, 0.0), (1.5, 0.0), (2.0, 0.1), (2.5, 0.2)],
    );
    in_hsv(image, |[h, s, v]| {
        [h, (s * factor + more).clamp(0.0, 1.0), v]
    })
}

/// Draws each channel towards its mean.
pub(super) fn contrast(image: &Image, setting: Setting) -> Image {
    let factor = setting.pick([0.4, 0.3, 0.2, 0.1, 0.05], [0.75, 0.5, 0.4, 0.3, 0.15]);
    let field = Field::of(image);
    let (colours, _) = field.values.as_chunks::<3>();
    let mut means = [0.0; 3];
    for colour in colours {
        for (mean, value) in means.iter_mut().zip(colour) {
            *mean += value;
        }
    }
    let means = means.map(|it| it / colours.len() as f64);
    let drawn = |(i, value): (usize, &f64)| (value - means[i % 3]) * factor + means[i % 3];
    let values = field.values.iter().enumerate().map(drawn).collect();
    field.with_values(values).to_image()
}

fn in_hsv(image: &Image, change: impl Fn([f64; 3]) -> [f64; 3]) -> Image {
    let (colours, _) = image.pixels().as_chunks::<3>();
    let pixels = colours
        .iter()
        .flat_map(|colour| rgb(change(hsv(colour.map(unit)))).map(cut));
    new_image(image.width(), image.height(), pixels.collect())
}

/// Hue, saturation and value from 0 to 1, by scikit-image's rule.
fn hsv([r, g, b]: [f64; 3]) -> [f64; 3] {
    let v = r.max(g).max(b);
    let range = v - r.min(g).min(b);
    if range == 0.0 {
        return [0.0, 0.0, v];
    }
    // Of equal channels the later one decides.
    let sextant = if b == v {
        4.0 + (r - g) / range
    } else if g == v {
        2.0 + (b - r) / range
    } else {
        (g - b) / range
    };
    [(sextant / 6.0).rem_euclid(1.0), range / v, v]
}

fn rgb([h, s, v]: [f64; 3]) -> [f64; 3] {
    let sextant = (6.0 * h).floor();
    let f = 6.0 * h - sextant;
    let p = v * (1.0 - s);
    let q = v * (1.0 - f * s);
    let t = v * (1.0 - (1.0 - f) * s);
    match sextant as u8 % 6 {
        0 => [v, t, p],
        1 => [q, v, p],
        2 => [p, v, t],
        3 => [p, q, v],
        4 => [t, p, v],
        _ => [v, p, q],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_survive_the_way_to_hsv_and_back() {
        assert_eq!(hsv([1.0, 0.0, 0.0]), [0.0, 1.0, 1.0]);
        assert_eq!(hsv([0.0, 0.5, 0.5]), [0.5, 1.0, 0.5]);
        assert_eq!(hsv([0.25; 3]), [0.0, 0.0, 0.25]);
        for colour in [[0.1, 0.2, 0.3], [0.9, 0.1, 0.5], [0.3, 0.3, 0.0], [0.0; 3]] {
            for (value, expected) in rgb(hsv(colour)).iter().zip(colour) {
                assert!((value - expected).abs() < 1e-15, "{colour:?}");
            }
        }
    }
}
