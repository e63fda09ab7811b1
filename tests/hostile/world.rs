//! A folder with what a script may have and what it may not, and what became of a script in it.

use super::Attempt;
use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What a script must not see. As floats of a safetensors file it is 2.3694278e-38 and the like,
/// so the number is looked for too.
const CANARY: &str = "CANARY-c0ffee";
/// In tensors and pixels of secret files.
const NUMBER: f32 = 271_828.2;

/// A script that gets so far prints this. It is written so that a line of the script in an error
/// does not show it.
pub const THROUGH: &str = "print(\"GOT\" + \" \" + \"THROUGH\");";

/// Where a script that is not the program's own error ends.
const END: &str = "the end";

/// A script that ends by itself does so within its limits, which are seconds; the program then
/// waits for native calls, at most ten.
const PATIENCE: Duration = Duration::from_secs(90);

/// ```text
/// home/main.rhai      the script, which is run in home
/// home/open/          files of each kind, which it may read
/// home/link...        links into secret, made before
/// secret/             the same files with other content, which it may not
/// ```
pub struct World {
    temp: TempDir,
    secret: Vec<(PathBuf, Option<Vec<u8>>)>,
}

pub struct Outcome {
    pub verdict: Result<(), String>,
    /// The first line of the error.
    pub error: String,
    pub took: Duration,
}

impl World {
    pub fn new() -> World {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path();
        fill(&root.join("home/open"), 1.0, "fn f() { 1 }");
        let module = format!("print(\"{CANARY}\");\nfn f() {{ \"{CANARY}\" }}");
        fill(&root.join("secret"), NUMBER, &module);
        fs::write(root.join("secret/key"), CANARY).unwrap();
        fs::write(root.join("secret/key.rhai"), module).unwrap();
        let home = root.join("home");
        for (link, target) in [
            ("link", "../secret"),
            ("chain", "link"),
            ("open/link", "../../secret"),
            (
                "open/weights_link.safetensors",
                "../../secret/weights.safetensors",
            ),
            ("module_link.rhai", "../secret/module.rhai"),
            ("link.png", "../secret/a.png"),
            ("self", "self"),
            ("nowhere", "../secret/new"),
            ("up", ".."),
        ] {
            symlink(target, home.join(link)).unwrap();
        }
        symlink(
            root.join("secret/photographs/val/a"),
            home.join("open/photographs/val_link"),
        )
        .unwrap();
        fs::create_dir_all(home.join("classes/val/b")).unwrap();
        fs::copy(home.join("open/a.png"), home.join("classes/val/b/a.png")).unwrap();
        symlink(
            root.join("secret/photographs/val/a"),
            home.join("classes/val/a"),
        )
        .unwrap();
        special(&home);
        damaged(&home.join("damaged"));
        World {
            secret: snapshot(&root.join("secret")),
            temp,
        }
    }

    /// Runs the script and says what is wrong with how it ended, if something is.
    pub fn run(&self, attempt: &Attempt) -> Outcome {
        let home = self.temp.path().join("home");
        let root = self.temp.path().display().to_string();
        let script = attempt.script.replace("{ROOT}", &root);
        fs::write(home.join("main.rhai"), script).unwrap();
        let args = attempt.args.iter().map(|it| it.replace("{ROOT}", &root));
        let has = |name: &str| attempt.args.iter().any(|it| it == name);
        let usual = [
            ("--max-time", "5s"),
            ("--max-memory", "2G"),
            ("--max-operations", "3000000"),
        ];
        let usual = usual.iter().filter(|(name, _)| !has(name));
        let mut command = Command::new(env!("CARGO_BIN_EXE_rhobust"));
        command
            .current_dir(&home)
            .args([
                "run",
                "main.rhai",
                "--out",
                "run",
                "--threads",
                "1",
                "--device",
                "cpu",
            ])
            .args(usual.flat_map(|(name, value)| [name, value]))
            .args(args)
            .env("SECRET_OF_THE_ENVIRONMENT", CANARY)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let began = Instant::now();
        let ended = AtomicBool::new(false);
        let (code, said) = thread::scope(|scope| {
            if attempt.swapping {
                scope.spawn(|| swap(self.temp.path(), &ended));
            }
            let ended_with = wait(command.spawn().unwrap());
            ended.store(true, Ordering::Relaxed);
            ended_with
        });
        Outcome {
            took: began.elapsed(),
            error: said.1.lines().next().unwrap_or_default().to_owned(),
            verdict: self.judge(code, &said),
        }
    }

