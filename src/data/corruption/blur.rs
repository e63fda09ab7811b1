//! Blur by a Gaussian.

use super::Setting;
use super::field::Field;
use super::gaussian::{Border, smooth};
use crate::data::image::Image;

pub(super) fn gaussian_blur(image: &Image, setting: Setting) -> Image {
    let sigma = setting.pick([1.0, 2.0, 3.0, 4.0, 6.0], [0.4, 0.6, 0.7, 0.8, 1.0]);
    smooth(&Field::of(image), (sigma, sigma), 4.0, Border::Nearest).to_image()
}
