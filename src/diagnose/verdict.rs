//! From the checks to one word.

use super::check::{Diagnosis, Trust, Verdict};

/// Fewer images that are classified rightly could not show a difference if there was one: the
/// attack breaks some of them, and six of the others are the fewest that are no chance.
const FEWEST_RIGHT: usize = 10;

/// Without these nothing is known about whether another attack finds more.
const ESSENTIAL: [&str; 4] = ["gradients", "losses", "black_box", "autoattack"];

/// The verdict and what it says, for `right` images that were classified rightly.
pub fn of(diagnosis: &Diagnosis, right: usize) -> (Trust, String) {
    let names = |verdict| {
        let names: Vec<&str> = diagnosis.with(verdict).map(|it| it.name.as_str()).collect();
        names.join(", ")
    };
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let (attack, worst) = (
        percent(diagnosis.attack_error),
        percent(diagnosis.worst_error),
    );
    let steps = diagnosis.options.steps;
    let (failed, warned) = (names(Verdict::Fail), names(Verdict::Warn));
    let numbers = format!(
        "PGD-{steps} gives an error of {attack}; the worst case over all attacks here is {worst}."
    );
    let finer = format!(
        "With {} images, a gain below {} would not be told from chance.",
        diagnosis.images,
        percent(diagnosis.resolution)
    );
    if !failed.is_empty() {
        return (
            Trust::Masked,
            format!(
                "Do not trust the number: the gradients that the attack follows are masked ({failed}). \
                 {numbers}"
            ),
        );
    }
    if right < FEWEST_RIGHT {
        return (
            Trust::Doubt,
            format!(
                "Nothing can be said: {right} of {} images are classified rightly, and at least \
                 {FEWEST_RIGHT} are needed. Take more images.",
                diagnosis.images
            ),
        );
    }
    if !warned.is_empty() {
        return (
            Trust::Doubt,
            format!("Some checks give reason to doubt the number: {warned}. {numbers} {finer}"),
        );
    }
    let passed = |name: &&&str| {
        let mut checks = diagnosis.with(Verdict::Pass);
        !checks.any(|it| it.name == **name)
    };
    let lacking: Vec<&str> = ESSENTIAL.iter().filter(passed).copied().collect();
    if !lacking.is_empty() {
        return (
            Trust::Doubt,
            format!(
                "The checks that ran found nothing, but these are needed to trust the number: {}. \
                 {numbers} {finer}",
                lacking.join(", ")
            ),
        );
    }
    (
        Trust::Trust,
        format!("No check finds masked gradients. {numbers} {finer}"),
    )
}
