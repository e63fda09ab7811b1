//! What runs, models and files are called.

use crate::files::resolved;
use std::path::{Path, PathBuf};

/// The shortest ends of the folders' paths that tell them apart.
pub fn run_names(folders: &[PathBuf]) -> Vec<String> {
    let folders: Vec<PathBuf> = folders.iter().map(|it| resolved(it)).collect();
    let end = |folder: &Path, parts: usize| -> String {
        let all: Vec<_> = folder.iter().collect();
        let from = all.len().saturating_sub(parts);
        all[from..]
            .iter()
            .collect::<PathBuf>()
            .display()
            .to_string()
    };
    let most = folders.iter().map(|it| it.iter().count()).max();
    let apart = |parts: &usize| {
        let mut names: Vec<String> = folders.iter().map(|it| end(it, *parts)).collect();
        names.sort();
        names.windows(2).all(|pair| pair[0] != pair[1])
    };
    let most = most.unwrap_or(1);
    let parts = (1..=most).find(apart).unwrap_or(most);
    folders.iter().map(|it| end(it, parts)).collect()
}

/// The place of a model on the page: the paper's first, in its order, the others as they come.
pub fn rank(model: &str) -> usize {
    let order = ["Standard", "Adv", "Adv+"];
    order
        .iter()
        .position(|it| *it == model)
        .unwrap_or(order.len())
}

/// A name for a file: small letters, digits and dashes.
pub fn slug(text: &str) -> String {
    let mut slug = String::new();
    for letter in text
        .replace('+', "-plus")
        .replace('∞', "inf")
        .to_lowercase()
        .chars()
    {
        match letter.is_ascii_alphanumeric() {
            true => slug.push(letter),
            false if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            false => {}
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "x" } else { slug }.to_owned()
}

/// `gaussian_noise` as people write it.
pub fn spoken(name: &str) -> String {
    match name {
        "jpeg_compression" => "JPEG compression".to_owned(),
        _ => name.replace('_', " "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_told_apart_by_as_little_as_possible() {
        let names = |paths: &[&str]| {
            let folders: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
            run_names(&folders)
        };
        assert_eq!(names(&["/no/a", "/no/b"]), ["a", "b"]);
        assert_eq!(names(&["/no/a/run", "/no/b/run"]), ["a/run", "b/run"]);
        assert_eq!(names(&["/no/a"]), ["a"]);
    }

    #[test]
    fn slugs_are_safe_as_files() {
        assert_eq!(slug("Adv+"), "adv-plus");
        assert_eq!(slug("pgd, eps 0.03 / ü"), "pgd-eps-0-03");
        assert_eq!(slug("../"), "x");
    }
}
