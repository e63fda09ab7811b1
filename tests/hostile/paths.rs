//! Scripts that want files which are not theirs.

use super::Attempt;
use super::random::Random;
use super::world::THROUGH;

/// Calls that read the file or folder `P`, with what it needs to be.
const READERS: [(&str, &str); 13] = [
    ("print(load_tensors(P));", "weights.safetensors"),
    ("print(load_tensors(P).x);", "weights.safetensors"),
    ("print(read_image(P));", "a.png"),
    ("print(read_image(P, #{ size: 16 }));", "a.png"),
    ("sequential([Linear(4, 2)]).load(P);", "weights.safetensors"),
    (
        "sgd(sequential([Linear(4, 2)]), #{ lr: 0.1 }).load(P);",
        "weights.safetensors",
    ),
    (
        "resnet18(#{ outputs: 2, weights: P });",
        "weights.safetensors",
    ),
    ("print(dataset(P).test.image(0));", "photographs"),
    ("print(dataset(P).test.labels());", "records"),
    (
        "let d = dataset(\"open/records\", #{ real: P });",
        "real.json",
    ),
    (
        "dataset(\"open/photographs\").test.corrupted(\"fog\", 1, #{ folder: P });",
        "photographs",
    ),
    (
        "dataset(\"shapes\", #{ test: 10 }).test.corrupted(\"frost\", 1, #{ frost: P });",
        "",
    ),
    ("print(ledgers(P).len());", ""),
];

/// Calls that write to `P`.
const WRITERS: [&str; 6] = [
    "save_tensors(P, #{ a: ones([4]) });",
    "write_image(P, ones([3, 4, 4]));",
    "sequential([Linear(4, 2)]).save(P);",
    "sgd(sequential([Linear(4, 2)]), #{ lr: 0.1, momentum: 0.9 }).save(P);",
    "dataset(\"open/photographs\", #{ cache: P });",
    "for i in 0..50 { save_tensors(P, #{ a: full([4], i) }); }",
];

/// As a string of Rhai.
fn quoted(path: &str) -> String {
    format!("{path:?}")
}

fn reading(kind: &'static str, random: &mut Random, folder: &str) -> Attempt {
    let (call, file) = random.pick(&READERS);
    let path = respelled(random, &format!("{folder}/{file}"));
    attempt(kind, random, &call.replace('P', &quoted(&path)))
}

/// The call alone, in a function, in a closure, or after its error was caught and thrown away.
fn attempt(kind: &'static str, random: &mut Random, call: &str) -> Attempt {
    let script = match random.below(4) {
        0 => format!("{call}\n{THROUGH}"),
        1 => format!("fn f() {{ {call} }}\nf();\n{THROUGH}"),
        2 => format!("let f = || {{ {call} }};\n[1, 2].map(|i| f.call());\n{THROUGH}"),
        _ => format!(
            "let error = ();\ntry {{ {call}\n{THROUGH} }} catch (e) {{ error = e; }}\n{call}\n\
             {THROUGH}\nthrow error;"
        ),
    };
    Attempt::new(kind, script)
}

/// The same place in other words.
fn respelled(random: &mut Random, path: &str) -> String {
    let path = path.trim_end_matches('/');
    let is_absolute = path.starts_with(['/', '{']);
    match random.below(7) {
        0 => path.replace('/', "//"),
        1 => path.replace('/', "/./"),
        2 => format!("{path}/."),
        3 if is_absolute => format!("/../..{path}"),
        3 => format!("./{path}"),
        4 if is_absolute => format!("/proc/self/root{path}"),
        4 => format!("open/../{path}"),
        5 if is_absolute => format!("//{path}"),
        5 => format!("open/photographs/../../{path}"),
        _ => path.to_owned(),
    }
}

pub fn absolute(random: &mut Random) -> Attempt {
    reading("absolute paths", random, "{ROOT}/secret")
}

pub fn upwards(random: &mut Random) -> Attempt {
    let folder = random.pick(&[
        "../secret",
        "open/../../secret",
        "../home/../secret",
        "run/../../secret",
        "open/photographs/val/../../../../secret",
    ]);
    reading("paths with ..", random, folder)
}

