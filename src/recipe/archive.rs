//! A recipe as a file: a zip archive, so that anybody can look into it, and a hash of everything in
//! it, so that nothing in it is taken for what it is not.

use super::pack::About;
use super::results::Results;
use crate::files::{File, LARGEST_TEXT, write_whole};
use crate::run::{InputFile, other_files};
use crate::{Error, Result, memory};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::{Component, Path, PathBuf};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

const ABOUT: &str = "recipe.json";
const RESULTS: &str = "expected.json";
const INPUTS: &str = "inputs.csv";
/// Beneath it lies the script with what it imports and reads from its folder.
pub const SCRIPT: &str = "script";
/// Beneath it lie files that are parameters, such as weights.
pub(super) const FILES: &str = "files";

/// What the comment of the archive begins with; the hash of `recipe.json` follows, which has those
/// of all others.
const SEAL: &str = "rhobust recipe, BLAKE3 of recipe.json ";

/// In bytes, of the archive and of all that is in it.
const LARGEST: u64 = 16 << 30;
const MOST_ENTRIES: usize = 10_000;

/// What is in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    pub about: About,
    /// What the run gave.
    pub expected: Results,
    /// Each file that the run read, besides those in the recipe.
    pub inputs: Vec<InputFile>,
    /// By their paths, beneath `script` and `files`.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
}

/// Whether a path has the ending of a recipe.
pub fn is_recipe(path: &Path) -> bool {
    path.extension().is_some_and(|it| it == "rhobust")
}

