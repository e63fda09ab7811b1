//! The program as its users meet it: what it prints and its exit codes.

use rhobust::script::{self, Ending, Settings};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A folder with scripts, and the program's arguments.
struct Session {
    folder: TempDir,
    command: &'static str,
    args: Vec<String>,
}

impl Session {
    /// `rhobust run main.rhai` with this text.
    fn script(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let session = Session {
            folder,
            command: "run",
            args: Vec::new(),
        };
        session.file("main.rhai", text)
    }

    fn file(self, name: &str, text: &str) -> Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn check(mut self) -> Self {
        self.command = "check";
        self
    }

    fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|arg| arg.to_string()));
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rhobust"));
        command
            .current_dir(&self.folder)
            .arg(self.command)
            .arg("main.rhai")
            .args(&self.args);
        command
    }

    fn output(&self) -> Outcome {
        Outcome::of(self.command().output().unwrap())
    }

    fn prints(&self, expected: &str) {
        let outcome = self.output();
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        assert_eq!(outcome.stdout, expected, "{outcome:?}");
    }

    fn fails(&self, parts: &[&str]) {
        let outcome = self.output();
        outcome.is_clean_error();
        for part in parts {
            assert!(outcome.stderr.contains(part), "no {part:?} in {outcome:#?}");
        }
    }
}

#[derive(Debug)]
struct Outcome {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Outcome {
    fn of(output: Output) -> Self {
        Outcome {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into(),
            stderr: String::from_utf8_lossy(&output.stderr).into(),
        }
    }

