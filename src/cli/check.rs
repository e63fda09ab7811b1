//! `rhobust check`: mistakes in a script that does not run.

use super::options::script_path;
use super::output::{FAILED, say};
use crate::report::counted;
use crate::script::{self, Checked, Finding, Severity};
use clap::Args;
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct Check {
    /// The script, a .rhai file
    #[arg(value_parser = script_path())]
    script: PathBuf,

    /// Print a JSON array of {file, line, column, end_column, severity, message, code}
    #[arg(long)]
    json: bool,

    /// Let the script import from a file or folder besides its own folder
    #[arg(long, value_name = "PATH")]
    allow_read: Vec<PathBuf>,

    /// Exit with 1 for warnings too
    #[arg(long)]
    deny_warnings: bool,
}

impl Check {
    pub fn run(self) -> i32 {
        let Checked { findings, imports } = script::check(&self.script, &self.allow_read);
        if self.json {
            say(&serde_json::json!(findings).to_string());
        } else if findings.is_empty() {
            let imports = match imports {
                0 => String::new(),
                n => format!(" and {}", counted(n, "import")),
            };
            say(&format!(
                "{}{imports}: no mistakes found",
                self.script.display()
            ));
        }
        if !self.json {
            findings.iter().for_each(|finding| eprint!("{finding}"));
        }
        let fails = |finding: &Finding| finding.severity == Severity::Error || self.deny_warnings;
        if findings.iter().any(fails) {
            FAILED
        } else {
            0
        }
    }
}
