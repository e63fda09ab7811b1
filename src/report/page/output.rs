//! Where the report goes.

use super::block::{Block, Sheet};
use super::document::{Page, is_report};
use crate::files::write_whole;
use crate::report::figure::Figure;
use crate::{Error, Result};
use std::fs;
use std::path::{Path, PathBuf};

const PAGE: &str = "index.html";
const FIGURES: &str = "figures";
const DATA: &str = "data";

fn is_file(out: &Path) -> bool {
    let ending = out.extension().and_then(|it| it.to_str());
    matches!(ending, Some("html" | "htm"))
}

/// What cannot be read is none.
fn is_page(file: &Path) -> bool {
    fs::read_to_string(file).is_ok_and(|it| is_report(&it))
}

/// Refuses a place that holds something else than a report.
pub fn check(out: &Path) -> Result<()> {
    let shown = out.display();
    if is_file(out) {
        ensure!(
            !out.is_dir(),
            "{shown} must be a file for the page, is a folder"
        );
        ensure!(
            !out.exists() || is_page(out),
            "{shown} must be new or an earlier report, but is another file; give `--out` another \
             name, or move that file away"
        );
        return Ok(());
    }
    if !out.exists() {
        return Ok(());
    }
    ensure!(
        out.is_dir(),
        "{shown} must be a folder, or a file that ends in .html; there is another file"
    );
    let mut entries = fs::read_dir(out).map_err(|error| Error::io(out, &error))?;
    ensure!(
        entries.next().is_none() || is_page(&out.join(PAGE)),
        "{shown} must be new, empty or hold an earlier report, but holds something else"
    );
    Ok(())
}

/// Writes the page, and into a folder the figures and their data too. Returns the page's path.
pub fn write(page: &Page, out: &Path) -> Result<PathBuf> {
    let html = page.html()?;
    if is_file(out) {
        let folder = out.parent().filter(|it| !it.as_os_str().is_empty());
        folder.map_or(Ok(()), create)?;
        write_whole(out, html.as_bytes())?;
        return Ok(out.to_owned());
    }
    let (figures, data) = (out.join(FIGURES), out.join(DATA));
    let mut kept = Vec::new();
    for folder in [out, &figures, &data] {
        create(folder)?;
    }
    let mut put = |path: PathBuf, bytes: &[u8]| {
        write_whole(&path, bytes)?;
        kept.push(path);
        Ok::<(), Error>(())
    };
    for block in page.blocks() {
        let files = files_of(block, &figures, &data)?;
        files
            .into_iter()
            .try_for_each(|(path, bytes)| put(path, &bytes))?;
    }
    // What an earlier report had and this one has not.
    remove_others(&figures, "svg", &kept)?;
    remove_others(&data, "csv", &kept)?;
    let path = out.join(PAGE);
    write_whole(&path, html.as_bytes())?;
    Ok(path)
}

fn files_of(block: &Block, figures: &Path, data: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let files = std::cell::RefCell::new(Vec::new());
    let csv = |name: &str| data.join(format!("{name}.csv"));
    block.visit(
        &mut |figure: &Figure| {
            let svg = figures.join(format!("{}.svg", figure.name));
            let numbers = (csv(&figure.name), figure.data.csv()?);
            files
                .borrow_mut()
                .extend([(svg, figure.file().into_bytes()), numbers]);
            Ok(())
        },
        &mut |sheet: &Sheet| {
            let numbers = (csv(&sheet.name), sheet.data().csv()?);
            files.borrow_mut().push(numbers);
            Ok(())
        },
    )?;
    Ok(files.into_inner())
}

fn create(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|error| Error::io(folder, &error))
}

fn remove_others(folder: &Path, ending: &str, kept: &[PathBuf]) -> Result<()> {
    let failed = |error| Error::io(folder, &error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|it| it == ending) && !kept.contains(&path) {
            fs::remove_file(&path).map_err(|error| Error::io(&path, &error))?;
        }
    }
    Ok(())
}
