//! Documentation is run: of every function that scripts can call, one form has a comment with
//! an example, and every example works in a fresh engine.

use rhobust::script::docs::{self, Entry, Kind, Signature, docs};
use rhobust::script::{
    Finding, Host, Settings, Severity, check, compile, domains, engine, errors, stdlib, thread,
};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::rc::Rc;
use std::sync::Mutex;

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

/// The ```rhai blocks of a comment, whose lines may still begin with `///`.
fn examples(comment: &str) -> Vec<String> {
    let lines = comment.lines().map(|line| {
        let line = line.trim_start();
        let text = line.trim_start_matches("///");
        match text.len() < line.len() {
            true => text.strip_prefix(' ').unwrap_or(text),
            false => line,
        }
    });
    docs::examples(&lines.collect::<Vec<_>>().join("\n"))
}

/// Runs an example in an engine of its own, with a new run folder; the error's report if any,
/// and where the example states what it prints, a complaint if that is not what it printed.
fn run(name: &str, text: &str) -> Result<(), String> {
    // libtorch has one generator for all threads, and examples draw from it.
    static GENERATOR: Mutex<()> = Mutex::new(());
    let _alone = GENERATOR.lock();
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let settings = Settings {
        out: Some(folder.path().join("run")),
        ..Settings::default()
    };
    let host = Host::new(settings).map_err(|error| error.to_string())?;
    let printed: Rc<RefCell<String>> = Rc::default();
    let lines = printed.clone();
    host.set_printer(move |text| *lines.borrow_mut() += &format!("{text}\n"));
    host.create_run_folder()
        .map_err(|error| error.to_string())?;
    let engine = engine(host.clone());
    compile(&host, &engine, name, None, text.to_owned())
        .and_then(|ast| engine.run_ast(&ast))
        .map_err(|error| errors::report(&engine, &error))?;
    let (stated, printed) = (stated(text), printed.borrow());
    let printed: Vec<_> = printed.lines().map(str::trim).collect();
    match stated.is_empty() || agree(&stated, &printed) {
        true => Ok(()),
        false => Err(format!(
            "{name} says that it prints\n{}\nand prints\n{}\n",
            stated.join("\n"),
            printed.join("\n")
        )),
    }
}

/// The lines that an example says it prints: what stands behind each `//>`.
fn stated(example: &str) -> Vec<&str> {
    let lines = example.lines().filter_map(|line| line.split_once("//>"));
    lines.map(|(_, stated)| stated.trim()).collect()
}

/// Whether lines agree with the stated ones, in which `...` stands for any text, and a line of
/// nothing else for any lines.
fn agree(stated: &[&str], printed: &[&str]) -> bool {
    match (stated, printed) {
        ([], rest) => rest.is_empty(),
        (["...", others @ ..], rest) => {
            agree(others, rest) || !rest.is_empty() && agree(stated, &rest[1..])
        }
        (_, []) => false,
        ([stated, others @ ..], [line, rest @ ..]) => matches(stated, line) && agree(others, rest),
    }
}

fn matches(stated: &str, line: &str) -> bool {
    let Some((before, behind)) = stated.split_once("...") else {
        return stated == line;
    };
    let Some(rest) = line.strip_prefix(before) else {
        return false;
    };
    let starts = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    starts.into_iter().any(|at| matches(behind, &rest[at..]))
}

#[test]
fn stated_output_is_compared() {
    let example = "print(1);  //> 1\nlet x = 2;\n//> a...c\n//> ...\n//> end";
    assert_eq!(stated(example), ["1", "a...c", "...", "end"]);
    assert!(agree(&stated(example), &["1", "abc", "x", "y", "end"]));
    assert!(agree(&stated(example), &["1", "ac", "end"]));
    assert!(agree(&["a... b"], &["a1 b"]));
    assert!(!agree(&stated(example), &["1", "ab", "end"]));
    assert!(!agree(&stated(example), &["1", "abc", "end", "more"]));
    assert!(!agree(&["1"], &[]));
    assert!(run("right", "print(1 + 1); //> 2").is_ok());
    let report = run("wrong", "print(1 + 1); //> 3").unwrap_err();
    assert_eq!(report, "wrong says that it prints\n3\nand prints\n2\n");
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

/// Rhai's own functions, too; its own examples are not ours to run.
#[test]
fn every_entry_of_the_reference_has_an_example() {
    let entries = docs().entries();
    let shown: BTreeSet<&str> = entries
        .iter()
        .filter(|entry| !entry.examples.is_empty())
        .map(|entry| entry.name.as_str())
        .collect();
    let bare = |entry: &&Entry| !shown.contains(entry.name.as_str());
    let without: Vec<_> = entries.iter().filter(bare).map(|it| &it.name).collect();
    assert!(without.is_empty(), "{without:?}");
    let language = include_str!("../src/script/docs/language.md");
    for (at, example) in docs::examples(language).iter().enumerate() {
        let outcome = run(&format!("language.md, example {}", at + 1), example);
        assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
    }
}

#[test]
fn every_library_function_has_an_example_that_works() {
    all_work(library_functions());
}

/// The README and the pages of the guide, by name.
fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_dir(root.join("scripts/guide"))
        .into_iter()
        .flatten();
    let mut paths: Vec<_> = guide.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|it| it == "md"));
    paths.sort();
    paths.insert(0, root.join("README.md"));
    let read = |path: PathBuf| {
        let name = path.strip_prefix(root).unwrap().display().to_string();
        (name, fs::read_to_string(path).unwrap())
    };
    paths.into_iter().map(read).collect()
}

