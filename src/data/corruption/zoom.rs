//! Blur by motion towards the middle: the mean of the image and of zooms into it.

use super::Setting;
use super::field::{Field, cut_single, image as new_image};
use crate::data::image::Image;

pub(super) fn zoom_blur(image: &Image, setting: Setting) -> Image {
    let (zooms, step) = setting.pick(
        // The scripts mean one zoom less in some rows; their floating-point ranges go this far.
        [(12, 0.01), (16, 0.01), (11, 0.02), (13, 0.02), (11, 0.03)],
        [(7, 0.01), (12, 0.01), (16, 0.01), (21, 0.01), (26, 0.01)],
    );
    let field = Field::of(image);
    let (width, height) = (image.width(), image.height());
    // In single precision, as in the scripts: what is cut in plain areas depends on it.
    let mut sums = vec![0.0_f32; field.values.len()];
    // The step that is left of `step` beside 1, as numpy counts.
    let step = (1.0 + step) - 1.0;
    for i in 0..zooms {
        let layer = zoom(&field, 1.0 + f64::from(i) * step);
        let layer = if setting.is_package() {
            layer.crop(0, 0, width, height)
        } else {
            middle(&layer, width, height)
        };
        for (sum, value) in sums.iter_mut().zip(&layer.values) {
            *sum += *value as f32;
        }
    }
    let n = (zooms + 1) as f32;
    let pixels = sums.iter().zip(&field.values);
    let pixels = pixels.map(|(sum, value)| cut_single((*value as f32 + sum) / n));
    new_image(width, height, pixels.collect())
}

/// The middle of `field`, enlarged `factor` times by linear interpolation between pixels whose
/// outermost ones stay outermost. It is a few pixels larger than `field` if need be, since
/// whole pixels are cut out.
pub(super) fn zoom(field: &Field, factor: f64) -> Field {
    let rows = Axis::new(field.height, factor);
    let columns = Axis::new(field.width, factor);
    let c = field.channels;

    let mut across = Vec::with_capacity(rows.seen * columns.taps.len() * c);
    for y in rows.first..rows.first + rows.seen {
        let row = &field.row(y)[columns.first * c..(columns.first + columns.seen) * c];
        for tap in &columns.taps {
            for channel in 0..c {
                let (near, far) = (row[tap.near * c + channel], row[tap.far * c + channel]);
                across.push(near * tap.near_weight + far * tap.far_weight);
            }
        }
    }
    let length = columns.taps.len() * c;
    let mut values = Vec::with_capacity(rows.taps.len() * length);
    for tap in &rows.taps {
        let near = &across[tap.near * length..][..length];
        let far = &across[tap.far * length..][..length];
        let mixed = near.iter().zip(far);
        values.extend(mixed.map(|(near, far)| near * tap.near_weight + far * tap.far_weight));
    }
    Field {
        width: columns.taps.len(),
        height: rows.taps.len(),
        channels: c,
        values,
    }
}

/// The `width` x `height` in the middle of `field`.
pub(super) fn middle(field: &Field, width: usize, height: usize) -> Field {
    let left = (field.width - width) / 2;
    field.crop(left, (field.height - height) / 2, width, height)
}

struct Axis {
    first: usize,
    seen: usize,
    taps: Vec<Tap>,
}

struct Tap {
    near: usize,
    far: usize,
    near_weight: f64,
    far_weight: f64,
}

impl Axis {
    fn new(length: usize, factor: f64) -> Axis {
        let seen = (length as f64 / factor).ceil() as usize;
        let count = ((seen as f64 * factor).round_ties_even() as usize).max(length);
        let ratio = match count {
            1 => 1.0,
            _ => (seen - 1) as f64 / (count - 1) as f64,
        };
        let end = seen - 1;
        let taps = (0..count).map(|i| {
            let position = i as f64 * ratio;
            let near = (position as usize).min(end);
            let share = position - near as f64;
            // Where rounding puts the last position beyond the end, scipy has nothing there.
            let exists = if position > end as f64 { 0.0 } else { 1.0 };
            Tap {
                near,
                far: (near + 1).min(end),
                near_weight: exists * (1.0 - share),
                far_weight: exists * share,
            }
        });
        Axis {
            first: (length - seen) / 2,
            seen,
            taps: taps.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zoom_is_what_scipy_makes_of_the_middle() {
        let mut next = 0.0;
        let field = Field::from_fn(5, 1, || {
            next += 1.0;
            next
        });
        // scipy 1.17: zoom([2, 3, 4], 1.8, order=1), the middle ceil(5 / 1.8) of 5.
        let zoomed = zoom(&field, 1.8);
        assert_eq!((zoomed.width, zoomed.height), (5, 2));
        assert_eq!(zoomed.row(0), [2.0, 2.5, 3.0, 3.5, 4.0]);
        assert_eq!(zoom(&field, 1.0), field);
        assert_eq!(middle(&field, 3, 1).values, [2.0, 3.0, 4.0]);
    }
}
