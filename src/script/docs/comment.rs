//! What a doc comment says, read by its layout.
//!
//! - The first paragraph is the summary.
//! - A list entry that begins with names in backticks documents arguments or options, by its
//!   name: `` - `norm` (default `"linf"`): or `"l2"` ``. Several names may share an entry; one
//!   without parentheses has the default of the next that has them. An entry that says only
//!   `` as for `pgd` `` takes what is said there.
//! - A paragraph after `Errors:` or `Source:` is that.
//! - Blocks of ```` ```rhai ```` are examples.
//! - `` options as for `resnet50` `` in the text adds the options of that function.
//!
//! Everything else is the description, as it stands.

/// A doc comment in its parts.
#[derive(Debug, Default)]
pub(super) struct Comment {
    pub summary: String,
    /// Markdown.
    pub description: String,
    pub items: Vec<Item>,
    pub errors: Option<String>,
    pub source: Option<String>,
    pub examples: Vec<String>,
}

/// What is said of one name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    pub name: String,
    pub default: Option<String>,
    pub text: String,
}

/// The lines of a `///` or `//!` comment without these marks.
pub(super) fn unmarked(comment: &str) -> String {
    let lines = comment.lines().map(|line| {
        let line = line.trim_start();
        let line = line
            .strip_prefix("///")
            .or_else(|| line.strip_prefix("//!"));
        let line = line.unwrap_or_default();
        line.strip_prefix(' ').unwrap_or(line)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The texts of the ```` ```rhai ```` blocks of a Markdown text.
pub fn examples(markdown: &str) -> Vec<String> {
    let blocks = blocks(markdown).into_iter();
    blocks
        .filter_map(|block| match block {
            Block::Code { language, text } if language == "rhai" => Some(text),
            _ => None,
        })
        .collect()
}

impl Comment {
    /// Reads the text of a comment, without its marks.
    pub fn read(text: &str) -> Self {
        let mut comment = Comment::default();
        let mut rest = Vec::new();
        for block in blocks(text) {
            match block {
                Block::Code { language, text } if language == "rhai" => comment.examples.push(text),
                Block::Code { language, text } => rest.push(format!("```{language}\n{text}```")),
                // Rhai's own comments have headings over their examples.
                Block::Paragraph(text) if text.starts_with('#') => {}
                Block::Paragraph(text) => {
                    let joined = join(&text);
                    if let Some(errors) = joined.strip_prefix("Errors: ") {
                        comment.errors = Some(errors.to_owned());
                    } else if let Some(source) = joined.strip_prefix("Source: ") {
                        comment.source = Some(source.to_owned());
                    } else if comment.summary.is_empty() {
                        comment.summary = joined;
                    } else {
                        rest.push(text);
                    }
                }
                Block::Entry { depth, text } => match items(&join(&text)) {
                    Some(items) => comment.items.extend(items),
                    None => rest.push(format!(
                        "{}- {}",
                        " ".repeat(depth),
                        text.replace('\n', &format!("\n{}  ", " ".repeat(depth)))
                    )),
                },
            }
        }
        comment.description = paragraphs(rest);
        comment
    }

    /// The function whose options this one has too.
    pub fn options_as_for(&self) -> Option<&str> {
        [&self.summary, &self.description]
            .into_iter()
            .find_map(|text| {
                let (_, name) = text.split_once("ptions as for `")?;
                name.split_once('`').map(|(name, _)| name)
            })
    }
}

/// A part of a Markdown text, its indentation removed.
pub(super) enum Block {
    Paragraph(String),
    /// An entry of a list, of any depth.
    Entry {
        depth: usize,
        text: String,
    },
    Code {
        language: String,
        text: String,
    },
}

pub(super) fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open = false;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let trimmed = line.trim();
        let depth = line.len() - line.trim_start().len();
        if let Some(language) = trimmed.strip_prefix("```") {
            let code = lines.by_ref().take_while(|line| line.trim() != "```");
            let text = code.map(|line| format!("{line}\n")).collect();
            let language = language.to_owned();
            blocks.push(Block::Code { language, text });
            open = false;
        } else if trimmed.is_empty() {
            open = false;
        } else if let Some(entry) = trimmed.strip_prefix("- ") {
            let text = entry.to_owned();
            blocks.push(Block::Entry { depth, text });
            open = true;
        } else if let (true, Some(Block::Paragraph(text) | Block::Entry { text, .. })) =
            (open, blocks.last_mut())
        {
            text.push('\n');
            text.push_str(trimmed);
        } else {
            blocks.push(Block::Paragraph(trimmed.to_owned()));
            open = true;
        }
    }
    blocks
}

fn join(text: &str) -> String {
    text.lines().collect::<Vec<_>>().join(" ")
}

