//! The top-k error, from where the right class stands among the logits.

use super::evaluation::all_classes;
use crate::Result;

/// For each image, how many other classes have a logit at least as large as the right class
/// has: 0 where the right class stands alone at the top.
///
/// `logits` are `[n, classes]`, row by row. Ties count against the model, so constant logits
/// are no success; where `argmax` picks the first of equal logits, the top-1 error by ranks is
/// the larger one. NaN counts against it too.
///
/// # Errors
/// `Invalid` unless there is a row of `classes` logits for each label and labels are classes.
pub fn label_ranks(logits: &[f64], classes: usize, labels: &[i64]) -> Result<Vec<i64>> {
    let n = labels.len();
    ensure!(classes > 0, "`classes` must be at least 1, got 0");
    ensure!(
        n.checked_mul(classes) == Some(logits.len()),
        "`logits` must be [{n}, {classes}], got {} numbers",
        logits.len()
    );
    let labels = all_classes("labels", labels, classes)?;
    let rank = |(row, label): (&[f64], usize)| {
        let own = row[label];
        let beaten = row.iter().filter(|&&other| other < own).count();
        (classes - 1 - beaten) as i64
    };
    Ok(logits.chunks_exact(classes).zip(labels).map(rank).collect())
}

/// The share of images whose right class is not among the `k` largest logits, from its ranks
/// (0 = top, see [`label_ranks`]); `None` without images.
///
/// # Errors
/// `Invalid` for `k` 0 or a negative rank.
pub fn top_k_error(ranks: &[i64], k: usize) -> Result<Option<f64>> {
    ensure!(k > 0, "`k` must be at least 1, got 0");
    if let Some(rank) = ranks.iter().find(|&&rank| rank < 0) {
        bail!("`ranks` must be at least 0, got {rank}");
    }
    let missed = ranks.iter().filter(|&&rank| rank as u64 >= k as u64);
    let missed = missed.count() as f64;
    Ok((!ranks.is_empty()).then(|| missed / ranks.len() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_classes_ahead() {
        let logits = [0.1, 0.9, 0.5, 3.0, 2.0, 1.0, -1.0, -2.0, -3.0];
        let ranks = label_ranks(&logits, 3, &[2, 0, 2]).unwrap();
        assert_eq!(ranks, [1, 0, 2]);
        assert_eq!(top_k_error(&ranks, 1).unwrap(), Some(2.0 / 3.0));
        assert_eq!(top_k_error(&ranks, 2).unwrap(), Some(1.0 / 3.0));
        assert_eq!(top_k_error(&ranks, 3).unwrap(), Some(0.0));
        assert_eq!(top_k_error(&[], 5).unwrap(), None);
    }

    #[test]
    fn ties_and_nan_count_against_the_model() {
        let same = label_ranks(&[0.5; 8], 4, &[0, 3]).unwrap();
        assert_eq!(same, [3, 3]);
        assert_eq!(label_ranks(&[1.0, 1.0, 0.0], 3, &[0]).unwrap(), [1]);
        assert_eq!(label_ranks(&[f64::NAN, 1.0, 0.0], 3, &[1]).unwrap(), [1]);
        assert_eq!(label_ranks(&[f64::NAN, 1.0, 0.0], 3, &[0]).unwrap(), [2]);
        // Minus infinity stands for a masked class.
        let masked = [f64::NEG_INFINITY, f64::NEG_INFINITY, 0.0];
        assert_eq!(label_ranks(&masked, 3, &[2]).unwrap(), [0]);
    }

    #[test]
    fn agrees_with_a_sort_and_falls_with_k() {
        // 37 and 101 share no factor: all logits of a row differ.
        let (n, classes) = (40_usize, 11_usize);
        let logits: Vec<f64> = (0..n * classes).map(|i| (i * 37 % 101) as f64).collect();
        let labels: Vec<i64> = (0..n as i64).map(|i| i * 3 % 11).collect();
        let ranks = label_ranks(&logits, classes, &labels).unwrap();
        for ((row, &label), &rank) in logits.chunks(classes).zip(&labels).zip(&ranks) {
            let mut order: Vec<usize> = (0..classes).collect();
            order.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
            assert_eq!(order[rank as usize], label as usize);
        }
        let errors: Vec<f64> = (1..=classes)
            .map(|k| top_k_error(&ranks, k).unwrap().unwrap())
            .collect();
        assert!(errors.is_sorted_by(|a, b| a >= b));
        assert_eq!(errors.last(), Some(&0.0));
    }

    #[test]
    fn refuses_what_is_no_row_no_class_and_no_rank() {
        let refused = |logits: &[f64], classes, labels: &[i64]| {
            let error = label_ranks(logits, classes, labels).unwrap_err();
            error.to_string()
        };
        assert_eq!(
            refused(&[0.0; 5], 3, &[0, 0]),
            "`logits` must be [2, 3], got 5 numbers"
        );
        assert_eq!(
            refused(&[0.0; 3], 3, &[3]),
            "`labels` must be classes from 0 to 2, got 3"
        );
        assert_eq!(refused(&[], 0, &[]), "`classes` must be at least 1, got 0");
        let refused = |ranks, k| top_k_error(ranks, k).unwrap_err().to_string();
        assert_eq!(refused(&[0], 0), "`k` must be at least 1, got 0");
        assert_eq!(refused(&[2, -1], 5), "`ranks` must be at least 0, got -1");
    }
}
