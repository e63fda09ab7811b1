//! A tensor as text. Few entries stand on the line of dtype and shape:
//! `tensor(int64, [3], [1, 2, 3])`. Of others the line says the device and the range besides,
//! and a few entries follow in rows.

use super::{Device, Dtype, Tensor, no_grad};
use crate::Result;
use std::fmt;

/// Entries shown at either end of a dimension that is too long.
const EDGE: i64 = 3;
/// Dimensions up to this size are shown whole: so are the logits of ten classes.
const WHOLE: i64 = 10;
/// The most characters that entries may take on the first line.
const LINE: usize = 60;

/// For people: several lines where there are many entries.
impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.entries() {
            Some(entries) => self.write(f, &entries),
            None => self.write_line(f, self.extent(), None),
        }
    }
}

/// One line, as tensors stand inside of arrays and maps: entries only where they fit on it.
impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.entries() {
            Some(entries) if entries.is_line() => self.write(f, &entries),
            _ => self.write_line(f, self.extent(), None),
        }
    }
}

/// Entries as they are shown.
struct Entries {
    text: String,
    complete: bool,
}

impl Entries {
    fn is_line(&self) -> bool {
        self.text.len() <= LINE && !self.text.contains('\n')
    }
}

impl Tensor {
    fn write(&self, f: &mut fmt::Formatter, entries: &Entries) -> fmt::Result {
        let text = &entries.text;
        match (entries.is_line(), entries.complete) {
            (true, true) => {
                let device = self.device();
                let elsewhere = (device != Device::Cpu).then(|| format!(", {device}"));
                self.write_line(f, elsewhere.unwrap_or_default(), Some(text))
            }
            (true, false) => self.write_line(f, self.extent(), Some(text)),
            (false, _) => {
                self.write_line(f, self.extent(), None)?;
                write!(f, "\n{text}")
            }
        }
    }

    fn write_line(
        &self,
        f: &mut fmt::Formatter,
        extent: String,
        entries: Option<&str>,
    ) -> fmt::Result {
        let dtype = self.dtype().map_or("?", Dtype::name);
        write!(f, "tensor({dtype}, {:?}{extent}", self.shape())?;
        if self.requires_grad() {
            f.write_str(", requires_grad")?;
        }
        match entries {
            Some(entries) => write!(f, ", {entries})"),
            None => f.write_str(")"),
        }
    }

    /// `, cuda:0, 0.0000 .. 1.0000, 2 NaN`: where the entries are and between what they lie.
    fn extent(&self) -> String {
        let range = no_grad(|| self.range()).ok().flatten();
        format!(", {}{}", self.device(), range.unwrap_or_default())
    }

    /// In one pass over the entries, unless there are some that are not numbers.
    fn range(&self) -> Result<Option<String>> {
        let dtype = self.dtype()?;
        if self.numel() == 0 || dtype == Dtype::Bool {
            return Ok(None);
        }
        let number = |value: Tensor| Ok::<_, crate::Error>(number(dtype, value.item()?));
        let (low, high) = self.amin_amax()?;
        if !low.item()?.is_nan() {
            return Ok(Some(format!(", {} .. {}", number(low)?, number(high)?)));
        }
        let nan = self.isnan()?;
        let count = nan.count_nonzero()?;
        if usize::try_from(count) == Ok(self.numel()) {
            return Ok(Some(format!(", {count} NaN")));
        }
        let (low, high) = self.masked_select(&nan.logical_not()?)?.amin_amax()?;
        Ok(Some(format!(
            ", {} .. {}, {count} NaN",
            number(low)?,
            number(high)?
        )))
    }

    /// The entries as nested brackets; of more than two dimensions only the corner.
    fn entries(&self) -> Option<Entries> {
        let shape = self.shape();
        let mut corner = self.clone();
        for _ in 2..shape.len() {
            corner = corner.select(0, 0).ok()?;
        }
        let mut ends = corner.clone();
        for dim in 0..corner.ndim() as i64 {
            ends = ends.ends(dim).ok()?;
        }
        let cells = cells(&ends).ok()?;
        let complete = ends.numel() == self.numel();
        let text = match corner.shape()[..] {
            [] => cells.concat(),
            [columns] => row(&cells, columns),
            [rows, columns] => matrix(&cells, rows, columns),
            _ => return None,
        };
        let text = match shape.len() {
            0..=2 => text,
            n => format!("at [{}]:\n{text}", vec!["0"; n - 2].join(", ")),
        };
        Some(Entries { text, complete })
    }

    /// Dimension `dim` whole, or its two ends side by side.
    fn ends(&self, dim: i64) -> Result<Tensor> {
        match self.dim(dim)? {
            0..=WHOLE => Ok(self.clone()),
            size => {
                let head = self.narrow(dim, 0, EDGE)?;
                super::cat(&[head, self.narrow(dim, size - EDGE, EDGE)?], dim)
            }
        }
    }
}

