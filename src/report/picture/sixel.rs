//! Sixel graphics: bands of six rows; for each colour of a band one character a column, whose
//! bits say which of the six pixels have it (VT330/VT340 Programmer Reference, chapter 14).

use super::canvas::Canvas;
use color_quant::NeuQuant;
use std::collections::BTreeMap;

/// The most colours that terminals keep.
const COLOURS: usize = 256;
/// Every so many-th pixel is looked at to choose them: the larger, the faster.
const SAMPLING: i32 = 3;

impl Canvas {
    pub fn sixel(&self) -> String {
        let (palette, indices) = self.palette();
        // P2 = 1 leaves pixels without a colour as they are.
        let mut text = format!("\x1bP0;1q\"1;1;{};{}", self.width, self.height);
        for (at, colour) in palette.iter().enumerate() {
            let [r, g, b] = colour.map(|value| (u32::from(value) * 100 + 127) / 255);
            text += &format!("#{at};2;{r};{g};{b}");
        }
        for band in indices.chunks(6 * self.width) {
            text += &self.band(band);
        }
        text + "\x1b\\"
    }

    fn band(&self, pixels: &[Option<usize>]) -> String {
        let mut masks: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
        for (at, colour) in pixels.iter().enumerate() {
            if let Some(colour) = colour {
                let row = masks.entry(*colour).or_insert_with(|| vec![0; self.width]);
                row[at % self.width] |= 1 << (at / self.width);
            }
        }
        let rows: Vec<String> = masks
            .iter()
            .map(|(colour, masks)| format!("#{colour}{}", run_lengths(masks)))
            .collect();
        rows.join("$") + "-"
    }

    /// The colours of the picture, or as many like them as there may be, and for each pixel
    /// which it has.
    fn palette(&self) -> (Vec<[u8; 3]>, Vec<Option<usize>>) {
        let opaque = || self.pixels.iter().filter(|pixel| pixel[3] > 0);
        let mut exact = BTreeMap::new();
        for &[r, g, b, _] in opaque() {
            let next = exact.len();
            exact.entry([r, g, b]).or_insert(next);
            if exact.len() > COLOURS {
                break;
            }
        }
        if exact.len() <= COLOURS {
            let mut palette = vec![[0; 3]; exact.len()];
            for (colour, at) in &exact {
                palette[*at] = *colour;
            }
            let index = |&[r, g, b, a]: &[u8; 4]| (a > 0).then(|| exact[&[r, g, b]]);
            return (palette, self.pixels.iter().map(index).collect());
        }
        let samples: Vec<u8> = opaque().flatten().copied().collect();
        let quantizer = NeuQuant::new(SAMPLING, COLOURS, &samples);
        let palette = quantizer.color_map_rgb().as_chunks::<3>().0.to_vec();
        let index = |pixel: &[u8; 4]| (pixel[3] > 0).then(|| quantizer.index_of(pixel));
        (palette, self.pixels.iter().map(index).collect())
    }
}

/// Each mask as a character; more than three equal ones as `!count character`.
fn run_lengths(masks: &[u8]) -> String {
    masks
        .chunk_by(|a, b| a == b)
        .map(|run| {
            let character = char::from(b'?' + run[0]);
            match run.len() {
                n @ 4.. => format!("!{n}{character}"),
                n => character.to_string().repeat(n),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Image;

    /// The pixels that a terminal would draw, in percent of full brightness.
    fn drawn(text: &str, width: usize, height: usize) -> Vec<Option<[u8; 3]>> {
        let body = text.strip_prefix("\x1bP0;1q\"").unwrap();
        let body = body.strip_suffix("\x1b\\").unwrap();
        let mut pixels = vec![None; width * height];
        let mut colours = BTreeMap::new();
        let (mut x, mut y, mut colour, mut times) = (0, 0, 0, 1);
        let mut rest = &body[body.find('#').unwrap()..];
        fn number(text: &mut &str) -> usize {
            let end = text
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(text.len());
            let (digits, after) = text.split_at(end);
            *text = after;
            digits.parse().unwrap()
        }
        while let Some(command) = rest.chars().next() {
            rest = &rest[1..];
            match command {
                '#' => {
                    colour = number(&mut rest);
                    if let Some(after) = rest.strip_prefix(";2;") {
                        rest = after;
                        let mut rgb = [0; 3];
                        for value in &mut rgb {
                            rest = rest.strip_prefix(';').unwrap_or(rest);
                            *value = number(&mut rest) as u8;
                        }
                        colours.insert(colour, rgb);
                    }
                }
                '!' => times = number(&mut rest),
                '$' => x = 0,
                '-' => (x, y) = (0, y + 6),
                mask => {
                    for bit in (0..6).filter(|bit| (mask as u8 - b'?') >> bit & 1 == 1) {
                        for x in x..x + times {
                            pixels[(y + bit) * width + x] = Some(colours[&colour]);
                        }
                    }
                    x += times;
                    times = 1;
                }
            }
        }
        pixels
    }

    fn percent(value: u8) -> f64 {
        f64::from(value) / 2.55
    }

    #[test]
    fn few_colours_are_drawn_as_they_are() {
        let mut canvas = Canvas::new(9, 8);
        let colour = |x: usize, y: usize| [(x * 50) as u8, (y / 2 * 60) as u8, 255];
        canvas.put(0, &Image::from_fn(5, 8, colour).unwrap());
        canvas.put(7, &Image::from_fn(2, 3, colour).unwrap());
        let drawn = drawn(&canvas.sixel(), 9, 8);
        for (drawn, pixel) in drawn.iter().zip(&canvas.pixels) {
            let rgb = drawn.map_or([0; 3], |it| it);
            assert_eq!(drawn.is_some(), pixel[3] > 0);
            for (drawn, value) in rgb.iter().zip(pixel) {
                assert!((f64::from(*drawn) - percent(*value)).abs() <= 0.5);
            }
        }
    }

    #[test]
    fn many_colours_are_drawn_nearly() {
        let mut canvas = Canvas::new(64, 64);
        let colour = |x: usize, y: usize| [(x * 4) as u8, (y * 4) as u8, ((x + y) * 2) as u8];
        canvas.put(0, &Image::from_fn(64, 64, colour).unwrap());
        let drawn = drawn(&canvas.sixel(), 64, 64);
        let mut error = 0.0;
        for (drawn, pixel) in drawn.iter().zip(&canvas.pixels) {
            for (drawn, value) in drawn.unwrap().iter().zip(pixel) {
                error += (f64::from(*drawn) - percent(*value)).abs();
            }
        }
        let mean = error / (3.0 * 64.0 * 64.0);
        assert!(mean < 4.0, "{mean} % on average");
    }

    #[test]
    fn runs_are_counted() {
        assert_eq!(run_lengths(&[0, 0, 0, 63, 63, 63, 63, 1]), "???!4~@");
    }
}
