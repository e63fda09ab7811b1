//! Running again: replay, recipes, and two runs beside each other.

use super::{Common, FAILED, Run, failed, finish, resume, say};
use crate::files::{File, Folder, LARGEST_TEXT, write_whole};
use crate::recipe::{
    Circumstances, Comparison, Origin, Packing, Recipe, Results, Verdict, differences, is_recipe,
    pack, unified,
};
use crate::run::{Inputs, Recorded, Status};
use crate::script::{self, Ending, Settings};
use crate::{Error, Result};
use clap::Args;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    rhobust replay runs/first\n  \
    rhobust replay adv_plus.rhobust --data data=/data/cifar10 --threads 1\n  \
    rhobust replay runs/first --tolerance 0.005 --device cuda")]
pub(super) struct Replay {
    /// The folder of a run that finished, or a recipe
    run: PathBuf,

    #[command(flatten)]
    common: Common,

    /// Data that the run reads, by the name of its parameter
    #[arg(long, value_name = "NAME=PATH", value_parser = super::key_and_value)]
    data: Vec<(String, String)>,

    /// How far a number may be from the expected one, times that one where it is larger than 1
    /// [default: what the recipe says, else 0]
    #[arg(long, value_name = "X", value_parser = tolerance)]
    tolerance: Option<f64>,

    /// The folder for the new run, new or empty [default: runs/SCRIPT-TIME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    rhobust pack runs/first\n  \
    rhobust pack runs/first --with-files --tolerance 0.005 --out adv_plus.rhobust")]
pub(super) struct Pack {
    /// The folder of a run that finished
    run: PathBuf,

    /// The file to write [default: SCRIPT.rhobust]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Put files that are parameters, such as weights, into the recipe; folders stay out
    #[arg(long)]
    with_files: bool,

    /// How far numbers may be from those of this run, on whatever machine
    #[arg(long, value_name = "X", value_parser = tolerance, default_value = "0")]
    tolerance: f64,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    rhobust inspect adv_plus.rhobust\n  \
    rhobust inspect adv_plus.rhobust --script | less\n  \
    rhobust inspect adv_plus.rhobust --extract adv_plus")]
pub(super) struct Inspect {
    /// A file that `rhobust pack` wrote
    recipe: PathBuf,

    /// Print the script instead
    #[arg(long)]
    script: bool,

    /// Put the files of the recipe into this folder
    #[arg(long, value_name = "DIR")]
    extract: Option<PathBuf>,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    rhobust diff runs/first runs/second\n  \
    rhobust diff adv_plus.rhobust runs/mine --tolerance 0.005\n\n\
    The exit code is 0 where all is the same, else 1.")]
pub(super) struct Diff {
    /// The folder of a run, or a recipe
    one: PathBuf,
    other: PathBuf,

    /// How far numbers may be from each other, times the first where that is larger than 1
    #[arg(long, value_name = "X", value_parser = tolerance, default_value = "0")]
    tolerance: f64,
}

fn tolerance(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("a tolerance is a number from 0, such as 0.005".into()),
    }
}

/// A run that is there: what it was made of and what it gave.
#[derive(Clone)]
struct Made {
    of: Circumstances,
    results: Results,
    /// Texts by name: the script, what it imports, and the library.
    sources: BTreeMap<String, String>,
}

/// A run that is to be made again.
struct Again {
    run: Run,
    /// The values that the script may read where they are paths, if not all.
    opens: Option<Vec<String>>,
    made: Made,
    tolerance: f64,
}

impl Again {
    fn settings(self) -> Settings {
        Settings {
            command_line: Some(resume::command_line(&self.run)),
            opens: self.opens,
            ..self.run.plain_settings()
        }
    }
}

impl Made {
    fn read(path: &Path) -> Result<Made> {
        match is_recipe(path) {
            true => Ok(Made::of_recipe(&Recipe::read(path)?)),
            false => Made::of_run(path),
        }
    }

