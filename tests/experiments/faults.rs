//! What goes wrong while a run computes, one thing after the other: nothing that was computed is
//! lost, and the message says what to do.
//!
//! `make faults` tries more places and moments than the tests do.

use super::stopping::{
    TRAINING, differing, program, results, resume, run, stderr, stdout, stop_at, succeeds,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rhobust::data::{Cache, Dataset, DatasetOptions, Image, write_png};
use rhobust::files::{File, Folder, Gate, LastingFolder, Right};
use rhobust::ledger::Ledger;
use rhobust::run::Recorded;
use rhobust::run::loops::Checkpoint;
use rhobust::torch::safetensors;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A script in a folder of its own, and what a whole run of it leaves.
struct World {
    folder: TempDir,
    script: PathBuf,
    more: Vec<String>,
    whole: BTreeMap<PathBuf, Vec<u8>>,
    printed: String,
}

impl World {
    fn new(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script.rhai");
        fs::write(&script, TRAINING).unwrap();
        let mut world = World {
            folder,
            script,
            more: more.iter().map(|it| (*it).to_owned()).collect(),
            whole: BTreeMap::new(),
            printed: String::new(),
        };
        let output = world.run("whole");
        succeeds(&output);
        world.whole = results(&world.path("whole"));
        world.printed = stdout(&output);
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn more(&self) -> Vec<&str> {
        self.more.iter().map(String::as_str).collect()
    }

    fn run(&self, out: &str) -> Output {
        run(&self.script, &self.path(out), &self.more())
            .output()
            .unwrap()
    }

    /// A run that stops by an error in step `at`.
    fn stopped(&self, out: &str, at: i64) -> Output {
        let _ = fs::remove_dir_all(self.path(out));
        stop_at(&self.path("none.safetensors"), at);
        let output = self.run(out);
        fs::remove_file(self.path("none.safetensors")).unwrap();
        assert!(stderr(&output).contains("stopped"), "{}", stderr(&output));
        output
    }

    /// Resumes a run, which must end as the whole one did.
    #[track_caller]
    fn ends_alike(&self, out: &str) -> String {
        let output = resume(&self.path(out), &[]).output().unwrap();
        succeeds(&output);
        let differing = differing(&results(&self.path(out)), &self.whole);
        assert!(differing.is_empty(), "{differing:?}");
        stdout(&output)
    }

    fn steps(&self) -> i64 {
        let last = self.printed.lines().last().unwrap();
        last.strip_suffix(" steps").unwrap().parse().unwrap()
    }
}

/// How much is tried: `few` by default, `many` in the long form.
fn tries(few: usize, many: usize) -> usize {
    let long = std::env::var("RHOBUST_FAULTS").is_ok();
    if long { many } else { few }
}

/// In the middle of a step, after an epoch, in the first step and the last.
#[test]
fn an_error_in_any_step_loses_nothing() {
    let world = World::new(&[]);
    let steps = world.steps();
    let every = (steps as usize / tries(7, 1000)).max(1);
    for at in (1..=steps).step_by(every) {
        let output = world.stopped("run", at);
        let errors = stderr(&output);
        for part in [
            "was in ",
            "counted from 0",
            "to go on: rhobust run --resume",
        ] {
            assert!(errors.contains(part) || at == 1, "step {at}: {errors}");
        }
        world.ends_alike("run");
    }
}

/// One bit of each of many places of a checkpoint: it is told, and the one before is used.
#[test]
fn a_damaged_checkpoint_is_told_and_the_one_before_is_used() {
    let world = World::new(&["--checkpoint-every", "2"]);
    world.stopped("run", 9);
    let folder = world.path("run/checkpoints/Adv");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    files.sort();
    let [before, last] = &files[..] else {
        panic!("{files:?}")
    };
    let bytes = fs::read(last).unwrap();
    for at in [0, bytes.len() / 2, bytes.len() - 1] {
        world.stopped("run", 9);
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        fs::write(last, &damaged).unwrap();
        let text = world.ends_alike("run");
        let told = format!(
            "{}: this is no checkpoint, or a damaged one; the one before",
            last.display()
        );
        assert!(text.contains(&told), "{text}");
        assert!(
            text.contains(&format!("Adv: goes on from {}", before.display())),
            "{text}"
        );
    }
    world.stopped("run", 9);
    fs::write(last, &bytes[..bytes.len() / 2]).unwrap();
    fs::write(before, b"").unwrap();
    let text = world.ends_alike("run");
    assert!(
        text.contains("there is none before: it begins anew"),
        "{text}"
    );
}

/// Other parameters are another training.
#[test]
fn checkpoints_of_other_parameters_are_used_only_on_request() {
    let world = World::new(&[]);
    world.stopped("run", 3);
    let other = resume(&world.path("run"), &["--set", "lr=0.01"])
        .output()
        .unwrap();
    succeeds(&other);
    let text = stdout(&other);
    assert!(
        text.contains("Adv: begins anew, its checkpoint has other values of `lr`"),
        "{text}"
    );
    // The other one is not lost.
    let aside = world.path("run/checkpoints.other");
    assert!(fs::read_dir(aside.join("Adv")).unwrap().count() > 0);
    fs::remove_dir_all(aside).unwrap();
    let fresh = run(&world.script, &world.path("fresh"), &["--set", "lr=0.01"]);
    succeeds(&{ fresh }.output().unwrap());
    assert_eq!(
        differing(&results(&world.path("run")), &results(&world.path("fresh"))),
        [""; 0]
    );

    world.stopped("run", 3);
    let accepted = ["--set", "lr=0.01", "--accept-changes"];
    let output = resume(&world.path("run"), &accepted).output().unwrap();
    succeeds(&output);
    assert!(
        stdout(&output).contains("Adv: goes on from"),
        "{}",
        stdout(&output)
    );
    let record = fs::read_to_string(world.path("run/record.json")).unwrap();
    assert!(
        record.contains("with other values of `lr` (0.05 then, 0.01 now)"),
        "{record}"
    );
    // No script gives that.
    let pack = Command::new(env!("CARGO_BIN_EXE_rhobust"))
        .arg("pack")
        .arg(world.path("run"))
        .output()
        .unwrap();
    let refused = stderr(&pack);
    assert!(
        refused.contains("its numbers are of no script"),
        "{refused}"
    );
}

/// A loss that is no number, in several steps: the message has the step and the images, and the
/// checkpoint is from right before it.
#[test]
fn a_loss_that_is_no_number_leaves_a_checkpoint_from_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("nan.rhai");
    let text = r#"
        import "std/train" as train;
        let p = params(#{ bad: 0 });
        let data = dataset("shapes", #{ train: 40, test: 10, seed: 0 });
        let model = sequential([BatchNorm2d(3), AvgPool2d(8), Flatten(), Linear(48, 10)]);
        let seen = #{ steps: 0 };
        train::fit(model, data.train, #{
            name: "m", optimizer: sgd(model, #{ lr: 0.1, momentum: 0.9 }), epochs: 25, batch_size: 20,
            loss: |x, y| {
                let logits = model.forward(if seen.steps == p.bad { x * (0.0 / 0.0) } else { x });
                seen.steps += 1;
                cross_entropy(logits, y)
            },
        });
    "#;
    fs::write(&script, text).unwrap();
    let all = 50;
    for bad in (0..all).step_by(all / tries(3, all)) {
        let (epoch, batch) = (bad / 2, bad % 2);
        let out = folder.path().join(format!("{bad}"));
        let output = run(&script, &out, &["--set", &format!("bad={bad}")])
            .output()
            .unwrap();
        let errors = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        let place = format!("`m` was in epoch {epoch}, batch {batch} (images ");
        let file = format!("m/{epoch:06}_{batch:06}.checkpoint");
        for part in ["`loss` is NaN: training diverged", &place] {
            assert!(errors.contains(part), "{part:?} is not in\n{errors}");
        }
        // Before the first step there is nothing to keep.
        assert_eq!(errors.contains(&file), bad > 0, "{errors}");
        assert_eq!(out.join("checkpoints").join(&file).exists(), bad > 0);
        let record = fs::read_to_string(out.join("record.json")).unwrap();
        assert!(record.contains(&place), "{record}");
    }
}

/// An image that is not there any more, and comes back.
#[test]
fn a_lost_data_file_is_named_and_the_run_goes_on_once_it_is_back() {
    let images = photographs();
    let set = format!("data={}", images.path().display());
    let world = World::new(&["--set", &set]);
    let lost = images.path().join("b/7.png");
    let bytes = fs::read(&lost).unwrap();
    for _ in 0..tries(1, 5) {
        // It goes while the first training is under way.
        let _ = fs::remove_dir_all(world.path("run"));
        stop_at(&world.path("none.safetensors"), -2);
        let mut command = run(&world.script, &world.path("run"), &world.more());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut waiting = [0; 7];
        child
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut waiting)
            .unwrap();
        fs::remove_file(&lost).unwrap();
        let output = child.wait_with_output().unwrap();
        fs::remove_file(world.path("none.safetensors")).unwrap();
        let errors = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        let named = format!("{}: there is no such file or folder", lost.display());
        for part in [
            &named,
            "`Adv` was in epoch ",
            "to go on: rhobust run --resume",
        ] {
            assert!(errors.contains(part), "{part:?} is not in\n{errors}");
        }
        // As long as it is not back, the data set is another one.
        let output = resume(&world.path("run"), &[]).output().unwrap();
        let errors = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains("Put the data back as it was"), "{errors}");
        fs::write(&lost, &bytes).unwrap();
        world.ends_alike("run");
    }
}

/// A folder that takes no files any more, from some checkpoint on.
#[test]
fn a_folder_that_becomes_read_only_is_named() {
    let world = World::new(&["--checkpoint-every", "1"]);
    let parent = world.folder.path();
    fs::set_permissions(parent, fs::Permissions::from_mode(0o777)).unwrap();
    world.stopped("run", 4);
    let folder = world.path("run/checkpoints/Adv");
    let restrict = |mode| fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
    restrict(0o555);
    let mut command = resume(&world.path("run"), &[]);
    if !as_nobody(&mut command, &world.path("run")) {
        restrict(0o755);
        return;
    }
    let output = command.output().unwrap();
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(
        errors.contains("checkpoint: the system refuses access to it"),
        "{errors}"
    );
    assert!(
        errors.contains("to go on: rhobust run --resume"),
        "{errors}"
    );
    restrict(0o755);
    world.ends_alike("run");
}

/// The superuser may write everywhere; so the command gets another user, if it can have one.
fn as_nobody(command: &mut std::process::Command, folder: &Path) -> bool {
    use std::os::unix::fs::{MetadataExt, chown};
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65534;
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return true;
    }
    let mut all = vec![folder.to_owned()];
    while let Some(path) = all.pop() {
        if chown(&path, Some(NOBODY), Some(NOBODY)).is_err() {
            return false;
        }
        if path.is_dir() {
            all.extend(fs::read_dir(path).unwrap().map(|it| it.unwrap().path()));
        }
    }
    command.uid(NOBODY).gid(NOBODY);
    true
}