#[test]
fn every_example_of_the_readme_and_the_guide_works() {
    let problems = thread::with_large_stack(|| {
        let mut problems = String::new();
        for (page, text) in pages() {
            let examples = docs::examples(&text);
            assert!(!examples.is_empty(), "{page} has no examples");
            for (at, text) in examples.iter().enumerate() {
                let outcome = run(&format!("{page}, example {}", at + 1), text);
                problems += &outcome.err().unwrap_or_default();
            }
        }
        problems
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
        "resumable" => "resumable(\"x\", #{})",
        "split" => "dataset(\"shapes\", #{ train: 10, test: 10 }).test",
        "evaluation" => "evaluation(2)",
        "ledger" => {
            "ledger(sequential([Flatten(), Linear(3072, 10)]), dataset(\"shapes\").test, #{})"
        }
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
        let values = ["0.5", "1", "\"fog\""];
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

/// Every function that is registered is there by its name, with a text; nothing is left out
/// and nothing documented that does not exist.
#[test]
fn the_documentation_has_no_gaps() {
    let mut registered = 0;
    for (name, _) in native_functions() {
        let (topic, name) = name.split_once(": ").unwrap();
        registered += 1;
        let shown = match name.split_once('$') {
            Some(("index", _)) => "[]",
            Some((_, property)) => property,
            None if ["print", "debug", "to_debug"].contains(&name) => "to_string",
            None => name,
        };
        let found = docs().find(shown);
        let entry = found.iter().find(|entry| entry.topic == topic);
        let entry = entry.unwrap_or_else(|| panic!("{topic}: `{name}` is not documented"));
        assert!(!entry.summary.is_empty(), "{topic}: `{name}`");
    }
    assert!(registered > 200, "{registered}");
    for topic in docs().topics() {
        assert!(!topic.summary.is_empty(), "{}", topic.name);
        assert!(docs().entries_of(&topic.name).count() > 0, "{}", topic.name);
    }
}

/// Names in lists are those of parameters or options, and types are those of scripts.
#[test]
fn comments_speak_of_what_is_there() {
    let known = [
        "any",
        "array",
        "bool",
        "closure",
        "float",
        "int",
        "map",
        "string",
        "()",
        "tensor",
        "model",
        "layer",
        "attack",
        "labels",
        "outputs",
        "optimizer",
        "schedule",
        "dataset",
        "split",
        "batches",
        "batch",
        "evaluation",
        "ledger",
        "progress",
        "table",
        "diagnosis",
        "resumable",
        "steps",
        "keptbatches",
        "range",
        "rangeinclusive",
    ];
    for entry in docs().entries().iter().filter(|it| it.topic != "rhai") {
        let mut params = entry.signatures.iter().flat_map(|it| &it.params);
        for argument in &entry.arguments {
            let there = params.clone().any(|(name, _)| *name == argument.name);
            assert!(there, "{}: `{}` is no argument", entry.name, argument.name);
        }
        let returns = entry.signatures.iter().map(|it| &it.returns);
        for word in params.by_ref().map(|(_, word)| word).chain(returns) {
            assert!(known.contains(&word.as_str()), "{}: {word}", entry.name);
        }
    }
}

#[test]
fn names_are_found() {
    let all = docs();
    assert_eq!(all.get("pgd").unwrap().topic, "attack");
    assert_eq!(all.get("fit").unwrap().name, "train::fit");
    assert_eq!(all.get("shape").unwrap().kind, Kind::Property);
    assert_eq!(all.get("**").unwrap().kind, Kind::Operator);
    let receiver = |name: &str| {
        all.get(name)
            .unwrap()
            .receivers()
            .next()
            .unwrap()
            .to_owned()
    };
    assert_eq!(receiver("dataset.name"), "dataset");
    assert_eq!(receiver("attack.name"), "attack");
    assert!(all.get("tensor.perturb").is_none());
    assert!(all.get("pdg").is_none());
    assert_eq!(all.nearest("pdg"), Some("pgd"));
    assert_eq!(all.search("pdg")[0].name, "pgd");
    assert_eq!(all.search("madry et al.")[0].name, "pgd");
    let noise = all.search("gaussian");
    assert_eq!(noise[0].name, "gaussian_noise");
    assert!(noise.iter().any(|entry| entry.name == "blur"));
    assert_eq!(all.get("print").unwrap().topic, "rhai");
    assert!(all.get("eval").is_none());
    assert!(all.options("clamp").is_none());
}

#[test]
fn options_that_are_as_for_another_function_are_those() {
    let options = |name: &str| docs().options(name).unwrap().to_vec();
    assert_eq!(options("resnet18"), options("resnet50"));
    let option = |name: &str, option: &str| {
        let mut all = options(name).into_iter();
        all.find(|it| it.name == option).unwrap()
    };
    assert_eq!(option("fgsm", "norm"), option("pgd", "norm"));
    let normalize = option("sequential", "normalize");
    assert_eq!(normalize.default.as_deref(), Some("`\"none\"`"));
    assert!(normalize.text.contains("inside the model"));
    assert!(option("pgd", "eps").required);
}

fn doc(arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_rhobust"));
    program.arg("doc").args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_command_shows_names_topics_and_what_a_word_occurs_in() {
    let shown = text(&doc(&["pgd"]).stdout);
    assert!(
        shown.starts_with("pgd(options: map) -> attack\n\n"),
        "{shown}"
    );
    for part in [
        "\nOptions\n",
        "\n  eps           required ",
        "\nErrors\n",
        "\nSource\n",
        "\nExample\n  let attack = pgd(",
    ] {
        assert!(shown.contains(part), "{part:?} is not in\n{shown}");
    }
    assert!(
        shown.lines().all(|line| line.chars().count() <= 80),
        "{shown}"
    );
    let topics = text(&doc(&[]).stdout);
    assert!(topics.contains("std/train"), "{topics}");
    let topic = text(&doc(&["std/train"]).stdout);
    assert!(topic.contains("train::fit  "), "{topic}");
    let found = text(&doc(&["--search", "noise"]).stdout);
    assert!(found.starts_with("  gaussian_noise"), "{found}");
}

#[test]
fn a_name_that_is_not_there_ends_with_the_nearest() {
    let output = doc(&["pdg"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    let first = "error: there is no documentation of `pdg`; did you mean `pgd`?\n  pgd ";
    assert!(said.starts_with(first), "{said}");
    let output = doc(&["--search", "qqqqqqqqqq"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stderr),
        "error: nothing is about `qqqqqqqqqq`\n"
    );
}

#[test]
fn the_reference_is_written_as_pages_and_as_definitions() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let read = |name: &str| fs::read_to_string(path(name)).unwrap();
    let target = |name: &str| path(name).display().to_string();

    assert!(doc(&["--markdown", &target("reference")]).status.success());
    let index = read("reference/index.md");
    for topic in docs().topics() {
        let page = format!("{}.md", topic.name.replace('/', "-"));
        assert!(index.contains(&format!("## [{}]({page})", topic.name)));
        let page = read(&format!("reference/{page}"));
        for entry in docs().entries_of(&topic.name) {
            assert!(page.contains(&format!("\n## {}\n", entry.name)));
            assert!(page.contains(&entry.summary));
        }
    }
    assert!(index.contains("- [`train::fit`](std-train.md#trainfit): Trains"));

    assert!(doc(&["--definitions", &target("scripts")]).status.success());
    let attack = read("scripts/attack.d.rhai");
    assert!(attack.contains("\nmodule static;\n"));
    assert!(attack.contains("\nfn pgd(options: Map) -> attack;\n"));
    let tensor = read("scripts/tensor.d.rhai");
    assert!(tensor.contains("\nfn get shape(x: tensor) -> Array;\n"));
    assert!(tensor.contains("\nop +(tensor, float) -> tensor;\n"));
    let train = read("scripts/std/train.d.rhai");
    assert!(train.starts_with("/// The training loop"));
    assert!(train.contains("\nmodule;\n"));
    assert!(train.contains("\nfn fit(model: ?, split: ?, given: ?) -> ?;\n"));
}

/// What the documentation shows is no error to `rhobust check`; Rhai's own examples lean on a
/// syntax of theirs.
#[test]
fn every_example_passes_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let mut main = String::new();
    let own = docs().entries().iter().filter(|it| it.topic != "rhai");
    for (index, text) in own.flat_map(|it| &it.examples).enumerate() {
        fs::write(folder.path().join(format!("e{index}.rhai")), text).unwrap();
        main += &format!("import \"e{index}\" as _e{index};\n");
    }
    let script = folder.path().join("main.rhai");
    fs::write(&script, main).unwrap();
    let mut findings = check(&script, &[]).findings;
    findings.retain(|finding| finding.severity == Severity::Error);
    let errors: String = findings.iter().map(Finding::to_string).collect();
    assert!(errors.is_empty(), "{errors}");
}
