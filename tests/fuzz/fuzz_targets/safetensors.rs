#![no_main]
//! Weight files.

use libfuzzer_sys::fuzz_target;
use rhobust::torch::safetensors;

fuzz_target!(|data: &[u8]| {
    if let Ok(tensors) = safetensors::from_bytes(data) {
        safetensors::to_bytes(&tensors).expect("what was read can be written");
    }
});