/// A file system of some hundred kilobytes, if the system lets us have one.
#[test]
fn a_full_disk_is_named_and_the_run_goes_on_once_there_is_room() {
    let world = World::new(&["--checkpoint-every", "3"]);
    let disk = world.path("disk");
    fs::create_dir(&disk).unwrap();
    let program = program();
    let (disk, script) = (disk.display(), world.script.display());
    let kept = world.path("run");
    let sizes = [200, 260, 320, 400, 480, 560, 640, 720, 900, 1100];
    let mut full = 0;
    for size in sizes
        .into_iter()
        .step_by(sizes.len() / tries(2, sizes.len()))
    {
        let _ = fs::remove_dir_all(&kept);
        let text = format!(
            "mount -t tmpfs -o size={size}k none {disk} || exit 99
             '{program}' run {script} --checkpoint-every 3 --out {disk}/run; echo ended with $? >&2
             mount -o remount,size=50m {disk}
             '{program}' run --resume {disk}/run; echo resumed with $? >&2
             cp -r {disk}/run {}",
            kept.display()
        );
        let mut shell = std::process::Command::new("unshare");
        shell
            .args(["-rm", "sh", "-c", &text])
            .env("OMP_NUM_THREADS", "1");
        let output = match shell.output() {
            Ok(output) if !matches!(output.status.code(), Some(1 | 99)) => output,
            // No namespaces or no mounts here.
            _ => return,
        };
        let errors = stderr(&output);
        if errors.contains("ended with 0") {
            continue;
        }
        full += 1;
        assert!(
            errors.contains("there is no space left on the disk; make some"),
            "{errors}"
        );
        assert!(errors.contains("resumed with 0"), "{size} kB: {errors}");
        let differing = differing(&results(&kept), &world.whole);
        assert!(differing.is_empty(), "{size} kB: {differing:?}");
    }
    assert!(full > 0, "the disks were all large enough");
}

