//! Every function that scripts can call, as the documentation lists them, with arguments that it
//! does not expect: each call ends with a value or with an error that is no crash.
//!
//! `cargo test` calls each a few times; `RHOBUST_CALLS=200` says how often instead.

use super::alone;
use super::random::Random;
use rhobust::limits::{Limits, Watch};
use rhobust::script::docs::{Entry, Kind, OptionDoc, Signature, docs};
use rhobust::script::{Host, Settings, compile, engine, errors, thread};
use rhobust::{interrupt, memory, torch};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Calls of each function in the suite.
const FEW: usize = 3;
/// Of a call; long enough for what is small.
const TIME: Duration = Duration::from_millis(300);
/// Of the whole process.
const MEMORY: u64 = 4 << 30;
/// After which a call has not stopped when it was asked to; the program would have ended it.
const GRACE: Duration = Duration::from_secs(10);

/// What no error may say: that something crashed, or where in C++ it happened.
const CRASHES: [&str; 8] = [
    "panick",
    "internal error",
    "RUST_BACKTRACE",
    "ErrorRuntime",
    "Exception raised from",
    "frame #",
    ".cpp:",
    "INTERNAL ASSERT",
];

/// Expressions by the type of their values: usual ones first, then empty, huge, negative, NaN.
const VALUES: [(&str, &[&str]); 33] = [
    ("()", &["()"]),
    ("bool", &["true", "false"]),
    (
        "int",
        &[
            "2",
            "1",
            "3",
            "0",
            "-1",
            "10",
            "255",
            "1000",
            "-7",
            "4294967296",
            "1000000000000",
            "9223372036854775807",
            "-9223372036854775807 - 1",
        ],
    ),
    (
        "float",
        &[
            "0.5",
            "1.0",
            "0.03",
            "0.0",
            "-0.0",
            "-1.5",
            "8.0",
            "1e-320",
            "1e308",
            "0.0 / 0.0",
            "1.0 / 0.0",
            "-1.0 / 0.0",
        ],
    ),
    ("char", &["'a'", "'ß'", "'\\0'", "'😀'"]),
    (
        "string",
        &[
            "\"cosine\"",
            "\"fog\"",
            "\"linf\"",
            "\"float64\"",
            "\"cpu\"",
            "\"\"",
            "\"cuda:99\"",
            "\"x\"",
            "\"../x\"",
            "\"/\"",
            "\"src\"",
            "\"a\\0b\"",
            "\"ß漢😀\"",
            "\"%s{}\\n\"",
            "\"Cargo.toml\"",
            "\"m.safetensors\"",
        ],
    ),
    ("blob", &["blob(4, 255)", "blob()", "blob(3072)"]),
    ("timestamp", &["timestamp()"]),
    (
        "range",
        &[
            "0..3",
            "0..0",
            "3..0",
            "-5..-1",
            "0..9223372036854775807",
            "-9223372036854775807..9",
        ],
    ),
    (
        "array",
        &[
            "[2, 2]",
            "[]",
            "[1]",
            "[0]",
            "[-1]",
            "[3, 32, 32]",
            "[[]]",
            "[1, \"x\"]",
            "[0.5, 0.0 / 0.0]",
            "[zeros([2]), zeros([3])]",
            "[\"pgd\"]",
            "[Linear(3, 2)]",
            "[()]",
            "[9223372036854775807, 9223372036854775807]",
            "[4294967296, 4294967296]",
            "[[1], [2, 3]]",
            "[#{}]",
            "[|x| x]",
            "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]",
            "[zeros([2, 3])]",
        ],
    ),
    (
        "map",
        &[
            "#{}",
            "#{ a: 1 }",
            "#{ surely_no_option: 1 }",
            "#{ a: zeros([2]) }",
            "#{ \"\": () }",
            "#{ fog: [0.1, 0.2, 0.3, 0.4, 0.5] }",
            "#{ a: 0.0 / 0.0, b: #{ c: [] } }",
        ],
    ),
    (
        "tensor",
        &[
            "rand([2, 3])",
            "rand([2, 3, 32, 32])",
            "rand([3, 32, 32])",
            "rand([2, 2])",
            "tensor([0, 1])",
            "tensor([1, 0]).to(\"int64\")",
            "zeros([])",
            "zeros([0])",
            "zeros([0, 3, 32, 32])",
            "full([2, 3], 0.0 / 0.0)",
            "full([2, 3, 32, 32], 1.0 / 0.0)",
            "tensor([-1, 9223372036854775807])",
            "tensor([true, false])",
            "rand([2, 3]).to(\"float64\")",
            "rand([2, 3]).to(\"bfloat16\")",
            "rand([2, 3]).to(\"float16\")",
            "zeros([1, 1]).expand([20000, 20000])",
            "rand([3, 2]).transpose(0, 1)",
            "rand([2, 3]).requires_grad()",
            "rand([1, 1, 1, 1, 1, 1])",
            "rand([2, 10])",
            "tensor([300, -300])",
            "rand([2, 3, 8, 8])",
            "zeros([2, 0])",
            "tensor([1.0, 2.0]).to(\"uint8\")",
        ],
    ),
    (
        "closure",
        &[
            "|x| x",
            "|x| x.reshape([2, 3072])",
            "|x, y| x",
            "|| 1",
            "|x| zeros([0])",
            "|x| throw \"thrown\"",
            "|x| ()",
            "|x| x.sum()",
            "Fn(\"sin\")",
            "Fn(\"no_such\")",
            "|x| zeros([2, 10])",
            "|x| x.reshape([x.shape[0], -1])",
        ],
    ),
    (
        "model",
        &[
            "sequential([Flatten(), Linear(3072, 10)])",
            "sequential([Linear(3, 2)])",
            "sequential([])",
            "sequential([Flatten(), Linear(3072, 10)]).to(\"float64\")",
            "sequential([Conv2d(3, 4, 3), ReLU(), AdaptiveAvgPool2d(1), Flatten(), Linear(4, 10)])",
            "sequential([BatchNorm2d(3), Flatten(), Linear(3072, 12)]).train()",
        ],
    ),
    (
        "layer",
        &[
            "Linear(3, 2)",
            "Conv2d(3, 4, 3)",
            "Flatten()",
            "Dropout(0.5)",
            "BatchNorm2d(3)",
        ],
    ),
    (
        "dataset",
        &["dataset(\"shapes\", #{ train: 10, test: 10 })"],
    ),
    (
        "split",
        &[
            "dataset(\"shapes\", #{ train: 10, test: 10 }).test",
            "dataset(\"shapes\", #{ train: 10, test: 10 }).train.take(2)",
            "dataset(\"shapes\", #{ train: 10, test: 10 }).test.corrupted(\"fog\", 1)",
        ],
    ),
    (
        "batch",
        &[
            "dataset(\"shapes\", #{ train: 10, test: 10 }).test.batch(2)",
            "dataset(\"shapes\", #{ train: 10, test: 10 }).test.batch(10)",
        ],
    ),
    (
        "batches",
        &["dataset(\"shapes\", #{ train: 10, test: 10 }).test.batches(#{ batch_size: 3 })"],
    ),
    (
        "attack",
        &[
            "pgd(#{ eps: px(8), steps: 2 })",
            "fgsm(#{ eps: px(8) })",
            "pgd(#{ eps: 1.0, steps: 1, norm: \"l2\" })",
            "blur(#{ sigma: 1.0 })",
            "square(#{ eps: px(8), queries: 3 })",
            "deepfool(#{})",
            "rotation(#{})",
        ],
    ),
    (
        "labels",
        &[
            "label_augmentation(10, [\"pgd\"])",
            "label_augmentation(2, [])",
        ],
    ),
    ("outputs", &["label_augmentation(10, [\"pgd\"]).outputs"]),
    (
        "optimizer",
        &[
            "sgd(sequential([Flatten(), Linear(3072, 10)]), #{ lr: 0.1 })",
            "sgd([rand([2, 3]).requires_grad()], #{ lr: 0.1, momentum: 0.9 })",
        ],
    ),
    (
        "schedule",
        &[
            "schedule(\"cosine\", #{ total: 10 })",
            "schedule(\"step\", #{ total: 10, milestones: [5], gamma: 0.5 })",
        ],
    ),
    ("evaluation", &["evaluation(2)", "evaluation(10)"]),
    (
        "ledger",
        &["ledger(sequential([Flatten(), Linear(3072, 10)]), \
             dataset(\"shapes\", #{ train: 10, test: 10 }).test, #{})"],
    ),
    ("rangeinclusive", &["0..=3", "3..=0", "-5..=-1"]),
    ("steps", &["resumable(\"x\", #{}).steps(2)"]),
    (
        "keptbatches",
        &["resumable(\"x\", #{}).batches(\
             dataset(\"shapes\", #{ train: 10, test: 10 }).test, #{ batch_size: 3 })"],
    ),
    (
        "resumable",
        &["resumable(\"x\", #{})", "resumable(\"y\", #{ a: 1 })"],
    ),
    ("progress", &["progress(\"x\", 10)", "progress(\"\", 0)"]),
    (
        "table",
        &["table(\"t\", [\"a\"], [[1]])", "table(\"\", [], [])"],
    ),
    (
        "diagnosis",
        &["diagnose(sequential([Flatten(), Linear(3072, 10)]), \
             dataset(\"shapes\", #{ train: 10, test: 10 }).test, #{ checks: [\"gradients\"] })"],
    ),
];

