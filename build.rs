//! Lets the program find libtorch at run time without `LD_LIBRARY_PATH`.
//!
//! Nothing here asks for `libtorch_cuda`: it is opened at run time where there is one
//! (`src/torch/cuda.rs`), so one build serves machines with and without a GPU.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let libtorch = std::env::var("DEP_TCH_LIBTORCH_LIB")
        .expect("torch-sys says where libtorch lies: it is a direct dependency");
    println!("cargo:rustc-link-arg=-Wl,-rpath,{libtorch}");
    println!("cargo:rustc-env=RHOBUST_LIBTORCH={libtorch}");
}
