//! Sweeps over grids of parameters, each run a process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Logs ten times `a` and the seed; with `needs`, fails or waits until there is a file `go`.
const SCRIPT: &str = r#"
    let p = params(#{ a: 1.0, n: 3, seed: 0, radii: [0.1], needs: "", only: 1 });
    seed(p.seed);
    log_metrics("final", #{ model: "m", score: p.a * 10.0 + p.seed.to_float() });
    if p.needs != "" && p.seed == p.only {
        let waits = p.needs == "wait";
        loop {
            try { load_tensors("go.safetensors"); break; } catch (error) {
                if !waits { throw `nothing to go on with: ${error}`; }
            }
            sleep(0.02);
        }
    }
    print(`a is ${p.a}`);
"#;

/// A folder with the script, which sweeps are started in.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("s.rhai"), SCRIPT).unwrap();
        Place(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rhobust"));
        command
            .arg("sweep")
            .args(args)
            .current_dir(self.0.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs `rhobust sweep ARGS`, which has to end with `code`.
    #[track_caller]
    fn sweep(&self, args: &[&str], code: i32) -> Told {
        told(self.command(args).output().unwrap(), code)
    }

    /// Lets scripts that need it go on.
    fn go(&self) {
        let nothing = b"\x02\0\0\0\0\0\0\0{}";
        fs::write(self.path("go.safetensors"), nothing).unwrap();
    }

    fn text(&self, name: &str) -> String {
        let path = self.path(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn record(&self, run: &str) -> serde_json::Value {
        serde_json::from_str(&self.text(&format!("{run}/record.json"))).unwrap()
    }
}

struct Told {
    stdout: String,
    stderr: String,
}

#[track_caller]
fn told(output: Output, code: i32) -> Told {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.code(), Some(code), "{stdout}\n{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    Told { stdout, stderr }
}

#[track_caller]
fn has(text: &str, part: &str) {
    assert!(text.contains(part), "{part:?} is not in\n{text}");
}

#[test]
fn a_sweep_averages_is_not_done_twice_and_grows() {
    let place = Place::new();
    let grid = |seeds| {
        vec![
            "s.rhai",
            "--grid",
            "a=0.1,2/10",
            "--grid",
            seeds,
            "--set",
            "n=4",
            "--jobs",
            "2",
            "--out",
            "x",
        ]
    };
    let first = place.sweep(&grid("seed=0..3"), 0);
    has(&first.stderr, "6 of 6 runs finished");
    has(&first.stdout, "s.rhai: 6 of 6 runs, means over seed");
    assert_eq!(
        place.text("x/table.txt").trim_end(),
        first.stdout.trim_end()
    );
    let record = place.record("x/a=0.1_seed=2");
    let parameters = &record["parameters"];
    assert_eq!(
        (&parameters["a"], &parameters["n"]),
        (&0.1.into(), &4.into())
    );
    assert_eq!(
        (&parameters["seed"], &record["seed"]),
        (&2.into(), &2.into())
    );
    has(&place.text("x/a=0.1_seed=2.log"), "a is 0.1\n");

    // 1, 2, 3: a mean of 2, a deviation of 1; t with two degrees of freedom is
    // 0.95 sqrt(2 / (1 - 0.95^2)).
    let half = 0.95 * (2.0_f64 / (1.0 - 0.95 * 0.95)).sqrt() / 3.0_f64.sqrt();
    let table = place.text("x/table.csv");
    let mut lines = table.lines();
    assert_eq!(
        lines.next(),
        Some("model,condition,metric,a,n,mean,deviation,low,high")
    );
    let row: Vec<&str> = lines.next().unwrap().split(',').collect();
    assert_eq!(row[..5], ["m", "final", "score", "0.1", "3"]);
    let numbers: Vec<f64> = row[5..].iter().map(|it| it.parse().unwrap()).collect();
    for (ours, theirs) in numbers.iter().zip([2.0, 1.0, 2.0 - half, 2.0 + half]) {
        // A few roundings.
        assert!((ours - theirs).abs() < 1e-12, "{ours} instead of {theirs}");
    }
    let row: Vec<&str> = lines.next().unwrap().split(',').collect();
    assert_eq!(row[3..6], ["2/10", "3", "3.0"]);

    let log = place.text("x/a=0.1_seed=2.log");
    let again = place.sweep(&grid("seed=0..3"), 0);
    assert!(!again.stderr.contains("begins"), "{}", again.stderr);
    assert_eq!(again.stdout, first.stdout);
    assert_eq!(place.text("x/a=0.1_seed=2.log"), log);

    let more = place.sweep(&grid("seed=0..=3"), 0);
    assert_eq!(more.stderr.matches(" begins").count(), 2, "{}", more.stderr);
    has(&more.stdout, "s.rhai: 8 of 8 runs");
    let fewer = place.sweep(&grid("seed=1,2"), 1);
    has(&fewer.stderr, "has `seed` 0, which the grid lacks");

    let by_seed = place.sweep(&["--table", "x", "--over", "a"], 0);
    has(&by_seed.stdout, "8 of 8 runs, means over a\n");
    has(&by_seed.stdout, "seed 3");
    let unknown = place.sweep(&["--table", "x", "--over", "b"], 1);
    has(&unknown.stderr, "--over b: the grid has no parameter `b`");

    let text = place.text("s.rhai");
    fs::write(place.path("s.rhai"), text + "print(1);\n").unwrap();
    let changed = place.sweep(&["--resume", "x"], 1);
    has(
        &changed.stderr,
        "s.rhai is not what x/a=0.1_seed=0 was run with",
    );
}

#[test]
fn a_run_that_fails_is_told_stops_no_other_and_can_be_gone_on_with() {
    let place = Place::new();
    let args = [
        "s.rhai",
        "--grid",
        "seed=0..3",
        "--set",
        "needs=file",
        "--threads",
        "1",
        "--out",
        "x",
    ];
    let first = place.sweep(&args, 1);
    for part in [
        "seed=1 failed after",
        "nothing to go on with: go.safetensors",
        "folder: x/seed=1\n",
        "log: x/seed=1.log\n",
        "2 of 3 runs finished, 1 failed",
        "to try again what failed: rhobust sweep --resume x\n",
    ] {
        has(&first.stderr, part);
    }
    has(&first.stdout, "Not finished, and not counted: seed=1.");
    place.go();
    let second = place.sweep(&["--resume", "x"], 0);
    has(&second.stderr, "seed=1 goes on");
    assert_eq!(
        place.record("x/seed=1")["resumed"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    has(&second.stdout, "3 of 3 runs");
    // Both commands, and what the run printed either time.
    let log = place.text("x/seed=1.log");
    assert_eq!(log.matches("\n$ ").count() + 1, 2, "{log}");
    has(&log, "run --resume x/seed=1 --threads 1\n");
}

/// Until a file of the sweep's has been written.
fn wait_for(path: &Path, part: &str, sweep: &mut Child) {
    let begun = Instant::now();
    while !fs::read_to_string(path).is_ok_and(|text| text.contains(part)) {
        let ended = sweep.try_wait().unwrap();
        // Only so that a mistake does not last for ever.
        if ended.is_some() || begun.elapsed() > Duration::from_secs(120) {
            let _ = sweep.kill();
            panic!("{path:?} never had {part:?}; the sweep: {ended:?}");
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn interrupt(sweep: &Child) {
    let number = sweep.id() as libc::pid_t;
    // SAFETY: `kill` takes any numbers; the child is ours and not waited for.
    assert_eq!(unsafe { libc::kill(number, libc::SIGINT) }, 0);
}

#[test]
fn ctrl_c_stops_the_runs_in_order_and_the_sweep_can_be_gone_on_with() {
    let place = Place::new();
    let args = [
        "s.rhai",
        "--grid",
        "seed=1..4",
        "--set",
        "needs=wait",
        "--set",
        "only=1",
        "--out",
        "x",
    ];
    let mut command = place.command(&args);
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut sweep = piped.spawn().unwrap();
    // The record has the parameters before the script waits.
    wait_for(&place.path("x/seed=1/record.json"), "needs", &mut sweep);
    let other = place.sweep(&args, 1);
    has(&other.stderr, "x: this sweep is still going on");
    interrupt(&sweep);
    let stopped = told(sweep.wait_with_output().unwrap(), 130);
    has(&stopped.stderr, "stopping 1 run");
    has(&stopped.stderr, "to go on: rhobust sweep --resume x\n");
    assert_eq!(place.record("x/seed=1")["status"], "interrupted");
    assert!(!place.path("x/seed=2").exists());

    // The same command goes on, too.
    place.go();
    let done = place.sweep(&args, 0);
    has(&done.stderr, "seed=1 goes on");
    has(&done.stderr, "seed=2 begins");
    assert_eq!(place.record("x/seed=1")["status"], "finished");
}

#[test]
fn a_dry_run_prints_what_a_shell_can_run_and_leaves_nothing() {
    let place = Place::new();
    let args = [
        "s.rhai",
        "--grid",
        "radii=[0.1, 0.2],[0.3]",
        "--grid",
        "seed=0,7",
        "--out",
        "a b",
    ];
    let dry: Vec<&str> = args.iter().copied().chain(["--dry-run"]).collect();
    let printed = place.sweep(&dry, 0);
    assert_eq!(printed.stdout.lines().count(), 4, "{}", printed.stdout);
    assert!(!place.path("a b").exists());
    assert_eq!(place.sweep(&dry, 0).stdout, printed.stdout);

    // As a Slurm array would take the second line.
    let line = printed.stdout.lines().nth(1).unwrap();
    let shell = Command::new("sh")
        .args(["-c", line])
        .current_dir(place.0.path())
        .output();
    told(shell.unwrap(), 0);
    let rest = place.sweep(&dry, 0).stdout;
    let others: Vec<&str> = printed.stdout.lines().filter(|it| *it != line).collect();
    assert_eq!(rest.lines().collect::<Vec<_>>(), others);
    let table = place.sweep(&args, 0);
    assert_eq!(
        table.stderr.matches(" begins").count(),
        3,
        "{}",
        table.stderr
    );
    has(&table.stdout, "radii [0.1, 0.2]");
}

#[test]
fn devices_are_given_in_turn() {
    let place = Place::new();
    let printed = place.sweep(
        &[
            "s.rhai",
            "--grid",
            "seed=0..3",
            "--devices",
            "cuda:0,cuda:1",
            "--threads",
            "2",
            "--out",
            "x",
            "--dry-run",
        ],
        0,
    );
    let devices: Vec<&str> = printed
        .stdout
        .lines()
        .map(|line| line.rsplit(' ').next().unwrap())
        .collect();
    assert_eq!(devices, ["cuda:0", "cuda:1", "cuda:0"]);
    has(
        &printed.stdout,
        "--out x/seed=0 --threads 2 --device cuda:0\n",
    );
}

#[test]
fn what_is_no_sweep_is_refused_before_anything_runs() {
    let place = Place::new();
    fs::write(place.path("broken.rhai"), "let = 1;").unwrap();
    fs::create_dir(place.path("used")).unwrap();
    fs::write(place.path("used/notes.txt"), "mine").unwrap();
    for (args, code, part) in [
        (vec!["s.rhai"], 2, "--grid"),
        (vec!["s.rhai", "--grid", "seed="], 2, "`seed` has no values"),
        (
            vec!["s.rhai", "--grid", "seed=4..0"],
            2,
            "the range 4..0 is empty",
        ),
        (
            vec!["s.rhai", "--grid", "a=1,1"],
            2,
            "has the value 1 twice",
        ),
        (
            vec!["s.rhai", "--grid", "a=1,2/2"],
            1,
            "--grid a: 1 and 2/2 are the same value",
        ),
        (
            vec!["s.rhai", "--grid", "sed=1"],
            1,
            "--grid sed: the script has no parameter `sed`; did you mean `seed`?",
        ),
        (
            vec!["s.rhai", "--grid", "n=1,1.5"],
            1,
            "--grid n=1.5: `n` must be an integer",
        ),
        (vec!["s.rhai", "--grid", "seed=-1"], 1, "a seed must be"),
        (
            vec!["s.rhai", "--grid", "n=1", "--set", "b=1"],
            1,
            "--set b: the script has no parameter `b`",
        ),
        (
            vec!["s.rhai", "--grid", "n=1", "--set", "n=1"],
            1,
            "`n` is in the grid and given with --set",
        ),
        (
            vec!["s.rhai", "--grid", "n=1", "--data", "n=1"],
            1,
            "`n` is in the grid and given with --set or --data",
        ),
        (
            vec!["s.rhobust", "--grid", "n=1"],
            2,
            "this is a recipe: `rhobust run` and `rhobust replay` run it",
        ),
        (
            vec!["s.rhai", "--grid", "seed=1", "--seed", "1"],
            1,
            "`seed` is in the grid and given with --seed",
        ),
        (
            vec!["s.rhai", "--grid", "n=1", "--grid", "n=2"],
            1,
            "--grid n is given twice",
        ),
        (
            vec!["s.rhai", "--grid", "n=1", "--over", "a"],
            1,
            "--over a: the grid has no parameter `a`",
        ),
        (
            vec!["none.rhai", "--grid", "n=1"],
            1,
            "none.rhai: there is no",
        ),
        (vec!["broken.rhai", "--grid", "n=1"], 1, "broken.rhai:1:"),
        (
            vec!["s.rhai", "--grid", "n=1", "--out", "used"],
            1,
            "used: the folder for a sweep must be new, empty or a sweep's",
        ),
        (
            vec!["s.rhai", "--grid", "n=1", "--device", "cuda:99"],
            1,
            "device cuda:99 is not here",
        ),
        (
            vec!["--resume", "used"],
            1,
            "used is not the folder of a sweep",
        ),
        (
            vec!["--table", "used"],
            1,
            "used is not the folder of a sweep",
        ),
    ] {
        has(&place.sweep(&args, code).stderr, part);
    }
    assert!(!place.path("sweeps").exists());
}
