//! Two ledgers example by example.

use super::rows::{Ledger, Row};
use crate::Result;
use crate::metrics::{McNemar, SpillOver, mcnemar};
use std::collections::HashMap;

/// The rows that two ledgers have of the same examples, in the order of the first.
///
/// # Errors
/// `Invalid` for classes or images that differ, and where no example is in both.
pub fn pairs<'a>(a: &'a Ledger, b: &'a Ledger) -> Result<Vec<(&'a Row, &'a Row)>> {
    let (classes_a, classes_b) = (&a.about().class_names, &b.about().class_names);
    ensure!(
        classes_a == classes_b,
        "{} and {} cannot be compared: their classes differ, {} and {}",
        named(a),
        named(b),
        listed(classes_a, classes_b),
        listed(classes_b, classes_a)
    );
    ensure!(
        a.about().data_set == b.about().data_set,
        "{} and {} cannot be compared: they are of different images",
        named(a),
        named(b)
    );
    let by_example: HashMap<i64, &Row> = b.rows().iter().map(|row| (row.example, row)).collect();
    let both = a.rows().iter();
    let both = both.filter_map(|row| Some((row, *by_example.get(&row.example)?)));
    let both: Vec<_> = both.collect();
    ensure!(
        !both.is_empty(),
        "{} and {} cannot be compared: they have no example in common",
        named(a),
        named(b)
    );
    Ok(both)
}

/// McNemar's test of the examples that both have.
pub fn mcnemar_of(a: &Ledger, b: &Ledger) -> Result<McNemar> {
    let right = |row: &Row| row.prediction == row.label;
    let (a, b): (Vec<bool>, Vec<bool>) = pairs(a, b)?
        .into_iter()
        .map(|(a, b)| (right(a), right(b)))
        .unzip();
    mcnemar(&a, &b)
}

/// How the classes' errors move from `a` to `b`, on the examples that both have.
pub fn spill_over_of(a: &Ledger, b: &Ledger) -> Result<SpillOver> {
    let both = pairs(a, b)?;
    let labels: Vec<i64> = both.iter().map(|(row, _)| row.label).collect();
    let (of_a, of_b): (Vec<i64>, Vec<i64>) = both
        .iter()
        .map(|(a, b)| (a.prediction, b.prediction))
        .unzip();
    SpillOver::new(a.about().class_names.len(), &labels, &of_a, &of_b)
}

fn named(ledger: &Ledger) -> String {
    let about = ledger.about();
    format!("`{}, {}`", about.model, about.condition)
}

/// How many classes, and the first that the other has not.
fn listed(classes: &[String], others: &[String]) -> String {
    let own = classes.iter().find(|it| !others.contains(it));
    match own {
        Some(own) => format!("{} with `{own}`", classes.len()),
        None => classes.len().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::tests::{about, row};
    use super::*;
    use crate::ledger::About;

    fn ledger(examples: &[i64], predictions: &[i64]) -> Ledger {
        let mut ledger = Ledger::new(about(10), None).unwrap();
        let rows = examples.iter().zip(predictions).map(|(&example, &it)| Row {
            prediction: it,
            ..row(example)
        });
        ledger.add(rows.collect()).unwrap();
        ledger
    }

    /// Labels are 0, 1, 0, 1, ... by example.
    #[test]
    fn only_what_both_have_is_compared() {
        let a = ledger(&[0, 1, 2, 3, 4], &[0, 1, 0, 0, 1]);
        let b = ledger(&[9, 4, 3, 2, 1], &[1, 0, 0, 1, 1]);
        let examples: Vec<i64> = pairs(&a, &b)
            .unwrap()
            .iter()
            .map(|it| it.0.example)
            .collect();
        assert_eq!(examples, [1, 2, 3, 4]);
        let test = mcnemar_of(&a, &b).unwrap();
        let counts = (
            test.both_right,
            test.only_a_right,
            test.only_b_right,
            test.both_wrong,
        );
        assert_eq!(counts, (1, 1, 1, 1));
        let moved = spill_over_of(&a, &b).unwrap().summary();
        assert_eq!((moved.lost_images, moved.gained_images), (1, 1));
    }

    #[test]
    fn what_cannot_be_compared_is_said() {
        let a = ledger(&[0, 1], &[0, 1]);
        let refused = |b: &Ledger| pairs(&a, b).err().unwrap().to_string();
        assert!(refused(&ledger(&[2, 3], &[0, 1])).ends_with("no example in common"));
        let cows = About {
            class_names: vec!["cat".into(), "cow".into(), "dog".into()],
            ..about(10)
        };
        let error = refused(&Ledger::new(cows, None).unwrap());
        assert!(
            error.ends_with("their classes differ, 2 and 3 with `cow`"),
            "{error}"
        );
        let others = About {
            data_set: "t".into(),
            ..about(10)
        };
        let error = refused(&Ledger::new(others, None).unwrap());
        assert!(error.ends_with("they are of different images"), "{error}");
    }
}
