//! libtorch's errors, reduced to their first sentence.

use super::Tensor;
use super::stop::STOPPED;
use crate::limits::shown_size;
use crate::panics::caught;
use crate::{Error, memory};
use std::ffi::CStr;
use tch::TchError;

/// Before what a backward pass of our own says that lacked memory.
pub(super) const LACKING: &CStr = c"rhobust: out of memory: ";

/// One sentence for a failed call of `operation` on `tensors`: what libtorch says first,
/// then the types and shapes involved. The C++ back-trace is dropped.
pub(super) fn failed(operation: &str, tensors: &[&Tensor], error: &TchError) -> Error {
    if error.to_string().contains(&*STOPPED.to_string_lossy()) {
        return Error::Interrupted;
    }
    // Of a backward pass, through libtorch, from a pass of our own.
    if let TchError::Torch(text) = error
        && let Some((_, lack)) = text.split_once(&*LACKING.to_string_lossy())
    {
        return Error::OutOfMemory(lack.lines().next().unwrap_or_default().to_owned());
    }
    let lack = match error {
        TchError::Torch(text) => lack_of_memory(text),
        _ => None,
    };
    let sentence = match (&lack, error) {
        (Some(lack), _) => lack.clone(),
        (None, TchError::Torch(text)) => first_sentence(text),
        (None, other) => other.to_string(),
    };
    let involved: Vec<String> = tensors.iter().map(|tensor| tensor.signature()).collect();
    let involved = match involved.len() {
        0 => String::new(),
        _ => format!(" ({})", involved.join(" and ")),
    };
    let message = format!("`{operation}`: {sentence}{involved}");
    match lack {
        Some(_) => Error::OutOfMemory(message),
        None => Error::Invalid(message),
    }
}

/// Runs an operation that is given numbers. tch looks for libtorch's error when it drops a number,
/// before the operation does, and panics with it.
pub(super) fn with_numbers<T>(
    operation: impl FnOnce() -> Result<T, TchError>,
) -> Result<T, TchError> {
    caught(operation).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map_or("", String::as_str);
        let text = said.split_once("Torch(\"").map_or(said, |(_, text)| text);
        // As it was before `{:?}`.
        Err(TchError::Torch(text.replace("\\n", "\n").replace('\\', "")))
    })
}

/// What the libraries beneath libtorch and C++ itself say when they cannot allocate.
const NO_ROOM: [&str; 4] = [
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "std::bad_alloc",
];

/// What the allocators of CPU and GPU say when they fail, with the size that was asked for where
/// they tell it.
fn lack_of_memory(text: &str) -> Option<String> {
    if NO_ROOM.iter().any(|it| text.contains(it)) {
        return Some("there is not enough memory".to_owned());
    }
    if let Some((_, size)) = text.split_once("CUDA out of memory. Tried to allocate ") {
        let size = size.split(". ").next()?;
        return Some(format!("{size} more do not fit in the GPU's memory"));
    }
    let (_, size) = text.split_once("DefaultCPUAllocator: ")?;
    let (_, size) = size.split_once("tried to allocate ")?;
    let bytes: f64 = size.split(' ').next()?.parse().ok()?;
    let gibibytes = bytes / f64::from(1 << 30);
    let lack = format!("{gibibytes:.1} GiB do not fit in memory");
    Some(match text.contains("not within the bound") {
        true => {
            let limit = shown_size(memory::limit());
            format!(
                "{lack}, of which the program may have {limit}; --max-memory sets another limit"
            )
        }
        false => lack,
    })
}

fn first_sentence(text: &str) -> String {
    let line = text.lines().next().unwrap_or("").trim();
    let line = line
        .split("Exception raised from")
        .next()
        .unwrap_or(line)
        .trim();
    // A full stop ends a sentence only before a space: 0.5 and `x.shape` go on.
    let sentence = line.split(". ").next().unwrap_or(line);
    let sentence = sentence.trim_end_matches(['.', ' ']);
    let mut chars = sentence.chars();
    let lower = match (chars.next(), chars.clone().next()) {
        // "The size ..." starts in lower case, "CUDA out of memory" stays.
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => sentence.to_owned(),
    };
    if lower.is_empty() {
        "libtorch refused without a reason".to_owned()
    } else {
        lower
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_first_sentence_only() {
        let text = "The size of tensor a (3) must match the size of tensor b (4) at \
                    non-singleton dimension 1\nException raised from infer_size_impl at x.cpp:31 \
                    (most recent call first):\nframe #0: c10::Error::Error";
        let said = "the size of tensor a (3) must match the size of tensor b (4) at \
                    non-singleton dimension 1";
        assert_eq!(first_sentence(text), said);
        assert_eq!(first_sentence("Sum is 0.5. Try again."), "sum is 0.5");
        assert_eq!(
            first_sentence("CUDA out of memory. Tried"),
            "CUDA out of memory"
        );
        assert_eq!(first_sentence(""), "libtorch refused without a reason");
    }

    #[test]
    fn what_fails_beside_a_number_is_an_error() {
        let x = Tensor::from_f64(&[0.0; 6], &[2, 3]).unwrap();
        let mask = Tensor::from_bool(&[true, false], &[2]).unwrap();
        let error = x.masked_fill(&mask, 1.0).unwrap_err().to_string();
        let said = "`masked_fill`: the size of tensor a (2) must match the size of tensor b (3) at \
                    non-singleton dimension 1 (float64[2, 3] and bool[2])";
        assert_eq!(error, said);
    }

    #[test]
    fn a_lack_of_memory_is_told_from_other_failures() {
        let failure = |text: &str| failed("conv2d", &[], &TchError::Torch(text.to_owned()));
        assert!(matches!(failure("std::bad_alloc"), Error::OutOfMemory(_)));
        assert!(matches!(failure("Sizes must match"), Error::Invalid(_)));
    }

    #[test]
    fn a_lack_of_memory_comes_through_a_backward_pass() {
        let said = "rhobust: out of memory: `conv2d`: 3 GiB do not fit in memory\nException raised";
        let error = failed("grad", &[], &TchError::Torch(said.to_owned()));
        assert!(matches!(&error, Error::OutOfMemory(_)));
        assert_eq!(error.to_string(), "`conv2d`: 3 GiB do not fit in memory");
    }

    #[test]
    fn a_lack_of_memory_names_the_size() {
        let cpu = "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't \
                   allocate memory: you tried to allocate 4000000000000 bytes. Error code 12";
        assert_eq!(
            lack_of_memory(cpu).unwrap(),
            "3725.3 GiB do not fit in memory"
        );
        let gpu = "CUDA out of memory. Tried to allocate 3.73 GiB. GPU 0 has 79 GiB in all";
        assert_eq!(
            lack_of_memory(gpu).unwrap(),
            "3.73 GiB more do not fit in the GPU's memory"
        );
        let library = "cuDNN error: CUDNN_STATUS_ALLOC_FAILED";
        assert_eq!(
            lack_of_memory(library).unwrap(),
            "there is not enough memory"
        );
        assert_eq!(lack_of_memory("The size of tensor a (3) must match"), None);
    }
}
