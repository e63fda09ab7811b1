//! The interactive session in a real pseudo-terminal, as its users meet it.

use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const ROWS: u16 = 50;
const COLUMNS: u16 = 100;

/// What an answer may take before the test gives up: generous, as tests share the machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program in a terminal of 50 by 100 characters.
struct Terminal {
    child: Child,
    keyboard: std::fs::File,
    screen: Arc<Mutex<vt100::Parser>>,
    _home: tempfile::TempDir,
}

impl Terminal {
    /// `rhobust repl` with these arguments, in a new folder.
    fn repl(args: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let state = home.path().to_owned();
        Self::start(home, &state, args)
    }

    fn start(home: tempfile::TempDir, state: &Path, args: &[&str]) -> Self {
        let (ours, theirs) = open_terminal();
        let stdio = || Stdio::from(theirs.try_clone().unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_rhobust"));
        command
            .arg("repl")
            .args(args)
            .current_dir(&home)
            .env("XDG_STATE_HOME", state)
            .env("TERM", "xterm-256color")
            .env("COLORTERM", "truecolor")
            .env("RHOBUST_PICTURES", "blocks")
            .env_remove("NO_COLOR")
            .stdin(stdio())
            .stdout(stdio())
            .stderr(stdio());
        // SAFETY: both calls are async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                // The terminal becomes the one that Ctrl-C comes from.
                if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let child = command.spawn().unwrap();
        drop(theirs);
        let keyboard = std::fs::File::from(ours);
        let mut output = keyboard.try_clone().unwrap();
        let screen = Arc::new(Mutex::new(vt100::Parser::new(ROWS, COLUMNS, 1000)));
        let shown = screen.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                shown.lock().unwrap().process(&bytes[..count]);
            }
        });
        Terminal {
            child,
            keyboard,
            screen,
            _home: home,
        }
    }

    fn contents(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    fn keys(&mut self, keys: &str) -> &mut Self {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self
    }

    /// Waits until the screen satisfies `good`.
    fn until(&mut self, what: &str, good: impl Fn(&str) -> bool) -> &mut Self {
        let start = Instant::now();
        while !good(&self.contents()) {
            assert!(
                start.elapsed() < PATIENCE,
                "no {what} in:\n{}",
                self.contents()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        self
    }

    fn sees(&mut self, text: &str) -> &mut Self {
        self.until(text, |screen| screen.contains(text))
    }

    /// Waits for the prompt of input `number`, with nothing behind it.
    fn prompt(&mut self, number: usize) -> &mut Self {
        let prompt = format!("{number}>");
        self.until(&prompt, |screen| {
            screen
                .lines()
                .last()
                .is_some_and(|line| line.trim_end() == prompt)
        })
    }

    /// Types an input and waits for the prompt after it.
    fn input(&mut self, number: usize, text: &str) -> &mut Self {
        self.prompt(number).keys(text).keys("\r").prompt(number + 1)
    }

    /// Types a line on a cleared screen, waits for what it shows and for the prompt `next`.
    fn command(&mut self, number: usize, line: &str, shows: &[&str], next: usize) -> &mut Self {
        self.prompt(number).keys("\x0c");
        self.until("a clear screen", |screen| {
            screen.trim() == format!("{number}>")
        });
        self.keys(line).keys("\r");
        for text in shows {
            self.sees(text);
        }
        let echoed = format!("{number}> {line}");
        self.until("an answer", |screen| screen.contains(&echoed))
            .prompt(next)
    }

    /// Stops input `number` when the screen shows `sign`; the time to the next prompt.
    fn interrupted(&mut self, number: usize, text: &str, sign: &str) -> Duration {
        self.prompt(number)
            .keys("\x0c")
            .prompt(number)
            .keys(text)
            .keys("\r")
            .sees(sign);
        std::thread::sleep(Duration::from_millis(500));
        let start = Instant::now();
        self.keys("\x03").sees("interrupted").prompt(number + 1);
        start.elapsed()
    }

    /// Ctrl-D at an empty prompt; the exit code.
    fn leave(&mut self) -> Option<i32> {
        self.keys("\x04");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Our end and the program's.
fn open_terminal() -> (OwnedFd, OwnedFd) {
    let size = libc::winsize {
        ws_row: ROWS,
        ws_col: COLUMNS,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let (mut ours, mut theirs) = (0, 0);
    // SAFETY: all pointers are valid, and both descriptors are new and ours.
    unsafe {
        let name = std::ptr::null_mut();
        let opened = libc::openpty(&mut ours, &mut theirs, name, std::ptr::null(), &size);
        assert_eq!(opened, 0);
        // The program must not inherit our end, or it would never see the terminal close.
        libc::fcntl(ours, libc::F_SETFD, libc::FD_CLOEXEC);
        (OwnedFd::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs))
    }
}

#[test]
fn values_are_numbered_and_kept() {
    let mut repl = Terminal::repl(&[]);
    repl.input(1, "1 + 1").sees("_1 = 2");
    repl.input(2, "_ * 10").sees("_2 = 20");
    repl.input(3, "let x = _1 + _2;")
        .input(4, "x")
        .sees("_4 = 22");
    repl.input(5, "40 + 2;").input(6, "_5").sees("_6 = 42");
    assert!(!repl.contents().contains("_5 = 42"), "a semicolon silences");
    repl.input(7, "switch x { 22 => \"yes\", _ => \"no\" }")
        .sees("_7 = \"yes\"");
    repl.prompt(8);
    assert_eq!(repl.leave(), Some(0));
}

#[test]
fn input_goes_on_until_it_is_whole() {
    let mut repl = Terminal::repl(&[]);
    repl.prompt(1)
        .keys("fn twice(n) {\r")
        .keys("n * 2\r")
        .keys("}\r")
        .prompt(2);
    repl.input(2, "twice(21)").sees("_2 = 42");
    // Alt-Enter begins a new line where Enter would end the input.
    repl.prompt(3).keys("let a = 3\x1b\r+ 4\r").prompt(4);
    repl.input(4, "a").sees("_4 = 7");
    // A bracketed paste is one input, whatever lines it has.
    repl.prompt(5)
        .keys("\x1b[200~let b = 1;\nlet c = 2;\x1b[201~")
        .keys("\r")
        .prompt(6);
    repl.input(6, "b + c").sees("_6 = 3");
}

#[test]
fn the_tabulator_completes() {
    let mut repl = Terminal::repl(&[]);
    repl.prompt(1)
        .keys("let attack = pgd(#{ eps: 0.03, rand\t")
        .sees("random_start: ");
    repl.keys("false, steps: 2 });\r").prompt(2);
    repl.keys("attack.des\t")
        .sees("attack.describe")
        .keys("\x15")
        .prompt(2);
    repl.keys("rand([2, 3]).resh\t")
        .sees("rand([2, 3]).reshape")
        .keys("\x15")
        .prompt(2);
    repl.keys("import \"std/tr\t")
        .sees("import \"std/train")
        .keys("\" as train;\r")
        .prompt(3);
    repl.keys("train::f\t")
        .sees("train::fit")
        .keys("\x15")
        .prompt(3);
    for (typed, completed) in [
        ("pgd(#{ norm: \t\t", "\"linf\""),
        ("pgd(#{ norm: \"l2\", loss: \"mar\t", "loss: \"margin"),
        ("dataset(\"sha\t", "dataset(\"shapes"),
        (
            "let pixels = rand([2]); pix\t",
            "pixels = rand([2]); pixels",
        ),
        ("let image = rand([2]); image.resh\t", "image.reshape"),
        ("print(`${atta\t", "print(`${attack"),
    ] {
        repl.keys(typed).sees(completed).keys("\x15").prompt(3);
    }
    repl.input(3, "let p = #{ epochs: 3, lr: 0.1 };");
    repl.prompt(4)
        .keys("p.ep\t")
        .sees("p.epochs")
        .keys("\r")
        .sees("_4 = 3");
}

#[test]
fn functions_explain_themselves() {
    let mut repl = Terminal::repl(&[]);
    repl.command(1, "?fgsm", &["eps", "Goodfellow"], 1);
    repl.command(1, "px?", &["grey levels"], 1);
    repl.command(1, "?momentum", &["sgd"], 1);
    repl.command(1, ":help", &[":bench"], 1);
}

#[test]
fn an_error_leaves_variables_as_they_were() {
    let mut repl = Terminal::repl(&[]);
    repl.input(1, "let x = 1; let map = #{ a: 1 }; let add = |n| x + n;");
    repl.input(2, "x = 5; map.a = 7; let y = 3; throw \"on purpose\"")
        .sees("on purpose");
    repl.input(3, "[x, map.a, add.call(1)]")
        .sees("_3 = [1, 1, 2]");
    repl.input(4, "y").sees("there is no variable");
    // A variable declared anew takes the place of the old one.
    repl.input(5, "let x = 2.5").input(6, "x").sees("_6 = 2.5");
    repl.input(7, "pgd(#{ eps: 8, steps: 1 })")
        .sees("px(8)")
        .sees("input 7:1:1");
}

#[test]
fn the_history_outlives_the_session() {
    let state = tempfile::tempdir().unwrap();
    let session = || Terminal::start(tempfile::tempdir().unwrap(), state.path(), &[]);
    let mut repl = session();
    repl.input(1, "let remembered = 6 * 7");
    assert_eq!(repl.leave(), Some(0));
    let mut repl = session();
    repl.prompt(1)
        .keys("\x1b[A")
        .sees("let remembered = 6 * 7")
        .keys("\r")
        .prompt(2);
    repl.input(2, "remembered").sees("_2 = 42");
    // Ctrl-R searches.
    repl.prompt(3).keys("\x126 *").sees("let remembered");
}

#[test]
fn commands_look_at_the_session() {
    let mut repl = Terminal::repl(&[]);
    repl.input(1, "let images = zeros([4, 3, 8, 8]);");
    repl.command(2, ":who", &["[4, 3, 8, 8]", "float32", "3072"], 2);
    repl.command(
        2,
        ":type images[0]",
        &["tensor, [3, 8, 8], float32, cpu"],
        2,
    );
    repl.command(2, ":time 1 + 1", &["took", "_2 = 2"], 3);
    repl.command(3, ":bench images.sum()", &["median"], 3);
    repl.command(3, ":mem", &["process"], 3);
    repl.input(3, "_ + 1");
    repl.command(4, ":save all.rhai", &["3 inputs"], 4);
    repl.command(4, ":reset", &[], 1);
    repl.command(1, ":who", &["no variables"], 1);
    repl.command(1, ":load all.rhai", &[], 2);
    repl.command(2, "result_2 + images.numel()", &["_2 = 770"], 3);
    repl.command(3, ":nothing", &["no command"], 3);
}

/// What trained a model is not done again: its weights lie beside the script.
#[test]
fn a_saved_session_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let state = tempfile::tempdir().unwrap();
    let saved = folder.path().join("day.rhai");
    let save = format!(":save {}", saved.display());
    let allowed = [
        "--allow-write",
        folder.path().to_str().unwrap(),
        "--seed",
        "5",
    ];
    let start = |args: &[&str]| Terminal::start(tempfile::tempdir().unwrap(), state.path(), args);
    let mut repl = start(&allowed);
    repl.input(
        1,
        "let model = sequential([Linear(2, 1)]); let o = sgd(model, #{ lr: 0.1 });",
    )
    .input(
        2,
        "let loss = o.step(model.forward(ones([3, 2])).mean()); print(\"trained\");",
    )
    .input(
        3,
        "let kept = model.forward(ones([1, 2])).item() // after training",
    )
    .input(4, "model.train(false); throw \"not saved\"")
    .command(5, &save, &["3 inputs", "day.model.safetensors"], 5);
    repl.input(5, "kept").sees("_5 =");
    let shown = repl.contents();
    let value = shown
        .rsplit("_5 = ")
        .next()
        .unwrap()
        .lines()
        .next()
        .unwrap()
        .trim();
    assert_eq!(repl.leave(), Some(0));
    let mut again = start(&[saved.to_str().unwrap()]);
    again
        .input(
            2,
            "[kept, model.forward(ones([1, 2])).item(), model.training]",
        )
        .sees(&format!("[{value}, {value}, true]"));
    assert!(!again.contents().contains("trained"));
}

#[test]
fn what_a_failed_input_did_is_undone() {
    let mut repl = Terminal::repl(&[]);
    repl.input(1, "let p = params(#{ eps: 0.1 }); throw 1")
        .input(
            2,
            "let p = params(#{ eps: 0.2 }); let x = ones([2]); let m = resnet18(#{ });",
        )
        .input(3, "x.requires_grad_(); m.train(false); throw 2")
        .input(4, "[p.eps, x.requires_grad, m.training]")
        .sees("_4 = [0.2, false, true]");
    repl.input(5, "fn leave() { exit(); 1 }")
        .prompt(6)
        .keys("leave()\r");
    assert_eq!(repl.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_paste_of_several_inputs_is_several_inputs() {
    let mut repl = Terminal::repl(&[]);
    repl.prompt(1)
        .keys("\x1b[200~1 + 1\nfn f(x) {\n  x * 2\n}\nf(_1) // twice?\n\x1b[201~\r")
        .sees("_1 = 2")
        .sees("_3 = 4")
        .prompt(4);
}

/// Two rows of pixels share one row of characters, upper half blocks: red over green, blue over
/// white, and so on, as stored here.
#[test]
fn pictures_are_drawn_in_half_blocks() {
    let mut repl = Terminal::repl(&[]);
    repl.prompt(1).keys("\x0c").prompt(1);
    let picture = "show(tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 0.0], [1.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]]))";
    repl.keys(picture).keys("\r").prompt(2);
    let screen = repl.screen.lock().unwrap();
    let screen = screen.screen();
    let rows: Vec<u16> = (0..ROWS)
        .filter(|row| {
            screen
                .cell(*row, 0)
                .is_some_and(|cell| cell.contents() == "▀")
        })
        .collect();
    assert_eq!(rows.len(), 1, "{}", screen.contents());
    let cells = (0..2).map(|column| {
        let cell = screen.cell(rows[0], column).unwrap();
        (cell.contents().to_owned(), cell.fgcolor(), cell.bgcolor())
    });
    let rgb = vt100::Color::Rgb;
    assert_eq!(
        cells.collect::<Vec<_>>(),
        [
            ("▀".to_owned(), rgb(255, 0, 0), rgb(0, 255, 0)),
            ("▀".to_owned(), rgb(0, 0, 255), rgb(255, 255, 255)),
        ]
    );
}

#[test]
fn a_script_leaves_its_variables() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("start.rhai");
    std::fs::write(
        &script,
        "let p = params(#{ n: 3 });\nconst K = 10;\nfn times_k(x) { x * global::K }\n",
    )
    .unwrap();
    let mut repl = Terminal::repl(&[script.to_str().unwrap(), "--set", "n=4"]);
    repl.input(2, "times_k(p.n)").sees("_2 = 40");
    // What a script made before it failed stays, too.
    std::fs::write(
        &script,
        "let made = 7;\nfn twice(n) { 2 * n }\nlet lost = oops(1);\n",
    )
    .unwrap();
    repl.prompt(3)
        .keys(&format!(":load {}\r", script.display()))
        .sees("oops")
        .prompt(4);
    repl.input(4, "twice(made)").sees("_4 = 14");
}

/// Every long operation stops soon; the times are printed (`cargo test -- --nocapture`).
#[test]
fn ctrl_c_stops_what_runs_and_keeps_the_session() {
    let mut repl = Terminal::repl(&[]);
    repl.input(
        1,
        "import \"std/train\" as train; import \"std/evaluate\" as evaluate;",
    );
    repl.input(
        2,
        "let data = dataset(\"shapes\", #{ train: 4000, test: 4000 });",
    );
    repl.input(
        3,
        "let model = resnet18(#{ outputs: 10, stem: \"small\" });",
    );
    repl.input(4, "let kept = 1;");
    let long = [
        (
            "script code",
            "kept = 2; print(\"begins\"); loop { }",
            "begins",
        ),
        ("sleep", "print(\"begins\"); sleep(1000)", "begins"),
        (
            "training",
            "train::fit(model, data.train, #{ optimizer: sgd(model, #{ lr: 0.01 }) })",
            "epoch 1/1",
        ),
        (
            "attack",
            "print(\"begins\"); let y = zeros([64]).to(\"int64\"); \
             pgd(#{ eps: 0.03, steps: 1000 }).perturb(model, rand([64, 3, 32, 32]), y)",
            "begins",
        ),
        (
            "evaluation",
            "evaluate::errors(model, data.test, #{})",
            "clean",
        ),
        (
            "data loading",
            "print(\"begins\"); for e in 0..100000 { for b in data.train.batches(#{}) { } }",
            "begins",
        ),
        (
            "a sort",
            "print(\"begins\"); rand([20000000]).sort()",
            "begins",
        ),
        (
            "tensor operations",
            "print(\"begins\"); let x = rand([6000, 6000]); x.matmul(x).matmul(x).matmul(x)",
            "begins",
        ),
    ];
    let first = 5;
    for (at, (what, text, sign)) in long.into_iter().enumerate() {
        let time = repl.interrupted(first + at, text, sign);
        println!("Ctrl-C in {what}: {} ms to the prompt", time.as_millis());
    }
    let next = first + long.len();
    repl.input(next, "kept").sees(&format!("_{next} = 1"));
    // At the prompt it clears the line.
    repl.prompt(next + 1)
        .keys("let forgotten = 1")
        .sees("forgotten")
        .keys("\x03");
    repl.prompt(next + 1).input(next + 1, "1 + 2").sees("= 3");
}

/// Without a terminal the session reads standard input, and says by its exit code whether all
/// inputs worked.
#[test]
fn inputs_can_be_piped() {
    let run = |input: &str| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_rhobust"))
            .arg("repl")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let (code, text) = run("let x = [1,\n2];\nx.len()\n");
    assert_eq!((code, text.as_str()), (Some(0), "_2 = 2\n"));
    let (code, text) = run("oops\n1 + 1\n");
    assert_eq!((code, text.as_str()), (Some(1), "_2 = 2\n"));
}

/// What may not be read is asked for, once; the answer holds for the session.
#[test]
fn a_person_is_asked_for_what_a_session_may_not_read() {
    let elsewhere = tempfile::tempdir().unwrap();
    let path = |name: &str| elsewhere.path().join(name).display().to_string();
    for name in ["a", "b"] {
        std::fs::write(path(name), "no tensors").unwrap();
    }
    let mut repl = Terminal::repl(&[]);
    let load = |name: &str| format!("load_tensors(\"{}\")", path(name));
    repl.prompt(1).keys(&load("a")).keys("\r");
    repl.sees("allow this session to read \"").keys("n\r");
    repl.sees("may not read this; `:allow-read").prompt(2);
    // Not again.
    repl.command(2, &load("a"), &["may not read this"], 3);
    repl.keys("\x0c").prompt(3).keys(&load("b")).keys("\r");
    repl.sees("allow this session to read \"").keys("y\r");
    repl.sees("not a whole safetensors file").prompt(4);
    repl.command(4, &load("b"), &["not a whole safetensors file"], 5);
}

/// A limit ends an input, and the session goes on.
#[test]
fn each_input_has_its_limits() {
    let mut repl = Terminal::repl(&["--max-time", "200ms"]);
    repl.command(1, "loop { }", &["limit of time, 0.2s"], 2);
    repl.command(2, "1 + 1", &["2"], 3);
}
