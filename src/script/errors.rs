//! Errors as people read them: a sentence, the place in the script with its line and a caret,
//! and the calls that led there.

use super::host::Host;
use super::sentences::sentence;
use super::sources::Place;
use rhai::{Engine, EvalAltResult, Position};
use std::fmt::Write;

/// How many calls of a chain are shown at either end.
const SHOWN_CALLS: usize = 4;

/// The whole report of an error that ended a script.
pub fn report(engine: &Engine, error: &EvalAltResult) -> String {
    let host = Host::of_engine(engine);
    let (leaf, calls) = unfold(error);
    let place = host.place(leaf.position());
    let mut text = format!("error: {}\n", sentence(engine, leaf, place.as_ref()));
    let mut calls: Vec<_> = calls
        .into_iter()
        .rev()
        .map(|(what, position)| (what, host.place(position)))
        // An import that fails to compile, or a native error re-raised, names one place twice.
        .filter(|(_, at)| at.as_ref().map(Place::to_string) != place.as_ref().map(Place::to_string))
        .collect();
    calls.dedup_by_key(|(what, at)| (what.clone(), at.as_ref().map(Place::to_string)));
    if let Some(place) = &place {
        text += &snippet(place);
    }
    let in_library = place
        .as_ref()
        .is_some_and(|place| place.source.name.starts_with("std/"));
    let user_call = calls.iter().position(|(_, at)| {
        at.as_ref()
            .is_some_and(|place| !place.source.name.starts_with("std/"))
    });
    let skipped = calls.len().saturating_sub(2 * SHOWN_CALLS);
    for (index, (what, at)) in calls.iter().enumerate() {
        if skipped > 0 && index == SHOWN_CALLS {
            let _ = writeln!(text, "... {skipped} more calls ...");
        }
        if skipped > 0 && (SHOWN_CALLS..SHOWN_CALLS + skipped).contains(&index) {
            continue;
        }
        match at {
            Some(at) => {
                let _ = writeln!(text, "in {what} from {at}");
                if in_library && user_call == Some(index) {
                    text += &snippet(at);
                }
            }
            None => {
                let _ = writeln!(text, "in {what}");
            }
        }
    }
    text
}

/// A finding of `check`: a sentence with its place.
pub fn finding(message: &str, place: Option<&Place>) -> String {
    let mut text = format!("error: {message}\n");
    if let Some(place) = place {
        text += &snippet(place);
    }
    text
}

/// The innermost error and, from the outside in, the calls and imports around it.
fn unfold(error: &EvalAltResult) -> (&EvalAltResult, Vec<(String, Position)>) {
    let mut leaf = error;
    let mut calls = Vec::new();
    loop {
        match leaf {
            EvalAltResult::ErrorInFunctionCall(name, _, inner, position) => {
                let what = match name.starts_with("anon$") {
                    true => "a closure, called".to_owned(),
                    false => format!("function `{name}`, called"),
                };
                calls.push((what, *position));
                leaf = inner;
            }
            EvalAltResult::ErrorInModule(path, inner, position) => {
                calls.push((format!("module \"{path}\", imported"), *position));
                leaf = inner;
            }
            _ => return (leaf, calls),
        }
    }
}

/// ```text
///   --> scripts/adv.rhai:14:14
///    |
/// 14 | let attack = pgd(#{ eps: 8.0 });
///    |              ^
/// ```
fn snippet(place: &Place) -> String {
    /// Characters of a line that are shown on either side of the caret.
    const SIDE: usize = 80;
    let number = place.line.to_string();
    let margin = " ".repeat(number.len());
    let line: Vec<char> = place
        .text()
        .chars()
        .map(|c| if c == '\t' { ' ' } else { c })
        .collect();
    let caret = (place.column - 1).min(line.len());
    let start = caret.saturating_sub(SIDE);
    let shown: String = line[start..line.len().min(caret + SIDE)].iter().collect();
    let shown = shown.trim_end();
    format!(
        "{margin}--> {place}\n{margin} |\n{number} | {shown}\n{margin} | {}^\n",
        " ".repeat(caret - start)
    )
}
