//! Parity in float64 with PyTorch, torchvision, torchattacks, foolbox, AutoAttack and
//! numpy. The numbers in `*.json` beside this file name the programs that made them; weights and
//! images come from a closed form (`fill.rs`). Each tolerance is the one that the reference
//! measured between machines, threads and instruction sets, with room of several decimal digits.

mod attacks;
mod autoattack;
mod fill;
mod labels;
mod metrics;
mod more_attacks;
mod resnet;
mod sgd;

use rhobust::torch::Tensor;
use serde_json::Value;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// libtorch has one generator for the process: a test that draws holds this to the end.
fn generator() -> MutexGuard<'static, ()> {
    static GENERATOR: Mutex<()> = Mutex::new(());
    GENERATOR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The numbers of one file.
struct Oracle(Value);

impl Oracle {
    fn parse(text: &str) -> Self {
        Oracle(serde_json::from_str(text).expect("the oracle files are JSON"))
    }

    fn get(&self, key: &str) -> &Value {
        self.0
            .get(key)
            .unwrap_or_else(|| panic!("the oracle has no {key}"))
    }

    /// All values of an entry that is stored whole.
    fn values(&self, key: &str) -> Vec<f64> {
        numbers(&self.get(key)["values"])
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    let list = value.as_array().expect("an array of numbers");
    list.iter().map(|v| v.as_f64().expect("a number")).collect()
}

/// The stored sample of a tensor against ours: shapes equal, and the largest difference at
/// most `tolerance` times the largest value of ours.
#[track_caller]
fn close(what: &str, ours: &Tensor, stored: &Value, tolerance: f64) {
    let shape: Vec<i64> = numbers(&stored["shape"])
        .iter()
        .map(|&v| v as i64)
        .collect();
    assert_eq!(ours.shape(), shape, "{what}: shape");
    let ours = ours.to_vec_f64().expect("a tensor of numbers");
    let stride = stored["stride"].as_u64().unwrap_or(1) as usize;
    let scale = ours.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    let theirs = numbers(&stored["values"]);
    assert!(!theirs.is_empty(), "{what}: nothing to compare");
    for (at, theirs) in theirs.iter().enumerate() {
        let difference = (ours[at * stride] - theirs).abs();
        assert!(
            difference <= tolerance * scale.max(f64::MIN_POSITIVE),
            "{what}: entry {} is {} instead of {theirs}, off by {difference:e} (allowed {:e})",
            at * stride,
            ours[at * stride],
            tolerance * scale
        );
    }
}
