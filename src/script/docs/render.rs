//! Documentation as text for a terminal.

use super::comment::{Block, blocks};
use super::{Docs, Entry, Kind, Signature, Topic};
use std::io::IsTerminal;
use unicode_width::UnicodeWidthStr;

/// How text is laid out.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Columns of a line.
    pub width: usize,
    pub colours: bool,
}

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const CYAN: &str = "\x1b[36m";
const RESET: &str = "\x1b[0m";

impl Style {
    pub const PLAIN: Style = Style {
        width: 80,
        colours: false,
    };

    /// For standard output: as wide as the terminal, within reason, and in colours unless
    /// `NO_COLOR` says otherwise; plain where it is no terminal.
    pub fn of_stdout() -> Self {
        if !std::io::stdout().is_terminal() {
            return Style::PLAIN;
        }
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Style {
            width: terminal_width().unwrap_or(80).clamp(40, 100),
            colours: !refused && std::env::var("TERM").is_ok_and(|term| term != "dumb"),
        }
    }

    fn paint(self, code: &str, text: &str) -> String {
        match self.colours {
            true => format!("{code}{text}{RESET}"),
            false => text.to_owned(),
        }
    }

    /// The columns that a Markdown text takes; colours stand in the place of backticks.
    fn columns(self, text: &str) -> usize {
        match self.colours {
            true => text.replace('`', "").width(),
            false => text.width(),
        }
    }
}

fn terminal_width() -> Option<usize> {
    // SAFETY: an all-zero `winsize` is valid, and `ioctl` fills it in.
    let size = unsafe {
        let mut size: libc::winsize = std::mem::zeroed();
        let known = libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &mut size) == 0;
        known.then_some(size)
    };
    size.map(|size| usize::from(size.ws_col))
        .filter(|columns| *columns > 0)
}

impl Signature {
    /// One form of `entry` as scripts write it, with types where they are declared.
    pub fn shown(&self, entry: &Entry) -> String {
        let name = &entry.name;
        let of_type = |at: usize| self.params.get(at).map_or("any", |(_, word)| word.as_str());
        let returns = match self.returns.as_str() {
            "()" | "any" => String::new(),
            word => format!(" -> {word}"),
        };
        match (entry.kind, name.as_str(), self.params.len()) {
            (Kind::Property, _, 1) => match self.returns.as_str() {
                "any" => format!("{}.{name}", of_type(0)),
                word => format!("{}.{name}: {word}", of_type(0)),
            },
            (Kind::Property, _, _) => format!("{}.{name} = {}", of_type(0), of_type(1)),
            (Kind::Operator, "[]", 3) => {
                format!("{}[{}] = {}", of_type(0), of_type(1), of_type(2))
            }
            (Kind::Operator, "[]", _) => format!("{}[{}]{returns}", of_type(0), of_type(1)),
            (Kind::Operator, _, 1) => format!("{name}{}{returns}", of_type(0)),
            (Kind::Operator, _, _) => format!("{} {name} {}{returns}", of_type(0), of_type(1)),
            _ => {
                let params = self.params.iter().map(|(name, word)| match word.as_str() {
                    "any" => name.clone(),
                    word => format!("{name}: {word}"),
                });
                let params = params.collect::<Vec<_>>().join(", ");
                format!("{name}({params}){returns}")
            }
        }
    }
}

/// One entry: its forms, what it does, arguments, options, errors, source, examples.
pub fn render(entry: &Entry, style: &Style) -> String {
    let style = *style;
    let mut text = String::new();
    for signature in &entry.signatures {
        text += &style.paint(BOLD, &signature.shown(entry));
        text.push('\n');
    }
    if let Some(import) = entry.import() {
        text += &style.paint(DIM, &import);
        text.push('\n');
    }
    text.push('\n');
    text += &paragraph(&entry.summary, "", "", style);
    text += &markdown(&entry.description, style);
    let arguments = entry.arguments.iter().map(|it| Row {
        name: it.name.clone(),
        note: it.default.clone().unwrap_or_default(),
        text: it.text.clone(),
    });
    text += &section("Arguments", &table(arguments.collect(), style), style);
    let options = entry.options.iter().flatten().map(|it| Row {
        name: it.name.clone(),
        note: it.default.clone().unwrap_or_else(|| "required".to_owned()),
        text: it.text.clone(),
    });
    text += &section("Options", &table(options.collect(), style), style);
    for (title, said) in [("Errors", &entry.errors), ("Source", &entry.source)] {
        let said = said
            .as_deref()
            .map(|said| paragraph(said, "  ", "  ", style));
        text += &section(title, &said.unwrap_or_default(), style);
    }
    let examples = entry.examples.iter().map(|example| indented(example));
    let examples = examples.collect::<Vec<_>>().join("\n");
    let title = match entry.examples.len() {
        1 => "Example",
        _ => "Examples",
    };
    text += &section(title, &examples, style);
    text
}