fn values(of_type: &str) -> Option<&'static [&'static str]> {
    let found = VALUES.iter().find(|(name, _)| *name == of_type);
    found.map(|(_, values)| *values)
}

/// A value of any type.
fn anything(random: &mut Random) -> String {
    let (_, values) = random.pick(&VALUES);
    random.pick(values).to_owned()
}

/// A value for a parameter, mostly of its type: that gets beyond the search for a function.
fn argument(random: &mut Random, (name, of_type): &(String, String)) -> String {
    // What is not declared is often said by the name.
    let known = match (name.as_str(), of_type.as_str()) {
        ("x" | "y" | "x_adv" | "logits" | "images", "any") => "tensor",
        ("given", "any") => "map",
        (name, "any") => name,
        (_, of_type) => of_type,
    };
    match values(known) {
        Some(values) if random.below(5) > 0 => random.pick(values).to_owned(),
        _ => anything(random),
    }
}

/// Options of a function, most of them with values that they do not expect.
fn options(random: &mut Random, options: &[OptionDoc]) -> String {
    let mut entries = Vec::new();
    for option in options {
        if random.below(10) < if option.required { 9 } else { 3 } {
            entries.push(format!("{}: {}", option.name, option_value(random, option)));
        }
    }
    if random.below(20) == 0 {
        entries.push("surely_no_option: 1".to_owned());
    }
    format!("#{{ {} }}", entries.join(", "))
}

