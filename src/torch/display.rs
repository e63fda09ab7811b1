//! A tensor as text: dtype, shape, device, and a few values.

use super::{Device, Dtype, Tensor};
use std::fmt;

/// Entries shown at either end of a dimension that is too long.
const EDGE: usize = 3;
/// Dimensions up to this size are shown whole.
const WHOLE: usize = 8;

impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let dtype = self.dtype().map_or("?", Dtype::name);
        let shape = self.shape();
        write!(f, "tensor({dtype}, {shape:?}")?;
        if self.device() != Device::Cpu {
            write!(f, ", {}", self.device())?;
        }
        if self.requires_grad() {
            f.write_str(", requires_grad")?;
        }
        match self.values(&shape) {
            Some(values) if !values.contains('\n') && values.len() < 60 => {
                write!(f, ", {values})")
            }
            Some(values) => write!(f, ")\n{values}"),
            None => f.write_str(")"),
        }
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Tensor {
    /// The entries as nested brackets; of more than two dimensions only the corner.
    fn values(&self, shape: &[i64]) -> Option<String> {
        let mut corner = self.clone();
        for _ in 2..shape.len() {
            corner = corner.select(0, 0).ok()?;
        }
        let rows = match corner.shape()[..] {
            [] => return Some(self.number(corner.item().ok()?)),
            [_] => return self.row(&corner),
            [rows, _] => usize::try_from(rows).ok()?,
            _ => return None,
        };
        let mut lines = Vec::new();
        for at in shown(rows) {
            lines.push(match at {
                Some(at) => self.row(&corner.select(0, at as i64).ok()?)?,
                None => "...".to_owned(),
            });
        }
        let text = format!("[{}]", lines.join(",\n "));
        if shape.len() > 2 {
            let zeros = vec!["0"; shape.len() - 2].join(", ");
            return Some(format!("at [{zeros}]:\n{text}"));
        }
        Some(text)
    }

    fn row(&self, row: &Tensor) -> Option<String> {
        let count = row.numel();
        let mut cells = Vec::new();
        for at in shown(count) {
            cells.push(match at {
                Some(at) => self.number(row.select(0, at as i64).ok()?.item().ok()?),
                None => "...".to_owned(),
            });
        }
        Some(format!("[{}]", cells.join(", ")))
    }

    fn number(&self, value: f64) -> String {
        match self.dtype() {
            Ok(Dtype::Bool) => (value != 0.0).to_string(),
            Ok(dtype) if !dtype.is_float() => format!("{value}"),
            _ if value != 0.0 && !(1e-4..1e6).contains(&value.abs()) && value.is_finite() => {
                format!("{value:.4e}")
            }
            _ => format!("{value:.4}"),
        }
    }
}

/// Positions to show of `count`, `None` standing for what is left out.
fn shown(count: usize) -> Vec<Option<usize>> {
    if count <= WHOLE {
        return (0..count).map(Some).collect();
    }
    let head = (0..EDGE).map(Some);
    let tail = (count - EDGE..count).map(Some);
    head.chain([None]).chain(tail).collect()
}
