//! The layers of the house: who may name whom.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => sources(&path, found),
            false if path.extension().is_some_and(|it| it == "rs") => found.push(path),
            false => {}
        }
    }
}

/// Whether `word` stands in `line`, not as the end of a longer one: `Batch::new` is not tch's.
fn names_it(line: &str, word: &str) -> bool {
    let whole = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| whole(at))
}

/// Files beneath `src` whose code, comments aside, holds one of `words`, unless they lie in
/// one of `places`.
fn strangers(words: &[&str], places: &[&str]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 50, "the sources were not found");
    let names = |text: &str| {
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        code.flat_map(|line| words.iter().map(move |word| names_it(line, word)))
            .any(|it| it)
    };
    files
        .into_iter()
        .filter(|path| names(&fs::read_to_string(path).unwrap()))
        .map(|path| path.strip_prefix(&root).unwrap().display().to_string())
        .filter(|path| !places.iter().any(|place| path.starts_with(place)))
        .collect()
}

#[test]
fn only_the_torch_layer_names_tch() {
    let none: Vec<String> = Vec::new();
    assert_eq!(strangers(&["tch::", "torch_sys::"], &["torch/"]), none);
}

#[test]
fn only_the_script_layer_names_rhai() {
    let none: Vec<String> = Vec::new();
    assert_eq!(
        strangers(&["rhai::"], &["script/", "repl/", "cli/", "main.rs"]),
        none
    );
}

#[test]
fn the_domain_knows_nothing_of_scripts() {
    let above = ["crate::script", "crate::repl", "crate::cli"];
    let none: Vec<String> = Vec::new();
    assert_eq!(
        strangers(&above, &["script/", "repl/", "cli/", "main.rs"]),
        none
    );
}

#[test]
fn the_torch_layer_knows_nothing_of_the_domain() {
    let domain = [
        "attack", "data", "label", "metrics", "nn", "report", "run", "train",
    ];
    let words: Vec<String> = domain.iter().map(|it| format!("crate::{it}::")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let all = strangers(&words, &[]);
    let below: Vec<&String> = all
        .iter()
        .filter(|path| path.starts_with("torch/"))
        .collect();
    assert!(below.is_empty(), "{below:?}");
}

/// A script's files are opened in one place, which is handed paths; the domain gets what is open.
#[test]
fn the_domain_opens_no_files_by_itself() {
    let domain = ["attack/", "data/", "label/", "metrics/", "nn/", "train/"];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let opens = |path: &&PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        ["fs::", "canonicalize", "OpenOptions"]
            .iter()
            .any(|word| code.contains(word))
    };
    let inside = |path: &&PathBuf| {
        let path = path.strip_prefix(&root).unwrap().display().to_string();
        domain.iter().any(|it| path.starts_with(it)) && !path.ends_with("tests.rs")
    };
    let found: Vec<_> = files.iter().filter(inside).filter(opens).collect();
    assert!(found.is_empty(), "{found:?}");
}