impl Recipe {
    /// The same recipe makes the same bytes.
    ///
    /// # Errors
    /// `Invalid` where the zip format does not allow something, such as a name.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let failed = |error: zip::result::ZipError| Error::invalid(error.to_string());
        let mut entries = self.files.clone();
        entries.insert(RESULTS.into(), json(&self.expected)?);
        if !self.inputs.is_empty() {
            let inputs = crate::run::Inputs {
                inputs: Vec::new(),
                files: self.inputs.clone(),
            };
            entries.insert(INPUTS.into(), inputs.encode()?);
        }
        let mut about = self.about.clone();
        about.contents = entries
            .iter()
            .map(|(path, it)| (path.clone(), hash(it)))
            .collect();
        let about = json(&about)?;
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(DateTime::default())
            .unix_permissions(0o644);
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let seal = format!("{SEAL}{}", hash(&about));
        zip.set_comment(seal).map_err(failed)?;
        let all = std::iter::once((Path::new(ABOUT), &about));
        self.files.keys().try_for_each(|path| check_place(path))?;
        for (path, content) in all.chain(entries.iter().map(|(path, it)| (path.as_path(), it))) {
            let name = name_of(path)?;
            let large = content.len() as u64 > u64::from(u32::MAX);
            zip.start_file(name, options.large_file(large))
                .map_err(failed)?;
            zip.write_all(content)
                .map_err(|error| Error::invalid(error.to_string()))?;
        }
        Ok(zip.finish().map_err(failed)?.into_inner())
    }

    /// # Errors
    /// `Invalid` with the path for a file that is no recipe, is damaged or of a later layout.
    pub fn read(path: &Path) -> Result<Recipe> {
        let file = File::open(path)?;
        let largest = LARGEST.min(memory::most_of_a_file());
        Recipe::decode(&file.read(largest)?).map_err(|error| error.context(file.shown().display()))
    }

    /// From what `encode` gave.
    ///
    /// # Errors
    /// `Invalid` for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Recipe> {
        let failed = |error: zip::result::ZipError| {
            Error::invalid(format!("this is no recipe, or it is damaged: {error}"))
        };
        let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(failed)?;
        let comment = String::from_utf8_lossy(zip.comment()).into_owned();
        let Some(seal) = comment.strip_prefix(SEAL) else {
            bail!("this is a zip file, but no recipe: its comment has no hash");
        };
        ensure!(
            zip.len() <= MOST_ENTRIES,
            "a recipe may have {MOST_ENTRIES} files, this one has {}",
            zip.len()
        );
        let mut entries = BTreeMap::new();
        // A few bytes of an archive can stand for gigabytes.
        let mut room = LARGEST.min(memory::most_of_a_file());
        for at in 0..zip.len() {
            let entry = zip.by_index(at).map_err(failed)?;
            let name = entry.name().map_err(failed)?.into_owned();
            let path = PathBuf::from(&name);
            if ![ABOUT, RESULTS, INPUTS].contains(&name.as_str()) {
                check_place(&path)?;
            }
            let largest = match name.as_str() {
                ABOUT | RESULTS | INPUTS => LARGEST_TEXT.min(room),
                _ => room,
            };
            let mut content = Vec::new();
            let read = entry.take(largest + 1).read_to_end(&mut content);
            read.map_err(|error| damaged(&path, &error.to_string()))?;
            let bytes = content.len() as u64;
            ensure!(
                bytes <= largest,
                "{}: this file of the recipe is larger than the {largest} bytes that are allowed",
                path.display()
            );
            room -= bytes;
            ensure!(
                entries.insert(path.clone(), content).is_none(),
                "{}: this file is twice in the recipe",
                path.display()
            );
        }
        let about = entries.remove(Path::new(ABOUT));
        let about = about.ok_or_else(|| Error::invalid(format!("it has no {ABOUT}")))?;
        ensure!(
            hash(&about) == seal,
            "{ABOUT} is damaged: its hash is not the one that the recipe names"
        );
        let about: About =
            serde_json::from_slice(&about).map_err(|it| damaged(ABOUT, &it.to_string()))?;
        about.check()?;
        for (path, content) in &entries {
            ensure!(
                about.contents.get(path) == Some(&hash(content)),
                "{} is damaged: its hash is not the one in {ABOUT}",
                path.display()
            );
        }
        if let Some(lost) = about.contents.keys().find(|it| !entries.contains_key(*it)) {
            bail!("{} is missing in the recipe", lost.display());
        }
        let mut text = |name: &str| entries.remove(Path::new(name));
        let expected = text(RESULTS).unwrap_or_default();
        let expected = serde_json::from_slice(&expected);
        let inputs = text(INPUTS).map_or(Ok(Vec::new()), |it| crate::run::Inputs::decode(&it));
        Ok(Recipe {
            expected: expected.map_err(|it| damaged(RESULTS, &it.to_string()))?,
            inputs: inputs.map_err(|it| it.context(INPUTS))?,
            about,
            files: entries,
        })
    }

    /// Puts the files of the recipe into `folder`, which is new or holds just them.
    ///
    /// # Errors
    /// `Invalid` with the path where a file has another content, or cannot be written.
    pub fn unpack(&self, folder: &Path) -> Result<()> {
        for (path, content) in &self.files {
            check_place(path)?;
            let place = folder.join(path);
            // A link that lies there already would lead the file elsewhere.
            for above in place
                .ancestors()
                .skip(1)
                .filter(|it| !it.as_os_str().is_empty())
            {
                ensure!(
                    !above.is_symlink() || !above.starts_with(folder) && above != folder,
                    "{}: this is a link, and a recipe is not unpacked through it; remove it",
                    above.display()
                );
            }
            if place.symlink_metadata().is_ok() {
                let same = File::open(&place)?.read(LARGEST)? == *content;
                ensure!(
                    same,
                    "{}: this file is not as it is in the recipe; remove it or move it away",
                    place.display()
                );
                continue;
            }
            let above = place.parent().unwrap_or(folder);
            fs::create_dir_all(above).map_err(|error| Error::io(above, &error))?;
            write_whole(&place, content)?;
        }
        Ok(())
    }

    /// How many files of the data that is the parameter `name` are not at `path`, or have another
    /// size, of how many, and the first of them; nothing where all are there.
    pub fn other_files(&self, name: &str, path: &Path) -> Option<(usize, usize, PathBuf)> {
        let wanted = self.about.wanted();
        let (_, input) = wanted.iter().find(|(wanted, _)| *wanted == name)?;
        let files = self.inputs.iter().filter(|it| it.input == input.path);
        other_files(files, path)
    }

    /// A name for the folder that it is unpacked into: no two recipes have the same.
    pub fn folder_name(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for (path, content) in &self.files {
            hasher.update(format!("{} {}\n", path.display(), hash(content)).as_bytes());
        }
        let hash = hasher.finalize().to_hex();
        format!("{}-{}", self.about.name(), &hash[..16])
    }
}

