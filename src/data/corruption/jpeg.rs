//! JPEG compression by libjpeg's rules, with colour at half the resolution.

use super::Setting;
use crate::data::decode::decode;
use crate::data::image::Image;
use crate::{Error, Result};
use libjpeg_turbo_rs::{Encoder, PixelFormat, Subsampling};

/// # Errors
/// `Invalid` for an image with a side of more than 65535 pixels.
pub(super) fn jpeg_compression(image: &Image, setting: Setting) -> Result<Image> {
    let quality = setting.pick([25, 18, 15, 10, 7], [80, 65, 58, 50, 40]);
    let (width, height) = (image.width(), image.height());
    let encoder = Encoder::new(image.pixels(), width, height, PixelFormat::Rgb)
        .subsampling(Subsampling::S420)
        .quality(quality)
        // As Pillow: steps of at most 255, which low qualities would exceed.
        .force_baseline(true);
    let bytes = encoder.encode().map_err(|error| {
        Error::invalid(format!(
            "an image of {width} x {height} pixels cannot be compressed ({error})"
        ))
    })?;
    decode(&bytes)
}
