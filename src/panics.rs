//! Panics of readers that are not ours, in files that contradict themselves: errors to whoever
//! calls them, and nothing on the screen.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// What `work` gives; nothing where it panics.
pub fn caught<T>(work: impl FnOnce() -> T) -> Option<T> {
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
    given.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_nothing_and_one_within_another_too() {
        assert_eq!(caught(|| 7), Some(7));
        let inner = || caught(|| panic!("inner")).unwrap_or(1);
        assert_eq!(caught(inner), Some(1));
        assert_eq!(caught(|| -> i32 { panic!("outer") }), None);
        assert!(!EXPECTED.get());
    }
}
