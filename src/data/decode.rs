//! Image files to RGB, with the bytes that Pillow's `Image.open(path).convert("RGB")` gives:
//! that is what torchvision's default loader reads, and a different decoder alone moves a
//! clean error. So grey is repeated, CMYK is taken as Adobe's inverted kind, an alpha channel
//! is dropped, 16-bit grey saturates at 255 while other 16-bit channels keep their high byte,
//! and an EXIF orientation is ignored.
//!
//! Unlike Pillow and most decoders, nothing damaged is patched up: a file that ends too early,
//! even by the end marker alone, is refused.

use super::image::Image;
use super::jpeg_part::PartialJpeg;
use super::part::{Part, Window};
use crate::files::{File, LARGEST_IMAGE};
use crate::panics::caught;
use crate::{Error, Result};
use libjpeg_turbo_rs::{ColorSpace, DecodeLimits, Decoder, PixelFormat};
use png::{BitDepth, ColorType, Transformations};
use std::io::Cursor;

/// Larger pictures are refused before memory is set aside for them: Pillow's own limit.
pub(super) const MAX_PIXELS: usize = 89_478_485;

const JPEG_START: &[u8] = &[0xff, 0xd8];
const PNG_START: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Reads a JPEG or PNG file; the content decides, not the name.
///
/// # Errors
/// `Invalid` with the path, when the file cannot be read, is of another kind, or is damaged.
pub fn read_image(file: &File) -> Result<Image> {
    let bytes = file.read(LARGEST_IMAGE)?;
    decode(&bytes).map_err(|error| error.context(file.shown().display()))
}

/// The bytes of an image file, to be decoded as far as needed.
pub(super) struct ImageFile {
    file: File,
    bytes: Vec<u8>,
    partial: Option<PartialJpeg>,
}

impl ImageFile {
    /// # Errors
    /// `Invalid` with the path, when the file cannot be read.
    pub fn read(file: File) -> Result<ImageFile> {
        let bytes = file.read(LARGEST_IMAGE)?;
        let partial = match bytes.starts_with(JPEG_START) {
            true => PartialJpeg::new(&bytes),
            false => None,
        };
        Ok(ImageFile {
            file,
            bytes,
            partial,
        })
    }

    /// Width and height, from the header.
    ///
    /// # Errors
    /// As `read_image`, as far as the header shows it.
    pub fn size(&self) -> Result<(usize, usize)> {
        if let Some(jpeg) = &self.partial {
            return Ok(jpeg.size());
        }
        let size = match Kind::of(&self.bytes) {
            Ok(Kind::Jpeg) => jpeg_decoder(&self.bytes).and_then(|it| {
                let header = it.header();
                let size = (usize::from(header.width), usize::from(header.height));
                // A header may leave the height to be said later, which no encoder does.
                match size {
                    (0, _) | (_, 0) => Err(jpeg_error("its header says no size")),
                    size => Ok(size),
                }
            }),
            Ok(Kind::Png) => png_reader(&self.bytes).map(|it| {
                let (width, height) = it.info().size();
                (width as usize, height as usize)
            }),
            Err(error) => Err(error),
        };
        size.map_err(|error| error.context(self.file.shown().display()))
    }

    /// The pixels of at least `window`. Damage that does not touch them is found where the file
    /// is decoded `whole`, and may go unseen elsewhere.
    ///
    /// # Errors
    /// As `read_image`.
    pub fn part(&self, window: Window, whole: bool) -> Result<Part> {
        let part = match &self.partial {
            Some(jpeg) => check_end(&self.bytes).and_then(|()| {
                // What is wrong with a file is for the whole decoder to say.
                let part = jpeg.decode(&self.bytes, window, whole);
                part.or_else(|_| decode(&self.bytes).map(Part::from))
            }),
            None => decode(&self.bytes).map(Part::from),
        };
        part.map_err(|error| error.context(self.file.shown().display()))
    }
}

/// The image in the bytes of a JPEG or PNG file.
///
/// # Errors
/// `Invalid` when they are of another kind or damaged.
pub fn decode(bytes: &[u8]) -> Result<Image> {
    match Kind::of(bytes)? {
        Kind::Jpeg => decode_jpeg(bytes),
        Kind::Png => decode_png(bytes),
    }
}

enum Kind {
    Jpeg,
    Png,
}

impl Kind {
    fn of(bytes: &[u8]) -> Result<Kind> {
        ensure!(!bytes.is_empty(), "the file is empty");
        if bytes.starts_with(JPEG_START) {
            return Ok(Kind::Jpeg);
        }
        ensure!(
            bytes.starts_with(PNG_START),
            "the file is neither a JPEG nor a PNG image"
        );
        Ok(Kind::Png)
    }
}

pub(super) fn jpeg_error(error: impl std::fmt::Display) -> Error {
    Error::invalid(format!("the JPEG is truncated or damaged ({error})"))
}

fn jpeg_decoder(bytes: &[u8]) -> Result<Decoder<'_>> {
    let limits = DecodeLimits {
        max_pixels: MAX_PIXELS as u64,
        ..DecodeLimits::default()
    };
    Decoder::new_with_limits(bytes, limits).map_err(jpeg_error)
}

