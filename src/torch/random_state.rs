//! Where libtorch's generator stands, to go back to.

use super::Tensor;
use std::ffi::c_void;

unsafe extern "C" {
    fn rhobust_generator_state() -> *mut c_void;
    fn rhobust_set_generator_state(state: *const c_void) -> bool;
}

/// The state of the CPU's generator. That of a GPU is not kept.
pub struct RandomState(Option<Tensor>);

impl RandomState {
    pub fn now() -> Self {
        // SAFETY: the tensor is ours to free, which tch does.
        let state = unsafe {
            let state = rhobust_generator_state();
            (!state.is_null()).then(|| Tensor::wrap(tch::Tensor::from_ptr(state as *mut _)))
        };
        RandomState(state)
    }

    /// The next draws are those that followed [`RandomState::now`].
    pub fn restore(&self) {
        if let Some(state) = &self.0 {
            // SAFETY: the pointer is to a live tensor of bytes that the generator made.
            unsafe { rhobust_set_generator_state(state.0.as_ptr() as *const c_void) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RandomState;
    use crate::torch::{Like, generator, rand};

    #[test]
    fn draws_repeat_from_a_state() {
        let _guard = generator();
        let draw = || rand(&[5], Like::default()).unwrap().to_vec_f64().unwrap();
        let state = RandomState::now();
        let first = draw();
        assert_ne!(draw(), first);
        state.restore();
        assert_eq!(draw(), first);
    }
}
