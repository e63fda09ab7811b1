//! Pictures side by side, each with a caption below it.

use super::canvas::{Canvas, enlarge, reduce};
use super::{Protocol, Terminal, blocks};
use crate::Result;
use crate::data::Image;
use crate::report::table::{pad_right, wrap};
use unicode_width::UnicodeWidthStr;

pub struct Picture {
    pub image: Image,
    /// May be empty.
    pub caption: String,
}

/// Characters between two pictures.
const GAP: usize = 2;
/// A picture of this many characters is wide enough: rather more in a row than wider ones.
const ENOUGH: usize = 32;
/// Captions may make a narrow picture's place as wide as this.
const CAPTION: usize = 24;
/// Terminal graphics enlarge small images by a whole factor to about this many pixels.
const SIDE: usize = 192;

/// The pictures as text for the terminal, in rows of `columns` or of as many as fit.
///
/// # Errors
/// `Invalid` when a picture cannot be encoded.
pub fn draw(pictures: &[Picture], columns: Option<usize>, terminal: &Terminal) -> Result<String> {
    if terminal.protocol == Protocol::None {
        return Ok(in_words(pictures));
    }
    let place = Place::of(pictures, columns, terminal);
    let mut rows = Vec::new();
    for row in pictures.chunks(place.columns) {
        let drawn = match terminal.protocol {
            Protocol::Blocks => place.characters(row, terminal)?,
            _ => place.graphics(row, terminal)?,
        };
        rows.push(format!("{drawn}{}", place.captions(row)));
    }
    Ok(rows.join("\n\n"))
}

/// `picture [3, 32, 32]`, or `4 pictures [3, 32, 32]`, and the captions.
fn in_words(pictures: &[Picture]) -> String {
    let mut sizes: Vec<_> = pictures
        .iter()
        .map(|it| format!("[3, {}, {}]", it.image.height(), it.image.width()))
        .collect();
    sizes.dedup();
    let sizes = sizes.join(", ");
    let mut lines = vec![match pictures.len() {
        1 => format!("picture {sizes}"),
        n => format!("{n} pictures {sizes}"),
    }];
    let captions = pictures.iter().map(|it| it.caption.clone());
    lines.extend(captions.filter(|it| !it.is_empty()));
    lines.join("\n")
}

/// Where pictures go: so many in a row, each as wide as it may be.
struct Place {
    columns: usize,
    /// The width of a picture in characters.
    picture: usize,
    /// The width of its place, captions included.
    width: usize,
    /// By how much terminal graphics enlarge.
    factor: usize,
}

impl Place {
    fn of(pictures: &[Picture], columns: Option<usize>, terminal: &Terminal) -> Self {
        let widest = pictures
            .iter()
            .map(|it| it.image.width())
            .max()
            .unwrap_or(1);
        let tallest = pictures
            .iter()
            .map(|it| it.image.height())
            .max()
            .unwrap_or(1);
        let (factor, natural) = match terminal.protocol {
            Protocol::Blocks => (1, widest),
            _ => {
                let factor = (SIDE / widest.max(tallest)).max(1);
                (factor, (widest * factor).div_ceil(terminal.cell))
            }
        };
        let fitting = (terminal.columns + GAP) / (natural.min(ENOUGH) + GAP);
        let columns = columns.unwrap_or(fitting).clamp(1, pictures.len().max(1));
        let available = ((terminal.columns + GAP) / columns)
            .saturating_sub(GAP)
            .max(1);
        let picture = natural.min(available);
        let captions = pictures.iter().map(|it| it.caption.width()).max();
        let width = picture.max(captions.unwrap_or(0).min(CAPTION).min(available));
        let factor = match terminal.protocol {
            Protocol::Blocks => 1,
            _ => factor.min((picture * terminal.cell / widest).max(1)),
        };
        Place {
            columns,
            picture,
            width,
            factor,
        }
    }

    fn characters(&self, row: &[Picture], terminal: &Terminal) -> Result<String> {
        let mut columns = Vec::new();
        for picture in row {
            let image = reduce(&picture.image, self.picture)?;
            columns.push((image.width(), blocks::lines(&image, terminal.colours)));
        }
        let height = columns.iter().map(|(_, lines)| lines.len()).max();
        let line = |at: usize| {
            let mut text = String::new();
            for (place, (width, lines)) in columns.iter().enumerate() {
                let drawn = lines.get(at);
                text += drawn.map_or("", String::as_str);
                if place + 1 < columns.len() {
                    let used = if drawn.is_some() { *width } else { 0 };
                    text += &" ".repeat(self.width - used + GAP);
                }
            }
            text
        };
        let lines: Vec<String> = (0..height.unwrap_or(0)).map(line).collect();
        Ok(lines.join("\n"))
    }