impl Docs {
    /// What `name` stands for: all its entries, or a topic with what belongs to it.
    pub fn page(&self, name: &str, style: &Style) -> Option<String> {
        let entries = self.find(name).into_iter();
        let topic = self.topic(name);
        let parts: Vec<_> = entries
            .map(|entry| render(entry, style))
            .chain(topic.map(|topic| self.contents(topic, style)))
            .collect();
        let rule = format!("\n{}\n\n", style.paint(DIM, &"-".repeat(style.width)));
        (!parts.is_empty()).then(|| parts.join(&rule))
    }

    /// The topics, a line each.
    pub fn overview(&self, style: &Style) -> String {
        let topics = self.topics().iter().map(|topic| Row {
            name: topic.name.clone(),
            note: String::new(),
            text: topic.summary.clone(),
        });
        table(topics.collect(), *style)
    }

    /// A topic and the names in it.
    fn contents(&self, topic: &Topic, style: &Style) -> String {
        let style = *style;
        let mut text = style.paint(BOLD, &topic.name);
        text.push('\n');
        text.push('\n');
        text += &paragraph(&topic.summary, "", "", style);
        text += &markdown(&topic.description, style);
        text.push('\n');
        let rows = self.names_of(topic).into_iter().map(|(name, entries)| Row {
            name: name.to_owned(),
            note: String::new(),
            text: first_sentence(&entries[0].summary).to_owned(),
        });
        text += &table(rows.collect(), style);
        text
    }

    /// A line for each entry that `search` finds; empty where it finds none.
    pub fn found(&self, word: &str, style: &Style) -> String {
        let rows = self.search(word).into_iter().map(|entry| Row {
            name: entry.name.clone(),
            note: entry.topic.clone(),
            text: first_sentence(&entry.summary).to_owned(),
        });
        table(rows.collect(), *style)
    }
}

/// Up to the first full stop before a capital letter.
pub(super) fn first_sentence(text: &str) -> &str {
    let begins = |at: usize| text[at + 2..].starts_with(char::is_uppercase);
    let mut stops = text.match_indices(". ").map(|(at, _)| at);
    let end = stops.find(|at| begins(*at)).map_or(text.len(), |at| at + 1);
    &text[..end]
}

fn section(title: &str, body: &str, style: Style) -> String {
    match body {
        "" => String::new(),
        body => format!("\n{}\n{body}", style.paint(BOLD, title)),
    }
}

fn indented(code: &str) -> String {
    let lines = code
        .lines()
        .map(|line| format!("  {line}").trim_end().to_owned() + "\n");
    lines.collect()
}

/// Paragraphs, lists and blocks of code, each after an empty line.
fn markdown(text: &str, style: Style) -> String {
    let mut shown = String::new();
    let mut in_list = false;
    for block in blocks(text) {
        let entry = matches!(block, Block::Entry { .. });
        if !(entry && in_list) {
            shown.push('\n');
        }
        in_list = entry;
        shown += &match block {
            Block::Paragraph(text) => paragraph(&text, "", "", style),
            Block::Entry { depth, text } => {
                let indent = " ".repeat(depth);
                paragraph(&text, &format!("{indent}- "), &format!("{indent}  "), style)
            }
            Block::Code { text, .. } => indented(&text),
        };
    }
    shown
}

fn paragraph(text: &str, first: &str, others: &str, style: Style) -> String {
    let width = style.width.saturating_sub(others.width());
    let mut code = false;
    let mut shown = String::new();
    for (at, line) in wrapped(text, width, style).iter().enumerate() {
        shown += if at == 0 { first } else { others };
        shown += &inline(line, &mut code, style);
        shown.push('\n');
    }
    shown
}

