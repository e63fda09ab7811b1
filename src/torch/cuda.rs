//! CUDA, found at run time.
//!
//! The program is linked with `libtorch_cpu` and `libc10` alone. Opening `libtorch_cuda.so`
//! registers the CUDA backend, so the same program runs with and without a GPU.

use std::env;
use std::ffi::{CStr, OsStr};
use std::fmt;
use std::mem;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::OnceLock;

use libc::{c_char, c_int, c_uint};
use libloading::Library;
use libloading::os::unix::{Library as UnixLibrary, RTLD_GLOBAL, RTLD_NOW};
use serde::Serialize;

use super::install;
use crate::Error;

unsafe extern "C" {
    fn rhobust_set_cuda_modes(tf32: bool, benchmark: bool, deterministic: bool);
}

/// The driver's library; it comes with the driver and only with it.
const DRIVER: &str = "libcuda.so.1";

/// Whether this process has a CUDA backend.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cuda {
    /// The library that brought it.
    Loaded(PathBuf),
    /// Why not, in one sentence.
    Unavailable(String),
}

/// A GPU as its driver describes it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gpu {
    pub name: String,
    /// Bytes of its memory.
    pub memory: u64,
    /// Its compute capability, major and minor: 9 and 0 for an H100.
    pub capability: (u32, u32),
}

/// The NVIDIA driver and its GPUs, those that `CUDA_VISIBLE_DEVICES` hides left out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Driver {
    /// The newest CUDA version that it can serve, as `13.0`.
    pub cuda: String,
    pub gpus: Vec<Gpu>,
}

/// Loads the CUDA backend, where there is one; later calls repeat the first one's answer.
///
/// To be called before libtorch computes or is asked about devices: it remembers which
/// backends it met at the first seed, the first backward pass and the first such question.
pub fn load() -> &'static Cuda {
    static CUDA: OnceLock<Cuda> = OnceLock::new();
    CUDA.get_or_init(|| {
        let visible = env::var_os("CUDA_VISIBLE_DEVICES");
        match open(
            DRIVER,
            visible.as_deref(),
            install::library_folder().as_deref(),
        ) {
            Ok(library) => Cuda::Loaded(library),
            Err(reason) => Cuda::Unavailable(reason),
        }
    })
}

/// The number of GPUs that libtorch can use.
pub fn device_count() -> usize {
    match load() {
        Cuda::Loaded(_) => usize::try_from(tch::Cuda::device_count()).unwrap_or(0),
        Cuda::Unavailable(_) => 0,
    }
}

/// What a GPU may do besides what is exact: said by the user, none of it by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// float32 convolutions and products on tensor cores, with ten bits of their mantissas.
    Tf32,
    /// cuDNN tries out its algorithms for each new shape.
    Benchmark,
    /// Only algorithms that give the same bits each time; what has none is an error that names it.
    Deterministic,
}

impl FromStr for Mode {
    type Err = Error;

    fn from_str(text: &str) -> crate::Result<Self> {
        Ok(match text {
            "tf32" => Mode::Tf32,
            "benchmark" => Mode::Benchmark,
            "deterministic" => Mode::Deterministic,
            other => bail!("it must be tf32, benchmark or deterministic, got {other:?}"),
        })
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Mode::Tf32 => "tf32",
            Mode::Benchmark => "benchmark",
            Mode::Deterministic => "deterministic",
        })
    }
}

/// From now on GPUs work in these modes, and in no others.
///
/// # Errors
/// `Invalid` for deterministic together with one that is not.
pub fn set_modes(modes: &[Mode]) -> crate::Result<()> {
    let [tf32, benchmark, deterministic] =
        [Mode::Tf32, Mode::Benchmark, Mode::Deterministic].map(|mode| modes.contains(&mode));
    ensure!(
        !deterministic || !(tf32 || benchmark),
        "--cuda deterministic goes with neither tf32 nor benchmark: both change bits from run to run"
    );
    if let Cuda::Loaded(_) = load() {
        // SAFETY: sets options of libtorch.
        unsafe { rhobust_set_cuda_modes(tf32, benchmark, deterministic) };
    }
    Ok(())
}

/// Waits until the GPUs have done all that they were given.
pub fn synchronize() {
    for index in 0..device_count() {
        tch::Cuda::synchronize(index as i64);
    }
}

