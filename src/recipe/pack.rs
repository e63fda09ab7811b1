//! A run as something to share.

use super::archive::{FILES, Recipe, SCRIPT};
use super::circumstances::named_sources;
use super::results::Results;
use crate::files::{File, Folder, plain_name};
use crate::run::{Input, InputFile, Inputs, Machine, Recorded, Status};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// In bytes, of what a script read from its own folder: more is data, which people have already.
const MOST_BESIDE: u64 = 64 << 20;
const FORMAT: u32 = 1;

/// What is known of a run without its files. Where its data lay is not in it; what else says where
/// the run was made, `Recipe::places` tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// The number of this layout, raised when a reader has to know.
    pub format: u32,
    /// The script, beneath the folder of scripts.
    pub script: PathBuf,
    /// Values that the script's parameters were given, besides data.
    pub set: Vec<(String, String)>,
    /// The seed that the program was started with.
    pub given_seed: Option<u64>,
    /// The seed in force.
    pub seed: u64,
    /// What GPUs were allowed to do.
    pub cuda: Vec<String>,
    pub data: Vec<Datum>,
    /// How far numbers may be from those expected.
    pub tolerance: f64,
    /// All parameters with the values in force.
    pub parameters: Map<String, Value>,
    pub device: String,
    pub versions: BTreeMap<String, String>,
    pub machine: Machine,
    pub threads: usize,
    /// Conventions, threat models and the like.
    pub notes: Map<String, Value>,
    /// Hashes of the script and what it imports, the library too, by path.
    pub sources: BTreeMap<String, String>,
    /// The names of the files that the script wrote, and their bytes.
    pub outputs: BTreeMap<PathBuf, u64>,
    /// How long it took.
    pub wall_seconds: Option<f64>,
    /// BLAKE3 of each other file of the recipe.
    pub contents: BTreeMap<PathBuf, String>,
}

/// Something that the run read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Datum {
    pub from: Origin,
    #[serde(flatten)]
    pub input: Input,
}

/// Where whoever runs the recipe has it from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// It is given as this parameter. Its path is only a name.
    Parameter(String),
    /// It is in the recipe: the value of this parameter.
    Inside(String),
    /// It is in the recipe, beside the script. Its path is relative to the script's folder.
    Beside,
    /// The script names it itself, so it must lie at the same path and be allowed.
    Elsewhere,
}

/// What somebody wants of a recipe, and how the run was started.
#[derive(Clone, Debug, Default)]
pub struct Packing {
    pub set: Vec<(String, String)>,
    pub seed: Option<u64>,
    pub cuda: Vec<String>,
    /// Whether files that are parameters, such as weights, go into the recipe.
    pub with_files: bool,
    pub tolerance: f64,
}

impl About {
    /// # Errors
    /// `Invalid` for a recipe of a later version, and for a script that lies elsewhere.
    pub(super) fn check(&self) -> Result<()> {
        ensure!(
            self.format == FORMAT,
            "this recipe has format {}, this rhobust reads {FORMAT}: it needs another version",
            self.format
        );
        ensure!(
            self.given_seed.is_none_or(|it| i64::try_from(it).is_ok())
                && self.tolerance.is_finite()
                && self.tolerance >= 0.0,
            "the recipe's seed or tolerance is none"
        );
        for Datum { from, input } in &self.data {
            let path = Path::new(&input.path);
            let parts: Vec<_> = path.components().collect();
            let normal = parts.iter().all(|it| matches!(it, Component::Normal(_)));
            let fine = match from {
                Origin::Parameter(_) => normal && parts.len() == 1,
                Origin::Inside(name) => {
                    let place = place_of(name, &input.path);
                    normal && parts.len() == 1 && self.contents.contains_key(&place)
                }
                Origin::Beside => normal,
                Origin::Elsewhere => true,
            };
            ensure!(
                fine,
                "the recipe names {path:?} as data, which is not in it"
            );
        }
        let script = Path::new(SCRIPT).join(&self.script);
        ensure!(
            self.contents.contains_key(&script),
            "the recipe lacks its script, {}",
            script.display()
        );
        Ok(())
    }

