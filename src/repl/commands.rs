//! What begins with a colon.

use super::measure::{self, Memory};
use super::session::{Outcome, Session};
use super::{save, who};
use crate::report::precise_duration;
use crate::script::names::did_you_mean;
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
  :save FILE        writes the inputs that worked as a script that runs
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

fn write(session: &Session, path: &str) -> String {
    let script = save::script(session.accepted());
    let written = session
        .host()
        .writable(path)
        .and_then(|real| crate::files::write_whole(&real, script.as_bytes()));
    match written {
        Ok(()) => format!("{path}: {} inputs\n", session.accepted().len()),
        Err(error) => format!("error: {error}\n"),
    }
}
