#![no_main]
//! `inputs.csv`, the list of what a run read.

use libfuzzer_sys::fuzz_target;
use rhobust::run::Inputs;

fuzz_target!(|data: &[u8]| {
    let _ = Inputs::decode(data);
});
