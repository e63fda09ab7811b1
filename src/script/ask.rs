//! What becomes of what a script may not do: advice, or in a session a question.

use crate::files::{Gate, Refusal, Right};
use crate::interrupt;
use std::collections::HashSet;
use std::io::{BufRead, IsTerminal, Write};
use std::os::fd::AsRawFd;
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
    matches!(answer().as_deref().map(str::trim), Some("y" | "Y" | "yes"))
}

/// A line from the terminal; nothing where a stop is asked for first.
fn answer() -> Option<String> {
    let stdin = std::io::stdin().lock();
    let mut waiting = libc::pollfd {
        fd: stdin.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    while !interrupt::requested() {
        // SAFETY: the pointer is to one entry of ours.
        if unsafe { libc::poll(&mut waiting, 1, 100) } > 0 {
            return stdin.lines().next()?.ok();
        }
    }
    None
}
