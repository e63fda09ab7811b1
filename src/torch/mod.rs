//! A thin layer over libtorch, and the only place that names the tch crate.
//!
//! One [`Tensor`] of our own: it clones by sharing, returns `Result` everywhere (tch's
//! fallible calls only) and turns libtorch's errors into one sentence with the shapes.

mod autocast;
pub mod autograd;
mod create;
pub mod cuda;
mod device;
mod display;
mod dtype;
mod error;
mod fractions;
mod functional;
mod fused;
mod index;
pub mod install;
mod math;
mod node;
mod owned;
mod packed;
mod passes;
mod precision;
mod random_state;
mod reduce;
pub mod safetensors;
mod sgd;
mod shape;
mod steps;
mod stop;
mod tensor;
mod version;

pub use autocast::{autocast, is_autocast, precision, with_precision};
pub use autograd::{GradState, NoGrad, no_grad, with_grad};
pub use create::{Like, arange, cat, eye, full, linspace, ones, rand, randint, randn, randperm};
pub use create::{stack, zeros};
pub use device::Device;
pub use dtype::Dtype;
pub use functional::{BatchNorm, Conv2d, DivergenceReduction, Reduction};
pub use index::Index;
pub use node::Recorded;
pub use packed::{Packed, PackedLinear, PackedTransposed};
pub use passes::{Passes, count_forward, forget_recorded, passes};
pub use precision::Precision;
pub use random_state::RandomState;
pub use sgd::{SgdRates, sgd_step};
pub use tensor::{Operand, Scalar, Stamp, Tensor};

use std::{env, thread};

/// Seeds libtorch's generators, on the CPU and on every GPU.
pub fn manual_seed(seed: u64) {
    // libtorch never meets a backend that comes after its first seed.
    cuda::load();
    // The bits are kept: libtorch reads them as unsigned again.
    tch::manual_seed(seed as i64);
}

/// Has the allocator keep the memory of large tensors for the next ones: by default glibc
/// gives it back to the system, and every new tensor is paid for in page faults.
pub fn keep_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `mallopt` only sets parameters of the allocator.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 30);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
    }
}

/// From now on tensors on the CPU may hold so many bytes in all; an operation that needs more
/// fails with `OutOfMemory` before it takes them.
pub fn bound_memory(bytes: u64) {
    unsafe extern "C" {
        fn rhobust_bound_memory(bytes: u64);
    }
    // SAFETY: the function stores a number and sets an allocator that is never freed.
    unsafe { rhobust_bound_memory(bytes) };
}

/// Threads that one operation may use.
pub fn num_threads() -> usize {
    usize::try_from(tch::get_num_threads()).unwrap_or(1)
}

/// From now on an operation may use so many threads. Without a wish that is one for each core that
/// this process may use: libtorch counts the machine's, whatever share of them a container has.
pub fn use_threads(wanted: Option<usize>) {
    let said = || ["OMP_NUM_THREADS", "MKL_NUM_THREADS"].map(env::var_os);
    let threads = wanted.or_else(|| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let fewer = cores < num_threads() && said().iter().all(Option::is_none);
        fewer.then_some(cores)
    });
    if let Some(threads) = threads {
        tch::set_num_threads(i32::try_from(threads).unwrap_or(i32::MAX));
    }
}

/// libtorch has one generator for the process: a unit test that draws holds this.
#[cfg(test)]
pub(crate) fn generator() -> std::sync::MutexGuard<'static, ()> {
    static GENERATOR: std::sync::Mutex<()> = std::sync::Mutex::new(());
    GENERATOR
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