fn option_value(random: &mut Random, option: &OptionDoc) -> String {
    let words = option.values();
    let default = option
        .default
        .as_deref()
        .unwrap_or_default()
        .trim_matches('`');
    let literal =
        |text: &str| text.parse::<f64>().is_ok() || ["true", "false", "()", "[]"].contains(&text);
    match random.below(6) {
        0 | 1 if !words.is_empty() => format!("{:?}", words[random.below(words.len())]),
        0 | 1 if literal(default) => default.to_owned(),
        0..=2 => random.pick(values("float").unwrap()).to_owned(),
        3 | 4 => random.pick(values("int").unwrap()).to_owned(),
        _ => anything(random),
    }
}

/// A script that makes one call.
fn call(random: &mut Random, entry: &Entry, form: &Signature) -> String {
    let mut arguments: Vec<String> = form.params.iter().map(|it| argument(random, it)).collect();
    if let (Some(known), true) = (&entry.options, form.takes_options() && random.below(8) > 0)
        && let Some(last) = arguments.last_mut()
    {
        *last = options(random, known);
    }
    // The documented values of arguments, too: the names of kinds and corruptions.
    let (words, _) = entry.argument_values();
    if let (false, true) = (words.is_empty(), random.below(2) == 0)
        && let Some(at) = form
            .params
            .iter()
            .position(|(_, of_type)| of_type == "string")
    {
        arguments[at] = format!("{:?}", words[random.below(words.len())]);
    }
    if random.below(25) == 0 {
        arguments.pop();
    }
    let name = entry.name.as_str();
    let (first, others) = match arguments.split_first() {
        Some((first, others)) => (first.as_str(), others),
        None => ("", arguments.as_slice()),
    };
    match (entry.kind, others) {
        (Kind::Property, []) => format!("let it = {first}; print(it.{name});"),
        (Kind::Property, [value, ..]) => {
            format!("let it = {first}; it.{name} = {value}; print(it);")
        }
        (Kind::Operator, [index]) if name == "[]" => {
            format!("let it = {first}; print(it[{index}]);")
        }
        (Kind::Operator, [index, value, ..]) if name == "[]" => {
            format!("let it = {first}; it[{index}] = {value}; print(it);")
        }
        (Kind::Operator, []) => format!("print({name}({first}));"),
        (Kind::Operator, [second, ..]) if name.ends_with('=') && !is_comparison(name) => {
            format!("let it = {first}; it {name} ({second}); print(it);")
        }
        (Kind::Operator, [second, ..]) => format!("print(({first}) {name} ({second}));"),
        (Kind::LibraryFunction, _) => {
            let alias = name.split("::").next().unwrap_or_default();
            let arguments = arguments.join(", ");
            format!(
                "import \"{}\" as {alias}; print({name}({arguments}));",
                entry.topic
            )
        }
        // Half of them as methods, which may change what they are called on.
        (Kind::Function, _) if !first.is_empty() && random.below(2) == 0 => {
            format!("let it = {first}; print(it.{name}({}));", others.join(", "))
        }
        (Kind::Function, _) => format!("print({name}({}));", arguments.join(", ")),
    }
}

fn is_comparison(operator: &str) -> bool {
    ["==", "!=", "<=", ">="].contains(&operator)
}

