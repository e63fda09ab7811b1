//! `x = x * 0.999 + 0.001` on one entry, by tch alone: the floor of what a script can reach.
//! Prints the nanoseconds of one round.

use std::time::Instant;

const ROUNDS: u32 = 100_000;

fn main() {
    tch::set_num_threads(1);
    let _guard = tch::no_grad_guard();
    let mut x = tch::Tensor::from_slice(&[0.5_f32]);
    let start = Instant::now();
    for _ in 0..ROUNDS {
        x = &x * 0.999 + 0.001;
    }
    println!("{}", start.elapsed().as_nanos() / u128::from(ROUNDS));
    assert!(x.double_value(&[0]) < 1.0);
}