fn hash(content: &[u8]) -> String {
    blake3::hash(content).to_hex().to_string()
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>> {
    let text = serde_json::to_string_pretty(value);
    let mut text = text.map_err(|error| Error::invalid(error.to_string()))?;
    text.push('\n');
    Ok(text.into_bytes())
}

fn damaged(path: impl AsRef<Path>, how: &str) -> Error {
    Error::invalid(format!("{} is damaged: {how}", path.as_ref().display()))
}

/// `Invalid` for a file that is not one of those that recipes have, under a name that shows.
fn check_place(path: &Path) -> Result<()> {
    let name = name_of(path)?;
    let shows = |part: &str| !part.starts_with('.') && !part.contains(char::is_control);
    ensure!(
        (path.starts_with(SCRIPT) || path.starts_with(FILES)) && name.split('/').all(shows),
        "{name:?} is no name for a file in a recipe"
    );
    Ok(())
}

/// The name of a file in the archive.
///
/// # Errors
/// `Invalid` for a path that leads out of the folder it is put into.
fn name_of(path: &Path) -> Result<String> {
    let parts = path.components().map(|part| match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    let parts: Option<Vec<&str>> = parts.collect();
    let name = parts.map(|it| it.join("/")).unwrap_or_default();
    ensure!(
        !name.is_empty() && !name.contains(['\\', '\0']) && path.to_str() == Some(&name),
        "{:?} is no name for a file in a recipe",
        path.display().to_string()
    );
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Origin;
    use crate::recipe::pack::made_up;

    #[test]
    fn a_recipe_comes_back_as_it_was() {
        let recipe = made_up();
        let bytes = recipe.encode().unwrap();
        let mut back = Recipe::decode(&bytes).unwrap();
        assert_eq!(back.about.contents.len(), 3);
        back.about.contents.clear();
        assert_eq!(back, recipe);
        assert_eq!(recipe.encode().unwrap(), bytes);
    }

    /// Whatever bit is another one, the recipe is refused, or nothing of what it says has changed.
    #[test]
    fn no_flipped_bit_goes_unnoticed() {
        let bytes = made_up().encode().unwrap();
        let whole = Recipe::decode(&bytes).unwrap();
        let mut refused = 0;
        for place in 0..bytes.len() {
            let mut other = bytes.clone();
            other[place] ^= 1 << (place % 8);
            match Recipe::decode(&other) {
                Ok(recipe) => assert_eq!(recipe, whole, "byte {place}"),
                Err(_) => refused += 1,
            }
        }
        // Times and attributes of entries are not looked at.
        assert!(refused * 2 > bytes.len(), "{refused} of {}", bytes.len());
        for length in 0..bytes.len() {
            assert!(Recipe::decode(&bytes[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn names_that_lead_out_are_refused() {
        for name in ["", "/a", "../a", "a/../b", "a//b", "./a", "a\\b", "a/"] {
            assert!(name_of(Path::new(name)).is_err(), "{name}");
        }
        assert_eq!(
            name_of(Path::new("script/a.rhai")).unwrap(),
            "script/a.rhai"
        );
    }

    /// What somebody made up to get at other files.
    #[test]
    fn forged_recipes_are_refused() {
        let refused = |forge: &dyn Fn(&mut Recipe)| {
            let mut recipe = made_up();
            forge(&mut recipe);
            let decoded = recipe.encode().and_then(|bytes| Recipe::decode(&bytes));
            decoded.unwrap_err().to_string()
        };
        for path in ["/", "..", "../..", "weights"] {
            let error = refused(&|it| {
                it.about.data[0].from = Origin::Inside("data".into());
                it.about.data[0].input.path = path.into();
            });
            assert!(error.contains("which is not in it"), "{error}");
        }
        for name in [
            ".git/hooks/post-commit",
            "Makefile",
            "script/.hidden",
            "script/\u{1b}[31m",
        ] {
            let error = refused(&|it| {
                it.files.insert(name.into(), Vec::new());
            });
            assert!(
                error.contains("is no name for a file in a recipe"),
                "{error}"
            );
        }
        let error = refused(&|it| it.inputs[0].file = "../a".into());
        assert!(error.contains("not beneath its folder"), "{error}");
        assert!(refused(&|it| it.about.given_seed = Some(u64::MAX)).contains("seed"));
        assert!(refused(&|it| it.about.script = "b.rhai".into()).contains("lacks its script"));
    }

    #[test]
    fn nothing_is_unpacked_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (recipe, away) = (folder.path().join("recipe"), folder.path().join("away"));
        fs::create_dir_all(&recipe).unwrap();
        fs::create_dir_all(&away).unwrap();
        std::os::unix::fs::symlink(&away, recipe.join("script")).unwrap();
        let error = made_up().unpack(&recipe).unwrap_err().to_string();
        assert!(error.contains("is not unpacked through it"), "{error}");
        assert!(!away.join("a.rhai").exists());
    }

    #[test]
    fn what_is_there_already_must_be_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let recipe = made_up();
        recipe.unpack(folder.path()).unwrap();
        recipe.unpack(folder.path()).unwrap();
        fs::write(folder.path().join("script/a.rhai"), "other").unwrap();
        let error = recipe.unpack(folder.path()).unwrap_err().to_string();
        assert!(error.contains("is not as it is in the recipe"), "{error}");
    }
}
