//! `rhobust estimate`: what it counts, what it leaves behind.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

const QUICKSTART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/quickstart.rhai");

/// `rhobust estimate SCRIPT ARGS` in a folder of its own, with temporary files in `tmp` of it.
fn estimate(script: &Path, args: &[&str]) -> (TempDir, Output) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("tmp")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_rhobust"))
        .current_dir(&folder)
        .env("TMPDIR", folder.path().join("tmp"))
        .arg("estimate")
        .arg(script)
        .args(args)
        .output()
        .unwrap();
    (folder, output)
}

/// The same for a script of this text.
fn estimate_text(text: &str, args: &[&str]) -> (TempDir, Output) {
    let home = tempfile::tempdir().unwrap();
    let script: PathBuf = home.path().join("main.rhai");
    fs::write(&script, text).unwrap();
    estimate(&script, args)
}

fn left_behind(folder: &TempDir) -> Vec<String> {
    let names = |path: &Path| -> Vec<String> {
        let entries = fs::read_dir(path).unwrap();
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        entries.map(|entry| name(entry.unwrap())).collect()
    };
    let mut all = names(folder.path());
    all.retain(|name| name != "tmp");
    all.extend(names(&folder.path().join("tmp")));
    all
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_str(&stdout(output)).unwrap_or_else(|_| panic!("{output:?}"))
}

/// Images, forward and backward passes.
fn passes(part: &Value) -> [f64; 3] {
    ["images", "forward", "backward"].map(|key| part[key].as_f64().unwrap())
}

#[test]
fn passes_follow_from_epochs_images_and_steps() {
    // Batches of 64, the last one in training left out: 8000 of 8010 images, in 125 batches.
    let settings = ["train=8010", "test=150", "epochs=4"];
    let mut args: Vec<&str> = settings.iter().flat_map(|it| ["--set", it]).collect();
    args.extend(["--json", "--threads", "1", "--device", "cpu"]);
    let (folder, output) = estimate(Path::new(QUICKSTART), &args);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(stderr(&output), "");
    assert!(left_behind(&folder).is_empty());

    let found = json(&output);
    assert_eq!(found["stopped"], Value::Null);
    assert_eq!(
        (&found["device"], &found["threads"]),
        (&"cpu".into(), &1.into())
    );
    let parts = found["parts"].as_array().unwrap();
    let titles: Vec<&str> = parts
        .iter()
        .map(|it| it["title"].as_str().unwrap())
        .collect();
    assert_eq!(
        titles,
        ["model: epoch */4", "model: clean", "model: pgd, eps 0.03"]
    );

    let trained = 4.0 * 8000.0;
    assert_eq!(passes(&parts[0]), [trained; 3]);
    assert_eq!(
        (&parts[0]["loops"], &parts[0]["batches"]),
        (&4.into(), &500.into())
    );
    assert!(parts[0]["probed_batches"].as_u64().unwrap() < 500);
    assert_eq!(passes(&parts[1]), [150.0, 150.0, 0.0]);
    // Ten steps and the prediction; pictures of eight images are kept, with two predictions.
    let attacked = 11.0 * 150.0;
    assert_eq!(passes(&parts[2]), [150.0, attacked, 10.0 * 150.0]);
    let total = &found["total"];
    assert_eq!(total["forward"], trained + 150.0 + attacked + 12.0 * 8.0);
    assert_eq!(total["backward"], trained + 10.0 * 150.0 + 10.0 * 8.0);
    assert!(total["seconds"].as_f64().unwrap() > 0.0);
    // A row of metrics.csv for each of the 500 steps.
    assert!(found["bytes_written"].as_f64().unwrap() > 500.0 * 20.0);
}

