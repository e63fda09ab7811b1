//! `:save`: the inputs that worked, as a script that runs.

use super::results;
use super::scan::{Kind, partner, scan};
use super::session::Accepted;
use std::collections::BTreeSet;
use std::ops::Range;

/// The script. Results that later inputs use by name become variables.
pub fn script(inputs: &[Accepted]) -> String {
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
            replace_results(&text, |name| meant(name, input.number))
        })
        .collect();
    let used: BTreeSet<usize> = texts.iter().flat_map(|(_, used)| used.clone()).collect();
    let mut script = String::new();
    for (input, (text, _)) in inputs.iter().zip(&texts) {
        let text = text.trim_end();
        if text.is_empty() {
            continue;
        }
        match used.contains(&input.number) {
            true => {
                let (before, value) = split_value(text);
                script += before;
                script += &format!("let {} = {};\n", variable(input.number), value);
            }
            false => {
                script += text;
                script += if text.ends_with([';', '}']) {
                    "\n"
                } else {
                    ";\n"
                };
            }
        }
    }
    script
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

/// What comes before the last expression of an input, and that expression.
fn split_value(text: &str) -> (&str, &str) {
    let text = text.trim_end_matches(';');
    let mut depth = 0_i32;
    let mut start = 0;
    for piece in scan(text) {
        match piece.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth -= 1,
            Kind::Symbol if depth == 0 && piece.text(text) == ";" => start = piece.range.end,
            _ => {}
        }
    }
    let value = text[start..].trim_start();
    text.split_at(text.len() - value.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_corrected_function_is_saved_once() {
        let inputs = [
            "fn f(a) { a + 1 }",
            "let x = 1; fn f(a, b) { a }",
            "fn f(a) { a + 2 }",
        ];
        let inputs: Vec<_> = (1..)
            .zip(inputs)
            .map(|(number, text)| Accepted {
                number,
                text: text.to_owned(),
                has_result: false,
            })
            .collect();
        assert_eq!(
            script(&inputs),
            "let x = 1; fn f(a, b) { a }\nfn f(a) { a + 2 }\n"
        );
    }

    #[test]
    fn used_results_become_variables() {
        let inputs: Vec<_> = [
            ("let x = 2", false),
            ("x + 1", true),
            ("let y = 5; y * 2;", true),
            ("_ + _2", true),
            ("switch x { 1 => 2, _ => 3 }", true),
        ]
        .into_iter()
        .enumerate()
        .map(|(at, (text, has_result))| Accepted {
            number: at + 1,
            text: text.to_owned(),
            has_result,
        })
        .collect();
        assert_eq!(
            script(&inputs),
            "let x = 2;\nlet result_2 = x + 1;\nlet y = 5; let result_3 = y * 2;\n\
             result_3 + result_2;\nswitch x { 1 => 2, _ => 3 }\n"
        );
    }
}
