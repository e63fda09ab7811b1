//! `:save`: the inputs that worked, as a script that runs.
//!
//! What trained a model is not done again: the weights are written beside the script, which
//! loads them where the training was.

use super::results;
use super::scan::{Kind, Piece, partner, scan};
use super::session::Accepted;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::ops::Range;
use std::path::Path;

/// What the script needs to know besides the inputs.
pub struct Replay<'a> {
    pub inputs: &'a [Accepted],
    /// The first lines.
    pub head: String,
    /// The number of inputs before which a model gets its weights, its name, and their file.
    pub weights: Vec<(usize, String, String)>,
    /// The value of a variable as an expression, if it is plain data.
    pub literal: &'a dyn Fn(&str) -> Option<String>,
}

/// The script. Results that later inputs use by name become variables.
pub fn script(replay: &Replay) -> String {
    let inputs = replay.inputs;
    let last_result = |before: usize| {
        inputs
            .iter()
            .rev()
            .find(|it| it.has_result && it.number < before)
            .map(|it| it.number)
    };
    // `_` means another result in each input.
    let meant = |name: &str, number: usize| match name {
        "_" => last_result(number),
        name => name[1..].parse().ok(),
    };
    let texts: Vec<_> = inputs
        .iter()
        .enumerate()
        .map(|(at, input)| {
            let text = without_replaced_functions(&input.text, &inputs[at + 1..]);
            let text = with_reachable_imports(&text, input.folder.as_deref());
            replace_results(&text, |name| meant(name, input.number))
        })
        .collect();
    let used: BTreeSet<usize> = texts.iter().flat_map(|(_, used)| used.clone()).collect();
    let mut script = replay.head.clone();
    for (at, (input, (text, _))) in inputs.iter().zip(&texts).enumerate() {
        let is_used = used.contains(&input.number);
        let done_before = match input.trained {
            true => replay.data_of(input, is_used),
            false => None,
        };
        let weights = replay.loaded_at(at);
        if input.failed {
            script += &weights;
            script += &commented("This script did not come to its end:", text);
        } else if let Some(data) = done_before {
            script += &weights;
            script += &commented("Done before; its outcome is loaded:", text);
            script += &data;
        } else if input.trained {
            script += &statement(text, is_used.then_some(input.number));
            script += &weights;
        } else {
            script += &weights;
            script += &statement(text, is_used.then_some(input.number));
        }
    }
    script += &replay.loaded_at(inputs.len());
    script
}

impl Replay<'_> {
    /// The lines that load weights before input `at`.
    fn loaded_at(&self, at: usize) -> String {
        let here = self.weights.iter().filter(|(place, ..)| *place == at);
        here.map(|(_, model, file)| format!("{model}.load({file:?});\n"))
            .collect()
    }

    /// What an input declared, and its result if it is used, as declarations of plain data;
    /// `None` if some of it is something else.
    fn data_of(&self, input: &Accepted, is_used: bool) -> Option<String> {
        let mut text = String::new();
        for name in &input.declared {
            let _ = writeln!(text, "let {name} = {};", (self.literal)(name)?);
        }
        if is_used {
            let number = input.number;
            let value = (self.literal)(&format!("_{number}"))?;
            let _ = writeln!(text, "let {} = {value};", variable(number));
        }
        Some(text)
    }
}

fn commented(title: &str, text: &str) -> String {
    let lines = text.trim_end().lines();
    let lines: String = lines.map(|line| format!("//     {line}\n")).collect();
    format!("// {title}\n{lines}")
}

/// The text of an input as statements that others can follow; its value is kept in a variable
/// if others use it.
fn statement(text: &str, kept_as: Option<usize>) -> String {
    let text = text.trim_end();
    let Some(last) = statements(text).pop() else {
        // Nothing, or comments alone.
        return match text {
            "" => String::new(),
            text => format!("{text}\n"),
        };
    };
    let (before, rest) = text.split_at(last.start);
    let (value, behind) = rest.split_at(last.len());
    let end = match value.ends_with(';') || begins_block(value) {
        true => "",
        false => ";",
    };
    let value = match kept_as {
        Some(number) => {
            let value = value.strip_prefix("return ").unwrap_or(value);
            let value = value.trim_end_matches(';');
            format!("let {} = {value};", variable(number))
        }
        None => format!("{value}{end}"),
    };
    format!("{before}{value}{behind}\n")
}

