//! Ctrl-C and SIGTERM.

use super::output::INTERRUPTED;
use crate::interrupt;

/// The first Ctrl-C asks running loops to stop; a second one ends the program at once, unless
/// it is a session.
pub(super) fn interrupt_on_ctrl_c() {
    const STOPPING: &[u8] = b"\nstopping after this step; a second Ctrl-C ends at once\n";
    extern "C" fn on_signal(_: i32) {
        // SAFETY: `_exit` and `write` are async-signal-safe, and the text is a static.
        unsafe {
            match interrupt::request() {
                interrupt::Next::StopLater => {
                    libc::write(
                        libc::STDERR_FILENO,
                        STOPPING.as_ptr().cast(),
                        STOPPING.len(),
                    );
                }
                interrupt::Next::EndAtOnce => libc::_exit(INTERRUPTED),
                interrupt::Next::Stop | interrupt::Next::GoOn => {}
            }
        }
    }
    // SAFETY: the handler uses atomic flags and async-signal-safe functions only.
    unsafe {
        let handler = on_signal as *const () as libc::sighandler_t;
        libc::signal(libc::SIGINT, handler);
        libc::signal(libc::SIGTERM, handler);
    }
}

/// A session, which Ctrl-C does not end, ends when the system asks for it.
pub(super) fn end_on_sigterm() {
    // SAFETY: this restores what the system does by default.
    unsafe { libc::signal(libc::SIGTERM, libc::SIG_DFL) };
}
