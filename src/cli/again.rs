//! Running again: a run, or a recipe.

use super::options::{Checkpoints, Common};
use super::output::{FAILED, finish, notice, refused, tell};
use super::resume;
use super::run::Run;
use crate::files::resolved;
use crate::recipe::{
    Comparison, Made, Origin, Packing, Recipe, SCRIPT, Verdict, differences, is_recipe, pack,
};
use crate::run::{Recorded, Status};
use crate::script::{self, Ending, Settings};
use crate::sweep::quoted;
use crate::{Error, Result};
use clap::Args;
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

    #[command(flatten)]
    checkpoints: Checkpoints,

    /// How far a number may be from the expected one, times that one where it is larger than 1
    /// [default: what the recipe says, else 0]
    #[arg(long, value_name = "X", value_parser = tolerance)]
    tolerance: Option<f64>,

    /// The folder for the new run, new or empty [default: runs/SCRIPT-TIME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn tolerance(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("a tolerance is a number from 0, such as 0.005".into()),
    }
}

/// A run that is to be made again.
struct Again {
    run: Run,
    /// What the script may read where it is a path, if not all that is in its parameters.
    opens: Option<Vec<String>>,
    made: Made,
    tolerance: f64,
}

impl Again {
    /// How it is run, and what it is compared with.
    fn parts(self) -> (Settings, Made, f64) {
        let settings = Settings {
            command_line: Some(resume::command_line(&self.run)),
            opens: self.opens,
            ..self.run.plain_settings()
        };
        (settings, self.made, self.tolerance)
    }
}

impl Replay {
    pub fn run(self) -> i32 {
        let now = Run::of(self.common, self.checkpoints, self.out);
        let again = match is_recipe(&self.run) {
            true => of_recipe(&self.run, now),
            false => of_run(&self.run, now),
        };
        match again {
            Ok(again) => {
                let tolerance = self.tolerance.unwrap_or(again.tolerance);
                make_again(&self.run, Again { tolerance, ..again }, true)
            }
            Err(error) => refused(&error),
        }
    }
}

/// `rhobust run RECIPE`: what it gives stands beside what is expected, unless it was asked for
/// something else.
pub(super) fn run_recipe(path: &Path, now: Run) -> i32 {
    let comparable = now.common.set.is_empty() && now.common.seed.is_none();
    match of_recipe(path, now) {
        Err(error) => refused(&error),
        Ok(again) if comparable => make_again(path, again, false),
        Ok(again) => {
            notice("not compared with what is expected: --set or --seed asks for something else");
            let allowed = again.run.common.allowed();
            finish(script::run(again.parts().0), &allowed)
        }
    }
}

/// Runs it and compares it with `original`, a run or a recipe.
fn make_again(original: &Path, mut again: Again, other_results_fail: bool) -> i32 {
    let (out, mut own) = (again.run.out.take(), true);
    let folder = match out {
        Some(out) => {
            own = !out.exists();
            Ok(out)
        }
        None => script::new_run_folder(again.run.script.as_deref()),
    };
    let folder = match folder {
        Ok(folder) => folder,
        Err(error) => return refused(&error),
    };
    again.run.out = Some(folder.clone());
    let allowed = again.run.common.allowed();
    let (settings, made, tolerance) = again.parts();
    match script::run(settings) {
        Ending::Finished => {}
        other => {
            // Of a run that did not begin nothing is left: only an empty folder can be removed.
            if own {
                let _ = std::fs::remove_dir(&folder);
            }
            let can_go_on = other.can_go_on();
            let code = finish(other, &allowed);
            if can_go_on {
                let mut words = vec!["rhobust".to_owned(), "diff".to_owned()];
                words.extend([original, &folder].map(|it| it.display().to_string()));
                if tolerance > 0.0 {
                    words.extend(["--tolerance".to_owned(), tolerance.to_string()]);
                }
                notice(&format!("and then, to compare: {}", quoted(&words)));
            }
            return code;
        }
    }
    match compare(&made, &folder, tolerance) {
        Ok(Verdict::Different) if other_results_fail => FAILED,
        Ok(_) => 0,
        Err(error) => refused(&error),
    }
}

fn compare(then: &Made, folder: &Path, tolerance: f64) -> Result<Verdict> {
    let now = Made::of_run(folder, &Recorded::read(folder)?)?;
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
    let made = Made::of_run(folder, &recorded)?;
    for change in &recorded.changes {
        notice(&format!(
            "this run will give something else, because it changed underway: {change}"
        ));
    }
    resume::take_allowed(&mut then.common);
    let here = std::env::current_dir().map_err(|error| Error::io(Path::new("."), &error))?;
    let is_here = recorded.directory.as_deref().map(Path::new) == Some(&here);
    if !is_here {
        let is_given = |name: &str| {
            let given = now.common.values();
            given.iter().any(|(it, _)| it == name)
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
    if is_here {
        resume::tell_given_then(&then.common, &now.common);
    }
    let out = now.out.take();
    let mut run = resume::merged(then, now);
    // Sums are added up in another order by another number of threads.
    run.common.threads = run.common.threads.or(resume::as_many(recorded.threads));
    let is_known = |script: &PathBuf| {
        let real = script.canonicalize().unwrap_or_default();
        recorded.sources.contains_key(&real.display().to_string()) && recorded.has_its_sources()
    };
    let script = match run.script.clone().filter(is_known) {
        Some(script) => script,
        None => {
            // What it read from its own folder has to lie beside the copy.
            let recipe = pack(folder, Packing::default())?;
            let unpacked = unpacked(&recipe)?;
            let all = || opened(&run, &[]);
            // The script may import from above its own folder.
            let root = unpacked.join(SCRIPT).display().to_string();
            opens.get_or_insert_with(all).push(root);
            eprintln!("the script is not here, or not what it was: its copy of then is run");
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
    let (common, values) = (&now.common, now.common.values());
    let data = &common.data;
    let is_given = |name: &str| values.iter().any(|(it, _)| it == name);
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
        // Before hours are spent on data that is not the recipe's.
        if let Some((others, all, first)) = recipe.other_files(name, Path::new(value)) {
            notice(&format!(
                "warning: {others} of {all} files of {name} are missing or have another size, first \
                 {}: the results will most likely be others",
                first.display()
            ));
        }
    }
    let folder = unpacked(&recipe)?;
    let inside = about.inside(&folder).into_iter();
    let inside: Vec<_> = inside
        .map(|(name, place)| (name, place.display().to_string()))
        .collect();
    // What the recipe itself says opens nothing.
    let mut opens = opened(&now, &inside);
    // The script may import from above its own folder.
    opens.push(folder.join(SCRIPT).display().to_string());
    let mut set = about.set.clone();
    set.extend(inside);
    set.retain(|(name, _)| values.iter().all(|(other, _)| other != name));
    now.common.set.splice(0..0, set);
    now.common.seed = now.common.seed.or(about.given_seed);
    // Sums are added up in another order by another number of threads.
    now.common.threads = now.common.threads.or(resume::as_many(about.threads));
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
    resolved(place).starts_with(resolved(allowed))
}

/// What a person gave now, and the files that are unpacked.
fn opened(now: &Run, inside: &[(String, String)]) -> Vec<String> {
    let inside = inside.iter().map(|(_, place)| place.clone());
    now.common.given().into_iter().chain(inside).collect()
}

/// The folder that holds the files of a recipe from now on.
fn unpacked(recipe: &Recipe) -> Result<PathBuf> {
    let folder = Path::new("recipes").join(recipe.folder_name());
    recipe.unpack(&folder)?;
    eprintln!("unpacked into {}", folder.display());
    Ok(folder)
}
