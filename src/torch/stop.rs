//! Ctrl-C within libtorch: backward passes fail at the next layer, huge products are computed
//! in parts, long sorts are left behind.

use super::{Device, Tensor, cat};
use crate::{Result, interrupt};
use std::ffi::{CStr, c_char, c_void};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// What a backward pass that was stopped says.
pub(super) const STOPPED: &CStr = c"rhobust: stopped on request";

/// Multiplications that a processor does in a fraction of a second.
const SOON: f64 = 5e9;

unsafe extern "C" {
    fn rhobust_stop_backward(
        tensor: *const c_void,
        stop: *const AtomicBool,
        message: *const c_char,
    ) -> bool;
}

impl Tensor {
    /// The same tensor; a backward pass that comes to it ends with `Interrupted` once a stop was
    /// asked for.
    pub(super) fn stoppable(self) -> Result<Tensor> {
        interrupt::check()?;
        if self.requires_grad() {
            // SAFETY: the pointers are to a live tensor and to statics.
            unsafe {
                let tensor = self.0.as_ptr() as *const c_void;
                rhobust_stop_backward(tensor, interrupt::flag(), STOPPED.as_ptr());
            }
        }
        Ok(self)
    }

    /// What `work` makes of this tensor. Where that takes long on a processor, it runs on a thread
    /// that is left to itself once a stop is asked for. For work that draws and records nothing.
    pub(super) fn abandonable<T: Send + 'static>(
        &self,
        work: impl FnOnce(&tch::Tensor) -> T + Send + 'static,
    ) -> Result<T> {
        /// Entries that are sorted in a fraction of a second.
        const SOON: usize = 1 << 21;
        if self.numel() < SOON || self.requires_grad() || self.device() != Device::Cpu {
            return Ok(work(&self.0));
        }
        let x = self.0.shallow_clone();
        let (done, result) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            // Nobody listens any more where the work was left behind.
            let _ = done.send(work(&x));
        });
        loop {
            interrupt::check()?;
            match result.recv_timeout(Duration::from_millis(20)) {
                Ok(result) => return Ok(result),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let ended = if thread.join().is_err() {
                        "panicked"
                    } else {
                        "ended"
                    };
                    bail!("the computation {ended} without a result");
                }
            }
        }
    }

    /// The matrix product, by groups of rows where it takes long on a processor.
    pub(super) fn matmul_in_parts(&self, other: &Tensor) -> Result<Option<Tensor>> {
        let (&[n, k], &[inner, m]) = (self.shape().as_slice(), other.shape().as_slice()) else {
            return Ok(None);
        };
        let size = n as f64 * k as f64 * m as f64;
        if inner != k || size < 2.0 * SOON || n < 2 || self.device() != Device::Cpu {
            return Ok(None);
        }
        let rows = ((n as f64 * SOON / size) as i64).clamp(1, n);
        let mut parts = Vec::new();
        for start in (0..n).step_by(rows as usize) {
            interrupt::check()?;
            let part = self.narrow(0, start, rows.min(n - start))?;
            parts.push(part.product(other)?);
        }
        cat(&parts, 0).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use crate::torch::{Like, generator, rand};

    #[test]
    fn a_huge_product_is_the_same_in_parts() {
        let _guard = generator();
        let x = rand(&[5000, 1500], Like::default()).unwrap();
        let w = rand(&[1500, 1400], Like::default()).unwrap();
        let parts = x.matmul(&w).unwrap();
        assert!(x.matmul_in_parts(&w).unwrap().is_some());
        // One order of sums or another: 1,500 products of float32.
        assert!(parts.all_close(&x.product(&w).unwrap(), 1e-5, 0.0).unwrap());
    }
}