/// Whether a statement is one that needs no semicolon.
fn begins_block(statement: &str) -> bool {
    let first = scan(statement).first().map(|piece| piece.text(statement));
    first.is_some_and(is_block)
}

fn is_block(keyword: &str) -> bool {
    matches!(
        keyword,
        "fn" | "private" | "if" | "for" | "while" | "loop" | "switch" | "try"
    )
}

/// Where the statements of a text are, each with its semicolon, comments between them left out.
fn statements(text: &str) -> Vec<Range<usize>> {
    let pieces: Vec<Piece> = scan(text)
        .into_iter()
        .filter(|piece| piece.kind != Kind::Comment)
        .collect();
    let goes_on = |next: Option<&Piece>| {
        next.is_some_and(|next| {
            let word = next.text(text);
            let joins = matches!(word, "else" | "catch" | "while" | "until" | "(" | "[");
            joins || next.kind == Kind::Symbol
        })
    };
    let mut found = Vec::new();
    let mut depth = 0_i32;
    let mut first: Option<usize> = None;
    for (at, piece) in pieces.iter().enumerate() {
        let start = *first.get_or_insert(at);
        let block = is_block(pieces[start].text(text));
        let mut ends = at + 1 == pieces.len();
        match piece.kind {
            Kind::Open => depth += 1,
            Kind::Close => {
                depth -= 1;
                let function = matches!(pieces[start].text(text), "fn" | "private");
                let closed = depth == 0 && block && piece.text(text) == "}";
                ends |= closed && (function || !goes_on(pieces.get(at + 1)));
            }
            Kind::Symbol => ends |= depth == 0 && piece.text(text) == ";",
            _ => {}
        }
        if ends {
            found.push(pieces[start].range.start..piece.range.end);
            first = None;
        }
    }
    found
}

/// A loaded script imports what lies beside it; the saved one may lie elsewhere.
fn with_reachable_imports(text: &str, folder: Option<&Path>) -> String {
    let Some(folder) = folder.filter(|folder| !folder.as_os_str().is_empty()) else {
        return text.to_owned();
    };
    let pieces = scan(text);
    let mut replaced = text.to_owned();
    for pair in pieces.windows(2).rev() {
        let path = pair[1].text(text).trim_matches('"');
        let beside = pair[0].text(text) == "import" && !path.starts_with("std/");
        if beside && pair[1].kind == Kind::String {
            let path = folder.join(path).display().to_string();
            replaced.replace_range(pair[1].range.clone(), &format!("{path:?}"));
        }
    }
    replaced
}

fn variable(number: usize) -> String {
    format!("result_{number}")
}

/// The text with results as variables, and the numbers of those.
fn replace_results(text: &str, meant: impl Fn(&str) -> Option<usize>) -> (String, BTreeSet<usize>) {
    let mut replaced = String::new();
    let mut used = BTreeSet::new();
    let mut end = 0;
    let pieces = scan(text);
    for (at, piece) in pieces.iter().enumerate() {
        let name = piece.text(text);
        let case = pieces
            .get(at + 1)
            .is_some_and(|next| text[next.range.start..].starts_with("=>"));
        if piece.kind != Kind::Name || !results::is_name(name) || case {
            continue;
        }
        let Some(number) = meant(name) else { continue };
        replaced += &text[end..piece.range.start];
        replaced += &variable(number);
        end = piece.range.end;
        used.insert(number);
    }
    replaced += &text[end..];
    (replaced, used)
}

/// The functions that a text defines: name, number of parameters, and where.
fn functions(text: &str) -> Vec<(&str, usize, Range<usize>)> {
    let pieces = scan(text);
    let mut found = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        if piece.text(text) != "fn" || piece.kind != Kind::Keyword {
            continue;
        }
        let (Some(name), Some(close)) = (pieces.get(at + 1), partner(&pieces, at + 2)) else {
            continue;
        };
        let parameters = pieces[at + 2..close]
            .iter()
            .filter(|it| it.kind == Kind::Name)
            .count();
        if let Some(end) = partner(&pieces, close + 1) {
            let range = piece.range.start..pieces[end].range.end;
            found.push((name.text(text), parameters, range));
        }
    }
    found
}

