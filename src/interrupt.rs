//! Ctrl-C and limits: one flag, looked at by every long loop.

use crate::{Error, Result};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Whether running loops stop at their next check.
static STOP: AtomicBool = AtomicBool::new(false);

/// Whether a stop was asked for, perhaps to come into force later.
static ASKED: AtomicBool = AtomicBool::new(false);

/// When a stop was first asked for, in milliseconds of a clock that only goes forward.
static FIRST: AtomicI64 = AtomicI64::new(0);

/// So many milliseconds are one wish.
const MOMENT: i64 = 500;

/// How many [`deferred`] pieces of work are under way.
static DEFERRED: AtomicUsize = AtomicUsize::new(0);

/// Whether the program goes on after a stop, as a session does.
static GOES_ON: AtomicBool = AtomicBool::new(false);

/// The limit that a stop was asked for at, if it was one.
static LIMIT: Mutex<Option<String>> = Mutex::new(None);

/// What becomes of the program when a stop was asked for.
pub enum Next {
    /// It ends when the loops that run have stopped, at once in most cases.
    Stop,
    /// It ends when [`deferred`] work has come to its end.
    StopLater,
    /// This is the second time: it ends now.
    EndAtOnce,
    /// What is computed stops, the program goes on.
    GoOn,
}

/// Safe in a signal handler.
fn milliseconds() -> i64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a timespec of ours.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}

/// Asks every running loop to stop at its next check. Safe in a signal handler.
pub fn request() -> Next {
    // `timeout` and terminals may send the same wish twice within a moment.
    let now = milliseconds();
    let first = FIRST.compare_exchange(0, now, Ordering::SeqCst, Ordering::SeqCst);
    let again =
        ASKED.swap(true, Ordering::SeqCst) && first.is_err_and(|first| now > first + MOMENT);
    let later = DEFERRED.load(Ordering::SeqCst) > 0;
    if !later {
        STOP.store(true, Ordering::SeqCst);
    }
    match (GOES_ON.load(Ordering::SeqCst), again) {
        (true, _) => Next::GoOn,
        (false, true) => Next::EndAtOnce,
        (false, false) if later => Next::StopLater,
        (false, false) => Next::Stop,
    }
}

/// Asks every running loop to stop because a limit was reached; `limit` says which.
pub fn stop_at(limit: String) {
    *LIMIT.lock().unwrap_or_else(PoisonError::into_inner) = Some(limit);
    request();
}

/// A stop that was asked for comes into force, whatever is [`deferred`].
pub fn insist() {
    STOP.store(true, Ordering::SeqCst);
}

/// The limit that was reached, where that is why loops stop.
pub fn limit() -> Option<String> {
    LIMIT.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// From now on a stop ends what is being computed, never the program.
pub fn keep_running() {
    GOES_ON.store(true, Ordering::SeqCst);
}

/// Runs `work` to its end before a stop comes into force. A session, whose user waits at the
/// keyboard, does not wait.
pub fn deferred<T>(work: impl FnOnce() -> T) -> T {
    let _guard = Deferral::begin();
    work()
}

/// While there is one, a stop does not come into force.
pub struct Deferral(());

impl Deferral {
    /// None in a session.
    pub fn begin() -> Option<Self> {
        if GOES_ON.load(Ordering::SeqCst) {
            return None;
        }
        DEFERRED.fetch_add(1, Ordering::SeqCst);
        Some(Deferral(()))
    }
}

impl Drop for Deferral {
    fn drop(&mut self) {
        let outermost = DEFERRED.fetch_sub(1, Ordering::SeqCst) == 1;
        if outermost && ASKED.load(Ordering::SeqCst) {
            STOP.store(true, Ordering::SeqCst);
        }
    }
}

/// Whether running loops are to stop.
pub fn requested() -> bool {
    STOP.load(Ordering::Relaxed)
}

/// The flag itself, for code that cannot call [`requested`].
pub fn flag() -> &'static AtomicBool {
    &STOP
}

/// Forgets an earlier request.
pub fn clear() {
    *LIMIT.lock().unwrap_or_else(PoisonError::into_inner) = None;
    ASKED.store(false, Ordering::SeqCst);
    FIRST.store(0, Ordering::SeqCst);
    STOP.store(false, Ordering::SeqCst);
}

/// `Err(Interrupted)` once a stop was asked for.
pub fn check() -> Result<()> {
    if requested() {
        return Err(Error::Interrupted);
    }
    Ok(())
}
