//! Parts of pictures: a crop needs no more than its own pixels.

use super::image::Image;
use crate::Result;

/// A rectangle in a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub left: usize,
    pub top: usize,
    pub width: usize,
    pub height: usize,
}

impl Window {
    pub fn whole(width: usize, height: usize) -> Window {
        Window {
            left: 0,
            top: 0,
            width,
            height,
        }
    }

    pub fn right(&self) -> usize {
        self.left + self.width
    }

    pub fn bottom(&self) -> usize {
        self.top + self.height
    }
}

/// The pixels of a picture from (`left`, `top`) on, as far as somebody has decoded or read them.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub image: Image,
    pub left: usize,
    pub top: usize,
}

impl From<Image> for Part {
    fn from(image: Image) -> Part {
        Part {
            image,
            left: 0,
            top: 0,
        }
    }
}

/// Rows of pixels within a larger picture.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    /// From the first pixel on; R G B each.
    pub bytes: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
    pub width: usize,
    pub height: usize,
}

impl<'a> From<&'a Image> for View<'a> {
    fn from(image: &'a Image) -> View<'a> {
        View {
            bytes: image.pixels(),
            stride: 3 * image.width(),
            width: image.width(),
            height: image.height(),
        }
    }
}

impl View<'_> {
    pub fn row(&self, y: usize) -> &[u8] {
        &self.bytes[y * self.stride..][..3 * self.width]
    }
}

impl Part {
    /// What the part has of `window`, a rectangle in the whole picture, which must lie in it.
    pub fn view(&self, window: Window) -> View<'_> {
        let (left, top) = (window.left - self.left, window.top - self.top);
        let image = &self.image;
        assert!(left + window.width <= image.width() && top + window.height <= image.height());
        let stride = 3 * image.width();
        View {
            bytes: &image.pixels()[top * stride + 3 * left..],
            stride,
            width: window.width,
            height: window.height,
        }
    }
}

/// A picture that is there or can be had, whole or in part.
pub(super) trait Picture {
    /// Width and height.
    ///
    /// # Errors
    /// `Invalid` with the file that does not say it.
    fn size(&self) -> Result<(usize, usize)>;

    /// At least the pixels of `needed`.
    ///
    /// # Errors
    /// `Invalid` with the file that is damaged.
    fn part(self: Box<Self>, needed: Window) -> Result<Part>;
}

impl Picture for Image {
    fn size(&self) -> Result<(usize, usize)> {
        Ok((self.width(), self.height()))
    }

    fn part(self: Box<Self>, _needed: Window) -> Result<Part> {
        Ok((*self).into())
    }
}
