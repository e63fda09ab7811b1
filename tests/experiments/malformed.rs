//! Data, models and results that are not what they should be: each ends with a sentence that
//! names the place and what is wrong, and exit code 1.

use super::{Run, jpeg};
use std::fs;
use std::path::Path;

/// A file below the script's folder.
type File<'a> = (&'a str, Vec<u8>);

/// A script in a folder with these files.
struct Case<'a> {
    what: &'a str,
    files: Vec<File<'a>>,
    script: &'a str,
    says: &'a [&'a str],
}

impl Case<'_> {
    fn holds(self) {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in self.files {
            write(folder.path(), name, &bytes);
        }
        let script = folder.path().join("main.rhai");
        fs::write(&script, PRELUDE.to_owned() + self.script).unwrap();
        eprintln!("{}", self.what);
        Run::of(&script, &[]).fails(self.says);
    }
}

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// What the scripts of most cases begin with.
const PRELUDE: &str = r#"
import "std/evaluate" as evaluate;
fn linear(data) { sequential([Flatten(), Linear(3 * data.size * data.size, data.classes)]) }
"#;

/// Two classes with an image each for training and for tests.
fn folders() -> Vec<File<'static>> {
    let names = [
        "data/train/cat/1.jpg",
        "data/train/dog/2.jpg",
        "data/val/cat/ILSVRC2012_val_00000001.jpg",
        "data/val/dog/ILSVRC2012_val_00000002.jpg",
    ];
    names.map(|name| (name, jpeg())).to_vec()
}

/// The same with more files.
fn folders_and(more: Vec<File<'static>>) -> Vec<File<'static>> {
    folders().into_iter().chain(more).collect()
}

/// CIFAR-10 with one test image, of class 3.
fn cifar(more: Vec<File<'static>>) -> Vec<File<'static>> {
    let mut record = vec![0; 3073];
    record[0] = 3;
    let mut files = vec![("data/test_batch.bin", record.clone())];
    files.extend((1..=5).map(|n| {
        let name: &str = ["1", "2", "3", "4", "5"][n - 1];
        let name = match name {
            "1" => "data/data_batch_1.bin",
            "2" => "data/data_batch_2.bin",
            "3" => "data/data_batch_3.bin",
            "4" => "data/data_batch_4.bin",
            _ => "data/data_batch_5.bin",
        };
        (name, record.clone())
    }));
    files.extend(more);
    files
}

/// An array of NumPy, version 1.0 of its format.
fn npy(kind: &str, shape: &str, bytes: usize) -> Vec<u8> {
    let mut header =
        format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}").into_bytes();
    let whole = (10 + header.len() + 1).next_multiple_of(64);
    header.resize(whole - 11, b' ');
    header.push(b'\n');
    let mut all = b"\x93NUMPY\x01\x00".to_vec();
    all.extend((header.len() as u16).to_le_bytes());
    all.extend(header);
    all.resize(all.len() + bytes, 3);
    all
}

/// The labels of the five severities of one test image.
fn labels() -> File<'static> {
    ("c/labels.npy", npy("|u1", "(5,)", 5))
}

