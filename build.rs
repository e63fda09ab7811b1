//! Lets the program find libtorch at run time without `LD_LIBRARY_PATH`, and compiles the
//! script library in.
//!
//! Nothing here asks for `libtorch_cuda`: it is opened at run time where there is one
//! (`src/torch/cuda.rs`), so one build serves machines with and without a GPU.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let libtorch = std::env::var("DEP_TCH_LIBTORCH_LIB")
        .expect("torch-sys says where libtorch lies: it is a direct dependency");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{libtorch}");
    println!("cargo:rustc-env=RHOBUST_LIBTORCH={libtorch}");
    write_stdlib_table();
}

/// A table of `("std/<name>", text)` for every `stdlib/<name>.rhai`, sorted by name.
fn write_stdlib_table() {
    println!("cargo:rerun-if-changed=stdlib");
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
