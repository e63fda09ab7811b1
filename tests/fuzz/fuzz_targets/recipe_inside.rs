#![no_main]
//! What is in a recipe, behind its hashes: a line is the description, the next what is expected,
//! and the rest the list of inputs.

use libfuzzer_sys::fuzz_target;
use rhobust::recipe::Recipe;
use serde_json::{Value, json};
use std::io::{Cursor, Write};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

fn hash(content: &[u8]) -> String {
    blake3::hash(content).to_hex().to_string()
}

fn archive(about: &str, expected: &str, inputs: &str) -> Option<Vec<u8>> {
    let mut about: Value = serde_json::from_str(about).ok()?;
    // Under whatever name it lies, the script is there.
    let script = format!("script/{}", about.get("script")?.as_str()?);
    let entries = [
        ("expected.json", expected),
        ("inputs.csv", inputs),
        (&script, "print(1);"),
    ];
    let hashes = entries.map(|(name, text)| (name.to_owned(), json!(hash(text.as_bytes()))));
    about["contents"] = Value::Object(hashes.into_iter().collect());
    let about = about.to_string();
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let seal = format!(
        "rhobust recipe, BLAKE3 of recipe.json {}",
        hash(about.as_bytes())
    );
    zip.set_comment(seal).ok()?;
    for (name, text) in [("recipe.json", about.as_str())].into_iter().chain(entries) {
        zip.start_file(name, SimpleFileOptions::default()).ok()?;
        zip.write_all(text.as_bytes()).ok()?;
    }
    Some(zip.finish().ok()?.into_inner())
}

fuzz_target!(|text: &str| {
    let mut parts = text.splitn(3, '\n');
    let mut part = || parts.next().unwrap_or_default();
    if let Some(archive) = archive(part(), part(), part())
        && let Ok(recipe) = Recipe::decode(&archive)
    {
        let _ = (recipe.about.name(), recipe.about.wanted().len());
        let again = recipe.encode().expect("what was read can be written");
        assert_eq!(
            Recipe::decode(&again).ok().map(|it| it.expected),
            Some(recipe.expected)
        );
    }
});
