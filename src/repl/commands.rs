//! What begins with a colon.

use super::measure::{self, Memory};
use super::save::{self, Replay};
use super::session::{Outcome, Session};
use super::who;
use crate::files::Right;
use crate::nn::Model;
use crate::report::precise_duration;
use crate::script::names::did_you_mean;
use rhai::{Array, Dynamic, Map};
use std::path::Path;
use std::time::Instant;

pub const NAMES: [&str; 12] = [
    "allow-read",
    "allow-write",
    "bench",
    "help",
    "load",
    "mem",
    "quit",
    "reset",
    "save",
    "time",
    "type",
    "who",
];

const HELP: &str = "\
Type an expression or statements; Enter evaluates what is complete, Alt-Enter begins a new line.
  x = 1;            a semicolon at the end silences the result
  _  _3             the last result, and that of input 3
  ?pgd  pgd?        what a function does, its options, an example
  ?word             searches all documentation

  :who [NAME]       variables: type, shape, dtype, device, bytes; own functions, modules
  :type EXPR        evaluates, shows type, shape, dtype, device
  :time EXPR        evaluates once, shows how long it took
  :bench EXPR       evaluates for about a second, shows the median time
  :mem              memory of the process and of the variables
  :load FILE        runs a script here and keeps its variables
  :save FILE        writes the inputs that worked as a script that runs, and the weights of
                    models that were trained, which it loads instead of training again
  :allow-read PATH  lets scripts and inputs read a file or folder elsewhere
  :allow-write DIR  lets them write into a folder elsewhere
  :reset            forgets variables, functions and imports
  :quit             leaves, as Ctrl-D does

Tab completes names, members, options inside #{ }, modules and files. Ctrl-R searches the
history. Ctrl-C clears the line, or stops what runs and keeps the session.
";

/// What a command came to.
pub enum Reply {
    /// To print, possibly nothing.
    Text(String),
    /// An input was evaluated.
    Evaluated(Outcome),
    Quit,
}