fn decode_jpeg(bytes: &[u8]) -> Result<Image> {
    check_end(bytes)?;
    // The decoder indexes planes that a damaged header leaves empty.
    let decoded = caught(|| decode_whole_jpeg(bytes));
    decoded.unwrap_or_else(|_| Err(jpeg_error("its header contradicts itself")))
}

fn decode_whole_jpeg(bytes: &[u8]) -> Result<Image> {
    let mut decoder = jpeg_decoder(bytes)?;
    let depth = decoder.header().precision;
    ensure!(
        depth == 8 && !decoder.header().is_lossless,
        "a JPEG must be lossy with 8 bits a channel, got one with {depth} bits{}",
        if decoder.header().is_lossless {
            ", lossless"
        } else {
            ""
        }
    );
    let inks = matches!(
        decoder.jpeg_color_space(),
        ColorSpace::Cmyk | ColorSpace::Ycck
    );
    decoder.set_output_format(if inks {
        PixelFormat::Cmyk
    } else {
        PixelFormat::Rgb
    });
    let decoded = decoder.decode_image().map_err(jpeg_error)?;
    let pixels = if inks {
        let (inked, _) = decoded.data.as_chunks::<4>();
        inked
            .iter()
            .flat_map(|&it| rgb_of_inverted_cmyk(it))
            .collect()
    } else {
        decoded.data
    };
    Image::new(decoded.width, decoded.height, pixels)
}

fn check_end(bytes: &[u8]) -> Result<()> {
    ensure!(
        reaches_end_marker(bytes),
        "the JPEG is truncated or damaged (its end marker is missing)"
    );
    Ok(())
}

/// Whether the marker that ends a JPEG stands where a reader of its segments finds it.
fn reaches_end_marker(bytes: &[u8]) -> bool {
    let mut at = JPEG_START.len();
    loop {
        // Skips coded data: there a byte FF is followed by 0 or by a restart marker.
        let Some(marker) = bytes.get(at..).and_then(|it| memchr::memchr(0xff, it)) else {
            return false;
        };
        at += marker + 1;
        match bytes.get(at) {
            Some(0xd9) => return true,
            Some(0xff) => {}
            Some(0x00 | 0x01 | 0xd0..=0xd7) => at += 1,
            Some(_) => match bytes.get(at + 1..at + 3) {
                Some(length) => at += 1 + usize::from(u16::from_be_bytes([length[0], length[1]])),
                None => return false,
            },
            None => return false,
        }
    }
}

/// Adobe's CMYK holds 255 for no ink. Pillow's conversion: `(255 - ink) * (255 - black) / 255`,
/// rounded.
fn rgb_of_inverted_cmyk([c, m, y, k]: [u8; 4]) -> [u8; 3] {
    [c, m, y].map(|unprinted| {
        let black = u32::from(k);
        let product = u32::from(255 - unprinted) * black + 128;
        let inked = ((product >> 8) + product) >> 8;
        (black - inked) as u8
    })
}

fn png_error(error: impl std::fmt::Display) -> Error {
    Error::invalid(format!("the PNG is truncated or damaged ({error})"))
}

fn png_reader(bytes: &[u8]) -> Result<png::Reader<Cursor<&[u8]>>> {
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.ignore_checksums(false);
    // Palettes to colours, 1, 2 and 4 bits to 8; 16 bits are ours to reduce.
    decoder.set_transformations(Transformations::EXPAND);
    let header = decoder.read_header_info().map_err(png_error)?;
    let (width, height) = header.size();
    ensure!(
        width as usize * height as usize <= MAX_PIXELS,
        "an image may have {MAX_PIXELS} pixels, got {width} x {height}"
    );
    decoder.read_info().map_err(png_error)
}

