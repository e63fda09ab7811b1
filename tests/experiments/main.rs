//! The scripts of the project, run by the program on tiny data; that equal runs give equal
//! bits; and files that are not what they should be.

mod faults;
mod kept;
mod kills;
mod malformed;
mod recipes;
mod resume;
mod stopping;
mod sweep;

use rhobust::script;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `rhobust run SCRIPT`, writing into a folder of its own.
struct Run {
    folder: TempDir,
    output: Output,
}

impl Run {
    fn of(script: &Path, args: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_rhobust"))
            .arg("run")
            .arg(script)
            .arg("--out")
            .arg(folder.path())
            .args(args)
            .current_dir(project())
            .output()
            .unwrap();
        Run { folder, output }
    }

    /// One of the project's scripts.
    fn script(name: &str, sets: &[&str]) -> Self {
        let args: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        Self::of(&project().join("scripts").join(name), &args)
    }

    #[track_caller]
    fn succeeds(self) -> Self {
        let errors = String::from_utf8_lossy(&self.output.stderr);
        assert!(self.output.status.success(), "{errors}");
        self
    }

    #[track_caller]
    fn fails(&self, parts: &[&str]) {
        let errors = String::from_utf8_lossy(&self.output.stderr);
        assert_eq!(self.output.status.code(), Some(1), "{errors}");
        for part in parts {
            assert!(errors.contains(part), "{part:?} is not in\n{errors}");
        }
        assert!(!errors.contains("panicked"), "{errors}");
    }

    fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    fn read(&self, name: &str) -> Vec<u8> {
        let path = self.folder.path().join(name);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }
}

/// The smallest sizes at which the residual networks train: 20 images, one epoch.
const TINY: [&str; 6] = [
    "train=20",
    "test=20",
    "batch_size=10",
    "steps=2",
    "stem=imagenet",
    "lr=0.001",
];

