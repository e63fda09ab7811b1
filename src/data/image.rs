//! One picture in memory.

use super::planes;
use crate::{Error, Result, files};
use std::path::Path;

/// An RGB image of 8 bits a channel; `pixels` are its rows from the top, R G B each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Image {
    /// # Errors
    /// `Invalid` for an empty image or a number of bytes other than `3 * width * height`.
    pub fn new(width: usize, height: usize, pixels: Vec<u8>) -> Result<Image> {
        ensure!(
            width > 0 && height > 0,
            "an image needs at least one pixel, got {width} x {height}"
        );
        let bytes = pixels.len();
        ensure!(
            Some(bytes) == width.checked_mul(height).and_then(|n| n.checked_mul(3)),
            "an RGB image of {width} x {height} pixels has 3 bytes for each, got {bytes} bytes"
        );
        Ok(Image {
            width,
            height,
            pixels,
        })
    }

    /// An image whose pixel at column `x` of row `y` is `colour(x, y)`.
    ///
    /// # Errors
    /// `Invalid` for an empty image.
    pub fn from_fn(
        width: usize,
        height: usize,
        mut colour: impl FnMut(usize, usize) -> [u8; 3],
    ) -> Result<Image> {
        let pixels = (0..width * height).flat_map(|i| colour(i % width, i / width));
        Image::new(width, height, pixels.collect())
    }

    pub fn width(&self) -> usize {
        self.width
    }

    pub fn height(&self) -> usize {
        self.height
    }

    /// The rows from the top, R G B for each pixel.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    pub(super) fn row(&self, y: usize) -> &[u8] {
        let bytes = 3 * self.width;
        &self.pixels[y * bytes..(y + 1) * bytes]
    }

    /// Copies the planes R, G, B into `planes`, which has `3 * height * width` bytes: the
    /// layout of one image in a `[n, 3, height, width]` tensor.
    pub fn write_planes(&self, planes: &mut [u8]) {
        planes::write(&self.pixels, planes);
    }

    /// The `width` x `height` part whose upper left corner is at (`left`, `top`); what lies
    /// outside the image is black.
    pub(super) fn crop(&self, left: isize, top: isize, width: usize, height: usize) -> Image {
        let mut pixels = vec![0; 3 * width * height];
        let first = left.max(0);
        let last = (left + width as isize).min(self.width as isize);
        for (y, into) in pixels.chunks_exact_mut(3 * width).enumerate() {
            let y = top + y as isize;
            if (0..self.height as isize).contains(&y) && first < last {
                let from = &self.row(y as usize)[3 * first as usize..3 * last as usize];
                let start = 3 * (first - left) as usize;
                into[start..start + from.len()].copy_from_slice(from);
            }
        }
        Image {
            width,
            height,
            pixels,
        }
    }

    /// The mirror image, left to right.
    pub(super) fn flip(mut self) -> Image {
        for row in self.pixels.chunks_exact_mut(3 * self.width) {
            let (pixels, _) = row.as_chunks_mut::<3>();
            pixels.reverse();
        }
        self
    }
}

/// The bytes of a PNG file with this image.
///
/// # Errors
/// `Invalid` for an image too large for one.
pub fn png(image: &Image) -> Result<Vec<u8>> {
    let failed =
        |error: png::EncodingError| Error::invalid(format!("the PNG cannot be written ({error})"));
    let side = |length: usize| {
        u32::try_from(length).map_err(|_| Error::invalid(format!("a side of {length} pixels")))
    };
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side(image.width)?, side(image.height)?);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&image.pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}

/// Writes `image` to `path` as a PNG file, whole or not at all.
///
/// # Errors
/// `Invalid` with the path when it cannot be written.
pub fn write_png(path: &Path, image: &Image) -> Result<()> {
    let bytes = png(image).map_err(|error| error.context(path.display()))?;
    files::write_whole(path, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(width: usize, height: usize) -> Image {
        Image::from_fn(width, height, |x, y| [x as u8, y as u8, 7]).unwrap()
    }

    #[test]
    fn the_number_of_bytes_must_fit() {
        let error = Image::new(2, 2, vec![0; 11]).unwrap_err();
        assert!(error.to_string().ends_with("got 11 bytes"), "{error}");
        assert!(Image::new(0, 2, vec![]).is_err());
    }

    #[test]
    fn planes_come_one_after_the_other() {
        let mut planes = [0; 12];
        numbered(2, 2).write_planes(&mut planes);
        assert_eq!(planes, [0, 1, 0, 1, 0, 0, 1, 1, 7, 7, 7, 7]);
    }

    #[test]
    fn a_crop_beyond_the_border_is_black_there() {
        let image = numbered(4, 3);
        assert_eq!(image.crop(0, 0, 4, 3), image);
        let crop = image.crop(-1, -2, 3, 3);
        assert_eq!(crop.row(0), [0; 9]);
        assert_eq!(crop.row(2), [0, 0, 0, 0, 0, 7, 1, 0, 7]);
        let crop = image.crop(3, 2, 2, 2);
        assert_eq!(crop.pixels(), [3, 2, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(image.crop(9, 9, 1, 1).pixels(), [0, 0, 0]);
    }

    #[test]
    fn two_flips_give_the_image_back() {
        let image = numbered(5, 2);
        assert_eq!(image.clone().flip().row(1)[..3], [4, 1, 7]);
        assert_eq!(image.clone().flip().flip(), image);
    }
}
