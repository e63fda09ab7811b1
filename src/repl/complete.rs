//! What may follow the cursor: names, members of what stands before a dot, options of the
//! call around it and their values, library modules, files.

use super::infer;
use super::scan::{KEYWORDS, Kind, Piece, open_brackets, scan};
use super::session::Session;
use crate::script::{
    self,
    docs::{OptionDoc, docs},
};
use rustyline::completion::{FilenameCompleter, Pair};
use std::collections::BTreeSet;

/// Where the completed word begins, and what it may become.
pub fn complete(session: &Session, line: &str, cursor: usize) -> (usize, Vec<Pair>) {
    let input = &line[..cursor];
    let pieces = scan(input);
    if let Some(last) = pieces.last().filter(|piece| piece.open) {
        return match last.kind {
            Kind::String => in_string(session, input, &pieces),
            _ => (cursor, Vec::new()),
        };
    }
    if let Some((start, names)) = command(input) {
        return (start, pairs(names, &input[start..]));
    }
    if let Some(start) = path_of_command(input) {
        let files = FilenameCompleter::new().complete_path(&input[start..], cursor - start);
        return files.map_or((cursor, Vec::new()), |(inner, files)| {
            (start + inner, files)
        });
    }
    // The word at the cursor and the pieces before it.
    let (word, before) = match pieces.split_last() {
        Some((last, before))
            if last.range.end == cursor && matches!(last.kind, Kind::Name | Kind::Keyword) =>
        {
            (last.text(input), before)
        }
        _ => ("", &pieces[..]),
    };
    let candidates = match before.last().map(|piece| piece.text(input)) {
        Some(".") => members(session, input, before),
        Some("::") => module_functions(session, input, before),
        Some(":") => option_values(session, input, before)
            .iter()
            .map(|value| format!("\"{value}\""))
            .chain(
                names(session, input, before)
                    .into_iter()
                    .filter(|_| !word.is_empty()),
            )
            .collect(),
        Some("#{" | ",") => {
            option_names(session, input, before).unwrap_or_else(|| names(session, input, before))
        }
        // An empty word would list everything there is.
        _ if word.is_empty() => BTreeSet::new(),
        _ => names(session, input, before),
    };
    (cursor - word.len(), pairs(candidates, word))
}

fn pairs(candidates: impl IntoIterator<Item = String>, word: &str) -> Vec<Pair> {
    candidates
        .into_iter()
        .filter(|candidate| candidate.starts_with(word))
        .map(|candidate| Pair {
            display: candidate.trim_end_matches([':', ' ']).to_owned(),
            replacement: candidate,
        })
        .collect()
}

/// Everything that a bare word can be.
fn names(session: &Session, input: &str, before: &[Piece]) -> BTreeSet<String> {
    let variables = session.variables().into_iter().map(|(name, _)| name);
    let here = before.iter().filter(|piece| piece.kind == Kind::Name);
    let here = here.map(|piece| piece.text(input).to_owned());
    let own = session.own_functions().into_iter().map(|(name, _)| name);
    let native = session
        .functions()
        .names()
        .filter(|name| is_word(name))
        .map(str::to_owned);
    let modules = session.imports().map(|name| format!("{name}::"));
    let keywords = KEYWORDS.iter().map(|word| word.to_string());
    variables
        .chain(here)
        .chain(own)
        .chain(native)
        .chain(modules)
        .chain(keywords)
        .collect()
}

