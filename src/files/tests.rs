//! Nothing outside of what is allowed is opened, whatever names are exchanged meanwhile.

use super::*;
use crate::Result;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use tempfile::TempDir;

/// A training must not be lost because nobody made a folder for its weights.
#[test]
fn folders_on_the_way_to_a_file_are_made() {
    let world = World::new();
    let write = |name: &str| {
        let path = world.path(name);
        let target = world.gate.target(Path::new(name), &path, "out")?;
        target.write(b"new")
    };
    write("out/best/last/a.txt").unwrap();
    assert_eq!(fs::read(world.path("out/best/last/a.txt")).unwrap(), b"new");
    assert!(write("secret/best/a.txt").is_err());
    assert!(!world.path("secret/best").exists());
}

/// What lies behind links in a folder is what was read of that folder.
#[test]
fn what_links_lead_to_is_in_the_list_of_what_was_read() {
    let world = World::new();
    world
        .gate
        .allow(Right::Read, &world.path("secret"))
        .unwrap();
    world.gate.keep_contents();
    let (out, within) = (world.path("open/data/out"), world.path("open/data/in.txt"));
    symlink(world.path("secret/data"), &out).unwrap();
    symlink(world.path("open/data/a.txt"), &within).unwrap();
    let folder = world.folder("open/data");
    folder.file("out/a.txt").unwrap().text(100).unwrap();
    folder.stamp("in.txt").unwrap();
    let contents = world.gate.contents(true);
    let hash = |text: &str| blake3::hash(text.as_bytes());
    let read = |path: &Path| contents.get(path).map(|it| it.hash);
    assert_eq!(read(&out.join("a.txt")), Some(hash("secret")));
    assert_eq!(read(&within), Some(hash("open")));
}

/// `open/` may be read and `out/` written; `secret/` neither.
struct World {
    _temp: TempDir,
    root: PathBuf,
    gate: Gate,
}

