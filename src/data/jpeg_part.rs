//! A part of a JPEG picture, with the same bytes as in the whole one.
//!
//! The code of a JPEG must be read from the beginning, but what lies below the part need not be,
//! and only the blocks of the part become pixels: half of a decoder's work for a training crop.
//! This is for the usual photographs: sequential, Huffman-coded, in one scan, grey or YCbCr with
//! the usual kinds of subsampling. The steps are libjpeg-turbo-rs's, except for the upsampling.

use super::decode::{MAX_PIXELS, jpeg_error};
use super::image::Image;
use super::jpeg_code::{Bits, Table, Tables};
use super::part::{Part, Window};
use crate::{Error, Result};
use libjpeg_turbo_rs::common::error::JpegError;
use libjpeg_turbo_rs::decode::marker::{JpegMetadata, MarkerReader};
use libjpeg_turbo_rs::simd;
use std::ops::Range;

/// The side of a block, in samples.
const BLOCK: usize = 8;

/// Narrower and lower pictures have their own rules at the edges.
const SMALLEST: usize = 16;

/// A JPEG of the kind that is decoded in part.
pub(super) struct PartialJpeg {
    metadata: JpegMetadata,
    layout: Layout,
    width: usize,
    height: usize,
}

/// How many blocks of brightness an MCU has, across and down; colours have one.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Layout {
    across: usize,
    down: usize,
    colours: bool,
}

impl PartialJpeg {
    /// What the header of the file says; `None` for a file of another kind, or damaged.
    pub fn new(bytes: &[u8]) -> Option<PartialJpeg> {
        let metadata = MarkerReader::new(bytes).read_markers().ok()?;
        let frame = &metadata.frame;
        let usual = frame.precision == 8
            && !frame.is_progressive
            && !frame.is_lossless
            && !metadata.is_arithmetic
            && metadata.scans.len() == 1
            && metadata.extraneous_bytes == 0
            && metadata.scan.components.len() == frame.components.len();
        if !usual {
            return None;
        }
        // The scan has the components in the order of the frame, as encoders write them.
        let mut pairs = frame.components.iter().zip(&metadata.scan.components);
        if !pairs.all(|(component, of_scan)| component.id == of_scan.component_id) {
            return None;
        }
        let sampling: Vec<(u8, u8)> = frame
            .components
            .iter()
            .map(|it| (it.horizontal_sampling, it.vertical_sampling))
            .collect();
        let ycbcr = match metadata.adobe_transform_at_first_sos {
            None => metadata.saw_jfif_marker_at_first_sos,
            Some(transform) => transform == 1,
        };
        let layout = match sampling[..] {
            [(1, 1)] => Layout {
                across: 1,
                down: 1,
                colours: false,
            },
            [luma @ ((1, 1) | (2, 1) | (2, 2)), (1, 1), (1, 1)] if ycbcr => Layout {
                across: usize::from(luma.0),
                down: usize::from(luma.1),
                colours: true,
            },
            _ => return None,
        };
        let (width, height) = (usize::from(frame.width), usize::from(frame.height));
        let fits = width * height <= MAX_PIXELS && width.min(height) >= SMALLEST;
        fits.then_some(PartialJpeg {
            metadata,
            layout,
            width,
            height,
        })
    }

    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// The `window` of the picture in `bytes`, those that `new` saw. The code is read `to_the_end`
    /// or as far as the window goes.
    ///
    /// # Errors
    /// Where what is read of the code is damaged.
    pub fn decode(&self, bytes: &[u8], window: Window, to_the_end: bool) -> Result<Part> {
        let planes = self.planes(bytes, window, to_the_end);
        let planes = planes.map_err(jpeg_error)?;
        let mut pixels = vec![0; 3 * window.width * window.height];
        let rows = pixels.chunks_exact_mut(3 * window.width);
        match &planes[..] {
            [grey] => {
                for (y, row) in (window.top..).zip(rows) {
                    let (row, _) = row.as_chunks_mut::<3>();
                    let from = grey.row(y, window.left..window.right());
                    row.iter_mut().zip(from).for_each(|(it, &v)| *it = [v; 3]);
                }
            }
            [luma, blue, red] => {
                let routines = simd::detect();
                let mut upsampling = [blue, red].map(|plane| Upsampling::new(plane, self, window));
                for (y, row) in (window.top..).zip(rows) {
                    let luma = luma.row(y, window.left..window.right());
                    let [blue, red] = &mut upsampling;
                    routines.ycbcr_to_rgb_row(luma, blue.row(y), red.row(y), row, window.width);
                }
            }
            _ => return Err(Error::invalid("a JPEG with two components")),
        }
        Ok(Part {
            image: Image::new(window.width, window.height, pixels)?,
            left: window.left,
            top: window.top,
        })
    }

