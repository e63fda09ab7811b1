//! What a run read and wrote, with a hash of each file.

use super::csv;
use crate::files::{Access, Content, File, Folder, LARGEST_TEXT, Right, What};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

/// A file or folder that a run read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// As the script or the command line has it.
    pub path: String,
    /// With links and `..` resolved; nothing in a recipe.
    #[serde(skip_serializing_if = "is_empty", default)]
    pub real: PathBuf,
    /// How many files of a folder were read; nothing for a file.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub files: Option<usize>,
    /// Of all that was read.
    pub bytes: u64,
    /// BLAKE3, in hexadecimal digits: of a file its content; of a folder the lines that
    /// `inputs.csv` has for it.
    pub blake3: String,
}

/// A file that a run wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Beneath the run's folder, or else from the root of the file system.
    pub path: PathBuf,
    pub bytes: u64,
    /// BLAKE3 of its content, in hexadecimal digits.
    pub blake3: String,
}

/// A file of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputFile {
    /// The input's path.
    pub input: String,
    /// Beneath the folder; nothing where the input is the file.
    pub file: PathBuf,
    pub bytes: u64,
    pub blake3: String,
}

/// What a run read, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    pub inputs: Vec<Input>,
    pub files: Vec<InputFile>,
}

impl InputFile {
    /// Where it lies, if the input does at `input`.
    pub fn place(&self, input: &Path) -> PathBuf {
        match self.file.as_os_str().is_empty() {
            true => input.to_owned(),
            false => input.join(&self.file),
        }
    }
}

/// How many of these files, of how many, are gone or have another size where their input lies at
/// `input`, and the first of them; nothing where all are as listed.
pub fn other_files<'a>(
    files: impl Iterator<Item = &'a InputFile>,
    input: &Path,
) -> Option<(usize, usize, PathBuf)> {
    let (mut all, mut others) = (0, Vec::new());
    for file in files {
        all += 1;
        let place = file.place(input);
        if place.metadata().map_or(true, |it| it.len() != file.bytes) {
            others.push(place);
        }
    }
    Some((others.len(), all, others.into_iter().next()?))
}

impl Output {
    /// What is in a file now, in the folder of a run or elsewhere; nothing where there is none.
    pub fn of(real: &Path, run: &Path) -> Option<Output> {
        let file = File::open(real).ok()?;
        Some(Output {
            path: real.strip_prefix(run).unwrap_or(real).to_owned(),
            bytes: file.bytes(),
            blake3: file.hash().ok()?.to_hex().to_string(),
        })
    }
}

fn is_empty(path: &Path) -> bool {
    path.as_os_str().is_empty()
}

/// In the folder of a run.
pub(super) const FILE: &str = "inputs.csv";

/// Its columns.
const COLUMNS: [&str; 4] = ["input", "file", "bytes", "blake3"];

impl Inputs {
    /// The files of `contents` under the accesses that opened them, the innermost folder of
    /// several. What lies in one of `own` is not told: the run's folder, the scripts.
    pub fn of(
        accesses: &[Access],
        contents: &BTreeMap<PathBuf, Content>,
        own: &BTreeSet<PathBuf>,
    ) -> Inputs {
        let is_own = |real: &Path| real.ancestors().any(|it| own.contains(it));
        let read = accesses.iter().filter(|it| it.right == Right::Read);
        let mut all = Inputs::default();
        let mut told = BTreeSet::new();
        for access in read.clone().filter(|it| !is_own(&it.real)) {
            let inner = |real: &Path| {
                let holds = |it: &&Access| it.what == What::Folder && real.starts_with(&it.real);
                let holding = read.clone().filter(holds);
                holding.max_by_key(|it| it.real.as_os_str().len())
            };
            let path = access.shown.display().to_string();
            let line = |real: &Path, content: &Content| InputFile {
                input: path.clone(),
                file: real.strip_prefix(&access.real).unwrap_or(real).to_owned(),
                bytes: content.bytes,
                blake3: content.hash.to_hex().to_string(),
            };
            let mut files = Vec::new();
            match access.what {
                What::File { .. } => {
                    let content = contents.get(&access.real);
                    files.extend(content.map(|it| line(&access.real, it)));
                }
                What::Folder => {
                    let from = contents.range(access.real.clone()..);
                    let beneath = from.take_while(|(real, _)| real.starts_with(&access.real));
                    files.extend(
                        beneath
                            .filter(|(real, _)| {
                                inner(real).is_some_and(|it| it.real == access.real)
                            })
                            .map(|(real, content)| line(real, content)),
                    );
                }
            }
            if files.is_empty() || !told.insert(access.real.clone()) {
                continue;
            }
            let input = Input {
                path: path.clone(),
                real: access.real.clone(),
                files: (access.what == What::Folder).then_some(files.len()),
                bytes: files.iter().map(|it| it.bytes).sum(),
                blake3: match access.what {
                    What::File { .. } => files[0].blake3.clone(),
                    What::Folder => hash_of(&files),
                },
            };
            all.inputs.push(input);
            all.files.extend(files);
        }
        all.sorted()
    }

