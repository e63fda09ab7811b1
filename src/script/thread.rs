//! Scripts run on a thread with a large stack, and nothing they do ends in a crash.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Enough for everything within the engine's limits in a debug build. The system lends pages
/// only as they are touched.
const STACK: usize = 512 << 20;

thread_local! {
    /// Where the last panic of this thread happened, and what it said.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `work` on a thread of its own.
///
/// A panic, which is always a mistake of ours, becomes `Err` with a message that asks for a
/// report. Values nested so deeply that freeing them overflows even this stack (closures
/// around closures, a million times) end the process with a message and exit code 1.
pub fn with_large_stack<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    quiet_panics();
    let body = move || {
        guard::watch_this_stack();
        catch_unwind(AssertUnwindSafe(work)).map_err(|payload| apology(payload.as_ref()))
    };
    let thread = std::thread::Builder::new()
        .name("script".into())
        .stack_size(STACK)
        .spawn(body)
        .map_err(|error| format!("the script's thread cannot start: {error}"))?;
    thread
        .join()
        .unwrap_or_else(|payload| Err(apology(payload.as_ref())))
}

/// Panics of scripts are told once, by `apology`.
fn quiet_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if std::thread::current().name() != Some("script") {
                return loud(info);
            }
            let at = info
                .location()
                .map(|at| format!(" ({}:{})", at.file(), at.line()));
            PANIC.with(|slot| *slot.borrow_mut() = at);
        }));
    });
}

fn apology(payload: &(dyn Any + Send)) -> String {
    let said = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    let at = PANIC
        .with(|slot| slot.borrow_mut().take())
        .unwrap_or_default();
    format!("internal error, please report it with the script: {said}{at}")
}

/// The last line of defence: a handler for the page below the script's stack.
mod guard {
    use super::{AtomicUsize, Ordering};

    /// The addresses that only an overflowing script stack touches.
    static LOW: AtomicUsize = AtomicUsize::new(0);
    static HIGH: AtomicUsize = AtomicUsize::new(0);
    /// How far beyond the end a single frame may reach.
    const MARGIN: usize = 1 << 20;

    const MESSAGE: &[u8] =
        b"error: the script nests values or calls deeper than the memory for that\n";

    pub fn watch_this_stack() {
        // SAFETY: the calls fill plain data of this frame; the handler they install uses only
        // atomics and async-signal-safe calls, on the alternate stack that Rust's runtime
        // gives every thread it starts.
        unsafe {
            let mut attributes: libc::pthread_attr_t = std::mem::zeroed();
            let mut base = std::ptr::null_mut();
            let mut size = 0;
            if libc::pthread_getattr_np(libc::pthread_self(), &mut attributes) != 0 {
                return;
            }
            libc::pthread_attr_getstack(&attributes, &mut base, &mut size);
            libc::pthread_attr_destroy(&mut attributes);
            LOW.store((base as usize).saturating_sub(MARGIN), Ordering::SeqCst);
            HIGH.store(base as usize + MARGIN, Ordering::SeqCst);
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_fault as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigaction(libc::SIGSEGV, &action, std::ptr::null_mut());
        }
    }

    extern "C" fn on_fault(signal: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
        // SAFETY: the system passes a valid `info`; only async-signal-safe calls follow.
        unsafe {
            let at = (*info).si_addr() as usize;
            if (LOW.load(Ordering::SeqCst)..HIGH.load(Ordering::SeqCst)).contains(&at) {
                libc::write(2, MESSAGE.as_ptr().cast(), MESSAGE.len());
                libc::_exit(1);
            }
            // Some other fault: the system's own handling, on return to the same instruction.
            libc::signal(signal, libc::SIG_DFL);
        }
    }
}
