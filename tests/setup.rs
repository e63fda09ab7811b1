//! `setup/libtorch.py` with a pip of our own in the place of the real one, so that no test
//! needs the network.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/setup/libtorch.py");
const WANTED: &str = rhobust::torch::install::WANTED_VERSION;

/// Installs three small packages. The file comes before its RECORD; between the two it
/// hangs or fails if it is told to.
const PIP: &str = r#"
import os, pathlib, re, sys, time

def after(option):
    return pathlib.Path(sys.argv[sys.argv.index(option) + 1])

target, here = after("--target"), pathlib.Path(os.environ["PYTHONPATH"])
with open(here / "calls", "a") as calls:
    calls.write("call\n")
for name, version in re.findall(r"(?m)^([\w-]+)==(.*)$", after("--requirement").read_text()):
    (target / name / "lib").mkdir(parents=True)
    (target / name / "lib" / "library.so").write_text(name)
    (target / name / "version.py").write_text(f"__version__ = '{version}+cu130'\n")
    behaviour = os.environ.get("PIP_BEHAVIOUR")
    if behaviour == "hang":
        (here / "hangs").touch()
        time.sleep(60)
    elif behaviour == "slow":
        time.sleep(0.3)
    elif behaviour == "fail":
        sys.exit("no network")
    info = target / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "RECORD").write_text(f"{name}/lib/library.so,sha256=x,{len(name)}\n{info}/RECORD,,\n")
if "--no-deps" not in sys.argv:
    (target / "nvidia_cudnn_cu13-9.0.dist-info").mkdir()
"#;

struct Setup(TempDir);

