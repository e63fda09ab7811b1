//! What the terminal can show, as its environment promises.

use crate::Result;
use serde::Deserialize;
use std::io::IsTerminal;

/// How a picture gets into a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// <https://sw.kovidgoyal.net/kitty/graphics-protocol/>
    Kitty,
    /// <https://iterm2.com/documentation-images.html>
    Iterm2,
    /// DEC's graphics of the VT340.
    Sixel,
    /// Characters: the upper half of each is one pixel, the lower half another.
    Blocks,
    /// One line that says the size.
    None,
}

/// The colours that characters can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// 24 bits.
    Full,
    /// xterm's palette of 256.
    Palette,
    /// None: brightness as characters.
    Grey,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Terminal {
    pub protocol: Protocol,
    pub colours: Colours,
    /// The width in characters.
    pub columns: usize,
    /// The width of a character in pixels.
    pub cell: usize,
}

/// The size of the terminal as the system tells it.
#[derive(Clone, Copy)]
struct Window {
    columns: usize,
    pixels: usize,
}

/// Where the system does not say.
const COLUMNS: usize = 80;
const CELL: usize = 8;

const VARIABLE: &str = "RHOBUST_PICTURES";

/// Parts of TERM by which terminals that know sixel are recognised.
const SIXEL: [&str; 5] = ["sixel", "foot", "mlterm", "contour", "yaft"];

impl Terminal {
    /// Standard output. `RHOBUST_PICTURES` decides the protocol where it is set.
    ///
    /// # Errors
    /// `Invalid` for a protocol in `RHOBUST_PICTURES` that there is not.
    pub fn stdout() -> Result<Self> {
        Self::detect(|name| std::env::var(name).ok(), Window::of_stdout())
    }

    fn detect(
        variable: impl Fn(&str) -> Option<String>,
        window: Option<Window>,
    ) -> Result<Terminal> {
        let value = |name: &str| variable(name).unwrap_or_default();
        let term = value("TERM");
        let columns = window.map_or(0, |it| it.columns);
        let columns = if columns > 0 { columns } else { COLUMNS };
        let cell = window.map_or(0, |it| it.pixels / columns);
        Ok(Terminal {
            protocol: match value(VARIABLE).as_str() {
                "" if window.is_some() => promised(&term, value),
                "" => Protocol::None,
                name => named(name)?,
            },
            colours: match value("COLORTERM").as_str() {
                "truecolor" | "24bit" => Colours::Full,
                _ if term.contains("256color") => Colours::Palette,
                // These have 24 bits and say so here only.
                _ if ["kitty", "direct", "foot"]
                    .iter()
                    .any(|it| term.contains(it)) =>
                {
                    Colours::Full
                }
                _ => Colours::Grey,
            },
            columns,
            cell: if cell > 0 { cell } else { CELL },
        })
    }
}

fn named(name: &str) -> Result<Protocol> {
    Ok(match name {
        "kitty" => Protocol::Kitty,
        "iterm2" => Protocol::Iterm2,
        "sixel" => Protocol::Sixel,
        "blocks" => Protocol::Blocks,
        "none" => Protocol::None,
        _ => bail!(
            "the environment variable {VARIABLE} must be kitty, iterm2, sixel, blocks or none, \
             got {name:?}"
        ),
    })
}

fn promised(term: &str, value: impl Fn(&str) -> String) -> Protocol {
    let program = value("TERM_PROGRAM");
    if term == "dumb" {
        return Protocol::None;
    }
    // A multiplexer inherits the variables of the terminal around it and keeps its graphics out.
    if term.starts_with("screen") || term.starts_with("tmux") || !value("TMUX").is_empty() {
        return Protocol::Blocks;
    }
    if !value("KITTY_WINDOW_ID").is_empty() || term == "xterm-kitty" || program == "ghostty" {
        return Protocol::Kitty;
    }
    if program == "iTerm.app" || program == "WezTerm" {
        return Protocol::Iterm2;
    }
    match SIXEL.iter().any(|name| term.contains(name)) {
        true => Protocol::Sixel,
        false => Protocol::Blocks,
    }
}

impl Window {
    /// None where standard output is no terminal.
    fn of_stdout() -> Option<Self> {
        if !std::io::stdout().is_terminal() {
            return None;
        }
        let mut size = libc::winsize {
            ws_row: 0,
            ws_col: 0,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        // SAFETY: the request writes one `winsize`, which stays as it is where it fails.
        unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &mut size) };
        Some(Window {
            columns: size.ws_col.into(),
            pixels: size.ws_xpixel.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Option<Window> = Some(Window {
        columns: 100,
        pixels: 1000,
    });

    fn detect(variables: &[(&str, &str)], window: Option<Window>) -> Result<Terminal> {
        let find = |name: &str| variables.iter().find(|it| it.0 == name);
        Terminal::detect(|name| find(name).map(|it| it.1.to_owned()), window)
    }

    #[test]
    fn the_environment_says_what_a_terminal_shows() -> Result<()> {
        type Case<'a> = (&'a [(&'a str, &'a str)], Protocol, Colours);
        let cases: &[Case] = &[
            (&[], Protocol::Blocks, Colours::Grey),
            (&[("TERM", "dumb")], Protocol::None, Colours::Grey),
            (
                &[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")],
                Protocol::Blocks,
                Colours::Full,
            ),
            (
                &[("TERM", "xterm-256color")],
                Protocol::Blocks,
                Colours::Palette,
            ),
            (&[("TERM", "xterm-kitty")], Protocol::Kitty, Colours::Full),
            (&[("KITTY_WINDOW_ID", "1")], Protocol::Kitty, Colours::Grey),
            (
                &[("KITTY_WINDOW_ID", "1"), ("TERM", "tmux-256color")],
                Protocol::Blocks,
                Colours::Palette,
            ),
            (
                &[("TERM_PROGRAM", "WezTerm")],
                Protocol::Iterm2,
                Colours::Grey,
            ),
            (
                &[("TERM_PROGRAM", "iTerm.app")],
                Protocol::Iterm2,
                Colours::Grey,
            ),
            (&[("TERM", "foot")], Protocol::Sixel, Colours::Full),
            (
                &[("TERM", "foot"), ("RHOBUST_PICTURES", "blocks")],
                Protocol::Blocks,
                Colours::Full,
            ),
        ];
        for (variables, protocol, colours) in cases {
            let terminal = detect(variables, WINDOW)?;
            let expected = Terminal {
                protocol: *protocol,
                colours: *colours,
                columns: 100,
                cell: 10,
            };
            assert_eq!(terminal, expected, "{variables:?}");
        }
        Ok(())
    }

    #[test]
    fn elsewhere_pictures_are_drawn_on_demand_only() -> Result<()> {
        let terminal = detect(&[("TERM", "xterm-kitty")], None)?;
        assert_eq!(terminal.protocol, Protocol::None);
        assert_eq!((terminal.columns, terminal.cell), (80, 8));
        let terminal = detect(&[("RHOBUST_PICTURES", "sixel")], None)?;
        assert_eq!(terminal.protocol, Protocol::Sixel);
        let error = detect(&[("RHOBUST_PICTURES", "sixels")], None).unwrap_err();
        assert!(error.to_string().ends_with("got \"sixels\""), "{error}");
        Ok(())
    }
}