    fn judge(&self, code: Option<i32>, (stdout, stderr): &(String, String)) -> Result<(), String> {
        let said = format!("{stdout}{stderr}");
        let wrong = |what: &str| Err(format!("{what}\n{said}"));
        if code != Some(1) {
            return wrong(&format!("it must end with 1, ended with {code:?}"));
        }
        if said.contains("GOT THROUGH") {
            return wrong("it got through");
        }
        if stderr.contains(&format!("error: {END}")) {
            return Err("it got to its end".to_owned());
        }
        if !stderr
            .lines()
            .any(|line| line.starts_with("error: ") && line.len() > 12)
        {
            return wrong("the error has no name");
        }
        for word in [
            "panick",
            "internal error",
            "RUST_BACKTRACE",
            "terminate called",
        ] {
            if said.contains(word) {
                return wrong("it ended in a crash");
            }
        }
        let run = self.temp.path().join("home/run");
        let record = fs::read_to_string(run.join("record.json")).unwrap_or_default();
        if record.contains("\"status\": \"running\"") {
            return wrong("the record does not say that it ended");
        }
        let mut seen = vec![(run.clone(), Some(said.clone().into_bytes()))];
        seen.extend(snapshot(&run));
        for (path, content) in &seen {
            // The copy of the script is the script's own.
            let own = path.starts_with(run.join("script"));
            if !own && content.as_ref().is_some_and(|it| holds_the_secret(it)) {
                return wrong(&format!("a secret is in {}", path.display()));
            }
        }
        if snapshot(&self.temp.path().join("secret")) != self.secret {
            return wrong("something outside has changed");
        }
        let mut outside: Vec<_> = fs::read_dir(self.temp.path())
            .unwrap()
            .map(|it| it.unwrap().file_name())
            .collect();
        outside.sort();
        if outside != ["home", "secret"] {
            return wrong("something was written outside");
        }
        Ok(())
    }
}

fn holds_the_secret(content: &[u8]) -> bool {
    let number = NUMBER.to_le_bytes();
    let holds = |part: &[u8]| content.windows(part.len()).any(|it| it == part);
    holds(CANARY.as_bytes()) || holds(&number) || holds(b"271828")
}

/// Files of each kind that scripts read.
fn fill(folder: &Path, number: f32, module: &str) {
    for inner in [
        "photographs/val/a",
        "photographs/val/b",
        "records",
        "ledger/m",
    ] {
        fs::create_dir_all(folder.join(inner)).unwrap();
    }
    let values: Vec<u8> = [number; 4].iter().flat_map(|it| it.to_le_bytes()).collect();
    fs::write(
        folder.join("weights.safetensors"),
        safetensors("x", "F32", "[4]", &values),
    )
    .unwrap();
    fs::write(folder.join("module.rhai"), module).unwrap();
    fs::write(folder.join("real.json"), format!("[[{}]]", number as i64)).unwrap();
    fs::write(folder.join("records/test_batch.bin"), vec![0; 3073]).unwrap();
    let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/images/rgb.png");
    for name in [
        "a.png",
        "photographs/val/a/1.png",
        "photographs/val/b/1.png",
    ] {
        fs::copy(&picture, folder.join(name)).unwrap();
    }
}

pub fn safetensors(name: &str, dtype: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let (start, end) = (0, data.len());
    let header = format!(
        "{{\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":[{start},{end}]}}}}"
    );
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

/// A pipe that nobody writes to and a socket, under names of files that scripts read.
fn special(home: &Path) {
    for name in ["pipe", "pipe.rhai", "open/pipe.png"] {
        let path = std::ffi::CString::new(home.join(name).display().to_string()).unwrap();
        // SAFETY: the path is a text that ends.
        assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    }
    std::os::unix::net::UnixListener::bind(home.join("socket")).unwrap();
}

