//! How much memory there is.

use std::fs;

/// The largest file that is read whole, in bytes: half of what is free, because what is made of
/// the file takes as much again.
pub fn most_of_a_file() -> u64 {
    match available() {
        0 => u64::MAX,
        free => free / 2,
    }
}

/// Bytes of memory that a new program could have now; 0 where unknown.
pub fn available() -> u64 {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    kibibytes(&meminfo, "MemAvailable:").unwrap_or(0)
}

/// The bytes that a line `name 123 kB` says.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number = line.trim().strip_suffix(" kB")?;
    number.parse::<u64>().ok().map(|it| it * 1024)
}