pub fn links(random: &mut Random) -> Attempt {
    let kind = "links made before";
    if random.below(2) == 0 {
        let folder = random.pick(&["link", "chain", "open/link", "up/secret", "chain/../secret"]);
        return reading(kind, random, folder);
    }
    let call = random.pick(&[
        "load_tensors(\"open/weights_link.safetensors\");",
        "read_image(\"link.png\");",
        "import \"module_link\" as m;",
        "dataset(\"classes\");",
        "print(dataset(\"classes\").test.image(0));",
        "dataset(\"classes\", #{ cache: \"run/cache\" });",
        "load_tensors(\"self\");",
        "save_tensors(\"../nowhere\", #{ a: ones([1]) });",
        "save_tensors(\"../self\", #{ a: ones([1]) });",
    ]);
    attempt(kind, random, call)
}

/// Reads in a loop what is now this file, now that; what it may read has other numbers.
pub fn swapped(random: &mut Random) -> Attempt {
    let read = random.pick(&[
        "if load_tensors(\"swap/weights.safetensors\").x.max().item() > 2.0 { G }",
        "if load_tensors(\"swapped/weights.safetensors\").x.max().item() > 2.0 { G }",
        "dataset(\"swap/photographs\").test.image(0);",
        "read_image(\"swapped/a.png\");",
        "let d = dataset(\"open/records\", #{ real: \"swap/real.json\" });",
        "print(load_tensors(\"swapped/weights.safetensors\").x);",
        "let s = `swapped/module`; import s as m; if m::f() != 1 { G }",
    ]);
    let read = read.replace('G', THROUGH);
    let turns = 500 + random.below(1500);
    Attempt::new(
        "links made during the run",
        format!(
            "let good = 0;\nlet bad = 0;\n\
             for i in 0..{turns} {{ try {{ {read} good += 1; }} catch {{ bad += 1; }} }}\n\
             throw `${{good}} were read, ${{bad}} were not`;"
        ),
    )
    .while_links_change()
}

pub fn written(random: &mut Random) -> Attempt {
    let call = random.pick(&WRITERS);
    let path = random.pick(&[
        "{ROOT}/secret/key",
        "{ROOT}/secret/weights.safetensors",
        "{ROOT}/new",
        "../../secret/key",
        "../../new",
        "../main.rhai",
        "../open/weights.safetensors",
        "../link/key",
        "../chain/new",
        "../nowhere",
        "../open/link/key",
        "/dev/null",
        "/proc/self/mem",
        "..",
        "/",
        "",
        "../up/new",
    ]);
    // A cache is not in the run folder, and `open` is read only.
    let path = match call.contains("cache") {
        true => path.strip_prefix("../").unwrap_or(path),
        false => path,
    };
    let path = if call.contains("cache") && ["/", ".", "", "main.rhai"].contains(&path) {
        "../new"
    } else {
        path
    };
    attempt("writing", random, &call.replace('P', &quoted(path)))
}

pub fn devices(random: &mut Random) -> Attempt {
    let path = random.pick(&[
        "/dev/zero",
        "/dev/urandom",
        "/dev/stdin",
        "/dev/tty",
        "/dev/fd/0",
        "/dev/full",
        "pipe",
        "socket",
        "open/pipe.png",
    ]);
    let (call, _) = READERS[random.below(11)];
    let call = call.replace('P', &quoted(path));
    let attempt = attempt("device files, pipes, sockets", random, &call);
    match random.below(2) {
        0 => attempt,
        _ => attempt.with(&["--allow-read", "/"]),
    }
}

pub fn kernel(random: &mut Random) -> Attempt {
    let path = random.pick(&[
        "/proc/self/environ",
        "/proc/self/cmdline",
        "/proc/self/maps",
        "/proc/self/mem",
        "/proc/1/environ",
        "/proc/self/fd/0",
        "/proc/self/fd/3",
        "/proc/self/task",
        "/proc/self/cwd/../secret/weights.safetensors",
        "/proc/thread-self/root/{ROOT}/secret/weights.safetensors",
        "/sys/kernel/notes",
        "/sys/class/net",
    ]);
    let (call, _) = READERS[random.below(11)];
    let attempt = attempt("/proc and /sys", random, &call.replace('P', &quoted(path)));
    match path.contains("secret") || random.below(2) == 0 {
        true => attempt,
        false => attempt.with(&["--allow-read", "/"]),
    }
}

