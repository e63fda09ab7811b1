//! From logits to rows.

use super::rows::Row;
use crate::Result;
use crate::metrics::label_ranks;

/// A batch of examples and what the model said about them.
pub struct Judged<'a> {
    /// The place of each image in the whole data set.
    pub examples: &'a [usize],
    pub labels: &'a [i64],
    /// The correct classes of each image, where the data has several.
    pub correct: Option<&'a [Vec<i64>]>,
    /// `[n, classes]`, row by row.
    pub logits: &'a [f64],
    pub classes: usize,
    /// The L-infinity and L2 norm of each perturbation, where there was an attack.
    pub norms: Option<(&'a [f64], &'a [f64])>,
}

/// A row for each example of a batch.
///
/// # Errors
/// `Invalid` for lengths that differ, labels that are no classes, and logits that are NaN or
/// infinite.
pub fn judge(batch: &Judged) -> Result<Vec<Row>> {
    let (n, k) = (batch.labels.len(), batch.classes);
    for (what, length) in [
        ("examples", Some(batch.examples.len())),
        ("correct", batch.correct.map(<[_]>::len)),
        ("linf", batch.norms.map(|it| it.0.len())),
        ("l2", batch.norms.map(|it| it.1.len())),
    ] {
        ensure!(
            length.is_none_or(|length| length == n),
            "`{what}` must have one entry for each of the {n} images, got {}",
            length.unwrap_or(0)
        );
    }
    let ranks = label_ranks(batch.logits, k, batch.labels)?;
    let rows = batch.logits.chunks_exact(k).enumerate().map(|(i, logits)| {
        let example = batch.examples[i];
        if let Some(bad) = logits.iter().find(|it| !it.is_finite()) {
            bail!(
                "the model's logits for example {example} are not finite ({bad}): its weights \
                 are damaged or its training diverged"
            );
        }
        let label = batch.labels[i] as usize;
        let prediction = first_largest(logits.iter().copied().enumerate());
        let others = logits
            .iter()
            .copied()
            .enumerate()
            .filter(|it| it.0 != label);
        let most = logits[prediction];
        let sum: f64 = logits.iter().map(|it| (it - most).exp()).sum();
        let runner_up = first_largest(others.clone());
        Ok(Row {
            example: example as i64,
            label: label as i64,
            prediction: prediction as i64,
            real: batch
                .correct
                .and_then(|sets| verdict(&sets[i], prediction as i64)),
            loss: sum.ln() - (logits[label] - most),
            margin: match k {
                1 => f64::INFINITY,
                _ => logits[label] - logits[runner_up],
            },
            confidence: 1.0 / sum,
            rank: ranks[i],
            linf: batch.norms.map(|it| it.0[i]),
            l2: batch.norms.map(|it| it.1[i]),
            success: batch.norms.map(|_| prediction != label),
        })
    });
    rows.collect()
}

fn verdict(correct: &[i64], prediction: i64) -> Option<bool> {
    (!correct.is_empty()).then(|| correct.contains(&prediction))
}

fn first_largest(numbers: impl Iterator<Item = (usize, f64)>) -> usize {
    let larger = |best: (usize, f64), next: (usize, f64)| if next.1 > best.1 { next } else { best };
    numbers.reduce(larger).map_or(0, |it| it.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch<'a>(logits: &'a [f64], labels: &'a [i64], examples: &'a [usize]) -> Judged<'a> {
        Judged {
            examples,
            labels,
            correct: None,
            logits,
            classes: 3,
            norms: None,
        }
    }

    /// Two examples computed by hand: softmax of (0, ln 2, ln 5) is (1, 2, 5) / 8.
    #[test]
    fn numbers_by_hand() {
        let logits = [0.0, 2f64.ln(), 5f64.ln(), 1.0, 1.0, -2.0];
        let sets = [vec![1, 2], vec![]];
        let rows = judge(&Judged {
            correct: Some(&sets),
            norms: Some((&[0.03, 0.01], &[0.5, 0.25])),
            ..batch(&logits, &[1, 0], &[7, 9])
        })
        .unwrap();
        let first = &rows[0];
        assert_eq!((first.example, first.label, first.prediction), (7, 1, 2));
        assert_eq!(
            (first.rank, first.real, first.success),
            (1, Some(true), Some(true))
        );
        assert!((first.loss - 4f64.ln()).abs() < 1e-15);
        assert!((first.margin - (2f64.ln() - 5f64.ln())).abs() < 1e-15);
        assert!((first.confidence - 0.625).abs() < 1e-15);
        assert_eq!((first.linf, first.l2), (Some(0.03), Some(0.5)));
        let tie = &rows[1];
        assert_eq!((tie.prediction, tie.margin, tie.rank), (0, 0.0, 1));
        assert_eq!((tie.real, tie.success), (None, Some(false)));
    }

    #[test]
    fn logits_that_are_no_numbers_are_refused_by_example() {
        for bad in [f64::NAN, f64::INFINITY] {
            let logits = [0.0, 1.0, 2.0, 0.0, bad, 0.0];
            let error = judge(&batch(&logits, &[0, 0], &[4, 5])).unwrap_err();
            assert!(
                error
                    .to_string()
                    .starts_with("the model's logits for example 5 are not")
            );
        }
        let error = judge(&batch(&[0.0; 3], &[0], &[1, 2])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`examples` must have one entry for each of the 1 images, got 2"
        );
        assert!(judge(&batch(&[0.0; 3], &[3], &[0])).is_err());
    }
}
