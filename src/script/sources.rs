//! Which file a position belongs to.
//!
//! Rhai's positions are a line and a column without a file, and the file names that it
//! attaches to function calls are wrong once a module's function calls another one. So every
//! file of a run gets its own range of lines, as in a compiler's source map: it is parsed
//! behind as many empty lines as the files before it have, and each position then says by
//! itself where it belongs. Lines are 16 bit in Rhai, so all files of a run have fewer than
//! 65,535 lines together.

use crate::Result;
use rhai::Position;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// All lines that Rhai can count, less one: the last would swallow all that come after it.
const MAX_LINES: usize = u16::MAX as usize - 1;

/// One script file (or a line typed by the user) as it was parsed.
pub struct Source {
    /// As it is shown: the path that was given, or `std/...` for a library module.
    pub name: String,
    /// The real path; none for library modules and typed lines.
    pub path: Option<PathBuf>,
    pub text: String,
    first: usize,
    lines: usize,
}

impl Source {
    /// The folder that the file's own imports are relative to.
    pub fn folder(&self) -> Option<&Path> {
        self.path.as_deref().and_then(Path::parent)
    }
}

/// A place in a file: line and column count from 1.
pub struct Place {
    pub source: Rc<Source>,
    pub line: usize,
    pub column: usize,
}

impl Place {
    /// The line's text without its end.
    pub fn text(&self) -> &str {
        self.source.text.lines().nth(self.line - 1).unwrap_or("")
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.source.name, self.line, self.column)
    }
}

/// The files of a run in the order in which they were loaded; the first is the script.
#[derive(Default)]
pub struct Sources {
    files: Vec<Rc<Source>>,
    lines: usize,
}

impl Sources {
    /// Adds a file and returns it with the text to parse.
    pub fn add(
        &mut self,
        name: &str,
        path: Option<PathBuf>,
        text: String,
    ) -> Result<(Rc<Source>, String)> {
        let first = self.lines;
        let lines = text.lines().count() + 1;
        ensure!(
            first + lines <= MAX_LINES,
            "{name}: the script and its imports may have {MAX_LINES} lines together"
        );
        let padded = "\n".repeat(first) + text.as_str();
        let source = Rc::new(Source {
            name: name.to_owned(),
            path,
            text,
            first,
            lines,
        });
        self.files.push(source.clone());
        self.lines = first + lines;
        Ok((source, padded))
    }

    /// Where `position` lies; none if it is `Position::NONE`.
    pub fn place(&self, position: Position) -> Option<Place> {
        let line = position.line()?;
        let source = self
            .files
            .iter()
            .find(|file| (file.first + 1..=file.first + file.lines).contains(&line))?;
        Some(Place {
            source: source.clone(),
            line: line - source.first,
            column: position.position().unwrap_or(1),
        })
    }

    pub fn files(&self) -> &[Rc<Source>] {
        &self.files
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_names_its_file() {
        let mut sources = Sources::default();
        sources.add("a", None, "1;\n2;\n".into()).unwrap();
        let (_, padded) = sources.add("b", None, "3;\n  4".into()).unwrap();
        let line = padded.lines().position(|line| line == "  4").unwrap() + 1;
        let place = sources.place(Position::new(line as u16, 3)).unwrap();
        assert_eq!(place.to_string(), "b:2:3");
        assert_eq!(place.text(), "  4");
        assert_eq!(
            sources.place(Position::new(2, 1)).unwrap().to_string(),
            "a:2:1"
        );
        assert!(sources.place(Position::NONE).is_none());
    }

    #[test]
    fn more_lines_than_rhai_can_count_are_refused() {
        let mut sources = Sources::default();
        sources.add("a", None, "\n".repeat(65_000)).unwrap();
        assert!(sources.add("b", None, "\n".repeat(1_000)).is_err());
    }
}
