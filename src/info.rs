//! What this program is built from and what it found on this machine, for `rhobust info`
//! and for run records.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::memory;
use crate::run::Machine;
use crate::torch;
use crate::torch::cuda::{self, Cuda, Driver};
use crate::torch::install;

#[derive(Clone, Debug, Serialize)]
pub struct Info {
    pub rhobust: String,
    pub rhai: String,
    pub tch: String,
    pub libtorch: Libtorch,
    pub cuda: Cuda,
    /// The number of GPUs that libtorch can use.
    pub cuda_devices: usize,
    pub driver: Option<Driver>,
    pub machine: Machine,
    /// The instruction set that libtorch's own kernels use.
    pub kernels: String,
    pub threads: Threads,
    /// In bytes.
    pub available_memory: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct Libtorch {
    /// `None` where its files do not tell.
    pub found: Option<String>,
    pub wanted: String,
    pub libraries: Vec<PathBuf>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Threads {
    /// Threads within one operation.
    pub intra_op: usize,
    /// Operations side by side.
    pub inter_op: usize,
}

/// Those that change how fast a model runs, as Linux spells them.
const INSTRUCTION_SETS: [&str; 4] = ["avx2", "avx512f", "avx512_bf16", "amx_bf16"];

impl Info {
    pub fn gather() -> Self {
        let cuda = cuda::load().clone();
        Info {
            rhobust: env!("CARGO_PKG_VERSION").to_owned(),
            rhai: env!("RHOBUST_RHAI_VERSION").to_owned(),
            tch: install::TCH_VERSION.to_owned(),
            libtorch: Libtorch {
                found: install::version(),
                wanted: install::WANTED_VERSION.to_owned(),
                libraries: install::compute_libraries(),
            },
            cuda,
            cuda_devices: cuda::device_count(),
            driver: cuda::driver(),
            machine: Machine::read(),
            kernels: install::cpu_capability(),
            threads: Threads {
                intra_op: torch::num_threads(),
                inter_op: install::num_interop_threads(),
            },
            available_memory: memory::available(),
        }
    }
}

/// What a run's numbers may depend on, by name.
pub fn versions() -> BTreeMap<String, String> {
    let libtorch = install::version().unwrap_or_else(|| "unknown".to_owned());
    let all = [
        ("rhobust", env!("CARGO_PKG_VERSION")),
        ("rhai", env!("RHOBUST_RHAI_VERSION")),
        ("tch", install::TCH_VERSION),
        ("libtorch", &libtorch),
    ];
    all.map(|(name, version)| (name.to_owned(), version.to_owned()))
        .into()
}

fn gibibytes(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let mut row = |name: &str, value: &dyn fmt::Display| writeln!(f, "{name:<10}{value}");

        row(
            "rhobust",
            &format!("{} (rhai {}, tch {})", self.rhobust, self.rhai, self.tch),
        )?;
        row("libtorch", &self.libtorch.summary())?;
        for library in &self.libtorch.libraries {
            row("", &library.display())?;
        }
        row("CUDA", &self.cuda)?;
        match &self.driver {
            Some(driver) => row("", &format!("the driver serves CUDA up to {}", driver.cuda))?,
            None if matches!(self.cuda, Cuda::Loaded(_)) => row("", &"no GPU answers")?,
            None => {}
        }
        for (index, device) in self.devices().iter().enumerate() {
            row(if index == 0 { "devices" } else { "" }, device)?;
        }
        let machine = &self.machine;
        let cpu = match machine.cpu.as_str() {
            "" => "of unknown model",
            cpu => cpu,
        };
        row("CPU", &cpu)?;
        row("", &self.instruction_sets())?;
        let Threads { intra_op, inter_op } = self.threads;
        row("cores", &machine.cores)?;
        row(
            "threads",
            &format!("{intra_op} in an operation, {inter_op} operations side by side"),
        )?;
        let (total, available) = (machine.memory_bytes, self.available_memory);
        row(
            "memory",
            &format!("{}, {} available", gibibytes(total), gibibytes(available)),
        )
    }
}

impl Info {
    /// The devices that a script may name, `cpu` first.
    fn devices(&self) -> Vec<String> {
        let gpus = self.driver.iter().flat_map(|driver| &driver.gpus);
        let gpus = gpus.take(self.cuda_devices).enumerate();
        let gpus = gpus.map(|(i, it)| format!("cuda:{i}  {}, {}", it.name, gibibytes(it.memory)));
        std::iter::once("cpu".to_owned()).chain(gpus).collect()
    }
}

impl Libtorch {
    fn summary(&self) -> String {
        let wanted = &self.wanted;
        match &self.found {
            Some(found) if found.split('+').next() == Some(wanted) => found.clone(),
            Some(found) => format!("{found}, but {wanted} is wanted"),
            None => format!("of unknown version; {wanted} is wanted"),
        }
    }
}

impl Info {
    fn instruction_sets(&self) -> String {
        let (has, lacks): (Vec<&str>, Vec<&str>) = INSTRUCTION_SETS
            .into_iter()
            .partition(|set| self.machine.instruction_sets.iter().any(|it| it == set));
        let list = |sets: Vec<&str>| {
            if sets.is_empty() {
                "none".to_owned()
            } else {
                sets.join(", ")
            }
        };
        let (has, lacks) = (list(has), list(lacks));
        format!(
            "has {has}; lacks {lacks}; libtorch's kernels use {}",
            self.kernels
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_described() {
        let info = Info::gather();
        let text = info.to_string();
        for word in [
            "rhobust",
            "libtorch_cpu.so",
            "CUDA",
            "devices   cpu",
            "threads",
            "memory",
        ] {
            assert!(text.contains(word), "{word} is not in\n{text}");
        }
        assert!(info.threads.intra_op >= 1 && info.machine.memory_bytes > info.available_memory);
        assert!(serde_json::to_string(&info).is_ok());
    }

    #[test]
    fn a_libtorch_of_another_version_is_named() {
        let mut libtorch = Info::gather().libtorch;
        libtorch.found = Some("1.0.0+cpu".to_owned());
        let expected = format!("1.0.0+cpu, but {} is wanted", libtorch.wanted);
        assert_eq!(libtorch.summary(), expected);
    }

    #[test]
    fn a_gpu_is_listed_with_its_memory() {
        let mut info = Info::gather();
        let gpu = |name: &str| cuda::Gpu {
            name: name.to_owned(),
            memory: 80 << 30,
            capability: (9, 0),
        };
        info.driver = Some(Driver {
            cuda: "13.0".to_owned(),
            gpus: vec![gpu("Card A"), gpu("Card B")],
        });
        info.cuda_devices = 2;
        let expected = [
            "cpu",
            "cuda:0  Card A, 80.0 GiB",
            "cuda:1  Card B, 80.0 GiB",
        ];
        assert_eq!(info.devices(), expected);
    }
}
