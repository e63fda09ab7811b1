//! A run that is there: what it was made of and what it gave.

use super::archive::{Recipe, SCRIPT, is_recipe};
use super::circumstances::Circumstances;
use super::results::Results;
use crate::Result;
use crate::files::{Folder, Kind, LARGEST_TEXT};
use crate::run::{Inputs, Recorded};
use std::collections::BTreeMap;
use std::path::Path;

pub struct Made {
    pub of: Circumstances,
    pub results: Results,
    /// Texts by name: the script and what it imports; of a run the library, too.
    pub sources: BTreeMap<String, String>,
}

impl Made {
    /// Of a run's folder or a recipe.
    ///
    /// # Errors
    /// `Invalid` with the path where it is neither, or damaged.
    pub fn read(path: &Path) -> Result<Made> {
        match is_recipe(path) {
            true => Ok(Made::of_recipe(&Recipe::read(path)?)),
            false => Made::of_run(path, &Recorded::read(path)?),
        }
    }

    /// # Errors
    /// `Invalid` with the file that is damaged.
    pub fn of_run(folder: &Path, recorded: &Recorded) -> Result<Made> {
        let run = Folder::open(folder)?;
        Ok(Made {
            results: Results::read(&run, recorded)?,
            of: Circumstances::of_run(recorded, Inputs::read(&run)?),
            sources: texts(&run)?,
        })
    }

    pub fn of_recipe(recipe: &Recipe) -> Made {
        let scripts = recipe.files.iter().filter_map(|(path, content)| {
            let inside = path.strip_prefix(SCRIPT).ok()?;
            let text = String::from_utf8(content.clone()).ok()?;
            Some((inside.display().to_string(), text))
        });
        Made {
            of: Circumstances::of_recipe(recipe),
            results: recipe.expected.clone(),
            sources: scripts.collect(),
        }
    }
}

/// The copies of scripts in a run's folder, by their paths beneath that of all.
fn texts(run: &Folder) -> Result<BTreeMap<String, String>> {
    let mut texts = BTreeMap::new();
    let mut folders = Vec::new();
    if run.has_folder(SCRIPT)? {
        folders.push(Path::new(SCRIPT).to_owned());
    }
    while let Some(inner) = folders.pop() {
        for (path, kind) in run.entries(&inner)? {
            match kind {
                Kind::Folder => folders.push(path),
                Kind::File => {
                    let name = path.strip_prefix(SCRIPT).unwrap_or(&path);
                    let text = run.file(&path)?.text(LARGEST_TEXT)?;
                    texts.insert(name.display().to_string(), text);
                }
            }
        }
    }
    Ok(texts)
}