    /// In an order that does not hang on what was read first.
    fn sorted(mut self) -> Self {
        self.inputs.sort_by(|a, b| a.path.cmp(&b.path));
        let key = |it: &InputFile| (it.input.clone(), it.file.clone());
        self.files.sort_by_cached_key(key);
        self
    }

    /// A warning of files that held something else `earlier`.
    pub fn changed_since(&self, earlier: &Inputs) -> Option<String> {
        let key = |it: &'_ InputFile| (it.input.clone(), it.file.clone());
        let then = earlier.files.iter().map(|it| (key(it), &it.blake3));
        let then: BTreeMap<_, _> = then.collect();
        let now = self.files.iter();
        let changed = now.filter(|it| then.get(&key(it)).is_some_and(|hash| **hash != it.blake3));
        let changed: Vec<_> = changed.collect();
        let first = changed.first()?;
        Some(format!(
            "{} of the files that this run reads are not what it had read before it was stopped, \
             first {}: its results may be of both",
            changed.len(),
            first.place(Path::new(&first.input)).display()
        ))
    }

    /// Those of a run that went on, and what it had read before.
    pub fn after(self, earlier: Inputs) -> Inputs {
        let mut all = Inputs::default();
        for input in earlier.inputs {
            if !self.inputs.iter().any(|it| it.path == input.path) {
                let files = earlier.files.iter().filter(|it| it.input == input.path);
                all.files.extend(files.cloned());
                all.inputs.push(input);
            }
        }
        for mut input in self.inputs {
            let of = |it: &&InputFile| it.input == input.path;
            let now = self.files.iter().filter(of);
            let then = earlier.files.iter().filter(of);
            let by_name = |it: &InputFile| (it.file.clone(), it.clone());
            let files: BTreeMap<PathBuf, InputFile> = then.chain(now).map(by_name).collect();
            let files: Vec<InputFile> = files.into_values().collect();
            if input.files.is_some() {
                input.files = Some(files.len());
                input.bytes = files.iter().map(|it| it.bytes).sum();
                input.blake3 = hash_of(&files);
            }
            all.files.extend(files);
            all.inputs.push(input);
        }
        all.sorted()
    }

    /// The files of the run in a folder; none where it read nothing.
    ///
    /// # Errors
    /// `Invalid` with the path for a damaged file.
    pub fn read(run: &Folder) -> Result<Vec<InputFile>> {
        match run.has_file(FILE)? {
            true => {
                let file = run.file(FILE)?;
                let lines = Inputs::decode(&file.read(LARGEST_TEXT)?);
                lines.map_err(|error| error.context(file.shown().display()))
            }
            false => Ok(Vec::new()),
        }
    }

    /// From the text of `inputs.csv`.
    ///
    /// # Errors
    /// `Invalid` for anything else.
    pub fn decode(text: &[u8]) -> Result<Vec<InputFile>> {
        let damaged = |how: &str| Error::invalid(format!("it is damaged: {how}"));
        let mut reader = ::csv::Reader::from_reader(text);
        let header = reader.headers().map_err(|it| damaged(&it.to_string()))?;
        if header.iter().ne(COLUMNS) {
            return Err(damaged("it has other columns"));
        }
        let line = |row: std::result::Result<::csv::StringRecord, ::csv::Error>| {
            let row = row.map_err(|it| damaged(&it.to_string()))?;
            let file = Path::new(&row[1]);
            let inside = file
                .components()
                .all(|it| matches!(it, Component::Normal(_)));
            if !inside {
                return Err(damaged("a file is not beneath its folder"));
            }
            Ok(InputFile {
                input: row[0].to_owned(),
                file: file.to_owned(),
                bytes: row[2].parse().map_err(|_| damaged("a size is no number"))?,
                blake3: row[3].to_owned(),
            })
        };
        reader.records().map(line).collect()
    }

    /// The text of `inputs.csv`.
    ///
    /// # Errors
    /// None that is known.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let row = |it: &InputFile| {
            let file = it.file.display().to_string();
            vec![
                it.input.clone(),
                file,
                it.bytes.to_string(),
                it.blake3.clone(),
            ]
        };
        csv::encode(&COLUMNS, self.files.iter().map(row))
    }
}

