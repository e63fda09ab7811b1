//! Runs that are made again: replay, pack, inspect, diff, on a small network and a folder of
//! pictures that is given as data.

use rhobust::data::{Image, png};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use tempfile::TempDir;

const SCRIPT: &str = r#"// Trains a small network, and says how wrong it is.
import "std/train" as train;
import "std/evaluate" as evaluate;
import "../lib/rate" as rate;
let p = params(#{ data: "shapes", weights: "", epochs: 2, name: "small" });
let data = dataset(p.data);
let model = sequential([AvgPool2d(4), Flatten(), Linear(192, data.classes)]);
if p.weights != "" { model.load(p.weights); }
let rates = load_tensors("rates.safetensors");
train::fit(model, data.train, #{
    optimizer: sgd(model, #{ lr: rate::lr() * rates.one.item(), momentum: 0.9 }),
    epochs: p.epochs, batch_size: 8,
});
model.save("model.safetensors");
evaluate::errors(model, data.test, #{ name: p.name });
"#;

/// A folder to work in, with the script beneath `scripts`, and pictures and weights elsewhere.
struct Place {
    root: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Place {
            root: tempfile::tempdir().unwrap(),
        };
        place.write("scripts/small.rhai", SCRIPT);
        place.write("lib/rate.rhai", "fn lr() { 0.05 }\n");
        place.write("away/x", "");
        place.write(
            "make.rhai",
            r#"
            save_tensors("rates.safetensors", #{ one: tensor(1.0) });
            sequential([AvgPool2d(4), Flatten(), Linear(192, 2)]).save("weights.safetensors");
            "#,
        );
        place.says("", &["run", "make.rhai", "--out", "made"], 0, &[]);
        let made = place.path("made/rates.safetensors");
        fs::rename(made, place.path("scripts/rates.safetensors")).unwrap();
        place.pictures("pictures", 0);
        place
    }

    /// Two classes of pictures, the first of which has `first` as its first byte.
    fn pictures(&self, folder: &str, first: u8) {
        for number in 0..60_usize {
            let split = if number < 40 { "train" } else { "test" };
            let class = number % 2;
            let bytes = (0..32 * 32 * 3).map(|at| ((at * (7 + number) + 90 * class) % 251) as u8);
            let mut bytes: Vec<u8> = bytes.collect();
            if number == 0 {
                bytes[0] = first;
            }
            let path = self.path(&format!("{folder}/{split}/{class}/{number}.png"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let image = Image::new(32, 32, bytes).unwrap();
            fs::write(&path, png(&image).unwrap()).unwrap();
        }
    }

    fn run(&self) {
        let args = "run scripts/small.rhai --set data=pictures --set name=tiny --seed 5 \
                    --set weights=made/weights.safetensors --threads 1 --allow-read lib --out runs/one";
        let args: Vec<&str> = args.split_whitespace().collect();
        self.says("", &args, 0, &[]);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// `rhobust ARGS`, started in the folder `here`.
    fn call(&self, here: &str, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_rhobust"))
            .args(args)
            .current_dir(self.path(here))
            .output()
            .unwrap()
    }

    #[track_caller]
    fn says(&self, here: &str, args: &[&str], code: i32, parts: &[&str]) -> String {
        let output = self.call(here, args);
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}\n{text}");
        for part in parts {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        text
    }
}

#[test]
fn a_run_is_replayed_with_other_threads_from_elsewhere() {
    let place = Place::new();
    place.run();
    let record = fs::read_to_string(place.path("runs/one/record.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let inputs = record["inputs"].as_array().unwrap();
    let told: Vec<_> = inputs
        .iter()
        .map(|it| (&it["path"], &it["files"]))
        .collect();
    // The decoded pictures, the weights, and what lies beside the script.
    assert_eq!(inputs.len(), 3, "{told:?}");
    assert!(told.contains(&(&"pictures".into(), &60.into())), "{told:?}");
    let lines = fs::read_to_string(place.path("runs/one/inputs.csv")).unwrap();
    assert_eq!(lines.lines().count(), 1 + 62);
    let outputs = &record["outputs"];
    assert_eq!(outputs[0]["path"], "model.safetensors");

    let again = ["replay", "../runs/one", "--threads", "2", "--out", "again"];
    let parts = ["and --data data=PATH (pictures then)"];
    place.says("away", &again, 1, &parts);
    let given = "--data data=../pictures --data weights=../made/weights.safetensors \
                 --allow-read ../lib";
    let given: Vec<&str> = given.split_whitespace().collect();
    let again = [&again[..], &given].concat();
    let parts = [
        "all results are identical",
        "threads: 1, now 2",
        // What somebody else's run was allowed is not allowed here.
        "this run was started with --allow-read",
    ];
    place.says("away", &again, 0, &parts);
    let parts = ["step small loss", "identical", "model.safetensors  "];
    place.says("", &["diff", "runs/one", "away/again"], 1, &parts[1..]);

    // The script was changed: the copy of the run counts.
    place.write("scripts/small.rhai", "throw 1;");
    let copied = ["replay", "runs/one", "--out", "copied", "--set", "epochs=1"];
    let parts = [
        "its copy of then is run",
        "parameter epochs: 2, now 1",
        "are missing",
    ];
    place.says("", &copied, 1, &parts);
}

#[test]
fn a_recipe_gives_the_same_in_another_folder() {
    let place = Place::new();
    place.run();
    let parts = ["one.rhobust", "--data weights=PATH --data data=PATH"];
    place.says("", &["pack", "runs/one", "--out", "one.rhobust"], 0, &parts);
    let pack = ["pack", "runs/one", "--with-files", "--out", "all.rhobust"];
    // Before it is given away.
    let parts = [
        "  script/scripts/small.rhai (",
        "  script/scripts/rates.safetensors (",
        "  files/weights/weights.safetensors (",
        "--data data=PATH",
    ];
    let told = place.says("", &pack, 0, &parts);
    assert!(!told.contains("note:"), "{told}");
    place.says("", &pack, 1, &["there is such a file already"]);
    place.says(
        "",
        &["pack", "runs/one", "--with-files", "--out", "same.rhobust"],
        0,
        &[],
    );
    let read = |name: &str| fs::read(place.path(name)).unwrap();
    assert_eq!(read("all.rhobust"), read("same.rhobust"));
    let about = place.says(
        "",
        &["inspect", "all.rhobust"],
        0,
        &[
            "Trains a small network, and says how wrong it is.",
            "pictures (60 files, ",
            "give it with --data data=PATH",
            "in the recipe, as the parameter weights",
            "rates.safetensors",
            "model.safetensors",
            "name = tiny",
            "seed 5",
        ],
    );
    // Where it was made is nobody's business.
    let root = place.root.path().display().to_string();
    assert!(!about.contains(&root), "{about}");

    place.says(
        "away",
        &["run", "../one.rhobust"],
        1,
        &["and --data data=PATH (pictures)"],
    );
    let run = [
        "run",
        "../all.rhobust",
        "--data",
        "data=../pictures",
        "--threads",
        "2",
    ];
    place.says(
        "away",
        &run,
        0,
        &["all results are identical", "unpacked into recipes/small-"],
    );

    // One picture is another.
    place.pictures("other", 77);
    let other = [
        "replay",
        "../all.rhobust",
        "--data",
        "data=../other",
        "--out",
        "other",
    ];
    let parts = [
        "the results are different",
        "data pictures (1 of 60 files, first train/0/0.png)",
    ];
    place.says("away", &other, 1, &parts);
    let loose = [&other[..5], &["near", "--tolerance", "10"]].concat();
    place.says(
        "away",
        &loose,
        0,
        &["all numbers are within the tolerance of 10.0"],
    );
    fs::remove_file(place.path("other/test/1/59.png")).unwrap();
    let lost = [&other[..5], &["lost"]].concat();
    let parts = [
        "warning: 2 of 60 files of data are missing",
        "results are different",
    ];
    place.says("away", &lost, 1, &parts);
}

#[test]
fn a_replay_that_is_stopped_says_how_to_go_on() {
    let place = Place::new();
    place.run();
    let stopped = [
        "replay",
        "runs/one",
        "--allow-read",
        "lib",
        "--checkpoint-every",
        "1",
        "--max-operations",
        "800",
        "--out",
        "stopped",
    ];
    let parts = [
        "reached its limit of 800 steps",
        "to go on: rhobust run --resume",
        "and then, to compare: rhobust diff runs/one stopped",
    ];
    place.says("", &stopped, 1, &parts);
    let on = "run --resume stopped --max-operations 1000000 --allow-read lib";
    let on: Vec<&str> = on.split_whitespace().collect();
    place.says("", &on, 0, &[]);
    let parts = ["all results are identical"];
    place.says("", &["diff", "runs/one", "stopped"], 0, &parts);
}

#[test]
fn a_recipe_opens_nothing_by_itself() {
    let place = Place::new();
    place.run();
    place.says(
        "",
        &["pack", "runs/one", "--with-files", "--out", "all.rhobust"],
        0,
        &[],
    );
    let parts = ["the recipe has no parameter of that name"];
    place.says(
        "",
        &[
            "run",
            "all.rhobust",
            "--data",
            "data=pictures",
            "--data",
            "x=made",
        ],
        1,
        &parts,
    );
    // What a recipe says of itself is no leave to read, now or when its run goes on.
    let reads = r#"let p = params(#{ x: "", fails: false });
        try { load_tensors(p.x); } catch (error) { print(error); }
        save_tensors("kept.safetensors", #{ x: ones([1]) });
        assert(!p.fails, "wanted");"#;
    place.write("reads.rhai", reads);
    let set = "x=secret/w.safetensors";
    let run = ["run", "reads.rhai", "--set", set, "--out", "runs/reads"];
    place.says("", &run, 0, &["there is no such file"]);
    place.says(
        "",
        &["pack", "runs/reads"],
        0,
        &["rhobust run reads.rhobust"],
    );
    fs::create_dir(place.path("away/secret")).unwrap();
    let weights = place.path("made/weights.safetensors");
    fs::copy(weights, place.path("away/secret/w.safetensors")).unwrap();
    let parts = [
        "there is no such file or folder that the script may read; start it with --allow-read secret",
    ];
    place.says("away", &["run", "../reads.rhobust"], 0, &parts);
    place.says("away", &["replay", "../runs/reads"], 0, &parts);
    let fails = [
        "run",
        "../reads.rhobust",
        "--set",
        "fails=true",
        "--out",
        "failed",
    ];
    place.says("away", &fails, 1, &parts);
    let on = ["run", "--resume", "failed", "--set", "fails=false"];
    place.says("away", &on, 0, &parts);
    // Nor are the names of its files.
    let reads =
        r#"try { load_tensors("../secret/w.safetensors"); } catch (error) { print(error); }"#;
    place.write("a,..,b.rhai", reads);
    place.says("", &["run", "a,..,b.rhai", "--out", "runs/comma"], 0, &[]);
    place.says(
        "",
        &["pack", "runs/comma", "--out", "a,..,b.rhobust"],
        0,
        &[],
    );
    fs::create_dir_all(place.path("away/deep")).unwrap();
    let parts = ["../secret/w.safetensors: the script may not read this"];
    place.says("away/deep", &["run", "../../a,..,b.rhobust"], 0, &parts);
    place.write("broken.rhobust", "no zip");
    place.says(
        "",
        &["inspect", "broken.rhobust"],
        1,
        &["broken.rhobust: this is no recipe"],
    );
    place.says("", &["pack", "made/none"], 1, &["made/none"]);
}

/// A script with the name of what it imports, one file for two parameters, and two files of one name.
#[test]
fn a_recipe_tells_what_has_the_same_name_apart() {
    let place = Place::new();
    fs::create_dir(place.path("more")).unwrap();
    let weights = place.path("made/weights.safetensors");
    fs::copy(&weights, place.path("more/weights.safetensors")).unwrap();
    place.write("lib/train.rhai", "fn name() { \"lib\" }");
    place.write(
        "train.rhai",
        r#"
        import "lib/train" as lib;
        let p = params(#{ teacher: "", student: "", other: "", all: "" });
        let all = if p.all == "" { [p.teacher, p.student, p.other] } else { p.all.split(",") };
        for file in all { load_tensors(file); }
        log_metrics("loaded", #{ files: all.len });
        "#,
    );
    let run = "run train.rhai --out runs/train --set teacher=made/weights.safetensors \
               --set student=made/weights.safetensors --set other=more/weights.safetensors";
    let run: Vec<&str> = run.split_whitespace().collect();
    place.says("", &run, 0, &[]);
    let parts = [
        "--data teacher=PATH",
        "--data student=PATH",
        "--data other=PATH",
    ];
    place.says(
        "",
        &["pack", "runs/train", "--out", "apart.rhobust"],
        0,
        &parts,
    );
    let pack = ["pack", "runs/train", "--with-files"];
    place.says("", &pack, 0, &["rhobust run train.rhobust\n"]);
    let parts = ["all results are identical"];
    place.says("away", &["replay", "../train.rhobust"], 0, &parts);
    let data = "replay ../apart.rhobust --data teacher=../made/weights.safetensors \
                --data student=../made/weights.safetensors --data other=../more/weights.safetensors";
    let data: Vec<&str> = data.split_whitespace().collect();
    let told = place.says("away", &data, 0, &parts);
    assert!(!told.contains("what is not as it was"), "{told}");

    let lists = "run train.rhai --out runs/lists --set all=made/weights.safetensors,more/weights.safetensors \
                 --allow-read made --allow-read more";
    let lists: Vec<&str> = lists.split_whitespace().collect();
    place.says("", &lists, 0, &[]);
    let parts = [
        "the parameter `all` names several files",
        "a parameter of its own",
    ];
    place.says("", &["pack", "runs/lists"], 1, &parts);
}
