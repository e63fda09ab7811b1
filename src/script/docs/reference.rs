//! The reference as files: Markdown pages, and definitions for the Rhai language server.

use super::render::first_sentence;
use super::{Docs, Entry, Kind, LANGUAGE, Signature, Topic};
use crate::{Error, Result, files};
use rhai::Engine;
use std::fmt::Write;
use std::fs;
use std::path::Path;

impl Docs {
    /// Writes an index and one Markdown page for each topic into `folder`; returns how many
    /// files.
    ///
    /// # Errors
    /// `Invalid` with the path that could not be written.
    pub fn write_markdown(&self, folder: &Path) -> Result<usize> {
        let pages = self.topics().iter();
        let pages = pages.map(|topic| (page_name(&topic.name), self.markdown_page(topic)));
        write_all(folder, pages.chain([("index.md".to_owned(), self.index())]))
    }

    /// Writes `.d.rhai` files into `folder`, which should be that of the scripts: the language
    /// server looks for the library's modules beside them. Returns how many files.
    ///
    /// # Errors
    /// `Invalid` with the path that could not be written.
    pub fn write_definitions(&self, folder: &Path) -> Result<usize> {
        let engine = Engine::new();
        let language = engine.definitions();
        let own = self.topics().iter().filter_map(|topic| {
            let text = self.definitions(topic)?;
            Some((format!("{}.d.rhai", topic.name), text))
        });
        write_all(folder, own.chain(language.iter_files()))
    }

    fn index(&self) -> String {
        let mut text = "# Reference\n\nWritten by `rhobust doc --markdown`.\n".to_owned();
        for topic in self.topics() {
            let page = page_name(&topic.name);
            let _ = write!(
                text,
                "\n## [{}]({page})\n\n{}\n\n",
                topic.name, topic.summary
            );
            for (name, entries) in self.names_of(topic) {
                let summary = first_sentence(&entries[0].summary);
                let _ = writeln!(text, "- [`{name}`]({page}{}): {summary}", anchor(name));
            }
        }
        text
    }

    fn markdown_page(&self, topic: &Topic) -> String {
        let mut text = format!("# {}\n\n{}\n", topic.name, topic.summary);
        if !topic.description.is_empty() {
            let _ = write!(text, "\n{}\n", topic.description);
        }
        for (name, entries) in self.names_of(topic) {
            let _ = write!(text, "\n## {name}\n");
            for entry in entries {
                let forms = entry.signatures.iter().map(|it| it.shown(entry) + "\n");
                let import = entry.import().map(|line| line + "\n").unwrap_or_default();
                let forms: String = forms.collect();
                let _ = write!(text, "\n```\n{import}{forms}```\n\n{}", body(entry));
            }
        }
        text
    }

    /// What the language server learns of a topic; none for Rhai's own functions, of which its
    /// own definitions tell.
    fn definitions(&self, topic: &Topic) -> Option<String> {
        if topic.name == LANGUAGE {
            return None;
        }
        let entries = || self.entries_of(&topic.name);
        let library = entries().any(|entry| entry.kind == Kind::LibraryFunction);
        let header = if library { "module;" } else { "module static;" };
        let mut text = format!("/// {}\n{header}\n", topic.summary);
        for entry in entries().filter(|entry| entry.name != "[]") {
            let comment: String = body(entry)
                .lines()
                .map(|line| format!("/// {line}").trim_end().to_owned() + "\n")
                .collect();
            for signature in &entry.signatures {
                let _ = write!(text, "\n{comment}{};\n", definition(entry, signature));
            }
        }
        Some(text)
    }
}

/// `fn clamp(x: Tensor, ...) -> Tensor`, as the language server writes forms.
fn definition(entry: &Entry, signature: &Signature) -> String {
    let word = |word: &str| match word {
        "any" => "?".to_owned(),
        "string" => "String".to_owned(),
        "array" => "Array".to_owned(),
        "map" => "Map".to_owned(),
        "closure" => "FnPtr".to_owned(),
        other => other.to_owned(),
    };
    let name = entry.name.rsplit("::").next().unwrap_or(&entry.name);
    let params = signature
        .params
        .iter()
        .map(|(name, of_type)| match entry.kind {
            Kind::Operator => word(of_type),
            _ => format!("{name}: {}", word(of_type)),
        });
    let params = params.collect::<Vec<_>>().join(", ");
    let head = match (entry.kind, signature.params.len()) {
        (Kind::Operator, _) => "op ",
        (Kind::Property, 1) => "fn get ",
        (Kind::Property, _) => "fn set ",
        _ => "fn ",
    };
    format!("{head}{name}({params}) -> {}", word(&signature.returns))
}

/// What is said of an entry, its forms aside, as Markdown.
fn body(entry: &Entry) -> String {
    let mut text = format!("{}\n", entry.summary);
    if !entry.description.is_empty() {
        let _ = write!(text, "\n{}\n", entry.description);
    }
    if !entry.arguments.is_empty() {
        text += "\n| argument | default | |\n| --- | --- | --- |\n";
        for argument in &entry.arguments {
            let default = argument.default.as_deref().unwrap_or("");
            text += &row(&argument.name, default, &argument.text);
        }
    }
    if let Some(options) = entry.options.as_deref().filter(|all| !all.is_empty()) {
        text += "\n| option | default | |\n| --- | --- | --- |\n";
        for option in options {
            let default = option.default.as_deref().unwrap_or("*required*");
            text += &row(&option.name, default, &option.text);
        }
    }
    for (title, said) in [("Errors", &entry.errors), ("Source", &entry.source)] {
        if let Some(said) = said {
            let _ = write!(text, "\n{title}: {said}\n");
        }
    }
    for example in &entry.examples {
        let _ = write!(text, "\n```rhai\n{example}```\n");
    }
    text
}

fn row(name: &str, default: &str, text: &str) -> String {
    let cell = |text: &str| text.replace('|', "\\|");
    format!("| `{name}` | {} | {} |\n", cell(default), cell(text))
}

fn page_name(topic: &str) -> String {
    format!("{}.md", topic.replace('/', "-"))
}

/// The anchor that Markdown renderers give to the heading of a name; none for an operator.
fn anchor(name: &str) -> String {
    let kept = name.to_lowercase();
    let kept: String = kept
        .chars()
        .filter(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    match kept.is_empty() {
        true => kept,
        false => format!("#{kept}"),
    }
}

/// Each file whole or not at all, all of them made before the first is written.
fn write_all(folder: &Path, files: impl Iterator<Item = (String, String)>) -> Result<usize> {
    let files: Vec<_> = files.collect();
    for (name, text) in &files {
        let path = folder.join(name);
        let beneath = path.parent().unwrap_or(folder);
        fs::create_dir_all(beneath).map_err(|error| Error::io(beneath, &error))?;
        files::write_whole(&path, text.as_bytes())?;
    }
    Ok(files.len())
}
