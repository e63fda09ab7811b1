//! What becomes of what a script may not do: advice, or in a session a question.

use crate::files::{Gate, Refusal, Right};
use crate::interrupt;
use std::collections::HashSet;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

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
        if let Some(real) = refusal.real.filter(|_| at_terminal()) {
            let key = (refusal.right, real.to_owned());
            if !denied.contains(&key) {
                match person_allows(refusal.right, real) {
                    Some(true) => return None,
                    Some(false) => denied.insert(key),
                    None => false,
                };
            }
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

/// Asks once; everything but a clear yes is a no, and a stop no answer.
fn person_allows(right: Right, real: &Path) -> Option<bool> {
    let what = match right {
        Right::Read => "read",
        Right::Write => "write",
    };
    // Quoted, so that no name can write on the terminal.
    eprint!("allow this session to {what} {:?}? [y/N] ", real);
    let _ = std::io::stderr().flush();
    Some(matches!(answer()?.trim(), "y" | "Y" | "yes"))
}

/// A line from the terminal; nothing where a stop is asked for first.
fn answer() -> Option<String> {
    let mut line = Vec::new();
    let mut waiting = libc::pollfd {
        fd: libc::STDIN_FILENO,
        events: libc::POLLIN,
        revents: 0,
    };
    while !interrupt::requested() {
        // SAFETY: the pointer is to one entry of ours.
        match unsafe { libc::poll(&mut waiting, 1, 100) } {
            0 => continue,
            // A signal, most likely Ctrl-C.
            -1 => {
                std::thread::sleep(Duration::from_millis(10));
                continue;
            }
            _ => {}
        }
        let mut part = [0; 256];
        // SAFETY: the pointer is to as many bytes of ours.
        let got = unsafe { libc::read(libc::STDIN_FILENO, part.as_mut_ptr().cast(), part.len()) };
        let part = &part[..usize::try_from(got).unwrap_or(0)];
        line.extend_from_slice(part);
        if part.is_empty() || part.ends_with(b"\n") {
            return Some(String::from_utf8_lossy(&line).into_owned());
        }
    }
    None
}
