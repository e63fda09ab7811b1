//! The libtorch that this process runs on.

use std::ffi::CStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::version;

/// The release that rhobust is built for.
pub const WANTED_VERSION: &str = env!("RHOBUST_LIBTORCH_VERSION");

/// The version of tch, the crate between.
pub const TCH_VERSION: &str = env!("RHOBUST_TCH_VERSION");

unsafe extern "C" {
    fn rhobust_cpu_capability() -> *const libc::c_char;
}

/// Every shared library of this process, where the system found it.
pub fn libraries() -> Vec<PathBuf> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut paths: Vec<PathBuf> = maps
        .lines()
        .filter_map(|line| Some(PathBuf::from(&line[line.find('/')?..])))
        .filter(|path| file_name(path).contains(".so"))
        .collect();
    paths.sort();
    paths.dedup();
    paths
}

/// The libraries that compute: libtorch's own and those of CUDA and OpenMP.
pub fn compute_libraries() -> Vec<PathBuf> {
    const PREFIXES: [&str; 6] = ["libtorch", "libc10", "libcu", "libnv", "libnccl", "libgomp"];
    let computes = |path: &PathBuf| PREFIXES.iter().any(|it| file_name(path).starts_with(it));
    libraries().into_iter().filter(computes).collect()
}

/// The folder of the loaded `libtorch_cpu.so`, wherever the system found it.
pub fn library_folder() -> Option<PathBuf> {
    let mut libraries = libraries().into_iter();
    let library = libraries.find(|path| file_name(path) == "libtorch_cpu.so")?;
    Some(library.parent()?.to_owned())
}

/// The version of the loaded libtorch, where the files around it tell.
pub fn version() -> Option<String> {
    version::installed(library_folder()?.parent()?)
}

/// The instruction set that libtorch's own kernels use: `DEFAULT`, `AVX2` or `AVX512`.
/// The variable `ATEN_CPU_CAPABILITY` lowers it.
pub fn cpu_capability() -> String {
    // SAFETY: a text that ends with 0 and lives as long as the process.
    let capability = unsafe { CStr::from_ptr(rhobust_cpu_capability()) };
    capability.to_string_lossy().into_owned()
}

/// Threads for operations that run side by side.
pub fn num_interop_threads() -> usize {
    usize::try_from(tch::get_num_interop_threads()).unwrap_or(1)
}

fn file_name(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_runs_on_the_wanted_libtorch() {
        let found = version().expect("the wheel and the archive both tell");
        assert_eq!(found.split('+').next(), Some(WANTED_VERSION));
        let folder = library_folder().expect("libtorch_cpu is linked");
        assert!(compute_libraries().contains(&folder.join("libtorch_cpu.so")));
    }

    #[test]
    fn libtorch_names_its_instruction_set() {
        let known = ["DEFAULT", "AVX2", "AVX512", "NEON", "SVE256", "NO AVX"];
        let capability = cpu_capability();
        assert!(known.contains(&capability.as_str()), "{capability}");
    }
}
