//! `rhobust doc`: what scripts can call.

use super::output::failed;
use crate::script::docs::{Style, docs};
use crate::script::names::did_you_mean;
use clap::Args;
use std::io::Write;
use std::path::PathBuf;

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    rhobust doc pgd\n  \
    rhobust doc tensor.clamp\n  \
    rhobust doc std/train\n  \
    rhobust doc --search gaussian noise")]
#[group(multiple = false)]
pub(super) struct Doc {
    /// A function, property, operator or topic: pgd, train::fit, tensor.shape, attack
    name: Option<String>,

    /// List everything that all these words occur in, names first
    #[arg(long, value_name = "WORD", num_args = 1..)]
    search: Vec<String>,

    /// Write the reference into a folder: an index and one Markdown page for each topic
    #[arg(long, value_name = "DIR")]
    markdown: Option<PathBuf>,

    /// Write definitions for the Rhai language server into a folder, best that of the scripts
    #[arg(long, value_name = "DIR")]
    definitions: Option<PathBuf>,
}

impl Doc {
    pub fn run(self) -> i32 {
        match self.answer() {
            Ok(text) => {
                // A closed pipe (`rhobust doc | head`) is no mistake.
                let _ = std::io::stdout().write_all(text.as_bytes());
                0
            }
            Err(text) => failed(&text),
        }
    }

    fn answer(self) -> Result<String, String> {
        let (docs, style) = (docs(), Style::of_stdout());
        let written = |what: &str, files: crate::Result<usize>, folder: PathBuf| match files {
            Ok(files) => Ok(format!("{what}: {files} files in {}\n", folder.display())),
            Err(error) => Err(format!("error: {error}\n")),
        };
        match self {
            Doc {
                markdown: Some(folder),
                ..
            } => written("reference", docs.write_markdown(&folder), folder),
            Doc {
                definitions: Some(folder),
                ..
            } => written("definitions", docs.write_definitions(&folder), folder),
            Doc { search: words, .. } if !words.is_empty() => {
                let words = words.join(" ");
                match docs.found(&words, &style) {
                    nothing if nothing.is_empty() => {
                        Err(format!("error: nothing is about `{words}`\n"))
                    }
                    found => Ok(found),
                }
            }
            Doc {
                name: Some(name), ..
            } => docs.page(&name, &style).ok_or_else(|| {
                let near = did_you_mean(&name, docs.nearest(&name));
                let found = docs.found(&name, &style);
                format!("error: there is no documentation of `{name}`{near}\n{found}")
            }),
            _ => Ok(format!(
                "{}\nrhobust doc NAME shows a topic or a name, rhobust doc --search WORD looks for a \
                 word.\n",
                docs.overview(&style)
            )),
        }
    }
}