impl World {
    fn new() -> World {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().canonicalize().unwrap();
        for folder in ["open/data", "out", "secret/data"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for folder in ["open", "open/data", "secret", "secret/data"] {
            let content = if folder.starts_with("open") {
                "open"
            } else {
                "secret"
            };
            fs::write(root.join(folder).join("a.txt"), content).unwrap();
        }
        let gate = Gate::new(|_| Some("no".into()));
        gate.allow(Right::Read, &root.join("open")).unwrap();
        gate.allow(Right::Write, &root.join("out")).unwrap();
        World {
            _temp: temp,
            root,
            gate,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn file(&self, name: &str) -> Result<File> {
        self.gate.file(Path::new(name), &[self.path(name)])
    }

    fn folder(&self, name: &str) -> Folder {
        self.gate
            .folder(Path::new(name), &[self.path(name)])
            .unwrap()
    }

    fn text(&self, name: &str) -> String {
        let read = self.file(name).and_then(|file| file.text(100));
        read.unwrap_or_else(|error| error.to_string())
    }
}

#[test]
fn a_link_is_followed_to_where_it_really_leads() {
    let world = World::new();
    for (link, target) in [
        ("open/inside", "a.txt"),
        ("open/outside", "../secret/a.txt"),
        ("open/data/deep", "../inside"),
        ("open/out", "../out"),
        ("open/loop", "loop"),
    ] {
        symlink(target, world.path(link)).unwrap();
    }
    symlink(world.path("secret"), world.path("open/folder")).unwrap();
    assert_eq!(world.text("open/inside"), "open");
    assert_eq!(world.text("open/data/deep"), "open");
    for outside in [
        "open/outside",
        "open/folder/a.txt",
        "open/data/../../secret/a.txt",
    ] {
        assert!(
            world.text(outside).ends_with("may not read this; no"),
            "{outside}"
        );
    }
    assert!(world.text("open/loop").contains("there is no such file"));
    fs::write(world.path("out/b.txt"), "written").unwrap();
    // What may be written may be read.
    assert_eq!(world.text("open/out/b.txt"), "written");
}

#[test]
fn what_may_not_be_read_is_not_told_to_be_missing() {
    let world = World::new();
    symlink("../secret/nothing", world.path("open/dangling")).unwrap();
    for hidden in ["secret/a.txt", "secret/b.txt", "open/../secret/new/b.txt"] {
        let told = world.text(hidden);
        assert_eq!(told, format!("{hidden}: the script may not read this; no"));
    }
    for missing in ["open/b.txt", "open/new/b.txt", "open/dangling"] {
        let told = world.text(missing);
        assert_eq!(told, format!("{missing}: there is no such file or folder"));
    }
    // One of several places may be read, another not.
    let places = |name: &str| ["open", "secret"].map(|it| world.path(it).join(name));
    for name in ["c.txt", "data/../../secret/c.txt"] {
        let told = || {
            let refused = world.gate.file(Path::new(name), &places(name));
            refused.unwrap_err().to_string()
        };
        let missing = told();
        fs::write(world.path("secret/c.txt"), "secret").unwrap();
        assert_eq!(told(), missing);
        fs::remove_file(world.path("secret/c.txt")).unwrap();
    }
    let expected = world.path("secret/b.txt");
    world.gate.allow_expected(&expected).unwrap();
    assert!(world.text("secret/b.txt").contains("no such file"));
    fs::write(expected, "come").unwrap();
    assert_eq!(world.text("secret/b.txt"), "come");
    assert!(world.text("secret/a.txt").contains("may not read"));
}

#[test]
fn what_may_not_be_written_is_not_told_of() {
    let world = World::new();
    symlink("nothing", world.path("secret/dangling")).unwrap();
    symlink("a.txt", world.path("secret/link")).unwrap();
    for name in ["new", "dangling", "link", "data/../b", "nothing/../b"] {
        let path = world.path("secret").join(name);
        let target = world.gate.target(Path::new(name), &path, "out");
        let told = target.unwrap_err().to_string();
        assert_eq!(
            told,
            format!("{name}: the script may write only into out; no")
        );
        let told = world.gate.lasting(&path).unwrap_err().to_string();
        let shown = path.display();
        assert_eq!(told, format!("{shown}: the script may not write here; no"));
    }
    // Of what may be written it is told everything.
    symlink("nothing", world.path("out/dangling")).unwrap();
    let path = world.path("out/dangling");
    let told = world.gate.target(Path::new("x"), &path, "out").unwrap_err();
    assert_eq!(told.to_string(), "x: this is a link that leads nowhere");
    // Folders are made by what is written, not by the wish.
    let target = world
        .gate
        .target(Path::new("y"), &world.path("out/new/y"), "out");
    let target = target.unwrap();
    assert!(!world.path("out/new").exists());
    target.write(b"y").unwrap();
    assert_eq!(fs::read(world.path("out/new/y")).unwrap(), b"y");
}

#[test]
fn links_in_a_folder_lead_to_what_may_be_read_and_nowhere_else() {
    let world = World::new();
    symlink(world.path("secret/a.txt"), world.path("open/data/b.txt")).unwrap();
    let folder = world.folder("open/data");
    let refused = |error: crate::Error| error.to_string();
    let leads = format!(
        "open/data/b.txt: this leads to {}",
        world.path("secret/a.txt").display()
    );
    for error in [
        folder.file("b.txt").err(),
        folder.kind("b.txt").err(),
        folder.stamp("b.txt").err(),
        folder.entries("").err(),
    ] {
        let error = error.map(refused).expect("all of them are refused");
        assert!(error.starts_with(&leads), "{error}");
    }
    assert!(
        folder
            .file("../a.txt")
            .is_ok_and(|it| it.text(9).unwrap() == "open")
    );
    assert!(folder.file("../../secret/a.txt").is_err());
    world
        .gate
        .allow(Right::Read, &world.path("secret"))
        .unwrap();
    assert_eq!(folder.file("b.txt").unwrap().text(9).unwrap(), "secret");
    assert_eq!(folder.entries("").unwrap().len(), 2);
    assert_eq!(folder.kind("none").unwrap(), None);
}

/// While another thread exchanges a folder for a link to a secret one, again and again.
#[test]
fn a_link_that_is_exchanged_leads_to_an_error_and_never_out() {
    let world = World::new();
    fs::create_dir(world.path("out/a")).unwrap();
    fs::write(world.path("out/a/a.txt"), "open").unwrap();
    let folder = world.folder("out");
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let (real, kept) = (world.path("out/a"), world.path("out/kept"));
            while !ended.load(Ordering::Relaxed) {
                fs::rename(&real, &kept).unwrap();
                if symlink(world.path("secret"), &real).is_ok() {
                    fs::remove_file(&real).unwrap();
                }
                // Whoever writes makes the folder that is missing for a moment.
                while fs::rename(&kept, &real).is_err() {
                    let _ = fs::remove_dir_all(&real);
                }
            }
        });
        let (mut good, mut bad) = (0, 0);
        for turn in 0..4000 {
            let read = [world.file("out/a/a.txt"), folder.file("a/a.txt")];
            for file in read {
                match file.and_then(|file| file.text(100)) {
                    Ok(text) => {
                        assert_eq!(text, "open");
                        good += 1;
                    }
                    Err(_) => bad += 1,
                }
            }
            let target = world
                .gate
                .target(Path::new("a/b.txt"), &world.path("out/a/b.txt"), "out");
            let written = target.and_then(|it| it.write(b"written"));
            if turn > 100 && good > 100 && bad > 100 && written.is_ok() {
                break;
            }
        }
        ended.store(true, Ordering::Relaxed);
        assert!(good > 0, "the folder was there now and then");
    });
    let mut names: Vec<_> = fs::read_dir(world.path("secret"))
        .unwrap()
        .map(|it| it.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["a.txt", "data"]);
}

