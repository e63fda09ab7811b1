//! Errors as people read them: a sentence, the line of the script with what is wrong
//! underlined, and the calls that led there.

use super::host::Host;
use super::sentences::sentence;
use super::sources::Place;
use super::spans::Span;
use crate::interrupt;
use rhai::{Engine, EvalAltResult, Position};
use std::fmt::Write;
use unicode_width::UnicodeWidthChar;

/// How many calls of a chain are shown at either end.
const SHOWN_CALLS: usize = 4;

/// The whole report of an error that ended a script.
pub fn report(engine: &Engine, error: &EvalAltResult) -> String {
    let host = Host::of_engine(engine);
    let (leaf, calls) = unfold(error);
    let place = host.place(leaf.position());
    let sentence = interrupt::limit().unwrap_or_else(|| sentence(engine, leaf, place.as_ref()));
    let mut text = format!("error: {sentence}\n");
    let mut calls: Vec<_> = calls
        .into_iter()
        .rev()
        .map(|(what, position)| (what, host.place(position)))
        // An import that fails to compile, or a native error re-raised, names one place twice.
        .filter(|(_, at)| at.as_ref().map(Place::to_string) != place.as_ref().map(Place::to_string))
        .collect();
    calls.dedup_by_key(|(what, at)| (what.clone(), at.as_ref().map(Place::to_string)));
    let in_library = place
        .as_ref()
        .is_some_and(|place| place.source.name.starts_with("std/"));
    if let Some(place) = place {
        text += &snippet(&Span::of(engine, leaf, place));
    }
    let user_call = calls.iter().position(|(_, at)| {
        at.as_ref()
            .is_some_and(|place| !place.source.name.starts_with("std/"))
    });
    let skipped = calls.len().saturating_sub(2 * SHOWN_CALLS);
    for (index, (what, at)) in calls.into_iter().enumerate() {
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
                    text += &snippet(&Span::token(at));
                }
            }
            // Called by the program: a test.
            None => {
                let _ = writeln!(text, "in {what} by rhobust");
            }
        }
    }
    text
}

/// The sentence of an error without its place.
pub(super) fn message(engine: &Engine, error: &EvalAltResult) -> String {
    let (leaf, _) = unfold(error);
    let place = Host::of_engine(engine).place(leaf.position());
    sentence(engine, leaf, place.as_ref())
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
///    |              ^^^
/// ```
pub(super) fn snippet(span: &Span) -> String {
    /// Characters of a line that are shown on either side of the span's beginning.
    const SIDE: usize = 80;
    let place = &span.place;
    let number = place.line.to_string();
    let margin = " ".repeat(number.len());
    let line: Vec<char> = place
        .text()
        .chars()
        .map(|c| if c == '\t' { ' ' } else { c })
        .collect();
    let at = (place.column - 1).min(line.len());
    let (start, end) = (at.saturating_sub(SIDE), line.len().min(at + SIDE));
    let shown: String = line[start..end].iter().collect();
    let shown = shown.trim_end();
    let columns = |part: &[char]| part.iter().filter_map(|c| c.width()).sum::<usize>();
    let indent = " ".repeat(columns(&line[start..at]));
    let carets = "^".repeat(columns(&line[at..end.min(at + span.width)]).max(1));
    format!("{margin}--> {place}\n{margin} |\n{number} | {shown}\n{margin} | {indent}{carets}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{Settings, compile, engine};

    fn report_of(text: &str) -> String {
        let host = Host::new(Settings::default()).unwrap();
        let engine = engine(host.clone());
        let error = compile(&host, &engine, "x.rhai", None, text.into())
            .and_then(|ast| engine.run_ast(&ast))
            .unwrap_err();
        report(&engine, &error)
    }

    #[test]
    fn the_whole_token_is_underlined() {
        for (text, expected) in [
            ("let a = pgd(#{ eps: 8 });", "pgd"),
            ("let x = 1;\nlet y = x.clampp(2);", "clampp"),
            ("print(\"abc\" - 1);", "-"),
            ("let x = 1 + missing;", "missing"),
            ("import \"nowhere at all\" as n;", "\"nowhere at all\""),
            ("let m = #{};\nprint(m[\"key\"]);", "\"key\""),
            ("fn f() { global::NONE }\nf();", "global::NONE"),
            ("let s = \"abc\nlet t = 1;", "\"abc"),
            ("let x = 1;\nx >>= \"a\";", ">>="),
            ("\tthrow `one ${1 + 1}`;", "throw"),
        ] {
            let report = report_of(text);
            let lines: Vec<&str> = report.lines().collect();
            let marks = lines[4];
            let start = marks.find('^').unwrap();
            let shown = &lines[3][start..start + marks.matches('^').count()];
            assert_eq!(shown, expected, "{report}");
        }
    }

    #[test]
    fn wide_characters_are_underlined_where_they_stand() {
        let report = report_of("let a = \"猫\" - 1;");
        let expected = "1 | let a = \"猫\" - 1;\n  |              ^\n";
        assert!(report.contains(expected), "{report}");
    }
}
