//! A script from its file to its end.

use super::errors::report;
use super::host::as_json;
use super::{Failure, Host, Settings, compile_file, engine, help, params, thread};
use crate::{Error, Result, files, interrupt, ledger, profile, run, torch};
use rhai::{AST, Engine};
use std::path::{Path, PathBuf};

/// How a run ended.
pub enum Ending {
    Finished,
    Interrupted(Left),
    /// At a limit, with the report for the user.
    Limited(String, Left),
    /// With the report for the user.
    Failed(String),
}

impl Ending {
    /// Whether `rhobust run --resume` can bring it to its end.
    pub fn can_go_on(&self) -> bool {
        match self {
            Ending::Interrupted(left) | Ending::Limited(_, left) => left.resumable.is_some(),
            Ending::Finished | Ending::Failed(_) => false,
        }
    }
}

/// What a run that was stopped leaves behind.
#[derive(Default)]
pub struct Left {
    /// The last checkpoint of each loop that was under way.
    pub checkpoints: Vec<PathBuf>,
    /// The run folder, if there is something in it to go on with.
    pub resumable: Option<PathBuf>,
}

/// Runs the script that `settings` name, on a thread with a large stack.
pub fn run(settings: Settings) -> Ending {
    // Before anything asks libtorch about devices: it would remember that there is no CUDA.
    torch::cuda::load();
    torch::keep_memory();
    let ending = thread::with_large_stack(move || run_here(settings));
    ending.unwrap_or_else(|message| Ending::Failed(format!("error: {message}\n")))
}

fn run_here(settings: Settings) -> Ending {
    let host = match Host::new(settings) {
        Ok(host) => host,
        Err(error) => return Ending::Failed(format!("error: {error}\n")),
    };
    torch::use_threads(host.settings().threads);
    if let Err(error) = torch::cuda::set_modes(&host.settings().cuda) {
        return Ending::Failed(format!("error: {error}\n"));
    }
    let engine = engine(host.clone());
    if host.settings().profile {
        profile::start(torch::cuda::synchronize);
    }
    let watch = host.watch();
    let ran = compile_and_run(&host, &engine);
    // What is kept of the run takes the time that it takes.
    drop(watch);
    let ending = match ran {
        Ok(()) => Ending::Finished,
        Err(stopped) if interrupt::requested() => match host.rescue() {
            Ok((_, checkpoints)) => {
                let left = Left {
                    checkpoints,
                    resumable: resumable(&host),
                };
                match interrupt::limit() {
                    None => Ending::Interrupted(left),
                    Some(_) => Ending::Limited(report(&engine, &stopped), left),
                }
            }
            Err(error) => Ending::Failed(format!("interrupted; no checkpoint: {error}\n")),
        },
        Err(error) => Ending::Failed(report(&engine, &error) + after_failure(&host).as_str()),
    };
    let told = tell_profile(&host);
    match (host.end_record(recorded(&ending)).and(told), ending) {
        (Err(error), Ending::Finished) => Ending::Failed(format!("error: {error}\n")),
        (_, ending) => ending,
    }
}

/// The run folder, if there is something in it to go on with.
fn resumable(host: &Host) -> Option<PathBuf> {
    let kept = [ledger::FOLDER, run::CHECKPOINTS];
    host.run_folder()
        .filter(|run| kept.iter().any(|folder| run.join(folder).exists()))
}

/// Where the loops were that an error ended, and how to go on.
fn after_failure(host: &Host) -> String {
    let mut text = String::new();
    match host.rescue() {
        Ok((places, checkpoints)) => {
            let places = places.iter().map(|place| format!("{place}\n"));
            let files = checkpoints.iter();
            let files = files.map(|file| format!("checkpoint: {}\n", file.display()));
            text.extend(places.chain(files));
        }
        Err(error) => text += &format!("no checkpoint: {error}\n"),
    }
    if let Some(folder) = resumable(host).filter(|_| host.has_record()) {
        text += &format!("to go on: rhobust run --resume {}\n", folder.display());
    }
    text
}