/// Every entry as text, row by row.
fn cells(x: &Tensor) -> Result<Vec<String>> {
    let dtype = x.dtype()?;
    if dtype.is_float() {
        let values = x.to_vec_f64()?;
        return Ok(values.into_iter().map(|it| number(dtype, it)).collect());
    }
    let values = x.to_vec_i64()?.into_iter();
    Ok(match dtype {
        Dtype::Bool => values.map(|it| (it != 0).to_string()).collect(),
        _ => values.map(|it| it.to_string()).collect(),
    })
}

/// The ends of a row of `count` entries, dots for those between.
fn row(cells: &[String], count: i64) -> String {
    let mut shown: Vec<&str> = cells.iter().map(String::as_str).collect();
    if count > WHOLE {
        shown.insert(EDGE as usize, "...");
    }
    format!("[{}]", shown.join(", "))
}

/// Rows below each other, every cell as wide as the widest.
fn matrix(cells: &[String], rows: i64, columns: i64) -> String {
    let widest = cells.iter().map(String::len).max().unwrap_or(0);
    let padded: Vec<String> = cells.iter().map(|it| format!("{it:>widest$}")).collect();
    let across = if columns > WHOLE { 2 * EDGE } else { columns } as usize;
    let mut lines: Vec<String> = match across {
        0 => vec!["[]".to_owned(); rows.min(WHOLE) as usize],
        _ => padded.chunks(across).map(|it| row(it, columns)).collect(),
    };
    if rows > WHOLE && across > 0 {
        lines.insert(EDGE as usize, "...".to_owned());
    }
    format!("[{}]", lines.join(",\n "))
}

fn number(dtype: Dtype, value: f64) -> String {
    match value.abs() {
        _ if !dtype.is_float() => format!("{value}"),
        size if size != 0.0 && size.is_finite() && !(1e-4..1e6).contains(&size) => {
            format!("{value:.4e}")
        }
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torch::{Like, Scalar, arange};

    fn counting(n: i64) -> Result<Tensor> {
        let like = Like::default();
        arange(Scalar::Int(0), Scalar::Int(n), Scalar::Int(1), like)
    }

    #[test]
    fn few_entries_stand_on_the_line() -> Result<()> {
        let x = Tensor::from_f32(&[0.5, 1e-7, f32::NAN, 2e9], &[4])?;
        let text = "tensor(float32, [4], [0.5000, 1.0000e-7, NaN, 2.0000e9])";
        assert_eq!(x.to_string(), text);
        assert_eq!(format!("{x:?}"), text);
        let large = Tensor::from_i64(&[i64::MAX], &[])?;
        assert_eq!(
            large.to_string(),
            format!("tensor(int64, [], {})", i64::MAX)
        );
        assert_eq!(
            counting(3)?.leaf()?.to_string(),
            "tensor(float32, [3], requires_grad, [0.0000, 1.0000, 2.0000])"
        );
        let none = Tensor::from_i64(&[], &[0])?;
        assert_eq!(none.to_string(), "tensor(int64, [0], [])");
        Ok(())
    }

    #[test]
    fn many_entries_come_with_their_range() -> Result<()> {
        let x = counting(144)?;
        assert_eq!(
            x.to_dtype(Dtype::Int64)?.to_string(),
            "tensor(int64, [144], cpu, 0 .. 143, [0, 1, 2, ..., 141, 142, 143])"
        );
        let x = x.reshape(&[12, 12])?.sub(1.0)?;
        assert_eq!(
            x.to_string(),
            "tensor(float32, [12, 12], cpu, -1.0000 .. 142.0000)\n\
             [[ -1.0000,   0.0000,   1.0000, ...,   8.0000,   9.0000,  10.0000],\n \
             [ 11.0000,  12.0000,  13.0000, ...,  20.0000,  21.0000,  22.0000],\n \
             [ 23.0000,  24.0000,  25.0000, ...,  32.0000,  33.0000,  34.0000],\n \
             ...,\n \
             [107.0000, 108.0000, 109.0000, ..., 116.0000, 117.0000, 118.0000],\n \
             [119.0000, 120.0000, 121.0000, ..., 128.0000, 129.0000, 130.0000],\n \
             [131.0000, 132.0000, 133.0000, ..., 140.0000, 141.0000, 142.0000]]"
        );
        let line = "tensor(float32, [12, 12], cpu, -1.0000 .. 142.0000)";
        assert_eq!(format!("{x:?}"), line);
        Ok(())
    }

    #[test]
    fn what_is_no_number_is_counted() -> Result<()> {
        let nan = f64::NAN;
        let x = Tensor::from_f64(&[nan, 1.0, -2.0, nan], &[1, 2, 2])?;
        assert_eq!(
            x.to_string(),
            "tensor(float64, [1, 2, 2], cpu, -2.0000 .. 1.0000, 2 NaN)\n\
             at [0]:\n[[    NaN,  1.0000],\n [-2.0000,     NaN]]"
        );
        let all = Tensor::from_f64(&[nan; 4], &[2, 2])?;
        let line = "tensor(float64, [2, 2], cpu, 4 NaN)\n";
        assert!(all.to_string().starts_with(line), "{all}");
        Ok(())
    }
}
