//! Named tensors in safetensors files: the format in which weights move to and from Python.

use super::{Device, Dtype, Tensor};
use crate::files::File;
use crate::memory;
use crate::{Error, Result};
use safetensors::tensor::{Dtype as Stored, SafeTensors, TensorView};
use std::collections::HashMap;

/// The tensors of a file in the order of their offsets, on the CPU.
///
/// # Errors
/// `Invalid` where the file is missing, cut short or not safetensors.
pub fn load(file: &File) -> Result<Vec<(String, Tensor)>> {
    let bytes = file.read(memory::most_of_a_file())?;
    from_bytes(&bytes).map_err(|error| error.context(file.shown().display()))
}

/// The same of the bytes of a file.
///
/// # Errors
/// As for [`load`].
pub fn from_bytes(bytes: &[u8]) -> Result<Vec<(String, Tensor)>> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| {
        Error::Invalid(format!("this is not a whole safetensors file ({error})"))
    })?;
    let mut entries: Vec<(String, TensorView)> = file.tensors();
    let known = SafeTensors::read_metadata(bytes).map_err(refused)?.1;
    if let Some(hash) = known.metadata().as_ref().and_then(|it| it.get(HASH)) {
        let views = entries.iter();
        let found = hash_of(
            views.map(|(name, view)| (name.as_str(), view.dtype(), view.shape(), view.data())),
        );
        ensure!(
            *hash == found,
            "this file is damaged: its tensors are not those that were written (their hash is \
             `{HASH}` in the file's metadata)"
        );
    }
    entries.sort_by_key(|(_, view)| view.data().as_ptr());
    entries
        .into_iter()
        .map(|(name, view)| {
            let dtype = dtype_of(view.dtype()).map_err(|error| error.context(&name))?;
            let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
            let tensor = Tensor::from_bytes(view.data(), &shape, dtype)?;
            Ok((name, tensor))
        })
        .collect()
}

/// The bytes of a file that holds `tensors`.
///
/// # Errors
/// `Invalid` for a name that comes twice.
pub fn to_bytes(tensors: &[(String, Tensor)]) -> Result<Vec<u8>> {
    let mut held: Vec<(String, Stored, Vec<usize>, Vec<u8>)> = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        ensure!(
            held.iter().all(|(other, ..)| other != name),
            "two tensors have the name {name:?}"
        );
        let tensor = tensor.detach()?.to_device(Device::Cpu)?;
        let shape: Vec<usize> = tensor
            .shape()
            .iter()
            .map(|&size| usize::try_from(size).unwrap_or(0))
            .collect();
        held.push((
            name.clone(),
            stored(tensor.dtype()?),
            shape,
            tensor.to_bytes()?,
        ));
    }
    let views = held
        .iter()
        .map(|(name, dtype, shape, bytes)| {
            let view = TensorView::new(*dtype, shape.clone(), bytes).map_err(refused)?;
            Ok((name.clone(), view))
        })
        .collect::<Result<Vec<_>>>()?;
    let hash = hash_of(held.iter().map(|(name, dtype, shape, bytes)| {
        (name.as_str(), *dtype, shape.as_slice(), bytes.as_slice())
    }));
    let metadata = HashMap::from([(HASH.to_owned(), hash)]);
    safetensors::serialize(views, Some(metadata)).map_err(refused)
}

/// The format has no check sum; files that are written here carry one where it has room for words
/// of one's own.
const HASH: &str = "rhobust.blake3";

/// A hash of tensors, whatever their order.
fn hash_of<'a>(tensors: impl Iterator<Item = (&'a str, Stored, &'a [usize], &'a [u8])>) -> String {
    let mut tensors: Vec<_> = tensors.collect();
    tensors.sort_by_key(|(name, ..)| *name);
    let mut hasher = blake3::Hasher::new();
    for (name, dtype, shape, bytes) in tensors {
        hasher.update(format!("{name:?} {dtype:?} {shape:?}").as_bytes());
        hasher.update(bytes);
    }
    hasher.finalize().to_hex().to_string()
}

fn refused(error: safetensors::SafeTensorError) -> Error {
    Error::Invalid(format!("safetensors: {error}"))
}

fn dtype_of(stored: Stored) -> Result<Dtype> {
    Ok(match stored {
        Stored::F64 => Dtype::Float64,
        Stored::F32 => Dtype::Float32,
        Stored::F16 => Dtype::Float16,
        Stored::BF16 => Dtype::BFloat16,
        Stored::I64 => Dtype::Int64,
        Stored::I32 => Dtype::Int32,
        Stored::I16 => Dtype::Int16,
        Stored::I8 => Dtype::Int8,
        Stored::U8 => Dtype::UInt8,
        Stored::BOOL => Dtype::Bool,
        other => bail!("entries of type {other:?} are not supported"),
    })
}

fn stored(dtype: Dtype) -> Stored {
    match dtype {
        Dtype::Float64 => Stored::F64,
        Dtype::Float32 => Stored::F32,
        Dtype::Float16 => Stored::F16,
        Dtype::BFloat16 => Stored::BF16,
        Dtype::Int64 => Stored::I64,
        Dtype::Int32 => Stored::I32,
        Dtype::Int16 => Stored::I16,
        Dtype::Int8 => Stored::I8,
        Dtype::UInt8 => Stored::U8,
        Dtype::Bool => Stored::BOOL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The format itself notices little: most bits are those of numbers.
    #[test]
    fn a_flipped_bit_changes_no_tensor() -> Result<()> {
        let tensors = [
            ("b".to_owned(), Tensor::from_f32(&[1.0, -2.0, 3.5], &[3])?),
            ("a".to_owned(), Tensor::from_i64(&[1, 2], &[1, 2])?),
        ];
        let bytes = to_bytes(&tensors)?;
        let shown = |bytes: &[u8]| -> Result<String> {
            let mut read = from_bytes(bytes)?;
            read.sort_by(|a, b| a.0.cmp(&b.0));
            let each = read
                .iter()
                .map(|(name, it)| Ok((name, it.signature(), it.to_bytes()?)));
            Ok(format!("{:?}", each.collect::<Result<Vec<_>>>()?))
        };
        let before = shown(&bytes)?;
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                if let Ok(after) = shown(&damaged) {
                    assert_eq!(after, before, "bit {bit} of byte {at}");
                }
            }
        }
        // Files of other programs have no hash.
        let view = TensorView::new(Stored::U8, vec![2], &[1, 2]).map_err(refused)?;
        let plain = safetensors::serialize([("x", view)], None).map_err(refused)?;
        assert_eq!(from_bytes(&plain)?.len(), 1);
        Ok(())
    }
}
