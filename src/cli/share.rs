//! Sharing: a run as one file, what such a file says, and two runs beside each other.

use super::again::tolerance;
use super::output::{FAILED, notice, refused, tell};
use super::resume;
use crate::Result;
use crate::files::write_whole;
use crate::recipe::{
    Comparison, Made, Packing, Recipe, Verdict, differences, is_recipe, pack, unified,
};
use crate::report::counted;
use crate::run::Recorded;
use clap::Args;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    rhobust pack runs/first\n  \
    rhobust pack runs/first --with-files --tolerance 0.005 --out adv_plus.rhobust")]
pub(super) struct Pack {
    /// The folder of a run that finished
    run: PathBuf,

    /// The file to write [default: SCRIPT.rhobust]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Put files that are parameters, such as weights, into the recipe; folders stay out
    #[arg(long)]
    with_files: bool,

    /// How far numbers may be from those of this run, on whatever machine
    #[arg(long, value_name = "X", value_parser = tolerance, default_value = "0")]
    tolerance: f64,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    rhobust inspect adv_plus.rhobust\n  \
    rhobust inspect adv_plus.rhobust --script | less\n  \
    rhobust inspect adv_plus.rhobust --extract adv_plus")]
pub(super) struct Inspect {
    /// A file that `rhobust pack` wrote
    recipe: PathBuf,

    /// Print the script instead
    #[arg(long)]
    script: bool,

    /// Put the files of the recipe into this folder
    #[arg(long, value_name = "DIR")]
    extract: Option<PathBuf>,
}

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    rhobust diff runs/first runs/second\n  \
    rhobust diff adv_plus.rhobust runs/mine --tolerance 0.005\n\n\
    The exit code is 0 where all is the same, else 1.")]
pub(super) struct Diff {
    /// The folder of a run, or a recipe
    one: PathBuf,
    other: PathBuf,

    /// How far numbers may be from each other, times the first where that is larger than 1
    #[arg(long, value_name = "X", value_parser = tolerance, default_value = "0")]
    tolerance: f64,
}

impl Pack {
    pub fn run(self) -> i32 {
        match self.write() {
            Ok(place) => {
                tell(&place);
                0
            }
            Err(error) => refused(&error),
        }
    }

    fn write(self) -> Result<String> {
        let recorded = Recorded::read(&self.run)?;
        let then = resume::called(&recorded, &self.run)?;
        let recipe = pack(
            &self.run,
            Packing {
                set: then.common.set,
                seed: then.common.seed,
                cuda: then.common.cuda.iter().map(ToString::to_string).collect(),
                with_files: self.with_files,
                tolerance: self.tolerance,
            },
        )?;
        let out = self
            .out
            .unwrap_or_else(|| format!("{}.rhobust", recipe.about.name()).into());
        ensure!(
            is_recipe(&out),
            "{}: the name of a recipe ends in .rhobust",
            out.display()
        );
        ensure!(
            !out.exists(),
            "{}: there is such a file already; name another with --out",
            out.display()
        );
        write_whole(&out, &recipe.encode()?)?;
        for place in recipe.places() {
            notice(&format!(
                "note: whoever has the recipe can read this path in it: {place}"
            ));
        }
        Ok(format!(
            "{} with\n  {}\nto run it: {}",
            out.display(),
            recipe.holds().join("\n  "),
            recipe.command(&out)
        ))
    }
}

impl Inspect {
    pub fn run(self) -> i32 {
        let told = Recipe::read(&self.recipe).and_then(|recipe| {
            if let Some(folder) = &self.extract {
                let empty = std::fs::read_dir(folder).map_or(true, |mut it| it.next().is_none());
                ensure!(
                    empty,
                    "{}: the folder must be new or empty",
                    folder.display()
                );
                recipe.unpack(folder)?;
                let files = counted(recipe.files.len(), "file");
                return Ok(format!("{files} in {}", folder.display()));
            }
            match self.script {
                // On a screen it shows what it is, in a file it is what it was.
                true if !std::io::stdout().is_terminal() => {
                    let _ = std::io::stdout().write_all(recipe.script().as_bytes());
                    Ok(String::new())
                }
                true => Ok(recipe.script()),
                false => Ok(format!(
                    "{recipe}{:<12}{}",
                    "to run it",
                    recipe.command(&self.recipe)
                )),
            }
        });
        match told {
            Ok(text) if text.is_empty() => 0,
            Ok(text) => {
                tell(text.trim_end());
                0
            }
            Err(error) => refused(&error),
        }
    }
}

/// `rhobust run RECIPE --help`.
pub(super) fn describe(recipe: &Path) -> i32 {
    let inspect = Inspect {
        recipe: recipe.to_owned(),
        script: false,
        extract: None,
    };
    inspect.run()
}

impl Diff {
    pub fn run(self) -> i32 {
        match self.tell() {
            Ok(true) => 0,
            Ok(false) => FAILED,
            Err(error) => refused(&error),
        }
    }

    /// Whether all is the same.
    fn tell(self) -> Result<bool> {
        let (one, other) = (Made::read(&self.one)?, Made::read(&self.other)?);
        let names = [&self.one, &self.other].map(|it| it.display().to_string());
        let found = differences(&one.of, &other.of);
        for difference in &found {
            tell(&difference.to_string());
        }
        let none = String::new();
        // A recipe has no copy of the library: hashes tell whether that is another.
        let library = |name: &str| name.starts_with("std/");
        let all = one.sources.keys().chain(other.sources.keys());
        let mut all: Vec<&String> = all.filter(|it| !library(it)).collect();
        all.sort();
        all.dedup();
        for name in all {
            let of = |made: &Made| made.sources.get(name).unwrap_or(&none).clone();
            let (text, other) = (of(&one), of(&other));
            let shown = names.each_ref().map(|it| format!("{it}/{name}"));
            let diff = unified((&shown[0], &text), (&shown[1], &other));
            if !diff.is_empty() {
                tell(diff.trim_end());
            }
        }
        let comparison = Comparison::new(&one.results, &other.results, self.tolerance);
        tell(comparison.to_string().trim_end());
        Ok(found.is_empty() && comparison.verdict() != Verdict::Different)
    }
}