pub fn imports(random: &mut Random) -> Attempt {
    let path = random.pick(&[
        "{ROOT}/secret/module",
        "{ROOT}/secret/module.rhai",
        "{ROOT}/secret/key",
        "../secret/module",
        "open/../../secret/module.rhai",
        "std/../../secret/module",
        "std/train/../../../secret/module",
        "link/module",
        "chain/module",
        "module_link",
        "/proc/self/environ",
        "/dev/stdin",
        "pipe",
        "damaged/huge",
        "main",
        "self",
        "open",
        "",
    ]);
    let script = match random.below(4) {
        0 => format!("import {} as m;\nm::f();\n{THROUGH}", quoted(path)),
        1 => format!("let p = {};\nimport p as m;\n{THROUGH}", quoted(path)),
        2 => format!(
            "fn f() {{ import {} as m; m::f() }}\nf();\n{THROUGH}",
            quoted(path)
        ),
        _ => format!(
            "let p = {}.split(\"\");\nlet q = \"\";\nfor c in p {{ q += c; }}\n\
             import q as m;\n{THROUGH}",
            quoted(path)
        ),
    };
    Attempt::new("import tricks", script)
}

pub fn damaged(random: &mut Random) -> Attempt {
    let call = random.pick(&[
        "load_tensors(\"damaged/huge.safetensors\");",
        "load_tensors(\"damaged/header.safetensors\");",
        "load_tensors(\"damaged/shape.safetensors\");",
        "load_tensors(\"damaged/deep.safetensors\");",
        "sequential([Linear(4, 2)]).load(\"damaged/huge.safetensors\");",
        "read_image(\"damaged/huge.png\");",
        "read_image(\"damaged/wide.png\");",
        "dataset(\"damaged\");",
        "dataset(\"damaged/records\");",
        "dataset(\"open/records\", #{ real: \"damaged/huge.json\" });",
        "dataset(\"open/records\", #{ real: \"damaged/deep.json\" });",
        "dataset(\"open/records\").test.corrupted(\"fog\", 1, #{ folder: \"damaged/c\" });",
        "ledgers(\"damaged\");",
        "import \"damaged/huge\" as m;",
    ]);
    attempt("files that lie about their size", random, call)
}

/// There are no such functions.
pub fn processes(random: &mut Random) -> Attempt {
    let call = random.pick(&[
        "env(\"SECRET_OF_THE_ENVIRONMENT\")",
        "getenv(\"SECRET_OF_THE_ENVIRONMENT\")",
        "env_var(\"SECRET_OF_THE_ENVIRONMENT\")",
        "std::env::var(\"HOME\")",
        "os::environ[\"HOME\"]",
        "system(\"touch ../new\")",
        "exec(\"touch ../new\")",
        "spawn(\"sh\")",
        "shell(\"sh -c true\")",
        "popen(\"ls\")",
        "command(\"ls\").output()",
        "fetch(\"http://127.0.0.1/\")",
        "http_get(\"http://127.0.0.1/\")",
        "connect(\"127.0.0.1\", 80)",
        "socket()",
        "open(\"../secret/key\")",
        "open_file(\"../secret/key\").read_string()",
        "read_file(\"../secret/key\")",
        "write_file(\"../new\", \"x\")",
        "remove_file(\"../secret/key\")",
        "symlink(\"../secret\", \"x\")",
        "rename(\"a\", \"../secret/key\")",
        "eval(\"1 + 1\")",
        "load_library(\"libc.so.6\")",
        "dlopen(\"libc.so.6\")",
        "torch::load(\"x.pt\")",
        "pickle::load(\"x.pkl\")",
    ]);
    attempt(
        "network, processes, environment",
        random,
        &format!("print({call});"),
    )
}