/// Markdown in lines of at most `width` columns, as far as its words allow.
fn wrapped(text: &str, width: usize, style: Style) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let word = word.replace("<http", "http");
        // The bracket that closes a link, not a comparison.
        let word = if word.contains("http") {
            word.replacen('>', "", 1)
        } else {
            word
        };
        match lines.last_mut() {
            Some(line) if style.columns(line) + 1 + style.columns(&word) <= width => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

/// A line with its code in colour; `code` is whether the line begins within some.
fn inline(line: &str, code: &mut bool, style: Style) -> String {
    if !style.colours {
        return line.to_owned();
    }
    let mut shown = String::new();
    for (at, part) in line.split('`').enumerate() {
        if at > 0 {
            *code = !*code;
        }
        match (*code, part) {
            (_, "") => {}
            (true, part) => shown += &style.paint(CYAN, part),
            (false, part) => shown += part,
        }
    }
    shown
}

struct Row {
    name: String,
    note: String,
    text: String,
}

/// Aligned columns, the text wrapped in the last.
fn table(rows: Vec<Row>, style: Style) -> String {
    let notes = rows.iter().map(|row| row.note.replace('`', ""));
    let notes: Vec<_> = notes.collect();
    let names = rows.iter().map(|row| row.name.width()).max().unwrap_or(0);
    let widest = notes.iter().map(|note| note.width()).max().unwrap_or(0);
    let note_width = widest.min(style.width / 4);
    let note_space = if note_width > 0 { note_width + 2 } else { 0 };
    let text_width = style.width.saturating_sub(names + note_space + 4).max(24);
    let mut shown = String::new();
    for (row, note) in rows.iter().zip(&notes) {
        let notes = wrapped(note, note_width, style);
        let texts = wrapped(&row.text, text_width, style);
        let mut code = false;
        for at in 0..notes.len().max(texts.len()).max(1) {
            let name = if at == 0 { row.name.as_str() } else { "" };
            let note = notes.get(at).map_or("", String::as_str);
            let text = texts.get(at).map_or("", String::as_str);
            let mut line = String::from("  ");
            if !name.is_empty() {
                line += &style.paint(CYAN, name);
            }
            line += &" ".repeat(names - name.width() + 2);
            line += note;
            line += &" ".repeat(note_space.saturating_sub(note.width()));
            line += &inline(text, &mut code, style);
            shown += line.trim_end();
            shown.push('\n');
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::super::{ArgDoc, OptionDoc};
    use super::*;

    fn entry() -> Entry {
        let pair = |name: &str, word: &str| (name.to_owned(), word.to_owned());
        let option = |name: &str, default: Option<&str>, text: &str| OptionDoc {
            name: name.into(),
            default: default.map(str::to_owned),
            text: text.into(),
            required: default.is_none(),
        };
        Entry {
            name: "train::fit".into(),
            topic: "std/train".into(),
            kind: Kind::LibraryFunction,
            signatures: vec![Signature {
                params: vec![pair("model", "any"), pair("given", "any")],
                returns: "any".into(),
            }],
            summary: "Trains a `model`; returns its losses, one for each epoch of all.".into(),
            description: "It is\n\n- quick\n- small".into(),
            arguments: vec![ArgDoc {
                name: "model".into(),
                default: None,
                text: "in train mode".into(),
            }],
            options: Some(vec![
                option(
                    "optimizer",
                    None,
                    "such as `sgd(model)`, of which the `lr` is full",
                ),
                option("by", Some("`\"step\"`"), "or more"),
            ]),
            errors: Some("no images".into()),
            source: Some("A book, <https://a.b/c>, page 1.".into()),
            examples: vec!["fit(1);\n".into()],
        }
    }

    #[test]
    fn an_entry_is_laid_out_for_the_width() {
        let style = Style {
            width: 50,
            colours: false,
        };
        let expected = "\
train::fit(model, given)
import \"std/train\" as train;

Trains a `model`; returns its losses, one for each
epoch of all.

It is

- quick
- small

Arguments
  model  in train mode

Options
  optimizer  required  such as `sgd(model)`, of
                       which the `lr` is full
  by         \"step\"    or more

Errors
  no images

Source
  A book, https://a.b/c, page 1.

Example
  fit(1);
";
        assert_eq!(render(&entry(), &style), expected);
    }

    #[test]
    fn colours_change_no_column() {
        let style = |colours| Style { width: 46, colours };
        let mut plain = entry();
        for text in [
            &mut plain.summary,
            &mut plain.options.as_mut().unwrap()[0].text,
        ] {
            *text = text.replace('`', "");
        }
        let mut coloured = render(&entry(), &style(true));
        assert!(coloured.contains("\x1b[36mmodel\x1b[0m"));
        for code in [BOLD, DIM, CYAN, RESET] {
            coloured = coloured.replace(code, "");
        }
        assert_eq!(coloured, render(&plain, &style(false)));
    }
}