    /// The samples of each component that `window` depends on.
    fn planes(
        &self,
        bytes: &[u8],
        window: Window,
        to_the_end: bool,
    ) -> Result<Vec<Plane>, JpegError> {
        let metadata = &self.metadata;
        let layout = self.layout;
        let (mcu_width, mcu_height) = (BLOCK * layout.across, BLOCK * layout.down);
        let mcus = (
            self.width.div_ceil(mcu_width),
            self.height.div_ceil(mcu_height),
        );
        let columns = reach(
            window.left..window.right(),
            layout.across,
            mcu_width,
            mcus.0,
        );
        let rows = reach(window.top..window.bottom(), layout.down, mcu_height, mcus.1);

        let mut planes = Vec::new();
        let mut components = Vec::new();
        for (i, (of_frame, of_scan)) in metadata
            .frame
            .components
            .iter()
            .zip(&metadata.scan.components)
            .enumerate()
        {
            let (across, down) = match i {
                0 => (layout.across, layout.down),
                _ => (1, 1),
            };
            planes.push(Plane::new(&columns, &rows, across, down));
            let quantisation =
                metadata.quant_tables[usize::from(of_frame.quant_table_index)].as_ref();
            let missing = || JpegError::CorruptData("a table is missing".into());
            let dc = &metadata.dc_huffman_tables[usize::from(of_scan.dc_table_index)];
            let ac = &metadata.ac_huffman_tables[usize::from(of_scan.ac_table_index)];
            components.push(Component {
                across,
                down,
                quantisation: &quantisation.ok_or_else(missing)?.values,
                tables: Tables {
                    dc: dc.as_deref().ok_or_else(missing)?,
                    ac: Table::new(ac.as_deref().ok_or_else(missing)?),
                },
            });
        }

        let idct = simd::detect().idct_islow;
        let mut bits = Bits::new(&bytes[metadata.entropy_data_offset..]);
        let mut means = [0; 3];
        let mut samples = [0; BLOCK * BLOCK];
        let restart = usize::from(metadata.restart_interval);
        let last_row = if to_the_end { mcus.1 } else { rows.end };
        for mcu in 0..mcus.0 * last_row {
            let (x, y) = (mcu % mcus.0, mcu / mcus.0);
            if restart > 0 && mcu > 0 && mcu % restart == 0 {
                bits.restart();
                means = [0; 3];
            }
            let is_seen = columns.contains(&x) && rows.contains(&y);
            for ((component, mean), plane) in components.iter().zip(&mut means).zip(&mut planes) {
                for block in 0..component.across * component.down {
                    if !is_seen {
                        component.tables.pass(&mut bits, mean)?;
                        continue;
                    }
                    let mut coefficients = [0; BLOCK * BLOCK];
                    let is_more = component.tables.read(&mut bits, mean, &mut coefficients)?;
                    match flat(*mean, component.quantisation[0]) {
                        Some(sample) if !is_more => samples.fill(sample),
                        _ => idct(&coefficients, component.quantisation, &mut samples),
                    }
                    let (across, down) = (block % component.across, block / component.across);
                    let left = BLOCK * (x * component.across + across);
                    let top = BLOCK * (y * component.down + down);
                    plane.put(left, top, &samples);
                }
            }
            if bits.is_short() {
                return Err(JpegError::UnexpectedEof);
            }
        }
        Ok(planes)
    }
}

/// The MCUs that `pixels` depend on; colours that are spread over two pixels are mixed with their
/// neighbours.
fn reach(pixels: Range<usize>, spread: usize, mcu: usize, mcus: usize) -> Range<usize> {
    let margin = if spread > 1 { 2 * spread } else { 0 };
    let first = pixels.start.saturating_sub(margin) / mcu;
    first..(pixels.end + margin).div_ceil(mcu).min(mcus)
}

