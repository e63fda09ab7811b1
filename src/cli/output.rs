//! What the program says, and the code that it ends with.

use crate::Error;
use crate::script::{Ending, Left};
use crate::sweep::quoted;
use std::io::Write;

/// Exit codes: what a shell or a scheduler can tell apart. Wrong usage is 2, by clap.
pub(super) const FAILED: i32 = 1;
pub(super) const INTERRUPTED: i32 = 130;

/// Tells how it ended; what it was `allowed` has to be said again to go on.
pub(super) fn finish(ending: Ending, allowed: &[String]) -> i32 {
    match ending {
        Ending::Finished => 0,
        Ending::Failed(report) => failed(&report),
        Ending::Interrupted(left) => {
            eprintln!("interrupted");
            tell_what_is_left(left, allowed);
            INTERRUPTED
        }
        Ending::Limited(report, left) => {
            failed(&report);
            tell_what_is_left(left, allowed);
            FAILED
        }
    }
}

fn tell_what_is_left(left: Left, allowed: &[String]) {
    for file in left.checkpoints {
        eprintln!("checkpoint: {}", file.display());
    }
    if let Some(folder) = left.resumable {
        let mut words = ["rhobust", "run", "--resume"].map(str::to_owned).to_vec();
        words.push(folder.display().to_string());
        words.extend_from_slice(allowed);
        eprintln!("to go on: {}", quoted(&words));
    }
}

pub(super) fn failed(report: &str) -> i32 {
    eprint!("{report}");
    FAILED
}

pub(super) fn refused(error: &Error) -> i32 {
    notice(&format!("error: {error}"));
    FAILED
}

/// A closed pipe (`rhobust test . | head`) is no reason to fail.
pub(super) fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints what may come from somebody else.
pub(super) fn tell(text: &str) {
    say(&harmless(text));
}

/// The same, beside the results.
pub(super) fn notice(text: &str) {
    eprintln!("{}", harmless(text));
}

/// Without what moves the cursor or hides a line.
fn harmless(text: &str) -> String {
    let visible = |it: char| match it {
        '\n' | '\t' => it,
        it if it.is_control() => '\u{fffd}',
        it => it,
    };
    text.chars().map(visible).collect()
}
