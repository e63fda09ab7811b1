//! Passes of networks in lower precision: libtorch's autocast, which converts what goes into
//! convolutions and matrix products. Weights stay what they are, and so do their gradients.

use super::{Device, Precision};
use std::cell::Cell;

unsafe extern "C" {
    fn rhobust_set_autocast(cuda: bool, on: bool) -> bool;
}

thread_local! {
    static PRECISION: Cell<Precision> = const { Cell::new(Precision::Float32) };
    static AUTOCAST: Cell<bool> = const { Cell::new(false) };
}

/// Whether [`autocast`] is under way on this thread.
pub fn is_autocast() -> bool {
    AUTOCAST.get()
}

/// What [`with_precision`] set last on this thread.
pub fn precision() -> Precision {
    PRECISION.get()
}

/// Runs `f`, in which the networks of this thread compute in `precision`.
pub fn with_precision<T>(precision: Precision, f: impl FnOnce() -> T) -> T {
    struct Before(Precision);
    impl Drop for Before {
        fn drop(&mut self) {
            PRECISION.set(self.0);
        }
    }
    let _before = Before(PRECISION.replace(precision));
    f()
}

/// Runs `f`, whose convolutions and matrix products on `device` take bfloat16.
pub fn autocast<T>(device: Device, f: impl FnOnce() -> T) -> T {
    struct Before {
        cuda: bool,
        on: bool,
    }
    impl Drop for Before {
        fn drop(&mut self) {
            // SAFETY: only sets a state of this thread.
            unsafe { rhobust_set_autocast(self.cuda, self.on) };
            AUTOCAST.set(self.on);
        }
    }
    let cuda = device != Device::Cpu;
    // SAFETY: as above.
    let on = unsafe { rhobust_set_autocast(cuda, true) };
    let _before = Before { cuda, on };
    AUTOCAST.set(true);
    f()
}
