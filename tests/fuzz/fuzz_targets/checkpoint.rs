#![no_main]
//! What a checkpoint holds, behind its hash.

use libfuzzer_sys::fuzz_target;
use rhobust::run::loops::Checkpoint;

fuzz_target!(|data: &[u8]| {
    let _ = Checkpoint::decode(data);
    let sealed = [data, blake3::hash(data).as_bytes()].concat();
    let _ = Checkpoint::decode(&sealed);
});