/// Files that say more of themselves than is true.
fn damaged(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let huge = |name: &str, beginning: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, beginning).unwrap();
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(1 << 42).unwrap();
    };
    huge("huge.safetensors", &[0; 8]);
    huge("huge.png", b"\x89PNG\r\n\x1a\n");
    huge("huge.rhai", b"let x = 1;\n");
    huge("huge.json", b"[[1]");
    fs::create_dir_all(folder.join("records")).unwrap();
    huge("records/test_batch.bin", &[0; 3073]);
    fs::write(folder.join("header.safetensors"), u64::MAX.to_le_bytes()).unwrap();
    fs::write(
        folder.join("shape.safetensors"),
        safetensors("x", "F32", "[4611686018427387904]", &[0; 16]),
    )
    .unwrap();
    fs::write(folder.join("deep.json"), "[".repeat(1 << 20)).unwrap();
    fs::write(folder.join("deep.safetensors"), {
        let header = "[".repeat(1 << 16);
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes
    })
    .unwrap();
    let mut picture =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/images/rgb.png")).unwrap();
    picture[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
    let sum = crc32(&picture[12..29]).to_be_bytes();
    picture[29..33].copy_from_slice(&sum);
    fs::write(folder.join("wide.png"), picture).unwrap();
    let mut array = b"\x93NUMPY\x02\x00".to_vec();
    array.extend(u32::MAX.to_le_bytes());
    fs::create_dir_all(folder.join("c")).unwrap();
    fs::write(folder.join("c/fog.npy"), array).unwrap();
    fs::create_dir_all(folder.join("ledger/m")).unwrap();
    let mut ledger = b"PAR1".to_vec();
    ledger.extend([0xff; 64]);
    ledger.extend(i32::MAX.to_le_bytes());
    ledger.extend(b"PAR1");
    fs::write(folder.join("ledger/m/c.parquet"), ledger).unwrap();
}

/// The check sum of a part of a PNG file.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32| match sum & 1 {
        1 => (sum >> 1) ^ 0xedb8_8320,
        _ => sum >> 1,
    };
    let all = bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| step(sum))
    });
    !all
}

/// Exchanges `home/swap` and `home/swapped/weights.safetensors`, which scripts may read, for links
/// into secret, again and again.
fn swap(root: &Path, ended: &AtomicBool) {
    let home = root.join("home");
    let put = |path: &Path, target: &Path| {
        let beside = path.with_extension("next");
        let _ = fs::remove_file(&beside);
        symlink(target, &beside).unwrap();
        fs::rename(&beside, path).unwrap();
    };
    fs::create_dir_all(home.join("swapped")).unwrap();
    while !ended.load(Ordering::Relaxed) {
        for from in [home.join("open"), root.join("secret")] {
            put(&home.join("swap"), &from);
            put(
                &home.join("swapped/weights.safetensors"),
                &from.join("weights.safetensors"),
            );
            put(&home.join("swapped/module.rhai"), &from.join("module.rhai"));
            put(&home.join("swapped/a.png"), &from.join("a.png"));
        }
    }
}

/// The exit code and what was printed; a program that does not end is ended.
fn wait(mut child: Child) -> (Option<i32>, (String, String)) {
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let read = |from: &mut dyn Read| {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    thread::scope(|scope| {
        let out = scope.spawn(move || read(&mut out));
        let err = scope.spawn(move || read(&mut err));
        let began = Instant::now();
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if began.elapsed() > PATIENCE => {
                    child.kill().unwrap();
                    child.wait().unwrap();
                    break None;
                }
                None => thread::sleep(Duration::from_millis(5)),
            }
        };
        let said = (out.join().unwrap(), err.join().unwrap());
        (status.and_then(|it| it.code()), said)
    })
}

/// Every path beneath a folder, with the content of files.
fn snapshot(folder: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.map(|it| it.unwrap().path()).collect();
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let kind = path.symlink_metadata().unwrap();
        let content = kind.is_file().then(|| fs::read(&path).unwrap());
        found.push((path.clone(), content));
        if kind.is_dir() {
            found.extend(snapshot(&path));
        }
    }
    found
}
