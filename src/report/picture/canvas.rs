//! Pixels on the way to a terminal: resized images side by side, what is between transparent.

use crate::data::Image;
use crate::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

/// RGBA pixels, row by row.
#[derive(Debug, PartialEq)]
pub struct Canvas {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<[u8; 4]>,
}

impl Canvas {
    pub fn new(width: usize, height: usize) -> Self {
        Canvas {
            width,
            height,
            pixels: vec![[0; 4]; width * height],
        }
    }

    /// Puts `image`, which fits, at the top with its left border at `left`.
    pub fn put(&mut self, left: usize, image: &Image) {
        let (rows, _) = image.pixels().as_chunks::<3>();
        for (row, into) in rows
            .chunks_exact(image.width())
            .zip(self.pixels.chunks_exact_mut(self.width))
        {
            for (&[r, g, b], into) in row.iter().zip(&mut into[left..]) {
                *into = [r, g, b, 255];
            }
        }
    }

    fn png(&self) -> Result<Vec<u8>> {
        let failed = |error: png::EncodingError| {
            Error::invalid(format!("a picture cannot be shown: {error}"))
        };
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Rgba);
        let mut writer = encoder.write_header().map_err(failed)?;
        let pixels = self.pixels.as_flattened();
        writer.write_image_data(pixels).map_err(failed)?;
        writer.finish().map_err(failed)?;
        Ok(bytes)
    }

    /// The escape sequences of kitty: a PNG in parts of at most 4096 characters. `q=2` asks for
    /// no answer, which would be read as typed text.
    pub fn kitty(&self) -> Result<String> {
        let data = BASE64.encode(self.png()?);
        let parts = data.as_bytes().chunks(4096);
        let last = parts.len() - 1;
        let mut text = String::new();
        for (at, part) in parts.enumerate() {
            let first = if at == 0 { "a=T,f=100," } else { "" };
            let more = u8::from(at < last);
            let part = String::from_utf8_lossy(part);
            text += &format!("\x1b_G{first}q=2,m={more};{part}\x1b\\");
        }
        Ok(text)
    }

    /// The escape sequence of iTerm2: a PNG as a file that is shown in the line.
    pub fn iterm2(&self) -> Result<String> {
        let png = self.png()?;
        Ok(format!(
            "\x1b]1337;File=inline=1;size={};width={}px;height={}px:{}\x07",
            png.len(),
            self.width,
            self.height,
            BASE64.encode(png)
        ))
    }
}

/// Every pixel `factor` times in both directions.
pub fn enlarge(image: &Image, factor: usize) -> Result<Image> {
    let (pixels, _) = image.pixels().as_chunks::<3>();
    let (width, height) = (image.width(), image.height());
    Image::from_fn(width * factor, height * factor, |x, y| {
        pixels[y / factor * width + x / factor]
    })
}

/// At most `width` wide: each pixel is the mean of the area that it covers.
pub fn reduce(image: &Image, width: usize) -> Result<Image> {
    if image.width() <= width {
        return Ok(image.clone());
    }
    let height = (image.height() * width).div_ceil(image.width());
    let columns = areas(image.width(), width);
    let rows = areas(image.height(), height);
    let (pixels, _) = image.pixels().as_chunks::<3>();
    Image::from_fn(width, height, |x, y| {
        let (mut sum, mut total) = ([0.0; 3], 0.0);
        for &(row, high) in &rows[y] {
            for &(column, wide) in &columns[x] {
                let pixel = pixels[row * image.width() + column];
                for (sum, value) in sum.iter_mut().zip(pixel) {
                    *sum += high * wide * f64::from(value);
                }
                total += high * wide;
            }
        }
        sum.map(|sum| (sum / total).round() as u8)
    })
}

/// For each of `to` intervals of equal length: which of `from` it covers, and how much of each.
fn areas(from: usize, to: usize) -> Vec<Vec<(usize, f64)>> {
    let ratio = from as f64 / to as f64;
    let covered = |at: usize| {
        let (start, end) = (at as f64 * ratio, (at + 1) as f64 * ratio);
        let last = (end.ceil() as usize).min(from);
        let share = |i: usize| end.min(i as f64 + 1.0) - start.max(i as f64);
        let all = (start as usize..last).map(|i| (i, share(i)));
        all.filter(|(_, share)| *share > 0.0).collect()
    };
    (0..to).map(covered).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(width: usize, height: usize) -> Image {
        Image::from_fn(width, height, |x, y| [x as u8, y as u8, 100]).unwrap()
    }

    fn decoded(png: &[u8]) -> Canvas {
        let mut reader = png::Decoder::new(std::io::Cursor::new(png))
            .read_info()
            .unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        Canvas {
            width: info.width as usize,
            height: info.height as usize,
            pixels: bytes.as_chunks::<4>().0.to_vec(),
        }
    }

    fn two_images() -> Canvas {
        let mut canvas = Canvas::new(70, 50);
        canvas.put(0, &numbered(40, 50));
        canvas.put(60, &numbered(10, 9));
        canvas
    }

    #[test]
    fn kitty_gets_the_pixels_in_parts() {
        // Noise, so that the PNG needs more than one part.
        let noise = |x: usize, y: usize| {
            [
                (x * x * 31 + y * 97 + x * y * y) as u8,
                (x * y * 7) as u8,
                (y * y * 13 + x) as u8,
            ]
        };
        let mut canvas = two_images();
        canvas.put(0, &Image::from_fn(60, 50, noise).unwrap());
        let text = canvas.kitty().unwrap();
        let parts: Vec<&str> = text.split_terminator("\x1b\\").collect();
        assert!(parts.len() > 1);
        let mut data = String::new();
        for (at, part) in parts.iter().enumerate() {
            let (keys, payload) = part
                .strip_prefix("\x1b_G")
                .unwrap()
                .split_once(';')
                .unwrap();
            let more = if at + 1 < parts.len() { "m=1" } else { "m=0" };
            assert!(keys.ends_with(more) && payload.len() <= 4096, "{keys}");
            assert_eq!(keys.starts_with("a=T,f=100,"), at == 0);
            data += payload;
        }
        assert_eq!(decoded(&BASE64.decode(data).unwrap()), canvas);
    }

    #[test]
    fn iterm2_gets_the_pixels() {
        let canvas = two_images();
        let text = canvas.iterm2().unwrap();
        let (keys, data) = text.split_once(':').unwrap();
        assert!(keys.starts_with("\x1b]1337;File=inline=1;size="), "{keys}");
        assert!(keys.ends_with("width=70px;height=50px"), "{keys}");
        let png = BASE64.decode(data.strip_suffix('\x07').unwrap()).unwrap();
        assert_eq!(decoded(&png), canvas);
    }

    #[test]
    fn sizes_change_without_losing_light() {
        let twice = enlarge(&numbered(3, 2), 2).unwrap();
        assert_eq!((twice.width(), twice.height()), (6, 4));
        assert_eq!(reduce(&twice, 3).unwrap(), numbered(3, 2));
        let third = Image::new(3, 1, [[30; 3], [60; 3], [90; 3]].concat()).unwrap();
        // 1.5 pixels each: 30 and half of 60, half of 60 and 90.
        let half = reduce(&third, 2).unwrap();
        assert_eq!(half.pixels(), [40, 40, 40, 80, 80, 80]);
        assert_eq!(reduce(&numbered(9, 4), 9).unwrap(), numbered(9, 4));
    }
}