    /// Exit code 1, one report, nothing of a crash.
    fn is_clean_error(&self) {
        assert_eq!(self.code, Some(1), "{self:#?}");
        assert!(self.stderr.starts_with("error: "), "{self:#?}");
        for word in ["panick", "internal error", "RUST_BACKTRACE", "ErrorRuntime"] {
            assert!(!self.stderr.contains(word), "{self:#?}");
        }
    }
}

/// Every script in `tests/scripts` fails with the error in its first line, at the place in its
/// second: `line:column`, or `file:line:column` in a module. They run in this process, whose
/// current folder no other test looks at.
#[test]
fn scripts_fail_with_the_error_they_announce() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut scripts: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "rhai")
        })
        .collect();
    scripts.sort();
    std::env::set_current_dir(&folder).unwrap();
    let mut wrong = String::new();
    for script in scripts {
        let text = fs::read_to_string(&script).unwrap();
        let mut lines = text.lines();
        let error = lines
            .next()
            .and_then(|line| line.strip_prefix("// "))
            .unwrap();
        let at = lines.next().and_then(|line| line.strip_prefix("// at "));
        let name = script.file_name().unwrap().to_str().unwrap();
        let out = tempfile::tempdir().unwrap();
        let settings = Settings {
            script: Some(name.into()),
            out: Some(out.path().into()),
            ..Settings::default()
        };
        let Ending::Failed(report) = script::run(settings) else {
            panic!("{name} has no error");
        };
        let place = match at {
            Some(at) if at.starts_with(char::is_numeric) => format!("--> {name}:{at}\n"),
            Some(at) => format!("--> {at}"),
            None => String::new(),
        };
        if !report.starts_with(error) || !report.contains(&place) {
            wrong += format!("{name}: expected\n{error}\n{place}\ngot\n{report}\n\n").as_str();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn an_error_shows_its_line_and_the_calls_that_led_there() {
    Session::script("import \"lib\" as lib;\nlib::twice(|x| x / 0);\n")
        .file(
            "lib.rhai",
            "fn twice(f) {\n    apply(f)\n}\nfn apply(f) { f.call(1) }\n",
        )
        .fails(&[
            "error: division by zero: 1 / 0\n --> main.rhai:2:18\n  |\n2 | \
                  lib::twice(|x| x / 0);\n  |                  ^\n\
                  in a closure, called from lib.rhai:4:17\n\
                  in function `apply`, called from lib.rhai:2:5\n\
                  in function `twice`, called from main.rhai:2:6\n",
        ]);
}

/// From the place of the error outwards: closures of two files, functions, native code.
#[test]
fn the_chain_of_calls_crosses_closures_and_imports() {
    Session::script(
        "import \"outer\" as outer;\nimport \"inner\" as other;\n\
         fn own(x) { x + other::f() }\n[0].map(|x| outer::run(|y| own(y)));\n",
    )
    .file(
        "outer.rhai",
        "import \"inner\" as inner;\nfn run(f) { let g = |x| f.call(x); inner::apply(g) }\n",
    )
    .file(
        "inner.rhai",
        "fn apply(f) { f.call(1) }\nfn f() { 1.lenn() }\n",
    )
    .fails(&[
        "error: there is no function `lenn(int)`; did you mean `len`?\n \
              --> inner.rhai:2:12\n  |\n2 | fn f() { 1.lenn() }\n  |            ^^^^\n\
              in function `f`, called from main.rhai:3:24\n\
              in function `own`, called from main.rhai:4:28\n\
              in a closure, called from outer.rhai:2:27\n\
              in a closure, called from inner.rhai:1:17\n\
              in function `apply`, called from outer.rhai:2:43\n\
              in function `run`, called from main.rhai:4:20\n\
              in a closure, called from main.rhai:4:5\n\
              in function `map`, called from main.rhai:4:5\n",
    ]);
    Session::script("import \"a\" as a;\n")
        .file("a.rhai", "import \"b\" as b;\n")
        .file("b.rhai", "fn f(x) { 1 / x }\nlet z = [0].map(|x| f(x));\n")
        .fails(&[
            "b.rhai:1:13\n",
            "in function `f`, called from b.rhai:2:21\n\
             in a closure, called from b.rhai:2:13\n\
             in function `map`, called from b.rhai:2:13\n\
             in module \"b\", imported from a.rhai:1:8\n\
             in module \"a\", imported from main.rhai:1:8\n",
        ]);
}

#[test]
fn closures_called_by_native_code_know_their_host() {
    Session::script("import \"lib\" as lib;\nprint([1].map(|x| lib::f(|| seed())));\n")
        .file("lib.rhai", "fn f(g) { [0].map(|_x| g.call() + seed())[0] }")
        .args(&["--seed", "21"])
        .prints("[42]\n");
}

#[test]
fn modules_call_their_own_functions_and_native_ones() {
    Session::script("import \"lib/a\" as a;\nimport \"lib/a\" as again;\nprint(a::f(2));\n")
        .file("lib/a.rhai", "import \"b\" as b;\nprint(\"once\");\nfn f(x) { g(x) + b::h() }\nfn g(x) { px(255) + x }\n")
        .file("lib/b.rhai", "fn h() { 40 }\n")
        .prints("once\n43.0\n");
}

mod limits {
    use super::*;

    #[test]
    fn hostile_nesting_ends_in_an_error() {
        let n = 10_000;
        let nests = [
            format!("let x = {}1{};", "(".repeat(n), ")".repeat(n)),
            format!("let x = {}1{};", "[".repeat(n), "]".repeat(n)),
            format!("let x = {}1{};", "#{a:".repeat(n), "}".repeat(n)),
            format!("let x = {}1;", "|| ".repeat(n)),
            format!("let x = {}1;", "|x| ".repeat(n)),
            format!("let x = {}1;", "-".repeat(n)),
            format!("let x = {}true;", "!".repeat(n)),
            format!("{}{}", "{".repeat(n), "}".repeat(n)),
            format!("{}{}", "if true {".repeat(n), "}".repeat(n)),
            format!("let x = {}1{};", "f(".repeat(n), ")".repeat(n)),
            format!("let x = [1]; x{};", "[0]".repeat(n)),
            format!("let x = #{{}}; x{};", ".a".repeat(n)),
            format!("let x = 1{};", " + 1".repeat(n)),
            format!("let x = true{};", " && true".repeat(n)),
            format!("let x = 1{};", " ?? 1".repeat(n)),
            format!("let x = {};", "`${".repeat(n)),
            format!("{}1", "let x = switch 1 { _ => ".repeat(n / 4)),
        ];
        let folder = tempfile::tempdir().unwrap();
        for (index, text) in nests.iter().enumerate() {
            let script = folder.path().join(format!("{index}.rhai"));
            fs::write(&script, text).unwrap();
            let settings = Settings {
                script: Some(script),
                out: Some(folder.path().join(format!("run{index}"))),
                ..Settings::default()
            };
            // A long chain that is not nested may well work.
            if let Ending::Failed(report) = script::run(settings) {
                let begin = &text[..60.min(text.len())];
                assert!(report.starts_with("error: "), "{begin}: {report}");
                assert!(!report.contains("internal error"), "{begin}: {report}");
                assert!(report.len() < 2_000, "{begin}: {report}");
            }
        }
    }

    /// Calls through closures and native functions, each within nested expressions.
    #[test]
    fn what_the_limits_allow_fits_the_stack() {
        let call = format!(
            "{}[n].map(|m| down(m - 1))[0]{}",
            "(".repeat(50),
            ")".repeat(50)
        );
        let script = format!("fn down(n) {{ if n == 0 {{ return 0; }} {call} }}\nprint(down(25));");
        Session::script(&script).prints("0\n");
    }

    /// Values that nest without limit overflow any stack when they are freed.
    #[test]
    fn closures_around_closures_end_in_an_error() {
        let session = Session::script(
            "let f = || 0;\nfor i in 0..3000000 { let g = f; f = || g.call(); }\nf = ();\n",
        );
        let outcome = session.output();
        match outcome.code {
            Some(0) => {}
            _ => outcome.is_clean_error(),
        }
    }

    #[test]
    fn a_script_has_a_largest_size() {
        let text = "// long\n".repeat(20_000);
        Session::script(&text).fails(&["error: main.rhai: a script may have 131072 bytes"]);
    }

    /// The slowest text of the largest size: parsing is quadratic in the variables.
    #[test]
    fn the_largest_script_is_parsed() {
        let size = rhobust::script::MAX_SOURCE;
        let many: String = (1..size / 10).map(|i| format!("let v{i}=v0;")).collect();
        let text = format!("let v0=1;{many}");
        let text = &text[..text[..size].rfind(';').unwrap() + 1];
        let outcome = Session::script(text).check().output();
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
    }
}

mod interrupts {
    use super::*;

    /// Sends a Ctrl-C to a script that printed `ready`.
    fn stopped(session: &Session) -> Outcome {
        let mut child = session
            .command()
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0; 6];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        // SAFETY: a signal to a child of ours that is still running.
        unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
        let outcome = Outcome::of(child.wait_with_output().unwrap());
        assert_eq!(outcome.code, Some(130), "{outcome:?}");
        outcome
    }

    fn interrupted(script: &str) {
        let outcome = stopped(&Session::script(script));
        assert_eq!(outcome.stderr, "interrupted\n");
    }

    /// The step is finished; a checkpoint from after it and the record so far are there.
    #[test]
    fn a_training_leaves_a_checkpoint() {
        let session = Session::script(
            "import \"std/train\" as train;\n\
             let data = dataset(\"shapes\", #{ train: 100, test: 10 });\n\
             let model = sequential([Flatten(), Linear(3072, 10)]);\n\
             let steps = #{ done: 0 };\n\
             train::fit(model, data.train, #{\n\
                 name: \"Adv\", epochs: 1000000, batch_size: 50,\n\
                 optimizer: sgd(model, #{ lr: 0.01, momentum: 0.9 }),\n\
                 loss: |x, y| {\n\
                     steps.done += 1;\n\
                     if steps.done == 5 { print(\"ready\"); sleep(0.3); }\n\
                     cross_entropy(model.forward(x), y)\n\
                 },\n\
             });\n",
        )
        .args(&["--out", "run"]);
        let outcome = stopped(&session);
        let resume = "to go on: rhobust run --resume";
        assert!(outcome.stderr.contains(resume), "{outcome:?}");
        let metrics = fs::read_to_string(session.path("run/metrics.csv")).unwrap();
        let steps = metrics
            .lines()
            .filter(|line| line.starts_with("step,"))
            .count();
        assert_eq!(
            steps, 5,
            "the fifth step was under way and is finished:\n{metrics}"
        );
        let file = "run/checkpoints/Adv/000002_000001.checkpoint";
        assert!(session.path(file).is_file(), "{outcome:?}");
        let record = fs::read_to_string(session.path("run/record.json")).unwrap();
        assert!(record.contains("\"interrupted\""), "{record}");
    }

    #[test]
    fn an_endless_loop_stops() {
        interrupted("print(\"ready\"); loop { }");
    }

    #[test]
    fn a_sleep_stops() {
        interrupted("print(\"ready\"); sleep(1000)");
    }

    #[test]
    fn a_script_cannot_catch_it() {
        interrupted("print(\"ready\"); loop { try { loop { } } catch { } }");
    }

    #[test]
    fn a_closure_called_by_native_code_stops() {
        interrupted("print(\"ready\"); [1].map(|x| { loop { } })");
    }
}

mod parameters {
    use super::*;

    const SCRIPT: &str = "// Trains a model.\n\nlet p = params(#{\n    epochs: 10, // passes over \
                          the data\n    eps: 8.0/255.0,\n    name: \"a\",\n});\n\
                          print(`${p.epochs} ${p.name}`);\n";

    #[test]
    fn defaults_and_overrides() {
        Session::script(SCRIPT).prints("10 a\n");
        Session::script(SCRIPT)
            .args(&["--set", "epochs=3", "--set", "name=b"])
            .prints("3 b\n");
    }

    #[test]
    fn mistakes_are_named() {
        let fails = |set: &str, part: &str| {
            let session = Session::script(SCRIPT).args(&["--set", set]);
            session.fails(&[part]);
            assert_eq!(session.output().stdout, "", "nothing ran");
        };
        fails(
            "epoch=3",
            "the script has no parameter `epoch`; did you mean `epochs`?",
        );
        fails(
            "epochs=abc",
            "--set epochs=abc: `epochs` must be an integer",
        );
        Session::script(SCRIPT)
            .args(&["--set", "epochs=3", "--set", "epochs=4"])
            .fails(&["--set epochs is given twice, with 3 and with 4"]);
        Session::script("print(1);")
            .args(&["--set", "epochs=3"])
            .fails(&["--set epochs: the script has no parameters"]);
        let usage = Session::script(SCRIPT).args(&["--set", "epochs"]).output();
        assert_eq!(usage.code, Some(2), "{usage:?}");
    }

    #[test]
    fn help_lists_them() {
        let outcome = Session::script(SCRIPT).args(&["--help"]).output();
        assert_eq!(outcome.code, Some(0));
        for part in [
            "Trains a model.",
            "epochs  10",
            "passes over the data",
            "--allow-read",
        ] {
            assert!(
                outcome.stdout.contains(part),
                "no {part:?} in {}",
                outcome.stdout
            );
        }
    }
}

mod run_folders {
    use super::*;

    /// A script finds what it wrote before a file of the user's of the same name, unless the
    /// user gave it that name with --set.
    #[test]
    fn a_path_given_with_set_is_the_users_file() {
        let own = "let p = params(#{ w: \"\" });\n\
                   save_tensors(\"x.safetensors\", #{ a: tensor([2]) });\n\
                   print(load_tensors(\"x.safetensors\").a.item());\n\
                   print(load_tensors(\"./x.safetensors\").a.item());\n";
        let session = Session::script("save_tensors(\"x.safetensors\", #{ a: tensor([1]) });")
            .args(&["--out", "first"]);
        session.prints("");
        let users = session.path("first/x.safetensors");
        let script = |args| {
            let session = Session::script(own).args(args);
            fs::copy(&users, session.path("x.safetensors")).unwrap();
            session
        };
        script(&[]).prints("2\n2\n");
        script(&["--set", "w=x.safetensors"]).prints("1\n2\n");
    }

    #[test]
    fn each_run_gets_its_own() {
        let session = Session::script("print(1);");
        session.prints("1\n");
        session.prints("1\n");
        let names: Vec<_> = fs::read_dir(session.path("runs")).unwrap().collect();
        assert_eq!(names.len(), 2);
    }

    #[test]
    fn a_failed_run_leaves_a_folder_only_for_results() {
        let folders = |session: &Session| fs::read_dir(session.path("runs")).unwrap().count();
        let nothing = Session::script("note(\"a\", 1);\nthrow \"gave up\";");
        nothing.fails(&["gave up"]);
        assert_eq!(folders(&nothing), 0);
        for result in [
            "log_metrics(\"step\", #{ loss: 1.0 });",
            "save_tensors(\"x.safetensors\", #{ a: tensor([1]) });",
        ] {
            let session = Session::script(&format!("{result}\nthrow \"gave up\";"));
            session.fails(&["gave up"]);
            let run = fs::read_dir(session.path("runs")).unwrap().next().unwrap();
            let record = fs::read_to_string(run.unwrap().path().join("record.json")).unwrap();
            assert!(record.contains("\"status\": \"failed\""), "{record}");
        }
        let named = Session::script("throw \"gave up\";").args(&["--out", "here"]);
        named.fails(&["gave up"]);
        assert!(named.path("here/record.json").exists());
    }

    #[test]
    fn the_record_keeps_its_names() {
        let session = Session::script("sequential([Linear(4, 2)]).save(\"metrics.csv\");");
        session.fails(&["`metrics.csv` is a name that the run record uses itself"]);
    }

    #[test]
    fn results_are_never_mixed() {
        Session::script("print(1);")
            .file("out/metrics.csv", "x")
            .args(&["--out", "out"])
            .fails(&["must be empty or new"]);
        for (out, reason) in [
            ("out", "there is a file of this name already"),
            ("out/deeper", "a part of this path is a file, not a folder"),
        ] {
            Session::script("print(1);")
                .file("out", "a file")
                .args(&["--out", out])
                .fails(&[&format!("error: {out}: {reason}\n")]);
        }
    }
}

mod check {
    use super::*;

    #[test]
    fn a_good_script_passes() {
        Session::script(
            "import \"lib\" as lib;\nlet m = #{ f: |x| x + 1 };\nlet k = 1;\n\
             print(m.f(2) + lib::g(|x| x + k, 2));\nfn own(a) { a.len() + this }\n1.own([2]);\n\
             let h = Fn(\"own\"); h.curry(1); [1, 2].map(|x| x * k).filter(|x| x > 1).sum_up();\n\
             switch k { 1 => print(k), _ => () }\nlet _o = #{ sum_up: || 3 };\n",
        )
        .file(
            "lib.rhai",
            "fn g(f, x) { h(f, x) }\nprivate fn h(f, x) { f.call(x) }\n",
        )
        .check()
        .prints("main.rhai and 1 import: no mistakes found\n");
        Session::script("print(1);")
            .check()
            .prints("main.rhai: no mistakes found\n");
    }

    #[test]
    fn every_mistake_is_found_at_once_and_nothing_runs() {
        let session = Session::script(
            "import \"lib\" as lib;\nprint(\"ran\");\nlet epochs = 1;\nprint(epoch);\n\
             asert(true);\npx(1, 2);\nlib::gg(1);\nlib::g();\n\"x\".lenn();\nnolib::f();\n\
             if false { nothing }\n",
        )
        .file("lib.rhai", "fn g(x) { bad(x) }\n")
        .check();
        session.fails(&[
            "there is no variable `epoch`; did you mean `epochs`?",
            "main.rhai:4:7",
            "there is no function `asert`; did you mean `assert`?",
            "`px` takes 1 argument, got 2",
            "module `lib` has no function `gg`",
            "`lib::g` takes 1 argument, got 0",
            "no value has a method `lenn`; did you mean `len`?",
            "there is no module `nolib`",
            "there is no variable `nothing`",
            "there is no function `bad`",
            "lib.rhai:1:11",
        ]);
        assert_eq!(session.output().stdout, "");
    }

    #[test]
    fn functions_of_the_library_are_pointed_to() {
        for call in ["[1].fit(2);", "fit(1);"] {
            Session::script(call)
                .check()
                .fails(&["`train::fit(model, split, given)`", "main.rhai:1:"]);
        }
    }

    #[test]
    fn imports_are_followed() {
        Session::script("import \"a\" as _a;")
            .file("a.rhai", "import \"b\" as b;")
            .file("b.rhai", "let x = ;")
            .check()
            .fails(&["b.rhai:1:9"]);
        Session::script("import \"missing\" as _m;")
            .check()
            .fails(&["cannot import \"missing\""]);
        Session::script("import \"a\" as _a;")
            .file("a.rhai", "import \"main\" as m;")
            .check()
            .fails(&["in a circle"]);
    }

    fn findings(session: Session, args: &[&str]) -> (Option<i32>, serde_json::Value) {
        let outcome = session.check().args(&["--json"]).args(args).output();
        (outcome.code, serde_json::from_str(&outcome.stdout).unwrap())
    }

    /// Each finding as `line:column-end_column severity code`.
    fn summary(text: &str) -> Vec<String> {
        let (_, findings) = findings(Session::script(text), &[]);
        let of = |it: &serde_json::Value| {
            let (severity, code) = (
                it["severity"].as_str().unwrap(),
                it["code"].as_str().unwrap(),
            );
            let (line, from, to) = (&it["line"], &it["column"], &it["end_column"]);
            format!("{line}:{from}-{to} {severity} {code}")
        };
        findings.as_array().unwrap().iter().map(of).collect()
    }

    #[test]
    fn editors_get_json() {
        let (code, found) = findings(
            Session::script("let x = 1;\nprint(pgd(#{ eps: 0.1 }));"),
            &[],
        );
        assert_eq!(code, Some(1));
        let expected = serde_json::json!([
            {
                "file": "main.rhai", "line": 1, "column": 5, "end_column": 6,
                "severity": "warning", "code": "unused-variable",
                "message": "`x` is never used; call it `_x` if that is meant",
            },
            {
                "file": "main.rhai", "line": 2, "column": 7, "end_column": 10,
                "severity": "error", "code": "missing-option",
                "message": "`pgd` needs the option `steps`",
            },
        ]);
        assert_eq!(found, expected);
        assert_eq!(
            findings(Session::script("print(1);"), &[]).1,
            serde_json::json!([])
        );
        let (code, found) = findings(Session::script("let x = ;"), &[]);
        assert_eq!((code, &found[0]["code"]), (Some(1), &"syntax".into()));
    }

    #[test]
    fn warnings_fail_only_where_they_are_denied() {
        let session = || Session::script("let x = 1;").check();
        let outcome = session().output();
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        let expected = "warning: `x` is never used; call it `_x` if that is meant\n \
                        --> main.rhai:1:5\n  |\n1 | let x = 1;\n  |     ^\n";
        assert_eq!(outcome.stderr, expected);
        let outcome = session().args(&["--deny-warnings"]).output();
        assert_eq!(outcome.code, Some(1), "{outcome:?}");
    }

    #[test]
    fn options_are_known_from_the_documentation_and_from_the_defaults() {
        let cases = [
            (
                "pgd(#{ eps: 0.1, stepsize: 0.1, steps: 3 });",
                "1:18-26 error unknown-option",
            ),
            ("fgsm(#{ });", "1:1-5 error missing-option"),
            (
                "import \"std/train\" as t;\nt::fit(1, 2, #{ epoch: 3 });",
                "2:17-22 error unknown-option",
            ),
            (
                "fn f(given) { let o = options(given, #{ a: 1 }); o.a }\nf(#{ b: 1 });",
                "2:6-7 error unknown-option",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(summary(text), [expected], "{text}");
        }
        Session::script("pgd(#{ eps: 0.1, stepsize: 0.1, steps: 3 });")
            .check()
            .fails(&["`pgd` has no option `stepsize`; did you mean `step_size`? (options: "]);
        for text in [
            "let rest = #{ steps: 3 };\npgd(#{ eps: 0.1 } + rest);",
            "fn f(given) { given.remove(\"b\"); options(given, #{ a: 1 }) }\nf(#{ b: 1 });",
            "fn pgd(any) { any.alpha }\npgd(#{ alpha: 1 });",
            "let o = #{ nothing: 1 };\nprint(o);",
        ] {
            assert_eq!(summary(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn names_that_are_looked_up_late_are_found() {
        for (text, expected) in [
            (
                "const EPS = 1;\nfn f() { global::EPZ }\nprint(f());",
                "2:18-21 error unknown-name",
            ),
            (
                "let p = params(#{ eps: 0.03 });\nprint(p.epz + 1.0);",
                "2:9-12 error unknown-name",
            ),
        ] {
            assert_eq!(summary(text), [expected], "{text}");
        }
        for text in [
            "const EPS = 1;\nfn f() { global::EPS }\nprint(f());",
            "let p = params(#{ eps: 0.03 });\nprint(p.eps + p.keys().len());",
            "let p = params(#{ eps: 0.03 });\np.more = 1;\nprint(p.more);",
        ] {
            assert_eq!(summary(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn threat_models_are_looked_at() {
        let params = |map: &str| format!("let p = params(#{{ {map} }});\nprint(p);");
        for (text, expected) in [
            (
                "pgd(#{ eps: 8/255, steps: 3 });".into(),
                "1:8-11 error option-value",
            ),
            (
                "pgd(#{ eps: 8.0, steps: 3 });".into(),
                "1:8-11 error option-value",
            ),
            (
                "pgd(#{ eps: px(8), steps: 0 });".into(),
                "1:20-25 error option-value",
            ),
            (
                "pgd(#{ eps: px(8), steps: 3, norm: \"linff\" });".into(),
                "1:30-34 error option-value",
            ),
            (
                "let n = 3;\npgd(#{ eps: 8, steps: n });".into(),
                "2:8-11 error option-value",
            ),
            (
                "const E = 8/255;\nlet steps = 3;\npgd(#{ eps: E, steps: steps });".into(),
                "3:8-11 error option-value",
            ),
            (
                "let o = #{ eps: 0.03, steps: 3, stepz: 1 };\npgd(o);".into(),
                "1:33-38 error unknown-option",
            ),
            (
                "import \"std/evaluate\" as e;\nlet o = 1;\n\
                 e::paper(o, o, #{ eps: 0.03, stepz: 3 });"
                    .into(),
                "3:30-35 error unknown-option",
            ),
            (
                "let e = 8;\nfor i in 0..2 { pgd(#{ eps: e, steps: i }); }".into(),
                "2:24-27 error integer-eps",
            ),
            (
                "pgd(#{ eps: 0.0, steps: 3 });".into(),
                "1:8-11 warning zero-eps",
            ),
            (
                "pgd(#{ eps: 0.03, steps: 10, step_size: 0.001 });".into(),
                "1:30-39 warning short-steps",
            ),
            (
                "mifgsm(#{ eps: 0.03, decai: 0.9 });".into(),
                "1:22-27 error unknown-option",
            ),
            ("fmn(#{ eps: 2.0 });".into(), "1:8-11 error option-value"),
            (params("eps: 8/255"), "1:19-22 warning integer-eps"),
            (params("eps: 8.0"), "1:19-22 warning large-eps"),
            (params("eps: -0.1"), "1:19-22 warning negative-eps"),
            (params("eps: 0.1, steps: 0"), "1:29-34 warning no-steps"),
        ] {
            assert_eq!(summary(&text), [expected], "{text}");
        }
        for text in [
            "pgd(#{ eps: 0.03, steps: 10, step_size: 0.003 });".into(),
            "pgd(#{ eps: 2.0, steps: 10, norm: \"l2\" });".into(),
            "cw(#{ eps: 2.0, steps: 10 });".into(),
            "rfgsm(#{ eps: 0.02, steps: 1, step_size: 0.01 });".into(),
            "deepfool(#{ eps: 2.0 });\nfmn(#{ steps: 5 });".into(),
            "let e = 0.1;\ne = 8;\npgd(#{ eps: e, steps: 3 });".into(),
            "try { pgd(#{ eps: 8, steps: 3 }); } catch { }".into(),
            "assert_throws(|| pgd(#{ eps: 8, steps: 3 }), \"px\");".into(),
            params("eps: 2.0, norm: \"l2\""),
            params("eps: 0.03, steps: 10"),
        ] {
            assert_eq!(summary(&text), [""; 0], "{text}");
        }
    }

    #[test]
    fn what_nothing_reads_is_shown() {
        let found = summary(
            "import \"std/train\" as train;\nconst K = 1;\nlet a = 1;\nlet a = a + 1;\n\
             let f = |x| { let inner = x; a };\nprint(f.call(1));\n\
             fn g(unused) { let y = 1; if true { let y = 2; print(y); } global::K }\n\
             for i in 0..2 { let _meant = 1; print(`${g(1)}`); }\n",
        );
        assert_eq!(
            found,
            [
                "1:23-28 warning unused-import",
                "5:19-24 warning unused-variable",
                "7:20-21 warning unused-variable",
            ]
        );
    }
}

mod tests_of_scripts {
    use super::*;

    const TESTS: &str = "import \"lib\" as lib;\nconst K = lib::two();\nprint(\"begins\");\n\
        fn test_passes() { assert_eq(global::K, 2); note(\"a\", 1); }\n\
        fn test_fails() {\n    assert_close(tensor([1.0, 2.0]), tensor([1.0, 2.5]), 0.1);\n}\n\
        fn test_seeded() { assert_eq(seed(), 0); assert_ne(rand([2]), rand([2])); }\n\
        fn helper_test_of_nothing() { missing_on_purpose.call() }\n";

    fn run(args: &[&str]) -> Outcome {
        let text = TESTS.replace("missing_on_purpose", "Fn(\"g\")");
        let mut session = Session::script(&text).file("lib.rhai", "fn two() { 2 }\n");
        session.command = "test";
        session.args(args).output()
    }

    #[test]
    fn each_has_a_line_and_a_failure_its_report() {
        let outcome = run(&[]);
        assert_eq!(outcome.code, Some(1), "{outcome:?}");
        let lines: Vec<&str> = outcome.stdout.lines().collect();
        assert!(
            lines[0].starts_with("ok      main.rhai: test_passes ("),
            "{outcome:#?}"
        );
        assert!(
            lines[1].starts_with("FAILED  main.rhai: test_fails ("),
            "{outcome:#?}"
        );
        let report = "begins\nerror: the values are not close: 1 of 2 entries differ, most at [1]: \
                      2.0 and 2.5, 0.5 apart (the tolerance is 0.1)\n --> main.rhai:6:5\n";
        assert!(outcome.stdout.contains(report), "{}", outcome.stdout);
        assert!(
            outcome.stdout.ends_with("2 passed, 1 failed\n"),
            "{outcome:#?}"
        );
    }

    #[test]
    fn a_filter_chooses() {
        let outcome = run(&["--filter", "passes"]);
        assert_eq!(outcome.code, Some(0), "{outcome:?}");
        assert!(
            outcome.stdout.ends_with("1 passed, 0 failed\n"),
            "{outcome:#?}"
        );
        let nothing = run(&["--filter", "nothing like it"]);
        assert_eq!(nothing.code, Some(1));
        assert!(
            nothing.stderr.starts_with("error: no test was found"),
            "{nothing:?}"
        );
    }

    #[test]
    fn what_is_named_like_a_test_is_one_or_an_error() {
        for function in ["fn test_a(n) { n }", "private fn test_a() { }"] {
            let mut session = Session::script(function);
            session.command = "test";
            let outcome = session.output();
            assert_eq!(outcome.code, Some(1));
            assert!(
                outcome.stdout.contains("a test is not private"),
                "{outcome:?}"
            );
        }
    }

    #[test]
    fn a_file_that_does_not_compile_has_failed() {
        let mut session = Session::script("fn test_a( {}");
        session.command = "test";
        let outcome = session.output();
        assert_eq!(outcome.code, Some(1));
        assert!(
            outcome.stdout.starts_with("FAILED  main.rhai\nerror: "),
            "{outcome:?}"
        );
        assert!(
            outcome.stdout.ends_with("0 passed, 1 failed\n"),
            "{outcome:?}"
        );
    }
}

#[test]
fn a_missing_or_strange_script_is_one_sentence() {
    let session = Session::script("");
    for (name, bytes) in [
        ("text.rhai", &b"\xff\xfe"[..]),
        ("nul.rhai", b"let x = \0;"),
    ] {
        fs::write(session.path(name), bytes).unwrap();
    }
    for name in ["none.rhai", "text.rhai", "nul.rhai", "."] {
        for command in ["run", "check"] {
            let output = Command::new(env!("CARGO_BIN_EXE_rhobust"))
                .current_dir(&session.folder)
                .args([command, name])
                .output()
                .unwrap();
            let outcome = Outcome::of(output);
            outcome.is_clean_error();
            if name == "." {
                let expected = "error: .: a file is needed here, this is a folder\n";
                assert_eq!(outcome.stderr, expected);
            }
        }
    }
}

#[test]
fn a_run_can_be_reported_on() {
    let session =
        Session::script("log_metrics(\"epoch\", #{ model: \"m\", epoch: 0, loss: 1.5 });");
    let out = session.path("first");
    let run = session.args(&["--out", out.to_str().unwrap()]);
    assert_eq!(run.output().code, Some(0));
    let report = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rhobust"));
        let output = command.current_dir(&run.folder).arg("report").args(args);
        Outcome::of(output.output().unwrap())
    };
    let written = report(&["first"]);
    assert_eq!(written.stdout, "first/report/index.html\n", "{written:?}");
    let page = fs::read_to_string(run.path("first/report/index.html")).unwrap();
    assert!(page.contains("No ledgers") && page.contains("id=\"training\""));
    assert!(run.path("first/report/figures/training-loss.svg").exists());
    report(&["second"]).is_clean_error();
    report(&["first", "--out", "main.rhai"]).is_clean_error();
}

mod bounds {
    use super::*;

    fn ends(text: &str, args: &[&str], parts: &[&str]) -> String {
        let session = Session::script(text).args(args).args(&["--out", "out"]);
        session.fails(parts);
        fs::read_to_string(session.path("out/record.json")).unwrap()
    }

    #[test]
    fn a_script_ends_at_each_with_its_line() {
        for (text, args, said) in [
            (
                "let n = 0;\nloop { n += 1; }",
                ["--max-time", "200ms"],
                "limit of time, 0.2s; --max-time",
            ),
            (
                "let n = 0;\nloop { n += 1; }",
                ["--max-operations", "1000"],
                "limit of 1000 steps; --max-operations",
            ),
            // The steps of closures that native code calls count, and nothing is caught.
            (
                "fn f() {}\nwhile true { try { [1, 2, 3].map(|x| x + 1); } catch { f() } }",
                ["--max-operations", "1000"],
                "limit of 1000 steps",
            ),
        ] {
            ends(text, &args, &[said, "main.rhai:2:"]);
        }
    }

    #[test]
    fn the_record_says_which_limit_it_was() {
        let text = "note(\"so far\", 1);\nloop { }";
        let record = ends(text, &["--max-time", "100ms"], &["limit of time"]);
        let record: serde_json::Value = serde_json::from_str(&record).unwrap();
        assert_eq!(record["status"], "interrupted");
        let error = record["error"].as_str().unwrap();
        assert!(
            error.contains("limit of time, 0.1s") && error.contains("main.rhai:2:"),
            "{error}"
        );
        assert_eq!(record["notes"]["so far"], 1);
    }

    #[test]
    fn a_tensor_beyond_the_limit_is_an_error_that_can_be_caught() {
        let text = "let x = 0;\n\
            try { x = zeros([300000000]); } catch (e) { print(e); }\n\
            let kept = [];\n\
            loop { kept.push(zeros([1000000])); }";
        let session = Session::script(text).args(&["--max-memory", "1G"]);
        let outcome = session.output();
        let said = "`zeros`: 1.1 GiB do not fit in memory, of which the program may have 1G";
        assert!(outcome.stdout.contains(said), "{outcome:#?}");
        outcome.is_clean_error();
        assert!(outcome.stderr.contains("main.rhai:4:"), "{outcome:#?}");
    }

    #[test]
    fn each_test_of_a_script_has_its_own() {
        let mut session = Session::script("fn test_a() { loop { } }\nfn test_b() { }\n");
        session.command = "test";
        let outcome = session.args(&["--max-time", "100ms"]).output();
        assert_eq!(outcome.code, Some(1), "{outcome:#?}");
        for part in [
            "FAILED  main.rhai: test_a",
            "limit of time",
            "ok      main.rhai: test_b",
        ] {
            assert!(outcome.stdout.contains(part), "{outcome:#?}");
        }
    }

    #[test]
    fn what_is_no_limit_is_said() {
        for (option, value) in [
            ("--max-time", "90"),
            ("--max-memory", "lots"),
            ("--max-operations", "0"),
        ] {
            let outcome = Session::script("").args(&[option, value]).output();
            assert_eq!(outcome.code, Some(2), "{outcome:?}");
            assert!(outcome.stderr.contains(option), "{outcome:?}");
        }
    }
}
