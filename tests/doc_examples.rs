//! Documentation is run: of every function that scripts can call, one form has a comment with
//! an example, and every example works in a fresh engine.

use rhobust::script::docs::{Entry, Kind, Signature, docs};
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

/// Values to call a function with, by the type that it declares.
fn sample(of_type: &str) -> &'static str {
    match of_type {
        "int" => "2",
        "string" => "\"cosine\"",
        "array" => "[]",
        "tensor" | "any" => "zeros([2, 2])",
        "model" => "sequential([Linear(3, 2)])",
        "closure" => "|x| x",
        "batch" => "dataset(\"shapes\", #{ train: 10, test: 10 }).test.batch(2)",
        "split" => "dataset(\"shapes\", #{ train: 10, test: 10 }).test",
        other => panic!("the test has no value of type {other}"),
    }
}

/// What a call says about its option map.
fn complaint(entry: &Entry, form: &Signature, options: &str) -> String {
    let (_, before) = form.params.split_last().unwrap();
    let arguments: Vec<_> = before.iter().map(|(_, of_type)| sample(of_type)).collect();
    let arguments = [arguments.as_slice(), &[options]].concat().join(", ");
    let import = match entry.kind {
        Kind::LibraryFunction => {
            let alias = entry.name.split("::").next().unwrap();
            format!("import \"{}\" as {alias}; ", entry.topic)
        }
        _ => String::new(),
    };
    let call = format!("{import}{}({arguments});", entry.name);
    run(&entry.name, &call).err().unwrap_or_default()
}

/// The names after "(options: ".
fn accepted(entry: &Entry, form: &Signature) -> BTreeSet<String> {
    let report = complaint(entry, form, "#{ surely_no_option: 1 }");
    let list = report.split_once("(options: ");
    let list = list.and_then(|(_, rest)| rest.split_once(')'));
    let (names, _) = list.unwrap_or_else(|| panic!("{} takes any option: {report}", entry.name));
    names.split(", ").map(str::to_owned).collect()
}

/// A map of the options in `names`, of the types that the function wants.
fn filled(entry: &Entry, form: &Signature, names: &[&str]) -> String {
    let entries = names.iter().map(|name| {
        let values = ["0.5", "1"];
        let fits = |value: &&&str| {
            let option = format!("option `{name}`");
            !complaint(entry, form, &format!("#{{ {name}: {value} }}")).contains(&option)
        };
        let value = values.iter().find(fits).unwrap();
        format!("{name}: {value}")
    });
    format!("#{{ {} }}", entries.collect::<Vec<_>>().join(", "))
}

#[test]
fn documented_options_are_those_that_functions_accept() {
    let work = || {
        let mut problems = String::new();
        let mut count = 0;
        for entry in docs().entries() {
            let Some(options) = &entry.options else {
                continue;
            };
            let documented: BTreeSet<_> = options.iter().map(|it| it.name.clone()).collect();
            let required: Vec<_> = options.iter().filter(|it| it.required).collect();
            let required: Vec<_> = required.iter().map(|it| it.name.as_str()).collect();
            for form in entry.signatures.iter().filter(|it| it.takes_options()) {
                count += 1;
                let accepted = accepted(entry, form);
                if accepted != documented {
                    problems += &format!(
                        "{} documents {documented:?} and accepts {accepted:?}\n",
                        entry.name
                    );
                    continue;
                }
                // A library's defaults name every option, and its asserts what is needed.
                if entry.kind == Kind::LibraryFunction {
                    continue;
                }
                let all = filled(entry, form, &required);
                if complaint(entry, form, &all).contains("needs the option") {
                    problems += &format!("{} needs more than {required:?}\n", entry.name);
                }
                for missing in &required {
                    let others: Vec<_> = (required.iter().copied())
                        .filter(|it| it != missing)
                        .collect();
                    let without = filled(entry, form, &others);
                    let wanted = format!("needs the option `{missing}`");
                    if !complaint(entry, form, &without).contains(&wanted) {
                        problems += &format!("{} does without {missing}\n", entry.name);
                    }
                }
            }
        }
        assert!(count > 30, "{count}");
        problems
    };
    let problems = thread::with_large_stack(work).unwrap();
    assert!(problems.is_empty(), "{problems}");
}