    /// Of the script, without its ending.
    pub fn name(&self) -> String {
        let stem = self.script.file_stem().unwrap_or_default();
        plain_name(&stem.to_string_lossy())
    }

    /// Where the script lies in a folder that the recipe was unpacked into.
    pub fn script_in(&self, folder: &Path) -> PathBuf {
        folder.join(SCRIPT).join(&self.script)
    }

    /// The parameters that whoever runs the recipe has to give, with what they were.
    pub fn wanted(&self) -> Vec<(&str, &Input)> {
        let wanted = self.data.iter().filter_map(|it| match &it.from {
            Origin::Parameter(name) => Some((name.as_str(), &it.input)),
            _ => None,
        });
        wanted.collect()
    }

    /// The parameters whose values are files in the recipe, unpacked into `folder`.
    pub fn inside(&self, folder: &Path) -> Vec<(String, PathBuf)> {
        let inside = self.data.iter().filter_map(|it| match &it.from {
            Origin::Inside(name) => {
                Some((name.clone(), folder.join(place_of(name, &it.input.path))))
            }
            _ => None,
        });
        inside.collect()
    }
}

/// The run in `folder` as a recipe.
///
/// # Errors
/// `Invalid` for a run that did not finish, a script or an input that is not what the run had any
/// more, and a script that read too much from its own folder.
pub fn pack(folder: &Path, packing: Packing) -> Result<Recipe> {
    let run = Folder::open(folder)?;
    let recorded = Recorded::read(folder)?;
    let shown = folder.display();
    ensure!(
        recorded.status == Status::Finished,
        "{shown}: this run is {}; only one that finished has results to expect",
        recorded.status
    );
    if let Some(change) = recorded.changes.first() {
        bail!(
            "{shown}: its numbers are of no script: {change}; a run that is to be shared has to begin \
             anew"
        );
    }
    let scripts = Scripts::of(&run, &recorded)?;
    let mut packed = Packed {
        files: scripts.read(&run, &recorded)?,
        ..Packed::default()
    };
    let lines = Inputs::read(&run)?;
    for input in &recorded.inputs {
        let files = lines.iter().filter(|it| it.input == input.path).cloned();
        packed.add(input, files.collect(), &packing, &recorded, &scripts)?;
    }
    let Packed {
        data,
        inputs,
        files,
    } = packed;
    let of_data = |name: &str| {
        data.iter()
            .find(|it: &&Datum| it.from.parameter() == Some(name))
    };
    let set = packing.set.iter();
    let set = set.filter(|(name, _)| of_data(name).is_none());
    let parameters = recorded.parameters.iter().map(|(name, value)| {
        let value = match of_data(name) {
            // Where the data lay is nobody's business.
            Some(datum) => datum.input.path.clone().into(),
            None => value.clone(),
        };
        (name.clone(), value)
    });
    let about = About {
        format: FORMAT,
        script: scripts.main.clone(),
        set: set.cloned().collect(),
        given_seed: packing.seed,
        seed: recorded.seed,
        cuda: packing.cuda.clone(),
        tolerance: packing.tolerance,
        parameters: parameters.collect(),
        device: recorded.device.clone(),
        versions: recorded.versions.clone(),
        machine: recorded.machine.clone(),
        threads: recorded.threads,
        notes: recorded.notes.clone(),
        sources: named_sources(&recorded),
        outputs: recorded
            .outputs
            .iter()
            .map(|it| (it.path.clone(), it.bytes))
            .collect(),
        wall_seconds: recorded.wall_seconds,
        contents: BTreeMap::new(),
        data,
    };
    Ok(Recipe {
        expected: Results::read(&run, &recorded)?,
        about,
        inputs,
        files,
    })
}

