//! In which numbers the layers of a network compute.

use super::{Device, Dtype, cuda};
use crate::Error;
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use std::sync::OnceLock;

/// What a pass through a network may do for speed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// The network as it is, in the dtype of its weights: what references are compared with.
    #[default]
    Float32,
    /// Convolutions and matrix products in bfloat16, sums of them in float32.
    Bfloat16,
    /// bfloat16 where the device has instructions for it, float32 elsewhere.
    Auto,
}

impl Precision {
    /// The dtype in which a network of `own` dtype computes on `device`. Only float32 is ever
    /// lowered: whoever chose another dtype wants that one.
    pub fn dtype(self, own: Dtype, device: Device) -> Dtype {
        let lowered = match self {
            Precision::Float32 => false,
            Precision::Bfloat16 => true,
            Precision::Auto => has_bfloat16(device),
        };
        match own {
            Dtype::Float32 if lowered => Dtype::BFloat16,
            own => own,
        }
    }
}

impl FromStr for Precision {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Ok(match text {
            "float32" => Precision::Float32,
            "bfloat16" => Precision::Bfloat16,
            "auto" => Precision::Auto,
            other => {
                bail!("`precision` must be \"float32\", \"bfloat16\" or \"auto\", got {other:?}")
            }
        })
    }
}

/// Whether `device` multiplies bfloat16 faster than float32.
fn has_bfloat16(device: Device) -> bool {
    match device {
        Device::Cpu => processor_has_bfloat16(),
        Device::Cuda(index) => {
            // Tensor cores know bfloat16 since Ampere, compute capability 8.
            static CAPABILITIES: OnceLock<Vec<u32>> = OnceLock::new();
            let capabilities = CAPABILITIES.get_or_init(|| {
                let gpus = cuda::driver().map(|driver| driver.gpus).unwrap_or_default();
                gpus.iter().map(|gpu| gpu.capability.0).collect()
            });
            capabilities.get(index).is_some_and(|&major| major >= 8)
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn processor_has_bfloat16() -> bool {
    std::arch::is_x86_feature_detected!("avx512bf16")
}

#[cfg(target_arch = "aarch64")]
fn processor_has_bfloat16() -> bool {
    std::arch::is_aarch64_feature_detected!("bf16")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn processor_has_bfloat16() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_float32_is_lowered() {
        let on_cpu = |precision: Precision, own| precision.dtype(own, Device::Cpu);
        for precision in [Precision::Float32, Precision::Bfloat16, Precision::Auto] {
            assert_eq!(on_cpu(precision, Dtype::Float64), Dtype::Float64);
            assert_eq!(on_cpu(precision, Dtype::BFloat16), Dtype::BFloat16);
        }
        assert_eq!(on_cpu(Precision::Float32, Dtype::Float32), Dtype::Float32);
        assert_eq!(on_cpu(Precision::Bfloat16, Dtype::Float32), Dtype::BFloat16);
        let found = on_cpu(Precision::Auto, Dtype::Float32) == Dtype::BFloat16;
        assert_eq!(found, processor_has_bfloat16());
    }
}
