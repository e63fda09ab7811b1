//! Images, read as torchvision reads them, byte for byte.

mod decode;
mod image;
#[cfg(test)]
mod testing;

pub use decode::read_image;
pub use image::{Image, write_png};
