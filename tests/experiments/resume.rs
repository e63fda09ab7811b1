//! Evaluations that are stopped and gone on with.

use super::{Run, project};
use std::fs;
use std::process::{Command, Output};

/// An evaluation of a model that the script trains, clean, attacked from a random start and
/// corrupted. It stops where `stop` says, at a batch of the attack or of the corruptions.
const STOPPING: &str = r#"
    import "std/train" as train;
    import "std/evaluate" as evaluate;
    let p = params(#{ batch_size: 6, stop: 0 });
    let data = dataset("shapes", #{ train: 100, test: 30, seed: 0 });
    let model = sequential([Flatten(), Linear(3072, data.classes)]);
    train::fit(model, data.train, #{
        optimizer: sgd(model, #{ lr: 0.01, momentum: 0.9 }), batch_size: 50,
    });
    let o = #{ batch_size: p.batch_size };
    evaluate::errors(model, data.test, o);
    let attack = pgd(#{ eps: 0.03, steps: 2 });
    let done = #{ batches: 0 };
    for split in [data.test, data.test.corrupted("fog", 3)] {
        let rows = ledger(model, split, #{ attack: attack });
        for batch in split.without(rows).batches(o) {
            done.batches += 1;
            if done.batches == p.stop { throw "stopped"; }
            let x_adv = attack.perturb(model, batch.x, batch.y, batch);
            rows.add(batch, model.class_logits(x_adv, data.classes), batch.x, x_adv);
        }
        rows.write();
        log_classes("model", rows.condition, rows.evaluation, data.class_names);
    }
"#;

fn resume(run: &Run, sets: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rhobust"))
        .args(["run", "--resume"])
        .arg(run.folder.path())
        .args(sets.iter().flat_map(|set| ["--set", set]))
        .current_dir(project())
        .output()
        .unwrap()
}

const LEDGERS: [&str; 3] = [
    "ledger/model/clean.parquet",
    "ledger/model/pgd, eps 0.03.parquet",
    "ledger/model/fog 3, pgd, eps 0.03.parquet",
];

#[test]
fn a_stopped_evaluation_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("stopping.rhai");
    fs::write(&script, STOPPING).unwrap();
    let whole = Run::of(&script, &[]).succeeds();

    let stopped = Run::of(&script, &["--set", "stop=3"]);
    stopped.fails(&["stopped"]);
    let again = resume(&stopped, &["stop=7"]);
    let (text, errors) = (
        String::from_utf8_lossy(&again.stdout),
        String::from_utf8_lossy(&again.stderr),
    );
    assert_eq!(again.status.code(), Some(1), "{errors}");
    assert!(
        text.contains("pgd, eps 0.03: 12 of 30 images were done before"),
        "{text}"
    );
    let last = resume(&stopped, &["stop=0"]);
    assert!(
        last.status.success(),
        "{}",
        String::from_utf8_lossy(&last.stderr)
    );
    let text = String::from_utf8_lossy(&last.stdout);
    assert!(
        text.contains("fog 3, pgd, eps 0.03: 18 of 30 images"),
        "{text}"
    );
    for name in LEDGERS.iter().chain(&["classes.csv", "metrics.csv"]) {
        assert!(stopped.read(name) == whole.read(name), "{name} differs");
    }
    let record: serde_json::Value = serde_json::from_slice(&stopped.read("record.json")).unwrap();
    assert_eq!(record["status"], "finished");
    assert_eq!(record["resumed"].as_array().unwrap().len(), 2);

    // In other batches, the last digit of a logit may be another, the tables are not.
    let stopped = Run::of(&script, &["--set", "stop=3"]);
    assert!(
        resume(&stopped, &["stop=0", "batch_size=7"])
            .status
            .success()
    );
    assert_eq!(stopped.text("classes.csv"), whole.text("classes.csv"));
}

#[test]
fn what_cannot_be_resumed_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("stopping.rhai");
    fs::write(&script, STOPPING).unwrap();
    let refused = |run: &Run, sets: &[&str], part: &str| {
        let output = resume(run, sets);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains(part), "{part:?} is not in\n{errors}");
    };
    let stopped = Run::of(&script, &["--set", "stop=3"]);
    let damaged = stopped.folder.path().join(LEDGERS[1]);
    let bytes = fs::read(&damaged).unwrap();
    fs::write(&damaged, &bytes[..bytes.len() - 9]).unwrap();
    let output = resume(&stopped, &["stop=8"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("evaluated again") && text.contains("damaged"),
        "{text}"
    );

    fs::write(&script, STOPPING.replace("lr: 0.01", "lr: 0.02")).unwrap();
    refused(&stopped, &[], "has changed since this run began");
    fs::write(&script, STOPPING).unwrap();
    assert!(resume(&stopped, &["stop=0"]).status.success());
    refused(
        &stopped,
        &[],
        "this run finished; there is nothing to resume",
    );
    fs::write(stopped.folder.path().join("record.json"), "{").unwrap();
    refused(&stopped, &[], "record.json is damaged");
    fs::remove_file(stopped.folder.path().join("record.json")).unwrap();
    refused(&stopped, &[], "is not the folder of a run");
}
