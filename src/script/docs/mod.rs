//! What the doc comments say about everything that scripts can call: the one place that help,
//! completion, `check` and the reference read. Nothing is run for it.

mod adopt;
mod collect;
mod comment;
mod reference;
mod render;

pub use comment::examples;
pub use render::{Style, render};

use super::names::nearest;
use std::sync::OnceLock;

/// All documentation, by topic.
pub struct Docs {
    topics: Vec<Topic>,
    /// By topic, then by name.
    entries: Vec<Entry>,
}

/// A domain (`attack`), a module of the library (`std/train`) or the language's own functions.
pub struct Topic {
    pub name: String,
    /// One line.
    pub summary: String,
    /// Markdown.
    pub description: String,
}

/// One doc comment, with all forms that it speaks for.
#[derive(Clone, Debug)]
pub struct Entry {
    /// As scripts write it: `pgd`, `train::fit`, `shape`, `+`.
    pub name: String,
    /// The name of its topic.
    pub topic: String,
    pub kind: Kind,
    pub signatures: Vec<Signature>,
    /// The first paragraph.
    pub summary: String,
    /// The paragraphs that are nothing else, Markdown.
    pub description: String,
    pub arguments: Vec<ArgDoc>,
    /// The keys of the option map; none for a function that takes no such map.
    pub options: Option<Vec<OptionDoc>>,
    pub errors: Option<String>,
    pub source: Option<String>,
    /// Scripts, each complete by itself.
    pub examples: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Function,
    Property,
    Operator,
    /// Written in Rhai, in a module to import.
    LibraryFunction,
}

/// One form of a function, in script words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signature {
    /// Names and types; `any` where a type is not declared.
    pub params: Vec<(String, String)>,
    /// `()` for nothing, `any` where it is not declared.
    pub returns: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ArgDoc {
    pub name: String,
    pub default: Option<String>,
    pub text: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct OptionDoc {
    pub name: String,
    /// As the comment says it, Markdown: `` `"linf"` ``, ``2.5 * eps / steps``.
    pub default: Option<String>,
    pub text: String,
    /// Whether the function refuses a map without it.
    pub required: bool,
}

impl OptionDoc {
    /// The strings that the option can be: those in the text.
    pub fn values(&self) -> Vec<String> {
        let default = self.default.as_deref().unwrap_or("");
        let mut values = [quoted(default), quoted(&self.text)].concat();
        values.sort();
        values.dedup();
        values
    }
}

impl Entry {
    /// The strings that arguments can be, as far as the text names some, and whether a path can
    /// stand there, too.
    pub fn argument_values(&self) -> (Vec<String>, bool) {
        let arguments = || self.arguments.iter();
        let values: Vec<_> = arguments().flat_map(|it| quoted(&it.text)).collect();
        let path = |text: &str| text.contains("folder") || text.contains("file");
        let or_path = values.is_empty() || arguments().any(|it| path(&it.text));
        (values, or_path)
    }
}

/// The strings in code: `` `"linf"` ``.
fn quoted(markdown: &str) -> Vec<String> {
    let code = markdown.split('`').skip(1).step_by(2);
    code.filter_map(|code| code.strip_prefix('"')?.strip_suffix('"'))
        .map(str::to_owned)
        .collect()
}

/// The documentation, read when it is first asked for.
pub fn docs() -> &'static Docs {
    static DOCS: OnceLock<Docs> = OnceLock::new();
    DOCS.get_or_init(Docs::load)
}

impl Docs {
    /// Reads all doc comments. Use `docs()`, which does it once.
    pub fn load() -> Docs {
        let (topics, entries) = collect::everything();
        Docs { topics, entries }
    }

    /// In the order of the reference.
    pub fn topics(&self) -> &[Topic] {
        &self.topics
    }

    pub fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.iter().find(|topic| topic.name == name)
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub fn entries_of<'a>(&'a self, topic: &'a str) -> impl Iterator<Item = &'a Entry> {
        self.entries
            .iter()
            .filter(move |entry| entry.topic == topic)
    }

    /// The names of a topic, each with its entries.
    fn names_of(&self, topic: &Topic) -> Vec<(&str, Vec<&Entry>)> {
        let mut groups: Vec<(&str, Vec<&Entry>)> = Vec::new();
        for entry in self.entries.iter().filter(|it| it.topic == topic.name) {
            match groups.last_mut() {
                Some((name, group)) if *name == entry.name => group.push(entry),
                _ => groups.push((&entry.name, vec![entry])),
            }
        }
        groups
    }

