//! Lets the program find libtorch at run time without `LD_LIBRARY_PATH`, refuses one of
//! the wrong version, tells the program the versions it was built from, and compiles the
//! script library in.
//!
//! Nothing here asks for `libtorch_cuda`: it is opened at run time where there is one
//! (`src/torch/cuda.rs`), so one build serves machines with and without a GPU.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

#[path = "src/torch/version.rs"]
mod version;

const NATIVE: &[&str] = &[
    "src/torch/memory.cpp",
    "src/torch/native.cpp",
    "src/torch/node.cpp",
    "src/torch/packed.cpp",
    "src/torch/steps.cpp",
    "src/torch/training.cpp",
];

fn main() {
    for file in [
        "build.rs",
        "Cargo.lock",
        "setup/libtorch.txt",
        "src/torch/guarded.h",
    ]
    .iter()
    .chain(NATIVE)
    {
        println!("cargo::rerun-if-changed={file}");
    }
    let libtorch = PathBuf::from(
        env::var_os("DEP_TCH_LIBTORCH_LIB")
            .expect("torch-sys says where libtorch lies: it is a direct dependency"),
    );
    check_version(&libtorch);
    set_run_path(&libtorch);
    name_versions();
    write_stdlib_table();
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        // Fused operations give the bits of libtorch's separate ones.
        .flag("-ffp-contract=off")
        // libtorch's own headers are not ours to mend.
        .flag("-isystem")
        .flag(libtorch.parent().unwrap_or(&libtorch).join("include"))
        // g++ 12 sees one where libtorch's headers are inlined.
        .flag_if_supported("-Wno-stringop-overflow")
        .files(NATIVE)
        .compile("rhobust_native");
}

/// `make` refuses a wrong version before anything is compiled; a plain `cargo build` comes
/// here once torch-sys has compiled, and a program that links may still fail in odd ways.
fn check_version(libtorch: &Path) {
    let wanted = wanted_libtorch();
    println!("cargo::rustc-env=RHOBUST_LIBTORCH_VERSION={wanted}");
    let found = libtorch.parent().and_then(version::installed);
    if let Some(found) = found
        && found.split('+').next() != Some(&wanted)
    {
        println!(
            "cargo::error={} holds libtorch {found}, but rhobust needs {wanted}: \
             let LIBTORCH name another one, or unset it and run `make`",
            libtorch.display()
        );
    }
}

/// The version pinned in `setup/libtorch.txt`.
fn wanted_libtorch() -> String {
    let pins = fs::read_to_string("setup/libtorch.txt").expect("setup/libtorch.txt is there");
    let torch = pins.lines().find_map(|line| line.strip_prefix("torch=="));
    torch.expect("setup/libtorch.txt pins torch").to_owned()
}

/// The folder of the library, and, where that is in the project's folder, its place
/// relative to the program, so that the project can be moved with what was built in it.
fn set_run_path(libtorch: &Path) {
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", libtorch.display());
    let project = env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    // OUT_DIR is target/PROFILE/build/rhobust-HASH/out; the program lies in target/PROFILE,
    // the tests in target/PROFILE/deps.
    let (Ok(libtorch), Some(Ok(profile))) = (
        libtorch.strip_prefix(&project),
        out.ancestors()
            .nth(3)
            .map(|folder| folder.strip_prefix(&project)),
    ) else {
        return;
    };
    for depth in [
        profile.components().count(),
        profile.components().count() + 1,
    ] {
        let up = "/..".repeat(depth);
        println!(
            "cargo::rustc-link-arg=-Wl,-rpath,$ORIGIN{up}/{}",
            libtorch.display()
        );
    }
}

/// The versions of the crates that a run's result may depend on.
fn name_versions() {
    let lock = fs::read_to_string("Cargo.lock").expect("Cargo.lock is part of the project");
    for crate_name in ["rhai", "tch"] {
        let entry = format!("name = \"{crate_name}\"\nversion = \"");
        let version = lock
            .split_once(&entry)
            .and_then(|(_, rest)| rest.split('"').next())
            .expect("Cargo.lock names the crate");
        let variable = crate_name.to_uppercase();
        println!("cargo::rustc-env=RHOBUST_{variable}_VERSION={version}");
    }
}

/// A table of `("std/<name>", text)` for every `stdlib/<name>.rhai`, sorted by name.
fn write_stdlib_table() {
    println!("cargo::rerun-if-changed=stdlib");
    let root = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let folder = Path::new(&root).join("stdlib");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.expect("a folder that opens can be listed").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "rhai")
        })
        .collect();
    files.sort();
    let mut table = String::from("const STDLIB: &[(&str, &str)] = &[\n");
    for file in files {
        let name = file
            .file_stem()
            .expect("it has an extension")
            .to_string_lossy();
        table += &format!("    (\"std/{name}\", include_str!({file:?})),\n");
    }
    table += "];\n";
    let out = std::env::var("OUT_DIR").expect("cargo sets it");
    std::fs::write(Path::new(&out).join("stdlib.rs"), table).expect("OUT_DIR can be written");
}