struct Component<'a> {
    across: usize,
    down: usize,
    quantisation: &'a [u16; BLOCK * BLOCK],
    tables: Tables<'a>,
}

/// The sample of a block that is nothing but its mean; `None` for a mean that no picture has, with
/// which the transform overflows in its own way.
fn flat(mean: i16, quantisation: u16) -> Option<u8> {
    let mean = i32::from(mean) * i32::from(quantisation);
    let is_usual = (-(1 << 13)..1 << 13).contains(&mean);
    is_usual.then(|| (((mean + 4) >> 3) + 128).clamp(0, 255) as u8)
}

/// Samples of one component from (`left`, `top`) on, in samples of the whole plane.
struct Plane {
    samples: Vec<u8>,
    stride: usize,
    left: usize,
    top: usize,
}

impl Plane {
    fn new(columns: &Range<usize>, rows: &Range<usize>, across: usize, down: usize) -> Plane {
        let stride = BLOCK * across * columns.len();
        Plane {
            samples: vec![0; stride * BLOCK * down * rows.len()],
            stride,
            left: BLOCK * across * columns.start,
            top: BLOCK * down * rows.start,
        }
    }

    fn put(&mut self, left: usize, top: usize, block: &[u8; BLOCK * BLOCK]) {
        let start = (top - self.top) * self.stride + left - self.left;
        let rows = self.samples[start..].chunks_mut(self.stride);
        for (row, from) in rows.zip(block.as_chunks::<BLOCK>().0) {
            row[..BLOCK].copy_from_slice(from);
        }
    }

    fn row(&self, y: usize, columns: Range<usize>) -> &[u8] {
        let row = &self.samples[(y - self.top) * self.stride..][..self.stride];
        &row[columns.start - self.left..columns.end - self.left]
    }
}

/// A plane of colours as large as the picture, row by row: libjpeg's "fancy" upsampling, in which
/// a pixel is three quarters of its sample and one quarter of the nearest other, across and down.
struct Upsampling<'a> {
    plane: &'a Plane,
    across: bool,
    down: bool,
    /// The samples that the window depends on.
    columns: Range<usize>,
    height: usize,
    window: Window,
    sums: Vec<u16>,
    upsampled: Vec<u8>,
}