fn tiny(more: &[&'static str]) -> Vec<&'static str> {
    TINY.iter().chain(more).copied().collect()
}

#[test]
fn quickstart_runs() {
    let run = Run::script("quickstart.rhai", &["train=100", "test=20", "epochs=1"]).succeeds();
    assert!(
        run.stdout().contains("error under PGD:"),
        "{}",
        run.stdout()
    );
    assert!(run.text("metrics.csv").lines().count() > 1);
}

#[test]
fn standard_adv_and_adv_plus_run() {
    for (script, sets) in [
        ("standard.rhai", tiny(&["epochs=1"])),
        ("adv.rhai", tiny(&["epochs=1", "attack_steps=2"])),
        (
            "adv_plus.rhai",
            tiny(&["epochs=1", "attack_steps=2", "transforms=pgd,blur,rotation"]),
        ),
        (
            "adv_plus.rhai",
            tiny(&["epochs=1", "attack_steps=2", "convention=la2024"]),
        ),
    ] {
        let run = Run::script(script, &sets).succeeds();
        assert!(run.stdout().contains("PGD-"), "{script}: {}", run.stdout());
        let classes = run.text("classes.csv");
        assert!(
            classes.contains("clean") && classes.contains("PGD-"),
            "{script}"
        );
        assert!(!run.read("model.safetensors").is_empty());
    }
}

#[test]
fn paper_runs_and_keeps_its_record() {
    let sets = tiny(&["epochs=1", "adv_epochs=1", "attack_steps=2", "attacked=10"]);
    let run = Run::script("paper.rhai", &sets).succeeds();
    let table = run.text("table.txt");
    for column in ["Standard", "Adv", "Adv+"] {
        assert!(table.contains(column), "{table}");
    }
    assert!(run.stdout().contains(table.trim_end()));
    let record: serde_json::Value = serde_json::from_slice(&run.read("record.json")).unwrap();
    assert_eq!(record["status"], "finished");
    assert_eq!(record["parameters"]["train"], 20);
    for part in ["Adv: epoch 1/1", "Adv: PGD-2"] {
        assert!(record["timings"][part].as_f64().unwrap() > 0.0, "{part}");
    }
    assert!(record["versions"]["libtorch"].is_string());
    assert!(
        record["notes"]["training attack"]
            .as_str()
            .unwrap()
            .contains("7.65/255")
    );
    let json: serde_json::Value = serde_json::from_slice(&run.read("table.json")).unwrap();
    assert!(json.is_object());
    for model in ["Standard", "Adv", "Adv+"] {
        let precision = &record["notes"][format!("precision of training: {model}")];
        assert_eq!(precision, "float32", "{model}");
        run.read(&format!("{model}.safetensors"));
    }
    run.read("script/paper.rhai");
    run.read("script/std/train.rhai");
}

#[test]
fn pgd_by_hand_equals_the_built_in_attack() {
    let run = Run::script("pgd_by_hand.rhai", &["images=4", "steps=3"]).succeeds();
    assert!(run.stdout().contains("equal to pgd"), "{}", run.stdout());
}

#[test]
fn custom_model_runs() {
    let run = Run::script("custom_model.rhai", &["train=100", "test=20", "epochs=1"]).succeeds();
    assert!(run.stdout().contains("worst class"), "{}", run.stdout());
}

/// Two images a class are too few to say anything of trained models, and enough to see that one
/// has no gradient.
#[test]
fn diagnose_runs() {
    let sets = [
        "train=40",
        "epochs=1",
        "batch_size=20",
        "training_steps=1",
        "images=20",
        "steps=2",
        "queries=4",
        "autoattack_steps=2",
    ];
    let run = Run::script("diagnose.rhai", &sets).succeeds();
    let table = run.text("table.txt");
    assert!(
        table.contains("verdict") && table.contains("Adv+"),
        "{table}"
    );
    for name in [
        "Standard",
        "Adv",
        "Adv+",
        "Adv, saturated",
        "Adv, quantised",
    ] {
        let page = run.text(&format!("diagnosis-{name}.html"));
        assert!(page.contains("20 images of test split of shapes"), "{name}");
        let data = run.read(&format!("diagnosis-{name}.json"));
        let data: serde_json::Value = serde_json::from_slice(&data).unwrap();
        assert_eq!(data["checks"].as_array().unwrap().len(), 20, "{name}");
        if name == "Adv, quantised" {
            assert_eq!(data["verdict"], "masked");
        }
    }
}

#[test]
fn own_attack_runs() {
    let sets = ["train=100", "test=20", "epochs=1", "steps=3"];
    let run = Run::script("own_attack.rhai", &sets).succeeds();
    let stdout = run.stdout();
    for part in ["worst case", "momentum", "sticker", "after logit"] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
    run.read("ledger/model/worst case, eps 0.03.parquet");
}

#[test]
fn regimes_run_with_plain_and_enhanced_labels() {
    for labels in ["labels=false", "labels=true"] {
        let sets = tiny(&["epochs=1", "attack_steps=2", "replays=2", labels]);
        let run = Run::script("regimes.rhai", &sets).succeeds();
        let table = run.text("table.txt");
        for name in ["pgd", "trades", "mart", "fast", "free"] {
            assert!(table.contains(name), "{name}: {table}");
        }
    }
}

#[test]
fn claim_runs() {
    let sets = [
        "train=20",
        "test=20",
        "batch_size=10",
        "epochs=1",
        "adv_epochs=1",
        "steps=2",
        "seeds=1",
        "attack_steps=2",
        "aa_steps=2",
        "queries=2",
    ];
    let run = Run::script("claim.rhai", &sets).succeeds();
    let stdout = run.stdout();
    for part in [
        "error over 1 seeds",
        "imbalance over 1 seeds",
        "la2024",
        "seed 0, AutoAttack",
    ] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
}

/// One run by the script that evaluates, and the tables of another from what it kept.
#[test]
fn evaluate_and_compare_run() {
    let sets = [
        "test=20",
        "attacked=10",
        "corrupted=10",
        "steps=2",
        "sweep=1",
        "model=resnet18",
        "stem=imagenet",
        "name=Adv",
    ];
    let run = Run::script("evaluate.rhai", &sets).succeeds();
    let stdout = run.stdout();
    for part in [
        "mCE, by AlexNet's errors",
        "relative mCE",
        "calibration",
        "PGD-2, eps 0.003922",
    ] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
    assert!(run.text("table.txt").contains("plain mean"));
    run.read("ledger/Adv/fog 3.parquet");
    run.read("gallery/Adv/PGD-2/gallery.json");

    let folder = run.folder.path().display();
    let sets = [format!("runs={folder},{folder}"), "attack=PGD-2".into()];
    let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
    let compared = Run::script("compare.rhai", &sets).succeeds();
    let stdout = compared.stdout();
    for part in [
        "20 images: the error changes by 0.0, p 1.0 (McNemar, exact)",
        "0 classes gain, 0 lose, 10 stay",
    ] {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
    let nothing = Run::script("compare.rhai", &[&format!("runs={}", project().display())]);
    nothing.fails(&["there is no ledger in this run"]);
}

#[test]
fn every_script_passes_the_check() {
    for folder in ["scripts", "stdlib", "tests/stdlib"] {
        for entry in fs::read_dir(project().join(folder)).unwrap() {
            let script = entry.unwrap().path();
            if script.is_dir() {
                continue;
            }
            let mut findings = script::check(&script, &[]).findings;
            // A test of the library attacks with nothing on purpose.
            findings.retain(|it| folder != "tests/stdlib" || it.code != "zero-eps");
            assert!(findings.is_empty(), "{}: {findings:#?}", script.display());
        }
    }
}

/// The library is tested in its own language.
#[test]
fn the_library_passes_its_tests() {
    let output = Command::new(env!("CARGO_BIN_EXE_rhobust"))
        .args(["test", "tests/stdlib"])
        .current_dir(project())
        .output()
        .unwrap();
    let results = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{results}{errors}");
    assert!(
        results.contains("test_training_lowers_the_loss"),
        "{results}"
    );
    assert!(results.ends_with(" passed, 0 failed\n"), "{results}");
}

/// Adversarial training with random crops, shuffling and random starts, twice with one seed
/// and with one and two loader threads: the same bytes.
#[test]
fn equal_runs_give_equal_bits() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("train.rhai");
    fs::write(
        &script,
        r#"
        import "std/train" as train;
        let p = params(#{ threads: 1, seed: 0 });
        seed(p.seed);
        let data = dataset("shapes", #{ train: 60, test: 20, seed: 0 });
        let labels = label_augmentation(data.classes, ["pgd"]);
        let model = sequential([
            Conv2d(3, 8, 3, #{ stride: 2, padding: 1 }), BatchNorm2d(8), ReLU(),
            AdaptiveAvgPool2d(4), Flatten(), Dropout(0.2), Linear(128, labels.outputs.to_int()),
        ], #{ classes: data.classes });
        let attack = pgd(#{ eps: 0.03, steps: 2 });
        train::fit(model, data.train, #{
            optimizer: sgd(model, #{ lr: 0.05, momentum: 0.9 }), epochs: 2, batch_size: 20,
            augment: true, loader_threads: p.threads,
            loss: |x, y| labels.loss(model.forward(attack.perturb(model, x, y)), y, "pgd"),
        });
        model.save("model.safetensors");
        "#,
    )
    .unwrap();
    let run = |sets: &[&str]| Run::of(&script, sets).succeeds();
    let first = run(&["--set", "threads=1"]);
    let (again, threads, seed) = (
        run(&["--set", "threads=1"]),
        run(&["--set", "threads=2"]),
        run(&["--set", "seed=1"]),
    );
    for file in ["model.safetensors", "metrics.csv"] {
        assert_eq!(
            first.read(file),
            again.read(file),
            "{file}: twice the same seed"
        );
        assert_eq!(
            first.read(file),
            threads.read(file),
            "{file}: two loader threads"
        );
        assert_ne!(first.read(file), seed.read(file), "{file}: another seed");
    }
}

/// With `mix: "random"` every pass over a batch is a step with probability 0.7: of 2000 within
/// four standard deviations, the same ones for the same seed, others for another.
#[test]
fn random_passes_are_taken_as_often_as_said() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("mix.rhai");
    fs::write(
        &script,
        r#"
        import "std/train" as train;
        let p = params(#{ seed: 0, mix: "random" });
        seed(p.seed);
        let data = dataset("shapes", #{ train: 400, test: 10, seed: 0 });
        let model = sequential([AvgPool2d(8), Flatten(), Linear(48, 10)]);
        let counts = [0, 0];
        let passes = [
            |x, y| { counts[0] += 1; cross_entropy(model.forward(x), y) },
            |x, y| { counts[1] += 1; cross_entropy(model.forward(x + 0.1), y) },
        ];
        let h = train::fit(model, data.train, #{ name: "m", optimizer: sgd(model, #{ lr: 0.1 }), epochs: 10, batch_size: 4, loss: passes, mix: p.mix });
        print(counts);
        assert(h[9] < h[0]);
        "#,
    )
    .unwrap();
    let counts = |args: &[&str]| -> Vec<i64> {
        let printed = Run::of(&script, args).succeeds().stdout();
        serde_json::from_str(printed.trim()).unwrap()
    };
    let first = counts(&[]);
    let taken = first.iter().sum::<i64>() as f64;
    assert!((taken - 1400.0).abs() < 4.0 * 20.5, "{first:?}");
    assert_eq!(counts(&[]), first);
    assert_ne!(counts(&["--set", "seed=1"]), first);
    assert_eq!(counts(&["--set", "mix=mean"]), [1000, 1000]);
}

/// A data set of one class folder with the files given, and a script that opens it.
fn with_images(files: &[(&str, Vec<u8>)], use_it: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join("data").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let script = folder.path().join("main.rhai");
    fs::write(
        &script,
        format!("let data = dataset(\"data\");\n{use_it}\n"),
    )
    .unwrap();
    (folder, script)
}

/// A grey 16 x 16 JPEG, made by the library that the program decodes with.
fn jpeg() -> Vec<u8> {
    let pixels: Vec<u8> = (0..256_u32).map(|i| (i * 7 % 256) as u8).collect();
    let (format, sampling) = (
        libjpeg_turbo_rs::PixelFormat::Grayscale,
        libjpeg_turbo_rs::Subsampling::S444,
    );
    libjpeg_turbo_rs::compress(&pixels, 16, 16, format, 90, sampling).unwrap()
}

const READ_ALL: &str = "for batch in data.test.batches(#{}) { print(batch.len()); }";

#[test]
fn a_truncated_jpeg_is_named() {
    let whole = jpeg();
    let cut = whole[..whole.len() * 2 / 3].to_vec();
    let files = [
        ("val/cat/a.jpg", whole.clone()),
        ("val/cat/b.jpg", cut),
        ("val/dog/a.jpg", whole),
    ];
    let (_folder, script) = with_images(&files, READ_ALL);
    Run::of(&script, &[]).fails(&["b.jpg", "main.rhai:2:"]);
}

#[test]
fn a_text_file_among_images_is_named() {
    let files = [
        ("val/cat/a.jpg", b"not a picture".to_vec()),
        ("val/dog/a.jpg", jpeg()),
    ];
    let (_folder, script) = with_images(&files, READ_ALL);
    Run::of(&script, &[]).fails(&["a.jpg", "main.rhai:"]);
}

#[test]
fn a_cifar_file_of_the_wrong_size_is_named() {
    let files = [
        ("data_batch_1.bin", vec![0; 3073]),
        ("test_batch.bin", vec![0; 3000]),
    ];
    let (_folder, script) = with_images(&files, "");
    Run::of(&script, &[]).fails(&["test_batch.bin", "main.rhai:1:"]);
}

#[test]
fn a_cifar_label_out_of_range_is_named() {
    let mut record = vec![0; 3073];
    record[0] = 10;
    let files = [
        ("data_batch_1.bin", record),
        ("test_batch.bin", vec![0; 3073]),
    ];
    let (_folder, script) = with_images(&files, READ_ALL);
    Run::of(&script, &[]).fails(&["data_batch_1.bin", "main.rhai:1:"]);
}

#[test]
fn a_missing_training_split_is_explained() {
    let files = [("val/cat/a.jpg", jpeg()), ("val/dog/a.jpg", jpeg())];
    let use_it = "for batch in data.train.batches(#{}) { print(batch.len()); }";
    let (_folder, script) = with_images(&files, use_it);
    Run::of(&script, &[]).fails(&["train", "main.rhai:2:"]);
}

/// What a link in a data folder leads to is read only where the script may read it: an image,
/// a class, a split, a file of records.
#[test]
fn links_out_of_a_data_folder_need_allow_read() {
    let elsewhere = tempfile::tempdir().unwrap();
    let elsewhere = elsewhere.path().canonicalize().unwrap();
    for (name, bytes) in [
        ("cat/a.jpg", jpeg()),
        ("all/cat/a.jpg", jpeg()),
        ("all/dog/a.jpg", jpeg()),
        ("records.bin", vec![0; 3073]),
    ] {
        let path = elsewhere.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let dog = || ("val/dog/a.jpg", jpeg());
    for (files, link, target) in [
        (vec![dog()], "val/cat/b.jpg", "cat/a.jpg"),
        (vec![dog()], "val/cat", "cat"),
        (vec![], "val", "all"),
        (vec![], "test_batch.bin", "records.bin"),
    ] {
        let (folder, script) = with_images(&files, READ_ALL);
        let place = folder.path().join("data").join(link);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        let target = elsewhere.join(target);
        std::os::unix::fs::symlink(&target, &place).unwrap();
        let allow = if target.is_dir() {
            target.as_path()
        } else {
            target.parent().unwrap()
        };
        let allow = allow.to_str().unwrap();
        let refused = Run::of(&script, &[]);
        refused.fails(&[
            &format!("data/{link}: this leads to {}", target.display()),
            &format!("--allow-read {allow} "),
            "main.rhai:1:",
        ]);
        Run::of(&script, &["--allow-read", allow]).succeeds();
    }
}

#[test]
fn truncated_weights_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("main.rhai");
    let save = "let model = sequential([Linear(4, 2)]);\nmodel.save(\"m.safetensors\");\n";
    fs::write(&script, save).unwrap();
    let whole = Run::of(&script, &[]).succeeds().read("m.safetensors");
    fs::write(
        folder.path().join("cut.safetensors"),
        &whole[..whole.len() - 3],
    )
    .unwrap();
    let load = "let model = sequential([Linear(4, 2)]);\nmodel.load(\"cut.safetensors\");\n";
    fs::write(&script, load).unwrap();
    Run::of(&script, &[]).fails(&["cut.safetensors: this is not a whole", "main.rhai:2:7"]);
}