/// Runs `:name argument`.
pub fn run(session: &mut Session, line: &str) -> Reply {
    let line = line.trim_start_matches(':').trim();
    let (name, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let argument = argument.trim();
    let needs = |what: &str| Reply::Text(format!("error: `:{name}` needs {what}\n"));
    match (name, argument) {
        ("help" | "h" | "", _) => Reply::Text(HELP.into()),
        ("quit" | "q" | "exit", _) => Reply::Quit,
        ("who", filter) => Reply::Text(who::table(session, filter)),
        ("mem", _) => Reply::Text(Memory::read(session).to_string()),
        ("reset", _) => done(session.reset()),
        ("allow-read", "") => needs("a file or folder, such as `:allow-read ../data`"),
        ("allow-write", "") => needs("a folder, such as `:allow-write ../results`"),
        ("allow-read", path) => done(session.allow_read(Path::new(unquoted(path)))),
        ("allow-write", path) => done(session.allow_write(Path::new(unquoted(path)))),
        ("load", "") => needs("a script, such as `:load scripts/adv.rhai`"),
        ("load", path) => Reply::Evaluated(session.load(Path::new(unquoted(path)))),
        ("save", "") => needs("a file, such as `:save today.rhai`"),
        ("save", path) => Reply::Text(write(session, unquoted(path))),
        ("type" | "time" | "bench", "") => needs("an expression"),
        ("type", text) => match session.value_of(text) {
            Ok(value) => Reply::Text(who::line(session, value)),
            Err(outcome) => Reply::Evaluated(outcome),
        },
        ("time", text) => {
            let start = Instant::now();
            match session.input(text) {
                outcome @ (Outcome::Value(..) | Outcome::Done) => {
                    session
                        .host()
                        .print(&format!("took {}", precise_duration(start.elapsed())));
                    Reply::Evaluated(outcome)
                }
                outcome => Reply::Evaluated(outcome),
            }
        }
        ("bench", text) => match measure::bench(session, text) {
            Ok(report) => Reply::Text(report),
            Err(outcome) => Reply::Evaluated(outcome),
        },
        (unknown, _) => Reply::Text(format!(
            "error: there is no command `:{unknown}`{}; `:help` lists them\n",
            did_you_mean(unknown, NAMES)
        )),
    }
}

fn done(result: crate::Result<()>) -> Reply {
    match result {
        Ok(()) => Reply::Text(String::new()),
        Err(error) => Reply::Text(format!("error: {error}\n")),
    }
}

/// Paths are completed within quotes, too.
fn unquoted(path: &str) -> &str {
    path.trim_matches('"')
}

/// Writes the script, and beside it the weights of models that inputs trained.
fn write(session: &Session, path: &str) -> String {
    let stem = Path::new(path).with_extension("");
    let beside = |model: &str| format!("{}.{model}.safetensors", stem.display());
    let name = |path: &str| {
        let name = Path::new(path).file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    let mut weights = Vec::new();
    let mut files = Vec::new();
    for (model, at) in session.trained() {
        let value = session.value(model).and_then(|it| it.try_cast::<Model>());
        let Some(value) = value else { continue };
        weights.push((*at, model.clone(), name(&beside(model))));
        files.push((beside(model), value));
    }
    let script = save::script(&Replay {
        inputs: session.accepted(),
        head: head(session),
        weights,
        literal: &|name| literal(&session.value(name)?),
    });
    let put = |path: &str, bytes: &[u8]| session.host().target(path)?.write(bytes);
    let weights = files
        .iter()
        .try_for_each(|(path, model)| put(path, &model.to_safetensors()?));
    match weights.and_then(|()| put(path, script.as_bytes())) {
        Ok(()) => {
            let beside = files.iter().map(|(path, _)| format!(", {path}"));
            let beside: String = beside.collect();
            format!("{path}: {} inputs{beside}\n", session.accepted().len())
        }
        Err(error) => format!("error: {error}\n"),
    }
}

/// What the command line said, as far as the script cannot say it itself.
fn head(session: &Session) -> String {
    let settings = session.settings();
    let mut words = String::new();
    for (name, value) in &settings.set {
        words += &format!(" --set {name}={value}");
    }
    if let Some(device) = &settings.device {
        words += &format!(" --device {device}");
    }
    for (right, path) in session.host().granted() {
        let flag = match right {
            Right::Read => "--allow-read",
            Right::Write => "--allow-write",
        };
        words += &format!(" {flag} {}", path.display());
    }
    // The session's own folder comes last, without having been named.
    for (flag, paths) in [
        ("--allow-read", &settings.allow_read),
        ("--allow-write", &settings.allow_write),
    ] {
        for path in paths.iter().filter(|path| *path != Path::new(".")) {
            words += &format!(" {flag} {}", path.display());
        }
    }
    let mut head = match words.is_empty() {
        true => String::new(),
        false => format!("// The session had{words}\n"),
    };
    if let Some(seed) = settings.seed {
        head += &format!("seed({seed});\n");
    }
    head
}

/// The expression for a value of plain data.
fn literal(value: &Dynamic) -> Option<String> {
    let all = |parts: Vec<Option<String>>| parts.into_iter().collect::<Option<Vec<_>>>();
    if let Some(array) = value.read_lock::<Array>() {
        let parts = all(array.iter().map(literal).collect())?;
        return Some(format!("[{}]", parts.join(", ")));
    }
    if let Some(map) = value.read_lock::<Map>() {
        let entry = |(key, value): (_, &Dynamic)| Some(format!("{key:?}: {}", literal(value)?));
        let parts = all(map.iter().map(entry).collect())?;
        return Some(format!("#{{ {} }}", parts.join(", ")));
    }
    match value.type_name() {
        "i64" | "bool" | "()" => Some(value.to_string()),
        "f64" => {
            let number = value.as_float().ok()?;
            number.is_finite().then(|| format!("{number:?}"))
        }
        "string" => Some(format!("{:?}", value.to_string())),
        _ => None,
    }
}