#[test]
fn what_is_no_file_is_refused_without_waiting_for_it() {
    let world = World::new();
    let pipe = std::ffi::CString::new(world.path("open/pipe").display().to_string()).unwrap();
    // SAFETY: the path is a text that ends.
    assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
    let _socket = std::os::unix::net::UnixListener::bind(world.path("open/socket")).unwrap();
    let folder = world.folder("open");
    for name in ["pipe", "socket"] {
        let whole = world.text(&format!("open/{name}"));
        let inner = folder.file(name).unwrap_err().to_string();
        let kind = folder.kind(name).unwrap_err().to_string();
        for error in [whole, inner, kind] {
            assert!(
                error.ends_with("must be an ordinary file or folder"),
                "{error}"
            );
        }
    }
    world.gate.allow(Right::Read, Path::new("/")).unwrap();
    for path in [
        "/dev/zero",
        "/proc/self/environ",
        "/proc/self/root/etc/passwd",
    ] {
        let file = world.gate.file(Path::new(path), &[path.into()]);
        let allowed = path.ends_with("passwd");
        assert_eq!(file.is_ok(), allowed, "{path}");
    }
    let proc = world.gate.folder(Path::new("/proc"), &["/proc".into()]);
    assert!(
        proc.unwrap_err()
            .to_string()
            .ends_with("an ordinary file or folder")
    );
}

#[test]
fn a_file_has_a_size_that_was_looked_at_first() {
    let world = World::new();
    let file = fs::File::create(world.path("open/large")).unwrap();
    file.set_len(1 << 40).unwrap();
    let error = world
        .file("open/large")
        .unwrap()
        .read(LARGEST_TEXT)
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("may have 268435456 bytes, this one has 1099511627776")
    );
    let error = world.file("open").unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("a file is needed here, this is a folder")
    );
}

#[test]
fn what_was_opened_is_known_afterwards() {
    let world = World::new();
    world.text("open/a.txt");
    world.text("open/a.txt");
    world.text("secret/a.txt");
    world.folder("open/data");
    let target = world
        .gate
        .target(Path::new("b.txt"), &world.path("out/b.txt"), "out");
    target.unwrap().write(b"123").unwrap();
    let what: Vec<_> = world
        .gate
        .accesses()
        .into_iter()
        .map(|it| (it.right, it.real, it.what))
        .collect();
    assert_eq!(
        what,
        [
            (
                Right::Read,
                world.path("open/a.txt"),
                What::File { bytes: 4 }
            ),
            (Right::Read, world.path("open/data"), What::Folder),
            (
                Right::Write,
                world.path("out/b.txt"),
                What::File { bytes: 3 }
            ),
        ]
    );
}

#[test]
fn a_person_who_is_asked_can_allow_it() {
    let world = World::new();
    let gate = Gate::new(|refusal| match refusal.real {
        Some(real) if real.ends_with("secret/a.txt") => None,
        _ => Some("no".into()),
    });
    let open = |name: &str| gate.file(Path::new(name), &[world.path(name)]);
    assert!(open("secret/a.txt").is_ok() && open("secret/data/a.txt").is_err());
    // Nobody is asked for what is not there.
    assert!(open("missing/secret/a.txt").is_err());
    assert_eq!(gate.granted(), [(Right::Read, world.path("secret/a.txt"))]);
}

/// What is read in full is told with its hash; what is refused for its size is not read later.
#[test]
fn only_what_was_read_is_told() {
    let world = World::new();
    let huge = world.path("open/huge.txt");
    std::fs::File::create(&huge)
        .unwrap()
        .set_len(1 << 42)
        .unwrap();
    world.gate.keep_contents();
    let open = |name: &str| {
        let path = world.path(name);
        world.gate.file(&path, std::slice::from_ref(&path)).unwrap()
    };
    assert_eq!(open("open/a.txt").read(9).unwrap(), b"open");
    assert!(open("open/huge.txt").read(9).is_err());
    let told = world.gate.contents(true);
    let told: Vec<_> = told
        .iter()
        .map(|(path, it)| (path.clone(), it.hash))
        .collect();
    assert_eq!(told, [(world.path("open/a.txt"), blake3::hash(b"open"))]);
    // Of which only parts were read.
    open("open/data/a.txt").parts();
    assert_eq!(world.gate.contents(false).len(), 1);
    assert_eq!(world.gate.contents(true).len(), 2);
}