impl<'a> Upsampling<'a> {
    fn new(plane: &'a Plane, jpeg: &PartialJpeg, window: Window) -> Upsampling<'a> {
        let (across, down) = (jpeg.layout.across == 2, jpeg.layout.down == 2);
        let columns = match across {
            true => {
                let last = (window.right() / 2 + 2).min(jpeg.width.div_ceil(2));
                (window.left / 2).saturating_sub(1)..last
            }
            false => window.left..window.right(),
        };
        Upsampling {
            plane,
            across,
            down,
            height: jpeg.height.div_ceil(if down { 2 } else { 1 }),
            window,
            sums: vec![0; columns.len()],
            upsampled: vec![0; 2 * columns.len()],
            columns,
        }
    }

    /// The colours of the window's part of row `y`.
    fn row(&mut self, y: usize) -> &[u8] {
        if !self.across {
            return self.plane.row(y, self.columns.clone());
        }
        let columns = self.columns.clone();
        // What rounds, by turns down and up, and what the sums are to be divided by.
        let (even, odd, shift) = match self.down {
            true => (8, 7, 4),
            false => (1, 2, 2),
        };
        if self.down {
            let near = self.plane.row(y / 2, columns.clone());
            let other = match y % 2 {
                0 => (y / 2).saturating_sub(1),
                _ => (y / 2 + 1).min(self.height - 1),
            };
            let far = self.plane.row(other, columns);
            for (sum, (&near, &far)) in self.sums.iter_mut().zip(near.iter().zip(far)) {
                *sum = 3 * u16::from(near) + u16::from(far);
            }
        } else {
            let near = self.plane.row(y, columns);
            for (sum, &near) in self.sums.iter_mut().zip(near) {
                *sum = u16::from(near);
            }
        }
        let sums = &self.sums;
        let (pairs, _) = self.upsampled.as_chunks_mut::<2>();
        let last = sums.len() - 1;
        for (pair, three) in pairs[1..].iter_mut().zip(sums.windows(3)) {
            *pair = [
                ((3 * three[1] + three[0] + even) >> shift) as u8,
                ((3 * three[1] + three[2] + odd) >> shift) as u8,
            ];
        }
        // At the edges of the picture the outer half is its sample alone. Where these are not
        // edges, the window does not reach there.
        let alone = |sum: u16, rounding: u16| ((4 * sum + rounding) >> shift) as u8;
        pairs[0] = [
            alone(sums[0], even),
            ((3 * sums[0] + sums[1] + odd) >> shift) as u8,
        ];
        pairs[last] = [
            ((3 * sums[last] + sums[last - 1] + even) >> shift) as u8,
            alone(sums[last], odd),
        ];
        let start = self.window.left - 2 * self.columns.start;
        &self.upsampled[start..start + self.window.width]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::decode::decode;
    use crate::data::testing::stored;

    fn read(name: &str) -> (Vec<u8>, Option<PartialJpeg>) {
        let bytes = std::fs::read(stored(name)).unwrap();
        let jpeg = PartialJpeg::new(&bytes);
        (bytes, jpeg)
    }

    fn usual() -> impl Iterator<Item = (&'static str, Vec<u8>, PartialJpeg)> {
        let names = ["420.jpg", "422.jpg", "444.jpg", "grey.jpg", "restarts.jpg"];
        names.into_iter().map(|name| {
            let (bytes, jpeg) = read(name);
            (name, bytes, jpeg.unwrap())
        })
    }

    /// 37 x 29 pixels, as all the pictures are.
    fn windows() -> impl Iterator<Item = Window> {
        let places = |length: usize| {
            (0..length).flat_map(move |start| (start + 1..=length).map(move |end| (start, end)))
        };
        let rows = places(29).step_by(7);
        rows.flat_map(move |(top, bottom)| {
            places(37).step_by(11).map(move |(left, right)| Window {
                left,
                top,
                width: right - left,
                height: bottom - top,
            })
        })
    }

    #[test]
    fn every_part_is_as_in_the_whole() {
        for (name, bytes, jpeg) in usual() {
            let whole = decode(&bytes).unwrap();
            assert_eq!(jpeg.size(), (whole.width(), whole.height()));
            for window in windows() {
                let part = jpeg.decode(&bytes, window, false).unwrap();
                assert_eq!((part.left, part.top), (window.left, window.top));
                let (left, top) = (window.left as isize, window.top as isize);
                let expected = whole.crop(left, top, window.width, window.height);
                assert!(part.image == expected, "{name}, {window:?}");
            }
        }
    }

    #[test]
    fn other_kinds_are_left_to_the_whole_decoder() {
        for name in ["progressive.jpg", "cmyk.jpg", "ycck.jpg"] {
            assert!(read(name).1.is_none(), "{name}");
        }
    }

    /// Whatever the bytes are, there are pixels or an error; and the pixels are those of the
    /// whole decoder, if that has some.
    #[test]
    fn damage_is_an_error_or_the_same_pixels() {
        let window = Window {
            left: 9,
            top: 3,
            width: 20,
            height: 17,
        };
        for (name, bytes, _) in usual() {
            for at in 0..bytes.len() {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << (at % 8);
                let Some(jpeg) = PartialJpeg::new(&damaged) else {
                    continue;
                };
                let (width, height) = jpeg.size();
                if width < 29 || height < 20 {
                    continue;
                }
                let part = jpeg.decode(&damaged, window, true);
                if let (Ok(part), Ok(whole)) = (part, decode(&damaged)) {
                    let expected = whole.crop(9, 3, 20, 17);
                    assert!(part.image == expected, "{name} with byte {at} damaged");
                }
            }
        }
    }

    #[test]
    fn damage_below_the_part_is_found_where_the_code_is_read_to_its_end() {
        let (bytes, jpeg) = read("444.jpg");
        let jpeg = jpeg.unwrap();
        let window = Window::whole(37, 8);
        // An end marker in the middle of the code.
        let mut damaged = bytes.clone();
        let middle = jpeg.metadata.entropy_data_offset + 3 * bytes.len() / 8;
        damaged[middle..middle + 2].copy_from_slice(&[0xff, 0xd9]);
        let part = jpeg.decode(&damaged, window, false).unwrap();
        assert_eq!(part.image, decode(&bytes).unwrap().crop(0, 0, 37, 8));
        assert!(jpeg.decode(&damaged, window, true).is_err());
    }
}