#[test]
fn a_loop_of_several_passes_counts_each() {
    let (_folder, output) = estimate_text(
        "import \"std/train\" as train;
         import \"std/evaluate\" as evaluate;
         let data = dataset(\"shapes\", #{ train: 400, test: 300 });
         let labels = label_augmentation(data.classes, [\"pgd\"], #{ delta: 0.03 });
         let model = sequential([AvgPool2d(4), Flatten(), Linear(192, labels.outputs)],
             #{ classes: data.classes });
         let attack = pgd(#{ eps: 0.03, steps: 3 });
         train::fit(model, data.train, #{
             optimizer: sgd(model, #{ lr: 0.1 }), batch_size: 1, epochs: 2, name: \"Adv+\",
             loss: [|x, y| labels.loss(model.forward(x), y, \"clean\"),
                    |x, y| labels.loss(model.forward(attack.perturb(model, x, y)), y, \"pgd\")],
         });
         evaluate::paper(model, data.test, #{ name: \"Adv+\", eps: 0.03, steps: 2, batch_size: 1 });",
        &["--json"],
    );
    assert!(output.status.success(), "{output:?}");
    let found = json(&output);
    let parts = found["parts"].as_array().unwrap();
    // Clean, three steps of the attack, attacked.
    assert_eq!(passes(&parts[0]), [800.0, 800.0 * 5.0, 800.0 * 5.0]);
    assert_eq!(passes(&parts[2]), [300.0, 300.0 * 3.0, 300.0 * 2.0]);

    // The model's cells are filled, though all images of the probe may be right or wrong, and
    // none shows a value.
    let table = &found["tables"][0];
    for row in table["rows"].as_array().unwrap() {
        for (at, cell) in row["cells"].as_array().unwrap().iter().enumerate() {
            assert!(*cell == "✓" || cell["value"].is_null(), "{row}");
            assert!(at > 0 || *cell == "✓", "{row}");
        }
    }
}

#[test]
fn people_get_a_table_and_nothing_of_what_the_script_prints() {
    let script = "print(\"hello\"); debug(\"there\");
         let split = dataset(\"shapes\", #{ test: 60 }).test;
         let seen = 0;
         for batch in split.batches(#{ batch_size: 20 }) { seen += batch.len(); }
         report(table(\"mine\", [\"error\", \"other\"], [[\"all\", 0.123, ()]]));";
    let (folder, output) = estimate_text(script, &[]);
    assert!(output.status.success(), "{output:?}");
    let text = stdout(&output);
    for part in [
        "batches(3 of 20 images",
        "in all",
        "It will take",
        "Cells marked ✓",
        "mine",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    let row = text.lines().rfind(|line| line.starts_with("all")).unwrap();
    assert_eq!(
        row.split_whitespace().collect::<Vec<_>>(),
        ["all", "✓", "–"]
    );
    for word in ["hello", "there", "0.123"] {
        assert!(
            !text.contains(word) && !stderr(&output).contains(word),
            "{output:?}"
        );
    }
    assert!(left_behind(&folder).is_empty());

    let (_folder, output) = estimate_text(script, &["--verbose"]);
    assert!(stderr(&output).contains("hello") && stderr(&output).contains("there"));
}

/// Where a run may write elsewhere, the probe does not; it finds again what it wrote.
#[test]
fn nothing_is_written_elsewhere() {
    let outside = tempfile::tempdir().unwrap();
    let path = outside.path().join("x.safetensors");
    let script = format!(
        "save_tensors({path:?}, #{{ a: tensor([1]) }});
         assert(load_tensors({path:?}).a.item() == 1);
         save_tensors(\"own.safetensors\", #{{ a: tensor([2]) }});
         assert(load_tensors(\"own.safetensors\").a.item() == 2);"
    );
    let allowed = outside.path().display().to_string();
    let (folder, output) = estimate_text(&script, &["--allow-write", &allowed]);
    assert!(output.status.success(), "{output:?}");
    assert!(!path.exists() && left_behind(&folder).is_empty());
    let (_folder, output) = estimate_text(&script, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("--allow-write"), "{output:?}");
}

#[test]
fn a_script_that_fails_in_the_probe_is_estimated_so_far() {
    let (folder, output) = estimate_text(
        "let split = dataset(\"shapes\", #{ test: 60 }).test;
         for batch in split.batches(#{ batch_size: 20 }) { }
         assert(false, \"too few\");",
        &["--json"],
    );
    assert_eq!(output.status.code(), Some(1));
    let found = json(&output);
    assert_eq!(found["parts"][0]["images"], 60);
    assert!(found["stopped"].as_str().unwrap().contains("too few"));
    let told = stderr(&output);
    assert!(
        told.starts_with("error: ") && told.contains("did not reach the end"),
        "{told}"
    );
    assert!(left_behind(&folder).is_empty());

    // What fails before the script begins is an error alone.
    for (text, args, part) in [
        ("let x = ;", &[][..], "error: "),
        ("params(#{ a: 1 });", &["--set", "b=2"], "`b`"),
    ] {
        let (folder, output) = estimate_text(text, args);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            stdout(&output).is_empty() && stderr(&output).contains(part),
            "{output:?}"
        );
        assert!(left_behind(&folder).is_empty());
    }
}