/// A script may define a function once, a session corrects it: the last one stays.
fn without_replaced_functions(text: &str, later: &[Accepted]) -> String {
    let later: Vec<_> = later
        .iter()
        .flat_map(|input| functions(&input.text))
        .collect();
    let mut kept = text.to_owned();
    for (name, parameters, range) in functions(text).into_iter().rev() {
        if later.iter().any(|it| (it.0, it.1) == (name, parameters)) {
            kept.replace_range(range, "");
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The script of inputs, each with whether it has a result.
    fn saved(inputs: &[(&str, bool)]) -> String {
        let inputs: Vec<_> = (1..)
            .zip(inputs)
            .map(|(number, (text, has_result))| accepted(number, text, *has_result))
            .collect();
        script(&Replay {
            inputs: &inputs,
            head: String::new(),
            weights: Vec::new(),
            literal: &|_| None,
        })
    }

    fn accepted(number: usize, text: &str, has_result: bool) -> Accepted {
        Accepted {
            number,
            text: text.to_owned(),
            has_result,
            folder: None,
            declared: Vec::new(),
            trained: false,
            failed: false,
        }
    }

    #[test]
    fn a_corrected_function_is_saved_once() {
        let inputs = [
            ("fn f(a) { a + 1 }", false),
            ("let x = 1; fn f(a, b) { a }", false),
            ("fn f(a) { a + 2 }", false),
        ];
        assert_eq!(
            saved(&inputs),
            "let x = 1; fn f(a, b) { a }\nfn f(a) { a + 2 }\n"
        );
    }

    #[test]
    fn used_results_become_variables() {
        let inputs = [
            ("let x = 2", false),
            ("x + 1", true),
            ("let y = 5; y * 2;", true),
            ("_ + _2", true),
            ("switch x { 1 => 2, _ => 3 }", true),
            ("`${_4} is it`", true),
            ("fn g() { 1 } g()", true),
            ("return 5", true),
            ("_ + _7", true),
        ];
        assert_eq!(
            saved(&inputs),
            "let x = 2;\nlet result_2 = x + 1;\nlet y = 5; let result_3 = y * 2;\n\
             let result_4 = result_3 + result_2;\nswitch x { 1 => 2, _ => 3 }\n\
             `${result_4} is it`;\nfn g() { 1 } let result_7 = g();\nlet result_8 = 5;\n\
             result_8 + result_7;\n"
        );
    }

    #[test]
    fn every_statement_gets_its_end() {
        for (input, expected) in [
            ("let m = #{ a: 1 }", "let m = #{ a: 1 };\n"),
            ("let f = |x| { x + 1 }", "let f = |x| { x + 1 };\n"),
            ("let z = 3 // a note", "let z = 3; // a note\n"),
            ("if a { 1 } else { 2 }", "if a { 1 } else { 2 }\n"),
            ("// nothing", "// nothing\n"),
        ] {
            assert_eq!(saved(&[(input, false)]), expected);
        }
    }

    #[test]
    fn training_is_not_done_again() {
        let mut inputs = vec![
            accepted(1, "let model = resnet18(#{ outputs: 3 });", false),
            accepted(2, "let losses = train::fit(model);", false),
            accepted(3, "let sgd = more(model)", false),
        ];
        for (input, name) in inputs.iter_mut().zip(["model", "losses", "sgd"]) {
            input.declared = vec![name.to_owned()];
            input.trained = name != "model";
        }
        let script = script(&Replay {
            inputs: &inputs,
            head: "seed(5);\n".into(),
            weights: vec![(1, "model".into(), "a.model.safetensors".into())],
            literal: &|name| (name == "losses").then(|| "[0.5]".into()),
        });
        assert_eq!(
            script,
            "seed(5);\nlet model = resnet18(#{ outputs: 3 });\n\
             model.load(\"a.model.safetensors\");\n\
             // Done before; its outcome is loaded:\n\
             //     let losses = train::fit(model);\nlet losses = [0.5];\n\
             let sgd = more(model);\n"
        );
    }

    #[test]
    fn imports_of_a_loaded_script_are_found_from_elsewhere() {
        let mut input = accepted(1, "import \"lib\" as l; import \"std/train\" as t;", false);
        input.folder = Some("sub".into());
        let script = script(&Replay {
            inputs: &[input],
            head: String::new(),
            weights: Vec::new(),
            literal: &|_| None,
        });
        assert_eq!(
            script,
            "import \"sub/lib\" as l; import \"std/train\" as t;\n"
        );
    }
}
