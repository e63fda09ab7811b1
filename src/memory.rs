//! How much memory there is, and how much of it this process has and may have.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The bytes that the process may have.
static LIMIT: AtomicU64 = AtomicU64::new(u64::MAX);

/// From now on the process may have so many bytes; how many are left for tensors. Files that are
/// read and the watch over a script keep to it, too.
pub fn set_limit(bytes: u64) -> u64 {
    /// What the program itself takes, before there are tensors.
    static OWN: OnceLock<u64> = OnceLock::new();
    LIMIT.store(bytes, Ordering::Relaxed);
    bytes.saturating_sub(*OWN.get_or_init(resident))
}

pub fn limit() -> u64 {
    LIMIT.load(Ordering::Relaxed)
}

/// The largest file that is read whole, in bytes: half of what is free, because what is made of
/// the file takes as much again.
pub fn most_of_a_file() -> u64 {
    let free = match available() {
        0 => u64::MAX,
        free => free,
    };
    free.min(limit().saturating_sub(resident())) / 2
}

/// The limit that a run has where the user names none: nine tenths of the memory that is free when
/// it begins, or of what its container may have if that is less. `u64::MAX` where that is unknown.
pub fn usual_limit() -> u64 {
    let free = match available() {
        0 => u64::MAX,
        free => free.saturating_add(resident()),
    };
    match free.min(of_container().unwrap_or(u64::MAX)) {
        u64::MAX => u64::MAX,
        bytes => bytes / 10 * 9,
    }
}

/// Bytes of memory that a new program could have now; 0 where unknown.
pub fn available() -> u64 {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    kibibytes(&meminfo, "MemAvailable:").unwrap_or(0)
}

/// The bytes of this process that are in memory; 0 where unknown.
pub fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|it| it.parse::<u64>().ok());
    // SAFETY: the call only asks.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    pages.unwrap_or(0) * u64::try_from(page).unwrap_or(0)
}

/// Gives freed memory back to the system, which the allocator keeps for a next time.
pub fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the call only tidies up behind the allocator's own locks.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// What the control group of this process, or one around it, is limited to.
fn of_container() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"));
    let of_v1 = groups.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (kinds, path) = rest.split_once(':')?;
        kinds.split(',').any(|it| it == "memory").then_some(path)
    });
    let mut files = limit_files("/sys/fs/cgroup", own, "memory.max");
    files.extend(limit_files(
        "/sys/fs/cgroup/memory",
        of_v1,
        "memory.limit_in_bytes",
    ));
    let limits = files.iter().filter_map(|file| {
        let text = fs::read_to_string(file).ok()?;
        text.trim().parse().ok()
    });
    limits.min()
}

/// The files that limit the group `own` and all around it, up to the root: the limit of a Slurm job
/// stands some groups above its processes.
fn limit_files(root: &str, own: Option<&str>, name: &str) -> Vec<PathBuf> {
    let own = Path::new(own.unwrap_or_default().trim_start_matches('/'));
    let groups = own.ancestors();
    groups
        .map(|it| Path::new(root).join(it).join(name))
        .collect()
}

/// The bytes that a line `name 123 kB` says.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number = line.trim().strip_suffix(" kB")?;
    number.parse::<u64>().ok().map(|it| it * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_around_ones_own_are_looked_at() {
        let files = limit_files("/sys", Some("/job_7/step_0/user"), "memory.max");
        let files: Vec<_> = files.iter().map(|it| it.to_string_lossy()).collect();
        assert_eq!(
            files,
            [
                "/sys/job_7/step_0/user/memory.max",
                "/sys/job_7/step_0/memory.max",
                "/sys/job_7/memory.max",
                "/sys/memory.max"
            ]
        );
        let files = limit_files("/sys", None, "memory.max");
        assert_eq!(files, [Path::new("/sys/memory.max")]);
    }

    #[test]
    fn what_linux_tells_is_read() {
        let meminfo = "MemTotal:       24669420 kB\nMemFree:         6000000 kB\n";
        assert_eq!(kibibytes(meminfo, "MemTotal:"), Some(24_669_420 * 1024));
        assert_eq!(kibibytes(meminfo, "MemAvailable:"), None);
        // This process has its code in memory, and less than all of it.
        assert!((1 << 20..usual_limit()).contains(&resident()));
    }
}