/// Of the files of one folder, wherever it lies.
fn hash_of(files: &[InputFile]) -> String {
    let mut hasher = blake3::Hasher::new();
    for InputFile {
        file,
        bytes,
        blake3,
        ..
    } in files
    {
        hasher.update(format!("{} {bytes} {blake3}\n", file.display()).as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(real: &str, what: What) -> Access {
        Access {
            right: Right::Read,
            shown: Path::new(real).file_name().unwrap().into(),
            real: real.into(),
            what,
        }
    }

    fn content(text: &str) -> Content {
        Content {
            bytes: text.len() as u64,
            hash: blake3::hash(text.as_bytes()),
        }
    }

    #[test]
    fn what_held_something_else_before_is_told() {
        let read = |texts: &[(&str, &str)]| {
            let accesses = [access("/data/set", What::Folder)];
            let contents = texts.iter();
            let contents = contents.map(|(path, text)| (path.into(), content(text)));
            Inputs::of(&accesses, &contents.collect(), &BTreeSet::new())
        };
        let then = read(&[("/data/set/a", "a"), ("/data/set/b", "b")]);
        let more = read(&[("/data/set/a", "a"), ("/data/set/c", "c")]);
        assert_eq!(more.changed_since(&then), None);
        let other = read(&[("/data/set/a", "a"), ("/data/set/b", "x")]);
        let told = other.changed_since(&then).unwrap();
        assert!(told.starts_with("1 of the files"), "{told}");
        assert!(told.contains("first set/b"), "{told}");
    }

    #[test]
    fn each_file_is_told_once_under_what_opened_it() {
        let accesses = [
            access("/data/set", What::Folder),
            access("/data/set/inner", What::Folder),
            access("/w/weights", What::File { bytes: 3 }),
            access("/run/own", What::File { bytes: 3 }),
            access("/data/set", What::Folder),
        ];
        let texts = [
            ("/data/set/b", "bb"),
            ("/data/set/a", "a"),
            ("/data/set/inner/c", "cccc"),
            ("/data/settle", "no"),
            ("/w/weights", "www"),
            ("/run/own", "own"),
        ];
        let contents = texts
            .map(|(path, text)| (path.into(), content(text)))
            .into();
        let own = [PathBuf::from("/run")].into();
        let all = Inputs::of(&accesses, &contents, &own);
        let told: Vec<_> = all
            .inputs
            .iter()
            .map(|it| (it.path.as_str(), it.files, it.bytes))
            .collect();
        assert_eq!(
            told,
            [
                ("inner", Some(1), 4),
                ("set", Some(2), 3),
                ("weights", None, 3)
            ]
        );
        let text = String::from_utf8(all.encode().unwrap()).unwrap();
        let hash = blake3::hash(b"a").to_hex();
        assert!(
            text.contains(&format!("\nset,a,1,{hash}\nset,b,2,")),
            "{text}"
        );
        assert_eq!(all.inputs[2].blake3, blake3::hash(b"www").to_hex().as_str());
    }

    /// What was read before a stop and after it is what the whole run read.
    #[test]
    fn a_run_that_went_on_has_read_both() {
        let read = |paths: &[&str]| {
            let accesses = [
                access("/set", What::Folder),
                access("/w", What::File { bytes: 1 }),
            ];
            let contents = paths.iter().map(|it| ((*it).into(), content(it)));
            Inputs::of(&accesses, &contents.collect(), &BTreeSet::new())
        };
        let whole = read(&["/set/a", "/set/b", "/set/c", "/w"]);
        let mut both = read(&["/set/b", "/set/c"]).after(read(&["/set/a", "/set/b", "/w"]));
        both.inputs.sort_by_key(|it| it.path.clone());
        both.files
            .sort_by_key(|it| (it.input.clone(), it.file.clone()));
        assert_eq!(both, whole);
    }

    /// It hangs on the files, not on where they lie.
    #[test]
    fn a_folder_has_the_same_hash_elsewhere() {
        let hash = |folder: &str, text: &str| {
            let accesses = [access(folder, What::Folder)];
            let contents = [(Path::new(folder).join("x"), content(text))].into();
            let all = Inputs::of(&accesses, &contents, &BTreeSet::new());
            all.inputs[0].blake3.clone()
        };
        assert_eq!(hash("/a/set", "1"), hash("/b/other", "1"));
        assert_ne!(hash("/a/set", "1"), hash("/a/set", "2"));
    }
}