/// What the driver says of itself; `None` without one, or when it does not answer.
pub fn driver() -> Option<Driver> {
    // SAFETY: the declarations are those of cuda.h; `ask` passes buffers of the right size.
    unsafe { ask(&Library::new(DRIVER).ok()?) }
}

impl fmt::Display for Cuda {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Cuda::Loaded(library) => write!(f, "loaded from {}", library.display()),
            Cuda::Unavailable(reason) => write!(f, "not available: {reason}"),
        }
    }
}

/// Opens `libtorch_cuda.so` in `folder`, after the questions that cost next to nothing.
fn open(driver: &str, visible: Option<&OsStr>, folder: Option<&Path>) -> Result<PathBuf, String> {
    // SAFETY: loading runs the initialisers of NVIDIA's library and nothing else.
    if let Err(error) = unsafe { Library::new(driver) } {
        let device = ["/dev/nvidia0", "/dev/dxg"]
            .into_iter()
            .find(|it| Path::new(it).exists());
        return Err(match device {
            Some(device) => format!(
                "there is {device}, but the NVIDIA driver's {driver} does not load: {error}"
            ),
            None => format!("there is no NVIDIA driver ({driver} was not found)"),
        });
    }
    // CUDA reads the list up to the first entry that is not a device.
    let visible = visible.and_then(OsStr::to_str);
    if visible.is_some_and(|list| list.is_empty() || list.starts_with('-')) {
        return Err("CUDA_VISIBLE_DEVICES hides all GPUs".to_owned());
    }
    let folder = folder.ok_or("libtorch is not a shared library here")?;
    let library = folder.join("libtorch_cuda.so");
    if !library.exists() {
        return Err(format!(
            "{} is missing: this libtorch serves the CPU only",
            library.display()
        ));
    }
    // SAFETY: it belongs to the libtorch that is loaded already; its initialisers register
    // the backend. It stays for good, as what it registered does.
    match unsafe { UnixLibrary::open(Some(&library), RTLD_NOW | RTLD_GLOBAL) } {
        Ok(handle) => {
            mem::forget(handle);
            Ok(library)
        }
        Err(error) => Err(format!(
            "{} does not load: {error} (`make libtorch GPU=1` fetches the CUDA libraries)",
            library.display()
        )),
    }
}