/// The forms of a function whose arguments scripts can make. A type of ours that the test has no
/// value of is a mistake of the test.
fn forms(entry: &Entry) -> Vec<Signature> {
    let reachable = |form: &&Signature| {
        form.params.iter().all(|(_, of_type)| {
            let known = of_type == "any" || values(of_type).is_some();
            // Rhai itself has types for programs in Rust of which scripts can make no value.
            let never = entry.topic == "rhai";
            assert!(
                known || never,
                "{} has no value of type {of_type}",
                entry.name
            );
            known
        })
    };
    entry.signatures.iter().filter(reachable).cloned().collect()
}

/// What is wrong with how a call ended, and whether it went on after its time.
fn outcome(host: &Host, engine: &rhai::Engine, script: &str) -> (Option<String>, bool) {
    interrupt::clear();
    let began = Instant::now();
    let limits = Limits {
        time: Some(TIME),
        memory: Some(MEMORY),
        ..Limits::default()
    };
    let watch = Watch::begin(limits, true, |_| {});
    let ran =
        compile(host, engine, "call", None, script.to_owned()).and_then(|ast| engine.run_ast(&ast));
    drop(watch);
    let late = began.elapsed() > GRACE;
    let report = ran.err().map(|error| errors::report(engine, &error));
    // The script is shown in the report.
    let said = report.unwrap_or_default().replace(script, "");
    let crashed = CRASHES.iter().any(|word| said.contains(word));
    let empty = said.lines().next().is_some_and(|it| it.trim() == "error:");
    ((crashed || empty).then_some(said), late)
}

/// Makes calls `from..to` of a function in one engine; what is wrong with them.
fn calls(entry: &Entry, forms: &[Signature], from: usize, to: usize, current: &Current) -> Tally {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        out: Some(folder.path().join("run")),
        ..Settings::default()
    };
    let host = Host::new(settings).unwrap();
    host.set_printer(|_| {});
    host.create_run_folder().unwrap();
    let engine = engine(host.clone());
    let mut tally = Tally::default();
    for number in from..to {
        let random = &mut Random::new(name_as_number(&entry.name) ^ number as u64);
        let form = &forms[random.below(forms.len())];
        let script = call(random, entry, form);
        if std::env::var_os("RHOBUST_CALLS").is_some() {
            println!("{script}");
        }
        *held(current) = (number, script.clone());
        let (wrong, late) = outcome(&host, &engine, &script);
        tally.calls += 1;
        tally.late.extend(late.then(|| script.clone()));
        tally
            .wrong
            .extend(wrong.map(|said| format!("{script}\n{said}\n")));
    }
    tally
}

/// The call that is being made.
type Current = Arc<Mutex<(usize, String)>>;

fn held(current: &Current) -> std::sync::MutexGuard<'_, (usize, String)> {
    current.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
struct Tally {
    calls: usize,
    wrong: Vec<String>,
    late: Vec<String>,
}

/// Different names give different arguments, the same ones in every run.
fn name_as_number(name: &str) -> u64 {
    let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    name.bytes().fold(0xcbf2_9ce4_8422_2325, hash) << 16
}

#[test]
fn no_function_crashes_whatever_it_is_called_with() {
    let _alone = alone();
    let each = std::env::var("RHOBUST_CALLS");
    let each = each.map_or(FEW, |it| it.parse().expect("RHOBUST_CALLS is a number"));
    let only = std::env::var("RHOBUST_CALLS_OF").ok();
    torch::bound_memory(memory::set_limit(MEMORY));
    torch::use_threads(Some(1));
    let mut all = Tally::default();
    let (mut functions, mut out_of_reach) = (0, Vec::new());
    for entry in docs().entries() {
        if only.as_ref().is_some_and(|it| *it != entry.name) {
            continue;
        }
        let forms = forms(entry);
        if forms.is_empty() {
            out_of_reach.push(entry.name.as_str());
            continue;
        }
        functions += 1;
        let mut from = 0;
        while from < each {
            let current = Current::default();
            let (forms, made) = (forms.clone(), current.clone());
            let work = move || calls(entry, &forms, from, each, &made);
            match thread::with_large_stack(work) {
                Ok(tally) => {
                    from = each;
                    all.calls += tally.calls;
                    all.wrong.extend(tally.wrong);
                    all.late.extend(tally.late);
                }
                Err(panic) => {
                    let (number, script) = held(&current).clone();
                    all.calls += number + 1 - from;
                    from = number + 1;
                    all.wrong.push(format!("{script}\n{panic}\n"));
                }
            }
        }
    }
    interrupt::clear();
    println!(
        "{} calls of {functions} functions; no values for {out_of_reach:?}; {} calls did not stop \
         when asked to:\n{}",
        all.calls,
        all.late.len(),
        all.late.join("\n")
    );
    assert!(functions > 300 || only.is_some(), "{functions}");
    assert!(all.wrong.is_empty(), "{}", all.wrong.join("\n"));
}