    /// The first entry that `find` gives.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.find(name).into_iter().next()
    }

    /// The entries of a name: `pgd`, `train::fit` or `fit`, the property `shape`, `**`, and,
    /// for one type of receiver, `tensor.clamp`.
    pub fn find(&self, name: &str) -> Vec<&Entry> {
        let named = |wanted: &str| {
            let all = self.entries.iter();
            all.filter(|entry| entry.is_called(wanted))
                .collect::<Vec<_>>()
        };
        match (named(name), name.split_once('.')) {
            (none, Some((receiver, member))) if none.is_empty() => {
                let mut found = named(member);
                found.retain(|entry| entry.receivers().any(|it| it == receiver));
                found
            }
            (found, _) => found,
        }
    }

    /// Entries that hold all words: first those with them in their name, then those with them
    /// in their summary, then the others; where there is none, the entries of the nearest name.
    pub fn search(&self, words: &str) -> Vec<&Entry> {
        let words = words.to_lowercase();
        let distance = |entry: &Entry| -> Option<usize> {
            let each = words.split_whitespace().map(|word| entry.distance(word));
            each.sum()
        };
        let mut found: Vec<(usize, &Entry)> = self
            .entries
            .iter()
            .filter_map(|entry| Some((distance(entry)?, entry)))
            .collect();
        found.sort_by_key(|(distance, _)| *distance);
        match (found.is_empty(), self.nearest(&words)) {
            (true, Some(name)) => self.find(name),
            _ => found.into_iter().map(|(_, entry)| entry).collect(),
        }
    }

    /// The name that `name` was most likely meant to be.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        nearest(name, self.entries.iter().flat_map(Entry::names))
    }

    /// What the option map of a function may hold; none if it takes no such map.
    pub fn options(&self, function: &str) -> Option<&[OptionDoc]> {
        let mut entries = self.find(function).into_iter();
        entries.find_map(|entry| entry.options.as_deref())
    }
}

/// The topic of the functions that come with Rhai.
const LANGUAGE: &str = "rhai";

/// What a parameter that takes an option map is called: the first by native functions, the
/// second by those of the library.
const OPTION_MAPS: [&str; 2] = ["options", "given"];

impl Signature {
    /// Whether the last argument is an option map.
    pub fn takes_options(&self) -> bool {
        let last = self.params.last();
        last.is_some_and(|(name, of_type)| {
            OPTION_MAPS.contains(&name.as_str()) && ["map", "any"].contains(&of_type.as_str())
        })
    }
}

impl Entry {
    /// The name, and for a function of the library the one without its module.
    fn names(&self) -> impl Iterator<Item = &str> {
        let bare = self.name.rsplit_once("::").map(|(_, bare)| bare);
        std::iter::once(self.name.as_str()).chain(bare)
    }

    fn is_called(&self, name: &str) -> bool {
        self.names().any(|own| own == name)
    }

    /// The types of what may stand before the dot.
    pub fn receivers(&self) -> impl Iterator<Item = &str> {
        let first = self.signatures.iter().filter_map(|it| it.params.first());
        first.map(|(_, of_type)| of_type.as_str())
    }

    /// The line that makes a function of the library known.
    fn import(&self) -> Option<String> {
        let (alias, _) = self.name.split_once("::")?;
        Some(format!("import \"{}\" as {alias};", self.topic))
    }

    /// How well a word in lower case is met: 0 by the name itself; `None` if not at all.
    fn distance(&self, word: &str) -> Option<usize> {
        // A word is met by words that begin with it: `eq` is not about `sequential`.
        let holds = |text: &str| {
            let text = text.to_lowercase();
            let mut places = text.match_indices(word).map(|(at, _)| at);
            places.any(|at| !text[..at].ends_with(char::is_alphanumeric))
        };
        let options = self.options.iter().flatten();
        let items = (self.arguments.iter().map(|it| (&it.name, &it.text)))
            .chain(options.map(|it| (&it.name, &it.text)));
        let tests: [&dyn Fn() -> bool; 5] = [
            &|| self.is_called(word),
            &|| {
                self.names()
                    .any(|name| name.to_lowercase().starts_with(word))
            },
            &|| holds(&self.name),
            &|| holds(&self.summary),
            &|| {
                holds(&self.description)
                    || self.source.as_deref().is_some_and(holds)
                    || items.clone().any(|(name, text)| holds(name) || holds(text))
            },
        ];
        tests.iter().position(|test| test())
    }
}
