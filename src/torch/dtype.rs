use crate::{Error, Result};
use std::fmt;
use std::str::FromStr;
use tch::Kind;

/// The type of a tensor's entries, with PyTorch's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    Float64,
    Float32,
    Float16,
    BFloat16,
    Int64,
    Int32,
    Int16,
    Int8,
    UInt8,
    Bool,
}

const NAMES: [(&str, Dtype); 10] = [
    ("float32", Dtype::Float32),
    ("float64", Dtype::Float64),
    ("bfloat16", Dtype::BFloat16),
    ("float16", Dtype::Float16),
    ("int64", Dtype::Int64),
    ("int32", Dtype::Int32),
    ("int16", Dtype::Int16),
    ("int8", Dtype::Int8),
    ("uint8", Dtype::UInt8),
    ("bool", Dtype::Bool),
];

impl Dtype {
    pub fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(_, dtype)| *dtype == self)
            .map_or("?", |(name, _)| name)
    }

    pub fn is_float(self) -> bool {
        use Dtype::{BFloat16, Float16, Float32, Float64};
        matches!(self, Float64 | Float32 | Float16 | BFloat16)
    }

    /// Bytes of one entry.
    pub fn size(self) -> usize {
        match self {
            Dtype::Float64 | Dtype::Int64 => 8,
            Dtype::Float32 | Dtype::Int32 => 4,
            Dtype::Float16 | Dtype::BFloat16 | Dtype::Int16 => 2,
            Dtype::Int8 | Dtype::UInt8 | Dtype::Bool => 1,
        }
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Dtype::Float64 => Kind::Double,
            Dtype::Float32 => Kind::Float,
            Dtype::Float16 => Kind::Half,
            Dtype::BFloat16 => Kind::BFloat16,
            Dtype::Int64 => Kind::Int64,
            Dtype::Int32 => Kind::Int,
            Dtype::Int16 => Kind::Int16,
            Dtype::Int8 => Kind::Int8,
            Dtype::UInt8 => Kind::Uint8,
            Dtype::Bool => Kind::Bool,
        }
    }

    pub(super) fn of(kind: Kind) -> Result<Self> {
        Ok(match kind {
            Kind::Double => Dtype::Float64,
            Kind::Float => Dtype::Float32,
            Kind::Half => Dtype::Float16,
            Kind::BFloat16 => Dtype::BFloat16,
            Kind::Int64 => Dtype::Int64,
            Kind::Int => Dtype::Int32,
            Kind::Int16 => Dtype::Int16,
            Kind::Int8 => Dtype::Int8,
            Kind::Uint8 => Dtype::UInt8,
            Kind::Bool => Dtype::Bool,
            other => bail!("tensors of type {other:?} are not supported"),
        })
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Dtype {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match NAMES.iter().find(|(name, _)| *name == text) {
            Some((_, dtype)) => Ok(*dtype),
            None => {
                let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
                bail!(
                    "there is no dtype {text:?}; the dtypes are {}",
                    names.join(", ")
                )
            }
        }
    }
}