/// Where the time went, if that was asked for, however the run ended.
fn tell_profile(host: &Host) -> Result<()> {
    let Some(profile) = profile::finish() else {
        return Ok(());
    };
    print!("{profile}");
    let Some(folder) = host.run_folder() else {
        return Ok(());
    };
    let trace = folder.join("trace.json");
    files::write_whole(&trace, profile.chrome_trace().as_bytes())?;
    println!(
        "trace for chrome://tracing or Perfetto: {}",
        trace.display()
    );
    Ok(())
}

pub(super) fn recorded(ending: &Ending) -> run::Ending {
    match ending {
        Ending::Finished => run::Ending::Finished,
        Ending::Interrupted(_) => run::Ending::Interrupted,
        Ending::Limited(report, _) => run::Ending::Limited(report.trim_end().to_owned()),
        Ending::Failed(report) => run::Ending::Failed(report.trim_end().to_owned()),
    }
}

pub(super) fn compile_and_run(host: &Host, engine: &Engine) -> std::result::Result<(), Failure> {
    let settings = host.settings();
    let script = settings
        .script
        .as_deref()
        .ok_or_else(|| Error::invalid("no script was named"))?;
    params::check_once(settings)?;
    let ast = compile_file(host, engine, script)?;
    check_settings(host, &ast)?;
    host.begin_record()?;
    // A script that never says `seed(n)` gives the same numbers each time too.
    host.set_seed(host.seed());
    // `exit()` is a way to finish, which Rhai takes for success.
    engine.run_ast(&ast)?;
    check_all_set(host)?;
    Ok(())
}

/// Refuses unknown parameters before anything runs, as far as the text tells.
fn check_settings(host: &Host, ast: &AST) -> Result<()> {
    let Some(names) = help::parameter_names(ast) else {
        return Ok(());
    };
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    match host
        .settings()
        .set
        .iter()
        .find(|(key, _)| !names.contains(&key.as_str()))
    {
        Some((key, _)) => Err(Error::Invalid(params::unknown("--set", key, &names))),
        None => Ok(()),
    }
}

/// A script that never came to its `params` has not taken the values it was given.
fn check_all_set(host: &Host) -> Result<()> {
    match host.settings().set.first() {
        Some((key, _)) if host.params().is_none() => {
            Err(Error::Invalid(params::unknown("--set", key, &[])))
        }
        _ => Ok(()),
    }
}

/// What a script says about itself and its parameters, without running it.
pub fn describe(script: &Path) -> std::result::Result<String, String> {
    of_text(script, |host, ast| Ok(help::describe(host, ast)))
}

/// What values would mean to a script, without running it.
///
/// Each of `given` is an option, such as `--set`, the name of a parameter and the text of a value.
/// `None` where the text of the script does not tell: it computes its parameters or the default.
///
/// # Errors
/// A report for the user: a script that does not compile, a parameter that it does not have, a
/// value of another type than the default's.
pub fn meanings(
    script: &Path,
    given: Vec<(&'static str, String, String)>,
) -> std::result::Result<Vec<Option<serde_json::Value>>, String> {
    of_text(script, move |_, ast| {
        let Some(parameters) = help::parameters(ast) else {
            return Ok(vec![None; given.len()]);
        };
        let names: Vec<&str> = parameters.iter().map(|(name, _)| name.as_str()).collect();
        let meaning = |(option, name, text): &(&str, String, String)| {
            let of_name = parameters.iter().find(|(other, _)| other == name);
            let Some((_, default)) = of_name else {
                bail!("{}", params::unknown(option, name, &names));
            };
            let value = |default| params::parse(option, name, text, default);
            Ok(default.as_ref().map(value).transpose()?.map(as_json))
        };
        given.iter().map(meaning).collect()
    })
}

/// What `read` makes of a script that is compiled and not run.
fn of_text<T: Send + 'static>(
    script: &Path,
    read: impl FnOnce(&Host, &AST) -> Result<T> + Send + 'static,
) -> std::result::Result<T, String> {
    let script = script.to_owned();
    let told = |error: Error| format!("error: {error}\n");
    let made = thread::with_large_stack(move || {
        let settings = Settings {
            script: Some(script.clone()),
            ..Settings::default()
        };
        let host = Host::new(settings).map_err(told)?;
        let engine = engine(host.clone());
        let ast = compile_file(&host, &engine, &script).map_err(|error| report(&engine, &error))?;
        read(&host, &ast).map_err(told)
    });
    made.unwrap_or_else(|message| Err(format!("error: {message}\n")))
}