impl Origin {
    /// The parameter that it is, if it is one.
    pub fn parameter(&self) -> Option<&str> {
        match self {
            Origin::Parameter(name) | Origin::Inside(name) => Some(name),
            Origin::Beside | Origin::Elsewhere => None,
        }
    }
}

/// The scripts of a run and their copies.
struct Scripts {
    /// What the copies' places are relative to.
    root: PathBuf,
    /// The folder of the script that was run.
    home: PathBuf,
    /// That script, beneath `root`.
    main: PathBuf,
}

impl Scripts {
    fn of(run: &Folder, recorded: &Recorded) -> Result<Self> {
        let lacks = || {
            Error::invalid(format!(
                "{}: this run has no script",
                run.shown("").display()
            ))
        };
        let copy = recorded.script_copy.as_deref().ok_or_else(lacks)?;
        let main = Path::new(copy)
            .strip_prefix(SCRIPT)
            .unwrap_or(Path::new(copy));
        let script = recorded.script.as_deref().map(Path::new);
        let script = script.filter(|it| it.ends_with(main)).ok_or_else(lacks)?;
        let root = script.ancestors().nth(main.components().count());
        Ok(Scripts {
            root: root.unwrap_or(Path::new("/")).to_owned(),
            home: script.parent().unwrap_or(Path::new("/")).to_owned(),
            main: main.to_owned(),
        })
    }

    /// The copies of all, without the library, which is part of the program.
    fn read(&self, run: &Folder, recorded: &Recorded) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
        let mut files = BTreeMap::new();
        for (path, hash) in &recorded.sources {
            let Ok(inside) = Path::new(path).strip_prefix(&self.root) else {
                continue;
            };
            let place = Path::new(SCRIPT).join(inside);
            let copy = run.file(&place)?;
            let content = copy.read(MOST_BESIDE)?;
            ensure!(
                blake3::hash(&content).to_hex().as_str() == hash,
                "{}: this copy is not what the run had any more",
                copy.shown().display()
            );
            files.insert(place, content);
        }
        Ok(files)
    }
}

