//! A thousand hostile scripts, written and generated: none gets through, and each ends with a
//! named error within its limits. So does each function, whatever it is called with, and each
//! reader, whatever it is given.
//!
//! `cargo test` runs some of each kind; `make hostile` all, and prints a table.

mod bombs;
mod calls;
mod damage;
mod paths;
mod random;
mod world;

use random::Random;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use world::{Outcome, World};

/// All of them.
const ALL: usize = 1000;
/// In the suite.
const SOME: usize = 50;

/// For tests that work in this process: one that asks the process to stop would stop the others.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A script and how the program is called.
struct Attempt {
    kind: &'static str,
    script: String,
    args: Vec<String>,
    /// Whether links are exchanged while the script runs.
    swapping: bool,
}

impl Attempt {
    fn new(kind: &'static str, script: impl Into<String>) -> Attempt {
        Attempt {
            kind,
            script: script.into(),
            args: Vec::new(),
            swapping: false,
        }
    }

    fn with(mut self, args: &[&str]) -> Attempt {
        self.args.extend(args.iter().map(|it| it.to_string()));
        self
    }

    fn while_links_change(mut self) -> Attempt {
        self.swapping = true;
        self
    }
}

/// Number `number` of all.
fn attempt(number: usize) -> Attempt {
    let random = &mut Random::new(number as u64);
    match number % 20 {
        0..=2 => paths::absolute(random),
        3 | 4 => paths::upwards(random),
        5 | 6 => paths::links(random),
        7 => paths::swapped(random),
        8 | 9 => paths::written(random),
        10 => paths::devices(random),
        11 => paths::kernel(random),
        12 => paths::imports(random),
        13 => paths::damaged(random),
        14 => bombs::strings(random),
        15 => bombs::recursion(random),
        16 => bombs::loops(random),
        17 | 18 => bombs::tensors(random),
        _ => paths::processes(random),
    }
}

/// What became of the attempts of a kind.
#[derive(Default)]
struct Row {
    tries: usize,
    through: usize,
    slowest: Duration,
}

#[test]
fn no_script_gets_through() {
    let wanted = std::env::var("RHOBUST_HOSTILE");
    let wanted = wanted.map_or(SOME, |it| it.parse().expect("RHOBUST_HOSTILE is a number"));
    // A step that has no divisor in common with their number: few are some of each kind.
    const STEP: usize = 373;
    let numbers: Vec<usize> = (0..wanted.min(ALL)).map(|it| it * STEP % ALL).collect();
    let next = AtomicUsize::new(0);
    let rows: Mutex<BTreeMap<&str, Row>> = Mutex::default();
    let failures: Mutex<Vec<String>> = Mutex::default();
    let work = || {
        while let Some(&number) = numbers.get(next.fetch_add(1, Ordering::Relaxed)) {
            let attempt = attempt(number);
            let Outcome {
                verdict,
                error,
                took,
            } = World::new().run(&attempt);
            println!("{number:4} {}: {error}", attempt.kind);
            let mut rows = rows.lock().unwrap();
            let row = rows.entry(attempt.kind).or_default();
            row.tries += 1;
            row.slowest = row.slowest.max(took);
            if let Err(why) = verdict {
                row.through += 1;
                let script = &attempt.script;
                let text = format!("{number}, {}: {why}\n{script}\n", attempt.kind);
                failures.lock().unwrap().push(text);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    println!(
        "{:32} {:>6} {:>12} {:>9}",
        "kind", "tries", "got through", "slowest"
    );
    for (kind, row) in rows.into_inner().unwrap() {
        let seconds = row.slowest.as_secs_f64();
        println!(
            "{kind:32} {:6} {:12} {seconds:7.1} s",
            row.tries, row.through
        );
    }
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The world is as it is taken to be: what is allowed works in it.
#[test]
fn what_is_allowed_works() {
    for script in [
        "let x = load_tensors(\"open/weights.safetensors\"); print(x.x);",
        "print(dataset(\"open/photographs\").test);",
        "save_tensors(\"a.safetensors\", #{ a: ones([2]) });",
        "import \"open/module\" as m; print(m::f());",
    ] {
        let script = format!("{script}\nthrow \"the end\";");
        let outcome = World::new().run(&Attempt::new("allowed", &*script));
        assert_eq!(
            outcome.verdict,
            Err("it got to its end".to_owned()),
            "{script}"
        );
    }
}
