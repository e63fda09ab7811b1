//! Panics of libraries at what they did not expect, such as files that contradict themselves: errors
//! to whoever calls them, and nothing on the screen.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;
use std::thread;

thread_local! {
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// What `work` gives, or what it panics with.
pub fn caught<T>(work: impl FnOnce() -> T) -> thread::Result<T> {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = take_hook();
        set_hook(Box::new(move |info| {
            if !EXPECTED.get() {
                loud(info);
            }
        }));
    });
    let before = EXPECTED.replace(true);
    let given = catch_unwind(AssertUnwindSafe(work));
    EXPECTED.set(before);
    given
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_nothing_and_one_within_another_too() {
        assert_eq!(caught(|| 7).unwrap(), 7);
        let inner = || caught(|| panic!("inner")).unwrap_or(1);
        assert_eq!(caught(inner).unwrap(), 1);
        assert!(caught(|| panic!("outer")).is_err());
        assert!(!EXPECTED.get());
    }
}