    fn of_run(folder: &Path) -> Result<Made> {
        let run = Folder::open(folder)?;
        let recorded = Recorded::read(folder)?;
        Ok(Made {
            results: Results::read(&run, &recorded)?,
            of: Circumstances::of_run(&recorded, Inputs::read(&run)?),
            sources: texts(&run, Path::new("script"))?,
        })
    }

    fn of_recipe(recipe: &Recipe) -> Made {
        let scripts = recipe.files.iter().filter_map(|(path, content)| {
            let inside = path.strip_prefix("script").ok()?;
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

/// The texts of the scripts in a folder, by their paths in it.
fn texts(run: &Folder, folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut texts = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        if !run.has_folder(&inner)? {
            continue;
        }
        for (path, kind) in run.entries(&inner)? {
            match kind {
                crate::files::Kind::Folder => folders.push(path),
                crate::files::Kind::File => {
                    let name = path.strip_prefix(folder).unwrap_or(&path);
                    let name = name.display().to_string();
                    texts.insert(name, run.file(&path)?.text(LARGEST_TEXT)?);
                }
            }
        }
    }
    Ok(texts)
}

impl Replay {
    pub fn run(self) -> i32 {
        let now = Run::of(self.common, self.data, self.out);
        let again = match is_recipe(&self.run) {
            true => of_recipe(&self.run, now),
            false => of_run(&self.run, now),
        };
        match again {
            Ok(again) => {
                let tolerance = self.tolerance.unwrap_or(again.tolerance);
                make_again(Again { tolerance, ..again }, true)
            }
            Err(error) => failed(&format!("error: {error}\n")),
        }
    }
}

/// `rhobust run RECIPE`: what it gives stands beside what is expected, unless it was asked for
/// something else.
pub(super) fn run_recipe(path: &Path, now: Run) -> i32 {
    let comparable = now.common.set.is_empty() && now.common.seed.is_none();
    match of_recipe(path, now) {
        Err(error) => failed(&format!("error: {error}\n")),
        Ok(again) if comparable => make_again(again, false),
        Ok(again) => finish(script::run(again.settings())),
    }
}

fn make_again(mut again: Again, other_results_fail: bool) -> i32 {
    let folder = match again.run.out.take() {
        Some(out) => Ok(out),
        None => script::new_run_folder(again.run.script.as_deref()),
    };
    let folder = match folder {
        Ok(folder) => folder,
        Err(error) => return failed(&format!("error: {error}\n")),
    };
    again.run.out = Some(folder.clone());
    let (made, tolerance) = (again.made.clone(), again.tolerance);
    match script::run(again.settings()) {
        Ending::Finished => {}
        other => {
            // Of a run that did not begin nothing is left: only an empty folder can be removed.
            let _ = std::fs::remove_dir(&folder);
            return finish(other);
        }
    }
    match compare(&made, &folder, tolerance) {
        Ok(Verdict::Different) if other_results_fail => FAILED,
        Ok(_) => 0,
        Err(error) => failed(&format!("error: {error}\n")),
    }
}

fn compare(then: &Made, folder: &Path, tolerance: f64) -> Result<Verdict> {
    let now = Made::of_run(folder)?;
    let comparison = Comparison::new(&then.results, &now.results, tolerance);
    tell(&format!(
        "\nbeside what was expected, in {}:",
        folder.display()
    ));
    tell(comparison.to_string().trim_end());
    let others = differences(&then.of, &now.of);
    if !others.is_empty() {
        tell("what is not as it was:");
        for other in others {
            tell(&format!("  {other}"));
        }
    }
    Ok(comparison.verdict())
}

/// The run in `folder`, from where it was started and with what it was given.
fn of_run(folder: &Path, mut now: Run) -> Result<Again> {
    let recorded = Recorded::read(folder)?;
    ensure!(
        recorded.status == Status::Finished,
        "{}: this run is {}, so there is nothing to compare with; rhobust run --resume {} goes on \
         with it",
        folder.display(),
        recorded.status,
        folder.display()
    );
    let mut then = resume::called(&recorded, folder)?;
    let made = Made::of_run(folder)?;
    // The folder may come from somebody else.
    let allowed = [&mut then.common.allow_read, &mut then.common.allow_write].map(std::mem::take);
    for (option, paths) in ["--allow-read", "--allow-write"].into_iter().zip(allowed) {
        for path in paths {
            eprintln!(
                "this run was started with {option} {}: say so again if it may",
                path.display()
            );
        }
    }
    let here = std::env::current_dir().map_err(|error| Error::io(Path::new("."), &error))?;
    let is_here = recorded.directory.as_deref().map(Path::new) == Some(&here);
    if !is_here {
        let is_given = |name: &str| {
            let given = now.data.iter().chain(&now.common.set);
            given.into_iter().any(|(it, _)| it == name)
        };
        let lacking: Vec<String> = made
            .of
            .data()
            .filter(|(name, _)| !is_given(name))
            .map(|(name, path)| format!("--data {name}=PATH ({path} then)"))
            .collect();
        ensure!(
            lacking.is_empty(),
            "{}: this run was made in another folder than this one; it needs {}",
            folder.display(),
            lacking.join(" and ")
        );
    }
    let mut opens = (!is_here).then(|| opened(&now, &[]));
    now.common.set.append(&mut now.data);
    let out = now.out.take();
    let mut run = resume::merged(then, now);
    // Sums are added up in another order by another number of threads.
    run.common.threads = run.common.threads.or(as_many(recorded.threads));
    let script = run.script.clone();
    let hash_of = |path: &Path| {
        let text = File::open(path).and_then(|it| it.read(LARGEST_TEXT));
        text.ok()
            .map(|text| blake3::hash(&text).to_hex().to_string())
    };
    let unchanged = |script: &Path| {
        let path = script.canonicalize().unwrap_or_default();
        let all = recorded
            .sources
            .iter()
            .filter(|(it, _)| Path::new(it).is_absolute());
        recorded.sources.contains_key(&path.display().to_string())
            && all
                .into_iter()
                .all(|(it, hash)| hash_of(Path::new(it)).as_ref() == Some(hash))
    };
    let script = match script.filter(|it| unchanged(it)) {
        Some(script) => script,
        None => {
            // What it read from its own folder has to lie beside the copy.
            let recipe = pack(folder, Packing::default())?;
            let unpacked = unpacked(&recipe)?;
            let all = || {
                run.common
                    .set
                    .iter()
                    .map(|(_, value)| value.clone())
                    .collect()
            };
            // The script may import from above its own folder.
            let root = unpacked.join("script").display().to_string();
            opens.get_or_insert_with(all).push(root);
            eprintln!("the script is not what it was: its copy of then is run");
            recipe.about.script_in(&unpacked)
        }
    };
    Ok(Again {
        run: Run {
            script: Some(script),
            out,
            ..run
        },
        opens,
        made,
        tolerance: 0.0,
    })
}

/// A recipe, unpacked beneath the current folder.
fn of_recipe(path: &Path, mut now: Run) -> Result<Again> {
    let recipe = Recipe::read(path)?;
    let about = &recipe.about;
    let Run { common, data, .. } = &now;
    let is_given = |name: &str| data.iter().chain(&common.set).any(|(it, _)| it == name);
    let lacking: Vec<String> = about
        .wanted()
        .into_iter()
        .filter(|(name, _)| !is_given(name))
        .map(|(name, input)| format!("--data {name}=PATH ({})", input.path))
        .collect();
    ensure!(
        lacking.is_empty(),
        "{}: this recipe needs {}",
        path.display(),
        lacking.join(" and ")
    );
    for (name, value) in data {
        let known = about.parameters.contains_key(name);
        ensure!(
            known,
            "--data {name}: the recipe has no parameter of that name"
        );
        ensure!(
            Path::new(value).exists(),
            "--data {name}: {value}: there is no such file or folder"
        );
    }
    for datum in &about.data {
        let place = Path::new(&datum.input.path);
        ensure!(
            datum.from != Origin::Elsewhere
                || common.allow_read.iter().any(|it| is_beneath(place, it)),
            "{}: this recipe reads {}, which lies neither in it nor in its data; let it with \
             --allow-read {}",
            path.display(),
            place.display(),
            place.display()
        );
    }
    for (name, value) in data {
        warn_of_other_files(&recipe, name, Path::new(value));
    }
    let folder = unpacked(&recipe)?;
    let inside = about.inside(&folder).into_iter();
    let inside: Vec<_> = inside
        .map(|(name, place)| (name, place.display().to_string()))
        .collect();
    // What the recipe itself says opens nothing.
    let mut opens = opened(&now, &inside);
    // The script may import from above its own folder.
    opens.push(folder.join("script").display().to_string());
    let mut set = about.set.clone();
    set.extend(inside);
    now.common.set.append(&mut now.data);
    set.retain(|(name, _)| now.common.set.iter().all(|(other, _)| other != name));
    now.common.set.splice(0..0, set);
    now.common.seed = now.common.seed.or(about.given_seed);
    // Sums are added up in another order by another number of threads.
    now.common.threads = now.common.threads.or(as_many(about.threads));
    if now.common.cuda.is_empty() {
        let modes = about.cuda.iter().map(|it| it.parse());
        now.common.cuda = modes.collect::<Result<_>>()?;
    }
    Ok(Again {
        run: Run {
            script: Some(about.script_in(&folder)),
            ..now
        },
        opens: Some(opens),
        made: Made::of_recipe(&recipe),
        tolerance: about.tolerance,
    })
}

fn is_beneath(place: &Path, allowed: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    real(place).starts_with(real(allowed))
}

/// The values that a person gave now, and those of files that are unpacked.
fn opened(now: &Run, inside: &[(String, String)]) -> Vec<String> {
    let given = now.data.iter().chain(&now.common.set).chain(inside);
    given.map(|(_, value)| value.clone()).collect()
}

/// Prints what may come from somebody else: without what moves the cursor or hides a line.
fn tell(text: &str) {
    let harmless = |it: char| match it {
        '\n' | '\t' => it,
        it if it.is_control() => '\u{fffd}',
        it => it,
    };
    say(&text.chars().map(harmless).collect::<String>());
}

/// What `--threads` can be.
fn as_many(threads: usize) -> Option<u64> {
    let threads = threads as u64;
    (1..=4096).contains(&threads).then_some(threads)
}

/// The folder that holds the files of a recipe from now on.
fn unpacked(recipe: &Recipe) -> Result<PathBuf> {
    let folder = Path::new("recipes").join(recipe.folder_name());
    recipe.unpack(&folder)?;
    eprintln!("unpacked into {}", folder.display());
    Ok(folder)
}

/// Before hours are spent on data that is not the recipe's: as far as sizes tell.
fn warn_of_other_files(recipe: &Recipe, name: &str, path: &Path) {
    for (wanted, input) in recipe.about.wanted() {
        if wanted != name {
            continue;
        }
        let files = recipe.inputs.iter().filter(|it| it.input == input.path);
        let files: Vec<_> = files.collect();
        let differs = |it: &&&crate::run::InputFile| {
            let place = match it.file.as_os_str().is_empty() {
                true => path.to_owned(),
                false => path.join(&it.file),
            };
            place
                .metadata()
                .map_or(true, |there| there.len() != it.bytes)
        };
        let others: Vec<_> = files.iter().filter(differs).collect();
        if let Some(first) = others.first() {
            eprintln!(
                "warning: {} of {} files of {name} are missing or have another size, first {}: the \
                 results will most likely be others",
                others.len(),
                files.len(),
                path.join(&first.file).display()
            );
        }
    }
}

impl Pack {
    pub fn run(self) -> i32 {
        match self.write() {
            Ok(place) => {
                tell(&place);
                0
            }
            Err(error) => failed(&format!("error: {error}\n")),
        }
    }

    fn write(self) -> Result<String> {
        let recorded = Recorded::read(&self.run)?;
        let then = resume::called(&recorded, &self.run)?;
        let recipe = pack(
            &self.run,
            Packing {
                set: then.common.set,
                seed: then.common.seed,
                cuda: then.common.cuda.iter().map(ToString::to_string).collect(),
                with_files: self.with_files,
                tolerance: self.tolerance,
            },
        )?;
        let out = self
            .out
            .unwrap_or_else(|| format!("{}.rhobust", recipe.about.name()).into());
        ensure!(
            is_recipe(&out),
            "{}: the name of a recipe ends in .rhobust",
            out.display()
        );
        ensure!(
            !out.exists(),
            "{}: there is such a file already; name another with --out",
            out.display()
        );
        write_whole(&out, &recipe.encode()?)?;
        Ok(format!(
            "{}\nto run it: {}",
            out.display(),
            recipe.command(&out)
        ))
    }
}

impl Inspect {
    pub fn run(self) -> i32 {
        let told = Recipe::read(&self.recipe).and_then(|recipe| {
            if let Some(folder) = &self.extract {
                let empty = std::fs::read_dir(folder).map_or(true, |mut it| it.next().is_none());
                ensure!(
                    empty,
                    "{}: the folder must be new or empty",
                    folder.display()
                );
                recipe.unpack(folder)?;
                return Ok(format!(
                    "{} files in {}",
                    recipe.files.len(),
                    folder.display()
                ));
            }
            match self.script {
                true => Ok(recipe.script()),
                false => Ok(format!(
                    "{recipe}{:<12}{}",
                    "to run it",
                    recipe.command(&self.recipe)
                )),
            }
        });
        match told {
            Ok(text) => {
                tell(text.trim_end());
                0
            }
            Err(error) => failed(&format!("error: {error}\n")),
        }
    }
}

/// `rhobust run RECIPE --help`.
pub(super) fn describe(recipe: &Path) -> i32 {
    let inspect = Inspect {
        recipe: recipe.to_owned(),
        script: false,
        extract: None,
    };
    inspect.run()
}

impl Diff {
    pub fn run(self) -> i32 {
        match self.tell() {
            Ok(true) => 0,
            Ok(false) => FAILED,
            Err(error) => failed(&format!("error: {error}\n")),
        }
    }

    /// Whether all is the same.
    fn tell(self) -> Result<bool> {
        let (one, other) = (Made::read(&self.one)?, Made::read(&self.other)?);
        let names = [&self.one, &self.other].map(|it| it.display().to_string());
        let found = differences(&one.of, &other.of);
        for difference in &found {
            tell(&difference.to_string());
        }
        let none = String::new();
        // A recipe has no copy of the library: hashes tell whether that is another.
        let library = |name: &str| name.starts_with("std/");
        let all = one.sources.keys().chain(other.sources.keys());
        let mut all: Vec<&String> = all.filter(|it| !library(it)).collect();
        all.sort();
        all.dedup();
        for name in all {
            let of = |made: &Made| made.sources.get(name).unwrap_or(&none).clone();
            let (text, other) = (of(&one), of(&other));
            let shown = names.each_ref().map(|it| format!("{it}/{name}"));
            let diff = unified((&shown[0], &text), (&shown[1], &other));
            if !diff.is_empty() {
                tell(diff.trim_end());
            }
        }
        let comparison = Comparison::new(&one.results, &other.results, self.tolerance);
        tell(comparison.to_string().trim_end());
        Ok(found.is_empty() && comparison.verdict() != Verdict::Different)
    }
}
