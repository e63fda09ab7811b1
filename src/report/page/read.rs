//! What a run folder holds.

use super::condition::Condition;
use crate::files::Folder;
use crate::ledger::{self, Ledger};
use crate::report::{GALLERY_FILE, Gallery, GalleryExample};
use crate::run::Recorded;
use crate::{Error, Result};
use std::fs;
use std::path::{Path, PathBuf};

pub struct RunFolder {
    pub folder: PathBuf,
    pub recorded: Recorded,
    pub logged: Vec<Logged>,
    pub conditions: Vec<Condition>,
    pub pictures: Vec<Pictures>,
    /// What could not be read, by the names of the files.
    pub damaged: Vec<String>,
}

/// A row of `metrics.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct Logged {
    pub kind: String,
    pub model: String,
    pub epoch: Option<i64>,
    pub values: Vec<(String, f64)>,
}

/// Pictures of examples, of one model under one condition.
pub struct Pictures {
    /// The names of the folders.
    pub model: String,
    pub condition: String,
    /// By how much the perturbation is enlarged.
    pub magnified: f64,
    pub examples: Vec<Picture>,
    /// How many more there are in the folder.
    pub more: usize,
}

/// One example, each picture a PNG.
pub struct Picture {
    pub about: GalleryExample,
    pub clean: Vec<u8>,
    pub adversarial: Vec<u8>,
    pub perturbation: Vec<u8>,
}

impl Pictures {
    /// Whether they lie where those of this model and condition do.
    pub fn are_of(&self, model: &str, condition: &str) -> bool {
        let file = ledger::path_in(Path::new(""), model, condition).with_extension("");
        file.ends_with(Path::new(&self.model).join(&self.condition))
    }
}

/// The page shows so many examples of each model and condition.
const PICTURES: usize = 8;
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Reads the folder of a run. A ledger, metrics or pictures that are damaged are left out and
/// told.
///
/// # Errors
/// `Invalid` where `folder` is none, and for a damaged `record.json`.
pub fn read_run(folder: &Path) -> Result<RunFolder> {
    let shown = folder.display();
    ensure!(folder.exists(), "{shown}: there is no such run");
    ensure!(
        folder.is_dir(),
        "{shown} must be the folder of a run, is a file"
    );
    let recorded = Recorded::read(folder)?;
    let mut damaged = Vec::new();
    let mut conditions = Vec::new();
    let opened = Folder::open(folder)?;
    for file in ledger::files(&opened)? {
        let ledger = opened.file(file).and_then(|file| Ledger::read(&file));
        conditions.extend(or_told(ledger, &mut damaged).map(Condition::of));
    }
    let logged = or_told(read_logged(&folder.join("metrics.csv")), &mut damaged);
    Ok(RunFolder {
        folder: folder.to_owned(),
        recorded,
        logged: logged.unwrap_or_default(),
        conditions,
        pictures: read_gallery(&folder.join("gallery"), &mut damaged)?,
        damaged,
    })
}

fn or_told<T>(read: Result<T>, damaged: &mut Vec<String>) -> Option<T> {
    read.map_err(|error| damaged.push(error.to_string())).ok()
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).map_err(|error| Error::io(path, &error))?;
    serde_json::from_str(&text).map_err(|error| damaged(path, &error.to_string()))
}

fn damaged(path: &Path, how: &str) -> Error {
    Error::invalid(format!("{} is damaged: {how}", path.display()))
}

/// The rows of a `metrics.csv`, which the record beside it has a hash of. A run that has logged
/// nothing may lack the file.
pub fn read_logged(path: &Path) -> Result<Vec<Logged>> {
    let recorded = path.parent().map(Recorded::read).and_then(Result::ok);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if !path.exists() {
        let lacks = recorded.map_or(Ok(()), |it| it.check_lacks(&name));
        return lacks
            .map(|()| Vec::new())
            .map_err(|error| error.context(path.display()));
    }
    let bytes = fs::read(path).map_err(|error| Error::io(path, &error))?;
    if let Some(recorded) = recorded {
        let intact = recorded.check_result(&name, &bytes);
        intact.map_err(|error| error.context(path.display()))?;
    }
    let wrong = |error: csv::Error| damaged(path, &error.to_string());
    let mut reader = csv::Reader::from_reader(&bytes[..]);
    let columns = reader.headers().map_err(wrong)?.clone();
    let first: Vec<&str> = columns.iter().take(4).collect();
    if first != ["kind", "model", "epoch", "step"] {
        return Err(damaged(
            path,
            "its columns are not those of a run's metrics",
        ));
    }
    let mut rows = Vec::new();
    for (at, row) in reader.records().enumerate() {
        let row = row.map_err(wrong)?;
        let number = |text: &str| -> Result<f64> {
            let no_number = || damaged(path, &format!("line {}: `{text}` is no number", at + 2));
            text.parse().map_err(|_| no_number())
        };
        let mut values = Vec::new();
        for (name, text) in columns.iter().zip(&row).skip(4) {
            if !text.is_empty() {
                values.push((name.to_owned(), number(text)?));
            }
        }
        let epoch = match &row[2] {
            "" => None,
            text => Some(number(text)? as i64),
        };
        rows.push(Logged {
            kind: row[0].to_owned(),
            model: row[1].to_owned(),
            epoch,
            values,
        });
    }
    Ok(rows)
}

fn read_gallery(folder: &Path, damaged: &mut Vec<String>) -> Result<Vec<Pictures>> {
    let mut all = Vec::new();
    if !folder.exists() {
        return Ok(all);
    }
    for model in subfolders(folder)? {
        for condition in subfolders(&model)? {
            let about = condition.join(GALLERY_FILE);
            if about.exists() {
                let read = read_json(&about).and_then(|it| read_pictures(&condition, it));
                all.extend(or_told(read, damaged));
            }
        }
    }
    Ok(all)
}

fn read_pictures(folder: &Path, gallery: Gallery) -> Result<Pictures> {
    let png = |example: &GalleryExample, what: &str| -> Result<Vec<u8>> {
        let path = folder.join(format!("{}-{what}.png", example.example));
        let bytes = fs::read(&path).map_err(|error| Error::io(&path, &error))?;
        match bytes.starts_with(PNG) {
            true => Ok(bytes),
            false => Err(damaged(&path, "it is no PNG")),
        }
    };
    let some = gallery.examples.iter().take(PICTURES);
    let examples = some.map(|example| {
        Ok(Picture {
            clean: png(example, "clean")?,
            adversarial: png(example, "adversarial")?,
            perturbation: png(example, "perturbation")?,
            about: example.clone(),
        })
    });
    let name = |folder: Option<&Path>| {
        let name = folder.and_then(Path::file_name).unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    Ok(Pictures {
        model: name(folder.parent()),
        condition: name(Some(folder)),
        magnified: gallery.magnified,
        examples: examples.collect::<Result<_>>()?,
        more: gallery.examples.len().saturating_sub(PICTURES),
    })
}

/// In the order of their names.
fn subfolders(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error: std::io::Error| Error::io(folder, &error);
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}
