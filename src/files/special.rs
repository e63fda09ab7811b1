//! Devices, pipes, sockets and what the kernel shows as files are no data.

use std::io;
use std::os::fd::AsRawFd;

/// File systems whose files are made up by the kernel when they are read.
const OF_THE_KERNEL: [libc::c_long; 11] = [
    libc::PROC_SUPER_MAGIC,
    libc::SYSFS_MAGIC,
    libc::CGROUP_SUPER_MAGIC,
    libc::CGROUP2_SUPER_MAGIC,
    libc::DEBUGFS_MAGIC,
    libc::TRACEFS_MAGIC,
    libc::SECURITYFS_MAGIC,
    libc::SELINUX_MAGIC,
    libc::SMACK_MAGIC,
    libc::BPF_FS_MAGIC,
    libc::DEVPTS_SUPER_MAGIC,
];

/// Whether what was opened is something else than a file or a folder, as `is_data` says, of a
/// file system that keeps things.
pub(super) fn is_special(handle: &impl AsRawFd, is_data: bool) -> io::Result<bool> {
    if !is_data {
        return Ok(true);
    }
    // SAFETY: the handle is open, and the call fills plain data of this frame.
    let system = unsafe {
        let mut about: libc::statfs = std::mem::zeroed();
        if libc::fstatfs(handle.as_raw_fd(), &mut about) != 0 {
            return Err(io::Error::last_os_error());
        }
        about.f_type
    };
    Ok(OF_THE_KERNEL.contains(&system))
}
