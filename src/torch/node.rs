//! Functions whose derivatives we know ourselves, in libtorch's graph.

use super::Tensor;
use super::error::failed;
use super::stop::STOPPED;
use crate::{Error, Result};
use std::ffi::{CStr, CString, c_char, c_void};
use tch::TchError;

type Backward = unsafe extern "C" fn(*const c_void, *const c_void, *mut c_void) -> bool;
type Release = unsafe extern "C" fn(*mut c_void);

unsafe extern "C" {
    fn rhobust_failure() -> *const c_char;
    fn rhobust_set_failure(text: *const c_char);
    fn rhobust_assign(out: *mut c_void, value: *const c_void);
    fn rhobust_is_recorded(x: *const c_void) -> bool;
    fn rhobust_record(
        x: *const c_void,
        y: *const c_void,
        state: *mut c_void,
        backward: Backward,
        release: Release,
    ) -> *mut c_void;
    fn rhobust_pull_back(
        y: *const c_void,
        x: *const c_void,
        gradient: *const c_void,
    ) -> *mut c_void;
}

/// What is kept of a pass for the way back.
pub trait Recorded {
    /// The gradient of what went in, given that of what came out; may be asked for again.
    fn pull_back(&self, gradient: &Tensor) -> Result<Tensor>;
}

type State = Box<dyn Recorded>;

/// What native code gave, or why it gave nothing.
///
/// # Safety
/// `out` must be null after a failure, or a pointer to a tensor that nobody else frees.
pub(super) unsafe fn given_or_failed(
    out: *mut c_void,
    operation: &str,
    tensors: &[&Tensor],
) -> Result<Tensor> {
    if !out.is_null() {
        // SAFETY: as the caller says.
        return Ok(unsafe { Tensor::wrap(tch::Tensor::from_ptr(out as *mut _)) });
    }
    Err(native_failure(operation, tensors))
}

/// Why native code failed last.
pub(super) fn native_failure(operation: &str, tensors: &[&Tensor]) -> Error {
    // SAFETY: the text lives until the next failure on this thread.
    let text = unsafe { CStr::from_ptr(rhobust_failure()) };
    let error = TchError::Torch(text.to_string_lossy().into_owned());
    failed(operation, tensors, &error)
}

pub(super) fn raw(tensor: &Tensor) -> *const c_void {
    tensor.0.as_ptr() as *const c_void
}

unsafe extern "C" fn backward(
    state: *const c_void,
    gradient: *const c_void,
    out: *mut c_void,
) -> bool {
    // SAFETY: libtorch passes what `record` gave it, and tensors that live for the call.
    let (state, gradient) = unsafe {
        let shared = tch::Tensor::clone_from_ptr(gradient as *mut _);
        (&*(state as *const State), Tensor::wrap(shared))
    };
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        super::no_grad(|| state.pull_back(&gradient))
    }));
    let text = match result {
        Ok(Ok(value)) => {
            // SAFETY: both are live.
            unsafe { rhobust_assign(out, raw(&value)) };
            return true;
        }
        Ok(Err(Error::Interrupted)) => STOPPED.to_owned(),
        Ok(Err(error)) => CString::new(error.to_string()).unwrap_or_default(),
        Err(_) => c"a derivative panicked".to_owned(),
    };
    // SAFETY: a text that is copied.
    unsafe { rhobust_set_failure(text.as_ptr()) };
    false
}

unsafe extern "C" fn release(state: *mut c_void) {
    // SAFETY: libtorch releases what `record` gave it, once.
    drop(unsafe { Box::from_raw(state as *mut State) });
}

impl Tensor {
    /// Whether what is computed from this tensor is recorded.
    pub fn is_recorded(&self) -> bool {
        // SAFETY: the pointer is to a live tensor.
        unsafe { rhobust_is_recorded(raw(self)) }
    }

    /// `y` as a function of this tensor whose derivative `pass` knows.
    pub fn record(&self, y: &Tensor, pass: impl Recorded + 'static) -> Result<Tensor> {
        let state: State = Box::new(pass);
        let state = Box::into_raw(Box::new(state)) as *mut c_void;
        // SAFETY: the tensors are live, and the state is released by libtorch alone.
        unsafe {
            let out = rhobust_record(raw(self), raw(y), state, backward, release);
            given_or_failed(out, "forward", &[self])
        }
    }

    /// The gradient of `x`, from which this tensor was computed, given this one's.
    pub fn pull_back(&self, x: &Tensor, gradient: &Tensor) -> Result<Tensor> {
        // SAFETY: the pointers are to live tensors.
        unsafe {
            let out = rhobust_pull_back(raw(self), raw(x), raw(gradient));
            given_or_failed(out, "backward", &[self])
        }
    }
}
