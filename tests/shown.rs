//! What `print` shows of every type that scripts know.

use rhobust::script::{Host, Settings, engine, thread};
use std::fs;
use std::path::Path;
use std::process::Command;

/// A value of each custom type, and how it is shown.
const VALUES: &[(&str, &str, &str)] = &[
    ("tensor", "arange(3)", "tensor(int64, [3], [0, 1, 2])"),
    ("layer", "Conv2d(3, 8, 3)", "Conv2d(3, 8, 3)"),
    (
        "model",
        "sequential([Flatten(), Linear(12, 5)])",
        "sequential(float32, cpu, train mode)\n\n                  parameters\n\
         ────────────────────────────\n\
         0  Flatten()               0\n\
         1  Linear(12, 5)          65\n\
         ────────────────────────────\n\
         65 parameters, all trainable; 0.3 kB",
    ),
    (
        "dataset",
        "data",
        "shapes: 10 classes, 32x32, 40 training images, 20 test images",
    ),
    (
        "split",
        "data.test",
        "test split of shapes: 20 images [3, 32, 32], 10 classes",
    ),
    (
        "batches",
        "data.train.batches(#{ shuffle: true, epoch: 2, augment: true })",
        "batches(1 of 64 images, train split of shapes, shuffled for epoch 2, augmented)",
    ),
    (
        "batch",
        "data.test.batch(4)",
        "batch 0: x float32[4, 3, 32, 32], y int64[4]",
    ),
    ("attack", "blur(#{ sigma: 1.5 })", "blur(sigma: 1.5)"),
    (
        "labels",
        "labels",
        "label_augmentation(10 classes, transformations [\"pgd\"], delta 0.03)",
    ),
    ("outputs", "labels.outputs", "11"),
    (
        "optimizer",
        "sgd(sequential([Linear(12, 5)]), #{ lr: 0.1, momentum: 0.9 })",
        "sgd(lr: 0.1, momentum: 0.9, weight_decay: 0, nesterov: false) on 65 parameters in 2 \
         tensors",
    ),
    (
        "schedule",
        "schedule(\"step\", #{ total: 20, milestones: [10, 15] })",
        "step(total: 20, warmup: 0, milestones: [10, 15], gamma: 0.1)",
    ),
    (
        "evaluation",
        "result",
        "evaluation(4 images, error 50.00 %, error by all correct labels 25.00 %, imbalance \
         50.00 %, worst class 1: 100.00 %)",
    ),
    (
        "ledger",
        "ledger(sequential([Flatten(), Linear(3072, 10)]), data.test, #{})",
        "ledger(model, clean: 0 of 20 images)",
    ),
    (
        "diagnosis",
        "diagnose(|x| x.flatten(1).narrow(1, 0, 10), data.test, #{ images: 20, checks: \
         [\"probabilities\"] })",
        "model: doubt\n\n                                                              verdict\n\
         ─────────────────────────────────────────────────────────────────────\n\
         probabilities: smallest output 0.4549, largest output 0.5020     pass\n\
         ─────────────────────────────────────────────────────────────────────\n\
         Nothing can be said: 1 of 20 images are classified rightly, and at least 10 are\n\
         needed. Take more images.",
    ),
    (
        "resumable",
        "resumable(\"search\", #{ best: 1.0, x: 2 })",
        "resumable(search: best, x)",
    ),
    (
        "steps",
        "resumable(\"search\", #{}).steps(3)",
        "steps(3 of search)",
    ),
    (
        "keptbatches",
        "resumable(\"search\", #{}).batches(data.test, #{ batch_size: 8 })",
        "batches(3 of 8 images, test split of shapes, in order) of search",
    ),
    (
        "progress",
        "progress(\"counting\", 8)",
        "counting: 0/8 images",
    ),
    (
        "table",
        "table(\"errors\", [\"clean\"], [[\"Adv\", 0.25]])",
        "errors\n\n      clean\n───────────\nAdv  0.2500\n───────────",
    ),
];

