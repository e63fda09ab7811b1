//! What the tests of stopping share: scripts, how they are run, and what must be equal.

use super::project;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Training by `fit` with all that draws at random, an evaluation after each epoch, a regime that
/// remembers, loops in loops of one's own, and weights that are drawn between them.
pub const TRAINING: &str = r#"
    import "std/train" as train;
    import "std/evaluate" as evaluate;
    import "std/regimes" as regimes;
    let p = params(#{ lr: 0.05, data: "", stop: "none.safetensors" });
    fn stops_at(file) {
        let at = 0;
        try { at = load_tensors(file).at.item().to_int(); } catch { }
        at
    }
    let stop = #{ at: stops_at(p.stop), done: 0 };
    let steps = || { stop.done += 1; 
        if stop.done == stop.at { throw "stopped"; }
        if stop.done + stop.at == 0 { print("waiting"); sleep(1.0); }
    };
    let data = if p.data == "" { dataset("shapes", #{ train: 60, test: 20, seed: 0 }) }
        else { dataset(p.data, #{ size: 32, test_fraction: 0.25 }) };
    let labels = label_augmentation(data.classes, ["pgd"]);
    fn network(outputs, classes) {
        sequential([
            Conv2d(3, 8, 3, #{ stride: 2, padding: 1 }), BatchNorm2d(8), ReLU(),
            AdaptiveAvgPool2d(4), Flatten(), Dropout(0.2), Linear(128, outputs),
        ], #{ classes: classes })
    }
    let model = network(labels.outputs, data.classes);
    let attack = pgd(#{ eps: 0.03, steps: 2 });
    let optimizer = sgd(model, #{ lr: p.lr, momentum: 0.9 });
    let losses = train::fit(model, data.train, #{
        optimizer: optimizer, epochs: 3, batch_size: 12, augment: true, name: "Adv",
        loss: |x, y| {
            let loss = labels.loss(model.forward(attack.perturb(model, x, y)), y, "pgd");
            steps.call();
            loss
        },
        after_epoch: |epoch| {
            evaluate::errors(model, data.test, #{ name: "Adv" });
            steps.call();
            epoch < 1
        },
    });
    model.save("adv.safetensors");
    optimizer.save("optimizer.safetensors");

    let second = network(data.classes, data.classes);
    train::fit(second, data.train, #{
        optimizer: sgd(second, #{ lr: p.lr, momentum: 0.9 }), epochs: 2, batch_size: 12,
        name: "free", step: regimes::free(second, #{ eps: 0.03, replays: 2 }),
        after_epoch: |epoch| { steps.call(); true },
    });
    second.save("free.safetensors");

    let w = rand([8, 8]).requires_grad_();
    let kept = resumable("own", #{ w: w, velocity: zeros_like(w), best: 1e9, history: [] });
    for round in kept.steps(1..=2, "round") {
        log_metrics("round", #{ model: "own", step: round, scale: 0.5 / round });
        for step in kept.steps(4) {
            let loss = (w - rand([8, 8])).square().mean();
            kept.velocity = kept.velocity * 0.9 + grad(loss, [w])[0];
            kept.history.push(loss.item());
            steps.call();
            w.assign_(w - kept.velocity * 0.5);
            if loss.item() < kept.best { kept.best = loss.item(); }
            log_metrics("step", #{ model: "own", step: round * 4 + step, loss: loss.item() });
        }
        for search in kept.steps(2, "search") {
            let tried = resumable("try", #{ at: rand([2]), n: 0 });
            for step in tried.steps(3) {
                tried.at += rand([2]) * 0.1;
                tried.n += 1;
                steps.call();
            }
            kept.history.push(tried.at.sum().item());
        }
    }
    save_tensors("own.safetensors", #{
        w: w, v: kept.velocity, history: tensor(kept.history), losses: tensor(losses),
        after: rand([3]),
    });
    evaluate::errors(model, data.test, #{ name: "Adv", attack: attack });
    print(`${stop.done} steps`);
"#;

/// A model against attacks and corruptions.
pub const EVALUATION: &str = r#"
    import "std/evaluate" as evaluate;
    let data = dataset("shapes", #{ train: 10, test: 200, seed: 0 });
    let model = sequential([
        Conv2d(3, 8, 3, #{ stride: 2, padding: 1 }), BatchNorm2d(8), ReLU(),
        AdaptiveAvgPool2d(4), Flatten(), Linear(128, data.classes),
    ]);
    evaluate::everything(model, data.test, #{
        eps: 0.03, steps: 10, sweep: [0.01], corruptions: ["fog", "gaussian_noise"], batch_size: 25,
    });
    evaluate::errors(model, data.test, #{
        attack: |x, y| (x + (rand_like(x) - 0.5) * 0.1).clamp(0.0, 1.0), batch_size: 25,
    });
    save_tensors("after.safetensors", #{ after: rand([3]) });
"#;

/// The program; `RHOBUST_PROGRAM` names another build of it.
pub fn program() -> String {
    let built = || env!("CARGO_BIN_EXE_rhobust").to_owned();
    std::env::var("RHOBUST_PROGRAM").unwrap_or_else(|_| built())
}

pub fn rhobust(args: &[&str]) -> Command {
    let mut command = Command::new(program());
    // Tests run beside each other.
    command
        .args(args)
        .env("OMP_NUM_THREADS", "1")
        .current_dir(project());
    command
}

pub fn run(script: &Path, out: &Path, more: &[&str]) -> Command {
    let mut command = rhobust(&[
        "run",
        script.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
    ]);
    command.args(more);
    command
}

pub fn resume(out: &Path, more: &[&str]) -> Command {
    let mut command = rhobust(&["run", "--resume", out.to_str().unwrap()]);
    command.args(more);
    command
}

#[track_caller]
pub fn succeeds(output: &Output) {
    let (text, errors) = (stdout(output), stderr(output));
    assert!(output.status.success(), "{text}{errors}");
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Everything in a run's folder that does not depend on the clock or on how often it was stopped:
/// files by name, TensorBoard's events without their times, and the last checkpoint of each loop,
/// which has weights, momentum, rates and rows. The scripts here read a file that stops them, which
/// is another one each time, so the list of what was read is not looked at.
pub fn results(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    collect(folder, folder, &mut found);
    let last = |folder: &Path| found_last(&found, folder);
    let checkpoints = found
        .keys()
        .filter(|path| path.extension().is_some_and(|it| it == "checkpoint"));
    // How many there are of loops within steps depends on when the outer loop wrote one.
    let inner = |path: &PathBuf| path.components().count() > 3;
    let older: Vec<PathBuf> = checkpoints
        .filter(|path| inner(path) || last(path.parent().unwrap()) != **path)
        .cloned()
        .collect();
    for path in older {
        found.remove(&path);
    }
    found
}

fn found_last(found: &BTreeMap<PathBuf, Vec<u8>>, folder: &Path) -> PathBuf {
    let mut beside = found.keys().filter(|path| path.parent() == Some(folder));
    beside.next_back().unwrap().clone()
}

fn collect(root: &Path, folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let inside = path.strip_prefix(root).unwrap().to_owned();
        if path.is_dir() {
            collect(root, &path, found);
        } else if inside.starts_with("tensorboard") {
            let model = inside.parent().unwrap().to_owned();
            let events = events(&fs::read(&path).unwrap());
            found.entry(model).or_default().extend(events);
        } else if !["record.json", "inputs.csv"]
            .map(Path::new)
            .contains(&inside.as_path())
        {
            found.insert(inside, fs::read(&path).unwrap());
        }
    }
}

/// The events of a file without the first, which says the version, and without their times: eight
/// bytes behind the number of their field.
fn events(mut bytes: &[u8]) -> Vec<u8> {
    let mut found = Vec::new();
    let mut first = true;
    while let Some((length, rest)) = bytes.split_first_chunk::<8>() {
        let length = u64::from_le_bytes(*length) as usize;
        let data = &rest[4..4 + length];
        assert_eq!(data[0], 9, "an event begins with its time");
        if !std::mem::take(&mut first) {
            found.extend(&data[9..]);
        }
        bytes = &rest[4 + length + 4..];
    }
    found
}

/// The names of the files that differ.
pub fn differing(a: &BTreeMap<PathBuf, Vec<u8>>, b: &BTreeMap<PathBuf, Vec<u8>>) -> Vec<String> {
    let names = a.keys().chain(b.keys());
    let mut names: Vec<&PathBuf> = names.filter(|name| a.get(*name) != b.get(*name)).collect();
    names.dedup();
    names
        .iter()
        .map(|name| name.display().to_string())
        .collect()
}

/// A file that tells [`TRAINING`] to stop at a step.
pub fn stop_at(file: &Path, step: i64) {
    let bytes = step.to_le_bytes();
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::I64, vec![1], &bytes);
    let bytes = safetensors::serialize([("at", view.unwrap())], None).unwrap();
    fs::write(file, bytes).unwrap();
}
