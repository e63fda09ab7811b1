//! The interactive session: `rhobust repl`.

mod commands;
mod complete;
mod editor;
mod help;
mod infer;
mod measure;
mod results;
mod save;
mod scan;
mod session;
mod snapshot;
mod who;

pub use complete::complete;
pub use scan::{is_unfinished, scan};
pub use session::{Outcome, Session};

use crate::script::{Settings, thread};
use crate::torch;
use commands::Reply;
use editor::Lines;
use std::cell::RefCell;
use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::rc::Rc;

const WELCOME: &str = concat!(
    "rhobust ",
    env!("CARGO_PKG_VERSION"),
    ": ?name explains a function, :help lists commands, Ctrl-D leaves."
);

/// Runs a session on the terminal, or with the lines of standard input where that is none;
/// returns the exit code.
pub fn repl(settings: Settings) -> i32 {
    torch::cuda::load();
    torch::keep_memory();
    match thread::with_large_stack(move || run(settings)) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("error: {message}");
            1
        }
    }
}

fn run(mut settings: Settings) -> i32 {
    // Who sits at the keyboard may use the folder that the session was started in.
    settings.allow_read.push(".".into());
    settings.allow_write.push(".".into());
    settings.interactive = true;
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    torch::use_threads(settings.threads);
    if let Err(error) = torch::cuda::set_modes(&settings.cuda) {
        eprintln!("error: {error}");
        return 1;
    }
    let script = settings.script.clone();
    let session = match Session::new(settings) {
        Ok(session) => Rc::new(RefCell::new(session)),
        Err(error) => {
            eprintln!("error: {error}");
            return 1;
        }
    };
    if terminal {
        println!("{WELCOME}");
    }
    let mut loaded = true;
    if let Some(script) = script {
        loaded = load(&session, script);
    }
    match terminal {
        true => interactive(&session),
        // Whoever pipes a script into a session wants to know that it failed.
        false => i32::from(!piped(&session, std::io::stdin().lock()) || !loaded),
    }
}

fn load(session: &Rc<RefCell<Session>>, script: PathBuf) -> bool {
    let outcome = session.borrow_mut().load(&script);
    matches!(show(&session.borrow(), outcome), Next::Go { failed: false })
}

fn interactive(session: &Rc<RefCell<Session>>) -> i32 {
    let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let mut lines = match Lines::new(session.clone(), colours) {
        Ok(lines) => lines,
        Err(error) => {
            eprintln!("error: the terminal cannot be used: {error}");
            return 1;
        }
    };
    loop {
        let prompt = format!("{}> ", session.borrow().next_number());
        match lines.read(&prompt) {
            Ok(Some(text)) => {
                if let Next::Leave = answer(session, &text) {
                    return 0;
                }
            }
            Ok(None) => return 0,
            Err(error) => {
                eprintln!("error: the terminal cannot be read: {error}");
                return 1;
            }
        }
    }
}

/// Evaluates what is piped in, input by input; whether all of it worked.
fn piped(session: &Rc<RefCell<Session>>, input: impl BufRead) -> bool {
    let mut text = String::new();
    let mut good = true;
    let mut lines = input.lines();
    loop {
        let line = lines.next();
        if let Some(Ok(line)) = &line {
            text += line;
            if scan::is_unfinished(&text) {
                text.push('\n');
                continue;
            }
        }
        match answer(session, &std::mem::take(&mut text)) {
            Next::Leave => return good,
            Next::Go { failed } => good &= !failed,
        }
        match line {
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                eprintln!("error: standard input cannot be read: {error}");
                return false;
            }
            None => return good,
        }
    }
}

enum Next {
    Go { failed: bool },
    Leave,
}

/// The inputs that a paste holds, one after the other, where it is no single input.
fn pasted(session: &Session, text: &str) -> Option<Vec<String>> {
    if text.trim().lines().count() < 2 || session.is_valid(text) {
        return None;
    }
    let mut parts = vec![String::new()];
    for line in text.lines() {
        let part = parts.last_mut()?;
        part.push_str(line);
        part.push('\n');
        if !scan::is_unfinished(part) {
            parts.push(String::new());
        }
    }
    parts.retain(|part| !part.trim().is_empty());
    let command = |part: &str| part.trim_start().starts_with([':', '?']);
    let good = |part: &String| command(part) || session.is_valid(part);
    // What is wrong in itself is better reported as a whole.
    (parts.len() > 1 && parts.iter().all(good)).then_some(parts)
}

/// Does what an input asks for, and shows what comes of it.
fn answer(session: &Rc<RefCell<Session>>, text: &str) -> Next {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Next::Go { failed: false };
    }
    if let Some(topic) = help::asked(trimmed) {
        print!("{}", help::answer(&session.borrow(), topic));
        return Next::Go { failed: false };
    }
    if matches!(trimmed, "exit" | "quit") {
        return Next::Leave;
    }
    let parts = pasted(&session.borrow(), text);
    if let Some(parts) = parts {
        let mut failed = false;
        for part in parts {
            match answer(session, &part) {
                Next::Go { failed: false } => {}
                Next::Go { failed: true } => {
                    failed = true;
                    break;
                }
                Next::Leave => return Next::Leave,
            }
        }
        return Next::Go { failed };
    }
    let outcome = match trimmed.starts_with(':') {
        false => session.borrow_mut().input(text),
        true => match commands::run(&mut session.borrow_mut(), trimmed) {
            Reply::Text(text) => {
                print!("{text}");
                return Next::Go {
                    failed: text.starts_with("error:"),
                };
            }
            Reply::Quit => return Next::Leave,
            Reply::Evaluated(outcome) => outcome,
        },
    };
    show(&session.borrow(), outcome)
}

fn show(session: &Session, outcome: Outcome) -> Next {
    let failed = match outcome {
        Outcome::Exit => return Next::Leave,
        Outcome::Done => false,
        Outcome::Value(value, name) => {
            let text = session.shown(&value);
            // What needs several lines begins on one of its own.
            let gap = if text.contains('\n') { "\n" } else { " " };
            session.host().print(&format!("{name} ={gap}{text}"));
            false
        }
        Outcome::Failed(report) => {
            eprint!("{report}");
            true
        }
        Outcome::Interrupted => {
            eprintln!("interrupted; variables are as before, what models learnt so far stays");
            true
        }
    };
    Next::Go { failed }
}