/// What of a run's inputs goes where.
#[derive(Default)]
struct Packed {
    data: Vec<Datum>,
    inputs: Vec<InputFile>,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Packed {
    fn add(
        &mut self,
        input: &Input,
        mut lines: Vec<InputFile>,
        packing: &Packing,
        recorded: &Recorded,
        scripts: &Scripts,
    ) -> Result<()> {
        ensure!(
            !lines.is_empty(),
            "inputs.csv lacks the files of {}; the run cannot be packed without them",
            input.path
        );
        check_lists(&input.path, &recorded.parameters)?;
        let beside = input.real.strip_prefix(&scripts.home).ok();
        let named = parameters_of(&input.path, &recorded.parameters);
        let (from, path) = match (named.first(), beside) {
            (Some(first), _) => {
                let path = self.unlike(name_of(&input.path), first);
                let mut from = Vec::new();
                for name in named {
                    from.push(match packing.with_files && input.files.is_none() {
                        true => {
                            let content = content(&input.real, &lines[0], u64::MAX)?;
                            self.files.insert(place_of(&name, &path), content);
                            Origin::Inside(name)
                        }
                        false => Origin::Parameter(name),
                    });
                }
                (from, path)
            }
            (None, Some(beside)) => {
                ensure!(
                    input.bytes <= MOST_BESIDE,
                    "the script read {} from its own folder, {} bytes: too much for a recipe; make it a parameter of the script, and give it with --set",
                    input.path,
                    input.bytes
                );
                let inside = scripts
                    .home
                    .strip_prefix(&scripts.root)
                    .unwrap_or(Path::new(""));
                for line in &lines {
                    let real = line.place(&input.real);
                    let inner = real.strip_prefix(&scripts.home).unwrap_or(beside);
                    let place = Path::new(SCRIPT).join(inside).join(inner);
                    self.files.insert(place, content(&real, line, MOST_BESIDE)?);
                }
                (vec![Origin::Beside], beside.display().to_string())
            }
            (None, None) => (vec![Origin::Elsewhere], input.path.clone()),
        };
        for line in &mut lines {
            line.input.clone_from(&path);
        }
        self.inputs.extend(lines);
        let input = Input {
            path,
            real: PathBuf::new(),
            ..input.clone()
        };
        let data = from.into_iter().map(|from| Datum {
            from,
            input: input.clone(),
        });
        self.data.extend(data);
        Ok(())
    }

    /// A name that no other input has: files of one name can lie in several folders.
    fn unlike(&self, name: String, parameter: &str) -> String {
        let taken = |name: &str| self.data.iter().any(|it| it.input.path == name);
        match taken(&name) {
            true => format!("{}-{name}", plain_name(parameter)),
            false => name,
        }
    }
}

/// The parameters that have this path as their value.
pub(super) fn parameters_of(path: &str, parameters: &Map<String, Value>) -> Vec<String> {
    let all = parameters.iter();
    let named = all.filter(|(_, value)| value.as_str() == Some(path));
    named.map(|(name, _)| name.clone()).collect()
}

/// A recipe gives each parameter one file or folder.
fn check_lists(path: &str, parameters: &Map<String, Value>) -> Result<()> {
    let lists = |value: &Value| match value {
        Value::String(text) => text.split(',').any(|it| it == path) && text != path,
        Value::Array(all) => all.iter().any(|it| it.as_str() == Some(path)),
        _ => false,
    };
    match parameters.iter().find(|(_, value)| lists(value)) {
        Some((name, value)) => bail!(
            "the parameter `{name}` names several files, {value}: in a recipe each needs a parameter \
             of its own"
        ),
        None => Ok(()),
    }
}

/// A file as it was read in the run.
fn content(real: &Path, line: &InputFile, largest: u64) -> Result<Vec<u8>> {
    let content = File::open(real)?.read(largest)?;
    ensure!(
        blake3::hash(&content).to_hex().as_str() == line.blake3,
        "{}: this file is not what the run read any more",
        real.display()
    );
    Ok(content)
}

fn name_of(path: &str) -> String {
    let name = Path::new(path).file_name().unwrap_or(path.as_ref());
    name.to_string_lossy().into_owned()
}

/// Where a file that is a parameter lies in a recipe.
fn place_of(name: &str, path: &str) -> PathBuf {
    Path::new(FILES).join(plain_name(name)).join(name_of(path))
}

/// Something to test with.
#[cfg(test)]
pub(super) fn made_up() -> Recipe {
    let recorded = crate::run::testing::recorded();
    let input = Input {
        path: "pictures".into(),
        real: PathBuf::new(),
        files: Some(1),
        bytes: 3,
        blake3: "0".repeat(64),
    };
    Recipe {
        about: About {
            format: FORMAT,
            script: "a.rhai".into(),
            set: vec![("epochs".into(), "2".into())],
            given_seed: Some(5),
            seed: 5,
            cuda: Vec::new(),
            data: vec![Datum {
                from: Origin::Parameter("data".into()),
                input,
            }],
            tolerance: 0.005,
            parameters: recorded.parameters,
            device: recorded.device,
            versions: recorded.versions,
            machine: recorded.machine,
            threads: recorded.threads,
            notes: recorded.notes,
            sources: BTreeMap::new(),
            outputs: BTreeMap::new(),
            wall_seconds: Some(1.5),
            contents: BTreeMap::new(),
        },
        expected: Results {
            numbers: Vec::new(),
            files: [("model.safetensors".into(), "1".repeat(64))].into(),
        },
        inputs: vec![InputFile {
            input: "pictures".into(),
            file: "a.png".into(),
            bytes: 3,
            blake3: "2".repeat(64),
        }],
        files: [(PathBuf::from("script/a.rhai"), b"print(1);".to_vec())].into(),
    }
}