const PREPARED: &str = r#"
    let data = dataset("shapes", #{ train: 40, test: 20 });
    let labels = label_augmentation(10, ["pgd"]);
    let result = evaluation(2);
    result.add(tensor([0, 0, 0, 0]), tensor([0, 0, 1, 1]), [[0], [0], [0, 1], [1]]);
"#;

fn engine_with_host() -> rhai::Engine {
    engine(Host::new(Settings::default()).unwrap())
}

#[test]
fn every_type_is_shown_for_people() {
    let problems = thread::with_large_stack(|| {
        let engine = engine_with_host();
        let show = |expression: &str| {
            let script = format!("{PREPARED}\nlet it = {expression}; [type_of(it), `${{it}}`, it.to_debug(), `${{[it]}}`]");
            let shown: rhai::Array = engine.eval(&script).unwrap();
            shown.into_iter().map(|it| it.to_string()).collect::<Vec<_>>()
        };
        let mut problems = String::new();
        for (kind, expression, expected) in VALUES {
            let shown = show(expression);
            let [of_type, text, debug, nested] = &shown[..] else { unreachable!() };
            if of_type != kind || text != expected {
                problems += &format!("{expression}: expected\n{expected}\ngot a {of_type}\n{text}\n");
            }
            if debug.contains('\n') || debug.contains("::") || *nested != format!("[{debug}]") {
                problems += &format!("{expression} in an array: {debug} and {nested}\n");
            }
        }
        problems
    })
    .unwrap();
    assert!(problems.is_empty(), "{problems}");
}

/// A type that scripts meet and the table above does not know is a mistake.
#[test]
fn no_type_is_forgotten() {
    fn visit(folder: &Path, names: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, names);
                continue;
            }
            let text = fs::read_to_string(path).unwrap();
            let registered = text.split("set_custom_type::<").skip(1);
            names.extend(registered.filter_map(|it| Some(it.split('"').nth(1)?.to_owned())));
        }
    }
    let mut names = Vec::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/script");
    visit(&folder, &mut names);
    names.sort();
    let mut known: Vec<_> = VALUES.iter().map(|(name, ..)| name.to_string()).collect();
    known.sort();
    assert_eq!(names, known);
}

#[test]
fn an_attack_says_its_radius_in_every_unit() {
    let text = thread::with_large_stack(|| {
        let shown = engine_with_host().eval::<String>("`${pgd(#{ eps: px(8), steps: 10 })}`");
        shown.unwrap()
    });
    let text = text.unwrap();
    assert!(text.ends_with("eps 0.0314 = 8/255"), "{text}");
}

/// What a script prints, in a terminal of 24-bit colours as far as the environment says.
fn printed(script: &str, pictures: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("main.rhai"), script).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_rhobust"))
        .args(["run", "main.rhai"])
        .current_dir(&folder)
        .env("TERM", "xterm-256color")
        .env("COLORTERM", "truecolor")
        .env("RHOBUST_PICTURES", pictures)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A red pixel over a white one, beside two blue ones.
const SMALL: &str = "let x = tensor([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 0.0], [1.0, 0.0]], \
                     [[0.0, 1.0], [1.0, 1.0]]]);\n";

#[test]
fn pictures_come_through_print() {
    let script = format!("{SMALL}show(x);\nshow(stack([x, x]), #{{ titles: [\"a\", \"b\"] }});");
    let cells = "\x1b[38;2;255;0;0;48;2;255;255;255m▀\x1b[38;2;0;0;255;48;2;0;0;255m▀\x1b[0m";
    assert_eq!(
        printed(&script, "blocks"),
        format!("{cells}\n{cells}  {cells}\na   b\n")
    );
    assert_eq!(
        printed(&script, ""),
        "picture [3, 2, 2]\n2 pictures [3, 2, 2]\na\nb\n"
    );
    assert!(printed(&script, "kitty").starts_with("\x1b_Ga=T,f=100,q=2,m=0;"));
    assert!(printed(&script, "iterm2").contains("width=192px;height=192px:"));
    assert!(printed(&script, "sixel").starts_with("\x1bP0;1q\"1;1;192;192#0;2;"));
}

#[test]
fn an_attack_is_shown_with_classes_and_norms() {
    let script = "let x = full([3, 2, 2], 0.5);\nlet d = zeros([3, 2, 2]);\n\
                  d[[0, 0, 0]] = 0.1; d[[1, 1, 1]] = -0.2;\n\
                  let classify = |x| x.flatten(1);\n\
                  show_attack(classify, x, x + d, #{ class_names: [\"cat\"] });\n\
                  show_attack(classify, x + d, x + d);";
    assert_eq!(
        printed(script, "none"),
        "3 pictures [3, 2, 2]\noriginal: cat\nadversarial: cat\n\
         difference x2.500, linf 0.2000 = 51.00/255, l2 0.2236\n\
         3 pictures [3, 2, 2]\noriginal: class 0\nadversarial: class 0\nno difference\n"
    );
    let pictures = printed(script, "blocks");
    // The largest difference is at the end of the range: 0.5 - 2.5 * 0.2 = 0.
    let corner = "38;2;191;128;128";
    assert!(pictures.contains(corner), "{pictures:?}");
    assert!(pictures.contains("128;0;128"), "{pictures:?}");
}

#[test]
fn plots_are_plain_text() {
    let script = "plot(#{ cat: 0.25, dog: 0.5, eel: () }, #{ title: \"errors\", width: 24 });\n\
                  plot([\"b\", \"a\"], tensor([1.0, 2.0]), #{ width: 20 });\n\
                  plot([0, 1], [0.0, 1.0], #{ width: 20, height: 2 });";
    assert_eq!(
        printed(script, ""),
        "errors\ncat │██████ 0.2500\ndog │████████████ 0.5000\neel │ –\n\
         b │███████▌ 1\na │███████████████ 2\n\
         1 ┤        ⢀⣀⣀⠤⠤⠒⠒⠊⠉\n0 ┤⣀⡠⠤⠤⠒⠒⠉⠉⠁\n  └─────────────────\n   0               1\n"
    );
}
