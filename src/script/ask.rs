//! What becomes of what a script may not do: advice, or in a session a question.

use crate::files::{Gate, Refusal, Right};
use std::collections::HashSet;
use std::io::{BufRead, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

/// A gate that lets nothing through yet. In a session on a terminal it asks the person there.
pub(super) fn gate(interactive: bool) -> Gate {
    if !interactive {
        return Gate::new(|refusal| {
            let (flag, path) = (flag(refusal), refusal.needed.display());
            Some(format!("start it with --{flag} {path} if it should"))
        });
    }
    let denied = Mutex::new(HashSet::new());
    Gate::new(move |refusal| {
        let mut denied = denied.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (refusal.right, refusal.real.to_owned());
        if !denied.contains(&key) && at_terminal() {
            if person_allows(refusal) {
                return None;
            }
            denied.insert(key);
        }
        let (flag, path) = (flag(refusal), refusal.needed.display());
        Some(format!("`:{flag} {path}` allows it"))
    })
}

fn flag(refusal: &Refusal) -> &'static str {
    match refusal.right {
        Right::Read => "allow-read",
        Right::Write => "allow-write",
    }
}

fn at_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks once; everything but a clear yes is a no.
fn person_allows(refusal: &Refusal) -> bool {
    let what = match refusal.right {
        Right::Read => "read",
        Right::Write => "write",
    };
    // Quoted, so that no name can write on the terminal.
    eprint!("allow this session to {what} {:?}? [y/N] ", refusal.real);
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}