/// A second run in the folder of one that goes on.
#[test]
fn two_runs_on_one_folder_do_not_meet() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script.rhai");
    fs::write(&script, "print(\"begun\"); sleep(30);").unwrap();
    let out = folder.path().join("run");
    let mut first = run(&script, &out, &[])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while !fs::metadata(out.join("record.json")).is_ok_and(|it| it.len() > 0) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let second = resume(&out, &[]).output().unwrap();
    let third = run(&script, &out, &[]).output().unwrap();
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(
        stderr(&second).contains("this run is still going on"),
        "{}",
        stderr(&second)
    );
    assert!(
        stderr(&third).contains("must be empty or new"),
        "{}",
        stderr(&third)
    );
}

/// Two classes of twenty images.
fn photographs() -> TempDir {
    let images = tempfile::tempdir().unwrap();
    for class in ["a", "b"] {
        for i in 0..20_u8 {
            let pixel =
                |x: usize, y: usize| [x as u8 * 7, y as u8 * 5, i * 7 + class.as_bytes()[0] / 2];
            let image = Image::from_fn(32, 32, pixel).unwrap();
            let path = images.path().join(class).join(format!("{i}.png"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            write_png(&path, &image).unwrap();
        }
    }
    images
}

/// Reads a file back: what it says, in some words, or that it is damaged.
type Reader<'a> = Box<dyn Fn(&Path) -> Result<String, rhobust::Error> + 'a>;

/// One bit flipped, anywhere in a file that is read back: it is noticed, or what is read is the
/// same.
#[test]
fn a_flipped_bit_never_changes_what_is_read() {
    let world = World::new(&["--checkpoint-every", "5"]);
    let whole = world.path("whole");
    let recorded = Recorded::read(&whole).unwrap();
    let table = |path: &Path| {
        let name = path.file_name().unwrap().to_string_lossy();
        recorded.check_result(&name, &fs::read(path).unwrap())?;
        Ok(String::new())
    };
    let tensors = |path: &Path| {
        let read = safetensors::load(&File::open(path)?)?;
        let each = read
            .iter()
            .map(|(name, it)| Ok((name, it.signature(), it.to_bytes()?)));
        Ok(format!(
            "{:?}",
            each.collect::<Result<Vec<_>, rhobust::Error>>()?
        ))
    };
    let images = photographs();
    let cache = world.path("cache");
    let pixels = |fill: bool| {
        let read_only = Gate::new(|_| Some("the cache lacks something".into()));
        let folder = match fill {
            true => LastingFolder::open(&cache)?,
            false => {
                read_only.allow(Right::Read, &cache)?;
                read_only.lasting(&cache)?
            }
        };
        let images = Folder::open(images.path())?;
        let data = Dataset::open(&images, &DatasetOptions::default(), None)?;
        let data = data.cached(Cache {
            folder: &folder,
            progress: &mut |_, _| {},
        })?;
        let mut seen = blake3::Hasher::new();
        for split in [&data.train, &data.test] {
            for at in 0..split.len() {
                seen.update(split.image(at)?.pixels());
            }
        }
        Ok(seen.finalize().to_hex().to_string())
    };
    pixels(true).unwrap();
    let segment = fs::read_dir(&cache)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let checkpoint = |path: &Path| {
        Checkpoint::decode(&fs::read(path).unwrap()).map(|it| it.position.to_string())
    };
    let ledger =
        |path: &Path| Ledger::read(&File::open(path)?).map(|it| format!("{:?}", it.rows()));
    let record = |_: &Path| Recorded::read(&whole).map(|it| format!("{it:?}"));
    let inside = |name: &str| whole.join(name);
    let files: Vec<(PathBuf, Reader)> = vec![
        (
            inside("checkpoints/Adv/000003.checkpoint"),
            Box::new(checkpoint),
        ),
        (
            inside("checkpoints/free/000002.checkpoint"),
            Box::new(checkpoint),
        ),
        (inside("record.json"), Box::new(record)),
        (inside("metrics.csv"), Box::new(table)),
        (inside("classes.csv"), Box::new(table)),
        (inside("ledger/Adv/clean.parquet"), Box::new(ledger)),
        (inside("adv.safetensors"), Box::new(tensors)),
        (inside("optimizer.safetensors"), Box::new(tensors)),
        (segment, Box::new(|_| pixels(false))),
    ];
    let mut random = ChaCha8Rng::seed_from_u64(0);
    for (path, read) in &files {
        let bytes = fs::read(path).unwrap();
        let before = read(path).unwrap();
        let mut noticed = 0;
        let flips = tries(40, 1112);
        for _ in 0..flips {
            let mut damaged = bytes.clone();
            let (at, bit) = (
                random.random_range(0..bytes.len()),
                random.random_range(0..8),
            );
            damaged[at] ^= 1 << bit;
            fs::write(path, &damaged).unwrap();
            match read(path) {
                Err(_) => noticed += 1,
                Ok(read) => assert_eq!(read, before, "{}: bit {bit} of byte {at}", path.display()),
            }
        }
        fs::write(path, &bytes).unwrap();
        let name = path.file_name().unwrap().display();
        println!(
            "{name}: {flips} flips, {noticed} noticed, {} without effect",
            flips - noticed
        );
    }
}
