use std::fmt;
use std::str::FromStr;

use super::cuda;
use crate::{Error, Result};

/// Where a tensor lives: `cpu`, or `cuda:n` (`cuda` is the first GPU).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    Cpu,
    Cuda(usize),
}

impl Device {
    /// The first GPU where libtorch can use one, else the CPU.
    pub fn best() -> Self {
        match cuda::device_count() {
            0 => Device::Cpu,
            _ => Device::Cuda(0),
        }
    }

    pub(super) fn tch(self) -> tch::Device {
        match self {
            Device::Cpu => tch::Device::Cpu,
            Device::Cuda(index) => tch::Device::Cuda(index),
        }
    }

    pub(super) fn of(device: tch::Device) -> Self {
        match device {
            tch::Device::Cuda(index) => Device::Cuda(index),
            _ => Device::Cpu,
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

/// `cpu`, `cuda`, `cuda:1`; `auto` is the best that is here. A GPU that is not here is an
/// error.
impl FromStr for Device {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let index = match text {
            "auto" => return Ok(Device::best()),
            "cpu" => return Ok(Device::Cpu),
            "cuda" => Some(0),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|index| index.parse::<usize>().ok()),
        };
        let Some(index) = index else {
            bail!("there is no device {text:?}; a device is cpu, cuda, cuda:1 (and so on) or auto")
        };
        let count = cuda::device_count();
        ensure!(
            index < count,
            "device {text} is not here: libtorch sees {count} GPUs (`rhobust info` says why)"
        );
        Ok(Device::Cuda(index))
    }
}
