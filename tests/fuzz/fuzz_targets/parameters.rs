#![no_main]
//! Values of `--set` for defaults of each type, and those of limits.

use libfuzzer_sys::fuzz_target;
use rhai::Dynamic;
use rhobust::limits;
use rhobust::script::parse_parameter;

fuzz_target!(|text: &str| {
    let defaults: [Dynamic; 9] = [
        1_i64.into(),
        0.5.into(),
        true.into(),
        "text".into(),
        ().into(),
        vec![Dynamic::from(1_i64)].into(),
        vec![Dynamic::from(0.5)].into(),
        Dynamic::from_array(Vec::new()),
        Dynamic::from_map(rhai::Map::new()),
    ];
    for default in &defaults {
        if let Ok(value) = parse_parameter("--set", "name", text, default) {
            let _ = value.to_string();
        }
    }
    let _ = (limits::size(text), limits::duration(text));
});
