//! Counts in the place of those of a probe, for tables that ask which numbers there will be.

use crate::Result;
use crate::metrics::Evaluation;

/// An evaluation of the same kind in which no error and no spread is 0, as it may be among few
/// images: a ratio to it would be missing.
///
/// # Errors
/// None for an evaluation that there can be.
pub fn stand_in(probed: &Evaluation) -> Result<Evaluation> {
    let classes = probed.classes();
    let mut counts = Evaluation::new(classes)?;
    for class in 0..classes as i64 {
        let other = (class + 1) % classes as i64;
        // Class 0 has one right of two, the others two of three.
        let mut predictions = vec![class, other];
        if class > 0 {
            predictions.push(class);
        }
        let labels = vec![class; predictions.len()];
        let sets = probed.real().map(|_| vec![vec![class]; labels.len()]);
        counts.add(&predictions, &labels, sets.as_deref())?;
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_zero() {
        for sets in [None, Some(vec![vec![0]])] {
            let mut probed = Evaluation::new(3).unwrap();
            probed.add(&[0], &[0], sets.as_deref()).unwrap();
            assert_eq!(probed.top1().imbalance(), Some(0.0));
            let counts = stand_in(&probed).unwrap();
            assert!(counts.error() > Some(0.0) && counts.top1().imbalance() > Some(0.0));
            assert_eq!(counts.real().is_some(), sets.is_some());
            assert_eq!(counts.classes(), 3);
        }
    }
}
