//! The line editor: colours, brackets, hints, completion and multi-line input.

use super::complete::complete;
use super::scan::{self, Kind, partner, scan};
use super::session::Session;
use crate::script::docs::docs;
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hinter, HistoryHinter};
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{
    Cmd, CompletionType, Config, Context, Editor, Event, EventHandler, Helper, KeyCode, KeyEvent,
    Modifiers,
};
use std::borrow::Cow;
use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

/// Reads inputs from a terminal and keeps their history.
pub struct Lines {
    editor: Editor<Assistant, FileHistory>,
    history: Option<PathBuf>,
}

impl Lines {
    pub fn new(session: Rc<RefCell<Session>>, colours: bool) -> rustyline::Result<Self> {
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .history_ignore_space(true)
            .max_history_size(10_000)?
            .auto_add_history(true)
            .build();
        let mut editor = Editor::with_config(config)?;
        editor.set_helper(Some(Assistant {
            session,
            history: HistoryHinter::new(),
            colours,
        }));
        // Enter ends an input that is whole; Alt-Enter always begins a new line.
        let alt_enter = Event::from(KeyEvent(KeyCode::Enter, Modifiers::ALT));
        editor.bind_sequence(alt_enter, EventHandler::Simple(Cmd::Newline));
        let history = history_file();
        if let Some(file) = &history {
            // The first session has none.
            let _ = editor.load_history(file);
        }
        Ok(Lines { editor, history })
    }

    /// The next input; `None` at its end (Ctrl-D), an empty one after Ctrl-C.
    pub fn read(&mut self, prompt: &str) -> rustyline::Result<Option<String>> {
        match self.editor.readline(prompt) {
            Ok(text) => {
                self.remember();
                Ok(Some(text))
            }
            Err(ReadlineError::Interrupted) => Ok(Some(String::new())),
            Err(ReadlineError::Eof) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// After each input, so that a session that is killed loses nothing. A history that cannot
    /// be written is no reason to stop.
    fn remember(&mut self) {
        let Some(file) = &self.history else { return };
        if let Some(folder) = file.parent() {
            let _ = std::fs::create_dir_all(folder);
        }
        let _ = self.editor.append_history(file);
    }
}

/// `$XDG_STATE_HOME/rhobust/history`, by default beneath `~/.local/state`.
fn history_file() -> Option<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let state =
        absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join("rhobust/history"))
}

struct Assistant {
    session: Rc<RefCell<Session>>,
    history: HistoryHinter,
    colours: bool,
}

impl Helper for Assistant {}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _: &Context,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        Ok(complete(&self.session.borrow(), line, pos))
    }
}

impl Hinter for Assistant {
    type Hint = String;

    /// What the history goes on with, else the signature of the call that was just opened.
    fn hint(&self, line: &str, pos: usize, ctx: &Context) -> Option<String> {
        self.history.hint(line, pos, ctx).or_else(|| {
            let (before, at_end) = (&line[..pos], pos == line.len());
            let pieces = scan(before);
            let (open, called) = pieces.split_last()?;
            if !at_end || open.text(before) != "(" || open.range.end != pos {
                return None;
            }
            let session = self.session.borrow();
            let name = session.called(before, called)?;
            let entry = docs().get(&name)?;
            let dot = called
                .len()
                .checked_sub(2)
                .map(|at| called[at].text(before));
            let receiver = usize::from(dot == Some("."));
            let params = entry.signatures.first()?.params.get(receiver..)?;
            let words: Vec<_> = params
                .iter()
                .map(|(name, of)| format!("{name}: {of}"))
                .collect();
            Some(format!("{})", words.join(", ")))
        })
    }
}

impl Validator for Assistant {
    fn validate(&self, ctx: &mut ValidationContext) -> rustyline::Result<ValidationResult> {
        let input = ctx.input();
        let meant_for_us = input.trim_start().starts_with([':', '?']);
        // An empty line ends what the user does not know how to finish.
        let given_up = input.ends_with("\n\n");
        Ok(
            match !meant_for_us && !given_up && scan::is_unfinished(input) {
                true => ValidationResult::Incomplete,
                false => ValidationResult::Valid(None),
            },
        )
    }
}

impl Highlighter for Assistant {
    fn highlight<'l>(&self, line: &'l str, pos: usize) -> Cow<'l, str> {
        match self.colours {
            true => Cow::Owned(coloured(line, pos, |name| {
                self.session.borrow().functions().forms(name).is_empty()
            })),
            false => Cow::Borrowed(line),
        }
    }

    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(
        &'s self,
        prompt: &'p str,
        _default: bool,
    ) -> Cow<'b, str> {
        match self.colours {
            true => Cow::Owned(format!("\x1b[1;34m{prompt}\x1b[0m")),
            false => Cow::Borrowed(prompt),
        }
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        match self.colours {
            true => Cow::Owned(format!("\x1b[2m{hint}\x1b[0m")),
            false => Cow::Borrowed(hint),
        }
    }

    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        self.colours
    }
}

/// The line with colours for its pieces, the bracket at the cursor with its partner among them.
fn coloured(line: &str, cursor: usize, is_unknown: impl Fn(&str) -> bool) -> String {
    const RESET: &str = "\x1b[0m";
    let pieces = scan(line);
    let bracket = pieces.iter().position(|piece| {
        let touched = piece.range.end == cursor || piece.range.start == cursor;
        touched && matches!(piece.kind, Kind::Open | Kind::Close)
    });
    let pair = bracket.and_then(|at| Some([at, partner(&pieces, at)?]));
    let mut text = String::with_capacity(2 * line.len());
    let mut end = 0;
    for (at, piece) in pieces.iter().enumerate() {
        let word = piece.text(line);
        let called = pieces
            .get(at + 1)
            .is_some_and(|next| next.text(line) == "(");
        let colour = match piece.kind {
            Kind::Comment => "\x1b[90m",
            Kind::String => "\x1b[32m",
            Kind::Number => "\x1b[36m",
            Kind::Keyword => "\x1b[35m",
            Kind::Name if called && !is_unknown(word) => "\x1b[33m",
            Kind::Open | Kind::Close if pair.is_some_and(|pair| pair.contains(&at)) => "\x1b[1;4m",
            _ => "",
        };
        text += &line[end..piece.range.start];
        match colour {
            "" => text += word,
            colour => text.extend([colour, word, RESET]),
        }
        end = piece.range.end;
    }
    text + &line[end..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_leave_the_text_as_it_is() {
        let line = "let x = pgd(#{ eps: 0.03 }); // \"a\"";
        let text = coloured(line, 12, |name| name != "pgd");
        assert!(text.contains("\x1b[35mlet\x1b[0m x"));
        assert!(
            text.contains("\x1b[33mpgd\x1b[0m\x1b[1;4m(\x1b[0m"),
            "{text:?}"
        );
        let plain: String = text
            .split('\x1b')
            .enumerate()
            .map(|(at, part)| match at {
                0 => part,
                _ => part.split_once('m').map_or("", |(_, rest)| rest),
            })
            .collect();
        assert_eq!(plain, line);
    }
}