const CORRUPTED: &str = r#"
let test = dataset("data").test;
test.corrupted("fog", 2, #{ folder: "c" }).image(0);
"#;
const REAL: &str = r#"dataset("data", #{ real: "real.json" });"#;

#[test]
fn labels_of_another_form() {
    let real = |text: &str| folders_and(vec![("real.json", text.as_bytes().to_vec())]);
    for case in [
        Case {
            what: "ReaL of another length",
            files: real("[[0], [1], [0]]"),
            script: REAL,
            says: &["real.json: ReaL labels are 2 lists", "got 3", "main.rhai"],
        },
        Case {
            what: "ReaL with a class that does not exist",
            files: real("[[0], [2]]"),
            script: REAL,
            says: &["ReaL labels are classes from 0 to 1, got 2"],
        },
        Case {
            what: "ReaL that is no JSON",
            files: real("0: 1"),
            script: REAL,
            says: &["real.json: ReaL labels are a list of lists of classes"],
        },
        Case {
            what: "a file of classes without an image",
            files: vec![
                ("data/val/a.jpg", jpeg()),
                ("data/val/b.jpg", jpeg()),
                (
                    "data/LOC_val_solution.csv",
                    b"ImageId,P\na,n01 1 1 1 1\n".to_vec(),
                ),
            ],
            script: r#"dataset("data");"#,
            says: &["b.jpg", "LOC_val_solution.csv does not say its class"],
        },
    ] {
        case.holds();
    }
}

#[test]
fn folders_of_another_form() {
    let mut other_classes = folders();
    other_classes[2].0 = "data/val/cow/1.jpg";
    let mut text = folders();
    text[2].1 = b"no image".to_vec();
    for case in [
        Case {
            what: "classes that differ between training and test",
            files: other_classes,
            script: r#"dataset("data");"#,
            says: &["the same classes must be in both splits", "`cat`"],
        },
        Case {
            what: "a class without images",
            files: folders_and(vec![("data/train/empty/notes.txt", Vec::new())]),
            script: r#"dataset("data");"#,
            says: &["empty"],
        },
        Case {
            what: "an image that is none",
            files: text,
            script: r#"
                let data = dataset("data");
                evaluate::errors(linear(data), data.test, #{});
            "#,
            says: &["ILSVRC2012_val_00000001.jpg: the file is neither a JPEG nor a PNG"],
        },
    ] {
        case.holds();
    }
}

#[test]
fn stored_corruptions_of_another_form() {
    let image = |name| (name, jpeg());
    for case in [
        Case {
            what: "a folder without the corruption",
            files: folders_and(vec![image("c/snow/2/cat/ILSVRC2012_val_00000001.jpg")]),
            script: CORRUPTED,
            says: &["c: there is neither a folder `fog`", "fog.npy"],
        },
        Case {
            what: "a corruption without the severity",
            files: folders_and(vec![image("c/fog/1/cat/ILSVRC2012_val_00000001.jpg")]),
            script: CORRUPTED,
            says: &["fog/2: there is no such folder"],
        },
        Case {
            what: "a severity without an image",
            files: folders_and(vec![
                image("c/fog/2/cat/ILSVRC2012_val_00000001.jpg"),
                image("c/fog/2/dog/ILSVRC2012_val_00000009.jpg"),
            ]),
            script: CORRUPTED,
            says: &["there is no image for", "of class `dog`"],
        },
        Case {
            what: "an array that is none",
            files: cifar(vec![("c/fog.npy", b"PK".to_vec()), labels()]),
            script: CORRUPTED,
            says: &["fog.npy: this is no array of NumPy"],
        },
        Case {
            what: "an array that ends early",
            files: cifar(vec![
                ("c/fog.npy", npy("|u1", "(5, 32, 32, 3)", 4000)),
                labels(),
            ]),
            script: CORRUPTED,
            says: &["fog.npy"],
        },
        Case {
            what: "an array of another shape",
            files: cifar(vec![
                ("c/fog.npy", npy("|u1", "(5, 32, 32)", 5120)),
                labels(),
            ]),
            script: CORRUPTED,
            says: &["the array must be [5, 32, 32, 3]", "got [5, 32, 32]"],
        },
        Case {
            what: "an array of floats",
            files: cifar(vec![
                ("c/fog.npy", npy("<f4", "(5, 32, 32, 3)", 4 * 15360)),
                labels(),
            ]),
            script: CORRUPTED,
            says: &["the array must hold bytes", "f4"],
        },
        Case {
            what: "labels of other images",
            files: cifar(vec![
                ("c/fog.npy", npy("|u1", "(5, 32, 32, 3)", 15360)),
                ("c/labels.npy", {
                    let mut labels = labels().1;
                    labels.iter_mut().rev().take(5).for_each(|it| *it = 4);
                    labels
                }),
            ]),
            script: CORRUPTED,
            says: &["labels.npy", "has the label 4, in the data set it is 3"],
        },
        Case {
            what: "a corruption that does not exist",
            files: vec![],
            script: r#"dataset("shapes").test.corrupted("fogg", 3);"#,
            says: &[
                "there is no corruption `fogg`; did you mean `fog`?",
                "main.rhai",
            ],
        },
        Case {
            what: "a severity that does not exist",
            files: vec![],
            script: r#"dataset("shapes").test.corrupted("fog", 6);"#,
            says: &["`severity` must be from 1 to 5, got 6"],
        },
        Case {
            what: "a folder of frost without its pictures",
            files: vec![("frost/frost1.txt", vec![])],
            script: r#"corrupt(rand([3, 32, 32]), "frost", 1, #{ frost: "frost" });"#,
            says: &["frost1.png"],
        },
    ] {
        case.holds();
    }
}

#[test]
fn models_and_results_of_another_form() {
    for case in [
        Case {
            what: "logits that are no numbers",
            files: vec![],
            script: r#"
                let data = dataset("shapes", #{ train: 10, test: 10 });
                let model = linear(data);
                save_tensors("nan.safetensors", #{
                    "1.weight": zeros([10, 3072]), "1.bias": full([10], 0.0 / 0.0),
                });
                model.load("nan.safetensors");
                evaluate::errors(model, data.test, #{});
            "#,
            says: &["the model's logits for example 0 are not finite (NaN)"],
        },
        Case {
            what: "a model of too few outputs",
            files: vec![],
            script: r#"
                let data = dataset("shapes", #{ train: 10, test: 10 });
                evaluate::errors(sequential([Flatten(), Linear(3072, 5)]), data.test, #{});
            "#,
            says: &["the data has 10 classes, the model has outputs for 5"],
        },
        Case {
            what: "a model of other classes",
            files: vec![],
            script: r#"
                let data = dataset("shapes", #{ train: 10, test: 10 });
                evaluate::errors(sequential([Flatten(), Linear(3072, 12)]), data.test, #{});
            "#,
            says: &["the model has outputs for 12", "`classes: 10`"],
        },
        Case {
            what: "a ledger that is none",
            files: vec![("run/ledger/Adv/clean.parquet", b"PAR1".to_vec())],
            script: r#"evaluate::runs(["run"], #{});"#,
            says: &["run/ledger/Adv/clean.parquet: this is no ledger, or a damaged one"],
        },
        Case {
            what: "a run without an evaluation",
            files: vec![("run/record.json", b"{}".to_vec())],
            script: r#"evaluate::runs(["run"], #{});"#,
            says: &["run: there is no ledger in this run"],
        },
        Case {
            what: "runs without the attack that is asked for",
            files: vec![],
            script: r#"
                let data = dataset("shapes", #{ train: 10, test: 10 });
                evaluate::errors(linear(data), data.test, #{});
                evaluate::runs(["."], #{});
            "#,
            says: &["model was not evaluated under PGD-40; its attacks are []"],
        },
        Case {
            what: "models of other classes side by side",
            files: folders(),
            script: r#"
                let pairs = [dataset("shapes", #{ test: 10 }), dataset("data")];
                for (data, i) in pairs {
                    evaluate::errors(linear(data), data.test, #{ name: `model ${i}` });
                }
                let rows = ledgers(".");
                mcnemar(rows[0], rows[1]);
            "#,
            says: &[
                "`model 0, clean` and `model 1, clean` cannot be compared: their classes differ",
            ],
        },
        Case {
            what: "errors under corruptions that are none",
            files: vec![],
            script: "corruption_table(#{ fog: [0.1, 0.2, 0.3, 0.4, 1.5] }, 0.1);",
            says: &["fog", "1.5"],
        },
    ] {
        case.holds();
    }
}
