//! The worst case for each example over several evaluations of one model.

use super::about::{About, Kind};
use super::rows::{Ledger, Row};
use crate::Result;
use serde_json::{Value, json};
use std::collections::HashMap;

/// What the worst case of `ledgers` is of, called `condition`, and its rows: of each example
/// that all have, the row with a wrong prediction, and of several the one of the highest loss.
/// So another ledger never lowers the error of the examples that it has.
///
/// # Errors
/// `Invalid` for no ledger, one that is not complete, and ledgers of other weights or images.
pub fn worst_case(ledgers: &[&Ledger], condition: &str) -> Result<(About, Vec<Row>)> {
    let Some((first, others)) = ledgers.split_first() else {
        bail!("a worst case needs at least one ledger");
    };
    for ledger in ledgers {
        let about = ledger.about();
        ensure!(
            ledger.is_complete(),
            "`{}, {}` is not complete: {} of {} images",
            about.model,
            about.condition,
            ledger.len(),
            about.images
        );
        for (what, own, of_first) in [
            ("weights", &about.weights, &first.about().weights),
            ("a dtype", &about.dtype, &first.about().dtype),
            ("images", &about.data_set, &first.about().data_set),
        ] {
            ensure!(
                own == of_first,
                "`{}, {}` and `{}, {}` have no worst case in common: they are of other {what}",
                first.about().model,
                first.about().condition,
                about.model,
                about.condition
            );
        }
    }
    let mut worst: Vec<Row> = first.rows().to_vec();
    for ledger in others {
        let rows = ledger.rows().iter();
        let by_example: HashMap<i64, &Row> = rows.map(|row| (row.example, row)).collect();
        worst.retain(|row| by_example.contains_key(&row.example));
        for row in &mut worst {
            let other = by_example[&row.example];
            if is_worse(other, row) {
                *row = other.clone();
            }
        }
    }
    ensure!(
        !worst.is_empty(),
        "the ledgers have no example in common, so no worst case"
    );
    let parts = ledgers.iter().map(|ledger| {
        let about = ledger.about();
        json!({ "condition": about.condition, "attack": about.attack, "data": about.data })
    });
    let radii = ledgers.iter().filter_map(|ledger| ledger.about().eps);
    let about = About {
        condition: condition.to_owned(),
        kind: Kind::Attack,
        attack: Some(json!({ "attack": "worst case", "of": parts.collect::<Vec<Value>>() })),
        eps: radii.reduce(f64::max),
        corruption: None,
        severity: None,
        images: worst.len(),
        ..first.about().clone()
    };
    Ok((about, worst))
}

fn is_worse(row: &Row, than: &Row) -> bool {
    let wrong = |row: &Row| row.prediction != row.label;
    match (wrong(row), wrong(than)) {
        (true, false) => true,
        (false, true) => false,
        _ => row.loss > than.loss,
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::tests::{about, row};
    use super::*;

    fn ledger(condition: &str, wrong: &[i64], examples: &[i64]) -> Ledger {
        let mut of = about(examples.len());
        of.condition = condition.into();
        let mut ledger = Ledger::new(of, None).unwrap();
        let rows = examples.iter().map(|&example| {
            let mut row = row(example);
            row.label = 0;
            row.prediction = i64::from(wrong.contains(&example));
            row.loss = if wrong.contains(&example) { 0.5 } else { 0.1 };
            row
        });
        ledger.add(rows.collect()).unwrap();
        ledger
    }

    #[test]
    fn an_example_is_wrong_where_any_attack_breaks_it() -> Result<()> {
        let all: Vec<i64> = (0..6).collect();
        let ledgers = [
            ledger("a", &[0, 1], &all),
            ledger("b", &[1, 2], &all),
            ledger("c", &[], &all),
        ];
        let mut before = 0;
        for count in 1..=3 {
            let some: Vec<&Ledger> = ledgers.iter().take(count).collect();
            let (of, rows) = worst_case(&some, "worst")?;
            let wrong = rows
                .iter()
                .filter(|row| row.prediction != row.label)
                .count();
            assert!(wrong >= before);
            before = wrong;
            assert_eq!((of.images, of.condition.as_str()), (6, "worst"));
        }
        assert_eq!(before, 3);
        let (of, rows) = worst_case(&[&ledgers[0], &ledger("d", &[5], &[4, 5])], "worst")?;
        assert_eq!(
            rows.iter().map(|row| row.example).collect::<Vec<_>>(),
            [4, 5]
        );
        assert_eq!(of.images, 2);
        Ok(())
    }

    /// Among errors the higher loss counts, and a wrong prediction more than any loss.
    #[test]
    fn the_row_of_the_worst_is_kept_whole() -> Result<()> {
        let mut high = ledger("a", &[], &[0]);
        high = {
            let mut rows = high.rows().to_vec();
            rows[0].loss = 9.0;
            let mut again = Ledger::new(high.about().clone(), None)?;
            again.add(rows)?;
            again
        };
        let broken = ledger("b", &[0], &[0]);
        let (_, rows) = worst_case(&[&high, &broken], "worst")?;
        assert_eq!(rows, broken.rows());
        Ok(())
    }

    #[test]
    fn what_cannot_be_joined_is_refused() {
        let a = ledger("a", &[], &[0, 1]);
        let mut other = a.about().clone();
        other.weights = "v".into();
        let mut b = Ledger::new(other, None).unwrap();
        b.add(a.rows().to_vec()).unwrap();
        let message = |ledgers: &[&Ledger]| worst_case(ledgers, "w").unwrap_err().to_string();
        assert!(message(&[&a, &b]).contains("they are of other weights"));
        assert!(message(&[]).contains("at least one ledger"));
        let c = ledger("c", &[], &[7]);
        assert!(message(&[&a, &c]).contains("no example in common"));
        let half = Ledger::new(about(2), None).unwrap();
        assert!(message(&[&half]).contains("is not complete: 0 of 2 images"));
    }
}
