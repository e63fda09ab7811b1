//! How many images passed through models, forward and backward, on this thread.

use std::cell::Cell;

/// Passes in images: a batch of 64 counts 64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passes {
    pub forward: u64,
    /// Those of the forward passes that were recorded and then differentiated.
    pub backward: u64,
}

thread_local! {
    static DONE: Cell<Passes> = const { Cell::new(Passes { forward: 0, backward: 0 }) };
    /// Images of recorded forward passes that no backward pass went through yet.
    static OPEN: Cell<u64> = const { Cell::new(0) };
}

/// All passes of this thread so far.
pub fn passes() -> Passes {
    DONE.get()
}

/// Counts a forward pass; `recorded` where it can be differentiated.
pub fn count_forward(images: i64, recorded: bool) {
    let images = u64::try_from(images).unwrap_or(0);
    let mut done = DONE.get();
    done.forward += images;
    DONE.set(done);
    if recorded {
        OPEN.set(OPEN.get() + images);
    }
}

/// Counts a backward pass, through all that was recorded since the last one: the loss does not
/// tell what it was computed from. Where losses of several passes are differentiated in another
/// order than they were computed in, the sum is right all the same.
pub(super) fn count_backward() {
    let mut done = DONE.get();
    done.backward += OPEN.replace(0);
    DONE.set(done);
}

/// What was recorded so far and not differentiated never will be.
pub fn forget_recorded() {
    OPEN.set(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backward_pass_goes_through_what_was_recorded() {
        let before = passes();
        let since = || {
            let now = passes();
            (now.forward - before.forward, now.backward - before.backward)
        };
        count_forward(8, false);
        count_backward();
        assert_eq!(since(), (8, 0));
        count_forward(8, true);
        count_forward(4, true);
        count_backward();
        count_backward();
        assert_eq!(since(), (20, 12));
        count_forward(5, true);
        forget_recorded();
        count_backward();
        assert_eq!(since(), (25, 12));
    }
}
