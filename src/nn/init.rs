//! PyTorch's initialisation. Draws come from libtorch's CPU generator, in the order in which
//! PyTorch draws.

use crate::Result;
use crate::torch::{self, Like, Tensor};

/// More weights in one layer than any machine here holds.
const MOST_WEIGHTS: i64 = 1 << 36;

/// `Invalid` for a layer that no memory holds.
pub fn check_size(layer: &str, sizes: &[i64]) -> Result<()> {
    let weights = sizes.iter().try_fold(1_i64, |n, &size| n.checked_mul(size));
    ensure!(
        weights.is_some_and(|n| n <= MOST_WEIGHTS),
        "`{layer}`: a layer of sizes {sizes:?} does not fit in memory"
    );
    Ok(())
}

/// Uniform with the bound of `kaiming_uniform_(a=sqrt(5))`, the default of PyTorch's
/// convolutions and linear layers; that is 1 / sqrt(fan_in).
pub fn kaiming_uniform(shape: &[i64]) -> Result<Tensor> {
    let a = 5.0_f64.sqrt();
    let gain = (2.0 / (1.0 + a * a)).sqrt();
    let bound = 3.0_f64.sqrt() * (gain / (fan_in(shape) as f64).sqrt());
    uniform(shape, bound)
}

/// The default of their biases: uniform within 1 / sqrt(fan_in) of the weight's shape.
pub fn bias(size: i64, weight_shape: &[i64]) -> Result<Tensor> {
    uniform(&[size], 1.0 / (fan_in(weight_shape) as f64).sqrt())
}

/// He et al. 2015, equation 10 with fan-out, for layers before a ReLU: normal with standard
/// deviation sqrt(2 / fan_out).
pub fn kaiming_normal_fan_out(shape: &[i64]) -> Result<Tensor> {
    let fan_out: i64 = shape[0] * shape[2..].iter().product::<i64>();
    let std = 2.0_f64.sqrt() / (fan_out as f64).sqrt();
    torch::zeros(shape, Like::default())?.normal_like(0.0, std)
}

fn uniform(shape: &[i64], bound: f64) -> Result<Tensor> {
    torch::zeros(shape, Like::default())?.uniform_like(-bound, bound)
}

fn fan_in(weight_shape: &[i64]) -> i64 {
    weight_shape[1..].iter().product::<i64>().max(1)
}