fn is_word(name: &str) -> bool {
    name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// Properties and methods of the expression before the dot; keys, if it is a map's value.
fn members(session: &Session, input: &str, before: &[Piece]) -> BTreeSet<String> {
    let Some(known) = infer::before(session, input, before, before.len() - 1) else {
        return BTreeSet::new();
    };
    let keys: Vec<String> = match &known {
        infer::Known::Value(value) => value
            .as_map_ref()
            .map(|map| map.keys().map(|key| key.to_string()).collect())
            .unwrap_or_default(),
        infer::Known::Type(_) => Vec::new(),
    };
    // The entries of a map are what is looked for; its methods would drown them.
    if !keys.is_empty() {
        return keys.into_iter().filter(|key| is_word(key)).collect();
    }
    let word = known.type_word(session);
    let functions = session.functions();
    let all = functions
        .properties(&word)
        .into_iter()
        .chain(functions.methods(&word));
    all.filter(|name| is_word(name))
        .map(str::to_owned)
        .collect()
}

/// What `train::` offers.
fn module_functions(session: &Session, input: &str, before: &[Piece]) -> BTreeSet<String> {
    let alias = before.len().checked_sub(2).map(|at| before[at].text(input));
    alias
        .map(|alias| session.module_functions(alias))
        .unwrap_or_default()
}

/// The options of the call around the cursor, and where their map begins; none outside of a map
/// in a call.
fn options(
    session: &Session,
    input: &str,
    before: &[Piece],
) -> Option<(&'static [OptionDoc], usize)> {
    let open = open_brackets(before);
    let [.., call, map] = open.as_slice() else {
        return None;
    };
    if before[*map].text(input) != "#{" || before[*call].text(input) != "(" {
        return None;
    }
    let function = session.called(input, &before[..*call])?;
    Some((docs().options(&function)?, *map))
}

/// The options of the call around the cursor that are not there yet.
fn option_names(session: &Session, input: &str, before: &[Piece]) -> Option<BTreeSet<String>> {
    let (options, map) = options(session, input, before)?;
    let given: Vec<&str> = before[map..]
        .windows(2)
        .filter(|pair| pair[1].text(input) == ":")
        .map(|pair| pair[0].text(input))
        .collect();
    let missing = options
        .iter()
        .filter(|option| !given.contains(&option.name.as_str()));
    Some(missing.map(|option| format!("{}: ", option.name)).collect())
}

/// The strings that an option before a `:` at the end can be.
fn option_values(session: &Session, input: &str, before: &[Piece]) -> Vec<String> {
    let key = before.len().checked_sub(2).map(|at| before[at].text(input));
    let found = options(session, input, before);
    let option = found.and_then(|(options, _)| options.iter().find(|it| Some(&*it.name) == key));
    option.map_or_else(Vec::new, OptionDoc::values)
}

/// The strings that an argument of the call around the cursor can be, and whether a path can
/// stand there, too.
fn argument_values(session: &Session, input: &str, before: &[Piece]) -> (Vec<String>, bool) {
    let open = open_brackets(before);
    let call = open.last().filter(|at| before[**at].text(input) == "(");
    let function = call.and_then(|at| session.called(input, &before[..*at]));
    let entries = function.map_or_else(Vec::new, |function| docs().find(&function));
    let mut values = BTreeSet::new();
    let mut or_path = true;
    for entry in entries {
        let (some, path) = entry.argument_values();
        values.extend(some);
        or_path &= path;
    }
    (values.into_iter().collect(), or_path)
}

/// A library module behind `import`, what an option or an argument can be, else a file.
fn in_string(session: &Session, input: &str, pieces: &[Piece]) -> (usize, Vec<Pair>) {
    let Some((string, before)) = pieces.split_last() else {
        return (input.len(), Vec::new());
    };
    let start = string.range.start;
    let text = &input[start..];
    let mut or_file = false;
    let known: Vec<String> = match before.last().map(|piece| piece.text(input)) {
        Some("import") => {
            let modules = script::stdlib().iter();
            modules.map(|(name, _)| name.to_string()).collect()
        }
        Some(":") => option_values(session, input, before),
        Some("(" | ",") => {
            let (values, or_path) = argument_values(session, input, before);
            or_file = or_path;
            values
        }
        _ => Vec::new(),
    };
    let known = pairs(known, text.trim_start_matches('"'));
    match FilenameCompleter::new().complete_path(text, text.len()) {
        Ok((inner, files)) if known.is_empty() => (start + inner, files),
        // Both replace all that is behind the quote.
        Ok((1, files)) if or_file => (start + 1, known.into_iter().chain(files).collect()),
        _ => (start + 1, known),
    }
}

/// `:wh` is `:who`.
fn command(input: &str) -> Option<(usize, Vec<String>)> {
    let word = input.trim_start().strip_prefix(':')?;
    let open = !word.contains(char::is_whitespace);
    let names = super::commands::NAMES.iter().map(|name| name.to_string());
    open.then(|| (input.len() - word.len(), names.collect()))
}

/// Where the path begins that a command takes without quotes.
fn path_of_command(input: &str) -> Option<usize> {
    let (name, path) = input.trim_start().strip_prefix(':')?.split_once(' ')?;
    let takes_path = ["load", "save", "allow-read", "allow-write"].contains(&name);
    takes_path.then(|| input.len() - path.trim_start().len())
}