fn decode_png(bytes: &[u8]) -> Result<Image> {
    let mut reader = png_reader(bytes)?;
    let size = reader.output_buffer_size();
    let size = size.ok_or_else(|| Error::invalid("the PNG does not fit into memory"))?;
    let mut samples = vec![0; size];
    let info = reader.next_frame(&mut samples).map_err(png_error)?;
    reader.finish().map_err(png_error)?;
    samples.truncate(info.buffer_size());

    if info.bit_depth == BitDepth::Sixteen {
        let saturate = info.color_type == ColorType::Grayscale;
        let (words, _) = samples.as_chunks::<2>();
        let to_byte = |&[high, low]: &[u8; 2]| match saturate && high > 0 {
            true => 255,
            false if saturate => low,
            false => high,
        };
        samples = words.iter().map(to_byte).collect();
    }
    let channels = info.color_type.samples();
    let pixels = match info.color_type {
        ColorType::Rgb => samples,
        ColorType::Rgba => samples
            .chunks_exact(channels)
            .flat_map(|it| [it[0], it[1], it[2]])
            .collect(),
        ColorType::Grayscale | ColorType::GrayscaleAlpha => samples
            .chunks_exact(channels)
            .flat_map(|it| [it[0]; 3])
            .collect(),
        // The reader was told to expand palettes.
        ColorType::Indexed => return Err(png_error("its palette was not applied")),
    };
    Image::new(info.width as usize, info.height as usize, pixels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::{fingerprint, stored};
    use std::path::Path;

    /// `(name, (width, height), fingerprint)` of what Pillow 11.0.0 decodes; the pictures and
    /// the numbers are made by `tests/images/make.py`.
    const BY_PILLOW: [(&str, (usize, usize), u64); 19] = [
        ("420.jpg", (37, 29), 0xdef1_a9de_677e_3068),
        ("422.jpg", (37, 29), 0x62a7_e104_6b39_fcbd),
        ("444.jpg", (37, 29), 0x4815_81fc_f5a0_329a),
        ("progressive.jpg", (37, 29), 0xdef1_a9de_677e_3068),
        ("restarts.jpg", (37, 29), 0xdef1_a9de_677e_3068),
        ("grey.jpg", (37, 29), 0x613c_6b44_5742_286a),
        ("cmyk.jpg", (37, 29), 0x81e3_d84e_395b_081e),
        ("ycck.jpg", (37, 29), 0xe792_14c9_32ee_d5a6),
        ("turned.jpg", (37, 29), 0xdef1_a9de_677e_3068),
        ("rgb.png", (37, 29), 0x06ac_a098_8980_9d1b),
        ("rgba.png", (37, 29), 0x06ac_a098_8980_9d1b),
        ("grey.png", (37, 29), 0x5708_1d3b_f293_0831),
        ("grey_alpha.png", (37, 29), 0x5708_1d3b_f293_0831),
        ("palette.png", (37, 29), 0xa13f_01b1_c16b_f632),
        ("bits.png", (37, 29), 0x41c3_a79b_9dc3_0461),
        ("grey2.png", (8, 1), 0x0d82_d187_1df8_da35),
        ("grey16.png", (12, 1), 0x2cce_13e7_0e06_3499),
        ("grey_alpha16.png", (6, 1), 0xad01_9a94_2428_03b5),
        ("rgb16.png", (4, 1), 0x1050_c272_ac96_f5ba),
    ];

    #[test]
    fn every_kind_decodes_as_pillow_does() {
        for (name, size, expected) in BY_PILLOW {
            let file = || File::open(&stored(name)).unwrap();
            let image = read_image(&file()).unwrap();
            assert_eq!((image.width(), image.height()), size, "{name}");
            assert_eq!(fingerprint(image.pixels()), expected, "{name}");
            let opened = ImageFile::read(file()).unwrap();
            assert_eq!(opened.size().unwrap(), size, "{name}");
        }
    }

    #[test]
    fn a_file_cut_anywhere_is_refused() {
        for (name, _, _) in BY_PILLOW {
            let bytes = std::fs::read(stored(name)).unwrap();
            for length in 0..bytes.len() {
                let error = decode(&bytes[..length]);
                assert!(error.is_err(), "{name} cut to {length} of {}", bytes.len());
            }
        }
    }

    #[test]
    fn bytes_after_the_end_are_no_harm() {
        let mut bytes = std::fs::read(stored("420.jpg")).unwrap();
        let image = decode(&bytes).unwrap();
        bytes.extend(b"\0\0trailing");
        assert_eq!(decode(&bytes).unwrap(), image);
    }

    #[test]
    fn an_error_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("half.jpg");
        let bytes = std::fs::read(stored("420.jpg")).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let read = |path: &Path| read_image(&File::open(path)?);
        let error = read(&path).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "{}: the JPEG is truncated or damaged (its end marker is missing)",
                path.display()
            )
        );

        std::fs::write(&path, b"GIF89a").unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.ends_with("the file is neither a JPEG nor a PNG image"));
        let error = read(&folder.path().join("none.png")).unwrap_err();
        assert!(error.to_string().contains("no such file"), "{error}");
    }

    #[test]
    fn a_huge_picture_is_refused_before_it_is_decoded() {
        let mut bytes = std::fs::read(stored("420.jpg")).unwrap();
        let frame = bytes.windows(2).position(|it| it == [0xff, 0xc0]).unwrap();
        bytes[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
        assert!(decode(&bytes).is_err());
    }

    #[test]
    fn a_header_without_a_height_is_refused() {
        let mut bytes = std::fs::read(stored("420.jpg")).unwrap();
        let frame = bytes.windows(2).position(|it| it == [0xff, 0xc0]).unwrap();
        bytes[frame + 5..frame + 7].fill(0);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flat.jpg");
        std::fs::write(&path, &bytes).unwrap();
        let opened = ImageFile::read(File::open(&path).unwrap()).unwrap();
        let error = opened.size().unwrap_err().to_string();
        assert!(error.contains("truncated or damaged"), "{error}");
        assert!(decode(&bytes).is_err());
    }

    #[test]
    fn what_write_png_writes_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pattern.png");
        let image = crate::data::testing::pattern(19, 31);
        crate::data::write_png(&path, &image).unwrap();
        assert_eq!(read_image(&File::open(&path).unwrap()).unwrap(), image);
    }
}