/// Asks the driver for its version and GPUs; `None` when any answer is an error.
unsafe fn ask(driver: &Library) -> Option<Driver> {
    type Init = unsafe extern "C" fn(c_uint) -> c_int;
    type Number = unsafe extern "C" fn(*mut c_int) -> c_int;
    type Handle = unsafe extern "C" fn(*mut c_int, c_int) -> c_int;
    type Name = unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int;
    type Memory = unsafe extern "C" fn(*mut usize, c_int) -> c_int;
    type Attribute = unsafe extern "C" fn(*mut c_int, c_int, c_int) -> c_int;
    /// `CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR` and `_MINOR`.
    const CAPABILITY: [c_int; 2] = [75, 76];

    let succeeds = |status: c_int| (status == 0).then_some(());
    unsafe {
        let (mut version, mut count) = (0, 0);
        succeeds(driver.get::<Number>(b"cuDriverGetVersion\0").ok()?(
            &mut version,
        ))?;
        succeeds(driver.get::<Init>(b"cuInit\0").ok()?(0))?;
        succeeds(driver.get::<Number>(b"cuDeviceGetCount\0").ok()?(
            &mut count,
        ))?;
        let handle_of = driver.get::<Handle>(b"cuDeviceGet\0").ok()?;
        let name_of = driver.get::<Name>(b"cuDeviceGetName\0").ok()?;
        let memory_of = driver.get::<Memory>(b"cuDeviceTotalMem_v2\0").ok()?;
        let attribute_of = driver.get::<Attribute>(b"cuDeviceGetAttribute\0").ok()?;

        let mut gpus = Vec::new();
        for index in 0..count {
            let (mut handle, mut name, mut memory) = (0, [0; 256], 0);
            succeeds(handle_of(&mut handle, index))?;
            succeeds(name_of(name.as_mut_ptr(), 256, handle))?;
            succeeds(memory_of(&mut memory, handle))?;
            let mut capability = [0; 2];
            for (value, attribute) in capability.iter_mut().zip(CAPABILITY) {
                succeeds(attribute_of(value, attribute, handle))?;
            }
            name[255] = 0;
            let name = CStr::from_ptr(name.as_ptr()).to_string_lossy().into_owned();
            gpus.push(Gpu {
                name,
                memory: memory as u64,
                capability: (capability[0].unsigned_abs(), capability[1].unsigned_abs()),
            });
        }
        let cuda = format!("{}.{}", version / 1000, version % 1000 / 10);
        Some(Driver { cuda, gpus })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    // Stands for a driver that is there: every process has it.
    const SOME_LIBRARY: &str = "libc.so.6";

    #[test]
    fn a_deterministic_gpu_is_nothing_else() {
        let modes = |words: &str| -> crate::Result<()> {
            let modes = words
                .split(' ')
                .map(str::parse)
                .collect::<crate::Result<Vec<Mode>>>()?;
            set_modes(&modes)
        };
        assert!(modes("tf32 benchmark").is_ok() && modes("deterministic").is_ok());
        assert!(modes("deterministic tf32").is_err() && modes("exact").is_err());
        assert!(set_modes(&[]).is_ok());
    }

    #[test]
    fn without_a_driver_nothing_is_opened() {
        let reason = open("libcuda.so.none", None, None).unwrap_err();
        assert!(reason.contains("driver"), "{reason}");
        assert!(reason.contains("libcuda.so.none"), "{reason}");
    }

    #[test]
    fn hidden_gpus_are_named_as_the_reason() {
        for list in ["", "-1"] {
            let reason = open(SOME_LIBRARY, Some(list.as_ref()), None).unwrap_err();
            assert_eq!(reason, "CUDA_VISIBLE_DEVICES hides all GPUs");
        }
    }

    #[test]
    fn a_libtorch_for_the_cpu_is_named_as_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let reason = open(SOME_LIBRARY, Some("0".as_ref()), Some(folder.path())).unwrap_err();
        assert!(
            reason.ends_with("is missing: this libtorch serves the CPU only"),
            "{reason}"
        );
    }

    #[test]
    fn a_library_that_does_not_load_is_a_reason_and_no_crash() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("libtorch_cuda.so"), "no library").unwrap();
        let reason = open(SOME_LIBRARY, None, Some(folder.path())).unwrap_err();
        assert!(
            reason.contains("libtorch_cuda.so does not load: "),
            "{reason}"
        );
        assert!(reason.contains("make libtorch GPU=1"), "{reason}");
    }

    #[test]
    fn the_answer_is_the_same_each_time() {
        assert!(std::ptr::eq(load(), load()));
    }

    /// A driver of our own, for machines without one.
    #[test]
    fn the_driver_describes_its_gpus() {
        let folder = tempfile::tempdir().unwrap();
        let (source, library) = (
            folder.path().join("cuda.c"),
            folder.path().join("libcuda.so"),
        );
        fs::write(
            &source,
            r#"
            #include <stdio.h>
            int cuInit(unsigned flags) { return flags; }
            int cuDriverGetVersion(int *version) { *version = 12080; return 0; }
            int cuDeviceGetCount(int *count) { *count = 2; return 0; }
            int cuDeviceGet(int *device, int index) { *device = 7 + index; return 0; }
            int cuDeviceGetName(char *name, int length, int device) {
                return snprintf(name, length, "Card %d", device) < 0;
            }
            int cuDeviceTotalMem_v2(size_t *bytes, int device) {
                *bytes = (size_t)device << 30;
                return 0;
            }
            int cuDeviceGetAttribute(int *value, int attribute, int device) {
                *value = attribute == 75 ? device + 1 : attribute - 76;
                return 0;
            }
            "#,
        )
        .unwrap();
        let mut compiler = Command::new("cc");
        compiler
            .args(["-shared", "-fPIC", "-o"])
            .arg(&library)
            .arg(&source);
        assert!(compiler.status().unwrap().success());
        let gpu = |index: u64| Gpu {
            name: format!("Card {index}"),
            memory: index << 30,
            capability: (index as u32 + 1, 0),
        };
        // SAFETY: the library above keeps to cuda.h.
        let driver = unsafe { ask(&Library::new(&library).unwrap()) };
        let expected = Driver {
            cuda: "12.8".to_owned(),
            gpus: vec![gpu(7), gpu(8)],
        };
        assert_eq!(driver, Some(expected));
    }
}
