//! The machine that a run happened on, as far as its system tells.

use serde::{Deserialize, Serialize};
use std::fs;
use std::thread;

/// What decides how fast a run is and which kernels compute it. Empty or 0 where unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Those of the processor's that change how fast a model runs, as Linux spells them.
    pub instruction_sets: Vec<String>,
    pub memory_bytes: u64,
    pub os: String,
}

const INSTRUCTION_SETS: [&str; 12] = [
    "avx",
    "fma",
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_tile",
    "amx_bf16",
    "asimd",
    "bf16",
    "sve",
];

impl Machine {
    /// Reads what Linux shows under `/proc` and `/etc`; elsewhere most of it stays unknown.
    pub fn read() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let mut machine = Machine::parse(&read("/proc/cpuinfo"), &read("/proc/meminfo"));
        machine.cores = thread::available_parallelism().map_or(0, usize::from);
        machine.os = os(
            &read("/etc/os-release"),
            &read("/proc/sys/kernel/osrelease"),
        );
        machine
    }

    fn parse(cpuinfo: &str, meminfo: &str) -> Self {
        // x86 says "flags", ARM "Features", and names its cores by number only.
        let flags = field(cpuinfo, "flags").or_else(|| field(cpuinfo, "Features"));
        let flags: Vec<&str> = flags.unwrap_or_default().split(' ').collect();
        let offered = INSTRUCTION_SETS.iter().filter(|it| flags.contains(it));
        Machine {
            cpu: field(cpuinfo, "model name").unwrap_or_default().to_owned(),
            instruction_sets: offered.map(|it| (*it).to_owned()).collect(),
            memory_bytes: bytes(meminfo, "MemTotal"),
            ..Machine::default()
        }
    }
}

fn bytes(meminfo: &str, name: &str) -> u64 {
    let kibibytes = field(meminfo, name).and_then(|text| text.strip_suffix(" kB"));
    let kibibytes = kibibytes.and_then(|text| text.parse::<u64>().ok());
    kibibytes.map_or(0, |kibibytes| kibibytes * 1024)
}

/// The first value of `name: value`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then_some(value.trim())
    })
}

fn os(os_release: &str, kernel: &str) -> String {
    let pretty = os_release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map(|name| name.trim_matches('"'));
    let system = pretty.unwrap_or(std::env::consts::OS);
    match kernel.trim() {
        "" => format!("{system}, {}", std::env::consts::ARCH),
        kernel => format!("{system}, kernel {kernel}, {}", std::env::consts::ARCH),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const X86: &str = "processor\t: 0\nmodel name\t: Some(R) CPU @ 2.00GHz\n\
        flags\t\t: fpu avx avx2 fma avx512_bf16\n\nprocessor\t: 1\nmodel name\t: Other\n";
    const ARM: &str = "processor\t: 0\nFeatures\t: fp asimd bf16\n";

    #[test]
    fn reads_both_kinds_of_cpuinfo() {
        let x86 = Machine::parse(X86, "MemTotal:       24000 kB\nMemFree: 1 kB\n");
        assert_eq!(x86.cpu, "Some(R) CPU @ 2.00GHz");
        assert_eq!(x86.instruction_sets, ["avx", "fma", "avx2", "avx512_bf16"]);
        assert_eq!(x86.memory_bytes, 24_576_000);
        assert_eq!(Machine::parse(ARM, "").instruction_sets, ["asimd", "bf16"]);
    }

    #[test]
    fn an_unknown_system_is_no_error() {
        assert_eq!(Machine::parse("", "MemTotal: many"), Machine::default());
        assert!(os("", "").starts_with(std::env::consts::OS));
        let debian = os("ID=debian\nPRETTY_NAME=\"Debian 12\"\n", "6.1.0\n");
        assert!(debian.starts_with("Debian 12, kernel 6.1.0, "));
    }

    #[test]
    fn this_machine_has_cores() {
        assert!(Machine::read().cores >= 1);
    }
}
