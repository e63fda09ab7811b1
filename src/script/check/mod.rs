//! `rhobust check`: looks for mistakes in a script and all that it imports, executing nothing.
//!
//! An error is what certainly fails when it is reached; everything else is a warning. Of maps
//! and names that the script computes nothing is said.

mod calls;
mod constants;
mod files;
mod names;
mod options;
mod threats;
mod unused;

use super::errors::snippet;
use super::spans::Span;
use super::{Host, Settings, host, thread};
use crate::{Error, Result};
use files::Checker;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// How bad a finding is: an error fails when it is reached, a warning is suspicious.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
}

/// Something wrong, with its place. Lines and columns count from 1; `end_column` is the first
/// behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub end_column: usize,
    pub severity: Severity,
    pub message: String,
    /// Its kind in one word: `unknown-option`.
    pub code: &'static str,
    #[serde(skip)]
    shown: String,
}

/// As people read it: a sentence, and the line with what is wrong underlined.
impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {}\n{}", self.message, self.shown)
    }
}

impl Finding {
    /// A finding in a line, or about the whole of `file`.
    fn new(
        file: &Path,
        severity: Severity,
        code: &'static str,
        message: String,
        span: Option<Span>,
    ) -> Self {
        let Some(span) = span else {
            return Finding {
                file: file.display().to_string(),
                line: 1,
                column: 1,
                end_column: 1,
                severity,
                message,
                code,
                shown: String::new(),
            };
        };
        Finding {
            file: span.place.source.name.clone(),
            line: span.place.line,
            column: span.place.column,
            end_column: span.place.column + span.width,
            severity,
            message,
            code,
            shown: snippet(&span),
        }
    }
}

/// What `check` looked at and what it found.
#[derive(Debug)]
pub struct Checked {
    /// In the order of the files.
    pub findings: Vec<Finding>,
    /// How many modules were read besides the script.
    pub imports: usize,
}

/// Checks the script at `path` and what it imports, from its own folder and what `allow_read` adds.
pub fn check(path: &Path, allow_read: &[PathBuf]) -> Checked {
    let settings = Settings {
        script: Some(path.to_owned()),
        allow_read: allow_read.to_owned(),
        ..Settings::default()
    };
    let script = path.to_owned();
    let checked = thread::with_large_stack(move || {
        check_here(&script, settings).map_err(|error| error.to_string())
    });
    checked
        .and_then(|inner| inner)
        .unwrap_or_else(|message| Checked {
            findings: vec![Finding::new(path, Severity::Error, "file", message, None)],
            imports: 0,
        })
}

fn check_here(script: &Path, settings: Settings) -> Result<Checked> {
    let host = Host::new(settings)?;
    let real = script.canonicalize().map_err(|e| Error::io(script, &e))?;
    let text = host::read_script(&crate::files::File::open(script)?)?;
    let mut checker = Checker::new(host, script);
    checker.visit_script(real, text);
    let mut found = Vec::new();
    for file in checker.files.values() {
        calls::check(&checker, file, &mut found);
        names::check(file, &mut found);
        unused::check(file, &mut found);
    }
    checker.report_all(found);
    Ok(Checked {
        imports: checker.files.len() - 1,
        findings: checker.into_findings(),
    })
}