    fn graphics(&self, row: &[Picture], terminal: &Terminal) -> Result<String> {
        let mut images = Vec::new();
        for picture in row {
            let reduced = reduce(&picture.image, self.picture * terminal.cell)?;
            images.push(enlarge(&reduced, self.factor)?);
        }
        let left = |at: usize| at * (self.width + GAP) * terminal.cell;
        let ends = images.iter().enumerate();
        let width = ends.map(|(at, image)| left(at) + image.width()).max();
        let height = images.iter().map(Image::height).max();
        let mut canvas = Canvas::new(width.unwrap_or(1), height.unwrap_or(1));
        for (at, image) in images.iter().enumerate() {
            canvas.put(left(at), image);
        }
        match terminal.protocol {
            Protocol::Kitty => canvas.kitty(),
            Protocol::Iterm2 => canvas.iterm2(),
            _ => Ok(canvas.sixel()),
        }
    }

    /// The lines below a row of pictures, each with the line end before it.
    fn captions(&self, row: &[Picture]) -> String {
        let captions: Vec<Vec<String>> =
            row.iter().map(|it| wrap(&it.caption, self.width)).collect();
        let height = captions.iter().map(Vec::len).max().unwrap_or(0);
        let line = |at: usize| {
            let part = |lines: &Vec<String>| {
                let text = lines.get(at).map_or("", String::as_str);
                pad_right(text, self.width + GAP)
            };
            let line: String = captions.iter().map(part).collect();
            format!("\n{}", line.trim_end())
        };
        let lines: String = (0..height).map(line).collect();
        match lines.trim().is_empty() {
            true => String::new(),
            false => lines,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::picture::Colours;

    fn terminal(protocol: Protocol, columns: usize) -> Terminal {
        Terminal {
            protocol,
            colours: Colours::Grey,
            columns,
            cell: 8,
        }
    }

    /// White, with a caption.
    fn picture(width: usize, height: usize, caption: &str) -> Picture {
        Picture {
            image: Image::from_fn(width, height, |_, _| [255; 3]).unwrap(),
            caption: caption.to_owned(),
        }
    }

    #[test]
    fn pictures_stand_in_rows_with_captions_below() {
        let pictures = [
            picture(4, 4, "a cat"),
            picture(4, 2, "dog"),
            picture(2, 2, "a third"),
        ];
        let text = draw(&pictures, Some(2), &terminal(Protocol::Blocks, 80)).unwrap();
        assert_eq!(
            text,
            "@@@@     @@@@\n@@@@     \na cat    dog\n\n@@\na third"
        );
        let text = draw(&pictures[..1], None, &terminal(Protocol::None, 80)).unwrap();
        assert_eq!(text, "picture [3, 4, 4]\na cat");
    }

    #[test]
    fn what_is_too_wide_is_reduced() {
        let wide = [picture(100, 50, ""), picture(100, 50, "")];
        let lines = |columns, width| {
            let text = draw(&wide, columns, &terminal(Protocol::Blocks, width)).unwrap();
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        };
        // Two of 39 characters beside each other, or one of 80 above the other.
        let beside = lines(None, 80);
        assert_eq!((beside.len(), beside[0].len()), (10, 80));
        let below = lines(Some(1), 80);
        assert_eq!((below.len(), below[0].len()), (41, 80));
        assert_eq!(lines(Some(2), 1)[0], "@  @");
    }

    #[test]
    fn graphics_enlarge_by_a_whole_factor() {
        let text = |width, columns| {
            let pictures = [picture(width, width, "")];
            draw(&pictures, None, &terminal(Protocol::Iterm2, columns)).unwrap()
        };
        assert!(text(32, 80).contains("width=192px;height=192px"));
        assert!(text(32, 10).contains("width=64px;height=64px"));
        assert!(text(224, 80).contains("width=224px;height=224px"));
        assert!(text(224, 10).contains("width=80px;height=80px"));
    }
}