impl Setup {
    fn new() -> Self {
        let setup = Setup(tempfile::tempdir().unwrap());
        setup.write("python/pip/__main__.py", PIP);
        setup.write("python/pip/__init__.py", "");
        setup
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The script with `arguments`, among them `NAME=value` for its environment.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("python3");
        command
            .arg(SCRIPT)
            .arg("--folder")
            .arg(self.path("libtorch"));
        for name in ["LIBTORCH", "LIBTORCH_USE_PYTORCH", "VIRTUAL_ENV"] {
            command.env_remove(name);
        }
        command.env("PYTHONPATH", self.path("python"));
        for argument in arguments {
            match argument.split_once('=') {
                Some((name, value)) => command.env(name, value),
                None => command.arg(argument),
            };
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Calls the script for a machine without a GPU; its success, and all it said.
    fn call(&self, arguments: &[&str]) -> (bool, String) {
        let output = self
            .command(&[&["--gpu", "0"], arguments].concat())
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    }

    #[track_caller]
    fn succeeds(&self, arguments: &[&str]) -> String {
        let (success, said) = self.call(arguments);
        assert!(success, "{said}");
        said
    }

    /// Calls the script, which must refuse in one sentence that contains `reason`.
    #[track_caller]
    fn refuses(&self, arguments: &[&str], reason: &str) {
        let (success, said) = self.call(arguments);
        assert!(!success, "{said}");
        let last = said.lines().last().unwrap_or_default();
        assert!(
            last.starts_with("libtorch: ") && last.contains(reason),
            "{said}"
        );
        assert!(!said.contains("Traceback"), "{said}");
    }

    fn pip_calls(&self) -> usize {
        fs::read_to_string(self.path("python/calls")).map_or(0, |calls| calls.lines().count())
    }

    fn file(&self) -> String {
        fs::read_to_string(self.path("libtorch/torch/lib/library.so")).unwrap()
    }

    fn leaves_nothing_half_done(&self) -> bool {
        !self.path("libtorch.partial").exists()
    }
}

fn wait_for(path: &Path) {
    let start = Instant::now();
    while !path.exists() {
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "{} never came",
            path.display()
        );
        thread::sleep(Duration::from_millis(10));
    }
}

/// Ends the script and its pip at once, as a power cut would.
fn kill_group(mut child: Child) {
    let group = i32::try_from(child.id()).unwrap();
    // SAFETY: the group is the child's own, see `process_group`.
    unsafe { libc::kill(-group, libc::SIGKILL) };
    child.wait().unwrap();
}

#[test]
fn a_second_call_downloads_nothing() {
    let setup = Setup::new();
    setup.succeeds(&[]);
    assert_eq!(setup.file(), "torch");
    assert_eq!(setup.succeeds(&[]), "");
    assert_eq!(setup.pip_calls(), 1);
    setup.succeeds(&["--check"]);
}

#[test]
fn a_killed_download_is_mended_by_the_next_call() {
    let setup = Setup::new();
    for _ in 0..2 {
        let mut command = setup.command(&["--gpu", "0", "PIP_BEHAVIOUR=hang"]);
        let child = command.process_group(0).spawn().unwrap();
        wait_for(&setup.path("python/hangs"));
        fs::remove_file(setup.path("python/hangs")).unwrap();
        kill_group(child);
        assert!(!setup.path("libtorch").exists());
    }
    setup.refuses(&["--check"], "it is not there: `make libtorch` fetches it");
    setup.succeeds(&[]);
    assert_eq!(setup.file(), "torch");
    assert!(setup.leaves_nothing_half_done());
}

#[test]
fn a_failed_download_is_one_sentence_and_leaves_the_old_folder() {
    let setup = Setup::new();
    setup.refuses(
        &["PIP_BEHAVIOUR=fail"],
        &format!("pip could not fetch torch {WANTED}"),
    );
    assert!(setup.leaves_nothing_half_done());
    assert!(!setup.path("libtorch").exists());
    setup.succeeds(&[]);
    setup.refuses(&["--gpu", "1", "PIP_BEHAVIOUR=fail"], "pip could not fetch");
    assert_eq!(setup.file(), "torch");
}

#[test]
fn a_damaged_folder_is_fetched_anew() {
    let setup = Setup::new();
    setup.succeeds(&[]);
    setup.write("libtorch/torch/lib/library.so", "tor");
    setup.refuses(
        &["--check"],
        "torch/lib/library.so has 3 bytes instead of 5",
    );
    setup.succeeds(&[]);
    assert_eq!(setup.file(), "torch");
    fs::remove_file(setup.path("libtorch/torch/lib/library.so")).unwrap();
    setup.succeeds(&[]);
    assert_eq!((setup.file().as_str(), setup.pip_calls()), ("torch", 3));
}

#[test]
fn two_calls_at_once_download_once() {
    let setup = Setup::new();
    let start = || {
        setup
            .command(&["--gpu", "0", "PIP_BEHAVIOUR=slow"])
            .spawn()
            .unwrap()
    };
    let calls = [start(), start()];
    assert!(
        calls
            .into_iter()
            .all(|mut call| call.wait().unwrap().success())
    );
    assert_eq!((setup.file().as_str(), setup.pip_calls()), ("torch", 1));
}

#[test]
fn the_cuda_libraries_come_when_asked_for_and_stay() {
    let setup = Setup::new();
    setup.succeeds(&[]);
    setup.succeeds(&["--gpu", "1"]);
    setup.succeeds(&["--gpu", "1"]);
    assert_eq!(setup.pip_calls(), 2);
    setup.write("libtorch/torch/lib/library.so", "");
    setup.succeeds(&["--gpu", "auto"]);
    setup.succeeds(&["--gpu", "1"]);
    assert_eq!(setup.pip_calls(), 3);
}

#[test]
fn another_version_in_the_folder_is_refused() {
    let setup = Setup::new();
    setup.write("libtorch/torch/version.py", "__version__ = '1.9.0+cpu'\n");
    setup.refuses(
        &[],
        &format!("holds 1.9.0+cpu, but rhobust needs {WANTED}: remove it"),
    );
    assert_eq!(setup.pip_calls(), 0);
}

#[test]
fn a_libtorch_of_ones_own_must_fit() {
    let setup = Setup::new();
    let own = format!("LIBTORCH={}", setup.path("own").display());
    setup.refuses(&[&own], "where lib/libtorch_cpu.so is missing");
    for file in [
        "lib/libtorch_cpu.so",
        "lib/libc10.so",
        "include/torch/script.h",
    ] {
        setup.write(&format!("own/{file}"), "");
    }
    setup.refuses(&[&own], "holds a libtorch of unknown version");
    setup.write("own/build-version", "1.9.0+cpu\n");
    setup.refuses(
        &[&own],
        &format!("holds 1.9.0+cpu, but rhobust needs {WANTED}: "),
    );
    setup.write("own/build-version", &format!("{WANTED}+cpu\n"));
    setup.succeeds(&[&own]);
    setup.refuses(&["LIBTORCH="], "LIBTORCH is set, but empty");
    setup.refuses(
        &["LIBTORCH=some/folder"],
        "must be an absolute path, got some/folder",
    );
    assert_eq!(setup.pip_calls(), 0);
}

#[test]
fn a_pytorch_of_ones_own_must_fit() {
    let setup = Setup::new();
    setup.write(
        "python/torch/__init__.py",
        "raise ImportError('never imported')",
    );
    for file in [
        "lib/libtorch_cpu.so",
        "lib/libc10.so",
        "include/torch/script.h",
    ] {
        setup.write(&format!("python/torch/{file}"), "");
    }
    setup.write("python/torch/version.py", "__version__ = '1.9.0+cpu'\n");
    setup.refuses(
        &["LIBTORCH_USE_PYTORCH=1"],
        "holds 1.9.0+cpu, but rhobust needs",
    );
    let version = format!("__version__ = '{WANTED}+cu130'\n");
    setup.write("python/torch/version.py", &version);
    setup.succeeds(&["LIBTORCH_USE_PYTORCH=1"]);
    // torch-sys looks at the variable, not at its value.
    setup.refuses(&["LIBTORCH_USE_PYTORCH=0"], "must be 1 or unset, got `0`");
}

#[test]
fn a_python_without_pip_is_told_what_to_install() {
    let setup = Setup::new();
    fs::remove_dir_all(setup.path("python/pip")).unwrap();
    // -S leaves the system's own packages out, pip among them.
    let mut command = Command::new("python3");
    command
        .args(["-S", SCRIPT, "--folder"])
        .arg(setup.path("libtorch"));
    command
        .env_remove("LIBTORCH")
        .env_remove("LIBTORCH_USE_PYTORCH")
        .env_remove("PYTHONPATH");
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("has no pip to fetch it with: install pip"),
        "{said}"
    );
    assert!(!output.status.success());
}
