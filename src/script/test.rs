//! `rhobust test`: runs the functions `test_...()` of script files.
//!
//! Each runs in an engine and a run folder of its own, after the top-level statements of its
//! file, so that imports and constants are there and no test sees what another one did.

use super::errors::report;
use super::{Host, Settings, compile_file, engine, thread};
use crate::{Error, Result, interrupt, torch};
use rhai::{AST, CallFnOptions, Dynamic, Engine, FnAccess, Scope};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;
use tempfile::TempDir;

/// What a function that is a test is called.
const PREFIX: &str = "test_";

/// How many tests passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub passed: usize,
    pub failed: usize,
}

/// Runs the tests in a file, or in all scripts beneath a folder, whose `FILE: NAME` contains
/// `filter`; tells each result to `tell` as soon as it is there.
///
/// `settings` hold for every test, except for the script and the run folder.
///
/// # Errors
/// What is wrong with `path` itself, or that the tests were interrupted.
pub fn test(
    path: PathBuf,
    filter: String,
    settings: Settings,
    tell: impl Fn(&str) + Send + 'static,
) -> std::result::Result<Outcome, String> {
    torch::cuda::load();
    let work = move || {
        torch::cuda::set_modes(&settings.cuda)?;
        let mut suite = Suite {
            filter,
            settings,
            tell,
            outcome: Outcome::default(),
        };
        let files = scripts(&path)?;
        files.iter().try_for_each(|file| suite.test_file(file))?;
        Ok(suite.outcome)
    };
    thread::with_large_stack(move || work().map_err(|error: Error| error.to_string()))?
}

/// The file itself, or the scripts beneath a folder, sorted.
fn scripts(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let io = |error| Error::io(path, &error);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(path).map_err(io)? {
        paths.push(entry.map_err(io)?.path());
    }
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        // A link may lead back to where it lies.
        if path.is_dir() && !path.is_symlink() {
            files.extend(scripts(&path)?);
        } else if path.extension().is_some_and(|it| it == "rhai") {
            files.push(path);
        }
    }
    Ok(files)
}

/// A function that is named like a test, and whether it can be called as one.
struct Named {
    name: String,
    is_test: bool,
}

struct Suite<F> {
    filter: String,
    settings: Settings,
    tell: F,
    outcome: Outcome,
}

impl<F: Fn(&str)> Suite<F> {
    fn test_file(&mut self, file: &Path) -> Result<()> {
        let file_name = file.display();
        let names = match Trial::new(file, &self.settings)?.tests() {
            Ok(names) => names,
            Err(report) => {
                self.outcome.failed += 1;
                (self.tell)(&format!("FAILED  {file_name}\n{report}"));
                return Ok(());
            }
        };
        for Named { name, is_test } in names {
            let title = format!("{file_name}: {name}");
            if !title.contains(&self.filter) {
                continue;
            }
            if !is_test {
                self.outcome.failed += 1;
                (self.tell)(&format!(
                    "FAILED  {title}\nerror: `{name}` is named like a test, but a test is not \
                     private and takes no arguments; give it another name if it helps others\n"
                ));
                continue;
            }
            let start = Instant::now();
            let result = Trial::new(file, &self.settings)?.run(&name);
            interrupt::check()?;
            let title = format!("{title} ({:.1} s)", start.elapsed().as_secs_f64());
            match result {
                Ok(()) => {
                    self.outcome.passed += 1;
                    (self.tell)(&format!("ok      {title}"));
                }
                Err(report) => {
                    self.outcome.failed += 1;
                    (self.tell)(&format!("FAILED  {title}\n{report}"));
                }
            }
        }
        Ok(())
    }
}

/// A file with an engine of its own and a new run folder, which is removed afterwards.
struct Trial {
    host: Host,
    engine: Engine,
    file: PathBuf,
    printed: Rc<RefCell<String>>,
    _folder: TempDir,
}

impl Trial {
    fn new(file: &Path, settings: &Settings) -> Result<Self> {
        let folder =
            tempfile::tempdir().map_err(|error| Error::io(&std::env::temp_dir(), &error))?;
        let host = Host::new(Settings {
            script: Some(file.to_owned()),
            out: Some(folder.path().join("run")),
            ..settings.clone()
        })?;
        host.create_run_folder()?;
        let printed = Rc::new(RefCell::new(String::new()));
        let lines = printed.clone();
        host.set_printer(move |text| *lines.borrow_mut() += &format!("{text}\n"));
        Ok(Trial {
            engine: engine(host.clone()),
            host,
            file: file.to_owned(),
            printed,
            _folder: folder,
        })
    }

    fn compile(&self) -> std::result::Result<AST, String> {
        compile_file(&self.host, &self.engine, &self.file)
            .map_err(|error| report(&self.engine, &error))
    }

    /// The names of the file's tests, in their order.
    fn tests(&self) -> std::result::Result<Vec<Named>, String> {
        let ast = self.compile()?;
        let sources = self.host.sources();
        let text = sources.first().map_or("", |source| source.text.as_str());
        let named = ast
            .iter_functions()
            .filter(|it| it.name.starts_with(PREFIX));
        let mut names: Vec<_> = named
            .map(|it| Named {
                name: it.name.to_owned(),
                is_test: it.params.is_empty() && it.access == FnAccess::Public,
            })
            .collect();
        names.sort_by_key(|it| text.find(&format!("fn {}(", it.name)));
        Ok(names)
    }

    /// Runs the file's statements, then the test; `Err` is the report of what failed, with
    /// what was printed before.
    fn run(&self, name: &str) -> std::result::Result<(), String> {
        let _watch = self.host.watch();
        let ast = self.compile()?;
        self.host.set_seed(self.host.seed());
        let called = self.engine.call_fn_with_options::<Dynamic>(
            CallFnOptions::new().eval_ast(true),
            &mut Scope::new(),
            &ast,
            name,
            (),
        );
        match called {
            Err(error) => {
                let report = report(&self.engine, &error);
                // The limits hold for each test anew.
                if interrupt::limit().is_some() {
                    interrupt::clear();
                }
                Err(format!("{}{report}", self.printed.borrow()))
            }
            Ok(_) => Ok(()),
        }
    }
}
