//! Documentation is run: of every function that scripts can call, one form has a comment with
//! an example, and every example works in a fresh engine.

use rhobust::script::{Host, Settings, compile, domains, engine, errors, stdlib, thread};
use std::collections::{BTreeMap, BTreeSet};

/// A function as its documentation names it, with its comment.
type Documented = (String, String);

fn native_functions() -> Vec<Documented> {
    let mut functions = BTreeMap::new();
    for (domain, module) in domains() {
        let mut bare = rhai::Engine::new_raw();
        bare.register_global_module(module().into());
        let list = bare.collect_fn_metadata(
            None,
            |info| {
                Some((
                    info.metadata.name.to_string(),
                    info.metadata.comments.join("\n"),
                ))
            },
            false,
        );
        // One comment may speak for all the forms of a function.
        for (name, comment) in list {
            let comments: &mut String = functions.entry(format!("{domain}: {name}")).or_default();
            *comments += &comment;
            comments.push('\n');
        }
    }
    functions.into_iter().collect()
}

/// Functions of the library, each with the import that its example needs.
fn library_functions() -> Vec<Documented> {
    let mut functions = Vec::new();
    for (module, text) in stdlib() {
        let mut bare = rhai::Engine::new();
        bare.set_max_expr_depths(0, 0);
        let ast = bare
            .compile(text)
            .unwrap_or_else(|e| panic!("{module}: {e}"));
        for function in ast.iter_functions() {
            let public = function.access == rhai::FnAccess::Public;
            if public && !function.name.starts_with("anon$") {
                functions.push((
                    format!("{module}: {function}"),
                    function.comments.join("\n"),
                ));
            }
        }
    }
    functions
}

/// The texts of the ```rhai blocks in a `///` comment.
fn examples(comment: &str) -> Vec<String> {
    let lines = comment.lines().map(|line| {
        let line = line.trim_start().trim_start_matches("///");
        line.strip_prefix(' ').unwrap_or(line)
    });
    let mut examples = Vec::new();
    let mut open: Option<String> = None;
    for line in lines {
        match (&mut open, line.trim()) {
            (None, "```rhai") => open = Some(String::new()),
            (Some(_), "```") => examples.extend(open.take()),
            (Some(text), _) => *text += &format!("{line}\n"),
            (None, _) => {}
        }
    }
    examples
}

/// Runs an example in an engine of its own, with a new run folder; the error's report if any.
fn run(name: &str, text: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let settings = Settings {
        out: Some(folder.path().join("run")),
        ..Settings::default()
    };
    let host = Host::new(settings).map_err(|error| error.to_string())?;
    host.set_printer(|_| {});
    host.create_run_folder()
        .map_err(|error| error.to_string())?;
    let engine = engine(host.clone());
    compile(&host, &engine, name, None, text.to_owned())
        .and_then(|ast| engine.run_ast(&ast))
        .map_err(|error| errors::report(&engine, &error))
}

fn all_work(functions: Vec<Documented>) {
    let problems = thread::with_large_stack(move || {
        let mut problems = String::new();
        // The forms of a name, or reading and writing one property, share a comment.
        let base = |name: &str| {
            name.split('(')
                .next()
                .unwrap_or(name)
                .replace("set$", "get$")
        };
        let shown: BTreeSet<_> = functions
            .iter()
            .filter(|(_, comment)| !examples(comment).is_empty())
            .map(|(name, _)| base(name))
            .collect();
        for (name, comment) in functions {
            if !shown.contains(&base(&name)) {
                problems += &format!("{name}: no example\n");
            }
            let examples = examples(&comment);
            for example in examples {
                if let Err(report) = run(&name, &example) {
                    problems += &format!("{report}\n");
                }
            }
        }
        problems
    });
    let problems = problems.unwrap();
    assert!(problems.is_empty(), "{problems}");
}

#[test]
fn every_native_function_has_an_example_that_works() {
    let functions = native_functions();
    assert!(functions.len() > 5);
    all_work(functions);
}

#[test]
fn every_library_function_has_an_example_that_works() {
    all_work(library_functions());
}

#[test]
fn every_example_of_the_readme_works() {
    let readme = include_str!("../README.md");
    let examples = examples(readme);
    assert!(examples.len() >= 4);
    let all = examples.into_iter().enumerate();
    let problems = thread::with_large_stack(move || {
        all.filter_map(|(at, text)| run(&format!("README, example {}", at + 1), &text).err())
            .collect::<String>()
    });
    let problems = problems.unwrap();
    assert!(problems.is_empty(), "{problems}");
}

/// The README shows the quickstart as it is.
#[test]
fn the_readme_shows_the_quickstart() {
    let quickstart = include_str!("../scripts/quickstart.rhai");
    assert!(include_str!("../README.md").contains(quickstart));
}