/// Joined by empty lines, entries of a list by line ends.
fn paragraphs(parts: Vec<String>) -> String {
    let is_entry = |part: &str| part.trim_start().starts_with("- ");
    let mut text = String::new();
    let mut after_entry = false;
    for part in parts {
        let entry = is_entry(&part);
        if !text.is_empty() {
            text += if entry && after_entry { "\n" } else { "\n\n" };
        }
        text += &part;
        after_entry = entry;
    }
    text
}

/// `` `a`, `b` (default 1): text ``; `None` for any other entry.
fn items(entry: &str) -> Option<Vec<Item>> {
    let mut heads: Vec<(String, Option<String>)> = Vec::new();
    let mut rest = entry;
    let text = loop {
        let (name, behind) = rest.strip_prefix('`')?.split_once('`')?;
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(is_name) {
            return None;
        }
        let (note, behind) = match behind.trim_start().strip_prefix('(') {
            Some(open) => {
                let (note, behind) = until_closing(open)?;
                (Some(note), behind.trim_start())
            }
            None => (None, behind.trim_start()),
        };
        heads.push((name.to_owned(), note.map(str::to_owned)));
        rest = match (behind.strip_prefix(','), behind.strip_prefix("and ")) {
            (Some(next), _) | (_, Some(next)) => next.trim_start(),
            _ if behind.is_empty() => break "",
            _ => break behind.strip_prefix(':')?.trim(),
        };
    };
    let mut items = Vec::new();
    let mut shared = None;
    for (name, note) in heads.into_iter().rev() {
        shared = note.or(shared);
        let (default, aside) = match &shared {
            Some(note) => match note.strip_prefix("default ") {
                Some(default) => (Some(default.to_owned()), ""),
                None => (None, note.as_str()),
            },
            None => (None, ""),
        };
        let text = match (aside, text) {
            ("", text) => text.to_owned(),
            (aside, "") => aside.to_owned(),
            (aside, text) => format!("({aside}) {text}"),
        };
        items.push(Item {
            name,
            default,
            text,
        });
    }
    items.reverse();
    Some(items)
}

/// What stands before the parenthesis that closes an open one, and what behind; parentheses
/// within backticks do not count.
fn until_closing(text: &str) -> Option<(&str, &str)> {
    let mut depth = 1;
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '`' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&text[..at], &text[at + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str, default: Option<&str>, text: &str) -> Item {
        Item {
            name: name.into(),
            default: default.map(str::to_owned),
            text: text.into(),
        }
    }

    #[test]
    fn a_comment_falls_into_its_parts() {
        let comment = Comment::read(&unmarked(
            "/// Attacks; returns\n/// images.\n///\n/// - `eps`: the radius\n///   of the ball\n\
             /// - `norm` (default `\"linf\"`): or `\"l2\"`\n///\n/// Starts at `x`.\n///\n\
             /// Errors: `eps` below 0.\n///\n/// Source: Madry et al.\n///\n\
             /// ```rhai\n/// let x = 1;\n///     x\n/// ```",
        ));
        assert_eq!(comment.summary, "Attacks; returns images.");
        assert_eq!(comment.description, "Starts at `x`.");
        assert_eq!(
            comment.items,
            [
                item("eps", None, "the radius of the ball"),
                item("norm", Some("`\"linf\"`"), "or `\"l2\"`"),
            ]
        );
        assert_eq!(comment.errors.as_deref(), Some("`eps` below 0."));
        assert_eq!(comment.source.as_deref(), Some("Madry et al."));
        assert_eq!(comment.examples, ["let x = 1;\n    x\n"]);
    }

    #[test]
    fn several_names_share_an_entry() {
        assert_eq!(
            items("`train`, `test` (default 0, all): so many").unwrap(),
            [
                item("train", Some("0, all"), "so many"),
                item("test", Some("0, all"), "so many"),
            ]
        );
        assert_eq!(
            items("`a` (default 1), `b` (int64 `[n]`), `c` and `d`: as for `f`").unwrap(),
            [
                item("a", Some("1"), "as for `f`"),
                item("b", None, "(int64 `[n]`) as for `f`"),
                item("c", None, "as for `f`"),
                item("d", None, "as for `f`"),
            ]
        );
        assert_eq!(
            items("`d` (default 0)").unwrap(),
            [item("d", Some("0"), "")]
        );
    }

    #[test]
    fn other_lists_stay_in_the_description() {
        let text = "Reads.\n\nOne index is\n- an integer\n- `\"...\"`: all\n  of them\n\nMore.";
        let comment = Comment::read(text);
        assert!(comment.items.is_empty());
        assert_eq!(
            comment.description,
            "One index is\n\n- an integer\n- `\"...\"`: all\n  of them\n\nMore."
        );
    }
}
