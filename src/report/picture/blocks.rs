//! Images as characters: `▀` with the colour of one pixel on the background of the one below.

use super::Colours;
use crate::data::Image;

type Pixel = [u8; 3];

/// From dark to bright, where there are no colours.
const SHADES: &[u8] = b" .:-=+*#%@";

/// The lines of the picture, one character for each column, one line for two rows.
pub fn lines(image: &Image, colours: Colours) -> Vec<String> {
    let width = image.width();
    let pixels = image.pixels().as_chunks::<3>().0;
    let rows: Vec<&[Pixel]> = pixels.chunks_exact(width).collect();
    rows.chunks(2)
        .map(|pair| line(pair[0], pair.get(1).copied(), colours))
        .collect()
}

fn line(upper: &[Pixel], lower: Option<&[Pixel]>, colours: Colours) -> String {
    let mut text = String::new();
    let mut last = None;
    for (x, &above) in upper.iter().enumerate() {
        let below = lower.map(|row| row[x]);
        if colours == Colours::Grey {
            text.push(shade(above, below.unwrap_or(above)));
            continue;
        }
        if last != Some((above, below)) {
            text += &match below {
                Some(below) => format!(
                    "\x1b[38;{};48;{}m",
                    code(above, colours),
                    code(below, colours)
                ),
                None => format!("\x1b[38;{}m", code(above, colours)),
            };
            last = Some((above, below));
        }
        text.push('▀');
    }
    if colours != Colours::Grey {
        text += "\x1b[0m";
    }
    text
}

fn shade(above: Pixel, below: Pixel) -> char {
    let brightness = (brightness(above) + brightness(below)) / 2.0;
    let at = brightness * (SHADES.len() - 1) as f64;
    SHADES[at.round() as usize].into()
}

/// Luma in [0, 1], by ITU-R BT.601.
fn brightness([r, g, b]: Pixel) -> f64 {
    (0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b)) / 255.0
}

fn code(pixel: Pixel, colours: Colours) -> String {
    let [r, g, b] = pixel;
    match colours {
        Colours::Palette => format!("5;{}", nearest(pixel)),
        _ => format!("2;{r};{g};{b}"),
    }
}

/// Levels of xterm's colour cube, which begins at 16.
const CUBE: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// The nearest of xterm's 256 colours: of its cube, or of its 24 greys from 232.
fn nearest(pixel: Pixel) -> usize {
    let levels = pixel.map(|value| {
        let distance = |level: u8| level.abs_diff(value);
        (0..CUBE.len())
            .min_by_key(|&i| distance(CUBE[i]))
            .unwrap_or(0)
    });
    let mean = pixel.iter().map(|&it| usize::from(it)).sum::<usize>() / 3;
    let step = (mean.saturating_sub(3) / 10).min(23);
    let grey = (8 + 10 * step) as u8;
    let distance = |colour: Pixel| -> u32 {
        let pairs = pixel.iter().zip(colour);
        pairs.map(|(&a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
    };
    let [r, g, b] = levels;
    match distance([grey; 3]) < distance(levels.map(|i| CUBE[i])) {
        true => 232 + step,
        false => 16 + 36 * r + 6 * g + b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: Pixel = [255, 0, 0];
    const BLUE: Pixel = [0, 0, 255];
    const WHITE: Pixel = [255; 3];

    fn image(width: usize, pixels: &[Pixel]) -> Image {
        Image::new(width, pixels.len() / width, pixels.concat()).unwrap()
    }

    #[test]
    fn a_tiny_image_in_every_colouring() {
        let picture = image(2, &[RED, BLUE, WHITE, WHITE, BLUE, BLUE]);
        assert_eq!(
            lines(&picture, Colours::Full),
            [
                "\x1b[38;2;255;0;0;48;2;255;255;255m▀\x1b[38;2;0;0;255;48;2;255;255;255m▀\x1b[0m",
                "\x1b[38;2;0;0;255m▀▀\x1b[0m",
            ]
        );
        assert_eq!(
            lines(&picture, Colours::Palette),
            [
                "\x1b[38;5;196;48;5;231m▀\x1b[38;5;21;48;5;231m▀\x1b[0m",
                "\x1b[38;5;21m▀▀\x1b[0m",
            ]
        );
        assert_eq!(lines(&picture, Colours::Grey), ["*+", ".."]);
    }

    #[test]
    fn the_palette_has_colours_and_greys() {
        for (pixel, index) in [
            ([0, 0, 0], 16),
            ([8, 8, 8], 232),
            ([128, 128, 128], 244),
            ([238, 238, 238], 255),
            ([95, 135, 175], 67),
        ] {
            assert_eq!(nearest(pixel), index, "{pixel:?}");
        }
    }
}
