//! A diagnosis for a terminal.

use crate::Result;
use crate::diagnose::{Check, Diagnosis, Evidence, Unit, Verdict};
use crate::report::{Cell, Table, short};

/// The diagnosis for a terminal: a line for each check with its first numbers, and what is said
/// about those that did not pass.
///
/// # Errors
/// None for a diagnosis that there can be.
pub fn diagnosis_table(diagnosis: &Diagnosis) -> Result<Table> {
    let title = format!("{}: {}", diagnosis.name, diagnosis.verdict.word());
    let mut table = Table::new(title, vec!["verdict".into()]);
    for check in &diagnosis.checks {
        let numbers = check.evidence.iter().take(FIRST).map(|it| {
            let value = shown(it);
            format!("{} {value}", it.name)
        });
        let numbers: Vec<String> = numbers.collect();
        let label = match numbers.is_empty() {
            true => check.name.clone(),
            false => format!("{}: {}", check.name, numbers.join(", ")),
        };
        table.row(label, vec![Cell::Text(check.verdict.word().into())])?;
    }
    table.note(&diagnosis.summary);
    let unlike = |it: &&Check| it.verdict != Verdict::Pass;
    for check in diagnosis.checks.iter().filter(unlike) {
        let advice = check.advice.as_deref().unwrap_or_default();
        table.note(format!("{}: {} {advice}", check.name, check.explanation));
    }
    Ok(table)
}

/// Numbers of a check in its line.
const FIRST: usize = 2;

/// A number as people read it.
pub fn shown(it: &Evidence) -> String {
    match (it.value, it.unit) {
        (None, _) => "–".to_owned(),
        (Some(value), Unit::Share) => format!("{:.1} %", 100.0 * value),
        (Some(value), _) => short(value),
    }
}
