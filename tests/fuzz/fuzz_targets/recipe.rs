#![no_main]
//! Recipes as files: the archive around them.

use libfuzzer_sys::fuzz_target;
use rhobust::recipe::Recipe;

fuzz_target!(|data: &[u8]| {
    let _ = Recipe::decode(data);
});
